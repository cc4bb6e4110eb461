//! What can be wrong with a Jinja2 template, at its place.

use std::error::Error as _;

use camino::Utf8PathBuf;
use miette::{Diagnostic, SourceSpan};
use minijinja::{Error, ErrorKind};
use thiserror::Error;

use super::loader::Sources;
use crate::error::{Finding, Findings, Problem};
use crate::exit::ExitCode;
use crate::files::FileError;
use crate::text::Document;

/// Methods of Python that change a list or a map.
const CHANGES: [&str; 11] = [
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "update",
];

/// Problems of Jinja2 templates.
#[derive(Debug, Error, Diagnostic)]
pub enum JinjaProblem {
    /// The template is not there.
    #[error("there is no template {path}")]
    #[diagnostic(
        code(jinja::missing),
        help("`template_path` is relative to the directory of the config, then to `sys_path`")
    )]
    Missing {
        /// Its path.
        path: Utf8PathBuf,
    },
    /// A file that is no text.
    #[error("{error}")]
    #[diagnostic(
        code(jinja::unreadable),
        help("templates and what they include must be readable UTF-8 text")
    )]
    Unreadable {
        /// Why.
        error: FileError,
    },
    /// More templates than anyone has.
    #[error("{path} comes to more than {limit} other templates")]
    #[diagnostic(code(jinja::too_many), help("include fewer, larger templates"))]
    TooMany {
        /// The template.
        path: Utf8PathBuf,
        /// How many there may be.
        limit: usize,
    },
    /// It is not written in Jinja2's language.
    #[error("{message}")]
    #[diagnostic(code(jinja::syntax))]
    Syntax {
        /// The engine's words.
        message: String,
        /// What to do.
        #[help]
        help: String,
        /// The place.
        #[label("here")]
        span: SourceSpan,
    },
    /// It cannot be rendered with these values.
    #[error("{message}")]
    #[diagnostic(code(jinja::render))]
    Render {
        /// The engine's words.
        message: String,
        /// What to do.
        #[help]
        help: String,
        /// The place.
        #[label("here")]
        span: SourceSpan,
    },
    /// It does not end, or makes far too much text.
    #[error("rendering takes too long or makes too much text")]
    #[diagnostic(
        code(jinja::endless),
        help(
            "a template must end and may have 1 MB in CloudFormation; look for a loop over too much, or templates that include themselves"
        )
    )]
    Endless {
        /// Where it was stopped.
        #[label("stopped here")]
        span: SourceSpan,
    },
}

impl Problem for JinjaProblem {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Config
    }
}

impl JinjaProblem {
    /// The only finding, without a place in a file.
    pub(super) fn into_findings(self) -> Findings {
        let mut findings = Findings::default();
        findings.push(Finding::general(self));
        findings
    }
}

/// The finding for an error of the engine, at the place where it came up.
pub(super) fn findings(
    error: &Error,
    main: &str,
    sources: &Sources,
    shown: &dyn Fn(&str) -> Utf8PathBuf,
) -> Findings {
    // An error inside of an included template or a block is wrapped by those around it.
    let mut innermost = error;
    while let Some(inner) = innermost.source().and_then(|inner| inner.downcast_ref::<Error>()) {
        innermost = inner;
        if inner.kind() == ErrorKind::OutOfFuel {
            break;
        }
    }
    let mut placed = error;
    let mut next = Some(error);
    while let Some(error) = next {
        if error.name().is_some() {
            placed = error;
        }
        next = error.source().and_then(|inner| inner.downcast_ref::<Error>());
    }
    let name = placed.name().unwrap_or(main);
    let text = sources.get(name).unwrap_or_default();
    let document = Document::new(shown(name), text);
    let line = document.line(placed.line().unwrap_or(1).saturating_sub(1));
    let range = placed.range().filter(|range| range.end <= document.text.len() && !range.is_empty());
    let span = range.unwrap_or(line);
    let expression = document.text.get(span.clone()).unwrap_or_default().to_owned();
    let span = SourceSpan::new(span.start.into(), span.len());
    let mut findings = Findings::default();
    findings.push(Finding::at(&document, problem(innermost, &expression, span)));
    findings
}

fn problem(error: &Error, expression: &str, span: SourceSpan) -> JinjaProblem {
    let detail = error.detail().map(str::to_owned);
    let message = match (&detail, error.kind()) {
        (Some(detail), ErrorKind::UndefinedError) => format!("an undefined value is used: {detail}"),
        (Some(detail), _) => detail.clone(),
        (None, ErrorKind::UndefinedError) => "an undefined value is used".to_owned(),
        (None, kind) => kind.to_string(),
    };
    let help = match error.kind() {
        ErrorKind::OutOfFuel => return JinjaProblem::Endless { span },
        ErrorKind::InvalidOperation if message.contains("recursion limit") => {
            return JinjaProblem::Endless { span };
        }
        ErrorKind::SyntaxError | ErrorKind::BadEscape | ErrorKind::InvalidDelimiter => {
            let help = "correct the template; text that only looks like Jinja2 goes between `{% raw %}` and `{% endraw %}`";
            return JinjaProblem::Syntax { message, help: help.to_owned(), span };
        }
        ErrorKind::TemplateNotFound => {
            "other templates are looked for in the directory of the stack's template and below it, `..` is not allowed (Jinja2)"
        }
        ErrorKind::UnknownFilter => "docs/templates.md lists the filters",
        ErrorKind::UnknownTest => "docs/templates.md lists the tests",
        ErrorKind::UnknownFunction => {
            "functions are range, dict, namespace, cycler, joiner and the template's macros"
        }
        ErrorKind::UndefinedError | ErrorKind::InvalidOperation | ErrorKind::UnknownMethod
            if error.kind() == ErrorKind::UndefinedError || message.contains("undefined") =>
        {
            "give the variable a value in the config, or use `|default(\"value\")` or `is defined`"
        }
        ErrorKind::UnknownMethod
            if CHANGES.iter().any(|method| message.ends_with(&format!("`{method}`"))) =>
        {
            "values cannot be changed here: write for example `{% set items = items + [item] %}`, inside a loop with a `namespace`"
        }
        ErrorKind::UnknownMethod => "docs/templates.md lists the methods of texts, lists and maps",
        ErrorKind::InvalidOperation if message.contains("exists in Python only") => {
            "pass the value to the stack as a variable"
        }
        ErrorKind::InvalidOperation if message.contains("`random` is not") => {
            "choose in the config, for example with the lookup `random.string`"
        }
        ErrorKind::InvalidOperation if message.starts_with("cycle in template inheritance") => {
            "a template cannot extend itself"
        }
        ErrorKind::InvalidOperation if expression.contains('%') => {
            "Python's `\"%s\" % value` is not supported: write `\"%s\"|format(value)`"
        }
        _ => "correct the expression, or the value where it comes from",
    };
    JinjaProblem::Render { message, help: help.to_owned(), span }
}
