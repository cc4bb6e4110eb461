//! Kinds of Service Catalog, against a catalog of the test's own.

use runway_core::task::{TaskAction, TaskPlace};
use serde_json::{Value, json};

use super::catalog::{self, Product};
use super::stand::{Stand, paths_of};
use crate::support::{alone, boto, free_port, variable};

const PORT: &str = "RUNWAY_RS_SERVICES_CATALOG";

/// As [`alone`], with Service Catalog and STS at a server that the test starts on [`port`].
#[track_caller]
fn alone_with_catalog<F: Future<Output = ()>>(test: &str, body: impl FnOnce() -> F) {
    let port = free_port().to_string();
    let endpoint = format!("http://127.0.0.1:{port}");
    let settings = [
        ("AWS_ENDPOINT_URL_SERVICE_CATALOG", endpoint.as_str()),
        ("AWS_ENDPOINT_URL_STS", &endpoint),
        (PORT, &port),
    ];
    alone(test, &settings, body);
}

fn port() -> u16 {
    variable(PORT).unwrap().parse().unwrap()
}

fn parameter(name: &str, default: Option<&str>, more: Value) -> Value {
    let mut parameter = more;
    parameter["ParameterKey"] = json!(name);
    if let Some(default) = default {
        parameter["DefaultValue"] = json!(default);
    }
    parameter
}

fn product(name: &str) -> Product {
    Product {
        name: name.to_owned(),
        versions: vec![("pa-1".to_owned(), "v1".to_owned()), ("pa-2".to_owned(), "v2".to_owned())],
        parameters: vec![
            parameter(
                "Size",
                Some("small"),
                json!({"ParameterConstraints": {"AllowedValues": ["small", "large"]}}),
            ),
            parameter("Name", None, json!({})),
            parameter("Password", None, json!({"IsNoEcho": true})),
        ],
        paths: vec![("lpv3-1".to_owned(), "core".to_owned())],
    }
}

#[test]
fn portfolios() {
    alone_with_catalog("tasks::servicecatalog::portfolios", async || {
        let served = catalog::listen(port());
        let stand = Stand::new().await;
        let mut portfolio = json!({
            "name": "Core", "description": "first", "provider": "platform", "tags": {"team": "core", "stage": "a"},
        });
        // The answer to the request that makes it is lost; another one of the name is in the way of nobody.
        served.loses("CreatePortfolio");
        let failure = stand.deploy("portfolio", &portfolio).await.unwrap_err();
        assert!(failure.message.starts_with("CreatePortfolio of Core failed"), "{failure}");
        let planned = stand.plan("portfolio", &portfolio).await;
        assert_eq!(planned.action, TaskAction::None);
        let id = planned.outputs["id"].clone();

        portfolio["description"] = json!("second");
        portfolio["tags"] = json!({"team": "other", "new": "tag"});
        portfolio["provider"] = json!("us");
        served.refuses("UpdatePortfolio", "ThrottlingException");
        let paths = ["description", "provider", "tags.new", "tags.stage", "tags.team"];
        stand.updates("portfolio", &portfolio, &paths).await;
        {
            let mut world = served.world.lock().unwrap();
            let live = world.portfolios.get_mut(&id).unwrap();
            assert_eq!((live.description.as_str(), live.provider.as_str()), ("second", "us"));
            assert_eq!(live.tags.len(), 2);
            // By hand.
            "third".clone_into(&mut live.description);
            live.products.insert("prod-1".to_owned());
            live.principals.insert(("arn:aws:iam::123456789012:role/x".to_owned(), "IAM".to_owned()));
            live.constraints.insert("cons-1".to_owned(), "prod-1".to_owned());
            live.shares.insert(("ACCOUNT".to_owned(), "222222222222".to_owned()), (false, false));
            live.shares.insert(("ORGANIZATION".to_owned(), "o-abc123defg".to_owned()), (false, true));
            world.products.insert("prod-1".to_owned(), product("db"));
        }
        stand.updates("portfolio", &portfolio, &["description"]).await;
        let full = json!({"name": "Core", "state": "absent"});
        let failure = stand.deploy("portfolio", &full).await.unwrap_err();
        assert!(failure.help.unwrap().contains("empty_first: true"));
        let empty = json!({"name": "Core", "state": "absent", "empty_first": true});
        let (planned, _) = stand.deploy("portfolio", &empty).await.unwrap();
        let paths = [
            "accounts.222222222222",
            "organization.o-abc123defg",
            "constraints.cons-1",
            "products.prod-1",
            "principals.arn:aws:iam::123456789012:role/x",
            "name",
        ];
        assert_eq!(paths_of(&planned), paths);
        assert!(served.world.lock().unwrap().portfolios.is_empty());
        assert_eq!(stand.plan("portfolio", &empty).await.action, TaskAction::None);
    });
}

#[test]
fn shares() {
    alone_with_catalog("tasks::servicecatalog::shares", async || {
        let served = catalog::listen(port());
        let stand = Stand::new().await;
        stand.creates("portfolio", &json!({"name": "Core"})).await;
        let mut share = json!({
            "portfolio": "Core", "share_tag_options": true, "organization": "o-abc123defg",
            "ous": ["arn:aws:organizations::123456789012:ou/o-abc123defg/ou-abcd-12345678"],
        });
        let before = stand.waited();
        stand.creates("portfolio_share", &share).await;
        assert!(stand.waited() > before, "shares with organizations are waited for");
        share["share_principals"] = json!(true);
        let paths = ["ous.ou-abcd-12345678.share_principals", "organization.o-abc123defg.share_principals"];
        stand.updates("portfolio_share", &share, &paths).await;
        stand.removes("portfolio_share", &share).await;
        let bad = json!({"portfolio": "Core", "ous": ["ou-bad1-12345678"]});
        let failure = stand.deploy("portfolio_share", &bad).await.unwrap_err();
        assert!(failure.message.contains("no such unit (222222222222)"), "{failure}");
        stand.removes("portfolio_share", &bad).await;

        // Accounts accept, each as itself.
        let accept = json!({
            "portfolio": "Core", "accounts": ["222222222222", "333333333333"], "accept": true,
            "accept_roles": ["arn:aws:iam::{account}:role/spoke"],
        });
        served.loses("AcceptPortfolioShare");
        stand.deploy("portfolio_share", &accept).await.unwrap_err();
        let paths = ["accounts.333333333333", "accounts.333333333333.accepted"];
        let planned = stand.plan("portfolio_share", &accept).await;
        assert_eq!(paths_of(&planned), paths);
        stand.updates("portfolio_share", &accept, &paths).await;
        assert_eq!(served.count("AcceptPortfolioShare"), 2);

        // The spoke knows the portfolio by its name now.
        let there = TaskPlace {
            account: Some("222222222222".to_owned()),
            region: None,
            role_chain: vec!["arn:aws:iam::222222222222:role/spoke".to_owned()],
        };
        let spoke = stand.at(there);
        let principal = json!({
            "portfolio": "Core", "principal_arn": "arn:aws:iam::222222222222:role/user",
        });
        spoke.creates("portfolio_principal", &principal).await;
        spoke.removes("portfolio_principal", &principal).await;
    });
}

#[test]
fn products_and_principals() {
    alone_with_catalog("tasks::servicecatalog::products_and_principals", async || {
        let served = catalog::listen(port());
        let stand = Stand::new().await;
        let item = json!({"portfolio": "Core", "product": "db"});
        // Neither is there yet: the plan says so, a deploy says what is missing.
        assert_eq!(stand.plan("portfolio_product", &item).await.action, TaskAction::Create);
        let failure = stand.deploy("portfolio_product", &item).await.unwrap_err();
        assert!(failure.message.contains("there is no portfolio `Core`"), "{failure}");
        let id = stand.creates("portfolio", &json!({"name": "Core"})).await.outputs["id"].clone();
        let failure = stand.deploy("portfolio_product", &item).await.unwrap_err();
        assert!(failure.message.contains("there is no product `db`"), "{failure}");
        for number in ["prod-1", "prod-2", "prod-3"] {
            served.world.lock().unwrap().products.insert(number.to_owned(), product("db"));
        }
        let failure = stand.try_plan("portfolio_product", &item).await.unwrap_err();
        assert!(failure.message.contains("3 products are called `db`: prod-1, prod-2, prod-3"), "{failure}");
        served.world.lock().unwrap().products.retain(|id, _| id != "prod-1");
        served.world.lock().unwrap().products.get_mut("prod-3").unwrap().name = "web".to_owned();
        let done = stand.creates("portfolio_product", &item).await;
        assert_eq!(done.outputs["product_id"], "prod-2");
        let by_id = json!({"portfolio": id, "product": "prod-3"});
        stand.creates("portfolio_product", &by_id).await;

        // By hand.
        served.world.lock().unwrap().portfolios.get_mut(&id).unwrap().products.remove("prod-2");
        served.loses("AssociateProductWithPortfolio");
        stand.deploy("portfolio_product", &item).await.unwrap_err();
        let constraint = |world: &mut catalog::Catalog, put: bool| {
            let constraints = &mut world.portfolios.get_mut(&id).unwrap().constraints;
            if put {
                constraints.insert("cons-1".to_owned(), "prod-2".to_owned());
            } else {
                constraints.clear();
            }
        };
        constraint(&mut served.world.lock().unwrap(), true);
        let absent = json!({"portfolio": "Core", "product": "db", "state": "absent"});
        // Lists are late.
        stand.plan("portfolio_product", &absent).await;
        stand.plan("portfolio_product", &absent).await;
        let failure = stand.deploy("portfolio_product", &absent).await.unwrap_err();
        assert!(failure.help.unwrap().contains("constraints still name the product"));
        constraint(&mut served.world.lock().unwrap(), false);
        stand.removes("portfolio_product", &item).await;
        // Into another portfolio.
        stand.creates("portfolio", &json!({"name": "Copy"})).await;
        let copy = json!({"portfolio": "Copy", "product": "web", "source_portfolio": "Core"});
        stand.creates("portfolio_product", &copy).await;
        let asked = served.inputs("AssociateProductWithPortfolio");
        assert_eq!(asked.last().unwrap()["SourcePortfolioId"], json!(id));

        let principal = json!({
            "portfolio": "Core", "principal_arn": "arn:aws:iam:::role/launch*", "principal_type": "IAM_PATTERN",
        });
        stand.creates("portfolio_principal", &principal).await;
        served.world.lock().unwrap().portfolios.get_mut(&id).unwrap().principals.clear();
        stand.creates("portfolio_principal", &principal).await;
        stand.removes("portfolio_principal", &principal).await;

        // Constraints by the names of products.
        let constraint = json!({"portfolio": "Core", "products": ["web"], "role": "launcher"});
        stand.creates("launch_role_constraint", &constraint).await;
        let all = json!({"portfolio": "Core", "products": "*", "role": "launcher"});
        assert_eq!(stand.plan("launch_role_constraint", &all).await.action, TaskAction::None);
        let other = json!({"portfolio": "Core", "products": ["nothing"], "role": "launcher"});
        let failure = stand.deploy("launch_role_constraint", &other).await.unwrap_err();
        assert!(failure.message.contains("has no product nothing"), "{failure}");
        stand.removes("launch_role_constraint", &constraint).await;
    });
}

#[test]
fn provisioned_products() {
    alone_with_catalog("tasks::servicecatalog::provisioned_products", async || {
        let served = catalog::listen(port());
        let stand = Stand::new().await;
        let mut launch = json!({
            "name": "kinds-db", "product": "db", "version": "v1",
            "parameters": {"Name": "a", "Password": "hush"}, "tags": {"a": "b"},
        });
        assert_eq!(stand.plan("provisioned_product", &launch).await.action, TaskAction::Create);
        let failure = stand.deploy("provisioned_product", &launch).await.unwrap_err();
        assert!(failure.message.contains("there is no version `v1` of a product `db`"), "{failure}");
        served.world.lock().unwrap().products.insert("prod-1".to_owned(), product("db"));

        for (parameters, words) in [
            (json!({"Name": "a", "Nmae": "b"}), "has no parameter `Nmae`"),
            (json!({"Size": "large"}), "needs the parameter `Name`"),
            (json!({"Name": "a", "Size": "huge"}), "does not take this value of the parameter `Size`"),
        ] {
            let mut wrong = launch.clone();
            wrong["parameters"] = parameters;
            let planned = stand.plan("provisioned_product", &wrong).await;
            assert_eq!(planned.details[0].path, "problem");
            let failure = stand.apply("provisioned_product", &wrong, &planned).await.unwrap_err();
            assert!(failure.message.contains(words), "{failure}");
            assert_eq!(planned.details[0].after, Some(json!(failure.message)));
        }

        // A first launch that fails is removed before it is launched again.
        served.world.lock().unwrap().fails = Some("Topic failed".to_owned());
        let failure = stand.deploy("provisioned_product", &launch).await.unwrap_err();
        assert_eq!(failure.message, "the provisioned product kinds-db failed: Topic failed");
        let planned = stand.plan("provisioned_product", &launch).await;
        assert_eq!(planned.details[0].path, "status");
        assert!(!format!("{planned:?}").contains("hush"), "{planned:?}");
        let all = [
            "status",
            "product",
            "version",
            "parameters.Name",
            "parameters.Password",
            "parameters.Size",
            "tags.a",
        ];
        let done = stand.recreates("provisioned_product", &launch, &all).await;
        assert_eq!(served.count("TerminateProvisionedProduct"), 1);
        assert_eq!(done.outputs["Endpoint"], "db.example");
        assert_eq!(done.outputs["version_id"], "pa-1");
        assert!(!stand.state("provisioned_product", &launch).await.to_string().contains("hush"));

        launch["version"] = json!("v2");
        launch["parameters"] = json!({"Name": "b", "Size": "large"});
        let paths = ["version", "parameters.Name", "parameters.Size"];
        stand.updates("provisioned_product", &launch, &paths).await;
        let sent = &served.inputs("UpdateProvisionedProduct")[0]["ProvisioningParameters"];
        assert_eq!(sent[2], json!({"Key": "Password", "UsePreviousValue": true}));
        // By hand: its stack has another value.
        let stack = "SC-kinds-db";
        let values = |name: &str| {
            let pair = |key: &str, value: &str| json!({"ParameterKey": key, "ParameterValue": value});
            json!([pair("Name", name), pair("Size", "large"), pair("Password", "hush")])
        };
        let update = json!({"StackName": stack, "UsePreviousTemplate": true, "Parameters": values("x")});
        boto("eu-west-1", "cloudformation", "update_stack", &update);
        stand.updates("provisioned_product", &launch, &["parameters.Name"]).await;
        // An update that fails leaves it tainted; the next one mends it.
        launch["parameters"]["Name"] = json!("c");
        served.world.lock().unwrap().fails = Some("no".to_owned());
        stand.deploy("provisioned_product", &launch).await.unwrap_err();
        stand.updates("provisioned_product", &launch, &["status", "parameters.Name"]).await;

        // The answer to a launch is lost.
        let mut other = launch.clone();
        other["name"] = json!("kinds-other");
        served.loses("ProvisionProduct");
        stand.deploy("provisioned_product", &other).await.unwrap_err();
        let (planned, _) = stand.deploy("provisioned_product", &other).await.unwrap();
        assert_eq!(planned.action, TaskAction::Update, "{planned:?}");
        served.loses("TerminateProvisionedProduct");
        other["state"] = json!("absent");
        stand.deploy("provisioned_product", &other).await.unwrap_err();
        assert_eq!(stand.plan("provisioned_product", &other).await.action, TaskAction::None);
        stand.removes("provisioned_product", &launch).await;

        // Several paths.
        let paths = vec![("lpv3-1".to_owned(), "core".to_owned()), ("lpv3-2".to_owned(), "edge".to_owned())];
        served.world.lock().unwrap().products.get_mut("prod-1").unwrap().paths = paths;
        let failure = stand.deploy("provisioned_product", &launch).await.unwrap_err();
        assert_eq!(failure.help.unwrap(), "name one of them in `path`: core, edge");
        launch["path"] = json!("edge");
        stand.creates("provisioned_product", &launch).await;
        let sent = served.inputs("ProvisionProduct");
        assert_eq!(sent.last().unwrap()["PathId"], "lpv3-2");
        stand.removes("provisioned_product", &launch).await;
    });
}
