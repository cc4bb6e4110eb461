//! Configs from text, an engine on an embedded provider in memory, and runs that record what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use runway_core::cache::Cache;
use runway_core::clock::{Clock, TokioClock};
use runway_core::config::Config;
use runway_core::config::load::load;
use runway_core::engine::{
    Approval, Asked, Engine, EngineError, Gate, Holder, Interrupt, Options, Planned, RunOutcome,
};
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::ident::StackFqn;
use runway_core::plan::Purpose;
use runway_core::provider::{CloudFormation, Provider, StackRef, StackState};
use runway_core::registry::Registry;
use runway_core::text::Document;
use runway_local::Local;
use runway_store::{BucketName, ObjectKey, ObjectStore, StoreErrorKind, Tags};

use crate::fakes::Fakes;
use crate::things::{self, Things};

/// Key of the graph object of every project here.
pub(crate) fn graph_key() -> ObjectKey {
    ObjectKey::new("persistent_graphs/ns/main.json")
}

/// A project: a config, its templates, and the cloud it works on.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) clock: Arc<TokioClock>,
    pub(crate) local: Arc<Local>,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) fakes: Arc<Fakes>,
    registry: Registry,
    /// What tasks work with.
    pub(crate) things: Things,
    sessions: Arc<Mutex<u32>>,
    /// Kept between runs, as the cache directory is.
    pub(crate) cache: Arc<Cache>,
}

/// What one run left to look at.
pub(crate) struct Run {
    pub(crate) result: Result<RunOutcome, EngineError>,
    pub(crate) events: Vec<Event>,
}

impl Run {
    pub(crate) fn exit(&self) -> ExitCode {
        match &self.result {
            Ok(outcome) => outcome.exit,
            Err(error) => error.exit,
        }
    }

    pub(crate) fn explain(&self) -> String {
        match &self.result {
            Ok(outcome) => format!("{:?} {:?} {:#?}", outcome.exit, outcome.errors, self.events),
            Err(error) => format!("{:?} {:?}", error.exit, error.findings),
        }
    }

    /// Whether it reported nothing but how its nodes ended.
    pub(crate) fn did_nothing(&self) -> bool {
        self.events.iter().all(|event| matches!(event, Event::Outcomes { .. }))
    }

    /// Position of the first event that `matches`.
    pub(crate) fn position(&self, matches: impl Fn(&Event) -> bool) -> Option<usize> {
        self.events.iter().position(matches)
    }
}

/// Approves everything, as `--yes` does.
pub(crate) struct Yes;

#[async_trait]
impl Gate for Yes {
    async fn approve(&self, _planned: &Planned, _again: u32) -> Approval {
        Approval::Standing
    }
}

/// Approves everything after something else has happened, once.
pub(crate) struct Meanwhile(
    Box<dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>,
);

impl Meanwhile {
    pub(crate) fn new<F: Future<Output = ()> + Send + 'static>(
        happens: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(move || Box::pin(happens())))
    }
}

#[async_trait]
impl Gate for Meanwhile {
    async fn approve(&self, _planned: &Planned, _again: u32) -> Approval {
        self.0().await;
        Approval::Standing
    }
}

impl World {
    /// A cloud with nothing but the bucket. Must be called in a runtime with paused time.
    pub(crate) fn new() -> Self {
        let world = Self::without_bucket();
        let local = Arc::clone(&world.local);
        let bucket = BucketName::new("templates");
        let mut making = std::pin::pin!(local.create_bucket(&bucket));
        let mut context = Context::from_waker(Waker::noop());
        assert!(making.as_mut().poll(&mut context).is_ready(), "in memory nothing is waited for");
        world
    }

    /// A cloud without even a bucket.
    pub(crate) fn without_bucket() -> Self {
        let clock = Arc::new(TokioClock::starting_at("2030-01-01T00:00:00Z".parse().unwrap()));
        let local = Arc::new(Local::memory(Arc::clone(&clock) as Arc<dyn Clock>, Default::default()));
        let provider = Arc::clone(&local) as Arc<dyn Provider>;
        let fakes = Arc::new(Fakes::default());
        let registry = Registry { kinds: things::kinds(), ..fakes.registry() };
        let things = Things::new(Arc::clone(&provider));
        let cache = Arc::default();
        Self { clock, local, provider, fakes, registry, things, sessions: Arc::default(), cache }
    }

    /// The same cloud behind another provider, for example one that injects faults.
    pub(crate) fn behind(&self, provider: Arc<dyn Provider>) -> Self {
        let things = self.things.behind(Arc::clone(&provider));
        Self { provider, things, ..self.clone() }
    }

    /// The same cloud without anything that answers lookups, renders blueprints or runs hooks.
    pub(crate) fn without_handlers(self) -> Self {
        Self { registry: Registry::default(), ..self }
    }

    /// The same cloud with the service of the fakes behind one more lookup.
    #[allow(dead_code, reason = "shared with other tests")]
    pub(crate) fn answering(mut self, lookup: &str) -> Self {
        self.registry.lookups.insert(lookup.to_owned(), Arc::clone(&self.fakes) as _);
        self
    }

    pub(crate) fn engine(
        &self,
        files: BTreeMap<Utf8PathBuf, String>,
        change: impl FnOnce(&mut Options),
    ) -> Engine {
        let mut sessions = self.sessions.lock().unwrap();
        *sessions += 1;
        let mut options = Options {
            directory: "/project".into(),
            environment: BTreeMap::new(),
            parameters: BTreeMap::new(),
            concurrency: 16,
            allow_empty: false,
            allowed: BTreeSet::new(),
            selection: None,
            lock_ttl: Duration::from_secs(60),
            lock_wait: None,
            holder: Holder { user: "tester".into(), host: "here".into(), ..Holder::default() },
            session: format!("00000000-0000-4000-8000-{:012x}", *sessions),
            replans: 3,
            poll_limit: Duration::from_secs(5),
            follow_events: false,
        };
        change(&mut options);
        Engine {
            provider: Arc::clone(&self.provider),
            files: self.fakes.files(files),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            options,
            registry: Registry { services: Some(Arc::new(self.things.clone())), ..self.registry.clone() },
            asked: Asked::default(),
            cache: Arc::clone(&self.cache),
        }
    }

    pub(crate) async fn run(&self, project: &Project, purpose: Purpose) -> Run {
        self.run_with(project, purpose, &Interrupt::default(), |_| ()).await
    }

    pub(crate) async fn run_with(
        &self,
        project: &Project,
        purpose: Purpose,
        interrupt: &Interrupt,
        change: impl FnOnce(&mut Options),
    ) -> Run {
        self.run_gated(project, purpose, (&Yes, interrupt), change).await
    }

    /// A run whose plans are shown to a gate.
    pub(crate) async fn run_gated(
        &self,
        project: &Project,
        purpose: Purpose,
        (gate, interrupt): (&dyn Gate, &Interrupt),
        change: impl FnOnce(&mut Options),
    ) -> Run {
        let engine = self.engine(project.files.clone(), change);
        let events = Arc::new(Mutex::new(Vec::new()));
        let mut reporter = {
            let events = Arc::clone(&events);
            move |event: &Event| events.lock().unwrap().push(event.clone())
        };
        let result = engine.run(&project.config(), purpose, gate, &mut reporter, interrupt).await;
        let events = events.lock().unwrap().clone();
        Run { result, events }
    }

    pub(crate) async fn deploy(&self, project: &Project) -> Run {
        self.run(project, Purpose::Deploy).await
    }

    pub(crate) async fn plan(&self, project: &Project) -> Planned {
        self.plan_for(project, Purpose::Deploy).await
    }

    pub(crate) async fn plan_for(&self, project: &Project, purpose: Purpose) -> Planned {
        let engine = self.engine(project.files.clone(), |_| ());
        match engine.plan(&project.config(), purpose).await {
            Ok(planned) => planned,
            Err(error) => panic!("no plan: {:?}", error.findings),
        }
    }

    /// Why there is no plan.
    pub(crate) async fn no_plan(&self, project: &Project) -> EngineError {
        let engine = self.engine(project.files.clone(), |_| ());
        engine.plan(&project.config(), Purpose::Deploy).await.expect_err("a plan that cannot be made")
    }

    /// That nobody has the lock, and that every intent is settled.
    pub(crate) async fn assert_at_rest(&self) {
        assert_eq!(self.lease_text().await, None);
        assert!(!self.graph_tags().await.contains_key("cfngin_lock_code"));
        let state = self.state_text().await.unwrap_or_default();
        assert!(!state.contains("\"steps\""), "{state}");
    }

    /// CloudFormation, beside any session.
    pub(crate) fn local_cloudformation(&self) -> Arc<dyn CloudFormation> {
        self.local.cloudformation()
    }

    /// The template of a stack as it was submitted.
    pub(crate) async fn template(&self, fqn: &str) -> String {
        let stack = StackRef::Name(StackFqn::new(fqn));
        self.local.cloudformation().get_template(&stack).await.unwrap().unwrap()
    }

    /// Every live stack by name.
    pub(crate) async fn stacks(&self) -> BTreeMap<String, StackState> {
        self.list().await.0
    }

    /// How many requests it takes to list all stacks.
    pub(crate) async fn pages(&self) -> usize {
        self.list().await.1
    }

    async fn list(&self) -> (BTreeMap<String, StackState>, usize) {
        let cloudformation = self.local.cloudformation();
        let (mut stacks, mut pages, mut token) = (BTreeMap::new(), 0, None);
        loop {
            let page = cloudformation.describe_stacks(token.as_deref()).await.unwrap();
            stacks.extend(page.stacks.into_iter().map(|stack| (stack.fqn.as_str().to_owned(), stack)));
            token = page.next;
            pages += 1;
            if token.is_none() {
                return (stacks, pages);
            }
        }
    }

    /// The bucket.
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        self.local.object_store(&BucketName::new("templates"), None)
    }

    async fn text(&self, key: &ObjectKey) -> Option<String> {
        let object = match self.store().get(key).await {
            Err(error) if error.kind == StoreErrorKind::NoBucket => None,
            found => found.unwrap(),
        };
        Some(String::from_utf8(object?.body.to_vec()).unwrap())
    }

    /// The text of the graph object; `None` if there is none.
    pub(crate) async fn graph_text(&self) -> Option<String> {
        self.text(&graph_key()).await
    }

    /// The text of the state object; `None` if there is none.
    pub(crate) async fn state_text(&self) -> Option<String> {
        self.text(&graph_key().with_suffix(".state")).await
    }

    /// The text of the lease; `None` if there is none.
    pub(crate) async fn lease_text(&self) -> Option<String> {
        self.text(&graph_key().with_suffix(".lock")).await
    }

    /// Tags of the graph object; none if there is no object.
    pub(crate) async fn graph_tags(&self) -> Tags {
        self.store().tags(&graph_key()).await.unwrap().unwrap_or_default()
    }

    /// The recorded graph: dependencies by stack.
    pub(crate) async fn graph(&self) -> BTreeMap<String, Vec<String>> {
        match self.graph_text().await {
            Some(text) => serde_json::from_str(text.trim()).unwrap(),
            None => BTreeMap::new(),
        }
    }
}

/// Config and templates as texts.
#[derive(Clone)]
pub(crate) struct Project {
    /// What stands before the stacks.
    pub(crate) head: String,
    pub(crate) stacks: String,
    pub(crate) files: BTreeMap<Utf8PathBuf, String>,
}

impl Default for Project {
    fn default() -> Self {
        Self::new("")
    }
}

impl Project {
    /// A project whose config lists `stacks` (YAML list items, indented by two).
    pub(crate) fn new(stacks: &str) -> Self {
        let head = "namespace: ns\ncfngin_bucket: templates\npersistent_graph_key: main\n".to_owned();
        Self { head, stacks: stacks.to_owned(), files: BTreeMap::new() }
    }

    /// Adds to the config's top level, for example hooks.
    pub(crate) fn with(mut self, text: &str) -> Self {
        self.head.push_str(text);
        self
    }

    /// The same without a persistent graph.
    pub(crate) fn without_graph(mut self) -> Self {
        self.head = self.head.replace("persistent_graph_key: main\n", "");
        self
    }

    /// Adds a template.
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.to_owned());
        self
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        let text = format!(
            "{}stacks:{}",
            self.head,
            if self.stacks.is_empty() { " []\n".to_owned() } else { format!("\n{}", self.stacks) }
        );
        let (config, findings) = load(&Document::new("cfngin.yml", text), &BTreeMap::new());
        assert!(!findings.has_errors(), "{findings:?}");
        Arc::new(config.expect("a config without errors"))
    }
}

/// A template with one resource, the parameters `Note` and those named, and the outputs `Id` and `Note`.
pub(crate) fn template(parameters: &[&str]) -> String {
    let mut text = String::from("Parameters:\n  Note: {Type: String}\n");
    for parameter in parameters {
        text.push_str(&format!("  {parameter}: {{Type: String}}\n"));
    }
    let uses: Vec<String> = parameters.iter().map(|parameter| format!("${{{parameter}}}")).collect();
    text.push_str(&format!(
        "Resources:\n  P:\n    Type: AWS::SSM::Parameter\n    Properties:\n      Type: String\n      Value: !Sub \"${{Note}} {}\"\n",
        uses.join(" ")
    ));
    text.push_str("Outputs:\n  Id: {Value: !Ref P}\n  Note: {Value: !Ref Note}\n");
    text
}
