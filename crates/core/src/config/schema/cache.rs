//! The form of the section `cache`.

use serde_json::{Map, Value, json};

use super::PARAMETER;
use crate::cache::kinds;

pub(super) fn section() -> Value {
    // YAML takes `off` for a boolean.
    let mode = |description: &str, more: &[&str]| {
        let names: Vec<Value> = more.iter().map(|name| json!(name)).chain([json!(false)]).collect();
        json!({"description": description, "anyOf": [
            {"enum": names},
            {"type": "string", "pattern": format!("^(off|read|read-write|refresh)$|{PARAMETER}")}
        ]})
    };
    let duration = json!({"type": "string", "pattern": format!("^[1-9][0-9]{{0,5}}[smhd]$|{PARAMETER}")});
    let enabled = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {"enabled": {"description": "`false`: not cached.", "$ref": "#/$defs/Boolean"}}
    });
    let kinds_of_core: Map<String, Value> = kinds::ALL
        .iter()
        .filter(|kind| **kind != kinds::LOOKUP)
        .map(|kind| (kind.name.to_owned(), enabled.clone()))
        .collect();
    let never: Vec<String> = kinds::NEVER_LOOKUPS.iter().map(|(name, _)| name.replace('.', r"\.")).collect();
    let lookups = format!(r"^lookup\.(?!({}|awslambda\..+)$).+$", never.join("|"));
    let lookup = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {"ttl": {"description": "How long a value that was found is used again.", "anyOf": [duration]}}
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "enabled": {"description": "`false`: nothing is cached; default: true.", "$ref": "#/$defs/Boolean"},
            "local": mode("What the files of this machine are used for; default: `read-write`.", &[]),
            "remote": mode(
                "What the objects in `cfngin_bucket` are used for; default: `auto`, which is `read` in plans and `read-write` in deployments.",
                &["auto"]
            ),
            "max_age": {
                "description": "How long a result is kept after its last use; default: `30d`.",
                "anyOf": [duration]
            },
            "max_entries": {"description": "How many results are kept; default: 20000.", "$ref": "#/$defs/Count"},
            "kinds": {
                "description": "Kinds of results that are not cached, and lookups whose values may be used again for some time.",
                "anyOf": [
                    {
                        "type": "object",
                        "additionalProperties": false,
                        "properties": kinds_of_core,
                        "patternProperties": {lookups: lookup}
                    },
                    {"type": "null"}
                ]
            }
        }
    })
}
