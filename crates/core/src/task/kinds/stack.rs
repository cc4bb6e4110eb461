//! Stacks that tasks keep: read, compared, created, updated and deleted in the place of the task.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::{Contents, ReadContext, TaskAction, TaskChange, TaskDone, TaskFailure, WriteContext};
use super::calls::{Patience, failure};
use super::changes::{Details, HIDDEN, Outputs, nothing};
use crate::ident::{StackFqn, StackId};
use crate::provider::{
    CloudFormation, ErrorKind, ParameterValue, ProviderError, StackRef, StackRequest, StackState,
    StackStatus, TemplateLocation, UpdateOutcome,
};
use crate::template::Template;

/// How long an operation on a stack may take.
const LIMIT: Duration = Duration::from_secs(3 * 60 * 60);
/// The longest template that a request takes.
pub(super) const LONGEST_TEMPLATE: usize = 51_200;
/// What to do about a protected stack.
const UNPROTECT: &str = "switch its termination protection off if it may go";
/// Sections of a template, in which entries are compared one by one.
const SECTIONS: [&str; 5] = ["Parameters", "Mappings", "Conditions", "Resources", "Outputs"];

/// A stack as it is to be.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) template: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) capabilities: Vec<String>,
}

/// A stack as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) status: StackStatus,
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) outputs: BTreeMap<String, String>,
    /// Its template, in a form that can be compared; `None` if it could not be understood.
    #[serde(default)]
    pub(super) template: Option<Value>,
    /// Termination protection is known to be on.
    #[serde(default)]
    protected: bool,
}

fn named(name: &str) -> StackRef {
    StackRef::Name(StackFqn::new(name))
}

/// Reads a stack; `with_template` also its template.
pub(super) async fn read(
    context: &ReadContext<'_>,
    name: &str,
    with_template: bool,
) -> Result<Option<Seen>, TaskFailure> {
    let Some(state) = context.stack(&named(name)).await? else { return Ok(None) };
    let exists = state.status != StackStatus::ReviewInProgress;
    let template = if with_template && exists {
        let text = context.stack_template(&StackRef::Id(state.id.clone())).await?;
        text.and_then(|text| comparable(&text))
    } else {
        None
    };
    Ok(Some(Seen {
        id: state.id.as_str().to_owned(),
        status: state.status,
        parameters: state.parameters,
        tags: state.tags,
        outputs: state.outputs,
        template,
        protected: state.termination_protection,
    }))
}

fn comparable(text: &str) -> Option<Value> {
    Template::parse("template", text).ok().map(|template| template.normalized())
}

/// What is wrong with a template, if anything.
pub(super) fn problems(template: &str) -> Vec<String> {
    let mut problems: Vec<String> = Vec::new();
    if template.len() > LONGEST_TEMPLATE {
        problems.push(format!(
            "`template` has {} bytes, {LONGEST_TEMPLATE} are allowed in a task: write it as a stack",
            template.len()
        ));
    }
    if let Err(findings) = Template::parse("template", template) {
        let said = findings.iter().map(|finding| format!("`template`: {finding}"));
        problems.extend(said);
    }
    problems
}

impl Stack {
    /// What differs.
    pub(super) fn diff(&self, seen: Option<&Seen>) -> TaskChange {
        let template = Template::parse("template", &self.template).ok();
        let no_echo = |name: &str| {
            let declared = template.as_ref().and_then(|template| template.parameters.get(name));
            declared.is_some_and(|parameter| parameter.no_echo)
        };
        let wanted: BTreeMap<String, String> = self
            .parameters
            .iter()
            .map(|(name, value)| {
                (name.clone(), if no_echo(name) { HIDDEN.to_owned() } else { value.clone() })
            })
            .collect();
        let mut details = Details::default();
        let there = seen;
        let Some(seen) = there.filter(|seen| !seen.is_no_more()) else {
            if let Some(seen) = there {
                details.text("status", Some(seen.status.as_str()), None);
            }
            details.text("stack", None, Some(&self.name));
            details.texts("parameters", &BTreeMap::new(), &wanted).texts(
                "tags",
                &BTreeMap::new(),
                &self.tags,
            );
            let action = if there.is_some_and(Seen::stands_in_the_way) {
                TaskAction::Recreate
            } else {
                TaskAction::Create
            };
            return details.of(action, Outputs::default().with("stack_name", &self.name));
        };
        let ours = template.map(|template| template.normalized());
        sections(&mut details, seen.template.as_ref(), ours.as_ref());
        for (name, value) in &wanted {
            // A value that CloudFormation hides cannot be compared.
            if seen.parameters.get(name).map(String::as_str) != Some(HIDDEN) {
                let before = seen.parameters.get(name).map(String::as_str);
                details.text(format!("parameters.{name}"), before, Some(value));
            }
        }
        details.texts("tags", &seen.tags, &self.tags);
        details.update(seen.outputs(&self.name))
    }

    /// Makes it what it is to be, and waits for it. An operation that is under way is waited for first; if it leaves
    /// something that would have to be made anew, and that was not to be done, nothing is.
    pub(super) async fn ensure(
        &self,
        context: &WriteContext<'_>,
        decided: TaskAction,
    ) -> Result<TaskDone, TaskFailure> {
        let seen = settled(context, &self.name).await?;
        let now = self.diff(seen.as_ref());
        let state = match (seen, now.action) {
            (Some(_), TaskAction::None) => return Ok(TaskDone { outputs: now.outputs }),
            (Some(seen), TaskAction::Update) => self.update(context, &seen).await?,
            (Some(_), _) if decided != TaskAction::Recreate => {
                return Err(TaskFailure {
                    message: format!("the creation of stack `{}` that was under way has failed", self.name),
                    help: Some("run the command again: the next plan makes it anew".to_owned()),
                    kind: None,
                });
            }
            (seen, _) => {
                if let Some(seen) = seen {
                    delete(context, &seen.id, &self.name).await?;
                }
                self.create(context).await?
            }
        };
        Ok(Seen::of(state).outputs(&self.name).into())
    }

    async fn create(&self, context: &WriteContext<'_>) -> Result<StackState, TaskFailure> {
        let cloudformation = context.cloudformation().await?;
        let request = self.request(named(&self.name), format!("{}-create", context.token));
        let id = match cloudformation.create_stack(&request).await {
            Ok(id) => StackRef::Id(id),
            // It may have been created all the same.
            Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::AlreadyExists) => {
                let found = context.read.stack(&named(&self.name)).await?;
                found.map(|state| StackRef::Id(state.id)).ok_or(error)?
            }
            Err(error) => return Err(error.into()),
        };
        self.wait(context, &cloudformation, &id, StackStatus::CreateComplete).await
    }

    async fn update(&self, context: &WriteContext<'_>, seen: &Seen) -> Result<StackState, TaskFailure> {
        let cloudformation = context.cloudformation().await?;
        let id = StackRef::Id(StackId::new(&*seen.id));
        let request = self.request(id.clone(), format!("{}-update", context.token));
        if cloudformation.update_stack(&request).await? == UpdateOutcome::NothingToUpdate {
            return context.read.stack(&id).await?.ok_or_else(|| gone(&self.name));
        }
        self.wait(context, &cloudformation, &id, StackStatus::UpdateComplete).await
    }

    fn request(&self, stack: StackRef, token: String) -> StackRequest {
        let parameters = self.parameters.iter();
        StackRequest {
            stack,
            template: TemplateLocation::Body(self.template.clone()),
            parameters: parameters
                .map(|(name, value)| (name.clone(), ParameterValue::Value(value.clone())))
                .collect(),
            tags: self.tags.clone(),
            role_arn: None,
            stack_policy: None,
            capabilities: self.capabilities.clone(),
            termination_protection: false,
            timeout_minutes: None,
            token,
        }
    }

    /// Waits for the end of an operation; everything but this status, and an update that had nothing to do, is a failure.
    async fn wait(
        &self,
        context: &WriteContext<'_>,
        cloudformation: &std::sync::Arc<dyn CloudFormation>,
        id: &StackRef,
        good: StackStatus,
    ) -> Result<StackState, TaskFailure> {
        let mut patience = Patience::of(LIMIT);
        loop {
            let Some(state) = context.read.stack(id).await? else {
                return Err(gone(&self.name));
            };
            let status = state.status;
            if !status.is_in_progress() || status == StackStatus::UpdateCompleteCleanupInProgress {
                let stayed = good == StackStatus::UpdateComplete
                    && matches!(status, StackStatus::CreateComplete | StackStatus::ImportComplete);
                if status == good || stayed || status == StackStatus::UpdateCompleteCleanupInProgress {
                    return Ok(state);
                }
                let reason = reason(cloudformation, id).await.or(state.status_reason);
                return Err(failed(&self.name, status, reason));
            }
            if !patience.pause(context).await {
                return Err(too_long(&self.name, status));
            }
        }
    }
}

/// Entries that differ, section by section.
fn sections(details: &mut Details, before: Option<&Value>, after: Option<&Value>) {
    if before == after {
        return;
    }
    let empty = Map::new();
    let of = |template: Option<&Value>| template.and_then(Value::as_object).cloned().unwrap_or_default();
    let (mut before, mut after) = (of(before), of(after));
    for section in SECTIONS {
        let (old, new) = (before.remove(section), after.remove(section));
        let old = old.as_ref().and_then(Value::as_object).unwrap_or(&empty);
        let new = new.as_ref().and_then(Value::as_object).unwrap_or(&empty);
        let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            details.compare(
                format!("template.{section}.{name}"),
                old.get(name).cloned(),
                new.get(name).cloned(),
            );
        }
    }
    details.compare("template", Some(Value::Object(before)), Some(Value::Object(after)));
}

impl Seen {
    pub(super) fn of(state: StackState) -> Self {
        Self {
            id: state.id.as_str().to_owned(),
            status: state.status,
            parameters: state.parameters,
            tags: state.tags,
            outputs: state.outputs,
            template: None,
            protected: state.termination_protection,
        }
    }

    /// What goes when it is deleted. What is going already is lost, and an empty shell holds nothing.
    pub(super) fn contents(&self, name: &str) -> Option<Contents> {
        if matches!(
            self.status,
            StackStatus::ReviewInProgress | StackStatus::DeleteInProgress | StackStatus::DeleteComplete
        ) {
            return None;
        }
        let state = StackState {
            fqn: StackFqn::new(name),
            id: StackId::new(&self.id),
            status: self.status,
            status_reason: None,
            parameters: self.parameters.clone(),
            outputs: BTreeMap::new(),
            exports: BTreeMap::new(),
            tags: BTreeMap::new(),
            termination_protection: false,
            protection_unknown: true,
            role_arn: None,
            created: None,
            updated: None,
        };
        Some(Contents::Stack(Box::new(state), self.template.as_ref().map(Value::to_string)))
    }

    /// Why CloudFormation will refuse its deletion, as far as that is known.
    pub(super) fn undeletable(&self, name: &str) -> Option<TaskFailure> {
        self.protected.then(|| TaskFailure {
            message: format!("the stack `{name}` has termination protection"),
            help: Some(UNPROTECT.to_owned()),
            kind: Some(ErrorKind::Protected),
        })
    }

    /// Whether it has to be made anew: its creation failed, it was never carried out, or it is going.
    fn is_no_more(&self) -> bool {
        self.status.is_failed_creation()
            || matches!(
                self.status,
                StackStatus::ReviewInProgress | StackStatus::DeleteInProgress | StackStatus::DeleteComplete
            )
    }

    /// Whether it has to be deleted before it can be made anew.
    fn stands_in_the_way(&self) -> bool {
        !matches!(self.status, StackStatus::DeleteInProgress | StackStatus::DeleteComplete)
    }

    fn outputs(&self, name: &str) -> Outputs {
        let mut outputs = Outputs(self.outputs.clone());
        outputs = outputs.with("stack_id", &self.id).with("stack_name", name);
        outputs
    }
}

/// What has to go of a stack.
pub(super) fn diff_absent(name: &str, seen: Option<&Seen>) -> TaskChange {
    match seen {
        Some(seen) if seen.status != StackStatus::DeleteComplete => {
            let mut details = Details::default();
            details.text("stack", Some(name), None).text("status", Some(seen.status.as_str()), None);
            details.of(TaskAction::Delete, Outputs::default())
        }
        _ => nothing(),
    }
}

/// Deletes a stack, if it is there, and waits for it.
pub(super) async fn remove(context: &WriteContext<'_>, name: &str) -> Result<TaskDone, TaskFailure> {
    if let Some(seen) = settled(context, name).await? {
        delete(context, &seen.id, name).await?;
    }
    Ok(TaskDone::default())
}

async fn delete(context: &WriteContext<'_>, id: &str, name: &str) -> Result<(), TaskFailure> {
    let cloudformation = context.cloudformation().await?;
    let id = StackRef::Id(StackId::new(id));
    cloudformation.delete_stack(&id, None, &format!("{}-delete", context.token)).await.map_err(protected)?;
    let mut patience = Patience::of(LIMIT);
    while let Some(state) = context.read.stack(&id).await? {
        match state.status {
            StackStatus::DeleteComplete => break,
            StackStatus::DeleteFailed => {
                let reason = reason(&cloudformation, &id).await.or(state.status_reason);
                return Err(failed(name, state.status, reason));
            }
            status => {
                if !patience.pause(context).await {
                    return Err(too_long(name, status));
                }
            }
        }
    }
    Ok(())
}

fn protected(error: ProviderError) -> TaskFailure {
    if error.kind == ErrorKind::Protected {
        return TaskFailure { help: Some(UNPROTECT.to_owned()), ..error.into() };
    }
    error.into()
}

/// A stack on which nothing is under way any more.
async fn settled(context: &WriteContext<'_>, name: &str) -> Result<Option<Seen>, TaskFailure> {
    let mut patience = Patience::of(LIMIT);
    loop {
        let seen = read(&context.read, name, true).await?;
        match seen {
            Some(seen) if seen.status.is_in_progress() => {
                if !patience.pause(context).await {
                    return Err(too_long(name, seen.status));
                }
            }
            seen => return Ok(seen.filter(|seen| seen.status != StackStatus::DeleteComplete)),
        }
    }
}

/// The first failure of the last operation, in CloudFormation's words.
async fn reason(cloudformation: &std::sync::Arc<dyn CloudFormation>, id: &StackRef) -> Option<String> {
    let page = cloudformation.stack_events(id, None).await.ok()?;
    let token = page.events.first()?.token.clone();
    let of_operation = page.events.iter().take_while(|event| event.token == token);
    let failed = of_operation.filter(|event| event.status.ends_with("_FAILED"));
    let first = failed.filter(|event| event.reason.as_deref().is_some_and(|reason| !is_consequence(reason)));
    let event = first.last()?;
    Some(format!("{} {}", event.logical_id, event.reason.clone()?))
}

fn is_consequence(reason: &str) -> bool {
    reason.ends_with("cancelled") || reason.starts_with("The following resource(s) failed")
}

fn failed(name: &str, status: StackStatus, reason: Option<String>) -> TaskFailure {
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    failure(
        format!("the stack {name} ended in {status}{reason}"),
        "correct what the reason names, and run the command again",
    )
}

fn gone(name: &str) -> TaskFailure {
    failure(
        format!("the stack {name} is gone while it was worked on"),
        "something else deleted it; run the command again",
    )
}

fn too_long(name: &str, status: StackStatus) -> TaskFailure {
    failure(
        format!("the stack {name} is still in {status} after {} hours", LIMIT.as_secs() / 3600),
        "nothing is lost; the command can be run again once it is done",
    )
}
