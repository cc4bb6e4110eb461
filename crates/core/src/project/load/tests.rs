use std::fmt::Write as _;
use std::path::Path;

use super::*;

/// Every finding as a person sees it, without colours.
fn rendered(name: &str, text: &str) -> String {
    let (errors, warnings) = load(&Document::new(name, text)).1.split();
    let mut out = String::new();
    for finding in errors.iter().chain(&warnings) {
        let handler = miette::NarratableReportHandler::new();
        handler.render_report(&mut out, finding).unwrap();
        writeln!(out, "---").unwrap();
    }
    out
}

fn fixtures(directory: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/project").join(directory);
    let files = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<(String, String)> = files
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn valid_projects_have_no_errors() {
    for (name, text) in fixtures("valid") {
        let (project, findings) = load(&Document::new(name.as_str(), text));
        assert!(!findings.has_errors() && project.is_some(), "{name}: {findings:?}");
    }
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let mut all = String::new();
    for directory in ["invalid", "beyond-the-schema"] {
        for (name, text) in fixtures(directory) {
            let told = rendered(&name, &text);
            assert!(!told.is_empty(), "{name} has no mistake");
            writeln!(all, "=== {name}\n{told}").unwrap();
        }
    }
    insta::assert_snapshot!("mistakes", all);
}

#[cfg(feature = "schema")]
#[test]
fn schema_and_parser_agree() {
    let schema = jsonschema::validator_for(&crate::project::schema::schema()).unwrap();
    for (directory, expected) in [("valid", true), ("invalid", false)] {
        for (name, text) in fixtures(directory) {
            let (root, _) = Node::parse(&text);
            let value = root.as_ref().map_or(Value::Null, crate::yaml::resolve::value);
            let errors: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(errors.is_empty(), expected, "{name}: {errors:?}");
            assert_eq!(!load(&Document::new(name.as_str(), text)).1.has_errors(), expected, "{name}");
        }
    }
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_has_exactly_the_fields_that_are_read() {
    let schema = crate::project::schema::schema();
    for (pointer, fields) in [
        ("/properties", &FIELDS[..]),
        ("/$defs/Deployment/properties", &DEPLOYMENT_FIELDS[..]),
        ("/$defs/ModuleFields/properties", &MODULE_FIELDS[..]),
    ] {
        let entries = schema.pointer(pointer).and_then(Value::as_object).unwrap();
        assert_eq!(entries.keys().map(String::as_str).collect::<Vec<_>>(), fields, "{pointer}");
        for (name, field) in entries {
            // What is referred to describes itself.
            let described = field.get("description").is_some() || field.get("$ref").is_some();
            assert!(described, "{pointer}/{name} has no description");
        }
    }
}

#[test]
fn account_ids_keep_their_zeros() {
    let text = "deployments:\n  - {modules: [a], regions: [r], account_id: 012345670123, environments: {dev: 012345670123}}\nvariables: {id: 012345670123, port: 010}\n";
    let (project, findings) = load(&Document::new("runway.yml", text));
    assert!(!findings.has_errors());
    let project = project.unwrap();
    assert_eq!(project.variables.inline["id"], "012345670123");
    assert_eq!(project.variables.inline["port"], 8);
    let deployment = &project.deployments[0];
    let text = |setting: &Option<Setting>| format!("{:?}", setting.as_ref().unwrap().value);
    assert_eq!(text(&deployment.account_id), "Text(\"012345670123\")");
    assert!(text(&deployment.environments).contains("Text(\"012345670123\")"));
}

#[test]
fn names_come_from_paths() {
    for (path, name) in [
        ("a/b.cfn", "b.cfn"),
        ("./x.cfn/", "x.cfn"),
        ("app-${env A}.cfn", "app-${env A}.cfn"),
        ("${var a/b}/c.cfn", "c.cfn"),
        ("git::https://h/r.git//a/b.cfn?branch=x/y", "b.cfn"),
        ("", "undefined"),
        (".", "undefined"),
    ] {
        assert_eq!(module_name(path), name, "{path}");
    }
}
