//! The functions of a module in which calls stand, and their names.

use object::Endianness;
use object::read::elf::{ElfFile, ElfSymbol, FileHeader, Sym as _};
use object::read::{Object, ObjectSection, ObjectSymbol, SectionIndex, SymbolIndex};

use super::sites::{Caller, FARTHEST};

/// The kernel's own limit for a symbol's name (`KSYM_NAME_LEN`, `linux/kallsyms.h`), with the NUL behind it.
const LONGEST_NAME: usize = 512;

/// A function: where it is, and the symbol that names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Function {
    section: usize,
    pub(super) start: u64,
    end: u64,
    symbol: usize,
}

/// The functions that calls stand in, sorted by section and beginning.
pub(super) fn functions_around<Elf: FileHeader<Endian = Endianness>>(
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
pub(super) fn enclosing(
    functions: &[Function],
    section: SectionIndex,
    offset: u64,
) -> Option<Function> {
    let begins_before = |of: &Function| (of.section, of.start) <= (section.0, offset);
    let before = &functions[..functions.partition_point(begins_before)];
    let before = before.iter().rev().take(FARTHEST);
    let mut before = before.take_while(|of| of.section == section.0);
    before.find(|of| offset < of.end).copied()
}

/// The last, by the alphabet, of the names that a function has.
pub(super) fn name<'data, Elf: FileHeader>(
    file: &ElfFile<'data, Elf>,
    functions: &[Function],
    function: Function,
) -> Option<&'data str> {
    let place = |of: &Function| (of.section, of.start, of.end);
    // They are sorted by it.
    let first = functions.partition_point(|other| place(other) < place(&function));
    let same = functions.get(first..)?.iter().take(FARTHEST);
    let same = same.take_while(|other| place(other) == place(&function));
    let names = same.filter_map(|same| {
        let symbol = file.symbol_by_index(SymbolIndex(same.symbol)).ok()?;
        let name = name_onwards(file, &symbol);
        let name = name.get(..LONGEST_NAME).unwrap_or(name);
        std::str::from_utf8(&name[..memchr::memchr(0, name)?]).ok()
    });
    names.max()
}

/// The table of names from a symbol's name on: where that ends is not looked for, which may be far away in a file that was made
/// to be slow.
pub(super) fn name_onwards<'data, Elf: FileHeader>(
    file: &ElfFile<'data, Elf>,
    symbol: &ElfSymbol<'data, '_, Elf>,
) -> &'data [u8] {
    let names = file.elf_symbol_table().string_section();
    let names = file.section_by_index(names);
    let names = names.and_then(|names| names.data()).unwrap_or_default();
    let start = symbol.elf_symbol().st_name(file.endian()) as usize;
    names.get(start..).unwrap_or_default()
}
