//! A project in a directory of its own, with the embedded provider's state beside it.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A template with one resource; `Note` is parameter and output. Deploying it takes no time.
pub(crate) const TEMPLATE: &str = r#"Parameters: {Note: {Type: String, AllowedValues: [x, y, z]}}
Resources:
  P:
    Type: AWS::SSM::Parameter
    Metadata: {"runway-rs:local": {seconds: 0}}
    Properties: {Type: String, Value: !Ref Note}
Outputs: {Note: {Value: !Ref Note}}
"#;

/// What every config here begins with.
pub(crate) const HEAD: &str = "namespace: ns\ncfngin_bucket: my-bucket\npersistent_graph_key: main\n";

/// A project.
pub(crate) struct Project {
    directory: tempfile::TempDir,
}

/// A command that ended.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl Project {
    /// A project with the standard template and this config.
    pub(crate) fn new(config: &str) -> Self {
        let project = Self { directory: tempfile::tempdir().unwrap() };
        project.file("t.yml", TEMPLATE);
        project.file("cfngin.yml", config);
        project
    }

    /// A project with these stacks (YAML list items, indented).
    pub(crate) fn with_stacks(stacks: &str) -> Self {
        Self::new(&format!("{HEAD}stacks:\n{stacks}"))
    }

    /// Directory of the project.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file.
    pub(crate) fn file(&self, path: &str, text: &str) {
        std::fs::write(self.path().join(path), text).unwrap();
    }

    /// Writes the config with other stacks.
    pub(crate) fn stacks(&self, stacks: &str) {
        self.file("cfngin.yml", &format!("{HEAD}stacks:\n{stacks}"));
    }

    /// The program with a command line, not yet started.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runway-rs"));
        command.env_clear().current_dir(self.path()).stdin(Stdio::null());
        command.env("RUNWAY_RS_PROVIDER", "local").env("USER", "tester");
        command.args(line.split_whitespace());
        if !line.contains("-c ") {
            command.args(["-c", "cfngin.yml"]);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, line: &str) -> Ran {
        finished(self.start(line))
    }

    /// Starts the program.
    pub(crate) fn start(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The text of a stored object; `None` if there is none.
    pub(crate) fn graph(&self) -> serde_json::Value {
        let shown = self.run("graph show --format json").ended(0);
        serde_json::from_str(&shown.stdout).unwrap()
    }
}

/// Waits for a child and takes what it printed.
pub(crate) fn finished(mut child: Child) -> Ran {
    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    Ran { status: child.wait().unwrap(), stdout, stderr: reader.join().unwrap() }
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
