//! What tasks give to others: known as far as it stays, named by the kind, and recorded unless it may hold a secret.

use runway_core::event::Outcome;

use super::*;

fn step<'p>(plan: &'p Plan, name: &str) -> (&'p Action, Certainty) {
    let found = plan.steps.iter().find(|step| step.name.as_str() == name);
    found.map(|step| (&step.action, step.certainty)).unwrap()
}

async fn is_done(world: &World, project: &Project) {
    let plan = world.plan(project).await.plan;
    let left: Vec<_> = plan.steps.iter().filter(|step| step.action != Action::None).collect();
    assert!(left.is_empty(), "{left:#?}");
}

fn outcome(run: &Run, wanted: &str) -> Option<Outcome> {
    run.events.iter().find_map(|event| match event {
        Event::StepFinished { name, outcome, .. } if name.as_str() == wanted => Some(outcome.clone()),
        _ => None,
    })
}

/// A task whose value and labels change, with everything that can read of it: by way of each other, too.
fn readers(value: &str, label: &str) -> Project {
    project(
        &format!(
            concat!(
                "  - {{name: source, kind: thing, args: {{name: source, value: {}, labels: {{team: {}}}}}}}\n",
                "  - {{name: reader, kind: mark, args: {{name: reader, value: \"of ${{task source.value}}\"}}}}\n",
                "  - {{name: second, kind: thing, args: {{name: second, value: \"${{task reader.value}}\"}}}}\n",
                "  - {{name: hey, kind: shout, args: {{word: \"${{task source.value}}\"}}}}\n",
                "  - {{name: named, kind: mark, args: {{name: named, value: \"${{task source.name}}\"}}}}\n",
            ),
            value, label
        ),
        concat!(
            "  - {name: app, template_path: t.yml, variables: {Note: \"${task source.value}\"}}\n",
            "  - {name: echo, template_path: t.yml, variables: {Note: \"${task hey.answer}\"}}\n",
            "  - {name: last, template_path: t.yml, variables: {Note: \"${output app.Note} ${task second.value}\"}}\n",
            "  - {name: calm, template_path: t.yml, variables: {Note: \"${task source.name}\"}}\n",
        ),
    )
}

#[tokio::test(start_paused = true)]
async fn who_reads_what_a_task_changes_is_done_in_the_same_deploy() {
    let world = World::new();
    done(&world, &readers("one", "x")).await;
    is_done(&world, &readers("one", "x")).await;

    let changed = readers("two", "x");
    let plan = world.plan(&changed).await.plan;
    assert_eq!(step(&plan, "thing/source"), (&Action::Update, Certainty::Will));
    for reader in ["mark/reader", "thing/second", "app", "last"] {
        assert_eq!(step(&plan, reader), (&Action::Update, Certainty::May), "{reader}");
    }
    assert_eq!(step(&plan, "shout/hey").0, &Action::Run);
    // What an update leaves as it is is known before it.
    for reader in ["mark/named", "calm"] {
        assert_eq!(step(&plan, reader).0, &Action::None, "{reader}");
    }
    done(&world, &changed).await;
    let stacks = world.stacks().await;
    assert_eq!(stacks["ns-app"].outputs["Note"], "two");
    assert_eq!(stacks["ns-echo"].outputs["Note"], "two!");
    assert_eq!(stacks["ns-last"].outputs["Note"], "two of two");
    assert_eq!(world.things.get("second").await, kept("of two"));
    is_done(&world, &changed).await;
}

#[tokio::test(start_paused = true)]
async fn who_reads_what_turns_out_to_be_the_same_is_left_alone() {
    let world = World::new();
    done(&world, &readers("one", "x")).await;
    world.things.take_changes();
    let changed = readers("one", "y");
    assert_eq!(step(&world.plan(&changed).await.plan, "mark/reader"), (&Action::Update, Certainty::May));
    let run = done(&world, &changed).await;
    for reader in ["mark/reader", "thing/second", "app", "last"] {
        assert_eq!(outcome(&run, reader), Some(Outcome::Unchanged), "{reader}");
    }
    // An effect is due when what it needs has changed, whatever it reads of it.
    assert_eq!(world.things.take_changes(), ["put source", "shout one"]);
    is_done(&world, &changed).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_deploy_nothing_is_left_to_do_whatever_reads_of_what() {
    let kinds = |kind: &str, name: &str, value: &str| match kind {
        "shout" => format!("  - {{name: {name}, kind: shout, args: {{word: \"{value}\"}}}}\n"),
        kind => format!("  - {{name: {name}, kind: {kind}, args: {{name: {name}, value: \"{value}\"}}}}\n"),
    };
    for (kind, outputs) in
        [("thing", ["name", "value"]), ("mark", ["name", "value"]), ("shout", ["loudness", "answer"])]
    {
        for output in outputs {
            for reader in ["thing", "mark", "shout", "stack"] {
                let world = World::new();
                let made = |value: &str| {
                    let read = format!("${{task {kind}/one.{output}}}");
                    let (mut tasks, mut stacks) = (kinds(kind, "one", value), String::new());
                    match reader {
                        "stack" => {
                            stacks = format!(
                                "  - {{name: two, template_path: t.yml, variables: {{Note: \"{read}\"}}}}\n"
                            );
                        }
                        reader => tasks.push_str(&kinds(reader, "two", &read)),
                    }
                    project(&tasks, &stacks)
                };
                for value in ["a", "b", "b", "a"] {
                    done(&world, &made(value)).await;
                    is_done(&world, &made(value)).await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_takes_the_readers_along() {
    let world = World::new();
    done(&world, &readers("one", "x")).await;
    let changed = readers("two", "x");
    let saved = crate::flows::saved::saved(&world, &changed).await;
    let run = crate::flows::saved::carry_out(&world, &changed, &saved).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-last"].outputs["Note"], "two of two");
    is_done(&world, &changed).await;
}

/// A task that is given a secret as its name or its value, or both, and readers of it.
fn given(kind: &str, secret: &str, read: &str) -> Project {
    project(
        &format!(
            concat!(
                "  - {{name: one, kind: {}, args: {}}}\n",
                "  - {{name: two, kind: thing, args: {{name: two, value: \"${{task one.{}}}\"}}}}\n",
            ),
            kind, secret, read
        ),
        &format!("  - {{name: app, template_path: t.yml, variables: {{Note: \"${{task one.{read}}}\"}}}}\n"),
    )
}

#[tokio::test(start_paused = true)]
async fn only_what_may_hold_a_secret_is_one() {
    let world = World::new();
    world.fakes.set("/password", json!({"secret": "correct-horse"}));
    let named = given("thing", "{name: plain-name, value: \"${ssm /password}\"}", "name");
    let shown = format!("{:?}", world.plan(&named).await.plan);
    assert!(shown.contains("plain-name") && !shown.contains("correct-horse"), "{shown}");
    let plan = world.plan(&named).await.plan;
    let note = format!("{:?}", plan.steps.iter().find(|step| step.name.as_str() == "app").unwrap().changes);
    assert!(note.contains("plain-name"), "{note}");
    done(&world, &named).await;
    // It is recorded, and what may hold the secret is not.
    let outputs = recorded(&world).await["thing/one"]["outputs"].clone();
    assert_eq!(outputs, json!({"name": "plain-name"}));
    is_done(&world, &named).await;

    // A name that is a secret itself is hidden.
    let world = World::new();
    world.fakes.set("/password", json!({"secret": "correct-horse"}));
    let secret = given("thing", "{name: \"${ssm /password}\", value: plain-value}", "name");
    done(&world, &secret).await;
    let shown = format!("{:?} {}", world.plan(&secret).await.plan, world.state_text().await.unwrap());
    assert!(!shown.contains("correct-horse"), "{shown}");
    assert_eq!(recorded(&world).await["thing/one"]["outputs"], json!({"value": "plain-value"}));
}

#[tokio::test(start_paused = true)]
async fn what_an_effect_with_a_secret_gives_is_known_in_every_run_or_in_none() {
    let world = World::new();
    world.fakes.set("/password", json!({"secret": "correct-horse"}));
    // What cannot hold it is recorded, and read again and again.
    let plain = given("shout", "{word: \"${ssm /password}\"}", "loudness");
    for _ in 0..2 {
        done(&world, &plain).await;
        is_done(&world, &plain).await;
    }
    assert_eq!(world.stacks().await["ns-app"].outputs["Note"], "very");

    // What may hold it would be there once, and is refused at once.
    let free = given("shout", "{word: \"${ssm /password}\"}", "answer");
    let before = world.things.take_changes();
    let error = world.no_plan(&free).await;
    let told: Vec<String> = error.findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for told in told {
        assert!(told.contains("output `answer` of task `one`") && told.contains("not recorded"), "{told}");
    }
    assert_eq!((before.len(), world.things.take_changes().len()), (2, 0), "nothing ran");

    // A task that runs in every deploy has it in every deploy.
    let mut always = free.clone();
    always.head = always.head.replace("kind: shout,", "kind: shout, when: always,");
    for _ in 0..2 {
        done(&world, &always).await;
        assert_eq!(world.things.get("two").await, kept("correct-horse!"));
    }
    let state = world.state_text().await.unwrap();
    assert!(!state.contains("correct-horse"), "{state}");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_comes_in_the_run_is_refused_before_it_is_lost() {
    let world = World::new();
    world.fakes.set("/password", json!({"secret": "correct-horse"}));
    // Only when its turn comes is it known that the effect gets a secret.
    let late = project(
        concat!(
            "  - {name: first, kind: thing, args: {name: first, value: \"/password\"}}\n",
            "  - {name: one, kind: shout, args: {word: \"${ssm ${task first.value}}\"}}\n",
            "  - {name: two, kind: thing, args: {name: two, value: \"${task one.answer}\"}}\n",
        ),
        "",
    );
    let run = world.deploy(&late).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(run.explain().contains("not recorded"), "{}", run.explain());
    assert_eq!(world.things.get("two").await, None);
    assert!(!world.state_text().await.unwrap().contains("correct-horse"));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_kind_does_not_have_is_found_at_once() {
    let world = World::new();
    let wrong = given("thing", "{name: x, value: y}", "valeu");
    let error = world.no_plan(&wrong).await;
    let told: Vec<String> = error.findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for told in told {
        let words = "output `valeu` of task `one` is not available: `thing` has `name`, `value`; did you mean `value`?";
        assert!(told.contains(words), "{told}");
    }
    assert!(world.things.take_changes().is_empty());
    // Who gives a default has thought of it.
    let fallback = given("thing", "{name: x, value: y}", "valeu::default=fallback");
    done(&world, &fallback).await;
    assert_eq!(world.things.get("two").await, kept("fallback"));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_refused_makes_no_second_mistake_of_its_readers() {
    let world = World::new();
    let gone = |name: &str| given("mark", &format!("{{name: {name}, value: y}}"), "value");
    done(&world, &gone("first")).await;
    let error = world.no_plan(&gone("other")).await;
    let told: Vec<String> = error.findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("kept `first`"), "{told:?}");
    assert_eq!(error.exit, ExitCode::Refused, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_and_never_made_is_created() {
    let world = World::new();
    let chain = |word: &str| {
        project(
            &format!(
                concat!(
                    "  - {{name: first, kind: shout, args: {{word: {}}}}}\n",
                    "  - {{name: second, kind: thing, args: {{name: second, value: \"${{task first.answer}}\"}}}}\n",
                ),
                word
            ),
            "",
        )
    };
    assert_eq!(world.deploy(&chain("denied")).await.exit(), ExitCode::StepsFailed);
    assert!(recorded(&world).await.get("thing/second").is_some(), "it is recorded before it is made");
    let plan = world.plan(&chain("ho")).await.plan;
    assert_eq!(step(&plan, "thing/second"), (&Action::Create, Certainty::May));
    let run = done(&world, &chain("ho")).await;
    let did = |run: &Run| {
        run.events.iter().find_map(|event| match event {
            Event::StepFinished { name, action, .. } if name.as_str() == "thing/second" => Some(*action),
            _ => None,
        })
    };
    assert_eq!(did(&run), Some(Action::Create));
    // What was made is updated, also if an update of it has failed.
    assert_eq!(step(&world.plan(&chain("hi")).await.plan, "thing/second").0, &Action::Update);
    assert_eq!(world.deploy(&chain("denied")).await.exit(), ExitCode::StepsFailed);
    assert_eq!(step(&world.plan(&chain("hi")).await.plan, "thing/second").0, &Action::Update);
    // What somebody deleted meanwhile is made again, and told as that.
    world.things.remove("second").await;
    let run = done(&world, &chain("hi")).await;
    assert_eq!(did(&run), Some(Action::Create), "{:?}", run.events);
}
