//! `/init`, where it is a script for busybox: whether all that it calls is there, and whether the kernel offers what it uses.
//!
//! A shell script cannot be understood without running it; what is read here is the first word of each simple command, and
//! only where no doubt is left: words with expansions, words of `case` patterns and quoted words are passed over, and so is a
//! command that the script itself looks for (`command -v NAME`).

mod words;

use std::collections::BTreeSet;

use modtree::KernelConfig;

use super::{codes, programs};
use crate::busybox;
use crate::cpio::Kind;
use crate::finding::Report;
use crate::inspect::{File, Files};

/// What the shell does itself (busybox's ash, `help`), and what it takes as a part of its grammar.
const BUILT_IN: &str = ". : [ [[ alias bg break cd chdir command continue echo eval exec exit export false fg getopts hash \
    help history jobs kill let local printf pwd read readonly return set shift source test times trap true type ulimit umask \
    unalias unset wait if then elif else fi for while until do done case esac in function time ! { } ";

/// Where a shell looks for programs in an initramfs.
pub(super) const FOLDERS: [&str; 4] = ["bin", "sbin", "usr/bin", "usr/sbin"];

/// Files that name the program which the kernel starts for each device.
const HELPERS: [&str; 2] = ["/proc/sys/kernel/hotplug", "/sys/kernel/uevent_helper"];

/// A larger file is no script.
const LIMIT: usize = 256 << 10;

/// What the kernel starts, and what busybox's init does if there is no inittab that names another.
const SCRIPTS: [&str; 2] = ["init", "etc/init.d/rcS"];

pub(super) fn check(files: &Files<'_>, config: Option<&KernelConfig>, report: &mut Report) {
    for path in SCRIPTS {
        if let Some((_, file)) = files.follow(path)
            && let Some(script) = script(file)
        {
            check_script(path, script, files, config, report);
        }
    }
}

fn check_script(
    path: &str,
    script: &str,
    files: &Files<'_>,
    config: Option<&KernelConfig>,
    report: &mut Report,
) {
    check_helper(path, script, config, report);
    let words = programs::first_line(script.as_bytes()).unwrap_or_default();
    let shell = words.first().and_then(|program| files.follow(program));
    let Some((_, busybox)) = shell.filter(|(path, _)| path.ends_with("busybox")) else {
        return;
    };
    for command in unknown_commands(script, files, busybox.data) {
        report.find(&codes::COMMAND, format_args!("/{path} calls {command}"));
    }
}

/// What a script calls that is nowhere: not in the shell, not in a file, and not an applet of this busybox.
fn unknown_commands<'a>(script: &'a str, files: &Files<'_>, busybox: &[u8]) -> BTreeSet<&'a str> {
    let own: BTreeSet<&str> = words::functions(script).collect();
    let mut unknown = words::commands(script);
    unknown.retain(|command| {
        let is_file = |folder: &&str| files.follow(&format!("{folder}/{command}")).is_some();
        // What is behind another path may have been mounted there.
        let is_known = |path: &str| {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            !FOLDERS.contains(&folder) || files.follow(path).is_some()
        };
        !command.strip_prefix('/').is_some_and(is_known)
            && !own.contains(command)
            && !BUILT_IN.split(' ').any(|word| word == *command)
            && !FOLDERS.iter().any(is_file)
    });
    // In most images each applet has a link, and nothing is left to ask the script itself, the other scripts, or the table of applets,
    // which is looked for in all of busybox.
    if !unknown.is_empty() {
        let looked_for = words::looked_for(script);
        let path = search_path(script);
        let is_in = |folder: &&str, name: &str| files.follow(&format!("{folder}/{name}")).is_some();
        unknown.retain(|command| {
            !looked_for.contains(words::name_of(command))
                && !path.iter().any(|folder| is_in(folder, command))
        });
    }
    if !unknown.is_empty() {
        let others = files.iter().filter_map(|(_, file)| text(file));
        let functions: BTreeSet<&str> = others.flat_map(words::functions).collect();
        unknown.retain(|command| !functions.contains(command));
    }
    if !unknown.is_empty() {
        let applets = busybox::applets(busybox);
        // A busybox whose table is not found says nothing about what it lacks.
        // Links for applets may be made first, where a path is called.
        let may_be_one = |command: &str| {
            let by_name = !command.contains('/') || script.contains("--install");
            by_name && applets.contains(words::name_of(command))
        };
        unknown.retain(|command| !applets.is_empty() && !may_be_one(command));
    }
    unknown
}

/// The folders that a script puts into PATH, as far as they are plain.
fn search_path(script: &str) -> Vec<&str> {
    let values = script
        .match_indices("PATH=")
        .map(|(at, name)| &script[at + name.len()..]);
    let values = values.filter_map(|rest| rest.split([' ', '\n', ';', '\t']).next());
    let folders = values.flat_map(|value| value.trim_matches(['"', '\'']).split(':'));
    folders
        .filter(|folder| folder.starts_with('/'))
        .take(64)
        .collect()
}

fn check_helper(place: &str, script: &str, config: Option<&KernelConfig>, report: &mut Report) {
    if config.is_none_or(|config| config.get("CONFIG_UEVENT_HELPER") == Some("y")) {
        return;
    }
    for helper in HELPERS {
        let lines = script.lines().map(str::trim);
        let mut code = lines.filter(|line| !line.starts_with('#'));
        let writes = |line: &str| {
            let before = line.find(helper).map(|at| &line[..at]);
            let before = before.map(|before| before.trim_end_matches(['"', '\'']).trim_end());
            before.is_some_and(|before| before.ends_with('>') || before.ends_with(" tee"))
        };
        let asks = ["-e", "-f", "-w"]
            .iter()
            .any(|test| script.contains(&format!("{test} {helper}")));
        if code.any(writes) && !asks {
            report.find(&codes::HOTPLUG, format_args!("/{place} writes to {helper}"));
        }
    }
}

fn script<'image>(file: &File<'image>) -> Option<&'image str> {
    text(file).filter(|text| text.starts_with("#!"))
}

fn text<'image>(file: &File<'image>) -> Option<&'image str> {
    let is_small = file.attributes.kind == Kind::File && file.data.len() <= LIMIT;
    is_small
        .then(|| std::str::from_utf8(file.data).ok())
        .flatten()
}
