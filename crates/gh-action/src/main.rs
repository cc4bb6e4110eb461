//! The command `runway-gh-action`: runs runway-rs as a step of a GitHub workflow, with annotations, a step summary and
//! outputs. Everything but this module and `child` is pure.

mod annotations;
mod child;
mod inputs;
mod outputs;
mod report;
mod summary;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use annotations::{Annotation, Places, annotations};
use inputs::{DetailedExitCode, Environment, Inputs};
use report::Report;
use runway_core::exit;

fn main() -> ExitCode {
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    ExitCode::from(step(&environment))
}

/// The whole step; returns its exit code.
fn step(environment: &Environment) -> u8 {
    let usage = exit::ExitCode::Usage.number();
    let inputs = match Inputs::read(environment) {
        Ok(inputs) => inputs,
        Err(problem) => return refused(&problem.to_string(), usage, environment),
    };
    let current = match std::env::current_dir() {
        Ok(current) => current,
        Err(error) => {
            let text = format!("the current directory cannot be read: {error}");
            return refused(&text, exit::ExitCode::Unexpected.number(), environment);
        }
    };
    let directory = current.join(inputs.working_directory.as_deref().unwrap_or_default());
    if !directory.is_dir() {
        let text = format!("the input `working-directory` names no directory: {}", directory.display());
        return refused(&text, usage, environment);
    }
    let executable = std::env::current_exe().ok();
    let program = child::program(inputs.binary.as_deref(), &current, executable.as_deref());

    // Nothing in a config or in the answer of a provider may become a workflow command.
    let token = unique();
    child::say(&format!("::stop-commands::{token}"));
    let mut report = Report::new(inputs.command);
    let ended = child::run(&program, &inputs.arguments, &directory, &mut report);
    child::say(&format!("::{token}::"));
    let exit = match ended {
        Ok(exit) => exit,
        Err(error) => {
            let text =
                format!("{} cannot be run: {error}; the input `binary` names the program", program.display());
            return refused(&text, exit::ExitCode::Unexpected.number(), environment);
        }
    };

    let workspace = environment.get("GITHUB_WORKSPACE").map_or(current.clone(), |path| current.join(path));
    for annotation in annotations(&report, exit, &Places { directory, workspace }) {
        child::say(&annotation.command());
    }
    leave(environment, &summary::summary(&report, exit), &outputs::outputs(&report, exit));
    if inputs.detailed_exit_code == DetailedExitCode::Output
        && exit == exit::ExitCode::ChangesPending.number()
    {
        return exit::ExitCode::Ok.number();
    }
    exit
}

/// Ends before the program ran.
fn refused(text: &str, exit: u8, environment: &Environment) -> u8 {
    child::say(&Annotation::error("", text).command());
    leave(environment, "", &[("exit-code", exit.to_string())]);
    exit
}

/// Writes the step summary and the outputs to the files GitHub names; outside of a workflow there are none.
fn leave(environment: &Environment, summary: &str, outputs: &[(&str, String)]) {
    if let Some(path) = environment.get("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        let there =
            fs_err::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
        append(path, &summary::fitted(summary, summary::LIMIT.saturating_sub(there)));
    }
    if let Some(path) = environment.get("GITHUB_OUTPUT").filter(|path| !path.is_empty()) {
        append(path, &outputs::file_text(outputs, &unique()));
    }
}

/// Appends to a file. A failure is told but does not hide how the run ended.
fn append(path: impl AsRef<Path>, text: &str) {
    let file = fs_err::OpenOptions::new().create(true).append(true).open(path.as_ref());
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        child::say(&Annotation::error("", error.to_string()).command());
    }
}

/// A text that occurs nowhere else.
fn unique() -> String {
    format!("runway-{}", uuid::Uuid::new_v4())
}
