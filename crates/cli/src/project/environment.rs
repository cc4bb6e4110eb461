//! The name of the deploy environment.

use camino::Utf8Path;
use runway_host::branch::{Head, head};

use crate::output::Output;
use crate::settings::{Settings, SettingsProblem};

/// The name, in Runway's order: what was given; the git branch; the directory of the project. A person is asked about a
/// branch that says nothing, if `asking`.
pub(crate) fn deploy_environment(
    settings: &Settings,
    root: &Utf8Path,
    ignore_git_branch: bool,
    asking: bool,
    output: &Output,
) -> Result<String, SettingsProblem> {
    if settings.is_environment_given {
        return Ok(settings.deploy_environment.clone());
    }
    let head = if ignore_git_branch { Ok(Head::None) } else { head(root) };
    let head = head.map_err(|error| SettingsProblem::NoEnvironment { message: error.to_string() })?;
    let (name, source) = match head {
        Head::Detached => return Err(SettingsProblem::DetachedHead),
        Head::Branch(branch) => match of_branch(&branch) {
            Some(name) => (name.to_owned(), format!("the branch {branch}")),
            None if asking => {
                let question = "Name of the deploy environment";
                (output.ask_for(question, &branch), "the answer".to_owned())
            }
            None => (branch.clone(), format!("the branch {branch}")),
        },
        Head::None => {
            let directory = root.file_name().unwrap_or_default();
            (
                directory.strip_prefix("ENV-").unwrap_or(directory).to_owned(),
                format!("the directory {directory}"),
            )
        }
    };
    if name.is_empty() {
        let message = format!("{source} has no name");
        return Err(SettingsProblem::NoEnvironment { message });
    }
    output.progress(&format!("deploy environment {name}, after {source}"));
    Ok(name)
}

/// What a branch says for certain: `ENV-<name>`, or `master` for `common` (Runway).
fn of_branch(branch: &str) -> Option<&str> {
    match branch {
        "master" => Some("common"),
        _ => branch.strip_prefix("ENV-"),
    }
}

#[cfg(test)]
mod tests {
    use super::of_branch;

    #[test]
    fn branches_name_environments() {
        assert_eq!(of_branch("ENV-dev"), Some("dev"));
        assert_eq!(of_branch("master"), Some("common"));
        assert_eq!((of_branch("main"), of_branch("feature/x")), (None, None));
    }
}
