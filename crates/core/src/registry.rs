//! What a run can do beyond stacks: lookups that ask something outside the config, blueprints and hooks. The handlers
//! live in other crates; core decides when they are asked and what their answers mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::ident::NodeName;
use crate::provider::{ErrorKind, ProviderError};
use crate::secrets::Secrets;
use crate::task::{TaskKinds, TaskServices};

/// The handlers of one config in one account and region.
#[derive(Clone, Default)]
pub struct Registry {
    /// Lookups by name: those of services, of files, and the config's own.
    pub lookups: BTreeMap<String, Arc<dyn LookupHandler>>,
    /// Hooks that are built in, by path.
    pub hooks: BTreeMap<String, Arc<dyn HookHandler>>,
    /// Every other hook: a Python path.
    pub python_hooks: Option<Arc<dyn HookHandler>>,
    /// Python blueprints.
    pub blueprints: Option<Arc<dyn BlueprintRenderer>>,
    /// Kinds of tasks.
    pub kinds: TaskKinds,
    /// What tasks call.
    pub services: Option<Arc<dyn TaskServices>>,
}

/// Asks for the value of a lookup. Every request is made once a run, whoever needs it.
#[async_trait]
pub trait LookupHandler: Send + Sync {
    /// The value, before the common arguments (`default`, `load`, `get`, `transform`, `indent`) are applied.
    ///
    /// # Errors
    /// [`LookupFailure`], which says whether a `default` may stand in.
    async fn fetch(&self, request: &LookupRequest) -> Result<Fetched, LookupFailure>;

    /// The value in a run that is bound to a plan which was made with the value `planned`. A lookup that chooses one of
    /// several (the newest image, say) gives `planned` again as long as it is among them, whatever else there now is,
    /// and never anything that it could not have chosen. Every other lookup has only its value now.
    ///
    /// # Errors
    /// As [`LookupHandler::fetch`].
    async fn fetch_planned(
        &self,
        request: &LookupRequest,
        planned: &Value,
    ) -> Result<Fetched, LookupFailure> {
        let _ = planned;
        self.fetch(request).await
    }
}

/// One lookup, nested lookups resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LookupRequest {
    /// Name of the lookup, for example `ssm`.
    pub name: String,
    /// The query, without arguments where the lookup has them.
    pub query: String,
    /// Arguments that are the lookup's own, for example `region`; the common ones are not among them.
    pub arguments: BTreeMap<String, String>,
    /// Tells requests apart that must not share an answer (`random.string`); `None` where equal requests may.
    pub place: Option<usize>,
}

impl LookupRequest {
    /// Whether stacks and hooks may change the answer. Files, keys of KMS, login passwords and random texts are what they
    /// are.
    pub fn is_volatile(&self) -> bool {
        self.place.is_none() && !matches!(self.name.as_str(), "file" | "kms" | "ecr")
    }
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// The value.
    pub value: Value,
    /// Whether it must never be shown.
    pub secret: bool,
}

/// Why a lookup has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupFailure {
    /// There is no such thing, so that a `default` applies; otherwise something went wrong.
    pub missing: bool,
    /// One sentence; never a secret.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// What kind of call failed, if it was a call to a service: it decides the exit code.
    pub kind: Option<ErrorKind>,
}

impl LookupFailure {
    /// There is no such thing.
    pub fn missing(message: impl Into<String>) -> Self {
        Self { missing: true, message: message.into(), help: None, kind: None }
    }

    /// The query or an argument is wrong.
    pub fn wrong(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { missing: false, message: message.into(), help: Some(help.into()), kind: None }
    }
}

impl From<ProviderError> for LookupFailure {
    fn from(error: ProviderError) -> Self {
        let help = Some(error.kind.remedy().to_owned());
        Self { missing: false, message: error.to_string(), help, kind: Some(error.kind) }
    }
}

/// Key of the object that stands for a value which is of use to Python only. It can be handed to Python, in which it is
/// the value that it stands for, and is no value for anything else. There are two forms:
///
/// * `{"$python": "7"}`: an object that the Python process has, for example one of troposphere in the result of a hook.
/// * `{"$python": {"cloudformation": <json>}}`: an object of troposphere by what a template says for it, for example
///   `{"Ref": "Name"}`. The lookup `file` gives those, because blueprints ask for the class of a variable's value.
pub const PYTHON_VALUE: &str = "$python";

/// The second form of [`PYTHON_VALUE`].
pub fn helper_function(cloudformation: Value) -> Value {
    serde_json::json!({PYTHON_VALUE: {"cloudformation": cloudformation}})
}

/// Renders Python blueprints.
#[async_trait]
pub trait BlueprintRenderer: Send + Sync {
    /// Renders one blueprint.
    ///
    /// # Errors
    /// [`HandlerFailure`] if Python cannot run it or it refuses its variables.
    async fn render(&self, request: &BlueprintRequest) -> Result<Blueprint, HandlerFailure>;

    /// Hooks have run: what is known of files and the like has to be looked at again.
    fn look_again(&self) {}
}

/// A blueprint with everything it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct BlueprintRequest {
    /// Name of the stack.
    pub stack: NodeName,
    /// `package.module.Class`.
    pub class_path: String,
    /// Overwrites the description.
    pub description: Option<String>,
    /// Resolved variables in file order, null ones included.
    pub variables: Map<String, Value>,
    /// Results of the hooks that ran before, by `data_key`.
    pub hook_data: Map<String, Value>,
    /// Texts in the variables and in the results of hooks that must not be shown.
    pub secrets: Vec<String>,
}

/// A rendered blueprint.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// The template as CFNgin would upload it.
    pub body: String,
    /// Values of its CloudFormation parameters, the defaults of the blueprint's variables included.
    pub parameters: Vec<(String, Value)>,
}

/// Why Python or a hook failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HandlerFailure {
    /// One sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// More for people, for example a traceback with the user's frames first. May have many lines.
    pub detail: Option<String>,
    /// What kind of call failed, if it was a call to a service: it decides the exit code.
    pub kind: Option<ErrorKind>,
}

impl HandlerFailure {
    /// The same, with the secrets hidden.
    pub fn without(self, secrets: &Secrets) -> Self {
        let hide = |text: String| secrets.hide(&text);
        Self {
            message: hide(self.message),
            help: self.help.map(hide),
            detail: self.detail.map(hide),
            kind: self.kind,
        }
    }
}

impl From<ProviderError> for HandlerFailure {
    fn from(error: ProviderError) -> Self {
        let help = Some(error.kind.remedy().to_owned());
        Self { message: error.to_string(), help, detail: None, kind: Some(error.kind) }
    }
}

/// Runs hooks.
#[async_trait]
pub trait HookHandler: Send + Sync {
    /// Runs a hook to its end. The result decides by Python's rules of truth: a false one (`null`, `false`, `0`, empty
    /// text, list or map) is a failure (CFNgin); a map is kept for `hook_data` if the hook has a `data_key`.
    ///
    /// # Errors
    /// [`HandlerFailure`] if it raised an error.
    async fn run(&self, call: &HookCall, output: &dyn HookOutput) -> Result<Value, HandlerFailure>;
}

/// One run of a hook.
#[derive(Debug, Clone)]
pub struct HookCall {
    /// When it runs.
    pub stage: HookStage,
    /// Its path, for example `runway.cfngin.hooks.command.run_command`.
    pub path: String,
    /// Its arguments, lookups resolved.
    pub args: Map<String, Value>,
    /// Key under which its result is kept.
    pub data_key: Option<String>,
    /// The config: namespace, names, tags, service role.
    pub config: Arc<Config>,
    /// Directory of the config, absolute: paths in the arguments start here.
    pub directory: Utf8PathBuf,
    /// Environment variables of the run.
    pub environment: BTreeMap<String, String>,
    /// Results of earlier hooks by `data_key`.
    pub hook_data: Map<String, Value>,
    /// Texts in the arguments that must not be shown.
    pub secrets: Vec<String>,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookStage {
    /// Before a deploy.
    PreDeploy,
    /// After a deploy.
    PostDeploy,
    /// Before a destroy.
    PreDestroy,
    /// After a destroy.
    PostDestroy,
}

impl HookStage {
    /// The key in the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreDeploy => "pre_deploy",
            Self::PostDeploy => "post_deploy",
            Self::PreDestroy => "pre_destroy",
            Self::PostDestroy => "post_destroy",
        }
    }
}

/// Takes what a hook prints, line by line, while it runs.
pub trait HookOutput: Send + Sync {
    /// One line, without its end. Must not block for long.
    fn line(&self, text: &str);

    /// Keeps a value in `hook_data` beside the hook's own result. CFNgin's docker hooks share the key `docker` in this
    /// way whatever their `data_key` is, and a Python hook may write `context.hook_data` itself. Replaces what was there.
    fn keep(&self, key: &str, value: Value) {
        let _ = (key, value);
    }
}

impl<F: Fn(&str) + Send + Sync> HookOutput for F {
    fn line(&self, text: &str) {
        self(text);
    }
}
