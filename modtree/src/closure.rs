//! From a few names to everything that has to be loaded, in order, with the reasons.

mod ahead;
mod build;
mod minimal;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::goal::GoalRoots;
use crate::request::{Possible, Rules, RulesError};
use crate::tree::{Entry, Tree, TreeError};
use crate::{Graph, ModInfo, ModuleName, Reason, ReasonKind, When};
use build::Builder;
pub use minimal::Necessity;

/// Which of a module's `softdep=` lines count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoftdepLines {
    /// All of them, which is what the modules mean.
    #[default]
    All,
    /// Only the first, as kmod's modprobe has it (<https://github.com/kmod-project/kmod/issues/33>).
    First,
}

/// What is wanted of a closure's modules. The modules and their order are always the same; where an up-to-date index of depmod's
/// may answer for a module, [`Planned::info`] and the reasons may be incomplete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Everything: each module is read.
    #[default]
    All,
    /// Names, paths and notes: of a compressed module that an index knows, no more is decoded than it takes to see whether it is
    /// one of this kernel's own, of which there is nothing to note. Others are read.
    Notes,
    /// Names and paths: a module that an index knows is not opened.
    Names,
}

/// What a closure takes in.
#[derive(Clone, Debug, Default)]
pub struct ClosureOptions {
    /// Add what the modules ask for while running: by the rules, and by calls with fixed strings in their code.
    pub runtime: bool,
    /// Add weak dependencies, which are otherwise left to whoever asks for them.
    pub weak: bool,
    /// Which softdep lines count.
    pub softdeps: SoftdepLines,
    /// What is wanted of each module. Less than [`Detail::All`] counts where nothing but hard and soft dependencies of all modules is
    /// asked for.
    pub detail: Detail,
    /// Rules to use in place of the ones that come with this crate.
    pub rules: Option<Rules>,
    /// Modules to leave out whoever needs them, by name: see [`Closure::excluded`].
    pub exclude: Vec<ModuleName>,
    /// What the modules are for: the roots of these goals count beside those that are named. A goal is met only with what
    /// its modules ask for while running, so that any goal turns `runtime` on.
    pub goals: Vec<GoalRoots>,
}

/// Why there is no closure.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// Roots are neither modules nor aliases of some, nor part of the kernel.
    #[error("no module and no alias {}", in_dir(names, dir))]
    Unknown {
        /// What was asked for: at least one.
        names: Vec<UnknownName>,
        /// The modules directory.
        dir: PathBuf,
    },
    /// A goal cannot be met: there is nothing of what it wants.
    #[error("this kernel has nothing for the goal {goal}: neither in `{}` nor as part of the kernel is there {wanted}{}", dir.display(), suggest::question(near))]
    Goal {
        /// The goal as it was asked for.
        goal: String,
        /// What was looked for.
        wanted: String,
        /// The modules directory.
        dir: PathBuf,
        /// Modules whose names are spelled like the goal's parameter.
        near: Vec<ModuleName>,
    },
    /// A module needs another one which is not there.
    #[error("module {by} depends on {missing}, which is neither in `{}` nor part of the kernel", dir.display())]
    Missing {
        /// The module that cannot be loaded.
        by: ModuleName,
        /// The module that it needs.
        missing: ModuleName,
        /// The modules directory.
        dir: PathBuf,
    },
    /// Modules need each other in a circle, so that none of them can be loaded first.
    #[error("dependency cycle: {}", circle(.0))]
    Cycle(Vec<ModuleName>),
    /// The tree cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The rules are not well formed.
    #[error(transparent)]
    Rules(#[from] RulesError),
}

impl ClosureOptions {
    /// Whether what the modules ask for while running is added.
    fn runs(&self) -> bool {
        self.runtime || !self.goals.is_empty()
    }

    /// What is wanted of modules for which depmod's indexes may answer. They do not tell through which module another one needs a
    /// third, which matters where one is left out.
    fn wanted(&self) -> Detail {
        match self.runs() || self.weak || !self.exclude.is_empty() {
            true => Detail::All,
            false => self.detail,
        }
    }
}

/// A name that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What was asked for.
    pub name: String,
    /// Names which are spelled like it.
    pub near: Vec<ModuleName>,
}

/// The names, where they are not, and what may be meant by each.
fn in_dir(names: &[UnknownName], dir: &Path) -> String {
    let dir = dir.display();
    if let [UnknownName { name, near }] = names {
        return format!("`{name}` in `{dir}`{}", suggest::question(near));
    }
    let names = names.iter().map(|UnknownName { name, near }| {
        let question = suggest::question(near);
        match question.strip_prefix("; ") {
            Some(question) => format!("`{name}` ({question})"),
            None => format!("`{name}`"),
        }
    });
    format!("in `{dir}`: {}", names.collect::<Vec<_>>().join(", "))
}

impl ClosureError {
    /// The error that names, at least one, stand for nothing in a tree, with those that may be meant; or that the tree cannot be read.
    pub fn unknown(tree: &Tree, names: &[&str]) -> Self {
        let names = names.iter().map(|&name| {
            Ok(UnknownName {
                name: name.to_owned(),
                near: tree.near_names(name)?,
            })
        });
        let dir = tree.shown(tree.dir());
        match names.collect::<Result<_, TreeError>>() {
            Ok(names) => ClosureError::Unknown { names, dir },
            Err(error) => ClosureError::Tree(error),
        }
    }

    /// Whether the input is at fault, and not the machine.
    pub fn is_input(&self) -> bool {
        match self {
            ClosureError::Tree(error) => error.is_input(),
            _ => true,
        }
    }
}

fn circle(names: &[ModuleName]) -> String {
    let all = names.iter().chain(names.first());
    all.map(ModuleName::as_str).collect::<Vec<_>>().join(" -> ")
}

/// A module that has to be loaded.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its name.
    pub name: ModuleName,
    /// Its file, below the directory that the tree was opened with.
    pub path: PathBuf,
    /// Its file below the modules directory: `kernel/fs/fat/vfat.ko`.
    pub relative: PathBuf,
    /// Its `.modinfo` fields.
    pub info: Arc<ModInfo>,
    /// Why it is here: at least one reason.
    pub reasons: Vec<Reason>,
}

impl Planned {
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            name: self.name.clone(),
            relative: self.relative.clone(),
        }
    }
}

/// A needed module that is part of the kernel already.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PlannedBuiltin {
    /// Its name.
    pub name: ModuleName,
    /// Why it is needed: at least one reason.
    pub reasons: Vec<Reason>,
}

/// A module that was left out on demand.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Excluded {
    /// Its name.
    pub name: ModuleName,
    /// Why it would be here; empty where nothing asks for it.
    pub reasons: Vec<Reason>,
}

impl Excluded {
    /// Whether a module of the closure cannot be loaded without it.
    pub fn is_vital(&self) -> bool {
        let mut reasons = self.reasons.iter();
        reasons.any(|reason| reason.kind == ReasonKind::Hard)
    }
}

/// Everything that has to be loaded for some roots.
///
/// ```no_run
/// use modtree::{ClosureOptions, Necessity, Tree, closure, goal::Goals};
///
/// let tree = Tree::select("/".as_ref(), None)?;
/// let goals = vec![Goals::embedded()?.select("rootfs:ext4")?];
/// let closure = closure(&tree, &[], &ClosureOptions { goals, ..ClosureOptions::default() })?;
/// for (name, necessity) in closure.necessities() {
///     if let Necessity::Needed(reason) = necessity {
///         println!("{name} cannot be dropped: {reason}");
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Closure {
    /// The modules in load order: each after the modules whose symbols it uses.
    pub modules: Vec<Planned>,
    /// What is needed and part of the kernel, in the order of discovery.
    pub builtins: Vec<PlannedBuiltin>,
    /// What was to be left out, and would be here otherwise; with the reasons, which are what is missed now.
    pub excluded: Vec<Excluded>,
    /// What the modules may ask for while running, by strings that are filled in then or in rare set-ups: never added.
    pub possible: Vec<Possible>,
    /// What was not found and is not necessary, and damaged modules that were passed over: lower-case sentences.
    pub notes: Vec<String>,
    /// The modules with all reasons between them.
    pub graph: Graph,
}

impl Closure {
    /// The module of this name.
    pub fn get(&self, name: &ModuleName) -> Option<&Planned> {
        self.modules.iter().find(|planned| planned.name == *name)
    }

    /// The modules that were built for another kernel than `release`, each with the release that it was built for.
    pub fn foreign<'a>(&'a self, release: &'a str) -> impl Iterator<Item = (&'a Planned, String)> {
        self.modules.iter().filter_map(move |planned| {
            let magic = planned.info.vermagic()?;
            (magic.release() != release).then(|| (planned, magic.release().to_owned()))
        })
    }
}

/// The softdeps that count, in the order of the module's lines.
fn softdeps(
    options: &ClosureOptions,
    info: &ModInfo,
) -> impl Iterator<Item = (ReasonKind, String)> + use<> {
    let lines = match options.softdeps {
        SoftdepLines::All => usize::MAX,
        SoftdepLines::First => 1,
    };
    let softdeps: Vec<_> = info.softdeps().take(lines).flatten().collect();
    softdeps.into_iter().map(|(when, asked)| match when {
        When::Pre => (ReasonKind::SoftPre, asked),
        When::Post => (ReasonKind::SoftPost, asked),
    })
}

/// Finds everything that has to be loaded for `roots` (names of modules, aliases, modaliases of devices, or paths of files) and for
/// [`ClosureOptions::goals`].
///
/// Hard dependencies are what `depends=` says and, where that may be incomplete (a module that the kernel's own build has not marked),
/// the modules whose symbols are used. Softdeps are looked up as modprobe does, through aliases; one that is not
/// there is a note. Only the files of the closure are opened, unless an alias or a rule makes it necessary to look at all.
///
/// # Errors
/// See [`ClosureError`].
pub fn closure(
    tree: &Tree,
    roots: &[&str],
    options: &ClosureOptions,
) -> Result<Closure, ClosureError> {
    let names = roots.iter().filter(|root| Tree::is_name(root));
    let names: Vec<_> = names.map(|root| ModuleName::new(root)).collect();
    let mut builder = Builder::new(tree, options)?;
    if !options.runs() {
        // No thread is started for a handful of modules.
        tree.prefetch(&names, options.wanted());
        builder.roots(roots)?;
        return builder.build();
    }
    // Most rules ask about all modules.
    builder.read_ahead(names.clone());
    // Those that are elsewhere.
    tree.prefetch(&names, Detail::All);
    builder.roots(roots)?;
    builder.foresee();
    builder.build()
}
