use serde_json::json;

use super::*;
use crate::ident::NodeName;

fn files(texts: &[(&str, &str)]) -> Vec<Arc<Document>> {
    texts.iter().map(|(name, text)| Document::new(*name, *text)).collect()
}

fn merged(texts: &[(&str, &str)]) -> (Option<Config>, Findings) {
    let files = files(texts);
    let parameters = [("size".to_owned(), json!(3))].into();
    load_merged(&files[0], &files[1..], &parameters, "dev.env")
}

/// Code, file and line of every finding, by each of its labels.
fn places(findings: Findings) -> Vec<String> {
    let (errors, warnings) = findings.split();
    let mut found = Vec::new();
    for finding in errors.iter().chain(&warnings) {
        let document = finding.document.as_ref().unwrap();
        for label in miette::Diagnostic::labels(finding).unwrap() {
            let line = document.line_and_column(label.offset()).0;
            found.push(format!("{} {}:{line}", finding.code(), document.name_at(label.offset())));
        }
    }
    found
}

#[test]
fn what_the_config_says_wins_then_earlier_files() {
    let (config, findings) = merged(&[
        ("a.yml", "namespace: own\nstacks:\n  b: {tags: {x: own}}\npre_deploy:\n  - path: own.hook\n"),
        (
            "b.yml",
            "namespace: one\nservice_role: one\nstacks:\n  b: {template_path: one.yml, tags: {x: one, y: one}}\npre_deploy:\n  - path: one.hook\n",
        ),
        (
            "c.yml",
            "service_role: two\ncfngin_bucket: two-bucket\nstacks:\n  b: {tags: {y: two, z: \"${size}\"}}\n  a: {template_path: two.yml, variables: {S: ${size}}}\npre_deploy:\n  - path: two.hook\n",
        ),
    ]);
    assert!(!findings.has_errors(), "{findings:?}");
    let config = config.unwrap();
    assert_eq!((config.namespace.as_str(), config.service_role.as_deref()), ("own", Some("one")));
    let stack = &config.stacks[&NodeName::from("b")];
    assert_eq!(json!(stack.tags), json!({"cfngin_namespace": "own", "x": "own", "y": "one", "z": "3"}));
    let hooks: Vec<&str> = config.hooks.pre_deploy.iter().map(|hook| hook.path.as_str()).collect();
    assert_eq!(hooks, ["two.hook", "one.hook", "own.hook"]);
    let names: Vec<&str> = config.stacks.keys().map(NodeName::as_str).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(config.raw["stacks"]["a"]["variables"], json!({"S": 3}));
}

#[test]
fn problems_are_shown_in_the_file_they_are_in() {
    let (_, findings) = merged(&[
        ("a.yml", "namespace: n\nstacks:\n  - {name: s, template_path: t.yml}\n"),
        (
            "lib/b.yml",
            "# é\nstacks:\n  - name: s\n    template_path: t.yml\n  - name: u\n    template_pth: t.yml\n    enabled: ${gone}\n",
        ),
        ("lib/c.yml", "package_sources: {git: []}\nnamespaces: x\n"),
    ]);
    let json = crate::render::problems::json(&findings.into_list(), crate::exit::ExitCode::Config);
    let json: Value = serde_json::from_str(&json).unwrap();
    let found: Vec<String> = json["error"]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let labels = finding["labels"].as_array().unwrap().iter();
            let labels: Vec<String> = labels
                .map(|label| format!("{}:{}", label["file"].as_str().unwrap_or("-"), label["line"]))
                .collect();
            format!("{} {}:{} {labels:?}", finding["code"], finding["file"], finding["line"])
        })
        .collect();
    insta::assert_debug_snapshot!(found);
}

#[test]
fn a_problem_with_two_files_shows_a_piece_of_each() {
    let (_, findings) = merged(&[
        ("a.yml", "namespace: n\nstacks:\n  - {name: s, template_path: t.yml}\n"),
        ("lib/b.yml", "stacks:\n  - name: s\n    template_path: t.yml\n"),
    ]);
    let mut out = String::new();
    for finding in findings.iter() {
        miette::NarratableReportHandler::new().render_report(&mut out, finding).unwrap();
    }
    insta::assert_snapshot!(out);
}

#[test]
fn files_that_cannot_be_merged_are_told_and_nothing_that_follows_from_it() {
    let (config, findings) = merged(&[("a.yml", "stacks: []\n"), ("b.yml", "namespace: [n\n")]);
    assert!(config.is_none());
    assert_eq!(places(findings), ["yaml::syntax b.yml:1"]);
    let (_, findings) = merged(&[("a.yml", "namespace: n\n"), ("b.yml", ""), ("c.yml", "\n- x\n")]);
    assert_eq!(places(findings), ["config::not_a_map c.yml:2"]);
    let (_, findings) = merged(&[("a.yml", "namespace: n\n"), ("b.yml", "tags: {a: !Ref x}\n")]);
    assert_eq!(places(findings), ["yaml::unknown_tag b.yml:1"]);
}

#[test]
fn only_what_is_wrong_with_the_sources_is_told_before_they_are_fetched() {
    let ask = |text: &str| {
        wanted(&Document::new("a.yml", text), &[("tag".to_owned(), json!("v1"))].into(), "dev.env")
            .map_err(places)
    };
    assert_eq!(ask("namespace: n\n"), Ok(None));
    assert_eq!(ask("package_sources: {git: []}\n"), Ok(None));
    assert_eq!(ask("namespace: [\n"), Ok(None), "told when it is loaded");
    let found = ask(
        "x: 1\ncfngin_cache_dir: c\nstacks: {a: ${gone}}\npackage_sources:\n  git: [{uri: u, tag: \"${tag}\"}]\n",
    );
    let found = found.unwrap().unwrap();
    assert_eq!(found.cache_directory.as_deref(), Some("c".into()));
    assert_eq!(
        found.sources.git[0].reference,
        crate::config::package_sources::GitReference::Tag("v1".into())
    );
    assert_eq!(
        ask("package_sources:\n  git: [{uri: u, tag: ${gone}}]\n").unwrap_err(),
        ["config::missing_parameter a.yml:2"]
    );
    assert_eq!(ask("package_sources:\n  git: [{}]\n").unwrap_err(), ["config::missing_field a.yml:2"]);
}
