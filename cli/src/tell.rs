//! Standard error, which may be closed or full: that is no reason to fail, and `eprintln!` panics.

use std::fmt;
use std::io::Write;

/// Writes to standard error what can be written. [`tell!`](crate::tell) and [`tell_part!`](crate::tell_part) are shorter.
pub fn to_stderr(text: fmt::Arguments<'_>) {
    // In one piece: other programs may write to the same place.
    let _ = std::io::stderr().write_all(text.to_string().as_bytes());
}

/// As `eprintln!`, but nothing happens where standard error cannot be written to.
#[macro_export]
macro_rules! tell {
    ($($text:tt)*) => {
        $crate::to_stderr(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// As [`tell!`](crate::tell), without the end of the line.
#[macro_export]
macro_rules! tell_part {
    ($($text:tt)*) => {
        $crate::to_stderr(format_args!($($text)*))
    };
}
