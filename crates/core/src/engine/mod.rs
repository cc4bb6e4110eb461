//! The engine: observes, plans, locks, carries out. Frontends call [`Engine`] and render what it returns.

mod answers;
mod backing;
mod cadence;
mod check;
mod deployed;
pub mod desired;
mod discretion;
mod execute;
mod failure;
mod hooks;
mod importers;
mod inquiry;
mod inspect;
mod judge;
mod limits;
mod look;
mod observations;
mod observe;
mod outcomes;
mod outputs;
mod problem;
mod receipts;
mod records;
mod run;
mod schedule;
mod sending;
mod step;
mod task;

pub use answers::Asked;
pub use inspect::Forgotten;
pub use limits::{CLOUDFORMATION, LimitKey, Limits};
pub use problem::EngineProblem;
pub use schedule::{Blocked, Schedule};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::discretion::{DiscreetGate, DiscreetReporter};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::{Config, OnRemove};
use crate::error::Finding;
use crate::event::Reporter;
use crate::exit::ExitCode;
use crate::files::Files;
use crate::graph::{GraphState, PersistentGraph};
use crate::ident::{NodeName, StackFqn};
use crate::outcome::NodeOutcome;
use crate::plan::saved::{SavedPlan, SavedTarget};
use crate::plan::{Allowed, Plan, Purpose, Selection, Summary};
use crate::provider::Provider;
use crate::registry::Registry;

/// Requests on their way at once. Stacks under way may be many more.
const REQUESTS_AT_ONCE: usize = 16;

/// Everything the engine needs from outside.
pub struct Engine {
    /// The cloud.
    pub provider: Arc<dyn Provider>,
    /// Templates and policies.
    pub files: Arc<dyn Files>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Switches.
    pub options: Options,
    /// Handlers of lookups, blueprints and hooks.
    pub registry: Registry,
    /// What they have answered in this run.
    pub asked: Asked,
    /// What is known from earlier runs.
    pub cache: Arc<Cache>,
}

/// Switches of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory of the config, absolute: where hooks run.
    pub directory: Utf8PathBuf,
    /// Environment variables that lookups may read.
    pub environment: BTreeMap<String, String>,
    /// Parameters of the run (environment file, `--param`).
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Stacks under way at once; at least 1. Most of their time they are only waited for.
    pub concurrency: usize,
    /// An empty stack list may delete every recorded stack.
    pub allow_empty: bool,
    /// The stacks to work on; `None` means all.
    pub selection: Option<Selection>,
    /// Data that the run may lose without a person's approval.
    pub allowed: BTreeSet<Allowed>,
    /// Time to live of the lock's lease.
    pub lock_ttl: Duration,
    /// How long to wait for a lock that somebody else holds; `None` refuses at once.
    pub lock_wait: Option<Duration>,
    /// Who runs this, for the lease.
    pub holder: Holder,
    /// Random part of lock code and request tokens: a UUID version 4, lower case.
    pub session: String,
    /// How often a run started without a person's approval plans anew when the world moved.
    pub replans: u32,
    /// Longest pause between two looks at running stacks.
    pub poll_limit: Duration,
    /// Whether resource events of running stacks are read (for a terminal); otherwise only those of a failure.
    pub follow_events: bool,
}

impl Options {
    /// Requests on their way at once.
    fn requests_at_once(&self) -> usize {
        self.concurrency.clamp(1, REQUESTS_AT_ONCE)
    }
}

/// Who holds a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Holder {
    /// Login name.
    #[serde(default)]
    pub user: String,
    /// Host name.
    #[serde(default)]
    pub host: String,
    /// Process id.
    #[serde(default)]
    pub pid: u32,
    /// Command, for example `deploy`.
    #[serde(default)]
    pub command: String,
    /// Version of runway-rs.
    #[serde(default)]
    pub version: String,
    /// Address of the CI run, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A plan and the warnings that came with it.
#[derive(Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Warnings about config, graph object and world, each with its place.
    pub warnings: Vec<Finding>,
}

/// A saved plan in the hands of a run that is to carry it out.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// The plan.
    pub saved: &'a SavedPlan,
    /// Texts that must not be shown, beside those that the run itself looks up.
    pub hidden: &'a [String],
}

/// What the frontend answers when it is shown a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// A person said yes to exactly this plan; a changed world ends the run.
    Person,
    /// `--yes` or CI: a changed world leads to a new plan, which is shown again.
    Standing,
    /// No. Nothing is changed; the exit code says why (31 without a terminal, 0 after a person's no).
    Refused(ExitCode),
}

/// Shows a plan that has changes and asks whether to go on.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Called once for each plan that would change something, before the lock is taken. `again` counts earlier
    /// plans of the same run that no longer stood.
    async fn approve(&self, planned: &Planned, again: u32) -> Approval;
}

/// The two levels of interruption.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    /// Cancelled by the first Ctrl-C or SIGTERM: start nothing, watch what runs.
    pub stop: CancellationToken,
    /// Cancelled by the second: leave what runs.
    pub abandon: CancellationToken,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunOutcome {
    /// The plan that was carried out, or shown and refused, or found to have nothing to do.
    pub planned: Planned,
    /// Steps done, by what was really done.
    pub done: Summary,
    /// How every step of the plan ended, in the order of the plan.
    pub nodes: Vec<NodeOutcome>,
    /// The exit code.
    pub exit: ExitCode,
    /// Errors besides failed steps (a graph write that failed, a lock that was lost).
    pub errors: Vec<Finding>,
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planned").field("plan", &self.plan).field("warnings", &self.warnings).finish()
    }
}

/// How an `init` ended.
#[derive(Debug)]
pub struct InitOutcome {
    /// What was done, in words.
    pub text: String,
    /// The exit code.
    pub exit: ExitCode,
    /// Errors besides failed steps.
    pub errors: Vec<Finding>,
}

/// Why a command of the engine could not do its work: one or more findings, with one exit code.
#[derive(Debug)]
pub struct EngineError {
    /// Errors and warnings, each with its place where it has one.
    pub findings: Vec<Finding>,
    /// The exit code.
    pub exit: ExitCode,
}

/// A recorded or existing stack, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusRow {
    /// The stack.
    pub name: NodeName,
    /// Its name in CloudFormation.
    pub fqn: StackFqn,
    /// CloudFormation's status; `ABSENT` if it does not exist.
    pub status: String,
    /// Whether the persistent graph has it.
    pub recorded: bool,
    /// Whether it exists.
    pub exists: bool,
    /// Whether the config has it.
    pub configured: bool,
}

/// What `status` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Stacks by name.
    pub stacks: Vec<StatusRow>,
    /// Tasks by name.
    pub tasks: Vec<TaskRow>,
}

/// A configured or recorded task, for `status`. What it keeps is not looked at: that is what a plan does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskRow {
    /// The task.
    pub name: NodeName,
    /// Its kind.
    pub kind: String,
    /// Account in which it works; `null` for that of the config.
    pub account: Option<String>,
    /// Region in which it works; `null` for that of the config.
    pub region: Option<String>,
    /// Whether the state object has it: what it keeps is there, or may be.
    pub recorded: bool,
    /// Whether it was found, or made, as specified when it was last looked at; `false` also if nothing is recorded.
    pub settled: bool,
    /// Whether the config has it.
    pub configured: bool,
    /// What becomes of what it keeps when it leaves the config: `retain` or `delete`.
    pub on_remove: OnRemove,
    /// What it keeps was there before it, or may have been: what a run that was killed was about to make is nobody's.
    pub adopted: bool,
}

/// The persistent graph as `graph show` presents it.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphView {
    /// Where it is, `s3://bucket/key`.
    pub location: String,
    /// What is recorded; `None` if there is no object.
    pub graph: Option<PersistentGraph>,
    /// What the state object knows.
    pub state: GraphState,
    /// Tags of the graph object.
    pub tags: BTreeMap<String, String>,
    /// Who holds the lock, if somebody does.
    pub holder: Option<LockView>,
}

/// A lock as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LockView {
    /// Lock code: of the lease or, for CFNgin, of the tag.
    pub code: String,
    /// Whether CFNgin holds it.
    pub cfngin: bool,
    /// Who, if a lease says so.
    pub holder: Option<Holder>,
    /// When it was taken, as the holder's clock said (RFC 3339).
    pub acquired: Option<String>,
    /// When it was last renewed, as the holder's clock said (RFC 3339).
    pub renewed: Option<String>,
}

impl Engine {
    /// Whether a run could begin as far as can be said without looking at the cloud: for several configs this is
    /// asked of all before the first one is carried out.
    ///
    /// # Errors
    /// [`EngineError`] with everything wrong with the config, the files it names and its values.
    pub fn check(&self, config: &Arc<Config>, purpose: Purpose) -> Result<(), EngineError> {
        self.discreet(self.check_config(config, purpose))
    }

    /// Creates the config's bucket unless it is there: with the config's own stack `cfngin-bucket` and what that needs,
    /// or with one that is made up (CFNgin).
    ///
    /// # Errors
    /// [`EngineError`] if the provider refuses, or the bucket's stack exists and the bucket does not.
    pub async fn init(
        &self,
        config: &Arc<Config>,
        reporter: &mut dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<InitOutcome, EngineError> {
        let mut reporter = DiscreetReporter { reporter, vault: self.asked.vault() };
        self.discreet(self.init_bucket(config, &mut reporter, interrupt).await)
    }

    /// Observes and plans; writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] if config, lookups, graph object or provider do not allow a plan.
    pub async fn plan(&self, config: &Arc<Config>, purpose: Purpose) -> Result<Planned, EngineError> {
        self.discreet(self.make_plan(config, purpose).await)
    }

    /// Observes and plans, and says what is to be kept for a run that carries out exactly this plan; writes nothing.
    /// `hidden` are texts that must not be shown, beside those that the plan looks up.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn plan_to_save(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
        target: SavedTarget,
        hidden: &[String],
    ) -> Result<(Planned, SavedPlan), EngineError> {
        self.discreet(self.make_plan_to_save(config, purpose, target, hidden).await)
    }

    /// Whether a saved plan still stands; writes nothing. The engine must have been given [`SavedPlan::pins`]
    /// ([`Asked::bound_to`]).
    ///
    /// # Errors
    /// As [`Engine::plan`]; exit code 21 with everything that moved since the plan was made.
    pub async fn check_saved(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
        bound: Bound<'_>,
    ) -> Result<(), EngineError> {
        self.discreet(self.check_saved_plan(config, purpose, bound).await)
    }

    /// Carries out a saved plan, or nothing: what a person approved is exactly this, so that whatever else moves, also
    /// under the lock or because of a hook, ends the run. `gate` sees the plan, and may only let it pass or refuse it.
    ///
    /// # Errors
    /// As [`Engine::check_saved`] and [`Engine::run`].
    pub async fn run_saved(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
        bound: Bound<'_>,
        gate: &dyn Gate,
        reporter: &mut dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<RunOutcome, EngineError> {
        let vault = self.asked.vault();
        let mut reporter = DiscreetReporter { reporter, vault };
        let gate = DiscreetGate { gate, vault };
        self.discreet(self.run_plan(config, purpose, Some(bound), &gate, &mut reporter, interrupt).await)
    }

    /// Observes, plans, and asks CloudFormation itself by change sets what it would do. The sets are deleted again, and so
    /// are the empty stacks that they make; what could not be deleted is a warning beside the plan.
    ///
    /// # Errors
    /// As [`Engine::plan`]; also if it is interrupted: then everything is deleted first, unless it is interrupted again.
    pub async fn plan_with_change_sets(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
        interrupt: &Interrupt,
    ) -> Result<Planned, EngineError> {
        self.discreet(self.plan_and_ask(config, purpose, interrupt).await)
    }

    /// Plans, asks `gate`, locks, carries out, unlocks.
    ///
    /// # Errors
    /// [`EngineError`] if the run ended before its first step (no plan, lock held by somebody else, stale plan).
    pub async fn run(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
        gate: &dyn Gate,
        reporter: &mut dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<RunOutcome, EngineError> {
        let vault = self.asked.vault();
        let mut reporter = DiscreetReporter { reporter, vault };
        let gate = DiscreetGate { gate, vault };
        self.discreet(self.run_plan(config, purpose, None, &gate, &mut reporter, interrupt).await)
    }

    /// Lists configured, recorded and existing stacks, sorted by name; writes nothing.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn status(&self, config: &Arc<Config>) -> Result<Status, EngineError> {
        self.status_rows(config).await
    }

    /// Outputs of the config's existing stacks (or of one), by stack and output name; writes nothing. Outputs that are made
    /// of secrets are hidden.
    ///
    /// # Errors
    /// As [`Engine::plan`]; also if the named stack is not in the config or does not exist.
    pub async fn outputs(
        &self,
        config: &Arc<Config>,
        stack: Option<&NodeName>,
    ) -> Result<BTreeMap<NodeName, BTreeMap<String, String>>, EngineError> {
        self.stack_outputs(config, stack).await
    }

    /// The persistent graph, its state and its lock; writes nothing.
    ///
    /// # Errors
    /// As [`Engine::plan`]; also if the config has no persistent graph.
    pub async fn graph(&self, config: &Arc<Config>) -> Result<GraphView, EngineError> {
        self.graph_view(config).await
    }

    /// Removes lock tag and lease if the lock is still the one in `seen`. Recorded nodes and intents stay.
    ///
    /// # Errors
    /// As [`Engine::graph`]; exit code 20 if the lock changed hands meanwhile.
    pub async fn unlock(&self, config: &Arc<Config>, seen: &GraphView) -> Result<(), EngineError> {
        self.force_unlock(config, seen).await
    }

    /// Stops managing a stack or task: drops it from graph and state under the lock; neither the stack nor what the task
    /// keeps is touched.
    ///
    /// # Errors
    /// As [`Engine::run`]; also if the stack is not recorded.
    pub async fn forget(
        &self,
        config: &Arc<Config>,
        stack: &NodeName,
        reporter: &mut dyn Reporter,
    ) -> Result<Forgotten, EngineError> {
        let mut reporter = DiscreetReporter { reporter, vault: self.asked.vault() };
        self.discreet(self.forget_stack(config, stack, &mut reporter).await)
    }
}
