use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use quick_xml::Reader;

use super::*;
use crate::cache::Counters;
use crate::event::{FailedResource, StepFailure};
use crate::ident::StackFqn;
use crate::outcome::{Stop, Tally};
use crate::plan::Action;
use crate::render::cache::UseDocument;
use crate::render::report;

fn node(name: &str, action: Action, end: NodeEnd, millis: Option<u64>) -> NodeOutcome {
    let fqn = StackFqn::new(format!("ns-{name}"));
    NodeOutcome { name: name.into(), fqn, action, end, elapsed: millis.map(Duration::from_millis) }
}

fn config(target: Option<&str>) -> ConfigDocument {
    ConfigDocument {
        target: target.map(str::to_owned),
        config: "cfngin.yml".to_owned(),
        namespace: "acme-dev".to_owned(),
        region: "eu-west-1".to_owned(),
        environment: "dev".to_owned(),
    }
}

fn failure(reason: &str) -> StepFailure {
    StepFailure {
        message: "creating stack ns-db failed".to_owned(),
        status: Some("ROLLBACK_COMPLETE".to_owned()),
        resource: Some(FailedResource {
            logical_id: "Db".to_owned(),
            resource_type: "AWS::RDS::DBInstance".to_owned(),
            status: "CREATE_FAILED".to_owned(),
            reason: Some(reason.to_owned()),
        }),
        help: Some("look at its events".to_owned()),
    }
}

fn run(nodes: Vec<NodeOutcome>, exit: u8, errors: Vec<ReportedError>) -> RunDocument {
    RunDocument {
        config: config(None),
        account: Some("123456789012".to_owned()),
        started: "2030-01-01T00:00:01Z".to_owned(),
        elapsed: 61.25,
        exit,
        summary: Tally::of(&nodes),
        nodes,
        errors,
    }
}

fn document(runs: Vec<RunDocument>, exit: u8) -> ReportDocument {
    let report = ReportDocument {
        version: 1,
        program: "runway-rs 0.0.0".to_owned(),
        command: "deploy".to_owned(),
        started: "2030-01-01T00:00:00Z".to_owned(),
        elapsed: 62.0,
        exit,
        summary: Tally::default(),
        requests: BTreeMap::from([("DescribeStacks".to_owned(), 3), ("CreateStack".to_owned(), 1)]).into(),
        cache: Some(UseDocument::of(&Counters {
            hits: 41,
            misses: 3,
            requests: 1,
            saved_ms: 9_800,
            ..Counters::default()
        })),
        runs,
        not_reached: Vec::new(),
        errors: Vec::new(),
    };
    report.counted()
}

fn error(message: &str) -> ReportedError {
    ReportedError {
        code: "lock::lost".to_owned(),
        message: message.to_owned(),
        file: Some("cfngin.yml".to_owned()),
        line: Some(7),
        help: Some("run it again".to_owned()),
    }
}

fn everything() -> ReportDocument {
    let nodes = vec![
        node("vpc", Action::None, NodeEnd::Unchanged, None),
        node("bus", Action::Create, NodeEnd::Created, Some(1_250)),
        node("dns", Action::Update, NodeEnd::Updated, Some(40)),
        node("old", Action::Delete, NodeEnd::Deleted, Some(9_000)),
        node("shell", Action::Recreate, NodeEnd::Recreated, Some(10)),
        node("build", Action::Update, NodeEnd::Ran, Some(10)),
        node("share", Action::None, NodeEnd::Cached, None),
        node("off", Action::Skip, NodeEnd::Skipped { reason: "disabled".to_owned() }, None),
        node(
            "db",
            Action::Create,
            NodeEnd::Failed { failure: failure("no <room> & \"space\"") },
            Some(60_000),
        ),
        node("app", Action::Create, NodeEnd::Blocked { by: BTreeSet::from(["db".into()]) }, None),
        node("web", Action::Create, NodeEnd::Cancelled { cause: Stop::LockLost, began: true }, Some(7)),
        node("end", Action::Create, NodeEnd::Cancelled { cause: Stop::LockLost, began: false }, None),
    ];
    let mut report = document(vec![run(nodes, 20, vec![error("the lock was lost")])], 20);
    report.not_reached.push(config(Some("app (eu-west-1)")));
    report
}

#[test]
fn every_outcome_has_its_place_in_both_files() {
    insta::assert_snapshot!("report_xml", xml(&everything()));
    insta::assert_snapshot!("report_json", report::json(&everything()));
}

/// Elements with their attributes and texts, as another reader sees them.
fn read(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut reader = Reader::from_str(text);
    let mut elements = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Xml::Start(element) | Xml::Empty(element) => {
                let name = element.name().as_ref().to_owned();
                let attributes = element.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let key = attribute.key.as_ref().to_owned();
                    (
                        key,
                        attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap().into_owned(),
                    )
                });
                elements.push((name, attributes.collect()));
            }
            Xml::Eof => return elements,
            _ => {}
        }
    }
}

#[test]
fn a_run_that_failed_without_a_failed_node_is_an_error() {
    let unchanged = || vec![node("vpc", Action::None, NodeEnd::Unchanged, None)];
    let count = |report: &ReportDocument, what: &str| read(&xml(report))[0].1[what].clone();
    let good = document(vec![run(unchanged(), 0, Vec::new())], 0);
    assert_eq!((count(&good, "tests"), count(&good, "errors")), ("1".to_owned(), "0".to_owned()));
    let refused = document(vec![run(unchanged(), 31, Vec::new())], 31);
    assert_eq!(count(&refused, "errors"), "1");
    assert!(xml(&refused).contains("exit code 31: refused by policy, or not approved"));
    // A config with mistakes, or credentials that are missing: there is no run at all.
    let mut early = document(Vec::new(), 10);
    early.errors.push(error("unknown key"));
    assert_eq!((count(&early, "tests"), count(&early, "errors")), ("1".to_owned(), "1".to_owned()));
}

proptest! {
    /// Whatever a service says, the file can be read, and says it.
    #[test]
    fn any_text_makes_a_file_that_can_be_read(reason in any::<String>(), name in "[ -~]{1,20}") {
        let nodes = vec![
            node(&name, Action::Create, NodeEnd::Failed { failure: failure(&reason) }, Some(1)),
            node("b", Action::Skip, NodeEnd::Skipped { reason: reason.clone() }, None),
        ];
        let elements = read(&xml(&document(vec![run(nodes, 30, vec![error(&reason)])], 30)));
        let find = |wanted: &str| elements.iter().find(|(element, _)| element == wanted).unwrap().1.clone();
        prop_assert_eq!(&find("testcase")["name"], &name);
        prop_assert_eq!(&find("skipped")["message"], &line(&reason));
        prop_assert!(find("failure")["message"].starts_with("first failed: Db (AWS::RDS::DBInstance):"));
    }
}
