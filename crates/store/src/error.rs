use crate::key::{BucketName, ObjectKey};

/// What went wrong, as far as a caller's decision depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The bucket does not exist.
    NoBucket,
    /// The bucket is in another region than it was looked for.
    WrongRegion,
    /// A condition (`If-Match`, `If-None-Match`) did not hold; nothing was written.
    Precondition,
    /// The store answered that the caller may not do this.
    Denied,
    /// No usable credentials: none found, or refused as expired or invalid.
    Credentials,
    /// The store asked to slow down.
    Throttled,
    /// Two conditional writes met; the same request may be sent again.
    Conflict,
    /// No answer, or one that could not be understood; the write may have taken effect.
    Unavailable,
    /// The bytes that arrived are not those that were sent, by their digest; nothing was written.
    Integrity,
    /// The store refused the request itself (a bad name, too many tags).
    Invalid,
}

/// A request to an object store that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("failed to {operation} s3://{bucket}/{key}: {message}{}", request_words(self.request_id.as_deref()))]
pub struct StoreError {
    /// What a caller may decide on.
    pub kind: StoreErrorKind,
    /// The verb of the operation, for example `read` or `write`.
    pub operation: &'static str,
    /// The bucket.
    pub bucket: BucketName,
    /// The key, or the prefix of a listing.
    pub key: String,
    /// What the store said, in its own words.
    pub message: String,
    /// The store's request id, if there was an answer.
    pub request_id: Option<String>,
}

fn request_words(request: Option<&str>) -> String {
    request.map(|id| format!(" (request {id})")).unwrap_or_default()
}

impl StoreError {
    /// Builds an error for an operation on one key.
    pub fn new(
        kind: StoreErrorKind,
        operation: &'static str,
        bucket: &BucketName,
        key: &ObjectKey,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            operation,
            bucket: bucket.clone(),
            key: key.as_str().to_owned(),
            message: message.into(),
            request_id: None,
        }
    }
}
