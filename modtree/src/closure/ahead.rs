//! Reading modules on all cores before they are asked for one after the other, and asking what they will ask for.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rayon::Scope;

use super::{ClosureOptions, softdeps};
use crate::fast_hash::FastSet;
use crate::request::{Foreseen, Foresight, Question, Requests};
use crate::tree::{Entry, Tree, lock};
use crate::{ModInfo, ModuleName};

/// Reads some modules, those that they depend on, and those that are the answers to what they ask, each as soon as another one says
/// that it is needed.
pub(super) struct Ahead<'a> {
    tree: &'a Tree,
    options: &'a ClosureOptions,
    foresight: Foresight<'a>,
    /// Which modules have been begun, ever.
    begun: Mutex<&'a mut FastSet<ModuleName>>,
    questions: Mutex<Questions>,
}

/// What has been asked and not answered.
#[derive(Default)]
struct Questions {
    /// Whether the answers are in depmod's indexes, as far as is known. Otherwise each may take a look at every module.
    are_indexed: bool,
    /// What waits until that is known, or for its turn.
    waiting: Vec<Question>,
    /// Names are answered by one thread at a time: what the answers are looked up in is made for the first of them.
    names: VecDeque<String>,
    is_naming: bool,
}

impl<'a> Ahead<'a> {
    /// Neither looks at the modules in `begun`, nor asks what `requests` know.
    pub(super) fn new(
        tree: &'a Tree,
        options: &'a ClosureOptions,
        requests: &'a Requests<'a>,
        begun: &'a mut FastSet<ModuleName>,
    ) -> Self {
        Self {
            tree,
            options,
            foresight: requests.foresight(),
            begun: Mutex::new(begun),
            questions: Mutex::default(),
        }
    }

    /// What has been found, and the questions that wait.
    pub(super) fn finish(self) -> (Foreseen, Vec<Question>) {
        let questions = self.questions.into_inner();
        let questions = questions.unwrap_or_else(PoisonError::into_inner);
        (self.foresight.into_found(), questions.waiting)
    }

    /// Answers from now on what is asked, if there are indexes to be believed, which takes a while to find out the first time.
    pub(super) fn open_indexes<'scope>(&'scope self, scope: &Scope<'scope>) {
        if !self.tree.is_indexed() {
            return;
        }
        let mut questions = lock(&self.questions);
        questions.are_indexed = true;
        let waiting = std::mem::take(&mut questions.waiting);
        drop(questions);
        self.ask(scope, waiting);
    }

    /// Reads modules.
    pub(super) fn read<'scope>(
        &'scope self,
        scope: &Scope<'scope>,
        names: impl IntoIterator<Item = ModuleName>,
    ) {
        for name in names {
            if lock(&self.begun).insert(name.clone()) {
                scope.spawn(move |scope| self.read_one(scope, &name));
            }
        }
    }

    fn read_one<'scope>(&'scope self, scope: &Scope<'scope>, name: &ModuleName) {
        let Ok(Some(entry)) = self.tree.find_in_order(name) else {
            return;
        };
        self.tree.keep(&entry);
        let Ok(info) = self.tree.modinfo(&entry) else {
            return;
        };
        self.read(scope, info.depends().map(ModuleName::new));
        self.look_at(scope, &entry, &info);
        self.tree.read_record(&entry);
    }

    /// Looks at a module whose fields have been read.
    pub(super) fn look_at<'scope>(
        &'scope self,
        scope: &Scope<'scope>,
        entry: &Entry,
        info: &ModInfo,
    ) {
        let names = softdeps(self.options, info).map(|(_, asked)| asked);
        let questions = self.foresight.prepare(entry, info, names);
        self.ask(scope, questions);
    }

    fn ask<'scope>(&'scope self, scope: &Scope<'scope>, asked: Vec<Question>) {
        let mut questions = lock(&self.questions);
        if !questions.are_indexed {
            questions.waiting.extend(asked);
            return;
        }
        for question in asked {
            match question {
                Question::Name(name) => questions.names.push_back(name),
                question => scope.spawn(move |scope| self.answer(scope, question)),
            }
        }
        if !questions.names.is_empty() && !std::mem::replace(&mut questions.is_naming, true) {
            scope.spawn(move |scope| self.answer_names(scope));
        }
    }

    fn answer_names<'scope>(&'scope self, scope: &Scope<'scope>) {
        loop {
            let mut questions = lock(&self.questions);
            let Some(name) = questions.names.pop_front() else {
                questions.is_naming = false;
                return;
            };
            drop(questions);
            self.answer(scope, Question::Name(name));
        }
    }

    /// Answers a question, and reads the modules that are the answer.
    pub(super) fn answer<'scope>(&'scope self, scope: &Scope<'scope>, question: Question) {
        let found = self.foresight.answer(question);
        self.read(scope, found.into_iter().map(|entry| entry.name));
    }
}
