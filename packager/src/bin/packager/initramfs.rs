//! `packager initramfs`: from the arguments to a recipe, a plan and an image.

use std::path::{Path, PathBuf};

use cli::Failure;
use packager::finding::Report;
use packager::inspect::check::{Booted, check};
use packager::timing::Timings;
use packager::{Initramfs, Plan, Recipe};
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
    let recipe = args.content.recipe(args.output.as_deref())?;
    let progress = Progress::new("packing the initramfs");
    let mut plan = Plan::new(&recipe).map_err(report::plan)?;
    let mut timings = std::mem::take(&mut plan.timings);
    if args.dry_run {
        drop(progress);
        tell(&args, &plan, &timings, None);
        return print(&plan, args.json);
    }
    let image = Initramfs::new(&plan, &recipe, &mut timings).map_err(report::initramfs)?;
    let report = timings.measure("check", || check_image(&image, &plan));
    report::verdict(&report, args.no_check, "the image")?;
    let output = args.output.clone().unwrap_or_else(|| default_output(&plan));
    timings.measure("writing", || cli::write_atomically(&output, &image.bytes))?;
    drop(progress);
    if let Some(path) = &args.depfile {
        cli::write_atomically(
            path,
            depfile(&output, &plan, args.content.recipe.as_deref()).as_bytes(),
        )?;
    }
    let summary = summary(&output, &plan, &image, &recipe);
    tell(&args, &plan, &timings, Some(summary));
    Ok(())
}

/// What `packager check` would say.
fn check_image(image: &Initramfs, plan: &Plan) -> Report {
    let kernel = Booted {
        version: Some(&plan.version),
        config: plan.config.as_ref(),
    };
    check(&image.bytes, kernel)
}

/// What people read, on stderr: notes, times, and the summary.
fn tell(args: &InitramfsArgs, plan: &Plan, timings: &Timings, summary: Option<String>) {
    if !args.quiet {
        report::notes(&plan.notes);
    }
    if args.timings {
        report::timings(timings);
    }
    if let Some(summary) = summary
        && !args.quiet
    {
        eprintln!("{summary}");
    }
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
