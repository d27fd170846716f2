//! Writing many files: all are whole and on the disk before the first takes its place.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cli::{Failure, Staged};
use rustix::process::{Resource, getrlimit};

/// The directories that a run has made for its outputs, the innermost first. Those that stay empty, because a keymap has errors, go again.
pub(crate) struct MadeDirectories(Vec<PathBuf>);

impl MadeDirectories {
    /// Makes a directory and what it is in, as far as they are missing.
    ///
    /// # Errors
    /// [`Fault::Machine`](cli::Fault::Machine).
    pub(crate) fn new(path: &Path) -> Result<Self, Failure> {
        let named = path.ancestors().filter(|path| !path.as_os_str().is_empty());
        let missing = named.take_while(|path| !path.exists());
        let made = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(path).map_err(|error| {
            let shown = kmap::shown_path(path);
            Failure::machine(format_args!("cannot create `{shown}`: {error}"))
        })?;
        Ok(made)
    }
}

impl Drop for MadeDirectories {
    fn drop(&mut self) {
        for path in &self.0 {
            // One that holds something stays.
            let _ = fs::remove_dir(path);
        }
    }
}

/// A file to write.
pub(crate) type Output = (PathBuf, Vec<u8>);

/// As many threads compile and then wait for the disk, whatever the number of cores: the file system commits what arrives
/// together at once. On ext4, syncing 202 files of 2,500 bytes took 35 to 41 ms one by one, 6 to 8 ms with 10 to 64 threads.
/// Plain threads, because rayon's spend a third of the processor time looking for work while others wait.
const THREADS: usize = 16;

/// Makes something of each item, and stages the files that come of it while others are still being made. Where `make_small` gives
/// nothing, because that would take too much memory at the same time as others, `make` does it afterwards, one after the other. The results
/// and the files are in the order of the items.
pub(crate) fn stage_all<T: Sync, R: Send>(
    items: &[T],
    make_small: impl Fn(&T) -> Option<(R, Vec<Output>)> + Sync,
    make: impl Fn(&T) -> (R, Vec<Output>),
) -> (Vec<R>, Result<Vec<Staged>, Failure>) {
    // Each has two files at most, and others are open too.
    let close = items.len() > most_open() / 4;
    let staged = |(result, outputs): (R, Vec<Output>)| (result, stage(&outputs, close));
    let small = match items {
        [_] => vec![None],
        _ => each(items, |item| make_small(item).map(staged)),
    };
    let done = items.iter().zip(small);
    let done = done.map(|(item, small)| small.unwrap_or_else(|| staged(make(item))));
    let (results, staged): (Vec<R>, Vec<_>) = done.unzip();
    let staged: Result<Vec<Vec<Staged>>, Failure> = staged.into_iter().collect();
    (
        results,
        staged.map(|files| files.into_iter().flatten().collect()),
    )
}

/// How many files this process may have open.
fn most_open() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}

/// Calls `work` for each item, in several threads; gives the results in the order of the items.
fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            match items.get(at) {
                Some(item) => done.push((at, work(item))),
                None => return done,
            }
        }
    };
    let mut done = thread::scope(|scope| {
        // Where the machine has no more threads, those that there are do the work.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, take).ok();
        let others: Vec<_> = (1..THREADS.min(items.len())).map_while(spawn).collect();
        let mut done = take();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|&(at, _)| at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn stage(outputs: &[Output], close: bool) -> Result<Vec<Staged>, Failure> {
    let staged = outputs.iter().map(|(path, bytes)| {
        let staged = Staged::new(path, bytes)?;
        if close { staged.closed() } else { Ok(staged) }
    });
    staged.collect()
}
