//! Peak memory grows with what is packed, and no faster than it may.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::environment::{command, tool};
use tests::root::small_root;

/// Files and bytes of each: enough for the program's own memory not to count.
const FILES: u32 = 32;
const LENGTH: usize = 3 << 20;

/// Numbered lines, which every compressor takes quickly.
fn write_files(folder: &Path) -> String {
    let mut recipe = "modules = []\n".to_owned();
    for number in 0..FILES {
        let lines = (0..).map(|line: u32| format!("file {number} line {}\n", line / 7));
        let mut text = String::new();
        lines
            .take_while(|line| {
                text.push_str(line);
                text.len() < LENGTH
            })
            .for_each(drop);
        let path = folder.join(format!("{number}"));
        fs::write(&path, text).unwrap();
        recipe += &format!("[[file]]\npath = \"/data/{number}\"\nsource = {path:?}\n");
    }
    recipe
}

#[test]
fn peak_memory_is_under_three_times_the_image() {
    let (Some(root), Some(time)) = (small_root(), tool("time")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let recipe = write_files(folder.path());
    fs::write(folder.path().join("packager.toml"), recipe).unwrap();
    let unpacked = u64::from(FILES) * LENGTH as u64;
    for (format, most) in [
        ("none", 1.5),
        ("gzip", 2.0),
        ("zstd", 2.0),
        ("lz4", 2.0),
        ("xz", 3.0),
    ] {
        let output = Command::new(&time)
            .args(["-f", "%M"])
            .arg(command("packager").get_program())
            .args(["initramfs", "--quiet", "--recipe", "packager.toml"])
            .args(["--compress", format, "-o", "image", "--root"])
            .arg(root.path())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let kib: u64 = stderr.trim().parse().unwrap();
        let times = (kib * 1024) as f64 / unpacked as f64;
        assert!(times < most, "{format}: {times:.2} times the image");
    }
}
