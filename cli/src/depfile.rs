//! What make(1), ninja and Bazel read about what an output is made of.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `OUTPUT…: INPUT…`, with `between` before each input: a blank, or a continued line.
pub fn make_rule<'a>(
    outputs: &[&Path],
    inputs: impl IntoIterator<Item = &'a Path>,
    between: &str,
) -> Vec<u8> {
    let outputs: Vec<_> = outputs.iter().map(|output| escaped(output)).collect();
    let mut rule = outputs.join(&b' ');
    rule.push(b':');
    for input in inputs {
        rule.extend(between.bytes());
        rule.extend(escaped(input));
    }
    rule.push(b'\n');
    rule
}

/// A path as a rule of make has it: blanks, `#`, `:`, `\` and `$` escaped. A line feed cannot be written there at all.
fn escaped(path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'#' | b':' | b'\\' => out.push(b'\\'),
            b'$' => out.push(b'$'),
            _ => {}
        }
        out.push(if byte == b'\n' { b'?' } else { byte });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_make_would_take_for_something_else_is_escaped() {
        let escaped = escaped(Path::new("a b:c#d$e\\f\ng"));
        assert_eq!(escaped, b"a\\ b\\:c\\#d$$e\\\\f?g");
    }
}
