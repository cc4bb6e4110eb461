//! `hook_data` and `awslambda`: what hooks before the run gave back.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::{Failure, external};
use crate::lookup::resolve::{HookData, Scope};
use crate::lookup::{Cause, Resolved};
use crate::registry::PYTHON_VALUE;

/// `${hook_data data_key.path::arguments}`.
pub(super) fn hook_data(query: &str, scope: &dyn Scope) -> Result<Resolved, Failure> {
    let (path, mut arguments) = Arguments::split(query, &[])?;
    let path = path.trim();
    let (results, hidden) = match scope.hook_data() {
        HookData::Known { results, hidden } => (results, hidden),
        HookData::Expected { keys, more } => {
            return match expected(path, &keys) {
                Some(key) => Ok(Resolved::Unknown { after: BTreeSet::from([Cause::Hook(Some(key))]) }),
                None if more => Ok(Resolved::Unknown { after: BTreeSet::from([Cause::Hook(None)]) }),
                None => arguments.default_or(no_such_key(path, keys.iter())),
            };
        }
    };
    // CFNgin takes results such as 0 and "" for missing; only what is absent is.
    match find(&results, path) {
        Some(value) => {
            if value.get(PYTHON_VALUE).is_some() {
                arguments = arguments.loading_objects();
            }
            let secret = expected(path, &hidden).is_some();
            Ok(Resolved::Known { value: arguments.apply(value.clone())?, secret })
        }
        None => arguments.default_or(no_such_key(path, results.keys())),
    }
}

/// `${awslambda data_key}` and `${awslambda.Code data_key}`: Python makes the value from the hook's result.
pub(super) fn awslambda(name: &str, query: &str, scope: &dyn Scope) -> Result<Resolved, Failure> {
    match scope.hook_data() {
        HookData::Expected { keys, .. } if keys.contains(query.trim()) => {
            let after = BTreeSet::from([Cause::Hook(Some(query.trim().to_owned()))]);
            Ok(Resolved::Unknown { after })
        }
        HookData::Expected { keys, .. } => {
            Err(Failure::new(no_such_key(query.trim(), keys.iter()), "add an awslambda hook to `pre_deploy`"))
        }
        HookData::Known { .. } => external((name, query, None), Arguments::default(), scope),
    }
}

/// The data key that a path will be found under: keys may have dots in them.
fn expected(path: &str, keys: &BTreeSet<String>) -> Option<String> {
    let within = |key: &&String| {
        path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    keys.iter().filter(within).max_by_key(|key| key.len()).cloned()
}

/// The value at a dotted path; a key that has dots itself is tried as a whole.
fn find<'v>(entries: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    if let Some(value) = entries.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let inner = entries.get(&path[..dot])?.as_object()?;
        find(inner, &path[dot + 1..])
    })
}

fn no_such_key<'k>(path: &str, keys: impl Iterator<Item = &'k String>) -> String {
    let keys: Vec<&str> = keys.map(String::as_str).collect();
    let known = if keys.is_empty() {
        "no hook gives data".to_owned()
    } else {
        format!("hooks give {}", keys.join(", "))
    };
    format!("there is no hook data `{path}`: {known}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_may_have_dots() {
        let Value::Object(results) = json!({"a": {"b": {"c": 1}}, "a.b": {"d": 0}, "x": false}) else {
            panic!()
        };
        assert_eq!(find(&results, "a.b.c"), Some(&json!(1)));
        assert_eq!(find(&results, "a.b.d"), Some(&json!(0)));
        assert_eq!(find(&results, "x"), Some(&json!(false)));
        assert_eq!(find(&results, "x.y"), None);
        let keys = BTreeSet::from(["lambda".to_owned(), "lambda.function".to_owned()]);
        assert_eq!(expected("lambda.function.Code", &keys).as_deref(), Some("lambda.function"));
        assert_eq!(expected("lambdas", &keys), None);
    }
}
