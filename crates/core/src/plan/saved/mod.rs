//! Plans that are kept in a file: what was planned, and everything by which a later run tells whether it still stands.
//!
//! The file is no authority. A run that carries it out makes the plan anew from the config, and refuses if the two differ
//! (see [`moved`]), so that a forged file can do no more than the config.

mod compare;
mod file;
mod problem;
mod record;

pub use compare::{Extent, moved};
pub use file::{DIGEST_LENGTH, open, seal};
pub use problem::SavedProblem;
pub use record::Recorded;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::registry::LookupRequest;
use crate::render::json::PlanDocument;

/// The plans of one command in one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedPlans {
    /// Version of this format.
    pub version: u32,
    /// `sha256:` and 64 digits: the digest of this file's bytes, with zeros in place of these digits.
    pub digest: String,
    /// The program that wrote the file, with its version.
    pub program: String,
    /// When it was written (RFC 3339); nothing depends on it.
    pub created: String,
    /// Options that shape plans. Whoever carries the file out takes them from here.
    pub options: SavedOptions,
    /// One plan for each config in each region, in the order in which they were made.
    pub plans: Vec<SavedPlan>,
}

/// Options that shape plans.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedOptions {
    /// `--allow-empty`.
    pub allow_empty: bool,
    /// `--stack`.
    pub stacks: Vec<String>,
    /// `--with-dependencies`.
    pub with_dependencies: bool,
    /// `--with-dependents`.
    pub with_dependents: bool,
    /// `--tag`.
    pub tags: Vec<String>,
    /// `--module`.
    pub modules: Vec<String>,
}

/// The plan of one config, with what it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedPlan {
    /// Which config it is of.
    pub target: SavedTarget,
    /// Digest of the text of the config and of everything that is merged into it, before parameters are put in.
    pub config: String,
    /// The persistent graph; null if the config has none.
    pub graph: Option<SavedGraph>,
    /// Stacks by name, those of the config and those that would be deleted.
    pub stacks: BTreeMap<String, SavedStack>,
    /// What lookups found that ask outside the config, as far as it may be shown.
    pub lookups: Vec<SavedLookup>,
    /// The plan as `plan --format json` writes it.
    pub plan: PlanDocument,
}

/// A config as the user names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedTarget {
    /// Path of the config.
    pub config: String,
    /// Module and region, in a project.
    pub module: Option<String>,
    /// The deploy environment.
    pub environment: String,
    /// The region.
    pub region: String,
}

/// A persistent graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedGraph {
    /// Where it is, `s3://bucket/key`.
    pub location: String,
    /// Digest of what is in the graph object and in the state object beside it.
    pub digest: String,
}

/// A stack when it was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedStack {
    /// Its name in CloudFormation.
    pub fqn: String,
    /// Its id; null if it did not exist.
    pub stack_id: Option<String>,
    /// Its status; null if it did not exist.
    pub status: Option<String>,
    /// When it was last updated (RFC 3339); null if never.
    pub updated: Option<String>,
    /// Digest of the template it is to have, or of its structure alone if secrets go into it; null if it is known only
    /// later.
    pub template: Option<String>,
    /// Digest of the values that go into it, without those that may not be shown; null if its template is known only
    /// later.
    pub parameters: Option<String>,
    /// Digest of the stack policy it is to have, if the config names one.
    pub policy: Option<String>,
    /// Digest of what else shapes a request: role, timeout, protection, the bucket for templates; null if the config does
    /// not have the stack.
    pub settings: Option<String>,
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedLookup {
    /// Name of the lookup, for example `ami`.
    pub name: String,
    /// The query.
    pub query: String,
    /// Its own arguments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
    /// The stacks whose values it is in.
    pub stacks: BTreeSet<String>,
    /// Whether there was nothing, so that a `default` was taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// The value.
    pub value: Value,
}

impl SavedLookup {
    /// The lookup as it is asked.
    pub fn request(&self) -> LookupRequest {
        LookupRequest {
            name: self.name.clone(),
            query: self.query.clone(),
            arguments: self.arguments.clone(),
            place: None,
        }
    }
}

impl SavedPlan {
    /// The answers that are to be given again where that is still possible.
    pub fn pins(&self) -> BTreeMap<LookupRequest, Value> {
        let found = self.lookups.iter().filter(|lookup| !lookup.missing);
        found.map(|lookup| (lookup.request(), lookup.value.clone())).collect()
    }
}
