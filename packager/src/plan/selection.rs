//! Which modules an image has, and what is known of them: the part of a plan that takes longest to find, and that a cache keeps.
//!
//! It follows from the modules directory, the kernel's configuration, some fields of the recipe, and the rules in this program.
//! The key in the cache is a hash over all of these but the directory, of which the fingerprint is kept beside the selection:
//! what tells that its directories, its indexes and the modules that were looked at are the same. For the rules stands the
//! program's own file.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use modtree::{Closure, Excluded, Planned, Reason, ReasonKind};
use serde::{Deserialize, Serialize};

use super::PlanError;
use super::loading::{filesystems, hosts_first, soft_dependencies};
use super::modules::{check_vermagic, closure, place};
use crate::cache::fingerprint::{Fingerprint, Listing};
use crate::cache::{Cache, Key, Kind};
use crate::kernel::{Kernel, KernelError};
use crate::recipe::{Load, Recipe};

/// The modules of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Selection {
    /// In load order.
    pub(super) modules: Vec<Chosen>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
    /// The names in `/etc/modules`.
    pub(super) listed: Vec<String>,
    /// The names in `/etc/filesystems`.
    pub(super) filesystems: Vec<String>,
    /// What depmod would write for these modules, by name.
    #[serde(skip)]
    pub(super) indexes: Vec<(String, Vec<u8>)>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chosen {
    pub(super) name: String,
    /// Its file.
    pub(super) path: PathBuf,
    /// Where it will be, below the image's modules directory.
    pub(super) place: PathBuf,
    /// Why it is here, for people.
    pub(super) reason: String,
    /// The places of those because of which it is here.
    pub(super) because: Vec<PathBuf>,
    /// The firmware files that it names.
    pub(super) firmware: Vec<String>,
}

/// The modules, as they were found.
pub(super) enum Found {
    /// The cache has their selection.
    Known(Selection),
    /// The modules said so themselves.
    New(Box<Closure>, ToKeep),
}

/// What the cache needs to keep a new selection: the key, the fingerprint of the files behind it, and the time before the first look
/// at a module. `None` where it is not to be kept.
pub(super) struct ToKeep(Option<(Key, Fingerprint, SystemTime)>);

impl Found {
    /// What the cache has, or what the modules say.
    pub(super) fn new(
        kernel: &Kernel,
        recipe: &Recipe,
        cache: Option<&Cache>,
    ) -> Result<Self, PlanError> {
        let start = SystemTime::now();
        // A package's files lie elsewhere each time; they are kept with their selection (`kept.rs`).
        let cache = cache.filter(|_| kernel.unpacked().is_none());
        let key = match cache {
            Some(_) => key(kernel, recipe)?,
            None => None,
        };
        if let (Some(cache), Some((key, _))) = (cache, &key)
            && let Some(kept) = cache.get(key)
            && let Some(selection) = Selection::kept(&kept, kernel.tree.dir())
        {
            return Ok(Found::Known(selection));
        }
        let closure = closure(kernel, recipe)?;
        check_vermagic(kernel, &closure)?;
        let to_keep = key.map(|(key, files)| (key, files, start));
        Ok(Found::New(Box::new(closure), ToKeep(to_keep)))
    }
}

impl ToKeep {
    /// Keeps the selection that has been made, if the files have certainly not changed meanwhile.
    pub(super) fn keep(self, kernel: &Kernel, selection: &Selection, cache: Option<&Cache>) {
        if let (Some((key, others, start)), Some(cache)) = (self.0, cache)
            && others.is_settled_at(start)
            && let Some(bytes) = selection.to_keep(kernel, start)
        {
            cache.put(&key, &bytes);
        }
    }
}

/// What depmod would write for the modules, by name.
pub(super) fn indexes(
    kernel: &Kernel,
    recipe: &Recipe,
    closure: &Closure,
) -> Result<Vec<(String, Vec<u8>)>, PlanError> {
    if closure.modules.is_empty() {
        return Ok(Vec::new());
    }
    let place = |planned: &Planned| place(recipe.module_files, planned);
    let files = modtree::index::text(&kernel.tree, closure, place)?;
    let named = |(name, bytes): (&str, _)| (name.to_owned(), bytes);
    Ok(files.into_iter().map(named).collect())
}

impl Selection {
    /// What is kept of a selection that was made since `start`; `None` where the files may have changed meanwhile.
    fn to_keep(&self, kernel: &Kernel, start: SystemTime) -> Option<Vec<u8>> {
        let folder = kernel.tree.dir();
        let listing = Listing::of_tree(folder, kernel.tree.looked_at())?;
        let files = Fingerprint::of_listing(folder, &listing)?;
        files
            .is_settled_at(start)
            .then(|| self.to_bytes(&listing, &files))?
    }

    /// What was kept, if the files in the modules directory are those of then.
    fn kept(bytes: &[u8], folder: &Path) -> Option<Self> {
        let (listing, hash, selection) = parts(bytes)?;
        let files = Fingerprint::of_listing(folder, &listing)?;
        (files.hash == hash).then(|| Self::parse(selection))?
    }

    /// Gives the modules' files other paths; `None` where one has none.
    pub(super) fn place(&mut self, path: impl Fn(&Path) -> Option<PathBuf>) -> Option<()> {
        self.modules.iter_mut().try_for_each(|module| {
            module.path = path(&module.path)?;
            Some(())
        })
    }

    /// All but the [indexes](indexes()).
    pub(super) fn of_closure(closure: &Closure, recipe: &Recipe) -> Self {
        let place = |planned: &Planned| place(recipe.module_files, planned);
        let builtins = closure.builtins.iter().map(|builtin| {
            let reasons = Reason::all(&builtin.reasons);
            format!("{} is built into the kernel ({reasons})", builtin.name)
        });
        let modules = closure.modules.iter();
        let modules = modules.map(|planned| Chosen::new(planned, closure, place));
        let (listed, filesystems) = match recipe.load {
            Load::All => (hosts_first(closure), Vec::new()),
            Load::Devices => (soft_dependencies(closure), filesystems(closure)),
        };
        Self {
            modules: modules.collect(),
            notes: builtins
                .chain(closure.excluded.iter().map(without))
                .chain(closure.notes.iter().cloned())
                .collect(),
            listed: listed.into_iter().map(str::to_owned).collect(),
            filesystems,
            indexes: Vec::new(),
        }
    }

    /// The listing, with its length before it in four bytes; the files' hash; the selection's own bytes.
    fn to_bytes(&self, listing: &Listing, files: &Fingerprint) -> Option<Vec<u8>> {
        let mut bytes = length(&listing.0)?.to_vec();
        bytes.extend_from_slice(&listing.0);
        bytes.extend(files.hash.as_bytes());
        bytes.extend(self.own_bytes()?);
        Some(bytes)
    }

    /// The head, which is JSON: the selection, and the indexes' names and lengths; with its length before it in four bytes; the
    /// indexes. `None` where a path is not UTF-8.
    pub(super) fn own_bytes(&self) -> Option<Vec<u8>> {
        let lengths = self.indexes.iter().map(|(name, bytes)| (name, bytes.len()));
        let head = serde_json::to_vec(&(self, lengths.collect::<Vec<_>>())).ok()?;
        let mut bytes = length(&head)?.to_vec();
        bytes.extend(head);
        for (_, index) in &self.indexes {
            bytes.extend_from_slice(index);
        }
        Some(bytes)
    }

    /// What [`own_bytes`](Self::own_bytes) has written.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, mut rest) = measured(bytes)?;
        let (mut selection, lengths): (Self, Vec<(String, usize)>) =
            serde_json::from_slice(head).ok()?;
        for (name, length) in lengths {
            let (index, behind) = rest.split_at_checked(length)?;
            selection.indexes.push((name, index.to_vec()));
            rest = behind;
        }
        rest.is_empty().then_some(selection)
    }
}

impl Chosen {
    fn new(planned: &Planned, closure: &Closure, place: impl Fn(&Planned) -> PathBuf) -> Self {
        // What was asked for, by its name or as part of a goal, is there for no other reason that matters.
        let is_asked = planned
            .reasons
            .iter()
            .any(|reason| matches!(reason.kind, ReasonKind::Root | ReasonKind::Goal));
        let needed_by = planned.reasons.iter().filter(|_| !is_asked);
        let needed_by = needed_by.filter_map(|reason| reason.by.as_ref());
        let others = needed_by.filter_map(|name| closure.get(name));
        let firmware = planned.info.all("firmware");
        Self {
            name: planned.name.to_string(),
            path: planned.path.clone(),
            place: place(planned),
            reason: Reason::all(&planned.reasons),
            because: others.map(&place).collect(),
            firmware: firmware.map(|name| name.into_owned()).collect(),
        }
    }
}

/// A length, as it stands before what it is the length of.
pub(super) fn length(bytes: &[u8]) -> Option<[u8; 4]> {
    u32::try_from(bytes.len()).map(u32::to_le_bytes).ok()
}

/// What has its length before it, and what follows.
pub(super) fn measured(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// The listing, the files' hash, and the selection's own bytes.
fn parts(bytes: &[u8]) -> Option<(Listing, blake3::Hash, &[u8])> {
    let (listing, rest) = measured(bytes)?;
    let (hash, rest) = rest.split_first_chunk()?;
    let hash = blake3::Hash::from_bytes(*hash);
    Some((Listing(listing.to_vec()), hash, rest))
}

/// The key of a selection, and the fingerprint of the files behind it. `None` where modules are asked for that lie anywhere,
/// or a file cannot be looked at.
fn key(kernel: &Kernel, recipe: &Recipe) -> Result<Option<(Key, Fingerprint)>, PlanError> {
    if !has_names_only(recipe) {
        return Ok(None);
    }
    let config = kernel.tree.config().map_err(KernelError::from)?;
    let config = config.and_then(|config| config.path());
    let Ok(program) = std::env::current_exe() else {
        return Ok(None);
    };
    let Some(files) = Fingerprint::of_files(config.into_iter().chain([&*program])) else {
        return Ok(None);
    };
    let of_kernel = (kernel.tree.dir(), kernel.version(), config);
    let wanted = format!("{} {of_kernel:?}", wanted(recipe));
    let key = Key::new(Kind::Modules, &[files.hash.as_bytes(), wanted.as_bytes()]);
    Ok(Some((key, files)))
}

/// What is missed of a module that is left out.
fn without(excluded: &Excluded) -> String {
    let (name, why) = (&excluded.name, Reason::all(&excluded.reasons));
    match excluded.is_vital() {
        _ if excluded.reasons.is_empty() => {
            format!("{name} is to be left out, and would not be in the image anyway")
        }
        true => format!("without {name} not all modules of the image can be loaded ({why})"),
        false => format!("{name} is left out ({why})"),
    }
}

/// Whether no module is asked for by its file, which may lie anywhere.
pub(super) fn has_names_only(recipe: &Recipe) -> bool {
    let is_file = |name: &String| name.contains('/') || name.contains(".ko");
    !recipe.modules.iter().any(is_file)
}

/// What of a recipe a selection follows from, but for the kernel.
pub(super) fn wanted(recipe: &Recipe) -> String {
    let wanted = (
        (&recipe.modules, &recipe.goals, &recipe.exclude),
        recipe.runtime,
        (recipe.load, recipe.module_files),
    );
    format!("{wanted:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_damage_is_not() {
        let chosen = Chosen {
            name: "vfat".into(),
            path: "root/vfat.ko.xz".into(),
            place: "kernel/vfat.ko".into(),
            reason: "asked for".into(),
            because: vec!["kernel/fat.ko".into()],
            firmware: vec!["none.bin".into()],
        };
        let selection = Selection {
            modules: vec![chosen],
            notes: vec!["a note".into()],
            listed: vec!["vfat".into()],
            filesystems: vec!["vfat".into()],
            indexes: vec![
                ("modules.dep".into(), vec![0xff, 0]),
                ("modules.alias".into(), Vec::new()),
            ],
        };
        let folder = tempfile::tempdir().unwrap();
        let listing = Listing::of_tree(folder.path(), []).unwrap();
        let files = Fingerprint::of_listing(folder.path(), &listing).unwrap();
        let bytes = selection.to_bytes(&listing, &files).unwrap();
        let read = |bytes: &[u8]| Selection::kept(bytes, folder.path());
        assert_eq!(read(&bytes).unwrap(), selection);
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(read(&[&bytes[..], b"x"].concat()), None);
        std::fs::write(folder.path().join("modules.order"), "").unwrap();
        assert_eq!(read(&bytes), None, "a file has come");
    }
}
