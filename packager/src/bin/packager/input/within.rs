//! An initramfs in something larger: in a unified kernel image, on a disk, on a CD.

use std::fs::File;
use std::path::Path;

use cli::Failure;
use packager::disk::check::{DiskInitramfs, DiskInitramfsError, default_initramfs};
use packager::disk::pe::Program;
use packager::kernel::version_of;
use packager::names::shown;

use super::{Bytes, Image, has_boot_signature, is_program};
use crate::convert::word;
use crate::medium::{self, Disk};

/// A menu may have many entries; so many are named.
const OTHERS_SHOWN: usize = 5;

/// That of an EFI program; `None` where the file is none.
pub(super) fn program(path: &Path, file: &File) -> Result<Option<Image>, Failure> {
    if !is_program(file) {
        return Ok(None);
    }
    let bytes = super::map(path, file)?;
    let name = path.display();
    let refused = match Program::parse(&bytes) {
        Ok(program) => match program.section_place(".initrd") {
            Some(place) if place.end <= bytes.len() => {
                return Ok(Some(Image::new(Bytes::Mapped(bytes, place))));
            }
            _ if version_of(&bytes).is_some() => {
                format!("`{name}` is a kernel, and no initramfs")
            }
            _ => format!("`{name}` is an EFI program without an initramfs in it"),
        },
        Err(_) if has_boot_signature(file) => return Ok(None),
        Err(error) => format!("`{name}`: {error}"),
    };
    Err(Failure::input(refused))
}

/// That of the default entry of a disk or CD; `None` where the file is no image of one.
pub(super) fn disk(path: &Path, file: &File) -> Result<Option<Image>, Failure> {
    let Some(disk) = Disk::find(path, file)? else {
        return Ok(None);
    };
    let found = default_initramfs(&disk, disk.length());
    let found = found.map_err(|error| refused(path, &error))?;
    let note = note(path, &found);
    let image = Image::new(Bytes::Read(found.bytes));
    Ok(Some(Image {
        note: Some(note),
        ..image
    }))
}

fn refused(path: &Path, error: &DiskInitramfsError) -> Failure {
    match error {
        DiskInitramfsError::Read(source) if !error.is_input() => medium::failed(path, source),
        error => Failure::input(format_args!(
            "`{}` is a disk image: {error}; `packager check {}` says what there is",
            path.display(),
            word(path)
        )),
    }
}

/// Which of the disk's files it is.
fn note(path: &Path, found: &DiskInitramfs) -> String {
    let (disk, name) = (path.display(), shown(&found.name));
    let others = found.others.iter().take(OTHERS_SHOWN);
    let others: Vec<_> = others.map(|it| format!("`{}`", shown(it))).collect();
    let which = match found.is_default {
        true => "the initramfs",
        false => "the first initramfs",
    };
    let mut note = format!("{which} of `{disk}` is `{name}`");
    if !others.is_empty() {
        note += &format!("; other entries boot with {}", others.join(", "));
    }
    if let more @ 1.. = found.others.len() - others.len() {
        note += &format!(" and {more} more");
    }
    note
}
