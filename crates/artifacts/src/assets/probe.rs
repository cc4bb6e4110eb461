//! What a store can do. Some servers accept conditions and do not look at them: only trying tells.

use bytes::Bytes;
use runway_store::{Condition, ETag, Put, StoreErrorKind};

use super::error::AssetsError;
use super::session::Session;
use crate::format::Head;
use crate::protocol::Found;

/// How long a store that kept conditions is believed, in seconds.
const BELIEVED: u64 = 24 * 3600;

/// What is known of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreConditions {
    /// It keeps conditions: AWS, and the stores of this program.
    Kept,
    /// It has to be tried out, once a day.
    Unknown,
    /// It may not keep them; the caller vouches that nobody else is at work on the app.
    Exclusive,
}

/// What trying a store out showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// A write that must be the first is refused if it is not.
    pub if_absent: bool,
    /// A write over something else than was expected is refused.
    pub if_match: bool,
    /// A deletion of something else than was expected is refused. Nothing here depends on it.
    pub delete_if_match: bool,
    /// Many objects are deleted at once.
    pub delete_many: bool,
}

impl Probe {
    /// Fails if pushes and prunes would not be safe beside each other.
    ///
    /// # Errors
    /// [`AssetsError::CapsMissing`].
    pub fn check(&self) -> Result<(), AssetsError> {
        match (self.if_absent, self.if_match) {
            (false, _) => Err(AssetsError::CapsMissing { condition: "If-None-Match: *" }),
            (_, false) => Err(AssetsError::CapsMissing { condition: "If-Match" }),
            _ => Ok(()),
        }
    }
}

/// Tries a store out, with objects of its own that are gone afterwards.
///
/// # Errors
/// [`AssetsError`] if the store does not answer, or not let us.
pub async fn probe(session: &Session) -> Result<Probe, AssetsError> {
    let key = session.layout.probe(session.nonce.as_str());
    let store = &session.store;
    let write = async |body: &'static str, condition: Condition| {
        let how = Put { condition, ..Put::default() };
        store.put(&key, Bytes::from_static(body.as_bytes()), &how).await
    };
    let refused = |kind: StoreErrorKind| matches!(kind, StoreErrorKind::Precondition);
    let first = write("first", Condition::IfAbsent).await?;
    let other = ETag::new("00000000000000000000000000000000");
    let mut checks = Vec::new();
    for condition in [Condition::IfAbsent, Condition::IfMatch(other.clone())] {
        checks.push(match write("second", condition).await {
            Ok(_) => false,
            Err(error) if refused(error.kind) => true,
            Err(error) => return Err(error.into()),
        });
    }
    // The condition has to hold where it should, too.
    let holds = checks[1] && write("third", Condition::IfMatch(first.etag)).await.is_ok();
    let delete_if_match =
        matches!(store.delete(&key, &Condition::IfMatch(other)).await, Err(error) if refused(error.kind));
    let deleted = store.delete_many(std::slice::from_ref(&key)).await;
    let delete_many = matches!(&deleted, Ok(failures) if failures.is_empty());
    if !delete_many {
        session.again(|| store.delete(&key, &Condition::None)).await?;
    }
    Ok(Probe { if_absent: checks[0], if_match: holds, delete_if_match, delete_many })
}

/// Makes sure that conditions are kept, and tells whether the store was tried out for it. `head` is the app's head, which
/// says when that was last done, and `now` the time of the answer.
pub(crate) async fn ensure(
    session: &Session,
    conditions: StoreConditions,
    head: Option<&Found>,
    now: Option<u64>,
) -> Result<bool, AssetsError> {
    if conditions != StoreConditions::Unknown {
        return Ok(false);
    }
    let probed = head.and_then(|head| Head::decode(&head.body).ok()?.probed);
    let is_fresh = probed.zip(now).is_some_and(|(probed, now)| now.saturating_sub(probed) < BELIEVED);
    if is_fresh {
        return Ok(false);
    }
    probe(session).await?.check()?;
    Ok(true)
}
