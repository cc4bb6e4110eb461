//! What the workflow says: inputs to a command line. Pure.

use std::collections::BTreeMap;

use thiserror::Error;

/// The process environment as a value.
pub(crate) type Environment = BTreeMap<String, String>;

/// Every input of `action.yml`. `action-binary` is read by `run.sh` alone, which starts this program.
#[cfg(test)]
pub(crate) const INPUTS: [&str; 11] = [
    "command",
    "config",
    "working-directory",
    "deploy-environment",
    "region",
    "provider",
    "params",
    "arguments",
    "detailed-exitcode",
    "binary",
    "action-binary",
];

/// What is wrong with the inputs. Values are not repeated: a parameter may be a secret.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub(crate) enum InputProblem {
    #[error("the input `command` must be plan, deploy, destroy or validate, not `{value}`")]
    Command { value: String },
    #[error("the input `params` must have one NAME=VALUE a line, and its line {line} is none")]
    Parameter { line: usize },
    #[error("the input `detailed-exitcode` must be false, true or output, not `{value}`")]
    DetailedExitCode { value: String },
    #[error("the input `detailed-exitcode` is for plan only")]
    DetailedExitCodeWithoutPlan,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show what a deploy would do.
    Plan,
    /// Carry it out.
    Deploy,
    /// Delete everything.
    Destroy,
    /// Check configs.
    Validate,
}

impl Command {
    /// The word on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Deploy => "deploy",
            Self::Destroy => "destroy",
            Self::Validate => "validate",
        }
    }
}

/// What pending changes do to the exit code of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DetailedExitCode {
    /// Nothing: 0.
    Off,
    /// The step ends with 2, so it fails.
    Fail,
    /// The output `exit-code` is 2, but the step succeeds.
    Output,
}

/// The inputs, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// What to do.
    pub(crate) command: Command,
    /// Everything after the program's name.
    pub(crate) arguments: Vec<String>,
    /// Where to run, as given.
    pub(crate) working_directory: Option<String>,
    /// What pending changes do.
    pub(crate) detailed_exit_code: DetailedExitCode,
    /// The program, if it was named.
    pub(crate) binary: Option<String>,
}

impl Inputs {
    /// Reads the `INPUT_*` variables.
    pub(crate) fn read(environment: &Environment) -> Result<Self, InputProblem> {
        let text = |name: &str| environment.get(&variable(name)).map_or("", String::as_str);
        let given = |name: &str| Some(text(name).trim().to_owned()).filter(|value| !value.is_empty());
        let command = match text("command").trim() {
            "" | "plan" => Command::Plan,
            "deploy" => Command::Deploy,
            "destroy" => Command::Destroy,
            "validate" => Command::Validate,
            other => return Err(InputProblem::Command { value: other.to_owned() }),
        };
        let detailed_exit_code = match text("detailed-exitcode").trim() {
            "" | "false" => DetailedExitCode::Off,
            "true" => DetailedExitCode::Fail,
            "output" => DetailedExitCode::Output,
            other => return Err(InputProblem::DetailedExitCode { value: other.to_owned() }),
        };
        if detailed_exit_code != DetailedExitCode::Off && command != Command::Plan {
            return Err(InputProblem::DetailedExitCodeWithoutPlan);
        }
        let mut arguments = vec![command.as_str().to_owned(), "--format=json".to_owned()];
        if matches!(command, Command::Deploy | Command::Destroy) {
            arguments.push("--yes".to_owned());
        }
        if detailed_exit_code != DetailedExitCode::Off {
            arguments.push("--detailed-exitcode".to_owned());
        }
        for name in ["config", "deploy-environment", "region", "provider"] {
            // One word each, so that a value is never taken for an option.
            arguments.extend(given(name).map(|value| format!("--{name}={value}")));
        }
        for (index, line) in text("params").lines().enumerate() {
            let line = line.trim_start();
            match line.split_once('=') {
                _ if line.is_empty() => {}
                Some((name, _)) if !name.is_empty() && !name.contains(char::is_whitespace) => {
                    arguments.push(format!("--param={line}"));
                }
                _ => return Err(InputProblem::Parameter { line: index + 1 }),
            }
        }
        let more = text("arguments").lines().map(str::trim).filter(|line| !line.is_empty());
        arguments.extend(more.map(str::to_owned));
        Ok(Self {
            command,
            arguments,
            working_directory: given("working-directory"),
            detailed_exit_code,
            binary: given("binary"),
        })
    }
}

/// The variable in which GitHub hands over an input: upper case, blanks to underscores, dashes kept.
pub(crate) fn variable(input: &str) -> String {
    format!("INPUT_{}", input.replace(' ', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inputs: &[(&str, &str)]) -> Result<Inputs, InputProblem> {
        Inputs::read(&inputs.iter().map(|(name, value)| (variable(name), (*value).to_owned())).collect())
    }

    #[test]
    fn without_inputs_it_plans() {
        let inputs = read(&[("config", ""), ("params", "")]).unwrap();
        assert_eq!(inputs.arguments, ["plan", "--format=json"]);
        assert_eq!(inputs.command, Command::Plan);
        assert_eq!(inputs.detailed_exit_code, DetailedExitCode::Off);
    }

    #[test]
    fn every_input_has_its_place() {
        let inputs = read(&[
            ("command", "deploy"),
            ("config", "stacks/cfngin.yml"),
            ("working-directory", "infra"),
            ("deploy-environment", "prod"),
            ("region", "eu-west-1"),
            ("provider", "local"),
            ("params", "cidr=10.0.0.0/16\n\n  note=a = b \r\nempty=\n"),
            ("arguments", "--lock-wait\n5m\n"),
            ("binary", "/opt/runway-rs"),
        ])
        .unwrap();
        assert_eq!(
            inputs.arguments,
            [
                "deploy",
                "--format=json",
                "--yes",
                "--config=stacks/cfngin.yml",
                "--deploy-environment=prod",
                "--region=eu-west-1",
                "--provider=local",
                "--param=cidr=10.0.0.0/16",
                "--param=note=a = b ",
                "--param=empty=",
                "--lock-wait",
                "5m",
            ]
        );
        assert_eq!(inputs.working_directory.as_deref(), Some("infra"));
        assert_eq!(inputs.binary.as_deref(), Some("/opt/runway-rs"));
    }

    #[test]
    fn wrong_inputs_are_named_and_values_are_not_repeated() {
        assert!(matches!(read(&[("command", "apply")]), Err(InputProblem::Command { .. })));
        let problem = read(&[("params", "a=b\nhunter2\n")]).unwrap_err();
        assert_eq!(problem, InputProblem::Parameter { line: 2 });
        assert!(!problem.to_string().contains("hunter2"));
        assert!(read(&[("params", "=x")]).is_err());
        assert!(read(&[("params", "a b=x")]).is_err());
        assert!(read(&[("detailed-exitcode", "yes")]).is_err());
        assert!(read(&[("command", "deploy"), ("detailed-exitcode", "true")]).is_err());
    }

    #[test]
    fn pending_changes_fail_the_step_only_if_asked_for() {
        for (value, expected) in [("true", DetailedExitCode::Fail), ("output", DetailedExitCode::Output)] {
            let inputs = read(&[("detailed-exitcode", value)]).unwrap();
            assert_eq!(inputs.detailed_exit_code, expected);
            assert_eq!(inputs.arguments, ["plan", "--format=json", "--detailed-exitcode"]);
        }
    }

    #[test]
    fn variables_are_named_as_github_names_them() {
        assert_eq!(variable("working-directory"), "INPUT_WORKING-DIRECTORY");
        assert_eq!(variable("a name"), "INPUT_A_NAME");
    }
}
