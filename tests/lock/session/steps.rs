//! What a session does by itself: reading, deciding, describing, changing.

use runway_core::lock::decide::{Acquisition, Liveness};
use runway_core::lock::terms::{Expect, LockTag, Request, Seen, SeenGraph, SeenLease, Target};

use super::{At, Premises, Recorded, Session};
use crate::invariants::{self, Violation};
use crate::records::{ToForget, ToRecord, forgotten, recorded};
use crate::variant::Variant;
use crate::world::{ALL, Author, IDS, Intents, Small, Stacks, State, World, bit, has};

/// Successors of a world by one step of the session at `slot`, each with what it is called.
pub(crate) struct Steps<'a> {
    pub(crate) world: &'a World,
    pub(crate) slot: usize,
    pub(crate) variant: Variant,
    pub(crate) next: Vec<(&'static str, World)>,
}

impl Steps<'_> {
    pub(super) fn me<'w>(&self, world: &'w mut World) -> &'w mut Session {
        &mut world.sessions[self.slot]
    }

    pub(super) fn push(&mut self, what: &'static str, world: World) {
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
    pub(super) fn record(&self, me: &mut Session) {
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
                self.record(self.me(&mut world));
            }
            self.push(if has(creates, stack) { "creates a stack" } else { "deletes a stack" }, world);
        }
        Ok(())
    }
}

/// What follows the last look.
pub(super) fn after_look(session: &Session) -> At {
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
