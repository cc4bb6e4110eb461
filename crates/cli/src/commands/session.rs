//! One function for each command: engine in, text and exit code out.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runway_core::clock::Clock;
use runway_core::engine::{Asked, Engine, EngineError, Interrupt, Options};
use runway_core::error::Findings;
use runway_core::exit::ExitCode;
use runway_core::ident::StackName;
use runway_core::plan::Purpose;
use runway_core::registry::Registry;
use runway_core::render;

use super::{Context, planning};
use crate::args::{
    Command, FormatArguments, GraphCommand, GraphFormat, OutputsArguments, OutputsFormat, PlanArguments,
    PlanFormat, RunArguments, TextOrJson,
};
use crate::connect::Connected;
use crate::files::Beside;
use crate::gate::Ask;
use crate::load::Loaded;
use crate::settings::Settings;
use crate::{output, progress, signals};

/// A connected command.
pub(super) struct Session<'c> {
    pub(super) context: &'c Context,
    pub(super) settings: &'c Settings,
    pub(super) connected: &'c Connected,
    pub(super) clock: Arc<dyn Clock>,
}

impl Session<'_> {
    pub(super) async fn command(&self, configs: &[Loaded]) -> Result<ExitCode, EngineError> {
        match &self.context.arguments.command {
            Command::Plan(arguments) => self.plan(configs, arguments).await,
            Command::Deploy(arguments) => self.run(configs, arguments, Purpose::Deploy).await,
            Command::Destroy(arguments) => self.run(configs, arguments, Purpose::Destroy).await,
            Command::Init => self.init(configs).await,
            Command::Status(arguments) => self.status(configs, arguments).await,
            Command::Outputs(arguments) => self.outputs(configs, arguments).await,
            Command::Graph(command) => self.graph(configs, command).await,
            Command::Validate(_) | Command::Schema { .. } | Command::Completions { .. } | Command::Man => {
                Ok(ExitCode::Ok)
            }
        }
    }

    fn engine(&self, loaded: &Loaded, change: impl FnOnce(&mut Options)) -> Engine {
        let settings = self.settings;
        let mut environment = self.context.environment.clone();
        // Runway: lookups see the region and the environment's name of the run.
        environment.insert("AWS_REGION".to_owned(), self.connected.provider.region().to_owned());
        environment.insert("DEPLOY_ENVIRONMENT".to_owned(), settings.deploy_environment.clone());
        let planning = planning(&self.context.arguments.command);
        let mut options = Options {
            directory: loaded.directory.clone(),
            environment,
            parameters: loaded.parameters.clone(),
            concurrency: settings.concurrency,
            allow_empty: planning.is_some_and(|planning| planning.allow_empty),
            lock_ttl: Duration::from_secs(60),
            lock_wait: None,
            holder: settings.holder.clone(),
            session: uuid::Uuid::new_v4().to_string(),
            replans: 3,
            poll_limit: settings.poll_limit,
            follow_events: false,
        };
        change(&mut options);
        Engine {
            provider: Arc::clone(&self.connected.provider),
            files: Arc::new(Beside {
                directory: loaded.directory.clone(),
                current: self.context.current.clone(),
            }),
            clock: Arc::clone(&self.clock),
            options,
            registry: Registry::default(),
            asked: Asked::default(),
        }
    }

    /// Waits for `work`, and says so every ten seconds as long as `silent` holds: a cloud that does not answer must not
    /// look like a program that hangs.
    async fn patiently<T>(&self, work: impl Future<Output = T>, silent: impl Fn() -> bool) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(Duration::from_secs(10)) => {
                    if silent() {
                        let requests: u64 = self.connected.requests().values().sum();
                        self.context.output.progress(&format!("waiting for answers ({requests} requests so far)"));
                    }
                }
            }
        }
    }

    async fn plan(&self, configs: &[Loaded], arguments: &PlanArguments) -> Result<ExitCode, EngineError> {
        let output = &self.context.output;
        let purpose = if arguments.destroy { Purpose::Destroy } else { Purpose::Deploy };
        let mut pending = false;
        for loaded in configs {
            let engine = self.engine(loaded, |_| ());
            let planned = self.patiently(engine.plan(&loaded.config, purpose), || true).await?;
            output.findings(&planned.warnings, ExitCode::Ok);
            let options = render::text::TextOptions { width: output.width, style: output.style };
            output.data(&match arguments.format {
                PlanFormat::Text => render::text::plan(&planned.plan, &options),
                PlanFormat::Json => render::json::plan(&planned.plan),
                PlanFormat::Markdown => render::markdown::plan(&planned.plan),
            });
            pending |= planned.plan.has_changes();
        }
        Ok(if pending && arguments.detailed_exitcode { ExitCode::ChangesPending } else { ExitCode::Ok })
    }

    async fn run(
        &self,
        configs: &[Loaded],
        arguments: &RunArguments,
        purpose: Purpose,
    ) -> Result<ExitCode, EngineError> {
        let output = &self.context.output;
        let json = arguments.format == TextOrJson::Json;
        let interrupt = Interrupt::default();
        signals::connect(&interrupt);
        let gate = Ask {
            output: output.clone(),
            standing: arguments.yes || self.settings.ci,
            approve_protected: arguments.approve_protected.clone(),
            shown: AtomicBool::new(false),
            json,
        };
        let mut ordered: Vec<&Loaded> = configs.iter().collect();
        if purpose == Purpose::Destroy {
            ordered.reverse();
        }
        if ordered.len() > 1 {
            self.check(&ordered, purpose)?;
        }
        for loaded in ordered {
            let engine = self.engine(loaded, |options| {
                options.lock_ttl = arguments.lock_ttl;
                options.lock_wait = arguments.lock_wait;
                options.follow_events = json || (output.quiet == 0 && output::is_live() && !self.settings.ci);
            });
            let mut reporter = progress::reporter(output, json, self.settings.ci);
            let running = engine.run(&loaded.config, purpose, &gate, reporter.as_mut(), &interrupt);
            let outcome = self.patiently(running, || !gate.shown.load(Ordering::Relaxed)).await?;
            if !outcome.planned.plan.has_changes() {
                gate.show(&outcome.planned);
            }
            output.findings(&outcome.errors, outcome.exit);
            if outcome.exit != ExitCode::Ok {
                return Ok(outcome.exit);
            }
        }
        Ok(ExitCode::Ok)
    }

    /// Refuses the whole run if any of its configs cannot be carried out, before the first one is.
    fn check(&self, configs: &[&Loaded], purpose: Purpose) -> Result<(), EngineError> {
        let mut findings = Findings::default();
        for loaded in configs {
            if let Err(error) = self.engine(loaded, |_| ()).check(&loaded.config, purpose) {
                error.findings.into_iter().for_each(|finding| findings.push(finding));
            }
        }
        if findings.has_errors() { Err(findings.into()) } else { Ok(()) }
    }

    async fn init(&self, configs: &[Loaded]) -> Result<ExitCode, EngineError> {
        for loaded in configs {
            let line = self.engine(loaded, |_| ()).init(&loaded.config).await?;
            self.context.output.message(&line);
        }
        Ok(ExitCode::Ok)
    }

    async fn status(&self, configs: &[Loaded], arguments: &FormatArguments) -> Result<ExitCode, EngineError> {
        for loaded in configs {
            let engine = self.engine(loaded, |_| ());
            let rows = self.patiently(engine.status(&loaded.config), || true).await?;
            self.context.output.data(&match arguments.format {
                TextOrJson::Text => render::tables::status_text(&rows),
                TextOrJson::Json => render::tables::status_json(&rows),
            });
        }
        Ok(ExitCode::Ok)
    }

    async fn outputs(
        &self,
        configs: &[Loaded],
        arguments: &OutputsArguments,
    ) -> Result<ExitCode, EngineError> {
        let stack = arguments.stack.as_deref().map(StackName::from);
        // A stack is looked for in the config that has it; with several configs the others are passed over.
        let has_stack =
            |loaded: &Loaded| stack.as_ref().is_none_or(|stack| loaded.config.stacks.contains_key(stack));
        let nowhere = !configs.iter().any(has_stack);
        let with_stack = |loaded: &&Loaded| nowhere || has_stack(loaded);
        let mut all = BTreeMap::new();
        for loaded in configs.iter().filter(with_stack) {
            all.extend(self.engine(loaded, |_| ()).outputs(&loaded.config, stack.as_ref()).await?);
        }
        self.context.output.data(&match arguments.format {
            OutputsFormat::Text => render::tables::outputs_text(&all),
            OutputsFormat::Json => render::tables::outputs_json(&all),
            OutputsFormat::Env => render::tables::outputs_env(&all),
        });
        Ok(ExitCode::Ok)
    }

    async fn graph(&self, configs: &[Loaded], command: &GraphCommand) -> Result<ExitCode, EngineError> {
        let output = &self.context.output;
        for loaded in configs {
            match command {
                GraphCommand::Show { format } => {
                    let view = self.engine(loaded, |_| ()).graph(&loaded.config).await?;
                    let nodes = view.graph.as_ref().map(|graph| graph.nodes.clone()).unwrap_or_default();
                    output.data(&match format {
                        GraphFormat::Text => render::graph::text(&view),
                        GraphFormat::Json => render::graph::json(&view),
                        GraphFormat::Mermaid => render::graph::mermaid(&nodes),
                        GraphFormat::Dot => render::graph::dot(&nodes),
                    });
                }
                GraphCommand::Unlock { force } => {
                    let exit = self.unlock(loaded, *force).await?;
                    if exit != ExitCode::Ok {
                        return Ok(exit);
                    }
                }
                GraphCommand::Forget { stack, lock_ttl } => {
                    let engine = self.engine(loaded, |options| options.lock_ttl = *lock_ttl);
                    let mut reporter = progress::reporter(output, false, self.settings.ci);
                    engine
                        .forget(&loaded.config, &StackName::from(stack.as_str()), reporter.as_mut())
                        .await?;
                    output
                        .message(&format!("{stack} is no longer managed; the stack itself was not touched"));
                    if loaded.config.stacks.contains_key(stack.as_str()) {
                        output.message(&format!(
                            "warning: {stack} is still in the config: the next deploy records it again"
                        ));
                    }
                }
            }
        }
        Ok(ExitCode::Ok)
    }

    async fn unlock(&self, loaded: &Loaded, force: bool) -> Result<ExitCode, EngineError> {
        let output = &self.context.output;
        let engine = self.engine(loaded, |_| ());
        let view = engine.graph(&loaded.config).await?;
        let Some(lock) = &view.holder else {
            output.message(&format!("{} is not locked", view.location));
            return Ok(ExitCode::Ok);
        };
        output.message(&format!("{} is locked by {}", view.location, lock.describe()));
        if !force {
            if !output::can_ask() {
                output.essential("error: nothing was changed: there is no terminal to ask\nhelp: --force removes the lock without asking");
                return Ok(ExitCode::Refused);
            }
            let asked = output.clone();
            let question = "A run that is still alive will stop. Remove the lock?";
            if !tokio::task::spawn_blocking(move || asked.ask(question)).await.unwrap_or(false) {
                output.message("nothing was changed");
                return Ok(ExitCode::Ok);
            }
        }
        engine.unlock(&loaded.config, &view).await?;
        output.message("unlocked");
        Ok(ExitCode::Ok)
    }
}
