use std::hash::{Hash, Hasher};
use std::sync::Arc;

use runway_store::ETag;

use super::choice::{Data, InPlace};
use crate::format::{Build, FileFacts, Manifest, ManifestFormat};
use crate::names::{AssetPath, Layout, ManifestId, Nonce};
use crate::protocol::Terms;
use crate::protocol::flip::FlipEnd;

/// When a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// First, in any order.
    Bulk,
    /// After those.
    Late,
    /// Last, one after the other: what makes the build live.
    Entry,
}

/// A file of a build.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// Its path.
    pub path: AssetPath,
    /// When it is sent.
    pub class: Class,
    /// What it is.
    pub facts: FileFacts,
    /// The entity tag that S3 gives an object of these bytes where it makes it of them: hardly a proof, but a reason to
    /// look.
    pub likely: ETag,
}

/// Where the files of a push come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// From the machine that pushes.
    Files,
    /// They are in the bucket: a build that was pushed before is made live again.
    Manifest(ManifestId),
}

/// How a push is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PushMode {
    /// A newer build may be replaced.
    pub allow_older: bool,
    /// Everything is sent.
    pub force: bool,
    /// Nothing is done if bytes change under a name that is no entry point's.
    pub deny_in_place: bool,
    /// The manifest has the time of the build as its name, and not that of the push.
    pub named_by_build: bool,
}

/// A push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOrder {
    /// Where.
    pub layout: Layout,
    /// Who.
    pub nonce: Nonce,
    /// For people: host and process.
    pub writer: Arc<str>,
    /// When it began by its own clock, in seconds.
    pub created: u64,
    /// What: entry points in the order in which they are to be replaced.
    pub items: Arc<Vec<Item>>,
    /// Where the files are.
    pub source: Source,
    /// Of which build.
    pub build: Build,
    /// Name of the build.
    pub image: Option<String>,
    /// Form of the manifest.
    pub format: ManifestFormat,
    /// How.
    pub mode: PushMode,
    /// The store was tried out before this push, and keeps conditions.
    pub probed: bool,
    /// How long things are believed.
    pub terms: Terms,
}

impl PushOrder {
    /// Whether a manifest is of the very same build.
    pub fn is_live_as(&self, manifest: &Manifest) -> bool {
        super::choice::is_live(self, manifest)
    }

    /// Whether the bucket has all files of a manifest of the very same build: `None` if it has not, or else those of which
    /// only a look at their digests tells.
    pub fn unproven(&self, manifest: &Manifest, data: &Data) -> Option<Vec<usize>> {
        super::choice::unproven(&self.items, manifest, data)
    }
}

/// Sessions have nonces of their own.
impl Hash for PushOrder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nonce.hash(state);
    }
}

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PushEnd {
    /// The very same build was live before, and nothing was written.
    AlreadyLive,
    /// All files were sent, and the entry points replaced or not.
    Flipped(FlipEnd),
    /// Refused: bytes would have changed under their names.
    InPlace,
    /// These files of the build are not in the bucket any more.
    Incomplete(Vec<AssetPath>),
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PushReport {
    /// Its manifest.
    pub manifest: Option<ManifestId>,
    /// The build that was live before.
    pub previous: Option<ManifestId>,
    /// Items that were sent, entry points aside.
    pub sent: Vec<usize>,
    /// How many files were proven to be there.
    pub skipped: usize,
    /// Entry points that have other bytes or headers than those that were live before.
    pub changed: Vec<usize>,
    /// Items whose bytes change under their name.
    pub in_place: Vec<InPlace>,
    /// All manifests before this one.
    pub manifests: Vec<ManifestId>,
    /// The store's time, in seconds.
    pub store_time: Option<u64>,
}
