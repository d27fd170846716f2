//! Names of files in images, as text, and those that are meant by a misspelt one.

pub use codec::names::{bytes, shown, text};

/// Up to three of the paths that may be meant by one that is not there: spelled nearly so, or of the same name in another folder,
/// or of nearly the same name.
///
/// ```
/// let paths = ["etc/modules", "etc/packager/plan.json", "init"];
/// assert_eq!(packager::names::near_paths("/etc/module", paths), ["etc/modules"]);
/// assert_eq!(packager::names::near_paths("plan.json", paths), ["etc/packager/plan.json"]);
/// ```
pub fn near_paths<'a>(
    wanted: &str,
    paths: impl IntoIterator<Item = &'a str> + Clone,
) -> Vec<&'a str> {
    let wanted = wanted.trim_matches('/');
    let near = suggest::near(wanted, paths.clone());
    if !near.is_empty() {
        return near;
    }
    let base = |path: &'a str| path.rsplit('/').next().unwrap_or(path);
    let name = wanted.rsplit('/').next().unwrap_or(wanted);
    let near = suggest::near(name, paths.clone().into_iter().map(base));
    let Some(nearest) = near.first() else {
        return Vec::new();
    };
    let paths = paths.into_iter().filter(|&path| base(path) == *nearest);
    paths.take(3).collect()
}
