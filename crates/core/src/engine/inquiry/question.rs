//! Whether CloudFormation can be asked about a step, and with which request.

use std::sync::Arc;

use super::{Inquiry, name};
use crate::engine::Engine;
use crate::engine::backing::Backing;
use crate::engine::step::{CAPABILITIES, template_key, token};
use crate::plan::{self, Action, Desired, LONGEST_BODY, Reason, ShownValue, Step, World};
use crate::provider::{
    ChangeSetKind, ChangeSetRequest, ParameterValue, StackRef, StackRequest, TemplateLocation,
};
use crate::render::words;
use crate::secrets::Secrets;
use crate::template::Template;

/// What becomes of asking about a step.
pub(super) enum Question {
    /// Nothing is asked, for this reason.
    Idle(String),
    /// This is asked.
    Asked(Box<Inquiry>),
}

impl Engine {
    /// The question about a step; `None` for a step that neither creates nor updates a stack.
    pub(super) async fn question(
        &self,
        desired: &Desired,
        world: &World,
        backing: &Backing,
        step: &Step,
    ) -> Option<Question> {
        if step.task.is_some() || !matches!(step.action, Action::Create | Action::Update | Action::Recreate) {
            return None;
        }
        Some(match self.prepare_question(desired, world, backing, step).await {
            Ok(inquiry) => Question::Asked(Box::new(inquiry)),
            Err(reason) => Question::Idle(reason),
        })
    }

    /// The request, or why there is none.
    async fn prepare_question(
        &self,
        desired: &Desired,
        world: &World,
        backing: &Backing,
        step: &Step,
    ) -> Result<Inquiry, String> {
        if let Some(reason) = unaskable(step) {
            return Err(reason);
        }
        let settings = self.options.settings();
        let (template, parameters) = plan::request_content(desired, world, &settings, &step.name)
            .map_err(|failure| failure.message)?;
        let Some(definition) = desired.config.stacks.get(&step.name) else {
            return Err("the config does not have it".to_owned());
        };
        let live = world.stacks.get(&step.fqn);
        let kind = if step.action == Action::Update { ChangeSetKind::Update } else { ChangeSetKind::Create };
        let location = location(desired, backing, step, &template).await?;
        let no_echo = |name: &str| template.parameters.get(name).is_some_and(|declared| declared.no_echo);
        let mut hidden = world.answers.secret_texts();
        hidden.extend(parameters.iter().filter_map(|(name, value)| match value {
            ParameterValue::Value(text) if no_echo(name) => Some(text.clone()),
            _ => None,
        }));
        let session = &self.options.session;
        let request = StackRequest {
            // By its name: a question may go to whichever stack has it, and emulators know no ids here.
            stack: StackRef::Name(step.fqn.clone()),
            template: location,
            parameters,
            tags: definition.tags.clone(),
            role_arn: desired.config.service_role.clone(),
            stack_policy: None,
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            termination_protection: false,
            timeout_minutes: None,
            token: token(session, 'p', &step.fqn),
        };
        Ok(Inquiry {
            cloudformation: self.provider.cloudformation(),
            clock: Arc::clone(&self.clock),
            request: ChangeSetRequest { kind, name: name(session, &step.fqn), stack: request },
            fqn: step.fqn.clone(),
            stack: live.map(|live| live.id.clone()),
            cleanup: token(session, 'q', &step.fqn),
            secrets: Secrets::new(&hidden),
        })
    }
}

/// Why a step cannot be asked about, as far as the plan tells.
fn unaskable(step: &Step) -> Option<String> {
    for reason in &step.reasons {
        match reason {
            Reason::TemplateUnknown { .. } => return Some(format!("its {}", words::reason(reason))),
            Reason::CreationFailed(status) => {
                return Some(format!("a stack in {status} has to be deleted before it is created"));
            }
            Reason::BeingDeleted => return Some("it is being deleted".to_owned()),
            Reason::OperationInProgress(status) | Reason::Stuck(status) => {
                return Some(format!("a stack in {status} takes no change set"));
            }
            _ => {}
        }
    }
    let unknown = step.changes.parameters.iter().find_map(|(name, change)| match &change.after {
        Some(ShownValue::KnownAfter(after)) => Some((name, after)),
        _ => None,
    });
    if let Some((name, after)) = unknown {
        return Some(format!("parameter {name} is known {}", words::known(after)));
    }
    let beside = |reason: &Reason| {
        matches!(reason, Reason::TerminationProtectionChanged { .. } | Reason::StackPolicyChanged)
    };
    let only_beside = step.reasons.iter().all(beside);
    only_beside.then(|| "a change set does not know what changes here".to_owned())
}

/// From where CloudFormation takes the template: nothing is written for it.
async fn location(
    desired: &Desired,
    backing: &Backing,
    step: &Step,
    template: &Template,
) -> Result<TemplateLocation, String> {
    if template.body.len() <= LONGEST_BODY {
        return Ok(TemplateLocation::Body(template.body.clone()));
    }
    if step.action == Action::Update && !step.reasons.contains(&Reason::TemplateChanged) {
        return Ok(TemplateLocation::Previous);
    }
    // An earlier deploy may have put it there: the key names the content.
    if let Some((bucket, store)) = &backing.bucket {
        let key = template_key(&desired.config, &step.name, template);
        if store.head(&key).await.is_ok_and(|found| found.is_some()) {
            let region = desired.config.bucket_region.clone();
            return Ok(TemplateLocation::Object { bucket: bucket.clone(), key, region });
        }
    }
    Err(format!(
        "its template has {} bytes, more than the {LONGEST_BODY} that a request may carry, and a plan uploads nothing",
        template.body.len()
    ))
}
