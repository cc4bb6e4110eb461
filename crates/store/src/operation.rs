use std::fmt;

use crate::error::{StoreError, StoreErrorKind};
use crate::key::{BucketName, ObjectKey};

/// What is asked of a store: one for each method of [`ObjectStore`](crate::ObjectStore).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Read an object.
    Get,
    /// Read the metadata of an object.
    Head,
    /// Write an object.
    Put,
    /// Delete an object.
    Delete,
    /// List one page of keys.
    List,
    /// Read the tags of an object.
    Tags,
    /// Replace the tags of an object.
    SetTags,
    /// Read one version of an object.
    GetVersion,
    /// List the versions of an object.
    Versions,
    /// Read what the bucket does by itself.
    Rules,
    /// Read some bytes of an object.
    GetRange,
    /// Delete several objects.
    DeleteMany,
    /// Begin to send a body in parts.
    BeginUpload,
    /// Send one part.
    UploadPart,
    /// Make an object of the parts.
    CompleteUpload,
    /// Throw the parts away.
    AbortUpload,
    /// List what is being sent in parts.
    Uploads,
}

impl Verb {
    /// Name of the method of [`ObjectStore`](crate::ObjectStore), for example `set_tags`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Tags => "tags",
            Self::SetTags => "set_tags",
            Self::GetVersion => "get_version",
            Self::Versions => "versions",
            Self::Rules => "rules",
            Self::GetRange => "get_range",
            Self::DeleteMany => "delete_many",
            Self::BeginUpload => "begin_upload",
            Self::UploadPart => "upload_part",
            Self::CompleteUpload => "complete_upload",
            Self::AbortUpload => "abort_upload",
            Self::Uploads => "uploads",
        }
    }

    /// The verb as [`StoreError::operation`] names it, for example `tag`.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Get | Self::Head | Self::GetRange => "read",
            Self::Put => "write",
            Self::Delete | Self::DeleteMany => "delete",
            Self::BeginUpload => "begin to write",
            Self::UploadPart => "write a part of",
            Self::CompleteUpload => "put together",
            Self::AbortUpload => "throw away the parts of",
            Self::Uploads => "list unfinished writes of",
            Self::List => "list",
            Self::Tags => "read the tags of",
            Self::SetTags => "tag",
            Self::GetVersion => "read a version of",
            Self::Versions => "list the versions of",
            Self::Rules => "read the rules of",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One request to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What was asked.
    pub verb: Verb,
    /// The key, or the prefix of a listing.
    pub key: ObjectKey,
}

impl Operation {
    /// An operation on a key.
    pub fn new(verb: Verb, key: &ObjectKey) -> Self {
        Self { verb, key: key.clone() }
    }

    /// A request about several keys, named by the first.
    pub(crate) fn many(verb: Verb, keys: &[ObjectKey]) -> Self {
        Self { verb, key: keys.first().cloned().unwrap_or_else(|| ObjectKey::new("")) }
    }

    /// A listing of unfinished writes below a prefix.
    pub(crate) fn uploads(prefix: &str) -> Self {
        Self { verb: Verb::Uploads, key: ObjectKey::new(prefix) }
    }

    /// A listing below a prefix.
    pub fn list(prefix: &str) -> Self {
        Self { verb: Verb::List, key: ObjectKey::new(prefix) }
    }

    /// A look at the rules of the bucket.
    pub fn rules() -> Self {
        Self { verb: Verb::Rules, key: ObjectKey::new("") }
    }

    /// The error of this operation.
    pub(crate) fn error(
        &self,
        kind: StoreErrorKind,
        bucket: &BucketName,
        message: impl Into<String>,
    ) -> StoreError {
        StoreError::new(kind, self.verb.phrase(), bucket, &self.key, message)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.key)
    }
}
