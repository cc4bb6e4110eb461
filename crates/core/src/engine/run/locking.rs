//! From a plan to a lock in which the plan stands.

use std::sync::Arc;
use std::time::Duration;

use runway_store::ObjectStore;

use super::{Made, ask, forward, or_interrupted};
use crate::engine::backing::Backing;
use crate::engine::observe::Observed;
use crate::engine::problem::EngineProblem;
use crate::engine::records;
use crate::engine::{Approval, Engine, EngineError, Gate, Interrupt, Planned};
use crate::error::Finding;
use crate::event::{Event, Reporter};
use crate::exit::ExitCode;
use crate::lock::{self, LockError, LockEvent, Objects, Session};
use crate::plan::saved::SavedProblem;
use crate::plan::{self, Desired, Plan, Purpose};

/// Pause between two looks at the lock of a CFNgin run that is waited for.
const CFNGIN_PAUSE: Duration = Duration::from_secs(3);

/// What stays the same through one run.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) desired: &'a Desired,
    pub(super) purpose: Purpose,
    pub(super) backing: &'a Backing,
    pub(super) gate: &'a dyn Gate,
    pub(super) interrupt: &'a Interrupt,
    /// It carries out a saved plan: whatever is not in that is not done, and nobody is asked.
    pub(super) is_saved: bool,
}

/// How locking ended.
pub(super) enum Locking {
    /// The lock is held, and this plan stands.
    Held(Box<(Session, Made)>),
    /// Nothing is carried out, and the exit code says why.
    Refused(Planned, ExitCode),
}

impl Run<'_> {
    /// Locks, and plans anew as often as the world moves and the options allow. A CFNgin run that holds the lock is
    /// waited for as long as the options say.
    pub(super) async fn lock(
        &self,
        store: &Arc<dyn ObjectStore>,
        objects: &Objects,
        mut made: Made,
        approval: Approval,
        reporter: &mut dyn Reporter,
    ) -> Result<Locking, EngineError> {
        if !self.engine.provider.keeps_conditions() {
            lock::check_conditions(store.as_ref(), objects).await.map_err(EngineError::of)?;
        }
        let clock = &self.engine.clock;
        let since = clock.monotonic();
        loop {
            let plan = made.planned.plan.clone();
            let error = match self.attempt(store, objects, made, approval, reporter).await {
                Err(error) if is_cfngin(&error) => error,
                ended => return self.or_kept(ended, &plan).await,
            };
            let waited = clock.monotonic().saturating_sub(since);
            let Some(limit) = self.engine.options.lock_wait.filter(|limit| waited < *limit) else {
                return self.or_kept(Err(error), &plan).await;
            };
            reporter.event(&Event::LockWaiting {
                holder: "a CFNgin (Runway) run".to_owned(),
                waited_seconds: waited.as_secs(),
                limit_seconds: limit.as_secs(),
            });
            let pause = clock.sleep(CFNGIN_PAUSE.min(limit.saturating_sub(waited)));
            or_interrupted(self.interrupt, async {
                pause.await;
                Ok(())
            })
            .await?;
            made = self.engine.make(self.desired, self.purpose, self.backing, None).await?;
            if made.planned.plan != plan && made.planned.plan.has_changes() {
                if approval != Approval::Standing {
                    let what = difference(&plan, &made.planned.plan);
                    return Err(EngineError::of(EngineProblem::Stale { what }));
                }
                if let Approval::Refused(exit) = self.ask(&made, 1).await? {
                    return Ok(Locking::Refused(made.planned, exit));
                }
            }
        }
    }

    /// A run that has no stack to change and no hooks does not fail because somebody has the lock: its records can be brought up to
    /// date by a later one.
    async fn or_kept(
        &self,
        ended: Result<Locking, EngineError>,
        plan: &Plan,
    ) -> Result<Locking, EngineError> {
        match ended {
            Err(error) if error.exit == ExitCode::Locked && !plan.has_changes() && plan.hooks.is_empty() => {
                let why = error.findings.first().map(ToString::to_string).unwrap_or_default();
                let made = self.engine.make(self.desired, self.purpose, self.backing, None).await?;
                let mut planned = made.planned;
                planned.warnings.push(Finding::general(EngineProblem::RecordsKept { why }));
                Ok(Locking::Refused(planned, ExitCode::Ok))
            }
            ended => ended,
        }
    }

    async fn attempt(
        &self,
        store: &Arc<dyn ObjectStore>,
        objects: &Objects,
        made: Made,
        approval: Approval,
        reporter: &mut dyn Reporter,
    ) -> Result<Locking, EngineError> {
        let Some(premises) = &made.observed.premises else {
            return Err(EngineError::of(EngineProblem::NoPersistentGraph));
        };
        let mut session = {
            let (store, clock) = (Arc::clone(store), Arc::clone(&self.engine.clock));
            let mut forward = |event: LockEvent| forward(&event, reporter);
            let options = self.engine.options.lock();
            let acquire = Session::acquire(store, clock, objects, &options, premises, &mut forward);
            or_interrupted(self.interrupt, async { acquire.await.map_err(EngineError::of) }).await?
        };
        match self.settle(made, approval, &mut session).await {
            Ok(Ok(made)) => Ok(Locking::Held(Box::new((session, made)))),
            // What kept the run from going on is what the user has to hear; the lease expires by itself.
            Ok(Err((planned, exit))) => {
                let _ = session.give_up().await;
                Ok(Locking::Refused(planned, exit))
            }
            Err(error) => {
                let _ = session.give_up().await;
                Err(error)
            }
        }
    }

    /// Shows a plan again, and asks whether to go on.
    pub(super) async fn ask(&self, made: &Made, again: u32) -> Result<Approval, EngineError> {
        ask(self.gate, &made.planned, again, self.interrupt).await
    }

    /// With the lease in hand: records intents, looks again, and goes on only with a plan that stands. The inner
    /// error is a refusal at the gate.
    pub(super) async fn settle(
        &self,
        mut made: Made,
        approval: Approval,
        session: &mut Session,
    ) -> Result<Result<Made, (Planned, ExitCode)>, EngineError> {
        let Self { engine, desired, purpose, backing, .. } = *self;
        let mut again = 0;
        loop {
            let Some(premises) = made.observed.premises.clone() else {
                return Err(EngineError::of(EngineProblem::NoPersistentGraph));
            };
            let (plan, world) = (&made.planned.plan, &made.observed.world);
            let record = records::first(&engine.options.session, desired, plan, &premises, world);
            let what = match session.record(&premises, &record).await {
                Ok(()) => {
                    let (world, pages) =
                        engine.observe_again(desired, purpose, Some(&premises), world).await?;
                    made.observed = Observed { world, pages, ..made.observed };
                    engine.answer_for(desired, purpose, &mut made.observed.world).await?;
                    let plan = engine.plan_for(desired, purpose, backing, &mut made.observed).await?.plan;
                    let stands = plan == made.planned.plan;
                    let what = difference(&made.planned.plan, &plan);
                    made.planned.plan = plan;
                    if stands {
                        session.confirm().await.map_err(EngineError::of)?;
                        return Ok(Ok(made));
                    }
                    what
                }
                Err(LockError::Moved { location }) => format!("another session wrote {location}"),
                Err(error) => return Err(EngineError::of(error)),
            };
            again += 1;
            engine.asked.forget_tasks();
            if approval != Approval::Standing || again > engine.options.replans {
                return Err(EngineError::of(EngineProblem::Stale { what }));
            }
            let before = made.planned.plan;
            made = engine.make(desired, purpose, backing, Some(&made.observed.world)).await?;
            if made.planned.plan != before
                && made.planned.plan.has_changes()
                && let Approval::Refused(exit) = self.ask(&made, again).await?
            {
                return Ok(Err((made.planned, exit)));
            }
        }
    }
}

/// Whether CFNgin has the lock.
fn is_cfngin(error: &EngineError) -> bool {
    let codes = ["lock::held_by_cfngin", "lock::cfngin_cut_in"];
    error.findings.iter().any(|finding| codes.contains(&finding.code().as_str()))
}

/// A run that carries out a saved plan would have to do something that is not in it.
pub(super) fn unplanned(before: &Plan, now: &Plan) -> EngineError {
    EngineError::of(SavedProblem::Grown { what: difference(before, now) })
}

/// Names the first stack for which two plans differ.
fn difference(before: &Plan, now: &Plan) -> String {
    let changed = |step: &plan::Step| now.step(&step.name) != Some(step);
    let step = before.steps.iter().find(|step| changed(step));
    let step = step.or_else(|| now.steps.iter().find(|step| before.step(&step.name).is_none()));
    match step {
        Some(step) if step.task.is_some() => format!("task {} is not as it was", step.name),
        Some(step) => format!("stack {} ({}) is not as it was", step.name, step.fqn),
        None => "the persistent graph is not as it was".to_owned(),
    }
}
