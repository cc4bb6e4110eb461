//! `acm.Certificate`: a certificate with a stack of its own, validated by records in Route 53.

mod template;
mod validation;

use std::time::Duration;

use runway_core::ident::StackFqn;
use runway_core::provider::{
    CloudFormation, ParameterValue, Provider as _, StackRef, StackRequest, StackState, StackStatus,
    TemplateLocation, UpdateOutcome,
};
use runway_core::registry::HandlerFailure;
use serde_json::{Value, json};
use uuid::Uuid;

use self::validation::Validation;
use super::{Arguments, Run, failed};

/// Time between two looks at the stack (CFNgin).
const INTERVAL: Duration = Duration::from_secs(5);

/// What the hook was told.
struct Wanted {
    domain: String,
    hosted_zone_id: String,
    alternative_names: Vec<String>,
    ttl: u64,
    fqn: StackFqn,
    /// Its own tags, those of the config laid over them.
    tags: std::collections::BTreeMap<String, String>,
}

/// Deploys the certificate, or destroys it in the stages of a destroy.
pub(super) async fn certificate(run: &Run<'_>, arguments: Arguments<'_>) -> Result<Value, HandlerFailure> {
    let wanted = wanted(run, arguments)?;
    let cloudformation = run.provider.cloudformation();
    let hook = Certificate { run, wanted: &wanted, cloudformation: cloudformation.as_ref() };
    if run.is_destroy() { hook.destroy().await } else { hook.deploy().await }
}

fn wanted(run: &Run<'_>, mut arguments: Arguments<'_>) -> Result<Wanted, HandlerFailure> {
    let domain = arguments.required("domain")?;
    let hosted_zone_id = arguments.required("hosted_zone_id")?;
    let alternative_names = arguments.texts("alt_names")?.unwrap_or_default();
    let ttl = arguments.number("ttl", 300)?;
    let stack_name = arguments.text("stack_name")?.filter(|name| !name.is_empty());
    let mut tags: std::collections::BTreeMap<String, String> =
        arguments.text_map("tags")?.into_iter().collect();
    arguments.finish()?;
    tags.extend(run.call.config.tags.clone());
    // A `*` cannot be part of the name of a stack.
    let name = stack_name.unwrap_or_else(|| domain.replace('.', "-").replace('*', "wildcard"));
    let fqn = run.call.config.fqn(&name);
    Ok(Wanted { domain, hosted_zone_id, alternative_names, ttl, fqn, tags })
}

struct Certificate<'a> {
    run: &'a Run<'a>,
    wanted: &'a Wanted,
    cloudformation: &'a dyn CloudFormation,
}

impl Certificate<'_> {
    async fn look(&self) -> Result<Option<StackState>, HandlerFailure> {
        let stack = StackRef::Name(self.wanted.fqn.clone());
        Ok(self.cloudformation.describe_stack(&stack).await?)
    }

    /// The stack once nothing is under way in it; `None` if it is gone.
    async fn settled(&self, stack: &StackRef) -> Result<Option<StackState>, HandlerFailure> {
        loop {
            match self.cloudformation.describe_stack(stack).await? {
                Some(state) if state.status.is_in_progress() => self.run.clock.sleep(INTERVAL).await,
                Some(state) if state.status == StackStatus::DeleteComplete => return Ok(None),
                other => return Ok(other),
            }
        }
    }

    fn request(&self, stack: StackRef) -> Result<StackRequest, HandlerFailure> {
        let wanted = self.wanted;
        let parameter = |name: &str, value: String| (name.to_owned(), ParameterValue::Value(value));
        Ok(StackRequest {
            stack,
            template: TemplateLocation::Body(template::body(wanted, self.run.call.config.template_indent)?),
            parameters: vec![
                parameter("DomainName", wanted.domain.clone()),
                parameter("ValidateRecordTTL", wanted.ttl.to_string()),
            ],
            tags: wanted.tags.clone(),
            role_arn: self.run.call.config.service_role.clone(),
            stack_policy: None,
            capabilities: Vec::new(),
            termination_protection: false,
            timeout_minutes: None,
            token: token(),
        })
    }

    async fn deploy(&self) -> Result<Value, HandlerFailure> {
        let fqn = &self.wanted.fqn;
        let stack = StackRef::Name(fqn.clone());
        let mut existing = self.settled(&stack).await?;
        if let Some(state) = &existing
            && state.status.is_failed_creation()
        {
            self.run
                .say(format!("stack `{fqn}` failed when it was created: it is deleted and created again"));
            self.delete(state).await?;
            existing = None;
        }
        match existing {
            None => self.create().await,
            Some(state) => self.update(&state).await,
        }
    }

    async fn create(&self) -> Result<Value, HandlerFailure> {
        let fqn = &self.wanted.fqn;
        let request = self.request(StackRef::Name(fqn.clone()))?;
        let id = self.cloudformation.create_stack(&request).await?;
        self.run.say(format!(
            "creating stack `{fqn}`; it takes up to half an hour until the certificate is validated"
        ));
        let mut validation = Validation::new(self.run, self.wanted);
        let ended = self.accompany(&StackRef::Id(id), &mut validation).await;
        let failure = match ended {
            Ok(state) if state.status == StackStatus::CreateComplete => {
                return self.result(&state, &validation);
            }
            Ok(state) => self.failed(&state),
            Err(failure) => failure,
        };
        // Nothing can use a certificate that was never validated.
        validation.remove_written().await;
        if let Some(state) = self.look().await? {
            self.delete(&state).await?;
        }
        Err(HandlerFailure {
            message: format!("{}; stack `{fqn}` was deleted again", failure.message),
            ..failure
        })
    }

    async fn update(&self, state: &StackState) -> Result<Value, HandlerFailure> {
        let (fqn, wanted) = (&self.wanted.fqn, self.wanted);
        if let Some(domain) = state.outputs.get("DomainName")
            && *domain != wanted.domain
        {
            return Err(failed(
                format!(
                    "the certificate of stack `{fqn}` is for `{domain}`, which cannot be changed to `{}`",
                    wanted.domain
                ),
                "give another `stack_name`, and delete the old stack when nothing uses its certificate any more",
            ));
        }
        let request = self.request(StackRef::Id(state.id.clone()))?;
        let mut validation = Validation::new(self.run, self.wanted);
        if self.cloudformation.update_stack(&request).await? == UpdateOutcome::NothingToUpdate {
            self.run.say(format!("stack `{fqn}` is as it should be"));
            return self.result(state, &validation);
        }
        self.run.say(format!("updating stack `{fqn}`"));
        let state = self.accompany(&StackRef::Id(state.id.clone()), &mut validation).await?;
        match state.status {
            StackStatus::UpdateComplete => self.result(&state, &validation),
            // The certificate that was in use still is: unlike CFNgin, this does not delete it.
            _ => Err(self.failed(&state)),
        }
    }

    /// Waits for the end of an operation, and writes the records that validate certificates as they come up.
    async fn accompany(
        &self,
        stack: &StackRef,
        validation: &mut Validation<'_>,
    ) -> Result<StackState, HandlerFailure> {
        loop {
            let state = self.cloudformation.describe_stack(stack).await?;
            let Some(state) = state else {
                return Err(failed(
                    format!("stack `{stack}` is gone"),
                    "somebody else deleted it; run the command again",
                ));
            };
            let is_failing =
                state.status.as_str().contains("ROLLBACK") || state.status.as_str().contains("DELETE");
            if !is_failing && let Some(arn) = self.certificate(&state).await? {
                validation.write(&arn).await?;
            }
            if !state.status.is_in_progress() {
                return Ok(state);
            }
            self.run.clock.sleep(INTERVAL).await;
        }
    }

    /// The newest certificate of the stack, once CloudFormation has begun to create it.
    async fn certificate(&self, state: &StackState) -> Result<Option<String>, HandlerFailure> {
        let stack = StackRef::Id(state.id.clone());
        let mut page: Option<String> = None;
        loop {
            let events = self.cloudformation.stack_events(&stack, page.as_deref()).await?;
            let newest = events.events.into_iter().find_map(|event| {
                let is_ours = event.logical_id == "Certificate" && !event.status.starts_with("DELETE");
                event.physical_id.filter(|id| is_ours && id.starts_with("arn:"))
            });
            if newest.is_some() {
                return Ok(newest);
            }
            page = events.next;
            if page.is_none() {
                return Ok(None);
            }
        }
    }

    fn result(&self, state: &StackState, validation: &Validation<'_>) -> Result<Value, HandlerFailure> {
        let arn = state.outputs.get("CertificateArn").map(String::as_str).or(validation.newest());
        let fqn = &self.wanted.fqn;
        let arn = arn.ok_or_else(|| {
            failed(
                format!("stack `{fqn}` has no output `CertificateArn`"),
                "another stack has the name; give the hook a `stack_name` of its own",
            )
        })?;
        Ok(json!({"CertificateArn": arn}))
    }

    fn failed(&self, state: &StackState) -> HandlerFailure {
        let reason = state.status_reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        failed(
            format!("stack `{}` ended as {}{reason}", self.wanted.fqn, state.status),
            "its events say more: `aws cloudformation describe-stack-events`",
        )
    }

    async fn destroy(&self) -> Result<Value, HandlerFailure> {
        let fqn = &self.wanted.fqn;
        let stack = StackRef::Name(fqn.clone());
        let Some(state) = self.settled(&stack).await? else {
            self.run.say(format!("stack `{fqn}` does not exist: nothing to destroy"));
            return Ok(Value::Bool(true));
        };
        let arn = match state.outputs.get("CertificateArn") {
            Some(arn) => Some(arn.clone()),
            None => self.certificate(&state).await?,
        };
        // A record is deleted only by its exact content: the stack remembers the TTL that it was written with.
        let ttl = state.outputs.get("ValidateRecordTTL").and_then(|ttl| ttl.parse().ok());
        if let Some(arn) = arn {
            Validation::new(self.run, self.wanted).remove(&arn, ttl.unwrap_or(self.wanted.ttl)).await?;
        }
        self.delete(&state).await?;
        self.run.say(format!("deleted stack `{fqn}`"));
        Ok(Value::Bool(true))
    }

    /// Deletes exactly this stack and waits for its end.
    async fn delete(&self, state: &StackState) -> Result<(), HandlerFailure> {
        let stack = StackRef::Id(state.id.clone());
        let role = self.run.call.config.service_role.as_deref();
        self.cloudformation.delete_stack(&stack, role, &token()).await?;
        match self.settled(&stack).await? {
            None => Ok(()),
            Some(state) => Err(self.failed(&state)),
        }
    }
}

/// A name for one request: CloudFormation takes two of the same name for one.
fn token() -> String {
    format!("runway-rs-{}", Uuid::new_v4().simple())
}
