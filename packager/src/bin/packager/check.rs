//! `packager check`: will this image start?

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use cli::{Failure, Fault};
use packager::disk::check::{Expected, Report, check, codes};
use packager::finding::Finding;
use serde_json::json;

use crate::report;

/// Check that a disk image will start a PC: partition table, file system, boot loaders, kernel and initramfs.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  packager check simple.img                        what is there must work
  packager check simple.img --firmware both        and must start by BIOS and by UEFI
  packager check --explain no-active-partition")]
pub(crate) struct CheckArgs {
    /// The image
    #[arg(required_unless_present = "explain")]
    image: Option<PathBuf>,

    /// What must be able to start the image [default: what it has a boot loader for]
    #[arg(long, value_name = "KIND", value_enum)]
    firmware: Option<Firmware>,

    /// Explain a finding
    #[arg(long, value_name = "CODE", conflicts_with = "image")]
    explain: Option<String>,

    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
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
    let file = codec::file::open(path).map_err(report::read)?;
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::machine(format_args!("cannot read `{}`: {error}", path.display()))
    };
    let length = file.metadata().map_err(|error| unreadable(&error))?.len();
    let expected = Expected {
        bios: matches!(args.firmware, Some(Firmware::Both | Firmware::Bios)),
        uefi: matches!(args.firmware, Some(Firmware::Both | Firmware::Uefi)),
    };
    let report = check(&file, length, expected).map_err(|error| unreadable(&error))?;
    let text = if args.json {
        as_json(&report)
    } else {
        as_text(&report)
    };
    cli::print(text.as_bytes())?;
    if report.passes() {
        return Ok(());
    }
    Err(Failure::reported(Fault::Input))
}

fn as_text(report: &Report) -> String {
    let mut out = String::new();
    for fact in &report.facts {
        out += &format!("{fact}\n");
    }
    for finding in &report.findings {
        out += &format!(
            "{finding}\n  {}\n  way out: {}\n",
            finding.code.explanation, finding.code.way_out
        );
    }
    out += match (report.passes(), report.findings.is_empty()) {
        (true, true) => "nothing is wrong\n",
        (true, false) => "it starts, as far as can be seen\n",
        (false, _) => "it does not start\n",
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

fn explain(name: &str) -> Result<(), Failure> {
    let Some(code) = codes::ALL.iter().find(|code| code.name == name) else {
        let names: Vec<_> = codes::ALL.iter().map(|code| code.name).collect();
        return Err(Failure::usage(format_args!(
            "there is no finding `{name}`; there are {}",
            names.join(", ")
        )));
    };
    let text = format!(
        "{} ({})\n\n{}\n\nWay out: {}\n",
        code.name, code.severity, code.explanation, code.way_out
    );
    cli::print(text.as_bytes())
}
