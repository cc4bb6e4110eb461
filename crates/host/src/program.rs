//! Runs one program of the user's machine.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::registry::{HandlerFailure, HookOutput};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::group::Group;
use crate::prints::Prints;
use runway_core::secrets::Secrets;

/// How long to wait for output after a program has ended: one that it left behind may hold it open for ever.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Bytes of output that are kept if they are wanted as a value.
const LONGEST_CAPTURE: usize = 64 * 1024 * 1024;

/// What goes into a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
    /// What the user types.
    Terminal,
}

/// What becomes of its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is shown, line by line.
    Lines,
    /// It is returned.
    Captured,
    /// It is thrown away.
    Nothing,
    /// It goes to the user's terminal untouched. (To standard error: standard output is for this program's data.)
    Terminal,
}

/// A program and how it runs.
#[derive(Debug)]
pub(crate) struct Program {
    /// The program: a path, or a name on the `PATH`.
    pub(crate) program: String,
    /// What it sees as its own name, if that is not `program`.
    pub(crate) name: Option<String>,
    pub(crate) arguments: Vec<String>,
    pub(crate) directory: Utf8PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) input: Input,
    pub(crate) wanted: Wanted,
    /// It talks with the user, so that the terminal must be its own.
    pub(crate) interactive: bool,
}

/// Kills a program that nobody waits for any more, with all it has started.
struct KillOnDrop(Group);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Its output, if that was wanted.
    pub(crate) stdout: Option<String>,
    /// Its error output, if that was wanted.
    pub(crate) stderr: Option<String>,
    /// The last lines of its output.
    pub(crate) last: String,
}

impl Ended {
    /// The exit status as Python tells it: the negative number of a signal.
    pub(crate) fn code(&self) -> i32 {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&self.status) {
            return -signal;
        }
        self.status.code().unwrap_or(-1)
    }
}

impl Program {
    /// Runs it to its end. If the future is dropped, the program is killed with all it has started. An interactive one
    /// gets the interrupts of the terminal itself.
    ///
    /// # Errors
    /// If it cannot be started. An exit status is no error here.
    pub(crate) async fn run(
        &self,
        output: &dyn HookOutput,
        secrets: &Secrets,
    ) -> Result<Ended, HandlerFailure> {
        let found = self.find()?;
        let mut command = Command::new(found);
        command
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(&self.environment)
            .kill_on_drop(true)
            .stdin(match self.input {
                Input::Nothing => Stdio::null(),
                Input::Text(_) => Stdio::piped(),
                Input::Terminal => Stdio::inherit(),
            })
            .stdout(self.output())
            .stderr(self.output());
        #[cfg(unix)]
        command.arg0(self.name.as_ref().unwrap_or(&self.program));
        if !self.interactive {
            Group::lead(&mut command);
        }
        let mut child = command.spawn().map_err(|error| self.not_started(&error.to_string()))?;
        let mut group = KillOnDrop(if self.interactive { Group::default() } else { Group::of(&child) });
        let input = child.stdin.take();
        let (mut out, mut err) = (Collected::new(self.wanted), Collected::new(self.wanted));
        {
            let write = async {
                if let (Some(mut input), Input::Text(text)) = (input, &self.input) {
                    // A program need not read all of it.
                    let _ = input.write_all(text.as_bytes()).await;
                }
            };
            let print = |line: &str| output.line(&secrets.hide(line));
            let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
            let read =
                async { tokio::join!(write, out.collect(stdout, &print), err.collect(stderr, &print)) };
            tokio::pin!(read);
            tokio::select! {
                _ = &mut read => {}
                _ = child.wait() => {
                    // What it has left behind on purpose goes on.
                    group.0.release();
                    let _ = timeout(LAST_WORDS, read).await;
                }
            }
        }
        let status = child.wait().await.map_err(|error| self.not_started(&error.to_string()))?;
        group.0.release();
        if out.too_long || err.too_long {
            return Err(HandlerFailure {
                message: format!("`{}` wrote more than {} MiB", self.program, LONGEST_CAPTURE / 1024 / 1024),
                help: Some("do not capture output of this size: let it write to a file".to_owned()),
                ..HandlerFailure::default()
            });
        }
        let last = [out.prints.last(), err.prints.last()].join("\n");
        Ok(Ended { status, stdout: out.text(), stderr: err.text(), last: secrets.hide(last.trim()) })
    }

    /// Where the program is. Paths are relative to the directory it runs in.
    fn find(&self) -> Result<Utf8PathBuf, HandlerFailure> {
        if self.program.contains('/') {
            let place = self.directory.join(&self.program);
            return if place.is_file() { Ok(place) } else { Err(self.not_started("there is no such file")) };
        }
        if !self.directory.is_dir() {
            return Err(self.not_started(&format!("its directory {} does not exist", self.directory)));
        }
        let path = self.environment.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
        path.split(':')
            .map(|directory| self.directory.join(Utf8Path::new(directory)).join(&self.program))
            .find(|place| place.is_file())
            .ok_or_else(|| self.not_started("it is not on the PATH"))
    }

    fn not_started(&self, reason: &str) -> HandlerFailure {
        HandlerFailure {
            message: format!("the program `{}` cannot be started: {reason}", self.program),
            help: Some(
                "install it, or correct its name; paths are relative to the directory it runs in".to_owned(),
            ),
            ..HandlerFailure::default()
        }
    }

    fn output(&self) -> Stdio {
        match self.wanted {
            Wanted::Lines | Wanted::Captured => Stdio::piped(),
            Wanted::Nothing => Stdio::null(),
            Wanted::Terminal => Stdio::from(std::io::stderr()),
        }
    }
}

/// Output of a program.
struct Collected {
    wanted: Wanted,
    bytes: Vec<u8>,
    prints: Prints,
    too_long: bool,
}

impl Collected {
    fn new(wanted: Wanted) -> Self {
        Self { wanted, bytes: Vec::new(), prints: Prints::new(Vec::new()), too_long: false }
    }

    async fn collect(&mut self, from: Option<impl AsyncRead + Unpin>, print: &(dyn Fn(&str) + Sync)) {
        let Some(mut from) = from else { return };
        let mut print = |line: &str| {
            if self.wanted == Wanted::Lines {
                print(line);
            }
        };
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            self.prints.take(&buffer[..length], &mut print);
            if self.wanted == Wanted::Captured {
                if self.bytes.len() + length > LONGEST_CAPTURE {
                    self.too_long = true;
                    return;
                }
                self.bytes.extend_from_slice(&buffer[..length]);
            }
        }
        self.prints.flush(&mut print);
    }

    fn text(&self) -> Option<String> {
        (self.wanted == Wanted::Captured).then(|| String::from_utf8_lossy(&self.bytes).into_owned())
    }
}
