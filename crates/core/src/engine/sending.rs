//! Sending a changing request until there is an answer that means something, and waiting for a change set.

use std::time::Duration;

use crate::clock::Clock;
use crate::provider::{ChangeSet, ChangeSetRef, ChangeSetStatus, CloudFormation, ErrorKind, ProviderError};

/// Attempts of one mutating call that is throttled or whose answer is lost.
pub(crate) const ATTEMPTS: u32 = 6;

/// Pauses between attempts: half a second, doubling, at most eight seconds.
pub(crate) fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(500 * 2_u64.pow(attempt.saturating_sub(1).min(4)))
}

/// Sends a request until there is an answer that means something. Before every attempt `may_send` is asked; `None` if it
/// says no. Whether an attempt may have taken effect without an answer is left in `answer_lost`.
pub(crate) async fn attempts<T, F>(
    clock: &dyn Clock,
    may_send: impl Fn() -> bool,
    answer_lost: &mut bool,
    mut send: impl FnMut() -> F,
) -> Option<Result<T, ProviderError>>
where
    F: Future<Output = Result<T, ProviderError>>,
{
    let mut attempt = 1;
    loop {
        if !may_send() {
            return None;
        }
        match send().await {
            Err(error) if attempt < ATTEMPTS && error.kind == ErrorKind::Throttled => {}
            Err(error) if attempt < ATTEMPTS && error.kind == ErrorKind::Unavailable => *answer_lost = true,
            result => return Some(result),
        }
        clock.sleep(backoff(attempt)).await;
        attempt += 1;
    }
}

/// Looks at a change set until CloudFormation has worked it out, or until `patience` is over: then it is still in
/// progress.
pub(crate) async fn worked_out(
    cloudformation: &dyn CloudFormation,
    clock: &dyn Clock,
    set: &ChangeSetRef,
    patience: Duration,
) -> Result<Option<ChangeSet>, ProviderError> {
    let deadline = clock.monotonic() + patience;
    for attempt in 1.. {
        let is_late = clock.monotonic() >= deadline;
        match cloudformation.describe_change_set(set).await {
            Ok(Some(seen)) if seen.status == ChangeSetStatus::InProgress && !is_late => {}
            Err(error) if matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable) && !is_late => {
            }
            answer => return answer,
        }
        clock.sleep(backoff(attempt).min(Duration::from_secs(4))).await;
    }
    Ok(None)
}

/// Deletes a change set. One that is still being worked out cannot be deleted before it is, so that is waited for, at most
/// for `patience`.
pub(crate) async fn delete_change_set(
    cloudformation: &dyn CloudFormation,
    clock: &dyn Clock,
    may_send: impl Fn() -> bool,
    set: &ChangeSetRef,
    patience: Duration,
) -> Option<Result<(), ProviderError>> {
    let deadline = clock.monotonic() + patience;
    let mut attempt = 1;
    loop {
        match attempts(clock, &may_send, &mut false, || cloudformation.delete_change_set(set)).await? {
            Err(error)
                if error.message.contains("InvalidChangeSetStatus") && clock.monotonic() < deadline => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Some(Ok(())),
            answer => return Some(answer),
        }
        clock.sleep(backoff(attempt).min(Duration::from_secs(4))).await;
        attempt += 1;
    }
}
