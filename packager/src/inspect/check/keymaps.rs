//! Keymaps: whether loadkmap takes them, and whether a person can still type a command.

use kmap::{Keymap, Typing};

use super::codes;
use crate::cpio::Kind;
use crate::finding::Report;
use crate::inspect::Files;

/// A keymap that lacks more letters than this is of another script, or says nothing of most keys. Of the 216 keymaps of
/// console-data, 9 do that, or have no Enter.
const FEW_LETTERS: usize = 8;

pub(super) fn check(files: &Files<'_>, report: &mut Report) {
    for (path, file) in files.iter() {
        let is_keymap = path.ends_with(".bmap") || path.ends_with(".bmap.gz");
        if !is_keymap || file.attributes.kind != Kind::File {
            continue;
        }
        match file.keymap() {
            // loadkmap itself unpacks nothing.
            Some(_) if path.ends_with(".bmap") && codec::detect(file.data).is_some() => {
                report.find(&codes::KEYMAP, format_args!("/{path} is compressed"));
            }
            Some(keymap) => check_way_out(path, &keymap, report),
            None => report.find(&codes::KEYMAP, format_args!("/{path}")),
        }
    }
}

fn check_way_out(path: &str, keymap: &Keymap, report: &mut Report) {
    if !keymap.has_enter() {
        report.find(&codes::LOCKED_OUT, format_args!("/{path} has no Enter"));
    }
    let typing = Typing::new(keymap);
    let missing = ('a'..='z').filter(|letter| typing.direct(*letter).is_none());
    let missing = missing.count();
    if missing > FEW_LETTERS {
        report.find(
            &codes::LOCKED_OUT,
            format_args!("/{path} has no key for {missing} of the letters a to z"),
        );
    }
}
