//! Synthetic modules and trees for the tests.

use std::fs;
use std::path::{Path, PathBuf};

use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// A module to be written.
#[derive(Clone, Debug)]
pub(crate) struct Synthetic {
    pub(crate) architecture: Architecture,
    pub(crate) endian: Endianness,
    pub(crate) modinfo: Option<Vec<u8>>,
    pub(crate) imports: Vec<&'static str>,
    /// Names for `__crc_` symbols.
    pub(crate) crcs: Vec<&'static str>,
    pub(crate) ksymtab_strings: Option<&'static [u8]>,
    pub(crate) rodata: &'static [u8],
}

impl Synthetic {
    pub(crate) fn new(modinfo: &str) -> Self {
        Self {
            architecture: Architecture::X86_64,
            endian: Endianness::Little,
            modinfo: Some(modinfo.replace('\n', "\0").into_bytes()),
            imports: Vec::new(),
            crcs: Vec::new(),
            ksymtab_strings: None,
            rodata: b"",
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut object = Object::new(BinaryFormat::Elf, self.architecture, self.endian);
        let sections: [(&str, Option<&[u8]>); 3] = [
            (".modinfo", self.modinfo.as_deref()),
            ("__ksymtab_strings", self.ksymtab_strings),
            (
                ".rodata.str1.1",
                Some(self.rodata).filter(|bytes| !bytes.is_empty()),
            ),
        ];
        for (name, bytes) in sections {
            if let Some(bytes) = bytes {
                let id = object.add_section(Vec::new(), name.into(), SectionKind::ReadOnlyData);
                object.append_section_data(id, bytes, 1);
            }
        }
        for name in &self.imports {
            object.add_symbol(symbol(name, SymbolSection::Undefined, SymbolScope::Unknown));
        }
        for name in &self.crcs {
            let name = format!("__crc_{name}");
            object.add_symbol(symbol(
                &name,
                SymbolSection::Absolute,
                SymbolScope::Compilation,
            ));
        }
        object.write().unwrap()
    }
}

fn symbol(name: &str, section: SymbolSection, scope: SymbolScope) -> Symbol {
    Symbol {
        name: name.into(),
        value: 0,
        size: 0,
        kind: SymbolKind::Data,
        scope,
        weak: false,
        section,
        flags: SymbolFlags::None,
    }
}

/// A modules directory in a temporary root.
pub(crate) struct Root {
    pub(crate) temporary: tempfile::TempDir,
    pub(crate) dir: PathBuf,
}

impl Root {
    pub(crate) fn new(version: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("lib/modules").join(version);
        fs::create_dir_all(dir.join("kernel")).unwrap();
        Self { temporary, dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.temporary.path()
    }

    pub(crate) fn file(&self, relative: &str, bytes: &[u8]) {
        let path = self.dir.join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A module of the kernel's own build with these fields, one a line.
    pub(crate) fn module(&self, relative: &str, modinfo: &str) {
        let modinfo = format!("{modinfo}\nintree=Y\ndepends=");
        self.file(relative, &Synthetic::new(&modinfo).bytes());
    }
}
