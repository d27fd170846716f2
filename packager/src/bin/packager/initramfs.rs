//! `packager initramfs`: from the arguments to a recipe, a plan and an image.

use std::path::{Path, PathBuf};

use cli::Failure;
use packager::compression::Compression;
use packager::timing::Timings;
use packager::{Plan, Recipe};
use serde_json::json;

use crate::args::InitramfsArgs;
use crate::progress::Progress;
use crate::report;

pub(crate) fn run(args: InitramfsArgs) -> Result<(), Failure> {
    if let Some(output) = &args.output
        && output.is_dir()
    {
        return Err(Failure::input(format_args!(
            "cannot write `{0}`: it is a directory; name a file in it, such as `{1}`",
            output.display(),
            output.join("simple.igz").display()
        )));
    }
    let recipe = recipe(&args)?;
    let progress = Progress::new("packing the initramfs");
    let mut plan = Plan::new(&recipe).map_err(report::plan)?;
    let mut timings = std::mem::take(&mut plan.timings);
    if args.dry_run {
        drop(progress);
        tell(&args, &plan, &timings, None);
        return print(&plan, args.json);
    }
    let archive = timings
        .measure("archive", || plan.archive(recipe.mtime))
        .map_err(Failure::input)?;
    let unpacked = archive.len();
    let compress = || recipe.compression.apply(archive);
    let image = timings
        .measure("compression", compress)
        .map_err(Failure::usage)?;
    let output = args.output.clone().unwrap_or_else(|| default_output(&plan));
    timings.measure("writing", || cli::write_atomically(&output, &image))?;
    drop(progress);
    let summary = summary(&output, &plan, image.len(), unpacked, &recipe);
    tell(&args, &plan, &timings, Some(summary));
    Ok(())
}

/// What people read, on stderr: notes, times, and the summary.
fn tell(args: &InitramfsArgs, plan: &Plan, timings: &Timings, summary: Option<String>) {
    if !args.quiet {
        for note in &plan.notes {
            eprintln!("note: {note}");
        }
    }
    if args.timings {
        for (phase, time) in timings.phases() {
            eprintln!("{phase:>12}: {:8.2} ms", time.as_secs_f64() * 1e3);
        }
    }
    if let Some(summary) = summary
        && !args.quiet
    {
        eprintln!("{summary}");
    }
}

fn recipe(args: &InitramfsArgs) -> Result<Recipe, Failure> {
    Ok(Recipe {
        kernel: args.kernel.source(),
        choice: args.kernel.choice(),
        busybox: args.busybox.clone(),
        keymap: args.keymap.clone(),
        modules: args
            .modules
            .iter()
            .filter(|name| !name.is_empty())
            .cloned()
            .collect(),
        runtime: !args.no_runtime,
        compression: compression(args)?,
        mtime: source_date_epoch()?,
    })
}

/// `--compress`, else what the output's suffix says, else gzip.
fn compression(args: &InitramfsArgs) -> Result<Compression, Failure> {
    let named = args.compress.as_deref().and_then(Compression::by_name);
    let suffix = args.output.as_deref().and_then(Compression::by_suffix);
    let compression = Compression {
        format: named.or(suffix).unwrap_or(Compression::default().format),
        level: args.level,
    };
    // Try the level on nothing, so that a wrong one is told before any work is done.
    compression.apply(Vec::new()).map_err(Failure::usage)?;
    Ok(compression)
}

/// The one clock (<https://reproducible-builds.org/specs/source-date-epoch/>); 0 where it is not set.
fn source_date_epoch() -> Result<u32, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(0),
        Ok(text) => text.parse().map_err(|_| {
            Failure::usage(format_args!(
                "SOURCE_DATE_EPOCH is `{text}`; it must be seconds since 1970, from 0 to 4294967295"
            ))
        }),
    }
}

fn default_output(plan: &Plan) -> PathBuf {
    format!("initramfs-{}.igz", plan.version).into()
}

fn summary(output: &Path, plan: &Plan, packed: usize, unpacked: usize, recipe: &Recipe) -> String {
    let format = match recipe.compression.format {
        Some(format) => format!("{} {format}", report::size(packed)),
        None => report::size(packed),
    };
    format!(
        "{}: {format} ({} unpacked), {} files, {} modules of kernel {}",
        output.display(),
        report::size(unpacked),
        plan.items().count(),
        plan.modules.len(),
        plan.version,
    )
}

fn print(plan: &Plan, as_json: bool) -> Result<(), Failure> {
    let text = if as_json {
        plan_json(plan)
    } else {
        plan_text(plan)
    };
    cli::print(text.as_bytes())
}

fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    for (path, item) in plan.items() {
        let permissions = report::permissions(item.kind, item.permissions);
        let name = report::name(path.as_bytes(), item.kind, &item.data);
        out += &format!(
            "{permissions} {:>8}  {name}  # {}\n",
            report::extent(item.kind, item.data.len()),
            item.reason
        );
    }
    out
}

fn plan_json(plan: &Plan) -> String {
    let files: Vec<_> = plan
        .items()
        .map(|(path, item)| {
            json!({
                "path": format!("/{path}"),
                "type": report::type_name(item.kind),
                "mode": format!("{:04o}", item.permissions),
                "size": item.data.len(),
                "target": report::target(item.kind, &item.data),
                "reason": item.reason,
            })
        })
        .collect();
    let plan = json!({ "kernel": plan.version, "modules": plan.modules, "notes": plan.notes, "files": files });
    format!("{plan:#}\n")
}
