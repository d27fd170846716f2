//! Streams that are whole, cut, damaged, padded or joined.

use std::io::Read;

use codec::{
    DecodeError, Format, Member, decode, decode_into, decodes_to, detect, encode, encode_parts,
};

/// What `encode` writes.
const WRITTEN: [Format; 5] = [
    Format::Gzip,
    Format::Xz,
    Format::Zstd,
    Format::Bzip2,
    Format::Lz4Legacy,
];

const LIMIT: u64 = 64 << 20;

/// Text that compresses, and is larger than one 8 MiB block of lz4.
fn long_text() -> Vec<u8> {
    (0..3_000_000u32)
        .flat_map(|n| (n / 3).wrapping_mul(7919).to_le_bytes())
        .chain(*b"the end")
        .collect()
}

#[test]
fn what_is_encoded_is_detected_and_decoded() {
    let text = long_text();
    for format in WRITTEN {
        let stream = encode(&text, format, None).unwrap();
        assert_eq!(detect(&stream), Some(format));
        assert!(*decode(&stream, LIMIT).unwrap() == *text, "{format}");
    }
}

#[test]
fn where_the_parts_of_a_text_end_does_not_matter() {
    let text = long_text();
    // Ends within blocks of every size, and parts that are longer than the longest.
    let ends = [0, 1, 1, 70_000, 262_144, 262_145, 9 << 20, 11 << 20];
    for format in WRITTEN {
        // Only lz4 has blocks so long.
        let text = match format {
            Format::Lz4Legacy => &text[..],
            _ => &text[..1 << 20],
        };
        let ends = ends.map(|end| text.len().min(end));
        let mut parts: Vec<&[u8]> = ends.windows(2).map(|at| &text[at[0]..at[1]]).collect();
        parts.push(&text[ends[ends.len() - 1]..]);
        let stream = encode_parts(&parts, format, None).unwrap();
        assert!(stream == encode(text, format, None).unwrap(), "{format}");
        assert!(decodes_to(&stream, &parts), "{format}");
        assert!(encode_parts(&[], format, None).unwrap() == encode(b"", format, None).unwrap());
    }
}

#[test]
fn a_stream_of_another_text_or_of_more_is_told_apart() {
    let text = b"a text of some words, and of some words more";
    for format in WRITTEN {
        let stream = encode(text, format, None).unwrap();
        assert!(decodes_to(&stream, &[&text[..7], b"", &text[7..]]));
        assert!(!decodes_to(&stream, &[&text[..7]]), "{format}: longer");
        assert!(!decodes_to(&stream, &[text, b"!"]), "{format}: shorter");
        assert!(!decodes_to(&stream, &[&text[1..], b"e"]), "{format}: other");
        let more = [&stream[..], b"\0"].concat();
        assert!(!decodes_to(&more, &[text]), "{format}: something behind");
        let cut = &stream[..stream.len() - 1];
        assert!(!decodes_to(cut, &[text]), "{format}: cut");
    }
    assert!(!decodes_to(b"", &[]));
    assert!(!decodes_to(b"plain", &[b"plain"]));
}

#[test]
fn an_xz_dictionary_is_no_larger_than_the_text() {
    let dictionary = |length: usize, level: i32| {
        let stream = encode(&vec![b'a'; length], Format::Xz, Some(level)).unwrap();
        // xz-file-format.txt: the block header follows the stream header; behind size, flags, filter and length of its
        // properties stands the dictionary's size (5.3.1).
        let bits = u32::from(stream[12 + 4]);
        (2 | bits & 1) << (bits / 2 + 11)
    };
    assert_eq!(dictionary(100, 6), 64 << 10);
    assert_eq!(dictionary(1 << 20, 6), 1 << 20);
    assert_eq!(dictionary((1 << 20) + 1, 6), 3 << 19);
    assert_eq!(dictionary(9 << 20, 6), 8 << 20);
    assert_eq!(dictionary(9 << 20, 9), 12 << 20);
}

#[test]
fn nothing_is_a_text_too() {
    for format in WRITTEN {
        let stream = encode(b"", format, None).unwrap();
        assert_eq!(&*decode(&stream, LIMIT).unwrap(), b"", "{format}");
    }
}

#[test]
fn bytes_that_are_not_compressed_come_back_as_they_are() {
    assert_eq!(
        &*decode(b"keycode 1 = Escape\n", 3).unwrap(),
        b"keycode 1 = Escape\n"
    );
    assert_eq!(&*decode(b"", 0).unwrap(), b"");
}

#[test]
fn the_limit_is_the_most_that_comes_out() {
    for format in WRITTEN {
        let stream = encode(&[b'a'; 1000], format, None).unwrap();
        assert_eq!(decode(&stream, 1000).unwrap().len(), 1000, "{format}");
        let error = decode(&stream, 999).unwrap_err();
        assert!(
            matches!(error, DecodeError::TooLarge { limit: 999, .. }),
            "{format}: {error}"
        );
    }
}

/// What a buffer holds, and how much room it has, changes nothing.
#[test]
fn a_buffer_is_used_again() {
    let texts = [long_text(), b"short".to_vec(), Vec::new()];
    let mut buffer = b"old".to_vec();
    for format in WRITTEN {
        for text in &texts {
            let stream = encode(text, format, None).unwrap();
            let joined = [&stream[..], &stream, &[0; 8]].concat();
            let length = decode_into(&joined, &mut buffer, LIMIT).unwrap();
            assert!(buffer[..length] == text.repeat(2), "{format}");
            if !text.is_empty() {
                let limit = 2 * text.len() as u64 - 1;
                let error = decode_into(&joined, &mut buffer, limit).unwrap_err();
                assert!(matches!(error, DecodeError::TooLarge { .. }), "{format}");
            }
        }
    }
    assert_eq!(decode_into(b"plain", &mut buffer, LIMIT).unwrap(), 0);
}

#[test]
fn a_stream_that_is_cut_anywhere_is_an_error() {
    for format in WRITTEN {
        let stream = encode(b"keycode 1 = Escape\n", format, None).unwrap();
        for length in format.magic().len()..stream.len() {
            // A legacy lz4 container has no end mark: cut before its first block, it is an empty one.
            if format == Format::Lz4Legacy && length == 4 {
                continue;
            }
            let result = decode(&stream[..length], LIMIT);
            assert!(
                result.is_err(),
                "{format}, {length} of {} bytes",
                stream.len()
            );
        }
    }
}

#[test]
fn a_wrong_checksum_is_an_error() {
    // lz4's legacy container has no checksum.
    for format in [Format::Gzip, Format::Xz, Format::Zstd, Format::Bzip2] {
        let text: Vec<u8> = (0..2000u32).flat_map(u32::to_le_bytes).collect();
        let mut stream = encode(&text, format, None).unwrap();
        let middle = stream.len() / 2;
        stream[middle] ^= 0x10;
        assert!(decode(&stream, LIMIT).is_err(), "{format}");
    }
}

#[test]
fn members_in_a_row_are_one_text_and_zeros_are_padding() {
    for format in [Format::Gzip, Format::Xz, Format::Zstd, Format::Bzip2] {
        let mut stream = encode(b"one ", format, None).unwrap();
        stream.extend(encode(b"two", format, None).unwrap());
        stream.extend([0; 512]);
        assert_eq!(&*decode(&stream, LIMIT).unwrap(), b"one two", "{format}");
    }
}

#[test]
fn other_bytes_behind_a_stream_are_told_with_their_place() {
    let mut stream = encode(b"one", Format::Gzip, None).unwrap();
    let end = stream.len();
    stream.extend(b"junk");
    let error = decode(&stream, LIMIT).unwrap_err();
    assert!(
        matches!(error, DecodeError::TrailingBytes { offset, length: 4, .. } if offset == end),
        "{error}"
    );
}

#[test]
fn a_heap_of_empty_members_is_refused() {
    for format in [Format::Gzip, Format::Zstd, Format::Bzip2] {
        let empty = encode(b"", format, None).unwrap();
        assert_eq!(decode(&empty.repeat(1000), 100).unwrap().len(), 0);
        let error = decode(&empty.repeat(1001), 100).unwrap_err();
        assert!(
            error.to_string().contains("more than 1000 members"),
            "{error}"
        );
        // More for who expects more.
        assert!(decode(&empty.repeat(1001), 64 << 10).is_ok());
    }
}

#[test]
fn a_member_tells_what_follows_it() {
    for format in WRITTEN {
        let mut stream = encode(b"first", format, None).unwrap();
        stream.extend(encode(b"second", Format::Zstd, None).unwrap());
        let mut member = Member::new(&stream).unwrap();
        let mut text = Vec::new();
        member.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"first");
        assert_eq!(detect(member.rest()), Some(Format::Zstd), "{format}");
    }
}

#[test]
fn a_header_that_asks_for_much_memory_is_refused() {
    // An lzma file with a dictionary of 4080 MiB, of unknown length.
    let lzma = [&[0x5d, 0, 0, 0, 0xff][..], &[0xff; 8], &[0; 20]].concat();
    let refused = decode(&lzma, LIMIT);
    let Err(DecodeError::Corrupt { format, reason }) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(*format, Format::Lzma);
    assert!(reason.contains("memory"), "{reason}");
    // An xz stream with a dictionary of 1.5 GiB, as its header says (LZMA2 property byte 39).
    let mut stream = encode(b"x", Format::Xz, Some(0)).unwrap();
    assert_eq!(
        &stream[12..16],
        [0x02, 0x00, 0x21, 0x01],
        "the block header"
    );
    stream[16] = 39;
    let crc = crc32(&stream[12..20]);
    stream[20..24].copy_from_slice(&crc.to_le_bytes());
    let error = decode(&stream, LIMIT).unwrap_err();
    assert!(matches!(error, DecodeError::Corrupt { .. }), "{error}");
}

/// The CRC of gzip and xz, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_behind_any_magic_never_panic(
        which in 0..Format::ALL.len(),
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
    ) {
        let mut stream = Format::ALL[which].magic().to_vec();
        stream.extend(bytes);
        let _ = decode(&stream, 1 << 20);
    }

    #[test]
    fn every_text_comes_back(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..5000)) {
        for format in WRITTEN {
            let stream = encode(&bytes, format, None).unwrap();
            proptest::prop_assert_eq!(&*decode(&stream, LIMIT).unwrap(), &bytes[..]);
        }
    }
}
