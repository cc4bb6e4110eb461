//! How Runway merges maps.

use serde_json::Value;

/// Merges `over` into `base`: maps key by key at every depth, lists are put behind one another, of everything else
/// `over` wins (Runway, `merge_dicts`).
pub fn merge(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let merged = match base.remove(&key) {
                    Some(before) => merge(before, value),
                    None => value,
                };
                base.insert(key, merged);
            }
            Value::Object(base)
        }
        (Value::Array(mut base), Value::Array(over)) => {
            base.extend(over);
            Value::Array(base)
        }
        (_, over) => over,
    }
}

/// Merges what there is, in order.
pub fn merge_all(values: impl IntoIterator<Item = Option<Value>>) -> Option<Value> {
    values.into_iter().flatten().reduce(merge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_merge_at_every_depth_and_lists_grow() {
        let base = json!({"a": {"x": 1, "y": [1]}, "b": "base", "c": {"k": 1}});
        let over = json!({"a": {"y": [2], "z": 3}, "b": null, "c": "text"});
        let merged = json!({"a": {"x": 1, "y": [1, 2], "z": 3}, "b": null, "c": "text"});
        assert_eq!(merge(base, over), merged);
    }
}
