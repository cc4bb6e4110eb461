//! The documents of an app, and how they are written: JSON with sorted keys and no white space.
//!
//! Readers ignore members that they do not know. A document whose `schema` has another number is refused: what it means
//! is not known, and deleting files is no place to guess.

mod head;
mod intent;
mod manifest;
mod marker;
#[cfg(test)]
mod tests;

pub(crate) use head::Change;
pub use head::{HISTORY as MOST_REMEMBERED, Head, HeadState};
pub use intent::Intent;
pub use manifest::{Build, FileFacts, Manifest, ManifestFormat};
pub use marker::{Marker, MarkerState};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FormatError(pub String);

impl FormatError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A document as JSON. Its fields are declared in the order of their names, and its maps are sorted, so that so is the
/// JSON; a tree of values to sort would take many times the memory of a manifest of a hundred thousand files.
fn canonical(value: &impl Serialize) -> Bytes {
    // Our documents are made of maps with text keys, lists, texts and whole numbers: all of that is JSON.
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

/// Reads a document of a kind.
fn decode<T: DeserializeOwned>(body: &[u8], schema: &str) -> Result<T, FormatError> {
    let value: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| FormatError::new(format!("it is no JSON object: {error}")))?;
    match value.get("schema").and_then(Value::as_str) {
        Some(found) if found == schema => {}
        Some(found) => {
            return Err(FormatError::new(format!("it is `{}`, not `{schema}`", found.escape_debug())));
        }
        None => return Err(FormatError::new("it does not say what it is: `schema` is missing")),
    }
    serde_json::from_value(Value::Object(value)).map_err(|error| FormatError::new(error.to_string()))
}
