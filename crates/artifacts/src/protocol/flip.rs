//! Making a build live: the head by compare-and-swap, the entry points one by one, the head again.

use std::time::Duration;

use runway_store::{Condition, ETag};

use super::write::{Write, Writing};
use super::{Ask, Found, Machine, ProtocolError, Reply, Terms, patience};
use crate::format::Change;
use crate::format::{Head, HeadState, Manifest};
use crate::names::{AssetPath, Layout, ManifestId, Nonce};

/// What became of the change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FlipEnd {
    /// The build is live.
    Published {
        /// What was live before.
        previous: Option<ManifestId>,
    },
    /// A newer build is live, or on its way.
    Superseded {
        /// Which.
        by: ManifestId,
        /// Whether its change is not over.
        is_unfinished: bool,
    },
    /// It is live already.
    AlreadyLive,
    /// Another session took the change over.
    LostRace,
}

/// What the change is to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) manifest: ManifestId,
    pub(super) build_ts: u64,
    /// In the order in which they are replaced.
    pub(super) entries: Vec<AssetPath>,
    /// What is known of each of them.
    pub(super) etags: Vec<KnownEntry>,
    pub(super) allow_older: bool,
    pub(super) probed: Option<u64>,
    /// Other manifests that are there.
    pub(super) others: Vec<ManifestId>,
    /// Those of them whose writers keep no head.
    pub(super) unheaded: Vec<ManifestId>,
}

/// What is known of an entry point in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum KnownEntry {
    /// Nothing.
    Unknown,
    /// It was absent.
    Absent,
    /// It was this.
    Tag(ETag),
}

impl KnownEntry {
    fn of(seen: Option<ETag>) -> Self {
        seen.map_or(Self::Absent, Self::Tag)
    }

    fn condition(&self) -> Option<Condition> {
        match self {
            Self::Unknown => None,
            Self::Absent => Some(Condition::IfAbsent),
            Self::Tag(etag) => Some(Condition::IfMatch(etag.clone())),
        }
    }
}

/// The change as a machine of its own, part of others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Flip {
    layout: Layout,
    nonce: Nonce,
    target: Target,
    held: Option<Held>,
    /// Entity tag of the head from which the change began.
    from: Option<ETag>,
    /// The change replaced exactly that head, and a build was live by it.
    is_direct: bool,
    stage: Stage,
}

/// The head as this session wrote it last.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Held {
    head: Head,
    etag: ETag,
    /// When it was sent.
    since: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    Read,
    Watch {
        found: Found,
    },
    Take {
        write: Write,
        head: Head,
        sent: Duration,
    },
    Entry(usize),
    /// Something else is there than was expected: what, and is the head still ours?
    Look(usize),
    Confirm(usize),
    Renew {
        write: Write,
        head: Head,
        sent: Duration,
        next: usize,
    },
    Publish(Write),
}

/// How far the change is.
pub(super) enum Flipping<End> {
    Ask(Ask<End>),
    Over(FlipEnd),
}

impl Flip {
    pub(super) fn new(layout: Layout, nonce: Nonce, target: Target) -> Self {
        Self { layout, nonce, target, held: None, from: None, is_direct: false, stage: Stage::Read }
    }

    /// The first request, from what the head was when it was last read.
    pub(super) fn begin<End>(
        &mut self,
        known: Option<Found>,
        now: Duration,
        terms: &Terms,
    ) -> Result<Flipping<End>, ProtocolError> {
        self.from = known.as_ref().map(|found| found.etag.clone());
        self.decide(known, now, terms)
    }

    /// Whether nobody changed anything between what the head was at first and this change: then the entry points were those
    /// of the build that was live.
    pub(super) fn is_direct(&self) -> bool {
        self.is_direct
    }

    pub(super) fn step<End>(
        &mut self,
        reply: Reply,
        now: Duration,
        terms: &Terms,
    ) -> Result<Flipping<End>, ProtocolError> {
        match (std::mem::replace(&mut self.stage, Stage::Read), reply) {
            (Stage::Read, Reply::Got(found)) => self.decide(found, now, terms),
            (Stage::Watch { .. }, Reply::Changed) => Ok(Flipping::Ask(Ask::Get(self.layout.head()))),
            (Stage::Watch { found }, Reply::Unchanged) => {
                let before = self.read(&found)?;
                Ok(self.take(Some((&before, &found)), now, terms))
            }
            (Stage::Take { mut write, head, sent }, reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Take { write, head, sent };
                    Ok(Flipping::Ask(ask))
                }
                Writing::Written { etag, .. } => {
                    self.held = Some(Held { head, etag, since: sent });
                    self.entry(0, now, terms)
                }
                Writing::Lost(found) => self.decide(found, now, terms),
            },
            (Stage::Entry(at), Reply::Written { .. }) => self.entry(at + 1, now, terms),
            (Stage::Entry(at), Reply::Refused | Reply::Unknown) => Ok(self.look(at)),
            (Stage::Look(at), Reply::Seen(etag)) => {
                if let Some(known) = self.target.etags.get_mut(at) {
                    *known = KnownEntry::of(etag);
                }
                self.stage = Stage::Confirm(at);
                Ok(Flipping::Ask(Ask::Get(self.layout.head())))
            }
            (Stage::Confirm(at), Reply::Got(found)) => {
                let is_mine = |held: &Held| {
                    found
                        .as_ref()
                        .is_some_and(|found| found.etag == held.etag && found.body == held.head.encode())
                };
                if self.held.as_ref().is_some_and(is_mine) {
                    self.entry(at, now, terms)
                } else {
                    Ok(Flipping::Over(FlipEnd::LostRace))
                }
            }
            (Stage::Renew { mut write, head, sent, next }, reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Renew { write, head, sent, next };
                    Ok(Flipping::Ask(ask))
                }
                Writing::Written { etag, .. } => {
                    self.held = Some(Held { head, etag, since: sent });
                    self.entry(next, now, terms)
                }
                Writing::Lost(_) => Ok(Flipping::Over(FlipEnd::LostRace)),
            },
            (Stage::Publish(mut write), reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Publish(write);
                    Ok(Flipping::Ask(ask))
                }
                Writing::Written { .. } => {
                    let previous = self.held.as_ref().and_then(|held| held.head.prev);
                    Ok(Flipping::Over(FlipEnd::Published { previous }))
                }
                Writing::Lost(_) => Ok(Flipping::Over(FlipEnd::LostRace)),
            },
            _ => Err(ProtocolError::Defect),
        }
    }

    /// Whether entry points may have been replaced, and not all of them.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(
            self.stage,
            Stage::Entry(_) | Stage::Look(_) | Stage::Confirm(_) | Stage::Renew { .. } | Stage::Publish(_)
        )
    }

    fn read(&self, found: &Found) -> Result<Head, ProtocolError> {
        Head::decode(&found.body).map_err(|error| ProtocolError::unreadable(&self.layout.head(), &error))
    }

    /// What to do about the head as it is.
    fn decide<End>(
        &mut self,
        found: Option<Found>,
        now: Duration,
        terms: &Terms,
    ) -> Result<Flipping<End>, ProtocolError> {
        let Some(found) = found else { return Ok(self.take(None, now, terms)) };
        let before = self.read(&found)?;
        let mine = (self.target.build_ts, self.target.manifest);
        let is_flipping = before.state == HeadState::Flipping;
        if before.order() > mine && !self.target.allow_older {
            return Ok(Flipping::Over(FlipEnd::Superseded {
                by: before.manifest,
                is_unfinished: is_flipping,
            }));
        }
        if before.order() == mine && !is_flipping {
            return Ok(Flipping::Over(FlipEnd::AlreadyLive));
        }
        if is_flipping
            && before.nonce != self.nonce
            && let Some(patience) = patience(&found, before.deadline(), terms)
        {
            let etag = found.etag.clone();
            self.stage = Stage::Watch { found };
            return Ok(Flipping::Ask(Ask::Watch { key: self.layout.head(), etag, patience }));
        }
        Ok(self.take(Some((&before, &found)), now, terms))
    }

    fn take<End>(&mut self, before: Option<(&Head, &Found)>, now: Duration, terms: &Terms) -> Flipping<End> {
        let change = Change {
            manifest: self.target.manifest,
            build_ts: self.target.build_ts,
            nonce: &self.nonce,
            deadline: terms.deadline,
            probed: self.target.probed,
            others: &self.target.others,
            unheaded: &self.target.unheaded,
        };
        let head = Head::flipping(before.map(|(head, _)| head), &change);
        let condition =
            before.map_or(Condition::IfAbsent, |(_, found)| Condition::IfMatch(found.etag.clone()));
        self.is_direct = before.is_some_and(|(before, found)| {
            before.state == HeadState::Published && self.from.as_ref() == Some(&found.etag)
        });
        let write = Write::new(self.layout.head(), head.encode(), &self.nonce, condition);
        let ask = write.ask();
        self.stage = Stage::Take { write, head, sent: now };
        Flipping::Ask(ask)
    }

    /// Replaces an entry point, or says that all are replaced. Whoever has not written the head for half of its deadline
    /// writes it again before.
    fn entry<End>(
        &mut self,
        at: usize,
        now: Duration,
        terms: &Terms,
    ) -> Result<Flipping<End>, ProtocolError> {
        let held = self.held.as_ref().ok_or(ProtocolError::Defect)?;
        let condition = Condition::IfMatch(held.etag.clone());
        if now.saturating_sub(held.since) >= terms.deadline / 2 {
            let head = held.head.renewed();
            let write = Write::new(self.layout.head(), head.encode(), &self.nonce, condition);
            let ask = write.ask();
            self.stage = Stage::Renew { write, head, sent: now, next: at };
            return Ok(Flipping::Ask(ask));
        }
        let Some((path, known)) = self.target.entries.get(at).zip(self.target.etags.get(at)) else {
            let published = held.head.published().encode();
            let write = Write::new(self.layout.head(), published, &self.nonce, condition);
            let ask = write.ask();
            self.stage = Stage::Publish(write);
            return Ok(Flipping::Ask(ask));
        };
        let Some(condition) = known.condition() else { return Ok(self.look(at)) };
        let (manifest, path) = (self.target.manifest, path.clone());
        self.stage = Stage::Entry(at);
        Ok(Flipping::Ask(Ask::PutEntry { manifest, path, condition }))
    }

    fn look<End>(&mut self, at: usize) -> Flipping<End> {
        match self.target.entries.get(at) {
            Some(path) => {
                let key = self.layout.file(path);
                self.stage = Stage::Look(at);
                Flipping::Ask(Ask::Head(key))
            }
            None => Flipping::Over(FlipEnd::LostRace),
        }
    }
}

/// Finishes a change whose writer died, from the copies of the entry points.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resume {
    layout: Layout,
    nonce: Nonce,
    terms: Terms,
    stage: Resuming,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "one of them a session")]
enum Resuming {
    Start,
    Head,
    Manifest { found: Found, head: Head },
    Flip(Flip),
    Over,
}

impl Machine for Resume {
    /// Which build the change was to, and what became of it, if one was broken off.
    type End = Option<(ManifestId, FlipEnd)>;

    fn step(&mut self, reply: Reply, now: Duration) -> Result<Ask<Self::End>, ProtocolError> {
        self.next(reply, now)
    }

    fn must_go_on(&self) -> bool {
        matches!(&self.stage, Resuming::Flip(flip) if flip.is_under_way())
    }
}

impl Resume {
    /// A machine that has not begun.
    pub fn new(layout: Layout, nonce: Nonce, terms: Terms) -> Self {
        Self { layout, nonce, terms, stage: Resuming::Start }
    }

    fn next(
        &mut self,
        reply: Reply,
        now: Duration,
    ) -> Result<Ask<Option<(ManifestId, FlipEnd)>>, ProtocolError> {
        match (std::mem::replace(&mut self.stage, Resuming::Over), reply) {
            (Resuming::Start, Reply::Begin) => {
                self.stage = Resuming::Head;
                Ok(Ask::Get(self.layout.head()))
            }
            (Resuming::Head, Reply::Got(None)) => Ok(Ask::End(None)),
            (Resuming::Head, Reply::Got(Some(found))) => {
                let head = Head::decode(&found.body)
                    .map_err(|error| ProtocolError::unreadable(&self.layout.head(), &error))?;
                if head.state == HeadState::Published {
                    return Ok(Ask::End(None));
                }
                let key = self.layout.manifest(head.manifest);
                self.stage = Resuming::Manifest { found, head };
                Ok(Ask::Get(key))
            }
            (Resuming::Manifest { found, head }, Reply::Got(manifest)) => {
                let key = self.layout.manifest(head.manifest);
                let unreadable = |message: &str| ProtocolError::Unreadable {
                    key: key.as_str().to_owned(),
                    message: message.to_owned(),
                };
                let manifest = manifest.ok_or_else(|| unreadable("it does not exist"))?;
                let manifest = Manifest::decode(&manifest.body)
                    .map_err(|error| ProtocolError::unreadable(&key, &error))?;
                let target = Target {
                    manifest: head.manifest,
                    build_ts: head.build_ts,
                    etags: vec![KnownEntry::Unknown; manifest.entry.len()],
                    entries: manifest.entry,
                    allow_older: false,
                    probed: None,
                    others: Vec::new(),
                    unheaded: Vec::new(),
                };
                let mut flip = Flip::new(self.layout.clone(), self.nonce.clone(), target);
                let next = flip.begin(Some(found), now, &self.terms)?;
                Ok(self.go_on(flip, head.manifest, next))
            }
            (Resuming::Flip(mut flip), reply) => {
                let next = flip.step(reply, now, &self.terms)?;
                let manifest = flip.target.manifest;
                Ok(self.go_on(flip, manifest, next))
            }
            _ => Err(ProtocolError::Defect),
        }
    }

    fn go_on(
        &mut self,
        flip: Flip,
        manifest: ManifestId,
        next: Flipping<Option<(ManifestId, FlipEnd)>>,
    ) -> Ask<Option<(ManifestId, FlipEnd)>> {
        match next {
            Flipping::Ask(ask) => {
                self.stage = Resuming::Flip(flip);
                ask
            }
            Flipping::Over(end) => Ask::End(Some((manifest, end))),
        }
    }
}
