//! Pushing a build, and rolling back to one.

mod choice;
mod live;
mod newer;
mod order;
mod sending;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use runway_store::{Condition, ETag, ObjectKey};

pub use self::choice::Data;
pub use self::choice::{Choice, InPlace, choose};
pub use self::order::{Class, Item, PushEnd, PushMode, PushOrder, PushReport, Source};
use self::sending::Rest;
use super::flip::{Flip, FlipEnd, Flipping, KnownEntry, Target};
use super::gate::{Gate, Passing};
use super::pages::{AllPages, Pages};
use super::write::{Write, Writing};
use super::{Ask, Found, Machine, ProtocolError, Reply};
use crate::format::{Intent, Manifest};
use crate::names::{AssetPath, ManifestId};

/// How often a push begins again if its intent is lost.
const RESTARTS: u32 = 3;

/// How many names are tried for a manifest.
const COLLISIONS: u64 = 60;

/// One push as a machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Push {
    order: Arc<PushOrder>,
    stage: Stage,
    /// What the head was before anything else.
    head: Option<Found>,
    /// When that was read.
    looked: Duration,
    /// The live build's manifest, if it was read.
    live: Option<(ManifestId, Arc<Manifest>)>,
    /// When the intent was sent.
    started: Duration,
    intent: Option<ObjectKey>,
    may_skip: bool,
    /// A dead prune was put aside: what it was about to delete may be gone.
    took_over: bool,
    restarts: u32,
    /// Items that are sent though there is something of their name.
    there: BTreeSet<usize>,
    /// Manifests of writers that keep no head, which were pushed after what the head says.
    unheaded: Vec<ManifestId>,
    /// Entity tags of files as the bucket has them, by item.
    etags: BTreeMap<usize, ETag>,
    entries: Vec<KnownEntry>,
    report: PushReport,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "one of them a session")]
enum Stage {
    Start,
    StartWithHead,
    Head,
    Live,
    LiveManifests(Pages),
    LiveNewer(Vec<ManifestId>),
    LiveData(Pages),
    LiveEntries(Vec<usize>),
    Intent(Write),
    Gate(Gate),
    Manifests(Pages),
    Newer(Vec<ManifestId>),
    Data(Pages, Option<Arc<Manifest>>),
    Prove { send: Vec<usize>, asked: Vec<usize> },
    Fresh(Rest),
    HeadAgain(Rest),
    Bulk { late: Vec<usize> },
    Late,
    CheckIntent,
    Manifest(Write, u64),
    Recheck(Pages),
    Again,
    Copies,
    Flip(Flip),
    Forget(PushEnd),
    Over,
}

type Next = Result<Ask<(PushEnd, PushReport)>, ProtocolError>;

impl Machine for Push {
    type End = (PushEnd, PushReport);

    /// After an error the intent is left, so that whatever was sent is found later.
    fn step(&mut self, reply: Reply, now: Duration) -> Next {
        self.next(reply, now)
    }

    fn must_go_on(&self) -> bool {
        match &self.stage {
            Stage::Flip(flip) => flip.is_under_way(),
            // It is done, and has to be told.
            Stage::Forget(PushEnd::Flipped(_)) => true,
            _ => false,
        }
    }
}

impl Push {
    /// A machine that has not begun.
    pub fn new(order: Arc<PushOrder>) -> Self {
        Self {
            may_skip: !order.mode.force,
            order,
            stage: Stage::Start,
            head: None,
            looked: Duration::ZERO,
            live: None,
            started: Duration::ZERO,
            intent: None,
            took_over: false,
            restarts: 0,
            there: BTreeSet::new(),
            unheaded: Vec::new(),
            etags: BTreeMap::new(),
            entries: Vec::new(),
            report: PushReport::default(),
        }
    }

    /// A machine that need not read the head: it was this a moment ago.
    pub fn beginning_with(order: Arc<PushOrder>, head: Option<Found>) -> Self {
        Self { head, stage: Stage::StartWithHead, ..Self::new(order) }
    }

    /// Paths of the items, by number.
    #[cfg(test)]
    pub(super) fn paths(&self) -> Vec<AssetPath> {
        self.order.items.iter().map(|item| item.path.clone()).collect()
    }

    fn next(&mut self, reply: Reply, now: Duration) -> Next {
        match (std::mem::replace(&mut self.stage, Stage::Over), reply) {
            (Stage::Start, Reply::Begin) => {
                self.stage = Stage::Head;
                Ok(Ask::Get(self.order.layout.head()))
            }
            (Stage::StartWithHead, Reply::Begin) => {
                let head = self.head.take();
                self.read_live(head, now)
            }
            (Stage::Head, Reply::Got(found)) => self.read_live(found, now),
            (Stage::Live, Reply::Got(found)) => self.compare_live(found, now),
            (Stage::LiveManifests(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::LiveManifests(pages);
                    Ok(ask)
                }
                Ok(all) => self.look_for_newer(&all),
            },
            (Stage::LiveNewer(ids), Reply::GotMany(found)) => Ok(self.stays_live(ids, found, now)),
            (Stage::LiveData(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::LiveData(pages);
                    Ok(ask)
                }
                Ok(all) => self.end_if_live(all, now),
            },
            (Stage::LiveEntries(asked), Reply::Proven(proven)) => {
                if proven.len() == asked.len() {
                    self.already_live()
                } else {
                    Ok(self.write_intent(now))
                }
            }
            (Stage::Intent(mut write), reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Intent(write);
                    Ok(ask)
                }
                Writing::Written { date, .. } => {
                    self.dated(date);
                    let gate = Gate::new(&self.order.layout, &self.order.nonce, &self.order.writer);
                    let ask = gate.ask();
                    self.stage = Stage::Gate(gate);
                    Ok(ask)
                }
                Writing::Lost(_) => Err(ProtocolError::Collisions),
            },
            (Stage::Gate(mut gate), reply) => match gate.step(reply, &self.order.terms)? {
                Passing::Ask(ask) => {
                    self.stage = Stage::Gate(gate);
                    Ok(ask)
                }
                Passing::Free { took_over } => {
                    if took_over {
                        (self.took_over, self.may_skip) = (true, false);
                    }
                    let pages = Pages::new(self.order.layout.manifests());
                    let ask = pages.ask();
                    self.stage = Stage::Manifests(pages);
                    Ok(ask)
                }
            },
            (Stage::Manifests(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::Manifests(pages);
                    Ok(ask)
                }
                Ok(all) => self.read_newer(all),
            },
            (Stage::Newer(ids), Reply::GotMany(found)) => Ok(self.take_newer(ids, found)),
            (Stage::Data(mut pages, newest), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::Data(pages, newest);
                    Ok(ask)
                }
                Ok(all) => self.choose(all, newest.as_deref(), now),
            },
            (Stage::Prove { mut send, asked }, Reply::Proven(proven)) => {
                self.etags.extend(proven);
                let other: Vec<usize> =
                    asked.into_iter().filter(|item| !self.etags.contains_key(item)).collect();
                if !other.is_empty()
                    && let Some(end) = self.gives_way()
                {
                    return Ok(self.forget(end));
                }
                send.extend(other);
                send.sort_unstable();
                self.send(send, now)
            }
            (Stage::Fresh(rest), Reply::Sent(sent)) => {
                self.etags.extend(sent);
                self.look_again(rest, now)
            }
            (Stage::HeadAgain(rest), Reply::Got(found)) => {
                (self.head, self.looked) = (found, now);
                self.send_rest(rest, now)
            }
            (Stage::Bulk { late }, Reply::Sent(sent)) => {
                self.etags.extend(sent);
                self.send_late(late, now)
            }
            (Stage::Late, Reply::Sent(sent)) => {
                self.etags.extend(sent);
                self.check_intent(now)
            }
            (Stage::CheckIntent, Reply::Got(found)) => {
                let is_mine = |found: &Found| found.stamp.as_deref() == Some(self.order.nonce.as_str());
                if found.as_ref().is_some_and(is_mine) {
                    Ok(self.write_manifest(0))
                } else {
                    self.begin_again(now)
                }
            }
            (Stage::Manifest(mut write, tried), reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Manifest(write, tried);
                    Ok(ask)
                }
                Writing::Written { .. } => self.recheck(now),
                Writing::Lost(_) if tried + 1 < COLLISIONS => Ok(self.write_manifest(tried + 1)),
                Writing::Lost(_) => Err(ProtocolError::Collisions),
            },
            (Stage::Recheck(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::Recheck(pages);
                    Ok(ask)
                }
                Ok(all) => self.send_missing(&all),
            },
            (Stage::Again, Reply::Sent(sent)) => {
                self.etags.extend(sent);
                self.copy()
            }
            (Stage::Copies, Reply::Sent(_)) => self.flip(now),
            (Stage::Flip(mut flip), reply) => {
                let next = flip.step(reply, now, &self.order.terms)?;
                Ok(self.go_on(flip, next))
            }
            (Stage::Forget(end), Reply::Done) => Ok(self.end(end)),
            _ => Err(ProtocolError::Defect),
        }
    }

    fn end(&mut self, end: PushEnd) -> Ask<(PushEnd, PushReport)> {
        Ask::End((end, std::mem::take(&mut self.report)))
    }

    /// Forgets the intent, and then it is over.
    fn forget(&mut self, end: PushEnd) -> Ask<(PushEnd, PushReport)> {
        match self.intent.take() {
            Some(intent) => {
                self.stage = Stage::Forget(end);
                Ask::Delete(intent)
            }
            None => self.end(end),
        }
    }

    fn dated(&mut self, date: Option<jiff::Timestamp>) {
        let seconds = date.and_then(|date| u64::try_from(date.as_second()).ok());
        self.report.store_time = self.report.store_time.max(seconds);
    }

    fn write_intent(&mut self, now: Duration) -> Ask<(PushEnd, PushReport)> {
        let order = &self.order;
        let files = order.items.iter().map(|item| item.path.clone()).collect();
        let app = order.layout.app().clone();
        let ttl = order.terms.intent_ttl.as_secs();
        let intent = Intent::new(app, order.nonce.clone(), order.created, ttl, files, &order.writer);
        let key = order.layout.intent(order.created, &order.nonce);
        self.started = now;
        self.intent = Some(key.clone());
        let write = Write::new(key, intent.encode(), &order.nonce, Condition::IfAbsent);
        let ask = write.ask();
        self.stage = Stage::Intent(write);
        ask
    }

    fn begin_again(&mut self, now: Duration) -> Next {
        self.restarts += 1;
        if self.restarts >= RESTARTS {
            return Err(ProtocolError::IntentLost(self.restarts));
        }
        // Without the intent, anything may have been deleted.
        self.may_skip = false;
        self.etags.clear();
        Ok(self.write_intent(now))
    }

    fn list_data(&mut self, newest: Option<Arc<Manifest>>) -> Ask<(PushEnd, PushReport)> {
        let pages = Pages::new(self.order.layout.data());
        let ask = pages.ask();
        self.stage = Stage::Data(pages, newest);
        ask
    }

    fn choose(&mut self, all: AllPages, newest: Option<&Manifest>, now: Duration) -> Next {
        self.dated(all.date);
        let data = Data::of(&self.order.layout, &all.found);
        self.entries = (self.entry_paths().iter())
            .map(|path| data.get(path).map_or(KnownEntry::Absent, |(etag, _)| KnownEntry::Tag(etag.clone())))
            .collect();
        if matches!(self.order.source, Source::Manifest(_)) {
            let missing = choice::missing(&self.order, &data);
            if !missing.is_empty() {
                return Ok(self.forget(PushEnd::Incomplete(missing)));
            }
            self.etags = choice::present(&self.order, &data);
            self.report.skipped = self.etags.len();
            return self.check_intent(now);
        }
        let choice = choose(&self.order.items, newest, &data, self.may_skip);
        self.report.in_place.clone_from(&choice.in_place);
        if self.order.mode.deny_in_place && !choice.in_place.is_empty() {
            return Ok(self.forget(PushEnd::InPlace));
        }
        let is_there =
            |item: &usize| self.order.items.get(*item).is_some_and(|item| data.get(&item.path).is_some());
        if choice.send.iter().any(is_there)
            && let Some(end) = self.gives_way()
        {
            return Ok(self.forget(end));
        }
        self.there = choice.send.iter().chain(&choice.prove).copied().filter(is_there).collect();
        self.etags = choice.skip;
        if choice.prove.is_empty() {
            return self.send(choice.send, now);
        }
        self.stage = Stage::Prove { send: choice.send, asked: choice.prove.clone() };
        Ok(Ask::Prove(choice.prove))
    }

    fn check_intent(&mut self, now: Duration) -> Next {
        if now.saturating_sub(self.started) >= self.order.terms.intent_ttl / 2 {
            return Err(ProtocolError::TooSlow);
        }
        self.stage = Stage::CheckIntent;
        self.intent.clone().map(Ask::Get).ok_or(ProtocolError::Defect)
    }

    fn entry_paths(&self) -> Vec<AssetPath> {
        let entries = self.order.items.iter().filter(|item| item.class == Class::Entry);
        entries.map(|item| item.path.clone()).collect()
    }

    fn write_manifest(&mut self, tried: u64) -> Ask<(PushEnd, PushReport)> {
        let order = &self.order;
        let first = order.mode.named_by_build.then_some(order.build.timestamp).flatten();
        let id = ManifestId(first.or(self.report.store_time).unwrap_or(order.created).saturating_add(tried));
        let facts = |(number, item): (usize, &Item)| {
            let etag = self.etags.get(&number).filter(|_| item.class != Class::Entry).cloned();
            (item.path.clone(), crate::format::FileFacts { etag, ..item.facts.clone() })
        };
        let manifest = Manifest {
            files: order.items.iter().map(|item| item.path.clone()).collect(),
            image: order.image.clone(),
            timestamp: Some(id.0),
            nonce: Some(order.nonce.clone()),
            build: order.build.clone(),
            entry: self.entry_paths(),
            objects: order.items.iter().enumerate().map(facts).collect(),
        };
        let body = manifest.encode(order.layout.app(), order.format);
        let write = Write::new(order.layout.manifest(id), body, &order.nonce, Condition::IfAbsent);
        self.report.manifest = Some(id);
        let ask = write.ask();
        self.stage = Stage::Manifest(write, tried);
        ask
    }

    /// After a long time, or after a prune that died, files may be missing that were there.
    fn recheck(&mut self, now: Duration) -> Next {
        let is_late = now.saturating_sub(self.started) >= self.order.terms.intent_ttl / 4;
        if !self.took_over && self.restarts == 0 && !is_late {
            return self.copy();
        }
        let pages = Pages::new(self.order.layout.data());
        self.stage = Stage::Recheck(pages.clone());
        Ok(pages.ask())
    }

    fn send_missing(&mut self, all: &AllPages) -> Next {
        let data = Data::of(&self.order.layout, &all.found);
        let is_missing = |(number, item): (usize, &Item)| {
            (item.class != Class::Entry && data.get(&item.path).is_none()).then_some(number)
        };
        let missing: Vec<usize> = self.order.items.iter().enumerate().filter_map(is_missing).collect();
        if missing.is_empty() {
            return self.copy();
        }
        if matches!(self.order.source, Source::Manifest(_)) {
            let paths = missing.iter().filter_map(|item| self.order.items.get(*item));
            let paths = paths.map(|item| item.path.clone()).collect();
            return Ok(self.forget(PushEnd::Incomplete(paths)));
        }
        self.stage = Stage::Again;
        Ok(Ask::Send(missing))
    }

    fn copy(&mut self) -> Next {
        let manifest = self.report.manifest.ok_or(ProtocolError::Defect)?;
        let is_entry = |(number, item): (usize, &Item)| (item.class == Class::Entry).then_some(number);
        let items = self.order.items.iter().enumerate().filter_map(is_entry).collect();
        self.stage = Stage::Copies;
        Ok(Ask::SendCopies { manifest, items })
    }

    fn flip(&mut self, now: Duration) -> Next {
        let manifest = self.report.manifest.ok_or(ProtocolError::Defect)?;
        let target = Target {
            manifest,
            build_ts: self.order.build.timestamp.unwrap_or(manifest.0),
            entries: self.entry_paths(),
            etags: std::mem::take(&mut self.entries),
            allow_older: self.order.mode.allow_older || matches!(self.order.source, Source::Manifest(_)),
            probed: self.order.probed.then_some(self.report.store_time).flatten(),
            others: self.report.manifests.clone(),
            unheaded: std::mem::take(&mut self.unheaded),
        };
        let (layout, nonce) = (self.order.layout.clone(), self.order.nonce.clone());
        let mut flip = Flip::new(layout, nonce, target);
        let next = flip.begin(self.head.take(), now, &self.order.terms)?;
        Ok(self.go_on(flip, next))
    }

    fn go_on(&mut self, flip: Flip, next: Flipping<(PushEnd, PushReport)>) -> Ask<(PushEnd, PushReport)> {
        match next {
            Flipping::Ask(ask) => {
                self.stage = Stage::Flip(flip);
                ask
            }
            Flipping::Over(end) => {
                if let FlipEnd::Published { previous } = end {
                    self.report.previous = previous;
                    self.report.changed = self.changed(&flip, previous);
                }
                self.forget(PushEnd::Flipped(end))
            }
        }
    }
}
