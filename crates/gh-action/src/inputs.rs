//! What the workflow says: inputs to a command line. Pure.

use std::collections::BTreeMap;

use thiserror::Error;

/// The process environment as a value.
pub(crate) type Environment = BTreeMap<String, String>;

/// Every input of `action.yml`. `action-binary` is read by `run.sh` alone, which starts this program.
#[cfg(test)]
pub(crate) const INPUTS: [&str; 16] = [
    "command",
    "config",
    "working-directory",
    "deploy-environment",
    "region",
    "provider",
    "params",
    "arguments",
    "detailed-exitcode",
    "plan-file",
    "allow",
    "change-sets",
    "comment",
    "token",
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
    #[error("the input `{input}` must be true or false, not `{value}`")]
    Truth { input: &'static str, value: String },
    #[error("the input `allow` is for plan and deploy only")]
    AllowWithoutPlan,
    #[error("the input `plan-file` is for plan, deploy and destroy only")]
    PlanFileOfValidate,
    #[error("the input `change-sets` is for plan only")]
    ChangeSetsWithoutPlan,
    #[error("the input `allow` must have one STACK or STACK/RESOURCE a line, and its line {line} is none")]
    Allowed { line: usize },
    #[error("the input `comment` is true, but the input `token` is empty")]
    CommentWithoutToken,
}

/// A token of GitHub's API. It is sent, and shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// For the header of a request.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// A text without the token in it.
    pub(crate) fn hidden_in(&self, text: &str) -> String {
        text.replace(&self.0, "***")
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(***)")
    }
}

/// Whether the pull request gets a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// For a plan in a pull request.
    Usual,
    /// In every pull request.
    Always,
    /// Never.
    Never,
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
    /// The config, if it was named.
    pub(crate) config: Option<String>,
    /// The deploy environment, if it was named.
    pub(crate) deploy_environment: Option<String>,
    /// The region, if it was named.
    pub(crate) region: Option<String>,
    /// Where the plan is saved, or which saved plan is carried out.
    pub(crate) plan_file: Option<String>,
    /// Whether the pull request gets a comment.
    pub(crate) comment: Wish,
    /// What the comment is written with.
    pub(crate) token: Option<Token>,
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
        let truth = |input: &'static str| match text(input).trim() {
            "" => Ok(None),
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            other => Err(InputProblem::Truth { input, value: other.to_owned() }),
        };
        let plans = matches!(command, Command::Plan | Command::Deploy);
        if !plans && given("allow").is_some() {
            return Err(InputProblem::AllowWithoutPlan);
        }
        if command == Command::Validate && given("plan-file").is_some() {
            return Err(InputProblem::PlanFileOfValidate);
        }
        let change_sets = truth("change-sets")?.unwrap_or(false);
        if change_sets && command != Command::Plan {
            return Err(InputProblem::ChangeSetsWithoutPlan);
        }
        let comment = match truth("comment")? {
            None => Wish::Usual,
            Some(true) => Wish::Always,
            Some(false) => Wish::Never,
        };
        let token = given("token").map(Token);
        if comment == Wish::Always && token.is_none() {
            return Err(InputProblem::CommentWithoutToken);
        }
        let plan_file = given("plan-file");
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
        let option = if command == Command::Plan { "out" } else { "plan" };
        arguments.extend(plan_file.iter().map(|file| format!("--{option}={file}")));
        if change_sets {
            arguments.push("--change-sets".to_owned());
        }
        for (index, line) in text("allow").lines().enumerate() {
            match line.trim() {
                "" => {}
                line if is_allowance(line) => arguments.push(format!("--allow={line}")),
                _ => return Err(InputProblem::Allowed { line: index + 1 }),
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
            config: given("config"),
            deploy_environment: given("deploy-environment"),
            region: given("region"),
            plan_file,
            comment,
            token,
        })
    }
}

/// Whether a line is STACK or STACK/RESOURCE.
fn is_allowance(line: &str) -> bool {
    let words = || line.split('/');
    words().count() <= 2 && words().all(|word| !word.is_empty() && !word.contains(char::is_whitespace))
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
    fn plans_are_saved_and_carried_out_and_what_is_lost_is_acknowledged() {
        let inputs = [("plan-file", "out/plan.json"), ("allow", "db/Database\n\n queue \n")];
        let plan = read(&[&inputs[..], &[("change-sets", "true")]].concat()).unwrap();
        let expected = [
            "plan",
            "--format=json",
            "--out=out/plan.json",
            "--change-sets",
            "--allow=db/Database",
            "--allow=queue",
        ];
        assert_eq!(plan.arguments, expected);
        let deploy =
            read(&[&inputs[..], &[("command", "deploy"), ("change-sets", "false")]].concat()).unwrap();
        let expected = [
            "deploy",
            "--format=json",
            "--yes",
            "--plan=out/plan.json",
            "--allow=db/Database",
            "--allow=queue",
        ];
        assert_eq!(deploy.arguments, expected);
        assert_eq!(deploy.plan_file.as_deref(), Some("out/plan.json"));
        for allow in ["a b", "a/b/c", "/b", "a/", "ok\na b"] {
            let line = allow.lines().count();
            assert_eq!(read(&[("allow", allow)]).unwrap_err(), InputProblem::Allowed { line });
        }
        let destroy = read(&[("command", "destroy"), ("plan-file", "x.plan")]).unwrap();
        assert_eq!(destroy.arguments.last().unwrap(), "--plan=x.plan");
        let problem = |command, input| read(&[("command", command), (input, "x")]).unwrap_err();
        assert_eq!(problem("destroy", "allow"), InputProblem::AllowWithoutPlan);
        assert_eq!(problem("validate", "allow"), InputProblem::AllowWithoutPlan);
        assert_eq!(problem("validate", "plan-file"), InputProblem::PlanFileOfValidate);
        assert!(read(&[("command", "deploy"), ("change-sets", "true")]).is_err());
    }

    #[test]
    fn a_comment_is_usual_wanted_or_not_and_its_token_is_shown_nowhere() {
        let usual = read(&[("token", " ghs_secret\n")]).unwrap();
        assert_eq!(usual.comment, Wish::Usual);
        assert_eq!(usual.token.as_ref().unwrap().secret(), "ghs_secret");
        assert!(!format!("{usual:?}").contains("ghs_secret"));
        assert_eq!(usual.token.unwrap().hidden_in("Bearer ghs_secret."), "Bearer ***.");
        assert_eq!(read(&[("comment", "false")]).unwrap().comment, Wish::Never);
        assert_eq!(read(&[("comment", "true"), ("token", "x")]).unwrap().comment, Wish::Always);
        assert_eq!(read(&[("comment", "true")]).unwrap_err(), InputProblem::CommentWithoutToken);
        assert!(matches!(read(&[("comment", "yes")]), Err(InputProblem::Truth { input: "comment", .. })));
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
