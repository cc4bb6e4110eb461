//! One session as the engine runs it: the order of operations, around the protocol that production drives.

mod requests;
mod steps;

use runway_core::lock::protocol::Protocol;
use runway_core::lock::terms::{Code as _, Seen};

pub(crate) use self::steps::Steps;
use crate::variant::Variant;
use crate::world::{Author, Intents, Small, Stacks, State};

/// What a session does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum At {
    /// Not part of the scenario, killed, or at its end.
    Gone,
    /// Reads lease, graph, state and stacks.
    Read,
    /// Reads the tags.
    ReadTags,
    /// Decides whether the lease may be taken.
    Decide,
    Acquiring,
    Recording,
    /// Reads again under the lease, because graph or state were not as read before.
    ReadAgain,
    /// Reads again only the entity tags.
    ReadETags,
    Fencing,
    /// Describes the stacks before the first change.
    Describe,
    Confirming,
    /// Looks at the tag before a further batch of changes.
    Looking,
    /// Checks that the lease may still be believed.
    Check,
    /// Submits one change.
    Change,
    /// Describes the stacks after the last change.
    DescribeLast,
    Releasing,
    GivingUp,
}

/// What a session read before its lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Premises {
    seen: Seen<Small>,
    lease_serial: u8,
    graph: Stacks,
    state: State,
    stacks: [Option<u8>; 2],
}

/// What a session recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Recorded {
    graph: Stacks,
    state: State,
    own: Intents,
    /// Incarnations to delete.
    ids: [Option<u8>; 2],
}

/// Looks at the tag, seen from an operator who has removed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Looks {
    /// The last thing was a look, so a change may follow.
    fresh: bool,
    /// The tag was removed after the last look, but before the change that it was for.
    excused: bool,
    /// The tag was removed after the last look.
    stale: bool,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    pub(crate) id: u8,
    pub(crate) config: Stacks,
    pub(crate) at: At,
    /// Whether it believes that its lease is valid.
    pub(crate) believes: bool,
    /// A write of the lease that was sent and not yet answered: whether it is worth believing in. It counts from its
    /// first sending, so not after somebody has watched the lease for its time to live.
    pub(crate) lease_sent: Option<bool>,
    pub(crate) looks: Looks,
    /// Whether the write that unlocks was sent, whatever became of it: nothing is changed after that.
    unlocking: bool,
    /// Nodes that its last write may drop.
    pub(crate) forgets: Stacks,
    protocol: Protocol<Small>,
    premises: Option<Premises>,
    watched: bool,
    recorded: Recorded,
    creates: Stacks,
    deletes: Stacks,
    /// What it knows of the stacks.
    stacks: [Option<u8>; 2],
    /// A tagging request that is still to be sent, in the variant that has them.
    tagging: Option<Option<Author>>,
}

impl Looks {
    /// Somebody removed the tag.
    pub(crate) fn tag_removed(&mut self) {
        if self.fresh {
            self.excused = true;
        } else {
            self.stale = true;
        }
    }

    fn looked(&mut self) {
        *self = Self { fresh: true, ..Self::default() };
    }

    fn passed(&mut self) {
        self.fresh = false;
    }

    /// A change, or a write of the graph. `false` if the tag was removed since the last look.
    pub(crate) fn acts(&mut self) -> bool {
        let fine = !self.stale;
        self.stale |= self.excused;
        self.excused = false;
        self.fresh = false;
        fine
    }
}

impl Session {
    pub(crate) fn new(id: u8, config: Stacks, variant: Variant) -> Self {
        Self { at: At::Read, config, ..Self::gone(id, variant) }
    }

    /// A session that does nothing any more. All of them with one id are equal.
    pub(crate) fn gone(id: u8, variant: Variant) -> Self {
        Self {
            id,
            config: 0,
            at: At::Gone,
            believes: false,
            lease_sent: None,
            looks: Looks::default(),
            unlocking: false,
            forgets: 0,
            protocol: Protocol::new(Author::Session(id), variant.rules()),
            premises: None,
            watched: false,
            recorded: Recorded::default(),
            creates: 0,
            deletes: 0,
            stacks: [None; 2],
            tagging: None,
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.at == At::Gone
    }

    /// Whether it holds the lock as far as it knows: from the look after recording to the unlocking write.
    pub(crate) fn holds(&self) -> bool {
        self.is_past_recording() && self.protocol.has_locked() && !self.unlocking
    }

    fn is_past_recording(&self) -> bool {
        matches!(
            self.at,
            At::Describe
                | At::Confirming
                | At::Looking
                | At::Check
                | At::Change
                | At::DescribeLast
                | At::Releasing
        )
    }

    /// Whether it gives up, or is past the write that unlocks, which it may not have heard of: others may take the
    /// lease. `carried` is the fragment of a lock code in the body of the graph.
    pub(crate) fn has_let_go(&self, carried: Option<u64>) -> bool {
        self.at == At::GivingUp
            || self.at == At::Releasing
                && (!self.protocol.has_locked() || carried != Some(Author::Session(self.id).fragment()))
    }

    /// The session when it has ended, or was killed.
    fn end(&mut self, variant: Variant) {
        *self = Self::gone(self.id, variant);
    }

    fn enter(&mut self, at: At) {
        self.at = at;
        match at {
            At::Confirming | At::Looking => self.protocol.look(),
            At::GivingUp => self.protocol.give_up(),
            _ => {}
        }
    }
}

impl Session {
    fn premises_unread(&self) -> bool {
        self.premises.as_ref().is_some_and(|premises| premises.graph == u8::MAX)
    }
}
