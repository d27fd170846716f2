//! Real inputs, fetched as packages and unpacked under `target/corpus`, never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tests::environment::corpus;
use tests::modules::trees::{FORMS, modules_dir, recompress};

use crate::apt::Apt;
use crate::{architectures, keymaps, shell};

/// Everything that the tests read.
pub(crate) fn all() -> Result<()> {
    linux_6_1()?;
    linux_6_12()?;
    recompressed()?;
    architectures::all()?;
    kmod_34()?;
    busybox()?;
    architectures::busybox()?;
    keymaps::kbd()?;
    keymaps::xkb()?;
    Ok(())
}

/// Debian 12's kernel: 6.1, plain modules. The version is checked, so that another release does not pass for it.
pub(crate) fn linux_6_1() -> Result<PathBuf> {
    kernel(
        "linux-6.1",
        &["linux-image-amd64"],
        Some("linux-image-6.1."),
    )
}

/// The file of a package that the corpus has been unpacked from.
pub(crate) fn package(name: &str) -> Result<PathBuf> {
    let start = format!("{name}_");
    let files = fs::read_dir(corpus().join("packages"))?;
    let mut files = files.map(|entry| Ok::<_, std::io::Error>(entry?.path()));
    let found = files.find(|path| {
        let name = path.as_ref().ok().and_then(|path| path.file_name());
        name.is_some_and(|name| name.to_string_lossy().starts_with(&start))
    });
    Ok(found.with_context(|| format!("no package {name} in the corpus"))??)
}

/// Debian 13's kernel: 6.12, `.ko.xz` below `usr/lib/modules`.
pub(crate) fn linux_6_12() -> Result<PathBuf> {
    let root = corpus().join("linux-6.12");
    if root.is_dir() {
        return Ok(root);
    }
    let apt = debian_13()?;
    let packages: Vec<_> = apt
        .dependencies("linux-image-amd64")?
        .into_iter()
        .filter(|package| package.starts_with("linux-image-6.12."))
        .collect();
    anyhow::ensure!(
        !packages.is_empty(),
        "Debian 13's linux-image-amd64 depends on no linux-image-6.12.*"
    );
    unpack(&apt, &packages, &root)?;
    Ok(root)
}

/// Debian 12's modules in other forms of compression, each in a folder `linux-6.1-FORM`.
pub(crate) fn recompressed() -> Result<()> {
    let plain = modules_dir(&linux_6_1()?).context("no modules in the kernel of the corpus")?;
    for (name, forms) in FORMS {
        let root = corpus().join(format!("linux-6.1-{name}"));
        if root.is_dir() {
            continue;
        }
        let partial = corpus().join(format!("linux-6.1-{name}.partial"));
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        let version = plain.file_name().context("a version")?;
        recompress(&plain, &partial.join("lib/modules").join(version), forms)
            .with_context(|| format!("cannot make {}", root.display()))?;
        fs::rename(partial, root)?;
    }
    Ok(())
}

/// Debian 13's kmod 34 with its own C library, to be started through the folder's own dynamic loader: the oracle of
/// `modtree depmod` beside the installed kmod 30.
pub(crate) fn kmod_34() -> Result<PathBuf> {
    let root = corpus().join("kmod-34");
    if root.is_dir() {
        return Ok(root);
    }
    let packages = [
        "kmod",
        "libkmod2",
        "libc6",
        "libzstd1",
        "liblzma5",
        "zlib1g",
        "libssl3t64",
    ];
    unpack(&debian_13()?, &packages.map(str::to_owned), &root)?;
    Ok(root)
}

/// 3cpio, which Debian 12 has not, as its author publishes it: a peer of the benchmarks only.
pub(crate) fn three_cpio() -> Result<PathBuf> {
    let root = corpus().join("3cpio");
    if !root.is_dir() {
        let partial = root.with_extension("partial");
        let mut install = Command::new("cargo");
        install.args([
            "install",
            "--quiet",
            "--locked",
            "threecpio@0.14.0",
            "--root",
        ]);
        shell::run(install.arg(&partial))?;
        fs::rename(partial, &root)?;
    }
    Ok(root.join("bin/3cpio"))
}

/// Debian's busybox with shared libraries, beside the static one that is installed.
pub(crate) fn busybox() -> Result<PathBuf> {
    let root = corpus().join("busybox");
    if !root.is_dir() {
        let apt = Apt::knowing("busybox", &corpus().join("apt"))?;
        unpack(&apt, &["busybox".to_owned()], &root)?;
    }
    Ok(root)
}

fn debian_13() -> Result<Apt> {
    Apt::of_release("trixie", &corpus().join("apt-trixie"))
}

/// A kernel of this machine's release, for a demo where the machine has none; the tests' one if it is there already.
pub(crate) fn any_kernel() -> Result<PathBuf> {
    let of_the_tests = corpus().join("linux-6.1");
    if of_the_tests.is_dir() {
        return Ok(of_the_tests);
    }
    kernel("linux", &["linux-image-amd64", "linux-image-generic"], None)
}

/// Unpacks the kernel that the first known one of `meta` packages depends on into the folder `name`.
fn kernel(name: &str, meta: &[&str], expected: Option<&str>) -> Result<PathBuf> {
    let root = corpus().join(name);
    if root.is_dir() {
        return Ok(root);
    }
    let lists = corpus().join("apt");
    let (apt, meta) = meta
        .iter()
        .find_map(|meta| Some((Apt::knowing(meta, &lists).ok()?, meta)))
        .with_context(|| format!("none of the packages {} is known here", meta.join(", ")))?;
    let mut packages: Vec<_> = apt
        .dependencies(meta)?
        .into_iter()
        .filter(|package| {
            package.starts_with("linux-image-") || package.starts_with("linux-modules-")
        })
        .collect();
    // Ubuntu keeps the modules in a package of their own.
    for package in packages.clone() {
        let modules = apt
            .dependencies(&package)?
            .into_iter()
            .filter(|name| name.starts_with("linux-modules-"));
        packages.extend(modules);
    }
    packages.sort();
    packages.dedup();
    if let Some(expected) = expected {
        let fits = packages.iter().any(|package| package.starts_with(expected));
        anyhow::ensure!(
            fits,
            "{meta} is {} here, and {expected}* is needed: the tests run on Debian 12",
            packages.join(", ")
        );
    }
    unpack(&apt, &packages, &root)
        .with_context(|| format!("cannot unpack {}", packages.join(", ")))?;
    Ok(root)
}

/// Unpacks into a folder beside the target, and renames it when it is complete.
pub(crate) fn unpack(apt: &Apt, packages: &[String], root: &Path) -> Result<()> {
    let partial = root.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    for package in packages {
        let file = apt.download(package, &corpus().join("packages"))?;
        shell::run(Command::new("dpkg-deb").arg("-x").arg(file).arg(&partial))?;
    }
    fs::rename(partial, root)?;
    Ok(())
}
