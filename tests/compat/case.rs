//! A case: what a file `fixtures/compat/<name>/case.yml` says. `tests/compat/README.md` describes the format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runway_core::yaml::{self, Node};
use serde::Deserialize;

/// One directory of `fixtures/compat`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Name of the directory.
    #[serde(skip)]
    pub(crate) name: String,
    /// The directory.
    #[serde(skip)]
    pub(crate) directory: PathBuf,
    /// What it shows, one line.
    pub(crate) title: String,
    /// Rows of the conformance list it covers.
    #[serde(default)]
    pub(crate) covers: Vec<String>,
    /// Waits for a feature: run by name only.
    #[serde(default)]
    pub(crate) pending: bool,
    /// Also run with the two programs taking turns.
    #[serde(default)]
    pub(crate) turns: bool,
    /// Files of the project beside those of `project/` and `fixtures/compat/shared/`.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    /// Files of git repositories that are made beforehand, by repository.
    #[serde(default)]
    pub(crate) repositories: BTreeMap<String, BTreeMap<String, String>>,
    /// Buckets that exist beforehand, with versioning.
    #[serde(default = "default_buckets")]
    pub(crate) buckets: Vec<String>,
    /// Variables of the environment, for every step; null takes one away.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, Option<String>>,
    /// Branch of the git repository that the project is, if it is one.
    #[serde(default)]
    pub(crate) branch: Option<String>,
    /// Calls made beforehand, as if by somebody else.
    #[serde(default)]
    pub(crate) before: Vec<Call>,
    /// Calls whose answers are compared after every step.
    #[serde(default)]
    pub(crate) watch: Vec<Call>,
    /// The edit of the usual sequence; not together with `steps`.
    #[serde(default)]
    edit: BTreeMap<String, String>,
    /// What is done; the usual sequence if it is empty.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    /// Every difference there is between the two programs.
    #[serde(default)]
    pub(crate) differences: Vec<Listed>,
}

/// A call of an AWS operation.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    /// Service, as boto3 names it.
    pub(crate) service: String,
    /// Operation, as boto3 names it.
    pub(crate) operation: String,
    /// Its arguments.
    #[serde(default)]
    pub(crate) arguments: serde_json::Map<String, serde_json::Value>,
    /// Region, if not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// What of the answer counts, as a JMESPath expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<String>,
    /// Variable of the environment that gets the (queried) answer, for all later steps.
    #[serde(default, skip_serializing)]
    pub(crate) save: Option<String>,
}

/// Something done to the project, to the cloud, or by the program.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Its name in `differences` and in the report; the command line, and a number from the second one on, without.
    #[serde(default)]
    pub(crate) name: String,
    /// Files written first.
    #[serde(default)]
    pub(crate) edit: BTreeMap<String, String>,
    /// Files removed first.
    #[serde(default)]
    pub(crate) remove: Vec<String>,
    /// Calls made first.
    #[serde(default)]
    pub(crate) calls: Vec<Call>,
    /// Statuses that stacks get first, by name: what moto does not do by itself.
    #[serde(default)]
    pub(crate) statuses: BTreeMap<String, String>,
    /// The command line of both programs; without it nothing is run.
    #[serde(default)]
    pub(crate) run: Option<String>,
    /// Added to our command line.
    #[serde(default)]
    pub(crate) ours: String,
    /// Directory in the project where it is run.
    #[serde(default)]
    pub(crate) directory: String,
    /// Variables of the environment for this step; null takes one away.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, Option<String>>,
    /// Our exit code.
    #[serde(default)]
    pub(crate) exit: i32,
}

/// A difference that is meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    /// Its id in the list of known defects of CFNgin.
    pub(crate) id: String,
    /// Why it is right.
    pub(crate) reason: String,
    /// Steps after which it shows, each of them.
    pub(crate) steps: Vec<String>,
    /// Its place, `*` for any text.
    pub(crate) at: String,
    /// Runs in which it shows: `runway-rs`, `turns`, `turns-reversed`.
    #[serde(default = "default_runs")]
    pub(crate) runs: Vec<String>,
}

fn default_buckets() -> Vec<String> {
    vec!["cfngin-bucket".to_owned()]
}

fn default_runs() -> Vec<String> {
    vec!["runway-rs".to_owned()]
}

impl Case {
    /// Reads the case of a directory.
    pub(crate) fn read(directory: &Path) -> Result<Self, String> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(directory.join("case.yml"))
            .map_err(|error| format!("{name}: {error}"))?;
        let (node, errors) = Node::parse(&text);
        let node = node.filter(|_| errors.is_empty()).ok_or_else(|| format!("{name}: {errors:?}"))?;
        let mut case: Self = serde_json::from_value(yaml::resolve::value(&node))
            .map_err(|error| format!("{name}: {error}"))?;
        case.name = name;
        directory.clone_into(&mut case.directory);
        if case.steps.is_empty() {
            case.steps = usual(std::mem::take(&mut case.edit));
        } else if !case.edit.is_empty() {
            return Err(format!("{}: `edit` belongs to the usual sequence, not beside `steps`", case.name));
        }
        case.name_steps();
        case.check()?;
        Ok(case)
    }

    fn name_steps(&mut self) {
        let mut seen = BTreeMap::<String, usize>::new();
        for step in &mut self.steps {
            if step.name.is_empty() {
                let line = step.run.clone().unwrap_or_else(|| "calls".to_owned());
                let count = seen.entry(line.clone()).or_default();
                *count += 1;
                step.name = if *count == 1 { line } else { format!("{line} {count}") };
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        for listed in &self.differences {
            for step in &listed.steps {
                if !self.steps.iter().any(|known| known.name == *step) {
                    return Err(format!(
                        "{}: difference {} names step {step:?}, which is none",
                        self.name, listed.id
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Deploy, deploy again, plan, edit, deploy, destroy.
fn usual(edit: BTreeMap<String, String>) -> Vec<Step> {
    let run = |line: &str| Step { run: Some(line.to_owned()), ..Step::default() };
    let mut steps = vec![run("deploy"), run("deploy"), run("plan")];
    if !edit.is_empty() {
        steps.push(Step { edit, ..run("deploy") });
    }
    steps.push(run("destroy"));
    steps
}
