//! `modtree depmod` against kmod 34's and kmod 30's on synthetic trees: every file, byte by byte.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use tests::modules::synthetic::Synthetic;
use tests::modules::trees::{Synthetics, small};
use tests::modules::{Kmod, compare_depmod, index_files, modtree_depmod};

#[test]
fn a_small_tree_in_which_everything_occurs() {
    small().assert_same(&[], "small");
}

#[test]
fn without_the_files_of_the_kernels_build() {
    let tree = small();
    for file in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        std::fs::remove_file(tree.dir.join(file)).unwrap();
    }
    tree.assert_same(&[], "no listings");
    Synthetics::new().assert_same(&[], "nothing at all");
}

#[test]
fn the_first_of_two_and_depmod_d() {
    let tree = Synthetics::new();
    for (at, dir) in [
        "kernel",
        "updates",
        "extra",
        "kernel/deep/er",
        "updates/dkms",
    ]
    .into_iter()
    .enumerate()
    {
        let alias = format!("alias=from-{at}\n");
        for name in ["one", "two-x", "three"] {
            tree.module(&format!("{dir}/{name}.ko"), &alias, &[], &["symbol"]);
        }
    }
    tree.module("kernel/skipped/one.ko", "alias=skipped\n", &[], &[]);
    let outside = tempfile::tempdir().unwrap();
    for name in ["one.ko", "far.ko"] {
        let bytes = Synthetic::new("alias=outside\n", &["symbol"], &[]).bytes();
        std::fs::write(outside.path().join(name), bytes).unwrap();
    }
    tree.assert_same(&[], "duplicates");
    let config = tree.root.path().join("depmod.conf");
    let external = outside.path().display();
    for text in [
        "search updates extra built-in\n",
        "search extra updates\n",
        "search built-in updates extra\n",
        "search updates/dkms updates built-in\n",
        "search updates updates/dkms built-in\n",
        "search kernel/deep \\\n built-in\nsearch updates\n",
        "override two-x * extra\noverride two_x * updates\noverride one ^1\\.2 kernel/deep/er\noverride three 9 extra\n",
        "override three ^[0-9]+\\.(2|3)\\.3$ updates/dkms\n# a comment\n  search built-in\nmake_map_files no\n",
        "exclude skipped deep three.ko\n",
        &format!("external * {external}\n"),
        &format!("external 1.* {external}\nsearch updates external built-in\n"),
        &format!("external * {external}\nsearch external updates built-in\n"),
        &format!("external 7.* {external}\n"),
    ] {
        std::fs::write(&config, text).unwrap();
        tree.assert_same(&["-C", config.to_str().unwrap()], text);
    }
}

#[test]
fn every_class_of_elf() {
    for (wide, big, machine) in [
        (true, false, 62),
        (true, true, 21),
        (false, false, 3),
        (false, true, 20),
        (true, true, 43),
        (false, true, 2),
        (true, false, 183),
        (true, true, 22),
    ] {
        let tree = Synthetics::new();
        let module = |imports: &[&str], exports: &[&str]| Synthetic {
            wide,
            big,
            machine,
            ..Synthetic::new("alias=x\n", imports, exports)
        };
        tree.file("a.ko", &module(&[".b", "%c", "?d"], &["a"]).bytes())
            .file("b.ko", &module(&["..d", "none"], &["b"]).bytes())
            .file("c.ko", &module(&["d"], &["c"]).bytes())
            .file("d.ko", &module(&[], &["d", ".d"]).bytes());
        tree.assert_same(&[], &format!("machine {machine}, {wide} {big}"));
    }
}

#[test]
fn where_symbols_come_from() {
    let tree = Synthetics::new();
    let strings = |text: &[u8]| Synthetic {
        ksymtab: Some(text.to_vec()),
        ..Synthetic::default()
    };
    tree.file(
        "no_crc.ko",
        &strings(b"\0\0one\0\0NAMESPACE\0two\0").bytes(),
    )
    .file(
        "only_crc.ko",
        &Synthetic {
            crcs: vec!["five".into()],
            ..Synthetic::default()
        }
        .bytes(),
    )
    .file(
        "both.ko",
        &Synthetic {
            crcs: vec!["six".into()],
            ..strings(b"seven\0")
        }
        .bytes(),
    );
    let user = Synthetic {
        imports: ["two", "?one", "", "six", "two"]
            .map(str::to_owned)
            .to_vec(),
        versions: ["module_layout", "five", "two", "three", "seven", "five"]
            .map(str::to_owned)
            .to_vec(),
        ..Synthetic::default()
    };
    tree.file("user.ko", &user.bytes());
    tree.assert_same(&[], "symbols");
    tree.assert_same(&["-P", "o"], "a symbol prefix");
    // kmod 30 takes strings that do not end; kmod 34 refuses them, and so do we.
    tree.file("unended.ko", &strings(b"three\0four").bytes());
    if let Some(kmod) = Kmod::v34() {
        assert_eq!(
            compare_depmod(&kmod, tree.root.path(), "1.2.3", &[]),
            [""; 0]
        );
    }
}

#[test]
fn damaged_modules_are_listed_with_what_can_be_read() {
    let whole = Synthetic::new("alias=x\nsoftdep=pre: y\n", &["good"], &["s"]).bytes();
    let tree = Synthetics::new();
    tree.module("good.ko", "alias=good\n", &[], &["good"])
        .file("empty.ko", b"")
        .file("text.ko", b"this is no module, whatever its name says")
        .file("header.ko", &whole[..64])
        .file("half.ko", &whole[..whole.len() / 2])
        .file("cut.ko", &whole[..whole.len() - 1])
        .file("whole.ko", &whole);
    tree.assert_same(&[], "damaged");
}

#[test]
fn many_small_trees_made_at_random() {
    let mut seed = 1_u32;
    let mut random = move |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    for round in 0..25 {
        let tree = Synthetics::new();
        let mut order = String::new();
        let count = 2 + random(30);
        for at in 0..count {
            let dir = ["kernel", "kernel/a", "updates", "extra/x"][random(4) as usize];
            let place = format!("{dir}/m{}-{at}.ko", random(3));
            // Imports lead to higher numbers, so that there is no cycle.
            let imports: Vec<String> = (0..random(6))
                .map(|_| format!("s{}", at + 1 + random(count)))
                .collect();
            let exports = [format!("s{at}"), format!("t{}", random(5))];
            let aliases: String = (0..random(4))
                .map(|_| {
                    [
                        "alias=u:a*b-c\n",
                        "alias=u:a\n",
                        "alias=u:ab[0-9]\n",
                        "alias=\n",
                        "softdep=pre: x\n",
                    ][random(5) as usize]
                })
                .collect();
            let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
            tree.module(&place, &aliases, &imports, &[&exports[0], &exports[1]]);
            if random(3) > 0 {
                order.push_str(&place);
                order.push('\n');
            }
        }
        tree.file("modules.order", order.as_bytes());
        tree.assert_same(&[], &format!("random tree {round}"));
    }
}

/// The same message for every cycle, exit code 1, and not a byte written.
#[test]
fn cycles() {
    let Some(kmod) = Kmod::v34() else { return };
    let rings: [&[(&str, &[&str])]; 4] = [
        &[("a", &["b"]), ("b", &["a"]), ("c", &["a"])],
        &[("a", &["a"]), ("b", &[])],
        &[
            ("a", &["b"]),
            ("b", &["c"]),
            ("c", &["a"]),
            ("x", &["y"]),
            ("y", &["x"]),
            ("z", &["a", "x"]),
        ],
        &[
            ("m0", &["m1"]),
            ("m1", &["m2"]),
            ("m2", &["m3"]),
            ("m3", &["m4"]),
            ("m4", &["m5"]),
            ("m5", &["m6"]),
            ("m6", &["m7"]),
            ("m7", &["m8"]),
            ("m8", &["m0"]),
        ],
    ];
    for ring in rings {
        let tree = Synthetics::new();
        for (name, imports) in ring {
            tree.module(&format!("kernel/{name}.ko"), "", imports, &[name]);
        }
        let theirs = kmod
            .tool("depmod")
            .arg("-b")
            .arg(tree.root.path())
            .arg("1.2.3")
            .output()
            .unwrap();
        let out = tempfile::tempdir().unwrap();
        let ours = modtree_depmod(tree.root.path(), out.path(), "1.2.3", &[]);
        assert_eq!(
            (theirs.status.code(), ours.status.code()),
            (Some(1), Some(1))
        );
        let lines = |bytes: &[u8]| -> Vec<String> {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let lines = text.lines().map(|line| {
                line.trim_start_matches("depmod: ERROR: ")
                    .trim_start_matches("error: ")
                    .to_owned()
            });
            let mut lines: Vec<_> = lines.filter(|line| !line.contains("WARNING")).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&ours.stderr), lines(&theirs.stderr));
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
        assert!(index_files(&tree.dir).is_empty());
    }
}
