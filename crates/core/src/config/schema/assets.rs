//! The schema of the section `assets`.

use serde_json::{Value, json};

use super::PARAMETER;

/// The section.
pub(super) fn section() -> Value {
    json!({
        "description": "Builds that are pushed to buckets as steps of the plan. CFNgin does not know them.",
        "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Asset"}}, {"type": "null"}]
    })
}

/// An entry.
pub(super) fn entry() -> Value {
    let needs = |description: &str| {
        let need = json!({"anyOf": [{"$ref": "#/$defs/Text"}, {"$ref": "#/$defs/TaskNeed"}]});
        json!({"description": description, "type": "array", "items": need})
    };
    let texts =
        |description: &str| json!({"description": description, "type": "array", "items": {"type": "string"}});
    json!({
        "description": "A build that is pushed to a bucket as a step of the plan.",
        "type": "object",
        "additionalProperties": false,
        "required": ["app", "source", "bucket"],
        "properties": {
            "allow_older": {"description": "Whether an older build may replace a newer one; default: false.", "$ref": "#/$defs/Boolean"},
            "app": {"description": "Name of the app: its files are below `data/<app>/`.", "type": "string"},
            "bucket": {
                "description": "Name of the bucket, or where it is; lookups such as `${output frontend.Bucket}` are resolved.",
                "anyOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["name"],
                        "properties": {
                            "name": {"description": "Name of the bucket.", "type": "string"},
                            "prefix": {"description": "What all keys begin with; default: nothing.", "type": ["string", "null"]},
                            "region": {"description": "Region of the bucket; default: that of the run.", "type": ["string", "null"]}
                        }
                    }
                ]
            },
            "build": {
                "description": "Which build it is.",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "commit": {"description": "Commit it was built from.", "type": "string"},
                    "image": {"description": "Image it comes in.", "type": "string"},
                    "timestamp": {"description": "When it was built, in seconds since 1970: an older build never replaces a newer one.", "type": ["string", "integer"]}
                }
            },
            "cache_control": {
                "description": "`Cache-Control` of entry points, of files with a hash in their name, and of all others.",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "default": {"type": "string"},
                    "entry": {"type": "string"},
                    "immutable": {"type": "string"}
                }
            },
            "concurrency": {"description": "Transfers at the same time; default: 16.", "$ref": "#/$defs/Count"},
            "content_types": {"description": "Content types by suffix, for example `.webmanifest`.", "type": "object", "additionalProperties": {"type": "string"}},
            "deny_in_place": {"description": "Whether a file that changed under its name is refused; default: false.", "$ref": "#/$defs/Boolean"},
            "enabled": {"description": "`false`: runs leave it alone; default: true.", "$ref": "#/$defs/Boolean"},
            "entry": texts("Entry points in the order in which they are replaced, after everything else; `fed-mods.json` is always the last."),
            "exclude": texts("Patterns of files that are left out."),
            "immutable": {"description": "Regular expression that finds the names of files whose bytes never change.", "type": "string"},
            "late": texts("Patterns of files that are sent after the others, and before the entry points."),
            "manifest_format": {"description": "Form of the manifest; default: `v2`.", "enum": ["list", "valpop", "v2"]},
            "manifest_time": {"description": "What names the manifest: the time of the push or that of the build; default: `push`.", "enum": ["push", "build"]},
            "name": {
                "description": "Its name in the graph, `assets/<name>`; default: the app.",
                "$ref": "#/$defs/Text",
                "pattern": format!("^[A-Za-z0-9][A-Za-z0-9_-]*$|{PARAMETER}")
            },
            "prune": {
                "description": "What of older builds is removed after the push.",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "enabled": {"description": "Default: false.", "$ref": "#/$defs/Boolean"},
                    "max_delete_ratio": {"description": "Largest part of the files that may go at once; default: 0.5.", "type": "number"},
                    "min_keep": {"description": "Builds that stay however old; default: 3.", "$ref": "#/$defs/Count"},
                    "orphans": {"description": "Whether files that no manifest names go, too; default: false.", "$ref": "#/$defs/Boolean"},
                    "threshold": {"description": "Age from which a build goes; default: `48h`.", "type": "string"}
                }
            },
            "required_by": needs("Stacks and tasks that come after it."),
            "requires": needs("Stacks and tasks that come before it, besides those that its lookups name."),
            "role": {"description": "ARN of a role that is assumed for it.", "type": "string"},
            "role_chain": {"description": "ARNs of roles that are assumed one after the other.", "type": "array", "items": {"type": "string"}},
            "source": {"description": "Directory of the build, relative to the config.", "type": "string"}
        },
        "not": {"required": ["role", "role_chain"]}
    })
}
