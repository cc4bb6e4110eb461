//! Pushing a build, and saying what a push would do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use runway_store::ETag;

use super::classify::Rules;
use super::error::AssetsError;
use super::looks::Check;
use super::manage::overtaken_by;
use super::probe::{self, StoreConditions};
use super::session::{Session, age};
use super::transfer::Transfer;
use super::walk::{Walked, walk};
use crate::format::{Build, FileFacts, Head, HeadState, Manifest, ManifestFormat};
use crate::names::{AssetPath, ManifestId};
use crate::protocol::{
    Choice, Class, Data, FlipEnd, Found, Item, Listed, Push, PushEnd, PushMode, PushOrder, PushReport,
    Source, choose,
};

/// Seconds by which the clock of whoever built may be ahead of this machine's.
const CLOCKS_DIFFER: u64 = 24 * 60 * 60;

/// What is to be pushed, and how.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// Directory with the files.
    pub source: PathBuf,
    /// How they are sent.
    pub rules: Rules,
    /// Where the build is from.
    pub build: Build,
    /// Name of the build.
    pub image: Option<String>,
    /// Form of the manifest.
    pub format: ManifestFormat,
    /// How the push is made.
    pub mode: PushMode,
    /// How it is found out what is there.
    pub check: Check,
    /// What is known of the store.
    pub conditions: StoreConditions,
}

/// The files of a build, looked at.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// Entry points last, in their order.
    pub items: Arc<Vec<Item>>,
    /// Where each of them is.
    pub files: Arc<Vec<PathBuf>>,
    /// Groups of paths that differ in case only.
    pub same_but_for_case: Vec<Vec<AssetPath>>,
}

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushStatus {
    /// The build is live.
    Live,
    /// The very same build was live before.
    AlreadyLive,
    /// A newer build is live, or on its way: this one's files were sent, but not its entry points.
    Superseded {
        /// Which.
        by: ManifestId,
        /// Its change was not over: if it stays so, `resume` finishes it.
        is_unfinished: bool,
    },
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOutcome {
    /// How it ended.
    pub status: PushStatus,
    /// Its manifest, or the one of the same build.
    pub manifest: Option<ManifestId>,
    /// The build that was live before.
    pub previous: Option<ManifestId>,
    /// Files of the build.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were sent, entry points among them.
    pub sent: usize,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Files that were there already.
    pub skipped: usize,
    /// Files whose bytes changed under their names.
    pub in_place: Vec<AssetPath>,
    /// Entry points that were replaced, in their order.
    pub entries: Vec<AssetPath>,
    /// Those of them that have other bytes or headers than before.
    pub changed: Vec<AssetPath>,
    /// Entry points of which caches may still have other bytes: those that changed, and all of a build that was live
    /// already, since an earlier push of it may have ended before it could tell anybody.
    pub to_purge: Vec<AssetPath>,
    /// Manifests there were before.
    pub manifests: Vec<ManifestId>,
    /// The store's time, in seconds.
    pub store_time: Option<u64>,
}

/// What a push would do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileAction {
    /// It is not there yet.
    Upload,
    /// It is there with other headers, or there is no proof of what it is.
    Overwrite,
    /// It is there with other bytes.
    InPlace,
    /// It is there.
    Unchanged,
    /// It is replaced last.
    Entry,
    /// It stays as it is: a newer build is live.
    Left,
}

/// What a push would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planned {
    /// Every file, with its size.
    pub files: Vec<(AssetPath, FileAction, u64)>,
    /// The very same build is live.
    pub is_live: bool,
    /// The build that is live.
    pub live: Option<ManifestId>,
    /// The newer build that would supersede this one.
    pub superseded_by: Option<ManifestId>,
    /// The build whose change to live is not over.
    pub unfinished: Option<ManifestId>,
    /// Bytes would change under names, and the push is not to do that.
    pub is_refused: bool,
}

impl Planned {
    /// The files of the build if it would go live: what a prune deletes afterwards is another matter then.
    pub fn upcoming(&self) -> Option<Arc<BTreeSet<AssetPath>>> {
        let goes_live = !self.is_live && self.superseded_by.is_none();
        goes_live.then(|| Arc::new(self.files.iter().map(|(path, ..)| path.clone()).collect()))
    }

    /// Why the push would send nothing.
    pub fn refusal(&self) -> Option<AssetsError> {
        let mut in_place = self.files.iter().filter(|(_, action, _)| *action == FileAction::InPlace);
        let first = in_place.next().filter(|_| self.is_refused)?.0.to_string();
        Some(AssetsError::InPlace { count: in_place.count() + 1, first })
    }
}

/// Looks at all files of a build.
///
/// # Errors
/// [`AssetsError`] about the source.
pub async fn prepare(session: &Session, request: &PushRequest) -> Result<Prepared, AssetsError> {
    let latest = session.clock.seconds().saturating_add(CLOCKS_DIFFER);
    if let Some(timestamp) = request.build.timestamp.filter(|timestamp| *timestamp > latest) {
        return Err(AssetsError::BuildTime { timestamp });
    }
    let (source, layout) = (request.source.clone(), session.layout.clone());
    let exclude = request.rules.exclude.clone();
    let walked = tokio::task::spawn_blocking(move || walk(&source, &exclude, &layout));
    let walked = tokio::select! {
        walked = walked => match walked {
            Ok(walked) => walked?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(AssetsError::Interrupted),
            },
        },
        () = session.stop.cancelled() => return Err(AssetsError::Interrupted),
    };
    arrange(walked, &request.rules)
}

/// Files as items: entry points last, in their order.
fn arrange(walked: Walked, rules: &Rules) -> Result<Prepared, AssetsError> {
    let paths: Vec<AssetPath> = walked.files.iter().map(|file| file.path.clone()).collect();
    let entries = rules.entries(&paths)?;
    let rank: BTreeMap<&AssetPath, usize> = entries.iter().zip(0..).collect();
    let mut files = walked.files;
    files.sort_by_key(|file| rank.get(&file.path).map_or(0, |rank| rank + 1));
    let (mut items, mut paths) = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
    for file in files {
        let class = if rank.contains_key(&file.path) { Class::Entry } else { rules.class(&file.path) };
        let facts = FileFacts {
            sha256: file.sha256,
            size: file.size,
            etag: None,
            content_type: rules.content_type(&file.path).to_owned(),
            cache_control: rules.cache_control(&file.path, class).to_owned(),
        };
        items.push(Item { path: file.path, class, facts, likely: file.likely });
        paths.push(file.file);
    }
    let same_but_for_case = walked.same_but_for_case;
    Ok(Prepared { items: Arc::new(items), files: Arc::new(paths), same_but_for_case })
}

fn order(session: &Session, request: &PushRequest, items: Arc<Vec<Item>>, probed: bool) -> PushOrder {
    PushOrder {
        layout: session.layout.clone(),
        nonce: session.nonce.clone(),
        writer: Arc::clone(&session.writer),
        created: session.clock.seconds(),
        items,
        source: Source::Files,
        build: request.build.clone(),
        image: request.image.clone(),
        format: request.format,
        mode: request.mode,
        probed,
        terms: session.terms.clone(),
    }
}

/// The head, and the store's time when it was read.
pub(crate) async fn read_head(session: &Session) -> Result<(Option<Found>, Option<u64>), AssetsError> {
    let object = session.read(&session.layout.head()).await?;
    let date = object.as_ref().and_then(|object| object.metadata.date);
    let now = date.and_then(|date| u64::try_from(date.as_second()).ok());
    let found = object.map(|object| Found {
        age: age(object.metadata.last_modified, object.metadata.date),
        stamp: object.metadata.user.get("nonce").cloned(),
        etag: object.metadata.etag,
        body: object.body,
    });
    Ok((found, now))
}

/// Pushes a build.
///
/// # Errors
/// [`AssetsError`]. What was sent before is known to the store, and a later push sends only what is missing.
pub async fn push(
    session: &Session,
    request: &PushRequest,
    prepared: &Prepared,
) -> Result<PushOutcome, AssetsError> {
    let (head, now) = read_head(session).await?;
    let probed = probe::ensure(session, request.conditions, head.as_ref(), now).await?;
    let mut request = request.clone();
    request.mode.force |= request.conditions == StoreConditions::Exclusive;
    let order = Arc::new(order(session, &request, Arc::clone(&prepared.items), probed));
    let transfer = Transfer::of_files(Arc::clone(&prepared.items), Arc::clone(&prepared.files));
    let mut machine = Push::beginning_with(Arc::clone(&order), head);
    let session = session.checking(request.check, &order.items);
    let (end, report) = session.run(&mut machine, Some(&transfer)).await?;
    outcome(&order, end, report)
}

/// What the end of a push means.
pub(crate) fn outcome(
    order: &PushOrder,
    end: PushEnd,
    report: PushReport,
) -> Result<PushOutcome, AssetsError> {
    let status = match end {
        PushEnd::AlreadyLive | PushEnd::Flipped(FlipEnd::AlreadyLive) => PushStatus::AlreadyLive,
        PushEnd::Flipped(FlipEnd::Published { .. }) => PushStatus::Live,
        PushEnd::Flipped(FlipEnd::Superseded { by, is_unfinished }) => {
            PushStatus::Superseded { by, is_unfinished }
        }
        PushEnd::Flipped(FlipEnd::LostRace) => return Err(AssetsError::LostRace),
        PushEnd::InPlace => {
            let first = report.in_place.first().and_then(|in_place| order.items.get(in_place.item));
            let first = first.map(|item| item.path.to_string()).unwrap_or_default();
            return Err(AssetsError::InPlace { count: report.in_place.len(), first });
        }
        PushEnd::Incomplete(missing) => {
            let manifest = match order.source {
                Source::Manifest(manifest) => manifest,
                Source::Files => ManifestId(order.created),
            };
            let first = missing.first().map(ToString::to_string).unwrap_or_default();
            return Err(AssetsError::Incomplete { manifest, count: missing.len(), first });
        }
    };
    let is_live = status == PushStatus::Live;
    let all_entries = || order.items.iter().filter(|item| item.class == Class::Entry);
    let entries: Vec<&Item> = all_entries().filter(|_| is_live).collect();
    let changed: Vec<AssetPath> = (report.changed.iter().filter(|_| is_live))
        .filter_map(|number| order.items.get(*number))
        .map(|item| item.path.clone())
        .collect();
    let to_purge = match status {
        PushStatus::AlreadyLive => all_entries().map(|item| item.path.clone()).collect(),
        _ => changed.clone(),
    };
    let sent: BTreeSet<usize> = report.sent.iter().copied().collect();
    let sent_items =
        || sent.iter().filter_map(|number| order.items.get(*number)).chain(entries.iter().copied());
    let in_place = report.in_place.iter().filter(|in_place| sent.contains(&in_place.item));
    let in_place = in_place.filter_map(|in_place| order.items.get(in_place.item));
    Ok(PushOutcome {
        manifest: report.manifest,
        previous: report.previous,
        files: order.items.len(),
        bytes: order.items.iter().map(|item| item.facts.size).sum(),
        sent: sent_items().count(),
        sent_bytes: sent_items().map(|item| item.facts.size).sum(),
        skipped: report.skipped,
        in_place: in_place.map(|item| item.path.clone()).collect(),
        entries: entries.iter().map(|item| item.path.clone()).collect(),
        changed,
        to_purge,
        manifests: report.manifests,
        store_time: report.store_time,
        status,
    })
}

/// Says what a push would do. Reads only.
///
/// # Errors
/// [`AssetsError`].
pub async fn plan(
    session: &Session,
    request: &PushRequest,
    prepared: &Prepared,
) -> Result<Planned, AssetsError> {
    let order = order(session, request, Arc::clone(&prepared.items), false);
    let session = &session.checking(request.check, &order.items);
    let (head, _) = read_head(session).await?;
    let head = head.map(|found| Head::decode(&found.body)).transpose();
    let head_key = session.layout.head();
    let head = head
        .map_err(|error| AssetsError::from(crate::protocol::ProtocolError::unreadable(&head_key, &error)))?;
    let (listed, _) = session.list_all(&session.layout.manifests()).await?;
    let newest_id = listed.iter().filter_map(|(key, _)| session.layout.manifest_of(key)).max();
    let mut manifests: BTreeMap<ManifestId, Manifest> = BTreeMap::new();
    for id in newest_id.into_iter().chain(head.as_ref().map(|head| head.manifest)) {
        let found = session.read(&session.layout.manifest(id)).await?;
        manifests.extend(found.and_then(|found| Some((id, Manifest::decode(&found.body).ok()?))));
    }
    let (listed, _) = session.list_all(&session.layout.data()).await?;
    let listed: Vec<Listed> = listed
        .into_iter()
        .map(|(key, metadata)| Listed { key, etag: metadata.etag, size: metadata.length, age: None })
        .collect();
    let data = Data::of(&session.layout, &listed);
    let newest = newest_id.and_then(|newest| manifests.get(&newest));
    let mut choice = choose(&order.items, newest, &data, !request.mode.force);
    let transfer = Transfer::of_files(Arc::clone(&prepared.items), Arc::clone(&prepared.files));
    let proven: BTreeMap<usize, ETag> =
        transfer.prove(session, std::mem::take(&mut choice.prove)).await?.into_iter().collect();
    choice.skip.extend(proven);
    let live = head.as_ref().map(|head| head.manifest);
    let mine = request.build.timestamp.unwrap_or(u64::MAX);
    let published = head.as_ref().filter(|head| head.state == HeadState::Published);
    let live_manifest = published.and_then(|head| manifests.get(&head.manifest));
    let mut overtaken = None;
    if let Some(head) = head.as_ref().filter(|head| newest_id.is_some_and(|id| id > head.manifest)) {
        overtaken = overtaken_by(session, head).await?;
    }
    let still_live = live_manifest.filter(|live| overtaken.is_none() && order.is_live_as(live));
    let is_live = match still_live {
        None => false,
        Some(live) => match order.unproven(live, &data) {
            None => false,
            Some(asked) => transfer.prove(session, asked.clone()).await?.len() == asked.len(),
        },
    };
    let is_refused = request.mode.deny_in_place && !choice.in_place.is_empty() && !is_live;
    let newer = head.as_ref().filter(|head| head.build_ts > mine && !request.mode.allow_older);
    let mut files = actions(&order.items, &choice, &data);
    if newer.is_some() && !is_refused {
        give_way(&mut files);
    }
    let unfinished = head.as_ref().filter(|head| head.state == HeadState::Flipping);
    Ok(Planned {
        files,
        is_live,
        live,
        superseded_by: newer.map(|head| head.manifest),
        unfinished: unfinished.map(|head| head.manifest),
        is_refused,
    })
}

/// What is left of a push of which a newer build is live: it replaces no entry point, and if it would have to change any
/// other file, it sends nothing at all.
fn give_way(files: &mut [(AssetPath, FileAction, u64)]) {
    let changes = |action| matches!(action, FileAction::Overwrite | FileAction::InPlace);
    let sends_nothing = files.iter().any(|(_, action, _)| changes(*action));
    for (_, action, _) in files {
        if *action == FileAction::Entry || sends_nothing && *action != FileAction::Unchanged {
            *action = FileAction::Left;
        }
    }
}

fn actions(items: &[Item], choice: &Choice, data: &Data) -> Vec<(AssetPath, FileAction, u64)> {
    let in_place: BTreeSet<usize> = choice.in_place.iter().map(|in_place| in_place.item).collect();
    let action = |(number, item): (usize, &Item)| {
        let action = match item.class {
            Class::Entry => FileAction::Entry,
            _ if choice.skip.contains_key(&number) => FileAction::Unchanged,
            _ if in_place.contains(&number) => FileAction::InPlace,
            _ if data.get(&item.path).is_some() => FileAction::Overwrite,
            _ => FileAction::Upload,
        };
        (item.path.clone(), action, item.facts.size)
    };
    items.iter().enumerate().map(action).collect()
}
