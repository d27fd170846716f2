//! A glance at a compressed module: whether an index may answer for it, from the beginning of what it decodes to.
//!
//! The linker puts `.modinfo` before data, relocations and symbols: in a module of Debian's 6.12 a twentieth of the way in, on
//! average. So what a note wants to know costs little where an index has the rest: for which kernel the module was built, and whether by the
//! kernel's own build, so that its `depends=` is complete. Sections have no headers yet there, so that the fields are looked for as
//! strings; where one is not found, or is not what is expected, the module has to be read as a whole.

use std::io::Read;

use codec::{Member, map};
use memchr::{memchr, memmem};

use super::listed::LIMIT;
use super::{Entry, Tree};
use crate::{ModuleName, Vermagic};

/// So much is decoded at once.
const PORTION: u64 = 32 << 10;

/// No more is decoded: the largest modules have some MiB of code.
const MOST: usize = 64 << 20;

/// The longest field that is found where it begins in one portion and ends in the next. The value of `depends=` has a
/// hundred bytes.
const LONGEST: usize = 1 << 10;

/// The fields that have to be found.
const KEYS: [&[u8]; 3] = [b"\0vermagic=", b"\0intree=", b"\0depends="];

impl Tree {
    /// Whether a compressed module says that it is of this kernel's own build, and names nobody in its `depends=` but some of `needed`.
    pub(super) fn agrees(&self, entry: &Entry, needed: &[ModuleName]) -> bool {
        self.reads(entry);
        let Ok(file) = map(&self.dir.join(&entry.relative), LIMIT) else {
            return false;
        };
        let Some([vermagic, intree, depends]) = glance(&file) else {
            return false;
        };
        let magic = Vermagic::new(&String::from_utf8_lossy(&vermagic));
        let is_own = magic.is_some_and(|magic| magic.release() == self.version);
        let depends = String::from_utf8_lossy(&depends);
        let mut depends = depends.split(',').filter(|name| !name.is_empty());
        is_own && intree == b"Y" && depends.all(|name| needed.contains(&ModuleName::new(name)))
    }
}

/// The first values of the [`KEYS`], from the beginning of what a compressed module decodes to.
fn glance(bytes: &[u8]) -> Option<[Vec<u8>; 3]> {
    let mut member = Member::new(bytes)?;
    let mut decoded = Vec::new();
    let mut found = [const { None }; 3];
    loop {
        let known = decoded.len();
        let read = (&mut member).take(PORTION).read_to_end(&mut decoded).ok()?;
        if read == 0 || known > MOST {
            return None;
        }
        let new = decoded.get(known.saturating_sub(LONGEST)..)?;
        for (found, key) in found.iter_mut().zip(KEYS) {
            *found = found.take().or_else(|| field(new, key));
        }
        if let [Some(a), Some(b), Some(c)] = &mut found {
            return Some([a, b, c].map(std::mem::take));
        }
    }
}

fn field(bytes: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let value = bytes.get(memmem::find(bytes, key)? + key.len()..)?;
    Some(value.get(..memchr(0, value)?)?.to_vec())
}

#[cfg(test)]
mod tests {
    use codec::Format;

    use super::*;

    const FIELDS: &[u8] = b"license=GPL\0depends=a,b\0intree=Y\0vermagic=1.0 SMP \0";

    fn packed(before: usize, fields: &[u8]) -> Vec<u8> {
        let mut module = vec![0; before];
        module.extend_from_slice(fields);
        module.resize(module.len() + 4 * PORTION as usize, 0);
        codec::encode(&module, Format::Zstd, None).unwrap()
    }

    #[test]
    fn fields_are_found_wherever_portions_end() {
        let expected = [&b"1.0 SMP "[..], b"Y", b"a,b"].map(<[u8]>::to_vec);
        for length in 0..FIELDS.len() {
            let bytes = packed(PORTION as usize - length, FIELDS);
            assert_eq!(glance(&bytes).as_ref(), Some(&expected), "{length}");
        }
        assert_eq!(glance(&packed(0, b"\0depends=\0intree=Y\0")), None);
        assert_eq!(glance(FIELDS), None, "it is not compressed");
    }

    /// What stands behind the fields is not decoded.
    #[test]
    fn the_rest_is_left_alone() {
        let mut bytes = packed(100, FIELDS);
        bytes.truncate(bytes.len() - 4);
        assert!(codec::decode(&bytes, LIMIT).is_err());
        assert!(glance(&bytes).is_some());
    }
}
