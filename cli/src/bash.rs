//! Completion in bash: names of files may hold anything, and what bash inserts it also runs.
//!
//! bash divides the line's words at `=` and `:`, gives them as they were typed, with their quotes, and inserts what it is given
//! without a look. So the script puts the words together again, the words' quotes are taken off here, and what needs quotes gets
//! them: by the script, or where a quote is open by bash, which does so for what it takes for names of files.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use clap::Command;
use clap_complete::env::EnvCompleter;

/// bash, from 4.4 on.
pub(crate) struct Bash;

/// `NAME` and `PROGRAM` are put in.
const SCRIPT: &str = r#"_complete_NAME() {
    local words=() found=() line=$COMP_LINE i word before
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        before=${line%%[![:space:]]*}
        line=${line#"$before"}
        line=${line#"$word"}
        if ((i == COMP_CWORD)) && [[ $word != [=:]* ]]; then
            word=$2
        fi
        if ((i == 0)) || [[ -n $before ]]; then
            words+=("$word")
        else
            words[-1]+=$word
        fi
    done
    local head=${words[-1]}
    head=${head%"$2"}
    mapfile -d '' -t found < <(COMPLETE=bash PROGRAM -- "${words[@]}")
    COMPREPLY=()
    if [[ ${COMP_WORDS[COMP_CWORD]} == [\"\']* ]]; then
        compopt -o filenames
        COMPREPLY=("${found[@]#"$head"}")
    else
        for word in "${found[@]#"$head"}"; do
            if [[ $word == *[!a-zA-Z0-9_./:=,@%+-]* ]]; then
                printf -v word %q "$word"
            fi
            COMPREPLY+=("$word")
        done
    fi
    if [[ "${found[0]-}" == *[=/:] ]]; then
        compopt -o nospace
    fi
}
complete -o bashdefault -o nosort -F _complete_NAME NAME
"#;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        _: &str,
        name: &str,
        _: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let program = format!("'{}'", completer.replace('\'', r"'\''"));
        let script = SCRIPT.replace("NAME", name).replace("PROGRAM", &program);
        out.write_all(script.as_bytes())
    }

    /// Writes the candidates, a NUL behind each.
    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        here: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let words: Vec<OsString> = words.iter().map(|word| unquoted(word)).collect();
        let last = words.len().saturating_sub(1);
        for candidate in clap_complete::engine::complete(command, words, last, here)? {
            out.write_all(candidate.get_value().as_bytes())?;
            out.write_all(b"\0")?;
        }
        Ok(())
    }
}

/// What a word of a shell's line stands for: without its quotes, with the home directory and with variables that are known here.
pub(crate) fn unquoted(word: &OsStr) -> OsString {
    let mut rest = word.as_bytes();
    let mut out = Vec::new();
    if let Some(path) = rest.strip_prefix(b"~")
        && (path.is_empty() || path.starts_with(b"/"))
        && let Some(home) = std::env::var_os("HOME")
    {
        out.extend(home.into_vec());
        rest = path;
    }
    let mut quote = None;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, quote) {
            (b'\'' | b'"', None) => quote = Some(byte),
            (_, Some(open)) if byte == open => quote = None,
            (b'\\', None | Some(b'"')) => {
                if let Some((&escaped, behind)) = rest.split_first() {
                    out.push(escaped);
                    rest = behind;
                }
            }
            (b'$', None | Some(b'"')) => match variable(rest) {
                Some((value, behind)) => {
                    out.extend(value.into_vec());
                    rest = behind;
                }
                None => out.push(byte),
            },
            _ => out.push(byte),
        }
    }
    OsString::from_vec(out)
}

/// The value of the variable behind a `$`, and what follows.
fn variable(text: &[u8]) -> Option<(OsString, &[u8])> {
    let (inner, braced) = match text.strip_prefix(b"{") {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = inner.iter().take_while(|byte| is_part(byte)).count();
    let (name, behind) = inner
        .split_at_checked(length)
        .filter(|(name, _)| !name.is_empty())?;
    let behind = match braced {
        true => behind.strip_prefix(b"}")?,
        false => behind,
    };
    Some((std::env::var_os(OsStr::from_bytes(name))?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(word: &str) -> String {
        unquoted(word.as_ref()).into_string().unwrap()
    }

    #[test]
    fn quotes_are_taken_off() {
        assert_eq!(text(r"sp\ ace"), "sp ace");
        assert_eq!(text(r#""sp ace".cpio"#), "sp ace.cpio");
        assert_eq!(text(r#"'a"b\'"#), r#"a"b\"#);
        assert_eq!(text(r#""open"#), "open");
        assert_eq!(text("plain=a,b"), "plain=a,b");
    }

    #[test]
    fn home_and_variables_are_put_in() {
        let home = std::env::var("HOME").unwrap();
        assert_eq!(text("~/a"), format!("{home}/a"));
        assert_eq!(text("$HOME/a"), format!("{home}/a"));
        assert_eq!(text("\"${HOME}\"/a"), format!("{home}/a"));
        assert_eq!(text("'$HOME'"), "$HOME");
        assert_eq!(text("~other/$NO_SUCH_NAME$"), "~other/$NO_SUCH_NAME$");
    }
}
