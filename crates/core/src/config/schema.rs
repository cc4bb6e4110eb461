//! The form of a CFNgin config, as a JSON Schema for editors. The checks themselves are in [`super::load`], which
//! accepts more spellings (numbers and booleans as text, `${name}` parameters) and gives better messages.

#![allow(dead_code, reason = "these types describe; nothing makes values of them")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

/// A CFNgin config. Other keys are legal as homes for anchors.
#[derive(JsonSchema)]
#[schemars(title = "CFNgin config", extend("additionalProperties" = true))]
pub(crate) struct CfnginFile {
    /// Prefix of every stack name, and part of the persistent graph's key.
    namespace: String,
    /// What stands between namespace and stack name; `-` by default.
    namespace_delimiter: Option<String>,
    /// Bucket for templates and persistent graph; `""` means no bucket. Default: `cfngin-<namespace>-<region>`.
    cfngin_bucket: Option<String>,
    /// Region of the bucket, if it is not that of the run.
    cfngin_bucket_region: Option<String>,
    /// Directory in which fetched packages are kept; default `.runway/cache`.
    cfngin_cache_dir: Option<String>,
    /// Free text.
    description: Option<String>,
    /// The config's own lookups: a name, and the import path of a Python class.
    lookups: Option<BTreeMap<String, String>>,
    /// CloudFormation mappings: templates can read them, blueprints get them.
    mappings: Option<BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>>,
    /// Accepted without effect.
    log_formats: Option<BTreeMap<String, String>>,
    /// Packages from elsewhere: their configs are merged in, their Python modules can be imported.
    package_sources: Option<PackageSourcesFields>,
    /// Key of the persistent graph in the bucket; without it, removed stacks are not deleted.
    persistent_graph_key: Option<String>,
    /// Hooks before a deploy.
    pre_deploy: Option<ListOrMap<HookFields>>,
    /// Hooks after a deploy.
    post_deploy: Option<ListOrMap<HookFields>>,
    /// Hooks before a destroy.
    pre_destroy: Option<ListOrMap<HookFields>>,
    /// Hooks after a destroy.
    post_destroy: Option<ListOrMap<HookFields>>,
    /// ARN of the role that CloudFormation assumes.
    service_role: Option<String>,
    /// The stacks, as a list or as a map from name to stack.
    stacks: Option<ListOrMap<StackFields>>,
    /// Directory in which templates are looked for that are not beside the config.
    sys_path: Option<String>,
    /// Tags of every stack; default `cfngin_namespace: <namespace>`.
    tags: Option<BTreeMap<String, Value>>,
    /// Spaces by which the JSON of blueprints is indented; default 4.
    template_indent: Option<u32>,
}

/// Where packages come from. They are processed in the order local, s3, git.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct PackageSourcesFields {
    /// Directories.
    local: Option<Vec<LocalSourceFields>>,
    /// Archives in S3.
    s3: Option<Vec<S3SourceFields>>,
    /// Git repositories.
    git: Option<Vec<GitSourceFields>>,
}

/// A directory.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct LocalSourceFields {
    /// The directory, relative to that of the config.
    source: String,
    /// Directories for Python's module path, relative to the source; default: the source itself.
    paths: Option<Vec<String>>,
    /// Configs to merge, relative to the source.
    configs: Option<Vec<String>>,
}

/// An archive in S3.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct S3SourceFields {
    /// The bucket.
    bucket: String,
    /// The key of a .zip, .tar or .tar.gz archive.
    key: String,
    /// `true`: you pay for the requests.
    requester_pays: Option<bool>,
    /// `false`: once it is in the cache, newer objects are not looked for.
    use_latest: Option<bool>,
    /// Directories for Python's module path, relative to the archive; default: the archive itself.
    paths: Option<Vec<String>>,
    /// Configs to merge, relative to the archive.
    configs: Option<Vec<String>>,
}

/// A git repository. One of `branch`, `commit` and `tag`, or none of them for `HEAD`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct GitSourceFields {
    /// The address, as git takes it.
    uri: String,
    /// A branch: its newest commit is looked up in every run.
    branch: Option<String>,
    /// A commit.
    commit: Option<String>,
    /// A tag.
    tag: Option<String>,
    /// Directories for Python's module path, relative to the repository; default: the repository itself.
    paths: Option<Vec<String>>,
    /// Configs to merge, relative to the repository.
    configs: Option<Vec<String>>,
}

/// A list, or a map whose keys are names.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(crate) enum ListOrMap<T> {
    /// A list.
    List(Vec<T>),
    /// A map.
    Map(BTreeMap<String, T>),
}

/// One stack.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct StackFields {
    /// Its name in this config; in the map form the key may stand for it.
    name: Option<String>,
    /// A Python blueprint: not supported by this version.
    class_path: Option<String>,
    /// The template, JSON or YAML, relative to the config.
    template_path: Option<String>,
    /// Name in CloudFormation, before the namespace is put in front; default: `name`.
    stack_name: Option<String>,
    /// Description of a blueprint.
    description: Option<String>,
    /// `false`: left alone.
    enabled: Option<bool>,
    /// `true`: created if absent, never updated.
    locked: Option<bool>,
    /// `true`: updates want an approval of their own.
    protected: Option<bool>,
    /// `wait`: another operation on the stack is waited for.
    in_progress_behavior: Option<String>,
    /// Stacks that come before this one.
    requires: Option<Vec<String>>,
    /// Stacks that come after this one.
    required_by: Option<Vec<String>>,
    /// File with the stack policy, relative to the config.
    stack_policy_path: Option<String>,
    /// Tags, over those of the config.
    tags: Option<BTreeMap<String, Value>>,
    /// Whether CloudFormation refuses to delete it.
    termination_protection: Option<bool>,
    /// Minutes that a creation may take.
    timeout: Option<u32>,
    /// Values of the template's parameters; lookups such as `${output vpc.Id}` are resolved.
    variables: Option<BTreeMap<String, Value>>,
    /// Not supported: one config, one region.
    region: Option<String>,
    /// Not supported: one config, one profile.
    profile: Option<String>,
}

/// One hook. Enabled hooks are refused by this version.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct HookFields {
    /// Import path.
    path: String,
    /// Arguments.
    args: Option<BTreeMap<String, Value>>,
    /// Key under which its result is stored.
    data_key: Option<String>,
    /// Whether it runs.
    enabled: Option<bool>,
    /// Whether its failure ends the run.
    required: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(schema: &Value, pointer: &str) -> Vec<String> {
        let object = schema.pointer(pointer).and_then(Value::as_object).unwrap();
        let mut names: Vec<String> = object.keys().cloned().collect();
        names.sort();
        names
    }

    #[test]
    fn the_schema_has_exactly_the_fields_that_are_read() {
        let schema = schemars::schema_for!(CfnginFile).to_value();
        let sorted = |fields: &[&str]| {
            let mut fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
            fields.sort();
            fields
        };
        assert_eq!(properties(&schema, "/properties"), sorted(&super::super::load::FIELDS));
        assert_eq!(
            properties(&schema, "/$defs/StackFields/properties"),
            sorted(&super::super::stacks::FIELDS)
        );
    }
}
