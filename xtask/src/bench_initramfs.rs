//! `cargo xtask bench initramfs`: `packager initramfs` beside the generators and archivers at hand, whole processes, in turns.
//!
//! Everybody packs the same modules of Debian's kernel 6.1, which is unpacked and not installed: dracut takes the folder,
//! mkinitramfs gets it bound over `/lib/modules` and `/boot` in a mount namespace of its own, which only root can make.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use packager::kernel::KernelSource;
use packager::{Plan, Recipe};
use tests::environment::{find_program, workspace};

use crate::measure::{self, HEAD, Start, Way, Work, load, measure};
use crate::{bench_guest, corpus, release, shell};

/// busybox, the modules and nothing of the host, as small as dracut can make it.
const DRACUT: &str = r#"dracut -q --force --no-hostonly --no-early-microcode --tmpdir . --kver "$version" --kmoddir "$indexed/lib/modules/$version" \
    -m busybox -d "$names" $1 dracut.img"#;

/// `MODULES=list` takes the modules of the list and what they depend on.
const MKINITRAMFS: &str = r#"unshare -m sh -euc '
    mkdir -p /lib/modules /boot
    mount --bind "$indexed/lib/modules" /lib/modules
    mount --bind "$root/boot" /boot
    mkinitramfs -d "$PWD/initramfs-tools" -o mkinitramfs.img "$version" 2>/dev/null'"#;

/// A tree that is there already, archived as initramfs-tools' own last step does it.
const FIND_CPIO: &str =
    "cd tree; find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 >../find.cpio";

/// What goes to memory.
const IN_MEMORY: [&str; 4] = [
    "/dev/shm/packager-bench-find.cpio",
    "/dev/shm/packager-bench-plain.cpio",
    "/dev/shm/packager-bench-again.img",
    "/dev/shm/packager-bench-copy.cpio",
];

/// Where all sides work.
struct Place {
    folder: PathBuf,
    root: PathBuf,
    /// The package that the root comes from.
    package: PathBuf,
    plan: Plan,
    three_cpio: PathBuf,
}

/// Measures, prints the tables, and writes them to `benches/results/initramfs.md`.
pub(crate) fn run() -> Result<()> {
    release::build(&["packager"])?;
    let folder = tempfile::tempdir_in(workspace().join("target"))?;
    // A command that has a folder of its own is started by fork(2), which copies this program's page tables first.
    std::env::set_current_dir(folder.path())?;
    let place = Place::new(folder.path(), corpus::linux_6_1()?)?;
    let mut text = heading()?;
    text.push_str(HEAD);
    for work in place.works() {
        measure(&work, &mut text)?;
    }
    for path in IN_MEMORY {
        fs::remove_file(path)?;
    }
    bench_guest::measure(&place.folder, &place.root, &mut text)?;
    let _ = writeln!(text, "\nLoad of the machine at the end: {}", load()?);
    fs::write(workspace().join("benches/results/initramfs.md"), &text)?;
    print!("{text}");
    Ok(())
}

impl Place {
    fn new(folder: &Path, root: PathBuf) -> Result<Self> {
        let plan = Plan::new(&Recipe {
            kernel: KernelSource::Root(root.clone()),
            ..Recipe::default()
        })?;
        let place = Self {
            folder: folder.to_path_buf(),
            package: corpus::package(&format!("linux-image-{}", plan.version))?,
            root,
            plan,
            three_cpio: corpus::three_cpio()?,
        };
        place.configure_mkinitramfs()?;
        place.index_for_peers()?;
        shell::run(&mut place.packager(&["-o", "ready.cpio"])())?;
        let mut extract = Command::new(packager());
        extract.args(["extract", "ready.cpio", "tree"]);
        shell::run(&mut extract)?;
        place.large_image()?;
        for (name, text) in [("one", "# one\n"), ("two", "# two\n")] {
            let recipe = format!(
                "[kernel]\nroot = \"indexed\"\n[[file]]\npath = \"/etc/note\"\ntext = {text:?}\n"
            );
            fs::write(folder.join(format!("{name}.toml")), recipe)?;
        }
        Ok(place)
    }

    /// Ninety megabytes of modules, as they come.
    fn large_image(&self) -> Result<()> {
        let drivers = self.modules().join("kernel/drivers/net");
        let script = format!(
            "cd {}; find . | LC_ALL=C sort | cpio --quiet -o -H newc",
            drivers.display()
        );
        let archive = fs::File::create(self.folder.join("large.cpio"))?;
        let status = Command::new("sh")
            .args(["-c", &script])
            .stdout(archive)
            .status()?;
        anyhow::ensure!(status.success(), "cpio failed");
        let mut compress = Command::new("zstd");
        compress.args(["-q", "large.cpio", "-o", "large.izst"]);
        shell::run(&mut compress)
    }

    /// The peers want the indexes of depmod beside the modules. The root is not ours to change: they get hard links to it.
    fn index_for_peers(&self) -> Result<()> {
        let indexed = self.folder.join("indexed/lib");
        fs::create_dir_all(&indexed)?;
        let mut link = Command::new("cp");
        link.arg("-al")
            .arg(self.root.join("lib/modules"))
            .arg(&indexed);
        shell::run(&mut link)?;
        let mut depmod = Command::new("/usr/sbin/depmod");
        depmod.arg("-b").arg(self.folder.join("indexed"));
        shell::run(depmod.arg(&self.plan.version))?;
        let boot = self.folder.join("indexed/boot");
        Ok(std::os::unix::fs::symlink(self.root.join("boot"), boot)?)
    }

    fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.plan.version)
    }

    fn configure_mkinitramfs(&self) -> Result<()> {
        let folder = self.folder.join("initramfs-tools");
        for name in ["conf.d", "hooks", "scripts"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let settings = "MODULES=list\nBUSYBOX=y\nKEYMAP=n\nCOMPRESS=zstd\nDEVICE=\nNFSROOT=auto\nRUNSIZE=10%\nFSTYPE=auto\n";
        fs::write(folder.join("initramfs.conf"), settings)?;
        fs::write(folder.join("update-initramfs.conf"), "")?;
        Ok(fs::write(
            folder.join("modules"),
            self.plan.modules.join("\n") + "\n",
        )?)
    }

    fn works(&self) -> Vec<Work> {
        let peers = |options: &str| {
            let mut ways = Vec::new();
            if find_program("dracut").is_some() {
                let script = DRACUT.replace("$1", options);
                ways.push(Way::new("dracut -m busybox", vec![self.script(&script)]));
            }
            if find_program("mkinitramfs").is_some() && options == "--zstd" {
                ways.push(Way::new(
                    "mkinitramfs, MODULES=list",
                    vec![self.script(MKINITRAMFS)],
                ));
            }
            ways
        };
        let ours = |name, words: &[&str]| Way::new(name, vec![self.packager(words)]);
        let disk = vec![
            Way::new(
                "find and cpio on a ready tree",
                vec![self.script(FIND_CPIO)],
            ),
            ours("packager initramfs", &["-o", "plain.cpio"]),
        ];
        let to_memory = FIND_CPIO.replace("../find.cpio", IN_MEMORY[0]);
        let copy = format!("exec cp {} {}", IN_MEMORY[1], IN_MEMORY[3]);
        let memory = vec![
            Way::new(
                "find and cpio on a ready tree",
                vec![self.script(&to_memory)],
            ),
            ours("packager initramfs", &["-o", IN_MEMORY[1]]),
            // What no program can do without.
            Way::new("cp of the ready image", vec![self.script(&copy)]),
        ];
        // What takes a second is measured apart: it leaves the processor's caches to whoever comes next.
        let mut plain = peers("--no-compress");
        plain.push(ours("packager initramfs", &["-o", "plain.cpio"]));
        plain.push(Way::new(
            "packager initramfs, without indexes",
            vec![self.packager_of(&self.root, &["-o", "plain.cpio"])],
        ));
        let mut zstd = peers("--zstd");
        zstd.push(ours("packager initramfs", &["-o", "ours.izst"]));
        let mut works = vec![
            Work {
                name: "not compressed, from nothing",
                ways: disk,
            },
            Work {
                name: "not compressed, to memory",
                ways: memory,
            },
            Work {
                name: "not compressed, by generators",
                ways: plain,
            },
            Work {
                name: "zstd, from nothing",
                ways: zstd,
            },
        ];
        let memory = IN_MEMORY[2];
        for (name, options) in [
            (
                "gzip, a file changed",
                &["--compress", "gzip", "-o", "again.img"][..],
            ),
            (
                "zstd, a file changed",
                &["--compress", "zstd", "-o", "again.img"],
            ),
            (
                "zstd, a file changed, to memory",
                &["--compress", "zstd", "-o", memory],
            ),
            (
                "zstd -19, a file changed",
                &["--compress", "zstd", "--level", "19", "-o", "again.img"],
            ),
        ] {
            works.push(self.rebuild(name, options));
        }
        works.push(self.of_package());
        works.extend(self.listings());
        works.push(self.extraction());
        works
    }

    /// A file of the recipe has changed: with and without a cache of the image before.
    fn rebuild(&self, name: &'static str, options: &[&str]) -> Work {
        let command = |recipe: &str, cache: bool| {
            let mut words = vec!["--recipe", recipe];
            if cache {
                words.extend(["--cache", "cache"]);
            }
            words.extend(options);
            self.packager_of_recipe(&words)
        };
        let before = self.filled(command("one.toml", true));
        Work {
            name,
            ways: vec![
                Way::new("packager initramfs", vec![command("two.toml", false)]),
                Way::after(
                    "packager initramfs --cache",
                    before,
                    vec![command("two.toml", true)],
                ),
            ],
        }
    }

    /// Makes the cache anew by a command.
    fn filled(&self, fill: Start) -> impl Fn() -> Result<()> + 'static {
        let cache = self.folder.join("cache");
        move || {
            if cache.exists() {
                fs::remove_dir_all(&cache)?;
            }
            measure::run(&mut fill())
        }
    }

    /// The kernel is in its package, of which the cache keeps what an image needs.
    fn of_package(&self) -> Work {
        let package = self.package.to_string_lossy();
        let command = |more: &[&str]| {
            let mut words = vec!["--deb", &package, "-o", "package.izst"];
            words.extend(more);
            self.packager_of_recipe(&words)
        };
        let cached = || command(&["--cache", "cache"]);
        Work {
            name: "Debian's package, 70 MB",
            ways: vec![
                Way::new("packager initramfs --deb", vec![command(&[])]),
                Way::after(
                    "packager initramfs --deb --cache",
                    self.filled(cached()),
                    vec![cached()],
                ),
            ],
        }
    }

    /// lsinitramfs cannot read an image that is not compressed.
    fn listings(&self) -> [Work; 2] {
        let list = |image: &str| format!("{} list --names {image}", packager().display());
        let ways = |first: (&'static str, &str), image: &str| {
            let ours = list(image);
            let others = [
                ("3cpio -t", format!("$three_cpio -t {image}")),
                ("packager list --names", ours),
            ];
            let others = others.map(|(name, script)| Way::new(name, vec![self.script(&script)]));
            let first = Way::new(first.0, vec![self.script(first.1)]);
            [first].into_iter().chain(others).collect()
        };
        [
            Work {
                name: "list a large image",
                ways: ways(("cpio -t", "cpio --quiet -t <large.cpio"), "large.cpio"),
            },
            Work {
                name: "list it, zstd",
                ways: ways(("lsinitramfs", "lsinitramfs large.izst"), "large.izst"),
            },
        ]
    }

    fn extraction(&self) -> Work {
        let folder = self.folder.clone();
        let way = |name, script: &str| {
            let folder = folder.clone();
            let clean = move || {
                let out = folder.join("out");
                if out.exists() {
                    fs::remove_dir_all(&out)?;
                }
                Ok(())
            };
            Way::after(name, clean, vec![self.script(script)])
        };
        let ours = format!("{} extract large.cpio out", packager().display());
        let ways = vec![
            way(
                "cpio -i",
                "mkdir out; cd out; cpio --quiet -i -d <../large.cpio",
            ),
            way("3cpio -x", "mkdir out; $three_cpio -x -C out large.cpio"),
            way("packager extract", &ours),
        ];
        Work {
            name: "extract a large image",
            ways,
        }
    }

    /// A shell script in the folder, which knows the kernel.
    fn script(&self, text: &str) -> Start {
        let text = format!("set -eu; export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin\n{text}");
        let (folder, root) = (self.folder.clone(), self.root.clone());
        let three_cpio = self.three_cpio.clone();
        let (version, names) = (self.plan.version.clone(), self.plan.modules.join(" "));
        Box::new(move || {
            let mut command = Command::new("sh");
            command
                .args(["-c", &text])
                .env("indexed", folder.join("indexed"))
                .env("root", &root)
                .env("three_cpio", &three_cpio)
                .env("version", &version)
                .env("names", &names);
            command
        })
    }

    /// `packager initramfs` of the kernel, with depmod's indexes as where it is installed.
    fn packager(&self, words: &[&str]) -> Start {
        self.packager_of(Path::new("indexed"), words)
    }

    fn packager_of(&self, root: &Path, words: &[&str]) -> Start {
        let root = root.to_string_lossy().into_owned();
        let mut all = vec!["--root", &root];
        all.extend(words);
        self.packager_of_recipe(&all)
    }

    fn packager_of_recipe(&self, words: &[&str]) -> Start {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Box::new(move || {
            let mut command = Command::new(packager());
            command.args(["initramfs", "--quiet"]).args(&words);
            command
        })
    }
}

fn packager() -> PathBuf {
    release::program("packager")
}

fn heading() -> Result<String> {
    let version = |program: &str| -> Result<Option<String>> {
        let Some(path) = find_program(program) else {
            return Ok(None);
        };
        let text = shell::output(Command::new(path).arg("--version"));
        let text = text.context("a version").unwrap_or_default();
        Ok(Some(text.lines().next().unwrap_or(program).to_owned()))
    };
    let peers = [version("dracut")?, version("cpio")?];
    let peers: Vec<_> = peers.into_iter().flatten().collect();
    Ok(format!(
        "# Initramfs images\n\n\
         Written by `cargo xtask bench initramfs`. All sides pack busybox and the 28 modules for USB sticks of Debian's kernel 6.1,\n\
         from a folder, and sync nothing but packager, which does; what goes to memory (`/dev/shm`) needs no sync. The large image holds\n\
         the network drivers, not compressed.\n\
         Peers: {}.\n{}\n",
        peers.join(", "),
        measure::heading()?
    ))
}
