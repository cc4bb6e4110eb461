//! Archives in S3.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use runway_core::config::package_sources::S3Source;
use runway_store::{Metadata, ObjectKey, ObjectStore, StoreError};
use serde::{Deserialize, Serialize};

use super::archive;
use super::failure::SourceFailure;
use super::names::{fingerprint, sanitized};

/// An archive that is unpacked in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// The directory with its contents.
    pub(super) directory: Utf8PathBuf,
    /// The object, as far as it is known: Runway leaves no note of it.
    pub(super) object: Option<Note>,
    /// Whether it was fetched just now; otherwise it was in the cache.
    pub(super) fetched: bool,
}

/// What an unpacked archive was, kept beside its directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The bucket.
    pub(super) bucket: String,
    /// The key.
    pub(super) key: String,
    /// Entity tag of the object.
    pub(super) etag: String,
    /// When it was written.
    pub(super) last_modified: Option<Timestamp>,
}

impl Note {
    fn new(source: &S3Source, metadata: &Metadata) -> Self {
        Self {
            bucket: source.bucket.clone(),
            key: source.key.clone(),
            etag: metadata.etag.as_str().to_owned(),
            last_modified: metadata.last_modified,
        }
    }
}

/// Fetches and unpacks an archive, unless it is in `packages`. With `use_latest` the store is always asked which object
/// is the latest.
pub(super) async fn package(
    source: &S3Source,
    store: &Arc<dyn ObjectStore>,
    packages: &Utf8Path,
) -> Result<Unpacked, SourceFailure> {
    let key = ObjectKey::new(&source.key);
    let missing = || SourceFailure::NoObject { bucket: source.bucket.clone(), key: source.key.clone() };
    let latest = if source.use_latest {
        let metadata = store.head(&key).await.map_err(refused)?.ok_or_else(missing)?;
        Some(Note::new(source, &metadata))
    } else {
        None
    };
    if let Some(found) = cached(source, latest.as_ref(), packages) {
        return Ok(found);
    }
    let object = store.get(&key).await.map_err(refused)?.ok_or_else(missing)?;
    // It may be newer than what was asked for.
    let note = Note::new(source, &object.metadata);
    let (source, packages) = (source.clone(), packages.to_owned());
    let done = tokio::task::spawn_blocking(move || unpack(&source, &object.body, note, &packages)).await;
    done.unwrap_or_else(|error| {
        Err(SourceFailure::Cache { path: "the unpacked package".into(), message: error.to_string() })
    })
}

/// A package in the cache, without asking the store: `None` if it is not there, or if only the store knows whether it is
/// the latest.
pub(super) fn in_cache(source: &S3Source, packages: &Utf8Path) -> Option<Unpacked> {
    if source.use_latest { None } else { cached(source, None, packages) }
}

fn refused(error: StoreError) -> SourceFailure {
    SourceFailure::S3 { kind: error.kind.into(), message: error.to_string() }
}

/// CFNgin's name, and one for a package that would have the name of another.
fn names(source: &S3Source, note: Option<&Note>) -> [String; 2] {
    let end = source.key.len() - source.archive.suffix().len();
    let mut name = format!("s3-{}-{}", source.bucket, &source.key[..end]);
    if let Some(time) = note.and_then(|note| note.last_modified).filter(|_| source.use_latest) {
        name.push_str(&time.strftime("-%Y%m%dT%H%M%SZ").to_string());
    }
    let first = sanitized(&name);
    let etag = note.map(|note| note.etag.as_str()).filter(|_| source.use_latest).unwrap_or_default();
    let second = format!("{first}-{}", fingerprint(&format!("{}\n{}\n{etag}", source.bucket, source.key)));
    [first, second]
}

/// Where the note about a directory is.
fn note_of(directory: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{directory}.source.json"))
}

/// A package in the cache that is of this source.
fn cached(source: &S3Source, latest: Option<&Note>, packages: &Utf8Path) -> Option<Unpacked> {
    names(source, latest).into_iter().map(|name| packages.join(name)).find_map(|directory| {
        if !directory.is_dir() {
            return None;
        }
        let text = fs_err::read_to_string(note_of(&directory)).ok();
        let note: Option<Note> = text.and_then(|text| serde_json::from_str(&text).ok());
        let same = match (&note, latest) {
            (None, _) => true,
            (Some(note), Some(latest)) => note == latest,
            (Some(note), None) => note.bucket == source.bucket && note.key == source.key,
        };
        let object = note.or_else(|| latest.cloned());
        same.then_some(Unpacked { directory, object, fetched: false })
    })
}

fn unpack(
    source: &S3Source,
    body: &bytes::Bytes,
    note: Note,
    packages: &Utf8Path,
) -> Result<Unpacked, SourceFailure> {
    let failed = |error: std::io::Error| SourceFailure::cache(packages, &error);
    fs_err::create_dir_all(packages).map_err(failed)?;
    let temporary = tempfile::Builder::new().prefix(".fetch-").tempdir_in(packages).map_err(failed)?;
    let inside = Utf8Path::from_path(temporary.path()).unwrap_or(packages);
    let (content, written) = (inside.join("content"), inside.join("note"));
    fs_err::create_dir(&content).map_err(failed)?;
    archive::unpack(source.archive, body, &content).map_err(|reason| SourceFailure::Archive {
        bucket: source.bucket.clone(),
        key: source.key.clone(),
        reason,
    })?;
    fs_err::write(&written, serde_json::to_vec(&note).unwrap_or_default()).map_err(failed)?;
    for name in names(source, Some(&note)) {
        let directory = packages.join(name);
        if !directory.exists() {
            // The note first: a directory without one is taken for Runway's.
            fs_err::rename(&written, note_of(&directory)).map_err(failed)?;
            match fs_err::rename(&content, &directory) {
                Ok(()) => return Ok(Unpacked { directory, object: Some(note), fetched: true }),
                Err(_) if directory.is_dir() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        // Another run was faster.
        let wanted = source.use_latest.then_some(&note);
        if let Some(found) = cached(source, wanted, packages) {
            return Ok(found);
        }
    }
    let message = "another package has its name; remove it".to_owned();
    Err(SourceFailure::Cache { path: packages.to_string(), message })
}

#[cfg(test)]
mod tests;
