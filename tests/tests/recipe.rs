//! Recipes: what `packager init` writes, files and programs of one's own, archives beside the image's own, dependency files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use packager::cpio::{self, Kind};
use packager::inspect;
use tests::environment::{command, has};
use tests::root::{Root, small_root};

/// A folder with a recipe for the small root.
struct Kitchen {
    root: Root,
    folder: tempfile::TempDir,
}

impl Kitchen {
    fn new(recipe: &str) -> Option<Self> {
        let root = small_root()?;
        let folder = tempfile::tempdir().unwrap();
        let kernel = format!("[kernel]\nroot = {:?}\n", root.path());
        fs::write(
            folder.path().join("packager.toml"),
            format!("{recipe}\n{kernel}"),
        )
        .unwrap();
        Some(Self { root, folder })
    }

    /// `packager initramfs --recipe packager.toml -o simple.cpio`, from another folder.
    fn pack(&self, arguments: &[&str]) -> Output {
        command("packager")
            .args(["initramfs", "--recipe"])
            .arg(self.folder.path().join("packager.toml"))
            .arg("-o")
            .arg(self.image())
            .args(arguments)
            .current_dir("/")
            .output()
            .unwrap()
    }

    fn image(&self) -> std::path::PathBuf {
        self.folder.path().join("simple.cpio")
    }

    fn packed(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.pack(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::read(self.image()).unwrap()
    }
}

fn by_name(image: &[u8]) -> BTreeMap<String, cpio::Entry<'_>> {
    cpio::entries(image)
        .map(|entry| entry.unwrap())
        .map(|entry| (String::from_utf8_lossy(entry.name).into_owned(), entry))
        .collect()
}

#[test]
fn the_written_recipe_makes_the_same_image_as_no_recipe() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let init = || {
        command("packager")
            .arg("init")
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    assert!(init().status.success());
    let again = init();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("`packager.toml` exists already"));
    let build = |arguments: &[&str], name: &str| {
        let status = command("packager")
            .args(["initramfs", "--root"])
            .arg(root.path())
            .args(arguments)
            .args(["-o", name])
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert!(status.success());
        fs::read(folder.path().join(name)).unwrap()
    };
    assert!(build(&["--recipe", "packager.toml"], "a.igz") == build(&[], "b.igz"));
}

#[test]
fn the_archive_is_written_as_the_recipe_says() {
    let Some(kitchen) = Kitchen::new("align = true\nchecksum = true") else {
        return;
    };
    let image = kitchen.packed(&[]);
    assert!(image.starts_with(b"070702"));
    let entries = by_name(&image);
    let data = entries["init"].data.as_ptr() as usize - image.as_ptr() as usize;
    assert_eq!(data % 4096, 0);
    let plain = Kitchen::new("align = false").unwrap();
    assert!(plain.packed(&[]).starts_with(b"070701"));
    // Options say the same.
    assert!(plain.packed(&["--align", "--checksum"]) == image);
}

#[test]
fn modules_are_left_out() {
    let Some(kitchen) = Kitchen::new("modules = [\"vfat\"]\nexclude = [\"nls-ascii\"]") else {
        return;
    };
    let names = |arguments: &[&str]| {
        let output = kitchen.pack(&[&["--no-check"], arguments].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        let image = fs::read(kitchen.image()).unwrap();
        let names: Vec<String> = by_name(&image).into_keys().collect();
        (names, told)
    };
    let has = |names: &[String], module: &str| names.iter().any(|it| it.ends_with(module));
    let (left, told) = names(&[]);
    assert!(has(&left, "/vfat.ko") && !has(&left, "/nls_ascii.ko"));
    assert!(told.contains("nls_ascii is left out (fat"), "{told}");
    // The option takes the place of the key.
    let (left, told) = names(&["--exclude", "fat,none"]);
    assert!(has(&left, "/vfat.ko") && !has(&left, "/fat.ko"));
    assert!(told.contains("without fat not all modules"), "{told}");
    assert!(told.contains("none is to be left out"), "{told}");
    assert!(has(&names(&["--exclude", ""]).0, "/nls_ascii.ko"));
    // An image that cannot work is not written without being asked for.
    let refused = kitchen.pack(&["--exclude", "fat"]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn files_have_the_owner_and_mode_of_the_recipe() {
    let recipe = r#"
        modules = ["vfat"]
        [[directory]]
        path = "/data"
        mode = "0750"
        uid = 1000
        gid = 100
        [[file]]
        path = "/data/motd"
        source = "motd"
        [[file]]
        path = "/sbin/hello"
        text = "hello\n"
        mode = "4755"
        [[symlink]]
        path = "/etc/mtab"
        target = "/proc/mounts"
    "#;
    let Some(kitchen) = Kitchen::new(recipe) else {
        return;
    };
    fs::write(kitchen.folder.path().join("motd"), "welcome\n").unwrap();
    let image = kitchen.packed(&[]);
    let entries = by_name(&image);
    let data = entries["data"];
    assert_eq!(
        (data.kind, data.permissions, data.uid, data.gid),
        (Kind::Directory, 0o750, 1000, 100)
    );
    assert_eq!(entries["data/motd"].data, b"welcome\n");
    // Through the link, to where all programs are.
    assert_eq!(entries["usr/bin/hello"].permissions, 0o4755);
    assert_eq!(entries["etc/mtab"].data, b"/proc/mounts");
    assert!(entries.contains_key(&format!(
        "usr/lib/modules/{}/kernel/fs/fat/vfat.ko",
        kitchen.root.version
    )));
}

#[test]
fn a_program_comes_with_what_it_needs_and_runs() {
    let Some(kitchen) =
        Kitchen::new("sysroot = \"/\"\nprograms = [\"/bin/ls\"]\n").filter(|_| has(&["cpio"]))
    else {
        return;
    };
    kitchen.packed(&[]);
    let tree = kitchen.folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let extracted = Command::new("cpio")
        .args(["-i", "-d", "--quiet", "-f", "dev/*"])
        .current_dir(&tree)
        .stdin(fs::File::open(kitchen.image()).unwrap())
        .status()
        .unwrap();
    assert!(extracted.success());
    let output = Command::new("unshare")
        .args(["--map-root-user", "--root"])
        .arg(&tree)
        .args(["/bin/ls", "--version"])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        stdout.contains("GNU coreutils"),
        "{stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_library_that_is_missing_is_told_with_the_folders() {
    let Some(kitchen) = Kitchen::new("programs = [\"/bin/ls\"]\nsysroot = \"sysroot\"\n") else {
        return;
    };
    let bin = kitchen.folder.path().join("sysroot/bin");
    fs::create_dir_all(&bin).unwrap();
    let output = kitchen.pack(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no `/bin/ls` below"));
    fs::copy("/bin/ls", bin.join("ls")).unwrap();
    let output = kitchen.pack(&["--program", "/bin/ls"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("ld-linux") && stderr.contains("the dynamic loader that starts /bin/ls"),
        "{stderr}"
    );
    assert!(!kitchen.image().exists());
}

/// The loader of a program looks for the libraries of its libraries, too: beside itself, and not beside them.
#[test]
fn libraries_of_libraries_are_found_where_the_loader_finds_them() {
    let Some(kitchen) = Kitchen::new("modules = []\n").filter(|_| has(&["cc"])) else {
        return;
    };
    let root = kitchen.folder.path().join("sysroot");
    for folder in ["bin", "lib/mine", "opt/lib"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let built = Command::new("sh")
        .args(["-ec", "
            shared() { printf '' | cc -x c - -x none -shared -nostdlib -Wl,--no-as-needed \"$@\"; }
            shared -o lib/mine/ld.so
            shared -o opt/lib/libb.so -Wl,-soname,libb.so
            shared -o opt/lib/liba.so -Wl,-soname,liba.so -Lopt/lib -lb
            echo 'void start(void) {}' > start.c
            cc start.c -nostdlib -Wl,-e,start -Wl,--dynamic-linker=/lib/mine/ld.so -Wl,--no-as-needed \
                -Wl,--enable-new-dtags -Wl,-rpath,/opt/lib -Wl,-rpath-link,opt/lib -Lopt/lib -la -o bin/app"])
        .current_dir(&root)
        .status()
        .unwrap();
    assert!(built.success());
    let arguments = ["--sysroot", root.to_str().unwrap(), "--program", "/bin/app"];
    let refused = kitchen.pack(&arguments);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(
        stderr.contains(
            "`/opt/lib/liba.so` needs the library libb.so, which is in none of /lib/mine"
        ),
        "{stderr}"
    );
    fs::rename(root.join("opt/lib/libb.so"), root.join("lib/mine/libb.so")).unwrap();
    let image = kitchen.packed(&arguments);
    assert!(by_name(&image).contains_key("usr/lib/mine/libb.so"));
}

/// What somebody asks for takes the place of busybox's own, whether it is a file or a link.
#[test]
fn links_take_the_place_of_applets() {
    let recipe = "sysroot = \"sysroot\"\nprograms = [\"/sbin/modprobe\"]\n\
        [[symlink]]\npath = \"/bin/vi\"\ntarget = \"more\"\n";
    let Some(kitchen) = Kitchen::new(recipe) else {
        return;
    };
    let root = kitchen.folder.path().join("sysroot");
    for folder in ["bin", "sbin"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("bin/kmod"), "a program").unwrap();
    std::os::unix::fs::symlink("../bin/kmod", root.join("sbin/modprobe")).unwrap();
    let image = kitchen.packed(&[]);
    let entries = by_name(&image);
    assert_eq!(entries["usr/bin/modprobe"].data, b"../bin/kmod");
    assert_eq!(entries["usr/bin/kmod"].data, b"a program");
    assert_eq!(entries["usr/bin/vi"].data, b"more");
    for path in ["/bin", "/etc"] {
        let recipe = format!("[[symlink]]\npath = {path:?}\ntarget = \"x\"\n");
        let refused = Kitchen::new(&recipe).unwrap().pack(&[]);
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            stderr.contains("of that name is in the image already"),
            "{stderr}"
        );
    }
}

#[test]
fn archives_stand_before_and_behind() {
    let Some(kitchen) = Kitchen::new("modules = [\"vfat\"]\nprepend = [\"early.cpio\"]\n") else {
        return;
    };
    let early = archive("kernel/x86/microcode/GenuineIntel.bin");
    fs::write(kitchen.folder.path().join("early.cpio"), &early).unwrap();
    let late = kitchen.folder.path().join("late.cpio.zst");
    fs::write(
        &late,
        codec::encode(&archive("late"), codec::Format::Zstd, None).unwrap(),
    )
    .unwrap();
    let image = kitchen.packed(&[
        "--archive-behind",
        late.to_str().unwrap(),
        "--compress",
        "xz",
        "--segments",
        "one",
    ]);
    assert!(image.starts_with(&early));
    let segments = inspect::segments(&image).unwrap();
    let formats: Vec<_> = segments.iter().map(|segment| segment.format).collect();
    assert_eq!(
        formats,
        [None, Some(codec::Format::Xz), Some(codec::Format::Zstd)]
    );
    assert_eq!(segments[2].entries().next().unwrap().unwrap().name, b"late");
    // The plan has them, too, in the image's order.
    let planned = kitchen.pack(&["--archive-behind", late.to_str().unwrap(), "--dry-run"]);
    let planned = String::from_utf8(planned.stdout).unwrap();
    let names = planned.lines().map(|line| {
        let name = line
            .split("  # ")
            .next()
            .unwrap()
            .split(" -> ")
            .next()
            .unwrap();
        name.rsplit("  ").next().unwrap().to_owned()
    });
    let listed = command("packager")
        .args(["list", "--names"])
        .arg(kitchen.image())
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(
        names.collect::<Vec<_>>(),
        listed.lines().collect::<Vec<_>>()
    );
    assert!(
        planned.starts_with("-rw-r--r--        1  kernel/x86/microcode/GenuineIntel.bin  # in `")
    );
    fs::write(&late, "no archive").unwrap();
    let output = kitchen.pack(&["--archive-behind", late.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("late.cpio.zst"));
}

/// The image keeps which archives were given, so that its files can be told from those of the plan.
#[test]
fn why_knows_files_of_given_archives() {
    let Some(kitchen) = Kitchen::new("modules = [\"vfat\"]") else {
        return;
    };
    let give = |name: &str, bytes: &[u8]| {
        let path = kitchen.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let zstd = |bytes: Vec<u8>| codec::encode(&bytes, codec::Format::Zstd, None).unwrap();
    let early = give(
        "early.cpio",
        &archive("kernel/x86/microcode/GenuineIntel.bin"),
    );
    let second = give("second.cpio.zst", &zstd(archive("second")));
    let late = give("late.cpio.zst", &zstd(archive("late")));
    let last = give("last.cpio", &[archive("last"), archive("init")].concat());
    let before = ["--archive-before", &early, "--archive-before", &second];
    let behind = ["--archive-behind", &late, "--archive-behind", &last];
    let options = [&before[..], &behind, &["--compress", "zstd", "--no-check"]].concat();
    let image = kitchen.packed(&options);
    let why = |path: &str| {
        let mut why = command("packager");
        let output = why.arg("why").arg(kitchen.image()).arg(path).output();
        let output = output.unwrap();
        let told = [output.stdout, output.stderr].concat();
        String::from_utf8(told).unwrap()
    };
    for (path, told) in [
        (
            "kernel/x86/microcode/GenuineIntel.bin",
            "`early.cpio`, which stands before",
        ),
        ("/second", "`second.cpio.zst`, which stands before"),
        ("late", "`late.cpio.zst`, which stands behind"),
        ("last", "`last.cpio`, which stands behind"),
        (
            "/init",
            "`last.cpio`, which stands behind the image's own, and replaces",
        ),
    ] {
        let found = why(path);
        let line = format!("/{}: in the archive {told}", path.trim_start_matches('/'));
        assert!(found.starts_with(&line), "{found}");
    }
    assert!(why("vfat").contains("asked for as vfat"), "{}", why("vfat"));
    assert!(why("/bin/mount").starts_with("/usr/bin/busybox: "));
    // Something that was put there later.
    fs::write(kitchen.image(), [image, zstd(archive("later"))].concat()).unwrap();
    assert!(why("later").contains("of which the image's plan says nothing"));
    assert!(
        why("none").contains("there is no `none`"),
        "{}",
        why("none")
    );
}

fn archive(name: &str) -> Vec<u8> {
    let mut writer = cpio::Writer::new(cpio::Options::default());
    writer
        .entry(
            name.as_bytes(),
            cpio::Attributes::of_root(Kind::File, 0o644),
            b"x",
        )
        .unwrap();
    writer.finish()
}

#[test]
fn gnu_cpio_reads_aligned_archives_with_checksums() {
    let recipe = "modules = [\"vfat\"]\n[[file]]\npath = \"/a\"\ntext = \"equal\"\n[[file]]\npath = \"/b\"\ntext = \"equal\"\n";
    let Some(kitchen) = Kitchen::new(recipe).filter(|_| has(&["cpio"])) else {
        return;
    };
    let image = kitchen.packed(&["--align", "--checksum"]);
    assert!(image.starts_with(b"070702"));
    let tree = kitchen.folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let output = Command::new("cpio")
        .args(["-i", "-d", "--quiet", "-f", "dev/*"])
        .current_dir(&tree)
        .stdin(fs::File::open(kitchen.image()).unwrap())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    use std::os::unix::fs::MetadataExt;
    let inode = |name: &str| fs::metadata(tree.join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("b"));
    assert_eq!(fs::read(tree.join("a")).unwrap(), b"equal");
    for (name, entry) in by_name(&image) {
        if entry.kind == Kind::File && !entry.data.is_empty() {
            let offset = entry.data.as_ptr() as usize - image.as_ptr() as usize;
            assert_eq!(offset % 4096, 0, "{name}");
        }
    }
}

#[test]
fn the_dependency_file_names_every_input() {
    let Some(kitchen) = Kitchen::new("modules = [\"vfat\"]\nkeymaps = [\"es\"]\n") else {
        return;
    };
    let depfile = kitchen.folder.path().join("simple.d");
    kitchen.packed(&["--depfile", depfile.to_str().unwrap()]);
    let text = fs::read_to_string(depfile).unwrap();
    let (target, inputs) = text.split_once(": \\\n").unwrap();
    assert_eq!(Path::new(target), kitchen.image());
    let inputs: Vec<_> = inputs
        .lines()
        .map(|line| line.trim().trim_end_matches(" \\"))
        .collect();
    for name in [
        "vfat.ko",
        "es.kmap.gz",
        "busybox",
        "packager.toml",
        "modules.builtin",
    ] {
        assert!(
            inputs.iter().any(|input| input.ends_with(name)),
            "{name}: {inputs:#?}"
        );
    }
    for input in inputs {
        assert!(Path::new(input).is_file(), "{input}");
    }
}

#[test]
fn an_image_that_grows_too_large_is_refused() {
    let Some(kitchen) = Kitchen::new("size-limit = 1000000\nmodules = [\"vfat\"]\n") else {
        return;
    };
    let output = kitchen.pack(&[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("the recipe allows 1000000"), "{stderr}");
    assert!(!kitchen.image().exists());
}

#[test]
fn a_recipe_that_is_wrong_says_where() {
    let Some(kitchen) = Kitchen::new("modlues = []\n") else {
        return;
    };
    let output = kitchen.pack(&[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.contains("packager.toml:1:1: unknown key `modlues`; did you mean `modules`?"),
        "{stderr}"
    );
}

#[test]
fn entries_that_take_each_others_place_are_refused() {
    let file = |path: &str| format!("[[file]]\npath = \"{path}\"\ntext = \"x\"\n");
    for (recipe, words) in [
        (file("/etc/motd").repeat(2), "the recipe names it twice"),
        (
            "[[directory]]\npath = \"/etc/passwd\"\n".to_owned(),
            "a file of that name is in the image already",
        ),
        (
            file("/etc"),
            "a folder of that name is in the image already",
        ),
        (
            "[[symlink]]\npath = \"/etc/mtab\"\n".to_owned(),
            "`target` is missing",
        ),
    ] {
        let Some(kitchen) = Kitchen::new(&recipe) else {
            return;
        };
        let output = kitchen.pack(&[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{recipe}: {stderr}");
        assert!(stderr.contains(words), "{recipe}: {stderr}");
    }
    // What the image has by itself may be replaced.
    if let Some(kitchen) = Kitchen::new(&file("/etc/passwd")) {
        kitchen.packed(&[]);
    }
}

/// What is wrong is known when it is looked for; where it stands is told all the same, and not of what an option says.
#[test]
fn mistakes_that_are_found_late_are_told_with_their_places() {
    for (recipe, place, words) in [
        (
            "modules = [\n  \"vfat\",\n  \"vaft\",\n  \"nosuch\",\n]\n",
            "3:3",
            "`vaft` (did you mean `vfat`?), `nosuch`",
        ),
        ("goals = [\"nvm\"]\n", "1:10", "no goal `nvm`"),
        ("goals = [\"rootfs\"]\n", "1:10", "the goal is rootfs:FS"),
        (
            "keymaps = [\"es\", \"klingon\"]\n",
            "1:18",
            "cannot find a keymap `klingon`",
        ),
        (
            "keymaps = [\"./klingon\"]\n",
            "1:12",
            "cannot find a keymap",
        ),
        (
            "programs = [\"/bin/nosuch\"]\n",
            "1:13",
            "there is no `/bin/nosuch` below",
        ),
        (
            "[[file]]\npath = \"/etc/a\"\nsource = \"gone\"\n",
            "3:10",
            "cannot make `/etc/a` in the image: cannot read",
        ),
        (
            "[[file]]\npath = \"/etc/a\"\ntext = \"\"\n[[file]]\npath = \"/etc/a\"\ntext = \"\"\n",
            "5:8",
            "cannot make `/etc/a` in the image: the recipe names it twice",
        ),
    ] {
        let Some(kitchen) = Kitchen::new(recipe) else {
            return;
        };
        let told = |options: &[&str]| {
            let output = kitchen.pack(options);
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{recipe}: {stderr}");
            stderr
        };
        let file = kitchen.folder.path().join("packager.toml");
        let begin = format!("error: {}:{place}: ", file.display());
        let error = told(&[]);
        assert!(error.starts_with(&begin), "{recipe}: {error}");
        assert!(error.contains(words), "{recipe}: {error}");
        if recipe.starts_with("modules") {
            let error = told(&["--modules", "vaft,nosuch"]);
            assert!(
                error.starts_with("error: no module and no alias"),
                "{error}"
            );
            assert!(error.contains(words), "{error}");
            let error = told(&["--for", "nvm"]);
            assert!(error.starts_with("error: no goal `nvm`"), "{error}");
        }
    }
}
