//! `codec` against the tools that everybody uses for these formats.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use codec::{Format, decode, encode};
use tests::environment::has;

const LIMIT: u64 = 256 << 20;

/// What is written: format, tool, arguments that decode standard input to standard output.
const DECODERS: [(Format, &str, &[&str]); 5] = [
    (Format::Gzip, "gzip", &["-dc"]),
    (Format::Xz, "xz", &["-dc"]),
    (Format::Zstd, "zstd", &["-dc"]),
    (Format::Bzip2, "bzip2", &["-dc"]),
    (Format::Lz4Legacy, "lz4", &["-dc"]),
];

/// What is read: tool and arguments that encode standard input to standard output.
const ENCODERS: [(&str, &[&str]); 21] = [
    ("gzip", &["-1c"]),
    ("gzip", &["-9c"]),
    ("xz", &["-0c"]),
    ("xz", &["-9ec"]),
    ("xz", &["-c", "--check=none", "--x86", "--lzma2"]),
    ("xz", &["-c", "--check=sha256"]),
    ("xz", &["-c", "-T2", "--block-size=1MiB"]),
    ("xz", &["-c", "--check=crc32", "--lzma2=dict=128MiB"]),
    ("zstd", &["-1c"]),
    ("zstd", &["-19c"]),
    ("zstd", &["-c", "-T2", "--long=27"]),
    ("bzip2", &["-1c"]),
    ("bzip2", &["-9c"]),
    ("lz4", &["-1c"]),
    ("lz4", &["-9c", "-BD", "-B4"]),
    ("lz4", &["-lc"]),
    ("lz4", &["-l9c"]),
    ("xz", &["--format=lzma", "-0c"]),
    ("xz", &["--format=lzma", "-6c"]),
    ("lzop", &["-1c"]),
    ("lzop", &["-9c"]),
];

/// Pipes `input` through a tool.
fn pipe(tool: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(
        output.status.success(),
        "{tool} {arguments:?}: {}",
        output.status
    );
    output.stdout
}

/// Empty, tiny, larger than a block of the format, and bytes that do not compress.
fn texts(tool: &str) -> Vec<Vec<u8>> {
    // The legacy container of lz4 has blocks of 8 MiB; the other formats' largest is bzip2's, of 900 kB.
    let length = if tool == "lz4" { 9 << 20 } else { 2 << 20 };
    let long = (0..length as u32 / 4)
        .flat_map(|n| (n / 5 * 31).to_le_bytes())
        .collect();
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    });
    vec![
        Vec::new(),
        b"a".to_vec(),
        long,
        noise.take(length).collect(),
    ]
}

#[test]
fn every_tool_reads_what_is_encoded() {
    for (format, tool, arguments) in DECODERS {
        if !has(&[tool]) {
            continue;
        }
        for text in texts(tool) {
            let stream = encode(&text, format, None).unwrap();
            let what = format!("{tool}, {} bytes", text.len());
            assert!(pipe(tool, arguments, &stream) == text, "{what}");
            pipe(tool, &["-t"], &stream);
        }
    }
}

#[test]
fn every_level_is_read() {
    let text = &texts("gzip")[2][..200_000];
    for (format, tool, arguments, levels) in [
        (Format::Gzip, "gzip", &["-dc"], 0..=9),
        (Format::Xz, "xz", &["-dc"], 0..=9),
        (Format::Zstd, "zstd", &["-dc"], 1..=19),
        (Format::Bzip2, "bzip2", &["-dc"], 1..=9),
    ] {
        if !has(&[tool]) {
            continue;
        }
        for level in levels {
            let stream = encode(text, format, Some(level)).unwrap();
            assert!(pipe(tool, arguments, &stream) == text, "{tool} -{level}");
        }
        assert!(encode(text, format, Some(20)).is_err());
    }
}

#[test]
fn what_every_tool_writes_is_decoded() {
    for (tool, arguments) in ENCODERS {
        if !has(&[tool]) {
            continue;
        }
        for text in texts(tool) {
            let stream = pipe(tool, arguments, &text);
            let what = format!("{tool} {arguments:?}, {} bytes", text.len());
            let decoded = decode(&stream, LIMIT).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(*decoded == *text, "{what}");
        }
    }
}

#[test]
fn xz_streams_carry_the_check_that_the_kernel_knows() {
    if !has(&["xz"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.xz");
    std::fs::write(&path, encode(b"text", Format::Xz, None).unwrap()).unwrap();
    let output = Command::new("xz")
        .args(["--robot", "--list"])
        .arg(&path)
        .output()
        .unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    assert!(listing.contains("\tCRC32\t"), "{listing}");
}

/// Debian's packages are compressed in blocks, which are decoded at the same time.
#[test]
fn a_member_read_in_parallel_is_the_same() {
    if !has(&["xz", "gzip"]) {
        return;
    }
    let text: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    for (tool, arguments) in [
        ("xz", &["-0c", "-T2", "--block-size=64KiB"][..]),
        ("xz", &["-0c"]),
        ("gzip", &["-1c"]),
    ] {
        let mut stream = pipe(tool, arguments, &text);
        let read = |stream: &[u8]| {
            let mut member = codec::Member::in_parallel(stream).unwrap();
            let mut bytes = Vec::new();
            let rest = member.read_to_end(&mut bytes).map(|_| member.rest().len());
            (bytes, rest)
        };
        let (bytes, rest) = read(&stream);
        assert_eq!(
            (bytes == text, rest.unwrap()),
            (true, 0),
            "{tool} {arguments:?}"
        );
        for length in (20..stream.len()).step_by(9973) {
            let (bytes, rest) = read(&stream[..length]);
            assert!(rest.is_err(), "{tool} {arguments:?}, {length} bytes");
            assert!(text.starts_with(&bytes));
        }
        let middle = stream.len() / 2;
        stream[middle] ^= 0x55;
        assert!(read(&stream).1.is_err(), "{tool} {arguments:?}, damaged");
    }
}
