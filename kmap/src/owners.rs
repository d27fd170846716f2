//! For a lint: which line each action of a key comes from, so that a line is known of which nothing is left.

use std::collections::BTreeMap;

use crate::keymap::NR_KEYS;
use crate::syntax::Span;

/// A line about a key.
struct Line {
    span: Span,
    /// How many actions of the key still come from it.
    actions: usize,
    /// It has one column, which fills in what no other line sets: it counts also where its own action is gone.
    fills: bool,
}

/// What is kept for the keys that the kernel has; a line is forgotten when nothing is left of it.
#[derive(Default)]
pub(crate) struct Owners {
    lines: BTreeMap<u32, Line>,
    /// The line of each action, by key and map.
    actions: BTreeMap<(usize, u32), u32>,
    /// The line with one column of each key that has any, the last one.
    filling: BTreeMap<usize, u32>,
    /// The number and the key of the line that is being applied.
    current: (u32, usize),
    /// Lines of which the current one has left nothing.
    void: Vec<Span>,
}

impl Owners {
    /// A line about a key begins.
    pub(crate) fn begin(&mut self, key: usize, span: Span) {
        let number = self.current.0.wrapping_add(1);
        self.current = (number, key);
        if key < NR_KEYS {
            let line = Line {
                span,
                actions: 0,
                fills: false,
            };
            self.lines.insert(number, line);
        }
    }

    /// The current line sets its key's action in a map.
    pub(crate) fn set(&mut self, map: u32) {
        let (number, key) = self.current;
        let Some(line) = self.lines.get_mut(&number) else {
            return;
        };
        line.actions += 1;
        if let Some(before) = self.actions.insert((key, map), number) {
            self.lose(before);
        }
    }

    /// The current line takes all actions from its key, and fills them in at the end.
    pub(crate) fn clear(&mut self) {
        let (number, key) = self.current;
        let Some(line) = self.lines.get_mut(&number) else {
            return;
        };
        line.fills = true;
        let maps: Vec<u32> = self.of_key(key).map(|(map, _)| map).collect();
        let mut before: Vec<u32> = self.of_key(key).map(|(_, line)| line).collect();
        // What an earlier line with one column would fill in, this one does now.
        before.extend(self.filling.insert(key, number));
        for map in maps {
            self.actions.remove(&(key, map));
        }
        before.sort_unstable();
        before.dedup();
        let void = before.iter().filter_map(|line| self.lines.remove(line));
        self.void.extend(void.map(|line| line.span));
    }

    /// The maps in which a key has an action, with its line.
    fn of_key(&self, key: usize) -> impl Iterator<Item = (u32, u32)> {
        let range = self.actions.range((key, 0)..=(key, u32::MAX));
        range.map(|((_, map), line)| (*map, *line))
    }

    /// The current line is over: the earlier lines of which nothing is left.
    pub(crate) fn end(&mut self) -> Vec<Span> {
        self.void.sort_by_key(|span| (span.text, span.start));
        std::mem::take(&mut self.void)
    }

    fn lose(&mut self, number: u32) {
        let Some(line) = self.lines.get_mut(&number) else {
            return;
        };
        line.actions = line.actions.saturating_sub(1);
        if line.actions == 0 && !line.fills && number != self.current.0 {
            self.void.push(line.span);
            self.lines.remove(&number);
        }
    }
}
