//! What a shell script calls, and what it writes to (POSIX.1-2017, XCU 2.3 and 2.9), as far as its words are plain or quoted as a
//! whole.

mod quotes;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::CharIndices;

use super::names::{is_plain, name_of};
use super::runners::{Runner, Switch};

/// So many substitutions and quotes may be within one another.
const DEEPEST: usize = 200;

/// Longer than a line that people write, in bytes.
const LINE: usize = 1000;

/// What ends a word, if it is not quoted. Other blanks, such as that of U+00A0, are letters to a shell.
const ENDS: &str = " \t\r\n;|&<>()";

const QUOTES: [char; 2] = ['"', '\''];

/// After these words, a command follows.
const OPENERS: [&str; 10] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "time",
];

/// What a script does. Words that expand are not in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Calls<'a> {
    /// The names of the commands that it calls; where it calls them by path, the whole path.
    pub(super) commands: BTreeSet<&'a str>,
    /// What it asks busybox for by name: `busybox mount`.
    pub(super) applets: BTreeSet<&'a str>,
    /// The files that it writes to, where it does not say what else to do (`||`).
    pub(super) written: BTreeSet<&'a str>,
    /// What it tells sysctl(8) in the same way: `kernel.hotplug=/sbin/mdev`.
    pub(super) settings: BTreeSet<&'a str>,
}

impl<'a> Calls<'a> {
    pub(super) fn of(script: &'a str) -> Self {
        let mut scanner = Scanner::new(script, 0);
        scanner.list();
        scanner.calls
    }
}

struct Scanner<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    calls: Calls<'a>,
    /// The command whose words are read.
    current: &'a str,
    /// The ends of here-documents whose lines are to come.
    here: Vec<&'a str>,
    /// How many `case` constructs are open.
    cases: usize,
    /// How many lists, words and quotes are within one another.
    depth: usize,
}

/// A word as it stands in the script.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    /// What the shell makes of it; `None` where it expands or is quoted in part.
    name: Option<&'a str>,
    /// Quoted words are none of the grammar's.
    is_quoted: bool,
}

impl<'a> Word<'a> {
    fn keyword(self) -> Option<&'a str> {
        self.name.filter(|_| !self.is_quoted)
    }

    /// Whether it is a variable's assignment, whatever the value.
    fn is_assignment(self) -> bool {
        let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let end = self.text.find(is_end).filter(|end| *end > 0);
        end.is_some_and(|end| {
            let rest = &self.text[end..];
            rest.starts_with('=') || rest.starts_with("+=")
        })
    }
}

/// What the next word of a list may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first word of a command.
    Command,
    /// Another word of it.
    Argument,
    /// A word of a command that starts another one, with so many words before that.
    Runner(&'static Runner, usize),
    /// The value of an option of such a command.
    Value(&'static Runner, usize),
    /// Within `[[` and `]]`, where `&&` joins no commands.
    Test,
    /// The word behind `case`.
    Subject,
    /// `in`.
    In,
    /// A pattern of `case`, or `esac`.
    Pattern,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, depth: usize) -> Self {
        Self {
            text,
            chars: text.char_indices().peekable(),
            calls: Calls::default(),
            current: "",
            here: Vec::new(),
            cases: 0,
            depth,
        }
    }

    /// Where the next character stands.
    fn position(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    /// Commands up to the end, or to the parenthesis that closes a substitution.
    fn list(&mut self) {
        let current = self.current;
        self.deeper(Self::commands_of_list);
        self.current = current;
    }

    /// Reads what is within something else. Nobody writes more levels than are looked at; what follows is passed over then.
    fn deeper(&mut self, read: fn(&mut Self)) {
        if self.depth == DEEPEST {
            self.chars.by_ref().for_each(drop);
            return;
        }
        self.depth += 1;
        read(self);
        self.depth -= 1;
    }

    fn commands_of_list(&mut self) {
        let mut place = Place::Command;
        while let Some(&(at, c)) = self.chars.peek() {
            match c {
                ' ' | '\t' | '\r' => drop(self.chars.next()),
                // A line that goes on.
                '\\' if self.text[at..].starts_with("\\\n") => drop(self.chars.nth(1)),
                '#' => self.skip_line(),
                '<' | '>' => self.redirection(),
                '&' if self.text[at..].starts_with("&>") => drop(self.chars.next()),
                '\n' | ';' | '|' | '&' | '(' | ')' => match self.operator(c, place) {
                    Some(next) => place = next,
                    None => return,
                },
                _ => {
                    let word = self.word(at);
                    if !self.is_descriptor(word) {
                        place = self.place_behind(word, place);
                    }
                }
            }
        }
    }

    /// Reads an operator; `None` where it closes the list.
    fn operator(&mut self, c: char, place: Place) -> Option<Place> {
        self.chars.next();
        match (c, place) {
            ('|' | '&' | '(' | ')', Place::Test) => return Some(Place::Test),
            ('\n', _) => self.skip_documents(),
            (')', Place::Pattern) => {}
            (')', _) => return None,
            // Patterns may be joined by `|`, and the first may stand behind a parenthesis.
            ('|' | '(', Place::Pattern) => return Some(Place::Pattern),
            ('(', _) if self.chars.next_if(|(_, c)| *c == ')').is_none() => self.list(),
            (';', _) if self.chars.next_if(|(_, c)| *c == ';').is_some() && self.cases > 0 => {
                return Some(Place::Pattern);
            }
            _ => {}
        }
        // A line may end before a pattern.
        Some(match (c, place) {
            ('\n', Place::Pattern | Place::In) => place,
            _ => Place::Command,
        })
    }

    fn place_behind(&mut self, word: Word<'a>, place: Place) -> Place {
        match (place, word.keyword()) {
            (Place::Argument, _) => {
                self.argument(word.text);
                Place::Argument
            }
            (Place::Runner(runner, operands), _) => self.behind_runner(word, runner, operands),
            (Place::Value(runner, operands), _) => Place::Runner(runner, operands),
            (Place::Test, Some("]]")) => Place::Argument,
            (Place::Test, _) => Place::Test,
            (Place::Subject, _) => Place::In,
            (Place::In, _) => {
                self.cases += 1;
                Place::Pattern
            }
            (Place::Pattern | Place::Command, Some("esac")) => {
                self.cases = self.cases.saturating_sub(1);
                Place::Argument
            }
            (Place::Pattern, _) => Place::Pattern,
            (Place::Command, Some("case")) => Place::Subject,
            (Place::Command, Some("[[")) => Place::Test,
            (Place::Command, Some(word)) if OPENERS.contains(&word) => Place::Command,
            (Place::Command, _) if word.is_assignment() => Place::Command,
            (Place::Command, _) => self.command(word, false),
        }
    }

    /// A word behind a command that starts another one.
    fn behind_runner(&mut self, word: Word<'a>, runner: &'static Runner, operands: usize) -> Place {
        let option = word.name.filter(|name| name.starts_with('-'));
        match option.map(|option| runner.switch(option)) {
            Some(Switch::Flag) => Place::Runner(runner, operands),
            Some(Switch::WithValue) => Place::Value(runner, operands),
            Some(Switch::Unknown) => Place::Argument,
            None if runner.takes_settings && word.is_assignment() => {
                Place::Runner(runner, operands)
            }
            None if operands > 0 => Place::Runner(runner, operands - 1),
            None => self.command(word, runner.name == "busybox"),
        }
    }

    /// Takes the name of a command, or of an applet that busybox is asked for.
    fn command(&mut self, word: Word<'a>, is_applet: bool) -> Place {
        let Some(name) = word.name else {
            self.current = "";
            return Place::Argument;
        };
        self.current = name_of(name);
        let is_path = name.starts_with('/') && name.split('/').skip(1).all(is_plain);
        if is_applet && is_plain(name) {
            self.calls.applets.insert(name);
        } else if is_plain(name) || is_path || name == "." {
            self.calls.commands.insert(name);
        }
        match Runner::of(name) {
            Some(runner) => Place::Runner(runner, runner.operands),
            None => Place::Argument,
        }
    }

    /// Takes a word behind a command's name.
    fn argument(&mut self, text: &'a str) {
        if !matches!(self.current, "tee" | "sysctl") || self.has_alternative() {
            return;
        }
        match self.current {
            "tee" => self.calls.written.insert(text.trim_matches(QUOTES)),
            _ => self.calls.settings.insert(text.trim_matches(QUOTES)),
        };
    }

    /// Whether the line goes on with what is to be done where a command fails.
    fn has_alternative(&mut self) -> bool {
        let rest = &self.text.as_bytes()[self.position()..];
        let rest = &rest[..rest.len().min(LINE)];
        let line = rest.split(|byte| *byte == b'\n').next();
        line.is_some_and(|line| line.windows(2).any(|pair| pair == b"||"))
    }

    /// Whether a word is the number before a redirection.
    fn is_descriptor(&mut self, word: Word<'_>) -> bool {
        let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        let is_before = |(_, c): &(usize, char)| matches!(c, '<' | '>');
        word.keyword().is_some_and(is_number) && self.chars.peek().is_some_and(is_before)
    }

    fn skip_line(&mut self) {
        while self.chars.next_if(|(_, c)| *c != '\n').is_some() {}
    }

    /// `<`, `>`, `>>`, `<<`, `>&`, and the word behind it.
    fn redirection(&mut self) {
        let start = self.position();
        while self.chars.next_if(|(_, c)| "<>&|-".contains(*c)).is_some() {}
        let operator = &self.text[start..self.position()];
        while self.chars.next_if(|(_, c)| " \t".contains(*c)).is_some() {}
        let Some(&(at, _)) = self.chars.peek() else {
            return;
        };
        let word = self.word(at).text;
        if operator.starts_with("<<") && !operator.starts_with("<<<") {
            self.here.push(word.trim_matches(['\'', '"', '\\']));
        } else if operator.starts_with('>') && !self.has_alternative() {
            self.calls.written.insert(word.trim_matches(QUOTES));
        }
    }

    /// Passes over the lines of the here-documents that began on the line before.
    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.here) {
            while let Some(&(start, _)) = self.chars.peek() {
                self.skip_line();
                let stop = self.chars.next().map_or(self.text.len(), |(at, _)| at);
                if self.text[start..stop].trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }
}
