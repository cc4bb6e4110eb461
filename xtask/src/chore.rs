//! What every chore needs: the repository's root, running commands, saying what happens.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// The reason a chore failed, for people.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or_else(|| manifest.clone(), PathBuf::from)
}

/// Prints a line on standard error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints a result on standard output.
pub(crate) fn print(text: &str) {
    let _ = write!(std::io::stdout().lock(), "{text}");
}

/// Runs a command in the root, after saying what is run.
///
/// # Errors
/// If it cannot be started, or does not end with success.
pub(crate) fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Result<(), Failure> {
    start(program, arguments, None)
}

/// As [`run`], with a variable of the environment set to 1.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_with(
    variable: &str,
    program: impl AsRef<std::ffi::OsStr>,
    arguments: &[&str],
) -> Result<(), Failure> {
    start(program, arguments, Some(variable))
}

fn start(
    program: impl AsRef<std::ffi::OsStr>,
    arguments: &[&str],
    variable: Option<&str>,
) -> Result<(), Failure> {
    let program = program.as_ref();
    let name = std::path::Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
    say(&format!("$ {name} {}", arguments.join(" ")));
    let variable = variable.map(|name| (name, "1"));
    let status = Command::new(program).args(arguments).envs(variable).current_dir(root()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} {} ended with {status}", arguments.join(" ")).into()),
        Err(error) => Err(format!("{name} cannot be started: {error}").into()),
    }
}

/// The cargo that runs this.
pub(crate) fn cargo() -> &'static str {
    option_env!("CARGO").unwrap_or("cargo")
}
