//! Carries out a plan that may go on: the hooks before, the steps, the hooks after.

use super::Made;
use super::locking::{Run, unplanned};
use crate::engine::execute::{Executed, Execution};
use crate::engine::hooks::HooksFailed;
use crate::engine::{Approval, EngineError, EngineProblem};
use crate::error::Finding;
use crate::event::Reporter;
use crate::exit::ExitCode;
use crate::ident::NodeName;
use crate::lock::Session;
use crate::lookup::Cause;
use crate::plan::saved::SavedProblem;
use crate::plan::{
    Desired, Loss, Plan, Purpose, Reason, ShownValue, Step, StepTask, World, current_template,
};
use crate::registry::HookStage;
use crate::resources::Replacement;

/// A plan that was carried out as far as it went.
pub(super) struct Carried {
    /// What was wanted at the end; hooks may have made templates.
    pub(super) desired: Desired,
    /// The plan that was carried out, which is another one than the first if hooks changed something.
    pub(super) made: Made,
    /// What the steps did.
    pub(super) executed: Executed,
    /// Why it did not come to its end, apart from what the steps themselves tell.
    pub(super) stopped: Option<Stopped>,
}

/// Why a run stopped before or after its steps.
pub(super) struct Stopped {
    pub(super) exit: ExitCode,
    /// None if a refusal at the gate says it all.
    pub(super) findings: Vec<Finding>,
}

impl Stopped {
    /// What hooks that did not all run mean for the run.
    fn by(failed: HooksFailed, executed: &mut Executed) -> Option<Self> {
        match failed {
            HooksFailed::Finding(finding, exit) => Some(Self { exit, findings: vec![finding] }),
            HooksFailed::Lost(error) => {
                executed.lost = Some(error);
                None
            }
        }
    }

    /// What an error between hooks and stacks means for the run: nothing was done, and what was recorded for it is to
    /// be put right.
    fn before_stacks(error: EngineError, session: Option<&Session>, executed: &mut Executed) -> Option<Self> {
        executed.lost = session.and_then(Session::loss);
        if executed.lost.is_some() {
            return None;
        }
        let EngineError { findings, exit } = match error.exit {
            // It says that nothing was changed, which is not so.
            ExitCode::Interrupted => EngineError::of(EngineProblem::HooksInterrupted),
            _ => error,
        };
        Some(Self { exit, findings })
    }
}

/// Whether hooks of a stage are planned: what the plan does not list does not run.
fn has_hooks(made: &Made, stage: HookStage) -> bool {
    made.planned.plan.hooks.iter().any(|hook| hook.stage == stage.as_str())
}

impl Run<'_> {
    /// Runs the hooks before, plans again with what they changed, carries out the steps and, in a deploy, runs the hooks
    /// after.
    pub(super) async fn carry_out(
        &self,
        made: Made,
        approval: Approval,
        mut session: Option<&mut Session>,
        reporter: &mut dyn Reporter,
    ) -> Carried {
        let (engine, interrupt) = (self.engine, self.interrupt);
        let [before, _] = self.purpose.stages();
        let mut desired = self.desired.clone();
        let mut made = made;
        if has_hooks(&made, before) {
            let world = &made.observed.world;
            if let Err(failed) =
                engine.run_hooks(&desired, world, before, session.as_deref(), interrupt, reporter).await
            {
                let mut executed = untouched(&made.planned.plan, world);
                let stopped = Stopped::by(failed, &mut executed);
                return Carried { desired, made, executed, stopped };
            }
            match self.plan_after_hooks(&made, approval, session.as_deref_mut()).await {
                Ok((now_desired, Ok(again))) => (desired, made) = (now_desired, again),
                Ok((desired, Err((made, exit)))) => {
                    let executed = untouched(&made.planned.plan, &made.observed.world);
                    let stopped = Some(Stopped { exit, findings: Vec::new() });
                    return Carried { desired, made, executed, stopped };
                }
                Err(error) => {
                    let mut executed = untouched(&made.planned.plan, &made.observed.world);
                    let stopped = Stopped::before_stacks(error, session.as_deref(), &mut executed);
                    return Carried { desired, made, executed, stopped };
                }
            }
        }
        let execution = Execution {
            engine,
            desired: &desired,
            plan: &made.planned.plan,
            backing: self.backing,
            session: session.as_deref(),
            interrupt,
            pages: made.observed.pages,
        };
        let executed = execution.run(made.observed.world.clone(), reporter).await;
        let mut carried = Carried { desired, made, executed, stopped: None };
        if self.purpose == Purpose::Deploy {
            self.run_after(&mut carried, session.as_deref(), reporter).await;
        }
        carried
    }

    /// Runs the hooks after the steps, unless something failed. After a deploy this is done under the lock; after a
    /// destroy without it, because such hooks may well remove the bucket's last objects, graph and lock among them.
    pub(super) async fn run_after(
        &self,
        carried: &mut Carried,
        session: Option<&Session>,
        reporter: &mut dyn Reporter,
    ) {
        let Carried { desired, made, executed, stopped } = carried;
        if stopped.is_some() || !is_clean(executed) {
            return;
        }
        let [_, after] = self.purpose.stages();
        if !has_hooks(made, after) {
            return;
        }
        let world = World { stacks: executed.stacks.clone(), ..made.observed.world.clone() };
        let ran = self.engine.run_hooks(desired, &world, after, session, self.interrupt, reporter).await;
        *stopped = ran.err().and_then(|failed| Stopped::by(failed, executed));
    }

    /// What is wanted and planned now that hooks have run.
    async fn plan_after_hooks(
        &self,
        before: &Made,
        approval: Approval,
        session: Option<&mut Session>,
    ) -> Result<(Desired, Result<Made, (Made, ExitCode)>), EngineError> {
        let (desired, _) = self.engine.desired(&self.desired.config, self.purpose)?;
        let run = Run { desired: &desired, ..*self };
        let again = run.plan_again(before.clone(), approval, session).await?;
        if let (true, Ok(made)) = (self.is_saved, &again)
            && let Some(name) = self.rewritten(before, (&desired, made))
        {
            let what = format!("a hook before the stacks changed the template of stack `{name}`");
            return Err(EngineError::of(SavedProblem::Grown { what }));
        }
        Ok((desired, again))
    }

    /// The first stack that gets another template than the one that was known before the hooks. A plan does not show
    /// all of the template of a stack that it creates, so its steps do not tell.
    fn rewritten(&self, before: &Made, (desired, made): (&Desired, &Made)) -> Option<NodeName> {
        let settings = self.engine.options.settings();
        let body = |desired: &Desired, made: &Made, name: &NodeName| {
            let template = current_template(desired, &made.observed.world, &settings, name);
            template.map(|template| template.body.clone())
        };
        let changes = made.planned.plan.steps.iter().filter(|step| step.action.is_change());
        let other = |name: &&NodeName| {
            let known = body(self.desired, before, name);
            known.is_some() && known != body(desired, made, name)
        };
        changes.map(|step| &step.name).find(other).cloned()
    }

    /// Plans once more, now that hooks have run. A plan that changes stacks which the first one did not is shown, and
    /// goes on only with an approval. The inner error is a refusal.
    async fn plan_again(
        &self,
        before: Made,
        mut approval: Approval,
        session: Option<&mut Session>,
    ) -> Result<Result<Made, (Made, ExitCode)>, EngineError> {
        let known = Some(&before.observed.world);
        let mut made = self.engine.make(self.desired, self.purpose, self.backing, known).await?;
        // Whoever approves whatever comes sees what comes; a person is asked about what was not shown.
        let differs = made.planned.plan != before.planned.plan && made.planned.plan.has_changes();
        let grew = grown(&before.planned.plan, &made.planned.plan);
        if grew && self.is_saved {
            return Err(unplanned(&before.planned.plan, &made.planned.plan));
        }
        if differs && approval == Approval::Standing || grew {
            approval = self.ask(&made, 1).await?;
            if let Approval::Refused(exit) = approval {
                return Ok(Err((made, exit)));
            }
        }
        let Some(session) = session else { return Ok(Ok(made)) };
        if made.planned.plan == before.planned.plan {
            session.look().await.map_err(EngineError::of)?;
            // The records that were written for it stand.
            made.observed.premises = before.observed.premises;
            return Ok(Ok(made));
        }
        let planned = made.planned.clone();
        let observed = before.observed;
        match self.settle(made, approval, session).await? {
            Ok(made) => Ok(Ok(made)),
            Err((_, exit)) => Ok(Err((Made { planned, observed }, exit))),
        }
    }
}

/// Whether a plan changes a stack in a way that an earlier one neither showed nor left open until hooks have run.
pub(super) fn grown(before: &Plan, now: &Plan) -> bool {
    let shown = |step: &Step| {
        before.step(&step.name).is_some_and(|earlier| {
            let same = earlier.action == step.action;
            let as_shown = || earlier.reasons == step.reasons && earlier.changes == step.changes;
            if let (Some(then), Some(task)) = (&earlier.task, &step.task) {
                return same
                    && (waits_for_hooks(earlier)
                        || (is_same_work(then, task) && earlier.changes == step.changes));
            }
            same && (waits_for_hooks(earlier) || as_shown() || covers(earlier, step))
        })
    };
    // Data is never lost behind the back of whoever approved the earlier plan.
    let is_known = |loss: &Loss| {
        before.losses.iter().any(|known| (&known.stack, &known.resource) == (&loss.stack, &loss.resource))
    };
    now.steps.iter().any(|step| step.action.is_change() && !shown(step))
        || now.refused_losses().any(|loss| !is_known(loss))
}

/// Whether two steps of a task work on the same, with the same arguments. Why they do is another matter: the run's own
/// record makes what never ran due.
fn is_same_work(then: &StepTask, now: &StepTask) -> bool {
    let of = |task: &StepTask| {
        (task.subject.clone(), task.account.clone(), task.region.clone(), task.digest.clone(), task.leaves)
    };
    of(then) == of(now)
}

/// Whether a step does no more than an earlier one of the same stack showed, values aside that this one left open.
fn covers(earlier: &Step, now: &Step) -> bool {
    let about_values =
        |reason: &Reason| matches!(reason, Reason::ParametersChanged(_) | Reason::ParametersUnknown { .. });
    let reasons = now.reasons.iter().all(|reason| about_values(reason) || earlier.reasons.contains(reason));
    let (before, after) = (&earlier.changes, &now.changes);
    let parameters = after.parameters.iter().all(|(name, change)| {
        let earlier = before.parameters.get(name);
        let open =
            matches!(earlier.and_then(|change| change.after.as_ref()), Some(ShownValue::KnownAfter(_)));
        open || earlier == Some(change)
    });
    let resources = after.resources.iter().all(|(id, change)| {
        before.resources.get(id).is_some_and(|earlier| {
            let replaced = earlier.replacement != Replacement::Never;
            let open = !earlier.known_after.is_empty()
                && (earlier.action, &earlier.kind) == (change.action, &change.kind)
                && (replaced || change.replacement == Replacement::Never)
                && (earlier.data.is_some() || change.data.is_none());
            open || earlier == change
        })
    });
    reasons
        && parameters
        && resources
        && before.template == after.template
        && before.tags == after.tags
        && before.termination_protection == after.termination_protection
        && before.stack_policy == after.stack_policy
}

fn waits_for_hooks(step: &Step) -> bool {
    step.reasons.iter().any(|reason| match reason {
        Reason::TemplateUnknown { after }
        | Reason::ParametersUnknown { after, .. }
        | Reason::ArgumentsUnknown { after, .. }
        | Reason::StateUnknown { after } => after.iter().any(|cause| matches!(cause, Cause::Hook(_))),
        _ => false,
    })
}

/// What is told of steps that never began.
fn untouched(plan: &Plan, world: &World) -> Executed {
    let not_run = plan.steps.iter().filter(|step| step.action.is_change()).map(|step| step.name.clone());
    Executed { stacks: world.stacks.clone(), not_run: not_run.collect(), ..Executed::default() }
}

/// Whether everything went as planned.
fn is_clean(executed: &Executed) -> bool {
    executed.failed.is_empty()
        && executed.not_run.is_empty()
        && executed.abandoned.is_empty()
        && executed.lost.is_none()
        && executed.blind.is_none()
        && !executed.interrupted
}
