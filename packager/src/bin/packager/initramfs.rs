//! `packager initramfs`: from the arguments to a recipe, a plan and an image.

use std::path::{Path, PathBuf};

use cli::Failure;
use packager::compression::Compression;
use packager::kernel::KernelChoice;
use packager::timing::Timings;
use packager::{Initramfs, Plan, Recipe, cpio};
use serde_json::json;

use crate::args::InitramfsArgs;
use crate::progress::Progress;
use crate::report;

/// A recipe that is larger is none.
const RECIPE_LIMIT: u64 = 1 << 20;

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
    let image = Initramfs::new(&plan, &recipe, &mut timings).map_err(report::initramfs)?;
    let output = args.output.clone().unwrap_or_else(|| default_output(&plan));
    timings.measure("writing", || cli::write_atomically(&output, &image.bytes))?;
    drop(progress);
    if let Some(path) = &args.depfile {
        cli::write_atomically(
            path,
            depfile(&output, &plan, args.recipe.as_deref()).as_bytes(),
        )?;
    }
    let summary = summary(&output, &plan, &image, &recipe);
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

/// What the recipe's file says, and over it what the options say.
fn recipe(args: &InitramfsArgs) -> Result<Recipe, Failure> {
    let mut recipe = match &args.recipe {
        Some(path) => read_recipe(path)?,
        None => Recipe::default(),
    };
    if let Some(source) = args.kernel.named_source() {
        recipe.kernel = source;
    }
    match args.kernel.choice() {
        KernelChoice::Default => {}
        choice => recipe.choice = choice,
    }
    if let Some(modules) = &args.modules {
        recipe.modules = modules
            .iter()
            .filter(|name| !name.is_empty())
            .cloned()
            .collect();
    }
    recipe.runtime &= !args.no_runtime;
    recipe.busybox = args.busybox.clone().or(recipe.busybox);
    recipe.keymap = args.keymap.clone().or(recipe.keymap);
    recipe.sysroot = args.sysroot.clone().or(recipe.sysroot);
    recipe.programs.extend(args.program.iter().cloned());
    recipe.prepend.extend(args.prepend.iter().cloned());
    recipe.append.extend(args.append.iter().cloned());
    recipe.archive = cpio::Options {
        mtime: source_date_epoch()?,
        alignment: if args.align { 4096 } else { 4 },
        checksums: args.checksum,
    };
    recipe.compression = compression(args, recipe.compression)?;
    Ok(recipe)
}

pub(crate) fn read_recipe(path: &Path) -> Result<Recipe, Failure> {
    let bytes = codec::file::read(path, RECIPE_LIMIT).map_err(report::read)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::input(format_args!(
            "`{}` is not UTF-8, which TOML is",
            path.display()
        ))
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    Recipe::from_toml(&text, folder)
        .map_err(|error| Failure::input(format_args!("{}:{error}", path.display())))
}

/// `--compress`, else what the output's suffix says, else what the recipe says.
fn compression(args: &InitramfsArgs, of_recipe: Compression) -> Result<Compression, Failure> {
    let named = args.compress.as_deref().and_then(Compression::by_name);
    let suffix = args.output.as_deref().and_then(Compression::by_suffix);
    let format = named.or(suffix).unwrap_or(of_recipe.format);
    let level_of_recipe = of_recipe.level.filter(|_| format == of_recipe.format);
    let compression = Compression {
        format,
        level: args.level.or(level_of_recipe),
    };
    // Try the level on nothing, so that a wrong one is told before any work is done.
    compression.apply(Vec::new()).map_err(Failure::usage)?;
    Ok(compression)
}

/// The rule that make(1) and ninja read: `OUTPUT: INPUT…`, blanks and `$`, `#` and `\` escaped.
fn depfile(output: &Path, plan: &Plan, recipe_file: Option<&Path>) -> String {
    let escape = |path: &Path| {
        path.to_string_lossy()
            .replace('\\', "\\\\")
            .replace(' ', "\\ ")
            .replace('#', "\\#")
            .replace('$', "$$")
    };
    let inputs = plan.inputs.iter().map(PathBuf::as_path).chain(recipe_file);
    let lines: Vec<_> = inputs.map(|path| format!("  {}", escape(path))).collect();
    format!("{}: \\\n{}\n", escape(output), lines.join(" \\\n"))
}

/// The one clock (<https://reproducible-builds.org/specs/source-date-epoch/>); 0 where it is not set.
pub(crate) fn source_date_epoch() -> Result<u32, Failure> {
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

fn summary(output: &Path, plan: &Plan, image: &Initramfs, recipe: &Recipe) -> String {
    let format = match recipe.compression.format {
        Some(format) => format!("{} {format}", report::size(image.bytes.len())),
        None => report::size(image.bytes.len()),
    };
    format!(
        "{}: {format} ({} unpacked), {} files, {} modules of kernel {}",
        output.display(),
        report::size(image.unpacked),
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
        let permissions = report::permissions(item.kind(), item.attributes.permissions);
        let name = report::name(path.as_bytes(), item.kind(), &item.data);
        out += &format!(
            "{permissions} {:>8}  {name}  # {}\n",
            report::extent(item.kind(), item.data.len()),
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
                "type": report::type_name(item.kind()),
                "mode": format!("{:04o}", item.attributes.permissions),
                "size": item.data.len(),
                "target": report::target(item.kind(), &item.data),
                "reason": item.reason,
            })
        })
        .collect();
    let plan = json!({ "kernel": plan.version, "modules": plan.modules, "notes": plan.notes, "files": files });
    format!("{plan:#}\n")
}
