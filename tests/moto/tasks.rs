//! Whole runs with tasks: beside stacks, in other accounts and regions over roles, changed by hand, and gone from the
//! config.

use serde_json::{Value, json};

use crate::support::{Scene, python};

/// What some lines of Python print that speak as an account, in a region.
fn as_account(scene: &Scene, account: &str, region: &str, lines: &str) -> String {
    let script = format!(
        "import boto3
given = boto3.client('sts').assume_role(RoleArn='arn:aws:iam::{account}:role/hand', RoleSessionName='hand')['Credentials']
session = boto3.Session(given['AccessKeyId'], given['SecretAccessKey'], given['SessionToken'], region_name='{region}')
ssm, cloudformation = session.client('ssm'), session.client('cloudformation')
{lines}
"
    );
    let mut command = std::process::Command::new(python("moto"));
    let ran = command.env_clear().envs(scene.environment()).args(["-c", &script]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

/// Writes the config with these stacks and tasks (YAML list items, indented).
fn config(scene: &Scene, stacks: &str, tasks: &str) {
    let bucket = &scene.bucket;
    scene.file(
        "cfngin.yml",
        &format!(
            "namespace: example\ncfngin_bucket: {bucket}\npersistent_graph_key: my_graph\nstacks:\n{stacks}tasks:\n{tasks}"
        ),
    );
}

/// Actions of a plan by name.
fn actions(scene: &Scene) -> Vec<(String, String)> {
    let plan = scene.run("plan -c cfngin.yml --format json").ended(0).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let steps = plan["steps"].as_array().unwrap().iter();
    let of = |step: &Value, member: &str| step[member].as_str().unwrap().to_owned();
    steps.map(|step| (of(step, "name"), of(step, "action"))).filter(|(_, action)| action != "none").collect()
}

const STACK: &str = "  - {name: base, template_path: templates/t.yml, variables: {Note: one, Up: none}}\n";

#[test]
fn tasks_are_kept_beside_stacks() {
    let scene = Scene::new();
    let bus = "  - {name: main, kind: event_bus, args: {name: run-bus, tags: {team: core}, policy: {accounts: [\"222222222222\"]}}}\n";
    let endpoint = "  - {name: endpoint, kind: ssm_parameter, args: {name: /run/endpoint, value: \"${output base.Note}\"}}\n";
    let copy =
        "  - {name: copy, kind: ssm_parameter, args: {name: /run/copy, value: \"${task main.arn}\"}}\n";
    let check = "  - {name: right, kind: assert, requires: [endpoint], args: {call: {service: ssm, operation: GetParameter, input: {Name: /run/endpoint}}, query: Parameter.Value, equals: one}}\n";
    config(&scene, STACK, &format!("{bus}{endpoint}{copy}{check}"));
    scene.run("deploy -c cfngin.yml --yes").ended(0);
    let value =
        |name: &str| scene.boto("ssm", "get_parameter", &json!({"Name": name}))["Parameter"]["Value"].clone();
    assert_eq!(value("/run/endpoint"), "one");
    let arn = format!("arn:aws:events:{}:123456789012:event-bus/run-bus", scene.region);
    assert_eq!(value("/run/copy"), arn);
    assert_eq!(scene.graph().unwrap().keys().collect::<Vec<_>>(), ["base"]);
    assert_eq!(actions(&scene), []);

    // By hand.
    scene.boto("events", "untag_resource", &json!({"ResourceARN": arn, "TagKeys": ["team"]}));
    scene.boto("ssm", "delete_parameter", &json!({"Name": "/run/copy"}));
    let name = |name: &str, action: &str| (name.to_owned(), action.to_owned());
    assert_eq!(actions(&scene), [name("event_bus/main", "update"), name("ssm_parameter/copy", "create")]);
    scene.run("deploy -c cfngin.yml --yes").ended(0);
    assert_eq!(value("/run/copy"), arn);
    assert_eq!(actions(&scene), []);

    // An assertion that does not hold any more, because of what the same run changes.
    config(&scene, &STACK.replace("Note: one", "Note: two"), &format!("{bus}{endpoint}{copy}{check}"));
    scene.run("deploy -c cfngin.yml --yes").ended(30).says("the assertion does not hold");
    assert_eq!(value("/run/endpoint"), "two");

    // What leaves the config: parameters go, buses stay.
    config(&scene, &STACK.replace("Note: one", "Note: two"), endpoint);
    scene.run("deploy -c cfngin.yml --yes").ended(0);
    assert_eq!(
        scene.boto("ssm", "get_parameter", &json!({"Name": "/run/copy"}))["refused"],
        "ParameterNotFound"
    );
    assert_eq!(scene.boto("events", "describe_event_bus", &json!({"Name": "run-bus"}))["Arn"], arn.as_str());
    scene.run("destroy -c cfngin.yml --yes").ended(0);
    assert!(scene.stacks().is_empty());
    assert_eq!(
        scene.boto("ssm", "get_parameter", &json!({"Name": "/run/endpoint"}))["refused"],
        "ParameterNotFound"
    );
    scene.is_unlocked();
}

#[test]
fn tasks_work_in_every_account_and_region_of_their_matrix() {
    let scene = Scene::new();
    let tasks = "
  - name: spoke
    kind: bootstrap_spoke
    accounts: [\"222222222222\", \"333333333333\"]
    role_chain: [\"arn:aws:iam::444444444444:role/hub\", \"arn:aws:iam::${place account}:role/first\"]
    on_remove: delete
    args: {stack_name: matrix-spoke, hub_account: \"444444444444\", role_name: matrix-spoke}
  - name: where
    kind: ssm_parameter
    accounts: [\"222222222222\", \"333333333333\"]
    regions: [eu-west-1, us-east-2]
    role: arn:aws:iam::${place account}:role/spoke
    requires: [{name: spoke, affinity: account}]
    args: {name: /matrix/where, value: \"${place account} ${place region}\"}
";
    config(&scene, STACK, tasks.trim_start_matches('\n'));
    scene.run("deploy -c cfngin.yml --yes").ended(0);
    for account in ["222222222222", "333333333333"] {
        for region in ["eu-west-1", "us-east-2"] {
            let lines = "print(ssm.get_parameter(Name='/matrix/where')['Parameter']['Value'])";
            assert_eq!(as_account(&scene, account, region, lines), format!("{account} {region}"));
        }
        let lines =
            "print(cloudformation.describe_stacks(StackName='matrix-spoke')['Stacks'][0]['StackStatus'])";
        assert_eq!(as_account(&scene, account, scene.region, lines), "CREATE_COMPLETE");
    }
    assert_eq!(scene.stack_names(), ["example-base"]);
    assert_eq!(actions(&scene), []);

    as_account(&scene, "333333333333", "us-east-2", "ssm.delete_parameter(Name='/matrix/where')");
    let created = ("ssm_parameter/where@333333333333/us-east-2".to_owned(), "create".to_owned());
    assert_eq!(actions(&scene), [created]);

    // One account less.
    let fewer = tasks.replace("[\"222222222222\", \"333333333333\"]", "[\"222222222222\"]");
    config(&scene, STACK, fewer.trim_start_matches('\n'));
    scene.run("deploy -c cfngin.yml --yes").ended(0);
    let lines = "print([stack['StackName'] for stack in cloudformation.describe_stacks()['Stacks'] if stack['StackName'] == 'matrix-spoke'])";
    assert_eq!(as_account(&scene, "333333333333", scene.region, lines), "[]");
    assert_eq!(as_account(&scene, "222222222222", scene.region, lines), "['matrix-spoke']");
    scene.run("destroy -c cfngin.yml --yes").ended(0);
    assert_eq!(as_account(&scene, "222222222222", scene.region, lines), "[]");
}

#[test]
fn a_role_that_leads_elsewhere_is_refused() {
    let scene = Scene::new();
    let task = "  - {name: a, kind: ssm_parameter, account: \"222222222222\", role: \"arn:aws:iam::333333333333:role/x\", args: {name: /a, value: b}}\n";
    config(&scene, STACK, task);
    scene.run("plan -c cfngin.yml").ended(10).says(
        "the role arn:aws:iam::333333333333:role/x is in account 333333333333, but the task is for account",
    );
}
