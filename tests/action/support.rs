//! A repository in a directory of its own, and steps of a workflow in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A template with one resource that takes no time; `Note` is parameter and output.
pub(crate) const TEMPLATE: &str = r#"Parameters: {Note: {Type: String}}
Resources:
  P:
    Type: AWS::SSM::Parameter
    Metadata: {"runway-rs:local": {seconds: 0}}
    Properties: {Type: String, Value: !Ref Note}
Outputs: {Note: {Value: !Ref Note}}
"#;

/// Two stacks, one after the other.
pub(crate) const CONFIG: &str = r#"namespace: ns
cfngin_bucket: my-bucket
persistent_graph_key: main
stacks:
  - {name: a, template_path: t.yml, variables: {Note: "${note}"}}
  - {name: b, template_path: t.yml, variables: {Note: "${output a.Note}"}}
"#;

/// Inputs of a plan.
pub(crate) const PLAN: [(&str, &str); 4] =
    [("COMMAND", "plan"), ("CONFIG", "cfngin.yml"), ("WORKING-DIRECTORY", "infra"), ("PARAMS", "note=x\n")];

/// A repository whose configs are in `infra`.
pub(crate) struct Repository {
    directory: tempfile::TempDir,
}

/// A step that ended.
pub(crate) struct Step {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
    pub(crate) summary: String,
    pub(crate) all_outputs: String,
}

impl Repository {
    pub(crate) fn new(config: &str) -> Self {
        let repository = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(repository.path().join("infra")).unwrap();
        repository.file("t.yml", TEMPLATE);
        repository.file("cfngin.yml", config);
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file in `infra`.
    pub(crate) fn file(&self, path: &str, text: &str) {
        std::fs::write(self.path().join("infra").join(path), text).unwrap();
    }

    /// The front end as GitHub would start it.
    pub(crate) fn command(&self, inputs: &[(&str, &str)]) -> Command {
        self.prepared(Command::new(front_end()), inputs)
    }

    /// A command with the variables of a step.
    pub(crate) fn prepared(&self, mut command: Command, inputs: &[(&str, &str)]) -> Command {
        runway_rs();
        for name in ["summary", "outputs"] {
            std::fs::write(self.path().join(name), "").unwrap();
        }
        command.env_clear().current_dir(self.path()).stdin(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").env("CI", "true").env("RUNWAY_RS_PROVIDER", "local");
        command.env("GITHUB_WORKSPACE", self.path()).env("RUNNER_TEMP", self.path());
        command.env("GITHUB_STEP_SUMMARY", self.path().join("summary"));
        command.env("GITHUB_OUTPUT", self.path().join("outputs"));
        for (name, value) in inputs {
            command.env(format!("INPUT_{name}"), value);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a step to its end.
    #[track_caller]
    pub(crate) fn run(&self, inputs: &[(&str, &str)], code: i32) -> Step {
        self.ended(self.command(inputs).spawn().unwrap(), code)
    }

    /// Waits for a step.
    #[track_caller]
    pub(crate) fn ended(&self, child: Child, code: i32) -> Step {
        let output = child.wait_with_output().unwrap();
        let read = |name: &str| std::fs::read_to_string(self.path().join(name)).unwrap();
        let step = Step {
            code: output.status.code(),
            // A program may print anything.
            log: String::from_utf8_lossy(&output.stdout).into_owned(),
            summary: read("summary"),
            all_outputs: read("outputs"),
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(step.code, Some(code), "log:\n{}\nstderr:\n{errors}", step.log);
        assert_eq!(errors, "", "everything belongs into one stream");
        step
    }
}

impl Step {
    /// The workflow commands that GitHub would carry out: those outside of the two marks.
    pub(crate) fn commands(&self) -> Vec<&str> {
        let mut token = None;
        let mut commands = Vec::new();
        for line in self.log.lines() {
            match token {
                None => match line.strip_prefix("::stop-commands::") {
                    Some(mark) => token = Some(format!("::{mark}::")),
                    None if line.starts_with("::") => commands.push(line),
                    None => {}
                },
                Some(ref mark) if line == mark => token = None,
                Some(_) => {}
            }
        }
        assert_eq!(token, None, "commands stay switched off");
        commands
    }

    /// An output.
    #[track_caller]
    pub(crate) fn output(&self, name: &str) -> &str {
        let start = format!("{name}<<");
        let mut lines = self.all_outputs.lines();
        let delimiter = lines.find_map(|line| line.strip_prefix(start.as_str())).unwrap();
        let value = lines.next().unwrap();
        if value == delimiter { "" } else { value }
    }

    /// The numbers of steps: create, update, delete, recreate, none, skip.
    pub(crate) fn counts(&self) -> [&str; 6] {
        ["create", "update", "delete", "recreate", "none", "skip"].map(|name| self.output(name))
    }
}

/// The program under test.
pub(crate) fn front_end() -> &'static str {
    env!("CARGO_BIN_EXE_runway-gh-action")
}

/// Makes sure that runway-rs stands beside the front end. A test run of the whole workspace has built it; a run of this
/// crate's tests alone builds it here, without the AWS SDK.
pub(crate) fn runway_rs() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let directory = Path::new(front_end()).parent().unwrap();
        let path = directory.join("runway-rs");
        if !path.is_file() {
            let mut build = Command::new(env!("CARGO"));
            build.current_dir(env!("CARGO_MANIFEST_DIR"));
            build.args(["build", "--locked", "--package", "runway-cli", "--no-default-features"]);
            build.arg("--target-dir").arg(directory.parent().unwrap());
            if directory.ends_with("release") {
                build.arg("--release");
            }
            assert!(build.status().unwrap().success(), "{build:?}");
        }
        path
    })
}
