//! Questions about all modules: answered from depmod's indexes where those are up to date, else by reading every module.

use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::listed::Listed;
use super::{Entry, ReadModInfo, Tree, TreeError, try_once, walk};
use crate::ModuleName;
use crate::alias::Pattern;

impl Tree {
    /// The `.modinfo` fields of every module, read in parallel, in the order of [`modules`](Self::modules); a damaged
    /// module gives its error.
    ///
    /// # Errors
    /// [`TreeError::Directory`], [`TreeError::Read`] (of `modules.order`).
    pub fn all_modinfo(&self) -> Result<Vec<ReadModInfo<'_>>, TreeError> {
        let modules = self.modules()?.par_iter();
        Ok(modules.map(|entry| (entry, self.modinfo(entry))).collect())
    }

    /// The modules of which the indexes do not rule out that they have an alias which one of `patterns` matches, and import one
    /// of `imports`, in the order of [`modules`](Self::modules). Where a list is empty, it asks for nothing. All modules,
    /// where there are no indexes to believe. The caller reads them: one that has changed since is not ruled out by what it
    /// imported then.
    pub(crate) fn candidates(
        &self,
        patterns: &[Pattern],
        imports: &[String],
    ) -> Result<Vec<Entry>, TreeError> {
        let asks_nothing = patterns.is_empty() && imports.is_empty();
        let listed = match asks_nothing {
            true => None,
            false => self.listed()?,
        };
        let Some(listed) = listed else {
            return Ok(self.modules()?.to_vec());
        };
        let names = match patterns.is_empty() {
            true => listed.names(),
            false => listed.having(patterns),
        };
        let mut entries = self.find_all(&names)?;
        if !imports.is_empty() {
            let may = listed.importing(imports);
            entries.retain(|entry| may(&entry.name) || !self.is_unchanged(listed, entry));
        }
        self.sort(&mut entries, |entry| (&entry.name, &entry.relative))?;
        Ok(entries)
    }

    /// Puts modules in the order of [`modules`](Self::modules), without a walk of the tree. `of` gives name and place of one.
    pub(crate) fn sort<T>(
        &self,
        modules: &mut [T],
        of: impl Fn(&T) -> (&ModuleName, &Path),
    ) -> Result<(), TreeError> {
        let order = self.order()?;
        modules.sort_by_cached_key(|module| {
            let (name, relative) = of(module);
            order.key(name, relative)
        });
        Ok(())
    }

    /// Whether questions about all modules are, as a rule, answered from depmod's indexes: whether these can be believed, which is
    /// found out once.
    pub(crate) fn is_indexed(&self) -> bool {
        matches!(self.listed(), Ok(Some(_)))
    }

    /// Whether a module has certainly not changed since an index was written.
    pub(super) fn is_unchanged(&self, listed: &Listed, entry: &Entry) -> bool {
        self.looks_at(entry);
        listed.is_unchanged(&self.dir, entry)
    }

    /// Takes depmod's indexes for newer than all directories with modules, without a look at these, which takes longer than most
    /// questions. Before the answers are believed, [`is_as_supposed`](Self::is_as_supposed) must be asked.
    #[must_use]
    pub fn supposing_current(self) -> Self {
        Self {
            supposes: true,
            ..self
        }
    }

    /// Whether what was [supposed](Self::supposing_current) of the indexes so far is true, as it is where nothing was. If not, they are
    /// not used from now on, and every question has to be asked again.
    pub fn is_as_supposed(&self) -> bool {
        let is_used = self.supposes && self.knows_outside.get() == Some(&true);
        let Some(Some(listed)) = self.listed.get().filter(|_| is_used) else {
            return true;
        };
        if self.current.get().is_some() {
            return true;
        }
        let is_current = || listed.is_current(&self.dir);
        *self.supposition.get_or_init(is_current)
    }

    /// Opens depmod's indexes, where there are any, before somebody asks for them.
    pub fn open_indexes(&self) {
        self.opened();
    }

    /// Whether they [are open](Self::open_indexes).
    pub(crate) fn has_open_indexes(&self) -> bool {
        matches!(self.listed.get(), Some(Some(_)))
    }

    fn opened(&self) -> Option<&Listed> {
        // Another thread may do the same at the same time: it must not be waited for while it waits for this one's work.
        if self.listed.get().is_none() {
            let listed = Listed::read(&self.dir);
            let current = listed.as_ref().and_then(|listed| match self.supposes {
                // A tree that has been copied is found out here already.
                true => listed.is_older(&self.dir).then_some(false),
                false => Some(listed.is_current(&self.dir)),
            });
            if let Some(current) = current {
                let _of_another_thread = self.current.set(current);
            }
            let _of_another_thread = self.listed.set(listed);
        }
        self.listed.get()?.as_ref()
    }

    /// What depmod wrote, where it can be believed, or [is](Self::supposing_current) for the time being.
    pub(super) fn listed(&self) -> Result<Option<&Listed>, TreeError> {
        let knows_outside = *try_once(&self.knows_outside, || {
            let (listed, outside) = rayon::join(|| self.opened(), || self.outside_kernel());
            let outside = outside?;
            outside.iter().for_each(|entry| self.looks_at(entry));
            let mut outside = outside.iter();
            let knows =
                |listed: &Listed| outside.all(|entry| listed.is_unchanged(&self.dir, entry));
            Ok(listed.is_some_and(knows))
        })?;
        let is_current = |known: &OnceLock<bool>| known.get().is_none_or(|&is_current| is_current);
        let is_current = is_current(&self.current) && is_current(&self.supposition);
        Ok(self.opened().filter(|_| knows_outside && is_current))
    }
}

/// Every module file below a directory, also those that share a name, in no order.
pub(crate) fn all_files(dir: &Path) -> Result<Vec<Entry>, TreeError> {
    walk::files(dir).map_err(|source| TreeError::Directory {
        path: dir.to_path_buf(),
        source,
    })
}
