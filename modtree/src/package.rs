//! Debian packages (deb(5)): an `ar` archive whose member `data.tar.…` holds the files.
//!
//! Only `boot/` and `lib/modules/` (or `usr/lib/modules/`) are unpacked, as plain files into a private directory that is
//! removed with the [`Package`]. Names with `..` and links are not followed: a package cannot write elsewhere.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use codec::Member;
use codec::file::ReadError;

/// Larger than any kernel package: Debian's has 70 MB, with debug information 1 GB.
const PACKAGE_LIMIT: u64 = 2 << 30;

/// The most that is unpacked from one package: Debian's kernel has 400 MB of modules.
const UNPACKED_LIMIT: u64 = 4 << 30;

/// Room for any module; a larger file's grows.
const FIRST_ROOM: u64 = 16 << 20;

/// Why a package could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The package cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is not a Debian package.
    #[error("`{}` is not a Debian package: {reason}", path.display())]
    NotADeb {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The package is damaged.
    #[error("cannot unpack `{}`: {source}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The package holds no modules.
    #[error("`{}` holds no kernel modules; name the package that has them (linux-image-VERSION, not linux-image-ARCH, which only depends on it)", path.display())]
    NoModules {
        /// The file.
        path: PathBuf,
    },
    /// The private directory cannot be written.
    #[error("cannot unpack `{}` into `{}`: {source}; TMPDIR names another place", path.display(), folder.display())]
    Write {
        /// The package.
        path: PathBuf,
        /// The private directory.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl PackageError {
    /// Whether the package is at fault and not the machine.
    pub fn is_input(&self) -> bool {
        match self {
            PackageError::Read(error) => {
                !matches!(error, ReadError::Io { .. }) || error.is_not_found()
            }
            PackageError::Write { .. } => false,
            _ => true,
        }
    }
}

/// A kernel's package, unpacked as long as this lives.
///
/// ```no_run
/// use modtree::{Package, Tree};
///
/// let package = Package::unpack("linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb".as_ref())?;
/// let tree = Tree::in_package(package, None)?;
/// println!("{} modules of {}", tree.modules()?.len(), tree.version());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Package {
    path: PathBuf,
    folder: tempfile::TempDir,
    found: Option<Metadata>,
}

impl Package {
    /// Unpacks the kernel and modules of the package at `path` into the directory for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// See [`PackageError`].
    pub fn unpack(path: &Path) -> Result<Self, PackageError> {
        let (bytes, found) = codec::file::read_known(path, PACKAGE_LIMIT)?;
        let data = data_member(&bytes).map_err(|reason| PackageError::NotADeb {
            path: path.to_path_buf(),
            reason,
        })?;
        let folder = private_folder(path)?;
        let reader: Box<dyn Read + '_> = match Member::in_parallel(data) {
            Some(member) => Box::new(member),
            None => Box::new(data),
        };
        let modules = unpack_tar(reader, folder.path()).map_err(|error| match error {
            Problem::Data(source) => PackageError::Data {
                path: path.to_path_buf(),
                source,
            },
            Problem::Write(source) => write_error(path, folder.path(), source),
        })?;
        Self::of_folder(path, folder, modules, Some(found))
    }

    /// The package at `path` again, as far as somebody has kept its files: names below [`root`](Self::root) with their contents.
    /// What [`unpack`](Self::unpack) would leave out is left out.
    ///
    /// # Errors
    /// [`PackageError::Write`]; [`PackageError::NoModules`].
    pub fn restore<'f>(
        path: &Path,
        files: impl IntoIterator<Item = (&'f Path, &'f [u8])>,
    ) -> Result<Self, PackageError> {
        let folder = private_folder(path)?;
        let mut modules = 0;
        for (name, contents) in files {
            if let Some(name) = wanted(name) {
                let written = write_file(folder.path(), &name, contents);
                written.map_err(|source| write_error(path, folder.path(), source))?;
                modules += usize::from(is_module(&name));
            }
        }
        Self::of_folder(path, folder, modules, None)
    }

    fn of_folder(
        path: &Path,
        folder: tempfile::TempDir,
        modules: usize,
        found: Option<Metadata>,
    ) -> Result<Self, PackageError> {
        let path = path.to_path_buf();
        match modules {
            0 => Err(PackageError::NoModules { path }),
            _ => Ok(Self {
                path,
                folder,
                found,
            }),
        }
    }

    /// What was known of the package's file when it was opened; `None` of one that was [restored](Self::restore).
    pub fn metadata(&self) -> Option<&Metadata> {
        self.found.as_ref()
    }

    /// The directory that holds the package's `boot` and `lib/modules` (or `usr/lib/modules`).
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path below [`root`](Self::root) as a person knows it, `PACKAGE.deb:lib/modules/VERSION/kernel/fs/fat/vfat.ko`: the
    /// directory's own name means nothing to anybody and differs each time. Other paths stay what they are.
    pub fn shown(&self, path: &Path) -> PathBuf {
        let Ok(member) = path.strip_prefix(self.root()) else {
            return path.to_path_buf();
        };
        let mut shown = self.path.clone().into_os_string();
        if member != Path::new("") {
            shown.push(":");
            shown.push(member);
        }
        shown.into()
    }
}

fn private_folder(path: &Path) -> Result<tempfile::TempDir, PackageError> {
    let mut names = tempfile::Builder::new();
    let made = names.prefix("kernel-package-").tempdir();
    made.map_err(|source| write_error(path, &std::env::temp_dir(), source))
}

fn write_error(path: &Path, folder: &Path, source: io::Error) -> PackageError {
    PackageError::Write {
        path: path.to_path_buf(),
        folder: folder.to_path_buf(),
        source,
    }
}

/// The bytes of the member `data.tar.…`.
fn data_member(bytes: &[u8]) -> Result<&[u8], String> {
    let archive = object::read::archive::ArchiveFile::parse(bytes)
        .map_err(|error| format!("no ar archive ({error})"))?;
    for member in archive.members() {
        let member = member.map_err(|error| format!("its ar archive is damaged ({error})"))?;
        if member.name().starts_with(b"data.tar") {
            return member
                .data(bytes)
                .map_err(|error| format!("its member data.tar is damaged ({error})"));
        }
    }
    Err("it has no member data.tar".to_owned())
}

enum Problem {
    Data(io::Error),
    Write(io::Error),
}

/// Writes the wanted regular files below `folder`; tells how many of them are modules.
fn unpack_tar(reader: Box<dyn Read + '_>, folder: &Path) -> Result<usize, Problem> {
    let mut modules = 0;
    let mut room = UNPACKED_LIMIT;
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(Problem::Data)? {
        let mut entry = entry.map_err(Problem::Data)?;
        let name = entry.path().map_err(Problem::Data)?.into_owned();
        let Some(name) = wanted(&name).filter(|_| entry.header().entry_type().is_file()) else {
            continue;
        };
        let mut contents = Vec::with_capacity(entry.size().min(FIRST_ROOM) as usize);
        (&mut entry)
            .take(room + 1)
            .read_to_end(&mut contents)
            .map_err(Problem::Data)?;
        room = room
            .checked_sub(contents.len() as u64)
            .ok_or_else(|| Problem::Data(io::Error::other("it holds more than 4 GiB")))?;
        write_file(folder, &name, &contents).map_err(Problem::Write)?;
        modules += usize::from(is_module(&name));
    }
    Ok(modules)
}

fn write_file(folder: &Path, name: &Path, contents: &[u8]) -> io::Result<()> {
    let target = folder.join(name);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&target, contents)
}

/// Whether a file lies where the modules are.
fn is_module(name: &Path) -> bool {
    name.components().any(|part| part.as_os_str() == "modules")
}

/// The name without its leading `./`, if the file belongs to a kernel and the name stays inside the directory.
fn wanted(name: &Path) -> Option<PathBuf> {
    let parts: Vec<_> = name
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .collect();
    let inside = parts
        .iter()
        .all(|part| matches!(part, Component::Normal(_)));
    let clean: PathBuf = parts.iter().collect();
    let known = ["boot", "lib/modules", "usr/lib/modules"];
    (inside && known.iter().any(|folder| clean.starts_with(folder))).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kernels_files_are_wanted_and_none_that_climbs_out() {
        let wanted = |name: &str| wanted(Path::new(name));
        assert_eq!(
            wanted("./boot/vmlinuz-6.1"),
            Some("boot/vmlinuz-6.1".into())
        );
        assert_eq!(
            wanted("./usr/lib/modules/6.12/modules.order"),
            Some("usr/lib/modules/6.12/modules.order".into())
        );
        assert_eq!(wanted("./usr/share/doc/linux/copyright"), None);
        assert_eq!(wanted("./boot/../../etc/passwd"), None);
        assert_eq!(wanted("/boot/vmlinuz"), None);
    }

    #[test]
    fn kept_files_come_back_and_none_lands_elsewhere() {
        let files = [
            ("lib/modules/6.1/modules.order", &b"order"[..]),
            ("boot/vmlinuz-6.1", b"kernel"),
            ("../escaped", b"x"),
            ("boot/../../escaped", b"x"),
            ("etc/passwd", b"x"),
        ];
        let files = files.map(|(name, bytes)| (Path::new(name), bytes));
        let package = Package::restore("linux.deb".as_ref(), files).unwrap();
        let read = |name: &str| fs::read(package.root().join(name)).ok();
        assert_eq!(read("lib/modules/6.1/modules.order").unwrap(), b"order");
        assert_eq!(read("boot/vmlinuz-6.1").unwrap(), b"kernel");
        assert_eq!((read("../escaped"), read("etc/passwd")), (None, None));
        let none = Package::restore("linux.deb".as_ref(), [files[1]]);
        assert!(matches!(none, Err(PackageError::NoModules { .. })));
    }

    #[test]
    fn a_file_that_is_no_package_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.deb");
        fs::write(&path, "no package").unwrap();
        let error = Package::unpack(&path).unwrap_err();
        assert!(matches!(error, PackageError::NotADeb { .. }), "{error}");
        assert!(error.is_input());
    }
}
