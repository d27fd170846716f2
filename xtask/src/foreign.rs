//! Kernels of other architectures, from Debian 12: modules that are not x86-64's, with other relocations, byte orders and
//! word sizes. Nothing of the machine is changed: each architecture has package lists of its own.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use tests::environment::corpus;

use crate::apt::Apt;
use crate::corpus::unpack;

/// The kernels: the architecture by Debian's name, and the package that depends on the newest kernel.
const KERNELS: [(&str, &str); 1] = [("arm64", "linux-image-arm64")];

/// All of them, each in a folder `linux-6.1-ARCHITECTURE`.
pub(crate) fn all() -> Result<()> {
    for (architecture, meta) in KERNELS {
        kernel(architecture, meta)?;
    }
    Ok(())
}

fn kernel(architecture: &str, meta: &str) -> Result<PathBuf> {
    let root = corpus().join(format!("linux-6.1-{architecture}"));
    if root.is_dir() {
        return Ok(root);
    }
    let lists = corpus().join(format!("apt-{architecture}"));
    let apt = Apt::of_architecture(architecture, "bookworm", &lists)?;
    let mut packages = apt.dependencies(meta)?;
    packages.retain(|package| package.starts_with("linux-image-6.1."));
    ensure!(
        !packages.is_empty(),
        "{meta} of Debian 12 depends on no linux-image-6.1.*"
    );
    unpack(&apt, &packages, &root)?;
    Ok(root)
}
