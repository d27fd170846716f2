//! What is built is checked by its plan, and not by its bytes: both say the same, and the bytes are those of the plan.

use packager::compression::Compression;
use packager::cpio::Options;
use packager::inspect::check::Booted;
use packager::recipe::Segments;
use packager::timing::Timings;
use packager::{Initramfs, Plan, Recipe};
use tests::root::{plan, small_root};

/// Something that is wrong with an image, and does it to a plan.
type Fault = (&'static str, fn(&mut Plan));

const FAULTS: [Fault; 7] = [
    ("nothing", |_| {}),
    ("a damaged keymap", |plan| {
        plan.file("etc/keymap.bmap", 0o644, b"no keymap".to_vec(), "");
    }),
    ("an init that cannot be run", |plan| {
        let init = plan.get("init").unwrap().data.to_vec();
        plan.file("init", 0o644, init, "");
    }),
    ("a command that is not there", |plan| {
        plan.file("init", 0o755, b"#!/bin/sh\nnonesuch\n".to_vec(), "");
    }),
    ("a damaged module", |plan| {
        let path = module(plan, "/vfat.ko");
        let bytes = plan.get(&path).unwrap().data.to_vec();
        plan.file(&path, 0o644, bytes[..bytes.len() / 2].to_vec(), "");
    }),
    ("a module in the list that is not there", |plan| {
        plan.file("etc/modules", 0o644, b"nonesuch\n".to_vec(), "");
    }),
    ("links to nowhere and a missing interpreter", |plan| {
        plan.symlink("etc/nowhere", "../none", "");
        plan.file("etc/script", 0o755, b"#!/bin/nonesuch\n".to_vec(), "");
    }),
];

fn module(plan: &Plan, suffix: &str) -> String {
    let mut paths = plan.items().map(|(path, _)| path);
    paths.find(|path| path.ends_with(suffix)).unwrap().into()
}

#[test]
fn the_check_of_a_plan_is_that_of_its_bytes() {
    let Some(root) = small_root() else { return };
    let mut seen = Vec::new();
    for (what, fault) in FAULTS {
        let mut plan = plan(root.path());
        fault(&mut plan);
        let booted = Booted {
            version: Some(&plan.version),
            config: plan.config.as_ref(),
        };
        let image = Initramfs::new(&plan, &Recipe::default(), &mut Timings::default()).unwrap();
        let findings = |report: packager::finding::Report| -> Vec<String> {
            report.findings.iter().map(ToString::to_string).collect()
        };
        let by_plan = findings(plan.check(&Recipe::default(), booted).unwrap());
        assert_eq!(by_plan, findings(image.check(booted)), "{what}");
        assert!(!seen.contains(&by_plan), "{what} shows: {by_plan:?}");
        seen.push(by_plan);
    }
}

/// Whatever way the image takes: in pieces, in segments, compressed in parts.
#[test]
fn the_bytes_are_the_archives_of_the_plan() {
    let Some(root) = small_root() else { return };
    let mut plan = plan(root.path());
    let options = Options {
        alignment: 4096,
        checksums: true,
        ..Options::default()
    };
    for archive in [Options::default(), options] {
        let whole = plan.archive(archive).unwrap();
        for format in [
            None,
            Some(codec::Format::Gzip),
            Some(codec::Format::Lz4Legacy),
        ] {
            let recipe = Recipe {
                segments: Segments::One,
                archive,
                ..Recipe::default()
            };
            let compression = Compression {
                format,
                level: None,
            };
            plan.compression = compression;
            let image = Initramfs::new(&plan, &recipe, &mut Timings::default()).unwrap();
            let expected = compression.apply(whole.clone()).unwrap();
            assert_eq!(image.length(), expected.len());
            assert!(image.to_bytes() == expected, "{format:?} {archive:?}");
            let mut written = Vec::new();
            image.write_to(&mut written).unwrap();
            assert!(written == expected, "{format:?} {archive:?}");
        }
    }
}
