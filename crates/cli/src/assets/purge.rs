//! Telling whoever keeps copies of entry points that they have changed.

use std::collections::BTreeMap;

use miette::Diagnostic;
use runway_artifacts::assets::{AssetsError, PushOutcome, Session};
use runway_artifacts::document::About;
use runway_core::engine::EngineError;
use runway_core::error::Problem;
use runway_core::exit::ExitCode;
use runway_core::task::{Program, Programs as _};
use runway_host::tasks::TaskPrograms;
use thiserror::Error;

use super::place::PlaceProblem;
use super::{AssetsContext, failed};
use crate::args::AssetsPurge;

/// Variable with the entry points that have changed.
const CHANGED: &str = "RUNWAY_RS_ASSETS_CHANGED";

/// Bytes that this variable has at most: systems refuse to start programs with longer ones.
const LONGEST: usize = 100_000;

/// Why the entry points were not purged.
#[derive(Debug, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
enum PurgeProblem {
    #[error("the build {build} of {app} is live, but `{program}` of `--purge-cmd` ended with {status}")]
    #[diagnostic(
        code(assets::purge_failed),
        help(
            "nothing of the push has to be done again: old entry points are served until they are purged by hand, or too old"
        )
    )]
    Ended { app: String, build: String, program: String, status: i32 },

    #[error("the build {build} of {app} is live, but {message}")]
    #[diagnostic(code(assets::purge_failed), help("{help}"))]
    NotRun { app: String, build: String, message: String, help: String },
}

impl Problem for PurgeProblem {
    fn exit_code(&self) -> ExitCode {
        ExitCode::StepsFailed
    }
}

/// How it is told.
pub(super) struct Purge {
    words: Vec<String>,
    public_url: Option<String>,
}

impl Purge {
    /// What the options say; nothing if there is no command.
    pub(super) fn of(arguments: &AssetsPurge) -> Result<Option<Self>, EngineError> {
        let Some(command) = &arguments.purge_cmd else { return Ok(None) };
        let wrong = |reason: &str| {
            EngineError::of(PlaceProblem::Value { name: "--purge-cmd", reason: reason.to_owned() })
        };
        let words = words(command).ok_or_else(|| wrong("a quote is not closed"))?;
        if words.first().is_none_or(String::is_empty) {
            return Err(wrong("it names no program"));
        }
        Ok(Some(Self { words, public_url: arguments.public_url.clone() }))
    }

    fn shown(&self, path: &str) -> String {
        match &self.public_url {
            Some(url) => format!("{}/{}", url.trim_end_matches('/'), encoded(path)),
            None => path.to_owned(),
        }
    }
}

/// Splits a command into words, as a shell does with quotes and backslashes and nothing else; `None` if a quote is not
/// closed. The program's image has no shell.
fn words(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        letter => word.push(letter),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        letter => word.push(letter),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

/// A path as a part of a URL.
fn encoded(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => text.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => text.push(byte.into()),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

impl AssetsContext<'_> {
    /// Runs the command if entry points have changed, or may have unseen; tells whether it did.
    pub(super) async fn purge(
        &self,
        purge: &Purge,
        about: &About,
        session: &Session,
        outcome: &PushOutcome,
    ) -> Result<bool, EngineError> {
        if outcome.to_purge.is_empty() {
            return Ok(false);
        }
        let changed: Vec<String> = outcome.to_purge.iter().map(|path| purge.shown(path.as_str())).collect();
        let lines: String = changed.iter().map(|line| format!("{line}\n")).collect();
        let build = outcome.manifest.map(|id| id.to_string()).unwrap_or_default();
        let mut environment = BTreeMap::from([
            ("RUNWAY_RS_ASSETS_APP".to_owned(), about.app.clone()),
            ("RUNWAY_RS_ASSETS_BUCKET".to_owned(), about.bucket.clone()),
            ("RUNWAY_RS_ASSETS_MANIFEST".to_owned(), build.clone()),
        ]);
        if lines.len() <= LONGEST {
            environment.insert(CHANGED.to_owned(), changed.join("\n"));
        }
        let program =
            Program { words: purge.words.clone(), environment, input: Some(lines), ..Program::default() };
        let programs =
            TaskPrograms { directory: self.current.to_owned(), environment: self.environment.clone() };
        let tell = |line: &str| self.output.progress(line);
        let ended = tokio::select! {
            ended = programs.run(&program, &tell) => ended,
            () = session.stop.cancelled() => return Err(failed(AssetsError::Interrupted)),
        };
        let app = about.app.clone();
        match ended {
            Ok(ended) if ended.status == 0 => Ok(true),
            Ok(ended) => {
                let program = purge.words.first().cloned().unwrap_or_default();
                Err(EngineError::of(PurgeProblem::Ended { app, build, program, status: ended.status }))
            }
            Err(failure) => {
                let help = failure.help.unwrap_or_else(|| "correct `--purge-cmd`".to_owned());
                Err(EngineError::of(PurgeProblem::NotRun { app, build, message: failure.message, help }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{encoded, words};

    #[test]
    fn commands_are_split_as_a_shell_does() {
        let split = |text: &str| words(text).unwrap();
        assert_eq!(split("  purge --all\tnow "), ["purge", "--all", "now"]);
        assert_eq!(
            split(r#"sh -c 'cat > "a b"' x\ y "q\"\n""#),
            ["sh", "-c", "cat > \"a b\"", "x y", "q\"\\n"]
        );
        assert_eq!(split("a '' b"), ["a", "", "b"]);
        assert_eq!((words("a 'b"), words("a \"b"), words("a\\")), (None, None, None));
        assert!(split(" ").is_empty());
    }

    #[test]
    fn paths_become_parts_of_urls() {
        assert_eq!(encoded("a b/ü#1.html"), "a%20b/%C3%BC%231.html");
    }
}
