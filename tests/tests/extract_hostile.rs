//! `packager extract` on archives that mean harm: nothing is written, linked or changed outside of the folder.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Output;

use packager::cpio::{Attributes, Kind, Options, Writer};
use tests::environment::{command, tool};

/// A folder with something in it that nobody may touch, and an image.
struct Case {
    folder: tempfile::TempDir,
    writer: Writer,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/secret"), "untouched").unwrap();
        Self {
            folder,
            writer: Writer::new(Options::default()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&mut self, name: impl AsRef<[u8]>, kind: Kind, data: &str) {
        let attributes = Attributes::of_root(kind, 0o755);
        self.writer
            .entry(name.as_ref(), attributes, data.as_bytes())
            .unwrap();
    }

    fn file(&mut self, name: impl AsRef<[u8]>) {
        self.put(name, Kind::File, "harm");
    }

    /// Extracts into `in` and shows that nothing outside has changed; gives the names inside.
    fn extract(self) -> (Vec<String>, Output) {
        self.extract_bytes(|bytes| bytes)
    }

    /// Extracts into `in` as a user, if that is not what runs the tests, by way of other programs; gives the names inside, and what is
    /// told.
    fn extract_as(mut self, user: &str, prefix: &[&str]) -> Option<(Vec<String>, String)> {
        let setpriv = tool("setpriv")?;
        let image = self.path("image.cpio");
        let writer = std::mem::replace(&mut self.writer, Writer::new(Options::default()));
        fs::write(&image, writer.finish()).unwrap();
        // The user may not be able to reach the folder of the checkout.
        let packager = self.path("packager");
        fs::copy(command("packager").get_program(), &packager).unwrap();
        fs::create_dir(self.path("in")).unwrap();
        fs::set_permissions(self.path("in"), fs::Permissions::from_mode(0o777)).unwrap();
        let (reuid, regid) = (format!("--reuid={user}"), format!("--regid={user}"));
        let mut words = prefix.to_vec();
        if fs::metadata(&image).unwrap().uid() == 0 {
            words.extend([setpriv.to_str().unwrap(), &reuid, &regid, "--clear-groups"]);
        }
        words.extend([packager.to_str().unwrap(), "extract"]);
        let output = std::process::Command::new(words[0])
            .args(&words[1..])
            .arg(&image)
            .arg(self.path("in"))
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        Some((names(&self.path("in")), stderr))
    }

    fn extract_bytes(mut self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> (Vec<String>, Output) {
        let image = self.path("image.cpio");
        let writer = std::mem::replace(&mut self.writer, Writer::new(Options::default()));
        fs::write(&image, change(writer.finish())).unwrap();
        let output = command("packager")
            .arg("extract")
            .arg(&image)
            .arg(self.path("in"))
            .output()
            .unwrap();
        let secret = self.path("outside/secret");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "untouched");
        assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1);
        assert_eq!(names(&self.path("outside")), ["secret"]);
        assert_eq!(names(self.folder.path()), ["image.cpio", "in", "outside"]);
        (names(&self.path("in")), output)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What has been made of an image that does not fit is gone, so that the folder can be named once more.
#[test]
fn a_full_disk_keeps_no_half_of_an_image() {
    let Some(unshare) = tool("unshare") else {
        return;
    };
    let mut case = Case::new();
    for (name, kind) in [
        ("a", Kind::Directory),
        ("a/b", Kind::Directory),
        ("l", Kind::Symlink),
    ] {
        case.put(name, kind, if kind == Kind::Symlink { "a" } else { "" });
    }
    case.put("a/b/small", Kind::File, "x");
    case.put("a/large", Kind::File, &"x".repeat(300 << 10));
    let writer = std::mem::replace(&mut case.writer, Writer::new(Options::default()));
    fs::write(case.path("image.cpio"), writer.finish()).unwrap();
    let script = "mount -t tmpfs -o size=200k none $1 && cd $1 && mkdir there || exit
        for folder in there new/er; do $2 extract $3 $folder; echo $?; done; find . | sort";
    let output = std::process::Command::new(unshare)
        .args(["-rm", "sh", "-c", script, "sh"])
        .arg(case.path("outside"))
        .arg(command("packager").get_program())
        .arg(case.path("image.cpio"))
        .output()
        .unwrap();
    let (stdout, stderr) = [&output.stdout, &output.stderr]
        .map(|it| String::from_utf8_lossy(it))
        .into();
    assert_eq!(stdout, "3\n3\n.\n./there\n", "{stderr}");
    assert_eq!(stderr.matches("cannot make `").count(), 2, "{stderr}");
}

#[test]
fn dots_do_not_climb() {
    let mut case = Case::new();
    for name in [
        "../outside/secret",
        "../../harm",
        "a/../../outside/secret",
        "./../harm",
    ] {
        case.file(name);
    }
    let (names, output) = case.extract();
    // `..` of the root is the root, as in the kernel; what has no folder there is left out.
    assert_eq!(names, ["harm"]);
    assert!(output.status.success());
}

#[test]
fn absolute_names_are_names_in_the_folder() {
    let mut case = Case::new();
    let secret = case.path("outside/secret");
    case.file(secret.as_os_str().as_encoded_bytes());
    case.file("/absolute");
    let (names, output) = case.extract();
    assert_eq!(names, ["absolute"]);
    assert!(output.status.success());
}

#[test]
fn nothing_is_written_through_a_link() {
    let mut case = Case::new();
    let outside = case.path("outside");
    case.put("absolute", Kind::Symlink, outside.to_str().unwrap());
    case.put("relative", Kind::Symlink, "../outside");
    for name in [
        "absolute/secret",
        "relative/secret",
        "absolute/new",
        "relative/new",
    ] {
        case.file(name);
    }
    let (names, _) = case.extract();
    assert_eq!(names, ["absolute", "relative"]);
}

/// A link that another entry of the same name replaces, and a file that a link replaces.
#[test]
fn a_link_that_is_replaced_leads_nowhere() {
    let mut case = Case::new();
    let secret = case.path("outside/secret");
    case.put("a", Kind::Symlink, secret.to_str().unwrap());
    case.file("a");
    case.file("b");
    case.put("b", Kind::Symlink, "../outside/secret");
    let (names, output) = case.extract();
    assert_eq!(names, ["a", "b"]);
    assert!(output.status.success());
}

/// newc names no file to link to: names of one inode share their contents. One that carries none is an empty file.
#[test]
fn a_hard_link_cannot_reach_outside() {
    let mut case = Case::new();
    let attributes = Attributes::of_root(Kind::File, 0o644);
    let names: [&[u8]; 3] = [b"first", b"../outside/secret", b"last"];
    case.writer
        .hard_links(&names, attributes, b"shared")
        .unwrap();
    let (names, output) = case.extract();
    assert_eq!(names, ["first", "last"]);
    assert!(output.status.success());
}

/// Modes, times and names of one file, as GNU cpio has them.
#[test]
fn all_that_an_archive_says_of_a_file_is_kept() {
    let Some(cpio) = tool("cpio") else { return };
    let mut case = Case::new();
    let is_root = fs::metadata(case.folder.path()).unwrap().uid() == 0;
    let kinds = [
        ("fifo", Kind::Fifo, 0o622),
        ("socket", Kind::Socket, 0o755),
        ("null", Kind::CharacterDevice { major: 1, minor: 3 }, 0o666),
        ("disk", Kind::BlockDevice { major: 8, minor: 0 }, 0o660),
        ("link", Kind::Symlink, 0o777),
        (".", Kind::Directory, 0o700),
        ("folder", Kind::Directory, 0o1777),
        ("setuid", Kind::File, 0o4711),
    ];
    for (name, kind, permissions) in kinds {
        let is_node = matches!(
            kind,
            Kind::CharacterDevice { .. } | Kind::BlockDevice { .. }
        );
        let attributes = Attributes::of_root(kind, permissions);
        let data: &[u8] = if kind == Kind::Symlink { b"null" } else { b"" };
        if is_root || !is_node {
            case.writer
                .entry(name.as_bytes(), attributes, data)
                .unwrap();
        }
    }
    let attributes = Attributes::of_root(Kind::File, 0o640);
    let of_one: [&[u8]; 3] = [b"one", b"two", b"three"];
    case.writer
        .hard_links(&of_one, attributes, b"shared")
        .unwrap();
    fs::create_dir(case.path("theirs")).unwrap();
    let theirs = case.path("theirs");
    let image = std::mem::replace(&mut case.writer, Writer::new(Options::default())).finish();
    fs::write(case.path("image.cpio"), &image).unwrap();
    let made = std::process::Command::new(cpio)
        .args(["-idm", "--quiet", "--no-absolute-filenames"])
        .stdin(fs::File::open(case.path("image.cpio")).unwrap())
        .current_dir(&theirs)
        .status()
        .unwrap();
    assert!(made.success());
    let ours = case.path("in");
    let made = command("packager")
        .arg("extract")
        .arg(case.path("image.cpio"))
        .arg(&ours)
        .output()
        .unwrap();
    assert!(made.status.success());
    let told = |folder: &Path| -> Vec<String> {
        let line = |name: &String| {
            let found = fs::symlink_metadata(folder.join(name)).unwrap();
            let (mode, device, links) = (found.mode(), found.rdev(), found.nlink());
            // GNU cpio does not give a link its time.
            let time = if name == "link" { 0 } else { found.mtime() };
            format!("{name} {mode:o} {device} {links} {time}")
        };
        names(folder).iter().map(line).collect()
    };
    assert_eq!(told(&ours), told(&theirs));
    // Nor the folder that all goes to its mode, where it is there already.
    let folder = fs::metadata(&ours).unwrap();
    assert_eq!((folder.mode(), folder.mtime()), (0o40700, 0));
}

/// newc has a sum of a file's bytes in `070702` entries; the kernel stops where it is wrong.
#[test]
fn a_wrong_checksum_is_told() {
    let mut case = Case::new();
    case.writer = Writer::new(Options {
        checksums: true,
        ..Options::default()
    });
    case.file("file");
    let (names, output) = case.extract_bytes(|mut bytes| {
        let at = bytes.windows(4).position(|part| part == b"harm").unwrap();
        bytes[at] = b'H';
        bytes
    });
    assert_eq!(names, ["file"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("checksum") && stderr.contains("/file"),
        "{stderr}"
    );
}

/// A user that has no other processes than those that a limit of them is for.
#[test]
fn where_no_thread_can_be_had_one_does_all() {
    let Some(prlimit) = tool("prlimit") else {
        return;
    };
    let mut case = Case::new();
    for number in 0..100 {
        case.file(format!("file-{number}"));
    }
    if fs::metadata(case.folder.path()).unwrap().uid() != 0 {
        return;
    }
    let prefix = [prlimit.to_str().unwrap(), "--nproc=1"];
    if let Some((names, stderr)) = case.extract_as("65533", &prefix) {
        assert_eq!(names.len(), 100, "{stderr}");
    }
}

#[test]
fn devices_are_left_out_without_root() {
    let mut case = Case::new();
    case.put("null", Kind::CharacterDevice { major: 1, minor: 3 }, "");
    case.put("disk", Kind::BlockDevice { major: 8, minor: 0 }, "");
    case.put("fifo", Kind::Fifo, "");
    case.file("file");
    if let Some((names, stderr)) = case.extract_as("65534", &[]) {
        assert!(
            stderr.contains("note: 2 device nodes are left out"),
            "{stderr}"
        );
        assert_eq!(names, ["fifo", "file"]);
    }
}

#[test]
fn the_last_of_several_entries_with_one_name_stays() {
    let mut case = Case::new();
    case.put("twice", Kind::File, "old");
    case.put("./twice", Kind::File, "middle");
    case.put("//twice", Kind::File, "new");
    case.put("folder", Kind::Directory, "");
    case.put("folder/file", Kind::File, "x");
    case.put("folder", Kind::Directory, "");
    let (names, output) = case.extract();
    assert_eq!(names, ["folder", "twice"]);
    assert!(output.status.success());
}

/// A name ends at its first NUL, as the kernel and every tool have it.
#[test]
fn a_name_ends_at_its_first_nul() {
    let mut case = Case::new();
    case.file("shownXhidden");
    let (names, output) = case.extract_bytes(|mut bytes| {
        let at = bytes.windows(6).position(|part| part == b"Xhidde").unwrap();
        bytes[at] = 0;
        bytes
    });
    assert_eq!(names, ["shown"]);
    assert!(output.status.success());
}

/// A file where a folder with something in it stands is dropped, as by the kernel, with a word; a folder replaces a file.
#[test]
fn a_file_and_a_folder_of_one_name_do_not_break_it() {
    let mut case = Case::new();
    case.put("a", Kind::Directory, "");
    case.file("a/below");
    case.file("a");
    case.file("b");
    case.put("b", Kind::Directory, "");
    case.file("b/below");
    let (names, output) = case.extract();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("note: /a is left out, as the kernel does: a folder that is not empty"),
        "{stderr}"
    );
    assert_eq!(names, ["a", "b"]);
}
