//! Keymaps for the tests: kbd's own, from its source package, and every layout of xkb-data, turned into keymaps by `ckbcomp`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail};
use tests::environment::corpus;
use tests::keymaps::{XkbLayout, xkb_layouts};

use crate::shell;

/// kbd's own keymaps, under `kbd/data/keymaps`. The source package is fetched with package lists of its own, made from
/// the machine's, which seldom name sources.
pub(crate) fn kbd() -> Result<PathBuf> {
    let root = corpus().join("kbd");
    if root.is_dir() {
        return Ok(root);
    }
    let folder = corpus().join("apt-sources");
    for sub in ["state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join(sub))?;
    }
    let list = source_list(&folder)?;
    let options = [
        "APT::Sandbox::User=root".to_owned(),
        format!("Dir::State={}", folder.join("state").display()),
        "Dir::State::status=/var/lib/dpkg/status".to_owned(),
        format!("Dir::Cache={}", folder.join("cache").display()),
        format!("Dir::Etc::sourcelist={}", list.display()),
        "Dir::Etc::sourceparts=/nonexistent".to_owned(),
    ];
    let apt = || {
        let mut command = Command::new("apt-get");
        command.arg("-q").current_dir(&folder);
        options.iter().for_each(|option| {
            command.args(["-o", option]);
        });
        command
    };
    shell::run(apt().arg("update"))?;
    shell::run(apt().args(["source", "--download-only", "kbd"]))?;
    let tarball = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().contains(".orig.tar"))
        .context("the source package of kbd has no .orig.tar file")?;
    let partial = root.with_extension("partial");
    fs::create_dir_all(&partial)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(tarball).arg("-C").arg(&partial);
    shell::run(tar.args(["--strip-components=1", "--wildcards", "*/data/keymaps"]))?;
    fs::rename(partial, &root)?;
    Ok(root)
}

/// The machine's package sources, each line or stanza asking for sources in place of packages.
fn source_list(folder: &Path) -> Result<PathBuf> {
    let parts = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = parts.collect();
    paths.push("/etc/apt/sources.list".into());
    // One-line lists and stanzas cannot share a file; Debian's own list is in one or the other.
    for path in paths {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let debian = text.contains("debian") && text.contains("main");
        let stanzas = text.contains("Types: deb");
        let lines = text.lines().any(|line| line.starts_with("deb "));
        if !debian || !(stanzas || lines) || text.contains("packages.cloud.google.com") {
            continue;
        }
        let list = folder.join(if stanzas { "list.sources" } else { "list.list" });
        let text = text
            .lines()
            .map(|line| match line {
                "Types: deb" | "Types: deb deb-src" => "Types: deb-src".to_owned(),
                line => match line.strip_prefix("deb ") {
                    Some(rest) => format!("deb-src {rest}"),
                    None => line.to_owned(),
                },
            })
            .collect::<Vec<_>>()
            .join("\n");
        fs::write(&list, text + "\n")?;
        return Ok(list);
    }
    bail!("the package sources of this machine name no Debian archive");
}

/// Every layout and variant of xkb-data as a keymap, `xkb/LAYOUT.kmap` or `xkb/LAYOUT-VARIANT.kmap`.
pub(crate) fn xkb() -> Result<PathBuf> {
    let root = corpus().join("xkb");
    if root.is_dir() {
        return Ok(root);
    }
    let partial = root.with_extension("partial");
    fs::create_dir_all(&partial)?;
    let layouts = xkb_layouts();
    println!("Turning {} layouts into keymaps", layouts.len());
    let todo = Mutex::new(layouts.iter());
    let threads = thread::available_parallelism().map_or(1, |count| count.get());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| worker(&todo, &partial)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| bail!("a worker has panicked"))
        })
    })?;
    fs::rename(partial, &root)?;
    Ok(root)
}

fn worker(todo: &Mutex<std::slice::Iter<'_, XkbLayout>>, folder: &Path) -> Result<()> {
    loop {
        let next = todo.lock().ok().and_then(|mut todo| todo.next());
        let Some(layout) = next else {
            return Ok(());
        };
        let mut ckbcomp = Command::new("ckbcomp");
        ckbcomp.arg(&layout.layout);
        ckbcomp.args(&layout.variant);
        // Its bytes are of no charset in particular.
        let output = ckbcomp.output().context("cannot run ckbcomp")?;
        fs::write(folder.join(layout.file_name()), output.stdout)?;
    }
}
