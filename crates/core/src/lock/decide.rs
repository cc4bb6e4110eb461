//! Who may take the lock, and whether a holder still has it: total functions of what was seen.

use super::rules::{Rule, Rules};
use super::terms::{Code as _, LockTag, Seen, Terms};

/// What a session that wants the lock does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acquisition {
    /// Write the lease: nobody has it.
    TakeFree,
    /// Write the lease: the tag of its holder was removed, which unlocks.
    TakeUnlocked,
    /// Write the lease: its holder is dead.
    TakeExpired,
    /// Wait, or give up: somebody holds the lock.
    WaitForHolder,
    /// Wait, or give up: somebody is about to hold the lock, or has just given it back.
    WaitForAcquiring,
    /// Give up: CFNgin holds the lock. Its tag says nothing about its age, so it is never taken over.
    HeldByCfngin,
    /// Give up: CFNgin locked beside a living session, which will stop.
    CfnginCutIn,
}

/// Whether a lease counts as alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// It may be.
    Live,
    /// It did not change for its time to live, by the observer's clock.
    Expired,
}

/// Decides about the acquisition of the lock. `liveness` is that of the lease in `seen`, which may be unreadable;
/// without a lease it does not matter.
///
/// A session writes its code into the body of the graph and its tag in one request, and takes both away in one
/// request. So a body that carries the lease's code while the tag, *looked at later*, is gone can only mean that
/// somebody removed the tag.
pub fn acquisition<T: Terms>(seen: &Seen<T>, liveness: Liveness, rules: Rules) -> Acquisition {
    let tag = seen.tag.as_ref();
    let cfngin = tag.is_some_and(|tag| {
        holds_cfngin(tag, seen.lease.as_ref().and_then(|lease| lease.code.as_ref()), rules)
    });
    let Some(lease) = &seen.lease else {
        return if cfngin { Acquisition::HeldByCfngin } else { Acquisition::TakeFree };
    };
    let carried = match (&seen.graph, &lease.code) {
        (Some(graph), Some(code)) => graph.carried == Some(code.fragment()),
        _ => false,
    };
    match liveness {
        Liveness::Expired if cfngin => Acquisition::HeldByCfngin,
        Liveness::Expired => Acquisition::TakeExpired,
        Liveness::Live if cfngin => Acquisition::CfnginCutIn,
        Liveness::Live if tag != Some(&LockTag::None) => Acquisition::WaitForHolder,
        Liveness::Live if !rules.follow(Rule::RemovedTagReleases) => Acquisition::WaitForHolder,
        Liveness::Live if carried || !rules.follow(Rule::MissingTagNeedsCarriedCode) => {
            Acquisition::TakeUnlocked
        }
        Liveness::Live => Acquisition::WaitForAcquiring,
    }
}

/// Whether a tag is CFNgin's. Without the mark, every code but that of the lease would have to be taken for it.
fn holds_cfngin<C: Eq>(tag: &LockTag<C>, lease: Option<&C>, rules: Rules) -> bool {
    match tag {
        LockTag::None => false,
        LockTag::Cfngin(_) => true,
        LockTag::Marked(code) => !rules.follow(Rule::Mark) && Some(code) != lease,
    }
}

/// What a session that has written the lease makes of the tag, before it writes its own: the code of somebody who
/// holds the lock all the same, if there is one. The code of another session of ours belongs to a dead one, for we
/// hold the lease.
pub fn still_locked_by<'a, C: Eq>(tag: &'a LockTag<C>, own: &C, rules: Rules) -> Option<&'a C> {
    let sessions_decided = rules.follow(Rule::Mark) && rules.follow(Rule::LeaseDecides);
    match tag {
        LockTag::Cfngin(code) => Some(code),
        LockTag::Marked(code) if code != own && !sessions_decided => Some(code),
        LockTag::Marked(_) | LockTag::None => None,
    }
}

/// Why a session no longer holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Loss<C> {
    /// The tag is gone: an operator unlocked, or CFNgin rewrote the graph.
    TagRemoved,
    /// Another session of ours has tagged the graph.
    Taken(C),
    /// CFNgin has tagged the graph.
    Cfngin(C),
    /// The graph is not as this session left it.
    GraphChanged,
    /// The state is not as this session left it.
    StateChanged,
    /// The lease is not as this session left it.
    LeaseChanged,
}

/// What a holder makes of the tag.
///
/// # Errors
/// The [`Loss`], unless the tag is its own.
pub fn standing<C: Clone + Eq>(tag: &LockTag<C>, own: &C) -> Result<(), Loss<C>> {
    match tag {
        LockTag::Marked(code) if code == own => Ok(()),
        LockTag::Marked(code) => Err(Loss::Taken(code.clone())),
        LockTag::Cfngin(code) => Err(Loss::Cfngin(code.clone())),
        LockTag::None => Err(Loss::TagRemoved),
    }
}
