//! `packager check`: will this disk image, or this initramfs, start?

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum};
use cli::{Failure, Fault};
use packager::disk::check::{Expected, check, check_uki, codes};
use packager::disk::syslinux::Pieces;
use packager::finding::{Code, Finding, Report};
use packager::inspect;
use packager::inspect::check::{Booted, check_segments};
use packager::kernel::{Kernel, KernelChoice, version_of};
use serde_json::json;

use crate::args::KernelArgs;
use crate::convert::{unreadable, word};
use crate::medium::Disk;
use crate::{complete, input, medium, report};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  packager check simple.img                        what is there must work
  packager check simple.img --firmware both        and must start by BIOS and by UEFI
  packager check linux.efi                         a unified kernel image
  packager check simple.igz --root /               an initramfs, for this machine's kernel of its version
  packager initramfs -o - | packager check -       what another program writes
  packager check --explain no-active-partition")]
pub(crate) struct CheckArgs {
    /// The image; - is standard input
    #[arg(required_unless_present = "explain")]
    image: Option<PathBuf>,

    /// What must be able to start a disk image [default: what it has a boot loader for]
    #[arg(long, value_name = "KIND", value_enum)]
    firmware: Option<Firmware>,

    /// Explain a finding
    #[arg(long, value_name = "CODE", conflicts_with = "image", add = complete::findings())]
    explain: Option<String>,

    /// Print the findings as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten, next_help_heading = "An initramfs's kernel")]
    kernel: KernelArgs,
}

/// The values of `--firmware`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Firmware {
    Both,
    Bios,
    Uefi,
}

pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    if let Some(name) = &args.explain {
        return explain(name);
    }
    let Some(path) = &args.image else {
        return Err(Failure::usage("an image is needed"));
    };
    let file = input::open(path)?;
    let metadata = file.metadata();
    let length = metadata.map_err(|error| unreadable(path, &error))?.len();
    if length == 0 {
        return Err(Failure::input(format_args!(
            "`{}` is empty; make the image anew, and see whether the disk is full",
            path.display()
        )));
    }
    if input::is_initramfs(&file) {
        return finish(&check_initramfs(path, &file, &args.kernel)?, args.json);
    }
    if let Some(report) = check_program(path, &file)? {
        return finish(&report, args.json);
    }
    let disk = Disk::open(path, &file)?;
    if disk.length() % 512 != 0 && !input::has_boot_signature(&file) {
        return Err(Failure::input(format_args!(
            "`{}` is neither an initramfs, nor a unified kernel image, nor a disk image",
            path.display()
        )));
    }
    let expected = Expected {
        bios: matches!(args.firmware, Some(Firmware::Both | Firmware::Bios)),
        uefi: matches!(args.firmware, Some(Firmware::Both | Firmware::Uefi)),
        boot_record: Pieces::find(None).ok().map(|pieces| pieces.boot_record),
    };
    let report = check(&disk, disk.length(), expected);
    let report = report.map_err(|error| medium::failed(path, &error))?;
    finish(&report, args.json)
}

/// Prints the report; errors in it are the exit code's.
fn finish(report: &Report, json: bool) -> Result<(), Failure> {
    let text = if json {
        as_json(report)
    } else {
        as_text(report)
    };
    cli::print(text.as_bytes())?;
    if report.passes() {
        return Ok(());
    }
    Err(Failure::reported(Fault::Input))
}

/// The report on an EFI program of kernel and initramfs; `None` where the file is none.
fn check_program(path: &Path, file: &File) -> Result<Option<Report>, Failure> {
    if !input::is_program(file) {
        return Ok(None);
    }
    let bytes = input::map(path, file)?;
    if version_of(&bytes).is_some() {
        return Err(Failure::input(format_args!(
            "`{}` is a kernel; what it boots is checked: `packager check INITRAMFS --kernel {}`",
            path.display(),
            word(path)
        )));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(check_uki(&name, &bytes))
}

/// An initramfs, and the kernel that the options name; if they do not say which one, the one whose modules are inside.
fn check_initramfs(path: &Path, file: &File, args: &KernelArgs) -> Result<Report, Failure> {
    let image = input::map(path, file)?;
    let (segments, end) = inspect::readable_segments(&image);
    let kernel = kernel(inspect::kernel_version(&segments), args)?;
    let Some(kernel) = kernel else {
        let mut report = check_segments(&image, &segments, end, Booted::default());
        report.facts.push(
            "no kernel was looked at, so that what it must be able to do is not checked; name one with --root, --deb or --kernel"
                .to_owned(),
        );
        return Ok(report);
    };
    let config = kernel.tree.config();
    let config = config.map_err(|error| report::kernel(error.into()))?;
    let booted = Booted {
        version: Some(kernel.version()),
        config,
    };
    Ok(check_segments(&image, &segments, end, booted))
}

/// The kernel of this version if it is there, else the one that would be taken without; `None` where none is named, and this machine
/// has not got that version.
fn kernel(version: Option<String>, args: &KernelArgs) -> Result<Option<Kernel>, Failure> {
    let open = |choice: &KernelChoice| Kernel::open(&args.source(), choice);
    let choice = args.choice();
    let is_named = args.named_source().is_some() || !matches!(choice, KernelChoice::Default);
    let inside = match choice {
        KernelChoice::Default => version.map(|version| open(&KernelChoice::Version(version))),
        _ => None,
    };
    match inside {
        Some(Ok(kernel)) => Ok(Some(kernel)),
        _ if !is_named => Ok(None),
        inside => match (open(&choice), inside) {
            (Ok(kernel), _) => Ok(Some(kernel)),
            // That the version is not there says more.
            (Err(_), Some(Err(error))) | (Err(error), _) => Err(report::kernel(error)),
        },
    }
}

fn as_text(result: &Report) -> String {
    let mut out = String::new();
    for fact in &result.facts {
        out += &format!("{fact}\n");
    }
    out += &report::findings(result.findings.iter());
    out += match (result.passes(), result.findings.is_empty()) {
        (true, true) => "nothing is wrong\n",
        (true, false) => "it works, as far as can be seen\n",
        (false, _) => "it does not work\n",
    };
    out
}

fn as_json(report: &Report) -> String {
    let finding = |finding: &Finding| {
        json!({
            "code": finding.code.name,
            "severity": finding.code.severity.to_string(),
            "seen": finding.seen,
            "explanation": finding.code.explanation,
            "way_out": finding.code.way_out,
        })
    };
    let findings: Vec<_> = report.findings.iter().map(finding).collect();
    let json = json!({ "facts": report.facts, "findings": findings, "passes": report.passes() });
    format!("{json:#}\n")
}

/// All findings that there are, about disks and initramfs images.
pub(crate) fn codes() -> impl Iterator<Item = &'static Code> {
    codes::ALL.iter().chain(inspect::check::codes::ALL).copied()
}

fn explain(name: &str) -> Result<(), Failure> {
    let Some(code) = codes().find(|code| code.name == name) else {
        let names: Vec<_> = codes().map(|code| code.name).collect();
        let mut near = suggest::near(name, names.iter().copied());
        // Codes are long: the word that is meant may be one of several.
        if near.is_empty() {
            let words = names.iter().flat_map(|name| name.split('-'));
            let words = suggest::near(name, words);
            let has_word = |code: &&&str| {
                words
                    .iter()
                    .any(|word| code.split('-').any(|it| it == *word))
            };
            near = names.iter().filter(has_word).copied().collect();
        }
        return Err(Failure::usage(match near.as_slice() {
            [] => format!(
                "there is no finding `{name}`; there are {}",
                names.join(", ")
            ),
            near => format!("there is no finding `{name}`{}", suggest::question(near)),
        }));
    };
    let text = format!(
        "{} ({})\n\n{}\n\nWay out: {}\n",
        code.name, code.severity, code.explanation, code.way_out
    );
    cli::print(text.as_bytes())
}
