//! A place to run `kmapc` in, for the tests of the command.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) const ESCAPE: &[u8] = b"keycode 1 = Escape\n";

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    codec::encode(bytes, codec::Format::Gzip, None).unwrap()
}

/// A directory of its own, and `kmapc` in it.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
}

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs with this directory as the current one and as the only one on the search path.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: &[u8]) -> Outcome {
        let input = self.path().join(".stdin");
        fs::write(&input, stdin).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_kmapc"))
            .args(arguments)
            .current_dir(self.path())
            .env("LOADKEYS_KEYMAP_PATH", self.path().join("maps**"))
            .env_remove("LOADKEYS_INCLUDE_PATH")
            .stdin(fs::File::open(&input).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        fs::remove_file(input).unwrap();
        Outcome {
            code: output.status.code().expect("not killed by a signal"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The screen after a failing run that must leave no file behind.
    pub(crate) fn error(&self, arguments: &[&str], code: i32) -> String {
        let before = self.names();
        let outcome = self.run(arguments, b"");
        assert_eq!(outcome.code, code, "{}", outcome.stderr);
        assert_eq!(outcome.stdout, b"");
        assert_eq!(self.names(), before);
        outcome.stderr
    }
}
