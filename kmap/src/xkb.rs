//! XKB layouts as console keymaps: what `ckbcomp` does, without Perl.
//!
//! The crate kbvm reads xkb-data. For every key and every level that a console can have (plain, Shift, AltGr, both), it says
//! which keysym XKB gives; characters become characters, dead keys dead keys, modifiers modifiers. What types nothing comes
//! from `data/layouts/base.kmap`. Control and Alt follow from the ASCII character on the key, or, in other scripts, from the one
//! that a keyboard of the United States has there.
//!
//! The kernel's Caps Lock works on characters of Latin-1 only. Where a layout has other letters, Caps Lock locks left
//! Control (weight 64) instead, and the tables from 64 up hold what XKB gives under its Caps Lock. A second layout is in the
//! tables from 16 up (left Shift), to which a key with XKB's `ISO_Next_Group` switches.

use std::fmt;
use std::path::{Path, PathBuf};

use kbvm::lookup::LookupTable;
use kbvm::xkb::Context;
use kbvm::xkb::diagnostic::{Diagnostic, DiagnosticHandler};
use kbvm::xkb::rmlvo::Group;
use kbvm::{GroupIndex, Keycode, ModifierMask};

use crate::keymap::{KEYS, Keymap, NR_KEYS, Table};
use crate::{Keysym, Mode};

const BASE: &[u8] = include_bytes!("../../data/layouts/base.kmap");
/// Where XKB's data is, unless `XKB_CONFIG_ROOT` says otherwise.
const ROOT: &str = "/usr/share/X11/xkb";

const SHIFT: u8 = 1;
const ALTGR: u8 = 2;
const CONTROL: u8 = 4;
const ALT: u8 = 8;
/// The weight of left Shift, which stands for the second layout.
const SECOND: u8 = 16;
/// The weight of left Control, which stands for Caps Lock.
const CAPS: u8 = 64;

const KT_META: u16 = 0x0800;
const KT_LETTER: u16 = 0x0b00;
const CAPS_LOCK: u16 = 0x0207;
const CONTROL_L_LOCK: u16 = 0x0a06;
/// The first code point that no key can have.
const CODE_POINT_LIMIT: u32 = 0xf000;

/// XKB's names of keysyms that are no characters, and their codes on the console.
const ACTIONS: [(&str, u16); 19] = [
    ("Shift_L", 0x0700),
    ("Shift_R", 0x0700),
    ("ISO_Level3_Shift", 0x0701),
    ("Mode_switch", 0x0701),
    ("ISO_Level3_Lock", 0x0a01),
    ("ISO_Level3_Latch", 0x0c01),
    ("ISO_Level2_Latch", 0x0c00),
    ("Control_L", 0x0702),
    ("Control_R", 0x0702),
    ("Alt_L", 0x0703),
    ("Alt_R", 0x0703),
    ("Meta_L", 0x0703),
    ("Meta_R", 0x0703),
    ("Super_L", 0x0703),
    ("Super_R", 0x0703),
    ("Caps_Lock", CAPS_LOCK),
    ("Multi_key", 0x020e),
    ("ISO_Next_Group", 0x0a04),
    ("ISO_Prev_Group", 0x0a04),
];
/// XKB's names of dead keys, in the order of the console's values.
const DEAD: [&str; 27] = [
    "grave",
    "acute",
    "circumflex",
    "tilde",
    "diaeresis",
    "cedilla",
    "macron",
    "breve",
    "abovedot",
    "abovering",
    "doubleacute",
    "caron",
    "ogonek",
    "iota",
    "voiced_sound",
    "semivoiced_sound",
    "belowdot",
    "hook",
    "horn",
    "stroke",
    "abovecomma",
    "abovereversedcomma",
    "doublegrave",
    "invertedbreve",
    "belowcomma",
    "currency",
    "greek",
];
const KT_DEAD: u16 = 0x0400;
/// What a keyboard of the United States has, by keycode: rows of the first keycode and the characters.
const UNITED_STATES: [(u8, &str, &str); 4] = [
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
];

/// What XKB calls a layout: rules, model, layout, variant, options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// One layout (`es`), or two (`us,ru`).
    pub layout: String,
    /// Its variant; for two layouts, two with a comma between them. May be empty.
    pub variant: String,
    /// The keyboard's model; `pc105` where there is none.
    pub model: Option<String>,
    /// Options such as `ctrl:nocaps`.
    pub options: Vec<String>,
}

/// Why there is no keymap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum XkbError {
    /// There is no xkb-data.
    NoData(PathBuf),
    /// There is no such layout.
    NoLayout(String),
    /// The layout has no such variant.
    NoVariant {
        /// The layout.
        layout: String,
        /// The variant.
        variant: String,
    },
    /// More than two layouts: the console has no room for them.
    TooManyLayouts,
    /// The data cannot be used, for the reason that is given.
    Data(String),
}

impl fmt::Display for XkbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            XkbError::NoData(root) => write!(
                f,
                "there are no XKB layouts in `{}`; on Debian and Ubuntu they are in the package xkb-data",
                root.display()
            ),
            XkbError::NoLayout(layout) => write!(f, "there is no XKB layout `{layout}`"),
            XkbError::NoVariant { layout, variant } => {
                write!(f, "the XKB layout `{layout}` has no variant `{variant}`")
            }
            XkbError::TooManyLayouts => f.write_str("a console keymap has room for two layouts"),
            XkbError::Data(reason) => write!(f, "cannot use the XKB layouts: {reason}"),
        }
    }
}

impl std::error::Error for XkbError {}

/// A keymap made of a layout, and the characters that no key of a console can have.
#[derive(Debug)]
pub struct Converted {
    /// The keymap, in Unicode mode.
    pub keymap: Keymap,
    /// What was left out: code points above U+EFFF, and control characters that XKB gives to keys by mistake.
    pub left_out: Vec<char>,
}

/// Makes a console keymap of an XKB layout of the installed xkb-data.
///
/// ```no_run
/// use kmap::xkb::{Layout, convert};
///
/// let layout = Layout { layout: "es".to_owned(), ..Layout::default() };
/// let keymap = convert(&layout)?.keymap;
/// assert_eq!(keymap.get(2, 18).and_then(|keysym| keysym.character()), Some('€'));
/// # Ok::<(), kmap::xkb::XkbError>(())
/// ```
///
/// # Errors
/// See [`XkbError`].
pub fn convert(layout: &Layout) -> Result<Converted, XkbError> {
    let root = std::env::var_os("XKB_CONFIG_ROOT").map_or_else(|| ROOT.into(), PathBuf::from);
    if !root.join("symbols").is_dir() {
        return Err(XkbError::NoData(root));
    }
    let layouts: Vec<&str> = layout.layout.split(',').collect();
    if layouts.len() > 2 {
        return Err(XkbError::TooManyLayouts);
    }
    let variants = layout.variant.split(',').chain(std::iter::repeat(""));
    for (layout, variant) in layouts.iter().zip(variants) {
        check(&root, layout, variant)?;
    }
    let mut first_error = FirstError(None);
    let groups: Vec<Group<'_>> =
        Group::from_layouts_and_variants(&layout.layout, &layout.variant).collect();
    let options: Vec<&str> = layout.options.iter().map(String::as_str).collect();
    let mut builder = Context::builder();
    builder.enable_environment(false);
    builder.enable_default_includes(false);
    builder.append_path(&root);
    let keymap = builder.build().keymap_from_names(
        &mut first_error,
        None,
        Some(layout.model.as_deref().unwrap_or("pc105")),
        Some(&groups),
        Some(&options),
    );
    if keymap.keys().next().is_none() {
        return Err(XkbError::Data(
            first_error
                .0
                .unwrap_or_else(|| "they have no keys".to_owned()),
        ));
    }
    let third = keymap
        .virtual_modifiers()
        .find(|modifier| modifier.name() == "LevelThree");
    let converter = Converter {
        table: keymap.to_builder().build_lookup_table(),
        level_three: third.map_or(ModifierMask::MOD5, |modifier| modifier.mask()),
        groups: layouts.len() as u32,
    };
    Ok(converter.convert())
}

/// Whether the symbols files have this layout and variant. kbvm would go on without them.
fn check(root: &Path, layout: &str, variant: &str) -> Result<(), XkbError> {
    let is_name = |name: &str| {
        name.chars()
            .all(|char| char.is_alphanumeric() || "_-.+".contains(char))
    };
    let path = root.join("symbols").join(layout);
    if layout.is_empty() || !is_name(layout) || layout.starts_with('.') || !path.is_file() {
        return Err(XkbError::NoLayout(layout.to_owned()));
    }
    let text = std::fs::read(&path).unwrap_or_default();
    let quoted = format!("\"{variant}\"");
    let mut windows = text.windows(quoted.len());
    match variant.is_empty()
        || windows.any(|window| window == quoted.as_bytes())
        || listed(root, layout, variant)
    {
        true => Ok(()),
        false => Err(XkbError::NoVariant {
            layout: layout.to_owned(),
            variant: variant.to_owned(),
        }),
    }
}

/// Whether the rules list the variant: a few are in another layout's file.
fn listed(root: &Path, layout: &str, variant: &str) -> bool {
    let list = std::fs::read_to_string(root.join("rules/evdev.lst")).unwrap_or_default();
    list.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(variant)
            && words.next().and_then(|word| word.strip_suffix(':')) == Some(layout)
    })
}

/// Keeps the first thing that kbvm has to say.
struct FirstError(Option<String>);

impl DiagnosticHandler for FirstError {
    fn handle(&mut self, diagnostic: Diagnostic) {
        self.0.get_or_insert_with(|| diagnostic.to_string());
    }
}

struct Converter {
    table: LookupTable,
    level_three: ModifierMask,
    groups: u32,
}

impl Converter {
    fn convert(&self) -> Converted {
        let mut left_out = Vec::new();
        let caps = self.needs_caps_tables();
        let mut tables: Vec<(u8, Box<Table>)> = Vec::new();
        let base = base();
        let all = (0..=u8::MAX).filter(|map| map & !(15 | CAPS | SECOND) == 0);
        let all =
            all.filter(|map| (map & CAPS == 0 || caps) && (map & SECOND == 0 || self.groups > 1));
        for map in all {
            let mut table = Box::new([Keysym::VOID; NR_KEYS]);
            for (keycode, slot) in (0..KEYS as u8).zip(table.iter_mut()) {
                let own = self.keysym(keycode, map, caps, &mut left_out);
                let other = || base.get(map & 15, keycode).unwrap_or(Keysym::VOID);
                *slot = own.unwrap_or_else(other);
            }
            tables.push((map, table));
        }
        left_out.sort_unstable();
        left_out.dedup();
        Converted {
            keymap: Keymap::new(tables).with_extras(Default::default(), Vec::new(), true),
            left_out,
        }
    }

    /// XKB's keysym for a key on one level, and its character if it has one. Where a layout leaves a level empty, as many do
    /// with Shift and AltGr together, the key does what it does with one modifier less, as `ckbcomp` has it.
    fn look_up(&self, keycode: u8, map: u8) -> Option<(kbvm::Keysym, Option<char>)> {
        let (level, others) = (map & (SHIFT | ALTGR), map & !(SHIFT | ALTGR));
        let mut levels = [level, level & ALTGR, level & SHIFT, 0].into_iter();
        levels.find_map(|level| self.look_up_level(keycode, level | others))
    }

    fn look_up_level(&self, keycode: u8, map: u8) -> Option<(kbvm::Keysym, Option<char>)> {
        let mut modifiers = ModifierMask::default();
        for (weight, mask) in [
            (SHIFT, ModifierMask::SHIFT),
            (ALTGR, self.level_three),
            (CAPS, ModifierMask::LOCK),
        ] {
            if map & weight != 0 {
                modifiers |= mask;
            }
        }
        let group = GroupIndex(u32::from(map & SECOND != 0));
        let found = self
            .table
            .lookup(group, modifiers, Keycode::from_evdev(keycode.into()));
        let item = found.into_iter().next()?;
        let is_empty = matches!(item.keysym().name(), Some("NoSymbol" | "VoidSymbol"));
        (!is_empty).then(|| (item.keysym(), item.char()))
    }

    /// What a key does in a table; `None` where XKB has nothing to say that a console understands.
    fn keysym(&self, keycode: u8, map: u8, caps: bool, left_out: &mut Vec<char>) -> Option<Keysym> {
        let (keysym, character) = self.look_up(keycode, map & !(CONTROL | ALT))?;
        if let Some(code) = keysym.name().and_then(|name| action(name, caps)) {
            return Some(Keysym(code));
        }
        if keysym.is_keypad() {
            return None;
        }
        if map & (CONTROL | ALT) != 0 {
            return self.with_control_or_alt(keycode, map);
        }
        let character = character?;
        // Return, Tab and their like are in the base; any other control character is a mistake of the layout.
        if character.is_control() {
            if !matches!(
                character,
                '\r' | '\t' | '\n' | '\u{8}' | '\u{1b}' | '\u{7f}'
            ) {
                left_out.push(character);
                return Some(Keysym::VOID);
            }
            return None;
        }
        match code(character) {
            Some(code) => Some(Keysym(code)),
            None => {
                left_out.push(character);
                Some(Keysym::VOID)
            }
        }
    }

    fn with_control_or_alt(&self, keycode: u8, map: u8) -> Option<Keysym> {
        let level = map & !(CONTROL | ALT);
        let on_level = self
            .look_up(keycode, level)
            .and_then(|(_, character)| character);
        let is_ascii = |character: &char| matches!(character, ' '..='~');
        let ascii = on_level
            .filter(is_ascii)
            .or_else(|| united_states(keycode, level))?;
        // Letters lose their case with Control anyway; what has no control character does nothing.
        let byte = match map & CONTROL {
            0 => u16::from(u8::try_from(ascii).ok()?),
            _ => match ascii {
                '@'..='~' => u16::from(u8::try_from(ascii).ok()? & 0x1f),
                ' ' => 0,
                _ => return Some(Keysym::VOID),
            },
        };
        Some(Keysym(if map & ALT == 0 { byte } else { KT_META | byte }))
    }

    /// Whether a letter of the layout is one on which the kernel's Caps Lock does not work.
    fn needs_caps_tables(&self) -> bool {
        let groups = (0..self.groups).map(|group| if group == 0 { 0 } else { SECOND });
        let levels =
            groups.flat_map(|group| [0, SHIFT, ALTGR, SHIFT | ALTGR].map(|map| map | group));
        let mut keys = levels.flat_map(|map| (0..KEYS as u8).map(move |keycode| (keycode, map)));
        keys.any(|(keycode, map)| {
            let character = |map| {
                self.look_up(keycode, map)
                    .and_then(|(_, character)| character)
            };
            let plain = character(map);
            plain.is_some_and(|plain| u32::from(plain) >= 0x100) && plain != character(map | CAPS)
        })
    }
}

fn base() -> Keymap {
    // The text is part of the program, and a test compiles it.
    crate::compile(BASE, Mode::Unicode)
        .map(|compiled| compiled.keymap)
        .unwrap_or_default()
}

fn action(name: &str, caps: bool) -> Option<u16> {
    if let Some(accent) = name.strip_prefix("dead_") {
        let found = DEAD.iter().position(|known| *known == accent);
        return found.map(|value| KT_DEAD | value as u16);
    }
    let found = ACTIONS.iter().find(|(known, _)| *known == name);
    found.map(|&(_, code)| {
        if code == CAPS_LOCK && caps {
            CONTROL_L_LOCK
        } else {
            code
        }
    })
}

/// A character's code in Unicode mode.
fn code(character: char) -> Option<u16> {
    let code_point = u32::from(character);
    let has_case = character.is_lowercase() || character.is_uppercase();
    match u16::try_from(code_point).ok()? {
        point @ ..0x80 if has_case => Some(KT_LETTER | point),
        point @ ..0x80 => Some(point),
        point @ ..0x100 if has_case => Some(KT_LETTER | point),
        point if code_point < CODE_POINT_LIMIT => Some(point ^ 0xf000),
        _ => None,
    }
}

fn united_states(keycode: u8, map: u8) -> Option<char> {
    UNITED_STATES.iter().find_map(|&(first, plain, shifted)| {
        let index = keycode.checked_sub(first)?;
        let row = if map & SHIFT == 0 { plain } else { shifted };
        row.chars().nth(index.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_compiles() {
        let report = crate::compile(BASE, Mode::Unicode)
            .err()
            .map(|report| report.to_string());
        assert_eq!(report, None);
        assert_eq!(base().get(0, 59), Some(Keysym(0x0100)));
    }

    #[test]
    fn codes_and_keys() {
        assert_eq!(code('a'), Some(0x0b61));
        assert_eq!(code('ñ'), Some(0x0bf1));
        assert_eq!(code('€'), Some(0xd0ac));
        assert_eq!(code('\u{fdfc}'), None);
        assert_eq!(united_states(16, 0), Some('q'));
        assert_eq!(united_states(53, SHIFT), Some('?'));
        assert_eq!(action("dead_caron", false), Some(0x040b));
        assert_eq!(action("Caps_Lock", true), Some(CONTROL_L_LOCK));
    }
}
