use serde_json::json;

use super::*;
use crate::project::{Project, load};

fn project(fields: &str) -> Project {
    let text = format!("deployments:\n  - modules: [a]\n    regions: [r]\n{fields}");
    let (project, findings) = load(&Document::new("runway.yml", text));
    assert!(!findings.has_errors(), "{findings:?}");
    project.unwrap()
}

/// Resolves with the environment `{ENV: dev}` and these answers; returns requests and codes of findings as well.
fn with<T>(
    project: &Project,
    answers: &Answered,
    resolve: impl FnOnce(&mut Resolver<'_>, &Deployment) -> T,
) -> (T, Vec<String>, Vec<String>) {
    let environment =
        BTreeMap::from([("ENV".to_owned(), "dev".to_owned()), ("EMPTY".to_owned(), String::new())]);
    let mut resolver = Resolver::new(&project.document, &project.variables.inline, &environment, answers);
    let values = resolve(&mut resolver, &project.deployments[0]);
    let requests = resolver.requests.iter().map(|request| format!("{} {}", request.name, request.query));
    (values, requests.collect(), resolver.findings.iter().map(Finding::code).collect())
}

fn parameters(fields: &str) -> (Option<Value>, Vec<String>) {
    let project = project(fields);
    let (values, requests, findings) =
        with(&project, &Answered::new(), |resolver, deployment| resolver.shared(deployment));
    assert!(requests.is_empty());
    (values.parameters, findings)
}

#[test]
fn variables_and_environment_are_read_with_their_types() {
    let fields = "    parameters:\n      size: ${var sizes.${env ENV}}\n      flag: ${var flag}\n      text: \"n-${var sizes.dev}\"\n      lost: ${var none.such::default=x}\n      empty: ${env EMPTY::default=y}\n      all: ${var sizes}\n      json: ${var json::load=json,get=a}\n      list: ${var list::transform=str}\nvariables: {sizes: {dev: 3}, flag: false, json: '{\"a\": [1]}', list: [a, b]}\n";
    let (values, findings) = parameters(fields);
    assert_eq!(findings, Vec::<String>::new());
    let expected = json!({
        "size": 3, "flag": false, "text": "n-3", "lost": "x", "empty": "y", "all": {"dev": 3}, "json": [1],
        "list": "a,b"
    });
    assert_eq!(values, Some(expected));
    // Runway: an empty text counts as missing.
    let (values, findings) = parameters("    parameters: {a: \"${var empty}\"}\nvariables: {empty: ''}\n");
    assert_eq!((values, findings), (None, vec!["project::lookup".to_owned()]));
}

#[test]
fn whole_maps_and_lists_may_come_from_variables() {
    let (values, _) = parameters("    parameters: ${var all}\nvariables: {all: {a: 1}}\n");
    assert_eq!(values, Some(json!({"a": 1})));
    let (values, findings) = parameters("    parameters: ${var all}\nvariables: {all: [a]}\n");
    assert_eq!((values, findings), (None, vec!["project::wrong_value".to_owned()]));
    let mut project = project("variables: {places: [a, b], place: a}\n");
    let text = "deployments: [{modules: [a], regions: \"${var places}\"}]\nvariables: {places: [a, b]}\n";
    project.deployments = load(&Document::new("runway.yml", text)).0.unwrap().deployments;
    let (regions, ..) = with(&project, &Answered::new(), |resolver, deployment| resolver.regions(deployment));
    assert_eq!(regions, ["a", "b"]);
}

#[test]
fn roles_have_runways_defaults() {
    let role = |value: &str| {
        let project = project(&format!("    assume_role: {value}\n"));
        let (values, _, findings) =
            with(&project, &Answered::new(), |resolver, deployment| resolver.deployment(deployment));
        (values.assume_role, findings)
    };
    let expected = |duration_seconds, session_name: &str| {
        Some(AssumeRole { arn: "arn:x".to_owned(), duration_seconds, session_name: session_name.to_owned() })
    };
    assert_eq!(role("arn:x").0, expected(3600, "runway"));
    assert_eq!(role("{arn: \"arn:x\", duration: 900, session_name: me}").0, expected(900, "me"));
    assert_eq!(role("{arn: \"arn:x\", duration: \"${env D::default=4000}\"}").0, expected(4000, "runway"));
    for none in ["null", "\"none\"", "undefined", "{}", "{arn: null}", "${env D::default=null}"] {
        assert_eq!(role(none), (None, Vec::new()), "{none}");
    }
    assert_eq!(
        role("{arn: \"arn:x\", duration: \"${env D::default=5}\"}"),
        (None, vec!["project::wrong_value".to_owned()])
    );
}

#[test]
fn services_are_asked_once_and_their_secrets_are_told() {
    let project = project(
        "    parameters: {a: \"${ssm /a}\", b: \"${ssm /a}\", c: \"${cfn s.O::default=d}\", d: [open]}\n",
    );
    let (_, requests, _) =
        with(&project, &Answered::new(), |resolver, deployment| resolver.shared(deployment));
    assert_eq!(requests, ["cfn s.O", "ssm /a"]);
    let request = |name: &str, query: &str| LookupRequest {
        name: name.to_owned(),
        query: query.to_owned(),
        arguments: BTreeMap::new(),
        place: None,
    };
    let secret = Fetched { value: "hidden".into(), secret: true };
    let answers = Answered::from([
        (request("ssm", "/a"), Ok(secret)),
        (request("cfn", "s.O"), Err(LookupFailure::missing("no such stack"))),
    ]);
    let ((values, secrets), requests, findings) = with(&project, &answers, |resolver, deployment| {
        let values = resolver.shared(deployment);
        (values, resolver.secrets.clone())
    });
    assert_eq!((requests, findings), (Vec::new(), Vec::new()));
    assert_eq!(values.parameters, Some(json!({"a": "hidden", "b": "hidden", "c": "d", "d": ["open"]})));
    assert_eq!(secrets, ["hidden", "hidden"]);
}

#[test]
fn lists_of_environment_variables_are_paths() {
    let values = json!({"A": "x", "B": [".kube", "config"], "C": ["/etc", "x"], "D": 8, "E": null});
    let root = Utf8Path::new("/project");
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        environment_variables(Some(&values), root),
        [text("A", "x"), text("B", "/project/.kube/config"), text("C", "/etc/x"), text("D", "8")]
    );
}
