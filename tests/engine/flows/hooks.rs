//! Hooks before and after the stacks: order, results, failures, and what they change for the plan.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use runway_core::engine::{Approval, Gate, Interrupt, Planned};
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::plan::{Action, Certainty, Purpose};
use runway_core::provider::StackStatus;
use runway_core::registry::HookStage;
use runway_core::render::{json, text};
use serde_json::json;

use crate::support::{Project, Run, World, template};

const A: &str = "  - {name: a, template_path: t.yml, variables: {Note: x}}\n";

/// One stack `a` behind these hooks (YAML, at the top level).
pub(super) fn hooked(hooks: &str) -> Project {
    Project::new(A).with(hooks).file("t.yml", &template(&[]))
}

/// One stack `a` whose `Note` is `note`.
pub(super) fn noted(hooks: &str, note: &str) -> Project {
    let stacks = format!("  - {{name: a, template_path: t.yml, variables: {{Note: \"{note}\"}}}}\n");
    Project::new(&stacks).with(hooks).file("t.yml", &template(&[]))
}

/// What happened, in words: `locked`, `unlocked`, the names of hooks and stacks as they begin, `end` where they end.
fn story(run: &Run) -> Vec<String> {
    let word = |event: &Event| match event {
        Event::Locked { .. } => Some("locked".to_owned()),
        Event::Unlocked { .. } => Some("unlocked".to_owned()),
        Event::HookStarted { stage, path } => Some(format!("{stage} {path}")),
        Event::StepStarted { name, .. } => Some(name.to_string()),
        Event::HookFinished { failure: None, .. } | Event::StepFinished { .. } => Some("end".to_owned()),
        Event::HookFinished { failure: Some(_), .. } => Some("failure".to_owned()),
        _ => None,
    };
    run.events.iter().filter_map(word).collect()
}

/// Answers as told, then always yes, and remembers what it was shown.
struct Answers {
    next: Mutex<VecDeque<Approval>>,
    shown: Mutex<Vec<Planned>>,
}

impl Answers {
    fn new(answers: impl IntoIterator<Item = Approval>) -> Self {
        Self { next: Mutex::new(answers.into_iter().collect()), shown: Mutex::default() }
    }

    /// The stacks that each shown plan would change.
    fn shown(&self) -> Vec<Vec<String>> {
        let changed = |planned: &Planned| {
            let steps = planned.plan.steps.iter().filter(|step| step.action.is_change());
            steps.map(|step| step.name.to_string()).collect()
        };
        self.shown.lock().unwrap().iter().map(changed).collect()
    }
}

#[async_trait]
impl Gate for Answers {
    async fn approve(&self, planned: &Planned, _again: u32) -> Approval {
        self.shown.lock().unwrap().push(planned.clone());
        self.next.lock().unwrap().pop_front().unwrap_or(Approval::Standing)
    }
}

async fn gated(world: &World, project: &Project, gate: &Answers) -> Run {
    world.run_gated(project, Purpose::Deploy, (gate, &Interrupt::default()), |_| ()).await
}

#[tokio::test(start_paused = true)]
async fn hooks_run_in_order_under_the_lock_and_around_the_stacks() {
    let world = World::new();
    let project = hooked(concat!(
        "pre_deploy:\n  - {path: h.first, args: {sleep: 5}}\n  - {path: h.off, enabled: false}\n",
        "  - {path: h.second}\npost_deploy:\n  - {path: h.last}\npre_destroy:\n  - {path: h.bye}\n",
        "post_destroy:\n  - {path: h.gone}\n",
    ));
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let expected = [
        "locked",
        "pre_deploy h.first",
        "end",
        "pre_deploy h.second",
        "end",
        "a",
        "end",
        "post_deploy h.last",
        "end",
        "unlocked",
    ];
    assert_eq!(story(&run), expected);
    world.assert_at_rest().await;

    // Nothing to do with the stacks; hooks run all the same (CFNgin).
    let again = world.deploy(&project).await;
    assert_eq!(again.exit(), ExitCode::Ok, "{}", again.explain());
    let hooks: Vec<String> = story(&again).into_iter().filter(|word| word != "end").collect();
    let expected = ["locked", "pre_deploy h.first", "pre_deploy h.second", "post_deploy h.last", "unlocked"];
    assert_eq!(hooks, expected);

    let destroyed = world.run(&project, Purpose::Destroy).await;
    assert_eq!(destroyed.exit(), ExitCode::Ok, "{}", destroyed.explain());
    let expected =
        ["locked", "pre_destroy h.bye", "end", "a", "end", "unlocked", "post_destroy h.gone", "end"];
    assert_eq!(story(&destroyed), expected);
    let stage = world.fakes.calls.lock().unwrap().last().unwrap().stage;
    assert_eq!(stage, HookStage::PostDestroy);
    assert_eq!(world.graph_text().await, None);
}

#[tokio::test(start_paused = true)]
async fn results_reach_later_hooks_variables_and_templates() {
    let world = World::new();
    let stacks = concat!(
        "  - name: a\n    template_path: t.yml\n    variables: {Note: \"${hook_data build.version.text}\"}\n",
        "  - name: b\n    template_path: b.yml.j2\n    variables: {Note: y}\n",
        "  - name: c\n    template_path: t.yml\n    variables: {Note: \"${hook_data absent::default=fallback}\"}\n",
    );
    let jinja = template(&[]).replace("${Note}", "{{ context.hook_data.build.version.text }}");
    let project = Project::new(stacks)
        .with(concat!(
            "pre_deploy:\n  - {path: h.build, data_key: build, args: {give: {version: {text: v7}}}}\n",
            "  - {path: h.use, args: {name: \"${hook_data build.version.text}!\", keep: {extra: {k: 1}}}}\n",
            "  - {path: h.list, data_key: lost, args: {give: [1]}}\n",
            "post_deploy:\n  - {path: h.tell, args: {name: \"${output a.Note}\"}}\n",
        ))
        .file("t.yml", &template(&[]))
        .file("b.yml.j2", &jinja);
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.fakes.hooks("name"), [json!(null), json!("v7!"), json!(null), json!("v7")]);
    let stacks = world.stacks().await;
    assert_eq!(stacks["ns-a"].outputs["Note"], "v7");
    assert_eq!(stacks["ns-c"].outputs["Note"], "fallback");
    let body = world.template("ns-b").await;
    assert!(body.contains("v7"), "{body}");
    // CFNgin keeps maps only.
    let seen = world.fakes.calls.lock().unwrap().last().unwrap().hook_data.clone();
    assert_eq!(json!(seen), json!({"build": {"version": {"text": "v7"}}, "extra": {"k": 1}}));
}

#[tokio::test(start_paused = true)]
async fn a_required_hook_that_fails_ends_the_run_before_any_stack() {
    let fails = [
        ("fail: it broke", "it broke"),
        ("give: null", "gave back null"),
        ("give: false", "gave back false"),
        ("give: {}", "gave back {}"),
        ("give: 0", "gave back 0"),
    ];
    for (argument, words) in fails {
        let world = World::new();
        let project = hooked(&format!(
            "pre_deploy:\n  - {{path: h.bad, args: {{{argument}}}}}\n  - {{path: h.later}}\npost_deploy:\n  - {{path: h.post}}\n"
        ));
        let run = world.deploy(&project).await;
        assert_eq!(run.exit(), ExitCode::StepsFailed, "{argument}: {}", run.explain());
        assert!(run.explain().contains(words) && run.explain().contains("h.bad"), "{}", run.explain());
        assert_eq!(story(&run), ["locked", "pre_deploy h.bad", "failure", "unlocked"], "{argument}");
        assert!(world.stacks().await.is_empty());
        world.assert_at_rest().await;
        let outcome = run.result.unwrap();
        assert!(outcome.errors.iter().any(|error| error.code() == "hooks::failed"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_refuses_a_hook_has_its_own_exit_code() {
    let world = World::new();
    let run = world.deploy(&hooked("pre_deploy:\n  - {path: h, args: {denied: not for you}}\n")).await;
    assert_eq!(run.exit(), ExitCode::Denied, "{}", run.explain());
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_is_not_required_may_fail() {
    for argument in ["fail: it broke", "give: false"] {
        let world = World::new();
        let project = hooked(&format!(
            "pre_deploy:\n  - {{path: h.bad, required: false, data_key: k, args: {{{argument}}}}}\n  - {{path: h.later}}\n"
        ));
        let run = world.deploy(&project).await;
        assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
        let expected =
            ["locked", "pre_deploy h.bad", "failure", "pre_deploy h.later", "end", "a", "end", "unlocked"];
        assert_eq!(story(&run), expected);
        let warned = |event: &Event| matches!(event, Event::Warning { code, text } if code == "hooks::failed" && text.contains("h.bad"));
        assert!(run.position(warned).is_some(), "{}", run.explain());
    }
}

#[tokio::test(start_paused = true)]
async fn an_argument_without_a_value_ends_the_run_also_of_a_hook_that_is_not_required() {
    let world = World::new();
    world.fakes.set("locked-away", json!({"denied": "not for you"}));
    for (lookup, exit) in [
        ("${ssm nowhere}", ExitCode::Lookup),
        ("${hook_data none.such}", ExitCode::Lookup),
        ("${output a.Note}", ExitCode::Lookup),
        ("${ssm locked-away}", ExitCode::Denied),
    ] {
        let project = hooked(&format!(
            "pre_deploy:\n  - {{path: h.bad, required: false, args: {{name: \"{lookup}\"}}}}\n  - {{path: h.later}}\n"
        ));
        let run = world.deploy(&project).await;
        assert_eq!(run.exit(), exit, "{lookup}: {}", run.explain());
        assert!(world.fakes.calls.lock().unwrap().is_empty(), "{lookup}");
        assert!(world.stacks().await.is_empty());
        world.assert_at_rest().await;
    }
    let fallback = hooked("pre_deploy:\n  - {path: h, args: {name: \"${ssm nowhere::default=d}\"}}\n");
    let run = world.deploy(&fallback).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.fakes.hooks("name"), [json!("d")]);
}

#[tokio::test(start_paused = true)]
async fn two_hooks_cannot_keep_their_results_under_one_key() {
    let world = World::new();
    let hook = "  - {path: h, data_key: same, args: {give: {a: 1}}}\n";
    let run = world.deploy(&hooked(&format!("pre_deploy:\n{hook}{hook}"))).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(run.explain().contains("hook data for `same` exists already"), "{}", run.explain());
    assert!(world.stacks().await.is_empty());
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn hooks_after_the_stacks_run_only_if_these_succeeded() {
    let world = World::new();
    world.local.script("ns-a").create_fails("P", "no room");
    let project = hooked("post_deploy:\n  - {path: h.post}\n");
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(world.fakes.calls.lock().unwrap().is_empty());

    let world = World::new();
    let bad = hooked("post_deploy:\n  - {path: h.post, args: {fail: too late}}\n  - {path: h.more}\n");
    let run = world.deploy(&bad).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].status, StackStatus::CreateComplete);
    assert_eq!(world.fakes.calls.lock().unwrap().len(), 1);
    assert!(world.graph().await.contains_key("a"));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn hooks_need_no_persistent_graph_and_no_stacks() {
    let world = World::new();
    let hooks = "pre_deploy:\n  - {path: h.pre}\npost_deploy:\n  - {path: h.post}\n";
    let run = world.deploy(&hooked(hooks).without_graph()).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(story(&run), ["pre_deploy h.pre", "end", "a", "end", "post_deploy h.post", "end"]);
    let failing = hooked("pre_deploy:\n  - {path: h, args: {fail: broken}}\n").without_graph();
    assert_eq!(World::new().deploy(&failing).await.exit(), ExitCode::StepsFailed);

    let world = World::new();
    let run = world.deploy(&Project::new("").with(hooks)).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.fakes.calls.lock().unwrap().len(), 2);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_lists_hooks_and_runs_none() {
    let world = World::new();
    let hooks = concat!(
        "pre_deploy:\n  - {path: h.build, data_key: build, args: {give: {v: new}}}\n  - {path: h.off, enabled: false}\n",
        "post_deploy:\n  - {path: h.post, required: false}\n",
    );
    let project = noted(hooks, "${hook_data build.v}");
    let planned = world.plan(&project).await;
    let listed: Vec<(&str, &str, bool)> =
        planned.plan.hooks.iter().map(|hook| (&*hook.stage, &*hook.path, hook.required)).collect();
    assert_eq!(listed, [("pre_deploy", "h.build", true), ("post_deploy", "h.post", false)]);
    let shown = text::plan(&planned.plan, &text::TextOptions::default());
    assert!(shown.contains("h.build") && shown.contains("known after the hook build"), "{shown}");
    assert!(world.fakes.calls.lock().unwrap().is_empty());

    assert_eq!(world.deploy(&project).await.exit(), ExitCode::Ok);
    let step = world.plan(&project).await.plan.steps.remove(0);
    assert_eq!((step.action, step.certainty), (Action::Update, Certainty::May));
    // The hook gives the same: nothing is updated.
    let again = world.deploy(&project).await;
    assert_eq!(again.exit(), ExitCode::Ok, "{}", again.explain());
    assert_eq!(again.result.unwrap().done.update, 0);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_grows_through_a_hook_is_shown_again() {
    for answer in [Approval::Standing, Approval::Person, Approval::Refused(ExitCode::Ok)] {
        let world = World::new();
        world.fakes.set("note", "old");
        let stacks = concat!(
            "  - {name: a, template_path: t.yml, variables: {Note: \"${ssm note}\"}}\n",
            "  - {name: b, template_path: t.yml, variables: {Note: y}}\n",
        );
        let before = Project::new(stacks).file("t.yml", &template(&[]));
        assert_eq!(world.deploy(&before).await.exit(), ExitCode::Ok);

        let after = Project::new(&stacks.replace("Note: y", "Note: z"))
            .with("pre_deploy:\n  - {path: h.set, args: {set: {note: new}}}\n")
            .file("t.yml", &template(&[]));
        let first = if answer == Approval::Standing { Approval::Standing } else { Approval::Person };
        let gate = Answers::new([first, answer]);
        let run = gated(&world, &after, &gate).await;
        assert_eq!(run.exit(), ExitCode::Ok, "{answer:?}: {}", run.explain());
        assert_eq!(gate.shown(), [vec!["b"], vec!["a", "b"]], "{answer:?}");
        let stacks = world.stacks().await;
        let notes = (stacks["ns-a"].outputs["Note"].as_str(), stacks["ns-b"].outputs["Note"].as_str());
        match answer {
            Approval::Refused(_) => assert_eq!(notes, ("old", "y")),
            _ => assert_eq!(notes, ("new", "z")),
        }
        world.assert_at_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_begins_through_a_hook_is_shown_and_may_be_refused() {
    let world = World::new();
    world.fakes.set("note", "old");
    assert_eq!(world.deploy(&noted("", "${ssm note}")).await.exit(), ExitCode::Ok);
    let project = noted("pre_deploy:\n  - {path: h.set, args: {set: {note: new}}}\n", "${ssm note}");
    let gate = Answers::new([Approval::Refused(ExitCode::Refused)]);
    let run = gated(&world, &project, &gate).await;
    assert_eq!(run.exit(), ExitCode::Refused, "{}", run.explain());
    assert_eq!(gate.shown(), [["a"]]);
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "old");
    world.assert_at_rest().await;
    // The first one has been undone by nobody: now the lookup itself sees the change.
    let gate = Answers::new([]);
    let run = gated(&world, &project, &gate).await;
    assert_eq!((run.exit(), gate.shown().len()), (ExitCode::Ok, 1), "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "new");
}

#[tokio::test(start_paused = true)]
async fn a_hook_may_make_a_template() {
    let world = World::new();
    let made = template(&[]).replace("!Sub \"${Note} \"", "!Ref Note");
    let project = Project::new(A)
        .with(&format!("pre_deploy:\n  - {{path: h.make, args: {{file: {{t.yml: {}}}}}}}\n", json!(made)));
    let shown = text::plan(&world.plan(&project).await.plan, &text::TextOptions::default());
    assert!(shown.contains("the hooks"), "{shown}");
    let gate = Answers::new([Approval::Person]);
    let run = gated(&world, &project, &gate).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "x");
    assert_eq!(gate.shown(), [["a"]], "the creation was shown before");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_refused_behind_a_hook_leaves_nothing_intended() {
    let world = World::new();
    let gate = Answers::new([Approval::Person, Approval::Refused(ExitCode::Ok)]);
    let stacks = "  - {name: b, template_path: t.yml, variables: {Note: \"${ssm note}\"}}\n";
    world.fakes.set("note", "old");
    let before = Project::new(stacks).file("t.yml", &template(&[]));
    assert_eq!(world.deploy(&before).await.exit(), ExitCode::Ok);
    let both = Project::new(&format!("{A}{stacks}"))
        .with("pre_deploy:\n  - {path: h.set, args: {set: {note: new}}}\n")
        .file("t.yml", &template(&[]));
    let run = gated(&world, &both, &gate).await;
    assert_eq!((run.exit(), gate.shown().len()), (ExitCode::Ok, 2), "{}", run.explain());
    assert_eq!(world.stacks().await.len(), 1);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_template_that_no_hook_makes_is_missing() {
    let world = World::new();
    let run = world.deploy(&Project::new(A).with("pre_deploy:\n  - {path: h.idle}\n")).await;
    assert_eq!(run.exit(), ExitCode::Config, "{}", run.explain());
    assert!(run.explain().contains("t.yml does not exist"), "{}", run.explain());
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn hooks_listed_in_json_say_when_they_run() {
    let world = World::new();
    let plan = world.plan(&hooked("pre_deploy:\n  - {path: h.pre}\n")).await.plan;
    let document: serde_json::Value = serde_json::from_str(&json::plan(&plan)).unwrap();
    assert_eq!(document["hooks"], json!([{"stage": "pre_deploy", "path": "h.pre", "required": true}]));
}
