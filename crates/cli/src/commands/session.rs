//! One function for each command: engine in, text and exit code out.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runway_core::cache::Cache;
use runway_core::clock::Clock;
use runway_core::engine::{Asked, Bound, Engine, EngineError, Forgotten, Interrupt, Options};
use runway_core::error::Findings;
use runway_core::exit::ExitCode;
use runway_core::files::Files;
use runway_core::ident::NodeName;
use runway_core::plan::Purpose;
use runway_core::plan::saved::{SavedPlan, SavedTarget};
use runway_core::render;
use runway_core::render::json::PlanDocument;
use runway_core::render::report::ConfigDocument;

use super::pages::Pages;
use super::saved::target;
use super::{Context, planning};
use crate::args::{
    Command, FormatArguments, GraphCommand, GraphFormat, OutputsArguments, OutputsFormat, PlanArguments,
    PlanFormat, RunArguments, TextOrJson,
};
use crate::files::Beside;
use crate::gate::Ask;
use crate::load::Loaded;
use crate::output::{self, Output};
use crate::progress;
use crate::registry::registry;
use crate::selection::{Strays, is_recorded, selected};
use crate::work::{Turns, Work};

/// A command on the configs of one directory in one region.
pub(super) struct Session<'c> {
    pub(super) context: &'c Context,
    pub(super) work: &'c Work,
    /// Where selected stacks are that no config has.
    pub(super) strays: &'c Strays<'c>,
    /// Says of which target it speaks, where there are several.
    pub(super) output: Output,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) interrupt: &'c Interrupt,
    /// Place of the work among all.
    pub(super) at: usize,
    /// Plans that are shown together at the end.
    pub(super) pages: &'c Pages,
    /// Of targets that go on at the same time.
    pub(super) turns: &'c Turns,
    /// What is to be written by `plan --out`.
    pub(super) planned: &'c Mutex<Vec<SavedPlan>>,
}

impl<'s> Session<'s> {
    pub(super) async fn command(&self) -> Result<ExitCode, EngineError> {
        match &self.context.arguments.command {
            Command::Plan(arguments) => self.plan(arguments).await,
            Command::Deploy(arguments) => self.run(arguments, Purpose::Deploy).await,
            Command::Destroy(arguments) => self.run(arguments, Purpose::Destroy).await,
            Command::Init => self.init().await,
            Command::Status(arguments) => self.status(arguments).await,
            Command::Outputs(arguments) => self.outputs(arguments).await,
            Command::Graph(command) => self.graph(command).await,
            Command::Cache(command) => self.cache(command).await,
            Command::Validate(_)
            | Command::Assets(_)
            | Command::Schema { .. }
            | Command::Completions { .. }
            | Command::New { .. }
            | Command::Whichenv
            | Command::Envvars
            | Command::Man => Ok(ExitCode::Ok),
        }
    }

    pub(super) fn engine(&self, loaded: &Loaded, change: impl FnOnce(&mut Options)) -> Engine {
        let cache = self.context.caches.of(self.work, loaded, self.changes_stacks(), &self.clock);
        self.engine_with(cache, loaded, change)
    }

    /// The same with another cache, which is not written at the end.
    pub(super) fn engine_with(
        &self,
        cache: Arc<Cache>,
        loaded: &Loaded,
        change: impl FnOnce(&mut Options),
    ) -> Engine {
        let settings = &self.work.settings;
        let mut environment = self.work.environment.clone();
        // Runway: lookups see the region and the environment's name of the run.
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            environment.insert(name.to_owned(), self.work.connected.provider.region().to_owned());
        }
        environment.insert("DEPLOY_ENVIRONMENT".to_owned(), settings.deploy_environment.clone());
        let planning = planning(&self.context.arguments.command);
        let mut options = Options {
            directory: loaded.directory.clone(),
            environment,
            parameters: loaded.parameters.clone(),
            concurrency: settings.concurrency,
            allow_empty: planning.is_some_and(|planning| planning.allow_empty),
            selection: None,
            allowed: planning.map(|planning| planning.allow.iter().cloned().collect()).unwrap_or_default(),
            lock_ttl: Duration::from_secs(60),
            lock_wait: None,
            holder: settings.holder.clone(),
            session: uuid::Uuid::new_v4().to_string(),
            replans: 3,
            poll_limit: settings.poll_limit,
            follow_events: false,
        };
        change(&mut options);
        let files: Arc<dyn Files> =
            Arc::new(Beside { directory: loaded.directory.clone(), current: self.context.current.clone() });
        let root = self.work.root.as_deref().unwrap_or(&loaded.directory);
        let clock = Arc::clone(&self.clock);
        let registry = registry(
            self.work,
            loaded,
            &options.environment,
            root,
            Arc::clone(&files),
            Arc::clone(&clock),
            &cache,
        );
        Engine {
            provider: Arc::clone(&self.work.connected.provider),
            files,
            clock,
            options,
            registry,
            asked: Asked::default().keeping_secrets_in(Arc::clone(&self.output.vault)),
            cache,
        }
    }

    /// Whether the command may change stacks: only then is the bucket's part of the task cache written.
    fn changes_stacks(&self) -> bool {
        matches!(self.context.arguments.command, Command::Deploy(_) | Command::Destroy(_))
    }

    /// Waits for `work`, and says so every ten seconds as long as `silent` holds: a cloud that does not answer must not
    /// look like a program that hangs.
    pub(super) async fn patiently<T>(&self, work: impl Future<Output = T>, silent: impl Fn() -> bool) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(Duration::from_secs(10)) => {
                    if silent() {
                        let requests: u64 = self.work.connected.requests().values().sum();
                        self.output.progress(&format!("waiting for answers ({requests} requests so far)"));
                    }
                }
            }
        }
    }

    async fn plan(&self, arguments: &PlanArguments) -> Result<ExitCode, EngineError> {
        let output = &self.output;
        let purpose = if arguments.destroy { Purpose::Destroy } else { Purpose::Deploy };
        let mut pending = false;
        let configs = selected(self.work, self.strays, &arguments.common);
        for (number, (loaded, selection)) in configs.into_iter().enumerate() {
            let engine = self.engine(loaded, |options| options.selection = selection);
            let mut kept = None;
            if arguments.out.is_some() {
                let (target, hidden) = (target(self.work, loaded), output.hidden());
                let planning = engine.plan_to_save(&loaded.config, purpose, target, &hidden);
                let (planned, saved) = self.patiently(planning, || true).await?;
                self.planned.lock().unwrap_or_else(PoisonError::into_inner).push(saved);
                kept = Some(planned);
            }
            let planned = if arguments.change_sets {
                output.message("asking CloudFormation by change sets, which are deleted again");
                let asking = engine.plan_with_change_sets(&loaded.config, purpose, self.interrupt);
                self.patiently(asking, || true).await?
            } else if let Some(planned) = kept {
                planned
            } else {
                self.patiently(engine.plan(&loaded.config, purpose), || true).await?
            };
            output.findings(&planned.warnings, ExitCode::Ok);
            let depth = arguments.common.depth();
            let options = render::text::TextOptions { width: output.width, style: output.style, depth };
            match arguments.format {
                PlanFormat::Text => output.data(&output.headed(&render::text::plan(&planned.plan, &options))),
                PlanFormat::Json => output.data(&output.targeted(&render::json::plan(&planned.plan))),
                PlanFormat::Markdown => output.data(&output.headed(&render::markdown::plan(&planned.plan))),
                PlanFormat::Svg | PlanFormat::Html | PlanFormat::Mermaid | PlanFormat::Dot => {
                    let document = output.without_secrets_in(&PlanDocument::of(&planned.plan));
                    self.pages.add((self.at, number), self.called(loaded), document);
                }
            }
            pending |= planned.plan.has_changes();
        }
        Ok(if pending && arguments.detailed_exitcode { ExitCode::ChangesPending } else { ExitCode::Ok })
    }

    /// What a plan of a config is called among others: its target, and its file where there are several.
    fn called(&self, loaded: &Loaded) -> Option<String> {
        let file = Some(&loaded.config.document.name).filter(|_| self.work.configs.len() > 1);
        let parts: Vec<&str> = self.output.label.iter().chain(file).map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    async fn run(&self, arguments: &RunArguments, purpose: Purpose) -> Result<ExitCode, EngineError> {
        let output = &self.output;
        let json = arguments.format == TextOrJson::Json;
        let gate = Ask {
            output: output.clone(),
            // Whoever saved a plan approved it.
            standing: arguments.yes || self.work.settings.ci || arguments.plan.is_some(),
            approve_protected: arguments.approve_protected.clone(),
            depth: arguments.common.depth(),
            shown: AtomicBool::new(false),
            json,
        };
        let mut ordered = selected(self.work, self.strays, &arguments.common);
        if purpose == Purpose::Destroy {
            ordered.reverse();
        }
        for (loaded, selection) in ordered {
            let region = self.work.connected.provider.region();
            let _turn = self.turns.take(&loaded.config, region).await;
            if self.interrupt.stop.is_cancelled() {
                return Ok(ExitCode::Interrupted);
            }
            if purpose == Purpose::Deploy && output.is_one_of_many {
                let exit = self.make_bucket(loaded, json).await?;
                if exit != ExitCode::Ok {
                    return Ok(exit);
                }
            }
            let saved = self.context.saved_plan(&target(self.work, loaded))?;
            let began = self.context.reports.began();
            let mut engine = self.engine(loaded, |options| {
                options.selection = selection;
                options.lock_ttl = arguments.lock_ttl;
                options.lock_wait = arguments.lock_wait;
                options.follow_events =
                    json || (output.quiet == 0 && output::is_live() && !self.work.settings.ci);
            });
            let mut reporter = progress::reporter(output, json, self.work.settings.ci);
            let (config, reporter, interrupt) = (&loaded.config, reporter.as_mut(), self.interrupt);
            let hidden = output.hidden();
            let running = async {
                let Some(saved) = saved else {
                    return engine.run(config, purpose, &gate, reporter, interrupt).await;
                };
                engine.asked =
                    Asked::bound_to(saved.pins()).keeping_secrets_in(Arc::clone(&self.output.vault));
                let bound = Bound { saved, hidden: &hidden };
                engine.run_saved(config, purpose, bound, &gate, reporter, interrupt).await
            };
            let ended = self.patiently(running, || !gate.shown.load(Ordering::Relaxed)).await;
            self.context.reports.ended(self.described(loaded), &began, &ended);
            let outcome = ended?;
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

    /// How reports call a config.
    fn described(&self, loaded: &Loaded) -> ConfigDocument {
        let target = target(self.work, loaded);
        ConfigDocument {
            target: target.module,
            config: target.config,
            namespace: loaded.config.namespace.clone(),
            region: target.region,
            environment: target.environment,
        }
    }

    /// The configs that the command works on, as reports call them.
    pub(super) fn described_all(&self) -> Vec<ConfigDocument> {
        let common = planning(&self.context.arguments.command);
        let selected = common.map(|common| selected(self.work, self.strays, common)).unwrap_or_default();
        selected.into_iter().map(|(loaded, _)| self.described(loaded)).collect()
    }

    /// The configs that the command works on, as files with plans call them.
    pub(super) fn targets(&self) -> Vec<SavedTarget> {
        let common = planning(&self.context.arguments.command);
        let selected = common.map(|common| selected(self.work, self.strays, common)).unwrap_or_default();
        selected.into_iter().map(|(loaded, _)| target(self.work, loaded)).collect()
    }

    /// What keeps the saved plans of this work from being carried out.
    pub(super) async fn compare(&self, purpose: Purpose) -> Vec<EngineError> {
        let common = planning(&self.context.arguments.command);
        let selected = common.map(|common| selected(self.work, self.strays, common)).unwrap_or_default();
        let hidden = self.output.hidden();
        let mut errors = Vec::new();
        for (loaded, selection) in selected {
            let Ok(Some(saved)) = self.context.saved_plan(&target(self.work, loaded)) else { continue };
            // What only looks has a bucket that cannot be written to, and the run will want to.
            let without = Arc::new(Cache::off());
            let mut engine = self.engine_with(without, loaded, |options| options.selection = selection);
            engine.asked = Asked::bound_to(saved.pins()).keeping_secrets_in(Arc::clone(&self.output.vault));
            let bound = Bound { saved, hidden: &hidden };
            let comparing = engine.check_saved(&loaded.config, purpose, bound);
            errors.extend(self.patiently(comparing, || true).await.err());
        }
        errors
    }

    /// What keeps the configs from being carried out, as far as can be said without looking at the cloud.
    pub(super) fn check(&self, purpose: Purpose) -> Findings {
        let mut findings = Findings::default();
        for loaded in &self.work.configs {
            if let Err(error) = self.engine(loaded, |_| ()).check(&loaded.config, purpose) {
                error.findings.into_iter().for_each(|finding| findings.push(finding));
            }
        }
        findings
    }

    /// The configs of this work by whose graph a stack is recorded that no config has.
    pub(super) async fn recording(&self, wanted: &str) -> Result<Vec<&'s Loaded>, EngineError> {
        let mut found = Vec::new();
        for loaded in &self.work.configs {
            let view = self.engine(loaded, |_| ()).graph(&loaded.config).await?;
            if is_recorded(&view, &loaded.config, wanted) {
                found.push(loaded);
            }
        }
        Ok(found)
    }

    /// Makes the bucket of a config, one after the other where others may be about to make the same one.
    async fn make_bucket(&self, loaded: &Loaded, json: bool) -> Result<ExitCode, EngineError> {
        let region = self.work.connected.provider.region();
        let _turn = self.turns.take_bucket(&loaded.config, region).await;
        let mut reporter = progress::reporter(&self.output, json, self.work.settings.ci);
        let engine = self.engine(loaded, |_| ());
        let made = engine.init(&loaded.config, reporter.as_mut(), self.interrupt).await?;
        self.output.findings(&made.errors, made.exit);
        Ok(made.exit)
    }

    async fn init(&self) -> Result<ExitCode, EngineError> {
        for loaded in &self.work.configs {
            let mut reporter = progress::reporter(&self.output, false, self.work.settings.ci);
            let engine = self.engine(loaded, |_| ());
            let initialised = engine.init(&loaded.config, reporter.as_mut(), self.interrupt).await?;
            self.output.message(&initialised.text);
            self.output.findings(&initialised.errors, initialised.exit);
            if initialised.exit != ExitCode::Ok {
                return Ok(initialised.exit);
            }
        }
        Ok(ExitCode::Ok)
    }

    async fn status(&self, arguments: &FormatArguments) -> Result<ExitCode, EngineError> {
        for loaded in &self.work.configs {
            let engine = self.engine(loaded, |_| ());
            let rows = self.patiently(engine.status(&loaded.config), || true).await?;
            self.output.data(&match arguments.format {
                TextOrJson::Text => self.output.headed(&render::tables::status_text(&rows)),
                TextOrJson::Json => self.output.targeted(&render::tables::status_json(&rows)),
            });
        }
        Ok(ExitCode::Ok)
    }

    async fn outputs(&self, arguments: &OutputsArguments) -> Result<ExitCode, EngineError> {
        let stack = arguments.stack.as_deref().map(NodeName::from);
        // A stack is looked for in the config that has it; with several configs the others are passed over.
        let has_stack =
            |loaded: &Loaded| stack.as_ref().is_none_or(|stack| loaded.config.stacks.contains_key(stack));
        let nowhere = !self.work.configs.iter().any(has_stack);
        let with_stack = |loaded: &&Loaded| nowhere || has_stack(loaded);
        let mut all = BTreeMap::new();
        for loaded in self.work.configs.iter().filter(with_stack) {
            all.extend(self.engine(loaded, |_| ()).outputs(&loaded.config, stack.as_ref()).await?);
        }
        self.output.data(&match arguments.format {
            OutputsFormat::Text => render::tables::outputs_text(&all),
            OutputsFormat::Json => self.output.targeted(&render::tables::outputs_json(&all)),
            OutputsFormat::Env => render::tables::outputs_env(&all),
        });
        Ok(ExitCode::Ok)
    }

    async fn graph(&self, command: &GraphCommand) -> Result<ExitCode, EngineError> {
        let output = &self.output;
        for loaded in &self.work.configs {
            match command {
                GraphCommand::Show { format } => {
                    let view = self.engine(loaded, |_| ()).graph(&loaded.config).await?;
                    let nodes = view.graph.as_ref().map(|graph| graph.nodes.clone()).unwrap_or_default();
                    output.data(&match format {
                        GraphFormat::Text => output.headed(&render::graph::text(&view)),
                        GraphFormat::Json => output.targeted(&render::graph::json(&view)),
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
                GraphCommand::Forget { name, lock_ttl } => {
                    let engine = self.engine(loaded, |options| options.lock_ttl = *lock_ttl);
                    let mut reporter = progress::reporter(output, false, self.work.settings.ci);
                    let name = NodeName::from(name.as_str());
                    let Forgotten { name, is_task } =
                        engine.forget(&loaded.config, &name, reporter.as_mut()).await?;
                    let left = if is_task { "what it keeps" } else { "the stack itself" };
                    output.message(&format!("{name} is no longer managed; {left} was not touched"));
                    if loaded.config.stacks.contains_key(&name) || loaded.config.tasks.contains_key(&name) {
                        output.message(&format!(
                            "warning: {name} is still in the config: the next deploy records it again"
                        ));
                    }
                }
            }
        }
        Ok(ExitCode::Ok)
    }

    async fn unlock(&self, loaded: &Loaded, force: bool) -> Result<ExitCode, EngineError> {
        let output = &self.output;
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
