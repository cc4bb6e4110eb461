//! The requests of a session's operations and renewals, and what follows their answers.

use runway_core::lock::protocol::Outcome;
use runway_core::lock::terms::{Expect, LockTag, Reply, Request, Target};

use super::steps::{Steps, after_look};
use super::{At, Session};
use crate::invariants::{self, Violation};
use crate::variant::Variant;
use crate::world::{ALL, Author, ETag, LateCopy, Small, Stacks, World, bit};

impl Steps<'_> {
    /// Sends the next request of the operation under way.
    pub(super) fn operate(&mut self) -> Result<(), Violation> {
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
        let accepted = world.accepts(request);
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
        if on_graph && accepted && !me.looks.acts() {
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
                    self.record(self.me(&mut world));
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
                self.record(self.me(&mut world));
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
    pub(super) fn renewals(&mut self) -> Result<(), Violation> {
        let session = &self.world.sessions[self.slot];
        let before_reading = self.variant == Variant::RenewBeforeReadingAgain && session.at == At::ReadAgain;
        let holds_lease = session.at == At::Recording || session.is_past_recording();
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
    pub(super) fn tag_by_request(&mut self) {
        let mut world = self.world.clone();
        let wanted = self.me(&mut world).tagging.take().flatten();
        if let Some(graph) = &mut world.graph {
            graph.lock = wanted.map_or(LockTag::None, LockTag::Marked);
        }
        self.push("sends its tag", world);
    }
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
