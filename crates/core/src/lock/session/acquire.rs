//! Taking the lease: at once, after watching a lease that may be dead, or after waiting.

use std::time::Duration;

use super::keeper::Keeper;
use crate::lock::belief::Moment;
use crate::lock::code::{LockCode, TAG_KEY};
use crate::lock::decide::{Acquisition, Liveness};
use crate::lock::error::LockError;
use crate::lock::premises::{LeaseSeen, Premises};
use crate::lock::protocol::Outcome;

/// Longest pause between two looks at a lock that is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What happens while a session takes the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockEvent {
    /// Somebody's lock is being watched or waited for.
    Waiting {
        /// Who holds it, in words.
        holder: String,
        /// How long so far.
        waited: Duration,
        /// When it counts as dead if nothing changes, or when waiting ends.
        limit: Duration,
    },
    /// The lease of a dead session, or one that was unlocked by hand, was replaced.
    TakenOver {
        /// Who held it, in words.
        holder: String,
    },
}

/// Takes the lease, or says who has it.
pub(super) async fn acquire(
    keeper: &Keeper,
    wait: Option<Duration>,
    premises: &Premises,
    on_event: &mut (dyn FnMut(LockEvent) + Send),
) -> Result<(), LockError> {
    let clock = keeper.clock();
    let started = Moment::now(clock);
    let mut premises = premises.clone();
    let mut liveness = Liveness::Live;
    let mut renewed = false;
    if premises.lease.as_ref().is_some_and(|lease| lease.read_at.monotonic_elapsed(clock) > keeper.ttl() / 4)
    {
        // A person's approval lies between: look again.
        liveness = look_again(keeper, &mut premises).await?;
    }
    loop {
        let seen = premises.seen();
        let mut decision = Acquisition::WaitForHolder;
        let outcome = keeper.operate(|protocol| decision = protocol.acquire(&seen, liveness)).await?;
        match decision {
            Acquisition::TakeFree | Acquisition::TakeUnlocked | Acquisition::TakeExpired => {
                if outcome == Outcome::Done {
                    if let Some(lease) = &premises.lease {
                        on_event(LockEvent::TakenOver { holder: lease.holder() });
                    }
                    return Ok(());
                }
                liveness = look_again(keeper, &mut premises).await?;
            }
            Acquisition::HeldByCfngin | Acquisition::CfnginCutIn => {
                return Err(cfngin(keeper, &premises, decision));
            }
            Acquisition::WaitForHolder | Acquisition::WaitForAcquiring => {
                let Some(lease) = &premises.lease else {
                    continue;
                };
                let ttl = lease.ttl(keeper.ttl());
                let waited = started.monotonic_elapsed(clock);
                let watched = lease.read_at.monotonic_elapsed(clock);
                let first_age = lease.age.or(renewed.then_some(Duration::ZERO));
                let alive = first_age.is_some_and(|age| age + watched < ttl / 2);
                let patience = wait.unwrap_or_default().saturating_sub(waited);
                if alive && patience.is_zero() {
                    return Err(held(keeper, lease));
                }
                // One that may be dead is watched to the end of its time to live, however short the patience.
                let (limit, left, step) = match wait {
                    Some(wait) if alive => (wait, patience, (ttl / 4).min(LONGEST_PAUSE)),
                    _ => (ttl, ttl.saturating_sub(watched), ttl / 4),
                };
                on_event(LockEvent::Waiting { holder: lease.holder(), waited, limit });
                clock.sleep(step.min(left).max(Duration::from_millis(1))).await;
                let before = lease.etag.clone();
                liveness = look_again(keeper, &mut premises).await?;
                renewed |= premises.lease.as_ref().is_some_and(|lease| lease.etag != before);
            }
        }
    }
}

/// Reads the lease again. An unchanged one has expired if it was first read its time to live ago: its owner sent the
/// last renewal before that first reading, and believed in it for less than that. For a new one the tags are read too.
async fn look_again(keeper: &Keeper, premises: &mut Premises) -> Result<Liveness, LockError> {
    let (clock, store, objects) = (keeper.clock(), &keeper.wire.store, &keeper.wire.objects);
    let began = Moment::now(clock);
    let seen = store.get(&objects.lease).await?.map(|object| LeaseSeen::new(&object, clock));
    if let (Some(before), Some(now)) = (&premises.lease, &seen)
        && before.etag == now.etag
    {
        let expired = began.since(&before.read_at) >= now.ttl(keeper.ttl());
        return Ok(if expired { Liveness::Expired } else { Liveness::Live });
    }
    if seen.is_some() && premises.graph.is_some() {
        premises.tags = store.tags(&objects.graph).await?;
    }
    premises.lease = seen;
    Ok(Liveness::Live)
}

fn held(keeper: &Keeper, lease: &LeaseSeen) -> LockError {
    LockError::Held { location: keeper.wire.location(), holder: lease.holder(), since: lease.since() }
}

fn cfngin(keeper: &Keeper, premises: &Premises, decision: Acquisition) -> LockError {
    let tag = premises.tags.as_ref().and_then(|tags| tags.get(TAG_KEY));
    let code = LockCode::new(tag.cloned().unwrap_or_default());
    let location = keeper.wire.location();
    match (&premises.lease, decision) {
        (Some(lease), Acquisition::CfnginCutIn) => {
            LockError::CfnginCutIn { location, code, holder: lease.holder() }
        }
        _ => LockError::HeldByCfngin { location, code },
    }
}
