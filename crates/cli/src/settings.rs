//! Arguments, environment and files resolved to what a run needs. Pure, but for a look at the file system.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;
use runway_core::engine::Holder;
use runway_core::error::Problem;
use runway_core::exit::ExitCode;
use runway_core::project::resolve::AssumeRole;
use runway_host::python::{DEFAULT_TIMEOUT, TIMEOUT_VARIABLE};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::args::Global;
use crate::cache::CacheChoice;

/// The process environment as a value.
pub(crate) type Environment = BTreeMap<String, String>;

/// Stacks under way at once, unless told otherwise.
const CONCURRENCY: usize = 100;
/// Regions or modules under way at once, unless told otherwise (Runway: the number of processors, at most 61; here they
/// mostly wait).
const CONCURRENT_TARGETS: usize = 61;
/// Longest pause between two looks at running stacks, unless told otherwise.
const POLL_LIMIT: Duration = Duration::from_secs(5);

/// Problems with settings.
#[derive(Debug, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub(crate) enum SettingsProblem {
    #[error("there is no config {path}")]
    #[diagnostic(code(settings::no_config), help("name a CFNgin config with -c FILE"))]
    NoConfig { path: Utf8PathBuf },

    #[error("cannot read {path}: {message}")]
    #[diagnostic(code(settings::unreadable), help("it must be a readable UTF-8 text file"))]
    Unreadable { path: Utf8PathBuf, message: String },

    #[error("{path} is not UTF-8 text")]
    #[diagnostic(code(settings::not_text), help("save it with the encoding UTF-8"))]
    NotText {
        path: Utf8PathBuf,
        #[label("the first byte that is not UTF-8")]
        span: miette::SourceSpan,
    },

    #[error("there is no CFNgin config in {path}")]
    #[diagnostic(code(settings::no_config), help("name a CFNgin config, or a directory with one, with -c"))]
    NoConfigIn { path: Utf8PathBuf },

    #[error("there are two project files: {first} and {second}")]
    #[diagnostic(code(settings::two_projects), help("remove one of them, or name one with -c"))]
    TwoProjects { first: Utf8PathBuf, second: Utf8PathBuf },

    #[error("there is no project file here")]
    #[diagnostic(
        code(settings::no_project),
        help(
            "this command reads `runway.yml` in this directory or the one above; `runway-rs new` writes one"
        )
    )]
    NoProject,

    #[error("the deploy environment is not known: no branch is checked out (detached HEAD)")]
    #[diagnostic(
        code(settings::detached_head),
        help("name it with -e NAME or the variable DEPLOY_ENVIRONMENT, or set `ignore_git_branch: true`")
    )]
    DetachedHead,

    #[error("the deploy environment is not known: {message}")]
    #[diagnostic(
        code(settings::no_environment),
        help("name it with -e NAME or the variable DEPLOY_ENVIRONMENT")
    )]
    NoEnvironment { message: String },

    #[error("`{name}` is no name that a shell takes for a variable")]
    #[diagnostic(
        code(settings::variable_name),
        help("in `env_vars` use letters, digits and underscores, and begin with no digit")
    )]
    VariableName { name: String },

    #[error("no deployment of {path} has `env_vars`")]
    #[diagnostic(code(settings::no_variables), help("variables of modules are not printed"))]
    NoEnvironmentVariables { path: Utf8PathBuf },

    #[error("{path} exists already")]
    #[diagnostic(
        code(settings::exists),
        help("nothing was written; name another directory: `runway-rs new DIRECTORY`")
    )]
    Exists { path: Utf8PathBuf },

    #[error("{name}: {reason}")]
    #[diagnostic(code(settings::cache_variable), help("unset the variable or correct it"))]
    CacheVariable { name: &'static str, reason: String },

    #[error("the configs have task caches of their own, and this is one file")]
    #[diagnostic(
        code(settings::several_caches),
        help("name a config with -c FILE, or a module of a project with --module")
    )]
    SeveralCaches,

    #[error("this config uses no bucket, so its task cache is on this machine alone")]
    #[diagnostic(code(settings::no_bucket_for_cache), help("`cfngin_bucket` names one"))]
    NoBucketForCache,

    #[error("{path} cannot be both reports")]
    #[diagnostic(code(settings::same_file), help("give --report and --junit a file each"))]
    SameFile { path: Utf8PathBuf },

    #[error("cannot write {path}: {message}")]
    #[diagnostic(code(settings::unwritable), help("it must be a place where you may write"))]
    Unwritable { path: Utf8PathBuf, message: String },

    #[error("{option} selects modules of a project, and there is no project file")]
    #[diagnostic(
        code(settings::no_modules),
        help("without `runway.yml` every config of the directory is worked on; -c FILE names one")
    )]
    NoModules { option: &'static str },

    #[error("`{value}` is no provider")]
    #[diagnostic(code(settings::provider), help("use `aws`, `local` or `local:DIR`"))]
    Provider { value: String },

    #[error("{name} must be a whole number, not `{value}`")]
    #[diagnostic(code(settings::variable), help("unset the variable or correct it"))]
    Variable { name: &'static str, value: String },

    #[error("{name} must be a whole number of seconds, at least 1, not `{value}`")]
    #[diagnostic(code(settings::seconds), help("unset the variable or correct it"))]
    Seconds { name: &'static str, value: String },
}

impl Problem for SettingsProblem {
    fn exit_code(&self) -> ExitCode {
        match self {
            // Runway's exit code, for scripts.
            Self::NoEnvironmentVariables { .. } => ExitCode::Unexpected,
            Self::Provider { .. }
            | Self::Variable { .. }
            | Self::Seconds { .. }
            | Self::SameFile { .. }
            | Self::CacheVariable { .. }
            | Self::SeveralCaches
            | Self::NoModules { .. } => ExitCode::Usage,
            _ => ExitCode::Config,
        }
    }
}

/// Which cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProviderChoice {
    /// AWS.
    Aws,
    /// The embedded one, in a directory.
    Local(Option<Utf8PathBuf>),
}

/// What holds for a whole command.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) provider: ProviderChoice,
    pub(crate) region: Option<String>,
    pub(crate) profile: Option<String>,
    /// The role that requests are made as.
    pub(crate) assume_role: Option<AssumeRole>,
    /// The account that the embedded provider plays; its own if left out.
    pub(crate) account: Option<String>,
    /// Name of the deploy environment.
    pub(crate) deploy_environment: String,
    /// Whether it was given, and not derived from the directory.
    pub(crate) is_environment_given: bool,
    /// Parameters that a project gives to a module: they win over environment files.
    pub(crate) project_parameters: Map<String, Value>,
    /// Regions worked on at the same time.
    pub(crate) concurrent_regions: usize,
    /// Modules worked on at the same time.
    pub(crate) concurrent_modules: usize,
    pub(crate) ci: bool,
    pub(crate) concurrency: usize,
    pub(crate) poll_limit: Duration,
    /// How long one request to Python may take.
    pub(crate) python_timeout: Duration,
    pub(crate) holder: Holder,
    /// What the command line and the environment say about the task cache.
    pub(crate) cache: CacheChoice,
}

impl Settings {
    /// Resolves arguments and environment. `directory` is the current directory.
    pub(crate) fn resolve(
        global: &Global,
        concurrency: Option<u16>,
        command: &str,
        environment: &Environment,
        directory: &Utf8Path,
    ) -> Result<Self, SettingsProblem> {
        let provider = match global.provider.as_str() {
            "aws" => ProviderChoice::Aws,
            "local" => ProviderChoice::Local(None),
            other => match other.strip_prefix("local:").filter(|path| !path.is_empty()) {
                Some(path) => ProviderChoice::Local(Some(directory.join(path))),
                None => return Err(SettingsProblem::Provider { value: other.to_owned() }),
            },
        };
        let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let number = |name: &'static str| match variable(name) {
            None => Ok(None),
            Some(value) => match value.trim().parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(SettingsProblem::Variable { name, value }),
            },
        };
        // Runway: 0 means its own default.
        let runway_concurrency = number("RUNWAY_MAX_CONCURRENT_CFNGIN_STACKS")?.filter(|count| *count > 0);
        let poll_limit = match number("CFNGIN_STACK_POLL_TIME")? {
            Some(seconds) => Duration::from_secs(seconds),
            None => POLL_LIMIT,
        };
        let given = global.deploy_environment.clone().filter(|name| !name.is_empty());
        let workers = |name| {
            let given =
                number(name)?.filter(|count| *count > 0).and_then(|count| usize::try_from(count).ok());
            Ok(given.unwrap_or(CONCURRENT_TARGETS))
        };
        Ok(Self {
            assume_role: None,
            account: None,
            is_environment_given: given.is_some(),
            project_parameters: Map::new(),
            concurrent_regions: workers("RUNWAY_MAX_CONCURRENT_REGIONS")?,
            concurrent_modules: workers("RUNWAY_MAX_CONCURRENT_MODULES")?,
            provider,
            region: global
                .region
                .clone()
                .or_else(|| variable("AWS_REGION"))
                .or_else(|| variable("AWS_DEFAULT_REGION")),
            profile: global.profile.clone(),
            deploy_environment: given
                .unwrap_or_else(|| directory.file_name().unwrap_or("default").to_owned()),
            // Runway: the variable counts by its existence, whatever its value.
            ci: !global.no_ci && (global.ci || environment.contains_key("CI")),
            concurrency: concurrency
                .map(usize::from)
                .or_else(|| usize::try_from(runway_concurrency?).ok())
                .unwrap_or(CONCURRENCY),
            poll_limit,
            python_timeout: python_timeout(environment)?,
            holder: holder(command, environment),
            cache: CacheChoice::resolve(global, environment)?,
        })
    }
}

/// How long one request to Python may take.
pub(crate) fn python_timeout(environment: &Environment) -> Result<Duration, SettingsProblem> {
    let Some(value) = environment.get(TIMEOUT_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(DEFAULT_TIMEOUT);
    };
    match value.trim().parse::<u64>() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(SettingsProblem::Seconds { name: TIMEOUT_VARIABLE, value: value.clone() }),
    }
}

fn holder(command: &str, environment: &Environment) -> Holder {
    let first = |names: &[&str]| {
        names.iter().find_map(|name| environment.get(*name).filter(|value| !value.is_empty()).cloned())
    };
    let github = || {
        let (server, repository, run) = (
            environment.get("GITHUB_SERVER_URL")?,
            environment.get("GITHUB_REPOSITORY")?,
            environment.get("GITHUB_RUN_ID")?,
        );
        Some(format!("{server}/{repository}/actions/runs/{run}"))
    };
    Holder {
        user: first(&["GITHUB_ACTOR", "USER", "LOGNAME", "USERNAME"]).unwrap_or_else(|| "unknown".to_owned()),
        host: host_name(environment),
        pid: std::process::id(),
        command: command.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: github().or_else(|| first(&["CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL"])),
    }
}

#[cfg(unix)]
fn host_name(_environment: &Environment) -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name(environment: &Environment) -> String {
    environment.get("COMPUTERNAME").cloned().unwrap_or_default()
}

/// What a command works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The modules of this project file.
    Project(Utf8PathBuf),
    /// These configs, in order.
    Configs(Vec<Utf8PathBuf>),
}

/// What to work on: what was named; or else the project file of the current directory or of the one above (Runway); or
/// else the configs of the current directory.
pub(crate) fn discover(global: &Global, directory: &Utf8Path) -> Result<Found, SettingsProblem> {
    let Some(named) = global.config.as_ref().map(|path| directory.join(path)) else {
        for searched in directory.ancestors().take(2) {
            if let Some(project) = project_in(searched, directory)? {
                return Ok(Found::Project(project));
            }
        }
        return configs_in(directory).map(Found::Configs);
    };
    if named.is_file() {
        return match named.file_name() {
            Some(name) if PROJECT_FILES.contains(&name) => Ok(Found::Project(named)),
            _ => Ok(Found::Configs(vec![named])),
        };
    }
    if !named.is_dir() {
        return Err(SettingsProblem::NoConfig { path: shown(&named, directory) });
    }
    if let Some(project) = project_in(&named, directory)? {
        return Ok(Found::Project(project));
    }
    match configs_in(&named)? {
        found if found.is_empty() => Err(SettingsProblem::NoConfigIn { path: shown(&named, directory) }),
        found => Ok(Found::Configs(found)),
    }
}

/// Names of project files.
const PROJECT_FILES: [&str; 2] = ["runway.yml", "runway.yaml"];

/// The project file in a directory.
fn project_in(searched: &Utf8Path, current: &Utf8Path) -> Result<Option<Utf8PathBuf>, SettingsProblem> {
    let [first, second] = PROJECT_FILES.map(|name| searched.join(name));
    match (first.is_file(), second.is_file()) {
        (true, true) => {
            let (first, second) = (shown(&first, current), shown(&second, current));
            Err(SettingsProblem::TwoProjects { first, second })
        }
        (true, false) => Ok(Some(first)),
        (false, true) => Ok(Some(second)),
        (false, false) => Ok(None),
    }
}

/// CFNgin's choice of configs in a directory, in order.
pub(crate) fn configs_in(searched: &Utf8Path) -> Result<Vec<Utf8PathBuf>, SettingsProblem> {
    let unreadable = |error: std::io::Error| SettingsProblem::Unreadable {
        path: searched.to_owned(),
        message: error.to_string(),
    };
    let mut found = Vec::new();
    for entry in searched.read_dir_utf8().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if is_config(entry.file_name()) && entry.path().is_file() {
            found.push(entry.into_path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether CFNgin takes a file of this name in a module directory for a config.
fn is_config(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")) else { return false };
    let others = ["bitbucket-pipelines", "buildspec", "docker-compose", "runway"];
    let is_other =
        |other: &&str| stem.strip_prefix(*other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    !name.starts_with('.') && !others.iter().any(is_other)
}

/// How much is told: the options, or else Runway's variables. DEBUG is a number or a boolean, VERBOSE counts by its
/// existence. A DEBUG of another kind is meant for another program.
pub(crate) fn verbosity(options: u8, environment: &Environment) -> u8 {
    let debug = environment.get("DEBUG").map(|value| value.trim().to_lowercase());
    let debug = match debug.as_deref() {
        Some("true" | "yes" | "on" | "y" | "t") => 1,
        Some(number) => number.parse::<u8>().unwrap_or(0).min(2),
        None => 0,
    };
    options.max(debug).max(u8::from(environment.contains_key("VERBOSE")))
}

/// A path as people want to see it: relative to where they are, if it is below.
pub(crate) fn shown(path: &Utf8Path, directory: &Utf8Path) -> Utf8PathBuf {
    path.strip_prefix(directory).map_or_else(|_| path.to_owned(), Utf8Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arguments;
    use clap::Parser;

    fn resolve(line: &str, environment: &[(&str, &str)]) -> Result<Settings, SettingsProblem> {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::resolve(&arguments.global, None, "plan", &environment, Utf8Path::new("/project/dev"))
    }

    #[test]
    fn the_provider_is_chosen_and_never_guessed() {
        let provider = |line: &str| resolve(line, &[]).map(|settings| settings.provider);
        assert_eq!(provider("x plan").unwrap(), ProviderChoice::Aws);
        assert_eq!(provider("x plan --provider local").unwrap(), ProviderChoice::Local(None));
        assert_eq!(
            provider("x plan --provider local:state").unwrap(),
            ProviderChoice::Local(Some("/project/dev/state".into()))
        );
        assert!(provider("x plan --provider azure").is_err());
        assert!(provider("x plan --provider local:").is_err());
    }

    #[test]
    fn ci_counts_by_existence_and_can_be_overridden() {
        assert!(resolve("x plan", &[("CI", "false")]).unwrap().ci);
        assert!(!resolve("x plan --no-ci", &[("CI", "1")]).unwrap().ci);
        assert!(resolve("x plan --ci", &[]).unwrap().ci);
    }

    #[test]
    fn debug_is_a_number_or_a_boolean() {
        let told = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            verbosity(0, &pairs.collect())
        };
        for (value, expected) in
            [("1", 1), ("2", 2), ("9", 2), ("true", 1), ("false", 0), ("0", 0), ("app:*", 0)]
        {
            assert_eq!(told(&[("DEBUG", value)]), expected, "{value}");
        }
        assert_eq!((told(&[]), told(&[("VERBOSE", "")]), verbosity(2, &Environment::new())), (0, 1, 2));
    }

    #[test]
    fn runways_variables_are_heeded() {
        let settings = resolve(
            "x plan",
            &[("RUNWAY_MAX_CONCURRENT_CFNGIN_STACKS", "3"), ("CFNGIN_STACK_POLL_TIME", "2")],
        )
        .unwrap();
        assert_eq!((settings.concurrency, settings.poll_limit), (3, Duration::from_secs(2)));
        assert_eq!(
            resolve("x plan", &[("RUNWAY_MAX_CONCURRENT_CFNGIN_STACKS", "0")]).unwrap().concurrency,
            CONCURRENCY
        );
        assert!(resolve("x plan", &[("CFNGIN_STACK_POLL_TIME", "soon")]).is_err());
    }

    #[test]
    fn the_time_for_python_is_a_positive_number() {
        let limit = |value| resolve("x plan", &[(TIMEOUT_VARIABLE, value)]);
        assert_eq!(limit("60").unwrap().python_timeout, Duration::from_secs(60));
        assert_eq!(limit("").unwrap().python_timeout, DEFAULT_TIMEOUT);
        for wrong in ["0", "-1", "soon", "1.5"] {
            let problem = limit(wrong).unwrap_err();
            assert_eq!(problem.exit_code(), ExitCode::Usage);
            assert!(problem.to_string().ends_with(&format!("at least 1, not `{wrong}`")), "{problem}");
        }
    }

    #[test]
    fn configs_are_told_from_other_files() {
        let names = ["a.yml", "runway-foo.yml", "buildspec-x.yml", "Z.yaml"];
        let others =
            [".a.yml", "runway.yml", "runway.module.yml", "docker-compose.override.yml", "a.YML", "a.json"];
        assert!(names.into_iter().all(is_config));
        assert!(!others.into_iter().any(is_config));
    }
}
