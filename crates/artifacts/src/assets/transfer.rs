//! Sending files: bounded in number and in memory, each with its digest, large ones in parts.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use fs_err as fs;
use runway_store::{
    Condition, ContentDigest, ETag, ObjectKey, Put, StoreError, StoreErrorKind, UserMetadata,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::error::AssetsError;
use super::event::AssetEvent;
use super::parts::{self, Body, acquire, blocking};
use super::session::Session;
use super::walk::PARTS_FROM;
use crate::names::{AssetPath, ManifestId};
use crate::protocol::{Item, Reply};

/// Name of the digest among the metadata of an object.
pub(super) const DIGEST: &str = "sha256";

/// Where the bytes of items come from.
#[derive(Debug, Clone, Default)]
pub struct Transfer {
    items: Arc<Vec<Item>>,
    /// By item: where it is on this machine.
    files: Arc<Vec<PathBuf>>,
    /// The build whose copies of entry points are to be sent.
    copies_of: Option<ManifestId>,
}

impl Transfer {
    /// Items that are files of this machine, in the order of the items.
    pub fn of_files(items: Arc<Vec<Item>>, files: Arc<Vec<PathBuf>>) -> Self {
        Self { items, files, copies_of: None }
    }

    /// Items of a build that was pushed before.
    pub fn of_manifest(items: Arc<Vec<Item>>, manifest: ManifestId) -> Self {
        Self { items, files: Arc::default(), copies_of: Some(manifest) }
    }

    fn item(&self, number: usize) -> Result<&Item, AssetsError> {
        self.items.get(number).ok_or(AssetsError::Protocol(crate::protocol::ProtocolError::Defect))
    }

    /// Which of the items the bucket holds with their digests and headers.
    pub(crate) async fn prove(
        &self,
        session: &Session,
        items: Vec<usize>,
    ) -> Result<Vec<(usize, ETag)>, AssetsError> {
        let prove = |session: Session, transfer: Self, number: usize| async move {
            let item = transfer.item(number)?;
            let key = session.layout.file(&item.path);
            let seen = session.again(|| session.store.head(&key)).await?;
            let is_same = |metadata: &runway_store::Metadata| {
                metadata.length == item.facts.size
                    && metadata.user.get(DIGEST) == Some(&item.facts.sha256.to_string())
                    && metadata.content_type.as_ref() == Some(&item.facts.content_type)
                    && metadata.cache_control.as_ref() == Some(&item.facts.cache_control)
            };
            Ok(seen.filter(is_same).map(|metadata| (number, metadata.etag)))
        };
        Ok(self.each(session, items, prove).await?.into_iter().flatten().collect())
    }

    /// Sends items under their own names.
    pub(crate) async fn send(
        &self,
        session: &Session,
        items: Vec<usize>,
    ) -> Result<Vec<(usize, ETag)>, AssetsError> {
        let bytes = items.iter().filter_map(|item| self.items.get(*item)).map(|item| item.facts.size).sum();
        session.tell(&AssetEvent::Sending { files: items.len(), bytes });
        let memory = parts::memory();
        let send = move |session: Session, transfer: Self, number: usize| {
            let memory = Arc::clone(&memory);
            async move {
                let item = transfer.item(number)?;
                let key = session.layout.file(&item.path);
                let etag = transfer.send_one(&session, number, &key, &memory).await?;
                session.tell(&AssetEvent::FileSent { path: item.path.clone() });
                Ok((number, etag))
            }
        };
        self.each(session, items, send).await
    }

    /// Sends the copies of entry points of a build.
    pub(crate) async fn send_copies(
        &self,
        session: &Session,
        manifest: ManifestId,
        items: Vec<usize>,
    ) -> Result<Vec<(usize, ETag)>, AssetsError> {
        let send = move |session: Session, transfer: Self, number: usize| async move {
            let item = transfer.item(number)?;
            let key = session.layout.copy(manifest, &item.path);
            let body = transfer.entry(&session, &item.path, None).await?;
            let how = described(item);
            let written = session.again(|| session.store.put(&key, body.clone(), &how)).await?;
            Ok((number, written.etag))
        };
        self.each(session, items, send).await
    }

    /// Writes an entry point.
    pub(crate) async fn put_entry(
        &self,
        session: &Session,
        manifest: ManifestId,
        path: &AssetPath,
        condition: Condition,
    ) -> Result<Reply, AssetsError> {
        session.tell(&AssetEvent::GoingLive { path: path.clone() });
        let key = session.layout.file(path);
        if let Some(item) = self.items.iter().find(|item| item.path == *path) {
            let body = match self.entry(session, path, Some(manifest)).await {
                // Its copy was sent as it was when everything was looked at.
                Err(AssetsError::SourceChanged { .. }) => copied(session, manifest, item).await?,
                body => body?,
            };
            return session.put(&key, body, &Put { condition, ..described(item) }).await;
        }
        // The copy has the headers that the entry point is to have.
        let copy = session.layout.copy(manifest, path);
        let object = session.read(&copy).await?.ok_or_else(|| missing(&copy))?;
        let how = Put {
            condition,
            content_type: object.metadata.content_type,
            cache_control: object.metadata.cache_control,
            user: object.metadata.user,
            ..Put::default()
        };
        session.put(&key, object.body, &how).await
    }

    /// The bytes of an entry point: from this machine, or from the copy of a build.
    async fn entry(
        &self,
        session: &Session,
        path: &AssetPath,
        copied: Option<ManifestId>,
    ) -> Result<Bytes, AssetsError> {
        let number = self.items.iter().position(|item| item.path == *path);
        let at_hand = number.and_then(|number| Some((self.items.get(number)?, self.files.get(number)?)));
        if let Some((item, file)) = at_hand {
            return read_whole(item.clone(), file.clone()).await;
        }
        let item = number.and_then(|number| self.items.get(number));
        let copied = copied.or(self.copies_of).zip(item);
        let (manifest, item) = copied.ok_or(AssetsError::Protocol(crate::protocol::ProtocolError::Defect))?;
        self::copied(session, manifest, item).await
    }

    /// Works on items, several at a time. The first failure stops the others, which clear up.
    async fn each<T, F>(
        &self,
        session: &Session,
        items: Vec<usize>,
        work: impl Fn(Session, Self, usize) -> F,
    ) -> Result<Vec<T>, AssetsError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, AssetsError>> + Send + 'static,
    {
        let session = Session { stop: session.stop.child_token(), ..session.clone() };
        let mut waiting = items.into_iter();
        let mut running = JoinSet::new();
        let mut done = Vec::new();
        let mut failed = None;
        loop {
            while running.len() < session.concurrency.max(1) && !session.stop.is_cancelled() {
                match waiting.next() {
                    Some(number) => running.spawn(work(session.clone(), self.clone(), number)),
                    None => break,
                };
            }
            match running.join_next().await {
                None if session.stop.is_cancelled() => {
                    return Err(failed.unwrap_or(AssetsError::Interrupted));
                }
                None => return Ok(done),
                Some(Ok(Ok(ended))) => done.push(ended),
                Some(Ok(Err(error))) => {
                    session.stop.cancel();
                    failed.get_or_insert(error);
                }
                Some(Err(error)) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => return Err(AssetsError::Interrupted),
                },
            }
        }
    }

    async fn send_one(
        &self,
        session: &Session,
        number: usize,
        key: &ObjectKey,
        memory: &Arc<Semaphore>,
    ) -> Result<ETag, AssetsError> {
        let item = self.item(number)?;
        let file =
            self.files.get(number).ok_or(AssetsError::Protocol(crate::protocol::ProtocolError::Defect))?;
        if item.facts.size >= PARTS_FROM {
            let body = Body::File(file.clone());
            return parts::send(session, item, &body, key, memory).await;
        }
        let send = async {
            let _permit = acquire(memory, item.facts.size).await?;
            let body = read_whole(item.clone(), file.clone()).await?;
            let how = Put { condition: session.condition(key), ..described(item) };
            let written = session.again(|| session.store.put(key, body.clone(), &how)).await;
            match written {
                Ok(written) => Ok(written.etag),
                Err(error) => session.unless_own(error, key, |metadata| is_of(metadata, item)).await,
            }
            .map_err(|error| damaged(error, &item.path))
        };
        let written = unless_stopped(session, send).await?;
        session.tell(&AssetEvent::Sent { bytes: item.facts.size });
        Ok(written)
    }
}

pub(super) async fn unless_stopped<T>(
    session: &Session,
    work: impl Future<Output = Result<T, AssetsError>>,
) -> Result<T, AssetsError> {
    tokio::select! {
        done = work => done,
        () = session.stop.cancelled() => Err(AssetsError::Interrupted),
    }
}

/// The copy of an entry point, whose bytes are those of its manifest.
///
/// # Errors
/// [`AssetsError::Integrity`] if they are others, [`AssetsError::Incomplete`] if there is no copy: the push of that build
/// may have ended before it made one.
pub(crate) async fn copied(
    session: &Session,
    manifest: ManifestId,
    item: &Item,
) -> Result<Bytes, AssetsError> {
    let copy = session.layout.copy(manifest, &item.path);
    let Some(object) = session.read(&copy).await? else {
        return Err(AssetsError::Incomplete { manifest, count: 1, first: copy.as_str().to_owned() });
    };
    if item.facts.sha256 != ContentDigest::of(&object.body) {
        let message = "its digest is not the one that its manifest has".to_owned();
        return Err(AssetsError::Integrity { path: copy.as_str().to_owned(), message });
    }
    Ok(object.body)
}

fn missing(key: &ObjectKey) -> AssetsError {
    AssetsError::Unreadable { key: key.as_str().to_owned(), message: "it does not exist".to_owned() }
}

pub(super) fn damaged(error: StoreError, path: &AssetPath) -> AssetsError {
    match error.kind {
        StoreErrorKind::Integrity => {
            AssetsError::Integrity { path: path.to_string(), message: error.message }
        }
        _ => error.into(),
    }
}

/// Whether an object has the bytes of an item, by what its writer put beside it.
fn is_of(metadata: &runway_store::Metadata, item: &Item) -> bool {
    metadata.length == item.facts.size && metadata.user.get(DIGEST) == Some(&item.facts.sha256.to_string())
}

/// How an item is written.
pub(super) fn described(item: &Item) -> Put {
    Put {
        content_type: Some(item.facts.content_type.clone()),
        cache_control: Some(item.facts.cache_control.clone()),
        user: UserMetadata::from([(DIGEST.to_owned(), item.facts.sha256.to_string())]),
        sha256: Some(item.facts.sha256),
        ..Put::default()
    }
}

/// The bytes of a file, which must be those that it had when the push was decided on.
pub(super) async fn read_whole(item: Item, file: PathBuf) -> Result<Bytes, AssetsError> {
    blocking(move || {
        let changed = || AssetsError::SourceChanged { path: item.path.to_string() };
        let bytes = fs::read(&file).map_err(|_| changed())?;
        if bytes.len() as u64 != item.facts.size || ContentDigest::of(&bytes) != item.facts.sha256 {
            return Err(changed());
        }
        Ok(Bytes::from(bytes))
    })
    .await
}
