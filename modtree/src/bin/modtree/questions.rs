//! The commands that answer questions.

use clap::Args;
use cli::{Failure, print};
use modtree::{
    CallSite, ClosureError, ClosureOptions, ModuleName, Possible, Reason, ReasonKind, RuleReason,
    Traces, Tree, call_sites, closure, is_rare_request, providers, users,
};
use serde_json::{Value, json};

use crate::args::TreeArgs;
use crate::complete;
use crate::run::{closure_failure, module_bytes, none_missed, open, tree_failure, unknown};

/// Which kernel is asked about, and how the answer looks.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    #[command(flatten)]
    tree: TreeArgs,
    /// One JSON document: a list
    #[arg(long)]
    json: bool,
}

impl AnswerArgs {
    /// Prints what was found: an object or a text for each.
    fn print<T>(
        &self,
        found: impl IntoIterator<Item = T>,
        object: impl Fn(&T) -> Value,
        text: impl Fn(&T) -> String,
    ) -> Result<(), Failure> {
        let found = found.into_iter();
        match self.json {
            true => print_json(&found.map(|one| object(&one)).collect()),
            false => print(found.map(|one| text(&one)).collect::<String>().as_bytes()),
        }
    }
}

/// Say why one module needs another: the shortest chain of reasons
///
/// Reasons are dependencies, softdeps, weakdeps, and what is asked for while running.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The module that needs the other
    #[arg(value_name = "FROM", add = complete::modules())]
    from: String,
    /// The module that is needed
    #[arg(value_name = "TO", add = complete::modules())]
    to: String,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn why(args: &WhyArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let tree = open(&args.answer.tree)?;
    let options = ClosureOptions {
        runtime: true,
        weak: true,
        ..ClosureOptions::default()
    };
    let to = ModuleName::new(&args.to);
    let found = match closure(&tree, &[&args.from], &options) {
        // Both are told together.
        Err(ClosureError::Unknown { .. }) if !has(&tree, &to)? => {
            return Err(unknown(&tree, &[&args.from, &args.to]));
        }
        found => found.map_err(closure_failure)?,
    };
    let roots: Vec<ModuleName> = found
        .modules
        .iter()
        .filter(|module| module.reasons.iter().any(|reason| reason.by.is_none()))
        .map(|module| module.name.clone())
        .collect();
    if let Some(builtin) = found.builtins.iter().find(|builtin| builtin.name == to) {
        return args.answer.print(
            &builtin.reasons,
            |reason| json!({ "module": to, "reason": reason }),
            |reason| format!("{to} is built into the kernel: {reason}\n"),
        );
    }
    let Some(chain) = found.graph.chain(&roots, &to) else {
        if !has(&tree, &to)? {
            return Err(unknown(&tree, &[&args.to]));
        }
        if let Some(possible) = found.possible.iter().find(|one| may_be(one, &to)) {
            let reason = Reason {
                kind: ReasonKind::Runtime,
                by: Some(possible.by.clone()),
                asked: possible.asked.clone(),
                rule: Some(RuleReason {
                    name: possible.site.symbol.clone(),
                    text: format!("its code may ask for {}", possible.asked),
                    evidence: vec![possible.site.to_string()],
                }),
            };
            let chain = found.graph.chain(&roots, &possible.by).unwrap_or_default();
            let chain = chain
                .into_iter()
                .map(|(name, reason)| (name, reason.clone()));
            return args.answer.print(
                chain.chain([(to, reason)]),
                |(name, reason)| json!({ "module": name, "reason": reason }),
                |(name, reason)| format!("{name}: {reason}\n"),
            );
        }
        // What was not known may be the reason.
        for note in &found.notes {
            cli::note!("{note}");
        }
        return Err(Failure::input(format_args!(
            "{} does not need {to}, neither to be loaded nor while running",
            args.from
        )));
    };
    if chain.is_empty() && !args.answer.json {
        return print(format!("{to}: asked for as {}\n", args.from).as_bytes());
    }
    args.answer.print(
        chain,
        |(name, reason)| json!({ "module": name, "reason": reason }),
        |(name, reason)| format!("{name}: {reason}\n"),
    )
}

/// Whether a module, or a part of the kernel, has this name.
fn has(tree: &Tree, name: &ModuleName) -> Result<bool, Failure> {
    let is_module = tree.find(name).map_err(tree_failure)?.is_some();
    Ok(is_module || tree.builtins().map_err(tree_failure)?.contains(name))
}

/// Whether a request that depends on what happens while running may be for a module. One of which nothing is known may be for any.
fn may_be(possible: &Possible, to: &ModuleName) -> bool {
    let asked = ModuleName::new(&possible.asked);
    asked.as_str() != "*"
        && modtree::alias::matches(asked.as_str().as_bytes(), to.as_str().as_bytes())
}

/// Print the modules that need a module directly
#[derive(Debug, Args)]
pub(crate) struct UsersArgs {
    /// The module
    #[arg(value_name = "MODULE", add = complete::modules())]
    module: String,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn run_users(args: &UsersArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let tree = open(&args.answer.tree)?;
    let name = ModuleName::new(&args.module);
    if !has(&tree, &name)? {
        return Err(unknown(&tree, &[&args.module]));
    }
    let found = users(&tree, &name).map_err(tree_failure)?;
    if found.is_empty() {
        cli::note!("no module needs {name}");
    }
    args.answer.print(
        found,
        |(name, reason)| json!({ "module": name, "reason": reason }),
        |(_, reason)| format!("{reason}\n"),
    )
}

/// Print the modules that import or export a symbol
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modtree providers crc32c                        who has a symbol
  modtree providers --imports usb_add_hcd         every USB host controller")]
pub(crate) struct ProvidersArgs {
    /// Modules that export this symbol
    #[arg(value_name = "SYMBOL", required_unless_present_any = ["exports", "imports"])]
    symbols: Vec<String>,
    /// Modules that import this symbol; of several, one is enough
    #[arg(long, value_name = "SYMBOL")]
    imports: Vec<String>,
    /// The same as SYMBOL
    #[arg(long, value_name = "SYMBOL")]
    exports: Vec<String>,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn run_providers(args: &ProvidersArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let tree = open(&args.answer.tree)?;
    let traces = Traces {
        imports: args.imports.clone(),
        exports: [&args.symbols[..], &args.exports].concat(),
        ..Traces::default()
    };
    let found = providers(&tree, &traces).map_err(tree_failure)?;
    if found.is_empty() {
        let (exports, imports) = (traces.exports.join(", "), traces.imports.join(", "));
        cli::note!(
            "no module of {} {}",
            tree.version(),
            match (exports.as_str(), imports.as_str()) {
                (exports, "") => format!("exports {exports}"),
                ("", imports) => format!("imports {imports}"),
                (exports, imports) => format!("exports {exports} and imports {imports}"),
            }
        );
    }
    args.answer.print(
        found,
        |(entry, evidence)| json!({ "module": entry.name, "evidence": evidence }),
        |(entry, evidence)| format!("{}: {}\n", entry.name, evidence.join(", ")),
    )
}

/// Print what a name, an alias or a device's modalias stands for; several are answered with the query in front
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// What is asked for
    #[arg(value_name = "MODALIAS", required = true)]
    queries: Vec<String>,
    #[command(flatten)]
    answer: AnswerArgs,
}

pub(crate) fn resolve(args: &ResolveArgs) -> Result<(), Failure> {
    let tree = open(&args.answer.tree)?;
    let (mut found, mut missed) = (Vec::new(), Vec::new());
    for query in &args.queries {
        match tree.resolve(query).map_err(tree_failure)?.names() {
            Some((true, names)) => found.push((query, "builtin", names)),
            Some((false, names)) => found.push((query, "module", names)),
            None => missed.push(query.as_str()),
        }
    }
    let is_one = args.queries.len() == 1;
    args.answer.print(
        found,
        |(query, kind, names)| json!({ "query": query, "kind": kind, "modules": names }),
        |(query, kind, names)| {
            let query = if is_one { "" } else { &format!("{query}: ") };
            let lines = names.iter().map(|name| format!("{query}{kind} {name}\n"));
            lines.collect()
        },
    )?;
    none_missed(&tree, &missed)
}

/// Print the places where a module's code asks for other modules
///
/// Calls of request_module and its like, with the string that is handed over, found by relocations (x86-64 and arm64).
/// `exact` is asked for as it stands, and `closure --runtime` adds it; `may` has a part that the code fills in, or is asked for in rare
/// set-ups only.
#[derive(Debug, Args)]
pub(crate) struct RequestsArgs {
    /// A module's name, an alias, or the path of a module's file
    #[arg(value_name = "MODULE", add = complete::modules())]
    module: String,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn requests(args: &RequestsArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let (path, bytes) = module_bytes(&args.module, &args.answer.tree)?;
    let name = ModuleName::of_file(path.file_name().unwrap_or_default());
    let found = call_sites(&bytes)
        .map_err(|source| tree_failure(modtree::TreeError::Elf { path, source }))?;
    if found.is_empty() {
        cli::note!("the code of {name} asks for no module");
    }
    let is_rare = |asked: &String| is_rare_request(&name, asked);
    let kind = |site: &CallSite| match &site.string {
        None => "unknown".to_owned(),
        Some(_) if site.is_pattern() || site.asks.iter().any(is_rare) => {
            format!("may {}", site.asks.join(" "))
        }
        Some(_) => format!("exact {}", site.asks.join(" ")),
    };
    args.answer.print(
        found,
        |site| json!(site),
        |site| format!("{}: {site}\n", kind(site)),
    )
}

pub(crate) fn print_json(document: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(Failure::machine)?;
    print((text + "\n").as_bytes())
}
