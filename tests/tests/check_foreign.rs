//! Images by mkinitramfs and dracut: our list is lsinitramfs's, and the check gives no false alarm.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use tests::environment::{command, has};
use tests::foreign::{Foreign, images};

static IMAGES: LazyLock<Option<Foreign>> = LazyLock::new(images);

fn packager(arguments: &[&Path]) -> Output {
    command("packager").args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_names_are_those_of_lsinitramfs() {
    let Some(foreign) = IMAGES.as_ref().filter(|_| has(&["lsinitramfs"])) else {
        return;
    };
    for image in &foreign.images {
        let theirs = Command::new("lsinitramfs").arg(image).output().unwrap();
        assert!(theirs.status.success() && theirs.stdout.len() > 1000);
        let ours = packager(&["list".as_ref(), "--names".as_ref(), image]);
        assert_eq!(stdout(&ours), stdout(&theirs), "{}", image.display());
    }
}

/// What both leave out on purpose is a warning: firmware that no machine here asks for, and sd_mod, which initramfs-tools takes only
/// if it is listed.
#[test]
fn the_check_finds_nothing_wrong() {
    let Some(foreign) = &*IMAGES else { return };
    for image in &foreign.images {
        let output = packager(&[
            "check".as_ref(),
            image,
            "--json".as_ref(),
            "--root".as_ref(),
            &foreign.root,
        ]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = json["findings"].as_array().unwrap().iter();
        let codes: Vec<_> = findings.map(|finding| &finding["code"]).collect();
        assert!(
            codes
                .iter()
                .all(|code| *code == "missing-firmware" || *code == "no-disk-driver"),
            "{}: {}",
            image.display(),
            stdout(&output)
        );
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains(" modules of kernel 6.1"));
    }
}

#[test]
fn every_other_command_reads_them() {
    let Some(foreign) = &*IMAGES else { return };
    let folder = tempfile::tempdir().unwrap();
    for (number, image) in foreign.images.iter().enumerate() {
        let out = folder.path().join(number.to_string());
        let picture = folder.path().join("size.svg");
        for arguments in [
            &["extract".as_ref(), image.as_path(), &out][..],
            &["cat".as_ref(), image, "init".as_ref()],
            &["size".as_ref(), image, "--svg".as_ref(), &picture],
            &["diff".as_ref(), image, image],
        ] {
            let output = packager(arguments);
            assert!(
                output.status.success(),
                "{arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        assert!(out.join("init").exists());
    }
    let (zstd, gzip) = (&foreign.images[0], &foreign.images[1]);
    let difference = packager(&["diff".as_ref(), zstd, gzip]);
    assert!(
        stdout(&difference).starts_with("~ segments: zstd -> gzip\n"),
        "{}",
        stdout(&difference)
    );
}
