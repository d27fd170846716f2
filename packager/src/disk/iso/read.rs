//! Reading ISO 9660 that anybody wrote, as isolinux does: by the primary volume descriptor, and by Rock Ridge's names where
//! there are some.

use super::{BLOCK, DESCRIPTORS};
use crate::disk::bytes::u32_at;
use crate::disk::fat::read::{FatError, Medium, read_at};

/// A directory has no more bytes than this; `packager` and mkisofs make much smaller ones.
const DIRECTORY_LIMIT: u32 = 1 << 20;

/// Offsets in a directory record, and of the root's record in the descriptor.
const EXTENT: usize = 2;
const SIZE: usize = 10;
const FLAGS: usize = 25;
const NAME_LENGTH: usize = 32;
const NAME: usize = 33;
const ROOT: usize = 156;

/// The flag of a directory.
const DIRECTORY: u8 = 2;

/// A file or directory.
#[derive(Clone, Debug)]
pub(in crate::disk) struct Entry {
    name: String,
    /// Rock Ridge's.
    long: Option<String>,
    /// Its first block.
    pub(in crate::disk) block: u32,
    /// Bytes.
    pub(in crate::disk) size: u32,
    is_directory: bool,
}

/// An open volume.
#[derive(Debug)]
pub(in crate::disk) struct Reader<'a, M: ?Sized> {
    medium: &'a M,
    root: Entry,
}

impl<'a, M: Medium + ?Sized> Reader<'a, M> {
    /// Reads the first descriptor.
    pub(in crate::disk) fn open(medium: &'a M) -> Result<Self, FatError> {
        let mut descriptor = [0; BLOCK as usize];
        read(medium, DESCRIPTORS, &mut descriptor)?;
        let root = entry(&descriptor[ROOT..ROOT + NAME + 1]);
        Ok(Self { medium, root })
    }

    /// The file at a path, in whatever letters.
    pub(in crate::disk) fn find(&self, path: &str) -> Result<Option<Entry>, FatError> {
        let mut at = self.root.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let entries = match at.is_directory {
                true => self.directory(&at)?,
                false => return Ok(None),
            };
            let wanted = part.to_uppercase();
            let is_it = |name: &str| name.to_uppercase() == wanted;
            let named = |it: &&Entry| is_it(&it.name) || it.long.as_deref().is_some_and(is_it);
            match entries.iter().find(named) {
                Some(entry) => at = entry.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(at).filter(|entry| !entry.is_directory))
    }

    /// A file's bytes, read in parts: a size is believed as far as there are bytes.
    pub(in crate::disk) fn contents(&self, entry: &Entry) -> Result<Vec<u8>, FatError> {
        const BLOCKS: u64 = 8192;
        let (mut out, mut block) = (Vec::new(), u64::from(entry.block));
        while out.len() < entry.size as usize {
            let start = out.len();
            let left = entry.size as usize - start;
            out.resize(start + left.min((BLOCKS * BLOCK) as usize), 0);
            read(self.medium, block, &mut out[start..])?;
            block += BLOCKS;
        }
        Ok(out)
    }

    fn directory(&self, directory: &Entry) -> Result<Vec<Entry>, FatError> {
        let size = directory.size.min(DIRECTORY_LIMIT);
        let bytes = self.contents(&Entry {
            size,
            ..directory.clone()
        })?;
        let mut out = Vec::new();
        // A record does not reach into another block.
        for block in bytes.chunks(BLOCK as usize) {
            let mut rest = block;
            while let Some((&length, _)) = rest.split_first() {
                let Some((record, next)) = rest.split_at_checked(length.into()) else {
                    break;
                };
                if record.len() <= NAME {
                    break;
                }
                out.push(entry(record));
                rest = next;
            }
        }
        Ok(out)
    }
}

/// A record of more than 33 bytes.
fn entry(record: &[u8]) -> Entry {
    let length = usize::from(record[NAME_LENGTH]);
    let name = record.get(NAME..NAME + length).unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let name = name.split(';').next().unwrap_or_default();
    // The field is filled up to an even length.
    let behind = NAME + length + usize::from(length % 2 == 0);
    Entry {
        name: name.trim_end_matches('.').to_owned(),
        long: rock_ridge(record.get(behind..).unwrap_or_default()),
        block: u32_at(record, EXTENT),
        size: u32_at(record, SIZE),
        is_directory: record[FLAGS] & DIRECTORY != 0,
    }
}

/// The name in the fields of SUSP: two letters, the length, the version; of `NM` then flags and the name.
fn rock_ridge(mut fields: &[u8]) -> Option<String> {
    let mut name = Vec::new();
    while let [one, two, length, _, rest @ ..] = fields {
        let body = rest.get(..usize::from(*length).checked_sub(4)?)?;
        if (*one, *two) == (b'N', b'M') {
            name.extend(body.get(1..)?);
        }
        fields = &rest[body.len()..];
    }
    (!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned())
}

fn read<M: Medium + ?Sized>(medium: &M, block: u64, buffer: &mut [u8]) -> Result<(), FatError> {
    read_at(medium, block * BLOCK, buffer)
}

#[cfg(test)]
mod tests {
    use super::super::{Iso, Label};
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let iso = Iso {
            kernel: b"MZ",
            initramfs: b"070701",
            bios: None,
            uefi: None,
            label: Label::new("simple").unwrap(),
            signature: None,
            time: 0,
        };
        let image = iso.build().unwrap();
        let bytes = image.read(0, image.length() as usize);
        let reader = Reader::open(&bytes[..]).unwrap();
        let found = reader.find("/BOOT.cat").unwrap().unwrap();
        assert_eq!(reader.contents(&found).unwrap().len(), 2048);
        assert!(reader.find("boot.cat/x").unwrap().is_none());
        assert!(reader.find("nothing").unwrap().is_none());
    }

    #[test]
    fn fields_that_lead_out_of_the_record_are_no_name() {
        assert_eq!(rock_ridge(b"NM\x08\x01\0abc"), Some("abc".to_owned()));
        for damaged in [
            &b"NM\x09\x01\0abc"[..],
            b"NM\0\x01\0abc",
            b"NM\x04\x01",
            b"NM",
        ] {
            assert_eq!(rock_ridge(damaged), None);
        }
    }
}
