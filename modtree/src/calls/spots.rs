//! Relocations in code: where it leads to symbols, and which of these places are calls.

use object::read::elf::{ElfFile, ElfSection, FileHeader, Rela as _};
use object::read::{ObjectSection, Relocation, RelocationTarget, SymbolIndex};
use object::{Endianness, RelocationFlags};

use super::Call;

/// No section of a module has so many calls: this bounds the memory for a file made to fill it.
const MOST_CALLS: usize = 1 << 14;

/// A relocation in a section of code.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) offset: u64,
    pub(super) symbol: SymbolIndex,
    pub(super) addend: i64,
    pub(super) kind: u32,
}

/// Such a call.
pub(super) struct Calling {
    /// Its place among the relocations of the section.
    pub(super) at: usize,
    pub(super) call: &'static Call,
    pub(super) offset: u64,
}

/// The relocations of a section that have a symbol.
pub(super) enum Spots<'data, Elf: FileHeader> {
    /// As the file has them: what most modules have is one table of relocations with addends, and in order.
    Table {
        all: &'data [Elf::Rela],
        endian: Elf::Endian,
        is_mips64el: bool,
    },
    List(Vec<Spot>),
}

impl<'data, Elf: FileHeader<Endian = Endianness>> Spots<'data, Elf> {
    pub(super) fn of(file: &ElfFile<'data, Elf>, section: &ElfSection<'data, '_, Elf>) -> Self {
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
    pub(super) fn get(&self, at: usize) -> Option<Spot> {
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
    pub(super) fn sorted_with(
        self,
        called_by: impl Fn(&Spot) -> Option<&'static Call>,
    ) -> (Self, Vec<Calling>) {
        let mut calls = Vec::new();
        let mut is_sorted = true;
        let mut last = 0;
        for at in 0..self.len() {
            if let Some(spot) = self.get(at) {
                is_sorted &= spot.offset >= std::mem::replace(&mut last, spot.offset);
                if let Some(call) = called_by(&spot)
                    && calls.len() < MOST_CALLS
                {
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
