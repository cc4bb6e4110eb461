//! A plan against a server that refuses every write, and the policy of credentials that only read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::proxy::{Answer, Proxy, Request};
use crate::support::{GRAPH, Ran, Scene, TEMPLATE, eventually, finished, root};

/// A server before moto that passes reads on, and answers 403 to everything else unless it only watches.
struct Refusing {
    proxy: Proxy,
    /// IAM's names of what was asked for, and whether it was a write.
    seen: Arc<Mutex<BTreeSet<(String, bool)>>>,
}

impl Refusing {
    fn before(scene: &Scene) -> Self {
        Self::start(scene, true)
    }

    fn watching(scene: &Scene) -> Self {
        Self::start(scene, false)
    }

    fn start(scene: &Scene, refuses: bool) -> Self {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let log = Arc::clone(&seen);
        let proxy = Proxy::before(scene, move |request| {
            let (action, reads) = action(request);
            log.lock().unwrap().insert((action.clone(), !reads));
            if refuses && !reads { refusal(&action) } else { Answer::Pass }
        });
        Self { proxy, seen }
    }

    /// Runs the program with this server as its cloud.
    fn run(&self, scene: &Scene, line: &str) -> Ran {
        self.proxy.run(scene, line)
    }

    /// What was asked for since the last time.
    fn take(&self, write: bool) -> BTreeSet<String> {
        let mut seen = self.seen.lock().unwrap();
        let (taken, rest) = std::mem::take(&mut *seen).into_iter().partition(|(_, was)| *was == write);
        *seen = rest;
        let taken: BTreeSet<(String, bool)> = taken;
        taken.into_iter().map(|(action, _)| action).collect()
    }
}

/// No permission, in the words of CloudFormation and of S3.
pub(crate) fn refusal(action: &str) -> Answer {
    let text = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: \
         {action}</Message></Error><Code>AccessDenied</Code><Message>Access Denied</Message></ErrorResponse>"
    );
    Answer::Text("403 Forbidden", text)
}

/// What IAM calls a request, and whether it reads only.
fn action(request: &Request) -> (String, bool) {
    let (method, target) = (request.method(), request.target());
    let body = String::from_utf8_lossy(&request.body);
    let header = |wanted: &str| {
        request.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    if let Some(target) = header("x-amz-target") {
        let (service, operation) = target.split_once('.').unwrap();
        let service = service.trim_start_matches("Amazon").to_ascii_lowercase();
        return (format!("{service}:{operation}"), operation.starts_with("Get"));
    }
    if let Some(rest) = body.strip_prefix("Action=") {
        let operation = rest.split('&').next().unwrap();
        let service = if operation == "GetCallerIdentity" { "sts" } else { "cloudformation" };
        let reads = ["Describe", "Get", "List"].iter().any(|beginning| operation.starts_with(beginning));
        return (format!("{service}:{operation}"), reads);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_bucket = !path.trim_matches('/').contains('/');
    let reads = matches!(method, "GET" | "HEAD");
    let name = match (reads, is_bucket) {
        (true, true) => "ListBucket",
        (true, false) if query.contains("tagging") => "GetObjectTagging",
        (true, false) => "GetObject",
        (false, _) => method,
    };
    (format!("s3:{name}"), reads)
}

/// The actions of a policy in `docs/`.
fn policy(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("docs").join(file)).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["Version"], "2012-10-17");
    let statements = document["Statement"].as_array().unwrap();
    assert!(statements.iter().all(|statement| statement["Effect"] == "Allow"));
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

const EXPORTING: &str = r#"Parameters: {Note: {Type: String}, Up: {Type: String}}
Resources:
  P: {Type: AWS::SSM::Parameter, Properties: {Name: !Sub "/${AWS::StackName}/p", Type: String, Value: !Sub "${Note} ${Up}"}}
Outputs: {Name: {Value: !Ref P}, Note: {Value: !Ref Note, Export: {Name: !Sub "${AWS::StackName}-note"}}}
"#;

const POLICY: &str =
    r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}]}"#;

/// Stacks as they are deployed, and as they are planned: one changed with what it exports, one that looks its output up,
/// one new, one that leaves.
fn stacks(changed: bool) -> String {
    let (note, last) = if changed { ("two", "new") } else { ("one", "leaves") };
    format!(
        "  - {{name: a, template_path: templates/e.yml, stack_policy_path: policy.json, termination_protection: true, \
         variables: {{Note: {note}, Up: none}}}}\n  - {{name: b, template_path: templates/t.yml, variables: {{Note: x, Up: \
         \"${{output a::Note}}\"}}}}\n  - {{name: {last}, template_path: templates/t.yml, variables: {{Note: x, Up: none}}}}\n"
    )
}

#[test]
fn a_plan_succeeds_where_nothing_may_be_written() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.file("templates/e.yml", EXPORTING);
    scene.file("policy.json", POLICY);
    let server = Refusing::before(&scene);
    let mut made = BTreeSet::new();
    let mut plan = |what: &str, format: &str, expected: i32| {
        let line = format!("plan --format {format} --detailed-exitcode");
        let ran = server.run(&scene, &line).ended(expected);
        assert!(!ran.stdout.is_empty(), "{what}: {line}");
        assert_eq!(server.take(true), BTreeSet::new(), "{what}: {line} writes");
        made.extend(server.take(false));
    };
    scene.config(&stacks(false));
    plan("nothing exists", "text", 2);
    scene.run("deploy --yes").ended(0);
    plan("nothing changes", "markdown", 0);
    scene.config(&stacks(true));
    for format in ["text", "json", "markdown"] {
        plan("everything changes", format, 2);
    }
    // While somebody holds the lock, the graph's tags are read as well.
    scene.delay("UpdateStack", 2.0);
    let run = scene.start("deploy --yes");
    let lease = format!("{GRAPH}.lock");
    let (held, _) = eventually("the graph is locked", || scene.object(&lease));
    finished(run).ended(0);
    scene.write(&lease, Some(&held), &[]);
    plan("the graph is locked", "json", 0);
    // Without it, S3 does not tell an object that is not there from one that may not be read.
    made.insert("s3:ListBucket".to_owned());
    assert_eq!(made, policy("read-only-policy.json"), "docs/read-only-policy.json and what plans ask for");

    // The server does refuse.
    scene.config(&stacks(false));
    server.run(&scene, "deploy --yes --lock-ttl 2s").ended(22);
    assert_ne!(server.take(true), BTreeSet::new());
}

/// Change sets of the scene's region, whoever made them.
fn sets(scene: &Scene, stack: &str) -> Vec<Value> {
    let listed = scene.boto("cloudformation", "list_change_sets", &json!({"StackName": stack}));
    listed["Summaries"].as_array().cloned().unwrap_or_default()
}

#[test]
fn change_sets_are_asked_and_removed_with_the_permissions_for_them() {
    let scene = Scene::new();
    scene.make_bucket();
    let stack = |name: &str, template: &str| {
        format!(
            "  - {{name: {name}, template_path: templates/{template}, variables: {{Note: one, Up: none}}}}\n"
        )
    };
    scene.config(&stack("a", "t.yml"));
    scene.run("deploy --yes").ended(0);
    let before = scene.stacks();
    let more = TEMPLATE.replace("Resources:\n", "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n");
    scene.file("templates/more.yml", &more);
    scene.config(&(stack("a", "more.yml") + &stack("b", "t.yml")));

    let server = Refusing::watching(&scene);
    let ran = server.run(&scene, "plan --change-sets --format json").ended(0);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    let answer = |name: &str| {
        let steps = plan["steps"].as_array().unwrap();
        &steps.iter().find(|step| step["name"] == name).unwrap()["change_set"]
    };
    assert_eq!(answer("a")["changes"]["Topic"]["action"], "add", "{:#}", answer("a"));
    assert_eq!(answer("b")["changes"]["P"]["action"], "add", "{:#}", answer("b"));
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert_eq!((scene.stacks(), sets(&scene, "example-a")), (before.clone(), vec![]));
    let reads = server.take(false);
    let mut made = server.take(true);
    made.extend(reads.difference(&policy("read-only-policy.json")).cloned());
    assert_eq!(made, policy("change-sets-policy.json"), "docs/change-sets-policy.json and what is asked for");

    // Without those permissions there is a plan, and a word on why nobody was asked.
    let server = Refusing::before(&scene);
    let ran = server.run(&scene, "plan --change-sets --format json").ended(0);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    for step in plan["steps"].as_array().unwrap() {
        let answer = &step["change_set"];
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.starts_with("CreateChangeSet: AccessDenied"), "{answer:#}");
    }
    assert_eq!(server.take(true), ["cloudformation:CreateChangeSet".to_owned()].into());
    assert_eq!((scene.stacks(), sets(&scene, "example-a")), (before, vec![]));
}
