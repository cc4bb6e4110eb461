use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::TaskKinds;
use crate::yaml::{Node, resolve};

/// What users read.
const DOCUMENTATION: &str = include_str!("../../../../../docs/task-kinds.md");

fn check(kind: &str, arguments: Value) -> Vec<String> {
    let Value::Object(arguments) = arguments else { panic!("{arguments}") };
    TaskKinds::default().get(kind).unwrap().check(&arguments)
}

/// The part of the documentation about a kind.
fn section(kind: &str) -> &'static str {
    let (_, rest) =
        DOCUMENTATION.split_once(&format!("\n### `{kind}`\n")).unwrap_or_else(|| panic!("{kind}"));
    rest.split("\n##").next().unwrap()
}

#[test]
fn every_argument_is_documented_and_no_other() {
    for kind in TaskKinds::default().names() {
        let mut documented = BTreeSet::new();
        for row in section(kind).lines().filter(|line| line.starts_with("| `")) {
            let cell = row.split('|').nth(1).unwrap();
            let names = cell.split('`').skip(1).step_by(2).filter(|name| !name.contains('.'));
            documented.extend(names.map(str::to_owned));
        }
        let known = TaskKinds::default();
        let known: BTreeSet<String> =
            known.get(kind).unwrap().arguments().iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(documented, known, "{kind}");
    }
}

#[test]
fn examples_are_accepted() {
    let mut seen = BTreeSet::new();
    for block in DOCUMENTATION.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let (node, errors) = Node::parse(text);
        assert!(errors.is_empty(), "{text}");
        let value = resolve::value(&node.unwrap());
        for task in value["tasks"].as_array().unwrap() {
            let kind = task["kind"].as_str().unwrap();
            // Lookups give any text.
            let text = regex::Regex::new(r"\$\{[^}]*\}").unwrap();
            let arguments = text.replace_all(&task["args"].to_string(), "x").into_owned();
            let arguments: Value = serde_json::from_str(&arguments).unwrap();
            assert_eq!(check(kind, arguments), Vec::<String>::new(), "{task}");
            seen.insert(kind.to_owned());
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
}

#[test]
fn kinds_say_what_is_wrong_with_arguments() {
    let wrong = [
        (
            "event_bus",
            json!({"name": "a b", "policy": {"accounts": [1], "organization": "x", "statements": [{}]}}),
        ),
        ("event_bus", json!({"name": "default", "state": "absent", "tags": {"aws:x": "y"}})),
        ("event_bus", json!({"name": "a", "nmae": "b"})),
        ("event_bus", json!({})),
        ("ssm_parameter", json!({"name": "a/b", "value": ["x,y"]})),
        ("ssm_parameter", json!({"name": "/aws/x"})),
        ("ssm_parameter", json!({"name": "a", "value": "", "key_id": "k"})),
        ("ssm_parameter", json!({"name": "a", "value": {}})),
        ("ssm_parameter", json!({"name": "a", "value": "b", "type": "Secret"})),
        ("stack_absent", json!({"name": "a_b"})),
        ("bootstrap_spoke", json!({"role_path": "x", "managed_policies": ["Admin"]})),
        ("bootstrap_spoke", json!({"template": "Resources: {}", "hub_account": "111111111111"})),
        ("bootstrap_spoke", json!({"template": "x: y"})),
        ("launch_role_constraint", json!({"portfolio": "p", "products": [], "role": ""})),
        ("launch_role_constraint", json!({"portfolio": "p", "products": "all", "role": "r"})),
        ("portfolio", json!({"name": "", "tags": {"a": ""}})),
        ("portfolio_share", json!({"portfolio": "p"})),
        ("portfolio_share", json!({"portfolio": "p", "ous": ["x"], "organization": "y", "accept": true})),
        (
            "portfolio_share",
            json!({"portfolio": "p", "accounts": ["111111111111", "222222222222"], "accept": true, "accept_roles": ["spoke"]}),
        ),
        ("portfolio_product", json!({"portfolio": "p", "product": "x", "source_portfolio": "p"})),
        ("portfolio_principal", json!({"portfolio": "p", "principal_arn": "arn:aws:iam:::role/x"})),
        (
            "portfolio_principal",
            json!({"portfolio": "p", "principal_arn": "arn:aws:iam::111111111111:role/*", "principal_type": "IAM_PATTERN"}),
        ),
        ("provisioned_product", json!({"name": "-a"})),
        (
            "codebuild_run",
            json!({"project": "p", "env": {"A-B": {"value": "", "type": "PARAMETER_STORE"}}, "wait": false, "timeout_minutes": 9999}),
        ),
        (
            "lambda_invoke",
            json!({"function": "f", "invocation": "Event", "expect": {"query": "a..b", "equals": 1}}),
        ),
        ("assert", json!({"value": 1, "stack": "s", "equals": 1, "exists": false})),
        (
            "assert",
            json!({"call": {"service": "ssm", "operation": "GetParameter", "input": {"WithDecryption": true}}, "equals": 1}),
        ),
        ("organizational_unit", json!({"path": "/"})),
        ("organizational_unit", json!({"path": "workloads"})),
        (
            "org_policy_attachment",
            json!({"policy": {"name": "x", "document": "no"}, "type": "scp", "targets": ["abc"]}),
        ),
        ("command", json!({"command": [], "env": {"a=b": "c"}, "accept": []})),
    ];
    let mut lines = String::new();
    for (kind, arguments) in wrong {
        let problems = check(kind, arguments.clone());
        assert!(!problems.is_empty(), "{kind} {arguments}");
        lines.push_str(&format!("{kind}: {}\n", problems.join("\n    ")));
    }
    insta::assert_snapshot!(lines);
}

/// Secrets may be arguments; what is compared with is never kept.
#[test]
fn receipts_are_kept_only_of_what_can_be_looked_at() {
    let kinds = TaskKinds::default();
    for (kind, arguments, keeps) in [
        ("event_bus", json!({"name": "a"}), true),
        ("event_bus", json!({"name": "a", "state": "absent"}), false),
        ("ssm_parameter", json!({"name": "a", "value": "b"}), true),
        ("ssm_parameter", json!({"name": "a", "value": "b", "type": "SecureString"}), false),
        ("command", json!({"command": "true"}), false),
        ("assert", json!({"value": 1, "equals": 1}), false),
        ("lambda_invoke", json!({"function": "f"}), false),
        ("codebuild_run", json!({"project": "p"}), false),
        ("stack_absent", json!({"name": "a"}), false),
    ] {
        let map: Map<String, Value> = arguments.as_object().unwrap().clone();
        assert_eq!(kinds.get(kind).unwrap().keeps_receipt(&map), keeps, "{kind} {arguments}");
    }
}
