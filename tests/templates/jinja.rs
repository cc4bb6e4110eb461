//! The corpus in `fixtures/jinja`, byte by byte.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use runway_core::template::jinja::{JinjaContext, render};
use serde_json::Value;

use crate::{Directory, root, runway};

/// Templates that render otherwise than with Jinja2, and why. They are in `docs/templates.md`.
const DIFFERENCES: [(&str, &str); 13] = [
    ("difference-append", "lists cannot be changed"),
    ("difference-context-object", "what only Python has is an error"),
    ("difference-format-repr", "`%r` is not supported"),
    ("difference-include-without-context", "included templates see what is set around them"),
    ("difference-large-float", "numbers in texts and lists are written out"),
    ("difference-lenient", "values of different kinds have an order"),
    ("difference-percent", "`%` on texts is not supported"),
    ("difference-pprint", "the filter `pprint` is not supported"),
    ("difference-range", "a range is a list of numbers"),
    ("difference-random", "a template must render to the same text every time"),
    ("difference-undefined-in-lists", "an undefined item is written in lower case"),
    ("difference-varargs", "macros take the arguments they declare"),
    ("difference-views", "views and iterators of Python print otherwise"),
];

fn context(values: &Value) -> JinjaContext {
    let text = |name: &str| values[name].as_str().unwrap().to_owned();
    let map = |name: &str| values[name].as_object().unwrap().clone();
    let texts = |name: &str| -> BTreeMap<String, String> {
        map(name).into_iter().map(|(key, value)| (key, value.as_str().unwrap().to_owned())).collect()
    };
    JinjaContext {
        name: text("name"),
        variables: map("variables"),
        mappings: map("mappings"),
        parameters: map("parameters"),
        environment: text("environment"),
        region: text("region"),
        environment_variables: texts("environment_variables"),
        namespace: text("namespace"),
        namespace_delimiter: text("namespace_delimiter"),
        bucket_name: Some(text("bucket_name")),
        tags: texts("tags"),
        hook_data: map("hook_data"),
    }
}

#[test]
fn templates_render_as_with_jinja2() {
    let directory = root().join("fixtures/jinja").canonicalize().unwrap();
    let theirs = runway("jinja.py", &[&directory]);
    let values = std::fs::read_to_string(directory.join("context.json")).unwrap();
    let context = context(&serde_json::from_str(&values).unwrap());
    let files = Directory::new(directory);
    let mut compared = 0;
    let mut different = Vec::new();
    for (name, theirs) in theirs.as_object().unwrap() {
        let ours = render(&Utf8PathBuf::from(format!("{name}.j2")), &files, &context);
        let listed = DIFFERENCES.iter().any(|(known, _)| known == name);
        let same = match (&ours, theirs["text"].as_str()) {
            (Ok(ours), Some(theirs)) => ours == theirs,
            (Err(_), None) => true,
            _ => false,
        };
        if same == listed {
            let why = if listed { "is listed as different and is not" } else { "differs" };
            different.push(format!("{name} {why}\n  ours: {ours:?}\n  real: {theirs}"));
        }
        compared += 1;
    }
    assert!(compared >= 60, "{compared} templates");
    assert!(different.is_empty(), "{}", different.join("\n"));
}
