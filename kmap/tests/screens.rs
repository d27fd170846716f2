//! The exact screen of `kmapc`, a folder a case: `command` holds the arguments, one a line; `screen` what comes out; all
//! other files are the input. `UPDATE_SCREENS=1` rewrites every `screen`; the difference is then reviewed like code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs a case in a copy of its folder, so that what it writes stays out of the sources.
fn screen(case: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(case).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let arguments = fs::read_to_string(case.join("command")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kmapc"))
        .args(arguments.lines())
        .current_dir(folder.path())
        .env("LOADKEYS_KEYMAP_PATH", ".")
        .env_remove("LOADKEYS_INCLUDE_PATH")
        .output()
        .unwrap();
    let mut screen = format!("exit code {}\n", output.status.code().unwrap());
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            screen += &format!("--- {name}\n{}", String::from_utf8_lossy(bytes));
        }
    }
    let mut written: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !case.join(name).exists())
        .collect();
    written.sort();
    for name in written {
        let bytes = fs::read(folder.path().join(&name)).unwrap();
        screen += &match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => format!("--- {name}\n{text}"),
            Ok(text) => format!("--- {name}: {} bytes\n", text.len()),
            Err(error) => format!("--- {name}: {} bytes\n", error.as_bytes().len()),
        };
    }
    screen
}

#[test]
fn every_screen_is_as_recorded() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
    let update = std::env::var_os("UPDATE_SCREENS").is_some();
    let mut count = 0;
    let mut wrong = Vec::new();
    for case in fs::read_dir(cases).unwrap() {
        let case = case.unwrap().path();
        let (found, recorded) = (screen(&case), case.join("screen"));
        count += 1;
        if update {
            fs::write(recorded, found).unwrap();
        } else if fs::read_to_string(recorded).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", case.display()));
        }
    }
    assert!(count > 30, "{count} cases");
    assert!(
        wrong.is_empty(),
        "{} screens differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
