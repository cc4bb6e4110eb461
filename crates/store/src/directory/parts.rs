//! Bodies that come in parts: a folder for each, with a file that says what it is to be, and one file a part.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fs_err as fs;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::files::{children, refusal};
use crate::digest::ContentDigest;
use crate::error::StoreErrorKind;
use crate::key::ObjectKey;
use crate::object::{Condition, ETag, Part, Put, Tags, Upload, UserMetadata};
use crate::record::{self, Refusal};

/// Name of the file that says what a body is to be.
const PLAN: &str = "upload.json";

/// All unfinished bodies of a bucket.
pub(super) struct Uploads {
    root: PathBuf,
}

/// What a body is to be.
#[derive(Serialize, Deserialize)]
struct Plan {
    key: ObjectKey,
    started: Timestamp,
    content_type: Option<String>,
    cache_control: Option<String>,
    user: UserMetadata,
    tags: Tags,
}

/// A body that is complete, read part by part.
pub(super) struct Assembled {
    plan: Plan,
    pub(super) length: u64,
    pub(super) body: Pieces,
}

impl Assembled {
    pub(super) fn put(&self) -> Put {
        Put {
            condition: Condition::None,
            content_type: self.plan.content_type.clone(),
            cache_control: self.plan.cache_control.clone(),
            user: self.plan.user.clone(),
            sha256: None,
            tags: self.plan.tags.clone(),
        }
    }
}

impl Uploads {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn begin(&self, key: &ObjectKey, how: Put, now: Timestamp) -> Result<Upload, Refusal> {
        static BEGUN: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.root).map_err(refusal)?;
        let plan = Plan {
            key: key.clone(),
            started: now,
            content_type: how.content_type,
            cache_control: how.cache_control,
            user: how.user,
            tags: how.tags,
        };
        let text = serde_json::to_vec(&plan).map_err(|error| refusal(error.into()))?;
        let process = std::process::id();
        // A process may have the number of one that died; then its first free count is a later one.
        loop {
            let id = format!("{process}-{}", BEGUN.fetch_add(1, Ordering::Relaxed));
            match fs::create_dir(self.root.join(&id)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                created => {
                    created.map_err(refusal)?;
                    fs::write(self.root.join(&id).join(PLAN), text).map_err(refusal)?;
                    return Ok(Upload { id, key: key.clone(), started: Some(now) });
                }
            }
        }
    }

    pub(super) fn keep(
        &self,
        upload: &Upload,
        number: u32,
        body: &Bytes,
        sha256: Option<ContentDigest>,
    ) -> Result<Part, Refusal> {
        self.plan(upload)?;
        let etag = record::digest(body);
        let folder = self.folder(upload)?;
        // The name says which bytes it holds, so that a part that is sent again is another file.
        let unfinished = folder.join(format!("{number}.{etag}.unfinished"));
        let write = || {
            let mut file = fs::File::create(&unfinished)?;
            file.write_all(body)?;
            file.sync_all()?;
            fs::rename(&unfinished, folder.join(part_name(number, &etag)))
        };
        write().map_err(refusal)?;
        Ok(Part { number, etag, sha256 })
    }

    pub(super) fn assemble(&self, upload: &Upload, parts: &[Part]) -> Result<Assembled, Refusal> {
        let plan = self.plan(upload)?;
        let folder = self.folder(upload)?;
        let mut kept = BTreeMap::new();
        let (mut length, mut left) = (0, VecDeque::new());
        for part in parts {
            let path = folder.join(part_name(part.number, &part.etag));
            let Ok(metadata) = fs::metadata(&path) else { break };
            length += metadata.len();
            left.push_back(path);
            kept.insert(part.number, part.etag.clone());
        }
        record::allow_parts(parts, |number| kept.get(&number))?;
        let body = Pieces { left, open: None };
        Ok(Assembled { plan, length, body })
    }

    /// Throws everything of an upload away; one that is not known is none.
    pub(super) fn forget(&self, upload: &Upload) -> Result<(), Refusal> {
        match fs::remove_dir_all(self.folder(upload)?) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(refusal(error)),
            _ => Ok(()),
        }
    }

    pub(super) fn below(&self, prefix: &str) -> Result<Vec<Upload>, Refusal> {
        let mut found = Vec::new();
        for path in children(&self.root).map_err(refusal)? {
            let Some(id) = path.file_name().and_then(|name| name.to_str()) else { continue };
            // One that is completed meanwhile is none any more.
            let Ok(text) = fs::read(path.join(PLAN)) else { continue };
            let Ok(plan) = serde_json::from_slice::<Plan>(&text) else { continue };
            if plan.key.as_str().starts_with(prefix) {
                found.push(Upload { id: id.to_owned(), key: plan.key, started: Some(plan.started) });
            }
        }
        found.sort_unstable_by(|left, right| (&left.key, &left.id).cmp(&(&right.key, &right.id)));
        found.truncate(record::PAGE);
        Ok(found)
    }

    fn plan(&self, upload: &Upload) -> Result<Plan, Refusal> {
        match fs::read(self.folder(upload)?.join(PLAN)) {
            Ok(text) => match serde_json::from_slice::<Plan>(&text) {
                Ok(plan) if plan.key == upload.key => Ok(plan),
                _ => Err(record::no_upload()),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Err(record::no_upload()),
            Err(error) => Err(refusal(error)),
        }
    }

    /// Ids are ours, but they come back from callers: none may lead out of the directory.
    fn folder(&self, upload: &Upload) -> Result<PathBuf, Refusal> {
        let plain = |byte: u8| byte.is_ascii_digit() || byte == b'-';
        if upload.id.is_empty() || !upload.id.bytes().all(plain) {
            return Err((StoreErrorKind::Invalid, "no upload has such an id".to_owned()));
        }
        Ok(self.root.join(&upload.id))
    }
}

fn part_name(number: u32, etag: &ETag) -> String {
    format!("{number}.{etag}.part")
}

/// Files one after the other, each opened when its bytes are wanted: there may be more than a process may open.
pub(super) struct Pieces {
    left: VecDeque<PathBuf>,
    open: Option<fs::File>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(file) = &mut self.open {
                let read = file.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
            }
            match self.left.pop_front() {
                Some(path) => self.open = Some(fs::File::open(path)?),
                None => return Ok(0),
            }
        }
    }
}
