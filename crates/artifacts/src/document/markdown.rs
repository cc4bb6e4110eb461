//! The same as GitHub-flavoured Markdown, for pull requests and step summaries.

use std::fmt::Write as _;

use runway_core::render::markdown::{code, escaped};
use runway_core::render::problems::ErrorBody;

use super::text::{MOST, bytes, files};
use super::{
    AssetsDoctorDocument, AssetsListDocument, AssetsPlanDocument, AssetsPruneDocument, AssetsPushDocument,
    AssetsVerifyDocument, PlannedAction, PushStatusName,
};

/// A folded list, the first ones of very many; nothing if there are none.
fn folded(out: &mut String, title: &str, items: impl ExactSizeIterator<Item = String>) {
    let count = items.len();
    if count == 0 {
        return;
    }
    let _ = writeln!(out, "<details><summary>{title}: {count}</summary>\n");
    for item in items.take(MOST) {
        let _ = writeln!(out, "- {item}");
    }
    if count > MOST {
        let _ = writeln!(out, "- and {} more", count - MOST);
    }
    out.push_str("\n</details>\n\n");
}

fn quoted(path: &str) -> String {
    format!("`{}`", code(path))
}

/// What went wrong, if anything did.
fn caution(out: &mut String, error: Option<&ErrorBody>) {
    if let Some(error) = error {
        let lines: Vec<String> = error.messages().map(|line| format!("> - {}", escaped(line))).collect();
        let _ = writeln!(out, "> [!CAUTION]\n{}\n", lines.join("\n"));
    }
}

/// Ends with one line feed.
fn ended(mut out: String) -> String {
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// What is told in columns, as it is.
fn as_text(title: &str, text: &str) -> String {
    // A fence in the text would end the block.
    format!("### {title}\n\n```text\n{}\n```\n", text.trim_end().replace("```", "'''"))
}

pub(super) fn title(what: &str, app: &str, bucket: &str) -> String {
    format!("### {what} {} in {}\n\n", quoted(app), quoted(bucket))
}

impl AssetsPlanDocument {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = title("Plan to push", &self.app, &self.bucket);
        let all: u64 = self.files.iter().map(|file| file.bytes).sum();
        let _ = write!(out, "{}, {}", files(self.files.len() as u64), bytes(all));
        if let Some(image) = &self.image {
            let _ = write!(out, ", build {}", quoted(image));
        }
        out.push_str(".\n\n");
        if self.is_live {
            out.push_str("**This very build is live: nothing to do.**\n\n");
        } else {
            self.table(&mut out);
        }
        if let Some(by) = self.superseded_by {
            let _ = writeln!(out, "**The newer build {by} stays live.**\n");
        }
        if let Some(id) = self.unfinished {
            let _ = writeln!(out, "**The change to build {id} is not over.**\n");
        }
        caution(&mut out, self.error.as_ref());
        if let Some(prune) = &self.prune {
            prune.write(&mut out);
        }
        ended(out)
    }

    fn table(&self, out: &mut String) {
        let summary = &self.summary;
        let kinds = [
            ("+", "upload", summary.upload, PlannedAction::Upload),
            ("~", "overwrite", summary.overwrite, PlannedAction::Overwrite),
            ("!", "in place", summary.in_place, PlannedAction::InPlace),
            ("=", "unchanged", summary.unchanged, PlannedAction::Unchanged),
            (">", "entry", summary.entry, PlannedAction::Entry),
            ("-", "left", summary.left, PlannedAction::Left),
        ];
        out.push_str("| | | files | size |\n|---|---|--:|--:|\n");
        for (sign, words, amount, _) in kinds.iter().filter(|(_, _, amount, _)| amount.files > 0) {
            let _ = writeln!(out, "| `{sign}` | {words} | {} | {} |", amount.files, bytes(amount.bytes));
        }
        out.push('\n');
        if summary.in_place.files > 0 && !self.refused {
            out.push_str(
                "> [!WARNING]\n> Bytes change under names: the live build loads them before it is replaced.\n\n",
            );
        }
        for (_, words, _, action) in kinds.iter().filter(|kind| kind.3 != PlannedAction::Unchanged) {
            let paths: Vec<String> = (self.files.iter())
                .filter(|file| file.action == *action)
                .map(|file| quoted(&file.path))
                .collect();
            folded(out, words, paths.into_iter());
        }
    }
}

impl AssetsPushDocument {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = title("Push of", &self.app, &self.bucket);
        let id = |id: Option<u64>| id.map(|id| id.to_string()).unwrap_or_default();
        let _ = match self.status {
            PushStatusName::Live => writeln!(out, "**Build {} is live.**\n", id(self.manifest)),
            PushStatusName::AlreadyLive => {
                writeln!(out, "**This very build is live already, as {}.**\n", id(self.manifest))
            }
            PushStatusName::Superseded => {
                writeln!(out, "**The newer build {} stays live.**\n", id(self.superseded_by))
            }
        };
        let _ = writeln!(
            out,
            "| | files | size |\n|---|--:|--:|\n| sent | {} | {} |\n| there already | {} | |\n| in all | {} | {} |\n",
            self.sent.files,
            bytes(self.sent.bytes),
            self.skipped,
            self.total.files,
            bytes(self.total.bytes)
        );
        if !self.entries.is_empty() {
            let changed: Vec<String> = self.changed.iter().map(|path| quoted(path)).collect();
            let changed = if changed.is_empty() { "none".to_owned() } else { changed.join(", ") };
            let _ = writeln!(out, "Entry points that are others than before: {changed}\n");
        }
        folded(&mut out, "changed under their names", self.in_place.iter().map(|path| quoted(path)));
        caution(&mut out, self.error.as_ref());
        if let Some(why) = &self.not_pruned {
            let _ = writeln!(out, "> [!WARNING]\n> Nothing was pruned: {}\n", escaped(why));
        }
        if let Some(prune) = &self.prune {
            prune.write(&mut out);
        }
        ended(out)
    }
}

impl AssetsPruneDocument {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        ended(out)
    }

    fn write(&self, out: &mut String) {
        let what = if self.dry_run { "Plan to prune" } else { "Prune of" };
        out.push_str(&title(what, &self.app, &self.bucket));
        let _ = writeln!(
            out,
            "**{} and {} of {} manifests {} ({}).**\n",
            files(self.files.len() as u64),
            self.expired.len(),
            self.expired.len() + self.kept.len(),
            if self.dry_run { "would go" } else { "are gone" },
            self.size()
        );
        if self.too_much {
            out.push_str(
                "> [!WARNING]\n> More than `--max-delete-ratio` of all files: without `--yes` nothing is deleted.\n\n",
            );
        }
        let _ = writeln!(
            out,
            "{} named by old manifests: {} still needed, {} protected.\n",
            files(self.candidates),
            self.still_named,
            self.protected
        );
        if !self.kept.is_empty() || !self.expired.is_empty() {
            out.push_str("| | manifest | why |\n|---|---|---|\n");
        }
        for kept in &self.kept {
            let _ = writeln!(out, "| `=` | {} | {} |", kept.manifest, escaped(&kept.reason));
        }
        for expired in &self.expired {
            let _ = writeln!(out, "| `-` | {expired} | aged out |");
        }
        out.push('\n');
        let named = |by: &[u64]| match by.last() {
            Some(last) => format!("last named by {last}"),
            None => "named by no manifest".to_owned(),
        };
        let lines =
            self.files.iter().map(|file| format!("{}: {}", quoted(&file.path), named(&file.named_by)));
        folded(out, if self.dry_run { "would go" } else { "gone" }, lines);
        for key in &self.foreign {
            let _ = writeln!(out, "- warning: {} is no manifest, and is left alone", quoted(key));
        }
        for id in &self.future {
            let _ = writeln!(out, "- warning: the manifest {id} is from the future, and stays until then");
        }
        for key in &self.unreadable_intents {
            let key = quoted(key);
            let _ = writeln!(
                out,
                "- warning: {key} cannot be read; it is older than 7 days, and does not count any more"
            );
        }
        if !self.complete {
            out.push_str("- not complete: the next prune goes on\n");
        }
        out.push('\n');
        folded(out, "could not be deleted", self.failed.iter().map(|key| quoted(key)));
        caution(out, self.error.as_ref());
    }
}

impl AssetsListDocument {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        as_text(&format!("Builds of {} in {}", quoted(&self.app), quoted(&self.bucket)), &self.text())
    }
}

impl AssetsVerifyDocument {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        as_text(&format!("Files of {} in {}", quoted(&self.app), quoted(&self.bucket)), &self.text())
    }
}

impl AssetsDoctorDocument {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        as_text(&format!("What {} can do", quoted(&self.bucket)), &self.text())
    }
}
