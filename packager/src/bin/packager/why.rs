//! `packager why`: the chain of reasons for a file of an image.

mod archive;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::iter::successors;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::Args;
use cli::Failure;
use packager::inspect::Files;
use packager::names::{self, near_paths, shown};
use packager::plan::{RECORD, Record};
use serde_json::{Value, json};

use crate::{complete, input};
use archive::Image;

/// Reasons of reasons are indented so many times at most; real ones are a handful.
const DEEPEST: usize = 40;

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The image; - is standard input
    image: PathBuf,

    /// The file's path in it, a module's name, or a file's without its folder
    #[arg(add = complete::paths_and_modules())]
    path: OsString,

    /// Print JSON: a list of the files of the chain, each with its reason
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn run(args: &WhyArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let wanted = names::text(args.path.as_bytes());
    let image = input::Image::open(&args.image)?;
    input::with_files_of(&args.image, &image, |segments, files| {
        let record = files.get(RECORD).ok_or_else(|| {
            Failure::input(format_args!(
                "`{}` keeps no record of its plan; packager makes one unless the recipe says `explain = false`",
                args.image.display()
            ))
        })?;
        let record: Record = serde_json::from_slice(record.data).map_err(|error| {
            Failure::input(format_args!("`/{RECORD}` in the image is damaged: {error}"))
        })?;
        let real = files.follow(&wanted).map(|(path, _)| path);
        let planned = real.clone();
        let planned = planned.filter(|path| record.files.contains_key(path));
        let image = Image {
            segments,
            files,
            length: image.len() as u64,
        };
        // What the kernel looks for before it has a file system is in no folder (microcode).
        let wanted_by_path = real.as_deref().unwrap_or(wanted.trim_start_matches('/'));
        if let Some(reason) = image.reason(&record, wanted_by_path) {
            return print(args, &[(wanted_by_path, &reason)]);
        }
        let path = planned
            .or_else(|| module(&record, &wanted))
            .or_else(|| named(&record, &wanted))
            .or_else(|| linked(&record, files, &wanted))
            .ok_or_else(|| {
                let paths = record.files.keys().map(String::as_str);
                let modules = paths.clone().filter_map(module_name);
                let known: Vec<&str> = paths.chain(modules).collect();
                let near = near_paths(&wanted, known.iter().copied());
                let near: Vec<_> = near.into_iter().map(shown).collect();
                Failure::input(format_args!(
                    "there is no `{}` in the image's plan{}",
                    shown(&wanted),
                    suggest::question(&near)
                ))
            })?;
        let chain = chain(&record, &path).into_iter();
        let chain: Vec<(&str, &str)> = chain
            .map(|path| (path, record.files.get(path).map_or("", |file| &file.reason)))
            .collect();
        print(args, &chain)
    })
}

fn print(args: &WhyArgs, chain: &[(&str, &str)]) -> Result<(), Failure> {
    let out = match args.json {
        true => json_text(chain),
        false => text(chain),
    };
    cli::print(out.as_bytes())
}

fn text(chain: &[(&str, &str)]) -> String {
    let lines = chain.iter().enumerate().map(|(depth, (path, reason))| {
        let indent = "  ".repeat(depth.min(DEEPEST));
        format!("{indent}/{}: {}\n", shown(path), shown(reason))
    });
    lines.collect()
}

fn json_text(chain: &[(&str, &str)]) -> String {
    let files = chain
        .iter()
        .map(|(path, reason)| json!({ "path": format!("/{path}"), "reason": reason }));
    format!("{:#}\n", files.collect::<Value>())
}

/// The first file of this name, in whatever folder.
fn named(record: &Record, name: &str) -> Option<String> {
    let mut paths = record.files.keys();
    paths
        .find(|path| path.rsplit('/').next() == Some(name))
        .cloned()
}

/// What the first link of this name leads to, in whatever folder.
fn linked(record: &Record, files: &Files<'_>, name: &str) -> Option<String> {
    let mut paths = files.iter().map(|(path, _)| path);
    let link = paths.find(|path| path.rsplit('/').next() == Some(name))?;
    let (path, _) = files.follow(link)?;
    record.files.contains_key(&path).then_some(path)
}

/// The name of the module that a file is, compressed or not, as the file has it.
fn module_name(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let (name, suffix) = file.split_once(".ko")?;
    (suffix.is_empty() || suffix.starts_with('.')).then_some(name)
}

/// The file of the module with this name; `-` and `_` are the same in names of modules.
fn module(record: &Record, name: &str) -> Option<String> {
    let wanted = name.replace('-', "_");
    record
        .files
        .keys()
        .find(|path| module_name(path).is_some_and(|name| name.replace('-', "_") == wanted))
        .cloned()
}

/// What a file is there for. A folder that was made for something says so in words only.
fn because<'a>(record: &'a Record, path: &str) -> Vec<&'a str> {
    let Some(file) = record.files.get(path) else {
        return Vec::new();
    };
    let held = file.reason.strip_prefix("holds /");
    let held = held.filter(|held| record.files.contains_key(*held));
    file.because
        .iter()
        .map(String::as_str)
        .chain(held)
        .collect()
}

/// The shortest way from a file to one that is there for its own sake, both included.
fn chain<'a>(record: &'a Record, path: &'a str) -> Vec<&'a str> {
    let mut came_from = HashMap::from([(path, None)]);
    let mut queue = VecDeque::from([path]);
    while let Some(here) = queue.pop_front() {
        let because = because(record, here);
        if because.is_empty() {
            let mut chain: Vec<_> =
                successors(Some(here), |place| came_from.get(place).copied().flatten()).collect();
            chain.reverse();
            return chain;
        }
        for next in because {
            if !came_from.contains_key(next) {
                came_from.insert(next, Some(here));
                queue.push_back(next);
            }
        }
    }
    vec![path]
}
