//! From arguments to results.

use std::path::PathBuf;

use cli::{Failure, Fault};
use modtree::{ClosureError, Resolution, Tree, TreeError};

use crate::args::{Args, Command, TreeArgs};
use crate::{closure, depmod, goals, host, info, questions};

/// Modules have a few MB, with debugging information some 100 MB.
pub(crate) const MODULE_LIMIT: u64 = 512 << 20;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Closure(args) => closure::run(args),
        Command::Graph(args) => closure::run_graph(args),
        Command::Goals(args) => goals::run(args),
        Command::Host(args) => host::run(args),
        Command::Info(args) => info::run(args),
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
        None => Err(unknown(&tree, module)),
    }
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

/// No module is called so, and this is what it might have been.
pub(crate) fn unknown(tree: &Tree, name: &str) -> Failure {
    match tree.near_names(name) {
        Err(error) => tree_failure(error),
        Ok(near) => closure_failure(ClosureError::Unknown {
            name: name.to_owned(),
            dir: tree.dir().to_path_buf(),
            near,
        }),
    }
}
