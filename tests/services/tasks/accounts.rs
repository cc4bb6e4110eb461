//! Tasks in other accounts and regions, over chains of roles.

use runway_core::ident::StackFqn;
use runway_core::provider::{ErrorKind, StackRef};
use runway_core::task::{TaskAction, TaskPlace};
use serde_json::json;

use super::stand::{Stand, problems};
use crate::support::alone;

fn role(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/hub")
}

fn place(account: &str, region: &str, chain: &[&str]) -> TaskPlace {
    TaskPlace {
        account: Some(account.to_owned()),
        region: Some(region.to_owned()),
        role_chain: chain.iter().map(|account| role(account)).collect(),
    }
}

#[test]
fn a_spoke_is_bootstrapped_over_a_chain_of_roles() {
    alone("tasks::accounts::a_spoke_is_bootstrapped_over_a_chain_of_roles", &[], async || {
        let here = Stand::new().await;
        let spoke = here.at(place("333333333333", "us-west-2", &["222222222222", "333333333333"]));
        let mut bootstrap = json!({
            "hub_account": "123456789012", "role_name": "spoke", "role_path": "/runway/",
            "permission_boundary": "arn:aws:iam::333333333333:policy/boundary", "tags": {"by": "hub"},
        });
        let done = spoke.creates("bootstrap_spoke", &bootstrap).await;
        assert_eq!(done.outputs["RoleArn"], "arn:aws:iam::333333333333:role/runway/spoke");
        let name = StackRef::Name(StackFqn::new("runway-rs-spoke"));
        for (place, exists) in [
            (place("333333333333", "us-west-2", &["222222222222", "333333333333"]), true),
            (place("333333333333", "eu-west-1", &["333333333333"]), false),
            (place("222222222222", "us-west-2", &["222222222222"]), false),
            (TaskPlace { region: Some("us-west-2".to_owned()), ..TaskPlace::default() }, false),
        ] {
            let provider = here.services().provider(&place).await.unwrap();
            let found = provider.cloudformation().describe_stack(&name).await.unwrap();
            assert_eq!(found.is_some(), exists, "{place:?}");
        }
        bootstrap["external_id"] = json!(17);
        spoke.updates("bootstrap_spoke", &bootstrap, &["template.Resources.Role"]).await;
        // Two roles, and the one of the place without a chain: each was assumed once.
        let requests = here.requests();
        assert_eq!(requests["STS.AssumeRole"], 3, "{requests:?}");
        assert_eq!(requests.get("STS.GetCallerIdentity"), None, "{requests:?}");
        spoke.removes("bootstrap_spoke", &bootstrap).await;

        let own = json!({
            "stack_name": "own", "parameters": {"Note": "a"},
            "template": "Parameters: {Note: {Type: String}}\nResources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Note}}}\n",
        });
        spoke.creates("bootstrap_spoke", &own).await;
        let mut other = own.clone();
        other["parameters"]["Note"] = json!("b");
        spoke.updates("bootstrap_spoke", &other, &["parameters.Note"]).await;
        spoke.removes("bootstrap_spoke", &own).await;
        assert!(problems("bootstrap_spoke", &json!({}))[0].contains("nobody could assume the role"));
    });
}

#[test]
fn every_account_has_what_is_its_own() {
    alone("tasks::accounts::every_account_has_what_is_its_own", &[], async || {
        let here = Stand::new().await;
        let parameter = json!({"name": "/kinds/where", "value": "here"});
        let mut places = Vec::new();
        for account in ["222222222222", "333333333333"] {
            for region in ["eu-west-1", "us-east-2"] {
                places.push(here.at(place(account, region, &[account])));
            }
        }
        for (number, there) in places.iter().enumerate() {
            let done = there.creates("ssm_parameter", &parameter).await;
            let expected = ["eu-west-1:222", "us-east-2:222", "eu-west-1:333", "us-east-2:333"][number];
            assert!(done.outputs["arn"].contains(expected), "{done:?}");
        }
        assert_eq!(here.plan("ssm_parameter", &parameter).await.action, TaskAction::Create);
        for there in &places {
            there.removes("ssm_parameter", &parameter).await;
        }
        assert_eq!(here.requests()["STS.AssumeRole"], 2);
    });
}

#[test]
fn a_task_never_works_in_another_account_than_it_says() {
    alone("tasks::accounts::a_task_never_works_in_another_account_than_it_says", &[], async || {
        let here = Stand::new().await;
        let parameter = json!({"name": "/kinds/never", "value": "x"});
        let wrong = here.at(place("444444444444", "eu-west-1", &["222222222222"]));
        let failure = wrong.try_plan("ssm_parameter", &parameter).await.unwrap_err();
        assert!(
            failure.message.contains(
                "the role arn:aws:iam::222222222222:role/hub is in account 222222222222, but the task is for account 444444444444"
            ),
            "{failure}"
        );
        assert_eq!(failure.kind, Some(ErrorKind::Misconfigured));
        let nowhere = here.at(place("444444444444", "eu-west-1", &[]));
        let failure = nowhere.try_plan("ssm_parameter", &parameter).await.unwrap_err();
        assert!(failure.message.contains("no role leads there"), "{failure}");
        let own = here.at(place("123456789012", "eu-west-1", &[]));
        assert_eq!(own.plan("ssm_parameter", &parameter).await.action, TaskAction::Create);
        let strange = TaskPlace { region: Some("eu west".to_owned()), ..TaskPlace::default() };
        let failure = here.at(strange).try_plan("ssm_parameter", &parameter).await.unwrap_err();
        assert!(failure.message.contains("is not the name of a region"), "{failure}");
        // Programs get the credentials of the place.
        let there = place("222222222222", "us-east-2", &["222222222222"]);
        let variables = here.services().environment(&there).await.unwrap();
        assert_eq!(variables["AWS_REGION"], "us-east-2");
        assert_ne!(variables["AWS_ACCESS_KEY_ID"], "testing");
        assert!(variables.contains_key("AWS_SESSION_TOKEN"));
    });
}
