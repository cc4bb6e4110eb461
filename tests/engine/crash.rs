//! Sessions killed before or after any of their requests: nothing that exists is unknown, and the next run finishes
//! the work without a person.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_local::faulty::{Faulty, Verdict};
use tokio::sync::Notify;

use crate::support::{Project, World, template};

/// Longer than a lease lives: what a killed run began is still under way when the next one takes over.
const SLOW: Duration = Duration::from_secs(150);

fn before() -> Project {
    Project::new(concat!(
        "  - {name: base, template_path: t.yml, variables: {Note: one}}\n",
        "  - {name: kept, template_path: t.yml, variables: {Note: \"${output base.Note}\"}}\n",
        "  - {name: old, template_path: t.yml, stack_name: special, variables: {Note: \"${output base.Note}\"}}\n",
        "  - {name: older, template_path: t.yml, variables: {Note: \"${output old.Note}\"}}\n",
    ))
    .file("t.yml", &template(&[]))
}

fn after() -> Project {
    Project::new(concat!(
        "  - {name: base, template_path: t.yml, variables: {Note: two}}\n",
        "  - {name: kept, template_path: t.yml, variables: {Note: \"${output base.Note}\"}}\n",
        "  - {name: new, template_path: t.yml, variables: {Note: \"${output kept.Note}\"}}\n",
    ))
    .file("t.yml", &template(&[]))
}

/// One way to get from one world to another, killed at every request.
struct Journey {
    first: Option<Project>,
    then: Project,
    purpose: Purpose,
    /// Whether operations outlive the lease of the run that began them.
    slow: bool,
    stacks: &'static [&'static str],
    nodes: &'static [&'static str],
}

impl Journey {
    async fn start(&self) -> World {
        let world = World::new();
        if let Some(first) = &self.first {
            let run = world.deploy(first).await;
            assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
        }
        for stack in ["ns-base", "ns-kept", "ns-new", "ns-older", "ns-special"] {
            if self.slow {
                world.local.script(stack).takes(SLOW);
            }
        }
        world
    }

    /// How many requests the journey takes when nobody is killed.
    async fn length(&self) -> usize {
        let world = self.start().await;
        let faulty = Faulty::new(Arc::clone(&world.provider));
        let run = world.behind(Arc::new(faulty.clone())).run(&self.then, self.purpose).await;
        assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
        self.check_arrival(&world, "undisturbed").await;
        faulty.total()
    }

    async fn killed_at(&self, number: usize, verdict: Verdict) {
        let what = format!("{verdict:?} at request {number}");
        let world = self.start().await;
        let reached = Arc::new(Notify::new());
        let at_request = Arc::clone(&reached);
        let faulty =
            Faulty::new(Arc::clone(&world.provider)).with_hook(move |now, _| match now.cmp(&number) {
                std::cmp::Ordering::Less => Verdict::Proceed,
                std::cmp::Ordering::Equal => {
                    at_request.notify_one();
                    verdict
                }
                // A dead process sends nothing more, its renewals included.
                std::cmp::Ordering::Greater => Verdict::HangForever,
            });
        let broken = world.behind(Arc::new(faulty));
        let dead = async {
            reached.notified().await;
            // The request takes effect meanwhile, if it is to.
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        tokio::select! {
            _ = broken.run(&self.then, self.purpose) => {}
            () = dead => {}
        }
        self.check_nothing_is_unknown(&world, &what).await;
        // Before that the dead run's lease is refused at once, because it may be alive.
        tokio::time::sleep(Duration::from_secs(31)).await;
        let run = world.run(&self.then, self.purpose).await;
        assert_eq!(run.exit(), ExitCode::Ok, "{what}: {}", run.explain());
        self.check_arrival(&world, &what).await;
        let again = world.run(&self.then, self.purpose).await;
        assert_eq!(again.exit(), ExitCode::Ok, "{what}: {}", again.explain());
        assert!(again.did_nothing(), "{what}: {:#?}", again.events);
    }

    /// Every stack that exists is in graph, facts or intents.
    async fn check_nothing_is_unknown(&self, world: &World, what: &str) {
        let graph = world.graph().await;
        let state = world.state_text().await.unwrap_or_default();
        for fqn in world.stacks().await.keys() {
            let recorded = fqn.strip_prefix("ns-").is_some_and(|name| graph.contains_key(name));
            assert!(recorded || state.contains(&format!("\"{fqn}\"")), "{what}: {fqn} is unknown\n{state}");
        }
    }

    async fn check_arrival(&self, world: &World, what: &str) {
        let stacks = world.stacks().await;
        let names: BTreeSet<&str> = stacks.keys().map(String::as_str).collect();
        assert_eq!(names, self.stacks.iter().copied().collect(), "{what}: stacks");
        let graph = world.graph().await;
        let nodes: BTreeSet<&str> = graph.keys().map(String::as_str).collect();
        assert_eq!(nodes, self.nodes.iter().copied().collect(), "{what}: nodes");
        assert_eq!(world.lease_text().await, None, "{what}: lease");
        assert!(!world.graph_tags().await.contains_key("cfngin_lock_code"), "{what}: tag");
        let text = world.graph_text().await.unwrap_or_default();
        assert_eq!(text, text.trim_end(), "{what}: the graph is at rest");
        for stack in stacks.values() {
            assert!(!stack.status.is_in_progress(), "{what}: {} is {}", stack.fqn, stack.status);
        }
    }

    fn survives_every_kill(&self) {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_time().start_paused(true).build().unwrap()
        };
        let length = runtime().block_on(self.length());
        assert!(length > 8, "a journey of {length} requests proves little");
        for number in 0..length {
            for verdict in [Verdict::HangForever, Verdict::HangAfter] {
                runtime().block_on(self.killed_at(number, verdict));
            }
        }
    }
}

fn a_first_deploy(slow: bool) -> Journey {
    let (stacks, nodes) =
        (&["ns-base", "ns-kept", "ns-older", "ns-special"][..], &["base", "kept", "old", "older"][..]);
    Journey { first: None, then: before(), purpose: Purpose::Deploy, slow, stacks, nodes }
}

fn a_change_with_removals(slow: bool) -> Journey {
    let (stacks, nodes) = (&["ns-base", "ns-kept", "ns-new"][..], &["base", "kept", "new"][..]);
    Journey { first: Some(before()), then: after(), purpose: Purpose::Deploy, slow, stacks, nodes }
}

/// As [`before`] and [`after`], with a transform: everything goes by change sets.
fn transformed(project: Project) -> Project {
    project.file("t.yml", &format!("Transform: AWS::Serverless-2016-10-31\n{}", template(&[])))
}

fn a_destroy(slow: bool) -> Journey {
    let first = Some(before());
    Journey { first, then: after(), purpose: Purpose::Destroy, slow, stacks: &[], nodes: &[] }
}

#[test]
fn a_first_deploy_survives_every_kill() {
    a_first_deploy(false).survives_every_kill();
}

#[test]
fn a_change_with_removals_survives_every_kill() {
    a_change_with_removals(false).survives_every_kill();
}

#[test]
fn change_sets_survive_every_kill() {
    for mut journey in [a_first_deploy(false), a_change_with_removals(false)] {
        journey.first = journey.first.map(transformed);
        journey.then = transformed(journey.then);
        journey.survives_every_kill();
    }
}

#[test]
fn a_destroy_survives_every_kill() {
    a_destroy(false).survives_every_kill();
}

#[test]
fn what_a_killed_run_left_running_is_waited_for() {
    a_first_deploy(true).survives_every_kill();
    a_change_with_removals(true).survives_every_kill();
    a_destroy(true).survives_every_kill();
}

/// Names under which the tasks here keep something.
const THINGS: [&str; 4] = ["base", "old", "new", "link"];

/// Tasks and stacks that need each other in turn, before or after a change of all of them.
fn with_tasks(is_after: bool) -> Project {
    let (value, note) = if is_after { ("two", "two") } else { ("one", "one") };
    let (name, only) = if is_after { ("new", "new") } else { ("old", "old") };
    let tasks = format!(
        concat!(
            "tasks:\n",
            "  - {{name: base, kind: thing, on_remove: delete, args: {{name: base, value: {value}}}}}\n",
            "  - {{name: {name}, kind: thing, on_remove: delete, requires: [app], args: {{name: {only}}}}}\n",
            "  - {{name: link, kind: thing, on_remove: delete, args: {{name: link, value: \"${{output app.Note}}\"}}}}\n",
        ),
        value = value,
        name = name,
        only = only,
    );
    let stacks = format!(
        "  - {{name: app, template_path: t.yml, variables: {{Note: \"{note} ${{task base.value}}\"}}}}\n"
    );
    Project::new(&stacks).with(&tasks).file("t.yml", &template(&[]))
}

/// What is kept, and what is recorded, of tasks.
async fn things(world: &World) -> (Vec<&'static str>, String) {
    let mut kept = Vec::new();
    for name in THINGS {
        if world.things.get(name).await.is_some() {
            kept.push(name);
        }
    }
    (kept, world.state_text().await.unwrap_or_default())
}

struct TaskJourney {
    first: Option<Project>,
    then: Project,
    purpose: Purpose,
    kept: &'static [&'static str],
}

impl TaskJourney {
    async fn start(&self) -> World {
        let world = World::new();
        if let Some(first) = &self.first {
            let run = world.deploy(first).await;
            assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
        }
        world
    }

    async fn killed_at(&self, number: usize, verdict: Verdict) {
        let what = format!("{verdict:?} at request {number}");
        let world = self.start().await;
        let reached = Arc::new(Notify::new());
        let at_request = Arc::clone(&reached);
        let faulty =
            Faulty::new(Arc::clone(&world.provider)).with_hook(move |now, _| match now.cmp(&number) {
                std::cmp::Ordering::Less => Verdict::Proceed,
                std::cmp::Ordering::Equal => {
                    at_request.notify_one();
                    verdict
                }
                std::cmp::Ordering::Greater => Verdict::HangForever,
            });
        let broken = world.behind(Arc::new(faulty));
        let dead = async {
            reached.notified().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        tokio::select! {
            _ = broken.run(&self.then, self.purpose) => {}
            () = dead => {}
        }
        let (kept, state) = things(&world).await;
        for name in kept {
            assert!(state.contains(&format!("\"thing/{name}\"")), "{what}: {name} is unknown\n{state}");
        }
        tokio::time::sleep(Duration::from_secs(31)).await;
        // What may be one of those that are made, under another name, goes only when that is known.
        for _ in 0..2 {
            let run = world.run(&self.then, self.purpose).await;
            assert_eq!(run.exit(), ExitCode::Ok, "{what}: {}", run.explain());
        }
        let (kept, state) = things(&world).await;
        assert_eq!(kept, self.kept, "{what}\n{state}");
        let document: serde_json::Value = serde_json::from_str(&state).unwrap_or_default();
        for name in THINGS {
            let recorded = document["tasks"].get(format!("thing/{name}")).is_some();
            assert_eq!(recorded, kept.contains(&name), "{what}: {name}\n{state}");
        }
        let graph = world.graph().await;
        assert!(graph.keys().all(|node| !node.contains('/')), "{what}: {graph:?}");
        let again = world.run(&self.then, self.purpose).await;
        let did = again.events.iter().filter(|event| !matches!(event, Event::Outcomes { .. })).count();
        assert_eq!(did, 0, "{what}: {:#?}", again.events);
    }

    fn survives_every_kill(&self) {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_time().start_paused(true).build().unwrap()
        };
        let length = runtime().block_on(async {
            let world = self.start().await;
            let faulty = Faulty::new(Arc::clone(&world.provider));
            let run = world.behind(Arc::new(faulty.clone())).run(&self.then, self.purpose).await;
            assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
            faulty.total()
        });
        assert!(length > 12, "a journey of {length} requests proves little");
        for number in 0..length {
            for verdict in [Verdict::HangForever, Verdict::HangAfter] {
                runtime().block_on(self.killed_at(number, verdict));
            }
        }
    }
}

#[test]
fn tasks_survive_every_kill() {
    let deploy = Purpose::Deploy;
    let (before, after) = (with_tasks(false), with_tasks(true));
    for journey in [
        TaskJourney { first: None, then: before.clone(), purpose: deploy, kept: &["base", "old", "link"] },
        TaskJourney {
            first: Some(before),
            then: after.clone(),
            purpose: deploy,
            kept: &["base", "new", "link"],
        },
        TaskJourney { first: Some(after.clone()), then: after, purpose: Purpose::Destroy, kept: &[] },
    ] {
        journey.survives_every_kill();
    }
}
