//! Configs with their environment files, loaded and checked together before anything is done.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::config::Config;
use runway_core::config::environment;
use runway_core::config::load::{Parameters, load_with};
use runway_core::engine::desired::{desired, validate};
use runway_core::error::{Finding, Findings};
use runway_core::plan::Purpose;
use runway_core::text::{Document, Span};
use serde_json::Value;

use crate::args::Global;
use crate::files::Beside;
use crate::settings::{Settings, SettingsProblem, shown};

/// A config that is free of errors, with its place.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) config: Arc<Config>,
    pub(crate) directory: Utf8PathBuf,
    pub(crate) parameters: Parameters,
}

/// What configs are checked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Check {
    /// For everything.
    All,
    /// For a run, which will give the warnings about files and values itself.
    For(Purpose),
}

/// Loads every config. All problems of all configs come back together; warnings come with the configs.
pub(crate) fn configs(
    paths: &[Utf8PathBuf],
    global: &Global,
    settings: &Settings,
    region: &str,
    current: &Utf8Path,
    check: Check,
) -> (Vec<Loaded>, Findings) {
    let mut findings = Findings::default();
    let mut loaded = Vec::new();
    for path in paths {
        let directory = path.parent().unwrap_or(current).to_owned();
        let files = environment_files(&directory, global, settings, region, current);
        let parameters = parameters(&files, global, settings, region, current, &mut findings);
        let Some(document) = document(path, current, &mut findings) else { continue };
        // Where a missing parameter could be defined: the last file wins.
        let file = match files.last() {
            Some(path) => shown(path, current),
            None => format!("{}.env", settings.deploy_environment).into(),
        };
        let (config, found) = load_with(&document, &parameters, file.as_str());
        findings.extend(found);
        let Some(config) = config.map(Arc::new) else { continue };
        // Files and graph are looked at even if the config has errors, so that all problems are told at once.
        let files = Beside { directory: directory.clone(), current: current.to_owned() };
        let mut found = match check {
            Check::All => validate(&config, &files),
            Check::For(purpose) => desired(&config, &files, purpose, None).1,
        };
        if matches!(check, Check::For(_)) {
            found.retain(|finding| !finding.is_warning());
        }
        findings.extend(found);
        loaded.push(Loaded { config, directory, parameters });
    }
    (loaded, findings)
}

/// The environment files of a config that there are, then the one that was named; later ones win.
fn environment_files(
    directory: &Utf8Path,
    global: &Global,
    settings: &Settings,
    region: &str,
    current: &Utf8Path,
) -> Vec<Utf8PathBuf> {
    let by_name =
        environment::file_names(&settings.deploy_environment, region).map(|name| directory.join(name));
    let named = global.env_file.iter().map(|path| current.join(path));
    by_name.into_iter().filter(|path| path.is_file()).chain(named).collect()
}

/// Parameters of a config: its environment files, the one that was named, then the command line. Environment and region
/// are there if nothing else gives them (Runway).
fn parameters(
    files: &[Utf8PathBuf],
    global: &Global,
    settings: &Settings,
    region: &str,
    current: &Utf8Path,
    findings: &mut Findings,
) -> Parameters {
    let mut parameters = Parameters::new();
    for path in files {
        if let Some(document) = document(path, current, findings) {
            let (values, found) = environment::parse(&document);
            findings.extend(found);
            parameters.extend(values.into_iter().map(|(name, value)| (name, Value::String(value))));
        }
    }
    parameters
        .extend(global.parameters.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))));
    for (name, value) in [("environment", settings.deploy_environment.as_str()), ("region", region)] {
        let given = parameters.get(name).and_then(Value::as_str).is_some_and(|value| !value.is_empty());
        if !given {
            parameters.insert(name.to_owned(), Value::String(value.to_owned()));
        }
    }
    parameters
}

fn document(path: &Utf8Path, current: &Utf8Path, findings: &mut Findings) -> Option<Arc<Document>> {
    let name = shown(path, current);
    match fs_err::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Some(Document::new(name.as_str(), text)),
            Err(error) => {
                let start = error.utf8_error().valid_up_to();
                // Up to there the readable form has the same bytes.
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let document = Document::new(name.as_str(), text);
                let span = Span::new(start, char::REPLACEMENT_CHARACTER.len_utf8()).into();
                findings.push(Finding::at(&document, SettingsProblem::NotText { path: name, span }));
                None
            }
        },
        Err(error) => {
            let message = error.kind().to_string();
            findings.push(Finding::general(SettingsProblem::Unreadable { path: name, message }));
            None
        }
    }
}
