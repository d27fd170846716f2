//! Errors with their exit codes, and the words for people.

use std::path::Path;

use cli::Failure;
use codec::Format;
use codec::file::ReadError;
use modtree::index::IndexError;
use modtree::{PackageError, TreeError};
use packager::busybox::BusyboxError;
use packager::cpio::Kind;
use packager::finding::{Finding, Report, Severity};
use packager::inspect::check::codes;
use packager::inspect::size::readable;
use packager::kernel::KernelError;
use packager::libraries::LibraryError;
use packager::qemu::QemuError;
use packager::timing::Timings;
use packager::{InitramfsError, PlanError, names};

pub(crate) fn plan(error: PlanError) -> Failure {
    match error {
        PlanError::Kernel(error) => kernel(error),
        PlanError::Read(error) => read(error),
        PlanError::Source { ref source, .. } if is_machines(source) => Failure::machine(error),
        PlanError::Busybox(BusyboxError::NotFound { .. }) => Failure::machine(error),
        PlanError::Busybox(BusyboxError::Read(error)) => read(error),
        PlanError::Closure(error) if !error.is_input() => Failure::machine(error),
        PlanError::Index(IndexError::Tree(error)) if !error.is_input() => Failure::machine(error),
        PlanError::Library(LibraryError::Read(error)) => read(error),
        PlanError::Library(error @ LibraryError::NotFound { .. }) => Failure::input(format_args!(
            "{error}; programs are named by their absolute paths below --sysroot, which is --root where it is not given"
        )),
        PlanError::Keymap(report) => keymap(&report),
        error => Failure::input(error),
    }
}

pub(crate) fn initramfs(error: InitramfsError) -> Failure {
    match error {
        InitramfsError::Read(error) => read(error),
        error @ InitramfsError::Unsound { .. } => Failure::machine(error),
        error => Failure::input(error),
    }
}

pub(crate) fn kernel(error: KernelError) -> Failure {
    match error {
        KernelError::Read(error) | KernelError::Package(PackageError::Read(error)) => read(error),
        KernelError::Package(error) if !error.is_input() => Failure::machine(error),
        KernelError::Tree(error) if !error.is_input() => Failure::machine(error),
        KernelError::Tree(error @ TreeError::NoKernel { .. }) => Failure::input(format_args!(
            "{error}; name the root of another system with --root, or a kernel's package with --deb"
        )),
        error => Failure::input(error),
    }
}

/// There are modules, and nothing to boot with them.
pub(crate) fn no_image(version: &str) -> Failure {
    Failure::input(format_args!(
        "no image of kernel {version} beside its modules; name one with --kernel FILE"
    ))
}

/// What a check of one's own image has found, but for absent firmware: who packs is told of it by the plan's notes, if it was wanted.
pub(crate) fn of_own(mut report: Report) -> Report {
    report
        .findings
        .retain(|it| it.code.name != codes::FIRMWARE.name);
    report
}

/// Shows what a check of `what` has found, warnings only where that is not too much. With an error among it there will be no output, unless that is wanted.
pub(crate) fn verdict(
    report: &Report,
    no_check: bool,
    quiet: bool,
    what: &str,
) -> Result<(), Failure> {
    let is_told = |it: &&Finding| !quiet || it.code.severity == Severity::Error;
    cli::tell_part!("{}", findings(report.findings.iter().filter(is_told)));
    if report.passes() || no_check {
        return Ok(());
    }
    Err(Failure::input(format_args!(
        "{what} would not work, and nothing is written; --no-check goes on all the same"
    )))
}

/// Refuses an output that would be the end of what it is made from.
pub(crate) fn check_output<'a>(
    output: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), Failure> {
    match cli::input_at(output, inputs) {
        None => Ok(()),
        Some(input) if input == output => Err(Failure::usage(format_args!(
            "`{}` is an input, and would be written over; name another output",
            output.display()
        ))),
        Some(input) => Err(Failure::usage(format_args!(
            "`{}` is the input `{}`, and would be written over; name another output",
            output.display(),
            input.display()
        ))),
    }
}

/// Findings of one code are printed up to so many times: what is wrong with each of 30 modules is wrong with all.
const OF_ONE_CODE: usize = 5;

/// The findings, those of one code together where the first of them stands, with what they mean and the way out.
pub(crate) fn findings<'a>(findings: impl Iterator<Item = &'a Finding>) -> String {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let of_code = |group: &&mut Vec<&Finding>| {
            let first = group.first();
            first.is_some_and(|first| first.code.name == finding.code.name)
        };
        match groups.iter_mut().find(of_code) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    let mut out = String::new();
    for group in groups {
        let Some(code) = group.first().map(|first| first.code) else {
            continue;
        };
        for finding in group.iter().take(OF_ONE_CODE) {
            out += &format!("{finding}\n");
        }
        if let more @ 1.. = group.len().saturating_sub(OF_ONE_CODE) {
            out += &format!("{}[{}]: {more} more like these\n", code.severity, code.name);
        }
        out += &format!("  {}\n  way out: {}\n", code.explanation, code.way_out);
    }
    out
}

/// How long each phase took, on stderr.
pub(crate) fn timings(timings: &Timings) {
    for (phase, time) in timings.phases() {
        cli::tell!("{phase:>12}: {:8.2} ms", time.as_secs_f64() * 1e3);
    }
}

/// What the user should know, on stderr.
pub(crate) fn notes(notes: &[String]) {
    for note in notes {
        cli::note!("{note}");
    }
}

pub(crate) fn qemu(error: QemuError) -> Failure {
    Failure::machine(error)
}

/// A file that is not there, or is not what it should be, is the caller's; a failing disk is the machine's.
pub(crate) fn read(error: ReadError) -> Failure {
    match is_machines(&error) {
        true => Failure::machine(error),
        false => Failure::input(error),
    }
}

/// Whether the machine is at fault, and not who named a file that is not there or no regular one.
fn is_machines(error: &ReadError) -> bool {
    matches!(error, ReadError::Io { .. }) && !error.is_not_found()
}

fn keymap(report: &kmap::Report) -> Failure {
    if report.is_machine_fault() {
        Failure::machine(report)
    } else {
        Failure::input(report)
    }
}

/// A size for people, in units of 1000 bytes.
pub(crate) fn size(bytes: usize) -> String {
    readable(bytes as u64)
}

/// How something is compressed.
pub(crate) fn format_name(format: Option<Format>) -> String {
    format.map_or("not compressed".to_owned(), |format| format.to_string())
}

/// As `ls -l` shows type and permissions: `drwxr-xr-x`.
pub(crate) fn permissions(kind: Kind, permissions: u32) -> String {
    let mut out = kind.letter().to_string();
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = permissions >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, permissions & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

/// A device's numbers, major and minor.
pub(crate) fn device(kind: Kind) -> Option<[u32; 2]> {
    match kind {
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            Some([major, minor])
        }
        _ => None,
    }
}

/// The size in bytes, or a device's numbers.
pub(crate) fn extent(kind: Kind, length: usize) -> String {
    match device(kind) {
        Some([major, minor]) => format!("{major}, {minor}"),
        None => length.to_string(),
    }
}

/// The path, and where a symbolic link points to.
pub(crate) fn name(path: &[u8], kind: Kind, data: &[u8]) -> String {
    let path = escaped(path);
    match target(kind, data) {
        Some(target) => format!("{path} -> {target}"),
        None => path,
    }
}

/// Where a symbolic link points to.
pub(crate) fn target(kind: Kind, data: &[u8]) -> Option<String> {
    (kind == Kind::Symlink).then(|| escaped(data))
}

pub(crate) fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Directory => "directory",
        Kind::File => "file",
        Kind::Symlink => "symlink",
        Kind::CharacterDevice { .. } => "character device",
        Kind::BlockDevice { .. } => "block device",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::Unknown(_) => "unknown",
    }
}

/// A name that shows what it is and cannot drive the terminal.
pub(crate) fn escaped(name: &[u8]) -> String {
    names::shown(&names::text(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_as_in_ls() {
        assert_eq!(permissions(Kind::Directory, 0o1777), "drwxrwxrwt");
        assert_eq!(permissions(Kind::File, 0o4711), "-rws--x--x");
        assert_eq!(permissions(Kind::File, 0o2640), "-rw-r-S---");
    }

    #[test]
    fn control_characters_in_names_are_shown() {
        assert_eq!(name(b"a\x1b[2J\n", Kind::File, b""), "a\\u{1b}[2J\\n");
    }
}
