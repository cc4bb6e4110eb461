//! The lookup `file` beside Runway's, for all codecs.

use std::sync::Arc;

use runway_core::lookup::file::FileLookup;
use runway_core::registry::PYTHON_VALUE;
use serde_json::Value;

use crate::{Directory, root, runway};

/// A value with its objects of troposphere as a template has them.
fn in_template(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(in_template).collect(),
        Value::Object(mut entries) => match entries.remove(PYTHON_VALUE) {
            Some(mut helper) => helper["cloudformation"].take(),
            None => {
                Value::Object(entries.into_iter().map(|(key, value)| (key, in_template(value))).collect())
            }
        },
        scalar => scalar,
    }
}

#[test]
fn files_are_read_as_runway_reads_them() {
    let directory = root().join("fixtures/lookup-file").canonicalize().unwrap();
    let theirs = runway("file_lookup.py", &[&directory]);
    let lookup = FileLookup::new(Arc::new(Directory::new(directory)));
    let mut compared = 0;
    for result in theirs.as_array().unwrap() {
        let query = result["query"].as_str().unwrap();
        match (lookup.value(query), result.get("value")) {
            (Ok(ours), Some(theirs)) => assert_eq!(&in_template(ours), theirs, "{query}"),
            (Err(_), None) => {}
            (ours, _) => panic!("{query}\n  ours: {ours:?}\n  real: {result}"),
        }
        compared += 1;
    }
    assert!(compared >= 40, "{compared} queries");
}
