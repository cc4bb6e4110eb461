//! Saved plans: carried out as they are, or refused with the name of what moved.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use runway_core::engine::{Approval, Asked, Bound, Engine, Gate, Interrupt, Planned};
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_core::plan::saved::{SavedOptions, SavedPlan, SavedPlans, SavedTarget, open, seal};
use runway_core::provider::{ParameterValue, StackRef, StackRequest, TemplateLocation};
use runway_core::registry::{Fetched, LookupFailure, LookupHandler, LookupRequest};
use runway_local::faulty::Faulty;
use runway_store::Put;
use serde_json::Value;

use crate::fakes::Fakes;
use crate::support::{Project, Run, World, Yes, graph_key, template};

/// Two stacks of which the second reads from the first.
pub(super) fn project(first: &str) -> Project {
    let stacks = format!(
        "  - {{name: a, template_path: t.yml, variables: {{Note: {first}}}}}\n  - {{name: b, template_path: t.yml, variables: {{Note: \"${{output a.Note}}\"}}}}\n"
    );
    Project::new(&stacks).file("t.yml", &template(&[]))
}

pub(super) fn target() -> SavedTarget {
    SavedTarget { config: "cfngin.yml".to_owned(), ..SavedTarget::default() }
}

/// An engine whose lookup `ami` finds the last of some images, as that of AWS finds the newest.
pub(super) fn engine(world: &World, project: &Project) -> Engine {
    let mut engine = world.engine(project.files.clone(), |_| ());
    engine.registry.lookups.insert("ami".to_owned(), Arc::new(Images(Arc::clone(&world.fakes))));
    engine
}

struct Images(Arc<Fakes>);

#[async_trait]
impl LookupHandler for Images {
    async fn fetch(&self, request: &LookupRequest) -> Result<Fetched, LookupFailure> {
        self.fetch_planned(request, &Value::Null).await
    }

    async fn fetch_planned(
        &self,
        request: &LookupRequest,
        planned: &Value,
    ) -> Result<Fetched, LookupFailure> {
        let images = self.0.fetch(&LookupRequest { name: "ssm".to_owned(), ..request.clone() }).await?;
        let images = images.value.as_array().cloned().unwrap_or_default();
        let value = images.iter().find(|image| *image == planned).or(images.last());
        let value = value.cloned().ok_or_else(|| LookupFailure::missing("no image fits"))?;
        Ok(Fetched { value, secret: false })
    }
}

/// The plan of a deploy, through a file and back.
async fn saved_for(world: &World, project: &Project, purpose: Purpose) -> SavedPlan {
    let engine = engine(world, project);
    let (_, plan) = engine.plan_to_save(&project.config(), purpose, target(), &[]).await.unwrap();
    let mut read = open("x", text(plan).as_bytes()).unwrap();
    read.plans.remove(0)
}

pub(super) async fn saved(world: &World, project: &Project) -> SavedPlan {
    saved_for(world, project, Purpose::Deploy).await
}

pub(super) fn text(plan: SavedPlan) -> String {
    seal(&SavedPlans {
        version: 1,
        digest: String::new(),
        program: "test".to_owned(),
        created: String::new(),
        options: SavedOptions::default(),
        plans: vec![plan],
    })
}

pub(super) async fn gated(world: &World, project: &Project, plan: &SavedPlan, gate: &dyn Gate) -> Run {
    let mut engine = engine(world, project);
    engine.asked = Asked::bound_to(plan.pins());
    let mut events = Vec::new();
    let mut reporter = |event: &Event| events.push(event.clone());
    let bound = Bound { saved: plan, hidden: &[] };
    let (config, interrupt) = (project.config(), Interrupt::default());
    let result = engine.run_saved(&config, plan.plan.purpose, bound, gate, &mut reporter, &interrupt).await;
    Run { result, events }
}

pub(super) async fn carry_out(world: &World, project: &Project, plan: &SavedPlan) -> Run {
    gated(world, project, plan, &Yes).await
}

/// Requests by name that changed anything.
fn writes(faulty: &Faulty) -> BTreeMap<&'static str, usize> {
    let mut counts = faulty.counts();
    counts.retain(|operation, _| {
        ["Put", "Create", "Update", "Delete"].iter().any(|verb| operation.starts_with(verb))
    });
    counts
}

/// Refuses the plan with exit code 21 and these words, and writes nothing.
pub(super) async fn assert_refused(world: &World, project: &Project, plan: &SavedPlan, words: &[&str]) {
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let before = (world.graph_text().await, world.state_text().await, world.stacks().await);
    let run = carry_out(&world.behind(Arc::new(faulty.clone())), project, plan).await;
    assert_eq!(run.exit(), ExitCode::Stale, "{}", run.explain());
    let error = run.result.unwrap_err();
    let told: Vec<String> = error.findings.iter().map(ToString::to_string).collect();
    for words in words {
        assert!(told.iter().any(|line| line.contains(words)), "{words} is not in {told:#?}");
    }
    assert_eq!(writes(&faulty), BTreeMap::new());
    assert_eq!((world.graph_text().await, world.state_text().await, world.stacks().await), before);
}

/// Changes a stack beside any session.
async fn update_by_hand(world: &World, fqn: &str, note: &str) {
    let cloudformation = world.local_cloudformation();
    let live = world.stacks().await[fqn].clone();
    let request = StackRequest {
        stack: StackRef::Id(live.id.clone()),
        template: TemplateLocation::Body(world.template(fqn).await),
        parameters: vec![("Note".to_owned(), ParameterValue::Value(note.to_owned()))],
        tags: live.tags.clone(),
        role_arn: None,
        stack_policy: None,
        capabilities: Vec::new(),
        termination_protection: false,
        timeout_minutes: None,
        token: format!("by-hand-{note}"),
    };
    cloudformation.update_stack(&request).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_carried_out_is_what_was_planned() {
    let world = World::new();
    assert_eq!(world.deploy(&project("x")).await.exit(), ExitCode::Ok);
    let after = project("y");
    let plan = saved(&world, &after).await;
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let run = carry_out(&world.behind(Arc::new(faulty.clone())), &after, &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-b"].outputs["Note"], "y");
    let actions: Vec<&str> = plan.plan.steps.iter().map(|step| step.action.as_str()).collect();
    assert_eq!(actions, ["update", "update"]);
    let counts = writes(&faulty);
    assert_eq!(counts["UpdateStack"], 2, "{counts:?}");
    assert!(!counts.contains_key("CreateStack") && !counts.contains_key("DeleteStack"), "{counts:?}");
    world.assert_at_rest().await;
    // Once it is carried out it no longer stands.
    assert_refused(&world, &after, &plan, &["stack `a` is not as it was planned: its status was CREATE_COMPLETE and is UPDATE_COMPLETE; it was updated at 2030"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_changes_changes_nothing() {
    let world = World::new();
    let project = project("x");
    assert_eq!(world.deploy(&project).await.exit(), ExitCode::Ok);
    let plan = saved(&world, &project).await;
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let run = carry_out(&world.behind(Arc::new(faulty.clone())), &project, &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(writes(&faulty), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn a_saved_destroy_deletes_what_it_names() {
    let world = World::new();
    let project = project("x");
    assert_eq!(world.deploy(&project).await.exit(), ExitCode::Ok);
    let plan = saved_for(&world, &project, Purpose::Destroy).await;
    let run = carry_out(&world, &project, &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn whatever_of_the_config_moves_is_named() {
    let world = World::new();
    let before = project("x");
    assert_eq!(world.deploy(&before).await.exit(), ExitCode::Ok);
    let planned = project("y");
    let plan = saved(&world, &planned).await;

    let text = "cfngin.yml: the text of the config is not the planned one";
    let other_value = "stack `a` is not as it was planned: its parameters are not the planned ones";
    assert_refused(&world, &project("z"), &plan, &[text, other_value]).await;
    let mut other = planned.clone();
    other.head.push_str("# nothing but a remark\n");
    assert_refused(&world, &other, &plan, &[text]).await;
    let other = planned.clone().with("tags: {team: blue}\n");
    let tags = "stack `a` is not as it was planned: its settings (tags, role, timeout, protection or bucket) are not";
    assert_refused(&world, &other, &plan, &[text, tags]).await;
    let other = planned.clone().file("t.yml", &format!("{}# a remark\n", template(&[])));
    let of_template = "stack `b` is not as it was planned: its template is not the planned one";
    assert_refused(&world, &other, &plan, &[of_template]).await;
    let other = planned.clone().with("pre_deploy:\n  - {path: h.one}\n");
    assert_refused(&world, &other, &plan, &["the hooks are not the planned ones"]).await;
    let mut other = planned.clone();
    other.stacks.push_str("  - {name: c, template_path: t.yml, variables: {Note: x}}\n");
    let more = "stack `c` is not as it was planned: the saved plan does not have it";
    assert_refused(&world, &other, &plan, &[more]).await;
    let mut other = planned.clone();
    other.head = other.head.replace("persistent_graph_key: main", "persistent_graph_key: other");
    let graph = "and this is s3://templates/persistent_graphs/ns/other.json";
    assert_refused(&world, &other, &plan, &[graph]).await;
    let mut other = planned.clone();
    other.head = other.head.replace("namespace: ns", "namespace: other");
    let names = ["planned for namespace ns, and this is namespace other", "it was ns-a and is other-a"];
    assert_refused(&world, &other, &plan, &names).await;

    let mut other = planned.clone();
    other.head.push_str("service_role: arn:aws:iam::123456789012:role/other\n");
    let role = "its settings (tags, role, timeout, protection or bucket) are not the planned ones";
    assert_refused(&world, &other, &plan, &[role]).await;

    // Nothing of this moved anything.
    let run = carry_out(&world, &planned, &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
}

#[tokio::test(start_paused = true)]
async fn whatever_of_the_world_moves_is_named() {
    let world = World::new();
    assert_eq!(world.deploy(&project("x")).await.exit(), ExitCode::Ok);
    let planned = project("y");
    let plan = saved(&world, &planned).await;
    update_by_hand(&world, "ns-b", "w").await;
    assert_refused(&world, &planned, &plan, &["stack `b` is not as it was planned: its status was CREATE_COMPLETE and is UPDATE_COMPLETE; it was updated at 2030"]).await;

    let plan = saved(&world, &planned).await;
    let live = world.stacks().await["ns-b"].clone();
    world.local_cloudformation().delete_stack(&StackRef::Id(live.id), None, "by-hand").await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let gone = "stack `b` is not as it was planned: it does not exist any more";
    assert_refused(&world, &planned, &plan, &[gone]).await;

    let plan = saved(&world, &planned).await;
    let body = Bytes::from_static(b"{\"a\":[],\"b\":[\"a\"],\"c\":[]}");
    world.store().put(&graph_key(), body, &Put::default()).await.unwrap();
    let graph = "the persistent graph s3://templates/persistent_graphs/ns/main.json is not as it was";
    assert_refused(&world, &planned, &plan, &[graph]).await;
}

#[tokio::test(start_paused = true)]
async fn account_and_region_are_named_before_anything_else() {
    let world = World::new();
    let project = project("x");
    let plan = saved(&world, &project).await;
    let mut other = plan.clone();
    other.plan.account = "999999999999".to_owned();
    other.config.clear();
    let here = &plan.plan.account;
    let words = format!("cfngin.yml: planned for account 999999999999, and this is account {here}");
    assert_refused(&world, &project, &other, &[&words]).await;
    let run = carry_out(&world, &project, &other).await;
    assert_eq!(run.result.unwrap_err().findings.len(), 1);
    let mut other = plan.clone();
    other.plan.region = "mars-1".to_owned();
    let words = format!("planned for region mars-1, and this is region {}", plan.plan.region);
    assert_refused(&world, &project, &other, &[&words]).await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_file_does_no_more_than_the_config() {
    let world = World::new();
    assert_eq!(world.deploy(&project("x")).await.exit(), ExitCode::Ok);
    let project = project("y");
    let plan = saved(&world, &project).await;
    let mut forged = plan.clone();
    forged.plan.steps[0].action = runway_core::plan::Action::Delete;
    assert_refused(
        &world,
        &project,
        &forged,
        &["stack `a` is not as it was planned: its step was delete and is update"],
    )
    .await;
    let mut forged = plan.clone();
    forged.plan.steps.pop();
    assert_refused(
        &world,
        &project,
        &forged,
        &["stack `b` is not as it was planned: the saved plan has no step for it"],
    )
    .await;
    let mut forged = plan.clone();
    let mut step = forged.plan.steps[0].clone();
    step.name = "c".to_owned();
    forged.plan.steps.push(step);
    assert_refused(
        &world,
        &project,
        &forged,
        &["stack `c` is not as it was planned: it has no step any more"],
    )
    .await;
    let mut forged = plan.clone();
    forged.plan.steps.swap(0, 1);
    assert_refused(&world, &project, &forged, &["the order of the steps is not the planned one"]).await;
    let mut forged = plan.clone();
    forged.plan.steps[0].changes.tags.insert(
        "team".to_owned(),
        runway_core::render::json::BeforeAfter { before: None, after: Some("x".to_owned()) },
    );
    assert_refused(
        &world,
        &project,
        &forged,
        &["stack `a` is not as it was planned: its step is not the planned one"],
    )
    .await;
}

/// Something that happens between the comparison and the lock.
struct Meanwhile(World, Mutex<u32>);

#[async_trait]
impl Gate for Meanwhile {
    async fn approve(&self, _planned: &Planned, _again: u32) -> Approval {
        *self.1.lock().unwrap() += 1;
        update_by_hand(&self.0, "ns-b", "moved").await;
        Approval::Standing
    }
}

#[tokio::test(start_paused = true)]
async fn a_world_that_moves_under_the_lock_ends_the_run() {
    let world = World::new();
    assert_eq!(world.deploy(&project("x")).await.exit(), ExitCode::Ok);
    let project = project("y");
    let plan = saved(&world, &project).await;
    let gate = Meanwhile(world.clone(), Mutex::default());
    let run = gated(&world, &project, &plan, &gate).await;
    assert_eq!(run.exit(), ExitCode::Stale, "{}", run.explain());
    assert_eq!(*gate.1.lock().unwrap(), 1, "nobody is asked again");
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "x");
    assert_eq!(world.lease_text().await, None);
}

#[tokio::test(start_paused = true)]
async fn another_stack_policy_is_another_plan() {
    let world = World::new();
    let stacks = "  - {name: a, template_path: t.yml, stack_policy_path: p.json, variables: {Note: x}}\n";
    let policy = |effect: &str| {
        let statement = format!(
            "{{\"Effect\":\"{effect}\",\"Action\":\"Update:*\",\"Principal\":\"*\",\"Resource\":\"*\"}}"
        );
        let text = format!("{{\"Statement\":[{statement}]}}");
        Project::new(stacks).file("t.yml", &template(&[])).file("p.json", &text)
    };
    let plan = saved(&world, &policy("Allow")).await;
    let words = "stack `a` is not as it was planned: its stack policy is not the planned one";
    assert_refused(&world, &policy("Deny"), &plan, &[words]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_the_plan_step_by_step() {
    let world = World::new();
    let before = concat!(
        "  - {name: kept, template_path: t.yml, variables: {Note: x}}\n",
        "  - {name: changed, template_path: t.yml, variables: {Note: x}}\n",
        "  - {name: gone, template_path: t.yml, variables: {Note: x}}\n",
    );
    let after = concat!(
        "  - {name: kept, template_path: t.yml, variables: {Note: x}}\n",
        "  - {name: changed, template_path: t.yml, variables: {Note: y}}\n",
        "  - {name: new, template_path: t.yml, variables: {Note: \"${output changed.Note}\"}}\n",
    );
    let project = |stacks: &str| Project::new(stacks).file("t.yml", &template(&[]));
    assert_eq!(world.deploy(&project(before)).await.exit(), ExitCode::Ok);
    let project = project(after);
    let plan = saved(&world, &project).await;
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let run = carry_out(&world.behind(Arc::new(faulty.clone())), &project, &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());

    let mut planned: BTreeMap<&str, usize> = BTreeMap::new();
    for step in plan.plan.steps.iter().filter(|step| step.action.is_change()) {
        let request = match step.action.as_str() {
            "create" => "CreateStack",
            "update" => "UpdateStack",
            "delete" => "DeleteStack",
            other => panic!("{other}"),
        };
        *planned.entry(request).or_default() += 1;
    }
    let mut written = writes(&faulty);
    written.retain(|operation, _| operation.ends_with("Stack"));
    assert_eq!(written, planned);
    let started: Vec<(String, &str)> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::StepStarted { name, action, .. } => Some((name.to_string(), action.as_str())),
            _ => None,
        })
        .collect();
    let steps: Vec<(String, &str)> = plan
        .plan
        .steps
        .iter()
        .filter(|step| step.action.is_change())
        .map(|step| (step.name.clone(), step.action.as_str()))
        .collect();
    let sorted = |mut list: Vec<(String, &'static str)>| {
        list.sort();
        list
    };
    assert_eq!(sorted(started), sorted(steps));
    assert_eq!(world.stacks().await.into_keys().collect::<Vec<_>>(), ["ns-changed", "ns-kept", "ns-new"]);
}
