//! Writing the files: all of them complete and on the disk before the first takes its place.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

use super::{Depmod, cache};

impl Depmod {
    /// Writes the files into `dir`, which is made where it is missing. Each has mode 0644 and replaces its predecessor by a
    /// rename; until all are complete and synced, none does.
    ///
    /// # Errors
    /// What the operating system says. Until the renames nothing has changed, and no temporary file stays behind.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        // A file system writes its journal once for many files that are synced at the same time.
        let written: Vec<_> = std::thread::scope(|scope| {
            let cache = self.cache.as_ref().map(|bytes| (cache::NAME, bytes));
            let files = self.files.iter().map(|(name, bytes)| (*name, bytes));
            let tasks: Vec<_> = files
                .chain(cache)
                .map(|(name, bytes)| (name, scope.spawn(move || temporary(dir, bytes))))
                .collect();
            let done = tasks.into_iter().map(|(name, task)| {
                let file = task.join();
                let file = file.unwrap_or_else(|_| Err(io::Error::other("a writer panicked")));
                file.map(|file| (name, file))
            });
            done.collect::<io::Result<_>>()
        })?;
        for (name, file) in written {
            file.persist(dir.join(name))
                .map_err(|failed| failed.error)?;
        }
        File::open(dir)?.sync_all()
    }
}

fn temporary(dir: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".modules-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(dir)?;
    file.write_all(bytes)?;
    // The mode is given less the umask; depmod's files are readable for all.
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    Ok(file)
}
