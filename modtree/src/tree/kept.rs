//! Modules of which much is asked: opened once, for as long as the tree is open.
//!
//! A closure with what is asked for while running wants a module's fields, its symbols, strings in its data and its code. Each of
//! these by itself costs a handful of system calls; a map of the file, a few page faults for all of them.

use std::path::Path;
use std::sync::Arc;

use codec::Mapped;

use super::{Entry, Tree, TreeError, file, lock};
use crate::calls::names::names_in_data;
use crate::calls::{CallSite, call_sites_of_module};
use crate::{ModInfo, ModuleName};

impl Tree {
    /// The same tree, in which a closure that takes in what is asked for while running leaves the files of its modules open
    /// ([`mapped`](Self::mapped)): for who wants their bytes next, as an image does.
    ///
    /// None of these files must become shorter meanwhile: see [`Mapped`].
    #[must_use]
    pub fn keeping_files(self) -> Self {
        let keeps_files = true;
        Self {
            keeps_files,
            ..self
        }
    }

    /// Opens a module of which more than one thing will be asked. A compressed one is not kept: it would fill the memory. What
    /// goes wrong will be told by the first question.
    pub(crate) fn keep(&self, entry: &Entry) {
        if self.keeps_files
            && entry.is_plain()
            && self.mapped(&entry.relative).is_none()
            && let Some(file) = file::map_plain(&self.dir.join(&entry.relative))
        {
            self.reads(entry);
            lock(&self.kept).insert(entry.relative.clone(), Arc::new(file));
        }
    }

    /// The file of a module, by its path below the modules directory, if it is kept open: each module of a closure that
    /// is not compressed, where [`keeping_files`](Self::keeping_files) asked for that.
    pub fn mapped(&self, relative: &Path) -> Option<Arc<Mapped>> {
        lock(&self.kept).get(relative).cloned()
    }

    /// The fields of a module whose file is [kept open](Self::mapped), if they and its symbols have been read from it, without a
    /// fault: what [`Module::checked_info`](crate::Module::checked_info) would give of its bytes.
    pub fn known_modinfo(&self, relative: &Path) -> Option<Arc<ModInfo>> {
        self.mapped(relative)?;
        let name = ModuleName::of_file(relative.file_name()?);
        let is_it = lock(&self.found).get(&name)?.relative == relative;
        let is_whole = is_it && lock(&self.symbols).contains_key(&name);
        let info = lock(&self.infos).get(&name).cloned();
        info.filter(|_| is_whole)
    }

    /// The calls by which a module asks for others. Its symbols have been read before, so that its bytes are known to be a module's.
    pub(crate) fn call_sites(&self, entry: &Entry) -> Result<Vec<CallSite>, TreeError> {
        let sites = match self.mapped(&entry.relative) {
            Some(file) => call_sites_of_module(&file),
            None => call_sites_of_module(&self.bytes(entry)?),
        };
        sites.map_err(|source| TreeError::Elf {
            path: self.shown(&self.dir.join(&entry.relative)),
            source,
        })
    }

    /// The strings in a module's data that may be names of modules.
    pub(crate) fn names_in_data(&self, entry: &Entry) -> Result<Vec<String>, TreeError> {
        Ok(match self.mapped(&entry.relative) {
            Some(file) => names_in_data(&file),
            None => names_in_data(&self.bytes(entry)?),
        })
    }
}
