//! Commands of `assets`.

mod job;
mod shared;

use camino::Utf8PathBuf;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};

pub(crate) use self::job::{AssetsJob, JobFormat};
pub(crate) use self::shared::endpoint;
pub(crate) use self::shared::{
    AssetsAge, AssetsBuild, AssetsForm, AssetsFormat, AssetsManifest, AssetsPlace, AssetsPurge, CheckBy,
    ManifestForm, ManifestTime, PathStyle, PruneAfter,
};

/// Commands of `assets`.
#[derive(Debug, Subcommand)]
pub enum AssetsCommand {
    /// Show what a push would do; writes nothing
    Plan(AssetsPlan),
    /// Push a build: all of its files first, its entry points last
    Push(AssetsPush),
    /// Delete what aged out and nobody needs any more
    Prune(AssetsPrune),
    /// Check that all files of the live build are there; ends with 30 if not
    Verify(AssetsVerify),
    /// List the builds in the bucket
    Ls {
        /// Where.
        #[command(flatten)]
        place: AssetsPlace,
        /// Form of the result.
        #[command(flatten)]
        form: AssetsForm,
    },
    /// Make a build live again that was pushed before
    Rollback(AssetsRollback),
    /// Finish a push that died while its build went live
    Resume {
        /// Where.
        #[command(flatten)]
        place: AssetsPlace,
        /// Form of the result.
        #[command(flatten)]
        form: AssetsForm,
    },
    /// Keep a build: no prune deletes anything of it
    Pin(AssetsPin),
    /// Let a build age again that was kept
    Unpin(AssetsPin),
    /// Print manifests for Kubernetes: a Job that pushes a build, or a CronJob that prunes
    Job(Box<AssetsJob>),
    /// Try out what the store can do, or print the permissions that are needed
    Doctor {
        /// Where.
        #[command(flatten)]
        place: AssetsPlace,
        /// Print an IAM policy for pushing and pruning, without asking the store anything
        #[arg(long, env = "RUNWAY_RS_ASSETS_IAM_POLICY", value_parser = BoolishValueParser::new())]
        iam_policy: bool,
        /// Print such a policy for pruning alone
        #[arg(long, env = "RUNWAY_RS_ASSETS_PRUNE_ONLY", value_parser = BoolishValueParser::new())]
        prune_only: bool,
        /// In such a policy also what `verify --heal` needs to restore files from older versions of objects
        #[arg(long, env = "RUNWAY_RS_ASSETS_HEAL", value_parser = BoolishValueParser::new())]
        heal: bool,
        /// Form of the result.
        #[command(flatten)]
        form: AssetsForm,
    },
}

/// Options of `assets plan`.
#[derive(Debug, Args)]
pub struct AssetsPlan {
    #[command(flatten)]
    pub place: AssetsPlace,
    #[command(flatten)]
    pub build: AssetsBuild,
    #[command(flatten)]
    pub age: AssetsAge,
    #[command(flatten)]
    pub pruning: PruneAfter,
    /// Exit with 2 if there is something to do
    #[arg(long, env = "RUNWAY_RS_ASSETS_DETAILED_EXITCODE", value_parser = BoolishValueParser::new())]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub form: AssetsForm,
}

/// Options of `assets push`.
#[derive(Debug, Args)]
pub struct AssetsPush {
    #[command(flatten)]
    pub place: AssetsPlace,
    #[command(flatten)]
    pub build: AssetsBuild,
    #[command(flatten)]
    pub age: AssetsAge,
    #[command(flatten)]
    pub pruning: PruneAfter,
    #[command(flatten)]
    pub manifest: AssetsManifest,
    #[command(flatten)]
    pub purge: AssetsPurge,
    #[command(flatten)]
    pub form: AssetsForm,
}

/// Options of `assets rollback`.
#[derive(Debug, Args)]
pub struct AssetsRollback {
    #[command(flatten)]
    pub place: AssetsPlace,
    /// Its manifest, as `assets ls` lists it
    #[arg(long, value_name = "MANIFEST", env = "RUNWAY_RS_ASSETS_TO")]
    pub to: u64,
    #[command(flatten)]
    pub purge: AssetsPurge,
    #[command(flatten)]
    pub form: AssetsForm,
}

/// Options of `assets pin` and `assets unpin`.
#[derive(Debug, Args)]
pub struct AssetsPin {
    #[command(flatten)]
    pub place: AssetsPlace,
    /// Its manifest, as `assets ls` lists it
    pub manifest: u64,
    #[command(flatten)]
    pub form: AssetsForm,
}

/// Options of `assets prune`.
#[derive(Debug, Args)]
pub struct AssetsPrune {
    #[command(flatten)]
    pub place: AssetsPlace,
    #[command(flatten)]
    pub age: AssetsAge,
    /// Only show what would be deleted, and why; writes nothing
    #[arg(long, env = "RUNWAY_RS_ASSETS_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
    /// With --dry-run: exit with 2 if there is something to delete
    #[arg(long, env = "RUNWAY_RS_ASSETS_DETAILED_EXITCODE", value_parser = BoolishValueParser::new())]
    pub detailed_exitcode: bool,
    /// Wait for another prune instead of ending with 20
    #[arg(long, env = "RUNWAY_RS_ASSETS_WAIT", value_parser = BoolishValueParser::new())]
    pub wait: bool,
    /// Form of the result.
    #[command(flatten)]
    pub form: AssetsForm,
}

/// Options of `assets verify`.
#[derive(Debug, Args)]
pub struct AssetsVerify {
    #[command(flatten)]
    pub place: AssetsPlace,
    /// Read all bytes, and compare their digests
    #[arg(long, env = "RUNWAY_RS_ASSETS_DEEP", value_parser = BoolishValueParser::new())]
    pub deep: bool,
    /// Restore what is missing or damaged: from copies, from older versions, or from --source
    #[arg(long, env = "RUNWAY_RS_ASSETS_HEAL", value_parser = BoolishValueParser::new())]
    pub heal: bool,
    /// With --heal: directory that may have the files
    #[arg(long, value_name = "DIR", env = "RUNWAY_RS_ASSETS_SOURCE")]
    pub source: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub form: AssetsForm,
}

impl AssetsCommand {
    /// The name as a person types it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plan(_) => "assets plan",
            Self::Push(_) => "assets push",
            Self::Prune(_) => "assets prune",
            Self::Verify(_) => "assets verify",
            Self::Ls { .. } => "assets ls",
            Self::Rollback(_) => "assets rollback",
            Self::Resume { .. } => "assets resume",
            Self::Pin(_) => "assets pin",
            Self::Unpin(_) => "assets unpin",
            Self::Job(_) => "assets job",
            Self::Doctor { .. } => "assets doctor",
        }
    }

    /// In which form the result is told, and where else; nothing for what has none.
    pub fn form(&self) -> Option<&AssetsForm> {
        match self {
            Self::Plan(AssetsPlan { form, .. })
            | Self::Push(AssetsPush { form, .. })
            | Self::Prune(AssetsPrune { form, .. })
            | Self::Rollback(AssetsRollback { form, .. })
            | Self::Verify(AssetsVerify { form, .. })
            | Self::Ls { form, .. }
            | Self::Resume { form, .. }
            | Self::Pin(AssetsPin { form, .. })
            | Self::Unpin(AssetsPin { form, .. })
            | Self::Doctor { form, .. } => Some(form),
            Self::Job(_) => None,
        }
    }

    /// Form of the result.
    pub fn format(&self) -> AssetsFormat {
        self.form().map_or(AssetsFormat::Text, |form| form.format)
    }

    /// Where.
    pub fn place(&self) -> &AssetsPlace {
        match self {
            Self::Plan(AssetsPlan { place, .. })
            | Self::Push(AssetsPush { place, .. })
            | Self::Prune(AssetsPrune { place, .. })
            | Self::Verify(AssetsVerify { place, .. })
            | Self::Ls { place, .. }
            | Self::Rollback(AssetsRollback { place, .. })
            | Self::Resume { place, .. }
            | Self::Pin(AssetsPin { place, .. })
            | Self::Unpin(AssetsPin { place, .. })
            | Self::Doctor { place, .. } => place,
            Self::Job(arguments) => &arguments.place,
        }
    }
}
