//! The commands of `assets`: arguments to requests, outcomes to text, documents and exit codes.

mod place;
mod progress;
mod request;

use std::sync::Arc;

use camino::Utf8Path;
use miette::Diagnostic;
use runway_artifacts::assets::{self, AssetsError, ErrorClass, PruneOutcome, PushOutcome, VerifyRequest};
use runway_artifacts::document::{
    About, AssetsDoctorDocument, AssetsListDocument, AssetsPlanDocument, AssetsPruneDocument,
    AssetsPushDocument, AssetsVerifyDocument,
};
use runway_artifacts::names::ManifestId;
use runway_artifacts::task::AssetPush;
use runway_core::engine::{EngineError, Interrupt};
use runway_core::error::{Finding, Problem};
use runway_core::exit::ExitCode;
use runway_core::render::json::pretty;
use runway_core::task::{self, TaskKinds};
use serde::Serialize;

use self::place::Opened;
use crate::args::{AssetsAge, AssetsCommand, AssetsPlan, AssetsPrune, AssetsPush, AssetsVerify, TextOrJson};
use crate::clock::SystemClock;
use crate::output::Output;
use crate::settings::{Environment, Settings, SettingsProblem};
use crate::signals;

/// A problem of the assets with its exit code.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error(transparent)]
#[diagnostic(transparent)]
struct AssetsProblem(AssetsError);

impl Problem for AssetsProblem {
    fn exit_code(&self) -> ExitCode {
        match self.0.class() {
            ErrorClass::Config => ExitCode::Config,
            ErrorClass::Locked => ExitCode::Locked,
            ErrorClass::Stale => ExitCode::Stale,
            ErrorClass::Denied => ExitCode::Denied,
            ErrorClass::Unavailable => ExitCode::Unavailable,
            ErrorClass::Failed => ExitCode::StepsFailed,
            ErrorClass::Refused => ExitCode::Refused,
            ErrorClass::Interrupted => ExitCode::Interrupted,
        }
    }
}

/// The kinds of tasks of a config in a directory: all that are built in, and pushes of builds.
pub(crate) fn task_kinds(directory: &Utf8Path, writer: String) -> TaskKinds {
    TaskKinds::default().with(task::erased(AssetPush {
        directory: directory.as_std_path().to_owned(),
        writer,
        clock: Arc::new(SystemClock),
        nonce: place::nonce,
    }))
}

fn failed(error: AssetsError) -> EngineError {
    EngineError::of(AssetsProblem(error))
}

/// Everything that a command about assets starts from.
pub(crate) struct AssetsContext<'a> {
    pub(crate) output: &'a Output,
    pub(crate) settings: &'a Settings,
    pub(crate) environment: &'a Environment,
    pub(crate) current: &'a Utf8Path,
    pub(crate) stats: bool,
}

impl AssetsContext<'_> {
    /// Carries out a command.
    pub(crate) async fn run(&self, command: &AssetsCommand) -> Result<ExitCode, EngineError> {
        if let Some(password) = self.environment.get("VALPOP_PASSWORD") {
            self.output.vault.add(vec![password.clone()]);
        }
        let interrupt = Interrupt::default();
        signals::connect(&interrupt);
        let writes = !matches!(
            command,
            AssetsCommand::Plan(_)
                | AssetsCommand::Ls { .. }
                | AssetsCommand::Prune(AssetsPrune { dry_run: true, .. })
                | AssetsCommand::Verify(AssetsVerify { heal: false, .. })
        );
        let mut opened = self.open(command.place(), writes).await?;
        opened.session.stop = interrupt.stop.clone();
        let ended = self.carry_out(command, &mut opened).await;
        if self.stats {
            let requests = opened.requests();
            for (operation, count) in &requests {
                self.output.essential(&format!("{count:>6} {operation}"));
            }
            self.output.essential(&format!("{:>6} requests", requests.values().sum::<u64>()));
        }
        ended
    }

    async fn carry_out(&self, command: &AssetsCommand, opened: &mut Opened) -> Result<ExitCode, EngineError> {
        let about = About {
            app: opened.session.layout.app().to_string(),
            bucket: opened.session.store.bucket().to_string(),
        };
        let format = command.format();
        match command {
            AssetsCommand::Plan(arguments) => self.plan(arguments, opened, &about).await,
            AssetsCommand::Push(arguments) => self.push(arguments, opened, &about).await,
            AssetsCommand::Prune(arguments) => self.prune(arguments, opened, &about).await,
            AssetsCommand::Verify(arguments) => self.verify(arguments, opened, &about).await,
            AssetsCommand::Ls { .. } => {
                let listing = assets::list(&opened.session).await.map_err(failed)?;
                let document = AssetsListDocument::of(&about, &listing);
                self.show(format, &document, &document.text());
                Ok(ExitCode::Ok)
            }
            AssetsCommand::Rollback { to, .. } => {
                opened.reporter(progress::reporter(self.output, self.settings.ci, format));
                let outcome = assets::rollback(&opened.session, ManifestId(*to), opened.conditions).await;
                let document = AssetsPushDocument::of(&about, &outcome.map_err(failed)?, None);
                self.show(format, &document, &document.text());
                Ok(ExitCode::Ok)
            }
            AssetsCommand::Resume(_) => {
                opened.reporter(progress::reporter(self.output, self.settings.ci, format));
                let resumed = assets::resume(&opened.session).await.map_err(failed)?;
                self.output.message(&match resumed {
                    Some(manifest) => format!("{}: build {manifest} is live", about.app),
                    None => format!("{}: nothing was broken off", about.app),
                });
                Ok(ExitCode::Ok)
            }
            AssetsCommand::Pin { manifest, .. } => {
                assets::pin(&opened.session, ManifestId(*manifest)).await.map_err(failed)?;
                self.output.message(&format!("{}: build {manifest} stays until `assets unpin`", about.app));
                Ok(ExitCode::Ok)
            }
            AssetsCommand::Unpin { manifest, .. } => {
                assets::unpin(&opened.session, ManifestId(*manifest)).await.map_err(failed)?;
                self.output.message(&format!("{}: build {manifest} may age out", about.app));
                Ok(ExitCode::Ok)
            }
            AssetsCommand::Doctor { iam_policy: true, prune_only, .. } => {
                self.output.data(&pretty(&assets::iam_policy(&opened.session, !prune_only)));
                Ok(ExitCode::Ok)
            }
            AssetsCommand::Doctor { .. } => {
                let found = assets::probe(&opened.session).await.map_err(failed)?;
                let document = AssetsDoctorDocument::of(&about, &found);
                self.show(format, &document, &document.text());
                found.check().map_err(failed)?;
                Ok(ExitCode::Ok)
            }
        }
    }

    fn show(&self, format: TextOrJson, document: &impl Serialize, text: &str) {
        match format {
            TextOrJson::Text => self.output.data(text),
            TextOrJson::Json => self.output.data(&pretty(document)),
        }
    }

    fn warn_of_case(&self, prepared: &assets::Prepared) {
        for group in &prepared.same_but_for_case {
            let names: Vec<String> = group.iter().map(ToString::to_string).collect();
            self.output.message(&format!(
                "warning: {} differ in case only: some servers and file systems take them for one",
                names.join(" and ")
            ));
        }
    }

    async fn plan(
        &self,
        arguments: &AssetsPlan,
        opened: &mut Opened,
        about: &About,
    ) -> Result<ExitCode, EngineError> {
        let request = self.request(&arguments.build, opened.conditions)?;
        let session = &opened.session;
        let prepared = assets::prepare(session, &request).await.map_err(failed)?;
        self.warn_of_case(&prepared);
        let planned = assets::plan(session, &request, &prepared).await.map_err(failed)?;
        let prune = if arguments.no_prune {
            None
        } else {
            let rules = self.rules(&arguments.age, opened.conditions)?;
            let rules = assets::PruneRequest { dry_run: true, ..rules };
            match assets::prune(session, &rules).await {
                Ok(prune) => Some(prune),
                // The push is what mends it.
                Err(error @ (AssetsError::HeadLost { .. } | AssetsError::HeadMissing { .. })) => {
                    self.output.message(&format!("warning: nothing would be pruned: {error}"));
                    None
                }
                Err(error) => return Err(failed(error)),
            }
        };
        let document = AssetsPlanDocument::of(about, request.image.clone(), &planned, prune.as_ref());
        self.show(arguments.form.format, &document, &document.text());
        let pending = document.has_changes() || prune.is_some_and(|prune| is_due(&prune));
        Ok(if arguments.detailed_exitcode && pending { ExitCode::ChangesPending } else { ExitCode::Ok })
    }

    async fn push(
        &self,
        arguments: &AssetsPush,
        opened: &mut Opened,
        about: &About,
    ) -> Result<ExitCode, EngineError> {
        let mut request = self.request(&arguments.build, opened.conditions)?;
        request::complete(&mut request, arguments)?;
        opened.session.concurrency = arguments.build.concurrency.into();
        opened.session.terms.intent_ttl = arguments.age.intent_ttl;
        opened.reporter(progress::reporter(self.output, self.settings.ci, arguments.form.format));
        let session = &opened.session;
        let prepared = assets::prepare(session, &request).await.map_err(failed)?;
        self.warn_of_case(&prepared);
        let outcome = assets::push(session, &request, &prepared).await.map_err(failed)?;
        opened.reporter(Arc::new(assets::Silent));
        let pruned = if arguments.no_prune {
            Ok(None)
        } else {
            self.prune_after(&arguments.age, opened, &outcome).await
        };
        let (prune, exit) = match pruned {
            Ok(prune) => match prune.as_ref().and_then(PruneOutcome::problem) {
                Some(problem) => (prune, Err(failed(problem))),
                None => (prune, Ok(ExitCode::Ok)),
            },
            Err(error) => (None, Err(error)),
        };
        if let assets::PushStatus::Superseded { by, is_unfinished: true } = outcome.status {
            self.output.message(&format!(
                "warning: the change to the newer build {by} is not over; if its push died, `assets resume` finishes it"
            ));
        }
        if let (assets::PushStatus::Superseded { by, .. }, Some(first)) =
            (&outcome.status, outcome.in_place.first())
        {
            self.output.message(&format!(
                "warning: {} files changed under their names before the newer build {by} went live, the first of them {first}: look with `assets verify` whether it needs them, and push it again if so",
                outcome.in_place.len()
            ));
        }
        let document = AssetsPushDocument::of(about, &outcome, prune.as_ref());
        self.show(arguments.form.format, &document, &document.text());
        if let Some(path) = &arguments.report {
            fs_err::write(self.current.join(path), pretty(&document)).map_err(|error| {
                EngineError::of(SettingsProblem::Unwritable {
                    path: path.clone(),
                    message: error.to_string(),
                })
            })?;
        }
        exit
    }

    /// Prunes after a push, if anything can have aged out. That another prune runs, or that too much would go, does not
    /// make the push fail.
    async fn prune_after(
        &self,
        age: &AssetsAge,
        opened: &Opened,
        outcome: &PushOutcome,
    ) -> Result<Option<PruneOutcome>, EngineError> {
        let rules = self.rules(age, opened.conditions)?;
        let now = outcome.store_time.unwrap_or_default();
        let is_old = |id: &ManifestId| now.saturating_sub(id.0) > rules.threshold.as_secs();
        // A push that found its build live has not looked.
        let manifests = match outcome.status {
            assets::PushStatus::AlreadyLive => assets::manifest_ids(&opened.session).await.map_err(failed)?,
            _ => outcome.manifests.clone(),
        };
        let may_be_due = manifests.len() > rules.min_keep && manifests.iter().any(is_old);
        if !may_be_due && rules.orphans.is_none() {
            return Ok(None);
        }
        // The marker is another session's than the intent.
        let session = opened.session.another(place::nonce());
        match assets::prune(&session, &rules).await {
            Ok(outcome) => Ok(Some(outcome)),
            Err(error @ (AssetsError::Busy { .. } | AssetsError::TooMuch { .. })) => {
                self.output.message(&format!("warning: nothing was pruned: {error}"));
                Ok(None)
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn prune(
        &self,
        arguments: &AssetsPrune,
        opened: &mut Opened,
        about: &About,
    ) -> Result<ExitCode, EngineError> {
        opened.reporter(progress::reporter(self.output, self.settings.ci, arguments.form.format));
        let rules = self.rules(&arguments.age, opened.conditions)?;
        let rules = assets::PruneRequest { dry_run: arguments.dry_run, may_wait: arguments.wait, ..rules };
        let outcome = assets::prune(&opened.session, &rules).await.map_err(failed)?;
        let document = AssetsPruneDocument::of(about, &outcome);
        self.show(arguments.form.format, &document, &document.text());
        if let Some(problem) = outcome.problem() {
            return Err(failed(problem));
        }
        let pending = arguments.detailed_exitcode && is_due(&outcome);
        Ok(if pending { ExitCode::ChangesPending } else { ExitCode::Ok })
    }

    async fn verify(
        &self,
        arguments: &AssetsVerify,
        opened: &mut Opened,
        about: &About,
    ) -> Result<ExitCode, EngineError> {
        let source = arguments.source.as_ref().map(|path| self.current.join(path).into_std_path_buf());
        let request = VerifyRequest { deep: arguments.deep, heal: arguments.heal, source };
        let outcome = assets::verify(&opened.session, &request).await.map_err(failed)?;
        let document = AssetsVerifyDocument::of(about, &outcome);
        self.show(arguments.form.format, &document, &document.text());
        match outcome.left() {
            0 => Ok(ExitCode::Ok),
            count => {
                let damaged = outcome.findings.iter().find(|finding| !finding.is_healed);
                let first =
                    damaged.map_or_else(|| "the entry points".to_owned(), |found| found.path.to_string());
                let error = AssetsProblem(AssetsError::Damaged { count, first });
                self.output.findings(&[Finding::general(error)], ExitCode::StepsFailed);
                Ok(ExitCode::StepsFailed)
            }
        }
    }
}

fn is_due(prune: &PruneOutcome) -> bool {
    prune.report.plan.as_ref().is_some_and(|plan| !plan.is_empty()) || prune.unfinished > 0
}
