//! Jinja2 templates (`.j2`), rendered as CFNgin renders them: Jinja2's defaults, no autoescaping, undefined names print
//! nothing, and other templates are found relative to the directory of the template.
//!
//! What Jinja2 takes from Python and its engine here does not is listed in `docs/templates.md` and tested beside the
//! real Jinja2.

use std::collections::BTreeMap;

use camino::Utf8Path;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Map;

use crate::error::Findings;
use crate::files::Files;
use loader::Sources;

mod attributes;
mod cycler;
mod filters;
mod loader;
mod methods;
mod problem;
mod words;

pub use problem::JinjaProblem;

/// What one rendering may cost, in steps of the engine; texts cost one step per 64 bytes. A template near
/// CloudFormation's limit of 1 MB takes a few hundred thousand, one that does not end takes them all in a second or two.
const FUEL: u64 = 5_000_000;

/// Stack for a rendering, in bytes. The engine limits how deep expressions and templates may be in one another, but needs
/// more for that than threads have that run tasks.
const STACK: usize = 64 << 20;

/// How many times a template may come to a name that was not read before.
const TEMPLATES: usize = 200;

/// What templates can see.
#[derive(Debug, Clone, Default)]
pub struct JinjaContext {
    /// `name`: the stack's name.
    pub name: String,
    /// `variables`: the stack's variables with their lookups resolved. Those that are null are left out, as in CFNgin.
    pub variables: Map<String, serde_json::Value>,
    /// `mappings` of the config.
    pub mappings: Map<String, serde_json::Value>,
    /// `context.parameters`: environment file and options of the command line; also `context.environment`.
    pub parameters: Map<String, serde_json::Value>,
    /// `context.env.name`: name of the deploy environment.
    pub environment: String,
    /// `context.env.aws_region`.
    pub region: String,
    /// `context.env.vars`: environment variables of the run.
    pub environment_variables: BTreeMap<String, String>,
    /// `context.namespace`.
    pub namespace: String,
    /// `context.namespace_delimiter`.
    pub namespace_delimiter: String,
    /// `context.bucket_name`; `None` if no bucket is used.
    pub bucket_name: Option<String>,
    /// `context.tags`: tags of the config, the default `cfngin_namespace` filled in.
    pub tags: BTreeMap<String, String>,
    /// `context.hook_data`: results of hooks by their `data_key`.
    pub hook_data: Map<String, serde_json::Value>,
}

/// Renders the template at `path`.
///
/// # Errors
/// [`Findings`] with the place that cannot be rendered, which may be in a template that this one includes.
pub fn render(path: &Utf8Path, files: &dyn Files, context: &JinjaContext) -> Result<String, Findings> {
    let work = || render_here(path, files, context);
    std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => work(),
        }
    })
}

fn render_here(path: &Utf8Path, files: &dyn Files, context: &JinjaContext) -> Result<String, Findings> {
    let name = path.file_name().unwrap_or_default();
    let directory = path.parent().unwrap_or(Utf8Path::new(""));
    let sources = Sources::default();
    sources.read(name, directory, files)?;
    if !sources.has(name) {
        let path = files.shown(path);
        return Err(JinjaProblem::Missing { path }.into_findings());
    }
    let values = attributes::root(context);
    // A name may be computed, so which other templates are needed shows only while rendering. Rendering has no
    // effects: it is done again whenever a name was met that had not been read yet.
    for _ in 0..=TEMPLATES {
        let mut environment = environment();
        let known = sources.clone();
        environment.set_loader(move |name| Ok(known.get(name)));
        let rendered = environment.get_template(name).and_then(|template| template.render(&values));
        let wanted = sources.take_wanted();
        if wanted.is_empty() {
            return rendered.map_err(|error| {
                problem::findings(&error, name, &sources, &|name| {
                    files.shown(&loader::path(directory, name).unwrap_or_else(|| directory.join(name)))
                })
            });
        }
        for name in wanted {
            sources.read(&name, directory, files)?;
        }
    }
    Err(JinjaProblem::TooMany { path: files.shown(path), limit: TEMPLATES }.into_findings())
}

/// The engine with Jinja2's defaults.
fn environment<'source>() -> Environment<'source> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_debug(true);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(methods::call);
    environment.add_function("cycler", cycler::cycler);
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
    environment.remove_global("debug");
    environment.set_formatter(filters::print);
    filters::add(&mut environment);
    environment
}

#[cfg(test)]
mod tests;
