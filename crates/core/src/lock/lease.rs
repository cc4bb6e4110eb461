//! The lease object: who holds the lock, and a sign of life.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::code::LockCode;
use crate::engine::Holder;

/// Format version that is written.
const VERSION: u32 = 1;

/// Longest time to live that an observer believes a lease, so that a mistaken one blocks for an hour at most.
const LONGEST_TTL: Duration = Duration::from_secs(60 * 60);

/// The lease `<key>.json.lock`. Its times are for people; no decision reads them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Format version, 1.
    pub version: u32,
    /// Code of the session.
    pub code: LockCode,
    /// The session's write counter: no two leases are equal bytes.
    pub n: u64,
    /// Time to live in seconds.
    pub ttl_s: u64,
    /// When the lock was taken, by the holder's clock (RFC 3339).
    #[serde(default)]
    pub acquired: String,
    /// When it was last renewed, by the holder's clock (RFC 3339).
    #[serde(default)]
    pub renewed: String,
    /// Who.
    #[serde(default)]
    pub holder: Holder,
    /// Code of the lease that was replaced, if one was.
    #[serde(default)]
    pub took_over: Option<LockCode>,
}

impl Lease {
    /// A lease in the version written here.
    pub fn new(code: LockCode, n: u64, ttl: Duration, holder: Holder) -> Self {
        let ttl_s = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let (acquired, renewed) = Default::default();
        Self { version: VERSION, code, n, ttl_s, acquired, renewed, holder, took_over: None }
    }

    /// Reads a body; `None` if it is no lease. Such a body is treated as a lease of an unknown holder.
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The body.
    pub fn to_json(&self) -> String {
        // Numbers and strings only: there is no lease without JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Its time to live, as far as an observer believes it.
    pub fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl_s).min(LONGEST_TTL)
    }
}

/// A holder in words: `ci@runner-7, deploy, https://...`.
pub fn holder_words(holder: &Holder) -> String {
    let user = if holder.user.is_empty() { "somebody" } else { &holder.user };
    let mut words = user.to_owned();
    if !holder.host.is_empty() {
        words.push('@');
        words.push_str(&holder.host);
    }
    if holder.pid != 0 {
        words.push_str(&format!(" (process {})", holder.pid));
    }
    for detail in
        [Some(&holder.command), holder.url.as_ref()].into_iter().flatten().filter(|text| !text.is_empty())
    {
        words.push_str(", ");
        words.push_str(detail);
    }
    words
}
