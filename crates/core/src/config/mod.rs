//! A CFNgin config after all checks: the only form the rest of the program sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use runway_store::BucketName;
use serde_json::{Map, Value};

pub use self::acknowledge::{Acknowledgement, DataLoss};
pub use self::package_sources::PackageSources;
pub use self::tasks::{Affinity, Called, Need, OnRemove, TaskDefinition, When};
use crate::cache::CacheConfig;
use crate::ident::{NodeName, StackFqn, base_fqn};
use crate::lookup::VariableValue;
use crate::registry::HookStage;
use crate::text::{Document, Span};

mod acknowledge;
pub mod assets;
pub(crate) mod cache;
pub mod environment;
pub mod error;
pub mod load;
mod merge;
mod names;
pub mod package_sources;
pub(crate) mod reader;
#[cfg(feature = "schema")]
pub(crate) mod schema;
mod stacks;
mod substitute;
pub(crate) mod tasks;

/// A number and a unit: `90s`, `30m`, `12h`, `7d`. `None` if it is anything else.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.strip_suffix(['s', 'm', 'h', 'd'])?;
    let seconds = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        _ => 24 * 60 * 60,
    };
    let count: u64 = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(Duration::from_secs(count.checked_mul(seconds)?))
}

/// A checked config.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file as the user wrote it, and the configs merged into it: every span points into this text.
    pub document: Arc<Document>,
    /// Namespace as written.
    pub namespace: String,
    /// Joins namespace and name; default `-`.
    pub namespace_delimiter: String,
    /// The bucket for templates and the persistent graph.
    pub bucket: BucketSetting,
    /// Region of the bucket, if it is not the run's.
    pub bucket_region: Option<String>,
    /// Key of the persistent graph; `None` means there is none.
    pub persistent_graph_key: Option<String>,
    /// What the config wants of the task cache.
    pub cache: CacheConfig,
    /// Losses of data that the config allows.
    pub data_loss: DataLoss,
    /// Role that CloudFormation assumes.
    pub service_role: Option<String>,
    /// Tags of every stack, the default `cfngin_namespace` filled in.
    pub tags: BTreeMap<String, String>,
    /// Stacks in file order.
    pub stacks: IndexMap<NodeName, StackDefinition>,
    /// Tasks in file order, one for each of their places, by the name of the node.
    pub tasks: IndexMap<NodeName, TaskDefinition>,
    /// Hooks by stage, in order.
    pub hooks: Hooks,
    /// Where templates are looked for that are not beside the config, as written.
    pub sys_path: Option<Utf8PathBuf>,
    /// The config's own lookups, which come before those that are built in.
    pub lookups: IndexMap<String, CustomLookup>,
    /// CloudFormation mappings that blueprints get and templates can read.
    pub mappings: Map<String, Value>,
    /// Spaces by which the JSON of blueprints is indented.
    pub template_indent: u32,
    /// `cfngin_cache_dir` as written: where fetched packages are kept.
    pub cache_directory: Option<Utf8PathBuf>,
    /// What is fetched before the config is complete.
    pub package_sources: PackageSources,
    /// Directories that the package sources add to Python's module path, in order, before `sys_path`; empty until they
    /// are fetched. Templates that are not beside the config are looked for there too.
    pub package_paths: Vec<Utf8PathBuf>,
    /// The whole config as plain data, parameters put in and other configs merged in, typed as PyYAML types it.
    pub raw: Value,
    /// Place of the key `stacks`, or else of the config's first key.
    pub stacks_span: Span,
    /// Places of parameters that are not defined: what is found there is a consequence. Empty in a config without
    /// errors.
    pub undefined: Vec<Span>,
}

/// What `cfngin_bucket` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketSetting {
    /// `""`: no bucket; templates travel in the requests and there is no persistent graph.
    Off,
    /// Not given: `cfngin-<namespace>-<region>`.
    Computed,
    /// Given.
    Named(BucketName),
}

impl Config {
    /// The bucket's name in `region`, or `None` if there is no bucket.
    pub fn bucket_name(&self, region: &str) -> Option<BucketName> {
        match &self.bucket {
            BucketSetting::Off => None,
            BucketSetting::Named(name) => Some(name.clone()),
            // CFNgin: an empty namespace has no default bucket.
            BucketSetting::Computed if self.namespace.is_empty() => None,
            BucketSetting::Computed => {
                Some(BucketName::new(format!("cfngin-{}-{region}", base_fqn(&self.namespace))))
            }
        }
    }

    /// The name CloudFormation sees for a stack that has no `stack_name` of its own.
    pub fn fqn(&self, name: &str) -> StackFqn {
        StackFqn::build(&self.namespace, &self.namespace_delimiter, name)
    }
}

/// One stack.
#[derive(Debug, Clone)]
pub struct StackDefinition {
    /// Identity in graph and lookups.
    pub name: NodeName,
    /// Name in CloudFormation, from `stack_name` or else `name`.
    pub fqn: StackFqn,
    /// Where the template comes from; `None` only for disabled or locked stacks.
    pub template: Option<TemplateSource>,
    /// Overwrites the description of a blueprint.
    pub description: Option<String>,
    /// Whether deploy works on it.
    pub enabled: bool,
    /// Never updated once it exists.
    pub locked: bool,
    /// Updates want an approval of their own.
    pub protected: bool,
    /// `in_progress_behavior: wait`.
    pub wait_if_in_progress: bool,
    /// Stacks it needs, as written, with places.
    pub requires: Vec<(NodeName, Span)>,
    /// Stacks that need it, as written, with places.
    pub required_by: Vec<(NodeName, Span)>,
    /// File with the stack policy, as written.
    pub stack_policy_path: Option<(Utf8PathBuf, Span)>,
    /// All tags: global ones overlaid with its own.
    pub tags: BTreeMap<String, String>,
    /// Termination protection wanted.
    pub termination_protection: bool,
    /// Minutes a creation may take.
    pub timeout_minutes: Option<u32>,
    /// Variables in file order.
    pub variables: IndexMap<String, Variable>,
    /// Place of the stack's name in the config.
    pub span: Span,
}

impl StackDefinition {
    /// Whether any of its values comes from something that other stacks may change, apart from their outputs.
    pub fn asks_services(&self) -> bool {
        self.variables.values().any(|variable| variable.asks_services())
    }
}

impl Variable {
    /// Whether its value comes from something outside config, environment, files and outputs of stacks. What comes from
    /// there may be a secret as well.
    pub fn asks_services(&self) -> bool {
        let mut asks = false;
        self.value.visit_lookups(&mut |call| {
            asks |= !matches!(
                call.name.as_str(),
                "output"
                    | "cfn"
                    | "rxref"
                    | "xref"
                    | "default"
                    | "env"
                    | "envvar"
                    | "split"
                    | "file"
                    | "task"
                    | "place"
            );
        });
        asks
    }
}

/// A variable and its place.
#[derive(Debug, Clone)]
pub struct Variable {
    /// The value as written.
    pub value: VariableValue,
    /// Place of the value in the config.
    pub span: Span,
    /// Place of the name in the config.
    pub name_span: Span,
    /// Whether it is written in its stack itself, and not merged into it from elsewhere.
    pub own: bool,
}

/// A lookup that the config itself defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomLookup {
    /// Import path of its class, for example `lookups.Instance`.
    pub path: String,
    /// Place of the path in the config.
    pub span: Span,
}

/// Where a template comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateSource {
    /// `template_path`, as written.
    File {
        /// The path.
        path: Utf8PathBuf,
        /// Its place in the config.
        span: Span,
    },
    /// `class_path`: a Python blueprint.
    Blueprint {
        /// `module.Class`.
        class_path: String,
        /// Its place in the config.
        span: Span,
    },
}

/// The hooks of a config.
#[derive(Debug, Clone, Default)]
pub struct Hooks {
    /// Before a deploy.
    pub pre_deploy: Vec<HookDefinition>,
    /// After a deploy.
    pub post_deploy: Vec<HookDefinition>,
    /// Before a destroy.
    pub pre_destroy: Vec<HookDefinition>,
    /// After a destroy.
    pub post_destroy: Vec<HookDefinition>,
}

impl Hooks {
    /// Keys under which the enabled hooks before a deploy keep their results.
    pub fn data_keys(&self) -> BTreeSet<String> {
        // CFNgin's docker hooks have a key of their own, whatever their `data_key` is.
        let docker = |hook: &HookDefinition| {
            hook.path.starts_with("runway.cfngin.hooks.docker.").then(|| "docker".to_owned())
        };
        self.enabled(HookStage::PreDeploy)
            .flat_map(|hook| [hook.data_key.clone(), docker(hook)])
            .flatten()
            .collect()
    }

    /// Whether a hook before a deploy may keep more than its result: one of the user's own can write into the context.
    pub fn may_keep_more(&self) -> bool {
        self.enabled(HookStage::PreDeploy).any(|hook| !hook.path.starts_with("runway."))
    }

    /// Enabled hooks of a stage, in order.
    pub fn enabled(&self, stage: HookStage) -> impl Iterator<Item = &HookDefinition> {
        let hooks = match stage {
            HookStage::PreDeploy => &self.pre_deploy,
            HookStage::PostDeploy => &self.post_deploy,
            HookStage::PreDestroy => &self.pre_destroy,
            HookStage::PostDestroy => &self.post_destroy,
        };
        hooks.iter().filter(|hook| hook.enabled)
    }

    /// Whether a hook before a deploy may make what is missing now.
    pub fn before_deploy(&self) -> bool {
        self.enabled(HookStage::PreDeploy).next().is_some()
    }
}

/// One hook.
#[derive(Debug, Clone)]
pub struct HookDefinition {
    /// Import path.
    pub path: String,
    /// Arguments.
    pub args: IndexMap<String, Variable>,
    /// Key under which its result is stored.
    pub data_key: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// Whether its failure ends the run.
    pub required: bool,
    /// Place of the path in the config.
    pub span: Span,
}
