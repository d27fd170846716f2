//! What would be modules, but is linked into the kernel: `modules.builtin` and `modules.builtin.modinfo`.
//!
//! Both are made by the kernel's own build, not by depmod. The first has a path a line (`kernel/fs/nls/nls_base.ko`), the
//! second NUL-terminated records `name.key=value`, of which the aliases matter here.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use codec::file::{ReadError, read};

use crate::ModuleName;
use crate::alias::Patterns;

/// Real ones have some tens of KiB.
const LIMIT: u64 = 64 << 20;

/// The modules that are part of the kernel. What is looked up is parsed when it is first asked for.
#[derive(Debug)]
pub struct Builtins {
    names: OnceLock<BTreeSet<ModuleName>>,
    aliases: OnceLock<Patterns<ModuleName>>,
    listing: Vec<u8>,
    modinfo: Vec<u8>,
}

impl Builtins {
    /// Reads the two files of a modules directory. A missing one counts as empty.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(dir: &Path) -> Result<Self, ReadError> {
        let listing = read_optional(&dir.join("modules.builtin"))?;
        let modinfo = read_optional(&dir.join("modules.builtin.modinfo"))?;
        Ok(Self::parse(listing, modinfo))
    }

    /// Takes the contents of the two files.
    pub fn parse(listing: Vec<u8>, modinfo: Vec<u8>) -> Self {
        Self {
            names: OnceLock::new(),
            aliases: OnceLock::new(),
            listing,
            modinfo,
        }
    }

    /// Whether a module of this name is part of the kernel.
    pub fn contains(&self, name: &ModuleName) -> bool {
        self.all_names().contains(name)
    }

    /// The names in `modules.builtin`, sorted.
    pub fn names(&self) -> impl Iterator<Item = &ModuleName> {
        self.all_names().iter()
    }

    /// The builtin modules which have an alias that `query` matches.
    pub fn lookup(&self, query: &str) -> Vec<ModuleName> {
        self.all_aliases().lookup(query)
    }

    fn all_names(&self) -> &BTreeSet<ModuleName> {
        self.names.get_or_init(|| {
            let text = String::from_utf8_lossy(&self.listing);
            let paths = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let names = paths.map(|path| path.rsplit('/').next().unwrap_or(path));
            names.map(ModuleName::new).collect()
        })
    }

    fn all_aliases(&self) -> &Patterns<ModuleName> {
        self.aliases.get_or_init(|| {
            let mut aliases = Patterns::new();
            for record in self.modinfo.split(|&byte| byte == 0) {
                if let Some((name, alias)) = alias_record(record) {
                    aliases.add(alias, name);
                }
            }
            aliases
        })
    }

    /// The fields of a builtin module in `modules.builtin.modinfo`, in their order.
    pub fn fields(&self, name: &ModuleName) -> Vec<(Vec<u8>, Vec<u8>)> {
        let records = self.modinfo.split(|&byte| byte == 0);
        let own = records.filter_map(|record| {
            let dot = record.iter().position(|&byte| byte == b'.')?;
            let of = std::str::from_utf8(&record[..dot]).ok()?;
            let field = &record[dot + 1..];
            let equals = field.iter().position(|&byte| byte == b'=')?;
            let (key, value) = (&field[..equals], &field[equals + 1..]);
            (ModuleName::new(of) == *name).then(|| (key.to_vec(), value.to_vec()))
        });
        own.collect()
    }

    /// The bytes of `modules.builtin`.
    pub fn listing(&self) -> &[u8] {
        &self.listing
    }

    /// The bytes of `modules.builtin.modinfo`.
    pub fn modinfo(&self) -> &[u8] {
        &self.modinfo
    }
}

/// The module and the alias of a record `name.alias=value`; the name has no dot.
fn alias_record(record: &[u8]) -> Option<(ModuleName, &[u8])> {
    let dot = record.iter().position(|&byte| byte == b'.')?;
    let alias = record.get(dot + 1..)?.strip_prefix(b"alias=")?;
    let name = std::str::from_utf8(&record[..dot]).ok()?;
    Some((ModuleName::new(name), alias))
}

fn read_optional(path: &Path) -> Result<Vec<u8>, ReadError> {
    match read(path, LIMIT) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases() {
        let builtins = Builtins::parse(
            b"kernel/fs/nls/nls_base.ko\nkernel/drivers/input/serio/i8042.ko\n".to_vec(),
            b"hmac.alias=crypto-hmac\0hmac.license=GPL\0ext4.alias=fs-ext[234]\0".to_vec(),
        );
        assert!(builtins.contains(&ModuleName::new("i8042")));
        assert_eq!(builtins.lookup("crypto_hmac"), [ModuleName::new("hmac")]);
        assert_eq!(builtins.lookup("fs-ext3"), [ModuleName::new("ext4")]);
    }
}
