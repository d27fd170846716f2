//! What a recipe adds of its own: files, programs with their libraries, scripts for `/init`, microcode; and the modules'
//! firmware.

use std::path::Path;

use modtree::goal::Goals;

use super::selection::Chosen;
use super::{Data, Plan, PlanError};
use crate::cpio::{Attributes, Kind};
use crate::elf::is_x86;
use crate::kernel::Kernel;
use crate::libraries::{Collector, Libraries, Needed};
use crate::microcode;
use crate::recipe::{Contents, Entry, Recipe, Step, clean};

/// Why a file is there that the recipe lists.
const NAMED: &str = "the recipe names it";

/// Larger than any file that a machine has the memory for.
const FILE_LIMIT: u64 = 4 << 30;

/// Firmware files have some MB, those of network processors up to 100.
const FIRMWARE_LIMIT: u64 = 512 << 20;

impl Plan {
    pub(super) fn add_extras(&mut self, recipe: &Recipe) -> Result<(), PlanError> {
        let mut collector = Collector::new(recipe.root());
        for program in &recipe.programs {
            collector.add(program, "a program that is asked for")?;
        }
        self.add_libraries(collector.finish(), recipe.root());
        for step in &recipe.steps {
            self.add_step(step)?;
        }
        recipe
            .entries
            .iter()
            .try_for_each(|entry| self.add_entry(entry))?;
        self.note_missing_programs(recipe)
    }

    /// Modules for encrypted disks open none by themselves.
    fn note_missing_programs(&mut self, recipe: &Recipe) -> Result<(), PlanError> {
        if recipe.goals.is_empty() {
            return Ok(());
        }
        let goals = Goals::embedded()?;
        for asked in &recipe.goals {
            let goal = goals.asked(asked)?;
            let Some(program) = &goal.program else {
                continue;
            };
            let is_it = |path: &str| path.rsplit('/').next() == Some(program.as_str());
            if !self.items().any(|(path, _)| is_it(path)) {
                self.notes.push(format!(
                    "goal {}: its modules do nothing without {program}, which is not in the image: a recipe's `programs` \
                     brings it along, and a script in a [[step]] calls it",
                    goal.name
                ));
            }
        }
        Ok(())
    }

    /// What programs need, found below `root`.
    pub(super) fn add_libraries(&mut self, libraries: Libraries, root: &Path) {
        for (path, needed) in libraries.entries {
            let path = path.trim_start_matches('/');
            if matches!(needed, Needed::File { .. }) {
                self.inputs.push(root.join(path));
            }
            match needed {
                Needed::File {
                    bytes,
                    permissions,
                    reason,
                } => self.file(path, permissions, bytes, &reason),
                Needed::Symlink { target, reason } => self.symlink(path, &target, &reason),
            }
        }
        self.notes.extend(libraries.notes);
        self.inputs.extend(libraries.configuration);
    }

    /// A script that `/init` runs before one of its steps.
    fn add_step(&mut self, step: &Step) -> Result<(), PlanError> {
        let path = format!("etc/init.d/{}/{}", step.before, step.name);
        let (data, _) = self.contents(&path, &step.contents)?;
        if !data.starts_with(b"#!") {
            return Err(PlanError::Entry {
                path: format!("/{path}"),
                reason: "a script begins with the name of its interpreter: #!/bin/sh".to_owned(),
            });
        }
        let reason = format!("the recipe's script before the step {}", step.before);
        self.shared_file(&path, 0o755, data, &reason);
        Ok(())
    }

    /// The processors' microcode, for an archive before all others.
    pub(super) fn add_microcode(&mut self, recipe: &Recipe) -> Result<(), PlanError> {
        if let Some((module, machine)) = &self.machine
            && !is_x86(*machine)
        {
            return Err(PlanError::MicrocodeMachine {
                module: module.clone(),
                machine: *machine,
            });
        }
        let found = microcode::collect(recipe.root(), recipe.archive)?;
        self.inputs.extend(found.inputs);
        self.early = Some(found.archive.into());
        Ok(())
    }

    /// A file's bytes, and the permissions that it has where the recipe gives none.
    fn contents(&mut self, path: &str, contents: &Contents) -> Result<(Data, u32), PlanError> {
        Ok(match contents {
            Contents::File(source) => {
                let bytes = Data::read(source, FILE_LIMIT).map_err(|source| PlanError::Source {
                    path: format!("/{path}"),
                    source,
                })?;
                self.inputs.push(source.clone());
                (bytes, crate::libraries::permissions(source))
            }
            Contents::Text(text) => (text.clone().into_bytes().into(), 0o644),
            Contents::Directory => (Vec::new().into(), 0o755),
            Contents::Symlink(target) => (target.clone().into_bytes().into(), 0o777),
        })
    }

    fn add_entry(&mut self, entry: &Entry) -> Result<(), PlanError> {
        let refuse = |reason: &str| PlanError::Entry {
            path: entry.path.clone(),
            reason: reason.to_owned(),
        };
        let path = clean(&entry.path).map_err(refuse)?;
        let is_directory = matches!(entry.contents, Contents::Directory);
        match self.get(&path) {
            Some(there) if there.reason == NAMED => {
                return Err(refuse("the recipe names it twice"));
            }
            Some(there)
                if !is_directory && self.is_folder(&path) && there.kind() != Kind::Directory =>
            {
                return Err(refuse(
                    "a link to a folder of that name is in the image already",
                ));
            }
            Some(there) if is_directory != (there.kind() == Kind::Directory) => {
                return Err(refuse(match is_directory {
                    true => "a file of that name is in the image already",
                    false => "a folder of that name is in the image already",
                }));
            }
            _ => {}
        }
        let (data, usual) = self.contents(&path, &entry.contents)?;
        let kind = match &entry.contents {
            Contents::File(_) | Contents::Text(_) => Kind::File,
            Contents::Directory => Kind::Directory,
            Contents::Symlink(_) => Kind::Symlink,
        };
        let attributes = Attributes {
            kind,
            permissions: entry.permissions.unwrap_or(usual),
            uid: entry.uid,
            gid: entry.gid,
        };
        self.insert_shared(&path, attributes, data, NAMED);
        Ok(())
    }

    /// Firmware that the modules name, decompressed: not every kernel can decompress it.
    pub(super) fn add_firmware(
        &mut self,
        root: &Path,
        kernel: &Kernel,
        modules: &[Chosen],
    ) -> Result<(), PlanError> {
        let mut absent = Vec::new();
        for module in modules {
            for name in &module.firmware {
                match find_firmware(root, kernel.version(), name) {
                    Some(file) => {
                        let bytes = Data::read_decoded(&file, FIRMWARE_LIMIT)?;
                        self.inputs.push(file);
                        let reason = format!("{} asks for this firmware", module.name);
                        self.shared_file(
                            &format!("usr/lib/firmware/{name}"),
                            0o644,
                            bytes,
                            &reason,
                        );
                    }
                    None => absent.push(name),
                }
            }
        }
        if !absent.is_empty() {
            let count = absent.len();
            self.notes.push(format!(
                "{count} firmware {} not on this system, for example {}",
                if count == 1 {
                    "file that modules name is"
                } else {
                    "files that modules name are"
                },
                absent[0]
            ));
        }
        Ok(())
    }
}

/// The folders that the kernel's loader searches (`drivers/base/firmware_loader/main.c`), below both roots of libraries;
/// a compressed file stands for the plain one.
fn find_firmware(root: &Path, version: &str, name: &str) -> Option<std::path::PathBuf> {
    if name.split('/').any(|part| part == "..") {
        return None;
    }
    let folders = [
        format!("updates/{version}"),
        "updates".to_owned(),
        version.to_owned(),
        String::new(),
    ];
    let places = ["lib/firmware", "usr/lib/firmware"];
    places.iter().find_map(|place| {
        folders.iter().find_map(|folder| {
            let plain = root.join(place).join(folder).join(name);
            ["", ".zst", ".xz"].iter().find_map(|suffix| {
                let mut file = plain.clone().into_os_string();
                file.push(suffix);
                Some(std::path::PathBuf::from(file)).filter(|file| file.is_file())
            })
        })
    })
}
