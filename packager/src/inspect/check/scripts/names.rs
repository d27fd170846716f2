//! Names in a script that are found line by line: what it defines itself, and what it looks for before it calls it.

use std::collections::BTreeSet;

use memchr::memmem::Finder;

/// The names of the functions and aliases that a script defines: `name()`, `function name`, `alias name=`.
pub(super) fn functions(script: &str) -> impl Iterator<Item = &str> {
    // One search is made ready for all lines.
    let [function, alias] = ["function ", "alias "].map(Finder::new);
    script.lines().flat_map(move |line| {
        let by_parentheses = line.match_indices('(').filter_map(|(at, _)| {
            let (before, behind) = (&line[..at], &line[at + 1..]);
            let name = before.trim_end().rsplit(is_end).next()?;
            (behind.trim_start().starts_with(')') && is_plain(name)).then_some(name)
        });
        let by_word = behind(line, &function).filter_map(|rest| rest.split(is_end).next());
        // Behind the first one stand all others.
        let words = behind(line, &alias).take(1);
        let words = words.flat_map(str::split_whitespace);
        let aliases = words.filter_map(|word| Some(word.split_once('=')?.0));
        let by_word: Vec<_> = by_word.chain(aliases).collect();
        by_parentheses.chain(by_word)
    })
}

/// What stands behind each of a line's words of this kind.
fn behind<'a>(line: &'a str, word: &Finder<'_>) -> impl Iterator<Item = &'a str> {
    let length = word.needle().len();
    let found = word.find_iter(line.as_bytes());
    let found = found.filter(|at| line[..*at].ends_with(is_end) || *at == 0);
    found.map(move |at| line[at + length..].trim_start())
}

/// What stands before or behind a name.
fn is_end(c: char) -> bool {
    c.is_whitespace() || "({;&|)".contains(c)
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

/// The folders that a script puts into PATH, as far as they are plain.
pub(super) fn search_path(script: &str) -> Vec<&str> {
    let values = script
        .match_indices("PATH=")
        .take(64)
        .map(|(at, name)| &script[at + name.len()..]);
    let values = values.filter_map(|rest| rest.split([' ', '\n', ';', '\t']).next());
    let folders = values.flat_map(|value| value.trim_matches(['"', '\'']).split(':'));
    folders
        .filter(|folder| folder.starts_with('/'))
        .take(64)
        .collect()
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

/// Whether a word can be the name of a command in the search path.
pub(super) fn is_plain(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_aliases_are_found() {
        let script = "a() {\n  b ()\n{ c\n}\nfunction d () {\nfunction e {\nalias f='g h'\n\
                      i; j() { k; }; l(){ m; }\n[ -x n ] || alias o=p q='r s'\nt \"$(u)\" (v)\n";
        assert_eq!(
            functions(script).collect::<Vec<_>>(),
            ["a", "b", "d", "d", "e", "f", "j", "l", "o", "q"]
        );
    }

    #[test]
    fn a_command_may_be_looked_for() {
        assert!(looked_for("if command -v a >/dev/null; then a; fi").contains("a"));
        assert!(looked_for("[ -x /sbin/b ] && b").contains("b"));
        assert!(looked_for("c").is_empty());
    }
}
