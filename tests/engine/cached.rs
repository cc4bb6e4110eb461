//! What is known from earlier runs: it saves reads, and decides nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runway_core::cache::{Cache, MemoryTier, Pace, Settings, Setup};
use runway_core::ident::StackFqn;
use runway_core::plan::{Action, Allowed, Purpose};
use runway_core::provider::{ParameterValue, StackRef, StackRequest, TemplateLocation};
use runway_core::render::json;
use runway_local::faulty::{Call, Faulty};
use runway_store::{ObjectKey, ObjectStore};

use crate::soundness::world::{Edit, STACKS, Stacks, edits, project as versions, stacks as random};
use crate::support::{Project, Run, World, template};

/// Histories with the tests.
const CASES: u32 = 24;
/// Histories of a long run (`RUNWAY_RS_LONG_TESTS`).
const MANY_CASES: u32 = 2_000;

fn flat(count: usize, note: &str) -> Project {
    let mut project = Project::default().file("t.yml", &template(&[]));
    for index in 0..count {
        let _ = writeln!(
            project.stacks,
            "  - {{name: s{index:04}, template_path: t.yml, variables: {{Note: {note}}}}}"
        );
    }
    project
}

/// A world behind a log of its requests.
fn logged(world: &World) -> (World, Faulty) {
    let faulty = Faulty::new(Arc::clone(&world.provider));
    (world.behind(Arc::new(faulty.clone())), faulty)
}

/// An update that somebody else makes.
async fn update_by_hand(world: &World, fqn: &str, note: &str) {
    let template = world.template(fqn).await;
    update_with(world, fqn, template, note).await;
}

async fn update_with(world: &World, fqn: &str, template: String, note: &str) {
    let cloudformation = world.local_cloudformation();
    let stack = StackRef::Name(StackFqn::new(fqn));
    let state = cloudformation.describe_stack(&stack).await.unwrap().unwrap();
    let parameters = state.parameters.keys().map(|name| {
        let value =
            if name == "Note" { ParameterValue::Value(note.to_owned()) } else { ParameterValue::Previous };
        (name.clone(), value)
    });
    let request = StackRequest {
        stack: stack.clone(),
        template: TemplateLocation::Body(template),
        parameters: parameters.collect(),
        tags: state.tags.clone(),
        role_arn: None,
        stack_policy: None,
        capabilities: vec!["CAPABILITY_NAMED_IAM".to_owned()],
        termination_protection: false,
        timeout_minutes: None,
        token: format!("by-hand-{fqn}-{note}"),
    };
    cloudformation.update_stack(&request).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
}

/// A run of a machine, with its requests: a deployment, or a plan, which does not write to the bucket.
async fn run_of(machine: &Machine, world: &World, project: &Project, deploys: bool) -> Faulty {
    let (mut seen, requests) = logged(world);
    seen.cache = machine.cache(&seen);
    if deploys {
        let run = seen.deploy(project).await;
        assert_eq!(run.exit().number(), 0, "{}", run.explain());
    } else {
        seen.plan(project).await;
    }
    seen.cache.publish(deploys).await;
    requests
}

/// Requests for the index of the cache.
fn for_cache(requests: &Faulty) -> usize {
    requests.log().iter().filter(|call| call.target.contains("/cache/")).count()
}

#[tokio::test(start_paused = true)]
async fn a_run_without_changes_costs_the_same_for_any_number_of_stacks() {
    let most = if is_long() { 2000 } else { 250 };
    for count in [1, 10, 60, most] {
        let (world, machine, project) = (World::new(), Machine::default(), flat(count, "x"));
        for _ in 0..2 {
            run_of(&machine, &world, &project, true).await;
        }
        let pages = world.pages().await;
        // With the files of this machine, and with nothing but what is in the bucket.
        for machine in [machine.clone(), Machine::default()] {
            let deploy = run_of(&machine, &world, &project, true).await;
            assert!(deploy.total() <= pages + 6, "{count} stacks in {pages} pages: {:?}", deploy.counts());
            let plan = run_of(&machine, &world, &project, false).await;
            assert!(plan.total() <= pages + 5, "{count} stacks in {pages} pages: {:?}", plan.counts());
            assert_eq!((for_cache(&deploy), for_cache(&plan)), (1, 1));
            assert_eq!(deploy.counts().get("GetTemplate"), None);
        }
        let changed = Project { stacks: project.stacks.replacen("Note: x", "Note: y", 1), ..project };
        let deploy = run_of(&machine, &world, &changed, true).await;
        assert!(for_cache(&deploy) <= 2, "{:?}", deploy.log());
        let noticed = run_of(&machine, &world, &changed, true).await;
        assert_eq!((for_cache(&noticed), noticed.counts()["GetTemplate"]), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_is_seen() {
    let world = World::new();
    let project = flat(3, "x");
    assert_eq!(world.deploy(&project).await.exit().number(), 0);
    for _ in 0..2 {
        assert!(!world.plan(&project).await.plan.has_changes());
    }
    // The parameter alone, and then nothing but the template.
    update_by_hand(&world, "ns-s0001", "other").await;
    let other = template(&[])
        .replace("Type: String\n      Value", "Type: String\n      Description: by hand\n      Value");
    update_with(&world, "ns-s0002", other, "x").await;
    let (seen, requests) = logged(&world);
    let plan = seen.plan(&project).await.plan;
    let actions: Vec<Action> = plan.steps.iter().map(|step| step.action).collect();
    assert_eq!(actions, [Action::None, Action::Update, Action::Update]);
    assert_eq!(requests.counts()["GetTemplate"], 2, "those that were touched");
    assert!(
        plan.steps[2].changes.resources["P"].properties.iter().any(|change| change.path == "Description")
    );
}

#[tokio::test(start_paused = true)]
async fn another_spelling_of_the_same_template_is_read_only_if_it_has_to_be_shown() {
    let world = World::new();
    let project = |comment: &str, note: &str| {
        Project::new(&format!("  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}}}\n"))
            .file("t.yml", &format!("# {comment}\n{}", template(&[])))
    };
    assert_eq!(world.deploy(&project("first", "x")).await.exit().number(), 0);
    world.plan(&project("first", "x")).await;
    let (seen, requests) = logged(&world);
    assert!(!seen.plan(&project("second", "x")).await.plan.has_changes());
    assert_eq!(requests.counts().get("GetTemplate"), None);
    let (seen, requests) = logged(&world);
    assert!(seen.plan(&project("second", "y")).await.plan.has_changes());
    assert_eq!(requests.counts()["GetTemplate"], 1);
}

#[tokio::test(start_paused = true)]
async fn rendered_templates_are_compared_once_they_are_rendered() {
    let world = World::new();
    let project = |note: &str| {
        let mut project =
            Project::default().file("t.yml.j2", &template(&[]).replace("${Note}", "{{ variables.Note }}"));
        for name in ["a", "b"] {
            let _ = writeln!(
                project.stacks,
                "  - {{name: {name}, template_path: t.yml.j2, variables: {{Note: {note}}}}}"
            );
        }
        project
    };
    assert_eq!(world.deploy(&project("x")).await.exit().number(), 0);
    world.plan(&project("x")).await;
    let (seen, requests) = logged(&world);
    assert!(!seen.plan(&project("x")).await.plan.has_changes());
    assert_eq!(requests.counts().get("GetTemplate"), None);
    let (seen, requests) = logged(&world);
    let plan = seen.plan(&project("y")).await.plan;
    assert_eq!(plan.summary().update, 2);
    assert_eq!(requests.counts().get("GetTemplate"), Some(&2), "{plan:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_template_that_was_uploaded_is_not_sent_again_unless_it_is_gone() {
    let world = World::new();
    let uploads = |requests: &Faulty| {
        let template =
            |call: &&Call| call.operation == "PutObject" && call.target.contains("stack_templates/");
        requests.log().iter().filter(template).count()
    };
    assert_eq!(world.deploy(&flat(2, "x")).await.exit().number(), 0);
    let (seen, requests) = logged(&world);
    assert_eq!(seen.deploy(&flat(2, "y")).await.exit().number(), 0);
    assert_eq!(uploads(&requests), 0, "{:?}", requests.log());
    for key in world.store().list("stack_templates/", None).await.unwrap().objects {
        world.store().delete(&key.0, &runway_store::Condition::None).await.unwrap();
    }
    let (seen, requests) = logged(&world);
    let run = seen.deploy(&flat(2, "z")).await;
    assert_eq!(run.exit().number(), 0, "{}", run.explain());
    assert_eq!(uploads(&requests), 2);
    assert_eq!(requests.counts()["UpdateStack"], 4, "each was refused once");
}

/// What becomes of the cache before a run.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Kept,
    /// Another machine, which has the bucket's part only.
    OtherMachine,
    /// Somebody deleted the index in the bucket.
    IndexGone,
    /// That of another project, which has stacks of the same names.
    Foreign,
    /// A byte of a file or of the index is another one, or it ends there.
    Damaged {
        index: bool,
        at: usize,
        cut: bool,
    },
}

/// What is kept between the runs of a machine.
#[derive(Clone, Default)]
pub(crate) struct Machine(Arc<MemoryTier>);

fn index() -> ObjectKey {
    ObjectKey::new("cache/ns/v1/index.jsonl.gz")
}

impl Machine {
    /// The cache of one run.
    pub(crate) fn cache(&self, world: &World) -> Arc<Cache> {
        let pace = Pace { clock: Arc::clone(&world.clock) as _, random: Arc::new(|| 7) };
        let local = Some(Arc::clone(&self.0) as _);
        let (namespace, writer, command) = ("ns".to_owned(), "tester".to_owned(), "deploy".to_owned());
        let setup = Setup { namespace, local, pace, writer, command, key: None };
        Arc::new(Cache::new(Settings::default(), setup))
    }
}

impl Fate {
    async fn befall(self, machine: &mut Machine, world: &World, foreign: &World) {
        let store = world.store();
        let write = async |bytes: Vec<u8>| {
            store.put(&index(), bytes.into(), &runway_store::Put::default()).await.unwrap();
        };
        let read = async |store: Arc<dyn ObjectStore>| {
            store.get(&index()).await.unwrap().map(|object| object.body.to_vec())
        };
        match self {
            Self::Kept => {}
            Self::OtherMachine => *machine = Machine::default(),
            Self::IndexGone => store.delete(&index(), &runway_store::Condition::None).await.unwrap(),
            Self::Foreign => {
                if let Some(bytes) = read(foreign.store()).await {
                    write(bytes).await;
                }
            }
            Self::Damaged { index: true, at, cut } => {
                if let Some(mut bytes) = read(world.store()).await {
                    damage(&mut bytes, at, cut);
                    write(bytes).await;
                }
            }
            Self::Damaged { index: false, at, cut } => {
                machine.0.files().values_mut().for_each(|bytes| damage(bytes, at, cut));
            }
        }
    }
}

fn damage(bytes: &mut Vec<u8>, at: usize, cut: bool) {
    let at = at % bytes.len().max(1);
    match bytes.get_mut(at) {
        Some(_) if cut => bytes.truncate(at),
        Some(byte) => *byte ^= 0x10,
        None => {}
    }
}

/// One run of a history.
#[derive(Debug, Clone)]
struct Turn {
    edits: Vec<Edit>,
    fate: Fate,
    /// Templates are written in one of these ways, which mean the same.
    spelling: u8,
    /// A stack that somebody else updates before.
    by_hand: Option<usize>,
}

fn turn() -> impl Strategy<Value = Turn> {
    let fate = prop_oneof![
        4 => Just(Fate::Kept),
        1 => Just(Fate::OtherMachine),
        1 => Just(Fate::IndexGone),
        1 => Just(Fate::Foreign),
        2 => (any::<bool>(), 0..2000_usize, any::<bool>())
            .prop_map(|(index, at, cut)| Fate::Damaged { index, at, cut }),
    ];
    let by_hand = proptest::option::weighted(0.3, 0..STACKS);
    (proptest::collection::vec(edits(), 0..3), fate, 0_u8..3, by_hand)
        .prop_map(|(edits, fate, spelling, by_hand)| Turn { edits, fate, spelling, by_hand })
}

/// The project of a version; every other template is one that Jinja2 renders.
fn project(stacks: &Stacks, spelling: u8) -> Project {
    let mut project = versions(stacks);
    let comment = match spelling {
        0 => String::new(),
        spelling => format!("# {spelling}\nDescription: {spelling}\n"),
    };
    let files = std::mem::take(&mut project.files);
    for (path, text) in files {
        let rendered = ["s1.yml", "s3.yml"].contains(&path.as_str());
        let now = if rendered { format!("{path}.j2") } else { path.to_string() };
        project.stacks =
            project.stacks.replace(&format!("template_path: {path}\n"), &format!("template_path: {now}\n"));
        project.files.insert(now.into(), format!("{comment}{text}"));
    }
    project
}

/// What a run did: its plan and what it asked to be changed.
#[derive(Debug, PartialEq)]
struct Seen {
    plan: String,
    changes: Vec<String>,
    exit: u8,
    stacks: BTreeMap<String, (String, BTreeMap<String, String>, String)>,
}

/// A plan and a deployment, each with the cache that a run of the machine has; without a machine there is none.
async fn turn_of(world: &mut World, project: &Project, machine: Option<&Machine>) -> Seen {
    let cache =
        |world: &World| machine.map_or_else(|| Arc::new(Cache::off()), |machine| machine.cache(world));
    world.cache = cache(world);
    let (mut seen, requests) = logged(world);
    let plan = json::plan(&seen.plan(project).await.plan);
    seen.cache.publish(false).await;
    assert_eq!(changes(&requests), [""; 0], "a plan that changes something");
    seen.cache = cache(world);
    let run: Run = {
        let allowed = (0..STACKS).filter_map(|index| Allowed::parse(&format!("s{index}"))).collect();
        let interrupt = Default::default();
        seen.run_with(project, Purpose::Deploy, &interrupt, |options| options.allowed = allowed).await
    };
    seen.cache.publish(true).await;
    let mut stacks = BTreeMap::new();
    for (fqn, stack) in world.stacks().await {
        let template = world.template(&fqn).await;
        stacks.insert(fqn, (stack.status.to_string(), stack.parameters, template));
    }
    Seen { plan, changes: changes(&requests), exit: run.exit().number(), stacks }
}

/// What was asked to be changed; templates that are uploaded do not count, nor does in which order steps went that go side by
/// side.
fn changes(requests: &Faulty) -> Vec<String> {
    let reads = ["Get", "Describe", "List", "Head"];
    let mut changes: Vec<String> = requests
        .log()
        .iter()
        .filter(|call| !reads.iter().any(|verb| call.operation.starts_with(verb)))
        .filter(|call| !call.target.contains("stack_templates/") && !call.target.contains("/cache/"))
        .map(ToString::to_string)
        .collect();
    changes.sort();
    // What was refused because its template is not in the bucket any more is sent twice.
    changes.dedup();
    changes
}

/// Whether there is time for more cases.
#[allow(clippy::disallowed_methods, reason = "a test is its own frontend")]
fn is_long() -> bool {
    std::env::var_os("RUNWAY_RS_LONG_TESTS").is_some()
}

#[test]
fn with_or_without_a_cache_a_run_does_the_same() {
    let cases = if is_long() { MANY_CASES } else { CASES };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let saved = std::cell::Cell::new(0);
    let histories = (random(), proptest::collection::vec(turn(), 2..5));
    let result = runner.run(&histories, |(first, turns)| {
        // The same time in both: ids are made of it.
        let (with, reads) = in_its_own_time(history(first.clone(), &turns, true));
        let (without, more_reads) = in_its_own_time(history(first, &turns, false));
        for (turn, (one, other)) in with.iter().zip(&without).enumerate() {
            prop_assert_eq!(one, other, "in turn {}", turn);
        }
        prop_assert!(reads <= more_reads);
        saved.set(saved.get() + more_reads - reads);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(saved.get() > 0, "a cache that is of no use shows nothing");
}

fn in_its_own_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

/// What the turns of a history did, and how many templates a plan after each of them read.
async fn history(first: Stacks, turns: &[Turn], cached: bool) -> (Vec<Seen>, usize) {
    let (mut world, mut foreign, mut machine) = (World::new(), World::new(), Machine::default());
    let own = cached.then(Machine::default);
    turn_of(&mut foreign, &project(&first, 0), own.as_ref()).await;
    turn_of(&mut foreign, &project(&first, 0), own.as_ref()).await;
    let (mut now, mut all, mut reads) = (first, Vec::new(), 0);
    for turn in turns {
        now = crate::soundness::world::edited(now, &turn.edits);
        if now.is_empty() {
            break;
        }
        if cached {
            turn.fate.befall(&mut machine, &world, &foreign).await;
        }
        let fqn = format!("ns-s{}", turn.by_hand.unwrap_or(STACKS));
        let is_settled = |status: &str| matches!(status, "CREATE_COMPLETE" | "UPDATE_COMPLETE");
        if world.stacks().await.get(&fqn).is_some_and(|stack| is_settled(stack.status.as_str())) {
            let text = world.template(&fqn).await.replace("Metadata: {by: hand}\n", "");
            let text = format!("Metadata: {{by: hand}}\n{}", text.replace("{k: b}", "{k: c}"));
            update_with(&world, &fqn, text, "x").await;
        }
        let project = project(&now, turn.spelling);
        all.push(turn_of(&mut world, &project, cached.then_some(&machine)).await);
        if cached {
            world.cache = machine.cache(&world);
        }
        let (again, requests) = logged(&world);
        again.plan(&project).await;
        reads += requests.log().iter().filter(|call| call.operation == "GetTemplate").count();
    }
    (all, reads)
}
