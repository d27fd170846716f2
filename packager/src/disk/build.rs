//! From kernel and initramfs to a whole disk image.

use sha2::{Digest, Sha256};

use super::fat::{
    FatKind, Geometry, GeometryError, Label, Timestamp, Tree, TreeError, Volume, VolumeError,
    VolumeOptions,
};
use super::gpt::{self, Guid};
use super::mbr::{Mbr, Partition, PartitionType};
use super::syslinux::config::{Config, Entry};
use super::syslinux::{self, InstallError, Pieces};
use super::{SECTOR_SIZE, Sector, SparseImage};

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
const LOADER_ENTRY: &str = "loader/entries/linux.conf";

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
    /// The kernel's command line.
    pub append: &'a str,
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
    /// How many seconds the boot loader waits for a key.
    pub timeout: u32,
    /// The serial port that a BIOS's boot loader also talks to, and its speed.
    pub serial_console: Option<(u8, u32)>,
    /// The time of every file, in seconds since 1970.
    pub time: u64,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file cannot be in a FAT file system.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The file system cannot have this size.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The files do not fit.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The boot loader cannot be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The files are larger than this kind of file system can be.
    #[error("the files do not fit into the largest {0} file system")]
    TooLarge(FatKind),
    /// The size is less than the partition's begin.
    #[error("an image of {0} bytes has no room for a partition: it begins at 1 MiB")]
    TooSmall(u64),
    /// The boot code for a GUID partition table was not found.
    #[error(
        "the boot code gptmbr.bin of syslinux was not found beside mbr.bin; install the package syslinux, or make an image with an MBR"
    )]
    NoGptCode,
    /// The command line holds a character that would end it.
    #[error("the kernel's command line has a line break")]
    Append,
}

impl<'a> ImageRecipe<'a> {
    /// Lays the image out.
    ///
    /// # Errors
    /// See [`ImageError`].
    pub fn build(self) -> Result<SparseImage<'a>, ImageError> {
        if self.append.contains(['\n', '\r', '\0']) {
            return Err(ImageError::Append);
        }
        let (bios, table) = (self.bios, self.table()?);
        let recipe_kind = self.fat;
        let size = self.size;
        let options = VolumeOptions {
            label: self.label,
            serial: self.serial.unwrap_or(0),
            time: Timestamp::from_unix(self.time),
            start: PARTITION_START,
        };
        let serial = self.serial;
        let tree = self.tree()?;
        let identity = identity(&tree, &options);
        let geometry = geometry(recipe_kind, size, table.tail(), &tree)?;
        let mut volume = Volume::reserve(tree, geometry, options)?;
        if serial.is_none() {
            volume.set_serial(number(&identity, 0));
        }
        if let Some(pieces) = bios {
            syslinux::install(&mut volume, pieces)?;
        }
        let end = PARTITION_START + geometry.total + table.tail();
        let length = size.map_or(end.bytes(), |size| size - size % SECTOR_SIZE);
        let mut image = SparseImage::new(length);
        table.write(&mut image, &geometry, &identity);
        volume.write(&mut image);
        Ok(image)
    }

    fn table(&self) -> Result<Table, ImageError> {
        let code = match (self.bios, self.table) {
            (None, _) => Vec::new(),
            (Some(pieces), TableKind::Mbr) => pieces.mbr.clone(),
            (Some(pieces), TableKind::Gpt) => {
                pieces.gpt_mbr.clone().ok_or(ImageError::NoGptCode)?
            }
        };
        let kind = self.partition_type.unwrap_or(match self.fat {
            FatKind::Fat16 => PartitionType::FAT16_LBA,
            FatKind::Fat32 => PartitionType::FAT32_LBA,
        });
        Ok(Table {
            table: self.table,
            code,
            kind,
        })
    }

    /// The files. Those of syslinux come last: there its own installer would put them.
    fn tree(self) -> Result<Tree<'a>, ImageError> {
        let mut tree = Tree::default();
        let shared = self.bios.is_some() || matches!(self.uefi, Some(Uefi::BootLoader(_)));
        let syslinux = self.syslinux_config().to_string();
        let entry = self.loader_entry();
        match self.uefi {
            Some(Uefi::Unified(program)) => tree.file(EFI_PROGRAM, program)?,
            Some(Uefi::BootLoader(program)) => {
                tree.file(EFI_PROGRAM, program)?;
                let config = format!("default linux.conf\ntimeout {}\n", self.timeout);
                tree.file(LOADER_CONFIG, config.into_bytes())?;
                tree.file(LOADER_ENTRY, entry.into_bytes())?;
            }
            None => {}
        }
        if shared {
            tree.file(KERNEL, self.kernel)?;
            tree.file(INITRAMFS, self.initramfs)?;
        }
        if let Some(pieces) = self.bios {
            tree.file(SYSLINUX_CONFIG, syslinux.into_bytes())?;
            syslinux::add_files(&mut tree, pieces)?;
        }
        Ok(tree)
    }

    fn syslinux_config(&self) -> Config {
        Config {
            default: "linux".into(),
            prompt: self.timeout > 0,
            timeout: self.timeout * 10,
            serial: self.serial_console,
            entries: vec![Entry {
                label: "linux".into(),
                kernel: format!("/{KERNEL}"),
                initramfs: vec![format!("/{INITRAMFS}")],
                append: self.append.to_owned(),
            }],
            files: Vec::new(),
        }
    }

    /// As <https://uapi-group.org/specifications/specs/boot_loader_specification/> has it.
    fn loader_entry(&self) -> String {
        format!(
            "title Linux {0} in memory\nversion {0}\nlinux /{KERNEL}\ninitrd /{INITRAMFS}\noptions {1}\n",
            self.version, self.append
        )
    }
}

/// The partition table.
struct Table {
    table: TableKind,
    code: Vec<u8>,
    kind: PartitionType,
}

impl Table {
    /// What is kept free behind the partition: the second copy of a GUID partition table, in a MiB of its own.
    fn tail(&self) -> Sector {
        match self.table {
            TableKind::Mbr => Sector(0),
            TableKind::Gpt => Sector((1 << 20) / SECTOR_SIZE),
        }
    }

    fn write(self, image: &mut SparseImage<'_>, geometry: &Geometry, identity: &[u8; 32]) {
        if self.table == TableKind::Gpt {
            let guids = [8, 16].map(|at| {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&identity[at..at + 16]);
                Guid::derived(bytes)
            });
            gpt::write(image, PARTITION_START, geometry.total, self.code, guids);
            return;
        }
        let partition = Partition {
            active: true,
            kind: self.kind,
            first: PARTITION_START,
            count: geometry.total,
        };
        let mbr = Mbr {
            code: self.code,
            signature: number(identity, 4),
            partitions: [Some(partition), None, None, None],
        };
        image.put(0, mbr.to_bytes().to_vec());
    }
}

fn geometry(
    kind: FatKind,
    size: Option<u64>,
    tail: Sector,
    tree: &Tree<'_>,
) -> Result<Geometry, ImageError> {
    match size {
        Some(size) => {
            let sectors = (size / SECTOR_SIZE)
                .checked_sub((PARTITION_START + tail).0)
                .ok_or(ImageError::TooSmall(size))?;
            Ok(Geometry::new(kind, Sector(sectors))?)
        }
        None => {
            let least = Sector(tree.bytes() / SECTOR_SIZE);
            Geometry::smallest(kind, least, |geometry| Volume::fits(tree, geometry))
                .ok_or(ImageError::TooLarge(kind))
        }
    }
}

/// What the numbers follow from that tell one image from another: the files and the label. The same inputs give the same.
fn identity(tree: &Tree<'_>, options: &VolumeOptions) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}", options.label));
    tree.visit("", &mut |path, data| {
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update((data.len() as u64).to_le_bytes());
        hash.update(data);
    });
    hash.finalize().into()
}

/// Four bytes of an identity; not 0, which means that there is no number.
fn number(identity: &[u8; 32], at: usize) -> u32 {
    let bytes = [0, 1, 2, 3].map(|index| identity[(at + index) % 32]);
    u32::from_le_bytes(bytes).max(1)
}
