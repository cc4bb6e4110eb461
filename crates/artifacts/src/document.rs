//! What commands about assets print: documents for programs, and the same as text for people.

mod build;
mod doctor;
mod markdown;
mod prune;
mod text;

pub use self::build::{AssetsBuildDocument, BuildStatus};
pub use self::doctor::AssetsDoctorDocument;
pub use self::prune::{AssetsPruneDocument, KeptManifest, PrunedFile};
pub use self::text::bytes;

use runway_core::render::problems::ErrorBody;
use serde::Serialize;

use crate::assets::{
    FileAction, Listing, Planned, Problem, PruneOutcome, PushOutcome, PushStatus, VerifyOutcome,
};

/// What a push would do: `assets plan --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AssetsPlanDocument {
    /// Version of this form: 1.
    pub version: u32,
    /// The app.
    pub app: String,
    /// The bucket.
    pub bucket: String,
    /// Name of the build.
    pub image: Option<String>,
    /// The build that is live, if any.
    pub live: Option<u64>,
    /// The very same build is live, and nothing would be done.
    pub is_live: bool,
    /// The newer build that would stay live.
    pub superseded_by: Option<u64>,
    /// The build whose change to live is not over, if any.
    pub unfinished: Option<u64>,
    /// The push would be refused, because bytes would change under names.
    pub refused: bool,
    /// Files and bytes by what would be done with them.
    pub summary: PlanSummary,
    /// Every file, in the order of paths, entry points last in the order in which they are replaced.
    pub files: Vec<PlannedFile>,
    /// What the prune after it would do, if there would be one.
    pub prune: Option<AssetsPruneDocument>,
    /// Why the push, or the prune after it, would fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// Files and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Amount {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Files by what would be done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanSummary {
    /// Not there yet.
    pub upload: Amount,
    /// There with other headers, or without proof of what they are.
    pub overwrite: Amount,
    /// There with other bytes under the same name.
    pub in_place: Amount,
    /// There.
    pub unchanged: Amount,
    /// Replaced last.
    pub entry: Amount,
    /// Neither sent nor replaced, because a newer build is live.
    pub left: Amount,
}

/// What would be done with one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedFile {
    /// Its path.
    pub path: String,
    /// What would be done.
    pub action: PlannedAction,
    /// Its bytes.
    pub bytes: u64,
}

/// What would be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "as in the summary")]
pub enum PlannedAction {
    Upload,
    Overwrite,
    InPlace,
    Unchanged,
    Entry,
    Left,
}

/// What a push or a roll-back did: `assets push --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AssetsPushDocument {
    /// Version of this form: 1.
    pub version: u32,
    /// The app.
    pub app: String,
    /// The bucket.
    pub bucket: String,
    /// How it ended.
    pub status: PushStatusName,
    /// The manifest of the build.
    pub manifest: Option<u64>,
    /// The build that was live before.
    pub previous: Option<u64>,
    /// The newer build that stayed live.
    pub superseded_by: Option<u64>,
    /// All files of the build.
    pub total: Amount,
    /// Those that were sent, entry points among them.
    pub sent: Amount,
    /// Files that were there already.
    pub skipped: u64,
    /// Files whose bytes changed under their names.
    pub in_place: Vec<String>,
    /// Entry points that were replaced, in their order.
    pub entries: Vec<String>,
    /// Those of them that have other bytes or headers than before.
    pub changed: Vec<String>,
    /// Whether the command of `--purge-cmd` did its work; nothing if it did not run.
    pub purged: Option<bool>,
    /// What the prune after it did, if there was one.
    pub prune: Option<AssetsPruneDocument>,
    /// Why the prune after it did nothing, if it was due.
    pub not_pruned: Option<String>,
    /// What went wrong, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// How a push ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PushStatusName {
    /// The build is live.
    Live,
    /// The very same build was live before.
    AlreadyLive,
    /// A newer build stays live.
    Superseded,
}

/// All builds: `assets ls --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AssetsListDocument {
    /// Version of this form: 1.
    pub version: u32,
    /// The app.
    pub app: String,
    /// The bucket.
    pub bucket: String,
    /// A build whose change to live is not over.
    pub unfinished: Option<u64>,
    /// A build that somebody pushed after what the head says, without saying so there, as valpop does: it may be live.
    pub overtaken_by: Option<u64>,
    /// Some of the builds were pushed by this tool, and what says which of them is live is missing.
    pub head_lost: bool,
    /// The newest first.
    pub builds: Vec<ListedBuild>,
    /// Objects among the manifests that are none.
    pub foreign: Vec<String>,
}

/// A build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedBuild {
    /// Its manifest.
    pub manifest: u64,
    /// It is live.
    pub live: bool,
    /// It was live before.
    pub previous: bool,
    /// It was live at some time.
    pub was_live: bool,
    /// It is held.
    pub pinned: bool,
    /// Its manifest cannot be read.
    pub unreadable: bool,
    /// Its time is still to come.
    pub future: bool,
    /// Its files; nothing if the manifest cannot be read.
    pub files: Option<u64>,
    /// Their bytes, if the manifest tells.
    pub bytes: Option<u64>,
    /// Name of the build.
    pub image: Option<String>,
    /// Commit of the sources.
    pub commit: Option<String>,
    /// When it was built, in seconds.
    pub built: Option<u64>,
}

/// Whether what is live is there: `assets verify --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AssetsVerifyDocument {
    /// Version of this form: 1.
    pub version: u32,
    /// The app.
    pub app: String,
    /// The bucket.
    pub bucket: String,
    /// The build that is live.
    pub live: Option<u64>,
    /// Files that were looked at.
    pub files: u64,
    /// A build whose change to live was broken off.
    pub unfinished: Option<u64>,
    /// Files that are not as they should be.
    pub findings: Vec<VerifyFinding>,
    /// What is still wrong.
    pub left: u64,
    /// What went wrong, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// A file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifyFinding {
    /// Its path.
    pub path: String,
    /// What is wrong.
    pub problem: VerifyProblem,
    /// It was mended.
    pub healed: bool,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum VerifyProblem {
    /// It is not there.
    Missing,
    /// It has another size or entity tag.
    Changed,
    /// It has other bytes.
    OtherBytes,
}

/// Of which app in which bucket a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The app.
    pub app: String,
    /// The bucket.
    pub bucket: String,
}

fn count(number: usize) -> u64 {
    number as u64
}

impl AssetsPlanDocument {
    /// The document of a plan.
    pub fn of(about: &About, image: Option<String>, planned: &Planned, prune: Option<&PruneOutcome>) -> Self {
        let mut summary = PlanSummary::default();
        let mut files = Vec::new();
        for (path, action, bytes) in &planned.files {
            let (action, amount) = match action {
                FileAction::Upload => (PlannedAction::Upload, &mut summary.upload),
                FileAction::Overwrite => (PlannedAction::Overwrite, &mut summary.overwrite),
                FileAction::InPlace => (PlannedAction::InPlace, &mut summary.in_place),
                FileAction::Unchanged => (PlannedAction::Unchanged, &mut summary.unchanged),
                FileAction::Entry => (PlannedAction::Entry, &mut summary.entry),
                FileAction::Left => (PlannedAction::Left, &mut summary.left),
            };
            amount.files += 1;
            amount.bytes += bytes;
            files.push(PlannedFile { path: path.to_string(), action, bytes: *bytes });
        }
        Self {
            version: 1,
            app: about.app.clone(),
            bucket: about.bucket.clone(),
            image,
            live: planned.live.map(|id| id.0),
            is_live: planned.is_live,
            superseded_by: planned.superseded_by.map(|id| id.0),
            unfinished: planned.unfinished.map(|id| id.0),
            refused: planned.is_refused,
            summary,
            files,
            prune: prune.map(|prune| AssetsPruneDocument::of(about, prune)),
            error: None,
        }
    }

    /// Whether a push would change anything.
    pub fn has_changes(&self) -> bool {
        !self.is_live && self.superseded_by.is_none()
    }
}

impl AssetsPushDocument {
    /// The document of a push.
    pub fn of(about: &About, outcome: &PushOutcome, prune: Option<&PruneOutcome>) -> Self {
        let (status, superseded_by) = match outcome.status {
            PushStatus::Live => (PushStatusName::Live, None),
            PushStatus::AlreadyLive => (PushStatusName::AlreadyLive, None),
            PushStatus::Superseded { by, .. } => (PushStatusName::Superseded, Some(by.0)),
        };
        Self {
            version: 1,
            app: about.app.clone(),
            bucket: about.bucket.clone(),
            status,
            manifest: outcome.manifest.map(|id| id.0),
            previous: outcome.previous.map(|id| id.0),
            superseded_by,
            total: Amount { files: count(outcome.files), bytes: outcome.bytes },
            sent: Amount { files: count(outcome.sent), bytes: outcome.sent_bytes },
            skipped: count(outcome.skipped),
            in_place: outcome.in_place.iter().map(ToString::to_string).collect(),
            entries: outcome.entries.iter().map(ToString::to_string).collect(),
            changed: outcome.changed.iter().map(ToString::to_string).collect(),
            purged: None,
            prune: prune.map(|prune| AssetsPruneDocument::of(about, prune)),
            not_pruned: None,
            error: None,
        }
    }
}

impl AssetsListDocument {
    /// The document of a listing.
    pub fn of(about: &About, listing: &Listing) -> Self {
        let builds = listing.rows.iter().map(|row| {
            let manifest = row.manifest.as_ref();
            let sized = manifest.filter(|manifest| !manifest.objects.is_empty());
            ListedBuild {
                manifest: row.id.0,
                live: row.is_live,
                previous: row.is_previous,
                was_live: row.was_live,
                pinned: row.is_pinned,
                unreadable: manifest.is_none(),
                future: row.is_future,
                files: manifest.map(|manifest| count(manifest.files.len())),
                bytes: sized.map(|manifest| manifest.objects.values().map(|facts| facts.size).sum()),
                image: manifest.and_then(|manifest| manifest.image.clone()),
                commit: manifest.and_then(|manifest| manifest.build.commit.clone()),
                built: manifest.and_then(|manifest| manifest.build.timestamp),
            }
        });
        Self {
            version: 1,
            app: about.app.clone(),
            bucket: about.bucket.clone(),
            unfinished: listing.unfinished.map(|id| id.0),
            overtaken_by: listing.overtaken_by.map(|id| id.0),
            head_lost: listing.is_head_lost,
            builds: builds.collect(),
            foreign: listing.foreign.iter().map(ToString::to_string).collect(),
        }
    }
}

impl AssetsVerifyDocument {
    /// The document of what a look found.
    pub fn of(about: &About, outcome: &VerifyOutcome) -> Self {
        let findings = outcome.findings.iter().map(|finding| VerifyFinding {
            path: finding.path.to_string(),
            problem: match finding.problem {
                Problem::Missing => VerifyProblem::Missing,
                Problem::Changed => VerifyProblem::Changed,
                Problem::OtherBytes => VerifyProblem::OtherBytes,
            },
            healed: finding.is_healed,
        });
        Self {
            version: 1,
            app: about.app.clone(),
            bucket: about.bucket.clone(),
            live: outcome.live.map(|id| id.0),
            files: count(outcome.files),
            unfinished: outcome.unfinished.map(|(id, _)| id.0),
            findings: findings.collect(),
            left: count(outcome.left()),
            error: None,
        }
    }
}
