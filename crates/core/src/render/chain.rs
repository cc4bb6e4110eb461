//! Why a step may happen: from its unknown parameters back to what changes first.

use std::collections::BTreeSet;

use super::words;
use crate::ident::NodeName;
use crate::lookup::Cause;
use crate::plan::{Certainty, Plan, Reason, ShownValue, Step};

/// Longest chain that is told: a plan of a thousand stacks in a row needs no thousand sentences at each.
const LONGEST: usize = 8;

/// The links of the chain in words, nearest first; empty for a step that is certain.
pub(super) fn of(plan: &Plan, step: &Step) -> Vec<String> {
    let mut links = Vec::new();
    // What is certain needs no proof.
    if step.certainty != Certainty::May {
        return links;
    }
    let mut told: BTreeSet<(NodeName, String)> = BTreeSet::new();
    let mut next: Vec<(NodeName, String)> = Vec::new();
    for (name, change) in &step.changes.parameters {
        if let Some(ShownValue::KnownAfter(causes)) = &change.after {
            for cause in causes {
                links.push(format!("parameter {name} waits for {}", source(cause)));
                next.extend(output(cause));
            }
        }
    }
    for reason in &step.reasons {
        if let Reason::ArgumentsUnknown { after, .. } = reason {
            for cause in after {
                links.push(format!("its arguments wait for {}", source(cause)));
                next.extend(output(cause));
            }
        }
        if let Reason::TemplateUnknown { after } = reason {
            for cause in after {
                links.push(format!("the template waits for {}", source(cause)));
                next.extend(output(cause));
            }
        }
    }
    while let Some((stack, name)) = next.pop() {
        if links.len() >= LONGEST || !told.insert((stack.clone(), name.clone())) {
            continue;
        }
        let Some(before) = plan.step(&stack) else { continue };
        let because = match before.changes.outputs.get(&name) {
            Some(change) => change.because.join("; "),
            None => words::reasons(before),
        };
        links.push(format!("{stack}.{name}: {because}"));
        for change in before.changes.parameters.values() {
            if let Some(ShownValue::KnownAfter(causes)) = &change.after {
                next.extend(causes.iter().filter_map(output));
            }
        }
    }
    links
}

fn output(cause: &Cause) -> Option<(NodeName, String)> {
    match cause {
        Cause::Output(stack, name) => Some((stack.clone(), name.clone())),
        Cause::Stack(_) | Cause::Hook(_) => None,
    }
}

fn source(cause: &Cause) -> String {
    match cause {
        Cause::Output(stack, name) => format!("{stack}.{name}"),
        Cause::Stack(stack) => format!("the deploy of {stack}"),
        Cause::Hook(Some(key)) => format!("the hook {key}"),
        Cause::Hook(None) => "the hooks".to_owned(),
    }
}
