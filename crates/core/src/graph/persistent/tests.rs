use std::collections::BTreeSet;

use miette::Diagnostic;
use proptest::prelude::*;
use runway_store::{BucketName, ObjectKey};

use super::*;
use crate::error::{Finding, Problem};
use crate::exit::ExitCode;

fn graph(nodes: &[(&str, &[&str])]) -> PersistentGraph {
    let node = |(name, needs): &(&str, &[&str])| {
        (NodeName::from(*name), needs.iter().map(|need| NodeName::from(*need)).collect())
    };
    PersistentGraph { nodes: nodes.iter().map(node).collect() }
}

fn names(list: &[&str]) -> BTreeSet<NodeName> {
    list.iter().map(|name| NodeName::from(*name)).collect()
}

fn object() -> GraphObject {
    GraphObject::new(&BucketName::new("bucket"), &object_key("Ns.X", "k"))
}

fn read(body: &str) -> Result<ReadGraph, GraphError> {
    PersistentGraph::read(body.as_bytes(), &object())
}

#[test]
fn keys_follow_cfngin() {
    let key = object_key("Ns.X", "k");
    assert_eq!(key.as_str(), "persistent_graphs/Ns.X/k.json");
    assert_eq!(object_key("Ns.X", "k.json"), key);
    assert_eq!(object_key("n", "a/b").as_str(), "persistent_graphs/n/a/b.json");
    assert_eq!(lease_key(&key).as_str(), "persistent_graphs/Ns.X/k.json.lock");
    assert_eq!(state_key(&key).as_str(), "persistent_graphs/Ns.X/k.json.state");
}

#[test]
fn bytes_are_those_of_cfngin() {
    let two = graph(&[("removed_stack", &["first_stack"]), ("first_stack", &[])]);
    let expected = "{\n    \"first_stack\": [],\n    \"removed_stack\": [\n        \"first_stack\"\n    ]\n}";
    assert_eq!(two.to_json(), expected);
    assert_eq!(expected.len(), 77);
    assert_eq!(graph(&[("first_stack", &[]), ("new_stack", &[])]).to_json().len(), 46);
    assert_eq!(PersistentGraph::default().to_json(), "{}");
    let escaped = graph(&[("é😀\"\\\n\u{7f}", &[])]);
    assert_eq!(escaped.to_json(), "{\n    \"\\u00e9\\ud83d\\ude00\\\"\\\\\\n\\u007f\": []\n}");
    let several = graph(&[("a", &["c", "b"]), ("b", &[]), ("c", &[])]);
    assert!(
        several
            .to_json()
            .starts_with("{\n    \"a\": [\n        \"b\",\n        \"c\"\n    ],\n    \"b\": [],")
    );
}

#[test]
fn trailing_white_space_is_skipped() {
    let read = read("{\"a\": []}\n \t \t\n").unwrap();
    assert_eq!(read, ReadGraph { graph: graph(&[("a", &[])]), ..ReadGraph::default() });
}

#[test]
fn edges_that_make_a_graph_invalid_are_left_out_and_reported() {
    let read = read(r#"{"a": ["zz", "b"], "b": ["c"], "c": ["a", "c"]}"#).unwrap();
    assert_eq!(read.graph, graph(&[("a", &["b"]), ("b", &["c"]), ("c", &[])]));
    assert_eq!(read.dangling, [("a".into(), "zz".into())]);
    assert_eq!(read.cyclic, [("c".into(), "a".into()), ("c".into(), "c".into())]);
    let warnings: Vec<_> = read.warnings(&object()).iter().map(|finding| format!("{finding:?}")).collect();
    let location = "s3://bucket/persistent_graphs/Ns.X/k.json";
    assert_eq!(
        warnings,
        [
            format!(
                "graph::dangling_edge: persistent graph {location}: `a` depends on `zz`, which is not recorded"
            ),
            format!(
                "graph::recorded_cycle: persistent graph {location}: the dependency of `c` on `a` closes a cycle"
            ),
            format!(
                "graph::recorded_cycle: persistent graph {location}: the dependency of `c` on `c` closes a cycle"
            ),
        ]
    );
    assert!(read.warnings(&object()).iter().all(Finding::is_warning));
}

#[test]
fn unreadable_bodies_say_what_and_where() {
    let cases = [
        ("", 1, 1, "the object is empty"),
        (" \n ", 1, 1, "the object is empty"),
        ("[]", 1, 1, "invalid type: sequence, expected an object that lists each stack's dependencies"),
        ("{\"a\": [3]}", 1, 8, "invalid type: integer `3`, expected a stack name"),
        ("{\n \"a\": \"b\"}", 2, 9, "invalid type: string \"b\", expected a list of stack names"),
        ("{\"a\": [\"\"]}", 1, 9, "a stack name is empty"),
        ("{\"a\": [", 1, 7, "EOF while parsing a list"),
        ("{} x", 1, 4, "trailing characters"),
        ("<html>", 1, 1, "expected value"),
    ];
    for (body, line, column, problem) in cases {
        let error = read(body).unwrap_err();
        let expected =
            GraphError::Unreadable { object: Box::new(object()), line, column, problem: problem.to_owned() };
        assert_eq!(error, expected, "{body:?}");
        assert_eq!(error.exit_code(), ExitCode::Graph);
    }
}

#[test]
fn an_unreadable_graph_names_the_command_that_restores_it() {
    let bucket = BucketName::new("b");
    let mut object = GraphObject::new(&bucket, &ObjectKey::new("persistent_graphs/n/it's é.json"))
        .at_version(Some("v2".to_owned()));
    let error = PersistentGraph::read(b"{", &object).unwrap_err();
    assert_eq!(
        error.to_string(),
        "persistent graph s3://b/persistent_graphs/n/it's é.json (version id v2) is unreadable at line 1 column 1: \
         EOF while parsing an object"
    );
    let help = error.help().unwrap().to_string();
    assert!(help.contains(
        "aws s3api list-object-versions --bucket b --prefix 'persistent_graphs/n/it'\\''s é.json'"
    ));
    assert!(
        help.contains("--copy-source 'b/persistent_graphs/n/it'\\''s é.json?versionId=VERSION_ID'"),
        "{help}"
    );
    object.older_version_id = Some("v1".to_owned());
    assert!(object.restore_commands().contains("?versionId=v1'"));
}

#[test]
fn helpers_answer_about_the_graph() {
    let graph = graph(&[("app", &["db", "vpc"]), ("db", &["vpc"]), ("log", &[]), ("vpc", &[])]);
    assert_eq!(graph.missing(&names(&["app", "new"])), names(&["new"]));
    assert_eq!(graph.dependants(&"vpc".into()), names(&["app", "db"]));
    assert!(graph.reaches(&"app".into(), &"vpc".into()));
    assert!(!graph.reaches(&"vpc".into(), &"app".into()));
    let order = graph.removal_order(&names(&["vpc", "log", "db", "app"]));
    assert_eq!(order, ["app", "db", "log", "vpc"].map(NodeName::from));
    let mut smaller = graph.clone();
    smaller.remove(&"vpc".into());
    assert_eq!(smaller.nodes[&NodeName::from("app")], names(&["db"]));
    assert!(!smaller.connect(&"db".into(), &"app".into()), "would close a cycle");
    assert!(!smaller.connect(&"db".into(), &"gone".into()), "not recorded");
    assert!(smaller.connect(&"log".into(), &"db".into()));
}

proptest! {
    #[test]
    fn every_acyclic_graph_survives_writing_and_reading(
        labels in proptest::collection::btree_set("\\PC{1,6}", 1..8),
        edges in proptest::collection::vec((0_usize..8, 0_usize..8), 0..20),
    ) {
        let labels: Vec<_> = labels.into_iter().map(NodeName::new).collect();
        let mut graph = PersistentGraph::default();
        for label in &labels {
            graph.nodes.insert(label.clone(), BTreeSet::new());
        }
        for (from, to) in edges {
            if let (Some(from), Some(to)) = (labels.get(from), labels.get(to)) {
                graph.connect(from, to);
            }
        }
        let text = graph.to_json();
        prop_assert!(text.is_ascii());
        let read = read(&text).unwrap();
        prop_assert_eq!(read, ReadGraph { graph, ..ReadGraph::default() });
    }

    #[test]
    fn removal_order_has_dependants_first(edges in proptest::collection::vec((0_u8..6, 0_u8..6), 0..12)) {
        let name = |number: u8| NodeName::new(number.to_string());
        let mut graph = PersistentGraph { nodes: (0..6).map(|number| (name(number), BTreeSet::new())).collect() };
        for (from, to) in edges {
            graph.connect(&name(from), &name(to));
        }
        let all: BTreeSet<_> = graph.nodes.keys().cloned().collect();
        let order = graph.removal_order(&all);
        prop_assert_eq!(order.len(), all.len());
        for (node, needs) in &graph.nodes {
            let place = |name| order.iter().position(|other| other == name);
            prop_assert!(needs.iter().all(|need| place(node) < place(need)));
        }
    }
}
