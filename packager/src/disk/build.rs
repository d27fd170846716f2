//! From kernel and initramfs to a whole disk image.

use super::fat::{
    FatKind, Geometry, Label, PlacedFile, Timestamp, Tree, TreeError, Volume, VolumeError,
    VolumeOptions,
};
use super::gpt;
use super::identity::{Identity, Numbers};
use super::mbr::{Mbr, Partition, PartitionType};
use super::menu::Menu;
use super::syslinux::{self, InstallError, Pieces};
use super::{SECTOR_SIZE, Sector, SparseImage, iso};

/// The partition begins at 1 MiB, as every tool has it: a multiple of every flash stick's block.
pub const PARTITION_START: Sector = Sector(2048);

/// Where kernel, initramfs and configurations are in the file system.
pub const KERNEL: &str = "vmlinuz";
/// The initramfs.
pub const INITRAMFS: &str = "initrd.img";
/// What UEFI starts from a removable medium on x86-64 (UEFI specification, section 3.5.1.1).
pub const EFI_PROGRAM: &str = "EFI/BOOT/BOOTX64.EFI";
const SYSLINUX_CONFIG: &str = "syslinux.cfg";
const LOADER_CONFIG: &str = "loader/loader.conf";
const LOADER_ENTRIES: &str = "loader/entries";

/// What UEFI starts.
#[derive(Clone, Debug)]
pub enum Uefi {
    /// systemd's boot loader, which shares kernel and initramfs with the BIOS.
    BootLoader(Vec<u8>),
    /// A unified kernel image, which has its own.
    Unified(Vec<u8>),
}

/// The kind of partition table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableKind {
    /// The one that every BIOS and every UEFI firmware reads.
    #[default]
    Mbr,
    /// The GUID partition table.
    Gpt,
    /// None: the file system begins in the first sector, as on a floppy disk.
    None,
}

/// What an image is made of.
#[derive(Clone, Debug)]
pub struct ImageRecipe<'a> {
    /// The kernel.
    pub kernel: &'a [u8],
    /// Its version, for menus.
    pub version: &'a str,
    /// The initramfs.
    pub initramfs: &'a [u8],
    /// What the boot loaders offer.
    pub menu: &'a Menu,
    /// What stands in syslinux's configuration instead of the menu.
    pub syslinux_config: Option<&'a [u8]>,
    /// What a BIOS starts.
    pub bios: Option<&'a Pieces>,
    /// What UEFI starts.
    pub uefi: Option<Uefi>,
    /// The kind of file system.
    pub fat: FatKind,
    /// The kind of partition table.
    pub table: TableKind,
    /// In an MBR, the partition's type; `None` takes the one that goes with the kind.
    pub partition_type: Option<PartitionType>,
    /// The image's size in bytes; `None` fits it to the files, in whole MiB.
    pub size: Option<u64>,
    /// The volume's label.
    pub label: Label,
    /// The volume's serial number; `None` derives it from the contents.
    pub serial: Option<u32>,
    /// An MBR's disk signature; `None` derives it from the contents.
    pub signature: Option<u32>,
    /// The time of every file, in seconds since 1970.
    pub time: u64,
}

/// What UEFI starts from a CD: a FAT file system that is not a whole disk, and where its files lie.
#[derive(Clone, Debug)]
pub struct Esp<'a> {
    /// The file system.
    pub image: SparseImage<'a>,
    /// Its files.
    pub files: Vec<PlacedFile>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file cannot be in a FAT file system.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The files do not fit.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The boot loader cannot be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The files are larger than this kind of file system can be.
    #[error("the files do not fit into the largest {0} file system")]
    TooLarge(FatKind),
    /// The size is no more than what stands before and behind the file system.
    #[error(
        "an image of {0} bytes has no room for a file system beside its partition table, which takes 1 MiB and more"
    )]
    TooSmall(u64),
    /// This kind of file system cannot be as small as the image was asked to be, nor as large.
    #[error("an image of {size} bytes cannot have a {kind} file system, which {limit}{}", smaller(.kind, .size))]
    Size {
        /// The size that was asked for.
        size: u64,
        /// The kind.
        kind: FatKind,
        /// What it needs.
        limit: SizeLimit,
    },
    /// The boot code for a GUID partition table was not found.
    #[error(
        "the boot code gptmbr.bin of syslinux was not found beside mbr.bin; install the package syslinux, or make an image with an MBR"
    )]
    NoGptCode,
}

/// The sizes that an image can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeLimit {
    /// The smallest for these files, in bytes; a whole number of MiB.
    Least(u64),
    /// The largest of this kind.
    Most,
}

impl std::fmt::Display for SizeLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Least(bytes) => write!(f, "begins for these files at {}M", bytes >> 20),
            Self::Most => f.write_str("ends at 2 GB (FAT16) or 2 TB (FAT32)"),
        }
    }
}

/// The way out where FAT32 is too large: it needs many clusters, however few files there are.
fn smaller(kind: &FatKind, size: &u64) -> &'static str {
    match kind {
        FatKind::Fat32 if *size < 1 << 30 => "; --fat 16 is for smaller ones",
        _ => "",
    }
}

impl<'a> ImageRecipe<'a> {
    /// Lays the image out.
    ///
    /// # Errors
    /// See [`ImageError`].
    pub fn build(self) -> Result<SparseImage<'a>, ImageError> {
        self.lay_out(1).map(|esp| esp.image)
    }

    /// Lays out the file system alone, for a CD. FAT16's clusters are then whole blocks of a CD, so that ISO 9660 can have the
    /// same files where they lie; FAT32 would have 134 MB at least.
    ///
    /// # Errors
    /// See [`ImageError`].
    pub fn build_for_cd(mut self) -> Result<Esp<'a>, ImageError> {
        self.table = TableKind::None;
        let cluster = match self.fat {
            FatKind::Fat16 => iso::SECTORS,
            FatKind::Fat32 => 1,
        };
        self.lay_out(cluster)
    }

    /// Clusters have at least `cluster` sectors.
    fn lay_out(self, cluster: u64) -> Result<Esp<'a>, ImageError> {
        let (bios, table) = (self.bios, self.table()?);
        let (kind, size, serial) = (self.fat, self.size, self.serial);
        let options = VolumeOptions {
            label: self.label,
            serial: serial.unwrap_or(0),
            time: Timestamp::from_unix(self.time),
            start: table.start(),
        };
        let tree = self.tree()?;
        let numbers = numbers(&tree, &options.label);
        let geometry = geometry(kind, size, cluster, &table, &tree)?;
        let mut volume = Volume::reserve(tree, geometry, options)?;
        if serial.is_none() {
            volume.set_serial(numbers.serial());
        }
        if let Some(pieces) = bios {
            syslinux::install(&mut volume, pieces)?;
        }
        let end = table.start() + geometry.total + table.tail();
        let length = size.map_or(end.bytes(), |size| size - size % SECTOR_SIZE);
        let mut image = SparseImage::new(length);
        table.write(&mut image, &geometry, &numbers);
        let files = volume.files();
        volume.write(&mut image);
        Ok(Esp { image, files })
    }

    fn table(&self) -> Result<Table, ImageError> {
        let code = match (self.bios, self.table) {
            (None, _) | (_, TableKind::None) => Vec::new(),
            (Some(pieces), TableKind::Mbr) => pieces.mbr.clone(),
            (Some(pieces), TableKind::Gpt) => {
                pieces.gpt_mbr.clone().ok_or(ImageError::NoGptCode)?
            }
        };
        let partition = self.partition_type.unwrap_or(match self.fat {
            FatKind::Fat16 => PartitionType::FAT16_LBA,
            FatKind::Fat32 => PartitionType::FAT32_LBA,
        });
        Ok(Table {
            kind: self.table,
            code,
            partition,
            signature: self.signature,
        })
    }

    /// The files. Those of syslinux come last: there its own installer would put them.
    fn tree(self) -> Result<Tree<'a>, ImageError> {
        let mut tree = Tree::default();
        let shared = self.bios.is_some() || matches!(self.uefi, Some(Uefi::BootLoader(_)));
        match self.uefi {
            Some(Uefi::Unified(program)) => tree.file(EFI_PROGRAM, program)?,
            Some(Uefi::BootLoader(program)) => {
                tree.file(EFI_PROGRAM, program)?;
                tree.file(LOADER_CONFIG, self.menu.loader().into_bytes())?;
                for (name, text) in self.menu.loader_entries(self.version) {
                    tree.file(&format!("{LOADER_ENTRIES}/{name}"), text.into_bytes())?;
                }
            }
            None => {}
        }
        if shared {
            tree.file(KERNEL, self.kernel)?;
            tree.file(INITRAMFS, self.initramfs)?;
        }
        if let Some(pieces) = self.bios {
            match self.syslinux_config {
                Some(text) => tree.file(SYSLINUX_CONFIG, text)?,
                None => {
                    let text = self.menu.syslinux("/").to_string();
                    tree.file(SYSLINUX_CONFIG, text.into_bytes())?;
                }
            }
            syslinux::add_files(&mut tree, pieces)?;
        }
        Ok(tree)
    }
}

/// The partition table.
struct Table {
    kind: TableKind,
    code: Vec<u8>,
    /// The type of the partition in an MBR.
    partition: PartitionType,
    signature: Option<u32>,
}

impl Table {
    /// Where the file system begins.
    fn start(&self) -> Sector {
        match self.kind {
            TableKind::None => Sector(0),
            TableKind::Mbr | TableKind::Gpt => PARTITION_START,
        }
    }

    /// What is kept free behind the partition: the second copy of a GUID partition table, in a MiB of its own.
    fn tail(&self) -> Sector {
        match self.kind {
            TableKind::Mbr | TableKind::None => Sector(0),
            TableKind::Gpt => Sector((1 << 20) / SECTOR_SIZE),
        }
    }

    fn write(self, image: &mut SparseImage<'_>, geometry: &Geometry, numbers: &Numbers) {
        match self.kind {
            TableKind::None => {}
            TableKind::Gpt => {
                let count = geometry.total;
                gpt::write(image, PARTITION_START, count, self.code, numbers.guids());
            }
            TableKind::Mbr => {
                let partition = Partition {
                    active: true,
                    kind: self.partition,
                    first: PARTITION_START,
                    count: geometry.total,
                };
                let mbr = Mbr {
                    code: self.code,
                    signature: self.signature.unwrap_or(numbers.signature()),
                    partitions: [Some(partition), None, None, None],
                };
                image.put(0, mbr.to_bytes().to_vec());
            }
        }
    }
}

fn geometry(
    kind: FatKind,
    size: Option<u64>,
    cluster: u64,
    table: &Table,
    tree: &Tree<'_>,
) -> Result<Geometry, ImageError> {
    let least = Sector(tree.bytes() / SECTOR_SIZE);
    let smallest =
        || Geometry::smallest_with_clusters(kind, least, cluster, |it| Volume::fits(tree, it));
    match size {
        Some(size) => {
            let around = table.start() + table.tail();
            let sectors = (size / SECTOR_SIZE)
                .checked_sub(around.0)
                .filter(|&sectors| sectors > 0)
                .ok_or(ImageError::TooSmall(size))?;
            Geometry::new(kind, Sector(sectors)).map_err(|_| {
                let least = smallest().map(|it| (it.total + around).bytes());
                let limit = match least.filter(|least| *least > size) {
                    Some(least) => SizeLimit::Least(least),
                    None => SizeLimit::Most,
                };
                ImageError::Size { size, kind, limit }
            })
        }
        None => smallest().ok_or(ImageError::TooLarge(kind)),
    }
}

/// What serial number, signature and GUIDs follow from: the label and every file.
fn numbers(tree: &Tree<'_>, label: &Label) -> Numbers {
    let mut identity = Identity::new(label);
    tree.visit("", &mut |path, data| identity.add(path, data));
    identity.numbers()
}
