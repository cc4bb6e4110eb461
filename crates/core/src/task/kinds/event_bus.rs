//! `event_bus`: a bus of EventBridge, its policy and its tags.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    Change, Given, Gives, Read, ReadContext, Service, TaskAction, TaskChange, TaskDone, TaskFailure,
    TaskKind, WriteContext,
};
use super::arguments::{AccountId, Problems, Texts, Wanted, plain, tag_list, tags_of};
use super::calls::{change, failure, text, unless};
use super::changes::{Details, Outputs, nothing};
use super::policy;

const DESCRIBE: Read = Read::new(Service::Events, "DescribeEventBus");
const LIST_TAGS: Read = Read::new(Service::Events, "ListTagsForResource");
const CREATE: Change = Change::new(Service::Events, "CreateEventBus");
const UPDATE: Change = Change::new(Service::Events, "UpdateEventBus");
const DELETE: Change = Change::new(Service::Events, "DeleteEventBus");
const PERMIT: Change = Change::new(Service::Events, "PutPermission");
const FORBID: Change = Change::new(Service::Events, "RemovePermission");
const TAG: Change = Change::new(Service::Events, "TagResource");
const UNTAG: Change = Change::new(Service::Events, "UntagResource");

const MISSING: [&str; 1] = ["ResourceNotFoundException"];

pub(super) struct EventBus;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    policy: Option<Policy>,
    #[serde(default)]
    tags: Option<Texts>,
    #[serde(default)]
    state: Wanted,
}

/// Who may send events to the bus.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    #[serde(default)]
    accounts: Vec<AccountId>,
    #[serde(default)]
    organization: Option<String>,
    #[serde(default)]
    statements: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State(Option<Seen>);

#[derive(Serialize, Deserialize)]
struct Seen {
    arn: String,
    description: Option<String>,
    policy: Option<Value>,
    tags: BTreeMap<String, String>,
}

impl Policy {
    /// The statements; the bus itself is named only where its ARN is known.
    fn statements(&self, arn: Option<&str>) -> Vec<Value> {
        let partition = arn.and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
        let mut statements = Vec::new();
        if !self.accounts.is_empty() {
            let root = |account: &AccountId| format!("arn:{partition}:iam::{}:root", account.0);
            let accounts: Vec<String> = self.accounts.iter().map(root).collect();
            statements.push(json!({
                "Sid": "Accounts", "Effect": "Allow", "Principal": {"AWS": accounts},
                "Action": "events:PutEvents",
            }));
        }
        if let Some(organization) = &self.organization {
            statements.push(json!({
                "Sid": "Organization", "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents",
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": organization}},
            }));
        }
        statements.extend(self.statements.iter().cloned());
        for statement in &mut statements {
            if let (Some(arn), Some(statement)) = (arn, statement.as_object_mut()) {
                statement.entry("Resource").or_insert_with(|| json!(arn));
            }
        }
        statements
    }

    fn document(&self, arn: Option<&str>) -> Option<Value> {
        let statements = self.statements(arn);
        (!statements.is_empty()).then(|| json!({"Version": "2012-10-17", "Statement": statements}))
    }
}

#[async_trait]
impl TaskKind for EventBus {
    const KIND: &'static str = "event_bus";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const SERVICE: &'static str = "events";
    const GIVES: Gives = Gives::only(&[Given::staying("arn", &["name"]), Given::staying("name", &["name"])]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        spec.name.clone()
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("name", &spec.name, 256).signs("name", &spec.name, ".-_").tags(spec.tags.as_ref());
        problems.when(
            spec.name == "default" && spec.state == Wanted::Absent,
            "the bus `default` cannot be deleted",
        );
        let length = spec.description.iter().map(|text| text.chars().count()).sum::<usize>();
        problems.when(length > 512, format!("`description` has {length} characters, 512 are allowed"));
        if let Some(policy) = &spec.policy {
            problems.accounts(&policy.accounts);
            let strange = policy.organization.as_deref().filter(|id| !is_organization(id));
            if let Some(id) = strange {
                problems
                    .when(true, format!("`{id}` is no id of an organization: it looks like `o-abc123defg`"));
            }
            let unnamed =
                policy.statements.iter().any(|one| one.get("Sid").and_then(Value::as_str).is_none());
            problems.when(unnamed, "every statement of `policy.statements` needs a `Sid`");
        }
        problems.take()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        spec.state == Wanted::Present
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let found = unless(context.call(DESCRIBE, &json!({"Name": spec.name})).await, &MISSING)?;
        let Some(found) = found else { return Ok(State(None)) };
        let arn = text(&found, "/Arn").unwrap_or_default();
        let tags = match &spec.tags {
            Some(_) => context.call(LIST_TAGS, &json!({"ResourceARN": arn})).await?,
            None => Value::Null,
        };
        let policy = text(&found, "/Policy").filter(|text| !text.is_empty());
        Ok(State(Some(Seen {
            arn,
            description: text(&found, "/Description").filter(|text| !text.is_empty()),
            policy: policy.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
            tags: tags.get("Tags").map(tags_of).unwrap_or_default(),
        })))
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        if spec.state == Wanted::Absent {
            return self.diff_removed(spec, state);
        }
        let mut details = Details::default();
        let Some(seen) = &state.0 else {
            details.text("name", None, Some(&spec.name)).text(
                "description",
                None,
                spec.description.as_deref(),
            );
            details.compare("policy", None, spec.policy.as_ref().and_then(|policy| policy.document(None)));
            details.texts("tags", &BTreeMap::new(), &plain(spec.tags.as_ref().unwrap_or(&Texts::new())));
            return details.of(TaskAction::Create, Outputs::default().with("name", &spec.name));
        };
        if let Some(description) = &spec.description {
            let wanted = Some(description.as_str()).filter(|text| !text.is_empty());
            details.text("description", seen.description.as_deref(), wanted);
        }
        if let Some(wanted) = &spec.policy {
            let wanted = wanted.document(Some(&seen.arn));
            if wanted.as_ref().map(policy::comparable) != seen.policy.as_ref().map(policy::comparable) {
                details.compare("policy", seen.policy.clone(), wanted);
            }
        }
        if let Some(tags) = &spec.tags {
            details.texts("tags", &seen.tags, &plain(tags));
        }
        details.update(outputs(spec, seen))
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        match &state.0 {
            // Every account and region has it, and keeps it.
            Some(_) if spec.name == "default" => nothing(),
            Some(seen) => {
                let mut details = Details::default();
                details.text("name", Some(&spec.name), None);
                details.compare("policy", seen.policy.clone(), None);
                details.of(TaskAction::Delete, Outputs::default())
            }
            None => nothing(),
        }
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        if planned.action == TaskAction::Delete {
            change(context, DELETE, &json!({"Name": spec.name})).await?;
            return Ok(TaskDone::default());
        }
        let mut seen = self.read(&context.read, spec).await?.0;
        if seen.is_none() {
            let mut input = json!({"Name": spec.name});
            if let Some(description) = spec.description.as_ref().filter(|text| !text.is_empty()) {
                input["Description"] = json!(description);
            }
            if let Some(tags) = spec.tags.as_ref().filter(|tags| !tags.is_empty()) {
                input["Tags"] = tag_list(&plain(tags));
            }
            // An answer may have been lost: then it is there.
            unless(change(context, CREATE, &input).await, &["ResourceAlreadyExistsException"])?;
            seen = self.read(&context.read, spec).await?.0;
        }
        let Some(seen) = seen else {
            return Err(failure(
                format!("the event bus {} was created, but is not there", spec.name),
                "run the command again; something else may be deleting it",
            ));
        };
        mend(context, spec, &seen).await?;
        Ok(outputs(spec, &seen).into())
    }
}

/// Changes what differs on a bus that is there.
async fn mend(context: &WriteContext<'_>, spec: &Spec, seen: &Seen) -> Result<(), TaskFailure> {
    if let Some(description) = spec.description.as_deref()
        && description != seen.description.as_deref().unwrap_or_default()
    {
        change(context, UPDATE, &json!({"Name": spec.name, "Description": description})).await?;
    }
    if let Some(wanted) = &spec.policy {
        let wanted = wanted.document(Some(&seen.arn));
        if wanted.as_ref().map(policy::comparable) != seen.policy.as_ref().map(policy::comparable) {
            match wanted {
                Some(document) => {
                    let input = json!({"EventBusName": spec.name, "Policy": document.to_string()});
                    change(context, PERMIT, &input).await?;
                }
                None => {
                    let input = json!({"EventBusName": spec.name, "RemoveAllPermissions": true});
                    change(context, FORBID, &input).await?;
                }
            }
        }
    }
    if let Some(tags) = &spec.tags {
        let wanted = plain(tags);
        let gone: Vec<&String> = seen.tags.keys().filter(|key| !wanted.contains_key(*key)).collect();
        if !gone.is_empty() {
            change(context, UNTAG, &json!({"ResourceARN": seen.arn, "TagKeys": gone})).await?;
        }
        if wanted.iter().any(|(key, value)| seen.tags.get(key) != Some(value)) {
            change(context, TAG, &json!({"ResourceARN": seen.arn, "Tags": tag_list(&wanted)})).await?;
        }
    }
    Ok(())
}

fn outputs(spec: &Spec, seen: &Seen) -> Outputs {
    Outputs::default().with("arn", &seen.arn).with("name", &spec.name)
}

pub(super) fn is_organization(id: &str) -> bool {
    id.strip_prefix("o-").is_some_and(|rest| {
        (10..=32).contains(&rest.len())
            && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}
