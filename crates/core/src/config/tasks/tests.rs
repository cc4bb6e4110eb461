use std::collections::BTreeMap;

use super::*;
use crate::config::load::load;
use crate::text::Document;

fn read(tasks: &str) -> (Option<Config>, Vec<String>) {
    let text = format!("namespace: ns\ntasks:\n{tasks}");
    let (config, findings) = load(&Document::new("c.yml", text), &BTreeMap::new());
    (config, findings.iter().map(ToString::to_string).collect())
}

fn nodes(tasks: &str) -> Vec<String> {
    let (config, problems) = read(tasks);
    assert!(problems.is_empty(), "{problems:?}");
    config.unwrap().tasks.keys().map(|node| node.as_str().to_owned()).collect()
}

#[test]
fn a_task_has_a_node_for_each_of_its_places() {
    let matrix = r#"
  - {name: one, kind: event_bus}
  - {name: placed, kind: event_bus, account: "111122223333", region: eu-west-1}
  - {name: regions, kind: event_bus, regions: [eu-west-1, us-east-1]}
  - {name: accounts, kind: event_bus, accounts: ["111122223333", "444455556666"], region: eu-west-1}
  - name: both
    kind: event_bus
    role: "arn:aws:iam::${place account}:role/deployer"
    regions: [eu-west-1]
    accounts:
      - "111122223333"
      - {account: "444455556666", regions: [us-east-1, us-east-2], role_chain: ["arn:aws:iam::1:role/hop", "arn:aws:iam::2:role/end"]}
"#;
    assert_eq!(
        nodes(matrix),
        [
            "event_bus/one",
            "event_bus/placed",
            "event_bus/regions@eu-west-1",
            "event_bus/regions@us-east-1",
            "event_bus/accounts@111122223333/eu-west-1",
            "event_bus/accounts@444455556666/eu-west-1",
            "event_bus/both@111122223333/eu-west-1",
            "event_bus/both@444455556666/us-east-1",
            "event_bus/both@444455556666/us-east-2",
        ]
    );
    let config = read(matrix).0.unwrap();
    let roles = |node: &str| config.tasks.get(node).unwrap().place.role_chain.clone();
    assert_eq!(roles("event_bus/both@111122223333/eu-west-1"), ["arn:aws:iam::111122223333:role/deployer"]);
    assert_eq!(roles("event_bus/both@444455556666/us-east-2").len(), 2);
}

#[test]
fn every_mistake_is_found() {
    let (_, problems) = read(
        r#"
  - {name: a, kind: k, on_remove: keep, when: often, cache: {trust_for: soon}}
  - {name: a b, kind: k}
  - {name: b, kind: k, account: "111122223333", accounts: ["111122223333"]}
  - {name: c, kind: k, regions: []}
  - {name: d, kind: k, regions: [eu-west-1, eu-west-1]}
  - {name: e, kind: k, account: "1", region: here, role: nobody}
  - {name: twice, kind: k}
  - {name: twice, kind: k}
  - {name: f, kind: k, requires: [{name: twice, affinity: planet}], colour: red}
  - {kind: k}
  - {name: g}
"#,
    );
    assert_eq!(
        problems,
        [
            "`on_remove` is `retain` or `delete`",
            "`when` is `changed` or `always`",
            "`trust_for` must be a duration",
            "`a b` cannot be the name of a task",
            "a task has either `account` or `accounts`",
            "`regions` has nothing in it, so that the task would do nothing",
            "the task is to work in eu-west-1 twice",
            "`here` is no region",
            "`1` is no account id",
            "`nobody` is not the ARN of a role",
            "the task `k/twice` is there twice",
            "a task has no field `colour`",
            "`affinity` is `account` or `region` or `account-and-region`",
            "a task has no `name`",
            "a task has no `kind`",
        ]
    );
}

#[test]
fn durations_have_a_unit() {
    let seconds = |text| duration(text).map(|duration| duration.as_secs());
    assert_eq!(
        ["90s", "30m", "2h", "7d", "1", "h", "-1s", "1.5h", "99999999999999999999d"].map(seconds),
        [Some(90), Some(1800), Some(7200), Some(604_800), None, None, None, None, None]
    );
}

#[test]
fn a_name_alone_means_a_task_if_only_one_kind_has_it() {
    let config = read(
        "  - {name: main, kind: a}\n  - {name: main, kind: b}\n  - {name: other, kind: a, regions: [eu-west-1, us-east-1]}\n",
    );
    let config = config.0.unwrap();
    assert!(matches!(config.tasks_called("main"), Called::Several(entries) if entries.len() == 2));
    assert!(matches!(config.tasks_called("task:b/main"), Called::Nodes(nodes) if nodes.len() == 1));
    assert!(matches!(config.tasks_called("other"), Called::Nodes(nodes) if nodes.len() == 2));
    assert!(matches!(config.tasks_called("a/other@eu-west-1"), Called::Nodes(nodes) if nodes.len() == 1));
    assert!(matches!(config.tasks_called("nothing"), Called::Nothing));
}
