//! Which files and manifests a prune deletes: a pure function of what is in the bucket.
//!
//! A manifest is kept while it is young, among the newest that were live, live itself, its predecessor, pinned, or of the
//! future, and while somebody who names all of its files is at work. Everything that a kept manifest or a living intent
//! names stays. Of what is left, the files go that an old manifest or a dead intent names, and then those manifests and
//! intents.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::format::Head;
use crate::names::ManifestId;

#[cfg(test)]
mod tests;

/// A manifest, as far as it matters here. `R` is what it names: paths of files, or digests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ManifestView<R> {
    /// When it was pushed.
    pub id: ManifestId,
    /// What it names.
    pub refs: BTreeSet<R>,
    /// Its writer says in the head which build is live. One that does not, as valpop, makes what it pushes live all the same.
    pub keeps_a_head: bool,
}

/// An intent, as far as it matters here. `I` names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IntentView<R, I> {
    /// Which it is.
    pub id: I,
    /// Its age by the store's clock; `None` if the store does not tell, and then it lives.
    pub age: Option<Duration>,
    /// How long its writer counts on it, if that is longer than the policy says.
    pub ttl: Duration,
    /// What it names.
    pub refs: BTreeSet<R>,
}

/// What must stay whatever its age.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Roots {
    /// The build that is live or becoming so. Without one, every manifest counts as once live: valpop writes none.
    pub head: Option<ManifestId>,
    /// The build that was live before it.
    pub previous: Option<ManifestId>,
    /// Builds that may be live in part.
    pub interrupted: BTreeSet<ManifestId>,
    /// Builds that were ever live.
    pub history: BTreeSet<ManifestId>,
    /// Builds that somebody holds.
    pub pins: BTreeSet<ManifestId>,
    /// Builds of which there are copies, if there is no head: whoever makes them writes a head, too.
    pub copied: BTreeSet<ManifestId>,
}

impl Roots {
    /// What a head says.
    pub fn of(head: &Head) -> Self {
        Self {
            head: Some(head.manifest),
            previous: head.prev,
            interrupted: head.interrupted.iter().copied().collect(),
            history: head.history.iter().copied().collect(),
            pins: BTreeSet::new(),
            copied: BTreeSet::new(),
        }
    }
}

/// The rules of one prune.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy<R> {
    /// The store's time, in seconds.
    pub now: u64,
    /// Manifests of this age or younger stay.
    pub threshold: Duration,
    /// So many of the newest that were live stay.
    pub min_keep: usize,
    /// Intents of this age or younger live, and those whose writers count on them for longer.
    pub intent_ttl: Duration,
    /// What is never deleted.
    pub protected: BTreeSet<R>,
}

/// Why a manifest stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeepReason {
    /// It is live.
    Head,
    /// It was live before.
    PreviousHead,
    /// It may be live, or have been live before: its writer keeps no head, and it is one of the newest.
    MayBeLive,
    /// It may be live in part.
    Interrupted,
    /// Somebody holds it.
    Pinned,
    /// Its time is still to come.
    Future,
    /// Somebody who is at work names all of its files.
    LivingIntent,
    /// It is young.
    WithinThreshold,
    /// It is the n-th newest of those that were live, and so many stay.
    MinKeep(usize),
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("live"),
            Self::PreviousHead => f.write_str("live before"),
            Self::MayBeLive => f.write_str("may be live: whoever pushed it does not say"),
            Self::Interrupted => f.write_str("broken off while it went live"),
            Self::Pinned => f.write_str("pinned"),
            Self::Future => f.write_str("from the future"),
            Self::LivingIntent => f.write_str("of a push under way"),
            Self::WithinThreshold => f.write_str("within the threshold"),
            Self::MinKeep(rank) => write!(f, "number {rank} of the newest"),
        }
    }
}

/// What a prune does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GcPlan<R, I> {
    /// What is deleted, and which old manifests named it: none if only dead intents or nothing at all did.
    pub delete: BTreeMap<R, Vec<ManifestId>>,
    /// Manifests that stay, and why.
    pub keep: BTreeMap<ManifestId, KeepReason>,
    /// Manifests that go, with what is deleted because of them.
    pub expire: Vec<ManifestId>,
    /// Intents that go.
    pub dead: Vec<I>,
    /// Intents that live.
    pub living: usize,
    /// What old manifests and dead intents name.
    pub candidates: usize,
    /// How much of that something living still names.
    pub still_named: usize,
    /// How much of the rest is protected.
    pub protected: usize,
    /// Everything that is named at all.
    pub known: usize,
}

impl<R, I> GcPlan<R, I> {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.delete.is_empty() && self.expire.is_empty() && self.dead.is_empty()
    }

    /// Which part of everything known is deleted, in millionths.
    pub fn share(&self) -> u32 {
        let share = self.delete.len() as u64 * 1_000_000 / self.known.max(1) as u64;
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

/// Why nothing is deleted at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum GcRefusal {
    /// What is live is not known.
    #[error("the live build's manifest {0} is missing, so what is live is not known")]
    HeadMissing(ManifestId),
    /// There was a head, and it is gone.
    #[error("nothing says which build is live, though whoever pushed {0} did")]
    HeadLost(ManifestId),
}

/// Decides what goes. `orphans` are candidates that nothing may name.
///
/// # Errors
/// [`GcRefusal`] if deciding would be guessing.
pub fn plan<R: Ord + Clone, I: Clone>(
    manifests: &[ManifestView<R>],
    intents: &[IntentView<R, I>],
    roots: &Roots,
    orphans: &BTreeSet<R>,
    policy: &Policy<R>,
) -> Result<GcPlan<R, I>, GcRefusal> {
    let known_ids: BTreeSet<ManifestId> = manifests.iter().map(|manifest| manifest.id).collect();
    if let Some(head) = roots.head.filter(|head| !known_ids.contains(head)) {
        return Err(GcRefusal::HeadMissing(head));
    }
    let is_living =
        |intent: &&IntentView<R, I>| intent.age.is_none_or(|age| age <= policy.intent_ttl.max(intent.ttl));
    let living: Vec<&BTreeSet<R>> = intents.iter().filter(is_living).map(|intent| &intent.refs).collect();
    // Whoever goes back to an old build, or holds it, says so by naming its files.
    let in_use: BTreeSet<ManifestId> = (manifests.iter())
        .filter(|manifest| living.iter().any(|refs| manifest.refs.is_subset(refs)))
        .map(|manifest| manifest.id)
        .collect();
    if roots.head.is_none() {
        let tell = manifests.iter().filter(|manifest| manifest.keeps_a_head).map(|manifest| manifest.id);
        // Those of a push under way are no sign of a head: it writes them before.
        let lost = tell.chain(roots.copied.iter().copied()).filter(|id| !in_use.contains(id));
        if let Some(newest) = lost.max() {
            return Err(GcRefusal::HeadLost(newest));
        }
    }
    let unheaded = unheaded(manifests, roots);
    let keep = kept(&known_ids, &in_use, (roots, &unheaded), policy);

    let mut named: BTreeSet<&R> = BTreeSet::new();
    let mut candidates: BTreeMap<&R, Vec<ManifestId>> = BTreeMap::new();
    let mut expire = Vec::new();
    for manifest in manifests {
        if keep.contains_key(&manifest.id) {
            named.extend(&manifest.refs);
        } else {
            expire.push(manifest.id);
            for reference in &manifest.refs {
                candidates.entry(reference).or_default().push(manifest.id);
            }
        }
    }
    for intent in intents.iter().filter(is_living) {
        named.extend(&intent.refs);
    }
    let dead = || intents.iter().filter(|intent| !is_living(intent));
    for reference in dead().flat_map(|intent| &intent.refs).chain(orphans) {
        candidates.entry(reference).or_default();
    }
    expire.sort_unstable();
    let known = named.iter().chain(candidates.keys()).collect::<BTreeSet<_>>().len();
    let count = candidates.len();
    candidates.retain(|reference, _| !named.contains(*reference));
    let unnamed = candidates.len();
    candidates.retain(|reference, _| !policy.protected.contains(*reference));
    let mut delete = BTreeMap::new();
    for (reference, mut by) in candidates {
        by.sort_unstable();
        by.dedup();
        delete.insert(reference.clone(), by);
    }
    Ok(GcPlan {
        candidates: count,
        still_named: count - unnamed,
        protected: unnamed - delete.len(),
        known,
        delete,
        keep,
        expire,
        living: intents.iter().filter(is_living).count(),
        dead: dead().map(|intent| intent.id.clone()).collect(),
    })
}

/// Manifests of writers that keep no head, pushed after what the head says: each of them was live, and the newest one is.
fn unheaded<R>(manifests: &[ManifestView<R>], roots: &Roots) -> BTreeSet<ManifestId> {
    let is_later = |id: ManifestId| roots.head.is_none_or(|head| id > head && !roots.history.contains(&id));
    let later = manifests.iter().filter(|manifest| !manifest.keeps_a_head && is_later(manifest.id));
    later.map(|manifest| manifest.id).collect()
}

/// Manifests that stay.
fn kept<R>(
    all: &BTreeSet<ManifestId>,
    in_use: &BTreeSet<ManifestId>,
    (roots, unheaded): (&Roots, &BTreeSet<ManifestId>),
    policy: &Policy<R>,
) -> BTreeMap<ManifestId, KeepReason> {
    let was_live =
        |id: &&ManifestId| roots.head.is_none() || roots.history.contains(id) || unheaded.contains(id);
    let newest: Vec<ManifestId> = all.iter().rev().filter(was_live).take(policy.min_keep).copied().collect();
    // What is live, and what was live before: a head that is older says the latter if there is but one.
    let may_be_live: BTreeSet<ManifestId> = unheaded.iter().rev().take(2).copied().collect();
    let reason = |id: ManifestId| {
        let age = policy.now.checked_sub(id.0);
        let rank = newest.iter().position(|found| *found == id);
        Some(match id {
            _ if roots.head == Some(id) => KeepReason::Head,
            _ if roots.previous == Some(id) => KeepReason::PreviousHead,
            _ if may_be_live.contains(&id) => KeepReason::MayBeLive,
            _ if roots.interrupted.contains(&id) => KeepReason::Interrupted,
            _ if roots.pins.contains(&id) => KeepReason::Pinned,
            _ if in_use.contains(&id) => KeepReason::LivingIntent,
            _ if age.is_none() => KeepReason::Future,
            _ if age.is_some_and(|age| Duration::from_secs(age) <= policy.threshold) => {
                KeepReason::WithinThreshold
            }
            _ => KeepReason::MinKeep(rank? + 1),
        })
    };
    all.iter().filter_map(|id| Some((*id, reason(*id)?))).collect()
}
