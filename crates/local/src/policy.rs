//! Stack policies: which updates of which resources are allowed.
//!
//! Without a policy everything is; with one, only what a statement allows and none denies (AWS: "Prevent updates to
//! stack resources").

use serde_json::Value;

use crate::state::Change;

/// Checks that a text is a stack policy.
///
/// # Errors
/// CloudFormation's words for what is wrong.
pub(crate) fn check(policy: &str) -> Result<(), String> {
    if policy.len() > 16_384 {
        return Err("Stack policy body must not be larger than 16384 bytes".to_owned());
    }
    let parsed: Value =
        serde_json::from_str(policy).map_err(|error| format!("Error validating stack policy: {error}"))?;
    let statements = statements(&parsed);
    if statements.is_empty() {
        return Err("Error validating stack policy: Invalid stack policy".to_owned());
    }
    for statement in statements {
        let has = |name: &str| statement.get(name).is_some();
        let effect = statement.get("Effect").and_then(Value::as_str);
        if !matches!(effect, Some("Allow" | "Deny"))
            || !(has("Action") || has("NotAction"))
            || !(has("Resource") || has("NotResource"))
            || !has("Principal")
        {
            return Err(
                "Error validating stack policy: every statement needs Effect, Action, Principal and Resource"
                    .to_owned(),
            );
        }
    }
    Ok(())
}

/// Why a change is not allowed, or `None` if it is. `change` is `None` for a deletion.
pub(crate) fn denial(policy: &str, logical_id: &str, kind: &str, change: Option<Change>) -> Option<String> {
    let action = match change {
        Some(Change::Added) => return None,
        Some(Change::Modified) => "Update:Modify",
        Some(Change::Replaced) => "Update:Replace",
        None => "Update:Delete",
    };
    let parsed: Value = serde_json::from_str(policy).ok()?;
    let resource = format!("LogicalResourceId/{logical_id}");
    let applies = |statement: &&Value| {
        one_of(statement, "Action", "NotAction", action)
            && one_of(statement, "Resource", "NotResource", &resource)
            && has_type(statement, kind)
    };
    let statements = statements(&parsed);
    let effect = |wanted: &str| {
        statements.iter().position(|statement| {
            applies(statement) && statement.get("Effect").and_then(Value::as_str) == Some(wanted)
        })
    };
    let place = format!("[{action}] for resource [{resource}]");
    if let Some(at) = effect("Deny") {
        return Some(format!(
            "Action denied by stack policy: Statement [#{}] does not allow {place}",
            at + 1
        ));
    }
    if effect("Allow").is_none() {
        return Some(format!("Action denied by stack policy: no statement allows {place}"));
    }
    None
}

fn statements(policy: &Value) -> Vec<&Value> {
    match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => Vec::new(),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn one_of(statement: &Value, positive: &str, negative: &str, text: &str) -> bool {
    let matches = |patterns: &Value| texts(patterns).iter().any(|pattern| matches(pattern, text));
    match (statement.get(positive), statement.get(negative)) {
        (Some(patterns), _) => matches(patterns),
        (None, Some(patterns)) => !matches(patterns),
        (None, None) => false,
    }
}

/// `Condition: {StringEquals|StringLike: {ResourceType: [...]}}`.
fn has_type(statement: &Value, kind: &str) -> bool {
    let Some(condition) = statement.get("Condition").and_then(Value::as_object) else { return true };
    condition.values().all(|test| {
        test.get("ResourceType")
            .is_none_or(|patterns| texts(patterns).iter().any(|pattern| matches(pattern, kind)))
    })
}

/// Whether `text` matches `pattern`, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(tail)
}
