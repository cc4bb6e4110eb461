//! Differences between two runs of a case, and which of them the case lists.

use serde_json::Value;

use crate::case::{Case, Listed};
use crate::scene::{Run, Seen};

/// Lines of output that are shown.
const LAST_LINES: usize = 30;

/// A place where the two do not agree.
pub(crate) struct Difference {
    /// The step after which.
    pub(crate) step: String,
    /// The place.
    pub(crate) at: String,
    /// What there is after Runway's run; `None` if nothing.
    pub(crate) theirs: Option<Value>,
    /// What there is after the other run.
    pub(crate) other: Option<Value>,
}

/// What is wrong with a run, and what is listed.
#[derive(Default)]
pub(crate) struct Findings {
    /// Sentences, each of which makes the case fail.
    pub(crate) wrong: Vec<String>,
    /// Ids of the listed differences that occurred.
    pub(crate) met: Vec<String>,
}

/// Compares a run with Runway's.
pub(crate) fn compare(case: &Case, run: Run, theirs: &[Seen], other: &[Seen]) -> Findings {
    let mut findings = Findings::default();
    let mut differences = Vec::new();
    for (theirs, other) in theirs.iter().zip(other) {
        collect(&theirs.step, "", Some(&theirs.state), Some(&other.state), &mut differences);
        let code = other.ran.as_ref().map_or(0, |ran| ran.code);
        if other.ours && code != other.expected {
            let output = other.ran.as_ref().map_or("", |ran| ran.output.as_str());
            findings.wrong.push(format!(
                "[{}] {}: runway-rs ended with {code}, expected {}; what follows is not compared\n{}",
                run.name(),
                other.step,
                other.expected,
                indented(output)
            ));
            return findings;
        }
    }
    let listed: Vec<&Listed> =
        case.differences.iter().filter(|listed| listed.runs.iter().any(|name| name == run.name())).collect();
    for difference in &differences {
        if !listed.iter().any(|listed| listed.covers(difference)) {
            findings.wrong.push(format!(
                "[{}] {}: {}\n    Runway:    {}\n    otherwise: {}",
                run.name(),
                difference.step,
                difference.at,
                short(difference.theirs.as_ref()),
                short(difference.other.as_ref())
            ));
        }
    }
    for listed in listed {
        for step in &listed.steps {
            let occurs = differences.iter().any(|found| found.step == *step && listed.covers(found));
            if !occurs {
                findings.wrong.push(format!(
                    "[{}] {step}: the listed difference {} at {:?} does not occur",
                    run.name(),
                    listed.id,
                    listed.at
                ));
            }
        }
        findings.met.push(listed.id.clone());
    }
    findings
}

impl Listed {
    fn covers(&self, difference: &Difference) -> bool {
        self.steps.contains(&difference.step) && matches(&self.at, &difference.at)
    }
}

/// Whether a place fits a pattern, in which `*` stands for any text.
fn matches(wanted: &str, place: &str) -> bool {
    let mut parts = wanted.split('*');
    let Some(mut rest) = place.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.ends_with(last)
}

fn collect(step: &str, at: &str, theirs: Option<&Value>, other: Option<&Value>, found: &mut Vec<Difference>) {
    if theirs == other {
        return;
    }
    if let (Some(Value::Object(one)), Some(Value::Object(two))) = (theirs, other) {
        let names: std::collections::BTreeSet<&String> = one.keys().chain(two.keys()).collect();
        for name in names {
            let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            collect(step, &at, one.get(name), two.get(name), found);
        }
        return;
    }
    found.push(Difference {
        step: step.to_owned(),
        at: at.to_owned(),
        theirs: theirs.cloned(),
        other: other.cloned(),
    });
}

fn short(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    if text.chars().count() > 200 {
        format!("{}...", text.chars().take(200).collect::<String>())
    } else {
        text
    }
}

/// Text, set in: its last lines.
pub(crate) fn indented(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| format!("        {line}\n")).collect()
}
