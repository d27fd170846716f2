//! The cache: whatever happens to a tree, the files are those of a full run.

use std::fs::File;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::cache::{Cache, Update};
use super::listing::Listing;
use super::{Compat, Contents, Depmod, DepmodOptions, cache, depmod_at, stamp};
use crate::testing::{Root, Synthetic};

fn run(root: &Root, incremental: bool) -> Depmod {
    run_at(root, incremental, stamp::now())
}

/// Runs at a time at which everything that is there now has long been there, so that nothing of it is in doubt.
fn run_later(root: &Root) -> Depmod {
    run_at(root, true, stamp::now() + 10_000_000_000)
}

fn options(root: &Root, incremental: bool) -> DepmodOptions {
    DepmodOptions {
        dir: root.dir.clone(),
        incremental: incremental.then(|| root.dir.clone()),
        ..DepmodOptions::default()
    }
}

fn run_at(root: &Root, incremental: bool, time: i64) -> Depmod {
    depmod_at(&options(root, incremental), time).unwrap()
}

/// The cache that a run writes where there is none.
fn whole(done: &Depmod) -> &[u8] {
    match &done.cache {
        Some(Update::Whole(bytes)) => bytes,
        _ => panic!("not a whole cache"),
    }
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
            // Half of the time what is just read will be in doubt, half of the time it will not.
            let settled = kind % 2 == 0;
            let cached = match settled {
                true => run_later(&root),
                false => run(&root, true),
            };
            let full = run(&root, false);
            prop_assert_eq!(&cached.files, &full.files);
            prop_assert_eq!(&cached.warnings, &full.warnings);
            cached.write(&root.dir).unwrap();
            if settled {
                std::thread::sleep(Duration::from_millis(8));
            }
        }
    }
}

#[test]
fn only_what_changed_is_read() {
    let root = Root::new("1.0");
    for at in 0..6 {
        module(&root, at, at);
    }
    let first = run_later(&root);
    assert_eq!(first.read, 6);
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
    let first = run_later(&root);
    let cache = Cache::new(whole(&first));
    let listing = || {
        let number = cache.directory(b"kernel")?;
        let stamp = cache.look_at_directories(&root.dir)[number]?;
        cache.listing(number, &stamp)
    };
    assert_eq!(listing(), Some(&b"mm4.ko\0"[..]));
    std::thread::sleep(Duration::from_millis(8));
    root.file("kernel/other.txt", b"");
    assert_eq!(listing(), None);
}

#[test]
fn a_damaged_cache_is_none() {
    let root = Root::new("1.0");
    module(&root, 5, 1);
    let first = run_later(&root);
    let whole = whole(&first);
    for at in 0..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x10;
        root.file(cache::NAME, &bytes);
        assert_eq!(run(&root, true).read, 1, "byte {at}");
        root.file(cache::NAME, &whole[..at]);
        assert_eq!(run(&root, true).read, 1, "cut at {at}");
    }
    root.file(cache::NAME, whole);
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
    ours.file(cache::NAME, whole(&run_later(&foreign)));
    let cached = run(&ours, true);
    assert_eq!(cached.read, 1);
    assert_eq!(cached.files, run(&ours, false).files);
}

/// A tree in which one module is little.
fn many() -> Root {
    let root = Root::new("1.0");
    for at in 0..60 {
        module(&root, at, at % 3);
    }
    // As in a kernel's own tree, all that came later are behind.
    let order: String = (0..60)
        .rev()
        .map(|at| format!("kernel/m{at}.ko\n"))
        .collect();
    root.file("modules.order", order.as_bytes());
    root
}

/// A module that comes later.
fn added(root: &Root, at: u8, alias: &str, import: &'static str, export: Option<&'static str>) {
    let mut module = Synthetic::new(&format!("alias={alias}\0alias=a0\0"));
    module.imports = vec![import];
    module.crcs = export.into_iter().collect();
    root.file(&format!("updates/x{at}.ko"), &module.bytes());
}

/// Runs, and writes what was made.
fn settled(root: &Root, options: &DepmodOptions) -> Depmod {
    let done = depmod_at(options, stamp::now() + 10_000_000_000).unwrap();
    done.write(&root.dir).unwrap();
    std::thread::sleep(Duration::from_millis(8));
    done
}

fn kept(done: &Depmod) -> Vec<&'static str> {
    let files = done.files.iter();
    let kept = files.filter(|(_, contents)| matches!(contents, Contents::Kept(_)));
    kept.map(|(name, _)| *name).collect()
}

#[test]
fn a_module_more_is_a_segment_more() {
    let root = many();
    let options = options(&root, true);
    assert!(matches!(
        settled(&root, &options).cache,
        Some(Update::Whole(_))
    ));
    let again = settled(&root, &options);
    assert!(matches!(again.cache, Some(Update::Nothing)));
    let of_aliases = ["modules.alias", "modules.alias.bin", "modules.devname"];
    let of_exports = ["modules.symbols", "modules.symbols.bin"];
    let all = [&of_aliases[..2], &of_exports, &of_aliases[2..]].concat();
    assert_eq!(kept(&again), all);
    added(&root, 1, "b1", "s1", None);
    let more = settled(&root, &options);
    assert!(matches!(more.cache, Some(Update::Append(..))));
    assert_eq!((more.modules, more.read), (61, 1));
    assert_eq!(kept(&more), of_exports);
    assert!(matches!(
        settled(&root, &options).cache,
        Some(Update::Nothing)
    ));
    // A cache that somebody else has made longer meanwhile is read as far as it goes, and written anew.
    let mut bytes = std::fs::read(root.dir.join(cache::NAME)).unwrap();
    bytes.extend(b"modtree");
    root.file(cache::NAME, &bytes);
    added(&root, 2, "b2", "s1", None);
    let anew = settled(&root, &options);
    assert!(matches!(anew.cache, Some(Update::Whole(_))));
    assert_eq!((anew.modules, anew.read), (62, 1));
}

/// While a module is away, the symbol comes that it wants.
#[test]
fn a_module_that_comes_back_is_asked_again() {
    let root = many();
    let options = options(&root, true);
    settled(&root, &options);
    added(&root, 1, "b1", "wanted", None);
    settled(&root, &options);
    let [here, away] = ["updates", "../away"].map(|name| root.dir.join(name));
    std::fs::rename(&here, &away).unwrap();
    let owner = Synthetic {
        crcs: vec!["wanted"],
        ..Synthetic::new("")
    };
    root.file("zz/owner.ko", &owner.bytes());
    settled(&root, &options);
    std::fs::rename(&away, &here).unwrap();
    let done = settled(&root, &options);
    assert_eq!(done.files, run(&root, false).files);
}

/// A cache that leads out of the modules directory, or round in it.
#[test]
fn made_up_names_are_passed_over() {
    let bytes = b"d\0d.\0d..\0mm/../../x.ko\0mm.ko\0";
    let listing = Listing {
        bytes: bytes[..].into(),
    };
    let names: Vec<_> = listing.entries().map(|(_, name)| name).collect();
    assert_eq!(names, ["m.ko"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Modules come and go, others' places in the order change, files are damaged, other options are given.
    #[test]
    fn what_is_used_again_is_what_would_be_made(steps in prop::collection::vec((0_u8..10, 0_u8..6, 0_usize..4), 1..10)) {
        let root = many();
        let mut options = options(&root, true);
        settled(&root, &options);
        for (action, at, kind) in steps {
            let symbol = ["s1", "new", ".s3", "none"][kind];
            match action {
                0 | 1 => added(&root, at, ["b1", "a", "a0", "pci:v0*"][kind], symbol, None),
                // Sometimes a symbol that another one wanted, or had.
                2 => added(&root, at, "b2", "s1", Some(["new", "none", "newer", "s9"][kind])),
                3 => drop(std::fs::remove_file(root.dir.join(format!("updates/x{at}.ko")))),
                4 => module(&root, at, kind as u8),
                5 => root.file("modules.order", format!("kernel/m{at}.ko\nupdates/x{kind}.ko\nkernel/m30.ko\n").as_bytes()),
                6 => {
                    let name = ["modules.alias.bin", "modules.symbols", "modules.alias", "modules.devname"][kind];
                    root.file(name, b"somebody else's");
                }
                8 => {
                    let [here, away] = ["updates", "../away"].map(|name| root.dir.join(name));
                    let back = std::fs::rename(&away, &here);
                    let _ = back.or_else(|_| std::fs::rename(&here, &away));
                }
                7 => options.compat = [Compat::Kmod34, Compat::Kmod30][kind % 2],
                _ => options.symbol_prefix = [None, Some(b's')][kind % 2],
            }
            let done = settled(&root, &options);
            let full = depmod_at(&DepmodOptions { incremental: None, ..options.clone() }, stamp::now()).unwrap();
            prop_assert_eq!(&done.files, &full.files);
            prop_assert_eq!(&done.warnings, &full.warnings);
            for (name, bytes) in &full.files {
                prop_assert_eq!(&std::fs::read(root.dir.join(name)).unwrap(), &**bytes, "{}", name);
            }
        }
    }
}

/// As for kmod 34, the module exports nothing.
#[test]
fn export_names_without_an_end_are_warned_of() {
    let root = Root::new("1.0");
    let module = Synthetic {
        ksymtab_strings: Some(b"first\0last"),
        ..Synthetic::new("depends=\n")
    };
    root.file("kernel/a.ko", &module.bytes());
    let done = run(&root, false);
    let warned = |warning: &String| {
        warning.contains("kernel/a.ko`") && warning.contains("does not end with a NUL byte")
    };
    assert!(done.warnings.iter().any(warned), "{:?}", done.warnings);
    let text = String::from_utf8(done.text()).unwrap();
    assert!(!text.contains("symbol:"), "{text}");
}
