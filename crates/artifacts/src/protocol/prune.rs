//! Pruning: what nobody needs any more.

mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use runway_store::{Condition, ETag, ObjectKey};

pub use self::order::{PruneEnd, PruneOrder, PrunePlan, PruneReport};
use super::pages::{AllPages, Pages};
use super::push::Data;
use super::write::{Write, Writing};
use super::{Ask, Found, Listed, Machine, ProtocolError, Reply, gate, patience};
use crate::format::{Head, Intent, Manifest, Marker, MarkerState};
use crate::gc::{self, IntentView, ManifestView, Policy, Roots};
use crate::names::{AssetPath, ManifestId};

/// Objects of one deletion request.
const BATCH: usize = 1000;

/// How often everything is read again because a manifest went while it was read.
const RESTARTS: u32 = 5;

/// One prune as a machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prune {
    order: Arc<PruneOrder>,
    stage: Stage,
    /// When the marker was sent.
    since: Duration,
    marker: Option<ETag>,
    restarts: u32,
    intents: Vec<IntentView<AssetPath, ObjectKey>>,
    manifests: BTreeMap<ManifestId, Manifest>,
    head: Option<Head>,
    roots: Roots,
    /// Deletions that are left, batch by batch: the last first.
    batches: Vec<Batch>,
    report: PruneReport,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Batch {
    Files(Vec<AssetPath>),
    /// Copies of entry points, manifests and intents, whose files are gone.
    Documents(Vec<ObjectKey>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    Start,
    Marker,
    Watch(Found),
    Take { write: Write, sent: Duration },
    Intents(Pages),
    EachIntent(Vec<Listed>),
    Manifests(Pages),
    EachManifest(Vec<ManifestId>),
    Head,
    Pins(Pages),
    Orphans(Pages),
    Delete(Batch),
    Release(Write, PruneEnd),
    Over,
}

type End = (PruneEnd, PruneReport);
type Next = Result<Ask<End>, ProtocolError>;

impl Machine for Prune {
    type End = End;

    fn step(&mut self, reply: Reply, now: Duration) -> Next {
        self.next(reply, now)
    }
}

impl Prune {
    /// A machine that has not begun.
    pub fn new(order: Arc<PruneOrder>) -> Self {
        Self {
            report: PruneReport { now: order.now, ..PruneReport::default() },
            order,
            stage: Stage::Start,
            since: Duration::ZERO,
            marker: None,
            restarts: 0,
            intents: Vec::new(),
            manifests: BTreeMap::new(),
            head: None,
            roots: Roots::default(),
            batches: Vec::new(),
        }
    }

    fn next(&mut self, reply: Reply, now: Duration) -> Next {
        match (std::mem::replace(&mut self.stage, Stage::Over), reply) {
            (Stage::Start, Reply::Begin) if self.order.dry_run => Ok(self.list_intents()),
            (Stage::Start, Reply::Begin) => Ok(self.read_marker()),
            (Stage::Marker, Reply::Got(found)) => self.decide(found, now),
            (Stage::Watch(_), Reply::Changed) => Ok(self.read_marker()),
            (Stage::Watch(found), Reply::Unchanged) => Ok(self.take(Some(&found), now)),
            (Stage::Take { mut write, sent }, reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Take { write, sent };
                    Ok(ask)
                }
                Writing::Written { etag, date } => {
                    (self.marker, self.since) = (Some(etag), sent);
                    self.dated(date);
                    Ok(self.list_intents())
                }
                Writing::Lost(found) => self.decide(found, now),
            },
            (Stage::Intents(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::Intents(pages);
                    Ok(ask)
                }
                Ok(AllPages { found, date }) => {
                    self.dated(date);
                    if found.is_empty() {
                        return Ok(self.list_manifests());
                    }
                    let keys = found.iter().map(|listed| listed.key.clone()).collect();
                    self.stage = Stage::EachIntent(found);
                    Ok(Ask::GetMany(keys))
                }
            },
            (Stage::EachIntent(listed), Reply::GotMany(found)) => {
                for (listed, found) in listed.into_iter().zip(found) {
                    // One that is gone has its manifest by now, which is read next.
                    if let Some(found) = found {
                        self.take_intent(listed, &found)?;
                    }
                }
                Ok(self.list_manifests())
            }
            (Stage::Manifests(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::Manifests(pages);
                    Ok(ask)
                }
                Ok(all) => Ok(self.read_manifests(&all)),
            },
            (Stage::EachManifest(ids), Reply::GotMany(found)) => {
                for (id, found) in ids.into_iter().zip(found) {
                    let Some(found) = found else { return self.begin_again() };
                    let key = self.order.layout.manifest(id);
                    let manifest = Manifest::decode(&found.body)
                        .map_err(|error| ProtocolError::unreadable(&key, &error))?;
                    self.manifests.insert(id, manifest);
                }
                self.stage = Stage::Head;
                Ok(Ask::Get(self.order.layout.head()))
            }
            (Stage::Head, Reply::Got(found)) => {
                let key = self.order.layout.head();
                let head = found.map(|found| Head::decode(&found.body)).transpose();
                self.head = head.map_err(|error| ProtocolError::unreadable(&key, &error))?;
                let pages = Pages::new(self.order.layout.pins());
                let ask = pages.ask();
                self.stage = Stage::Pins(pages);
                Ok(ask)
            }
            (Stage::Pins(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::Pins(pages);
                    Ok(ask)
                }
                Ok(all) => self.take_roots(&all, now),
            },
            (Stage::Orphans(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::Orphans(pages);
                    Ok(ask)
                }
                Ok(all) => self.decide_plan(&self.orphans(&all), now),
            },
            (Stage::Delete(batch), Reply::DeletedMany(failed)) => Ok(self.deleted(batch, failed, now)),
            (Stage::Release(mut write, end), reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Release(write, end);
                    Ok(ask)
                }
                // Whoever took it over meanwhile releases it.
                Writing::Written { .. } | Writing::Lost(_) => Ok(self.end(end)),
            },
            _ => Err(ProtocolError::Defect),
        }
    }

    /// The marker of this prune can be released even after an error, so that nobody has to wait for it to be dead. Not
    /// while a deletion may be under way: a push that sees no marker would count on files that are about to go.
    pub fn give_up(&mut self) -> Option<Ask<End>> {
        if matches!(self.stage, Stage::Delete(_)) {
            return None;
        }
        let etag = self.marker.take()?;
        Some(self.release(etag, PruneEnd::OutOfTime))
    }

    fn end(&mut self, end: PruneEnd) -> Ask<End> {
        Ask::End((end, std::mem::take(&mut self.report)))
    }

    fn dated(&mut self, date: Option<jiff::Timestamp>) {
        if let Some(seconds) = date.and_then(|date| u64::try_from(date.as_second()).ok()) {
            self.report.now = seconds;
        }
    }

    fn read_marker(&mut self) -> Ask<End> {
        self.stage = Stage::Marker;
        Ask::Get(self.order.layout.marker())
    }

    fn decide(&mut self, found: Option<Found>, now: Duration) -> Next {
        let Some(found) = found else { return Ok(self.take(None, now)) };
        let key = self.order.layout.marker();
        let marker = gate::read(&key, &found)?;
        if marker.state == MarkerState::Released {
            return Ok(self.take(Some(&found), now));
        }
        match patience(&found, marker.deadline(), &self.order.terms) {
            None => Ok(self.take(Some(&found), now)),
            Some(patience) if self.order.may_wait => {
                let etag = found.etag.clone();
                self.stage = Stage::Watch(found);
                Ok(Ask::Watch { key, etag, patience })
            }
            Some(_) => Ok(self.end(PruneEnd::Busy { writer: marker.writer })),
        }
    }

    fn marker(&self, state: MarkerState) -> Marker {
        Marker::new(self.order.nonce.clone(), state, self.order.terms.deadline, &self.order.writer)
    }

    fn take(&mut self, found: Option<&Found>, now: Duration) -> Ask<End> {
        let condition = found.map_or(Condition::IfAbsent, |found| Condition::IfMatch(found.etag.clone()));
        let marker = self.marker(MarkerState::Held).encode();
        let write = Write::new(self.order.layout.marker(), marker, &self.order.nonce, condition);
        let ask = write.ask();
        self.stage = Stage::Take { write, sent: now };
        ask
    }

    fn release(&mut self, etag: ETag, end: PruneEnd) -> Ask<End> {
        let marker = self.marker(MarkerState::Released).encode();
        let condition = Condition::IfMatch(etag);
        let write = Write::new(self.order.layout.marker(), marker, &self.order.nonce, condition);
        let ask = write.ask();
        self.stage = Stage::Release(write, end);
        ask
    }

    /// Gives the marker back, if there is one, and then it is over.
    fn finish(&mut self, end: PruneEnd) -> Ask<End> {
        match self.marker.take() {
            Some(etag) => self.release(etag, end),
            None => self.end(end),
        }
    }

    fn list_intents(&mut self) -> Ask<End> {
        let pages = Pages::new(self.order.layout.intents());
        let ask = pages.ask();
        self.stage = Stage::Intents(pages);
        ask
    }

    fn take_intent(&mut self, listed: Listed, found: &Found) -> Result<(), ProtocolError> {
        let is_dead = listed.age.is_some_and(|age| age > self.order.terms.intent_ttl);
        let (refs, ttl) = match Intent::decode(&found.body) {
            // Nobody is believed more than a week.
            Ok(intent) => (intent.files.into_iter().collect(), intent.ttl_s.min(7 * 86400)),
            // Nobody will ever know what it was about.
            Err(_) if is_dead => (BTreeSet::new(), 0),
            Err(error) => return Err(ProtocolError::unreadable(&listed.key, &error)),
        };
        self.intents.push(IntentView {
            id: listed.key,
            age: listed.age,
            ttl: Duration::from_secs(ttl),
            refs,
        });
        Ok(())
    }

    fn list_manifests(&mut self) -> Ask<End> {
        let pages = Pages::new(self.order.layout.manifests());
        let ask = pages.ask();
        self.stage = Stage::Manifests(pages);
        ask
    }

    fn read_manifests(&mut self, all: &AllPages) -> Ask<End> {
        self.dated(all.date);
        let mut ids = Vec::new();
        self.report.foreign.clear();
        for listed in &all.found {
            match self.order.layout.manifest_of(&listed.key) {
                Some(id) => ids.push(id),
                None => self.report.foreign.push(listed.key.clone()),
            }
        }
        if ids.is_empty() {
            self.stage = Stage::Head;
            return Ask::Get(self.order.layout.head());
        }
        let keys = ids.iter().map(|id| self.order.layout.manifest(*id)).collect();
        self.stage = Stage::EachManifest(ids);
        Ask::GetMany(keys)
    }

    fn begin_again(&mut self) -> Next {
        self.restarts += 1;
        if self.restarts > RESTARTS {
            return Err(ProtocolError::Restless);
        }
        self.intents.clear();
        self.manifests.clear();
        Ok(self.list_intents())
    }

    fn take_roots(&mut self, pins: &AllPages, now: Duration) -> Next {
        let head = self.head.as_ref();
        self.roots = Roots {
            head: head.map(|head| head.manifest),
            previous: head.and_then(|head| head.prev),
            interrupted: head.iter().flat_map(|head| &head.interrupted).copied().collect(),
            history: head.iter().flat_map(|head| &head.history).copied().collect(),
            pins: pins.found.iter().filter_map(|listed| self.order.layout.pin_of(&listed.key)).collect(),
        };
        if self.order.orphans.is_some() {
            let pages = Pages::new(self.order.layout.data());
            let ask = pages.ask();
            self.stage = Stage::Orphans(pages);
            return Ok(ask);
        }
        self.decide_plan(&BTreeSet::new(), now)
    }

    /// Files that nobody names, and that have been there for long.
    fn orphans(&self, all: &AllPages) -> BTreeSet<AssetPath> {
        let oldest = self.order.orphans.unwrap_or(Duration::MAX);
        let old: Vec<Listed> =
            (all.found.iter()).filter(|listed| listed.age.is_some_and(|age| age > oldest)).cloned().collect();
        let named: BTreeSet<&AssetPath> = (self.manifests.values().flat_map(|manifest| &manifest.files))
            .chain(self.intents.iter().flat_map(|intent| &intent.refs))
            .collect();
        // What is below the manifests of this app and no manifest may be those of an app `<app>/<other>`.
        let manifests = self.order.layout.manifests();
        let below = |key: &ObjectKey| {
            let (other, _) = key.as_str().strip_prefix(&manifests)?.split_once('/')?;
            Some(format!("{other}/"))
        };
        let others: BTreeSet<String> = self.report.foreign.iter().filter_map(below).collect();
        let is_of_another = |path: &AssetPath| others.iter().any(|other| path.as_str().starts_with(other));
        let data = Data::of(&self.order.layout, &old);
        let nobodys = data.iter().filter(|(path, _)| !named.contains(path) && !is_of_another(path));
        nobodys.map(|(path, _)| path.clone()).collect()
    }

    fn decide_plan(&mut self, orphans: &BTreeSet<AssetPath>, now: Duration) -> Next {
        let manifests: Vec<ManifestView<AssetPath>> = (self.manifests.iter())
            .map(|(id, manifest)| ManifestView { id: *id, refs: manifest.files.iter().cloned().collect() })
            .collect();
        let policy = Policy {
            now: self.report.now,
            threshold: self.order.threshold,
            min_keep: self.order.min_keep,
            intent_ttl: self.order.terms.intent_ttl,
            protected: self.order.protected.clone(),
        };
        let plan = match gc::plan(&manifests, &self.intents, &self.roots, orphans, &policy) {
            Ok(plan) => plan,
            Err(refusal) => return Ok(self.finish(PruneEnd::Refused(refusal))),
        };
        self.report.future =
            plan.keep.iter().filter(|(id, _)| id.0 > self.report.now).map(|(id, _)| *id).collect();
        let facts = self.manifests.values().flat_map(|manifest| &manifest.objects);
        self.report.sizes = facts.map(|(path, facts)| (path.clone(), facts.size)).collect();
        let too_much = self.order.max_share.is_some_and(|most| plan.share() > most);
        self.batches = self.batches(&plan);
        self.report.plan = Some(plan);
        if self.order.dry_run {
            return Ok(self.finish(PruneEnd::Planned));
        }
        if too_much {
            return Ok(self.finish(PruneEnd::TooMuch));
        }
        Ok(self.next_batch(now))
    }

    /// All deletions, the last first: files, then what named them.
    fn batches(&self, plan: &PrunePlan) -> Vec<Batch> {
        let mut documents: Vec<ObjectKey> = Vec::new();
        for id in &plan.expire {
            let entries =
                self.manifests.get(id).map(|manifest| manifest.entry.as_slice()).unwrap_or_default();
            documents.extend(entries.iter().map(|path| self.order.layout.copy(*id, path)));
        }
        // The copies go before the manifests: without those, nobody would know of them.
        documents.extend(plan.expire.iter().map(|id| self.order.layout.manifest(*id)));
        documents.extend(plan.dead.iter().cloned());
        let files: Vec<AssetPath> = plan.delete.keys().cloned().collect();
        let files = files.chunks(BATCH).map(|batch| Batch::Files(batch.to_vec()));
        let mut batches: Vec<Batch> = files.collect();
        batches.extend(documents.chunks(BATCH).map(|batch| Batch::Documents(batch.to_vec())));
        batches.reverse();
        batches
    }

    /// The next deletion. What names a file that could not be deleted stays.
    fn next_batch(&mut self, now: Duration) -> Ask<End> {
        let Some(batch) = self.batches.pop() else {
            let end = if self.report.failed.is_empty() { PruneEnd::Done } else { PruneEnd::Partial };
            return self.finish(end);
        };
        if now.saturating_sub(self.since) >= self.order.terms.deadline {
            return self.finish(PruneEnd::OutOfTime);
        }
        let batch = match batch {
            Batch::Documents(keys) => Batch::Documents(self.removable(keys)),
            files => files,
        };
        let keys: Vec<ObjectKey> = match &batch {
            Batch::Files(paths) => paths.iter().map(|path| self.order.layout.file(path)).collect(),
            Batch::Documents(keys) => keys.clone(),
        };
        if keys.is_empty() {
            return self.next_batch(now);
        }
        self.stage = Stage::Delete(batch);
        Ask::DeleteMany { keys, until: self.since + self.order.terms.deadline }
    }

    /// Documents all of whose files are gone.
    fn removable(&self, keys: Vec<ObjectKey>) -> Vec<ObjectKey> {
        let left: BTreeSet<AssetPath> =
            self.report.failed.iter().filter_map(|key| self.order.layout.path_of(key)).collect();
        if left.is_empty() {
            return keys;
        }
        let layout = &self.order.layout;
        fn any<'a>(mut files: impl Iterator<Item = &'a AssetPath>, left: &BTreeSet<AssetPath>) -> bool {
            files.any(|path| left.contains(path))
        }
        let mut stay: BTreeSet<ObjectKey> = BTreeSet::new();
        for (id, manifest) in &self.manifests {
            if any(manifest.files.iter(), &left) {
                stay.insert(layout.manifest(*id));
                stay.extend(manifest.entry.iter().map(|path| layout.copy(*id, path)));
            }
        }
        let intents = self.intents.iter().filter(|intent| any(intent.refs.iter(), &left));
        stay.extend(intents.map(|intent| intent.id.clone()));
        keys.into_iter().filter(|key| !stay.contains(key)).collect()
    }

    fn deleted(&mut self, batch: Batch, failed: Vec<ObjectKey>, now: Duration) -> Ask<End> {
        let is_gone = |key: &ObjectKey| !failed.contains(key);
        match batch {
            Batch::Files(paths) => {
                let layout = &self.order.layout;
                self.report.deleted.extend(paths.into_iter().filter(|path| is_gone(&layout.file(path))));
            }
            Batch::Documents(keys) => {
                let gone = keys.iter().filter(|key| is_gone(key));
                self.report.expired.extend(gone.filter_map(|key| self.order.layout.manifest_of(key)));
            }
        }
        self.report.failed.extend(failed);
        self.next_batch(now)
    }
}
