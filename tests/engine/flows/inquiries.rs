//! `plan --change-sets`: CloudFormation is asked, and nothing of the questions stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use runway_core::clock::Clock;
use runway_core::engine::{EngineError, Interrupt, Planned};
use runway_core::exit::ExitCode;
use runway_core::plan::{ChangeSetAnswer, Purpose, Step};
use runway_core::provider::{
    AnnouncedAction, ChangeSetKind, ChangeSetRequest, ErrorKind, Provider, StackRef, StackRequest,
    StackStatus, TemplateLocation,
};
use runway_local::faulty::{Faulty, Verdict};
use runway_local::{Local, Options, Timing};
use runway_store::BucketName;

use crate::support::{Project, World, template};

/// A project of two stacks: `b` takes an output of `a`, and `c` stands alone.
fn project(note: &str) -> Project {
    Project::new(&format!(
        "  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}}}\n  - {{name: b, template_path: u.yml, \
         variables: {{Note: fixed, Up: '${{output a::Note}}'}}}}\n  - {{name: c, template_path: t.yml, variables: {{Note: {note}}}}}\n"
    ))
    .file("t.yml", &template(&[]))
    .file("u.yml", &template(&["Up"]))
}

/// A project of one stack.
fn single(note: &str) -> Project {
    Project::new(&format!("  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}}}\n"))
        .file("t.yml", &template(&[]))
}

async fn ask(world: &World, project: &Project, interrupt: &Interrupt) -> Result<Planned, EngineError> {
    let engine = world.engine(project.files.clone(), |_| ());
    engine.plan_with_change_sets(&project.config(), Purpose::Deploy, interrupt).await
}

async fn asked(world: &World, project: &Project) -> Planned {
    match ask(world, project, &Interrupt::default()).await {
        Ok(planned) => planned,
        Err(error) => panic!("no plan: {:?}", error.findings),
    }
}

fn answer<'p>(planned: &'p Planned, name: &str) -> &'p ChangeSetAnswer {
    planned.plan.step(&name.into()).unwrap().change_set.as_ref().unwrap()
}

fn notes(step: &Step) -> Vec<(&str, &str)> {
    let of_sets = step.notes.iter().filter(|note| note.code.starts_with("plan::change_set"));
    of_sets.map(|note| (note.code, note.text.as_str())).collect()
}

/// Names of all change sets of all stacks.
async fn sets(world: &World) -> Vec<String> {
    let mut names = Vec::new();
    for name in world.stacks().await.into_keys() {
        let stack = StackRef::Name(name.as_str().into());
        let listed = world.local_cloudformation().list_change_sets(&stack, None).await.unwrap();
        names.extend(listed.sets.into_iter().map(|set| set.name));
    }
    names
}

/// Names and statuses of all stacks.
async fn statuses(world: &World) -> BTreeMap<String, StackStatus> {
    world.stacks().await.into_iter().map(|(name, stack)| (name, stack.status)).collect()
}

fn writes(faulty: &Faulty) -> BTreeMap<&'static str, usize> {
    let reads =
        |verb: &str| ["Get", "Describe", "List", "Head"].iter().any(|beginning| verb.starts_with(beginning));
    faulty.counts().into_iter().filter(|(verb, _)| !reads(verb)).collect()
}

#[tokio::test(start_paused = true)]
async fn answers_come_and_nothing_stays() {
    let world = World::new();
    let two = project("one");
    let only_a = Project { stacks: two.stacks.lines().next().unwrap().to_owned() + "\n", ..two.clone() };
    assert_eq!(world.deploy(&only_a).await.exit(), ExitCode::Ok);
    let before = world.stacks().await;
    let (graph, state) = (world.graph_text().await, world.state_text().await);

    let faulty = Faulty::new(Arc::clone(&world.provider));
    let planned = asked(&world.behind(Arc::new(faulty.clone())), &project("two")).await;
    let ChangeSetAnswer::Changes(changes) = answer(&planned, "a") else { panic!("{planned:?}") };
    let change = &changes["P"];
    assert_eq!((change.action, changes.len()), (AnnouncedAction::Modify, 1));
    let values = (change.details[0].before.as_deref(), change.details[0].after.as_deref());
    assert_eq!(values, (Some("one "), Some("two ")));
    let ChangeSetAnswer::Changes(changes) = answer(&planned, "c") else { panic!("{planned:?}") };
    assert_eq!(changes["P"].action, AnnouncedAction::Add);
    let step = planned.plan.step(&"b".into()).unwrap();
    assert_eq!(
        notes(step),
        [(
            "plan::change_set_not_asked",
            "CloudFormation was not asked: parameter Up is known after deploy of a"
        )]
    );
    assert!(planned.warnings.is_empty(), "{:?}", planned.warnings);

    assert_eq!(
        writes(&faulty),
        [("CreateChangeSet", 2), ("DeleteChangeSet", 2), ("DeleteStack", 1)].into(),
        "a set for each, and the stack in review"
    );
    assert_eq!((world.stacks().await, sets(&world).await), (before, vec![]));
    assert_eq!((world.graph_text().await, world.state_text().await), (graph, state));
    let run = world.deploy(&project("two")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_changes_asks_nothing() {
    let world = World::new();
    assert_eq!(world.deploy(&project("one")).await.exit(), ExitCode::Ok);
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let planned = asked(&world.behind(Arc::new(faulty.clone())), &project("one")).await;
    assert!(!planned.plan.has_changes());
    assert!(planned.plan.steps.iter().all(|step| step.change_set.is_none()));
    assert_eq!(writes(&faulty), [].into());
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_read() {
    let world = World::new();
    let many = |count: usize| {
        let mut text = "Resources:\n".to_owned();
        (0..count).for_each(|number| text.push_str(&format!("  T{number}: {{Type: AWS::SNS::Topic}}\n")));
        Project::new("  - {name: a, template_path: t.yml}\n").file("t.yml", &text)
    };
    assert_eq!(world.deploy(&many(1)).await.exit(), ExitCode::Ok);
    let planned = asked(&world, &many(251)).await;
    let ChangeSetAnswer::Changes(changes) = answer(&planned, "a") else { panic!("{planned:?}") };
    assert_eq!(changes.len(), 250);
    assert!(changes.values().all(|change| change.action == AnnouncedAction::Add));
    assert_eq!(sets(&world).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_worked_out_says_why() {
    let world = World::new();
    let macros = |name: &str| format!("Transform: {name}\n{}", template(&[]));
    let failing = single("one").file("t.yml", &macros("Nobodys"));
    let planned = asked(&world, &failing).await;
    let step = &planned.plan.steps[0];
    let [(code, text)] = notes(step)[..] else { panic!("{step:?}") };
    assert_eq!(code, "plan::change_set_failed");
    assert!(text.ends_with("No transform named Nobodys found."), "{text}");
    assert_eq!((statuses(&world).await, sets(&world).await), ([].into(), vec![]));

    assert_eq!(world.deploy(&single("one")).await.exit(), ExitCode::Ok);
    let planned = asked(&world, &failing).await;
    assert_eq!(notes(&planned.plan.steps[0])[0].0, "plan::change_set_failed");
    assert_eq!(sets(&world).await, [""; 0]);

    // A description is no change for CloudFormation.
    let described = format!("Description: new\n{}", template(&[]));
    let planned = asked(&world, &single("one").file("t.yml", &described)).await;
    for step in planned.plan.steps.iter().filter(|step| step.action.is_change()) {
        assert_eq!(step.change_set, Some(ChangeSetAnswer::Unchanged), "{step:?}");
    }
    let refused = Faulty::new(Arc::clone(&world.provider)).with_rule(
        "CreateChangeSet",
        "",
        0,
        Verdict::FailBefore(ErrorKind::Denied),
    );
    let planned = asked(&world.behind(Arc::new(refused)), &single("two")).await;
    assert_eq!(
        notes(&planned.plan.steps[0]),
        [(
            "plan::change_set_failed",
            "CloudFormation could not say what it would do: CreateChangeSet: scripted failure"
        )]
    );
}

#[tokio::test(start_paused = true)]
async fn a_template_that_is_too_long_is_not_uploaded() {
    let world = World::new();
    let long = |note: &str, word: &str| {
        let text = format!("{}\nDescription: {}\n", template(&[]), "x".repeat(900));
        let mut text = format!("{text}Mappings:\n  M:\n");
        (0..60).for_each(|n| text.push_str(&format!("    k{n}: {{v: {}}}\n", word.repeat(250))));
        single(note).file("t.yml", &text)
    };
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let behind = world.behind(Arc::new(faulty.clone()));
    let planned = asked(&behind, &long("one", "abcd")).await;
    let [(code, text)] = notes(&planned.plan.steps[0])[..] else { panic!("{planned:?}") };
    assert_eq!(code, "plan::change_set_not_asked");
    assert!(text.contains("a plan uploads nothing"), "{text}");
    assert_eq!(writes(&faulty), [].into());

    assert_eq!(world.deploy(&long("one", "abcd")).await.exit(), ExitCode::Ok);
    // The stack has the template: only the parameter is another one.
    let planned = asked(&behind, &long("two", "abcd")).await;
    assert!(matches!(answer(&planned, "a"), ChangeSetAnswer::Changes(_)), "{planned:?}");
    assert_eq!(world.deploy(&long("one", "efgh")).await.exit(), ExitCode::Ok);
    // The bucket has the template of an earlier deploy.
    let planned = asked(&behind, &long("two", "abcd")).await;
    assert!(matches!(answer(&planned, "a"), ChangeSetAnswer::Changes(_)), "{planned:?}");
    assert_eq!(sets(&world).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn values_that_are_not_echoed_are_not_told() {
    let world = World::new();
    let text = template(&[]).replace("Note: {Type: String}", "Note: {Type: String, NoEcho: true}");
    let text = text.replace("  Note: {Value: !Ref Note}\n", "");
    let project = |word: &str| single(word).file("t.yml", &text);
    assert_eq!(world.deploy(&project("tomatoes")).await.exit(), ExitCode::Ok);
    let planned = asked(&world, &project("potatoes")).await;
    assert!(matches!(answer(&planned, "a"), ChangeSetAnswer::Changes(_)), "{planned:?}");
    let told = format!("{planned:?}");
    assert!(!told.contains("potatoes") && !told.contains("tomatoes"), "{told}");
}

/// A world where `a` exists and is to be updated, and `c` is to be created.
async fn begun() -> (World, Project) {
    let world = World::new();
    assert_eq!(world.deploy(&single("one")).await.exit(), ExitCode::Ok);
    let wanted = Project::new(
        "  - {name: a, template_path: t.yml, variables: {Note: two}}\n  - {name: c, template_path: t.yml, \
         variables: {Note: two}}\n",
    )
    .file("t.yml", &template(&[]));
    (world, wanted)
}

/// Requests of an undisturbed inquiry.
async fn requests() -> usize {
    let (world, wanted) = begun().await;
    let faulty = Faulty::new(Arc::clone(&world.provider));
    asked(&world.behind(Arc::new(faulty.clone())), &wanted).await;
    faulty.total()
}

#[tokio::test(start_paused = true)]
async fn an_interruption_at_any_request_leaves_nothing() {
    let total = requests().await;
    assert!(total > 12, "{total}");
    for nth in 0..total {
        let (world, wanted) = begun().await;
        let before = statuses(&world).await;
        let interrupt = Interrupt::default();
        let stop = interrupt.stop.clone();
        let faulty = Faulty::new(Arc::clone(&world.provider)).with_hook(move |number, _| {
            if number == nth {
                stop.cancel();
            }
            Verdict::Proceed
        });
        let ended = ask(&world.behind(Arc::new(faulty)), &wanted, &interrupt).await;
        assert_eq!(ended.err().map(|error| error.exit), Some(ExitCode::Interrupted), "request {nth}");
        assert_eq!((statuses(&world).await, sets(&world).await), (before, vec![]), "request {nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_and_refused_requests_leave_nothing() {
    let total = requests().await;
    for verdict in [
        Verdict::FailAfter(ErrorKind::Unavailable),
        Verdict::FailBefore(ErrorKind::Unavailable),
        Verdict::FailBefore(ErrorKind::Throttled),
    ] {
        for nth in 0..total {
            let (world, wanted) = begun().await;
            let before = statuses(&world).await;
            let faulty = Faulty::new(Arc::clone(&world.provider)).with_hook(move |number, call| {
                // What a plan without questions reads has no second attempt.
                let of_sets = call.operation.contains("ChangeSet") || call.operation == "DeleteStack";
                if number == nth && of_sets { verdict } else { Verdict::Proceed }
            });
            let planned = asked(&world.behind(Arc::new(faulty)), &wanted).await;
            for name in ["a", "c"] {
                assert!(matches!(answer(&planned, name), ChangeSetAnswer::Changes(_)), "{verdict:?} {nth}");
            }
            let left = (statuses(&world).await, sets(&world).await);
            assert_eq!(left, (before, vec![]), "{verdict:?} at {nth}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_told() {
    let (world, wanted) = begun().await;
    let faulty = Faulty::new(Arc::clone(&world.provider))
        .with_rule("DeleteChangeSet", "", 0, Verdict::FailBefore(ErrorKind::Denied))
        .with_rule("DeleteStack", "", 0, Verdict::FailBefore(ErrorKind::Denied));
    let planned = asked(&world.behind(Arc::new(faulty)), &wanted).await;
    let told: Vec<String> = planned.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|text| text.starts_with("not removed after CloudFormation was asked: ")));
    assert!(told.iter().any(|text| text.contains("stack ns-c in review: scripted failure")), "{told:?}");
}

/// `kill -9` at any request, and another plan an hour later.
#[tokio::test(start_paused = true)]
async fn what_a_killed_inquiry_left_is_removed_by_the_next() {
    let total = requests().await;
    for verdict in [Verdict::HangForever, Verdict::HangAfter] {
        let mut left_something = 0;
        for nth in 0..total {
            let (world, wanted) = begun().await;
            let before = statuses(&world).await;
            let faulty = Faulty::new(Arc::clone(&world.provider))
                .with_hook(move |number, _| if number >= nth { verdict } else { Verdict::Proceed });
            let killed = Interrupt::default();
            let behind = world.behind(Arc::new(faulty));
            let running = ask(&behind, &wanted, &killed);
            assert!(tokio::time::timeout(Duration::from_secs(60), running).await.is_err(), "hangs");
            let left = sets(&world).await;
            assert!(left.iter().all(|name| name.starts_with("runway-rs-plan-")), "{left:?}");
            left_something += usize::from(!left.is_empty());

            // Whoever asks meanwhile leaves it alone: it may be another plan at its work.
            asked(&world, &wanted).await;
            let untouched: BTreeSet<String> = sets(&world).await.into_iter().collect();
            assert_eq!(untouched, left.into_iter().collect(), "{verdict:?} at {nth}");
            tokio::time::sleep(Duration::from_secs(3600)).await;
            let planned = asked(&world, &wanted).await;
            assert!(planned.warnings.is_empty(), "{:?}", planned.warnings);
            assert_eq!(
                (statuses(&world).await, sets(&world).await),
                (before, vec![]),
                "{verdict:?} at {nth}"
            );
        }
        assert!(left_something > 3, "{left_something}");
    }
}

/// Somebody has made a change set of their own for a stack that does not exist yet.
#[tokio::test(start_paused = true)]
async fn an_empty_stack_of_somebody_else_stays() {
    let world = World::new();
    let foreign = ChangeSetRequest {
        kind: ChangeSetKind::Create,
        name: "by-hand".to_owned(),
        stack: StackRequest {
            stack: StackRef::Name("ns-a".into()),
            template: TemplateLocation::Body(template(&[])),
            parameters: vec![(
                "Note".to_owned(),
                runway_core::provider::ParameterValue::Value("one".to_owned()),
            )],
            tags: BTreeMap::new(),
            role_arn: None,
            stack_policy: None,
            capabilities: Vec::new(),
            termination_protection: false,
            timeout_minutes: None,
            token: "by-hand".to_owned(),
        },
    };
    world.local_cloudformation().create_change_set(&foreign).await.unwrap();
    let planned = asked(&world, &single("two")).await;
    assert!(matches!(answer(&planned, "a"), ChangeSetAnswer::Changes(_)), "{planned:?}");
    assert_eq!(sets(&world).await, ["by-hand"]);
    assert_eq!(statuses(&world).await["ns-a"], StackStatus::ReviewInProgress);
}

/// CloudFormation that works longer on a change set than a plan waits.
#[tokio::test(start_paused = true)]
async fn a_set_that_is_not_worked_out_in_time_is_removed_all_the_same() {
    let mut world = World::new();
    let timing = Timing { idle: Duration::from_secs(400), ..Timing::CLOUD_LIKE };
    let options = Options { timing: Some(timing), ..Options::default() };
    world.local = Arc::new(Local::memory(Arc::clone(&world.clock) as Arc<dyn Clock>, options));
    world.local.create_bucket(&BucketName::new("templates")).await.unwrap();
    let slow = world.behind(Arc::clone(&world.local) as Arc<dyn Provider>);
    assert_eq!(slow.deploy(&single("one")).await.exit(), ExitCode::Ok);
    let planned = asked(&slow, &single("two")).await;
    assert_eq!(
        notes(&planned.plan.steps[0]),
        [(
            "plan::change_set_failed",
            "CloudFormation could not say what it would do: the change set was not worked out in 5 minutes"
        )]
    );
    assert!(planned.warnings.is_empty(), "{:?}", planned.warnings);
    assert_eq!(sets(&slow).await, [""; 0]);
}
