//! One session as the engine runs it: the order of operations, around the protocol that production drives.

use runway_core::lock::decide::{Acquisition, Liveness};
use runway_core::lock::protocol::{Outcome, Protocol};
use runway_core::lock::terms::{
    Code as _, Expect, LockTag, Reply, Request, Seen, SeenGraph, SeenLease, Target,
};

use crate::invariants::{self, Violation};
use crate::records::{ToForget, ToRecord, forgotten, recorded};
use crate::variant::Variant;
use crate::world::{ALL, Author, ETag, IDS, Intents, LateCopy, Small, Stacks, State, World, bit, has};

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
        let working = matches!(
            self.at,
            At::Describe
                | At::Confirming
                | At::Looking
                | At::Check
                | At::Change
                | At::DescribeLast
                | At::Releasing
        );
        working && self.protocol.has_locked() && !self.unlocking
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

/// Successors of a world by one step of the session at `slot`, each with what it is called.
pub(crate) struct Steps<'a> {
    pub(crate) world: &'a World,
    pub(crate) slot: usize,
    pub(crate) variant: Variant,
    pub(crate) next: Vec<(&'static str, World)>,
}

impl Steps<'_> {
    fn me<'w>(&self, world: &'w mut World) -> &'w mut Session {
        &mut world.sessions[self.slot]
    }

    fn push(&mut self, what: &'static str, world: World) {
        self.next.push((what, world));
    }

    /// All that this session may do now.
    pub(crate) fn all(mut self) -> Result<Vec<(&'static str, World)>, Violation> {
        let session = &self.world.sessions[self.slot];
        if session.is_gone() {
            return Ok(self.next);
        }
        if self.world.budget.kills > 0 {
            let mut world = self.world.clone();
            world.budget.kills -= 1;
            let variant = self.variant;
            self.me(&mut world).end(variant);
            self.push("killed", world);
        }
        self.renewals()?;
        if session.tagging.is_some() {
            self.tag_by_request();
            return Ok(self.next);
        }
        match session.at {
            At::Gone => {}
            At::Read if self.variant == Variant::TagsReadBeforeGraph => self.read_tags(At::Decide, true),
            At::Read => self.read(),
            At::ReadTags => self.read_tags(At::Decide, false),
            At::Decide if self.variant == Variant::TagsReadBeforeGraph && session.premises_unread() => {
                self.read()
            }
            At::Decide => self.decide(),
            At::ReadAgain | At::ReadETags => self.read_again(),
            At::Describe | At::DescribeLast => self.describe()?,
            At::Check => self.check(),
            At::Change => self.change()?,
            At::Acquiring
            | At::Recording
            | At::Fencing
            | At::Confirming
            | At::Looking
            | At::Releasing
            | At::GivingUp => self.operate()?,
        }
        Ok(self.next)
    }

    /// Reads everything but the tags.
    fn read(&mut self) {
        let mut world = self.world.clone();
        let hidden = self.variant == Variant::TagIsTheOnlyLock;
        let lease = world.lease.as_ref().filter(|_| !hidden);
        let tag =
            self.world.sessions[self.slot].premises.as_ref().and_then(|premises| premises.seen.tag.clone());
        let premises = Premises {
            lease_serial: lease.map_or(0, |lease| lease.serial),
            seen: Seen {
                lease: lease
                    .map(|lease| SeenLease { etag: lease.etag(), code: Some(Author::Session(lease.owner)) }),
                graph: seen_graph(&world),
                state: world.state.as_ref().map(|object| object.etag()),
                tag: if world.graph.is_none() { Some(LockTag::None) } else { tag },
            },
            graph: world.graph.as_ref().map_or(0, |graph| graph.nodes),
            state: world.state(),
            stacks: world.stacks,
        };
        let tags_matter = premises.seen.lease.is_some() && premises.seen.graph.is_some();
        let read_tags = tags_matter && self.variant != Variant::TagsReadBeforeGraph;
        let me = self.me(&mut world);
        me.premises = Some(premises);
        me.watched = false;
        me.at = if read_tags { At::ReadTags } else { At::Decide };
        self.push("reads lease, graph, state and stacks", world);
    }

    fn read_tags(&mut self, then: At, first: bool) {
        let mut world = self.world.clone();
        let lock = world.graph.as_ref().map(|graph| graph.lock.clone());
        let me = self.me(&mut world);
        if first {
            let seen = Seen { lease: None, graph: None, state: None, tag: lock };
            me.premises = Some(Premises {
                seen,
                lease_serial: 0,
                graph: u8::MAX,
                state: State::default(),
                stacks: [None; 2],
            });
        } else if let Some(premises) = &mut me.premises {
            premises.seen.tag = lock;
        }
        me.at = then;
        self.push("reads the tags", world);
    }

    fn decide(&mut self) {
        let mut world = self.world.clone();
        let me = self.me(&mut world);
        let Some(premises) = me.premises.clone() else { return };
        let liveness = if me.watched { Liveness::Expired } else { Liveness::Live };
        match me.protocol.acquire(&premises.seen, liveness) {
            Acquisition::TakeFree | Acquisition::TakeUnlocked | Acquisition::TakeExpired => {
                me.at = At::Acquiring;
                self.push("may take the lease", world);
            }
            Acquisition::HeldByCfngin | Acquisition::CfnginCutIn => {
                let variant = self.variant;
                me.end(variant);
                self.push("is refused: CFNgin holds the lock", world);
            }
            Acquisition::WaitForHolder | Acquisition::WaitForAcquiring => {
                me.at = At::Read;
                me.premises = None;
                self.push("waits", world);
                self.watch();
            }
        }
    }

    /// The lease did not change for its whole time to live. Its owner has stopped believing in it by then, unless it
    /// renewed the lease in a way that cannot be seen.
    fn watch(&mut self) {
        let session = &self.world.sessions[self.slot];
        let (Some(premises), true) = (&session.premises, self.world.budget.ttl > 0 && !session.watched)
        else {
            return;
        };
        let Some(lease) = &self.world.lease else { return };
        if premises.seen.lease.as_ref().is_none_or(|seen| seen.etag != lease.etag()) {
            return;
        }
        let unnoticed = self.variant == Variant::WallClocks || lease.serial != premises.lease_serial;
        let mut world = self.world.clone();
        world.budget.ttl -= 1;
        for session in &mut world.sessions {
            if session.id == lease.owner && !unnoticed {
                session.believes = false;
                session.lease_sent = session.lease_sent.map(|_| false);
            }
        }
        self.me(&mut world).watched = true;
        self.push("has watched the lease for its time to live", world);
    }

    /// Reads graph, state and stacks again under the lease, or only the entity tags of the first two.
    fn read_again(&mut self) {
        let mut world = self.world.clone();
        let (graph, state, stacks) = (seen_graph(&world), world.state(), world.stacks);
        let etag = world.state.as_ref().map(|object| object.etag());
        let nodes = world.graph.as_ref().map_or(0, |graph| graph.nodes);
        let whole = world.sessions[self.slot].at == At::ReadAgain;
        let me = self.me(&mut world);
        let Some(premises) = &mut me.premises else { return };
        premises.seen.graph = graph;
        premises.seen.state = etag;
        if whole {
            (premises.graph, premises.state, premises.stacks) = (nodes, state, stacks);
        }
        let seen = premises.seen.clone();
        me.protocol.adopt(&seen);
        me.at = At::Fencing;
        self.push("reads again", world);
    }

    /// Begins to record what the plan from the premises is about to do.
    fn record(&self, me: &mut Session) {
        let Some(premises) = me.premises.clone() else { return };
        let existing: Stacks =
            ALL.into_iter().filter(|stack| premises.stacks[*stack].is_some()).map(bit).sum();
        let creates = me.config & !existing;
        let deletes = premises.graph & existing & !me.config;
        let known = match self.variant {
            Variant::NoRepair => State::default(),
            Variant::RepairFromFactsOnly => State { facts: premises.state.facts, ..State::default() },
            _ => premises.state,
        };
        let own = Intents { creates, deletes };
        let input =
            ToRecord { id: me.id, graph: premises.graph, state: known, config: me.config, existing, own };
        let (mut graph, mut state) = recorded(input);
        if known != premises.state {
            // These variants repair less; they do not forget more.
            (_, state) = recorded(ToRecord { state: premises.state, ..input });
        }
        if self.variant == Variant::ForgetBeforeDelete {
            graph &= !deletes;
            state.facts &= !deletes;
            state.intents[usize::from(me.id)].deletes = 0;
            me.forgets = deletes;
        }
        me.recorded = Recorded { graph, state, own, ids: premises.stacks };
        me.protocol.record(graph, state);
        me.at = At::Recording;
    }

    fn describe(&mut self) -> Result<(), Violation> {
        let mut world = self.world.clone();
        let (stacks, existing) = (world.stacks, world.existing());
        let dead = settled(&world, self.variant);
        let variant = self.variant;
        let me = self.me(&mut world);
        me.stacks = stacks;
        me.looks.passed();
        if me.at == At::Describe {
            me.creates = me.recorded.own.creates & !existing;
            let ids = me.recorded.ids;
            let same = |stack: &usize| stacks[*stack].is_some() && stacks[*stack] == ids[*stack];
            me.deletes = me.recorded.own.deletes & ALL.into_iter().filter(same).map(bit).sum::<Stacks>();
            me.enter(match variant {
                Variant::NoLooks | Variant::NoLookAfterRecording | Variant::DescribeAfterLook => {
                    after_look(me)
                }
                _ => At::Confirming,
            });
            self.push("describes the stacks", world);
            return Ok(());
        }
        let gone = me.recorded.graph & !existing & !me.config;
        let input = ToForget {
            id: me.id,
            graph: me.recorded.graph,
            state: me.recorded.state,
            gone,
            existing,
            settled: dead,
        };
        let (graph, state) = forgotten(input);
        me.forgets |= me.recorded.graph & !graph;
        me.protocol.release((graph != 0).then_some(graph), state);
        me.at = At::Releasing;
        if variant == Variant::LeaseDeletedFirst {
            let (id, expect) = (me.id, Expect::Anything);
            let request = Request::Delete { target: Target::Lease, expect };
            invariants::check_request(&world, self.slot, &request, false)?;
            world.serve(id, &request);
        }
        self.push("describes the stacks at the end", world);
        Ok(())
    }

    fn check(&mut self) {
        let mut world = self.world.clone();
        let me = self.me(&mut world);
        if me.believes {
            me.at = At::Change;
            self.push("believes in its lease", world);
        } else {
            me.enter(At::GivingUp);
            self.push("does not believe in its lease", world);
        }
    }

    /// Submits one change, whatever has happened since it was decided upon.
    fn change(&mut self) -> Result<(), Violation> {
        let session = &self.world.sessions[self.slot];
        let (id, creates, deletes) = (session.id, session.creates, session.deletes);
        let known = session.recorded.ids;
        let variant = self.variant;
        for stack in ALL.into_iter().filter(|stack| has(creates | deletes, *stack)) {
            let mut world = self.world.clone();
            if !self.me(&mut world).looks.acts() {
                return Err(Violation::P7);
            }
            if has(creates, stack) {
                world.stacks[stack].get_or_insert(id);
            } else if variant == Variant::DeleteByName {
                if world.stacks[stack].is_some_and(|found| Some(found) != known[stack]) {
                    return Err(Violation::PD);
                }
                world.stacks[stack] = None;
            } else if world.stacks[stack] == known[stack] {
                world.stacks[stack] = None;
            }
            let me = self.me(&mut world);
            me.creates &= !bit(stack);
            me.deletes &= !bit(stack);
            if me.creates | me.deletes != 0 {
                me.enter(if variant == Variant::NoLooks { At::Check } else { At::Looking });
            } else if me.protocol.has_locked() {
                me.enter(At::DescribeLast);
            } else {
                // The variant that creates before it records.
                self.record(self.me_of(&mut world));
            }
            self.push(if has(creates, stack) { "creates a stack" } else { "deletes a stack" }, world);
        }
        Ok(())
    }

    fn me_of<'w>(&self, world: &'w mut World) -> &'w mut Session {
        &mut world.sessions[self.slot]
    }

    /// Sends the next request of the operation under way.
    fn operate(&mut self) -> Result<(), Violation> {
        let mut world = self.world.clone();
        let me = self.me(&mut world);
        let request = match me.protocol.request() {
            Ok(Some(request)) => request,
            // A renewal has to be answered first.
            Ok(None) => return Ok(()),
            Err(outcome) => {
                self.proceed(world, outcome, "is at the end");
                return Ok(());
            }
        };
        let what = name_of(&request);
        if let Some(reply) = self.pretended(&world.sessions[self.slot], &request) {
            let outcome = self.me(&mut world).protocol.answer(reply);
            self.finish(world, outcome, "renews nothing");
            return Ok(());
        }
        let late = matches!(request, Request::PutGraph { locked: true, .. })
            && world.budget.late_copies > 0
            && world.late.is_none();
        if late {
            let mut world = world.clone();
            world.budget.late_copies -= 1;
            let author = world.sessions[self.slot].id;
            world.late = Some(LateCopy { author, request: request.clone() });
            self.send(world, &request, "writes the graph, and a copy is delayed")?;
        }
        self.send(world, &request, what)
    }

    fn send(
        &mut self,
        mut world: World,
        request: &Request<Small>,
        what: &'static str,
    ) -> Result<(), Violation> {
        let watched = world.sessions[self.slot].watched;
        invariants::check_request(&world, self.slot, request, watched)?;
        let writes = !matches!(request, Request::GetTags | Request::Get(_));
        let me = self.me(&mut world);
        let id = me.id;
        if matches!(request, Request::PutLease { .. }) {
            me.lease_sent.get_or_insert(true);
        }
        if matches!(request, Request::GetTags) {
            me.looks.looked();
        }
        let on_graph =
            matches!(request, Request::PutGraph { .. } | Request::Delete { target: Target::Graph, .. });
        if on_graph && !me.looks.acts() {
            return Err(Violation::P7);
        }
        me.unlocking |= on_graph && me.at == At::Releasing;
        let before = world.graph.as_ref().map(|graph| graph.lock.clone());
        let reply = world.serve(id, request);
        if self.variant == Variant::TaggingRequests
            && let (Request::PutGraph { locked, .. }, Reply::Written(_)) = (request, &reply)
        {
            // The body is written with the tag that is there; the tag follows.
            if let (Some(graph), Some(before)) = (&mut world.graph, before) {
                graph.lock = before;
            } else if let Some(graph) = &mut world.graph {
                graph.lock = LockTag::None;
            }
            self.me(&mut world).tagging = Some(locked.then_some(Author::Session(id)));
        }
        if writes && world.budget.lost_answers > 0 {
            let mut world = world.clone();
            world.budget.lost_answers -= 1;
            let outcome = self.me(&mut world).protocol.answer(Reply::Lost);
            self.finish(world, outcome, "writes, and hears nothing");
        }
        let outcome = self.me(&mut world).protocol.answer(reply);
        self.finish(world, outcome, what);
        Ok(())
    }

    /// Answers that the session believes, although nothing was sent.
    fn pretended(&self, session: &Session, request: &Request<Small>) -> Option<Reply<Small>> {
        let on_lease =
            matches!(request, Request::PutLease { .. } | Request::Delete { target: Target::Lease, .. });
        if self.variant == Variant::TagIsTheOnlyLock && on_lease {
            return Some(match request {
                Request::PutLease { n, .. } => Reply::Written(ETag::Lease(session.id, *n)),
                _ => Reply::Deleted,
            });
        }
        let unfenced = matches!(
            self.variant,
            Variant::ReadAgainWithoutRenewing
                | Variant::RenewBeforeReadingAgain
                | Variant::ETagsReadUnderTheLease
        );
        match request {
            Request::PutLease { expect: Expect::Matching(etag), .. }
                if unfenced && session.at == At::Fencing =>
            {
                Some(Reply::Written(*etag))
            }
            _ => None,
        }
    }

    fn finish(&mut self, world: World, outcome: Option<Outcome<Author>>, what: &'static str) {
        match outcome {
            Some(outcome) => self.proceed(world, outcome, what),
            None => self.push(what, world),
        }
    }

    /// What follows an operation.
    fn proceed(&mut self, mut world: World, outcome: Outcome<Author>, what: &'static str) {
        let variant = self.variant;
        let me = self.me(&mut world);
        match (me.at, outcome) {
            (At::Acquiring, Outcome::Done) => {
                me.believes = me.lease_sent.take().unwrap_or(true);
                let premises = me.premises.as_ref();
                let existing = premises.map_or([None; 2], |premises| premises.stacks);
                me.creates = me.config
                    & !ALL.into_iter().filter(|stack| existing[*stack].is_some()).map(bit).sum::<Stacks>();
                if variant == Variant::ETagsReadUnderTheLease {
                    me.at = At::ReadETags;
                } else if variant == Variant::CreateBeforeRecord && me.creates != 0 {
                    me.at = At::Check;
                } else {
                    self.record(self.me_of(&mut world));
                }
            }
            (At::Acquiring, _) => {
                me.lease_sent = None;
                me.at = At::Read;
                me.premises = None;
                me.watched = false;
            }
            (At::Fencing, Outcome::Done) => {
                me.believes = me.lease_sent.take().unwrap_or(me.believes);
                self.record(self.me_of(&mut world));
            }
            (At::Recording, Outcome::Done) => {
                let looks_first = variant == Variant::DescribeAfterLook;
                me.enter(if looks_first { At::Confirming } else { At::Describe });
            }
            (At::Recording, Outcome::Moved | Outcome::Refused) => {
                // A run that a person approved gives up; others plan anew.
                let mut stale = world.clone();
                self.me(&mut stale).enter(At::GivingUp);
                self.push("finds its plan stale", stale);
                self.me(&mut world).at = At::ReadAgain;
            }
            (At::Confirming, Outcome::Done) if variant == Variant::DescribeAfterLook => {
                me.enter(At::Describe)
            }
            (At::Confirming | At::Looking, Outcome::Done) => {
                let next = after_look(me);
                me.enter(next);
            }
            (At::Recording, Outcome::LockedBy(_)) | (At::Releasing | At::GivingUp, Outcome::Done) => {
                me.end(variant);
            }
            (At::GivingUp, _) => me.end(variant),
            (_, _) => me.enter(At::GivingUp),
        }
        self.push(what, world);
    }

    /// The renewal of the lease, beside whatever else is under way.
    fn renewals(&mut self) -> Result<(), Violation> {
        let session = &self.world.sessions[self.slot];
        let before_reading = self.variant == Variant::RenewBeforeReadingAgain && session.at == At::ReadAgain;
        let holds_lease = matches!(
            session.at,
            At::Recording
                | At::Describe
                | At::Confirming
                | At::Looking
                | At::Check
                | At::Change
                | At::DescribeLast
                | At::Releasing
        );
        let mut world = self.world.clone();
        let pending = session.protocol.clone();
        if !(holds_lease || before_reading) || self.variant == Variant::TagIsTheOnlyLock {
            return Ok(());
        }
        let me = self.me(&mut world);
        let Some(request) = me.protocol.renewal_request() else { return Ok(()) };
        // One that is not answered yet is sent again whatever the budget.
        if me.protocol != pending {
            if world.budget.renewals == 0 {
                return Ok(());
            }
            world.budget.renewals -= 1;
        }
        let me = self.me(&mut world);
        me.lease_sent.get_or_insert(true);
        let id = me.id;
        invariants::check_request(&world, self.slot, &request, false)?;
        let reply = world.serve(id, &request);
        let writes = !matches!(request, Request::Get(_));
        if writes && world.budget.lost_answers > 0 {
            let mut world = world.clone();
            world.budget.lost_answers -= 1;
            self.me(&mut world).protocol.renewal_answer(Reply::Lost);
            self.push("renews its lease, and hears nothing", world);
        }
        let me = self.me(&mut world);
        if let Some(renewed) = me.protocol.renewal_answer(reply) {
            let sent = me.lease_sent.take();
            me.believes = renewed && sent == Some(true);
        }
        self.push("renews its lease", world);
        Ok(())
    }

    /// A request that sets or removes all tags, whatever they are.
    fn tag_by_request(&mut self) {
        let mut world = self.world.clone();
        let wanted = self.me(&mut world).tagging.take().flatten();
        if let Some(graph) = &mut world.graph {
            graph.lock = wanted.map_or(LockTag::None, LockTag::Marked);
        }
        self.push("sends its tag", world);
    }
}

impl Session {
    fn premises_unread(&self) -> bool {
        self.premises.as_ref().is_some_and(|premises| premises.graph == u8::MAX)
    }
}

fn after_look(session: &Session) -> At {
    if session.creates | session.deletes == 0 { At::DescribeLast } else { At::Check }
}

fn seen_graph(world: &World) -> Option<SeenGraph<Small>> {
    world
        .graph
        .as_ref()
        .map(|graph| SeenGraph { etag: graph.etag(), carried: graph.nonce.map(|nonce| nonce.session) })
}

/// Sessions that can no longer act. Production knows it of intents that are an hour old; the model just knows.
fn settled(world: &World, variant: Variant) -> [bool; IDS] {
    let mut settled = [true; IDS];
    for session in world.sessions.iter().filter(|session| !session.is_gone()) {
        settled[usize::from(session.id)] = variant == Variant::AbsentStackSettlesIntents;
    }
    settled
}

fn name_of(request: &Request<Small>) -> &'static str {
    match request {
        Request::GetTags => "looks at the tags",
        Request::Get(_) => "compares an object with what it wrote",
        Request::PutLease { .. } => "writes the lease",
        Request::PutState { .. } => "writes the state",
        Request::PutGraph { locked: true, .. } => "writes the locked graph",
        Request::PutGraph { .. } => "writes the graph",
        Request::Delete { target: Target::Graph, .. } => "deletes the graph",
        Request::Delete { .. } => "deletes the lease",
    }
}
