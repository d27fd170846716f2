//! How long the phases took, by the names in ARCHITECTURE.md.

use std::time::{Duration, Instant};

/// The phases of a run so far, in order.
///
/// ```
/// let mut timings = packager::timing::Timings::default();
/// let sum = timings.measure("sum", || (1..=100).sum::<u32>());
/// assert_eq!(sum, 5050);
/// assert_eq!(timings.phases()[0].0, "sum");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Timings {
    phases: Vec<(&'static str, Duration)>,
}

impl Timings {
    /// Does `work` and notes how long it took.
    pub fn measure<T>(&mut self, phase: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.phases.push((phase, start.elapsed()));
        result
    }

    /// Adds the phases of something that went on meanwhile.
    pub fn append(&mut self, others: Self) {
        self.phases.extend(others.phases);
    }

    /// Each phase with its time.
    pub fn phases(&self) -> &[(&'static str, Duration)] {
        &self.phases
    }
}
