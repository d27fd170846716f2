//! The volume descriptors: what the CD is, where its directories begin, and where El Torito's catalogue is.

use super::hierarchy::Hierarchy;
use super::record::{both_16, both_32};
use super::time::{Clock, NEVER};
use super::{BLOCK, DESCRIPTORS};
use crate::disk::SparseImage;
use crate::disk::fat::Label;

/// What a descriptor begins with, behind its type; with its version.
const SIGNATURE: &[u8] = b"CD001\x01";

/// Types of descriptors (ECMA-119, section 8.1.1).
const BOOT_RECORD: u8 = 0;
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;

/// What says that a supplementary descriptor is Joliet's, of level 3.
const JOLIET: &[u8] = b"%/E";

const EL_TORITO: &[u8] = b"EL TORITO SPECIFICATION";

/// The program that has made the volume.
const PREPARER: &str = "PACKAGER";

/// Fields of text: offset and length (ECMA-119, sections 8.4.5 to 8.4.25).
const SYSTEM: (usize, usize) = (8, 32);
const LABEL: (usize, usize) = (40, 32);
const PREPARER_FIELD: (usize, usize) = (446, 128);
/// The volume's set, its publisher, the application, and files about copyright, contents and sources.
const EMPTY_FIELDS: [(usize, usize); 6] = [
    (190, 128),
    (318, 128),
    (574, 128),
    (702, 37),
    (739, 37),
    (776, 37),
];

/// What the descriptors say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Volume {
    pub(super) label: Label,
    /// Blocks of the whole CD.
    pub(super) blocks: u32,
    /// The block of El Torito's catalogue.
    pub(super) catalogue: u32,
    pub(super) clock: Clock,
}

/// A descriptor's bytes.
struct Descriptor([u8; BLOCK as usize]);

impl Descriptor {
    fn new(kind: u8) -> Self {
        let mut descriptor = Self([0; BLOCK as usize]);
        descriptor.put(0, &[kind]);
        descriptor.put(1, SIGNATURE);
        descriptor
    }

    /// The places are constants that lie inside.
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}

impl Volume {
    pub(super) fn write(&self, [rock_ridge, joliet]: &[Hierarchy; 2], image: &mut SparseImage<'_>) {
        let mut boot = Descriptor::new(BOOT_RECORD);
        boot.put(7, EL_TORITO);
        boot.put(71, &self.catalogue.to_le_bytes());
        let descriptors = [
            self.descriptor(PRIMARY, rock_ridge),
            boot,
            self.descriptor(SUPPLEMENTARY, joliet),
            Descriptor::new(TERMINATOR),
        ];
        for (block, descriptor) in (DESCRIPTORS..).zip(descriptors) {
            image.put(block * BLOCK, descriptor.0.to_vec());
        }
    }

    fn descriptor(&self, kind: u8, hierarchy: &Hierarchy) -> Descriptor {
        let mut out = Descriptor::new(kind);
        let spell = match kind {
            SUPPLEMENTARY => wide,
            _ => narrow,
        };
        let mut text = |(at, length): (usize, usize), text: &str| out.put(at, &spell(text, length));
        text(SYSTEM, "");
        text(LABEL, &self.label.to_string());
        text(PREPARER_FIELD, PREPARER);
        for field in EMPTY_FIELDS {
            text(field, "");
        }
        if kind == SUPPLEMENTARY {
            out.put(88, JOLIET);
        }
        out.put(80, &both_32(self.blocks));
        // One volume, the first of its set, and its blocks' bytes.
        out.put(120, &both_16(1));
        out.put(124, &both_16(1));
        out.put(128, &both_16(BLOCK as u16));
        let [little, big] = hierarchy.tables();
        out.put(132, &both_32(little.bytes));
        out.put(140, &little.block.to_le_bytes());
        out.put(148, &big.block.to_be_bytes());
        out.put(156, &hierarchy.root());
        // Creation, modification, expiration, and the begin of validity.
        out.put(813, &self.clock.long());
        out.put(830, &self.clock.long());
        out.put(847, &NEVER);
        out.put(864, &NEVER);
        // The version of the directories' form.
        out.put(881, &[1]);
        out
    }
}

/// A text filled up with spaces.
fn narrow(text: &str, length: usize) -> Vec<u8> {
    let filled = text.bytes().chain(std::iter::repeat(b' '));
    filled.take(length).collect()
}

/// A text in UTF-16 filled up with spaces. Where the length is odd, the last byte is 0.
fn wide(text: &str, length: usize) -> Vec<u8> {
    let filled = text
        .encode_utf16()
        .chain(std::iter::repeat(u16::from(b' ')));
    let units = filled.take(length / 2);
    let mut out: Vec<u8> = units.flat_map(u16::to_be_bytes).collect();
    out.resize(length, 0);
    out
}
