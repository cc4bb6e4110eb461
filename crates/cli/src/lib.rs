//! The command line of runway-rs: arguments and environment in, engine, output and exit code out.

mod args;
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

use clap::{CommandFactory, Parser};

pub use args::Arguments;

/// The command line as a value, for reference pages and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the command line and returns what to hand to the operating system.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return ExitCode::from(output::usage(&error)),
    };
    ExitCode::from(commands::run(arguments).number())
}
