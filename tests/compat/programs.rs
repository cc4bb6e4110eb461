//! The processes: moto, Runway kept warm, runway-rs.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::case::Call;

/// Longest time of a run of ours; Runway's server has its own limit.
const LONGEST: Duration = Duration::from_secs(60);

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit code; -1 for a signal.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) output: String,
}

/// An emulator and a warm Runway: what one worker needs.
pub(crate) struct Bench {
    endpoint: String,
    _emulator: Child,
    _runway: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Bench {
    /// Starts both.
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let emulator = Command::new(python("moto"))
            .arg(root().join("tests/python/emulator.py"))
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut runway = Command::new(python("runway"))
            .arg(root().join("tests/python/runway_server.py"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let bench = Self {
            // The name, not the address: moto looks for it in template URLs.
            endpoint: format!("http://localhost:{port}"),
            requests: runway.stdin.take().unwrap(),
            answers: BufReader::new(runway.stdout.take().unwrap()),
            _emulator: emulator,
            _runway: runway,
        };
        let deadline = Instant::now() + LONGEST;
        while ureq::get(&bench.url("moto-api/")).call().is_err() {
            assert!(Instant::now() < deadline, "moto does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        bench
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.endpoint.replace("localhost", "127.0.0.1"))
    }

    /// Forgets everything in the cloud.
    pub(crate) fn reset(&self) {
        ureq::post(&self.url("moto-api/reset")).send_empty().unwrap();
    }

    /// Makes a bucket with versioning.
    pub(crate) fn make_bucket(&self, name: &str) {
        let url = self.url(&format!("__emulator__/bucket?bucket={name}&region=us-east-1"));
        ureq::put(&url).send_json(Value::Null).unwrap();
    }

    /// Gives a stack another status.
    pub(crate) fn set_status(&self, stack: &str, status: &str) {
        let url = self.url(&format!("__emulator__/status?region=us-east-1&stack={stack}"));
        ureq::put(&url).send_json(Value::from(status)).unwrap();
    }

    /// Everything in the cloud: stacks and objects.
    pub(crate) fn world(&self) -> Result<Value, String> {
        let mut answer = ureq::get(&self.url("__emulator__/world")).call().unwrap();
        let world: Value = answer.body_mut().with_config().limit(1 << 30).read_json().unwrap();
        world["emulator_error"].as_str().map_or_else(|| Ok(world.clone()), |error| Err(error.to_owned()))
    }

    /// The environment of both programs.
    pub(crate) fn environment(&self, home: &Path) -> BTreeMap<String, String> {
        let environment = python("runway").parent().unwrap().parent().unwrap().display().to_string();
        let path = format!("{environment}/bin:/usr/local/bin:/usr/bin:/bin");
        let home = home.display().to_string();
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_SESSION_TOKEN", "testing"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_MAX_ATTEMPTS", "1"),
            ("CI", "1"),
            ("DEPLOY_ENVIRONMENT", "test"),
            ("CFNGIN_STACK_POLL_TIME", "0"),
            // With more, Runway loses entries of its graph at random (D15).
            ("RUNWAY_MAX_CONCURRENT_CFNGIN_STACKS", "1"),
            ("VIRTUAL_ENV", environment.as_str()),
            ("PATH", path.as_str()),
            ("HOME", home.as_str()),
            ("LANG", "C.UTF-8"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| json!({"error": format!("{error}: {line}")}))
    }

    /// Runs Runway.
    pub(crate) fn runway(
        &mut self,
        line: &str,
        directory: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Ran {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let answer = self.ask(&json!({"run": arguments, "directory": directory, "environment": environment}));
        match answer["code"].as_i64() {
            Some(code) => Ran {
                code: i32::try_from(code).unwrap_or(-1),
                output: answer["output"].as_str().unwrap_or_default().to_owned(),
            },
            None => Ran { code: -1, output: answer.to_string() },
        }
    }

    /// Calls AWS; `lenient` answers an error with its code instead of failing.
    pub(crate) fn calls(
        &mut self,
        calls: &[Call],
        lenient: bool,
        environment: &BTreeMap<String, String>,
    ) -> Result<Vec<Value>, String> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.ask(&json!({"calls": calls, "lenient": lenient, "environment": environment}));
        answer["answers"]
            .as_array()
            .cloned()
            .ok_or_else(|| format!("calls: {}", answer["error"].as_str().unwrap_or_default()))
    }
}

/// Runs runway-rs.
pub(crate) fn ours(line: &str, directory: &Path, environment: &BTreeMap<String, String>) -> Ran {
    let output = tempfile::tempfile().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_runway-rs"))
        .args(line.split_whitespace())
        .env_clear()
        .envs(environment)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + LONGEST;
    let code = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status.code().unwrap_or(-1),
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                child.wait().unwrap();
                break -1;
            }
            None => std::thread::sleep(Duration::from_millis(4)),
        }
    };
    Ran { code, output: read_from_start(output) }
}

fn read_from_start(mut file: std::fs::File) -> String {
    use std::io::{Read as _, Seek as _};
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Interpreter of a virtual environment that `cargo xtask test` installs.
fn python(environment: &str) -> PathBuf {
    let place = root().join("target/python").join(environment).join("bin/python");
    assert!(place.exists(), "{} is missing: `cargo xtask test` installs it", place.display());
    std::path::absolute(place).unwrap()
}
