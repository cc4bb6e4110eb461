//! The command line of runway-rs: arguments and environment in, engine, output and exit code out.

mod args;
mod assets;
mod cache;
mod clock;
mod commands;
mod connect;
mod files;
mod gate;
mod load;
mod output;
mod progress;
mod project;
mod registry;
mod selection;
mod settings;
mod signals;
mod sources;
mod verbosity;
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

pub use args::Arguments;

/// The command line as a value, for reference pages and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// A variable that is set to nothing counts as unset.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty =
        |name: &std::ffi::OsStr| std::env::vars_os().any(|(key, value)| key == name && value.is_empty());
    command
        .mut_args(
            |argument| if argument.get_env().is_some_and(is_empty) { argument.env(None) } else { argument },
        )
        .mut_subcommands(without_empty_variables)
}

/// Runs the command line and returns what to hand to the operating system.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = without_empty_variables(command()).try_get_matches_from(arguments);
    let arguments = match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => return ExitCode::from(output::usage(&error)),
    };
    ExitCode::from(commands::run(arguments).number())
}
