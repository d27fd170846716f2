//! `packager plan`: every file that an image would have, with its size and the reason why it is there.

use clap::Args;
use cli::Failure;
use packager::Plan;
use packager::timing::Timings;
use serde_json::json;

use crate::progress::Progress;
use crate::recipe::RecipeArgs;
use crate::report;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  packager plan --keymap es                 what `packager initramfs --keymap es` would pack
  packager plan --recipe packager.toml --json")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    content: RecipeArgs,

    /// Print the plan as JSON
    #[arg(long)]
    json: bool,

    /// Print nothing but the plan and errors
    #[arg(short, long)]
    quiet: bool,

    /// Print how long each phase took
    #[arg(long)]
    timings: bool,
}

pub(crate) fn run(args: &PlanArgs) -> Result<(), Failure> {
    let recipe = args.content.recipe(None)?;
    let progress = Progress::new("planning the initramfs");
    let cache = args.content.cache()?;
    let plan = Plan::with_cache(&recipe, cache.as_ref()).map_err(report::plan)?;
    drop(progress);
    tell(&plan, &plan.timings, args.quiet, args.timings);
    print(&plan, args.json)
}

/// What people read, on stderr: notes and times.
pub(crate) fn tell(plan: &Plan, timings: &Timings, quiet: bool, show_timings: bool) {
    if !quiet {
        report::notes(&plan.notes);
    }
    if show_timings {
        report::timings(timings);
    }
}

/// The plan, on stdout.
pub(crate) fn print(plan: &Plan, as_json: bool) -> Result<(), Failure> {
    let text = if as_json { json_text(plan) } else { text(plan) };
    cli::print(text.as_bytes())
}

fn text(plan: &Plan) -> String {
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

fn json_text(plan: &Plan) -> String {
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
