//! Roots for `packager`: Debian's kernel, or the small part of it that one image needs, which a test may damage.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use packager::cpio::Kind;
use packager::kernel::KernelSource;
use packager::{Plan, Recipe};

use crate::environment::{command, has, kernel};
use crate::modules::run;

/// A change is told from the state before once the clock of the coarsest file system has ticked; then `--cache` keeps the state.
pub const SETTLED: Duration = Duration::from_millis(2100);

/// A kernel's root that is small enough to copy: the modules of the default recipe, the indexes and the configuration.
#[derive(Debug)]
pub struct Root {
    folder: tempfile::TempDir,
    /// The kernel's version.
    pub version: String,
}

impl Root {
    /// Copies what is needed of `original`.
    ///
    /// # Panics
    /// Where it cannot be copied.
    pub fn new(original: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let plan = plan(original);
        let modules = Path::new("lib/modules").join(&plan.version);
        let mut files: Vec<PathBuf> = plan
            .items()
            .filter(|(path, item)| path.ends_with(".ko") && item.kind() == Kind::File)
            .filter_map(|(path, _)| Some(path.strip_prefix("usr/")?.into()))
            .collect();
        files.extend(["modules.builtin", "modules.builtin.modinfo"].map(|name| modules.join(name)));
        for name in ["config", "vmlinuz"] {
            files.push(format!("boot/{name}-{}", plan.version).into());
        }
        for file in files {
            let target = folder.path().join(&file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(original.join(&file), target).unwrap();
        }
        Self {
            folder,
            version: plan.version,
        }
    }

    /// The root: what `--root` takes.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A module's file, for example `fs/fat/vfat.ko`.
    pub fn module(&self, name: &str) -> PathBuf {
        self.path()
            .join("lib/modules")
            .join(&self.version)
            .join("kernel")
            .join(name)
    }

    /// Writes a Debian package of this root, whose `data.tar` is compressed so: `xz`, `zstd`, `gzip` or `none`.
    ///
    /// # Panics
    /// Where dpkg-deb fails.
    pub fn packaged(&self, package: &Path, compressor: &str) {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        run(Command::new("cp").arg("-r").arg(self.path()).arg(&tree));
        fs::create_dir(tree.join("DEBIAN")).unwrap();
        let control = "Package: linux-image-test\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <nobody@example.org>\nDescription: test\n";
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        run(Command::new("dpkg-deb")
            .args(["--root-owner-group", &format!("-Z{compressor}"), "--build"])
            .arg(&tree)
            .arg(package));
    }

    /// `packager initramfs` for this root.
    ///
    /// # Panics
    /// Where it cannot be run.
    pub fn pack(&self, arguments: &[&str]) -> Output {
        pack(self.path(), arguments)
    }

    /// Runs a build that must fail with `code`, leaves nothing, and says `words`.
    ///
    /// # Panics
    /// Where any of that is not so.
    pub fn refuses(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("simple.igz");
        let mut all = arguments.to_vec();
        all.extend(["-o", output.to_str().unwrap()]);
        let result = self.pack(&all);
        let stderr = String::from_utf8_lossy(&result.stderr);
        assert_eq!(result.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("error: ") || stderr.contains("\nerror: "),
            "{stderr}"
        );
        for word in words {
            assert!(stderr.contains(word), "`{word}` is not in: {stderr}");
        }
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            0,
            "a file is left"
        );
    }
}

/// The plan of the default recipe with the Spanish keymap.
///
/// # Panics
/// Where there is none.
pub fn plan(root: &Path) -> Plan {
    Plan::new(&Recipe {
        kernel: KernelSource::Root(root.into()),
        keymaps: vec!["es".into()],
        ..Recipe::default()
    })
    .unwrap()
}

/// `packager initramfs` for a root.
///
/// # Panics
/// Where it cannot be run.
pub fn pack(root: &Path, arguments: &[&str]) -> Output {
    command("packager")
        .args(["initramfs", "--root"])
        .arg(root)
        .args(arguments)
        .output()
        .unwrap()
}

/// The small root, where the real kernel and a busybox are there.
///
/// # Panics
/// Where they are missing and `REQUIRE_ORACLES=1`.
pub fn small_root() -> Option<Root> {
    has(&["busybox"])
        .then(|| kernel("linux-6.1"))?
        .map(|root| Root::new(&root))
}
