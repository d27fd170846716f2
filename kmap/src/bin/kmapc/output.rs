//! Writing one file or many so that each is the old one or the whole new one.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cli::Failure;
use tempfile::NamedTempFile;

/// A file to write.
pub(crate) type Output = (PathBuf, Vec<u8>);

/// Waiting for the disk takes most of the time of a small file, and as long for one as for two hundred, so from here on all
/// new files of a directory are synced with one call. Measured with 216 keymaps: see `benches/results/kmap.md`.
const TOGETHER: usize = 4;

/// Writes files. Up to the first rename nothing has changed; each rename replaces one file with its whole successor.
pub(crate) fn write(outputs: &[Output]) -> Result<(), Failure> {
    let mut directories: Vec<&Path> = outputs.iter().map(|(path, _)| directory(path)).collect();
    directories.sort();
    directories.dedup();
    // What is there already may be a link or no file at all: the careful way tells.
    let is_plain = |path: &Path| {
        path.symlink_metadata()
            .map_or(true, |found| found.is_file())
    };
    if outputs.len() < TOGETHER
        || directories.len() > 1
        || !outputs.iter().all(|(path, _)| is_plain(path))
    {
        return outputs
            .iter()
            .try_for_each(|(path, bytes)| cli::write_atomically(path, bytes));
    }
    let directory = directories.first().copied().unwrap_or(Path::new("."));
    write_together(directory, outputs).map_err(|(path, error)| {
        Failure::machine(format_args!("cannot write `{}`: {error}", path.display()))
    })
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_together<'a>(
    directory: &'a Path,
    outputs: &'a [Output],
) -> Result<(), (&'a Path, io::Error)> {
    let mut files = Vec::with_capacity(outputs.len());
    for (path, bytes) in outputs {
        files.push(temporary(directory, bytes).map_err(|error| (&**path, error))?);
    }
    let opened = File::open(directory).map_err(|error| (directory, error))?;
    rustix::fs::syncfs(&opened).map_err(|error| (directory, error.into()))?;
    for (file, (path, _)) in files.into_iter().zip(outputs) {
        file.persist(path)
            .map_err(|failed| (&**path, failed.error))?;
    }
    opened.sync_all().map_err(|error| (directory, error))
}

fn temporary(directory: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".tmp-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    Ok(file)
}
