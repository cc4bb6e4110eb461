//! Sending files: what is new first, and what changes bytes that others may read as late as possible.

use std::time::Duration;

use super::{Class, FlipEnd, Next, Push, PushEnd, Stage};
use crate::format::{Head, HeadState};
use crate::protocol::Ask;

/// For so long a head that was read is taken for what it is.
const MOMENT: Duration = Duration::from_secs(10);

/// What is sent after the files that are new.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Rest {
    /// Files of names that exist.
    over: Vec<usize>,
    late: Vec<usize>,
}

impl Push {
    pub(super) fn send(&mut self, items: Vec<usize>, now: Duration) -> Next {
        self.report.skipped = self.etags.len();
        let class = |item: &usize| self.order.items.get(*item).map(|item| item.class);
        let (late, bulk): (Vec<usize>, Vec<usize>) =
            items.into_iter().partition(|item| class(item) == Some(Class::Late));
        let (over, fresh): (Vec<usize>, Vec<usize>) =
            bulk.into_iter().partition(|item| self.there.contains(item));
        self.report.sent.clone_from(&fresh);
        let rest = Rest { over, late };
        if fresh.is_empty() {
            // The head was read before the listings, and nothing that takes long was done since.
            return self.send_rest(rest, now);
        }
        self.stage = Stage::Fresh(rest);
        Ok(Ask::Send(fresh))
    }

    /// Whoever is about to change bytes under their names looks once more whether a newer build is live by now, unless that
    /// was looked at a moment ago.
    pub(super) fn look_again(&mut self, rest: Rest, now: Duration) -> Next {
        let changes = rest.over.iter().chain(&rest.late).any(|item| self.there.contains(item));
        if changes && now.saturating_sub(self.looked) >= MOMENT {
            self.stage = Stage::HeadAgain(rest);
            return Ok(Ask::Get(self.order.layout.head()));
        }
        self.send_rest(rest, now)
    }

    pub(super) fn send_rest(&mut self, Rest { over, late }: Rest, now: Duration) -> Next {
        let changes = over.iter().chain(&late).any(|item| self.there.contains(item));
        if changes && let Some(end) = self.gives_way() {
            // The intent stays: what was sent is found by it.
            return Ok(self.end(end));
        }
        self.report.sent.extend(over.iter().chain(&late));
        if over.is_empty() {
            return self.send_late(late, now);
        }
        self.stage = Stage::Bulk { late };
        Ok(Ask::Send(over))
    }

    pub(super) fn send_late(&mut self, late: Vec<usize>, now: Duration) -> Next {
        if late.is_empty() {
            return self.check_intent(now);
        }
        self.stage = Stage::Late;
        Ok(Ask::Send(late))
    }

    /// How it ends if a newer build is live, or on its way: such a push may add files, and never changes what is there.
    pub(super) fn gives_way(&self) -> Option<PushEnd> {
        let mine = self.order.build.timestamp.filter(|_| !self.order.mode.allow_older)?;
        let head = Head::decode(&self.head.as_ref()?.body).ok()?;
        let is_unfinished = head.state == HeadState::Flipping;
        (head.build_ts > mine)
            .then_some(PushEnd::Flipped(FlipEnd::Superseded { by: head.manifest, is_unfinished }))
    }
}
