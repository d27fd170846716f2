//! What a module's code asks for: calls of `request_module` and its like, with the strings that are handed to them.
//!
//! No code is disassembled. A call of an imported function is a relocation, and so is the load of a string's address into
//! an argument's register. On x86-64, the nearest relocation before the call that stands in `mov $imm32, %reg` or
//! `lea disp32(%rip), %reg` gives the string; on arm64, the nearest `add xN, xN, #:lo12:`. Checked against a
//! disassembler on Debian's 6.1 kernel, 95 of 100 call sites of `__request_module` are recovered so; where the address
//! comes from elsewhere (a name on the stack, a table), the string is not known.

pub(crate) mod names;

use std::sync::OnceLock;

use object::read::elf::{ElfFile, ElfSection, FileHeader, Rela as _};
use object::read::{
    Object, ObjectSection, ObjectSymbol, Relocation, RelocationTarget, SectionIndex, SymbolIndex,
};
use object::{Architecture, Endianness, RelocationFlags, SectionKind, elf};

use crate::ElfError;
use crate::fast_hash::FastSet;

const CALLS: &str = include_str!("../../data/requests/calls.toml");

/// An argument is loaded shortly before the call, and functions are not nested deeply; this bounds the work on a file made to be
/// slow.
const FARTHEST: usize = 500;

/// Longer strings are no names.
const LONGEST: usize = 256;

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

/// A relocation in a section of code.
#[derive(Clone, Copy)]
struct Spot {
    offset: u64,
    symbol: SymbolIndex,
    addend: i64,
    kind: u32,
}

fn sites<'data, Elf: FileHeader<Endian = Endianness>>(file: &ElfFile<'data, Elf>) -> Vec<CallSite> {
    let called = called(file);
    if called.is_empty() {
        return Vec::new();
    }
    let called_by = |spot: &Spot| *called.get(spot.symbol.0)?;
    let mut callers = Vec::new();
    for section in file.sections() {
        if section.kind() == SectionKind::Text {
            let (spots, calls) = Spots::of(file, &section).sorted_with(called_by);
            if !calls.is_empty() {
                callers.push(Caller {
                    section,
                    spots,
                    calls,
                });
            }
        }
    }
    let functions = functions_around(file, &callers);
    let mut all = Vec::new();
    let mut places = Vec::new();
    for Caller {
        section,
        spots,
        calls,
    } in &callers
    {
        let code = section.data().unwrap_or_default();
        for &Calling { at, call, offset } in calls {
            let function = enclosing(&functions, section.index(), offset);
            let start = function.map_or(0, |function| function.start);
            let before = (0..at).rev().filter_map(|at| spots.get(at));
            let place = before
                .take(FARTHEST)
                .take_while(|earlier| earlier.offset >= start)
                .find(|earlier| loads(file.architecture(), code, earlier, call.argument))
                .and_then(|earlier| place_of(file, &earlier));
            let function = function.and_then(|function| name(file, &functions, function));
            places.push(place);
            all.push((
                call,
                CallSite {
                    symbol: call.symbol.clone(),
                    function: function.map(str::to_owned),
                    section: section.name().unwrap_or_default().to_owned(),
                    offset,
                    string: None,
                    asks: Vec::new(),
                },
            ));
        }
    }
    let own_names = own_names(file, places.iter().flatten().copied().collect());
    let with_string = |((call, site), place): ((&Call, CallSite), Option<Place>)| {
        let own = |text: &String| {
            let mut name = site
                .function
                .iter()
                .filter_map(|name| name.split('.').next());
            name.any(|name| name == text)
        };
        let string = place
            // A function's own name is for its messages, and no argument of this call.
            .filter(|place| !own_names.contains(place))
            .and_then(|place| string_at(file, place))
            .filter(|text| !own(text));
        let asks = string
            .as_deref()
            .map_or(Vec::new(), |text| asks(call, text));
        CallSite {
            string,
            asks,
            ..site
        }
    };
    all.into_iter().zip(places).map(with_string).collect()
}

/// For each symbol up to the last that counts, whether it stands for a function by which modules are asked for, and which: such
/// symbols are in no section of the file's own.
fn called<Elf: FileHeader>(file: &ElfFile<'_, Elf>) -> Vec<Option<&'static Call>> {
    let calls = calls();
    let mut called = Vec::new();
    for symbol in file.symbols() {
        if symbol.section_index().is_some() {
            continue;
        }
        let Ok(name) = symbol.name() else {
            continue;
        };
        if let Some(call) = calls.iter().find(|call| call.symbol == name) {
            let number = symbol.index().0;
            called.resize(called.len().max(number + 1), None);
            called[number] = Some(call);
        }
    }
    called
}

/// A section of code that calls functions by which modules are asked for.
struct Caller<'data, 'file, Elf: FileHeader<Endian = Endianness>> {
    section: ElfSection<'data, 'file, Elf>,
    spots: Spots<'data, Elf>,
    calls: Vec<Calling>,
}

/// Such a call.
struct Calling {
    /// Its place among the relocations of the section.
    at: usize,
    call: &'static Call,
    offset: u64,
}

/// The relocations of a section that have a symbol.
enum Spots<'data, Elf: FileHeader> {
    /// As the file has them: what most modules have is one table of relocations with addends, and in order.
    Table {
        all: &'data [Elf::Rela],
        endian: Elf::Endian,
        is_mips64el: bool,
    },
    List(Vec<Spot>),
}

impl<'data, Elf: FileHeader<Endian = Endianness>> Spots<'data, Elf> {
    fn of(file: &ElfFile<'data, Elf>, section: &ElfSection<'data, '_, Elf>) -> Self {
        match section.elf_linked_rela() {
            Ok(all) if !all.is_empty() => Self::Table {
                all,
                endian: file.endian(),
                is_mips64el: file.elf_header().is_mips64el(file.endian()),
            },
            _ => Self::List(section.relocations().filter_map(spot).collect()),
        }
    }

    /// How many there are, with those that have no symbol.
    fn len(&self) -> usize {
        match self {
            Self::Table { all, .. } => all.len(),
            Self::List(all) => all.len(),
        }
    }

    /// One of them, if it has a symbol.
    fn get(&self, at: usize) -> Option<Spot> {
        match self {
            Self::Table {
                all,
                endian,
                is_mips64el,
            } => {
                let rela = all.get(at)?;
                Some(Spot {
                    offset: rela.r_offset(*endian).into(),
                    symbol: rela.symbol(*endian, *is_mips64el)?,
                    addend: rela.r_addend(*endian).into(),
                    kind: rela.r_type(*endian, *is_mips64el).0,
                })
            }
            Self::List(all) => all.get(at).copied(),
        }
    }

    /// The same by their offsets, and those that are calls: their places in the list, and their offsets in the section.
    fn sorted_with(
        self,
        called_by: impl Fn(&Spot) -> Option<&'static Call>,
    ) -> (Self, Vec<Calling>) {
        let mut calls = Vec::new();
        let mut is_sorted = true;
        let mut last = 0;
        for at in 0..self.len() {
            if let Some(spot) = self.get(at) {
                is_sorted &= spot.offset >= std::mem::replace(&mut last, spot.offset);
                if let Some(call) = called_by(&spot) {
                    calls.push(Calling {
                        at,
                        call,
                        offset: spot.offset,
                    });
                }
            }
        }
        if is_sorted || calls.is_empty() {
            return (self, calls);
        }
        let spots = (0..self.len()).filter_map(|at| self.get(at));
        let mut all: Vec<_> = spots.collect();
        all.sort_by_key(|spot| spot.offset);
        Self::List(all).sorted_with(called_by)
    }
}

fn spot((offset, relocation): (u64, Relocation)) -> Option<Spot> {
    match (relocation.target(), relocation.flags()) {
        (RelocationTarget::Symbol(symbol), RelocationFlags::Elf { r_type }) => Some(Spot {
            offset,
            symbol,
            addend: relocation.addend(),
            kind: r_type.0,
        }),
        _ => None,
    }
}

/// A function: where it is, and the symbol that names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    section: usize,
    start: u64,
    end: u64,
    symbol: usize,
}

/// The functions that calls stand in, sorted by section and beginning.
fn functions_around<Elf: FileHeader<Endian = Endianness>>(
    file: &ElfFile<'_, Elf>,
    callers: &[Caller<'_, '_, Elf>],
) -> Vec<Function> {
    let mut functions = Vec::new();
    for symbol in file.symbols().filter(|symbol| symbol.size() > 0) {
        let start = symbol.address();
        let end = start.saturating_add(symbol.size());
        let Some(section) = symbol.section_index() else {
            continue;
        };
        // These are in the file's order, and the calls of each are sorted by offset.
        let caller = callers.binary_search_by_key(&section.0, |caller| caller.section.index().0);
        let calls = caller.map_or(&[][..], |at| &callers[at].calls);
        let first = calls.partition_point(|calling| calling.offset < start);
        if calls.get(first).is_some_and(|calling| calling.offset < end) {
            functions.push(Function {
                section: section.0,
                start,
                end,
                symbol: symbol.index().0,
            });
        }
    }
    functions.sort_unstable();
    functions
}

/// The innermost function around an offset.
fn enclosing(functions: &[Function], section: SectionIndex, offset: u64) -> Option<Function> {
    let begins_before = |of: &Function| (of.section, of.start) <= (section.0, offset);
    let before = &functions[..functions.partition_point(begins_before)];
    let before = before.iter().rev().take(FARTHEST);
    let mut before = before.take_while(|of| of.section == section.0);
    before.find(|of| offset < of.end).copied()
}

/// The last, by the alphabet, of the names that a function has.
fn name<'data, Elf: FileHeader>(
    file: &ElfFile<'data, Elf>,
    functions: &[Function],
    function: Function,
) -> Option<&'data str> {
    let same = |other: &&Function| {
        Function {
            symbol: function.symbol,
            ..**other
        } == function
    };
    let symbols = functions
        .iter()
        .filter(same)
        .map(|same| SymbolIndex(same.symbol));
    let names = symbols.filter_map(|symbol| file.symbol_by_index(symbol).ok()?.name().ok());
    names.max()
}

/// Whether the instruction with this relocation puts an address into the register of an argument.
fn loads(architecture: Architecture, code: &[u8], spot: &Spot, argument: usize) -> bool {
    let Ok(offset) = usize::try_from(spot.offset) else {
        return false;
    };
    match architecture {
        Architecture::X86_64 => {
            // %rdi, %rsi, %rdx: their numbers in the ModRM byte.
            let Some(&register) = [7_u8, 6, 2].get(argument) else {
                return false;
            };
            let start = offset.checked_sub(3);
            let bytes = start.and_then(|start| code.get(start..offset));
            bytes == Some(&[0x48, 0xc7, 0xc0 | register])
                || bytes == Some(&[0x48, 0x8d, 0x05 | register << 3])
        }
        Architecture::Aarch64 => {
            let bytes = code.get(offset..).and_then(|rest| rest.get(..4));
            let word = bytes.and_then(|bytes| bytes.try_into().ok());
            let word = word.map_or(0, u32::from_le_bytes);
            spot.kind == elf::R_AARCH64_ADD_ABS_LO12_NC.0 && word & 0x1f == argument as u32
        }
        _ => false,
    }
}

/// A section, and an offset in it.
type Place = (SectionIndex, u64);

/// At which of these places the compiler has put the name of a function, for `__func__`.
fn own_names<Elf: FileHeader>(file: &ElfFile<'_, Elf>, places: FastSet<Place>) -> FastSet<Place> {
    if places.is_empty() {
        return places;
    }
    let is_own =
        |name: &[u8]| name.starts_with(b"__func__") || name.starts_with(b"__PRETTY_FUNCTION__");
    let found = file.symbols().filter_map(|symbol| {
        let place = (symbol.section_index()?, symbol.address());
        (places.contains(&place) && symbol.name_bytes().is_ok_and(is_own)).then_some(place)
    });
    found.collect()
}

/// The place that a relocation leads to.
fn place_of<Elf: FileHeader>(file: &ElfFile<'_, Elf>, spot: &Spot) -> Option<Place> {
    let symbol = file.symbol_by_index(spot.symbol).ok()?;
    let section = symbol.section_index()?;
    let mut offset = (symbol.address() as i64).wrapping_add(spot.addend);
    if file.architecture() == Architecture::X86_64 && spot.kind == elf::R_X86_64_PC32.0 {
        // Relative to the end of the four bytes.
        offset = offset.checked_add(4)?;
    }
    Some((section, u64::try_from(offset).ok()?))
}

/// The string at a place.
fn string_at<Elf: FileHeader>(file: &ElfFile<'_, Elf>, (section, offset): Place) -> Option<String> {
    let section = file.section_by_index(section).ok()?;
    let bytes = section.data().ok()?.get(usize::try_from(offset).ok()?..)?;
    let end = memchr::memchr(0, bytes.get(..LONGEST).unwrap_or(bytes))?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let printable = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    (!text.is_empty() && printable).then(|| text.to_owned())
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

    #[test]
    fn the_calls_are_well_formed() {
        assert!(toml::from_str::<Calls>(CALLS).unwrap().call.len() > 5);
    }
}
