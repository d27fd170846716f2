//! Where a library is: paths within a root, and the loader's order of folders.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::LibraryError;
use crate::elf::Elf;
use crate::paths;

/// Folders that glibc's loader knows without a configuration; those for 64 bits first, which others pass over.
const STANDARD: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// musl's folders where its configuration file is absent.
const STANDARD_MUSL: [&str; 3] = ["/lib", "/usr/local/lib", "/usr/lib"];

/// A configuration file that is larger is none.
const CONFIGURATION_LIMIT: u64 = 1 << 20;

/// The beginning of a file, which holds the ELF header: class at 4, machine at 18.
const HEADER: u64 = 64;

/// An ELF file that asks for libraries.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) path: String,
    pub(super) elf: Elf,
    /// `DT_RPATH` of this object and of those that asked for it, the nearest first, `$ORIGIN` replaced.
    pub(super) rpaths: Vec<Vec<String>>,
    runpath: Vec<String>,
    /// The loader that looks for the libraries: the program's, for all that it loads.
    pub(super) loader: Option<String>,
}

impl Asker {
    /// What asks for the libraries of `elf`, which `parent` has asked for.
    pub(super) fn new(path: String, elf: Elf, parent: Option<&Self>) -> Self {
        let origin = path
            .rsplit_once('/')
            .map_or("/", |(folder, _)| folder)
            .to_owned();
        let expand = |folders: &[String]| {
            folders
                .iter()
                .map(|folder| expand(folder, &origin, elf.is_64))
                .collect()
        };
        let mut rpaths: Vec<Vec<String>> = vec![expand(&elf.rpath)];
        rpaths.extend(parent.iter().flat_map(|parent| parent.rpaths.clone()));
        let runpath = expand(&elf.runpath);
        let own = elf.interpreter.clone();
        let loader = own.or_else(|| parent.and_then(|parent| parent.loader.clone()));
        Self {
            path,
            elf,
            rpaths,
            runpath,
            loader,
        }
    }
}

/// Replaces the loader's variables: `$ORIGIN` is the object's folder, `$LIB` the name of the library folders.
fn expand(folder: &str, origin: &str, is_64: bool) -> String {
    let lib = if is_64 { "lib64" } else { "lib" };
    [("ORIGIN", origin), ("LIB", lib)]
        .into_iter()
        .fold(folder.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value)
                .replace(&format!("${name}"), value)
        })
}

/// The folders of one root.
#[derive(Debug)]
pub(super) struct Search<'root> {
    root: &'root Path,
    /// From `/etc/ld.so.conf`, in its order.
    configured: Vec<String>,
}

impl<'root> Search<'root> {
    /// Reads the loader's configuration; tells the files that it is made of.
    pub(super) fn new(root: &'root Path) -> (Self, Vec<PathBuf>) {
        let (mut configured, mut files) = (Vec::new(), Vec::new());
        read_configuration(root, "/etc/ld.so.conf", &mut configured, &mut files, 0);
        (Self { root, configured }, files)
    }

    /// The path of a library, as the asker's loader finds it.
    pub(super) fn library(&self, name: &str, asker: &Asker) -> Result<String, LibraryError> {
        if name.contains('/') {
            return Ok(name.to_owned());
        }
        let folders = self.folders(asker);
        folders
            .iter()
            .map(|folder| format!("{}/{name}", folder.trim_end_matches('/')))
            .find(|path| self.fits(path, &asker.elf))
            .ok_or_else(|| LibraryError::Missing {
                name: name.to_owned(),
                needed_by: asker.path.clone(),
                searched: folders,
            })
    }

    fn folders(&self, asker: &Asker) -> Vec<String> {
        let mut folders = Vec::new();
        if asker.runpath.is_empty() {
            folders.extend(asker.rpaths.iter().flatten().cloned());
        }
        folders.extend(asker.runpath.iter().cloned());
        let loader = asker.loader.as_deref();
        match loader.and_then(|path| path.strip_prefix("/lib/ld-musl-")) {
            Some(rest) => folders.extend(self.musl_folders(rest)),
            None => {
                folders.extend(self.configured.iter().cloned());
                folders.extend(self.multiarch_folder(asker));
                folders.extend(STANDARD.map(str::to_owned));
            }
        }
        let mut seen = std::collections::HashSet::new();
        folders.retain(|folder| !folder.is_empty() && seen.insert(folder.clone()));
        folders
    }

    /// On Debian the loader knows the folder that it was built for, also without a configuration: its own real one. Where a
    /// library is asked about by itself, it is probably in that folder, too.
    fn multiarch_folder(&self, asker: &Asker) -> Vec<String> {
        let loader = asker.loader.as_deref().unwrap_or(&asker.path);
        let Ok(real) = resolve(self.root, loader, "") else {
            return Vec::new();
        };
        let folder = real
            .path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder)
            .to_owned();
        let sibling = match folder.strip_prefix("/usr") {
            Some(rest) => rest.to_owned(),
            None => format!("/usr{folder}"),
        };
        vec![folder, sibling]
    }

    fn musl_folders(&self, loader: &str) -> Vec<String> {
        let architecture = loader.trim_end_matches(".so.1");
        let path = below(self.root, &format!("/etc/ld-musl-{architecture}.path"));
        match codec::file::read(&path, CONFIGURATION_LIMIT) {
            Ok(bytes) => String::from_utf8_lossy(&bytes)
                .split([':', '\n'])
                .map(|folder| folder.trim().to_owned())
                .collect(),
            Err(_) => STANDARD_MUSL.map(str::to_owned).into(),
        }
    }

    /// Whether the file is there and of the asker's architecture.
    fn fits(&self, path: &str, asker: &Elf) -> bool {
        let Ok(real) = resolve(self.root, path, "") else {
            return false;
        };
        let header = read_header(&below(self.root, &real.path));
        let little = header.get(5) == Some(&1);
        let machine = match header.get(18..20) {
            Some(&[low, high]) if little => u16::from_le_bytes([low, high]),
            Some(&[high, low]) => u16::from_be_bytes([high, low]),
            _ => return false,
        };
        header.starts_with(b"\x7fELF")
            && machine == asker.machine
            && (header[4] == 2) == asker.is_64
    }
}

fn read_header(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let mut header = Vec::new();
    if let Ok(file) = codec::file::open(path) {
        // A file that cannot be read is none that fits.
        let _ = file.take(HEADER).read_to_end(&mut header);
    }
    header
}

/// The folders in `ld.so.conf` (ldconfig(8)), with its `include` lines.
fn read_configuration(
    root: &Path,
    path: &str,
    folders: &mut Vec<String>,
    files: &mut Vec<PathBuf>,
    depth: usize,
) {
    let path = below(root, path);
    let Ok(bytes) = codec::file::read(&path, CONFIGURATION_LIMIT) else {
        return;
    };
    files.push(path);
    for line in String::from_utf8_lossy(&bytes).lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.strip_prefix("include") {
            Some(pattern) if pattern.starts_with([' ', '\t']) && depth < 8 => {
                for file in matches(root, pattern.trim()) {
                    read_configuration(root, &file, folders, files, depth + 1);
                }
            }
            _ if line.starts_with('/') => folders.push(line.to_owned()),
            _ => {}
        }
    }
}

/// The files of `FOLDER/*SUFFIX`, sorted; distributions use no other pattern.
fn matches(root: &Path, pattern: &str) -> Vec<String> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("/etc", pattern));
    let Some(suffix) = name.strip_prefix('*') else {
        return vec![format!("{folder}/{name}")];
    };
    let mut files: Vec<_> = fs::read_dir(below(root, folder))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| file.ends_with(suffix))
        .map(|file| format!("{folder}/{file}"))
        .collect();
    files.sort();
    files
}

/// A path with all links resolved within the root, and the links on the way: their paths and their targets.
pub(super) struct Resolved {
    pub(super) path: String,
    pub(super) links: Vec<(String, String)>,
}

/// Follows `path`, which is absolute within `root`, to the file that it names; every part of it must exist.
pub(super) fn resolve(root: &Path, path: &str, why: &str) -> Result<Resolved, LibraryError> {
    let mut links = Vec::new();
    let mut missing = false;
    let real = paths::resolve(path, true, |here| {
        let file = root.join(here);
        let found = fs::symlink_metadata(&file)
            .inspect_err(|_| missing = true)
            .ok()?;
        let target = found.is_symlink().then(|| fs::read_link(&file).ok())??;
        let target = target.to_string_lossy().into_owned();
        links.push((format!("/{here}"), target.clone()));
        Some(target)
    });
    match real {
        None => Err(LibraryError::Links(path.to_owned())),
        Some(_) if missing => Err(LibraryError::NotFound {
            path: path.to_owned(),
            root: root.to_path_buf(),
            why: if why.is_empty() {
                String::new()
            } else {
                format!(", {why}")
            },
        }),
        Some(real) => Ok(Resolved {
            path: format!("/{real}"),
            links,
        }),
    }
}

/// The file for an absolute path within a root.
pub(super) fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// The lower 12 mode bits of a file.
pub(crate) fn permissions(path: &Path) -> u32 {
    fs::metadata(path).map_or(0o755, |found| found.permissions().mode() & 0o7777)
}
