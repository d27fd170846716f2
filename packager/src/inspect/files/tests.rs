use super::*;
use crate::cpio::{Options, Writer};
use crate::inspect::segments;

fn image(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new(Options::default());
    write(&mut writer);
    writer.finish()
}

fn put(writer: &mut Writer, name: &str, kind: Kind, data: &str) {
    let attributes = Attributes::of_root(kind, 0o755);
    writer
        .entry(name.as_bytes(), attributes, data.as_bytes())
        .unwrap();
}

#[test]
fn later_entries_replace_earlier_ones_and_links_lead() {
    let mut bytes = image(|writer| {
        put(writer, "bin", Kind::Directory, "");
        put(writer, "sbin", Kind::Symlink, "/bin");
        put(writer, "sbin/init", Kind::File, "old");
    });
    bytes.extend(image(|writer| put(writer, "./bin/init", Kind::File, "new")));
    let segments = segments(&bytes).unwrap();
    let files = Files::new(&segments).unwrap();
    let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["bin", "bin/init", "sbin"]);
    assert_eq!(files.get("/sbin/init").unwrap().data, b"new");
    assert_eq!(files.get("sbin").unwrap().attributes.kind, Kind::Symlink);
    assert_eq!(files.follow("sbin").unwrap().0, "bin");
}

#[test]
fn an_entry_without_its_parent_is_an_orphan() {
    let bytes = image(|writer| put(writer, "etc/motd", Kind::File, "x"));
    let segments = segments(&bytes).unwrap();
    let files = Files::new(&segments).unwrap();
    assert_eq!(files.iter().count(), 0);
    assert_eq!(files.orphans, ["etc/motd"]);
}

#[test]
fn hard_links_share_their_contents_whichever_carries_them() {
    let bytes = image(|writer| {
        let attributes = Attributes::of_root(Kind::File, 0o644);
        writer
            .hard_links(&[b"a", b"b", b"c"], attributes, b"text")
            .unwrap();
    });
    let segments = segments(&bytes).unwrap();
    let files = Files::new(&segments).unwrap();
    assert!(files.iter().all(|(_, file)| file.data == b"text"));
}

/// An entry as nobody but a test writes it.
struct Raw<'a> {
    name: &'a [u8],
    mode: u32,
    inode: u32,
    device: u32,
    data: &'a [u8],
}

const FILE: Raw<'static> = Raw {
    name: b"",
    mode: 0o100_644,
    inode: 7,
    device: 0,
    data: b"",
};

fn file<'a>(name: &'a [u8], data: &'a [u8]) -> Raw<'a> {
    Raw { name, data, ..FILE }
}

fn link<'a>(name: &'a [u8], inode: u32, target: &'a [u8]) -> Raw<'a> {
    let mode = 0o120_777;
    Raw {
        mode,
        inode,
        ..file(name, target)
    }
}

/// An archive of entries that say that their file has two names.
fn raw(entries: &[Raw<'_>]) -> Vec<u8> {
    let trailer = Raw {
        name: b"TRAILER!!!",
        ..FILE
    };
    let mut bytes = Vec::new();
    for entry in entries.iter().chain([&trailer]) {
        let Raw {
            mode,
            inode,
            device,
            ..
        } = *entry;
        let (length, name) = (entry.data.len() as u32, entry.name.len() as u32 + 1);
        bytes.extend(b"070701");
        for field in [inode, mode, 0, 0, 2, 9, length, 0, device, 0, 0, name, 0] {
            bytes.extend(format!("{field:08x}").bytes());
        }
        for part in [&[entry.name, b"\0"].concat(), entry.data] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    bytes
}

fn contents(image: &[u8]) -> Vec<(String, String)> {
    let segments = segments(image).unwrap();
    let files = Files::new(&segments).unwrap();
    let data = |file: &File<'_>| String::from_utf8_lossy(file.data).into_owned();
    files
        .iter()
        .map(|(path, file)| (path.to_owned(), data(file)))
        .collect()
}

fn is(image: &[u8], wanted: &[(&str, &str)]) {
    let found = contents(image);
    let found: Vec<_> = found
        .iter()
        .map(|(path, data)| (&**path, &**data))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn files_of_other_archives_and_devices_are_other_files() {
    let one = [file(b"a", b"one"), file(b"b", b"")];
    let two = [file(b"c", b"two"), file(b"d", b"")];
    let wanted = [("a", "one"), ("b", "one"), ("c", "two"), ("d", "two")];
    let image = [raw(&one), raw(&two)].concat();
    is(&image, &wanted);
    is(
        &codec::encode(&image, codec::Format::Gzip, None).unwrap(),
        &wanted,
    );
    let two = two.map(|raw| Raw { device: 1, ..raw });
    let of_one_archive: Vec<_> = one.into_iter().chain(two).collect();
    is(&raw(&of_one_archive), &wanted);
}

#[test]
fn what_is_written_by_one_name_is_seen_by_the_others() {
    let names = [file(b"a", b"old"), file(b"b", b"")];
    let later = [Raw {
        inode: 8,
        ..file(b"a", b"new")
    }];
    is(
        &[raw(&names), raw(&later)].concat(),
        &[("a", "new"), ("b", "new")],
    );
}

#[test]
fn what_has_taken_the_place_of_a_name_is_linked_to() {
    let link = link(b"a", 8, b"target");
    let names = [file(b"a", b""), link, file(b"b", b"data")];
    is(
        &raw(&names),
        &[("a", "target"), ("b", "target"), ("target", "data")],
    );
    // The kernel takes a name away before it gives it to the file that had it.
    let twice = [file(b"a", b""), file(b"a", b"")];
    is(&raw(&twice), &[]);
}

/// gen_init_cpio writes a target with its NUL.
#[test]
fn a_target_ends_at_its_first_nul() {
    let link = link(b"sh", 8, b"busybox\0");
    is(&raw(&[link]), &[("sh", "busybox")]);
}

#[test]
fn names_of_any_bytes_stay_apart() {
    let image = raw(&[
        Raw {
            inode: 1,
            ..file(b"f\xff", b"1")
        },
        Raw {
            inode: 2,
            ..file(b"f\xfe", b"2")
        },
        link(b"to", 3, b"f\xff"),
    ]);
    let segments = segments(&image).unwrap();
    let files = Files::new(&segments).unwrap();
    assert_eq!(files.get(&names::text(b"f\xfe")).unwrap().data, b"2");
    assert_eq!(files.follow("to").unwrap().1.data, b"1");
}

#[test]
fn what_no_file_can_be_is_left_out() {
    let long = [b'x'; 4096];
    let image = raw(&[
        link(b"long", 8, &long),
        link(b"just", 9, &long[1..]),
        Raw {
            name: &[b'n'; 256],
            inode: 1,
            ..FILE
        },
        Raw {
            name: b"folder",
            mode: 0o40_755,
            data: b"data",
            ..FILE
        },
    ]);
    let segments = segments(&image).unwrap();
    let files = Files::new(&segments).unwrap();
    assert_eq!(
        files.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["just"]
    );
    assert_eq!(files.impossible.len(), 3);
}

#[test]
fn names_that_climb_stay_inside_and_circles_end() {
    let bytes = image(|writer| {
        put(writer, "../../up", Kind::File, "x");
        put(writer, "a", Kind::Symlink, "b");
        put(writer, "b", Kind::Symlink, "a");
        put(writer, "a/file", Kind::File, "lost");
    });
    let segments = segments(&bytes).unwrap();
    let files = Files::new(&segments).unwrap();
    let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["a", "b", "up"]);
}

#[test]
fn the_files_of_a_plan_are_the_same_on_both_ways() {
    let mut plan = Plan::default();
    plan.directory("usr/bin", 0o755, "a test");
    plan.file("usr/bin/busybox", 0o755, b"x".to_vec(), "a test");
    plan.symlink("bin", "usr/bin", "a test");
    plan.symlink("bin/sh", "busybox", "a test");
    plan.device("dev/null", 0o666, 1, 3, "a test");
    plan.file("usr-like", 0o644, Vec::new(), "sorts between usr and usr/");
    let plain = Files::of_plain_plan(&plan).unwrap();
    let any = Files::of_any_plan(&plan);
    assert_eq!(plain.names, any.names);
    assert_eq!(plain.files, any.files);
    assert_eq!(plain.names.len(), 8);
    // What has lost its directory is found by the long way alone.
    plan.file("usr/bin", 0o644, Vec::new(), "over a directory");
    assert!(Files::of_plain_plan(&plan).is_none());
    assert_eq!(
        Files::of_plan(&plan).orphans,
        ["usr/bin/busybox", "usr/bin/sh"]
    );
    // So is what no file can be.
    let mut plan = Plan::default();
    plan.symlink("long", &"x".repeat(5000), "a test");
    assert!(Files::of_plain_plan(&plan).is_none());
    assert_eq!(Files::of_plan(&plan).impossible, ["long"]);
}
