//! `packager image`: a disk image that boots, from the same inputs as an initramfs.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use cli::Failure;
use packager::disk::fat::{FatKind, Label};
use packager::disk::mbr::PartitionType;
use packager::disk::syslinux::{Pieces, PiecesError};
use packager::disk::uki::{self, Uki, UkiError, find_boot_loader, find_stub};
use packager::disk::{ImageRecipe, SparseImage, TableKind, Uefi};
use packager::timing::Timings;

use crate::content::{Content, ContentArgs};
use crate::convert::{self, Format};
use crate::progress::Progress;
use crate::report;
use crate::uki::failure;

/// Make a disk image that starts a PC from USB or disk, by BIOS and by UEFI: partition table, FAT, boot loaders, kernel and
/// initramfs in one file.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  packager image --keymap es -o simple.img              this machine's kernel, with a Spanish keyboard
  packager image --firmware bios --size 64M             for a BIOS only, with room for more files
  packager image --uki                                  UEFI starts one program, which can be signed
  packager image --initramfs simple.igz --append 'quiet console=ttyS0'
  packager boot simple.img                              try it in QEMU")]
pub(crate) struct ImageArgs {
    /// The image to write
    #[arg(short, long, value_name = "FILE", default_value = "simple.img")]
    output: PathBuf,

    #[command(flatten)]
    content: ContentArgs,

    /// What starts the PC
    #[arg(long, value_name = "KIND", value_enum, default_value = "both")]
    firmware: Firmware,

    /// For UEFI, put kernel and initramfs into one program instead of using systemd-boot
    #[arg(long)]
    uki: bool,

    /// The image's format; all but raw through qemu-img [default: by the output's suffix; else raw]
    #[arg(long, value_name = "NAME", value_enum)]
    format: Option<Format>,

    /// The file system
    #[arg(long, value_name = "BITS", value_enum, default_value = "32")]
    fat: Fat,

    /// The image's size in bytes, or with K, M or G [default: as small as the files allow]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    size: Option<u64>,

    /// The file system's label
    #[arg(long, value_name = "NAME", default_value = "SIMPLE")]
    label: String,

    /// The file system's serial number, which Linux calls its UUID [default: from the contents]
    #[arg(long, value_name = "XXXX-XXXX", value_parser = parse_serial)]
    serial: Option<u32>,

    /// The partition table
    #[arg(long, value_name = "KIND", value_enum, default_value = "mbr")]
    table: Table,

    /// The partition's type in an MBR: FAT, or an EFI system partition, which some firmware insists on
    #[arg(long, value_name = "TYPE", value_enum, default_value = "fat")]
    partition_type: Type,

    /// How many seconds the boot loader waits for another choice
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..3600))]
    timeout: u32,

    /// Let a BIOS's boot loader talk to the first serial port as well (115200 baud)
    #[arg(long)]
    serial_console: bool,

    /// Where syslinux is: its program, or ldlinux.bss, ldlinux.sys and ldlinux.c32; and mbr.bin [default: the installed one]
    #[arg(long, value_name = "DIR")]
    syslinux: Option<PathBuf>,

    /// systemd's boot loader [default: the installed systemd-bootx64.efi]
    #[arg(long, value_name = "FILE", conflicts_with = "uki")]
    systemd_boot: Option<PathBuf>,

    /// With --uki: systemd's stub [default: the installed linuxx64.efi.stub]
    #[arg(long, value_name = "FILE", requires = "uki")]
    stub: Option<PathBuf>,

    /// Let UEFI start this program, for example a signed one that `packager uki` has made
    #[arg(long, value_name = "FILE", conflicts_with_all = ["uki", "systemd_boot"])]
    efi: Option<PathBuf>,

    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,

    /// Print how long each phase took
    #[arg(long)]
    timings: bool,
}

/// The values of `--firmware`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Firmware {
    Both,
    Bios,
    Uefi,
}

/// The values of `--fat`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Fat {
    #[value(name = "16")]
    Fat16,
    #[value(name = "32")]
    Fat32,
}

/// The values of `--table`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Table {
    Mbr,
    Gpt,
}

/// The values of `--partition-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Type {
    Fat,
    Esp,
}

pub(crate) fn run(args: ImageArgs) -> Result<(), Failure> {
    let format = args
        .format
        .unwrap_or_else(|| Format::by_suffix(&args.output));
    let label = Label::new(&args.label).map_err(Failure::usage)?;
    let progress = Progress::new("making the disk image");
    let mut timings = Timings::default();
    let bios = args.bios()?;
    let content = args.content.load(&mut timings)?;
    let uefi = timings.measure("efi program", || args.uefi(&content))?;
    let recipe = ImageRecipe {
        kernel: &content.kernel,
        version: &content.version,
        initramfs: &content.initramfs,
        append: &args.content.append,
        bios: bios.as_ref(),
        uefi,
        fat: match args.fat {
            Fat::Fat16 => FatKind::Fat16,
            Fat::Fat32 => FatKind::Fat32,
        },
        table: match args.table {
            Table::Mbr => TableKind::Mbr,
            Table::Gpt => TableKind::Gpt,
        },
        partition_type: (args.partition_type == Type::Esp).then_some(PartitionType::EFI_SYSTEM),
        size: args.size,
        label,
        serial: args.serial,
        timeout: args.timeout,
        serial_console: args.serial_console.then_some((0, 115_200)),
        time: content.time,
    };
    let image = timings
        .measure("layout", || recipe.build())
        .map_err(Failure::input)?;
    timings.measure("writing", || convert::write(&args.output, &image, format))?;
    drop(progress);
    args.tell(&content, &image, &timings);
    Ok(())
}

impl ImageArgs {
    fn bios(&self) -> Result<Option<Pieces>, Failure> {
        if self.firmware == Firmware::Uefi {
            return Ok(None);
        }
        match Pieces::find(self.syslinux.as_deref()) {
            Ok(pieces) => Ok(Some(pieces)),
            Err(PiecesError::Read(error)) => Err(report::read(error)),
            Err(error @ PiecesError::NotFound { .. }) => Err(Failure::machine(error)),
            Err(error) => Err(Failure::input(error)),
        }
    }

    fn uefi(&self, content: &Content) -> Result<Option<Uefi>, Failure> {
        if self.firmware == Firmware::Bios {
            return Ok(None);
        }
        self.uefi_program(content).map(Some).map_err(failure)
    }

    fn uefi_program(&self, content: &Content) -> Result<Uefi, UkiError> {
        if let Some(path) = &self.efi {
            return Ok(Uefi::Unified(uki::read_program(path)?));
        }
        if !self.uki {
            let loader = find_boot_loader(self.systemd_boot.as_deref())?;
            uki::check_kernel(&content.kernel, &loader)?;
            return Ok(Uefi::BootLoader(loader));
        }
        let stub = find_stub(self.stub.as_deref())?;
        let uki = Uki {
            stub: &stub,
            kernel: &content.kernel,
            initramfs: &content.initramfs,
            append: &self.content.append,
            version: &content.version,
            os_release: &uki::os_release(&content.version),
        };
        uki.build().map(Uefi::Unified)
    }

    /// What people read, on stderr: notes, times, and the summary.
    fn tell(&self, content: &Content, image: &SparseImage<'_>, timings: &Timings) {
        if !self.quiet {
            for note in &content.notes {
                eprintln!("note: {note}");
            }
        }
        if self.timings {
            for (phase, time) in timings.phases() {
                eprintln!("{phase:>12}: {:8.2} ms", time.as_secs_f64() * 1e3);
            }
        }
        if !self.quiet {
            let firmware = match self.firmware {
                Firmware::Both => "BIOS and UEFI",
                Firmware::Bios => "BIOS",
                Firmware::Uefi => "UEFI",
            };
            eprintln!(
                "{}: {} ({} used), starts by {firmware}, kernel {}",
                self.output.display(),
                report::size(image.length() as usize),
                report::size(image.stored() as usize),
                content.version,
            );
        }
    }
}

/// A number of bytes; K, M and G are 1024 of the one before.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let shift = match text.trim_end_matches(['i', 'B']).bytes().last() {
        Some(b'K' | b'k') => 10,
        Some(b'M' | b'm') => 20,
        Some(b'G' | b'g') => 30,
        _ => 0,
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let size = digits.parse::<u64>().ok();
    size.and_then(|size| size.checked_mul(1 << shift))
        .ok_or_else(|| "a number of bytes is needed, or one with K, M or G: 64M".to_owned())
}

fn parse_serial(text: &str) -> Result<u32, String> {
    let digits = text.replacen('-', "", 1);
    match u32::from_str_radix(&digits, 16) {
        Ok(serial) if digits.len() == 8 => Ok(serial),
        _ => Err("eight hexadecimal digits are needed: 1234-ABCD".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_serials() {
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("1000"), Ok(1000));
        assert!(parse_size("M").is_err());
        assert!(parse_size("99999999999G").is_err());
        assert_eq!(parse_serial("1234-ABCD"), Ok(0x1234_abcd));
        assert!(parse_serial("1234").is_err());
    }
}
