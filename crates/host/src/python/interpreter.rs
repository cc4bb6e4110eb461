//! Which Python runs.

use camino::{Utf8Path, Utf8PathBuf};

use super::problem::PythonProblem;
use super::{INTERPRETER_VARIABLE, PythonSettings};

/// The interpreter: the setting, else that of the active virtual environment, else `python3` on the `PATH`.
pub(super) fn find(settings: &PythonSettings) -> Result<Utf8PathBuf, PythonProblem> {
    let path = settings.environment.get("PATH").map_or("", String::as_str);
    if let Some(chosen) = settings.interpreter.as_deref() {
        if !chosen.as_str().contains('/') {
            return on_path(path, chosen.as_str()).ok_or_else(|| PythonProblem::NotFound {
                looked: format!("{INTERPRETER_VARIABLE} is `{chosen}`, which is not on the PATH"),
            });
        }
        let place = settings.root_directory.join(chosen);
        return if place.is_file() {
            Ok(place)
        } else {
            Err(PythonProblem::NotFound {
                looked: format!("{INTERPRETER_VARIABLE} is `{chosen}`, and there is no such file"),
            })
        };
    }
    if let Some(environment) = settings.environment.get("VIRTUAL_ENV").filter(|value| !value.is_empty()) {
        let programs = Utf8Path::new(environment).join("bin");
        return ["python", "python3"]
            .iter()
            .map(|name| programs.join(name))
            .find(|place| place.is_file())
            .ok_or_else(|| PythonProblem::NotFound {
                looked: format!("VIRTUAL_ENV is {environment}, and there is no bin/python in it"),
            });
    }
    on_path(path, "python3").ok_or_else(|| PythonProblem::NotFound {
        looked: "no virtual environment is active, and python3 is not on the PATH".to_owned(),
    })
}

fn on_path(path: &str, name: &str) -> Option<Utf8PathBuf> {
    path.split(':')
        .filter(|directory| directory.starts_with('/'))
        .map(|directory| Utf8Path::new(directory).join(name))
        .find(|place| place.is_file())
}
