//! A Python process that answers requests, one at a time.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::Stdio;
use std::time::Duration;

use camino::Utf8PathBuf;
use runway_core::registry::HookOutput;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::PythonSettings;
use super::interpreter;
use super::problem::{PythonProblem, status_words};
use crate::group::Group;
use crate::prints::Prints;
use runway_core::secrets::Secrets;

/// What Python is started with.
pub(super) const START: &str = include_str!("start.py");
/// What watches it, if anything does.
pub(super) const TRACE: &str = include_str!("trace.py");
/// What serves requests.
pub(super) const BRIDGE: &str = include_str!("bridge.py");
/// How long to wait for what a process that ended, or answered, has printed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Bytes of the longest answer; bridge.py refuses to send more than 64 MiB.
const LONGEST_ANSWER: u64 = 80 * 1024 * 1024;

/// One warm Python.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Group,
    /// Requests go here. Taken to end the process.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    printed: ChildStderr,
    prints: Prints,
    interpreter: Utf8PathBuf,
    limit: Duration,
    next: u64,
    /// A request is under way, so that ending means killing.
    busy: bool,
}

/// An answer of bridge.py.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    id: u64,
    /// What was asked for.
    #[serde(default)]
    pub(super) ok: Value,
    /// Why there is none.
    pub(super) error: Option<Raised>,
    /// What Python code has put into `hook_data` itself.
    #[serde(default)]
    pub(super) hook_data: Map<String, Value>,
    /// Version of a Python that is too old.
    old: Option<String>,
}

/// An error that Python code raised, or a mistake that the bridge found.
#[derive(Debug, Deserialize)]
pub(super) struct Raised {
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) detail: Option<String>,
    /// What kind of call to AWS failed.
    pub(super) service: Option<String>,
    package: Option<String>,
    interpreter: Option<String>,
}

/// Why a start failed.
#[derive(Debug)]
pub(super) enum StartProblem {
    /// There is no usable Python.
    Python(PythonProblem),
    /// The bridge cannot work with this config or these packages.
    Raised(Raised),
}

impl From<PythonProblem> for StartProblem {
    fn from(problem: PythonProblem) -> Self {
        Self::Python(problem)
    }
}

impl Process {
    /// Starts Python and loads Runway and the config. If it is watched, renderings say what they depend on.
    pub(super) async fn start(
        settings: &PythonSettings,
        is_watched: bool,
        output: &dyn HookOutput,
    ) -> Result<Self, StartProblem> {
        let mut process = Self::spawn(settings)?;
        let trace = if is_watched { TRACE } else { "" };
        let mut first = format!("{} {}\n{trace}{BRIDGE}", trace.len(), BRIDGE.len()).into_bytes();
        let hello = json!({
            "mark": process.prints.mark(),
            "config": settings.config,
            "config_path": settings.config_path,
            "parameters": settings.parameters,
            "deploy_environment": settings.deploy_environment,
            "region": settings.region,
            "root_directory": settings.root_directory,
            "work_directory": settings.work_directory,
            "sys_path": settings.sys_path,
        });
        first.extend(process.line(hello));
        let answer = process.exchange(first, "the start of Python", output, &Secrets::default()).await;
        let answer = answer.map_err(|problem| match problem {
            PythonProblem::Ended { status, last, .. } => {
                PythonProblem::NotReady { interpreter: process.interpreter.clone(), status, last }
            }
            other => other,
        })?;
        if let Some(version) = answer.old {
            return Err(PythonProblem::TooOld { interpreter: process.interpreter.clone(), version }.into());
        }
        match answer.error {
            None => {
                tracing::debug!(target: "runway_rs::python", about = %answer.ok, "Python started");
                Ok(process)
            }
            Some(Raised { package: Some(package), interpreter: Some(interpreter), .. }) => {
                Err(PythonProblem::NoPackage { interpreter, package }.into())
            }
            Some(raised) => Err(StartProblem::Raised(raised)),
        }
    }

    fn spawn(settings: &PythonSettings) -> Result<Self, PythonProblem> {
        let interpreter = interpreter::find(settings)?;
        let mut command = Command::new(&interpreter);
        command
            .args(["-c", START])
            .current_dir(&settings.directory)
            .env_clear()
            .envs(&settings.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Group::lead(&mut command);
        let not_started =
            |reason: String| PythonProblem::NotStarted { interpreter: interpreter.clone(), reason };
        let mut child = command.spawn().map_err(|error| not_started(error.to_string()))?;
        let (Some(requests), Some(answers), Some(printed)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(not_started("its input and output are not connected".to_owned()));
        };
        Ok(Self {
            group: Group::of(&child),
            child,
            requests: Some(requests),
            answers: BufReader::new(answers),
            printed,
            prints: Prints::new(random_mark()),
            interpreter,
            limit: settings.timeout,
            next: 0,
            busy: false,
        })
    }

    /// Asks for something. `what` says it in errors; `output` gets what is printed meanwhile, without `secrets`.
    pub(super) async fn ask(
        &mut self,
        request: Value,
        what: &str,
        output: &dyn HookOutput,
        secrets: &Secrets,
    ) -> Result<Answer, PythonProblem> {
        let line = self.line(request);
        self.exchange(line, what, output, secrets).await
    }

    /// A request, a map, with the number that its answer will have.
    fn line(&mut self, mut request: Value) -> Vec<u8> {
        self.next += 1;
        request["id"] = self.next.into();
        let mut line = request.to_string().into_bytes();
        line.push(b'\n');
        line
    }

    async fn exchange(
        &mut self,
        line: Vec<u8>,
        what: &str,
        output: &dyn HookOutput,
        secrets: &Secrets,
    ) -> Result<Answer, PythonProblem> {
        self.busy = true;
        self.prints.forget();
        let mut print = |line: &str| output.line(&secrets.hide(line));
        let talk = talk(self.requests.as_mut(), &mut self.answers, &line, self.next);
        let relay = relay(&mut self.printed, &mut self.prints, &mut print);
        let answer = timeout(self.limit, both(talk, relay)).await;
        self.prints.flush(&mut print);
        let last = secrets.hide(&self.prints.last());
        let what = what.to_owned();
        match answer {
            Ok(Ok(Some(answer))) => {
                self.busy = false;
                Ok(answer)
            }
            Ok(Ok(None)) => {
                let status = timeout(LAST_WORDS, self.child.wait()).await.ok().and_then(Result::ok);
                self.kill();
                Err(PythonProblem::Ended { what, status: status_words(status), last })
            }
            Ok(Err(reason)) => {
                self.kill();
                Err(PythonProblem::NotUnderstood { what, reason })
            }
            Err(_) => {
                self.kill();
                Err(PythonProblem::TimedOut { what, limit: self.limit, last })
            }
        }
    }

    /// Kills Python and what it has started, as far as it runs.
    fn kill(&mut self) {
        self.requests = None;
        self.group.kill();
        let _ = self.child.start_kill();
    }
}

impl Drop for Process {
    /// A process that waits for requests ends by itself; one that works on one whose future was dropped is killed.
    fn drop(&mut self) {
        if self.busy {
            self.kill();
        }
    }
}

/// Sends a request and reads the answer. `None` if Python has ended.
async fn talk(
    requests: Option<&mut ChildStdin>,
    answers: &mut BufReader<ChildStdout>,
    line: &[u8],
    id: u64,
) -> Result<Option<Answer>, String> {
    if let Some(requests) = requests {
        // A process that has ended takes no requests; what it said is read below.
        let _ = requests.write_all(line).await;
        let _ = requests.flush().await;
    }
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = (&mut *answers).take(LONGEST_ANSWER).read_until(b'\n', &mut text).await;
        if read.map_err(|error| error.to_string())? == 0 || text.last() != Some(&b'\n') {
            return Ok(None);
        }
        match serde_json::from_slice::<Answer>(&text) {
            Ok(answer) if answer.id == id || answer.old.is_some() => return Ok(Some(answer)),
            // A wrapper around Python may print before the bridge has its output to itself.
            _ if id == 1 => {
                tracing::debug!(target: "runway_rs::python", line = %String::from_utf8_lossy(&text).trim_end(), "Python")
            }
            Ok(answer) => return Err(format!("it answers request {} instead of {id}", answer.id)),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Hands on what is printed until the mark.
async fn relay(printed: &mut ChildStderr, prints: &mut Prints, print: &mut (dyn FnMut(&str) + Send)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = printed.read(&mut buffer).await {
        if prints.take(&buffer[..length], print) {
            return;
        }
    }
}

/// Waits for the answer, and then for what was printed before it.
async fn both<T>(talk: impl Future<Output = T>, relay: impl Future<Output = ()>) -> T {
    tokio::pin!(talk, relay);
    tokio::select! {
        answer = &mut talk => {
            // Its output stays open where a program it started still runs.
            let _ = timeout(LAST_WORDS, relay).await;
            answer
        }
        () = &mut relay => talk.await,
    }
}

/// Bytes that user code does not print by chance.
fn random_mark() -> Vec<u8> {
    let random = || RandomState::new().build_hasher().finish();
    format!("\0{:016x}{:016x}\0", random(), random()).into_bytes()
}
