//! `packager check` as people type it: which kernel an initramfs is checked for, and what is said of a file that is none.

use std::fs;
use std::path::Path;
use std::process::Output;

use tests::environment::command;
use tests::sound::SOUND;

fn check(arguments: &[&str]) -> Output {
    let mut packager = command("packager");
    packager.arg("check").args(arguments).output().unwrap()
}

/// The codes of `--json`, and the exit code.
fn codes(image: &Path, arguments: &[&str]) -> (Vec<String>, Option<i32>) {
    let mut all = vec![image.to_str().unwrap(), "--json"];
    all.extend(arguments);
    let output = check(&all);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = json["findings"].as_array().unwrap().iter();
    let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned());
    (codes.collect(), output.status.code())
}

/// The kernel is looked for by what is inside, and what cannot be read is a finding all the same.
#[test]
fn a_damaged_image_is_judged_for_a_kernel_too() {
    let Some(sound) = &*SOUND else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let root = ["--root", sound.root.path().to_str().unwrap()];
    let archive = sound.archive();
    let judge = |bytes: &[u8]| {
        fs::write(&image, bytes).unwrap();
        let with_root = codes(&image, &root);
        assert_eq!(with_root, codes(&image, &[]));
        with_root
    };
    let half = &archive[..archive.len() / 2];
    assert_eq!(judge(half), (vec!["damaged-archive".to_owned()], Some(1)));
    let junk = [&archive, &b"junk"[..]].concat();
    assert_eq!(
        judge(&junk),
        (vec!["junk-behind-archive".to_owned()], Some(0))
    );
}

#[test]
fn modules_of_a_version_that_is_not_there_are_a_finding() {
    let Some(sound) = &*SOUND else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let mut plan = packager::Plan::default();
    let version = sound.kernel.version();
    for (path, item) in sound.plan.items() {
        let path = path.replace(version, "6.1.0-0-other");
        plan.insert(&path, item.attributes, item.data.to_vec(), "");
    }
    fs::write(&image, plan.archive(Default::default()).unwrap()).unwrap();
    let (found, code) = codes(&image, &["--root", sound.root.path().to_str().unwrap()]);
    assert_eq!(found[0], "modules-of-another-kernel");
    assert_eq!(code, Some(1));
}

#[test]
fn that_no_kernel_was_looked_at_is_said() {
    let Some(sound) = &*SOUND else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    fs::write(&image, sound.archive()).unwrap();
    let image = image.to_str().unwrap();
    let said = |arguments: &[&str]| {
        let output = check(arguments);
        String::from_utf8(output.stdout).unwrap()
    };
    // Unless this machine has that very kernel.
    let is_here = Path::new("/lib/modules")
        .join(sound.kernel.version())
        .exists();
    assert_eq!(said(&[image]).contains("no kernel was looked at"), !is_here);
    let root = sound.root.path().to_str().unwrap();
    assert!(!said(&[image, "--root", root]).contains("no kernel was looked at"));
}

#[test]
fn what_is_no_image_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    for (arguments, code, words) in [
        (&[empty.to_str().unwrap()][..], 1, "is empty"),
        (
            &["--explain", "comprssor"],
            2,
            "did you mean `compressor-not-built-in`",
        ),
        (
            &["--explain", "nothing-like-it"],
            2,
            "there are no-boot-signature",
        ),
    ] {
        let output = check(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
}
