//! Options of `assets job`.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use runway_artifacts::job::{RunAs, is_label, is_subdomain};

use super::shared::{
    AssetsAge, AssetsHow, AssetsManifest, AssetsPlace, AssetsPurge, PruneAfter, duration_with_unit,
};
use super::{AssetsPrune, AssetsPush};

/// Options of `assets job`: its own, and those that the Job is to push and prune with.
#[derive(Debug, Args)]
pub struct AssetsJob {
    // The first: every field takes its values away.
    #[command(flatten)]
    pub given: Given,
    /// Image with this program
    #[arg(long, value_name = "IMAGE", env = "RUNWAY_RS_ASSETS_RUNNER_IMAGE", value_parser = image)]
    pub runner_image: String,
    /// Where the built files are in the app's image, which --image names
    #[arg(long, value_name = "PATH", env = "RUNWAY_RS_ASSETS_SOURCE_PATH", default_value = "/srv/dist", value_parser = absolute)]
    pub source_path: String,
    /// Print a CronJob that prunes by this schedule, for example "0 3 * * *"; with --image after the Job
    #[arg(long, value_name = "SCHEDULE", env = "RUNWAY_RS_ASSETS_CRON", value_parser = schedule)]
    pub cron: Option<String>,
    /// Service account that has the role to write the bucket
    #[arg(long, value_name = "NAME", env = "RUNWAY_RS_ASSETS_SERVICE_ACCOUNT", value_parser = subdomain)]
    pub service_account: Option<String>,
    /// Secret whose entries become variables, for example AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    #[arg(long, value_name = "NAME", env = "RUNWAY_RS_ASSETS_SECRET", value_parser = subdomain)]
    pub secret: Option<String>,
    /// Namespace of the cluster
    #[arg(long, value_name = "NAME", env = "RUNWAY_RS_ASSETS_NAMESPACE", value_parser = label)]
    pub namespace: Option<String>,
    /// User as whom the pods run; `any` leaves it to the cluster, as OpenShift wants it. Never root
    #[arg(long, value_name = "UID", env = "RUNWAY_RS_ASSETS_RUN_AS", default_value = "65532", value_parser = run_as)]
    pub run_as: RunAs,
    /// Name the Job by app and build, for `kubectl apply`; otherwise every `kubectl create` makes another one
    #[arg(long, env = "RUNWAY_RS_ASSETS_NAME_BY_BUILD", value_parser = BoolishValueParser::new())]
    pub name_by_build: bool,
    /// Time after which the Job is ended
    #[arg(long, value_name = "DURATION", env = "RUNWAY_RS_ASSETS_DEADLINE", default_value = "30m", value_parser = seconds)]
    pub deadline: Duration,
    /// How often it is tried again if it fails
    #[arg(long, value_name = "N", env = "RUNWAY_RS_ASSETS_RETRIES", default_value = "3", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
    /// How long the cluster keeps it when it is over
    #[arg(long, value_name = "DURATION", env = "RUNWAY_RS_ASSETS_KEEP", default_value = "24h", value_parser = duration_with_unit)]
    pub keep: Duration,
    /// Form of the manifests
    #[arg(long, value_enum, env = "RUNWAY_RS_ASSETS_JOB_FORMAT", default_value = "yaml")]
    pub format: JobFormat,
    #[command(flatten)]
    pub place: AssetsPlace,
    #[command(flatten)]
    pub how: AssetsHow,
    #[command(flatten)]
    pub manifest: AssetsManifest,
    #[command(flatten)]
    pub age: AssetsAge,
    #[command(flatten)]
    pub pruning: PruneAfter,
    #[command(flatten)]
    pub purge: AssetsPurge,
}

/// Forms of manifests for Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum JobFormat {
    Yaml,
    Json,
}

/// Options that were given, on the command line or by variables, as `assets push` and `assets prune` take them. App, bucket
/// and image are not among them.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Those of a push.
    pub push: Vec<String>,
    /// Those of a prune.
    pub prune: Vec<String>,
}

/// Options that a Job has by other means.
const OWN: [&str; 6] = ["app", "bucket", "image", "directory", "format", "report"];

impl Given {
    fn of(matches: &ArgMatches, command: &Command) -> Vec<String> {
        let mut words = Vec::new();
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let Some(long) = argument.get_long().filter(|_| !OWN.contains(&id)) else { continue };
            let is_known = matches.ids().any(|known| known.as_str() == id);
            let source = is_known.then(|| matches.value_source(id)).flatten();
            if !matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
                continue;
            }
            if matches!(argument.get_action(), ArgAction::SetTrue) {
                words.extend(matches.get_flag(id).then(|| format!("--{long}")));
                continue;
            }
            for value in matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy()) {
                if value.starts_with('-') {
                    words.push(format!("--{long}={value}"));
                } else {
                    words.extend([format!("--{long}"), value.into_owned()]);
                }
            }
        }
        words
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let of = |command: Command| Self::of(matches, &command);
        Ok(Self {
            push: of(AssetsPush::augment_args(Command::new("push"))),
            prune: of(AssetsPrune::augment_args(Command::new("prune"))),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A reference to an image: no more than that it can be one is looked at.
fn image(text: &str) -> Result<String, String> {
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    if text.is_empty() || text.contains(is_odd) || text.starts_with('-') {
        return Err("expected the name of an image, for example quay.io/x/runway-rs:0.1.0".to_owned());
    }
    Ok(text.to_owned())
}

fn absolute(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("expected an absolute path, for example /srv/dist".to_owned())
    }
}

fn label(text: &str) -> Result<String, String> {
    let refuse = "expected lower-case letters, digits and hyphens, at most 63 of them";
    is_label(text).then(|| text.to_owned()).ok_or_else(|| refuse.to_owned())
}

fn subdomain(text: &str) -> Result<String, String> {
    let refuse = "expected lower-case letters, digits, hyphens and points";
    is_subdomain(text).then(|| text.to_owned()).ok_or_else(|| refuse.to_owned())
}

fn run_as(text: &str) -> Result<RunAs, String> {
    match text.parse() {
        _ if text == "any" => Ok(RunAs::Any),
        Ok(0) => Err("the pods must not run as root".to_owned()),
        Ok(user) if user <= i32::MAX.unsigned_abs() => Ok(RunAs::User(user)),
        _ => Err("expected the number of a user, or `any`".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let duration = duration_with_unit(text)?;
    if duration >= Duration::from_secs(60) { Ok(duration) } else { Err("must be at least 1m".to_owned()) }
}

/// Fields of a schedule with their least and greatest values, and names that stand for some.
const FIELDS: [(u32, u32, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    (0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// A schedule as CronJobs take it: five fields, or a word for a usual one.
fn schedule(text: &str) -> Result<String, String> {
    let words = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let fits =
        fields.len() == FIELDS.len() && fields.iter().zip(FIELDS).all(|(field, kind)| is_field(field, kind));
    if fits {
        Ok(fields.join(" "))
    } else {
        Err("expected minute, hour, day of the month, month and day of the week, for example \"0 3 * * *\""
            .to_owned())
    }
}

fn is_field(text: &str, (least, greatest, names): (u32, u32, &[&str])) -> bool {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number =
            named.and_then(|at| u32::try_from(at).ok()).map(|at| at + least).or_else(|| text.parse().ok());
        number.filter(|number| (least..=greatest).contains(number) && !text.starts_with('+'))
    };
    text.split(',').all(|part| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let has_step = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0));
        let is_range = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => true,
            Some((first, last)) => number(first).zip(number(last)).is_some_and(|(first, last)| first <= last),
            None => number(range).is_some(),
        };
        has_step && is_range
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_that_clusters_take() {
        for right in ["0 3 * * *", "*/15 0-6,22 1,15 jan-MAR mon-fri", "@daily", "5/10 * ? * 0"] {
            assert!(schedule(right).is_ok(), "{right}");
        }
        assert_eq!(schedule("0  3 * * *").as_deref(), Ok("0 3 * * *"));
        for wrong in
            ["", "0 3 * *", "60 3 * * *", "0 24 * * *", "0 3 0 * *", "0 3 * 13 *", "0 3 * * 8", "@often"]
        {
            assert!(schedule(wrong).is_err(), "{wrong}");
        }
        for wrong in ["*/0 * * * *", "6-2 * * * *", "0 3 * * * *", "a * * * *", "+1 * * * *", "1- * * * *"] {
            assert!(schedule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pods_never_run_as_root() {
        assert_eq!((run_as("any"), run_as("1000")), (Ok(RunAs::Any), Ok(RunAs::User(1000))));
        assert!(run_as("0").is_err() && run_as("root").is_err() && run_as("4294967295").is_err());
    }
}
