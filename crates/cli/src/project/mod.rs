//! A project: its file, its variables, its deploy environment, and the modules that were chosen.

mod choose;
mod environment;
mod starter;
mod targets;

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::engine::EngineError;
use runway_core::error::{Finding, Findings};
use runway_core::project::{Project, ProjectProblem, load, variables_file};
use serde_json::{Map, Value};

pub(crate) use choose::choose;
pub(crate) use environment::deploy_environment;
pub(crate) use starter::write as write_starter;
pub(crate) use targets::{Depth, Seen, Targets};

use crate::load::document;

/// Names of the file with variables.
const VARIABLES_FILES: [&str; 2] = ["runway.variables.yml", "runway.variables.yaml"];

/// A project file that is free of errors.
#[derive(Debug, Clone)]
pub(crate) struct OpenProject {
    pub(crate) project: Project,
    /// Directory of the file.
    pub(crate) root: Utf8PathBuf,
    /// The file.
    pub(crate) path: Utf8PathBuf,
    /// What `var` reads: the file of variables, and what the project file says where that says nothing.
    pub(crate) variables: Map<String, Value>,
    /// Warnings.
    pub(crate) warnings: Vec<Finding>,
}

impl OpenProject {
    /// Reads a project file and its variables.
    pub(crate) fn read(path: &Utf8Path, current: &Utf8Path) -> Result<Self, EngineError> {
        let mut findings = Findings::default();
        let Some(document) = document(path, current, &mut findings) else { return Err(findings.into()) };
        let (project, found) = load(&document);
        findings.extend(found);
        let Some(project) = project else { return Err(findings.into()) };
        let root = path.parent().unwrap_or(current).to_owned();
        let variables = variables(&project, &root, current, &mut findings);
        if findings.has_errors() {
            return Err(findings.into());
        }
        let warnings = findings.split().1;
        Ok(Self { project, root, path: path.to_owned(), variables, warnings })
    }
}

/// Variables of a project: the file wins over what is inline, key by key at the top (Runway).
fn variables(
    project: &Project,
    root: &Utf8Path,
    current: &Utf8Path,
    findings: &mut Findings,
) -> Map<String, Value> {
    let definition = &project.variables;
    let directory = root.join(definition.directory.as_deref().unwrap_or(Utf8Path::new("")));
    let file = match &definition.file {
        Some((path, span)) => {
            // Runway looks for it beside the project file, its documentation says: in `sys_path`.
            let places = [root.join(path), directory.join(path)];
            let found = places.into_iter().find(|path| path.is_file());
            if found.is_none() {
                let (path, span) = (path.to_string(), (*span).into());
                findings.push(Finding::at(&project.document, ProjectProblem::NoVariablesFile { path, span }));
            }
            found
        }
        None => VARIABLES_FILES.iter().map(|name| directory.join(name)).find(|path| path.is_file()),
    };
    let mut variables = definition.inline.clone();
    if let Some(document) = file.and_then(|path| document(&path, current, findings)) {
        let (values, found) = variables_file(&document);
        findings.extend(found);
        variables.extend(values);
    }
    variables
}
