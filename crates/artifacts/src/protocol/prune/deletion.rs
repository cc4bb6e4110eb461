//! Deleting: batch by batch, and only while the marker is surely this prune's.

use std::collections::BTreeSet;
use std::time::Duration;

use runway_store::{Condition, ETag, ObjectKey};

use super::{BATCH, End, Next, Prune, PruneEnd, PrunePlan, Stage};
use crate::format::{Marker, MarkerState};
use crate::names::AssetPath;
use crate::protocol::write::Write;
use crate::protocol::{Ask, ProtocolError};

/// Deletions of one request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Batch {
    Files(Vec<AssetPath>),
    /// Copies of entry points, manifests and intents, whose files are gone.
    Documents(Vec<ObjectKey>),
}

impl Batch {
    fn len(&self) -> usize {
        match self {
            Self::Files(paths) => paths.len(),
            Self::Documents(keys) => keys.len(),
        }
    }

    /// Takes what is more than so many away.
    fn split_off(&mut self, most: usize) -> Self {
        match self {
            Self::Files(paths) => Self::Files(paths.split_off(most)),
            Self::Documents(keys) => Self::Documents(keys.split_off(most)),
        }
    }
}

impl Prune {
    /// All deletions, the last first: files, then what named them.
    pub(super) fn batches(&self, plan: &PrunePlan) -> Vec<Batch> {
        let mut documents: Vec<ObjectKey> = Vec::new();
        for id in &plan.expire {
            let entries =
                self.manifests.get(id).map(|manifest| manifest.entry.as_slice()).unwrap_or_default();
            documents.extend(entries.iter().map(|path| self.order.layout.copy(*id, path)));
        }
        documents.extend(self.report.stray_copies.iter().cloned());
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
    ///
    /// Before any deletion the marker is written again, on the condition that it is still this prune's, unless that was
    /// done a short time ago. Whoever waits at it sees it change; whoever took it for dead has replaced it, and then
    /// nothing more is deleted.
    pub(super) fn next_batch(&mut self, now: Duration) -> Next {
        let Some(batch) = self.batches.last_mut() else {
            let end = if self.report.failed.is_empty() { PruneEnd::Done } else { PruneEnd::Partial };
            return Ok(self.finish(end, now));
        };
        if now.saturating_sub(self.since) >= self.order.terms.deadline / 2 {
            return self.renew(now);
        }
        if batch.len() > self.most {
            let first = self.most;
            let mut batch_now = self.batches.pop().ok_or(ProtocolError::Defect)?;
            self.batches.push(batch_now.split_off(first));
            self.batches.push(batch_now);
        }
        let batch = match self.batches.pop() {
            Some(Batch::Documents(keys)) => Batch::Documents(self.removable(keys)),
            Some(files) => files,
            None => return Err(ProtocolError::Defect),
        };
        let keys: Vec<ObjectKey> = match &batch {
            Batch::Files(paths) => paths.iter().map(|path| self.order.layout.file(path)).collect(),
            Batch::Documents(keys) => keys.clone(),
        };
        if keys.is_empty() {
            return self.next_batch(now);
        }
        self.stage = Stage::Delete(batch);
        Ok(Ask::DeleteMany { keys, until: self.since + self.order.terms.deadline })
    }

    fn renew(&mut self, now: Duration) -> Next {
        let condition = Condition::IfMatch(self.marker.clone().ok_or(ProtocolError::Defect)?);
        self.written = self.written.renewed();
        let write =
            Write::new(self.order.layout.marker(), self.written.encode(), &self.order.nonce, condition);
        let ask = write.ask();
        self.stage = Stage::Renew { write, sent: now };
        Ok(ask)
    }

    pub(super) fn renewed(&mut self, etag: ETag, sent: Duration, now: Duration) -> Next {
        (self.marker, self.since) = (Some(etag), sent);
        self.next_batch(now)
    }

    /// The answer did not come while the marker was believed: what of the batch is gone is not known. Deleting it again
    /// does no harm, and smaller batches are sooner over.
    pub(super) fn delete_again(&mut self, batch: Batch, now: Duration) -> Next {
        self.lingers = Some(now);
        self.most = (batch.len() / 2).clamp(1, BATCH);
        self.batches.push(batch);
        self.next_batch(now)
    }

    /// Gives the marker back, if there is one, and then it is over. While a deletion may still be under way whose answer
    /// was lost, the marker is kept: a push that sees none would count on files that are about to go.
    pub(super) fn finish(&mut self, end: PruneEnd, now: Duration) -> Ask<End> {
        let Some(etag) = self.marker.clone() else { return self.end(end) };
        let left = self.lingers.map(|since| (since + self.order.terms.pause).saturating_sub(now));
        match left.filter(|left| !left.is_zero()) {
            Some(patience) => {
                self.stage = Stage::Settle(end);
                Ask::Watch { key: self.order.layout.marker(), etag, patience }
            }
            None => self.release(end),
        }
    }

    /// Gives the marker back.
    pub(super) fn release(&mut self, end: PruneEnd) -> Ask<End> {
        self.lingers = None;
        let Some(etag) = self.marker.take() else { return self.end(end) };
        let order = &self.order;
        let marker =
            Marker::new(order.nonce.clone(), MarkerState::Released, order.terms.deadline, &order.writer);
        let condition = Condition::IfMatch(etag);
        let write = Write::new(order.layout.marker(), marker.encode(), &order.nonce, condition);
        let ask = write.ask();
        self.stage = Stage::Release(write, end);
        ask
    }

    pub(super) fn deleted(
        &mut self,
        batch: Batch,
        failed: Vec<ObjectKey>,
        lingers: bool,
        now: Duration,
    ) -> Next {
        if lingers {
            self.lingers = Some(now);
        }
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
}
