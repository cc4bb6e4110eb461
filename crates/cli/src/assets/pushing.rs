//! Planning and making pushes, going back, and what follows them.

use std::sync::Arc;

use runway_artifacts::assets::{self, AssetsError, PruneOutcome, PruneRequest, PushOutcome, StoreConditions};
use runway_artifacts::document::{About, AssetsPlanDocument, AssetsPushDocument};
use runway_artifacts::names::ManifestId;
use runway_core::engine::EngineError;
use runway_core::exit::ExitCode;

use super::place::{self, Opened};
use super::purge::Purge;
use super::{AssetsContext, failed, is_due, request, shown};
use crate::args::{AssetsAge, AssetsFormat, AssetsPlan, AssetsPush, AssetsRollback, PruneAfter};

/// What became of the prune after a push: nothing of both if it was not due.
#[derive(Default)]
struct Pruned {
    outcome: Option<PruneOutcome>,
    /// Why it did nothing.
    refused: Option<String>,
}

/// Several errors as one: the lowest code wins.
fn together(errors: Vec<EngineError>) -> Option<EngineError> {
    errors.into_iter().reduce(|mut all, error| {
        all.findings.extend(error.findings);
        all.exit = if error.exit.number() < all.exit.number() { error.exit } else { all.exit };
        all
    })
}

impl AssetsContext<'_> {
    fn warn_of_case(&self, prepared: &assets::Prepared) {
        for group in &prepared.same_but_for_case {
            let names: Vec<String> = group.iter().map(ToString::to_string).collect();
            self.output.message(&format!(
                "warning: {} differ in case only: some servers and file systems take them for one",
                names.join(" and ")
            ));
        }
    }

    pub(super) async fn plan(
        &self,
        arguments: &AssetsPlan,
        opened: &mut Opened,
        about: &About,
    ) -> Result<ExitCode, EngineError> {
        let request = self.request(&arguments.build, opened.conditions)?;
        let rules = self.rules_after(arguments.pruning, &arguments.age, opened.conditions)?;
        let session = &opened.session;
        let prepared = assets::prepare(session, &request).await.map_err(failed)?;
        self.warn_of_case(&prepared);
        let planned = assets::plan(session, &request, &prepared).await.map_err(failed)?;
        // What would go wrong is told beside the plan: people and programs need both.
        let mut errors: Vec<EngineError> = planned.refusal().map(failed).into_iter().collect();
        let prune = match rules {
            Some(rules) => {
                // What aged out is another matter when the build is live.
                let upcoming = planned.upcoming();
                let goes_live = upcoming.is_some();
                let rules = PruneRequest { dry_run: true, upcoming, ..rules };
                match assets::prune(session, &rules).await {
                    Ok(prune) => {
                        let plan = prune.report.plan.iter();
                        let found = plan.flat_map(|plan| plan.keep.keys().chain(&plan.expire));
                        let found: Vec<ManifestId> = found.copied().collect();
                        may_be_due(&rules, &found, goes_live, prune.report.now).then_some(prune)
                    }
                    // The push is what mends it.
                    Err(error @ (AssetsError::HeadLost { .. } | AssetsError::HeadMissing { .. })) => {
                        self.output.message(&format!("warning: nothing would be pruned: {error}"));
                        None
                    }
                    // The push does not look either, unless something can have aged out.
                    Err(error @ AssetsError::Unreadable { .. })
                        if !self.may_prune(&rules, session, goes_live).await? =>
                    {
                        self.output.message(&format!("warning: a prune would not work: {error}"));
                        None
                    }
                    Err(error) => {
                        errors.push(failed(error));
                        None
                    }
                }
            }
            None => None,
        };
        let mut document = AssetsPlanDocument::of(about, request.image.clone(), &planned, prune.as_ref());
        let error = together(errors);
        document.error = error.as_ref().map(shown::body);
        self.tell(arguments.form.format, &document, document.text(), document.markdown())?;
        if error.is_some() {
            return Ok(self.tell_error(error));
        }
        let pending = document.has_changes() || prune.is_some_and(|prune| is_due(&prune));
        Ok(if arguments.detailed_exitcode && pending { ExitCode::ChangesPending } else { ExitCode::Ok })
    }

    pub(super) async fn push(
        &self,
        arguments: &AssetsPush,
        opened: &mut Opened,
        about: &About,
    ) -> Result<ExitCode, EngineError> {
        let mut request = self.request(&arguments.build, opened.conditions)?;
        request::complete(&mut request, arguments)?;
        // What is wrong with these must not be found out when the build is live.
        let rules = self.rules_after(arguments.pruning, &arguments.age, opened.conditions)?;
        let purge = Purge::of(&arguments.purge)?;
        opened.session.concurrency = arguments.build.how.concurrency.into();
        opened.session.terms.intent_ttl = arguments.age.intent_ttl;
        let session = &opened.session;
        let prepared = assets::prepare(session, &request).await.map_err(failed)?;
        self.warn_of_case(&prepared);
        let outcome = assets::push(session, &request, &prepared).await.map_err(failed)?;
        opened.reporter(Arc::new(assets::Silent));
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
        self.after(about, opened, arguments.form.format, &outcome, (purge, rules)).await
    }

    pub(super) async fn rollback(
        &self,
        arguments: &AssetsRollback,
        opened: &mut Opened,
        about: &About,
    ) -> Result<ExitCode, EngineError> {
        let purge = Purge::of(&arguments.purge)?;
        let outcome = assets::rollback(&opened.session, ManifestId(arguments.to), opened.conditions).await;
        let outcome = outcome.map_err(failed)?;
        self.after(about, opened, arguments.form.format, &outcome, (purge, None)).await
    }

    /// What follows when a build is live: its entry points are purged, and what aged out is pruned. Whatever goes wrong, what
    /// was pushed is told.
    async fn after(
        &self,
        about: &About,
        opened: &Opened,
        format: AssetsFormat,
        outcome: &PushOutcome,
        (purge, rules): (Option<Purge>, Option<PruneRequest>),
    ) -> Result<ExitCode, EngineError> {
        let mut errors = Vec::new();
        let purged = match purge {
            Some(purge) => self.purge(&purge, about, &opened.session, outcome).await,
            None => Ok(false),
        };
        let purged = match purged {
            Ok(ran) => ran.then_some(true),
            Err(error) => {
                errors.push(error);
                Some(false)
            }
        };
        let pruned = match rules {
            Some(rules) => self.prune_after(&rules, opened, outcome).await,
            None => Ok(Pruned::default()),
        };
        let pruned = pruned.unwrap_or_else(|error| {
            errors.push(error);
            Pruned::default()
        });
        let prune = pruned.outcome;
        errors.extend(prune.as_ref().and_then(PruneOutcome::problem).map(failed));
        let error = together(errors);
        let mut document = AssetsPushDocument::of(about, outcome, prune.as_ref());
        document.purged = purged;
        document.not_pruned = pruned.refused;
        document.error = error.as_ref().map(shown::body);
        self.tell(format, &document, document.text(), document.markdown())?;
        Ok(self.tell_error(error))
    }

    /// Whether a push that was made now would look for what aged out.
    async fn may_prune(
        &self,
        rules: &PruneRequest,
        session: &assets::Session,
        adds_one: bool,
    ) -> Result<bool, EngineError> {
        let manifests = assets::manifest_ids(session).await.map_err(failed)?;
        Ok(may_be_due(rules, &manifests, adds_one, session.clock.seconds()))
    }

    /// What the prune after a push keeps, if there is to be one.
    fn rules_after(
        &self,
        pruning: PruneAfter,
        age: &AssetsAge,
        conditions: StoreConditions,
    ) -> Result<Option<PruneRequest>, EngineError> {
        let rules = self.rules(age, conditions)?;
        Ok(pruning.prunes.then_some(rules))
    }

    /// Prunes after a push, if anything can have aged out. That another prune runs, or that too much would go, does not
    /// make the push fail.
    async fn prune_after(
        &self,
        rules: &PruneRequest,
        opened: &Opened,
        outcome: &PushOutcome,
    ) -> Result<Pruned, EngineError> {
        // A push that found its build live has not looked.
        let manifests = match outcome.status {
            assets::PushStatus::AlreadyLive => assets::manifest_ids(&opened.session).await.map_err(failed)?,
            _ => outcome.manifests.clone(),
        };
        let is_new = outcome.status == assets::PushStatus::Live;
        if !may_be_due(rules, &manifests, is_new, outcome.store_time.unwrap_or_default()) {
            return Ok(Pruned::default());
        }
        // The marker is another session's than the intent.
        let session = opened.session.another(place::nonce());
        match assets::prune(&session, rules).await {
            Ok(outcome) => Ok(Pruned { outcome: Some(outcome), refused: None }),
            Err(error @ (AssetsError::Busy { .. } | AssetsError::TooMuch { .. })) => {
                self.output.message(&format!("warning: nothing was pruned: {error}"));
                Ok(Pruned { outcome: None, refused: Some(error.to_string()) })
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// Whether a prune after a push can find anything: it is not begun for nothing. `manifests` are those that were there before
/// the push, and `adds_one` says whether it adds one.
fn may_be_due(rules: &PruneRequest, manifests: &[ManifestId], adds_one: bool, now: u64) -> bool {
    let is_old = |id: &ManifestId| now.saturating_sub(id.0) > rules.threshold.as_secs();
    let count = manifests.len() + usize::from(adds_one);
    rules.orphans.is_some() || (count > rules.min_keep && manifests.iter().any(is_old))
}
