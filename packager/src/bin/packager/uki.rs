//! `packager uki`: kernel, initramfs and command line as one EFI program.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use cli::Failure;
use packager::disk::uki::{UkiError, find_stub};
use packager::timing::Timings;

use crate::content::{Content, ContentArgs};
use crate::depfile::DepfileArgs;
use crate::progress::Progress;
use crate::report;

/// Text that is larger is no os-release.
const OS_RELEASE_LIMIT: u64 = 64 << 10;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  packager uki --keymap es -o linux.efi                     this machine's kernel
  packager uki --initramfs simple.igz -o linux.efi          an initramfs that is there already
  sbsign --key db.key --cert db.crt --output linux.signed.efi linux.efi")]
pub(crate) struct UkiArgs {
    /// The program to write; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "linux.efi")]
    output: PathBuf,

    /// systemd's stub [default: the installed linuxx64.efi.stub]
    #[arg(long, value_name = "FILE")]
    stub: Option<PathBuf>,

    /// The os-release(5) to put inside, for boot menus
    #[arg(long, value_name = "FILE")]
    os_release: Option<PathBuf>,

    #[command(flatten)]
    depfile: DepfileArgs,

    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten, next_help_heading = "Kernel and initramfs")]
    content: ContentArgs,
}

pub(crate) fn run(args: UkiArgs) -> Result<(), Failure> {
    let named = [&args.stub, &args.os_release].into_iter().flatten();
    let named = named.map(PathBuf::as_path).chain(args.content.named());
    let named: Vec<_> = named.collect();
    report::check_output(&args.output, named.iter().copied())?;
    args.depfile.check(&args.output)?;
    let progress = Progress::new("making the EFI program");
    let stub = find_stub(args.stub.as_deref()).map_err(failure)?;
    let content = args.content.load(args.quiet, &mut Timings::default())?;
    content.check_output(&args.output)?;
    let inputs = named.into_iter().chain([&*stub.path]);
    let inputs: Vec<_> = inputs.chain(Content::inputs([&content])).collect();
    args.depfile.check_inputs(inputs.iter().copied())?;
    let release = args.os_release.as_deref().map(read_release).transpose()?;
    let bytes = content
        .uki(&stub.bytes, &args.content.append, release.as_deref())
        .map_err(failure)?;
    drop(progress);
    if args.output == Path::new("-") {
        return cli::print(&bytes);
    }
    cli::write_atomically(&args.output, &bytes)?;
    args.depfile.write(&[&args.output], inputs)?;
    if !args.quiet {
        report::notes(&content.notes);
        cli::tell!(
            "{}: {}, kernel {}",
            args.output.display(),
            report::size(bytes.len()),
            content.version
        );
    }
    Ok(())
}

fn read_release(path: &Path) -> Result<String, Failure> {
    let bytes = codec::file::read(path, OS_RELEASE_LIMIT).map_err(report::read)?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::input(format_args!("`{}` is not UTF-8", path.display())))
}

/// A missing stub is the machine's fault, a kernel that UEFI cannot start the input's.
pub(crate) fn failure(error: UkiError) -> Failure {
    match error {
        UkiError::NotFound { .. } => Failure::machine(error),
        UkiError::Read(error) => report::read(error),
        error => Failure::input(error),
    }
}
