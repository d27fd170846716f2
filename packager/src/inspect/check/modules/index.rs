//! `modules.dep`, by which modprobe finds modules: whether it says what is there.

use std::collections::BTreeMap;

use modtree::ModuleName;

use super::Modules;
use crate::finding::Report;
use crate::inspect::Files;
use crate::inspect::check::codes;

/// A line of modules.dep(5): where the module is, and the paths of what it needs.
struct Line<'text> {
    path: &'text str,
    needs: &'text str,
}

pub(super) fn check(modules: &Modules<'_>, files: &Files<'_>, version: &str, report: &mut Report) {
    if !modules.are_probed {
        return;
    }
    let folder = format!("lib/modules/{version}");
    // Where all of them are, so that no link is followed for each.
    let real = files.leads_to(&folder).unwrap_or_else(|| folder.clone());
    let index = format!("{folder}/modules.dep");
    let Some((_, found)) = files.follow(&index) else {
        report.find(&codes::NO_INDEX, format_args!("there is no /{index}"));
        return;
    };
    let text = String::from_utf8_lossy(found.data);
    let lines: BTreeMap<ModuleName, Line<'_>> = text.lines().filter_map(line).collect();
    for (name, info) in &modules.modules {
        let Some(line) = lines.get(name) else {
            report.find(&codes::STALE_INDEX, format_args!("/{index} has no {name}"));
            continue;
        };
        let place = match line.path.strip_prefix('/') {
            Some(path) => path.to_owned(),
            None => format!("{real}/{}", line.path),
        };
        let Some((found, _)) = files.follow(&place) else {
            report.find(
                &codes::STALE_INDEX,
                format_args!("/{index} has {name} at {}, where it is not", line.path),
            );
            continue;
        };
        // Of several files of one name, the line is about another one.
        if modules.paths.get(name).is_none_or(|path| *path != found) {
            continue;
        }
        let names = line.needs.split_whitespace();
        let names: Vec<_> = names.filter_map(name_in).collect();
        let forgotten = info.depends().map(ModuleName::new);
        for needed in forgotten.filter(|needed| !names.contains(needed)) {
            if modules.modules.contains_key(&needed) {
                report.find(
                    &codes::STALE_INDEX,
                    format_args!("/{index} does not say that {name} needs {needed}"),
                );
            }
        }
    }
}

fn line(line: &str) -> Option<(ModuleName, Line<'_>)> {
    let (path, needs) = line.split_once(':')?;
    let path = path.trim();
    Some((name_in(path)?, Line { path, needs }))
}

fn name_in(path: &str) -> Option<ModuleName> {
    let file = path.rsplit('/').next().filter(|file| !file.is_empty())?;
    Some(ModuleName::of_file(file.as_ref()))
}
