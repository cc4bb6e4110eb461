//! Unlocking by hand, and trying out whether a store keeps conditions.

use std::sync::Arc;

use bytes::Bytes;
use runway_store::{Condition, ETag, ObjectStore, Put, StoreErrorKind};

use super::code::{LockCode, TAG_KEY};
use super::error::LockError;
use super::premises::{Objects, Premises, Stored, split_tags};
use super::protocol::Unlock;
use super::session::DEFAULT_TTL;
use super::terms::Reply;
use super::wire::Wire;
use crate::clock::Clock;
use crate::engine::Holder;
use crate::graph::persistent::GraphObject;

/// How often a write without an answer is sent again.
const REPETITIONS: u32 = 4;

/// Takes away the lock that `seen` shows, as read by [`read_lock`](super::read_lock): the tag together with the nonce in
/// the body, then the lease. Nodes, facts and intents stay. Does nothing if there is no lock.
///
/// # Errors
/// [`LockError::Changed`] if the lock is not the one in `seen` any more, [`LockError::Store`] if a request failed.
pub async fn force_unlock(
    store: Arc<dyn ObjectStore>,
    objects: &Objects,
    clock: Arc<dyn Clock>,
    seen: &Premises,
) -> Result<(), LockError> {
    let wire = Wire {
        store,
        clock,
        objects: objects.clone(),
        // Nothing is written in anybody's name.
        code: LockCode::new(""),
        holder: Holder::default(),
        ttl: DEFAULT_TTL,
        acquired: String::new(),
    };
    let locked = |tags: &runway_store::Tags| tags.contains_key(TAG_KEY);
    let graph =
        seen.graph.as_ref().filter(|graph| graph.carried.is_some() || seen.tags.as_ref().is_some_and(locked));
    let graph = graph.map(|graph| {
        let tags = split_tags(seen.tags.clone().unwrap_or_default());
        (graph.read.graph.clone(), tags.other, graph.etag.clone())
    });
    let mut unlock = Unlock::<Stored>::new(graph, seen.lease.as_ref().map(|lease| lease.etag.clone()));
    let mut unanswered = 0;
    while let Some(request) = unlock.request() {
        let reply = wire.send(&request).await?.reply;
        if reply == Reply::Lost {
            unanswered += 1;
            if unanswered > REPETITIONS {
                return Err(wire.unanswered(&request));
            }
        }
        unlock.answer(reply).map_err(|_changed| LockError::Changed { location: wire.location() })?;
    }
    Ok(())
}

/// Tries out whether the store refuses a write whose `If-Match` does not fit. A store that ignores conditions would
/// break the lock silently; on an endpoint that is not known, one request tells.
///
/// # Errors
/// [`LockError::NoConditions`] if the write was accepted, [`LockError::Store`] if the request failed.
pub async fn check_conditions(store: &dyn ObjectStore, objects: &Objects) -> Result<(), LockError> {
    // Beside the lease: should the write succeed, nobody takes it for one.
    let key = objects.lease.with_suffix(".probe");
    let condition = Condition::IfMatch(ETag::new("00000000000000000000000000000000"));
    let how = Put { condition, ..Put::default() };
    match store.put(&key, Bytes::from_static(b"{}"), &how).await {
        Ok(_) => {
            store.delete(&key, &Condition::None).await?;
            let location = GraphObject::new(store.bucket(), &objects.graph).location();
            Err(LockError::NoConditions { location })
        }
        Err(error) if error.kind == StoreErrorKind::Precondition => Ok(()),
        Err(error) => Err(error.into()),
    }
}
