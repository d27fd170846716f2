//! Where the boot loaders of other projects are.

use std::path::{Path, PathBuf};

/// The places to look in: those where distributions install a file; or `directory`, and the same places below it, where it is
/// the root of another system or an unpacked package.
pub(super) fn places(directory: Option<&Path>, installed: &[&str]) -> Vec<PathBuf> {
    let Some(directory) = directory else {
        return installed.iter().map(PathBuf::from).collect();
    };
    let below = installed.iter().map(|place| {
        let place = place.strip_prefix('/').unwrap_or(place);
        directory.join(place)
    });
    [directory.to_path_buf()].into_iter().chain(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_may_be_a_root() {
        let installed = ["/usr/lib/ISOLINUX", "/usr/lib/syslinux"];
        assert_eq!(
            places(None, &installed),
            installed.map(PathBuf::from).to_vec()
        );
        let there = places(Some(Path::new("x")), &installed);
        let expected = ["x", "x/usr/lib/ISOLINUX", "x/usr/lib/syslinux"];
        assert_eq!(there, expected.map(PathBuf::from).to_vec());
    }
}
