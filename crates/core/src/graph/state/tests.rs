use miette::Diagnostic;
use runway_store::{BucketName, ObjectKey};

use super::*;
use crate::error::Problem;
use crate::exit::ExitCode;
use crate::graph::persistent::{GraphError, GraphObject};

const BODY: &str = r#"{
  "version": 1,
  "code": "runway-rs.5f0c",
  "n": 3,
  "nodes": {
    "vpc": {
      "fqn": "ns-vpc",
      "account": "111122223333",
      "region": "eu-west-1",
      "stack_id": "arn:1",
      "needs": [
        "base"
      ],
      "digest": "d"
    }
  },
  "intents": {
    "runway-rs.5f0c": {
      "at": "Fri, 31 Jan 2025 10:00:00 GMT",
      "steps": {
        "app": {
          "action": "create",
          "fqn": "ns-app",
          "token": "rr-5f0c-app"
        }
      }
    }
  }
}
"#;

fn object() -> GraphObject {
    GraphObject::new(&BucketName::new("b"), &ObjectKey::new("k.json.state"))
}

fn read(body: &str) -> Result<GraphState, GraphError> {
    GraphState::read(body.as_bytes(), &object())
}

#[test]
fn the_format_is_read_and_written_without_a_change() {
    let state = read(BODY).unwrap();
    assert_eq!(state.nodes["vpc"].needs, BTreeSet::from(["base".into()]));
    assert_eq!(state.intents["runway-rs.5f0c"].steps["app"].action, IntentAction::Create);
    assert_eq!(state.to_json(), BODY);
    let empty = GraphState::default();
    assert_eq!(read(&empty.to_json()).unwrap(), GraphState { version: VERSION, ..empty });
}

#[test]
fn unknown_members_are_kept_where_their_owner_is_kept() {
    let body = r#"{"version": 1, "code": "c", "n": 1, "later": {"x": 1},
        "nodes": {"a": {"needs": [], "colour": "red"}, "b": {"needs": [], "colour": "blue"}},
        "intents": {"s": {"at": "", "mood": 1, "steps": {"a": {"action": "update", "fqn": "f", "why": [2]}}},
                    "t": {"at": "", "mood": 2, "steps": {}}}}"#;
    let mut state = read(body).unwrap();
    state.nodes.remove("b");
    state.intents.remove("t");
    let again: Value = serde_json::from_str(&state.to_json()).unwrap();
    let expected: Value = serde_json::json!({
        "version": 1, "code": "c", "n": 1, "later": {"x": 1},
        "nodes": {"a": {"needs": [], "colour": "red"}},
        "intents": {"s": {"at": "", "mood": 1,
                          "steps": {"a": {"action": "update", "fqn": "f", "why": [2]}}}},
    });
    assert_eq!(again, expected);
}

#[test]
fn what_cannot_be_read_is_an_error_with_a_remedy() {
    let cases = [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("[]", "it has no version number"),
        ("{\"nodes\": {}}", "it has no version number"),
        ("{\"version\": 1, \"code\": \"c\"}", "missing field `n` at line 1 column 27"),
        (
            "{\"version\": 1, \"code\": \"c\", \"n\": 1,\n \"nodes\": []}",
            "invalid type: sequence, expected a map at line 2 column 10",
        ),
    ];
    for (body, problem) in cases {
        let error = read(body).unwrap_err();
        assert_eq!(
            error,
            GraphError::UnreadableState { object: Box::new(object()), problem: problem.to_owned() }
        );
        assert_eq!(error.exit_code(), ExitCode::Graph);
        assert!(
            error.help().unwrap().to_string().contains("aws s3api copy-object --bucket b --key k.json.state")
        );
    }
}

#[test]
fn a_newer_version_is_refused() {
    let error = read("{\"version\": 2, \"anything\": true}").unwrap_err();
    assert_eq!(error, GraphError::NewerState { object: Box::new(object()), found: 2, known: 1 });
    assert!(error.to_string().contains("has version 2, this runway-rs knows 1"));
}
