//! Directories and path tables, once with Rock Ridge and once for Joliet; the files are the same.

use std::collections::{BTreeSet, VecDeque};

use super::name::{Name, Naming};
use super::record::{PARENT, SELF, record};
use super::time::Clock;
use super::tree::{Folder, Node, Place, Tree};
use super::{BLOCK, Blocks, rock_ridge};
use crate::disk::SparseImage;

/// A hierarchy of directories.
#[derive(Debug)]
pub(super) struct Hierarchy {
    naming: Naming,
    clock: Clock,
    /// In the order of the path tables: by their depth, then by their parents, then by their identifiers. The first is the root.
    directories: Vec<Directory>,
    /// The path tables: numbers with the low byte first, and with the high byte first.
    tables: [Place; 2],
    /// The block of what Rock Ridge says of itself.
    extension: u32,
}

#[derive(Debug)]
struct Directory {
    identifier: Vec<u8>,
    parent: usize,
    place: Place,
    /// In the order of their identifiers.
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    identifier: Vec<u8>,
    name: String,
    target: Target,
}

/// The number of a file or of a directory.
#[derive(Clone, Copy, Debug)]
enum Target {
    File(usize),
    Directory(usize),
}

impl Hierarchy {
    pub(super) fn new(tree: &Tree<'_>, naming: Naming, clock: Clock) -> Self {
        let mut directories = vec![Directory::new(SELF.to_vec(), 0)];
        let mut queue = VecDeque::from([&tree.root]);
        let mut number = 0;
        while let Some(folder) = queue.pop_front() {
            for (identifier, name, node) in sorted(folder, naming) {
                let target = match node {
                    Node::File(file) => Target::File(*file),
                    Node::Folder(inner) => {
                        queue.push_back(inner);
                        directories.push(Directory::new(identifier.clone(), number));
                        Target::Directory(directories.len() - 1)
                    }
                };
                let name = name.as_str().to_owned();
                directories[number].items.push(Item {
                    identifier,
                    name,
                    target,
                });
            }
            number += 1;
        }
        Self {
            naming,
            clock,
            directories,
            tables: [Place::default(); 2],
            extension: 0,
        }
    }

    /// Gives path tables and directories their blocks.
    pub(super) fn reserve(&mut self, tree: &Tree<'_>, blocks: &mut Blocks) {
        let bytes = self.table(u32::to_le_bytes, u16::to_le_bytes).len() as u32;
        self.tables = [(); 2].map(|()| Place {
            block: blocks.take(bytes.into()),
            bytes,
        });
        for number in 0..self.directories.len() {
            // Its length does not depend on the places in it.
            let bytes = self
                .records(number, tree)
                .len()
                .next_multiple_of(BLOCK as usize) as u32;
            let block = blocks.take(bytes.into());
            self.directories[number].place = Place { block, bytes };
        }
        if self.naming == Naming::RockRidge {
            self.extension = blocks.take(rock_ridge::extension().len() as u64);
        }
    }

    /// How many bytes a path table has, and the blocks of the two.
    pub(super) fn tables(&self) -> [Place; 2] {
        self.tables
    }

    /// The record of the root directory as the volume descriptor has it.
    pub(super) fn root(&self) -> Vec<u8> {
        record(SELF, self.directories[0].place, true, self.clock, &[])
    }

    pub(super) fn write(&self, tree: &Tree<'_>, image: &mut SparseImage<'_>) {
        let mut put = |block: u32, bytes: Vec<u8>| image.put(u64::from(block) * BLOCK, bytes);
        let [little, big] = self.tables;
        put(little.block, self.table(u32::to_le_bytes, u16::to_le_bytes));
        put(big.block, self.table(u32::to_be_bytes, u16::to_be_bytes));
        for (number, directory) in self.directories.iter().enumerate() {
            put(directory.place.block, self.records(number, tree));
        }
        if self.naming == Naming::RockRidge {
            put(self.extension, rock_ridge::extension());
        }
    }

    /// A path table (ECMA-119, section 9.4).
    fn table(&self, block: fn(u32) -> [u8; 4], number: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mut out = Vec::new();
        for directory in &self.directories {
            out.extend([directory.identifier.len() as u8, 0]);
            out.extend(block(directory.place.block));
            // Numbers begin at 1; the tree has fewer directories than 65536.
            out.extend(number(directory.parent as u16 + 1));
            out.extend(&directory.identifier);
            if directory.identifier.len() % 2 == 1 {
                out.push(0);
            }
        }
        out
    }

    /// The records of a directory. None lies in two blocks.
    fn records(&self, number: usize, tree: &Tree<'_>) -> Vec<u8> {
        let directory = &self.directories[number];
        let mut out = self.own_record(number);
        out.extend(self.directory_record(PARENT, directory.parent, &[]));
        for item in &directory.items {
            let name = match self.naming {
                Naming::RockRidge => rock_ridge::name(&item.name),
                Naming::Joliet => Vec::new(),
            };
            let record = match item.target {
                Target::Directory(inner) => self.directory_record(&item.identifier, inner, &name),
                Target::File(file) => {
                    let about = [self.attributes(None), name].concat();
                    record(
                        &item.identifier,
                        tree.place(file),
                        false,
                        self.clock,
                        &about,
                    )
                }
            };
            let room = BLOCK as usize - out.len() % BLOCK as usize;
            if record.len() > room {
                out.resize(out.len() + room, 0);
            }
            out.extend(record);
        }
        out
    }

    /// The record of a directory in itself. That of the root says that there is Rock Ridge.
    fn own_record(&self, number: usize) -> Vec<u8> {
        if number > 0 || self.naming == Naming::Joliet {
            return self.directory_record(SELF, number, &[]);
        }
        let (first, last) = rock_ridge::start(self.extension);
        let about = [first, self.attributes(Some(0)), last].concat();
        record(SELF, self.directories[0].place, true, self.clock, &about)
    }

    fn directory_record(&self, identifier: &[u8], number: usize, name: &[u8]) -> Vec<u8> {
        let about = [&self.attributes(Some(number)), name].concat();
        let place = self.directories[number].place;
        record(identifier, place, true, self.clock, &about)
    }

    /// What Rock Ridge says of a file, or of the directory of a number.
    fn attributes(&self, directory: Option<usize>) -> Vec<u8> {
        match self.naming {
            Naming::RockRidge => {
                let inner = directory.map(|number| self.directories[number].directories());
                rock_ridge::attributes(inner, self.clock)
            }
            Naming::Joliet => Vec::new(),
        }
    }
}

impl Directory {
    fn new(identifier: Vec<u8>, parent: usize) -> Self {
        Self {
            identifier,
            parent,
            place: Place::default(),
            items: Vec::new(),
        }
    }

    /// How many directories are in it.
    fn directories(&self) -> usize {
        let items = self.items.iter();
        items
            .filter(|item| matches!(item.target, Target::Directory(_)))
            .count()
    }
}

/// A directory's contents, in the order of their identifiers. A file's version does not count for that.
fn sorted(folder: &Folder, naming: Naming) -> Vec<(Vec<u8>, &Name, &Node)> {
    const VERSION: &[u8] = b";1";
    let mut taken = BTreeSet::new();
    let mut items: Vec<_> = folder
        .iter()
        .map(|(name, node)| {
            let is_directory = matches!(node, Node::Folder(_));
            let identifier = name.identifier(naming, is_directory, &mut taken);
            (identifier, name, node)
        })
        .collect();
    items.sort_by(|one, other| one.0.cmp(&other.0));
    if naming == Naming::RockRidge {
        let files = items
            .iter_mut()
            .filter(|item| matches!(item.2, Node::File(_)));
        files.for_each(|(identifier, ..)| identifier.extend(VERSION));
    }
    items
}
