//! The command `runway-gh-action`: runs runway-rs as a step of a GitHub workflow, with annotations, a step summary and
//! outputs, and a comment in the pull request. Everything but this module, `child`, `api` and `sticky` is pure.

mod annotations;
mod api;
mod cache;
mod child;
mod comment;
mod github;
mod inputs;
mod outputs;
mod report;
mod retry;
mod sticky;
mod summary;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use annotations::{Annotation, Level, Places, annotations};
use api::{Api, Trouble};
use comment::{About, comment};
use github::Place;
use inputs::{Command, DetailedExitCode, Environment, Inputs, Wish};
use outputs::Left;
use report::Report;
use runway_core::exit;
use runway_core::render::markdown::escaped;

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
    let findings = temporary(environment).join(unique());
    let ended = child::run(
        &program,
        &inputs.arguments,
        (&directory, &findings),
        cache::remote_mode(environment),
        &mut report,
    );
    // Without errors and warnings there is none.
    let _ = fs_err::remove_file(&findings);
    // On a line of its own, whatever the last words of the program were.
    child::say(&format!("\n::{token}::"));
    let exit = match ended {
        Ok(exit) => exit,
        Err(error) => {
            let text =
                format!("{} cannot be run: {error}; the input `binary` names the program", program.display());
            return refused(&text, exit::ExitCode::Unexpected.number(), environment);
        }
    };

    let workspace = environment.get("GITHUB_WORKSPACE").map_or(current.clone(), |path| current.join(path));
    let places = Places { directory, workspace };
    for annotation in annotations(&report, exit, &places) {
        child::say(&annotation.command());
    }
    let told = tell(environment, &inputs, &places, &report, exit);
    let mut page = summary::summary(&report, exit);
    if let Told::Not(annotation) = &told {
        child::say(&annotation.command());
        page.insert_str(0, &format!("> {}\n\n", escaped(&annotation.message)));
    }
    let left = Left {
        plan_file: plan_file(&inputs, &places, exit),
        comment: if let Told::There(address) = told { address } else { String::new() },
    };
    leave(environment, &page, &outputs::outputs(&report, exit, &left));
    if inputs.detailed_exit_code == DetailedExitCode::Output
        && exit == exit::ExitCode::ChangesPending.number()
    {
        return exit::ExitCode::Ok.number();
    }
    exit
}

/// What became of the comment.
enum Told {
    /// None was wanted.
    Unwanted,
    /// It is there, at this address.
    There(String),
    /// It could not be written.
    Not(Annotation),
}

/// Writes the comment in the pull request, if one is wanted. What goes wrong does not change how the step ends.
fn tell(environment: &Environment, inputs: &Inputs, places: &Places, report: &Report, exit: u8) -> Told {
    let is_wanted = match inputs.comment {
        Wish::Never => false,
        Wish::Usual => inputs.command == Command::Plan,
        Wish::Always => true,
    };
    let Some(token) = inputs.token.as_ref().filter(|_| is_wanted) else { return Told::Unwanted };
    let event = environment.get("GITHUB_EVENT_PATH").and_then(|path| fs_err::read_to_string(path).ok());
    let place = Place::read(environment, event.as_deref());
    let (Some(number), Some(repository)) = (place.pull_request, &place.repository) else {
        if inputs.comment == Wish::Usual {
            return Told::Unwanted;
        }
        let text = "there is no comment: this run belongs to no pull request";
        return Told::Not(Annotation::general(Level::Notice, "", text));
    };
    let directory = places.directory_in_repository();
    let of = |input: &Option<String>, names: &[&str]| {
        let variables = names.iter().filter_map(|name| environment.get(*name));
        input.iter().chain(variables).find(|value| !value.is_empty()).cloned().unwrap_or_default()
    };
    let config = of(&inputs.config, &["RUNWAY_RS_CONFIG"]);
    let subject = sticky::Subject {
        directory: &directory,
        config: config.trim_start_matches("./"),
        environment: &of(&inputs.deploy_environment, &["DEPLOY_ENVIRONMENT"]),
        region: &of(&inputs.region, &["AWS_REGION", "AWS_DEFAULT_REGION"]),
    };
    let about = About { subject, commit: place.commit.as_deref(), run: place.run.as_deref() };
    let body = token.hidden_in(&comment(report, exit, &about, comment::LIMIT));
    // Tests do not wait.
    let waits = environment.get("RUNWAY_GH_ACTION_WAITS").is_none_or(|value| value != "false");
    let second = if waits { Duration::from_secs(1) } else { Duration::ZERO };
    let mut api = Api::new(&place.api, token, second);
    match sticky::leave(&mut api, (repository, number), &subject.marker(), &body) {
        Ok(address) => Told::There(address),
        Err(trouble) => {
            let (level, remedy) = match &trouble {
                Trouble::Denied(_) | Trouble::Missing(_) => (
                    Level::Notice,
                    "; a token needs `pull-requests: write` for it, which runs for forks do not get. \
                     The summary of this step says the same",
                ),
                Trouble::Unsure(_) | Trouble::Failed(_) => {
                    (Level::Warning, ". The summary of this step says the same")
                }
            };
            let text = format!("the comment in the pull request was not written: {}{remedy}", trouble.text());
            Told::Not(Annotation::general(level, "", text))
        }
    }
}

/// Where the plan was saved, or which saved plan was carried out, from the root of the repository; empty if none was.
fn plan_file(inputs: &Inputs, places: &Places, exit: u8) -> String {
    let went_well =
        [exit::ExitCode::Ok, exit::ExitCode::ChangesPending].iter().any(|code| code.number() == exit);
    let file = inputs.plan_file.as_deref().filter(|file| places.directory.join(file).is_file());
    let is_there = inputs.command != Command::Plan || went_well;
    file.filter(|_| is_there).map(|file| places.in_repository(file)).unwrap_or_default()
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

/// Where files go that are gone after the step.
fn temporary(environment: &Environment) -> PathBuf {
    let named = environment.get("RUNNER_TEMP").filter(|path| Path::new(path).is_dir());
    named.map_or_else(std::env::temp_dir, PathBuf::from)
}

/// A text that occurs nowhere else.
fn unique() -> String {
    format!("runway-{}", uuid::Uuid::new_v4())
}
