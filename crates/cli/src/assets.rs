//! The commands of `assets`: arguments to requests, outcomes to text, documents and exit codes.

mod job;
mod place;
mod progress;
mod purge;
mod pushing;
mod request;
mod shown;

use std::sync::Arc;

use camino::Utf8Path;
use miette::Diagnostic;
use runway_artifacts::assets::{
    self, Allowed, AssetsError, ErrorClass, PruneOutcome, VerifyOutcome, VerifyRequest,
};
use runway_artifacts::document::{
    About, AssetsBuildDocument, AssetsDoctorDocument, AssetsListDocument, AssetsPruneDocument,
    AssetsVerifyDocument, BuildStatus,
};
use runway_artifacts::names::ManifestId;
use runway_artifacts::task::AssetPush;
use runway_core::engine::{EngineError, Interrupt};
use runway_core::error::Problem;
use runway_core::exit::ExitCode;
use runway_core::task::{self, TaskKinds};

use self::place::Opened;
pub(crate) use self::shown::Told;
use crate::args::{AssetsCommand, AssetsFormat, AssetsPin, AssetsPrune, AssetsVerify};
use crate::clock::SystemClock;
use crate::output::Output;
use crate::settings::{Environment, Settings};
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
    /// What was told, for the report.
    pub(crate) told: Told,
}

impl AssetsContext<'_> {
    /// Carries out a command, and reports about it.
    pub(crate) async fn run(&self, command: &AssetsCommand) -> Result<ExitCode, EngineError> {
        let report = command.form().and_then(|form| form.report.as_deref());
        if let Some(path) = report {
            self.can_report(path)?;
        }
        let ended = self.run_alone(command).await;
        match report {
            Some(path) => self.report(path, ended),
            None => ended,
        }
    }

    async fn run_alone(&self, command: &AssetsCommand) -> Result<ExitCode, EngineError> {
        if let Some(password) = self.environment.get("VALPOP_PASSWORD") {
            self.output.vault.add(vec![password.clone()]);
        }
        if let AssetsCommand::Job(arguments) = command {
            return self.job(arguments);
        }
        if let AssetsCommand::Doctor { place, iam_policy, prune_only, heal, .. } = command
            && (*iam_policy || *prune_only)
        {
            return self.policy(place, Allowed { push: !prune_only, heal: *heal });
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
        opened.reporter(progress::reporter(self.output, self.settings.ci, command.format()));
        let ended = self.carry_out(command, &mut opened).await;
        let ended = ended.map_err(|error| self.with_endpoint(command.place(), error));
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
                self.tell(format, &document, document.text(), document.markdown());
                Ok(ExitCode::Ok)
            }
            AssetsCommand::Rollback(arguments) => self.rollback(arguments, opened, &about).await,
            AssetsCommand::Resume { .. } => {
                let resumed = assets::resume(&opened.session).await.map_err(failed)?;
                let status = resumed.map_or(BuildStatus::NothingToResume, |_| BuildStatus::Resumed);
                Ok(self.tell_build(format, &AssetsBuildDocument::of(&about, status, resumed)))
            }
            AssetsCommand::Pin(AssetsPin { manifest, .. }) => {
                let id = ManifestId(*manifest);
                assets::pin(&opened.session, id).await.map_err(failed)?;
                let document = AssetsBuildDocument::of(&about, BuildStatus::Pinned, Some(id));
                Ok(self.tell_build(format, &document))
            }
            AssetsCommand::Unpin(AssetsPin { manifest, .. }) => {
                let id = ManifestId(*manifest);
                assets::unpin(&opened.session, id).await.map_err(failed)?;
                let document = AssetsBuildDocument::of(&about, BuildStatus::Unpinned, Some(id));
                Ok(self.tell_build(format, &document))
            }
            AssetsCommand::Doctor { .. } => {
                let found = assets::probe(&opened.session).await.map_err(failed)?;
                let mut document = AssetsDoctorDocument::of(&about, &found);
                let error = found.check().map_err(failed).err();
                document.error = error.as_ref().map(shown::body);
                self.tell(format, &document, document.text(), document.markdown());
                Ok(self.tell_error(error))
            }
            AssetsCommand::Job(_) => Ok(ExitCode::Ok),
        }
    }

    fn tell_build(&self, format: AssetsFormat, document: &AssetsBuildDocument) -> ExitCode {
        self.tell(format, document, document.text(), document.markdown());
        ExitCode::Ok
    }

    async fn prune(
        &self,
        arguments: &AssetsPrune,
        opened: &mut Opened,
        about: &About,
    ) -> Result<ExitCode, EngineError> {
        let rules = self.rules(&arguments.age, opened.conditions)?;
        let rules = assets::PruneRequest { dry_run: arguments.dry_run, may_wait: arguments.wait, ..rules };
        let outcome = assets::prune(&opened.session, &rules).await.map_err(failed)?;
        let mut document = AssetsPruneDocument::of(about, &outcome);
        let error = outcome.problem().map(failed);
        document.error = error.as_ref().map(shown::body);
        self.tell(arguments.form.format, &document, document.text(), document.markdown());
        if error.is_some() {
            return Ok(self.tell_error(error));
        }
        let pending = arguments.detailed_exitcode && arguments.dry_run && is_due(&outcome);
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
        let mut document = AssetsVerifyDocument::of(about, &outcome);
        let error = verdict(&outcome, about).map(failed);
        document.error = error.as_ref().map(shown::body);
        self.tell(arguments.form.format, &document, document.text(), document.markdown());
        Ok(self.tell_error(error))
    }
}

/// What is wrong with a build, if anything is.
fn verdict(outcome: &VerifyOutcome, about: &About) -> Option<AssetsError> {
    if let Some(found) = outcome.findings.iter().find(|finding| !finding.is_healed) {
        return Some(AssetsError::Damaged { count: outcome.left(), first: found.path.to_string() });
    }
    match (outcome.unfinished, outcome.live) {
        (Some((manifest, false)), _) => Some(AssetsError::Unfinished { manifest }),
        (_, None) => Some(AssetsError::NothingLive { app: about.app.clone() }),
        _ => None,
    }
}

fn is_due(prune: &PruneOutcome) -> bool {
    let is_planned = prune.report.plan.as_ref().is_some_and(|plan| !plan.is_empty());
    is_planned || prune.unfinished > 0 || !prune.report.stray_copies.is_empty()
}
