//! `command`: a program on the user's machine.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::super::{
    Given, Gives, Program, ReadContext, TaskAction, TaskChange, TaskDone, TaskFailure, TaskKind, WriteContext,
};
use super::arguments::{Problems, Text, Texts, plain};
use super::calls::failure;
use super::changes::{Details, Outputs, nothing};

/// The longest output that is recorded.
const LONGEST: usize = 64 * 1024;
/// The shell of a command that is one text.
const SHELL: &str = "/bin/sh";

pub(super) struct Command;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    command: Words,
    #[serde(default)]
    args: Vec<Text>,
    #[serde(default)]
    env: Texts,
    #[serde(default)]
    directory: Option<String>,
    #[serde(default)]
    stdin: Option<String>,
    #[serde(default)]
    capture: bool,
    #[serde(default = "success")]
    accept: Vec<i32>,
}

fn success() -> Vec<i32> {
    vec![0]
}

/// A text for the shell, or a program and its arguments.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "`command` must be a text, or a list of words")]
enum Words {
    Shell(String),
    List(Vec<Text>),
}

impl Spec {
    fn words(&self) -> Vec<String> {
        let args = self.args.iter().map(|word| word.0.clone());
        match &self.command {
            // What follows the text are its $1, $2 and so on; $0 is the shell.
            Words::Shell(text) => {
                let shell = [SHELL, "-c", text, SHELL].map(str::to_owned);
                shell.into_iter().chain(args).collect()
            }
            Words::List(words) => words.iter().map(|word| word.0.clone()).chain(args).collect(),
        }
    }

    fn shown(&self) -> String {
        let args = self.args.iter().map(|word| word.0.as_str());
        match &self.command {
            Words::Shell(text) => std::iter::once(text.as_str()).chain(args).collect::<Vec<_>>().join(" "),
            Words::List(words) => {
                words.iter().map(|word| word.0.as_str()).chain(args).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

#[async_trait]
impl TaskKind for Command {
    const KIND: &'static str = "command";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const EFFECTS: bool = true;
    const GIVES: Gives =
        Gives::only(&[Given::changing("status", &[]), Given::free("output").with("capture")]);
    type Spec = Spec;
    type State = ();

    fn subject(spec: &Spec) -> String {
        match &spec.command {
            Words::Shell(text) => text.clone(),
            Words::List(words) => words.iter().map(|word| word.0.as_str()).collect::<Vec<_>>().join(" "),
        }
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        let empty = match &spec.command {
            Words::Shell(text) => text.trim().is_empty(),
            Words::List(words) => words.first().is_none_or(|word| word.0.trim().is_empty()),
        };
        problems.when(empty, "`command` is empty: name a program to run");
        for name in spec.env.keys() {
            problems.when(
                name.is_empty() || name.contains(['=', '\0']),
                format!("`{}` cannot be the name of a variable", name.escape_default()),
            );
        }
        let words = spec.words();
        problems.when(words.iter().any(|word| word.contains('\0')), "no word of a command may hold a NUL");
        let never = spec.accept.iter().find(|status| !(0..=255).contains(*status));
        if let Some(status) = never {
            problems.when(true, format!("`accept` lists {status}, which is no status: they are 0 to 255"));
        }
        problems.when(spec.accept.is_empty(), "`accept` lists no status with which the program may end");
        problems.take()
    }

    async fn read(&self, _context: &ReadContext<'_>, _spec: &Spec) -> Result<(), TaskFailure> {
        Ok(())
    }

    fn diff(&self, spec: &Spec, _state: &()) -> TaskChange {
        let mut details = Details::default();
        details.text("command", None, Some(&spec.shown()));
        details.text("directory", None, spec.directory.as_deref());
        details.of(TaskAction::Run, Outputs::default())
    }

    fn diff_removed(&self, _spec: &Spec, _state: &()) -> TaskChange {
        nothing()
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        _planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let program = Program {
            words: spec.words(),
            directory: spec.directory.clone(),
            environment: plain(&spec.env),
            input: spec.stdin.clone(),
            capture: spec.capture,
            ..Program::default()
        };
        let ended = context.run(&program).await?;
        if !spec.accept.contains(&ended.status) {
            let how = match ended.status {
                status if status < 0 => format!("by signal {}", -status),
                status => format!("with status {status}"),
            };
            // What was shown while it ran is not shown again.
            let last = if spec.capture && !ended.last.is_empty() {
                format!(": {}", ended.last)
            } else {
                String::new()
            };
            return Err(failure(
                format!("the command `{}` ended {how}{last}", spec.shown()),
                if ended.status < 0 {
                    "something stopped it, or it stopped itself: run the command again once that is cleared up"
                } else {
                    "correct the command, or list the status in `accept`"
                },
            ));
        }
        let mut outputs = Outputs::default().with("status", ended.status.to_string());
        if let Some(output) = ended.output {
            let output = output.trim_end_matches(['\n', '\r']);
            if output.len() > LONGEST {
                let length = output.len();
                return Err(failure(
                    format!(
                        "the command `{}` printed {length} bytes, and a task keeps {LONGEST} at most",
                        spec.shown()
                    ),
                    "let it print what others need, and write the rest to a file; without `capture` it may print as much as it likes",
                ));
            }
            outputs = outputs.with("output", output);
        }
        Ok(outputs.into())
    }
}
