//! Goals: names for what somebody wants a set of modules for (`usb-storage`, `rootfs:ext4`), as roots of a closure.
//!
//! A goal is a small TOML file. `data/goals/README.md` documents the format; the files there come with this crate, and
//! [`Goals::add_dir`] adds a user's own. A goal names what it wants in the same terms as a rule does: by name, by alias, or
//! by traces that providers show.
//!
//! ```
//! use modtree::{ClosureOptions, goal::Goals};
//!
//! let goals = Goals::embedded()?;
//! let options = ClosureOptions {
//!     goals: vec![goals.select("rootfs:ext4")?, goals.select("keyboard")?],
//!     ..ClosureOptions::default()
//! };
//! // modtree::closure(&tree, &[], &options) takes it from here.
//! assert!(goals.select("rootfs").unwrap_err().to_string().contains("rootfs:FS"));
//! # Ok::<(), modtree::goal::GoalError>(())
//! ```

mod error;
mod parse;
#[cfg(test)]
#[path = "goal/tests.rs"]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

pub use error::GoalError;

use crate::request::{Rule, Selector};

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../data/goals/", $name, ".toml")))),*]
    };
}

/// The goals that come with this crate: (name, contents).
const EMBEDDED: [(&str, &str); 17] = embed![
    "cdrom",
    "crypt",
    "disk",
    "filesystems",
    "guest",
    "keyboard",
    "live",
    "lvm",
    "mmc",
    "network",
    "network-all",
    "nvme",
    "raid",
    "rootfs",
    "sata",
    "usb-storage",
    "virtio",
];

/// Goals nested deeper than this can only be a mistake.
const DEEPEST: usize = 16;

/// A named goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Its name, which is its file's.
    pub name: String,
    /// What it is for, in a few words.
    pub summary: String,
    /// What stands behind a colon, if anything may.
    pub parameter: Option<Parameter>,
    /// The program without which the modules do nothing, `cryptsetup` for example.
    pub program: Option<String>,
    /// The file's text, comments included.
    pub text: String,
    goals: Vec<String>,
    roots: Vec<RootTemplate>,
    rules: Vec<Rule>,
}

/// What stands behind a goal's colon: one value or several, separated by commas.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What stands for the value, `FS` for example: `{FS}` in the goal's roots.
    pub name: String,
    /// What it means.
    pub meaning: String,
    /// Whether the goal also makes sense without it.
    #[serde(default)]
    pub optional: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RootTemplate {
    why: String,
    find: Vec<Selector>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    bare: bool,
}

/// What a goal wants of a tree, its parameter filled in and other goals of which it consists included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoalRoots {
    /// The goal as it was asked for: `rootfs:ext4`.
    pub asked: String,
    /// The parameter's value.
    pub parameter: Option<String>,
    /// Whether it consists of other goals: those do that a kernel has something for.
    pub combined: bool,
    /// What is wanted.
    pub roots: Vec<GoalRoot>,
    /// Rules that hold for this goal, beside those that always do.
    pub rules: Vec<Rule>,
}

/// One thing that a goal wants. All modules that are found count; what is part of the kernel is as good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoalRoot {
    /// Why, in words which continue "goal NAME: ".
    pub why: String,
    /// How modules are found.
    pub find: Vec<Selector>,
    /// Whether the goal can be met where nothing is found.
    pub optional: bool,
}

impl GoalRoot {
    /// What is looked for, as text for an error.
    pub(crate) fn wanted(&self) -> String {
        let wanted = self.find.iter().map(|selector| match selector {
            Selector::Module(name) => format!("`{name}`"),
            Selector::Alias(alias) => format!("an alias for `{alias}`"),
            Selector::Provider(_) => format!("a module to take for \"{}\"", self.why),
        });
        wanted.collect::<Vec<_>>().join(" or ")
    }
}

/// A set of goals.
#[derive(Clone, Debug, Default)]
pub struct Goals(BTreeMap<String, Goal>);

impl Goals {
    /// The goals that come with this crate.
    ///
    /// # Errors
    /// None in practice: a test parses them.
    pub fn embedded() -> Result<Self, GoalError> {
        let mut goals = Goals::default();
        for (name, text) in EMBEDDED {
            goals.add(name, &format!("{name}.toml"), text)?;
        }
        goals.check()?;
        Ok(goals)
    }

    /// Adds every `NAME.toml` of a directory. One of a known name takes that goal's place.
    ///
    /// # Errors
    /// [`GoalError::Read`], [`GoalError::Malformed`]. The set is as before then.
    pub fn add_dir(&mut self, dir: &Path) -> Result<(), GoalError> {
        let mut goals = self.clone();
        for (name, path) in parse::files(dir)? {
            let text = parse::read(&path)?;
            goals.add(&name, &path.display().to_string(), &text)?;
        }
        goals.check()?;
        *self = goals;
        Ok(())
    }

    fn add(&mut self, name: &str, file: &str, text: &str) -> Result<(), GoalError> {
        let goal = parse::goal(name, file, text)?;
        self.0.insert(name.to_owned(), goal);
        Ok(())
    }

    /// Whether goals consist of goals that exist, and of none that consists of itself.
    fn check(&self) -> Result<(), GoalError> {
        for goal in self.iter() {
            self.gather(goal, None, &mut GoalRoots::new(&goal.name, None), 0)?;
        }
        Ok(())
    }

    /// The goals, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Goal> {
        self.0.values()
    }

    /// The goal of this name, without a parameter.
    ///
    /// # Errors
    /// [`GoalError::Unknown`].
    pub fn get(&self, name: &str) -> Result<&Goal, GoalError> {
        self.0
            .get(name)
            .ok_or_else(|| GoalError::unknown(name, self.0.keys()))
    }

    /// The goal of which something is asked for, perhaps with a parameter: `rootfs` for `rootfs:ext4`.
    ///
    /// # Errors
    /// [`GoalError::Unknown`].
    pub fn asked(&self, asked: &str) -> Result<&Goal, GoalError> {
        self.get(parts(asked).0)
    }

    /// What `asked` (`nvme`, `rootfs:ext4`, `filesystems:ext4,vfat`) wants.
    ///
    /// # Errors
    /// [`GoalError::Unknown`], [`GoalError::NoParameter`], [`GoalError::NeedsParameter`], [`GoalError::BadParameter`].
    pub fn select(&self, asked: &str) -> Result<GoalRoots, GoalError> {
        let (name, value) = parts(asked);
        let goal = self.get(name)?;
        goal.check_parameter(asked, value)?;
        let mut roots = GoalRoots::new(asked, value);
        roots.combined = goal.roots.is_empty() && !goal.goals.is_empty();
        self.gather(goal, value, &mut roots, 0)?;
        Ok(roots)
    }

    fn gather(
        &self,
        goal: &Goal,
        value: Option<&str>,
        into: &mut GoalRoots,
        depth: usize,
    ) -> Result<(), GoalError> {
        into.roots.extend(goal.roots_for(value));
        into.rules.extend(goal.rules.iter().cloned());
        for name in &goal.goals {
            let malformed = |reason: String| GoalError::Malformed {
                file: format!("{}.toml", goal.name),
                reason,
            };
            let other = self
                .get(name)
                .map_err(|error| malformed(error.to_string()))?;
            if depth == DEEPEST {
                return Err(malformed(format!("goal {name} is part of itself")));
            }
            if other.parameter.as_ref().is_some_and(|it| !it.optional) {
                return Err(malformed(format!(
                    "goal {name} wants a parameter, so it cannot be part of another one"
                )));
            }
            self.gather(other, None, into, depth + 1)?;
        }
        Ok(())
    }
}

/// A goal's name, and the parameter's value.
fn parts(asked: &str) -> (&str, Option<&str>) {
    match asked.split_once(':') {
        Some((name, value)) => (name, Some(value)),
        None => (asked, None),
    }
}

impl GoalRoots {
    fn new(asked: &str, parameter: Option<&str>) -> Self {
        Self {
            asked: asked.to_owned(),
            parameter: parameter.map(str::to_owned),
            combined: false,
            roots: Vec::new(),
            rules: Vec::new(),
        }
    }
}

impl Goal {
    /// How the goal is asked for: `rootfs:FS`, `filesystems[:FS]`, `nvme`.
    pub fn usage(&self) -> String {
        let name = &self.name;
        match &self.parameter {
            None => name.clone(),
            Some(parameter) if parameter.optional => format!("{name}[:{}]", parameter.name),
            Some(parameter) => format!("{name}:{}", parameter.name),
        }
    }

    /// What is typed first to ask for the goal: its name, with a colon where it cannot do without a parameter.
    pub fn beginning(&self) -> String {
        match &self.parameter {
            Some(parameter) if !parameter.optional => format!("{}:", self.name),
            _ => self.name.clone(),
        }
    }

    fn check_parameter(&self, asked: &str, value: Option<&str>) -> Result<(), GoalError> {
        let usage = self.usage();
        match (&self.parameter, value) {
            (None, Some(_)) => Err(GoalError::NoParameter(self.name.clone())),
            (Some(parameter), None) if !parameter.optional => Err(GoalError::NeedsParameter {
                usage,
                parameter: parameter.clone(),
            }),
            (Some(parameter), Some(value)) if !value.split(',').all(is_word) => {
                Err(GoalError::BadParameter {
                    asked: asked.to_owned(),
                    usage,
                    parameter: parameter.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The roots with the parameter's values filled in, once for each; those that want a value only where there is one.
    fn roots_for(&self, value: Option<&str>) -> Vec<GoalRoot> {
        let place = self
            .parameter
            .as_ref()
            .map(|parameter| format!("{{{}}}", parameter.name));
        let mut roots = Vec::new();
        for template in &self.roots {
            let takes_value = place
                .as_ref()
                .is_some_and(|place| template.find.iter().any(|find| mentions(find, place)));
            match (value, &place) {
                (Some(values), Some(place)) if takes_value => {
                    let values = values.split(',');
                    roots.extend(values.map(|value| template.filled(place, value)));
                }
                (None, _) if takes_value => {}
                (Some(_), _) if template.bare => {}
                _ => roots.push(template.filled("", "")),
            }
        }
        roots
    }
}

impl RootTemplate {
    fn filled(&self, place: &str, value: &str) -> GoalRoot {
        let fill = |text: &String| match place {
            "" => text.clone(),
            place => text.replace(place, value),
        };
        let find = self.find.iter().map(|selector| match selector {
            Selector::Module(name) => Selector::Module(fill(name)),
            Selector::Alias(alias) => Selector::Alias(fill(alias)),
            Selector::Provider(traces) => Selector::Provider(traces.clone()),
        });
        GoalRoot {
            find: find.collect(),
            why: fill(&self.why),
            optional: self.optional,
        }
    }
}

fn mentions(selector: &Selector, place: &str) -> bool {
    match selector {
        Selector::Module(text) | Selector::Alias(text) => text.contains(place),
        Selector::Provider(_) => false,
    }
}

/// Whether this can be a value: part of a name or an alias, and no pattern.
fn is_word(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !value.is_empty() && value.bytes().all(allowed)
}
