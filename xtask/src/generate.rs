//! Generated files, and the check that they are up to date.

use std::fmt::Write as _;
use std::path::PathBuf;

use runway_core::exit::ExitCode;

use crate::chore::{Failure, root, say};

/// Writes every generated file, or checks them.
///
/// # Errors
/// If a file cannot be written or, with `check`, is not up to date.
pub(crate) fn run(check: bool) -> Result<(), Failure> {
    let mut stale = Vec::new();
    for (path, text) in files() {
        let place = root().join(&path);
        if fs_err::read_to_string(&place).ok().as_deref() == Some(text.as_str()) {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
        } else {
            fs_err::write(&place, text)?;
            say(&format!("wrote {}", path.display()));
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        Err(format!("not up to date: {}; run `cargo xtask gen`", stale.join(", ")).into())
    }
}

fn files() -> Vec<(PathBuf, String)> {
    let schemas = runway_core::schema::documents().into_iter().chain(runway_artifacts::schema::documents());
    let mut files: Vec<(PathBuf, String)> = schemas
        .map(|(name, text)| (PathBuf::from(format!("config-schema/{name}.schema.json")), text))
        .collect();
    files.push((PathBuf::from("docs/exit-codes.md"), exit_codes()));
    files.push((PathBuf::from("docs/cli.md"), command_line()));
    let examples = runway_artifacts::job::examples();
    files.extend(examples.into_iter().map(|(name, text)| (PathBuf::from("docs/examples").join(name), text)));
    files
}

fn exit_codes() -> String {
    let mut text = String::from(
        "# Exit codes\n\nIf a run finds several errors, the lowest code among them wins.\n\n| code | meaning |\n|---|---|\n",
    );
    for code in ExitCode::ALL {
        let _ = writeln!(text, "| {} | {} |", code.number(), code.meaning());
    }
    text
}

fn command_line() -> String {
    let mut command =
        runway_cli::command().term_width(100).mut_args(|argument| argument.hide_env_values(true));
    command.build();
    let mut text = String::from(
        "# The command line\n\nWhat `runway-rs --help` and `runway-rs COMMAND --help` print. Options of every command are listed once.\n",
    );
    describe(&mut text, &mut command, "runway-rs", 2);
    text
}

fn describe(text: &mut String, command: &mut clap::Command, path: &str, level: usize) {
    let marks = "#".repeat(level);
    let _ = writeln!(text, "\n{marks} {path}\n");
    if level > 2 {
        let hidden: Vec<String> = command
            .get_arguments()
            .filter(|argument| argument.is_global_set())
            .map(|argument| argument.get_id().to_string())
            .collect();
        for id in hidden {
            *command = command.clone().mut_arg(id, |argument| argument.hide(true));
        }
    }
    *command = command.clone().mut_args(|argument| argument.hide_env_values(true));
    let help = command.clone().render_long_help().to_string();
    let _ = writeln!(text, "```text\n{}\n```", trimmed(&help));
    let names: Vec<String> =
        command.get_subcommands().map(|subcommand| subcommand.get_name().to_owned()).collect();
    for name in names.iter().filter(|name| *name != "help") {
        if let Some(subcommand) = command.find_subcommand_mut(name) {
            describe(text, subcommand, &format!("{path} {name}"), 3);
        }
    }
}

fn trimmed(help: &str) -> String {
    help.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
