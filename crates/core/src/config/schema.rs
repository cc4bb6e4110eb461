//! The form of a CFNgin config, as a JSON Schema for editors and other checks. The checks themselves are in
//! [`super::load`], which knows more (names that belong together, lookups, parameters) and gives better messages. The
//! tests here hold the two together.

use serde_json::{Value, json};

/// A text with a lookup in it, where none is resolved.
const LOOKUP: &str = r"\$\{[^\s{}]*\s+[^\s}][\s\S]*\}";

/// A text that is a parameter of the environment file or the command line, so that its type shows only in a run.
const PARAMETER: &str = r"^\$\{[^\s{}]+\}$";

/// The schema of a config.
pub(crate) fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "CFNgin config",
        "description": "CloudFormation stacks of one namespace. Other keys are legal at the top level as homes for YAML anchors.",
        "type": "object",
        "required": ["namespace"],
        "additionalProperties": true,
        "properties": {
            "cfngin_bucket": {
                "description": "Bucket for templates and persistent graph. `\"\"` means no bucket: templates travel in the requests, and there is no graph. Default: `cfngin-<namespace>-<region>`.",
                "anyOf": [
                    {"type": "string", "pattern": "^$|^[A-Za-z0-9._-]{3,255}$"},
                    {"type": "string", "pattern": r"\$\{[^\s{}]+\}"},
                    {"type": "null"}
                ]
            },
            "cfngin_bucket_region": {
                "description": "Region of the bucket, if it is not that of the run.",
                "$ref": "#/$defs/OptionalText"
            },
            "cfngin_cache_dir": {
                "description": "Directory for fetched package sources, relative to the config; default: `.runway/cache`.",
                "$ref": "#/$defs/OptionalText"
            },
            "description": {"description": "For readers; without effect."},
            "log_formats": {"description": "Accepted without effect, as in Runway.", "type": "object"},
            "lookups": {
                "description": "The config's own lookups: names, and the importable paths of their Python classes.",
                "type": "object",
                "additionalProperties": {"type": "string", "pattern": "\\.", "not": {"pattern": LOOKUP}}
            },
            "mappings": {
                "description": "Mappings of CloudFormation (name, key, values): added to Python blueprints, and `mappings` in `.j2` templates.",
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": {"type": "object"}
                }
            },
            "namespace": {
                "description": "Prefix of every stack name, and part of the persistent graph's key.",
                "$ref": "#/$defs/Text"
            },
            "namespace_delimiter": {
                "description": "What stands between namespace and stack name; default: `-`.",
                "$ref": "#/$defs/Text"
            },
            "package_sources": {
                "description": "Directories, archives and repositories that are fetched before the config is read.",
                "$ref": "#/$defs/PackageSources"
            },
            "persistent_graph_key": {
                "description": "Key of the persistent graph in the bucket: the record by which stacks that left the config are deleted. Without it they are not.",
                "$ref": "#/$defs/OptionalText"
            },
            "acknowledge": {
                "description": "Losses of data that are meant, each up to a day: without an entry, or --allow, a run that asks nobody refuses them.",
                "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Acknowledgement"}}, {"type": "null"}]
            },
            "assets": assets::section(),
            "cache": {
                "description": "Results that later runs use instead of doing the same work again.",
                "anyOf": [{"$ref": "#/$defs/Cache"}, {"type": "null"}]
            },
            "refuse_data_loss": {
                "description": "`false`: a run that asks nobody may lose data; default: `true`.",
                "$ref": "#/$defs/Boolean"
            },
            "post_deploy": {"description": "Hooks after a deploy.", "$ref": "#/$defs/Hooks"},
            "post_destroy": {"description": "Hooks after a destroy.", "$ref": "#/$defs/Hooks"},
            "pre_deploy": {"description": "Hooks before a deploy.", "$ref": "#/$defs/Hooks"},
            "pre_destroy": {"description": "Hooks before a destroy.", "$ref": "#/$defs/Hooks"},
            "service_role": {
                "description": "ARN of the role that CloudFormation assumes for its work on the stacks.",
                "$ref": "#/$defs/OptionalText"
            },
            "stacks": {
                "description": "The stacks: a list, or a map from name to stack.",
                "anyOf": [
                    {"type": "array", "items": {"$ref": "#/$defs/Stack", "required": ["name"]}},
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/Stack"}},
                    {"type": "null"}
                ]
            },
            "sys_path": {
                "description": "Directory, relative to the config, in which Python modules and templates are looked for that are not beside the config.",
                "$ref": "#/$defs/OptionalText"
            },
            "tags": {
                "description": "Tags of every stack; default: `cfngin_namespace: <namespace>`. `{}` means none.",
                "anyOf": [{"$ref": "#/$defs/Tags"}, {"type": "null"}]
            },
            "tasks": tasks::section(),
            "template_indent": {
                "description": "Spaces by which the JSON of Python blueprints is indented; default: 4.",
                "$ref": "#/$defs/Count"
            }
        },
        "$defs": {
            "Acknowledgement": {
                "type": "object",
                "additionalProperties": false,
                "required": ["stack", "until"],
                "properties": {
                    "stack": {"description": "Name of the stack.", "$ref": "#/$defs/Text", "minLength": 1},
                    "resource": {"description": "Logical id of one of its resources; without it, all of them.", "$ref": "#/$defs/OptionalText"},
                    "until": {"description": "The last day on which the entry holds, in UTC.", "type": "string", "pattern": format!("^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$|{PARAMETER}")},
                    "reason": {"description": "Why, for readers.", "$ref": "#/$defs/OptionalText"}
                }
            },
            "Asset": assets::entry(),
            "Cache": cache::section(),
            "Boolean": {
                "anyOf": [
                    {"type": "boolean"},
                    {"enum": [0, 1]},
                    {"type": "string", "pattern": format!("^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo]|[Oo][Nn]|[Oo][Ff][Ff]|[TtFfYyNn01])$|{PARAMETER}")}
                ]
            },
            "Count": {
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": u32::MAX},
                    {"type": "string", "pattern": format!("^[0-9]+$|{PARAMETER}")}
                ]
            },
            "Text": {"type": "string", "not": {"pattern": LOOKUP}},
            "OptionalText": {"anyOf": [{"$ref": "#/$defs/Text"}, {"type": "null"}]},
            "Texts": {"type": "array", "items": {"type": "string"}},
            "Tags": {
                "type": "object",
                "maxProperties": 50,
                "propertyNames": {"minLength": 1, "maxLength": 128, "not": {"pattern": "^[Aa][Ww][Ss]:"}},
                "additionalProperties": {"type": ["string", "number", "boolean", "null"], "maxLength": 256}
            },
            "Hooks": {
                "anyOf": [
                    {"type": "array", "items": {"$ref": "#/$defs/Hook"}},
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/Hook"}}
                ]
            },
            "Hook": hook(),
            "Stack": stack(),
            "Task": tasks::task(),
            "TaskAccount": tasks::account(),
            "TaskCache": tasks::cache(),
            "TaskNeed": tasks::need(),
            "PackageSources": package_sources(),
            "LocalSource": local_source(),
            "S3Source": s3_source(),
            "GitSource": git_source()
        }
    })
}

fn hook() -> Value {
    json!({
        "description": "A function or class that runs before or after the stacks are worked on.",
        "type": "object",
        "required": ["path"],
        "additionalProperties": false,
        "properties": {
            "args": {"description": "Arguments; lookups such as `${output vpc.Id}` are resolved.", "type": "object"},
            "data_key": {
                "description": "Key under which a map that it returns is kept, for the lookup `hook_data` and for later hooks.",
                "$ref": "#/$defs/OptionalText"
            },
            "enabled": {"description": "Whether it runs; default: true.", "$ref": "#/$defs/Boolean"},
            "path": {
                "description": "Importable path of the hook, for example `runway.cfngin.hooks.command.run_command`.",
                "$ref": "#/$defs/Text"
            },
            "required": {
                "description": "Whether the run ends if the hook fails; default: true.",
                "$ref": "#/$defs/Boolean"
            }
        }
    })
}

fn stack() -> Value {
    json!({
        "description": "A CloudFormation stack.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "class_path": {
                "description": "Importable path of a Python blueprint that renders the template. Either this or `template_path`.",
                "$ref": "#/$defs/OptionalText"
            },
            "description": {
                "description": "Replaces the description of a blueprint's template; without effect on template files.",
                "type": ["string", "null"]
            },
            "enabled": {
                "description": "`false`: deploys leave the stack alone; default: true.",
                "$ref": "#/$defs/Boolean"
            },
            "in_progress_behavior": {
                "description": "`wait`: if another operation is under way on the stack, its end is waited for; by default the stack fails then.",
                "enum": ["wait", null]
            },
            "locked": {
                "description": "`true`: created if it does not exist, never updated; default: false.",
                "$ref": "#/$defs/Boolean"
            },
            "name": {
                "description": "Name of the stack in this config, in lookups and in the persistent graph. In the map form the key stands for it.",
                "$ref": "#/$defs/Text"
            },
            "protected": {
                "description": "`true`: every update wants an approval of its own; default: false.",
                "$ref": "#/$defs/Boolean"
            },
            "required_by": {"description": "Stacks that come after this one.", "$ref": "#/$defs/Texts"},
            "requires": {
                "description": "Stacks that come before this one, besides those that its `output` lookups name.",
                "$ref": "#/$defs/Texts"
            },
            "stack_name": {
                "description": "Name in CloudFormation, before the namespace is put in front; default: `name`.",
                "$ref": "#/$defs/OptionalText"
            },
            "stack_policy_path": {
                "description": "File with the stack policy, relative to the config.",
                "$ref": "#/$defs/OptionalText"
            },
            "tags": {"description": "Tags, over those of the config.", "$ref": "#/$defs/Tags"},
            "template_path": {
                "description": "Template file, relative to the config: JSON or YAML, or `.j2` for Jinja2. Either this or `class_path`.",
                "$ref": "#/$defs/OptionalText"
            },
            "termination_protection": {
                "description": "Whether CloudFormation refuses to delete the stack; default: false.",
                "$ref": "#/$defs/Boolean"
            },
            "timeout": {
                "description": "Minutes that the creation may take before CloudFormation rolls it back.",
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": u32::MAX},
                    {"type": "string", "pattern": format!("^0*[1-9][0-9]*$|{PARAMETER}")},
                    {"type": "null"}
                ]
            },
            "variables": {
                "description": "Values of the template's parameters, or of the blueprint's variables; lookups such as `${output vpc.Id}` are resolved.",
                "type": "object"
            }
        },
        // Exactly one template, but none is needed for a stack that is disabled or locked.
        "not": {
            "required": ["class_path", "template_path"],
            "properties": {"class_path": {"type": "string"}, "template_path": {"type": "string"}}
        },
        "anyOf": [
            {"required": ["class_path"], "properties": {"class_path": {"type": "string"}}},
            {"required": ["template_path"], "properties": {"template_path": {"type": "string"}}},
            {"required": ["enabled"], "properties": {"enabled": {"not": yes()}}},
            {"required": ["locked"], "properties": {"locked": {"not": no()}}}
        ]
    })
}

/// What is surely true.
fn yes() -> Value {
    json!({"enum": [true, 1, "true", "True", "TRUE", "yes", "on", "t", "y", "1"]})
}

/// What is surely false.
fn no() -> Value {
    json!({"enum": [false, 0, "false", "False", "FALSE", "no", "off", "f", "n", "0"]})
}

fn package_sources() -> Value {
    let list = |description: &str, item: &str| {
        let items = json!({"$ref": format!("#/$defs/{item}")});
        json!({"description": description, "type": "array", "items": items})
    };
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "git": list("Git repositories, fetched last.", "GitSource"),
            "local": list("Directories, used first.", "LocalSource"),
            "s3": list("Archives in S3, fetched after the directories.", "S3Source")
        }
    })
}

fn paths() -> Value {
    json!({
        "description": "Directories of the source in which Python modules and templates are looked for; by default the source itself.",
        "$ref": "#/$defs/Texts"
    })
}

fn configs() -> Value {
    json!({
        "description": "Configs of the source that are merged into this one, which wins.",
        "$ref": "#/$defs/Texts"
    })
}

fn needed(description: &str) -> Value {
    json!({"description": description, "type": "string", "minLength": 1, "not": {"pattern": LOOKUP}})
}

fn local_source() -> Value {
    json!({
        "description": "A directory.",
        "type": "object",
        "required": ["source"],
        "additionalProperties": false,
        "properties": {
            "configs": configs(),
            "paths": paths(),
            "source": needed("The directory, relative to the config.")
        }
    })
}

fn s3_source() -> Value {
    let mut key = needed("Key of the archive, which ends with `.tar.gz`, `.tar` or `.zip`.");
    key["pattern"] = json!(r"\.(tar\.gz|tar|zip)$");
    json!({
        "description": "An archive in S3.",
        "type": "object",
        "required": ["bucket", "key"],
        "additionalProperties": false,
        "properties": {
            "bucket": needed("The bucket."),
            "configs": configs(),
            "key": key,
            "paths": paths(),
            "requester_pays": {
                "description": "Whether you agree to pay for the requests; default: false.",
                "$ref": "#/$defs/Boolean"
            },
            "use_latest": {
                "description": "Whether a newer archive under the same key is fetched anew; default: true.",
                "$ref": "#/$defs/Boolean"
            }
        }
    })
}

fn git_source() -> Value {
    let reference = |description: &str| json!({"description": description, "$ref": "#/$defs/OptionalText"});
    let both = |first: &str, second: &str| {
        let given = json!({"type": "string", "minLength": 1});
        json!({"required": [first, second], "properties": {(first): given, (second): given}})
    };
    json!({
        "description": "A git repository. At most one of branch, commit and tag says what is checked out.",
        "type": "object",
        "required": ["uri"],
        "additionalProperties": false,
        "properties": {
            "branch": reference("The newest commit of this branch; by default of the repository's own."),
            "commit": reference("This commit."),
            "configs": configs(),
            "paths": paths(),
            "tag": reference("This tag."),
            "uri": needed("Address of the repository, in any form that git takes.")
        },
        "not": {"anyOf": [both("branch", "commit"), both("branch", "tag"), both("commit", "tag")]}
    })
}

mod assets;
mod cache;
mod tasks;
#[cfg(test)]
mod tests;
