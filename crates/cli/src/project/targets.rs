//! From a project to what is worked on: every region of every deployment, every module in it, and its configs.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic as _;
use runway_core::engine::EngineError;
use runway_core::error::{Finding, Findings};
use runway_core::project::environments::{Enablement, enablement};
use runway_core::project::merge::merge_all;
use runway_core::project::module_type::{Handler, Listing, handler};
use runway_core::project::resolve::{DeploymentValues, ModuleValues, Resolver, environment_variables};
use runway_core::project::source::{GitSource, ModuleSource};
use runway_core::project::{Deployment, Module, ModuleType, Project, ProjectProblem, module_file};
use runway_core::text::Span;
use runway_host::sources::{Access, Known, git};
use serde_json::{Map, Value};

use super::OpenProject;
use crate::args::Global;
use crate::connect::{Connected, Connector};
use crate::load::{self, Check, document};
use crate::output::Output;
use crate::settings::{Environment, Settings, configs_in, shown};
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
    /// Texts that must never be shown.
    pub(crate) secrets: Vec<String>,
    /// Files that were read: the project's and the configs.
    pub(crate) files: usize,
}

/// One region of a deployment.
struct Region<'r> {
    deployment: &'r Deployment,
    values: DeploymentValues,
    settings: Settings,
    environment: Environment,
    connected: Option<Arc<Connected>>,
}

impl Targets<'_> {
    /// The targets in the order they are worked on. Problems are in `findings` afterwards.
    pub(crate) async fn tree(&mut self) -> Result<Tree, EngineError> {
        let mut stages = Vec::new();
        for deployment in &self.open.project.deployments {
            if deployment.modules.is_empty() {
                self.output.message(&format!("{}: skipped, it has no modules", deployment.name));
                continue;
            }
            let mut regions = self.regions(deployment);
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
        Ok(Tree::Sequence(stages))
    }

    fn together(&self, parallel: bool, at_once: usize, trees: Vec<Tree>) -> Tree {
        if parallel && self.concurrent && trees.len() > 1 {
            Tree::Parallel { at_once, trees }
        } else {
            Tree::Sequence(trees)
        }
    }

    fn project(&self) -> &Project {
        &self.open.project
    }

    /// Resolves fields with these environment variables.
    fn resolved<T>(&mut self, environment: &Environment, resolve: impl FnOnce(&mut Resolver<'_>) -> T) -> T {
        let open = self.open;
        let mut resolver = Resolver::new(&open.project.document, &open.variables, environment);
        let values = resolve(&mut resolver);
        self.findings.extend(resolver.findings);
        self.secrets.extend(resolver.secrets);
        values
    }

    /// The regions of a deployment. Its own environment variables are there already, as far as they can be.
    fn regions(&mut self, deployment: &Deployment) -> Vec<String> {
        let environment = self.with_variables(self.environment.clone(), deployment, None);
        self.resolved(&environment, |resolver| resolver.regions(deployment))
    }

    /// An environment with the variables of the run and of a deployment on top.
    fn with_variables(
        &mut self,
        mut environment: Environment,
        deployment: &Deployment,
        region: Option<&str>,
    ) -> Environment {
        let name = self.settings.deploy_environment.clone();
        environment.insert("DEPLOY_ENVIRONMENT".to_owned(), name);
        let set_region = |environment: &mut Environment| {
            for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
                if let Some(region) = region {
                    environment.insert(variable.to_owned(), region.to_owned());
                }
            }
        };
        set_region(&mut environment);
        let open = self.open;
        let mut resolver = Resolver::new(&open.project.document, &open.variables, &environment);
        let values = resolver.optional_map(deployment.env_vars.as_ref());
        let (found, secrets) = (resolver.findings, resolver.secrets);
        // Before the region is known, a variable may depend on it.
        if region.is_some() {
            self.findings.extend(found);
            self.secrets.extend(secrets);
        }
        environment.extend(environment_variables(values.as_ref(), &open.root));
        set_region(&mut environment);
        environment
    }

    async fn region(&mut self, deployment: &Deployment, region: String) -> Result<Tree, EngineError> {
        let environment = self.with_variables(self.environment.clone(), deployment, Some(&region));
        let values = self.resolved(&environment, |resolver| resolver.deployment(deployment));
        let mut settings = self.settings.clone();
        settings.region = Some(region);
        settings.assume_role = values.assume_role.clone();
        settings.account = values.account_id.as_ref().map(|(account, _)| account.clone());
        let connected = match self.depth {
            Depth::Connected(connector) if !self.findings.has_errors() => {
                let connected = connector.connect(&settings, &environment).await?;
                self.verify(deployment, &values, &connected).await?;
                Some(connected)
            }
            _ => None,
        };
        let region = Region { deployment, values, settings, environment, connected };
        let mut groups = Vec::new();
        for module in &deployment.modules {
            if module.parallel.is_empty() {
                groups.extend(self.module(&region, module).await?);
                continue;
            }
            let mut trees = Vec::new();
            for inner in &module.parallel {
                trees.extend(self.module(&region, inner).await?);
            }
            groups.push(self.together(true, self.settings.concurrent_modules, trees));
        }
        Ok(Tree::Sequence(groups))
    }

    /// The credentials must be of the account that the deployment is meant for.
    async fn verify(
        &mut self,
        deployment: &Deployment,
        values: &DeploymentValues,
        connected: &Connected,
    ) -> Result<(), EngineError> {
        let mut refuse = |wanted: &str, found: String, field, span: Span| {
            let (deployment, wanted, span) = (deployment.name.clone(), wanted.to_owned(), span.into());
            let problem = ProjectProblem::OtherAccount { deployment, wanted, found, field, span };
            self.findings.push(Finding::at(&self.open.project.document, problem));
        };
        if let Some((wanted, span)) = &values.account_id {
            let found = connected.provider.place().await?.account;
            if found != *wanted {
                refuse(wanted, found, "account_id", *span);
            }
        }
        if let Some((wanted, span)) = &values.account_alias
            && let Some(aliases) = connected.account_aliases().await?
            && !aliases.contains(wanted)
        {
            let found =
                if aliases.is_empty() { "one without an alias".to_owned() } else { aliases.join(", ") };
            refuse(wanted, found, "account_alias", *span);
        }
        Ok(())
    }

    /// A module in a region; `None` if it is skipped or has a problem.
    async fn module(&mut self, region: &Region<'_>, module: &Module) -> Result<Option<Tree>, EngineError> {
        let values = self.resolved(&region.environment, |resolver| resolver.module(module));
        let name = format!("{}.{}", region.deployment.name, module.name);
        let in_region = region.settings.region.clone().unwrap_or_default();
        let label = format!("{name} in {in_region}");
        let Some(directory) = self.directory(module, &values).await else { return Ok(None) };
        let file = self.module_file(&directory);
        let environments = merge_all([
            region.values.environments.clone(),
            values.environments.clone(),
            file.get("environments").cloned(),
        ]);
        let enabled = match self.enabled(environments.as_ref(), region, &in_region).await? {
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
        let env_vars = merge_all([values.env_vars, file.get("env_vars").cloned()]);
        let mut environment = region.environment.clone();
        environment.extend(environment_variables(env_vars.as_ref(), &self.open.root));
        self.load(label, &directory, settings, environment, region.connected.as_ref()).await
    }

    /// Reads and checks the configs of a module.
    async fn load(
        &mut self,
        label: String,
        directory: &Utf8Path,
        settings: Settings,
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
        let Some(connected) = connected.map(Arc::clone) else { return Ok(None) };
        let root = Some(self.open.root.clone());
        let work = Work { label: Some(label), root, settings, environment, connected, configs };
        Ok(Some(Tree::Work(Box::new(work))))
    }

    async fn enabled(
        &self,
        environments: Option<&Value>,
        region: &Region<'_>,
        name: &str,
    ) -> Result<Enablement, EngineError> {
        let environment = &region.settings.deploy_environment;
        match (enablement(environments, environment, name, None), &region.connected) {
            (Enablement::NeedsAccount, Some(connected)) => {
                let account = connected.provider.place().await?.account;
                Ok(enablement(environments, environment, name, Some(&account)))
            }
            (enablement, _) => Ok(enablement),
        }
    }

    /// Directory of a module; problems with it are findings.
    async fn directory(&mut self, module: &Module, values: &ModuleValues) -> Option<Utf8PathBuf> {
        let (path, span) = values.path.clone().unwrap_or_else(|| (String::new(), module.span));
        let found = match ModuleSource::parse(&path) {
            Ok(ModuleSource::Directory(path)) => {
                let directory = self.open.root.join(path.trim_start_matches("./"));
                let reason = || format!("there is no directory {}", shown(&directory, self.current));
                if directory.is_dir() { Ok(directory) } else { Err(reason()) }
            }
            Ok(ModuleSource::Git(source)) => self.fetched(&source, module, span).await?,
            Err(reason) => Err(reason),
        };
        found.map_err(|reason| self.refuse_path(module, reason, span)).ok()
    }

    /// Directory of a module in a git repository, fetched unless it is in the cache. `None` if it cannot be fetched,
    /// which is a finding.
    async fn fetched(
        &mut self,
        source: &GitSource,
        module: &Module,
        span: Span,
    ) -> Option<Result<Utf8PathBuf, String>> {
        let cache = self.open.root.join(".runway/cache");
        match git::module(&source.uri, &source.reference, &cache, &self.open.root).await {
            Ok(checkout) => Some(checkout.location(&source.location).ok_or_else(|| {
                let uri = &checkout.uri;
                format!("there is no directory `{}` in {uri} at {}", source.location, checkout.commit)
            })),
            Err(failure) => {
                let help = failure.help().map(|help| help.to_string()).unwrap_or_default();
                let (module, message, span) = (module.name.clone(), failure.to_string(), span.into());
                let problem = ProjectProblem::NotFetched { module, message, help, span };
                self.findings.push(Finding::at(&self.project().document.clone(), problem));
                None
            }
        }
    }

    fn refuse_path(&mut self, module: &Module, reason: String, span: Span) {
        let problem = ProjectProblem::Path { module: module.name.clone(), reason, span: span.into() };
        self.findings.push(Finding::at(&self.project().document.clone(), problem));
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
        self.findings.push(Finding::at(&self.project().document.clone(), problem));
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
