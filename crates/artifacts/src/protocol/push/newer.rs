//! Manifests that are newer than what the head says: the newest one tells what is in the bucket, and those of writers that
//! keep no head were live since.

use std::sync::Arc;
use std::time::Duration;

use super::{Next, Push, PushEnd, PushReport, Stage};
use crate::format::{Head, Manifest};
use crate::names::ManifestId;
use crate::protocol::pages::AllPages;
use crate::protocol::{Ask, Found, ProtocolError, keeps_a_head};

impl Push {
    fn listed(&self, all: &AllPages) -> Vec<ManifestId> {
        all.found.iter().filter_map(|listed| self.order.layout.manifest_of(&listed.key)).collect()
    }

    fn head_was(&self) -> Result<Option<Head>, ProtocolError> {
        let head = self.head.as_ref().map(|found| Head::decode(&found.body)).transpose();
        head.map_err(|error| ProtocolError::unreadable(&self.order.layout.head(), &error))
    }

    fn read_each(&self, ids: &[ManifestId]) -> Ask<(PushEnd, PushReport)> {
        Ask::GetMany(ids.iter().map(|id| self.order.layout.manifest(*id)).collect())
    }

    /// Whether the live build of the head is still live: it is not if somebody pushed who keeps no head.
    pub(super) fn look_for_newer(&mut self, all: &AllPages) -> Next {
        let Some(head) = self.head_was()? else { return Err(ProtocolError::Defect) };
        let mut ids = self.listed(all);
        ids.retain(|id| head.tells_nothing_of(*id));
        if ids.is_empty() {
            return Ok(self.list_live());
        }
        let ask = self.read_each(&ids);
        self.stage = Stage::LiveNewer(ids);
        Ok(ask)
    }

    pub(super) fn stays_live(
        &mut self,
        ids: Vec<ManifestId>,
        found: Vec<Option<Found>>,
        now: Duration,
    ) -> Ask<(PushEnd, PushReport)> {
        self.take_each(ids, found);
        if self.unheaded.is_empty() { self.list_live() } else { self.write_intent(now) }
    }

    pub(super) fn read_newer(&mut self, all: AllPages) -> Next {
        self.dated(all.date);
        self.report.manifests = self.listed(&all);
        let head = self.head_was()?;
        let newest = self.report.manifests.iter().max().copied();
        let is_known = |id: ManifestId| self.live.as_ref().is_some_and(|(live, _)| *live == id);
        let is_newer = |id: &ManifestId| {
            let is_later = head.as_ref().is_some_and(|head| head.tells_nothing_of(*id));
            is_later || (self.may_skip && Some(*id) == newest && !is_known(*id))
        };
        let ids: Vec<ManifestId> = self.report.manifests.iter().copied().filter(is_newer).collect();
        if ids.is_empty() {
            let known = self.live.as_ref().filter(|(live, _)| Some(*live) == newest);
            let newest = known.map(|(_, manifest)| Arc::clone(manifest));
            return Ok(self.list_data(newest));
        }
        let ask = self.read_each(&ids);
        self.stage = Stage::Newer(ids);
        Ok(ask)
    }

    pub(super) fn take_newer(
        &mut self,
        ids: Vec<ManifestId>,
        found: Vec<Option<Found>>,
    ) -> Ask<(PushEnd, PushReport)> {
        let last = self.report.manifests.iter().max().copied();
        let read = self.take_each(ids, found);
        let newest = read.filter(|(id, _)| Some(*id) == last && self.may_skip);
        self.list_data(newest.map(|(_, manifest)| Arc::new(manifest)))
    }

    /// Remembers which of them are of writers that keep no head, and gives the newest one that can be read.
    fn take_each(
        &mut self,
        ids: Vec<ManifestId>,
        found: Vec<Option<Found>>,
    ) -> Option<(ManifestId, Manifest)> {
        self.unheaded.clear();
        let mut newest: Option<(ManifestId, Manifest)> = None;
        for (id, found) in ids.into_iter().zip(found) {
            // One that cannot be read proves nothing; a prune will complain about it.
            let read = found.and_then(|found| Some((Manifest::decode(&found.body).ok()?, found)));
            let Some((manifest, found)) = read else { continue };
            if !keeps_a_head(&manifest, &found) {
                self.unheaded.push(id);
            }
            if newest.as_ref().is_none_or(|(newest, _)| *newest < id) {
                newest = Some((id, manifest));
            }
        }
        newest
    }
}
