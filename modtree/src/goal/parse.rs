//! Files of goals: which there are in a directory, and what stands in one.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Goal, GoalError, Parameter, RootTemplate};
use crate::request::{Rule, Selector};

/// A goal's file has a few hundred bytes.
const LIMIT: u64 = 1 << 20;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    summary: String,
    parameter: Option<Parameter>,
    program: Option<String>,
    #[serde(default)]
    goals: Vec<String>,
    #[serde(default)]
    root: Vec<RootTemplate>,
    #[serde(default)]
    rule: Vec<Rule>,
}

/// The goals of a directory: each with its file, sorted by name.
pub(super) fn files(dir: &Path) -> Result<Vec<(String, PathBuf)>, GoalError> {
    let failed = |source| GoalError::Directory {
        path: dir.to_path_buf(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let stem = path.file_stem().unwrap_or_default();
            files.push((stem.to_string_lossy().into_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn read(path: &Path) -> Result<String, GoalError> {
    let bytes = codec::file::read(path, LIMIT)?;
    String::from_utf8(bytes).map_err(|_| GoalError::Malformed {
        file: path.display().to_string(),
        reason: "it is not UTF-8".to_owned(),
    })
}

/// Takes the text of a goal's file.
pub(super) fn goal(name: &str, file: &str, text: &str) -> Result<Goal, GoalError> {
    let malformed = |reason: String| GoalError::Malformed {
        file: file.to_owned(),
        reason,
    };
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(letters) {
        return Err(malformed(
            "a goal's name is its file's: small letters, digits and dashes".to_owned(),
        ));
    }
    let parsed: File = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
    if parsed.root.is_empty() && parsed.goals.is_empty() {
        return Err(malformed(
            "it has neither [[root]] nor goals, so it wants nothing".to_owned(),
        ));
    }
    let empty = parsed.root.iter().any(|root| root.find.is_empty());
    let finds = parsed.root.iter().flat_map(|root| &root.find);
    let boundless =
        finds.into_iter().any(Selector::is_boundless) || parsed.rule.iter().any(Rule::is_boundless);
    if empty || boundless {
        return Err(malformed(
            "a root or a rule of it names nothing to be found by".to_owned(),
        ));
    }
    Ok(Goal {
        name: name.to_owned(),
        summary: parsed.summary,
        parameter: parsed.parameter,
        program: parsed.program,
        text: text.to_owned(),
        goals: parsed.goals,
        roots: parsed.root,
        rules: parsed.rule,
    })
}
