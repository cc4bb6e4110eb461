//! Looks into JSON: `/a/0/b` (a JSON pointer), or `a.b[0].c`.

use serde_json::Value;

/// What is wrong with a query, if anything.
pub(super) fn problem(query: &str) -> Option<String> {
    steps(query).err()
}

/// What a query finds; `None` if there is nothing.
pub(super) fn find<'v>(value: &'v Value, query: &str) -> Option<&'v Value> {
    if query.starts_with('/') {
        return value.pointer(query);
    }
    let steps = steps(query).ok()?;
    steps.iter().try_fold(value, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        Value::Object(entries) => entries.get(step.as_str()),
        _ => None,
    })
}

/// The steps of a dotted path. A name in quotes may hold dots: `tags."a.b"`.
fn steps(query: &str) -> Result<Vec<String>, String> {
    if query.is_empty() || query.starts_with('/') {
        return Ok(Vec::new());
    }
    let strange = || format!("the query `{query}` cannot be read: write `/a/0/b` or `a[0].b`");
    let (mut steps, mut rest) = (Vec::new(), query);
    loop {
        let (step, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"').ok_or_else(strange)?
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']').ok_or_else(strange)?;
            if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(strange());
            }
            (index, after)
        } else {
            rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()))
        };
        if step.is_empty() {
            return Err(strange());
        }
        steps.push(step.to_owned());
        rest = match after.strip_prefix('.') {
            Some(after) => after,
            None if after.is_empty() => return Ok(steps),
            None if after.starts_with('[') => after,
            None => return Err(strange()),
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_find_what_they_name() {
        let value = json!({"a": [{"b": 1}, {"b": {"c.d": 2}}], "1": "one", "/": 3});
        assert_eq!(find(&value, ""), Some(&value));
        assert_eq!(find(&value, "/a/0/b"), Some(&json!(1)));
        assert_eq!(find(&value, "a[0].b"), Some(&json!(1)));
        assert_eq!(find(&value, "a.0.b"), Some(&json!(1)));
        assert_eq!(find(&value, "a[1].b.\"c.d\""), Some(&json!(2)));
        assert_eq!(find(&value, "/~1"), Some(&json!(3)));
        assert_eq!(find(&value, "1"), Some(&json!("one")));
        for nothing in ["a.b", "a[2]", "b", "/a/x", "1.x"] {
            assert_eq!(find(&value, nothing), None, "{nothing}");
        }
    }

    #[test]
    fn queries_that_make_no_sense_are_refused() {
        for query in ["a..b", "a.", ".a", "a[", "a[x]", "a[]", "a[0]b", "\"a"] {
            assert!(problem(query).is_some(), "{query}");
        }
        for query in ["", "/", "/a/b", "a", "a[0][1].b", "\"a.b\".c"] {
            assert_eq!(problem(query), None, "{query}");
        }
    }
}
