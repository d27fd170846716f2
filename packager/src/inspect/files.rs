//! What the kernel has after it has unpacked an image: one file tree, made of all segments.
//!
//! A later entry replaces an earlier one of the same name; names of one file share what it holds; a path that leads through a
//! symbolic link is where the link leads. An entry whose parent directory is missing is dropped, as the kernel drops it.
//! (`init/initramfs.c`.)

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Included, Unbounded};

use kmap::{Endian, Keymap};

use super::{InspectError, Segment};
use crate::Plan;
use crate::cpio::{Attributes, Entry, Kind, NAME_MAX};
use crate::names;
use crate::paths::{is_direct, resolve};

/// The longest name in a directory of the kernel's first file system (`NAME_MAX`, `linux/limits.h`).
const PART_MAX: usize = 255;

/// A file of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'image> {
    /// What it is, and whose.
    pub attributes: Attributes,
    /// Seconds since 1970.
    pub mtime: u32,
    /// A file's bytes, or a symbolic link's target.
    pub data: &'image [u8],
}

/// A binary keymap has 7 bytes of magic, 256 flags, and 256 bytes for each of at most 256 tables.
const KEYMAP_LIMIT: u64 = 7 + 256 + 256 * 256;

impl File<'_> {
    /// The keymap for `loadkmap` that the file is, compressed or not; `None` where it is none.
    pub fn keymap(&self) -> Option<Keymap> {
        let bytes = codec::decode(self.data, KEYMAP_LIMIT).ok()?;
        Keymap::from_bkeymap(&bytes, Endian::Little).ok()
    }
}

/// The file tree of an image, by path without a leading `/`, sorted. Paths are [texts of names](names::text).
#[derive(Clone, Debug, Default)]
pub struct Files<'image> {
    /// The numbers of files: several names may be one file's.
    names: BTreeMap<String, usize>,
    files: Vec<File<'image>>,
    root: Option<File<'image>>,
    /// Where the parent of the last entry leads, as long as no directory or link has come or gone.
    walked: Option<(String, String)>,
    /// Names that the kernel drops, since their parent directory is missing.
    pub orphans: Vec<String>,
    /// Names that the kernel drops, since a directory stands there that is not empty.
    pub blocked: Vec<String>,
    /// Names that the kernel drops, since no file can be so: a symbolic link with a target of more than 4095 bytes; a directory or a node
    /// with data; a part of more than 255 bytes; a name given to its own file once more.
    pub impossible: Vec<String>,
    /// Names of files whose bytes do not have the sum that their entries promise: there the kernel stops.
    pub unsound: Vec<String>,
}

/// Whose name came first, of the files of one archive that have several: by inode number, device and type.
type Links = HashMap<(u32, (u32, u32), u32), String>;

impl<'image> Files<'image> {
    /// Joins the segments.
    ///
    /// # Errors
    /// An archive is damaged.
    pub fn new(segments: &'image [Segment<'_>]) -> Result<Self, InspectError> {
        let mut files = Self::default();
        for segment in segments {
            let mut links = Links::new();
            let mut archive = 0;
            for entry in segment.numbered_entries() {
                let (number, _, entry) = entry?;
                // Inode numbers are those of one archive: the kernel forgets them at its trailer.
                if std::mem::replace(&mut archive, number) != number {
                    links.clear();
                }
                files.add(&entry, &mut links);
            }
        }
        Ok(files)
    }

    /// The files of a plan, as they will be in the image; but their time is the archive's.
    pub(crate) fn of_plan(plan: &'image Plan) -> Self {
        let mut files = Self::default();
        for (path, item) in plan.items() {
            let entry = Entry {
                name: path.as_bytes(),
                kind: item.kind(),
                permissions: item.attributes.permissions,
                inode: 0,
                device: (0, 0),
                links: 1,
                uid: item.attributes.uid,
                gid: item.attributes.gid,
                mtime: 0,
                data: &item.data,
                sum: None,
            };
            files.add(&entry, &mut HashMap::new());
        }
        files
    }

    /// The files with their paths; a directory comes before what it holds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &File<'image>)> {
        self.numbered().map(|(path, _, file)| (path, file))
    }

    /// The files with their paths and numbers: names with one number are one file's.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (&str, usize, &File<'image>)> {
        let names = self.names.iter();
        names.map(|(path, &number)| (path.as_str(), number, &self.files[number]))
    }

    /// The directory that all is in, if an entry says anything of it (`.`).
    pub fn root(&self) -> Option<&File<'image>> {
        self.root.as_ref()
    }

    /// The file at this path; links among its parents are followed, the last part is not.
    pub fn get(&self, path: &str) -> Option<&File<'image>> {
        self.at(&self.real_path(path, false)?)
    }

    /// The file of this very name.
    fn at(&self, name: &str) -> Option<&File<'image>> {
        self.files.get(*self.names.get(name)?)
    }

    fn is(&self, kind: Kind, name: &str) -> bool {
        self.at(name)
            .is_some_and(|file| file.attributes.kind == kind)
    }

    /// The file at this path, all links followed.
    pub fn follow(&self, path: &str) -> Option<(String, &File<'image>)> {
        let real = self.real_path(path, true)?;
        let file = self.at(&real)?;
        Some((real, file))
    }

    /// Where a path leads when all links are followed, whether something is there or not; `None` where they lead in a circle.
    pub fn leads_to(&self, path: &str) -> Option<String> {
        self.real_path(path, true)
    }

    fn add(&mut self, entry: &Entry<'image>, links: &mut Links) {
        let name = names::text(entry.name);
        let Some((path, has_parent)) = self.walk(&name) else {
            return;
        };
        let there = self.at(&path).map(|there| there.attributes.kind);
        let are_files =
            [Some(entry.kind), there].map(|kind| kind.is_none_or(|it| it == Kind::File));
        if are_files != [true; 2] {
            self.walked = None;
        }
        let file = File {
            attributes: Attributes {
                kind: entry.kind,
                permissions: entry.permissions,
                uid: entry.uid,
                gid: entry.gid,
            },
            mtime: entry.mtime,
            data: entry.data,
        };
        if path.is_empty() {
            if entry.kind == Kind::Directory {
                self.root = Some(file);
            }
            return;
        }
        if is_impossible(&path, &file) {
            self.impossible.push(path);
            return;
        }
        if !has_parent {
            self.orphans.push(path);
            return;
        }
        let is_directory = there == Some(Kind::Directory);
        if is_directory && entry.kind != Kind::Directory && self.holds_something(&path) {
            self.blocked.push(path);
            return;
        }
        if !entry.is_sound() {
            self.unsound.push(path.clone());
        }
        let has_names = entry.links > 1 && may_have_names(entry.kind);
        let key = (entry.inode, entry.device, entry.kind.bits());
        match links.get(&key).filter(|_| has_names) {
            Some(first) => {
                let first = first.clone();
                self.link(&first, path, file);
            }
            None => {
                if has_names {
                    links.insert(key, path.clone());
                }
                self.put(path, file);
            }
        }
    }

    /// Where an entry of this name is, and whether its parent is a directory. Entries of one directory follow each other, and the way
    /// there may be long.
    fn walk(&mut self, name: &str) -> Option<(String, bool)> {
        let (above, last) = name.rsplit_once('/').unwrap_or(("", name));
        if let Some((walked, real)) = &self.walked
            && walked == above
            && !matches!(last, "" | "." | "..")
        {
            return Some((format!("{real}{last}"), true));
        }
        let path = self.real_path(name, false)?;
        let parent = path.rsplit_once('/').map(|(parent, _)| parent);
        let has_parent = parent.is_none_or(|parent| self.is(Kind::Directory, parent));
        if let Some(real) = path.strip_suffix(last)
            && has_parent
            && !matches!(last, "" | "." | "..")
        {
            self.walked = Some((above.to_owned(), real.to_owned()));
        }
        Some((path, has_parent))
    }

    /// Makes a file, or writes one anew.
    fn put(&mut self, path: String, mut file: File<'image>) {
        let there = self.names.get(&path).copied();
        let there = there.and_then(|number| Some((number, self.files.get_mut(number)?)));
        match there {
            // What is of the same type is not made again; all its names show what it becomes.
            Some((_, old))
                if old.attributes.kind.bits() == file.attributes.kind.bits()
                    && file.attributes.kind != Kind::Symlink =>
            {
                file.attributes.kind = old.attributes.kind;
                *old = file;
            }
            _ => {
                self.names.insert(path, self.files.len());
                self.files.push(file);
            }
        }
    }

    /// Gives the file that came first in its archive one more name. An entry with data writes it anew.
    fn link(&mut self, first: &str, path: String, file: File<'image>) {
        // What stands there goes first; if that is the file itself, nothing is left to be linked to.
        if first == path {
            self.names.remove(&path);
            self.impossible.push(path);
            return;
        }
        let Some(&number) = self.names.get(first) else {
            self.impossible.push(path);
            return;
        };
        let Some(there) = self.files.get_mut(number) else {
            return;
        };
        let kind = there.attributes.kind;
        if kind == Kind::Directory {
            self.impossible.push(path);
            return;
        }
        if kind == Kind::File && file.attributes.kind == Kind::File {
            let data = match file.data.is_empty() {
                true => there.data,
                false => file.data,
            };
            *there = File { data, ..file };
        }
        self.names.insert(path.clone(), number);
        // A symbolic link has come to stand there: it is linked to, and what is written goes through it.
        if kind == Kind::Symlink
            && file.attributes.kind == Kind::File
            && let Some(target) = self.real_path(&path, true)
        {
            let parent = target.rsplit_once('/').map(|(parent, _)| parent);
            if parent.is_none_or(|parent| self.is(Kind::Directory, parent)) {
                self.put(target, file);
            }
        }
    }

    /// Whether something is below a directory.
    fn holds_something(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let mut behind = self.names.range::<str, _>((Included(&*below), Unbounded));
        let next = behind.next();
        next.is_some_and(|(name, _)| name.starts_with(&below))
    }

    /// The path as [`resolve`] gives it, over the files that are there so far.
    fn real_path(&self, path: &str, follow_last: bool) -> Option<String> {
        // No name of a file has a link among its parents.
        if !(follow_last && self.is(Kind::Symlink, path))
            && is_direct(path, |above| self.is(Kind::Directory, above))
        {
            return Some(path.to_owned());
        }
        resolve(path, follow_last, |path| {
            let file = self.at(path)?;
            let is_link = file.attributes.kind == Kind::Symlink;
            is_link.then(|| names::text(file.data).into_owned())
        })
    }
}

/// Whether files of this kind share what they are between their names: all but directories and symbolic links.
fn may_have_names(kind: Kind) -> bool {
    !matches!(kind, Kind::Directory | Kind::Symlink)
}

fn is_impossible(path: &str, file: &File<'_>) -> bool {
    let is_long = |part: &str| part.len() > PART_MAX && names::bytes(part).len() > PART_MAX;
    let has_wrong_data = match file.attributes.kind {
        Kind::File => false,
        Kind::Symlink => file.data.len() >= NAME_MAX,
        _ => !file.data.is_empty(),
    };
    has_wrong_data || path.split('/').any(is_long)
}

#[cfg(test)]
mod tests {
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
        let one = [
            Raw {
                name: b"a",
                data: b"one",
                ..FILE
            },
            Raw { name: b"b", ..FILE },
        ];
        let two = [
            Raw {
                name: b"c",
                data: b"two",
                ..FILE
            },
            Raw { name: b"d", ..FILE },
        ];
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
        let names = [
            Raw {
                name: b"a",
                data: b"old",
                ..FILE
            },
            Raw { name: b"b", ..FILE },
        ];
        let later = [Raw {
            name: b"a",
            inode: 8,
            data: b"new",
            ..FILE
        }];
        is(
            &[raw(&names), raw(&later)].concat(),
            &[("a", "new"), ("b", "new")],
        );
    }

    #[test]
    fn what_has_taken_the_place_of_a_name_is_linked_to() {
        let link = Raw {
            name: b"a",
            mode: 0o120_777,
            inode: 8,
            data: b"target",
            ..FILE
        };
        let names = [
            Raw { name: b"a", ..FILE },
            link,
            Raw {
                name: b"b",
                data: b"data",
                ..FILE
            },
        ];
        is(
            &raw(&names),
            &[("a", "target"), ("b", "target"), ("target", "data")],
        );
        // The kernel takes a name away before it gives it to the file that had it.
        let twice = [Raw { name: b"a", ..FILE }, Raw { name: b"a", ..FILE }];
        is(&raw(&twice), &[]);
    }

    /// gen_init_cpio writes a target with its NUL.
    #[test]
    fn a_target_ends_at_its_first_nul() {
        let link = Raw {
            name: b"sh",
            mode: 0o120_777,
            data: b"busybox\0",
            ..FILE
        };
        is(&raw(&[link]), &[("sh", "busybox")]);
    }

    #[test]
    fn names_of_any_bytes_stay_apart() {
        let image = raw(&[
            Raw {
                name: b"f\xff",
                inode: 1,
                data: b"1",
                ..FILE
            },
            Raw {
                name: b"f\xfe",
                inode: 2,
                data: b"2",
                ..FILE
            },
            Raw {
                name: b"to",
                mode: 0o120_777,
                inode: 3,
                data: b"f\xff",
                ..FILE
            },
        ]);
        let segments = segments(&image).unwrap();
        let files = Files::new(&segments).unwrap();
        assert_eq!(files.get(&names::text(b"f\xfe")).unwrap().data, b"2");
        assert_eq!(files.follow("to").unwrap().1.data, b"1");
    }

    #[test]
    fn what_no_file_can_be_is_left_out() {
        let link = |name, data| Raw {
            name,
            mode: 0o120_777,
            data,
            ..FILE
        };
        let long = [b'x'; 4096];
        let image = raw(&[
            link(b"long", &long),
            link(b"just", &long[1..]),
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
}
