//! What no depmod can do without: the rows that `cargo xtask bench modtree` compares modtree with.
//!
//! Each is a process of its own (`cargo xtask floor`), so that it is measured as the commands are. Files of a compressed tree
//! are decoded by the decoders that modtree has; of plain ones, the sections are read that depmod's files are made of. The
//! largest files come first, on all cores; nothing is done with the bytes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

/// As modtree has it.
const LIMIT: u64 = 512 << 20;

/// The sections that say what a module is called for, what it imports and what it exports.
const NEEDED: [&[u8]; 5] = [
    b".modinfo",
    b".symtab",
    b".strtab",
    b"__versions",
    b"__ksymtab_strings",
];

/// Reads or decodes every module below a directory.
pub(crate) fn run(dir: &Path) -> Result<()> {
    let mut files = Vec::new();
    collect(dir, &mut files)?;
    files.sort_by_key(|&(size, _)| std::cmp::Reverse(size));
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        let mut buffers = (Vec::new(), Vec::new());
        while let Some((size, path)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            one(path, *size, &mut buffers).with_context(|| path.display().to_string())?;
        }
        Ok(())
    };
    let cores = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut workers = workers.into_iter();
        workers.try_for_each(|worker| worker.join().ok().context("a worker panicked")?)
    })
}

fn collect(dir: &Path, files: &mut Vec<(u64, PathBuf)>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // The tree of the benchmark has links to the corpus.
        let found = fs::metadata(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if found.is_dir() {
            collect(&path, files)?;
        } else if name.ends_with(".ko") || name.contains(".ko.") {
            files.push((found.len(), path));
        }
    }
    Ok(())
}

/// A file's bytes, and what they decode to.
type Buffers = (Vec<u8>, Vec<u8>);

fn one(path: &Path, size: u64, (stream, decoded): &mut Buffers) -> Result<()> {
    let file = File::open(path)?;
    if path.extension().is_some_and(|suffix| suffix == "ko") {
        return sections(&file, size, stream);
    }
    let bytes = read(&file, stream, 0, size)?;
    codec::decode_into(bytes, decoded, LIMIT)?;
    Ok(())
}

fn read<'a>(file: &File, buffer: &'a mut Vec<u8>, offset: u64, size: u64) -> Result<&'a [u8]> {
    let size = usize::try_from(size)?;
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    file.read_exact_at(&mut buffer[..size], offset)?;
    Ok(&buffer[..size])
}

/// Reads the needed sections of a 64-bit little-endian module (`Elf64_Ehdr`, `Elf64_Shdr` of elf(5)).
fn sections(file: &File, size: u64, buffer: &mut Vec<u8>) -> Result<()> {
    let number = |bytes: &[u8], at: usize, width: usize| -> Result<u64> {
        let field = bytes.get(at..at + width).context("a short header")?;
        Ok(field
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    };
    let header = read(file, buffer, 0, 64)?;
    let [table, count, names] =
        [(0x28, 8), (0x3c, 2), (0x3e, 2)].map(|(at, width)| number(header, at, width));
    let (table, count, names) = (table?, count?, names?);
    let headers = read(
        file,
        buffer,
        table,
        size.saturating_sub(table).min(count * 64),
    )?
    .to_vec();
    let place = |header: &[u8]| -> Result<(u64, u64)> {
        Ok((number(header, 0x18, 8)?, number(header, 0x20, 8)?))
    };
    let headers: Vec<&[u8]> = headers.chunks_exact(64).collect();
    let (offset, length) = place(
        headers
            .get(names as usize)
            .context("no names of sections")?,
    )?;
    let names = read(file, buffer, offset, length)?.to_vec();
    for header in headers {
        let name = names
            .get(number(header, 0, 4)? as usize..)
            .unwrap_or_default();
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        if NEEDED.contains(&name) {
            let (offset, length) = place(header)?;
            read(file, buffer, offset, length)?;
        }
    }
    Ok(())
}
