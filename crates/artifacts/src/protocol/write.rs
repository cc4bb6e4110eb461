//! Writing a document on condition, where answers may be lost.

use bytes::Bytes;
use jiff::Timestamp;
use runway_store::{Condition, ETag, ObjectKey};

use super::{Ask, Found, ProtocolError, Reply};
use crate::names::Nonce;

/// One write, sent until it is known what became of it.
///
/// A refusal may be due to an attempt of one's own whose answer was lost. What is there is read then: with the own stamp
/// and the same bytes it is the own write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Write {
    key: ObjectKey,
    body: Bytes,
    stamp: Nonce,
    condition: Condition,
    date: Option<Timestamp>,
}

/// How far a write is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Writing<End> {
    Ask(Ask<End>),
    Written {
        etag: ETag,
        date: Option<Timestamp>,
    },
    /// The condition does not hold: this is there instead.
    Lost(Option<Found>),
}

impl Write {
    pub(super) fn new(key: ObjectKey, body: Bytes, stamp: &Nonce, condition: Condition) -> Self {
        Self { key, body, stamp: stamp.clone(), condition, date: None }
    }

    pub(super) fn ask<End>(&self) -> Ask<End> {
        Ask::Put {
            key: self.key.clone(),
            body: self.body.clone(),
            stamp: self.stamp.clone(),
            condition: self.condition.clone(),
        }
    }

    pub(super) fn step<End>(&mut self, reply: Reply) -> Result<Writing<End>, ProtocolError> {
        match reply {
            Reply::Written { etag, date } => Ok(Writing::Written { etag, date: date.or(self.date) }),
            Reply::Refused | Reply::Unknown => Ok(Writing::Ask(Ask::Get(self.key.clone()))),
            Reply::Got(found) => {
                let is_mine = |found: &Found| {
                    found.stamp.as_deref() == Some(self.stamp.as_str()) && found.body == self.body
                };
                if let Some(found) = found.as_ref().filter(|found| is_mine(found)) {
                    return Ok(Writing::Written { etag: found.etag.clone(), date: self.date });
                }
                let may_try = match (&self.condition, &found) {
                    (Condition::None, _) | (Condition::IfAbsent, None) => true,
                    (Condition::IfMatch(etag), Some(found)) => *etag == found.etag,
                    _ => false,
                };
                if may_try { Ok(Writing::Ask(self.ask())) } else { Ok(Writing::Lost(found)) }
            }
            _ => Err(ProtocolError::Defect),
        }
    }
}
