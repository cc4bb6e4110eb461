//! What a prune did or would do.

use runway_core::render::problems::ErrorBody;
use serde::Serialize;

use super::{About, bytes, count};
use crate::assets::PruneOutcome;

/// What a prune did or would do: `assets prune --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AssetsPruneDocument {
    /// Version of this form: 1.
    pub version: u32,
    /// The app.
    pub app: String,
    /// The bucket.
    pub bucket: String,
    /// Nothing was deleted, because that was not asked for.
    pub dry_run: bool,
    /// More than `--max-delete-ratio` would go: without `--yes` a prune refuses that.
    pub too_much: bool,
    /// All that was decided was done.
    pub complete: bool,
    /// The store's time, in seconds.
    pub now: u64,
    /// Files that were deleted, or would be.
    pub files: Vec<PrunedFile>,
    /// Their bytes, as far as manifests tell.
    pub bytes: u64,
    /// Those of them whose size no manifest tells.
    pub unknown_size: u64,
    /// Manifests that were deleted, or would be.
    pub expired: Vec<u64>,
    /// Manifests that stay, and why.
    pub kept: Vec<KeptManifest>,
    /// Files that old manifests name.
    pub candidates: u64,
    /// Those of them that something living names, too.
    pub still_named: u64,
    /// Those of the rest that are never deleted.
    pub protected: u64,
    /// Pushes under way.
    pub living_intents: u64,
    /// Pushes that were broken off, and are forgotten.
    pub dead_intents: u64,
    /// Copies of entry points whose manifests somebody else removed; only looked for with `--orphans`.
    pub stray_copies: u64,
    /// Large files that were left half sent.
    pub unfinished_uploads: u64,
    /// Objects that could not be deleted; what names them stays.
    pub failed: Vec<String>,
    /// Broken off pushes of which nothing is known, because their intents cannot be read.
    pub unreadable_intents: Vec<String>,
    /// Objects among the manifests that are none.
    pub foreign: Vec<String>,
    /// Manifests of a time still to come.
    pub future: Vec<u64>,
    /// What went wrong, if anything did; a push tells it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// A file that nobody needs any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PrunedFile {
    /// Its path.
    pub path: String,
    /// The old manifests that name it: none if only pushes that were broken off do, or nothing at all.
    pub named_by: Vec<u64>,
}

/// A manifest that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeptManifest {
    /// Which.
    pub manifest: u64,
    /// Why.
    pub reason: String,
}

impl AssetsPruneDocument {
    /// How much would be free, in words.
    pub(super) fn size(&self) -> String {
        match (self.bytes, self.unknown_size) {
            (_, 0) => bytes(self.bytes),
            (0, _) => "of unknown size".to_owned(),
            _ => format!("{} and more", bytes(self.bytes)),
        }
    }

    /// The document of a prune.
    pub fn of(about: &About, outcome: &PruneOutcome) -> Self {
        let report = &outcome.report;
        let plan = report.plan.as_ref();
        let planned = || plan.into_iter().flat_map(|plan| &plan.delete);
        let deleted: std::collections::BTreeSet<_> = report.deleted.iter().collect();
        let files: Vec<PrunedFile> = planned()
            .filter(|(path, _)| outcome.dry_run || deleted.contains(path))
            .map(|(path, by)| PrunedFile {
                path: path.to_string(),
                named_by: by.iter().map(|id| id.0).collect(),
            })
            .collect();
        let sizes = planned()
            .filter(|(path, _)| outcome.dry_run || deleted.contains(path))
            .filter_map(|(path, _)| report.sizes.get(path));
        let expired = if outcome.dry_run {
            plan.map(|plan| plan.expire.clone()).unwrap_or_default()
        } else {
            report.expired.clone()
        };
        Self {
            version: 1,
            app: about.app.clone(),
            bucket: about.bucket.clone(),
            dry_run: outcome.dry_run,
            too_much: report.too_much,
            complete: outcome.is_complete,
            now: report.now,
            unknown_size: count(files.len() - sizes.clone().count()),
            bytes: sizes.sum(),
            files,
            expired: expired.iter().map(|id| id.0).collect(),
            kept: (plan.into_iter().flat_map(|plan| &plan.keep))
                .map(|(id, reason)| KeptManifest { manifest: id.0, reason: reason.to_string() })
                .collect(),
            candidates: plan.map_or(0, |plan| count(plan.candidates)),
            still_named: plan.map_or(0, |plan| count(plan.still_named)),
            protected: plan.map_or(0, |plan| count(plan.protected)),
            living_intents: plan.map_or(0, |plan| count(plan.living)),
            dead_intents: plan.map_or(0, |plan| count(plan.dead.len())),
            stray_copies: count(report.stray_copies.len()),
            unfinished_uploads: count(outcome.unfinished),
            failed: report.failed.iter().map(ToString::to_string).collect(),
            unreadable_intents: report.unreadable.iter().map(ToString::to_string).collect(),
            foreign: report.foreign.iter().map(ToString::to_string).collect(),
            future: report.future.iter().map(|id| id.0).collect(),
            error: None,
        }
    }
}
