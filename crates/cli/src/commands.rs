//! From a command line to a command: settings, configs, a provider, and then [`session`] does the work.

mod cache;
mod documents;
mod pages;
mod project;
pub(crate) mod reports;
pub(crate) mod saved;
mod session;
mod together;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use clap::CommandFactory;
use runway_core::clock::Clock;
use runway_core::engine::{EngineError, Interrupt};
use runway_core::error::Findings;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_core::plan::saved::SavedPlans;
use runway_core::provider::Provider;
use runway_core::render;
use runway_host::sources::{Access, Known};

use crate::Arguments;
use crate::args::{
    Command, FormatArguments, OutputsArguments, PlanArguments, PlanningArguments, TextOrJson,
    ValidateArguments,
};
use crate::assets::{AssetsContext, Told};
use crate::cache::Caches;
use crate::clock::SystemClock;
use crate::commands::documents::{name, schema, wants_json};
use crate::commands::pages::Pages;
use crate::commands::reports::Reports;
use crate::commands::session::Session;
use crate::commands::together::Together;
use crate::connect::Connector;
use crate::load::{self, Check, Loaded};
use crate::output::{self, Output};
use crate::selection::{Strays, has};
use crate::settings::{self, Environment, Found, ProviderChoice, Settings, SettingsProblem, discover};
use crate::sources::Sources;
use crate::work::{Tree, Turns, Work, check_graphs};
use crate::{signals, verbosity};

/// Runs a command to its end.
pub(crate) fn run(mut arguments: Arguments) -> ExitCode {
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    arguments.global.verbose = settings::verbosity(arguments.global.verbose, &environment);
    let mut output = Output::new(&arguments.global, &environment);
    match &arguments.command {
        Command::Completions { shell } => {
            let mut bytes = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "runway-rs", &mut bytes);
            output.data(&String::from_utf8_lossy(&bytes));
            return ExitCode::Ok;
        }
        Command::Man => {
            let mut bytes = Vec::new();
            let done = clap_mangen::Man::new(Arguments::command()).render(&mut bytes);
            output.data(&String::from_utf8_lossy(&bytes));
            return if done.is_ok() { ExitCode::Ok } else { ExitCode::Unexpected };
        }
        Command::Schema { document, indent, output: path } => {
            let text = indent.map_or_else(
                || schema(*document).to_owned(),
                |spaces| output::indented(schema(*document), spaces.into()),
            );
            let Some(path) = path else {
                output.data(&text);
                return ExitCode::Ok;
            };
            return match fs_err::write(path, text) {
                Ok(()) => ExitCode::Ok,
                Err(error) => {
                    let message = error.to_string();
                    let error = EngineError::of(SettingsProblem::Unwritable { path: path.clone(), message });
                    output.findings(&error.findings, error.exit);
                    error.exit
                }
            };
        }
        _ => {}
    }
    output.json_errors = wants_json(&arguments.command);
    output.json_lines = matches!(arguments.command, Command::Deploy(_) | Command::Destroy(_));
    verbosity::start(arguments.global.verbose, output.error_style.colour, &output.vault);
    output.vault.add(keys(&environment));
    let current = match std::env::current_dir().ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok()) {
        Some(current) => current,
        None => Utf8PathBuf::from("."),
    };
    let failed = |output: &Output, error: EngineError| {
        output.findings(&error.findings, error.exit);
        error.exit
    };
    let saved = match saved::read(&mut arguments, &current) {
        Ok(saved) => saved,
        Err(error) => return failed(&output, error),
    };
    let known_sources = Known::default();
    let reports = match Reports::begin(&arguments.command, &current) {
        Ok(reports) => reports,
        Err(error) => return failed(&output, EngineError::of(error)),
    };
    let context = Context {
        arguments,
        environment,
        output,
        current,
        known_sources,
        saved,
        reports,
        caches: Caches::default(),
        seen_caches: Mutex::default(),
    };
    let ended = context.start();
    let (exit, findings) = match ended {
        Ok(exit) => (exit, Vec::new()),
        Err(error) => {
            context.output.findings(&error.findings, error.exit);
            (error.exit, error.findings)
        }
    };
    match context.reports.write(exit, &findings, &context.output) {
        Ok(()) => exit,
        // What the run ended with says more.
        Err(error) if exit == ExitCode::Ok => failed(&context.output, EngineError::of(error)),
        Err(error) => {
            failed(&context.output, EngineError::of(error));
            exit
        }
    }
}

/// Keys of AWS that only their owner should know.
pub(crate) fn keys(environment: &Environment) -> Vec<String> {
    let names = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    names.iter().filter_map(|name| environment.get(*name).cloned()).collect()
}

/// Everything a command starts from.
struct Context {
    arguments: Arguments,
    environment: Environment,
    output: Output,
    current: Utf8PathBuf,
    /// Package sources that were resolved by this run.
    known_sources: Known,
    /// The plans that are to be carried out, if the command names a file with some.
    saved: Option<SavedPlans>,
    /// What is to be written about the run.
    reports: Reports,
    /// The task caches that the command works with.
    caches: Caches,
    /// Where the caches are that a command about them was carried out on.
    seen_caches: Mutex<BTreeSet<String>>,
}

impl Context {
    fn start(&self) -> Result<ExitCode, EngineError> {
        let global = &self.arguments.global;
        let planning = planning(&self.arguments.command);
        if let Command::New { directory } = &self.arguments.command {
            return self.new_project(directory.as_deref());
        }
        let settings = Settings::resolve(
            global,
            planning.and_then(|planning| planning.concurrency),
            name(&self.arguments.command),
            &self.environment,
            &self.current,
        )
        .map_err(EngineError::of)?;
        if let Command::Assets(command) = &self.arguments.command {
            let context = AssetsContext {
                output: &self.output,
                settings: &settings,
                environment: &self.environment,
                current: &self.current,
                stats: global.stats,
                told: Told::default(),
            };
            return self.in_runtime(context.run(command));
        }
        let found = discover(global, &self.current).map_err(EngineError::of)?;
        match (&self.arguments.command, found) {
            (Command::Whichenv, found) => self.whichenv(&settings, &found),
            (Command::Envvars, Found::Project(path)) => self.envvars(settings, &path),
            (Command::Envvars, Found::Configs(_)) => Err(EngineError::of(SettingsProblem::NoProject)),
            (_, Found::Project(path)) => self.project(settings, &path),
            (_, Found::Configs(paths)) => self.configs(&settings, &paths),
        }
    }

    /// What the command is about: whether configs are looked at for a deploy or a destroy.
    fn purpose(&self) -> Purpose {
        match &self.arguments.command {
            Command::Destroy(_) => Purpose::Destroy,
            Command::Plan(arguments) if arguments.destroy => Purpose::Destroy,
            // These look at stacks only; templates may be missing.
            Command::Status(_) | Command::Outputs(_) | Command::Graph(_) | Command::Init => Purpose::Destroy,
            Command::Cache(command) if !command.plans() => Purpose::Destroy,
            _ => Purpose::Deploy,
        }
    }

    /// Carries out a command on configs.
    fn configs(&self, settings: &Settings, paths: &[Utf8PathBuf]) -> Result<ExitCode, EngineError> {
        let global = &self.arguments.global;
        let given = [(&global.tag, "--tag"), (&global.module, "--module")];
        if let Some((_, option)) = given.into_iter().find(|(names, _)| !names.is_empty()) {
            return Err(EngineError::of(SettingsProblem::NoModules { option }));
        }
        if paths.is_empty() {
            self.output.message(
                "warning: no CFNgin config in this directory, so there is nothing to do (-c FILE names one)",
            );
            return Ok(ExitCode::Ok);
        }
        let directory = paths.first().and_then(|path| path.parent()).unwrap_or(&self.current);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let connector = Connector::new(directory.to_owned(), self.environment.clone(), clock);
        if let Command::Validate(arguments) = &self.arguments.command {
            return self.in_runtime(self.validate(arguments, settings, paths, &connector));
        }
        // A config error must not wait for credentials: with a known region everything is checked first.
        let early = settings.region.clone().or_else(|| {
            matches!(settings.provider, ProviderChoice::Local(_)).then(|| "us-east-1".to_owned())
        });
        let check = Check::For(self.purpose());
        self.in_runtime(async {
            let known = match &early {
                Some(region) => self.load(paths, settings, region, check, None).await?,
                None => None,
            };
            let connected = connector.connect(settings, &self.environment).await?;
            let configs = match known {
                Some(configs) => configs,
                None => {
                    let (region, provider) = (connected.provider.region(), &*connected.provider);
                    self.load(paths, settings, region, check, Some(provider)).await?.unwrap_or_default()
                }
            };
            let (settings, mut environment) = (settings.clone(), self.environment.clone());
            connected.lend(&mut environment).await?;
            self.output.vault.add(keys(&environment));
            let work = Work { label: None, root: None, settings, environment, connected, configs };
            let exit = self.carry_out(&Tree::Work(Box::new(work)), &self.output).await;
            self.stats(&connector).await;
            exit
        })
    }

    /// Runs to the end what has to wait for answers.
    fn in_runtime<T>(&self, work: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| unexpected(&error))?;
        let done = runtime.block_on(work);
        // A question that nobody answers must not keep the process.
        runtime.shutdown_timeout(Duration::from_millis(100));
        done
    }

    /// Carries out the command on everything, in order, and keeps what is of use to later ones. Trouble with that changes
    /// nothing else.
    async fn carry_out(&self, tree: &Tree, output: &Output) -> Result<ExitCode, EngineError> {
        let interrupt = Interrupt::default();
        let ended = self.carry_out_all(tree, output, &interrupt).await;
        let changes = matches!(self.arguments.command, Command::Deploy(_) | Command::Destroy(_));
        self.caches.publish(changes, interrupt.stop.is_cancelled(), output).await;
        if let Some(used) = self.caches.used() {
            self.reports.cache(used);
            if !wants_json(&self.arguments.command) {
                output.progress(&render::cache::used(&used));
            }
        }
        ended
    }

    async fn carry_out_all(
        &self,
        tree: &Tree,
        output: &Output,
        interrupt: &Interrupt,
    ) -> Result<ExitCode, EngineError> {
        let works = tree.works();
        let purpose = self.purpose();
        let (turns, pages) = (Turns::default(), Pages::default());
        let planned = Mutex::new(Vec::new());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let plans =
            matches!(self.arguments.command, Command::Plan(_) | Command::Deploy(_) | Command::Destroy(_));
        if let Command::Cache(command) = &self.arguments.command {
            self.check_caches(command, &works, &clock)?;
        }
        if plans {
            output.findings(&check_graphs(&works).await?, ExitCode::Ok);
        }
        let together = Together {
            works: &works,
            output,
            clock,
            interrupt,
            turns: &turns,
            pages: &pages,
            planned: &planned,
        };
        let none = Strays::new();
        let mut strays = Strays::new();
        let wanted =
            planning(&self.arguments.command).map(|given| given.stacks.as_slice()).unwrap_or_default();
        for wanted in wanted {
            let mut configs = works.iter().flat_map(|work| &work.configs);
            if configs.any(|loaded| has(loaded, wanted)) {
                continue;
            }
            let recording = strays.entry(wanted.clone()).or_default();
            for work in &works {
                recording.extend(together.session(self, work, &none, false).recording(wanted).await?);
            }
        }
        let strays = &strays;
        let runs = matches!(self.arguments.command, Command::Deploy(_) | Command::Destroy(_));
        if runs && works.iter().map(|work| work.configs.len()).sum::<usize>() > 1 {
            let mut findings = Findings::default();
            for work in &works {
                findings.extend(together.session(self, work, strays, false).check(purpose));
            }
            if findings.has_errors() {
                return Err(findings.into());
            }
        }
        let asks = matches!(&self.arguments.command, Command::Plan(arguments) if arguments.change_sets);
        if runs || asks || matches!(self.arguments.command, Command::Init) {
            signals::connect(interrupt);
        }
        if let Some(saved) = &self.saved {
            let sessions: Vec<Session<'_>> =
                works.iter().map(|work| together.session(self, work, strays, false)).collect();
            saved::still_stand(saved, &sessions, purpose).await?;
        }
        if runs {
            let sessions = works.iter().map(|work| together.session(self, work, strays, false));
            self.reports.expected(sessions.flat_map(|session| session.described_all()).collect());
        }
        // Pending changes are no reason to stop.
        let pending = AtomicBool::new(false);
        let with_the_stack = self.with_the_stack(&works);
        let run = async |work: &Work, beside: bool| {
            if !with_the_stack.is_empty() && !with_the_stack.iter().any(|having| std::ptr::eq(*having, work))
            {
                return Ok(ExitCode::Ok);
            }
            match together.session(self, work, strays, beside).command().await? {
                ExitCode::ChangesPending => {
                    pending.store(true, Ordering::Relaxed);
                    Ok(ExitCode::Ok)
                }
                exit => Ok(exit),
            }
        };
        let exit = tree.run(false, &run).await?;
        // Plans of some of the targets would look like all of them.
        if let (Command::Plan(arguments), ExitCode::Ok) = (&self.arguments.command, exit)
            && let Some(document) = pages.document(arguments.format)
        {
            output.written(&document);
        }
        if let Command::Plan(PlanArguments { out: Some(path), .. }) = &self.arguments.command {
            let planned = std::mem::take(&mut *planned.lock().unwrap_or_else(PoisonError::into_inner));
            self.write_plans(path, planned)?;
        }
        let pending = pending.load(Ordering::Relaxed) && exit == ExitCode::Ok;
        Ok(if pending { ExitCode::ChangesPending } else { exit })
    }

    /// The work that has the stack whose outputs are wanted; empty if none has, or if all are wanted.
    fn with_the_stack<'w>(&self, works: &[&'w Work]) -> Vec<&'w Work> {
        let Command::Outputs(OutputsArguments { stack: Some(stack), .. }) = &self.arguments.command else {
            return Vec::new();
        };
        let has = |work: &&&Work| {
            work.configs.iter().any(|loaded| loaded.config.stacks.contains_key(stack.as_str()))
        };
        works.iter().filter(has).copied().collect()
    }

    /// Loads configs; `None` if that has to wait for the provider.
    async fn load(
        &self,
        paths: &[Utf8PathBuf],
        settings: &Settings,
        region: &str,
        check: Check,
        provider: Option<&dyn Provider>,
    ) -> Result<Option<Vec<Loaded>>, EngineError> {
        let sources = self.sources(Access::Network(provider), None);
        let global = &self.arguments.global;
        let loading = load::configs(paths, global, settings, region, &self.current, check, sources).await;
        if loading.findings.has_errors() {
            return Err(loading.findings.into());
        }
        if loading.waiting {
            return Ok(None);
        }
        self.output.findings(&loading.findings.split().1, ExitCode::Ok);
        Ok(Some(loading.configs))
    }

    /// How package sources are fetched; `root` is the directory of the project.
    fn sources<'s>(&'s self, access: Access<'s>, root: Option<&'s Utf8Path>) -> Sources<'s> {
        Sources { known: &self.known_sources, access, can_wait: true, root, output: &self.output }
    }

    async fn validate(
        &self,
        arguments: &ValidateArguments,
        settings: &Settings,
        paths: &[Utf8PathBuf],
        connector: &Connector,
    ) -> Result<ExitCode, EngineError> {
        let region = settings.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        let global = &self.arguments.global;
        let load = async |access| {
            let sources = self.sources(access, None);
            load::configs(paths, global, settings, &region, &self.current, Check::All, sources).await
        };
        let access = if arguments.fetch { Access::Network(None) } else { Access::Cache };
        let mut loading = load(access).await;
        if loading.waiting {
            let connected = connector.connect(settings, &self.environment).await?;
            loading = load(Access::Network(Some(&*connected.provider))).await;
        }
        Ok(self.validated(loading.findings, paths.len(), &arguments.form))
    }

    fn validated(&self, findings: Findings, files: usize, format: &FormatArguments) -> ExitCode {
        let exit = findings.exit_code();
        let (mut errors, warnings) = findings.split();
        let valid = errors.is_empty();
        errors.extend(warnings);
        self.output.findings(&errors, exit);
        if valid && format.format == TextOrJson::Json {
            self.output.data(&render::problems::json(&errors, ExitCode::Ok));
        } else if valid {
            self.output.message(&format!("{files} config{} valid", if files == 1 { " is" } else { "s are" }));
        }
        exit
    }

    /// What was asked of the cloud, with `--stats`.
    async fn stats(&self, connector: &Connector) {
        let requests = connector.requests().await;
        self.reports.requests(&requests);
        if !self.arguments.global.stats {
            return;
        }
        let total: u64 = requests.values().sum();
        for (operation, count) in &requests {
            self.output.essential(&format!("{count:>6} {operation}"));
        }
        self.output.essential(&format!("{total:>6} requests"));
    }
}

fn unexpected(error: &std::io::Error) -> EngineError {
    EngineError::of(SettingsProblem::Unreadable { path: "the runtime".into(), message: error.to_string() })
}

fn planning(command: &Command) -> Option<&PlanningArguments> {
    match command {
        Command::Plan(arguments) => Some(&arguments.common),
        Command::Deploy(arguments) | Command::Destroy(arguments) => Some(&arguments.common),
        _ => None,
    }
}
