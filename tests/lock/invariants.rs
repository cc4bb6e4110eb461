//! What must hold: in every world, and for every request that takes effect.

use runway_core::lock::decide::{Acquisition, Liveness, acquisition};
use runway_core::lock::rules::Rules;
use runway_core::lock::terms::{Code as _, LockTag, Request, Seen, SeenGraph, SeenLease, Target};

use crate::world::{ALL, Author, FIRST, IDS, Small, Stacks, World, bit};

/// An invariant that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Violation {
    /// Two sessions hold the lock.
    P1,
    /// A write was accepted while another living session held the lock.
    P1b,
    /// A node was dropped that the writer did not mean to forget.
    P2,
    /// A stack that a session created is recorded nowhere.
    P3,
    /// A node was dropped whose stack exists and is named by no intent.
    P4,
    /// A run after everybody was killed does not converge.
    P5,
    /// The lease was taken from a living session.
    P5b,
    /// A session acted although an operator had removed its tag; or a removed tag did not unlock.
    P7,
    /// The user's tag was lost.
    P8,
    /// A deletion hit another incarnation than it was meant for.
    PD,
}

/// Checks a world.
pub(crate) fn check_world(world: &World, rules: Rules) -> Result<(), Violation> {
    let holders = world.sessions.iter().filter(|session| session.believes && session.holds());
    if !world.disturbed && holders.count() > 1 {
        return Err(Violation::P1);
    }
    let state = world.state();
    let recorded = world.graph.as_ref().map_or(0, |graph| graph.nodes) | state.facts | state.intended();
    let ours: Stacks = ALL.into_iter().filter(|stack| by_a_session(world.stacks[*stack])).map(bit).sum();
    if ours & !recorded != 0 {
        return Err(Violation::P3);
    }
    let expected = world.user_tag_expected && !world.disturbed;
    if expected && world.graph.as_ref().is_some_and(|graph| !graph.user_tag) {
        return Err(Violation::P8);
    }
    check_unlocked_by_hand(world, rules)
}

fn by_a_session(author: Option<u8>) -> bool {
    author.is_some_and(|author| usize::from(author) < IDS && author != FIRST)
}

/// A body that carries the code of the lease, without a tag: anybody may go on at once.
fn check_unlocked_by_hand(world: &World, rules: Rules) -> Result<(), Violation> {
    let (Some(lease), Some(graph)) = (&world.lease, &world.graph) else { return Ok(()) };
    let carried = graph.nonce.map(|nonce| nonce.session);
    let owner = Author::Session(lease.owner);
    if graph.lock != LockTag::None || carried != Some(owner.fragment()) {
        return Ok(());
    }
    let seen: Seen<Small> = Seen {
        lease: Some(SeenLease { etag: lease.etag(), code: Some(owner) }),
        graph: Some(SeenGraph { etag: graph.etag(), carried }),
        state: None,
        tag: Some(LockTag::None),
    };
    match acquisition(&seen, Liveness::Live, rules) {
        Acquisition::TakeUnlocked => Ok(()),
        _ => Err(Violation::P7),
    }
}

/// Checks a request of the session at `slot` against the world it is about to meet. `watched` says that the session
/// has watched the lease for its whole time to live.
pub(crate) fn check_request(
    world: &World,
    slot: usize,
    request: &Request<Small>,
    watched: bool,
) -> Result<(), Violation> {
    if !world.accepts(request) {
        return Ok(());
    }
    match request {
        Request::PutGraph { graph, .. } => check_graph_write(world, slot, *graph),
        Request::Delete { target: Target::Graph, .. } => check_graph_write(world, slot, 0),
        Request::PutState { .. } => check_holder(world, slot),
        Request::PutLease { .. } | Request::Delete { target: Target::Lease, .. } => {
            check_lease(world, slot, watched)
        }
        _ => Ok(()),
    }
}

fn check_graph_write(world: &World, slot: usize, nodes: Stacks) -> Result<(), Violation> {
    check_holder(world, slot)?;
    let dropped = world.graph.as_ref().map_or(0, |graph| graph.nodes) & !nodes;
    if dropped & !world.sessions[slot].forgets != 0 {
        return Err(Violation::P2);
    }
    check_dropped(world, dropped)
}

fn check_dropped(world: &World, dropped: Stacks) -> Result<(), Violation> {
    if dropped & world.existing() & !world.state().intended() != 0 {
        return Err(Violation::P4);
    }
    Ok(())
}

/// Checks a copy that arrives late, whose author may be gone.
pub(crate) fn check_late(world: &World, author: u8, request: &Request<Small>) -> Result<(), Violation> {
    let Request::PutGraph { graph, .. } = request else { return Ok(()) };
    if !world.accepts(request) {
        return Ok(());
    }
    let other = world.sessions.iter().find(|session| session.id != author && session.holds());
    if other.is_some_and(|session| world.lease.as_ref().is_some_and(|lease| lease.owner == session.id)) {
        return Err(Violation::P1b);
    }
    check_dropped(world, world.graph.as_ref().map_or(0, |object| object.nodes) & !graph)
}

/// Nobody else may own the lease and work.
fn check_holder(world: &World, slot: usize) -> Result<(), Violation> {
    let owner = world.lease.as_ref().map(|lease| lease.owner);
    let other = world
        .sessions
        .iter()
        .enumerate()
        .find(|(other, session)| *other != slot && session.holds() && owner == Some(session.id));
    if other.is_some() { Err(Violation::P1b) } else { Ok(()) }
}

/// A lease that was not watched to its end belongs to the writer, or to somebody who no longer needs it.
fn check_lease(world: &World, slot: usize, watched: bool) -> Result<(), Violation> {
    let (Some(lease), false) = (&world.lease, watched || world.disturbed) else { return Ok(()) };
    let owner = world.sessions.iter().enumerate().find(|(_, session)| session.id == lease.owner);
    let carried = world.graph.as_ref().and_then(|graph| graph.nonce).map(|nonce| nonce.session);
    match owner {
        Some((other, session)) if other != slot && !session.is_gone() && !session.has_let_go(carried) => {
            Err(Violation::P5b)
        }
        _ => Ok(()),
    }
}
