//! Blueprints: the bytes that Runway itself renders, and errors that say what to do.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use runway_core::lookup::file::FileLookup;
use runway_core::registry::{Blueprint, BlueprintRenderer as _, BlueprintRequest};
use serde_json::{Map, Value, json};

use crate::support::{Project, python, request};

/// What Runway renders in a process of its own, given its own `Variable` objects.
fn runways_own(project: &Project, request: &BlueprintRequest) -> Value {
    let script = r#"
import json, sys
from pathlib import Path
from runway.config import CfnginConfig
from runway.context import CfnginContext
from runway.core.components import DeployEnvironment
from runway.utils import load_object_from_string
from runway.variables import Variable
job = json.loads(sys.argv[1])
sys.path.append(job["directory"])
context = CfnginContext(
    config=CfnginConfig.parse_obj(job["config"]), config_path=Path(job["directory"]) / "cfngin.yml",
    deploy_environment=DeployEnvironment(environ={"AWS_REGION": "eu-west-1"}, explicit_name="dev"),
    parameters={"team": "blue"}, work_dir=Path(job["directory"]) / ".runway")
blueprint = load_object_from_string(job["class_path"])(
    name=job["stack"], context=context, mappings=context.mappings, description=job["description"])
variables = [Variable(name, value) for name, value in job["variables"].items()]
for variable in variables:
    variable.resolve(context)
blueprint.resolve_variables(variables)
body = blueprint.rendered
sys.stderr.write(json.dumps({"body": body, "parameters": list(blueprint.parameter_values.items())}))
"#;
    let job = json!({
        "directory": project.settings.directory,
        "config": project.settings.config,
        "stack": request.stack.as_str(),
        "class_path": request.class_path,
        "description": request.description,
        "variables": request.variables,
    });
    let output = Command::new(python())
        .args(["-c", script, &job.to_string()])
        .current_dir(project.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn same_as_runway(project: &Project, request: &BlueprintRequest) -> Blueprint {
    let blueprint = project.bridge().render(request).await.unwrap();
    let own = runways_own(project, request);
    assert_eq!(Value::from(blueprint.body.clone()), own["body"]);
    assert_eq!(json!(blueprint.parameters), own["parameters"]);
    blueprint
}

#[tokio::test]
async fn a_blueprint_has_the_bytes_that_runway_uploads() {
    let project = Project::new();
    let variables = json!({
        "Names": ["Jobs", "Done"],
        "Limits": {"Jobs": 2048},
        "Zones": ["x", "y"],
        "Retention": 120,
        "Encrypted": true,
        "Topic": {"Alarms": {"DisplayName": "Übung"}},
        "Parameters": {"One": {"Type": "String", "Value": "1"}, "Two": {"Type": "String", "Value": "2"}},
        "Unknown": "ignored",
    });
    let blueprint = same_as_runway(&project, &request("blueprints.network.Queues", variables)).await;
    let parameters: Vec<&str> = blueprint.parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(parameters, ["Retention", "Owner", "Secret", "Zones", "Encrypted", "Vpc"]);
    assert_eq!(blueprint.parameters[0].1, json!("120"));
    assert_eq!(blueprint.parameters[3].1, json!(["x", "y"]));
    assert_eq!(blueprint.parameters[4].1, json!("true"));
}

#[tokio::test]
async fn what_the_lookup_file_gives_has_the_class_that_blueprints_ask_for() {
    let project = Project::new();
    let texts = [
        ("script.sh", "echo {{Name}} in {{AWS::Region}}\n"),
        ("names.json", r#"{"names": ["{{One}}", 2, "x"]}"#),
    ];
    for (name, text) in texts {
        fs_err::write(project.path().join(name), text).unwrap();
    }
    let files = texts.map(|(name, text)| (name.into(), text.to_owned()));
    let lookup = FileLookup::new(Arc::new(BTreeMap::from(files)));
    let queries = [
        ("Script", "parameterized:file://script.sh"),
        ("UserData", "parameterized-b64:file://script.sh"),
        ("Document", "json-parameterized:file://names.json"),
        ("Text", "base64:file://script.sh"),
    ];
    let resolved: Map<String, Value> =
        queries.iter().map(|(name, query)| ((*name).to_owned(), lookup.value(query).unwrap())).collect();
    let blueprint =
        project.bridge().render(&request("blueprints.files.Files", resolved.into())).await.unwrap();
    let written: Map<String, Value> = queries
        .iter()
        .map(|(name, query)| ((*name).to_owned(), json!(format!("${{file {query}}}"))))
        .collect();
    let own = runways_own(&project, &request("blueprints.files.Files", written.into()));
    assert_eq!(Value::from(blueprint.body), own["body"]);
}

#[tokio::test]
async fn mappings_description_and_indent_come_from_the_config() {
    let sizes = json!({"Sizes": {"eu-west-1": {"Small": "t3.nano"}}});
    let project = Project::with_config(json!({
        "namespace": "test", "cfngin_bucket": "", "stacks": [], "mappings": sizes, "template_indent": 2,
    }));
    let mut request = request("blueprints.network.Queues", json!({"Names": []}));
    request.description = Some("Queues of the team".to_owned());
    let blueprint = same_as_runway(&project, &request).await;
    let template: Value = serde_json::from_str(&blueprint.body).unwrap();
    assert_eq!(template["Description"], "Queues of the team");
    assert_eq!(template["Mappings"], sizes);
    assert!(blueprint.body.starts_with("{\n  \"AWSTemplateFormatVersion\""), "{}", blueprint.body);
}

#[tokio::test]
async fn a_resolved_value_is_not_read_again() {
    let project = Project::new();
    let variables = json!({"Names": [], "Label": "${output other.Thing} and ${nothing"});
    let blueprint = project.bridge().render(&request("blueprints.network.Queues", variables)).await.unwrap();
    let template: Value = serde_json::from_str(&blueprint.body).unwrap();
    assert_eq!(template["Outputs"]["Label"]["Value"], "${output other.Thing} and ${nothing");
}

#[tokio::test]
async fn what_a_blueprint_refuses_is_one_sentence() {
    let project = Project::new();
    let bridge = project.bridge();
    let queues = |variables| request("blueprints.network.Queues", variables);
    let cases = [
        (queues(json!({})), "the blueprint needs the variable `Names`"),
        (
            queues(json!({"Names": "A"})),
            "the variable `Names` must be of the Python type list, and its value is of type str",
        ),
        (
            queues(json!({"Names": [], "Owner": {"a": 1}})),
            "the variable `Owner` is a CloudFormation parameter and cannot be of the Python type dict",
        ),
        (
            queues(json!({"Names": [], "Owner": null})),
            "the variable `Owner` is a CloudFormation parameter and cannot be of the Python type NoneType",
        ),
        (
            queues(json!({"Names": [], "Kind": "odd"})),
            "Invalid value passed to Kind in Blueprint queues. Got 'odd', expected one of ['plain', 'fifo'].",
        ),
        (
            queues(json!({"Names": [], "Label": ""})),
            "the variable `Label` is refused by its validator `not_empty`: ValueError: it must not be empty",
        ),
        (request("blueprints.network.Untyped", json!({})), "the blueprint's variable `Name` has no type"),
        (
            request("blueprints.network.NoBlueprint", json!({})),
            "`blueprints.network.NoBlueprint` is no blueprint: it has no attribute `rendered`",
        ),
        (
            request("blueprints.network.Nothing", json!({})),
            "the Python module `blueprints.network` has no `Nothing`",
        ),
        (request("blueprints.wrong.Nothing", json!({})), "there is no Python module `blueprints.wrong`"),
    ];
    for (request, message) in cases {
        let failure = bridge.render(&request).await.unwrap_err();
        assert_eq!(failure.message, message);
        assert!(failure.help.is_some(), "{message}");
    }
}

#[tokio::test]
async fn an_error_inside_runway_shows_the_users_line() {
    let project = Project::new();
    let bridge = project.bridge();
    let failure = bridge.render(&request("blueprints.network.WrongProperty", json!({}))).await.unwrap_err();
    assert!(
        failure.message.contains("Queue: Queue.DelaySeconds") || failure.message.contains("soon"),
        "{failure:?}"
    );
    assert!(failure.message.contains("(blueprints/network.py, line "), "{failure:?}");
    let detail = failure.detail.unwrap();
    assert!(
        detail.contains("DelaySeconds=\"soon\"") && detail.contains("more in Runway, Python"),
        "{detail}"
    );
    assert!(!detail.contains("site-packages"), "{detail}");

    let mut broken = request("blueprints.network.Broken", json!({"Password": "hunter22"}));
    broken.secrets = vec!["hunter22".to_owned()];
    let failure = bridge.render(&broken).await.unwrap_err();
    assert!(failure.message.starts_with("ValueError: no luck with ****"), "{failure:?}");
    assert!(!format!("{failure:?}").contains("hunter22"));
}
