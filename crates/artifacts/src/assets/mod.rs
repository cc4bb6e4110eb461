//! Files of a front-end: pushed to a bucket so that a build is there as a whole before anybody sees it, and pruned so that
//! nobody misses anything.

mod classify;
mod error;
mod event;
mod heal;
mod looks;
mod manage;
mod parts;
mod policy;
mod probe;
mod prune;
mod push;
mod session;
#[cfg(test)]
mod tests;
mod transfer;
mod verify;
mod walk;

pub use classify::{HASHED, LAST_ENTRY, Rules, USUAL_ENTRIES, build_name, content_type, globs};
pub use error::{AssetsError, ErrorClass};
pub use event::{AssetEvent, AssetReporter, Silent};
pub use looks::Check;
pub use manage::{Listing, Row, list, manifest_ids, pin, resume, rollback, unpin};
pub use policy::{Allowed, iam_policy};
pub use probe::{Probe, StoreConditions, probe};
pub use prune::{PruneOutcome, PruneRequest, prune};
pub use push::{FileAction, Planned, Prepared, PushOutcome, PushRequest, PushStatus, plan, prepare, push};
pub use session::{Session, SessionClock};
pub use transfer::Transfer;
pub use verify::{Finding, Problem, VerifyOutcome, VerifyRequest, verify};
pub use walk::{PARTS_FROM, SourceFile, Walked, part_size, walk};
