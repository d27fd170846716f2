//! A machine that this program watches: steps, a transcript, a result.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use cli::{Failure, Fault};
use packager::qemu::{Machine, PictureFormat, QemuError, Session};
use serde_json::{Value, json};

use crate::report;
use crate::steps::{Step, Steps};

/// For how long all steps together may take, unless the user says so, in seconds.
const TIMEOUT: u32 = 300;

/// How long a line that has begun may take to its end, when all steps are done.
const REST_OF_LINE: Duration = Duration::from_millis(200);

// What to do with the machine, instead of leaving it to the user.
#[derive(Debug, ClapArgs)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    steps: Steps,

    /// For how long all steps together may take [default: 300]; without steps, the machine is ended then, if this is given
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,

    /// Write all that was on the serial console, also when a step fails; --json has it, too
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,

    /// Print the result as JSON, instead of what is on the serial console
    #[arg(long)]
    json: bool,
}

impl WatchArgs {
    /// Whether there is anything to do.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.steps.0.is_empty()
    }

    /// For how long a machine may run that is left to the user.
    pub(crate) fn longest(&self) -> Option<Duration> {
        self.timeout
            .map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// The files that are written.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Path> {
        let pictures = self.steps.0.iter().filter_map(|step| match step {
            Step::Screenshot(path) => Some(path.as_path()),
            _ => None,
        });
        self.transcript.as_deref().into_iter().chain(pictures)
    }

    /// Steps that could not mean anything.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let first = self.steps.0.first();
        if matches!(
            first,
            Some(Step::Screenshot(_) | Step::Keys(_) | Step::Type(_))
        ) {
            return Err(Failure::usage(
                "nothing is on the screen yet, and nobody reads keys: say --expect TEXT or --wait SECONDS first",
            ));
        }
        if first.is_none() && (self.transcript.is_some() || self.json) {
            return Err(Failure::usage(
                "--transcript and --json are about steps: say --expect TEXT or --wait SECONDS",
            ));
        }
        Ok(())
    }
}

/// Carries out the steps, and switches the machine off.
pub(crate) fn watch(machine: &Machine, args: &WatchArgs) -> Result<(), Failure> {
    let start = Instant::now();
    let mut session = machine.start().map_err(report::qemu)?;
    if !args.json {
        session.show();
    }
    let mut watched = Watched {
        session,
        start,
        deadline: start + Duration::from_secs(args.timeout.unwrap_or(TIMEOUT).into()),
        done: Vec::new(),
    };
    let mut steps = args.steps.0.iter();
    let result = steps.try_for_each(|step| watched.step(step));
    if result.is_ok() {
        // What was waited for is seldom the whole line. A prompt has no end.
        let _ = watched.session.expect("\n", REST_OF_LINE);
    }
    if let Some(path) = &args.transcript {
        cli::write_atomically(path, watched.session.transcript().as_bytes())?;
    }
    if args.json {
        let json = watched.result(machine, &result);
        cli::print(format!("{json:#}\n").as_bytes())?;
    } else if args.transcript.is_none()
        && matches!(&result, Err(error) if error.fault() == Fault::Input)
    {
        cli::note!("--transcript FILE keeps all that was on the serial console");
    }
    result
}

struct Watched {
    session: Session,
    start: Instant,
    deadline: Instant,
    /// The steps that were carried out, and those that failed.
    done: Vec<Value>,
}

impl Watched {
    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        let result = self.carry_out(step);
        let (name, value) = step.words();
        let seconds = self.start.elapsed().as_secs_f64();
        self.done.push(json!({
            "step": name,
            "value": value,
            "done": result.is_ok(),
            "seconds": seconds,
        }));
        result
    }

    fn carry_out(&mut self, step: &Step) -> Result<(), Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let longest = self.deadline.duration_since(self.start).as_secs();
        let session = &mut self.session;
        match step {
            Step::Expect(text) => session
                .expect(text, left)
                .map_err(|error| failure(of_all(error, longest))),
            Step::Wait(time) if *time > left => {
                session.run_on(left).map_err(failure)?;
                let wait = time.as_secs_f64();
                Err(Failure::input(format_args!(
                    "--wait {wait} does not end within the {longest} s of --timeout"
                )))
            }
            Step::Wait(time) => session.run_on(*time).map_err(failure),
            Step::Type(text) => session
                .send(format!("{text}\n").as_bytes())
                .map_err(failure),
            Step::Keys(keys) => {
                let mut keys = keys.split_whitespace();
                keys.try_for_each(|key| session.press(key))
                    .map_err(key_failure)
            }
            Step::Screenshot(path) => screenshot(session, path),
        }
    }

    fn result(&self, machine: &Machine, result: &Result<(), Failure>) -> Value {
        let error = result.as_ref().err().and_then(Failure::message);
        json!({
            "passes": result.is_ok(),
            "seconds": self.start.elapsed().as_secs_f64(),
            "accelerator": machine.accelerator.argument(),
            "steps": self.done,
            "error": error,
            "panic": self.session.panic(),
            "transcript": self.session.transcript(),
        })
    }
}

fn screenshot(session: &mut Session, path: &Path) -> Result<(), Failure> {
    let format = match path.extension() {
        Some(suffix) if suffix == "ppm" => PictureFormat::Ppm,
        _ => PictureFormat::Png,
    };
    let picture = session.screenshot(format).map_err(failure)?;
    cli::write_atomically(path, &picture)
}

/// A step has the time that those before it have left, and the user knows the time of all, in seconds.
fn of_all(error: QemuError, longest: u64) -> QemuError {
    match error {
        QemuError::Timeout { expected, tail, .. } => QemuError::Timeout {
            expected,
            seconds: longest,
            tail,
        },
        error => error,
    }
}

/// A machine that does not do what was expected of it is the image's fault.
fn failure(error: QemuError) -> Failure {
    match error {
        QemuError::Timeout { .. } | QemuError::Ended { .. } | QemuError::Panicked { .. } => {
            Failure::input(error)
        }
        error => report::qemu(error),
    }
}

/// QEMU refuses a key that it does not know.
fn key_failure(error: QemuError) -> Failure {
    match error {
        QemuError::Monitor(error) => Failure::usage(error),
        error => failure(error),
    }
}
