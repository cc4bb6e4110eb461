//! The process behind the bridge: found or not, started once, ended by whom.

use std::time::{Duration, Instant};

use runway_core::registry::{BlueprintRenderer as _, HookHandler as _};
use serde_json::json;

use crate::support::{Output, Project, call, python, request, write_script};

fn runs(process: &str) -> bool {
    // A zombie runs no more.
    fs_err::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn wait_until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited too long");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn one_config_costs_one_start() {
    let mut project = Project::new();
    let starts = project.count_starts();
    let bridge = project.bridge();
    assert!(!starts.exists(), "nothing was asked for yet");
    let output = Output::default();
    let blueprint = request("blueprints.network.Queues", json!({"Names": ["A"]}));
    let hook = call("hooks.plain.data", json!({}));
    let (one, two, three) =
        tokio::join!(bridge.render(&blueprint), bridge.render(&blueprint), bridge.run(&hook, &output));
    assert_eq!(one.unwrap(), two.unwrap());
    three.unwrap();
    assert_eq!(fs_err::read_to_string(starts).unwrap(), "start\n");
}

#[tokio::test]
async fn an_end_in_the_middle_is_told_and_final() {
    let cases =
        [("vanishes", "exit status: 7", "last words"), ("crashes", "signal: 11", "Segmentation fault")];
    for (hook, status, last) in cases {
        let mut project = Project::new();
        let starts = project.count_starts();
        let bridge = project.bridge();
        let output = Output::default();
        let failure =
            bridge.run(&call(&format!("hooks.plain.{hook}"), json!({})), &output).await.unwrap_err();
        let sentence = format!("Python ended in the middle of the hook `hooks.plain.{hook}` ({status}");
        assert!(failure.message.starts_with(&sentence), "{}", failure.message);
        assert!(failure.detail.as_ref().unwrap().contains(last), "{failure:?}");
        let again =
            bridge.render(&request("blueprints.network.Queues", json!({"Names": []}))).await.unwrap_err();
        assert_eq!(again, failure);
        assert_eq!(fs_err::read_to_string(starts).unwrap(), "start\n", "it is not started again silently");
    }
}

#[tokio::test]
async fn a_hook_that_takes_too_long_is_killed_with_all_it_started() {
    let mut project = Project::new();
    project.settings.timeout = Duration::from_secs(8);
    let marker = project.path().join("marker");
    let bridge = project.bridge();
    let output = Output::default();
    let failure =
        bridge.run(&call("hooks.plain.sleeps", json!({"marker": marker})), &output).await.unwrap_err();
    assert_eq!(failure.message, "the hook `hooks.plain.sleeps` took longer than 8 s and was stopped");
    assert!(failure.help.unwrap().contains("RUNWAY_RS_PYTHON_TIMEOUT"));
    assert_eq!(failure.detail.unwrap(), "Last lines from Python:\ngoing to sleep");
    let processes = fs_err::read_to_string(marker).unwrap();
    wait_until(|| processes.split(' ').all(|process| !runs(process))).await;
}

#[tokio::test]
async fn what_a_vanished_python_has_started_is_killed() {
    let project = Project::new();
    let marker = project.path().join("marker");
    let bridge = project.bridge();
    let hook = call("hooks.plain.leaves_a_child", json!({"marker": marker}));
    let failure = bridge.run(&hook, &Output::default()).await.unwrap_err();
    assert!(failure.message.contains("exit status: 7"), "{}", failure.message);
    let child = fs_err::read_to_string(marker).unwrap();
    wait_until(|| !runs(&child)).await;
}

#[tokio::test]
async fn dropping_the_bridge_ends_python_working_or_not() {
    let project = Project::new();
    let marker = project.path().join("marker");
    let bridge = project.bridge();
    let output = Output::default();
    let hook = call("hooks.plain.sleeps", json!({"marker": marker}));
    tokio::select! {
        _ = bridge.run(&hook, &output) => panic!("it sleeps"),
        () = wait_until(|| fs_err::read_to_string(&marker).is_ok_and(|text| text.contains(' '))) => {}
    }
    let processes = fs_err::read_to_string(&marker).unwrap();
    wait_until(|| processes.split(' ').all(|process| !runs(process))).await;
    let failure = bridge.run(&hook, &output).await.unwrap_err();
    assert_eq!(failure.message, "the hook `hooks.plain.sleeps` was interrupted, and Python was stopped");

    let idle = project.bridge();
    idle.run(&call("hooks.plain.sleeps", json!({"marker": marker, "seconds": 0})), &output).await.unwrap();
    let processes = fs_err::read_to_string(&marker).unwrap();
    let python = processes.split(' ').next().unwrap();
    assert!(runs(python));
    drop(idle);
    wait_until(|| !runs(python)).await;
}

#[tokio::test]
#[ignore = "the other half of a test, which kills it"]
async fn sleeps_until_it_is_killed() {
    let project = Project::new();
    let marker = std::env::vars().find(|(name, _)| name == "MARKER").unwrap().1;
    project
        .bridge()
        .run(&call("hooks.plain.sleeps", json!({"marker": marker})), &Output::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn python_ends_with_a_killed_parent() {
    let directory = tempfile::tempdir().unwrap();
    let marker = directory.path().join("marker");
    let mut half = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "processes::sleeps_until_it_is_killed"])
        .env("MARKER", &marker)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| fs_err::read_to_string(&marker).is_ok_and(|text| text.contains(' '))).await;
    let processes = fs_err::read_to_string(&marker).unwrap();
    assert!(processes.split(' ').all(runs));
    half.kill().unwrap();
    half.wait().unwrap();
    wait_until(|| processes.split(' ').all(|process| !runs(process))).await;
}

#[tokio::test]
async fn a_python_that_cannot_serve_is_named_with_what_to_do() {
    let mut project = Project::new();
    let blueprint = request("blueprints.network.Queues", json!({"Names": []}));
    let mut failure = async |interpreter: Option<&str>, variables: &[(&str, &str)]| {
        project.settings.interpreter = interpreter.map(Into::into);
        for (name, value) in variables {
            project.settings.environment.insert((*name).to_owned(), (*value).to_owned());
        }
        let start = Instant::now();
        let failure = project.bridge().render(&blueprint).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(30));
        (failure.message, failure.help.unwrap(), failure.detail.unwrap_or_default())
    };

    let scripts = tempfile::tempdir().unwrap();
    let script = camino::Utf8Path::from_path(scripts.path()).unwrap().join("python");
    // Without the packages of its environment.
    write_script(&script, &format!("#!/bin/sh\nexec '{}' -S -E \"$@\"\n", python()));
    let (message, help, _) = failure(Some(script.as_str()), &[]).await;
    assert_eq!(message, format!("the Python package `runway` is not installed for {}", python()));
    assert!(help.starts_with(&format!("run `{} -m pip install runway==2.8.4`", python())), "{help}");

    let (message, help, _) = failure(Some("no-such-python"), &[]).await;
    assert_eq!(
        message,
        "Python was not found: RUNWAY_RS_PYTHON is `no-such-python`, which is not on the PATH"
    );
    assert!(help.contains("virtual environment"), "{help}");
    let (message, ..) = failure(Some("/nowhere/python"), &[]).await;
    assert!(
        message.ends_with("RUNWAY_RS_PYTHON is `/nowhere/python`, and there is no such file"),
        "{message}"
    );
    let (message, ..) = failure(None, &[("VIRTUAL_ENV", "/nowhere")]).await;
    assert!(message.ends_with("VIRTUAL_ENV is /nowhere, and there is no bin/python in it"), "{message}");
    let (message, ..) = failure(None, &[("VIRTUAL_ENV", ""), ("PATH", "/nowhere")]).await;
    assert!(
        message.ends_with("no virtual environment is active, and python3 is not on the PATH"),
        "{message}"
    );

    write_script(&script, "#!/bin/sh\necho '{\"old\": \"3.6.9\"}'\n");
    let (message, ..) = failure(Some(script.as_str()), &[]).await;
    assert_eq!(message, format!("Python 3.6.9 of {script} is too old: 3.9 or newer is needed"));
    write_script(&script, "#!/bin/sh\necho 'no license' >&2\nexit 9\n");
    let (message, _, detail) = failure(Some(script.as_str()), &[]).await;
    assert_eq!(message, format!("Python {script} ended before it was ready (exit status: 9)"));
    assert_eq!(detail, "Last lines from Python:\nno license");
    fs_err::write(&script, "not a program").unwrap();
    let (message, ..) = failure(Some(script.as_str()), &[]).await;
    assert!(message.starts_with(&format!("Python {script} cannot be started: ")), "{message}");
}

#[tokio::test]
async fn another_runway_is_told() {
    let mut project = Project::new();
    let place = project.path().join("shadow");
    project.settings.environment.insert("PYTHONPATH".to_owned(), place.to_string());
    let python = project.settings.interpreter.clone().unwrap();
    fs_err::create_dir_all(place.join("runway")).unwrap();
    let package = place.join("runway/__init__.py");
    let cases = [
        ("__version__ = '1.20.0'", format!("Runway 1.20.0 of {python} cannot be used: version 2 is needed")),
        (
            "raise ImportError('half installed')",
            format!("{python} cannot import Runway: ImportError: half installed"),
        ),
        ("import no_such_thing", format!("the Python package `no_such_thing` is not installed for {python}")),
    ];
    for (text, message) in cases {
        fs_err::write(&package, text).unwrap();
        let failure =
            project.bridge().render(&request("blueprints.network.Queues", json!({}))).await.unwrap_err();
        assert_eq!(failure.message, message);
        assert!(failure.help.is_some_and(|help| help.contains("-m pip ")));
    }
}

#[tokio::test]
async fn a_config_that_runway_refuses_is_told() {
    let project = Project::with_config(json!({"namespace": "n", "stacks": [{"name": "a"}]}));
    let failure =
        project.bridge().render(&request("blueprints.network.Queues", json!({}))).await.unwrap_err();
    assert!(failure.message.starts_with("Runway 2.8.4 does not accept the config: "), "{}", failure.message);
}

#[tokio::test]
async fn the_active_virtual_environment_is_used() {
    let mut project = Project::new();
    let python = project.settings.interpreter.take().unwrap();
    let environment = python.parent().unwrap().parent().unwrap().to_string();
    project.settings.environment.insert("VIRTUAL_ENV".to_owned(), environment);
    project.bridge().render(&request("blueprints.network.Queues", json!({"Names": []}))).await.unwrap();
}
