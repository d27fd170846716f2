//! `packager initramfs`: from the arguments to a recipe, a plan and an image.

use std::path::{Path, PathBuf};

use cli::{Failure, Staged, Staging};
use packager::cache::Cache;
use packager::compression::Compression;
use packager::finding::Report;
use packager::inspect::check::Booted;
use packager::kernel::KernelSource;
use packager::timing::Timings;
use packager::{Initramfs, Plan, Recipe};

use crate::args::InitramfsArgs;
use crate::pool::{self, WhenIdle};
use crate::progress::Progress;
use crate::{plan, report};

pub(crate) fn run(args: InitramfsArgs) -> Result<(), Failure> {
    let is_standard = args.output.as_deref().is_some_and(is_standard);
    // Where none is named, it is known with the kernel's version.
    if let Some(output) = &args.output {
        args.depfile.check(output)?;
    }
    if let Some(output) = &args.output
        && output.is_dir()
        && !is_standard
    {
        return Err(Failure::input(format_args!(
            "cannot write `{0}`: it is a directory; name a file in it, such as `{1}`",
            output.display(),
            output.join("simple.igz").display()
        )));
    }
    let recipe = args.content.recipe(args.output.as_deref())?;
    let cache = args.content.cache()?;
    if args.dry_run {
        return tell_plan(&args, &recipe, cache.as_ref());
    }
    let pack = |supposes| pack(&args, &recipe, cache.as_ref(), supposes);
    if may_suppose(&recipe, cache.as_ref())
        && let Packed::Done = pack(true)?
    {
        return Ok(());
    }
    // Something takes longer than to find out what could have been supposed, or has taken longer already.
    pool::leave_places();
    pack(false).map(|_| ())
}

/// Whether an output's name stands for standard output.
fn is_standard(output: &Path) -> bool {
    output == Path::new("-")
}

/// How an attempt to pack an image ended.
enum Packed {
    Done,
    /// What was supposed of depmod's indexes is not true.
    SupposedWrongly,
}

/// Whether all can be done twice, if need be: nothing is compressed, and no package unpacked. A cache shall keep nothing that is only
/// supposed.
fn may_suppose(recipe: &Recipe, cache: Option<&Cache>) -> bool {
    let is_plain = recipe.compression.is_some_and(|it| it.format.is_none());
    let is_package = matches!(recipe.kernel, KernelSource::Deb(_));
    is_plain && !is_package && cache.is_none()
}

fn tell_plan(args: &InitramfsArgs, recipe: &Recipe, cache: Option<&Cache>) -> Result<(), Failure> {
    let progress = Progress::new("planning the initramfs");
    let mut plan = Plan::with_cache(recipe, cache).map_err(|error| args.content.failure(error))?;
    drop(progress);
    let timings = std::mem::take(&mut plan.timings);
    plan::tell(&plan, &timings, args.quiet, args.timings);
    plan::print(&plan, recipe, args.json)
}

/// Packs the image; from what [is supposed](Plan::supposing_current) at first, if `supposes` says so.
fn pack(
    args: &InitramfsArgs,
    recipe: &Recipe,
    cache: Option<&Cache>,
    supposes: bool,
) -> Result<Packed, Failure> {
    let progress = Progress::new("packing the initramfs");
    let file = args.output.as_deref().map(Output::new);
    let plan = match supposes {
        true => Plan::supposing_current(recipe),
        false => Plan::with_cache(recipe, cache),
    };
    let mut plan = plan.map_err(|error| args.content.failure(error))?;
    let mut timings = std::mem::take(&mut plan.timings);
    let output = args.output.clone().unwrap_or_else(|| default_output(&plan));
    // Most images are checked while they are made; what the check refuses never gets its name.
    let mut meanwhile = Timings::default();
    let (made, (is_as_supposed, report, is_harmless)) = rayon::join(
        || {
            let file = file.unwrap_or_else(|| Output::new(&output));
            Made::new(&plan, recipe, cache, file, &mut timings)
        },
        || {
            let is_as_supposed = meanwhile.measure("indexes", || plan.is_as_supposed());
            let check = || plan.check(recipe, booted(&plan));
            let report = meanwhile.measure("check", check);
            (is_as_supposed, report, check_outputs(args, &output, &plan))
        },
    );
    if supposes && !is_as_supposed {
        return Ok(Packed::SupposedWrongly);
    }
    is_harmless?;
    timings.append(meanwhile);
    let Made {
        image,
        staged,
        late,
    } = made?;
    let report = report::of_own(report.or(late).unwrap_or_default());
    report::verdict(&report, args.no_check, args.quiet, "the image")?;
    pool::end();
    cli::commit([staged?])?;
    drop(progress);
    args.depfile
        .write(&[&output], inputs(args, &plan).collect())?;
    plan::tell(&plan, &timings, args.quiet, args.timings);
    if !args.quiet {
        report::notes(misnamed(&output, &plan).as_slice());
        cli::tell!("{}", summary(&output, &plan, &image));
    }
    // The process ends, which frees all at once, but for a package's files.
    std::mem::forget(image);
    if !matches!(recipe.kernel, KernelSource::Deb(_)) {
        std::mem::forget(plan);
    }
    Ok(Packed::Done)
}

/// Refuses outputs in the place of inputs.
fn check_outputs(args: &InitramfsArgs, image: &Path, plan: &Plan) -> Result<(), Failure> {
    args.depfile.check(image)?;
    args.depfile.check_inputs(inputs(args, plan))?;
    match is_standard(image) {
        true => Ok(()),
        false => report::check_output(image, inputs(args, plan)),
    }
}

/// Every file that the image is made of.
fn inputs<'a>(args: &'a InitramfsArgs, plan: &'a Plan) -> impl Iterator<Item = &'a Path> {
    let planned = plan.inputs.iter().map(PathBuf::as_path);
    planned.chain(args.content.recipe.as_deref())
}

/// The kernel that is to boot with an image of the plan.
fn booted(plan: &Plan) -> Booted<'_> {
    Booted {
        version: Some(&plan.version),
        config: plan.config.as_ref(),
    }
}

/// The image's file, begun before there is an image: while a thread has nothing to do, it makes room.
struct Output {
    file: Result<Staging, Failure>,
    room: Option<WhenIdle>,
}

impl Output {
    fn new(path: &Path) -> Self {
        let mut file = match is_standard(path) {
            true => Staging::standard_output(),
            false => Staging::new(path),
        };
        let room = file.as_mut().ok().and_then(Staging::room);
        let room = room.map(|mut room| pool::when_idle(move || room.make()));
        Self { file, room }
    }

    fn write(self, image: &Initramfs<'_>) -> Result<Staged, Failure> {
        drop(self.room);
        self.file?.finish(|file| image.write_to(file))
    }
}

/// An image, and its file.
struct Made<'plan> {
    image: Initramfs<'plan>,
    staged: Result<Staged, Failure>,
    /// What `packager check` says of it, where the plan is not enough to tell.
    late: Option<Report>,
}

impl<'plan> Made<'plan> {
    fn new(
        plan: &'plan Plan,
        recipe: &Recipe,
        cache: Option<&Cache>,
        file: Output,
        timings: &mut Timings,
    ) -> Result<Self, Failure> {
        let image = Initramfs::with_cache(plan, recipe, cache, timings);
        let image = image.map_err(report::initramfs)?;
        // The disk is waited for meanwhile.
        let (staged, late) = timings.measure("write", || {
            let write = || file.write(&image);
            if cache.is_none() && !plan.is_joined(recipe) {
                return (write(), None);
            }
            rayon::join(write, || {
                if let Some(cache) = cache {
                    image.keep(cache);
                }
                plan.is_joined(recipe).then(|| image.check(booted(plan)))
            })
        });
        Ok(Self {
            image,
            staged,
            late,
        })
    }
}

/// What to say of a name that promises another compressor.
fn misnamed(output: &Path, plan: &Plan) -> Option<String> {
    let said = Compression::by_suffix(output)?;
    let used = plan.compression.format;
    (said != used).then(|| {
        let (used, said) = (report::format_name(used), report::format_name(said));
        format!(
            "`{}` is {used}, and its suffix says {said}",
            output.display()
        )
    })
}

fn default_output(plan: &Plan) -> PathBuf {
    format!("initramfs-{}.{}", plan.version, plan.compression.suffix()).into()
}

fn summary(output: &Path, plan: &Plan, image: &Initramfs<'_>) -> String {
    let format = match plan.compression.format {
        Some(format) => format!("{} {format}", report::size(image.length())),
        None => report::size(image.length()),
    };
    let name = match is_standard(output) {
        true => Path::new("standard output"),
        false => output,
    };
    format!(
        "{}: {format} ({} unpacked), {} files, {} modules of kernel {}",
        name.display(),
        report::size(image.unpacked),
        plan.items().count(),
        plan.modules.len(),
        plan.version,
    )
}
