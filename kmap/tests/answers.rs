//! What `kmapc` answers about a keymap: how to type, what differs, in which mode it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "other tests use the rest of it")]
mod bench;

use bench::Bench;

fn answer(bench: &Bench, arguments: &[&str]) -> (i32, String) {
    let outcome = bench.run(arguments, b"");
    (outcome.code, String::from_utf8(outcome.stdout).unwrap())
}

#[test]
fn type_names_the_keys_that_give_the_modifiers() {
    let two_layouts = "keymaps 0-1,8,16\nkeycode 42 = Shift\nkeycode 56 = Alt\nkeycode 44 = z Z Meta_z U+044f\n\
                       alt keycode 42 = ShiftL_Lock\nshiftl keycode 42 = ShiftL_Lock\n";
    let moved = "keymaps 0-3\nkeycode 58 = Shift\nkeycode 56 = SAltGr\nkeycode 3 = a A U+00e9\n";
    let capitals = "keymaps 0-1\nkeycode 58 = Caps_Lock\nkeycode 30 = +a +A\nkeycode 3 = two at\n";
    let behind_lock = "keymaps 0,2\nkeycode 18 = e x\nkeycode 40 = j dead_acute\nkeycode 58 = AltGr_Lock AltGr_Lock\n";
    let caps_on = "keymaps 0-1,4\nkeycode 3 = +a +quotedbl\nkeycode 18 = +e +E\nkeycode 127 = Compose\n\
                   keycode 58 = Caps_On\nplain keycode 29 = Control\ncontrol keycode 54 = CapsShift\n";
    let cases = [
        (
            behind_lock,
            "é",
            0,
            "é  key ' (40) after AltGr_Lock (key Caps Lock (58)), then key E (18) after AltGr_Lock (key Caps Lock (58))\n\
             AltGr_Lock stays on until it is pressed again\n",
        ),
        (
            caps_on,
            "ë",
            0,
            "ë  key Menu (127), then key 2 (3) after Caps_On (key Caps Lock (58)), then key E (18) after CapsShift \
             (Ctrl+key right Shift (54))\nCaps_On stays on until Caps_Lock or CapsShift is pressed\n",
        ),
        (
            two_layouts,
            "яZ",
            0,
            "я  key Z (44) after ShiftL_Lock (Alt+key Shift (42))\nZ  Shift+key Z (44)\n\
             ShiftL_Lock stays on until it is pressed again\n",
        ),
        (
            moved,
            "Aé",
            0,
            "A  key Caps Lock (58)+key 2 (3)\né  key Alt (56), then key 2 (3)\n",
        ),
        (
            capitals,
            "A@",
            1,
            "A  key A (30) after Caps_Lock (key Caps Lock (58))\n@  cannot be typed\n\
             Caps_Lock stays on until it is pressed again\n",
        ),
    ];
    for (text, wanted, code, screen) in cases {
        let bench = Bench::new(&[("in.map", text.as_bytes())]);
        let found = answer(&bench, &["type", "-u", "in.map", wanted]);
        assert_eq!(found, (code, screen.to_owned()), "{text}");
    }
}

/// What only the text's compose rules make possible is gone from the binary keymap.
#[test]
fn type_answers_for_the_binary_keymap() {
    let text = "keycode 46 = c C\nkeycode 13 = dead_caron\nkeycode 42 = Shift\ncompose '^' 'C' to U+010c\n";
    let bench = Bench::new(&[("cz.map", text.as_bytes())]);
    bench.run(&["-u", "cz.map"], b"");
    let (code, screen) = answer(&bench, &["type", "cz.bmap", "Č"]);
    assert_eq!((code, &*screen), (1, "Č  cannot be typed\n"));
    let (code, screen) = answer(&bench, &["type", "cz.map", "Č"]);
    assert_eq!(code, 1);
    assert_eq!(
        screen,
        "Č  cannot be typed; with the compose rules of the text it can, which `loadkeys` loads and no binary keymap carries\n"
    );
}

#[test]
fn diff_tells_whether_a_key_is_a_letter() {
    let bench = Bench::new(&[
        ("plain.map", b"keycode 30 = 0x61\nplain keycode 30 = 0x61\n"),
        ("letter.map", b"plain keycode 30 = +a\n"),
        ("other.map", b"plain keycode 30 = a\n"),
    ]);
    let found = answer(&bench, &["diff", "other.map", "letter.map"]);
    let screen = "key A (30)\n  plain         a, which Caps Lock leaves alone -> a, which Caps Lock changes\n";
    assert_eq!(found, (1, screen.to_owned()));
    assert_eq!(
        answer(&bench, &["diff", "plain.map", "letter.map"]),
        (0, String::new())
    );
}

/// The first line of a decompiled keymap names its mode, and only the first line of the main file counts.
#[test]
fn a_decompiled_keymap_is_compiled_in_its_own_mode() {
    let bench = Bench::new(&[
        ("es.map", b"keymaps 0-1\nkeycode 39 = ntilde Ntilde\n"),
        (
            "second.map",
            b"\n# compile with: kmapc -u\nkeycode 39 = ntilde\n",
        ),
        (
            "words.map",
            b"# compile with: kmapc -us\nkeycode 39 = ntilde\n",
        ),
        ("part", b"# compile with: kmapc -u\nkeycode 39 = ntilde\n"),
        ("whole.map", b"include \"part\"\n"),
    ]);
    let bytes = |arguments: &[&str]| bench.run(arguments, b"").stdout;
    let code = |bytes: &[u8]| bytes[263 + 2 * 39..][..2].to_vec();
    for mode in ["-u", "-8"] {
        let binary = bytes(&[mode, "es.map", "-o", "-"]);
        bench.run(&[mode, "es.map", "-o", "es.bmap"], b"");
        bench.run(&["decompile", "es.bmap", "-o", "again.map"], b"");
        assert_eq!(bytes(&["again.map", "-o", "-"]), binary, "{mode}");
        assert_ne!(
            bytes(&["-u", "again.map", "-o", "-"]),
            bytes(&["-8", "again.map", "-o", "-"])
        );
    }
    for name in ["second.map", "words.map", "whole.map"] {
        assert_eq!(code(&bytes(&[name, "-o", "-"])), [0xf1, 0x00], "{name}");
    }
    assert_eq!(code(&bytes(&["part", "-o", "-"])), [0xf1, 0xf0]);
    let (_, header) = answer(&bench, &["decompile", "--endian", "big", "-u", "es.map"]);
    assert!(
        header.starts_with("# compile with: kmapc -u --endian big\nkeymaps 0-1\n"),
        "{header}"
    );
}

#[test]
fn type_reads_the_text_from_standard_input() {
    let bench = Bench::new(&[(
        "us.map",
        b"keycode 12 = minus\nkeycode 28 = Return\nkeycode 30 = a\n",
    )]);
    let typed = |arguments: &[&str], stdin: &[u8]| {
        let outcome = bench.run(&[&["type"], arguments].concat(), stdin);
        let stdout = String::from_utf8(outcome.stdout).unwrap();
        (outcome.code, stdout, outcome.stderr)
    };
    let (dash, a, enter) = ("-  key - (12)\n", "a  key A (30)\n", "   key Enter (28)\n");
    let cases: [(&[u8], String); 6] = [
        (b"a-\n", format!("{a}{dash}")),
        (b"a-", format!("{a}{dash}")),
        (b"a\n\na", format!("{a}{enter}{enter}{a}")),
        (b"a\n\n", format!("{a}{enter}")),
        (b"-\n", dash.into()),
        (b"", String::new()),
    ];
    for (stdin, screen) in cases {
        let found = typed(&["us.map", "-"], stdin);
        assert_eq!(
            found,
            (0, screen, String::new()),
            "{}",
            stdin.escape_ascii()
        );
    }
    let (code, told, _) = typed(&["--json", "us.map", "-"], b"a\n");
    assert_eq!(code, 0);
    assert_eq!(told.matches("\"character\"").count(), 1, "{told}");
    let long = [b'a'; (128 << 10) + 1];
    let wrong: [(&[&str], &[u8], i32, &str); 3] = [
        (
            &["-", "-"],
            b"",
            2,
            "error: standard input can be the keymap or the text, but not both\n",
        ),
        (
            &["us.map", "-"],
            b"a\xff\n",
            1,
            "error: the text on standard input is not UTF-8: invalid utf-8 sequence of 1 bytes from index 1\n",
        ),
        (
            &["us.map", "-"],
            &long,
            1,
            "error: the text on standard input has more than 131072 bytes\n",
        ),
    ];
    for (arguments, stdin, code, error) in wrong {
        assert_eq!(typed(arguments, stdin), (code, String::new(), error.into()));
    }
}

/// The byte order of each file is found out by itself.
#[test]
fn a_big_endian_keymap_is_told_as_one() {
    let text = b"keymaps 0-1\nkeycode 30 = a A\nkeycode 39 = ntilde Ntilde\n";
    let bench = Bench::new(&[("es.map", text)]);
    for order in ["little", "big"] {
        let output = format!("{order}.bmap");
        let outcome = bench.run(&["-u", "--endian", order, "es.map", "-o", &output], b"");
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    }
    let note = "note: `big.bmap` is read as a big-endian keymap, since it makes sense only so; `--endian` says which it is\n";
    let questions: [(&[&str], &str); 4] = [
        (&["decompile"], "# compile with: kmapc -u --endian big\n"),
        (&["show"], ""),
        (&["diff", "little.bmap"], ""),
        (&["type"], "ñ  key ; (39)\n"),
    ];
    for (question, begin) in questions {
        let behind: &[&str] = if question == ["type"] { &["ñ"] } else { &[] };
        let arguments = [question, &["big.bmap"], behind].concat();
        let outcome = bench.run(&arguments, b"");
        assert_eq!((outcome.code, &*outcome.stderr), (0, note), "{question:?}");
        let quiet = bench.run(&[&arguments[..], &["-q"]].concat(), b"");
        assert_eq!((quiet.code, quiet.stdout), (0, outcome.stdout.clone()));
        assert_eq!(quiet.stderr, "", "{question:?}");
        let asked = bench.run(&[&arguments[..], &["--endian", "big"]].concat(), b"");
        let same = question[0] != "diff";
        assert_eq!(asked.stdout == outcome.stdout, same, "{question:?}");
        assert_eq!(asked.stderr, "");
        let told = String::from_utf8(outcome.stdout).unwrap();
        match question {
            ["show"] => assert!(told.contains('ñ'), "{told}"),
            _ => assert!(told.starts_with(begin), "{told}"),
        }
    }
    let outcome = bench.run(&["decompile", "little.bmap"], b"");
    assert_eq!((outcome.code, outcome.stderr), (0, String::new()));
    // What decompile writes compiles to the same bytes with what its first line says.
    bench.run(&["decompile", "big.bmap", "-o", "again.map"], b"");
    let again = bench.run(&["--endian", "big", "again.map", "-o", "-"], b"");
    assert_eq!(
        again.stdout,
        std::fs::read(bench.path().join("big.bmap")).unwrap()
    );
}

/// `charset "iso-8859-1"` ends Unicode mode.
#[test]
fn the_mode_that_is_told_is_the_one_of_the_codes() {
    let bench = Bench::new(&[("nl.map", b"charset \"iso-8859-1\"\nkeycode 30 = eacute\n")]);
    let (_, told) = answer(&bench, &["-u", "--json", "nl.map"]);
    assert!(told.contains("\"mode\": \"8-bit\""), "{told}");
    let (_, told) = answer(&bench, &["check", "-u", "nl.map"]);
    assert!(told.contains("nl.map  8-bit"), "{told}");
}

#[test]
fn json_has_the_place_in_the_text_that_it_prints() {
    let bench = Bench::new(&[
        ("in.map", b"include \"middle\"\n"),
        ("middle", b"include \"inner\"\n"),
        ("inner", b"string F1 = \"\xe9\xe9\" x\n"),
    ]);
    let (_, told) = answer(&bench, &["--json", "in.map", "-o", "x"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let place = &told[0]["diagnostics"][0]["place"];
    let offset =
        |index: usize| usize::try_from(place["underline"][index].as_u64().unwrap()).unwrap();
    let text = place["text"].as_str().unwrap();
    assert_eq!(&text[offset(0)..offset(1)], "x", "{place}");
    let chain: Vec<&str> = place["included_from"]
        .as_array()
        .unwrap()
        .iter()
        .map(|from| from["file"].as_str().unwrap())
        .collect();
    assert_eq!(chain, ["./middle", "in.map"]);
}

#[test]
fn c_source_has_the_keycodes_that_the_binary_format_lacks() {
    let bench = Bench::new(&[("in.map", b"keycode 130 = a\nkeycode 300 = a\n")]);
    let left_out = |arguments: &[&str]| -> Vec<String> {
        let screen = bench.run(arguments, b"").stderr;
        let titles = screen.lines().filter(|line| line.starts_with("warning"));
        titles.map(str::to_owned).collect()
    };
    let kernel = "warning: keycode 300 is left out: the kernel's end at 255";
    assert_eq!(left_out(&["--mktable", "in.map"]), [kernel]);
    let binary = "warning: keycode 130 is left out: the binary format ends at 127";
    assert_eq!(left_out(&["in.map", "-o", "x"]), [binary, kernel]);
}

/// A line is void where a later one leaves nothing of it, and only there.
#[test]
fn a_line_without_effect_is_told() {
    let cases: [(&str, &[&str]); 8] = [
        ("keycode 30 = a\nkeycode 30 = b\n", &["line 1"]),
        ("keycode 30 = a b c\nkeycode 30 = d e\n", &[]),
        ("keycode 30 = a b c\nkeycode 30 = d e f\n", &["line 1"]),
        ("shift keycode 32 = X\nkeycode 32 = d\n", &["line 1"]),
        (
            "shift keycode 32 = X\nkeycode 32 = d\nshift keycode 32 = Y\n",
            &["line 1"],
        ),
        ("keycode 32 = d\nshift keycode 32 = X\n", &[]),
        ("keycode 30 = b\nkeycode 30 = a A\n", &[]),
        (
            "shift keycode 2 = X\nplain keycode 2 = x\nkeycode 2 = Escape\nkeycode 2 = Tab\n",
            &["line 1", "line 2", "line 3"],
        ),
    ];
    for (text, expected) in cases {
        let bench = Bench::new(&[("in.map", text.as_bytes())]);
        let screen = bench.run(&["check", "in.map"], b"").stderr;
        let found: Vec<&str> = screen
            .lines()
            .filter_map(|line| {
                line.strip_prefix("  = help: ")?
                    .strip_suffix(" has no effect")
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}

/// Each name with the file that `kmapc NAME` would compile; one that a command hides is told.
#[test]
fn keymaps_are_listed_with_their_files() {
    let text = b"keycode 30 = a A\n";
    let bench = Bench::new(&[
        ("maps/i386/es.kmap", text),
        ("maps/mac/es.kmap", text),
        ("maps/mac/list.map", text),
    ]);
    let all = ["list", "--search-path", "maps*"];
    let outcome = bench.run(&all, b"");
    let listed = "es    maps/i386/es.kmap\nlist  maps/mac/list.map\n";
    assert_eq!(String::from_utf8(outcome.stdout).unwrap(), listed);
    let note = "note: `list` is a keymap, too; `kmapc maps/mac/list.map` compiles it\n";
    assert_eq!((outcome.code, &*outcome.stderr), (0, note));
    let one = bench.run(&[&all[..], &["-q", "ES"]].concat(), b"");
    assert_eq!((one.code, &*one.stderr), (0, ""));
    assert_eq!(one.stdout, b"es  maps/i386/es.kmap\n");
    let none = bench.run(&[&all[..], &["-q", "--json", "fr"]].concat(), b"");
    assert_eq!((none.code, &*none.stdout), (1, &b"[]\n"[..]));
    assert_eq!(none.stderr, "error: no keymap has `fr` in its name\n");
    bench.error(&["list", "--search-path", "none"], 1);
}
