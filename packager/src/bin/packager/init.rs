//! `packager init`: a recipe to start from.

use cli::Failure;
use packager::recipe::{TEMPLATE, schema};

use crate::args::InitArgs;

pub(crate) fn run(args: &InitArgs) -> Result<(), Failure> {
    if args.schema {
        return cli::print(schema().as_bytes());
    }
    let file = &args.file;
    if file.symlink_metadata().is_ok() {
        return Err(Failure::input(format_args!(
            "`{}` exists already; name another file, or remove it",
            file.display()
        )));
    }
    cli::write_atomically(file, TEMPLATE.as_bytes())?;
    cli::tell!(
        "wrote {0}; use it with: packager initramfs --recipe {0}",
        file.display()
    );
    Ok(())
}
