//! What reads an input, and everything that is done with what it read.

use std::collections::BTreeMap;
use std::sync::Arc;

use runway_core::config::{self, environment};
use runway_core::engine::desired::validate;
use runway_core::error::Findings;
use runway_core::graph::persistent::{GraphObject, object_key};
use runway_core::graph::{DependencyGraph, GraphState, PersistentGraph};
use runway_core::lookup::parse::{expression, split_arguments};
use runway_core::project;
use runway_core::task::TaskKinds;
use runway_core::template::Template;
use runway_core::template::jinja::{JinjaContext, render};
use runway_core::text::{Document, Span};
use serde_json::json;

/// What an input is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Config,
    Environment,
    Graph,
    Jinja,
    Lookup,
    Project,
    Template,
}

/// A template that the configs of the fixtures fit to.
const TEMPLATE: &str = "Parameters: {V: {Type: String}, A: {Type: Number, Default: 1}}\nResources: {R: {Type: \"AWS::SNS::Topic\"}}\nOutputs: {Out: {Value: x}, Id: {Value: !Ref R}}\n";

/// Reads an input to the end.
pub(super) fn read(kind: Kind, input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let document = Document::new("input", text.as_ref());
    match kind {
        Kind::Config => config(&document),
        Kind::Environment => show(environment::parse(&document).1),
        Kind::Graph => graph(input),
        Kind::Jinja => jinja(&text),
        Kind::Lookup => lookup(&text),
        Kind::Project => {
            show(project::load(&document).1);
            show(project::variables_file(&document).1);
            show(project::module_file(&document).1);
        }
        Kind::Template => match Template::parse("input", &text) {
            Ok(template) => {
                let _ = (template.normalized(), template.md5_prefix(), template.has_macros());
                template.outputs().for_each(|name| drop(template.output(name).cloned()));
            }
            Err(findings) => show(findings),
        },
    }
}

/// Writes findings as people see them, with their places.
fn show(findings: Findings) {
    let (errors, warnings) = findings.split();
    for finding in errors.iter().chain(&warnings) {
        let mut out = String::new();
        let _ = miette::NarratableReportHandler::new().render_report(&mut out, finding);
        let _ = finding.to_string();
    }
}

fn config(document: &Arc<Document>) {
    let parameters =
        [("region", json!("eu-west-1")), ("size", json!(3)), ("list", json!(["a", {"b": null}]))];
    let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let (config, findings) = config::load::load(document, &parameters);
    let sound = !findings.has_errors();
    show(findings);
    let Some(config) = config.filter(|_| sound).map(Arc::new) else { return };
    if let (Some(graph), _) = DependencyGraph::build(&config) {
        let _ = graph.order();
    }
    let files = BTreeMap::from([("t.yml".into(), TEMPLATE.to_owned()), ("c.yml".into(), String::new())]);
    show(validate(&config, &files, &TaskKinds::default()));
}

fn graph(input: &[u8]) {
    let bucket = config::load::load(&Document::new("c", "namespace: n\n"), &BTreeMap::new()).0;
    let Some(bucket) = bucket.and_then(|config| config.bucket_name("eu-west-1")) else { return };
    let object = GraphObject::new(&bucket, &object_key("n", "graph"));
    if let Ok(mut read) = PersistentGraph::read(input, &object) {
        let _ = (read.warnings(&object), read.graph.to_json());
        let _ = read.graph.break_cycles();
        let all = read.graph.missing([]).into_iter().collect();
        let _ = read.graph.removal_order(&all);
    }
    let _ = GraphState::read(input, &object);
}

fn jinja(text: &str) {
    let map = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
    let context = JinjaContext {
        name: "web".to_owned(),
        variables: map(json!({"Subnets": ["a", "b"], "Options": {"k": 1}, "Count": 3, "Size": "small"})),
        mappings: map(json!({"Regions": {"eu-west-1": {"Ami": "ami-1"}}})),
        parameters: map(json!({"size": 2})),
        environment: "dev".to_owned(),
        region: "eu-west-1".to_owned(),
        ..JinjaContext::default()
    };
    let part = "{% macro quoted(x) %}\"{{ x }}\"{% endmacro %}{% block title %}Base{% endblock %}";
    let files = BTreeMap::from([("a.j2".into(), text.to_owned()), ("parts/base.j2".into(), part.to_owned())]);
    match render("a.j2".into(), &files, &context) {
        Ok(text) => drop(text),
        Err(findings) => show(findings),
    }
}

fn lookup(text: &str) {
    let Ok(parsed) = expression(text, &Span::new) else { return };
    parsed.visit_lookups(&mut |call| {
        let _ = split_arguments(&call.query.source);
        let _ = runway_core::lookup::parse::referenced_stack(&call.query);
    });
}
