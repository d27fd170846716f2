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

    /// Private lists of another release, under `folder`: the machine's own sources of its release, with the suite replaced.
    pub(crate) fn of_release(suite: &str, folder: &Path) -> Result<Self> {
        Self::of(suite, None, folder)
    }

    /// The same for another architecture, by Debian's name of it.
    pub(crate) fn of_architecture(architecture: &str, suite: &str, folder: &Path) -> Result<Self> {
        Self::of(suite, Some(architecture), folder)
    }

    fn of(suite: &str, architecture: Option<&str>, folder: &Path) -> Result<Self> {
        let sources = machine_sources(suite)?;
        let parts = folder.join("sources");
        let state = folder.join("state");
        let cache = folder.join("cache");
        for dir in [
            &parts,
            &state.join("lists/partial"),
            &cache.join("archives/partial"),
        ] {
            std::fs::create_dir_all(dir)?;
        }
        for (name, text) in sources {
            std::fs::write(parts.join(name), text)?;
        }
        // An empty status file: what is installed here must not count for the other release.
        let status = folder.join("status");
        std::fs::write(&status, "")?;
        let mut options = vec![
            format!("Dir::State={}", state.display()),
            format!("Dir::State::status={}", status.display()),
            format!("Dir::Cache={}", cache.display()),
            "Dir::Etc::sourcelist=/dev/null".to_owned(),
            format!("Dir::Etc::sourceparts={}", parts.display()),
        ];
        if let Some(architecture) = architecture {
            options.push(format!("APT::Architecture={architecture}"));
            options.push(format!("APT::Architectures={architecture}"));
        }
        let apt = Self { options };
        apt.update()?;
        Ok(apt)
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

/// The machine's package sources of its own release, rewritten for another one: (file name, contents).
fn machine_sources(suite: &str) -> Result<Vec<(String, String)>> {
    let release =
        std::fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let own = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release names no VERSION_CODENAME")?
        .trim_matches('"')
        .to_owned();
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        let rewritten = match file.extension().and_then(|suffix| suffix.to_str()) {
            Some("sources") => stanzas(&text, &own, suite),
            Some("list") => lines(&text, &own, suite),
            _ => continue,
        };
        if !rewritten.is_empty() {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            found.push((name.into_owned(), rewritten));
        }
    }
    if found.is_empty() {
        bail!(
            "no package source of {own} on this machine, from which one of {suite} could be made"
        );
    }
    Ok(found)
}

/// `suite` for `own` or `own-updates`; other repositories have suites of their own, and are left out.
fn replaced(word: &str, own: &str, suite: &str) -> Option<String> {
    let rest = word.strip_prefix(own)?;
    (rest.is_empty() || rest.starts_with('-')).then(|| format!("{suite}{rest}"))
}

/// The stanzas of a deb822 file which are of the release `own`.
fn stanzas(text: &str, own: &str, suite: &str) -> String {
    let rewrite = |stanza: &str| -> Option<String> {
        let mut of_own = false;
        let mut lines = Vec::new();
        for line in stanza.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix("Suites:") {
                Some(words) => {
                    let words = words.split_whitespace();
                    let words: Option<Vec<_>> =
                        words.map(|word| replaced(word, own, suite)).collect();
                    of_own = true;
                    lines.push(format!("Suites: {}", words?.join(" ")));
                }
                None => lines.push(line.to_owned()),
            }
        }
        of_own.then(|| lines.join("\n") + "\n")
    };
    let stanzas: Vec<_> = text.split("\n\n").filter_map(rewrite).collect();
    stanzas.join("\n")
}

/// The lines of a one-line-style file which are of the release `own`.
fn lines(text: &str, own: &str, suite: &str) -> String {
    let rewrite = |line: &str| -> Option<String> {
        let mut found = false;
        let words: Vec<_> = line
            .split_whitespace()
            .map(|word| match replaced(word, own, suite) {
                Some(word) => {
                    found = true;
                    word
                }
                None => word.to_owned(),
            })
            .collect();
        (found && line.starts_with("deb ")).then(|| words.join(" ") + "\n")
    };
    text.lines().filter_map(rewrite).collect()
}
