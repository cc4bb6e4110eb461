//! Manifests that are newer than what the head says: the newest one tells what is in the bucket, and those of writers that
//! keep no head were live since.

use std::sync::Arc;

use super::{Next, Push, PushEnd, PushReport, Stage};
use crate::format::{Head, Manifest};
use crate::names::ManifestId;
use crate::protocol::pages::AllPages;
use crate::protocol::{Ask, Found, ProtocolError, keeps_a_head};

impl Push {
    pub(super) fn read_newer(&mut self, all: AllPages) -> Next {
        self.dated(all.date);
        let layout = &self.order.layout;
        let manifests = all.found.iter().filter_map(|listed| layout.manifest_of(&listed.key));
        self.report.manifests = manifests.collect();
        let head = self.head.as_ref().map(|found| Head::decode(&found.body)).transpose();
        let head = head.map_err(|error| ProtocolError::unreadable(&layout.head(), &error))?;
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
        let keys = ids.iter().map(|id| self.order.layout.manifest(*id)).collect();
        self.stage = Stage::Newer(ids);
        Ok(Ask::GetMany(keys))
    }

    pub(super) fn take_newer(
        &mut self,
        ids: Vec<ManifestId>,
        found: Vec<Option<Found>>,
    ) -> Ask<(PushEnd, PushReport)> {
        let last = self.report.manifests.iter().max().copied();
        let mut newest = None;
        self.unheaded.clear();
        for (id, found) in ids.into_iter().zip(found) {
            let Some(found) = found else { continue };
            // One that cannot be read proves nothing; a prune will complain about it.
            let Ok(manifest) = Manifest::decode(&found.body) else { continue };
            if !keeps_a_head(&manifest, &found) {
                self.unheaded.push(id);
            }
            if Some(id) == last && self.may_skip {
                newest = Some(Arc::new(manifest));
            }
        }
        self.list_data(newest)
    }
}
