//! Assets on S3, as moto serves it: what a second push costs, pushes beside each other, and processes that are killed.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Ran, Scene, eventually, finished};

/// A front-end and its bucket.
struct Front {
    scene: Scene,
}

impl Front {
    fn new() -> Self {
        let scene = Scene::new();
        scene.make_bucket();
        Self { scene }
    }

    /// The files of a build, in a directory of its own.
    fn build(&self, number: u32) {
        let own = format!("js/app.{number:08x}.js");
        for (name, body) in [
            ("css/main.1f00aa22.css", "body {}".to_owned()),
            (own.as_str(), format!("build {number}")),
            ("index.html", format!("<script src={own}>")),
            ("fed-mods.json", format!("{{\"build\":{number}}}")),
        ] {
            self.scene.file(&format!("dist-{number}/{name}"), &body);
        }
    }

    fn line(line: &str, bucket: &str) -> String {
        format!("assets {line} --app myapp --bucket {bucket}")
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.scene.command(&Self::line(line, &self.scene.bucket));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, line: &str) -> Child {
        self.command(line).spawn().unwrap()
    }

    fn run(&self, line: &str) -> Ran {
        finished(self.start(line))
    }

    fn push(&self, number: u32) -> Value {
        self.build(number);
        let ran = self.run(&format!("push --source dist-{number} --build-timestamp {number} --format json"));
        serde_json::from_str(&ran.ended(0).stdout).unwrap()
    }

    fn stored(&self, path: &str) -> Option<String> {
        self.scene.object(path).map(|(body, _)| body)
    }

    /// Keys that are there: deleted ones are not.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let arguments = json!({"Bucket": self.scene.bucket, "Prefix": prefix});
        let found = self.scene.boto("s3", "list_objects_v2", &arguments);
        let objects = found["Contents"].as_array().cloned().unwrap_or_default();
        objects.iter().map(|object| object["Key"].as_str().unwrap().to_owned()).collect()
    }

    /// What must hold at every time: what an entry point refers to is there, and what is live is whole.
    #[track_caller]
    fn is_whole(&self) {
        if let Some(index) = self.stored("data/myapp/index.html") {
            let script = index.trim_start_matches("<script src=").trim_end_matches('>');
            assert!(self.stored(&format!("data/myapp/{script}")).is_some(), "{script} is missing");
        }
        let head: Value = match self.stored("heads/myapp.json") {
            Some(head) => serde_json::from_str(&head).unwrap(),
            None => return,
        };
        if head["state"] == "published" {
            let verified = self.run("verify --deep").ended(0);
            assert!(verified.stdout.contains("all as they should be"), "{}", verified.stdout);
        }
    }
}

fn total(counts: &BTreeMap<String, usize>) -> usize {
    counts.values().sum()
}

#[test]
fn a_second_push_sends_what_changed_and_little_else() {
    let front = Front::new();
    front.build(1);
    for number in 0..1996 {
        front.scene.file(&format!("dist-1/lib/{number:04}.js"), &format!("library {number}"));
    }
    let push = |build: u32| {
        let line = format!("push --source dist-1 --build-timestamp {build} --format json");
        let (ran, counts) = front.scene.counted(|| front.run(&line));
        (serde_json::from_str::<Value>(&ran.ended(0).stdout).unwrap(), counts)
    };
    let (first, counts) = push(1);
    assert_eq!(
        (&first["total"]["files"], &first["sent"]["files"]),
        (&2000.into(), &2000.into()),
        "{counts:?}"
    );

    for number in 0..20 {
        front.scene.file(&format!("dist-1/lib/{number:04}.js"), &format!("changed {number}"));
    }
    let (second, counts) = push(2);
    assert_eq!((&second["sent"]["files"], &second["skipped"]), (&22.into(), &1978.into()));
    // One page of a listing for every 1,000 objects; 20 files and 2 entry points; at most 12 further requests.
    let pages = 2;
    assert!(total(&counts) <= pages + 22 + 12, "{counts:?}");

    let (same, counts) = push(2);
    assert_eq!(same["status"], "already-live");
    assert!(total(&counts) <= pages + 4, "{counts:?}");
}

#[test]
fn headers_are_what_browsers_need() {
    let front = Front::new();
    front.push(1);
    let head = |path: &str| {
        front.scene.boto(
            "s3",
            "head_object",
            &json!({"Bucket": front.scene.bucket, "Key": format!("data/myapp/{path}")}),
        )
    };
    let css = head("css/main.1f00aa22.css");
    assert_eq!(css["ContentType"], "text/css; charset=utf-8");
    assert_eq!(css["CacheControl"], "public, max-age=31536000, immutable");
    assert_eq!(head("fed-mods.json")["CacheControl"], "public, max-age=60, stale-while-revalidate=300");
}

#[test]
fn pushes_beside_each_other_leave_one_whole_build() {
    let front = Front::new();
    for number in 1..=4 {
        front.build(number);
    }
    let pushes: Vec<Child> = (1..=4)
        .map(|number| front.start(&format!("push --source dist-{number} --build-timestamp {number}")))
        .collect();
    let prune = front.start("prune --threshold 0s --min-keep 0 --yes --wait");
    for push in pushes {
        finished(push).ended(0);
    }
    finished(prune).ended(0);
    front.is_whole();
    assert_eq!(front.stored("data/myapp/fed-mods.json").as_deref(), Some("{\"build\":4}"));
    assert_eq!(front.keys("intents/"), [""; 0]);
}

#[test]
fn a_killed_push_is_no_harm_and_goes_on() {
    let front = Front::new();
    front.push(1);
    front.build(2);
    for number in 0..200 {
        front.scene.file(&format!("dist-2/lib/{number:03}.js"), &format!("library {number}"));
    }
    let push = "push --source dist-2 --build-timestamp 2 --concurrency 2 --format json";
    let count = || front.keys("data/myapp/lib/").len();
    // It dies in the middle of its files.
    let mut child = front.start(push);
    eventually("some files are sent", || (count() >= 20).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    let sent = count();
    assert!(sent < 200, "it was killed too late");
    front.is_whole();
    assert_eq!(front.stored("data/myapp/fed-mods.json").as_deref(), Some("{\"build\":1}"));
    let pushed: Value = serde_json::from_str(&front.run(push).ended(0).stdout).unwrap();
    assert_eq!(pushed["status"], "live");
    assert!(pushed["skipped"].as_u64().unwrap() >= sent as u64, "what was sent is not sent again: {pushed}");
    front.is_whole();
    // What the dead push left is protected for a day, and then collected: here, it names nothing but what is live.
    assert_eq!(front.keys("intents/").len(), 1);
    front.run("prune --threshold 0s --min-keep 0 --yes").ended(0);
    front.is_whole();
    assert_eq!(front.keys("intents/").len(), 1);
}

#[test]
fn interrupted_pushes_end_with_130_and_clear_up() {
    let front = Front::new();
    front.build(1);
    front.scene.file("dist-1/video.webm", &"0123456789abcdef".repeat(6 << 20));
    front.scene.delay("UploadPart", 0.5);
    let child = front.start("push --source dist-1 --concurrency 1");
    let uploads = || {
        let found = front.scene.boto("s3", "list_multipart_uploads", &json!({"Bucket": front.scene.bucket}));
        found["Uploads"].as_array().map_or(0, Vec::len)
    };
    eventually("parts are sent", || (uploads() == 1).then_some(()));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)
        .unwrap();
    finished(child).ended(130).says("interrupted");
    assert_eq!(uploads(), 0);
    assert!(front.stored("heads/myapp.json").is_none());
    front.scene.delay("UploadPart", 0.0);
    front.run("push --source dist-1").ended(0);
    front.is_whole();
}

#[test]
fn valpops_own_variables_reach_the_store() {
    let front = Front::new();
    front.build(1);
    let environment = front.scene.environment();
    let endpoint = environment["AWS_ENDPOINT_URL"].trim_start_matches("http://");
    let (host, port) = endpoint.split_once(':').unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_runway-rs"));
    command.env_clear().current_dir(front.scene.path()).stdin(Stdio::null());
    command.args(["assets", "push", "--verbose"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in environment
        .iter()
        .filter(|(name, _)| !name.starts_with("AWS_ACCESS") && !name.starts_with("AWS_SECRET"))
    {
        if *name != "AWS_ENDPOINT_URL" {
            command.env(name, value);
        }
    }
    command.envs([
        ("VALPOP_HOSTNAME", host),
        ("VALPOP_PORT", port),
        ("VALPOP_USERNAME", "testing"),
        ("VALPOP_PASSWORD", "a-secret-of-valpop"),
        ("VALPOP_BUCKET", &front.scene.bucket),
        ("VALPOP_SOURCE", "dist-1"),
        ("VALPOP_PREFIX", "myapp"),
    ]);
    let ran = finished(command.spawn().unwrap()).ended(0);
    assert!(!ran.stderr.contains("a-secret-of-valpop") && !ran.stdout.contains("a-secret-of-valpop"));
    front.is_whole();
}

#[test]
fn errors_of_the_store_are_told_with_their_remedies() {
    let front = Front::new();
    front.build(1);
    let mut command = front.scene.command("assets push --source dist-1 --app myapp --bucket no-such-bucket");
    let ran = finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    ran.ended(10).says("the bucket does not exist");
    let doctor = front.run("doctor --format json").ended(0);
    let doctor: Value = serde_json::from_str(&doctor.stdout).unwrap();
    assert_eq!((&doctor["safe"], &doctor["delete_many"]), (&true.into(), &true.into()));
    let unreachable = front.run("ls --endpoint http://127.0.0.1:9");
    unreachable.ended(23);
}

/// Servers that speak S3's protocol and do not know all of it: s3s-fs is one.
#[test]
fn a_store_that_lists_no_entity_tags_and_no_uploads_serves_as_well() {
    let front = Front::new();
    front.scene.knows_less_than_s3();
    let endpoint = front.scene.environment()["AWS_ENDPOINT_URL"].replace("localhost", "127.0.0.1");
    let run = |line: &str| front.run(&format!("{line} --endpoint {endpoint} --format json"));
    let document = |ran: &Ran| serde_json::from_str::<Value>(&ran.stdout).unwrap();
    front.build(1);
    run("push --source dist-1 --build-timestamp 1").ended(0);
    front.build(2);
    let second = document(&run("push --source dist-2 --build-timestamp 2").ended(0));
    // The style sheet is there, and nothing changed under its name.
    assert_eq!((&second["skipped"], &second["in_place"]), (&1.into(), &json!([])), "{second}");
    let again = document(&run("push --source dist-2 --build-timestamp 2").ended(0));
    assert_eq!(again["status"], "already-live");
    assert_eq!(document(&run("verify").ended(0))["findings"], json!([]));
    let keys = || front.keys("data/").len();
    let before = keys();
    run("prune --threshold 0s --min-keep 0 --dry-run").ended(0);
    assert_eq!(keys(), before);
    front.build(3);
    run("push --source dist-3 --build-timestamp 3 --no-prune").ended(0);
    // The first build is old once its second is over.
    let pruned = eventually("the first build goes", || {
        let pruned = document(&run("prune --threshold 0s --min-keep 0 --yes").ended(0));
        (pruned["files"].as_array()?.len() == 1).then_some(pruned)
    });
    assert_eq!((&pruned["failed"], &pruned["complete"]), (&json!([]), &true.into()), "{pruned}");
    assert_eq!(keys(), 5);
    front.is_whole();
}

/// S3 takes keys that XML cannot tell, and everything else must go on beside them.
#[test]
fn a_strange_key_of_others_stops_nothing() {
    let front = Front::new();
    front.push(1);
    for key in ["data/myapp/js/a\u{1}b.js", "data/myapp/js/a+b c%2B.js"] {
        let object = json!({"Bucket": front.scene.bucket, "Key": key, "Body": "of others"});
        front.scene.boto("s3", "put_object", &object);
    }
    let second = front.push(2);
    // Files beside the strange keys are seen to be there.
    assert_eq!((&second["status"], &second["skipped"]), (&"live".into(), &1.into()), "{second}");
    front.is_whole();
    front.run("prune --threshold 0s --min-keep 0 --orphans --yes").ended(0);
    assert_eq!(front.keys("data/myapp/js/").len(), 4, "what others put there stays");
}

#[test]
fn what_became_of_a_build_is_told_to_programs_too() {
    let front = Front::new();
    let manifest = front.push(1)["manifest"].as_u64().unwrap();
    let told = |line: &str| -> Value { serde_json::from_str(&front.run(line).ended(0).stdout).unwrap() };
    let pinned = told(&format!("pin {manifest} --format json"));
    let bucket = &front.scene.bucket;
    let of = |status: &str, manifest: Option<u64>| json!({"version": 1, "app": "myapp", "bucket": bucket, "status": status, "manifest": manifest});
    assert_eq!(pinned, of("pinned", Some(manifest)));
    assert_eq!(told(&format!("unpin {manifest} --format json")), of("unpinned", Some(manifest)));
    assert_eq!(told("resume --format json"), of("nothing-to-resume", None));
    let text = front.run("resume --report resumed.json").ended(0).stdout;
    assert_eq!(text, "myapp: nothing was broken off\n");
    let report = std::fs::read_to_string(front.scene.path().join("resumed.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap(), of("nothing-to-resume", None));
}

/// There the protocol is not safe, and whoever pushes has to say that nobody else is at work.
#[test]
fn a_store_that_ignores_conditions_is_found_out() {
    let front = Front::new();
    front.scene.ignores_conditions();
    let endpoint = front.scene.environment()["AWS_ENDPOINT_URL"].replace("localhost", "127.0.0.1");
    let run = |line: &str| front.run(&format!("{line} --endpoint {endpoint} --path-style always"));
    front.build(1);
    let push = "push --source dist-1 --build-timestamp 1";
    run(push).ended(31).says("--unsafe-exclusive");
    assert_eq!(front.keys(""), Vec::<String>::new(), "what tried the store out is gone");
    let doctor = run("doctor --format json").ended(31);
    let doctor: Value = serde_json::from_str(&doctor.stdout).unwrap();
    assert_eq!((&doctor["safe"], &doctor["if_absent"]), (&false.into(), &false.into()), "{doctor}");
    run(&format!("{push} --unsafe-exclusive")).ended(0);
    let prune = "prune --threshold 0s --min-keep 0";
    run(prune).ended(31).says("--unsafe-exclusive");
    run(&format!("{prune} --unsafe-exclusive")).ended(0);
    front.is_whole();
}
