//! The section `Conditions`: its form, and an order in which every condition follows those it refers to.
//!
//! In that order each condition is judged once. Judging it again for every reference would take time that grows
//! without bound with the depth of the references.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::single;

/// Names of all conditions, each after those it refers to.
///
/// # Errors
/// CloudFormation's words for a condition that is malformed, or for a cycle.
pub(super) fn order<'a>(
    conditions: impl Iterator<Item = (&'a String, &'a Value)>,
) -> Result<Vec<String>, String> {
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, condition) in conditions {
        let mut needs = BTreeSet::new();
        check(condition, &mut needs)?;
        waiting.insert(name, needs);
    }
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let is_ready = |needs: &BTreeSet<&str>| !needs.iter().any(|need| waiting.contains_key(need));
        let ready: Vec<&str> =
            waiting.iter().filter(|(_, needs)| is_ready(needs)).map(|(name, _)| *name).collect();
        if ready.is_empty() {
            let names: Vec<_> = waiting.into_keys().collect();
            return Err(format!(
                "Template format error: Circular dependencies for conditions [{}]",
                names.join(", ")
            ));
        }
        for name in ready {
            waiting.remove(name);
            order.push(name.to_owned());
        }
    }
    Ok(order)
}

/// Checks the form of a condition and collects the names of the conditions in it.
fn check<'a>(condition: &'a Value, needs: &mut BTreeSet<&'a str>) -> Result<(), String> {
    let words = |text: &str| Err(format!("Template error: {text}"));
    match condition.as_object().and_then(single) {
        Some(("Condition", Value::String(name))) => {
            needs.insert(name);
            Ok(())
        }
        Some(("Condition", _)) => words("every Condition member must be a string."),
        Some(("Fn::Equals", argument)) => match argument.as_array() {
            Some(parts) if parts.len() == 2 => Ok(()),
            _ => words("Fn::Equals requires a list argument with two elements"),
        },
        Some(("Fn::Not", argument)) => match argument.as_array().map(Vec::as_slice) {
            Some([only]) => check(only, needs),
            _ => words("Fn::Not requires a list argument with one element"),
        },
        Some((function @ ("Fn::And" | "Fn::Or"), argument)) => match argument.as_array() {
            Some(parts) if (2..=10).contains(&parts.len()) => {
                parts.iter().try_for_each(|part| check(part, needs))
            }
            _ => words(&format!("{function} requires a list argument with 2 to 10 elements")),
        },
        _ => Err("Template format error: Conditions can only be boolean operations on parameters and other \
                  conditions"
            .to_owned()),
    }
}
