//! Disk images in the formats of virtual machines, through qemu-img.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum;
use cli::Failure;
use packager::disk::SparseImage;

const PROGRAM: &str = "qemu-img";

/// The values of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// As it is on a stick
    Raw,
    /// QEMU
    Qcow2,
    /// VMware
    Vmdk,
    /// VirtualBox
    Vdi,
}

impl Format {
    /// What the suffix of the output says; raw for every other one.
    pub(crate) fn by_suffix(output: &Path) -> Self {
        match output.extension().and_then(|suffix| suffix.to_str()) {
            Some("qcow2") => Format::Qcow2,
            Some("vmdk") => Format::Vmdk,
            Some("vdi") => Format::Vdi,
            _ => Format::Raw,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
            Format::Vmdk => "vmdk",
            Format::Vdi => "vdi",
        }
    }
}

/// Writes the image in a format.
pub(crate) fn write(output: &Path, image: &SparseImage<'_>, format: Format) -> Result<(), Failure> {
    if format == Format::Raw {
        return cli::write_atomically_with(output, |file| image.write_to(file));
    }
    let failed = |error: io::Error| {
        Failure::machine(format_args!("cannot write `{}`: {error}", output.display()))
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    let [raw, converted] = ["raw", "converted"].map(|name| folder.path().join(name));
    let written = File::create(&raw).and_then(|file| image.write_to(&file));
    written.map_err(failed)?;
    convert(&raw, &converted, format)?;
    let mut source = File::open(&converted).map_err(failed)?;
    cli::write_atomically_with(output, |mut file| {
        io::copy(&mut source, &mut file).map(|_| ())
    })
}

fn convert(raw: &Path, converted: &Path, format: Format) -> Result<(), Failure> {
    let arguments: [OsString; 7] = [
        "convert".into(),
        "-f".into(),
        "raw".into(),
        "-O".into(),
        format.name().into(),
        raw.into(),
        converted.into(),
    ];
    let output = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::machine(format_args!(
                "{PROGRAM} is not on PATH; install the package qemu-utils, or take --format raw"
            )),
            _ => Failure::machine(format_args!("cannot start {PROGRAM}: {error}")),
        })?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(Failure::machine(format_args!(
        "{PROGRAM}: {}",
        message.trim()
    )))
}
