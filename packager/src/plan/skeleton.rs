//! What is in every image, whatever the recipe: directories, links, device nodes, and the files of `data/init/`.

use super::Plan;

/// The files of `data/init/` that go into every image: path, permissions, contents, reason.
const INIT_FILES: [(&str, u32, &str, &str); 6] = [
    (
        "init",
        0o755,
        include_str!("../../../data/init/init.sh"),
        "the kernel starts it as the first process",
    ),
    (
        "etc/inittab.head",
        0o644,
        include_str!("../../../data/init/inittab.head"),
        "/init makes /etc/inittab of it, which /sbin/init reads",
    ),
    (
        "etc/shutdown",
        0o755,
        include_str!("../../../data/init/shutdown.sh"),
        "/sbin/init runs it before power-off and reboot",
    ),
    (
        "etc/passwd",
        0o644,
        include_str!("../../../data/init/passwd"),
        "gives user 0 the name root",
    ),
    (
        "etc/group",
        0o644,
        include_str!("../../../data/init/group"),
        "gives group 0 the name root",
    ),
    (
        "etc/profile",
        0o644,
        include_str!("../../../data/init/profile"),
        "search path and prompt of the shells",
    ),
];

/// Directories of every image: path, permissions, reason.
const DIRECTORIES: [(&str, u32, &str); 11] = [
    ("dev", 0o755, "devtmpfs is mounted here"),
    ("etc", 0o755, "configuration"),
    ("mnt", 0o755, "where a stick is mounted"),
    ("proc", 0o555, "procfs is mounted here"),
    ("root", 0o700, "home of the user root"),
    ("run", 0o755, "logs of /init"),
    ("sys", 0o555, "sysfs is mounted here"),
    ("tmp", 0o1777, "temporary files"),
    ("usr/bin", 0o755, "busybox, its applets and other programs"),
    ("usr/lib", 0o755, "modules and libraries"),
    ("var/lock", 0o755, "lock files of programs"),
];

/// Device nodes that programs expect before devtmpfs is mounted: path, permissions, major, minor
/// (`Documentation/admin-guide/devices.txt` of the kernel's source).
const DEVICES: [(&str, u32, u32, u32); 7] = [
    ("dev/console", 0o600, 5, 1),
    ("dev/null", 0o666, 1, 3),
    ("dev/ptmx", 0o666, 5, 2),
    ("dev/tty", 0o666, 5, 0),
    ("dev/tty0", 0o620, 4, 0),
    ("dev/tty1", 0o620, 4, 1),
    ("dev/zero", 0o666, 1, 5),
];

/// Links of every image: path, target. One folder holds all programs, and one all libraries, whatever path they are called by;
/// so it is on most distributions today ("merged /usr", file-hierarchy(7)).
const LINKS: [(&str, &str); 4] = [
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("sbin", "usr/bin"),
    ("usr/sbin", "bin"),
];

impl Plan {
    pub(super) fn add_skeleton(&mut self) {
        for (path, permissions, reason) in DIRECTORIES {
            self.directory(path, permissions, reason);
        }
        for (path, target) in LINKS {
            self.symlink(
                path,
                target,
                "all programs are in /usr/bin, all libraries in /usr/lib",
            );
        }
        for (path, permissions, major, minor) in DEVICES {
            self.device(
                path,
                permissions,
                major,
                minor,
                "programs expect it before devtmpfs is mounted",
            );
        }
        for (path, permissions, contents, reason) in INIT_FILES {
            self.file(path, permissions, contents.into(), reason);
        }
    }
}
