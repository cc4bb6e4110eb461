//! The task cache of a command: which modes hold, where its files are, and what is told of it at the end.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino::Utf8PathBuf;
use miette::Diagnostic;
use runway_core::cache::{
    Cache, CacheConfig, Check, Counters, LocalTier, Mode, Pace, Random, Remote, RemoteMode, Settings, Setup,
    Tiers, TrustKey,
};
use runway_core::clock::Clock;
use runway_core::error::{Finding, Problem};
use runway_core::exit::ExitCode;
use runway_core::render::cache::UseDocument;
use runway_host::cache::LocalCache;
use thiserror::Error;

use crate::args::{Global, Percent};
use crate::load::Loaded;
use crate::output::Output;
use crate::settings::{Environment, SettingsProblem};
use crate::work::Work;

/// How long the end of an interrupted run writes to the cache.
const AFTER_AN_INTERRUPT: Duration = Duration::from_secs(1);

/// Mistakes in commands about the cache.
#[derive(Debug, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub(crate) enum CacheUsage {
    #[error(
        "there is nothing to warm: this machine's part of the cache is `{local}`, the bucket's is `{remote}`"
    )]
    #[diagnostic(
        code(cache::nothing_to_warm),
        help(
            "an option, a variable or the section `cache` of the config says so, or there is no bucket; `--cache read-write` writes to both parts"
        )
    )]
    NothingToWarm { local: Mode, remote: Mode },

    #[error("`{kind}` is no kind of records")]
    #[diagnostic(code(cache::no_such_kind), help("the kinds are {kinds}"))]
    NoSuchKind { kind: String, kinds: String },

    #[error("the bucket's part of the cache is to be left alone, and the command is about it")]
    #[diagnostic(
        code(cache::bucket_left_alone),
        help(
            "`--cache`, `--cache-remote`, RUNWAY_RS_CACHE or RUNWAY_RS_CACHE_REMOTE says so; `--cache-remote read-write` wins over the variables"
        )
    )]
    BucketLeftAlone,

    #[error("the config has no bucket, so that its cache is on this machine only")]
    #[diagnostic(code(cache::no_bucket), help("leave `--remote` out, or set `cfngin_bucket`"))]
    NoBucket,

    #[error("cannot read {path}: {message}")]
    #[diagnostic(code(cache::no_bundle), help("give a file that `runway-rs cache export` wrote"))]
    NoBundle { path: Utf8PathBuf, message: String },

    #[error("`{name}` is no stack, no task, and nothing that a record is about")]
    #[diagnostic(code(cache::no_such_subject), help("`runway-rs cache ls` lists what records are about"))]
    NoSuchSubject { name: String },
}

impl Problem for CacheUsage {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoBundle { .. } => ExitCode::Config,
            _ => ExitCode::Usage,
        }
    }
}

/// What the command line and the environment say about the cache.
#[derive(Debug, Clone, Default)]
pub(crate) struct CacheChoice {
    local: Option<Mode>,
    remote: Option<RemoteMode>,
    /// What records are signed with.
    pub(crate) key: Option<TrustKey>,
    check: Option<Check>,
}

impl CacheChoice {
    /// What flags say, or else variables; the rest is for the config to say.
    pub(crate) fn resolve(global: &Global, environment: &Environment) -> Result<Self, SettingsProblem> {
        let mut choice = Self::default();
        choice.take(word(environment, "RUNWAY_RS_CACHE")?, word(environment, "RUNWAY_RS_CACHE_REMOTE")?);
        choice.take(if global.no_cache { Some(Mode::Off) } else { global.cache }, global.cache_remote);
        choice.key = environment.get("RUNWAY_RS_CACHE_KEY").and_then(|text| TrustKey::new(text));
        choice.check = word::<Share>(environment, "RUNWAY_RS_CACHE_CHECK")?
            .map(|Share(percent)| Check { percent })
            .filter(|check| check.percent > 0);
        Ok(choice)
    }

    /// What one place says: a mode is for both tiers, unless it says something else about the bucket's.
    fn take(&mut self, both: Option<Mode>, remote: Option<RemoteMode>) {
        self.local = both.or(self.local);
        self.remote = remote.or(both.map(RemoteMode::Always)).or(self.remote);
    }

    /// How a command uses the cache of a config.
    pub(crate) fn settings(&self, config: &CacheConfig, changes_stacks: bool) -> Settings {
        let of_config = config.settings(changes_stacks);
        Settings {
            local: self.local.unwrap_or(of_config.local),
            remote: self.remote.map_or(of_config.remote, |remote| remote.of(changes_stacks)),
            check: self.check,
            ..of_config
        }
    }

    /// Whether the bucket's part is left alone, also by commands about the cache.
    pub(crate) fn leaves_bucket_alone(&self) -> bool {
        self.remote == Some(RemoteMode::Always(Mode::Off))
    }
}

/// How many of the hits are checked: a switch, or a share. A bare number but these two could be meant as either.
struct Share(u8);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "1" | "true" => Ok(Self(100)),
            "0" | "false" => Ok(Self(0)),
            share if share.ends_with('%') => share.parse().map(|Percent(percent)| Self(percent)),
            _ => Err(format!("`{text}` is neither `1` for everything nor a share such as `5%`")),
        }
    }
}

/// The value of a variable, if it is set.
fn word<T: FromStr<Err = String>>(
    environment: &Environment,
    name: &'static str,
) -> Result<Option<T>, SettingsProblem> {
    let value = environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let parsed = value.map(str::parse).transpose();
    parsed.map_err(|reason| SettingsProblem::CacheVariable { name, reason })
}

/// Chance, for pauses between attempts.
fn random() -> Random {
    Arc::new(|| uuid::Uuid::new_v4().as_u64_pair().0)
}

/// Files of the cache of a config on this machine.
pub(crate) fn local_tier(work: &Work, loaded: &Loaded) -> Arc<dyn LocalTier> {
    let config = &loaded.config;
    let base: Utf8PathBuf = match &config.cache_directory {
        Some(directory) => loaded.directory.join(directory),
        None => work.root.as_ref().unwrap_or(&loaded.directory).join(".runway/cache"),
    };
    let provider = &work.connected.provider;
    let bucket = config.bucket_name(provider.region());
    // The account is an ingredient of every record that depends on it; asking for it here would cost a request before
    // anything else can begin.
    let account = "";
    let bucket = bucket.as_ref().map(|bucket| bucket.as_str());
    let base = base.as_std_path();
    Arc::new(LocalCache::new(base, &provider.identity(), bucket, &config.namespace, account))
}

/// The bucket's part of the cache of a config; `None` if the config has no bucket.
pub(crate) fn remote_tier(work: &Work, loaded: &Loaded) -> Option<Remote> {
    let provider = &work.connected.provider;
    let bucket = loaded.config.bucket_name(provider.region())?;
    let store = provider.object_store(&bucket, loaded.config.bucket_region.as_deref());
    Some(Remote::new(store, &loaded.config.namespace))
}

fn pace(clock: &Arc<dyn Clock>) -> Pace {
    Pace { clock: Arc::clone(clock), random: random() }
}

/// Who writes records, for people.
fn writer(work: &Work) -> String {
    let holder = &work.settings.holder;
    format!("{}@{}", holder.user, holder.host)
}

/// A cache of a config with these settings.
pub(crate) fn open(work: &Work, loaded: &Loaded, settings: Settings, clock: &Arc<dyn Clock>) -> Arc<Cache> {
    let setup = Setup {
        namespace: loaded.config.namespace.clone(),
        local: Some(local_tier(work, loaded)),
        pace: pace(clock),
        writer: writer(work),
        command: work.settings.holder.command.clone(),
        key: work.settings.cache.key.clone(),
    };
    Arc::new(Cache::new(settings, setup))
}

/// The tiers of a config, for commands about the cache.
pub(crate) fn tiers(work: &Work, loaded: &Loaded, clock: &Arc<dyn Clock>) -> Tiers {
    Tiers {
        local: Some(local_tier(work, loaded)),
        remote: remote_tier(work, loaded).filter(|_| !work.settings.cache.leaves_bucket_alone()),
        pace: pace(clock),
        writer: writer(work),
        key: work.settings.cache.key.clone(),
    }
}

/// The caches that a command works with: configs with the same bucket and namespace share one.
#[derive(Default)]
pub(crate) struct Caches(Mutex<BTreeMap<String, Arc<Cache>>>);

impl Caches {
    /// The cache of a config.
    pub(crate) fn of(
        &self,
        work: &Work,
        loaded: &Loaded,
        changes_stacks: bool,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Cache> {
        let settings = work.settings.cache.settings(&loaded.config.cache, changes_stacks);
        let tier = local_tier(work, loaded);
        // Other credentials may see another bucket, or may not see it.
        let connection = Arc::as_ptr(&work.connected);
        let identity = format!("{connection:p} {} {} {settings:?}", tier.place(), loaded.config.namespace);
        let mut caches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(caches.entry(identity).or_insert_with(|| open(work, loaded, settings, clock)))
    }

    fn all(&self) -> Vec<Arc<Cache>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Writes what the command made to the caches, and tells of trouble, which changes nothing else.
    pub(crate) async fn publish(&self, changes_stacks: bool, is_interrupted: bool, output: &Output) {
        let mut warnings: Vec<Finding> = Vec::new();
        for cache in self.all() {
            if is_interrupted {
                cache.publish_within(changes_stacks, AFTER_AN_INTERRUPT).await;
            } else {
                cache.publish(changes_stacks).await;
            }
            warnings.extend(cache.warnings().into_iter().map(Finding::general));
        }
        output.findings(&warnings, ExitCode::Ok);
    }

    /// What the command had of its caches; `None` if it asked none.
    pub(crate) fn used(&self) -> Option<UseDocument> {
        let mut sum = Counters::default();
        for counters in self.all().iter().map(|cache| cache.counters()) {
            sum.hits += counters.hits;
            sum.misses += counters.misses;
            sum.requests += counters.requests;
            sum.saved_ms += counters.saved_ms;
            sum.published += counters.published;
            sum.checked += counters.checked;
        }
        (sum != Counters::default()).then(|| UseDocument::of(&sum))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Arguments;

    fn settings(line: &str, variables: &[(&str, &str)], changes: bool) -> (Mode, Mode) {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let choice = CacheChoice::resolve(&arguments.global, &pairs.collect()).unwrap();
        let settings = choice.settings(&CacheConfig::default(), changes);
        (settings.local, settings.remote)
    }

    #[test]
    fn flags_win_over_variables_and_those_over_the_config() {
        use Mode::{Off, Read, ReadWrite, Refresh};
        assert_eq!(settings("x plan", &[], false), (ReadWrite, Read));
        assert_eq!(settings("x deploy", &[], true), (ReadWrite, ReadWrite));
        assert_eq!(settings("x deploy --no-cache", &[], true), (Off, Off));
        assert_eq!(settings("x deploy --cache read", &[], true), (Read, Read));
        assert_eq!(settings("x deploy --cache-remote read", &[], true), (ReadWrite, Read));
        assert_eq!(settings("x deploy --cache refresh --cache-remote off", &[], true), (Refresh, Off));
        let off: &[(&str, &str)] = &[("RUNWAY_RS_CACHE", "off")];
        assert_eq!(settings("x deploy", off, true), (Off, Off));
        assert_eq!(settings("x deploy --cache read-write", off, true), (ReadWrite, ReadWrite));
        assert_eq!(settings("x deploy --cache-remote auto", off, true), (Off, ReadWrite));
        let read: &[(&str, &str)] = &[("RUNWAY_RS_CACHE_REMOTE", "read")];
        assert_eq!(settings("x deploy", read, true), (ReadWrite, Read));
        // A flag about both tiers is about this one, too.
        assert_eq!(settings("x deploy --no-cache", read, true), (Off, Off));
    }

    #[test]
    fn a_config_that_switches_it_off_can_be_overridden() {
        let config = CacheConfig { is_enabled: false, ..CacheConfig::default() };
        let of = |choice: &CacheChoice| {
            let settings = choice.settings(&config, true);
            (settings.local, settings.remote)
        };
        assert_eq!(of(&CacheChoice::default()), (Mode::Off, Mode::Off));
        let chosen = CacheChoice { local: Some(Mode::ReadWrite), ..CacheChoice::default() };
        assert_eq!(of(&chosen), (Mode::ReadWrite, Mode::Off));
    }

    #[test]
    fn what_is_checked_is_everything_or_a_share() {
        let arguments = Arguments::try_parse_from(["x", "plan"]).unwrap();
        let percent = |value: &str| {
            let environment = Environment::from([("RUNWAY_RS_CACHE_CHECK".to_owned(), value.to_owned())]);
            CacheChoice::resolve(&arguments.global, &environment).unwrap().check.map(|check| check.percent)
        };
        assert_eq!(["1", "true", "100%"].map(percent), [Some(100); 3]);
        assert_eq!(["1%", "5%"].map(percent), [Some(1), Some(5)]);
        assert_eq!(["", "0", "false", "0%"].map(percent), [None; 4]);
    }

    #[test]
    fn wrong_words_are_refused() {
        let arguments = Arguments::try_parse_from(["x", "plan"]).unwrap();
        for (name, value) in [
            ("RUNWAY_RS_CACHE", "yes"),
            ("RUNWAY_RS_CACHE_REMOTE", "write"),
            ("RUNWAY_RS_CACHE_CHECK", "101"),
            ("RUNWAY_RS_CACHE_CHECK", "101%"),
            ("RUNWAY_RS_CACHE_CHECK", "5"),
            ("RUNWAY_RS_CACHE_CHECK", "some"),
        ] {
            let environment = Environment::from([(name.to_owned(), value.to_owned())]);
            let problem = CacheChoice::resolve(&arguments.global, &environment).unwrap_err();
            assert!(problem.to_string().contains(name) && problem.to_string().contains(value), "{problem}");
        }
        assert!(Arguments::try_parse_from(["x", "plan", "--cache", "auto"]).is_err());
        assert!(Arguments::try_parse_from(["x", "plan", "--cache-remote", "auto"]).is_ok());
        assert!(Arguments::try_parse_from(["x", "plan", "--cache", "read", "--no-cache"]).is_err());
    }
}
