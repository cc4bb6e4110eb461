//! A plan against a server that refuses every write, and the policy of credentials that only read.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{GRAPH, Ran, Scene, TEMPLATE, eventually, finished, root};

/// A server before moto that passes reads on, and answers 403 to everything else unless it only watches.
struct Refusing {
    port: u16,
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
        let endpoint = scene.environment()["AWS_ENDPOINT_URL"].clone();
        let upstream: u16 = endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log) = (stream.unwrap(), Arc::clone(&log));
                std::thread::spawn(move || serve(stream, upstream, refuses, &log));
            }
        });
        Self { port, seen }
    }

    /// Runs the program with this server as its cloud.
    fn run(&self, scene: &Scene, line: &str) -> Ran {
        let mut command = scene.command(line);
        command.env("AWS_ENDPOINT_URL", format!("http://localhost:{}", self.port));
        finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
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

/// One request: answered with 403, or passed on.
fn serve(mut client: TcpStream, upstream: u16, refuses: bool, log: &Mutex<BTreeSet<(String, bool)>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        let is_end = line.trim_end().is_empty();
        head.push_str(&line);
        if is_end {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (action, reads) = action(&head, &String::from_utf8_lossy(&body));
    log.lock().unwrap().insert((action.clone(), !reads));
    if refuses && !reads {
        let text = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: \
             {action}</Message></Error><Code>AccessDenied</Code><Message>Access Denied</Message></ErrorResponse>"
        );
        let length = text.len();
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
        );
        let _ = client.write_all(answer.as_bytes());
        return;
    }
    let mut server = TcpStream::connect(("127.0.0.1", upstream)).unwrap();
    server.write_all(head.as_bytes()).and_then(|()| server.write_all(&body)).unwrap();
    let _ = std::io::copy(&mut server, &mut client);
}

/// What IAM calls a request, and whether it reads only.
fn action(head: &str, body: &str) -> (String, bool) {
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
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
