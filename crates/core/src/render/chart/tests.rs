use super::*;

/// A plan with these steps: name, action, certainty, needs.
pub(in crate::render) fn plan(steps: &[(&str, &str, &str, &[&str])]) -> PlanDocument {
    let count = |action: &str| steps.iter().filter(|step| step.1 == action).count();
    let documents: Vec<serde_json::Value> = steps
        .iter()
        .map(|(name, action, certainty, needs)| {
            serde_json::json!({
                "name": name, "fqn": format!("ns-{name}"), "action": action, "reason": "a reason",
                "reasons": ["unchanged"], "needs": needs, "kind": "stack", "certainty": certainty, "adopted": false,
                "changes": {
                    "template": null, "parameters": {}, "tags": {}, "termination_protection": null,
                    "stack_policy": false
                },
                "notes": []
            })
        })
        .collect();
    let summary: serde_json::Map<String, serde_json::Value> =
        ["create", "update", "delete", "recreate", "none", "skip"]
            .into_iter()
            .map(|action| (action.to_owned(), count(action).into()))
            .collect();
    serde_json::from_value(serde_json::json!({
        "version": 1, "purpose": "deploy", "namespace": "ns", "account": "123456789012", "region": "us-east-1",
        "summary": summary, "steps": documents, "hooks": [], "notes": []
    }))
    .unwrap()
}

fn names(chart: &Chart<'_>) -> Vec<String> {
    chart.stacks.iter().map(|(_, step)| step.name.clone()).collect()
}

fn arrow_names(chart: &Chart<'_>) -> Vec<String> {
    let name = |at: usize| chart.stacks[at].1.name.as_str();
    chart.arrows.iter().map(|arrow| format!("{} {}", name(arrow.from), name(arrow.to))).collect()
}

#[test]
fn arrows_point_to_what_is_needed_whatever_comes_first() {
    let plan = plan(&[
        ("base", "none", "proved", &[]),
        ("app", "update", "will", &["base", "nobody", "app"]),
        ("worker", "delete", "will", &[]),
        // Deleted after what needed it.
        ("queue", "delete", "will", &["app", "worker"]),
    ]);
    let chart = Chart::of(&plan, Room { everything: 9, stacks: 9, arrows: 9 });
    assert_eq!(arrow_names(&chart), ["app base", "app queue", "worker queue"]);
    assert_eq!(chart.left_out(), None);
}

#[test]
fn of_many_stacks_those_that_change_and_their_neighbours_are_shown() {
    let plan = plan(&[
        ("base", "none", "proved", &[]),
        ("net", "none", "proved", &["base"]),
        ("app", "update", "may", &["net"]),
        ("edge", "none", "proved", &["app"]),
        ("far", "none", "proved", &["edge"]),
        ("alone", "skip", "proved", &[]),
        ("new", "create", "will", &[]),
        ("old", "delete", "will", &[]),
    ]);
    let few = Chart::of(&plan, Room { everything: 7, stacks: 7, arrows: 9 });
    assert_eq!(names(&few), ["net", "app", "edge", "new", "old"]);
    assert_eq!(few.left_out().unwrap(), "Not drawn: 3 stacks that do not change.");
    let fewer = Chart::of(&plan, Room { everything: 4, stacks: 4, arrows: 9 });
    assert_eq!(names(&fewer), ["app", "new", "old"]);
    let two = Chart::of(&plan, Room { everything: 2, stacks: 2, arrows: 9 });
    assert_eq!(names(&two), ["new", "old"]);
    assert_eq!(two.left_out().unwrap(), "Not drawn: 1 stack that changes, 5 stacks that do not change.");
    let without_arrows = Chart::of(&plan, Room { everything: 9, stacks: 9, arrows: 3 });
    assert_eq!(without_arrows.left_out().unwrap(), "Not drawn: 1 arrow.");
}
