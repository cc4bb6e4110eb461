//! The protocol as it is, and the ways of getting it wrong that the explorer has to find.

use runway_core::lock::rules::{Rule, Rules};

/// One way of running a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// As production does.
    Sound,
    /// One rule of the protocol is left out.
    Without(Rule),
    /// There is no lease: the tag alone tells whether somebody works.
    TagIsTheOnlyLock,
    /// The owner of an expired lease believes in it on.
    WallClocks,
    /// The content is read before the lease, the entity tags for the writes after it.
    ETagsReadUnderTheLease,
    /// Reads again under the lease and works on without renewing it.
    ReadAgainWithoutRenewing,
    /// Renews the lease, then reads again.
    RenewBeforeReadingAgain,
    /// Nodes are dropped before their stacks are deleted.
    ForgetBeforeDelete,
    /// Stacks are created before they are recorded.
    CreateBeforeRecord,
    /// The tag is set and removed by requests of its own, which take no condition.
    TaggingRequests,
    /// The lease is deleted before the graph is unlocked.
    LeaseDeletedFirst,
    /// An intent counts as settled as soon as its stack is absent.
    AbsentStackSettlesIntents,
    /// The tags are read before the graph.
    TagsReadBeforeGraph,
    /// Stacks are deleted by name.
    DeleteByName,
    /// Nobody looks at the tag before changes and before the last write.
    NoLooks,
    /// Nobody looks at the tag between recording and the first change.
    NoLookAfterRecording,
    /// The stacks are described after the last look.
    DescribeAfterLook,
    /// The graph is not repaired from the state.
    NoRepair,
    /// The graph is repaired from facts, but not from intents.
    RepairFromFactsOnly,
}

impl Variant {
    /// The rules that its sessions follow.
    pub(crate) fn rules(self) -> Rules {
        match self {
            Self::Without(rule) => Rules::ALL.without(rule),
            // Without a lease, nothing else tells a living session's tag from a dead one's.
            Self::TagIsTheOnlyLock => Rules::ALL.without(Rule::LeaseDecides),
            Self::NoLooks => Rules::ALL.without(Rule::LookBeforeLastWrite),
            _ => Rules::ALL,
        }
    }
}
