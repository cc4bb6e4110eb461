//! Putting files of the live build back.

use std::path::PathBuf;

use bytes::Bytes;
use fs_err as fs;
use runway_store::{Condition, ContentDigest, ETag, Put};
use sha2::{Digest as _, Sha256};

use super::error::AssetsError;
use super::parts::{self, Body, blocking};
use super::session::Session;
use super::transfer::{described, read_whole};
use super::verify::{self, VerifyRequest};
use super::walk::PARTS_FROM;
use crate::format::{FileFacts, Head};
use crate::names::AssetPath;
use crate::protocol::{Class, Item, Reply};

/// Bytes of a file that are read at a time.
const BUFFER: usize = 256 << 10;

/// Puts a file back, if its very bytes are found: in the copies of the build, in a directory, or among older versions.
/// It is sent as a push sends it, large ones in parts, so that it has the entity tag that the manifest has. Nothing of a
/// live build is ever pruned, so it stays.
pub(super) async fn heal(
    session: &Session,
    request: &VerifyRequest,
    head: &Head,
    path: &AssetPath,
    facts: &FileFacts,
    (is_entry, seen): (bool, Option<&(ETag, u64)>),
) -> Result<bool, AssetsError> {
    let Some(body) = find(session, request, head, path, facts, is_entry).await? else { return Ok(false) };
    let in_parts = !is_entry && facts.size >= PARTS_FROM;
    // Another build may have gone live meanwhile. Parts are put together without a condition.
    let is_same = verify::head(session).await?.is_some_and(|(now, _)| now == *head);
    if (is_entry || in_parts) && !is_same {
        return Ok(false);
    }
    let class = if is_entry { Class::Entry } else { Class::Bulk };
    let item = Item { path: path.clone(), class, facts: facts.clone(), likely: ETag::new("") };
    let key = session.layout.file(path);
    if in_parts {
        parts::send(session, &item, &body, &key, &parts::memory()).await?;
        return Ok(true);
    }
    let bytes = match body {
        Body::Bytes(bytes) => bytes,
        Body::File(file) => read_whole(item.clone(), file).await?,
    };
    let condition = seen.map_or(Condition::IfAbsent, |(etag, _)| Condition::IfMatch(etag.clone()));
    let reply = session.put(&key, bytes, &Put { condition, ..described(&item) }).await?;
    Ok(matches!(reply, Reply::Written { .. }))
}

async fn find(
    session: &Session,
    request: &VerifyRequest,
    head: &Head,
    path: &AssetPath,
    facts: &FileFacts,
    is_entry: bool,
) -> Result<Option<Body>, AssetsError> {
    let is_it = |body: &Bytes| ContentDigest::of(body) == facts.sha256;
    if is_entry {
        let copy = session.read(&session.layout.copy(head.manifest, path)).await?;
        if let Some(copy) = copy.map(|copy| copy.body).filter(is_it) {
            return Ok(Some(Body::Bytes(copy)));
        }
    }
    if let Some(source) = &request.source {
        let file = source.join(path.as_str());
        if digest(file.clone()).await? == Some(facts.sha256) {
            return Ok(Some(Body::File(file)));
        }
    }
    let key = session.layout.file(path);
    for version in session.again(|| session.store.versions(&key)).await? {
        let Some(id) = version.version_id.filter(|_| version.length == facts.size) else { continue };
        let found = session.again(|| session.store.get_version(&key, &id)).await?;
        if let Some(body) = found.map(|found| found.body).filter(is_it) {
            return Ok(Some(Body::Bytes(body)));
        }
    }
    Ok(None)
}

/// The digest of a file of any size; `None` if it cannot be read.
async fn digest(file: PathBuf) -> Result<Option<ContentDigest>, AssetsError> {
    blocking(move || {
        use std::io::Read as _;
        let Ok(mut file) = fs::File::open(&file) else { return Ok(None) };
        let (mut digest, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Some(ContentDigest::new(digest.finalize().into()))),
                Ok(read) => digest.update(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(None),
            }
        }
    })
    .await
}
