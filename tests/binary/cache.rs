//! The task cache as users meet it: modes, the line at the end, the commands, and everything that can be broken.

use std::path::{Path, PathBuf};

use runway_core::cache::{Digest, codec};
use serde_json::{Value, json};

use crate::formats::check;
use crate::support::{HEAD, Project, Ran};

pub(crate) const TWO: &str = concat!(
    "  - {name: a, template_path: t.yml, variables: {Note: x}}\n",
    "  - {name: b, template_path: t.yml, variables: {Note: \"${output a.Note}\"}}\n",
);

/// A project whose two stacks are deployed, with two records of their templates and two of the uploads.
pub(crate) fn deployed() -> Project {
    let project = Project::with_stacks(TWO);
    project.run("deploy --yes").ended(0);
    project.run("deploy --yes").ended(0);
    project
}

/// Files below a directory, relative to it.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Files of the index in the bucket, one for each version.
fn index_in_bucket(project: &Project) -> Vec<PathBuf> {
    let all = files(&project.path().join(".runway/local/buckets"));
    all.into_iter().filter(|path| path.to_string_lossy().contains("cache%2fns%2fv1%2findex")).collect()
}

fn local_files(project: &Project) -> Vec<PathBuf> {
    files(&project.path().join(".runway/cache"))
}

fn forget_local(project: &Project) {
    std::fs::remove_dir_all(project.path().join(".runway/cache")).unwrap();
}

fn parsed(ran: &Ran, schema: &str) -> Value {
    let document = serde_json::from_str(&ran.stdout).unwrap();
    check(schema, &document);
    document
}

/// Snapshots without what differs from run to run.
fn stable(project: &Project, body: impl FnOnce()) {
    let path = regex::escape(&project.path().canonicalize().unwrap().to_string_lossy());
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&path, "[project]");
    settings.add_filter("v1/[0-9a-f]{64}", "v1/[place]");
    settings.add_filter("[0-9a-f]{64}", "[key]");
    settings.add_filter("[0-9a-f]{16}", "[short]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[time]");
    settings.add_filter(r"20[2-9]\d-\d\d-\d\d", "[day]");
    settings.add_filter(r"\d+\.\d s\b", "[saved] s");
    settings.add_filter(r#""(cost|saved)": [0-9.]+"#, "\"$1\": [seconds]");
    settings.add_filter(r#""index_bytes": \d+"#, "\"index_bytes\": [bytes]");
    settings.add_filter(r"records, \d+ bytes", "records, [bytes] bytes");
    settings.add_filter(r#"tester@[^\s",]+"#, "tester@[host]");
    settings.bind(body);
}

#[test]
fn what_there_is_in_text_and_json() {
    let project = deployed();
    project.run("plan").ended(0);
    let text = |line: &str| project.run(line).ended(0).stdout;
    let document = |line: &str, schema: &str| {
        let ran = project.run(&format!("{line} --format json")).ended(0);
        parsed(&ran, schema);
        ran.stdout
    };
    stable(&project, || {
        insta::assert_snapshot!("status_text", text("cache status --remote"));
        insta::assert_snapshot!("status_json", document("cache status --remote", "cache-status"));
        insta::assert_snapshot!("status_probed_text", text("cache status --probe"));
        insta::assert_snapshot!("policy_write", text("cache status --iam-policy"));
        insta::assert_snapshot!("policy_read", text("cache status --iam-policy read"));
        insta::assert_snapshot!("ls_text", text("cache ls"));
        insta::assert_snapshot!(
            "ls_json",
            document("cache ls --kind template-object --stack a", "cache-records")
        );
        insta::assert_snapshot!("explain_text", text("cache explain a"));
        insta::assert_snapshot!("explain_json", document("cache explain b", "cache-explain"));
        insta::assert_snapshot!("verify_text", text("cache verify"));
        insta::assert_snapshot!("verify_json", document("cache verify --sample 0", "cache-verify"));
        insta::assert_snapshot!("warm_text", text("cache warm"));
        insta::assert_snapshot!("warm_json", document("cache warm", "cache-change"));
    });
    assert_eq!(text("cache ls --kind blueprint"), "no records\n");
    for line in ["cache explain nobody", "cache ls --stack nobody", "cache clear --yes --stack nobody"] {
        let ran = project.run(line).ended(64);
        assert!(ran.stderr.contains("`nobody` is no stack"), "{line}: {}", ran.stderr);
    }
    for line in ["cache ls --kind stack-templates", "cache clear --yes --kind stack-templates"] {
        let ran = project.run(line).ended(64);
        assert!(ran.stderr.contains("stack-template, template-object"), "{line}: {}", ran.stderr);
    }
}

#[test]
fn what_is_taken_away_in_text_and_json() {
    let project = deployed();
    let text = |line: &str| project.run(line).ended(0).stdout;
    let document = |line: &str| {
        let ran = project.run(&format!("{line} --format json")).ended(0);
        parsed(&ran, "cache-change");
        ran.stdout
    };
    project.run("cache export all.cache").ended(0);
    stable(&project, || {
        insta::assert_snapshot!("gc_text", text("cache gc --dry-run --max-entries 1"));
        insta::assert_snapshot!("gc_json", document("cache gc --max-entries 3"));
        insta::assert_snapshot!("clear_stack_text", text("cache clear --yes --stack a"));
        insta::assert_snapshot!("clear_text", text("cache clear --yes"));
        insta::assert_snapshot!("clear_json", document("cache clear --yes --remote"));
        insta::assert_snapshot!("import_text", text("cache import all.cache"));
        insta::assert_snapshot!("import_json", document("cache import all.cache"));
    });
    // Emptied or not: the plan is the same.
    assert!(text("plan").contains("No changes"));
    let asked = project.run("cache clear").ended(31);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
}

#[test]
fn an_explanation_names_the_input_that_changed() {
    let project = deployed();
    project.stacks(&TWO.replace("Note: x", "Note: y"));
    project.run("deploy --yes --no-cache").ended(0);
    let ran = project.run("cache explain a").ended(0);
    assert!(ran.stdout.starts_with("miss: stack-template of ns-a@us-east-1\n"), "{}", ran.stdout);
    let changed: Vec<&str> = ran.stdout.lines().filter(|line| line.ends_with("changed")).collect();
    assert_eq!(changed, ["    input LastUpdatedTime changed", "    input StackStatus changed"]);
    let document = parsed(&project.run("cache explain a --format json").ended(0), "cache-explain");
    assert_eq!(document["asked"][0]["hit"], false);
    let names: Vec<&Value> =
        document["asked"][0]["differences"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["LastUpdatedTime", "StackStatus"]);

    // A record by its key, and by the first digits of it.
    let key = document["asked"][0]["nearest"]["key"].as_str().unwrap();
    for about in [key, &key[..16]] {
        let ran = project.run(&format!("cache explain {about}")).ended(0);
        assert!(ran.stdout.contains(&format!("closest record {}", &key[..16])), "{}", ran.stdout);
    }
    // To explain is to look: the next deploy still has to read the template.
    let ran = project.run("deploy --yes").ended(0);
    assert!(ran.stderr.contains("cache: 0 hits, 2 misses"), "{}", ran.stderr);
}

#[test]
fn a_line_at_the_end_and_a_member_of_the_report_say_what_it_saved() {
    let project = deployed();
    let ran = project.run("plan").ended(0);
    let told = ran.stderr.lines().last().unwrap();
    assert!(told.starts_with("cache: 2 hits, 0 misses, 1 request, saved about "), "{}", ran.stderr);
    let plans = ["plan", "plan --format json", "plan --format markdown", "plan --full"];
    for line in plans {
        let with = project.run(line).ended(0).stdout;
        let without = project.run(&format!("{line} --no-cache")).ended(0);
        assert_eq!(with, without.stdout, "a plan says nothing of the cache");
        assert!(!without.stderr.contains("cache:"), "{}", without.stderr);
    }
    for line in ["plan --quiet", "plan --format json", "deploy --yes --format json"] {
        let ran = project.run(line).ended(0);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("cache:"), "{line}: {}", ran.stderr);
    }
    let ran = project.run("deploy --yes --format json --report r.json").ended(0);
    assert!(!ran.stdout.contains("hits"));
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(project.path().join("r.json")).unwrap()).unwrap();
    check("report", &report);
    let mut cache = report["cache"].clone();
    cache["saved"].take();
    let expected =
        json!({"hits": 2, "misses": 0, "requests": 1, "saved": null, "published": 0, "checked": 0});
    assert_eq!(cache, expected);
    let report = |line: &str| {
        project.run(line).ended(0);
        let text = std::fs::read_to_string(project.path().join("r.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["cache"].clone()
    };
    assert_eq!(report("deploy --yes --no-cache --report r.json"), Value::Null);
    // Everything anew: two misses, which are written although they say what was known.
    assert_eq!(report("deploy --yes --cache refresh --report r.json")["misses"], 2);
}

#[test]
fn modes_say_what_is_read_and_written() {
    let project = Project::with_stacks(TWO);
    project.run("deploy --yes --no-cache").ended(0);
    assert_eq!((local_files(&project).len(), index_in_bucket(&project).len()), (0, 0));
    project.run("deploy --yes --cache read").ended(0);
    assert_eq!((local_files(&project).len(), index_in_bucket(&project).len()), (0, 0));
    // A plan keeps what it read on this machine, whatever it is told about the bucket.
    for line in ["plan", "plan --cache-remote read-write", "plan --cache refresh", "status", "validate"] {
        project.run(line).ended(0);
        assert_eq!(index_in_bucket(&project).len(), 0, "{line}");
    }
    assert!(!local_files(&project).is_empty());
    project.run("deploy --yes --cache-remote read").ended(0);
    assert_eq!(index_in_bucket(&project).len(), 0);
    let in_environment =
        project.command("deploy --yes").env("RUNWAY_RS_CACHE_REMOTE", "off").output().unwrap();
    assert!(in_environment.status.success());
    assert_eq!(index_in_bucket(&project).len(), 0);
    project.run("deploy --yes").ended(0);
    assert_eq!(
        index_in_bucket(&project).len(),
        1,
        "what a plan read is published by a deploy that has use for it"
    );
    project.run("deploy --yes").ended(0);
    assert_eq!(index_in_bucket(&project).len(), 1, "nothing new is not written");

    project.run("plan --cache sometimes").ended(64);
    project.run("plan --no-cache --cache read").ended(64);
    let wrong = project.command("plan").env("RUNWAY_RS_CACHE", "yes").output().unwrap();
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("RUNWAY_RS_CACHE"), "{wrong:?}");
}

#[test]
fn warming_writes_nothing_where_it_is_forbidden() {
    let project = Project::with_stacks(TWO);
    project.run("deploy --yes --no-cache").ended(0);
    for line in ["cache warm --cache read", "cache warm --no-cache"] {
        let ran = project.run(line).ended(64);
        assert!(ran.stderr.contains("cache::nothing_to_warm"), "{line}: {}", ran.stderr);
    }
    let ran = project.run("cache warm --cache-remote read").ended(0);
    assert!(ran.stdout.contains("is only read") && !ran.stdout.contains("wrote"), "{}", ran.stdout);
    let ran = project.run("cache warm --cache-remote off").ended(0);
    assert!(ran.stdout.contains("is off") && !ran.stdout.contains("wrote"), "{}", ran.stdout);
    assert_eq!(index_in_bucket(&project).len(), 0);
    project.run("cache warm").ended(0);
    assert_eq!(index_in_bucket(&project).len(), 1);
    let off = Project::new(&format!("{HEAD}cache: {{enabled: false}}\nstacks:\n{TWO}"));
    off.run("deploy --yes").ended(0);
    off.run("cache warm").ended(64);
    assert!(local_files(&off).is_empty());
    for line in ["cache verify", "cache explain a"] {
        assert!(off.run(line).ended(0).stderr.contains("is off"), "{line}");
    }
}

#[test]
fn the_config_says_where_and_how() {
    let project = Project::new(&format!(
        "{HEAD}cfngin_cache_dir: kept\ncache: {{remote: 'off', max_age: 5d}}\nstacks:\n{TWO}"
    ));
    project.run("deploy --yes").ended(0);
    project.run("plan").ended(0);
    assert!(local_files(&project).is_empty() && !files(&project.path().join("kept")).is_empty());
    assert_eq!(index_in_bucket(&project).len(), 0);
    let status = parsed(&project.run("cache status --format json").ended(0), "cache-status");
    assert_eq!(
        (&status["local_mode"], &status["remote_mode"], &status["max_age_days"]),
        (&json!("read-write"), &json!("off"), &json!(5))
    );
    project.run("deploy --yes --cache-remote auto").ended(0);
    assert_eq!(index_in_bucket(&project).len(), 1, "flags win over the config");
}

#[test]
fn a_bucket_that_is_not_there_is_no_trouble_for_plans_and_an_answer_for_commands() {
    let project = Project::with_stacks(TWO);
    let plan = project.run("plan").ended(0);
    assert!(!plan.stderr.contains("cache::"), "{}", plan.stderr);
    let status = parsed(&project.run("cache status --remote --format json").ended(0), "cache-status");
    assert_eq!(status["remote"]["records"], 0);
    let warm = project.run("cache warm").ended(0);
    assert!(warm.stdout.contains("wrote 0 records"), "{}", warm.stdout);
    let clear = project.run("cache clear --yes").ended(0);
    assert!(clear.stderr.contains("no bucket yet"), "{}", clear.stderr);
    assert!(clear.stdout.starts_with("this machine: removed"), "{}", clear.stdout);
    project.run("cache clear --yes --local").ended(0);
    let ran = project.run("deploy --yes").ended(0);
    assert!(!ran.stderr.contains("cache::"), "{}", ran.stderr);
}

#[test]
fn a_damaged_index_costs_one_warning() {
    let project = deployed();
    let whole = project.run("plan").ended(0);
    let current = index_in_bucket(&project).pop().unwrap();
    let bytes = std::fs::read(&current).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let garbage = [&bytes[..end], vec![b'x'; bytes.len() - end].as_slice()].concat();
    std::fs::write(&current, garbage).unwrap();
    forget_local(&project);
    for line in ["cache gc --dry-run", "cache gc"] {
        let ran = project.run(line).ended(0);
        assert_eq!(ran.stderr.matches("cache::unreadable").count(), 1, "{line}: {}", ran.stderr);
    }
    for line in ["plan", "deploy --yes"] {
        let ran = project.run(line).ended(0);
        assert_eq!(ran.stdout, whole.stdout);
        assert_eq!(ran.stderr.matches("cache::unreadable").count(), 1, "{line}: {}", ran.stderr);
    }
    let mended = project.run("plan").ended(0);
    assert!(
        mended.stderr.contains("cache: 2 hits") && !mended.stderr.contains("cache::"),
        "{}",
        mended.stderr
    );

    for path in local_files(&project) {
        std::fs::write(path, "garbage").unwrap();
    }
    let ran = project.run("plan").ended(0);
    assert_eq!(ran.stdout, whole.stdout);
    assert_eq!(ran.stderr.matches("cache::unreadable").count(), 1, "{}", ran.stderr);
}

#[test]
fn a_directory_that_cannot_be_written_costs_nothing_but_time() {
    let project = deployed();
    let whole = project.run("plan").ended(0);
    forget_local(&project);
    // Not even root can write below a file.
    project.file(".runway/cache", "in the way");
    for line in ["plan", "deploy --yes"] {
        let ran = project.run(line).ended(0);
        assert_eq!(ran.stdout, whole.stdout);
        assert!(ran.stderr.contains("cache::local_unavailable"), "{line}: {}", ran.stderr);
    }
    for line in ["cache status", "cache ls", "cache clear --yes", "cache export x.cache"] {
        let ran = project.run(line).ended(10);
        assert!(ran.stderr.contains("cache::local_unavailable"), "{line}: {}", ran.stderr);
    }
    std::fs::remove_file(project.path().join(".runway/cache")).unwrap();
    project.run("cache export /nowhere/x.cache").ended(10);
}

#[cfg(unix)]
#[test]
fn what_was_emptied_is_told_also_if_the_rest_could_not_be() {
    let project = deployed();
    forget_local(&project);
    // Nothing is there to be read, and nothing can be written.
    std::os::unix::fs::symlink("/nowhere/at/all", project.path().join(".runway/cache")).unwrap();
    let ran = project.run("cache clear --yes").ended(10);
    assert!(ran.stdout.starts_with("bucket: removed 4 records"), "{}", ran.stdout);
    assert!(ran.stderr.contains("cache::local_unavailable"), "{}", ran.stderr);
}

#[test]
fn any_file_may_be_deleted_at_any_time() {
    let project = deployed();
    let whole = project.run("plan").ended(0).stdout;
    for at in 0..local_files(&project).len() {
        let files = local_files(&project);
        std::fs::remove_file(&files[at.min(files.len() - 1)]).unwrap();
        assert_eq!(project.run("plan").ended(0).stdout, whole);
    }
    for path in index_in_bucket(&project) {
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(project.run("deploy --yes").ended(0).stdout, whole);
}

#[test]
fn a_bundle_of_another_project_is_harmless_and_one_that_is_none_is_refused() {
    let (one, other) = (deployed(), deployed());
    let whole = one.run("plan").ended(0).stdout;
    other.run("cache export ours.cache").ended(0);
    std::fs::copy(other.path().join("ours.cache"), one.path().join("theirs.cache")).unwrap();
    let ran = one.run("cache import theirs.cache").ended(0);
    assert_eq!(ran.stdout, "imported 4 records\n");
    let plan = one.run("plan").ended(0);
    assert_eq!(plan.stdout, whole);
    assert!(plan.stderr.contains("cache: 2 hits, 0 misses"), "{}", plan.stderr);
    one.run("cache verify").ended(0);

    one.file("none.cache", "no bundle");
    let ran = one.run("cache import none.cache").ended(10);
    assert!(ran.stderr.contains("the bundle cannot be read"), "{}", ran.stderr);
    one.run("cache import nowhere.cache").ended(10);
    // What is signed with another key, or not at all, is passed over.
    let mut keyed = one.command("cache import theirs.cache");
    let keyed = keyed.env("RUNWAY_RS_CACHE_KEY", "s3cret-key").output().unwrap();
    assert!(
        String::from_utf8_lossy(&keyed.stdout).starts_with("imported 0 records; passed over 4"),
        "{keyed:?}"
    );
}

#[test]
fn a_bundle_carries_the_cache_to_another_machine() {
    let project = deployed();
    project.run("cache export all.cache").ended(0);
    forget_local(&project);
    project.run("cache import all.cache --cache-remote off").ended(0);
    let ran = project.run("plan --cache-remote off").ended(0);
    assert!(ran.stderr.contains("cache: 2 hits, 0 misses, 0 requests"), "{}", ran.stderr);
}

#[test]
fn unsigned_records_are_passed_over_where_there_is_a_key() {
    let project = deployed();
    let with_key = |line: &str| {
        let output = project.command(line).env("RUNWAY_RS_CACHE_KEY", "s3cret-key").output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let told = with_key("deploy --yes");
    assert!(told.contains("cache::bad_signature") && told.contains("2 misses"), "{told}");
    let told = with_key("plan");
    assert!(!told.contains("cache::") && told.contains("2 hits"), "{told}");
    for path in files(&project.path().join(".runway")) {
        assert!(!String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("s3cret"), "{path:?}");
    }
}

#[test]
fn a_record_that_lies_is_found() {
    let project = deployed();
    project.run("cache export all.cache").ended(0);
    let mut bundle = codec::decode_bundle(&std::fs::read(project.path().join("all.cache")).unwrap()).unwrap();
    let lie = Digest::of(b"another template").to_string();
    let record = bundle.index.records.values_mut().find(|record| record.subject == "ns-a@us-east-1").unwrap();
    let output = json!({"meaning": lie, "text": lie});
    record.output = Digest::of(output.to_string().as_bytes());
    record.inline = Some(output);
    // Newer than what everybody else has.
    record.at += 1;
    std::fs::write(project.path().join("forged.cache"), codec::encode_bundle(&bundle)).unwrap();
    project.run("cache import forged.cache").ended(0);
    let ran = project.run("cache verify").ended(30);
    assert!(
        ran.stdout.contains("1 came out differently\n  stack-template of ns-a@us-east-1"),
        "{}",
        ran.stdout
    );
    let document = parsed(&project.run("cache verify --format json").ended(30), "cache-verify");
    assert_eq!((&document["checked"], document["mismatches"].as_array().unwrap().len()), (&json!(2), 1));
    // Also without the command: a run that checks says so, and does what is true.
    let checked = project.command("plan").env("RUNWAY_RS_CACHE_CHECK", "1").output().unwrap();
    assert!(String::from_utf8_lossy(&checked.stderr).contains("cache: 0 hits"), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stderr).contains(", 2 checked"), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stderr).contains("cache::nondeterministic"), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stdout).contains("No changes"), "{checked:?}");
}

#[test]
fn several_configs_have_their_own() {
    let project =
        Project::with_stacks("  - {name: a, template_path: templates/t.yml, variables: {Note: x}}\n");
    std::fs::create_dir(project.path().join("templates")).unwrap();
    std::fs::rename(project.path().join("t.yml"), project.path().join("templates/t.yml")).unwrap();
    let other = |namespace: &str| {
        format!(
            "namespace: {namespace}\ncfngin_bucket: my-bucket\npersistent_graph_key: other\nstacks:\n  - {{name: o, template_path: templates/t.yml, variables: {{Note: x}}}}\n"
        )
    };
    project.file("other.yml", &other("elsewhere"));
    project.run("deploy --yes -c .").ended(0);
    let ran = project.run("deploy --yes -c .").ended(0);
    assert!(ran.stderr.ends_with("cache: 0 hits, 2 misses, 4 requests\n"), "{}", ran.stderr);
    assert_eq!(project.run("cache status -c .").ended(0).stdout.matches("this machine:").count(), 2);
    let ran = project.run("cache export x.cache -c .").ended(64);
    assert!(ran.stderr.contains("settings::several_caches"), "{}", ran.stderr);
    let ran = project.run("cache explain o -c .").ended(0);
    assert!(ran.stdout.contains("hit: stack-template of elsewhere-o@us-east-1"), "{}", ran.stdout);

    // One namespace and bucket is one cache, with one request.
    project.file("other.yml", &other("ns"));
    project.run("deploy --yes -c .").ended(0);
    project.run("deploy --yes -c .").ended(0);
    let ran = project.run("deploy --yes -c .").ended(0);
    assert!(ran.stderr.contains("cache: 2 hits, 0 misses, 1 request, saved"), "{}", ran.stderr);
    assert_eq!(project.run("cache status -c .").ended(0).stdout.matches("this machine:").count(), 1);
    project.run("cache export x.cache -c .").ended(0);
}
