//! Kinds of tasks over a service that keeps named values: `thing`, `mark` and `shell`, which keep one, and `shout`, which
//! only has an effect; beside them those kinds of the program that need nothing but CloudFormation, and `ssm_parameter`.
//! The service keeps its values as objects of a bucket, so that every call is a request that a test can count or break.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runway_core::provider::{ErrorKind, Provider, ProviderError};
use runway_core::task::{
    self, Change, Given, Gives, Identity, Keeps, Read, ReadContext, Service, ServiceFailure, TaskAction,
    TaskChange, TaskDetail, TaskDone, TaskFailure, TaskKind, TaskKinds, TaskPlace, TaskServices,
    WriteContext,
};
use runway_store::{BucketName, Condition, ObjectKey, ObjectStore, Put};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kinds.
pub(crate) fn kinds() -> TaskKinds {
    let own = [
        task::erased(Thing::<THING>),
        task::erased(Thing::<MARK>),
        task::erased(Thing::<SHELL>),
        task::erased(Shout),
    ];
    let all = TaskKinds::default();
    let built_in = ["assert", "bootstrap_spoke", "ssm_parameter", "stack_absent"];
    let built_in = built_in.into_iter().filter_map(|name| all.get(name));
    TaskKinds::new(own.into_iter().chain(built_in.cloned()))
}

/// The service, and every call that changed something: operation, place and name.
#[derive(Clone)]
pub(crate) struct Things {
    provider: Arc<dyn Provider>,
    pub(crate) changes: Arc<Mutex<Vec<String>>>,
    pub(crate) reads: Arc<Mutex<Vec<String>>>,
    /// Changes fail as long as this is set.
    pub(crate) broken: Arc<AtomicBool>,
}

impl Things {
    pub(crate) fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider, changes: Arc::default(), reads: Arc::default(), broken: Arc::default() }
    }

    /// The same service, reached through another provider.
    pub(crate) fn behind(&self, provider: Arc<dyn Provider>) -> Self {
        Self { provider, ..self.clone() }
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        self.provider.object_store(&BucketName::new("templates"), None)
    }

    /// What is kept under a name, beside any task.
    pub(crate) async fn get(&self, name: &str) -> Option<Value> {
        let found = self.store().get(&key(name)).await.unwrap()?;
        serde_json::from_slice(&found.body).ok()
    }

    /// Sets it, beside any task.
    pub(crate) async fn set(&self, name: &str, value: Value) {
        self.store().put(&key(name), value.to_string().into(), &Put::default()).await.unwrap();
    }

    /// Removes it, beside any task.
    pub(crate) async fn remove(&self, name: &str) {
        self.store().delete(&key(name), &Condition::None).await.unwrap();
    }

    /// Everything that was changed since this was last asked.
    pub(crate) fn take_changes(&self) -> Vec<String> {
        std::mem::take(&mut self.changes.lock().unwrap())
    }

    /// How often something was read since this was last asked.
    pub(crate) fn take_reads(&self) -> usize {
        std::mem::take(&mut *self.reads.lock().unwrap()).len()
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(format!("things/{name}"))
}

#[async_trait]
impl TaskServices for Things {
    async fn call(
        &self,
        place: &TaskPlace,
        _: Service,
        operation: &'static str,
        _: bool,
        input: &Value,
    ) -> Result<Value, ServiceFailure> {
        let name = input["Name"].as_str().unwrap_or_default();
        let at = [place.account.as_deref(), place.region.as_deref()];
        let at: Vec<&str> = at.into_iter().flatten().collect();
        let full = at.iter().chain([&name]).copied().collect::<Vec<_>>().join("/");
        let failure = |kind, message: &str| ServiceFailure {
            code: String::new(),
            error: ProviderError::new(kind, operation, full.clone(), message),
        };
        if name.starts_with("denied") {
            return Err(failure(ErrorKind::Denied, "no permission"));
        }
        if operation != "GetParameter" && self.broken.load(Ordering::Relaxed) {
            return Err(failure(ErrorKind::Unavailable, "out of order"));
        }
        let lost = |_| failure(ErrorKind::Unavailable, "no answer");
        match operation {
            // Those of the built-in kind.
            "GetParameter" if input.get("WithDecryption").is_some() => {
                let found = self.store().get(&key(&full)).await.map_err(lost)?;
                let found = found.ok_or_else(|| ServiceFailure {
                    code: "ParameterNotFound".to_owned(),
                    ..failure(ErrorKind::NotFound, "there is none")
                })?;
                Ok(json!({"Parameter": serde_json::from_slice::<Value>(&found.body).unwrap_or_default()}))
            }
            "PutParameter" if input.get("Overwrite").is_some() => {
                self.changes.lock().unwrap().push(format!("put {full}"));
                let before = self.store().get(&key(&full)).await.map_err(lost)?;
                let before: Value = before
                    .map_or(Value::Null, |found| serde_json::from_slice(&found.body).unwrap_or_default());
                let version = before["Version"].as_u64().unwrap_or_default() + 1;
                let mut body = input.clone();
                (body["Version"], body["ARN"]) = (json!(version), json!(format!("arn:{name}")));
                self.store()
                    .put(&key(&full), body.to_string().into(), &Put::default())
                    .await
                    .map_err(lost)?;
                Ok(json!({"Version": version}))
            }
            "GetParameter" => {
                self.reads.lock().unwrap().push(full.clone());
                let found = self.store().get(&key(&full)).await.map_err(lost)?;
                Ok(found.map_or(Value::Null, |found| serde_json::from_slice(&found.body).unwrap_or_default()))
            }
            "PutParameter" => {
                self.changes.lock().unwrap().push(format!("put {full}"));
                let body = input["Value"].to_string().into();
                self.store().put(&key(&full), body, &Put::default()).await.map_err(lost)?;
                Ok(json!({}))
            }
            "DeleteParameter" => {
                self.changes.lock().unwrap().push(format!("delete {full}"));
                self.store().delete(&key(&full), &Condition::None).await.map_err(lost)?;
                Ok(json!({}))
            }
            "Invoke" => {
                self.changes.lock().unwrap().push(format!("shout {full}"));
                Ok(json!({"Answer": format!("{full}!")}))
            }
            _ => Err(failure(ErrorKind::Unsupported, "no such operation")),
        }
    }

    async fn provider(&self, _: &TaskPlace) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(Arc::clone(&self.provider))
    }
}

const GET: Read = Read::new(Service::Ssm, "GetParameter");
const PUT: Change = Change::new(Service::Ssm, "PutParameter");
const DELETE: Change = Change::new(Service::Ssm, "DeleteParameter");
const SHOUT: Change = Change::new(Service::Lambda, "Invoke");

/// Keeps a value under a name: as a thing, which stays when it leaves the config; as a mark, which goes; or as the name of
/// a stack.
struct Thing<const AS: u8>;

const THING: u8 = 0;
const MARK: u8 = 1;
const SHELL: u8 = 2;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThingSpec {
    name: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Parts of it that it keeps; none: all of it.
    #[serde(default)]
    parts: BTreeSet<String>,
    #[serde(default)]
    state: State,
    /// Seconds a change takes.
    #[serde(default)]
    takes: u64,
}

impl ThingSpec {
    /// What it is called by the service, which knows everything by an id, too: `id-a` is `a`.
    fn real(&self) -> &str {
        self.name.strip_prefix("id-").unwrap_or(&self.name)
    }
}

#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Present,
    Absent,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    value: String,
    labels: BTreeMap<String, String>,
}

#[async_trait]
impl<const AS: u8> TaskKind for Thing<AS> {
    const KIND: &'static str = ["thing", "mark", "shell"][AS as usize];
    const REVISION: u32 = 1;
    const RETAINS: bool = AS != MARK;
    const KEEPS: Keeps = if AS == SHELL { Keeps::Stack } else { Keeps::Regional };
    const SERVICE: &'static str = "things";
    const GIVES: Gives =
        Gives::only(&[Given::staying("name", &["name"]), Given::changing("value", &["value"])]);
    type Spec = ThingSpec;
    type State = Option<Kept>;

    fn subject(spec: &ThingSpec) -> String {
        spec.name.clone()
    }

    fn parts(spec: &ThingSpec) -> Option<BTreeSet<String>> {
        (!spec.parts.is_empty()).then(|| spec.parts.clone())
    }

    fn identity(spec: &ThingSpec, state: &Option<Kept>) -> Option<Identity> {
        state.as_ref().map(|_| Identity { subject: format!("id-{}", spec.real()), parts: Self::parts(spec) })
    }

    fn check(spec: &ThingSpec) -> Vec<String> {
        spec.name.is_empty().then(|| "`name` is empty".to_owned()).into_iter().collect()
    }

    fn keeps_receipt(spec: &ThingSpec) -> bool {
        spec.state == State::Present
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &ThingSpec) -> Result<Option<Kept>, TaskFailure> {
        let found = context.call(GET, &json!({"Name": spec.real()})).await?;
        Ok(serde_json::from_value(found).ok())
    }

    fn diff(&self, spec: &ThingSpec, state: &Option<Kept>) -> TaskChange {
        let outputs = BTreeMap::from([("name".to_owned(), spec.name.clone())]);
        let change = |action, details| TaskChange { action, details, outputs: outputs.clone() };
        let Some(kept) = state else {
            return match spec.state {
                State::Absent => change(TaskAction::None, Vec::new()),
                State::Present => {
                    let after = Some(Value::from(spec.value.as_str()));
                    let detail = TaskDetail { path: "value".to_owned(), before: None, after };
                    change(TaskAction::Create, vec![detail])
                }
            };
        };
        if spec.state == State::Absent {
            return change(TaskAction::Delete, Vec::new());
        }
        let mut details = Vec::new();
        if kept.value != spec.value {
            details.push(TaskDetail {
                path: "value".to_owned(),
                before: Some(Value::from(kept.value.as_str())),
                after: Some(Value::from(spec.value.as_str())),
            });
        }
        if kept.labels != spec.labels {
            details.push(TaskDetail {
                path: "labels".to_owned(),
                before: Some(json!(kept.labels)),
                after: Some(json!(spec.labels)),
            });
        }
        let mut outputs = outputs;
        let action = if details.is_empty() { TaskAction::None } else { TaskAction::Update };
        outputs.insert("value".to_owned(), kept.value.clone());
        TaskChange { action, details, outputs }
    }

    fn diff_removed(&self, _: &ThingSpec, state: &Option<Kept>) -> TaskChange {
        let action = if state.is_some() { TaskAction::Delete } else { TaskAction::None };
        TaskChange { action, details: Vec::new(), outputs: BTreeMap::new() }
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &ThingSpec,
        change: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        context.pause(Duration::from_secs(spec.takes)).await;
        if spec.value == "refused" {
            let message = "the service does not take this value".to_owned();
            return Err(TaskFailure { message, help: Some("use another one".to_owned()), kind: None });
        }
        if change.action == TaskAction::Delete {
            context.call(DELETE, &json!({"Name": spec.real()})).await?;
            return Ok(TaskDone::default());
        }
        let value = json!({"value": spec.value, "labels": spec.labels});
        context.call(PUT, &json!({"Name": spec.real(), "Value": value})).await?;
        Ok(TaskDone { outputs: BTreeMap::from([("value".to_owned(), spec.value.clone())]) })
    }
}

/// Shouts a word.
struct Shout;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShoutSpec {
    word: String,
}

#[async_trait]
impl TaskKind for Shout {
    const KIND: &'static str = "shout";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const EFFECTS: bool = true;
    const GIVES: Gives = Gives::only(&[Given::changing("loudness", &[]), Given::free("answer")]);
    type Spec = ShoutSpec;
    type State = ();

    fn subject(spec: &ShoutSpec) -> String {
        spec.word.clone()
    }

    async fn read(&self, _: &ReadContext<'_>, _: &ShoutSpec) -> Result<(), TaskFailure> {
        Ok(())
    }

    fn diff(&self, spec: &ShoutSpec, (): &()) -> TaskChange {
        let after = Some(Value::from(spec.word.as_str()));
        let details = vec![TaskDetail { path: "word".to_owned(), before: None, after }];
        TaskChange { action: TaskAction::Run, details, outputs: BTreeMap::new() }
    }

    fn diff_removed(&self, _: &ShoutSpec, (): &()) -> TaskChange {
        TaskChange { action: TaskAction::None, details: Vec::new(), outputs: BTreeMap::new() }
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &ShoutSpec,
        _: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let answer = context.call(SHOUT, &json!({"Name": spec.word})).await?;
        let answer = answer["Answer"].as_str().unwrap_or_default().to_owned();
        let loudness = ("loudness".to_owned(), "very".to_owned());
        Ok(TaskDone { outputs: BTreeMap::from([("answer".to_owned(), answer), loudness]) })
    }
}
