//! What the kernel has after it has unpacked an image: one file tree, made of all segments.
//!
//! A later entry replaces an earlier one of the same name; hard links share the contents that one of them carries; a path
//! that leads through a symbolic link is where the link leads. An entry whose parent directory is missing is dropped, as the
//! kernel drops it. (`init/initramfs.c`.)

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Included, Unbounded};

use kmap::{Endian, Keymap};

use super::{InspectError, Segment};
use crate::Plan;
use crate::cpio::{Attributes, Entry, Kind};
use crate::paths::{is_direct, resolve};

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

/// The file tree of an image, by path without a leading `/`, sorted.
#[derive(Clone, Debug, Default)]
pub struct Files<'image> {
    files: BTreeMap<String, File<'image>>,
    /// Names that the kernel drops, since their parent directory is missing.
    pub orphans: Vec<String>,
    /// Names that the kernel drops, since a directory stands there that is not empty.
    pub blocked: Vec<String>,
}

impl<'image> Files<'image> {
    /// Joins the segments.
    ///
    /// # Errors
    /// An archive is damaged.
    pub fn new(segments: &'image [Segment<'_>]) -> Result<Self, InspectError> {
        let mut files = Self::default();
        for segment in segments {
            // Inode numbers are those of one archive; a segment with several begins anew with each directory tree.
            let mut links = HashMap::new();
            for entry in segment.entries() {
                files.add(&entry?, &mut links);
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
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// The file at this path; links among its parents are followed, the last part is not.
    pub fn get(&self, path: &str) -> Option<&File<'image>> {
        self.files.get(&self.real_path(path, false)?)
    }

    /// The file at this path, all links followed.
    pub fn follow(&self, path: &str) -> Option<(String, &File<'image>)> {
        let real = self.real_path(path, true)?;
        let file = self.files.get(&real)?;
        Some((real, file))
    }

    /// Where a path leads when all links are followed, whether something is there or not; `None` where they lead in a circle.
    pub fn leads_to(&self, path: &str) -> Option<String> {
        self.real_path(path, true)
    }

    fn add(&mut self, entry: &Entry<'image>, links: &mut HashMap<u32, Vec<String>>) {
        let name = String::from_utf8_lossy(entry.name).into_owned();
        let Some(path) = self.real_path(&name, false).filter(|path| !path.is_empty()) else {
            return;
        };
        if let Some((parent, _)) = path.rsplit_once('/')
            && self
                .files
                .get(parent)
                .is_none_or(|file| file.attributes.kind != Kind::Directory)
        {
            self.orphans.push(path);
            return;
        }
        if entry.kind != Kind::Directory && self.holds_something(&path) {
            self.blocked.push(path);
            return;
        }
        let mut file = File {
            attributes: Attributes {
                kind: entry.kind,
                permissions: entry.permissions,
                uid: entry.uid,
                gid: entry.gid,
            },
            mtime: entry.mtime,
            data: entry.data,
        };
        if entry.kind == Kind::File && entry.links > 1 {
            let names = links.entry(entry.inode).or_default();
            share(&mut self.files, names, &mut file);
            names.push(path.clone());
        }
        self.files.insert(path, file);
    }

    /// Whether a path is a directory with something in it.
    fn holds_something(&self, path: &str) -> bool {
        let there = self.files.get(path);
        if there.is_none_or(|file| file.attributes.kind != Kind::Directory) {
            return false;
        }
        let below = format!("{path}/");
        let mut behind = self.files.range::<str, _>((Included(&*below), Unbounded));
        let next = behind.next();
        next.is_some_and(|(name, _)| name.starts_with(&below))
    }

    /// The path as [`resolve`] gives it, over the files that are there so far.
    fn real_path(&self, path: &str, follow_last: bool) -> Option<String> {
        let is = |kind: Kind, path: &str| {
            let file = self.files.get(path);
            file.is_some_and(|file| file.attributes.kind == kind)
        };
        // No name of a file has a link among its parents.
        if !(follow_last && is(Kind::Symlink, path))
            && is_direct(path, |above| is(Kind::Directory, above))
        {
            return Some(path.to_owned());
        }
        resolve(path, follow_last, |path| {
            let file = self.files.get(path)?;
            let is_link = file.attributes.kind == Kind::Symlink;
            is_link.then(|| String::from_utf8_lossy(file.data).into_owned())
        })
    }
}

/// Gives all names of a file the contents that one of them carries.
fn share<'image>(
    files: &mut BTreeMap<String, File<'image>>,
    names: &[String],
    file: &mut File<'image>,
) {
    let there = names
        .iter()
        .find_map(|name| files.get(name))
        .map(|other| other.data);
    match there {
        Some(data) if file.data.is_empty() => file.data = data,
        _ => {
            for name in names {
                if let Some(other) = files.get_mut(name) {
                    other.data = file.data;
                }
            }
        }
    }
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
