//! Assets in a directory in place of a bucket.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::formats::check;
use crate::support::{Ran, finished};

/// A build, and a directory that is a bucket.
pub(crate) struct Front {
    directory: tempfile::TempDir,
}

impl Front {
    pub(crate) fn new() -> Self {
        let front = Self { directory: tempfile::tempdir().unwrap() };
        front.build(1);
        front
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn file(&self, name: &str, body: &str) {
        let path = self.path().join("dist").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }

    /// Replaces the source by a build.
    pub(crate) fn build(&self, number: u32) {
        let _ = std::fs::remove_dir_all(self.path().join("dist"));
        self.file("css/main.1f00aa22.css", "body {}");
        self.file(&format!("js/app.{number:08x}.js"), &format!("build {number}"));
        self.file("index.html", &format!("<script src=js/app.{number:08x}.js>"));
        self.file("fed-mods.json", &format!("{{\"build\":{number}}}"));
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runway-rs"));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.path()).stdin(Stdio::null());
        command.args(["assets"]).args(line.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        let mut command = self.command(line);
        command.args(["--app", "myapp", "--directory", "bucket"]);
        finished(command.spawn().unwrap())
    }

    pub(crate) fn json(&self, line: &str, schema: &str) -> Value {
        let ran = self.run(&format!("{line} --format json")).ended(0);
        let document = serde_json::from_str(&ran.stdout).unwrap();
        check(schema, &document);
        document
    }

    /// Makes an object of the bucket unreadable.
    pub(crate) fn damage(&self, key: &str) {
        let folder = self.path().join("bucket/objects").join(key.replace('/', "%2f"));
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let (about, body) = text.split_once('\n').unwrap();
            std::fs::write(&path, format!("{about}\n{}", "x".repeat(body.len()))).unwrap();
        }
    }

    /// What the bucket holds under a key now.
    pub(crate) fn stored(&self, key: &str) -> Option<String> {
        let folder = self.path().join("bucket/objects").join(key.replace('/', "%2f"));
        let entries = std::fs::read_dir(folder).ok()?;
        let number = |path: &PathBuf| -> u64 { path.file_stem().unwrap().to_str().unwrap().parse().unwrap() };
        let newest = entries.map(|entry| entry.unwrap().path()).max_by_key(number)?;
        if newest.extension().unwrap() == "deleted" {
            return None;
        }
        let text = std::fs::read_to_string(newest).unwrap();
        Some(text.split_once('\n').unwrap().1.to_owned())
    }
}

pub(crate) const PUSH: &str = "push --source dist";

#[test]
fn a_build_is_planned_pushed_and_replaced() {
    let front = Front::new();
    let planned = front.json("plan --source dist --build-timestamp 1", "assets-plan");
    assert_eq!(planned["summary"]["upload"]["files"], 2);
    assert_eq!(planned["summary"]["entry"]["files"], 2);
    front.run("plan --source dist --build-timestamp 1 --detailed-exitcode").ended(2);
    assert!(!front.path().join("bucket/objects").exists(), "a plan writes nothing");

    let pushed =
        front.json(&format!("{PUSH} --build-timestamp 1 --image app:1 --report report.json"), "assets-push");
    assert_eq!((&pushed["status"], &pushed["sent"]["files"]), (&"live".into(), &4.into()));
    assert_eq!(pushed["entries"], serde_json::json!(["index.html", "fed-mods.json"]));
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(front.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(report, pushed);
    let manifest = front.stored(&format!("manifests/myapp/{}", pushed["manifest"])).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["image"], "app:1");
    assert_eq!(manifest["files"].as_array().unwrap().len(), 4);

    let again = front.json(&format!("{PUSH} --build-timestamp 1 --image app:1"), "assets-push");
    assert_eq!((&again["status"], &again["manifest"]), (&"already-live".into(), &pushed["manifest"]));
    front.run("plan --source dist --build-timestamp 1 --image app:1 --detailed-exitcode").ended(0);

    front.build(2);
    let second = front.json(&format!("{PUSH} --build-timestamp 2"), "assets-push");
    assert_eq!((&second["sent"]["files"], &second["skipped"]), (&3.into(), &1.into()));
    assert_eq!(second["previous"], pushed["manifest"]);
    assert_eq!(front.stored("data/myapp/fed-mods.json").as_deref(), Some("{\"build\":2}"));
    assert_eq!(front.stored("data/myapp/js/app.00000001.js").as_deref(), Some("build 1"));

    front.build(1);
    let old = front.json(&format!("{PUSH} --build-timestamp 1"), "assets-push");
    assert_eq!((&old["status"], &old["superseded_by"]), (&"superseded".into(), &second["manifest"]));
    assert_eq!(front.stored("data/myapp/fed-mods.json").as_deref(), Some("{\"build\":2}"));

    let listed = front.json("ls", "assets-list");
    let live: Vec<bool> =
        listed["builds"].as_array().unwrap().iter().map(|build| build["live"].as_bool().unwrap()).collect();
    assert_eq!(live, [false, true, false]);
    assert!(front.run("ls").ended(0).stdout.contains("previous"));
}

#[test]
fn old_builds_are_kept_pruned_and_gone_back_to() {
    let front = Front::new();
    let mut manifests = Vec::new();
    for number in 1..=4 {
        front.build(number);
        let build = format!("--manifest-time build --build-timestamp {number}");
        let pushed = front.json(&format!("{PUSH} --no-prune {build}"), "assets-push");
        manifests.push(pushed["manifest"].as_u64().unwrap());
    }
    front.run(&format!("pin {}", manifests[0])).ended(0);
    assert_eq!(manifests, [1, 2, 3, 4], "named by builds of long ago");
    let prune = "prune --min-keep 0 --yes";
    let dry = front.json(&format!("{prune} --dry-run"), "assets-prune");
    assert_eq!(dry["files"][0]["path"], "js/app.00000002.js");
    assert_eq!(dry["files"][0]["named_by"], serde_json::json!([manifests[1]]));
    front.run(&format!("{prune} --dry-run --detailed-exitcode")).ended(2);
    let refused = front.run("prune --min-keep 0 --max-delete-ratio 0.1").ended(31);
    assert!(refused.stderr.contains("assets::ratio_guard"), "{}", refused.stderr);
    assert!(front.stored("data/myapp/js/app.00000002.js").is_some());

    let done = front.json(prune, "assets-prune");
    assert_eq!((&done["files"], &done["expired"]), (&dry["files"], &dry["expired"]));
    assert_eq!(front.stored("data/myapp/js/app.00000002.js"), None);
    for kept in ["data/myapp/js/app.00000001.js", "data/myapp/js/app.00000003.js", "data/myapp/fed-mods.json"]
    {
        assert!(front.stored(kept).is_some(), "{kept}");
    }

    // A push that has nothing to send prunes as well.
    front.build(5);
    let fifth = format!("{PUSH} --manifest-time build --build-timestamp 5");
    assert_eq!(front.json(&format!("{fifth} --no-prune"), "assets-push")["prune"], Value::Null);
    let same = front.json(&format!("{fifth} --min-keep 0 --yes"), "assets-push");
    assert_eq!(
        (&same["status"], &same["prune"]["expired"]),
        (&"already-live".into(), &serde_json::json!([3]))
    );

    let back = front.json(&format!("rollback --to {}", manifests[0]), "assets-push");
    assert_eq!((&back["status"], &back["skipped"]), (&"live".into(), &2.into()));
    assert_eq!(front.stored("data/myapp/fed-mods.json").as_deref(), Some("{\"build\":1}"));
    front.run(&format!("rollback --to {}", manifests[1])).ended(10);
    front.run(&format!("unpin {}", manifests[0])).ended(0);
    front.run("resume").ended(0);
}

#[test]
fn without_its_head_nothing_is_pruned_until_a_push() {
    let front = Front::new();
    for number in 1..=3 {
        front.build(number);
        let build = format!("--manifest-time build --build-timestamp {number}");
        front.run(&format!("{PUSH} --no-prune {build}")).ended(0);
    }
    let prune = "prune --min-keep 0 --yes";
    // Nobody knows what is live without the head, until it is pushed again.
    std::fs::remove_dir_all(front.path().join("bucket/objects/heads%2fmyapp.json")).unwrap();
    for line in [prune, "prune --dry-run"] {
        let refused = front.run(line).ended(30);
        assert!(refused.stderr.contains("assets::head_lost"), "{}", refused.stderr);
        assert!(refused.stderr.contains("push the live build again"), "{}", refused.stderr);
    }
    // The push mends it, so its plan tells what is pruned then.
    let planned = front.json("plan --source dist", "assets-plan");
    assert!(planned["prune"]["now"].is_u64(), "{planned}");
    front.run(&format!("{PUSH} --no-prune --build-timestamp 4")).ended(0);
    assert_eq!(front.json(prune, "assets-prune")["expired"], serde_json::json!([1, 2]));
    front.run("verify --deep").ended(0);
}

#[test]
fn damage_is_found_and_mended() {
    let front = Front::new();
    front.run(PUSH).ended(0);
    let fine = front.json("verify --deep", "assets-verify");
    assert_eq!((&fine["left"], &fine["files"]), (&0.into(), &4.into()));
    std::fs::remove_dir_all(front.path().join("bucket/objects/data%2fmyapp%2fjs%2fapp.00000001.js")).unwrap();
    let found = front.run("verify").ended(30);
    assert!(found.stdout.contains("js/app.00000001.js is missing"), "{}", found.stdout);
    assert!(found.stderr.contains("assets::damaged"), "{}", found.stderr);
    front.run("verify --heal").ended(30);
    let healed = front.json("verify --heal --source dist", "assets-verify");
    assert_eq!(healed["findings"][0]["healed"], true);
    front.run("verify --deep").ended(0);
}

#[test]
fn mistakes_are_told_with_their_remedies() {
    let front = Front::new();
    let told = |ran: Ran, code: i32, words: &str| {
        let ran = ran.ended(code);
        assert!(ran.stderr.contains(words), "no {words:?} in:\n{}", ran.stderr);
    };
    told(front.run("push --source nowhere"), 10, "assets::source_missing");
    std::fs::create_dir(front.path().join("empty")).unwrap();
    told(front.run("push --source empty"), 10, "assets::source_empty");
    told(front.run("push"), 64, "RUNWAY_RS_ASSETS_SOURCE");
    told(front.run(&format!("{PUSH} --entry main.html")), 10, "assets::entry_missing");
    told(front.run(&format!("{PUSH} --late a[")), 64, "--late");
    told(front.run(&format!("{PUSH} --immutable (")), 64, "--immutable");
    told(front.run(&format!("{PUSH} --content-type html=x")), 64, ".ENDING=TYPE");
    told(front.run("prune --max-delete-ratio 2"), 64, "from 0 to 1");
    told(front.run("prune --intent-ttl 5s"), 64, "at least 1h");
    told(front.run(&format!("{PUSH} --manifest-time build")), 64, "--build-timestamp");
    told(front.run("rollback --to 5"), 10, "assets::no_manifest");
    told(finished(front.command("ls --directory bucket").spawn().unwrap()), 64, "RUNWAY_RS_ASSETS_APP");
    told(
        finished(front.command("ls --app a/b --directory bucket").spawn().unwrap()),
        10,
        "no name of an app",
    );
    told(finished(front.command("ls --app a").spawn().unwrap()), 64, "RUNWAY_RS_ASSETS_BUCKET");
    std::os::unix::fs::symlink("/etc/passwd", front.path().join("dist/passwd")).unwrap();
    told(front.run(PUSH), 10, "assets::symlink_escape");
    front.run(&format!("{PUSH} --exclude passwd")).ended(0);

    let error = front.run("push --source nowhere --format json").ended(10);
    check("error", &serde_json::from_str(&error.stdout).unwrap());
    front.file("css/main.1f00aa22.css", "other {}");
    told(front.run(&format!("{PUSH} --exclude passwd --deny-in-place")), 31, "css/main.1f00aa22.css");
    let changed = front.run(&format!("{PUSH} --exclude passwd")).ended(0);
    assert!(changed.stdout.contains("1 file changed under their names"), "{}", changed.stdout);
}

#[test]
fn valpops_variables_do_the_same() {
    let front = Front::new();
    let run = |line: &str, more: &[(&str, &str)]| {
        let mut command = front.command(line);
        command.envs([
            ("VALPOP_PREFIX", "myapp"),
            ("VALPOP_SOURCE", "dist"),
            ("VALPOP_IMAGE", "app:7"),
            ("VALPOP_CACHE_MAX_AGE", "60"),
            ("VALPOP_TIMEOUT", "172800"),
            ("VALPOP_MIN_ASSET_RECORDS", "1"),
            ("VALPOP_PASSWORD", "hunter2"),
            ("RUNWAY_RS_ASSETS_DIRECTORY", "bucket"),
        ]);
        finished(command.envs(more.iter().copied()).spawn().unwrap())
    };
    let pushed = run("push --format json --immutable ^never$", &[]).ended(0);
    let pushed: Value = serde_json::from_str(&pushed.stdout).unwrap();
    let manifest = front.stored(&format!("manifests/myapp/{}", pushed["manifest"])).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["image"], "app:7");
    assert_eq!(manifest["objects"]["css/main.1f00aa22.css"]["cc"], "public, max-age=60");
    let wrong = run("push", &[("VALPOP_TIMEOUT", "soon")]).ended(64);
    assert!(wrong.stderr.contains("VALPOP_TIMEOUT"), "{}", wrong.stderr);
    let mode = run("push", &[("VALPOP_MODE", "valkey")]).ended(10);
    assert!(mode.stderr.contains("valkey"), "{}", mode.stderr);
}

#[test]
fn policies_name_the_app_and_nothing_else() {
    let front = Front::new();
    let policy = front.run("doctor --iam-policy").ended(0);
    insta::assert_snapshot!("iam_policy", policy.stdout);
    let doctor = front.json("doctor", "assets-doctor");
    assert_eq!(doctor["safe"], true);
}
