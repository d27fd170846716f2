//! What the completers of the commands share: words that begin as the line's last one does, and what the line says before it.
//!
//! A shell runs the command with the whole line as its arguments, behind `--` ([`describe`](crate::describe)).

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::bash::unquoted;

pub use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};

/// Files and folders, where an option would complete nothing of its own.
pub fn files(current: &OsStr) -> Vec<CompletionCandidate> {
    PathCompleter::file().complete(current)
}

/// Of some words those that begin with what is there; `-` and `_` are the same where `dashes` says so, as in names of modules.
pub fn words(
    current: &OsStr,
    words: impl IntoIterator<Item = String>,
    dashes: bool,
) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else {
        return Vec::new();
    };
    let same = |byte: u8| match byte {
        b'-' if dashes => b'_',
        byte => byte,
    };
    let begins = |word: &str| {
        let begin = word.bytes().map(same).take(current.len());
        word.len() >= current.len() && begin.eq(current.bytes().map(same))
    };
    let words = words.into_iter().filter(|word| begins(word));
    // A shell takes only words that begin with what was typed.
    let typed = words.filter_map(|word| Some(current.to_owned() + word.get(current.len()..)?));
    typed.map(CompletionCandidate::new).collect()
}

/// Of some paths, as bytes, the next step of those that begin with what is there: a folder ends with `/`.
pub fn steps(
    current: &OsStr,
    paths: impl IntoIterator<Item = Vec<u8>>,
) -> Vec<CompletionCandidate> {
    let current = current.as_bytes();
    let step = |mut path: Vec<u8>| {
        let rest = path.strip_prefix(current)?;
        if let Some(slash) = rest.iter().position(|&byte| byte == b'/') {
            path.truncate(current.len() + slash + 1);
        }
        Some(path)
    };
    let steps: BTreeSet<Vec<u8>> = paths.into_iter().filter_map(step).collect();
    // A folder that is entered ends with the slash; the same name without it would end the word.
    let is_folder = |step: &&Vec<u8>| steps.contains(&[step, &b"/"[..]].concat());
    let names = steps.iter().filter(|step| !is_folder(step));
    let names = names.map(|name| OsStr::from_bytes(name));
    names.map(CompletionCandidate::new).collect()
}

/// The words of the line that is being completed, without their quotes, the command's name first.
pub fn line() -> Vec<OsString> {
    let mut words = std::env::args_os().skip_while(|word| word != "--");
    words.next();
    words.map(|word| unquoted(&word)).collect()
}

/// The value that the line gives to an option already: `--root DIR`, `--root=DIR`, `-b DIR`.
pub fn option(names: &[&str]) -> Option<PathBuf> {
    value_of(&line(), names).map(PathBuf::from)
}

fn value_of(line: &[OsString], names: &[&str]) -> Option<OsString> {
    let behind = |pair: &[OsString]| match pair {
        [word, next] if names.iter().any(|name| word == name) => Some(next.clone()),
        _ => None,
    };
    let within = |word: &OsString| {
        let (name, value) = word.to_str()?.split_once('=')?;
        names.contains(&name).then(|| value.into())
    };
    let attached = |word: &OsString| {
        let mut short = names.iter().filter(|name| !name.starts_with("--"));
        short.find_map(|name| word.to_str()?.strip_prefix(name).map(OsString::from))
    };
    line.windows(2)
        .filter_map(behind)
        .chain(line.iter().filter_map(within))
        .chain(line.iter().filter_map(attached))
        .find(|value: &OsString| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(candidates: &[CompletionCandidate]) -> Vec<&str> {
        candidates
            .iter()
            .filter_map(|candidate| candidate.get_value().to_str())
            .collect()
    }

    #[test]
    fn a_module_is_found_with_either_dash() {
        let names = ["usb_storage", "usbhid", "vfat"].map(str::to_owned);
        assert_eq!(
            texts(&words("usb-s".as_ref(), names.clone(), true)),
            ["usb-storage"]
        );
        assert_eq!(
            texts(&words("usb".as_ref(), names.clone(), true)),
            ["usb_storage", "usbhid"]
        );
        assert!(texts(&words("usb-s".as_ref(), names, false)).is_empty());
    }

    #[test]
    fn a_word_is_cut_at_no_characters_middle() {
        let names = ["contraseña", "contrasena"].map(str::to_owned);
        assert_eq!(
            texts(&words("contraseñ".as_ref(), names, false)),
            ["contraseña"]
        );
    }

    #[test]
    fn paths_are_completed_a_folder_at_a_time() {
        let paths = ["etc", "etc-a", "etc/init", "etc/keymaps/es", "init"];
        let paths = paths.map(|path| path.as_bytes().to_vec());
        assert_eq!(
            texts(&steps("".as_ref(), paths.clone())),
            ["etc-a", "etc/", "init"]
        );
        assert_eq!(
            texts(&steps("etc/".as_ref(), paths)),
            ["etc/init", "etc/keymaps/"]
        );
    }

    #[test]
    fn an_option_is_found_in_both_forms() {
        let line = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let root = |words: &[&str]| value_of(&line(words), &["--root", "-b"]);
        assert_eq!(root(&["modtree", "-b", "/mnt", ""]), Some("/mnt".into()));
        assert_eq!(root(&["modtree", "--root=/mnt", ""]), Some("/mnt".into()));
        assert_eq!(root(&["modtree", "-b/mnt", ""]), Some("/mnt".into()));
        assert_eq!(root(&["modtree", "closure", ""]), None);
    }
}
