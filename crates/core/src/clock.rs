//! Time as a value that is handed in.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// The clocks of one process.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall-clock time; for people, and as the second opinion on whether a machine was suspended.
    fn now(&self) -> Timestamp;
    /// Time that only moves forward and counts while the machine is suspended (`CLOCK_BOOTTIME`), from any origin.
    fn monotonic(&self) -> Duration;
    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// A clock that follows tokio's timer: under a paused runtime, time moves only when every task waits.
#[derive(Debug, Clone)]
pub struct TokioClock {
    origin: Timestamp,
    started: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `origin` now. Must be called inside a tokio runtime.
    pub fn starting_at(origin: Timestamp) -> Self {
        Self { origin, started: tokio::time::Instant::now() }
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = jiff::SignedDuration::try_from(self.started.elapsed()).unwrap_or_default();
        self.origin.saturating_add(elapsed).unwrap_or(self.origin)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
