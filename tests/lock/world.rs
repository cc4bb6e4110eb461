//! What the model consists of: the objects of one lock as small values, the stacks, and everybody who acts on them.

use runway_core::lock::terms::{Code, Expect, Found, LockTag, Nonce, Reply, Request, Tags, Target, Terms};

use crate::others::{Cfngin, Operator};
use crate::session::Session;

/// A set of the two stacks, one bit each.
pub(crate) type Stacks = u8;
/// Both stacks of the model.
pub(crate) const ALL: [usize; 2] = [0, 1];
/// Ids of sessions: three that are explored, and two that come after everybody was killed.
pub(crate) const IDS: usize = 5;

/// Terms small enough to explore.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Small;

impl Terms for Small {
    type Code = Author;
    type ETag = ETag;
    type Graph = Stacks;
    type State = State;
    /// Whether the user's own tag is there.
    type Tags = bool;
}

/// Who wrote something: its lock code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Author {
    Session(u8),
    Cfngin,
}

impl Code for Author {
    fn fragment(&self) -> u64 {
        match self {
            Self::Session(id) => u64::from(*id) + 1,
            Self::Cfngin => u64::MAX >> 16,
        }
    }
}

/// Entity tags. That of the graph is a digest of the body: equal bodies, equal tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ETag {
    Graph(Stacks, Option<Nonce>),
    Lease(u8, u64),
    State(u8, u64),
}

/// Facts, and intents by session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) facts: Stacks,
    pub(crate) intents: [Intents; IDS],
}

/// What one session was about to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Intents {
    pub(crate) creates: Stacks,
    pub(crate) deletes: Stacks,
}

impl State {
    /// Stacks that some session was about to create.
    pub(crate) fn intended(&self) -> Stacks {
        self.intents.iter().fold(0, |all, intents| all | intents.creates | intents.deletes)
    }
}

/// The graph object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct GraphObject {
    pub(crate) nodes: Stacks,
    pub(crate) nonce: Option<Nonce>,
    pub(crate) lock: LockTag<Author>,
    pub(crate) user_tag: bool,
}

/// The lease object. `serial` counts its writes; it is in no entity tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LeaseObject {
    pub(crate) owner: u8,
    pub(crate) n: u64,
    pub(crate) serial: u8,
}

/// The state object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StateObject {
    pub(crate) author: u8,
    pub(crate) n: u64,
    pub(crate) state: State,
}

/// A write of the graph that arrives once more, later.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LateCopy {
    pub(crate) author: u8,
    pub(crate) request: Request<Small>,
}

/// How often things may still go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Leases that are watched for their whole time to live.
    pub(crate) ttl: u8,
    pub(crate) kills: u8,
    pub(crate) lost_answers: u8,
    pub(crate) renewals: u8,
    pub(crate) late_copies: u8,
}

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) graph: Option<GraphObject>,
    pub(crate) lease: Option<LeaseObject>,
    pub(crate) state: Option<StateObject>,
    /// Who created each existing stack; that is its incarnation, too.
    pub(crate) stacks: [Option<u8>; 2],
    pub(crate) sessions: [Session; 3],
    pub(crate) cfngin: Cfngin,
    pub(crate) operator: Operator,
    pub(crate) late: Option<LateCopy>,
    pub(crate) budget: Budget,
    /// Whether an operator or CFNgin has changed something.
    pub(crate) disturbed: bool,
    /// Whether the user's tag has to be on the graph, as long as only sessions act.
    pub(crate) user_tag_expected: bool,
}

/// Incarnation of stacks that were there from the start.
pub(crate) const FIRST: u8 = 8;
/// Incarnation of stacks that CFNgin creates.
pub(crate) const BY_CFNGIN: u8 = 9;

pub(crate) fn bit(stack: usize) -> Stacks {
    1 << stack
}

pub(crate) fn has(stacks: Stacks, stack: usize) -> bool {
    stacks & bit(stack) != 0
}

impl GraphObject {
    pub(crate) fn etag(&self) -> ETag {
        ETag::Graph(self.nodes, self.nonce)
    }
}

impl LeaseObject {
    pub(crate) fn etag(&self) -> ETag {
        ETag::Lease(self.owner, self.n)
    }
}

impl StateObject {
    pub(crate) fn etag(&self) -> ETag {
        ETag::State(self.author, self.n)
    }
}

impl World {
    /// Existing stacks.
    pub(crate) fn existing(&self) -> Stacks {
        ALL.into_iter().filter(|stack| self.stacks[*stack].is_some()).map(bit).sum()
    }

    /// Facts and intents; empty if there is no object.
    pub(crate) fn state(&self) -> State {
        self.state.as_ref().map(|object| object.state).unwrap_or_default()
    }

    fn etag(&self, target: Target) -> Option<ETag> {
        match target {
            Target::Graph => self.graph.as_ref().map(GraphObject::etag),
            Target::Lease => self.lease.as_ref().map(LeaseObject::etag),
            Target::State => self.state.as_ref().map(StateObject::etag),
        }
    }

    fn meets(&self, target: Target, expect: &Expect<ETag>) -> bool {
        match (expect, self.etag(target)) {
            (Expect::Anything, _) | (Expect::Absent, None) => true,
            (Expect::Matching(wanted), Some(found)) => *wanted == found,
            _ => false,
        }
    }

    /// Whether a write would take effect.
    pub(crate) fn accepts(&self, request: &Request<Small>) -> bool {
        match request {
            Request::PutLease { expect, .. } => self.meets(Target::Lease, expect),
            Request::PutState { expect, .. } => self.meets(Target::State, expect),
            Request::PutGraph { expect, .. } => self.meets(Target::Graph, expect),
            Request::Delete { target, expect } => {
                *expect == Expect::Anything || self.etag(*target).is_some() && self.meets(*target, expect)
            }
            Request::GetTags | Request::Get(_) => true,
        }
    }

    /// Carries out a request of a session, as the store would.
    pub(crate) fn serve(&mut self, author: u8, request: &Request<Small>) -> Reply<Small> {
        if !self.accepts(request) {
            return Reply::Refused;
        }
        match request {
            Request::GetTags => Reply::Tags(
                self.graph.as_ref().map(|graph| Tags { lock: graph.lock.clone(), other: graph.user_tag }),
            ),
            Request::Get(target) => Reply::Found(self.etag(*target).map(|etag| self.found(*target, etag))),
            Request::PutLease { n, .. } => {
                let serial = self.lease.as_ref().map_or(0, |lease| lease.serial + 1);
                self.lease = Some(LeaseObject { owner: author, n: *n, serial });
                Reply::Written(ETag::Lease(author, *n))
            }
            Request::PutState { n, state, .. } => {
                self.state = Some(StateObject { author, n: *n, state: *state });
                Reply::Written(ETag::State(author, *n))
            }
            Request::PutGraph { graph, nonce, locked, tags, .. } => {
                let lock = if *locked { LockTag::Marked(Author::Session(author)) } else { LockTag::None };
                let written = GraphObject { nodes: *graph, nonce: *nonce, lock, user_tag: *tags };
                let etag = written.etag();
                self.graph = Some(written);
                Reply::Written(etag)
            }
            Request::Delete { target, .. } => {
                match target {
                    Target::Graph => {
                        self.graph = None;
                        self.user_tag_expected = false;
                    }
                    Target::Lease => self.lease = None,
                    Target::State => self.state = None,
                }
                Reply::Deleted
            }
        }
    }

    fn found(&self, target: Target, etag: ETag) -> Found<Small> {
        let nonce = match (target, etag) {
            (Target::Graph, _) => self.graph.as_ref().and_then(|graph| graph.nonce),
            (_, ETag::Lease(id, n) | ETag::State(id, n)) => Some(Nonce::new(&Author::Session(id), n)),
            _ => None,
        };
        let graph = self.graph.as_ref().filter(|_| target == Target::Graph).map(|graph| graph.nodes);
        Found { etag, nonce, graph }
    }
}
