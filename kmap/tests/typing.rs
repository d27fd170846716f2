//! The ways to type, gone on a small model of the kernel's keyboard (drivers/tty/vt/keyboard.c): what comes out is what was asked for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use kmap::{ComposeRule, Keymap, Keysym, Mode, Step, Stroke, Typing};

const COMPOSE: u16 = 0x020e;
const CAPS_LOCK: u16 = 0x0207;
const CAPS_ON: u16 = 0x020d;
const CAPSSHIFT: u16 = 0x0708;
const KT_SHIFT: u8 = 7;
const KT_LOCK: u8 = 10;
const KT_LETTER: u8 = 11;
const KT_SLOCK: u8 = 12;

/// What would follow a dead key or Compose.
#[derive(Default)]
enum Pending {
    #[default]
    Nothing,
    Compose,
    Accent(char),
}

struct Keyboard<'k> {
    keymap: &'k Keymap,
    rules: &'k [ComposeRule],
    held: Vec<u8>,
    locked: u8,
    latched: u8,
    caps: bool,
    pending: Pending,
    typed: String,
}

impl<'k> Keyboard<'k> {
    fn new(keymap: &'k Keymap, rules: &'k [ComposeRule]) -> Self {
        Self {
            keymap,
            rules,
            held: Vec::new(),
            locked: 0,
            latched: 0,
            caps: false,
            pending: Pending::default(),
            typed: String::new(),
        }
    }

    fn stroke(&mut self, stroke: &Stroke) {
        let route = &stroke.route;
        for lock in &route.locks {
            self.hold(&lock.held);
            self.press(lock.key.press.keycode);
            self.held.clear();
        }
        self.hold(&route.held);
        if let Some(latch) = &route.latch {
            self.press(latch.press.keycode);
        }
        self.press(stroke.press.keycode);
        self.held.clear();
    }

    fn hold(&mut self, steps: &[Step]) {
        for step in steps {
            let keysym = self.keysym(step.press.keycode);
            assert_eq!(keysym.kind(), KT_SHIFT, "{step:?}");
            self.caps &= keysym.0 != CAPSSHIFT;
            let value = keysym.value() % 8;
            self.held.push(1 << value);
        }
    }

    fn map(&self) -> u8 {
        let held = self.held.iter().fold(self.latched, |sum, held| sum | held);
        held ^ self.locked
    }

    fn keysym(&self, keycode: u8) -> Keysym {
        let keysym = self.keymap.get(self.map(), keycode).expect("no such table");
        let exchanged = self.keymap.get(self.map() ^ 1, keycode);
        match exchanged {
            Some(exchanged) if self.caps && keysym.kind() == KT_LETTER => {
                Keysym(exchanged.value().into())
            }
            _ => keysym,
        }
    }

    fn press(&mut self, keycode: u8) {
        let keysym = self.keysym(keycode);
        let is_latch = keysym.kind() == KT_SLOCK;
        match (keysym.0, keysym.kind()) {
            (COMPOSE, _) => self.pending = Pending::Compose,
            (CAPS_LOCK, _) => self.caps = !self.caps,
            (CAPS_ON, _) => self.caps = true,
            (CAPSSHIFT, _) => self.caps = false,
            (_, KT_LOCK) => self.locked ^= 1 << keysym.value(),
            (_, KT_SLOCK) => self.latched ^= 1 << keysym.value(),
            _ => match (keysym.dead(), keysym.character()) {
                (Some(accent), _) => self.pending = Pending::Accent(accent),
                (None, Some(character)) => self.character(character),
                (None, None) => panic!("{keysym} types nothing"),
            },
        }
        if !is_latch {
            self.latched = 0;
        }
    }

    fn character(&mut self, character: char) {
        match std::mem::take(&mut self.pending) {
            Pending::Nothing => self.typed.push(character),
            Pending::Compose => self.pending = Pending::Accent(character),
            Pending::Accent(accent) if character == ' ' => self.typed.push(accent),
            Pending::Accent(accent) => {
                let wanted = (u32::from(accent), u32::from(character));
                let mut rules = self.rules.iter();
                let rule = rules.find(|rule| (rule.first, rule.second) == wanted);
                let result = rule.and_then(|rule| char::from_u32(rule.result));
                self.typed.push(result.expect("no such rule"));
            }
        }
    }
}

fn keymap(text: &str) -> Keymap {
    let compiled = kmap::compile_bytes(text.as_bytes(), Mode::Unicode);
    compiled.unwrap().keymap
}

/// Each way that the keymap has, and how many of them lock something.
fn go(text: &str) -> (String, usize) {
    let (keymap, usual) = (keymap(text), keymap("compose as usual\n"));
    let typing = Typing::new(&keymap);
    let mut typed = String::new();
    let mut locking = 0;
    for wanted in ('!'..='ÿ').filter(|character| !character.is_control()) {
        let Some(way) = typing.way(wanted) else {
            continue;
        };
        let mut keyboard = Keyboard::new(&keymap, usual.compose());
        for stroke in way.strokes() {
            keyboard.stroke(stroke);
        }
        assert_eq!(
            keyboard.typed,
            wanted.to_string(),
            "{text}: {}",
            way.describe()
        );
        let mut strokes = way.strokes().into_iter();
        locking += usize::from(strokes.any(|stroke| !stroke.route.locks.is_empty()));
        typed.push(wanted);
    }
    (typed, locking)
}

#[test]
fn what_a_stroke_locks_is_locked_for_the_next() {
    let cases = [
        // The table behind the lock has another letter on the key.
        (
            "keymaps 0,2\nkeycode 57 = space\nkeycode 18 = e x\nkeycode 40 = j dead_acute\n\
             keycode 58 = AltGr_Lock AltGr_Lock\n",
            "'ejxé",
            3,
        ),
        // It has the letter on another key, and no way back.
        (
            "keymaps 0,2\nkeycode 18 = e x\nkeycode 19 = f e\nkeycode 40 = j dead_acute\nkeycode 58 = AltGr_Lock k\n",
            "efjkxé",
            3,
        ),
        // Scroll_Backward is no lock.
        (
            "keymaps 0-1\nkeycode 18 = +e +E\nkeycode 58 = Scroll_Backward\n",
            "e",
            0,
        ),
        // It lacks the letter, and there is no way back.
        (
            "keymaps 0,2\nkeycode 18 = e x\nkeycode 40 = j dead_acute\nkeycode 58 = AltGr_Lock k\n",
            "ejkx",
            2,
        ),
        // Compose behind a lock, and a letter behind another.
        (
            "keymaps 0,2,64\nkeycode 31 = s x y\nkeycode 44 = a b z\nkeycode 127 = one Compose two\n\
             keycode 58 = AltGr_Lock AltGr_Lock\nkeycode 97 = CtrlL_Lock CtrlL_Lock CtrlL_Lock\n",
            "12absxyzßå",
            7,
        ),
        // Capitals by Caps Lock alone, one and two of them.
        (
            "keymaps 0-1\nkeycode 18 = +e +E\nkeycode 30 = +a +A\nkeycode 40 = dead_acute\nkeycode 127 = Compose\n\
             keycode 58 = Caps_Lock\nkeycode 3 = quotedbl at\n",
            "\"AEaeÁÄÅÆÉËáäåæéë",
            8,
        ),
        // A small letter needs the Caps Lock of the quote before it to go off again: by itself, and by CapsShift.
        (
            "keymaps 0-1\nkeycode 3 = +a +quotedbl\nkeycode 18 = +e +E\nkeycode 127 = Compose\n\
             keycode 58 = Caps_Lock\n",
            "\"EaeËäåæë",
            5,
        ),
        (
            "keymaps 0-1,4\nkeycode 3 = +a +quotedbl\nkeycode 18 = +e +E\nkeycode 127 = Compose\n\
             keycode 58 = Caps_On\nplain keycode 29 = Control\ncontrol keycode 54 = CapsShift\n",
            "\"EaeËäåæë",
            5,
        ),
    ];
    for (text, typed, locking) in cases {
        assert_eq!(go(text), (typed.to_owned(), locking), "{text}");
    }
}

/// Every sequence of a keymap of real life with all that locks.
#[test]
fn every_way_types_its_character() {
    let tables = "keymaps 0-3,8,16-17,64\nkeycode 42 = Shift\nkeycode 54 = Shift\nkeycode 100 = AltGr\nkeycode 56 = Alt\n\
                  keycode 57 = space\nkeycode 58 = Caps_Lock\nalt keycode 42 = ShiftL_Lock\nshiftl keycode 42 = ShiftL_Lock\n\
                  altgr keycode 58 = CtrlL_Lock\nctrll keycode 58 = CtrlL_Lock\nctrll keycode 127 = Compose\n";
    let mut text = tables.to_owned();
    for (keycode, letter) in (16..).zip(["a", "e", "i", "o", "u", "n", "c", "y", "s", "t", "h"]) {
        let large = letter.to_uppercase();
        text +=
            &format!("keycode {keycode} = +{letter} +{large}\nshiftl keycode {keycode} = U+0431\n");
    }
    text += "shiftl keycode 40 = dead_acute\naltgr shift keycode 41 = dead_grave\nctrll keycode 43 = dead_tilde\n\
             shiftl shift keycode 43 = dead_diaeresis\nshiftl keycode 3 = comma\n";
    let (typed, locking) = go(&text);
    for wanted in "aAéÈñÖçÇÞß".chars() {
        assert!(typed.contains(wanted), "{wanted}: {typed}");
    }
    assert!(locking > 10, "{locking}");
}
