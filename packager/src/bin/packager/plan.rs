//! `packager plan`: every file that an image would have, with its size and the reason why it is there.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use cli::Failure;
use packager::cpio::Kind;
use packager::inspect::{InspectError, skim};
use packager::names;
use packager::timing::Timings;
use packager::{Plan, Recipe};
use serde_json::{Value, json};

use crate::progress::Progress;
use crate::recipe::RecipeArgs;
use crate::{input, report};

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
    let plan =
        Plan::with_cache(&recipe, cache.as_ref()).map_err(|error| args.content.failure(error))?;
    drop(progress);
    tell(&plan, &plan.timings, args.quiet, args.timings);
    print(&plan, &recipe, args.json)
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

/// The plan, on stdout, with what stands in archives before and behind the image's own.
pub(crate) fn print(plan: &Plan, recipe: &Recipe, as_json: bool) -> Result<(), Failure> {
    let mut lines = Vec::new();
    if let Some(early) = &plan.early {
        let reason = "the processors' microcode, in an archive before the image's own";
        add_archive(&mut lines, early, reason).map_err(Failure::machine)?;
    }
    add_given(&mut lines, &recipe.prepend, "before")?;
    lines.extend(plan.items().map(|(path, item)| Line {
        path: path.to_owned(),
        kind: item.kind(),
        permissions: item.attributes.permissions,
        size: item.data.len(),
        target: report::target(item.kind(), &item.data),
        reason: item.reason.clone(),
    }));
    add_given(&mut lines, &recipe.append, "behind")?;
    let text = match as_json {
        true => json_text(plan, &lines),
        false => lines.iter().map(Line::text).collect(),
    };
    cli::print(text.as_bytes())
}

/// An entry of the image.
struct Line {
    /// Without a leading `/`.
    path: String,
    kind: Kind,
    permissions: u32,
    size: usize,
    target: Option<String>,
    reason: String,
}

/// The entries of archives that go into the image as they are.
fn add_given(lines: &mut Vec<Line>, archives: &[PathBuf], place: &str) -> Result<(), Failure> {
    for path in archives {
        let shown = path.display();
        let reason = format!("in `{shown}`, which stands {place} the image's own archive");
        add_archive(lines, &input::read(path)?, &reason)
            .map_err(|error| input::at_fault(path, error))?;
    }
    Ok(())
}

fn add_archive(lines: &mut Vec<Line>, archive: &[u8], reason: &str) -> Result<(), InspectError> {
    skim(archive, |entry, size, _| {
        let name = entry.name.strip_prefix(b"./").unwrap_or(entry.name);
        lines.push(Line {
            path: names::text(name).into_owned(),
            kind: entry.kind,
            permissions: entry.permissions,
            size,
            target: report::target(entry.kind, entry.data),
            reason: reason.to_owned(),
        });
        ControlFlow::Continue(())
    })
    .map(|_| ())
}

impl Line {
    fn text(&self) -> String {
        let target = self.target.iter().map(|target| format!(" -> {target}"));
        format!(
            "{} {:>8}  {}{}  # {}\n",
            report::permissions(self.kind, self.permissions),
            report::extent(self.kind, self.size),
            names::shown(&self.path),
            target.collect::<String>(),
            self.reason
        )
    }

    fn object(&self) -> Value {
        json!({
            "path": format!("/{}", self.path),
            "type": report::type_name(self.kind),
            "mode": format!("{:04o}", self.permissions),
            "size": self.size,
            "target": self.target,
            "reason": self.reason,
        })
    }
}

fn json_text(plan: &Plan, lines: &[Line]) -> String {
    let files: Value = lines.iter().map(Line::object).collect();
    let plan = json!({ "kernel": plan.version, "modules": plan.modules, "notes": plan.notes, "files": files });
    format!("{plan:#}\n")
}
