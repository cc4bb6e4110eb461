//! `environments`: whether a module is deployed to an environment, account and region.

use serde_json::Value;

/// What `environments` says of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enablement {
    /// Nothing: parameters or an environment file of the module decide.
    Undefined,
    /// It is deployed, with or without parameters.
    Enabled,
    /// It is skipped, for this reason.
    Disabled(&'static str),
    /// The id of the account decides, and it is not known.
    NeedsAccount,
}

/// Compares `environments` with the deploy environment, the region and the account (`None` if it is not known). A text
/// or an item of a list is `<account>/<region>`, `<account>` or `<region>`.
pub fn enablement(
    environments: Option<&Value>,
    environment: &str,
    region: &str,
    account: Option<&str>,
) -> Enablement {
    let place = match environments {
        Some(Value::Object(entries)) if !entries.is_empty() => match entries.get(environment) {
            None => return Enablement::Disabled("the deploy environment is not among its `environments`"),
            place => place,
        },
        other => other,
    };
    let accepted: Vec<&Value> = match place {
        Some(Value::Bool(true)) => return Enablement::Enabled,
        Some(Value::Bool(false)) => return Enablement::Disabled("its `environments` disable it"),
        Some(Value::Array(items)) if !items.is_empty() => items.iter().collect(),
        Some(value @ Value::Number(_)) => vec![value],
        Some(value @ Value::String(text)) if !text.is_empty() => vec![value],
        // Runway: what is empty counts as not given.
        _ => return Enablement::Undefined,
    };
    let is_here = |value: &&Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let with_account = account.is_some_and(|account| {
            text == account
                || text.strip_prefix(account).and_then(|rest| rest.strip_prefix('/')) == Some(region)
        });
        text == region || with_account
    };
    if accepted.iter().any(is_here) {
        Enablement::Enabled
    } else if account.is_none() {
        Enablement::NeedsAccount
    } else {
        Enablement::Disabled("neither account nor region are among its `environments`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn look(environments: Value, account: Option<&str>) -> Enablement {
        enablement(Some(&environments), "dev", "us-east-1", account)
    }

    #[test]
    fn nothing_and_booleans_need_no_account() {
        assert_eq!(enablement(None, "dev", "us-east-1", None), Enablement::Undefined);
        assert_eq!(look(json!({}), None), Enablement::Undefined);
        assert_eq!(look(json!(true), None), Enablement::Enabled);
        assert!(matches!(look(json!(false), None), Enablement::Disabled(_)));
        assert_eq!(look(json!({"dev": true, "prod": false}), None), Enablement::Enabled);
        assert!(matches!(look(json!({"prod": true}), None), Enablement::Disabled(_)));
        assert_eq!(look(json!({"dev": []}), None), Enablement::Undefined);
    }

    #[test]
    fn places_are_account_region_or_both() {
        let account = Some("012345678901");
        for place in
            [json!("us-east-1"), json!("012345678901"), json!(["eu-west-1", "012345678901/us-east-1"])]
        {
            assert_eq!(look(json!({"dev": place}), account), Enablement::Enabled);
        }
        for place in [json!("us-east-2"), json!("12345678901"), json!(["012345678901/us-east-2"])] {
            assert!(matches!(look(json!({"dev": place}), account), Enablement::Disabled(_)));
        }
        assert_eq!(look(json!({"dev": "us-east-1"}), None), Enablement::Enabled);
        assert_eq!(look(json!({"dev": "012345678901"}), None), Enablement::NeedsAccount);
    }
}
