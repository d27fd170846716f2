//! What holds for any bytes taken for a disk image or a part of one: shared by the fuzz targets and the ordinary tests which
//! replay their corpora.

use packager::disk::Sector;
use packager::disk::check::{Expected, check, default_initramfs};
use packager::disk::fat::read::{Medium, Reader};
use packager::disk::gpt;
use packager::disk::mbr::Mbr;
use packager::disk::pe::Program;
use packager::disk::qcow2::Qcow2;
use packager::disk::syslinux;
use packager::disk::syslinux::config::Config;

/// Directories that are looked into: a chain may lead from each into many.
const DIRECTORIES_MAX: usize = 200;

/// A whole disk: the check and the search for its initramfs end, and a medium in memory cannot fail.
pub fn disk(bytes: &[u8]) {
    let expected = Expected {
        bios: true,
        uefi: true,
        ..Expected::default()
    };
    let report = check(bytes, bytes.len() as u64, expected).unwrap();
    assert!(!report.findings.is_empty() || !report.facts.is_empty());
    if let Err(error) = default_initramfs(bytes, bytes.len() as u64) {
        assert!(error.is_input(), "{error}");
    }
    if let Ok(disk) = Qcow2::open(bytes) {
        let mut sector = [0; 512];
        assert_eq!(
            disk.read_exact_at(&mut sector, disk.length)
                .unwrap_err()
                .kind(),
            std::io::ErrorKind::UnexpectedEof
        );
        let _may_be_outside = disk.read_exact_at(&mut sector, disk.length / 2);
    }
}

/// A FAT volume: no file has more bytes than its medium, unless chains share clusters, and then not more than it says.
pub fn fat(bytes: &[u8]) {
    let Ok(reader) = Reader::open(bytes, Sector(0)) else {
        return;
    };
    let mut folders = vec![String::new()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        seen += 1;
        let Ok(Some(entries)) = reader.list(&folder) else {
            continue;
        };
        for entry in entries.into_iter().take(DIRECTORIES_MAX) {
            if entry.is_directory() {
                if seen + folders.len() < DIRECTORIES_MAX {
                    folders.push(format!("{folder}/{}", entry.name));
                }
                continue;
            }
            if let Ok(contents) = reader.contents(&entry) {
                assert_eq!(contents.len(), entry.size as usize);
                let sectors = reader.sectors(&entry).unwrap();
                assert_eq!(sectors.len(), contents.len().div_ceil(512));
            }
        }
    }
}

/// A GUID partition table: partitions have a begin and a length.
pub fn gpt(bytes: &[u8]) {
    if let Ok(Ok(partitions)) = gpt::read(bytes) {
        assert!(partitions.iter().all(|it| it.count.0 > 0));
    }
}

/// A master boot record: what was understood of it is written and read as the same.
pub fn mbr(bytes: &[u8]) {
    let Some(sector) = bytes.first_chunk() else {
        return;
    };
    if let Ok(mbr) = Mbr::parse(sector) {
        assert_eq!(Mbr::parse(&mbr.to_bytes()).unwrap(), mbr);
    }
}

/// An EFI program: sections that are added are there, and everything else is as it was.
pub fn pe(bytes: &[u8]) {
    let Ok(program) = Program::parse(bytes) else {
        return;
    };
    let Ok(out) = program.with_sections(&[(".fuzz", b"data"[..].into())]) else {
        return;
    };
    let again = Program::parse(&out).unwrap();
    assert_eq!(again.sections.len(), program.sections.len() + 1);
    assert_eq!(again.sections[..program.sections.len()], program.sections);
    let added = again.sections.last().unwrap();
    assert_eq!((added.name.as_str(), added.size), (".fuzz", 4));
}

/// An installed loader, behind its boot record: every sector that it is said to lie in is looked up once.
pub fn syslinux(bytes: &[u8]) {
    let Some((record, file)) = bytes.split_first_chunk() else {
        return;
    };
    let sectors: Vec<_> = (0..file.len().div_ceil(512) as u64).map(Sector).collect();
    let problems = syslinux::verify(file, record, &sectors);
    assert!(problems.len() <= sectors.len() + 3, "{}", problems.len());
    let config = Config::parse(&String::from_utf8_lossy(bytes));
    assert!(config.entries.len() <= bytes.len());
}
