//! Templates and lookups of files beside the real Runway: its Python package renders the same corpus.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::files::{FileError, Files};

mod file_lookup;
mod jinja;

/// The files of a directory.
struct Directory(Utf8PathBuf);

impl Directory {
    fn new(path: PathBuf) -> Self {
        Self(Utf8PathBuf::from_path_buf(path).unwrap())
    }
}

impl Files for Directory {
    fn read(&self, path: &Utf8Path) -> Result<String, FileError> {
        let unreadable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
            _ => FileError::Unreadable { path: path.to_owned(), message: error.to_string() },
        };
        std::fs::read_to_string(self.0.join(path)).map_err(unreadable)
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a script of `tests/python` in the environment that has Runway; what it prints is JSON.
fn runway(script: &str, arguments: &[&Path]) -> serde_json::Value {
    let python = root().join("target/python/runway/bin/python");
    assert!(python.exists(), "{} is missing: `cargo xtask test` installs it", python.display());
    let output =
        Command::new(python).arg(root().join("tests/python").join(script)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
