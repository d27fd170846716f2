//! What a closure begins with: what is named, and what goals want.

use super::Builder;
use crate::closure::ClosureError;
use crate::goal::{GoalRoot, GoalRoots};
use crate::request::Selector;
use crate::{Reason, ReasonKind, RuleReason};

impl Builder<'_> {
    /// Takes the roots in. They need nothing but the modules themselves, so that a wrong one is told soon, and all that stand for nothing
    /// together.
    pub(in crate::closure) fn roots(&mut self, roots: &[&str]) -> Result<(), ClosureError> {
        let mut unknown = Vec::new();
        for &root in roots {
            if !self.root(root)? {
                unknown.push(root);
            }
        }
        match unknown.as_slice() {
            [] => Ok(()),
            unknown => Err(ClosureError::unknown(self.tree, unknown)),
        }
    }

    /// Takes one root in; says whether it stands for anything.
    fn root(&mut self, asked: &str) -> Result<bool, ClosureError> {
        let reason = Reason {
            kind: ReasonKind::Root,
            by: None,
            asked: asked.to_owned(),
            rule: None,
        };
        let located = self.tree.locate(asked)?;
        self.take(located, None, &reason)
    }

    pub(super) fn goal(&mut self, goal: &GoalRoots) -> Result<(), ClosureError> {
        let (mut any, mut missed) = (false, Vec::new());
        for root in &goal.roots {
            let mut found = false;
            for selector in &root.find {
                found |= self.goal_root(goal, root, selector)?;
            }
            any |= found;
            if !found && !root.optional {
                missed.push(root);
            }
        }
        match missed.first() {
            Some(root) if !(goal.combined && any) => Err(self.nothing_for(goal, root)?),
            _ => {
                for root in missed {
                    let (asked, wanted) = (&goal.asked, root.wanted());
                    self.note(format!(
                        "this kernel has nothing for a part of the goal {asked}: {wanted}"
                    ));
                }
                Ok(())
            }
        }
    }

    fn nothing_for(&self, goal: &GoalRoots, root: &GoalRoot) -> Result<ClosureError, ClosureError> {
        let near = match &goal.parameter {
            Some(value) => self.tree.near_names(value)?,
            None => Vec::new(),
        };
        Ok(ClosureError::Goal {
            goal: goal.asked.clone(),
            wanted: root.wanted(),
            dir: self.tree.shown(self.tree.dir()),
            near,
        })
    }

    /// Takes in what one selector of a goal finds; says whether it finds anything.
    fn goal_root(
        &mut self,
        goal: &GoalRoots,
        root: &GoalRoot,
        selector: &Selector,
    ) -> Result<bool, ClosureError> {
        let asker = format!("goal {}", goal.asked);
        let selected = self.requests.select(&asker, selector)?;
        self.take_notes();
        let mut found = false;
        for (asked, resolution, evidence) in selected {
            let reason = Reason {
                kind: ReasonKind::Goal,
                by: None,
                asked,
                rule: Some(RuleReason {
                    name: goal.asked.clone(),
                    text: root.why.clone(),
                    evidence,
                }),
            };
            found |= self.take(resolution, None, &reason)?;
        }
        Ok(found)
    }
}
