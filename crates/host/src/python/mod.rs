//! The bridge to the user's Python: blueprints, hooks and custom lookups, with the real Runway package around them.
//!
//! One process serves one config. It starts with the first request and is not restarted: once it has ended, every
//! further request fails with the same words. The protocol is in `bridge.py`, which travels inside this binary.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use camino::Utf8PathBuf;
use runway_core::cache::Cache;
use runway_core::provider::ErrorKind;
use runway_core::registry::{
    Blueprint, BlueprintRenderer, BlueprintRequest, Fetched, HandlerFailure, HookCall, HookHandler,
    HookOutput, LookupFailure, LookupHandler, LookupRequest,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use self::facts::Told;
use self::memory::{Memory, Question};
use self::problem::PythonProblem;
use self::process::{Answer, Process, Raised, StartProblem};
use runway_core::secrets::Secrets;

mod facts;
mod interpreter;
mod memory;
mod problem;
mod process;

/// Variable that names the interpreter.
pub const INTERPRETER_VARIABLE: &str = "RUNWAY_RS_PYTHON";
/// Variable that says how many seconds one blueprint, hook or lookup may take.
pub const TIMEOUT_VARIABLE: &str = "RUNWAY_RS_PYTHON_TIMEOUT";
/// How long one blueprint, hook or lookup may take unless the user says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);
/// The oldest Python that Runway 2.8 runs on.
const OLDEST_PYTHON: &str = "3.9";
/// The version of Runway that this bridge is tested with.
const TRIED_RUNWAY: &str = "runway==2.8.4";

/// What Python is told about the run and its config.
#[derive(Debug, Clone)]
pub struct PythonSettings {
    /// The interpreter the user chose: a path (relative to `root_directory`) or a name on the `PATH`. `None`: that of
    /// the active virtual environment, else `python3`.
    pub interpreter: Option<Utf8PathBuf>,
    /// The module's directory, in which Python runs.
    pub directory: Utf8PathBuf,
    /// Environment variables of the run, all that Python gets. Region and deploy environment are added from below.
    pub environment: BTreeMap<String, String>,
    /// The config as Runway parses it, after substitution and merging.
    pub config: Value,
    /// Its file.
    pub config_path: Utf8PathBuf,
    /// Parameters: environment files and `runway.yml`.
    pub parameters: BTreeMap<String, Value>,
    /// Name of the deploy environment.
    pub deploy_environment: String,
    /// Region of the run.
    pub region: String,
    /// Directory of `runway.yml`.
    pub root_directory: Utf8PathBuf,
    /// `.runway` of the project.
    pub work_directory: Utf8PathBuf,
    /// Absolute directories that are appended to Python's search path, in order.
    pub sys_path: Vec<Utf8PathBuf>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// A Python process for one config, started when it is needed.
#[derive(Debug)]
pub struct PythonBridge {
    settings: PythonSettings,
    state: Mutex<State>,
    memory: Option<Memory>,
}

#[derive(Debug)]
enum State {
    NotStarted,
    Running(Box<Process>),
    /// There is no Python any more, or never was.
    Over(HandlerFailure),
}

impl PythonBridge {
    /// A bridge that has not started Python yet.
    pub fn new(settings: PythonSettings) -> Self {
        Self { settings, state: Mutex::new(State::NotStarted), memory: None }
    }

    /// The same, where blueprints that were rendered before and depend on nothing that has changed since are taken from
    /// the cache.
    #[must_use]
    pub fn remembering(self, cache: Arc<Cache>) -> Self {
        Self { memory: Memory::new(cache), ..self }
    }

    /// The handler of a custom lookup: `class_path` as the config's `lookups` has it for `name`. Its
    /// class takes the query apart itself: [`LookupRequest::query`] should be the whole text, common arguments included.
    pub fn lookup(
        self: &Arc<Self>,
        name: impl Into<String>,
        class_path: impl Into<String>,
    ) -> Arc<dyn LookupHandler> {
        Arc::new(PythonLookup {
            bridge: Arc::clone(self),
            name: name.into(),
            class_path: Some(class_path.into()),
        })
    }

    /// The handler of a lookup that comes with Runway, for example `awslambda.Code`, whose values only Python has.
    /// Takes queries like [`Self::lookup`].
    pub fn runway_lookup(self: &Arc<Self>, name: impl Into<String>) -> Arc<dyn LookupHandler> {
        Arc::new(PythonLookup { bridge: Arc::clone(self), name: name.into(), class_path: None })
    }

    /// Asks for something; starts Python if this is the first request.
    async fn ask(
        &self,
        request: Value,
        what: &str,
        output: &dyn HookOutput,
        secrets: &Secrets,
    ) -> Result<Answer, HandlerFailure> {
        let mut state = self.state.lock().await;
        // If this future is dropped, the process goes with it, and this stays.
        let interrupted = State::Over(PythonProblem::Interrupted { what: what.to_owned() }.into());
        let mut process = match std::mem::replace(&mut *state, interrupted) {
            State::Running(process) => process,
            State::NotStarted => match Process::start(&self.settings, self.memory.is_some(), &debug).await {
                Ok(process) => Box::new(process),
                Err(problem) => {
                    let failure = match problem {
                        StartProblem::Python(problem) => problem.into(),
                        StartProblem::Raised(raised) => failure(raised, &Secrets::default()),
                    };
                    *state = State::Over(failure.clone());
                    return Err(failure);
                }
            },
            State::Over(failure) => {
                *state = State::Over(failure.clone());
                return Err(failure);
            }
        };
        match process.ask(request, what, output, secrets).await {
            Ok(answer) => {
                *state = State::Running(process);
                Ok(answer)
            }
            Err(problem) => {
                let failure = HandlerFailure::from(problem);
                *state = State::Over(failure.clone());
                Err(failure)
            }
        }
    }
}

/// Prints of what is no hook are of interest to who looks for a mistake.
fn debug(line: &str) {
    tracing::debug!(target: "runway_rs::python", "Python: {line}");
}

/// What to say of an error.
fn failure(raised: Raised, secrets: &Secrets) -> HandlerFailure {
    let kind = raised.service.as_deref().and_then(|kind| match kind {
        "credentials" => Some(ErrorKind::Credentials),
        "denied" => Some(ErrorKind::Denied),
        "throttled" => Some(ErrorKind::Throttled),
        "unavailable" => Some(ErrorKind::Unavailable),
        _ => None,
    });
    HandlerFailure {
        message: secrets.hide(&raised.message),
        help: raised
            .help
            .or_else(|| kind.map(|kind| kind.remedy().to_owned()))
            .map(|help| secrets.hide(&help)),
        detail: raised.detail.map(|detail| secrets.hide(&detail)),
        kind,
    }
}

impl PythonBridge {
    /// Renders a blueprint in Python; and what Python tells of what that depended on.
    async fn render_now(
        &self,
        request: &BlueprintRequest,
    ) -> Result<(Blueprint, Option<Told>), HandlerFailure> {
        let secrets = Secrets::new(&request.secrets);
        let what = format!("the blueprint `{}`", request.class_path);
        let message = json!({
            "do": "render",
            "stack": request.stack.as_str(),
            "class_path": request.class_path,
            "description": request.description,
            "variables": request.variables,
            "hook_data": request.hook_data,
        });
        let mut answer = self.ask(message, &what, &debug, &secrets).await?;
        if let Some(raised) = answer.error {
            return Err(failure(raised, &secrets));
        }
        // What a blueprint leaves in the context is more than its template.
        let told = answer.ok["trace"].take();
        let told = serde_json::from_value(told).ok().filter(|_| answer.hook_data.is_empty());
        serde_json::from_value::<(String, Vec<(String, Value)>)>(json!([
            answer.ok["body"],
            answer.ok["parameters"]
        ]))
        .map(|(body, parameters)| (Blueprint { body, parameters }, told))
        .map_err(|error| PythonProblem::NotUnderstood { what, reason: error.to_string() }.into())
    }

    /// Code runs in Python that is no blueprint.
    fn share(&self) {
        if let Some(memory) = &self.memory {
            memory.share();
        }
    }
}

#[async_trait]
impl BlueprintRenderer for PythonBridge {
    async fn render(&self, request: &BlueprintRequest) -> Result<Blueprint, HandlerFailure> {
        let Some(memory) = &self.memory else {
            return self.render_now(request).await.map(|(blueprint, _)| blueprint);
        };
        let mut progress = memory.progress().await;
        let question = Question::of(&self.settings, request);
        let mut asked = None;
        if let Some(question) = question {
            let found = memory.find(&question, &self.settings, &mut progress).await;
            if let Some(blueprint) = found.blueprint {
                return Ok(blueprint);
            }
            asked = Some((question, found));
        }
        let began = Instant::now();
        let (blueprint, told) = self.render_now(request).await?;
        let python = asked.as_ref().map(|(question, _)| question.python());
        memory.learn(told, python, &self.settings, &mut progress).await;
        if let Some((question, found)) = &asked {
            memory.keep(question, &blueprint, found, &progress, began);
        }
        Ok(blueprint)
    }

    fn look_again(&self) {
        if let Some(memory) = &self.memory {
            memory.look_again();
        }
    }
}

#[async_trait]
impl HookHandler for PythonBridge {
    async fn run(&self, call: &HookCall, output: &dyn HookOutput) -> Result<Value, HandlerFailure> {
        self.share();
        let secrets = Secrets::new(&call.secrets);
        let what = format!("the hook `{}`", call.path);
        let message = json!({
            "do": "hook",
            "stage": call.stage.as_str(),
            "path": call.path,
            "args": call.args,
            "data_key": call.data_key,
            "hook_data": call.hook_data,
        });
        let answer = self.ask(message, &what, output, &secrets).await?;
        for (key, value) in answer.hook_data {
            output.keep(&key, value);
        }
        match answer.error {
            Some(raised) => Err(failure(raised, &secrets)),
            None => Ok(answer.ok),
        }
    }
}

/// The query with its arguments, which the class takes apart itself.
fn whole_query(request: &LookupRequest) -> String {
    let arguments: Vec<String> =
        request.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if arguments.is_empty() {
        return request.query.clone();
    }
    format!("{}::{}", request.query, arguments.join(","))
}

/// A lookup whose handler is a Python class.
struct PythonLookup {
    bridge: Arc<PythonBridge>,
    name: String,
    class_path: Option<String>,
}

#[async_trait]
impl LookupHandler for PythonLookup {
    async fn fetch(&self, request: &LookupRequest) -> Result<Fetched, LookupFailure> {
        self.bridge.share();
        let what = format!("the lookup `{}`", self.name);
        let message = json!({
            "do": "lookup",
            "name": self.name,
            "class_path": self.class_path,
            "query": whole_query(request),
        });
        let secrets = Secrets::default();
        let failed = |failure: HandlerFailure| LookupFailure {
            missing: false,
            message: failure.message,
            help: failure.help,
            kind: failure.kind,
        };
        let answer = self.bridge.ask(message, &what, &debug, &secrets).await.map_err(failed)?;
        match answer.error {
            Some(raised) => Err(failed(failure(raised, &secrets))),
            None => Ok(Fetched { value: answer.ok, secret: false }),
        }
    }
}
