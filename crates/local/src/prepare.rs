//! From a checked template and its parameters to what a create or update is heading for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use runway_core::provider::Place;
use runway_store::BucketName;
use serde_json::Value;

use crate::behaviour;
use crate::buckets::Buckets;
use crate::catalogue::{self, Birth};
use crate::evaluate::{Failure, Scope};
use crate::script::{self, Script};
use crate::state::{BUCKET_TYPE, Change, Policy, Resource, Stack, State, Target};
use crate::template::{Checked, checks};
use crate::{policy, ssm};

/// What goes into a create or update.
pub(crate) struct Input<'a> {
    pub template: &'a Checked,
    pub parameters: &'a BTreeMap<String, String>,
    pub state: &'a State,
    pub place: &'a Place,
    pub stack_name: &'a str,
    pub stack_id: &'a str,
    pub generation: u64,
    /// Index of the stack and its present resources, for an update.
    pub existing: Option<(usize, &'a BTreeMap<String, Resource>)>,
    pub policy: Option<&'a str>,
    pub conduct: Conduct<'a>,
}

/// What decides how resources behave, besides what they are.
#[derive(Clone, Copy)]
pub(crate) struct Conduct<'a> {
    pub scripts: &'a [Script],
    pub per_resource: Duration,
    pub buckets: &'a Buckets,
}

/// Resources that exist, as they behave in an operation that begins now. What an earlier operation was told to do with
/// them is forgotten.
///
/// # Errors
/// What is wrong with the marker in a resource's metadata.
pub(crate) fn behaving(
    resources: &BTreeMap<String, Resource>,
    stack: &str,
    conduct: &Conduct<'_>,
) -> Result<BTreeMap<String, Resource>, String> {
    let one = |(id, resource): (&String, &Resource)| {
        let mut natural = behaviour::natural(&resource.kind, &resource.properties, conduct.per_resource);
        if resource.kind == BUCKET_TYPE
            && conduct.buckets.holds_objects(&BucketName::new(&resource.physical_id))
        {
            natural.fail_delete = Some(
                "The bucket you tried to delete is not empty (Service: S3, Status Code: 409, Error Code: BucketNotEmpty)"
                    .to_owned(),
            );
        }
        let behaviour = script::behaviour(natural, &resource.metadata, conduct.scripts, stack, id)?;
        Ok((id.clone(), Resource { behaviour, ..resource.clone() }))
    };
    resources.iter().map(one).collect()
}

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub target: Target,
    pub imports: BTreeSet<String>,
    /// Why the stack rolls back before it touches a resource.
    pub failure: Option<String>,
}

/// Computes the target.
///
/// # Errors
/// CloudFormation's words if the request has to be refused.
pub(crate) fn prepare(input: &Input<'_>) -> Result<Prepared, String> {
    match Preparation::new(input).run() {
        Ok(prepared) => Ok(prepared),
        Err(Failure::Template(message)) => Err(message),
        Err(Failure::Missing(reason)) => Ok(Prepared { failure: Some(reason), ..Prepared::default() }),
    }
}

struct Preparation<'a> {
    input: &'a Input<'a>,
    exports: BTreeMap<String, String>,
    conditions: BTreeMap<String, bool>,
    prepared: Prepared,
}

impl<'a> Preparation<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        Self {
            input,
            exports: input.state.exports(input.place, input.existing.map(|(index, _)| index)),
            conditions: BTreeMap::new(),
            prepared: Prepared::default(),
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            template: self.input.template,
            parameters: self.input.parameters,
            resources: &self.prepared.target.resources,
            conditions: &self.conditions,
            exports: &self.exports,
            place: self.input.place,
            stack_name: self.input.stack_name,
            stack_id: self.input.stack_id,
        }
    }

    fn run(mut self) -> Result<Prepared, Failure> {
        let template = self.input.template;
        for name in &template.conditions {
            let Some(condition) = template.entry("Conditions", name) else { continue };
            let value = self.scope().condition(condition)?;
            self.conditions.insert(name.clone(), value);
        }
        let mut waiting = BTreeMap::new();
        let mut needs = template.needs();
        for (id, body) in template.section("Resources") {
            if self.scope().is_wanted(body)? {
                waiting.insert(id.as_str(), body);
            }
        }
        while let Some((id, body)) = next(&waiting, &needs) {
            waiting.remove(id);
            let mut own = needs.remove(id).unwrap_or_default();
            own.retain(|need| self.prepared.target.resources.contains_key(need));
            self.resource(id, body, own)?;
        }
        self.removals();
        for (name, output) in template.section("Outputs") {
            self.output(name, output)?;
        }
        Ok(self.prepared)
    }

    fn resource(&mut self, id: &str, body: &Value, needs: BTreeSet<String>) -> Result<(), Failure> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = text("Type");
        let section = |name: &str| {
            body.get(name)
                .map_or(Ok(None), |value| self.scope().resolve(value))
                .map(Option::unwrap_or_default)
        };
        let (properties, metadata) = (section("Properties")?, section("Metadata")?);
        let properties = ssm::resolve_references(properties, self.input.state, self.input.place)
            .map_err(Failure::Template)?;
        let mut imports = BTreeSet::new();
        self.scope().imports(body, &mut imports)?;
        self.prepared.imports.append(&mut imports);

        let old = self.input.existing.and_then(|(_, resources)| resources.get(id));
        let change = match old {
            None => Some(Change::Added),
            Some(old) if old.kind != kind => Some(Change::Replaced),
            Some(old) if catalogue::is_replaced(kind, &old.properties, &properties) => Some(Change::Replaced),
            Some(old) if old.properties != properties || old.metadata != metadata => Some(Change::Modified),
            Some(_) => None,
        };
        let physical_id = match (old, change) {
            (Some(old), Some(Change::Modified) | None) => old.physical_id.clone(),
            _ => {
                let birth = Birth {
                    stack_name: self.input.stack_name,
                    stack_id: self.input.stack_id,
                    logical_id: id,
                    generation: self.input.generation,
                };
                catalogue::physical_id(kind, &properties, &birth, self.input.place)
            }
        };
        let mut natural = behaviour::natural(kind, &properties, self.input.conduct.per_resource);
        if matches!(change, Some(Change::Added | Change::Replaced)) {
            let taken = self.name_taken(kind, &physical_id, &properties, old);
            natural.fail_create = natural.fail_create.or(taken);
        }
        let mut behaviour =
            script::behaviour(natural, &metadata, self.input.conduct.scripts, self.input.stack_name, id)
                .map_err(Failure::Template)?;
        let denied = self.input.policy.zip(change).filter(|_| old.is_some());
        if let Some(reason) =
            denied.and_then(|(policy, change)| policy::denial(policy, id, kind, Some(change)))
        {
            behaviour.fail_update = Some(reason);
        }
        let resource = Resource {
            kind: kind.to_owned(),
            physical_id,
            properties,
            metadata,
            needs,
            deletion: policy_of(body, "DeletionPolicy"),
            replacement: policy_of(body, "UpdateReplacePolicy"),
            behaviour,
        };
        if let Some(change) = change {
            self.prepared.target.changes.insert(id.to_owned(), change);
        }
        self.prepared.target.resources.insert(id.to_owned(), resource);
        Ok(())
    }

    /// Why a name given in the template cannot be used.
    fn name_taken(
        &self,
        kind: &str,
        physical_id: &str,
        properties: &Value,
        old: Option<&Resource>,
    ) -> Option<String> {
        let name = catalogue::custom_name(kind, properties)?;
        if old.is_some_and(|old| old.physical_id == physical_id) {
            return Some(format!(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {name} \
                 and update the stack again."
            ));
        }
        let same = |resource: &Resource| resource.kind == kind && resource.physical_id == physical_id;
        if self.prepared.target.resources.values().any(same) {
            return Some(format!("{name} already exists"));
        }
        let own = self.input.existing.map(|(index, _)| index);
        let others = self.input.state.stacks.iter().enumerate().filter(|(index, _)| Some(*index) != own);
        let is_near = |stack: &Stack| kind == BUCKET_TYPE || stack.is_at(self.input.place);
        let owner = others.map(|(_, stack)| stack).filter(|stack| is_near(stack)).find(|stack| {
            let coming = stack.operation.iter().flat_map(|operation| operation.target.resources.values());
            stack.resources.values().chain(coming).any(same)
        });
        if let Some(owner) = owner {
            return Some(format!("{name} already exists in stack {}", owner.id));
        }
        // A bucket that no stack knows was made by hand, or stayed when its stack went.
        let is_foreign = kind == BUCKET_TYPE && self.input.conduct.buckets.exists(&BucketName::new(name));
        is_foreign.then(|| format!("{name} already exists"))
    }

    /// A policy that forbids a removal stops the update before it begins.
    fn removals(&mut self) {
        let (Some((_, existing)), Some(policy)) = (self.input.existing, self.input.policy) else { return };
        for (id, resource) in existing {
            if !self.prepared.target.resources.contains_key(id)
                && let Some(reason) = policy::denial(policy, id, &resource.kind, None)
            {
                self.prepared.failure.get_or_insert(reason);
            }
        }
    }

    fn output(&mut self, name: &str, output: &Value) -> Result<(), Failure> {
        if !self.scope().is_wanted(output)? {
            return Ok(());
        }
        let Some(value) = output.get("Value") else { return Ok(()) };
        let value = self.scope().text(value, &format!("Output {name}"))?;
        let mut imports = BTreeSet::new();
        self.scope().imports(output, &mut imports)?;
        let export = output.get("Export").and_then(|export| export.get("Name"));
        let export = export.map(|export| self.scope().text(export, "Export")).transpose()?;
        self.prepared.imports.append(&mut imports);
        self.prepared.target.outputs.insert(name.to_owned(), value);
        if let Some(export) = export {
            if !checks::is_export_name(&export) {
                return Err(Failure::Template(format!(
                    "Template format error: Output {name} is malformed. {}",
                    checks::EXPORT
                )));
            }
            if self.prepared.target.exports.values().any(|other| *other == export) {
                return Err(Failure::Template(format!(
                    "Template format error: Duplicate Export names: [{export}] in the Outputs block of the template"
                )));
            }
            self.prepared.target.exports.insert(name.to_owned(), export);
        }
        Ok(())
    }
}

/// The next resource whose needs are all prepared (or not wanted).
fn next<'a>(
    waiting: &BTreeMap<&'a str, &'a Value>,
    needs: &BTreeMap<String, BTreeSet<String>>,
) -> Option<(&'a str, &'a Value)> {
    let ready = |id: &str| {
        needs.get(id).is_none_or(|needs| !needs.iter().any(|need| waiting.contains_key(need.as_str())))
    };
    waiting.iter().find(|(id, _)| ready(id)).map(|(id, body)| (*id, *body))
}

/// What a resource's attribute says about its end; the values were checked with the template.
fn policy_of(body: &Value, attribute: &str) -> Policy {
    match body.get(attribute).and_then(Value::as_str) {
        Some("Retain") => Policy::Retain,
        Some("RetainExceptOnCreate") => Policy::RetainExceptOnCreate,
        _ => Policy::Delete,
    }
}
