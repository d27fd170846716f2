//! `packager initramfs` killed at any moment, twice at once, and on a full disk: the old image or the new one is there, whole,
//! and nothing else.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::environment::{command, has, required};
use tests::root::{Root, small_root};

/// How often a run is killed. With a few dozen, some fall into each phase, writing included.
const KILLS: u32 = 40;

/// A generator of moments (Knuth's linear congruential one), so that a failure can be repeated.
struct Seeded(u64);

impl Seeded {
    /// From 0 up to 1.
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn pack(root: &Root, folder: &Path, keymap: &str) -> Command {
    let mut command = command("packager");
    command
        .args(["initramfs", "--quiet", "--keymap", keymap, "--root"])
        .arg(root.path())
        .args(["-o", "simple.igz"])
        .current_dir(folder);
    command
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The images with the keymaps es and us.
fn both(root: &Root, folder: &Path) -> [Vec<u8>; 2] {
    ["es", "us"].map(|keymap| {
        assert!(pack(root, folder, keymap).status().unwrap().success());
        fs::read(folder.join("simple.igz")).unwrap()
    })
}

#[test]
fn a_run_that_is_killed_leaves_the_old_image_or_the_new_one_and_nothing_else() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [es, us] = both(&root, folder.path());
    let begin = Instant::now();
    assert!(pack(&root, folder.path(), "es").status().unwrap().success());
    let whole = begin.elapsed();
    let mut moments = Seeded(1);
    let image = folder.path().join("simple.igz");
    for round in 0..KILLS {
        let keymap = ["es", "us"][round as usize % 2];
        let mut child = pack(&root, folder.path(), keymap)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Half of them near the end, where the image is written.
        let share = moments.next();
        let share = if round % 4 < 2 {
            share
        } else {
            0.8 + 0.4 * share
        };
        std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * share));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = fs::read(&image).unwrap();
        assert!(
            left == es || left == us,
            "round {round}: {} bytes",
            left.len()
        );
        assert_eq!(names(folder.path()), ["simple.igz"], "round {round}");
    }
    assert!(pack(&root, folder.path(), "us").status().unwrap().success());
    assert!(fs::read(&image).unwrap() == us);
}

#[test]
fn of_two_runs_at_once_one_image_stays() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [es, us] = both(&root, folder.path());
    for _ in 0..5 {
        let children =
            ["es", "us", "es"].map(|keymap| pack(&root, folder.path(), keymap).spawn().unwrap());
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let left = fs::read(folder.path().join("simple.igz")).unwrap();
        assert!(left == es || left == us);
        assert_eq!(names(folder.path()), ["simple.igz"]);
    }
}

/// In a namespace of its own, on a file system that is smaller than the image.
#[test]
fn a_full_disk_is_the_machines_fault_and_the_old_image_stays() {
    let Some(root) = small_root().filter(|_| has(&["unshare"])) else {
        return;
    };
    let allowed = Command::new("unshare").args(["-rm", "true"]).status();
    let allowed = allowed.is_ok_and(|status| status.success()).then_some(());
    if required(allowed, "the right to make a mount namespace").is_none() {
        return;
    }
    let script = r#"
        mount -t tmpfs -o size=1m tmpfs /mnt && cd /mnt || exit 99
        printf old >simple.igz
        "$1" initramfs --quiet --root "$2" -o simple.igz; code=$?
        ls -A
        cat simple.igz
        exit $code
    "#;
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script, "sh"])
        .arg(command("packager").get_program())
        .arg(root.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("error: cannot write `simple.igz`: No space left on device"),
        "{stderr}"
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "simple.igz\nold");
}
