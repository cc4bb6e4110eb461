//! Whether the very same build is live already.

use std::sync::Arc;
use std::time::Duration;

use super::choice::{self, Data, is_live};
use super::order::{Class, Item};
use super::{Next, Push, PushEnd, PushReport, Stage};
use crate::format::{FileFacts, Head, HeadState, Manifest};
use crate::names::ManifestId;
use crate::protocol::flip::Flip;
use crate::protocol::pages::{AllPages, Pages};
use crate::protocol::{Ask, Found, ProtocolError};

impl Push {
    pub(super) fn read_live(&mut self, found: Option<Found>, now: Duration) -> Next {
        (self.head, self.looked) = (found, now);
        let Some(found) = &self.head else { return Ok(self.write_intent(now)) };
        let key = self.order.layout.head();
        let head = Head::decode(&found.body).map_err(|error| ProtocolError::unreadable(&key, &error))?;
        if head.state != HeadState::Published {
            return Ok(self.write_intent(now));
        }
        self.live = Some((head.manifest, Arc::default()));
        self.stage = Stage::Live;
        Ok(Ask::Get(self.order.layout.manifest(head.manifest)))
    }

    /// If the live build consists of the very same files, all that is left to know is whether they are there. That needs
    /// no intent: nothing of a live build is ever deleted.
    pub(super) fn compare_live(&mut self, found: Option<Found>, now: Duration) -> Next {
        let manifest = found.and_then(|found| Manifest::decode(&found.body).ok());
        let live = self.live.take().zip(manifest).map(|((id, _), manifest)| (id, Arc::new(manifest)));
        let is_same = live.as_ref().is_some_and(|(_, manifest)| is_live(&self.order, manifest));
        self.live = live;
        if !is_same {
            return Ok(self.write_intent(now));
        }
        let pages = Pages::new(self.order.layout.manifests());
        self.stage = Stage::LiveManifests(pages.clone());
        Ok(pages.ask())
    }

    pub(super) fn list_live(&mut self) -> Ask<(PushEnd, PushReport)> {
        let pages = Pages::new(self.order.layout.data());
        self.stage = Stage::LiveData(pages.clone());
        pages.ask()
    }

    /// Entry points that differ from those of the build that was live before; all of them if it is not known what was there.
    pub(super) fn changed(&self, flip: &Flip, previous: Option<ManifestId>) -> Vec<usize> {
        let live = self.live.as_ref().filter(|(id, _)| flip.is_direct() && Some(*id) == previous);
        let is_same = |item: &Item| {
            let before = live.and_then(|(_, live)| live.objects.get(&item.path));
            before.is_some_and(|facts| {
                FileFacts { etag: None, ..facts.clone() } == FileFacts { etag: None, ..item.facts.clone() }
            })
        };
        let entries = self.order.items.iter().enumerate().filter(|(_, item)| item.class == Class::Entry);
        entries.filter(|(_, item)| !is_same(item)).map(|(number, _)| number).collect()
    }

    pub(super) fn end_if_live(&mut self, all: AllPages, now: Duration) -> Next {
        self.dated(all.date);
        let data = Data::of(&self.order.layout, &all.found);
        let Some((_, live)) = self.live.clone() else { return Err(ProtocolError::Defect) };
        match choice::unproven(&self.order.items, &live, &data) {
            None => Ok(self.write_intent(now)),
            Some(asked) if asked.is_empty() => self.already_live(),
            Some(asked) => {
                self.stage = Stage::LiveEntries(asked.clone());
                Ok(Ask::Prove(asked))
            }
        }
    }

    pub(super) fn already_live(&mut self) -> Next {
        self.report.manifest = self.live.as_ref().map(|(id, _)| *id);
        self.report.skipped = self.order.items.len();
        Ok(self.end(PushEnd::AlreadyLive))
    }
}
