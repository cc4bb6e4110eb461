//! What other runs left behind, and looks, stores and buckets that are not as they should be.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use runway_core::engine::{Approval, Gate, Interrupt, Options, Planned};
use runway_core::event::{Event, Outcome};
use runway_core::exit::ExitCode;
use runway_core::plan::{Action, Purpose};
use runway_core::provider::{
    CloudFormation, ErrorKind, Place, Provider, ProviderError, StackRef, StackStatus,
};
use runway_local::faulty::{Faulty, Verdict};
use runway_store::{
    BucketName, Condition, ETag, Metadata, Object, ObjectKey, ObjectStore, Page, Put, PutOutcome, Reread,
    StoreError, Tags,
};

use crate::support::{Project, Run, World, graph_key, template};

fn chain(note: &str) -> Project {
    Project::new(&format!(
        "  - {{name: base, template_path: t.yml, variables: {{Note: {note}}}}}\n  - {{name: app, template_path: t.yml, variables: {{Note: \"${{output base.Note}}\"}}}}\n"
    ))
    .file("t.yml", &template(&[]))
}

/// Deploys, and is interrupted twice while the first stack is at work.
async fn left_running(world: &World, project: &Project) -> Run {
    let interrupt = Interrupt::default();
    let signals = interrupt.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        signals.stop.cancel();
        tokio::time::sleep(Duration::from_secs(1)).await;
        signals.abandon.cancel();
    });
    world.run_with(project, Purpose::Deploy, &interrupt, |_| ()).await
}

#[tokio::test(start_paused = true)]
async fn an_update_that_was_left_running_is_waited_for_before_its_dependants() {
    let world = World::new();
    assert_eq!(world.deploy(&chain("one")).await.exit(), ExitCode::Ok);
    world.local.script("ns-base").takes(Duration::from_secs(60));
    assert_eq!(left_running(&world, &chain("two")).await.exit(), ExitCode::Interrupted);
    let run = world.deploy(&chain("two")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let stacks = world.stacks().await;
    assert_eq!(stacks["ns-base"].status, StackStatus::UpdateComplete);
    assert_eq!(stacks["ns-app"].outputs["Note"], "two");

    // The same with another value than the one under way.
    assert_eq!(left_running(&world, &chain("three")).await.exit(), ExitCode::Interrupted);
    let run = world.deploy(&chain("four")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-app"].outputs["Note"], "four");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_was_left_running_and_fails_is_no_success() {
    let world = World::new();
    world.local.script("ns-base").takes(Duration::from_secs(60)).create_fails("P", "no room");
    assert_eq!(left_running(&world, &chain("one")).await.exit(), ExitCode::Interrupted);
    let run = world.deploy(&chain("one")).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-base"].status, StackStatus::RollbackComplete);
    assert!(!world.stacks().await.contains_key("ns-app"), "its dependant did not start");

    world.local.script("ns-base").clear();
    let run = world.deploy(&chain("one")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-app"].outputs["Note"], "one");
}

#[tokio::test(start_paused = true)]
async fn a_record_survives_a_new_name_that_is_disabled() {
    let world = World::new();
    let files = |stacks: &str| Project::new(stacks).file("t.yml", &template(&[]));
    let before = "  - {name: a, template_path: t.yml, stack_name: shared, variables: {Note: x}}\n";
    assert_eq!(world.deploy(&files(before)).await.exit(), ExitCode::Ok);
    let other = "  - {name: z, template_path: t.yml, variables: {Note: x}}\n";
    let disabled = format!(
        "  - {{name: b, template_path: t.yml, stack_name: shared, enabled: false, variables: {{Note: x}}}}\n{other}"
    );
    let run = world.deploy(&files(&disabled)).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.graph().await.keys().collect::<Vec<_>>(), ["a", "z"]);
    // Now it has left the config, and is still known.
    let run = world.deploy(&files(other)).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await.keys().collect::<Vec<_>>(), ["ns-z"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_only_switched_protection_has_done_something() {
    let world = World::new();
    assert_eq!(world.deploy(&chain("one")).await.exit(), ExitCode::Ok);
    let mut project = chain("one");
    project.stacks = project.stacks.replace("{name: base,", "{name: base, tags: {a: b},");
    project.stacks = project.stacks.replace("{name: app,", "{name: app, termination_protection: true,");
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let app = StackRef::Name("ns-app".into());
    let protected = || async {
        let described = world.local_cloudformation().describe_stack(&app).await.unwrap();
        described.unwrap().termination_protection
    };
    assert!(protected().await);
    assert!(!world.plan(&project).await.plan.has_changes(), "lists do not tell of protection");
    let done = |event: &Event| matches!(event, Event::StepFinished { name, outcome: Outcome::Done, .. } if name.as_str() == "app");
    assert!(run.position(done).is_some(), "{}", run.explain());
    // What left the config is switched off, although no list says that it is on.
    project.stacks = project.stacks.replace("termination_protection: true,", "");
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(!protected().await);
    assert!(!world.plan(&project).await.plan.has_changes());
}

#[tokio::test(start_paused = true)]
async fn old_intents_are_settled_by_a_run_that_has_nothing_else_to_do() {
    let world = World::new();
    let faulty =
        Faulty::new(Arc::clone(&world.provider)).with_rule("CreateStack", "ns-base", 1, Verdict::HangForever);
    let broken = world.behind(Arc::new(faulty));
    let killed = tokio::time::timeout(Duration::from_secs(30), broken.deploy(&chain("one"))).await;
    assert!(killed.is_err(), "killed before it created anything");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let run = world.run(&chain("one"), Purpose::Destroy).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(world.graph().await.contains_key("base"), "the dead run's creation may still arrive");

    tokio::time::sleep(Duration::from_secs(2 * 60 * 60)).await;
    let run = world.run(&chain("one"), Purpose::Destroy).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.graph_text().await, None);
    let state: serde_json::Value = serde_json::from_str(&world.state_text().await.unwrap()).unwrap();
    assert_eq!((&state["nodes"], &state["intents"]), (&serde_json::json!({}), &serde_json::json!({})));
}

#[tokio::test(start_paused = true)]
async fn edges_that_cfngin_cannot_read_are_repaired_by_the_next_deploy() {
    let world = World::new();
    assert_eq!(world.deploy(&chain("one")).await.exit(), ExitCode::Ok);
    let dangling = Bytes::from(r#"{"app": ["base"], "base": ["gone"]}"#);
    world.store().put(&graph_key(), dangling, &Put::default()).await.unwrap();
    assert_eq!(world.deploy(&chain("one")).await.exit(), ExitCode::Ok);
    assert_eq!(world.graph().await["base"], Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_may_not_look_any_more_ends_and_says_what_it_left() {
    let world = World::new();
    world.local.script("ns-base").takes(Duration::from_secs(600));
    let expired = Verdict::FailBefore(ErrorKind::Credentials);
    // The first two looks are the plan's and the one under the lock.
    let faulty = Faulty::new(Arc::clone(&world.provider)).with_hook(move |number, call| {
        if call.operation == "DescribeStacks" && number > 12 { expired } else { Verdict::Proceed }
    });
    let run = world.behind(Arc::new(faulty)).deploy(&chain("one")).await;
    assert_eq!(run.exit(), ExitCode::Denied, "{}", run.explain());
    assert!(run.explain().contains("left running"), "{}", run.explain());
    assert!(world.state_text().await.unwrap().contains("\"create\""), "the intent tells the next run");
    assert_eq!(world.lease_text().await, None);
    let run = world.deploy(&chain("one")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-app"].outputs["Note"], "one");
}

#[tokio::test(start_paused = true)]
async fn a_destroy_makes_no_bucket() {
    let world = World::without_bucket();
    let run = world.run(&chain("one"), Purpose::Destroy).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let missing = world.store().get(&graph_key()).await.expect_err("no bucket");
    assert_eq!(missing.kind, runway_store::StoreErrorKind::NoBucket);
}

#[tokio::test(start_paused = true)]
async fn a_cfngin_run_is_waited_for() {
    let world = World::new();
    assert_eq!(world.deploy(&chain("one")).await.exit(), ExitCode::Ok);
    let code = "5f0c8a1b-22ff-4000-8000-000000000000".to_owned();
    let tags = Tags::from([("cfngin_lock_code".to_owned(), code)]);
    world.store().set_tags(&graph_key(), &tags).await.unwrap();
    // A run that changes nothing has no reason to wait or to fail.
    assert_eq!(world.deploy(&chain("one")).await.exit(), ExitCode::Ok);

    let store = world.store();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        store.set_tags(&graph_key(), &Tags::new()).await.unwrap();
    });
    let wait = |options: &mut Options| options.lock_wait = Some(Duration::from_secs(60));
    let run = world.run_with(&chain("two"), Purpose::Deploy, &Interrupt::default(), wait).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(run.position(|event| matches!(event, Event::LockWaiting { .. })).is_some());
    assert_eq!(world.stacks().await["ns-app"].outputs["Note"], "two");
}

/// Never answers.
struct Undecided;

#[async_trait]
impl Gate for Undecided {
    async fn approve(&self, _planned: &Planned, _again: u32) -> Approval {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_while_somebody_is_asked_ends_the_run() {
    let world = World::without_bucket();
    let engine = world.engine(chain("one").files, |_| ());
    let interrupt = Interrupt::default();
    let signal = interrupt.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        signal.stop.cancel();
    });
    let mut nothing = |_: &Event| ();
    let config = chain("one").config();
    let ended = engine.run(&config, Purpose::Deploy, &Undecided, &mut nothing, &interrupt).await;
    assert_eq!(ended.expect_err("nothing was approved").exit, ExitCode::Interrupted);
    let missing = world.store().get(&graph_key()).await.expect_err("not even a bucket was made");
    assert_eq!(missing.kind, runway_store::StoreErrorKind::NoBucket);
}

/// A cloud whose object store takes every write, whatever its condition.
struct Careless(Arc<dyn Provider>);

#[async_trait]
impl Provider for Careless {
    fn identity(&self) -> String {
        self.0.identity()
    }

    fn region(&self) -> &str {
        self.0.region()
    }

    async fn place(&self) -> Result<Place, ProviderError> {
        self.0.place().await
    }

    fn cloudformation(&self) -> Arc<dyn CloudFormation> {
        self.0.cloudformation()
    }

    fn object_store(&self, bucket: &BucketName, region: Option<&str>) -> Arc<dyn ObjectStore> {
        Arc::new(CarelessStore(self.0.object_store(bucket, region)))
    }

    fn keeps_conditions(&self) -> bool {
        false
    }

    fn in_region(&self, region: &str) -> Arc<dyn Provider> {
        self.0.in_region(region)
    }
}

struct CarelessStore(Arc<dyn ObjectStore>);

#[async_trait]
impl ObjectStore for CarelessStore {
    fn bucket(&self) -> &BucketName {
        self.0.bucket()
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.0.get(key).await
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        self.0.get_changed(key, known).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        self.0.head(key).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        self.0.put(key, body, &Put { condition: Condition::None, ..how.clone() }).await
    }

    async fn delete(&self, key: &ObjectKey, _condition: &Condition) -> Result<(), StoreError> {
        self.0.delete(key, &Condition::None).await
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.0.list(prefix, after).await
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.0.tags(key).await
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.0.set_tags(key, tags).await
    }

    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError> {
        self.0.get_version(key, version_id).await
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        self.0.versions(key).await
    }

    async fn rules(&self) -> Result<runway_store::Rules, StoreError> {
        self.0.rules().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_ignores_conditions_is_not_locked_on() {
    let world = World::new();
    let run = world.behind(Arc::new(Careless(Arc::clone(&world.provider)))).deploy(&chain("one")).await;
    assert_ne!(run.exit(), ExitCode::Ok);
    assert!(run.explain().contains("lock::no_conditions"), "{}", run.explain());
    assert!(world.stacks().await.is_empty());
    assert_eq!(world.lease_text().await, None);
    let planned = world.plan(&chain("one")).await;
    assert_eq!(planned.plan.steps[0].action, Action::Create);
}
