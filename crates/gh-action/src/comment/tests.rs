use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::inputs::Command;
use crate::report::samples::{failure, findings, report};
use crate::sticky::MARK;

const RUN: &str = "https://github.com/o/r/actions/runs/1";

fn about() -> About<'static> {
    let subject =
        Subject { directory: "infra", config: "cfngin.yml", environment: "prod", region: "eu-west-1" };
    About { subject, commit: Some("0123456789abcdef"), run: Some(RUN) }
}

fn step(name: &str, action: &str, reason: &str, value: &str) -> Value {
    json!({
        "name": name, "fqn": format!("ns-{name}"), "action": action, "reason": reason, "reasons": [], "needs": [],
        "kind": "stack", "certainty": "will", "adopted": false, "notes": [],
        "changes": {
            "template": null, "tags": {}, "termination_protection": null, "stack_policy": false,
            "parameters": {"Size": {"before": {"value": "small"}, "after": {"value": value}}},
        },
    })
}

fn plan(steps: Vec<Value>) -> Value {
    let count = |action: &str| steps.iter().filter(|step| step["action"] == action).count();
    json!({
        "version": 1, "purpose": "deploy", "namespace": "ns", "account": "123456789012", "region": "eu-west-1",
        "summary": {
            "create": count("create"), "update": count("update"), "delete": count("delete"),
            "recreate": count("recreate"), "none": count("none"), "skip": count("skip"),
        },
        "steps": steps, "hooks": [], "notes": [],
    })
}

fn of(documents: impl IntoIterator<Item = Value>) -> String {
    comment(&report(Command::Plan, documents), 0, &about(), LIMIT)
}

/// Every block that opens is closed.
fn is_balanced(text: &str) -> bool {
    text.matches("<details>").count() == text.matches("</details>").count()
        && text.lines().filter(|line| line.starts_with("```")).count() % 2 == 0
}

#[test]
fn a_short_plan_is_there_as_a_whole_with_what_is_destroyed_first() {
    let text = of([plan(vec![
        step("new", "create", "does not exist", "large"),
        step("vpc", "update", "parameters changed: Size", "large"),
        step("same", "none", "nothing differs", ""),
        step("old", "delete", "not in the config", ""),
        step("broken", "recreate", "its creation failed", ""),
    ])]);
    let expected = format!(
        "{}\n### runway-rs plan: `infra/cfngin.yml`, environment `prod`, region `eu-west-1`\n\n\
         **1 to create, 1 to update, 1 to DELETE and create, 1 to DELETE** in `ns`, account 123456789012, region eu-west-1; 1 unchanged\n\n\
         > [!CAUTION]\n> **2 destructive changes:** 1 stack DELETED, 1 stack DELETED and created again\n\n\
         - **DELETED:** `old` (`ns-old`): not in the config\n\
         - **DELETED and created again:** `broken` (`ns-broken`): its creation failed\n\n",
        about().subject.marker()
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains("<details><summary>4 changes in ns, account 123456789012"), "{text}");
    assert!(text.contains("| `~` | `vpc` | update | parameters changed: Size |\n"), "{text}");
    assert!(text.contains("Size: small -> large"), "{text}");
    assert!(!text.contains("Not shown here"), "{text}");
    assert!(text.ends_with(&format!("<sub>commit 0123456789abcdef, [run]({RUN})</sub>\n")), "{text}");
    assert!(is_balanced(&text), "{text}");
}

/// An update with a resource that is replaced, one that may be, one that is removed and one that is not touched by it.
fn update_of_resources(name: &str) -> Value {
    let resource = |kind: &str, action: &str, replacement: &str, data: Value| {
        json!({
            "type": kind, "action": action, "certainty": "will", "replacement": replacement, "data": data,
            "known_after": [], "properties": [
                {"path": "Engine", "before": {"value": "a"}, "after": {"value": "b"}, "replacement": replacement},
                {"path": "Size", "before": {"value": "1"}, "after": {"value": "2"}, "replacement": "never"},
            ],
        })
    };
    let mut step = step(name, "update", "template changed", "x");
    step["changes"]["resources"] = json!({
        "Db": resource("AWS::RDS::DBInstance", "modify", "will", json!({"holds": "database", "fate": "lost"})),
        "Kept": resource("AWS::RDS::DBInstance", "modify", "will", json!({"holds": "database", "fate": "snapshot"})),
        "Perhaps": resource("AWS::EC2::VPC", "modify", "may", Value::Null),
        "Gone": resource("AWS::SNS::Topic", "remove", "never", Value::Null),
        "Fine": resource("AWS::SNS::Topic", "modify", "never", Value::Null),
    });
    step
}

fn loss(stack: &str, resource: &str, allowed: bool) -> Value {
    json!({
        "stack": stack, "resource": resource, "type": "AWS::RDS::DBInstance", "holds": "database", "how": "replaced",
        "certainty": "will", "allow": format!("{stack}/{resource}"), "allowed": allowed,
    })
}

#[test]
fn lost_data_comes_first_and_each_resource_is_told_once() {
    let mut plan = plan(vec![update_of_resources("db"), step("old", "delete", "not in the config", "")]);
    plan["losses"] = json!([loss("db", "Db", false)]);
    let text = of([plan.clone()]);
    let expected = "> [!CAUTION]\n> **5 destructive changes:** 1 resource LOST with data, 1 stack DELETED, \
        1 resource removed, 1 resource replaced, 1 resource perhaps replaced\n\n\
        - **LOST with data:** `db/Db` (`AWS::RDS::DBInstance`): database, replaced\n\
        - **DELETED:** `old` (`ns-old`): not in the config\n\
        - **removed:** `db/Gone` (`AWS::SNS::Topic`): not in the template any more\n\
        - **replaced:** `db/Kept` (`AWS::RDS::DBInstance`): Engine, a snapshot of the database is kept\n\
        - **perhaps replaced:** `db/Perhaps` (`AWS::EC2::VPC`): Engine\n\n\
        This loss of data is not allowed yet, so a deploy is refused (exit code 31). To allow one, give its name";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("Engine: a -> b"), "{text}");
    plan["losses"] = json!([loss("db", "Db", true), loss("db", "Kept", false)]);
    let text = of([plan.clone()]);
    assert!(text.contains("database, replaced, which is allowed\n"), "{text}");
    assert!(text.contains("1 of 2 losses of data are not allowed yet"), "{text}");
    plan["losses"] = json!([loss("db", "Db", true)]);
    assert!(!of([plan]).contains("not allowed yet"));
}

#[test]
fn what_cloudformation_announces_is_told_where_it_is_worse() {
    let mut step = update_of_resources("db");
    let change = |id: &str, action: &str, replacement: &str| json!({"logical_id": id, "type": "T", "action": action, "replacement": replacement});
    step["change_set"] = json!({"outcome": "changes", "reason": null, "differences": [], "changes": {
        "Perhaps": change("Perhaps", "modify", "true"),
        "Kept": change("Kept", "modify", "false"),
        "Fine": change("Fine", "modify", "conditional"),
        "Unseen": change("Unseen", "remove", "false"),
    }});
    let plan: PlanDocument = serde_json::from_value(plan(vec![step])).unwrap();
    let plans = [plan];
    let told: Vec<(&str, String)> = hazards(&plans)
        .into_iter()
        .map(|hazard| (hazard.resource.unwrap(), format!("{:?}", hazard.kind)))
        .collect();
    let expected = [
        ("Gone", "Removed"),
        ("Unseen", "Removed"),
        ("Db", "Replaced"),
        ("Kept", "Replaced"),
        ("Perhaps", "Replaced"),
        ("Fine", "MayBeReplaced"),
    ];
    assert_eq!(told, expected.map(|(id, kind)| (id, kind.to_owned())));
    assert_eq!(replacements(&plans), 4);
}

#[test]
fn every_name_of_many_losses_is_there() {
    let steps = (0..600).map(|index| update_of_resources(&format!("stack-{index}"))).collect();
    let mut plan = plan(steps);
    plan["losses"] = (0..600).map(|index| loss(&format!("stack-{index}"), "Db", false)).collect();
    let text = of([plan]);
    assert!(length(&text) <= LIMIT);
    assert!(
        text.contains("**2400 destructive changes:** 600 resources LOST with data, 600 resources removed"),
        "{text}"
    );
    for index in 0..600 {
        assert_eq!(text.matches(&format!("stack-{index}`: `")).count(), 4, "stack-{index}");
    }
    assert!(text.contains("None of the 600 losses of data is allowed yet"), "{text}");
}

#[test]
fn of_ten_thousand_changes_the_destructive_ones_are_shown_and_the_rest_is_counted() {
    let mut steps: Vec<Value> = (0..10_000)
        .map(|index| step(&format!("stack-{index}"), "update", "template changed", "large"))
        .collect();
    for index in [7, 5_000, 9_999] {
        steps[index]["action"] = json!("delete");
        steps[index]["reason"] = json!("not in the config");
    }
    let text = of([plan(steps)]);
    assert!(length(&text) <= LIMIT && text.chars().count() <= LIMIT, "{}", length(&text));
    assert!(length(&text) > LIMIT * 9 / 10, "the room is used: {}", length(&text));
    for index in [7, 5_000, 9_999] {
        assert!(
            text.contains(&format!("- **DELETED:** `stack-{index}` (`ns-stack-{index}`): not in")),
            "{text}"
        );
    }
    let rows = text.lines().filter(|line| line.starts_with("| `~`") || line.starts_with("| `-`")).count();
    assert!(text.contains(&format!("<summary>{rows} of 10000 changes in ns")), "{rows}");
    assert!(text.contains(&format!("**Not shown here:** {} of 10000 changes", 10_000 - rows)), "{text}");
    assert!(text.contains(&format!("[The log of this run]({RUN}) has everything.")), "{text}");
    assert!(is_balanced(&text));
}

/// A step of a task.
fn task(name: &str, action: &str, reason: &str) -> Value {
    let mut step = step(name, action, reason, "large");
    step["fqn"] = json!(name);
    step["kind"] = json!("task");
    step["task"] = json!({
        "kind": "event_bus", "subject": "bus of the team", "account": "123456789012", "region": "eu-west-1", "digest": "d",
    });
    step
}

#[test]
fn tasks_are_called_tasks() {
    let both = of([plan(vec![
        step("old", "delete", "not in the config", ""),
        task("event_bus/gone", "delete", "not in the config"),
        task("event_bus/main", "update", "changed: tags"),
    ])]);
    assert!(both.contains("**2 destructive changes:** 1 stack DELETED, 1 task DELETED\n"), "{both}");
    assert!(
        both.contains("- **DELETED:** `event_bus/gone` (`bus of the team`): not in the config\n"),
        "{both}"
    );
    assert!(both.contains("| | stack or task | action | why |\n"), "{both}");
    let tasks = of([plan(vec![task("event_bus/main", "run", "arguments changed since it ran")])]);
    assert!(tasks.contains("| | task | action | why |\n") && !tasks.contains("destructive"), "{tasks}");
    let many: Vec<Value> = (0..3_000)
        .map(|index| task(&format!("event_bus/{index}"), "update", "changed: tags"))
        .chain([step("vpc", "update", "parameters changed: Size", "large")])
        .collect();
    let many = of([plan(many)]);
    assert!(many.contains(" stacks and tasks. [The log of this run]"), "{many}");
}

#[test]
fn ten_thousand_deletions_are_all_named_or_counted() {
    let steps =
        (0..10_000).map(|index| step(&format!("stack-{index}"), "delete", "not in the config", "")).collect();
    let text = of([plan(steps)]);
    assert!(length(&text) <= LIMIT);
    assert!(text.contains("**10000 destructive changes:** 10000 stacks DELETED"), "{text}");
    let list = text.lines().find(|line| line.starts_with("- DELETED: `")).unwrap();
    let named = list.trim_start_matches("- DELETED: `").trim_end_matches('`').split(' ').count();
    assert!(named > 5_000, "{named}");
    assert!(text.contains(&format!("- and {} more\n", 10_000 - named)), "{named}");
    let rows = text.lines().filter(|line| line.starts_with("| `-`")).count();
    assert!(text.contains(&format!("**Not shown here:** {} of 10000 changes", 10_000 - rows)), "{rows}");
}

#[test]
fn long_details_are_begun() {
    let mut long = step("long", "update", "parameters changed", "x");
    for index in 0..5_000 {
        long["changes"]["parameters"][format!("P{index:04}")] =
            json!({"before": {"value": "small"}, "after": {"value": "large"}});
    }
    let text = of([plan(vec![long, step("short", "update", "template changed", "x")])]);
    assert!(length(&text) <= LIMIT && is_balanced(&text));
    let shown = text.matches(": small -> large").count();
    assert!(shown > 1_000, "{shown}");
    // One of them is the size; behind the lines come the end of the code, a blank line or two and the end of the details.
    let left = 5_000 - shown;
    assert!(
        (left..left + 8).any(|lines| text.contains(&format!("`long` go on for {lines} more lines."))),
        "{left}"
    );
    assert!(text.contains("Size: small -> x"), "the other one is there as a whole");
    assert!(text.contains("**Not shown here:** details of 1 stack. ["), "{}", &text[text.len() - 400..]);
}

#[test]
fn what_is_rendered_does_not_grow_with_what_is_left_out() {
    let offered = |count: usize| {
        let long = "x".repeat(300);
        let steps =
            (0..count).map(|index| step(&format!("s{index}"), "update", "template changed", &long)).collect();
        let report = report(Command::Plan, [plan(steps)]);
        composed(Page::new(LIMIT), &report, 0, &about()).0.offered
    };
    let (many, most) = (offered(2_000), offered(10_000));
    // A piece or two that did not fit, whatever comes behind them.
    assert!(most < LIMIT * 2 + 10_000, "{most}");
    assert!(most.abs_diff(many) < 1_000, "{many} {most}");
}

#[test]
fn a_failed_plan_says_why_and_long_lists_of_problems_are_cut() {
    let text = comment(&report(Command::Plan, [findings()]), 10, &about(), LIMIT);
    assert!(
        text.contains("### Plan failed: the config, or a file it names, is invalid (exit code 10)"),
        "{text}"
    );
    assert!(text.contains("cfngin.yml line 4"), "{text}");
    let finding = json!({
        "code": "config::x", "severity": "error", "message": "m".repeat(200), "file": "c.yml", "line": 1, "column": 1,
        "help": null,
    });
    let many = json!({"version": 1, "error": {"findings": vec![finding; 5_000]}});
    let text = comment(&report(Command::Plan, [many]), 10, &about(), LIMIT);
    assert!(length(&text) <= LIMIT);
    let shown = text.matches("- error: ").count();
    assert!(shown > 10 && text.contains("remarks. [The log"), "{shown}");
    let [failed, blocked] = failure();
    let text = comment(&report(Command::Deploy, [failed, blocked]), 30, &about(), LIMIT);
    assert!(text.contains("runway-rs deploy") && text.contains("first failed: P (T): no room"), "{text}");
}

#[test]
fn several_configs_have_their_own_tables() {
    let other = |name: &str| {
        let mut plan = plan(vec![step(name, "create", "does not exist", "x")]);
        plan["namespace"] = json!(name);
        plan
    };
    let text = of([other("one"), other("two")]);
    assert!(text.contains("**2 to create** in 2 configs\n"), "{text}");
    for name in ["one", "two"] {
        assert!(text.contains(&format!("1 change in {name}, account")), "{text}");
    }
}

/// Whether somebody is mentioned: outside of code.
fn mentions(text: &str) -> bool {
    let mut fence: Option<&str> = None;
    text.lines().any(|line| {
        let ticks = line.split(|c| c != '`').next().filter(|ticks| ticks.len() >= 3);
        match (fence, ticks) {
            (None, Some(ticks)) => fence = Some(ticks),
            (Some(open), Some(ticks)) if ticks.len() >= open.len() => fence = None,
            _ => {}
        }
        let is_code = fence.is_some() || line.contains("<summary><code>");
        !is_code && line.split('`').step_by(2).any(|words| words.contains("@everyone"))
    })
}

/// Texts that try to break out of where they stand.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("::error::x".to_owned()),
        Just("\n::set-output name=a::b\n".to_owned()),
        Just("%0A::warning::".to_owned()),
        Just("##[error]x".to_owned()),
        Just("\r::stop-commands::x\r".to_owned()),
        Just("\u{1b}[31m".to_owned()),
        Just("<!-- runway-rs comment 0 -->".to_owned()),
        Just("-->".to_owned()),
        Just("</details>".to_owned()),
        Just("```\n".to_owned()),
        Just("`|".to_owned()),
        Just("@everyone".to_owned()),
        Just(about().subject.marker()),
        ".{0,12}",
    ];
    proptest::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_value_forges_the_marker_or_breaks_out_of_its_place(
        texts in proptest::collection::vec(hostile(), 8),
        limit in 3_000_usize..LIMIT,
        repeats in 1_usize..60,
    ) {
        let mut steps = Vec::new();
        for index in 0..repeats {
            let action = ["create", "update", "delete", "recreate"][index % 4];
            let mut step = step(&texts[0], action, &texts[1], &texts[2]);
            step["fqn"] = json!(texts[3]);
            step["notes"] = json!([{"code": "x", "warning": true, "text": texts[4]}]);
            steps.push(step);
        }
        let mut plan = plan(steps);
        plan["namespace"] = json!(texts[5]);
        plan["notes"] = json!([{"code": "x", "warning": false, "text": texts[6]}]);
        let about = About {
            subject: Subject { directory: &texts[7], config: &texts[5], environment: &texts[0], region: &texts[1] },
            ..about()
        };
        let text = comment(&report(Command::Plan, [plan]), 0, &about, limit);
        prop_assert!(length(&text) <= limit, "{} > {limit}", length(&text));
        let marker = about.subject.marker();
        let is_marked = text.strip_prefix(&marker).is_some_and(|rest| rest.starts_with('\n'));
        prop_assert!(is_marked);
        prop_assert_eq!(text.matches("<!--").count(), 1, "{}", text);
        prop_assert_eq!(text.matches("-->").count(), 1, "{}", text);
        prop_assert_eq!(text.matches(MARK).count(), 1);
        prop_assert!(!text.contains(['\x1b', '\r']));
        prop_assert!(!mentions(&text), "{}", text);
        let count = repeats / 4 * 2 + (repeats % 4).saturating_sub(2);
        if count > 0 {
            let told = format!("**{count} destructive change");
            prop_assert!(text.contains(&told), "{}", text);
        }
    }
}
