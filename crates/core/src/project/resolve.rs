//! The lookups of a project file, and what the fields are once they are resolved.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value};

use super::values::duration_seconds;
use super::{Deployment, Module, ProjectProblem, Setting};
use crate::error::{Finding, Findings};
use crate::exit::ExitCode;
use crate::ident::StackFqn;
use crate::lookup::resolve::{HookData, LookupError, OutputValue, Scope, resolve};
use crate::lookup::{Resolved, VariableValue};
use crate::provider::{ErrorKind, StackState};
use crate::registry::{Fetched, LookupFailure, LookupRequest};
use crate::text::{Document, Span};

/// Resolves fields against what is known. What goes wrong becomes a finding, and the field counts as left out.
pub struct Resolver<'a> {
    /// The project file.
    pub document: &'a Arc<Document>,
    /// What `var` reads.
    pub variables: &'a Map<String, Value>,
    /// What `env` reads.
    pub environment: &'a BTreeMap<String, String>,
    /// Answers to lookups that ask a service.
    pub answers: &'a Answered,
    /// Lookups that have no answer: as long as there are some, the fields are not what they will be, and findings may
    /// be consequences.
    pub requests: BTreeSet<LookupRequest>,
    /// Problems so far.
    pub findings: Findings,
    /// Texts that must never be shown.
    pub secrets: Vec<String>,
}

/// Answers to lookups that ask a service.
pub type Answered = BTreeMap<LookupRequest, Result<Fetched, LookupFailure>>;

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// Its ARN.
    pub arn: String,
    /// How long its credentials hold.
    pub duration_seconds: u32,
    /// How the session calls itself.
    pub session_name: String,
}

/// Who a deployment is carried out as in one region.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeploymentValues {
    /// Account that the credentials must be of.
    pub account_id: Option<(String, Span)>,
    /// Alias that this account must have.
    pub account_alias: Option<(String, Span)>,
    /// Role to assume.
    pub assume_role: Option<AssumeRole>,
}

/// What the modules of a deployment have in common in one region.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SharedValues {
    /// Where they go to.
    pub environments: Option<Value>,
    /// Their parameters.
    pub parameters: Option<Value>,
}

/// A module in one region.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModuleValues {
    /// Its path and its place.
    pub path: Option<(String, Span)>,
    /// Class that carries it out.
    pub class_path: Option<String>,
    /// Environment variables.
    pub env_vars: Option<Value>,
    /// Where it goes to.
    pub environments: Option<Value>,
    /// Parameters of its configs.
    pub parameters: Option<Value>,
}

impl<'a> Resolver<'a> {
    /// A resolver without findings.
    pub fn new(
        document: &'a Arc<Document>,
        variables: &'a Map<String, Value>,
        environment: &'a BTreeMap<String, String>,
        answers: &'a Answered,
    ) -> Self {
        let (requests, findings, secrets) = (BTreeSet::new(), Findings::default(), Vec::new());
        Self { document, variables, environment, answers, requests, findings, secrets }
    }

    /// The regions of a deployment, in order.
    pub fn regions(&mut self, deployment: &Deployment) -> Vec<String> {
        let setting = &deployment.regions;
        let help = "it must give a list of regions, for example `[us-east-1]`";
        match self.value(setting) {
            Some(Value::Array(items)) if !items.is_empty() && items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(other) => {
                self.wrong(setting, &other, help);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Who a deployment is carried out as in the region of the environment.
    pub fn deployment(&mut self, deployment: &Deployment) -> DeploymentValues {
        DeploymentValues {
            account_id: self.text(deployment.account_id.as_ref()),
            account_alias: self.text(deployment.account_alias.as_ref()),
            assume_role: deployment.assume_role.as_ref().and_then(|setting| self.assume_role(setting)),
        }
    }

    /// What the modules of a deployment have in common in the region of the environment.
    pub fn shared(&mut self, deployment: &Deployment) -> SharedValues {
        self.optional_map(deployment.module_options.as_ref());
        SharedValues {
            environments: deployment.environments.as_ref().and_then(|setting| self.value(setting)),
            parameters: self.optional_map(deployment.parameters.as_ref()),
        }
    }

    /// What holds for a module in the region of the environment.
    pub fn module(&mut self, module: &Module) -> ModuleValues {
        self.optional_map(module.options.as_ref());
        ModuleValues {
            path: self.text(module.path.as_ref()),
            class_path: self.text(module.class_path.as_ref()).map(|(text, _)| text),
            env_vars: self.optional_map(module.env_vars.as_ref()),
            environments: module.environments.as_ref().and_then(|setting| self.value(setting)),
            parameters: self.optional_map(module.parameters.as_ref()),
        }
    }

    /// A map; `None` if it is left out or null.
    pub fn optional_map(&mut self, setting: Option<&Setting>) -> Option<Value> {
        let setting = setting?;
        match self.value(setting)? {
            Value::Null => None,
            value @ Value::Object(_) => Some(value),
            other => {
                self.wrong(setting, &other, "it must give a map");
                None
            }
        }
    }

    fn text(&mut self, setting: Option<&Setting>) -> Option<(String, Span)> {
        let setting = setting?;
        match self.value(setting)? {
            Value::Null => None,
            Value::String(text) => Some((text, setting.span)).filter(|(text, _)| !text.is_empty()),
            Value::Number(number) => Some((number.to_string(), setting.span)),
            other => {
                self.wrong(setting, &other, "it must give a text");
                None
            }
        }
    }

    fn assume_role(&mut self, setting: &Setting) -> Option<AssumeRole> {
        let help = "it must give the ARN of a role, or a map with `arn`";
        let fields = match self.value(setting)? {
            Value::Null => return None,
            Value::String(arn) => Map::from_iter([("arn".to_owned(), Value::String(arn))]),
            Value::Object(fields) => fields,
            other => {
                self.wrong(setting, &other, help);
                return None;
            }
        };
        let arn = match fields.get("arn") {
            None | Some(Value::Null) => return None,
            Some(Value::String(arn)) => arn.clone(),
            Some(other) => {
                self.wrong(setting, other, help);
                return None;
            }
        };
        // Runway: these texts, and nothing at all, mean no role.
        if matches!(arn.to_lowercase().as_str(), "" | "null" | "none" | "undefined") {
            return None;
        }
        let seconds = fields.get("duration").filter(|value| !value.is_null());
        let duration_seconds = match seconds {
            None => Some(3600),
            Some(value) => duration_seconds(value),
        };
        let Some(duration_seconds) = duration_seconds else {
            self.wrong(setting, seconds.unwrap_or(&Value::Null), "`duration` is 900 to 43200 seconds");
            return None;
        };
        let session_name = fields.get("session_name").and_then(Value::as_str).unwrap_or("runway").to_owned();
        Some(AssumeRole { arn, duration_seconds, session_name })
    }

    fn wrong(&mut self, setting: &Setting, found: &Value, help: &'static str) {
        let found = match found {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list of this form",
            Value::Object(_) => "a map",
        };
        let (field, found, span) = (setting.field.to_owned(), found.to_owned(), setting.span.into());
        self.findings
            .push(Finding::at(self.document, ProjectProblem::WrongValue { field, found, help, span }));
    }

    /// The value of a field; `None` if it could not be resolved.
    fn value(&mut self, setting: &Setting) -> Option<Value> {
        let scope = ProjectScope { resolver: self, requests: RefCell::default() };
        let resolved = resolve(&setting.value, &scope);
        let mut secrets = Vec::new();
        if matches!(resolved, Ok(Resolved::Known { secret: true, .. })) {
            hidden(&setting.value, &scope, &mut secrets);
        }
        let requests = scope.requests.into_inner();
        self.requests.extend(requests);
        self.secrets.extend(secrets);
        match resolved {
            Ok(Resolved::Known { value, .. }) => Some(value),
            Ok(Resolved::Unknown { .. }) => None,
            Err(error) => {
                self.failed(setting, error);
                None
            }
        }
    }

    fn failed(&mut self, setting: &Setting, error: LookupError) {
        let problem = ProjectProblem::Lookup {
            message: error.message,
            help: error.help.unwrap_or_else(|| "correct the lookup, or what it reads".to_owned()),
            exit: error.kind.map_or(ExitCode::Lookup, ErrorKind::exit_code),
            span: setting.span.into(),
            field: setting.field,
        };
        self.findings.push(Finding::at(self.document, problem));
    }
}

/// The texts of a value that are made of secrets; what stands beside them in a list or map is not one for that.
fn hidden(value: &VariableValue, scope: &dyn Scope, found: &mut Vec<String>) {
    match value {
        VariableValue::List(items) => items.iter().for_each(|item| hidden(item, scope, found)),
        VariableValue::Map(entries) => entries.values().for_each(|value| hidden(value, scope, found)),
        leaf => {
            if let Ok(Resolved::Known { value, secret: true }) = resolve(leaf, scope) {
                texts(&value, found);
            }
        }
    }
}

/// Every text in a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Environment variables as texts. A list is a path: its parts are joined and, unless it is absolute, begin at `root`
/// (Runway). In the order of the file.
pub fn environment_variables(value: Option<&Value>, root: &Utf8Path) -> Vec<(String, String)> {
    let entries = value.and_then(Value::as_object);
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let path: Utf8PathBuf = parts.iter().filter_map(Value::as_str).collect();
            Some(root.join(path).into_string())
        }
        other => Some(other.to_string()),
    };
    entries.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// What `var` finds: a path of keys with dots between them. Runway: an empty text counts as missing.
fn variable(variables: &Map<String, Value>, query: &str) -> Option<Value> {
    let mut keys = query.split('.');
    let first = variables.get(keys.next()?)?;
    let found = keys.try_fold(first, |value, key| value.as_object()?.get(key))?;
    Some(found.clone()).filter(|value| value.as_str() != Some(""))
}

struct ProjectScope<'r, 'a> {
    resolver: &'r Resolver<'a>,
    requests: RefCell<BTreeSet<LookupRequest>>,
}

impl Scope for ProjectScope<'_, '_> {
    fn output(&self, _: &str, _: &str) -> OutputValue {
        OutputValue::Missing("a project file has no stacks".to_owned())
    }

    fn stack(&self, _: &StackFqn) -> Option<&StackState> {
        None
    }

    fn fqn(&self, name: &str) -> StackFqn {
        StackFqn::new(name)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.resolver.environment.get(name).cloned()
    }

    fn parameter(&self, _: &str) -> Option<Value> {
        None
    }

    fn variable(&self, query: &str) -> Option<Value> {
        variable(self.resolver.variables, query)
    }

    /// Stacks are asked for one by one: few are needed.
    fn asks_for_stacks(&self) -> bool {
        true
    }

    fn region(&self) -> Option<String> {
        self.resolver.environment.get("AWS_REGION").cloned()
    }

    fn fetched(&self, request: &LookupRequest) -> Option<Result<Fetched, LookupFailure>> {
        let answer = self.resolver.answers.get(request);
        if answer.is_none() {
            self.requests.borrow_mut().insert(request.clone());
        }
        answer.cloned()
    }

    fn hook_data(&self) -> HookData {
        HookData::Known { results: Map::new(), hidden: BTreeSet::new() }
    }

    fn awaits_hooks(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
