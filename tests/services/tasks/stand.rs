//! Plans and carries out single tasks, as a run would, without waiting in real time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use runway_aws::AwsProvider;
use runway_core::clock::Clock;
use runway_core::registry::HookOutput;
use runway_core::task::{
    AnyTaskKind, Ended, Program, Programs, ReadContext, TaskAction, TaskChange, TaskDone, TaskFailure,
    TaskKinds, TaskPlace, TaskServices, WriteContext,
};
use serde_json::{Map, Value};

use crate::support::provider;

/// Verbs with which operations begin that change nothing.
pub(crate) const READS: [&str; 8] =
    ["Describe", "Get", "List", "Search", "BatchGet", "Scan", "Validate", "AssumeRole"];

/// Waits for nothing, and remembers for what it would have.
#[derive(Default)]
pub(crate) struct Hasty(Mutex<Duration>);

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
        tokio::task::yield_now().await;
    }
}

struct NoPrograms;

#[async_trait]
impl Programs for NoPrograms {
    async fn run(&self, _: &Program, _: &dyn HookOutput) -> Result<Ended, TaskFailure> {
        panic!("no test of services runs programs");
    }
}

/// What tasks of one place need.
#[derive(Clone)]
pub(crate) struct Stand {
    provider: AwsProvider,
    services: Arc<dyn TaskServices>,
    clock: Arc<Hasty>,
    place: TaskPlace,
    runs: Arc<AtomicUsize>,
}

fn map(arguments: &Value) -> Map<String, Value> {
    arguments.as_object().unwrap().clone()
}

fn kind(name: &str) -> Arc<dyn AnyTaskKind> {
    Arc::clone(TaskKinds::default().get(name).unwrap())
}

/// That every output is one that the kind declares, and that those are the same after a change which it says stay.
fn gives_what_it_declares(name: &str, planned: &TaskChange, done: &TaskDone) {
    let gives = kind(name).gives();
    for (output, value) in planned.outputs.iter().chain(&done.outputs) {
        assert!(gives.has(output), "{name}: {output}");
        // Who makes something tells in advance only what it will have.
        let lasts = planned.action != TaskAction::Update || gives.stays(output);
        if let Some(after) = done.outputs.get(output).filter(|_| lasts) {
            assert_eq!(after, planned.outputs.get(output).unwrap_or(after), "{name}: {output}");
        }
        assert!(!value.is_empty(), "{name}: {output}");
    }
}

/// What is wrong with arguments.
pub(crate) fn problems(name: &str, arguments: &Value) -> Vec<String> {
    kind(name).check(&map(arguments))
}

impl Stand {
    /// In the account and region of the process.
    pub(crate) async fn new() -> Self {
        let provider = provider().await;
        let services = runway_aws::task_services(&provider, Arc::new(NoPrograms));
        let (clock, place, runs) = (Arc::default(), TaskPlace::default(), Arc::default());
        Self { provider, services, clock, place, runs }
    }

    /// The same in another place.
    pub(crate) fn at(&self, place: TaskPlace) -> Self {
        Self { place, ..self.clone() }
    }

    pub(crate) fn services(&self) -> &dyn TaskServices {
        self.services.as_ref()
    }

    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        self.provider.requests()
    }

    /// How long would have been waited so far.
    pub(crate) fn waited(&self) -> Duration {
        self.clock.monotonic()
    }

    /// What a plan says. Nothing is changed by it.
    pub(crate) async fn plan(&self, name: &str, arguments: &Value) -> TaskChange {
        self.try_plan(name, arguments).await.unwrap()
    }

    pub(crate) async fn try_plan(&self, name: &str, arguments: &Value) -> Result<TaskChange, TaskFailure> {
        assert_eq!(problems(name, arguments), Vec::<String>::new());
        self.look(name, arguments, false).await
    }

    async fn look(&self, name: &str, arguments: &Value, removed: bool) -> Result<TaskChange, TaskFailure> {
        let before = self.requests();
        let context = ReadContext::new(&self.place, self.services.as_ref());
        let state = kind(name).read(&context, &map(arguments)).await?;
        for (operation, count) in self.requests() {
            let operation_name = operation.rsplit('.').next().unwrap();
            let is_read = READS.iter().any(|read| operation_name.starts_with(read));
            assert!(is_read || before.get(&operation) == Some(&count), "{operation} while planning");
        }
        kind(name).diff(&map(arguments), &state, removed)
    }

    /// What was read, as it may be written down.
    pub(crate) async fn state(&self, name: &str, arguments: &Value) -> Value {
        let context = ReadContext::new(&self.place, self.services.as_ref());
        kind(name).read(&context, &map(arguments)).await.unwrap()
    }

    /// Plans, and carries the plan out.
    pub(crate) async fn deploy(
        &self,
        name: &str,
        arguments: &Value,
    ) -> Result<(TaskChange, TaskDone), TaskFailure> {
        let planned = self.try_plan(name, arguments).await?;
        let done = self.apply(name, arguments, &planned).await?;
        gives_what_it_declares(name, &planned, &done);
        Ok((planned, done))
    }

    pub(crate) async fn apply(
        &self,
        name: &str,
        arguments: &Value,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        if planned.action == TaskAction::None {
            return Ok(TaskDone { outputs: planned.outputs.clone() });
        }
        let read = ReadContext::new(&self.place, self.services.as_ref());
        // Tests share one moto, which remembers tokens.
        let number = self.runs.fetch_add(1, Ordering::SeqCst);
        let token = format!("run-{}-{number}", std::process::id());
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let context = WriteContext::of_test(read, &token, &clock, &|| true);
        kind(name).apply(&context, &map(arguments), planned).await
    }

    /// Deploys what has to be new, and says what it gave.
    pub(crate) async fn creates(&self, name: &str, arguments: &Value) -> TaskDone {
        let (planned, done) = self.deploy(name, arguments).await.unwrap();
        assert_eq!(planned.action, TaskAction::Create, "{planned:?}");
        self.is_unchanged(name, arguments, &done).await;
        done
    }

    /// Deploys what is there and differs in exactly these paths.
    pub(crate) async fn updates(&self, name: &str, arguments: &Value, paths: &[&str]) -> TaskDone {
        let (planned, done) = self.deploy(name, arguments).await.unwrap();
        assert_eq!(planned.action, TaskAction::Update, "{planned:?}");
        assert_eq!(paths_of(&planned), paths, "{planned:?}");
        self.is_unchanged(name, arguments, &done).await;
        done
    }

    /// Deploys what is there and has to be made anew.
    pub(crate) async fn recreates(&self, name: &str, arguments: &Value, paths: &[&str]) -> TaskDone {
        let (planned, done) = self.deploy(name, arguments).await.unwrap();
        assert_eq!(planned.action, TaskAction::Recreate, "{planned:?}");
        assert_eq!(paths_of(&planned), paths, "{planned:?}");
        self.is_unchanged(name, arguments, &done).await;
        done
    }

    /// What was deployed needs nothing more, and its outputs are known.
    async fn is_unchanged(&self, name: &str, arguments: &Value, done: &TaskDone) {
        let again = self.plan(name, arguments).await;
        assert_eq!(again.action, TaskAction::None, "{again:?}");
        assert_eq!(again.details, []);
        assert_eq!(again.outputs, done.outputs);
    }

    /// Removes what its task does not keep any more; twice, since the first answer may be lost.
    pub(crate) async fn removes(&self, name: &str, arguments: &Value) {
        let planned = self.look(name, arguments, true).await.unwrap();
        assert_eq!(planned.action, TaskAction::Delete, "{planned:?}");
        for _ in 0..2 {
            self.apply(name, arguments, &planned).await.unwrap();
        }
        let again = self.look(name, arguments, true).await.unwrap();
        assert_eq!(again.action, TaskAction::None, "{again:?}");
    }
}

pub(crate) fn paths_of(change: &TaskChange) -> Vec<&str> {
    change.details.iter().map(|detail| detail.path.as_str()).collect()
}
