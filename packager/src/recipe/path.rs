//! Paths in the image, as recipes name them.

/// An absolute path without `.`, `..` or doubled slashes, as the archive names it: without the leading `/`.
///
/// # Errors
/// What a path is like.
pub(crate) fn clean(path: &str) -> Result<String, &'static str> {
    if path.contains('\0') {
        return Err("a path in the image has no NUL");
    }
    let rest = path
        .strip_prefix('/')
        .ok_or("a path in the image begins with `/`")?;
    let parts: Vec<_> = rest.trim_end_matches('/').split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return Err("a path in the image has no empty parts, `.` or `..`");
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn only_clean_absolute_paths_are_taken() {
        assert_eq!(clean("/etc/motd").unwrap(), "etc/motd");
        assert_eq!(clean("/data/").unwrap(), "data");
        for bad in ["etc/motd", "/", "/etc/../motd", "//etc", "/./etc", "/a\0b"] {
            assert!(clean(bad).is_err(), "{bad}");
        }
    }
}
