//! A hybrid ISO: one file that starts a PC from a CD and from a stick, by BIOS and by UEFI.
//!
//! | who | from | starts |
//! | --- | --- | --- |
//! | BIOS | CD | isolinux, by the El Torito catalogue; it reads ISO 9660 |
//! | BIOS | stick | the MBR's code of isolinux, which finds the same isolinux |
//! | UEFI | CD | a FAT file system, by the catalogue's second entry |
//! | UEFI | stick | the same FAT file system: the MBR's second partition, of type 0xef |
//!
//! Firmware reads only FAT, and isolinux only ISO 9660. A directory of ISO 9660 may say of any block that a file begins
//! there, so that kernel and initramfs are in the file once: the CD's directories show the files of the FAT file system where
//! they lie. In blocks of 2048 bytes:
//!
//! | block | what |
//! | --- | --- |
//! | 0 | the MBR; the rest of the first 16 blocks is free |
//! | 16 | volume descriptors: primary, boot record, Joliet, end |
//! | 20 | path tables and directories with Rock Ridge, the same for Joliet |
//! | … | El Torito's catalogue, isolinux and its files |
//! | 512 or the next MiB | the FAT file system |
//! | the last 150 | nothing |
//!
//! Specified by ECMA-119 (ISO 9660), SUSP 1.10 and RRIP 1.10 (Rock Ridge), Microsoft's Joliet specification, El Torito 1.0 and the
//! UEFI specification, section 13.3.2.1; the MBR is that of `isohybrid(1)`. Everything is laid out first
//! ([`Iso::build`]), as a [`SparseImage`] which is then written like that of any disk.

mod catalogue;
mod descriptor;
mod hierarchy;
mod isolinux;
mod name;
pub(super) mod read;
mod record;
mod rock_ridge;
mod time;
mod tree;

use super::build::{Esp, INITRAMFS, KERNEL};
use super::fat::{Label, PlacedFile};
use super::identity::Identity;
use super::mbr::{Mbr, Partition, PartitionType};
use super::{SECTOR_SIZE, Sector, SparseImage};
use catalogue::Catalogue;
use descriptor::Volume;
use hierarchy::Hierarchy;
use name::Naming;
use time::Clock;
use tree::Tree;

pub(super) use isolinux::{BOOT_CODE, INFO, INFO_END, MBR_MAX, checksum};
pub use isolinux::{Isolinux, IsolinuxError};
pub use tree::IsoError;

/// Bytes of a block.
pub(super) const BLOCK: u64 = 2048;

/// Sectors of a block.
pub(super) const SECTORS: u64 = BLOCK / SECTOR_SIZE;

/// Where the volume descriptors begin.
pub(super) const DESCRIPTORS: u64 = 16;

/// The descriptors: primary, boot record, Joliet, end.
const DESCRIPTOR_COUNT: u64 = 4;

/// The FAT file system begins at a whole MiB, as every partition does.
const ALIGNMENT: u64 = (1 << 20) / BLOCK;

/// Blocks behind everything. A drive that has written a CD track at once does not read its last blocks, and Linux reads
/// ahead: mkisofs and xorriso append as many.
const PADDING: u64 = 150;

/// What isolinux looks for in its own directory, and El Torito's catalogue, with isolinux and without it.
const ISOLINUX: &str = "isolinux/isolinux.bin";
const CORE_MODULE: &str = "isolinux/ldlinux.c32";
const CONFIG: &str = "isolinux/isolinux.cfg";
const CATALOGUE: &str = "isolinux/boot.cat";
const CATALOGUE_ALONE: &str = "boot.cat";

/// What an ISO is made of. Kernel and initramfs are on it where a BIOS starts it, and where the FAT file system has them.
///
/// ```
/// use packager::disk::fat::Label;
/// use packager::disk::iso::Iso;
///
/// let iso = Iso {
///     kernel: b"MZ",
///     initramfs: b"070701",
///     bios: None,
///     uefi: None,
///     label: Label::new("simple")?,
///     signature: None,
///     time: 0,
/// };
/// let image = iso.build()?;
/// assert_eq!(image.read(16 * 2048, 6), b"\x01CD001");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Iso<'a> {
    /// The kernel.
    pub kernel: &'a [u8],
    /// The initramfs.
    pub initramfs: &'a [u8],
    /// What a BIOS starts, and its configuration.
    pub bios: Option<(&'a Isolinux, &'a [u8])>,
    /// What UEFI starts.
    pub uefi: Option<Esp<'a>>,
    /// The volume's label.
    pub label: Label,
    /// The MBR's disk signature; `None` derives it from the contents.
    pub signature: Option<u32>,
    /// The time of everything, in seconds since 1970. Years behind 2155 become that one.
    pub time: u64,
}

/// Hands out blocks, one after another.
struct Blocks(u64);

impl Blocks {
    /// The first of as many blocks as `bytes` need. A block's number has 32 bits, which are 8 TiB: more than is in memory.
    fn take(&mut self, bytes: u64) -> u32 {
        let first = self.0;
        self.0 += bytes.div_ceil(BLOCK);
        first as u32
    }
}

impl<'a> Iso<'a> {
    /// Lays the ISO out.
    ///
    /// # Errors
    /// See [`IsoError`].
    pub fn build(self) -> Result<SparseImage<'a>, IsoError> {
        let clock = Clock::from_unix(self.time);
        let mut tree = self.tree()?;
        let mut hierarchies =
            [Naming::RockRidge, Naming::Joliet].map(|naming| Hierarchy::new(&tree, naming, clock));
        let mut blocks = Blocks(DESCRIPTORS + DESCRIPTOR_COUNT);
        for hierarchy in &mut hierarchies {
            hierarchy.reserve(&tree, &mut blocks);
        }
        tree.reserve(&mut blocks);
        let esp = self.reserve_esp(&mut tree, &mut blocks);
        blocks.0 += PADDING;
        self.tell_places(&mut tree, esp);

        let mut image = SparseImage::new(blocks.0 * BLOCK);
        let mbr = self.mbr(&tree, esp, image.length());
        image.put(0, mbr.to_bytes().to_vec());
        let volume = Volume {
            label: self.label,
            blocks: blocks.0 as u32,
            catalogue: block(&tree, self.catalogue()),
            clock,
        };
        volume.write(&hierarchies, &mut image);
        for hierarchy in &hierarchies {
            hierarchy.write(&tree, &mut image);
        }
        tree.write(&mut image);
        if let (Some(uefi), Some(esp)) = (self.uefi, esp) {
            image.put_image(esp.first.bytes(), uefi.image);
        }
        Ok(image)
    }

    /// Gives the FAT file system its blocks, and the files in it that are shown.
    fn reserve_esp(&self, tree: &mut Tree<'_>, blocks: &mut Blocks) -> Option<Partition> {
        let bytes = self.uefi.as_ref()?.image.length();
        blocks.0 = blocks.0.next_multiple_of(ALIGNMENT);
        let first = blocks.take(bytes);
        tree.reserve_shared(first);
        Some(Partition {
            active: false,
            kind: PartitionType::EFI_SYSTEM,
            first: Sector(u64::from(first) * SECTORS),
            count: Sector(bytes / SECTOR_SIZE),
        })
    }

    /// The files. The catalogue is one of them, since programs that change an ISO look for it.
    fn tree(&self) -> Result<Tree<'a>, IsoError> {
        let mut tree = Tree::default();
        tree.file(self.catalogue(), vec![0; BLOCK as usize])?;
        for file in self.shared() {
            let block = (file.first.0 / SECTORS) as u32;
            tree.shared(&file.path, block, file.bytes)?;
        }
        let Some((isolinux, config)) = self.bios else {
            return Ok(tree);
        };
        for (path, bytes) in [
            (ISOLINUX, isolinux.loader.as_slice()),
            (CORE_MODULE, &isolinux.core_module),
            (CONFIG, config),
            (KERNEL, self.kernel),
            (INITRAMFS, self.initramfs),
        ] {
            if tree.find(path).is_none() {
                tree.file(path, bytes)?;
            }
        }
        Ok(tree)
    }

    /// The files of the FAT file system, where all of them begin with a block.
    fn shared(&self) -> &[PlacedFile] {
        let files = self.uefi.as_ref().map_or(&[][..], |uefi| &uefi.files);
        let is_whole = files.iter().all(|file| file.first.0 % SECTORS == 0);
        if is_whole { files } else { &[] }
    }

    fn catalogue(&self) -> &'static str {
        match self.bios {
            Some(_) => CATALOGUE,
            None => CATALOGUE_ALONE,
        }
    }

    /// Writes down what depends on where the files lie: the catalogue, and in isolinux.
    fn tell_places(&self, tree: &mut Tree<'a>, esp: Option<Partition>) {
        let bios = self.bios.map(|(isolinux, _)| {
            let block = block(tree, ISOLINUX);
            tree.replace(ISOLINUX, isolinux.loader_at(block));
            block
        });
        let catalogue = Catalogue {
            bios,
            uefi: esp.map(|esp| ((esp.first.0 / SECTORS) as u32, esp.count)),
        };
        tree.replace(self.catalogue(), catalogue.to_bytes());
    }

    /// The first partition is what lies in front of the FAT file system: firmware takes no partitions that overlap.
    fn mbr(&self, tree: &Tree<'_>, esp: Option<Partition>, length: u64) -> Mbr {
        let (code, kind) = match self.bios {
            Some((isolinux, _)) => {
                let code = isolinux.boot_code(block(tree, ISOLINUX));
                (code, PartitionType::ISO_HYBRID)
            }
            None => (Vec::new(), PartitionType::LINUX),
        };
        let iso = Partition {
            active: self.bios.is_some(),
            kind,
            first: Sector(0),
            count: esp.map_or(Sector(length / SECTOR_SIZE), |esp| esp.first),
        };
        Mbr {
            code,
            signature: self.signature.unwrap_or_else(|| self.own_signature(tree)),
            partitions: [Some(iso), esp, None, None],
        }
    }

    fn own_signature(&self, tree: &Tree<'_>) -> u32 {
        let mut identity = Identity::new(&self.label);
        tree.visit_own(|path, bytes| identity.add(path, bytes));
        if let Some(uefi) = &self.uefi {
            // Its boot record has a serial number that follows from everything in it.
            identity.add("esp", &uefi.image.read(0, SECTOR_SIZE as usize));
        }
        identity.numbers().signature()
    }
}

/// Where a file that is there begins.
fn block(tree: &Tree<'_>, path: &str) -> u32 {
    tree.find(path).map_or(0, |place| place.block)
}
