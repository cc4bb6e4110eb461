use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{FormatError, canonical, decode};
use crate::names::{ManifestId, Nonce};

const SCHEMA: &str = "runway-rs/head@1";

/// Manifests that are remembered as once live: so many a prune can keep as the newest of them.
pub const HISTORY: usize = 500;

/// Says which build is live, or is becoming so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// When it was built: builds are ordered by this, and then by their manifests.
    pub build_ts: u64,
    deadline_s: u64,
    /// Builds that were ever live, the newest first.
    #[serde(default)]
    pub history: Vec<ManifestId>,
    /// Builds whose change to live was broken off: some of their entry points may be live until this change is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interrupted: Vec<ManifestId>,
    /// The build.
    pub manifest: ManifestId,
    /// Who wrote it.
    pub nonce: Nonce,
    /// The build that was live before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<ManifestId>,
    /// When the store was last seen to keep conditions, in seconds by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed: Option<u64>,
    schema: String,
    /// Grows with every write, so that no two have the same bytes.
    pub seq: u64,
    /// How far it is.
    pub state: HeadState,
}

/// How far a change of the live build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadState {
    /// The entry points are being replaced.
    Flipping,
    /// All entry points are those of this build.
    Published,
}

/// A change that a session wants to make.
pub(crate) struct Change<'a> {
    pub(crate) manifest: ManifestId,
    pub(crate) build_ts: u64,
    pub(crate) nonce: &'a Nonce,
    pub(crate) deadline: Duration,
    pub(crate) probed: Option<u64>,
    /// Other manifests that are there. Without a head, each of them may be of the build that is live.
    pub(crate) others: &'a [ManifestId],
    /// Those whose writers keep no head, as valpop. What such a one pushed after what the head says was live since then.
    pub(crate) unheaded: &'a [ManifestId],
}

impl Head {
    /// The head while the entry points change from what `before` says. The first one of all takes the builds of before
    /// over: until the change is over any of them may be live, and afterwards all of them count as once live.
    pub(crate) fn flipping(before: Option<&Self>, change: &Change<'_>) -> Self {
        let mut history = before.map(|before| before.history.clone()).unwrap_or_default();
        let (prev, interrupted) = match before {
            None => {
                history = change.others.iter().copied().filter(|id| *id != change.manifest).collect();
                history.sort_unstable_by(|left, right| right.cmp(left));
                history.dedup();
                history.truncate(HISTORY);
                (history.first().copied(), history.clone())
            }
            Some(before) => {
                let mut later: Vec<ManifestId> = change.unheaded.to_vec();
                later.retain(|id| *id != change.manifest && before.tells_nothing_of(*id));
                later.sort_unstable_by(|left, right| right.cmp(left));
                later.dedup();
                let mut interrupted = before.interrupted.clone();
                let said = match before.state {
                    HeadState::Published => Some(before.manifest),
                    HeadState::Flipping => {
                        interrupted.push(before.manifest);
                        // Of what was live before, there may be something left, too.
                        interrupted.extend(before.prev.filter(|_| !later.is_empty()));
                        before.prev
                    }
                };
                interrupted.sort_unstable();
                interrupted.dedup();
                let prev = later.first().copied().or(said);
                later.append(&mut history);
                history = later;
                history.truncate(HISTORY);
                (prev, interrupted)
            }
        };
        Self {
            schema: SCHEMA.to_owned(),
            seq: before.map_or(1, |before| before.seq + 1),
            state: HeadState::Flipping,
            manifest: change.manifest,
            build_ts: change.build_ts,
            nonce: change.nonce.clone(),
            deadline_s: change.deadline.as_secs(),
            prev: prev.filter(|prev| *prev != change.manifest),
            interrupted: interrupted.into_iter().filter(|id| *id != change.manifest).collect(),
            history,
            probed: change.probed.or(before.and_then(|before| before.probed)),
        }
    }

    /// The same, written again to say that its writer lives.
    pub(crate) fn renewed(&self) -> Self {
        Self { seq: self.seq + 1, ..self.clone() }
    }

    /// The head when all entry points are replaced.
    pub(crate) fn published(&self) -> Self {
        let mut history = self.history.clone();
        history.retain(|id| *id != self.manifest);
        history.insert(0, self.manifest);
        history.truncate(HISTORY);
        Self {
            seq: self.seq + 1,
            state: HeadState::Published,
            interrupted: Vec::new(),
            history,
            ..self.clone()
        }
    }

    /// Whether a manifest was written after all that this says of.
    pub(crate) fn tells_nothing_of(&self, id: ManifestId) -> bool {
        id > self.manifest && !self.history.contains(&id) && !self.interrupted.contains(&id)
    }

    /// What orders builds.
    pub fn order(&self) -> (u64, ManifestId) {
        (self.build_ts, self.manifest)
    }

    /// How long after it was written its writer goes on without writing it again.
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
