//! A whole run: plan, ask, lock, look again, carry out, unlock.

mod bucket;
mod carry;
mod locking;
mod saved;

use std::sync::Arc;

use crate::config::Config;
use crate::engine::backing::Backing;
use crate::engine::desired::{Known, desired};
use crate::engine::execute::Executed;
use crate::engine::observe::Observed;
use crate::engine::outcomes::outcomes;
use crate::engine::problem::EngineProblem;
use crate::engine::records;
use crate::engine::run::carry::{Carried, Stopped};
use crate::engine::run::locking::{Locking, Run};
use crate::engine::{Approval, Bound, Engine, EngineError, Gate, Interrupt, Options, Planned, RunOutcome};
use crate::error::{Finding, Findings, Problem as _};
use crate::event::{Event, Reporter};
use crate::exit::ExitCode;
use crate::lock::code::LockCode;
use crate::lock::{LockError, LockEvent, LockOptions, Premises, Session};
use crate::outcome::{NodeOutcome, Stop};
use crate::plan::{self, Desired, Hidden, Note, Plan, Purpose, Settings, World};
use crate::task::TaskKinds;

impl Options {
    /// What plans and lookups read of these options.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            allow_empty: self.allow_empty,
            environment: self.environment.clone(),
            parameters: self.parameters.clone(),
            hooks_done: false,
            selection: self.selection.clone(),
            allowed: self.allowed.clone(),
            kinds: TaskKinds::default(),
            today: None,
        }
    }

    pub(crate) fn lock(&self) -> LockOptions {
        LockOptions {
            ttl: self.lock_ttl,
            wait: self.lock_wait,
            holder: self.holder.clone(),
            session: self.session.clone(),
        }
    }
}

/// A plan together with what it was made from.
#[derive(Clone)]
struct Made {
    planned: Planned,
    observed: Observed,
}

impl Engine {
    pub(crate) fn desired(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
    ) -> Result<(Desired, Findings), EngineError> {
        let settings = Settings {
            hooks_done: self.asked.hooks().is_some(),
            kinds: self.registry.kinds.clone(),
            ..self.options.settings()
        };
        match desired(config, self.files.as_ref(), purpose, Known::Settings(&settings)) {
            (Some(desired), warnings) => Ok((desired, warnings)),
            (None, findings) => Err(findings.into()),
        }
    }

    pub(crate) fn check_config(&self, config: &Arc<Config>, purpose: Purpose) -> Result<(), EngineError> {
        self.desired(config, purpose).map(|_| ())
    }

    pub(crate) async fn make_plan(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
    ) -> Result<Planned, EngineError> {
        self.make_plan_with_world(config, purpose).await.map(|(planned, _, _)| planned)
    }

    /// A plan and what it was made from.
    pub(crate) async fn make_plan_with_world(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
    ) -> Result<(Planned, Desired, World), EngineError> {
        let (desired, warnings) = self.desired(config, purpose)?;
        let backing = Backing::read_only(self, config);
        let Made { mut planned, observed } = self.make(&desired, purpose, &backing, None).await?;
        planned.warnings.splice(0..0, warnings.split().1);
        Ok((planned, desired, observed.world))
    }

    /// Observes and plans.
    async fn make(
        &self,
        desired: &Desired,
        purpose: Purpose,
        backing: &Backing,
        known: Option<&World>,
    ) -> Result<Made, EngineError> {
        let mut observed = self.observe(desired, purpose, backing, known).await?;
        self.answer_for(desired, purpose, &mut observed.world).await?;
        let planned = self.plan_for(desired, purpose, backing, &mut observed).await?;
        Ok(Made { planned, observed })
    }

    /// Asks what the plan needs to know beside graph and stacks. A destroy deletes whatever the values are.
    pub(crate) async fn answer_for(
        &self,
        desired: &Desired,
        purpose: Purpose,
        world: &mut World,
    ) -> Result<(), EngineError> {
        let mut hidden = None;
        if purpose == Purpose::Deploy {
            self.answer_all(desired, world).await;
            if self.settle_templates(desired, world).await? {
                // What was rendered without them may hold what they make a secret.
                let found = Hidden::of(desired, world, &self.options.settings());
                if found.has_any_outputs() {
                    self.asked.forget_renderings();
                    self.answer_all(desired, world).await;
                } else {
                    hidden = Some(found);
                }
            }
        } else {
            self.answer_removals(desired, world).await;
        }
        let hidden = hidden.unwrap_or_else(|| Hidden::of(desired, world, &self.options.settings()));
        self.asked.learn(hidden);
        Ok(())
    }

    /// What plans read of the options, with the date that acknowledgements are compared with.
    pub(crate) fn settings_of_today(&self) -> Settings {
        let today = Some(self.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date());
        Settings { today, ..self.options.settings() }
    }

    /// Plans from what was observed, and adds what the engine itself has to say. If exports change, it asks who imports
    /// them.
    async fn plan_for(
        &self,
        desired: &Desired,
        purpose: Purpose,
        backing: &Backing,
        observed: &mut Observed,
    ) -> Result<Planned, EngineError> {
        let settings = self.settings_of_today();
        let from = |world: &World| match purpose {
            Purpose::Deploy => plan::deploy(desired, world, &settings),
            Purpose::Destroy => plan::destroy(desired, world, &settings),
        };
        let (mut plan, mut findings) = from(&observed.world)?;
        while self.read_assumed(&plan, &mut observed.world).await? {
            (plan, findings) = from(&observed.world)?;
        }
        let exports = match purpose {
            Purpose::Deploy => plan.exports_at_risk(&observed.world),
            // Whoever deletes everything cannot do it in two steps.
            Purpose::Destroy => Vec::new(),
        };
        if !exports.is_empty() && self.ask_importers(exports.clone(), &mut observed.world).await {
            (plan, findings) = from(&observed.world)?;
        }
        if purpose == Purpose::Deploy {
            self.keep_receipts(desired, &observed.world, &plan);
        }
        plan.notes.extend(self.cached_lookups());
        plan.notes.extend(self.unknown_importers(&exports));
        plan.notes.extend(notes(&desired.config, observed, &self.options.session));
        for warning in backing.graph_warnings(observed.premises.as_ref()) {
            findings.push(warning);
        }
        Ok(Planned { plan, warnings: findings.split().1 })
    }

    pub(crate) async fn run_plan(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
        bound: Option<Bound<'_>>,
        gate: &dyn Gate,
        reporter: &mut dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<RunOutcome, EngineError> {
        let (desired, warnings) = self.desired(config, purpose)?;
        let backing = Backing::of(self, config);
        let started = self.clock.monotonic();
        let making = async {
            match bound {
                Some(bound) => self.make_saved(&desired, purpose, &backing, bound).await,
                None => self.make(&desired, purpose, &backing, None).await,
            }
        };
        let mut made = or_interrupted(interrupt, making).await?;
        made.planned.warnings.splice(0..0, warnings.split().1);

        let mut approval = Approval::Standing;
        if made.planned.plan.has_changes() {
            approval = ask(gate, &made.planned, 0, interrupt).await?;
            if let Approval::Refused(exit) = approval {
                return Ok(not_begun(made.planned, exit, reporter));
            }
        }
        if bound.is_some() {
            // Whoever saved it approved this plan and no other.
            approval = Approval::Person;
        }
        let dead = |premises: &Premises| premises.dead_lock_to_clear(self.options.lock_ttl);
        let dead_lock = made.observed.premises.as_ref().is_some_and(dead);
        let records_differ = records::differ(&desired, &made.planned.plan, &made.observed);
        let plan = &made.planned.plan;
        if !plan.has_changes() && plan.hooks.is_empty() && !dead_lock && !records_differ {
            return Ok(not_begun(made.planned, ExitCode::Ok, reporter));
        }

        if made.observed.bucket_missing && purpose == Purpose::Deploy && backing.bucket.is_some() {
            let remake = self.make(&desired, purpose, &backing, None);
            let before = made.planned.plan.clone();
            match self.with_bucket(made.planned, config, &backing, remake, reporter, interrupt).await? {
                Ok(again) if bound.is_some() && carry::grown(&before, &again.planned.plan) => {
                    return Err(locking::unplanned(&before, &again.planned.plan));
                }
                Ok(again) => made = again,
                Err(outcome) => return Ok(outcome),
            }
        }
        // Without a bucket there is nothing to lock, and a destroy makes none.
        let graph = backing.graph().filter(|_| !made.observed.bucket_missing || purpose == Purpose::Deploy);
        let is_saved = bound.is_some();
        let run =
            Run { engine: self, desired: &desired, purpose, backing: &backing, gate, interrupt, is_saved };
        let Some((store, objects)) = graph else {
            let mut carried = run.carry_out(made, approval, None, reporter).await;
            if purpose == Purpose::Destroy {
                run.run_after(&mut carried, None, reporter).await;
            }
            return Ok(self.summarise(carried, Vec::new(), started, reporter));
        };
        let (mut session, made) = match run.lock(store, objects, made, approval, reporter).await? {
            Locking::Held(held) => *held,
            Locking::Refused(planned, exit) => return Ok(not_begun(planned, exit, reporter)),
        };
        reporter.event(&Event::Locked { graph: backing.location(), code: session.code().to_string() });
        let mut carried = run.carry_out(made, approval, Some(&mut session), reporter).await;
        let unlocked = self.unlock_after(session, &carried).await;
        let mut errors = Vec::new();
        match unlocked {
            Ok(()) if carried.executed.lost.is_some() => {}
            Ok(()) => reporter.event(&Event::Unlocked { graph: backing.location() }),
            Err(error @ LockError::Lost { .. }) if carried.executed.lost.is_none() => {
                carried.executed.lost = Some(error);
            }
            Err(error) => errors.push(error),
        }
        if purpose == Purpose::Destroy && errors.is_empty() {
            run.run_after(&mut carried, None, reporter).await;
        }
        Ok(self.summarise(carried, errors, started, reporter))
    }

    /// Gives the lock back: with everything that is known now, or, if the lock was lost or steps were left running,
    /// with the records as they are, so that the next run knows what was intended.
    async fn unlock_after(&self, session: Session, carried: &Carried) -> Result<(), LockError> {
        let Carried { desired, made, executed, .. } = carried;
        let premises = made.observed.premises.as_ref();
        match premises.filter(|_| executed.lost.is_none() && executed.abandoned.is_empty()) {
            Some(premises) => {
                let world = &made.observed.world;
                let last = records::last(desired, &made.planned.plan, premises, world, executed);
                session.release(&last.ending()).await
            }
            None => session.give_up().await,
        }
    }

    /// Reports the end of a run and finds its exit code: a lost lock says more than failed steps, those more than an
    /// interrupt that came on top, and all of them more than a lock that could not be given back.
    fn summarise(
        &self,
        carried: Carried,
        unlocking: Vec<LockError>,
        started: std::time::Duration,
        reporter: &mut dyn Reporter,
    ) -> RunOutcome {
        let Carried { made: Made { planned, .. }, executed, stopped, .. } = carried;
        let (stopped_with, stopped_by) = match stopped {
            Some(Stopped { exit, findings }) => (Some(exit), findings),
            None => (None, Vec::new()),
        };
        let exit = match (&executed.lost, &executed.blind) {
            (Some(error), _) => error.exit_code(),
            (None, Some(error)) => error.kind.exit_code(),
            (None, None) if !executed.failed.is_empty() => ExitCode::StepsFailed,
            (None, None) if executed.interrupted => ExitCode::Interrupted,
            (None, None) => stopped_with.unwrap_or(ExitCode::Ok),
        };
        let mut not_run = executed.not_run.clone();
        not_run.extend(executed.abandoned.iter().cloned());
        let otherwise = match &stopped_with {
            Some(_) if stopped_by.is_empty() => Stop::Refused,
            _ => Stop::NotPrepared,
        };
        let nodes = tell(&planned.plan, &executed, otherwise, reporter);
        reporter.event(&Event::RunFinished {
            planned: planned.plan.summary(),
            done: executed.done,
            failed: executed.failed.clone(),
            not_run,
            elapsed: self.clock.monotonic().saturating_sub(started),
        });
        let mut outcome = ended(planned, nodes, executed, exit);
        outcome.errors.extend(stopped_by);
        if let Some(error) = unlocking.first().filter(|_| outcome.exit == ExitCode::Ok) {
            outcome.exit = error.exit_code();
        }
        outcome.errors.extend(unlocking.into_iter().map(Finding::general));
        outcome
    }
}

/// Reports how every step of the plan ended.
fn tell(plan: &Plan, executed: &Executed, otherwise: Stop, reporter: &mut dyn Reporter) -> Vec<NodeOutcome> {
    let nodes = outcomes(plan, executed, otherwise);
    reporter.event(&Event::Outcomes { nodes: nodes.clone() });
    nodes
}

/// The end of a run that has nothing to do, or may not do it.
fn not_begun(planned: Planned, exit: ExitCode, reporter: &mut dyn Reporter) -> RunOutcome {
    let executed = Executed::default();
    let nodes = tell(&planned.plan, &executed, Stop::Refused, reporter);
    ended(planned, nodes, executed, exit)
}

fn ended(planned: Planned, nodes: Vec<NodeOutcome>, executed: Executed, exit: ExitCode) -> RunOutcome {
    let lost = executed.lost.into_iter().map(Finding::general);
    let blind = executed.blind.into_iter().map(|error| Finding::general(EngineProblem::LeftRunning(error)));
    let errors = lost.chain(blind).collect();
    RunOutcome { planned, done: executed.done, nodes, exit, errors }
}

/// What a reader of the plan should know about graph, lock and bucket.
fn notes(config: &Config, observed: &Observed, session: &str) -> Vec<Note> {
    let mut notes = Vec::new();
    if observed.premises.is_none() {
        let text = "no persistent graph is configured: stacks that leave the config are not deleted, and nothing keeps two runs apart";
        notes.push(Note { warning: false, code: "graph::not_configured", text: text.to_owned() });
    }
    if observed.premises.is_none() && !config.tasks.is_empty() {
        let text = "nor are tasks recorded without one: those that leave the config are not known any more, and what runs only when something changes runs in every deploy";
        notes.push(Note { warning: false, code: "graph::tasks_not_recorded", text: text.to_owned() });
    }
    if observed.bucket_missing
        && let Some(bucket) = config.bucket_name(&observed.world.place.region)
    {
        let text = bucket::announcement(config, bucket.as_str());
        notes.push(Note { warning: false, code: "bucket::missing", text });
    }
    let version = observed.premises.as_ref().and_then(|premises| premises.graph.as_ref());
    let unversioned =
        version.is_some_and(|seen| seen.version_id.as_ref().is_none_or(|version| version == "null"));
    if unversioned && let Some(bucket) = config.bucket_name(&observed.world.place.region) {
        let text = format!(
            "bucket {bucket} keeps no versions: a persistent graph that is overwritten or deleted cannot be put back; switch versioning on"
        );
        notes.push(Note { warning: true, code: "bucket::unversioned", text });
    }
    let own = LockCode::of_session(session);
    let lock = observed.premises.as_ref().and_then(Premises::lock_view);
    if let Some(lock) = lock.filter(|lock| lock.code != own.as_str()) {
        let by = lock.describe();
        notes.push(Note {
            warning: false,
            code: "lock::held",
            text: format!("the persistent graph is locked by {by}"),
        });
    }
    notes
}

/// Passes lock events on as run events.
pub(crate) fn forward(event: &LockEvent, reporter: &mut dyn Reporter) {
    match event {
        LockEvent::Waiting { holder, waited, limit } => reporter.event(&Event::LockWaiting {
            holder: holder.clone(),
            waited_seconds: waited.as_secs(),
            limit_seconds: limit.as_secs(),
        }),
        LockEvent::TakenOver { holder } => reporter.event(&Event::LockTakenOver { holder: holder.clone() }),
    }
}

/// Shows a plan and asks whether to go on. Whatever the frontend answers, data is lost only with a person's approval of
/// exactly this plan, or where that was allowed beforehand.
async fn ask(
    gate: &dyn Gate,
    planned: &Planned,
    again: u32,
    interrupt: &Interrupt,
) -> Result<Approval, EngineError> {
    let approval = or_interrupted(interrupt, async { Ok(gate.approve(planned, again).await) }).await?;
    let refused = approval == Approval::Standing && planned.plan.refused_losses().next().is_some();
    Ok(if refused { Approval::Refused(ExitCode::Refused) } else { approval })
}

/// An error without changes if the user interrupts before `work` is over.
pub(crate) async fn or_interrupted<T>(
    interrupt: &Interrupt,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    tokio::select! {
        biased;
        () = interrupt.stop.cancelled() => Err(EngineError::of(EngineProblem::Interrupted)),
        result = work => result,
    }
}
