//! Sending large files: in parts, with bounded memory.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use fs_err as fs;
use runway_store::{ContentDigest, ETag, ObjectKey, Part, StoreErrorKind, Upload};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::error::AssetsError;
use super::event::AssetEvent;
use super::session::Session;
use super::transfer::{DIGEST, damaged, described, unless_stopped};
use super::walk::part_size;
use crate::protocol::Item;

/// Bytes under way at once, in MiB.
const MEMORY: usize = 96;

/// What bytes are read from.
type Reader = Box<dyn Read + Send>;

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// On this machine.
    File(PathBuf),
    /// Here.
    Bytes(Bytes),
}

impl Body {
    fn open(&self) -> std::io::Result<Reader> {
        Ok(match self {
            Self::File(path) => Box::new(fs::File::open(path)?),
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes.clone())),
        })
    }
}

/// What those who send files share, so that they do not hold too much at once.
pub(super) fn memory() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MEMORY))
}

pub(super) async fn acquire(
    memory: &Arc<Semaphore>,
    bytes: u64,
) -> Result<OwnedSemaphorePermit, AssetsError> {
    let wanted = usize::try_from(bytes >> 20).unwrap_or(MEMORY).saturating_add(1).min(MEMORY);
    let wanted = u32::try_from(wanted).unwrap_or(1);
    Arc::clone(memory).acquire_many_owned(wanted).await.map_err(|_| AssetsError::Interrupted)
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AssetsError> + Send + 'static,
) -> Result<T, AssetsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(AssetsError::Interrupted),
        },
    }
}

/// Sends a large file part by part, several parts at a time. Whatever goes wrong, its parts are thrown away.
pub(super) async fn send(
    session: &Session,
    item: &Item,
    body: &Body,
    key: &ObjectKey,
    memory: &Arc<Semaphore>,
) -> Result<ETag, AssetsError> {
    let how = described(item);
    let upload = session.again(|| session.store.begin_upload(key, &how)).await?;
    let sent = unless_stopped(session, send_all(session, item, body, &upload, memory)).await;
    let completed = match sent {
        Ok(parts) => complete(session, item, &upload, &parts).await,
        Err(error) => Err(error),
    };
    if completed.is_err() {
        // What cannot be thrown away now is found by a prune.
        let _leftover = session.store.abort_upload(&upload).await;
    }
    completed
}

async fn complete(
    session: &Session,
    item: &Item,
    upload: &Upload,
    parts: &[Part],
) -> Result<ETag, AssetsError> {
    let condition = session.condition(&upload.key);
    let completed = session.store.complete_upload(upload, parts, &condition).await;
    match completed {
        Ok(written) => Ok(written.etag),
        // The answer may have been lost, and the upload be over: then the object says so.
        Err(error) if error.kind == StoreErrorKind::Unavailable => {
            match session.again(|| session.store.complete_upload(upload, parts, &condition)).await {
                Ok(written) => Ok(written.etag),
                Err(again) => {
                    let found = session.again(|| session.store.head(&upload.key)).await?;
                    let is_ours = |metadata: &runway_store::Metadata| {
                        metadata.length == item.facts.size
                            && metadata.user.get(DIGEST) == Some(&item.facts.sha256.to_string())
                    };
                    found.filter(is_ours).map(|metadata| metadata.etag).ok_or_else(|| again.into())
                }
            }
        }
        Err(error) if matches!(error.kind, StoreErrorKind::Throttled | StoreErrorKind::Conflict) => {
            let again = session.again(|| session.store.complete_upload(upload, parts, &condition));
            Ok(again.await?.etag)
        }
        Err(error) => Err(damaged(error, &item.path)),
    }
}

async fn send_all(
    session: &Session,
    item: &Item,
    body: &Body,
    upload: &Upload,
    memory: &Arc<Semaphore>,
) -> Result<Vec<Part>, AssetsError> {
    let changed = || AssetsError::SourceChanged { path: item.path.to_string() };
    let size = part_size(item.facts.size);
    let mut open = body.open().map_err(|_| changed())?;
    let mut digest = Sha256::new();
    let mut running: JoinSet<Result<Part, AssetsError>> = JoinSet::new();
    let mut parts = BTreeMap::new();
    let mut keep = |ended: Result<Result<Part, AssetsError>, tokio::task::JoinError>| match ended {
        Ok(sent) => sent.map(|part| drop(parts.insert(part.number, part))),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(AssetsError::Interrupted),
        },
    };
    let count = item.facts.size.div_ceil(size);
    for number in 1..=count {
        let length = size.min(item.facts.size - (number - 1) * size);
        let permit = acquire(memory, length).await?;
        let (file, state, body) = read_part(open, digest, length).await?;
        (open, digest) = (file, state);
        let body = body.ok_or_else(changed)?;
        let (session, upload) = (session.clone(), upload.clone());
        running.spawn(async move {
            let _permit = permit;
            let sha256 = ContentDigest::of(&body);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let sent =
                session.again(|| session.store.upload_part(&upload, number, body.clone(), Some(&sha256)));
            let part = sent.await?;
            session.tell(&AssetEvent::Sent { bytes: body.len() as u64 });
            Ok(part)
        });
        while let Some(ended) = running.try_join_next() {
            keep(ended)?;
        }
    }
    while let Some(ended) = running.join_next().await {
        keep(ended)?;
    }
    let (_, digest, rest) = read_part(open, digest, 1).await?;
    if rest.is_some() || ContentDigest::new(digest.finalize().into()) != item.facts.sha256 {
        return Err(changed());
    }
    Ok(parts.into_values().collect())
}

/// The next bytes of a file; `None` if it has fewer.
async fn read_part(
    mut file: Reader,
    mut digest: Sha256,
    length: u64,
) -> Result<(Reader, Sha256, Option<Bytes>), AssetsError> {
    blocking(move || {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let body = match file.read_exact(&mut bytes) {
            Ok(()) => {
                digest.update(&bytes);
                Some(Bytes::from(bytes))
            }
            Err(_) => None,
        };
        Ok((file, digest, body))
    })
    .await
}
