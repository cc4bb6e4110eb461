//! Outputs of the step. Pure.

use std::fmt::Write as _;

use runway_core::render::json::PlanDocument;

use crate::comment::replacements;
use crate::report::Report;
use crate::summary;

/// Every output of `action.yml`.
#[cfg(test)]
pub(crate) const OUTPUTS: [&str; 14] = [
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

/// What is known beside the report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Where the plan was saved, or which saved plan was carried out; empty if none was.
    pub(crate) plan_file: String,
    /// Address of the comment; empty if none was written.
    pub(crate) comment: String,
}

/// The outputs with their values, in order. Without a plan the numbers are empty.
pub(crate) fn outputs(report: &Report, exit: u8, left: &Left) -> Vec<(&'static str, String)> {
    let counts = report.counts();
    let count = |of: fn(&runway_core::plan::Summary) -> usize| {
        counts.as_ref().map(|counts| of(counts).to_string()).unwrap_or_default()
    };
    let of_plans = |of: fn(&[PlanDocument]) -> usize| {
        counts.as_ref().map(|_| of(&report.plans).to_string()).unwrap_or_default()
    };
    vec![
        ("exit-code", exit.to_string()),
        ("changes", report.has_changes().map(|changes| changes.to_string()).unwrap_or_default()),
        ("create", count(|counts| counts.create)),
        ("update", count(|counts| counts.update)),
        ("delete", count(|counts| counts.delete)),
        ("recreate", count(|counts| counts.recreate)),
        ("run", count(|counts| counts.run)),
        ("none", count(|counts| counts.none)),
        ("skip", count(|counts| counts.skip)),
        ("losses", of_plans(|plans| plans.iter().map(|plan| plan.losses.len()).sum())),
        ("replacements", of_plans(replacements)),
        ("summary", summary::one_line(report, exit)),
        ("plan-file", left.plan_file.clone()),
        ("comment-url", left.comment.clone()),
    ]
}

/// The text for the file in `GITHUB_OUTPUT`. The delimiter must not occur in a value.
pub(crate) fn file_text(outputs: &[(&str, String)], delimiter: &str) -> String {
    let mut text = String::new();
    for (name, value) in outputs {
        let _ = writeln!(text, "{name}<<{delimiter}\n{value}\n{delimiter}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{Command, INPUTS, variable};
    use crate::report::samples::{plan, report};
    use runway_core::yaml::Node;

    #[test]
    fn counts_and_changes_are_those_of_the_plan() {
        let outputs = outputs(&report(Command::Plan, [plan(2, 5)]), 2, &Left::default());
        let text = file_text(&outputs, "END");
        let expected =
            "exit-code<<END\n2\nEND\nchanges<<END\ntrue\nEND\ncreate<<END\n2\nEND\nupdate<<END\n0\nEND\n";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(outputs.iter().map(|(name, _)| *name).collect::<Vec<_>>(), OUTPUTS);
    }

    #[test]
    fn tasks_that_run_are_counted() {
        let mut plan = plan(0, 1);
        plan["summary"]["run"] = serde_json::json!(3);
        let outputs = outputs(&report(Command::Plan, [plan]), 2, &Left::default());
        let of = |wanted: &str| outputs.iter().find(|(name, _)| *name == wanted).unwrap().1.clone();
        assert_eq!((of("run"), of("changes"), of("summary")), ("3".into(), "true".into(), "3 to run".into()));
    }

    #[test]
    fn without_a_plan_nothing_is_claimed() {
        let outputs = outputs(&report(Command::Validate, []), 0, &Left::default());
        let told: Vec<(&str, &str)> = outputs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(told, [("exit-code", "0"), ("summary", "done")]);
    }

    #[test]
    fn the_action_file_has_exactly_these_inputs_and_outputs() {
        let action = Node::parse(include_str!("../action.yml")).0.unwrap();
        let keys = |node: &Node, key: &str| -> Vec<String> {
            let entries = node.get(key).and_then(Node::as_mapping).unwrap();
            entries.iter().filter_map(|(name, _)| name.as_text().map(str::to_owned)).collect()
        };
        assert_eq!(keys(&action, "inputs"), INPUTS);
        assert_eq!(keys(&action, "outputs"), OUTPUTS);

        // A composite action hands nothing over by itself.
        let steps =
            action.get("runs").and_then(|runs| runs.get("steps")).and_then(Node::as_sequence).unwrap();
        let environment = steps[0].get("env").and_then(Node::as_mapping).unwrap();
        let given: Vec<(&str, &str)> = environment
            .iter()
            .filter_map(|(name, value)| Some((name.as_text()?, value.as_text()?)))
            .collect();
        let expected: Vec<(String, String)> =
            INPUTS.iter().map(|name| (variable(name), format!("${{{{ inputs.{name} }}}}"))).collect();
        assert_eq!(
            given,
            expected.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>()
        );
        for name in OUTPUTS {
            let output = action.get("outputs").and_then(|outputs| outputs.get(name)).unwrap();
            let value = output.get("value").and_then(Node::as_text).unwrap();
            assert_eq!(value, format!("${{{{ steps.run.outputs.{name} }}}}"));
        }
    }

    #[test]
    fn the_example_gives_and_takes_what_there_is() {
        let text = include_str!("../../../docs/examples/github-workflow.yml");
        let workflow = Node::parse(text).0.unwrap();
        let jobs = workflow.get("jobs").and_then(Node::as_mapping).unwrap();
        let steps = jobs.iter().flat_map(|(_, job)| job.get("steps").and_then(Node::as_sequence).unwrap());
        let (mut runs, mut commands) = (0, Vec::new());
        for step in steps {
            let uses = step.get("uses").and_then(Node::as_text).unwrap_or_default();
            if !uses.starts_with("OWNER/runway-rs/crates/gh-action@") {
                continue;
            }
            runs += 1;
            let inputs = step.get("with").and_then(Node::as_mapping).unwrap();
            for (name, _) in inputs {
                assert!(INPUTS.contains(&name.as_text().unwrap()), "{name:?}");
            }
            commands.extend(step.get("with").and_then(|with| with.get("command")).and_then(Node::as_text));
        }
        assert_eq!((runs, commands), (3, vec!["validate", "plan", "deploy"]));
        for output in text.split("steps.stacks.outputs.").skip(1) {
            let name = output.split([' ', '}']).next().unwrap();
            assert!(OUTPUTS.contains(&name), "{name}");
        }
        assert!(text.contains("steps.stacks.outputs.plan-file"));
    }
}
