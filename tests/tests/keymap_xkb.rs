//! XKB layouts against `ckbcomp`: the same characters on the same keys, plain, with Shift, with AltGr and with both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::process::Command;

use kmap::xkb::{Layout, convert};
use kmap::{Keymap, Keysym, Mode, Options, SearchPath, SourceText, Typing};
use rayon::prelude::*;
use tests::environment::{command, corpus, tool};
use tests::keymaps::{XkbLayout, xkb_layouts, xkb_maps};

/// Layouts that `ckbcomp` reads differently from X, where kbvm is right: it does not know that the key type ALPHABETIC has two
/// levels (se-rus), keeps levels of a key that another definition has replaced (de-e2), does not know leftcaret
/// and rightcaret (my-phonetic, ch, in-tel-sarala), gives Shift to keysyms of the keypad, which obey Num Lock (cm-dvorak),
/// and has brackets of an older X (ie).
const READ_DIFFERENTLY: [&str; 9] = [
    "cm-dvorak.kmap",
    "se-rus.kmap",
    "se-rus_nodeadkeys.kmap",
    "de-e2.kmap",
    "my-phonetic.kmap",
    "ch-fr_mac.kmap",
    "ch-de_mac.kmap",
    "in-tel-sarala.kmap",
    "ie.kmap",
];

/// The keys that type: the main block without modifiers, the 102nd key and those of Japan.
fn keys() -> impl Iterator<Item = u8> {
    (2..=13)
        .chain(16..=27)
        .chain(30..=41)
        .chain(43..=53)
        .chain([57, 86, 89, 124])
}

fn theirs(layout: &XkbLayout) -> Option<Keymap> {
    let path = corpus().join("xkb").join(layout.file_name());
    let options = Options {
        mode: Mode::Unicode,
        skip_unsupported: true,
        ..Options::default()
    };
    let mut source = kmap::FileSource::new(SearchPath::standard());
    let text = kmap::Source::open(&mut source, &path).ok()?;
    kmap::compile_texts(&mut source, &[text], &options)
        .ok()
        .map(|compiled| compiled.keymap)
}

/// Layouts, variants, models and options as a person combines them: what `kmapc xkb` and `ckbcomp` are both asked for.
const COMBINATIONS: [(&str, &str, &str, &str); 10] = [
    ("pc105", "us,ru", "", "grp:alt_shift_toggle"),
    ("pc105", "us,de", ",nodeadkeys", "grp:menu_toggle"),
    ("pc105", "fr,bg", "", "grp:toggle"),
    ("pc105", "us", "", "ctrl:nocaps"),
    ("pc105", "de", "", "caps:swapescape"),
    ("pc105", "us", "", "caps:backspace"),
    ("pc105", "us", "intl", "compose:ralt"),
    ("pc105", "es", "", "lv3:menu_switch,compose:rwin"),
    ("pc105", "jp", "", ""),
    ("pc104", "us", "dvorak", "ctrl:swapcaps"),
];

fn ckbcomp((model, layout, variant, options): (&str, &str, &str, &str)) -> Keymap {
    let mut command = Command::new("ckbcomp");
    command.args(["-model", model, "-layout", layout, "-variant", variant]);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        command.args(["-option", option]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}");
    let text = SourceText {
        path: "ckbcomp".into(),
        bytes: output.stdout,
    };
    let options = Options {
        mode: Mode::Unicode,
        skip_unsupported: true,
        ..Options::default()
    };
    let compiled = kmap::compile_texts(&mut kmap::NoFiles, &[text], &options);
    compiled.unwrap_or_else(|report| panic!("{report}")).keymap
}

/// Characters on both layouts, and what the keys beside the characters do: Escape, Caps Lock, modifiers, Compose.
fn differences_of_all_keys(
    ours: &Keymap,
    theirs: &Keymap,
    has_second: bool,
) -> Vec<(u8, u8, Keysym, Keysym)> {
    let get = |keymap: &Keymap, map, key| keymap.get(map, key).unwrap_or(Keysym::VOID);
    let mut found = Vec::new();
    let levels: &[u8] = match has_second {
        true => &[0, 1, 2, 3, 16, 17, 18, 19],
        false => &[0, 1, 2, 3],
    };
    for &map in levels {
        for key in keys() {
            let (mine, other) = (get(ours, map, key), get(theirs, map, key));
            let is_acute = mine.character() == Some('´') && other.character() == Some('\'');
            if mine.character() != other.character() && !is_acute {
                found.push((map, key, mine, other));
            }
        }
    }
    for key in [1, 29, 42, 54, 56, 58, 97, 100, 125, 126] {
        let (mine, other) = (get(ours, 0, key), get(theirs, 0, key));
        if mine != other {
            found.push((0, key, mine, other));
        }
    }
    found
}

#[test]
fn models_options_and_two_layouts_are_as_ckbcomp_has_them() {
    if tool("ckbcomp").is_none() {
        return;
    }
    let mut wrong = Vec::new();
    for combination in COMBINATIONS {
        let (model, layout, variant, options) = combination;
        let names = Layout {
            layout: layout.to_owned(),
            variant: variant.to_owned(),
            model: Some(model.to_owned()),
            options: options.split(',').map(str::to_owned).collect(),
        };
        let ours = convert(&names).unwrap().keymap;
        let found = differences_of_all_keys(&ours, &ckbcomp(combination), layout.contains(','));
        wrong.extend(found.iter().map(|(map, key, mine, other)| {
            format!("{combination:?}: map {map} key {key}: {mine} instead of {other}")
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Wherever keys of `ckbcomp`'s keymap lead to the second layout, keys of ours do; and a key that gives a modifier gives it also in the
/// table where it is looked up when it is let go.
#[test]
fn every_option_that_leads_to_the_second_layout_there_does_so_here() {
    if tool("ckbcomp").is_none() {
        return;
    }
    let options = kmap::xkb::options().into_iter();
    let options: Vec<String> = options.filter(|name| name.starts_with("grp:")).collect();
    let wrong: Vec<String> = options
        .par_iter()
        .filter_map(|option| {
            let names = Layout {
                layout: "us,ru".to_owned(),
                options: vec![option.clone()],
                ..Layout::default()
            };
            let converted = convert(&names).unwrap();
            let ours = &converted.keymap;
            let has_way = |keymap: &Keymap| Typing::new(keymap).way('я').is_some();
            let theirs = ckbcomp(("pc105", "us,ru", "", option));
            let is_missing = has_way(&theirs) && !has_way(ours);
            let is_told = converted.has_switch() == has_way(ours);
            let stuck = stuck_keys(ours);
            (is_missing || !is_told || !stuck.is_empty()).then(|| format!("{option}: {stuck:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(options.len() > 30, "{options:?}");
}

/// Keys that give a modifier and do something else in the modifier's own table: map and key.
fn stuck_keys(keymap: &Keymap) -> Vec<(u8, u8)> {
    let mut found = Vec::new();
    for (map, table) in keymap.tables() {
        for (key, keysym) in (0..128).zip(table) {
            let weight = match (keysym.kind(), keysym.value()) {
                (7, value @ 0..=7) => 1 << value,
                _ => continue,
            };
            let held = keymap.get(map | weight, key);
            if held.is_some_and(|held| held != *keysym) {
                found.push((map, key));
            }
        }
    }
    found
}

#[test]
fn an_unknown_model_is_an_error() {
    if kmap::xkb::layouts().is_empty() {
        return;
    }
    let names = Layout {
        layout: "us".to_owned(),
        model: Some("pc104x".to_owned()),
        ..Layout::default()
    };
    let error = convert(&names).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no XKB model `pc104x`; did you mean `pc104`?"
    );
}

#[test]
fn a_slip_in_a_name_is_an_error_and_a_layout_without_a_way_to_it_is_told() {
    if tool("ckbcomp").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |layout: &str, options: &[&str]| {
        let output = command("kmapc")
            .args(["xkb", layout])
            .args(options)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stderr)
    };
    let kmapc = |options: &[&str]| run("us,ru", options);
    for (layout, words) in [
        ("uss", "did you mean `us`?"),
        (
            "us(intl)",
            "a variant of `us` is a word of its own behind it",
        ),
    ] {
        let error = format!("error: there is no XKB layout `{layout}`; {words}\n");
        assert_eq!(run(layout, &[]), (Some(1), error));
    }
    assert_eq!(
        kmapc(&["--options", "grp:alt_shift_togle"]),
        (
            Some(1),
            "error: there is no XKB option `grp:alt_shift_togle`; did you mean `grp:alt_shift_toggle`?\n".into()
        )
    );
    assert_eq!(
        kmapc(&[
            "--model",
            "pc104",
            "--options",
            "grp:alt_shift_toggle,ctrl:nocaps"
        ]),
        (Some(0), String::new())
    );
    let variant = |variant| run("us", &[variant]);
    for (wrong, words) in [
        ("colemk", "did you mean `colemak`?"),
        ("nosuchthing", "`kmapc list --xkb us` shows what there is"),
    ] {
        let error = format!("error: the XKB layout `us` has no variant `{wrong}`; {words}\n");
        assert_eq!(variant(wrong), (Some(1), error));
    }
    for layouts in ["us,ru", "ru,us"] {
        let (code, warning) = run(layouts, &[]);
        assert_eq!(code, Some(0));
        assert!(
            warning.starts_with("warning: no key switches to the second layout"),
            "{warning}"
        );
        assert_eq!(warning.lines().count(), 1, "{warning}");
        assert_eq!(run(layouts, &["-q"]), (Some(0), String::new()));
    }
}

/// With Cyrillic or Greek letters alone, no command can be typed.
#[test]
fn a_layout_without_latin_letters_is_told() {
    if tool("ckbcomp").is_none() {
        return;
    }
    let switch = ["--options", "grp:alt_shift_toggle"];
    let cases: [(&[&str], &str); 5] = [
        (
            &["ru"],
            "`kmapc xkb us,ru --options grp:alt_shift_toggle` has both",
        ),
        (
            &["ru", "phonetic"],
            "`kmapc xkb us,ru ,phonetic --options grp:alt_shift_toggle` has both",
        ),
        (
            &["ru,gr", switch[0], switch[1]],
            "one of the two layouts has to have them, such as `us`",
        ),
        (&["us,ru", ",phonetic", switch[0], switch[1]], ""),
        (&["fr"], ""),
    ];
    for (arguments, way_out) in cases {
        let output = command("kmapc")
            .arg("xkb")
            .args(arguments)
            .args(["-o", "-"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}");
        assert!(output.stdout.starts_with(b"bkeymap"), "{arguments:?}");
        let warning = match way_out {
            "" => String::new(),
            way_out => format!(
                "warning: the keymap has no key for 26 of the letters a to z, so that no command can be typed; {way_out}\n"
            ),
        };
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            warning,
            "{arguments:?}"
        );
    }
}

fn ours(layout: &XkbLayout) -> Keymap {
    let names = Layout {
        layout: layout.layout.clone(),
        variant: layout.variant.clone().unwrap_or_default(),
        ..Layout::default()
    };
    convert(&names)
        .unwrap_or_else(|error| panic!("{layout:?}: {error}"))
        .keymap
}

/// Why a level differs, without a fault of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// The layout lists an empty level last, which kbvm leaves out: the key does what it does with one modifier less.
    EmptyLast,
    /// `ckbcomp` does not know the keysym and leaves the level empty, or takes the character of another one.
    UnknownThere,
    /// A dead key that `ckbcomp` does not know.
    DeadKey,
    /// Everything else.
    Other,
}

/// A key, a table, the characters, ours first, and why they are not the same.
type Difference = (u8, u8, Option<char>, Option<char>, Class);

fn class(ours: &Keymap, key: u8, map: u8, theirs: Option<char>) -> Class {
    let keysym = |map| ours.get(map, key).unwrap_or(Keysym::VOID);
    let less = [map & !1, map & !2, 0].map(keysym);
    match (keysym(map), theirs) {
        (mine, _) if mine.dead().is_some() => Class::DeadKey,
        (mine, None) if map != 0 && less.contains(&mine) => Class::EmptyLast,
        (_, None) => Class::UnknownThere,
        _ => Class::Other,
    }
}

fn differences(ours: &Keymap, theirs: &Keymap) -> Vec<Difference> {
    let mut found = Vec::new();
    for key in keys() {
        for map in 0..4 {
            let character = |keymap: &Keymap| {
                let character = keymap.get(map, key).and_then(|keysym| keysym.character());
                character.filter(|character| !character.is_control())
            };
            let (mine, other) = (character(ours), character(theirs));
            // ckbcomp types an apostrophe where the layout has an acute accent.
            let is_acute = mine == Some('´') && other == Some('\'');
            if mine != other && !is_acute {
                found.push((key, map, mine, other, class(ours, key, map, other)));
            }
        }
    }
    found
}

#[test]
fn every_layout_has_the_characters_that_ckbcomp_gives() {
    if xkb_maps().is_empty() {
        return;
    }
    let layouts = xkb_layouts();
    let results: Vec<(String, Vec<Difference>)> = layouts
        .par_iter()
        .filter_map(|layout| {
            Some((
                layout.file_name(),
                differences(&ours(layout), &theirs(layout)?),
            ))
        })
        .collect();
    let same = results.iter().filter(|(_, found)| found.is_empty()).count();
    println!("{} layouts, {same} the same", results.len());
    let all = || {
        results
            .iter()
            .flat_map(|(name, found)| found.iter().map(move |difference| (name, difference)))
    };
    for class in [
        Class::EmptyLast,
        Class::UnknownThere,
        Class::DeadKey,
        Class::Other,
    ] {
        let count = all()
            .filter(|(_, difference)| difference.4 == class)
            .count();
        println!("{class:?}: {count} levels");
    }
    assert!(
        results.len() >= layouts.len() - 1,
        "{} of {}",
        results.len(),
        layouts.len()
    );
    let unexplained: Vec<_> = all()
        .filter(|(name, difference)| {
            difference.4 == Class::Other && !READ_DIFFERENTLY.contains(&name.as_str())
        })
        .collect();
    assert!(
        unexplained.is_empty(),
        "{} levels: {unexplained:?}",
        unexplained.len()
    );
}

/// What is listed is what `kmapc xkb` takes, in the words that it takes.
#[test]
fn layouts_are_listed_with_their_variants_and_descriptions() {
    if kmap::xkb::layouts().is_empty() {
        return;
    }
    let list = |arguments: &[&str]| {
        let output = command("kmapc").arg("list").args(arguments).output();
        let output = output.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, all, stderr) = list(&["--xkb"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    let mut words = all.lines().map(|line| line.split("  ").next().unwrap());
    assert!(words.clone().any(|it| it == "es nodeadkeys"), "{all}");
    assert!(words.all(|it| it.split(' ').count() <= 2), "{all}");
    let (_, spanish, _) = list(&["--xkb", "SPANISH (dvorak"]);
    let [line] = spanish.lines().collect::<Vec<_>>()[..] else {
        panic!("{spanish}");
    };
    assert!(line.starts_with("es dvorak"), "{line}");
    assert!(line.ends_with("  Spanish (Dvorak)"), "{line}");
    let (code, none, error) = list(&["--xkb", "no such thing"]);
    assert_eq!((code, &*none), (Some(1), ""));
    assert!(
        error.contains("no XKB layout or variant has `no such thing`"),
        "{error}"
    );
    let document = tests::schema::conforms("kmapc", "layouts", &["list", "--xkb", "es"]);
    assert!(tests::schema::is_filled(&document, "/0/variants/0/variant"));
}
