//! The disks of this machine, as the kernel shows them in `/sys/block`, and whether one may be overwritten.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::SECTOR_SIZE;

/// A whole disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The kernel's name, for example `sdb`.
    pub name: String,
    /// Maker and model, as the disk says them; the name where it says nothing.
    pub model: String,
    /// Bytes.
    pub size: u64,
    /// `USB`, `SD card`, `eMMC`, `SATA`, `NVMe`, `virtual`, or `disk` where it is none of these.
    pub bus: &'static str,
    /// Whether the kernel says that the medium can be taken out.
    pub removable: bool,
    /// Whether it cannot be written to.
    pub read_only: bool,
    /// Bytes of its sectors.
    pub sector_size: u64,
    /// What uses it or one of its partitions: places where they are mounted, `swap`, other devices that lie on it.
    pub used_as: Vec<String>,
    /// Which medium it is: the kernel counts them, since 5.15, whatever they are called. 0 where it does not.
    pub sequence: u64,
}

/// Why a disk must not be overwritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The running system is on it.
    #[error("{device} is the disk that this system runs from")]
    System {
        /// The disk.
        device: String,
    },
    /// It is in use.
    #[error("{device} is in use: {}; {}", used_as.join(", "), way_out(used_as))]
    InUse {
        /// The disk.
        device: String,
        /// By what.
        used_as: Vec<String>,
    },
    /// It is not the kind of disk that one carries about.
    #[error(
        "{device} ({model}, {bus}) is neither removable nor on USB; if you mean it, say --allow-fixed"
    )]
    Fixed {
        /// The disk.
        device: String,
        /// Its model.
        model: String,
        /// Its bus.
        bus: &'static str,
    },
    /// The image is larger.
    #[error("{device} has {size} bytes, and the image has {image}")]
    TooSmall {
        /// The disk.
        device: String,
        /// Its size.
        size: u64,
        /// The image's size.
        image: u64,
    },
    /// Its switch is set, or the kernel has found a fault.
    #[error("{device} is write-protected")]
    ReadOnly {
        /// The disk.
        device: String,
    },
    /// The image counts in other sectors.
    #[error(
        "{device} has sectors of {sector_size} bytes, and the image's partition table counts in sectors of 512"
    )]
    SectorSize {
        /// The disk.
        device: String,
        /// Bytes of its sectors.
        sector_size: u64,
    },
}

impl Device {
    /// The file to open.
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Checks that an image of this many bytes may be written to the disk.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn check(&self, image: u64, allow_fixed: bool) -> Result<(), Refusal> {
        let device = self.path().display().to_string();
        if self
            .used_as
            .iter()
            .any(|place| SYSTEM.contains(&place.as_str()))
        {
            return Err(Refusal::System { device });
        }
        if !self.used_as.is_empty() {
            let used_as = self.used_as.clone();
            return Err(Refusal::InUse { device, used_as });
        }
        if self.read_only {
            return Err(Refusal::ReadOnly { device });
        }
        if self.sector_size != SECTOR_SIZE {
            let sector_size = self.sector_size;
            return Err(Refusal::SectorSize {
                device,
                sector_size,
            });
        }
        if self.size < image {
            let size = self.size;
            return Err(Refusal::TooSmall {
                device,
                size,
                image,
            });
        }
        if !allow_fixed && !self.is_portable() {
            return Err(Refusal::Fixed {
                device,
                model: self.model.clone(),
                bus: self.bus,
            });
        }
        Ok(())
    }

    /// Whether it is the kind of disk that one carries about.
    pub fn is_portable(&self) -> bool {
        self.removable || matches!(self.bus, "USB" | "SD card")
    }
}

/// What ends a use: of a place, of swap, or of a device that lies on the disk (LVM, dm-crypt, RAID).
fn way_out(used_as: &[String]) -> String {
    match used_as.first().map_or("", String::as_str) {
        place if place.starts_with('/') => format!("unmount it first (`umount {place}`)"),
        "swap" => "take the swap away first (`swapoff`)".to_owned(),
        holder => format!("{holder} lies on it; close that first (`lsblk` shows what it is)"),
    }
}

/// Where the running system's files are.
const SYSTEM: [&str; 4] = ["/", "/usr", "/boot", "/boot/efi"];

/// The disks of this machine that have a medium, by name.
pub fn list() -> Vec<Device> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    list_in(
        Path::new("/sys/block"),
        &read("/proc/self/mountinfo"),
        &read("/proc/swaps"),
    )
}

fn list_in(sys: &Path, mounts: &str, swaps: &str) -> Vec<Device> {
    let mut devices: Vec<_> = fs::read_dir(sys)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| device(&entry.path(), mounts, swaps))
        .filter(|device| device.size > 0)
        .collect();
    devices.sort_by(|one, two| one.name.cmp(&two.name));
    devices
}

fn device(folder: &Path, mounts: &str, swaps: &str) -> Device {
    let name = file_name(folder);
    let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    let words = [
        text(&real.join("device/vendor")),
        text(&real.join("device/model")),
    ];
    // What a card is called stands elsewhere.
    let called = [words.join(" "), text(&real.join("device/name"))];
    let mut called = called.iter().map(|it| it.trim());
    let model = called.find(|it| !it.is_empty()).unwrap_or(&name).to_owned();
    Device {
        model,
        size: number(&real.join("size")) * SECTOR_SIZE,
        bus: bus(&real),
        removable: number(&real.join("removable")) == 1,
        read_only: number(&real.join("ro")) == 1,
        sector_size: number(&real.join("queue/logical_block_size")),
        used_as: used_as(&real, mounts, swaps, HOLDERS).into_iter().collect(),
        sequence: number(&real.join("diskseq")),
        name,
    }
}

/// By the devices that the disk's folder lies in.
fn bus(folder: &Path) -> &'static str {
    let path = folder.to_string_lossy();
    let is_card = text(&folder.join("device/type")) == "SD";
    let known = [
        ("/usb", "USB"),
        // Soldered flash is on the same bus as cards.
        ("/mmc", if is_card { "SD card" } else { "eMMC" }),
        ("/nvme", "NVMe"),
        ("/ata", "SATA"),
        ("/virtual/", "virtual"),
    ];
    let found = known.iter().find(|(part, _)| path.contains(part));
    found.map_or("disk", |(_, name)| name)
}

/// How many devices lie on each other at most: LVM on LUKS on RAID are three.
const HOLDERS: usize = 8;

/// What uses the disk and its partitions, and the devices that lie on them.
fn used_as(folder: &Path, mounts: &str, swaps: &str, holders: usize) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let name = file_name(folder);
    let partitions = children(folder)
        .into_iter()
        .filter(|child| file_name(child).starts_with(&name));
    for part in partitions.chain([folder.to_path_buf()]) {
        let number = text(&part.join("dev"));
        let file = format!("/dev/{}", file_name(&part));
        out.extend(mounted(mounts, &number, &file));
        let is_swap = |line: &str| line.split_whitespace().next() == Some(&file);
        if swaps.lines().any(is_swap) {
            out.insert("swap".to_owned());
        }
        for holder in children(&part.join("holders")) {
            out.insert(file_name(&holder));
            if let (Some(holders), Ok(real)) = (holders.checked_sub(1), fs::canonicalize(holder)) {
                out.extend(used_as(&real, mounts, swaps, holders));
            }
        }
    }
    out
}

/// Lines of mountinfo: number, parent, device's numbers, root, place, options, …, `-`, type, source (proc(5)).
fn mounted(mounts: &str, number: &str, file: &str) -> Vec<String> {
    let lines = mounts.lines().filter_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mut fields = front.split(' ').skip(2);
        let (numbers, place) = (fields.next()?, fields.nth(1)?);
        let source = back.split(' ').nth(1)?;
        (numbers == number || source == file).then(|| place.replace("\\040", " "))
    });
    lines.collect()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn number(path: &Path) -> u64 {
    text(path).parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sys() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let stick = "usb1/block/sdb";
        for (file, text) in [
            ("size", "2048\n"),
            ("removable", "1\n"),
            ("ro", "0\n"),
            ("dev", "8:16\n"),
            ("queue/logical_block_size", "512\n"),
            ("device/vendor", "SanDisk \n"),
            ("device/model", "Ultra\n"),
            ("sdb1/dev", "8:17\n"),
            ("sdb1/holders/dm-0", ""),
        ] {
            put(&format!("{stick}/{file}"), text);
        }
        fs::create_dir(folder.path().join("block")).unwrap();
        let link = folder.path().join("block/sdb");
        std::os::unix::fs::symlink(folder.path().join(stick), link).unwrap();
        folder
    }

    #[test]
    fn a_stick_is_described() {
        let sys = sys();
        let mounts = "36 35 8:17 / /mnt/my\\040stick rw - vfat /dev/sdb1 rw\n";
        let devices = list_in(&sys.path().join("block"), mounts, "");
        assert_eq!(devices.len(), 1);
        let stick = &devices[0];
        assert_eq!(stick.model, "SanDisk Ultra");
        assert_eq!((stick.bus, stick.size), ("USB", 1 << 20));
        assert_eq!(stick.used_as, ["/mnt/my stick", "dm-0"]);
        assert!(matches!(stick.check(1, false), Err(Refusal::InUse { .. })));
    }

    #[test]
    fn the_system_may_be_on_a_device_that_lies_on_the_disk() {
        let sys = sys();
        let mapped = sys.path().join("virtual/block/dm-1");
        fs::create_dir_all(&mapped).unwrap();
        fs::write(mapped.join("dev"), "253:1\n").unwrap();
        let holder = sys.path().join("usb1/block/sdb/sdb1/holders/dm-1");
        std::os::unix::fs::symlink(&mapped, holder).unwrap();
        let mounts = "36 35 253:1 / / rw - ext4 /dev/mapper/root rw\n";
        let devices = list_in(&sys.path().join("block"), mounts, "");
        assert_eq!(devices[0].used_as, ["/", "dm-0", "dm-1"]);
        let refusal = devices[0].check(1, true).unwrap_err();
        assert!(matches!(refusal, Refusal::System { .. }), "{refusal}");
    }

    #[test]
    fn a_card_is_portable_and_soldered_flash_is_not() {
        let sys = tempfile::tempdir().unwrap();
        for (name, kind) in [("mmcblk0", "MMC\n"), ("mmcblk1", "SD\n")] {
            let folder = sys.path().join(format!("mmc_host/{name}"));
            fs::create_dir_all(folder.join("device")).unwrap();
            fs::write(folder.join("device/type"), kind).unwrap();
            fs::write(folder.join("device/name"), "SC16G\n").unwrap();
            fs::write(folder.join("size"), "8\n").unwrap();
            fs::write(folder.join("diskseq"), "9\n").unwrap();
        }
        let devices = list_in(&sys.path().join("mmc_host"), "", "");
        let seen: Vec<_> = devices
            .iter()
            .map(|it| (it.bus, it.is_portable(), it.model.as_str(), it.sequence))
            .collect();
        assert_eq!(
            seen,
            [("eMMC", false, "SC16G", 9), ("SD card", true, "SC16G", 9)]
        );
    }

    #[test]
    fn what_must_not_be_overwritten_is_refused() {
        let stick = Device {
            name: "sdb".into(),
            size: 1000,
            bus: "USB",
            sector_size: 512,
            ..Device::default()
        };
        assert_eq!(stick.check(1000, false), Ok(()));
        assert!(matches!(
            stick.check(1001, false),
            Err(Refusal::TooSmall { .. })
        ));
        let with = |change: &dyn Fn(&mut Device)| {
            let mut device = stick.clone();
            change(&mut device);
            device.check(1, false).unwrap_err()
        };
        assert!(matches!(with(&|it| it.bus = "SATA"), Refusal::Fixed { .. }));
        assert!(matches!(
            with(&|it| it.read_only = true),
            Refusal::ReadOnly { .. }
        ));
        assert!(matches!(
            with(&|it| it.sector_size = 4096),
            Refusal::SectorSize { .. }
        ));
        let system = with(&|it| it.used_as = vec!["/".into()]);
        assert!(matches!(system, Refusal::System { .. }));
        let fixed = Device {
            bus: "SATA",
            ..stick.clone()
        };
        assert_eq!(fixed.check(1, true), Ok(()));
    }
}
