//! The rules that keep the protocol sound, one by one.
//!
//! Production follows all of them. Tests leave one out at a time and check that the explorer finds the harm.

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Rule {
    /// Writes of the graph have a condition.
    GraphCondition,
    /// The deletion of the empty graph has a condition.
    GraphDeletionCondition,
    /// The deletion of the lease has a condition.
    LeaseDeletionCondition,
    /// Writes of the state have a condition.
    StateCondition,
    /// Every lease has bytes of its own, so that an observer sees a renewal.
    LeaseNonce,
    /// The body of the locked graph carries a nonce.
    BodyNonce,
    /// Lock codes of runway-rs can be told from CFNgin's.
    Mark,
    /// After a lost answer, a refused repetition counts as success only if the object carries the own nonce.
    CompareAfterLostAnswer,
    /// A missing tag releases a lease only if the body carries the lease's code.
    MissingTagNeedsCarriedCode,
    /// A removed tag releases the lock.
    RemovedTagReleases,
    /// Other tags are kept.
    OtherTagsKept,
    /// The tag is looked at before the last graph write.
    LookBeforeLastWrite,
    /// Under an own lease, the tag of another session belongs to a dead one.
    LeaseDecides,
}

/// The rules that a session follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules(u32);

impl Rules {
    /// All of them.
    pub const ALL: Self = Self(u32::MAX);

    /// All but one, for showing that it is needed.
    #[cfg(any(test, feature = "test-support"))]
    #[must_use]
    pub fn without(self, rule: Rule) -> Self {
        Self(self.0 & !(1 << rule as u8))
    }

    /// Whether `rule` is followed.
    pub fn follow(self, rule: Rule) -> bool {
        self.0 >> rule as u8 & 1 == 1
    }
}
