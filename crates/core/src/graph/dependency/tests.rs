use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::config::load::load;
use crate::text::Document;

fn build(stacks: &str) -> (Option<DependencyGraph>, Findings) {
    let text = format!("namespace: ns\nstacks:\n{stacks}");
    let (config, findings) = load(&Document::new("c.yml", text), &BTreeMap::new());
    assert!(!findings.has_errors(), "{findings:?}");
    DependencyGraph::build(&Arc::new(config.unwrap()))
}

fn stack(name: &str, rest: &str) -> String {
    format!("  - name: {name}\n    template_path: t.yml\n{rest}")
}

fn messages(stacks: &str) -> Vec<String> {
    build(stacks).1.iter().map(ToString::to_string).collect()
}

#[test]
fn edges_come_from_everything_that_names_a_stack() {
    let text = [
        stack("vpc", ""),
        stack("db", "    requires: [vpc]\n"),
        stack("log", "    required_by: [vpc]\n"),
        stack("app", "    variables: {A: [{B: \"${split ,::${output ns-db.Subnets}}\"}], C: \"${default x::${output vpc.Id}}\"}\n"),
    ]
    .concat();
    let graph = build(&text).0.unwrap();
    let needs =
        |name: &str| graph.needs_of(&name.into()).iter().map(|n| n.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(needs("app"), ["db", "vpc"]);
    assert_eq!(needs("vpc"), ["log"]);
    let order: Vec<String> = graph.order().iter().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(order, ["log", "vpc", "db", "app"]);
}

#[test]
fn long_cycles_are_shortened() {
    let text: String = (0..100)
        .map(|index| stack(&format!("s{index:02}"), &format!("    requires: [s{:02}]\n", (index + 1) % 100)))
        .collect();
    let (_, findings) = build(&text);
    let finding = findings.iter().next().unwrap();
    assert_eq!(
        finding.to_string(),
        "stacks need each other: s00 -> s01 -> s02 -> s03 -> s04 -> s05 -> s06 -> s07 -> s08 -> s09 -> (90 more) -> s00"
    );
    assert_eq!(finding.problem.labels().unwrap().count(), build::MOST_EDGES);
}

#[test]
fn every_problem_is_found_and_a_cycle_is_shown_as_a_path() {
    let text = [
        stack("a", "    requires: [b]\n"),
        stack("b", "    requires: [c]\n"),
        stack("c", "    variables: {X: \"${output a.Id}\"}\n"),
        stack("d", "    requires: [d]\n"),
        stack("e", "    requires: [aa, databse]\n"),
        stack("database", ""),
    ]
    .concat();
    assert_eq!(
        messages(&text),
        [
            "stack `d` requires itself",
            "stack `e` requires `aa`, which is not in the config",
            "stack `e` requires `databse`, which is not in the config",
            "stacks need each other: a -> b -> c -> a",
        ]
    );
}

fn with_tasks(tasks: &str, stacks: &str) -> (Option<DependencyGraph>, Vec<String>) {
    let text = format!("namespace: ns\ntasks:\n{tasks}stacks:\n{stacks}");
    let (config, findings) = load(&Document::new("c.yml", text), &BTreeMap::new());
    assert!(!findings.has_errors(), "{findings:?}");
    let (graph, findings) = DependencyGraph::build(&Arc::new(config.unwrap()));
    (graph, findings.iter().map(ToString::to_string).collect())
}

fn needs(graph: &DependencyGraph, name: &str) -> Vec<String> {
    graph.needs_of(&name.into()).iter().map(|need| need.as_str().to_owned()).collect()
}

#[test]
fn tasks_are_nodes_beside_stacks() {
    let (graph, problems) = with_tasks(
        concat!(
            "  - {name: one, kind: k, requires: [vpc], required_by: [app]}\n",
            "  - {name: two, kind: k, args: {a: \"${task one.x} ${output vpc.Id}\"}}\n",
            "  - {name: many, kind: k, regions: [eu-west-1, us-east-1], requires: [\"task:k/two\"]}\n",
            "  - {name: same, kind: k, regions: [us-east-1], requires: [{name: many, affinity: region}], args: {a: \"${task k/many.x}\"}}\n",
        ),
        &[
            stack("vpc", ""),
            stack("app", "    requires: [k/many]\n    variables: {X: \"${task k/two.x}\"}\n"),
        ]
        .concat(),
    );
    assert!(problems.is_empty(), "{problems:?}");
    let graph = graph.unwrap();
    assert_eq!(needs(&graph, "k/one"), ["vpc"]);
    assert_eq!(needs(&graph, "k/two"), ["k/one", "vpc"]);
    assert_eq!(needs(&graph, "k/many@eu-west-1"), ["k/two"]);
    assert_eq!(needs(&graph, "k/same@us-east-1"), ["k/many@us-east-1"]);
    assert_eq!(needs(&graph, "app"), ["k/many@eu-west-1", "k/many@us-east-1", "k/one", "k/two"]);
    let behind: Vec<NodeName> = graph.stacks_behind(&"app".into()).into_iter().collect();
    assert_eq!(behind, [NodeName::from("vpc")]);
}

#[test]
fn mistakes_about_tasks_are_found() {
    let (_, problems) = with_tasks(
        concat!(
            "  - {name: main, kind: a}\n",
            "  - {name: main, kind: b, requires: [a/man]}\n",
            "  - {name: many, kind: a, regions: [eu-west-1, us-east-1]}\n",
            "  - {name: own, kind: a, requires: [own]}\n",
            "  - {name: far, kind: a, regions: [eu-west-3], requires: [{name: many, affinity: region}]}\n",
            "  - {name: x, kind: a, requires: [a/y]}\n",
            "  - {name: y, kind: a, requires: [app]}\n",
        ),
        &stack(
            "app",
            "    requires: [main, a/x]\n    variables: {X: \"${task many.x}\", Y: \"${task nobody.x}\"}\n",
        ),
    );
    assert_eq!(
        problems,
        [
            "stack `app` requires `main`, and there are several tasks of this name",
            "stack `app` reads an output of `many`: it works in 2 places",
            "stack `app` reads an output of `nobody`, which is not in the config",
            "task `b/main` requires `a/man`, which is not in the config",
            "task `a/own` requires itself",
            "task `a/far@eu-west-3` requires `many`: it has no node with the same region",
            "stacks and tasks need each other: a/x -> a/y -> app -> a/x",
        ]
    );
}
