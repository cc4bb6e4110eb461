//! `plan --change-sets`: asks CloudFormation itself what the steps of a plan would do, and takes the questions back.
//!
//! A change set is a write, so each has a name that nobody else uses, and is deleted whatever came of it: after an answer,
//! a failure, a time-out, an interruption. A set for a stack that does not exist makes an empty stack in review; that is
//! deleted too, unless somebody else has put a set of their own into it. What a killed run leaves is removed by the next
//! inquiry into the same stack: sets with our prefix that are an hour older than its own, by CloudFormation's own dates.

mod question;
mod withdraw;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{StreamExt, iter};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::problem::EngineProblem;
use crate::engine::run::or_interrupted;
use crate::engine::sending::{attempts, worked_out};
use crate::engine::{Engine, EngineError, Interrupt, Planned};
use crate::error::Finding;
use crate::ident::{NodeName, StackFqn, StackId};
use crate::plan::{ChangeSetAnswer, Purpose};
use crate::provider::{
    AnnouncedChange, ChangeSetKind, ChangeSetRef, ChangeSetRequest, ChangeSetStatus, CloudFormation,
    ErrorKind, ProviderError,
};
use crate::secrets::Secrets;
use question::Question;

/// Beginning of the names of all sets that only ask.
const PREFIX: &str = "runway-rs-plan-";
/// How long CloudFormation may work on a change set that only asks.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The name of a set: one of its own for every session and stack, since an emulator may take names for global.
fn name(session: &str, fqn: &StackFqn) -> String {
    let digest = Sha256::digest(fqn.as_str());
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{session}-{short}")
}

impl Engine {
    pub(crate) async fn plan_and_ask(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
        interrupt: &Interrupt,
    ) -> Result<Planned, EngineError> {
        let made = or_interrupted(interrupt, self.make_plan_with_world(config, purpose)).await?;
        let (mut planned, desired, world) = made;
        let backing = crate::engine::backing::Backing::read_only(self, config);
        let mut answers = BTreeMap::new();
        let mut asked = Vec::new();
        for step in &planned.plan.steps {
            match self.question(&desired, &world, &backing, step).await {
                None => {}
                Some(Question::Idle(reason)) => {
                    answers.insert(step.name.clone(), ChangeSetAnswer::NotAsked { reason });
                }
                Some(Question::Asked(inquiry)) => {
                    asked.push((step.name.clone(), *inquiry, interrupt.clone()))
                }
            }
        }
        let heard: Vec<(NodeName, ChangeSetAnswer, Vec<String>)> = iter(asked)
            .map(|(name, inquiry, interrupt)| async move {
                let (answer, left) = inquiry.run(&interrupt).await;
                (name, answer, left)
            })
            .buffer_unordered(self.options.requests_at_once())
            .collect()
            .await;
        let mut left_behind = Vec::new();
        for (name, answer, left) in heard {
            answers.insert(name, answer);
            left_behind.extend(left);
        }
        left_behind.sort();
        let left: Vec<Finding> = left_behind
            .into_iter()
            .map(|what| Finding::general(EngineProblem::LeftBehind { what }))
            .collect();
        if interrupt.stop.is_cancelled() {
            let mut error = EngineError::of(EngineProblem::Interrupted);
            error.findings.extend(left);
            return Err(error);
        }
        planned.plan.take_answers(answers, &config.data_loss, &self.settings_of_today());
        planned.plan.hide(&self.asked.vault().secrets());
        planned.warnings.extend(left);
        Ok(planned)
    }
}

/// One question to CloudFormation: what would become of this stack?
struct Inquiry {
    cloudformation: Arc<dyn CloudFormation>,
    clock: Arc<dyn Clock>,
    request: ChangeSetRequest,
    fqn: StackFqn,
    /// Id of the stack, if it exists.
    stack: Option<StackId>,
    /// Token of the deletion of a stack in review.
    cleanup: String,
    /// What must not be shown of the answer.
    secrets: Secrets,
}

impl Inquiry {
    /// The answer, and what could not be removed again.
    async fn run(&self, interrupt: &Interrupt) -> (ChangeSetAnswer, Vec<String>) {
        let shell = self.shell().await;
        let mut answer_lost = false;
        let may_send = || !interrupt.stop.is_cancelled();
        let made = attempts(self.clock.as_ref(), may_send, &mut answer_lost, || {
            self.cloudformation.create_change_set(&self.request)
        })
        .await;
        let by_name =
            ChangeSetRef::Name { name: self.request.name.clone(), stack: self.request.stack.stack.clone() };
        let (set, stack) = match made {
            Some(Ok(made)) => (ChangeSetRef::Id(made.id), Some(made.stack)),
            // An attempt whose answer was lost has made it.
            Some(Err(error)) if answer_lost && error.kind == ErrorKind::AlreadyExists => {
                (by_name, self.stack.clone())
            }
            not_made => {
                let answer = match not_made {
                    Some(Err(error)) => self.refusal(&error),
                    _ => interrupted(),
                };
                let left = match answer_lost {
                    true => self.withdraw(&by_name, self.stack.clone(), shell, interrupt).await,
                    false => Vec::new(),
                };
                return (answer, left);
            }
        };
        let answer = tokio::select! {
            biased;
            () = interrupt.stop.cancelled() => interrupted(),
            answer = self.answer(&set) => answer,
        };
        let left = self.withdraw(&set, stack, shell, interrupt).await;
        (answer, left)
    }

    /// What a request that was refused means.
    fn refusal(&self, error: &ProviderError) -> ChangeSetAnswer {
        // An emulator says at once what AWS says of the set.
        if error.message.contains("No updates are to be performed") {
            return ChangeSetAnswer::Unchanged;
        }
        self.failed(&format!("{}: {}", error.operation, error.message))
    }

    fn failed(&self, reason: &str) -> ChangeSetAnswer {
        ChangeSetAnswer::Failed { reason: self.secrets.hide(reason) }
    }

    /// Waits until the set is worked out, and reads all of it.
    async fn answer(&self, set: &ChangeSetRef) -> ChangeSetAnswer {
        let seen = worked_out(self.cloudformation.as_ref(), self.clock.as_ref(), set, PATIENCE).await;
        let read = match seen {
            Ok(Some(seen)) if seen.status == ChangeSetStatus::Ready => self.read(set).await,
            Ok(Some(seen)) if seen.is_empty() => return ChangeSetAnswer::Unchanged,
            Ok(Some(seen)) if seen.status == ChangeSetStatus::Failed => {
                return self.failed(seen.reason.as_deref().unwrap_or("it gives no reason"));
            }
            Ok(Some(_)) => {
                let minutes = PATIENCE.as_secs() / 60;
                return self.failed(&format!("the change set was not worked out in {minutes} minutes"));
            }
            Ok(None) => return self.failed("somebody deleted the change set"),
            Err(error) => Err(error),
        };
        match read {
            Ok(changes) if changes.is_empty() && self.request.kind == ChangeSetKind::Create => {
                self.failed("it names no resource")
            }
            Ok(changes) => ChangeSetAnswer::Changes(changes),
            Err(error) => self.failed(&format!("{}: {}", error.operation, error.message)),
        }
    }

    /// All pages of what the set would do.
    async fn read(&self, set: &ChangeSetRef) -> Result<BTreeMap<String, AnnouncedChange>, ProviderError> {
        let mut changes = BTreeMap::new();
        let mut page: Option<String> = None;
        loop {
            let send = || self.cloudformation.change_set_changes(set, page.as_deref());
            let Some(answer) = attempts(self.clock.as_ref(), || true, &mut false, send).await else {
                return Ok(changes);
            };
            let answer = answer?;
            changes.extend(
                answer.changes.into_iter().map(|change| (change.logical_id.clone(), self.shown(change))),
            );
            page = answer.next;
            if page.is_none() {
                return Ok(changes);
            }
        }
    }

    /// A change without what must not be shown.
    fn shown(&self, mut change: AnnouncedChange) -> AnnouncedChange {
        for detail in &mut change.details {
            for value in [&mut detail.before, &mut detail.after].into_iter().flatten() {
                *value = self.secrets.hide(value);
            }
        }
        change
    }
}

fn interrupted() -> ChangeSetAnswer {
    ChangeSetAnswer::NotAsked { reason: "the command was interrupted".to_owned() }
}
