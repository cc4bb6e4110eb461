//! What asset commands tell, whom, and what they do with variables.

use serde_json::Value;

use crate::assets::{Front, PUSH};
use crate::formats::check;
use crate::support::{eventually, finished};

#[test]
fn changed_entry_points_are_purged() {
    let front = Front::new();
    front.file("app-info.json", "{}");
    let cat = "sh -c 'cat > purged; echo \"$RUNWAY_RS_ASSETS_CHANGED\" > named; echo told'";
    let push = |number: u32, more: &[&str]| {
        let mut command = front.command("push --source dist --app myapp --directory bucket");
        command.args(["--build-timestamp", &number.to_string(), "--purge-cmd", cat]).args(more);
        finished(command.spawn().unwrap())
    };
    let file = |name: &str| std::fs::read_to_string(front.path().join(name)).ok();
    let first = push(1, &[]).ended(0);
    assert_eq!(file("purged").as_deref(), Some("index.html\napp-info.json\nfed-mods.json\n"));
    assert_eq!(file("named"), file("purged"));
    assert!(first.stderr.contains("told"), "{}", first.stderr);

    // Of the next build, app-info.json is the same.
    front.build(2);
    front.file("app-info.json", "{}");
    let url = ["--public-url", "https://cdn.example.com/my app/", "--format", "json"];
    push(2, &url).ended(64);
    let url = ["--public-url", "https://cdn.example.com/apps/", "--format", "json"];
    let second: Value = serde_json::from_str(&push(2, &url).ended(0).stdout).unwrap();
    check("assets-push", &second);
    let changed = "https://cdn.example.com/apps/index.html\nhttps://cdn.example.com/apps/fed-mods.json\n";
    assert_eq!(file("purged").as_deref(), Some(changed));
    assert_eq!(second["changed"], serde_json::json!(["index.html", "fed-mods.json"]));
    assert_eq!((&second["entries"].as_array().unwrap().len(), &second["purged"]), (&3, &true.into()));

    // A push that died before it could purge is made again: its build is live already.
    push(2, &[]).ended(0);
    assert_eq!(file("purged").as_deref(), Some("index.html\napp-info.json\nfed-mods.json\n"));

    // Nothing changes: superseded, and a new name for the same bytes.
    std::fs::remove_file(front.path().join("purged")).unwrap();
    push(1, &[]).ended(0);
    let same = push(3, &[]).ended(0);
    assert!(same.stdout.contains("entry points that are others than before: none"), "{}", same.stdout);
    assert_eq!(file("purged"), None);

    let mut back = front.command("rollback --app myapp --directory bucket --purge-cmd");
    let listed = front.json("ls", "assets-list");
    let oldest = listed["builds"].as_array().unwrap().last().unwrap()["manifest"].to_string();
    back.args([cat, "--to", &oldest]);
    let back = finished(back.spawn().unwrap()).ended(0);
    assert_eq!(file("purged").as_deref(), Some("index.html\nfed-mods.json\n"), "{}", back.stdout);
}

#[test]
fn a_purge_that_fails_says_that_the_build_is_live() {
    let front = Front::new();
    for (number, command, words) in [
        (1, "sh -c 'exit 3'", "ended with 3"),
        (2, "./not-there", "cannot be started"),
        (3, "sh -c 'kill -9 $$'", "-9"),
    ] {
        front.build(number);
        let mut push = front.command("push --source dist --app myapp --directory bucket --format json");
        push.args(["--build-timestamp", &number.to_string(), "--purge-cmd", command]);
        let ran = finished(push.spawn().unwrap()).ended(30);
        assert!(ran.stderr.contains("is live, but") && ran.stderr.contains(words), "{}", ran.stderr);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        check("assets-push", &document);
        assert_eq!((&document["status"], &document["purged"]), (&"live".into(), &false.into()));
        assert_eq!(
            (&document["error"]["code"], &document["error"]["exit"]),
            (&"assets::purge_failed".into(), &30.into())
        );
        assert_eq!(front.stored("data/myapp/fed-mods.json").unwrap(), format!("{{\"build\":{number}}}"));
    }
}

#[test]
fn a_failure_is_one_document_with_its_error() {
    let front = Front::new();
    front.run(PUSH).ended(0);
    std::fs::remove_dir_all(front.path().join("bucket/objects/data%2fmyapp%2fjs%2fapp.00000001.js")).unwrap();
    let verified = front.run("verify --format json").ended(30);
    let document: Value = serde_json::from_str(&verified.stdout).expect("one document");
    check("assets-verify", &document);
    check("error", &serde_json::json!({"version": 1, "error": document["error"]}));
    assert_eq!((&document["left"], &document["error"]["code"]), (&1.into(), &"assets::damaged".into()));

    // The build is live, and the prune after it cannot read a manifest.
    let more = "--manifest-time build --build-timestamp";
    for number in 2..=5 {
        front.build(number);
        front.run(&format!("{PUSH} --no-prune --allow-older {more} {number}")).ended(0);
    }
    front.damage("manifests/myapp/3");
    front.build(6);
    let pushed = front
        .run(&format!("{PUSH} --allow-older {more} 6 --report r.json --format json --min-keep 0"))
        .ended(30);
    let document: Value = serde_json::from_str(&pushed.stdout).expect("one document");
    check("assets-push", &document);
    assert_eq!(
        (&document["status"], &document["error"]["code"]),
        (&"live".into(), &"assets::unreadable".into())
    );
    let report = std::fs::read_to_string(front.path().join("r.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap(), document);
}

#[test]
fn a_plan_is_told_beside_what_would_go_wrong() {
    let front = Front::new();
    for number in 1..=2 {
        front.build(number);
        front.run(&format!("{PUSH} --no-prune --manifest-time build --build-timestamp {number}")).ended(0);
    }
    front.damage("manifests/myapp/1");
    front.build(3);
    let planned = |more: &str, code: i32| -> Value {
        let ran = front.run(&format!("plan --source dist --format json {more}")).ended(code);
        let document = serde_json::from_str(&ran.stdout).expect("one document");
        check("assets-plan", &document);
        document
    };
    // The push would not prune, since so few builds all stay.
    let fine = planned("", 0);
    assert_eq!((&fine["summary"]["upload"]["files"], &fine["error"]), (&1.into(), &Value::Null));
    let broken = planned("--min-keep 0", 30);
    assert_eq!(broken["summary"]["upload"]["files"], 1);
    assert_eq!(broken["error"]["code"], "assets::unreadable");
    front.run(&format!("{PUSH} --min-keep 0")).ended(30);

    front.build(4);
    front.file("css/main.1f00aa22.css", "other {}");
    let refused = planned("--deny-in-place --no-prune", 31);
    assert_eq!((&refused["refused"], &refused["summary"]["in_place"]["files"]), (&true.into(), &1.into()));
    assert_eq!(refused["error"]["code"], "assets::in_place_denied");
    let text = front.run("plan --source dist --deny-in-place --no-prune").ended(31);
    assert!(text.stdout.contains("--deny-in-place refuses the push"), "{}", text.stdout);
}

#[test]
fn who_only_looks_leaves_nothing_behind_and_is_told_what_is_not_there() {
    let front = Front::new();
    for line in ["ls", "prune --dry-run", "plan --source dist"] {
        front.run(line).ended(0);
        assert!(!front.path().join("bucket").exists(), "{line}");
    }
    let nothing = front.run("verify --format json").ended(30);
    let document: Value = serde_json::from_str(&nothing.stdout).unwrap();
    check("assets-verify", &document);
    assert_eq!(document["error"]["code"], "assets::nothing_live");
    assert!(!front.path().join("bucket").exists());
    front.run("doctor --iam-policy --report policy.json").ended(0);
    assert!(std::fs::read_to_string(front.path().join("policy.json")).unwrap().contains("Statement"));
}

#[test]
fn what_has_no_effect_is_told() {
    let front = Front::new();
    front.run(PUSH).ended(0);
    let heal = front.run("verify --heal --source nonexistent").ended(10);
    assert!(heal.stderr.contains("nonexistent"), "{}", heal.stderr);
    front.run("verify --source nonexistent").ended(0);
    assert_eq!(front.json("unpin 5", "assets-build")["status"], "nothing-to-unpin");
    let live = front.json("ls", "assets-list")["builds"][0]["manifest"].to_string();
    front.run(&format!("pin {live}")).ended(0);
    assert_eq!(front.json(&format!("unpin {live}"), "assets-build")["status"], "unpinned");
}

#[test]
fn a_document_that_could_not_be_written_is_a_failure() {
    let front = Front::new();
    for line in ["ls --format json", PUSH] {
        let mut command = front.command(&format!("{line} --app myapp --directory bucket"));
        let full = std::fs::File::create("/dev/full").unwrap();
        let ran = command.stdout(full).output().unwrap();
        let told = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(10), "{told}");
        assert!(told.contains("cannot write standard output"), "{told}");
    }
    assert!(front.stored("heads/myapp.json").is_some());
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let front = Front::new();
    // Nobody listens there any more.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let host = address.ip().to_string();
    let port = address.port().to_string();
    for (variables, origin) in [
        (vec![("AWS_ENDPOINT_URL", url.as_str())], "AWS_ENDPOINT_URL"),
        (vec![("VALPOP_HOSTNAME", host.as_str()), ("VALPOP_PORT", &port)], "VALPOP_HOSTNAME"),
    ] {
        let mut command = front.command("ls --app myapp --bucket errs");
        command.envs([
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_MAX_ATTEMPTS", "1"),
        ]);
        let ran = finished(command.envs(variables).spawn().unwrap()).ended(23);
        for words in ["again: ", &url, &format!("from {origin}"), "is the server running"] {
            assert!(ran.stderr.contains(words), "no {words:?} in:\n{}", ran.stderr);
        }
    }
}

#[test]
fn reports_are_written_whatever_happens() {
    let front = Front::new();
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(front.path().join(name)).unwrap()).unwrap()
    };
    front.run("push --source nowhere --report a.json").ended(10);
    check("error", &read("a.json"));
    assert_eq!(read("a.json")["error"]["code"], "assets::source_missing");
    front.run(&format!("{PUSH} --format markdown --report b.json")).ended(0);
    check("assets-push", &read("b.json"));
    front.run("prune --dry-run --report c.json").ended(0);
    check("assets-prune", &read("c.json"));
    front.run("verify --report d.json").ended(0);
    check("assets-verify", &read("d.json"));
    // That it could not be written is known before anything is done.
    front.build(2);
    front.run(&format!("{PUSH} --report no/such/place.json")).ended(10);
    assert_eq!(front.stored("data/myapp/fed-mods.json").as_deref(), Some("{\"build\":1}"));
}

#[test]
fn markdown_has_the_numbers_of_the_text() {
    let front = Front::new();
    front.file("a|b`c.txt", "odd");
    let planned = front.run("plan --source dist --image app:1 --format markdown").ended(0).stdout;
    for part in [
        "### Plan to push `myapp` in `bucket`",
        "| `+` | upload | 3 |",
        "| `>` | entry | 2 |",
        "`a\\|b'c.txt`",
    ] {
        assert!(planned.contains(part), "no {part:?} in:\n{planned}");
    }
    let pushed = front.run(&format!("{PUSH} --build-timestamp 1 --format markdown")).ended(0).stdout;
    for part in [
        "### Push of `myapp` in `bucket`",
        "is live.**",
        "| sent | 5 |",
        "before: `index.html`, `fed-mods.json`",
    ] {
        assert!(pushed.contains(part), "no {part:?} in:\n{pushed}");
    }
    let pruned = front.run("prune --dry-run --format markdown").ended(0).stdout;
    for part in ["### Plan to prune `myapp`", "**0 files and 0 of 1 manifests would go (0 B).**", "| `=` |"] {
        assert!(pruned.contains(part), "no {part:?} in:\n{pruned}");
    }
    assert!(front.run("verify --format markdown").ended(0).stdout.contains("```text\n"));
}

#[test]
fn every_option_has_its_variable() {
    let front = Front::new();
    let run = |line: &str, variables: &[(&str, &str)]| {
        let mut command = front.command(line);
        command.envs([("RUNWAY_RS_ASSETS_APP", "myapp"), ("RUNWAY_RS_ASSETS_DIRECTORY", "bucket")]);
        finished(command.envs(variables.iter().copied()).spawn().unwrap())
    };
    let prunes = |variables: &[(&str, &str)], line: &str| {
        // Orphans are looked for whether or not a build aged out.
        let ran = run(&format!("plan --source dist --format json --orphans {line}"), variables).ended(0);
        !serde_json::from_str::<Value>(&ran.stdout).unwrap()["prune"].is_null()
    };
    let (yes, no) = ([("RUNWAY_RS_ASSETS_PRUNE", "false")], [("RUNWAY_RS_ASSETS_NO_PRUNE", "true")]);
    assert!(prunes(&[], "") && !prunes(&yes, "") && !prunes(&no, ""));
    assert!(prunes(&yes, "--prune") && prunes(&no, "--prune"), "the command line wins");
    assert!(!prunes(&[("RUNWAY_RS_ASSETS_PRUNE", "true")], "--no-prune"));
    assert!(prunes(&[], "--no-prune --prune") && !prunes(&[], "--prune --no-prune"), "the last one wins");
    run("push --source dist", &[("RUNWAY_RS_ASSETS_REPORT", "r.json")]).ended(0);
    assert!(front.path().join("r.json").exists());
    front.build(2);
    run("plan", &[("RUNWAY_RS_ASSETS_SOURCE", "dist"), ("RUNWAY_RS_ASSETS_DETAILED_EXITCODE", "1")]).ended(2);
    // What is typed wins, also where two options say the same in different ways.
    let bucket = [("RUNWAY_RS_ASSETS_BUCKET", "b"), ("RUNWAY_RS_ASSETS_ENDPOINT", "http://127.0.0.1:1")];
    let mut typed = front.command("ls --app myapp --directory bucket");
    finished(typed.envs(bucket).spawn().unwrap()).ended(0);
    let typed = run("doctor --iam-policy --bucket b", &[]).ended(0);
    assert!(typed.stdout.contains("arn:aws:s3:::b/"), "{}", typed.stdout);
    let both = run("ls", &bucket).ended(64);
    assert!(
        both.stderr.contains("RUNWAY_RS_ASSETS_BUCKET and RUNWAY_RS_ASSETS_DIRECTORY"),
        "{}",
        both.stderr
    );
    // Variables for other commands of the same job do no harm.
    let others = [("RUNWAY_RS_ASSETS_DETAILED_EXITCODE", "1"), ("RUNWAY_RS_ASSETS_SOURCE", "dist")];
    run("prune", &others).ended(0);
    run("verify", &others).ended(0);
}

#[test]
fn wrong_places_are_told_with_their_values() {
    let front = Front::new();
    let told = |line: &str, variables: &[(&str, &str)], words: &[&str]| {
        let mut command = front.command(&format!("push --source dist --app a --bucket b {line}"));
        command.envs([("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_MAX_ATTEMPTS", "1")]);
        let ran = finished(command.envs(variables.iter().copied()).spawn().unwrap()).ended(64);
        for words in words {
            assert!(ran.stderr.contains(words), "no {words:?} in:\n{}", ran.stderr);
        }
    };
    for wrong in ["nonsense", "minio:9000", "ftp://minio", "http://minio:port"] {
        told(&format!("--endpoint {wrong}"), &[], &[wrong, "http://minio:9000"]);
    }
    told("", &[("RUNWAY_RS_ASSETS_ENDPOINT", "nonsense")], &["nonsense", "http://minio:9000"]);
    let host = ("VALPOP_HOSTNAME", "minio");
    told("", &[host, ("VALPOP_PORT", "abc")], &["VALPOP_PORT", "`abc`", "9000"]);
    told("", &[("VALPOP_HOSTNAME", "a b")], &["VALPOP_HOSTNAME", "`a b`"]);
    told("", &[("VALPOP_PORT", "9000")], &["VALPOP_PORT", "VALPOP_HOSTNAME is not set"]);
    told("--threshold 48", &[], &["a unit is missing", "48h"]);
    // A password in a URL is not repeated.
    for (line, variable) in [
        ("--endpoint http://user:sekret@h", ("X", "")),
        ("--public-url http://u:sekret@x/", ("X", "")),
        ("", ("RUNWAY_RS_ASSETS_ENDPOINT", "http://user:sekret@h")),
        ("", ("VALPOP_HOSTNAME", "u:sekret@h")),
    ] {
        let mut command = front.command(&format!("push --source dist --app a --bucket b {line}"));
        let ran = finished(command.env(variable.0, variable.1).spawn().unwrap()).ended(64);
        assert!(ran.stderr.contains("keys do not belong"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("sekret") && !ran.stdout.contains("sekret"), "{}", ran.stderr);
    }
    // What is found out only after the build is live would be too late.
    let ran = {
        let mut command = front.command("push --source dist --app myapp --directory bucket");
        finished(command.env("VALPOP_TIMEOUT", "x").spawn().unwrap()).ended(64)
    };
    assert!(ran.stderr.contains("VALPOP_TIMEOUT") && ran.stderr.contains("`x`"), "{}", ran.stderr);
    assert_eq!(front.stored("data/myapp/fed-mods.json"), None);
}

#[test]
fn policies_are_as_wide_as_their_use() {
    let front = Front::new();
    let policy = |line: &str| -> Value {
        serde_json::from_str(&front.run(&format!("doctor {line}")).ended(0).stdout).unwrap()
    };
    let ids = |policy: &Value| -> Vec<String> {
        policy["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["Sid"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&policy("--prune-only")), ["List", "Unfinished", "ReadAndDelete", "Write"]);
    assert!(ids(&policy("--iam-policy --heal")).contains(&"VerifyHealReadVersions".to_owned()));
    assert!(!front.path().join("bucket").exists(), "nothing is asked or made");
}

/// What other tests do not say on a command line.
#[test]
fn rare_options_do_what_they_say() {
    let front = Front::new();
    let rare = "--check head --commit abc123 --cache-control-entry no-cache --cache-control-immutable immutable --prefix team/x";
    front.run(&format!("{PUSH} {rare}")).ended(0);
    let place = "--prefix team/x";
    let listed = front.json(&format!("ls {place}"), "assets-list");
    assert_eq!(listed["builds"][0]["commit"], "abc123");
    let manifest = listed["builds"][0]["manifest"].to_string();
    let read = |manifest: &str| -> Value {
        serde_json::from_str(&front.stored(&format!("team/x/manifests/myapp/{manifest}")).unwrap()).unwrap()
    };
    let objects = read(&manifest)["objects"].to_string();
    assert!(objects.contains("no-cache") && objects.contains("\"immutable\""), "{objects}");

    // The bare list: every path, and nothing else.
    front.build(2);
    front.run(&format!("{PUSH} {place} --manifest-format list --no-prune")).ended(0);
    let listed = front.json(&format!("ls {place}"), "assets-list");
    let newest = read(&listed["builds"][0]["manifest"].to_string());
    let paths = newest.as_array().expect("a list");
    assert!(paths.contains(&"fed-mods.json".into()) && paths.iter().all(Value::is_string), "{newest}");

    // What is protected stays, though nobody needs it any more.
    let first = "js/app.00000001.js";
    let gone = |more: &str| {
        let line = format!("prune {place} --threshold 0s --min-keep 0 --max-delete-ratio 1 --dry-run {more}");
        front.json(&line, "assets-prune")["protected"].as_u64().unwrap()
    };
    for number in 3..=4 {
        front.build(number);
        front.run(&format!("{PUSH} {place} --no-prune")).ended(0);
    }
    eventually("the first build is old", || gone(&format!("--protect {first}")) > gone(""));
}
