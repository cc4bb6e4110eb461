//! What can be typed. Runway's own spellings keep working.

mod assets;
mod cache;
mod schemas;

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use runway_core::cache::{Mode, RemoteMode};
use runway_core::plan::Allowed;
use runway_core::render::details::Depth;

pub(crate) use self::assets::{
    AssetsAge, AssetsBuild, AssetsCommand, AssetsFormat, AssetsJob, AssetsPin, AssetsPlace, AssetsPlan,
    AssetsPrune, AssetsPurge, AssetsPush, AssetsRollback, AssetsVerify, CheckBy, JobFormat, ManifestForm,
    ManifestTime, PathStyle, PruneAfter, endpoint,
};
pub(crate) use self::cache::{CacheClear, CacheCollect, CacheCommand, CacheStatus, Percent};
pub(crate) use self::schemas::SchemaDocument;

/// Keeps a declared set of AWS CloudFormation stacks true.
#[derive(Debug, Parser)]
#[command(name = "runway-rs", version, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub struct Arguments {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Project file, CFNgin config, or a directory with one; else `runway.yml` here or above, or every config here
    #[arg(short, long, value_name = "FILE", global = true, env = "RUNWAY_RS_CONFIG")]
    pub config: Option<Utf8PathBuf>,
    /// Deploy environment: chooses <NAME>.env and <NAME>-<region>.env beside a config; without it a project takes the
    /// name of the git branch or of its directory
    #[arg(short = 'e', long, value_name = "NAME", global = true, env = "DEPLOY_ENVIRONMENT")]
    pub deploy_environment: Option<String>,
    /// Parameter for ${NAME} in the config; wins over environment files
    #[arg(long = "param", value_name = "NAME=VALUE", global = true, value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
    /// One more environment file; wins over those found by name
    #[arg(long, value_name = "FILE", global = true, env = "RUNWAY_RS_ENV_FILE")]
    pub env_file: Option<Utf8PathBuf>,
    /// `aws`, or `local[:DIR]` for the embedded CloudFormation (DIR is .runway/local beside the config)
    #[arg(long, value_name = "PROVIDER", global = true, env = "RUNWAY_RS_PROVIDER", default_value = "aws")]
    pub provider: String,
    /// Region; otherwise AWS_REGION, AWS_DEFAULT_REGION or the profile's
    #[arg(long, global = true)]
    pub region: Option<String>,
    /// Profile of the AWS configuration
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,
    /// No colours
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Say less: once no progress, twice only errors
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub quiet: u8,
    /// Say more: every answer with its request id; twice also every attempt
    #[arg(short, long, global = true, action = clap::ArgAction::Count, visible_alias = "debug")]
    pub verbose: u8,
    /// Run as in CI: ask nothing (the variable CI does the same)
    #[arg(long, global = true)]
    pub ci: bool,
    /// Do not run as in CI although the variable CI is set
    #[arg(long, global = true, conflicts_with = "ci")]
    pub no_ci: bool,
    /// Of a project, only modules with this tag; given more than once, with all of them
    #[arg(long, value_name = "TAG", global = true)]
    pub tag: Vec<String>,
    /// Of a project, only the module of this name (`MODULE` or `DEPLOYMENT.MODULE`); may be given more than once
    #[arg(long, value_name = "MODULE", global = true)]
    pub module: Vec<String>,
    /// How the task cache is used: off, read, read-write or refresh (ask for everything again, and keep it)
    #[arg(long, value_name = "MODE", global = true)]
    pub cache: Option<Mode>,
    /// The same for the bucket's part alone; auto reads in plans, and reads and writes in deploys
    #[arg(long, value_name = "MODE", global = true)]
    pub cache_remote: Option<RemoteMode>,
    /// Without the task cache
    #[arg(long, global = true, conflicts_with_all = ["cache", "cache_remote"])]
    pub no_cache: bool,
    /// Requests by API on standard error at the end
    #[arg(long, global = true)]
    pub stats: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a deploy would do; writes nothing
    #[command(visible_alias = "taxi")]
    Plan(PlanArguments),
    /// Show the plan, ask, and carry it out
    #[command(visible_alias = "takeoff")]
    Deploy(RunArguments),
    /// Delete every stack of config and persistent graph, dependants first
    #[command(visible_alias = "dismantle")]
    Destroy(RunArguments),
    /// Create the config's bucket if it does not exist
    Init,
    /// List configured, recorded and existing stacks
    Status(FormatArguments),
    /// Print outputs of the config's stacks
    Outputs(OutputsArguments),
    /// Look at the persistent graph, or mend it
    #[command(subcommand)]
    Graph(GraphCommand),
    /// Look at the task cache, or empty it
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Push a front-end's files to a bucket so that old ones stay for a while, and prune what aged out
    #[command(subcommand)]
    Assets(Box<AssetsCommand>),
    /// Check configs and everything they name, without looking at the cloud
    Validate(ValidateArguments),
    /// Write a project to begin with: runway.yml, a module and a template
    New {
        /// Directory to write it to; this one if left out
        directory: Option<Utf8PathBuf>,
    },
    /// Print the name of the deploy environment
    Whichenv,
    /// Print the environment variables of the project's deployments, for a shell
    Envvars,
    /// Print the JSON Schema of a document
    Schema {
        /// Which document
        document: SchemaDocument,
        /// Spaces of each level, 2 unless given
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=16))]
        indent: Option<u8>,
        /// Write it to this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<Utf8PathBuf>,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// Form of the plan
    #[arg(long, value_enum, default_value = "text")]
    pub format: PlanFormat,
    /// Exit with 2 if there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Plan a destroy
    #[arg(long)]
    pub destroy: bool,
    /// Also keep the plan in this file, for `deploy --plan FILE` (with --destroy: `destroy --plan FILE`)
    #[arg(long, value_name = "FILE")]
    pub out: Option<Utf8PathBuf>,
    /// Ask CloudFormation itself, by change sets that are deleted again, what the steps would do
    #[arg(long, conflicts_with = "destroy")]
    pub change_sets: bool,
    /// Options that deploys have as well.
    #[command(flatten)]
    pub common: PlanningArguments,
}

/// Options of everything that plans.
#[derive(Debug, Args)]
pub struct PlanningArguments {
    /// An empty stack list may delete every recorded stack
    #[arg(long, env = "RUNWAY_RS_ALLOW_EMPTY", value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_empty: bool,
    /// Show every property that changes, with its value before and after
    #[arg(long)]
    pub full: bool,
    /// Data of this stack or task, or of one resource of it, may be lost; may be given several times
    #[arg(long, value_name = "STACK[/RESOURCE]", value_parser = allowed)]
    pub allow: Vec<Allowed>,
    /// Work on this stack or task alone, and leave the others as they are; may be given several times
    #[arg(long = "stack", value_name = "NAME")]
    pub stacks: Vec<String>,
    /// With --stack: also on everything it needs
    #[arg(long, requires = "stacks")]
    pub with_dependencies: bool,
    /// With --stack: also on everything that needs it
    #[arg(long, visible_alias = "with-dependants", requires = "stacks")]
    pub with_dependents: bool,
    /// Stacks under way at once, 100 unless given
    #[arg(long, value_name = "N", env = "RUNWAY_RS_CONCURRENCY", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub concurrency: Option<u16>,
}

impl PlanningArguments {
    /// How much a plan tells.
    pub fn depth(&self) -> Depth {
        if self.full { Depth::Full } else { Depth::Short }
    }
}

/// Options of `deploy` and `destroy`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Do not ask
    #[arg(short, long, visible_alias = "force")]
    pub yes: bool,
    /// Form of progress and result: text, or JSON objects one a line
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
    /// Time after which an unrenewed lock counts as dead, 2s to 1h
    #[arg(long, value_name = "DURATION", env = "RUNWAY_RS_LOCK_TTL", default_value = "60s", value_parser = lock_ttl)]
    pub lock_ttl: Duration,
    /// Wait this long for a lock that somebody else holds
    #[arg(long, value_name = "DURATION", env = "RUNWAY_RS_LOCK_WAIT", value_parser = duration)]
    pub lock_wait: Option<Duration>,
    /// Carry out exactly the plan that `plan --out FILE` has kept, without asking, or nothing if something moved since
    #[arg(long, value_name = "FILE", conflicts_with_all = ["stacks", "with_dependencies", "with_dependents"])]
    pub plan: Option<Utf8PathBuf>,
    /// Write what became of every stack and task to this file, as JSON; also if the run fails
    #[arg(long, value_name = "FILE")]
    pub report: Option<Utf8PathBuf>,
    /// Write the same as JUnit XML, which CI systems show; also if the run fails
    #[arg(long, value_name = "FILE")]
    pub junit: Option<Utf8PathBuf>,
    /// Update this protected stack without asking
    #[arg(long, value_name = "STACK")]
    pub approve_protected: Vec<String>,
    /// Options that plans have as well.
    #[command(flatten)]
    pub common: PlanningArguments,
}

/// A choice of form.
#[derive(Debug, Args)]
pub struct FormatArguments {
    /// Form of the result
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
}

/// Options of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArguments {
    #[command(flatten)]
    pub form: FormatArguments,
    /// Fetch package sources that are not in the cache; without it, nothing is asked
    #[arg(long)]
    pub fetch: bool,
}

/// Options of `outputs`.
#[derive(Debug, Args)]
pub struct OutputsArguments {
    /// One stack only
    pub stack: Option<String>,
    /// Form of the result
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputsFormat,
}

/// Commands of `graph`.
#[derive(Debug, Subcommand)]
pub enum GraphCommand {
    /// Print the persistent graph
    Show {
        /// Form of the result
        #[arg(long, value_enum, default_value = "text")]
        format: GraphFormat,
    },
    /// Remove a lock, after showing who holds it
    Unlock {
        /// Do not ask
        #[arg(long, visible_alias = "yes")]
        force: bool,
    },
    /// Stop managing a stack or task without deleting anything
    Forget {
        /// The stack, or the task as `kind/name`, or by its name alone where only one has it
        name: String,
        /// Time after which an unrenewed lock counts as dead, 2s to 1h
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = lock_ttl)]
        lock_ttl: Duration,
    },
}

/// Forms of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// For a pull request
    Markdown,
    /// The graph with the changes, as a picture
    Svg,
    /// One page with graph, steps and everything that changes
    Html,
    /// The graph with the changes, as a Mermaid flow chart
    Mermaid,
    /// The graph with the changes, for Graphviz
    Dot,
}

/// Forms of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum GraphFormat {
    Text,
    Json,
    Mermaid,
    Dot,
}

/// Forms of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum OutputsFormat {
    Text,
    Json,
    Env,
}

/// Text or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum TextOrJson {
    Text,
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Colour {
    Auto,
    Always,
    Never,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn allowed(text: &str) -> Result<Allowed, String> {
    Allowed::parse(text).ok_or_else(|| "expected STACK or STACK/RESOURCE".to_owned())
}

/// `90`, `90s`, `5m`, `1h`, `2d` or `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 =
        text[..end].parse().map_err(|_| "expected a number with s, m, h or d, for example 60s".to_owned())?;
    match &text[end..] {
        "" | "s" => Ok(Duration::from_secs(count)),
        "ms" => Ok(Duration::from_millis(count)),
        "m" => Ok(Duration::from_secs(count.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(count.saturating_mul(3600))),
        "d" => Ok(Duration::from_secs(count.saturating_mul(86400))),
        unit => Err(format!("unknown unit `{unit}`: use ms, s, m, h or d")),
    }
}

fn lock_ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration(text)?;
    let allowed = Duration::from_secs(2)..=Duration::from_secs(3600);
    if allowed.contains(&ttl) { Ok(ttl) } else { Err("must be from 2s to 1h".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// Every option of `assets` with its command.
    fn asset_options() -> Vec<(String, clap::Arg)> {
        let command = Arguments::command();
        let assets = command.find_subcommand("assets").unwrap();
        let options = assets.get_subcommands().flat_map(|command| {
            let options = command.get_arguments().filter(|option| option.get_long().is_some());
            options.map(|option| (command.get_name().to_owned(), option.clone()))
        });
        options.collect()
    }

    #[test]
    fn every_option_of_assets_has_its_variable() {
        let options = asset_options();
        assert!(options.len() > 100, "{}", options.len());
        for (command, option) in options {
            let long = option.get_long().unwrap();
            let flag = long.to_uppercase().replace('-', "_");
            // The form of manifests for Kubernetes is none of those of results.
            let flag = if (command.as_str(), long) == ("job", "format") { "JOB_FORMAT" } else { &flag };
            let variable = option.get_env().and_then(|name| name.to_str());
            assert_eq!(
                variable,
                Some(format!("RUNWAY_RS_ASSETS_{flag}").as_str()),
                "assets {command} --{long}"
            );
        }
    }

    #[test]
    fn no_option_of_assets_needs_another_since_variables_are_for_several_commands() {
        let line = |variables: &str| format!("runway-rs assets {variables}");
        for wrong in
            ["verify --app a --source x", "prune --app a --detailed-exitcode", "doctor --app a --prune-only"]
        {
            Arguments::try_parse_from(line(wrong).split(' ')).unwrap();
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert!(duration("soon").is_err());
        assert!(lock_ttl("1s").is_err() && lock_ttl("2h").is_err() && lock_ttl("2s").is_ok());
    }

    #[test]
    fn runways_spellings_work() {
        for line in [
            "runway-rs taxi -e test --debug",
            "runway-rs takeoff --ci --tag app",
            "runway-rs dismantle --deploy-environment test --force",
            "runway-rs plan --verbose --no-color",
        ] {
            Arguments::try_parse_from(line.split(' ')).unwrap();
        }
    }
}
