//! What one module says: each part is read when it is asked for, and kept.

use std::sync::{Arc, Mutex};

use super::{Entry, Tree, TreeError, file, lock};
use crate::elf::{Parts, Record, Wanted};
use crate::fast_hash::FastMap;
use crate::{ModInfo, Module, ModuleName, Symbols};

/// What is known of a module, else what `read` gives, which is kept. The lock is not held while it reads.
fn known_or<T>(
    known: &Mutex<FastMap<ModuleName, Arc<T>>>,
    entry: &Entry,
    read: impl FnOnce() -> Result<T, TreeError>,
) -> Result<Arc<T>, TreeError> {
    if let Some(one) = lock(known).get(&entry.name) {
        return Ok(Arc::clone(one));
    }
    let one = Arc::new(read()?);
    lock(known).insert(entry.name.clone(), Arc::clone(&one));
    Ok(one)
}

impl Tree {
    /// The `.modinfo` fields of a module.
    ///
    /// # Errors
    /// [`TreeError::Read`], [`TreeError::Elf`].
    pub fn modinfo(&self, entry: &Entry) -> Result<Arc<ModInfo>, TreeError> {
        known_or(&self.infos, entry, || match entry.is_plain() {
            true => Ok(self.read_file(entry, file::MODINFO)?.modinfo),
            false => self.decoded_modinfo(entry),
        })
    }

    /// The fields of a module that is compressed. Decoding takes a hundred times as long as reading what is in it, so its symbols
    /// are kept, too; if there is something wrong with them, that is told when they are asked for.
    fn decoded_modinfo(&self, entry: &Entry) -> Result<ModInfo, TreeError> {
        let path = self.dir.join(&entry.relative);
        let bytes = self.bytes(entry)?;
        let parts =
            |wanted| file::parts_of(&path, &bytes, wanted).map_err(|error| self.named(error));
        let modinfo = parts(file::MODINFO)?.modinfo;
        if let Ok(Parts { symbols, .. }) = parts(file::SYMBOLS) {
            lock(&self.symbols).insert(entry.name.clone(), Arc::new(symbols));
        }
        Ok(modinfo)
    }

    /// The symbols that a module imports and exports.
    ///
    /// # Errors
    /// [`TreeError::Read`], [`TreeError::Elf`].
    pub fn symbols(&self, entry: &Entry) -> Result<Arc<Symbols>, TreeError> {
        known_or(&self.symbols, entry, || {
            Ok(self.read_file(entry, file::SYMBOLS)?.symbols)
        })
    }

    /// Reads the record of a module which will be asked for next, if its file is [kept](Self::keeping_files). What goes wrong will be
    /// told then.
    pub(crate) fn read_record(&self, entry: &Entry) {
        if self.mapped(&entry.relative).is_some()
            && let Ok(record) = self.record(entry)
        {
            lock(&self.records).insert(entry.name.clone(), record);
        }
    }

    /// Whether a record has been [read](Self::read_record) and not been asked for.
    pub(crate) fn has_record(&self, name: &ModuleName) -> bool {
        lock(&self.records).contains_key(name)
    }

    /// What depmod takes from a module. A part that cannot be read is an error here.
    pub(crate) fn record(&self, entry: &Entry) -> Result<Record<'static>, TreeError> {
        if let Some(record) = lock(&self.records).remove(&entry.name) {
            return Ok(record);
        }
        let parts = self.read_file(entry, file::RECORD)?;
        match parts.faults.into_iter().next() {
            None => Ok(parts.record),
            Some(source) => Err(TreeError::Elf {
                path: self.shown(&self.dir.join(&entry.relative)),
                source,
            }),
        }
    }

    /// Reads and parses a module as a whole.
    ///
    /// # Errors
    /// [`TreeError::Read`], [`TreeError::Elf`].
    pub fn module(&self, entry: &Entry) -> Result<Module, TreeError> {
        self.reads(entry);
        file::whole(&self.dir.join(&entry.relative)).map_err(|error| self.named(error))
    }

    /// A module as a whole, with its checksums.
    pub(crate) fn module_with_checks(
        &self,
        entry: &Entry,
    ) -> Result<(Module, Record<'static>), TreeError> {
        self.reads(entry);
        file::with_checks(&self.dir.join(&entry.relative)).map_err(|error| self.named(error))
    }

    /// The bytes of a module's file, decompressed.
    ///
    /// # Errors
    /// [`TreeError::Read`].
    pub fn bytes(&self, entry: &Entry) -> Result<Vec<u8>, TreeError> {
        self.reads(entry);
        file::bytes(&self.dir.join(&entry.relative)).map_err(|error| self.named(error))
    }

    /// Where a module holds a string, as a whole and not as a part of another one, in `.rodata*` or `.data`: the section's
    /// name and the offset in it.
    ///
    /// # Errors
    /// [`TreeError::Read`], [`TreeError::Elf`].
    pub fn find_string(
        &self,
        entry: &Entry,
        text: &str,
    ) -> Result<Option<(String, usize)>, TreeError> {
        let wanted = Wanted {
            string: Some(text),
            ..Default::default()
        };
        Ok(self.read_file(entry, wanted)?.string)
    }

    pub(super) fn read_file(&self, entry: &Entry, wanted: Wanted<'_>) -> Result<Parts, TreeError> {
        let path = self.dir.join(&entry.relative);
        let parts = match self.mapped(&entry.relative) {
            Some(file) => file::parts_of(&path, &file, wanted),
            None => {
                self.reads(entry);
                file::parts(&path, wanted)
            }
        };
        parts.map_err(|error| self.named(error))
    }
}
