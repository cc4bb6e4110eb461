//! What may happen in a search.

/// What the store or the sessions do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Defects {
    /// Intents are not written.
    pub(super) no_intent: bool,
    /// Pushes do not see markers.
    pub(super) no_marker: bool,
    /// Prunes read manifests as they were before they listed intents.
    pub(super) manifests_first: bool,
    /// Manifests appear only when the push is over.
    pub(super) manifest_last: bool,
    /// Whoever waits may lose patience with a living writer.
    pub(super) impatient: bool,
    /// Entry points are written without conditions.
    pub(super) plain_entries: bool,
    /// The head is written without conditions.
    pub(super) plain_head: bool,
    /// Prunes do not see the head, nor what tells that there was one.
    pub(super) no_head: bool,
    /// Prunes write their marker again without conditions.
    pub(super) plain_marker: bool,
    /// Prunes that give up release their marker, whatever is under way.
    pub(super) early_release: bool,
    /// Prunes do not know that the answer to a deletion was lost.
    pub(super) no_settling: bool,
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rules {
    pub(super) crashes: usize,
    /// Intents of dead pushes expire.
    pub(super) expiry: bool,
    /// Answers to writes that are lost, in all.
    pub(super) lost: usize,
    /// Sessions that give up, in all, while their request is under way: it may be carried out at any time until they have
    /// to be taken for dead.
    pub(super) give_ups: usize,
    /// Deletions whose answer is lost, in all: they are sent again, and the first may be carried out later.
    pub(super) echoes: usize,
    /// Prunes that pause for so long that others take them for dead, in all; none while its deletion is under way.
    pub(super) sleeps: usize,
    /// Prunes take so long for everything that they have to write their markers again.
    pub(super) slow: bool,
    /// Requests that hardly matter to others are made in one step with the one before: 0 for none, 1 for some, 2 for most.
    pub(super) coarse: u8,
    pub(super) defects: Defects,
}

impl Defects {
    pub(super) const NONE: Self = Self {
        no_intent: false,
        no_marker: false,
        manifests_first: false,
        manifest_last: false,
        impatient: false,
        plain_entries: false,
        plain_head: false,
        no_head: false,
        plain_marker: false,
        early_release: false,
        no_settling: false,
    };
}

impl Rules {
    pub(super) const NONE: Self = Self {
        crashes: 0,
        expiry: false,
        lost: 0,
        give_ups: 0,
        echoes: 0,
        sleeps: 0,
        slow: false,
        coarse: 0,
        defects: Defects::NONE,
    };
}
