//! From arguments and variables to what is to be pushed and pruned.

use std::collections::BTreeSet;
use std::time::Duration;

use runway_artifacts::assets::{Check, PruneRequest, PushRequest, Rules, StoreConditions, build_name, globs};
use runway_artifacts::format::{Build, MOST_REMEMBERED, ManifestFormat};
use runway_artifacts::names::AssetPath;
use runway_artifacts::protocol::PushMode;
use runway_core::engine::EngineError;

use super::AssetsContext;
use super::place::PlaceProblem;
use crate::args::{AssetsAge, AssetsBuild, AssetsJob, AssetsPush, CheckBy, ManifestForm, ManifestTime};

/// How old a file must be that nobody names.
const ORPHANS: Duration = Duration::from_secs(7 * 24 * 3600);

/// Threshold, unless told otherwise.
const THRESHOLD: Duration = Duration::from_secs(48 * 3600);

/// Builds that stay, unless told otherwise.
const MIN_KEEP: usize = 3;

/// Options that variables stand for.
pub(super) struct Of {
    pub(super) push: Vec<String>,
    pub(super) prune: Vec<String>,
}

fn wrong(option: &'static str, reason: impl Into<String>) -> EngineError {
    EngineError::of(PlaceProblem::Value { name: option, reason: reason.into() })
}

impl AssetsContext<'_> {
    /// What is to be pushed.
    pub(super) fn request(
        &self,
        build: &AssetsBuild,
        conditions: StoreConditions,
    ) -> Result<PushRequest, EngineError> {
        let source = build.source.clone().or_else(|| self.variable("VALPOP_SOURCE").map(Into::into));
        let source = source.ok_or_else(|| missing("--source", "RUNWAY_RS_ASSETS_SOURCE"))?;
        let how = &build.how;
        let mut rules = Rules::usual().map_err(|reason| wrong("--immutable", reason))?;
        if !how.entry.is_empty() {
            rules.entry = Some(how.entry.clone());
        }
        let patterns = |option, texts: &[String]| {
            globs(texts.iter().map(String::as_str)).map_err(|reason| wrong(option, reason))
        };
        rules.late = patterns("--late", &how.late)?;
        rules.exclude = patterns("--exclude", &how.exclude)?;
        if let Some(pattern) = &how.immutable {
            rules.immutable = regex::Regex::new(pattern).map_err(|error| {
                wrong("--immutable", error.to_string().lines().last().unwrap_or_default())
            })?;
        }
        if let Some(seconds) = self.number("VALPOP_CACHE_MAX_AGE")? {
            rules.cache_default = format!("public, max-age={seconds}");
        }
        for (given, rule) in [
            (&how.cache_control, &mut rules.cache_default),
            (&how.cache_control_entry, &mut rules.cache_entry),
            (&how.cache_control_immutable, &mut rules.cache_immutable),
        ] {
            if let Some(value) = given {
                if value.is_empty() || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                    return Err(wrong("--cache-control", "it must be printable ASCII"));
                }
                rule.clone_from(value);
            }
        }
        let image = how.image.clone().or_else(|| self.variable("VALPOP_IMAGE"));
        for (option, given) in [("--image", &image), ("--commit", &how.commit)] {
            if let Some(text) = given {
                build_name(text).map_err(|reason| wrong(option, reason))?;
            }
        }
        rules.content_types = how.content_type.iter().cloned().collect();
        Ok(PushRequest {
            source: self.current.join(source).into_std_path_buf(),
            rules,
            build: Build { commit: how.commit.clone(), timestamp: how.build_timestamp },
            image,
            format: ManifestFormat::V2,
            mode: PushMode {
                allow_older: how.allow_older,
                force: how.force,
                deny_in_place: how.deny_in_place,
                named_by_build: false,
            },
            check: match how.check {
                CheckBy::List => Check::List,
                CheckBy::Head => Check::Head,
            },
            conditions,
        })
    }

    /// What a prune keeps.
    pub(super) fn rules(
        &self,
        age: &AssetsAge,
        conditions: StoreConditions,
    ) -> Result<PruneRequest, EngineError> {
        let of_valpop = self.number("VALPOP_TIMEOUT")?.map(Duration::from_secs);
        let min_keep = match age.min_keep {
            Some(count) => Some(u64::from(count)),
            None => self.number("VALPOP_MIN_ASSET_RECORDS")?,
        };
        if min_keep.is_some_and(|count| count > MOST_REMEMBERED as u64) {
            let reason = format!("at most {MOST_REMEMBERED}: so many builds are remembered as once live");
            return Err(wrong("--min-keep", reason));
        }
        let protected: Result<BTreeSet<AssetPath>, _> = age.protect.iter().map(|path| path.parse()).collect();
        Ok(PruneRequest {
            threshold: age.threshold.or(of_valpop).unwrap_or(THRESHOLD),
            min_keep: min_keep.and_then(|count| usize::try_from(count).ok()).unwrap_or(MIN_KEEP),
            intent_ttl: age.intent_ttl,
            protected: protected.map_err(|error| wrong("--protect", error.to_string()))?,
            max_share: (!age.yes).then_some(age.max_delete_ratio),
            orphans: age.orphans.then_some(ORPHANS),
            dry_run: false,
            upcoming: None,
            may_wait: false,
            conditions,
        })
    }

    /// A variable that is set to something.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// What variables of valpop say, as options of a push and of a prune.
    pub(super) fn of_valpop(&self, arguments: &AssetsJob) -> Result<Of, EngineError> {
        let AssetsJob { place, how, age, .. } = arguments;
        let mut prune = Vec::new();
        let mut tell = |option: &str, value: String| prune.extend([option.to_owned(), value]);
        if place.endpoint.is_none()
            && let Some(endpoint) = self.endpoint(place)?
        {
            tell("--endpoint", endpoint);
        }
        if age.threshold.is_none()
            && let Some(seconds) = self.number("VALPOP_TIMEOUT")?
        {
            tell("--threshold", format!("{seconds}s"));
        }
        if age.min_keep.is_none()
            && let Some(count) = self.number("VALPOP_MIN_ASSET_RECORDS")?
        {
            tell("--min-keep", count.to_string());
        }
        let mut push = prune.clone();
        if how.cache_control.is_none()
            && let Some(seconds) = self.number("VALPOP_CACHE_MAX_AGE")?
        {
            push.extend(["--cache-control".to_owned(), format!("public, max-age={seconds}")]);
        }
        Ok(Of { push, prune })
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, EngineError> {
        let parse = |text: String| {
            let refuse = |_| wrong(name, format!("`{}` is no whole number", text.escape_debug()));
            text.trim().parse().map_err(refuse)
        };
        self.variable(name).map(parse).transpose()
    }
}

/// What only a push has.
pub(super) fn complete(request: &mut PushRequest, arguments: &AssetsPush) -> Result<(), EngineError> {
    request.format = match arguments.manifest.manifest_format {
        ManifestForm::List => ManifestFormat::List,
        ManifestForm::Valpop => ManifestFormat::Valpop,
        ManifestForm::V2 => ManifestFormat::V2,
    };
    request.mode.named_by_build = arguments.manifest.manifest_time == ManifestTime::Build;
    if request.mode.named_by_build && request.build.timestamp.is_none() {
        return Err(missing("--build-timestamp", "RUNWAY_RS_ASSETS_BUILD_TIMESTAMP"));
    }
    Ok(())
}

pub(super) fn missing(option: &'static str, variable: &'static str) -> EngineError {
    EngineError::of(PlaceProblem::Missing { option, variable })
}
