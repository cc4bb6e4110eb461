//! The templates of pictures and pages. Everything that they print is escaped, and made harmless first: a name or a
//! value can neither become markup nor turn round the text beside it.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, Output, State};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::style::harmless;
use crate::lookup::file::base64;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(print);
    // Lines of statements leave no lines behind.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    for (name, text) in
        [("picture_style", PICTURE_STYLE), ("page_style", PAGE_STYLE), ("page_script", PAGE_SCRIPT)]
    {
        environment.add_global(name, Value::from_safe_string(text.to_owned()));
    }
    let sources = [
        ("picture.j2", include_str!("templates/picture.j2")),
        ("drawing.svg.j2", include_str!("templates/drawing.svg.j2")),
        ("page.html.j2", include_str!("templates/page.html.j2")),
        ("plan.j2", include_str!("templates/plan.j2")),
    ];
    for (name, source) in sources {
        // A template that cannot be read is missing when it is rendered, which a test would see.
        let _ = environment.add_template(name, source);
    }
    environment
});

/// Style sheet of the pictures.
const PICTURE_STYLE: &str = include_str!("templates/picture.css");
/// Style sheet of the page: its own, and that of the pictures in it.
const PAGE_STYLE: &str = concat!(include_str!("templates/page.css"), include_str!("templates/picture.css"));
/// Script of the page.
const PAGE_SCRIPT: &str = include_str!("templates/page.js");

/// What a page allows itself: its one style sheet and its one script, as sources of a content security policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Allowed {
    style: String,
    script: String,
}

impl Allowed {
    /// The digests of what [`html`] writes into a page.
    pub(super) fn by_digest() -> Self {
        let source = |text: &str| format!("sha256-{}", base64(&Sha256::digest(text)));
        Self { style: source(PAGE_STYLE), script: source(PAGE_SCRIPT) }
    }
}

/// An SVG document.
pub(super) fn svg(drawing: &impl Serialize) -> String {
    render("drawing.svg.j2", drawing)
}

/// An HTML document.
pub(super) fn html(page: &impl Serialize) -> String {
    render("page.html.j2", page)
}

fn render(name: &str, values: &impl Serialize) -> String {
    let rendered = ENVIRONMENT.get_template(name).and_then(|template| template.render(Serde(values)));
    // The templates are part of the program and render whatever they are given, so the fallback is never written.
    let mut text = rendered
        .unwrap_or_else(|error| format!("<!-- {} -->", harmless(&error.to_string()).replace("--", "")));
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Prints a value of a template.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => {
            minijinja::escape_formatter(out, state, &Value::from(printable(text)))
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// Harmless, and without the two characters that neither XML nor HTML may contain and that are no control characters.
fn printable(text: &str) -> String {
    harmless(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
