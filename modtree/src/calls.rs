//! What a module's code asks for: calls of `request_module` and its like, with the strings that are handed to them.
//!
//! No code is disassembled. A call of an imported function is a relocation, and so is the load of a string's address into
//! an argument's register. On x86-64, the nearest relocation before the call that stands in `mov $imm32, %reg` or
//! `lea disp32(%rip), %reg` gives the string; on arm64, the nearest `add xN, xN, #:lo12:`. Checked against a
//! disassembler on Debian's 6.1 kernel, 95 of 100 call sites of `__request_module` are recovered so; where the address
//! comes from elsewhere (a name on the stack, a table), the string is not known.

mod functions;
pub(crate) mod names;
mod sites;
mod spots;

use std::sync::OnceLock;

use object::read::elf::ElfFile;
use object::{Endianness, elf};

use crate::ElfError;
use sites::sites;

const CALLS: &str = include_str!("../../data/requests/calls.toml");

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Calls {
    call: Vec<Call>,
}

/// A function by which kernel code asks for a module.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    symbol: String,
    argument: usize,
    asks: String,
    #[serde(default)]
    parts: bool,
}

/// A place where a module's code asks for another one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CallSite {
    /// The function that is called, for example `__request_module`.
    pub symbol: String,
    /// The function that calls it, if it has a name.
    pub function: Option<String>,
    /// The section of the call.
    pub section: String,
    /// The offset of the call in its section.
    pub offset: u64,
    /// The string that is handed over, if it is known; for `__request_module` a printf format.
    pub string: Option<String>,
    /// Names or aliases that are asked for; with a `*` where the format has a conversion.
    pub asks: Vec<String>,
}

impl CallSite {
    /// Whether nothing is known of what is asked for: it comes from a table, or from elsewhere.
    pub(crate) fn is_open(&self) -> bool {
        self.symbol == "__request_module" && self.asks.iter().all(|asked| asked == "*")
    }

    /// Whether what is asked for is a pattern: the code fills it in while running.
    pub fn is_pattern(&self) -> bool {
        self.asks.iter().any(|asked| asked.contains('*'))
    }
}

impl std::fmt::Display for CallSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.symbol)?;
        if let Some(string) = &self.string {
            write!(f, "(\"{string}\")")?;
        }
        if let Some(function) = &self.function {
            write!(f, " in {function}")?;
        }
        write!(f, " at {}+{:#x}", self.section, self.offset)
    }
}

/// Whether a module calls a function that asks for modules; `imports` tells whether it imports a symbol.
pub(crate) fn may_ask(imports: impl Fn(&str) -> bool) -> bool {
    calls().iter().any(|call| imports(&call.symbol))
}

fn calls() -> &'static [Call] {
    static PARSED: OnceLock<Vec<Call>> = OnceLock::new();
    // A test parses them.
    PARSED.get_or_init(|| toml::from_str::<Calls>(CALLS).map_or(Vec::new(), |calls| calls.call))
}

/// Finds the calls in a module's bytes, which must not be compressed. Machines other than x86-64 and arm64 have no
/// strings yet; the calls are found all the same.
///
/// # Errors
/// [`ElfError`] where the file is no module that can be read.
pub fn call_sites(bytes: &[u8]) -> Result<Vec<CallSite>, ElfError> {
    // This checks everything that has a sentence of its own.
    crate::Module::checked_info(bytes)?;
    call_sites_of_module(bytes)
}

/// As [`call_sites`], of bytes that have been read as a module before.
pub(crate) fn call_sites_of_module(bytes: &[u8]) -> Result<Vec<CallSite>, ElfError> {
    let unreadable = |_| ElfError::Read { offset: 0 };
    match bytes.get(4) {
        Some(1) => {
            let file = ElfFile::<elf::FileHeader32<Endianness>>::parse(bytes);
            Ok(sites(&file.map_err(unreadable)?))
        }
        _ => {
            let file = ElfFile::<elf::FileHeader64<Endianness>>::parse(bytes);
            Ok(sites(&file.map_err(unreadable)?))
        }
    }
}

fn asks(call: &Call, text: &str) -> Vec<String> {
    let parts: Vec<&str> = match call.parts {
        true => text
            .split(['(', ')', ','])
            .filter(|part| !part.is_empty())
            .collect(),
        false => vec![text],
    };
    let mut asks: Vec<String> = Vec::new();
    for part in parts {
        let part = match call.symbol.as_str() {
            "__request_module" => pattern(part),
            _ => part.to_owned(),
        };
        let asked = call.asks.replace("{}", &part);
        if !asks.contains(&asked) {
            asks.push(asked);
        }
    }
    asks
}

/// A printf format as a pattern: a `*` for each conversion.
fn pattern(format: &str) -> String {
    let mut pattern = String::new();
    let mut rest = format.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter != '%' {
            pattern.push(letter);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            pattern.push('%');
            continue;
        }
        while rest
            .next_if(|letter| "0123456789.+-# *hlzjtq".contains(*letter))
            .is_some()
        {}
        rest.next();
        if !pattern.ends_with('*') {
            pattern.push('*');
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_become_patterns() {
        for (format, expected) in [
            ("nls_%s", "nls_*"),
            ("w1-family-0x%02X", "w1-family-0x*"),
            ("net-pf-%d-proto-%d", "net-pf-*-proto-*"),
            ("100%%", "100%"),
            ("%s%s", "*"),
            ("cfi_cmdset_%4.4X", "cfi_cmdset_*"),
        ] {
            assert_eq!(pattern(format), expected, "{format}");
        }
    }

    /// Bytes that pack to almost nothing must not become gigabytes.
    #[test]
    fn names_and_numbers_of_calls_are_bounded() {
        use object::write::{Object, Relocation, Symbol, SymbolSection};
        use object::{
            Architecture, BinaryFormat, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
            SymbolScope,
        };
        let symbol = |name: &[u8], size, section, kind| Symbol {
            name: name.to_vec(),
            value: 0,
            size,
            kind,
            scope: SymbolScope::Linkage,
            weak: false,
            section,
            flags: SymbolFlags::None,
        };
        for (length, is_named) in [(511, true), (512, false), (1 << 20, false)] {
            let endian = object::Endianness::Little;
            let mut module = Object::new(BinaryFormat::Elf, Architecture::X86_64, endian);
            let info = module.add_section(Vec::new(), b".modinfo".to_vec(), SectionKind::Data);
            module.append_section_data(info, b"name=x\0", 1);
            let text = module.add_section(Vec::new(), b".text".to_vec(), SectionKind::Text);
            module.append_section_data(text, &[0; 64], 1);
            let name = vec![b'f'; length];
            let place = SymbolSection::Section(text);
            module.add_symbol(symbol(&name, 64, place, SymbolKind::Text));
            let asked = symbol(
                b"__request_module",
                0,
                SymbolSection::Undefined,
                SymbolKind::Unknown,
            );
            let asked = module.add_symbol(asked);
            for _ in 0..20_000 {
                let relocation = Relocation {
                    offset: 8,
                    symbol: asked,
                    addend: -4,
                    flags: RelocationFlags::Elf {
                        r_type: elf::R_X86_64_PLT32,
                    },
                };
                module.add_relocation(text, relocation).unwrap();
            }
            let sites = call_sites(&module.write().unwrap()).unwrap();
            assert_eq!(sites.len(), 1 << 14);
            assert_eq!(sites[0].function.is_some(), is_named, "{length}");
        }
    }

    #[test]
    fn the_calls_are_well_formed() {
        assert!(toml::from_str::<Calls>(CALLS).unwrap().call.len() > 5);
    }
}
