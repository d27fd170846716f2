//! What must hold for any bytes. The fuzz targets and an ordinary test, which replays their corpora, share this file.

use std::path::Path;

use kmap::{Endian, Keymap, Mode, Options, Source, SourceError, SourceText, emit};

/// Every include is the text itself, which then includes itself, or a text without its last byte.
struct Echo(Vec<u8>);

impl Source for Echo {
    fn open(&mut self, name: &Path) -> Result<SourceText, SourceError> {
        Ok(SourceText {
            path: name.into(),
            bytes: self.0.clone(),
        })
    }

    fn include(&mut self, name: &[u8], _from: &Path) -> Result<SourceText, SourceError> {
        let length = self.0.len().saturating_sub(name.len());
        let bytes = self.0.get(..length).unwrap_or_default().to_vec();
        Ok(SourceText {
            path: format!("included-{length}").into(),
            bytes,
        })
    }
}

/// The parser, with includes and several texts: it returns, and what it says can be shown.
pub fn parse(bytes: &[u8]) {
    let options = Options {
        mode: Mode::Automatic,
        skip_unsupported: true,
        lints: true,
    };
    let mut source = Echo(bytes.to_vec());
    let text = |name: &str| SourceText {
        path: name.into(),
        bytes: bytes.to_vec(),
    };
    match kmap::compile_texts(&mut source, &[text("one"), text("two")], &options) {
        Ok(compiled) => compiled
            .warnings
            .iter()
            .for_each(|warning| drop(warning.to_string())),
        Err(report) => assert!(!report.to_string().is_empty()),
    }
}

/// The compiler: its binary keymap can be read again, its text and its companion compile to the same.
pub fn compile(bytes: &[u8]) {
    for mode in [Mode::EightBit, Mode::Unicode] {
        let Ok(compiled) = kmap::compile_bytes(bytes, mode) else {
            continue;
        };
        let keymap = compiled.keymap;
        let binary = keymap.to_bkeymap(Endian::Little);
        let read =
            Keymap::from_bkeymap(&binary, Endian::Little).expect("what was written can be read");
        round_trip(&read).expect("what was compiled can be written as text");
        assert!(!emit::c_source(&keymap).is_empty());
        let mut pruned = keymap.clone();
        pruned.prune();
        assert_eq!(pruned.reachable_modifiers(), keymap.reachable_modifiers());
        if let Some(text) = emit::companion(&keymap) {
            let mode = if keymap.is_unicode() {
                Mode::Unicode
            } else {
                Mode::EightBit
            };
            let again = kmap::compile_bytes(&text, mode)
                .expect("a companion compiles")
                .keymap;
            assert!(again.strings().eq(keymap.strings()));
        }
    }
}

/// The decompiler: a binary keymap of any bytes either becomes text that compiles back to it, or an error.
pub fn decompile(bytes: &[u8]) {
    let _ = Keymap::from_any_bkeymap(bytes);
    // Most bytes are no keymap, so they also become the tables of one: flags first, then codes.
    let (flags, codes) = bytes.split_at(bytes.len().min(8));
    let mut binary = b"bkeymap".to_vec();
    binary.extend((0..256).map(|map| flags.get(map / 8).map_or(0, |byte| byte >> (map % 8) & 1)));
    let tables: usize = binary.iter().skip(7).map(|flag| usize::from(*flag)).sum();
    let mut codes = codes.iter().copied().chain(std::iter::repeat(0));
    binary.extend(codes.by_ref().take(tables * 256));
    let keymap = Keymap::from_bkeymap(&binary, Endian::Little).expect("it is well formed");
    assert_eq!(keymap.to_bkeymap(Endian::Little), binary);
    let _ = round_trip(&keymap);
}

fn round_trip(keymap: &Keymap) -> Result<(), emit::Unwritable> {
    let text = emit::text(keymap)?;
    let again = kmap::compile_bytes(text.as_bytes(), Mode::Automatic)
        .unwrap_or_else(|report| panic!("{report}\n{text}"));
    assert!(
        again.keymap.to_bkeymap(Endian::Little) == keymap.to_bkeymap(Endian::Little),
        "other bytes from\n{text}"
    );
    Ok(())
}
