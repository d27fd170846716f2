//! The writer and the reader against the format and each other.

use super::*;

fn write_three(writer: &mut Writer) {
    let console = Kind::CharacterDevice { major: 5, minor: 1 };
    for (name, kind, permissions, data) in [
        ("dev", Kind::Directory, 0o755, ""),
        ("dev/console", console, 0o600, ""),
        ("hi", Kind::File, 0o644, "hello"),
    ] {
        let attributes = Attributes::of_root(kind, permissions);
        writer
            .entry(name.as_bytes(), attributes, data.as_bytes())
            .unwrap();
    }
}

fn archive() -> Vec<u8> {
    let mut writer = Writer::new(Options {
        mtime: 7,
        ..Options::default()
    });
    write_three(&mut writer);
    writer.finish()
}

#[test]
fn reads_what_it_wrote() {
    let bytes = archive();
    let read: Vec<_> = entries(&bytes).map(Result::unwrap).collect();
    let names: Vec<_> = read.iter().map(|entry| entry.name).collect();
    assert_eq!(names, [b"dev".as_slice(), b"dev/console", b"hi"]);
    assert_eq!(read[0].links, 2);
    assert_eq!(read[1].kind, Kind::CharacterDevice { major: 5, minor: 1 });
    assert_eq!(read[2].data, b"hello");
    assert_eq!(read[2].mtime, 7);
    assert_eq!(read.iter().map(|e| e.inode).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn the_header_is_what_the_format_says() {
    let bytes = archive();
    let expected = "07070100000001000041ed0000000000000000000000020000000700000000000000000000000000000000000000000000000400000000dev\0";
    assert_eq!(&bytes[..expected.len()], expected.as_bytes());
}

#[test]
fn data_is_aligned_and_reads_the_same() {
    let mut writer = Writer::new(Options {
        alignment: 4096,
        checksums: true,
        ..Options::default()
    });
    write_three(&mut writer);
    let bytes = writer.finish();
    assert_eq!(&bytes[4096..4101], b"hello");
    let read: Vec<_> = entries(&bytes).map(Result::unwrap).collect();
    assert_eq!(read[2].name, b"hi");
    assert_eq!(read[2].data, b"hello");
}

#[test]
fn hard_links_share_an_inode_and_the_last_has_the_data() {
    let mut writer = Writer::new(Options::default());
    let attributes = Attributes {
        uid: 7,
        gid: 8,
        ..Attributes::of_root(Kind::File, 0o755)
    };
    writer
        .hard_links(&[b"a", b"b"], attributes, b"text")
        .unwrap();
    let bytes = writer.finish();
    let read: Vec<_> = entries(&bytes).map(Result::unwrap).collect();
    assert_eq!(
        (read[0].inode, read[0].links, read[0].data),
        (1, 2, b"".as_slice())
    );
    assert_eq!(
        (read[1].inode, read[1].links, read[1].data),
        (1, 2, b"text".as_slice())
    );
    assert_eq!((read[1].uid, read[1].gid), (7, 8));
}

#[test]
fn truncation_anywhere_is_an_error_or_a_missing_trailer() {
    let bytes = archive();
    let whole = entries(&bytes).count();
    for length in 1..bytes.len() {
        let read: Vec<_> = entries(&bytes[..length]).collect();
        assert!(read.len() <= whole + 1);
        let complete = read.iter().filter(|entry| entry.is_ok()).count();
        assert!(complete <= whole, "length {length}");
    }
}

#[test]
fn an_archive_without_a_trailer_is_read() {
    let bytes = archive();
    let trailer = bytes.len() - 512
        + bytes[bytes.len() - 512..]
            .windows(10)
            .position(|w| w == TRAILER)
            .unwrap()
        - HEADER;
    assert_eq!(entries(&bytes[..trailer]).filter(Result::is_ok).count(), 3);
    assert!(entries(&bytes[..trailer]).all(|entry| entry.is_ok()));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        let mut input = b"070701".to_vec();
        input.extend(bytes);
        for entry in entries(&input) {
            if entry.is_err() { break }
        }
    }
}
