//! Extended regular expressions (POSIX), as `depmod.d` has them for kernel versions.
//!
//! Only whether one matches is asked, so the expression becomes a list of instructions which is run for all states at
//! once: time is bounded by the lengths of pattern and text multiplied.

/// The most instructions that an expression may become: repetitions multiply.
const LIMIT: usize = 10_000;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Ere {
    program: Vec<Op>,
}

#[derive(Clone, Debug)]
enum Op {
    Set(Box<[bool; 256]>),
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
            let one = self.one()?;
            let one = self.repeated(one)?;
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
                only(literal)
            }
            b'*' | b'+' | b'?' => return Err(self.wrong("nothing to repeat")),
            literal => only(literal),
        }])
    }

    fn repeated(&mut self, mut one: Program) -> Result<Program, String> {
        while let Some(byte) = self.peek() {
            let (least, most) = match byte {
                b'*' => (0, None),
                b'+' => (1, None),
                b'?' => (0, Some(1)),
                b'{' => match self.bounds() {
                    Some(bounds) => bounds,
                    None => break,
                },
                _ => break,
            };
            self.at += 1;
            one = self.times(&one, least, most)?;
        }
        Ok(one)
    }

    /// `{2}`, `{2,}`, `{2,5}`; leaves the place at the closing brace. Anything else is a literal brace.
    fn bounds(&mut self) -> Option<(usize, Option<usize>)> {
        let rest = self.pattern.get(self.at + 1..)?;
        let end = rest.iter().position(|&byte| byte == b'}')?;
        let text = std::str::from_utf8(&rest[..end]).ok()?;
        let bounds = match text.split_once(',') {
            None => {
                let count = text.parse().ok()?;
                (count, Some(count))
            }
            Some((least, "")) => (least.parse().ok()?, None),
            Some((least, most)) => (least.parse().ok()?, Some(most.parse().ok()?)),
        };
        self.at += end + 1;
        Some(bounds)
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
        let mut set = Box::new([false; 256]);
        let negated = self.peek() == Some(b'^');
        self.at += usize::from(negated);
        let first = self.at;
        loop {
            let low = self.peek().ok_or_else(|| self.wrong("an unmatched ["))?;
            if low == b']' && self.at > first {
                self.at += 1;
                break;
            }
            let rest = &self.pattern[self.at..];
            if let Some((class, length)) = class(rest) {
                (0..=255_u8).for_each(|byte| set[usize::from(byte)] |= class(&byte));
                self.at += length;
                continue;
            }
            let high = match rest {
                [_, b'-', high, ..] if *high != b']' => {
                    self.at += 2;
                    *high
                }
                _ => low,
            };
            self.at += 1;
            (low..=high).for_each(|byte| set[usize::from(byte)] = true);
        }
        if negated {
            set.iter_mut().for_each(|member| *member = !*member);
        }
        Ok(Op::Set(set))
    }
}

/// Whether a byte is in a class.
type Class = fn(&u8) -> bool;

/// A class such as `[:digit:]` at the beginning of `text`, with its length.
fn class(text: &[u8]) -> Option<(Class, usize)> {
    let classes: [(&[u8], Class); 6] = [
        (b"[:digit:]", u8::is_ascii_digit),
        (b"[:alpha:]", u8::is_ascii_alphabetic),
        (b"[:alnum:]", u8::is_ascii_alphanumeric),
        (b"[:lower:]", u8::is_ascii_lowercase),
        (b"[:upper:]", u8::is_ascii_uppercase),
        (b"[:space:]", u8::is_ascii_whitespace),
    ];
    let found = classes.into_iter().find(|(name, _)| text.starts_with(name));
    found.map(|(name, class)| (class, name.len()))
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
        ] {
            let ere = Ere::new(pattern.as_bytes()).unwrap();
            assert_eq!(ere.is_match(text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_none_is_said() {
        for pattern in ["(", "*a", "[a", "a\\", "(a{999}){999}"] {
            assert!(Ere::new(pattern.as_bytes()).is_err(), "{pattern}");
        }
    }

    #[test]
    fn nested_stars_take_no_time() {
        let ere = Ere::new(b"^((a*)*)*b$").unwrap();
        assert!(!ere.is_match(&b"a".repeat(2000)));
    }
}
