//! Pruning: what nobody needs any more.

mod deletion;
mod look;
mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use runway_store::{Condition, ETag, ObjectKey};

use self::deletion::Batch;
pub use self::order::{PruneEnd, PruneOrder, PrunePlan, PruneReport};
use super::pages::{AllPages, Pages};
use super::write::{Write, Writing};
use super::{Ask, Found, Listed, Machine, ProtocolError, Reply, gate, keeps_a_head, patience};
use crate::format::{Head, Manifest, Marker, MarkerState};
use crate::gc::{IntentView, Roots};
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
    /// When the marker was sent the last time.
    since: Duration,
    /// The marker as this prune wrote it last.
    written: Marker,
    marker: Option<ETag>,
    /// When an answer to a deletion was lost: it may still be carried out.
    lingers: Option<Duration>,
    /// Objects of one deletion request, fewer where a request takes long.
    most: usize,
    restarts: u32,
    /// Everything was read again because the head seemed to be lost.
    looked_twice: bool,
    intents: Vec<IntentView<AssetPath, ObjectKey>>,
    manifests: BTreeMap<ManifestId, Manifest>,
    /// Those of them whose writers keep a head.
    headed: BTreeSet<ManifestId>,
    head: Option<Head>,
    roots: Roots,
    /// Deletions that are left, batch by batch: the last first.
    batches: Vec<Batch>,
    report: PruneReport,
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
    Copies(Pages),
    Pins(Pages),
    Orphans(Pages),
    StrayCopies(Pages, BTreeSet<AssetPath>),
    Renew { write: Write, sent: Duration },
    Delete(Batch),
    Settle(PruneEnd),
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
            written: Marker::new(order.nonce.clone(), MarkerState::Held, order.terms.deadline, &order.writer),
            order,
            stage: Stage::Start,
            since: Duration::ZERO,
            marker: None,
            lingers: None,
            most: BATCH,
            restarts: 0,
            looked_twice: false,
            intents: Vec::new(),
            manifests: BTreeMap::new(),
            headed: BTreeSet::new(),
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
                    if keeps_a_head(&manifest, &found) {
                        self.headed.insert(id);
                    }
                    self.manifests.insert(id, manifest);
                }
                self.stage = Stage::Head;
                Ok(Ask::Get(self.order.layout.head()))
            }
            (Stage::Head, Reply::Got(found)) => {
                let key = self.order.layout.head();
                let head = found.map(|found| Head::decode(&found.body)).transpose();
                self.head = head.map_err(|error| ProtocolError::unreadable(&key, &error))?;
                let is_first = self.head.is_none() && !self.looked_twice;
                Ok(if is_first { self.list_copies() } else { self.list_pins() })
            }
            (Stage::Copies(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::Copies(pages);
                    Ok(ask)
                }
                Ok(all) => Ok(self.take_copies(&all)),
            },
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
                Ok(all) => self.list_all_copies(self.orphans(&all), now),
            },
            (Stage::StrayCopies(mut pages, orphans), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::StrayCopies(pages, orphans);
                    Ok(ask)
                }
                Ok(all) => {
                    self.take_stray_copies(&all);
                    self.decide_plan(&orphans, now)
                }
            },
            (Stage::Renew { mut write, sent }, reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Renew { write, sent };
                    Ok(ask)
                }
                Writing::Written { etag, .. } => self.renewed(etag, sent, now),
                Writing::Lost(_) => {
                    self.marker = None;
                    Ok(self.end(PruneEnd::TakenOver))
                }
            },
            (Stage::Delete(batch), Reply::DeletedMany { failed, lingers }) => {
                self.deleted(batch, failed, lingers, now)
            }
            (Stage::Delete(batch), Reply::Unknown) => self.delete_again(batch, now),
            // Whoever took it over meanwhile releases it.
            (Stage::Settle(end), Reply::Changed) => Ok(self.end(end)),
            (Stage::Settle(end), Reply::Unchanged) => Ok(self.release(end)),
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
        if self.lingers.is_some() || matches!(self.stage, Stage::Delete(_)) {
            return None;
        }
        self.marker.is_some().then(|| self.release(PruneEnd::TakenOver))
    }

    /// What must not be done instead.
    #[cfg(test)]
    pub(super) fn release_anyway(&mut self) -> Option<Ask<End>> {
        self.marker.is_some().then(|| self.release(PruneEnd::TakenOver))
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

    fn take(&mut self, found: Option<&Found>, now: Duration) -> Ask<End> {
        let condition = found.map_or(Condition::IfAbsent, |found| Condition::IfMatch(found.etag.clone()));
        let marker = self.written.encode();
        let write = Write::new(self.order.layout.marker(), marker, &self.order.nonce, condition);
        let ask = write.ask();
        self.stage = Stage::Take { write, sent: now };
        ask
    }
}
