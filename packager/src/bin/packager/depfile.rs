//! `--depfile`: what an output is made of, for build systems.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use cli::Failure;

use crate::report;

#[derive(Debug, ClapArgs)]
pub(crate) struct DepfileArgs {
    /// Write the names of all inputs, as a rule for make and ninja
    #[arg(long, value_name = "FILE")]
    depfile: Option<PathBuf>,
}

impl DepfileArgs {
    /// The file, where one is asked for.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.depfile.as_deref()
    }

    /// Refuses a rule about standard output, and one in the place of the output.
    pub(crate) fn check(&self, output: &Path) -> Result<(), Failure> {
        let Some(depfile) = &self.depfile else {
            return Ok(());
        };
        if output == Path::new("-") {
            return Err(Failure::usage(
                "--depfile tells what a file is made of, and standard output is none; name the output with -o FILE",
            ));
        }
        match is_same_place(output, depfile) {
            false => Ok(()),
            true => Err(Failure::usage(format_args!(
                "`{}` is the output, and would be written over by --depfile; name another file",
                depfile.display()
            ))),
        }
    }

    /// Refuses a rule in the place of an input.
    pub(crate) fn check_inputs<'a>(
        &self,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<(), Failure> {
        self.path()
            .map_or(Ok(()), |path| report::check_output(path, inputs))
    }

    /// Writes the rule, where one is asked for.
    pub(crate) fn write(&self, outputs: &[&Path], inputs: Vec<&Path>) -> Result<(), Failure> {
        match &self.depfile {
            Some(path) => cli::write_atomically(path, &rule(outputs, inputs)),
            None => Ok(()),
        }
    }
}

/// Whether two paths are of one file, be it there or not.
fn is_same_place(one: &Path, two: &Path) -> bool {
    let absolute = |path| std::path::absolute(path).ok();
    cli::is_same_file(one, two) || absolute(one) == absolute(two)
}

/// `OUTPUT…: INPUT…`, an input a line, sorted.
fn rule(outputs: &[&Path], mut inputs: Vec<&Path>) -> Vec<u8> {
    inputs.sort_unstable();
    inputs.dedup();
    cli::make_rule(outputs, inputs, " \\\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_each_input_once() {
        let outputs = ["a b", "c"].map(Path::new);
        let inputs = ["z", "y", "z"].map(Path::new).to_vec();
        assert_eq!(rule(&outputs, inputs), b"a\\ b c: \\\n  y \\\n  z\n");
        assert_eq!(rule(&outputs, Vec::new()), b"a\\ b c:\n");
    }
}
