//! What every CloudFormation provider has to do: the suite that the embedded provider and AWS's protocol both run.
//!
//! Each check is named after what it proves, so that a failure says which promise is broken. `strict` adds the checks
//! an emulator of AWS's protocol cannot pass although AWS would.

mod change_sets;
mod strict;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use runway_store::{BucketName, ObjectKey, Put};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::ident::StackFqn;
use crate::provider::{
    CloudFormation, ErrorKind, ParameterValue, Provider, ProviderError, StackEvent, StackRef, StackRequest,
    StackState, StackStatus, TemplateLocation, UpdateOutcome,
};

/// How the suite runs.
#[derive(Debug, Clone)]
pub struct ConformanceOptions {
    /// Beginning of the names of all stacks and buckets, unique to this run: lower-case letters, digits, dashes.
    pub prefix: String,
    /// Whether to expect all that AWS does, or only what an emulator of its protocol does.
    pub strict: bool,
}

/// A promise that is broken.
#[derive(Debug, thiserror::Error)]
#[error("conformance check {check} failed: {message}")]
pub struct Broken {
    /// The check.
    pub check: &'static str,
    /// What was seen.
    pub message: String,
}

/// Runs the suite; stacks and objects it makes are named with the prefix and removed again.
///
/// # Errors
/// The first broken promise.
pub async fn cloudformation(
    provider: &dyn Provider,
    clock: &dyn Clock,
    options: &ConformanceOptions,
) -> Result<(), Broken> {
    let suite = |check| Suite {
        provider,
        cloud: provider.cloudformation(),
        clock,
        prefix: options.prefix.clone(),
        check,
        tokens: std::sync::atomic::AtomicU32::new(0),
    };
    suite("life_of_a_stack").life_of_a_stack().await?;
    suite("missing_stacks").missing_stacks().await?;
    suite("tags_are_replaced").tags_are_replaced().await?;
    suite("paging").paging().await?;
    suite("template_by_object").template_by_object().await?;
    suite("change_sets").change_sets().await?;
    if options.strict {
        suite("statuses_take_time").statuses_take_time().await?;
        suite("protection").protection().await?;
        suite("refusals").refusals().await?;
        suite("exports").exports().await?;
        suite("rollback").rollback().await?;
        suite("tokens").tokens().await?;
        suite("change_sets_in_detail").change_sets_in_detail().await?;
    }
    Ok(())
}

struct Suite<'a> {
    provider: &'a dyn Provider,
    cloud: std::sync::Arc<dyn CloudFormation>,
    clock: &'a dyn Clock,
    prefix: String,
    check: &'static str,
    tokens: std::sync::atomic::AtomicU32,
}

type Checked<T = ()> = Result<T, Broken>;

/// A template that every provider can create and update: an SSM parameter whose value is the stack's parameter.
fn template() -> Value {
    json!({
        "Parameters": {"Label": {"Type": "String", "Default": "one"}},
        "Resources": {"Entry": {"Type": "AWS::SSM::Parameter", "Properties": {
            "Name": {"Fn::Sub": "/${AWS::StackName}/entry"}, "Type": "String", "Value": {"Ref": "Label"}
        }}},
        "Outputs": {
            "Label": {"Value": {"Ref": "Label"}},
            "Joined": {"Value": {"Fn::Sub": "${AWS::StackName}/${Label}"}},
            "Entry": {"Value": {"Ref": "Entry"}}
        }
    })
}

/// One resource that nothing else needs.
fn handle() -> Value {
    json!({"Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}})
}

impl Suite<'_> {
    fn broken(&self, message: String) -> Broken {
        Broken { check: self.check, message }
    }

    fn ensure(&self, holds: bool, message: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(Broken { check: self.check, message: message() }) }
    }

    fn answer<T>(&self, answer: Result<T, ProviderError>) -> Checked<T> {
        answer.map_err(|error| Broken { check: self.check, message: error.to_string() })
    }

    fn refused<T>(&self, answer: Result<T, ProviderError>, kinds: &[ErrorKind]) -> Checked<ProviderError> {
        match answer {
            Err(error) if kinds.contains(&error.kind) => Ok(error),
            Err(error) => Err(Broken {
                check: self.check,
                message: format!("expected {kinds:?}, got {:?}: {error}", error.kind),
            }),
            Ok(_) => {
                Err(Broken { check: self.check, message: format!("expected {kinds:?}, but it succeeded") })
            }
        }
    }

    fn name(&self, name: &str) -> StackRef {
        StackRef::Name(StackFqn::new(format!("{}-{name}", self.prefix)))
    }

    fn token(&self) -> String {
        let number = self.tokens.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        format!("{}-{}-{number}", self.prefix, self.check.replace('_', "-"))
    }

    fn request(&self, name: &str, template: &Value) -> StackRequest {
        StackRequest {
            stack: self.name(name),
            template: TemplateLocation::Body(template.to_string()),
            parameters: Vec::new(),
            tags: BTreeMap::from([("suite".to_owned(), "conformance".to_owned())]),
            role_arn: None,
            stack_policy: None,
            capabilities: Vec::new(),
            termination_protection: false,
            timeout_minutes: None,
            token: self.token(),
        }
    }

    fn labelled(&self, name: &str, label: &str) -> StackRequest {
        let parameters = vec![("Label".to_owned(), ParameterValue::Value(label.to_owned()))];
        StackRequest { parameters, ..self.request(name, &template()) }
    }

    /// Waits until nothing is under way; `None` if the stack is gone.
    async fn settled(&self, stack: &StackRef) -> Checked<Option<StackState>> {
        for _ in 0..600 {
            match self.answer(self.cloud.describe_stack(stack).await)? {
                Some(state) if state.status.is_in_progress() => {
                    self.clock.sleep(Duration::from_secs(1)).await
                }
                state => return Ok(state),
            }
        }
        Err(Broken { check: self.check, message: format!("{stack} did not settle within 600 looks") })
    }

    async fn reaches(&self, stack: &StackRef, status: StackStatus) -> Checked<StackState> {
        match self.settled(stack).await? {
            Some(state) if state.status == status => Ok(state),
            other => Err(Broken {
                check: self.check,
                message: format!("{stack} should be {status}, but is {:?}", other.map(|state| state.status)),
            }),
        }
    }

    async fn create(&self, request: &StackRequest) -> Checked<StackState> {
        self.answer(self.cloud.create_stack(request).await)?;
        self.reaches(&request.stack, StackStatus::CreateComplete).await
    }

    async fn remove(&self, stack: &StackRef) -> Checked {
        self.answer(self.cloud.delete_stack(stack, None, &self.token()).await)?;
        let state = self.settled(stack).await?;
        self.ensure(state.is_none_or(|state| state.status == StackStatus::DeleteComplete), || {
            format!("{stack} was not deleted")
        })
    }

    async fn events(&self, stack: &StackRef) -> Checked<Vec<StackEvent>> {
        let mut events = Vec::new();
        let mut page: Option<String> = None;
        loop {
            let answer = self.answer(self.cloud.stack_events(stack, page.as_deref()).await)?;
            events.extend(answer.events);
            page = answer.next;
            if page.is_none() {
                return Ok(events);
            }
        }
    }

    async fn life_of_a_stack(&self) -> Checked {
        let request = self.labelled("life", "one");
        let state = self.create(&request).await?;
        let outputs = |state: &StackState, name: &str| state.outputs.get(name).cloned().unwrap_or_default();
        self.ensure(state.fqn.as_str() == request.stack.as_str(), || format!("named {}", state.fqn))?;
        self.ensure(outputs(&state, "Label") == "one", || format!("outputs {:?}", state.outputs))?;
        self.ensure(outputs(&state, "Joined") == format!("{}-life/one", self.prefix), || {
            format!("outputs {:?}", state.outputs)
        })?;
        self.ensure(!outputs(&state, "Entry").is_empty(), || "Ref of a resource is empty".to_owned())?;
        self.ensure(state.parameters.get("Label").is_some_and(|label| label == "one"), || {
            format!("parameters {:?}", state.parameters)
        })?;
        self.ensure(state.tags == request.tags, || format!("tags {:?}", state.tags))?;
        let text = self.answer(self.cloud.get_template(&request.stack).await)?;
        self.ensure(text.as_deref() == Some(&template().to_string()), || format!("template {text:?}"))?;

        let again = self.labelled("life", "one");
        let outcome = self.answer(self.cloud.update_stack(&again).await)?;
        self.ensure(outcome == UpdateOutcome::NothingToUpdate, || "a no-op update started".to_owned())?;
        self.refused(self.cloud.create_stack(&again).await, &[ErrorKind::AlreadyExists])?;

        let by_id = StackRef::Id(state.id.clone());
        let update = StackRequest { stack: by_id.clone(), ..self.labelled("life", "two") };
        let outcome = self.answer(self.cloud.update_stack(&update).await)?;
        self.ensure(outcome == UpdateOutcome::Started, || "an update did not start".to_owned())?;
        let updated = self.reaches(&request.stack, StackStatus::UpdateComplete).await?;
        self.ensure(outputs(&updated, "Label") == "two", || format!("outputs {:?}", updated.outputs))?;
        self.ensure(updated.id == state.id, || "an update changed the stack's id".to_owned())?;

        let events = self.events(&request.stack).await?;
        let own = |status: &str| {
            events.iter().position(|event| {
                event.resource_type == "AWS::CloudFormation::Stack" && event.status == status
            })
        };
        self.ensure(
            own("CREATE_COMPLETE").is_some() && own("UPDATE_COMPLETE") < own("CREATE_COMPLETE"),
            || "events are missing or not newest first".to_owned(),
        )?;

        self.remove(&request.stack).await?;
        let by_name = self.answer(self.cloud.describe_stack(&request.stack).await)?;
        self.ensure(by_name.is_none(), || "a deleted stack is found by name".to_owned())?;
        let deleted = self.answer(self.cloud.describe_stack(&by_id).await)?;
        self.ensure(deleted.is_some_and(|state| state.status == StackStatus::DeleteComplete), || {
            "a deleted stack is not found by id".to_owned()
        })
    }

    async fn missing_stacks(&self) -> Checked {
        let missing = self.name("missing");
        let state = self.answer(self.cloud.describe_stack(&missing).await)?;
        self.ensure(state.is_none(), || format!("described as {state:?}"))?;
        let text = self.answer(self.cloud.get_template(&missing).await)?;
        self.ensure(text.is_none(), || format!("has the template {text:?}"))?;
        self.answer(self.cloud.delete_stack(&missing, None, &self.token()).await)?;
        let update = self.labelled("missing", "one");
        self.refused(self.cloud.update_stack(&update).await, &[ErrorKind::NotFound])?;
        Ok(())
    }

    async fn tags_are_replaced(&self) -> Checked {
        let mut request = self.labelled("tags", "one");
        request.tags.insert("first".to_owned(), "1".to_owned());
        self.create(&request).await?;
        let mut update = self.labelled("tags", "two");
        update.tags = BTreeMap::from([("second".to_owned(), "2".to_owned())]);
        self.answer(self.cloud.update_stack(&update).await)?;
        let state = self.reaches(&update.stack, StackStatus::UpdateComplete).await?;
        self.ensure(state.tags == update.tags, || format!("tags {:?}", state.tags))?;
        self.remove(&update.stack).await
    }

    async fn paging(&self) -> Checked {
        let names: BTreeSet<String> = (0..60).map(|number| format!("page-{number:02}")).collect();
        for name in &names {
            self.answer(self.cloud.create_stack(&self.request(name, &handle())).await)?;
        }
        let mut seen = BTreeSet::new();
        let mut page: Option<String> = None;
        loop {
            let answer = self.answer(self.cloud.describe_stacks(page.as_deref()).await)?;
            for stack in answer.stacks {
                self.ensure(seen.insert(stack.fqn.as_str().to_owned()), || format!("{} twice", stack.fqn))?;
            }
            page = answer.next;
            if page.is_none() {
                break;
            }
        }
        let wanted: BTreeSet<_> = names.iter().map(|name| self.name(name).as_str().to_owned()).collect();
        self.ensure(seen.is_superset(&wanted), || {
            format!("pages lack {:?}", wanted.difference(&seen).collect::<Vec<_>>())
        })?;
        for name in &names {
            self.settled(&self.name(name)).await?;
            self.remove(&self.name(name)).await?;
        }
        Ok(())
    }

    /// A bucket comes with its stack, templates are read from it, and it goes with its stack.
    async fn template_by_object(&self) -> Checked {
        let bucket = BucketName::new(format!("{}-templates", self.prefix));
        let bucket_template = json!({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {
            "BucketName": bucket.as_str(), "VersioningConfiguration": {"Status": "Enabled"}
        }}}});
        let made_by = self.request("bucket", &bucket_template);
        self.create(&made_by).await?;
        let store = self.provider.object_store(&bucket, None);
        let key = ObjectKey::new("stack_templates/by-object/template.json");
        let put = store.put(&key, Bytes::from(template().to_string()), &Put::default()).await;
        self.answer(put.map_err(ProviderError::from))?;
        let location = |key: &ObjectKey| TemplateLocation::Object {
            bucket: bucket.clone(),
            key: key.clone(),
            region: None,
        };
        let request = StackRequest { template: location(&key), ..self.labelled("by-object", "one") };
        self.create(&request).await?;
        let text = self.answer(self.cloud.get_template(&request.stack).await)?;
        self.ensure(text.as_deref() == Some(&template().to_string()), || format!("template {text:?}"))?;
        self.remove(&request.stack).await?;
        let absent = ObjectKey::new("absent.json");
        let request = StackRequest { template: location(&absent), ..self.labelled("by-object", "one") };
        if self.cloud.create_stack(&request).await.is_ok() {
            return Err(Broken {
                check: self.check,
                message: "a template that does not exist was taken".to_owned(),
            });
        }
        let deleted = store.delete(&key, &runway_store::Condition::None).await;
        self.answer(deleted.map_err(ProviderError::from))?;
        self.remove(&made_by.stack).await
    }
}
