//! Which initramfs is taken, of whatever there is.

use std::collections::BTreeMap;

use super::*;
use crate::disk::build::{ImageRecipe, TableKind, Uefi};
use crate::disk::check::files::Tree;
use crate::disk::fat::{FatKind, Label};
use crate::disk::iso::{BLOCK, DESCRIPTORS};
use crate::disk::menu::{Choice, Menu};
use crate::disk::pe::tests::program_with;

struct Folder(BTreeMap<&'static str, Vec<u8>>);

impl Folder {
    fn new(files: &[(&'static str, &[u8])]) -> Self {
        let files = files.iter().map(|(path, bytes)| (*path, bytes.to_vec()));
        Self(files.collect())
    }

    fn take(&self) -> Result<Search, DiskInitramfsError> {
        let mut search = Search::default();
        let files = Files::new(self, 1 << 30);
        search.take(&files, of_uefi(&files)?)?;
        Ok(search)
    }
}

impl Tree for Folder {
    fn size(&self, path: &str) -> Result<Option<u64>, FatError> {
        Ok(self.0.get(path).map(|bytes| bytes.len() as u64))
    }

    fn contents(&self, path: &str) -> Result<Vec<u8>, FatError> {
        Ok(self.0.get(path).cloned().unwrap_or_default())
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, FatError> {
        let paths = self.0.keys().filter_map(|path| path.rsplit_once('/'));
        let names = paths.filter(|(parent, _)| *parent == folder);
        Ok(names.map(|(_, name)| name.to_owned()).collect())
    }
}

#[test]
fn systemd_boot_s_default_entry_comes_first() {
    let loader = program_with(".sdmagic", b"#### LoaderInfo: systemd-boot 252 ####");
    let unified = program_with(".initrd", b"070701 of c");
    for (default, taken, bytes, is_default, others) in [
        (
            "default C.efi",
            "/EFI/Linux/c.efi",
            &b"070701 of c"[..],
            true,
            ["/a.img, /b.img", "/x.img"],
        ),
        (
            "default b.conf",
            "/x.img",
            b"x",
            true,
            ["/a.img, /b.img", "/EFI/Linux/c.efi"],
        ),
        (
            "",
            "/a.img, /b.img",
            b"a\0\0\0b",
            false,
            ["/x.img", "/EFI/Linux/c.efi"],
        ),
        // A pattern that one entry has, one that several have, and what only the firmware remembers.
        (
            "default [a-c]*.EFI",
            "/EFI/Linux/c.efi",
            b"070701 of c",
            true,
            ["/a.img, /b.img", "/x.img"],
        ),
        (
            "default ?.conf",
            "/a.img, /b.img",
            b"a\0\0\0b",
            false,
            ["/x.img", "/EFI/Linux/c.efi"],
        ),
        (
            "default @saved",
            "/a.img, /b.img",
            b"a\0\0\0b",
            false,
            ["/x.img", "/EFI/Linux/c.efi"],
        ),
        // One without an initramfs.
        (
            "default no.conf",
            "/a.img, /b.img",
            b"a\0\0\0b",
            false,
            ["/x.img", "/EFI/Linux/c.efi"],
        ),
    ] {
        let folder = Folder::new(&[
            (EFI_PROGRAM, &loader),
            ("loader/loader.conf", default.as_bytes()),
            (
                "loader/entries/a.conf",
                b"linux /k\ninitrd /a.img\ninitrd \\b.img\n",
            ),
            ("loader/entries/b+3.conf", b"linux /k\ninitrd /x.img\n"),
            ("loader/entries/no.conf", b"linux /k\n"),
            ("EFI/Linux/c.efi", &unified),
            ("a.img", b"a"),
            ("b.img", b"b"),
            ("x.img", b"x"),
        ]);
        let search = folder.take().unwrap();
        let found = search.taken.unwrap();
        assert_eq!(
            (found.name.as_str(), found.bytes.as_slice()),
            (taken, bytes)
        );
        assert_eq!(found.is_default, is_default, "{default}");
        assert_eq!(search.others, others);
    }
}

#[test]
fn names_are_kept_once_and_not_without_end() {
    let folder = Folder::new(&[("a.img", b"a")]);
    let mut search = Search::default();
    let names = (0..3 * OTHERS_MAX).map(|number| format!("{}.img", number / 2));
    let names = ["A.img".to_owned(), "a.img".to_owned()]
        .into_iter()
        .chain(names);
    let sources = names.map(|name| Found {
        source: Source::Files(vec![name]),
        is_default: false,
    });
    let folder_files = Files::new(&folder, 1 << 20);
    let missing = search.take(&folder_files, sources.clone()).err();
    assert!(matches!(missing, Some(DiskInitramfsError::Missing(name)) if name == "A.img"));
    search.take(&folder_files, sources.skip(1)).unwrap();
    assert_eq!(search.taken.unwrap().bytes, b"a");
    assert_eq!(search.others[..2], ["/0.img", "/1.img"]);
    assert_eq!(search.others.len(), OTHERS_MAX);
}

#[test]
fn the_same_bytes_are_not_read_again_and_again() {
    let plain = program_with(".text", b"GRUB");
    let folder = Folder::new(&[("a.img", b"0123456789abcdef"), ("a.efi", &plain)]);
    let image = Source::Files(vec!["a.img".to_owned()]);
    let files = Files::new(&folder, 1);
    assert!(image.load(&files).unwrap().is_some());
    let error = image.load(&files).unwrap_err();
    assert!(matches!(error, DiskInitramfsError::TooMuch) && error.is_input());
    let program = Source::Program("a.efi".to_owned());
    let error = program.load(&files).unwrap_err();
    assert!(matches!(error, DiskInitramfsError::TooMuch));
}

#[test]
fn uefi_s_own_program_has_it_or_nothing_does() {
    let unified = program_with(".initrd", b"070701");
    let search = Folder::new(&[(EFI_PROGRAM, &unified)]).take().unwrap();
    assert_eq!(search.taken.unwrap().bytes, b"070701");
    let large = vec![0; LOADER_MAX as usize + 1];
    let other = program_with(".text", b"GRUB");
    for bytes in [&large, &other, &b"MZ".to_vec()] {
        let search = Folder::new(&[(EFI_PROGRAM, bytes)]).take().unwrap();
        assert!(search.taken.is_none() && search.others.is_empty());
    }
    let loader = program_with(".sdmagic", b"#### LoaderInfo: systemd-boot 252 ####");
    let entry = b"linux /k\ninitrd /none\n";
    let folder = Folder::new(&[(EFI_PROGRAM, &loader), ("loader/entries/a.conf", entry)]);
    let missing = folder.take().err().unwrap();
    assert!(matches!(missing, DiskInitramfsError::Missing(path) if path == "none"));
}

/// A disk that says to be larger than the file with it.
struct Claimed(Vec<u8>, u64);

impl Medium for Claimed {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0[..].read_exact_at(buffer, offset)
    }

    fn kept(&self, _: u64) -> u64 {
        self.1
    }
}

#[test]
fn what_is_kept_bounds_what_is_read() {
    let menu = Menu::new(Choice::new("linux", "").unwrap(), Vec::new()).unwrap();
    let recipe = ImageRecipe {
        kernel: b"",
        version: "",
        initramfs: b"",
        menu: &menu,
        syslinux_config: None,
        bios: None,
        uefi: Some(Uefi::Unified(program_with(".initrd", b"070701"))),
        fat: FatKind::Fat16,
        table: TableKind::None,
        partition_type: None,
        size: None,
        label: Label::new("simple").unwrap(),
        serial: None,
        signature: None,
        time: 0,
    };
    let image = recipe.build().unwrap();
    let length = image.length();
    let bytes = image.read(0, length as usize);
    let found = default_initramfs(&Claimed(bytes.clone(), length), length).unwrap();
    assert_eq!(found.bytes, b"070701");
    let error = default_initramfs(&Claimed(bytes, 1), length).unwrap_err();
    assert!(matches!(error, DiskInitramfsError::Absent), "{error}");
}

#[test]
fn a_catalogue_behind_the_end_of_a_cd_is_none() {
    let block = |number: u64| ((DESCRIPTORS + number) * BLOCK) as usize;
    let mut image = vec![0; block(3)];
    for (number, kind) in [(0, 1), (1, 0), (2, 0xff)] {
        image[block(number)] = kind;
        image[block(number) + 1..][..5].copy_from_slice(b"CD001");
    }
    image[block(1) + 7..][..23].copy_from_slice(b"EL TORITO SPECIFICATION");
    image[block(1) + 0x47..][..4].copy_from_slice(&[0xff; 4]);
    // The second one ends among the descriptors.
    for length in [block(3), block(2)] {
        let error = default_initramfs(&image[..length], length as u64).unwrap_err();
        assert!(matches!(error, DiskInitramfsError::Absent), "{error}");
    }
}

#[test]
fn an_entry_has_no_more_parts_than_people_make() {
    let loader = program_with(".sdmagic", b"#### LoaderInfo: systemd-boot 252 ####");
    let entry = format!("linux /k\n{}", "initrd /a.img\n".repeat(1000));
    let folder = Folder::new(&[
        (EFI_PROGRAM, &loader),
        ("loader/entries/a.conf", entry.as_bytes()),
        ("a.img", b"0707"),
    ]);
    assert_eq!(folder.take().unwrap().taken.unwrap().bytes.len(), 4 * 100);
}
