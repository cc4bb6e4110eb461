//! The task cache: results of work that need not be done again.
//!
//! A hit may skip a read or a computation, never the decision whether something has to be changed: with an empty, a
//! stale or a damaged cache a run costs more and does the same. Every record is found by a digest of everything its
//! result depends on ([`Ingredients`]), so that any of them may be deleted at any time.
//!
//! | part | what it does |
//! |---|---|
//! | [`Ingredients`], [`CacheValue`], [`CacheOutput`] | keys over typed values; what may hold a secret has no encoding |
//! | [`kinds`] | every kind of records |
//! | [`Index`], [`Delta`] | records, and how those of several runs become one |
//! | [`LocalTier`], [`Remote`] | files of this machine, one object of the bucket |
//! | [`Cache`] | all of it for one run: [`Cache::load`], [`Cache::find`], [`Cache::keep`], [`Cache::publish`] |

mod bucket;
pub mod codec;
mod explain;
mod index;
mod key;
pub mod kinds;
mod last;
mod maintain;
mod policy;
mod publish;
mod record;
mod run;
mod settings;
mod state;
mod tier;
mod trust;
mod value;
mod warning;

#[cfg(any(test, feature = "test-support"))]
mod memory;
#[cfg(test)]
mod tests;

pub use bucket::{BucketStatus, Keeping};
pub use explain::{Difference, Explanation, Nearest};
pub use index::{Delta, Filter, Index, Limits};
pub use key::{Class, Ingredients, Key, Kind, Scope};
pub use last::LastRun;
pub use maintain::{CacheError, Removed, TierStatus, Tiers};
#[cfg(any(test, feature = "test-support"))]
pub use memory::MemoryTier;
pub use policy::iam_policy;
pub use record::{LONGEST_INLINE, Record};
pub use run::{Cache, Found, Setup};
pub use settings::{CacheConfig, Check, KindSettings, Mode, RemoteMode, Settings};
pub use state::{Counters, Mismatch};
pub use tier::{LocalBlob, LocalFile, LocalTier, Pace, Random, Remote, Seen, Trouble};
pub use trust::TrustKey;
pub use value::{CacheOutput, CacheValue, Digest, Encoder, PlainJson, Raw};
pub use warning::CacheWarning;
