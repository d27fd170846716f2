//! Writing the files: all of them complete and on the disk before the first takes its place.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::{Depmod, cache};

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
        // A file system writes its journal once for many files that are synced at the same time.
        let written: Vec<_> = std::thread::scope(|scope| {
            // The cache has a checksum: after a crash it is whole, or it counts as missing.
            let cache = self.cache.iter().map(|bytes| (cache::NAME, bytes, false));
            let files = self.files.iter().map(|(name, bytes)| (*name, bytes, true));
            // Compared while the ones before are written.
            let changed = files.filter(|(name, bytes, _)| {
                let kept = *name != TIMED && holds(&dir.join(name), bytes);
                same.extend(kept.then_some(*name));
                !kept
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
        for (name, file) in written {
            if name == cache::NAME {
                // ext4 writes a file to the disk when it is renamed over another one (auto_da_alloc, ext4(5)).
                let _ = std::fs::remove_file(dir.join(name));
            }
            file.persist(dir.join(name))
                .map_err(|failed| failed.error)?;
        }
        let now = SystemTime::now();
        for name in same {
            // Another user's file keeps its old time, and is not believed: that costs time, and nothing else.
            let file = File::options().append(true).open(dir.join(name));
            let _ = file.and_then(|file| file.set_modified(now));
        }
        File::open(dir)?.sync_all()
    }
}

/// Whether this is a regular file of mode 0644 with these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return false;
    };
    let like_ours = found.is_file() && found.mode() & 0o7777 == 0o644;
    like_ours
        && found.len() == bytes.len() as u64
        && File::open(path).is_ok_and(|old| same(old, bytes).unwrap_or(false))
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
