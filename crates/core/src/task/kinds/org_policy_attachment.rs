//! `org_policy_attachment`: a policy of an organization, attached to the root, to units or to accounts.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    Change, Given, Gives, Identity, Keeps, Read, ReadContext, Service, TaskAction, TaskChange, TaskDone,
    TaskFailure, TaskKind, WriteContext,
};
use super::arguments::{Problems, Text, Wanted};
use super::calls::{Pages, change, failure, refused, text, unless};
use super::changes::{Details, Outputs, nothing};
use super::organization;

const POLICIES: Pages = Pages {
    read: Read::new(Service::Organizations, "ListPolicies"),
    member: "Policies",
    token: ("NextToken", "NextToken"),
};
const TARGETS: Pages = Pages {
    read: Read::new(Service::Organizations, "ListTargetsForPolicy"),
    member: "Targets",
    token: ("NextToken", "NextToken"),
};
const DESCRIBE: Read = Read::new(Service::Organizations, "DescribePolicy");
const CREATE: Change = Change::new(Service::Organizations, "CreatePolicy");
const UPDATE: Change = Change::new(Service::Organizations, "UpdatePolicy");
const DELETE: Change = Change::new(Service::Organizations, "DeletePolicy");
const ATTACH: Change = Change::new(Service::Organizations, "AttachPolicy");
const DETACH: Change = Change::new(Service::Organizations, "DetachPolicy");

const MISSING: [&str; 1] = ["PolicyNotFoundException"];

pub(super) struct OrgPolicyAttachment;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    policy: Policy,
    #[serde(rename = "type", default = "control")]
    kind: String,
    targets: Vec<Text>,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    state: Wanted,
}

fn control() -> String {
    "SERVICE_CONTROL_POLICY".to_owned()
}

/// A policy that is there, or one that the task keeps.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "`policy` must be an id, a name, or a map with `name` and `document`")]
enum Policy {
    Existing(String),
    Own(Own),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    name: String,
    #[serde(default)]
    description: String,
    document: Value,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State {
    policy: Option<Seen>,
    /// Ids of what it is attached to.
    attached: Vec<String>,
    /// The targets as they are written, and their ids once they are there.
    targets: Vec<(String, Option<String>)>,
}

#[derive(Serialize, Deserialize)]
struct Seen {
    id: String,
    arn: String,
    description: String,
    /// `None` if the task does not keep it.
    document: Option<Value>,
}

impl Policy {
    /// Its id or name.
    fn name(&self) -> &str {
        match self {
            Self::Existing(name) => name,
            Self::Own(own) => &own.name,
        }
    }

    fn own(&self) -> Option<&Own> {
        match self {
            Self::Existing(_) => None,
            Self::Own(own) => Some(own),
        }
    }
}

impl Own {
    fn text(&self) -> String {
        match &self.document {
            Value::String(text) => text.clone(),
            document => document.to_string(),
        }
    }

    fn content(&self) -> Value {
        parsed(&self.text())
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

impl State {
    /// Targets that are there and not attached, as written, and by their ids.
    fn open(&self) -> impl Iterator<Item = (&String, Option<&String>)> {
        let open =
            self.targets.iter().filter(|(_, id)| id.as_ref().is_none_or(|id| !self.attached.contains(id)));
        open.map(|(written, id)| (written, id.as_ref()))
    }

    fn is_target(&self, id: &str) -> bool {
        self.targets.iter().any(|(_, target)| target.as_deref() == Some(id))
    }
}

#[async_trait]
impl TaskKind for OrgPolicyAttachment {
    const KIND: &'static str = "org_policy_attachment";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const KEEPS: Keeps = Keeps::Global;
    const SERVICE: &'static str = "organizations";
    const GIVES: Gives =
        Gives::only(&[Given::staying("policy_id", &["policy"]), Given::staying("policy_arn", &["policy"])]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        format!("{} {}", spec.kind, spec.policy.name())
    }

    fn parts(spec: &Spec) -> Option<BTreeSet<String>> {
        let whole = spec.exclusive || spec.policy.own().is_some();
        (!whole).then(|| spec.targets.iter().map(|target| target.0.clone()).collect())
    }

    fn identity(spec: &Spec, state: &State) -> Option<Identity> {
        let targets = || state.targets.iter().filter_map(|(_, id)| id.clone()).collect();
        let parts = Self::parts(spec).map(|_| targets());
        Some(Identity { subject: format!("{} {}", spec.kind, state.policy.as_ref()?.id), parts })
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("policy", spec.policy.name(), 130);
        let is_kind =
            spec.kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        problems.when(
            !is_kind || !spec.kind.ends_with("_POLICY"),
            format!(
                "`{}` is no type of policy: write it as Organizations does, for example SERVICE_CONTROL_POLICY",
                spec.kind
            ),
        );
        problems.when(spec.targets.is_empty(), "`targets` names nothing to attach the policy to");
        for Text(target) in &spec.targets {
            let is_account = target.len() == 12 && target.bytes().all(|byte| byte.is_ascii_digit());
            let problem = match target {
                path if path.starts_with('/') => organization::problem(path),
                id if id.starts_with("r-") || id.starts_with("ou-") || is_account => None,
                other => Some(format!(
                    "`{other}` is no target: write a path such as `/workloads`, an id (`r-`, `ou-`), or an account's 12 digits"
                )),
            };
            if let Some(problem) = problem {
                problems.when(true, problem);
            }
        }
        if let Some(own) = spec.policy.own() {
            problems.length("policy.name", &own.name, 128);
            let length = own.description.chars().count();
            problems
                .when(length > 512, format!("`policy.description` has {length} characters, 512 are allowed"));
            problems.when(
                !own.content().is_object(),
                "`policy.document` must be a map, or the text of one in JSON",
            );
        }
        problems.take()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        spec.state == Wanted::Present
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let mut targets = Vec::new();
        for Text(target) in &spec.targets {
            let id = match target.starts_with('/') {
                true => organization::at(context, target).await?,
                false => Some(target.clone()),
            };
            targets.push((target.clone(), id));
        }
        let policy = find(context, spec).await?;
        let mut attached = Vec::new();
        if let Some(policy) = &policy {
            let listed = TARGETS.all(context, json!({"PolicyId": policy.id})).await?;
            attached.extend(listed.iter().filter_map(|target| text(target, "/TargetId")));
        }
        Ok(State { policy, attached, targets })
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        if spec.state == Wanted::Absent {
            return self.diff_removed(spec, state);
        }
        let mut details = Details::default();
        let seen = state.policy.as_ref();
        if let Some(own) = spec.policy.own() {
            details.text("policy", seen.map(|_| own.name.as_str()), Some(&own.name));
            details.text("description", seen.map(|seen| seen.description.as_str()), Some(&own.description));
            details.compare("document", seen.and_then(|seen| seen.document.clone()), Some(own.content()));
        }
        for (written, _) in state.open() {
            details.text(format!("targets.{written}"), None, Some("attached"));
        }
        for id in state.attached.iter().filter(|id| spec.exclusive && !state.is_target(id)) {
            details.text(format!("targets.{id}"), Some("attached"), None);
        }
        if seen.is_none() && spec.policy.own().is_some() {
            return details.of(TaskAction::Create, Outputs::default());
        }
        details.update(outputs(seen))
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        let mut details = Details::default();
        for (written, id) in &state.targets {
            if id.as_ref().is_some_and(|id| state.attached.contains(id)) {
                details.text(format!("targets.{written}"), Some("attached"), None);
            }
        }
        if let (Some(own), Some(_)) = (spec.policy.own(), &state.policy)
            && state.attached.iter().all(|id| state.is_target(id))
        {
            details.text("policy", Some(&own.name), None);
        }
        if details.is_empty() { nothing() } else { details.of(TaskAction::Delete, Outputs::default()) }
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let mut state = self.read(&context.read, spec).await?;
        if planned.action == TaskAction::Delete {
            remove(context, spec, &state).await?;
            return Ok(TaskDone::default());
        }
        keep_policy(context, spec, &mut state).await?;
        let Some(policy) = &state.policy else {
            return Err(failure(
                format!("there is no policy `{}` of type {}", spec.policy.name(), spec.kind),
                "correct `policy` or `type`, or give its `name` and `document`",
            ));
        };
        for (written, id) in state.open() {
            let Some(id) = id else {
                return Err(failure(
                    format!("there is no organizational unit {written}"),
                    "correct the path, or let the task require the one that makes the unit",
                ));
            };
            attach(context, &policy.id, id).await?;
        }
        for id in state.attached.iter().filter(|id| spec.exclusive && !state.is_target(id)) {
            detach(context, &policy.id, id).await?;
        }
        Ok(outputs(Some(policy)).into())
    }
}

/// Finds the policy by its id or name.
async fn find(context: &ReadContext<'_>, spec: &Spec) -> Result<Option<Seen>, TaskFailure> {
    let name = spec.policy.name();
    let is_id = spec.policy.own().is_none() && name.starts_with("p-");
    let id = if is_id {
        name.to_owned()
    } else {
        let listed = POLICIES.all(context, json!({"Filter": spec.kind})).await?;
        let found = listed.iter().find(|policy| policy.get("Name").and_then(Value::as_str) == Some(name));
        match found.and_then(|policy| text(policy, "/Id")) {
            Some(id) => id,
            None => return Ok(None),
        }
    };
    let answer = unless(context.call(DESCRIBE, &json!({"PolicyId": id})).await, &MISSING)?;
    Ok(answer.map(|answer| {
        let of = |member: &str| text(&answer, &format!("/Policy/PolicySummary/{member}")).unwrap_or_default();
        let content = spec.policy.own().and_then(|_| text(&answer, "/Policy/Content"));
        Seen {
            id,
            arn: of("Arn"),
            description: of("Description"),
            document: content.map(|text| parsed(&text)),
        }
    }))
}

/// Creates or updates the policy, if the task keeps it.
async fn keep_policy(context: &WriteContext<'_>, spec: &Spec, state: &mut State) -> Result<(), TaskFailure> {
    let Some(own) = spec.policy.own() else { return Ok(()) };
    match &state.policy {
        None => {
            let input = json!({
                "Name": own.name, "Description": own.description, "Type": spec.kind, "Content": own.text(),
            });
            // An answer may have been lost: then it is there.
            unless(change(context, CREATE, &input).await, &["DuplicatePolicyException"])?;
            state.policy = find(&context.read, spec).await?;
        }
        Some(seen) => {
            let mut input = json!({"PolicyId": seen.id});
            if seen.description != own.description {
                input["Description"] = json!(own.description);
            }
            if seen.document.as_ref() != Some(&own.content()) {
                input["Content"] = json!(own.text());
            }
            if input.as_object().is_some_and(|input| input.len() > 1) {
                change(context, UPDATE, &input).await?;
            }
        }
    }
    Ok(())
}

async fn attach(context: &WriteContext<'_>, policy: &str, target: &str) -> Result<(), TaskFailure> {
    let input = json!({"PolicyId": policy, "TargetId": target});
    match unless(change(context, ATTACH, &input).await, &["DuplicatePolicyAttachmentException"]) {
        Err(failed) if failed.is(&["PolicyTypeNotEnabledException"]) => Err(refused(
            failed,
            "switch the type of policy on for the root first: `aws organizations enable-policy-type`",
        )),
        answer => {
            answer?;
            Ok(())
        }
    }
}

async fn detach(context: &WriteContext<'_>, policy: &str, target: &str) -> Result<(), TaskFailure> {
    let input = json!({"PolicyId": policy, "TargetId": target});
    unless(
        change(context, DETACH, &input).await,
        &["PolicyNotAttachedException", "TargetNotFoundException", "PolicyNotFoundException"],
    )?;
    Ok(())
}

async fn remove(context: &WriteContext<'_>, spec: &Spec, state: &State) -> Result<(), TaskFailure> {
    let Some(policy) = &state.policy else { return Ok(()) };
    for id in state.attached.iter().filter(|id| state.is_target(id)) {
        detach(context, &policy.id, id).await?;
    }
    // Others may have attached it elsewhere.
    if spec.policy.own().is_some() && state.attached.iter().all(|id| state.is_target(id)) {
        unless(change(context, DELETE, &json!({"PolicyId": policy.id})).await, &MISSING)?;
    }
    Ok(())
}

fn outputs(policy: Option<&Seen>) -> Outputs {
    match policy {
        Some(policy) => Outputs::default().with("policy_id", &policy.id).with("policy_arn", &policy.arn),
        None => Outputs::default(),
    }
}
