//! `kmapc` as a user meets it: files, exit codes, and the exact text on the screen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A directory of its own, and `kmapc` in it.
struct Bench {
    directory: tempfile::TempDir,
}

struct Outcome {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Bench {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs with this directory as the current one and as the only one on the search path.
    fn run<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: &[u8]) -> Outcome {
        let input = self.path().join(".stdin");
        fs::write(&input, stdin).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_kmapc"))
            .args(arguments)
            .current_dir(self.path())
            .env("LOADKEYS_KEYMAP_PATH", self.path().join("maps**"))
            .env_remove("LOADKEYS_INCLUDE_PATH")
            .stdin(fs::File::open(&input).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        fs::remove_file(input).unwrap();
        Outcome {
            code: output.status.code().expect("not killed by a signal"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The screen after a failing run that must leave no file behind.
    fn error(&self, arguments: &[&str], code: i32) -> String {
        let before = self.names();
        let outcome = self.run(arguments, b"");
        assert_eq!(outcome.code, code, "{}", outcome.stderr);
        assert_eq!(outcome.stdout, b"");
        assert_eq!(self.names(), before);
        outcome.stderr
    }
}

const ESCAPE: &[u8] = b"keycode 1 = Escape\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    codec::encode(bytes, codec::Format::Gzip, None).unwrap()
}

#[test]
fn a_file_becomes_a_bmap_in_the_current_directory() {
    let bench = Bench::new(&[("maps/i386/es.kmap.gz", &gzip(ESCAPE)), ("us.map", ESCAPE)]);
    let outcome = bench.run(&["maps/i386/es.kmap.gz"], b"");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let outcome = bench.run(&["us.map"], b"");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert_eq!(bench.names(), ["es.bmap", "maps", "us.bmap", "us.map"]);
    let written = fs::read(bench.path().join("es.bmap")).unwrap();
    assert_eq!(written.len(), 263 + 256);
    assert_eq!(written[265], 0x1b);
}

#[test]
fn a_name_is_searched_and_several_are_done_at_once() {
    let bench = Bench::new(&[
        ("maps/i386/es.kmap.gz", &gzip(ESCAPE)),
        ("maps/mac/us.map", ESCAPE),
    ]);
    let outcome = bench.run(&["-v", "es", "us"], b"");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(bench.names(), ["es.bmap", "maps", "us.bmap"]);
    assert!(
        outcome
            .stderr
            .contains("wrote us.bmap: 8-bit, 1 tables, 519 bytes\n"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn standard_input_goes_to_standard_output() {
    let bench = Bench::new(&[("part", ESCAPE)]);
    let plain = bench.run(&["-"], b"include \"part\"\n");
    assert_eq!((plain.code, plain.stderr.as_str()), (0, ""));
    assert!(plain.stdout.starts_with(b"bkeymap"));
    let compressed = bench.run(&["-", "-o", "-"], &gzip(ESCAPE));
    assert_eq!(compressed.stdout, plain.stdout);
    let big = bench.run(&["--endian", "big", "-"], ESCAPE);
    assert_eq!(big.stdout[263..267], [0x02, 0x00, 0x00, 0x1b]);
    let file = bench.run(&["-", "-o", "out"], ESCAPE);
    assert_eq!((file.code, file.stdout.len()), (0, 0));
    assert_eq!(bench.names(), ["out", "part"]);
}

#[test]
fn automatic_mode_says_why_it_took_unicode() {
    let bench = Bench::new(&[(
        "ru.map",
        b"keycode 30 = cyrillic_small_letter_a\nkeycode 31 = U+0431\n",
    )]);
    let outcome = bench.run(&["ru.map"], b"");
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.stderr,
        "note: compiled in Unicode mode: unknown keysym `cyrillic_small_letter_a` in 8-bit mode (ru.map:1:14)\n"
    );
    assert_eq!(bench.run(&["-q", "ru.map"], b"").stderr, "");
    assert_eq!(bench.run(&["-u", "ru.map"], b"").stderr, "");
    let bench = Bench::new(&[("ru.map", b"keycode 31 = U+0431\n")]);
    assert_eq!(
        bench.error(&["-8", "ru.map"], 1),
        "\
error: U+0431 (`cyrillic_small_letter_be`) has no byte in iso-8859-1
 --> ru.map:1:14
  |
1 | keycode 31 = U+0431
  |              ^^^^^^
  = help: this character needs Unicode mode (`-u`)
"
    );
}

#[test]
fn an_error_shows_its_line_and_the_way_out() {
    let text = b"# caf\xe9\nkeycode 1 = Escpae\nkEycode 2 = one\nkeymaps 0-1\nkeycode\t3 = one two three\n";
    let bench = Bench::new(&[("bad.map", text)]);
    assert_eq!(
        bench.error(&["bad.map"], 1),
        "\
error: unknown keysym `Escpae`
 --> bad.map:2:13
  |
2 | keycode 1 = Escpae
  |             ^^^^^^
  = help: did you mean `Escape`?
error: unknown keyword `kEycode`
 --> bad.map:3:1
  |
3 | kEycode 2 = one
  | ^^^^^^^
  = help: did you mean `keycode`?
error: 3 columns, but the `keymaps` line has 2 maps
 --> bad.map:5:21
  |
5 | keycode 3 = one two three
  |                     ^^^^^
  = help: the `keymaps` line allows only 0-1; add the others to it, or drop columns
"
    );
}

#[test]
fn an_error_in_an_included_file_shows_the_chain() {
    let bench = Bench::new(&[
        ("top.map", b"\ninclude \"middle\"\n"),
        ("middle", b"include \"inner\"\n"),
        ("inner.inc", b"shift keycode 1 = one two\n"),
    ]);
    assert_eq!(
        bench.error(&["top.map"], 1),
        "\
error: expected the end of the line, found a keysym
 --> ./inner.inc:1:23
  |
1 | shift keycode 1 = one two
  |                       ^^^
  = included from top.map:2
  = included from ./middle:1
"
    );
}

#[test]
fn a_missing_keymap_says_where_it_was_looked_for() {
    let bench = Bench::new(&[("maps/i386/de-latin1.kmap.gz", ESCAPE)]);
    let maps = bench.path().join("maps");
    assert_eq!(
        bench.error(&["de_latin1"], 1),
        "error: cannot find a keymap `de_latin1`\nhelp: did you mean `de-latin1`?\n"
    );
    assert_eq!(
        bench.error(&["portuguese"], 1),
        format!(
            "error: cannot find a keymap `portuguese`\nhelp: searched in {}\n",
            maps.display()
        )
    );
    fs::remove_dir_all(maps).unwrap();
    assert_eq!(
        bench.error(&["es"], 1),
        "error: cannot find a keymap `es`\nhelp: no keymaps are installed here; on Debian and Ubuntu they are in the \
         package console-data, elsewhere in kbd\n"
    );
}

#[test]
fn warnings_do_not_stop() {
    let bench = Bench::new(&[("dos.map", b"keycode 1 = Escape\r\nkeycode 200 = a")]);
    let outcome = bench.run(&["dos.map"], b"");
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.stderr,
        "\
warning: lines end with CR LF instead of LF
 --> dos.map:1:19
  |
1 | keycode 1 = Escape
  |                   ^
warning: the last line does not end with a newline
 --> dos.map:2:16
  |
2 | keycode 200 = a
  |                ^
warning: keycode 200 is left out: the binary format ends at 127
 --> dos.map:2:1
  |
2 | keycode 200 = a
  | ^^^^^^^^^^^^^^^
"
    );
}

#[test]
fn nothing_is_written_unless_all_are_right() {
    let bench = Bench::new(&[
        ("a.map", ESCAPE),
        ("b.map", b"x\n"),
        ("es.bmap", b"bkeymap\x00\x01"),
    ]);
    let screen = bench.error(&["a.map", "b.map", "none"], 1);
    assert!(
        screen.contains("unknown keyword `x`") && screen.contains("keymap `none`"),
        "{screen}"
    );
    assert_eq!(
        bench.error(&["es.bmap", "-o", "x"], 1),
        "error: this is a compiled keymap already; `kmapc decompile` makes text of it\n"
    );
}

#[test]
fn usage_errors_have_code_2() {
    let bench = Bench::new(&[("a.map", ESCAPE), ("d/a.map", ESCAPE)]);
    bench.error(&[], 2);
    bench.error(&["-u", "-8", "a.map"], 2);
    bench.error(&["-o", "x", "a.map", "d/a.map"], 2);
    assert_eq!(
        bench.error(&["a.map", "d/a.map"], 2),
        "error: `d/a.map` would be written over another keymap's output\n"
    );
    let outcome = bench.run(&["--version"], b"");
    assert_eq!(
        (outcome.code, outcome.stdout),
        (
            0,
            format!("kmapc {}\n", env!("CARGO_PKG_VERSION")).into_bytes()
        )
    );
    assert!(
        bench
            .run(&["--help"], b"")
            .stdout
            .windows(9)
            .any(|text| text == b"Examples:")
    );
}

#[test]
fn the_machine_at_fault_is_code_3() {
    let bench = Bench::new(&[("a.map", ESCAPE)]);
    let screen = bench.error(&["a.map", "-o", "none/a.bmap"], 3);
    assert!(
        screen.starts_with("error: cannot write `none/a.bmap`: "),
        "{screen}"
    );
    let outcome = bench.run(&["a.map", "-o", "/dev/full"], b"");
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
}

#[test]
fn hostile_files_end_with_an_error_and_soon() {
    let start = Instant::now();
    let mut bomb = gzip(&vec![b'\n'; 40 << 20]);
    let columns = [&b"keycode 1 ="[..], &b" a".repeat(1_000_000)].concat();
    let zip = gzip(ESCAPE);
    let bench = Bench::new(&[
        ("self", b"include \"self\"\n"),
        ("bomb.gz", &bomb),
        ("columns", &columns),
        ("truncated.gz", &zip[..zip.len() - 6]),
        ("binary", &(0..=255).rev().collect::<Vec<u8>>()),
        ("zero", &[0; 4096]),
        ("number", b"keycode 99999999999999999999999 = a\n"),
        ("keymaps", b"keymaps 0-2147483647\n"),
        ("quote", b"string F1 = \"abc\n\n\n"),
    ]);
    bomb.clear();
    for depth in 0..25 {
        let text = format!("include \"deep{}\"\n", depth + 1);
        fs::write(bench.path().join(format!("deep{depth}")), text).unwrap();
        let text = format!("include \"twice{0}\"\ninclude \"twice{0}\"\n", depth + 1);
        fs::write(bench.path().join(format!("twice{depth}")), text).unwrap();
    }
    fs::write(bench.path().join("twice19"), "").unwrap();
    let fifo = Command::new("mkfifo")
        .arg(bench.path().join("fifo"))
        .status()
        .unwrap();
    assert!(fifo.success());
    let cases = [
        ("self", "includes itself"),
        ("deep0", "includes are nested more than 20 files deep"),
        ("twice0", "more than 4096 files"),
        (
            "bomb.gz",
            "the gzip stream decodes to more than 16777216 bytes",
        ),
        ("columns", "more than 4096 columns"),
        ("truncated.gz", "truncated"),
        ("binary", "unexpected byte 0xff"),
        ("zero", "unexpected byte 0x00"),
        ("number", "the number is above 2147483647"),
        ("keymaps", "the kernel has the maps 0 to 255 only"),
        ("quote", "the string has no closing quote"),
        ("fifo", "it is a FIFO"),
        ("/dev/zero", "it is a device"),
        (".", "it is a directory"),
    ];
    for (file, message) in cases {
        let screen = bench.error(&[file, "-o", "out"], 1);
        assert!(
            screen.starts_with("error: ") && screen.contains(message),
            "{file}: {screen}"
        );
        assert!(
            screen.len() < 8192,
            "{file}: {} bytes on the screen",
            screen.len()
        );
    }
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn an_empty_file_is_an_empty_keymap() {
    let bench = Bench::new(&[("empty", b"")]);
    let outcome = bench.run(&["empty", "-o", "-"], b"");
    assert_eq!(
        (outcome.code, outcome.stdout.len(), outcome.stderr.as_str()),
        (0, 263, "")
    );
}

#[test]
fn a_file_name_may_hold_anything() {
    let bench = Bench::new(&[]);
    let name = OsStr::from_bytes(b"a \"b\"\n'c';touch x;\xff.map");
    fs::write(bench.path().join(name), ESCAPE).unwrap();
    assert_eq!(bench.run(&[name], b"").code, 0);
    let output = OsStr::from_bytes(b"a \"b\"\n'c';touch x;\xff.bmap");
    assert!(bench.path().join(output).is_file());
    fs::write(bench.path().join(name), "x\n").unwrap();
    let screen = bench.run(&[name], b"").stderr;
    assert!(
        screen.contains(" --> a \"b\"\u{fffd}'c';touch x;\u{fffd}.map:1:1\n"),
        "{screen}"
    );
}

#[test]
fn a_file_that_is_no_text_gets_one_error() {
    let bench = Bench::new(&[("junk", b"\x7fELF\x02\x01\n\x00\x00\n\xff\n")]);
    assert_eq!(
        bench.error(&["junk"], 1),
        "\
error: unexpected byte 0x7f
 --> junk:1:1
  |
1 | \u{fffd}ELF\u{fffd}\u{fffd}
  | ^
  = help: outside comments and strings, a keymap is plain ASCII text
"
    );
}
