//! `--cache` and `--segments`: the same bytes with and without a cache, whatever happens to it, and one archive for programs
//! that read only one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use packager::inspect;
use tests::environment::command;
use tests::root::{Root, small_root};

/// A small root, and a folder for images and a cache.
struct Bench {
    root: Root,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        let root = small_root()?;
        let folder = tempfile::tempdir().unwrap();
        Some(Self { root, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    /// Starts `packager initramfs -o NAME ARGUMENTS…`.
    fn start(&self, name: &str, arguments: &[&str]) -> Child {
        command("packager")
            .args(["initramfs", "--quiet", "--root"])
            .arg(self.root.path())
            .arg("-o")
            .arg(self.path(name))
            .args(arguments)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap()
    }

    /// As [`start`](Self::start), with a cache.
    fn start_cached(&self, name: &str, arguments: &[&str]) -> Child {
        let cache = self.cache();
        let mut all = vec!["--cache", cache.to_str().unwrap()];
        all.extend(arguments);
        self.start(name, &all)
    }

    fn packed(&self, name: &str, mut child: Child) -> Vec<u8> {
        assert!(child.wait().unwrap().success());
        fs::read(self.path(name)).unwrap()
    }

    fn segments(&self) -> Vec<PathBuf> {
        files(&self.cache(), "segment")
    }
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == suffix))
        .collect();
    files.sort();
    files
}

#[test]
fn a_cache_changes_no_byte() {
    let Some(bench) = Bench::new() else { return };
    for format in ["gzip", "zstd", "lz4"] {
        let how = ["--compress", format];
        let plain = bench.packed("plain", bench.start("plain", &how));
        let cold = bench.packed("cold", bench.start_cached("cold", &how));
        let kept = bench.segments();
        let warm = bench.packed("warm", bench.start_cached("warm", &how));
        assert!(plain == cold && cold == warm, "{format}");
        assert_eq!(bench.segments(), kept, "{format}: a hit adds nothing");
    }
}

/// Another script in the recipe leaves the segments of busybox and modules as they were: only one is new.
#[test]
fn a_changed_file_costs_one_segment() {
    let Some(bench) = Bench::new() else { return };
    let recipe = |text: &str| {
        let root = bench.root.path();
        let text = format!(
            "[kernel]\nroot = {root:?}\n[[file]]\npath = \"/etc/motd\"\ntext = \"{text}\"\n"
        );
        fs::write(bench.path("packager.toml"), text).unwrap();
        let recipe = bench.path("packager.toml");
        let child = bench.start_cached("a.igz", &["--recipe", recipe.to_str().unwrap()]);
        bench.packed("a.igz", child)
    };
    let first = recipe("one");
    let kept = bench.segments().len();
    let second = recipe("two");
    assert!(kept >= 3 && first != second);
    assert_eq!(bench.segments().len(), kept + 1);
}

#[test]
fn what_is_damaged_in_a_cache_is_made_again() {
    let Some(bench) = Bench::new() else { return };
    let sound = bench.packed("a.igz", bench.start_cached("a.igz", &[]));
    for (number, path) in bench.segments().into_iter().enumerate() {
        let mut bytes = fs::read(&path).unwrap();
        match number % 3 {
            0 => bytes.clear(),
            1 => bytes.truncate(bytes.len() / 2),
            _ => *bytes.last_mut().unwrap() ^= 1,
        }
        fs::write(path, bytes).unwrap();
    }
    let again = bench.packed("a.igz", bench.start_cached("a.igz", &[]));
    assert!(sound == again);
}

/// What had to be compressed is kept, also when the image is refused in the end.
#[test]
fn an_image_that_is_too_large_leaves_its_segments() {
    let Some(bench) = Bench::new() else { return };
    let recipe = bench.path("packager.toml");
    fs::write(&recipe, "size-limit = 1000\n").unwrap();
    let limited = ["--recipe", recipe.to_str().unwrap()];
    assert!(
        !bench
            .start_cached("a.igz", &limited)
            .wait()
            .unwrap()
            .success()
    );
    assert!(!bench.path("a.igz").exists());
    let kept = bench.segments();
    assert!(!kept.is_empty());
    bench.packed("a.igz", bench.start_cached("a.igz", &[]));
    assert_eq!(bench.segments(), kept);
}

#[test]
fn a_cache_stays_within_its_limit() {
    let Some(bench) = Bench::new() else { return };
    for level in ["1", "2", "3", "4"] {
        let how = ["--cache-limit", "3M", "--level", level];
        bench.packed("a.igz", bench.start_cached("a.igz", &how));
        let total: u64 = bench
            .segments()
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum();
        assert!(total > 0 && total <= 3 << 20, "{total} bytes");
    }
}

/// Runs at once, on one output and one cache, some of them killed at moments that differ.
#[test]
fn runs_at_once_and_killed_ones_leave_whole_files() {
    let Some(bench) = Bench::new() else { return };
    let expected = bench.packed("expected.igz", bench.start("expected.igz", &[]));
    fs::copy(bench.path("expected.igz"), bench.path("a.igz")).unwrap();
    for round in 0..12u64 {
        let mut runs: Vec<_> = (0..3).map(|_| bench.start_cached("a.igz", &[])).collect();
        // From the start of the program to its end: a run takes some hundred milliseconds here.
        std::thread::sleep(std::time::Duration::from_millis(round * 40));
        runs[0].kill().unwrap();
        for mut run in runs {
            run.wait().unwrap();
        }
        assert!(
            fs::read(bench.path("a.igz")).unwrap() == expected,
            "round {round}"
        );
        if round % 4 == 0 {
            fs::remove_dir_all(bench.cache()).unwrap();
        }
    }
    let cached = bench.packed("cached.igz", bench.start_cached("cached.igz", &[]));
    assert!(cached == expected);
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let Some(root) = small_root() else { return };
    let cache = ["--cache", "/dev/null/cache"];
    root.refuses(&cache, 3, &["cannot keep a cache in `/dev/null/cache`"]);
}

#[test]
fn one_segment_or_several() {
    let Some(bench) = Bench::new() else { return };
    for (how, format, least, most) in [
        ("one", "zstd", 1, 1),
        ("several", "zstd", 3, 9),
        ("several", "none", 1, 1),
    ] {
        let arguments = ["--segments", how, "--compress", format];
        let image = bench.packed("a", bench.start("a", &arguments));
        let count = inspect::segments(&image).unwrap().len();
        assert!((least..=most).contains(&count), "{how} {format}: {count}");
    }
}
