//! The second step of every push: looking whether somebody prunes, and waiting for it.

use runway_store::{Condition, ObjectKey};

use super::write::{Write, Writing};
use super::{Ask, Found, ProtocolError, Reply, Terms, patience};
use crate::format::{Marker, MarkerState};
use crate::names::{Layout, Nonce};

/// Waits until nobody prunes. A dead prune's marker is released, so that it cannot be taken for that of a living one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Gate {
    key: ObjectKey,
    nonce: Nonce,
    writer: String,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    Read,
    Watch { found: Found },
    Release(Write),
}

/// How far the waiting is.
pub(super) enum Passing<End> {
    Ask(Ask<End>),
    /// Nobody prunes; whether a dead prune was put aside, which may have deleted files.
    Free {
        took_over: bool,
    },
}

impl Gate {
    pub(super) fn new(layout: &Layout, nonce: &Nonce, writer: &str) -> Self {
        Self { key: layout.marker(), nonce: nonce.clone(), writer: writer.to_owned(), stage: Stage::Read }
    }

    pub(super) fn ask<End>(&self) -> Ask<End> {
        Ask::Get(self.key.clone())
    }

    pub(super) fn step<End>(&mut self, reply: Reply, terms: &Terms) -> Result<Passing<End>, ProtocolError> {
        match (std::mem::replace(&mut self.stage, Stage::Read), reply) {
            (Stage::Read, Reply::Got(None)) => Ok(Passing::Free { took_over: false }),
            (Stage::Read, Reply::Got(Some(found))) => {
                let marker = read(&self.key, &found)?;
                if marker.state == MarkerState::Released {
                    return Ok(Passing::Free { took_over: false });
                }
                match patience(&found, marker.deadline(), terms) {
                    None => Ok(self.release(&found, terms)),
                    Some(patience) => {
                        let (key, etag) = (self.key.clone(), found.etag.clone());
                        self.stage = Stage::Watch { found };
                        Ok(Passing::Ask(Ask::Watch { key, etag, patience }))
                    }
                }
            }
            (Stage::Watch { .. }, Reply::Changed) => Ok(Passing::Ask(self.ask())),
            (Stage::Watch { found }, Reply::Unchanged) => Ok(self.release(&found, terms)),
            (Stage::Release(mut write), reply) => match write.step(reply)? {
                Writing::Ask(ask) => {
                    self.stage = Stage::Release(write);
                    Ok(Passing::Ask(ask))
                }
                Writing::Written { .. } => Ok(Passing::Free { took_over: true }),
                Writing::Lost(_) => Ok(Passing::Ask(self.ask())),
            },
            _ => Err(ProtocolError::Defect),
        }
    }

    fn release<End>(&mut self, found: &Found, terms: &Terms) -> Passing<End> {
        let marker =
            Marker::new(self.nonce.clone(), MarkerState::Released, terms.deadline, &self.writer).encode();
        let condition = Condition::IfMatch(found.etag.clone());
        let write = Write::new(self.key.clone(), marker, &self.nonce, condition);
        let ask = write.ask();
        self.stage = Stage::Release(write);
        Passing::Ask(ask)
    }
}

pub(super) fn read(key: &ObjectKey, found: &Found) -> Result<Marker, ProtocolError> {
    Marker::decode(&found.body).map_err(|error| ProtocolError::unreadable(key, &error))
}
