//! The form of a project file, as a JSON Schema for editors. The checks themselves are in [`super::load`].

use serde_json::{Value, json};

/// A text that is a lookup.
const LOOKUP: &str = r"^\$\{.+\}$";

/// A boolean as a text; letters may be small or not.
const BOOLEAN: &str = "^([Tt][Rr][Uu][Ee]|[Yy][Ee][Ss]|[Oo][Nn]|[Tt]|[Yy]|1|[Ff][Aa][Ll][Ss][Ee]|[Nn][Oo]|[Oo][Ff][Ff]|[Ff]|[Nn]|0)$";
/// A text with a lookup in it.
const WITH_LOOKUP: &str = r"\$\{[^ {}]+ [^{}]+\}";

/// The schema of `runway.yml`.
pub(crate) fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Runway project",
        "description": "Deployments of modules into regions.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "deployments": {
                "description": "Deployments, carried out in this order; a destroy goes in reverse order.",
                "type": "array",
                "items": {"$ref": "#/$defs/Deployment"}
            },
            "future": {
                "description": "Features that become the default later; there are none.",
                "type": "object",
                "additionalProperties": false
            },
            "ignore_git_branch": {
                "description": "Whether the deploy environment is never named after the git branch.",
                "$ref": "#/$defs/Boolean"
            },
            "runway_version": {
                "description": "Versions of Runway that the project is made for, for example `>=2.0,<3`.",
                "type": ["string", "null"]
            },
            "tests": {
                "description": "Accepted without effect: there is no command `test`.",
                "type": "array"
            },
            "variables": {
                "description": "What `${var name.of.it}` reads. runway.variables.yml wins over what stands here.",
                "type": "object",
                "properties": {
                    "file_path": {
                        "description": "A file with more variables, relative to the project file; it has to exist.",
                        "type": ["string", "null"]
                    },
                    "sys_path": {
                        "description": "Directory in which runway.variables.yml is looked for; that of the project file by default.",
                        "type": ["string", "null"]
                    }
                }
            }
        },
        "$defs": {
            "Boolean": {
                "anyOf": [{"type": "boolean"}, {"enum": [1, 0]}, {"type": "string", "pattern": BOOLEAN}]
            },
            "Lookup": {
                "description": "A lookup that gives the value.",
                "type": "string",
                "pattern": LOOKUP
            },
            "Name": {"description": "A text; lookups in it are not resolved.", "type": "string", "not": {"pattern": WITH_LOOKUP}},
            "Deployment": deployment(),
            "Module": module(),
            "ModuleFields": module_fields(),
            "AssumeRole": assume_role(),
            "Regions": {
                "description": "Regions, or a lookup that gives them.",
                "anyOf": [
                    {"$ref": "#/$defs/Lookup"},
                    {"type": "array", "minItems": 1, "items": {"type": "string"}}
                ]
            },
            "Map": {
                "description": "A map, or a lookup that gives one.",
                "anyOf": [{"$ref": "#/$defs/Lookup"}, {"type": "object"}]
            },
            "EnvironmentVariables": {
                "description": "Environment variables. A list is a path: its parts are joined and begin at the project file.",
                "anyOf": [
                    {"$ref": "#/$defs/Lookup"},
                    {
                        "type": "object",
                        "additionalProperties": {
                            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
                        }
                    }
                ]
            },
            "Environments": {
                "description": "Where it goes to: a boolean, or by deploy environment a boolean, an account id, a region, or a list of `<account>/<region>`.",
                "anyOf": [
                    {"type": "boolean"},
                    {"$ref": "#/$defs/Lookup"},
                    {
                        "type": "object",
                        "additionalProperties": {
                            "anyOf": [
                                {"type": "boolean"},
                                {"$ref": "#/$defs/Place"},
                                {"type": "array", "items": {"$ref": "#/$defs/Place"}}
                            ]
                        }
                    }
                ]
            },
            "Place": {
                "description": "`<account>`, `<region>` or `<account>/<region>`.",
                "type": ["string", "number"]
            }
        }
    })
}

fn deployment() -> Value {
    json!({
        "description": "Modules, and the regions they go to.",
        "type": "object",
        "additionalProperties": false,
        "required": ["modules"],
        "properties": {
            "account_alias": {
                "description": "Alias that the account of the credentials must have. Lookups are resolved.",
                "type": ["string", "number", "null"]
            },
            "account_id": {
                "description": "Account that the credentials must be of. Lookups are resolved.",
                "type": ["string", "number", "null"]
            },
            "assume_role": {
                "description": "Role to assume: its ARN, or a map.",
                "anyOf": [{"type": ["string", "number", "null"]}, {"$ref": "#/$defs/AssumeRole"}]
            },
            "env_vars": {"$ref": "#/$defs/EnvironmentVariables"},
            "environments": {"$ref": "#/$defs/Environments"},
            "module_options": {
                "description": "Options of every module; CloudFormation modules have none.",
                "$ref": "#/$defs/Map"
            },
            "modules": {
                "description": "Modules, carried out in this order.",
                "type": "array",
                "items": {"$ref": "#/$defs/Module"}
            },
            "name": {"description": "Name for people; `deployment_<n>` by default.", "$ref": "#/$defs/Name"},
            "parallel_regions": {
                "description": "Regions that may be worked on at the same time, in CI or with --yes.",
                "anyOf": [{"$ref": "#/$defs/Regions"}, {"type": "array", "maxItems": 0}]
            },
            "parameters": {
                "description": "Parameters of every module; they win over environment files.",
                "$ref": "#/$defs/Map"
            },
            "regions": {
                "description": "Regions, one after the other; or `{parallel: [...]}`.",
                "anyOf": [
                    {"$ref": "#/$defs/Regions"},
                    {"type": "array", "maxItems": 0},
                    {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["parallel"],
                        "properties": {
                            "parallel": {
                                "description": "As `parallel_regions`.",
                                "$ref": "#/$defs/Regions"
                            }
                        }
                    }
                ]
            }
        },
        "oneOf": [
            {"required": ["regions"], "properties": {"regions": {"not": {"type": "array", "maxItems": 0}}}},
            {
                "required": ["parallel_regions"],
                "properties": {"parallel_regions": {"not": {"type": "array", "maxItems": 0}}}
            }
        ]
    })
}

fn module() -> Value {
    json!({
        "anyOf": [
            {"description": "Directory of the module.", "type": "string"},
            {"$ref": "#/$defs/ModuleFields"}
        ]
    })
}

fn module_fields() -> Value {
    json!({
        "description": "A directory with CFNgin configs, or several modules that may be worked on at the same time.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "class_path": {
                "description": "Class of Runway that carries the module out; only that of CloudFormation is.",
                "type": ["string", "number", "null"]
            },
            "env_vars": {"$ref": "#/$defs/EnvironmentVariables"},
            "environments": {"$ref": "#/$defs/Environments"},
            "name": {"description": "Name for people; the last part of the path by default.", "$ref": "#/$defs/Name"},
            "options": {
                "description": "Options of the module's type; CloudFormation has none.",
                "$ref": "#/$defs/Map"
            },
            "parallel": {
                "description": "Modules that may be worked on at the same time, in CI or with --yes.",
                "type": "array",
                "items": {
                    "anyOf": [
                        {"type": "string"},
                        {"allOf": [{"$ref": "#/$defs/ModuleFields"}], "not": {"required": ["parallel"]}}
                    ]
                }
            },
            "parameters": {
                "description": "Parameters of the module's configs; they win over those of the deployment.",
                "$ref": "#/$defs/Map"
            },
            "path": {
                "description": "Directory, relative to the project file, or `git::<uri>//<directory>?branch|commit|tag=<name>`. Lookups are resolved.",
                "type": ["string", "number", "null"]
            },
            "tags": {
                "description": "Words for `--tag`.",
                "type": "array",
                "items": {"type": "string"}
            },
            "type": {
                "description": "Type of the module, if neither its directory's name nor its files say it.",
                "enum": ["cdk", "cloudformation", "kubernetes", "serverless", "static", "terraform", null]
            }
        },
        "not": {"required": ["path", "parallel"], "properties": {"path": {"type": ["string", "number"]}}}
    })
}

fn assume_role() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "arn": {
                "description": "ARN of the role. Lookups are resolved.",
                "type": ["string", "null"]
            },
            "duration": {
                "description": "Seconds that the credentials hold.",
                "anyOf": [
                    {"type": ["integer", "null"], "minimum": 900, "maximum": 43200},
                    {"$ref": "#/$defs/Lookup"}
                ]
            },
            "post_deploy_env_revert": {
                "description": "Accepted without effect: credentials of one target never reach another.",
                "anyOf": [{"$ref": "#/$defs/Boolean"}, {"type": "null"}]
            },
            "session_name": {
                "description": "Name of the session; `runway` by default.",
                "type": ["string", "null"]
            }
        }
    })
}
