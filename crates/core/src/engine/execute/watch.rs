//! Looking at the stacks under way, and what is made of it.

use std::time::Duration;

use super::{Run, Watch};
use crate::engine::Interrupt;
use crate::engine::failure;
use crate::engine::judge::{Goal, Verdict, judge};
use crate::engine::look::{Look, Looked};
use crate::event::{Event, Outcome};
use crate::ident::NodeName;
use crate::provider::{ErrorKind, ProviderError, StackRef, StackState};

/// Longest time in which a status that does not fit the operation is taken for an old answer.
const OLD_ANSWERS: Duration = Duration::from_secs(60);
/// How long looks may be refused for want of permission before what runs is left alone. Credentials can be renewed
/// by their owner meanwhile.
const NO_PERMISSION: Duration = Duration::from_secs(60);
/// How long looks may go unanswered before what runs is left alone.
const NO_ANSWER: Duration = Duration::from_secs(10 * 60);

impl Run<'_, '_> {
    /// Looks once at every stack that is being watched.
    pub(super) async fn look(&mut self, interrupt: &Interrupt) {
        let targets: Vec<(NodeName, StackRef, Option<String>)> = self
            .flights
            .iter()
            .filter_map(|(name, flight)| {
                let watch = flight.watching.as_ref()?;
                Some((name.clone(), watch.stack.clone(), watch.event.clone()))
            })
            .collect();
        let look = Look {
            cloudformation: self.execution.engine.provider.cloudformation(),
            pages: self.execution.pages,
            follow_events: self.execution.engine.options.follow_events,
        };
        let looked = tokio::select! {
            biased;
            () = interrupt.abandon.cancelled() => return,
            looked = look.at(&targets) => looked,
        };
        match looked {
            Ok(looked) => {
                self.seen_at = self.execution.engine.clock.monotonic();
                self.judge_all(looked).await;
            }
            Err(error) if error.kind == ErrorKind::Throttled => self.cadence.throttled(),
            Err(error) => self.blind(error, targets.len()),
        }
    }

    /// A look failed. What runs goes on running; only our view of it is interrupted. Without permission it stays so,
    /// and after a while without an answer nobody can wait for one.
    fn blind(&mut self, error: ProviderError, watched: usize) {
        self.cadence.looked(0, watched, false);
        let text = error.to_string();
        self.reporter.event(&Event::Warning { code: "run::look_failed".into(), text });
        let without_sight = self.execution.engine.clock.monotonic().saturating_sub(self.seen_at);
        let patience = match error.kind {
            ErrorKind::Denied | ErrorKind::Credentials => NO_PERMISSION,
            _ => NO_ANSWER,
        };
        if without_sight >= patience {
            self.executed.blind = Some(error);
            self.leave(false);
        }
    }

    async fn judge_all(&mut self, looked: Looked) {
        self.execution.pages = looked.pages.unwrap_or(self.execution.pages);
        let (mut ended, mut moved) = (0, false);
        let mut running = 0;
        for (name, seen, events) in looked.stacks {
            for event in &events {
                self.reporter.event(&Event::Resource {
                    name: name.clone(),
                    logical_id: event.logical_id.clone(),
                    resource_type: event.resource_type.clone(),
                    status: event.status.clone(),
                    reason: event.reason.clone(),
                });
            }
            let now = self.execution.engine.clock.monotonic();
            let Some(watch) = self.flights.get_mut(&name).and_then(|flight| flight.watching.as_mut()) else {
                continue;
            };
            moved |= !events.is_empty();
            if let Some(last) = events.last() {
                watch.event = Some(last.id.clone());
            }
            let status = seen.as_ref().map(|stack| stack.status.as_str().to_owned());
            if status != watch.status {
                moved = true;
                watch.status.clone_from(&status);
                if let Some(status) = status {
                    self.reporter.event(&Event::StackStatus { name: name.clone(), status });
                }
            }
            let is_old = is_old_answer(watch, seen.as_ref());
            let verdict = match judge(watch.goal, seen.as_ref()) {
                verdict @ (Verdict::Reached | Verdict::Failed) if is_old => {
                    match &watch.refused {
                        _ if now.saturating_sub(watch.since) < OLD_ANSWERS => Verdict::Wait,
                        // Nothing ever came of the attempt without an answer.
                        Some(_) => Verdict::Failed,
                        None => verdict,
                    }
                }
                Verdict::Unexpected if now.saturating_sub(watch.since) < OLD_ANSWERS => Verdict::Wait,
                Verdict::Unexpected => Verdict::Failed,
                verdict => verdict,
            };
            match verdict {
                Verdict::Wait | Verdict::Unexpected => running += 1,
                Verdict::Reached => {
                    ended += 1;
                    if watch.goal == Goal::Idle {
                        // Whose operation it was, and what template it left, is not known.
                        self.forget_template(&name);
                    } else {
                        self.has_worked(&name);
                    }
                    self.remember(&name, seen);
                    self.advance(&name);
                }
                Verdict::Failed => {
                    ended += 1;
                    let (goal, stack) = (watch.goal, watch.stack.clone());
                    let refused = watch.refused.take().filter(|_| is_old);
                    let cloudformation = self.execution.engine.provider.cloudformation();
                    // Without events the failure is still told, only less well.
                    let events = failure::latest_operation(cloudformation.as_ref(), &stack, None)
                        .await
                        .unwrap_or_default();
                    let failure = refused.unwrap_or_else(|| failure::describe(goal, seen.as_ref(), &events));
                    self.remember(&name, seen);
                    self.end(&name, Outcome::Failed(failure));
                }
            }
        }
        self.cadence.looked(ended, running, moved);
    }
}

/// Whether what is seen may still be the state from before the operation: CloudFormation stamps every update. It does not
/// stamp a deletion that it gives up; the reason may be that of an earlier one.
fn is_old_answer(watch: &Watch, seen: Option<&StackState>) -> bool {
    let (Some(before), Some(seen)) = (&watch.before, seen) else { return false };
    match watch.goal {
        Goal::Updated if seen.updated.is_some() => seen.updated == before.updated,
        // A cloud that stamps nothing: what has not changed at all was probably not updated.
        Goal::Updated => watch.refused.is_some() && seen == before,
        Goal::Deleted => seen.status == before.status && seen.status_reason == before.status_reason,
        Goal::Created | Goal::Idle => false,
    }
}
