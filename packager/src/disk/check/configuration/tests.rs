//! Configurations as people write them, rightly and wrongly.

use std::collections::BTreeMap;

use super::*;
use crate::disk::check::files::Tree;
use crate::disk::check::initramfs::Source;

/// Files that are not looked into.
struct Names(BTreeMap<&'static str, &'static str>);

impl Tree for Names {
    fn size(&self, path: &str) -> Result<Option<u64>, FatError> {
        Ok(self.0.get(path).map(|text| text.len() as u64))
    }

    fn contents(&self, path: &str) -> Result<Vec<u8>, FatError> {
        let text = self.0.get(path).copied().unwrap_or_default();
        Ok(text.as_bytes().to_vec())
    }

    fn names(&self, _: &str) -> Result<Vec<String>, FatError> {
        Ok(Vec::new())
    }
}

/// What is found in a configuration beside `chain.c32`, `menu.c32` and `more.cfg`.
fn found(text: &'static str) -> Vec<String> {
    let files = [
        ("boot/syslinux/syslinux.cfg", text),
        ("boot/syslinux/chain.c32", ""),
        ("boot/syslinux/more.cfg", "LABEL more\nLOCALBOOT 0\n"),
        ("menu.c32", ""),
        (
            "install/all.cfg",
            "DEFAULT a\nLABEL a\nCONFIG next.cfg\nMENU LABEL One\n",
        ),
        (
            "install/next.cfg",
            "UI menu.c32\nLABEL back\nCONFIG /boot/syslinux/syslinux.cfg /boot/syslinux\n",
        ),
        ("install/menu.c32", ""),
        ("bad.cfg", "DEFAULT chain\nONTIMEOUT gone\n"),
        ("loop.cfg", "DEFAULT a\nLABEL a\nCONFIG /loop.cfg\n"),
    ];
    let tree = Names(files.into_iter().collect());
    let files = Files::new(&tree, 1 << 20);
    let mut report = Report::default();
    let place = "boot/syslinux/syslinux.cfg".to_owned();
    check(&files, &[place], "", &mut report).unwrap();
    let findings = report.findings.iter();
    findings
        .map(|it| format!("{}: {}", it.code.name, it.seen))
        .collect()
}

#[test]
fn paths_begin_in_the_configurations_folder() {
    assert_eq!(resolve("boot/syslinux", "/vmlinuz"), "vmlinuz");
    assert_eq!(
        resolve("boot/syslinux", "./vmlinuz"),
        "boot/syslinux/vmlinuz"
    );
    assert_eq!(resolve("boot/syslinux", "../../vmlinuz"), "vmlinuz");
    assert_eq!(resolve("", "../a//b/./c"), "a/b/c");
}

#[test]
fn what_is_not_there_is_named() {
    for (text, code, words) in [
        ("", "no-syslinux-entries", "no LABEL"),
        ("# nothing\nPROMPT 1\n", "no-syslinux-entries", "no LABEL"),
        (
            "LABEL a\nLOCALBOOT 0\n",
            "no-default-entry",
            "neither DEFAULT",
        ),
        (
            "DEFAULT b\nLABEL a\nLOCALBOOT 0\n",
            "missing-file",
            "is `b`",
        ),
        ("DEFAULT a\nLABEL a\n", "missing-file", "syslinux/a`"),
        (
            "DEFAULT a\nLABEL a\nCOM32 no.c32\n",
            "missing-file",
            "no.c32",
        ),
        (
            "DEFAULT a\nLABEL a\nKERNEL no.c32\n",
            "missing-file",
            "no.c32",
        ),
        (
            "DEFAULT a\nLABEL a\nCONFIG no.cfg\n",
            "missing-file",
            "no.cfg",
        ),
        // What another configuration names begins where this one is, unless it says where.
        (
            "DEFAULT a\nLABEL a\nCONFIG /bad.cfg\n",
            "missing-file",
            "ONTIMEOUT of `bad.cfg` is `gone`",
        ),
        (
            "DEFAULT a\nLABEL a\nCONFIG /install/all.cfg\n",
            "missing-file",
            "`boot/syslinux/next.cfg`",
        ),
        (
            "DEFAULT a\nLABEL a\nCONFIG /install/next.cfg\n",
            "missing-file",
            "`boot/syslinux/menu.c32`",
        ),
        ("UI menu.c32\n", "missing-file", "syslinux/menu.c32"),
        (
            "DEFAULT chain\nDISPLAY x.txt\n",
            "missing-extra-file",
            "x.txt",
        ),
        (
            "DEFAULT chain\nINCLUDE no.cfg\n",
            "missing-extra-file",
            "no.cfg",
        ),
        ("DEFAULT chain\nONTIMEOUT b\n", "missing-file", "ONTIMEOUT"),
    ] {
        let found = found(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(&format!("{code}: ")), "{found:?}");
        assert!(found[0].contains(words), "{found:?}");
    }
}

#[test]
fn what_works_is_no_finding() {
    for text in [
        "DEFAULT chain hd0 1\n",
        "DEFAULT chain.c32\n",
        "UI ../../menu.c32\nLABEL a\nLOCALBOOT 0\n",
        "UI ../../menu.c32\nDEFAULT b\nLABEL a\nKERNEL ./chain.c32\n",
        "PATH /none:/\nUI menu.c32\nDEFAULT b\nLABEL a\nCOM32 menu.c32\n",
        "DEFAULT more\nMENU INCLUDE more.cfg Title\n",
        "DEFAULT a\nLABEL a\nCONFIG /install/all.cfg\nAPPEND /install\n",
        "DEFAULT a\nLABEL a\nCONFIG /loop.cfg\nLABEL b\nCONFIG syslinux.cfg\n",
        // What one has said of modules holds for those that it leads to.
        "PATH /\nDEFAULT a\nLABEL a\nCONFIG /install/next.cfg\n",
        "DEFAULT a\nLABEL a\nLOCALBOOT 0\nTEXT HELP\nKERNEL of no use\nENDTEXT\n",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
}

/// What the first initramfs is, and whether it is the default entry's.
fn first_source(text: &'static str) -> Option<(String, bool)> {
    let tree = Names(
        [
            ("syslinux.cfg", text),
            (
                "more.cfg",
                "UI menu.c32\nLABEL m\nLINUX k\nINITRD more.img\n",
            ),
        ]
        .into(),
    );
    let files = Files::new(&tree, 1 << 20);
    let found = sources(&files, &["syslinux.cfg".to_owned()]).unwrap();
    let first = found.into_iter().next()?;
    match first.source {
        Source::Files(parts) => Some((parts.join(","), first.is_default)),
        Source::Program(_) => None,
    }
}

#[test]
fn the_default_entry_is_the_one_that_the_menu_marks() {
    const ENTRIES: &str =
        "\nLABEL a\nLINUX k\nINITRD a.img\nLABEL b\nMENU DEFAULT\nLINUX k\nINITRD b.img\n";
    for (start, rest, first) in [
        ("UI vesamenu.c32", ENTRIES, Some(("b.img", true))),
        ("DEFAULT menu.c32 x", ENTRIES, Some(("b.img", true))),
        ("UI menu.c32\nDEFAULT A", ENTRIES, Some(("a.img", true))),
        // Without a menu nothing is marked.
        ("DEFAULT a", ENTRIES, Some(("a.img", true))),
        ("", ENTRIES, Some(("a.img", false))),
        ("DEFAULT k initrd=c.img", ENTRIES, Some(("c.img", true))),
        ("DEFAULT chain.c32 hd0", ENTRIES, Some(("a.img", false))),
        // What is no kernel has no initramfs, whatever stands behind it.
        ("DEFAULT menu.c32 initrd=c.img", "", None),
        (
            "DEFAULT x",
            "\nAPPEND initrd=c.img\nLABEL x\nKERNEL chain.c32\nLABEL a\nKERNEL k\n",
            Some(("c.img", false)),
        ),
        (
            "UI menu.c32",
            "\nLABEL a\nLINUX k\nINITRD a.img\nLABEL c\nCONFIG more.cfg\nMENU DEFAULT\n",
            Some(("more.img", true)),
        ),
    ] {
        let text = format!("{start}{rest}").leak();
        let first = first.map(|(name, is_default)| (name.to_owned(), is_default));
        assert_eq!(first_source(text), first, "{text}");
    }
}
