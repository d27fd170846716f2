//! The functions of a module in which calls stand, and their names.

use object::Endianness;
use object::read::elf::{ElfFile, FileHeader};
use object::read::{Object, ObjectSection, ObjectSymbol, SectionIndex, SymbolIndex};

use super::sites::{Caller, FARTHEST};

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
