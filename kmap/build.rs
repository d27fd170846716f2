//! Turns `data/keysyms/*.tsv` into sorted static arrays, so that a lookup is a binary search and nothing is built at
//! start-up. The files' columns are explained in `data/keysyms/README.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The code that stands for "no such name here". No keysym has it: code points end at U+EFFF.
const NONE: u16 = 0xffff;

/// The release whose names every `loadkeys` of today knows.
const FIRST_RELEASE: &str = "2.5.1";

fn main() -> Result<()> {
    let data = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../data/keysyms");
    println!("cargo::rerun-if-changed={}", data.display());
    let charsets = rows(&data.join("charsets.tsv"))?;
    let names = rows(&data.join("keysyms.tsv"))?;
    let code_points = rows(&data.join("codepoints.tsv"))?;

    let mut out = String::new();
    write_charsets(&mut out, &charsets)?;
    let positions = write_names(&mut out, &names, &charsets)?;
    write_code_points(&mut out, &code_points, &positions)?;
    let target = PathBuf::from(env::var("OUT_DIR")?).join("keysym_tables.rs");
    fs::write(target, out)?;
    Ok(())
}

/// The lines of a table, each split at its tabs; comments and empty lines left out.
fn rows(path: &Path) -> Result<Vec<Vec<String>>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect())
}

fn column(row: &[String], index: usize) -> Result<&str> {
    let cell = row.get(index).map(String::as_str);
    cell.ok_or_else(|| format!("the row {row:?} has no column {index}").into())
}

fn code(text: &str) -> Result<u16> {
    match text {
        "-" => Ok(NONE),
        hex => Ok(u16::from_str_radix(hex, 16)?),
    }
}

fn write_charsets(out: &mut String, charsets: &[Vec<String>]) -> Result<()> {
    writeln!(
        out,
        "pub(super) static CHARSETS: [Charset; {}] = [",
        charsets.len()
    )?;
    for row in charsets {
        let mut upper = [NONE; 128];
        for pair in column(row, 1)?.split_ascii_whitespace() {
            let (byte, point) = pair.split_once(':').ok_or("byte:code point expected")?;
            let slot = usize::from(u8::from_str_radix(byte, 16)?).checked_sub(128);
            let slot = slot
                .and_then(|slot| upper.get_mut(slot))
                .ok_or("byte below 80")?;
            *slot = code(point)?;
        }
        writeln!(
            out,
            "Charset {{ name: {:?}, upper: {upper:?} }},",
            column(row, 0)?
        )?;
    }
    writeln!(out, "];")?;
    Ok(())
}

/// Writes the names in byte order, their exceptions in a second array, and gives each name's position.
fn write_names(
    out: &mut String,
    names: &[Vec<String>],
    charsets: &[Vec<String>],
) -> Result<BTreeMap<String, usize>> {
    let sorted: BTreeMap<&str, &Vec<String>> = names
        .iter()
        .map(|row| Ok((column(row, 0)?, row)))
        .collect::<Result<_>>()?;
    let mut exceptions = String::new();
    let mut count = 0usize;
    writeln!(out, "pub(super) static NAMES: [Name; {}] = [", sorted.len())?;
    for (name, row) in &sorted {
        let first = count;
        for exception in column(row, 4)?.split_ascii_whitespace() {
            let (charset, codes) = exception.split_once(':').ok_or("charset:codes expected")?;
            let (eight_bit, unicode) = codes.split_once('/').ok_or("8-bit/unicode expected")?;
            let charset = charsets
                .iter()
                .position(|row| row.first().is_some_and(|name| name == charset));
            let charset = charset.ok_or("an exception names an unknown charset")?;
            writeln!(
                exceptions,
                "Exception {{ charset: {charset}, codes: Codes {{ eight_bit: {}, unicode: {} }} }},",
                code(eight_bit)?,
                code(unicode)?
            )?;
            count += 1;
        }
        writeln!(
            out,
            "Name {{ name: {name:?}, codes: Codes {{ eight_bit: {}, unicode: {} }}, exceptions: ({first}, {count}), newer: {} }},",
            code(column(row, 1)?)?,
            code(column(row, 2)?)?,
            column(row, 3)? != FIRST_RELEASE
        )?;
    }
    writeln!(
        out,
        "];\npub(super) static EXCEPTIONS: [Exception; {count}] = [\n{exceptions}];"
    )?;
    let prefixes: Vec<u64> = sorted.keys().map(|name| prefix(name.as_bytes())).collect();
    writeln!(
        out,
        "pub(super) static PREFIXES: [u64; {}] = {prefixes:?};",
        prefixes.len()
    )?;
    Ok(sorted
        .keys()
        .enumerate()
        .map(|(index, name)| (name.to_string(), index))
        .collect())
}

/// The first eight bytes as a number, which sorts as the bytes do: most names differ in them.
fn prefix(name: &[u8]) -> u64 {
    (0..8).fold(0, |sum, index| {
        sum << 8 | u64::from(name.get(index).copied().unwrap_or(0))
    })
}

fn write_code_points(
    out: &mut String,
    code_points: &[Vec<String>],
    positions: &BTreeMap<String, usize>,
) -> Result<()> {
    writeln!(
        out,
        "pub(super) static CODE_POINTS: [(u16, u16); {}] = [",
        code_points.len()
    )?;
    for row in code_points {
        let name = column(row, 1)?;
        let position = positions
            .get(name)
            .ok_or_else(|| format!("codepoints.tsv names {name}, which keysyms.tsv lacks"))?;
        writeln!(out, "({}, {position}),", code(column(row, 0)?)?)?;
    }
    writeln!(out, "];")?;
    Ok(())
}
