//! The plan of an initramfs, part by part.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use kmap::{Compiled, FileSource, Keymap, SearchPath, Source, SourceText};

use super::busybox::System;
use super::kept::Kept;
use super::selection::{Found, Selection, indexes};
use super::{Plan, PlanError};
use crate::cache::Cache;
use crate::compression::Compression;
use crate::kernel::{Kernel, KernelError, KernelSource};
use crate::recipe::Recipe;
use crate::timing::Timings;

/// The keymap that is loaded unless the kernel's command line names another.
pub(super) const KEYMAP: &str = "etc/keymap.bmap";

impl Plan {
    /// Reads what the recipe names and lays the image out.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn new(recipe: &Recipe) -> Result<Self, PlanError> {
        Self::with_cache(recipe, None)
    }

    /// As [`new`](Self::new), and the same plan; what the cache has is not looked for again.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn with_cache(recipe: &Recipe, cache: Option<&Cache>) -> Result<Self, PlanError> {
        Self::make(recipe, cache, Begun::open(recipe, cache, false)?)
    }

    /// As [`new`](Self::new), but supposes that depmod's indexes are newer than all directories with modules: a look at these takes as
    /// long as finding the modules, and has time until the image is written, when [`is_as_supposed`](Self::is_as_supposed) must be
    /// asked.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn supposing_current(recipe: &Recipe) -> Result<Self, PlanError> {
        let begun = Begun::open(recipe, None, true)?;
        let kernel = Arc::clone(&begun.kernel);
        match Self::make(recipe, None, begun) {
            // What is wrong may be what was supposed.
            Err(_) if !kernel.tree.is_as_supposed() => Self::new(recipe),
            plan => plan,
        }
    }

    /// Whether what was [supposed](Self::supposing_current) is true. If not, the plan may be one for modules that were there once.
    pub fn is_as_supposed(&self) -> bool {
        let kernel = self.kernel.as_ref();
        kernel.is_none_or(|kernel| kernel.tree.is_as_supposed())
    }

    fn make(recipe: &Recipe, cache: Option<&Cache>, begun: Begun<'_>) -> Result<Self, PlanError> {
        let Begun {
            at,
            mut timings,
            kernel,
            kept,
            known,
        } = begun;
        let (found, (keymaps, system)) = rayon::join(
            || timings.measure("find", || find(&kernel, known, recipe, cache)),
            || {
                // First of all: questions about modules wait for them. Where there is a cache, it may know the answers.
                if cache.is_none() {
                    kernel.tree.open_indexes();
                }
                (compile_keymaps(recipe), System::new(recipe))
            },
        );
        let (found, compression) = found?;
        let (plan, busybox) = match system {
            Ok(System { plan, busybox }) => (plan, Ok(busybox)),
            // What is wrong with the modules is told first.
            Err(error) => (Plan::default(), Err(error)),
        };
        let mut plan = Plan {
            compression,
            version: kernel.version().to_owned(),
            kernel_image: kernel.image.clone(),
            config: kernel.tree.config().map_err(KernelError::from)?.cloned(),
            ..plan
        };
        let add = |plan: &mut Self, selection: &Selection| {
            plan.add_modules(&kernel, recipe, selection, cache)?;
            plan.add_keymaps(recipe, keymaps?);
            plan.fits(&busybox?)
        };
        let indexes = timings.measure("modules", || match found {
            Found::Known(selection) => add(&mut plan, &selection).map(|()| selection.indexes),
            Found::New(closure, to_keep) => {
                let (indexes, (mut selection, added)) = rayon::join(
                    || indexes(&kernel, recipe, &closure),
                    || {
                        let selection = Selection::of_closure(&closure, recipe);
                        let added = add(&mut plan, &selection);
                        (selection, added)
                    },
                );
                selection.indexes = indexes?;
                to_keep.keep(&kernel, &selection, cache);
                if let Some(kept) = &kept {
                    kept.keep(&kernel, &selection, at);
                }
                added.map(|()| selection.indexes)
            }
        })?;
        plan.add_indexes(indexes);
        if let Some(cache) = cache {
            cache.tidy();
        }
        timings.measure("files", || plan.add_extras(recipe))?;
        if recipe.microcode {
            plan.add_microcode(recipe)?;
        }
        if recipe.explain {
            plan.add_record(recipe);
        }
        plan.add_inputs(recipe, &kernel);
        plan.kernel = Some(kernel);
        plan.timings = timings;
        plan.begun = Some(at);
        Ok(plan)
    }

    fn add_keymaps(&mut self, recipe: &Recipe, keymaps: Vec<Compiled>) {
        for (name, compiled) in recipe.keymaps.iter().zip(keymaps) {
            self.notes
                .extend(compiled.warnings.iter().map(ToString::to_string));
            self.inputs.extend(compiled.inputs);
            let bytes = compiled.keymap.to_bkeymap(kmap::Endian::Little);
            // Where the map lies on this machine is not the image's business: its bytes would depend on it.
            let map = keymap_name(name);
            if self.get(KEYMAP).is_none() {
                let reason = format!("the keymap {map}: /init gives it to loadkmap");
                self.file(KEYMAP, 0o644, bytes.clone(), &reason);
            }
            let reason =
                format!("/init loads it where the kernel's command line says keymap={map}");
            self.file(&format!("etc/keymaps/{map}.bmap"), 0o644, bytes, &reason);
        }
    }
}

/// A plan that is begun: its kernel is open, and nothing has been read of that.
struct Begun<'a> {
    at: SystemTime,
    timings: Timings,
    kernel: Arc<Kernel>,
    /// Where a package's kernel is kept.
    kept: Option<Kept<'a>>,
    /// The modules of one that is.
    known: Option<Selection>,
}

impl<'a> Begun<'a> {
    fn open(
        recipe: &'a Recipe,
        cache: Option<&'a Cache>,
        supposes: bool,
    ) -> Result<Self, KernelError> {
        let at = SystemTime::now();
        let mut timings = Timings::default();
        let kept = Kept::new(cache, recipe);
        let open = || match kept.as_ref().and_then(Kept::open) {
            Some((kernel, selection)) => Ok((kernel, Some(selection))),
            None => Kernel::open(&recipe.kernel, &recipe.choice).map(|kernel| (kernel, None)),
        };
        let (kernel, known) = timings.measure("kernel", open)?;
        let kernel = match supposes {
            true => kernel.supposing_current(),
            false => kernel,
        };
        Ok(Self {
            at,
            timings,
            kernel: Arc::new(kernel),
            kept,
            known,
        })
    }
}

/// Which of a kernel's modules the image has, and what it may be compressed with.
fn find(
    kernel: &Kernel,
    known: Option<Selection>,
    recipe: &Recipe,
    cache: Option<&Cache>,
) -> Result<(Found, Compression), PlanError> {
    let (found, compression) = rayon::join(
        || match known {
            Some(selection) => Ok(Found::Known(selection)),
            None => Found::new(kernel, recipe, cache),
        },
        || compression(kernel, recipe),
    );
    // What takes a word of the recipe to mend is told first.
    let (compression, found) = (compression?, found?);
    Ok((found, compression))
}

/// The recipe's keymaps. The console is a UTF-8 one, so texts are compiled for Unicode; what is compiled already is taken as it is.
fn compile_keymaps(recipe: &Recipe) -> Result<Vec<Compiled>, kmap::Report> {
    let mut source = FileSource::new(SearchPath::from_env());
    let mut compile = |name: &OsString| {
        let text = source.open(name.as_ref())?;
        match kmap::emit::is_bkeymap(&text.bytes) {
            true => compiled_already(text),
            false => kmap::compile_text(&mut source, text, kmap::Mode::Unicode),
        }
    };
    recipe.keymaps.iter().map(&mut compile).collect()
}

fn compiled_already(file: SourceText) -> Result<Compiled, kmap::Report> {
    let keymap = Keymap::from_any_bkeymap(&file.bytes);
    let (keymap, _) = keymap.map_err(|error| kmap::Report::damaged(&file.path, error))?;
    Ok(Compiled {
        keymap,
        mode: kmap::Mode::Unicode,
        warnings: Vec::new(),
        inputs: vec![file.path],
    })
}

impl Plan {
    /// What the parts have not noted: the kernel's own files, and the archives that stand beside this one. The files of a
    /// package are gone at the end; the package stands for them.
    fn add_inputs(&mut self, recipe: &Recipe, kernel: &Kernel) {
        let dir = kernel.tree.dir();
        let listings = [
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ]
        .map(|name| dir.join(name));
        self.inputs
            .extend(listings.into_iter().filter(|path| path.is_file()));
        if let Ok(Some(config)) = kernel.tree.config() {
            self.inputs.extend(config.path().map(Path::to_path_buf));
        }
        self.inputs.extend(kernel.image.clone());
        if let Some(unpacked) = kernel.unpacked() {
            self.inputs.retain(|path| !path.starts_with(unpacked));
        }
        if let KernelSource::Deb(package) = &recipe.kernel {
            self.inputs.push(package.clone());
        }
        self.inputs
            .extend(recipe.prepend.iter().chain(&recipe.append).cloned());
        self.inputs.sort();
        self.inputs.dedup();
    }
}

/// The keymap's name without folder and suffixes: `es` for `/usr/share/keymaps/es.kmap.gz`.
fn keymap_name(name: &OsStr) -> String {
    let file = Path::new(name)
        .file_name()
        .unwrap_or(name)
        .to_string_lossy();
    let mut name: &str = &file;
    for suffix in [".gz", ".bz2", ".xz", ".zst", ".kmap", ".map", ".bmap"] {
        name = name.strip_suffix(suffix).unwrap_or(name);
    }
    name.to_owned()
}

/// A kernel whose configuration is unknown is taken at its word that it reads what was asked for.
fn compression(kernel: &Kernel, recipe: &Recipe) -> Result<Compression, PlanError> {
    let config = kernel.tree.config().map_err(KernelError::from)?;
    let Some(wanted) = recipe.compression else {
        return Ok(Compression::best_for(config));
    };
    match wanted.lacking(config) {
        None => Ok(wanted),
        Some(option) => Err(PlanError::Compression {
            version: kernel.version().to_owned(),
            option,
        }),
    }
}
