//! The protocol of one session, without IO: it says which request comes next and takes the answer.
//!
//! An operation is begun ([`Protocol::acquire`], [`Protocol::record`], ...); then [`Protocol::request`] and
//! [`Protocol::answer`] alternate until the answer ends it with an [`Outcome`]. Renewals go beside operations, through
//! [`Protocol::renewal_request`] and [`Protocol::renewal_answer`].
//!
//! Four laws are kept here. An entity tag is used as a condition only if it comes from an own write or was read before
//! the last successful write of the lease was sent. A new holder rewrites state and graph with its nonce before
//! anything else, so that older sessions' writes fail, however late they arrive. Everything planned is recorded
//! before the first change and forgotten after the last. The tag is looked at last before changes and graph writes,
//! and it is never written apart from the graph's body.

mod attempt;
mod unlock;

use attempt::{Attempt, Settled};
pub use unlock::{Changed, Unlock};

use super::decide::{Acquisition, Liveness, Loss, acquisition, standing, still_locked_by};
use super::rules::{Rule, Rules};
use super::terms::{Code as _, Expect, LockTag, Nonce, Reply, Request, Seen, Tags, Target, Terms};

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome<C> {
    /// Done.
    Done,
    /// The lease was not as it was read: read it and decide again.
    Refused,
    /// Graph or state are not as they were read: plan anew, [`Protocol::adopt`] what was read, record again.
    Moved,
    /// Somebody who does not use the lease holds the lock; the own lease was given back.
    LockedBy(C),
    /// The lock is lost: [`Protocol::give_up`] is all that is left to do.
    Lost(Loss<C>),
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Protocol<T: Terms> {
    rules: Rules,
    code: T::Code,
    /// Writes attempted so far.
    counter: u64,
    /// Entity tag of the own lease.
    lease: Option<T::ETag>,
    /// Entity tag that the next write of the graph has to find.
    graph: Option<T::ETag>,
    /// Entity tag that the next write of the state has to find.
    state: Option<T::ETag>,
    /// Tags of the graph object besides the lock's, as last seen.
    tags: T::Tags,
    /// What the graph was locked with.
    locked: Option<T::Graph>,
    /// Why the lock is lost.
    lost: Option<Loss<T::Code>>,
    step: Step<T>,
    attempt: Option<Attempt<T>>,
    renewal: Option<Attempt<T>>,
}

/// Where the operation under way stands, with what it still has to write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step<T: Terms> {
    Idle,
    Lease { took_over: Option<T::Code> },
    Fence,
    RecordTags(T::Graph, T::State),
    RecordState(T::Graph, T::State),
    RecordGraph(T::Graph),
    GiveBack(T::Code),
    Look,
    ReleaseTags(Option<T::Graph>, T::State),
    ReleaseGraph(Option<T::Graph>, T::State),
    ReleaseState(T::State),
    ReleaseLease,
    GiveUpTags(T::Graph),
    GiveUpGraph(T::Graph),
    GiveUpLease,
}

impl<T: Terms> Step<T> {
    /// Whether it writes or deletes the lease, which a renewal beside it must not.
    fn is_on_lease(&self) -> bool {
        matches!(
            self,
            Self::Lease { .. } | Self::Fence | Self::GiveBack(_) | Self::ReleaseLease | Self::GiveUpLease
        )
    }

    fn gives_up(&self) -> bool {
        matches!(self, Self::GiveUpTags(_) | Self::GiveUpGraph(_) | Self::GiveUpLease)
    }
}

impl<T: Terms> Protocol<T> {
    /// A session that has written nothing yet.
    pub fn new(code: T::Code, rules: Rules) -> Self {
        Self {
            rules,
            code,
            counter: 0,
            lease: None,
            graph: None,
            state: None,
            tags: T::Tags::default(),
            locked: None,
            lost: None,
            step: Step::Idle,
            attempt: None,
            renewal: None,
        }
    }

    /// The session's code.
    pub fn code(&self) -> &T::Code {
        &self.code
    }

    /// Why the lock is lost, if it is.
    pub fn lost(&self) -> Option<&Loss<T::Code>> {
        self.lost.as_ref()
    }

    /// Whether the graph is locked by this session, as far as it knows.
    pub fn has_locked(&self) -> bool {
        self.locked.is_some()
    }

    /// Begins to take the lease if what was seen allows it. `seen` has to be read before this call.
    pub fn acquire(&mut self, seen: &Seen<T>, liveness: Liveness) -> Acquisition {
        let decision = acquisition(seen, liveness, self.rules);
        if matches!(decision, Acquisition::TakeFree | Acquisition::TakeUnlocked | Acquisition::TakeExpired) {
            self.lease = seen.lease.as_ref().map(|lease| lease.etag.clone());
            self.use_premises(seen);
            self.begin(Step::Lease { took_over: seen.lease.as_ref().and_then(|lease| lease.code.clone()) });
        }
        decision
    }

    /// Begins to work on from premises that were read under the lease: renews it first. A session that slept through
    /// its own expiry could otherwise pick up the entity tags of the new holder and write with them.
    pub fn adopt(&mut self, seen: &Seen<T>) {
        let own = Some(self.code.fragment());
        let carried = seen.graph.as_ref().and_then(|graph| graph.carried);
        if self.locked.is_some() && carried != own {
            self.lost.get_or_insert(Loss::GraphChanged);
        }
        self.use_premises(seen);
        self.begin(Step::Fence);
    }

    fn use_premises(&mut self, seen: &Seen<T>) {
        self.graph = seen.graph.as_ref().map(|graph| graph.etag.clone());
        self.state.clone_from(&seen.state);
    }

    /// Begins to record what the plan is about to do, and to lock the graph.
    pub fn record(&mut self, graph: T::Graph, state: T::State) {
        // An absent graph has no tags, and the write that expects it to be absent proves that it still is.
        if self.graph.is_none() && self.locked.is_none() {
            self.tags = T::Tags::default();
            self.begin(Step::RecordState(graph, state));
        } else {
            self.begin(Step::RecordTags(graph, state));
        }
    }

    /// Begins to look whether the lock is still the own one.
    pub fn look(&mut self) {
        self.begin(Step::Look);
    }

    /// Begins to forget what is gone, and to unlock. `graph` is `None` if no node is left.
    pub fn release(&mut self, graph: Option<T::Graph>, state: T::State) {
        self.begin(if self.rules.follow(Rule::LookBeforeLastWrite) {
            Step::ReleaseTags(graph, state)
        } else {
            Step::ReleaseGraph(graph, state)
        });
    }

    /// Begins to clean up without recording or forgetting anything.
    pub fn give_up(&mut self) {
        self.begin(self.locked.clone().map_or(Step::GiveUpLease, Step::GiveUpTags));
    }

    fn begin(&mut self, step: Step<T>) {
        self.attempt = None;
        self.step = step;
    }

    /// The request the operation needs next. `None` if no operation is under way, or if a renewal has to be answered
    /// first. Asked again before the answer, it is the same request.
    ///
    /// # Errors
    /// The outcome, if the operation is over without another request.
    pub fn request(&mut self) -> Result<Option<Request<T>>, Outcome<T::Code>> {
        if let Some(attempt) = &self.attempt {
            return Ok(Some(attempt.request()));
        }
        if self.step == Step::Idle || self.step.is_on_lease() && self.renewal.is_some() {
            return Ok(None);
        }
        if let Some(loss) = self.lost.clone().filter(|_| !self.step.gives_up()) {
            return Err(self.end(Outcome::Lost(loss)));
        }
        if self.lease.is_none() && self.step == Step::GiveUpLease {
            return Err(self.end(Outcome::Done));
        }
        let attempt = Attempt::new(self.build(), self.code.fragment());
        let request = attempt.request();
        self.attempt = Some(attempt);
        Ok(Some(request))
    }

    /// Whether the next request of the operation writes or deletes the lease.
    pub fn is_on_lease(&self) -> bool {
        self.step.is_on_lease()
    }

    /// Takes the answer to the last request; `Some` if that ended the operation.
    pub fn answer(&mut self, reply: Reply<T>) -> Option<Outcome<T::Code>> {
        let attempt = self.attempt.take()?;
        match attempt.settle(reply, self.rules) {
            Ok(settled) => match self.proceed(settled) {
                Ok(next) => {
                    self.step = next;
                    None
                }
                Err(outcome) => Some(self.end(outcome)),
            },
            Err(unsettled) => {
                self.attempt = Some(unsettled);
                None
            }
        }
    }

    /// The request that renews the lease; `None` if there is nothing to renew.
    pub fn renewal_request(&mut self) -> Option<Request<T>> {
        let renewable = self.lease.is_some() && self.lost.is_none() && !self.step.is_on_lease();
        if self.renewal.is_none() && renewable {
            self.renewal = Some(Attempt::new(self.put_lease(None), self.code.fragment()));
        }
        self.renewal.as_ref().map(Attempt::request)
    }

    /// Takes the answer to a renewal: `Some(true)` if the lease is renewed, `Some(false)` if it is lost.
    pub fn renewal_answer(&mut self, reply: Reply<T>) -> Option<bool> {
        match self.renewal.take()?.settle(reply, self.rules) {
            Ok(Settled::Written(etag)) => {
                self.lease = Some(etag);
                Some(true)
            }
            Ok(_) => {
                self.lease = None;
                self.lost.get_or_insert(Loss::LeaseChanged);
                Some(false)
            }
            Err(unsettled) => {
                self.renewal = Some(unsettled);
                None
            }
        }
    }

    /// Drops a renewal whose answer never came. The lease may be renewed or not; its entity tag is not known any more,
    /// so the lock is lost.
    pub fn abandon_renewal(&mut self) {
        if self.renewal.take().is_some() {
            self.lost.get_or_insert(Loss::LeaseChanged);
        }
    }

    /// What follows the step under way: another one, or the end.
    fn proceed(&mut self, settled: Settled<T>) -> Result<Step<T>, Outcome<T::Code>> {
        use Settled::{Deleted, Seen as Looked, Written};
        match (std::mem::replace(&mut self.step, Step::Idle), settled) {
            (Step::Lease { .. } | Step::Fence, Written(etag)) => {
                self.lease = Some(etag);
                Err(Outcome::Done)
            }
            (Step::Lease { .. }, _) => {
                self.lease = None;
                Err(Outcome::Refused)
            }
            (Step::Fence, _) => {
                self.lease = None;
                Err(self.lose(Loss::LeaseChanged))
            }
            (Step::RecordTags(graph, state), Looked(tags)) => self.before_locking(tags, graph, state),
            (Step::RecordState(graph, _), Written(etag)) => {
                self.state = Some(etag);
                Ok(Step::RecordGraph(graph))
            }
            (Step::RecordGraph(graph), Written(etag)) => {
                self.graph = Some(etag);
                self.locked = Some(graph);
                Err(Outcome::Done)
            }
            (Step::RecordTags(..) | Step::RecordState(..) | Step::RecordGraph(_), _) => Err(Outcome::Moved),
            (Step::GiveBack(code), _) => {
                self.lease = None;
                Err(Outcome::LockedBy(code))
            }
            (Step::Look, Looked(tags)) => {
                self.still_ours(tags)?;
                Err(Outcome::Done)
            }
            (Step::ReleaseTags(graph, state), Looked(tags)) => {
                self.still_ours(tags)?;
                Ok(Step::ReleaseGraph(graph, state))
            }
            (Step::Look | Step::ReleaseTags(..), _) => Err(self.lose(Loss::TagRemoved)),
            (Step::ReleaseGraph(Some(_), state), Written(etag)) => {
                self.graph = Some(etag);
                self.locked = None;
                Ok(Step::ReleaseState(state))
            }
            (Step::ReleaseGraph(None, state), Deleted) => {
                self.graph = None;
                self.locked = None;
                Ok(Step::ReleaseState(state))
            }
            (Step::ReleaseGraph(..), _) => Err(self.lose(Loss::GraphChanged)),
            (Step::ReleaseState(_), Written(etag)) => {
                self.state = Some(etag);
                Ok(Step::ReleaseLease)
            }
            (Step::ReleaseState(_), _) => Err(self.lose(Loss::StateChanged)),
            (Step::GiveUpTags(graph), Looked(Some(tags))) if standing(&tags.lock, &self.code).is_ok() => {
                Ok(Step::GiveUpGraph(graph))
            }
            (Step::GiveUpTags(_) | Step::GiveUpGraph(_), _) => {
                self.locked = None;
                Ok(Step::GiveUpLease)
            }
            (Step::ReleaseLease | Step::GiveUpLease | Step::Idle, _) => {
                self.lease = None;
                Err(Outcome::Done)
            }
        }
    }

    /// Before locking: remembers the other tags, unless somebody holds the lock who does not use the lease.
    fn before_locking(
        &mut self,
        tags: Option<Tags<T>>,
        graph: T::Graph,
        state: T::State,
    ) -> Result<Step<T>, Outcome<T::Code>> {
        if self.locked.is_some() {
            // Locked before: a tag that was removed since must not come back.
            self.still_ours(tags)?;
            return Ok(Step::RecordState(graph, state));
        }
        let tags = tags.ok_or(Outcome::Moved)?;
        if let Some(code) = still_locked_by(&tags.lock, &self.code, self.rules) {
            return Ok(Step::GiveBack(code.clone()));
        }
        self.remember(tags.other);
        Ok(Step::RecordState(graph, state))
    }

    fn still_ours(&mut self, tags: Option<Tags<T>>) -> Result<(), Outcome<T::Code>> {
        let tags = tags.unwrap_or_else(|| Tags { lock: LockTag::None, other: T::Tags::default() });
        match standing(&tags.lock, &self.code) {
            Ok(()) => {
                self.remember(tags.other);
                Ok(())
            }
            Err(loss) => Err(self.lose(loss)),
        }
    }

    fn remember(&mut self, tags: T::Tags) {
        if self.rules.follow(Rule::OtherTagsKept) {
            self.tags = tags;
        }
    }

    fn lose(&mut self, loss: Loss<T::Code>) -> Outcome<T::Code> {
        self.lost.get_or_insert_with(|| loss.clone());
        Outcome::Lost(loss)
    }

    fn end(&mut self, outcome: Outcome<T::Code>) -> Outcome<T::Code> {
        self.begin(Step::Idle);
        outcome
    }

    fn build(&mut self) -> Request<T> {
        match self.step.clone() {
            Step::Lease { took_over } => self.put_lease(took_over),
            Step::Fence => self.put_lease(None),
            Step::RecordState(_, state) | Step::ReleaseState(state) => Request::PutState {
                n: self.count(),
                state,
                expect: self.expect(Rule::StateCondition, self.state.clone()),
            },
            Step::RecordGraph(graph) => self.put_graph(graph, true),
            Step::ReleaseGraph(Some(graph), _) | Step::GiveUpGraph(graph) => self.put_graph(graph, false),
            Step::ReleaseGraph(None, _) => Request::Delete {
                target: Target::Graph,
                expect: self.expect(Rule::GraphDeletionCondition, self.graph.clone()),
            },
            Step::GiveBack(_) | Step::ReleaseLease | Step::GiveUpLease => Request::Delete {
                target: Target::Lease,
                expect: self.expect(Rule::LeaseDeletionCondition, self.lease.clone()),
            },
            Step::Idle | Step::RecordTags(..) | Step::Look | Step::ReleaseTags(..) | Step::GiveUpTags(_) => {
                Request::GetTags
            }
        }
    }

    fn put_lease(&mut self, took_over: Option<T::Code>) -> Request<T> {
        let counter = self.count();
        let n = if self.rules.follow(Rule::LeaseNonce) { counter } else { 0 };
        Request::PutLease { n, took_over, expect: Expect::as_read(self.lease.clone()) }
    }

    fn put_graph(&mut self, graph: T::Graph, locked: bool) -> Request<T> {
        let n = self.count();
        let nonce = locked && self.rules.follow(Rule::BodyNonce);
        Request::PutGraph {
            graph,
            nonce: nonce.then(|| Nonce::new(&self.code, n)),
            locked,
            tags: self.tags.clone(),
            expect: self.expect(Rule::GraphCondition, self.graph.clone()),
        }
    }

    fn expect(&self, rule: Rule, etag: Option<T::ETag>) -> Expect<T::ETag> {
        if self.rules.follow(rule) { Expect::as_read(etag) } else { Expect::Anything }
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}
