use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::ContentDigest;
use crate::key::ObjectKey;

/// Object tags by key. S3 allows at most ten per object.
pub type Tags = BTreeMap<String, String>;

/// Entity tag of one stored body, without the quotes. Equal bytes may have equal entity tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ETag(String);

impl ETag {
    /// Takes an entity tag as the store gave it; surrounding quotes are dropped.
    pub fn new(tag: impl AsRef<str>) -> Self {
        Self(tag.as_ref().trim_matches('"').to_owned())
    }

    /// The tag without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a writer says about an object besides its body, by name: lower-case letters, digits and `-`; values are
/// printable ASCII.
pub type UserMetadata = BTreeMap<String, String>;

/// When a write or deletion may take effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Condition {
    /// Always.
    #[default]
    None,
    /// Only if the key is absent (`If-None-Match: *`).
    IfAbsent,
    /// Only if the stored entity tag is this one (`If-Match`).
    IfMatch(ETag),
}

/// How an object is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Put {
    /// When the write may take effect.
    pub condition: Condition,
    /// `Content-Type`, if any.
    pub content_type: Option<String>,
    /// `Cache-Control`, if any.
    pub cache_control: Option<String>,
    /// What is said about the object besides (`x-amz-meta-...`).
    pub user: UserMetadata,
    /// What the body must be: the store refuses other bytes with
    /// [`Integrity`](crate::StoreErrorKind::Integrity). Not looked at where the body is sent in parts; those have
    /// digests of their own.
    pub sha256: Option<ContentDigest>,
    /// Tags of the new object; they replace all earlier ones.
    pub tags: Tags,
}

/// What is known of an object besides its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Entity tag of the body.
    pub etag: ETag,
    /// Version id, in a bucket that keeps versions.
    pub version_id: Option<String>,
    /// `Last-Modified` by the store's clock.
    pub last_modified: Option<Timestamp>,
    /// `Date` of the answer by the store's clock; only ever compared with other times of the same store.
    pub date: Option<Timestamp>,
    /// `Content-Type`; not in a listing.
    pub content_type: Option<String>,
    /// `Cache-Control`; not in a listing.
    pub cache_control: Option<String>,
    /// What its writer said about it; not in a listing.
    pub user: UserMetadata,
    /// Length of the body in bytes.
    pub length: u64,
}

/// An object as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The whole body.
    pub body: Bytes,
    /// What is known besides.
    pub metadata: Metadata,
}

/// Answer to a read of an object of which one state is known already.
#[expect(clippy::large_enum_variant, reason = "an answer that is taken apart at once")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reread {
    /// The key is absent.
    Absent,
    /// The object still has the known entity tag; its body was not sent.
    Unchanged,
    /// The object is another one.
    Changed(Object),
}

impl Reread {
    /// The answer of a store that has just read the whole object.
    pub fn of(object: Option<Object>, known: &ETag) -> Self {
        match object {
            None => Self::Absent,
            Some(object) if object.metadata.etag == *known => Self::Unchanged,
            Some(object) => Self::Changed(object),
        }
    }
}

/// Answer to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOutcome {
    /// Entity tag of what was written.
    pub etag: ETag,
    /// Version id, in a bucket that keeps versions.
    pub version_id: Option<String>,
    /// `Date` of the answer by the store's clock.
    pub date: Option<Timestamp>,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Keys in byte order with their metadata.
    pub objects: Vec<(ObjectKey, Metadata)>,
    /// Whether more keys follow; ask again after the last one.
    pub more: bool,
    /// `Date` of the answer by the store's clock.
    pub date: Option<Timestamp>,
}

/// A body that is being sent in parts. Until it is completed there is no object; until it is completed or aborted its
/// parts are kept, and cost money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The store's name for it.
    pub id: String,
    /// The object that is to be.
    pub key: ObjectKey,
    /// When it was begun, by the store's clock.
    pub started: Option<Timestamp>,
}

/// A part that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its place, from 1 to 10,000.
    pub number: u32,
    /// Its entity tag.
    pub etag: ETag,
    /// The digest it was sent with.
    pub sha256: Option<ContentDigest>,
}
