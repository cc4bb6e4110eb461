//! Calls that several kinds make: pages, changes that have to wait, waiting.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Change, Read, ReadContext, ServiceFailure, TaskFailure, WriteContext};

/// More pages than any list has.
const MOST_PAGES: usize = 10_000;
/// Errors after which a change can be tried again a little later: somebody else is changing the same thing.
const BUSY: [&str; 5] = [
    "ConcurrentModificationException",
    "TooManyUpdates",
    "PolicyChangesInProgressException",
    "TooManyRequestsException",
    "ThrottlingException",
];

/// A failure that is no answer of a service.
pub(super) fn failure(message: impl Into<String>, help: impl Into<String>) -> TaskFailure {
    TaskFailure { message: message.into(), help: Some(help.into()), kind: None }
}

/// A failure of a service whose remedy is known better.
pub(super) fn refused(failed: ServiceFailure, help: impl Into<String>) -> TaskFailure {
    TaskFailure { help: Some(help.into()), ..failed.into() }
}

impl ServiceFailure {
    /// Whether a service said one of these codes.
    pub(super) fn is(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str())
    }
}

/// The answer, or `None` if the service said one of these codes.
pub(super) fn unless(
    answer: Result<Value, ServiceFailure>,
    codes: &[&str],
) -> Result<Option<Value>, ServiceFailure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failed) if failed.is(codes) => Ok(None),
        Err(failed) => Err(failed),
    }
}

/// How a list is turned over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages {
    /// The operation.
    pub(super) read: Read,
    /// Member of the answer that holds the list.
    pub(super) member: &'static str,
    /// Members that hold the token of the next page: of the input and of the answer.
    pub(super) token: (&'static str, &'static str),
}

impl Pages {
    /// All of a list.
    pub(super) async fn all(
        self,
        context: &ReadContext<'_>,
        input: Value,
    ) -> Result<Vec<Value>, ServiceFailure> {
        let (mut found, mut input) = (Vec::new(), input);
        for _ in 0..MOST_PAGES {
            let mut answer = context.call(self.read, &input).await?;
            if let Some(Value::Array(items)) = answer.get_mut(self.member).map(Value::take) {
                found.extend(items);
            }
            match answer.get(self.token.1).and_then(Value::as_str).filter(|token| !token.is_empty()) {
                Some(token) if input.get(self.token.0).and_then(Value::as_str) != Some(token) => {
                    input[self.token.0] = json!(token);
                }
                _ => break,
            }
        }
        Ok(found)
    }
}

/// Changes something, again and again while somebody else is changing it.
pub(super) async fn change(
    context: &WriteContext<'_>,
    change: Change,
    input: &Value,
) -> Result<Value, ServiceFailure> {
    let mut patience = Patience::of(Duration::from_secs(60));
    loop {
        match context.call(change, input).await {
            Err(failed) if failed.is(&BUSY) && patience.pause(context).await => {}
            answer => return answer,
        }
    }
}

/// Waits a little longer every time, until a limit. Time is the sum of what was waited, not what a clock says.
#[derive(Debug)]
pub(super) struct Patience {
    next: Duration,
    left: Duration,
}

impl Patience {
    /// The first wait is a second.
    const FIRST: Duration = Duration::from_secs(1);
    /// No wait is longer.
    const LONGEST: Duration = Duration::from_secs(20);

    /// To wait for so long in all.
    pub(super) fn of(limit: Duration) -> Self {
        Self { next: Self::FIRST, left: limit }
    }

    /// Waits; `false` without waiting if the limit is reached.
    pub(super) async fn pause(&mut self, context: &WriteContext<'_>) -> bool {
        if self.left.is_zero() {
            return false;
        }
        let now = self.next.min(self.left);
        context.pause(now).await;
        self.left -= now;
        self.next = (self.next * 3 / 2).min(Self::LONGEST);
        true
    }
}

/// A text in an answer.
pub(super) fn text(answer: &Value, pointer: &str) -> Option<String> {
    answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}
