use std::collections::BTreeMap;
use std::path::Path;

use super::super::{assets, cache, load, package_sources, stacks, tasks};
use super::*;
use crate::text::Document;
use crate::yaml::{Node, resolve};

/// Configs that are refused for reasons that a schema cannot say, and those reasons.
const BEYOND_A_SCHEMA: [(&str, &str); 11] = [
    ("cloudformation-tags", "a schema sees values, not YAML's tags"),
    ("duplicate-stack", "it cannot compare the names of two stacks"),
    ("lookups-too-deep", "it does not know lookups"),
    ("missing-parameter", "which parameters there are shows in a run"),
    ("missing-parameter-after-lookup", "which parameters there are shows in a run"),
    ("name-not-ascii", NAMES),
    ("name-starts-with-digit", NAMES),
    ("name-too-long", NAMES),
    ("same-stack-name", "it cannot compare the names of two stacks"),
    ("underscore", NAMES),
    ("unknown-lookup", "it does not know lookups"),
];

const NAMES: &str =
    "names in CloudFormation are put together from namespace, delimiter and `stack_name` or `name`";

fn properties(schema: &Value, pointer: &str) -> Vec<String> {
    let object = schema.pointer(pointer).and_then(Value::as_object).unwrap();
    let mut names: Vec<String> = object.keys().cloned().collect();
    names.sort();
    names
}

#[test]
fn the_schema_has_exactly_the_fields_that_are_read() {
    let schema = schema();
    let sorted = |fields: &[&str], without: &[&str]| {
        let fields = fields.iter().filter(|field| !without.contains(field));
        let mut fields: Vec<String> = fields.map(|field| (*field).to_owned()).collect();
        fields.sort();
        fields
    };
    assert_eq!(properties(&schema, "/properties"), sorted(&load::FIELDS, &[]));
    // They are known only to be refused with a remedy.
    let refused = ["region", "profile"];
    assert_eq!(properties(&schema, "/$defs/Stack/properties"), sorted(&stacks::FIELDS, &refused));
    assert_eq!(properties(&schema, "/$defs/Task/properties"), sorted(&tasks::FIELDS, &[]));
    assert_eq!(properties(&schema, "/$defs/Asset/properties"), sorted(&assets::fields(), &[]));
    assert_eq!(properties(&schema, "/$defs/TaskAccount/properties"), sorted(&tasks::ACCOUNT_FIELDS, &[]));
    assert_eq!(properties(&schema, "/$defs/TaskCache/properties"), sorted(&tasks::CACHE_FIELDS, &[]));
    assert_eq!(properties(&schema, "/$defs/TaskNeed/properties"), sorted(&tasks::NEED_FIELDS, &[]));
    assert_eq!(properties(&schema, "/$defs/Hook/properties"), sorted(&load::HOOK_FIELDS, &[]));
    assert_eq!(properties(&schema, "/$defs/Cache/properties"), sorted(&cache::FIELDS, &[]));
    assert_eq!(properties(&schema, "/$defs/LocalSource/properties"), sorted(&package_sources::LOCAL, &[]));
    assert_eq!(properties(&schema, "/$defs/S3Source/properties"), sorted(&package_sources::S3, &[]));
    assert_eq!(properties(&schema, "/$defs/GitSource/properties"), sorted(&package_sources::GIT, &[]));
}

#[test]
fn every_field_is_described() {
    let schema = schema();
    let mut described = 0;
    let places = [
        "",
        "/$defs/Stack",
        "/$defs/Task",
        "/$defs/TaskAccount",
        "/$defs/TaskCache",
        "/$defs/TaskNeed",
        "/$defs/Cache",
        "/$defs/Hook",
        "/$defs/PackageSources",
        "/$defs/LocalSource",
        "/$defs/S3Source",
        "/$defs/GitSource",
    ];
    for place in places {
        let properties = schema.pointer(&format!("{place}/properties")).and_then(Value::as_object).unwrap();
        for (name, property) in properties {
            let description = property["description"].as_str().unwrap_or_default();
            assert!(description.ends_with('.') && description.len() > 8, "{place} {name}: {description}");
            described += 1;
        }
    }
    assert!(described > 50, "{described} fields");
}

/// The data of a config, parameters put in, as a schema sees it; nothing if it is no YAML.
fn data(text: &str, parameters: &load::Parameters) -> Option<Value> {
    let substituted = super::super::substitute::substitute(text, parameters);
    let (root, errors) = Node::parse(&substituted.text);
    let mut root = root.filter(|_| errors.is_empty())?;
    let _ = root.apply_tags();
    Some(resolve::value(&root))
}

fn fixtures(kind: &str) -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/config").join(kind);
    let mut files: Vec<(String, String)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_schema_agrees_with_the_parser() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let problems = |data: &Value| -> Vec<String> {
        validator.iter_errors(data).map(|error| format!("{} at {}", error, error.instance_path())).collect()
    };
    let mut wrong = Vec::new();
    let parameters: load::Parameters =
        BTreeMap::from([("region".to_owned(), json!("eu-west-1")), ("size".to_owned(), json!(3))]);
    let valid = fixtures("valid");
    for (name, text) in &valid {
        let data = data(text, &parameters).unwrap();
        let found = problems(&data);
        if !found.is_empty() {
            wrong.push(format!("valid/{name} is refused: {}", found.join("; ")));
        }
        // As an editor sees it: parameters as they are written.
        if let (Some(mut root), _) = Node::parse(text) {
            let _ = root.apply_tags();
            let found = problems(&resolve::value(&root));
            if !found.is_empty() {
                wrong.push(format!("valid/{name} as written is refused: {}", found.join("; ")));
            }
        }
    }
    let invalid = fixtures("invalid");
    let mut beyond = Vec::new();
    for (name, text) in &invalid {
        let (_, findings) =
            load::load(&Document::new(name.as_str(), text.as_str()), &load::Parameters::new());
        assert!(findings.has_errors(), "{name}");
        // What is no YAML has no data.
        let Some(data) = data(text, &load::Parameters::new()) else { continue };
        if problems(&data).is_empty() {
            beyond.push(name.clone());
            if !BEYOND_A_SCHEMA.iter().any(|(known, _)| known == name) {
                let codes: Vec<String> = findings.iter().map(|finding| finding.code()).collect();
                wrong.push(format!("invalid/{name} is accepted; the parser says {}", codes.join(", ")));
            }
        }
    }
    for (name, reason) in BEYOND_A_SCHEMA.iter().filter(|(name, _)| !beyond.iter().any(|found| found == name))
    {
        wrong.push(format!("invalid/{name} is refused and listed as beyond a schema ({reason})"));
    }
    assert!(valid.len() > 25 && invalid.len() > 50);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn null_is_allowed_exactly_where_it_means_absent() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let check = |text: String| {
        let (_, findings) = load::load(&Document::new("c.yml", text.as_str()), &load::Parameters::new());
        let data = data(&text, &load::Parameters::new()).unwrap();
        assert_eq!(validator.is_valid(&data), !findings.has_errors(), "{text}: {findings:?}");
    };
    for field in load::FIELDS {
        let namespace = if field == "namespace" { "" } else { "namespace: n\n" };
        check(format!("{namespace}{field}: null\n"));
    }
    for field in stacks::FIELDS {
        let name = if field == "name" { "" } else { "name: a, " };
        check(
            format!("namespace: n\nstacks: [{{{name}locked: true, {field}: null}}]\n")
                .replace("locked: true, locked", "enabled: false, locked"),
        );
    }
    for field in load::HOOK_FIELDS {
        let path = if field == "path" { "" } else { "path: a.b, " };
        check(format!("namespace: n\npre_deploy: [{{{path}{field}: null}}]\n"));
    }
}

#[test]
fn sources_of_packages_have_their_forms() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let check = |sources: Value, valid: bool| {
        let text = json!({"namespace": "n", "package_sources": sources}).to_string();
        let (_, findings) = load::load(&Document::new("c.yml", text.as_str()), &load::Parameters::new());
        assert_eq!(!findings.has_errors(), valid, "parser: {text}: {findings:?}");
        assert_eq!(
            validator.is_valid(&data(&text, &load::Parameters::new()).unwrap()),
            valid,
            "schema: {text}"
        );
    };
    check(json!({"local": [{"source": "../lib", "paths": ["a"], "configs": ["c.yml"]}]}), true);
    check(
        json!({"s3": [{"bucket": "b", "key": "p.tar.gz", "requester_pays": "yes", "use_latest": false}]}),
        true,
    );
    check(
        json!({"git": [{"uri": "u", "tag": "v1", "branch": null}, {"uri": "u"}], "local": [], "s3": []}),
        true,
    );
    check(json!({"local": [{"source": ""}]}), false);
    check(json!({"local": [{"source": "a", "paths": "lib"}]}), false);
    check(json!({"local": [{"path": "x"}]}), false);
    check(json!({"local": {"source": "a"}}), false);
    check(json!({"s3": [{"bucket": "b", "key": "p.rar"}]}), false);
    check(json!({"s3": [{"bucket": "b", "key": "p.zip", "use_latest": "sometimes"}]}), false);
    check(json!({"s3": [{"key": "p.zip"}]}), false);
    check(json!({"git": [{"uri": "u", "tag": "v1", "branch": "main"}]}), false);
    check(json!({"git": [{"tag": "v1"}]}), false);
    check(json!({"git": [{"uri": "${output a.b}"}]}), false);
    check(json!({"svn": []}), false);
}
