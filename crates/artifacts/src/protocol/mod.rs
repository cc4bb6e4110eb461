//! The protocol of push and prune as state machines without IO.
//!
//! A machine is asked for the next request with the answer to the one before: `step(reply, now) -> Ask`. The same machines
//! run in production, where an engine sends the requests, and in the explorer, which tries every interleaving of several
//! of them with crashes at every step.
//!
//! What makes it safe: a push writes an *intent* with all of its files, and only then looks whether somebody prunes; a
//! prune writes its *marker*, and only then looks for intents. Whoever comes second sees the other. A prune reads intents
//! before manifests, and a push writes its manifest before it forgets its intent: so one of them is seen. The *head* says
//! which build is live; it is changed by compare-and-swap around the replacement of the entry points, and nobody takes it
//! over from a writer that may be alive.

mod flip;
mod gate;
mod pages;
mod pin;
mod prune;
mod push;
#[cfg(test)]
mod tests;
mod write;

pub use flip::{FlipEnd, Resume};
pub use pin::{Pin, PinEnd};
pub use prune::{Prune, PruneEnd, PruneOrder, PrunePlan, PruneReport};
pub use push::{
    Choice, Class, Data, InPlace, Item, Push, PushEnd, PushMode, PushOrder, PushReport, Source, choose,
};

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use runway_store::{Condition, ETag, ObjectKey};

use crate::format::{FormatError, Manifest};
use crate::names::{AssetPath, ManifestId, Nonce};

/// How long things are believed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Terms {
    /// How long the writer of a marker or a head acts on it without writing it again.
    pub deadline: Duration,
    /// Longest pause of a process and its request that is reckoned with: after deadline and this, a writer is dead.
    pub pause: Duration,
    /// How long an intent counts.
    pub intent_ttl: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(120),
            pause: Duration::from_secs(60),
            intent_ttl: Duration::from_secs(24 * 3600),
        }
    }
}

/// A session of the protocol: it is told what became of the last request, and asks for the next.
pub trait Machine {
    /// What becomes of it.
    type End;
    /// The next request. `now` is the time since any moment before the first step, by a clock that never goes back.
    ///
    /// # Errors
    /// [`ProtocolError`].
    fn step(&mut self, reply: Reply, now: Duration) -> Result<Ask<Self::End>, ProtocolError>;

    /// Whether what it is doing must not be left half done by whoever could still go on.
    fn must_go_on(&self) -> bool {
        false
    }
}

/// What a machine wants done next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ask<End> {
    /// Read an object: answered by [`Reply::Got`].
    Get(ObjectKey),
    /// Read several objects: answered by [`Reply::GotMany`], in their order.
    GetMany(Vec<ObjectKey>),
    /// Write a document: answered by [`Reply::Written`], [`Reply::Refused`] or [`Reply::Unknown`].
    Put {
        /// Where.
        key: ObjectKey,
        /// What.
        body: Bytes,
        /// Kept beside the body, so that a writer knows its own.
        stamp: Nonce,
        /// When.
        condition: Condition,
    },
    /// Delete an object that may be absent: answered by [`Reply::Done`].
    Delete(ObjectKey),
    /// Delete objects that may be absent: answered by [`Reply::DeletedMany`], or by [`Reply::Unknown`] if no answer came
    /// in time.
    DeleteMany {
        /// Which.
        keys: Vec<ObjectKey>,
        /// When the marker is no longer believed: nothing is repeated or waited for after that.
        until: Duration,
    },
    /// List one page: answered by [`Reply::Listed`].
    List {
        /// Of what.
        prefix: String,
        /// After which key.
        after: Option<ObjectKey>,
    },
    /// Look at an object until it is another one or has stayed the same for so long: answered by [`Reply::Changed`] or
    /// [`Reply::Unchanged`].
    Watch {
        /// Which.
        key: ObjectKey,
        /// As it is known.
        etag: ETag,
        /// How long.
        patience: Duration,
    },
    /// Read what is known of an object: answered by [`Reply::Seen`].
    Head(ObjectKey),
    /// Look whether these items are what the bucket holds under their names: answered by [`Reply::Proven`].
    Prove(Vec<usize>),
    /// Send these items, several at a time: answered by [`Reply::Sent`].
    Send(Vec<usize>),
    /// Send these entry points as copies of a build: answered by [`Reply::Sent`].
    SendCopies {
        /// Of which build.
        manifest: ManifestId,
        /// Which.
        items: Vec<usize>,
    },
    /// Write an entry point: answered by [`Reply::Written`], [`Reply::Refused`] or [`Reply::Unknown`].
    PutEntry {
        /// From which build's copy, if the item's own bytes are not at hand.
        manifest: ManifestId,
        /// Its path.
        path: AssetPath,
        /// When.
        condition: Condition,
    },
    /// Nothing more: this is what became of it.
    End(End),
}

/// An object as read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// Its bytes.
    pub body: Bytes,
    /// Its entity tag.
    pub etag: ETag,
    /// What its writer put beside the body.
    pub stamp: Option<String>,
    /// How long ago it was written, by the store's clock alone; `None` if the store does not tell.
    pub age: Option<Duration>,
}

/// An object as listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listed {
    /// Which.
    pub key: ObjectKey,
    /// Its entity tag.
    pub etag: ETag,
    /// Its bytes.
    pub size: u64,
    /// How long ago it was written, by the store's clock alone.
    pub age: Option<Duration>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// There was none: the first step.
    Begin,
    /// What was read.
    Got(Option<Found>),
    /// What was read, one for each key.
    GotMany(Vec<Option<Found>>),
    /// It is written.
    Written {
        /// Its entity tag.
        etag: ETag,
        /// By the store's clock.
        date: Option<Timestamp>,
    },
    /// The condition did not hold: nothing was written, or it was already by an attempt whose answer was lost.
    Refused,
    /// The answer was lost.
    Unknown,
    /// It is done.
    Done,
    /// Many were deleted.
    DeletedMany {
        /// All but these.
        failed: Vec<ObjectKey>,
        /// The answer to an attempt before was lost: it may still be carried out.
        lingers: bool,
    },
    /// One page.
    Listed {
        /// What is on it, in the order of keys.
        objects: Vec<Listed>,
        /// Whether more follow.
        more: bool,
        /// By the store's clock.
        date: Option<Timestamp>,
    },
    /// The object is another one now, or gone.
    Changed,
    /// It is the same.
    Unchanged,
    /// The entity tag of an object, if it exists.
    Seen(Option<ETag>),
    /// Items that the bucket holds as they are, with their entity tags.
    Proven(Vec<(usize, ETag)>),
    /// Entity tags of what was sent.
    Sent(Vec<(usize, ETag)>),
}

/// Why a machine cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ProtocolError {
    #[error("s3 key `{key}` cannot be read: {message}")]
    Unreadable { key: String, message: String },
    #[error("another session removed the intent of this push, {0} times in a row")]
    IntentLost(u32),
    #[error("60 manifests in a row had been written already")]
    Collisions,
    #[error("the push has taken more than half the time for which its intent counts")]
    TooSlow,
    #[error("the manifests change while they are read")]
    Restless,
    #[error("an answer does not fit the question: this is a defect")]
    Defect,
}

impl ProtocolError {
    pub(crate) fn unreadable(key: &ObjectKey, error: &FormatError) -> Self {
        Self::Unreadable { key: key.as_str().to_owned(), message: error.to_string() }
    }
}

/// Whether the writer of a manifest says in the head what is live. All documents of this program are stamped.
pub(crate) fn keeps_a_head(manifest: &Manifest, found: &Found) -> bool {
    manifest.tells_of_a_head() || found.stamp.is_some()
}

/// Whether the writer of what was found, which acts on it for `deadline` at most, is dead for sure; if not, for how long it
/// has to be watched.
fn patience(found: &Found, deadline: Duration, terms: &Terms) -> Option<Duration> {
    let limit = deadline + terms.pause;
    let left = limit.saturating_sub(found.age.unwrap_or_default());
    (!left.is_zero()).then_some(left)
}
