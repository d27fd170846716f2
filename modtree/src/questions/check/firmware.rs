//! Whether the firmware that a module names is there.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::alias;

/// What the kernel's loader may find a file compressed as.
const SUFFIXES: [&str; 3] = ["", ".xz", ".zst"];

/// Whether there is a file of this name, as it is or compressed; a name with wildcards, as drivers for many boards have it, stands
/// for any file.
pub(super) fn is_there(dir: &Path, name: &str) -> bool {
    SUFFIXES.iter().any(|suffix| {
        let name = format!("{name}{suffix}");
        match name.contains(['*', '?', '[']) {
            true => any_matches(dir, &name),
            false => dir.join(name).exists(),
        }
    })
}

/// Whether a path below `dir` matches, part by part.
fn any_matches(dir: &Path, pattern: &str) -> bool {
    let (first, rest) = match pattern.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (pattern, None),
    };
    let Ok(entries) = std::fs::read_dir(dir) else {
        return false;
    };
    entries.flatten().any(|entry| {
        alias::matches(first.as_bytes(), entry.file_name().as_bytes())
            && rest.is_none_or(|rest| any_matches(&entry.path(), rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_any_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("brcm")).unwrap();
        std::fs::write(dir.path().join("brcm/fmac43-sdio.bin.xz"), "").unwrap();
        for (name, expected) in [
            ("brcm/fmac43-sdio.bin", true),
            ("brcm/fmac*-sdio.bin", true),
            ("brcm/fmac*-sdio.*.bin", false),
            ("*/fmac*", true),
            ("brcm*", true),
            ("brcm?", false),
            ("brcm/fmac44-sdio.bin", false),
        ] {
            assert_eq!(is_there(dir.path(), name), expected, "{name}");
        }
    }
}
