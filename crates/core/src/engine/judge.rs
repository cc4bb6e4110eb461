//! What a stack's status means for an operation that is being watched: a total table.

use crate::engine::failure::refuses_deletion;
use crate::provider::{StackState, StackStatus};

/// What a watched operation is to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The stack exists and is complete.
    Created,
    /// The stack is updated.
    Updated,
    /// The stack is gone.
    Deleted,
    /// Nothing is under way any more, whatever came out of it.
    Idle,
}

/// What a look says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Still under way.
    Wait,
    /// Reached.
    Reached,
    /// Will not be reached any more.
    Failed,
    /// The status does not fit the operation: an old answer, or somebody else's work.
    Unexpected,
}

/// Judges one look at a stack; `None` means that it does not exist (any more).
pub(crate) fn judge(goal: Goal, seen: Option<&StackState>) -> Verdict {
    use StackStatus as S;
    let Some(status) = seen.map(|stack| stack.status) else {
        return match goal {
            Goal::Deleted | Goal::Idle => Verdict::Reached,
            Goal::Created | Goal::Updated => Verdict::Unexpected,
        };
    };
    match goal {
        Goal::Idle if status.is_in_progress() => Verdict::Wait,
        Goal::Idle => Verdict::Reached,
        Goal::Created => match status {
            S::CreateComplete => Verdict::Reached,
            S::CreateInProgress | S::RollbackInProgress => Verdict::Wait,
            S::CreateFailed
            | S::RollbackComplete
            | S::RollbackFailed
            | S::DeleteInProgress
            | S::DeleteComplete
            | S::DeleteFailed => Verdict::Failed,
            _ => Verdict::Unexpected,
        },
        Goal::Updated => match status {
            S::UpdateComplete => Verdict::Reached,
            S::UpdateInProgress
            | S::UpdateCompleteCleanupInProgress
            | S::UpdateRollbackInProgress
            | S::UpdateRollbackCompleteCleanupInProgress => Verdict::Wait,
            S::UpdateFailed
            | S::UpdateRollbackComplete
            | S::UpdateRollbackFailed
            | S::DeleteInProgress
            | S::DeleteComplete
            | S::DeleteFailed => Verdict::Failed,
            _ => Verdict::Unexpected,
        },
        Goal::Deleted if seen.is_some_and(refuses_deletion) => Verdict::Failed,
        Goal::Deleted => match status {
            S::DeleteComplete => Verdict::Reached,
            S::DeleteInProgress => Verdict::Wait,
            S::DeleteFailed => Verdict::Failed,
            _ => Verdict::Unexpected,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::{StackFqn, StackId};

    fn stack(status: StackStatus) -> StackState {
        StackState {
            fqn: StackFqn::new("ns-a"),
            id: StackId::new("arn:a"),
            status,
            status_reason: None,
            parameters: Default::default(),
            outputs: Default::default(),
            exports: Default::default(),
            tags: Default::default(),
            termination_protection: false,
            protection_unknown: false,
            role_arn: None,
            created: None,
            updated: None,
        }
    }

    #[test]
    fn no_final_status_is_waited_for_for_ever() {
        for goal in [Goal::Created, Goal::Updated, Goal::Deleted, Goal::Idle] {
            for status in StackStatus::ALL {
                let verdict = judge(goal, Some(&stack(status)));
                if !status.is_in_progress() {
                    assert_ne!(verdict, Verdict::Wait, "{goal:?} {status}");
                }
            }
        }
    }

    #[test]
    fn a_rollback_is_a_failure_only_once_it_is_over() {
        assert_eq!(judge(Goal::Created, Some(&stack(StackStatus::RollbackInProgress))), Verdict::Wait);
        assert_eq!(judge(Goal::Created, Some(&stack(StackStatus::RollbackComplete))), Verdict::Failed);
        assert_eq!(judge(Goal::Updated, Some(&stack(StackStatus::UpdateRollbackComplete))), Verdict::Failed);
        assert_eq!(
            judge(Goal::Updated, Some(&stack(StackStatus::UpdateRollbackCompleteCleanupInProgress))),
            Verdict::Wait
        );
        assert_eq!(judge(Goal::Deleted, None), Verdict::Reached);
    }

    #[test]
    fn a_deletion_that_cloudformation_gives_up_is_over() {
        let mut refused = stack(StackStatus::CreateComplete);
        assert_eq!(judge(Goal::Deleted, Some(&refused)), Verdict::Unexpected);
        for reason in [
            "Export vpc-id cannot be deleted as it is in use by app",
            "Delete canceled. Cannot delete export vpc-id as it is in use by app.",
        ] {
            refused.status_reason = Some(reason.to_owned());
            assert_eq!(judge(Goal::Deleted, Some(&refused)), Verdict::Failed);
        }
    }
}
