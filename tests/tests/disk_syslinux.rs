//! Installing syslinux in process, against the program `syslinux`.

use std::path::{Path, PathBuf};
use std::process::Command;

use packager::disk::fat::{FatKind, Geometry, Label, Timestamp, Tree, Volume, VolumeOptions};
use packager::disk::syslinux::{self, Pieces};
use packager::disk::{Sector, SparseImage};
use tests::environment::{has, required};

/// 2020-09-13 12:26:40 UTC.
const TIME: u64 = 1_600_000_000;

fn pieces() -> Option<Pieces> {
    required(Pieces::find(None).ok(), "syslinux")
}

fn write(path: &Path, volume: Volume<'_>, start: Sector) {
    let mut image = SparseImage::new((start + volume.geometry().total).bytes());
    volume.write(&mut image);
    image
        .write_to(&std::fs::File::create(path).unwrap())
        .unwrap();
}

fn volume(kind: FatKind, start: Sector, pieces: Option<&Pieces>) -> Volume<'static> {
    let mut tree = Tree::default();
    tree.file("EFI/BOOT/BOOTX64.EFI", vec![1; 3000]).unwrap();
    tree.file("vmlinuz", vec![2; 123_456]).unwrap();
    if let Some(pieces) = pieces {
        syslinux::add_files(&mut tree, pieces).unwrap();
    }
    let geometry = Geometry::new(kind, Sector(100_000)).unwrap();
    let options = VolumeOptions {
        label: Label::new("test").unwrap(),
        serial: 0x1234_abcd,
        time: Timestamp::from_unix(TIME),
        start,
    };
    let mut volume = Volume::reserve(tree, geometry, options).unwrap();
    if let Some(pieces) = pieces {
        syslinux::install(&mut volume, pieces).unwrap();
    }
    volume
}

fn install_with_syslinux(path: &Path, start: Sector) {
    let output = Command::new("syslinux")
        .env("SOURCE_DATE_EPOCH", TIME.to_string())
        .env("TZ", "UTC")
        .args(["-t", &start.bytes().to_string(), "--install"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Everything is the same, but for the backup of the first two sectors: `syslinux` leaves the old ones, of which fsck.fat
/// complains.
#[test]
fn the_bytes_are_those_of_syslinux() {
    let Some(pieces) = pieces().filter(|_| has(&["syslinux", "mcopy"])) else {
        return;
    };
    for (kind, start) in [
        (FatKind::Fat32, Sector(2048)),
        (FatKind::Fat32, Sector(0)),
        (FatKind::Fat16, Sector(2048)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let [ours, theirs]: [PathBuf; 2] = ["ours", "theirs"].map(|name| folder.path().join(name));
        write(&theirs, volume(kind, start, None), start);
        install_with_syslinux(&theirs, start);
        write(&ours, volume(kind, start, Some(&pieces)), start);
        let ours = std::fs::read(ours).unwrap();
        let mut theirs = std::fs::read(theirs).unwrap();
        if kind == FatKind::Fat32 {
            let [record, backup] = [start, start + Sector(6)].map(|at| at.bytes() as usize);
            assert_eq!(ours[record..record + 1024], ours[backup..backup + 1024]);
            theirs.copy_within(record..record + 1024, backup);
        }
        let differ = (0..ours.len() / 512)
            .find(|sector| ours[sector * 512..][..512] != theirs[sector * 512..][..512]);
        assert_eq!(differ, None, "{kind} at {start}");
    }
}
