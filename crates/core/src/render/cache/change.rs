//! What commands did with the cache.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::json::pretty;
use super::super::style::harmless;
use super::{UseDocument, counted, short};
use crate::cache::{Counters, Mismatch, Mode, Removed};

/// `cache clear`, `gc`, `export`, `import` and `warm`: what a command did with the cache.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangeDocument {
    version: u32,
    /// `clear`, `gc`, `import` or `warm`.
    command: &'static str,
    /// Whether nothing was changed, and this is what would be.
    dry_run: bool,
    /// What went away on this machine.
    local: Option<RemovedDocument>,
    /// What went away in the bucket.
    remote: Option<RemovedDocument>,
    /// Records that were taken from a bundle.
    imported: Option<usize>,
    /// Records of a bundle that were not taken: cleared since, or not signed with the key.
    passed_over: Option<usize>,
    /// What the command had of the cache.
    used: Option<UseDocument>,
    /// How `warm` used the bucket's part: a mode.
    bucket: Option<&'static str>,
}

/// What went away in one tier.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RemovedDocument {
    /// Records.
    records: usize,
    /// Texts that were files or objects of their own.
    texts: usize,
    /// The epoch since then.
    epoch: u64,
}

impl ChangeDocument {
    /// Nothing yet.
    pub fn of(command: &'static str, dry_run: bool) -> Self {
        Self { version: 1, command, dry_run, ..Self::default() }
    }

    /// What went away on this machine and in the bucket.
    #[must_use]
    pub fn removed(self, local: Option<Removed>, remote: Option<Removed>) -> Self {
        let document = |removed: Removed| RemovedDocument {
            records: removed.records,
            texts: removed.texts,
            epoch: removed.epoch,
        };
        Self { local: local.map(document), remote: remote.map(document), ..self }
    }

    /// What was taken from a bundle, and what was not.
    #[must_use]
    pub fn imported(self, (taken, passed_over): (usize, usize)) -> Self {
        Self { imported: Some(taken), passed_over: Some(passed_over), ..self }
    }

    /// What warming it brought, with the bucket's part in this mode.
    #[must_use]
    pub fn warmed(self, counters: &Counters, bucket: Mode) -> Self {
        Self { used: Some(UseDocument::of(counters)), bucket: Some(bucket.name()), ..self }
    }
}

/// What was done, as JSON.
pub fn change_json(change: &ChangeDocument) -> String {
    pretty(change)
}

/// What was done, for people.
pub fn change_text(change: &ChangeDocument) -> String {
    let mut out = String::new();
    let verb = if change.dry_run { "would remove" } else { "removed" };
    for (name, removed) in [("this machine", change.local), ("bucket", change.remote)] {
        let Some(removed) = removed else { continue };
        let _ = write!(
            out,
            "{name}: {verb} {} and {}",
            counted(removed.records as u64, "record", "records"),
            counted(removed.texts as u64, "text", "texts")
        );
        let _ = match (name, change.command) {
            ("bucket", "clear") => writeln!(out, "; epoch {}", removed.epoch),
            _ => writeln!(out),
        };
    }
    if let (Some(imported), Some(passed_over)) = (change.imported, change.passed_over) {
        let _ = write!(out, "imported {}", counted(imported as u64, "record", "records"));
        let _ = match passed_over {
            0 => writeln!(out),
            more => {
                writeln!(out, "; passed over {more} that were cleared since, or are not signed with the key")
            }
        };
    }
    if let Some(use_of_it) = &change.used {
        let published = counted(use_of_it.published, "record", "records");
        let _ = match change.bucket {
            Some("read") => {
                writeln!(out, "the bucket's part is only read: what was learned is on this machine alone")
            }
            Some("off") => {
                writeln!(out, "the bucket's part is off: what was learned is on this machine alone")
            }
            _ => writeln!(out, "wrote {published} to the bucket"),
        };
    }
    out
}

/// `cache verify`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifyDocument {
    version: u32,
    /// Records that were made again.
    checked: u64,
    /// Records that were not, because this plan does not ask for them.
    not_asked: usize,
    /// Records that came out differently.
    mismatches: Vec<MismatchDocument>,
}

/// A record that came out differently.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct MismatchDocument {
    /// The kind.
    kind: String,
    /// What it is about.
    subject: String,
    /// Its key.
    key: String,
    /// Digest of the output in the record.
    recorded: String,
    /// Digest of the output now.
    computed: String,
}

/// What making records again brought. `not_asked`: how many records the plan did not ask for.
pub fn verified(checked: u64, not_asked: usize, mismatches: &[Mismatch]) -> VerifyDocument {
    let document = |mismatch: &Mismatch| MismatchDocument {
        kind: mismatch.kind.clone(),
        subject: mismatch.subject.clone(),
        key: mismatch.key.to_string(),
        recorded: mismatch.recorded.to_string(),
        computed: mismatch.computed.to_string(),
    };
    VerifyDocument { version: 1, checked, not_asked, mismatches: mismatches.iter().map(document).collect() }
}

/// The same as JSON.
pub fn verified_json(verified: &VerifyDocument) -> String {
    pretty(verified)
}

/// The same for people.
pub fn verified_text(verified: &VerifyDocument) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "made {} again: {} came out differently",
        counted(verified.checked, "record", "records"),
        verified.mismatches.len()
    );
    for one in &verified.mismatches {
        let (kind, subject) = (harmless(&one.kind), harmless(&one.subject));
        let _ = writeln!(out, "  {kind} of {subject} (key {})", short(&one.key));
    }
    out
}
