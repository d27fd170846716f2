//! `packager pxe`: a directory for a TFTP server, from which PCs boot over the network.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use cli::Failure;
use packager::disk::menu::Menu;
use packager::disk::uki::{UkiError, find_stub};
use packager::timing::Timings;

use crate::content::{Content, ContentArgs};
use crate::depfile::DepfileArgs;
use crate::progress::Progress;
use crate::report;
use crate::uki::failure;

/// Larger than any of the boot loader's files.
const LIMIT: u64 = 16 << 20;

/// What a BIOS loads, and the part with the command line, from the same build; and where distributions put them.
const FILES: [&str; 2] = ["lpxelinux.0", "ldlinux.c32"];
const PLACES: [&str; 4] = [
    "/usr/lib/PXELINUX",
    "/usr/lib/syslinux/modules/bios",
    "/usr/lib/syslinux/bios",
    "/usr/share/syslinux",
];

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
What the DHCP server must name as the boot file: lpxelinux.0 (BIOS), linux.efi (UEFI), boot.ipxe (iPXE).
Some network cards have iPXE in them, which for UEFI starts linux.efi without its command line: name boot.ipxe for these (dnsmasq:
--dhcp-match=set:ipxe,175 --dhcp-boot=tag:ipxe,boot.ipxe).

Examples:
  packager pxe --keymap es -o /srv/tftp/simple
  dnsmasq --enable-tftp --tftp-root=/srv/tftp/simple --dhcp-boot=lpxelinux.0 --dhcp-range=…")]
pub(crate) struct PxeArgs {
    /// The directory to make; one that is there must be empty
    #[arg(short, long, value_name = "DIR", default_value = "pxe")]
    output: PathBuf,

    /// Where lpxelinux.0 and ldlinux.c32 are [default: where distributions put them]
    #[arg(long, value_name = "DIR")]
    pxelinux: Option<PathBuf>,

    /// systemd's stub, for UEFI [default: the installed linuxx64.efi.stub; without one there is no linux.efi]
    #[arg(long, value_name = "FILE")]
    stub: Option<PathBuf>,

    #[command(flatten)]
    depfile: DepfileArgs,

    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten, next_help_heading = "Kernel and initramfs")]
    content: ContentArgs,
}

pub(crate) fn run(args: PxeArgs) -> Result<(), Failure> {
    check_output(&args.output)?;
    let append = &args.content.append;
    let menu = Menu::new(args.content.choice()?, Vec::new()).map_err(Failure::usage)?;
    let progress = Progress::new("making the directory");
    let (loaders, mut files) = boot_loader(args.pxelinux.as_deref())?;
    let mut content = args.content.load(args.quiet, &mut Timings::default())?;
    let (program, stub) = efi_program(&args, &content)?.unzip();
    let has_program = program.is_some();
    let initramfs = std::mem::take(&mut content.initramfs);
    let inputs = args.content.named().chain(Content::inputs([&content]));
    let inputs = inputs.chain(loaders.iter().chain(&stub).map(PathBuf::as_path));
    let inputs: Vec<_> = inputs.collect();
    args.depfile.check_inputs(inputs.iter().copied())?;
    files.extend(program.map(|bytes| ("linux.efi", bytes)));
    files.extend([
        (
            "pxelinux.cfg/default",
            menu.syslinux("").to_string().into_bytes(),
        ),
        ("boot.ipxe", ipxe(append).into_bytes()),
        ("vmlinuz", content.kernel.to_vec()),
        ("initrd.img", initramfs),
    ]);
    let targets = files.iter().map(|(name, _)| args.output.join(name));
    let targets: Vec<_> = targets.collect();
    let targets: Vec<_> = targets.iter().map(PathBuf::as_path).collect();
    let mut all = targets.iter().copied().chain([&*args.output]);
    all.try_for_each(|target| args.depfile.check(target))?;
    write(&args.output, &files).map_err(|error| {
        Failure::machine(format_args!(
            "cannot write `{}`: {error}",
            args.output.display()
        ))
    })?;
    args.depfile.write(&targets, inputs)?;
    drop(progress);
    if !args.quiet {
        report::notes(&content.notes);
        let uefi = if has_program {
            "linux.efi for UEFI, "
        } else {
            ""
        };
        cli::tell!(
            "{}: lpxelinux.0 for a BIOS, {uefi}boot.ipxe for iPXE; kernel {}",
            args.output.display(),
            content.version
        );
    }
    Ok(())
}

fn check_output(path: &Path) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Err(Failure::usage(
            "a directory cannot go to standard output; name one, and `./-` for one that is called so",
        ));
    }
    let parent = cli::directory(path);
    if !parent.is_dir() {
        return Err(Failure::input(format_args!(
            "`{}` cannot be the output: `{}` is no directory; make it first",
            path.display(),
            parent.display()
        )));
    }
    let is_empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            return Err(Failure::input(format_args!(
                "`{}` cannot be the output: {error}",
                path.display()
            )));
        }
    };
    if is_empty {
        return Ok(());
    }
    Err(Failure::input(format_args!(
        "`{}` is there and not empty; name a new directory",
        path.display()
    )))
}

/// What a file on the server is called, and what is in it.
type Served = (&'static str, Vec<u8>);

/// The boot loader's files: where they are, and what is served.
fn boot_loader(named: Option<&Path>) -> Result<(Vec<PathBuf>, Vec<Served>), Failure> {
    let places: Vec<PathBuf> = match named {
        Some(folder) => vec![folder.to_path_buf()],
        None => PLACES.map(PathBuf::from).into(),
    };
    let find = |name: &'static str| {
        let path = places.iter().map(|place| place.join(name));
        let path = path.into_iter().find(|path| path.is_file());
        let path = path.ok_or_else(|| {
            let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
            Failure::machine(format_args!(
                "`{name}` was not found (looked in {}); install the packages pxelinux and syslinux-common, or name a directory that has it with --pxelinux",
                places.join(", ")
            ))
        })?;
        let bytes = codec::file::read(&path, LIMIT).map_err(report::read)?;
        Ok((path, (name, bytes)))
    };
    FILES.into_iter().map(find).collect()
}

/// A unified image, where there is a stub for it, and the stub's file.
fn efi_program(args: &PxeArgs, content: &Content) -> Result<Option<(Vec<u8>, PathBuf)>, Failure> {
    let stub = match find_stub(args.stub.as_deref()) {
        Err(UkiError::NotFound { .. }) => return Ok(None),
        result => result.map_err(failure)?,
    };
    match content.uki(&stub.bytes, &args.content.append, None) {
        // A kernel for a BIOS only still boots from there.
        Err(UkiError::Kernel(_)) => Ok(None),
        result => result
            .map(|bytes| Some((bytes, stub.path)))
            .map_err(failure),
    }
}

fn ipxe(append: &str) -> String {
    format!("#!ipxe\nkernel vmlinuz initrd=initrd.img {append}\ninitrd initrd.img\nboot\n")
}

/// A server that is not root reads it, whatever the umask is.
fn readable(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// All files in a directory beside the target, which then takes the target's name.
fn write(target: &Path, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
    // An empty directory may be meant by a link, or be the current one.
    let target = &fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
    let folder = tempfile::Builder::new()
        .prefix(".tmp-")
        .tempdir_in(cli::directory(target))?;
    for (name, bytes) in files {
        let path = folder.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
            readable(parent, 0o755)?;
        }
        fs::write(&path, bytes)?;
        readable(&path, 0o644)?;
        fs::File::open(&path)?.sync_all()?;
    }
    readable(folder.path(), 0o755)?;
    fs::rename(folder.path(), target)?;
    // It is the target now, and not to be removed.
    let _ = folder.keep();
    Ok(())
}
