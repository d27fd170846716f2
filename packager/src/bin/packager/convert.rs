//! Disk images in files: as they are, or through qemu-img in the formats of virtual machines.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum;
use cli::{Failure, Staged};
use packager::disk::{ImageFormat, SparseImage};

const PROGRAM: &str = "qemu-img";

/// The values of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// As it is on a stick
    Raw,
    /// A CD, which can be written to a stick as it is
    Iso,
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
        let suffix = output.extension().unwrap_or_default().to_ascii_lowercase();
        match suffix.to_str() {
            Some("iso") => Format::Iso,
            Some("qcow2") => Format::Qcow2,
            Some("vmdk") => Format::Vmdk,
            Some("vdi") => Format::Vdi,
            _ => Format::Raw,
        }
    }
}

impl From<Format> for ImageFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Raw => ImageFormat::Raw,
            Format::Iso => ImageFormat::Iso,
            Format::Qcow2 => ImageFormat::Qcow2,
            Format::Vmdk => ImageFormat::Vmdk,
            Format::Vdi => ImageFormat::Vdi,
        }
    }
}

/// Refuses images in the formats of virtual machines, where the disk's own bytes are needed.
pub(crate) fn require_plain(path: &Path, image: &File) -> Result<(), Failure> {
    match ImageFormat::detect(image).map_err(|error| unreadable(path, &error))? {
        Some(format) if !format.is_plain() => Err(not_plain(path, format)),
        _ => Ok(()),
    }
}

/// The image is in the format of a virtual machine.
pub(crate) fn not_plain(path: &Path, format: ImageFormat) -> Failure {
    raw_needed(path, &format_args!("it is a {} image", format.name()))
}

/// The image's format is at fault.
pub(crate) fn raw_needed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    let source = match path == Path::new("-") {
        // qemu-img reads no standard input.
        true => "IMAGE".to_owned(),
        false => word(path),
    };
    Failure::input(format_args!(
        "`{}`: {error}, and a raw one is needed: `{PROGRAM} convert -O raw {source} FILE.img` makes it",
        path.display()
    ))
}

/// A path as a word of the shell.
pub(crate) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The machine's fault: the file was open already.
pub(crate) fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::machine(format_args!("cannot read `{}`: {error}", path.display()))
}

/// Writes the image in a format. It becomes the output when `approve` has been waited for.
pub(crate) fn write(
    output: &Path,
    image: &SparseImage<'_>,
    format: ImageFormat,
    approve: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    if format.is_plain() {
        return write_raw(output, image, approve);
    }
    approve()?;
    let failed = |error| failed(output, &error);
    // Beside the output, where there is to be room; the folder for temporary files is often in memory.
    let folder = tempfile::Builder::new()
        .prefix(".tmp-")
        .tempdir_in(cli::directory(output));
    let folder = folder.map_err(failed)?;
    let [raw, converted] = ["raw", "converted"].map(|name| folder.path().join(name));
    let written = File::create(&raw).and_then(|file| image.write_to(&file));
    written.map_err(failed)?;
    convert(&raw, &converted, format)?;
    copy(&converted, output)
}

/// The check goes on while the disk is busy.
fn write_raw(
    output: &Path,
    image: &SparseImage<'_>,
    approve: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let staged = Staged::with(output, |file| image.write_to(file))?;
    approve()?;
    cli::commit([staged])
}

/// What another program has made takes the output's place when it is whole.
fn copy(made: &Path, output: &Path) -> Result<(), Failure> {
    let mut source = File::open(made).map_err(|error| failed(output, &error))?;
    cli::write_atomically_with(output, |mut file| {
        io::copy(&mut source, &mut file).map(|_| ())
    })
}

fn failed(output: &Path, error: &io::Error) -> Failure {
    Failure::machine(format_args!("cannot write `{}`: {error}", output.display()))
}

fn convert(raw: &Path, converted: &Path, format: ImageFormat) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_is_one_that_works() {
        for (path, source) in [
            ("a/b-1.img", "a/b-1.img"),
            ("a b.img", "'a b.img'"),
            ("it's", r"'it'\''s'"),
            ("-", "IMAGE"),
        ] {
            let failure = not_plain(Path::new(path), ImageFormat::Vdi);
            let message = failure.message().unwrap();
            let way_out = format!("`qemu-img convert -O raw {source} FILE.img`");
            assert!(message.contains(&way_out), "{message}");
        }
    }
}
