use std::time::Duration;

use runway_core::provider::{CloudFormation, ErrorKind, StackStatus};
use serde_json::json;

use super::{cloud, history, name, request, settled, two, with};

#[tokio::test(start_paused = true)]
async fn an_invalid_wait_condition_fails_and_a_valid_one_times_out() {
    let cloud = cloud();
    let template = |timeout: &str, count: u32| {
        json!({"Resources": {
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {
                "Handle": {"Ref": "Handle"}, "Timeout": timeout, "Count": count
            }}
        }})
    };
    cloud.create_stack(&request("broken", &template("4294967296", 0))).await.unwrap();
    let state = settled(&cloud, "broken").await;
    assert_eq!(
        state.status_reason.as_deref(),
        Some("The following resource(s) failed to create: [Wait]. Rollback requested by user.")
    );
    cloud.create_stack(&request("waits", &template("600", 1))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let waiting = cloud.describe_stack(&name("waits")).await.unwrap().unwrap();
    assert_eq!(waiting.status, StackStatus::CreateInProgress);
    assert_eq!(settled(&cloud, "waits").await.status, StackStatus::RollbackComplete);
    cloud.create_stack(&request("passes", &template("600", 0))).await.unwrap();
    assert_eq!(settled(&cloud, "passes").await.status, StackStatus::CreateComplete);
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_takes_too_long_is_rolled_back() {
    let cloud = cloud();
    cloud.script("app").resource_takes("Topic", Duration::from_secs(300));
    let mut wanted = request("app", &two());
    wanted.timeout_minutes = Some(1);
    cloud.create_stack(&wanted).await.unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    let state = cloud.describe_stack(&name("app")).await.unwrap().unwrap();
    assert_eq!(state.status, StackStatus::RollbackInProgress);
    assert!(history(&cloud, &name("app")).await.contains(&"Topic CREATE_FAILED".to_owned()));
    assert_eq!(settled(&cloud, "app").await.status, StackStatus::RollbackComplete);
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_cannot_be_deleted_leaves_the_stack() {
    let cloud = cloud();
    cloud.create_stack(&request("app", &two())).await.unwrap();
    settled(&cloud, "app").await;
    cloud.script("app").delete_fails("Bucket", "The bucket you tried to delete is not empty");
    cloud.delete_stack(&name("app"), None, "delete-1").await.unwrap();
    let state = settled(&cloud, "app").await;
    assert_eq!(state.status, StackStatus::DeleteFailed);
    assert_eq!(
        state.status_reason.as_deref(),
        Some("The following resource(s) failed to delete: [Bucket]. ")
    );
    cloud.script("app").clear();
    cloud.delete_stack(&name("app"), None, "delete-2").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.describe_stack(&name("app")).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn deletion_waits_for_an_update_but_stops_a_creation() {
    let cloud = cloud();
    cloud.create_stack(&request("app", &two())).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    cloud.delete_stack(&name("app"), None, "delete-1").await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(cloud.describe_stack(&name("app")).await.unwrap(), None);

    cloud.create_stack(&with(request("app", &two()), &[], "create-2")).await.unwrap();
    settled(&cloud, "app").await;
    cloud.update_stack(&with(request("app", &two()), &[("Size", "2")], "update")).await.unwrap();
    let error = cloud.delete_stack(&name("app"), None, "delete-2").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Validation);
    assert!(error.message.ends_with("cannot be deleted while in status UPDATE_IN_PROGRESS"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_once() {
    let cloud = cloud();
    let template =
        json!({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "mine"}}}});
    cloud.create_stack(&request("first", &template)).await.unwrap();
    cloud.create_stack(&request("second", &template)).await.unwrap();
    assert_eq!(settled(&cloud, "second").await.status, StackStatus::RollbackComplete);
    let events = cloud.stack_events(&name("second"), None).await.unwrap().events;
    let reason = events.iter().find(|event| event.status == "CREATE_FAILED").unwrap().reason.clone().unwrap();
    assert!(reason.starts_with(
        "mine already exists in stack arn:aws:cloudformation:us-east-1:123456789012:stack/first/"
    ));
}

#[tokio::test(start_paused = true)]
async fn replacing_makes_a_new_resource_and_removes_the_old_one() {
    let cloud = cloud();
    let template = |block: &str| {
        json!({
            "Resources": {
                "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": block}},
                "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "g", "VpcId": {"Ref": "Vpc"}}}
            },
            "Outputs": {"Vpc": {"Value": {"Ref": "Vpc"}}, "Group": {"Value": {"Ref": "Group"}}}
        })
    };
    cloud.create_stack(&request("net", &template("10.0.0.0/16"))).await.unwrap();
    let before = settled(&cloud, "net").await.outputs;
    cloud.update_stack(&with(request("net", &template("10.1.0.0/16")), &[], "update")).await.unwrap();
    let after = settled(&cloud, "net").await;
    assert_eq!(after.status, StackStatus::UpdateComplete);
    assert_ne!(before["Vpc"], after.outputs["Vpc"]);
    assert_ne!(before["Group"], after.outputs["Group"], "what hangs on a replaced resource is replaced");
    let history = history(&cloud, &name("net")).await;
    let cleanup =
        history.iter().position(|event| event == "net UPDATE_COMPLETE_CLEANUP_IN_PROGRESS").unwrap();
    assert_eq!(
        history[cleanup + 1..],
        [
            "Group DELETE_IN_PROGRESS",
            "Group DELETE_COMPLETE",
            "Vpc DELETE_IN_PROGRESS",
            "Vpc DELETE_COMPLETE",
            "net UPDATE_COMPLETE"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_stops_only_what_it_denies() {
    let cloud = cloud();
    let mut wanted = request("app", &two());
    wanted.stack_policy = Some(
        r#"{"Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": ["Update:Replace", "Update:Delete"], "Principal": "*", "Resource": "LogicalResourceId/B*"}
        ]}"#
        .to_owned(),
    );
    cloud.create_stack(&wanted).await.unwrap();
    settled(&cloud, "app").await;
    cloud.update_stack(&with(request("app", &two()), &[("Size", "2")], "modify")).await.unwrap();
    assert_eq!(settled(&cloud, "app").await.status, StackStatus::UpdateComplete);
    let without = json!({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}});
    cloud.update_stack(&request("app", &without)).await.unwrap_err();
    cloud.update_stack(&with(request("app", &without), &[], "delete")).await.unwrap();
    let state = settled(&cloud, "app").await;
    assert_eq!(state.status, StackStatus::UpdateRollbackComplete);
    assert_eq!(
        state.status_reason.as_deref(),
        Some(
            "Action denied by stack policy: Statement [#2] does not allow [Update:Delete] for resource [LogicalResourceId/Bucket]"
        )
    );
    let error = cloud.set_stack_policy(&name("app"), "{}").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Validation);
}
