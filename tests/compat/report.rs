//! What a person reads: a table of verdicts, and `docs/compat.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use crate::case::Case;
use crate::compare::indented;
use crate::scene::{Run, Seen};

/// How a case went.
pub(crate) struct Verdict {
    /// Its name.
    name: String,
    /// What it shows.
    title: String,
    /// Rows of the conformance list.
    covers: Vec<String>,
    /// Listed differences: id and reason.
    listed: Vec<(String, String)>,
    /// Sentences, each of which makes it fail.
    pub(crate) wrong: Vec<String>,
    /// Ids of the differences that occurred.
    pub(crate) met: Vec<String>,
    /// Records of the task cache that were looked at.
    pub(crate) records: usize,
    /// Time of all its runs.
    pub(crate) took: Duration,
}

impl Verdict {
    /// Of a case that has not been run.
    pub(crate) fn of(case: &Case) -> Self {
        let listed =
            case.differences.iter().map(|listed| (listed.id.clone(), listed.reason.clone())).collect();
        Self {
            name: case.name.clone(),
            title: case.title.clone(),
            covers: case.covers.clone(),
            listed,
            wrong: Vec::new(),
            met: Vec::new(),
            records: 0,
            took: Duration::ZERO,
        }
    }

    fn ids(&self) -> String {
        let ids: BTreeSet<&str> = self.met.iter().map(String::as_str).collect();
        ids.into_iter().collect::<Vec<_>>().join(", ")
    }
}

/// Prints what a run did.
pub(crate) fn show(case: &Case, run: Run, seen: &[Seen]) {
    for seen in seen {
        if let Some(ran) = &seen.ran {
            println!(
                "{} [{}] {} ended with {}\n{}",
                case.name,
                run.name(),
                seen.step,
                ran.code,
                indented(&ran.output)
            );
        }
    }
}

/// The table, and below it everything that is wrong.
pub(crate) fn text(verdicts: &[Verdict], took: Duration) -> String {
    let mut text = String::new();
    let width = verdicts.iter().map(|verdict| verdict.name.len()).max().unwrap_or_default();
    for verdict in verdicts {
        let word = match (verdict.wrong.len(), verdict.listed.is_empty()) {
            (0, true) => "same".to_owned(),
            (0, false) => format!("differs as listed: {}", verdict.ids()),
            (count, _) => format!("FAILED ({count})"),
        };
        let covers = verdict.covers.join("; ");
        let _ = writeln!(
            text,
            "{:width$}  {:5.1} s  {word}  [{covers}]",
            verdict.name,
            verdict.took.as_secs_f32()
        );
    }
    for verdict in verdicts.iter().filter(|verdict| !verdict.wrong.is_empty()) {
        let _ = writeln!(text, "\n{} ({})", verdict.name, verdict.title);
        for sentence in &verdict.wrong {
            let _ = writeln!(text, "  {sentence}");
        }
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.wrong.is_empty()).count();
    let records: usize = verdicts.iter().map(|verdict| verdict.records).sum();
    let _ = writeln!(
        text,
        "\n{} cases, {failed} failed, {:.0} s; {records} records of the task cache searched",
        verdicts.len(),
        took.as_secs_f32()
    );
    text
}

/// `docs/compat.md`.
pub(crate) fn markdown(verdicts: &[Verdict]) -> String {
    let mut text = String::from(concat!(
        "# Beside Runway\n\n",
        "Written by `cargo xtask compat --write`. Each case is a directory of `fixtures/compat`: a project that the real Runway\n",
        "2.8.4 and runway-rs deploy, deploy again, plan, change and destroy, each on an empty emulated cloud. After every step the\n",
        "stacks (status, template, parameters, tags, outputs, policy, protection), the graph, all objects in S3, the files of the\n",
        "project and whether the command succeeded are compared. \"same\" means no difference at all; every other difference is listed\n",
        "with its reason, and the test fails if it does not occur. [coming-from-runway.md](coming-from-runway.md) explains the ids.\n\n",
        "| case | what it shows | rows | result |\n|---|---|---|---|\n",
    ));
    for verdict in verdicts {
        let result = match (verdict.wrong.is_empty(), verdict.listed.is_empty()) {
            (true, true) => "same".to_owned(),
            (true, false) => verdict.ids(),
            (false, _) => "**failed**".to_owned(),
        };
        let covers = verdict.covers.join("; ");
        let _ = writeln!(text, "| {} | {} | {covers} | {result} |", verdict.name, verdict.title);
    }
    text.push_str("\n## Differences\n\n| id | case | reason |\n|---|---|---|\n");
    let mut rows: Vec<(u32, String)> = Vec::new();
    for verdict in verdicts {
        for (id, reason) in &verdict.listed {
            let number = id.trim_start_matches(char::is_alphabetic).parse().unwrap_or(u32::MAX);
            rows.push((number, format!("| {id} | {} | {reason} |", verdict.name)));
        }
    }
    rows.sort();
    rows.dedup();
    for (_, row) in rows {
        let _ = writeln!(text, "{row}");
    }
    text
}

/// Ids of listed differences that a text does not name in a table's first column.
pub(crate) fn unexplained(verdicts: &[Verdict], text: &str) -> BTreeSet<String> {
    let listed = verdicts.iter().flat_map(|verdict| &verdict.listed).map(|(id, _)| id.clone());
    listed.filter(|id| !text.contains(&format!("\n| {id} |"))).collect()
}
