//! `command.run_command`, beside the real one where they must agree.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use runway_core::registry::{HandlerFailure, HookCall, HookHandler};
use runway_host::hooks::hooks;
use serde_json::{Value, json};

use crate::support::{Here, Output, call, python};

fn run_command() -> Arc<dyn HookHandler> {
    hooks(&Here::provider())["runway.cfngin.hooks.command.run_command"].clone()
}

/// A call in a directory of its own.
fn command(args: Value) -> (HookCall, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut call = call("runway.cfngin.hooks.command.run_command", args);
    call.directory = Utf8PathBuf::from_path_buf(directory.path().canonicalize().unwrap()).unwrap();
    call.environment.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    call.environment.insert("GIVEN".to_owned(), "outer".to_owned());
    fs_err::create_dir(call.directory.join("below")).unwrap();
    fs_err::write(call.directory.join("below/file"), "x").unwrap();
    (call, directory)
}

async fn run(args: Value) -> (Result<Value, HandlerFailure>, Vec<String>) {
    let (call, _directory) = command(args);
    let output = Output::default();
    let result = run_command().run(&call, &output).await;
    (result, output.lines())
}

/// What Runway's own hook returns, bytes as text.
fn runways_own(args: &Value) -> Value {
    let script = r"
import json, sys
from runway.cfngin.hooks.command import run_command
result = run_command(context=None, provider=None, **json.loads(sys.argv[1]))
print(json.dumps(result, default=lambda value: value.decode()))
";
    let (call, _directory) = command(json!({}));
    let output = Command::new(python())
        .args(["-c", script, &args.to_string()])
        .current_dir(&call.directory)
        .env_clear()
        .envs(&call.environment)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test]
async fn results_are_those_of_runway() {
    let cases = [
        json!({"command": ["echo", "a b"], "capture": true}),
        json!({"command": "ls; echo $GIVEN $MORE", "shell": true, "capture": true, "env": {"MORE": "inner"}}),
        json!({"command": ["echo $0 $1", "one", "two"], "shell": true, "capture": true}),
        json!({"command": ["ls"], "cwd": "below", "capture": true}),
        json!({"command": "ls", "cwd": "./below", "capture": true}),
        json!({"command": ["cat"], "stdin": "text\n", "capture": true, "text": true}),
        json!({"command": ["sh", "-c", "echo out; echo err >&2; exit 3"], "capture": true, "ignore_status": true}),
        json!({"command": ["sh", "-c", "kill -9 $$"], "ignore_status": true}),
        json!({"command": ["echo", "x"], "quiet": true}),
        json!({"command": ["own-name", "-c", "echo $0"], "executable": "/bin/sh", "capture": "yes"}),
    ];
    for args in cases {
        let (result, _) = run(args.clone()).await;
        assert_eq!(result.unwrap(), runways_own(&args), "{args}");
    }
}

#[tokio::test]
async fn a_failed_command_says_how_it_ended() {
    let (result, lines) = run(json!({"command": ["sh", "-c", "echo almost; exit 3"]})).await;
    let failure = result.unwrap_err();
    assert_eq!(failure.message, "the command `sh -c echo almost; exit 3` failed (exit status: 3)");
    assert_eq!(lines, ["running command: sh -c echo almost; exit 3", "almost"]);
    assert_eq!(failure.detail, None);
    let (result, lines) =
        run(json!({"command": ["sh", "-c", "echo why >&2; exit 3"], "capture": true})).await;
    assert_eq!(result.unwrap_err().detail.unwrap(), "why");
    assert_eq!(lines.len(), 1);
    assert_eq!(
        runways_own(&json!({"command": ["sh", "-c", "exit 3"]})),
        json!({}),
        "Runway: an empty result"
    );
}

#[tokio::test]
async fn mistakes_in_the_arguments_are_told() {
    let cases = [
        (json!({}), "`args.command` is missing"),
        (json!({"command": {"a": 1}}), "`args.command` must be a text or a list of texts"),
        (json!({"command": []}), "`args.command` is empty"),
        (
            json!({"command": ["ls"], "quiet": true, "capture": true}),
            "`capture` and `quiet` exclude each other",
        ),
        (json!({"command": ["ls"], "quiet": "perhaps"}), "`args.quiet` must be true or false"),
        (json!({"command": ["ls"], "env": {"A": true}}), "`args.env.A` must be a text: write it in quotes"),
        (json!({"command": ["ls"], "preexec_fn": 1}), "`args.preexec_fn` is unknown or not supported"),
        (json!({"command": "ls -l"}), "there is no program called `ls -l`"),
        (
            json!({"command": ["no-such-program"]}),
            "the program `no-such-program` cannot be started: it is not on the PATH",
        ),
        (
            json!({"command": ["./nothing"]}),
            "the program `./nothing` cannot be started: there is no such file",
        ),
        (
            json!({"command": ["below/file"]}),
            "the program `below/file` cannot be started: Permission denied (os error 13)",
        ),
    ];
    for (args, message) in cases {
        let failure = run(args).await.0.unwrap_err();
        assert_eq!(failure.message, message);
        assert!(failure.help.is_some());
    }
    let failure = run(json!({"command": ["ls"], "cwd": "nowhere"})).await.0.unwrap_err();
    assert!(failure.message.ends_with("/nowhere does not exist"), "{}", failure.message);
}

#[tokio::test]
async fn ten_megabytes_are_forwarded_or_captured() {
    let shout = "yes 0123456789 | head -c 10485760";
    let (result, lines) = run(json!({"command": shout, "shell": true})).await;
    assert_eq!(result.unwrap(), json!({"returncode": 0, "stdout": null, "stderr": null}));
    assert_eq!(lines.len(), 1 + 10_485_760_usize.div_ceil(11));
    let (result, lines) = run(json!({"command": shout, "shell": true, "capture": true})).await;
    assert_eq!(result.unwrap()["stdout"].as_str().unwrap().len(), 10_485_760);
    assert_eq!(lines.len(), 1);
    let (result, _) = run(json!({"command": ["cat"], "capture": true})).await;
    assert_eq!(result.unwrap()["stdout"], "", "unlike Runway, whose empty input cannot be read");
    // Not read by the command, and more than a pipe holds.
    let (result, _) = run(json!({"command": ["true"], "stdin": "x".repeat(1 << 20)})).await;
    assert_eq!(result.unwrap()["returncode"], 0);
}

#[tokio::test]
async fn a_program_left_behind_does_not_hold_the_run() {
    let start = Instant::now();
    let (result, lines) = run(json!({"command": "sleep 30 & echo done", "shell": true})).await;
    result.unwrap();
    assert_eq!(lines[1..], ["done"]);
    assert!(start.elapsed() < Duration::from_secs(15));
}

fn runs(process: &str) -> bool {
    // A zombie runs no more.
    fs_err::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Process group of a process.
fn group_of(process: &str) -> String {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(2).unwrap().to_owned()
}

#[tokio::test]
async fn a_command_leads_a_group_that_ends_with_it_unless_it_is_interactive() {
    let own = group_of(&std::process::id().to_string());
    for interactive in [false, true] {
        let script = "sleep 60 & echo $$ $! > marker; wait";
        let args = json!({"command": script, "shell": true, "interactive": interactive, "stdin": "x"});
        let (call, _directory) = command(args);
        let marker = call.directory.join("marker");
        let written = async || {
            loop {
                match fs_err::read_to_string(&marker) {
                    Ok(text) if text.ends_with('\n') => {
                        // Looked at while the hook still runs: it is dropped, and its group killed, right after.
                        let groups: Vec<String> = text.split_whitespace().map(group_of).collect();
                        return (text, groups);
                    }
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let (hook, output) = (run_command(), Output::default());
        let processes = tokio::select! {
            _ = hook.run(&call, &output) => panic!("it sleeps"),
            (text, groups) = written() => {
                let leader = text.split_whitespace().next().unwrap();
                let expected = if interactive { own.as_str() } else { leader };
                assert_eq!(groups, [expected, expected]);
                text
            }
        };
        let mut processes = processes.split_whitespace();
        let (shell, sleeper) = (processes.next().unwrap(), processes.next().unwrap());
        let start = Instant::now();
        while runs(shell) || (!interactive && runs(sleeper)) {
            assert!(start.elapsed() < Duration::from_secs(20), "still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if interactive {
            Command::new("kill").arg(sleeper).status().unwrap();
        }
    }
}

#[tokio::test]
async fn secrets_are_hidden_in_what_is_shown_and_kept_in_what_is_returned() {
    let (mut call, _directory) = command(json!({"command": ["sh", "-c", "echo topsecret; exit 1"]}));
    call.secrets = vec!["topsecret".to_owned()];
    let output = Output::default();
    let failure = run_command().run(&call, &output).await.unwrap_err();
    assert!(!format!("{failure:?}{:?}", output.lines()).contains("topsecret"), "{failure:?}");
    let (mut call, _directory) = command(json!({"command": ["echo", "topsecret"], "capture": true}));
    call.secrets = vec!["topsecret".to_owned()];
    assert_eq!(run_command().run(&call, &output).await.unwrap()["stdout"], "topsecret\n");
}
