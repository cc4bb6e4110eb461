use std::collections::BTreeMap;
use std::time::Duration;

use runway_core::provider::{CloudFormation, StackRef, StackStatus, UpdateOutcome};
use serde_json::json;

use super::{cloud, history, name, request, settled, two, with};

#[tokio::test(start_paused = true)]
async fn a_stack_lives_and_dies() {
    let cloud = cloud();
    let id = cloud.create_stack(&request("app", &two())).await.unwrap();
    let state = cloud.describe_stack(&name("app")).await.unwrap().unwrap();
    assert_eq!(state.status, StackStatus::CreateInProgress);
    assert_eq!(state.outputs, BTreeMap::new());
    // Two resources in a row take two seconds each.
    tokio::time::sleep(Duration::from_millis(3_900)).await;
    assert_eq!(
        cloud.describe_stack(&name("app")).await.unwrap().unwrap().status,
        StackStatus::CreateInProgress
    );
    tokio::time::sleep(Duration::from_millis(100)).await;
    let state = cloud.describe_stack(&name("app")).await.unwrap().unwrap();
    assert_eq!(state.status, StackStatus::CreateComplete);
    assert_eq!(state.outputs["Size"], "1");
    assert!(state.outputs["Bucket"].starts_with("arn:aws:s3:::app-bucket-"), "{:?}", state.outputs);

    let unchanged = with(request("app", &two()), &[], "token-2");
    assert_eq!(cloud.update_stack(&unchanged).await.unwrap(), UpdateOutcome::NothingToUpdate);
    let update = with(request("app", &two()), &[("Size", "2")], "token-3");
    assert_eq!(cloud.update_stack(&update).await.unwrap(), UpdateOutcome::Started);
    let updated = settled(&cloud, "app").await;
    assert_eq!(updated.status, StackStatus::UpdateComplete);
    assert_eq!(updated.outputs["Size"], "2");
    assert_eq!(updated.outputs["Bucket"], state.outputs["Bucket"]);
    assert!(updated.updated.is_some());

    cloud.delete_stack(&name("app"), None, "token-4").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.describe_stack(&name("app")).await.unwrap(), None);
    let by_id = StackRef::Id(id);
    assert_eq!(cloud.describe_stack(&by_id).await.unwrap().unwrap().status, StackStatus::DeleteComplete);
    assert_eq!(cloud.get_template(&by_id).await.unwrap().unwrap(), two().to_string());
    assert_eq!(
        history(&cloud, &by_id).await,
        [
            "app CREATE_IN_PROGRESS",
            "Bucket CREATE_IN_PROGRESS",
            "Bucket CREATE_IN_PROGRESS",
            "Bucket CREATE_COMPLETE",
            "Topic CREATE_IN_PROGRESS",
            "Topic CREATE_IN_PROGRESS",
            "Topic CREATE_COMPLETE",
            "app CREATE_COMPLETE",
            "app UPDATE_IN_PROGRESS",
            "Bucket UPDATE_IN_PROGRESS",
            "Bucket UPDATE_COMPLETE",
            "app UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "app UPDATE_COMPLETE",
            "app DELETE_IN_PROGRESS",
            "Topic DELETE_IN_PROGRESS",
            "Topic DELETE_COMPLETE",
            "Bucket DELETE_IN_PROGRESS",
            "Bucket DELETE_COMPLETE",
            "app DELETE_COMPLETE",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_creation_rolls_back_and_says_why() {
    let cloud = cloud();
    cloud.script("app").create_fails("Topic", "no capacity");
    cloud.create_stack(&request("app", &two())).await.unwrap();
    let state = settled(&cloud, "app").await;
    assert_eq!(state.status, StackStatus::RollbackComplete);
    assert_eq!(
        state.status_reason.as_deref(),
        Some("The following resource(s) failed to create: [Topic]. Rollback requested by user.")
    );
    assert_eq!(state.outputs, BTreeMap::new());
    let events = cloud.stack_events(&name("app"), None).await.unwrap().events;
    let failed = events.iter().find(|event| event.status == "CREATE_FAILED").unwrap();
    assert_eq!((failed.logical_id.as_str(), failed.reason.as_deref()), ("Topic", Some("no capacity")));
    let error = cloud.update_stack(&with(request("app", &two()), &[], "token-2")).await.unwrap_err();
    assert!(error.message.contains("is in ROLLBACK_COMPLETE state and can not be updated"), "{error}");
    cloud.delete_stack(&name("app"), None, "token-3").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.describe_stack(&name("app")).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_update_restores_what_was() {
    let cloud = cloud();
    cloud.create_stack(&request("app", &two())).await.unwrap();
    let before = settled(&cloud, "app").await;
    cloud.script("app").update_fails("Bucket", "too large");
    let mut template = two();
    template["Resources"]["Queue"] = json!({"Type": "AWS::SQS::Queue"});
    let mut update = with(request("app", &template), &[("Size", "3")], "token-2");
    update.tags.insert("new".to_owned(), "yes".to_owned());
    cloud.update_stack(&update).await.unwrap();
    let after = settled(&cloud, "app").await;
    assert_eq!(after.status, StackStatus::UpdateRollbackComplete);
    assert_eq!(
        after.status_reason.as_deref(),
        Some("The following resource(s) failed to update: [Bucket]. ")
    );
    assert_eq!(
        (after.parameters, after.outputs, after.tags),
        (before.parameters, before.outputs, before.tags)
    );
    assert_eq!(cloud.get_template(&name("app")).await.unwrap().unwrap(), two().to_string());
    let history = history(&cloud, &name("app")).await;
    let tail =
        &history[history.iter().position(|event| event == "app UPDATE_ROLLBACK_IN_PROGRESS").unwrap()..];
    assert_eq!(
        tail,
        [
            "app UPDATE_ROLLBACK_IN_PROGRESS",
            "Bucket UPDATE_IN_PROGRESS",
            "Bucket UPDATE_COMPLETE",
            "app UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "Queue DELETE_IN_PROGRESS",
            "Queue DELETE_COMPLETE",
            "app UPDATE_ROLLBACK_COMPLETE",
        ]
    );
}
