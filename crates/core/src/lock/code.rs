//! Lock codes and what the lock tag says.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::terms::Code;

/// Key of the tag on the graph object that holds the lock code. (CFNgin `_persistent_graph_lock_tag`.)
pub const TAG_KEY: &str = "cfngin_lock_code";

/// What codes of runway-rs begin with. CFNgin's are bare UUIDs. Dot and dash need no escaping in `x-amz-tagging`.
const MARK: &str = "runway-rs.";

/// The code of one session, of ours or of CFNgin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LockCode(String);

impl LockCode {
    /// The code of a session of runway-rs, from its UUID version 4.
    pub fn of_session(uuid: &str) -> Self {
        Self(format!("{MARK}{uuid}"))
    }

    /// A code as found in a tag, a lease or a state.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a session of runway-rs made it.
    pub fn is_marked(&self) -> bool {
        self.0.starts_with(MARK)
    }
}

impl Code for LockCode {
    /// The first 48 bits of the UUID.
    fn fragment(&self) -> u64 {
        let uuid = self.0.strip_prefix(MARK).unwrap_or(&self.0);
        uuid.chars()
            .filter_map(|digit| digit.to_digit(16))
            .take(12)
            .fold(0, |bits, digit| bits << 4 | u64::from(digit))
    }
}

impl fmt::Display for LockCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
