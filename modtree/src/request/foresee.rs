//! Finding at the same time what [`Requests::of`] will look for one after the other.
//!
//! Everything here may go wrong in silence: it is looked for again, and then told, when it is asked for.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::called::is_certain;
use super::providers::Providers;
use super::shown::{Filled, Prepared, Shown, fill};
use super::{Requests, Selector, Traces};
use crate::ModInfo;
use crate::fast_hash::{FastMap, FastSet};
use crate::tree::{Entry, Resolution, lock};

/// Something that will be asked of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// What a name or an alias stands for.
    Name(String),
    /// Which modules have these traces.
    Providers(Traces),
}

/// What has been found in advance.
#[derive(Debug, Default)]
pub(crate) struct Foreseen {
    prepared: FastMap<PathBuf, Prepared>,
    resolutions: FastMap<String, Resolution>,
    providers: FastMap<Traces, Providers>,
}

/// Looks at modules and answers questions in advance, on any thread.
pub(crate) struct Foresight<'a> {
    requests: &'a Requests<'a>,
    asked: Mutex<FastSet<Question>>,
    found: Mutex<Foreseen>,
}

impl Requests<'_> {
    /// Begins to look ahead, which ends with [`keep`](Self::keep).
    pub(crate) fn foresight(&self) -> Foresight<'_> {
        Foresight {
            requests: self,
            asked: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// Keeps what has been found until [`of`](Self::of) wants it.
    pub(crate) fn keep(&mut self, found: Foreseen) {
        self.prepared.extend(found.prepared);
        self.resolutions.extend(found.resolutions);
        self.providers.extend(found.providers);
    }

    /// Whether a module has been looked at in advance.
    pub(crate) fn is_prepared(&self, module: &Entry) -> bool {
        self.prepared.contains_key(&module.relative)
    }

    fn is_answered(&self, question: &Question) -> bool {
        match question {
            Question::Name(name) => self.resolutions.contains_key(name),
            Question::Providers(traces) => self.providers.contains_key(traces),
        }
    }
}

impl Foresight<'_> {
    /// Reads what rules and calls want of a module. Gives what will be asked because of it, `names` among that, as far as it has
    /// not been asked before.
    pub(crate) fn prepare(
        &self,
        module: &Entry,
        info: &ModInfo,
        names: impl Iterator<Item = String>,
    ) -> Vec<Question> {
        let tree = self.requests.tree;
        let prepared = Prepared::of(tree, &self.requests.rules, module, info);
        let mut questions: Vec<_> = names.map(Question::Name).collect();
        for (rule, shown) in self.requests.rules.iter().zip(&prepared.shown) {
            if let Ok(Shown::Yes { .. }) = shown {
                questions.extend(rule.add.iter().filter_map(|add| self.question(add)));
            }
        }
        let asked = prepared.calls.iter().flatten().flat_map(|site| &site.asks);
        let asked = asked.filter(|asked| is_certain(module, asked)).cloned();
        questions.extend(asked.map(Question::Name));
        lock(&self.found)
            .prepared
            .insert(module.relative.clone(), prepared);
        let mut asked = lock(&self.asked);
        questions.retain(|question| {
            !self.requests.is_answered(question) && asked.insert(question.clone())
        });
        questions
    }

    fn question(&self, selector: &Selector) -> Option<Question> {
        match selector {
            Selector::Module(template) | Selector::Alias(template) => {
                match fill(self.requests.tree, template) {
                    Ok(Filled::Text { text, .. }) => Some(Question::Name(text)),
                    _ => None,
                }
            }
            Selector::Provider(traces) => Some(Question::Providers(traces.clone())),
        }
    }

    /// Finds the answer. Gives the modules in it.
    pub(crate) fn answer(&self, question: Question) -> Vec<Entry> {
        let tree = self.requests.tree;
        match question {
            Question::Name(name) => {
                let Ok(found) = tree.resolve(&name) else {
                    return Vec::new();
                };
                let entries = match &found {
                    Resolution::Module(entry) => vec![entry.clone()],
                    Resolution::Aliases(entries) => entries.clone(),
                    _ => Vec::new(),
                };
                lock(&self.found).resolutions.insert(name, found);
                entries
            }
            Question::Providers(traces) => {
                let Ok(found) = Providers::find(tree, &traces) else {
                    return Vec::new();
                };
                let entries = found.all.iter().map(|one| one.entry.clone()).collect();
                lock(&self.found).providers.insert(traces, found);
                entries
            }
        }
    }

    /// What has been found.
    pub(crate) fn into_found(self) -> Foreseen {
        self.found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
