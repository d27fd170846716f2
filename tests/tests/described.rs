//! What the commands say of themselves: bash completes their lines, groff sets their manual pages.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use packager::cpio::{Attributes, Kind, Options, Writer};
use tests::environment::{command, has, kernel};
use tests::root::small_root;

const COMMANDS: [&str; 3] = ["kmapc", "modtree", "packager"];

/// What bash offers for the last of the line's words, with the script that the command gives to it.
fn completed(words: &[&str]) -> BTreeSet<String> {
    let script = r#"
        name=$1
        source <(COMPLETE=bash "$0") || exit 1
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMP_LINE="$*"
        COMP_LINE=${COMP_LINE// = /=}
        "_complete_$name" "$name" "${@: -1}" "${@: -2:1}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let program = command(words[0]);
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(program.get_program())
        .args(words)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    // bash has a word to say on programmable completion outside an interactive shell, and that alone.
    assert!(
        stderr
            .lines()
            .all(|line| line.contains("not currently executing completion function")),
        "{stderr}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn modules_of_the_kernel_on_the_line_are_completed() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let root = root.to_str().unwrap();
    assert_eq!(
        completed(&["modtree", "closure", "--root", root, "usb-sto"]),
        set(&["usb-storage"])
    );
    assert_eq!(
        completed(&["modtree", "closure", "--root", "=", root, "usb_sto"]),
        set(&["usb_storage"])
    );
    let line = ["packager", "plan", "--root", root, "--modules", "vfat,isof"];
    assert_eq!(completed(&line), set(&["vfat,isofs"]));
    for option in ["-b", "--basedir"] {
        let line = ["packager", "plan", option, root, "--modules", "vfat,isof"];
        assert_eq!(completed(&line), set(&["vfat,isofs"]), "{option}");
    }
}

#[test]
fn commands_options_goals_and_findings_are_completed() {
    assert_eq!(completed(&["packager", "initr"]), set(&["initramfs"]));
    assert_eq!(
        completed(&["packager", "image", "--time"]),
        set(&["--timeout"])
    );
    assert_eq!(
        completed(&["modtree", "closure", "--for", "rootf"]),
        set(&["rootfs:"])
    );
    assert_eq!(
        completed(&["packager", "check", "--explain", "no-trai"]),
        set(&["no-trailer"])
    );
    assert_eq!(completed(&["kmapc", "decomp"]), set(&["decompile"]));
}

#[test]
fn keymaps_of_the_search_path_are_completed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["es.kmap", "es-cp850.kmap.gz", "fr.map"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let path = folder.path().to_str().unwrap();
    assert_eq!(
        completed(&["kmapc", "show", "--search-path", path, "es"]),
        set(&["es", "es-cp850"])
    );
}

#[test]
fn files_of_the_image_on_the_line_are_completed() {
    let Some(root) = small_root() else {
        return;
    };
    let image = root.path().join("image.igz");
    let image = image.to_str().unwrap();
    let packed = root.pack(&["-o", image]);
    assert!(packed.status.success(), "{packed:?}");
    let found = completed(&["packager", "cat", image, "etc/pack"]);
    assert_eq!(found, set(&["etc/packager/"]));
    let found = completed(&["packager", "cat", image, "etc/packager/"]);
    assert!(found.contains("etc/packager/plan.json"), "{found:?}");
}

/// What is on the terminal when these keys have been pressed in a bash that completes our commands' lines.
fn typed(keys: &str, folder: &Path) -> String {
    let setup = COMMANDS.map(|name| {
        let program = command(name).get_program().to_str().unwrap().to_owned();
        format!("source <(COMPLETE=bash {program}); {name}() {{ {program} \"$@\"; }}\n")
    });
    let mut terminal = Command::new("script")
        .args(["-qec", "bash --norc --noprofile", "/dev/null"])
        .current_dir(folder)
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = terminal.stdin.take().unwrap();
    let begin = "bind 'set enable-bracketed-paste off'\n";
    let all = format!("{begin}{}{keys}\nexit\n", setup.concat());
    keyboard.write_all(all.as_bytes()).unwrap();
    let output = terminal.wait_with_output().unwrap();
    drop(keyboard);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An image may come from anywhere, and what bash inserts into a line it also runs.
#[test]
fn names_that_mean_harm_are_quoted() {
    if !has(&["script"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(Options::default());
    let directory = Attributes::of_root(Kind::Directory, 0o755);
    writer.entry(b"e f", directory, b"").unwrap();
    for (name, data) in [
        ("a$(touch harm)", "one"),
        ("b`touch harm`", "two"),
        ("c\ntouch harm", "three"),
        ("d;touch harm", "four"),
        ("e f/g'h\"i", "five"),
    ] {
        let attributes = Attributes::of_root(Kind::File, 0o644);
        let data = format!("holds {data}\n");
        writer
            .entry(name.as_bytes(), attributes, data.as_bytes())
            .unwrap();
    }
    let image = folder.path().join("an image.cpio");
    fs::write(&image, writer.finish()).unwrap();
    for (keys, data) in [
        ("packager cat an\t a\t", "one"),
        ("packager cat \"an\t \"a\t", "one"),
        ("packager cat 'an\t 'a\t", "one"),
        ("packager cat an\\ i\t b\t", "two"),
        ("packager cat ./an\t c\t", "three"),
        ("packager cat an\t \"d\t", "four"),
        ("packager cat an\t e\t\t", "five"),
        ("packager cat an\t /e\\ \t\t", "five"),
    ] {
        let shown = typed(keys, folder.path());
        assert!(
            shown.contains(&format!("holds {data}\r\n")),
            "{keys}: {shown}"
        );
        assert!(!folder.path().join("harm").exists(), "{keys}: {shown}");
    }
}

#[test]
fn what_cannot_be_completed_is_silent_and_what_is_asked_wrongly_is_told() {
    assert_eq!(
        completed(&["packager", "cat", "/nowhere/image", "et"]),
        set(&[""])
    );
    let asked = command("modtree").env("COMPLETE", "tcsh").output().unwrap();
    assert_eq!(asked.status.code(), Some(2));
    let stderr = String::from_utf8(asked.stderr).unwrap();
    assert!(
        stderr.starts_with("error: unknown shell `tcsh`"),
        "{stderr}"
    );
    let asked = command("kmapc").arg("--man").output().unwrap();
    assert_eq!(asked.status.code(), Some(2));
}

#[test]
fn groff_has_nothing_to_say_about_the_manual_pages() {
    if !has(&["groff"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("man1");
    for name in COMMANDS {
        let output = command(name).arg("--man").arg(&dir).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(dir.join(format!("{name}.1")).is_file(), "{name}");
    }
    let mut pages = 0;
    for page in fs::read_dir(&dir).unwrap() {
        let page = page.unwrap().path();
        let text = set_page(&page);
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"] {
            let found = text.lines().any(|line| line == heading);
            assert!(found, "{}: no {heading}", page.display());
        }
        pages += 1;
    }
    // The commands themselves and their subcommands.
    assert!(pages > 30, "{pages}");
    let closure = set_page(&dir.join("modtree-closure.1"));
    assert!(
        closure.contains("\n       modtree closure [OPTIONS] [MODULE]...\n"),
        "{closure}"
    );
    assert!(
        closure.contains("\n       cp $(modtree closure -b /mnt fs-ext4) modules/\n"),
        "{closure}"
    );
}

/// The page as a terminal shows it, without colours; all warnings are on.
fn set_page(page: &Path) -> String {
    let output = Command::new("groff")
        .args(["-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=100n"])
        .arg(page)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "{}",
        page.display()
    );
    String::from_utf8(output.stdout).unwrap()
}
