//! Two pieces of work at the same time.

/// Does `here` on this thread and `there` on one of rayon's, and gives what both give.
///
/// `rayon::join` would hand both over, and begin with the second one when a second thread has woken up: up to 2 ms later on a
/// busy machine, a tenth of the making of an image.
///
/// ```
/// let (sum, product) = packager::parallel::beside(|| (1..=5).sum::<u32>(), || (1..=5).product::<u32>());
/// assert_eq!((sum, product), (15, 120));
/// ```
pub fn beside<A, B: Send>(here: impl FnOnce() -> A, there: impl FnOnce() -> B + Send) -> (A, B) {
    let mut other = None;
    let own = rayon::in_place_scope(|scope| {
        scope.spawn(|_| other = Some(there()));
        here()
    });
    match other {
        Some(other) => (own, other),
        None => unreachable!("a scope waits for what was begun in it"),
    }
}
