//! Configs with their environment files, loaded and checked together before anything is done.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::config::Config;
use runway_core::config::environment;
use runway_core::config::load::{Parameters, load_merged};
use runway_core::engine::desired::{Known, desired, validate};
use runway_core::error::{Finding, Findings};
use runway_core::plan::Purpose;
use runway_core::text::{Document, Span};
use serde_json::Value;

use crate::args::Global;
use crate::files::Beside;
use crate::settings::{Settings, SettingsProblem, shown};
use crate::sources::{Outcome, Sources};

/// A config that is free of errors, with its place.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) config: Arc<Config>,
    pub(crate) path: Utf8PathBuf,
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

/// What came of loading configs.
#[derive(Default)]
pub(crate) struct Loading {
    pub(crate) configs: Vec<Loaded>,
    /// All problems of all configs together, warnings too.
    pub(crate) findings: Findings,
    /// A config is left out because its package sources wait for a connection.
    pub(crate) waiting: bool,
}

/// Fetches the package sources of every config, and loads it.
pub(crate) async fn configs(
    paths: &[Utf8PathBuf],
    global: &Global,
    settings: &Settings,
    region: &str,
    current: &Utf8Path,
    check: Check,
    sources: Sources<'_>,
) -> Loading {
    let Loading { configs: mut loaded, mut findings, mut waiting } = Loading::default();
    for path in paths {
        let directory = path.parent().unwrap_or(current).to_owned();
        let by_name = environment_files(&directory, settings, region);
        let named = global.env_file.as_ref().map(|path| current.join(path));
        let given = Given { by_name: &by_name, named: named.as_deref(), global, settings, region };
        let parameters = given.parameters(current, &mut findings);
        let Some(document) = document(path, current, &mut findings) else { continue };
        // Where a missing parameter could be defined: the last file wins.
        let file = match named.as_ref().or(by_name.last()) {
            Some(path) => shown(path, current),
            None => format!("{}.env", settings.deploy_environment).into(),
        };
        let fetched = match sources.of(&document, &parameters, file.as_str(), (&directory, current)).await {
            Outcome::Fetched(fetched) => fetched,
            Outcome::Waiting => {
                waiting = true;
                continue;
            }
            Outcome::Failed(found) => {
                findings.extend(found);
                continue;
            }
        };
        let (config, found) = load_merged(&document, &fetched.configs, &parameters, file.as_str());
        findings.extend(found);
        let Some(mut config) = config else { continue };
        config.package_paths = fetched.paths;
        let config = Arc::new(config);
        // Files and graph are looked at even if the config has errors, so that all problems are told at once.
        let files = Beside { directory: directory.clone(), current: current.to_owned() };
        let kinds = crate::assets::task_kinds(&directory, String::new());
        let mut found = match check {
            Check::All => validate(&config, &files, &kinds),
            Check::For(purpose) => desired(&config, &files, purpose, Known::Kinds(&kinds)).1,
        };
        if matches!(check, Check::For(_)) {
            found.retain(|finding| !finding.is_warning());
        }
        findings.extend(found);
        loaded.push(Loaded { config, path: path.clone(), directory, parameters });
    }
    Loading { configs: loaded, findings, waiting }
}

/// The environment files of a config that there are; later ones win.
fn environment_files(directory: &Utf8Path, settings: &Settings, region: &str) -> Vec<Utf8PathBuf> {
    let by_name =
        environment::file_names(&settings.deploy_environment, region).map(|name| directory.join(name));
    by_name.into_iter().filter(|path| path.is_file()).collect()
}

/// Whether a module of a project is meant for the environment: it has parameters, from wherever (Runway).
pub(crate) fn has_parameters(
    directory: &Utf8Path,
    global: &Global,
    settings: &Settings,
    region: &str,
    current: &Utf8Path,
) -> bool {
    let has_lines = |path: &Utf8PathBuf| {
        // What is wrong with a file is told when the configs are read.
        let document = document(path, current, &mut Findings::default());
        document.is_none_or(|document| !environment::parse(&document).0.is_empty())
    };
    !settings.project_parameters.is_empty()
        || !global.parameters.is_empty()
        || global.env_file.is_some()
        || environment_files(directory, settings, region).iter().any(has_lines)
}

/// Where parameters of a config come from, each winning over those before it: environment files by name, the project,
/// the environment file that was named, the command line. Environment and region are there if nothing else gives them
/// (Runway).
struct Given<'g> {
    by_name: &'g [Utf8PathBuf],
    named: Option<&'g Utf8Path>,
    global: &'g Global,
    settings: &'g Settings,
    region: &'g str,
}

impl Given<'_> {
    fn parameters(&self, current: &Utf8Path, findings: &mut Findings) -> Parameters {
        let mut read = |path: &Utf8Path| {
            let Some(document) = document(path, current, findings) else { return Parameters::new() };
            let (values, found) = environment::parse(&document);
            findings.extend(found);
            values.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
        };
        let mut parameters = Parameters::new();
        for path in self.by_name {
            parameters.extend(read(path));
        }
        let project = self.settings.project_parameters.iter();
        parameters.extend(project.map(|(name, value)| (name.clone(), value.clone())));
        if let Some(path) = self.named {
            parameters.extend(read(path));
        }
        let line = self.global.parameters.iter();
        parameters.extend(line.map(|(name, value)| (name.clone(), Value::String(value.clone()))));
        for (name, value) in
            [("environment", self.settings.deploy_environment.as_str()), ("region", self.region)]
        {
            let given = match parameters.get(name) {
                None | Some(Value::Null | Value::Bool(false)) => false,
                Some(Value::String(text)) => !text.is_empty(),
                Some(_) => true,
            };
            if !given {
                parameters.insert(name.to_owned(), Value::String(value.to_owned()));
            }
        }
        parameters
    }
}

/// Reads a text file; why it cannot be read becomes a finding.
pub(crate) fn document(
    path: &Utf8Path,
    current: &Utf8Path,
    findings: &mut Findings,
) -> Option<Arc<Document>> {
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
