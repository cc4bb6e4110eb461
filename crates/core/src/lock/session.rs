//! A session at work: drives the protocol against a store, and renews the lease beside it.

mod acquire;
mod keeper;

use std::sync::Arc;
use std::time::Duration;

use runway_store::ObjectStore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use acquire::LockEvent;
use keeper::Keeper;

use super::belief::Moment;
use super::code::LockCode;
use super::error::LockError;
use super::premises::{Objects, Premises};
use super::protocol::Outcome;
use super::record::{Ending, Record, date_text, ended, is_settled, recorded_state};
use crate::clock::Clock;
use crate::engine::Holder;
use crate::graph::GraphState;

/// Shortest and longest time to live of a lease.
pub(super) const TTL_RANGE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60 * 60));

/// Time to live of a lease unless the user says otherwise.
pub const DEFAULT_TTL: Duration = Duration::from_secs(60);

/// How a session locks.
#[derive(Debug, Clone)]
pub struct LockOptions {
    /// Time to live of the lease, taken as 2 seconds if shorter and 1 hour if longer. It is renewed every quarter.
    pub ttl: Duration,
    /// How long to wait for somebody else's lock; `None` refuses as soon as it is seen to be alive.
    pub wait: Option<Duration>,
    /// Who runs this.
    pub holder: Holder,
    /// A UUID version 4, lower case: the random part of the lock code.
    pub session: String,
}

/// A session that owns the lease, and after [`Session::record`] the lock.
///
/// The order of calls is [`acquire`](Self::acquire), [`record`](Self::record), look at the stacks again,
/// [`confirm`](Self::confirm); then [`look`](Self::look) before every batch of changes and
/// [`believed_valid`](Self::believed_valid) before every attempt of one; at last [`release`](Self::release), or
/// [`give_up`](Self::give_up). A session that is dropped without one of the last two writes nothing more: the lease
/// expires, and the next run cleans up.
pub struct Session {
    keeper: Arc<Keeper>,
    /// Renews the lease until it is dropped.
    _renewals: AbortOnDropHandle<()>,
    /// When the premises in use were read.
    premises_read_at: Moment,
    /// What was recorded, and the state that was written with it.
    recorded: Option<(Record, GraphState)>,
}

impl Session {
    /// Takes the lease.
    ///
    /// A lease that was renewed lately is somebody's: that ends the attempt, or is waited for. An older one is watched
    /// for at most its time to live, and taken over if it does not change.
    ///
    /// # Errors
    /// [`LockError::Held`], [`LockError::HeldByCfngin`] or [`LockError::CfnginCutIn`] if somebody has the lock;
    /// [`LockError::Store`] if a request failed.
    pub async fn acquire(
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        objects: &Objects,
        options: &LockOptions,
        premises: &Premises,
        on_event: &mut (dyn FnMut(LockEvent) + Send),
    ) -> Result<Self, LockError> {
        let keeper = Arc::new(Keeper::new(store, clock, objects, options));
        acquire::acquire(&keeper, options.wait, premises, on_event).await?;
        let renewals = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&keeper).renew_until_lost()));
        Ok(Self { keeper, _renewals: renewals, premises_read_at: premises.read_at, recorded: None })
    }

    /// Records everything the plan is about to do, and locks the graph.
    ///
    /// `premises` are those of the lease, or newer ones after [`LockError::Moved`]; newer ones are used only after
    /// the lease was renewed once more.
    ///
    /// # Errors
    /// [`LockError::Moved`] if graph or state are not as in `premises`: nothing is lost, plan anew and record again.
    /// [`LockError::HeldByCfngin`] if CFNgin has the lock; the lease is given back then. [`LockError::Lost`] if the
    /// lock was lost, [`LockError::TooManyTags`] if there is no room for its tag.
    pub async fn record(&mut self, premises: &Premises, record: &Record) -> Result<(), LockError> {
        if premises.read_at != self.premises_read_at {
            let seen = premises.seen();
            self.run(|protocol| protocol.adopt(&seen)).await?;
            self.premises_read_at = premises.read_at;
        }
        let at = date_text(self.keeper.taken_date());
        let state = recorded_state(&premises.state, self.code(), &at, record);
        let graph = record.graph.clone();
        self.run(|protocol| protocol.record(graph, state.clone())).await?;
        self.recorded = Some((record.clone(), state));
        Ok(())
    }

    /// Looks at the tag for the last time before the first change, after the stacks were looked at.
    ///
    /// # Errors
    /// [`LockError::Lost`] if the lock is not the own one any more.
    pub async fn confirm(&self) -> Result<(), LockError> {
        self.look().await
    }

    /// Looks whether the lock is still the own one, before a batch of changes.
    ///
    /// # Errors
    /// [`LockError::Lost`] if it is not.
    pub async fn look(&self) -> Result<(), LockError> {
        self.run(|protocol| protocol.look()).await
    }

    /// Whether the lease may still be believed. Cheap; to be asked before every attempt of a change, retries included.
    pub fn believed_valid(&self) -> bool {
        self.keeper.believed_valid()
    }

    /// Cancelled when the lock turns out to be lost.
    pub fn lost(&self) -> CancellationToken {
        self.keeper.lost.clone()
    }

    /// Why the lock is lost, if it is.
    pub fn loss(&self) -> Option<LockError> {
        self.keeper.lost.is_cancelled().then(|| self.keeper.lost_error())
    }

    /// The session's lock code.
    pub fn code(&self) -> &LockCode {
        &self.keeper.wire.code
    }

    /// `s3://bucket/key` of the graph.
    pub fn location(&self) -> String {
        self.keeper.wire.location()
    }

    /// Writes what is left, and unlocks: the graph without what is gone (or none, if nothing is left), the state without
    /// own intents, and at last the lease. If something is in the way, the rest is cleaned up as by
    /// [`Session::give_up`].
    ///
    /// # Errors
    /// [`LockError::Lost`] if the lock was lost, [`LockError::Store`] if a request failed.
    pub async fn release(mut self, ending: &Ending<'_>) -> Result<(), LockError> {
        let Some((record, state)) = self.recorded.take() else {
            return self.give_up().await;
        };
        let now = self.keeper.latest_date();
        let settled = |_: &str, intents: &_| is_settled(intents, now);
        let (graph, state) = ended(&record, &state, self.code(), *ending, settled);
        let graph = (!graph.is_empty()).then_some(graph);
        let released = self.run(|protocol| protocol.release(graph, state)).await;
        if released.is_err() {
            // The first error is the one that tells; cleaning up is best effort.
            let _ = self.give_up().await;
        }
        released
    }

    /// Cleans up without recording or forgetting anything: takes the own tag from the graph and deletes the own lease,
    /// if they are still the own ones. The intents stay for the next run.
    ///
    /// # Errors
    /// [`LockError::Store`] if a request failed.
    pub async fn give_up(self) -> Result<(), LockError> {
        self.run(|protocol| protocol.give_up()).await
    }

    async fn run(&self, begin: impl FnOnce(&mut keeper::Stated)) -> Result<(), LockError> {
        let location = || self.location();
        match self.keeper.operate(begin).await? {
            Outcome::Done => Ok(()),
            Outcome::Refused | Outcome::Moved => Err(LockError::Moved { location: location() }),
            Outcome::LockedBy(code) => Err(LockError::HeldByCfngin { location: location(), code }),
            Outcome::Lost(loss) => Err(LockError::lost(location(), &loss)),
        }
    }
}
