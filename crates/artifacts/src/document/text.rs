//! The same for people.

use std::fmt::Write as _;

use runway_core::render::style::harmless;

use super::{
    AssetsDoctorDocument, AssetsListDocument, AssetsPlanDocument, AssetsPruneDocument, AssetsPushDocument,
    AssetsVerifyDocument, PlannedAction, PushStatusName, VerifyProblem,
};

/// Lines of one kind that are shown.
pub(super) const MOST: usize = 50;

/// Bytes for people.
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let Some(power) = (1..=units.len()).rev().find(|power| count >= 1 << (10 * power)) else {
        return format!("{count} B");
    };
    let tenths = (u128::from(count) * 10) >> (10 * power);
    format!("{}.{} {}", tenths / 10, tenths % 10, units[power - 1])
}

pub(super) fn files(count: u64) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Lines, the first ones of very many.
fn lines(text: &mut String, lines: impl ExactSizeIterator<Item = String>) {
    let count = lines.len();
    for line in lines.take(MOST) {
        let _ = writeln!(text, "    {line}");
    }
    if count > MOST {
        let _ = writeln!(text, "    and {} more", count - MOST);
    }
}

fn not_over(id: u64) -> String {
    format!("the change to build {id} is not over: `assets resume` finishes it if its push is dead")
}

impl AssetsPlanDocument {
    /// As text.
    pub fn text(&self) -> String {
        let all: u64 = self.files.iter().map(|file| file.bytes).sum();
        let mut text = format!("{}: {}, {}", self.app, files(self.files.len() as u64), bytes(all));
        if let Some(image) = &self.image {
            let _ = write!(text, ", build {}", harmless(image));
        }
        text.push('\n');
        if self.is_live {
            text.push_str("  this very build is live: nothing to do\n");
        } else {
            self.changes(&mut text);
        }
        if let Some(id) = self.unfinished {
            let _ = writeln!(text, "  {}", not_over(id));
        }
        if let Some(by) = self.superseded_by {
            let _ = writeln!(text, "  the newer build {by} stays live (--allow-older replaces it)");
        }
        if let Some(prune) = &self.prune {
            text.push_str(&prune.text());
        }
        text
    }

    fn changes(&self, text: &mut String) {
        let summary = &self.summary;
        let kinds = [
            ("+ upload", summary.upload, PlannedAction::Upload),
            ("~ overwrite", summary.overwrite, PlannedAction::Overwrite),
            ("! in place", summary.in_place, PlannedAction::InPlace),
            ("= unchanged", summary.unchanged, PlannedAction::Unchanged),
            ("> entry", summary.entry, PlannedAction::Entry),
            ("- left", summary.left, PlannedAction::Left),
        ];
        for (words, amount, action) in kinds {
            if amount.files == 0 {
                continue;
            }
            let _ = writeln!(text, "  {words:<12} {:>6}  {:>10}", amount.files, bytes(amount.bytes));
            if action != PlannedAction::Unchanged {
                let of_kind: Vec<String> = (self.files.iter())
                    .filter(|file| file.action == action)
                    .map(|file| file.path.clone())
                    .collect();
                lines(text, of_kind.into_iter());
            }
        }
        if self.refused {
            text.push_str("  bytes would change under the names with !: --deny-in-place refuses the push\n");
        } else if summary.in_place.files > 0 {
            text.push_str(
                "  bytes change under the names with !: the live build loads them before it is replaced\n",
            );
        }
    }
}

impl AssetsPushDocument {
    /// As text.
    pub fn text(&self) -> String {
        let manifest = self.manifest.map(|id| id.to_string()).unwrap_or_default();
        let mut text = match self.status {
            PushStatusName::Live => format!("{}: build {manifest} is live\n", self.app),
            PushStatusName::AlreadyLive => {
                format!("{}: this very build is live already, as {manifest}\n", self.app)
            }
            PushStatusName::Superseded => {
                let by = self.superseded_by.map(|id| id.to_string()).unwrap_or_default();
                format!("{}: the newer build {by} stays live\n", self.app)
            }
        };
        let _ = writeln!(
            text,
            "  {} sent ({}), {} there already, {} in all ({})",
            files(self.sent.files),
            bytes(self.sent.bytes),
            self.skipped,
            self.total.files,
            bytes(self.total.bytes)
        );
        if !self.entries.is_empty() {
            let changed = if self.changed.is_empty() { "none".to_owned() } else { self.changed.join(", ") };
            let _ = writeln!(text, "  entry points that are others than before: {changed}");
        }
        if !self.in_place.is_empty() {
            let _ = writeln!(text, "  {} changed under their names:", files(self.in_place.len() as u64));
            lines(&mut text, self.in_place.iter().cloned());
        }
        if let Some(prune) = &self.prune {
            text.push_str(&prune.text());
        }
        text
    }
}

impl AssetsPruneDocument {
    /// As text.
    pub fn text(&self) -> String {
        let would = if self.dry_run { "would go" } else { "are gone" };
        let mut text = format!(
            "{}: {} and {} of {} manifests {would} ({})\n",
            self.app,
            files(self.files.len() as u64),
            self.expired.len(),
            self.expired.len() + self.kept.len(),
            self.size()
        );
        let _ = writeln!(
            text,
            "  {} named by old manifests: {} still needed, {} protected",
            files(self.candidates),
            self.still_named,
            self.protected
        );
        if self.too_much {
            text.push_str("  more than --max-delete-ratio of all files: without --yes nothing is deleted\n");
        }
        for kept in &self.kept {
            let _ = writeln!(text, "  = {}  {}", kept.manifest, kept.reason);
        }
        for expired in &self.expired {
            let _ = writeln!(text, "  - {expired}");
        }
        let named = |by: &[u64]| match by.last() {
            Some(last) => format!("last named by {last}"),
            None => "named by no manifest".to_owned(),
        };
        lines(&mut text, self.files.iter().map(|file| format!("- {}  {}", file.path, named(&file.named_by))));
        let odd = [
            (self.living_intents, "pushes are under way"),
            (self.dead_intents, "pushes were broken off long ago"),
            (self.stray_copies, "copies of entry points are of builds whose manifests are gone"),
            (self.unfinished_uploads, "large files were left half sent"),
        ];
        for (count, words) in odd.iter().filter(|(count, _)| *count > 0) {
            let _ = writeln!(text, "  {count} {words}");
        }
        for key in &self.foreign {
            let _ = writeln!(text, "  warning: {} is no manifest, and is left alone", harmless(key));
        }
        for id in &self.future {
            let _ = writeln!(text, "  warning: the manifest {id} is from the future, and stays until then");
        }
        for key in &self.unreadable_intents {
            let key = harmless(key);
            let _ = writeln!(
                text,
                "  warning: {key} cannot be read; it is older than 7 days, and does not count any more"
            );
        }
        if !self.failed.is_empty() {
            let _ = writeln!(text, "  {} objects could not be deleted", self.failed.len());
            lines(&mut text, self.failed.iter().map(|key| format!("! {}", harmless(key))));
        }
        if !self.complete {
            text.push_str("  not complete: the next prune goes on\n");
        }
        text
    }
}

impl AssetsListDocument {
    /// As text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for build in &self.builds {
            let state = match build {
                build if build.live => "live",
                build if self.unfinished == Some(build.manifest) => "not over",
                build if build.previous => "previous",
                build if build.was_live => "was live",
                _ => "",
            };
            let pinned = if build.pinned { "pinned" } else { "" };
            let files = build.files.map_or_else(|| "unreadable".to_owned(), files);
            let size = build.bytes.map(bytes).unwrap_or_default();
            let name = build.image.as_deref().or(build.commit.as_deref()).unwrap_or_default();
            let line = format!(
                "{:<12} {state:<9} {pinned:<7} {files:>12} {size:>10}  {}",
                build.manifest,
                harmless(name)
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        if self.builds.is_empty() {
            let _ = writeln!(text, "no builds of {} are in {}", self.app, self.bucket);
        }
        for build in self.builds.iter().filter(|build| build.future) {
            let _ = writeln!(text, "warning: the manifest {} is from the future", build.manifest);
        }
        for key in &self.foreign {
            let _ = writeln!(text, "warning: {} is no manifest", harmless(key));
        }
        if self.head_lost {
            text.push_str(
                "warning: which build is live is not known, because its head is missing: push the live build again\n",
            );
        }
        if let Some(id) = self.unfinished {
            let _ = writeln!(text, "{}", not_over(id));
        }
        if let Some(id) = self.overtaken_by {
            let _ = writeln!(
                text,
                "build {id} was pushed later, by somebody who does not say what is live, as valpop: it may be live"
            );
        }
        text
    }
}

impl AssetsVerifyDocument {
    /// As text.
    pub fn text(&self) -> String {
        let Some(live) = self.live else {
            return match self.unfinished {
                Some(id) => format!("{}: the change to build {id} is not over\n", self.app),
                None => format!("{}: no build is live\n", self.app),
            };
        };
        let mut text = format!("{}: build {live}, {}", self.app, files(self.files));
        text.push_str(if self.findings.is_empty() { ", all as they should be\n" } else { "\n" });
        let words = |problem| match problem {
            VerifyProblem::Missing => "is missing",
            VerifyProblem::Changed => "is another object",
            VerifyProblem::OtherBytes => "has other bytes",
        };
        lines(
            &mut text,
            self.findings.iter().map(|finding| {
                let healed = if finding.healed { ", restored" } else { "" };
                format!("{} {}{healed}", finding.path, words(finding.problem))
            }),
        );
        text
    }
}

impl AssetsDoctorDocument {
    /// As text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (words, holds) in [
            ("writes that must be first (If-None-Match)", self.if_absent),
            ("writes over what is expected (If-Match)", self.if_match),
            ("deletions of what is expected (If-Match)", self.delete_if_match),
            ("many deletions in one request", self.delete_many),
        ] {
            let _ = writeln!(text, "{} {words}", if holds { "yes" } else { "no " });
        }
        text.push_str(if self.safe {
            "pushes and prunes are safe beside each other here\n"
        } else {
            "pushes and prunes are NOT safe beside each other here: run one at a time, with --unsafe-exclusive\n"
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_told_in_fitting_units() {
        let cases =
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_300_000, "1.2 MiB"), (5 << 30, "5.0 GiB")];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected);
        }
    }
}
