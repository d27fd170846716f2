//! From arguments to results.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use cli::{Failure, Fault};
use modtree::{ClosureError, Entry, Package, Resolution, Tree, TreeError};

use crate::args::{Args, Command, TreeArgs};
use crate::{check, closure, depmod, diff, goals, host, info, questions};

/// Modules have a few MB, with debugging information some 100 MB.
const MODULE_LIMIT: u64 = 512 << 20;

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
        Command::Diff(args) => diff::run(args),
        Command::Check(args) => check::run(args),
    }
}

/// The contents of the module that a name, an alias or a path stands for, with the file's path for messages.
pub(crate) fn module_bytes(module: &str, args: &TreeArgs) -> Result<(PathBuf, Vec<u8>), Failure> {
    if module.contains('/') || module.contains(".ko") {
        return file_bytes(module.as_ref());
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
        Some(entry) => entry_bytes(&tree, &entry),
        None => Err(unknown(&tree, &[module])),
    }
}

/// The contents of a module's file, decompressed.
pub(crate) fn file_bytes(path: &Path) -> Result<(PathBuf, Vec<u8>), Failure> {
    let bytes = codec::file::read_decoded(path, MODULE_LIMIT);
    let bytes = bytes.map_err(|error| tree_failure(error.into()))?;
    Ok((path.to_path_buf(), bytes))
}

/// The contents of a module of a tree.
pub(crate) fn entry_bytes(tree: &Tree, entry: &Entry) -> Result<(PathBuf, Vec<u8>), Failure> {
    let bytes = tree.bytes(entry).map_err(tree_failure)?;
    Ok((tree.shown(&tree.dir().join(&entry.relative)), bytes))
}

pub(crate) fn open(args: &TreeArgs) -> Result<Tree, Failure> {
    let kernel = args.kernel.as_deref();
    match &args.deb {
        Some(package) => open_package(package, kernel),
        None => Tree::select(&args.basedir, kernel).map_err(tree_failure),
    }
}

/// Unpacks a kernel's package, which takes seconds: who waits at a terminal is told what for.
pub(crate) fn open_package(path: &Path, kernel: Option<&str>) -> Result<Tree, Failure> {
    let at_terminal = std::io::stderr().is_terminal() && cli::is_talkative();
    if at_terminal {
        cli::tell_part!("unpacking `{}` ...", path.display());
    }
    let unpacked = Package::unpack(path);
    if at_terminal {
        // Back to the line's beginning, and the line away (ECMA-48).
        cli::tell_part!("\r\x1b[K");
    }
    let package = unpacked.map_err(|error| {
        let fault = match error.is_input() {
            true => Fault::Input,
            false => Fault::Machine,
        };
        Failure::from_error(fault, &error)
    })?;
    Tree::in_package(package, kernel).map_err(tree_failure)
}

pub(crate) fn tree_failure(error: TreeError) -> Failure {
    if let TreeError::NoKernel { .. } = error {
        return Failure::input(format_args!(
            "{error}; name the root of another system with --root, or a kernel's package with --deb"
        ));
    }
    let fault = match &error {
        TreeError::BadVersion(_) => Fault::Usage,
        error if error.is_input() => Fault::Input,
        _ => Fault::Machine,
    };
    Failure::from_error(fault, &error)
}

/// As [`tree_failure`], for a command that takes a kernel in another way than by --root, --deb and --kernel.
pub(crate) fn choice_failure(error: TreeError, root: &str, kernel: &str) -> Failure {
    match error {
        TreeError::NoKernel { .. } => Failure::input(format_args!("{error}; {root}")),
        TreeError::SeveralKernels { basedir, present } => Failure::input(format_args!(
            "several kernels below `{}`: {}; {kernel}",
            basedir.display(),
            present.join(", ")
        )),
        error => tree_failure(error),
    }
}

pub(crate) fn closure_failure(error: ClosureError) -> Failure {
    match error {
        ClosureError::Tree(error) => tree_failure(error),
        error => Failure::from_error(Fault::Input, &error),
    }
}

/// Fails where some names stand for nothing.
pub(crate) fn none_missed(tree: &Tree, names: &[&str]) -> Result<(), Failure> {
    match names {
        [] => Ok(()),
        names => Err(unknown(tree, names)),
    }
}

/// No modules are called so, and these are what they might have been.
pub(crate) fn unknown(tree: &Tree, names: &[&str]) -> Failure {
    closure_failure(ClosureError::unknown(tree, names))
}
