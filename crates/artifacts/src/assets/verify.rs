//! Whether what is live is there as it should be, and mending it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use runway_store::{ContentDigest, ETag, ObjectKey};
use sha2::{Digest as _, Sha256};

use super::error::AssetsError;
use super::heal::heal;
use super::manage::{overtaken_by, resume};
use super::push::read_head;
use super::session::Session;
use super::transfer::DIGEST;
use crate::format::{FileFacts, Head, HeadState, Manifest};
use crate::names::{AssetPath, ManifestId};
use crate::protocol::ProtocolError;

/// Bytes of an object that are read at a time.
const PIECE: u64 = 8 << 20;

/// What is to be looked at.
#[derive(Debug, Clone, Default)]
pub struct VerifyRequest {
    /// Read all bytes.
    pub deep: bool,
    /// Mend what can be mended.
    pub heal: bool,
    /// A directory that may have the files.
    pub source: Option<PathBuf>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It is not there.
    Missing,
    /// It has another size or entity tag.
    Changed,
    /// It has other bytes.
    OtherBytes,
}

/// A file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub path: AssetPath,
    /// What is wrong.
    pub problem: Problem,
    /// It was mended.
    pub is_healed: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyOutcome {
    /// The build that is live.
    pub live: Option<ManifestId>,
    /// Files that were looked at.
    pub files: usize,
    /// Those that are not as they should be.
    pub findings: Vec<Finding>,
    /// A change that was broken off, and whether it was finished.
    pub unfinished: Option<(ManifestId, bool)>,
}

impl VerifyOutcome {
    /// What is still wrong.
    pub fn left(&self) -> usize {
        let left = self.findings.iter().filter(|finding| !finding.is_healed).count();
        left + usize::from(self.unfinished.is_some_and(|(_, is_finished)| !is_finished))
    }
}

/// Holds the live build's manifest against what is there.
///
/// # Errors
/// [`AssetsError`] if it cannot be looked at; what is found is no error.
pub async fn verify(session: &Session, request: &VerifyRequest) -> Result<VerifyOutcome, AssetsError> {
    let mut outcome = VerifyOutcome::default();
    let Some(mut head) = head(session).await? else {
        // Whoever pushes makes copies, and writes a head.
        let (copies, _) = session.list_all(&session.layout.all_copies()).await?;
        let copied = copies.iter().filter_map(|(key, _)| session.layout.copied_build(key));
        return match copied.max() {
            Some(manifest) => {
                let head = session.layout.head().as_str().to_owned();
                Err(AssetsError::HeadLost { head, manifest })
            }
            None => Ok(outcome),
        };
    };
    if head.0.state == HeadState::Flipping {
        let finished = request.heal && resume(session).await?.is_some();
        outcome.unfinished = Some((head.0.manifest, finished));
        match self::head(session).await? {
            Some(now) if finished => head = now,
            _ => return Ok(outcome),
        }
    }
    let (head, _) = head;
    if let Some(by) = overtaken_by(session, &head).await? {
        return Err(AssetsError::Overtaken { manifest: head.manifest, by });
    }
    outcome.live = Some(head.manifest);
    let key = session.layout.manifest(head.manifest);
    let object = session.read(&key).await?.ok_or(AssetsError::HeadMissing { manifest: head.manifest })?;
    let manifest = Manifest::decode(&object.body).map_err(|error| ProtocolError::unreadable(&key, &error))?;
    let (listed, _) = session.list_all(&session.layout.data()).await?;
    let served: BTreeMap<ObjectKey, (ETag, u64)> =
        listed.into_iter().map(|(key, metadata)| (key, (metadata.etag, metadata.length))).collect();
    outcome.files = manifest.files.len();
    for path in &manifest.files {
        let facts = manifest.objects.get(path);
        let is_entry = manifest.entry.contains(path);
        let seen = served.get(&session.layout.file(path));
        let problem = look(session, request, path, facts, is_entry, seen).await?;
        if let Some(problem) = problem {
            let is_healed = match facts.filter(|_| request.heal) {
                Some(facts) => heal(session, request, &head, path, facts, (is_entry, seen)).await?,
                None => false,
            };
            outcome.findings.push(Finding { path: path.clone(), problem, is_healed });
        }
    }
    Ok(outcome)
}

pub(super) async fn head(session: &Session) -> Result<Option<(Head, ETag)>, AssetsError> {
    let Some(found) = read_head(session).await?.0 else { return Ok(None) };
    let key = session.layout.head();
    let head = Head::decode(&found.body).map_err(|error| ProtocolError::unreadable(&key, &error))?;
    Ok(Some((head, found.etag)))
}

async fn look(
    session: &Session,
    request: &VerifyRequest,
    path: &AssetPath,
    facts: Option<&FileFacts>,
    is_entry: bool,
    seen: Option<&(ETag, u64)>,
) -> Result<Option<Problem>, AssetsError> {
    let Some((etag, size)) = seen else { return Ok(Some(Problem::Missing)) };
    let Some(facts) = facts else { return Ok(None) };
    if facts.size != *size {
        return Ok(Some(Problem::Changed));
    }
    let key = session.layout.file(path);
    if !request.deep && facts.etag.as_ref().is_some_and(|known| known != etag) {
        // Some stores give the same bytes another entity tag when they are written again.
        let found = session.again(|| session.store.head(&key)).await?;
        let digest = found.and_then(|found| found.user.get(DIGEST).cloned());
        return Ok((digest != Some(facts.sha256.to_string())).then_some(Problem::Changed));
    }
    // An entry point is replaced by every build, so that only its digest tells.
    if !request.deep && !is_entry {
        return Ok(None);
    }
    let digest = digest(session, &key, *size).await?;
    Ok((digest != Some(facts.sha256)).then_some(Problem::OtherBytes))
}

/// The digest of an object, piece by piece.
async fn digest(session: &Session, key: &ObjectKey, size: u64) -> Result<Option<ContentDigest>, AssetsError> {
    let mut digest = Sha256::new();
    let mut first = 0;
    while first < size {
        let piece = session.again(|| session.store.get_range(key, first, PIECE)).await?;
        let Some(piece) = piece.filter(|piece| !piece.is_empty()) else { return Ok(None) };
        digest.update(&piece);
        first += piece.len() as u64;
    }
    Ok(Some(ContentDigest::new(digest.finalize().into())))
}
