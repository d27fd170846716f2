//! `--depfile`: what disk images, EFI programs and folders for netboot are made of.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::environment::{command, tool};
use tests::root::{Root, small_root};

/// Files of boot loaders, and where they are installed.
const LOADERS: [(&str, &str); 7] = [
    ("syslinux", "/usr/bin"),
    ("mbr.bin", "/usr/lib/SYSLINUX"),
    ("gptmbr.bin", "/usr/lib/SYSLINUX"),
    ("ldlinux.c32", "/usr/lib/syslinux/modules/bios"),
    ("lpxelinux.0", "/usr/lib/PXELINUX"),
    ("isolinux.bin", "/usr/lib/ISOLINUX"),
    ("isohdpfx.bin", "/usr/lib/ISOLINUX"),
];

/// A folder with all that a command may read, so that whatever it reads there is an input.
struct Bench {
    root: Root,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        let root = small_root()?;
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { root, folder };
        fs::create_dir(bench.path("in")).unwrap();
        fs::create_dir(bench.path("out")).unwrap();
        let efi = "/usr/lib/systemd/boot/efi";
        let efi = ["linuxx64.efi.stub", "systemd-bootx64.efi"].map(|name| (name, efi));
        for (name, place) in LOADERS.into_iter().chain(efi) {
            let copied = fs::copy(Path::new(place).join(name), bench.path("in").join(name));
            tests::environment::required(copied.ok(), name)?;
        }
        let busybox = packager::busybox::Busybox::find(Path::new("/")).unwrap();
        fs::copy(&busybox.path, bench.path("in/busybox")).unwrap();
        // A whole keymap in one file.
        let search = kmap::SearchPath::from_env();
        let es = kmap::compile_named(Path::new("es"), &search, kmap::Mode::Unicode).unwrap();
        let text = kmap::emit::text(&es.keymap).unwrap();
        fs::write(bench.path("in/mine.kmap"), text).unwrap();
        fs::write(bench.path("in/os-release"), "NAME=test\n").unwrap();
        let archive = Command::new("sh")
            .args(["-c", "echo . | cpio -o -H newc --quiet"])
            .output();
        fs::write(bench.path("in/more.cpio"), archive.unwrap().stdout).unwrap();
        let recipe = "modules = [\"vfat\"]\n[[file]]\npath = \"/etc/motd\"\nsource = \"motd\"\n";
        fs::write(bench.path("in/packager.toml"), recipe).unwrap();
        fs::write(bench.path("in/motd"), "hello\n").unwrap();
        let config = "DEFAULT linux\nLABEL linux\nLINUX /vmlinuz\nINITRD /initrd.img\n";
        fs::write(bench.path("in/syslinux.cfg"), config).unwrap();
        let given = bench.path("in/given.igz");
        let packed = bench.root.pack(&["-q", "-o", given.to_str().unwrap()]);
        assert!(packed.status.success(), "{packed:?}");
        Some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments with which every input is in this folder or in the root.
    fn arguments(&self, command: &str, options: &[&str]) -> Vec<String> {
        let place = |name: &str| self.path(&format!("in/{name}")).display().to_string();
        let own = options.iter().map(|option| match option.split_once('@') {
            Some(("", name)) => place(name),
            _ => (*option).to_owned(),
        });
        let root = self.root.path().display().to_string();
        let mut all = vec![command.into(), "-q".into(), "--root".into(), root];
        all.extend(own);
        all
    }
}

/// What a command reads of a packed initramfs.
const PACKED: [&str; 8] = [
    "--recipe",
    "@packager.toml",
    "--busybox",
    "@busybox",
    "--keymap",
    "@mine.kmap",
    "--archive-behind",
    "@more.cpio",
];

/// Every command, its options, its output, and what it makes there.
fn cases() -> Vec<(
    &'static str,
    Vec<&'static str>,
    &'static str,
    Vec<&'static str>,
)> {
    let packed = |more: &[&'static str]| [&PACKED[..], more].concat();
    let syslinux = ["--syslinux", "@", "--systemd-boot", "@systemd-bootx64.efi"];
    let pxe = [
        "boot.ipxe",
        "initrd.img",
        "ldlinux.c32",
        "linux.efi",
        "lpxelinux.0",
        "pxelinux.cfg/default",
        "vmlinuz",
    ];
    vec![
        ("initramfs", packed(&[]), "a b.igz", vec![]),
        ("image", packed(&syslinux), "simple.img", vec![]),
        (
            "image",
            packed(&[
                "--syslinux",
                "@",
                "--syslinux-config",
                "@syslinux.cfg",
                "--uki",
                "--stub",
                "@linuxx64.efi.stub",
            ]),
            "own.img",
            vec![],
        ),
        (
            "image",
            packed(&["--isolinux", "@", "--systemd-boot", "@systemd-bootx64.efi"]),
            "simple.iso",
            vec![],
        ),
        (
            "uki",
            packed(&[
                "--stub",
                "@linuxx64.efi.stub",
                "--os-release",
                "@os-release",
            ]),
            "linux.efi",
            vec![],
        ),
        (
            "uki",
            vec!["--stub", "@linuxx64.efi.stub", "--initramfs", "@given.igz"],
            "given.efi",
            vec![],
        ),
        (
            "pxe",
            packed(&["--pxelinux", "@", "--stub", "@linuxx64.efi.stub"]),
            "pxe",
            pxe.to_vec(),
        ),
    ]
}

/// The targets and inputs of a rule.
fn rule(text: &str) -> (Vec<PathBuf>, BTreeSet<PathBuf>) {
    let (targets, inputs) = text.split_once(": \\\n").unwrap();
    let unescaped = |text: &str| PathBuf::from(text.replace('\0', " "));
    let targets = targets.replace("\\ ", "\0");
    let inputs = inputs.replace("\\ ", "\0");
    let inputs = inputs
        .lines()
        .map(|line| unescaped(line.trim().trim_end_matches(" \\")));
    (
        targets.split(' ').map(unescaped).collect(),
        inputs.collect(),
    )
}

/// The files below `folders` that were opened to be read, from strace's log.
fn opened(log: &str, folders: &[&Path]) -> BTreeSet<PathBuf> {
    log.lines()
        .filter(|line| !line.contains("= -1") && line.contains("O_RDONLY"))
        .filter_map(|line| Some(line.split_once('"')?.1.split_once('"')?.0))
        .map(PathBuf::from)
        .filter(|path| path.is_file() && folders.iter().any(|folder| path.starts_with(folder)))
        .collect()
}

/// The bytes of a file, or of all files in a folder.
fn contents(place: &Path) -> Vec<Vec<u8>> {
    if place.is_file() {
        return vec![fs::read(place).unwrap()];
    }
    let mut entries: Vec<_> = fs::read_dir(place)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    entries.sort();
    entries.iter().flat_map(|path| contents(path)).collect()
}

#[test]
fn all_that_is_read_is_in_the_rule_and_the_bytes_are_the_same() {
    let (Some(bench), Some(strace)) = (Bench::new(), tool("strace")) else {
        return;
    };
    let depfile = bench.path("rule.d");
    for (name, options, output, parts) in cases() {
        let arguments = bench.arguments(name, &options);
        let output = bench.path("out").join(output);
        let run = |program: &mut Command| {
            let end = program
                .args(&arguments)
                .arg("-o")
                .arg(&output)
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&end.stderr);
            assert!(end.status.success(), "{arguments:?}: {stderr}");
        };
        run(&mut command("packager"));
        let without = contents(&output);
        if output.is_dir() {
            fs::remove_dir_all(&output).unwrap();
        }
        let mut traced = Command::new(&strace);
        traced.args(["-f", "-qq", "-s", "4096", "-e", "trace=open,openat", "-o"]);
        traced
            .arg(bench.path("log"))
            .arg(command("packager").get_program());
        // Behind the command's name, where options of all commands may stand.
        let with: Vec<_> = ["--depfile", depfile.to_str().unwrap()]
            .map(str::to_owned)
            .into();
        traced.args(&arguments).args(with).arg("-o").arg(&output);
        let end = traced.output().unwrap();
        assert!(
            end.status.success(),
            "{}",
            String::from_utf8_lossy(&end.stderr)
        );
        assert!(contents(&output) == without, "{arguments:?}");
        let (mut targets, inputs) = rule(&fs::read_to_string(&depfile).unwrap());
        targets.sort();
        let expected: Vec<_> = match parts.is_empty() {
            true => vec![output.clone()],
            false => parts.iter().map(|part| output.join(part)).collect(),
        };
        assert_eq!(targets, expected);
        let log = fs::read_to_string(bench.path("log")).unwrap();
        let folders = [&*bench.path("in"), bench.root.path()];
        assert_eq!(inputs, opened(&log, &folders), "{arguments:?}");
    }
}

#[test]
fn a_rule_takes_no_place_of_an_output_or_an_input() {
    let Some(bench) = Bench::new() else { return };
    symlink("motd", bench.path("in/link")).unwrap();
    let stub = bench.path("in/linuxx64.efi.stub");
    for (name, options, output, _) in cases() {
        let image = bench.path("out").join(output);
        let served = image.join("vmlinuz");
        let motd = bench.path("in/link");
        let mut wrong = vec![(&image, "is the output")];
        if options.contains(&"--recipe") {
            wrong.push((&motd, "is the input"));
        }
        if options.contains(&"@linuxx64.efi.stub") {
            wrong.push((&stub, "is an input"));
        }
        if name == "pxe" {
            wrong.push((&served, "is the output"));
        }
        for (depfile, words) in wrong {
            let mut run = command("packager");
            run.args(bench.arguments(name, &options))
                .arg("-o")
                .arg(&image);
            let end = run.arg("--depfile").arg(depfile).output().unwrap();
            let stderr = String::from_utf8_lossy(&end.stderr);
            assert_eq!(end.status.code(), Some(2), "{name}: {stderr}");
            assert!(stderr.contains(words), "{name}: {stderr}");
            assert!(!image.exists(), "{name}: {depfile:?}");
        }
    }
}
