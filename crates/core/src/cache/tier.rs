//! Where records lie between runs: files of this machine, and objects of the bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use runway_store::{Condition, ETag, ObjectKey, ObjectStore, Put, Reread, StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};

use super::codec::{self, Unreadable};
use super::index::Index;
use super::value::Digest;
use crate::clock::Clock;

/// A source of random numbers.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A file of the local tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LocalFile {
    /// The last index of the bucket.
    Shared,
    /// Entity tag and digest of [`LocalFile::Shared`].
    SharedTag,
    /// Records of this machine that are not in the bucket.
    Own,
    /// What the last run on this machine had of the cache.
    LastRun,
    /// A text by its digest.
    Blob(Digest),
}

impl LocalFile {
    /// Its path in the directory of the tier.
    pub fn path(&self) -> String {
        match self {
            Self::Shared => "shared.jsonl.gz".to_owned(),
            Self::SharedTag => "shared.json".to_owned(),
            Self::Own => "own.jsonl.gz".to_owned(),
            Self::LastRun => "last-run.json".to_owned(),
            Self::Blob(digest) => format!("blob/{digest}"),
        }
    }
}

/// A text in the local tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalBlob {
    /// Its digest, by its name.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// When it was written.
    pub modified: Timestamp,
}

/// Files of this machine. Other runs may read and write them at the same time: a file is there as a whole or not at all.
pub trait LocalTier: Send + Sync {
    /// The directory, for messages.
    fn place(&self) -> String;
    /// Reads a file; `None` if there is none.
    ///
    /// # Errors
    /// The operating system's words.
    fn read(&self, file: &LocalFile) -> Result<Option<Vec<u8>>, String>;
    /// Writes a file, at once.
    ///
    /// # Errors
    /// The operating system's words.
    fn write(&self, file: &LocalFile, bytes: &[u8]) -> Result<(), String>;
    /// Removes a file if it is there.
    ///
    /// # Errors
    /// The operating system's words.
    fn remove(&self, file: &LocalFile) -> Result<(), String>;
    /// All texts.
    fn blobs(&self) -> Vec<LocalBlob>;
}

/// Says of which bytes the entity tag is.
#[derive(Debug, Serialize, Deserialize)]
struct TagFile {
    etag: ETag,
    sha256: Digest,
}

/// The last index of the bucket that this machine has seen, with its entity tag. A damaged copy is none: the bucket has
/// the original.
pub(super) fn shared_copy(local: &dyn LocalTier) -> Option<(ETag, Index)> {
    let tag = local.read(&LocalFile::SharedTag).ok()??;
    let tag: TagFile = serde_json::from_slice(&tag).ok()?;
    let bytes = local.read(&LocalFile::Shared).ok()??;
    if Digest::of(&bytes) != tag.sha256 {
        return None;
    }
    Some((tag.etag, codec::decode(&bytes).ok()?))
}

/// Keeps the bytes of the bucket's index.
pub(super) fn keep_shared_copy(local: &dyn LocalTier, etag: &ETag, bytes: &[u8]) -> Result<(), String> {
    let tag = TagFile { etag: etag.clone(), sha256: Digest::of(bytes) };
    local.write(&LocalFile::Shared, bytes)?;
    local.write(&LocalFile::SharedTag, serde_json::to_string(&tag).unwrap_or_default().as_bytes())
}

/// A text, if it is what its name says.
pub(super) fn local_text(local: &dyn LocalTier, digest: &Digest) -> Option<Vec<u8>> {
    let bytes = local.read(&LocalFile::Blob(*digest)).ok()??;
    (Digest::of(&bytes) == *digest).then_some(bytes)
}

/// The index of the bucket as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The records.
    pub index: Index,
    /// The object's entity tag; `None` if there is no object.
    pub etag: Option<ETag>,
    /// The object's bytes.
    pub bytes: Option<Bytes>,
    /// Why the object is taken for empty.
    pub unreadable: Option<Unreadable>,
}

impl Seen {
    fn of(etag: ETag, bytes: Bytes) -> Self {
        match codec::decode(&bytes) {
            Ok(index) => Self { index, etag: Some(etag), bytes: Some(bytes), unreadable: None },
            Err(why) => {
                Self { index: Index::default(), etag: Some(etag), bytes: None, unreadable: Some(why) }
            }
        }
    }
}

/// Why the bucket's index was not written.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// The store refused or did not answer.
    Store(StoreError),
    /// No answer in time.
    Late,
    /// Others wrote this often in a row.
    GaveUp(u32),
}

/// Time and chance.
#[derive(Clone)]
pub struct Pace {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for pauses.
    pub random: Random,
}

impl Pace {
    /// What `work` gives, unless it takes longer than `limit`.
    pub(super) async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.clock.sleep(limit) => None,
        }
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// A pause of 50 to 800 ms.
    async fn pause(&self) {
        self.clock.sleep(Duration::from_millis(50 + (self.random)() % 751)).await;
    }
}

/// How often the index is written at most while others write it too.
const MOST_TRIES: u32 = 20;

/// The objects of one namespace in the bucket.
#[derive(Clone)]
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    requests: Arc<AtomicU64>,
}

impl Remote {
    /// The objects of a namespace.
    pub fn new(store: Arc<dyn ObjectStore>, namespace: &str) -> Self {
        Self { store, prefix: prefix(namespace), requests: Arc::default() }
    }

    /// Where the index is, for messages.
    pub fn place(&self) -> String {
        format!("s3://{}/{}", self.store.bucket(), self.index_key())
    }

    /// Key of the index.
    pub fn index_key(&self) -> ObjectKey {
        ObjectKey::new(format!("{}index.jsonl.gz", self.prefix))
    }

    /// Key of a text.
    pub fn blob_key(&self, digest: &Digest) -> ObjectKey {
        ObjectKey::new(format!("{}blob/{digest}", self.prefix))
    }

    /// Starts the keys of everything.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Starts the keys of all texts.
    pub fn blob_prefix(&self) -> String {
        format!("{}blob/", self.prefix)
    }

    /// The bucket.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads the index, unless it is still the known one.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look(&self, known: Option<(ETag, Index)>) -> Result<Seen, StoreError> {
        self.count();
        let Some((etag, index)) = known else {
            let object = self.store.get(&self.index_key()).await?;
            return Ok(
                object.map_or_else(Seen::default, |object| Seen::of(object.metadata.etag, object.body))
            );
        };
        Ok(match self.store.get_changed(&self.index_key(), &etag).await? {
            Reread::Absent => Seen::default(),
            Reread::Unchanged => Seen { index, etag: Some(etag), bytes: None, unreadable: None },
            Reread::Changed(object) => Seen::of(object.metadata.etag, object.body),
        })
    }

    /// Writes what `change` makes of the index, whoever else writes it meanwhile: a refused write reads again, and
    /// `change` is asked again. It says `None` where there is nothing to write.
    ///
    /// # Errors
    /// [`Trouble`]; nothing of it was written, except perhaps when there was no answer.
    pub async fn change(
        &self,
        mut seen: Seen,
        pace: &Pace,
        limit: Duration,
        mut change: impl FnMut(&Seen) -> Option<Index>,
    ) -> Result<Seen, Trouble> {
        let start = pace.clock.monotonic();
        let left = || limit.saturating_sub(pace.clock.monotonic().saturating_sub(start));
        for tries in 1..=MOST_TRIES {
            let Some(mut index) = change(&seen) else { return Ok(seen) };
            index.generation = seen.index.generation + 1;
            let bytes = Bytes::from(codec::encode(&index));
            let condition = seen.etag.clone().map_or(Condition::IfAbsent, Condition::IfMatch);
            let how = Put { condition, content_type: Some("application/gzip".to_owned()), ..Put::default() };
            self.count();
            let written = pace.within(left(), self.store.put(&self.index_key(), bytes.clone(), &how)).await;
            let reads_again = match written.ok_or(Trouble::Late)? {
                Ok(outcome) => {
                    return Ok(Seen {
                        index,
                        etag: Some(outcome.etag),
                        bytes: Some(bytes),
                        unreadable: None,
                    });
                }
                Err(error) => match error.kind {
                    StoreErrorKind::Precondition => true,
                    // The same write again.
                    StoreErrorKind::Conflict | StoreErrorKind::Throttled => false,
                    _ => return Err(Trouble::Store(error)),
                },
            };
            if tries == MOST_TRIES || pace.within(left(), pace.pause()).await.is_none() {
                return Err(Trouble::GaveUp(tries));
            }
            if reads_again {
                let look = pace.within(left(), self.look(None)).await;
                seen = look.ok_or(Trouble::Late)?.map_err(Trouble::Store)?;
            }
        }
        Err(Trouble::GaveUp(MOST_TRIES))
    }

    /// Writes a text; that it is already there is as good.
    pub(super) async fn write_text(&self, digest: &Digest, text: Bytes) -> Result<(), StoreError> {
        self.count();
        let how = Put { condition: Condition::IfAbsent, ..Put::default() };
        match self.store.put(&self.blob_key(digest), text, &how).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == StoreErrorKind::Precondition => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads a text; `None` if it is not there, or is not what its name says.
    pub(super) async fn text(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        self.count();
        let object = self.store.get(&self.blob_key(digest)).await?;
        Ok(object.map(|object| object.body).filter(|body| Digest::of(body) == *digest))
    }
}

/// What starts the keys of a namespace. Names that are safe in a key stay as they are.
pub(super) fn prefix(namespace: &str) -> String {
    let mut name = String::new();
    for byte in namespace.bytes() {
        // Not `.` alone or twice: some tools take it for a way up.
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_')
            || (byte == b'.' && !namespace.trim_matches('.').is_empty());
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("cache/{name}/v1/")
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn namespaces_never_share_a_prefix_and_never_leave_the_cache() {
        assert_eq!(prefix("prod-1.a_b"), "cache/prod-1.a_b/v1/");
        assert_eq!(prefix("a/b"), "cache/a%2Fb/v1/");
        assert_eq!(prefix("a%2Fb"), "cache/a%252Fb/v1/");
        assert_eq!(prefix(".."), "cache/%2E%2E/v1/");
    }
}
