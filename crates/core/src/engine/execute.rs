//! Carries out a plan: one loop that alone owns the state of the run, starts steps, looks at running stacks and
//! reports. It decides nothing the plan does not show, except that a step may turn out to have nothing left to do.

mod tasks;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::{StackDefinition, TaskDefinition};
use crate::engine::backing::Backing;
use crate::engine::cadence::Cadence;
use crate::engine::judge::Goal;
use crate::engine::limits::Limits;
use crate::engine::outcomes::Ended;
use crate::engine::schedule::Schedule;
use crate::engine::step::{self, Operation, Submission, SubmitError};
use crate::engine::task::{Printed, Turn};
use crate::engine::{Engine, Interrupt};
use crate::event::{Event, Outcome, Reporter, StepFailure};
use crate::graph::state::TaskFacts;
use crate::ident::{NodeName, StackFqn};
use crate::lock;
use crate::plan::{Action, Desired, Plan, Summary, World};
use crate::provider::{ProviderError, StackRef, StackState};
use crate::registry::LookupRequest;

/// What a run has done.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    /// Stacks as last seen, the ones that were not touched included.
    pub(crate) stacks: BTreeMap<StackFqn, StackState>,
    /// How steps that began ended.
    pub(crate) ends: BTreeMap<NodeName, Ended>,
    /// Steps that cannot run, with the failed or blocked ones that they need.
    pub(crate) blocked: BTreeMap<NodeName, BTreeSet<NodeName>>,
    /// What is known of tasks that are as specified now.
    pub(crate) tasks: BTreeMap<NodeName, TaskFacts>,
    /// Steps that succeeded, unchanged ones included.
    pub(crate) succeeded: BTreeSet<NodeName>,
    /// What was really done, by action.
    pub(crate) done: Summary,
    /// Steps that failed.
    pub(crate) failed: BTreeSet<NodeName>,
    /// Steps that never started.
    pub(crate) not_run: BTreeSet<NodeName>,
    /// Steps left running.
    pub(crate) abandoned: BTreeSet<NodeName>,
    /// The lock was lost on the way.
    pub(crate) lost: Option<lock::LockError>,
    /// The user interrupted.
    pub(crate) interrupted: bool,
    /// Running stacks could not be looked at any more, and were left alone.
    pub(crate) blind: Option<ProviderError>,
}

/// One execution of one plan.
pub(crate) struct Execution<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) desired: &'a Desired,
    pub(crate) plan: &'a Plan,
    pub(crate) backing: &'a Backing,
    pub(crate) session: Option<&'a lock::Session>,
    pub(crate) interrupt: &'a Interrupt,
    /// Pages an unnamed DescribeStacks has, as last seen.
    pub(crate) pages: usize,
}

/// A step under way.
struct Flight {
    operations: VecDeque<Operation>,
    started: Duration,
    watching: Option<Watch>,
    /// Whether an operation of the step has changed something already.
    worked: bool,
    /// Whether the stack policy was sent by itself.
    policy_sent: bool,
    /// What a task really did.
    did: Option<Action>,
}

/// A stack being watched.
struct Watch {
    stack: StackRef,
    goal: Goal,
    /// The stack before the operation, to tell an old answer from a new one.
    before: Option<StackState>,
    /// What a repetition of the request was refused with, after an attempt that had no answer: unless that attempt took
    /// effect, this is how the operation ended.
    refused: Option<StepFailure>,
    since: Duration,
    status: Option<String>,
    /// Id of the last event reported.
    event: Option<String>,
}

type Submitted = (NodeName, Result<Submission, SubmitError>);

struct Run<'a, 'r> {
    execution: Execution<'a>,
    reporter: &'r mut dyn Reporter,
    world: World,
    schedule: Schedule,
    flights: BTreeMap<NodeName, Flight>,
    submitting: FuturesUnordered<BoxFuture<'a, Submitted>>,
    /// Tasks under way: each makes its own requests, and waits for what it began.
    tasks: FuturesUnordered<Turn<'a>>,
    /// What programs of tasks print.
    printed: (UnboundedSender<Printed>, UnboundedReceiver<Printed>),
    cadence: Cadence,
    executed: Executed,
    /// When running stacks were last seen; the start of the run before the first look.
    seen_at: Duration,
    /// In which order stacks changed, from 1.
    changed_at: BTreeMap<NodeName, usize>,
    /// How many stacks had changed when a service was asked; what is not here was asked for the plan.
    asked_at: BTreeMap<LookupRequest, usize>,
    /// Nothing new starts.
    stopping: bool,
    first_tick: bool,
}

impl<'a> Execution<'a> {
    /// Runs to the end: until every step ended or is known not to run, or the user gave up waiting.
    pub(crate) async fn run(self, world: World, reporter: &mut dyn Reporter) -> Executed {
        let cadence = Cadence::new(self.engine.options.poll_limit);
        let schedule = Schedule::new(self.plan, Limits::of_run(self.engine.options.concurrency));
        let seen_at = self.engine.clock.monotonic();
        let mut run = Run {
            execution: self,
            reporter,
            world,
            schedule,
            flights: BTreeMap::new(),
            submitting: FuturesUnordered::new(),
            tasks: FuturesUnordered::new(),
            printed: unbounded_channel(),
            cadence,
            executed: Executed::default(),
            seen_at,
            changed_at: BTreeMap::new(),
            asked_at: BTreeMap::new(),
            stopping: false,
            first_tick: true,
        };
        run.drive().await;
        run.finish()
    }
}

impl Run<'_, '_> {
    async fn drive(&mut self) {
        let interrupt = self.execution.interrupt.clone();
        let clock = &self.execution.engine.clock;
        let lost = self.execution.session.map(lock::Session::lost);
        let mut next_look = clock.monotonic();
        loop {
            if interrupt.stop.is_cancelled() && !self.executed.interrupted {
                self.interrupted();
            }
            self.start_ready(&mut next_look).await;
            if self.flights.is_empty() {
                return;
            }
            let watching = self.flights.values().any(|flight| flight.watching.is_some());
            let until_look = next_look.saturating_sub(clock.monotonic());
            tokio::select! {
                biased;
                () = interrupt.abandon.cancelled() => {
                    self.tell_printed();
                    self.leave(true);
                    return;
                }
                () = interrupt.stop.cancelled(), if !self.executed.interrupted => self.interrupted(),
                () = cancelled(lost.as_ref()), if self.executed.lost.is_none() => self.lock_lost(None),
                Some((name, result)) = self.submitting.next(), if !self.submitting.is_empty() => {
                    if self.submitted(&name, result) {
                        self.cadence.submitted();
                        next_look = clock.monotonic() + self.cadence.pause();
                    }
                }
                Some((name, line)) = self.printed.1.recv() => {
                    self.reporter.event(&Event::TaskOutput { name, line });
                }
                Some((name, result)) = self.tasks.next(), if !self.tasks.is_empty() => {
                    // What it said last came with its end.
                    self.tell_printed();
                    self.task_ended(&name, result);
                }
                () = clock.sleep(until_look), if watching => {
                    self.look(&interrupt).await;
                    next_look = clock.monotonic() + self.cadence.pause();
                }
            }
        }
    }

    /// Tells what programs of tasks have printed until now.
    fn tell_printed(&mut self) {
        while let Ok((name, line)) = self.printed.1.try_recv() {
            self.reporter.event(&Event::TaskOutput { name, line });
        }
    }

    /// One scheduling tick: starts what may start, after a look at the lock.
    async fn start_ready(&mut self, next_look: &mut Duration) {
        while !self.stopping && self.schedule.has_ready() {
            let options = &self.execution.engine.options;
            let (requests, sent) = (options.requests_at_once(), self.submitting.len());
            // Steps start in batches, each after a look at the lock: none waits for its turn behind that look.
            if sent * 2 > requests {
                return;
            }
            let free = options.concurrency.max(1).saturating_sub(self.flights.len()).min(requests - sent);
            if free == 0 {
                return;
            }
            if !std::mem::take(&mut self.first_tick)
                && let Some(session) = self.execution.session
                && let Err(error) = session.look().await
            {
                self.lock_lost(Some(error));
                return;
            }
            for name in self.schedule.take_ready(free) {
                self.start(&name);
            }
            if !self.flights.is_empty() {
                *next_look = (*next_look).max(self.execution.engine.clock.monotonic());
                return;
            }
        }
    }

    fn start(&mut self, name: &NodeName) {
        let Some(step) = self.execution.plan.step(name) else { return };
        let event = Event::StepStarted { name: name.clone(), fqn: step.fqn.clone(), action: step.action };
        self.reporter.event(&event);
        let operations = step::operations(step, &self.world);
        let started = self.execution.engine.clock.monotonic();
        self.flights.insert(
            name.clone(),
            Flight { operations, started, watching: None, worked: false, policy_sent: false, did: None },
        );
        self.advance(name);
    }

    /// Begins the next operation of a step, or ends the step if there is none.
    fn advance(&mut self, name: &NodeName) {
        let Some(flight) = self.flights.get_mut(name) else { return };
        flight.watching = None;
        let Some(operation) = flight.operations.pop_front() else {
            self.end(name, Outcome::Done);
            return;
        };
        if self.stopping && operation.starts_work() {
            // A step between two operations (deleted, not yet created again) is left as the records say.
            self.end(name, Outcome::Abandoned);
            return;
        }
        if operation.sends_content() {
            self.forget_stale(name);
        }
        let Some(flight) = self.flights.get_mut(name) else { return };
        if operation.sends_content()
            && let Some(asking) = step::ask(&self.execution, &self.world, name)
        {
            flight.operations.push_front(operation);
            self.submitting.push(asking);
            return;
        }
        if operation == Operation::Task {
            self.start_task(name);
            return;
        }
        let afterwards = step::afterwards(&self.execution, &self.world, name, &operation);
        flight.operations.extend(afterwards);
        match step::prepare(&self.execution, &self.world, name, operation) {
            Ok(Some(submission)) => self.submitting.push(submission),
            Ok(None) => self.nothing_left(name),
            Err(failure) => self.end(name, Outcome::Failed(failure)),
        }
    }

    /// What services said before a stack changed that this one needs has to be asked again.
    fn forget_stale(&mut self, name: &NodeName) {
        let config = &self.execution.desired.config;
        let asks = config.stacks.get(name).is_some_and(StackDefinition::asks_services)
            || config.tasks.get(name).is_some_and(TaskDefinition::asks_services);
        if !asks {
            return;
        }
        let needs = self.execution.desired.graph.all_needs_of(name);
        let Some(changed) = needs.iter().filter_map(|need| self.changed_at.get(need)).max().copied() else {
            return;
        };
        let asked_at = &mut self.asked_at;
        let stale: BTreeSet<LookupRequest> = self
            .world
            .answers
            .lookups
            .keys()
            .filter(|request| request.is_volatile() && asked_at.get(*request).is_none_or(|at| *at < changed))
            .cloned()
            .collect();
        self.execution.engine.asked.forget(&stale);
        self.world.answers.lookups.retain(|request, _| !stale.contains(request));
    }

    /// Takes the answer to a submission; returns whether there is now something to watch.
    fn submitted(&mut self, name: &NodeName, result: Result<Submission, SubmitError>) -> bool {
        match result {
            Ok(Submission::Watch { stack, goal, before, refused }) => {
                let since = self.execution.engine.clock.monotonic();
                if let Some(flight) = self.flights.get_mut(name) {
                    flight.watching = Some(Watch {
                        stack,
                        goal,
                        before: before.map(|b| *b),
                        refused: refused.map(|failure| *failure),
                        since,
                        status: None,
                        event: None,
                    });
                }
                return true;
            }
            Ok(Submission::Answered(answers)) => {
                let now = self.changed_at.len();
                self.asked_at.extend(answers.lookups.keys().map(|request| (request.clone(), now)));
                self.world.answers.extend(*answers);
                self.advance(name);
            }
            Ok(Submission::Done) => {
                self.has_worked(name);
                self.advance(name);
            }
            Ok(Submission::Unchanged) => {
                // CloudFormation takes a policy only with a change of something else.
                let policy = self.execution.plan.step(name).is_some_and(|step| step.changes.stack_policy);
                match self.flights.get_mut(name) {
                    Some(flight) if policy && !flight.policy_sent => {
                        flight.policy_sent = true;
                        flight.operations.push_front(Operation::SetStackPolicy);
                        self.advance(name);
                    }
                    _ => self.nothing_left(name),
                }
            }
            Err(SubmitError::Failed(failure)) => self.end(name, Outcome::Failed(failure)),
            Err(SubmitError::LockLost) => {
                self.lock_lost(None);
                self.end(name, Outcome::Abandoned);
            }
        }
        false
    }

    fn has_worked(&mut self, name: &NodeName) {
        if let Some(flight) = self.flights.get_mut(name) {
            flight.worked = true;
        }
    }

    /// Ends a step whose last operation had nothing to do.
    fn nothing_left(&mut self, name: &NodeName) {
        let worked = self.flights.get(name).is_some_and(|flight| flight.worked);
        self.end(name, if worked { Outcome::Done } else { Outcome::Unchanged });
    }

    /// Keeps what was seen of a stack, so that dependants read its outputs and the release knows what exists.
    fn remember(&mut self, name: &NodeName, seen: Option<StackState>) {
        let Some(step) = self.execution.plan.step(name) else { return };
        let gone =
            seen.as_ref().is_none_or(|stack| stack.status == crate::provider::StackStatus::DeleteComplete);
        match seen {
            Some(stack) if !gone => {
                self.execution.engine.asked.learn_outputs(name, &stack);
                self.world.stacks.insert(step.fqn.clone(), stack);
            }
            _ => {
                self.world.stacks.remove(&step.fqn);
            }
        }
    }

    /// Makes the next comparison of a stack ask CloudFormation instead of trusting the template read for the plan.
    fn forget_template(&mut self, name: &NodeName) {
        if let Some(step) = self.execution.plan.step(name) {
            self.world.templates.remove(&step.fqn);
        }
    }

    fn end(&mut self, name: &NodeName, outcome: Outcome) {
        let Some(flight) = self.flights.remove(name) else { return };
        let Some(step) = self.execution.plan.step(name) else { return };
        let elapsed = self.execution.engine.clock.monotonic().saturating_sub(flight.started);
        let succeeded = matches!(outcome, Outcome::Done | Outcome::Unchanged);
        let did = flight.did.unwrap_or(step.action);
        self.executed.ends.insert(name.clone(), Ended { outcome: outcome.clone(), elapsed, did });
        match &outcome {
            Outcome::Done => {
                let now = self.changed_at.len() + 1;
                self.changed_at.insert(name.clone(), now);
                self.executed.succeeded.insert(name.clone());
                self.executed.done.count(did);
            }
            Outcome::Unchanged => {
                self.executed.succeeded.insert(name.clone());
                self.executed.done.count(Action::None);
            }
            Outcome::Failed(_) => {
                self.executed.failed.insert(name.clone());
            }
            Outcome::Abandoned => {
                self.executed.abandoned.insert(name.clone());
            }
        }
        self.reporter.event(&Event::StepFinished {
            name: name.clone(),
            fqn: step.fqn.clone(),
            action: flight.did.filter(|did| did.is_change()).unwrap_or(step.action),
            outcome,
            elapsed,
        });
        for blocked in self.schedule.finish(name, succeeded) {
            self.executed.not_run.insert(blocked.name.clone());
            self.executed.blocked.insert(blocked.name.clone(), blocked.by.clone());
            if let Some(step) = self.execution.plan.step(&blocked.name) {
                self.reporter.event(&Event::StepBlocked {
                    name: blocked.name,
                    fqn: step.fqn.clone(),
                    action: step.action,
                    by: blocked.by,
                });
            }
        }
    }

    fn interrupted(&mut self) {
        self.stopping = true;
        self.executed.interrupted = true;
        let running = self.flights.keys().cloned().collect();
        self.reporter.event(&Event::Interrupted { running, watching: true });
    }

    /// Leaves what runs: the user said so, or nobody can see it any more.
    fn leave(&mut self, interrupted: bool) {
        self.stopping = true;
        self.executed.interrupted |= interrupted;
        let running: BTreeSet<NodeName> = self.flights.keys().cloned().collect();
        if interrupted {
            self.reporter.event(&Event::Interrupted { running: running.clone(), watching: false });
        }
        for name in running {
            self.end(&name, Outcome::Abandoned);
        }
    }

    fn lock_lost(&mut self, error: Option<lock::LockError>) {
        self.stopping = true;
        if self.executed.lost.is_some() {
            return;
        }
        let known = || self.execution.session.and_then(lock::Session::loss);
        let Some(error) = error.or_else(known) else {
            // The lease is no longer believed, and nobody has said why yet.
            let location = self.execution.backing.location();
            let reason = "its lease could not be renewed in time".to_owned();
            return self.lock_lost(Some(lock::LockError::Lost { location, reason }));
        };
        self.reporter.event(&Event::LockLost { reason: error.to_string() });
        self.executed.lost = Some(error);
    }

    fn finish(mut self) -> Executed {
        self.executed.not_run.extend(self.schedule.waiting());
        self.executed.stacks = self.world.stacks;
        self.executed
    }
}

async fn cancelled(token: Option<&tokio_util::sync::CancellationToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}
