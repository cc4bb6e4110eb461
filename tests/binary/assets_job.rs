//! Manifests for Kubernetes, held against the fields that its API has.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Ran, finished};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runway-rs"));
    command.env_clear().env("PATH", "/usr/bin:/bin").envs(variables.iter().copied());
    command.args(["assets", "job"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finished(command.spawn().unwrap())
}

#[track_caller]
fn follows_the_api(document: &Value) {
    let schema = std::fs::read_to_string(root().join("fixtures/kubernetes/batch-v1.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

const USUAL: [&str; 8] =
    ["--app", "myapp", "--bucket", "frontend", "--runner-image", "quay.io/x/runway-rs:1", "--format", "json"];

fn json(more: &[&str], variables: &[(&str, &str)]) -> Value {
    let ran = run(&[USUAL.as_slice(), more].concat(), variables).ended(0);
    let document = serde_json::from_str(&ran.stdout).unwrap();
    follows_the_api(&document);
    document
}

fn words(document: &Value, pointer: &str) -> Vec<String> {
    let list = document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {document:#}"));
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

const ARGS: &str = "/spec/template/spec/containers/0/args";

#[test]
fn the_manifests_of_the_documentation_are_what_their_command_prints() {
    for name in ["assets-job.yaml", "assets-cronjob.yaml"] {
        let text = std::fs::read_to_string(root().join("docs/examples").join(name)).unwrap();
        let (line, manifest) = text.split_once('\n').unwrap();
        let line = line.strip_prefix("# runway-rs assets job ").unwrap();
        // Every second text between quotes is one word.
        let parts = line.split('"').enumerate();
        let arguments: Vec<&str> = parts
            .flat_map(|(at, part)| if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
            .collect();
        assert_eq!(run(&arguments, &[]).ended(0).stdout, manifest, "{name}");
        let document = run(&[arguments.as_slice(), &["--format", "json"]].concat(), &[]).ended(0).stdout;
        follows_the_api(&serde_json::from_str(&document).unwrap());
    }
}

#[test]
fn a_job_pushes_with_the_options_that_were_given() {
    let options =
        ["--image", "quay.io/x/myapp:2", "--entry", "index.html", "--entry=-odd", "--deny-in-place"];
    let more = ["--cache-control", "no-cache, $(X)", "--no-prune", "--purge-cmd", "/purge all"];
    let variables = [("RUNWAY_RS_ASSETS_LATE", "*.map,*.txt"), ("RUNWAY_RS_ASSETS_FORCE", "false")];
    let job = json(&[options.as_slice(), &more].concat(), &variables);
    let expected = [
        "assets",
        "push",
        "--app",
        "myapp",
        "--source",
        "/assets",
        "--image",
        "quay.io/x/myapp:2",
        "--bucket",
        "frontend",
    ];
    let args = words(&job, ARGS);
    assert_eq!(args[..expected.len()], expected);
    let rest = args[expected.len()..].join(" ");
    for part in [
        "--entry index.html --entry=-odd",
        "--late *.map --late *.txt",
        "--deny-in-place",
        "--no-prune",
        "--purge-cmd /purge all",
        // The cluster makes one dollar of two, and puts no variable there.
        "--cache-control no-cache, $$(X)",
    ] {
        assert!(rest.contains(part), "no {part} in {rest}");
    }
    for part in ["--force", "--runner-image", "--format", "--threshold", "--concurrency"] {
        assert!(!rest.contains(part), "{part} in {rest}");
    }
    // The very same words are what a push understands.
    let mut command = Command::new(env!("CARGO_BIN_EXE_runway-rs"));
    command.env_clear().args(&args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.args(["--directory", "nowhere"]);
    let told = finished(command.spawn().unwrap()).ended(64);
    assert!(
        told.stderr.contains("'--bucket <BUCKET>' cannot be used with '--directory <DIR>'"),
        "{}",
        told.stderr
    );
}

#[test]
fn valpops_variables_are_passed_on_as_options() {
    let variables = [
        ("VALPOP_HOSTNAME", "minio"),
        ("VALPOP_PORT", "9000"),
        ("VALPOP_TIMEOUT", "60"),
        ("VALPOP_MIN_ASSET_RECORDS", "9"),
        ("VALPOP_CACHE_MAX_AGE", "77"),
    ];
    let both = json(&["--cron", "@daily", "--image", "i:1"], &variables);
    let push = words(&both["items"][0], ARGS).join(" ");
    let prune = words(&both["items"][1], &format!("/spec/jobTemplate{ARGS}")).join(" ");
    for args in [&push, &prune] {
        for part in ["--endpoint http://minio:9000", "--threshold 60s", "--min-keep 9"] {
            assert!(args.contains(part), "no {part} in {args}");
        }
    }
    assert!(push.contains("--cache-control public, max-age=77"), "{push}");
    assert!(!prune.contains("--cache-control"), "{prune}");
    // Our own options win.
    let own =
        json(&["--image", "i:1", "--endpoint", "https://s3.example.com", "--threshold", "2h"], &variables);
    let push = words(&own, ARGS).join(" ");
    assert!(!push.contains("minio") && !push.contains("60s"), "{push}");
}

#[test]
fn a_pod_may_do_no_more_than_it_has_to() {
    let job = json(&["--image", "quay.io/x/myapp:2", "--secret", "assets-bucket"], &[]);
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(
        (&pod["restartPolicy"], &pod["securityContext"]["runAsNonRoot"]),
        (&"Never".into(), &true.into())
    );
    assert_eq!(pod["automountServiceAccountToken"], false);
    for container in ["initContainers", "containers"].map(|kind| &pod[kind][0]) {
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
        assert_eq!(context["capabilities"]["drop"][0], "ALL", "{container}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
    }
    assert_eq!(pod["initContainers"][0]["envFrom"], Value::Null, "the app's image needs no keys");
    assert_eq!(pod["containers"][0]["envFrom"][0]["secretRef"]["name"], "assets-bucket");
    assert_eq!(pod["containers"][0]["volumeMounts"][0]["readOnly"], true);
    let policy = &job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"];
    assert_eq!(policy["containerName"], pod["containers"][0]["name"]);
    let cluster = json(&["--image", "i", "--run-as", "any"], &[]);
    let context = &cluster["spec"]["template"]["spec"]["securityContext"];
    assert_eq!((&context["runAsNonRoot"], &context["runAsUser"]), (&true.into(), &Value::Null));
}

#[test]
fn secrets_of_whoever_prints_it_are_not_in_it() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIASECRET"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("VALPOP_USERNAME", "hunter3"),
        ("VALPOP_PASSWORD", "hunter4"),
    ];
    let job = json(&["--image", "quay.io/x/myapp:2"], &variables).to_string();
    assert!(!job.contains("SECRET") && !job.contains("hunter"), "{job}");
}

#[test]
fn names_are_those_that_a_cluster_takes() {
    let name = |app: &str, more: &[&str]| {
        let all = [["--app", app, "--image", "i:1"].as_slice(), &USUAL[2..], more].concat();
        let document: Value = serde_json::from_str(&run(&all, &[]).ended(0).stdout).unwrap();
        follows_the_api(&document);
        document["metadata"].clone()
    };
    assert_eq!(name("myapp", &[])["generateName"], "myapp-assets-push-");
    let long = "Very.Long_App-".repeat(9);
    let odd = ["My.App", "my_app", "MY-APP", long.as_str()]
        .map(|app| name(app, &["--name-by-build"])["name"].clone());
    let different: std::collections::BTreeSet<String> = odd.iter().map(ToString::to_string).collect();
    assert_eq!(different.len(), odd.len(), "{odd:?}");
    let by_build =
        |more: &[&str]| name("myapp", &[["--name-by-build"].as_slice(), more].concat())["name"].clone();
    assert_eq!(by_build(&[]), by_build(&[]), "the same build has the same name");
    assert_ne!(by_build(&[]), by_build(&["--build-timestamp", "5"]));
}

#[test]
fn a_cron_job_prunes_and_never_twice_at_once() {
    let cron = json(&["--cron", "0 3 * * *", "--min-keep", "5", "--service-account", "writer"], &[]);
    assert_eq!((&cron["kind"], &cron["spec"]["concurrencyPolicy"]), (&"CronJob".into(), &"Forbid".into()));
    let args = words(&cron, &format!("/spec/jobTemplate{ARGS}"));
    assert_eq!(args, ["assets", "prune", "--app", "myapp", "--bucket", "frontend", "--min-keep", "5"]);
    let both = json(&["--cron", "@daily", "--image", "i:1", "--deny-in-place", "--orphans"], &[]);
    let items = both["items"].as_array().unwrap();
    assert_eq!((&items[0]["kind"], &items[1]["kind"]), (&"Job".into(), &"CronJob".into()));
    let prune = words(&items[1], &format!("/spec/jobTemplate{ARGS}"));
    assert!(
        prune.contains(&"--orphans".to_owned()) && !prune.contains(&"--deny-in-place".to_owned()),
        "{prune:?}"
    );
    let yaml = run(&[&USUAL[..6], &["--cron", "@daily", "--image", "i:1"]].concat(), &[]).ended(0).stdout;
    assert_eq!(yaml.matches("---\n").count(), 1);
}

#[test]
fn what_a_cluster_would_refuse_is_refused_before() {
    let told = |more: &[&str], words: &str| {
        let ran = run(&[USUAL.as_slice(), more].concat(), &[]).ended(64);
        assert!(ran.stderr.contains(words), "no {words:?} in:\n{}", ran.stderr);
    };
    told(&[], "RUNWAY_RS_ASSETS_IMAGE");
    told(&["--cron", "0 25 * * *"], "0 3 * * *");
    told(&["--image", "i", "--secret", "My Secret"], "lower-case");
    told(&["--image", "i", "--namespace", "a.b"], "lower-case");
    told(&["--image", "i", "--run-as", "0"], "must not run as root");
    told(&["--image", "i", "--source-path", "dist"], "absolute path");
    told(&["--image", "i", "--purge-cmd", "a 'b"], "a quote is not closed");
    let nowhere = run(&["--app", "a", "--runner-image", "r", "--image", "i"], &[]).ended(64);
    assert!(nowhere.stderr.contains("RUNWAY_RS_ASSETS_BUCKET"), "{}", nowhere.stderr);
    // A secret may say which bucket it is.
    run(&["--app", "a", "--runner-image", "r", "--image", "i", "--secret", "s"], &[]).ended(0);
}
