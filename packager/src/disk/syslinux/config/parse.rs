//! Reading a configuration that anybody wrote, as far as it says which files are needed.

use super::{Config, ENTRIES_MAX, Entry, Kind};

/// How many configurations one may include, in one another and all in all.
const DEPTH_MAX: usize = 8;
const INCLUDES_MAX: usize = 64;

/// Bytes; no kernel takes a command line that is half as long. Longer lines are passed over.
const LINE_MAX: usize = 4096;

/// What says that an entry has no words, not even those of all.
const NOTHING: &str = "-";

impl Config {
    /// Reads a configuration by itself. What is not known is passed over, as syslinux does.
    pub fn parse(text: &str) -> Self {
        Self::parse_with(text, &mut |_| None)
    }

    /// As [`parse`](Self::parse), with the configurations that it includes: `include` gives their texts by their paths. Those that it does not
    /// give are among the [`files`](Self::files).
    pub fn parse_with(text: &str, include: &mut dyn FnMut(&str) -> Option<String>) -> Self {
        let mut parser = Parser {
            config: Self::default(),
            drafts: Vec::new(),
            is_help: false,
            menus: 0,
            depth: 0,
            included: 0,
            include,
        };
        parser.text(text);
        let Parser {
            mut config, drafts, ..
        } = parser;
        let entries = drafts.into_iter().enumerate().map(|(index, draft)| {
            let global = if index < ENTRIES_MAX {
                &*config.append
            } else {
                ""
            };
            draft.entry(global)
        });
        config.entries = entries.collect();
        config
    }

    /// The initramfs that a command line names: the last one.
    pub fn initramfs_of(words: &str) -> Vec<String> {
        let mut words = words.split_whitespace().rev();
        let last = words.find_map(|word| word.strip_prefix("initrd="));
        last.map(paths).unwrap_or_default()
    }
}

/// An entry whose end has not been read yet.
#[derive(Default)]
struct Draft {
    entry: Entry,
    append: Option<String>,
}

impl Draft {
    fn entry(self, global: &str) -> Entry {
        let mut entry = self.entry;
        entry.append = match self.append.as_deref() {
            Some(NOTHING) => String::new(),
            Some(own) => own.to_owned(),
            None => global.to_owned(),
        };
        let named = Config::initramfs_of(&entry.append);
        if !named.is_empty() {
            entry.initramfs = named;
        }
        entry
    }
}

struct Parser<'a> {
    config: Config,
    drafts: Vec<Draft>,
    /// Within `TEXT HELP`, whose lines are for people.
    is_help: bool,
    /// How many menus of menus are open.
    menus: usize,
    depth: usize,
    included: usize,
    include: &'a mut dyn FnMut(&str) -> Option<String>,
}

impl Parser<'_> {
    fn text(&mut self, text: &str) {
        for line in text.lines().filter(|line| line.len() <= LINE_MAX) {
            let (keyword, value) = split(line);
            let keyword = keyword.to_ascii_lowercase();
            if self.is_help {
                self.is_help = keyword != "endtext";
            } else {
                self.line(&keyword, value);
            }
        }
    }

    fn line(&mut self, keyword: &str, value: &str) {
        let config = &mut self.config;
        match (keyword, self.drafts.last_mut()) {
            ("text", _) => self.is_help = first_word(value).eq_ignore_ascii_case("help"),
            ("menu", _) => self.menu(value),
            ("include", _) => self.include(first_word(value)),
            ("label", _) => self.label(first_word(value)),
            ("default", _) => config.default = value.to_owned(),
            ("ontimeout", _) => config.on_timeout = value.to_owned(),
            ("ui", _) => config.ui = value.to_owned(),
            ("path", _) => config.path.extend(value.split(':').map(str::to_owned)),
            ("prompt", _) => config.prompt = value != "0",
            ("timeout", _) => config.timeout = value.parse().unwrap_or(0),
            ("display" | "font" | "kbdmap", _) => self.shown(value),
            (key, _) if is_function_key(key) => self.shown(value),
            ("append", None) => config.append = value.to_owned(),
            ("append", Some(draft)) => draft.append = Some(value.to_owned()),
            ("initrd", Some(draft)) => draft.entry.initramfs = paths(value),
            ("localboot", Some(draft)) => draft.entry.kind = Kind::Local,
            (key, Some(draft)) => {
                if let Some(kind) = kind_of(key) {
                    draft.entry.kernel = first_word(value).to_owned();
                    draft.entry.kind = kind;
                }
            }
            _ => {}
        }
    }

    /// Where an entry names no kernel, its label is one.
    fn label(&mut self, name: &str) {
        let entry = Entry {
            label: name.to_owned(),
            kernel: name.to_owned(),
            kind: Kind::ByName,
            ..Entry::default()
        };
        let append = None;
        self.drafts.push(Draft { entry, append });
    }

    fn menu(&mut self, value: &str) {
        let (keyword, value) = split(value);
        match keyword.to_ascii_lowercase().as_str() {
            "include" => self.include(first_word(value)),
            "begin" => self.menus += 1,
            "end" => self.menus = self.menus.saturating_sub(1),
            "default" => self.menu_default(),
            "separator" | "disable" | "exit" | "goto" | "quit" => self.is_for_the_menu(),
            // A colour is no file.
            "background" if !value.starts_with('#') => self.shown(value),
            _ => {}
        }
    }

    /// A menu within the menu has a default of its own.
    fn menu_default(&mut self) {
        if let Some(draft) = self.drafts.last()
            && self.menus == 0
        {
            self.config.menu_default = draft.entry.label.clone();
        }
    }

    /// An entry that has named no kernel starts none: it leads to another menu, or is a line of this one.
    fn is_for_the_menu(&mut self) {
        if let Some(Draft { entry, .. }) = self.drafts.last_mut()
            && entry.kernel == entry.label
        {
            entry.kind = Kind::Local;
        }
    }

    fn shown(&mut self, value: &str) {
        if !value.is_empty() {
            self.config.files.push(first_word(value).to_owned());
        }
    }

    fn include(&mut self, path: &str) {
        if self.depth == DEPTH_MAX || self.included == INCLUDES_MAX {
            return;
        }
        self.included += 1;
        match (self.include)(path) {
            Some(text) => {
                self.depth += 1;
                self.text(&text);
                self.depth -= 1;
            }
            None => self.config.files.push(path.to_owned()),
        }
    }
}

fn kind_of(keyword: &str) -> Option<Kind> {
    Some(match keyword {
        "linux" => Kind::Linux,
        "kernel" => Kind::ByName,
        "config" => Kind::Config,
        "com32" | "comboot" | "boot" | "bss" | "pxe" | "fdimage" => Kind::Other,
        _ => return None,
    })
}

/// `F1` to `F12` show a file each; some write them with a zero.
fn is_function_key(keyword: &str) -> bool {
    let number = keyword.strip_prefix('f').and_then(|it| it.parse().ok());
    number.is_some_and(|number: u8| number <= 12)
}

/// A keyword and its value.
fn split(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (keyword, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (keyword, value.trim())
}

fn paths(value: &str) -> Vec<String> {
    let paths = value.split(',').map(str::trim);
    let paths = paths.filter(|path| !path.is_empty());
    paths.map(str::to_owned).collect()
}

fn first_word(value: &str) -> &str {
    value.split_whitespace().next().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_write_it_in_other_ways() {
        let text = "ui menu.c32\r\nlabel a\r\n\tkernel bzImage\r\n\tappend ro initrd=one.gz,two.gz quiet\r\n";
        let config = Config::parse(text);
        assert_eq!(config.ui, "menu.c32");
        assert_eq!(config.entries[0].kernel, "bzImage");
        assert_eq!(config.entries[0].kind, Kind::ByName);
        assert_eq!(config.entries[0].initramfs, ["one.gz", "two.gz"]);
    }

    #[test]
    fn what_an_entry_does_not_say_is_said_for_all_or_by_its_label() {
        let config = Config::parse(
            "DEFAULT vmlinuz initrd=a\nAPPEND initrd=b quiet\nINITRD ignored\n\
             LABEL vmlinuz two\nLABEL own\nAPPEND -\nLABEL disk\nLOCALBOOT 0\n\
             LABEL chain\nCOM32 chain.c32\nAPPEND hd0\nMENU SEPARATOR\n\
             LABEL back\nMENU LABEL Back\nMENU EXIT\nAPPEND -\n",
        );
        assert_eq!(config.default, "vmlinuz initrd=a");
        let entries: Vec<_> = config
            .entries
            .iter()
            .map(|it| (it.kernel.as_str(), it.kind, it.initramfs.join(",")))
            .collect();
        assert_eq!(
            entries,
            [
                ("vmlinuz", Kind::ByName, "b".to_owned()),
                ("own", Kind::ByName, String::new()),
                ("disk", Kind::Local, "b".to_owned()),
                ("chain.c32", Kind::Other, String::new()),
                ("back", Kind::Local, String::new()),
            ]
        );
    }

    #[test]
    fn words_for_all_are_not_multiplied_without_end() {
        let labels = "LABEL a\n".repeat(ENTRIES_MAX + 1);
        let config = Config::parse(&format!("APPEND initrd=a\n{labels}"));
        let with = config.entries.iter().filter(|it| it.append == "initrd=a");
        assert_eq!(config.entries.len(), ENTRIES_MAX + 1);
        assert_eq!(with.count(), ENTRIES_MAX);
        for (length, kept) in [(LINE_MAX - 7, LINE_MAX - 7), (LINE_MAX - 6, 0)] {
            let config = Config::parse(&format!("APPEND {}\n", "a".repeat(length)));
            assert_eq!(config.append.len(), kept);
        }
    }

    #[test]
    fn the_menu_marks_the_last_entry_that_says_so() {
        for (text, marked) in [
            ("LABEL a\nMENU DEFAULT\nLABEL b\n", "a"),
            ("LABEL a\nmenu default\nLABEL b\nMenu Default\n", "b"),
            ("MENU DEFAULT\nLABEL a\nMENU LABEL Default\n", ""),
            (
                "LABEL a\nMENU DEFAULT\nMENU BEGIN\nLABEL b\nMENU DEFAULT\nMENU END\n",
                "a",
            ),
        ] {
            assert_eq!(Config::parse(text).menu_default, marked, "{text}");
        }
    }

    #[test]
    fn a_text_for_people_is_no_configuration() {
        let config = Config::parse(
            "LABEL a\nLINUX x\nTEXT HELP\nLINUX is a kernel\nF1 helps\nENDTEXT\nINITRD y\n",
        );
        assert_eq!(config.entries[0].kernel, "x");
        assert_eq!(config.entries[0].initramfs, ["y"]);
        assert!(config.files.is_empty());
    }

    #[test]
    fn configurations_are_included_and_what_is_shown_is_known() {
        let mut asked = Vec::new();
        let mut include = |path: &str| {
            asked.push(path.to_owned());
            (path == "more.cfg").then(|| "LABEL b\nLINUX two\n".to_owned())
        };
        let text = "LABEL a\nMENU INCLUDE more.cfg Title\nINCLUDE gone.cfg\nDISPLAY boot.txt\nF01 one.txt\n\
                    MENU BACKGROUND #ff00\nMENU BACKGROUND back.png\n";
        let config = Config::parse_with(text, &mut include);
        assert_eq!(config.entries[1].kernel, "two");
        assert_eq!(
            config.files,
            ["gone.cfg", "boot.txt", "one.txt", "back.png"]
        );
        assert_eq!(asked, ["more.cfg", "gone.cfg"]);
        // One that includes itself.
        let mut count = 0;
        let mut include = |_: &str| {
            count += 1;
            Some("INCLUDE me\nINCLUDE me\n".to_owned())
        };
        Config::parse_with("INCLUDE me\n", &mut include);
        assert_eq!(count, INCLUDES_MAX);
    }
}
