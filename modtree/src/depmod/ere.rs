//! Extended regular expressions (POSIX), as `depmod.d` has them for kernel versions.
//!
//! Only whether one matches is asked, so the expression becomes a list of instructions which is run for all states at
//! once: time is bounded by the lengths of pattern and text multiplied.

mod bracket;

use bracket::{Members, bracket};

/// The most instructions that an expression may become: repetitions multiply.
const LIMIT: usize = 10_000;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Ere {
    program: Vec<Op>,
}

#[derive(Clone, Debug)]
enum Op {
    Set(Members),
    Start,
    End,
    /// Go on at both.
    Split(usize, usize),
    Jump(usize),
    Match,
}

impl Ere {
    /// Compiles an expression.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(super) fn new(pattern: &[u8]) -> Result<Self, String> {
        let mut parser = Parser {
            pattern,
            at: 0,
            depth: 0,
        };
        let mut program = parser.alternatives()?;
        if parser.at < pattern.len() {
            return Err(parser.wrong("an unmatched )"));
        }
        program.push(Op::Match);
        Ok(Self { program })
    }

    /// Whether the expression matches anywhere in `text`.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        let mut states = Vec::new();
        for at in 0..=text.len() {
            // The expression may begin at every place.
            self.enter(&mut states, 0, at, text.len());
            if states
                .iter()
                .any(|&state| matches!(self.program[state], Op::Match))
            {
                return true;
            }
            let Some(&byte) = text.get(at) else {
                break;
            };
            let mut next = Vec::new();
            for state in states {
                if let Op::Set(set) = &self.program[state]
                    && set[usize::from(byte)]
                {
                    self.enter(&mut next, state + 1, at + 1, text.len());
                }
            }
            states = next;
        }
        false
    }

    /// Adds a state, and what can be reached from it without a byte.
    fn enter(&self, states: &mut Vec<usize>, state: usize, at: usize, length: usize) {
        let mut stack = vec![state];
        while let Some(state) = stack.pop() {
            if states.contains(&state) {
                continue;
            }
            states.push(state);
            match self.program[state] {
                Op::Split(a, b) => stack.extend([b, a]),
                Op::Jump(to) => stack.push(to),
                Op::Start if at == 0 => stack.push(state + 1),
                Op::End if at == length => stack.push(state + 1),
                _ => {}
            }
        }
    }
}

struct Parser<'a> {
    pattern: &'a [u8],
    at: usize,
    depth: usize,
}

type Program = Vec<Op>;

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn wrong(&self, what: &str) -> String {
        format!(
            "`{}` is no regular expression: {what}",
            self.pattern.escape_ascii()
        )
    }

    fn alternatives(&mut self) -> Result<Program, String> {
        let mut all = self.sequence()?;
        while self.peek() == Some(b'|') {
            self.at += 1;
            let other = self.sequence()?;
            let (first, second) = (all.len(), other.len());
            let mut both = vec![Op::Split(1, first + 2)];
            append(&mut both, all);
            both.push(Op::Jump(first + 2 + second));
            append(&mut both, other);
            all = both;
        }
        Ok(all)
    }

    fn sequence(&mut self) -> Result<Program, String> {
        let mut all = Program::new();
        while let Some(byte) = self.peek() {
            if byte == b'|' || byte == b')' && self.depth > 0 {
                break;
            }
            // POSIX knows no repetition of an anchor: what follows one begins anew.
            let one = match byte {
                b'^' | b'$' => self.one()?,
                _ => {
                    let one = self.one()?;
                    self.repeated(one)?
                }
            };
            append(&mut all, one);
            if all.len() > LIMIT {
                return Err(self.wrong("it is too large"));
            }
        }
        Ok(all)
    }

    fn one(&mut self) -> Result<Program, String> {
        let byte = self.peek().unwrap_or_default();
        self.at += 1;
        Ok(vec![match byte {
            b'^' => Op::Start,
            b'$' => Op::End,
            b'.' => Op::Set(Box::new([true; 256])),
            b'[' => self.bracket()?,
            b'(' => {
                self.depth += 1;
                if self.depth > 100 {
                    return Err(self.wrong("groups are nested too deeply"));
                }
                let inner = self.alternatives()?;
                if self.peek() != Some(b')') {
                    return Err(self.wrong("an unmatched ("));
                }
                self.at += 1;
                self.depth -= 1;
                return Ok(inner);
            }
            b'\\' => {
                let literal = self
                    .peek()
                    .ok_or_else(|| self.wrong("a backslash at its end"))?;
                self.at += 1;
                if b"wWsSbB<>`'123456789".contains(&literal) {
                    let what = format!("\\{} is not supported", char::from(literal));
                    return Err(self.wrong(&what));
                }
                only(literal)
            }
            b'*' | b'+' | b'?' | b'{' => return Err(self.wrong("nothing to repeat")),
            literal => only(literal),
        }])
    }

    fn repeated(&mut self, mut one: Program) -> Result<Program, String> {
        while let Some(byte) = self.peek() {
            let (least, most) = match byte {
                b'*' => (0, None),
                b'+' => (1, None),
                b'?' => (0, Some(1)),
                b'{' => self.bounds()?,
                _ => break,
            };
            self.at += 1;
            one = self.times(&one, least, most)?;
        }
        Ok(one)
    }

    /// `{2}`, `{2,}`, `{,5}`, `{2,5}`; leaves the place at the closing brace.
    fn bounds(&mut self) -> Result<(usize, Option<usize>), String> {
        let rest = self.pattern.get(self.at + 1..).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == b'}');
        let end = end.ok_or_else(|| self.wrong("an unmatched {"))?;
        let number = |text: &[u8]| {
            let digits = text.iter().all(u8::is_ascii_digit);
            let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
            text.parse().ok()
        };
        let bounds = match rest[..end].split(|&byte| byte == b',').collect::<Vec<_>>()[..] {
            [count] => number(count).map(|count| (count, Some(count))),
            [b"", b""] => Some((0, None)),
            [b"", most] => number(most).map(|most| (0, Some(most))),
            [least, b""] => number(least).map(|least| (least, None)),
            [least, most] => number(least).zip(number(most).map(Some)),
            _ => None,
        };
        let is_ordered =
            |(least, most): &(usize, Option<usize>)| most.is_none_or(|most| *least <= most);
        let bounds = bounds.filter(is_ordered);
        let bounds = bounds.ok_or_else(|| self.wrong("what stands in its braces is no count"))?;
        self.at += end + 1;
        Ok(bounds)
    }

    fn times(&self, one: &Program, least: usize, most: Option<usize>) -> Result<Program, String> {
        let copies = most.unwrap_or(least + 1).max(least);
        if one.len().saturating_add(2).saturating_mul(copies) > LIMIT {
            return Err(self.wrong("it is too large"));
        }
        let mut all = Program::new();
        for _ in 0..least {
            append(&mut all, one.clone());
        }
        match most {
            None => {
                let mut star = vec![Op::Split(1, one.len() + 2)];
                append(&mut star, one.clone());
                star.push(Op::Jump(0));
                append(&mut all, star);
            }
            Some(most) => {
                for _ in least..most {
                    let mut maybe = vec![Op::Split(1, one.len() + 1)];
                    append(&mut maybe, one.clone());
                    append(&mut all, maybe);
                }
            }
        }
        Ok(all)
    }

    fn bracket(&mut self) -> Result<Op, String> {
        let rest = self.pattern.get(self.at..).unwrap_or_default();
        let (members, length) = bracket(rest).map_err(|what| self.wrong(what))?;
        self.at += length;
        Ok(Op::Set(members))
    }
}

fn only(byte: u8) -> Op {
    let mut set = Box::new([false; 256]);
    set[usize::from(byte)] = true;
    Op::Set(set)
}

/// Appends a program, its jumps moved to where it stands now.
fn append(all: &mut Program, more: Program) {
    let base = all.len();
    all.extend(more.into_iter().map(|op| match op {
        Op::Split(a, b) => Op::Split(a + base, b + base),
        Op::Jump(to) => Op::Jump(to + base),
        other => other,
    }));
}

#[cfg(test)]
mod tests {
    use super::Ere;

    #[test]
    fn expressions_match_as_posix_has_them() {
        for (pattern, text, expected) in [
            ("", "6.1.0", true),
            ("6.1", "5.6x1", true),
            ("^6\\.1", "5.6.1", false),
            ("^6\\.1\\.[0-9]+-(amd|arm)64$", "6.1.0-amd64", true),
            ("^6\\.1\\.[0-9]+-(amd|arm)64$", "6.1.0-amd64x", false),
            ("^(a|b*)c{2,3}$", "bbbcc", true),
            ("^(a|b*)c{2,3}$", "acccc", false),
            ("[^[:digit:].]", "6.1.0", false),
            ("[]x]", "]", true),
            ("a?b", "b", true),
            ("(((a)))|b", "b", true),
            ("^5{,1}$", "5", true),
            ("^5{,1}$", "55", false),
            ("^5{,}$", "555", true),
            ("^[[.5.]]$", "5", true),
            ("^[[=5=]]$", "5", true),
            ("^[a-[.c.]]$", "b", true),
            ("[[:blank:][:punct:]]", "!", true),
            ("[--/]", ".", true),
            ("[a-]", "-", true),
            ("[\\]]", "\\]", true),
            ("a\\{1", "a{1", true),
            ("a)", "a)", true),
            ("a^b", "a^b", false),
            ("a||b", "x", true),
        ] {
            let ere = Ere::new(pattern.as_bytes()).unwrap();
            assert_eq!(ere.is_match(text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_none_is_said() {
        for pattern in [
            "(",
            "*a",
            "[a",
            "a\\",
            "(a{999}){999}",
            "^*",
            "$*",
            "^+a",
            "(*a)",
            "a|*b",
            "{1}",
            "5{x}",
            "^5{",
            "a{2,1}",
            "a{1,2,3}",
            "a{ 1}",
            "a{1",
            "a{+1}",
            "[[:foo:]]",
            "[[.ab.]]",
            "[[=ab=]]",
            "[z-a]",
            "[[:digit:]-z]",
            "[a-[:digit:]]",
            "[a-c-e]",
            "[[:digit:",
            "[[.",
            "\\w",
            "(a)\\1",
        ] {
            assert!(Ere::new(pattern.as_bytes()).is_err(), "{pattern}");
        }
    }

    #[test]
    fn nested_stars_take_no_time() {
        let ere = Ere::new(b"^((a*)*)*b$").unwrap();
        assert!(!ere.is_match(&b"a".repeat(2000)));
    }
}
