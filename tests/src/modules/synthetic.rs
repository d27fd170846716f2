//! Modules that no compiler has made: relocatable ELF objects of every class, with what depmod looks at.

/// A module to be written. The default is an x86-64 one without anything.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// 64-bit or 32-bit.
    pub wide: bool,
    /// Big-endian or little-endian.
    pub big: bool,
    /// `e_machine`.
    pub machine: u16,
    /// The fields, one a line.
    pub modinfo: String,
    /// Undefined symbols: global, weak with a `?` in front, of SPARC's register type with a `%`.
    pub imports: Vec<String>,
    /// Names for local `__crc_` symbols.
    pub crcs: Vec<String>,
    /// The bytes of `__ksymtab_strings`.
    pub ksymtab: Option<Vec<u8>>,
    /// Names in `__versions`.
    pub versions: Vec<String>,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self {
            wide: true,
            big: false,
            machine: 62,
            modinfo: String::new(),
            imports: Vec::new(),
            crcs: Vec::new(),
            ksymtab: None,
            versions: Vec::new(),
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

struct Section {
    name: &'static str,
    kind: u32,
    bytes: Vec<u8>,
    link: u32,
    info: u32,
    entry: u64,
}

impl Synthetic {
    /// A module that imports and exports these symbols (with checksums, as under `MODVERSIONS`).
    pub fn new(modinfo: &str, imports: &[&str], exports: &[&str]) -> Self {
        let strings: Vec<u8> = exports
            .iter()
            .flat_map(|name| [name.as_bytes(), b"\0"].concat())
            .collect();
        Self {
            modinfo: modinfo.to_owned(),
            imports: owned(imports),
            crcs: owned(exports),
            ksymtab: (!exports.is_empty()).then_some(strings),
            versions: owned(imports),
            ..Self::default()
        }
    }

    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut sections = vec![
            self.section("", 0, Vec::new()),
            self.section(".modinfo", 1, self.modinfo.replace('\n', "\0").into_bytes()),
        ];
        let (symbols, strings, locals) = self.symbols();
        let mut table = self.section(".symtab", 2, symbols);
        (table.link, table.info, table.entry) = (3, locals, if self.wide { 24 } else { 16 });
        sections.push(table);
        sections.push(self.section(".strtab", 3, strings));
        if let Some(strings) = &self.ksymtab {
            sections.push(self.section("__ksymtab_strings", 1, strings.clone()));
        }
        if !self.versions.is_empty() {
            sections.push(self.section("__versions", 1, self.version_table()));
        }
        self.file(sections)
    }

    fn section(&self, name: &'static str, kind: u32, bytes: Vec<u8>) -> Section {
        Section {
            name,
            kind,
            bytes,
            link: 0,
            info: 0,
            entry: 0,
        }
    }

    fn number(&self, out: &mut Vec<u8>, value: u64, width: usize) {
        let little = value.to_le_bytes();
        let bytes = &little[..width];
        match self.big {
            false => out.extend(bytes),
            true => out.extend(bytes.iter().rev()),
        }
    }

    /// An address or a size: as wide as the class.
    fn word(&self, out: &mut Vec<u8>, value: u64) {
        self.number(out, value, if self.wide { 8 } else { 4 });
    }

    /// The symbol table, its names, and the number of local symbols.
    fn symbols(&self) -> (Vec<u8>, Vec<u8>, u32) {
        let mut names = vec![0];
        let mut table = Vec::new();
        let mut symbol = |name: &str, info: u8, index: u16, value: u64| {
            let at = if name.is_empty() {
                0
            } else {
                names.len() as u64
            };
            if !name.is_empty() {
                names.extend(name.bytes());
                names.push(0);
            }
            self.number(&mut table, at, 4);
            if self.wide {
                table.extend([info, 0]);
                self.number(&mut table, index.into(), 2);
                self.word(&mut table, value);
                self.word(&mut table, 0);
            } else {
                self.word(&mut table, value);
                self.word(&mut table, 0);
                table.extend([info, 0]);
                self.number(&mut table, index.into(), 2);
            }
        };
        symbol("", 0, 0, 0);
        for name in &self.crcs {
            symbol(&format!("__crc_{name}"), 0, 0xfff1, 0x1234);
        }
        for name in &self.imports {
            match name.as_bytes().first() {
                Some(b'?') => symbol(&name[1..], 0x20, 0, 0),
                Some(b'%') => symbol(&name[1..], 0x1d, 0, 0),
                _ => symbol(name, 0x10, 0, 0),
            }
        }
        (table, names, self.crcs.len() as u32 + 1)
    }

    fn version_table(&self) -> Vec<u8> {
        let mut table = Vec::new();
        for name in &self.versions {
            let start = table.len();
            self.word(&mut table, 0x1234);
            table.extend(name.bytes());
            table.resize(start + 64, 0);
        }
        table
    }

    fn file(&self, mut sections: Vec<Section>) -> Vec<u8> {
        let mut names = Vec::new();
        let mut offsets = Vec::new();
        let mut name_table = |name: &str| {
            offsets.push(names.len() as u64);
            names.extend(name.bytes());
            names.push(0);
        };
        sections.iter().for_each(|section| name_table(section.name));
        name_table(".shstrtab");
        sections.push(self.section(".shstrtab", 3, names));

        let header = if self.wide { 64 } else { 52 };
        let mut contents = Vec::new();
        let mut places = Vec::new();
        for section in &sections {
            places.push(header + contents.len() as u64);
            contents.extend(&section.bytes);
            contents.resize(contents.len().next_multiple_of(8), 0);
        }
        let table = header + contents.len() as u64;
        let mut out = self.header(header, table, sections.len() as u64);
        out.extend(contents);
        for ((section, name), place) in sections.iter().zip(offsets).zip(places) {
            self.number(&mut out, name, 4);
            self.number(&mut out, section.kind.into(), 4);
            self.word(&mut out, 0);
            self.word(&mut out, 0);
            self.word(&mut out, place);
            self.word(&mut out, section.bytes.len() as u64);
            self.number(&mut out, section.link.into(), 4);
            self.number(&mut out, section.info.into(), 4);
            self.word(&mut out, 1);
            self.word(&mut out, section.entry);
        }
        out
    }

    fn header(&self, size: u64, table: u64, sections: u64) -> Vec<u8> {
        let mut out = b"\x7fELF".to_vec();
        out.extend([1 + u8::from(self.wide), 1 + u8::from(self.big), 1]);
        out.resize(16, 0);
        self.number(&mut out, 1, 2);
        self.number(&mut out, self.machine.into(), 2);
        self.number(&mut out, 1, 4);
        self.word(&mut out, 0);
        self.word(&mut out, 0);
        self.word(&mut out, table);
        self.number(&mut out, 0, 4);
        for half in [
            size,
            0,
            0,
            if self.wide { 64 } else { 40 },
            sections,
            sections - 1,
        ] {
            self.number(&mut out, half, 2);
        }
        out
    }
}
