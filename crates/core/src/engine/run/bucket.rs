//! The bucket of a config, which is made before anything else is: by a stack of its own, as CFNgin makes it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use super::{Made, ended, tell};
use crate::cache::Cache;
use crate::config::{BucketSetting, Config, StackDefinition, TemplateSource, Variable};
use crate::engine::backing::Backing;
use crate::engine::execute::{Executed, Execution};
use crate::engine::observe::Observed;
use crate::engine::problem::EngineProblem;
use crate::engine::{Asked, Engine, EngineError, InitOutcome, Interrupt, Planned, RunOutcome};
use crate::error::Finding;
use crate::event::{Event, Reporter};
use crate::exit::ExitCode;
use crate::files::{FileError, Files};
use crate::graph::DependencyGraph;
use crate::ident::NodeName;
use crate::lookup::VariableValue;
use crate::outcome::Stop;
use crate::plan::{Action, Plan, Purpose};
use crate::provider::StackStatus;

/// Name of the stack that makes the bucket; a config may have one of its own by this name (CFNgin).
const STACK: &str = "cfngin-bucket";
/// Where the template of the stack is looked for that no config has. No file can have this name.
const TEMPLATE_PATH: &str = "cfngin-bucket\0";
/// What CFNgin's own blueprint renders, but for its tag `version`.
const TEMPLATE: &str = include_str!("cfngin_bucket.yml");

/// Files of a config, and the template of the bucket's stack.
struct WithTemplate(Arc<dyn Files>);

impl Files for WithTemplate {
    fn read(&self, path: &Utf8Path) -> Result<String, FileError> {
        if path == TEMPLATE_PATH {
            return Ok(TEMPLATE.replace("VERSION", env!("CARGO_PKG_VERSION")));
        }
        self.0.read(path)
    }

    fn shown(&self, path: &Utf8Path) -> Utf8PathBuf {
        if path == TEMPLATE_PATH { "the template of cfngin-bucket".into() } else { self.0.shown(path) }
    }
}

/// What a plan says about a bucket that does not exist.
pub(super) fn announcement(config: &Config, bucket: &str) -> String {
    let by = match config.stacks.get(STACK) {
        Some(own) => format!("the config's stack `{STACK}` ({})", own.fqn),
        None => format!("a stack of its own, `{}`", config.fqn(STACK)),
    };
    format!("bucket {bucket} does not exist; a deploy creates it first, with {by}")
}

impl Engine {
    /// Makes the bucket of a config, and waits until it is there. The config's own stack for it comes with everything
    /// it needs; templates travel in the requests, nothing is locked and nothing recorded.
    ///
    /// # Errors
    /// [`EngineError`] if no plan can be made, or the stack exists and the bucket does not.
    pub(super) async fn make_bucket(
        &self,
        config: &Config,
        wanted: &Backing,
        reporter: &mut dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<Executed, EngineError> {
        let config = Arc::new(bucket_config(config, self.provider.region()));
        let engine = self.for_bucket(&config);
        let (desired, _) = engine.desired(&config, Purpose::Deploy)?;
        let backing = Backing { bucket: None, objects: None, cache: None, shares_stacks: true };
        let made = engine.make(&desired, Purpose::Deploy, &backing, None).await?;
        if let Some(problem) = emptied(&config, &made.observed) {
            // Perhaps another run has just made it.
            let missing = wanted.is_bucket_missing().await?;
            return if missing { Err(EngineError::of(problem)) } else { Ok(Executed::default()) };
        }
        let Made { planned, observed } = made;
        let execution = Execution {
            engine: &engine,
            desired: &desired,
            plan: &planned.plan,
            backing: &backing,
            session: None,
            interrupt,
            pages: observed.pages,
        };
        Ok(execution.run(observed.world, reporter).await)
    }

    /// Makes the bucket of a config unless it is there.
    pub(crate) async fn init_bucket(
        &self,
        config: &Config,
        reporter: &mut dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<InitOutcome, EngineError> {
        let ok = |text| InitOutcome { text, exit: ExitCode::Ok, errors: Vec::new() };
        let backing = Backing::of(self, config);
        let Some((bucket, _)) = &backing.bucket else {
            return Ok(ok("this config uses no bucket".to_owned()));
        };
        if !backing.is_bucket_missing().await? {
            return Ok(ok(format!("bucket {bucket} exists")));
        }
        let executed = self.make_bucket(config, &backing, reporter, interrupt).await?;
        if let Some(exit) = failed(&executed) {
            let errors = executed.blind.map(|error| Finding::general(EngineProblem::LeftRunning(error)));
            let text = format!("bucket {bucket} was not created");
            return Ok(InitOutcome { text, exit, errors: errors.into_iter().collect() });
        }
        if backing.is_bucket_missing().await? {
            let bucket = bucket.as_str().to_owned();
            return Err(EngineError::of(EngineProblem::BucketNotMade { stack: STACK, bucket }));
        }
        let fqn = config.stacks.get(STACK).map_or_else(|| config.fqn(STACK), |own| own.fqn.clone());
        Ok(ok(format!("created bucket {bucket} with stack {fqn}")))
    }

    /// This engine where the bucket is to be, for all stacks it is given.
    fn for_bucket(&self, config: &Config) -> Self {
        let region = config.bucket_region.as_deref().unwrap_or_else(|| self.provider.region());
        let mut options = self.options.clone();
        options.selection = None;
        Self {
            provider: self.provider.in_region(region),
            files: Arc::new(WithTemplate(Arc::clone(&self.files))),
            clock: Arc::clone(&self.clock),
            options,
            registry: self.registry.clone(),
            asked: Asked::default().keeping_secrets_in(Arc::clone(self.asked.vault())),
            // There is no bucket for it yet, and this is one stack.
            cache: Arc::new(Cache::off()),
        }
    }

    /// Makes the bucket before a deploy, and plans again with it; the outcome of the run if that did not succeed. What
    /// the first plan did not show to be deleted, the second does not delete.
    pub(super) async fn with_bucket(
        &self,
        planned: Planned,
        config: &Config,
        wanted: &Backing,
        remake: impl Future<Output = Result<Made, EngineError>>,
        reporter: &mut dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<Result<Made, RunOutcome>, EngineError> {
        let started = self.clock.monotonic();
        let executed = self.make_bucket(config, wanted, reporter, interrupt).await?;
        if let Some(exit) = failed(&executed) {
            return Ok(Err(self.report(planned, executed, exit, started, reporter)));
        }
        let made = remake.await?;
        refuse_missing(config, &made.observed)?;
        let shown = deleted(&planned.plan);
        if let Some(name) = deleted(&made.planned.plan).difference(&shown).next() {
            let what = format!("stack {name} would be deleted");
            return Err(EngineError::of(EngineProblem::Stale { what }));
        }
        Ok(Ok(made))
    }

    fn report(
        &self,
        planned: Planned,
        executed: Executed,
        exit: ExitCode,
        started: Duration,
        reporter: &mut dyn Reporter,
    ) -> RunOutcome {
        let nodes = tell(&planned.plan, &executed, Stop::NotPrepared, reporter);
        reporter.event(&Event::RunFinished {
            planned: planned.plan.summary(),
            done: executed.done,
            failed: executed.failed.clone(),
            not_run: executed.not_run.union(&executed.abandoned).cloned().collect(),
            elapsed: self.clock.monotonic().saturating_sub(started),
        });
        ended(planned, nodes, executed, exit)
    }
}

/// How a run ends whose bucket could not be made; `None` if it could.
pub(crate) fn failed(executed: &Executed) -> Option<ExitCode> {
    match &executed.blind {
        Some(error) => Some(error.kind.exit_code()),
        None if !executed.failed.is_empty() => Some(ExitCode::StepsFailed),
        None => executed.interrupted.then_some(ExitCode::Interrupted),
    }
}

fn deleted(plan: &Plan) -> BTreeSet<NodeName> {
    let deletes = plan.steps.iter().filter(|step| matches!(step.action, Action::Delete | Action::Recreate));
    deletes.map(|step| step.name.clone()).collect()
}

/// A stack that was made and whose bucket somebody deleted: an update would not bring it back.
fn emptied(config: &Config, observed: &Observed) -> Option<EngineProblem> {
    let definition = config.stacks.get(STACK)?;
    let live = observed.world.stacks.get(&definition.fqn)?;
    let status = live.status;
    let wanted = definition.variables.get("BucketName").map(|variable| &variable.value);
    let made = live.parameters.get("BucketName").map(|name| VariableValue::Text(name.clone()));
    if is_generated(definition) && made.is_some() && made.as_ref() != wanted {
        // An update would replace the other bucket, which is to say delete it.
        let bucket = live.parameters.get("BucketName").cloned().unwrap_or_default();
        return Some(EngineProblem::OtherBucket { fqn: live.fqn.as_str().to_owned(), bucket });
    }
    if status.is_in_progress() || status.is_failed_creation() || status == StackStatus::ReviewInProgress {
        return None;
    }
    Some(EngineProblem::BucketGone { fqn: live.fqn.as_str().to_owned(), status })
}

fn is_generated(definition: &StackDefinition) -> bool {
    matches!(&definition.template, Some(TemplateSource::File { path, .. }) if path == TEMPLATE_PATH)
}

fn refuse_missing(config: &Config, observed: &Observed) -> Result<(), EngineError> {
    if !observed.bucket_missing {
        return Ok(());
    }
    let bucket = config.bucket_name(&observed.world.place.region);
    let bucket = bucket.map(|bucket| bucket.as_str().to_owned()).unwrap_or_default();
    Err(EngineError::of(EngineProblem::BucketNotMade { stack: STACK, bucket }))
}

/// The config that makes the bucket of another: only its stack `cfngin-bucket` with what that needs, or else one that is
/// made up.
fn bucket_config(config: &Config, region: &str) -> Config {
    let name = NodeName::from(STACK);
    let (mut stacks, mut tasks) = (IndexMap::new(), IndexMap::new());
    if config.stacks.contains_key(STACK) {
        let wanted = with_needs(config, &name);
        tasks.extend(config.tasks.clone().into_iter().filter(|(node, _)| wanted.contains(node)));
        // Whom else they serve is of no matter here.
        tasks.values_mut().for_each(|task| task.required_by.clear());
        for (name, definition) in config.stacks.iter().filter(|(name, _)| wanted.contains(*name)) {
            let mut definition = definition.clone();
            definition.required_by.retain(|(name, _)| wanted.contains(name));
            stacks.insert(name.clone(), definition);
        }
    } else {
        let bucket = config.bucket_name(region).map(|bucket| bucket.as_str().to_owned());
        stacks.insert(name.clone(), generated(config, name, bucket.unwrap_or_default()));
    }
    Config {
        bucket: BucketSetting::Off,
        persistent_graph_key: None,
        hooks: Default::default(),
        tasks,
        stacks,
        ..config.clone()
    }
}

/// A stack and everything it needs, at any distance.
fn with_needs(config: &Config, name: &NodeName) -> BTreeSet<NodeName> {
    let graph = DependencyGraph::build(&Arc::new(config.clone())).0.unwrap_or_default();
    let mut found = BTreeSet::from([name.clone()]);
    let mut open = VecDeque::from([name.clone()]);
    while let Some(next) = open.pop_front() {
        open.extend(graph.needs_of(&next).into_iter().filter(|need| found.insert(need.clone())));
    }
    found
}

/// The stack that CFNgin makes up where a config has none.
fn generated(config: &Config, name: NodeName, bucket: String) -> StackDefinition {
    let span = config.stacks_span;
    let variables = [("AccessControl", "Private"), ("BucketName", &bucket), ("VersioningStatus", "Enabled")];
    let variable = |text: &str| Variable {
        value: VariableValue::Text(text.to_owned()),
        span,
        name_span: span,
        own: true,
    };
    StackDefinition {
        fqn: config.fqn(STACK),
        name,
        template: Some(TemplateSource::File { path: TEMPLATE_PATH.into(), span }),
        description: None,
        enabled: true,
        locked: false,
        protected: false,
        wait_if_in_progress: true,
        requires: Vec::new(),
        required_by: Vec::new(),
        stack_policy_path: None,
        tags: config.tags.clone(),
        termination_protection: true,
        timeout_minutes: None,
        variables: variables.map(|(name, text)| (name.to_owned(), variable(text))).into_iter().collect(),
        span,
    }
}
