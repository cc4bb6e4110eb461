//! A local tier in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::tier::{LocalBlob, LocalFile, LocalTier};

/// Files of a machine, in memory.
#[derive(Debug, Default)]
pub struct MemoryTier(Mutex<BTreeMap<LocalFile, Vec<u8>>>);

impl MemoryTier {
    /// The files, to look at and to damage.
    pub fn files(&self) -> MutexGuard<'_, BTreeMap<LocalFile, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalTier for MemoryTier {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn read(&self, file: &LocalFile) -> Result<Option<Vec<u8>>, String> {
        Ok(self.files().get(file).cloned())
    }

    fn write(&self, file: &LocalFile, bytes: &[u8]) -> Result<(), String> {
        self.files().insert(*file, bytes.to_vec());
        Ok(())
    }

    fn remove(&self, file: &LocalFile) -> Result<(), String> {
        self.files().remove(file);
        Ok(())
    }

    fn blobs(&self) -> Vec<LocalBlob> {
        let files = self.files();
        let blobs = files.iter().filter_map(|(file, bytes)| match file {
            LocalFile::Blob(digest) => Some((*digest, bytes.len() as u64)),
            _ => None,
        });
        // Never old: there is no clock.
        blobs.map(|(digest, bytes)| LocalBlob { digest, bytes, modified: Timestamp::MAX }).collect()
    }
}
