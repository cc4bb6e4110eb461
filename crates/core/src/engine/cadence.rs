//! How often running stacks are looked at: one rhythm for all of them, learned from what the looks find.

use std::time::Duration;

/// The first look after something was submitted, before anything is known about the provider.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// No look comes sooner than this after the last submission or look.
const SHORTEST: Duration = Duration::from_millis(200);

/// Decides when to look next.
///
/// CloudFormation takes seconds to minutes, emulators take milliseconds. A provider whose operations are always over
/// at the first look is looked at sooner from then on; one where nothing moves is looked at less and less often, up
/// to a limit; any movement brings the rhythm back.
#[derive(Debug, Clone)]
pub(crate) struct Cadence {
    first: Duration,
    pause: Duration,
    limit: Duration,
}

impl Cadence {
    /// A cadence that never pauses longer than `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        let limit = limit.max(SHORTEST);
        Self { first: FIRST_LOOK.min(limit), pause: FIRST_LOOK.min(limit), limit }
    }

    /// Something was submitted: the next look comes after the learned first pause.
    pub(crate) fn submitted(&mut self) {
        self.pause = self.first;
    }

    /// A look is over. `ended` and `running` count the operations it found at their end and still under way;
    /// `moved` says whether anything at all had changed.
    pub(crate) fn looked(&mut self, ended: usize, running: usize, moved: bool) {
        if running == 0 && ended > 0 {
            self.first = (self.first / 2).max(SHORTEST);
        } else if running > 0 && ended == 0 && self.first < FIRST_LOOK {
            self.first = (self.first * 2).min(FIRST_LOOK).min(self.limit);
        }
        self.pause = if moved { FIRST_LOOK.max(self.pause / 2) } else { self.pause * 3 / 2 }.min(self.limit);
    }

    /// The provider asked to slow down.
    pub(crate) fn throttled(&mut self) {
        self.pause = (self.pause * 2).max(FIRST_LOOK).min(self.limit.max(Duration::from_secs(10)));
    }

    /// Time until the next look.
    pub(crate) fn pause(&self) -> Duration {
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_provider_is_looked_at_sooner_and_sooner() {
        let mut cadence = Cadence::new(Duration::from_secs(30));
        let mut waited = Duration::ZERO;
        for _ in 0..20 {
            cadence.submitted();
            waited += cadence.pause();
            cadence.looked(1, 0, true);
        }
        assert!(waited < Duration::from_secs(6), "a chain of 20 waited {waited:?}");
    }

    #[test]
    fn a_slow_provider_is_looked_at_less_often_but_within_the_limit() {
        let mut cadence = Cadence::new(Duration::from_secs(5));
        cadence.submitted();
        for _ in 0..20 {
            cadence.looked(0, 3, false);
            assert!(cadence.pause() <= Duration::from_secs(5));
        }
        assert_eq!(cadence.pause(), Duration::from_secs(5));
        cadence.looked(1, 2, true);
        assert!(cadence.pause() < Duration::from_secs(3), "movement brings the rhythm back");
    }
}
