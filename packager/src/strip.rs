//! Modules without what only a debugger reads: `.debug_*` and `.BTF` sections with their relocations, and comments.
//!
//! The kernel's loader needs neither (`load_module` in `kernel/module/main.c` skips what is not allocated); the symbol table
//! stays, since the loader resolves imports through it. A signature covers the file as it was, so that it goes.

use object::build::elf::Builder;

/// Beginnings of the names of sections that go; relocations for them have `.rel` or `.rela` before.
const DEBUGGERS: [&[u8]; 4] = [b".debug_", b".zdebug_", b".BTF", b".comment"];

/// The module without its debugging sections and without what stands behind the ELF file; shorter or as long as before.
///
/// # Errors
/// What is wrong with the ELF file, as a lower-case fragment.
pub fn strip(module: &[u8]) -> Result<Vec<u8>, String> {
    let text = |error: object::build::Error| error.to_string();
    let mut builder = Builder::read(module).map_err(text)?;
    for section in builder.sections.iter_mut() {
        let name: &[u8] = &section.name;
        section.delete |= DEBUGGERS.iter().any(|start| name.starts_with(start));
    }
    builder.delete_orphans();
    let mut stripped = Vec::new();
    builder.write(&mut stripped).map_err(text)?;
    Ok(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(strip(b"").is_err());
        assert!(strip(b"\x7fELF").is_err());
    }
}
