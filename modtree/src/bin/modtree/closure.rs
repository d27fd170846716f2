//! `modtree closure` and `modtree graph`.

use std::path::Path;

use cli::{Failure, Fault, print};
use modtree::drawing::{self, TooMany};
use modtree::{
    Action, Closure, ClosureOptions, DepmodError, Detail, Indexes, IndexesError, ModuleName, Tree,
    closure,
};

use crate::args::{ClosureArgs, Format, GraphArgs, WantedArgs};
use crate::questions::print_json;
use crate::run::{closure_failure, none_missed, open, tree_failure};
use crate::{depmod, goals, host, report};

pub(crate) fn run(args: &ClosureArgs) -> Result<(), Failure> {
    if args.wanted.tree.deb.is_some() && matches!(args.format, Format::Insmod) {
        return Err(Failure::usage(
            "insmod cannot load a file that is in a package; unpack it and use --basedir",
        ));
    }
    if args.modprobe_compat {
        return show_depends(&open(&args.wanted.tree)?, &args.wanted.modules);
    }
    let (tree, found) = find(&args.wanted, detail(args))?;
    let text = match if args.json { Format::Json } else { args.format } {
        Format::Json => report::json(&tree, &found)?,
        Format::Tree => drawing::tree(&found),
        Format::Dot => drawing::dot(&found),
        Format::Svg => svg(&found)?,
        format => report::modules(&tree, &found, format, args.builtin)?,
    };
    if args.why {
        cli::tell_part!("{}", report::reasons(&found));
    }
    if args.minimal {
        cli::tell_part!("{}", report::necessities(&found));
    }
    if !args.quiet {
        cli::tell_part!("{}", report::notes(&tree, &found));
    }
    print(text.as_bytes())
}

pub(crate) fn run_graph(args: &GraphArgs) -> Result<(), Failure> {
    let (tree, found) = find(&args.wanted, Detail::All)?;
    if args.json {
        return print_json(&report::graph(&tree, &found));
    }
    // Both are made before either is written.
    let svg = args.svg.as_ref().map(|path| Ok((path, svg(&found)?)));
    let svg = svg.transpose()?;
    let dot = args.dot.as_ref().map(|path| (path, drawing::dot(&found)));
    for (path, text) in svg.into_iter().chain(dot) {
        match path == Path::new("-") {
            true => print(text.as_bytes())?,
            false => cli::write_atomically(path, text.as_bytes())?,
        }
    }
    Ok(())
}

fn svg(found: &Closure) -> Result<String, Failure> {
    drawing::svg(found).map_err(|error: TooMany| Failure::input(error))
}

/// What is asked for: for names and paths, and for notes, an index may do.
fn detail(args: &ClosureArgs) -> Detail {
    let names = matches!(args.format, Format::Path | Format::Name | Format::Insmod);
    let more = args.json || args.builtin || args.why || args.minimal;
    match names && !more {
        false => Detail::All,
        true if args.quiet => Detail::Names,
        true => Detail::Notes,
    }
}

/// The closure of what the command line asks for.
fn find(args: &WantedArgs, detail: Detail) -> Result<(Tree, Closure), Failure> {
    let mut goals = goals::select(&args.goals, &args.goal_files)?;
    if args.host {
        goals.push(host::of_sys(&args.sys)?.goal());
    }
    if let Some(file) = &args.host_file {
        goals.push(host::of_record(file)?.goal());
    }
    let exclude = args.exclude.iter().map(|name| ModuleName::new(name));
    let options = ClosureOptions {
        runtime: args.runtime,
        weak: args.weak,
        exclude: exclude.collect(),
        goals,
        detail,
        ..ClosureOptions::default()
    };
    let tree = open(&args.tree)?;
    let roots: Vec<&str> = args.modules.iter().map(String::as_str).collect();
    let found = closure(&tree, &roots, &options).map_err(closure_failure)?;
    Ok((tree, found))
}

/// The indexes are made in memory: those beside the modules may be older than them.
fn show_depends(tree: &Tree, modules: &[String]) -> Result<(), Failure> {
    let indexes = Indexes::make(tree.dir()).map_err(|error| match error {
        IndexesError::Depmod(DepmodError::Tree(error)) => tree_failure(tree.named(error)),
        IndexesError::Depmod(error) => depmod::failure(error),
        IndexesError::Read(error) => tree_failure(tree.named(error)),
        error => Failure::from_error(Fault::Input, &error),
    })?;
    let (mut text, mut missed) = (String::new(), Vec::new());
    for module in modules {
        let actions = indexes.show_depends(module);
        if actions.is_empty() {
            missed.push(module.as_str());
        }
        for action in actions {
            match action {
                // modprobe leaves a space for options.
                Action::Insmod(path) => {
                    text.push_str(&format!(
                        "insmod {} \n",
                        report::path_text(&tree.shown(&path))?
                    ));
                }
                Action::Builtin(name) => text.push_str(&format!("builtin {name}\n")),
            }
        }
    }
    none_missed(tree, &missed)?;
    print(text.as_bytes())
}
