//! A file system that is soon full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of 4 MiB in memory, mounted until it is dropped.
#[derive(Debug)]
pub struct Small(PathBuf);

impl Small {
    /// Mounts it below `folder`; `None` where this user may not mount.
    ///
    /// # Panics
    /// Where the folder cannot be written to.
    pub fn mount(folder: &Path) -> Option<Self> {
        let place = folder.join("small");
        fs::create_dir(&place).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "none"])
            .arg(&place)
            .output();
        if !mount.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: this user may not mount");
            return None;
        }
        Some(Self(place))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: the kernel lets go of a loop device's file some time after it was detached.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
