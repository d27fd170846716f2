//! `modtree host`, and the machine's devices for other commands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use cli::{Failure, Fault, print};
use modtree::host::{Host, HostError};
use serde_json::json;

use crate::args::TreeArgs;
use crate::questions::print_json;
use crate::run::{open, tree_failure};

#[derive(Debug, Args)]
pub(crate) struct SysArgs {
    /// Where sysfs is mounted, or a copy of it
    #[arg(long, value_name = "DIR", default_value = "/sys")]
    sys: PathBuf,
}

/// Print the devices of this machine that a kernel has modules for
///
/// Reads modaliases and drivers below /sys/devices. With --record, writes them down, so that `modtree closure --host-file`
/// finds the modules of this machine on another one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modtree host                                        each device, and its modules
  ssh box modtree host --record > box.txt
  modtree closure -b unpacked --host-file box.txt     what that machine needs, of this kernel
  ssh box modtree host --record | modtree closure -b unpacked --host-file -")]
pub(crate) struct HostArgs {
    /// Print the record: a line for each modalias and each driver
    #[arg(long)]
    record: bool,

    #[command(flatten)]
    sys: SysArgs,

    #[command(flatten)]
    tree: TreeArgs,

    /// One JSON document
    #[arg(long, conflicts_with = "record")]
    json: bool,
}

pub(crate) fn run(args: &HostArgs) -> Result<(), Failure> {
    let host = of_sys(&args.sys)?;
    if args.record {
        return print(host.record().as_bytes());
    }
    let tree = open(&args.tree)?;
    let mut devices = Vec::new();
    for modalias in &host.modaliases {
        let found = tree.resolve(modalias).map_err(tree_failure)?.names();
        let Some((builtin, names)) = found else {
            continue;
        };
        let kind = if builtin { "builtin" } else { "module" };
        devices.push((modalias, kind, names));
    }
    if args.json {
        let devices = devices.iter().map(|(modalias, kind, names)| {
            json!({ "modalias": modalias, "kind": kind, "modules": names })
        });
        return print_json(&json!({
            "devices": devices.collect::<Vec<_>>(),
            "drivers": host.modules,
        }));
    }
    let mut text = String::new();
    for (modalias, kind, names) in devices {
        let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
        let _ = writeln!(text, "{kind} {}: {modalias}", names.join(" "));
    }
    print(text.as_bytes())
}

pub(crate) fn of_sys(args: &SysArgs) -> Result<Host, Failure> {
    Host::of_sys(&args.sys).map_err(failure)
}

pub(crate) fn of_record(path: &Path) -> Result<Host, Failure> {
    let host = match path == Path::new("-") {
        true => Host::of_stream(std::io::stdin().lock(), Path::new("<standard input>")),
        false => Host::of_record(path),
    };
    host.map_err(failure)
}

fn failure(error: HostError) -> Failure {
    let fault = if error.is_input() {
        Fault::Input
    } else {
        Fault::Machine
    };
    Failure::from_error(fault, &error)
}
