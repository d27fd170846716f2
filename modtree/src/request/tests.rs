use super::*;
use crate::testing::{Root, Synthetic};
use crate::{Closure, ClosureOptions, ReasonKind, Tree, closure};

fn found(root: &Root, rules: &str, roots: &[&str]) -> Closure {
    let options = ClosureOptions {
        runtime: true,
        rules: Some(Rules::parse("test.toml", rules).unwrap()),
        ..ClosureOptions::default()
    };
    closure(&Tree::open(&root.dir).unwrap(), roots, &options).unwrap()
}

fn names(closure: &Closure) -> Vec<&str> {
    closure
        .modules
        .iter()
        .map(|module| module.name.as_str())
        .collect()
}

const NLS: &str = r#"
    [[rule]]
    name = "codepage"
    reason = "a mount asks for it"
    when = { imports = ["load_nls"], strings = ["cp%d"] }
    add = [{ module = "nls_cp{CONFIG_PAGE}" }]
"#;

fn fat() -> Root {
    let root = Root::new("1.0");
    let fat = Synthetic {
        imports: vec!["load_nls"],
        rodata: b"cp%d\0",
        ..Synthetic::new("depends=\nintree=Y\n")
    };
    root.file("kernel/fat.ko", &fat.bytes());
    root.module("kernel/nls_cp437.ko", "depends=nls_help\n");
    root.module("kernel/nls_help.ko", "depends=\n");
    root
}

#[test]
fn the_configuration_names_a_module_and_is_evidence() {
    let root = fat();
    root.file("config", b"CONFIG_PAGE=437\n");
    let found = found(&root, NLS, &["fat"]);
    assert_eq!(names(&found), ["fat", "nls_help", "nls_cp437"]);
    let reason = &found.get(&"nls_cp437".into()).unwrap().reasons[0];
    assert_eq!(reason.kind, ReasonKind::Runtime);
    assert_eq!(
        reason.to_string(),
        "fat: a mount asks for it (imports `load_nls`; string `cp%d` at .rodata.str1.1+0x0; CONFIG_PAGE=437)"
    );
}

#[test]
fn what_is_not_known_or_not_there_is_a_note() {
    let root = fat();
    let without = found(&root, NLS, &["fat"]);
    assert_eq!(
        without.notes,
        [
            "rule codepage for fat: CONFIG_PAGE is not known: the kernel's configuration was not found"
        ]
    );
    root.file("config", b"CONFIG_PAGE=850\n");
    let missing = found(&root, NLS, &["fat"]);
    assert_eq!(
        missing.notes,
        ["fat asks for nls_cp850 while running, and there is no such module"]
    );
}

#[test]
fn a_part_of_the_kernel_is_reported_as_such() {
    let root = fat();
    root.file("config", b"CONFIG_PAGE=850\n");
    root.file("modules.builtin", b"kernel/fs/nls/nls_cp850.ko\n");
    let found = found(&root, NLS, &["fat"]);
    assert_eq!(names(&found), ["fat"]);
    assert_eq!(found.builtins[0].name.as_str(), "nls_cp850");
}

#[test]
fn providers_need_all_traces_and_bring_their_own_needs() {
    let rules = r#"
        [[rule]]
        name = "host"
        reason = "it hangs on one"
        when = { alias = ["usb:*"] }
        add = [{ provider = { alias = ["pci:*bc0Csc03i[0-3]0*"], imports = ["probe"] } }]
    "#;
    let root = Root::new("1.0");
    root.module("kernel/stick.ko", "depends=\nalias=usb:v*p*\n");
    let host = |alias: &str, imports| Synthetic {
        imports,
        ..Synthetic::new(&format!("depends=core\nalias={alias}\n"))
    };
    root.file(
        "kernel/xhci.ko",
        &host("pci:v*d*bc0Csc03i30*", vec!["probe"]).bytes(),
    );
    root.file(
        "kernel/gadget.ko",
        &host("pci:v*d*bc0Csc03iFE*", vec!["probe"]).bytes(),
    );
    root.file(
        "kernel/other.ko",
        &host("pci:v*d*bc0Csc03i20*", vec!["elsewhere"]).bytes(),
    );
    root.module("kernel/core.ko", "depends=\n");
    root.file("kernel/broken.ko", b"no module");
    let found = found(&root, rules, &["stick"]);
    assert_eq!(names(&found), ["stick", "core", "xhci"]);
    assert!(found.notes[0].contains("broken.ko"), "{:?}", found.notes);
}

#[test]
fn a_string_counts_as_a_whole_only() {
    let with = |rodata: &'static [u8]| {
        let root = fat();
        root.file("config", b"CONFIG_PAGE=437\n");
        let fat = Synthetic {
            imports: vec!["load_nls"],
            rodata,
            ..Synthetic::new("depends=\nintree=Y\n")
        };
        root.file("kernel/fat.ko", &fat.bytes());
        let found = found(&root, NLS, &["fat"]);
        let nls = found.get(&"nls_cp437".into())?;
        Some(nls.reasons[0].to_string())
    };
    for part in [&b"ncp%d\0"[..], b"cp%du\0", b"cp%\0d\0", b"cp%dcp%d\0", b""] {
        assert_eq!(with(part), None, "{part:?}");
    }
    for (whole, offset) in [
        (&b"x\0cp%d\0"[..], "+0x2"),
        (b"cp%dcp%d\0cp%d\0", "+0x9"),
        (b"x\0cp%d", "+0x2"),
    ] {
        assert!(with(whole).unwrap().contains(offset), "{whole:?}");
    }
}

#[test]
fn what_is_left_out_is_not_read_ahead() {
    let root = fat();
    root.file("config", b"CONFIG_PAGE=437\n");
    root.file(
        "modules.order",
        b"kernel/fat.ko\nkernel/nls_cp437.ko\nkernel/nls_help.ko\n",
    );
    let tree = Tree::open(&root.dir).unwrap();
    let options = ClosureOptions {
        rules: Some(Rules::parse("test.toml", NLS).unwrap()),
        runtime: true,
        exclude: vec!["nls_help".into()],
        ..ClosureOptions::default()
    };
    let found = closure(&tree, &["fat"], &options).unwrap();
    assert_eq!(names(&found), ["fat", "nls_cp437"]);
    let left_out = "kernel/nls_help.ko".into();
    assert!(!tree.looked_at().contains(&left_out));
}
