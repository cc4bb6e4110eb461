//! What the last run on this machine had of the cache, for `cache status`.

use serde::{Deserialize, Serialize};

use super::run::Cache;
use super::state::Counters;
use super::tier::{LocalFile, LocalTier};

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The command.
    pub command: String,
    /// When it ended, in seconds since 1970.
    pub at: i64,
    /// Whether the bucket was read.
    pub synced: bool,
    /// What it had of the cache.
    pub counters: Counters,
}

impl LastRun {
    /// The last run that left word; a file that cannot be read is none.
    pub fn read(local: &dyn LocalTier) -> Option<Self> {
        serde_json::from_slice(&local.read(&LocalFile::LastRun).ok()??).ok()
    }
}

impl Cache {
    /// Leaves word of this run, if it asked anything.
    pub(super) fn leave_word(&self, local: &dyn LocalTier) {
        let counters = self.counters();
        if counters == Counters::default() {
            return;
        }
        let command = self.setup.as_ref().map(|setup| setup.command.clone()).unwrap_or_default();
        let synced = counters.requests > 0 && !self.state().is_remote_lost;
        let last = LastRun { command, at: self.now(), synced, counters };
        // Without it, the status tells of an earlier run.
        let _ = serde_json::to_vec(&last).map(|bytes| local.write(&LocalFile::LastRun, &bytes));
    }
}
