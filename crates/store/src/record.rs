//! What the memory and the directory store keep of one version of an object, and the rules S3 applies to a write.

use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::digest::ContentDigest;
use crate::error::StoreErrorKind;
use crate::key::ObjectKey;
use crate::object::{Condition, ETag, Metadata, Page, Part, Put, Tags, UserMetadata};

/// Objects in a full page of a listing, as ListObjectsV2 answers them.
pub(crate) const PAGE: usize = 1000;

/// Tags an object may have (S3 User Guide, "Categorizing your storage using tags").
const MOST_TAGS: usize = 10;

/// Why a request is refused: what a caller may decide on, and the words.
pub(crate) type Refusal = (StoreErrorKind, String);

/// One version of an object, without its body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) key: ObjectKey,
    pub(crate) etag: ETag,
    pub(crate) length: u64,
    pub(crate) last_modified: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(default, skip_serializing_if = "UserMetadata::is_empty")]
    pub(crate) user: UserMetadata,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub(crate) tags: Tags,
}

impl Record {
    /// What a PUT of `body` stores.
    pub(crate) fn of(key: &ObjectKey, body: &[u8], how: &Put, now: Timestamp) -> Self {
        Self::stored(key, digest(body), body.len() as u64, how, now)
    }

    /// What stands for bytes of this length and entity tag.
    pub(crate) fn stored(key: &ObjectKey, etag: ETag, length: u64, how: &Put, now: Timestamp) -> Self {
        Self {
            key: key.clone(),
            etag,
            length,
            last_modified: now,
            content_type: how.content_type.clone(),
            cache_control: how.cache_control.clone(),
            user: how.user.clone(),
            tags: how.tags.clone(),
        }
    }

    pub(crate) fn metadata(&self, version_id: Option<String>, date: Timestamp) -> Metadata {
        Metadata {
            etag: self.etag.clone(),
            version_id,
            last_modified: Some(self.last_modified),
            date: Some(date),
            content_type: self.content_type.clone(),
            cache_control: self.cache_control.clone(),
            user: self.user.clone(),
            length: self.length,
        }
    }
}

/// MD5 of the body, like S3 for a plain PUT: equal bytes, equal entity tag.
pub(crate) fn digest(body: &[u8]) -> ETag {
    ETag::new(hex(&Md5::digest(body)))
}

/// The entity tag of a body that came in parts, as S3 makes it: MD5 of the MD5s, and how many.
pub(crate) fn digest_of_parts(parts: &[Part]) -> ETag {
    let mut digest = Md5::new();
    for part in parts {
        let text = part.etag.as_str();
        let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        digest.update((0..text.len()).step_by(2).filter_map(byte).collect::<Vec<u8>>());
    }
    ETag::new(format!("{}-{}", hex(&digest.finalize()), parts.len()))
}

/// Whether bytes are those that were announced.
pub(crate) fn allow_body(body: &[u8], announced: Option<&ContentDigest>) -> Result<(), Refusal> {
    match announced {
        Some(announced) if ContentDigest::of(body) != *announced => Err((
            StoreErrorKind::Integrity,
            format!("the SHA-256 of the body is not {announced}, with which it was sent"),
        )),
        _ => Ok(()),
    }
}

/// Whether an object can be made of these parts: ascending, and each one as it is kept.
pub(crate) fn allow_parts<'k>(parts: &[Part], kept: impl Fn(u32) -> Option<&'k ETag>) -> Result<(), Refusal> {
    let refuse = |message: String| Err((StoreErrorKind::Invalid, message));
    if parts.is_empty() {
        return refuse("an object needs a part at least".to_owned());
    }
    if !parts.is_sorted_by(|left, right| left.number < right.number) {
        return refuse("the parts are not in order".to_owned());
    }
    match parts.iter().find(|part| kept(part.number) != Some(&part.etag)) {
        Some(part) => refuse(format!("part {} was not sent like that", part.number)),
        None => Ok(()),
    }
}

/// Some bytes of a body, fewer where it ends before.
pub(crate) fn range(body: &Bytes, first: u64, length: u64) -> Bytes {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
    body.slice(place(first)..place(first.saturating_add(length)))
}

/// Why nothing can be done about an upload.
pub(crate) fn no_upload() -> Refusal {
    (StoreErrorKind::Invalid, "no such upload: it was completed or aborted".to_owned())
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a PUT may take effect while `current` is stored.
pub(crate) fn allow_put(condition: &Condition, current: Option<&ETag>) -> Result<(), Refusal> {
    match (condition, current) {
        (Condition::None, _) | (Condition::IfAbsent, None) => Ok(()),
        (Condition::IfAbsent, Some(_)) => Err(unmet("the object already exists".to_owned())),
        (Condition::IfMatch(wanted), _) => allow_match(wanted, current),
    }
}

/// Whether a DELETE may take effect while `current` is stored.
pub(crate) fn allow_delete(condition: &Condition, current: Option<&ETag>) -> Result<(), Refusal> {
    match condition {
        Condition::None => Ok(()),
        Condition::IfAbsent => {
            Err((StoreErrorKind::Invalid, "a deletion cannot depend on the object being absent".to_owned()))
        }
        Condition::IfMatch(wanted) => allow_match(wanted, current),
    }
}

fn allow_match(wanted: &ETag, current: Option<&ETag>) -> Result<(), Refusal> {
    match current {
        Some(current) if current == wanted => Ok(()),
        Some(current) => Err(unmet(format!("the object has changed: its ETag is {current}, not {wanted}"))),
        None => Err(unmet(format!("the object does not exist; an ETag of {wanted} was expected"))),
    }
}

fn unmet(message: String) -> Refusal {
    (StoreErrorKind::Precondition, message)
}

/// Whether an object may have these tags.
pub(crate) fn allow_tags(tags: &Tags) -> Result<(), Refusal> {
    match tags.len() {
        ..=MOST_TAGS => Ok(()),
        count => Err((StoreErrorKind::Invalid, format!("{count} tags; an object has at most {MOST_TAGS}"))),
    }
}

/// Why tags of an absent key cannot be set.
pub(crate) fn nothing_to_tag() -> Refusal {
    (StoreErrorKind::Invalid, "the object does not exist".to_owned())
}

/// The next page of `objects`, which come in key order and start after the previous page.
pub(crate) fn page(objects: impl Iterator<Item = (ObjectKey, Metadata)>, now: Timestamp) -> Page {
    let mut objects: Vec<_> = objects.take(PAGE + 1).collect();
    let more = objects.len() > PAGE;
    objects.truncate(PAGE);
    Page { objects, more, date: Some(now) }
}
