//! Names of modules among a module's data: what a request whose name comes from a table may ask for.

use object::{Object, ObjectSection};

use crate::fast_hash::FastSet;

/// `MODULE_NAME_LEN` of the kernel: the longest name of a module, with its NUL.
const LONGEST_NAME: usize = 56;

/// The strings in a module's data that may be names of modules, each once.
pub(crate) fn names_in_data(bytes: &[u8]) -> Vec<String> {
    let Ok(file) = object::File::parse(bytes) else {
        return Vec::new();
    };
    let is_data = |name: &str| {
        name.starts_with(".rodata") || name == ".data" || name.starts_with(".data.rel")
    };
    let mut found = Vec::new();
    let mut seen = FastSet::default();
    for section in file.sections() {
        if !section.name().is_ok_and(is_data) {
            continue;
        }
        for text in section.data().unwrap_or_default().split(|&byte| byte == 0) {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
            if (2..LONGEST_NAME).contains(&text.len())
                && text.iter().all(is_name)
                && seen.insert(text)
            {
                found.push(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    found
}
