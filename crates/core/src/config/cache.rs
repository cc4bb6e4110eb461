//! The section `cache`. CFNgin does not know it and passes over it.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use super::error::ConfigProblem;
use super::reader::{Fields, Reader, kind};
use crate::cache::{CacheConfig, Class, KindSettings, Limits, Mode, RemoteMode, kinds};
use crate::error::nearest;
use crate::lookup::handlers;
use crate::yaml::{Node, resolve};

/// Fields of `cache`.
pub(super) const FIELDS: [&str; 6] = ["enabled", "local", "remote", "max_age", "max_entries", "kinds"];

/// Starts the names of kinds that are lookups.
const LOOKUP: &str = "lookup.";
/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;
/// Most digits of a number in a duration.
const MOST_DIGITS: usize = 6;

/// A duration such as `15m`: a whole number that is not zero, and seconds, minutes, hours or days.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    super::duration(text).filter(|_| text.len() <= MOST_DIGITS + 1 && !text.starts_with('0'))
}

/// Why records of a kind are never kept: a kind of core, or a lookup.
pub(super) fn never(name: &str) -> Option<&'static str> {
    let lookup = name.strip_prefix(LOOKUP);
    let found = match lookup {
        Some(lookup) => {
            let family = if lookup.starts_with("awslambda.") { "awslambda" } else { lookup };
            kinds::NEVER_LOOKUPS.iter().find(|(never, _)| *never == family)
        }
        None => kinds::NEVER.iter().find(|(never, _)| *never == name),
    };
    found.map(|(_, reason)| *reason)
}

impl Reader<'_> {
    /// `cache`. `fields` are those of the config.
    pub(super) fn cache(&mut self, fields: &Fields<'_>) -> CacheConfig {
        let mut config = CacheConfig::default();
        let Some(node) = fields.get("cache") else { return config };
        let Some(fields) = self.strict_fields("`cache`", node, &FIELDS, &[]) else { return config };
        self.refuse_nulls(&fields, &FIELDS, &["kinds"]);
        if let Some(enabled) = fields.get("enabled").and_then(|node| self.boolean("enabled", node)) {
            config.is_enabled = enabled;
        }
        if let Some(mode) = fields.get("local").and_then(|node| self.mode::<Mode>("local", node)) {
            config.local = mode;
        }
        if let Some(mode) = fields.get("remote").and_then(|node| self.mode::<RemoteMode>("remote", node)) {
            config.remote = mode;
        }
        config.limits = self.limits(&fields);
        if let Some(node) = fields.get("kinds") {
            config.kinds = self.kinds(node);
        }
        config
    }

    /// A mode. YAML takes `off` for a boolean.
    fn mode<M: FromStr>(&mut self, field: &str, node: &Node) -> Option<M> {
        let text = node.as_text().unwrap_or_default();
        let is_false = kind(node) == "a boolean" && resolve::plain_scalar(text) == false;
        let found = if is_false { "off" } else { text };
        let mode = found.parse().ok();
        if mode.is_none() {
            let (expected, help) = if field == "remote" {
                (
                    "auto, off, read, read-write or refresh",
                    "`auto` reads in plans, and reads and writes in deployments",
                )
            } else {
                ("off, read, read-write or refresh", "`read-write` is the default")
            };
            self.wrong_type(field, expected, node, help);
        }
        mode
    }

    fn limits(&mut self, fields: &Fields<'_>) -> Limits {
        let mut limits = Limits::default();
        if let Some(node) = fields.get("max_age") {
            // By days is how use is noted.
            let days = node.as_text().and_then(duration).map(|age| age.as_secs());
            match days.filter(|seconds| seconds.is_multiple_of(DAY)) {
                Some(seconds) => limits.max_age_days = i64::try_from(seconds / DAY).unwrap_or(i64::MAX),
                None => self.wrong_type("max_age", "a number of days", node, "write for example `30d`"),
            }
        }
        if let Some(node) = fields.get("max_entries") {
            let number = node.as_text().and_then(|text| text.parse::<u32>().ok());
            match number.and_then(|number| usize::try_from(number).ok()) {
                Some(number) => limits.max_entries = number,
                None => self.wrong_type(
                    "max_entries",
                    "a number of records",
                    node,
                    "write a whole number, for example 20000",
                ),
            }
        }
        limits
    }

    fn duration(&mut self, field: &str, node: &Node) -> Option<Duration> {
        let found = node.as_text().and_then(duration);
        if found.is_none() {
            self.wrong_type(
                field,
                "a duration",
                node,
                "write a number with s, m, h or d, for example 15m or 30d",
            );
        }
        found
    }

    fn kinds(&mut self, node: &Node) -> BTreeMap<String, KindSettings> {
        let Some(entries) = self.entries("kinds", node) else { return BTreeMap::new() };
        let mut found = BTreeMap::new();
        for (key, value) in entries {
            let name = key.as_text().unwrap_or_default();
            let span = key.span.into();
            if let Some(reason) = never(name) {
                let kind = name.to_owned();
                self.report(ConfigProblem::KindNotCacheable { kind, reason, span });
                continue;
            }
            let Some(kind) = self.cacheable(name) else {
                let help = self.kinds_help(name);
                let (owner, key) = ("`kinds`", name.to_owned());
                self.report(ConfigProblem::UnknownKey { owner, key, help, span });
                continue;
            };
            // A lookup is not cached unless it has a time to live, and nothing else expires.
            let known: &[&'static str] = if kind.class == Class::Observed { &["ttl"] } else { &["enabled"] };
            let Some(fields) = self.strict_fields("a kind of `cache`", value, known, &[]) else { continue };
            self.refuse_nulls(&fields, known, &[]);
            let enabled = fields.get("enabled").and_then(|node| self.boolean("enabled", node));
            let ttl = fields.get("ttl").and_then(|node| self.duration("ttl", node));
            found.insert(name.to_owned(), KindSettings { is_disabled: enabled == Some(false), ttl });
        }
        found
    }

    /// The kind of this name, if the config may say something about it.
    fn cacheable(&self, name: &str) -> Option<crate::cache::Kind> {
        if let Some(lookup) = name.strip_prefix(LOOKUP) {
            let is_known = handlers::is_known(lookup) || self.own_lookups.iter().any(|own| own == lookup);
            return is_known.then_some(kinds::LOOKUP);
        }
        kinds::ALL.iter().copied().find(|kind| kind.name == name && *kind != kinds::LOOKUP)
    }

    fn kinds_help(&self, name: &str) -> String {
        let lookups = handlers::KNOWN.iter().copied().chain(self.own_lookups.iter().map(String::as_str));
        let lookups = lookups.map(|lookup| format!("{LOOKUP}{lookup}")).filter(|name| never(name).is_none());
        let others = kinds::ALL.iter().filter(|kind| **kind != kinds::LOOKUP);
        let known: Vec<String> = others.map(|kind| kind.name.to_owned()).chain(lookups).collect();
        match nearest(name, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("kinds: {}", known.join(", ")),
        }
    }
}
