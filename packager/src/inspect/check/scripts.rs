//! `/init`, where it is a script for busybox: whether all that it calls is there, and whether the kernel offers what it uses.
//!
//! A shell script cannot be understood without running it; what is read here is the first word of each simple command, also of those
//! that other commands start (`env`, `nice`), and only where no doubt is left: words with expansions and words of `case` patterns are
//! passed over, and so is a command that the script itself looks for (`command -v NAME`).

mod names;
mod runners;
mod words;

use std::cell::{LazyCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use modtree::KernelConfig;

use super::{codes, programs};
use crate::busybox;
use crate::cpio::Kind;
use crate::finding::Report;
use crate::inspect::{File, Files};
use crate::recipe::STEPS;
use words::Calls;

/// What the shell does itself (busybox's ash, `help`), and what it takes as a part of its grammar.
const BUILT_IN: &str = ". : [ [[ alias bg break cd chdir command continue echo eval exec exit export false fg getopts hash \
    help history jobs kill let local printf pwd read readonly return set shift source test times trap true type ulimit umask \
    unalias unset wait if then elif else fi for while until do done case esac in function time ! { } ";

/// Where a shell looks for programs in an initramfs.
const FOLDERS: [&str; 4] = ["bin", "sbin", "usr/bin", "usr/sbin"];

/// Files that name the program which the kernel starts for each device.
const HELPERS: [&str; 2] = ["/proc/sys/kernel/hotplug", "/sys/kernel/uevent_helper"];

/// What sysctl(8) calls the first of them.
const SETTINGS: [&str; 2] = ["kernel.hotplug", "kernel/hotplug"];

/// A larger file is no script.
const LIMIT: usize = 256 << 10;

/// What the kernel starts, and what busybox's init does if there is no inittab that names another.
const SCRIPTS: [&str; 2] = ["init", "etc/init.d/rcS"];

pub(super) fn check(files: &Files<'_>, config: Option<&KernelConfig>, report: &mut Report) {
    let image = Image::new(files);
    for path in SCRIPTS {
        if let Some((_, file)) = files.follow(path)
            && let Some(script) = script(file)
        {
            image.check_script(path, script, config, report);
        }
    }
    for (path, script) in image.steps() {
        image.check_script(path, script, config, report);
    }
}

/// Where programs are looked for: in the usual folders, and in those that `/init` names.
pub(super) fn search_path<'image>(files: &Files<'image>) -> Vec<&'image str> {
    let init = files.follow("init").and_then(|(_, file)| script(file));
    let named = init.map_or_else(Vec::new, names::search_path);
    FOLDERS.into_iter().chain(named).collect()
}

/// The image, and what several scripts ask of it.
struct Image<'a, 'image> {
    files: &'a Files<'image>,
    /// What /init does, where it is a script.
    init: Option<&'image str>,
    /// The functions of all scripts, any of which may read another one in.
    functions: LazyCell<BTreeSet<&'image str>, Functions<'a, 'image>>,
    /// The applets of busybox, by its path.
    applets: RefCell<BTreeMap<String, Rc<BTreeSet<String>>>>,
}

type Functions<'a, 'image> = Box<dyn FnOnce() -> BTreeSet<&'image str> + 'a>;

impl<'a, 'image> Image<'a, 'image> {
    fn new(files: &'a Files<'image>) -> Self {
        let functions = move || {
            let texts = files.iter().filter_map(|(_, file)| text(file));
            texts.flat_map(names::functions).collect()
        };
        Self {
            files,
            init: files.follow("init").and_then(|(_, file)| script(file)),
            functions: LazyCell::new(Box::new(functions)),
            applets: RefCell::default(),
        }
    }

    /// The scripts that `/init` runs before its steps, as that of `packager` does.
    fn steps(&self) -> impl Iterator<Item = (&'a str, &'image str)> {
        let is_run = self.init.is_some_and(|it| it.contains("/etc/init.d/"));
        let files = self.files.iter().filter(move |_| is_run);
        files.filter_map(|(path, file)| {
            let (step, name) = path.strip_prefix("etc/init.d/")?.split_once('/')?;
            let is_step = STEPS.contains(&step) && !name.contains('/');
            let is_program = file.attributes.permissions & 0o111 != 0;
            (is_step && is_program).then_some((path, script(file)?))
        })
    }

    fn check_script(
        &self,
        path: &str,
        script: &'image str,
        config: Option<&KernelConfig>,
        report: &mut Report,
    ) {
        let calls = Calls::of(script);
        check_helper(path, script, &calls, config, report);
        let words = programs::first_line(script.as_bytes()).unwrap_or_default();
        let shell = words.first().and_then(|it| self.files.follow(it));
        let Some(shell) = shell.filter(|(path, _)| path.ends_with("busybox")) else {
            return;
        };
        for command in self.unknown_commands(script, &calls, &shell) {
            report.find(&codes::COMMAND, format_args!("/{path} calls {command}"));
        }
        if path == "init" && self.mounts_without_link(script, &calls, &shell) {
            let seen =
                format_args!("/{path} calls mount, and no folder of its search path has one");
            report.find(&codes::UNLINKED, seen);
        }
    }

    /// Whether a script can mount nothing at all: `mount` is an applet without a link, which only /proc would lead to (`/proc/self/exe`, by
    /// which busybox's shell starts applets), and nothing else mounts that. What else is called without a link may be run by the shell
    /// itself, without another process; which applets that is depends on the version, so that nothing is said of them.
    fn mounts_without_link(
        &self,
        script: &str,
        calls: &Calls<'_>,
        busybox: &(String, &File<'_>),
    ) -> bool {
        // What may mount it, make links, or be another `mount`.
        let others = ["busybox", "ln", "cp", "mv", "alias", "hash", ".", "source"];
        let is_other = |command: &&str| others.contains(&names::name_of(command));
        let mut commands = calls.commands.iter();
        let is_bare = calls.commands.contains("mount") && !commands.any(is_other);
        is_bare
            && !names::functions(script).any(|name| name == "mount")
            && !self.has(&FOLDERS, "mount")
            && !self.has(&names::search_path(script), "mount")
            && self.applets(busybox).contains("mount")
    }

    /// What a script calls that is nowhere: not in the shell, not in a file, and not an applet of this busybox.
    fn unknown_commands<'s>(
        &self,
        script: &'s str,
        calls: &Calls<'s>,
        busybox: &(String, &File<'_>),
    ) -> Vec<String> {
        let own: BTreeSet<&str> = names::functions(script).collect();
        let mut unknown = calls.commands.clone();
        unknown.retain(|command| {
            // What is behind another path may have been mounted there.
            let is_known = |path: &str| {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                !FOLDERS.contains(&folder) || self.files.follow(path).is_some()
            };
            !command.strip_prefix('/').is_some_and(is_known)
                && !own.contains(command)
                && !BUILT_IN.split(' ').any(|word| word == *command)
                && !self.has(&FOLDERS, command)
        });
        let mut asked_for = calls.applets.clone();
        // A link of the name leads to the same busybox in most images.
        asked_for.retain(|name| !self.has(&FOLDERS, name));
        // In most images each applet has a link, and nothing is left to ask the script itself, the other scripts, or the table of
        // applets, which is looked for in all of busybox.
        if !unknown.is_empty() || !asked_for.is_empty() {
            let looked_for = names::looked_for(script);
            let scripts = [Some(script), self.init];
            let scripts = scripts.into_iter().flatten();
            let path: Vec<&str> = scripts.flat_map(names::search_path).collect();
            asked_for.retain(|name| !looked_for.contains(name));
            unknown.retain(|command| {
                !looked_for.contains(names::name_of(command)) && !self.has(&path, command)
            });
        }
        if !unknown.is_empty() {
            unknown.retain(|command| !self.functions.contains(command));
        }
        if unknown.is_empty() && asked_for.is_empty() {
            return Vec::new();
        }
        let applets = self.applets(busybox);
        // A busybox whose table is not found says nothing about what it lacks.
        if applets.is_empty() {
            return Vec::new();
        }
        // Links for applets may be made first, where a path is called.
        let may_be_one = |command: &str| {
            let by_name = !command.contains('/') || script.contains("--install");
            by_name && applets.contains(names::name_of(command))
        };
        unknown.retain(|command| !may_be_one(command));
        asked_for.retain(|name| !applets.contains(*name));
        let asked_for = asked_for.into_iter().map(|name| format!("busybox {name}"));
        let unknown = unknown.into_iter().map(str::to_owned);
        unknown.chain(asked_for).collect()
    }

    /// Whether a command is in one of these folders.
    fn has(&self, folders: &[&str], command: &str) -> bool {
        let is_in = |folder: &&str| self.files.follow(&format!("{folder}/{command}")).is_some();
        folders.iter().any(is_in)
    }

    fn applets(&self, (path, file): &(String, &File<'_>)) -> Rc<BTreeSet<String>> {
        let mut known = self.applets.borrow_mut();
        let applets = known
            .entry(path.clone())
            .or_insert_with(|| Rc::new(busybox::applets(file.data)));
        Rc::clone(applets)
    }
}

fn check_helper(
    place: &str,
    script: &str,
    calls: &Calls<'_>,
    config: Option<&KernelConfig>,
    report: &mut Report,
) {
    if config.is_none_or(|config| config.get("CONFIG_UEVENT_HELPER") == Some("y")) {
        return;
    }
    for helper in HELPERS {
        let asks = ["-e", "-f", "-w"].iter().any(|test| {
            ["", "\"", "'"]
                .iter()
                .any(|quote| script.contains(&format!("{test} {quote}{helper}")))
        });
        if asks {
            continue;
        }
        if calls.written.contains(helper) {
            report.find(&codes::HOTPLUG, format_args!("/{place} writes to {helper}"));
        } else if helper == HELPERS[0] && calls.settings.iter().any(|it| names_a_helper(it)) {
            let seen = format_args!("/{place} sets kernel.hotplug, which is {helper}");
            report.find(&codes::HOTPLUG, seen);
        }
    }
}

/// Whether a word of sysctl's says which program is to be started, and not that there is none.
fn names_a_helper(setting: &str) -> bool {
    setting.split_once('=').is_some_and(|(name, value)| {
        SETTINGS.contains(&name) && !value.trim_matches(['"', '\'']).is_empty()
    })
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
