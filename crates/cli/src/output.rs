//! The only module that prints: data on standard output, everything else on standard error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use runway_core::error::Finding;
use runway_core::exit::ExitCode;
use runway_core::render::json::PlanDocument;
use runway_core::render::style::Style;
use runway_core::render::{picture, problems};
use runway_core::secrets::Vault;
use serde_json::{Map, Value};

use crate::args::{Colour, Global};

/// Errors and warnings that are shown in full.
const MOST_FINDINGS: usize = 50;

/// Where and how to print.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// Colours on standard output.
    pub(crate) style: Style,
    /// Colours on standard error.
    pub(crate) error_style: Style,
    /// Columns.
    pub(crate) width: usize,
    /// Requests are told as well.
    pub(crate) verbose: bool,
    /// 0 for everything, 1 for no progress, 2 for errors only.
    pub(crate) quiet: u8,
    /// Errors as a JSON document on standard output as well.
    pub(crate) json_errors: bool,
    /// JSON documents are lines among others.
    pub(crate) json_lines: bool,
    /// A file that gets every error and warning as a line of JSON, for a program that shows them beside the lines they are
    /// about: what a plan prints has no room for warnings.
    pub(crate) findings_file: Option<PathBuf>,
    /// The module and region that is spoken of, in a project.
    pub(crate) label: Option<String>,
    /// Other targets speak at the same time, so every line says of which it is.
    pub(crate) is_one_of_many: bool,
    /// What is never shown, by this output and all of its copies.
    pub(crate) vault: Arc<Vault>,
    /// Those of them that the project gives, which are the same in every run.
    pub(crate) given: Arc<Mutex<Vec<String>>>,
}

impl Output {
    /// Decides on colours and width.
    pub(crate) fn new(global: &Global, environment: &std::collections::BTreeMap<String, String>) -> Self {
        let set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
        let off = global.no_color || set("NO_COLOR") || set("RUNWAY_NO_COLOR");
        let colorize = environment.get("RUNWAY_COLORIZE").map(|value| value.to_lowercase());
        let is = |words: &[&str]| colorize.as_deref().is_some_and(|value| words.contains(&value));
        let forced = is(&["1", "true", "yes", "on"]);
        let off = off || is(&["0", "false", "no", "off"]);
        let colour = |terminal: bool| match global.color {
            Colour::Always => !global.no_color,
            Colour::Never => false,
            Colour::Auto => {
                !off && (terminal || set("CLICOLOR_FORCE") || forced)
                    && environment.get("TERM").is_none_or(|term| term != "dumb")
            }
        };
        let width =
            environment.get("COLUMNS").and_then(|text| text.parse().ok()).filter(|width| *width >= 40);
        Self {
            style: Style { colour: colour(std::io::stdout().is_terminal()) },
            error_style: Style { colour: colour(std::io::stderr().is_terminal()) },
            width: width.or_else(terminal_width).unwrap_or(80),
            verbose: global.verbose > 0,
            quiet: global.quiet,
            json_errors: false,
            json_lines: false,
            findings_file: environment
                .get("RUNWAY_RS_FINDINGS")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            label: None,
            is_one_of_many: false,
            vault: Arc::default(),
            given: Arc::default(),
        }
    }

    /// The same output, speaking of a target.
    pub(crate) fn of(&self, label: Option<&str>, is_one_of_many: bool) -> Self {
        Self { label: label.map(str::to_owned), is_one_of_many, ..self.clone() }
    }

    /// From now on these texts are not shown.
    pub(crate) fn hide(&self, secrets: Vec<String>) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).extend(secrets.iter().cloned());
        self.vault.add(secrets);
    }

    /// The texts that are not shown.
    pub(crate) fn hidden(&self) -> Vec<String> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A text for people, below the name of the target.
    pub(crate) fn headed(&self, text: &str) -> String {
        self.label.as_ref().map_or_else(|| text.to_owned(), |label| format!("{label}\n\n{text}"))
    }

    /// A JSON object with the name of the target behind its version.
    pub(crate) fn targeted(&self, document: &str) -> String {
        let Some(label) = &self.label else { return document.to_owned() };
        let Ok(Value::Object(fields)) = serde_json::from_str(document) else { return document.to_owned() };
        let mut all = Map::new();
        for (at, (name, value)) in fields.into_iter().enumerate() {
            all.insert(name, value);
            if at == 0 {
                all.insert("target".to_owned(), Value::String(label.clone()));
            }
        }
        as_written(&Value::Object(all), document)
    }

    /// Prints lines on standard error.
    fn lines(&self, text: &str) {
        let secrets = self.vault.secrets();
        let text = secrets.hidden(text);
        match self.label.as_ref().filter(|_| self.is_one_of_many) {
            None => eprint_line(&text),
            Some(label) => {
                let lines: Vec<String> = text.lines().map(|line| format!("[{label}] {line}")).collect();
                eprint_line(&lines.join("\n"));
            }
        }
    }

    /// A text for standard output without the secrets in it. A JSON document is gone through text by text: elsewhere in
    /// it the same letters are part of its form.
    pub(crate) fn data_without_secrets<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let secrets = self.vault.secrets();
        let hidden = secrets.hidden(text);
        if !text.starts_with('{') || matches!(hidden, Cow::Borrowed(_)) {
            return Cow::Owned(hidden.into_owned());
        }
        let Ok(mut document) = serde_json::from_str::<Value>(text) else {
            return Cow::Owned(hidden.into_owned());
        };
        secrets.hide_in(&mut document);
        Cow::Owned(as_written(&document, text))
    }

    /// A plan without the secrets in its texts, to be written in a form of which letters are markup.
    pub(crate) fn without_secrets_in(&self, plan: &PlanDocument) -> PlanDocument {
        let secrets = self.vault.secrets();
        picture::with_texts(plan, &|text| secrets.hide(text))
    }

    /// Prints a document that was written from data without secrets.
    #[expect(clippy::unused_self, reason = "all printing goes through a value")]
    pub(crate) fn written(&self, document: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(document.as_bytes()).and_then(|()| stdout.flush());
    }

    /// Prints data. A reader that has gone away ends the printing silently.
    pub(crate) fn data(&self, text: &str) {
        self.written(&self.data_without_secrets(text));
    }

    /// Prints data, and fails if it cannot be written for another reason than that nobody reads it any more.
    pub(crate) fn try_data(&self, text: &str) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        let text = self.data_without_secrets(text);
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// Prints a line of progress.
    pub(crate) fn progress(&self, line: &str) {
        if self.quiet == 0 {
            self.lines(line);
        }
    }

    /// Prints something a person should read even when progress is off.
    pub(crate) fn message(&self, text: &str) {
        if self.quiet < 2 {
            self.lines(text.trim_end_matches('\n'));
        }
    }

    /// Prints what is never left out: failures, and what was asked for.
    pub(crate) fn essential(&self, text: &str) {
        self.lines(text.trim_end_matches('\n'));
    }

    /// Prints errors and warnings with their places, then how many there are. Of very many the first ones do for people;
    /// a JSON document has all.
    pub(crate) fn findings(&self, findings: &[Finding], exit: ExitCode) {
        let mut text = String::new();
        let told = findings.iter().filter(|finding| self.quiet < 2 || !finding.is_warning());
        let count = told.clone().count();
        for finding in told.take(MOST_FINDINGS) {
            let _ = writeln!(text, "{}", self.rendered(finding).trim_end_matches('\n'));
            text.push('\n');
        }
        if count > MOST_FINDINGS {
            let _ = writeln!(text, "and {} more\n", count - MOST_FINDINGS);
        }
        let errors = findings.iter().filter(|finding| !finding.is_warning()).count();
        if errors > 1 {
            let _ = writeln!(text, "error: {errors} problems");
        }
        if !text.is_empty() {
            self.lines(text.trim_end_matches('\n'));
        }
        let document = || self.targeted(&problems::json(findings, exit));
        if let Some(path) = self.findings_file.as_ref().filter(|_| !findings.is_empty()) {
            self.append(path, &one_line(&document()));
        }
        if errors > 0 && self.json_errors {
            let document = document();
            self.data(&if self.json_lines { one_line(&document) } else { document });
        }
    }

    fn append(&self, path: &Path, text: &str) {
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path);
        let text = self.data_without_secrets(text);
        if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
            self.message(&format!("warning: RUNWAY_RS_FINDINGS: {error}"));
        }
    }

    fn rendered(&self, finding: &Finding) -> String {
        let theme = if self.error_style.colour {
            miette::GraphicalTheme::unicode()
        } else {
            miette::GraphicalTheme::unicode_nocolor()
        };
        let handler = miette::GraphicalReportHandler::new_themed(theme)
            .with_width(self.width)
            .with_links(false)
            // Lines that are not broken can be copied, searched and read in logs.
            .with_wrap_lines(false);
        let mut text = String::new();
        match handler.render_report(&mut text, finding) {
            Ok(()) => text,
            Err(_) => finding.to_string(),
        }
    }

    /// Asks for a text; an empty answer, and none at all, mean the default.
    #[expect(clippy::unused_self, reason = "all printing goes through a value")]
    pub(crate) fn ask_for(&self, question: &str, default: &str) -> String {
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{question} [{default}]: ").and_then(|()| stderr.flush());
        drop(stderr);
        let mut answer = String::new();
        if std::io::stdin().read_line(&mut answer).unwrap_or_default() == 0 {
            eprint_line("");
        }
        let answer = answer.trim();
        if answer.is_empty() { default.to_owned() } else { answer.to_owned() }
    }

    /// Asks a yes-or-no question; anything but a yes is a no.
    #[expect(clippy::unused_self, reason = "all printing goes through a value")]
    pub(crate) fn ask(&self, question: &str) -> bool {
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
        drop(stderr);
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer).unwrap_or_default();
        if read == 0 {
            eprint_line("");
        }
        matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }
}

/// A JSON document on one line or on several, as another is.
fn as_written(document: &Value, other: &str) -> String {
    if other.trim_end().contains('\n') { format!("{document:#}\n") } else { format!("{document}\n") }
}

/// A JSON document with so many spaces for each level.
pub(crate) fn indented(document: &str, spaces: usize) -> String {
    let indent = " ".repeat(spaces);
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    let written = serde_json::from_str::<Value>(document)
        .and_then(|value| serde::Serialize::serialize(&value, &mut writer));
    match (written, String::from_utf8(bytes)) {
        (Ok(()), Ok(text)) => format!("{text}\n"),
        _ => document.to_owned(),
    }
}

/// A pretty JSON document as one line: strings have no line ends of their own.
pub(crate) fn one_line(document: &str) -> String {
    let mut line: String = document.lines().map(str::trim_start).collect();
    line.push('\n');
    line
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether progress can be drawn.
pub(crate) fn is_live() -> bool {
    std::io::stderr().is_terminal()
}

/// Prints clap's words on a wrong command line, or the help or version that was asked for.
pub(crate) fn usage(error: &clap::Error) -> u8 {
    let _ = error.print();
    if error.use_stderr() { ExitCode::Usage.number() } else { ExitCode::Ok.number() }
}

fn eprint_line(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

fn terminal_width() -> Option<usize> {
    use std::os::fd::AsFd;
    let stderr = std::io::stderr();
    let size = rustix::termios::tcgetwinsize(stderr.as_fd()).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width >= 40)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Arguments;

    #[test]
    fn a_document_without_its_secrets_is_still_one() {
        let arguments = Arguments::try_parse_from(["x", "plan"]).unwrap();
        let output = Output::new(&arguments.global, &std::collections::BTreeMap::new());
        output.hide(vec!["true".to_owned(), "name".to_owned(), "a\"b\\c".to_owned()]);
        let document = "{\"name\": true, \"list\": [\"is true\", \"a\\\"b\\\\c\"]}\n";
        assert_eq!(
            output.data_without_secrets(document),
            "{\"name\":true,\"list\":[\"is ****\",\"****\"]}\n"
        );
        assert_eq!(output.data_without_secrets("it is true"), "it is ****");
    }
}
