//! The programs and libraries of an image, each parsed once, whoever asks: most scripts have one interpreter, and most programs the
//! same libraries.

use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::elf::Elf;

/// Where a file's bytes are in memory: address and length.
type Place = (usize, usize);

type Headers = Rc<Result<Elf, String>>;

/// What their headers say, by where their bytes are in memory: names of one file share them.
#[derive(Default)]
pub(super) struct Parsed<'image> {
    known: RefCell<HashMap<Place, Headers>>,
    /// They stay where they are as long as this is used.
    bytes: PhantomData<&'image [u8]>,
}

impl<'image> Parsed<'image> {
    /// As [`Elf::parse`].
    pub(super) fn elf(&self, bytes: &'image [u8]) -> Headers {
        let place = (bytes.as_ptr() as usize, bytes.len());
        let mut known = self.known.borrow_mut();
        let parsed = known
            .entry(place)
            .or_insert_with(|| Rc::new(Elf::parse(bytes)));
        Rc::clone(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_parsed_once() {
        let bytes = *b"no program at all";
        let parsed = Parsed::default();
        let first = parsed.elf(&bytes);
        assert!(first.is_err());
        assert!(Rc::ptr_eq(&first, &parsed.elf(&bytes)));
        assert!(!Rc::ptr_eq(&first, &parsed.elf(&bytes[..4])));
    }
}
