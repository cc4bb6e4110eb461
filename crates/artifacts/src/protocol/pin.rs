//! Holding a build, so that no prune deletes anything of it.

use std::time::Duration;

use runway_store::{Condition, ObjectKey};

use super::gate::{Gate, Passing};
use super::pages::{AllPages, Pages};
use super::push::Data;
use super::write::{Write, Writing};
use super::{Ask, Machine, ProtocolError, Reply, Terms};
use crate::format::{Intent, Manifest};
use crate::names::{AssetPath, Layout, ManifestId, Nonce};

/// Writes a pin, protected by an intent: a prune that runs has seen either the intent or the pin. A prune that died may
/// have deleted some of the files, so that it is looked whether all of them are there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pin {
    layout: Layout,
    nonce: Nonce,
    writer: String,
    created: u64,
    id: ManifestId,
    /// As it was when its build was live.
    manifest: Manifest,
    terms: Terms,
    started: Duration,
    stage: Stage,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PinEnd {
    /// The build is held.
    Pinned,
    /// The build is gone.
    NoManifest,
    /// These files of it are gone, or others now: a prune died before the manifest was, too, or a build changed them in place.
    Incomplete(Vec<AssetPath>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    Start,
    Intent(Write),
    Gate(Gate),
    Manifest,
    Data(Pages),
    Pin(Write),
    Forget(PinEnd),
    Over,
}

impl Pin {
    /// A machine that has not begun, for a build.
    pub fn new(
        layout: Layout,
        nonce: Nonce,
        writer: &str,
        created: u64,
        (id, manifest): (ManifestId, Manifest),
        terms: Terms,
    ) -> Self {
        let (writer, started, stage) = (writer.to_owned(), Duration::ZERO, Stage::Start);
        Self { layout, nonce, writer, created, id, manifest, terms, started, stage }
    }

    fn intent(&self) -> ObjectKey {
        self.layout.intent(self.created, &self.nonce)
    }

    fn forget(&mut self, end: PinEnd) -> Ask<PinEnd> {
        self.stage = Stage::Forget(end);
        Ask::Delete(self.intent())
    }

    /// The pin, if all files are there as they were. They stay while the intent is believed.
    fn pin(&mut self, all: &AllPages, now: Duration) -> Result<Ask<PinEnd>, ProtocolError> {
        let data = Data::of(&self.layout, &all.found);
        // Entry points are replaced by every build, and have copies: what they were is not recorded.
        let is_there = |path: &AssetPath| {
            let known = self.manifest.objects.get(path).filter(|_| !self.manifest.entry.contains(path));
            data.get(path).is_some_and(|(etag, size)| {
                known.is_none_or(|known| {
                    known.size == *size && known.etag.as_ref().is_none_or(|known| known == etag)
                })
            })
        };
        let missing: Vec<AssetPath> =
            self.manifest.files.iter().filter(|path| !is_there(path)).cloned().collect();
        if !missing.is_empty() {
            return Ok(self.forget(PinEnd::Incomplete(missing)));
        }
        if now.saturating_sub(self.started) >= self.terms.intent_ttl / 2 {
            return Err(ProtocolError::TooSlow);
        }
        let body = bytes::Bytes::from_static(b"{}");
        let write = Write::new(self.layout.pin(self.id), body, &self.nonce, Condition::None);
        let ask = write.ask();
        self.stage = Stage::Pin(write);
        Ok(ask)
    }
}

impl Machine for Pin {
    type End = PinEnd;

    fn step(&mut self, reply: Reply, now: Duration) -> Result<Ask<PinEnd>, ProtocolError> {
        match (std::mem::replace(&mut self.stage, Stage::Over), reply) {
            (Stage::Start, Reply::Begin) => {
                let (app, nonce) = (self.layout.app().clone(), self.nonce.clone());
                let ttl = self.terms.intent_ttl.as_secs();
                let intent =
                    Intent::new(app, nonce, self.created, ttl, self.manifest.files.clone(), &self.writer);
                let write = Write::new(self.intent(), intent.encode(), &self.nonce, Condition::IfAbsent);
                let ask = write.ask();
                (self.started, self.stage) = (now, Stage::Intent(write));
                Ok(ask)
            }
            (Stage::Intent(mut write), reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Intent(write);
                    Ok(ask)
                }
                Writing::Written { .. } => {
                    let gate = Gate::new(&self.layout, &self.nonce, &self.writer);
                    let ask = gate.ask();
                    self.stage = Stage::Gate(gate);
                    Ok(ask)
                }
                Writing::Lost(_) => Err(ProtocolError::Collisions),
            },
            (Stage::Gate(mut gate), reply) => match gate.step(reply, &self.terms)? {
                Passing::Ask(ask) => {
                    self.stage = Stage::Gate(gate);
                    Ok(ask)
                }
                Passing::Free { .. } => {
                    self.stage = Stage::Manifest;
                    Ok(Ask::Get(self.layout.manifest(self.id)))
                }
            },
            (Stage::Manifest, Reply::Got(None)) => Ok(self.forget(PinEnd::NoManifest)),
            (Stage::Manifest, Reply::Got(Some(_))) => {
                let pages = Pages::new(self.layout.data());
                let ask = pages.ask();
                self.stage = Stage::Data(pages);
                Ok(ask)
            }
            (Stage::Data(mut pages), reply) => match pages.step(reply)? {
                Err(ask) => {
                    self.stage = Stage::Data(pages);
                    Ok(ask)
                }
                Ok(all) => self.pin(&all, now),
            },
            (Stage::Pin(mut write), reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Pin(write);
                    Ok(ask)
                }
                Writing::Written { .. } => Ok(self.forget(PinEnd::Pinned)),
                Writing::Lost(_) => Err(ProtocolError::Defect),
            },
            (Stage::Forget(end), Reply::Done) => Ok(Ask::End(end)),
            _ => Err(ProtocolError::Defect),
        }
    }
}
