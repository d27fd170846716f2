//! Programs and what they need to start: interpreters, loaders, libraries, and links that lead somewhere.

mod libraries;
mod parsed;

use object::elf::Machine as Number;

use super::scripts::search_path;
use super::{Booted, codes};
use crate::cpio::Kind;
use crate::elf;
use crate::finding::Report;
use crate::inspect::{File, Files};
use parsed::Parsed;

/// Folders of device nodes and of what the kernel shows: links into them lead somewhere once they are mounted.
const MOUNTED: [&str; 4] = ["dev/", "proc/", "sys/", "run/"];

pub(super) fn check(files: &Files<'_>, kernel: Booted<'_>, report: &mut Report) {
    let parsed = Parsed::default();
    let machine = Machine::of(files, kernel, &parsed);
    let libraries = libraries::Libraries::new(files, &parsed);
    let mut last = None;
    for (path, file) in files.iter() {
        match file.attributes.kind {
            Kind::Symlink => {
                // Most links are busybox's applets, which all lead to it.
                let place = in_own_folder(path, file);
                let is_known = place.is_some() && last == place;
                if !is_known && check_link(path, file, files, report) {
                    last = place;
                }
            }
            Kind::File if is_elf(path, file) => {
                // A library that is no program, or damage, is told where the file is needed.
                let elf = parsed.elf(file.data);
                let Ok(elf) = &*elf else {
                    continue;
                };
                if let Some(loader) = &elf.interpreter {
                    check_interpreter(path, loader, files, &machine, report);
                }
                libraries.check(path, elf, report);
            }
            Kind::File if file.attributes.permissions & 0o111 != 0 => {
                check_script(path, file.data, files, &machine, report)
            }
            _ => {}
        }
    }
    if let Some((_, init)) = files.follow("init")
        && let Some(problem) = machine.refuses(init.data)
    {
        report.find(&codes::NO_PROGRAM, format_args!("/init {problem}"));
    }
}

/// Whether a file is a program or a library: modules are ELF files, too.
fn is_elf(path: &str, file: &File<'_>) -> bool {
    file.data.starts_with(b"\x7fELF") && !path.contains(".ko")
}

/// Whose programs the kernel starts.
struct Machine<'a, 'image> {
    /// `e_machine` of the first module that is not compressed.
    modules: Option<u16>,
    kernel: Booted<'a>,
    parsed: &'a Parsed<'image>,
}

/// Options of kernels, and the machines that they say are taken.
const MACHINES: [(&str, Number); 9] = [
    ("CONFIG_X86_64", object::elf::EM_X86_64),
    ("CONFIG_X86_32", object::elf::EM_386),
    ("CONFIG_SPARC64", object::elf::EM_SPARCV9),
    ("CONFIG_ARM64", object::elf::EM_AARCH64),
    ("CONFIG_ARM", object::elf::EM_ARM),
    ("CONFIG_S390", object::elf::EM_S390),
    ("CONFIG_RISCV", object::elf::EM_RISCV),
    ("CONFIG_PPC64", object::elf::EM_PPC64),
    ("CONFIG_LOONGARCH", object::elf::EM_LOONGARCH),
];

/// 64-bit machines, and those whose 32-bit programs their kernels start, too (CONFIG_COMPAT).
const COMPATIBLE: [(Number, Number); 5] = [
    (object::elf::EM_X86_64, object::elf::EM_386),
    (object::elf::EM_AARCH64, object::elf::EM_ARM),
    (object::elf::EM_PPC64, object::elf::EM_PPC),
    (object::elf::EM_SPARCV9, object::elf::EM_SPARC),
    (object::elf::EM_SPARCV9, object::elf::EM_SPARC32PLUS),
];

impl<'a, 'image> Machine<'a, 'image> {
    fn of(files: &Files<'image>, kernel: Booted<'a>, parsed: &'a Parsed<'image>) -> Self {
        let mut modules = files.modules();
        Self {
            modules: modules.find_map(|module| elf::machine(module.file.data)),
            kernel,
            parsed,
        }
    }

    /// The machine whose kernel it is, where that starts no programs of this one; `None` also where nothing says what it is.
    fn foreign(&self, machine: u16) -> Option<u16> {
        let machine = Number(machine);
        if self.modules == Some(machine.0) {
            return None;
        }
        let is_compatible = |own: &Number| COMPATIBLE.contains(&(*own, machine));
        let Some(config) = self.kernel.config else {
            // Kernels of distributions have the option.
            return self.modules.filter(|own| !is_compatible(&Number(*own)));
        };
        let is_set = |option: &str| config.get(option) == Some("y");
        let set = MACHINES.iter().filter(|(option, _)| is_set(option));
        let taken: Vec<Number> = set.map(|(_, machine)| *machine).collect();
        let is_taken =
            taken.contains(&machine) || taken.iter().any(is_compatible) && is_set("CONFIG_COMPAT");
        let own = taken.first().filter(|_| !is_taken);
        own.map(|own| own.0)
    }

    /// Why the kernel does not start an ELF file, if so; nothing is said of others.
    fn refuses(&self, data: &'image [u8]) -> Option<String> {
        if !data.starts_with(b"\x7fELF") {
            return None;
        }
        let elf = self.parsed.elf(data);
        let elf = match &*elf {
            Ok(elf) => elf,
            Err(problem) => return Some(format!("is a damaged program: {problem}")),
        };
        let own = self.foreign(elf.machine)?;
        Some(format!(
            "is a program for {}, and the kernel is for {}",
            elf::machine_name(elf.machine),
            elf::machine_name(own)
        ))
    }
}

/// Where a link leads to a name in its own directory, and not to itself: the directory and the name. Whether something is there
/// does not depend on the link.
fn in_own_folder<'files>(
    path: &'files str,
    file: &File<'files>,
) -> Option<(&'files str, &'files [u8])> {
    let (above, name) = path.rsplit_once('/')?;
    let is_other = file.data != name.as_bytes() && !file.data.contains(&b'/');
    is_other.then_some((above, file.data))
}

/// Whether a link leads somewhere.
fn check_link(path: &str, file: &File<'_>, files: &Files<'_>, report: &mut Report) -> bool {
    if files.follow(path).is_some() {
        return true;
    }
    let target = String::from_utf8_lossy(file.data);
    let end = files.leads_to(path).unwrap_or_default();
    let is_mounted = MOUNTED
        .iter()
        .any(|folder| end.starts_with(folder) || path.starts_with(folder));
    if !is_mounted {
        report.find(&codes::DANGLING, format_args!("/{path} -> {target}"));
    }
    false
}

/// The words of a script's first line. The kernel parts them at blanks and tabs alone (`fs/binfmt_script.c`).
pub(super) fn first_line(data: &[u8]) -> Option<Vec<String>> {
    let line = data
        .strip_prefix(b"#!")?
        .split(|&byte| byte == b'\n')
        .next()?;
    let words = line.split(|byte| b" \t".contains(byte));
    let words = words.filter(|word| !word.is_empty());
    Some(
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
    )
}

fn check_script<'image>(
    path: &str,
    data: &[u8],
    files: &Files<'image>,
    machine: &Machine<'_, 'image>,
    report: &mut Report,
) {
    let Some(words) = first_line(data) else {
        return;
    };
    if words.last().is_some_and(|word| word.ends_with('\r')) {
        report.find(&codes::CARRIAGE_RETURN, format_args!("/{path}"));
        return;
    }
    let mut words = words.iter().map(String::as_str);
    let Some(program) = words.next() else {
        return;
    };
    check_interpreter(path, program, files, machine, report);
    if program.rsplit('/').next() == Some("env")
        && let Some(name) = called_by_env(words)
        && !name.contains('/')
        && !search_path(files)
            .iter()
            .any(|folder| files.follow(&format!("{folder}/{name}")).is_some())
    {
        report.find(
            &codes::INTERPRETER,
            format_args!("/{path} needs {name}, which env looks for"),
        );
    }
}

/// The program behind env(1)'s options and settings.
fn called_by_env<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    loop {
        match words.next()? {
            // A word of their own follows.
            "-u" | "--unset" | "-C" | "--chdir" => drop(words.next()),
            word if word.starts_with('-') || word.contains('=') => {}
            word => return Some(word),
        }
    }
}

/// Whether what starts a program is there, and can be started itself.
fn check_interpreter<'image>(
    path: &str,
    interpreter: &str,
    files: &Files<'image>,
    machine: &Machine<'_, 'image>,
    report: &mut Report,
) {
    let Some((_, file)) = files.follow(interpreter) else {
        report.find(
            &codes::INTERPRETER,
            format_args!("/{path} needs {interpreter}"),
        );
        return;
    };
    if !is_program(file) {
        report.find(
            &codes::INTERPRETER,
            format_args!("/{path} needs {interpreter}, which is there, but is no program that may be executed"),
        );
    } else if let Some(problem) = machine.refuses(file.data) {
        report.find(
            &codes::NO_PROGRAM,
            format_args!("/{path} needs {interpreter}, which {problem}"),
        );
    }
}

/// Whether the kernel may start a file: an ELF file, or a script that names its interpreter.
pub(super) fn is_program(file: &File<'_>) -> bool {
    let is_program = file.data.starts_with(b"\x7fELF") || file.data.starts_with(b"#!");
    is_program && file.attributes.kind == Kind::File && file.attributes.permissions & 0o111 != 0
}
