//! Programs and what they need to start: interpreters, loaders, libraries, and links that lead somewhere.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use super::codes;
use super::scripts::FOLDERS;
use crate::cpio::Kind;
use crate::elf::Elf;
use crate::finding::Report;
use crate::inspect::{File, Files};

/// Folders of device nodes and of what the kernel shows: links into them lead somewhere once they are mounted.
const MOUNTED: [&str; 4] = ["dev/", "proc/", "sys/", "run/"];

pub(super) fn check(files: &Files<'_>, report: &mut Report) {
    // A static busybox asks for none of them.
    let names = LazyCell::new(|| {
        let names = files.iter().map(|(path, _)| path.rsplit('/').next());
        names.flatten().collect::<BTreeSet<_>>()
    });
    let has_name = |name: &str| names.contains(name);
    for (path, file) in files.iter() {
        match file.attributes.kind {
            Kind::Symlink => check_link(path, file, files, report),
            Kind::File if file.data.starts_with(b"\x7fELF") && !path.contains(".ko") => {
                check_elf(path, file.data, files, has_name, report);
            }
            Kind::File if file.attributes.permissions & 0o111 != 0 => {
                check_script(path, file.data, files, report)
            }
            _ => {}
        }
    }
}

fn check_link(path: &str, file: &File<'_>, files: &Files<'_>, report: &mut Report) {
    if files.follow(path).is_some() {
        return;
    }
    let target = String::from_utf8_lossy(file.data);
    let end = files.leads_to(path).unwrap_or_default();
    let is_mounted = MOUNTED
        .iter()
        .any(|folder| end.starts_with(folder) || path.starts_with(folder));
    if !is_mounted {
        report.find(&codes::DANGLING, format_args!("/{path} -> {target}"));
    }
}

fn check_script(path: &str, data: &[u8], files: &Files<'_>, report: &mut Report) {
    let Some(line) = data
        .strip_prefix(b"#!")
        .and_then(|rest| rest.split(|&byte| byte == b'\n').next())
    else {
        return;
    };
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let Some(program) = words.next() else {
        return;
    };
    check_interpreter(path, program, files, report);
    // env(1) looks for the program that follows its options and settings.
    if program.rsplit('/').next() == Some("env")
        && let Some(name) = words.find(|word| !word.starts_with('-') && !word.contains('='))
        && !name.contains('/')
        && !FOLDERS
            .iter()
            .any(|folder| files.follow(&format!("{folder}/{name}")).is_some())
    {
        report.find(
            &codes::INTERPRETER,
            format_args!("/{path} needs {name}, which env looks for"),
        );
    }
}

/// Whether what starts a program is there, and can be started itself.
fn check_interpreter(path: &str, interpreter: &str, files: &Files<'_>, report: &mut Report) {
    match files.follow(interpreter) {
        None => report.find(
            &codes::INTERPRETER,
            format_args!("/{path} needs {interpreter}"),
        ),
        Some((_, file)) if !is_program(file) => report.find(
            &codes::INTERPRETER,
            format_args!("/{path} needs {interpreter}, which is there, but is no program that may be executed"),
        ),
        Some(_) => {}
    }
}

/// Whether the kernel can start a file: an ELF file, or a script that names its interpreter.
pub(super) fn is_program(file: &File<'_>) -> bool {
    let is_program = file.data.starts_with(b"\x7fELF") || file.data.starts_with(b"#!");
    is_program && file.attributes.kind == Kind::File && file.attributes.permissions & 0o111 != 0
}

fn check_elf(
    path: &str,
    data: &[u8],
    files: &Files<'_>,
    has_name: impl Fn(&str) -> bool,
    report: &mut Report,
) {
    // A library that is no program, or damage that the kernel would tell, is not this check's business.
    let Ok(elf) = Elf::parse(data) else { return };
    if let Some(loader) = &elf.interpreter {
        check_interpreter(path, loader, files, report);
    }
    for library in elf.needed.iter().filter(|name| !has_name(name)) {
        report.find(&codes::LIBRARY, format_args!("/{path} needs {library}"));
    }
}
