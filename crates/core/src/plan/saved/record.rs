//! What is kept of a plan. The same function looks at the world of the run that carries the plan out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::file::digest;
use super::{SavedGraph, SavedLookup, SavedPlan, SavedStack, SavedTarget};
use crate::config::StackDefinition;
use crate::graph::{GraphState, PersistentGraph};
use crate::ident::StackFqn;
use crate::lookup::Resolved;
use crate::lookup::resolve::resolve;
use crate::plan::outstanding::{asked_by, asked_by_task};
use crate::plan::scope::PlanScope;
use crate::plan::template::is_rendered;
use crate::plan::{Desired, Rendered, Settings, World};
use crate::registry::LookupRequest;
use crate::render::json::PlanDocument;
use crate::secrets::{Secrets, texts};

/// Lookups whose answers are no news of a service: files are what they are, and what is random is never the same.
const NOT_OF_A_SERVICE: [&str; 2] = ["file", "random.string"];

/// Shorter secrets are looked for as a whole only.
const SHORTEST: usize = 4;

/// What a plan was made from.
pub struct Recorded<'a> {
    /// What was wanted.
    pub desired: &'a Desired,
    /// What was seen.
    pub world: &'a World,
    /// Switches and inputs.
    pub settings: &'a Settings,
    /// Where the persistent graph is.
    pub graph: Option<String>,
    /// Texts that must not be shown, beside the secrets that the plan itself has looked up.
    pub hidden: &'a [String],
}

/// The value of a variable as it may be kept, and whether it must not be shown.
struct Known {
    value: Option<Value>,
    secret: bool,
}

/// Variables of a stack by name.
type Variables<'d> = BTreeMap<&'d str, Known>;

impl Recorded<'_> {
    /// What is to be kept of `plan`.
    pub fn save(&self, target: SavedTarget, plan: PlanDocument) -> SavedPlan {
        let mut stacks = BTreeMap::new();
        let mut requests: BTreeMap<LookupRequest, BTreeSet<String>> = BTreeMap::new();
        let mut kept_back = BTreeSet::new();
        let mut hidden: Vec<String> = Vec::new();
        self.world.answers.lookups.values().flatten().filter(|found| found.secret).for_each(|found| {
            leaves(&found.value, &mut hidden);
        });
        let shown_as_secret =
            Secrets::new(&[self.world.answers.secret_texts(), self.hidden.to_vec()].concat());
        for definition in self.desired.config.stacks.values() {
            let variables = self.variables(definition, &mut hidden);
            for (name, variable) in &definition.variables {
                let asked = asked_by(variable, self.desired, self.world, self.settings);
                // What may be shown is known once the template is; what the template does not take is not asked.
                match variables.as_ref().map(|variables| variables.get(name.as_str())) {
                    Some(None) => continue,
                    Some(Some(known)) if !known.secret => {}
                    _ => kept_back.extend(asked.iter().cloned()),
                }
                for request in asked {
                    requests.entry(request).or_default().insert(definition.name.as_str().to_owned());
                }
            }
            let mut stack = self.stack(&definition.fqn);
            if let Some(variables) = &variables {
                stack.template = self.template(definition, variables);
                stack.parameters = Some(parameters(variables, &shown_as_secret));
            }
            stack.policy = self.desired.policies.get(&definition.name).map(|text| digest(text));
            stack.settings = Some(self.settings_of(definition));
            stacks.insert(definition.name.as_str().to_owned(), stack);
        }
        for definition in self.desired.config.tasks.values() {
            let (asked, secrets) = asked_by_task(definition, self.desired, self.world, self.settings);
            for (name, requests_of_it) in asked {
                if secrets.contains(&name) {
                    kept_back.extend(requests_of_it.iter().cloned());
                }
                for request in requests_of_it {
                    requests.entry(request).or_default().insert(definition.node.as_str().to_owned());
                }
            }
        }
        for step in &plan.steps {
            let of_another = || self.stack(&StackFqn::new(step.fqn.as_str()));
            stacks.entry(step.name.clone()).or_insert_with(of_another);
        }
        hidden.extend(self.hidden.iter().cloned());
        let lookups = requests
            .into_iter()
            .filter(|(request, _)| request.place.is_none() && !kept_back.contains(request))
            .filter(|(request, _)| !NOT_OF_A_SERVICE.contains(&request.name.as_str()))
            .filter_map(|(request, stacks)| self.lookup(request, stacks, &hidden))
            .collect();
        // Remarks on the whole are about the run that made the plan.
        let plan = PlanDocument { notes: Vec::new(), ..plan };
        SavedPlan {
            target,
            config: digest(&self.desired.config.document.text),
            graph: self.graph.clone().map(|location| SavedGraph {
                location,
                digest: graph_digest(self.world.recorded.as_ref(), &self.world.state),
            }),
            stacks,
            lookups,
            plan: without(plan, &shown_as_secret),
        }
    }

    fn stack(&self, fqn: &StackFqn) -> SavedStack {
        let live = self.world.stacks.get(fqn);
        SavedStack {
            fqn: fqn.as_str().to_owned(),
            stack_id: live.map(|stack| stack.id.to_string()),
            status: live.map(|stack| stack.status.as_str().to_owned()),
            updated: live.and_then(|stack| stack.updated).map(|time| time.to_string()),
            ..SavedStack::default()
        }
    }

    /// What shapes the requests for a stack beside template, parameters, tags and policy. Parameters of the run may have
    /// been put into it, so that the text of the config does not tell.
    fn settings_of(&self, definition: &StackDefinition) -> String {
        let config = &self.desired.config;
        let bucket = config.bucket_name(&self.world.place.region);
        let all = json!({
            "role": config.service_role,
            "tags": definition.tags,
            "bucket": bucket.as_ref().map(|bucket| bucket.as_str()),
            "bucket_region": config.bucket_region,
            "timeout": definition.timeout_minutes,
            "termination_protection": definition.termination_protection,
            "protected": definition.protected,
            "wait_if_in_progress": definition.wait_if_in_progress,
        });
        digest(&all.to_string())
    }

    /// The template that a stack is to have, where it is known.
    fn rendered(&self, definition: &StackDefinition) -> Option<Rendered> {
        let scope = PlanScope::now(self.desired, self.world, self.settings);
        if !is_rendered(&scope, definition) {
            let template = self.desired.templates.get(&definition.name)?.clone();
            return Some(Rendered { template, parameters: None, made: Vec::new() });
        }
        let mut rendered = self.world.answers.rendered.iter();
        let (_, rendered) = rendered.find(|(key, found)| key.stack == definition.name && found.is_ok())?;
        rendered.as_ref().ok().map(|rendered| Rendered::clone(rendered))
    }

    /// The variables of a stack as far as they are known; none if its template is not, because that says which of them
    /// must not be shown. What must not be is added to `hidden`.
    fn variables<'d>(
        &self,
        definition: &'d StackDefinition,
        hidden: &mut Vec<String>,
    ) -> Option<Variables<'d>> {
        let rendered = self.rendered(definition)?;
        let template = &rendered.template;
        let no_echo = |name: &str| template.parameters.get(name).is_some_and(|declared| declared.no_echo);
        for (_, value) in rendered.parameters.iter().flatten().filter(|(name, _)| no_echo(name)) {
            leaves(value, hidden);
        }
        let scope = PlanScope::now(self.desired, self.world, self.settings);
        let mut known = BTreeMap::new();
        for (name, variable) in &definition.variables {
            if rendered.parameters.is_none()
                && !is_rendered(&scope, definition)
                && !template.parameters.contains_key(name)
            {
                continue;
            }
            let of = match resolve(&variable.value, &scope) {
                Ok(Resolved::Known { value, secret }) => Known { value: Some(value), secret },
                Ok(Resolved::Unknown { .. }) | Err(_) => Known { value: None, secret: false },
            };
            let secret = of.secret || no_echo(name);
            if let (true, Some(value)) = (secret, &of.value) {
                leaves(value, hidden);
            }
            known.insert(name.as_str(), Known { secret, ..of });
        }
        Some(known)
    }

    fn template(&self, definition: &StackDefinition, variables: &Variables<'_>) -> Option<String> {
        let rendered = self.rendered(definition)?;
        let scope = PlanScope::now(self.desired, self.world, self.settings);
        // Of a short secret in a text that is otherwise known, a digest would tell all.
        let holds_secrets =
            is_rendered(&scope, definition) && variables.values().any(|variable| variable.secret);
        Some(if holds_secrets {
            digest(&shape(&rendered.template.normalized()).to_string())
        } else {
            digest(&rendered.template.body)
        })
    }

    /// A lookup with its answer; none if one of them has anything of a secret in it.
    fn lookup(
        &self,
        request: LookupRequest,
        stacks: BTreeSet<String>,
        hidden: &[String],
    ) -> Option<SavedLookup> {
        let (missing, value) = match self.world.answers.lookups.get(&request)? {
            Ok(found) if found.secret => return None,
            Ok(found) => (false, found.value.clone()),
            Err(failure) if failure.missing => (true, Value::Null),
            Err(_) => return None,
        };
        let mut parts = vec![request.query.clone()];
        parts.extend(request.arguments.values().cloned());
        leaves(&value, &mut parts);
        // Of what is as short as that, a part of a longer text tells nothing.
        let tells = |part: &String| {
            hidden
                .iter()
                .any(|secret| part == secret || secret.len() >= SHORTEST && part.contains(secret.as_str()))
        };
        if parts.iter().any(tells) {
            return None;
        }
        let LookupRequest { name, query, arguments, place: _ } = request;
        Some(SavedLookup { name, query, arguments, stacks, missing, value })
    }
}

/// A template without its values: keys, and the types of resources and parameters.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let of = |(key, value): (&String, &Value)| {
                let kept = key == "Type" && value.is_string();
                (key.clone(), if kept { value.clone() } else { shape(value) })
            };
            Value::Object(entries.iter().map(of).collect())
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        _ => Value::Null,
    }
}

/// Digest of values, those left out that must not be shown: short ones could be found by trying.
fn parameters(variables: &Variables<'_>, secrets: &Secrets) -> String {
    let tells = |value: &Value| {
        let mut parts = Vec::new();
        leaves(value, &mut parts);
        parts.iter().any(|part| secrets.are_in(part))
    };
    let shown = |known: &Known| match &known.value {
        Some(value) if !known.secret && !tells(value) => json!({"value": value}),
        Some(_) => json!({"secret": true}),
        None => json!({"known_after": true}),
    };
    let all: BTreeMap<&str, Value> = variables.iter().map(|(name, known)| (*name, shown(known))).collect();
    digest(&json!(all).to_string())
}

/// Digest of what graph and state hold.
fn graph_digest(graph: Option<&PersistentGraph>, state: &GraphState) -> String {
    let graph = graph.map(PersistentGraph::to_json).unwrap_or_default();
    digest(&format!("{graph}\n{}", state.to_json()))
}

/// All texts in a value, numbers as they are written.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => {
            found.push(text.clone());
            texts(value, found);
        }
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(entries) => entries.values().for_each(|item| leaves(item, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A plan in which secrets are hidden wherever they stand. None should be there; this is the last look.
fn without(document: PlanDocument, secrets: &Secrets) -> PlanDocument {
    let hidden = serde_json::to_value(&document).map(|mut value| {
        hide(&mut value, secrets);
        serde_json::from_value(value)
    });
    match hidden {
        Ok(Ok(hidden)) => hidden,
        _ => document,
    }
}

fn hide(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) if secrets.are_in(text) => *text = secrets.hide(text),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, secrets)),
        Value::Object(entries) => {
            let all: Map<String, Value> = std::mem::take(entries);
            *entries = all
                .into_iter()
                .map(|(name, mut value)| {
                    hide(&mut value, secrets);
                    (name, value)
                })
                .collect();
        }
        _ => {}
    }
}
