//! Values of lookups that an earlier run found, where the config gives them a time to live (`cache.kinds.lookup.<name>.ttl`).
//!
//! A plan is the truth, so nothing of this happens by itself; and where it does, the plan says so. Only what a run asks
//! for the first time is taken from the cache: after hooks and after changes of stacks the service is asked.

use jiff::SignedDuration;

use crate::cache::kinds::{self, LOOKUP};
use crate::cache::{Ingredients, PlainJson};
use crate::engine::Engine;
use crate::plan::{Desired, Note};
use crate::registry::{Fetched, LookupFailure, LookupHandler, LookupRequest, PYTHON_VALUE};

/// Letters of a query that are shown to people.
const SHOWN: usize = 80;

impl Engine {
    /// Asks a handler, unless an earlier run has asked it lately enough.
    pub(super) async fn observe_lookup(
        &self,
        desired: &Desired,
        handler: &dyn LookupHandler,
        request: &LookupRequest,
    ) -> Result<Fetched, LookupFailure> {
        // Whoever is bound to a plan has to find out whether it still holds.
        if let Some(planned) = self.asked.planned.get(request) {
            return handler.fetch_planned(request, planned).await;
        }
        let Some(ingredients) = self.lookup_ingredients(desired, request).await else {
            return handler.fetch(request).await;
        };
        if self.asked.is_first(request)
            && self.asked.hooks().is_none()
            && let Some(found) = self.cache.find_dated::<PlainJson>(&ingredients)
        {
            let now = self.clock.now();
            self.asked.took_from_cache(&request.name, now.duration_since(found.at.unwrap_or(now)));
            return Ok(Fetched { value: found.output.into_value(), secret: false });
        }
        let began = self.clock.monotonic();
        let fetched = handler.fetch(request).await?;
        if let Some(plain) = PlainJson::of(&fetched).filter(|plain| !has_python_value(plain.value())) {
            self.cache.keep(&ingredients, &plain, self.clock.monotonic().saturating_sub(began));
        }
        Ok(fetched)
    }

    /// What a value is found by; `None` for what is never kept, or not by this config.
    async fn lookup_ingredients(&self, desired: &Desired, request: &LookupRequest) -> Option<Ingredients> {
        let name = format!("{}.{}", LOOKUP.name, request.name);
        let is_wanted = self.cache.settings().of_kind(&LOOKUP, &name).ttl.is_some();
        let is_never = kinds::NEVER_LOOKUPS.iter().any(|(never, _)| *never == request.name);
        if !is_wanted || is_never || request.place.is_some() {
            return None;
        }
        let secrets = self.asked.vault().secrets();
        if secrets.are_in(&request.query) || request.arguments.values().any(|value| secrets.are_in(value)) {
            return None;
        }
        // It was asked for before anything else, and is known.
        let place = self.provider.place().await.ok()?;
        let subject: String = format!("{} {}", request.name, request.query).chars().take(SHOWN).collect();
        let ingredients = Ingredients::new(LOOKUP, &self.cache_scope(&place), subject)
            .variant(request.name.clone())
            .input("query", request.query.as_str())
            .input("arguments", &request.arguments);
        // A lookup of the config's own is what its class is.
        let own = desired.config.lookups.get(&request.name).map(|own| own.path.clone());
        Some(ingredients.input("class", &own))
    }

    /// Says which lookups were not asked, and how old their oldest values are.
    pub(super) fn cached_lookups(&self) -> Vec<Note> {
        let cached = self.asked.cached_lookups();
        let text = |(name, age): (String, SignedDuration)| {
            let age = words(age);
            format!(
                "lookup `{name}`: cached {age}, because `cache` of the config gives it a `ttl`; `--cache refresh` asks again"
            )
        };
        let note = |text| Note { warning: false, code: "lookup::cached", text };
        cached.into_iter().map(text).map(note).collect()
    }
}

/// How long ago something was.
fn words(age: SignedDuration) -> String {
    let seconds = age.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} m", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn has_python_value(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(items) => items.iter().any(has_python_value),
        serde_json::Value::Object(entries) => {
            entries.contains_key(PYTHON_VALUE) || entries.values().any(has_python_value)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let cases = [(-5, "0 s"), (59, "59 s"), (60, "1 m"), (720, "12 m"), (7_199, "1 h"), (172_800, "2 d")];
        for (seconds, expected) in cases {
            assert_eq!(words(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
