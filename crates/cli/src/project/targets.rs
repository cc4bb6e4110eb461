//! From a project to what is worked on: every region of every deployment, every module in it, and its configs.

mod connection;
mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic as _;
use runway_core::engine::EngineError;
use runway_core::error::{Finding, Findings};
use runway_core::project::environments::{Enablement, enablement};
use runway_core::project::merge::merge_all;
use runway_core::project::module_type::{Handler, Listing, handler};
use runway_core::project::resolve::{
    Answered, DeploymentValues, ModuleValues, SharedValues, environment_variables,
};
use runway_core::project::source::ModuleSource;
use runway_core::project::{Deployment, Module, ModuleType, ProjectProblem, module_file};
use runway_core::text::Span;
use runway_host::sources::{Access, Known, SourceFailure, git};
use serde_json::{Map, Value};

use super::OpenProject;
use crate::args::Global;
use crate::connect::{Connected, Connector};
use crate::load::{self, Check, Loaded, document};
use crate::output::Output;
use crate::settings::{Environment, Settings, configs_in, python_timeout, shown};
use crate::sources::Sources;
use crate::work::{Tree, Work};

/// How far a project is looked into.
#[derive(Clone, Copy)]
pub(crate) enum Depth<'c> {
    /// For a run in the cloud.
    Connected(&'c Connector),
    /// Files only: what the cloud would have to be asked for is left out.
    Files {
        /// Package sources may be fetched.
        fetch: bool,
    },
}

/// Makes the targets of a project.
pub(crate) struct Targets<'c> {
    pub(crate) open: &'c OpenProject,
    pub(crate) settings: &'c Settings,
    pub(crate) global: &'c Global,
    pub(crate) environment: &'c Environment,
    pub(crate) output: &'c Output,
    pub(crate) current: &'c Utf8Path,
    pub(crate) depth: Depth<'c>,
    pub(crate) check: Check,
    /// Regions go in reverse order.
    pub(crate) reversed: bool,
    /// Targets may be worked on at the same time.
    pub(crate) concurrent: bool,
    /// Package sources that were resolved by this run.
    pub(crate) known_sources: &'c Known,
    pub(crate) findings: Findings,
    /// Files that were read: the project's and the configs.
    pub(crate) files: usize,
    /// Of all regions, this one only.
    pub(crate) only_region: Option<&'c str>,
    /// The configs that were read, with their places.
    pub(crate) seen: Vec<Seen>,
    /// What could not be looked at: deployments, and modules in their regions.
    pub(crate) unseen: Vec<String>,
}

/// The configs of a module in a region.
pub(crate) struct Seen {
    /// Where the module is in the project file.
    pub(crate) module: Span,
    /// Module and region.
    pub(crate) label: String,
    pub(crate) region: String,
    pub(crate) configs: Vec<Loaded>,
}

/// One region of a deployment.
struct Region<'r> {
    deployment: &'r Deployment,
    /// Who it is carried out as.
    identity: DeploymentValues,
    values: SharedValues,
    settings: Settings,
    environment: Environment,
    connected: Option<Arc<Connected>>,
    /// What lookups were told here.
    answers: Answered,
}

/// Where lookups of a field are asked.
#[derive(Clone, Copy)]
struct Place<'p> {
    environment: &'p Environment,
    settings: &'p Settings,
}

impl Targets<'_> {
    /// The targets in the order they are worked on. Problems are in `findings` afterwards.
    pub(crate) async fn tree(&mut self) -> Result<Tree, EngineError> {
        let mut stages = Vec::new();
        let mut known = BTreeSet::new();
        for deployment in &self.open.project.deployments {
            if deployment.modules.is_empty() {
                self.output.message(&format!("{}: skipped, it has no modules", deployment.name));
                continue;
            }
            let mut regions = self.regions(deployment).await?;
            known.extend(regions.iter().cloned());
            regions.retain(|region| self.only_region.is_none_or(|only| only == region));
            if self.reversed {
                regions.reverse();
            }
            let mut trees = Vec::new();
            for region in regions {
                trees.push(self.region(deployment, region).await?);
            }
            let at_once = self.settings.concurrent_regions;
            stages.push(self.together(deployment.parallel_regions, at_once, trees));
        }
        if let Some(wanted) = self.only_region.filter(|only| !known.is_empty() && !known.contains(*only)) {
            let (region, known) = (wanted.to_owned(), known.into_iter().collect::<Vec<_>>().join(", "));
            self.findings.push(Finding::general(ProjectProblem::NoSuchRegion { region, known }));
        }
        Ok(Tree::Sequence(stages))
    }

    fn together(&self, parallel: bool, at_once: usize, trees: Vec<Tree>) -> Tree {
        if parallel && self.concurrent && trees.len() > 1 {
            Tree::Parallel { at_once, trees }
        } else {
            Tree::Sequence(trees)
        }
    }

    async fn region(&mut self, deployment: &Deployment, region: String) -> Result<Tree, EngineError> {
        let mut settings = self.settings.clone();
        settings.region = Some(region);
        let mut answers = Answered::new();
        let environment = self.with_variables(deployment, &settings, &mut answers).await?;
        let place = Place { environment: &environment, settings: &settings };
        let values = self.resolved(place, &mut answers, |resolver| resolver.deployment(deployment)).await?;
        let Some(values) = values else {
            self.not_checked(&format!("{} in {}", deployment.name, settings.region.unwrap_or_default()));
            return Ok(Tree::Sequence(Vec::new()));
        };
        settings.assume_role = values.assume_role.clone();
        settings.account = values.account_id.as_ref().map(|(account, _)| account.clone());
        let identity = values;
        self.refuse_unread(self.environment, &environment, deployment.env_vars.as_ref());
        let connected = match self.depth {
            Depth::Connected(connector) if !self.findings.has_errors() => {
                let connected = connector.connect(&settings, &environment).await?;
                self.verify(deployment, &identity, &connected).await?;
                Some(connected)
            }
            _ => None,
        };
        // What the modules get is asked for in the role, not by who assumes it.
        let mut answers = Answered::new();
        let place = Place { environment: &environment, settings: &settings };
        let shared = self.resolved(place, &mut answers, |resolver| resolver.shared(deployment)).await?;
        let Some(values) = shared else {
            self.not_checked(&format!("{} in {}", deployment.name, settings.region.unwrap_or_default()));
            return Ok(Tree::Sequence(Vec::new()));
        };
        let mut region = Region { deployment, identity, values, settings, environment, connected, answers };
        let mut groups = Vec::new();
        for module in &deployment.modules {
            if module.parallel.is_empty() {
                groups.extend(self.module(&mut region, module).await?);
                continue;
            }
            let mut trees = Vec::new();
            for inner in &module.parallel {
                trees.extend(self.module(&mut region, inner).await?);
            }
            groups.push(self.together(true, self.settings.concurrent_modules, trees));
        }
        Ok(Tree::Sequence(groups))
    }

    /// A module in a region; `None` if it is skipped or has a problem.
    async fn module(
        &mut self,
        region: &mut Region<'_>,
        module: &Module,
    ) -> Result<Option<Tree>, EngineError> {
        let name = format!("{}.{}", region.deployment.name, module.name);
        let in_region = region.settings.region.clone().unwrap_or_default();
        let label = format!("{name} in {in_region}");
        let place = Place { environment: &region.environment, settings: &region.settings };
        let values = self.resolved(place, &mut region.answers, |resolver| resolver.module(module)).await?;
        let Some(values) = values else {
            self.not_checked(&label);
            return Ok(None);
        };
        let directory = match self.directory(module, &values).await {
            Ok(Some(directory)) => directory,
            Ok(None) => {
                self.output.message(&format!("{label}: not checked, it is not fetched (--fetch fetches it)"));
                self.unseen.push(label);
                return Ok(None);
            }
            Err(problem) => {
                // A module that does not go here need not be there.
                let known = merge_all([region.values.environments.clone(), values.environments.clone()]);
                match self.enabled(known.as_ref(), region, &in_region, region.connected.as_ref()).await? {
                    Enablement::Disabled(reason) => {
                        self.output.message(&format!("{label}: skipped, {reason}"));
                    }
                    _ => self.findings.push(Finding::at(&self.open.project.document, problem)),
                }
                return Ok(None);
            }
        };
        let file = self.module_file(&directory);
        let environments = merge_all([
            region.values.environments.clone(),
            values.environments.clone(),
            file.get("environments").cloned(),
        ]);
        let env_vars = merge_all([values.env_vars.clone(), file.get("env_vars").cloned()]);
        let mut environment = region.environment.clone();
        environment.extend(environment_variables(env_vars.as_ref(), &self.open.root));
        let connected = match self.enabled(environments.as_ref(), region, &in_region, None).await? {
            Enablement::Disabled(_) => None,
            _ => self.connection(region, module, &environment).await?,
        };
        let enabled =
            match self.enabled(environments.as_ref(), region, &in_region, connected.as_ref()).await? {
                Enablement::Disabled(reason) => {
                    self.output.message(&format!("{label}: skipped, {reason}"));
                    return Ok(None);
                }
                // Only without the cloud: the configs are looked at all the same.
                enablement => matches!(enablement, Enablement::Enabled | Enablement::NeedsAccount),
            };
        if !self.is_cloudformation(module, &values, &directory) {
            return Ok(None);
        }
        let parameters = merge_all([
            region.values.parameters.clone(),
            values.parameters.clone(),
            file.get("parameters").cloned(),
        ]);
        let mut settings = region.settings.clone();
        settings.project_parameters = parameters.and_then(into_map).unwrap_or_default();
        let given = || load::has_parameters(&directory, self.global, &settings, &in_region, self.current);
        if !enabled && !given() {
            self.output.message(&format!(
                "{label}: skipped, it has no parameters and no environment file {}.env",
                settings.deploy_environment
            ));
            return Ok(None);
        }
        self.load((module.span, label), &directory, settings, environment, connected.as_ref()).await
    }

    /// Reads and checks the configs of a module.
    async fn load(
        &mut self,
        (module, label): (Span, String),
        directory: &Utf8Path,
        mut settings: Settings,
        environment: BTreeMap<String, String>,
        connected: Option<&Arc<Connected>>,
    ) -> Result<Option<Tree>, EngineError> {
        let paths = configs_in(directory).map_err(EngineError::of)?;
        if paths.is_empty() {
            let shown = shown(directory, self.current);
            self.output.message(&format!("warning: {label}: there is no CFNgin config in {shown}"));
            return Ok(None);
        }
        self.files += paths.len();
        let region = settings.region.clone().unwrap_or_default();
        let sources = Sources {
            access: match (&self.depth, connected) {
                (Depth::Files { fetch: false }, _) => Access::Cache,
                (_, connected) => Access::Network(connected.map(|connected| &*connected.provider)),
            },
            // Without a connection there are other problems, or it is about files only.
            can_wait: matches!(self.depth, Depth::Connected(_)),
            root: Some(&self.open.root),
            known: self.known_sources,
            output: self.output,
        };
        let (global, current) = (self.global, self.current);
        let loading = load::configs(&paths, global, &settings, &region, current, self.check, sources).await;
        self.findings.extend(loading.findings);
        let configs = loading.configs;
        if configs.len() < paths.len() {
            self.unseen.push(label.clone());
        }
        self.seen.push(Seen { module, label: label.clone(), region, configs: configs.clone() });
        let Some(connected) = connected.map(Arc::clone) else { return Ok(None) };
        let root = Some(self.open.root.clone());
        let mut environment = environment;
        settings.python_timeout = python_timeout(&environment).map_err(EngineError::of)?;
        if !self.findings.has_errors() {
            connected.lend(&mut environment).await?;
        }
        self.output.vault.add(crate::commands::keys(&environment));
        let work = Work { label: Some(label), root, settings, environment, connected, configs };
        Ok(Some(Tree::Work(Box::new(work))))
    }

    async fn enabled(
        &self,
        environments: Option<&Value>,
        region: &Region<'_>,
        name: &str,
        connected: Option<&Arc<Connected>>,
    ) -> Result<Enablement, EngineError> {
        let environment = &region.settings.deploy_environment;
        match (enablement(environments, environment, name, None), connected) {
            (Enablement::NeedsAccount, Some(connected)) => {
                let account = connected.provider.place().await?.account;
                Ok(enablement(environments, environment, name, Some(&account)))
            }
            (enablement, _) => Ok(enablement),
        }
    }

    /// Directory of a module; one in a git repository is fetched, unless it is in the cache. `None` if it would have to
    /// be fetched and may not.
    async fn directory(
        &self,
        module: &Module,
        values: &ModuleValues,
    ) -> Result<Option<Utf8PathBuf>, ProjectProblem> {
        let (path, span) = values.path.clone().unwrap_or_else(|| (String::new(), module.span));
        let refuse = |reason| ProjectProblem::Path { module: module.name.clone(), reason, span: span.into() };
        let source = match ModuleSource::parse(&path).map_err(refuse)? {
            ModuleSource::Git(source) => source,
            ModuleSource::Directory(path) => {
                let directory = self.open.root.join(path.trim_start_matches("./"));
                let missing = || format!("there is no directory {}", shown(&directory, self.current));
                return if directory.is_dir() { Ok(Some(directory)) } else { Err(refuse(missing())) };
            }
        };
        let cache = self.open.root.join(".runway/cache");
        let network = !matches!(self.depth, Depth::Files { fetch: false });
        match git::module(&source.uri, &source.reference, &cache, &self.open.root, network).await {
            Err(SourceFailure::NotFetched { .. }) => Ok(None),
            Ok(checkout) => checkout.location(&source.location).map(Some).ok_or_else(|| {
                let (uri, commit) = (&checkout.uri, &checkout.commit);
                refuse(format!("there is no directory `{}` in {uri} at {commit}", source.location))
            }),
            Err(failure) => {
                let help = failure.help().map(|help| help.to_string()).unwrap_or_default();
                let (module, message) = (module.name.clone(), failure.to_string());
                Err(ProjectProblem::NotFetched { module, message, help, span: span.into() })
            }
        }
    }

    /// `runway.module.yml` of a module.
    fn module_file(&mut self, directory: &Utf8Path) -> Map<String, Value> {
        let path = directory.join("runway.module.yml");
        if !path.is_file() {
            return Map::new();
        }
        let mut found = Findings::default();
        let document = document(&path, self.current, &mut found);
        let (values, more) = document.as_ref().map(module_file).unwrap_or_default();
        found.extend(more);
        self.findings.extend(found);
        values
    }

    /// Whether this program carries a module out; if not, why is a finding.
    fn is_cloudformation(&mut self, module: &Module, values: &ModuleValues, directory: &Utf8Path) -> bool {
        let name = directory.file_name().unwrap_or_default();
        let span = module.span.into();
        let module_name = module.name.clone();
        let problem =
            match handler(values.class_path.as_deref(), module.module_type, name, &listing(directory)) {
                Handler::Type(ModuleType::CloudFormation) => return true,
                Handler::Type(kind) => ProjectProblem::OtherType {
                    module: module_name,
                    kind: kind.name(),
                    instead: kind.instead(),
                    span,
                },
                Handler::Class(class) => ProjectProblem::OwnClass { module: module_name, class, span },
                Handler::Unknown => ProjectProblem::UnknownType { module: module_name, span },
            };
        self.findings.push(Finding::at(&self.open.project.document.clone(), problem));
        false
    }
}

fn into_map(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(entries) => Some(entries),
        _ => None,
    }
}

/// What is in a directory, as far as it tells the type of a module.
fn listing(directory: &Utf8Path) -> Listing {
    let entries = |path: &Utf8Path| path.read_dir_utf8().into_iter().flatten().flatten().collect::<Vec<_>>();
    let names = entries(directory).into_iter().filter(|entry| entry.path().is_file());
    let files = names.map(|entry| entry.file_name().to_owned()).collect();
    let mut is_kustomized = false;
    if directory.join("overlays").is_dir() {
        let mut waiting = vec![directory.to_owned()];
        while let Some(next) = waiting.pop().filter(|_| !is_kustomized) {
            for entry in entries(&next) {
                is_kustomized |= entry.file_name() == "kustomization.yaml";
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    waiting.push(entry.into_path());
                }
            }
        }
    }
    Listing { files, is_kustomized }
}
