//! The template a stack is to have, which may depend on values that are known only later.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::scope::PlanScope;
use super::{PlanProblem, RenderKey, Rendered};
use crate::config::{Hooks, StackDefinition, TemplateSource};
use crate::error::{Finding, Findings};
use crate::lookup::resolve::{LookupError, Scope, resolve};
use crate::lookup::{Cause, Resolved};
use crate::text::Span;

/// The template of a stack as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// Known.
    Ready {
        /// It, with the parameters a blueprint gives.
        rendered: Rendered,
        /// Names of variables whose values must not be shown.
        secrets: BTreeSet<String>,
    },
    /// Known only after this has happened; empty if it has only to be rendered.
    Unknown(BTreeSet<Cause>),
    /// The config names none.
    Absent,
}

/// Variables of a stack, all of them.
pub(super) enum Variables {
    /// Values, and the names of those that must not be shown.
    Known(Map<String, Value>, BTreeSet<String>),
    /// At least one is known only later.
    Unknown(BTreeSet<Cause>),
}

/// Whether variables go into the template of a stack, so that it has to be rendered.
pub(super) fn is_rendered(scope: &PlanScope<'_>, definition: &StackDefinition) -> bool {
    matches!(definition.template, Some(TemplateSource::Blueprint { .. }))
        || scope.desired.jinja.contains_key(&definition.name)
}

/// The template that `definition` asks for.
///
/// # Errors
/// [`Findings`] if a variable cannot be resolved or the template cannot be rendered with what is known.
pub(super) fn wanted_template(
    scope: &PlanScope<'_>,
    definition: &StackDefinition,
) -> Result<Wanted, Findings> {
    if !is_rendered(scope, definition) {
        return Ok(match scope.desired.templates.get(&definition.name) {
            Some(template) => Wanted::Ready {
                rendered: Rendered { template: template.clone(), parameters: None, made: Vec::new() },
                secrets: BTreeSet::new(),
            },
            None if scope.desired.unmade.contains(&definition.name) => {
                Wanted::Unknown(BTreeSet::from([Cause::Hook(None)]))
            }
            None => Wanted::Absent,
        });
    }
    let (values, secrets) = match variables(scope, definition)? {
        Variables::Known(values, secrets) => (values, secrets),
        Variables::Unknown(after) => return Ok(Wanted::Unknown(after)),
    };
    match scope.world.answers.rendered.get(&render_key(definition, &values)) {
        None => Ok(Wanted::Unknown(BTreeSet::new())),
        Some(Ok(rendered)) => Ok(Wanted::Ready { rendered: Rendered::clone(rendered), secrets }),
        // What it reads of hooks it has only once they have run.
        Some(Err(_)) if scope.awaits_hooks() && keeps_data(&scope.desired.config.hooks) => {
            Ok(Wanted::Unknown(BTreeSet::from([Cause::Hook(None)])))
        }
        Some(Err(findings)) => Err(findings.clone()),
    }
}

/// Whether hooks before a deploy may keep anything.
fn keeps_data(hooks: &Hooks) -> bool {
    hooks.may_keep_more() || !hooks.data_keys().is_empty()
}

/// What a rendering is kept under.
pub(super) fn render_key(definition: &StackDefinition, values: &Map<String, Value>) -> RenderKey {
    RenderKey { stack: definition.name.clone(), variables: Value::Object(values.clone()).to_string() }
}

/// Resolves all variables of a stack.
pub(super) fn variables(scope: &PlanScope<'_>, definition: &StackDefinition) -> Result<Variables, Findings> {
    let mut findings = Findings::default();
    let (mut values, mut secrets) = (Map::new(), BTreeSet::new());
    let mut unknown: Option<BTreeSet<Cause>> = None;
    for (name, variable) in &definition.variables {
        match resolve(&variable.value, scope) {
            Ok(Resolved::Known { value, secret }) => {
                if secret {
                    secrets.insert(name.clone());
                }
                values.insert(name.clone(), value);
            }
            Ok(Resolved::Unknown { after }) => unknown.get_or_insert_default().extend(after),
            Err(error) => {
                let problem = lookup_failed(definition, name, error, variable.span);
                findings.push(Finding::at(&scope.desired.config.document, problem));
            }
        }
    }
    match unknown {
        _ if findings.has_errors() => Err(findings),
        Some(after) => Ok(Variables::Unknown(after)),
        None => Ok(Variables::Known(values, secrets)),
    }
}

/// A lookup in a variable that has no value.
pub(super) fn lookup_failed(
    definition: &StackDefinition,
    variable: &str,
    error: LookupError,
    span: Span,
) -> PlanProblem {
    PlanProblem::Lookup {
        message: format!("stack `{}`, variable `{variable}`: {}", definition.name, error.message),
        help: error.help,
        kind: error.kind,
        span: span.into(),
    }
}
