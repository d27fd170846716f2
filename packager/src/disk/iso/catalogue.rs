//! El Torito's catalogue: what firmware starts from a CD. Entries of 32 bytes: the first one validates, the second is what the
//! platform of the first one starts, and a header stands before the entry of a further platform.

use super::BLOCK;
use crate::disk::Sector;

const ENTRY: usize = 32;

/// Platforms. A BIOS is that of a PC; UEFI's is by its specification.
const BIOS: u8 = 0;
const UEFI: u8 = 0xef;

/// First bytes of entries: the first one, the last header, what can be started.
const VALIDATION: u8 = 1;
const LAST_HEADER: u8 = 0x91;
const BOOTABLE: u8 = 0x88;

/// How many sectors of isolinux a BIOS loads; isolinux loads the rest of itself.
const LOADER_SECTORS: u16 = 4;

/// What firmware starts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Catalogue {
    /// The block of isolinux.
    pub(super) bios: Option<u32>,
    /// The first block of the FAT file system, and its sectors.
    pub(super) uefi: Option<(u32, Sector)>,
}

impl Catalogue {
    /// One block.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let bios = self.bios.map(|block| (BIOS, LOADER_SECTORS, block));
        let uefi = self
            .uefi
            .map(|(block, count)| (UEFI, sectors(count), block));
        let mut entries = bios.into_iter().chain(uefi);
        let mut out = Vec::new();
        if let Some((platform, sectors, block)) = entries.next() {
            out.extend(validation(platform));
            out.extend(bootable(sectors, block));
        }
        for (platform, sectors, block) in entries {
            out.extend(header(platform));
            out.extend(bootable(sectors, block));
        }
        out.resize(BLOCK as usize, 0);
        out
    }
}

/// An image's sectors in 16 bits. A larger image has 0, which by the UEFI specification means that it goes on to the medium's
/// end.
fn sectors(count: Sector) -> u16 {
    count.0.try_into().unwrap_or(0)
}

/// The first entry: its 16-bit words add up to 0.
fn validation(platform: u8) -> [u8; ENTRY] {
    let mut out = [0; ENTRY];
    out[..2].copy_from_slice(&[VALIDATION, platform]);
    out[30..].copy_from_slice(&[0x55, 0xaa]);
    let words = out
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let sum = words.fold(0_u16, u16::wrapping_add);
    out[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    out
}

/// What stands before the one entry of a further platform, the last one.
fn header(platform: u8) -> [u8; ENTRY] {
    let mut out = [0; ENTRY];
    out[..4].copy_from_slice(&[LAST_HEADER, platform, 1, 0]);
    out
}

/// An entry without emulation of another medium.
fn bootable(sectors: u16, block: u32) -> [u8; ENTRY] {
    let mut out = [0; ENTRY];
    out[0] = BOOTABLE;
    out[6..8].copy_from_slice(&sectors.to_le_bytes());
    out[8..12].copy_from_slice(&block.to_le_bytes());
    out
}
