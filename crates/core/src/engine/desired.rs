//! What a config wants, complete: its graph and the texts of its templates and stack policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::config::{Config, StackDefinition, TemplateSource};
use crate::error::{Finding, Findings, Problem};
use crate::exit::ExitCode;
use crate::files::{FileError, Files};
use crate::graph::DependencyGraph;
use crate::plan::{Desired, Purpose};
use crate::template::Template;

/// CloudFormation's limit for a stack policy in a request, in bytes.
const STACK_POLICY_LIMIT: usize = 16_384;

/// Problems with files a config names.
#[derive(Debug, Error, Diagnostic)]
enum FileProblem {
    #[error("stack `{stack}`: its template {path} does not exist")]
    #[diagnostic(code(template::missing), help("`template_path` is relative to the directory of the config"))]
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

    #[error("stack `{stack}`: Jinja2 templates such as {path} are not supported by this version")]
    #[diagnostic(
        code(template::jinja_not_supported_yet),
        help("render it to plain JSON or YAML and name that file in `template_path`")
    )]
    Jinja {
        stack: String,
        path: Utf8PathBuf,
        #[label("a Jinja2 template")]
        span: SourceSpan,
    },

    #[error("stack `{stack}`: Python blueprints such as `{class_path}` are not supported by this version")]
    #[diagnostic(
        code(template::blueprint_not_supported_yet),
        help("render the blueprint to a template file and name that in `template_path`")
    )]
    Blueprint {
        stack: String,
        class_path: String,
        #[label("a Python class")]
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

/// Reads everything a config names and builds its graph. Returns what is wanted unless there are errors, and every
/// problem found in graph, templates and policies. A destroy needs no files.
pub fn desired(config: &Arc<Config>, files: &dyn Files, purpose: Purpose) -> (Option<Desired>, Findings) {
    let (graph, mut findings) = DependencyGraph::build(config);
    let mut templates = BTreeMap::new();
    let mut policies = BTreeMap::new();
    let mut parsed: BTreeMap<Utf8PathBuf, Arc<Template>> = BTreeMap::new();
    for definition in config.stacks.values().filter(|_| purpose == Purpose::Deploy) {
        match read_template(config, definition, files, &mut parsed) {
            Ok(Some(template)) => {
                templates.insert(definition.name.clone(), template);
            }
            Ok(None) => {}
            Err(found) => findings.extend(found),
        }
        match read_policy(definition, files) {
            Ok(Some(policy)) => {
                policies.insert(definition.name.clone(), policy);
            }
            Ok(None) => {}
            Err(problem) => findings.push(Finding::at(&config.document, problem)),
        }
    }
    let complete = graph.filter(|_| !findings.has_errors());
    (complete.map(|graph| Desired { config: Arc::clone(config), graph, templates, policies }), findings)
}

fn read_template(
    config: &Config,
    definition: &StackDefinition,
    files: &dyn Files,
    parsed: &mut BTreeMap<Utf8PathBuf, Arc<Template>>,
) -> Result<Option<Arc<Template>>, Findings> {
    let stack = definition.name.as_str().to_owned();
    let one = |problem: FileProblem| {
        let mut findings = Findings::default();
        findings.push(Finding::at(&config.document, problem));
        findings
    };
    match &definition.template {
        None => Ok(None),
        // A disabled stack's template is never needed, so it may as well be missing.
        Some(_) if !definition.enabled => Ok(None),
        Some(TemplateSource::Blueprint { class_path, span }) => {
            Err(one(FileProblem::Blueprint { stack, class_path: class_path.clone(), span: (*span).into() }))
        }
        Some(TemplateSource::File { path, span }) if is_jinja(path) => {
            Err(one(FileProblem::Jinja { stack, path: path.clone(), span: (*span).into() }))
        }
        Some(TemplateSource::File { path, span }) => {
            if let Some(template) = parsed.get(path) {
                return Ok(Some(Arc::clone(template)));
            }
            let text = files.read(path).map_err(|error| {
                one(match error {
                    FileError::Missing(_) => {
                        FileProblem::Missing { stack, path: path.clone(), span: (*span).into() }
                    }
                    error => FileProblem::Unreadable { stack, error, span: (*span).into() },
                })
            })?;
            let template = Arc::new(Template::parse(path.as_str(), &text)?);
            parsed.insert(path.clone(), Arc::clone(&template));
            Ok(Some(template))
        }
    }
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
