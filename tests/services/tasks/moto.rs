//! Kinds against moto: absent, created, unchanged, changed by hand, restored, removed.

use runway_core::task::TaskAction;
use serde_json::{Value, json};

use super::stand::{Stand, paths_of, problems};
use crate::support::{alone, boto, none};

const REGION: &str = "eu-west-1";

#[test]
fn event_buses() {
    alone("tasks::moto::event_buses", &[], async || {
        let stand = Stand::new().await;
        let mut bus = json!({
            "name": "kinds", "tags": {"team": "core", "level": 1},
            "policy": {
                "accounts": ["222222222222", 333_333_333_333_i64], "organization": "o-abc123defg",
                "statements": [{
                    "Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "444444444444"},
                    "Action": "events:PutRule",
                }],
            },
        });
        let done = stand.creates("event_bus", &bus).await;
        assert_eq!(done.outputs["arn"], "arn:aws:events:eu-west-1:123456789012:event-bus/kinds");
        let live = boto(REGION, "events", "describe_event_bus", &json!({"Name": "kinds"}));
        let policy: Value = serde_json::from_str(live["Policy"].as_str().unwrap()).unwrap();
        let statements: Vec<&str> =
            policy["Statement"].as_array().unwrap().iter().map(|one| one["Sid"].as_str().unwrap()).collect();
        assert_eq!(statements, ["Accounts", "Organization", "Own"]);

        // By hand: a tag goes, one comes, the policy goes.
        let arn = &done.outputs["arn"];
        boto(REGION, "events", "untag_resource", &json!({"ResourceARN": arn, "TagKeys": ["team"]}));
        boto(
            REGION,
            "events",
            "tag_resource",
            &json!({"ResourceARN": arn, "Tags": [{"Key": "x", "Value": "y"}]}),
        );
        boto(
            REGION,
            "events",
            "remove_permission",
            &json!({"EventBusName": "kinds", "RemoveAllPermissions": true}),
        );
        stand.updates("event_bus", &bus, &["policy", "tags.team", "tags.x"]).await;
        // What is not spoken of stays; what is empty goes.
        bus["tags"].take();
        bus["policy"] = json!({});
        stand.updates("event_bus", &bus, &["policy"]).await;

        bus["state"] = json!("absent");
        let (planned, _) = stand.deploy("event_bus", &bus).await.unwrap();
        assert_eq!(planned.action, TaskAction::Delete);
        assert_eq!(stand.plan("event_bus", &bus).await.action, TaskAction::None);
        bus["state"] = json!("present");
        stand.creates("event_bus", &bus).await;
        stand.removes("event_bus", &bus).await;
    });
}

#[test]
fn parameters() {
    alone("tasks::moto::parameters", &[], async || {
        let stand = Stand::new().await;
        let mut parameter =
            json!({"name": "/kinds/plain", "value": 5432, "description": "a port", "tags": {"a": "b"}});
        let done = stand.creates("ssm_parameter", &parameter).await;
        assert_eq!(done.outputs["version"], "1");
        assert!(done.outputs["arn"].ends_with(":parameter/kinds/plain"), "{done:?}");
        let put = json!({"Name": "/kinds/plain", "Value": "1", "Type": "String", "Overwrite": true});
        boto(REGION, "ssm", "put_parameter", &put);
        let planned = stand.plan("ssm_parameter", &parameter).await;
        assert_eq!(planned.details[0].before, Some(json!("1")));
        assert_eq!(planned.details[0].after, Some(json!("5432")));
        parameter["tags"] = json!({"a": "c"});
        let done = stand.updates("ssm_parameter", &parameter, &["value", "tags.a"]).await;
        assert_eq!(done.outputs["version"], "3");
        parameter["description"] = json!("the port");
        stand.updates("ssm_parameter", &parameter, &["description"]).await;
        // Another type is another parameter.
        let list = json!({"name": "/kinds/plain", "value": ["a", 2], "type": "StringList"});
        stand.recreates("ssm_parameter", &list, &["type", "value"]).await;
        let live = boto(REGION, "ssm", "get_parameter", &json!({"Name": "/kinds/plain"}));
        assert_eq!(live["Parameter"]["Value"], "a,2");
        stand.removes("ssm_parameter", &list).await;
        let absent = json!({"name": "/kinds/plain", "state": "absent"});
        assert_eq!(stand.plan("ssm_parameter", &absent).await.action, TaskAction::None);
    });
}

#[test]
fn secrets_are_compared_and_never_written_down() {
    alone("tasks::moto::secrets_are_compared_and_never_written_down", &[], async || {
        let stand = Stand::new().await;
        let mut secret = json!({"name": "/kinds/secret", "value": "hush-1", "type": "SecureString"});
        let planned = stand.plan("ssm_parameter", &secret).await;
        assert!(!format!("{planned:?}").contains("hush"), "{planned:?}");
        let done = stand.creates("ssm_parameter", &secret).await;
        assert!(!format!("{done:?}").contains("hush"), "{done:?}");
        assert!(!stand.state("ssm_parameter", &secret).await.to_string().contains("hush"));
        secret["value"] = json!("hush-2");
        let planned = stand.plan("ssm_parameter", &secret).await;
        assert_eq!(paths_of(&planned), ["value"]);
        assert!(!format!("{planned:?}").contains("hush"), "{planned:?}");
        stand.updates("ssm_parameter", &secret, &["value"]).await;
        let get = json!({"Name": "/kinds/secret", "WithDecryption": true});
        assert_eq!(boto(REGION, "ssm", "get_parameter", &get)["Parameter"]["Value"], "hush-2");
        // A secret that is to be a plain parameter is not shown on its way.
        let plain = json!({"name": "/kinds/secret", "value": "open"});
        let planned = stand.plan("ssm_parameter", &plain).await;
        assert_eq!(paths_of(&planned), ["type", "value"]);
        assert!(!format!("{planned:?}").contains("hush"), "{planned:?}");
        stand.recreates("ssm_parameter", &plain, &["type", "value"]).await;
        stand.removes("ssm_parameter", &plain).await;
    });
}

#[test]
fn portfolios_and_their_shares() {
    alone("tasks::moto::portfolios_and_their_shares", &[], async || {
        let stand = Stand::new().await;
        let portfolio = json!({"name": "Kinds", "description": "of tasks", "provider": "core"});
        let done = stand.creates("portfolio", &portfolio).await;
        let id = &done.outputs["id"];
        let share = json!({"portfolio": "Kinds", "accounts": ["222222222222", "333333333333"]});
        let shared = stand.creates("portfolio_share", &share).await;
        assert_eq!(&shared.outputs["portfolio_id"], id);
        let by_hand = |account: &str| json!({"PortfolioId": id, "AccountId": account});
        boto(REGION, "servicecatalog", "delete_portfolio_share", &by_hand("333333333333"));
        boto(REGION, "servicecatalog", "create_portfolio_share", &by_hand("444444444444"));
        stand.updates("portfolio_share", &share, &["accounts.333333333333"]).await;
        let mut alone = share.clone();
        alone["exclusive"] = json!(true);
        stand.updates("portfolio_share", &alone, &["accounts.444444444444"]).await;
        stand.removes("portfolio_share", &share).await;
        let listed = boto(REGION, "servicecatalog", "list_portfolio_access", &json!({"PortfolioId": id}));
        assert_eq!(listed["AccountIds"], json!([]));

        // Two of one name cannot be told apart.
        let other = json!({"DisplayName": "Kinds", "ProviderName": "x", "IdempotencyToken": "other"});
        let other = boto(REGION, "servicecatalog", "create_portfolio", &other);
        let failure = stand.try_plan("portfolio", &portfolio).await.unwrap_err();
        assert!(failure.message.contains("2 portfolios are called `Kinds`"), "{failure}");
        let other = json!({"Id": other["PortfolioDetail"]["Id"]});
        boto(REGION, "servicecatalog", "delete_portfolio", &other);
        stand.removes("portfolio", &portfolio).await;
        let absent = json!({"portfolio": "Kinds", "accounts": ["222222222222"], "state": "absent"});
        // moto has no shares that were accepted, among which it is looked for.
        assert!(stand.try_plan("portfolio_share", &absent).await.is_err());
    });
}

#[test]
fn constraints_are_a_stack() {
    alone("tasks::moto::constraints_are_a_stack", &[], async || {
        let stand = Stand::new().await;
        stand.creates("portfolio", &json!({"name": "Constrained"})).await;
        let mut constraint = json!({
            "portfolio": "Constrained", "products": ["prod-b", "prod-a"], "role": "launcher", "tags": {"a": "b"},
        });
        let done = stand.creates("launch_role_constraint", &constraint).await;
        assert_eq!(done.outputs["stack_name"], "launch-role-constraints-Constrained");
        let live = boto(
            REGION,
            "cloudformation",
            "get_template",
            &json!({"StackName": "launch-role-constraints-Constrained"}),
        );
        let template =
            live["TemplateBody"].as_str().map_or_else(|| live["TemplateBody"].to_string(), str::to_owned);
        assert!(template.contains("AWS::ServiceCatalog::LaunchRoleConstraint"), "{template}");
        assert!(template.contains("LocalRoleName"), "{template}");
        constraint["products"] = json!(["prod-a"]);
        constraint["role"] = json!("arn:aws:iam::123456789012:role/launcher");
        let paths = ["template.Resources.Constraintproda", "template.Resources.Constraintprodb"];
        stand.updates("launch_role_constraint", &constraint, &paths).await;
        stand.removes("launch_role_constraint", &constraint).await;
        stand.removes("portfolio", &json!({"name": "Constrained"})).await;
    });
}

#[test]
fn stacks_that_are_not_to_be_there() {
    alone("tasks::moto::stacks_that_are_not_to_be_there", &[], async || {
        let stand = Stand::new().await;
        let gone = json!({"name": "kinds-legacy"});
        assert_eq!(stand.plan("stack_absent", &gone).await.action, TaskAction::None);
        let template = r#"{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}"#;
        let create = json!({"StackName": "kinds-legacy", "TemplateBody": template});
        boto(REGION, "cloudformation", "create_stack", &create);
        let (planned, _) = stand.deploy("stack_absent", &gone).await.unwrap();
        assert_eq!(planned.action, TaskAction::Delete);
        assert_eq!(paths_of(&planned), ["stack", "status"]);
        assert_eq!(stand.plan("stack_absent", &gone).await.action, TaskAction::None);
    });
}

/// One test for all: an account has one organization.
#[test]
fn organizations() {
    alone("tasks::moto::organizations", &[], async || {
        let stand = Stand::new().await;
        let unit = json!({"path": "/workloads/production"});
        let failure = stand.try_plan("organizational_unit", &unit).await.unwrap_err();
        assert!(failure.help.as_ref().unwrap().contains("management account"), "{failure:?}");
        boto(REGION, "organizations", "create_organization", &json!({"FeatureSet": "ALL"}));

        let planned = stand.plan("organizational_unit", &unit).await;
        let new: Vec<&str> =
            planned.details.iter().map(|detail| detail.after.as_ref().unwrap().as_str().unwrap()).collect();
        assert_eq!(new, ["/workloads", "/workloads/production"]);
        let done = stand.creates("organizational_unit", &unit).await;
        let other = json!({"path": "/workloads/test"});
        assert_eq!(paths_of(&stand.plan("organizational_unit", &other).await), ["path"]);
        stand.creates("organizational_unit", &other).await;

        let root = boto(REGION, "organizations", "list_roots", &none())["Roots"][0]["Id"].clone();
        let enable = json!({"RootId": root, "PolicyType": "SERVICE_CONTROL_POLICY"});
        boto(REGION, "organizations", "enable_policy_type", &enable);
        let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]});
        let mut policy = json!({
            "policy": {"name": "no-iam", "description": "none", "document": document},
            "targets": ["/workloads/production", "/workloads/test"],
        });
        let attached = stand.creates("org_policy_attachment", &policy).await;
        let id = attached.outputs["policy_id"].clone();
        let detach = json!({"PolicyId": id, "TargetId": done.outputs["id"]});
        boto(REGION, "organizations", "detach_policy", &detach);
        let update = json!({"PolicyId": id, "Content": "{}"});
        boto(REGION, "organizations", "update_policy", &update);
        stand.updates("org_policy_attachment", &policy, &["document", "targets./workloads/production"]).await;
        // By its id, without keeping it: one target more, the others go.
        let by_id = json!({"policy": id, "targets": ["123456789012"], "exclusive": true});
        let planned = stand.plan("org_policy_attachment", &by_id).await;
        assert_eq!(planned.details.len(), 3, "{planned:?}");
        stand.deploy("org_policy_attachment", &by_id).await.unwrap();
        let targets = boto(REGION, "organizations", "list_targets_for_policy", &json!({"PolicyId": id}));
        assert_eq!(targets["Targets"][0]["TargetId"], "123456789012");
        // It is attached elsewhere now, so it stays.
        policy["state"] = json!("absent");
        assert_eq!(stand.plan("org_policy_attachment", &policy).await.action, TaskAction::None);
        stand.removes("org_policy_attachment", &by_id).await;
        let (planned, _) = stand.deploy("org_policy_attachment", &policy).await.unwrap();
        assert_eq!(paths_of(&planned), ["policy"]);
        assert_eq!(stand.plan("org_policy_attachment", &policy).await.action, TaskAction::None);

        let missing = json!({"policy": "p-12345678", "targets": ["/nowhere"]});
        let failure = stand.deploy("org_policy_attachment", &missing).await.unwrap_err();
        assert!(failure.message.contains("no policy `p-12345678`"), "{failure}");
        stand.removes("organizational_unit", &other).await;
        stand.removes("organizational_unit", &unit).await;
    });
}

#[test]
fn builds() {
    alone("tasks::moto::builds", &[], async || {
        let stand = Stand::new().await;
        let run = json!({"project": "kinds-build", "env": {"STAGE": "test", "N": 1, "TOKEN": {"type": "PARAMETER_STORE", "value": "/t"}}});
        let failure = stand.deploy("codebuild_run", &run).await.unwrap_err();
        assert!(failure.help.as_ref().unwrap().contains("correct `project`"), "{failure:?}");
        let project = json!({
            "name": "kinds-build", "source": {"type": "S3", "location": "bucket/path/file.zip"}, "artifacts": {"type": "S3", "location": "bucket"},
            "environment": {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
            "serviceRole": "arn:aws:iam::123456789012:role/build",
        });
        boto(REGION, "codebuild", "create_project", &project);
        let (planned, done) = stand.deploy("codebuild_run", &run).await.unwrap();
        assert_eq!(planned.action, TaskAction::Run);
        assert_eq!(paths_of(&planned), ["project", "env.N", "env.STAGE", "env.TOKEN"]);
        assert_eq!(done.outputs["status"], "SUCCEEDED");
        let builds = boto(REGION, "codebuild", "list_builds", &none());
        assert_eq!(builds["ids"], json!([done.outputs["build_id"]]));
        // It runs every time.
        assert_eq!(stand.plan("codebuild_run", &run).await.action, TaskAction::Run);
    });
}

#[test]
fn assertions() {
    alone("tasks::moto::assertions", &[], async || {
        let stand = Stand::new().await;
        let call = json!({"service": "ssm", "operation": "GetParameter", "input": {"Name": "/kinds/assert"}});
        let mut assertion = json!({"call": call, "query": "/Parameter/Value", "equals": "right"});
        let planned = stand.plan("assert", &assertion).await;
        assert_eq!(planned.action, TaskAction::Run);
        assert_eq!((&planned.details[0].before, &planned.details[0].after), (&None, &Some(json!("right"))));
        let put = |value: &str| {
            let put = json!({"Name": "/kinds/assert", "Value": value, "Type": "String", "Overwrite": true});
            boto(REGION, "ssm", "put_parameter", &put);
        };
        put("wrong");
        let failure = stand.deploy("assert", &assertion).await.unwrap_err();
        assert_eq!(
            failure.message,
            r#"the assertion does not hold: ssm GetParameter /Parameter/Value is "wrong", not "right""#
        );
        put("right");
        let planned = stand.plan("assert", &assertion).await;
        assert_eq!(planned.action, TaskAction::None);
        assert_eq!(planned.outputs["value"], "right");
        assertion["equals"].take();
        assertion["exists"] = json!(false);
        assertion["wait_seconds"] = json!(90);
        let before = stand.waited();
        stand.deploy("assert", &assertion).await.unwrap_err();
        assert_eq!((stand.waited() - before).as_secs(), 90);

        let stack = json!({"stack": "kinds-none", "exists": false});
        assert_eq!(stand.plan("assert", &stack).await.action, TaskAction::None);
        let value = json!({"value": {"a": [1, 2]}, "query": "a[1]", "equals": 2});
        assert_eq!(stand.plan("assert", &value).await.action, TaskAction::None);
        assert!(problems("assert", &json!({"value": 1}))[0].contains("`equals` or `exists`"));
        let other = json!({"call": {"service": "ssm", "operation": "PutParameter"}, "exists": true});
        assert!(problems("assert", &other)[0].contains("is no read that an assertion can make"));
    });
}
