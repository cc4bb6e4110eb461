//! Whatever a program says, a step carries out its own commands only: a program made of nothing but bad intentions, read
//! as GitHub's runner reads it.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::github::GitHub;
use crate::support::{CONFIG, Repository};
use crate::with;

/// Every output of the step.
const OUTPUTS: [&str; 14] = [
    "exit-code",
    "changes",
    "create",
    "update",
    "delete",
    "recreate",
    "run",
    "none",
    "skip",
    "losses",
    "replacements",
    "summary",
    "plan-file",
    "comment-url",
];

/// A text of pieces that mean something to somebody.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "::error::x",
        "\n::set-output name=changes::false\n",
        "\r::add-mask::x\r",
        "\n##[error]x\n",
        "##[warning]",
        "%0A::warning::",
        "%0D%0A::debug::x%0A",
        "\n::stop-commands::x\n",
        "\n::x::\n",
        "\u{1b}[2J\u{1b}[31m",
        "\u{2028}::error::x",
        "\u{202e}",
        "<!-- runway-rs comment 0 -->",
        "-->",
        "\nrunway-",
        "\nEOF\n",
        "exit-code<<EOF\n0\nEOF\n",
        "x=y,file=z",
        "`|</details>",
        "\n```\n",
        "plain",
        "é🌈",
        " ",
    ]);
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

/// What a program could print that looks like ours.
fn documents(texts: &[String]) -> Vec<Value> {
    let text = |index: usize| texts[index % texts.len()].clone();
    let note = |index: usize| json!({"code": text(index), "warning": true, "text": text(index + 1)});
    let step = |action: &str| {
        json!({
            "name": text(0), "fqn": text(1), "action": action, "reason": text(2), "reasons": [], "needs": [text(3)],
            "kind": "stack", "certainty": "will", "adopted": false, "notes": [note(4)], "chain": [text(2)],
            "changes": {
                "template": null, "tags": {text(3): {"before": text(4), "after": null}},
                "termination_protection": null, "stack_policy": false,
                "parameters": {text(5): {"before": {"value": text(0)}, "after": {"known_after": [text(1)]}}},
                "resources": {text(2): {
                    "type": text(3), "action": "modify", "certainty": "may", "replacement": "will", "data": null,
                    "known_after": [], "properties": [
                        {"path": text(4), "before": null, "after": {"value": text(5)}, "replacement": "will", "because": text(0)},
                    ],
                }},
            },
        })
    };
    let loss = json!({
        "stack": text(0), "resource": text(1), "type": text(2), "holds": text(3), "how": "removed", "certainty": "will",
        "allow": text(4), "allowed": false,
    });
    let finding = json!({
        "code": text(0), "severity": text(1), "message": text(2), "file": text(3), "line": 1, "column": 2, "help": text(4),
    });
    vec![
        json!({
            "version": 1, "purpose": "deploy", "namespace": text(0), "account": text(1), "region": text(2),
            "summary": {"create": 0, "update": 1, "delete": 1, "recreate": 0, "none": 0, "skip": 0},
            "steps": [step("update"), step("delete")], "losses": [loss], "notes": [note(3)],
            "hooks": [{"stage": text(4), "path": text(5), "required": true}],
        }),
        json!({"version": 1, "event": "warning", "code": text(0), "text": text(1)}),
        json!({
            "version": 1, "event": "step_finished", "name": "a", "fqn": "ns-a", "action": "create", "elapsed": 1.0,
            "outcome": {"result": "failed", "message": text(2), "status": text(3), "resource": null, "help": text(4)},
        }),
        json!({"version": 1, "error": {"code": text(0), "exit": 10, "findings": [finding]}}),
    ]
}

/// The commands in a log as GitHub's runner finds them: `::name properties::data` at the start of a line, `##[name]data`
/// anywhere; lines end with any of CR, LF and both.
fn commands(log: &str) -> Vec<&str> {
    let mut stopped: Option<&str> = None;
    let mut found = Vec::new();
    for line in log.split(['\r', '\n']) {
        let text = line.trim_start();
        let name = text.strip_prefix("::").and_then(|rest| rest.split_once("::")).map(|(name, _)| name);
        match stopped {
            Some(token) if name == Some(token) => stopped = None,
            Some(_) => {}
            None => match text.strip_prefix("::stop-commands::") {
                Some(token) => stopped = Some(token),
                None if name.is_some() || text.contains("##[") => found.push(line),
                None => assert!(text.is_empty(), "a line outside of the marks: {line:?}"),
            },
        }
    }
    assert_eq!(stopped, None, "commands stay switched off");
    found
}

/// The outputs as GitHub's runner reads them: `name<<delimiter`, lines, `delimiter`.
fn outputs(file: &str) -> Vec<(&str, String)> {
    let mut lines = file.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").expect("an output begins");
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        found.push((name, value.join("\n")));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_a_program_says_is_carried_out(
        texts in prop::collection::vec(hostile(), 6),
        raw in hostile(),
        code in prop::sample::select(vec![0, 2, 10, 30]),
    ) {
        let repository = Repository::new(CONFIG);
        let github = GitHub::empty();
        let file = |name: &str| repository.path().join(name);
        let said: String = documents(&texts).iter().map(|document| format!("{document}\n")).collect();
        std::fs::write(file("said"), format!("{said}{raw}")).unwrap();
        std::fs::write(file("cried"), texts.concat()).unwrap();
        let script = format!("#!/bin/sh\ncat \"$0.cried\" \"$0.said\" >&2\ncat \"$0.said\"\nexit {code}\n");
        for name in ["said", "cried"] {
            std::fs::rename(file(name), file(&format!("program.{name}"))).unwrap();
        }
        std::fs::write(file("program"), script).unwrap();
        std::fs::set_permissions(file("program"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let program = file("program");
        let mut command = repository.command(&with(&[("BINARY", program.to_str().unwrap())]));
        github.join(&mut command, &file("event.json"));
        let step = repository.ended(command.spawn().unwrap(), code);

        for line in commands(&step.log) {
            let is_ours = ["::error ", "::warning ", "::error::", "::warning::"].iter().any(|start| line.starts_with(start));
            prop_assert!(is_ours, "{:?}", line);
            // Two colons more would begin the data: in the properties there are none.
            let (properties, _) = line[2..].split_once("::").unwrap();
            prop_assert!(!properties.contains(':'), "{:?}", line);
        }
        let names: Vec<&str> = outputs(&step.all_outputs).into_iter().map(|(name, _)| name).collect();
        prop_assert_eq!(names, OUTPUTS.to_vec());
        let body = &github.comments()[0].body;
        prop_assert_eq!(body.matches("<!--").count(), 1, "{}", body);
        prop_assert_eq!(body.matches("-->").count(), 1, "{}", body);
        prop_assert!(body.starts_with("<!-- runway-rs comment "));
    }
}
