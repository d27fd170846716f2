//! Paths within a root that is not this machine's: the walk that the kernel does (path_resolution(7)), over any tree.

use std::borrow::Cow;

/// As many links are followed in one path; the kernel's limit.
const MOST_LINKS: usize = 40;

/// Follows `path` component by component and gives it without a leading `/`, with no `.`, `..` or links in it, but for a link
/// at its end unless `follow_last`. `..` does not leave the root. `link` tells where a path leads, if it is a link.
///
/// `None` where links lead in a circle.
pub(crate) fn resolve(
    path: &str,
    follow_last: bool,
    mut link: impl FnMut(&str) -> Option<String>,
) -> Option<String> {
    let mut done = String::with_capacity(path.len());
    // What is still to be walked, the last first: the targets of links and the path itself, each from a place on.
    let mut todo = vec![(Cow::Borrowed(path), 0)];
    let mut followed = 0;
    while let Some((text, from)) = todo.last_mut() {
        let rest = &text[*from..];
        let part = &rest[..rest.find('/').unwrap_or(rest.len())];
        *from = usize::min(*from + part.len() + 1, text.len());
        let above = done.len();
        match part {
            "" | "." => {}
            ".." => done.truncate(done.rfind('/').unwrap_or(0)),
            _ if done.is_empty() => done.push_str(part),
            _ => done.extend(["/", part]),
        }
        let is_name = !matches!(part, "" | "." | "..");
        todo.pop_if(|(text, from)| *from == text.len());
        if !is_name {
            continue;
        }
        if !follow_last && todo.iter().all(|(text, from)| is_empty(&text[*from..])) {
            break;
        }
        let Some(target) = link(&done) else {
            continue;
        };
        followed += 1;
        if followed > MOST_LINKS {
            return None;
        }
        let keep = if target.starts_with('/') { 0 } else { above };
        done.truncate(keep);
        todo.push((Cow::Owned(target), 0));
    }
    Some(done)
}

/// Whether a path names something in a directory, which `is_directory` knows by this very name, so that no link needs to be followed
/// before the last component. False where only [`resolve`] can tell.
pub(crate) fn is_direct(path: &str, is_directory: impl FnOnce(&str) -> bool) -> bool {
    path.rsplit_once('/').is_some_and(|(above, name)| {
        !matches!(name, "" | "." | "..") && !above.is_empty() && is_directory(above)
    })
}

/// Whether a path has no parts.
fn is_empty(path: &str) -> bool {
    path.bytes().all(|byte| byte == b'/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MOST_LINKS, resolve};

    fn links(path: &str) -> Option<String> {
        let target = match path {
            "sbin" => "/usr/bin",
            "usr/sbin" => "bin",
            "a" => "b",
            "b" => "a",
            _ => return None,
        };
        Some(target.to_owned())
    }

    #[test]
    fn links_and_dots_are_followed_within_the_root() {
        assert_eq!(
            resolve("/sbin/mdev", false, links).as_deref(),
            Some("usr/bin/mdev")
        );
        assert_eq!(
            resolve("./usr/sbin/../sbin//init", false, links).as_deref(),
            Some("usr/bin/init")
        );
        assert_eq!(resolve("../../etc", false, links).as_deref(), Some("etc"));
        assert_eq!(resolve("/", true, links).as_deref(), Some(""));
    }

    #[test]
    fn the_last_part_is_followed_only_if_asked() {
        assert_eq!(resolve("sbin/", false, links).as_deref(), Some("sbin"));
        assert_eq!(resolve("sbin", true, links).as_deref(), Some("usr/bin"));
    }

    #[test]
    fn a_circle_leads_nowhere() {
        assert_eq!(resolve("a/file", false, links), None);
        assert_eq!(resolve("a", false, links).as_deref(), Some("a"));
    }

    /// The same rules with a list of parts: what the walk is held to.
    fn walked(path: &str, follow_last: bool) -> Option<String> {
        let parts = |path: &str| path.split('/').rev().map(str::to_owned).collect::<Vec<_>>();
        let (mut done, mut todo) = (Vec::<String>::new(), parts(path));
        let mut followed = 0;
        while let Some(part) = todo.pop() {
            match &*part {
                "" | "." => continue,
                ".." => drop(done.pop()),
                _ => done.push(part),
            }
            let is_end = !follow_last && todo.iter().all(String::is_empty);
            match links(&done.join("/")) {
                Some(target) if !is_end && !done.is_empty() => {
                    done.pop();
                    followed += 1;
                    if followed > MOST_LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        done.clear();
                    }
                    todo.extend(parts(&target));
                }
                _ => {}
            }
        }
        Some(done.join("/"))
    }

    proptest! {
        #[test]
        fn any_path_leads_where_its_parts_lead(
            parts in proptest::collection::vec("(|[.]{1,2}|s?bin|usr|a|b|x)", 0..9),
            follow_last: bool,
        ) {
            let path = parts.join("/");
            prop_assert_eq!(resolve(&path, follow_last, links), walked(&path, follow_last));
        }
    }
}
