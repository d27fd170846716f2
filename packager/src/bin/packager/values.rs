//! Values of options, from their text: sizes and numbers.

/// A number of bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    packager::recipe::parse_size(text)
        .ok_or_else(|| "a number of bytes is needed, or one with K, M, G or T: 64M".to_owned())
}

/// As `fdisk -l` shows it, with or without `0x`.
pub(crate) fn parse_signature(text: &str) -> Result<u32, String> {
    match eight_digits(text.strip_prefix("0x").unwrap_or(text)) {
        Some(signature) if signature != 0 => Ok(signature),
        _ => Err("eight hexadecimal digits are needed, not all zero: 1234abcd".to_owned()),
    }
}

/// Eight hexadecimal digits, as Linux shows a FAT file system's UUID.
pub(crate) fn parse_serial(text: &str) -> Result<u32, String> {
    let digits = match text.split_once('-') {
        Some((high, low)) if high.len() == 4 => format!("{high}{low}"),
        _ => text.to_owned(),
    };
    eight_digits(&digits).ok_or_else(|| "eight hexadecimal digits are needed: 1234-ABCD".to_owned())
}

/// A number of eight hexadecimal digits, and nothing else.
fn eight_digits(text: &str) -> Option<u32> {
    let fits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("2T"), Ok(2 << 40));
        assert!(parse_size("2P").unwrap_err().contains("K, M, G or T"));
    }

    #[test]
    fn serials_and_signatures() {
        assert_eq!(parse_serial("1234-ABCD"), Ok(0x1234_abcd));
        assert_eq!(parse_serial("1234ABCD"), Ok(0x1234_abcd));
        for text in [
            "1234",
            "+1234567",
            "1-234567",
            "12-34ABCD",
            "1234--ABC",
            "1234-ABC-D",
        ] {
            assert!(parse_serial(text).is_err(), "{text}");
        }
        assert!(parse_signature("0x0x12345678").is_err());
        assert_eq!(parse_signature("0x1234abcd"), Ok(0x1234_abcd));
        assert!(parse_signature("00000000").is_err());
    }
}
