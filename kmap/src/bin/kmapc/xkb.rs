//! `kmapc xkb`: an XKB layout as a binary keymap or as keymap text.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use cli::Failure;
use kmap::xkb::{Layout, XkbError, convert};
use kmap::{Typing, emit};

use crate::args::Xkb;
use crate::input;

pub(crate) fn run(args: &Xkb) -> Result<(), Failure> {
    args.quiet.heed();
    let layout = Layout {
        layout: args.layout.clone(),
        variant: args.variant.clone(),
        model: args.model.clone(),
        options: args.options.clone(),
    };
    let mut converted = convert(&layout).map_err(|error| match error {
        XkbError::NoData(_) => Failure::machine(error),
        _ => Failure::input(error),
    })?;
    let has_switch = converted.has_switch();
    converted.keymap.prune();
    if args.layout.contains(',') && !has_switch {
        cli::warning!(
            "no key switches to the second layout; ask for one, for example with --options grp:alt_shift_toggle"
        );
    } else if let Some(missing) = Typing::new(&converted.keymap).missing_letters() {
        cli::warning!(
            "the keymap has no key for {missing} of the letters a to z, so that no command can be typed; {}",
            with_latin(args)
        );
    }
    if !converted.left_out.is_empty() {
        let list: Vec<String> = converted
            .left_out
            .iter()
            .map(|char| format!("U+{:04X}", u32::from(*char)))
            .collect();
        cli::warning!(
            "left out, because the console cannot have them on a key: {}",
            list.join(", ")
        );
    }
    let bytes = match args.text {
        true => emit::text(&converted.keymap)
            .map_err(Failure::input)?
            .into_bytes(),
        false => converted.keymap.to_bkeymap(args.endian.into()),
    };
    match &args.output {
        Some(path) if !input::is_standard_input(path) => cli::write_atomically(path, &bytes),
        None if !args.text => cli::write_atomically(&default_output(args), &bytes),
        _ if !args.text && io::stdout().is_terminal() => Err(Failure::usage(
            "a binary keymap is nothing for a terminal; use `-o FILE` or a pipe",
        )),
        _ => cli::print(&bytes),
    }
}

/// How to ask for the layout and Latin letters.
fn with_latin(args: &Xkb) -> String {
    if args.layout.contains(',') {
        return "one of the two layouts has to have them, such as `us`".to_owned();
    }
    let variant = match &*args.variant {
        "" => String::new(),
        variant => format!(" ,{variant}"),
    };
    format!(
        "`kmapc xkb us,{}{variant} --options grp:alt_shift_toggle` has both",
        args.layout
    )
}

/// `us,ru` and its like become `us-ru.bmap`.
fn default_output(args: &Xkb) -> PathBuf {
    let parts = args.layout.split(',').chain(args.variant.split(','));
    let name: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    PathBuf::from(name.join("-") + ".bmap")
}
