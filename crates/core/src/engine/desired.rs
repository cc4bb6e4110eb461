//! What a config wants, complete: its graph and the texts of its templates and stack policies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::config::{Config, StackDefinition, TemplateSource};
use crate::engine::check;
use crate::error::{Finding, Findings, Problem};
use crate::exit::ExitCode;
use crate::files::{FileError, Files};
use crate::graph::DependencyGraph;
use crate::ident::NodeName;
use crate::plan::{Desired, Purpose, Settings};
use crate::task::TaskKinds;
use crate::template::Template;
use crate::text::Span;

/// CloudFormation's limit for a stack policy in a request, in bytes.
const STACK_POLICY_LIMIT: usize = 16_384;

/// Problems with files a config names.
#[derive(Debug, Error, Diagnostic)]
enum FileProblem {
    #[error("stack `{stack}`: its template {path} does not exist")]
    #[diagnostic(
        code(template::missing),
        help("`template_path` is relative to the directory of the config, then to `sys_path`")
    )]
    Missing {
        stack: String,
        path: Utf8PathBuf,
        #[label("no such file")]
        span: SourceSpan,
    },

    #[error("stack `{stack}`: {error}")]
    #[diagnostic(code(template::unreadable), help("the file must be readable UTF-8 text"))]
    Unreadable {
        stack: String,
        error: FileError,
        #[label("named here")]
        span: SourceSpan,
    },

    #[error("stack `{stack}`: stack policy {path}: {reason}")]
    #[diagnostic(
        code(stack_policy::unusable),
        help(
            "a stack policy is a JSON document of at most 16,384 bytes; the path is relative to the directory of the config"
        )
    )]
    Policy {
        stack: String,
        path: Utf8PathBuf,
        reason: String,
        #[label("named here")]
        span: SourceSpan,
    },
}

impl Problem for FileProblem {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Config
    }
}

/// What is known beside a config and its files.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// The kinds of tasks, and nothing of a run.
    Kinds(&'a TaskKinds),
    /// The settings of a run.
    Settings(&'a Settings),
}

/// Reads everything a config names, builds its graph and checks its values. Returns what is wanted unless there are
/// errors, and every problem found. A destroy needs no files. Without `settings`, values from the environment are
/// unknown.
pub fn desired(
    config: &Arc<Config>,
    files: &dyn Files,
    purpose: Purpose,
    known: Known<'_>,
) -> (Option<Desired>, Findings) {
    let (wanted, findings) = read(config, files, purpose, known);
    (wanted.filter(|_| !findings.has_errors()), findings)
}

/// Everything that can be said about a config and the files it names for any command, without looking at the cloud.
pub fn validate(config: &Arc<Config>, files: &dyn Files, kinds: &TaskKinds) -> Findings {
    let (desired, mut findings) = read(config, files, Purpose::Deploy, Known::Kinds(kinds));
    if let Some(desired) = desired {
        findings.extend(check::missing(config, &desired.templates));
    }
    findings
}

/// What is wanted as far as it could be read; nothing if there is no graph.
fn read(
    config: &Arc<Config>,
    files: &dyn Files,
    purpose: Purpose,
    known: Known<'_>,
) -> (Option<Desired>, Findings) {
    let (graph, mut findings) = DependencyGraph::build(config);
    let (kinds, settings) = match known {
        Known::Kinds(kinds) => (kinds.clone(), None),
        Known::Settings(settings) => (settings.kinds.clone(), Some(settings)),
    };
    findings.extend(check::tasks(config, &kinds, settings));
    let mut read = Templates::default();
    let mut policies = BTreeMap::new();
    if purpose == Purpose::Deploy {
        let hooks_done = settings.is_some_and(|settings| settings.hooks_done);
        let hooks_make_files = !hooks_done && config.hooks.before_deploy();
        read = read_templates(config, files, hooks_make_files, &mut findings);
        for definition in config.stacks.values() {
            match read_policy(definition, files) {
                Ok(Some(policy)) => {
                    policies.insert(definition.name.clone(), policy);
                }
                Ok(None) => {}
                Err(problem) => findings.push(Finding::at(&config.document, problem)),
            }
        }
        findings.extend(check::values(config, &read.templates, &kinds, settings));
    }
    let Templates { templates, jinja, unmade } = read;
    findings.retain(|finding| !finding.touches(&config.document, &config.undefined));
    let shown = without_secrets(config, &templates);
    findings.show(&config.document, &shown.document);
    let config = &shown;
    let config = Arc::clone(config);
    let desired = graph.map(|graph| Desired { config, graph, templates, jinja, unmade, policies, kinds });
    (desired, findings)
}

/// The config with a text that messages may quote: values of NoEcho parameters are masked in it.
fn without_secrets(config: &Arc<Config>, templates: &BTreeMap<NodeName, Arc<Template>>) -> Arc<Config> {
    let secret = |definition: &StackDefinition| {
        let declared = templates.get(&definition.name).map(|template| &template.parameters);
        let no_echo = |name: &str| {
            declared.and_then(|declared| declared.get(name)).is_some_and(|parameter| parameter.no_echo)
        };
        let variables = definition.variables.iter().filter(|(name, _)| no_echo(name));
        variables.map(|(_, variable)| variable.span).collect::<Vec<_>>()
    };
    let places: Vec<Span> = config.stacks.values().flat_map(secret).collect();
    if places.is_empty() {
        return Arc::clone(config);
    }
    Arc::new(Config { document: config.document.masked(&places), ..Config::clone(config) })
}

/// The templates of enabled stacks, as [`Desired`] has them.
#[derive(Default)]
struct Templates {
    templates: BTreeMap<NodeName, Arc<Template>>,
    jinja: BTreeMap<NodeName, Utf8PathBuf>,
    unmade: BTreeSet<NodeName>,
}

/// Reads the templates of enabled stacks, each file once. A disabled stack's template is never needed, so it may as
/// well be missing; with `hooks_make_files` so may others be.
fn read_templates(
    config: &Config,
    files: &dyn Files,
    hooks_make_files: bool,
    findings: &mut Findings,
) -> Templates {
    let mut users: IndexMap<&Utf8Path, Vec<(&StackDefinition, Span)>> = IndexMap::new();
    for definition in config.stacks.values().filter(|definition| definition.enabled) {
        if let Some(TemplateSource::File { path, span }) = &definition.template {
            users.entry(path).or_default().push((definition, *span));
        }
    }
    let Templates { mut templates, mut jinja, mut unmade } = Templates::default();
    for (path, users) in users {
        let Some((first, others)) = users.split_first() else { continue };
        let named = || users.iter().map(|(definition, _)| definition.name.clone());
        match read_template(config, files, path, *first) {
            Ok(Found { place, .. }) if is_jinja(path) => {
                jinja.extend(named().map(|name| (name, place.clone())));
            }
            Ok(Found { place, text }) => {
                match Template::parse(files.shown(&place).as_str(), &text).map(Arc::new) {
                    Ok(template) => templates.extend(named().map(|name| (name, Arc::clone(&template)))),
                    // Problems in the file itself do not say whose template it is, the others name the first stack.
                    Err(found) => {
                        for finding in found.into_list() {
                            findings.push(finding.concerning(format!("the template of {}", names(&users))));
                        }
                    }
                }
            }
            Err(FileProblem::Missing { .. }) if hooks_make_files => unmade.extend(named()),
            Err(problem) if others.is_empty() => findings.push(Finding::at(&config.document, problem)),
            Err(problem) => {
                let concerning = format!("also the template of {}", names(others));
                findings.push(Finding::at(&config.document, problem).concerning(concerning));
            }
        }
    }
    Templates { templates, jinja, unmade }
}

/// A template file.
struct Found {
    place: Utf8PathBuf,
    text: String,
}

/// The first stacks of a list.
fn names(users: &[(&StackDefinition, Span)]) -> String {
    const SHOWN: usize = 3;
    let first: Vec<String> =
        users.iter().take(SHOWN).map(|(definition, _)| format!("`{}`", definition.name)).collect();
    match users.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Reads a template that is beside the config, or below `sys_path` under its whole path or its name alone.
fn read_template(
    config: &Config,
    files: &dyn Files,
    path: &Utf8Path,
    (definition, span): (&StackDefinition, Span),
) -> Result<Found, FileProblem> {
    let mut places = vec![path.to_owned()];
    for directory in config.package_paths.iter().chain(&config.sys_path) {
        places.push(directory.join(path));
        places.extend(path.file_name().map(|name| directory.join(name)));
    }
    let stack = definition.name.as_str().to_owned();
    for place in places {
        match files.read(&place) {
            Ok(text) => return Ok(Found { place, text }),
            Err(FileError::Missing(_)) => {}
            Err(error) => return Err(FileProblem::Unreadable { stack, error, span: span.into() }),
        }
    }
    Err(FileProblem::Missing { stack, path: path.to_owned(), span: span.into() })
}

fn is_jinja(path: &Utf8Path) -> bool {
    path.extension() == Some("j2")
}

/// The text of the stack policy; an empty file means no policy (CFNgin).
fn read_policy(definition: &StackDefinition, files: &dyn Files) -> Result<Option<String>, FileProblem> {
    let Some((path, span)) = definition.stack_policy_path.as_ref().filter(|_| definition.enabled) else {
        return Ok(None);
    };
    let problem = |reason: String| FileProblem::Policy {
        stack: definition.name.as_str().to_owned(),
        path: path.clone(),
        reason,
        span: (*span).into(),
    };
    let text = files.read(path).map_err(|error| problem(error.to_string()))?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    if text.len() > STACK_POLICY_LIMIT {
        return Err(problem(format!("it has {} bytes", text.len())));
    }
    let parsed: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&text);
    match parsed {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(problem(format!("not a JSON object: {error}"))),
    }
}

#[cfg(test)]
mod tests;
