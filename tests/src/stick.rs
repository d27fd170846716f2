//! A USB stick as a file: a partition table with one FAT partition, made and read with mtools.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The partition begins at 1 MiB, as every tool has it today.
const START: u64 = 1 << 20;

/// The size of the stick: large enough for FAT16, small enough to copy in no time.
const SIZE: u64 = 32 << 20;

const SECTOR: u64 = 512;

/// A raw image of a stick.
#[derive(Debug)]
pub struct Stick {
    path: PathBuf,
}

impl Stick {
    /// Makes a stick at `path`, with an empty FAT file system on its first partition.
    ///
    /// # Errors
    /// Where the file cannot be written, or mtools is missing or fails.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = File::create(path)?;
        file.set_len(SIZE)?;
        file.seek(SeekFrom::Start(0x1be))?;
        file.write_all(&partition_entry())?;
        file.seek(SeekFrom::Start(510))?;
        file.write_all(&[0x55, 0xaa])?;
        drop(file);
        let stick = Self { path: path.into() };
        let sectors = ((SIZE - START) / SECTOR).to_string();
        let hidden = (START / SECTOR).to_string();
        stick.mtools(
            "mformat",
            &[
                "-T", &sectors, "-h", "4", "-s", "32", "-H", &hidden, "-v", "STICK", "::",
            ],
        )?;
        Ok(stick)
    }

    /// The image.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into the root directory.
    ///
    /// # Errors
    /// Where mtools fails.
    pub fn write(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        let source = tempfile::NamedTempFile::new()?;
        std::fs::write(source.path(), contents)?;
        let source = source.path().to_string_lossy().into_owned();
        self.mtools("mcopy", &["-o", &source, &format!("::/{name}")])?;
        Ok(())
    }

    /// Reads a file of the root directory.
    ///
    /// # Errors
    /// Where there is no such file, or mtools fails.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.mtools("mtype", &[&format!("::/{name}")])
    }

    fn mtools(&self, program: &str, arguments: &[&str]) -> io::Result<Vec<u8>> {
        let mut image = OsString::from(&self.path);
        image.push(format!("@@{START}"));
        let output = Command::new(program)
            .env("MTOOLS_SKIP_CHECK", "1")
            .arg("-i")
            .arg(image)
            .args(arguments)
            .output()
            .map_err(|error| io::Error::other(format!("{program} (package mtools): {error}")))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let message = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("{program}: {}", message.trim())))
    }
}

/// The first entry of an MBR's table: a FAT16 partition (type 0x0e) that ends with the stick; no cylinders (0xfeffff).
fn partition_entry() -> [u8; 16] {
    let mut entry = [0; 16];
    entry[1..8].copy_from_slice(&[0xfe, 0xff, 0xff, 0x0e, 0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&((START / SECTOR) as u32).to_le_bytes());
    entry[12..].copy_from_slice(&(((SIZE - START) / SECTOR) as u32).to_le_bytes());
    entry
}
