//! `packager write`: an image onto a stick, and nothing else overwritten.

use std::fs::File;
use std::io::{BufRead, IsTerminal};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use cli::Failure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use packager::disk::check::{end_outside, has_gpt};
use packager::disk::device::{self, Device};
use packager::disk::flash::{self, FlashError, Hash, Phase, flash};

use crate::convert::{require_plain, unreadable};
use crate::{input, report};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  packager write simple.img                        which disks are there?
  packager write simple.img /dev/sdb               asks for the disk's model first
  packager write simple.img /dev/sdb --confirm 'SanDisk Ultra'")]
pub(crate) struct WriteArgs {
    /// The image
    image: PathBuf,

    /// The disk, for example /dev/sdb
    device: Option<PathBuf>,

    /// The disk's model, instead of being asked for it
    #[arg(long, value_name = "MODEL")]
    confirm: Option<String>,

    /// Take a disk that is neither removable nor on USB
    #[arg(long)]
    allow_fixed: bool,

    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(args: &WriteArgs) -> Result<(), Failure> {
    let image = codec::file::open(&args.image).map_err(report::read)?;
    let length = image
        .metadata()
        .map_err(|error| unreadable(&args.image, &error))?
        .len();
    require_plain(&args.image, &image)?;
    check_image(&args.image, &image, length)?;
    let devices = device::list();
    let Some(path) = &args.device else {
        cli::print(candidates(&devices, length).as_bytes())?;
        if !devices.iter().any(|it| it.check(length, false).is_ok()) {
            cli::tell!("no disk here can be taken: plug in a stick, or a larger one");
        }
        return Ok(());
    };
    let device = find(&devices, path)?;
    device
        .check(length, args.allow_fixed)
        .map_err(Failure::input)?;
    confirm(args, device)?;
    let disk = flash::open(&device.path()).map_err(|error| failure(path, error))?;
    // Somebody may have taken time to answer, and nobody else can take the disk now.
    if !device::list().contains(device) {
        return Err(Failure::input(format_args!(
            "{} is another disk than a moment ago, or in use now; nothing was written",
            device.path().display()
        )));
    }
    let bar = bar(length, args.quiet);
    let mut checking = false;
    let progress = |phase, done| {
        if phase == Phase::Checking && !checking {
            checking = true;
            bar.set_message("checking");
            bar.reset();
        }
        bar.set_position(done);
    };
    let result = flash(&image, length, &disk, device.size, progress);
    bar.finish_and_clear();
    let hash = result.map_err(|error| failure(path, error))?;
    if !args.quiet {
        cli::tell!(
            "{}: {} written and read back; it can be pulled out\nSHA-256 of what was read back: {}",
            path.display(),
            report::size(length as usize),
            hexadecimal(&hash)
        );
        if length < device.size && has_gpt(&image) {
            cli::tell!(
                "note: the second copy of the partition table is not at the disk's end; it starts all the same, and `sgdisk -e {}` moves it there",
                path.display()
            );
        }
    }
    Ok(())
}

fn hexadecimal(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What has no boot signature is no disk image, but perhaps an initramfs, or a compressed one.
fn check_image(path: &Path, image: &File, length: u64) -> Result<(), Failure> {
    if !input::has_boot_signature(image) {
        return Err(Failure::input(format_args!(
            "`{}` is not a disk image: its first sector does not end with 55 aa; make one with `packager image`",
            path.display()
        )));
    }
    match end_outside(image, length).map_err(|error| unreadable(path, &error))? {
        None => Ok(()),
        Some(end) => Err(Failure::input(format_args!(
            "`{0}` is cut off: a partition ends at byte {end}, and the image has {length} bytes; copy it again, or, if it is meant to be empty there, `truncate -s {end} {0}`",
            path.display()
        ))),
    }
}

fn find<'a>(devices: &'a [Device], path: &Path) -> Result<&'a Device, Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        Failure::input(format_args!(
            "cannot open `{}`: {error}; without a disk's name, `packager write` lists the disks",
            path.display()
        ))
    })?;
    if !metadata.file_type().is_block_device() {
        return Err(Failure::input(format_args!(
            "`{}` is not a disk; to copy an image to a file, use cp",
            path.display()
        )));
    }
    // A link such as /dev/disk/by-id/… means the device that it points to.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    devices
        .iter()
        .find(|device| device.path() == real)
        .ok_or_else(|| {
            Failure::input(format_args!(
                "`{}` is not a whole disk with a medium; there are: {}",
                path.display(),
                names(devices)
            ))
        })
}

fn names(devices: &[Device]) -> String {
    let names: Vec<_> = devices
        .iter()
        .map(|device| device.path().display().to_string())
        .collect();
    names.join(", ")
}

fn candidates(devices: &[Device], length: u64) -> String {
    let mut out = String::new();
    for device in devices {
        let note = match device.check(length, false) {
            Ok(()) => String::new(),
            Err(refusal) => format!("  ({refusal})"),
        };
        out += &format!(
            "{:<14} {:>10}  {:<8} {}{note}\n",
            device.path().display(),
            report::size(device.size as usize),
            device.bus,
            device.model,
        );
    }
    out
}

/// Nothing is overwritten before somebody has said what it is.
fn confirm(args: &WriteArgs, device: &Device) -> Result<(), Failure> {
    let said = match &args.confirm {
        Some(model) => model.clone(),
        None if std::io::stdin().is_terminal() => {
            cli::tell_part!(
                "Everything on {} ({}, {}) will be overwritten.\nType its model to go on: ",
                device.path().display(),
                device.model,
                report::size(device.size as usize)
            );
            let mut line = String::new();
            let read = std::io::stdin().lock().read_line(&mut line);
            read.map_err(|error| {
                Failure::machine(format_args!("cannot read the answer: {error}"))
            })?;
            line
        }
        None => {
            return Err(Failure::usage(format_args!(
                "nobody is there to be asked; say --confirm '{}'",
                device.model
            )));
        }
    };
    if said.trim() == device.model {
        return Ok(());
    }
    Err(Failure::input(format_args!(
        "the model of {} is `{}`, not `{}`; nothing was written",
        device.path().display(),
        device.model,
        said.trim()
    )))
}

fn bar(length: u64, quiet: bool) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        // On a pipe it draws nothing.
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let template = "{msg:8} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message("writing");
    bar
}

fn failure(path: &Path, error: FlashError) -> Failure {
    if let FlashError::Open(source) = &error
        && source.kind() == std::io::ErrorKind::PermissionDenied
    {
        return Failure::machine(format_args!(
            "`{}`: {error}; disks are written by root (`sudo`), or by the members of their group, which is often `disk` (`ls -l` shows it)",
            path.display()
        ));
    }
    Failure::machine(format_args!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_is_told_where_this_user_may_not() {
        let said = |kind: std::io::ErrorKind| {
            let error = FlashError::Open(kind.into());
            format!("{:?}", failure(Path::new("/dev/sdb"), error))
        };
        assert!(said(std::io::ErrorKind::PermissionDenied).contains("(`sudo`)"));
        assert!(!said(std::io::ErrorKind::ResourceBusy).contains("sudo"));
    }
}
