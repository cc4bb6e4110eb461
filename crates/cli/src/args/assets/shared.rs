//! What several commands of `assets` take.

use std::ffi::OsStr;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use crate::args::duration;

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
    #[arg(long, value_name = "URL", env = "RUNWAY_RS_ASSETS_ENDPOINT", value_parser = Server)]
    pub endpoint: Option<String>,
    /// Whether the bucket's name is in the path of URLs, or in the name of the host; auto is in the path unless it is AWS
    #[arg(long, value_name = "WHEN", env = "RUNWAY_RS_ASSETS_PATH_STYLE", default_value = "auto")]
    pub path_style: PathStyle,
    /// A directory in place of a bucket
    #[arg(long, value_name = "DIR", env = "RUNWAY_RS_ASSETS_DIRECTORY", conflicts_with_all = ["bucket", "endpoint"])]
    pub directory: Option<Utf8PathBuf>,
    /// The store need not keep conditions: I make sure that nothing else works on this app
    #[arg(long, env = "RUNWAY_RS_ASSETS_UNSAFE_EXCLUSIVE", value_parser = BoolishValueParser::new())]
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
    #[command(flatten)]
    pub how: AssetsHow,
}

/// How it is pushed.
#[derive(Debug, Clone, Args)]
pub struct AssetsHow {
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
    #[arg(long, value_name = ".ENDING=TYPE", value_parser = content_type, env = "RUNWAY_RS_ASSETS_CONTENT_TYPE", value_delimiter = ',')]
    pub content_type: Vec<(String, String)>,
    /// An older build may replace a newer one
    #[arg(long, env = "RUNWAY_RS_ASSETS_ALLOW_OLDER", value_parser = BoolishValueParser::new())]
    pub allow_older: bool,
    /// Refuse to change bytes under a name that is no entry point's
    #[arg(long, env = "RUNWAY_RS_ASSETS_DENY_IN_PLACE", value_parser = BoolishValueParser::new())]
    pub deny_in_place: bool,
    /// Send everything, also what is there
    #[arg(long, env = "RUNWAY_RS_ASSETS_FORCE", value_parser = BoolishValueParser::new())]
    pub force: bool,
    /// How to find out what is there: `list` lists the app's files, a request for every 1,000; `head` looks at every file of
    /// the build, for credentials that may not list them
    #[arg(long, value_name = "HOW", env = "RUNWAY_RS_ASSETS_CHECK", default_value = "list")]
    pub check: CheckBy,
    /// Requests under way at once
    #[arg(long, value_name = "N", env = "RUNWAY_RS_ASSETS_CONCURRENCY", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
}

/// What the manifest of a push is.
#[derive(Debug, Clone, Args)]
pub struct AssetsManifest {
    /// Form of the manifest: v2 has digests, and valpop reads it; valpop and list have paths only
    #[arg(long, value_name = "FORM", env = "RUNWAY_RS_ASSETS_MANIFEST_FORMAT", default_value = "v2")]
    pub manifest_format: ManifestForm,
    /// Name the manifest by the time of the push, from which its age counts, or by that of the build
    #[arg(long, value_name = "WHICH", env = "RUNWAY_RS_ASSETS_MANIFEST_TIME", default_value = "push")]
    pub manifest_time: ManifestTime,
}

/// What a prune keeps.
#[derive(Debug, Clone, Args)]
pub struct AssetsAge {
    /// Builds pushed within this time stay, 48h if left out (VALPOP_TIMEOUT gives the seconds, too)
    #[arg(long, value_name = "DURATION", env = "RUNWAY_RS_ASSETS_THRESHOLD", value_parser = duration_with_unit)]
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
    #[arg(short, long, env = "RUNWAY_RS_ASSETS_YES", value_parser = BoolishValueParser::new())]
    pub yes: bool,
    /// File that is never deleted; fed-mods.json if left out
    #[arg(
        long,
        value_name = "PATH",
        default_value = "fed-mods.json",
        env = "RUNWAY_RS_ASSETS_PROTECT",
        value_delimiter = ','
    )]
    pub protect: Vec<String>,
    /// Also delete files that no manifest names, if they are older than 7 days
    #[arg(long, env = "RUNWAY_RS_ASSETS_ORPHANS", value_parser = BoolishValueParser::new())]
    pub orphans: bool,
}

/// Forms of what commands print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AssetsFormat {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// For a pull request or a step summary
    Markdown,
}

/// In which form the result is told, and where else.
#[derive(Debug, Clone, Args)]
pub struct AssetsForm {
    /// Form of the result
    #[arg(long, value_enum, env = "RUNWAY_RS_ASSETS_FORMAT", default_value = "text")]
    pub format: AssetsFormat,
    /// Write the result to this file as well, as JSON; also if it fails
    #[arg(long, value_name = "FILE", env = "RUNWAY_RS_ASSETS_REPORT")]
    pub report: Option<Utf8PathBuf>,
}

/// What is told of new entry points.
#[derive(Debug, Clone, Args)]
pub struct AssetsPurge {
    /// Run this when entry points have changed, or the build was live already, for example to purge them from a CDN: they
    /// are on its standard input, one a line, and in RUNWAY_RS_ASSETS_CHANGED. A program and its arguments, without a shell
    #[arg(long, value_name = "COMMAND", env = "RUNWAY_RS_ASSETS_PURGE_CMD")]
    pub purge_cmd: Option<String>,
    /// Where the files are served: --purge-cmd gets URLs below it instead of paths
    #[arg(long, value_name = "URL", env = "RUNWAY_RS_ASSETS_PUBLIC_URL", value_parser = Server)]
    pub public_url: Option<String>,
}

/// Whether a push prunes afterwards: `--prune`, the default, and `--no-prune`. The last one on the command line wins, and
/// each of them over variables.
#[derive(Debug, Clone, Copy)]
pub struct PruneAfter {
    /// It does.
    pub prunes: bool,
}

impl PruneAfter {
    fn options() -> [Arg; 2] {
        // Neither overrides the other: one may be a variable's.
        let flag = |name: &'static str| {
            Arg::new(name)
                .long(name)
                .overrides_with(name)
                .action(ArgAction::SetTrue)
                .value_parser(BoolishValueParser::new())
        };
        [
            flag("prune").env("RUNWAY_RS_ASSETS_PRUNE").help("Prune afterwards (the default)"),
            flag("no-prune").env("RUNWAY_RS_ASSETS_NO_PRUNE").help("Do not prune afterwards"),
        ]
    }
}

impl Args for PruneAfter {
    fn augment_args(command: Command) -> Command {
        command.args(Self::options())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PruneAfter {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
        let variable = |name| {
            (matches.value_source(name) == Some(ValueSource::EnvVariable)).then(|| matches.get_flag(name))
        };
        let prunes = match (typed("prune"), typed("no-prune")) {
            (true, false) => true,
            (false, true) => false,
            (true, true) => matches.index_of("prune") > matches.index_of("no-prune"),
            (false, false) => variable("no-prune") != Some(true) && variable("prune") != Some(false),
        };
        Ok(Self { prunes })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Forms of manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ManifestForm {
    List,
    Valpop,
    V2,
}

/// Ways to find out what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CheckBy {
    List,
    Head,
}

/// Times that may name a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ManifestTime {
    Push,
    Build,
}

fn content_type(text: &str) -> Result<(String, String), String> {
    let (ending, kind) = text.split_once('=').unwrap_or((text, ""));
    runway_artifacts::assets::content_type(ending, kind)
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

/// A duration with its unit: many who write 48 mean hours.
pub(super) fn duration_with_unit(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("a unit is missing: write {text}s, {text}m, {text}h or {text}d"));
    }
    duration(text)
}

fn intent_ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration_with_unit(text)?;
    if ttl >= Duration::from_secs(3600) { Ok(ttl) } else { Err("must be at least 1h".to_owned()) }
}

/// Takes the URL of a server, and repeats none that may have a password in it.
#[derive(Debug, Clone)]
struct Server;

impl TypedValueParser for Server {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        if value.to_string_lossy().contains('@') {
            let option = arg.map(ToString::to_string).unwrap_or_default();
            let words = "keys do not belong into a URL: give them as variables, or by a profile";
            let error = clap::Error::raw(ErrorKind::ValueValidation, format!("{option}: {words}\n"));
            return Err(error.with_cmd(command));
        }
        endpoint.parse_ref(command, arg, value)
    }
}

/// A URL of a server: scheme, host and maybe port.
pub(crate) fn endpoint(text: &str) -> Result<String, String> {
    let text = text.trim();
    let refuse = || Err("expected the URL of a server, for example http://minio:9000".to_owned());
    let Some((scheme, rest)) = text.split_once("://") else { return refuse() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an address of the sixth version are within brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let has_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "@?#".contains(c));
    let has_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let is_server =
        matches!(scheme, "http" | "https") && !path.contains(|c: char| c.is_whitespace() || "?#".contains(c));
    if is_server && has_host && has_port { Ok(text.to_owned()) } else { refuse() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration_with_unit, endpoint};

    #[test]
    fn durations_of_assets_have_units() {
        assert!(duration_with_unit("48").unwrap_err().contains("48h"));
        assert_eq!(duration_with_unit("2d"), Ok(Duration::from_secs(172_800)));
        assert!(duration_with_unit("1w").unwrap_err().contains("h or d"));
    }

    #[test]
    fn an_endpoint_is_the_url_of_a_server() {
        for right in
            ["http://minio:9000", "https://s3.example.com", "http://[::1]:9000", "http://127.0.0.1:1/"]
        {
            assert_eq!(endpoint(right).as_deref(), Ok(right));
        }
        for wrong in [
            "nonsense",
            "minio:9000",
            "ftp://minio",
            "http://",
            "http://minio:port",
            "http://minio:0",
            "http://a b",
        ] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
        assert!(endpoint("http://user:secret@minio").is_err(), "keys do not belong into a URL");
    }
}
