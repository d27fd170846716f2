//! `packager write` on loop devices. Where this machine does not allow them, there is nothing to test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use packager::disk::gpt::{self, Guid};
use packager::disk::{Sector, SparseImage};
use tests::environment::{command, find_program};
use tests::small::Small;

/// A loop device over a file; it goes with this value.
struct Loop {
    device: PathBuf,
}

impl Loop {
    fn new(file: &Path) -> Option<Self> {
        let output = Command::new(find_program("losetup")?)
            .args(["-f", "--show"])
            .arg(file)
            .output()
            .ok()?;
        if !output.status.success() {
            eprintln!("skipped: no loop devices for this user");
            return None;
        }
        let device = String::from_utf8(output.stdout).ok()?.trim().into();
        Some(Self { device })
    }

    fn model(&self) -> &str {
        self.device.file_name().unwrap().to_str().unwrap()
    }

    fn write(&self, image: &Path, options: &[&str]) -> Output {
        command("packager")
            .arg("write")
            .arg(image)
            .arg(&self.device)
            .args(options)
            .output()
            .unwrap()
    }

    fn refuses(&self, image: &Path, options: &[&str], code: i32, words: &str) {
        let output = self.write(image, options);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{options:?}: {stderr}");
        assert!(stderr.contains(words), "`{words}` is not in: {stderr}");
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let program = find_program("losetup").unwrap();
        let _ = Command::new(program).arg("-d").arg(&self.device).status();
    }
}

/// Something with a boot signature, of an odd size.
fn image(folder: &Path) -> PathBuf {
    let mut bytes: Vec<u8> = (0..9_000_001_u32).map(|n| (n / 5) as u8).collect();
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    let path = folder.join("simple.img");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn nothing_is_written_without_the_model_and_everything_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::write(&disk, vec![0xff; 16 << 20]).unwrap();
    let Some(device) = Loop::new(&disk) else {
        return;
    };
    let image = image(folder.path());
    device.refuses(&image, &["--confirm", device.model()], 1, "--allow-fixed");
    device.refuses(&image, &["--allow-fixed"], 2, "nobody is there to be asked");
    device.refuses(
        &image,
        &["--allow-fixed", "--confirm", "other"],
        1,
        "nothing was written",
    );
    assert!(fs::read(&disk).unwrap().iter().all(|byte| *byte == 0xff));
    let output = device.write(&image, &["--allow-fixed", "--confirm", device.model()]);
    assert!(output.status.success(), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("written and read back"), "{stderr}");
    let sum = Command::new("sha256sum").arg(&image).output().unwrap();
    let sum = String::from_utf8_lossy(&sum.stdout);
    let sum = sum.split(' ').next().unwrap();
    assert!(
        stderr.ends_with(&format!("\nSHA-256 of what was read back: {sum}\n")),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 2, "no progress on a pipe: {stderr}");
    let image = fs::read(image).unwrap();
    assert!(fs::read(&disk).unwrap()[..image.len()] == image);
}

/// On a larger disk the second copy of the table is not where tools look for it.
#[test]
fn where_the_second_copy_of_a_table_is_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [disk, path] = ["disk", "gpt.img"].map(|name| folder.path().join(name));
    fs::write(&disk, vec![0xff; 16 << 20]).unwrap();
    let Some(device) = Loop::new(&disk) else {
        return;
    };
    for (size, is_told) in [(8_u64 << 20, true), (16 << 20, false)] {
        let mut image = SparseImage::new(size);
        let guids = [[1; 16], [2; 16]].map(Guid::derived);
        gpt::write(&mut image, Sector(2048), Sector(4096), Vec::new(), guids);
        image.write_to(&fs::File::create(&path).unwrap()).unwrap();
        let output = device.write(&path, &["--allow-fixed", "--confirm", device.model()]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert_eq!(stderr.contains("`sgdisk -e"), is_told, "{stderr}");
    }
}

#[test]
fn what_does_not_fit_or_is_no_image_or_no_disk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::write(&disk, vec![0xff; 1 << 20]).unwrap();
    let Some(device) = Loop::new(&disk) else {
        return;
    };
    let image = image(folder.path());
    device.refuses(&image, &[], 1, "the image has 9000001");
    device.refuses(&disk, &[], 1, "is not a disk image");
    let cut = folder.path().join("cut.img");
    let mut bytes = vec![0; 1024];
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    // A partition of FAT, from sector 1, of 7 sectors.
    (bytes[450], bytes[454], bytes[458]) = (0x0c, 1, 7);
    fs::write(&cut, bytes).unwrap();
    device.refuses(&cut, &[], 1, "is cut off: a partition ends at byte 4096");
    let output = command("packager")
        .arg("write")
        .args([&image, &disk])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("is not a disk; to copy"), "{stderr}");
    let output = command("packager")
        .arg("write")
        .arg(&image)
        .output()
        .unwrap();
    let list = String::from_utf8_lossy(&output.stdout);
    assert!(list.contains(device.model()), "{list}");
}

#[test]
fn a_mounted_disk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::File::create(&disk).unwrap().set_len(16 << 20).unwrap();
    let program = find_program("mkfs.fat");
    let made = program.map(|program| Command::new(program).arg(&disk).output());
    let (Some(Ok(_)), Some(device)) = (made, Loop::new(&disk)) else {
        return;
    };
    let place = folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let mounted = Command::new("mount")
        .args([&device.device, &place])
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return;
    }
    let image = image(folder.path());
    let options = ["--allow-fixed", "--confirm", device.model()];
    device.refuses(&image, &options, 1, &format!("umount {}", place.display()));
    assert!(
        Command::new("umount")
            .arg(&place)
            .status()
            .unwrap()
            .success()
    );
}

/// The file behind the device lies on a file system that is full half-way: as a stick that fails.
#[test]
fn a_disk_that_fails_is_left_without_a_partition_table() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(folder.path()) else {
        return;
    };
    let disk = small.path().join("disk");
    fs::write(&disk, vec![0xff; 4096]).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&disk).unwrap();
    file.set_len(16 << 20).unwrap();
    if let Some(device) = Loop::new(&disk) {
        let options = ["--allow-fixed", "--confirm", device.model()];
        device.refuses(&image(folder.path()), &options, 3, "it holds no image now");
        let head = fs::read(&disk).unwrap();
        assert!(head[..1 << 20].iter().all(|byte| *byte == 0));
    }
}
