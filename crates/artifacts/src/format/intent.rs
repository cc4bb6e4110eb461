use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{FormatError, canonical, decode};
use crate::names::{AppName, AssetPath, Nonce};

const SCHEMA: &str = "runway-rs/intent@1";

/// Says that somebody pushes these files: until it expires, no prune deletes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intent {
    /// When it began by its own clock, in seconds; for people. Its age is known from the store.
    pub created: u64,
    /// All files of the push, whether or not they will be sent.
    pub files: Vec<AssetPath>,
    /// Who pushes.
    pub nonce: Nonce,
    schema: String,
    /// The app.
    pub scope: AppName,
    /// How long it counts, in seconds.
    pub ttl_s: u64,
    /// For people: host and process.
    pub writer: String,
}

impl Intent {
    /// An intent of this session.
    pub fn new(
        scope: AppName,
        nonce: Nonce,
        created: u64,
        ttl_s: u64,
        files: Vec<AssetPath>,
        writer: &str,
    ) -> Self {
        Self { schema: SCHEMA.to_owned(), scope, nonce, created, ttl_s, files, writer: writer.to_owned() }
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
