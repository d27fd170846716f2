//! `packager image`: a disk image that boots, from the same inputs as an initramfs.

mod given;
mod options;
mod uefi;
mod values;
mod verdict;

use std::path::{Path, PathBuf};
use std::thread;

use clap::Args as ClapArgs;
use cli::Failure;
use packager::disk::fat::{FatKind, Label};
use packager::disk::iso::{Iso, Isolinux, IsolinuxError};
use packager::disk::mbr::PartitionType;
use packager::disk::menu::Menu;
use packager::disk::syslinux::{Pieces, PiecesError};
use packager::disk::{ImageRecipe, SparseImage, TableKind, Uefi};
use packager::timing::Timings;

use crate::content::{Content, ContentArgs};
use crate::convert::{self, Format};
use crate::depfile::DepfileArgs;
use crate::menu::MenuArgs;
use crate::progress::Progress;
use crate::recipe::source_date_epoch;
use crate::report;
use crate::values::{parse_serial, parse_signature, parse_size};
use given::Given;
use values::{Fat, Firmware, Table, Type};

/// The headings of the options.
const LOADERS: &str = "Boot loaders";
const LAYOUT: &str = "Partition table and file system";

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  packager image --keymap es -o simple.img              this machine's kernel, with a Spanish keyboard
  packager image --firmware bios --size 64M             for a BIOS only, with room for more files
  packager image --uki                                  UEFI starts one program, which can be signed
  packager image --initramfs simple.igz --append 'quiet console=ttyS0'
  packager image --entry 'rescue=break=root' --timeout 5 -o menu.img
  packager image -o simple.iso                          a CD, and a stick as well
  packager boot simple.img                              try it in QEMU")]
pub(crate) struct ImageArgs {
    // The first, because the others take their values away.
    #[command(flatten)]
    given: Given,

    /// The image to write
    #[arg(short, long, value_name = "FILE", default_value = "simple.img")]
    output: PathBuf,

    /// What starts the PC
    #[arg(long, value_name = "KIND", value_enum, default_value = "both", help_heading = LOADERS)]
    firmware: Firmware,

    /// For UEFI, put kernel and initramfs into one program instead of using systemd-boot
    #[arg(long, help_heading = LOADERS)]
    uki: bool,

    /// The image's format; those of virtual machines through qemu-img [default: by the output's suffix; else raw]
    #[arg(long, value_name = "NAME", value_enum)]
    format: Option<Format>,

    /// The file system [default: 32; on a CD 16]
    #[arg(long, value_name = "BITS", value_enum, help_heading = LAYOUT)]
    fat: Option<Fat>,

    /// The image's size in bytes, or with K, M, G or T [default: as small as the files allow]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = LAYOUT)]
    size: Option<u64>,

    /// The file system's label
    #[arg(long, value_name = "NAME", default_value = "SIMPLE", help_heading = LAYOUT)]
    label: String,

    /// The file system's serial number, which Linux calls its UUID [default: from the contents]
    #[arg(long, value_name = "XXXX-XXXX", value_parser = parse_serial, help_heading = LAYOUT)]
    serial: Option<u32>,

    /// An MBR's disk signature, by which Linux names the partition (PARTUUID) [default: from the contents]
    #[arg(long, value_name = "XXXXXXXX", value_parser = parse_signature, help_heading = LAYOUT)]
    disk_signature: Option<u32>,

    /// The partition table; none makes the whole disk a file system [default: mbr]
    #[arg(long, value_name = "KIND", value_enum, help_heading = LAYOUT)]
    table: Option<Table>,

    /// The partition's type in an MBR: FAT, or an EFI system partition, which some firmware insists on [default: fat]
    #[arg(long, value_name = "TYPE", value_enum, help_heading = LAYOUT)]
    partition_type: Option<Type>,

    /// Where syslinux is: its program, or ldlinux.bss, ldlinux.sys and ldlinux.c32; and mbr.bin; or a root, or an unpacked
    /// package, in which it is installed [default: /]
    #[arg(long, value_name = "DIR", help_heading = LOADERS)]
    syslinux: Option<PathBuf>,

    /// Where isolinux.bin, isohdpfx.bin and ldlinux.c32 are, for a CD; or a root, or an unpacked package, in which they are
    /// installed [default: /]
    #[arg(long, value_name = "DIR", help_heading = LOADERS)]
    isolinux: Option<PathBuf>,

    /// systemd's boot loader [default: the installed systemd-bootx64.efi]
    #[arg(long, value_name = "FILE", conflicts_with = "uki", help_heading = LOADERS)]
    systemd_boot: Option<PathBuf>,

    /// With --uki: systemd's stub [default: the installed linuxx64.efi.stub]
    #[arg(long, value_name = "FILE", requires = "uki", help_heading = LOADERS)]
    stub: Option<PathBuf>,

    /// Let UEFI start this program, for example a signed one that `packager uki` has made; it has its own kernel, initramfs and
    /// command line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["uki", "systemd_boot"], help_heading = LOADERS)]
    efi: Option<PathBuf>,

    #[command(flatten)]
    depfile: DepfileArgs,

    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,

    /// Print how long each phase took
    #[arg(long)]
    timings: bool,

    #[command(flatten, next_help_heading = "Kernel and initramfs")]
    content: ContentArgs,

    #[command(flatten, next_help_heading = "Boot menu")]
    menu: MenuArgs,
}

pub(crate) fn run(args: ImageArgs) -> Result<(), Failure> {
    let format = args
        .format
        .unwrap_or_else(|| Format::by_suffix(&args.output));
    if args.output == Path::new("-") {
        return Err(Failure::usage(
            "a disk image has holes, which standard output has not; name a file, and `./-` for one that is called so",
        ));
    }
    report::check_output(&args.output, args.named())?;
    args.depfile.check(&args.output)?;
    let progress = Progress::new("making the disk image");
    let parts = Parts::new(&args, format)?;
    let mut timings = Timings::default();
    let content = match args.is_program_alone() {
        true => None,
        false => Some(args.content.load_unchecked(&mut timings)?),
    };
    let content = content.as_ref();
    if let Some(content) = content {
        content.check_output(&args.output)?;
    }
    let inputs = || {
        args.named()
            .chain(parts.files())
            .chain(Content::inputs(content))
    };
    args.depfile.check_inputs(inputs())?;
    // The check takes about as long as writing, and nothing else depends on it but the output's name.
    let made = thread::scope(|scope| {
        let judge = |content| args.content.judge(content, args.quiet);
        let check = scope.spawn(move || content.map_or(Ok(()), judge));
        let uefi = timings.measure("efi program", || args.uefi(content))?;
        let (uefi, uefi_file) = uefi.unzip();
        args.depfile.check_inputs(uefi_file.as_deref())?;
        let started = args.started(content, uefi.as_ref());
        let booted = Booted::new(content)?;
        let recipe = args.recipe(&parts, booted, uefi);
        let approve = || {
            check
                .join()
                .unwrap_or_else(|_| Err(Failure::machine("the check failed")))
        };
        let image = timings.measure("layout", || args.lay_out(&parts, booted, recipe))?;
        timings.measure("writing", || {
            convert::write(&args.output, &image, parts.format.into(), approve)
        })?;
        Ok(Made {
            length: image.length(),
            stored: image.stored(),
            started,
            verdict: args.verdict(&parts, &image),
            uefi_file,
        })
    })?;
    let inputs = inputs().chain(made.uefi_file.as_deref());
    args.depfile.write(&[&args.output], inputs.collect())?;
    drop(progress);
    args.tell(content, &made, &timings);
    Ok(())
}

/// What both firmwares boot; nothing where UEFI has a program of its own.
#[derive(Clone, Copy)]
struct Booted<'a> {
    kernel: &'a [u8],
    version: &'a str,
    initramfs: &'a [u8],
    /// Seconds since 1970.
    time: u64,
}

impl<'a> Booted<'a> {
    fn new(content: Option<&'a Content>) -> Result<Self, Failure> {
        Ok(match content {
            Some(content) => Self {
                kernel: &content.kernel,
                version: &content.version,
                initramfs: &content.initramfs,
                time: content.time,
            },
            None => Self {
                kernel: &[],
                version: "",
                initramfs: &[],
                time: source_date_epoch()?.into(),
            },
        })
    }
}

/// What does not depend on the kernel, and is looked for before any work is done.
struct Parts {
    format: Format,
    /// What a BIOS starts from a disk, and from a CD.
    syslinux: Option<Pieces>,
    isolinux: Option<Isolinux>,
    /// What isolinux reads.
    isolinux_config: Vec<u8>,
    menu: Menu,
    syslinux_config: Option<Vec<u8>>,
    label: Label,
    fat: FatKind,
}

impl Parts {
    fn new(args: &ImageArgs, format: Format) -> Result<Self, Failure> {
        let is_cd = format == Format::Iso;
        let with_bios = args.firmware != Firmware::Uefi;
        args.check_options(is_cd)?;
        let menu = args.menu.menu(args.content.choice()?)?;
        let syslinux_config = args.menu.config()?;
        let own_config = || menu.syslinux("/").to_string().into_bytes();
        Ok(Self {
            format,
            syslinux: (with_bios && !is_cd).then(|| args.syslinux()).transpose()?,
            isolinux: (with_bios && is_cd).then(|| args.isolinux()).transpose()?,
            isolinux_config: syslinux_config.clone().unwrap_or_else(own_config),
            menu,
            syslinux_config,
            label: Label::new(&args.label).map_err(Failure::usage)?,
            fat: match args.fat {
                Some(Fat::Fat16) => FatKind::Fat16,
                Some(Fat::Fat32) => FatKind::Fat32,
                // What is on a CD needs no more room than its files, and FAT32 begins at 33 MB.
                None if is_cd => FatKind::Fat16,
                None => FatKind::Fat32,
            },
        })
    }

    /// The files of the boot loaders for a BIOS.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let syslinux = self.syslinux.iter().flat_map(|it| &it.files);
        let isolinux = self.isolinux.iter().flat_map(|it| &it.files);
        syslinux.chain(isolinux).map(PathBuf::as_path)
    }
}

/// What people are told of an image: bytes of the whole, and of what is not zero; the kernels that it starts; and what is
/// wrong with a configuration of their own. And the file that UEFI's program is from.
struct Made {
    length: u64,
    stored: u64,
    started: String,
    verdict: String,
    uefi_file: Option<PathBuf>,
}

impl ImageArgs {
    /// The files that the options name.
    fn named(&self) -> impl Iterator<Item = &Path> {
        let programs = [&self.systemd_boot, &self.stub, &self.efi];
        let programs = programs.into_iter().flatten().map(PathBuf::as_path);
        programs
            .chain(self.menu.named())
            .chain(self.content.named())
    }

    fn recipe<'a>(
        &self,
        parts: &'a Parts,
        booted: Booted<'a>,
        uefi: Option<Uefi>,
    ) -> ImageRecipe<'a> {
        let esp = (self.partition_type == Some(Type::Esp)).then_some(PartitionType::EFI_SYSTEM);
        ImageRecipe {
            kernel: booted.kernel,
            version: booted.version,
            initramfs: booted.initramfs,
            menu: &parts.menu,
            syslinux_config: parts.syslinux_config.as_deref(),
            bios: parts.syslinux.as_ref(),
            uefi,
            fat: parts.fat,
            table: match self.table {
                Some(Table::None) => TableKind::None,
                Some(Table::Gpt) => TableKind::Gpt,
                Some(Table::Mbr) | None => TableKind::Mbr,
            },
            partition_type: esp,
            size: self.size,
            label: parts.label,
            serial: self.serial,
            signature: self.disk_signature,
            time: booted.time,
        }
    }

    /// Lays the disk out, or the ISO.
    fn lay_out<'a>(
        &self,
        parts: &'a Parts,
        booted: Booted<'a>,
        recipe: ImageRecipe<'a>,
    ) -> Result<SparseImage<'a>, Failure> {
        match parts.format {
            Format::Iso => self.iso(parts, booted, recipe),
            _ => recipe.build().map_err(Failure::input),
        }
    }

    fn iso<'a>(
        &self,
        parts: &'a Parts,
        booted: Booted<'a>,
        recipe: ImageRecipe<'a>,
    ) -> Result<SparseImage<'a>, Failure> {
        let with_uefi = recipe.uefi.is_some();
        let uefi = with_uefi.then(|| recipe.build_for_cd());
        let isolinux = parts.isolinux.as_ref();
        let iso = Iso {
            kernel: booted.kernel,
            initramfs: booted.initramfs,
            bios: isolinux.map(|it| (it, parts.isolinux_config.as_slice())),
            uefi: uefi.transpose().map_err(Failure::input)?,
            label: parts.label,
            signature: self.disk_signature,
            time: booted.time,
        };
        iso.build().map_err(Failure::input)
    }

    fn syslinux(&self) -> Result<Pieces, Failure> {
        Pieces::find(self.syslinux.as_deref()).map_err(|error| match error {
            PiecesError::Read(error) => report::read(error),
            error @ PiecesError::NotFound { .. } => Failure::machine(error),
            error => Failure::input(error),
        })
    }

    fn isolinux(&self) -> Result<Isolinux, Failure> {
        Isolinux::find(self.isolinux.as_deref()).map_err(|error| match error {
            IsolinuxError::Read(error) => report::read(error),
            error @ IsolinuxError::NotFound { .. } => Failure::machine(error),
            error @ IsolinuxError::Damaged { .. } => Failure::input(error),
        })
    }

    /// What people read, on stderr: notes, times, and the summary.
    fn tell(&self, content: Option<&Content>, made: &Made, timings: &Timings) {
        if let Some(content) = content.filter(|_| !self.quiet) {
            report::notes(&content.notes);
        }
        cli::tell_part!("{}", made.verdict);
        if self.timings {
            report::timings(timings);
        }
        if !self.quiet {
            let firmware = match self.firmware {
                Firmware::Both => "BIOS and UEFI",
                Firmware::Bios => "BIOS",
                Firmware::Uefi => "UEFI",
            };
            cli::tell!(
                "{}: {} ({} used), starts by {firmware}, {}",
                self.output.display(),
                report::size(made.length as usize),
                report::size(made.stored as usize),
                made.started,
            );
        }
    }
}
