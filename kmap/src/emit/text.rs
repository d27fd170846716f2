//! Keymap text: what compiles back to the same tables, for people to read and change.
//!
//! One `keymaps` line declares the tables, then each key has the shortest of: one column, from which the compiler fills in
//! the others; one column and a line for each table that differs; a column for each table. A key without any action has no line.

use std::fmt::{self, Write as _};

use crate::Mode;
use crate::keymap::{KEYS, Keymap};
use crate::keysym::{Code, Keysym, LATIN, LETTER};
use crate::names::Names;
use crate::reach::ranges;
use crate::tables::constant_row;

/// The modifiers of a table's number, in the order of their bits.
const MODIFIERS: [&str; 8] = [
    "shift", "altgr", "control", "alt", "shiftl", "shiftr", "ctrll", "ctrlr",
];

/// How the first line of a text begins that says in which mode it is to be compiled.
const MODELINE: &str = "# compile with: kmapc ";

/// The mode that a text asks for: its first line is `# compile with: kmapc -u` or `-8`, exactly so, up to its end or a blank.
/// [`Mode::Automatic`] follows it.
///
/// ```
/// use kmap::{Mode, emit};
///
/// assert_eq!(emit::named_mode(b"# compile with: kmapc -u\nkeycode 30 = a\n"), Some(Mode::Unicode));
/// assert_eq!(emit::named_mode(b"# compile with: kmapc -v\n"), None);
/// ```
pub fn named_mode(text: &[u8]) -> Option<Mode> {
    let mode = text.strip_prefix(MODELINE.as_bytes())?;
    match mode.first_chunk()? {
        b"-u" | b"-8" if !ends_word(mode.get(2)) => None,
        b"-u" => Some(Mode::Unicode),
        b"-8" => Some(Mode::EightBit),
        _ => None,
    }
}

fn ends_word(byte: Option<&u8>) -> bool {
    matches!(byte, None | Some(b' ' | b'\t' | b'\r' | b'\n'))
}

/// A code that no keymap text can give: an ASCII character written as a code point, 0xF000 to 0xF07F.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// The table.
    pub map: u8,
    /// The key.
    pub keycode: u8,
    /// The code.
    pub keysym: Keysym,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unwritable {
            map,
            keycode,
            keysym,
        } = self;
        write!(
            f,
            "keycode {keycode} has the code {keysym} in map {map}, which no keymap text can give"
        )
    }
}

impl std::error::Error for Unwritable {}

/// Writes a keymap as text. It gives the same binary keymap again, since its first line names the mode ([`named_mode`]).
///
/// ```
/// use kmap::Endian;
///
/// let keymap = kmap::compile(b"keycode 30 = a\nkeycode 2 = one exclam\n")?;
/// let text = kmap::emit::text(&keymap).expect("every code can be written");
/// assert_eq!(text, "\
/// ## compile with: kmapc -8
/// keymaps 0-1
/// keycode   2 = one exclam
/// keycode  30 = a
/// ".replace("##", "#"));
/// let again = kmap::compile(text.as_bytes())?;
/// assert_eq!(again.to_bkeymap(Endian::Little), keymap.to_bkeymap(Endian::Little));
/// # Ok::<(), kmap::Report>(())
/// ```
///
/// # Errors
/// The first code that no text can give. No compiler makes such a code.
pub fn text(keymap: &Keymap) -> Result<String, Unwritable> {
    let unicode = keymap.is_unicode();
    let mut out = format!("{MODELINE}{}\n", if unicode { "-u" } else { "-8" });
    let writer = Writer {
        maps: keymap.tables().map(|(map, _)| map).collect(),
        names: Names::new(unicode),
    };
    if writer.maps.is_empty() {
        return Ok(out);
    }
    let _ = writeln!(out, "keymaps {}", ranges(writer.maps.iter().copied()));
    let mut bytes = String::new();
    for keycode in 0..KEYS as u8 {
        let row: Vec<Code> = keymap
            .tables()
            .filter_map(|(_, table)| table.get(usize::from(keycode)))
            .map(|keysym| Code(keysym.0.into()))
            .collect();
        writer.key(&mut out, &mut bytes, keycode, row)?;
    }
    if !bytes.is_empty() {
        // Unicode mode has no way to write a byte above ASCII; behind this statement, there is no Unicode mode.
        let _ = write!(out, "charset \"iso-8859-1\"\n{bytes}");
    }
    Ok(out)
}

struct Writer {
    /// The numbers of the tables.
    maps: Vec<u8>,
    names: Names,
}

impl Writer {
    /// Writes the lines of one key; those for bytes in a keymap of code points to `bytes`.
    fn key(
        &self,
        out: &mut String,
        bytes: &mut String,
        keycode: u8,
        mut row: Vec<Code>,
    ) -> Result<(), Unwritable> {
        let eight_bit = Names::eight_bit();
        let before = bytes.len();
        for (code, &map) in row.iter_mut().zip(&self.maps) {
            if self.names.text(*code).is_some() {
                continue;
            }
            let keysym = Keysym(code.0 as u16);
            let text = (code.kind() == LATIN)
                .then(|| eight_bit.text(*code))
                .flatten();
            let text = text.ok_or(Unwritable {
                map,
                keycode,
                keysym,
            })?;
            let _ = writeln!(bytes, "{}keycode {keycode:3} = {text}", modifiers(map));
            *code = Code::VOID;
        }
        if row.iter().all(|code| *code == Code::VOID) {
            return Ok(());
        }
        // One column is filled in at the very end, from what the first table has then: it must not be changed in between.
        let one_column = match bytes.len() == before {
            true => self.one_column(&row),
            false => None,
        };
        match one_column {
            Some((first, exceptions)) => {
                let _ = writeln!(out, "keycode {keycode:3} = {first}");
                for (map, code) in exceptions {
                    let _ = writeln!(
                        out,
                        "\t{}keycode {keycode:3} = {}",
                        modifiers(map),
                        self.name(code)
                    );
                }
            }
            // With one table there is no second column, and one column means another thing; a line for the table does not.
            None if row.len() == 1 => {
                for (map, code) in self.maps.iter().zip(&row) {
                    let (held, name) = (modifiers(*map), self.name(*code));
                    let _ = writeln!(out, "{held}keycode {keycode:3} = {name}");
                }
            }
            None => {
                let columns: Vec<String> = self.columns(&row).map(|code| self.name(code)).collect();
                let _ = writeln!(out, "keycode {keycode:3} = {}", columns.join(" "));
            }
        }
        Ok(())
    }

    /// The one column and the lines for the tables that differ from what the compiler fills in, where that is shorter than
    /// a column for each table.
    fn one_column(&self, row: &[Code]) -> Option<(String, Vec<(u8, Code)>)> {
        let first = *row.first()?;
        // A letter is written without `+`: the compiler makes a letter of it.
        let plain = match first.kind() == LETTER && (first.value() as u8).is_ascii_alphabetic() {
            true => Code::new(LATIN, first.value()),
            false => first,
        };
        let filled = constant_row(plain, &self.maps);
        let differing = || {
            row.iter()
                .zip(&filled)
                .zip(&self.maps)
                .filter(|((code, filled), _)| code != filled)
        };
        if filled.first() != row.first()
            || differing().count() * 3 >= self.columns(row).count().max(2)
        {
            return None;
        }
        let exceptions = differing().map(|((code, _), map)| (*map, *code)).collect();
        Some((self.name(plain), exceptions))
    }

    /// The columns without those at the end that are filled with nothing anyway; two at least, because one means another thing.
    fn columns<'a>(&self, row: &'a [Code]) -> impl Iterator<Item = Code> + 'a {
        let used = row
            .iter()
            .rposition(|code| *code != Code::VOID)
            .map_or(0, |last| last + 1);
        row.iter().take(used.max(2)).copied()
    }

    fn name(&self, code: Code) -> String {
        self.names.text(code).unwrap_or_default()
    }
}

/// `shift altgr `, or `plain `.
fn modifiers(map: u8) -> String {
    let names = MODIFIERS.iter().enumerate();
    let held = names.filter(|(bit, _)| map & (1 << bit) != 0);
    match map {
        0 => "plain ".to_owned(),
        _ => held.map(|(_, name)| format!("{name} ")).collect(),
    }
}
