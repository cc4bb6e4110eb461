//! Commands of `assets`.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

use super::{FormatArguments, TextOrJson, duration};

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
        form: FormatArguments,
    },
    /// Make a build live again that was pushed before
    Rollback {
        /// Where.
        #[command(flatten)]
        place: AssetsPlace,
        /// Its manifest, as `assets ls` lists it
        #[arg(long, value_name = "MANIFEST")]
        to: u64,
        /// Form of the result.
        #[command(flatten)]
        form: FormatArguments,
    },
    /// Finish a push that died while its build went live
    Resume(AssetsPlace),
    /// Keep a build: no prune deletes anything of it
    Pin {
        /// Where.
        #[command(flatten)]
        place: AssetsPlace,
        /// Its manifest, as `assets ls` lists it
        manifest: u64,
    },
    /// Let a build age again that was kept
    Unpin {
        /// Where.
        #[command(flatten)]
        place: AssetsPlace,
        /// Its manifest, as `assets ls` lists it
        manifest: u64,
    },
    /// Try out what the store can do, or print the permissions that are needed
    Doctor {
        /// Where.
        #[command(flatten)]
        place: AssetsPlace,
        /// Print an IAM policy for pushing and pruning, without asking the store anything
        #[arg(long)]
        iam_policy: bool,
        /// Print one for pruning alone
        #[arg(long, requires = "iam_policy")]
        prune_only: bool,
        /// Form of the result.
        #[command(flatten)]
        form: FormatArguments,
    },
}

/// Which app in which bucket.
#[derive(Debug, Clone, Args)]
pub struct AssetsPlace {
    /// Name of the app: its files are below data/<APP>/ (VALPOP_PREFIX works, too)
    #[arg(long, env = "RUNWAY_RS_ASSETS_APP")]
    pub app: Option<String>,
    /// The bucket (VALPOP_BUCKET works, too)
    #[arg(long, env = "RUNWAY_RS_ASSETS_BUCKET")]
    pub bucket: Option<String>,
    /// Path in the bucket below which everything is; at the top if left out
    #[arg(
        long,
        value_name = "PATH",
        env = "RUNWAY_RS_ASSETS_PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    pub prefix: String,
    /// Where the store is, if it is not AWS's S3: for example http://minio:9000 (VALPOP_HOSTNAME and VALPOP_PORT work,
    /// too)
    #[arg(long, value_name = "URL", env = "RUNWAY_RS_ASSETS_ENDPOINT")]
    pub endpoint: Option<String>,
    /// Whether the bucket's name is in the path of URLs, or in the name of the host; auto is in the path unless it is AWS
    #[arg(long, value_name = "WHEN", env = "RUNWAY_RS_ASSETS_PATH_STYLE", default_value = "auto")]
    pub path_style: PathStyle,
    /// A directory in place of a bucket
    #[arg(long, value_name = "DIR", env = "RUNWAY_RS_ASSETS_DIRECTORY", conflicts_with_all = ["bucket", "endpoint"])]
    pub directory: Option<Utf8PathBuf>,
    /// The store need not keep conditions: I make sure that nothing else works on this app
    #[arg(long)]
    pub unsafe_exclusive: bool,
}

/// Where the bucket's name goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum PathStyle {
    Auto,
    Always,
    Never,
}

/// What is pushed, and how.
#[derive(Debug, Clone, Args)]
pub struct AssetsBuild {
    /// Directory with the built files (VALPOP_SOURCE works, too)
    #[arg(long, value_name = "DIR", env = "RUNWAY_RS_ASSETS_SOURCE")]
    pub source: Option<Utf8PathBuf>,
    /// Name of the build, for example its container image (VALPOP_IMAGE works, too)
    #[arg(long, env = "RUNWAY_RS_ASSETS_IMAGE")]
    pub image: Option<String>,
    /// Commit that was built
    #[arg(long, env = "RUNWAY_RS_ASSETS_COMMIT")]
    pub commit: Option<String>,
    /// When it was built, in seconds since 1970: an older build never replaces a newer one. The time of the push if left out
    #[arg(long, value_name = "SECONDS", env = "RUNWAY_RS_ASSETS_BUILD_TIMESTAMP")]
    pub build_timestamp: Option<u64>,
    /// Entry point: replaced after everything else, in the order given; a path or a pattern. Without any: index.html,
    /// app-info.json, app-info.deps.json and fed-mods.json, as far as they exist. fed-mods.json is always the last
    #[arg(long, value_name = "PATH", env = "RUNWAY_RS_ASSETS_ENTRY", value_delimiter = ',')]
    pub entry: Vec<String>,
    /// Files that are sent after the others, but before the entry points
    #[arg(long, value_name = "PATTERN", env = "RUNWAY_RS_ASSETS_LATE", value_delimiter = ',')]
    pub late: Vec<String>,
    /// Files that are not pushed
    #[arg(long, value_name = "PATTERN", env = "RUNWAY_RS_ASSETS_EXCLUDE", value_delimiter = ',')]
    pub exclude: Vec<String>,
    /// Regular expression of names whose bytes never change; names with a hash if left out
    #[arg(long, value_name = "REGEX", env = "RUNWAY_RS_ASSETS_IMMUTABLE")]
    pub immutable: Option<String>,
    /// Cache-Control of everything else; `public, max-age=86400` if left out (VALPOP_CACHE_MAX_AGE gives the seconds, too)
    #[arg(long, value_name = "VALUE", env = "RUNWAY_RS_ASSETS_CACHE_CONTROL")]
    pub cache_control: Option<String>,
    /// Cache-Control of entry points
    #[arg(long, value_name = "VALUE", env = "RUNWAY_RS_ASSETS_CACHE_CONTROL_ENTRY")]
    pub cache_control_entry: Option<String>,
    /// Cache-Control of files whose bytes never change
    #[arg(long, value_name = "VALUE", env = "RUNWAY_RS_ASSETS_CACHE_CONTROL_IMMUTABLE")]
    pub cache_control_immutable: Option<String>,
    /// Content-Type of an ending, for example .webmanifest=application/manifest+json
    #[arg(long, value_name = ".ENDING=TYPE", value_parser = content_type)]
    pub content_type: Vec<(String, String)>,
    /// An older build may replace a newer one
    #[arg(long)]
    pub allow_older: bool,
    /// Refuse to change bytes under a name that is no entry point's
    #[arg(long)]
    pub deny_in_place: bool,
    /// Send everything, also what is there
    #[arg(long)]
    pub force: bool,
    /// Requests under way at once
    #[arg(long, value_name = "N", env = "RUNWAY_RS_ASSETS_CONCURRENCY", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
}

/// What a prune keeps.
#[derive(Debug, Clone, Args)]
pub struct AssetsAge {
    /// Builds pushed within this time stay, 48h if left out (VALPOP_TIMEOUT gives the seconds, too)
    #[arg(long, value_name = "DURATION", env = "RUNWAY_RS_ASSETS_THRESHOLD", value_parser = duration)]
    pub threshold: Option<Duration>,
    /// So many of the newest builds that were live stay, 3 if left out (VALPOP_MIN_ASSET_RECORDS works, too)
    #[arg(long, value_name = "N", env = "RUNWAY_RS_ASSETS_MIN_KEEP")]
    pub min_keep: Option<u32>,
    /// How long a push that was broken off protects its files; a push stops by itself after half of it. The longer one of
    /// push and prune counts
    #[arg(long, value_name = "DURATION", env = "RUNWAY_RS_ASSETS_INTENT_TTL", default_value = "24h", value_parser = intent_ttl)]
    pub intent_ttl: Duration,
    /// Refuse to delete a larger share of the known files
    #[arg(long, value_name = "RATIO", env = "RUNWAY_RS_ASSETS_MAX_DELETE_RATIO", default_value = "0.5", value_parser = ratio)]
    pub max_delete_ratio: u32,
    /// Delete whatever share it is
    #[arg(short, long)]
    pub yes: bool,
    /// File that is never deleted; fed-mods.json if left out
    #[arg(long, value_name = "PATH", default_value = "fed-mods.json")]
    pub protect: Vec<String>,
    /// Also delete files that no manifest names, if they are older than 7 days
    #[arg(long)]
    pub orphans: bool,
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
    /// Leave out what the prune after the push would do
    #[arg(long)]
    pub no_prune: bool,
    /// Exit with 2 if there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub form: FormatArguments,
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
    /// Prune afterwards (the default)
    #[arg(long, overrides_with = "no_prune")]
    pub prune: bool,
    /// Do not prune afterwards
    #[arg(long, overrides_with = "prune")]
    pub no_prune: bool,
    /// Form of the manifest: v2 has digests, and valpop reads it; valpop and list have paths only
    #[arg(long, value_name = "FORM", env = "RUNWAY_RS_ASSETS_MANIFEST_FORMAT", default_value = "v2")]
    pub manifest_format: ManifestForm,
    /// Name the manifest by the time of the push, from which its age counts, or by that of the build
    #[arg(long, value_name = "WHICH", env = "RUNWAY_RS_ASSETS_MANIFEST_TIME", default_value = "push")]
    pub manifest_time: ManifestTime,
    /// Write the result to this file as well, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub form: FormatArguments,
}

/// Options of `assets prune`.
#[derive(Debug, Args)]
pub struct AssetsPrune {
    #[command(flatten)]
    pub place: AssetsPlace,
    #[command(flatten)]
    pub age: AssetsAge,
    /// Only show what would be deleted, and why; writes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: exit with 2 if there is something to delete
    #[arg(long, requires = "dry_run")]
    pub detailed_exitcode: bool,
    /// Wait for another prune instead of ending with 20
    #[arg(long)]
    pub wait: bool,
    /// Form of the result.
    #[command(flatten)]
    pub form: FormatArguments,
}

/// Options of `assets verify`.
#[derive(Debug, Args)]
pub struct AssetsVerify {
    #[command(flatten)]
    pub place: AssetsPlace,
    /// Read all bytes, and compare their digests
    #[arg(long)]
    pub deep: bool,
    /// Restore what is missing or damaged: from copies, from older versions, or from --source
    #[arg(long)]
    pub heal: bool,
    /// Directory that may have the files
    #[arg(long, value_name = "DIR", requires = "heal")]
    pub source: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub form: FormatArguments,
}

/// Forms of manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ManifestForm {
    List,
    Valpop,
    V2,
}

/// Times that may name a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ManifestTime {
    Push,
    Build,
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
            Self::Rollback { .. } => "assets rollback",
            Self::Resume(_) => "assets resume",
            Self::Pin { .. } => "assets pin",
            Self::Unpin { .. } => "assets unpin",
            Self::Doctor { .. } => "assets doctor",
        }
    }

    /// Form of the result.
    pub fn format(&self) -> TextOrJson {
        match self {
            Self::Plan(arguments) => arguments.form.format,
            Self::Push(arguments) => arguments.form.format,
            Self::Prune(arguments) => arguments.form.format,
            Self::Verify(arguments) => arguments.form.format,
            Self::Ls { form, .. } | Self::Rollback { form, .. } | Self::Doctor { form, .. } => form.format,
            Self::Resume(_) | Self::Pin { .. } | Self::Unpin { .. } => TextOrJson::Text,
        }
    }

    /// Where.
    pub fn place(&self) -> &AssetsPlace {
        match self {
            Self::Plan(AssetsPlan { place, .. })
            | Self::Push(AssetsPush { place, .. })
            | Self::Prune(AssetsPrune { place, .. })
            | Self::Verify(AssetsVerify { place, .. })
            | Self::Ls { place, .. }
            | Self::Rollback { place, .. }
            | Self::Resume(place)
            | Self::Pin { place, .. }
            | Self::Unpin { place, .. }
            | Self::Doctor { place, .. } => place,
        }
    }
}

fn content_type(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((ending, kind)) if ending.starts_with('.') && ending.len() > 1 && kind.contains('/') => {
            Ok((ending.to_ascii_lowercase(), kind.to_owned()))
        }
        _ => Err("expected .ENDING=TYPE/SUBTYPE".to_owned()),
    }
}

/// A share from 0 to 1, in millionths.
fn ratio(text: &str) -> Result<u32, String> {
    let refuse = || "expected a number from 0 to 1, for example 0.5".to_owned();
    let number: f64 = text.parse().map_err(|_| refuse())?;
    if !(0.0..=1.0).contains(&number) {
        return Err(refuse());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a million")]
    let millionths = (number * 1e6).round() as u32;
    Ok(millionths)
}

fn intent_ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration(text)?;
    if ttl >= Duration::from_secs(3600) { Ok(ttl) } else { Err("must be at least 1h".to_owned()) }
}
