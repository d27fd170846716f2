//! The devices of a machine, as roots of a closure: their modaliases, and the drivers that they have.
//!
//! The kernel writes a device's modalias into the file `modalias` of its folder below `/sys/devices`; `driver/module` there
//! is a link to the module that drives it. Both make up a [`Host`], which can be written down as text on one machine and
//! read on another:
//!
//! ```text
//! # modtree host 1
//! modalias pci:v00008086d00009D03sv00001043sd00001271bc01sc06i01
//! module ahci
//! ```
//!
//! A line is `modalias` or `module`, a space, and the value; `#` begins a comment, and the first line is as shown. The text
//! says which kinds of hardware a machine has, and holds no serial numbers.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use codec::file::ReadError;

use crate::ModuleName;
use crate::goal::{GoalRoot, GoalRoots};
use crate::request::Selector;

/// The first line of a record; the number grows when old programs could not read a new one.
const HEADER: &str = "# modtree host 1";

/// A record has some 10 KiB; a modalias has at most some hundred bytes, one of DMI up to 2 KiB.
const LIMIT: u64 = 16 << 20;

/// What hardware a machine has.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Host {
    /// The modaliases of its devices.
    pub modaliases: BTreeSet<String>,
    /// The modules that drive them.
    pub modules: BTreeSet<ModuleName>,
}

/// Why it is not known what hardware a machine has.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The devices cannot be listed.
    #[error("cannot read `{}`: {source}", path.display())]
    Devices {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There are no devices, so that this is not the mounted file system that was meant.
    #[error("no device below `{}` has a modalias: is sysfs mounted there?", .0.display())]
    Empty(PathBuf),
    /// A record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record does not begin like one.
    #[error("`{}` is no record of a machine: its first line must be `{HEADER}`, as `modtree host --record` writes it", .0.display())]
    NoRecord(PathBuf),
    /// A line of a record is none.
    #[error("`{}`, line {line}: expected `modalias` or `module`, a space and a value, and found `{found}`", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What stands there.
        found: String,
    },
}

impl HostError {
    /// Whether the input is at fault, and not the machine.
    pub fn is_input(&self) -> bool {
        match self {
            HostError::Devices { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
            HostError::Read(error) => {
                error.is_not_found() || !matches!(error, ReadError::Io { .. })
            }
            _ => true,
        }
    }
}

impl Host {
    /// Reads what the kernel shows below `sys` (`/sys`, or a copy of it).
    ///
    /// # Errors
    /// [`HostError::Devices`], [`HostError::Empty`].
    pub fn of_sys(sys: &Path) -> Result<Self, HostError> {
        let devices = sys.join("devices");
        let mut host = Host::default();
        // Devices come and go: only the first folder must be there.
        let mut folders = vec![devices.clone()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(_) if folder != devices => continue,
                Err(source) => {
                    return Err(HostError::Devices {
                        path: devices,
                        source,
                    });
                }
            };
            for entry in entries.flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_file() && entry.file_name() == "modalias" => {
                        host.modaliases.extend(modalias(&entry.path()));
                    }
                    Ok(kind) if kind.is_symlink() && entry.file_name() == "driver" => {
                        host.modules.extend(module_of(&entry.path()));
                    }
                    _ => {}
                }
            }
        }
        match host.modaliases.is_empty() {
            true => Err(HostError::Empty(devices)),
            false => Ok(host),
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`HostError::Read`], [`HostError::NoRecord`], [`HostError::Line`].
    pub fn of_record(path: &Path) -> Result<Self, HostError> {
        let bytes = codec::file::read(path, LIMIT)?;
        Self::parse(&String::from_utf8_lossy(&bytes), path)
    }

    /// Reads a record from a stream, such as standard input; `path` is its name for errors.
    ///
    /// # Errors
    /// As [`of_record`](Self::of_record).
    pub fn of_stream(stream: impl Read, path: &Path) -> Result<Self, HostError> {
        let bytes = codec::file::read_stream(stream, path, LIMIT)?;
        Self::parse(&String::from_utf8_lossy(&bytes), path)
    }

    /// Takes a record's text; `path` is its name for errors.
    ///
    /// # Errors
    /// [`HostError::NoRecord`], [`HostError::Line`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, HostError> {
        if text.lines().next() != Some(HEADER) {
            return Err(HostError::NoRecord(path.to_path_buf()));
        }
        let mut host = Host::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end();
            match line.split_once(' ') {
                _ if line.is_empty() || line.starts_with('#') => {}
                Some(("modalias", value)) => drop(host.modaliases.insert(value.to_owned())),
                Some(("module", value)) => drop(host.modules.insert(ModuleName::new(value))),
                _ => {
                    return Err(HostError::Line {
                        path: path.to_path_buf(),
                        line: number + 1,
                        found: line.chars().take(80).collect(),
                    });
                }
            }
        }
        Ok(host)
    }

    /// The machine as text, which [`parse`](Self::parse) reads.
    pub fn record(&self) -> String {
        let modaliases = self
            .modaliases
            .iter()
            .map(|text| format!("modalias {text}\n"));
        let modules = self.modules.iter().map(|name| format!("module {name}\n"));
        let lines: String = modaliases.chain(modules).collect();
        format!("{HEADER}\n{lines}")
    }

    /// The machine as a goal: every device and every driver, as far as this kernel has modules for them. Most devices of a
    /// machine need none.
    pub fn goal(&self) -> GoalRoots {
        let root = |why: String, find: Selector| GoalRoot {
            why,
            find: vec![find],
            optional: true,
        };
        let devices = self.modaliases.iter().map(|modalias| {
            let why = format!("the machine has a device {modalias}");
            root(why, Selector::Alias(modalias.clone()))
        });
        let drivers = self.modules.iter().map(|name| {
            let why = "the machine uses this driver".to_owned();
            root(why, Selector::Module(name.to_string()))
        });
        GoalRoots {
            asked: "host".to_owned(),
            parameter: None,
            combined: false,
            roots: devices.chain(drivers).collect(),
            rules: Vec::new(),
        }
    }
}

/// The contents of a device's file, which is one line; `None` where the device has gone or the line is empty.
fn modalias(path: &Path) -> Option<String> {
    let bytes = codec::file::read(path, LIMIT).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// The module of a device's driver; `None` for a driver that is part of the kernel.
fn module_of(driver: &Path) -> Option<ModuleName> {
    let module = fs::read_link(driver.join("module")).ok()?;
    Some(ModuleName::of_file(module.file_name()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::testing::Root;
    use crate::{ClosureOptions, Tree, closure};

    /// A sysfs with a SATA controller and its driver, a device without a driver, and a circle of links.
    fn sys() -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let device = sys.path().join("devices/pci0000:00/0000:00:1f.2");
        let driver = sys.path().join("bus/pci/drivers/ahci");
        for folder in [
            &device.join("power"),
            &driver,
            &sys.path().join("module/ahci"),
        ] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(device.join("modalias"), "pci:v8086d2922bc01sc06i01\n").unwrap();
        fs::write(device.join("power/modalias"), "\n").unwrap();
        symlink("../../../bus/pci/drivers/ahci", device.join("driver")).unwrap();
        symlink("../../../../module/ahci", driver.join("module")).unwrap();
        symlink("..", device.join("subsystem")).unwrap();
        fs::write(sys.path().join("devices/modalias"), "acpi:PNP0A08:\n").unwrap();
        sys
    }

    #[test]
    fn a_machine_is_its_modaliases_and_drivers() {
        let host = Host::of_sys(sys().path()).unwrap();
        let record = host.record();
        assert_eq!(
            record,
            "# modtree host 1\nmodalias acpi:PNP0A08:\nmodalias pci:v8086d2922bc01sc06i01\nmodule ahci\n"
        );
        assert_eq!(Host::parse(&record, Path::new("x")).unwrap(), host);
    }

    #[test]
    fn devices_bring_the_modules_that_this_kernel_has() {
        let root = Root::new("1.0");
        root.module(
            "kernel/ahci.ko",
            "depends=libahci\nalias=pci:v*d*bc01sc06i01*\n",
        );
        root.module("kernel/libahci.ko", "depends=\n");
        root.module("kernel/other.ko", "depends=\nalias=pci:v*d*bc02*\n");
        let options = ClosureOptions {
            goals: vec![Host::of_sys(sys().path()).unwrap().goal()],
            ..ClosureOptions::default()
        };
        let closure = closure(&Tree::open(&root.dir).unwrap(), &[], &options).unwrap();
        let names: Vec<_> = closure.modules.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["libahci", "ahci"]);
        let reasons: Vec<_> = closure.modules[1]
            .reasons
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            reasons,
            [
                "goal host: the machine has a device pci:v8086d2922bc01sc06i01",
                "goal host: the machine uses this driver",
            ]
        );
    }

    #[test]
    fn what_is_no_machine_says_so() {
        let empty = tempfile::tempdir().unwrap();
        let error = Host::of_sys(empty.path()).unwrap_err();
        assert!(
            matches!(error, HostError::Devices { .. }) && error.is_input(),
            "{error}"
        );
        fs::create_dir(empty.path().join("devices")).unwrap();
        let error = Host::of_sys(empty.path()).unwrap_err();
        assert!(matches!(error, HostError::Empty(_)), "{error}");
        let parse = |text| {
            Host::parse(text, Path::new("pc.txt"))
                .unwrap_err()
                .to_string()
        };
        assert!(
            parse("modalias x\n").starts_with("`pc.txt` is no record of a machine: its first line")
        );
        assert_eq!(
            parse("# modtree host 1\n\nmodalais x\n"),
            "`pc.txt`, line 3: expected `modalias` or `module`, a space and a value, and found `modalais x`"
        );
    }
}
