//! `packager check` on what a disk says twice: partition tables, allocation tables, boot records.

use std::fs;

use tests::broken::{START, built, check, codes, make, names, warns};

/// A change of an image's bytes, and the code that it must have.
type Damage = (fn(&mut Vec<u8>), &'static str);

#[test]
fn what_the_file_system_says_twice() {
    let Some(built) = built() else { return };
    let damages: [Damage; 7] = [
        (|it| change(it, 1, 600), "allocation table 2"),
        (|it| change(it, 0, 0), "the boot record says 0x"),
        (|it| change(it, 0, 7), "not unmounted"),
        (|it| it[START as usize + 65] |= 1, "not unmounted"),
        (|it| it[START as usize + 512..][..512].fill(0), "FSInfo"),
        (
            |it| it[START as usize + 6 * 512..][..512].fill(0),
            "the backup",
        ),
        (|_| (), ""),
    ];
    for (damage, words) in damages {
        let (status, text) = built.broken(damage);
        assert_eq!(status, Some(0), "{text}");
        assert!(text.contains(words), "`{words}` is not in {text}");
        let all = codes(&text);
        assert_eq!(all.is_empty(), words.is_empty(), "{text}");
        assert!(all.iter().all(|code| *code == "fat-inconsistent"), "{text}");
    }
    // A partition of fewer sectors than its file system.
    names(
        built.broken(|it| it[458..462].copy_from_slice(&60_000_u32.to_le_bytes())),
        "fat-outside",
    );
}

/// Changes bit 3 of a byte of an allocation table; in byte 7 that bit says that the volume was unmounted.
fn change(image: &mut [u8], table: usize, at: usize) {
    let record = &image[START as usize..];
    let reserved = usize::from(u16::from_le_bytes([record[14], record[15]]));
    let sectors = u32::from_le_bytes(record[36..40].try_into().unwrap()) as usize;
    let start = START as usize + (reserved + table * sectors) * 512;
    image[start + at] ^= 8;
}

#[test]
fn a_large_disk_and_the_second_copy_of_its_table() {
    let Some(built) = built() else { return };
    let path = built.path();
    let image = path.to_str().unwrap();
    // Its allocation table has 34 MB.
    let large = ["--size", "260G", "--table", "gpt", "-q", "-o", image];
    assert!(make(&built.root, &large).status.success());
    let whole = check(&path, &["--firmware", "both"]);
    warns(&whole, &[]);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    for (length, words) in [
        (length + (1 << 20), "the last is"),
        (length - (64 << 10), "it should be at"),
    ] {
        file.set_len(length).unwrap();
        let found = check(&path, &[]);
        warns(&found, &["no-gpt-backup"]);
        assert!(found.1.contains(words), "{}", found.1);
    }
}
