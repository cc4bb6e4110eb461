//! What change sets announce, before they are carried out.

use std::time::Duration;

use runway_core::provider::{
    AnnouncedAction, AnnouncedChange, AnnouncedReplacement, ChangeSetKind, ChangeSetRef, ChangeSetRequest,
    CloudFormation, StackRequest, TemplateLocation,
};
use serde_json::{Value, json};

use super::{cloud, name, request, settled, with};
use crate::Local;

/// All changes of a set that would make the stack as the request says, and the number of pages.
async fn announced(cloud: &Local, kind: ChangeSetKind, stack: StackRequest) -> (Vec<AnnouncedChange>, usize) {
    let set = ChangeSetRequest { kind, name: "look".to_owned(), stack };
    let set = ChangeSetRef::Id(cloud.create_change_set(&set).await.unwrap().id);
    let early = cloud.change_set_changes(&set, None).await.unwrap();
    assert_eq!(early.changes, [], "nothing is announced before it is worked out");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (mut changes, mut pages, mut page) = (Vec::new(), 0, None);
    loop {
        let answer = cloud.change_set_changes(&set, page.as_deref()).await.unwrap();
        pages += 1;
        changes.extend(answer.changes);
        page = answer.next;
        if page.is_none() {
            break;
        }
    }
    cloud.delete_change_set(&set).await.unwrap();
    (changes, pages)
}

fn short(changes: &[AnnouncedChange]) -> Vec<String> {
    let one = |change: &AnnouncedChange| {
        let causes: Vec<String> = change
            .details
            .iter()
            .map(|detail| {
                format!(
                    "{} {:?}->{:?} {} {}{}",
                    detail.path.as_deref().unwrap_or_default(),
                    detail.before.as_deref().unwrap_or("-"),
                    detail.after.as_deref().unwrap_or("-"),
                    detail.requires_recreation.as_deref().unwrap_or_default(),
                    detail.causing_entity.as_deref().unwrap_or("-"),
                    if detail.dynamic { " dynamic" } else { "" },
                )
            })
            .collect();
        format!(
            "{} {:?} {:?} {} | {}",
            change.logical_id,
            change.action,
            change.replacement.unwrap_or(AnnouncedReplacement::Never),
            change.policy_action.as_deref().unwrap_or("-"),
            causes.join("; ")
        )
    };
    changes.iter().map(one).collect()
}

fn before() -> Value {
    json!({
        "Parameters": {"Text": {"Type": "String"}, "Word": {"Type": "String", "NoEcho": true}},
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Net": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.1.0/24"}},
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {
                "DisplayName": {"Ref": "Text"}, "Tags": [{"Key": "a", "Value": "one"}]
            }},
            "Entry": {"Type": "AWS::SSM::Parameter", "Properties": {
                "Type": "String", "Value": {"Fn::Sub": "user:${Word}"}
            }},
            "Old": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain"},
            "Same": {"Type": "AWS::SQS::Queue"}
        }
    })
}

#[tokio::test(start_paused = true)]
async fn an_update_is_announced_resource_by_resource() {
    let cloud = cloud();
    let values = [("Text", "hello"), ("Word", "tomato")];
    let (changes, _) =
        announced(&cloud, ChangeSetKind::Create, with(request("app", &before()), &values, "t0")).await;
    assert_eq!(changes.len(), 6);
    assert!(changes.iter().all(|change| change.action == AnnouncedAction::Add), "{changes:?}");
    cloud.delete_stack(&name("app"), None, "gone").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;

    cloud.create_stack(&with(request("app", &before()), &values, "t1")).await.unwrap();
    settled(&cloud, "app").await;
    let mut after = before();
    let resources = after["Resources"].as_object_mut().unwrap();
    resources["Vpc"]["Properties"]["CidrBlock"] = "10.1.0.0/16".into();
    resources["Vpc"]["UpdateReplacePolicy"] = "Snapshot".into();
    resources["Topic"]["Properties"]["Tags"][0]["Value"] = "two".into();
    resources.remove("Old");
    resources.insert("New".to_owned(), json!({"Type": "AWS::SQS::Queue"}));
    let update = with(request("app", &after), &[("Text", "bye"), ("Word", "potato")], "t2");
    let (changes, pages) = announced(&cloud, ChangeSetKind::Update, update).await;
    assert_eq!(pages, 1);
    assert_eq!(
        short(&changes),
        [
            "Entry Modify Never - | /Properties/Value \"user:****\"->\"user:****\" Never Word",
            "Net Modify Conditional ReplaceAndDelete | /Properties/VpcId \"vpc-VPC\"->\"{{changeSet:KNOWN_AFTER_APPLY}}\" Always Vpc dynamic",
            "New Add Never - | ",
            "Old Remove Never Retain | ",
            "Topic Modify Never - | /Properties/DisplayName \"hello\"->\"bye\" Never Text; /Properties/Tags/0/Value \"one\"->\"two\" Never -",
            "Vpc Modify Always ReplaceAndSnapshot | /Properties/CidrBlock \"10.0.0.0/16\"->\"10.1.0.0/16\" Always -",
        ]
        .map(|line| line.replace("vpc-VPC", &physical(&changes, "Vpc")))
    );
    assert!(!format!("{changes:?}").contains("tomato") && !format!("{changes:?}").contains("potato"));

    // The template as it is: only the parameter makes a difference.
    let mut same = with(request("app", &before()), &[("Text", "bye"), ("Word", "tomato")], "t3");
    same.template = TemplateLocation::Previous;
    let (changes, _) = announced(&cloud, ChangeSetKind::Update, same).await;
    assert_eq!(
        short(&changes),
        ["Topic Modify Never - | /Properties/DisplayName \"hello\"->\"bye\" Never Text"]
    );
}

fn physical(changes: &[AnnouncedChange], id: &str) -> String {
    changes.iter().find(|change| change.logical_id == id).unwrap().physical_id.clone().unwrap()
}

#[tokio::test(start_paused = true)]
async fn many_changes_come_in_pages() {
    let cloud = cloud();
    let topics = |count: usize| {
        let resources: serde_json::Map<String, Value> =
            (0..count).map(|number| (format!("T{number:03}"), json!({"Type": "AWS::SNS::Topic"}))).collect();
        json!({ "Resources": resources })
    };
    cloud.create_stack(&request("many", &topics(1))).await.unwrap();
    settled(&cloud, "many").await;
    let update = StackRequest { token: "t2".to_owned(), ..request("many", &topics(251)) };
    let (changes, pages) = announced(&cloud, ChangeSetKind::Update, update).await;
    assert_eq!((changes.len(), pages), (250, 3));
    let ids: std::collections::BTreeSet<&str> =
        changes.iter().map(|change| change.logical_id.as_str()).collect();
    assert_eq!(ids.len(), 250);
}

#[tokio::test(start_paused = true)]
async fn sets_and_imports_are_listed() {
    let cloud = cloud();
    let exporter = json!({
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Out": {"Value": {"Ref": "Topic"}, "Export": {"Name": "shared"}}}
    });
    cloud.create_stack(&request("exporter", &exporter)).await.unwrap();
    settled(&cloud, "exporter").await;
    assert_eq!(cloud.list_imports("shared", None).await.unwrap().stacks, [""; 0]);
    let importer = json!({
        "Resources": {"Entry": {"Type": "AWS::SSM::Parameter", "Properties": {
            "Type": "String", "Value": {"Fn::ImportValue": "shared"}
        }}}
    });
    for stack in ["second", "first"] {
        cloud.create_stack(&request(stack, &importer)).await.unwrap();
        settled(&cloud, stack).await;
    }
    assert_eq!(cloud.list_imports("shared", None).await.unwrap().stacks, ["first", "second"]);
    assert!(cloud.list_imports("shared", Some("nonsense")).await.is_err());

    let set = ChangeSetRequest {
        kind: ChangeSetKind::Update,
        name: "look".to_owned(),
        stack: with(request("first", &importer), &[], "t2"),
    };
    let made = cloud.create_change_set(&set).await.unwrap();
    let listed = cloud.list_change_sets(&name("first"), None).await.unwrap();
    assert_eq!(listed.sets.iter().map(|set| set.id.as_str()).collect::<Vec<_>>(), [made.id.as_str()]);
    assert!(listed.sets[0].created.is_some());
    assert_eq!(cloud.list_change_sets(&name("second"), None).await.unwrap().sets, []);
    assert!(cloud.list_change_sets(&name("nobody"), None).await.is_err());
}
