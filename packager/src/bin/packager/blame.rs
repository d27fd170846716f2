//! Where a recipe says what turns out to be wrong when it is used.

use std::path::Path;

use cli::Failure;
use kmap::{DiagnosticKind, SourceError};
use modtree::ClosureError;
use modtree::goal::GoalError;
use packager::PlanError;
use packager::libraries::LibraryError;
use packager::recipe::Place;

use crate::recipe::{RecipeArgs, recipe_text};
use crate::report;

impl RecipeArgs {
    /// The failure, behind the place in the recipe of what is at fault, where that stands there.
    pub(crate) fn failure(&self, error: PlanError) -> Failure {
        let place = self
            .recipe
            .as_deref()
            .and_then(|path| Some((path, self.place(path, &error)?)));
        match (report::plan(error), place) {
            (failure, Some((path, place))) => {
                failure.behind(format_args!("{}:{place}", path.display()))
            }
            (failure, None) => failure,
        }
    }

    /// The place in the recipe. What an option says is not the recipe's.
    fn place(&self, path: &Path, error: &PlanError) -> Option<Place> {
        let text = recipe_text(path).ok()?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let first = |key, is_meant: &dyn Fn(&str) -> bool| {
            Place::of_values(&text, key, is_meant).into_iter().next()
        };
        match error {
            PlanError::Closure(ClosureError::Unknown { names, .. }) if self.modules.is_none() => {
                first("modules", &|value| names.iter().any(|it| it.name == value))
            }
            PlanError::Closure(ClosureError::Goal { goal, .. }) if self.goals.is_none() => {
                first("goals", &|value| value == goal)
            }
            PlanError::Goal(error) if self.goals.is_none() => {
                first("goals", &|value| is_goal(value, error))
            }
            PlanError::Keymap(report) if self.keymap.is_none() => {
                let name = missing_keymap(report)?;
                let is_meant = |value: &str| {
                    [Path::new(value), &folder.join(value)]
                        .iter()
                        .any(|it| kmap::shown_path(it) == name)
                };
                first("keymaps", &is_meant)
            }
            PlanError::Source { source, .. } => {
                first("source", &|value| folder.join(value) == source.path())
            }
            PlanError::Library(
                LibraryError::NotFound { path: program, .. }
                | LibraryError::Missing {
                    needed_by: program, ..
                },
            ) => first("programs", &|value| value == program),
            // Of two in one place the second is one too many.
            PlanError::Entry { path, .. } => {
                Place::of_values(&text, "path", |value| value == path).pop()
            }
            _ => None,
        }
    }
}

/// Whether it is this goal that is at fault.
fn is_goal(asked: &str, error: &GoalError) -> bool {
    let name = asked.split_once(':').map_or(asked, |(name, _)| name);
    match error {
        GoalError::Unknown { name: unknown, .. } => unknown == name,
        GoalError::NoParameter(goal) => goal == name,
        GoalError::NeedsParameter { usage, .. } => usage.split([':', '[']).next() == Some(name),
        GoalError::BadParameter { asked: bad, .. } => bad == asked,
        _ => false,
    }
}

/// The keymap that is not there.
fn missing_keymap(report: &kmap::Report) -> Option<&str> {
    match &report.errors().first()?.kind {
        DiagnosticKind::Source(SourceError::NotFound {
            name,
            included: false,
            ..
        }) => Some(name),
        _ => None,
    }
}
