//! The cache: whatever happens to a tree, the files are those of a full run.

use std::fs::File;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::cache::Cache;
use super::stamp::Stamp;
use super::{Depmod, DepmodOptions, cache, depmod, stamp};
use crate::testing::{Root, Synthetic};

fn run(root: &Root, incremental: bool) -> Depmod {
    let options = DepmodOptions {
        dir: root.dir.clone(),
        incremental: incremental.then(|| root.dir.clone()),
        ..DepmodOptions::default()
    };
    depmod(&options).unwrap()
}

/// Makes everything in the cache older than it is, so that nothing is in doubt.
fn settle(done: &mut Depmod) {
    let bytes = done.cache.as_mut().unwrap();
    let later = stamp::now() + 10_000_000_000;
    bytes[12..20].copy_from_slice(&later.to_le_bytes());
    let body = bytes.len() - 8;
    let sum = cache::checksum(&bytes[..body]).to_le_bytes();
    bytes[body..].copy_from_slice(&sum);
}

fn module(root: &Root, at: u8, kind: u8) {
    let alias = format!("alias=a{kind}\nsoftdep=pre: m{kind}\n");
    let mut module = Synthetic::new(&alias);
    module.imports = [["s1", "s2"], ["s3", "none"], ["s0", "s2"]][usize::from(kind % 3)].into();
    module.crcs = vec![["s0", "s1", "s2", "s3"][usize::from(at % 4)]];
    // No cycles: only the first ones export.
    match at < 4 {
        true => module.imports.clear(),
        false => module.crcs.clear(),
    }
    root.file(&format!("kernel/m{at}.ko"), &module.bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Modules come, change, go, are touched, are replaced by others of the same size and time: in any sequence.
    #[test]
    fn a_run_with_a_cache_gives_what_a_full_run_gives(steps in prop::collection::vec((0_u8..6, 0_u8..8, 0_u8..4), 1..12)) {
        let root = Root::new("1.0");
        for at in 0..5 {
            module(&root, at, at);
        }
        for (action, at, kind) in steps {
            let path = root.dir.join(format!("kernel/m{at}.ko"));
            match action {
                0 | 1 => module(&root, at, kind),
                2 => drop(std::fs::remove_file(&path)),
                3 => drop(File::options().write(true).open(&path).map(|file| file.set_modified(SystemTime::now() - Duration::from_secs(9)))),
                4 if path.exists() => {
                    // The same size and modification time, another file.
                    let modified = path.metadata().unwrap().modified().unwrap();
                    module(&root, at, kind);
                    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
                }
                _ => root.file(&format!("kernel/m{at}.ko"), b"damaged"),
            }
            let mut cached = run(&root, true);
            let full = run(&root, false);
            prop_assert_eq!(&cached.files, &full.files);
            prop_assert_eq!(&cached.warnings, &full.warnings);
            // Half of the time what was just read is in doubt, half of the time it is not.
            if kind % 2 == 0 {
                std::thread::sleep(Duration::from_millis(8));
                settle(&mut cached);
            }
            cached.write(&root.dir).unwrap();
        }
    }
}

#[test]
fn only_what_changed_is_read() {
    let root = Root::new("1.0");
    for at in 0..6 {
        module(&root, at, at);
    }
    let mut first = run(&root, true);
    assert_eq!(first.read, 6);
    settle(&mut first);
    first.write(&root.dir).unwrap();
    assert_eq!(run(&root, true).read, 0);
    std::thread::sleep(Duration::from_millis(8));
    module(&root, 4, 2);
    module(&root, 7, 1);
    assert_eq!(run(&root, true).read, 2);
}

/// What is kept of a directory counts until an entry comes or goes.
#[test]
fn a_directory_that_changed_is_listed_again() {
    let root = Root::new("1.0");
    module(&root, 4, 1);
    let mut first = run(&root, true);
    settle(&mut first);
    let bytes = first.cache.unwrap();
    let cache = Cache::new(&bytes);
    let kernel = root.dir.join("kernel");
    let listing = || cache.listing(b"kernel", &Stamp::of(&kernel).unwrap());
    assert_eq!(listing(), Some(&b"mm4.ko\0"[..]));
    std::thread::sleep(Duration::from_millis(8));
    root.file("kernel/other.txt", b"");
    assert_eq!(listing(), None);
}

#[test]
fn a_damaged_cache_is_none() {
    let root = Root::new("1.0");
    module(&root, 5, 1);
    let mut first = run(&root, true);
    settle(&mut first);
    let whole = first.cache.clone().unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        root.file(cache::NAME, &bytes);
        assert_eq!(run(&root, true).read, 1, "byte {at}");
        root.file(cache::NAME, &whole[..at]);
        assert_eq!(run(&root, true).read, 1, "cut at {at}");
    }
    root.file(cache::NAME, &whole);
    assert_eq!(run(&root, true).read, 0);
}

/// Another tree's cache: the same places, sizes and times, and other files.
#[test]
fn a_foreign_cache_is_not_believed() {
    let roots = [(); 2].map(|()| Root::new("1.0"));
    let time = SystemTime::now() - Duration::from_secs(99);
    for (root, kind) in roots.iter().zip([1, 2]) {
        module(root, 5, kind);
        let file = File::options()
            .write(true)
            .open(root.dir.join("kernel/m5.ko"));
        file.unwrap().set_modified(time).unwrap();
    }
    let [ours, foreign] = roots;
    let mut first = run(&foreign, true);
    settle(&mut first);
    ours.file(cache::NAME, first.cache.as_ref().unwrap());
    let cached = run(&ours, true);
    assert_eq!(cached.read, 1);
    assert_eq!(cached.files, run(&ours, false).files);
}
