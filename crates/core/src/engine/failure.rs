//! From a stack's events to one sentence about what went wrong first.

use crate::engine::judge::Goal;
use crate::event::{FailedResource, StepFailure};
use crate::provider::{CloudFormation, ProviderError, StackEvent, StackRef, StackState};

/// Pages of events read for one failure, at most; a page holds about a hundred events.
const PAGES: usize = 10;

const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

/// Reads the events of the stack's latest operation, oldest first. `known` ends the reading early: events up to and
/// including that id were read before.
///
/// # Errors
/// [`ProviderError`] as the provider gives it.
pub(crate) async fn latest_operation(
    cloudformation: &dyn CloudFormation,
    stack: &StackRef,
    known: Option<&str>,
) -> Result<Vec<StackEvent>, ProviderError> {
    let mut events = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let page = cloudformation.stack_events(stack, token.as_deref()).await?;
        for event in page.events {
            if known == Some(event.id.as_str()) {
                events.reverse();
                return Ok(events);
            }
            let begins = begins_operation(&event);
            events.push(event);
            if begins {
                events.reverse();
                return Ok(events);
            }
        }
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    events.reverse();
    Ok(events)
}

/// Whether the event is the stack's own announcement that an operation begins. Rollbacks belong to the operation
/// that failed.
fn begins_operation(event: &StackEvent) -> bool {
    is_about_the_stack(event)
        && matches!(event.status.as_str(), "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS")
}

/// Whether the event speaks of the stack itself (a nested stack has the same type but another logical id).
fn is_about_the_stack(event: &StackEvent) -> bool {
    event.resource_type == STACK_TYPE
        && event
            .physical_id
            .as_deref()
            .is_some_and(|id| id.contains(&format!("stack/{}/", event.logical_id)) || id == event.logical_id)
}

/// Whether CloudFormation gave up a deletion it had accepted, which leaves the stack as it was: somebody imports an
/// export of it. Nothing but the reason of the status tells.
pub(crate) fn refuses_deletion(stack: &StackState) -> bool {
    let reason = stack.status_reason.as_deref().unwrap_or_default();
    reason.starts_with("Delete canceled")
        || reason.starts_with("Export ") && reason.contains("cannot be deleted as it is in use by")
}

/// The resource that failed first: later failures are mostly cancellations in its wake.
pub(crate) fn first_failed(events: &[StackEvent]) -> Option<FailedResource> {
    let cancelled = |event: &StackEvent| {
        event.reason.as_deref().is_some_and(|reason| {
            reason.starts_with("Resource creation cancelled")
                || reason.starts_with("Resource update cancelled")
        })
    };
    events
        .iter()
        .filter(|event| event.status.ends_with("_FAILED") && !is_about_the_stack(event))
        .find(|event| !cancelled(event))
        .map(|event| FailedResource {
            logical_id: event.logical_id.clone(),
            resource_type: event.resource_type.clone(),
            status: event.status.clone(),
            reason: event.reason.clone(),
        })
}

/// Describes a watched operation that failed. The final status decides the words, not the moment of the look.
pub(crate) fn describe(goal: Goal, seen: Option<&StackState>, events: &[StackEvent]) -> StepFailure {
    let status = seen.map(|stack| stack.status);
    let status_text = status.map(|status| status.as_str().to_owned());
    let ended = match (goal, status_text.as_deref()) {
        (Goal::Created, Some("ROLLBACK_COMPLETE")) => "rolled back new stack".to_owned(),
        (Goal::Updated, Some("UPDATE_ROLLBACK_COMPLETE")) => "rolled back update".to_owned(),
        (Goal::Created, Some(status)) => format!("creation ended in {status}"),
        (Goal::Updated, Some(status)) => format!("update ended in {status}"),
        (Goal::Deleted, Some(_)) if seen.is_some_and(refuses_deletion) => "deletion was refused".to_owned(),
        (Goal::Deleted, Some(status)) => format!("deletion ended in {status}"),
        (_, None) => "the stack vanished while it was being worked on".to_owned(),
        (Goal::Idle, Some(status)) => format!("another operation ended in {status}"),
    };
    let own_reason = || {
        let from_events = events
            .iter()
            .filter(|event| is_about_the_stack(event))
            .filter_map(|event| event.reason.clone().filter(|reason| !reason.starts_with("User Initiated")))
            .next();
        seen.and_then(|stack| stack.status_reason.clone()).or(from_events)
    };
    let resource = first_failed(events);
    let message = match own_reason() {
        Some(reason) => format!("{ended}: {reason}"),
        None => ended,
    };
    let help = match (goal, status_text.as_deref()) {
        (Goal::Created, Some("ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED")) => {
            Some("mend the cause and deploy again: the failed stack will be deleted and created anew".to_owned())
        }
        (Goal::Updated, Some("UPDATE_ROLLBACK_FAILED")) => Some(
            "CloudFormation could not restore the stack: `aws cloudformation continue-update-rollback` gets it out of this state"
                .to_owned(),
        ),
        (Goal::Deleted, Some("DELETE_FAILED")) => {
            Some("remove what blocks the deletion (often a non-empty bucket), then run the command again".to_owned())
        }
        _ => None,
    };
    StepFailure { message, status: status_text, resource, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, logical_id: &str, kind: &str, status: &str, reason: Option<&str>) -> StackEvent {
        StackEvent {
            id: id.to_owned(),
            time: None,
            logical_id: logical_id.to_owned(),
            physical_id: (kind == STACK_TYPE)
                .then(|| format!("arn:aws:cloudformation:r:1:stack/{logical_id}/u")),
            resource_type: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            token: None,
        }
    }

    #[test]
    fn the_first_failure_is_named_not_the_cancellations_after_it() {
        let events = [
            event("1", "ns-a", STACK_TYPE, "CREATE_IN_PROGRESS", Some("User Initiated")),
            event("2", "Queue", "AWS::SQS::Queue", "CREATE_FAILED", Some("Resource creation cancelled")),
            event("3", "Topic", "AWS::SNS::Topic", "CREATE_FAILED", Some("no permission")),
            event(
                "4",
                "ns-a",
                STACK_TYPE,
                "ROLLBACK_IN_PROGRESS",
                Some("The following resource(s) failed to create: [Topic]."),
            ),
        ];
        let first = first_failed(&events).unwrap();
        assert_eq!((first.logical_id.as_str(), first.reason.as_deref()), ("Topic", Some("no permission")));
        let failure = describe(Goal::Created, None, &events);
        assert!(failure.message.contains("failed to create: [Topic]"), "{}", failure.message);
    }
}
