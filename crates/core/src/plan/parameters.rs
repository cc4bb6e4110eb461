//! From a stack's variables to the parameters of its template, by CFNgin's rules for raw templates.
//!
//! Variables the template does not declare are dropped; null is left out; a parameter without a value keeps the deployed
//! one (`UsePreviousValue`, even if the template's default changed), else takes the template's default.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::template::lookup_failed;
use super::{PlanProblem, Rendered};
use crate::config::{StackDefinition, Variable};
use crate::error::{Finding, Findings, nearest};
use crate::lookup::resolve::{Scope, resolve};
use crate::lookup::{Cause, Resolved, VariableValue};
use crate::pattern::{self, Match, number};
use crate::provider::StackState;
use crate::template::{ParameterDefinition, Template};
use crate::text::{Document, Span};

/// A parameter as it would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// This value.
    Value {
        /// The text.
        text: String,
        /// It must never be shown.
        secret: bool,
    },
    /// The deployed value.
    Previous,
    /// Known only later.
    Unknown {
        /// After this has happened.
        after: BTreeSet<Cause>,
        /// It may have to be hidden then.
        secret: bool,
    },
}

/// What can be said about the variables of a stack before anything is looked at: values that the template refuses, and
/// variables that it does not declare, which CFNgin drops in silence.
pub fn check(
    document: &Arc<Document>,
    definition: &StackDefinition,
    template: &Template,
    scope: &dyn Scope,
) -> Findings {
    let mut findings = Findings::default();
    for (name, variable) in &definition.variables {
        let problem = match template.parameters.get(name) {
            // A locked stack may have been made when its template had other rules.
            Some(_) if definition.locked => None,
            Some(declared) => one(definition, name, declared, variable, scope).err().map(|problem| *problem),
            None => variable.own.then(|| undeclared(definition, name, variable, template)),
        };
        if let Some(problem) = problem {
            findings.push(Finding::at(document, problem));
        }
    }
    findings
}

fn undeclared(
    definition: &StackDefinition,
    name: &str,
    variable: &Variable,
    template: &Template,
) -> PlanProblem {
    let help = match nearest(name, template.parameters.keys().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("remove it, or declare it in the `Parameters` of {}", template.path),
    };
    PlanProblem::UnknownVariable {
        stack: definition.name.as_str().to_owned(),
        variable: name.to_owned(),
        help,
        span: variable.name_span.into(),
    }
}

/// A warning about parameters that have neither a value nor a default, so that the stack could not be created.
pub fn check_missing(definition: &StackDefinition, template: &Template) -> Option<PlanProblem> {
    let given = |name: &String| {
        definition.variables.get(name).is_some_and(|variable| variable.value != VariableValue::Null)
    };
    let missing: Vec<&str> = template
        .parameters
        .iter()
        .filter(|(name, declared)| declared.default.is_none() && !given(name))
        .map(|(name, _)| name.as_str())
        .collect();
    (!missing.is_empty()).then(|| PlanProblem::OpenParameters {
        stack: definition.name.as_str().to_owned(),
        parameters: missing.join(", "),
        template: template.path.clone(),
        span: definition.span.into(),
    })
}

/// Computes the parameters of a stack, those of the config in its order, then those that keep their value by name.
///
/// # Errors
/// [`Findings`] with every lookup that failed, value that does not fit and parameter that is missing.
pub(super) fn parameters(
    document: &Arc<Document>,
    definition: &StackDefinition,
    (rendered, secrets): (&Rendered, &BTreeSet<String>),
    existing: Option<&StackState>,
    scope: &dyn Scope,
) -> Result<Vec<(String, Given)>, Findings> {
    let template = rendered.template.as_ref();
    let mut findings = Findings::default();
    let mut given: Vec<(String, Given)> = Vec::new();
    let mut failed: BTreeSet<&str> = BTreeSet::new();
    let document = &hidden(document, definition, template);
    let mut take = |name: &'_ str, value: Result<Option<Given>, Box<PlanProblem>>| match value {
        Ok(Some(value)) => {
            given.push((name.to_owned(), value));
            true
        }
        Ok(None) => true,
        Err(problem) => {
            findings.push(Finding::at(document, *problem));
            false
        }
    };
    match &rendered.parameters {
        None => {
            for (name, variable) in &definition.variables {
                let Some(declared) = template.parameters.get(name) else { continue };
                if !take(name, one(definition, name, declared, variable, scope)) {
                    failed.insert(name);
                }
            }
        }
        // A blueprint gives its parameters itself, defaults included (CFNgin).
        Some(values) => {
            for (name, value) in values {
                let Some(declared) = template.parameters.get(name) else { continue };
                let span = definition.variables.get(name).map_or(definition.span, |variable| variable.span);
                let secret = secrets.contains(name);
                if !take(name, fit(definition, name, declared, value, secret, span)) {
                    failed.insert(name);
                }
            }
        }
    }
    let open =
        |name: &String| !given.iter().any(|(known, _)| known == name) && !failed.contains(name.as_str());
    let mut previous = Vec::new();
    let mut missing = Vec::new();
    for (name, declared) in template.parameters.iter().filter(|(name, _)| open(name)) {
        if existing.is_some_and(|stack| stack.parameters.contains_key(name)) {
            previous.push((name.clone(), Given::Previous));
        } else if let Some(default) = &declared.default {
            if let Some(problem) = broken_default(definition, name, declared, default) {
                findings.push(Finding::at(document, problem));
            }
        } else {
            missing.push(name.as_str());
        }
    }
    if !missing.is_empty() {
        let problem = PlanProblem::MissingParameters {
            stack: definition.name.as_str().to_owned(),
            parameters: missing.join(", "),
            template: template.path.clone(),
            span: definition.span.into(),
        };
        findings.push(Finding::at(document, problem));
    }
    previous.sort_by(|a, b| a.0.cmp(&b.0));
    given.extend(previous);
    if findings.has_errors() { Err(findings) } else { Ok(given) }
}

/// The config as messages may quote it: what is given to NoEcho parameters of a rendered template is known only now.
fn hidden(document: &Arc<Document>, definition: &StackDefinition, template: &Template) -> Arc<Document> {
    let no_echo = |name: &String| template.parameters.get(name).is_some_and(|declared| declared.no_echo);
    let secret = definition.variables.iter().filter(|(name, _)| no_echo(name));
    let places: Vec<Span> = secret.map(|(_, variable)| variable.span).collect();
    if places.is_empty() { Arc::clone(document) } else { document.masked(&places) }
}

/// The problem of a template whose own default breaks its rules, where that default would be used.
fn broken_default(
    definition: &StackDefinition,
    name: &str,
    declared: &ParameterDefinition,
    default: &str,
) -> Option<PlanProblem> {
    let rule = broken_rule(declared, default)?;
    let rule = if declared.no_echo { "it breaks a rule of the template".to_owned() } else { rule };
    Some(PlanProblem::ParameterNotAllowed {
        stack: definition.name.as_str().to_owned(),
        parameter: name.to_owned(),
        rule: format!("the template's own default: {rule}"),
        help: "give the stack a variable of this name, or mend the template".to_owned(),
        span: definition.span.into(),
    })
}

fn one(
    definition: &StackDefinition,
    name: &str,
    declared: &ParameterDefinition,
    variable: &Variable,
    scope: &dyn Scope,
) -> Result<Option<Given>, Box<PlanProblem>> {
    let resolved = resolve(&variable.value, scope)
        .map_err(|error| Box::new(lookup_failed(definition, name, error, variable.span)))?;
    match resolved {
        Resolved::Unknown { after } => {
            let secret = variable.asks_services() || scope.may_hide(&after);
            Ok(Some(Given::Unknown { after, secret }))
        }
        Resolved::Known { value, secret } => fit(definition, name, declared, &value, secret, variable.span),
    }
}

/// A value as the parameter takes it; `None` for null.
fn fit(
    definition: &StackDefinition,
    name: &str,
    declared: &ParameterDefinition,
    value: &Value,
    secret: bool,
    span: Span,
) -> Result<Option<Given>, Box<PlanProblem>> {
    let stack = || definition.name.as_str().to_owned();
    let (span, secret) = (span.into(), secret || declared.no_echo);
    let shape = |found| {
        Box::new(PlanProblem::ParameterShape { stack: stack(), variable: name.to_owned(), found, span })
    };
    let Some(text) = as_text(value).map_err(shape)? else { return Ok(None) };
    if let Some(rule) = broken_rule(declared, &text) {
        let help = declared
            .constraint_description
            .clone()
            .unwrap_or_else(|| "see the template's parameter".to_owned());
        // The rule may quote the value, a secret must not be quoted.
        let rule = if secret { "it breaks a rule of the template".to_owned() } else { rule };
        return Err(Box::new(PlanProblem::ParameterNotAllowed {
            stack: stack(),
            parameter: name.to_owned(),
            rule,
            help,
            span,
        }));
    }
    Ok(Some(Given::Value { text, secret }))
}

/// A value as the text of a parameter; `None` for null.
fn as_text(value: &Value) -> Result<Option<String>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(value.to_string())),
        Value::Number(value) => Ok(Some(value.to_string())),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Object(_) => Err("a map"),
        Value::Array(items) => {
            // CFNgin would send the text `None`; dropping the item would move the others.
            let items: Vec<Option<String>> = items
                .iter()
                .map(|item| match item {
                    Value::Null => Err("a list with an empty item"),
                    Value::Array(_) => Err("a list with a list in it"),
                    Value::Object(_) => Err("a list with a map in it"),
                    item => as_text(item),
                })
                .collect::<Result<_, _>>()?;
            Ok(Some(items.into_iter().flatten().collect::<Vec<_>>().join(",")))
        }
    }
}

/// The rule of the template that a value breaks, in words; `None` if it keeps all of them.
fn broken_rule(declared: &ParameterDefinition, text: &str) -> Option<String> {
    let kind = declared.kind.as_str();
    if kind.starts_with("AWS::SSM::Parameter::Value") {
        // The rules apply to the value behind the name.
        return None;
    }
    let is_list = kind == "CommaDelimitedList" || kind.starts_with("List<");
    let items: Vec<&str> = if is_list { text.split(',').map(str::trim).collect() } else { vec![text] };
    for item in &items {
        if !declared.allowed_values.is_empty()
            && !declared.allowed_values.iter().any(|allowed| allowed == item)
        {
            return Some(format!("`{item}` is not one of {}", declared.allowed_values.join(", ")));
        }
        if matches!(kind, "Number" | "List<Number>") && number(item).is_none() {
            return Some(format!("`{item}` is not a number"));
        }
        if let Some(pattern) = &declared.allowed_pattern {
            match pattern::allows(pattern, item) {
                // What only Java understands is left to CloudFormation.
                Match::Yes | Match::Unknown => {}
                Match::No => return Some(format!("`{item}` does not match {pattern}")),
                Match::Malformed => {
                    return Some(format!("its AllowedPattern {pattern} is no regular expression"));
                }
            }
        }
    }
    if !is_list {
        let length = text.chars().count() as u64;
        if declared.min_length.is_some_and(|least| length < least) {
            return Some(format!(
                "it is shorter than {} characters",
                declared.min_length.unwrap_or_default()
            ));
        }
        if declared.max_length.is_some_and(|most| length > most) {
            return Some(format!("it is longer than {} characters", declared.max_length.unwrap_or_default()));
        }
    }
    let bound = |text: &Option<String>| text.as_deref().and_then(number);
    for value in items.iter().filter_map(|item| number(item)) {
        if bound(&declared.min_value).is_some_and(|least| value < least) {
            return Some(format!(
                "{value} is less than {}",
                declared.min_value.as_deref().unwrap_or_default()
            ));
        }
        if bound(&declared.max_value).is_some_and(|most| value > most) {
            return Some(format!(
                "{value} is more than {}",
                declared.max_value.as_deref().unwrap_or_default()
            ));
        }
    }
    None
}

/// Whether a deployed value is the wanted one, as the parameter's type compares.
pub(super) fn same_value(kind: &str, deployed: &str, wanted: &str) -> bool {
    if deployed == wanted {
        return true;
    }
    let is_list = kind == "CommaDelimitedList" || kind.contains("List<");
    is_list && items(deployed) == items(wanted)
}

/// A deployed value as a request would give it.
pub(super) fn deployed_text(kind: &str, text: &str) -> String {
    let is_list = kind == "CommaDelimitedList" || kind.contains("List<");
    if is_list { items(text).join(",") } else { text.to_owned() }
}

/// The items of a list value. Some emulators show lists as Python text, `['a', 'b']`.
fn items(text: &str) -> Vec<&str> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let quoted = |item: &&str| item.len() >= 2 && item.starts_with('\'') && item.ends_with('\'');
    let split = |text| -> Vec<&str> { str::split(text, ',').map(str::trim).collect() };
    match inner.map(split) {
        Some(items) if items.iter().all(quoted) => {
            items.into_iter().map(|item| item.trim_matches('\'')).collect()
        }
        _ => split(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(kind: &str) -> ParameterDefinition {
        ParameterDefinition { kind: kind.to_owned(), ..ParameterDefinition::default() }
    }

    #[test]
    fn values_become_text_as_cloudformation_wants_it() {
        assert_eq!(as_text(&serde_json::json!([1, "b", true])), Ok(Some("1,b,true".to_owned())));
        assert_eq!(as_text(&Value::Null), Ok(None));
        assert_eq!(as_text(&serde_json::json!([["a"]])), Err("a list with a list in it"));
        assert_eq!(as_text(&serde_json::json!(["a", null])), Err("a list with an empty item"));
        assert_eq!(as_text(&serde_json::json!({"a": 1})), Err("a map"));
    }

    #[test]
    fn the_rules_of_the_template_are_applied() {
        let mut rules = declared("String");
        rules.allowed_pattern = Some("[a-z]+".to_owned());
        rules.max_length = Some(3);
        assert_eq!(broken_rule(&rules, "abc"), None);
        assert!(broken_rule(&rules, "abc1").unwrap().contains("match"));
        assert!(broken_rule(&rules, "abcd").unwrap().contains("longer"));
        assert!(broken_rule(&declared("Number"), "x").is_some());
        assert_eq!(broken_rule(&declared("List<Number>"), "1, 2.5"), None);
        let range = ParameterDefinition {
            min_value: Some("2".into()),
            max_value: Some("4".into()),
            ..declared("Number")
        };
        assert!(broken_rule(&range, "1").unwrap().contains("less"));
        assert!(broken_rule(&range, "5").unwrap().contains("more"));
        assert!(broken_rule(&range, "NaN").unwrap().contains("not a number"));
        rules.allowed_pattern = Some("[a-z".to_owned());
        assert!(broken_rule(&rules, "abc").unwrap().contains("no regular expression"));
        rules.allowed_pattern = Some("(?!x).*".to_owned());
        assert_eq!(broken_rule(&rules, "abc"), None);
    }

    #[test]
    fn lists_are_compared_by_their_items() {
        assert!(same_value("CommaDelimitedList", "['a', 'b']", "a,b"));
        assert!(same_value("CommaDelimitedList", "a, b", "a,b"));
        assert!(!same_value("String", "a, b", "a,b"));
        assert!(!same_value("CommaDelimitedList", "a,b", "a,c"));
    }
}
