//! `modtree goals`, and the goals of other commands.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use cli::{Failure, Fault, print};
use modtree::goal::{GoalError, GoalRoots, Goals};
use serde_json::json;

use crate::complete;
use crate::questions::print_json;

#[derive(Debug, Args)]
pub(crate) struct GoalFileArgs {
    /// Goals of your own: every NAME.toml in DIR (`modtree goals usb-storage` shows the format)
    #[arg(long, value_name = "DIR")]
    goals_dir: Option<PathBuf>,
}

/// List what `modtree closure --for` knows, or show a goal's file
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modtree goals                            a line each
  modtree goals keyboard                   its file, with the reasons
  modtree goals keyboard > goals/mine.toml; modtree closure --goals-dir goals --for mine")]
pub(crate) struct GoalsArgs {
    /// The goal to show
    #[arg(value_name = "GOAL", add = complete::goals())]
    goal: Option<String>,

    #[command(flatten)]
    files: GoalFileArgs,

    /// One JSON document
    #[arg(long, conflicts_with = "goal")]
    json: bool,
}

pub(crate) fn run(args: &GoalsArgs) -> Result<(), Failure> {
    let goals = open(&args.files)?;
    if let Some(asked) = &args.goal {
        return print(goals.asked(asked).map_err(failure)?.text.as_bytes());
    }
    if args.json {
        let list = goals.iter().map(|goal| {
            json!({
                "name": goal.name,
                "summary": goal.summary,
                "parameter": goal.parameter,
                "program": goal.program,
            })
        });
        return print_json(&json!(list.collect::<Vec<_>>()));
    }
    let mut text = String::new();
    for goal in goals.iter() {
        let _ = writeln!(text, "{:20}{}", goal.usage(), goal.summary);
    }
    print(text.as_bytes())
}

/// The roots of the goals that are asked for.
pub(crate) fn select(asked: &[String], files: &GoalFileArgs) -> Result<Vec<GoalRoots>, Failure> {
    // To read all goals takes as long as a small closure.
    if asked.is_empty() && files.goals_dir.is_none() {
        return Ok(Vec::new());
    }
    let goals = open(files)?;
    let selected = asked.iter().map(|asked| goals.select(asked));
    selected.collect::<Result<_, _>>().map_err(failure)
}

fn open(files: &GoalFileArgs) -> Result<Goals, Failure> {
    let mut goals = Goals::embedded().map_err(failure)?;
    if let Some(dir) = &files.goals_dir {
        goals.add_dir(dir).map_err(failure)?;
    }
    Ok(goals)
}

fn failure(error: GoalError) -> Failure {
    let fault = match &error {
        error if error.is_input() => Fault::Input,
        _ => Fault::Machine,
    };
    Failure::from_error(fault, &error)
}
