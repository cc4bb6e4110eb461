//! What commands say about the task cache, as text and JSON.

mod change;
mod explain;
mod policy;

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::json::pretty;
use super::style::harmless;
use crate::cache::{BucketStatus, Counters, LastRun, Record, Settings, TierStatus};

pub use change::{
    ChangeDocument, VerifyDocument, change_json, change_text, verified, verified_json, verified_text,
};
pub use explain::{ExplainDocument, explained, explained_json, explained_text};
pub use policy::{partition, policy};

/// What a command had of the cache: a member of its report.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UseDocument {
    /// Results of earlier runs that were used.
    pub hits: u64,
    /// Results that no earlier run had.
    pub misses: u64,
    /// Requests to the bucket for the cache itself.
    pub requests: u64,
    /// Seconds that making the used results once took.
    pub saved: f64,
    /// Records that were written to the bucket.
    pub published: u64,
    /// Records that were made again to be compared.
    pub checked: u64,
}

impl UseDocument {
    /// The same for a report.
    pub fn of(counters: &Counters) -> Self {
        let Counters { hits, misses, requests, saved_ms, published, checked } = *counters;
        // What was made again to be compared saved nothing.
        let hits = hits.saturating_sub(checked);
        Self { hits, misses, requests, saved: in_seconds(saved_ms), published, checked }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of years fit")]
fn in_seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What a command had of the cache, in one line.
pub fn used(used: &UseDocument) -> String {
    let mut parts = vec![
        counted(used.hits, "hit", "hits"),
        counted(used.misses, "miss", "misses"),
        counted(used.requests, "request", "requests"),
    ];
    if used.hits > 0 {
        parts.push(format!("saved about {:.1} s", used.saved));
    }
    if used.checked > 0 {
        parts.push(format!("{} checked", used.checked));
    }
    format!("cache: {}", parts.join(", "))
}

/// `cache status`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusDocument {
    version: u32,
    /// Namespace of the config.
    namespace: String,
    /// How a deploy uses the files of this machine: `off`, `read`, `read-write` or `refresh`.
    local_mode: &'static str,
    /// How a deploy uses the bucket.
    remote_mode: &'static str,
    /// Days after its last use for which a record is kept.
    max_age_days: i64,
    /// Most records.
    max_entries: usize,
    /// The files of this machine.
    local: Option<TierDocument>,
    /// The bucket; `null` without `--remote`.
    remote: Option<TierDocument>,
    /// What the bucket does with it by itself; `null` without `--remote`.
    bucket: Option<BucketDocument>,
    /// What the last run on this machine had of it.
    last_run: Option<LastRunDocument>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
/// What is in one tier.
pub struct TierDocument {
    /// Where it is.
    place: String,
    /// Records.
    records: usize,
    /// Bytes of the index, as it is stored.
    index_bytes: u64,
    /// Outputs that are files or objects of their own.
    texts: usize,
    /// Their bytes.
    text_bytes: u64,
    /// How often everything was cleared.
    epoch: u64,
    /// How often the index was written.
    generation: u64,
    /// Who wrote it last; empty if nobody did.
    writer: String,
    /// Why the index is taken for empty.
    unreadable: Option<String>,
}

impl TierDocument {
    fn of(status: TierStatus) -> Self {
        let TierStatus {
            place,
            records,
            index_bytes,
            texts,
            text_bytes,
            epoch,
            generation,
            writer,
            unreadable,
        } = status;
        Self { place, records, index_bytes, texts, text_bytes, epoch, generation, writer, unreadable }
    }
}

/// What the bucket does with the cache by itself.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BucketDocument {
    /// Whether it keeps earlier versions of objects; `null` if that cannot be read.
    keeps_versions: Option<bool>,
    /// Days after which a lifecycle rule removes earlier versions.
    days_of_earlier_versions: Option<u32>,
    /// Days after which a lifecycle rule removes objects that nobody has written since.
    days: Option<u32>,
    /// Why this cannot be read.
    unreadable: Option<String>,
    /// Whether it refuses a write whose condition does not hold; `null` without `--probe`.
    keeps_conditions: Option<bool>,
}

impl BucketDocument {
    fn of(status: &BucketStatus) -> Self {
        let keeping = status.keeping.as_ref();
        let known = keeping.ok();
        Self {
            keeps_versions: known.map(|keeping| keeping.versions),
            days_of_earlier_versions: known.and_then(|keeping| keeping.days_of_earlier_versions),
            days: known.and_then(|keeping| keeping.days),
            unreadable: keeping.err().cloned(),
            keeps_conditions: status.keeps_conditions,
        }
    }

    /// What is worth telling people.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match (self.keeps_versions, self.days_of_earlier_versions) {
            (Some(true), Some(days)) => lines.push(format!("earlier versions go after {days} days")),
            (Some(true), None) => lines.push("earlier versions stay for ever".to_owned()),
            _ => {}
        }
        if let Some(days) = self.days {
            lines.push(format!("a rule of the bucket removes what was not written for {days} days"));
        }
        if let Some(why) = &self.unreadable {
            lines.push(format!("the rules of the bucket cannot be read: {}", harmless(why)));
        }
        match self.keeps_conditions {
            Some(true) => lines.push("conditional writes work".to_owned()),
            Some(false) => lines.push("conditional writes do not work".to_owned()),
            None => {}
        }
        lines
    }
}

/// What a run had of the cache.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastRunDocument {
    /// The command.
    command: String,
    /// When it ended (RFC 3339, UTC).
    at: String,
    /// Whether the bucket was read.
    synced: bool,
    /// What it had of the cache.
    #[serde(flatten)]
    used: UseDocument,
}

/// The status of the cache of a config.
pub fn status(
    namespace: &str,
    settings: &Settings,
    local: Option<TierStatus>,
    (remote, bucket): (Option<TierStatus>, Option<&BucketStatus>),
    last: Option<&LastRun>,
) -> StatusDocument {
    StatusDocument {
        version: 1,
        namespace: namespace.to_owned(),
        local_mode: settings.local.name(),
        remote_mode: settings.remote.name(),
        max_age_days: settings.limits.max_age_days,
        max_entries: settings.limits.max_entries,
        local: local.map(TierDocument::of),
        remote: remote.map(TierDocument::of),
        bucket: bucket.map(BucketDocument::of),
        last_run: last.map(|last| LastRunDocument {
            command: last.command.clone(),
            at: shown_time(last.at),
            synced: last.synced,
            used: UseDocument::of(&last.counters),
        }),
    }
}

fn shown_time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|at| at.to_string()).unwrap_or_default()
}

/// The status as JSON.
pub fn status_json(status: &StatusDocument) -> String {
    pretty(status)
}

fn days(count: i64) -> String {
    if count == 1 { "a day".to_owned() } else { format!("{count} days") }
}

/// The status for people.
pub fn status_text(status: &StatusDocument) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "namespace {}", harmless(&status.namespace));
    let _ = writeln!(
        out,
        "deploy uses this machine's part {} and the bucket's part {}; records are kept {}, at most {}",
        status.local_mode,
        status.remote_mode,
        days(status.max_age_days),
        status.max_entries
    );
    for (name, tier) in [("this machine", &status.local), ("bucket", &status.remote)] {
        let Some(tier) = tier else { continue };
        let _ = writeln!(out, "\n{name}: {}", harmless(&tier.place));
        let _ = writeln!(
            out,
            "  {}, {} bytes; {}, {} bytes",
            counted(tier.records as u64, "record", "records"),
            tier.index_bytes,
            counted(tier.texts as u64, "text", "texts"),
            tier.text_bytes
        );
        let _ = write!(out, "  epoch {}, generation {}", tier.epoch, tier.generation);
        if !tier.writer.is_empty() {
            let _ = write!(out, ", last written by {}", harmless(&tier.writer));
        }
        out.push('\n');
        if let Some(why) = &tier.unreadable {
            let _ = writeln!(out, "  cannot be read: {}; it is taken for empty", harmless(why));
        }
    }
    for line in status.bucket.iter().flat_map(BucketDocument::lines) {
        let _ = writeln!(out, "  {line}");
    }
    if let Some(last) = &status.last_run {
        let synced = if last.synced { "the bucket was read" } else { "without the bucket" };
        let _ = writeln!(out, "\nlast run: {} at {}, {synced}", harmless(&last.command), last.at);
        let _ = writeln!(out, "  {}", used(&last.used));
    }
    out
}

/// `cache ls`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordsDocument {
    version: u32,
    /// Records, by kind, subject and key.
    records: Vec<RecordDocument>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordDocument {
    /// The digest of everything the result depends on.
    key: String,
    /// The kind, for example `stack-template`.
    kind: String,
    /// What it is about.
    subject: String,
    /// How far it may be trusted: `pure`, `fact`, `observed` or `receipt`.
    class: &'static str,
    /// When it was made (RFC 3339, UTC).
    made: String,
    /// The day on which it was last of use.
    used: String,
    /// The command that made it.
    by: String,
    /// Seconds that making it took.
    cost: f64,
    /// Bytes, where the output is an object of its own.
    bytes: Option<u64>,
    /// The epoch it belongs to.
    epoch: u64,
    /// When it expires (RFC 3339, UTC); `null` if it does not.
    expires: Option<String>,
    /// Whether it is signed.
    signed: bool,
    /// What it depends on: names, and digests that tell values apart.
    ingredients: Vec<IngredientDocument>,
}

/// One thing that a result depends on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IngredientDocument {
    /// Its name.
    name: String,
    /// A digest of its value.
    digest: String,
}

fn ingredients(list: &[(String, String)]) -> Vec<IngredientDocument> {
    let one =
        |(name, digest): &(String, String)| IngredientDocument { name: name.clone(), digest: digest.clone() };
    list.iter().map(one).collect()
}

fn shown_day(day: i64) -> String {
    let seconds = day.saturating_mul(24 * 60 * 60);
    shown_time(seconds).split('T').next().unwrap_or_default().to_owned()
}

impl RecordDocument {
    fn of(record: &Record) -> Self {
        Self {
            key: record.key.to_string(),
            kind: record.kind.clone(),
            subject: record.subject.clone(),
            class: record.class.name(),
            made: shown_time(record.at),
            used: shown_day(record.used),
            by: record.by.clone(),
            cost: in_seconds(record.cost),
            bytes: record.blob,
            epoch: record.epoch,
            expires: record.expires.map(shown_time),
            signed: record.signature.is_some(),
            ingredients: ingredients(&record.ingredients),
        }
    }
}

/// Records in the order in which they are listed.
pub fn records(records: &[Record]) -> RecordsDocument {
    let mut records: Vec<RecordDocument> = records.iter().map(RecordDocument::of).collect();
    records.sort_by(|a, b| (&a.kind, &a.subject, &a.key).cmp(&(&b.kind, &b.subject, &b.key)));
    RecordsDocument { version: 1, records }
}

/// Records as JSON.
pub fn records_json(records: &RecordsDocument) -> String {
    pretty(records)
}

/// Records as a table.
pub fn records_text(records: &RecordsDocument) -> String {
    if records.records.is_empty() {
        return "no records\n".to_owned();
    }
    let mut cells = vec![["KEY", "KIND", "CLASS", "SUBJECT", "MADE", "USED", "BY"].map(str::to_owned)];
    for record in &records.records {
        cells.push([
            short(&record.key).to_owned(),
            harmless(&record.kind),
            record.class.to_owned(),
            harmless(&record.subject),
            record.made.clone(),
            record.used.clone(),
            harmless(&record.by),
        ]);
    }
    super::tables::aligned(&cells)
}

/// The first digits of a key, which tell keys apart for people.
fn short(key: &str) -> &str {
    key.get(..16).unwrap_or(key)
}
