//! Looking at builds, going back to one, finishing what was broken off, and holding on to some.

use std::collections::BTreeSet;
use std::sync::Arc;

use runway_store::{ETag, ObjectKey};

use super::error::AssetsError;
use super::probe::{self, StoreConditions};
use super::push::{PushOutcome, outcome, read_head};
use super::session::Session;
use super::transfer::{Transfer, copied};
use crate::format::{Head, HeadState, Manifest, ManifestFormat};
use crate::names::{AssetPath, ManifestId};
use crate::protocol::{
    Class, FlipEnd, Found, Item, Pin, PinEnd, ProtocolError, Push, PushMode, PushOrder, Resume, Source,
    keeps_a_head,
};

/// A build in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its manifest.
    pub id: ManifestId,
    /// What the manifest says; `None` if it cannot be read.
    pub manifest: Option<Manifest>,
    /// It is live.
    pub is_live: bool,
    /// It was live before.
    pub is_previous: bool,
    /// It was live at some time.
    pub was_live: bool,
    /// It is held.
    pub is_pinned: bool,
    /// Its time is still to come, by the store's clock.
    pub is_future: bool,
}

/// All builds of an app.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The newest first.
    pub rows: Vec<Row>,
    /// The build that is on its way to be live, or was broken off.
    pub unfinished: Option<ManifestId>,
    /// The build that somebody pushed after what the head says, without saying so there: it may be live.
    pub overtaken_by: Option<ManifestId>,
    /// Builds were pushed by this tool, and what says which is live is missing.
    pub is_head_lost: bool,
    /// Objects among the manifests that are none.
    pub foreign: Vec<ObjectKey>,
}

fn decoded(session: &Session, body: &[u8]) -> Result<Head, AssetsError> {
    let key = session.layout.head();
    Head::decode(body).map_err(|error| ProtocolError::unreadable(&key, &error).into())
}

/// Lists all builds of an app. Reads only.
///
/// # Errors
/// [`AssetsError`].
pub async fn list(session: &Session) -> Result<Listing, AssetsError> {
    let (head, _) = read_head(session).await?;
    let head = head.map(|found| decoded(session, &found.body)).transpose()?;
    let (manifests, date) = session.list_all(&session.layout.manifests()).await?;
    let now = date.and_then(|date| u64::try_from(date.as_second()).ok());
    let now = now.unwrap_or_else(|| session.clock.seconds());
    let (pins, _) = session.list_all(&session.layout.pins()).await?;
    let pins: BTreeSet<ManifestId> = pins.iter().filter_map(|(key, _)| session.layout.pin_of(key)).collect();
    let mut ids: Vec<ManifestId> =
        manifests.iter().filter_map(|(key, _)| session.layout.manifest_of(key)).collect();
    ids.sort_unstable_by(|left, right| right.cmp(left));
    let keys: Vec<_> = ids.iter().map(|id| session.layout.manifest(*id)).collect();
    let found = session.read_many(&keys).await?;
    let overtaken_by = head.as_ref().and_then(|head| newest_unheaded(head, ids.iter().zip(&found)));
    let is_flipping = head.as_ref().is_some_and(|head| head.state == HeadState::Flipping);
    let rows = ids.into_iter().zip(found).map(|(id, found)| Row {
        id,
        manifest: found.and_then(|found| Manifest::decode(&found.body).ok()),
        is_live: !is_flipping && head.as_ref().is_some_and(|head| head.manifest == id),
        is_previous: head.as_ref().is_some_and(|head| head.prev == Some(id)),
        was_live: head.as_ref().is_some_and(|head| head.history.contains(&id)),
        is_pinned: pins.contains(&id),
        is_future: id.0 > now,
    });
    let rows: Vec<Row> = rows.collect();
    // valpop writes neither nonces nor heads.
    let is_ours = |row: &Row| row.manifest.as_ref().is_some_and(|manifest| manifest.nonce.is_some());
    let is_head_lost = head.is_none() && rows.iter().any(is_ours);
    let foreign = manifests.into_iter().map(|(key, _)| key);
    let foreign = foreign.filter(|key| session.layout.manifest_of(key).is_none()).collect();
    let unfinished = head.filter(|_| is_flipping).map(|head| head.manifest);
    Ok(Listing { rows, unfinished, overtaken_by, is_head_lost, foreign })
}

/// The newest of the manifests whose writers keep no head, as valpop, if it is newer than what the head says.
fn newest_unheaded<'a>(
    head: &Head,
    manifests: impl Iterator<Item = (&'a ManifestId, &'a Option<Found>)>,
) -> Option<ManifestId> {
    let is_unheaded =
        |found: &Found| Manifest::decode(&found.body).is_ok_and(|manifest| !keeps_a_head(&manifest, found));
    let later = manifests
        .filter(|(id, found)| head.tells_nothing_of(**id) && found.as_ref().is_some_and(is_unheaded));
    later.map(|(id, _)| *id).max()
}

/// The build that somebody pushed after what the head says, without saying so there: it may be live.
///
/// # Errors
/// [`AssetsError`].
pub(super) async fn overtaken_by(session: &Session, head: &Head) -> Result<Option<ManifestId>, AssetsError> {
    let ids = manifest_ids(session).await?;
    let later: Vec<ManifestId> = ids.into_iter().filter(|id| head.tells_nothing_of(*id)).collect();
    let keys: Vec<_> = later.iter().map(|id| session.layout.manifest(*id)).collect();
    let found = session.read_many(&keys).await?;
    Ok(newest_unheaded(head, later.iter().zip(&found)))
}

/// All manifests of an app.
///
/// # Errors
/// [`AssetsError`].
pub async fn manifest_ids(session: &Session) -> Result<Vec<ManifestId>, AssetsError> {
    let (manifests, _) = session.list_all(&session.layout.manifests()).await?;
    Ok(manifests.iter().filter_map(|(key, _)| session.layout.manifest_of(key)).collect())
}

async fn manifest(session: &Session, id: ManifestId) -> Result<Manifest, AssetsError> {
    let key = session.layout.manifest(id);
    let object = session.read(&key).await?.ok_or(AssetsError::NoManifest { manifest: id })?;
    Manifest::decode(&object.body).map_err(|error| ProtocolError::unreadable(&key, &error).into())
}

/// Makes a build live that was pushed before, under a new manifest.
///
/// # Errors
/// [`AssetsError`], among them [`AssetsError::Incomplete`] if files of it are gone.
pub async fn rollback(
    session: &Session,
    to: ManifestId,
    conditions: StoreConditions,
) -> Result<PushOutcome, AssetsError> {
    let old = manifest(session, to).await?;
    let (head, now) = read_head(session).await?;
    let probed = probe::ensure(session, conditions, head.as_ref(), now).await?;
    let items = items(&old).filter(|items| items.iter().any(|item| item.class == Class::Entry));
    let items = Arc::new(items.ok_or(AssetsError::PoorManifest { manifest: to })?);
    let order = Arc::new(PushOrder {
        layout: session.layout.clone(),
        nonce: session.nonce.clone(),
        writer: Arc::clone(&session.writer),
        created: session.clock.seconds(),
        items: Arc::clone(&items),
        source: Source::Manifest(to),
        build: old.build,
        image: old.image,
        format: ManifestFormat::V2,
        mode: PushMode { allow_older: true, ..PushMode::default() },
        probed,
        terms: session.terms.clone(),
    });
    let mut machine = Push::beginning_with(Arc::clone(&order), head);
    let transfer = Transfer::of_manifest(items, to);
    let (end, report) = session.run(&mut machine, Some(&transfer)).await?;
    outcome(&order, end, report)
}

/// The files of a manifest as items, entry points last; `None` if it does not say enough.
fn items(manifest: &Manifest) -> Option<Vec<Item>> {
    let item = |path: &AssetPath, class| {
        let facts = manifest.objects.get(path)?.clone();
        Some(Item { path: path.clone(), class, facts, likely: ETag::new("") })
    };
    let bulk = manifest.files.iter().filter(|path| !manifest.entry.contains(path));
    bulk.map(|path| item(path, Class::Bulk))
        .chain(manifest.entry.iter().map(|path| item(path, Class::Entry)))
        .collect()
}

/// Finishes the change to a build whose writer died. `None` if there is none.
///
/// # Errors
/// [`AssetsError`], among them [`AssetsError::LostRace`].
pub async fn resume(session: &Session) -> Result<Option<ManifestId>, AssetsError> {
    check_copies(session).await?;
    let mut machine = Resume::new(session.layout.clone(), session.nonce.clone(), session.terms.clone());
    match session.run(&mut machine, None).await? {
        None => Ok(None),
        Some((manifest, FlipEnd::Published { .. } | FlipEnd::AlreadyLive)) => Ok(Some(manifest)),
        Some((_, FlipEnd::Superseded { .. })) => Ok(None),
        Some((_, FlipEnd::LostRace)) => Err(AssetsError::LostRace),
    }
}

/// Looks whether the copies of a build that is to be made live are what its manifest says, before the first of them is put
/// in place.
async fn check_copies(session: &Session) -> Result<(), AssetsError> {
    let (Some(found), _) = read_head(session).await? else { return Ok(()) };
    let key = session.layout.head();
    let head = Head::decode(&found.body).map_err(|error| ProtocolError::unreadable(&key, &error))?;
    if head.state != HeadState::Flipping {
        return Ok(());
    }
    let manifest = manifest(session, head.manifest).await?;
    let items = items(&manifest).filter(|items| items.iter().any(|item| item.class == Class::Entry));
    let items = items.ok_or(AssetsError::PoorManifest { manifest: head.manifest })?;
    for item in items.iter().filter(|item| item.class == Class::Entry) {
        copied(session, head.manifest, item).await?;
    }
    Ok(())
}

/// Holds a build: no prune deletes anything of it.
///
/// # Errors
/// [`AssetsError::NoManifest`], [`AssetsError::Incomplete`] if files of it are gone, and all others.
pub async fn pin(session: &Session, id: ManifestId) -> Result<(), AssetsError> {
    let found = manifest(session, id).await?;
    let created = session.clock.seconds();
    let (layout, nonce) = (session.layout.clone(), session.nonce.clone());
    let mut machine = Pin::new(layout, nonce, &session.writer, created, (id, found), session.terms.clone());
    match session.run(&mut machine, None).await? {
        PinEnd::Pinned => Ok(()),
        PinEnd::NoManifest => Err(AssetsError::NoManifest { manifest: id }),
        PinEnd::Incomplete(missing) => {
            let first = missing.first().map(ToString::to_string).unwrap_or_default();
            Err(AssetsError::Incomplete { manifest: id, count: missing.len(), first })
        }
    }
}

/// Lets a build go; one that was not held is none.
///
/// # Errors
/// [`AssetsError`].
pub async fn unpin(session: &Session, id: ManifestId) -> Result<(), AssetsError> {
    let key = session.layout.pin(id);
    Ok(session.again(|| session.store.delete(&key, &runway_store::Condition::None)).await?)
}
