//! `packager check` on the scripts of an image: what they call and set, told where it is missing, and not told where it is there.

use std::collections::BTreeSet;

use packager::cpio::Options;
use packager::inspect::check::{Booted, check};
use tests::sound::{SOUND, Sound, pack_without};

fn only(name: &'static str) -> BTreeSet<&'static str> {
    BTreeSet::from([name])
}

fn none() -> BTreeSet<&'static str> {
    BTreeSet::new()
}

/// What is seen where /init ends with these lines.
fn behind_init(sound: &Sound, lines: &str) -> Vec<String> {
    let init = String::from_utf8(sound.plan.get("init").unwrap().data.to_vec()).unwrap();
    let mut plan = sound.plan.clone();
    plan.file("init", 0o755, format!("{init}\n{lines}\n").into(), "");
    seen(sound, &plan)
}

fn seen(sound: &Sound, plan: &packager::Plan) -> Vec<String> {
    let image = plan.archive(Options::default()).unwrap();
    let report = check(&image, sound.booted());
    let found = report.findings.iter();
    found
        .map(|finding| format!("{}: {}", finding.code.name, finding.seen))
        .collect()
}

#[test]
fn commands_that_are_missing_are_told_however_they_are_called() {
    let Some(sound) = &*SOUND else { return };
    for lines in [
        "none",
        "\"none\" --mode=boot",
        "'none'",
        "\\none",
        "x=`none`",
        "echo \"`none | cat`\"",
        "echo \"$(none \"$x\")\"",
        "exec none",
        "command none",
        "command -p none",
        "env -i X=1 none",
        "setsid -c cttyhack none",
        "timeout 5 none",
        "if none; then :; fi",
        "while ! none; do :; done",
        "true && none",
        "echo x | none",
        "true && \\\n    none",
        "case $x in\n  a) none ;;\nesac",
        "f() { none; }",
        "echo \"${x:-don't}\"; none; echo it\\'s",
        "[ -z \"$x\" ] || { none; }",
    ] {
        let found = behind_init(sound, lines);
        assert_eq!(found, ["missing-command: /init calls none"], "{lines}");
    }
    assert_eq!(
        behind_init(sound, "/bin/busybox none x"),
        ["missing-command: /init calls busybox none"]
    );
}

#[test]
fn what_is_no_call_of_a_missing_command_is_not_told() {
    let Some(sound) = &*SOUND else { return };
    for lines in [
        "echo none 'none' \"none\" \"; none\" 'x\nnone\n'",
        "# none\n  # \"none\"; `none`",
        "cat <<END\nnone\n`echo` $(echo)\nEND",
        "cat <<-'END' >/tmp/x\n\tnone it's\n\tEND\nmount",
        "case $x in\n  none) ;;\n  \"none\" | 'none') ;;\n  (none) echo ;;\nesac",
        "case none in none) ;; esac",
        "for none in none \"none\"; do echo; done",
        "none() { echo; }; none; \"none\"",
        "function none {\n  echo\n}\nnone",
        "alias other=echo none='echo x'\nnone",
        "[ -x /bin/mount ] && alias none=mount; none",
        "command -v none >/dev/null && none",
        "if [ -x /usr/bin/none ]; then env X=1 none; fi",
        "none=1; none=\"x\" echo; none=`echo`",
        "$none; \"$none\"; ${none:-none}; env $none none",
        "echo ${x:-none} \"${x:-none's}\" ${x#none} $((none + 1)) $'it\\'s; none'",
        "[ none = \"none\" ] || [ 'none' ]",
        "[[ $x == none && none == $x || \"none\" ]]",
        "echo >none 2>none <none >>\"none\" &>none",
        "awk '/none/ { none($1) }' /etc/passwd",
        "timeout none echo; env -u none echo; exec -a none echo",
        "echo a\\\nnone",
        "/mnt/bin/none; ./none; \"$x/none\"",
        "echo $#; echo \"$#\" ${#none}",
    ] {
        assert_eq!(behind_init(sound, lines), [""; 0], "{lines}");
    }
}

/// As the ones of a recipe's own.
#[test]
fn scripts_before_a_step_are_read_too() {
    let Some(sound) = &*SOUND else { return };
    let with = |path: &str, mode, text: &str| {
        let mut plan = sound.plan.clone();
        plan.file(path, mode, text.into(), "");
        seen(sound, &plan)
    };
    let path = "etc/init.d/wait/mine";
    assert_eq!(
        with(path, 0o755, "#!/bin/sh\nmount; none\n"),
        ["missing-command: /etc/init.d/wait/mine calls none"]
    );
    for (path, mode, text) in [
        (path, 0o755, "#!/bin/sh\nmount; busybox mount; echo none\n"),
        (path, 0o644, "#!/bin/sh\nnone\n"),
        (path, 0o755, "#!/bin/busybox\n"),
        ("etc/init.d/lunch/mine", 0o755, "#!/bin/sh\nnone\n"),
        ("etc/init.d/wait/more/mine", 0o755, "#!/bin/sh\nnone\n"),
    ] {
        assert_eq!(with(path, mode, text), [""; 0], "{path}: {text}");
    }
}

/// An image with busybox and one link to it: the first shell's calls of other applets lead nowhere until /proc is mounted.
#[test]
fn a_mount_that_nothing_leads_to_is_told() {
    let Some(sound) = &*SOUND else { return };
    let found = |links: &[&str], init: &str| {
        let mut plan = packager::Plan::default();
        let busybox = sound.plan.get("usr/bin/busybox").unwrap().data.to_vec();
        plan.file("bin/busybox", 0o755, busybox, "");
        for link in links {
            plan.symlink(link, "/bin/busybox", "");
        }
        plan.file("init", 0o755, format!("#!/bin/sh\n{init}\n").into(), "");
        seen(sound, &plan)
    };
    let code = "applet-without-link";
    let told = [format!(
        "{code}: /init calls mount, and no folder of its search path has one"
    )];
    for init in [
        "mount -t proc proc /proc\nexec sh",
        "mkdir -p /proc; \"mount\" -t proc none /proc && exec /bin/sh",
    ] {
        assert_eq!(found(&["bin/sh"], init), told, "{init}");
    }
    for (links, init) in [
        (&["bin/sh", "bin/mount"][..], "mount -t proc proc /proc"),
        (
            &["bin/sh"],
            "/bin/busybox mount -t proc proc /proc\nmount -a",
        ),
        (
            &["bin/sh"],
            "busybox --install -s\nmount -t proc proc /proc",
        ),
        (&["bin/sh", "bin/ln"], "ln -s busybox /bin/mount\nmount -a"),
        (&["bin/sh"], "mount() { busybox mount \"$@\"; }\nmount -a"),
        (&["bin/sh"], "alias mount='busybox mount'\nmount -a"),
        (&["bin/sh"], ". /etc/early\nmount -a"),
        (&["bin/sh", "lib/mount"], "PATH=/bin:/lib\nmount -a"),
        (&["bin/sh"], "echo mount"),
    ] {
        let found = found(links, init);
        let found = found.iter().filter(|it| it.starts_with(code));
        assert_eq!(found.count(), 0, "{init}");
    }
}

#[test]
fn a_command_that_nothing_provides_is_told() {
    let Some(sound) = &*SOUND else { return };
    let init = String::from_utf8(sound.plan.get("init").unwrap().data.to_vec()).unwrap();
    let with_init =
        |script: String| sound.after(|plan| plan.file("init", 0o755, script.into(), ""));
    assert_eq!(
        with_init(format!("{init}\nplymouthd --mode=boot\n")),
        only("missing-command")
    );
    // Whoever looks first may call.
    let guarded = format!("{init}\ncommand -v plymouthd && plymouthd --mode=boot\n");
    assert_eq!(with_init(guarded), none());
    // A busybox without loadkmap: another name at its place in the table, and no link.
    let mut plan = sound.plan.clone();
    let mut busybox = plan.get("usr/bin/busybox").unwrap().data.to_vec();
    let name = b"\0loadkmap\0";
    let at = busybox
        .windows(name.len())
        .position(|part| part == name)
        .unwrap();
    busybox[at + 8] = b'q';
    plan.file("usr/bin/busybox", 0o755, busybox, "");
    assert_eq!(
        sound.findings(&pack_without(&plan, "usr/bin/loadkmap")),
        only("missing-command")
    );
}

#[test]
fn a_helper_that_the_kernel_never_starts_is_told() {
    let Some(sound) = &*SOUND else { return };
    let init = "#!/bin/sh\nmount -t proc proc /proc\necho /sbin/mdev >/proc/sys/kernel/hotplug\nmdev -s\nexec /sbin/init\n";
    let with = |script: &str| sound.after(|plan| plan.file("init", 0o755, script.into(), ""));
    assert_eq!(with(init), only("no-hotplug-helper"));
    for line in [
        "echo /sbin/mdev >\"/proc/sys/kernel/hotplug\"",
        "echo /sbin/mdev | tee /sys/kernel/uevent_helper",
        "echo /sbin/mdev | \"tee\" '/sys/kernel/uevent_helper' >/dev/null",
        "sysctl -w kernel.hotplug=/sbin/mdev",
        "sysctl -q kernel/hotplug=\"/sbin/mdev\"",
        "env X=1 sysctl -w \"kernel.hotplug=/sbin/mdev\" >/dev/null",
    ] {
        let script = init.replace("echo /sbin/mdev >/proc/sys/kernel/hotplug", line);
        assert_eq!(with(&script), only("no-hotplug-helper"), "{line}");
    }
    for line in [
        "[ ! -e /proc/sys/kernel/hotplug ] || echo /sbin/mdev >/proc/sys/kernel/hotplug",
        "[ -w \"/proc/sys/kernel/hotplug\" ] && sysctl -w kernel.hotplug=/sbin/mdev",
        "echo /sbin/mdev >/proc/sys/kernel/hotplug || mdev -d",
        "sysctl -w kernel.hotplug=/sbin/mdev 2>/dev/null || mdev -d",
        // No helper at all.
        "sysctl -w kernel.hotplug=",
        "sysctl -w kernel.hotplug=''",
        "sysctl kernel.hotplug",
        "sysctl -w kernel.panic=5",
        "cat </proc/sys/kernel/hotplug",
        "echo 'sysctl -w kernel.hotplug=/sbin/mdev >/proc/sys/kernel/hotplug'",
        "# sysctl -w kernel.hotplug=/sbin/mdev",
        "cat <<END\necho /sbin/mdev >/proc/sys/kernel/hotplug\nEND",
    ] {
        let script = init.replace("echo /sbin/mdev >/proc/sys/kernel/hotplug", line);
        assert_eq!(with(&script), none(), "{line}");
    }
    // A kernel that has it.
    let mut plan = sound.plan.clone();
    plan.file("init", 0o755, init.into(), "");
    let config = modtree::KernelConfig::parse(
        b"CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_BINFMT_SCRIPT=y\nCONFIG_UEVENT_HELPER=y\n",
    );
    let booted = Booted {
        version: None,
        config: Some(&config),
    };
    let report = check(&plan.archive(Options::default()).unwrap(), booted);
    assert_eq!(report.findings, []);
}
