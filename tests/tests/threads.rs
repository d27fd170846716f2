//! `packager initramfs` on one thread and on several, in the place of files in memory: the same image, in no more memory than it takes.

use std::fs;
use std::os::unix::fs::MetadataExt;

use tests::environment::command;
use tests::root::small_root;

#[test]
fn the_image_is_the_same_on_any_number_of_threads() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("simple.cpio");
    let mut images = Vec::new();
    for threads in ["1", "2", "3", "9"] {
        // None, a shorter one, and a longer one, for which threads with nothing to do make too much room.
        for replaced in [None, Some(1 << 20), Some(64 << 20)] {
            let _none = fs::remove_file(&path);
            if let Some(length) = replaced {
                fs::write(&path, vec![1; length]).unwrap();
            }
            let status = command("packager")
                .args(["initramfs", "--quiet", "--root"])
                .arg(root.path())
                .arg("-o")
                .arg(&path)
                .env("RAYON_NUM_THREADS", threads)
                .status();
            assert!(status.unwrap().success(), "{threads} threads, {replaced:?}");
            let found = fs::metadata(&path).unwrap();
            assert_eq!(found.blocks() * 512, found.len().next_multiple_of(4096));
            images.push(fs::read(&path).unwrap());
        }
    }
    assert!(images.windows(2).all(|two| two[0] == two[1]));
}
