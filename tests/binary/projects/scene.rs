//! A project in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Ran, TEMPLATE, finished};

/// A project file with modules beside it.
pub(super) struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    /// A project with this file, and nothing else.
    pub(super) fn new(project: &str) -> Self {
        let scene = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(scene.path()).unwrap();
        scene.file("runway.yml", project);
        scene
    }

    /// Directory of the project; nothing above it is anybody's.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("shop")
    }

    /// Writes a file.
    pub(super) fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// A module with one stack that is named after it. Its parameter `note` is x, y or z.
    pub(super) fn module(&self, name: &str) -> &Self {
        let stack = name.trim_end_matches(".cfn");
        self.file(&format!("{name}/templates/t.yml"), TEMPLATE);
        self.file(
            &format!("{name}/cfngin.yml"),
            &format!(
                "namespace: ${{environment}}\ncfngin_bucket: bucket-${{region}}\npersistent_graph_key: {stack}\nstacks:\n  - {{name: {stack}, template_path: templates/t.yml, variables: {{Note: \"${{note}}\"}}}}\n"
            ),
        )
    }

    /// The program with a command line, not yet started.
    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runway-rs"));
        command.env_clear().current_dir(self.path()).stdin(Stdio::null());
        command.env("RUNWAY_RS_PROVIDER", "local").env("USER", "tester");
        command.args(line.split_whitespace());
        command
    }

    /// Runs the program to its end.
    pub(super) fn run(&self, line: &str) -> Ran {
        self.run_with(line, &[])
    }

    /// Runs the program with more variables.
    pub(super) fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command(line);
        command.envs(variables.iter().copied());
        finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Runs the program in a directory of the project.
    pub(super) fn run_in(&self, directory: &str, line: &str) -> Ran {
        let mut command = self.command(line);
        command.current_dir(self.path().join(directory));
        finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Regions and names of stacks that exist, sorted; those that hold the configs' buckets aside.
    pub(super) fn stacks(&self) -> Vec<String> {
        let state = self.path().join(".runway/local");
        let mut found: Vec<String> = documents(&state)
            .iter()
            .flat_map(|document| document["stacks"].as_array().cloned().unwrap_or_default())
            // A deletion that was seen to its end may still be on its way in the file.
            .filter(|stack| !stack["status"].as_str().is_some_and(|status| status.starts_with("DELETE_")))
            // Every region has a bucket, and every bucket a stack of its own.
            .filter(|stack| !stack["name"].as_str().is_some_and(|name| name.ends_with("-cfngin-bucket")))
            .filter_map(|stack| {
                let region = stack["id"].as_str()?.split(':').nth(3)?.to_owned();
                Some(format!("{region} {}", stack["name"].as_str()?))
            })
            .collect();
        found.sort();
        found
    }
}

fn documents(state: &Path) -> Vec<Value> {
    let files = std::fs::read_dir(state).into_iter().flatten().flatten().map(|entry| entry.path());
    let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    json.map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

/// JSON documents on standard output, of whatever form.
pub(super) fn json(stdout: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(stdout).into_iter().map(|value| value.unwrap()).collect()
}

/// Targets of the plans on standard output, in order.
pub(super) fn planned(stdout: &str) -> Vec<String> {
    let documents = json(stdout);
    let plans = documents.iter().filter(|document| document.get("steps").is_some());
    plans.map(|plan| plan["target"].as_str().unwrap().to_owned()).collect()
}
