//! What a command tells while it works.

use std::time::Duration;

use crate::names::AssetPath;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetEvent {
    /// Files will be sent: how many, and how many bytes.
    Sending {
        /// Files.
        files: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// Bytes were sent.
    Sent {
        /// How many.
        bytes: u64,
    },
    /// A file was sent.
    FileSent {
        /// Which.
        path: AssetPath,
    },
    /// An entry point is about to be replaced.
    GoingLive {
        /// Which.
        path: AssetPath,
    },
    /// Somebody else is at work: for so long at most it is waited.
    Waiting {
        /// For what.
        object: String,
        /// How long.
        most: Duration,
    },
    /// A request is sent again.
    Retry {
        /// What was wrong.
        message: String,
    },
    /// Objects will be deleted.
    Deleting {
        /// How many.
        objects: usize,
    },
}

/// Hears of everything that happens.
pub trait AssetReporter: Send + Sync {
    /// Something happened.
    fn event(&self, event: &AssetEvent);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl AssetReporter for Silent {
    fn event(&self, _event: &AssetEvent) {}
}
