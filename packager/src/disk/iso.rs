//! A hybrid ISO: one file that starts a PC from a CD and from a stick, by BIOS and by UEFI. Made by xorriso.
//!
//! | who | from | starts |
//! | --- | --- | --- |
//! | BIOS | CD | isolinux, by the El Torito catalogue; it reads ISO 9660 |
//! | BIOS | stick | the MBR's code of isolinux, which finds the same isolinux |
//! | UEFI | CD | a FAT image, by the catalogue's second entry |
//! | UEFI | stick | the same FAT image: the MBR's second partition, of type 0xef |
//!
//! Firmware reads only FAT, and isolinux only ISO 9660, so that kernel and initramfs are in the file twice. The FAT image is
//! this project's own ([`ImageRecipe`](super::ImageRecipe) without a partition table). The rules are those of El Torito 1.0,
//! the UEFI specification, section 13.3.2.1, and `xorrisofs(1)`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use codec::file::ReadError;

use super::build::{INITRAMFS, KERNEL};
use super::fat::Label;
use super::identity::Identity;
use super::mbr::CODE_SIZE;
use super::{SECTOR_SIZE, SparseImage};

const PROGRAM: &str = "xorriso";

/// Larger than any of isolinux's files.
const LIMIT: u64 = 16 << 20;

/// Where distributions put isolinux, and the `ldlinux.c32` of the same build.
const FOLDERS: [&str; 5] = [
    "/usr/lib/ISOLINUX",
    "/usr/lib/syslinux/modules/bios",
    "/usr/lib/syslinux/bios",
    "/usr/share/syslinux",
    "/usr/lib/syslinux",
];

/// The directory that isolinux looks into for its files.
const ISOLINUX: &str = "isolinux";

/// The boot code of an ISO, behind which it is told where isolinux is.
const MBR_MAX: usize = 432;

/// The El Torito catalogue counts an image in 16 bits; a larger one is given as 0, which by the UEFI specification means that
/// it goes on to the medium's end.
const CATALOGUE_MAX: u64 = 0xffff * SECTOR_SIZE;

/// What starts a CD by a BIOS.
#[derive(Clone, Debug)]
pub struct Isolinux {
    loader: Vec<u8>,
    core_module: Vec<u8>,
    mbr: Vec<u8>,
}

/// What an ISO is made of.
#[derive(Clone, Debug)]
pub struct Iso<'a> {
    /// The kernel.
    pub kernel: &'a [u8],
    /// The initramfs.
    pub initramfs: &'a [u8],
    /// What a BIOS starts, and its configuration.
    pub bios: Option<(&'a Isolinux, &'a [u8])>,
    /// What UEFI starts: a FAT file system that has a kernel and an initramfs of its own.
    pub uefi: Option<&'a SparseImage<'a>>,
    /// The volume's label.
    pub label: Label,
    /// The MBR's disk signature; `None` derives it from the contents.
    pub signature: Option<u32>,
    /// The time of everything, in seconds since 1970.
    pub time: u64,
}

/// Why there is no ISO.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// A file of isolinux is not there.
    #[error(
        "`{name}` was not found (looked in {places}); install the packages isolinux and syslinux-common, name a directory that has it with --isolinux, or make an image for UEFI only with --firmware uefi"
    )]
    NotFound {
        /// The file.
        name: &'static str,
        /// Where.
        places: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is not what its name says.
    #[error("`{name}` is damaged, or of a kind of isolinux that is not known here: {reason}")]
    Damaged {
        /// The file.
        name: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// xorriso is not installed.
    #[error("{PROGRAM} is not on PATH; install the package xorriso, or take another --format")]
    NoXorriso,
    /// xorriso does not do it.
    #[error("{PROGRAM} failed ({status}): {message}")]
    Xorriso {
        /// How it ended.
        status: String,
        /// What it said.
        message: String,
    },
    /// The files for xorriso cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl IsoError {
    /// Whether the input is at fault, and not the machine.
    pub fn is_input(&self) -> bool {
        matches!(self, IsoError::Damaged { .. })
    }
}

impl Isolinux {
    /// The installed one, or the one in a directory.
    ///
    /// # Errors
    /// [`IsoError::NotFound`], [`IsoError::Read`], [`IsoError::Damaged`].
    pub fn find(directory: Option<&Path>) -> Result<Self, IsoError> {
        let folders = match directory {
            Some(directory) => vec![directory.to_path_buf()],
            None => FOLDERS.map(PathBuf::from).into(),
        };
        let read = |name: &'static str, is_right: fn(&[u8]) -> bool, reason| {
            let bytes = codec::file::read(&first(&folders, name)?, LIMIT)?;
            match is_right(&bytes) {
                true => Ok(bytes),
                false => Err(IsoError::Damaged { name, reason }),
            }
        };
        Ok(Self {
            // The boot-info table, which xorriso fills in, lies in its first 64 bytes.
            loader: read("isolinux.bin", |it| it.len() > 2048, "it is too short")?,
            core_module: read(
                "ldlinux.c32",
                |it| it.starts_with(b"\x7fELF"),
                "it is not an ELF file",
            )?,
            mbr: read(
                "isohdpfx.bin",
                |it| (1..=MBR_MAX).contains(&it.len()),
                "boot code in front of an ISO has 1 to 432 bytes",
            )?,
        })
    }
}

fn first(folders: &[PathBuf], name: &'static str) -> Result<PathBuf, IsoError> {
    let mut paths = folders.iter().map(|folder| folder.join(name));
    paths.find(|path| path.is_file()).ok_or_else(|| {
        let places = folders.iter().map(|folder| folder.display().to_string());
        let places = places.collect::<Vec<_>>().join(", ");
        IsoError::NotFound { name, places }
    })
}

impl Iso<'_> {
    /// Makes the ISO in a directory that nobody else uses, and gives its path there.
    ///
    /// # Errors
    /// [`IsoError::NoXorriso`], [`IsoError::Xorriso`], [`IsoError::Write`].
    pub fn make(&self, folder: &Path) -> Result<PathBuf, IsoError> {
        let tree = folder.join("tree");
        fs::create_dir(&tree).map_err(|source| failed(&tree, source))?;
        for (path, bytes) in self.files() {
            put(&tree.join(path), bytes)?;
        }
        let output = folder.join("image.iso");
        let mut command = Command::new(PROGRAM);
        command
            .args(["-no_rc", "-report_about", "FAILURE", "-as", "mkisofs"])
            .args(["-r", "-J", "-V", &self.label.to_string()])
            .args(["--set_all_file_dates", &format!("={}", self.clock())])
            .arg("-o")
            .arg(&output);
        if let Some((isolinux, _)) = self.bios {
            let mbr = folder.join("isohdpfx.bin");
            put(&mbr, &isolinux.mbr)?;
            command.args(["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"]);
            command.args(["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]);
            command.arg("-isohybrid-mbr").arg(mbr);
        }
        if let Some(uefi) = self.uefi {
            let partition = folder.join("efi.img");
            let file = File::create(&partition).and_then(|file| uefi.write_to(&file));
            file.map_err(|source| failed(&partition, source))?;
            command.args(["-eltorito-alt-boot", "-no-emul-boot"]);
            command.args(["-e", "--interval:appended_partition_2:all::"]);
            if self.is_large() {
                command.args(["-boot-load-size", "0"]);
            }
            command
                .args(["-append_partition", "2", "0xef"])
                .arg(partition);
        }
        command.arg(&tree);
        self.run(command)?;
        self.patch(&output)
            .map_err(|source| failed(&output, source))?;
        Ok(output)
    }

    /// The time that xorriso is told: it takes 0 for no answer.
    fn clock(&self) -> u64 {
        self.time.max(1)
    }

    /// Whether the FAT image is larger than the catalogue can say.
    fn is_large(&self) -> bool {
        self.uefi.is_some_and(|uefi| uefi.length() > CATALOGUE_MAX)
    }

    fn files(&self) -> Vec<(String, &[u8])> {
        let Some((isolinux, config)) = self.bios else {
            return Vec::new();
        };
        let own = |name: &str| format!("{ISOLINUX}/{name}");
        vec![
            (KERNEL.to_owned(), self.kernel),
            (INITRAMFS.to_owned(), self.initramfs),
            (own("isolinux.bin"), &isolinux.loader),
            (own("ldlinux.c32"), &isolinux.core_module),
            (own("isolinux.cfg"), config),
        ]
    }

    /// xorriso takes the volume's dates, and what it derives from them, from the clock that it is given.
    fn run(&self, mut command: Command) -> Result<(), IsoError> {
        let output = command
            .env("SOURCE_DATE_EPOCH", self.clock().to_string())
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output();
        let output = output.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => IsoError::NoXorriso,
            _ => failed(OsStr::new(PROGRAM).as_ref(), error),
        })?;
        if output.status.success() {
            return Ok(());
        }
        Err(IsoError::Xorriso {
            status: output.status.to_string(),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Changes what xorriso has no option for.
    fn patch(&self, iso: &Path) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(iso)?;
        let signature = self.signature.unwrap_or_else(|| self.own_signature());
        file.write_all_at(&signature.to_le_bytes(), CODE_SIZE as u64)?;
        match self.is_large() {
            true => enlarge_volume(&file),
            false => Ok(()),
        }
    }

    fn own_signature(&self) -> u32 {
        let mut identity = Identity::new(&self.label);
        for (path, bytes) in self.files() {
            identity.add(&path, bytes);
        }
        if let Some(uefi) = self.uefi {
            // Its boot record has a serial number that follows from everything in it.
            identity.add("efi.img", &uefi.read(0, SECTOR_SIZE as usize));
        }
        identity.numbers().signature()
    }
}

/// Lets the volume descriptors say that the volume goes on to the file's end. The medium's end is for EDK II that of the
/// volume, and the FAT image stands behind what xorriso counts.
fn enlarge_volume(file: &File) -> io::Result<()> {
    /// Blocks of a CD; the first descriptor; the offset of the volume's size, in both byte orders (ECMA-119, section 8.4.8).
    const BLOCK: u64 = 2048;
    const FIRST: u64 = 16;
    const SIZE: u64 = 80;
    let blocks = (file.metadata()?.len() / BLOCK) as u32;
    let mut descriptor = FIRST * BLOCK;
    loop {
        let mut kind = [0];
        file.read_exact_at(&mut kind, descriptor)?;
        match kind {
            // A primary descriptor, and a supplementary one, which Joliet has.
            [1 | 2] => {
                file.write_all_at(&blocks.to_le_bytes(), descriptor + SIZE)?;
                file.write_all_at(&blocks.to_be_bytes(), descriptor + SIZE + 4)?;
            }
            [255] => return Ok(()),
            _ => {}
        }
        descriptor += BLOCK;
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), IsoError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> IsoError {
    let path = path.to_path_buf();
    IsoError::Write { path, source }
}
