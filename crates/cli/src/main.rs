//! The command `runway-rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runway_cli::main(std::env::args_os())
}
