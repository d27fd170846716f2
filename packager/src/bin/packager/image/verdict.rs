//! What `packager check` says of a configuration that is the user's own.

use packager::disk::SparseImage;
use packager::disk::check::{Expected, check, codes};
use packager::finding::{Finding, Severity};

use super::{ImageArgs, Parts};
use crate::report;

impl ImageArgs {
    /// The findings about the boot loaders of an image whose configuration is the user's: it may name files that are copied there
    /// later, so that it is made all the same. Empty for an image's own configuration.
    pub(super) fn verdict(&self, parts: &Parts, image: &SparseImage<'_>) -> String {
        if !self.menu.has_own_config() {
            return String::new();
        }
        let expected = Expected {
            boot_record: parts.syslinux.as_ref().map(|it| it.boot_record),
            ..Expected::default()
        };
        let Ok(report) = check(image, image.length(), expected) else {
            return String::new();
        };
        // What is wrong with the initramfs has been told.
        let is_told = |finding: &&Finding| {
            let is_ours = codes::ALL.contains(&finding.code);
            is_ours && (!self.quiet || finding.code.severity == Severity::Error)
        };
        report::findings(report.findings.iter().filter(is_told))
    }
}
