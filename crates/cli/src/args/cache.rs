//! Commands of `cache`.

use std::str::FromStr;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

use super::{FormatArguments, TextOrJson};
/// Commands of `cache`.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// What there is on this machine, and what the last run had of it
    Status(CacheStatus),
    /// List records
    Ls {
        /// Of this kind, for example stack-template
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// About this stack or task
        #[arg(long, value_name = "NAME")]
        stack: Option<String>,
        /// Form of the result.
        #[command(flatten)]
        form: FormatArguments,
    },
    /// Plan, and say why the cache had something about a stack or task, or had not
    Explain {
        /// A stack, a task, or the first digits of a record's key
        #[arg(value_name = "STACK|TASK|KEY")]
        about: String,
        /// Form of the result.
        #[command(flatten)]
        form: FormatArguments,
    },
    /// Empty it: nothing is lost but time
    Clear(CacheClear),
    /// Remove what has not been of use for long
    Gc(CacheCollect),
    /// Do again what the records of a plan say, and compare; ends with 30 if something differs
    Verify {
        /// How many of the records
        #[arg(long, value_name = "PERCENT", default_value = "100")]
        sample: Percent,
        /// Form of the result.
        #[command(flatten)]
        form: FormatArguments,
    },
    /// Write all records to one file
    Export {
        /// The file
        file: Utf8PathBuf,
    },
    /// Take records from such a file
    Import {
        /// The file
        file: Utf8PathBuf,
        /// Form of the result.
        #[command(flatten)]
        form: FormatArguments,
    },
    /// Read what a plan reads, and keep it in the bucket for others
    Warm {
        /// Form of the result.
        #[command(flatten)]
        form: FormatArguments,
    },
}

impl CacheCommand {
    /// How it is typed.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "cache status",
            Self::Ls { .. } => "cache ls",
            Self::Explain { .. } => "cache explain",
            Self::Clear(_) => "cache clear",
            Self::Gc(_) => "cache gc",
            Self::Verify { .. } => "cache verify",
            Self::Export { .. } => "cache export",
            Self::Import { .. } => "cache import",
            Self::Warm { .. } => "cache warm",
        }
    }

    /// Whether it plans; the others do not need the files that a config names.
    pub(crate) fn plans(&self) -> bool {
        matches!(self, Self::Explain { .. } | Self::Verify { .. } | Self::Warm { .. })
    }

    /// Form of the result.
    pub(crate) fn format(&self) -> TextOrJson {
        match self {
            Self::Status(CacheStatus { form, .. })
            | Self::Clear(CacheClear { form, .. })
            | Self::Gc(CacheCollect { form, .. })
            | Self::Ls { form, .. }
            | Self::Explain { form, .. }
            | Self::Verify { form, .. }
            | Self::Import { form, .. }
            | Self::Warm { form } => form.format,
            Self::Export { .. } => TextOrJson::Text,
        }
    }
}

/// Options of `cache status`.
#[derive(Debug, Args)]
pub struct CacheStatus {
    /// Also look at the bucket
    #[arg(long)]
    pub remote: bool,
    /// Also look at the bucket, and try whether it keeps the conditions of writes: an object is written beside the index and removed again
    #[arg(long)]
    pub probe: bool,
    /// Print what a role needs to use the bucket's part, as an IAM policy: to read it, or also to write it
    #[arg(long, value_name = "ACCESS", num_args = 0..=1, default_missing_value = "write", conflicts_with_all = ["remote", "probe", "format"])]
    pub iam_policy: Option<CacheAccess>,
    /// Form of the result.
    #[command(flatten)]
    pub form: FormatArguments,
}

/// What a role may do with the bucket's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CacheAccess {
    /// For plans and pull requests
    Read,
    /// For deploys
    Write,
}

impl CacheAccess {
    /// Whether it may write.
    pub fn writes(self) -> bool {
        self == Self::Write
    }
}

/// Options of `cache clear`.
#[derive(Debug, Args)]
pub struct CacheClear {
    /// Only on this machine
    #[arg(long)]
    pub local: bool,
    /// Only in the bucket, for everybody
    #[arg(long)]
    pub remote: bool,
    /// On this machine and in the bucket, which is what happens without an option
    #[arg(long, conflicts_with_all = ["local", "remote"])]
    pub all: bool,
    /// Only records of this kind, for example stack-template
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only records about this stack or task
    #[arg(long, value_name = "NAME")]
    pub stack: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Form of the result.
    #[command(flatten)]
    pub form: FormatArguments,
}

/// Options of `cache gc`.
#[derive(Debug, Args)]
pub struct CacheCollect {
    /// Remove records that were last of use longer ago, for example 30d; the config's limit if left out
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub max_age: Option<i64>,
    /// Keep at most so many records; the config's limit if left out
    #[arg(long, value_name = "N")]
    pub max_entries: Option<usize>,
    /// Remove nothing, and say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Form of the result.
    #[command(flatten)]
    pub form: FormatArguments,
}

/// `30d` or `30`.
fn days(text: &str) -> Result<i64, String> {
    let days = text.strip_suffix('d').unwrap_or(text).parse::<u32>();
    days.map(i64::from).map_err(|_| "expected a number of days, for example 30d".to_owned())
}

/// A whole number of hundredths, with or without a percent sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(pub u8);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).parse::<u8>().ok();
        number
            .filter(|percent| *percent <= 100)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no percentage from 0 to 100"))
    }
}
