//! Writers that meet.

use futures_util::future::join_all;

use super::Check;
use crate::error::StoreErrorKind;
use crate::object::Condition;

const WRITERS: usize = 16;
const ROUNDS: usize = 4;
const INCREMENTS: usize = 3;

pub(super) async fn one_of_many_creates(check: Check<'_>) {
    for round in 0..ROUNDS {
        let key = check.key(&round.to_string());
        let bodies: Vec<String> = (0..WRITERS).map(|writer| format!("writer {writer}")).collect();
        let attempts = bodies.iter().map(|body| check.put_if(&key, body, Condition::IfAbsent));
        let outcomes = join_all(attempts).await;

        let mut winners = Vec::new();
        for (body, outcome) in bodies.iter().zip(outcomes) {
            match outcome {
                Ok(_) => winners.push(body),
                Err(error) if lost(error.kind) => {}
                Err(error) => check.fail(format!("a loser should be refused as Precondition: {error}")),
            }
        }
        check.holds_that(winners.len() == 1, format!("of {WRITERS} creators these won: {winners:?}"));
        for winner in winners {
            check.holds(&key, winner).await;
        }
    }
}

pub(super) async fn no_update_is_lost(check: Check<'_>) {
    let key = check.key("counter");
    check.put(&key, "0").await;
    join_all((0..WRITERS).map(|_| increment(check))).await;
    check.holds(&key, &(WRITERS * INCREMENTS).to_string()).await;
}

pub(super) async fn deletions_and_updates_exclude_each_other(check: Check<'_>) {
    for round in 0..ROUNDS {
        let key = check.key(&round.to_string());
        let etag = check.put(&key, "before").await.etag;
        let condition = Condition::IfMatch(etag);
        // Half of them write, half of them delete; `None` is what a deletion leaves.
        let attempts = (0..WRITERS).map(|writer| {
            let (key, condition) = (&key, condition.clone());
            async move {
                if writer % 2 == round % 2 {
                    return (None, check.store.delete(key, &condition).await);
                }
                let body = format!("writer {writer}");
                let outcome = check.put_if(key, &body, condition).await.map(drop);
                (Some(body), outcome)
            }
        });
        let mut winners = Vec::new();
        for (left, outcome) in join_all(attempts).await {
            match outcome {
                Ok(()) => winners.push(left),
                Err(error) if lost(error.kind) => {}
                Err(error) => check.fail(format!("a loser should be refused as Precondition: {error}")),
            }
        }
        check.holds_that(winners.len() == 1, format!("of {WRITERS} on one ETag these won: {winners:?}"));
        for winner in winners {
            match winner {
                Some(body) => check.holds(&key, &body).await,
                None => check.is_absent(&key).await,
            }
        }
    }
}

/// Adds to the counter by reading it and writing it back if it has not changed.
async fn increment(check: Check<'_>) {
    let key = check.key("counter");
    for _ in 0..INCREMENTS {
        loop {
            let object = check.present(&key).await;
            let text = String::from_utf8_lossy(&object.body);
            let Ok(count) = text.parse::<usize>() else { check.fail(format!("the counter is `{text}`")) };
            let body = (count + 1).to_string();
            match check.put_if(&key, &body, Condition::IfMatch(object.metadata.etag)).await {
                Ok(_) => break,
                Err(error) if lost(error.kind) => {}
                Err(error) => check.fail(format!("an update should succeed or be refused: {error}")),
            }
        }
    }
}

/// Whether a conditional write lost against another: S3 may also answer 409 while both are on their way.
fn lost(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Precondition | StoreErrorKind::Conflict)
}
