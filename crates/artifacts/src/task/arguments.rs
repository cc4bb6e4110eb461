//! What an entry of `assets` says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use runway_core::config::duration;
use serde::{Deserialize, Serialize};

use crate::assets::{
    Check, LAST_ENTRY, PruneRequest, PushRequest, Rules, StoreConditions, build_name, content_type, globs,
};
use crate::format::{Build, MOST_REMEMBERED, ManifestFormat};
use crate::names::{AppName, AssetPath, Layout};
use crate::protocol::PushMode;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many transfers are under way at once.
const CONCURRENCY: usize = 16;

/// Arguments of a push, as the config spells them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetArguments {
    app: Scalar,
    source: String,
    pub(super) bucket: Bucket,
    #[serde(default)]
    build: BuildArguments,
    #[serde(default)]
    entry: Option<Vec<String>>,
    #[serde(default)]
    late: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    immutable: Option<String>,
    #[serde(default)]
    cache_control: CacheControl,
    #[serde(default)]
    content_types: BTreeMap<String, String>,
    #[serde(default)]
    manifest_format: Form,
    #[serde(default)]
    manifest_time: Time,
    #[serde(default)]
    prune: Prune,
    #[serde(default)]
    concurrency: Option<usize>,
    #[serde(default)]
    deny_in_place: bool,
    #[serde(default)]
    allow_older: bool,
}

/// A text that YAML may have read as a number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "a text or a number")]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
}

/// A bucket by its name, or with where it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "`bucket` must be a name, or a map with `name`, `prefix` and `region`")]
pub(super) enum Bucket {
    Name(String),
    Place(BucketPlace),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BucketPlace {
    name: String,
    #[serde(default)]
    prefix: Option<String>,
    #[serde(default)]
    region: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BuildArguments {
    #[serde(default)]
    commit: Option<Scalar>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    timestamp: Option<Scalar>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheControl {
    #[serde(default)]
    entry: Option<String>,
    #[serde(default)]
    immutable: Option<String>,
    #[serde(default)]
    default: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    List,
    Valpop,
    #[default]
    V2,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Time {
    #[default]
    Push,
    Build,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prune {
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    threshold: Option<Scalar>,
    #[serde(default)]
    min_keep: Option<usize>,
    #[serde(default)]
    max_delete_ratio: Option<f64>,
    #[serde(default)]
    orphans: bool,
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Bucket {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Place(BucketPlace { name, .. }) => name,
        }
    }

    /// What all keys begin with: empty, or with a slash at its end.
    pub(super) fn prefix(&self) -> String {
        match self {
            Self::Place(BucketPlace { prefix: Some(prefix), .. }) if !prefix.is_empty() => {
                format!("{}/", prefix.trim_end_matches('/'))
            }
            _ => String::new(),
        }
    }

    pub(super) fn region(&self) -> Option<&str> {
        match self {
            Self::Place(BucketPlace { region, .. }) => region.as_deref(),
            Self::Name(_) => None,
        }
    }
}

impl AssetArguments {
    pub(super) fn app(&self) -> String {
        self.app.text()
    }

    pub(super) fn concurrency(&self) -> usize {
        self.concurrency.unwrap_or(CONCURRENCY)
    }

    /// Image or commit of the build, if either is given.
    pub(super) fn build_name(&self) -> Option<String> {
        self.build.image.clone().or_else(|| self.build.commit.as_ref().map(Scalar::text))
    }

    /// Where everything of the app is.
    pub(super) fn layout(&self) -> Result<Layout, String> {
        let app: AppName = self.app().parse().map_err(|error| format!("`app`: {error}"))?;
        Layout::new(&self.bucket.prefix(), app).map_err(|error| format!("`prefix`: {error}"))
    }

    fn timestamp(&self) -> Result<Option<u64>, String> {
        let Some(given) = &self.build.timestamp else { return Ok(None) };
        let text = given.text();
        // What a variable of the environment gives may be empty.
        if text.is_empty() {
            return Ok(None);
        }
        text.parse()
            .map(Some)
            .map_err(|_| format!("`build.timestamp` is `{text}`, and must be seconds since 1970"))
    }

    fn rules(&self) -> Result<Rules, String> {
        let mut rules = Rules::usual()?;
        rules.entry.clone_from(&self.entry);
        let patterns = |field: &str, texts: &[String]| {
            globs(texts.iter().map(String::as_str)).map_err(|error| format!("`{field}`: {error}"))
        };
        rules.late = patterns("late", &self.late)?;
        rules.exclude = patterns("exclude", &self.exclude)?;
        if let Some(pattern) = &self.immutable {
            let words = |error: regex::Error| error.to_string().lines().last().unwrap_or_default().to_owned();
            rules.immutable =
                regex::Regex::new(pattern).map_err(|error| format!("`immutable`: {}", words(error)))?;
        }
        let control = &self.cache_control;
        for (name, given, rule) in [
            ("entry", &control.entry, &mut rules.cache_entry),
            ("immutable", &control.immutable, &mut rules.cache_immutable),
            ("default", &control.default, &mut rules.cache_default),
        ] {
            if let Some(value) = given {
                if value.is_empty() || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                    return Err(format!("`cache_control.{name}` must be printable ASCII"));
                }
                rule.clone_from(value);
            }
        }
        let types = self.content_types.iter().map(|(ending, kind)| {
            let wrong = |reason| format!("`content_types` has `{}`: {reason}", ending.escape_debug());
            content_type(ending, kind).map_err(wrong)
        });
        rules.content_types = types.collect::<Result<_, _>>()?;
        Ok(rules)
    }

    /// The push itself; `directory` is what `source` is relative to.
    pub(super) fn request(
        &self,
        directory: &Path,
        conditions: StoreConditions,
    ) -> Result<PushRequest, String> {
        let timestamp = self.timestamp()?;
        Ok(PushRequest {
            source: directory.join(&self.source),
            rules: self.rules()?,
            build: Build { commit: self.build.commit.as_ref().map(Scalar::text), timestamp },
            image: self.build.image.clone().filter(|image| !image.is_empty()),
            format: match self.manifest_format {
                Form::List => ManifestFormat::List,
                Form::Valpop => ManifestFormat::Valpop,
                Form::V2 => ManifestFormat::V2,
            },
            mode: PushMode {
                allow_older: self.allow_older,
                force: false,
                deny_in_place: self.deny_in_place,
                named_by_build: self.manifest_time == Time::Build,
            },
            check: Check::List,
            conditions,
        })
    }

    /// The prune after the push, if there is to be one.
    pub(super) fn prune(&self, conditions: StoreConditions) -> Result<Option<PruneRequest>, String> {
        if !self.prune.enabled {
            return Ok(None);
        }
        let threshold = match &self.prune.threshold {
            None => 2 * DAY,
            Some(given) => duration(&given.text()).ok_or_else(|| {
                format!(
                    "`prune.threshold` is `{}`, and must be a number and one of s, m, h and d, for example 48h",
                    given.text()
                )
            })?,
        };
        let share = self.prune.max_delete_ratio.unwrap_or(0.5);
        if !(0.0..=1.0).contains(&share) {
            return Err("`prune.max_delete_ratio` must be from 0 to 1".to_owned());
        }
        let min_keep = self.prune.min_keep.unwrap_or(3);
        if min_keep > MOST_REMEMBERED {
            return Err(format!(
                "`prune.min_keep` is at most {MOST_REMEMBERED}: so many builds are remembered as once live"
            ));
        }
        let protected: AssetPath = LAST_ENTRY.parse().map_err(|error| format!("{error}"))?;
        Ok(Some(PruneRequest {
            threshold,
            min_keep,
            intent_ttl: DAY,
            protected: BTreeSet::from([protected]),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is between 0 and 1"
            )]
            max_share: Some((share * 1_000_000.0) as u32),
            orphans: self.prune.orphans.then_some(7 * DAY),
            dry_run: false,
            upcoming: None,
            may_wait: false,
            conditions,
        }))
    }

    /// What the prune after a push that would be made now would find, if there is to be one.
    pub(super) fn dry_prune(&self) -> Result<Option<PruneRequest>, String> {
        let prune = self.prune(StoreConditions::Unknown)?;
        Ok(prune.map(|prune| PruneRequest { dry_run: true, ..prune }))
    }

    /// What is wrong with them, one sentence each.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let commit = self.build.commit.as_ref().map(Scalar::text);
        problems.extend(self.layout().err());
        problems.extend(self.rules().err());
        problems.extend(self.prune(StoreConditions::Unknown).err());
        let timestamp = self.timestamp();
        if self.manifest_time == Time::Build && timestamp == Ok(None) {
            problems.push("`manifest_time: build` needs `build.timestamp`".to_owned());
        }
        problems.extend(timestamp.err());
        for (field, given) in [("image", &self.build.image), ("commit", &commit)] {
            let given = given.as_deref().map(build_name);
            problems.extend(given.and_then(Result::err).map(|reason| format!("`build.{field}`: {reason}")));
        }
        if self.source.trim().is_empty() {
            problems.push("`source` is empty: it names the directory with the built files".to_owned());
        }
        if self.bucket.name().trim().is_empty() {
            problems.push("`bucket` is empty".to_owned());
        }
        if self.concurrency.is_some_and(|count| !(1..=256).contains(&count)) {
            problems.push("`concurrency` must be from 1 to 256".to_owned());
        }
        problems
    }
}
