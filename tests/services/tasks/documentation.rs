//! The documentation of the kinds, and what they say of arguments that are wrong.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use runway_core::task::{Gives, TaskKinds};
use runway_core::yaml::{Node, resolve};

use super::stand::problems;

/// What users read.
const DOCUMENTATION: &str = include_str!("../../../docs/task-kinds.md");

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

/// The sentence that says which outputs a kind has names exactly those.
#[test]
fn every_output_is_documented_and_no_other() {
    let kinds = TaskKinds::default();
    for kind in kinds.names() {
        let gives = kinds.get(kind).unwrap().gives();
        let text = section(kind).replace('\n', " ");
        let told = text.split_once("Outputs: ").or_else(|| text.split_once("Output: "));
        let told = told.and_then(|(_, rest)| rest.split(". ").next()).unwrap_or_default();
        let named: BTreeSet<&str> = told.split('`').skip(1).step_by(2).collect();
        for name in gives.names() {
            assert!(named.contains(name), "{kind}: {name} is not in {named:?}");
        }
        for name in &named {
            assert!(gives.has(name) || *name == "capture", "{kind}: there is no {name}");
        }
        assert_eq!(named.is_empty(), gives == Gives::NOTHING, "{kind}");
    }
}

#[test]
fn examples_are_accepted() {
    let lookup = regex::Regex::new(r"\$\{[^}]*\}").unwrap();
    let mut seen = BTreeSet::new();
    for block in DOCUMENTATION.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let (node, errors) = Node::parse(text);
        assert!(errors.is_empty(), "{text}");
        let value = resolve::value(&node.unwrap());
        for task in value["tasks"].as_array().unwrap() {
            let kind = task["kind"].as_str().unwrap();
            // Lookups give any text.
            let arguments = lookup.replace_all(&task["args"].to_string(), "x").into_owned();
            let arguments: Value = serde_json::from_str(&arguments).unwrap();
            assert_eq!(problems(kind, &arguments), Vec::<String>::new(), "{task}");
            seen.insert(kind.to_owned());
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
}

#[test]
fn kinds_say_what_is_wrong_with_arguments() {
    let wrong: [(&str, Value, &[&str]); 32] = [
        (
            "event_bus",
            json!({"name": "a b", "policy": {"accounts": [1], "organization": "x", "statements": [{}]}}),
            &["letters, digits", "`1` is no account id", "`x` is no id of an organization", "needs a `Sid`"],
        ),
        (
            "event_bus",
            json!({"name": "default", "state": "absent", "tags": {"aws:x": "y"}}),
            &["AWS keeps to itself", "cannot be deleted"],
        ),
        ("event_bus", json!({"name": "a", "nmae": "b"}), &["unknown field `nmae`"]),
        ("event_bus", json!({}), &["missing field `name`"]),
        (
            "ssm_parameter",
            json!({"name": "a/b", "value": ["x,y"]}),
            &["must begin with `/`", "type: StringList", "comma"],
        ),
        ("ssm_parameter", json!({"name": "/aws/x"}), &["must not begin with `aws`", "`value` is missing"]),
        (
            "ssm_parameter",
            json!({"name": "a", "value": "", "key_id": "k"}),
            &["`value` is empty", "`key_id` is for"],
        ),
        ("ssm_parameter", json!({"name": "a", "value": {}}), &["`value` must be a text, or a list of texts"]),
        (
            "ssm_parameter",
            json!({"name": "a", "value": "b", "type": "Secret"}),
            &["unknown variant `Secret`"],
        ),
        ("stack_absent", json!({"name": "a_b"}), &["`name` may hold"]),
        (
            "bootstrap_spoke",
            json!({"role_path": "x", "managed_policies": ["Admin"]}),
            &["nobody could assume", "`role_path` begins", "`Admin` is no ARN"],
        ),
        (
            "bootstrap_spoke",
            json!({"template": "Resources: {}", "hub_account": "111111111111"}),
            &["`hub_account` is for the built-in template", "the template has no resources"],
        ),
        ("bootstrap_spoke", json!({"template": "x: y"}), &["`template`: "]),
        (
            "launch_role_constraint",
            json!({"portfolio": "p", "products": [], "role": ""}),
            &["`role` is empty", "names no product"],
        ),
        (
            "launch_role_constraint",
            json!({"portfolio": "p", "products": "all", "role": "r"}),
            &["`products` is `*`"],
        ),
        ("portfolio", json!({"name": "", "tags": {"a": ""}}), &["`name` is empty", "the tag `a` is empty"]),
        ("portfolio_share", json!({"portfolio": "p"}), &["nobody is named"]),
        (
            "portfolio_share",
            json!({"portfolio": "p", "ous": ["x"], "organization": "y", "accept": true}),
            &[
                "organizational unit",
                "of an organization",
                "`accept` is for `accounts`",
                "needs `accept_roles`",
            ],
        ),
        (
            "portfolio_share",
            json!({"portfolio": "p", "accounts": ["111111111111", "222222222222"], "accept": true, "accept_roles": ["spoke"]}),
            &["must have `{account}`", "`spoke` is no ARN"],
        ),
        (
            "portfolio_product",
            json!({"portfolio": "p", "product": "x", "source_portfolio": "p"}),
            &["is the portfolio itself"],
        ),
        (
            "portfolio_principal",
            json!({"portfolio": "p", "principal_arn": "arn:aws:iam:::role/x"}),
            &["IAM_PATTERN"],
        ),
        (
            "portfolio_principal",
            json!({"portfolio": "p", "principal_arn": "arn:aws:iam::111111111111:role/*", "principal_type": "IAM_PATTERN"}),
            &["names no account"],
        ),
        (
            "provisioned_product",
            json!({"name": "-a"}),
            &["must begin with a letter", "`product` is missing", "`version` is missing"],
        ),
        (
            "codebuild_run",
            json!({"project": "p", "env": {"A-B": {"value": "", "type": "PARAMETER_STORE"}}, "wait": false, "timeout_minutes": 9999}),
            &["`env` may hold", "`A-B` names nothing", "9999", "no use without `wait`"],
        ),
        (
            "lambda_invoke",
            json!({"function": "f", "invocation": "Event", "expect": {"query": "a..b", "equals": 1}}),
            &["RequestResponse", "the query `a..b` cannot be read"],
        ),
        (
            "assert",
            json!({"value": 1, "stack": "s", "equals": 1, "exists": false}),
            &["exactly one of", "equals nothing"],
        ),
        (
            "assert",
            json!({"call": {"service": "ssm", "operation": "GetParameter", "input": {"WithDecryption": true}}, "equals": 1}),
            &["does not decrypt"],
        ),
        ("organizational_unit", json!({"path": "/"}), &["is the root"]),
        ("organizational_unit", json!({"path": "workloads"}), &["must begin with `/`"]),
        (
            "org_policy_attachment",
            json!({"policy": {"name": "x", "document": "no"}, "type": "scp", "targets": ["abc"]}),
            &["`scp` is no type", "`abc` is no target", "`policy.document` must be a map"],
        ),
        ("org_policy_attachment", json!({"policy": "p-1", "targets": []}), &["names nothing to attach"]),
        (
            "command",
            json!({"command": [], "env": {"a=b": "c"}, "accept": []}),
            &["`command` is empty", "`a=b`", "`accept` lists no status"],
        ),
    ];
    let mut others = Vec::new();
    for (kind, arguments, words) in wrong {
        let problems = problems(kind, &arguments);
        let is_said = |words: &&&str| problems.iter().any(|problem| problem.contains(**words));
        if !words.iter().all(|words| is_said(&words)) || problems.len() != words.len() {
            others.push(format!("{kind} {words:?}: {problems:#?}"));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
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
        let map = arguments.as_object().unwrap();
        assert_eq!(kinds.get(kind).unwrap().keeps_receipt(map), keeps, "{kind} {arguments}");
    }
}
