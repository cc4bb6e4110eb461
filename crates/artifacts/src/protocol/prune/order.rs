use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use runway_store::ObjectKey;

use crate::gc::{GcPlan, GcRefusal};
use crate::names::{AssetPath, Layout, ManifestId, Nonce};
use crate::protocol::Terms;

/// A prune.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneOrder {
    /// Where.
    pub layout: Layout,
    /// Who.
    pub nonce: Nonce,
    /// For people: host and process.
    pub writer: Arc<str>,
    /// Manifests of this age or younger stay.
    pub threshold: Duration,
    /// So many of the newest that were live stay.
    pub min_keep: usize,
    /// Files that are never deleted.
    pub protected: BTreeSet<AssetPath>,
    /// Largest share of the known files that may go, in millionths; more is refused.
    pub max_share: Option<u32>,
    /// Also files that nobody names, if they are older than this.
    pub orphans: Option<Duration>,
    /// Only say what would be done: writes nothing, not even the marker.
    pub dry_run: bool,
    /// In a dry run: what would be done after a push of these files, which would be live then.
    pub upcoming: Option<Arc<BTreeSet<AssetPath>>>,
    /// Whether to wait for another prune that may be alive.
    pub may_wait: bool,
    /// How long things are believed.
    pub terms: Terms,
    /// The time if the store does not tell it, in seconds.
    pub now: u64,
}

/// Sessions have nonces of their own.
impl Hash for PruneOrder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nonce.hash(state);
    }
}

/// What a prune decided.
pub type PrunePlan = GcPlan<AssetPath, ObjectKey>;

/// How a prune ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PruneEnd {
    /// All of the plan was done.
    Done,
    /// Nothing was to be done but to say it.
    Planned,
    /// Some things could not be deleted, and stay for the next prune.
    Partial,
    /// It paused for so long that somebody else took it for dead: the rest is for the next prune.
    TakenOver,
    /// Somebody else prunes.
    Busy {
        /// Who.
        writer: String,
    },
    /// More would go than is allowed.
    TooMuch,
    /// Nothing can be decided.
    Refused(GcRefusal),
}

/// What a prune found and did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PruneReport {
    /// The plan, if it came to that.
    pub plan: Option<PrunePlan>,
    /// A larger share of the files would go than may.
    pub too_much: bool,
    /// Files that were deleted.
    pub deleted: Vec<AssetPath>,
    /// Manifests that were deleted.
    pub expired: Vec<ManifestId>,
    /// What could not be deleted.
    pub failed: Vec<ObjectKey>,
    /// Intents that nobody can read, of so long ago that they do not count any more.
    pub unreadable: Vec<ObjectKey>,
    /// Objects among the manifests that are none.
    pub foreign: Vec<ObjectKey>,
    /// Manifests of a time still to come.
    pub future: Vec<ManifestId>,
    /// Copies of entry points whose manifests are gone, so that nobody else knows of them.
    pub stray_copies: Vec<ObjectKey>,
    /// What is known of files from manifests: their bytes.
    pub sizes: BTreeMap<AssetPath, u64>,
    /// The store's time, in seconds.
    pub now: u64,
}
