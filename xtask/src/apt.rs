//! Debian packages: installing them, and fetching them without installing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// apt with a set of package lists: the machine's, or private ones that need no root.
pub(crate) struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// The machine's lists if they know `package`. Otherwise they are updated where that is allowed, and private ones, under
    /// `folder`, are made where it is not.
    pub(crate) fn knowing(package: &str, folder: &Path) -> Result<Self> {
        let machine = Self {
            options: Vec::new(),
        };
        if machine.knows(package) {
            return Ok(machine);
        }
        if rustix::process::geteuid().is_root() {
            machine.update()?;
            if machine.knows(package) {
                return Ok(machine);
            }
        }
        let private = Self::private(folder)?;
        if private.knows(package) {
            return Ok(private);
        }
        bail!("no package {package} in the package sources of this machine");
    }

    /// The packages that `package` depends on directly.
    pub(crate) fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let text = shell::output(self.command("apt-cache").args(["depends", package]))?;
        Ok(text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .map(|name| name.trim_matches(['<', '>']).to_owned())
            .collect())
    }

    /// Whether the lists hold a package of this name.
    pub(crate) fn knows(&self, package: &str) -> bool {
        shell::output(
            self.command("apt-cache")
                .args(["show", "--no-all-versions", package]),
        )
        .is_ok_and(|text| text.contains("Package:"))
    }

    /// Downloads a package into `folder`; gives its file.
    pub(crate) fn download(&self, package: &str, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        shell::run(
            self.command("apt-get")
                .args(["-q", "download", package])
                .current_dir(folder),
        )?;
        let prefix = format!("{package}_");
        std::fs::read_dir(folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
            })
            .with_context(|| format!("apt-get downloaded no file for {package}"))
    }

    fn update(&self) -> Result<()> {
        shell::run(self.command("apt-get").args(["-q", "update"]))
    }

    fn private(folder: &Path) -> Result<Self> {
        let state = folder.join("state");
        let cache = folder.join("cache");
        std::fs::create_dir_all(state.join("lists/partial"))?;
        std::fs::create_dir_all(cache.join("archives/partial"))?;
        let apt = Self {
            options: vec![
                format!("Dir::State={}", state.display()),
                "Dir::State::status=/var/lib/dpkg/status".to_owned(),
                format!("Dir::Cache={}", cache.display()),
            ],
        };
        apt.update()?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // The sandbox's user may not read the folders of a checkout; a download needs no sandbox that the build has not.
        command.args(["-o", "APT::Sandbox::User=root"]);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }
}
