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
