//! The shortest input that causes each kind of problem: what the documentation of `DiagnosticKind` promises.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use kmap::{DiagnosticKind as Kind, Mode, Severity, Source, SourceError, SourceText};

/// Every include is the file `a`, which includes itself; `deep` is another file each time.
struct Loops(usize);

impl Source for Loops {
    fn open(&mut self, name: &Path) -> Result<SourceText, SourceError> {
        self.include(name.as_os_str().as_encoded_bytes(), name)
    }

    fn include(&mut self, name: &[u8], _from: &Path) -> Result<SourceText, SourceError> {
        self.0 += 1;
        let name = String::from_utf8_lossy(name);
        Ok(match &*name {
            "deep" => SourceText {
                path: self.0.to_string().into(),
                bytes: b"include \"deep\"\n".to_vec(),
            },
            "empty" => SourceText {
                path: "empty".into(),
                bytes: Vec::new(),
            },
            "many" => SourceText {
                path: "many".into(),
                bytes: b"include \"empty\"\n".repeat(5000),
            },
            _ => SourceText {
                path: "a".into(),
                bytes: b"include \"a\"\n".to_vec(),
            },
        })
    }
}

fn error(text: &[u8], mode: Mode) -> Kind {
    let report = kmap::compile_bytes(text, mode).unwrap_err();
    let [error] = report.errors() else {
        panic!("one error expected: {report}");
    };
    assert_eq!(error.severity(), Severity::Error);
    assert!(error.place.is_some());
    into_kinds(report).remove(0)
}

fn into_kinds(report: kmap::Report) -> Vec<Kind> {
    report
        .into_errors()
        .into_iter()
        .map(|error| error.kind)
        .collect()
}

macro_rules! causes {
    ($text:expr, $pattern:pat) => {
        causes!($text, Mode::EightBit, $pattern)
    };
    ($text:expr, $mode:expr, $pattern:pat) => {
        let text = $text;
        let text: &[u8] = text.as_ref();
        let kind = error(text, $mode);
        assert!(
            matches!(kind, $pattern),
            "{:?}: {kind:?}",
            String::from_utf8_lossy(text)
        );
    };
}

#[test]
fn errors_of_one_text() {
    causes!("include \"x\"\n", Kind::Source(SourceError::NoFiles { .. }));
    causes!("include\n", Kind::IncludeName);
    causes!("*\n", Kind::StrayByte(b'*'));
    causes!("x\n", Kind::UnknownWord { .. });
    causes!(
        "keycode\n",
        Kind::Unexpected {
            found: "the end of the line",
            expected: "a number"
        }
    );
    causes!("keycode 2147483648 =\n", Kind::NumberTooLarge);
    causes!(
        "keycode 1 = U+F000\n",
        Kind::CodePointTooLarge { code_point: 0xf000 }
    );
    causes!("charset \"\n", Kind::OpenString);
    causes!("string F1 = \"\\400\"\n", Kind::OctalTooLarge);
    causes!(
        format!("charset \"{}\"\n", "a".repeat(512)),
        Kind::StringTooLong
    );
    causes!(
        format!("keycode 1 ={}\n", " 0".repeat(4097)),
        Kind::TooManyValues { what: "columns" }
    );
    causes!(
        format!("keymaps {}0\n", "0,".repeat(4096)),
        Kind::TooManyValues { what: "ranges" }
    );
    causes!(
        "\u{feff}keycode 1 = a\n",
        Kind::ByteOrderMark { encoding: "UTF-8" }
    );
    causes!(
        b"\xff\xfek\0e\0y\0\n\0x\0\n\0",
        Kind::ByteOrderMark { encoding: "UTF-16" }
    );
    causes!(
        "keycode 1 = x1\n",
        Kind::UnknownKeysym { unicode: false, .. }
    );
    causes!(
        "keycode 1 = U+0431\n",
        Kind::NotInCharset {
            code_point: 0x431,
            charset: "iso-8859-1",
            ..
        }
    );
    causes!("charset \"x\"\n", Kind::UnknownCharset { .. });
    causes!("string a = \"\"\n", Kind::NotFunctionKey { .. });
    causes!(
        "compose as usual for \"x\"\n",
        Kind::UnknownComposeTable { .. }
    );
    causes!("compose as usual\n".repeat(964), Kind::TooManyRules);
    causes!(
        "keymaps 0\nkeycode 1 = a b\n",
        Kind::TooManyColumns {
            columns: 2,
            maps: 1,
            ..
        }
    );
    causes!(
        "keymaps 0\nshift keycode 1 = a\n",
        Kind::UndeclaredMap { map: 1 }
    );
    causes!("keymaps 4096\n", Kind::MapTooLarge);
    causes!("keycode 1 = 65536\n", Kind::ValueTooLarge { value: 65536 });
}

#[test]
fn errors_of_includes() {
    let kinds = |name: &str| {
        into_kinds(kmap::compile_with(&mut Loops(0), name.as_ref(), Mode::EightBit).unwrap_err())
    };
    assert!(matches!(kinds("a")[..], [Kind::IncludeLoop { .. }]));
    assert!(matches!(kinds("deep")[..], [Kind::IncludeDepth]));
    assert!(matches!(kinds("many")[0], Kind::TooMuchText));
}

#[test]
fn warnings_and_notes() {
    let kinds = |text: &str, mode| -> Vec<Kind> {
        let warnings = kmap::compile_bytes(text.as_bytes(), mode).unwrap().warnings;
        assert!(
            warnings
                .iter()
                .all(|warning| warning.severity() < Severity::Error)
        );
        warnings.into_iter().map(|warning| warning.kind).collect()
    };
    assert!(matches!(
        kinds("alt_is_meta", Mode::EightBit)[..],
        [Kind::MissingNewline]
    ));
    assert!(matches!(
        kinds("alt_is_meta # no end", Mode::EightBit)[..],
        [Kind::MissingNewline]
    ));
    assert!(matches!(
        kinds("alt_is_meta\r\n\r\n", Mode::EightBit)[..],
        [Kind::CarriageReturn]
    ));
    assert!(matches!(
        kinds("string F1 = \"\\x\"\n", Mode::EightBit)[..],
        [Kind::StrayBackslash]
    ));
    assert!(matches!(
        kinds("keycode 1 = Meta_F1\n", Mode::Unicode)[..],
        [Kind::MetaOfNothing { .. }]
    ));
    assert!(matches!(
        kinds("keycode 128 = a\n", Mode::EightBit)[..],
        [Kind::KeycodeTooLarge { keycode: 128 }]
    ));
    assert!(matches!(
        kinds("keycode 1 = U+0431\n", Mode::Automatic)[..],
        [Kind::NeedsUnicode(_)]
    ));
    assert!(kinds("keycode 1 = Escape\n", Mode::Automatic).is_empty());
}

/// A note about an unknown keysym in 8-bit mode asks whether Unicode mode knows it.
#[test]
fn the_way_out_of_eight_bit_mode_is_named() {
    let report =
        kmap::compile_bytes(b"keycode 1 = cyrillic_small_letter_a\n", Mode::EightBit).unwrap_err();
    let help = report.errors()[0].kind.help();
    assert_eq!(help.as_deref(), Some("this map needs Unicode; remove `-8`"));
}

#[test]
fn a_report_has_every_error_of_the_text_up_to_a_thousand() {
    let report = |count| {
        let text = "*\n".repeat(count);
        kmap::compile_bytes(text.as_bytes(), Mode::EightBit).unwrap_err()
    };
    let some = report(30);
    let lines = some.errors().iter();
    let lines: Vec<usize> = lines
        .map(|error| error.place.as_ref().unwrap().line)
        .collect();
    assert_eq!(lines, (1..=30).collect::<Vec<_>>());
    assert!(some.to_string().ends_with("\nand 10 more"), "{some}");
    assert!(!some.is_machine_fault());
    let kinds = into_kinds(report(2000));
    assert_eq!(kinds.len(), 1001);
    assert!(matches!(kinds.last(), Some(Kind::TooManyErrors)));
}

#[test]
fn warnings_beyond_a_thousand_are_counted() {
    let text = "string F1 = \"\\x\"\n".repeat(1500);
    let warnings = kmap::compile_bytes(text.as_bytes(), Mode::EightBit)
        .unwrap()
        .warnings;
    assert_eq!(warnings.len(), 1001);
    assert_eq!(
        warnings.iter().map(kmap::Diagnostic::count).sum::<usize>(),
        1500
    );
}

/// What is unknown in both modes is an error, unless Unicode mode was asked for: there, loadkeys makes nul of it.
#[test]
fn an_unknown_meta_does_not_ask_for_unicode() {
    let text = b"keycode 30 = Meta_aa\nkeycode 31 = eacute\n";
    let report = kmap::compile_bytes(text, Mode::Automatic).unwrap_err();
    assert!(matches!(
        into_kinds(report)[..],
        [Kind::UnknownKeysym { .. }]
    ));
    let keymap = kmap::compile_bytes(text, Mode::Unicode).unwrap().keymap;
    assert_eq!(keymap.get(0, 30), Some(kmap::Keysym(0)));
}

/// The text and the help of errors that are easily made.
#[test]
fn messages_say_what_was_meant() {
    let quoted =
        "a quoted character may stand in a compose line only; use its keysym or its number";
    let single = "write a character between single quotes, as in `'a'`, or as `U+0061`";
    let cases = [
        (
            "keycode 30 = eacut",
            "unknown keysym `eacut`",
            Some("did you mean `eacute`?"),
        ),
        (
            "keycode 30 = U+e9",
            "`U+e9` is no code point: that has four to six digits",
            Some("write `U+00e9`"),
        ),
        ("keycode 30 a", "expected `=`, found a word", None),
        (
            "compose a b to c",
            "expected a quoted character or a code point, found a word",
            Some(single),
        ),
        (
            "keycode 30 = 'a'",
            "expected a keysym, a number or a code point, found a quoted character",
            Some(quoted),
        ),
        (
            "alt_is_met",
            "unknown keyword `alt_is_met`",
            Some("did you mean `alt_is_meta`?"),
        ),
        (
            "keycode shift",
            "expected a number, found the keyword `shift`",
            None,
        ),
        (
            "keymaps 2-0\nkeycode 30 = a",
            "1 column, but the `keymaps` line has 0 maps",
            Some("a range has its lower end first, as in `keymaps 0-2`"),
        ),
        (
            "charset \"iso-8859-1\"\nkeycode 30 = U+0431",
            "U+0431 (`cyrillic_small_letter_be`) has no byte in iso-8859-1",
            Some("`charset \"iso-8859-1\"` ends Unicode mode; remove that line"),
        ),
    ];
    for (text, message, help) in cases {
        let kind = error(format!("{text}\n").as_bytes(), Mode::Unicode);
        assert_eq!(
            (&*kind.to_string(), kind.help().as_deref()),
            (message, help),
            "{text}"
        );
    }
}
