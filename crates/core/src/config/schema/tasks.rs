//! The schema of the section `tasks`.

use serde_json::{Value, json};

use super::PARAMETER;

/// The section.
pub(super) fn section() -> Value {
    json!({
        "description": "Tasks beside the stacks: a list, or a map from name to task. CFNgin does not know them.",
        "anyOf": [
            {"type": "array", "items": {"$ref": "#/$defs/Task", "required": ["name", "kind"]}},
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/Task", "required": ["kind"]}},
            {"type": "null"}
        ]
    })
}

/// A task.
pub(super) fn task() -> Value {
    let needs = |description: &str| {
        let need = json!({"anyOf": [{"$ref": "#/$defs/Text"}, {"$ref": "#/$defs/TaskNeed"}]});
        json!({"description": description, "type": "array", "items": need})
    };
    json!({
        "description": "A task: something that CloudFormation has no resource for, or that has to happen between stacks.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "account": {"description": "Id of the account in which it works; default: that of the run.", "$ref": "#/$defs/Text", "pattern": id()},
            "accounts": {
                "description": "Accounts in each of which it works: one node of the graph for each.",
                "type": "array",
                "minItems": 1,
                "items": {"anyOf": [{"type": "string", "pattern": id()}, {"$ref": "#/$defs/TaskAccount"}]}
            },
            "args": {"description": "Arguments of its kind; lookups such as `${output vpc.Id}` are resolved.", "type": ["object", "null"]},
            "cache": {"description": "What of it may be remembered.", "anyOf": [{"$ref": "#/$defs/TaskCache"}, {"type": "null"}]},
            "enabled": {"description": "`false`: runs leave it alone; default: true.", "$ref": "#/$defs/Boolean"},
            "kind": {"description": "Its kind, for example `event_bus`.", "$ref": "#/$defs/Text"},
            "name": {
                "description": "Its name, which no other task of its kind has. In the map form the key stands for it.",
                "$ref": "#/$defs/Text",
                "pattern": format!("^[A-Za-z0-9][A-Za-z0-9_-]*$|{PARAMETER}")
            },
            "on_remove": {
                "description": "What becomes of what it keeps once it leaves the config, and in a destroy; the default depends on its kind.",
                "enum": ["retain", "delete"]
            },
            "region": {"description": "Region in which it works; default: that of the run.", "$ref": "#/$defs/Text", "pattern": region()},
            "regions": {
                "description": "Regions in each of which it works: one node of the graph for each.",
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "pattern": region()}
            },
            "required_by": needs("Stacks and tasks that come after it."),
            "requires": needs("Stacks and tasks that come before it, besides those that its lookups name."),
            "role": {"description": "ARN of a role that is assumed for it; `${place account}` stands for its account.", "type": "string"},
            "role_chain": {"description": "ARNs of roles that are assumed one after the other.", "type": "array", "items": {"type": "string"}},
            "when": {
                "description": "For kinds that only have effects: `changed` runs it when its arguments or what it needs changes, `always` in every deploy; default: `changed`.",
                "enum": ["changed", "always"]
            }
        },
        "not": {"anyOf": [both("account", "accounts"), both("region", "regions"), both("role", "role_chain")]}
    })
}

/// An entry of `accounts` that has more than an id.
pub(super) fn account() -> Value {
    json!({
        "type": "object",
        "required": ["account"],
        "additionalProperties": false,
        "properties": {
            "account": {"description": "Id of the account.", "type": "string", "pattern": id()},
            "region": {"description": "Region in this account.", "type": "string", "pattern": region()},
            "regions": {
                "description": "Regions in this account; default: those of the task.",
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "pattern": region()}
            },
            "role": {"description": "ARN of a role that is assumed for this account.", "type": "string"},
            "role_chain": {"description": "ARNs of roles that are assumed one after the other.", "type": "array", "items": {"type": "string"}}
        },
        "not": {"anyOf": [both("region", "regions"), both("role", "role_chain")]}
    })
}

/// `cache` of a task.
pub(super) fn cache() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "trust_for": {
                "description": "How long it is trusted to be as specified once it was seen to be, without a look: for example `1h`. Default: not at all.",
                "type": ["string", "null"],
                "pattern": format!("^[0-9]+[smhd]$|{PARAMETER}")
            }
        }
    })
}

/// An entry of `requires` or `required_by` that has more than a name.
pub(super) fn need() -> Value {
    json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "affinity": {
                "description": "Only the nodes that have this in common with the one that names them.",
                "enum": ["account", "region", "account-and-region"]
            },
            "name": {"description": "A stack or task.", "$ref": "#/$defs/Text"}
        }
    })
}

fn id() -> String {
    format!("^[0-9]{{12}}$|{PARAMETER}")
}

fn region() -> String {
    format!("^[a-z0-9]+(-[a-z0-9]+)+$|{PARAMETER}")
}

fn both(one: &str, many: &str) -> Value {
    json!({"required": [one, many]})
}
