//! The program as a child process: found, started, read, interrupted.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use runway_core::exit::ExitCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::inputs::variable;
use crate::report::{Document, Report};

/// The program's name.
const PROGRAM: &str = "runway-rs";

/// The program: the one that was named, the one beside this executable, or the one on the search path.
pub(crate) fn program(named: Option<&str>, current: &Path, executable: Option<&Path>) -> PathBuf {
    if let Some(path) = named {
        return current.join(path);
    }
    let beside = executable.map(|path| path.with_file_name(PROGRAM)).filter(|path| path.is_file());
    beside.unwrap_or_else(|| PathBuf::from(PROGRAM))
}

/// Runs the program to its end and takes what it reports. Its standard error goes to our standard output, and so does
/// a log of what it does: with one stream, what stands between the two marks that switch workflow commands off and on
/// really is between them. The file `findings` is where it puts errors and warnings: on its standard output warnings have
/// no place beside a plan. `cache` is the mode of the bucket's part of the task cache, if it is to be another one.
pub(crate) fn run(
    program: &Path,
    arguments: &[String],
    (directory, findings): (&Path, &Path),
    cache: Option<&str>,
    report: &mut Report,
) -> std::io::Result<u8> {
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .current_dir(directory)
        // For the comment alone; hooks have no use for it.
        .env_remove(variable("token"))
        .env("RUNWAY_RS_FINDINGS", findings)
        .envs(cache.map(|mode| (crate::cache::REMOTE, mode)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::io::stdout())
        // Signals reach it once, from us.
        .process_group(0)
        .spawn()?;
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        std::thread::spawn(move || forward_signals(pid));
    }
    if let Some(stdout) = child.stdout.take() {
        read(stdout, report);
    }
    let ended = child.wait().map(number);
    if let Ok(text) = fs_err::read_to_string(findings) {
        report
            .all_findings(text.lines().filter_map(|line| serde_json::from_str(line).ok()).map(Document::of));
    }
    ended
}

/// Reads documents as they come. What is no JSON (the help that was asked for, say) is passed on.
fn read(stdout: impl Read, report: &mut Report) {
    let mut source = BufReader::new(stdout);
    if source.fill_buf().is_ok_and(|start| start.first() == Some(&b'{')) {
        for value in serde_json::Deserializer::from_reader(&mut source).into_iter::<Value>() {
            let Ok(value) = value else { break };
            let document = Document::of(value);
            for line in document.log() {
                say(&line);
            }
            report.add(document);
        }
    }
    // To the end in any case: the child must not be stopped by a pipe that nobody reads.
    let _ = std::io::copy(&mut source, &mut std::io::stdout());
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// The exit code; a program that a signal ended did so unexpectedly.
fn number(status: ExitStatus) -> u8 {
    let unexpected = ExitCode::Unexpected.number();
    match status.code() {
        Some(code) => u8::try_from(code).unwrap_or(unexpected),
        None => status.signal().and_then(|signal| u8::try_from(128 + signal).ok()).unwrap_or(unexpected),
    }
}

/// A cancelled job interrupts, then terminates: the program ends in order on the first and leaves what runs on the second.
fn forward_signals(pid: Pid) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        loop {
            let which = tokio::select! {
                _ = interrupt.recv() => Signal::INT,
                _ = terminate.recv() => Signal::TERM,
            };
            // It may have ended by itself in the meantime.
            let _ = kill_process(pid, which);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_named_one_or_stands_beside_or_is_searched_for() {
        let directory = tempfile::tempdir().unwrap();
        let executable = directory.path().join("runway-gh-action");
        let current = Path::new("/checkout");
        assert_eq!(program(Some("bin/x"), current, Some(&executable)), Path::new("/checkout/bin/x"));
        assert_eq!(program(Some("/opt/x"), current, None), Path::new("/opt/x"));
        assert_eq!(program(None, current, Some(&executable)), Path::new(PROGRAM));
        std::fs::write(directory.path().join(PROGRAM), "").unwrap();
        assert_eq!(program(None, current, Some(&executable)), directory.path().join(PROGRAM));
    }
}
