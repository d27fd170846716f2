//! Reading a binary index: the values of a key, and of all patterns that match a literal.
//!
//! The file may come from anywhere. Offsets are checked, and a walk has a budget in proportion to the file's length, so that
//! links in a circle end.

use super::trie::{CHILDS, MAGIC, OFFSET, PREFIX, VALUES, VERSION};
use crate::alias::{matches, may_begin};

/// A binary index such as `modules.alias.bin`, of either layout.
///
/// ```
/// # let temporary = tempfile::tempdir()?;
/// # let dir = temporary.path().join("lib/modules/6.1.0");
/// # std::fs::create_dir_all(dir.join("kernel"))?;
/// # use object::{Architecture::X86_64, BinaryFormat::Elf, Endianness::Little, SectionKind};
/// # let mut object = object::write::Object::new(Elf, X86_64, Little);
/// # let section = object.add_section(Vec::new(), b".modinfo".to_vec(), SectionKind::ReadOnlyData);
/// # object.append_section_data(section, b"alias=usb:v*p0001d*\0", 1);
/// # std::fs::write(dir.join("kernel/stick.ko"), object.write()?)?;
/// use modtree::{DepmodOptions, Index, depmod};
///
/// let files = depmod(&DepmodOptions { dir, ..DepmodOptions::default() })?.files;
/// let (_, bytes) = files.iter().find(|(name, _)| *name == "modules.alias.bin").ok_or("no index")?;
/// let index = Index::new(bytes)?;
/// assert_eq!(index.matching(b"usb:v0781p0001d0100")[0].value, b"stick");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    bytes: &'a [u8],
}

/// One value of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value<'a> {
    /// The number of the module in `modules.dep`, by which values are sorted.
    pub priority: u32,
    /// A module's name, or a line of `modules.dep`.
    pub value: &'a [u8],
}

/// Why bytes are no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The file does not begin as an index does.
    #[error(
        "not an index of kmod: it begins with {found:02x?}, and one begins with [b0, 07, f4, 57]"
    )]
    Magic {
        /// The first bytes, at most four.
        found: Vec<u8>,
    },
    /// The layout is of a version that is not known.
    #[error("an index of version {found:#x} at offset 0x4, and {VERSION:#x} is known")]
    Version {
        /// What stands there.
        found: u32,
    },
    /// A node is not where it should be, or not whole.
    #[error("corrupt: the node at offset {offset:#x} is not within the file of {length:#x} bytes")]
    Node {
        /// The offset that a link names.
        offset: u64,
        /// The file's length.
        length: u64,
    },
    /// Links lead in a circle.
    #[error("corrupt: its nodes link to each other in a circle")]
    Circle,
}

/// A node, taken apart.
pub(super) struct Node<'a> {
    pub(super) prefix: &'a [u8],
    first: u8,
    links: &'a [u8],
    pub(super) values: Vec<Value<'a>>,
}

impl<'a> Index<'a> {
    /// Takes the bytes of a file. Only the header is looked at.
    ///
    /// # Errors
    /// [`FormatError::Magic`], [`FormatError::Version`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let index = Self { bytes };
        if index.number(0) != Some(MAGIC) {
            let found = bytes.iter().take(4).copied().collect();
            return Err(FormatError::Magic { found });
        }
        match index.number(4) {
            Some(VERSION) => Ok(index),
            found => Err(FormatError::Version {
                found: found.unwrap_or_default(),
            }),
        }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The values of a key, the lowest priority first. A damaged part of the file gives none.
    pub fn get(&self, key: &[u8]) -> Vec<Value<'a>> {
        self.try_get(key).unwrap_or_default()
    }

    /// As [`get`](Self::get); damage is an error.
    pub(crate) fn try_get(&self, key: &[u8]) -> Result<Vec<Value<'a>>, FormatError> {
        let mut rest = key;
        let mut link = self.root()?;
        while let Some(node) = self.node(link)? {
            let Some(behind) = rest.strip_prefix(node.prefix) else {
                break;
            };
            let Some((&byte, behind)) = behind.split_first() else {
                return Ok(node.values);
            };
            link = node.link(byte).unwrap_or_default();
            rest = behind;
        }
        Ok(Vec::new())
    }

    /// The values of all keys that, as patterns, match `text`; the lowest priority first. A damaged part of the file gives
    /// none.
    pub fn matching(&self, text: &[u8]) -> Vec<Value<'a>> {
        let mut found = Vec::new();
        // What was found before the damage counts, as it does in kmod.
        let _ = self.collect_matching(text, &mut found);
        found
    }

    /// As [`matching`](Self::matching); damage is an error.
    pub(crate) fn try_matching(&self, text: &[u8]) -> Result<Vec<Value<'a>>, FormatError> {
        let mut found = Vec::new();
        self.collect_matching(text, &mut found)?;
        Ok(found)
    }

    fn collect_matching(&self, text: &[u8], found: &mut Vec<Value<'a>>) -> Result<(), FormatError> {
        let walked = self.walk(&mut |key| may_match(key, text), &mut |key, values| {
            if matches(key, text) {
                found.extend(values);
            }
        });
        found.sort();
        walked
    }

    /// All keys with their values, in the order of the keys' bytes.
    ///
    /// # Errors
    /// [`FormatError::Node`], [`FormatError::Circle`]: the file is damaged.
    pub fn entries(&self) -> Result<Vec<(Vec<u8>, Value<'a>)>, FormatError> {
        let mut all = Vec::new();
        self.walk(&mut |_| true, &mut |key, values| {
            all.extend(values.into_iter().map(|value| (key.to_vec(), value)));
        })?;
        Ok(all)
    }

    /// Visits the nodes below which `enter` allows to go, by the part of the key that leads there.
    fn walk(
        &self,
        enter: &mut dyn FnMut(&[u8]) -> bool,
        visit: &mut dyn FnMut(&[u8], Vec<Value<'a>>),
    ) -> Result<(), FormatError> {
        // In a file of depmod's, the keys of all nodes together are about as long as the file.
        let mut left = self.bytes.len().saturating_mul(64);
        let mut key = Vec::new();
        // Each link with the length of the key above it and the byte that leads there.
        let mut stack = vec![(self.root()?, 0, None)];
        while let Some((link, depth, byte)) = stack.pop() {
            left = left.checked_sub(1 + depth).ok_or(FormatError::Circle)?;
            key.truncate(depth);
            key.extend(byte);
            let Some(node) = self.node(link)? else {
                continue;
            };
            key.extend_from_slice(node.prefix);
            left = left.checked_sub(key.len()).ok_or(FormatError::Circle)?;
            if !enter(&key) {
                continue;
            }
            let depth = key.len();
            let children = node.children().rev();
            stack.extend(children.map(|(byte, link)| (link, depth, Some(byte))));
            if !node.values.is_empty() {
                visit(&key, node.values);
            }
        }
        Ok(())
    }

    /// The link to the first node.
    fn root(&self) -> Result<u32, FormatError> {
        // Also an empty index has a root.
        let root = self.number(8).filter(|link| link & OFFSET != 0);
        root.ok_or(FormatError::Node {
            offset: 8,
            length: self.bytes.len() as u64,
        })
    }

    /// Reads the node that a link leads to; `None` where the link leads nowhere.
    pub(super) fn node(&self, link: u32) -> Result<Option<Node<'a>>, FormatError> {
        let offset = u64::from(link & OFFSET);
        if offset == 0 {
            return Ok(None);
        }
        self.parts(link).map(Some).ok_or(FormatError::Node {
            offset,
            length: self.bytes.len() as u64,
        })
    }

    fn parts(&self, link: u32) -> Option<Node<'a>> {
        let mut rest = self.bytes.get((link & OFFSET) as usize..)?;
        let mut node = Node {
            prefix: b"",
            first: 0,
            links: b"",
            values: Vec::new(),
        };
        if link & PREFIX != 0 {
            node.prefix = string(&mut rest).filter(|prefix| !prefix.is_empty())?;
        }
        if link & CHILDS != 0 {
            let [first, last, behind @ ..] = rest else {
                return None;
            };
            let count = usize::from(last.checked_sub(*first)?) + 1;
            node.first = *first;
            (node.links, rest) = behind.split_at_checked(4 * count)?;
            // A list of links has no empty ends.
            node.link(*first)
                .and(node.link(*last))
                .filter(|_| *first != 0)?;
        }
        if link & VALUES != 0 {
            let count = take_number(&mut rest)?;
            // A flag without its part: such is a file of which a block is zero, as after a crash.
            (count > 0).then_some(())?;
            for _ in 0..count {
                let priority = take_number(&mut rest)?;
                let value = string(&mut rest)?;
                node.values.push(Value { priority, value });
            }
        }
        Some(node)
    }

    pub(super) fn number(&self, offset: usize) -> Option<u32> {
        take_number(&mut self.bytes.get(offset..)?)
    }
}

impl Node<'_> {
    fn link(&self, byte: u8) -> Option<u32> {
        let at = 4 * usize::from(byte.checked_sub(self.first)?);
        let link = take_number(&mut self.links.get(at..)?)?;
        (link & OFFSET != 0).then_some(link)
    }

    /// The links to other nodes, by the bytes that lead there, in order.
    pub(super) fn children(&self) -> impl DoubleEndedIterator<Item = (u8, u32)> + '_ {
        let places = 0..(self.links.len() / 4) as u16;
        places.filter_map(|at| {
            let byte = self.first.checked_add(u8::try_from(at).ok()?)?;
            Some((byte, self.link(byte)?))
        })
    }
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    let (number, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u32::from_be_bytes(*number))
}

/// Takes bytes up to the next NUL.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memchr(0, rest)?;
    let string = &rest[..end];
    *rest = &rest[end + 1..];
    Some(string)
}

/// Whether a pattern that begins with `start` may match `text`. Up to the first wildcard they have to be equal, and behind it the
/// text has to match as far as the beginning goes; a bracket or a backslash in that may not be complete, so that nothing is said
/// there.
fn may_match(start: &[u8], text: &[u8]) -> bool {
    let literal = start.iter().take_while(|byte| !b"*?[\\".contains(byte));
    let (literal, rest) = start.split_at(literal.count());
    let Some(text) = text.strip_prefix(literal) else {
        return false;
    };
    let is_open = rest.iter().any(|byte| b"[\\".contains(byte));
    is_open || may_begin(rest, text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sort::Entries;
    use super::super::trie::{Layout, write};
    use super::*;

    fn entries(keys: &[(String, u32)]) -> Entries<'_> {
        let mut entries = Entries::default();
        for (key, priority) in keys {
            entries.push(&[key.as_bytes()], b"m", *priority);
        }
        entries
    }

    proptest! {
        /// What was written is read again, in both layouts.
        #[test]
        fn round_trip(keys in prop::collection::vec(("[a-c*]{0,6}", 0_u32..4), 0..40)) {
            for layout in [Layout::PreOrder, Layout::PostOrder] {
                let bytes = write(entries(&keys), layout);
                let index = Index::new(&bytes).unwrap();
                let mut expected: Vec<_> = keys.iter().map(|(key, priority)| (key.as_bytes().to_vec(), *priority)).collect();
                expected.sort();
                let found: Vec<_> = index.entries().unwrap().into_iter().map(|(key, value)| (key, value.priority)).collect();
                prop_assert_eq!(&found, &expected);
                for (key, _) in &keys {
                    let wanted: Vec<_> = expected.iter().filter(|(known, _)| known == key.as_bytes()).map(|(_, priority)| *priority).collect();
                    let got: Vec<_> = index.get(key.as_bytes()).iter().map(|value| value.priority).collect();
                    prop_assert_eq!(got, wanted);
                }
                for text in ["abc", "", "aaaa"] {
                    let wanted = keys.iter().filter(|(key, _)| matches(key.as_bytes(), text.as_bytes())).count();
                    prop_assert_eq!(index.matching(text.as_bytes()).len(), wanted);
                }
            }
        }

        /// No bytes make the reader panic or run away.
        #[test]
        fn damage_is_survived(keys in prop::collection::vec(("[ab]{0,4}", 0_u32..2), 1..8), flips in prop::collection::vec((0_usize..300, any::<u8>()), 1..6)) {
            let mut bytes = write(entries(&keys), Layout::PreOrder);
            for (at, byte) in flips {
                let length = bytes.len();
                bytes[at % length] = byte;
            }
            if let Ok(index) = Index::new(&bytes) {
                let _ = index.entries();
                let _ = index.get(b"aab");
                let _ = index.matching(b"abab");
            }
        }
    }

    #[test]
    fn a_circle_ends() {
        let mut bytes = [0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1].to_vec();
        let link = (CHILDS | 12_u32).to_be_bytes();
        bytes.extend(link);
        bytes.extend([b'a', b'a']);
        bytes.extend(link);
        let index = Index::new(&bytes).unwrap();
        assert_eq!(index.entries(), Err(FormatError::Circle));
        assert_eq!(index.get(b"aaaa"), []);
    }
}
