//! The findings about an initramfs. It is a table, in the order in which the kernel and `/init` would meet them.

use crate::finding::Severity::{Error, Warning};
use crate::finding::codes;

codes! {
    DAMAGED = "damaged-archive", Error,
        "The kernel stops unpacking where an archive is damaged or cut off, often without a word, and goes on with what it has.",
        "Make the image anew; if it was copied, compare the sizes.";
    SPLIT = "split-archive", Error,
        "A file of an archive goes on in the next compressed stream. The kernel unpacks each stream by itself, so that each must hold whole files.",
        "Compress the archive as one stream, or make an archive of each part.";
    CHECKSUM = "bad-checksum", Error,
        "A file's bytes do not have the sum that its header promises (070702). The kernel stops there, and all that follows is missing.",
        "Make the image anew; if it was copied, compare the files.";
    NO_TRAILER = "no-trailer", Warning,
        "The archive does not end with its trailer. The kernel takes it, but what was cut off between two entries looks the same.",
        "Make the image anew, unless its tool writes no trailer on purpose.";
    JUNK = "junk-behind-archive", Warning,
        "The kernel stops where neither an archive nor a compressed stream begins; it says so, and goes on with what it has.",
        "Remove the bytes; if another archive should be there, compare its size.";
    UNALIGNED = "unaligned-archive", Error,
        "The kernel looks for an archive only at multiples of 4 bytes, of the image or of what a compressed stream holds, and ignores this one and all that follows.",
        "Pad what stands before it with zero bytes.";
    LZ4_FRAME = "lz4-frame", Error,
        "The kernel reads only the legacy container of lz4 (`lz4 -l`), and panics at the frame format.",
        "Compress with `lz4 -l`, or make the image with packager.";
    GZIP_HEADER = "gzip-header", Error,
        "The kernel passes over a file's name in the header of a gzip stream, and over nothing else that may stand there; it takes the rest of the header for data, and panics.",
        "Compress with gzip itself, and not with bgzip or dictzip; or make the image with packager.";
    LZ4_END = "lz4-end", Error,
        "The kernel takes what stands directly behind an lz4 stream for its next block, unless it is another lz4 stream: decoding failed, and all that follows is missing.",
        "Put four zero bytes between them, or the lz4 stream last.";
    XZ_CHECK = "xz-check", Error,
        "The kernel's xz decoder knows the checks CRC32 and none, and panics at CRC64, which is what `xz` writes unless it is told otherwise.",
        "Compress with `xz --check=crc32`, or make the image with packager.";
    XZ_FILTER = "xz-filter", Error,
        "The kernel's xz decoder knows LZMA2 and the filters for machine code that it was built with (CONFIG_XZ_DEC_*), and panics at others.",
        "Compress with `xz --check=crc32` and no filter, or make the image with packager.";
    ZSTD_WINDOW = "zstd-window", Error,
        "The kernel's zstd decoder takes windows of up to 128 MiB, and panics at a larger one.",
        "Compress without `--long` or `--ultra`.";
    COMPRESSOR = "compressor-not-built-in", Error,
        "This kernel was built without the decompressor that the image needs, and panics.",
        "Choose another compressor: see CONFIG_RD_* in the kernel's configuration.";
    ORPHAN = "missing-folder", Error,
        "The kernel drops an entry whose folder has not come before it, without a word.",
        "Add the folder before its files.";
    BLOCKED = "folder-in-the-way", Error,
        "The kernel cannot replace a folder that is not empty by something else, and drops the entry without a word.",
        "Leave out the folder or the file.";
    IMPOSSIBLE = "impossible-entry", Error,
        "The kernel drops an entry that no file can be, without a word: a symbolic link with a target of more than 4095 bytes, a folder or a node with data, a type that Linux does not know, a name with a part of more than 255 bytes, a file that is to be linked to its own name.",
        "Leave it out, or make the archive with a tool that does not write such entries.";
    NAMELESS = "entry-without-name", Warning,
        "The kernel goes past an entry whose name is empty or has more than 4096 bytes, without a word.",
        "Make the archive with a tool that does not write such entries.";
    NO_INIT = "no-init", Error,
        "The kernel starts /init. Without it, it looks for a real root and panics, unless its command line names another (rdinit=).",
        "Add an executable /init.";
    INIT_MODE = "init-not-executable", Error,
        "The kernel cannot start a file that nobody may execute, and panics.",
        "Give /init the mode 0755.";
    INTERPRETER = "missing-interpreter", Error,
        "A script without the program after `#!`, or a program without its dynamic loader, does not start: the kernel says ENOENT.",
        "Add what is named, with its libraries: `programs` in a recipe does that.";
    LIBRARY = "missing-library", Error,
        "The dynamic loader ends a program whose library it does not find.",
        "Add the library: `programs` in a recipe brings all that a program needs.";
    PLUGIN_LIBRARY = "missing-library-of-plugin", Warning,
        "No program of the image names this library; one that opens it while it runs (dlopen: name services, PAM, character sets) is told that it cannot, and goes on without.",
        "Add what it needs, or leave the library out.";
    LIBRARY_PLACE = "library-out-of-the-way", Warning,
        "The dynamic loader looks in the usual folders, in those that a program names (RUNPATH), and in those of ld.so.conf and its cache; it does not find this library, unless LD_LIBRARY_PATH names its folder.",
        "Move the library, or name its folder in /etc/ld.so.conf and make the cache anew (ldconfig).";
    NO_PROGRAM = "not-a-program-for-it", Error,
        "The kernel does not start a program that is damaged, or made for another processor.",
        "Take the program from the machine's own distribution, and copy it whole.";
    CARRIAGE_RETURN = "carriage-return", Error,
        "The first line of a script ends with a carriage return, as on Windows. The kernel and the shell take it for a part of the last word, and find neither program nor applet of that name.",
        "Save the file with lines that end as on Unix: `sed -i 's/\\r$//' FILE`.";
    COMMAND = "missing-command", Error,
        "/init calls a command that is no applet of this busybox, no program of the image and no function of the script: not found.",
        "Use a busybox that has the applet, or add the program.";
    UNLINKED = "applet-without-link", Warning,
        "The shell of busybox starts an applet without a link through /proc/self/exe, and only if it was built to (FEATURE_SH_STANDALONE, or FEATURE_PREFER_APPLETS). Before /proc is mounted it says not found, so that mount without a link mounts nothing, not even that.",
        "Add a link (`/bin/mount -> busybox`), or write `/bin/busybox mount -t proc proc /proc` or `/bin/busybox --install -s` first.";
    OPTION = "kernel-option-missing", Error,
        "The kernel was built without something that an initramfs cannot do without: unpacking one at all, starting programs, or starting scripts such as /init.",
        "Take a kernel with the option, or build it anew with it.";
    HOTPLUG = "no-hotplug-helper", Error,
        "/init names a program for the kernel to start for each device, and this kernel was built without that (CONFIG_UEVENT_HELPER).",
        "Listen for events instead: `mdev -d`, or udevd.";
    KERNEL_VERSION = "modules-of-another-kernel", Error,
        "The image has no modules for this kernel, and those that it has would be refused.",
        "Make the image for this kernel, or boot the kernel that it was made for.";
    VERMAGIC = "module-of-another-kernel", Error,
        "A module says in its vermagic for which kernel it was built, and with which options; every other refuses it.",
        "Take the module from the kernel's own package.";
    RELEASE = "module-of-another-release", Warning,
        "A kernel with MODVERSIONS takes a module of another release if all symbols that it uses have the same checksums.",
        "Take the module from the kernel's own package, or try it: `packager boot`.";
    MODULE_DAMAGED = "damaged-module", Error,
        "The kernel refuses a module whose file is damaged.",
        "Copy the module anew.";
    MODULE_COMPRESSED = "compressed-module", Warning,
        "Not every busybox unpacks .ko.gz and .ko.xz; kmod and kernels with CONFIG_MODULE_DECOMPRESS do.",
        "Store modules uncompressed: the image is compressed anyway.";
    MODULE_PACKED = "module-not-unpacked", Error,
        "busybox unpacks no .ko.zst and no .ko.lz4; since 1.37 it lets the kernel do that, which needs CONFIG_MODULE_DECOMPRESS and the same compressor (CONFIG_MODULE_COMPRESS_*): invalid module format.",
        "Store modules uncompressed: the image is compressed anyway; or load them with kmod.";
    MODULE_DEPENDENCY = "missing-module", Error,
        "A module whose dependency is neither in the image nor built in does not load: unknown symbol.",
        "Add the module that is named.";
    LISTED = "listed-module-missing", Error,
        "/init loads the modules that /etc/modules lists, and says on the console that this one is not there.",
        "Add the module, or take it off the list.";
    SOFTDEP = "missing-softdep", Warning,
        "A module asks for another one before it works well, or at all: ext4 without crc32c does not mount.",
        "Add the module that is named, if the kernel has it.";
    NO_INDEX = "no-modules-dep", Error,
        "modprobe finds modules and their dependencies in modules.dep, and loads nothing without it.",
        "Make the image with packager, or run depmod on its tree.";
    STALE_INDEX = "stale-modules-dep", Error,
        "modprobe loads what modules.dep says, from where it says, in its order; a module that it gets wrong does not load.",
        "Make the image with packager, or run depmod on its tree once all modules are in it.";
    USB_HOST = "no-usb-host", Warning,
        "USB drivers find nothing without the driver of the machine's USB controller; PCs have had xHCI controllers since about 2012. No symbol says so, and nothing is reported when they load.",
        "Add xhci_pci, unless only older machines, or virtual ones, shall boot.";
    DISK_DRIVER = "no-disk-driver", Warning,
        "A USB stick is a SCSI disk; without the driver of those it has no device such as /dev/sda, and nothing is reported.",
        "Add sd_mod.";
    CODE_PAGE = "vfat-without-code-page", Error,
        "A mount of vfat asks for the default code page and character set, and fails where they are not there.",
        "Add nls_cp437 and nls_ascii, or what CONFIG_FAT_DEFAULT_CODEPAGE and CONFIG_FAT_DEFAULT_IOCHARSET say.";
    KEYMAP = "bad-keymap", Error,
        "loadkmap refuses what is no binary keymap (bkeymap), and the keyboard stays as the kernel has it.",
        "Compile the map with kmapc.";
    LOCKED_OUT = "keymap-locks-out", Error,
        "With this keymap no command can be typed: it has no Enter, or no Latin letters on any level that its keys lead to.",
        "Choose a keymap with a Latin level; `kmapc xkb LAYOUT,us` makes one of two layouts.";
    FIRMWARE = "missing-firmware", Warning,
        "A driver that asks for firmware may work without it, or not at all, depending on the device.",
        "Add the firmware, if a device of the machine needs it.";
    DANGLING = "dangling-link", Warning,
        "A link that leads nowhere is as good as no file.",
        "Add what it leads to, or remove the link.";
}
