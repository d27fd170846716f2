//! The files, each made of the modules' records or taken over from an earlier run.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::fingerprint::Fingerprint;
use super::reuse::{Reuse, Source};
use super::{Compat, Contents, DepmodError, DepmodOptions, check, cycle, optional};
use crate::index::files;
use crate::index::set::{Lines, Set};
use crate::{BadKey, Layout};

/// Files with their bytes, and the fingerprints of those that another run may use.
pub(super) type Files = (
    Vec<(&'static str, Contents)>,
    Vec<(&'static str, Fingerprint)>,
);

/// Makes the files of these modules.
pub(super) fn make(
    set: &Set<'_>,
    reuse: &Reuse<'_>,
    options: &DepmodOptions,
    warnings: &mut Vec<String>,
) -> Result<Files, DepmodError> {
    if options.unresolved || options.kernel_symbols.is_some() {
        check::symbols(set, options, warnings)?;
    }
    let rank = set.ranks().map_err(|_| cycle::error(set))?;
    if options.duplicates {
        check::duplicates(set, warnings);
    }
    let inputs = Inputs {
        rank,
        lines: OnceLock::new(),
        set,
        reuse,
        builtin: optional(&options.dir.join("modules.builtin"), warnings)?,
        modinfo: optional(&options.dir.join("modules.builtin.modinfo"), warnings)?,
        layout: options.compat.layout(),
    };
    let wanted = MAKERS.iter().filter(|maker| {
        !(options.text_only && maker.name.ends_with(".bin")
            || options.compat == Compat::Kmod30 && maker.name == "modules.weakdep")
    });
    let wanted: Vec<_> = wanted.collect();
    // Each is a task of its own: modules.alias.bin takes nearly as long as all others together.
    let made = wanted.par_iter().with_max_len(1);
    let made: Vec<_> = made.map(|maker| maker.run(&inputs)).collect();
    inputs.lines();
    let lines = inputs.lines.into_inner().unwrap_or_default();
    let mut files = vec![("modules.dep", Contents::Made(lines.text))];
    let mut outputs = Vec::new();
    for (maker, made) in wanted.into_iter().zip(made) {
        let (contents, notes, output) = made?;
        files.push((maker.name, contents));
        outputs.extend(output.map(|output| (maker.name, output)));
        warnings.extend(notes);
    }
    Ok((files, outputs))
}

/// What the files are made of.
struct Inputs<'a, 's> {
    set: &'a Set<'s>,
    reuse: &'a Reuse<'a>,
    /// By [`Set::ranks`].
    rank: Vec<u32>,
    lines: OnceLock<Lines>,
    builtin: Option<Vec<u8>>,
    modinfo: Option<Vec<u8>>,
    layout: Layout,
}

impl Inputs<'_, '_> {
    /// Made by the first one who asks, while others make their files.
    fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| self.set.lines(&self.rank))
    }
}

/// A file's bytes and warnings.
type Made = Result<(Vec<u8>, Vec<String>), BadKey>;

/// How a file comes about.
struct Maker {
    name: &'static str,
    source: Source,
    make: fn(&Inputs<'_, '_>) -> Made,
}

impl Maker {
    /// The file, what is to be warned of, and by what another run will know it.
    fn run(
        &self,
        of: &Inputs<'_, '_>,
    ) -> Result<(Contents, Vec<String>, Option<Fingerprint>), BadKey> {
        if let Some((kept, output)) = of.reuse.same(self.name, self.source) {
            return Ok((Contents::Kept(kept), Vec::new(), Some(output)));
        }
        let (bytes, notes) = (self.make)(of)?;
        // What was warned of has to be said again.
        let lasts = of.reuse.is_wanted() && self.source != Source::Anything && notes.is_empty();
        let output = lasts.then(|| Fingerprint::of(&bytes));
        Ok((Contents::Made(bytes), notes, output))
    }
}

const fn maker(name: &'static str, source: Source, make: fn(&Inputs<'_, '_>) -> Made) -> Maker {
    Maker { name, source, make }
}

/// The files in depmod's order, behind `modules.dep`.
const MAKERS: [Maker; 10] = [
    maker("modules.dep.bin", Source::Anything, |of| {
        quiet(files::dep_bin(of.set.items, of.lines(), of.layout))
    }),
    maker("modules.alias", Source::Aliases, |of| {
        let bytes = match of.reuse.before_added("modules.alias") {
            Some(old) => files::alias_added(&old, of.reuse.fresh().map(|(_, item)| item)),
            None => files::alias(of.set.items),
        };
        quiet(Ok(bytes))
    }),
    maker("modules.alias.bin", Source::Aliases, |of| {
        let old = of.reuse.without_added("modules.alias.bin");
        let added = old.and_then(|old| files::alias_bin_added(&old, of.reuse.fresh()));
        let (bytes, unbalanced) =
            added.unwrap_or_else(|| files::alias_bin(of.set.items, of.layout));
        let note = |alias: &Vec<u8>| format!("unmatched bracket in {}", alias.escape_ascii());
        Ok((bytes?, unbalanced.iter().map(note).collect()))
    }),
    maker("modules.softdep", Source::Anything, |of| {
        quiet(Ok(files::softdep(of.set.items)))
    }),
    maker("modules.weakdep", Source::Anything, |of| {
        quiet(Ok(files::weakdep(of.set.items)))
    }),
    maker("modules.symbols", Source::Exports, |of| {
        quiet(Ok(files::symbols(of.set)))
    }),
    maker("modules.symbols.bin", Source::Exports, |of| {
        quiet(files::symbols_bin(of.set, of.layout))
    }),
    maker("modules.builtin.bin", Source::Anything, |of| {
        let bytes = of_listing(&of.builtin, of.layout, files::builtin_bin)?;
        let bad = files::bad_builtins(of.builtin.as_deref().unwrap_or_default());
        let note = |line: &[u8]| {
            format!(
                "no module's name in modules.builtin: `{}`",
                line.escape_ascii()
            )
        };
        Ok((bytes, bad.map(note).collect()))
    }),
    maker("modules.builtin.alias.bin", Source::Anything, |of| {
        quiet(of_listing(&of.modinfo, of.layout, files::builtin_alias_bin))
    }),
    maker("modules.devname", Source::Aliases, |of| {
        let (bytes, incomplete) = files::devname(of.set.items);
        Ok((bytes, incomplete.iter().map(without_numbers).collect()))
    }),
];

fn quiet(made: Result<Vec<u8>, BadKey>) -> Made {
    made.map(|bytes| (bytes, Vec::new()))
}

fn without_numbers((module, device): &files::Incomplete) -> String {
    format!(
        "module {} has devname ({}) but lacks major and minor information; it is left out",
        module.escape_ascii(),
        device.escape_ascii()
    )
}

/// Where the listing is missing, depmod writes an empty file.
fn of_listing(
    text: &Option<Vec<u8>>,
    layout: Layout,
    make: fn(&[u8], Layout) -> Result<Vec<u8>, BadKey>,
) -> Result<Vec<u8>, BadKey> {
    text.as_ref()
        .map_or(Ok(Vec::new()), |text| make(text, layout))
}
