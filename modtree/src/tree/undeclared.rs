//! Symbols of other modules that a module uses, and does not name in `depends=`.
//!
//! modpost writes `depends=` from the symbols that it knows when a module is built. For the kernel's own modules, which it
//! marks with `intree=Y`, those are all. A module that is built elsewhere without the `Module.symvers` of the one whose
//! symbols it uses has them unknown, and names nobody; depmod, which looks at the symbols, finds the other one.

use rayon::prelude::*;

use super::{Entry, Tree, TreeError};
use crate::{ModInfo, ModuleName};

/// Whether `depends=` of a module may lack modules whose symbols it uses.
fn is_doubtful(info: &ModInfo) -> bool {
    info.raw("intree").next().is_none() || info.raw("depends").next().is_none()
}

impl Tree {
    /// The modules whose symbols a module uses although its `depends=` does not name them, each with the first such symbol, in the
    /// order of the imports. Nothing is read for a module of the kernel's own build.
    ///
    /// # Errors
    /// As [`symbols`](Self::symbols), and [`TreeError`] where other modules have to be looked at.
    pub(crate) fn undeclared(
        &self,
        entry: &Entry,
        info: &ModInfo,
    ) -> Result<Vec<(ModuleName, String)>, TreeError> {
        if !is_doubtful(info) {
            return Ok(Vec::new());
        }
        let declared: Vec<ModuleName> = info.depends().map(ModuleName::new).collect();
        let mut found: Vec<(ModuleName, String)> = Vec::new();
        for symbol in self.symbols(entry)?.imports() {
            let Some(owner) = self.exporter(symbol_name(&symbol))? else {
                continue;
            };
            let known = declared.contains(&owner.name)
                || owner.name == entry.name
                || found.iter().any(|(name, _)| *name == owner.name);
            if !known {
                found.push((owner.name, symbol.into_owned()));
            }
        }
        Ok(found)
    }

    /// Whether a module of another build finds every symbol that it uses, whatever its `depends=` says: a module of the tree exports
    /// it, or a module of the kernel's own build whose providers are all there uses it, too.
    ///
    /// # Errors
    /// As [`undeclared`](Self::undeclared).
    pub(crate) fn lacks_no_symbol(&self, entry: &Entry, info: &ModInfo) -> Result<bool, TreeError> {
        if !is_doubtful(info) {
            return Ok(false);
        }
        let mut open = Vec::new();
        for symbol in self.symbols(entry)?.imports() {
            if self.exporter(symbol_name(&symbol))?.is_none() {
                open.push(symbol.into_owned());
            }
        }
        if open.is_empty() {
            return Ok(true);
        }
        let used_by = |other: &Entry| {
            let info = self.modinfo(other).ok()?;
            let mut depends = info.depends().map(ModuleName::new);
            let is_whole =
                !is_doubtful(&info) && depends.all(|name| matches!(self.find(&name), Ok(Some(_))));
            let symbols = is_whole.then(|| self.symbols(other).ok()).flatten()?;
            let used = open.iter().map(|symbol| symbols.is_import(symbol));
            Some(used.collect::<Vec<bool>>())
        };
        let others = self.modules()?.par_iter().filter_map(used_by);
        let used = others.reduce(
            || vec![false; open.len()],
            |a, b| a.iter().zip(b).map(|(a, b)| a | b).collect(),
        );
        Ok(used.into_iter().all(|used| used))
    }
}

/// The symbol under which a function of PowerPC is exported: the code's own begins with a dot.
fn symbol_name(symbol: &str) -> &str {
    symbol.strip_prefix('.').unwrap_or(symbol)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Root, Synthetic};
    use crate::{ClosureError, ClosureOptions, DepmodOptions, Detail, Tree, closure, users};

    /// `zfs` was built without the list of `spl`'s symbols, `core` with the kernel.
    fn root() -> Root {
        let root = Root::new("1.0");
        let module = |fields: &str, imports: &[&'static str], crcs: &[&'static str]| {
            let module = Synthetic {
                imports: imports.to_vec(),
                crcs: crcs.to_vec(),
                // Without it, nobody looks for checksums.
                ksymtab_strings: (!crcs.is_empty()).then_some(b"ksymtab\0"),
                ..Synthetic::new(fields)
            };
            module.bytes()
        };
        root.file(
            "kernel/core.ko",
            &module("depends=\nintree=Y", &["printk"], &["core_get"]),
        );
        root.file(
            "updates/spl.ko",
            &module("depends=core", &["core_get"], &["spl_new"]),
        );
        root.file(
            "updates/zfs.ko",
            &module("depends=", &["spl_new", "core_get", "printk"], &[]),
        );
        root.file(
            "updates/old.ko",
            &module("depends=gone", &["core_get", "printk"], &[]),
        );
        root.file(
            "updates/lost.ko",
            &module("depends=gone", &["gone_put"], &[]),
        );
        root
    }

    fn load(root: &Root, name: &str, detail: Detail) -> Result<Vec<String>, ClosureError> {
        let tree = Tree::open(&root.dir).unwrap();
        let options = ClosureOptions {
            detail,
            ..ClosureOptions::default()
        };
        let found = closure(&tree, &[name], &options)?;
        Ok(found
            .modules
            .iter()
            .map(|module| module.name.to_string())
            .collect())
    }

    #[test]
    fn symbols_show_what_depends_does_not_name() {
        let root = root();
        for is_indexed in [false, true] {
            if is_indexed {
                std::thread::sleep(std::time::Duration::from_millis(20));
                let options = DepmodOptions {
                    dir: root.dir.clone(),
                    ..DepmodOptions::default()
                };
                crate::depmod(&options).unwrap().write(&root.dir).unwrap();
            }
            for detail in [Detail::All, Detail::Notes, Detail::Names] {
                assert_eq!(load(&root, "zfs", detail).unwrap(), ["core", "spl", "zfs"]);
                // It uses nothing of what is gone: what it uses beside core is the kernel's, since core uses it.
                assert_eq!(load(&root, "old", detail).unwrap(), ["core", "old"]);
                assert!(matches!(
                    load(&root, "lost", detail),
                    Err(ClosureError::Missing { .. })
                ));
            }
            let tree = Tree::open(&root.dir).unwrap();
            let found = users(&tree, &"spl".into()).unwrap();
            let reasons: Vec<_> = found.iter().map(|(_, reason)| reason.to_string()).collect();
            assert_eq!(
                reasons,
                ["zfs uses its symbol spl_new, which its depends= does not name"]
            );
        }
    }
}
