//! The protocol of one session with everything around it: sending, renewing, believing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use runway_store::ObjectStore;
use tokio_util::sync::CancellationToken;

use super::{LockOptions, TTL_RANGE};
use crate::clock::Clock;
use crate::lock::belief::{Moment, believed};
use crate::lock::code::LockCode;
use crate::lock::error::LockError;
use crate::lock::premises::{Objects, Stored};
use crate::lock::protocol::{Outcome, Protocol};
use crate::lock::rules::Rules;
use crate::lock::terms::{Reply, Request};
use crate::lock::wire::Wire;

/// How often a write without an answer is sent again before the operation fails.
const REPETITIONS: u32 = 4;

/// The protocol over what the store has.
pub(in crate::lock) type Stated = Protocol<Stored>;

/// Keeps one lock: shared by the session and its renewals.
pub(in crate::lock) struct Keeper {
    pub(in crate::lock) wire: Wire,
    /// Cancelled when the lock is lost.
    pub(in crate::lock) lost: CancellationToken,
    protocol: Mutex<Stated>,
    /// One operation at a time.
    operating: tokio::sync::Mutex<()>,
    /// One request on the lease at a time. Holds when the renewal under way was first sent, if it had no answer yet.
    lease: tokio::sync::Mutex<Option<Moment>>,
    /// When the last successful write of the lease was sent, and the store's dates.
    signs: Mutex<Signs>,
}

/// Signs of life, ours and the store's.
#[derive(Default)]
struct Signs {
    sent: Option<Moment>,
    /// Store's date of the acquisition.
    taken: Option<Timestamp>,
    /// Store's date of the latest write of the lease.
    latest: Option<Timestamp>,
}

impl Keeper {
    pub(in crate::lock) fn new(
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        objects: &Objects,
        options: &LockOptions,
    ) -> Self {
        let code = LockCode::of_session(&options.session);
        let wire = Wire {
            acquired: clock.now().to_string(),
            store,
            clock,
            objects: objects.clone(),
            code: code.clone(),
            holder: options.holder.clone(),
            ttl: options.ttl.clamp(TTL_RANGE.0, TTL_RANGE.1),
        };
        Self {
            wire,
            lost: CancellationToken::new(),
            protocol: Mutex::new(Protocol::new(code, Rules::ALL)),
            operating: tokio::sync::Mutex::default(),
            lease: tokio::sync::Mutex::default(),
            signs: Mutex::default(),
        }
    }

    pub(in crate::lock) fn protocol(&self) -> MutexGuard<'_, Stated> {
        self.protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::lock) fn clock(&self) -> &dyn Clock {
        &*self.wire.clock
    }

    pub(in crate::lock) fn ttl(&self) -> Duration {
        self.wire.ttl
    }

    pub(super) fn believed_valid(&self) -> bool {
        let sent = self.signs().sent;
        !self.lost.is_cancelled() && sent.is_some_and(|sent| believed(&sent, self.ttl(), self.clock()))
    }

    pub(super) fn taken_date(&self) -> Option<Timestamp> {
        self.signs().taken
    }

    pub(super) fn latest_date(&self) -> Option<Timestamp> {
        self.signs().latest
    }

    pub(super) fn lost_error(&self) -> LockError {
        use crate::lock::decide::Loss;
        let loss = self.protocol().lost().cloned().unwrap_or(Loss::LeaseChanged);
        LockError::lost(self.wire.location(), &loss)
    }

    /// Begins an operation of the protocol and carries it to its end.
    pub(in crate::lock) async fn operate(
        &self,
        begin: impl FnOnce(&mut Stated),
    ) -> Result<Outcome<LockCode>, LockError> {
        let _one = self.operating.lock().await;
        begin(&mut self.protocol());
        let outcome = self.drive().await;
        if self.protocol().lost().is_some() {
            self.lost.cancel();
        }
        outcome
    }

    async fn drive(&self) -> Result<Outcome<LockCode>, LockError> {
        let mut lease_sent = None;
        let mut unanswered = 0;
        loop {
            let on_lease = self.protocol().is_on_lease();
            let mut lease = if on_lease { Some(self.lease.lock().await) } else { None };
            let next = self.protocol().request();
            let request = match (next, &mut lease) {
                (Err(outcome), _) => return Ok(outcome),
                (Ok(Some(request)), _) => request,
                (Ok(None), Some(renewal_sent)) => {
                    // A renewal has no answer yet, and nothing may be done about the lease before it has one.
                    if self.send_renewal(renewal_sent).await.is_err() {
                        self.protocol().abandon_renewal();
                    }
                    continue;
                }
                (Ok(None), None) => return Ok(Outcome::Done),
            };
            if matches!(request, Request::PutLease { .. }) {
                lease_sent.get_or_insert_with(|| Moment::now(self.clock()));
            }
            let answer = self.wire.send(&request).await?;
            if answer.reply == Reply::Lost {
                unanswered += 1;
                if unanswered > REPETITIONS {
                    return Err(self.wire.unanswered(&request));
                }
            }
            let ended = self.protocol().answer(answer.reply);
            if let Some(outcome) = ended {
                if let (Outcome::Done, Some(sent)) = (&outcome, lease_sent) {
                    self.believe(sent, answer.date);
                }
                return Ok(outcome);
            }
        }
    }

    /// Renews the lease; `false` if it is lost.
    pub(super) async fn renew(&self) -> Result<bool, LockError> {
        let mut sent = self.lease.lock().await;
        self.send_renewal(&mut sent).await
    }

    async fn send_renewal(&self, first_sent: &mut Option<Moment>) -> Result<bool, LockError> {
        let mut unanswered = 0;
        loop {
            let next = self.protocol().renewal_request();
            let Some(request) = next else {
                return Ok(self.protocol().lost().is_none());
            };
            // If an earlier copy of this request took effect, its sending is what counts.
            let sent = *first_sent.get_or_insert_with(|| Moment::now(self.clock()));
            let answer = self.wire.send(&request).await?;
            if answer.reply == Reply::Lost {
                unanswered += 1;
                if unanswered > REPETITIONS {
                    return Err(self.wire.unanswered(&request));
                }
            }
            let renewed = self.protocol().renewal_answer(answer.reply);
            if let Some(renewed) = renewed {
                *first_sent = None;
                if renewed {
                    self.believe(sent, answer.date);
                } else {
                    self.lost.cancel();
                }
                return Ok(renewed);
            }
        }
    }

    /// Renews the lease every quarter of its time to live, sooner after a failure.
    pub(super) async fn renew_until_lost(self: Arc<Self>) {
        let mut pause = self.ttl() / 4;
        loop {
            self.clock().sleep(pause).await;
            pause = match self.renew().await {
                Ok(true) => self.ttl() / 4,
                Ok(false) => return,
                // Nobody can believe in it any more, its owner included.
                Err(_) if !self.believed_valid() => return self.lost.cancel(),
                Err(_) => self.ttl() / 16,
            };
        }
    }

    fn believe(&self, sent: Moment, date: Option<Timestamp>) {
        let mut signs = self.signs();
        signs.sent = Some(sent);
        signs.taken = signs.taken.or(date);
        signs.latest = date.or(signs.latest);
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
