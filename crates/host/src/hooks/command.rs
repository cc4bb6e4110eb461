//! `command.run_command`.

use async_trait::async_trait;
use runway_core::registry::{HandlerFailure, HookCall, HookHandler, HookOutput};
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::{in_directory, wrong};
use crate::program::{Input, Program, Wanted};
use runway_core::secrets::Secrets;

/// The shell of `shell: true`.
const SHELL: &str = "/bin/sh";
/// Further arguments of Python's `subprocess.Popen` that choose between bytes and text, or tune pipes.
const ABOUT_PIPES: [&str; 6] = ["bufsize", "close_fds", "encoding", "errors", "text", "universal_newlines"];

/// Runs a command.
#[derive(Debug)]
pub(super) struct RunCommand;

/// Its arguments.
#[derive(Debug)]
struct Wish {
    program: Program,
    /// How the command is shown.
    shown: String,
    ignore_status: bool,
}

#[async_trait]
impl HookHandler for RunCommand {
    async fn run(&self, call: &HookCall, output: &dyn HookOutput) -> Result<Value, HandlerFailure> {
        let secrets = Secrets::new(&call.secrets);
        let wish = Wish::read(call)?;
        let shown = secrets.hide(&wish.shown);
        output.line(&format!("running command: {shown}"));
        let ended = wish.program.run(output, &secrets).await?;
        if ended.status.success() || wish.ignore_status {
            return Ok(json!({"returncode": ended.code(), "stdout": ended.stdout, "stderr": ended.stderr}));
        }
        Err(HandlerFailure {
            message: format!("the command `{shown}` failed ({})", ended.status),
            help: Some("correct the command, or accept any status with `ignore_status: true`".to_owned()),
            // What was shown while it ran is not shown again.
            detail: (wish.program.wanted == Wanted::Captured && !ended.last.is_empty()).then_some(ended.last),
            kind: None,
        })
    }
}

impl Wish {
    fn read(call: &HookCall) -> Result<Self, HandlerFailure> {
        let mut arguments = Arguments::new(&call.args);
        let command = arguments.text_or_texts("command")?;
        let capture = arguments.flag("capture", false)?;
        let quiet = arguments.flag("quiet", false)?;
        let interactive = arguments.flag("interactive", false)?;
        let ignore_status = arguments.flag("ignore_status", false)?;
        let shell = arguments.flag("shell", false)?;
        let input = arguments.text("stdin")?.filter(|text| !text.is_empty());
        let directory = in_directory(call, arguments.text("cwd")?.as_deref());
        let executable = arguments.text("executable")?;
        let overrides = arguments.text_map("env")?;
        arguments.ignore(&ABOUT_PIPES);
        arguments.end()?;

        if quiet && capture {
            return Err(wrong(
                "`capture` and `quiet` exclude each other",
                "`quiet` throws the output away, `capture` returns it: remove one of them",
            ));
        }
        let shown = match &command {
            Ok(text) => text.clone(),
            Err(words) => words.join(" "),
        };
        let mut words = match command {
            Ok(text) => vec![text],
            Err(words) => words,
        };
        if words.first().is_none_or(|program| program.trim().is_empty()) {
            return Err(wrong("`args.command` is empty", "name a program to run"));
        }
        // Python: a list with `shell` is a script and its parameters; a text without it is the name of a program.
        let (program, name, words) = if shell {
            words.insert(0, "-c".to_owned());
            (executable.unwrap_or_else(|| SHELL.to_owned()), None, words)
        } else {
            let program = words.remove(0);
            let is_sentence =
                words.is_empty() && program.contains(' ') && !directory.join(&program).is_file();
            if executable.is_none() && is_sentence {
                return Err(wrong(
                    format!("there is no program called `{shown}`"),
                    "write `command` as a list of words, or set `shell: true`",
                ));
            }
            match executable {
                Some(executable) => (executable, Some(program), words),
                None => (program, None, words),
            }
        };
        let mut environment = call.environment.clone();
        environment.extend(overrides);
        Ok(Self {
            program: Program {
                program,
                name,
                arguments: words,
                directory,
                environment,
                interactive,
                input: match input {
                    Some(text) => Input::Text(text),
                    None if interactive => Input::Terminal,
                    None => Input::Nothing,
                },
                wanted: if quiet {
                    Wanted::Nothing
                } else if capture {
                    Wanted::Captured
                } else if interactive {
                    Wanted::Terminal
                } else {
                    Wanted::Lines
                },
            },
            shown,
            ignore_status,
        })
    }
}
