//! Programs with all that the dynamic loader needs to start them, found within a root and never by running anything.
//!
//! The search is that of ld.so(8): a name with a slash is a path; otherwise `DT_RPATH` of the object and of those that asked
//! for it (unless the object has a `DT_RUNPATH`), then the object's `DT_RUNPATH`, then the folders of `/etc/ld.so.conf`, then
//! the standard ones. For musl the folders stand in `/etc/ld-musl-ARCH.path`. A library of another architecture is passed
//! over, as the loader does. Symbolic links are kept, each link of a chain as an entry of its own, and absolute ones are
//! followed within the root.

mod search;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use codec::file::ReadError;

use crate::elf::Elf;
pub(crate) use search::permissions;
use search::{Asker, Search};

/// Larger than any program that fits into memory beside its image.
const SIZE_LIMIT: u64 = 1 << 30;

/// A file or link that a program needs, by its absolute path in the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// A regular file.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its permissions: the lower 12 mode bits.
        permissions: u32,
        /// Why it is needed.
        reason: String,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points to.
        target: String,
        /// Why it is needed.
        reason: String,
    },
}

/// The files of some programs, by their absolute paths in the root, and what was not found and is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Libraries {
    /// Path and entry; paths begin with `/`.
    pub entries: BTreeMap<String, Needed>,
    /// Optional libraries that are not there: lower-case sentences.
    pub notes: Vec<String>,
    /// The loader's configuration, which was read below the root: paths of files.
    pub configuration: Vec<PathBuf>,
}

/// Why a program cannot be taken along.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file's ELF headers are damaged.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A library is not there.
    #[error("`{needed_by}` needs the library {name}, which is in none of {}", searched.join(", "))]
    Missing {
        /// The library's name.
        name: String,
        /// Who needs it.
        needed_by: String,
        /// The folders that were searched, in order.
        searched: Vec<String>,
    },
    /// A path leads in a circle, or out of reach.
    #[error("`{0}` leads through too many symbolic links")]
    Links(String),
    /// The path does not exist within the root.
    #[error("there is no `{path}` below `{}`{why}", root.display())]
    NotFound {
        /// The absolute path within the root.
        path: String,
        /// The root.
        root: PathBuf,
        /// Who asks for it, after a comma; or empty.
        why: String,
    },
}

/// Collects programs and what they need from one root.
#[derive(Debug)]
pub struct Collector<'root> {
    root: &'root Path,
    found: Libraries,
    search: Search<'root>,
    /// ELF files whose needs have not been looked at.
    waiting: VecDeque<Asker>,
}

impl<'root> Collector<'root> {
    /// Nothing yet, from this root.
    pub fn new(root: &'root Path) -> Self {
        let (search, configuration) = Search::new(root);
        Self {
            root,
            found: Libraries {
                configuration,
                ..Libraries::default()
            },
            search,
            waiting: VecDeque::new(),
        }
    }

    /// Adds the program at this absolute path in the root, with its loader, its libraries, or its script's interpreter.
    ///
    /// # Errors
    /// See [`LibraryError`].
    pub fn add(&mut self, program: &str, reason: &str) -> Result<(), LibraryError> {
        self.take(program, reason, None)?;
        self.add_waiting()
    }

    /// Adds what a program needs that is not below the root itself; `path` is where it will be in the image.
    ///
    /// # Errors
    /// See [`LibraryError`].
    pub fn add_needs_of(&mut self, path: &str, program: &[u8]) -> Result<(), LibraryError> {
        let elf = Elf::parse(program).map_err(|reason| LibraryError::Damaged {
            path: path.into(),
            reason,
        })?;
        self.waiting
            .push_back(Asker::new(path.to_owned(), elf, None));
        self.add_waiting()
    }

    fn add_waiting(&mut self) -> Result<(), LibraryError> {
        while let Some(asker) = self.waiting.pop_front() {
            self.add_needs(&asker)?;
        }
        Ok(())
    }

    /// What has been collected.
    pub fn finish(self) -> Libraries {
        self.found
    }

    /// Takes a file with the links that lead to it; an ELF file's needs are looked at later.
    fn take(
        &mut self,
        path: &str,
        reason: &str,
        parent: Option<&Asker>,
    ) -> Result<(), LibraryError> {
        let real = self.follow(path, reason)?;
        if self.found.entries.contains_key(&real) {
            return Ok(());
        }
        let file = search::below(self.root, &real);
        let bytes = codec::file::read(&file, SIZE_LIMIT)?;
        let permissions = search::permissions(&file);
        if bytes.starts_with(b"\x7fELF") {
            let elf = Elf::parse(&bytes)
                .map_err(|reason| LibraryError::Damaged { path: file, reason })?;
            self.waiting
                .push_back(Asker::new(real.clone(), elf, parent));
        } else if let Some(interpreter) = script_interpreter(&bytes) {
            self.take(&interpreter, &format!("runs the script {real}"), None)?;
        }
        let reason = reason.to_owned();
        let entry = Needed::File {
            bytes,
            permissions,
            reason,
        };
        self.found.entries.insert(real, entry);
        Ok(())
    }

    fn add_needs(&mut self, asker: &Asker) -> Result<(), LibraryError> {
        let path = asker.path.clone();
        if let Some(interpreter) = &asker.elf.interpreter {
            self.take(
                interpreter,
                &format!("the dynamic loader that starts {path}"),
                None,
            )?;
        }
        for name in &asker.elf.needed {
            let library = self.search.library(name, asker)?;
            self.take(&library, &format!("a library of {path}"), Some(asker))?;
        }
        for note in &asker.elf.dlopen {
            self.add_dlopen(asker, note)?;
        }
        Ok(())
    }

    /// The first name that is found will do. One that is missing is an error only where the program cannot do without it.
    fn add_dlopen(
        &mut self,
        asker: &Asker,
        note: &crate::elf::DlopenNote,
    ) -> Result<(), LibraryError> {
        let priority = note.priority.as_deref().unwrap_or("recommended");
        if priority == "suggested" {
            return Ok(());
        }
        let mut last_error = None;
        for name in &note.soname {
            match self.search.library(name, asker) {
                Ok(library) => {
                    let reason = format!(
                        "{} opens it while running, for {}",
                        asker.path, note.feature
                    );
                    return self.take(&library, &reason, Some(asker));
                }
                Err(error) => last_error = Some(error),
            }
        }
        match last_error {
            Some(error) if priority == "required" => Err(error),
            Some(error) => {
                self.found.notes.push(format!(
                    "{error}; it is opened while running, for {}",
                    note.feature
                ));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Resolves a path within the root, keeping every link on the way; gives the real path.
    fn follow(&mut self, path: &str, reason: &str) -> Result<String, LibraryError> {
        let resolved = search::resolve(self.root, path, reason)?;
        for (link, target) in resolved.links {
            let entry = Needed::Symlink {
                target,
                reason: format!("leads to {}", resolved.path),
            };
            self.found.entries.entry(link).or_insert(entry);
        }
        Ok(resolved.path)
    }
}

/// The program after `#!`, up to the first blank (execve(2)).
fn script_interpreter(bytes: &[u8]) -> Option<String> {
    let line = bytes
        .strip_prefix(b"#!")?
        .split(|&byte| byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    let program = line.split_whitespace().next()?;
    program.starts_with('/').then(|| program.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_its_interpreter() {
        assert_eq!(
            script_interpreter(b"#! /bin/sh -e\necho\n").as_deref(),
            Some("/bin/sh")
        );
        assert_eq!(script_interpreter(b"#!\n"), None);
        assert_eq!(script_interpreter(b"echo\n"), None);
    }

    #[test]
    fn a_real_program_brings_its_loader_and_libraries() {
        let mut collector = Collector::new(Path::new("/"));
        collector.add("/bin/ls", "a test").unwrap();
        let found = collector.finish();
        let names: Vec<_> = found.entries.keys().map(String::as_str).collect();
        assert!(names.iter().any(|path| path.ends_with("/ls")), "{names:?}");
        assert!(
            names.iter().any(|path| path.ends_with("/libc.so.6")),
            "{names:?}"
        );
        assert!(
            names.iter().any(|path| path.contains("/ld-linux")),
            "{names:?}"
        );
    }

    #[test]
    fn a_missing_program_says_where_it_was_looked_for() {
        let root = tempfile::tempdir().unwrap();
        let error = Collector::new(root.path())
            .add("/bin/ls", "a test")
            .unwrap_err();
        assert!(
            error.to_string().starts_with("there is no `/bin/ls` below"),
            "{error}"
        );
    }

    #[test]
    fn links_that_lead_in_a_circle_end() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("b", root.path().join("a")).unwrap();
        std::os::unix::fs::symlink("/a", root.path().join("b")).unwrap();
        let error = Collector::new(root.path()).add("/a", "a test").unwrap_err();
        assert!(matches!(error, LibraryError::Links(_)), "{error}");
    }

    #[test]
    fn an_absolute_link_stays_within_the_root() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/passwd"), "inside").unwrap();
        std::os::unix::fs::symlink("/../../etc/passwd", root.path().join("link")).unwrap();
        let mut collector = Collector::new(root.path());
        collector.add("/link", "a test").unwrap();
        let found = collector.finish();
        let Needed::File { bytes, .. } = &found.entries["/etc/passwd"] else {
            panic!("no file")
        };
        assert_eq!(bytes, b"inside");
    }
}
