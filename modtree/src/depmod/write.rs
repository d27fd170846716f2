//! Writing the files: all of them complete and on the disk before the first takes its place.

use std::fs::{File, Permissions, symlink_metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::SystemTime;

use rayon::prelude::*;
use tempfile::NamedTempFile;

use super::cache::{self, Update};
use super::{Contents, Depmod};

/// By the time of this file `depmod -A` tells whether anything is to be done, so it is always written anew.
const TIMED: &str = "modules.dep";

impl Depmod {
    /// Writes the files into `dir`, which is made where it is missing. Each has mode 0644 and replaces its predecessor by a
    /// rename; until all are complete and synced, none does. A file other than `modules.dep` that is there already, with the
    /// same bytes, only gets a new time: an index that is older than a module is not believed.
    ///
    /// # Errors
    /// What the operating system says. Until the renames nothing has changed, and no temporary file stays behind.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        let mut same = Vec::new();
        let is_there = self.kept_in.as_deref() == Some(dir);
        // A file system writes its journal once for many files that are synced at the same time.
        let written: Vec<_> = std::thread::scope(|scope| {
            // The cache has checksums: after a crash it is whole, or what is damaged counts as missing.
            let cache = self.cache.iter().filter_map(|update| match update {
                Update::Whole(bytes) => Some((cache::NAME, bytes.as_slice(), false)),
                Update::Nothing | Update::Append(..) => None,
            });
            let files = self.files.iter();
            // Compared while the ones before are written.
            let changed = files.filter_map(|(name, contents)| match contents {
                Contents::Kept(_) if is_there => {
                    same.push(*name);
                    None
                }
                contents if *name != TIMED && holds(&dir.join(name), contents) => {
                    same.push(*name);
                    None
                }
                contents => Some((*name, &**contents, true)),
            });
            let tasks: Vec<_> = changed
                .chain(cache)
                .map(|(name, bytes, sync)| (name, scope.spawn(move || temporary(dir, bytes, sync))))
                .collect();
            let done = tasks.into_iter().map(|(name, task)| {
                let file = task.join();
                let file = file.unwrap_or_else(|_| Err(io::Error::other("a writer panicked")));
                file.map(|file| (name, file))
            });
            done.collect::<io::Result<_>>()
        })?;
        // A replaced file's blocks are free when it is closed, which takes as long as writing where the file system tells the
        // disk of each (mount option `discard`).
        let replaced = written.iter().map(|(name, _)| File::open(dir.join(name)));
        let replaced: Vec<_> = replaced.flatten().collect();
        for (name, file) in written {
            if name == cache::NAME {
                // ext4 writes a file to the disk when it is renamed over another one (auto_da_alloc, ext4(5)).
                let _ = std::fs::remove_file(dir.join(name));
            }
            file.persist(dir.join(name))
                .map_err(|failed| failed.error)?;
        }
        if let Some(Update::Append(length, bytes)) = self.cache.as_ref().filter(|_| is_there) {
            // Should this fail, the next run reads the modules again.
            let _ = append(&dir.join(cache::NAME), *length, bytes);
        }
        let finish = || {
            touch(dir, &same);
            File::open(dir)?.sync_all()
        };
        rayon::join(|| replaced.into_par_iter().for_each(drop), finish).1
    }
}

/// Gives files the time of now.
fn touch(dir: &Path, names: &[&str]) {
    let now = SystemTime::now();
    for name in names {
        // Another user's file keeps its old time, and is not believed: that costs time, and nothing else.
        let file = File::options().append(true).open(dir.join(name));
        let _ = file.and_then(|file| file.set_modified(now));
    }
}

/// Whether this is a regular file of mode 0644 with these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    is_like_ours(path) == Some(bytes.len() as u64)
        && File::open(path).is_ok_and(|old| same(old, bytes).unwrap_or(false))
}

/// The length of a regular file of mode 0644.
pub(super) fn is_like_ours(path: &Path) -> Option<u64> {
    let found = symlink_metadata(path).ok()?;
    (found.is_file() && found.mode() & 0o7777 == 0o644).then_some(found.len())
}

/// Puts bytes behind a file that still has this length.
fn append(path: &Path, length: u64, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().append(true).open(path)?;
    match file.metadata()?.len() == length {
        true => file.write_all(bytes),
        false => Ok(()),
    }
}

/// Whether a file has exactly these bytes.
fn same(mut file: File, bytes: &[u8]) -> io::Result<bool> {
    // Pieces that stay in the processor's cache: memory for a whole file would cost more than reading it.
    let mut buffer = vec![0; 64 << 10];
    for piece in bytes.chunks(buffer.len()) {
        let old = &mut buffer[..piece.len()];
        file.read_exact(old)?;
        if old != piece {
            return Ok(false);
        }
    }
    Ok(file.read(&mut buffer[..1])? == 0)
}

fn temporary(dir: &Path, bytes: &[u8], sync: bool) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".modules-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(dir)?;
    file.write_all(bytes)?;
    // The mode is given less the umask; depmod's files are readable for all.
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))?;
    if sync {
        file.as_file().sync_all()?;
    }
    Ok(file)
}
