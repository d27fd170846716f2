//! `kmapc` as a user meets it: files, exit codes, and the exact text on the screen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod bench;

use std::fs;

use bench::{Bench, ESCAPE, gzip};

#[test]
fn a_file_becomes_a_bmap_in_the_current_directory() {
    let bench = Bench::new(&[("maps/i386/es.kmap.gz", &gzip(ESCAPE)), ("us.map", ESCAPE)]);
    let outcome = bench.run(&["maps/i386/es.kmap.gz"], b"");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let outcome = bench.run(&["us.map"], b"");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert_eq!(bench.names(), ["es.bmap", "maps", "us.bmap", "us.map"]);
    let written = fs::read(bench.path().join("es.bmap")).unwrap();
    assert_eq!(written.len(), 263 + 256);
    assert_eq!(written[265], 0x1b);
}

#[test]
fn a_name_is_searched_and_several_are_done_at_once() {
    let bench = Bench::new(&[
        ("maps/i386/es.kmap.gz", &gzip(ESCAPE)),
        ("maps/mac/us.map", ESCAPE),
    ]);
    let outcome = bench.run(&["-v", "es", "us"], b"");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(bench.names(), ["es.bmap", "maps", "us.bmap"]);
    assert!(
        outcome
            .stderr
            .contains("wrote us.bmap: 8-bit, 1 tables, 519 bytes\n"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn standard_input_goes_to_standard_output() {
    let bench = Bench::new(&[("part", ESCAPE)]);
    let plain = bench.run(&["-"], b"include \"part\"\n");
    assert_eq!((plain.code, plain.stderr.as_str()), (0, ""));
    assert!(plain.stdout.starts_with(b"bkeymap"));
    let compressed = bench.run(&["-", "-o", "-"], &gzip(ESCAPE));
    assert_eq!(compressed.stdout, plain.stdout);
    let big = bench.run(&["--endian", "big", "-"], ESCAPE);
    assert_eq!(big.stdout[263..267], [0x02, 0x00, 0x00, 0x1b]);
    let file = bench.run(&["-", "-o", "out"], ESCAPE);
    assert_eq!((file.code, file.stdout.len()), (0, 0));
    assert_eq!(bench.names(), ["out", "part"]);
}

#[test]
fn automatic_mode_says_why_it_took_unicode() {
    let bench = Bench::new(&[(
        "ru.map",
        b"keycode 30 = cyrillic_small_letter_a\nkeycode 31 = U+0431\n",
    )]);
    let outcome = bench.run(&["ru.map"], b"");
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.stderr,
        "note: compiled in Unicode mode: unknown keysym `cyrillic_small_letter_a` in 8-bit mode (ru.map:1:14)\n"
    );
    assert_eq!(bench.run(&["-q", "ru.map"], b"").stderr, "");
    assert_eq!(bench.run(&["-u", "ru.map"], b"").stderr, "");
    let bench = Bench::new(&[("ru.map", b"keycode 31 = U+0431\n")]);
    assert_eq!(
        bench.error(&["-8", "ru.map"], 1),
        "\
error: U+0431 (`cyrillic_small_letter_be`) has no byte in iso-8859-1
 --> ru.map:1:14
  |
1 | keycode 31 = U+0431
  |              ^^^^^^
  |
  = help: this map needs Unicode; remove `-8`
"
    );
}

#[test]
fn a_missing_keymap_says_where_it_was_looked_for() {
    let bench = Bench::new(&[("maps/i386/de-latin1.kmap.gz", ESCAPE)]);
    let maps = bench.path().join("maps");
    assert_eq!(
        bench.error(&["de_latin1"], 1),
        "error: cannot find a keymap `de_latin1`\n |\n = help: did you mean `de-latin1`?\n"
    );
    assert_eq!(
        bench.error(&["portuguese"], 1),
        format!(
            "error: cannot find a keymap `portuguese`\n |\n = help: searched in {}\n",
            maps.display()
        )
    );
    // What another path than the usual one lacks says nothing about the machine.
    fs::remove_dir_all(&maps).unwrap();
    assert_eq!(
        bench.error(&["es"], 1),
        format!(
            "error: cannot find a keymap `es`\n |\n = help: searched in {}\n",
            maps.display()
        )
    );
}

#[test]
fn warnings_do_not_stop() {
    let bench = Bench::new(&[("dos.map", b"keycode 1 = Escape\r\nkeycode 200 = a")]);
    let outcome = bench.run(&["dos.map"], b"");
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.stderr,
        "\
warning: lines end with CR LF instead of LF
 --> dos.map:1:19
  |
1 | keycode 1 = Escape
  |                   ^
warning: the last line does not end with a newline
 --> dos.map:2:16
  |
2 | keycode 200 = a
  |                ^
warning: keycode 200 is left out: the binary format ends at 127
 --> dos.map:2:1
  |
2 | keycode 200 = a
  | ^^^^^^^^^^^^^^^
"
    );
}

#[test]
fn nothing_is_written_unless_all_are_right() {
    let bench = Bench::new(&[
        ("a.map", ESCAPE),
        ("b.map", b"x\n"),
        ("es.bmap", b"bkeymap\x00\x01"),
    ]);
    let screen = bench.error(&["a.map", "b.map", "none"], 1);
    assert!(
        screen.contains("unknown keyword `x`") && screen.contains("keymap `none`"),
        "{screen}"
    );
    assert_eq!(
        bench.error(&["es.bmap", "-o", "x"], 1),
        "error: this is a compiled keymap already; `kmapc decompile` makes text of it\n"
    );
}

#[test]
fn the_directory_of_the_outputs_is_made_where_something_goes_into_it() {
    let files: [(&str, &[u8]); 3] = [("a.map", ESCAPE), ("bad.map", b"x\n"), ("file", b"")];
    let bench = Bench::new(&files);
    let out = |path: &str| bench.path().join(path);
    bench.error(&["--out-dir", "new/deep", "a.map", "bad.map"], 1);
    let deps = bench.run(&["--deps", "--out-dir", "new", "a.map"], b"");
    assert_eq!((deps.code, out("new").exists()), (0, false));
    let screen = bench.error(&["--out-dir", "file/new", "a.map"], 3);
    assert!(
        screen.starts_with("error: cannot create `file/new`: "),
        "{screen}"
    );
    // The second time, it is there already.
    for _ in 0..2 {
        let outcome = bench.run(&["--out-dir", "new/deep", "a.map"], b"");
        assert_eq!((outcome.code, &*outcome.stderr), (0, ""));
        assert!(out("new/deep/a.bmap").is_file());
    }
    fs::create_dir(out("empty")).unwrap();
    bench.error(&["--out-dir", "empty", "bad.map"], 1);
}

#[test]
fn usage_errors_have_code_2() {
    let bench = Bench::new(&[("a.map", ESCAPE), ("d/a.map", ESCAPE)]);
    bench.error(&[], 2);
    bench.error(&["-u", "-8", "a.map"], 2);
    bench.error(&["-o", "x", "a.map", "d/a.map"], 2);
    assert_eq!(
        bench.error(&["a.map", "d/a.map"], 2),
        "error: `d/a.map`: `a.bmap` would be written over another output of this run\n"
    );
    assert_eq!(
        bench.error(&["a.map", "-o", "x", "--depfile", "x"], 2),
        "error: `a.map`: `x` would be written over another output of this run\n"
    );
    bench.error(&["a.map", "-o", "x.companion", "--companion"], 2);
    assert_eq!(
        bench.error(&["a.map", "-o", "d/../a.map"], 2),
        "error: `a.map` would be written over itself; name another output with `-o FILE`\n"
    );
    let outcome = bench.run(&["--version"], b"");
    assert_eq!(
        (outcome.code, outcome.stdout),
        (
            0,
            format!("kmapc {}\n", env!("CARGO_PKG_VERSION")).into_bytes()
        )
    );
    assert!(
        bench
            .run(&["--help"], b"")
            .stdout
            .windows(9)
            .any(|text| text == b"Examples:")
    );
}

#[test]
fn every_command_has_examples_and_exit_codes_in_its_help() {
    let bench = Bench::new(&[]);
    let help = |arguments: &[&str]| {
        let outcome = bench.run(arguments, b"");
        assert_eq!(outcome.code, 0, "{arguments:?}");
        String::from_utf8(outcome.stdout).unwrap()
    };
    let whole = help(&["--help"]);
    assert!(whole.contains("\n  kmapc es  "), "{whole}");
    for command in ["check", "decompile", "diff", "show", "type", "xkb"] {
        let text = help(&[command, "--help"]);
        assert!(
            text.contains(&format!("\nExamples:\n  kmapc {command} ")),
            "{text}"
        );
        let (_, codes) = text.split_once("\nExit codes: 0 ").unwrap();
        for code in [" 1 ", " 2 ", "3 the"] {
            assert!(codes.contains(code), "{command}: {codes}");
        }
    }
    // The paragraphs behind the options are set for 100 columns, and filled.
    let (_, behind) = whole.split_once("Names are searched").unwrap();
    let paragraph: Vec<&str> = behind.split("\n\n").next().unwrap().lines().collect();
    let (_, full) = paragraph.split_last().unwrap();
    for line in full.iter().skip(1) {
        assert!((80..=100).contains(&line.len()), "{line}");
    }
}

#[test]
fn the_machine_at_fault_is_code_3() {
    let bench = Bench::new(&[("a.map", ESCAPE)]);
    let screen = bench.error(&["a.map", "-o", "none/a.bmap"], 3);
    assert!(
        screen.starts_with("error: cannot write `none/a.bmap`: "),
        "{screen}"
    );
    let outcome = bench.run(&["a.map", "-o", "/dev/full"], b"");
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
}

#[test]
fn an_empty_file_is_an_empty_keymap() {
    let bench = Bench::new(&[("empty", b"")]);
    let outcome = bench.run(&["empty", "-o", "-"], b"");
    assert_eq!(
        (outcome.code, outcome.stdout.len(), outcome.stderr.as_str()),
        (0, 263, "")
    );
}

#[test]
fn advice_about_the_mode_is_given_once() {
    let bench = Bench::new(&[("ru.map", b"keycode 31 = U+0431\nkeycode 32 = U+0432\n")]);
    for arguments in [&["-8", "ru.map"][..], &["check", "-8", "ru.map"]] {
        let screen = bench.run(arguments, b"").stderr;
        assert_eq!(screen.matches("error: ").count(), 2, "{screen}");
        assert_eq!(screen.matches("remove `-8`").count(), 1, "{screen}");
    }
}

#[test]
fn what_is_not_shown_is_counted() {
    let bench = Bench::new(&[("bad.map", &b"x\n".repeat(30))]);
    let screen = bench.error(&["bad.map", "-o", "x"], 1);
    assert!(
        screen.ends_with("\nand 10 more errors; `kmapc check` shows them\n"),
        "{screen}"
    );
    let screen = bench.run(&["check", "bad.map"], b"");
    assert_eq!(screen.stderr.matches("error: ").count(), 30);
}

/// The installed keymap comes first, the one of the current directory where there is none.
#[test]
fn a_bare_name_is_completed_here_where_nothing_is_installed() {
    let bench = Bench::new(&[
        ("maps/es.map", b"keycode 1 = Escape\n"),
        ("es.map", b"keycode 1 = Tab\n"),
        ("c.kmap", b"keycode 1 = Tab\n"),
    ]);
    let first = |name: &str| {
        let outcome = bench.run(&[name, "-o", "-"], b"");
        (outcome.stdout.get(265).copied(), outcome.stderr)
    };
    let note = format!(
        "note: `es` is `{}`; `./es.map` takes the one here\n",
        bench.path().join("maps/es.map").display()
    );
    assert_eq!(first("es"), (Some(0x1b), note));
    assert_eq!(first("./es"), (Some(0x09), String::new()));
    assert_eq!(first("c"), (Some(0x09), String::new()));
}

#[test]
fn a_command_behind_options_is_no_keymap() {
    let bench = Bench::new(&[("us.map", ESCAPE)]);
    for arguments in [&["-u", "show", "us.map"][..], &["--json", "show", "us.map"]] {
        let screen = bench.error(arguments, 2);
        assert!(
            screen.contains("options stand behind it, as in `kmapc show"),
            "{screen}"
        );
    }
    let help = bench.run(&["help"], b"");
    assert_eq!(
        (help.code, &help.stdout),
        (0, &bench.run(&["--help"], b"").stdout)
    );
}

#[test]
fn one_stream_holds_one_result() {
    let bench = Bench::new(&[("a.map", ESCAPE), ("b.map", ESCAPE)]);
    let cases: [(&[&str], &str); 6] = [
        (&["-", "-"], "standard input can be only one of the keymaps"),
        (
            &["diff", "-", "-"],
            "standard input can be only one of the keymaps",
        ),
        (
            &["check", "-", "-"],
            "standard input can be only one of the keymaps",
        ),
        (
            &["--mktable", "a.map", "b.map"],
            "`--merge` makes one keymap of all",
        ),
        (
            &["-", "--depfile", "d"],
            "--depfile names the file that is made",
        ),
        (
            &["decompile", "a.map", "-o", "./a.map"],
            "would be written over itself",
        ),
    ];
    for (arguments, message) in cases {
        let screen = bench.error(arguments, 2);
        assert!(screen.contains(message), "{arguments:?}: {screen}");
    }
    let merged = bench.run(&["--mktable", "--merge", "a.map", "b.map"], b"");
    assert_eq!(merged.code, 0, "{}", merged.stderr);
}

#[test]
fn names_of_files_do_not_steer_the_terminal() {
    let name = "a\u{1b}[31m.map";
    let bench = Bench::new(&[(name, ESCAPE), ("x.bmap", b"bkeymap\x02")]);
    fs::rename(
        bench.path().join("x.bmap"),
        bench.path().join("\u{1b}.bmap"),
    )
    .unwrap();
    let commands: [&[&str]; 4] = [
        &["check", name],
        &["-v", name],
        &[name, "-o", name],
        &["show", "\u{1b}.bmap"],
    ];
    for command in commands {
        let outcome = bench.run(command, b"");
        let stdout = String::from_utf8(outcome.stdout).unwrap();
        let screen = stdout + &outcome.stderr;
        assert!(
            !screen.contains('\u{1b}') && screen.contains('␛'),
            "{command:?}: {screen}"
        );
    }
}

#[test]
fn a_compiled_keymap_is_told_once() {
    let bench = Bench::new(&[("es.bmap", b"bkeymap\x00\x01\n\x02")]);
    let outcome = bench.run(&["check", "es.bmap"], b"");
    assert_eq!(
        outcome.stderr,
        "error: this is a compiled keymap already; `kmapc decompile` makes text of it\n"
    );
}

#[test]
fn what_is_included_and_is_no_file_is_told_so() {
    let bench = Bench::new(&[
        ("in.map", b"include \"d\"\ninclude \"none\"\n"),
        ("d/x", b""),
    ]);
    let screen = bench.error(&["in.map", "-o", "x"], 1);
    assert!(
        screen.contains("cannot read `./d`: it is a directory"),
        "{screen}"
    );
    assert_eq!(screen.matches("searched in .,").count(), 1, "{screen}");
    assert!(
        !screen.contains(", .,") && !screen.contains(", ./\n"),
        "{screen}"
    );
}

#[test]
fn a_keymap_that_is_wrong_is_told_as_data_where_that_is_asked_for() {
    let bench = Bench::new(&[("bad.map", b"x\n"), ("damaged.bmap", b"bkeymap\x00")]);
    for keymap in ["bad.map", "damaged.bmap", "none"] {
        for (arguments, code) in [
            (&["show", "--json", keymap][..], 1),
            (&["type", "--json", keymap, "x"], 1),
            (&["diff", "--json", keymap, "bad.map"], 2),
        ] {
            let outcome = bench.run(arguments, b"");
            assert_eq!(
                (outcome.code, &*outcome.stderr),
                (code, ""),
                "{arguments:?}"
            );
            let told: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
            assert_eq!(told["keymap"], keymap);
            assert_eq!(told["diagnostics"][0]["severity"], "error");
        }
    }
}

#[test]
fn show_says_what_it_leaves_out() {
    let text = "keymaps 0-1,16\nkeycode 44 = z Z U+044f\nkeycode 58 = ShiftL_Lock\n";
    let bench = Bench::new(&[("two.map", text.as_bytes()), ("one.map", ESCAPE)]);
    assert_eq!(
        bench.run(&["show", "two.map"], b"").stderr,
        "note: not in the picture: the characters of map 16 and its like, after ShiftL_Lock (key Caps Lock (58)); `--json` has them\n"
    );
    assert_eq!(bench.run(&["show", "one.map"], b"").stderr, "");
}

#[test]
fn the_keypads_enter_is_told_and_enter_is_the_way_to_type_a_line_feed() {
    let bench = Bench::new(&[
        ("keypad.map", b"keycode 96 = KP_Enter\n"),
        ("us.map", b"keymaps 0,4\nkeycode 28 = Return\nkeycode 29 = Control\ncontrol keycode 36 = Linefeed\n"),
    ]);
    let screen = bench.run(&["check", "keypad.map"], b"").stderr;
    assert!(
        screen.contains("warning: no key but the keypad's gives Enter\n"),
        "{screen}"
    );
    let typed = bench.run(&["type", "us.map", "\n"], b"").stdout;
    assert_eq!(String::from_utf8(typed).unwrap(), "   key Enter (28)\n");
}

const RED: &str = "\u{1b}[91m";

#[test]
fn every_command_colours_errors_where_that_is_asked_for() {
    let bench = Bench::new(&[("bad.map", b"x\n")]);
    let commands: [&[&str]; 6] = [
        &["bad.map"],
        &["check", "bad.map"],
        &["decompile", "bad.map"],
        &["diff", "bad.map", "bad.map"],
        &["show", "bad.map"],
        &["type", "bad.map", "x"],
    ];
    for command in commands {
        for (when, colored) in [("always", true), ("never", false), ("auto", false)] {
            let arguments = [command, &["--color", when]].concat();
            let screen = bench.run(&arguments, b"").stderr;
            assert!(
                screen.contains("unknown keyword `x`"),
                "{command:?}: {screen}"
            );
            assert_eq!(
                screen.contains(RED),
                colored,
                "{command:?} {when}: {screen}"
            );
        }
    }
}

/// `script` of util-linux gives a command a terminal.
#[test]
fn a_terminal_gets_colours_unless_no_color_is_set() {
    let bench = Bench::new(&[("bad.map", b"x\n")]);
    let on_terminal = |variable: &str| {
        let kmapc = env!("CARGO_BIN_EXE_kmapc");
        let output = std::process::Command::new("script")
            .args(["-qec", &format!("{kmapc} bad.map"), "/dev/null"])
            .current_dir(bench.path())
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .env(variable, "1")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(on_terminal("NOTHING").contains(RED));
    let plain = on_terminal("NO_COLOR");
    assert!(
        plain.contains("unknown keyword `x`") && !plain.contains('\u{1b}'),
        "{plain}"
    );
}

#[test]
fn a_text_from_standard_input_is_looked_up_in_both_modes() {
    let bench = Bench::new(&[]);
    let outcome = bench.run(&["type", "-8", "-", "€"], b"keycode 31 = U+20ac\n");
    assert_eq!(outcome.code, 1);
    assert_eq!(
        String::from_utf8(outcome.stdout).unwrap(),
        "€  cannot be typed; in Unicode mode (-u) it can\n"
    );
}

#[test]
fn a_full_standard_error_changes_nothing() {
    let bench = Bench::new(&[("ru.map", b"keycode 31 = U+0431\n"), ("bad.map", b"x\n")]);
    let code = |input: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_kmapc"))
            .arg(input)
            .current_dir(bench.path())
            .stderr(fs::File::options().write(true).open("/dev/full").unwrap())
            .status()
            .unwrap()
            .code()
    };
    assert_eq!(code("ru.map"), Some(0));
    assert!(bench.path().join("ru.bmap").is_file());
    assert_eq!(code("bad.map"), Some(1));
}
