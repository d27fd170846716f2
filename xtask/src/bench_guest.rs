//! From the kernel's start to a mounted stick: our `/init`, which waits for the device, beside the script that sleeps.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use packager::compression::Compression;
use packager::kernel::KernelSource;
use packager::qemu::Machine;
use packager::recipe::{Contents, Entry};
use packager::timing::Timings;
use packager::{Initramfs, Plan, Recipe};
use tests::stick::Stick;

/// Boots of each; one takes 10 s, and the shorter the time, the more it varies.
const BOOTS: usize = 7;

/// Ends a hang.
const PATIENCE: Duration = Duration::from_secs(300);

/// What both say, with the time behind it.
const MOUNTED: &str = "init: /dev/sda1 is on /mnt after ";

/// What everybody writes first.
const PLAIN_SCRIPT: &str = "#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /etc/modules); do modprobe \"$module\" 2>/dev/null; done
sleep 3
mdev -s
mount -t vfat /dev/sda1 /mnt && echo \"init: /dev/sda1 is on /mnt after $(cut -d ' ' -f 1 /proc/uptime) s\"
exec sh
";

/// Boots both in turns, and adds a table.
pub(crate) fn measure(folder: &Path, root: &Path, text: &mut String) -> Result<()> {
    let stick = Stick::create(&folder.join("stick.img"))?;
    let recipe = Recipe {
        kernel: KernelSource::Root(root.to_path_buf()),
        // The decompression is the kernel's affair.
        compression: Some(Compression {
            format: None,
            level: None,
        }),
        ..Recipe::default()
    };
    let entry = |path: &str, text: &str| Entry {
        path: path.to_owned(),
        contents: Contents::Text(text.to_owned()),
        permissions: Some(0o755),
        uid: 0,
        gid: 0,
    };
    let plain = Recipe {
        entries: vec![
            entry("/init", PLAIN_SCRIPT),
            // As the module has it by itself: a second for each stick to settle.
            entry("/etc/modprobe.d/usb-storage.conf", ""),
        ],
        ..recipe.clone()
    };
    let sides = [
        ("a script with `sleep 3`", plain),
        ("our /init with mount=/dev/sda1", recipe),
    ];
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..BOOTS {
        for ((_, recipe), times) in sides.iter().zip(&mut times) {
            times.push(boot(folder, recipe, stick.path())?);
        }
    }
    let _ = writeln!(
        text,
        "\nSeconds of the guest's own clock from the kernel's start until the stick is mounted, {BOOTS} boots each, in turns, in QEMU\n\
         without the processor's help; the images are not compressed:\n\n| what | median | fastest | slowest | times faster |\n| --- | --- | --- | --- | --- |"
    );
    let mut peer = None;
    for ((name, _), times) in sides.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[BOOTS / 2];
        let ratio = *peer.get_or_insert(median) / median;
        let _ = writeln!(
            text,
            "| {name} | {median:.1} s | {:.1} s | {:.1} s | {ratio:.1} |",
            times[0],
            times[BOOTS - 1]
        );
    }
    Ok(())
}

/// What the guest's clock says when the stick is mounted.
fn boot(folder: &Path, recipe: &Recipe, stick: &Path) -> Result<f64> {
    let plan = Plan::new(recipe)?;
    let image = Initramfs::new(&plan, recipe, &mut Timings::default())?;
    let path = folder.join("boot.img");
    fs::write(&path, image.to_bytes())?;
    let kernel = plan.kernel_image.context("a kernel's image")?;
    let mut machine = Machine::new(kernel, path);
    machine.sticks = vec![stick.to_path_buf()];
    machine.append += " quiet mount=/dev/sda1";
    let mut session = machine.start()?;
    session.expect(MOUNTED, PATIENCE)?;
    session.expect(" s", PATIENCE)?;
    let transcript = session.transcript();
    let (_, rest) = transcript.split_once(MOUNTED).context("a time")?;
    let seconds = rest.split_whitespace().next().context("a time")?;
    Ok(seconds.parse()?)
}
