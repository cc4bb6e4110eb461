//! Runs the hooks of a stage one after the other (CFNgin's order), and keeps what they give back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::config::HookDefinition;
use crate::engine::answers::with_detail;
use crate::engine::problem::EngineProblem;
use crate::engine::{Engine, Interrupt};
use crate::error::{Finding, Problem};
use crate::event::{Event, Reporter};
use crate::exit::ExitCode;
use crate::lock::{LockError, Session};
use crate::lookup::resolve::resolve;
use crate::lookup::{Cause, Resolved};
use crate::plan::{Desired, HookResults, World, hook_scope, outstanding};
use crate::registry::{HandlerFailure, HookCall, HookHandler, HookOutput, HookStage};
use crate::secrets::{Secrets, texts};

/// Why the hooks of a stage did not all run.
pub(crate) enum HooksFailed {
    /// The finding, and the exit code of the run.
    Finding(Finding, ExitCode),
    /// The lock was lost before or between them.
    Lost(LockError),
}

impl HooksFailed {
    fn of(problem: impl Problem) -> Self {
        let exit = problem.exit_code();
        Self::Finding(Finding::general(problem), exit)
    }
}

/// Arguments of a hook with their lookups resolved.
struct Arguments {
    values: Map<String, Value>,
    secrets: Vec<String>,
}

impl Engine {
    /// Runs the enabled hooks of a stage in order. A required one that fails ends the run, any other is a warning.
    /// Before each one the lock is looked at, as before each batch of changes to stacks.
    pub(crate) async fn run_hooks(
        &self,
        desired: &Desired,
        world: &World,
        stage: HookStage,
        session: Option<&Session>,
        interrupt: &Interrupt,
        reporter: &mut dyn Reporter,
    ) -> Result<(), HooksFailed> {
        let mut world = world.clone();
        let mut results = self.asked.hooks().unwrap_or_default();
        for hook in desired.config.hooks.enabled(stage) {
            if interrupt.stop.is_cancelled() {
                return Err(HooksFailed::of(EngineProblem::HooksInterrupted));
            }
            if let Some(session) = session {
                still_locked(session, reporter).await?;
            }
            self.after_hooks(results.clone());
            world.answers.after_hooks(results.clone());
            let event = Event::HookStarted { stage: stage.as_str().to_owned(), path: hook.path.clone() };
            reporter.event(&event);
            let started = self.clock.monotonic();
            let arguments = self.arguments(desired, &mut world, stage, hook).await;
            let outcome = match arguments {
                // CFNgin: whether it is required or not.
                Err(finding) => Err(finding),
                Ok(arguments) => {
                    self.run_hook(desired, stage, hook, arguments, &mut results, interrupt, reporter).await
                }
            };
            let elapsed = self.clock.monotonic().saturating_sub(started);
            self.finished(stage, hook, outcome, elapsed, reporter)?;
        }
        self.after_hooks(results);
        Ok(())
    }

    /// Hooks have run, and may have changed whatever they like.
    fn after_hooks(&self, results: HookResults) {
        self.asked.after_hooks(results);
        if let Some(renderer) = &self.registry.blueprints {
            renderer.look_again();
        }
    }

    fn finished(
        &self,
        stage: HookStage,
        hook: &HookDefinition,
        outcome: Result<Option<Finding>, Finding>,
        elapsed: Duration,
        reporter: &mut dyn Reporter,
    ) -> Result<(), HooksFailed> {
        let (finding, ends) = match outcome {
            Ok(failure) => (failure, false),
            Err(failure) => (Some(failure), true),
        };
        reporter.event(&Event::HookFinished {
            stage: stage.as_str().to_owned(),
            path: hook.path.clone(),
            failure: finding.as_ref().map(ToString::to_string),
            elapsed,
        });
        match finding {
            Some(finding) if ends => {
                let exit = finding.problem.exit_code();
                Err(HooksFailed::Finding(finding, exit))
            }
            Some(finding) => {
                let help =
                    miette::Diagnostic::help(&finding).map(|help| format!("; {help}")).unwrap_or_default();
                let text = format!("{finding}{help}");
                reporter.event(&Event::Warning { code: finding.code(), text });
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Resolves the arguments of a hook.
    async fn arguments(
        &self,
        desired: &Desired,
        world: &mut World,
        stage: HookStage,
        hook: &HookDefinition,
    ) -> Result<Arguments, Finding> {
        let settings = self.options.settings();
        loop {
            let outstanding = outstanding::of_arguments(desired, world, &settings, hook.args.values());
            if outstanding.is_empty() {
                break;
            }
            let answers = self.answer(desired, outstanding, &world.place.region).await;
            world.answers.extend(answers);
        }
        let mut arguments = Arguments { values: Map::new(), secrets: world.answers.secret_texts() };
        for (name, argument) in &hook.args {
            let problem = |message: String, help, kind| {
                let (path, argument_name) = (hook.path.clone(), name.clone());
                let problem = EngineProblem::HookArgument {
                    stage: stage.as_str(),
                    path,
                    argument: argument_name,
                    message,
                    help,
                    kind,
                    span: argument.span.into(),
                };
                Finding::at(&desired.config.document, problem)
            };
            let resolved = hook_scope(desired, world, &settings, |scope| resolve(&argument.value, scope));
            match resolved.map_err(|error| problem(error.message, error.help, error.kind))? {
                Resolved::Known { value, secret } => {
                    if secret {
                        // What was looked up is hidden in what it is a part of; only what was made of it is not found.
                        let mut made = Vec::new();
                        texts(&value, &mut made);
                        made.retain(|text| !arguments.secrets.iter().any(|secret| text.contains(secret)));
                        arguments.secrets.extend(made);
                    }
                    arguments.values.insert(name.clone(), value);
                }
                Resolved::Unknown { after } => {
                    let stacks: Vec<&str> = after
                        .iter()
                        .filter_map(|cause| match cause {
                            Cause::Stack(name) | Cause::Output(name, _) => Some(name.as_str()),
                            Cause::Hook(_) => None,
                        })
                        .collect();
                    let message = format!("its value is known only after {}", stacks.join(", "));
                    return Err(problem(message, None, None));
                }
            }
        }
        self.asked.vault().add(arguments.secrets.iter().cloned());
        Ok(arguments)
    }

    /// Runs one hook. The outer error ends the run, the inner failure is one that it may have.
    #[expect(clippy::too_many_arguments, reason = "one call, and each of them is needed")]
    async fn run_hook(
        &self,
        desired: &Desired,
        stage: HookStage,
        hook: &HookDefinition,
        arguments: Arguments,
        results: &mut HookResults,
        interrupt: &Interrupt,
        reporter: &mut dyn Reporter,
    ) -> Result<Option<Finding>, Finding> {
        let secrets = Secrets::new(&arguments.secrets);
        let failed = |failure: HandlerFailure| {
            let failure = failure.without(&secrets);
            let problem = EngineProblem::HookFailed {
                stage: stage.as_str(),
                path: hook.path.clone(),
                message: failure.message.clone(),
                help: with_detail(&failure),
                kind: failure.kind,
                span: hook.span.into(),
            };
            Finding::at(&desired.config.document, problem)
        };
        let outcome = |failure| if hook.required { Err(failed(failure)) } else { Ok(Some(failed(failure))) };
        let native = self.registry.hooks.get(&hook.path);
        let Some(handler) = native.or(self.registry.python_hooks.as_ref()) else {
            let message = "there is nothing that could run it here".to_owned();
            return outcome(HandlerFailure { message, ..HandlerFailure::default() });
        };
        let call = HookCall {
            stage,
            path: hook.path.clone(),
            args: arguments.values,
            data_key: hook.data_key.clone(),
            config: Arc::clone(&desired.config),
            directory: self.options.directory.clone(),
            environment: self.options.environment.clone(),
            hook_data: results.results.clone(),
            secrets: arguments.secrets,
        };
        let (ended, kept) = match listen(handler.as_ref(), (&call, &secrets), interrupt, reporter).await {
            Some((ended, kept)) => (ended, kept),
            None => return Err(Finding::general(EngineProblem::HooksInterrupted)),
        };
        // What was given a secret may give it back.
        if !call.secrets.is_empty() {
            results.hidden.extend(kept.keys().chain(&hook.data_key).cloned());
        }
        results.results.extend(kept);
        self.asked.vault().add(results.secret_texts());
        let value = match ended {
            Ok(value) => value,
            Err(failure) => return outcome(failure),
        };
        if !is_true(&value) {
            let message = format!("it gave back {value}, which counts as a failure");
            let help = Some("a hook that succeeded gives back a map or `true`".to_owned());
            return outcome(HandlerFailure { message, help, ..HandlerFailure::default() });
        }
        // CFNgin keeps maps only.
        if let Some(key) = hook.data_key.as_ref().filter(|_| value.is_object()) {
            if call.hook_data.contains_key(key) {
                let message = format!("hook data for `{key}` exists already");
                let help = Some("give each hook a `data_key` of its own".to_owned());
                return Err(failed(HandlerFailure { message, help, ..HandlerFailure::default() }));
            }
            results.results.insert(key.clone(), value);
            self.asked.vault().add(results.secret_texts());
        }
        Ok(None)
    }
}

/// Whether hooks may still run under the lock.
async fn still_locked(session: &Session, reporter: &mut dyn Reporter) -> Result<(), HooksFailed> {
    match session.look().await {
        Ok(()) => Ok(()),
        Err(error @ LockError::Lost { .. }) => {
            reporter.event(&Event::LockLost { reason: error.to_string() });
            Err(HooksFailed::Lost(error))
        }
        Err(error) => Err(HooksFailed::of(error)),
    }
}

/// What a hook gave back, and what it kept beside it.
type Heard = (Result<Value, HandlerFailure>, Map<String, Value>);

/// Runs a hook and reports what it prints meanwhile. A first interrupt lets it come to its end, as with stacks; `None`
/// if the user did not want to wait for that either.
async fn listen(
    handler: &dyn HookHandler,
    (call, secrets): (&HookCall, &Secrets),
    interrupt: &Interrupt,
    reporter: &mut dyn Reporter,
) -> Option<Heard> {
    let (lines, mut heard) = unbounded_channel();
    let output = Output { lines, kept: Mutex::default() };
    let ended = {
        let mut running = handler.run(call, &output);
        loop {
            tokio::select! {
                biased;
                () = interrupt.abandon.cancelled() => break None,
                Some(line) = heard.recv() => report((call, secrets), &line, reporter),
                ended = &mut running => break Some(ended),
            }
        }
    };
    while let Ok(line) = heard.try_recv() {
        report((call, secrets), &line, reporter);
    }
    Some((ended?, output.kept.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

fn report((call, secrets): (&HookCall, &Secrets), line: &str, reporter: &mut dyn Reporter) {
    let line = secrets.hide(line);
    reporter.event(&Event::HookOutput { path: call.path.clone(), line });
}

struct Output {
    lines: UnboundedSender<String>,
    kept: Mutex<Map<String, Value>>,
}

impl HookOutput for Output {
    fn line(&self, text: &str) {
        let _ = self.lines.send(text.to_owned());
    }

    fn keep(&self, key: &str, value: Value) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value);
    }
}

/// Truth as Python has it.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}
