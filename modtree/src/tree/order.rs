//! `modules.order`: where a kernel's build put each module, which saves a walk of the directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memchr_iter;

use super::walk::{Entry, SUFFIXES};
use crate::ModuleName;
use crate::fast_hash::FastMap;
use crate::name::{stem, underscore};
use crate::text::Text;

/// The lines of `modules.order`: where the kernel's build put each module, and its place in the load order.
///
/// Of 4,000 lines a question about a few modules wants a few, so a line is found by a part of its module's name, and only then
/// looked at.
#[derive(Debug, Default)]
pub(super) struct Order {
    text: Text,
    /// Where each line ends.
    ends: Vec<u32>,
    /// The numbers of the lines, from 1 on, in the first empty slot from the one that the name [has](slot): the smaller the table, the
    /// fewer of its pages are touched for the first time. Their number is a power of two; 0 stands for none.
    slots: Vec<u32>,
    /// The numbers of lines without a slot.
    crowded: FastMap<ModuleName, u32>,
}

/// So many slots are looked at for a name: hardly ever are more taken, unless somebody has made names that are alike.
const PROBES: usize = 32;

impl Order {
    /// What is behind 4 GiB is passed over.
    pub(super) fn new(text: Text) -> Self {
        let lines = memchr_iter(b'\n', &text).count() + 1;
        let mut order = Self {
            ends: Vec::with_capacity(lines),
            slots: vec![0; (lines * 2).next_power_of_two()],
            crowded: FastMap::default(),
            text: Text::default(),
        };
        let mut start = 0;
        for end in memchr_iter(b'\n', &text).chain([text.len()]) {
            let line = &text[std::mem::replace(&mut start, end + 1)..end];
            let Ok(end) = u32::try_from(end) else {
                break;
            };
            order.ends.push(end);
            let file = behind_last_slash(line);
            if !file.is_empty() {
                order.add(file);
            }
        }
        order.text = text;
        order
    }

    /// Gives the last line a slot.
    fn add(&mut self, file: &[u8]) {
        let stem = stem(file);
        let first = match stem.is_ascii() {
            true => slot(stem),
            false => slot(
                ModuleName::of_file(OsStr::from_bytes(file))
                    .as_str()
                    .as_bytes(),
            ),
        };
        let mask = self.slots.len() - 1;
        let number = self.ends.len() as u32;
        for probe in first..first + PROBES {
            if let Some(slot) = self.slots.get_mut(probe & mask)
                && *slot == 0
            {
                *slot = number;
                return;
            }
        }
        let name = ModuleName::of_file(OsStr::from_bytes(file));
        self.crowded.entry(name).or_insert(number);
    }

    /// The lines; behind the last end of a line there is one more, which may be empty.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).filter_map(|number| self.text(number))
    }

    fn text(&self, number: usize) -> Option<&[u8]> {
        let start = match number.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize + 1,
            None => 0,
        };
        self.text.get(start..*self.ends.get(number)? as usize)
    }

    /// The first line of a module: its number, and the path.
    pub(super) fn line(&self, name: &ModuleName) -> Option<(usize, &Path)> {
        let is_it = |number: usize| {
            let path = Path::new(OsStr::from_bytes(self.text(number)?));
            is_file_of(path.file_name()?, name).then_some((number, path))
        };
        let mask = self.slots.len().checked_sub(1)?;
        let first = slot(name.as_str().as_bytes());
        let numbers = (first..first + PROBES).map(|probe| self.slots.get(probe & mask));
        let numbers = numbers.map_while(|slot| slot.copied().filter(|&number| number > 0));
        let numbers = numbers.chain(self.crowded.get(name).copied());
        { numbers }.find_map(|number| is_it(number as usize - 1))
    }

    /// The module's file, if it is where `modules.order` says, in whatever form.
    pub(super) fn find(&self, dir: &Path, name: &ModuleName) -> Option<Entry> {
        let (_, listed) = self.line(name)?;
        let stem = listed.as_os_str().as_bytes();
        let stem = stem.strip_suffix(b".ko").unwrap_or(stem);
        SUFFIXES.iter().find_map(|suffix| {
            let path = [stem, suffix.as_bytes()].concat();
            let relative = PathBuf::from(OsStr::from_bytes(&path));
            let inside = relative
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            (inside && dir.join(&relative).is_file()).then(|| Entry {
                name: name.clone(),
                relative,
            })
        })
    }

    /// What modules are sorted by: as `modules.order` has them, and the ones which that does not list behind them, by path.
    pub(super) fn key(&self, name: &ModuleName, relative: &Path) -> (usize, PathBuf) {
        (self.position(name), relative.to_path_buf())
    }

    /// The module's place, or the last one of all.
    fn position(&self, name: &ModuleName) -> usize {
        self.line(name).map_or(usize::MAX, |(number, _)| number)
    }
}

fn is_file_of(file: &OsStr, name: &ModuleName) -> bool {
    let (stem, name_bytes) = (stem(file.as_bytes()), name.as_str().as_bytes());
    match stem.is_ascii() {
        true => {
            let underscored = stem.iter().map(|&byte| underscore(byte));
            underscored.eq(name_bytes.iter().copied())
        }
        false => ModuleName::of_file(file) == *name,
    }
}

/// Where to look for a name first: a hash of its first and last eight letters and its length, dashes as underscores.
fn slot(name: &[u8]) -> usize {
    let (first, last) = match (name.first_chunk(), name.last_chunk()) {
        (Some(&first), Some(&last)) => (first, last),
        _ => {
            let mut short = [0; 8];
            short[..name.len()].copy_from_slice(name);
            (short, [0; 8])
        }
    };
    let word = |letters: [u8; 8]| underscores(u64::from_le_bytes(letters));
    let mixed = word(first) ^ word(last).rotate_left(23) ^ ((name.len() as u64) << 40);
    // The golden ratio's bits are spread evenly.
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize
}

/// As [`underscore`], eight letters at a time.
fn underscores(letters: u64) -> u64 {
    letters ^ ((places_of(letters, b'-') >> 7) * u64::from(b'-' ^ b'_'))
}

/// The highest bits of those of eight letters that are this one.
fn places_of(letters: u64, letter: u8) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    // They become 0, and then those that are 0 alone have their highest bit.
    let others = letters ^ u64::from_ne_bytes([letter; 8]);
    !(((others & LOW) + LOW) | others | LOW)
}

/// The last part of a path. Names are shorter than what a search is made for, and longer than what is good to be looked at letter by
/// letter.
fn behind_last_slash(path: &[u8]) -> &[u8] {
    let mut end = path.len();
    while let Some(letters) = path[..end].last_chunk() {
        let slashes = places_of(u64::from_be_bytes(*letters), b'/');
        if slashes != 0 {
            return &path[end - slashes.trailing_zeros() as usize / 8..];
        }
        end -= letters.len();
    }
    let slash = path[..end].iter().rposition(|&byte| byte == b'/');
    slash.map_or(path, |slash| &path[slash + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Order {
        Order::new(text.as_bytes().to_vec().into())
    }

    fn line(order: &Order, name: &str) -> Option<usize> {
        order.line(&ModuleName::new(name)).map(|(number, _)| number)
    }

    #[test]
    fn a_line_is_found_by_its_modules_name() {
        let text = "kernel/a.ko\nkernel/usb-storage.ko\n\nkernel/snd-soc-wm8753-i2c.ko\nkernel/x/a.ko\nkernel/\u{fc}-x.ko";
        let order = order(text);
        let found = ["a", "usb_storage", "snd_soc_wm8753_i2c", "\u{fc}_x", "b"];
        assert_eq!(
            found.map(|name| line(&order, name)),
            [Some(0), Some(1), Some(3), Some(5), None]
        );
        assert_eq!(order.lines().count(), 6);
        assert_eq!(line(&Order::default(), "a"), None);
    }

    #[test]
    fn dashes_are_underscores_wherever_they_stand() {
        for text in [
            *b"--------",
            *b"a-b_c-d-",
            *b",-.\x2d\xad-\0-",
            *b"abcdefgh",
        ] {
            let one_by_one = text.map(underscore);
            assert_eq!(
                underscores(u64::from_le_bytes(text)).to_le_bytes(),
                one_by_one
            );
        }
    }

    #[test]
    fn the_last_part_of_a_path_is_found_wherever_its_slash_stands() {
        let letters = "abcdefghijklmnopqrstuvwxyz.\u{af}";
        for length in 0..letters.len() {
            let name = &letters.as_bytes()[..length];
            for above in ["", "/", "a/", "kernel/", "kernel/drivers/a.b/"] {
                let path = [above.as_bytes(), name].concat();
                assert_eq!(behind_last_slash(&path), name, "{above}");
            }
        }
    }

    #[test]
    fn names_that_are_alike_are_all_found() {
        let name = |number: usize| format!("beginning{number:04}-the-end");
        let lines = (0..300).map(|number| format!("kernel/{}.ko\n", name(number)));
        let order = order(&lines.collect::<String>());
        assert!(!order.crowded.is_empty());
        for number in 0..300 {
            assert_eq!(line(&order, &name(number)), Some(number));
        }
        assert_eq!(line(&order, &name(300)), None);
    }
}
