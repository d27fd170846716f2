//! Finding the calls in a file, and the strings that are handed over.

use object::read::elf::{ElfFile, ElfSection, FileHeader};
use object::read::{Object, ObjectSection, ObjectSymbol, SectionIndex};
use object::{Architecture, Endianness, SectionKind, elf};

use super::functions::{enclosing, functions_around, name, name_onwards};
use super::spots::{Calling, Spot, Spots};
use super::{Call, CallSite, asks, calls};
use crate::fast_hash::FastSet;

/// An argument is loaded shortly before the call, and functions are not nested deeply; this bounds the work on a file made to be
/// slow.
pub(super) const FARTHEST: usize = 500;

/// Longer strings are no names.
const LONGEST: usize = 256;

/// A section of code that calls functions by which modules are asked for.
pub(super) struct Caller<'data, 'file, Elf: FileHeader<Endian = Endianness>> {
    pub(super) section: ElfSection<'data, 'file, Elf>,
    pub(super) spots: Spots<'data, Elf>,
    pub(super) calls: Vec<Calling>,
}

/// The calls in a file.
pub(super) fn sites<Elf: FileHeader<Endian = Endianness>>(
    file: &ElfFile<'_, Elf>,
) -> Vec<CallSite> {
    let callers = callers(file);
    let functions = functions_around(file, &callers);
    let mut found = Vec::new();
    for caller in &callers {
        let section = caller.section.name().unwrap_or_default();
        let section = section.get(..LONGEST).unwrap_or(section);
        for calling in &caller.calls {
            let function = enclosing(&functions, caller.section.index(), calling.offset);
            let start = function.map_or(0, |function| function.start);
            let place = argument(file, caller, calling, start);
            let function = function.and_then(|function| name(file, &functions, function));
            let site = CallSite {
                symbol: calling.call.symbol.clone(),
                function: function.map(str::to_owned),
                section: section.to_owned(),
                offset: calling.offset,
                string: None,
                asks: Vec::new(),
            };
            found.push((calling.call, site, place));
        }
    }
    let places = found.iter().filter_map(|&(.., place)| place);
    let own_names = own_names(file, places.collect());
    let with_string = |(call, site, place): (&Call, CallSite, Option<Place>)| {
        // A function's own name is for its messages, and no argument of this call.
        let own = site
            .function
            .as_deref()
            .and_then(|name| name.split('.').next());
        let string = place
            .filter(|place| !own_names.contains(place))
            .and_then(|place| string_at(file, place))
            .filter(|text| own != Some(text));
        let asks = string
            .as_deref()
            .map_or(Vec::new(), |text| asks(call, text));
        CallSite {
            string,
            asks,
            ..site
        }
    };
    found.into_iter().map(with_string).collect()
}

/// The sections with calls.
fn callers<'data, 'file, Elf: FileHeader<Endian = Endianness>>(
    file: &'file ElfFile<'data, Elf>,
) -> Vec<Caller<'data, 'file, Elf>> {
    let called = called(file);
    if called.is_empty() {
        return Vec::new();
    }
    let called_by = |spot: &Spot| *called.get(spot.symbol.0)?;
    let code = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text);
    let callers = code.map(|section| {
        let (spots, calls) = Spots::of(file, &section).sorted_with(called_by);
        Caller {
            section,
            spots,
            calls,
        }
    });
    callers.filter(|caller| !caller.calls.is_empty()).collect()
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

/// The place of the string that is handed over in a call: what the last instruction before it puts into the argument's register, in a
/// function that begins at `start`.
fn argument<Elf: FileHeader<Endian = Endianness>>(
    file: &ElfFile<'_, Elf>,
    caller: &Caller<'_, '_, Elf>,
    calling: &Calling,
    start: u64,
) -> Option<Place> {
    let code = caller.section.data().unwrap_or_default();
    let before = (0..calling.at).rev();
    let mut before = before
        .filter_map(|at| caller.spots.get(at))
        .take(FARTHEST)
        .take_while(|earlier| earlier.offset >= start);
    let argument = calling.call.argument;
    let load = before.find(|earlier| loads(file.architecture(), code, earlier, argument))?;
    place_of(file, &load)
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
        let is_wanted = places.contains(&place) && is_own(name_onwards(file, &symbol));
        is_wanted.then_some(place)
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
