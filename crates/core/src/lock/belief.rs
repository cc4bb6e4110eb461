//! How long a session may believe that its lease is valid, and how an observer learns that one is not.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;

/// One moment by the two clocks of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    monotonic: Duration,
    wall: Timestamp,
}

impl Moment {
    /// Now.
    pub fn now(clock: &dyn Clock) -> Self {
        Self { monotonic: clock.monotonic(), wall: clock.now() }
    }

    /// Time since this moment by the larger of the two clocks: one of them may have stood still while the machine
    /// was suspended, or may have been set back.
    pub fn elapsed(&self, clock: &dyn Clock) -> Duration {
        let wall = Duration::try_from(clock.now().duration_since(self.wall)).unwrap_or_default();
        self.monotonic_elapsed(clock).max(wall)
    }

    /// Time since this moment by the monotonic clock, as an observer measures it.
    pub fn monotonic_elapsed(&self, clock: &dyn Clock) -> Duration {
        clock.monotonic().saturating_sub(self.monotonic)
    }

    /// Time from `earlier` to this moment, by the monotonic clock.
    pub fn since(&self, earlier: &Self) -> Duration {
        self.monotonic.saturating_sub(earlier.monotonic)
    }
}

/// Whether a lease that was sent at `sent` may still be believed: for three quarters of its time to live. The last
/// quarter is for clocks that run at different rates and for requests under way.
pub fn believed(sent: &Moment, ttl: Duration, clock: &dyn Clock) -> bool {
    sent.elapsed(clock) < ttl / 4 * 3
}
