//! Rock Ridge: owner, mode, times and the real name of a file, in entries behind its directory record.
//!
//! An entry is two letters, its length, its version (1) and its data (SUSP 1.10, section 4). Everything belongs to root, and
//! may be read by everyone, as `xorrisofs -r` has it.

use super::record::both_32;
use super::time::Clock;

/// POSIX's modes of a file and a directory that everyone reads and nobody writes.
const FILE_MODE: u32 = 0o100_444;
const DIRECTORY_MODE: u32 = 0o040_555;

/// Which moments an entry `TF` has: modification, access, change of attributes.
const MOMENTS: u8 = 0x02 | 0x04 | 0x08;

/// Which extension this is (RRIP 1.10, section 4.3).
const IDENTIFIER: &[u8] = b"RRIP_1991A";
const DESCRIPTION: &[u8] =
    b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
const SOURCE: &[u8] = b"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.";

/// What a record has of a file, or with the number of directories in it, of a directory.
pub(super) fn attributes(directories: Option<usize>, clock: Clock) -> Vec<u8> {
    let (mode, links) = match directories {
        // A directory is linked from its parent, itself and the directories in it.
        Some(inner) => (DIRECTORY_MODE, inner as u32 + 2),
        None => (FILE_MODE, 1),
    };
    let owner_and_group = [0, 0];
    let numbers = [mode, links].into_iter().chain(owner_and_group);
    let mut out = entry(b"PX", &numbers.flat_map(both_32).collect::<Vec<_>>());
    let mut moments = vec![MOMENTS];
    moments.extend([clock.short(); 3].as_flattened());
    out.extend(entry(b"TF", &moments));
    out
}

/// The real name.
pub(super) fn name(name: &str) -> Vec<u8> {
    const NOT_CONTINUED: u8 = 0;
    entry(b"NM", &[&[NOT_CONTINUED], name.as_bytes()].concat())
}

/// What says that there are such entries: the first ones of the root directory's own record. The rest of them,
/// [`extension`], is in a block of its own, since it does not fit into the record.
pub(super) fn start(block: u32) -> (Vec<u8>, Vec<u8>) {
    const MARK: [u8; 2] = [0xbe, 0xef];
    // No bytes are skipped in front of the entries of other records.
    let first = entry(b"SP", &[&MARK[..], &[0]].concat());
    let place = [block, 0, extension().len() as u32];
    let last = entry(
        b"CE",
        &place.into_iter().flat_map(both_32).collect::<Vec<_>>(),
    );
    (first, last)
}

/// Which extension this is.
pub(super) fn extension() -> Vec<u8> {
    let lengths = [IDENTIFIER, DESCRIPTION, SOURCE].map(|text| text.len() as u8);
    entry(
        b"ER",
        &[&lengths[..], &[1], IDENTIFIER, DESCRIPTION, SOURCE].concat(),
    )
}

fn entry(letters: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let head = [letters[0], letters[1], data.len() as u8 + 4, 1];
    [&head, data].concat()
}
