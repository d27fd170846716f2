//! What `strings as usual` and `compose as usual` stand for. Measured: `loadkeys -m` of a keymap with that one line.

/// The text of the function keys with the values 0 to 25, behind Escape: F1 to F20, Find, Insert, Remove, Select, Prior, Next.
const STRINGS: [&str; 26] = [
    "[[A", "[[B", "[[C", "[[D", "[[E", "[17~", "[18~", "[19~", "[20~", "[21~", "[23~", "[24~",
    "[25~", "[26~", "[28~", "[29~", "[31~", "[32~", "[33~", "[34~", "[1~", "[2~", "[3~", "[4~",
    "[5~", "[6~",
];

/// First key, second key, and the character of ISO 8859-1.
const COMPOSE: &str = "\
    `AÀ `aà 'AÁ 'aá ^AÂ ^aâ ~AÃ ~aã \"AÄ \"aä OAÅ oaå 0AÅ 0aå AAÅ aaå AEÆ aeæ ,CÇ ,cç \
    `EÈ `eè 'EÉ 'eé ^EÊ ^eê \"EË \"eë `IÌ `iì 'IÍ 'ií ^IÎ ^iî \"IÏ \"iï -DÐ -dð ~NÑ ~nñ \
    `OÒ `oò 'OÓ 'oó ^OÔ ^oô ~OÕ ~oõ \"OÖ \"oö /OØ /oø `UÙ `uù 'UÚ 'uú ^UÛ ^uû \"UÜ \"uü \
    'YÝ 'yý THÞ thþ ssß \"yÿ szß ijÿ";

/// The value of each function key and the bytes that it sends.
pub(crate) fn strings() -> impl Iterator<Item = (u8, Vec<u8>)> {
    let texts = STRINGS
        .iter()
        .map(|text| format!("\x1b{text}").into_bytes());
    (0..).zip(texts)
}

/// First key, second key, result: bytes of ISO 8859-1, which are code points as well.
pub(crate) fn compose() -> impl Iterator<Item = [u32; 3]> {
    COMPOSE.split(' ').filter_map(|rule| {
        let mut characters = rule.chars().map(u32::from);
        Some([characters.next()?, characters.next()?, characters.next()?])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_loadkeys() {
        assert_eq!(strings().count(), 26);
        assert_eq!(strings().nth(5), Some((5, b"\x1b[17~".to_vec())));
        assert_eq!(compose().count(), 68);
        assert_eq!(compose().last(), Some(['i' as u32, 'j' as u32, 0xff]));
    }
}
