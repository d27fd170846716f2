//! Debian 12's kernels of other architectures: 32 bits, the other byte order, other relocations. Only their modules
//! and images are unpacked, and nothing of the machine is changed: each architecture has package lists of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tests::environment::corpus;
use tests::modules::ARCHITECTURES;

use crate::apt::Apt;
use crate::corpus::unpack;

/// All of them, each in a folder `linux-6.1-ARCHITECTURE`.
pub(crate) fn all() -> Result<()> {
    for (architecture, meta) in ARCHITECTURES {
        modules(architecture, meta)
            .with_context(|| format!("cannot fetch the kernel of {architecture}"))?;
    }
    Ok(())
}

/// A static busybox for arm64, whose kernel is booted.
pub(crate) fn busybox() -> Result<()> {
    let root = corpus().join("busybox-arm64");
    if root.is_dir() {
        return Ok(());
    }
    let apt = Apt::of_architecture("arm64", "bookworm", &corpus().join("apt-arm64"))?;
    unpack(&apt, &["busybox-static".to_owned()], &root)
}

/// The modules of the newest 6.1 kernel that the package `meta` of an architecture depends on.
fn modules(architecture: &str, meta: &str) -> Result<()> {
    let root = corpus().join(format!("linux-6.1-{architecture}"));
    if root.is_dir() {
        return Ok(());
    }
    let lists = corpus().join(format!("apt-{architecture}"));
    let apt = Apt::of_architecture(architecture, "bookworm", &lists)?;
    let mut packages = apt.dependencies(meta)?;
    packages.retain(|package| package.starts_with("linux-image-6.1."));
    ensure!(
        !packages.is_empty(),
        "{meta} of Debian 12 depends on no linux-image-6.1.*"
    );
    let partial = corpus().join(format!("linux-6.1-{architecture}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    for package in packages {
        // Packages of one name for several architectures lie beside each other.
        let folder = corpus().join("packages").join(architecture);
        unpack_kernel(&apt.download(&package, &folder)?, &partial)?;
    }
    fs::rename(partial, root)?;
    Ok(())
}

fn unpack_kernel(package: &Path, to: &Path) -> Result<()> {
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run dpkg-deb")?;
    let stream = archive.stdout.take().context("dpkg-deb's output")?;
    let unpacked = Command::new("tar")
        .args(["-x", "-C"])
        .arg(to)
        .args(["./lib/modules", "./boot"])
        .stdin(stream)
        .status()
        .context("cannot run tar")?;
    let read = archive.wait()?;
    ensure!(
        read.success() && unpacked.success(),
        "cannot unpack {}",
        package.display()
    );
    Ok(())
}
