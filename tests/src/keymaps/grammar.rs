//! Keymaps made at random by the language's grammar: every kind of statement, every way to write a number or a keysym,
//! maps declared and not, includes. Most are right, some have one thing wrong, and the same seed makes the same text.
//!
//! What `kmapc` accepts on purpose and `loadkeys` does not is never made: CR LF, a last line without an end, names of later
//! releases, strings with meaningless escapes, and maps or columns beyond what `kmapc` allows.

/// How many files there are to include: `file0` to `file7`.
pub const FILES: usize = 8;

/// Every spelling of the words that differ in more than case.
const KEYCODE: [&str; 4] = ["keycode", "Keycode", "KeyCode", "KEYCODE"];
const MODIFIERS: [&str; 18] = [
    "shift",
    "altgr",
    "control",
    "alt",
    "shiftl",
    "shiftr",
    "ctrll",
    "ctrlr",
    "capsshift",
    "Shift",
    "ALTGR",
    "Control",
    "ALT",
    "ShiftL",
    "SHIFTR",
    "CtrlL",
    "CTRLR",
    "CapsShift",
];
const CHARSETS: [&str; 20] = [
    "iso-8859-1",
    "ISO-8859-1",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-9",
    "iso-8859-10",
    "iso-8859-15",
    "mazovia",
    "cp-1250",
    "koi8-r",
    "KOI8-U",
    "tis-620",
    "iso-10646-18",
    "iso-ir-197",
    "iso-ir-209",
    "Iso-8859-5",
];
/// Lines that no mode accepts, and lines that look as if none did.
const ODDITIES: [&str; 24] = [
    "charset \"unicode\"",
    "kEycode 30 = a",
    "keycode 30 = 'a'",
    "shift keycode 2 = a b",
    "plain shift keycode 2 = a",
    "keycode 08 = a",
    "keycode 30 = noSuchKeysym",
    "keycode 30 = 2147483648",
    "keycode 30 = U+F000",
    "keycode 30 = U+12",
    "keycode 30 = U+00e91234",
    "keycode 30 = 1a",
    "keycode 30 = 0x",
    "keycode 30 = to",
    "keycode 30 = strings",
    "keycode 30 = a + b",
    "keycode = a",
    "keymaps",
    "keymaps 0-",
    "keymaps 3-1",
    "string a = \"x\"",
    "compose a b to c",
    "compose as usual for \"ISO-8859-1\"",
    "include \"no such file\"",
];

/// A source of numbers that depends on nothing but its seed (SplitMix64).
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which is above 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in `times`.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// The keysyms of `data/keysyms/` that kbd 2.5.1 has, by the modes that know them.
#[derive(Debug)]
struct Names {
    everywhere: Vec<&'static str>,
    eight_bit: Vec<&'static str>,
    all: Vec<&'static str>,
}

impl Names {
    fn read() -> Self {
        let mut names = Names {
            everywhere: Vec::new(),
            eight_bit: Vec::new(),
            all: Vec::new(),
        };
        let table = include_str!("../../../data/keysyms/keysyms.tsv");
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let row: Vec<&str> = line.split('\t').collect();
            // `to` and its like are keywords wherever they stand.
            if row[3] != "2.5.1" || row[0].is_empty() {
                continue;
            }
            names.all.push(row[0]);
            if row[1] != "-" {
                names.eight_bit.push(row[0]);
            }
            if row[1] == row[2] {
                names.everywhere.push(row[0]);
            }
        }
        names
    }
}

/// How wide a program's choice of keysyms is: with the widest, 8-bit mode rejects most of them.
#[derive(Clone, Copy, Debug)]
enum Palette {
    Everywhere,
    EightBit,
    All,
}

/// Makes programs, one after the other.
#[derive(Debug)]
pub struct Programs {
    dice: Dice,
    names: Names,
    palette: Palette,
}

impl Programs {
    /// The same seed makes the same programs.
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            names: Names::read(),
            palette: Palette::Everywhere,
        }
    }

    /// The files to include, with their names. Each may include those behind it.
    pub fn files(&mut self) -> Vec<(String, String)> {
        (0..FILES)
            .map(|index| {
                let mut text = String::new();
                for _ in 0..self.dice.below(5) {
                    text += &self.line(index + 1);
                }
                // A file may end in the middle of a line, which the including file then completes; but not in a comment.
                let comment = text
                    .rsplit('\n')
                    .nth(1)
                    .is_some_and(|line| line.contains(['#', '!']));
                if self.dice.one_in(6) && !comment {
                    text.pop();
                }
                let suffix = if self.dice.one_in(4) { ".inc" } else { "" };
                (format!("file{index}{suffix}"), text)
            })
            .collect()
    }

    /// A program: its lines, each with its end, so that lines can be left out to find the ones that matter.
    pub fn program(&mut self) -> Vec<String> {
        self.palette = match self.dice.below(10) {
            0..=4 => Palette::Everywhere,
            5..=7 => Palette::EightBit,
            _ => Palette::All,
        };
        let mut lines = Vec::new();
        // With few maps declared, most other lines are wrong; with many, most columns are.
        match self.dice.below(8) {
            0 => lines.push(format!("{}\n", self.keymaps())),
            1..=2 => lines.push("keymaps 0-15\n".to_owned()),
            3 => lines.push("keymaps 0-255\n".to_owned()),
            _ => {}
        }
        if self.dice.one_in(5) {
            lines.push(format!("{}\n", self.charset()));
        }
        let count = match self.dice.below(10) {
            0 => 40 + self.dice.below(40),
            1..=4 => 10 + self.dice.below(12),
            _ => 1 + self.dice.below(8),
        };
        for _ in 0..count {
            lines.push(self.line(0));
        }
        if self.dice.one_in(10) {
            let at = self.dice.below(lines.len() + 1);
            lines.insert(at, format!("{}\n", self.dice.pick(&ODDITIES)));
        }
        lines
    }

    /// One line, which may include the files from `first_file` on.
    fn line(&mut self, first_file: usize) -> String {
        let mut line = match self.dice.below(100) {
            0..=39 => self.columns(),
            40..=69 => self.one_map(),
            70..=71 => self.keymaps(),
            72..=74 => self.columns(),
            75..=78 => self.charset(),
            79..=81 => "alt_is_meta".to_owned(),
            82 => "Alt-IS_meta".to_owned(),
            83..=86 => self.string(),
            87..=90 => self.compose(),
            91 => "strings as usual".to_owned(),
            92 => "compose as usual".to_owned(),
            93 => "compose as usual for \"iso-8859-1\"".to_owned(),
            94..=96 => self.include(first_file),
            97 => "# a comment, \" ' and all".to_owned(),
            98 => "! another".to_owned(),
            _ => String::new(),
        };
        if self.dice.one_in(12) {
            line += " # behind";
        }
        line + "\n"
    }

    fn include(&mut self, first_file: usize) -> String {
        if first_file >= FILES {
            return String::new();
        }
        let file = first_file + self.dice.below(FILES - first_file);
        let behind = match self.dice.below(5) {
            0 => format!(" {}", self.columns()),
            _ => String::new(),
        };
        let blank = self.dice.pick(&["", " ", "\t "]);
        format!("include{blank}\"file{file}\"{behind}")
    }

    fn charset(&mut self) -> String {
        let word = self.dice.pick(&["charset", "Charset", "CHARSET"]);
        format!("{word} \"{}\"", self.dice.pick(&CHARSETS))
    }

    fn keymaps(&mut self) -> String {
        let ranges: Vec<String> = (0..1 + self.dice.below(3)).map(|_| self.range()).collect();
        let comma = self.dice.pick(&[",", ", ", " ,"]);
        let word = self
            .dice
            .pick(&["keymaps", "Keymaps", "KeyMaps", "KEYMAPS"]);
        format!("{word} {}", ranges.join(comma))
    }

    fn range(&mut self) -> String {
        let first = match self.dice.below(12) {
            0 => self.dice.below(256),
            1 => 250 + self.dice.below(20),
            2..=6 => 0,
            _ => self.dice.below(16),
        };
        match self.dice.below(3) {
            0 => self.number(first),
            _ => {
                let last = (first + self.dice.below(16)).saturating_sub(self.dice.below(2));
                let dash = self.dice.pick(&["-", " - "]);
                format!("{}{dash}{}", self.number(first), self.number(last))
            }
        }
    }

    fn columns(&mut self) -> String {
        let count = match self.dice.below(40) {
            0..=15 => 1,
            16 => 0,
            17..=29 => 2 + self.dice.below(3),
            30..=37 => 5 + self.dice.below(5),
            38 => 16,
            _ => 250 + self.dice.below(20),
        };
        let key = self.keycode();
        let continued = self.dice.one_in(15);
        let values: Vec<String> = (0..count).map(|_| self.value()).collect();
        let between = if continued { " \\\n  " } else { " " };
        format!("{key} = {}", values.join(between))
    }

    fn one_map(&mut self) -> String {
        if self.dice.one_in(8) {
            return format!("plain {} = {}", self.keycode(), self.value());
        }
        let mut line = String::new();
        for _ in 0..1 + self.dice.below(3) {
            // The first four are what most maps have.
            let few = if self.dice.one_in(4) {
                MODIFIERS.len()
            } else {
                4
            };
            line += self.dice.pick(&MODIFIERS[..few]);
            line += self.dice.pick(&[" ", "\t", "  "]);
        }
        format!("{line}{}={}", self.keycode(), self.value())
    }

    fn keycode(&mut self) -> String {
        let key = match self.dice.below(30) {
            0 => self.dice.below(300),
            1 => 0,
            2..=10 => self.dice.below(128),
            // Few keys, so that lines meet each other.
            _ => 28 + self.dice.below(5),
        };
        let word = self.dice.pick(&KEYCODE);
        let blank = if self.dice.one_in(20) { "" } else { " " };
        format!("{word}{blank}{}", self.number(key))
    }

    fn number(&mut self, value: usize) -> String {
        match self.dice.below(6) {
            0 => format!("{value:#x}"),
            1 => format!("0X{value:04X}"),
            2 => format!("0{value:o}"),
            _ => value.to_string(),
        }
    }

    fn value(&mut self) -> String {
        let plus = match self.dice.below(16) {
            0..=1 => "+",
            2 => "+ ",
            _ => "",
        };
        format!("{plus}{}", self.operand())
    }

    fn operand(&mut self) -> String {
        match self.dice.below(40) {
            0..=7 => {
                let code = self.code();
                self.number(code)
            }
            8..=10 => self.code_point(),
            11 => format!("Meta_{}", self.name()),
            12 => format!("dead2_{}", self.dice.pick(&["a", "acute", "eacute", ""])),
            13..=26 => {
                let letter = self.dice.below(26) as u8;
                let start = if self.dice.one_in(3) { b'A' } else { b'a' };
                char::from(start + letter).to_string()
            }
            27..=29 => "VoidSymbol".to_owned(),
            _ => self.name().to_owned(),
        }
    }

    fn name(&mut self) -> &'static str {
        let names = match self.palette {
            Palette::Everywhere => &self.names.everywhere,
            Palette::EightBit => &self.names.eight_bit,
            Palette::All => &self.names.all,
        };
        self.dice.pick(names)
    }

    /// A key's code as a number: characters, every type, code points, and rarely what no key can have.
    fn code(&mut self) -> usize {
        match self.dice.below(24) {
            0..=5 => self.dice.below(0x80),
            6..=10 => 0x80 + self.dice.below(0x80),
            11..=15 => self.dice.below(16) << 8 | self.dice.below(256),
            16..=18 => 0x0b00 + self.dice.below(256),
            19..=20 => (0x20 + self.dice.below(0x600)) ^ 0xf000,
            21..=22 => 0x1000 + self.dice.below(0xf000),
            _ => match self.dice.one_in(6) {
                true => 0x1_0000 + self.dice.below(0x7fff_0000 - 0x1_0000),
                false => 0x0200,
            },
        }
    }

    fn code_point(&mut self) -> String {
        let code_point = match (self.palette, self.dice.below(8)) {
            (Palette::All, 0..=3) => self.dice.below(0x600),
            (Palette::All, 4) => 0x2000 + self.dice.below(0x200),
            (_, 0..=1) => self.dice.below(0x80),
            (_, 2) => 0x4e00 + self.dice.below(0x1000),
            _ => 0xa0 + self.dice.below(0x60),
        };
        match self.dice.below(3) {
            0 => format!("U+{code_point:05X}"),
            _ => format!("U+{code_point:04x}"),
        }
    }

    fn string(&mut self) -> String {
        let symbol = self.dice.pick(&["F1", "F20", "Find", "Up", "Help", "F246"]);
        let symbol = if self.dice.one_in(40) {
            self.name()
        } else {
            symbol
        };
        let text = self
            .dice
            .pick(&["", "\\033[[A", "a\\nb\\\\\\\"", "two\nlines", "\\377\\1"]);
        format!("string {symbol} = \"{text}\"")
    }

    fn compose(&mut self) -> String {
        let (first, second) = (self.character(), self.character());
        let result = match self.dice.one_in(3) {
            true => self.character(),
            false => self.value(),
        };
        format!("compose {first} {second} to {result}")
    }

    fn character(&mut self) -> String {
        match self.dice.below(6) {
            0 => self.code_point(),
            1 => format!("'\\{:o}'", self.dice.below(256)),
            2 => self
                .dice
                .pick(&["'''", "'\\''", "'\\\\'", "' '"])
                .to_owned(),
            _ => format!("'{}'", char::from(b'a' + self.dice.below(26) as u8)),
        }
    }
}
