//! What is read before anything is written: graph, state and lease, and the tags if they matter.

use std::time::Duration;

use futures_util::future::try_join3;
use jiff::Timestamp;
use runway_store::{ETag, Object, ObjectKey, ObjectStore, StoreError, StoreErrorKind, Tags};

use super::belief::Moment;
use super::body::carried_nonce;
use super::code::{LockCode, TAG_KEY};
use super::error::LockError;
use super::lease::{Lease, holder_words};
use super::terms;
use super::terms::{LockTag, Seen, SeenGraph, SeenLease, Terms};
use crate::clock::Clock;
use crate::engine::LockView;
use crate::graph::persistent::{GraphError, GraphObject, ReadGraph, lease_key, object_key, state_key};
use crate::graph::{GraphState, PersistentGraph};

/// Terms as the store has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stored;

impl Terms for Stored {
    type Code = LockCode;
    type ETag = ETag;
    type Graph = PersistentGraph;
    type State = GraphState;
    type Tags = Tags;
}

/// Keys of the three objects of one persistent graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objects {
    /// The graph.
    pub graph: ObjectKey,
    /// The lease.
    pub lease: ObjectKey,
    /// The state.
    pub state: ObjectKey,
}

impl Objects {
    /// The objects of a graph, from the config's namespace and `persistent_graph_key`.
    pub fn new(namespace: &str, key: &str) -> Self {
        let graph = object_key(namespace, key);
        Self { lease: lease_key(&graph), state: state_key(&graph), graph }
    }
}

/// The graph as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenObject {
    /// The graph, repaired, with what was wrong.
    pub read: ReadGraph,
    /// Entity tag.
    pub etag: ETag,
    /// Version id, in a bucket that keeps versions.
    pub version_id: Option<String>,
    /// Fragment of the lock code that the body carries.
    pub carried: Option<u64>,
}

/// The lease as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSeen {
    /// Entity tag.
    pub etag: ETag,
    /// The lease; `None` if the object is not readable as one.
    pub lease: Option<Lease>,
    /// Time since the last write by the store's clock; `None` if the store did not say.
    pub age: Option<Duration>,
    /// When the answer was there.
    pub read_at: Moment,
}

/// The premises of a plan. Entity tags in here are what the recording will ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Premises {
    /// `s3://bucket/key` of the graph.
    pub location: String,
    /// Whether the bucket does not exist. Everything else is then absent.
    pub bucket_missing: bool,
    /// The graph; `None` if there is no object, which means that nothing is recorded.
    pub graph: Option<SeenObject>,
    /// The state; empty if there is no object.
    pub state: GraphState,
    /// Entity tag of the state, if there is an object.
    pub state_etag: Option<ETag>,
    /// The lease.
    pub lease: Option<LeaseSeen>,
    /// Tags of the graph object; `None` if nobody looked, or if there is no object.
    pub tags: Option<Tags>,
    /// The store's time when it answered, if it said so.
    pub date: Option<Timestamp>,
    /// When all answers were there.
    pub read_at: Moment,
}

/// Reads graph, state and lease at once, then the tags if there is a lease.
///
/// # Errors
/// [`LockError::Graph`] if graph or state cannot be understood, [`LockError::Store`] if a request failed.
pub async fn read_premises(
    store: &dyn ObjectStore,
    objects: &Objects,
    clock: &dyn Clock,
) -> Result<Premises, LockError> {
    let mut premises = read_objects(store, objects, clock).await?;
    if premises.lease.is_some() && premises.graph.is_some() {
        // After the graph: in the other order, a session that is just locking looks like one that was unlocked.
        premises.tags = store.tags(&objects.graph).await?;
        premises.read_at = Moment::now(clock);
    }
    Ok(premises)
}

/// As [`read_premises`], with the tags in any case: for showing and removing a lock by hand.
///
/// # Errors
/// As [`read_premises`].
pub async fn read_lock(
    store: &dyn ObjectStore,
    objects: &Objects,
    clock: &dyn Clock,
) -> Result<Premises, LockError> {
    let mut premises = read_objects(store, objects, clock).await?;
    if premises.graph.is_some() {
        premises.tags = store.tags(&objects.graph).await?;
        premises.read_at = Moment::now(clock);
    }
    Ok(premises)
}

async fn read_objects(
    store: &dyn ObjectStore,
    objects: &Objects,
    clock: &dyn Clock,
) -> Result<Premises, LockError> {
    let lease = async {
        let object = store.get(&objects.lease).await?;
        Ok::<_, StoreError>(object.map(|object| LeaseSeen::new(&object, clock)))
    };
    let all = try_join3(store.get(&objects.graph), store.get(&objects.state), lease).await;
    let (graph, state, lease, bucket_missing) = match all {
        Ok((graph, state, lease)) => (graph, state, lease, false),
        Err(error) if error.kind == StoreErrorKind::NoBucket => (None, None, None, true),
        Err(error) => return Err(error.into()),
    };
    let objects_read = [&graph, &state].into_iter().flatten();
    let date = objects_read.filter_map(|object| object.metadata.date).max();
    let place = |key, object: &Object| {
        GraphObject::new(store.bucket(), key).at_version(object.metadata.version_id.clone())
    };
    let graph = match graph {
        Some(object) => Some(SeenObject {
            read: match PersistentGraph::read(&object.body, &place(&objects.graph, &object)) {
                Ok(read) => read,
                Err(error) => return Err(with_older_version(store, &objects.graph, error).await.into()),
            },
            carried: carried_nonce(&object.body).map(|nonce| nonce.session),
            etag: object.metadata.etag,
            version_id: object.metadata.version_id,
        }),
        None => None,
    };
    let (state, state_etag) = match state {
        Some(object) => match GraphState::read(&object.body, &place(&objects.state, &object)) {
            Ok(state) => (state, Some(object.metadata.etag)),
            Err(error) => return Err(with_older_version(store, &objects.state, error).await.into()),
        },
        None => (GraphState::default(), None),
    };
    Ok(Premises {
        location: GraphObject::new(store.bucket(), &objects.graph).location(),
        bucket_missing,
        graph,
        state,
        state_etag,
        lease,
        tags: None,
        date,
        read_at: Moment::now(clock),
    })
}

/// The error with the version that was there before, for the command that puts it back. Best effort: a bucket
/// without versions, or a caller who may not list them, gets the command with a gap.
async fn with_older_version(store: &dyn ObjectStore, key: &ObjectKey, mut error: GraphError) -> GraphError {
    let broken = error.object().and_then(|object| object.version_id.clone());
    let versions = store.versions(key).await.unwrap_or_default();
    let older = versions
        .into_iter()
        .filter_map(|version| version.version_id)
        .skip_while(|id| Some(id) != broken.as_ref())
        .nth(1);
    if let Some(object) = error.object() {
        object.older_version_id = older;
    }
    error
}

impl LeaseSeen {
    pub(super) fn new(object: &Object, clock: &dyn Clock) -> Self {
        let metadata = &object.metadata;
        let age =
            metadata.date.zip(metadata.last_modified).map(|(date, modified)| date.duration_since(modified));
        Self {
            etag: metadata.etag.clone(),
            lease: Lease::read(&object.body),
            age: age.map(|age| Duration::try_from(age).unwrap_or_default()),
            read_at: Moment::now(clock),
        }
    }

    /// Who, in words.
    pub fn holder(&self) -> String {
        self.lease
            .as_ref()
            .map_or_else(|| "an unreadable lease".to_owned(), |lease| holder_words(&lease.holder))
    }

    /// ` since <time>, last renewed <time>`, or nothing.
    pub fn since(&self) -> String {
        match &self.lease {
            Some(lease) if !lease.acquired.is_empty() => {
                format!(" since {}, last renewed {}", lease.acquired, lease.renewed)
            }
            _ => String::new(),
        }
    }

    /// The longer of the lease's time to live and `own`.
    pub fn ttl(&self, own: Duration) -> Duration {
        self.lease.as_ref().map_or(own, |lease| lease.ttl().max(own))
    }
}

impl Premises {
    /// The recorded graph; empty if there is no object.
    pub fn recorded(&self) -> PersistentGraph {
        self.graph.as_ref().map(|graph| graph.read.graph.clone()).unwrap_or_default()
    }

    /// Whether a lock was left behind, as far as can be told without watching: a lease that was not renewed for half
    /// of the time to live, or a locked graph without a lease. A run that has nothing else to do clears it.
    pub fn dead_lock_to_clear(&self, ttl: Duration) -> bool {
        match &self.lease {
            Some(seen) => seen.age.is_none_or(|age| age >= seen.ttl(ttl) / 2),
            None => self.graph.as_ref().is_some_and(|graph| graph.carried.is_some()),
        }
    }

    /// The lock as people see it, if there is one. Without a lease it is known only after [`read_lock`].
    pub fn lock_view(&self) -> Option<LockView> {
        let tag = self.tags.as_ref().and_then(|tags| tags.get(TAG_KEY)).map(LockCode::new);
        let cfngin = tag.as_ref().is_some_and(|code| !code.is_marked());
        let lease = self.lease.as_ref();
        let held = lease.and_then(|seen| seen.lease.clone());
        if lease.is_none() && tag.is_none() {
            return None;
        }
        let code = match (&tag, &held) {
            (Some(tag), _) if cfngin => tag.as_str().to_owned(),
            (_, Some(lease)) => lease.code.as_str().to_owned(),
            (Some(tag), None) => tag.as_str().to_owned(),
            (None, None) => "unknown".to_owned(),
        };
        let time = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Some(LockView {
            code,
            cfngin,
            acquired: held.as_ref().and_then(|lease| time(&lease.acquired)),
            renewed: held.as_ref().and_then(|lease| time(&lease.renewed)),
            holder: held.map(|lease| lease.holder),
        })
    }

    /// What the protocol needs of it.
    pub(super) fn seen(&self) -> Seen<Stored> {
        let tag = match (&self.graph, &self.tags) {
            // An absent graph has no tags.
            (None, _) => Some(LockTag::None),
            (Some(_), tags) => tags.as_ref().map(lock_tag),
        };
        Seen {
            lease: self.lease.as_ref().map(|seen| SeenLease {
                etag: seen.etag.clone(),
                code: seen.lease.as_ref().map(|lease| lease.code.clone()),
            }),
            graph: self
                .graph
                .as_ref()
                .map(|graph| SeenGraph { etag: graph.etag.clone(), carried: graph.carried }),
            state: self.state_etag.clone(),
            tag,
        }
    }
}

/// The lock tag among the tags of a graph object.
pub(super) fn lock_tag(tags: &Tags) -> LockTag<LockCode> {
    match tags.get(TAG_KEY).map(LockCode::new) {
        None => LockTag::None,
        Some(code) if code.is_marked() => LockTag::Marked(code),
        Some(code) => LockTag::Cfngin(code),
    }
}

/// Tags of a graph object, split into the lock's and the others.
pub(super) fn split_tags(mut tags: Tags) -> terms::Tags<Stored> {
    let lock = lock_tag(&tags);
    tags.remove(TAG_KEY);
    terms::Tags { lock, other: tags }
}
