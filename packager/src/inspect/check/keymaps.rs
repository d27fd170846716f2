//! Keymaps: whether loadkmap takes them, and whether a person can still type a command.

use kmap::emit::is_bkeymap;
use kmap::{Endian, Keymap, Typing};
use memchr::memmem;

use super::codes;
use crate::cpio::Kind;
use crate::finding::Report;
use crate::inspect::Files;

const CALL: &[u8] = b"loadkmap";

pub(super) fn check(files: &Files<'_>, report: &mut Report) {
    check_loaded(files, report);
    let machine = byte_order(files);
    for (path, file) in files.iter() {
        let is_named = path.ends_with(".bmap") || path.ends_with(".bmap.gz");
        let is_keymap = is_named || is_bkeymap(file.data);
        if !is_keymap || file.attributes.kind != Kind::File {
            continue;
        }
        match file.ordered_keymap() {
            // loadkmap itself unpacks nothing.
            Some(_) if path.ends_with(".bmap") && codec::detect(file.data).is_some() => {
                report.find(&codes::KEYMAP, format_args!("/{path} is compressed"));
            }
            Some((_, order)) if machine.is_some_and(|machine| machine != order) => {
                report.find(
                    &codes::KEYMAP,
                    format_args!("/{path} has the other byte order than the programs"),
                );
            }
            Some((keymap, _)) => check_way_out(path, &keymap, report),
            None => report.find(&codes::KEYMAP, format_args!("/{path}")),
        }
    }
}

/// The byte order of the machine: that of the first program or module (`EI_DATA`).
fn byte_order(files: &Files<'_>) -> Option<Endian> {
    let mut all = files.iter().map(|(_, file)| file.data);
    let elf = all.find(|data| data.starts_with(b"\x7fELF"))?;
    match elf.get(5)? {
        1 => Some(Endian::Little),
        2 => Some(Endian::Big),
        _ => None,
    }
}

/// What `/init` gives to loadkmap by name: it may be called `keymap.bin`, and hold text.
fn check_loaded(files: &Files<'_>, report: &mut Report) {
    let Some((_, init)) = files.follow("init") else {
        return;
    };
    let Ok(script) = std::str::from_utf8(init.data) else {
        return;
    };
    let calls = memmem::find_iter(init.data, CALL).map(|at| &script[at + CALL.len()..]);
    let inputs = calls.filter_map(|rest| rest.trim_start_matches(' ').strip_prefix('<'));
    let words = inputs.filter_map(|rest| rest.split_whitespace().next());
    for word in words {
        let path = word.trim_matches(['"', '\'', ';', ')']);
        let file = files
            .follow(path)
            .filter(|(path, _)| !path.ends_with(".bmap"));
        if let Some((path, file)) = file
            && !is_bkeymap(file.data)
        {
            report.find(&codes::KEYMAP, format_args!("/{path}, which /init loads"));
        }
    }
}

fn check_way_out(path: &str, keymap: &Keymap, report: &mut Report) {
    if !keymap.has_enter() {
        report.find(&codes::LOCKED_OUT, format_args!("/{path} has no Enter"));
    }
    if let Some(missing) = Typing::new(keymap).missing_letters() {
        report.find(
            &codes::LOCKED_OUT,
            format_args!("/{path} has no key for {missing} of the letters a to z"),
        );
    }
}
