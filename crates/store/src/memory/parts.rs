//! Bodies that come in parts.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;

use crate::digest::ContentDigest;
use crate::key::ObjectKey;
use crate::object::{ETag, Part, Put, Upload};
use crate::record::{self, Refusal};

/// Everything that is being sent in parts.
#[derive(Default)]
pub(super) struct Uploads {
    begun: usize,
    pending: BTreeMap<String, Pending>,
}

/// One body under way.
struct Pending {
    key: ObjectKey,
    how: Put,
    started: Timestamp,
    parts: BTreeMap<u32, (ETag, Bytes)>,
}

impl Uploads {
    pub(super) fn begin(&mut self, key: &ObjectKey, how: &Put, now: Timestamp) -> Upload {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        let pending = Pending { key: key.clone(), how: how.clone(), started: now, parts: BTreeMap::new() };
        self.pending.insert(id.clone(), pending);
        Upload { id, key: key.clone(), started: Some(now) }
    }

    pub(super) fn keep(
        &mut self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, Refusal> {
        record::allow_body(&body, sha256)?;
        let pending = self.known_mut(upload)?;
        let etag = record::digest(&body);
        pending.parts.insert(number, (etag.clone(), body));
        Ok(Part { number, etag, sha256: sha256.copied() })
    }

    /// The whole body, and how it is to be written.
    pub(super) fn assemble(&mut self, upload: &Upload, parts: &[Part]) -> Result<(Bytes, Put), Refusal> {
        let pending = self.known_mut(upload)?;
        record::allow_parts(parts, |number| pending.parts.get(&number).map(|(etag, _)| etag))?;
        let mut body = BytesMut::new();
        for (_, piece) in parts.iter().filter_map(|part| pending.parts.get(&part.number)) {
            body.extend_from_slice(piece);
        }
        Ok((body.freeze(), pending.how.clone()))
    }

    pub(super) fn forget(&mut self, upload: &Upload) {
        if self.known_mut(upload).is_ok() {
            self.pending.remove(&upload.id);
        }
    }

    pub(super) fn below(&self, prefix: &str) -> Vec<Upload> {
        let below = self.pending.iter().filter(|(_, pending)| pending.key.as_str().starts_with(prefix));
        below
            .map(|(id, pending)| Upload {
                id: id.clone(),
                key: pending.key.clone(),
                started: Some(pending.started),
            })
            .collect()
    }

    fn known_mut(&mut self, upload: &Upload) -> Result<&mut Pending, Refusal> {
        self.pending
            .get_mut(&upload.id)
            .filter(|pending| pending.key == upload.key)
            .ok_or_else(record::no_upload)
    }
}
