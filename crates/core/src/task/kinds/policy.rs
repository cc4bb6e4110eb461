//! Policies, for comparison: AWS gives them back in another spelling than they were given.

use serde_json::{Map, Value};

/// A policy in one spelling: statements and lists in order, single values as lists, accounts as their root.
pub(super) fn comparable(policy: &Value) -> Value {
    let Value::Object(entries) = policy else { return policy.clone() };
    let entries = entries.iter().map(|(name, value)| {
        let value = match name.as_str() {
            "Statement" => {
                let mut statements: Vec<Value> = many(value).iter().map(statement).collect();
                statements.sort_by_key(Value::to_string);
                Value::Array(statements)
            }
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(entries.collect())
}

fn statement(statement: &Value) -> Value {
    let Value::Object(entries) = statement else { return statement.clone() };
    let entries = entries.iter().map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("Principal" | "NotPrincipal", Value::Object(principals)) => Value::Object(
                principals.iter().map(|(kind, who)| (kind.clone(), principals_of(who))).collect(),
            ),
            ("Condition", Value::Object(conditions)) => {
                Value::Object(conditions.iter().map(|(test, keys)| (test.clone(), condition(keys))).collect())
            }
            ("Action" | "NotAction" | "Resource" | "NotResource", value) => in_order(many(value)),
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(entries.collect())
}

fn condition(keys: &Value) -> Value {
    match keys {
        Value::Object(keys) => {
            let keys: Map<String, Value> =
                keys.iter().map(|(key, values)| (key.clone(), in_order(many(values)))).collect();
            Value::Object(keys)
        }
        other => other.clone(),
    }
}

/// Accounts may be named by id or as their root; the partition says nothing that the place does not.
fn principals_of(who: &Value) -> Value {
    let account = |value: Value| match value.as_str().and_then(root_of) {
        Some(id) => Value::String(id.to_owned()),
        None => value,
    };
    in_order(many(who).into_iter().map(account).collect())
}

fn root_of(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':');
    match (parts.next(), parts.nth(1), parts.nth(1), parts.next()) {
        (Some("arn"), Some("iam"), Some(account), Some("root")) => Some(account),
        _ => None,
    }
}

fn many(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        other => vec![other.clone()],
    }
}

fn in_order(mut values: Vec<Value>) -> Value {
    values.sort_by_key(Value::to_string);
    values.dedup();
    Value::Array(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spellings_of_one_policy_are_equal() {
        let ours = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "a", "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::222222222222:root", "arn:aws:iam::111111111111:root"]},
             "Action": "events:PutEvents", "Resource": "r", "Condition": {"StringEquals": {"k": "v"}}},
            {"Sid": "b", "Effect": "Deny", "Principal": "*", "Action": ["x", "y"], "Resource": "r"},
        ]});
        let theirs = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "b", "Effect": "Deny", "Principal": "*", "Action": ["y", "x"], "Resource": ["r"]},
            {"Sid": "a", "Effect": "Allow", "Principal": {"AWS": ["111111111111", "222222222222"]},
             "Action": ["events:PutEvents"], "Resource": "r", "Condition": {"StringEquals": {"k": ["v"]}}},
        ]});
        assert_eq!(comparable(&ours), comparable(&theirs));
        let mut other = theirs;
        other["Statement"][1]["Principal"]["AWS"] = json!("333333333333");
        assert_ne!(comparable(&ours), comparable(&other));
        assert_eq!(root_of("arn:aws-cn:iam::111111111111:root"), Some("111111111111"));
        assert_eq!(root_of("arn:aws:iam::111111111111:role/root"), None);
    }
}
