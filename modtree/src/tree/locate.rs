//! What a word stands for: a module's name, an alias, a device's modalias, a symbol, a file.

use std::path::Path;

use rayon::prelude::*;

use super::listed::Listed;
use super::{Entry, Tree, TreeError, file, has_suffix, try_once};
use crate::alias::Patterns;
use crate::fast_hash::FastMap;
use crate::{ModuleName, Symbols};

/// What a name or an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The module of this name.
    Module(Entry),
    /// The modules with an alias that matches, in the order of `modules.order`.
    Aliases(Vec<Entry>),
    /// A part of the kernel, by its name.
    Builtin(ModuleName),
    /// Parts of the kernel with an alias that matches.
    BuiltinAliases(Vec<ModuleName>),
    /// Nothing.
    Unknown,
}

impl Resolution {
    /// The modules, and whether they are part of the kernel; `None` where it stands for nothing.
    pub fn names(self) -> Option<(bool, Vec<ModuleName>)> {
        match self {
            Resolution::Module(entry) => Some((false, vec![entry.name])),
            Resolution::Aliases(entries) => {
                let names = entries.into_iter().map(|entry| entry.name);
                Some((false, names.collect()))
            }
            Resolution::Builtin(name) => Some((true, vec![name])),
            Resolution::BuiltinAliases(names) => Some((true, names)),
            Resolution::Unknown => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct AliasIndex {
    patterns: Patterns<ModuleName>,
    damaged: Vec<TreeError>,
}

impl Tree {
    /// What `query` stands for, in modprobe's order: a module of that name, else modules with a matching alias, else a
    /// builtin of that name, else builtins with a matching alias. Only the first step that finds anything counts.
    ///
    /// `symbol:NAME` is the module that exports a symbol, which needs every module's symbols.
    ///
    /// Aliases need every module's `.modinfo`. A damaged module among them is skipped and listed by
    /// [`damaged`](Self::damaged); one that the machine fails to read is an error.
    ///
    /// # Errors
    /// [`TreeError::Directory`], [`TreeError::Read`].
    pub fn resolve(&self, query: &str) -> Result<Resolution, TreeError> {
        let name = Self::is_name(query).then(|| ModuleName::new(query));
        if let Some(name) = &name
            && let Some(entry) = self.find(name)?
        {
            return Ok(Resolution::Module(entry));
        }
        if let Some(symbol) = query.strip_prefix("symbol:") {
            let found = self.exporter(symbol)?.map(Resolution::Module);
            return Ok(found.unwrap_or(Resolution::Unknown));
        }
        let entries = match self.listed_aliases(query)? {
            Some(entries) => entries,
            None => self.find_all(&self.alias_index()?.patterns.lookup(query))?,
        };
        if !entries.is_empty() {
            return Ok(Resolution::Aliases(entries));
        }
        let builtins = self.builtins()?;
        if let Some(name) = name.filter(|name| builtins.contains(name)) {
            return Ok(Resolution::Builtin(name));
        }
        match builtins.lookup(query) {
            none if none.is_empty() => Ok(Resolution::Unknown),
            some => Ok(Resolution::BuiltinAliases(some)),
        }
    }

    /// The modules with a matching alias, if an index tells.
    fn listed_aliases(&self, query: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        match self.listed()? {
            Some(listed) => match listed.matching(query) {
                Ok(names) => self.find_unchanged(listed, &names),
                Err(_) => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// The files of modules, if none has changed since the index that names them was written.
    fn find_unchanged(
        &self,
        listed: &Listed,
        names: &[ModuleName],
    ) -> Result<Option<Vec<Entry>>, TreeError> {
        let entries = self.find_all(names)?;
        let mut all = entries.iter();
        // A name that no module has comes of damage.
        let unchanged =
            entries.len() == names.len() && all.all(|entry| self.is_unchanged(listed, entry));
        Ok(unchanged.then_some(entries))
    }

    /// The files of those modules that the tree has.
    pub(super) fn find_all<'a>(
        &self,
        names: impl IntoIterator<Item = &'a ModuleName>,
    ) -> Result<Vec<Entry>, TreeError> {
        let found = names.into_iter().map(|name| self.find(name));
        found.filter_map(Result::transpose).collect()
    }

    /// Whether a query may be a module's name: that has none of these, and an alias with a dot must not be cut at it.
    pub(crate) fn is_name(query: &str) -> bool {
        !query.contains(['.', ':', '/', '*'])
    }

    /// The modules which could not be read when all were, for an alias. Empty where none was looked up yet.
    pub fn damaged(&self) -> &[TreeError] {
        self.aliases.get().map_or(&[], |index| &index.damaged)
    }

    /// Up to three names, of modules and builtins, that are spelled like `wanted`.
    ///
    /// # Errors
    /// As [`modules`](Self::modules) and [`builtins`](Self::builtins).
    pub fn near_names(&self, wanted: &str) -> Result<Vec<ModuleName>, TreeError> {
        let modules = self.modules()?.iter().map(|entry| &entry.name);
        Ok(crate::name::near(
            wanted,
            modules.chain(self.builtins()?.names()),
        ))
    }

    fn alias_index(&self) -> Result<&AliasIndex, TreeError> {
        try_once(&self.aliases, || {
            let mut index = AliasIndex {
                patterns: Patterns::new(),
                damaged: Vec::new(),
            };
            for (entry, info) in self.all_modinfo()? {
                match info {
                    Ok(info) => info
                        .raw("alias")
                        .for_each(|alias| index.patterns.add(alias, entry.name.clone())),
                    Err(error) if error.is_input() => index.damaged.push(error),
                    // An answer without the modules that could not be read might be a wrong one.
                    Err(error) => return Err(error),
                }
            }
            Ok(index)
        })
    }

    /// As [`resolve`](Self::resolve), and takes files of modules too: `./build/mine.ko`, in this tree or not. A file's name
    /// without a directory (`vfat.ko.xz`) is the module's name where there is no such file, and a path that leads nowhere is
    /// one below the modules directory if there is a module (`kernel/fs/fat/vfat.ko`).
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve). A file that is not there is an error when it is read.
    pub fn locate(&self, query: &str) -> Result<Resolution, TreeError> {
        let path = Path::new(query);
        if !has_suffix(path.as_os_str()) {
            return self.resolve(query);
        }
        let name = ModuleName::of_file(path.file_name().unwrap_or_default());
        // As modules.dep and modules.order have it.
        let is_listed = query.contains('/') && path.is_relative() && !path.exists();
        if is_listed && self.dir.join(path).is_file() {
            let relative = self.relative(&self.dir.join(path));
            return Ok(Resolution::Module(Entry { name, relative }));
        }
        if query.contains('/') || path.is_file() {
            let relative = self.relative(path);
            return Ok(Resolution::Module(Entry { name, relative }));
        }
        self.resolve(name.as_str())
    }

    /// The module that exports a symbol: what `symbol:NAME` stands for, as in depmod's `modules.symbols`. Where several do,
    /// the last of them in the order of `modules.order`, as depmod has it.
    pub(super) fn exporter(&self, symbol: &str) -> Result<Option<Entry>, TreeError> {
        if let Some(listed) = self.listed()?
            && let Ok(found) = listed.exporter(symbol)
            && let Some(entries) = self.find_unchanged(listed, found.as_slice())?
        {
            return Ok(entries.into_iter().next());
        }
        let exporters = try_once(&self.exporters, || self.all_exports())?;
        match exporters.get(symbol) {
            Some(name) => self.find(name),
            None => Ok(None),
        }
    }

    fn all_exports(&self) -> Result<FastMap<String, ModuleName>, TreeError> {
        let exports = |entry| match self.read_file(entry, file::SYMBOLS) {
            Ok(parts) => Ok((entry, parts.symbols)),
            Err(error) if error.is_input() => Ok((entry, Symbols::default())),
            Err(error) => Err(error),
        };
        let found: Vec<Result<(&Entry, Symbols), TreeError>> =
            self.modules()?.par_iter().map(exports).collect();
        let mut exporters = FastMap::default();
        for one in found {
            let (entry, symbols) = one?;
            exporters.extend(
                symbols
                    .exports()
                    .map(|symbol| (symbol.into_owned(), entry.name.clone())),
            );
        }
        Ok(exporters)
    }

    /// The path below the modules directory; of a file outside of it, the absolute path.
    fn relative(&self, path: &Path) -> std::path::PathBuf {
        let (Ok(dir), Ok(file)) = (self.dir.canonicalize(), path.canonicalize()) else {
            return std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        };
        match file.strip_prefix(&dir) {
            Ok(relative) => relative.to_path_buf(),
            Err(_) => file,
        }
    }
}
