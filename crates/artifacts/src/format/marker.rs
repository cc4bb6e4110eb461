use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{FormatError, canonical, decode};
use crate::names::Nonce;

const SCHEMA: &str = "runway-rs/marker@1";

/// Says that somebody prunes. Whoever writes it stops by itself before its deadline is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marker {
    deadline_s: u64,
    /// Who wrote it.
    pub nonce: Nonce,
    schema: String,
    /// Grows whenever its writer writes it again, so that no two have the same bytes.
    #[serde(default)]
    seq: u64,
    /// Whether it still holds.
    pub state: MarkerState,
    /// For people: host and process.
    pub writer: String,
}

/// Whether a marker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkerState {
    /// Somebody prunes.
    Held,
    /// As if it were absent.
    Released,
}

impl Marker {
    /// A marker by this session.
    pub fn new(nonce: Nonce, state: MarkerState, deadline: Duration, writer: &str) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            nonce,
            seq: 1,
            state,
            deadline_s: deadline.as_secs(),
            writer: writer.to_owned(),
        }
    }

    /// The same, written again to say that its writer lives.
    pub(crate) fn renewed(&self) -> Self {
        Self { seq: self.seq + 1, ..self.clone() }
    }

    /// How long after it was written its writer still deletes. Nobody is believed more than an hour.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_s.min(3600))
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(body: &[u8]) -> Result<Self, FormatError> {
        decode(body, SCHEMA)
    }

    /// Writes it.
    pub fn encode(&self) -> Bytes {
        canonical(self)
    }
}
