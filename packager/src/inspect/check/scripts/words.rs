//! The first words of a shell script's simple commands (POSIX.1-2017, XCU 2.3 and 2.9), as far as they are plain words.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::CharIndices;

/// So many substitutions and quotes may be within one another.
const DEEPEST: usize = 200;

/// After these words, a command follows.
const OPENERS: [&str; 12] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "exec", "command", "time",
];

/// Commands that start another one, whose name follows; a busybox by the applet's name.
const RUNNERS: [&str; 3] = ["busybox", "setsid", "nohup"];

/// The names of the commands that a script calls, without those in words that expand; where it calls them by path, the whole path.
pub(super) fn commands(script: &str) -> BTreeSet<&str> {
    let mut scanner = Scanner {
        text: script,
        chars: script.char_indices().peekable(),
        commands: BTreeSet::new(),
        here: Vec::new(),
        cases: 0,
        depth: 0,
    };
    scanner.list();
    scanner.commands
}

/// The names of the functions and aliases that a script defines: `name()`, `function name` or `alias name=` at the start of a line.
pub(super) fn functions(script: &str) -> impl Iterator<Item = &str> {
    script.lines().filter_map(|line| {
        let line = line.trim_start();
        let end = |c: char| c.is_whitespace() || "({=".contains(c);
        if let Some(rest) = line.strip_prefix("function ") {
            return rest.trim_start().split(end).next();
        }
        if let Some(rest) = line.strip_prefix("alias ") {
            return rest.trim_start().split(end).next();
        }
        let (name, rest) = line.split_once('(')?;
        let name = name.trim_end();
        (rest.trim_start().starts_with(')') && is_plain(name)).then_some(name)
    })
}

/// The commands that a script looks for before it calls them, by their names.
pub(super) fn looked_for(script: &str) -> BTreeSet<&str> {
    let ways = [
        "command -v ",
        "type ",
        "which ",
        "hash ",
        "-x ",
        "-e ",
        "-f ",
    ];
    let behind = |way: &'static str| {
        let found = script.match_indices(way);
        found.map(move |(at, _)| name_of(first_word(&script[at + way.len()..])))
    };
    ways.into_iter().flat_map(behind).collect()
}

/// The last part of a path.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn first_word(text: &str) -> &str {
    let word = text
        .split(|c: char| c.is_whitespace() || ";)&|".contains(c))
        .next();
    word.unwrap_or(text).trim_matches(['"', '\''])
}

struct Scanner<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    commands: BTreeSet<&'a str>,
    /// The ends of here-documents whose lines are to come.
    here: Vec<&'a str>,
    /// How many `case` constructs are open.
    cases: usize,
    /// How many lists, words and quotes are within one another.
    depth: usize,
}

/// What the next word of a list may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first word of a command.
    Command,
    /// Another word of it.
    Argument,
    /// The word behind `case`.
    Subject,
    /// `in`.
    In,
    /// A pattern of `case`, or `esac`.
    Pattern,
}

impl<'a> Scanner<'a> {
    /// Commands up to the end, or to the parenthesis that closes a substitution.
    fn list(&mut self) {
        self.deeper(Self::commands_of_list);
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
                '#' => self.skip_line(),
                '<' | '>' => self.redirection(),
                '\n' | ';' | '|' | '&' | '(' | ')' => match self.operator(c, place) {
                    Some(next) => place = next,
                    None => return,
                },
                _ => {
                    let word = self.word(at);
                    if !self.is_descriptor(word) {
                        place = self.place_behind(at, word, place);
                    }
                }
            }
        }
    }

    /// Reads an operator; `None` where it closes the list.
    fn operator(&mut self, c: char, place: Place) -> Option<Place> {
        self.chars.next();
        match (c, place) {
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

    /// Takes a word, which begins at `at`; `None` is one that is quoted or expands.
    fn place_behind(&mut self, at: usize, word: Option<&'a str>, place: Place) -> Place {
        match (place, word) {
            (Place::Argument, _) => Place::Argument,
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
            (Place::Command, Some(word)) if OPENERS.contains(&word) => Place::Command,
            (Place::Command, Some(word)) if RUNNERS.contains(&name_of(word)) => {
                self.command(word);
                Place::Command
            }
            (Place::Command, Some(word)) if self.command(word) => Place::Command,
            (Place::Command, None) if self.is_assignment(at) => Place::Command,
            (Place::Command, _) => Place::Argument,
        }
    }

    /// Whether a word is the number before a redirection.
    fn is_descriptor(&mut self, word: Option<&str>) -> bool {
        word.is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()))
            && self
                .chars
                .peek()
                .is_some_and(|(_, c)| matches!(c, '<' | '>'))
    }

    /// Takes the first word of a command; true where a command may still follow.
    fn command(&mut self, word: &'a str) -> bool {
        if word.contains('=') {
            return true;
        }
        let is_path = word.starts_with('/') && word.split('/').skip(1).all(is_plain);
        if is_plain(word) || is_path {
            self.commands.insert(word);
        }
        false
    }

    /// Whether the word at `at`, which expands, is a variable's assignment.
    fn is_assignment(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        let name = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        name.is_some_and(|end| end > 0 && rest[end..].starts_with('='))
    }

    /// Reads a word; `None` where it is quoted or expands.
    fn word(&mut self, start: usize) -> Option<&'a str> {
        let mut is_plain = true;
        let mut end = start;
        while let Some(&(at, c)) = self.chars.peek() {
            if c.is_whitespace() || ";|&<>()".contains(c) {
                break;
            }
            self.chars.next();
            end = at + c.len_utf8();
            match c {
                '\\' => drop(self.chars.next()),
                '\'' => while self.chars.next().is_some_and(|(_, c)| c != '\'') {},
                '"' => self.double_quotes(),
                '$' => self.expansion(),
                '`' => while self.chars.next().is_some_and(|(_, c)| c != '`') {},
                _ => continue,
            }
            is_plain = false;
        }
        is_plain.then(|| &self.text[start..end])
    }

    fn double_quotes(&mut self) {
        self.deeper(Self::quoted);
    }

    fn quoted(&mut self) {
        while let Some((_, c)) = self.chars.next() {
            match c {
                '"' => return,
                '\\' => drop(self.chars.next()),
                '$' => self.expansion(),
                _ => {}
            }
        }
    }

    /// What stands behind `$`: a substitution's commands count.
    fn expansion(&mut self) {
        if self.chars.next_if(|(_, c)| *c == '(').is_some() {
            if self.chars.next_if(|(_, c)| *c == '(').is_some() {
                self.skip_arithmetic();
            } else {
                let cases = std::mem::take(&mut self.cases);
                self.list();
                self.cases = cases;
            }
        } else if self.chars.next_if(|(_, c)| *c == '{').is_some() {
            self.skip_braces();
        }
    }

    fn skip_arithmetic(&mut self) {
        let mut depth = 2;
        while depth > 0 {
            match self.chars.next() {
                Some((_, '(')) => depth += 1,
                Some((_, ')')) => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn skip_braces(&mut self) {
        self.deeper(Self::braces);
    }

    fn braces(&mut self) {
        while let Some((_, c)) = self.chars.next() {
            match c {
                '}' => return,
                '\\' => drop(self.chars.next()),
                '\'' => while self.chars.next().is_some_and(|(_, c)| c != '\'') {},
                '"' => self.double_quotes(),
                '$' => self.expansion(),
                _ => {}
            }
        }
    }

    fn skip_line(&mut self) {
        while self.chars.next_if(|(_, c)| *c != '\n').is_some() {}
    }

    /// `<`, `>`, `>>`, `<<`, `>&`, and the word behind it.
    fn redirection(&mut self) {
        let start = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        while self.chars.next_if(|(_, c)| "<>&|-".contains(*c)).is_some() {}
        let operator = &self.text[start..self.chars.peek().map_or(self.text.len(), |(at, _)| *at)];
        while self.chars.next_if(|(_, c)| " \t".contains(*c)).is_some() {}
        let Some(&(at, _)) = self.chars.peek() else {
            return;
        };
        self.word(at);
        let end = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        if operator.starts_with("<<") && !operator.starts_with("<<<") {
            self.here
                .push(self.text[at..end].trim_matches(['\'', '"', '\\']));
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

/// Whether a word can be the name of a command in the search path.
fn is_plain(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(script: &str) -> Vec<&str> {
        commands(script).into_iter().collect()
    }

    #[test]
    fn the_first_word_of_each_command_counts() {
        assert_eq!(of("mount -t proc proc /proc\n"), ["mount"]);
        assert_eq!(of("a; b && c || d | e & f"), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(
            of("if a; then b; else c; fi; while d; do e; done"),
            ["a", "b", "c", "d", "done", "e", "fi"]
        );
        assert_eq!(of("( a ) ; { b; }; ! c"), ["a", "b", "c"]);
        assert_eq!(of("X=1 Y=\"$(a b)\" c d"), ["a", "c"]);
        assert_eq!(of("exec a b"), ["a"]);
        assert_eq!(
            of("/bin/busybox a b; busybox --install"),
            ["/bin/busybox", "a", "busybox"]
        );
        assert_eq!(of("exec setsid /sbin/a b"), ["/sbin/a", "setsid"]);
    }

    #[test]
    fn what_is_no_command_does_not_count() {
        assert_eq!(
            of("# a\n\"$b\" c\n'd' e\n$f g\n/h/$i j\n"),
            Vec::<&str>::new()
        );
        assert_eq!(of("a >b 2>c <d 2>&1 >>e"), ["a"]);
        assert_eq!(of("a <<END\nb\nEND\nc"), ["a", "c"]);
        assert_eq!(of("a <<-'END' | d\n\tb\n\tEND\nc"), ["a", "c", "d"]);
        assert_eq!(of("a ${b:-c} $((d + e)) \"f; g\" 'h; i' \\; j"), ["a"]);
    }

    #[test]
    fn the_patterns_of_case_are_no_commands() {
        let script =
            "case $x in\n  a | b) c ;;\n  (d) e; f ;;\n  *) case y in z) g;; esac ;;\nesac\nh\n";
        assert_eq!(of(script), ["c", "e", "f", "g", "h"]);
        assert_eq!(of("for x in a b; do c; done"), ["c", "done", "for"]);
    }

    #[test]
    fn functions_are_found_and_called() {
        assert_eq!(
            functions("a() {\n  b ()\n{ c\n}\nfunction d () {\nfunction e {\nalias f='g h'")
                .collect::<Vec<_>>(),
            ["a", "b", "d", "e", "f"]
        );
        assert_eq!(of("a() { b; }\nc() ( d )\n"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_command_may_be_looked_for() {
        assert!(looked_for("if command -v a >/dev/null; then a; fi").contains("a"));
        assert!(looked_for("[ -x /sbin/b ] && b").contains("b"));
        assert!(looked_for("c").is_empty());
    }

    #[test]
    fn scripts_that_end_too_soon_end() {
        for script in [
            "a '",
            "a \"",
            "a $(",
            "a ${",
            "a $((",
            "case x in",
            "a <<END",
            "a <",
            "\\",
            "`",
        ] {
            let _ = commands(script);
        }
        for part in ["$(", "(", "\"${", "\"$("] {
            let _ = commands(&part.repeat(100_000));
        }
    }
}
