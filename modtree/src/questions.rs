//! Questions about a tree: who uses a module, who has a symbol, what changed between two kernels, what is wrong with one.

mod check;
mod diff;

pub use check::{CheckOptions, Checked, Finding, FindingKind, check};
pub use diff::{Difference, diff};

use rayon::prelude::*;

use crate::tree::{Entry, Tree, TreeError};
use crate::{ModInfo, ModuleName, Reason, ReasonKind, Traces};

/// The modules which need `name` directly: by `depends=` or a symbol of it, softdep or weakdep, in the order of `modules.order`. A damaged
/// module is passed over.
///
/// # Errors
/// [`TreeError`], where the machine is at fault.
pub fn users(tree: &Tree, name: &ModuleName) -> Result<Vec<(ModuleName, Reason)>, TreeError> {
    let mut users = Vec::new();
    for (entry, info) in tree.all_modinfo()? {
        let info = match info {
            Ok(info) => info,
            Err(error) if error.is_input() => continue,
            Err(error) => return Err(error),
        };
        let hard = info
            .depends()
            .map(|asked| (ReasonKind::Hard, asked.to_owned()));
        let soft = info.softdeps().flatten().map(|(when, asked)| match when {
            crate::When::Pre => (ReasonKind::SoftPre, asked),
            crate::When::Post => (ReasonKind::SoftPost, asked),
        });
        let weak = info.weakdeps().map(|asked| (ReasonKind::Weak, asked));
        for (kind, asked) in hard.chain(soft).chain(weak) {
            if ModuleName::new(&asked) == *name {
                let by = Some(entry.name.clone());
                let reason = Reason {
                    kind,
                    by,
                    asked,
                    rule: None,
                };
                users.push((entry.name.clone(), reason));
            }
        }
        for (needed, symbol) in undeclared(tree, entry, &info)? {
            if needed == *name {
                users.push((
                    entry.name.clone(),
                    crate::graph::undeclared(&entry.name, &symbol),
                ));
            }
        }
    }
    Ok(users)
}

/// What a module needs by its symbols alone; nothing where it cannot be read.
fn undeclared(
    tree: &Tree,
    entry: &Entry,
    info: &ModInfo,
) -> Result<Vec<(ModuleName, String)>, TreeError> {
    match tree.undeclared(entry, info) {
        Err(error) if error.is_input() => Ok(Vec::new()),
        found => found,
    }
}

/// The modules which import or export one of these symbols, with what they show, in the order of `modules.order`. A
/// damaged module is passed over.
///
/// ```no_run
/// use modtree::{Traces, Tree, providers};
///
/// let tree = Tree::select("/".as_ref(), None)?;
/// let hosts = Traces { imports: vec!["usb_add_hcd".to_owned()], ..Traces::default() };
/// for (entry, evidence) in providers(&tree, &hosts)? {
///     println!("{}: {}", entry.name, evidence.join(", "));
/// }
/// # Ok::<(), modtree::TreeError>(())
/// ```
///
/// # Errors
/// [`TreeError`], where the machine is at fault.
pub fn providers(tree: &Tree, traces: &Traces) -> Result<Vec<(Entry, Vec<String>)>, TreeError> {
    let of_one = |entry: &Entry| {
        let symbols = match tree.symbols(entry) {
            Ok(symbols) => symbols,
            Err(error) if error.is_input() => return Ok(None),
            Err(error) => return Err(error),
        };
        let evidence = crate::request::symbol_traces(&symbols, traces);
        Ok(evidence.map(|evidence| (entry.clone(), evidence)))
    };
    let candidates = tree.candidates(&[], &traces.imports)?;
    let found: Vec<Result<_, TreeError>> = candidates.par_iter().map(of_one).collect();
    found.into_iter().filter_map(Result::transpose).collect()
}
