//! What the kernel has after it has unpacked an image: one file tree, made of all segments.
//!
//! A later entry replaces an earlier one of the same name; names of one file share what it holds; a path that leads through a
//! symbolic link is where the link leads. An entry whose parent directory is missing is dropped, as the kernel drops it.
//! (`init/initramfs.c`.)

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Included, Unbounded};

use kmap::{Endian, Keymap};
use modtree::ModInfo;

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
        self.ordered_keymap().map(|(keymap, _)| keymap)
    }

    /// As [`keymap`](Self::keymap), with its byte order.
    pub(crate) fn ordered_keymap(&self) -> Option<(Keymap, Endian)> {
        let bytes = codec::decode(self.data, KEYMAP_LIMIT).ok()?;
        Keymap::from_any_bkeymap(&bytes).ok()
    }
}

/// The file tree of an image, by path without a leading `/`, sorted. Paths are [texts of names](names::text).
#[derive(Clone, Debug, Default)]
pub struct Files<'image> {
    /// The numbers of files: several names may be one file's.
    names: BTreeMap<String, usize>,
    files: Vec<File<'image>>,
    root: Option<File<'image>>,
    /// By the numbers of modules: their fields, where they have been read already.
    pub(super) known: HashMap<usize, &'image ModInfo>,
    /// Where the parent of the last entry leads, as long as no directory or link has gone.
    walked: Option<(String, String)>,
    /// Names that the kernel drops, since their parent directory is missing.
    pub orphans: Vec<String>,
    /// Names that the kernel drops, since a directory stands there that is not empty.
    pub blocked: Vec<String>,
    /// Names that the kernel drops, since no file can be so: none at all, or one of more than 4095 bytes, which are empty here; a type
    /// that Linux does not know; a symbolic link with a target of more than 4095 bytes; a directory or a node
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
        Self::of_plain_plan(plan).unwrap_or_else(|| Self::of_any_plan(plan))
    }

    fn of_any_plan(plan: &'image Plan) -> Self {
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

    /// The same where each file is in a directory that came before it, by this very name, so that none is looked for in the
    /// tree; `None` where one is not.
    fn of_plain_plan(plan: &'image Plan) -> Option<Self> {
        let mut files = Self::default();
        let mut sorted: Vec<(String, usize)> = Vec::new();
        let mut last = None;
        for (path, item) in plan.items() {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let file = File {
                attributes: item.attributes,
                mtime: 0,
                data: &item.data,
            };
            let is_folder = |above: &str| {
                let place = sorted.binary_search_by(|(path, _)| path.as_str().cmp(above));
                let parent = place.ok().and_then(|at| files.files.get(at));
                parent.is_some_and(|parent| parent.attributes.kind == Kind::Directory)
            };
            let is_at_top = name.len() == path.len();
            let is_there = is_at_top || last == Some(above) || is_folder(above);
            let is_plain = is_there
                && names::text(path.as_bytes()) == path
                && !matches!(name, "" | "." | "..")
                && !matches!(item.kind(), Kind::Unknown(_))
                && !is_impossible(path, &file);
            if !is_plain {
                return None;
            }
            if !is_at_top {
                last = Some(above);
            }
            let number = files.files.len();
            files.known.extend(item.info().map(|info| (number, info)));
            sorted.push((path.to_owned(), number));
            files.files.push(file);
        }
        files.names = sorted.into_iter().collect();
        Some(files)
    }

    /// The files with their paths; a directory comes before what it holds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &File<'image>)> {
        self.numbered().map(|(path, _, file)| (path, file))
    }

    /// The files with their paths and numbers: names with one number are one file's.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (&str, usize, &File<'image>)> {
        let names = self.names.iter();
        names.filter_map(|(path, &number)| Some((path.as_str(), number, self.files.get(number)?)))
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
        if entry.name.is_empty() {
            self.impossible.push(String::new());
            return;
        }
        let name = names::text(entry.name);
        let Some((path, has_parent)) = self.walk(&name) else {
            return;
        };
        let there = self.at(&path).map(|there| there.attributes.kind);
        let may_lead = |kind| kind != Kind::File;
        // What has come where nothing was changes no way that leads somewhere already.
        if there.is_some_and(may_lead) {
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
        if let Kind::Unknown(_) = entry.kind {
            // What stands there goes, and nothing takes its place.
            self.names.remove(&path);
            self.impossible.push(path);
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
            return Some(([real.as_str(), last].concat(), true));
        }
        let path = self.real_path(name, false)?;
        let has_parent = self.has_parent(&path);
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
        match there.and_then(|number| self.files.get_mut(number)) {
            // What is of the same type is not made again; all its names show what it becomes.
            Some(old)
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
            && self.has_parent(&target)
        {
            self.put(target, file);
        }
    }

    /// Whether what a path without links is in is there, and a directory.
    fn has_parent(&self, path: &str) -> bool {
        let parent = path.rsplit_once('/').map(|(parent, _)| parent);
        parent.is_none_or(|parent| self.is(Kind::Directory, parent))
    }

    /// Whether something is below a directory.
    fn holds_something(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let mut behind = self.names.range::<str, _>((Included(&*below), Unbounded));
        let next = behind.next();
        next.is_some_and(|(name, _)| name.starts_with(&below))
    }

    /// Where a link leads to what is in its own directory and no link itself, as busybox's applets do.
    fn neighbour(&self, path: &str) -> Option<String> {
        let (above, _) = path.rsplit_once('/')?;
        let link = self.at(path)?;
        let target = names::text(link.data);
        let is_name = !target.contains('/') && !matches!(&*target, "" | "." | "..");
        if link.attributes.kind != Kind::Symlink || !is_name || !self.is(Kind::Directory, above) {
            return None;
        }
        let neighbour = [above, "/", &target].concat();
        let is_link = self.at(&neighbour)?.attributes.kind == Kind::Symlink;
        (!is_link).then_some(neighbour)
    }

    /// The path as [`resolve`] gives it, over the files that are there so far.
    fn real_path(&self, path: &str, follow_last: bool) -> Option<String> {
        // No name of a file has a link among its parents.
        if !(follow_last && self.is(Kind::Symlink, path))
            && is_direct(path, |above| self.is(Kind::Directory, above))
        {
            return Some(path.to_owned());
        }
        if follow_last && let Some(neighbour) = self.neighbour(path) {
            return Some(neighbour);
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
    has_wrong_data || path.len() > PART_MAX && path.split('/').any(is_long)
}
