//! CloudFormation: one method, one API call.

mod announced;

use async_trait::async_trait;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::config::Builder;
use aws_sdk_cloudformation::config::retry::RetryConfig;
use aws_sdk_cloudformation::types as sdk;
use jiff::Timestamp;
use runway_core::ident::{StackFqn, StackId};
use runway_core::provider::{
    ChangePage, ChangeSet, ChangeSetIds, ChangeSetKind, ChangeSetPage, ChangeSetRef, ChangeSetRequest,
    ChangeSetStatus, CloudFormation, ErrorKind, EventPage, ImportPage, ParameterValue, ProviderError,
    StackEvent, StackPage, StackRef, StackRequest, StackState, StackStatus, TemplateLocation, UpdateOutcome,
};

use crate::error::provider;
use crate::service::{Connection, configured_endpoint};

/// CloudFormation of one region.
pub(crate) struct AwsCloudFormation {
    client: Client,
    region: String,
    /// Endpoint of S3, if it is not AWS's own.
    s3_endpoint: Option<String>,
}

/// A changing call is sent once.
fn once() -> Builder {
    Builder::new().retry_config(RetryConfig::disabled())
}

impl AwsCloudFormation {
    pub(crate) fn new(client: Client, region: String, s3_endpoint: Option<String>) -> Self {
        Self { client, region, s3_endpoint }
    }

    /// CloudFormation in a region.
    pub(crate) fn connect(connection: &Connection, region: &str) -> Self {
        let config = Builder::from(&connection.config)
            .region(aws_sdk_cloudformation::config::Region::new(region.to_owned()))
            .interceptor(connection.counter.clone())
            .build();
        let s3_endpoint = configured_endpoint(&connection.config, "S3");
        Self::new(Client::from_conf(config), region.to_owned(), s3_endpoint)
    }

    pub(crate) fn s3_endpoint(&self) -> Option<&str> {
        self.s3_endpoint.as_deref()
    }

    /// Body and URL of a template, one of which is set. The URL has the form CFNgin uses: path style.
    fn template(&self, template: &TemplateLocation) -> (Option<String>, Option<String>) {
        match template {
            TemplateLocation::Body(body) => (Some(body.clone()), None),
            TemplateLocation::Previous => (None, None),
            TemplateLocation::Object { bucket, key, region } => {
                let region = region.as_deref().unwrap_or(&self.region);
                let base = match &self.s3_endpoint {
                    Some(endpoint) => endpoint.clone(),
                    None if region == "us-east-1" => "https://s3.amazonaws.com".to_owned(),
                    None if region.starts_with("cn-") => format!("https://s3.{region}.amazonaws.com.cn"),
                    None => format!("https://s3.{region}.amazonaws.com"),
                };
                (None, Some(format!("{base}/{bucket}/{}", percent_encoded(key.as_str()))))
            }
        }
    }
}

/// A path, percent-encoded.
pub(crate) fn percent_encoded(key: &str) -> String {
    let mut out = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[async_trait]
impl CloudFormation for AwsCloudFormation {
    async fn describe_stacks(&self, page: Option<&str>) -> Result<StackPage, ProviderError> {
        let answer = self
            .client
            .describe_stacks()
            .set_next_token(page.map(str::to_owned))
            .send()
            .await
            .map_err(|error| provider(error, "DescribeStacks", "all stacks"))?;
        let stacks = answer.stacks().iter().map(stack_state);
        let live = stacks.filter(|stack| stack.status != StackStatus::DeleteComplete).collect();
        Ok(StackPage { stacks: live, next: answer.next_token().map(str::to_owned) })
    }

    async fn describe_stack(&self, stack: &StackRef) -> Result<Option<StackState>, ProviderError> {
        match self.client.describe_stacks().stack_name(stack.as_str()).send().await {
            Ok(answer) => Ok(answer.stacks().first().map(stack_state)),
            Err(error) => absent(provider(error, "DescribeStacks", stack.as_str())),
        }
    }

    async fn get_template(&self, stack: &StackRef) -> Result<Option<String>, ProviderError> {
        let request = self.client.get_template().stack_name(stack.as_str());
        match request.template_stage(sdk::TemplateStage::Original).send().await {
            Ok(answer) => Ok(answer.template_body().map(str::to_owned)),
            Err(error) => absent(provider(error, "GetTemplate", stack.as_str())),
        }
    }

    async fn get_stack_policy(&self, stack: &StackRef) -> Result<Option<String>, ProviderError> {
        match self.client.get_stack_policy().stack_name(stack.as_str()).send().await {
            Ok(answer) => Ok(answer.stack_policy_body().filter(|body| !body.is_empty()).map(str::to_owned)),
            Err(error) => absent(provider(error, "GetStackPolicy", stack.as_str())),
        }
    }

    async fn set_stack_policy(&self, stack: &StackRef, policy: &str) -> Result<(), ProviderError> {
        let request = self.client.set_stack_policy().stack_name(stack.as_str()).stack_policy_body(policy);
        let sent = request.customize().config_override(once()).send().await;
        sent.map(drop).map_err(|error| provider(error, "SetStackPolicy", stack.as_str()))
    }

    async fn set_termination_protection(&self, stack: &StackRef, enabled: bool) -> Result<(), ProviderError> {
        let request = self
            .client
            .update_termination_protection()
            .stack_name(stack.as_str())
            .enable_termination_protection(enabled);
        let sent = request.customize().config_override(once()).send().await;
        sent.map(drop).map_err(|error| provider(error, "UpdateTerminationProtection", stack.as_str()))
    }

    async fn create_stack(&self, request: &StackRequest) -> Result<StackId, ProviderError> {
        let (body, url) = self.template(&request.template);
        let answer = self
            .client
            .create_stack()
            .stack_name(request.stack.as_str())
            .set_template_body(body)
            .set_template_url(url)
            .set_parameters(Some(parameters(request)))
            .set_tags(Some(tags(request)))
            .set_role_arn(request.role_arn.clone())
            .set_stack_policy_body(request.stack_policy.clone())
            .set_capabilities(Some(capabilities(request)))
            .enable_termination_protection(request.termination_protection)
            .set_timeout_in_minutes(request.timeout_minutes.and_then(|minutes| i32::try_from(minutes).ok()))
            .client_request_token(&request.token)
            .customize()
            .config_override(once())
            .send()
            .await
            .map_err(|error| provider(error, "CreateStack", request.stack.as_str()))?;
        match answer.stack_id() {
            Some(id) => Ok(StackId::new(id)),
            None => Err(nonsense("CreateStack", request.stack.as_str(), "an answer without a stack id")),
        }
    }

    async fn update_stack(&self, request: &StackRequest) -> Result<UpdateOutcome, ProviderError> {
        let (body, url) = self.template(&request.template);
        let sent = self
            .client
            .update_stack()
            .stack_name(request.stack.as_str())
            .set_template_body(body)
            .set_template_url(url)
            .set_use_previous_template(is_previous(&request.template))
            .set_parameters(Some(parameters(request)))
            .set_tags(Some(tags(request)))
            .set_role_arn(request.role_arn.clone())
            .set_stack_policy_body(request.stack_policy.clone())
            .set_capabilities(Some(capabilities(request)))
            .client_request_token(&request.token)
            .customize()
            .config_override(once())
            .send()
            .await;
        match sent.map_err(|error| provider(error, "UpdateStack", request.stack.as_str())) {
            Ok(_) => Ok(UpdateOutcome::Started),
            Err(error) if error.message.contains("No updates are to be performed") => {
                Ok(UpdateOutcome::NothingToUpdate)
            }
            Err(error) => Err(error),
        }
    }

    async fn create_change_set(&self, request: &ChangeSetRequest) -> Result<ChangeSetIds, ProviderError> {
        let ChangeSetRequest { kind, name, stack } = request;
        let (body, url) = self.template(&stack.template);
        let answer = self
            .client
            .create_change_set()
            .stack_name(stack.stack.as_str())
            .change_set_name(name)
            .change_set_type(match kind {
                ChangeSetKind::Create => sdk::ChangeSetType::Create,
                ChangeSetKind::Update => sdk::ChangeSetType::Update,
            })
            .set_template_body(body)
            .set_template_url(url)
            .set_use_previous_template(is_previous(&stack.template))
            .set_parameters(Some(parameters(stack)))
            .set_tags(Some(tags(stack)))
            .set_role_arn(stack.role_arn.clone())
            .set_capabilities(Some(capabilities(stack)))
            .client_token(&stack.token)
            .customize()
            .config_override(once())
            .send()
            .await
            .map_err(|error| provider(error, "CreateChangeSet", stack.stack.as_str()))?;
        match (answer.id(), answer.stack_id()) {
            (Some(id), Some(stack)) => Ok(ChangeSetIds { id: id.to_owned(), stack: StackId::new(stack) }),
            _ => Err(nonsense("CreateChangeSet", stack.stack.as_str(), "an answer without ids")),
        }
    }

    async fn describe_change_set(&self, set: &ChangeSetRef) -> Result<Option<ChangeSet>, ProviderError> {
        let request = self.client.describe_change_set().change_set_name(set.as_str());
        let answer = match request.set_stack_name(set.stack().map(str::to_owned)).send().await {
            Ok(answer) => answer,
            Err(error) => return absent(provider(error, "DescribeChangeSet", set.as_str())),
        };
        let executable = answer.execution_status() == Some(&sdk::ExecutionStatus::Available);
        let status = match answer.status() {
            Some(sdk::ChangeSetStatus::CreateComplete) if executable => ChangeSetStatus::Ready,
            // Complete and not yet available: it is about to be.
            Some(
                sdk::ChangeSetStatus::CreateComplete
                | sdk::ChangeSetStatus::CreatePending
                | sdk::ChangeSetStatus::CreateInProgress,
            ) => ChangeSetStatus::InProgress,
            _ => ChangeSetStatus::Failed,
        };
        Ok(Some(ChangeSet { status, reason: answer.status_reason().map(str::to_owned) }))
    }

    async fn change_set_changes(
        &self,
        set: &ChangeSetRef,
        page: Option<&str>,
    ) -> Result<ChangePage, ProviderError> {
        announced::changes(&self.client, set, page).await
    }

    async fn list_change_sets(
        &self,
        stack: &StackRef,
        page: Option<&str>,
    ) -> Result<ChangeSetPage, ProviderError> {
        announced::sets(&self.client, stack, page).await
    }

    async fn execute_change_set(&self, set: &ChangeSetRef, token: &str) -> Result<(), ProviderError> {
        let request = self.client.execute_change_set().change_set_name(set.as_str());
        let request = request.set_stack_name(set.stack().map(str::to_owned)).client_request_token(token);
        let sent = request.customize().config_override(once()).send().await;
        sent.map(drop).map_err(|error| provider(error, "ExecuteChangeSet", set.as_str()))
    }

    async fn delete_change_set(&self, set: &ChangeSetRef) -> Result<(), ProviderError> {
        let request = self.client.delete_change_set().change_set_name(set.as_str());
        let request = request.set_stack_name(set.stack().map(str::to_owned));
        match request.customize().config_override(once()).send().await {
            Ok(_) => Ok(()),
            Err(error) => absent::<()>(provider(error, "DeleteChangeSet", set.as_str())).map(drop),
        }
    }

    async fn delete_stack(
        &self,
        stack: &StackRef,
        role_arn: Option<&str>,
        token: &str,
    ) -> Result<(), ProviderError> {
        let request = self
            .client
            .delete_stack()
            .stack_name(stack.as_str())
            .set_role_arn(role_arn.map(str::to_owned))
            .client_request_token(token);
        match request.customize().config_override(once()).send().await {
            Ok(_) => Ok(()),
            Err(error) => match provider(error, "DeleteStack", stack.as_str()) {
                error if error.kind == ErrorKind::NotFound => Ok(()),
                error => Err(error),
            },
        }
    }

    async fn stack_events(&self, stack: &StackRef, page: Option<&str>) -> Result<EventPage, ProviderError> {
        let answer = self
            .client
            .describe_stack_events()
            .stack_name(stack.as_str())
            .set_next_token(page.map(str::to_owned))
            .send()
            .await
            .map_err(|error| provider(error, "DescribeStackEvents", stack.as_str()))?;
        let events = answer.stack_events().iter().map(event).collect();
        Ok(EventPage { events, next: answer.next_token().map(str::to_owned) })
    }

    async fn list_imports(&self, export: &str, page: Option<&str>) -> Result<ImportPage, ProviderError> {
        announced::imports(&self.client, export, page).await
    }
}

fn is_previous(template: &TemplateLocation) -> Option<bool> {
    (*template == TemplateLocation::Previous).then_some(true)
}

fn absent<T>(error: ProviderError) -> Result<Option<T>, ProviderError> {
    if error.kind == ErrorKind::NotFound { Ok(None) } else { Err(error) }
}

fn nonsense(operation: &'static str, target: &str, what: impl Into<String>) -> ProviderError {
    ProviderError::new(ErrorKind::Unavailable, operation, target, what)
}

fn parameters(request: &StackRequest) -> Vec<sdk::Parameter> {
    let one = |(name, value): &(String, ParameterValue)| {
        let parameter = sdk::Parameter::builder().parameter_key(name);
        match value {
            ParameterValue::Value(value) => parameter.parameter_value(value).build(),
            ParameterValue::Previous => parameter.use_previous_value(true).build(),
        }
    };
    request.parameters.iter().map(one).collect()
}

fn tags(request: &StackRequest) -> Vec<sdk::Tag> {
    request.tags.iter().map(|(key, value)| sdk::Tag::builder().key(key).value(value).build()).collect()
}

fn capabilities(request: &StackRequest) -> Vec<sdk::Capability> {
    request.capabilities.iter().map(|name| sdk::Capability::from(name.as_str())).collect()
}

fn timestamp(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// A status as this version knows it. One that came later is taken by its ending for the most careful of its kind: what
/// is in progress is not touched, what has failed is not updated.
fn known_status(status: &str) -> StackStatus {
    StackStatus::parse(status).unwrap_or(match status {
        _ if status.ends_with("_IN_PROGRESS") => StackStatus::UpdateInProgress,
        _ if status.ends_with("_COMPLETE") => StackStatus::UpdateComplete,
        _ => StackStatus::UpdateFailed,
    })
}

fn stack_state(stack: &sdk::Stack) -> StackState {
    let name = stack.stack_name().unwrap_or_default();
    let status = stack.stack_status().map(sdk::StackStatus::as_str).unwrap_or_default();
    let status = known_status(status);
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    StackState {
        fqn: StackFqn::new(name),
        id: StackId::new(text(stack.stack_id())),
        status,
        status_reason: stack.stack_status_reason().map(str::to_owned),
        parameters: stack
            .parameters()
            .iter()
            .map(|parameter| (text(parameter.parameter_key()), text(parameter.parameter_value())))
            .collect(),
        outputs: stack
            .outputs()
            .iter()
            .map(|output| (text(output.output_key()), text(output.output_value())))
            .collect(),
        exports: stack
            .outputs()
            .iter()
            .filter_map(|output| Some((text(output.output_key()), output.export_name()?.to_owned())))
            .collect(),
        tags: stack.tags().iter().map(|tag| (text(tag.key()), text(tag.value()))).collect(),
        termination_protection: stack.enable_termination_protection().unwrap_or_default(),
        protection_unknown: stack.enable_termination_protection().is_none(),
        role_arn: stack.role_arn().filter(|arn| !arn.is_empty()).map(str::to_owned),
        created: stack.creation_time().and_then(timestamp),
        updated: stack.last_updated_time().and_then(timestamp),
    }
}

fn event(event: &sdk::StackEvent) -> StackEvent {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    StackEvent {
        id: text(event.event_id()),
        time: event.timestamp().and_then(timestamp),
        logical_id: text(event.logical_resource_id()),
        physical_id: event.physical_resource_id().filter(|id| !id.is_empty()).map(str::to_owned),
        resource_type: text(event.resource_type()),
        status: event.resource_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: event.resource_status_reason().map(str::to_owned),
        token: event.client_request_token().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runway_store::{BucketName, ObjectKey};

    #[test]
    fn template_urls_have_the_form_each_place_wants() {
        let url = |region: &str, endpoint: Option<&str>| {
            let config = Builder::new().behavior_version(aws_config::BehaviorVersion::v2026_01_12()).build();
            let cloudformation =
                AwsCloudFormation::new(Client::from_conf(config), region.into(), endpoint.map(str::to_owned));
            let location = TemplateLocation::Object {
                bucket: BucketName::new("b"),
                key: ObjectKey::new("stack_templates/ns-a/a b-1.json"),
                region: None,
            };
            cloudformation.template(&location).1.unwrap()
        };
        let path = "b/stack_templates/ns-a/a%20b-1.json";
        assert_eq!(url("us-east-1", None), format!("https://s3.amazonaws.com/{path}"));
        assert_eq!(url("eu-west-1", None), format!("https://s3.eu-west-1.amazonaws.com/{path}"));
        assert_eq!(url("cn-north-1", None), format!("https://s3.cn-north-1.amazonaws.com.cn/{path}"));
        assert_eq!(url("eu-west-1", Some("http://localhost:5555")), format!("http://localhost:5555/{path}"));
    }
}
