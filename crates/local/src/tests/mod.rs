//! The simulator under virtual time.

mod announced;
mod buckets;
mod conformance;
mod directory;
mod ends;
mod failures;
mod functions;
mod laws;
mod lifecycle;
mod refusals;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runway_core::clock::{Clock, TokioClock};
use runway_core::provider::{
    CloudFormation, ParameterValue, StackEvent, StackRef, StackRequest, StackState, TemplateLocation,
};
use serde_json::{Value, json};

use crate::{Local, Options};

/// A cloud under paused time.
pub(super) fn cloud() -> Local {
    Local::memory(clock(), Options::default())
}

pub(super) fn clock() -> Arc<dyn Clock> {
    let origin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Arc::new(TokioClock::starting_at(origin))
}

pub(super) fn name(text: &str) -> StackRef {
    StackRef::Name(text.into())
}

pub(super) fn request(stack: &str, template: &Value) -> StackRequest {
    StackRequest {
        stack: name(stack),
        template: TemplateLocation::Body(template.to_string()),
        parameters: Vec::new(),
        tags: BTreeMap::new(),
        role_arn: None,
        stack_policy: None,
        capabilities: Vec::new(),
        termination_protection: false,
        timeout_minutes: None,
        token: "token-1".to_owned(),
    }
}

pub(super) fn with(mut request: StackRequest, parameters: &[(&str, &str)], token: &str) -> StackRequest {
    let value =
        |(name, value): &(&str, &str)| ((*name).to_owned(), ParameterValue::Value((*value).to_owned()));
    request.parameters = parameters.iter().map(value).collect();
    request.token = token.to_owned();
    request
}

/// A template with one bucket, whose name depends on nothing, and one topic.
pub(super) fn two() -> Value {
    json!({
        "Parameters": {"Size": {"Type": "Number", "Default": "1", "MinValue": 1}},
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"Size": {"Ref": "Size"}}},
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Bucket"}}}
        },
        "Outputs": {"Bucket": {"Value": {"Fn::GetAtt": ["Bucket", "Arn"]}}, "Size": {"Value": {"Ref": "Size"}}}
    })
}

/// Waits until nothing is under way, and returns the stack.
pub(super) async fn settled(cloud: &Local, stack: &str) -> StackState {
    for _ in 0..10_000 {
        let state = cloud.describe_stack(&name(stack)).await.unwrap();
        match state {
            Some(state) if !state.status.is_in_progress() => return state,
            Some(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            None => panic!("{stack} does not exist"),
        }
    }
    panic!("{stack} never settles");
}

/// All events, oldest first, as `logical status`.
pub(super) async fn history(cloud: &Local, stack: &StackRef) -> Vec<String> {
    let mut events: Vec<StackEvent> = Vec::new();
    let mut page = None;
    loop {
        let next = cloud.stack_events(stack, page.as_deref()).await.unwrap();
        events.extend(next.events);
        page = next.next;
        if page.is_none() {
            break;
        }
    }
    events.iter().rev().map(|event| format!("{} {}", event.logical_id, event.status)).collect()
}
