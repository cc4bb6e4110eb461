//! The published models of services: what a request and an answer must look like.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use serde_json::Value;

/// Errors that every operation may answer with.
const COMMON: [&str; 3] = ["AccessDeniedException", "ThrottlingException", "ValidationException"];

/// A service as its publisher describes it.
pub(crate) struct Model(Value);

/// Prints a compressed model.
const PRINT: &str = "import glob, gzip, os, sys, botocore
found = sorted(glob.glob(os.path.join(os.path.dirname(botocore.__file__), 'data', sys.argv[1], '*', 'service-2.json.gz')))
sys.stdout.buffer.write(gzip.open(found[-1]).read())";

impl Model {
    /// The model of a service, by botocore's name of it.
    pub(crate) fn load(service: &str) -> Self {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/moto/bin/python");
        let printed = Command::new(python).args(["-c", PRINT, service]).output().unwrap();
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        Self(serde_json::from_slice(&printed.stdout).unwrap())
    }

    fn operation(&self, name: &str) -> Option<&Value> {
        self.0["operations"].get(name)
    }

    /// Whether there is such an operation.
    pub(crate) fn has(&self, operation: &str) -> bool {
        self.operation(operation).is_some()
    }

    /// The target header of an operation.
    pub(crate) fn target(&self, operation: &str) -> String {
        format!("{}.{operation}", self.0["metadata"]["targetPrefix"].as_str().unwrap())
    }

    /// What is wrong with the input of an operation.
    pub(crate) fn input(&self, operation: &str, input: &Value) -> Vec<String> {
        self.shape_of(operation, "input", input)
    }

    /// What is wrong with the output of an operation.
    pub(crate) fn output(&self, operation: &str, output: &Value) -> Vec<String> {
        self.shape_of(operation, "output", output)
    }

    /// Whether an operation may answer with an error.
    pub(crate) fn may_fail_with(&self, operation: &str, code: &str) -> bool {
        let errors = self.operation(operation).and_then(|operation| operation["errors"].as_array());
        let mut named = errors.into_iter().flatten().filter_map(|error| error["shape"].as_str());
        COMMON.contains(&code) || named.any(|name| name == code)
    }

    fn shape_of(&self, operation: &str, side: &str, value: &Value) -> Vec<String> {
        let Some(found) = self.operation(operation) else { return vec![format!("no operation {operation}")] };
        let mut problems = Vec::new();
        match found[side]["shape"].as_str() {
            Some(shape) => self.check(shape, value, side, &mut problems),
            None if value.as_object().is_some_and(serde_json::Map::is_empty) => {}
            None => problems.push(format!("{side}: {operation} has none")),
        }
        problems
    }

    fn check(&self, name: &str, value: &Value, path: &str, problems: &mut Vec<String>) {
        let shape = &self.0["shapes"][name];
        let mut wrong = |what: String| problems.push(format!("{path}: {what}"));
        let within = |count: f64, wrong: &mut dyn FnMut(String)| {
            if shape["min"].as_f64().is_some_and(|min| count < min) {
                wrong(format!("{count} is less than {}", shape["min"]));
            }
            if shape["max"].as_f64().is_some_and(|max| count > max) {
                wrong(format!("{count} is more than {}", shape["max"]));
            }
        };
        match (shape["type"].as_str().unwrap(), value) {
            ("structure", Value::Object(members)) => {
                for required in shape["required"].as_array().into_iter().flatten() {
                    if !members.contains_key(required.as_str().unwrap()) {
                        wrong(format!("{required} is missing"));
                    }
                }
                for (member, value) in members {
                    match shape["members"][member]["shape"].as_str() {
                        Some(shape) => self.check(shape, value, &format!("{path}.{member}"), problems),
                        None => problems.push(format!("{path}: no member {member}")),
                    }
                }
            }
            ("list", Value::Array(items)) => {
                within(items.len() as f64, &mut wrong);
                let member = shape["member"]["shape"].as_str().unwrap();
                for (index, item) in items.iter().enumerate() {
                    self.check(member, item, &format!("{path}[{index}]"), problems);
                }
            }
            ("map", Value::Object(entries)) => {
                let member = shape["value"]["shape"].as_str().unwrap();
                for (key, value) in entries {
                    self.check(member, value, &format!("{path}.{key}"), problems);
                }
            }
            ("string", Value::String(text)) => {
                within(text.chars().count() as f64, &mut wrong);
                let known = shape["enum"].as_array();
                if known.is_some_and(|known| !known.iter().any(|one| one == text)) {
                    wrong(format!("{text} is none of {}", shape["enum"]));
                }
                // Patterns are matched as a whole.
                let pattern =
                    shape["pattern"].as_str().and_then(|one| Regex::new(&format!("^(?:{one})$")).ok());
                if pattern.is_some_and(|pattern| !pattern.is_match(text)) {
                    wrong(format!("{text} does not match {}", shape["pattern"]));
                }
            }
            ("integer" | "long" | "double" | "float", Value::Number(number)) => {
                within(number.as_f64().unwrap(), &mut wrong);
            }
            ("boolean", Value::Bool(_)) | ("timestamp", Value::Number(_)) => {}
            (kind, other) => wrong(format!("{other} is no {kind}")),
        }
    }
}

/// Names of operations in the sources of the kinds are those of the models, and what counts as a read is one.
#[test]
fn operations_are_those_of_the_models() {
    let call = Regex::new(r#"(Read|Change)::new\(\s*Service::(\w+),\s*"(\w+)""#).unwrap();
    let listed = Regex::new(r"= reads\(\s*Service::(\w+),\s*\[([^\]]*)\]").unwrap();
    let name = Regex::new(r#""(\w+)""#).unwrap();
    let models: BTreeMap<&str, Model> = [
        ("Events", "events"),
        ("ServiceCatalog", "servicecatalog"),
        ("Organizations", "organizations"),
        ("CodeBuild", "codebuild"),
        ("Ssm", "ssm"),
        ("Lambda", "lambda"),
    ]
    .map(|(service, model)| (service, Model::load(model)))
    .into();
    let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/task/kinds");
    let mut seen = 0;
    for file in std::fs::read_dir(kinds).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for found in call.captures_iter(&text) {
            assert!(models[&found[2]].has(&found[3]), "{}", &found[0]);
            let is_read = super::stand::READS.iter().any(|read| found[3].starts_with(read));
            assert_eq!(is_read, &found[1] == "Read", "{}", &found[0]);
            seen += 1;
        }
        for found in listed.captures_iter(&text) {
            for operation in name.captures_iter(&found[2]) {
                assert!(models[&found[1]].has(&operation[1]), "{} {}", &found[1], &operation[1]);
                seen += 1;
            }
        }
    }
    assert!(seen > 150, "{seen}");
}
