//! Words, and what is within them: quotes, expansions, substitutions.

use super::super::names::is_plain;
use super::{ENDS, QUOTES, Scanner, Word};

impl<'a> Scanner<'a> {
    /// Reads the word that begins at `start`.
    pub(super) fn word(&mut self, start: usize) -> Word<'a> {
        let mut is_bare = true;
        while let Some(&(at, c)) = self.chars.peek() {
            if ENDS.contains(c) {
                break;
            }
            self.chars.next();
            match c {
                '\\' => drop(self.chars.next()),
                '\'' => self.skip_single_quotes(),
                '"' => self.double_quotes(),
                '$' if self.text[at + 1..].starts_with('\'') => self.skip_escaped_quotes(),
                '$' => self.expansion(false),
                '`' => self.backquotes(),
                _ => continue,
            }
            is_bare = false;
        }
        let text = &self.text[start..self.position()];
        Word {
            text,
            name: if is_bare { Some(text) } else { unquoted(text) },
            is_quoted: !is_bare,
        }
    }

    fn skip_single_quotes(&mut self) {
        while self.chars.next().is_some_and(|(_, c)| c != '\'') {}
    }

    /// `$'it\'s'`.
    fn skip_escaped_quotes(&mut self) {
        self.chars.next();
        while let Some((_, c)) = self.chars.next() {
            match c {
                '\'' => return,
                '\\' => drop(self.chars.next()),
                _ => {}
            }
        }
    }

    fn double_quotes(&mut self) {
        self.deeper(Self::quoted);
    }

    fn quoted(&mut self) {
        while let Some((_, c)) = self.chars.next() {
            match c {
                '"' => return,
                '\\' => drop(self.chars.next()),
                '$' => self.expansion(true),
                '`' => self.backquotes(),
                _ => {}
            }
        }
    }

    /// What stands behind `$`: a substitution's commands count.
    fn expansion(&mut self, is_quoted: bool) {
        if self.chars.next_if(|(_, c)| *c == '(').is_some() {
            if self.chars.next_if(|(_, c)| *c == '(').is_some() {
                self.skip_arithmetic();
            } else {
                let cases = std::mem::take(&mut self.cases);
                self.list();
                self.cases = cases;
            }
        } else if self.chars.next_if(|(_, c)| *c == '{').is_some() {
            let at = self.position();
            match is_quoted && !takes_pattern(&self.text[at..]) {
                true => self.deeper(Self::quoted_braces),
                false => self.deeper(Self::braces),
            }
        }
    }

    /// The commands between backquotes. Those with a backslash may be quoted once more, and are passed over.
    fn backquotes(&mut self) {
        let start = self.position();
        let mut end = self.text.len();
        let mut is_plain = true;
        while let Some((at, c)) = self.chars.next() {
            match c {
                '`' => {
                    end = at;
                    break;
                }
                '\\' => {
                    is_plain = false;
                    self.chars.next();
                }
                _ => {}
            }
        }
        if is_plain {
            let mut within = Scanner::new(&self.text[start..end], self.depth);
            within.calls = std::mem::take(&mut self.calls);
            within.list();
            self.calls = within.calls;
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

    fn braces(&mut self) {
        self.in_braces(false);
    }

    fn quoted_braces(&mut self) {
        self.in_braces(true);
    }

    /// The rest of `${…}`. An apostrophe in double quotes is one: `"${x:-don't}"`.
    fn in_braces(&mut self, is_quoted: bool) {
        while let Some((_, c)) = self.chars.next() {
            match c {
                '}' => return,
                '\\' => drop(self.chars.next()),
                '\'' if !is_quoted => self.skip_single_quotes(),
                '"' => self.double_quotes(),
                '$' => self.expansion(is_quoted),
                '`' => self.backquotes(),
                _ => {}
            }
        }
    }
}

/// Whether `${` is followed by a variable and an operator with a pattern, in which quotes mean something also within quotes.
fn takes_pattern(rest: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let operator = rest.trim_start_matches(is_name);
    operator.len() < rest.len() && operator.starts_with(['#', '%', '/'])
}

/// What a word stands for whose quotes are around the whole name, or that begins with a backslash (no alias is meant).
fn unquoted(text: &str) -> Option<&str> {
    let within_quotes = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    let mut inner = QUOTES.into_iter().filter_map(within_quotes);
    let inner = inner.next().or_else(|| text.strip_prefix('\\'))?;
    // Nothing expands in these, and there are no more quotes.
    let part = |part: &str| part.is_empty() || is_plain(part.trim_start_matches('-'));
    (!inner.is_empty() && inner.split('/').all(part)).then_some(inner)
}
