//! Holding a build, so that no prune deletes anything of it.

use std::time::Duration;

use runway_store::{Condition, ObjectKey};

use super::gate::{Gate, Passing};
use super::write::{Write, Writing};
use super::{Ask, Machine, ProtocolError, Reply, Terms};
use crate::format::Intent;
use crate::names::{AssetPath, Layout, ManifestId, Nonce};

/// Writes a pin, protected by an intent: a prune that runs has seen either the intent or the pin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pin {
    layout: Layout,
    nonce: Nonce,
    writer: String,
    created: u64,
    id: ManifestId,
    files: Vec<AssetPath>,
    terms: Terms,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    Start,
    Intent(Write),
    Gate(Gate),
    Manifest,
    Pin(Write),
    Forget(bool),
    Over,
}

impl Pin {
    /// A machine that has not begun, for a build of these files.
    pub fn new(
        layout: Layout,
        nonce: Nonce,
        writer: &str,
        created: u64,
        (id, files): (ManifestId, Vec<AssetPath>),
        terms: Terms,
    ) -> Self {
        Self { layout, nonce, writer: writer.to_owned(), created, id, files, terms, stage: Stage::Start }
    }

    fn intent(&self) -> ObjectKey {
        self.layout.intent(self.created, &self.nonce)
    }

    fn forget(&mut self, is_pinned: bool) -> Ask<bool> {
        self.stage = Stage::Forget(is_pinned);
        Ask::Delete(self.intent())
    }
}

impl Machine for Pin {
    /// Whether the build is held: it may be gone.
    type End = bool;

    fn step(&mut self, reply: Reply, _now: Duration) -> Result<Ask<bool>, ProtocolError> {
        match (std::mem::replace(&mut self.stage, Stage::Over), reply) {
            (Stage::Start, Reply::Begin) => {
                let (app, nonce) = (self.layout.app().clone(), self.nonce.clone());
                let ttl = self.terms.intent_ttl.as_secs();
                let intent = Intent::new(app, nonce, self.created, ttl, self.files.clone(), &self.writer);
                let write = Write::new(self.intent(), intent.encode(), &self.nonce, Condition::IfAbsent);
                let ask = write.ask();
                self.stage = Stage::Intent(write);
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
            (Stage::Manifest, Reply::Got(None)) => Ok(self.forget(false)),
            (Stage::Manifest, Reply::Got(Some(_))) => {
                let body = bytes::Bytes::from_static(b"{}");
                let write = Write::new(self.layout.pin(self.id), body, &self.nonce, Condition::None);
                let ask = write.ask();
                self.stage = Stage::Pin(write);
                Ok(ask)
            }
            (Stage::Pin(mut write), reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Pin(write);
                    Ok(ask)
                }
                Writing::Written { .. } => Ok(self.forget(true)),
                Writing::Lost(_) => Err(ProtocolError::Defect),
            },
            (Stage::Forget(is_pinned), Reply::Done) => Ok(Ask::End(is_pinned)),
            _ => Err(ProtocolError::Defect),
        }
    }
}
