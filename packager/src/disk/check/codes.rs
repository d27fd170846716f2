//! The findings about disk images. It is a table, in the order of the chain.

use crate::finding::Severity::{Error, Warning};
use crate::finding::codes;

codes! {
    NO_SIGNATURE = "no-boot-signature", Error,
        "A BIOS starts a disk only if its first sector ends with 55 aa, and every system looks there for the partition table.",
        "Write the image anew; if it came from a stick, check that it was copied from the first byte on, not from a partition.";
    NO_TABLE = "no-partition-table", Warning,
        "Some BIOSes take a stick without a partition table for a floppy disk and do not start it; UEFI does.",
        "Make the image with a partition table: `packager image` does, unless it is told --table none.";
    PARTITION_OUTSIDE = "partition-outside", Error,
        "A partition that ends behind the disk is refused, or its last files cannot be read.",
        "The image has been cut off: copy it again, or make it anew.";
    PARTITIONS_OVERLAP = "partitions-overlap", Error,
        "Two partitions that share sectors destroy each other's files.",
        "Make the partition table anew.";
    BAD_GPT = "bad-gpt", Error,
        "The first sector says that there is a GUID partition table, and that is damaged: firmware may take its copy at the disk's end, or refuse the disk.",
        "Repair it with `gdisk` or `sfdisk`, or make the image anew.";
    GPT_BACKUP = "no-gpt-backup", Warning,
        "A GUID partition table has a second copy in the last sectors of the disk, from which a damaged first one is repaired. Firmware starts the disk without it; some tools complain.",
        "`sgdisk -e DISK` puts it there; where the image has been cut off, copy it again.";
    NO_LEGACY_BOOTABLE = "no-legacy-bootable", Warning,
        "The boot code for a GUID partition table (gptmbr.bin) starts the partition with the attribute `legacy BIOS bootable`.",
        "Set it: `sgdisk --attributes=1:set:2 DISK`. UEFI needs no such mark.";
    NO_FAT_PARTITION = "no-fat-partition", Error,
        "syslinux and UEFI start from a FAT file system, and the table names none.",
        "Set the partition's type to 0x0c (FAT32), 0x0e (FAT16) or 0xef (EFI system partition): `sfdisk --part-type DISK 1 c`.";
    FAT_UNREADABLE = "fat-unreadable", Error,
        "Neither firmware nor boot loader can find a file without the file system's boot record and allocation table.",
        "Make the image anew.";
    HIDDEN_SECTORS = "hidden-sectors", Warning,
        "The boot record's count of hidden sectors should be the partition's first sector: some BIOS boot code adds it to every address.",
        "Give mkfs.fat the option -h with the partition's first sector.";
    FAT_OUTSIDE = "fat-outside", Error,
        "A file system that is larger than its partition or its disk loses the files at its end.",
        "If the image has been cut off, copy it again; else make the partition as large as the file system, or make the image anew.";
    FAT_INCONSISTENT = "fat-inconsistent", Warning,
        "The file system contradicts itself, or was not unmounted. Boot loaders read on; other systems may repair it, refuse it, or see other files.",
        "Run `fsck.fat` on it (`fsck.fat -n` shows what is wrong), or make the image anew.";
    FILE_UNREADABLE = "file-unreadable", Error,
        "The file's chain of clusters is broken, so that no boot loader can read it.",
        "Copy the file anew, or run `fsck.fat`.";
    NO_BOOT_LOADER = "no-boot-loader", Error,
        "There is nothing that firmware could start.",
        "Install a boot loader, or make the image with `packager image`.";
    NO_MBR_CODE = "no-mbr-code", Error,
        "A BIOS starts the code in the first 440 bytes of the disk; there is none, so that it stops or hangs.",
        "Write syslinux's mbr.bin there: `dd if=mbr.bin of=DISK bs=440 count=1 conv=notrunc`.";
    FOREIGN_MBR_CODE = "foreign-mbr-code", Error,
        "The code in the first sector is another boot loader's, which looks for its own files and not for syslinux.",
        "Write syslinux's mbr.bin there: `dd if=mbr.bin of=DISK bs=440 count=1 conv=notrunc`.";
    UNKNOWN_MBR_CODE = "unknown-mbr-code", Warning,
        "The code in the first sector is not one that is known to start the active partition.",
        "If it does not start, write syslinux's mbr.bin there: `dd if=mbr.bin of=DISK bs=440 count=1 conv=notrunc`.";
    NO_ACTIVE_PARTITION = "no-active-partition", Error,
        "The boot code starts the partition that is marked active; without one it stops with `Missing operating system`.",
        "Mark it: `sfdisk --activate DISK 1`.";
    MANY_ACTIVE_PARTITIONS = "many-active-partitions", Error,
        "The boot code refuses a table in which more than one partition is marked active.",
        "Mark one: `sfdisk --activate DISK 1`.";
    NO_BOOT_RECORD = "no-boot-record", Error,
        "The first sector of the partition has no code of syslinux, so that ldlinux.sys is never loaded.",
        "Install it: `syslinux --install`, or make the image with `packager image`.";
    RECORD_UNSIGNED = "unsigned-boot-record", Error,
        "The boot code starts a partition only if its first sector ends with 55 aa; else it stops with `Missing operating system`.",
        "Install syslinux anew, or make the image with `packager image`.";
    UNKNOWN_BOOT_RECORD = "unknown-boot-record-code", Warning,
        "The code in the first sector of the partition is of a syslinux that is not known here, or damaged.",
        "If it does not start, install syslinux anew. Where the same syslinux is installed, `packager check` compares with it.";
    NO_LDLINUX_SYS = "no-ldlinux-sys", Error,
        "The boot record loads ldlinux.sys by the numbers of its sectors; there is no such file.",
        "Install syslinux anew; copying the file is not enough, because its place is in the boot record.";
    BAD_SECTOR_MAP = "bad-sector-map", Error,
        "The boot record and the beginning of ldlinux.sys say in which sectors the rest lies. They are wrong, as they are after the file was copied, moved or defragmented: syslinux stops with `Boot error`.",
        "Install syslinux anew.";
    LDLINUX_DAMAGED = "ldlinux-damaged", Error,
        "ldlinux.sys has a check sum over itself; where it is wrong, syslinux stops with `Boot error`.",
        "Install syslinux anew.";
    NO_LDLINUX_C32 = "no-ldlinux-c32", Error,
        "ldlinux.sys loads ldlinux.c32, which has the command line; without it syslinux stops with `Failed to load ldlinux.c32`.",
        "Copy ldlinux.c32 of the same build beside ldlinux.sys, or install syslinux anew.";
    NO_CONFIG = "no-syslinux-cfg", Error,
        "Without a configuration syslinux shows `boot:` and waits for a kernel's name.",
        "Write a syslinux.cfg with DEFAULT, LABEL, LINUX and INITRD.";
    NO_ENTRIES = "no-syslinux-entries", Error,
        "With such a configuration syslinux shows `boot:` and waits for a kernel's name.",
        "Write DEFAULT, and a LABEL with LINUX and INITRD.";
    NO_DEFAULT = "no-default-entry", Warning,
        "The configuration does not say what is booted when nobody chooses: syslinux shows `boot:` and waits for a label.",
        "Write a DEFAULT with one of the labels.";
    MISSING_FILE = "missing-file", Error,
        "A configuration names a file that is not there: the boot loader stops with an error.",
        "Copy the file to that place, or correct the configuration. FAT does not tell large letters from small ones.";
    NO_LIBRARY = "missing-syslinux-module", Error,
        "A module of syslinux (`.c32`) needs others, such as libutil.c32. syslinux looks for them where its configuration is and in the folders of PATH, not beside the module; without them it says `Failed to load`, and shows `boot:`.",
        "Copy the module that is named, of the same version, beside the configuration, or name its folder: `PATH /syslinux`.";
    MISSING_EXTRA = "missing-extra-file", Warning,
        "A configuration includes or shows a file that is not there: the boot loader goes on without it.",
        "Copy the file to that place, or take its line out.";
    NOT_A_KERNEL = "not-a-kernel", Error,
        "The file is not a Linux kernel for x86 (bzImage).",
        "Copy a kernel (boot/vmlinuz-VERSION) there.";
    KERNEL_CUT_OFF = "kernel-cut-off", Error,
        "The kernel's header says how many bytes it has, and the file has fewer: the boot loader or the kernel stops while unpacking it.",
        "Copy the kernel again, and compare the sizes.";
    NO_EL_TORITO = "no-boot-catalogue", Error,
        "Firmware starts a CD by the catalogue of El Torito, which says where the boot loaders for a BIOS and for UEFI are.",
        "Make the ISO with `packager image -o FILE.iso`, or give xorriso the options -b and -e.";
    CD_ONLY = "no-hybrid", Warning,
        "An ISO without a partition table starts from a CD only: on a stick, a BIOS finds no boot code, and UEFI no partition.",
        "Make it with `packager image -o FILE.iso`, or run `isohybrid` on it.";
    NO_ISOLINUX = "no-isolinux", Error,
        "A BIOS starts from a CD what the catalogue names for it; the bytes there are not isolinux.",
        "Make the ISO anew.";
    ISOLINUX_DAMAGED = "isolinux-damaged", Error,
        "A table at the begin of isolinux.bin says where it lies, how long it is, and its check sum; where that is wrong, isolinux stops with `Image checksum error` or reads other blocks.",
        "Make the ISO anew, with xorriso's option -boot-info-table.";
    NO_HYBRID_CODE = "no-hybrid-code", Warning,
        "A BIOS starts a stick by the code in its first sector, which for an ISO must know where isolinux is: this one starts by a BIOS from a CD only.",
        "Run `isohybrid` on it, or make it with `packager image -o FILE.iso`.";
    NO_EFI_PROGRAM = "no-efi-program", Error,
        "UEFI starts EFI/BOOT/BOOTX64.EFI from a stick; there is none.",
        "Make the image with --firmware both.";
    BAD_EFI_PROGRAM = "bad-efi-program", Error,
        "The firmware refuses a file that is not an EFI program for this machine.",
        "Copy systemd-bootx64.efi or a unified kernel image there.";
    DAMAGED_PROGRAM = "damaged-program", Error,
        "The firmware refuses a program whose headers lead out of the file, as they do where it has been cut off.",
        "Copy the file again, or make it anew with `packager uki`.";
    WRONG_EFI_PROGRAM = "wrong-efi-program", Error,
        "systemd has two EFI programs: the boot loader (systemd-bootx64.efi) reads entries from the disk, the stub (linuxx64.efi.stub) starts the kernel inside itself. One of them stands in the place of the other.",
        "Copy systemd-bootx64.efi or a unified kernel image there (`packager uki` makes one, from the stub).";
    KERNEL_ALONE = "kernel-alone", Warning,
        "UEFI starts a kernel without a command line and without an initramfs, unless both are built in.",
        "Copy systemd-bootx64.efi or a unified kernel image there (`packager uki` makes one).";
    SIGNATURE_BROKEN = "broken-signature", Error,
        "The file was changed after it was signed: with Secure Boot, firmware refuses it.",
        "Copy the file again, or sign it anew with sbsign.";
    NO_LOADER_ENTRIES = "no-loader-entries", Error,
        "systemd-boot shows what is in loader/entries and ends with .conf, and unified kernel images in EFI/Linux; not what begins with `.` or `auto-`. Without any its menu is empty.",
        "Write an entry with title, linux, initrd and options.";
    INCOMPLETE_ENTRY = "incomplete-loader-entry", Warning,
        "systemd-boot does not show an entry that does not say what it starts.",
        "Write a line with linux, efi or uki, or delete the file.";
    NO_DEFAULT_ENTRY = "no-default-loader-entry", Warning,
        "The default in loader.conf is the name of no entry that is shown: systemd-boot takes another one.",
        "Write the name of a file in loader/entries or EFI/Linux, with its suffix.";
    NO_EFI_STUB = "no-efi-stub", Error,
        "systemd-boot starts a kernel as an EFI program; this one was built without CONFIG_EFI_STUB.",
        "Take a kernel with CONFIG_EFI_STUB.";
}
