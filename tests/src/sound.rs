//! A sound image, in which a test makes one fault.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they fail"
)]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use packager::Plan;
use packager::cpio::{Options, Writer};
use packager::inspect::check::{Booted, check};
use packager::kernel::{Kernel, KernelChoice, KernelSource};

use crate::root::{Root, plan, small_root};

/// A plan that nothing is wrong with, and its kernel.
#[derive(Debug)]
pub struct Sound {
    /// The kernel's root.
    pub root: Root,
    /// The kernel.
    pub kernel: Kernel,
    /// The plan, with the Spanish keymap.
    pub plan: Plan,
}

/// One for all tests of a file; none where the kernel or busybox is missing.
pub static SOUND: LazyLock<Option<Sound>> = LazyLock::new(|| {
    let root = small_root()?;
    let source = KernelSource::Root(root.path().into());
    let kernel = Kernel::open(&source, &KernelChoice::Default).expect("a sound image");
    let plan = plan(root.path());
    Some(Sound { root, kernel, plan })
});

impl Sound {
    /// The kernel, for a check.
    pub fn booted(&self) -> Booted<'_> {
        Booted {
            version: Some(self.kernel.version()),
            config: self.kernel.tree.config().expect("a sound image"),
        }
    }

    /// The names of the findings about an image.
    pub fn findings(&self, image: &[u8]) -> BTreeSet<&'static str> {
        check(image, self.booted())
            .findings
            .iter()
            .map(|finding| finding.code.name)
            .collect()
    }

    /// The findings about the plan after a change.
    ///
    /// # Panics
    /// Where it cannot be packed.
    pub fn after(&self, change: impl FnOnce(&mut Plan)) -> BTreeSet<&'static str> {
        let mut plan = self.plan.clone();
        change(&mut plan);
        self.findings(&plan.archive(Options::default()).expect("a sound image"))
    }

    /// The findings about the plan without the one entry whose path ends so.
    ///
    /// # Panics
    /// Where there is none, or more than one.
    pub fn without(&self, suffix: &str) -> BTreeSet<&'static str> {
        self.findings(&self.packed_without(suffix))
    }

    /// The image without the one entry whose path ends so.
    ///
    /// # Panics
    /// Where there is none, or more than one.
    pub fn packed_without(&self, suffix: &str) -> Vec<u8> {
        pack_without(&self.plan, suffix)
    }

    /// The plan as an uncompressed image.
    ///
    /// # Panics
    /// Never: a plan's names and files fit.
    pub fn archive(&self) -> Vec<u8> {
        self.plan
            .archive(Options::default())
            .expect("a sound image")
    }
}

/// A plan as an uncompressed image, without the one entry whose path ends with `suffix`.
///
/// # Panics
/// Where there is none, or more than one.
pub fn pack_without(plan: &Plan, suffix: &str) -> Vec<u8> {
    let mut writer = Writer::new(Options::default());
    let (left_out, kept): (Vec<_>, Vec<_>) =
        plan.items().partition(|(path, _)| path.ends_with(suffix));
    assert_eq!(left_out.len(), 1, "{suffix}");
    for (path, item) in kept {
        writer
            .entry(path.as_bytes(), item.attributes, &item.data)
            .expect("it fits");
    }
    writer.finish()
}
