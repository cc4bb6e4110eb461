//! How resources and stacks end: what is kept, what is in the way.

use std::time::Duration;

use bytes::Bytes;
use runway_core::provider::{CloudFormation, ErrorKind, Provider, StackStatus};
use runway_store::{BucketName, Condition, ObjectKey, Put};
use serde_json::{Value, json};

use super::{cloud, history, name, request, settled, with};
use crate::{Local, Phase};

async fn gone(cloud: &Local, stack: &str, token: &str) {
    cloud.delete_stack(&name(stack), None, token).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.describe_stack(&name(stack)).await.unwrap(), None);
}

/// A stack with a bucket and something that comes after it.
fn bucket(policies: &Value, block: &str) -> Value {
    let mut template = json!({"Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": block}},
        "Last": {"Type": "AWS::SNS::Topic", "DependsOn": "Vpc"}
    }});
    for (policy, value) in policies.as_object().unwrap() {
        template["Resources"]["Vpc"][policy] = value.clone();
    }
    template
}

async fn vpc_events(cloud: &Local) -> Vec<String> {
    let events = history(cloud, &name("app")).await;
    events.into_iter().filter(|event| event.starts_with("Vpc DELETE_")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_kind_of_removal_chooses_the_policy() {
    let (kept, deleted) = (vec!["Vpc DELETE_SKIPPED"], vec!["Vpc DELETE_IN_PROGRESS", "Vpc DELETE_COMPLETE"]);
    let cases = [
        (json!({"DeletionPolicy": "Retain"}), &deleted, &kept),
        (json!({"UpdateReplacePolicy": "Retain"}), &kept, &deleted),
        (json!({"DeletionPolicy": "Snapshot"}), &deleted, &deleted),
    ];
    for (policies, replaced, removed) in cases {
        let cloud = cloud();
        cloud.create_stack(&request("app", &bucket(&policies, "10.0.0.0/16"))).await.unwrap();
        settled(&cloud, "app").await;
        let update = request("app", &bucket(&policies, "10.1.0.0/16"));
        cloud.update_stack(&with(update, &[], "replace")).await.unwrap();
        settled(&cloud, "app").await;
        assert_eq!(vpc_events(&cloud).await, *replaced, "{policies}");
        let without = json!({"Resources": {"Last": {"Type": "AWS::SNS::Topic"}}});
        cloud.update_stack(&with(request("app", &without), &[], "remove")).await.unwrap();
        settled(&cloud, "app").await;
        assert_eq!(vpc_events(&cloud).await[replaced.len()..], *removed, "{policies}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_is_turned_back_keeps_only_what_is_always_kept() {
    for (policy, expected) in
        [("Retain", "Vpc DELETE_SKIPPED"), ("RetainExceptOnCreate", "Vpc DELETE_COMPLETE")]
    {
        let cloud = cloud();
        cloud.script("app").fails(Phase::Create, "Last", "no");
        let template = bucket(&json!({"DeletionPolicy": policy}), "10.0.0.0/16");
        cloud.create_stack(&request("app", &template)).await.unwrap();
        assert_eq!(settled(&cloud, "app").await.status, StackStatus::RollbackComplete);
        assert_eq!(vpc_events(&cloud).await.last().unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_exporter_in_use_stays_as_it_is() {
    let cloud = cloud();
    let exporter = json!({
        "Resources": {"T": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"O": {"Value": "v", "Export": {"Name": "shared"}}}
    });
    let importer = json!({
        "Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::ImportValue": "shared"}}}}
    });
    cloud.create_stack(&request("base", &exporter)).await.unwrap();
    settled(&cloud, "base").await;
    for stack in ["one", "two"] {
        cloud.create_stack(&request(stack, &importer)).await.unwrap();
        settled(&cloud, stack).await;
    }
    cloud.delete_stack(&name("base"), None, "d").await.unwrap();
    let state = settled(&cloud, "base").await;
    assert_eq!(state.status, StackStatus::CreateComplete);
    assert_eq!(
        state.status_reason.as_deref(),
        Some("Delete canceled. Cannot delete export shared as it is in use by one and two.")
    );
}

#[tokio::test(start_paused = true)]
async fn buckets_of_templates_are_real() {
    let cloud = cloud();
    let named = |name: &str| json!({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}}});
    let mine = BucketName::new("mine");
    cloud.create_bucket(&mine).await.unwrap();
    for (index, bucket) in ["mine", "Mine", "a_b", "xy"].into_iter().enumerate() {
        let stack = format!("taken-{index}");
        cloud.create_stack(&request(&stack, &named(bucket))).await.unwrap();
        assert_eq!(settled(&cloud, &stack).await.status, StackStatus::RollbackComplete, "{bucket}");
    }

    cloud.create_stack(&request("app", &named("declared"))).await.unwrap();
    settled(&cloud, "app").await;
    let declared = BucketName::new("declared");
    let (store, key) = (cloud.object_store(&declared, None), ObjectKey::new("a"));
    store.put(&key, Bytes::from("x"), &Put::default()).await.unwrap();
    cloud.delete_stack(&name("app"), None, "d1").await.unwrap();
    assert_eq!(settled(&cloud, "app").await.status, StackStatus::DeleteFailed);
    let events = cloud.stack_events(&name("app"), None).await.unwrap().events;
    let words = |text: &str| {
        events.iter().any(|event| event.reason.as_ref().is_some_and(|reason| reason.contains(text)))
    };
    assert!(words("The bucket you tried to delete is not empty"), "{events:?}");
    store.delete(&key, &Condition::None).await.unwrap();
    gone(&cloud, "app", "d2").await;
    cloud.create_stack(&with(request("app", &named("declared")), &[], "again")).await.unwrap();
    assert_eq!(settled(&cloud, "app").await.status, StackStatus::CreateComplete, "the name is free again");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_made_after_its_stack_is_gone_stays() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = Local::directory(directory.path(), super::clock(), crate::Options::default()).unwrap();
    let template =
        json!({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "mine"}}}});
    cloud.create_stack(&request("app", &template)).await.unwrap();
    settled(&cloud, "app").await;
    let mine = BucketName::new("mine");
    let path = directory.path().join("buckets/mine");
    assert!(!cloud.object_store(&mine, None).list("", None).await.unwrap().more);
    assert!(path.is_dir());
    gone(&cloud, "app", "d").await;
    cloud
        .create_stack(&request("other", &json!({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}})))
        .await
        .unwrap();
    assert!(!path.exists(), "the bucket went with its stack");

    cloud.create_stack(&with(request("app", &template), &[], "again")).await.unwrap();
    settled(&cloud, "app").await;
    gone(&cloud, "app", "d2").await;
    cloud.create_bucket(&mine).await.unwrap();
    cloud.set_termination_protection(&name("other"), true).await.unwrap();
    assert!(path.is_dir(), "what was made by hand stays");
}

#[tokio::test(start_paused = true)]
async fn parameters_of_the_systems_manager_are_those_of_stacks() {
    let cloud = cloud();
    let holder = json!({"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {
        "Name": "/size", "Type": "String", "Value": "large"}}}});
    let reader = |default: &str| {
        json!({
            "Parameters": {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": default}},
            "Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "{{resolve:ssm:/size}}"}}},
            "Outputs": {"Size": {"Value": {"Ref": "P"}}}
        })
    };
    let error = cloud.create_stack(&request("app", &reader("/size"))).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (
            ErrorKind::Validation,
            "ValidationError: Unable to fetch parameters [/size] from parameter store for this account."
        )
    );
    cloud.create_stack(&request("holder", &holder)).await.unwrap();
    settled(&cloud, "holder").await;
    cloud.create_stack(&request("app", &reader("/size"))).await.unwrap();
    let state = settled(&cloud, "app").await;
    assert_eq!((state.parameters["P"].as_str(), state.outputs["Size"].as_str()), ("/size", "large"));
    let mut dangling = reader("/size");
    dangling["Resources"]["T"]["Properties"]["DisplayName"] = json!("{{resolve:ssm:/nope:3}}");
    let error = cloud.create_stack(&request("other", &dangling)).await.unwrap_err();
    assert_eq!(error.message, "ValidationError: Parameters: [ssm:/nope:3] cannot be found.");
    gone(&cloud, "holder", "d").await;
}

#[tokio::test(start_paused = true)]
async fn conditions_are_judged_once() {
    let mut conditions = json!({"C0": {"Fn::Equals": ["a", "a"]}});
    for level in 1..40 {
        let needed = json!({"Condition": format!("C{}", level - 1)});
        conditions[format!("C{level}")] = json!({"Fn::And": vec![needed; 10]});
    }
    let mut template = json!({
        "Conditions": conditions,
        "Resources": {"T": {"Type": "AWS::SNS::Topic", "Condition": "C39"}}
    });
    let cloud = cloud();
    cloud.create_stack(&request("app", &template)).await.unwrap();
    settled(&cloud, "app").await;
    assert!(history(&cloud, &name("app")).await.contains(&"T CREATE_COMPLETE".to_owned()));
    template["Conditions"]["C0"] = json!({"Fn::Not": [{"Condition": "C39"}]});
    let error = cloud.create_stack(&request("cycle", &template)).await.unwrap_err();
    assert!(error.message.contains("Circular dependencies for conditions [C0, C1,"), "{error}");
}
