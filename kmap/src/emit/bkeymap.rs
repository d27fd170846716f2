//! `bkeymap`, the binary keymap of `loadkeys -b` that `loadkmap` of busybox loads.
//!
//! | bytes | what |
//! | --- | --- |
//! | 7 | `bkeymap`, without a nul |
//! | 256 | for each map 0 to 255: 1 where it exists, else 0 |
//! | 256 a map | for each map that exists, in ascending order: the codes of the keys 0 to 127, 16 bits each |
//!
//! A key that the keymap does not mention is `VoidSymbol` (0x0200). The byte order is that of the machine that loads it.

use crate::keymap::{KEYS, Keymap, MAPS};

/// The order of a code's two bytes: that of the machine which will load the keymap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endian {
    /// x86, ARM, RISC-V, little-endian POWER and MIPS.
    #[default]
    Little,
    /// s390x, big-endian POWER and MIPS.
    Big,
}

const MAGIC: &[u8] = b"bkeymap";

/// Writes a keymap: 263 bytes and 256 more for each of its tables.
pub fn bkeymap(keymap: &Keymap, endian: Endian) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC.len() + MAPS + keymap.tables().len() * KEYS * 2);
    out.extend_from_slice(MAGIC);
    out.extend((0..=u8::MAX).map(|map| u8::from(keymap.tables().any(|(number, _)| number == map))));
    for (_, table) in keymap.tables() {
        for keysym in table {
            out.extend(match endian {
                Endian::Little => keysym.0.to_le_bytes(),
                Endian::Big => keysym.0.to_be_bytes(),
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keysym;

    #[test]
    fn the_layout_is_magic_flags_tables() {
        let mut table = Box::new([Keysym::VOID; KEYS]);
        table[1] = Keysym(0x001b);
        let keymap = Keymap::new(vec![(1, table)]);
        let bytes = bkeymap(&keymap, Endian::Little);
        assert_eq!(bytes.len(), 263 + 256);
        assert_eq!(&bytes[..10], b"bkeymap\x00\x01\x00");
        assert_eq!(&bytes[263..269], [0x00, 0x02, 0x1b, 0x00, 0x00, 0x02]);
        assert_eq!(
            bkeymap(&keymap, Endian::Big)[263..267],
            [0x02, 0x00, 0x00, 0x1b]
        );
        assert_eq!(bkeymap(&Keymap::default(), Endian::Little).len(), 263);
    }
}
