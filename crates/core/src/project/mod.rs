//! `runway.yml`: deployments of modules into regions. Pure: the file system, the cloud and the terminal are asked by
//! whoever calls.

use std::sync::Arc;

use camino::Utf8PathBuf;
use serde_json::{Map, Value};

use crate::lookup::VariableValue;
use crate::text::{Document, Span};

pub mod environments;
mod error;
mod load;
pub mod merge;
pub mod module_type;
pub mod resolve;
#[cfg(feature = "schema")]
pub(crate) mod schema;
pub mod select;
pub mod source;
mod values;
mod version;

pub use error::ProjectProblem;
pub use load::{load, module_file, variables_file};
pub use module_type::ModuleType;

/// The version of Runway whose projects this program reads.
pub const RUNWAY_VERSION: &str = "2.8.4";

/// A checked `runway.yml`.
#[derive(Debug, Clone)]
pub struct Project {
    /// The file: every span points into this text.
    pub document: Arc<Document>,
    /// Deployments in file order.
    pub deployments: Vec<Deployment>,
    /// The name of the git branch says nothing about the deploy environment.
    pub ignore_git_branch: bool,
    /// What the lookup `var` reads.
    pub variables: Variables,
}

/// `variables`: values in the file itself, and where more of them are.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// Values written here.
    pub inline: Map<String, Value>,
    /// `file_path`: a file that has to exist, as written.
    pub file: Option<(Utf8PathBuf, Span)>,
    /// `sys_path`: where `runway.variables.yml` is looked for.
    pub directory: Option<Utf8PathBuf>,
}

/// One deployment: modules, and the regions they go to.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Its name; `deployment_<n>` unless given.
    pub name: String,
    /// Place of the deployment.
    pub span: Span,
    /// Modules in file order.
    pub modules: Vec<Module>,
    /// A list of regions, or a lookup that gives one.
    pub regions: Setting,
    /// The regions may be worked on at the same time.
    pub parallel_regions: bool,
    /// The account that the credentials must belong to.
    pub account_id: Option<Setting>,
    /// The alias that this account must have.
    pub account_alias: Option<Setting>,
    /// The role to assume: its ARN, or a map with the key `arn`.
    pub assume_role: Option<Setting>,
    /// Environment variables.
    pub env_vars: Option<Setting>,
    /// Where the deployment goes to.
    pub environments: Option<Setting>,
    /// Options of every module.
    pub module_options: Option<Setting>,
    /// Parameters of every module.
    pub parameters: Option<Setting>,
}

/// One module: a directory with CFNgin configs, or several that may be worked on at the same time.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name: as given, or the last part of its path.
    pub name: String,
    /// Place of the module.
    pub span: Span,
    /// Its directory, relative to the file, or a git source; the file's directory if left out.
    pub path: Option<Setting>,
    /// A Python class that carries it out.
    pub class_path: Option<Setting>,
    /// Its type, if it is given.
    pub module_type: Option<ModuleType>,
    /// Environment variables.
    pub env_vars: Option<Setting>,
    /// Where it goes to.
    pub environments: Option<Setting>,
    /// Options of its type.
    pub options: Option<Setting>,
    /// Parameters of its configs.
    pub parameters: Option<Setting>,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// The modules that this one stands for; empty for an ordinary one.
    pub parallel: Vec<Self>,
}

/// A value with lookups, and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Name of the field.
    pub field: &'static str,
    /// The value as written.
    pub value: VariableValue,
    /// Its place.
    pub span: Span,
}
