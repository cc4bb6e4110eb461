//! Takes a question back: the change set goes, and the empty stack that was made for it.

use std::time::Duration;

use jiff::SignedDuration;

use super::{Inquiry, PATIENCE, PREFIX};
use crate::engine::Interrupt;
use crate::engine::sending::{attempts, backoff, delete_change_set};
use crate::ident::StackId;
use crate::provider::{ChangeSetKind, ChangeSetRef, ListedChangeSet, ProviderError, StackRef, StackStatus};

/// A set with our prefix that is older than the present one by this was left by a run that was killed: no inquiry takes
/// as long.
const ABANDONED: SignedDuration = SignedDuration::from_hours(1);
/// How long the deletion of an empty stack is watched.
const DELETION: Duration = Duration::from_secs(2 * 60);

/// Whose the empty stack is that a set to create a stack is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    /// There is none: the stack exists.
    None,
    /// It was made by this inquiry, or by others of its kind.
    Ours,
    /// Somebody else made it, or nobody knows.
    Others,
}

impl Inquiry {
    /// Whose the empty stack will be, seen before the question is asked.
    pub(super) async fn shell(&self) -> Shell {
        match &self.stack {
            _ if self.request.kind == ChangeSetKind::Update => Shell::None,
            None => Shell::Ours,
            Some(id) => {
                let sets = self.list(&StackRef::Id(id.clone())).await.unwrap_or_default();
                let only_questions =
                    !sets.is_empty() && sets.iter().all(|listed| listed.name.starts_with(PREFIX));
                if only_questions { Shell::Ours } else { Shell::Others }
            }
        }
    }

    /// Removes the set, sets that killed runs left, and the stack in review unless it is somebody else's. Returns what is
    /// left.
    pub(super) async fn withdraw(
        &self,
        set: &ChangeSetRef,
        stack: Option<StackId>,
        shell: Shell,
        interrupt: &Interrupt,
    ) -> Vec<String> {
        tokio::select! {
            biased;
            () = interrupt.abandon.cancelled() => {
                vec![format!("change set {} of {}: the command was interrupted again", set.as_str(), self.fqn)]
            }
            left = self.remove(set, stack, shell) => left,
        }
    }

    async fn remove(&self, set: &ChangeSetRef, stack: Option<StackId>, shell: Shell) -> Vec<String> {
        let stack = match stack {
            Some(id) => StackRef::Id(id),
            None => StackRef::Name(self.fqn.clone()),
        };
        // Without permission to list, only what is known to be ours is removed.
        let listed = self.list(&stack).await.unwrap_or_default();
        let own = listed.iter().find(|listed| listed.name == self.request.name);
        let own_date = own.and_then(|own| own.created);
        let is_abandoned = |listed: &&ListedChangeSet| {
            let age = own_date.zip(listed.created).map(|(own, other)| own.duration_since(other));
            listed.name.starts_with(PREFIX) && age.is_some_and(|age| age >= ABANDONED)
        };
        let others = listed.iter().filter(|listed| listed.name != self.request.name);
        let (abandoned, others): (Vec<_>, Vec<_>) = others.partition(is_abandoned);
        let removes_shell = shell == Shell::Ours && others.is_empty();
        // Its sets go with it, all at once: a run that is killed here leaves no empty stack that nobody knows.
        if removes_shell && self.remove_shell(&stack).await.is_none() {
            // An emulator may keep the set.
            let _ = self.delete_set(set).await;
            return Vec::new();
        }
        for old in &abandoned {
            // The next inquiry tries again.
            let _ = self.delete_set(&ChangeSetRef::Id(old.id.clone())).await;
        }
        let mut left = Vec::new();
        if let Err(error) = self.delete_set(set).await {
            left.push(format!("change set {} of {}: {}", set.as_str(), self.fqn, error.message));
        }
        if removes_shell {
            left.extend(self.remove_shell(&stack).await);
        }
        left
    }

    async fn list(&self, stack: &StackRef) -> Result<Vec<ListedChangeSet>, ProviderError> {
        let mut sets = Vec::new();
        let mut page: Option<String> = None;
        loop {
            let send = || self.cloudformation.list_change_sets(stack, page.as_deref());
            let Some(answer) = attempts(self.clock.as_ref(), || true, &mut false, send).await else {
                return Ok(sets);
            };
            let answer = answer?;
            sets.extend(answer.sets);
            page = answer.next;
            if page.is_none() {
                return Ok(sets);
            }
        }
    }

    async fn delete_set(&self, set: &ChangeSetRef) -> Result<(), ProviderError> {
        let cloudformation = self.cloudformation.as_ref();
        let deleted = delete_change_set(cloudformation, self.clock.as_ref(), || true, set, PATIENCE).await;
        deleted.unwrap_or(Ok(()))
    }

    /// Deletes the empty stack, by its id and only as long as it is empty, and waits until it is gone.
    async fn remove_shell(&self, stack: &StackRef) -> Option<String> {
        let left = |why: &str| Some(format!("stack {} in review: {why}", self.fqn));
        let clock = self.clock.as_ref();
        let look = || self.cloudformation.describe_stack(stack);
        let shell = match attempts(clock, || true, &mut false, look).await? {
            Ok(Some(shell)) if shell.status == StackStatus::ReviewInProgress => StackRef::Id(shell.id),
            Ok(_) => return None,
            Err(error) => return left(&error.message),
        };
        let role = self.request.stack.role_arn.as_deref();
        let delete = || self.cloudformation.delete_stack(&shell, role, &self.cleanup);
        if let Err(error) = attempts(clock, || true, &mut false, delete).await? {
            return left(&error.message);
        }
        let deadline = clock.monotonic() + DELETION;
        for attempt in 1.. {
            let look = || self.cloudformation.describe_stack(&shell);
            match attempts(clock, || true, &mut false, look).await? {
                Ok(None) => return None,
                Ok(Some(seen)) if seen.status == StackStatus::DeleteComplete => return None,
                Ok(Some(seen)) if clock.monotonic() >= deadline => {
                    return left(&format!("it is still {}", seen.status));
                }
                Ok(Some(_)) => {}
                Err(error) => return left(&error.message),
            }
            clock.sleep(backoff(attempt).min(Duration::from_secs(4))).await;
        }
        None
    }
}
