//! From arguments to results.

use std::path::{Path, PathBuf};

use cli::{Failure, Fault, print};
use modtree::{
    Action, ClosureError, ClosureOptions, Indexes, IndexesError, Module, Resolution, Tree,
    TreeError, closure,
};

use crate::args::{Args, ClosureArgs, Command, Format, InfoArgs, TreeArgs};
use crate::{depmod, goals, questions, report};

/// Modules have a few MB, with debugging information some 100 MB.
pub(crate) const MODULE_LIMIT: u64 = 512 << 20;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Closure(args) => run_closure(args),
        Command::Goals(args) => goals::run(args),
        Command::Info(args) => run_info(args),
        Command::Depmod(args) => depmod::run(args),
        Command::Why(args) => questions::why(args),
        Command::Users(args) => questions::run_users(args),
        Command::Providers(args) => questions::run_providers(args),
        Command::Resolve(args) => questions::resolve(args),
        Command::Requests(args) => questions::requests(args),
        Command::Diff(args) => questions::run_diff(args),
        Command::Check(args) => questions::run_check(args),
    }
}

fn run_closure(args: &ClosureArgs) -> Result<(), Failure> {
    let goals = goals::select(&args.goals, &args.goal_files)?;
    let tree = open(&args.tree)?;
    if args.modprobe_compat {
        return show_depends(&tree, &args.modules);
    }
    let roots: Vec<&str> = args.modules.iter().map(String::as_str).collect();
    let options = ClosureOptions {
        runtime: args.runtime,
        weak: args.weak,
        goals,
        ..ClosureOptions::default()
    };
    let found = closure(&tree, &roots, &options).map_err(closure_failure)?;
    let format = if args.json { Format::Json } else { args.format };
    let text = report::modules(&tree, &found, format)?;
    if args.why {
        eprint!("{}", report::reasons(&found));
    }
    if !args.quiet {
        eprint!("{}", report::notes(&tree, &found));
    }
    print(text.as_bytes())
}

/// The indexes are made in memory: those beside the modules may be older than them.
fn show_depends(tree: &Tree, modules: &[String]) -> Result<(), Failure> {
    let indexes = Indexes::make(tree.dir()).map_err(|error| match error {
        IndexesError::Depmod(error) => depmod::failure(error),
        IndexesError::Read(error) => tree_failure(error.into()),
        error => Failure::from_error(Fault::Input, &error),
    })?;
    let mut text = String::new();
    for module in modules {
        let actions = indexes.show_depends(module);
        if actions.is_empty() {
            return Err(closure_failure(ClosureError::Unknown {
                name: module.clone(),
                dir: tree.dir().to_path_buf(),
                near: tree.near_names(module).map_err(tree_failure)?,
            }));
        }
        for action in actions {
            match action {
                // modprobe leaves a space for options.
                Action::Insmod(path) => {
                    text.push_str(&format!("insmod {} \n", report::path_text(&path)?));
                }
                Action::Builtin(name) => text.push_str(&format!("builtin {name}\n")),
            }
        }
    }
    print(text.as_bytes())
}

fn run_info(args: &InfoArgs) -> Result<(), Failure> {
    if args.module.contains('/') || args.module.contains(".ko") {
        let path = Path::new(&args.module);
        return print(report::info(path, &parse(path)?, args.symbols).as_bytes());
    }
    let tree = open(&args.tree)?;
    let entries = match tree.resolve(&args.module).map_err(tree_failure)? {
        Resolution::Module(entry) => vec![entry],
        Resolution::Aliases(entries) => entries,
        Resolution::Builtin(name) => {
            return print(format!("{name} is built into the kernel\n").as_bytes());
        }
        Resolution::BuiltinAliases(names) => {
            let lines: Vec<_> = names
                .iter()
                .map(|name| format!("{name} is built into the kernel\n"))
                .collect();
            return print(lines.concat().as_bytes());
        }
        Resolution::Unknown => {
            return Err(closure_failure(ClosureError::Unknown {
                name: args.module.clone(),
                dir: tree.dir().to_path_buf(),
                near: tree.near_names(&args.module).map_err(tree_failure)?,
            }));
        }
    };
    let mut text = String::new();
    for entry in entries {
        let module = tree.module(&entry).map_err(tree_failure)?;
        text.push_str(&report::info(
            &tree.dir().join(&entry.relative),
            &module,
            args.symbols,
        ));
    }
    print(text.as_bytes())
}

/// The file that a name, an alias or a path stands for.
pub(crate) fn module_file(module: &str, args: &TreeArgs) -> Result<PathBuf, Failure> {
    if module.contains('/') || module.contains(".ko") {
        return Ok(module.into());
    }
    let tree = open(args)?;
    let entry = match tree.resolve(module).map_err(tree_failure)? {
        Resolution::Module(entry) => Some(entry),
        Resolution::Aliases(entries) => entries.into_iter().next(),
        Resolution::Builtin(name) => {
            return Err(Failure::input(format_args!(
                "{name} is built into the kernel"
            )));
        }
        _ => None,
    };
    match entry {
        Some(entry) => Ok(tree.dir().join(entry.relative)),
        None => Err(closure_failure(ClosureError::Unknown {
            name: module.to_owned(),
            dir: tree.dir().to_path_buf(),
            near: tree.near_names(module).map_err(tree_failure)?,
        })),
    }
}

fn parse(path: &Path) -> Result<Module, Failure> {
    let bytes = codec::file::read_decoded(path, MODULE_LIMIT)
        .map_err(|error| tree_failure(error.into()))?;
    Module::parse(&bytes).map_err(|source| {
        tree_failure(TreeError::Elf {
            path: path.to_path_buf(),
            source,
        })
    })
}

pub(crate) fn open(args: &TreeArgs) -> Result<Tree, Failure> {
    Tree::select(&args.basedir, args.kernel.as_deref()).map_err(tree_failure)
}

pub(crate) fn tree_failure(error: TreeError) -> Failure {
    let fault = match &error {
        TreeError::BadVersion(_) => Fault::Usage,
        error if error.is_input() => Fault::Input,
        _ => Fault::Machine,
    };
    Failure::from_error(fault, &error)
}

pub(crate) fn closure_failure(error: ClosureError) -> Failure {
    match error {
        ClosureError::Tree(error) => tree_failure(error),
        error => Failure::from_error(Fault::Input, &error),
    }
}
