//! Events of a run: a line for people, a JSON object for programs.

use serde::Serialize;

use super::style::harmless;
use super::words;
use crate::event::{Event, Outcome, StepFailure};
use crate::plan::Action;

/// One line of `deploy --format json`: an event. The plan comes first, as a document of its own.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct EventLine<'e> {
    /// Version of this format.
    version: u32,
    /// What happened.
    #[serde(flatten)]
    event: &'e Event,
}

/// The event as one JSON object, `version` first, without a line feed.
pub fn json_line(event: &Event) -> String {
    // Names, numbers and texts only: there is no event without JSON.
    serde_json::to_string(&EventLine { version: 1, event }).unwrap_or_default()
}

/// The event as lines for a log; none for events that only a live display shows.
pub fn lines(event: &Event) -> Vec<String> {
    let text = match event {
        Event::LockWaiting { holder, waited_seconds, limit_seconds } => {
            format!("waiting for the lock held by {holder} ({waited_seconds} of at most {limit_seconds} s)")
        }
        Event::LockTakenOver { holder } => format!("took over the lock of a dead run: {holder}"),
        Event::Locked { graph, code } => format!("locked {graph} ({code})"),
        Event::Unlocked { graph } => format!("unlocked {graph}"),
        Event::LockLost { reason } => format!("lock lost, nothing new starts: {reason}"),
        Event::HookStarted { stage, path } => format!("{stage} hook {path}: running"),
        Event::HookOutput { line, .. } => format!("  | {line}"),
        Event::TaskOutput { name, line } => format!("  {name} | {line}"),
        Event::HookFinished { stage, path, failure: None, elapsed } => {
            format!("{stage} hook {path}: done in {:.1} s", elapsed.as_secs_f64())
        }
        Event::HookFinished { stage, path, failure: Some(_), elapsed } => {
            format!("{stage} hook {path}: FAILED after {:.1} s", elapsed.as_secs_f64())
        }
        Event::StepStarted { name, fqn, action } if fqn.as_str() == name.as_str() => {
            format!("{name}: {}", doing(*action))
        }
        Event::StepStarted { name, fqn, action } => format!("{name} ({fqn}): {}", doing(*action)),
        Event::Resource { .. } | Event::StackStatus { .. } | Event::Outcomes { .. } => return Vec::new(),
        Event::StepFinished { name, action, outcome, elapsed, .. } => {
            let seconds = format!("{:.1} s", elapsed.as_secs_f64());
            match outcome {
                Outcome::Done => format!("{name}: {} in {seconds}", done(*action)),
                Outcome::Unchanged => format!("{name}: nothing to do"),
                Outcome::Abandoned => format!("{name}: left unfinished"),
                Outcome::Failed(failure) => {
                    let mut lines = vec![format!("{name}: FAILED after {seconds}")];
                    lines.extend(failure_lines(failure).into_iter().map(|line| format!("  {line}")));
                    return lines.iter().map(|line| harmless(line)).collect();
                }
            }
        }
        Event::StepBlocked { name, by, .. } => format!("{name}: not started, because of {}", words::list(by)),
        Event::Interrupted { running, watching: true } if running.is_empty() => "interrupted".to_owned(),
        Event::Interrupted { running, watching: true } => {
            format!(
                "interrupted: nothing new starts, waiting for {} (interrupt again to leave)",
                words::list(running)
            )
        }
        Event::Interrupted { running, watching: false } => {
            format!("leaving {} running", words::list(running))
        }
        Event::Warning { code, text } => format!("warning: {text} [{code}]"),
        Event::RunFinished { done, failed, not_run, elapsed, .. } => {
            let mut parts: Vec<String> = [
                (done.create, "created"),
                (done.update, "updated"),
                (done.recreate, "created anew"),
                (done.delete, "deleted"),
                (done.run, "ran"),
                (done.none, "unchanged"),
                (failed.len(), "FAILED"),
                (not_run.len(), "not done"),
            ]
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
            if parts.is_empty() {
                parts.push("nothing to do".to_owned());
            }
            format!("finished in {:.1} s: {}", elapsed.as_secs_f64(), parts.join(", "))
        }
    };
    vec![harmless(&text)]
}

/// What failed, in lines: the cause first.
pub fn failure_lines(failure: &StepFailure) -> Vec<String> {
    let mut lines = vec![failure.message.clone()];
    if let Some(resource) = &failure.resource {
        let reason = resource.reason.as_deref().unwrap_or("no reason given");
        let first = format!("first failed: {} ({}): {reason}", resource.logical_id, resource.resource_type);
        lines.insert(0, first);
    }
    // Of a blueprint that failed it begins with Python's traceback.
    let help = failure.help.iter().flat_map(|help| help.lines()).enumerate();
    lines.extend(
        help.map(|(index, line)| if index == 0 { format!("help: {line}") } else { format!("  {line}") }),
    );
    lines
}

/// What is being done, for a live display.
pub fn doing(action: Action) -> &'static str {
    match action {
        Action::Create => "creating",
        Action::Update => "updating",
        Action::Delete => "deleting",
        Action::Recreate => "deleting, then creating",
        Action::Run => "running",
        Action::None | Action::Skip => "looking",
    }
}

/// What was done.
pub fn done(action: Action) -> &'static str {
    match action {
        Action::Create => "created",
        Action::Update => "updated",
        Action::Delete => "deleted",
        Action::Recreate => "deleted and created",
        Action::Run => "ran",
        Action::None | Action::Skip => "unchanged",
    }
}
