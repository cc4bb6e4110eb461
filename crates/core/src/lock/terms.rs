//! What the protocol talks about: requests to the store and their answers, with entity tags, codes and contents in
//! whatever form the caller keeps them.

use std::fmt::Debug;
use std::hash::Hash;

/// How sessions represent what they handle: as the store has it (`Stored`), or small enough to
/// explore every interleaving.
pub trait Terms: Clone + Debug + Eq + Hash {
    /// Lock code of a session.
    type Code: Code;
    /// Entity tag of one stored body.
    type ETag: Clone + Debug + Eq + Hash;
    /// A persistent graph.
    type Graph: Clone + Debug + Eq + Hash;
    /// Facts and intents.
    type State: Clone + Debug + Eq + Hash;
    /// Tags of the graph object, without the lock's.
    type Tags: Clone + Debug + Default + Eq + Hash;
}

/// A lock code.
pub trait Code: Clone + Debug + Eq + Hash {
    /// The part of the code that the body of the graph carries while the session holds the lock; 48 bits.
    fn fragment(&self) -> u64;
}

/// What makes one write unlike every other write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce {
    /// Fragment of the session's code.
    pub session: u64,
    /// The session's write counter, modulo 2^16.
    pub n: u16,
}

impl Nonce {
    /// Nonce of the `n`th write of a session.
    pub fn new(code: &impl Code, n: u64) -> Self {
        Self { session: code.fragment(), n: (n & 0xffff) as u16 }
    }
}

/// The objects of one lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// The persistent graph.
    Graph,
    /// The lease beside it.
    Lease,
    /// The state beside it.
    State,
}

/// What a write has to find in order to take effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expect<E> {
    /// No object (`If-None-Match: *`).
    Absent,
    /// The object with this entity tag (`If-Match`).
    Matching(E),
    /// Anything: no condition. Only broken variants of the protocol ask for it.
    Anything,
}

impl<E> Expect<E> {
    /// The object as it was read: with its entity tag, or absent.
    pub fn as_read(etag: Option<E>) -> Self {
        etag.map_or(Self::Absent, Self::Matching)
    }
}

/// One request of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request<T: Terms> {
    /// Read the tags of the graph object.
    GetTags,
    /// Read an object, to see whether a write without an answer took effect.
    Get(Target),
    /// Write the lease.
    PutLease {
        /// Write counter for its body.
        n: u64,
        /// The code of the lease it replaces, if it takes over somebody else's.
        took_over: Option<T::Code>,
        /// What it has to find.
        expect: Expect<T::ETag>,
    },
    /// Write the state.
    PutState {
        /// Write counter for its body.
        n: u64,
        /// The content.
        state: T::State,
        /// What it has to find.
        expect: Expect<T::ETag>,
    },
    /// Write the graph, with tags.
    PutGraph {
        /// The content.
        graph: T::Graph,
        /// Nonce that the body carries; `None` writes the bare JSON.
        nonce: Option<Nonce>,
        /// Whether the lock tag is among the tags.
        locked: bool,
        /// All other tags.
        tags: T::Tags,
        /// What it has to find.
        expect: Expect<T::ETag>,
    },
    /// Delete the graph or the lease.
    Delete {
        /// Which.
        target: Target,
        /// What it has to find.
        expect: Expect<T::ETag>,
    },
}

/// What the store answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply<T: Terms> {
    /// The tags of the graph object; `None` if there is no object.
    Tags(Option<Tags<T>>),
    /// The object that was asked for; `None` if there is none.
    Found(Option<Found<T>>),
    /// The write took effect.
    Written(T::ETag),
    /// The deletion took effect.
    Deleted,
    /// The condition did not hold (412, or 404 on `If-Match`).
    Refused,
    /// No answer came: the write took effect, or not, or will.
    Lost,
}

/// Tags of the graph object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tags<T: Terms> {
    /// The lock tag.
    pub lock: LockTag<T::Code>,
    /// All other tags.
    pub other: T::Tags,
}

/// The lock tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LockTag<C> {
    /// There is none.
    None,
    /// The code of a session of runway-rs.
    Marked(C),
    /// The code of a CFNgin run.
    Cfngin(C),
}

/// An object as read after a write without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found<T: Terms> {
    /// Entity tag.
    pub etag: T::ETag,
    /// Nonce of the write that made it; `None` if the object does not tell.
    pub nonce: Option<Nonce>,
    /// The content, if it is a readable graph.
    pub graph: Option<T::Graph>,
}

/// A lease as read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeenLease<T: Terms> {
    /// Entity tag.
    pub etag: T::ETag,
    /// Its code; `None` if the lease cannot be read.
    pub code: Option<T::Code>,
}

/// A graph as read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeenGraph<T: Terms> {
    /// Entity tag.
    pub etag: T::ETag,
    /// Fragment of the code that the body carries.
    pub carried: Option<u64>,
}

/// What was read before the lease was written: the premises of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seen<T: Terms> {
    /// The lease.
    pub lease: Option<SeenLease<T>>,
    /// The graph.
    pub graph: Option<SeenGraph<T>>,
    /// Entity tag of the state.
    pub state: Option<T::ETag>,
    /// The lock tag, read after graph and lease; `None` if nobody looked.
    pub tag: Option<LockTag<T::Code>>,
}
