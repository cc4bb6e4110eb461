//! Package sources: fetched, merged, deployed, and told about when they cannot be had.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use runway_core::clock::TokioClock;
use runway_core::provider::Provider as _;
use runway_local::Local;
use runway_store::{BucketName, ObjectKey, Put};

use crate::support::{HEAD, Project, TEMPLATE};

/// A config that others build on.
const SHARED: &str = "namespace: shared\nstacks:\n  base: {template_path: shared.yml, variables: {Note: x}}\n  app: {variables: {Note: y}}\n";

fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@localhost"]).args(arguments);
    let output = command.current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{arguments:?} {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A project with a repository `shared` beside its config, whose first commit has the tag `v1`.
fn with_repository(config: &str, shared: &str) -> Project {
    let project = Project::new(config);
    let repository = project.path().join("shared");
    std::fs::create_dir_all(repository.join("configs")).unwrap();
    std::fs::create_dir_all(repository.join("templates")).unwrap();
    project.file("shared/configs/base.yml", shared);
    project.file("shared/templates/shared.yml", TEMPLATE);
    git(&repository, &["init", "-q", "-b", "main"]);
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-q", "-m", "first"]);
    git(&repository, &["tag", "v1"]);
    project
}

/// A config with a source of the repository.
fn config(reference: &str) -> String {
    format!(
        "{HEAD}package_sources:\n  git:\n    - uri: ./shared\n      {reference}\n      configs: [configs/base.yml]\n      paths: [templates]\nstacks:\n  app: {{template_path: t.yml, requires: [base]}}\n"
    )
}

#[test]
fn a_repository_is_merged_deployed_and_pinned() {
    let project = with_repository(&config("tag: v1"), SHARED);
    let commit = git(&project.path().join("shared"), &["rev-parse", "HEAD"]);
    let ran = project.run("deploy --yes").ended(0);
    assert!(
        ran.stderr.contains(&format!("package source ./shared at commit {commit} of tag v1\n")),
        "{}",
        ran.stderr
    );
    assert_eq!(project.graph()["stacks"]["app"]["needs"], serde_json::json!(["base"]));
    let outputs = project.run("outputs --format json").ended(0).stdout;
    let outputs: serde_json::Value = serde_json::from_str(&outputs).unwrap();
    assert!(outputs.to_string().contains("\"y\""), "{outputs}");
    // What is pinned is in the cache.
    std::fs::remove_dir_all(project.path().join("shared")).unwrap();
    let ran = project.run("plan --detailed-exitcode").ended(0);
    assert!(ran.stderr.contains(&commit), "{}", ran.stderr);
    project.run("destroy --yes").ended(0);
}

#[test]
fn a_branch_is_looked_up_in_every_run() {
    let project = with_repository(&config("branch: main"), SHARED);
    project.run("deploy --yes").ended(0);
    project.file("shared/configs/base.yml", &SHARED.replace("Note: x", "Note: z"));
    git(&project.path().join("shared"), &["commit", "-q", "-am", "second"]);
    let ran = project.run("plan --detailed-exitcode").ended(2);
    assert!(ran.stdout.contains("base"), "{}", ran.stdout);
}

#[test]
fn an_error_in_a_merged_config_is_shown_there() {
    let shared = "# Shared by all\nstacks:\n  base:\n    template_path: shared.yml\n    variables: {Note: x}\n    enabled: maybe\n  two: {}\n";
    let project = with_repository(&config("tag: v1"), shared);
    let ran = project.run("plan").ended(10);
    let place = "configs/base.yml:6:14]";
    assert!(ran.stderr.contains(place), "{}", ran.stderr);
    assert!(ran.stderr.contains("6 │     enabled: maybe"), "{}", ran.stderr);
    let json = project.run("plan --format json").ended(10);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let finding = &json["error"]["findings"][0];
    assert!(finding["file"].as_str().unwrap().ends_with("shared-v1/configs/base.yml"), "{finding}");
    assert_eq!((&finding["line"], &finding["column"]), (&6.into(), &14.into()));
}

#[test]
fn stacks_of_the_same_name_in_lists_are_told_with_both_files() {
    let shared = "stacks:\n  - {name: app, template_path: t.yml}\n";
    let text = config("tag: v1")
        .replace("  app: {template_path: t.yml, requires: [base]}", "  - {name: app, template_path: t.yml}");
    let project = with_repository(&text, shared);
    let ran = project.run("plan").ended(10);
    let directory = project.path().to_str().unwrap();
    let stderr: String = ran
        .stderr
        .lines()
        .filter(|line| !line.contains("at commit"))
        .map(|line| format!("{line}\n"))
        .collect();
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("duplicate_in_two_files", stderr.replace(directory, "[project]"));
    });
}

#[test]
fn sources_that_cannot_be_had_are_named_all_at_once() {
    let text = format!(
        "{HEAD}package_sources:\n  local:\n    - source: ../nowhere\n  git:\n    - uri: ./shared\n      branch: nope\n    - uri: ./shared\n      tag: v1\n      configs: [config/base.yml]\n      paths: [templates, lib]\n    - uri: ./other\n    - uri: \"-oProxyCommand=x\"\n      commit: abcdef\n  s3:\n    - {{bucket: packages, key: gone.zip}}\nstacks: []\n"
    );
    let project = with_repository(&text, SHARED);
    let ran = project.run("plan --format json").ended(10);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let findings = json["error"]["findings"].as_array().unwrap();
    let mut found: Vec<String> = findings
        .iter()
        .map(|finding| format!("{} {}", finding["line"], finding["message"].as_str().unwrap()))
        .map(|text| text.replace(project.path().to_str().unwrap(), "[project]"))
        .collect();
    found.sort();
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_debug_snapshot!("sources_that_cannot_be_had", found);
    });
}

#[test]
fn validate_asks_nobody_unless_told() {
    let project = with_repository(&config("branch: main"), SHARED);
    let ran = project.run("validate").ended(10);
    assert!(
        ran.stderr.contains("./shared is not in the cache") && ran.stderr.contains("--fetch"),
        "{}",
        ran.stderr
    );
    assert!(!project.path().join(".runway").exists());
    project.run("validate --fetch").ended(0);
    project.file("cfngin.yml", &config("tag: v1"));
    project.run("validate").ended(10);
    project.run("plan").ended(0);
    project.run("validate").ended(0);
}

#[test]
fn a_directory_beside_the_config_is_merged_without_being_fetched() {
    let text = format!(
        "{HEAD}package_sources: {{local: [{{source: ./shared, configs: [configs/base.yml], paths: [templates]}}]}}\nstacks: {{app: {{template_path: t.yml}}}}\n"
    );
    let project = with_repository(&text, SHARED);
    project.run("validate").ended(0);
    project.run("deploy --yes").ended(0);
}

#[tokio::test]
async fn an_archive_in_the_bucket_of_the_provider_is_merged() {
    let text = format!(
        "{HEAD}package_sources:\n  s3:\n    - {{bucket: packages, key: lib/shared.zip, configs: [base.yml]}}\nstacks:\n  app: {{template_path: t.yml}}\n"
    );
    let project = Project::new(&text);
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let base = SHARED.replace("shared.yml", "t.yml");
    for (name, text) in [("base.yml", base.as_str()), ("lib/__init__.py", "")] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    let archive = archive.finish().unwrap().into_inner();
    let options = runway_local::Options { region: "us-east-1".into(), ..runway_local::Options::default() };
    let clock = Arc::new(TokioClock::starting_at(jiff::Timestamp::now()));
    let local = Local::directory(project.path().join(".runway/local"), clock, options).unwrap();
    let bucket = BucketName::new("packages");
    local.create_bucket(&bucket).await.unwrap();
    let store = local.object_store(&bucket, None);
    let object = store.put(&ObjectKey::new("lib/shared.zip"), archive.into(), &Put::default()).await.unwrap();
    let ran = project.run("deploy --yes").ended(0);
    let told = format!("(ETag {})", object.etag);
    assert!(
        ran.stderr.contains("package source s3://packages/lib/shared.zip at ") && ran.stderr.contains(&told),
        "{}",
        ran.stderr
    );
    assert_eq!(project.graph()["stacks"].as_object().unwrap().len(), 2);
    project.run("validate").ended(10);
    project.run("validate --fetch").ended(0);
}
