//! `--cache` after a change of any input: the image, and what is said about it, are those of a run without a cache.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use modtree::{DepmodOptions, depmod};
use packager::busybox::Busybox;
use tests::environment::command;
use tests::root::{Root, SETTLED, small_root};

/// A root, a busybox, a recipe and a cache.
struct Bench {
    root: Root,
    folder: tempfile::TempDir,
    compression: &'static str,
}

impl Bench {
    fn new(compression: &'static str) -> Option<Self> {
        let root = small_root()?;
        let folder = tempfile::tempdir().unwrap();
        let busybox = Busybox::find(Path::new("/")).unwrap();
        fs::copy(busybox.path, folder.path().join("busybox")).unwrap();
        let bench = Self {
            root,
            folder,
            compression,
        };
        bench.write_recipe(0, "es");
        // A module that no image needs.
        let nls = bench.root.module("fs/nls/nls_ascii.ko");
        fs::copy(nls, bench.root.module("fs/unused.ko")).unwrap();
        Some(bench)
    }

    /// Writes depmod's indexes, later than everything else: one of the same tick of the clock would not be believed.
    fn index(&self) {
        std::thread::sleep(Duration::from_millis(50));
        let dir = self.modules();
        let options = DepmodOptions {
            dir: dir.clone(),
            ..DepmodOptions::default()
        };
        depmod(&options).unwrap().write(&dir).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        let name = format!("boot/config-{}", self.root.version);
        self.root.path().join(name)
    }

    fn modules(&self) -> PathBuf {
        let folder = self.root.path().join("lib/modules");
        folder.join(&self.root.version)
    }

    fn write_recipe(&self, round: u64, keymap: &str) {
        let text = format!(
            "keymaps = [\"{keymap}\"]\n[[file]]\npath = \"/etc/note\"\ntext = \"round {round}\"\n"
        );
        fs::write(self.path("packager.toml"), text).unwrap();
    }

    /// Exit code, messages and image.
    fn packed(&self, more: &[&str]) -> (Option<i32>, String, Option<Vec<u8>>) {
        let image = self.path("image");
        let _none = fs::remove_file(&image);
        let output = command("packager")
            .args(["initramfs", "--recipe", "packager.toml", "--busybox"])
            .args(["busybox", "--compress", self.compression])
            .args(["-o", "image", "--root"])
            .arg(self.root.path())
            .args(more)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let messages = String::from_utf8(output.stderr).unwrap();
        let image = fs::read(image).ok();
        assert_eq!(image.is_some(), output.status.success(), "{messages}");
        (output.status.code(), messages, image)
    }

    fn kept(&self, suffix: &str) -> usize {
        let names = fs::read_dir(self.path("cache")).unwrap();
        let names = names.map(|entry| entry.unwrap().path());
        names
            .filter(|path| path.extension().is_some_and(|end| end == suffix))
            .count()
    }

    /// Changes something about the inputs. Each change can be made again and again.
    fn change(&self, what: u64, round: u64) -> &'static str {
        let nls = self.root.module("fs/nls/nls_ascii.ko");
        match what {
            0 => {
                edit(&self.root.module("fs/fat/vfat.ko"), b"alias=fs-vfa", round);
                "an alias, in place, with an old time"
            }
            1 => {
                let fat = self.root.module("fs/fat/fat.ko");
                let copy = fat.with_extension("new");
                fs::copy(&fat, &copy).unwrap();
                edit(&copy, b"license=", round);
                fs::rename(copy, fat).unwrap();
                "another file in the place of a module, with an old time"
            }
            2 => {
                let page = ["437", "850"][round as usize % 2];
                let text = fs::read_to_string(self.config()).unwrap();
                let lines = text.lines().map(|line| match line.split_once('=') {
                    Some((name @ "CONFIG_FAT_DEFAULT_CODEPAGE", _)) => format!("{name}={page}\n"),
                    _ => format!("{line}\n"),
                });
                fs::write(self.config(), lines.collect::<String>()).unwrap();
                "the kernel's configuration"
            }
            3 if nls.exists() => {
                fs::rename(&nls, self.path("nls_ascii.ko")).unwrap();
                "a module that goes"
            }
            3 => {
                fs::rename(self.path("nls_ascii.ko"), &nls).unwrap();
                "a module that comes"
            }
            4 => {
                let updates = self.modules().join("updates");
                if updates.exists() {
                    fs::remove_dir_all(updates).unwrap();
                    return "an update that goes";
                }
                fs::create_dir(&updates).unwrap();
                let vfat = updates.join("vfat.ko");
                fs::copy(self.root.module("fs/fat/vfat.ko"), &vfat).unwrap();
                edit(&vfat, b"author=", round);
                "an update of a module"
            }
            5 => {
                let order =
                    ["fs/nls/nls_ascii", "fs/fat/vfat"].map(|it| format!("kernel/{it}.ko\n"));
                let text = order[round as usize % 2].clone() + &order[0];
                fs::write(self.modules().join("modules.order"), text).unwrap();
                "the order of the modules"
            }
            6 => {
                edit(&self.path("busybox"), b"BusyBox v", round);
                "busybox"
            }
            7 => {
                self.write_recipe(round, ["es", "us", "de"][round as usize % 3]);
                "the recipe"
            }
            8 => {
                edit(&self.root.module("fs/unused.ko"), b"license=", round);
                "a module that is not needed, in place"
            }
            9 => {
                self.index();
                "depmod's indexes"
            }
            _ => "nothing",
        }
    }
}

/// Writes another byte behind `text`, in place, and gives the file an old time.
fn edit(file: &Path, text: &[u8], round: u64) {
    let mut bytes = fs::read(file).unwrap();
    let found = bytes.windows(text.len()).position(|at| at == text);
    bytes[found.unwrap() + text.len()] = b'a' + (round % 26) as u8;
    fs::write(file, bytes).unwrap();
    let old = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(1 << 30));
    File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_times(old)
        .unwrap();
}

#[test]
fn after_any_change_the_image_is_that_of_a_run_without_a_cache() {
    if let Some(bench) = Bench::new("lz4") {
        change_often(&bench);
    }
}

#[test]
fn after_any_change_of_an_indexed_kernel_too() {
    if let Some(bench) = Bench::new("lz4") {
        bench.index();
        change_often(&bench);
    }
}

/// Without a cache, it is found out while an uncompressed image is written whether depmod's indexes are current.
#[test]
fn after_any_change_of_what_is_supposed_of_an_indexed_kernel_too() {
    if let Some(bench) = Bench::new("none") {
        bench.index();
        change_often(&bench);
    }
}

fn change_often(bench: &Bench) {
    let cached = ["--cache", "cache"];
    std::thread::sleep(SETTLED);
    let first = bench.packed(&cached);
    assert_eq!(first.0, Some(0), "{}", first.1);
    assert_eq!(bench.kept("modules"), 1, "the selection is kept");
    assert!(first == bench.packed(&cached) && first == bench.packed(&[]));
    // Knuth's linear congruential generator: the same changes in each run.
    let mut state = 1u64;
    for round in 1..=30 {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let what = bench.change((state >> 33) % 11, round);
        assert!(
            bench.packed(&cached) == bench.packed(&[]),
            "round {round}: {what}"
        );
        // What is kept of a later state must not serve another one either.
        if round % 10 == 0 {
            std::thread::sleep(SETTLED);
            bench.packed(&cached);
        }
    }
    assert!(bench.kept("modules") > 1, "other states are kept, too");
}

/// Whatever stands in the cache: what does not fit its hash is made again.
#[test]
fn a_damaged_selection_is_made_again() {
    let Some(bench) = Bench::new("lz4") else {
        return;
    };
    std::thread::sleep(SETTLED);
    let cached = ["--cache", "cache"];
    let sound = bench.packed(&cached);
    let names = fs::read_dir(bench.path("cache")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().path());
    let selection = names
        .find(|path| path.extension().is_some_and(|end| end == "modules"))
        .unwrap();
    let kept = fs::read(&selection).unwrap();
    for length in [0, 1, 40, kept.len() / 2, kept.len() - 1] {
        fs::write(&selection, &kept[..length]).unwrap();
        assert!(bench.packed(&cached) == sound, "{length} bytes");
        assert!(fs::read(&selection).unwrap() == kept, "it is kept again");
    }
}

/// A kernel with compressed modules: they are decompressed once.
#[test]
fn compressed_modules_are_kept_decompressed() {
    let Some(bench) = Bench::new("lz4") else {
        return;
    };
    let plain = bench.packed(&[]);
    for name in ["fs/fat/vfat.ko", "fs/fat/fat.ko"] {
        let file = bench.root.module(name);
        let bytes = fs::read(&file).unwrap();
        let xz = codec::encode(&bytes, codec::Format::Xz, None).unwrap();
        fs::write(file.with_extension("ko.xz"), xz).unwrap();
        fs::remove_file(file).unwrap();
    }
    let cached = ["--cache", "cache"];
    for _ in 0..2 {
        assert!(bench.packed(&cached).2 == plain.2);
        assert_eq!(bench.kept("module"), 2);
    }
    for entry in fs::read_dir(bench.path("cache")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "module") {
            fs::write(path, "damage").unwrap();
        }
    }
    assert!(bench.packed(&cached).2 == plain.2);
}
