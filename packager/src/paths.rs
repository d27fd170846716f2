//! Paths within a root that is not this machine's: the walk that the kernel does (path_resolution(7)), over any tree.

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
    let mut done: Vec<String> = Vec::new();
    let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut followed = 0;
    while let Some(part) = todo.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                done.pop();
                continue;
            }
            _ => done.push(part),
        }
        if !follow_last && todo.iter().all(String::is_empty) {
            break;
        }
        let Some(target) = link(&done.join("/")) else {
            continue;
        };
        followed += 1;
        if followed > MOST_LINKS {
            return None;
        }
        done.pop();
        if target.starts_with('/') {
            done.clear();
        }
        todo.extend(target.split('/').rev().map(str::to_owned));
    }
    Some(done.join("/"))
}

#[cfg(test)]
mod tests {
    use super::resolve;

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
}
