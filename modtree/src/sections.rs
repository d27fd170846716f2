//! How large the parts of a module are.

use object::{Object, ObjectSection};

use crate::ElfError;

/// A section of a module's file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Section {
    /// Its name, `.text` for example.
    pub name: String,
    /// Its size in bytes: in memory for what is loaded, in the file for the rest.
    pub size: u64,
}

/// The sections of a module's bytes, which must not be compressed, in the file's order. Empty ones are left out.
///
/// # Errors
/// [`ElfError`] where the file is no module that can be read.
pub fn sections(bytes: &[u8]) -> Result<Vec<Section>, ElfError> {
    // This checks everything that has a sentence of its own.
    crate::Module::checked_info(bytes)?;
    let file = object::File::parse(bytes).map_err(|_| ElfError::Read { offset: 0 })?;
    let sections = file.sections().map(|section| Section {
        name: String::from_utf8_lossy(section.name_bytes().unwrap_or_default()).into_owned(),
        size: section.size(),
    });
    Ok(sections.filter(|section| section.size > 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Synthetic;

    #[test]
    fn sections_have_their_sizes() {
        let module = Synthetic {
            rodata: b"cp%d\0",
            ..Synthetic::new("depends=\n")
        };
        let found = sections(&module.bytes()).unwrap();
        let size = |name: &str| found.iter().find(|it| it.name == name).map(|it| it.size);
        assert_eq!(size(".modinfo"), Some(9));
        assert_eq!(size(".rodata.str1.1"), Some(5));
        assert!(sections(b"no module").is_err());
    }
}
