//! Service Catalog as it behaves: names are not unique, lists have pages, what was associated is listed a little later,
//! shares with organizations and launches take time, portfolios that are not empty cannot be deleted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::served::{Call, Outcome, Refusal, Served, missing, page};
use crate::support::boto;

const REGION: &str = "eu-west-1";

#[derive(Default)]
pub(crate) struct Catalog {
    pub(crate) portfolios: BTreeMap<String, Portfolio>,
    pub(crate) products: BTreeMap<String, Product>,
    pub(crate) provisioned: BTreeMap<String, Provisioned>,
    records: BTreeMap<String, Record>,
    /// Settling shares: how often they are still asked for, and whether they end well.
    settling: BTreeMap<String, (u32, bool)>,
    /// Portfolios that an account took over.
    accepted: BTreeSet<(String, String)>,
    /// Tokens of requests that were carried out.
    tokens: BTreeMap<String, String>,
    /// Launches that fail with these words.
    pub(crate) fails: Option<String>,
    number: u32,
}

#[derive(Default, Clone)]
pub(crate) struct Portfolio {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) provider: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// With whom, and whether tag options and principals are shared.
    pub(crate) shares: BTreeMap<(String, String), (bool, bool)>,
    pub(crate) products: BTreeSet<String>,
    pub(crate) principals: BTreeSet<(String, String)>,
    pub(crate) constraints: BTreeMap<String, String>,
    /// Lists of what is in it that still show what was before.
    late: u32,
    before: (BTreeSet<String>, BTreeSet<(String, String)>),
}

#[derive(Default, Clone)]
pub(crate) struct Product {
    pub(crate) name: String,
    pub(crate) versions: Vec<(String, String)>,
    pub(crate) parameters: Vec<Value>,
    pub(crate) paths: Vec<(String, String)>,
}

#[derive(Clone)]
pub(crate) struct Provisioned {
    pub(crate) id: String,
    pub(crate) status: String,
    product: String,
    version: String,
    stack: Option<String>,
    good: Option<String>,
    tags: Value,
}

#[derive(Clone)]
struct Record {
    name: String,
    /// How often it is still asked for before it ends.
    left: u32,
    failed: Option<String>,
    stack: Option<String>,
    tags: Value,
}

/// Serves a catalog.
pub(crate) fn listen(port: u16) -> Served<Catalog> {
    Served::listen(port, &["servicecatalog"], Catalog::default(), Catalog::act)
}

impl Catalog {
    fn next(&mut self, prefix: &str) -> String {
        self.number += 1;
        format!("{prefix}-{:04}", self.number)
    }

    fn portfolio(&mut self, id: &str) -> Result<&mut Portfolio, Refusal> {
        self.portfolios.get_mut(id).ok_or_else(|| missing(id))
    }

    fn act(&mut self, call: &Call<'_>) -> Outcome {
        match call.operation {
            "ListPortfolios" => {
                // An account lists its own; all of this one's are the hub's.
                let own = self.portfolios.iter().filter(|_| call.account == super::served::HERE);
                let details = own.map(|(id, portfolio)| portfolio.detail(id)).collect();
                Ok(page(call.input, "PortfolioDetails", details))
            }
            "ListAcceptedPortfolioShares" => {
                let is_theirs = |id: &String| self.accepted.contains(&(call.account.to_owned(), id.clone()));
                let imported = call.text("PortfolioShareType") == "IMPORTED";
                let theirs = self.portfolios.iter().filter(|(id, _)| imported && is_theirs(id));
                let details = theirs.map(|(id, portfolio)| portfolio.detail(id)).collect();
                Ok(page(call.input, "PortfolioDetails", details))
            }
            "DescribePortfolio" => {
                let id = call.text("Id");
                let found = self.portfolio(id)?;
                let tags: Vec<Value> =
                    found.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
                Ok(
                    json!({"PortfolioDetail": found.detail(id), "Tags": tags, "TagOptions": [], "Budgets": []}),
                )
            }
            "CreatePortfolio" => {
                let token = call.text("IdempotencyToken").to_owned();
                let id = match self.tokens.get(&token) {
                    Some(id) => id.clone(),
                    None => self.next("port"),
                };
                self.tokens.insert(token, id.clone());
                let portfolio = Portfolio {
                    name: call.text("DisplayName").to_owned(),
                    description: call.text("Description").to_owned(),
                    provider: call.text("ProviderName").to_owned(),
                    tags: tags(&call.input["Tags"]),
                    ..Portfolio::default()
                };
                let detail = portfolio.detail(&id);
                self.portfolios.entry(id).or_insert(portfolio);
                Ok(json!({"PortfolioDetail": detail}))
            }
            "UpdatePortfolio" => {
                let id = call.text("Id");
                let found = self.portfolio(id)?;
                for (member, field) in
                    [("Description", &mut found.description), ("ProviderName", &mut found.provider)]
                {
                    if let Some(text) = call.input[member].as_str() {
                        text.clone_into(field);
                    }
                }
                for key in call.input["RemoveTags"].as_array().into_iter().flatten() {
                    found.tags.remove(key.as_str().unwrap());
                }
                found.tags.extend(tags(&call.input["AddTags"]));
                Ok(json!({"PortfolioDetail": found.detail(id)}))
            }
            "DeletePortfolio" => {
                let id = call.text("Id");
                let found = self.portfolio(id)?;
                let empty = found.shares.is_empty()
                    && found.products.is_empty()
                    && found.principals.is_empty()
                    && found.constraints.is_empty();
                if !empty {
                    return Err(Refusal("ResourceInUseException", format!("{id} is not empty")));
                }
                self.portfolios.remove(id);
                Ok(json!({}))
            }
            name if name.contains("PortfolioShare") => self.share(call),
            name if name.contains("Constraint") => self.constraint(call),
            name if name.contains("Principal") || name.contains("ProductFromPortfolio") => self.member(call),
            "SearchProductsAsAdmin" | "AssociateProductWithPortfolio" => self.member(call),
            _ => self.launch(call),
        }
    }

    fn share(&mut self, call: &Call<'_>) -> Outcome {
        let id = call.text("PortfolioId").to_owned();
        if call.operation == "DescribePortfolioShareStatus" {
            let token = call.text("PortfolioShareToken");
            let (left, good) = self.settling.get_mut(token).ok_or_else(|| missing(token))?;
            *left = left.saturating_sub(1);
            let errors =
                json!([{"Accounts": ["222222222222"], "Message": "no such unit", "Error": "NotFound"}]);
            return Ok(match (left, good) {
                (1.., _) => json!({"PortfolioShareToken": token, "Status": "IN_PROGRESS"}),
                (0, true) => json!({"PortfolioShareToken": token, "Status": "COMPLETED"}),
                (0, false) => json!({
                    "PortfolioShareToken": token, "Status": "COMPLETED_WITH_ERRORS",
                    "ShareDetails": {"SuccessfulShares": [], "ShareErrors": errors},
                }),
            });
        }
        let account = call.account.to_owned();
        let accepted = self.accepted.clone();
        let found = self.portfolio(&id)?;
        let whom = match call.input["AccountId"].as_str() {
            Some(account) => ("ACCOUNT".to_owned(), account.to_owned()),
            None => {
                let of = |member: &str| {
                    call.input["OrganizationNode"][member].as_str().unwrap_or_default().to_owned()
                };
                (of("Type"), of("Value"))
            }
        };
        let flag = |member: &str| call.input[member].as_bool().unwrap_or_default();
        match call.operation {
            "DescribePortfolioShares" => {
                let of_kind = found.shares.iter().filter(|((kind, _), _)| kind == call.text("Type"));
                let details = of_kind.map(|((kind, whom), (options, principals))| {
                    json!({
                        "PrincipalId": whom, "Type": kind, "ShareTagOptions": options,
                        "SharePrincipals": principals,
                        "Accepted": kind != "ACCOUNT" || accepted.contains(&(whom.clone(), id.clone())),
                    })
                });
                return Ok(page(call.input, "PortfolioShareDetails", details.collect()));
            }
            "AcceptPortfolioShare" => {
                if !found.shares.contains_key(&("ACCOUNT".to_owned(), account.clone())) {
                    return Err(missing(&id));
                }
                self.accepted.insert((account, id));
                return Ok(json!({}));
            }
            "CreatePortfolioShare" => {
                assert!(!found.shares.contains_key(&whom), "{whom:?} is shared with already");
                found.shares.insert(whom.clone(), (flag("ShareTagOptions"), flag("SharePrincipals")));
            }
            "UpdatePortfolioShare" => {
                *found.shares.get_mut(&whom).ok_or_else(|| missing(&whom.1))? =
                    (flag("ShareTagOptions"), flag("SharePrincipals"));
            }
            "DeletePortfolioShare" => {
                found.shares.remove(&whom).ok_or_else(|| missing(&whom.1))?;
            }
            other => panic!("{other}"),
        }
        if whom.0 == "ACCOUNT" {
            return Ok(json!({}));
        }
        let token = self.next("share");
        let good = call.operation == "DeletePortfolioShare" || !whom.1.contains("ou-bad");
        self.settling.insert(token.clone(), (3, good));
        Ok(json!({"PortfolioShareToken": token}))
    }

    fn constraint(&mut self, call: &Call<'_>) -> Outcome {
        if call.operation == "DeleteConstraint" {
            let id = call.text("Id");
            let mut holders = self.portfolios.values_mut();
            return match holders.find_map(|portfolio| portfolio.constraints.remove(id)) {
                Some(_) => Ok(json!({})),
                None => Err(missing(id)),
            };
        }
        assert_eq!(call.operation, "ListConstraintsForPortfolio");
        let found = self.portfolio(call.text("PortfolioId"))?;
        let of = |(id, product): (&String, &String)| json!({"ConstraintId": id, "Type": "LAUNCH", "ProductId": product});
        let details = found.constraints.iter().map(of).collect();
        Ok(page(call.input, "ConstraintDetails", details))
    }

    /// Products and principals of portfolios.
    fn member(&mut self, call: &Call<'_>) -> Outcome {
        let id = call.text("PortfolioId");
        let product = call.text("ProductId").to_owned();
        let known = self.products.clone();
        if call.operation == "SearchProductsAsAdmin" && id.is_empty() {
            let views = known.iter().map(view).collect();
            return Ok(page(call.input, "ProductViewDetails", views));
        }
        let found = self.portfolio(id)?;
        let kind = call.input["PrincipalType"].as_str().unwrap_or("IAM").to_owned();
        let principal = (call.text("PrincipalARN").to_owned(), kind);
        match call.operation {
            "SearchProductsAsAdmin" => {
                let inside = found.seen(call.input).0;
                let views = known.iter().filter(|(id, _)| inside.contains(*id)).map(view).collect();
                return Ok(page(call.input, "ProductViewDetails", views));
            }
            "ListPrincipalsForPortfolio" => {
                let inside = found.seen(call.input).1;
                let of = |(arn, kind): &(String, String)| json!({"PrincipalARN": arn, "PrincipalType": kind});
                return Ok(page(call.input, "Principals", inside.iter().map(of).collect()));
            }
            _ => found.remember(),
        }
        match call.operation {
            "AssociateProductWithPortfolio" if !known.contains_key(&product) => {
                return Err(missing(&product));
            }
            "AssociateProductWithPortfolio" => {
                found.products.insert(product);
            }
            "DisassociateProductFromPortfolio" => {
                if found.constraints.values().any(|constrained| *constrained == product) {
                    return Err(Refusal("ResourceInUseException", format!("{product} is constrained")));
                }
                if !found.products.remove(&product) {
                    return Err(missing(&product));
                }
            }
            "AssociatePrincipalWithPortfolio" => {
                found.principals.insert(principal);
            }
            "DisassociatePrincipalFromPortfolio" => {
                if !found.principals.remove(&principal) {
                    return Err(missing(&principal.0));
                }
            }
            other => panic!("{other}"),
        }
        Ok(json!({}))
    }

    fn launch(&mut self, call: &Call<'_>) -> Outcome {
        match call.operation {
            "DescribeProduct" => {
                let is_it = |(id, product): &(&String, &Product)| {
                    call.input["Id"].as_str() == Some(id)
                        || call.input["Name"].as_str() == Some(&product.name)
                };
                let found = self.products.iter().find(is_it);
                let (id, product) = found.ok_or_else(|| missing(&call.input.to_string()))?;
                let versions: Vec<Value> =
                    product.versions.iter().map(|(id, name)| json!({"Id": id, "Name": name})).collect();
                Ok(json!({
                    "ProductViewSummary": view((id, product))["ProductViewSummary"],
                    "ProvisioningArtifacts": versions,
                }))
            }
            "ListLaunchPaths" => {
                let product = self.products.get(call.text("ProductId")).ok_or_else(|| missing("product"))?;
                let paths = product.paths.iter().map(|(id, name)| json!({"Id": id, "Name": name})).collect();
                Ok(page(call.input, "LaunchPathSummaries", paths))
            }
            "DescribeProvisioningParameters" => {
                let product = self.products.get(call.text("ProductId")).ok_or_else(|| missing("product"))?;
                let version = call.text("ProvisioningArtifactId");
                assert!(product.versions.iter().any(|(id, _)| id == version), "{version}");
                Ok(json!({"ProvisioningArtifactParameters": product.parameters}))
            }
            "DescribeProvisionedProduct" => {
                let (name, _) = self.of_name_or_id(call.text("Name"), call.text("Id"))?;
                // Time goes on for whoever asks.
                let last = self.records.iter().rfind(|(_, record)| record.name == name);
                if let Some(record) = last.map(|(id, _)| json!({"Id": id})) {
                    self.record(&Call { input: &record, ..*call })?;
                }
                let (name, found) = self.of_name_or_id(&name, "")?;
                let mut detail = json!({
                    "Name": name, "Id": found.id, "Arn": format!("arn:aws:servicecatalog:{REGION}:1:stack/{name}/{}", found.id),
                    "Status": found.status, "ProductId": found.product, "ProvisioningArtifactId": found.version,
                });
                if let Some(record) = &found.good {
                    detail["LastSuccessfulProvisioningRecordId"] = json!(record);
                }
                Ok(json!({"ProvisionedProductDetail": detail}))
            }
            "DescribeRecord" => self.record(call),
            "ProvisionProduct" => self.provision(call),
            "UpdateProvisionedProduct" => self.update(call),
            "TerminateProvisionedProduct" => {
                let (name, found) = self.of_name_or_id("", call.text("ProvisionedProductId"))?;
                if let Some(stack) = &found.stack {
                    boto(REGION, "cloudformation", "delete_stack", &json!({"StackName": stack}));
                }
                let record = self.begin(&name, None, None, json!([]));
                self.provisioned.remove(&name);
                Ok(json!({"RecordDetail": {"RecordId": record, "Status": "CREATED"}}))
            }
            other => panic!("{other} is not served"),
        }
    }

    fn of_name_or_id(&self, name: &str, id: &str) -> Result<(String, Provisioned), Refusal> {
        let is_it = |(known, product): &(&String, &Provisioned)| *known == name || product.id == id;
        let found = self.provisioned.iter().find(is_it).ok_or_else(|| missing(name))?;
        Ok((found.0.clone(), found.1.clone()))
    }

    fn record(&mut self, call: &Call<'_>) -> Outcome {
        let id = call.text("Id");
        let record = self.records.get_mut(id).ok_or_else(|| missing(id))?;
        record.left = record.left.saturating_sub(1);
        let record = record.clone();
        let status = match (record.left, &record.failed) {
            (1.., _) => "IN_PROGRESS",
            (0, Some(_)) => "FAILED",
            (0, None) => "SUCCEEDED",
        };
        if let Some(product) = self.provisioned.get_mut(&record.name).filter(|_| record.left == 0)
            && product.status == "UNDER_CHANGE"
        {
            product.status = match (&record.failed, &product.good) {
                (None, _) => "AVAILABLE",
                (Some(_), None) => "ERROR",
                (Some(_), Some(_)) => "TAINTED",
            }
            .to_owned();
            if record.failed.is_none() {
                product.good = Some(id.to_owned());
                product.tags = record.tags.clone();
            }
        }
        let mut detail = json!({"RecordId": id, "Status": status, "RecordTags": record.tags});
        if let Some(words) = record.failed.filter(|_| record.left == 0) {
            detail["RecordErrors"] = json!([{"Code": "CFN", "Description": words}]);
        }
        let outputs = record.stack.into_iter().flat_map(|stack| {
            [("CloudformationStackARN", stack), ("Endpoint", "db.example".to_owned())]
                .map(|(key, value)| json!({"OutputKey": key, "OutputValue": value}))
        });
        let mut answer = page(call.input, "RecordOutputs", outputs.collect());
        answer["RecordDetail"] = detail;
        Ok(answer)
    }

    fn begin(&mut self, name: &str, failed: Option<String>, stack: Option<String>, tags: Value) -> String {
        let record = self.next("rec");
        let name = name.to_owned();
        self.records.insert(record.clone(), Record { name, left: 3, failed, stack, tags });
        record
    }

    fn provision(&mut self, call: &Call<'_>) -> Outcome {
        let name = call.text("ProvisionedProductName").to_owned();
        if let Some(record) = self.tokens.get(call.text("ProvisionToken")) {
            return Ok(json!({"RecordDetail": {"RecordId": record, "Status": "IN_PROGRESS"}}));
        }
        if self.provisioned.contains_key(&name) {
            return Err(Refusal("DuplicateResourceException", format!("{name} exists")));
        }
        let failed = self.fails.take();
        let stack = failed.is_none().then(|| {
            let create = json!({
                "StackName": format!("SC-{name}"), "TemplateBody": TEMPLATE, "Parameters": parameters(call, None),
            });
            let answer = boto(REGION, "cloudformation", "create_stack", &create);
            answer["StackId"].as_str().unwrap().to_owned()
        });
        let tags = call.input.get("Tags").cloned().unwrap_or_else(|| json!([]));
        let record = self.begin(&name, failed, stack.clone(), tags.clone());
        let id = self.next("pp");
        let (product, version) =
            (call.text("ProductId").to_owned(), call.text("ProvisioningArtifactId").to_owned());
        let status = "UNDER_CHANGE".to_owned();
        self.provisioned.insert(name, Provisioned { id, status, product, version, stack, good: None, tags });
        self.tokens.insert(call.text("ProvisionToken").to_owned(), record.clone());
        Ok(json!({"RecordDetail": {"RecordId": record, "Status": "CREATED"}}))
    }

    fn update(&mut self, call: &Call<'_>) -> Outcome {
        let (name, found) = self.of_name_or_id("", call.text("ProvisionedProductId"))?;
        assert_ne!(found.status, "UNDER_CHANGE", "{name}");
        let failed = self.fails.take();
        if let Some(stack) = found.stack.as_ref().filter(|_| failed.is_none()) {
            let update = json!({
                "StackName": stack, "TemplateBody": TEMPLATE, "Parameters": parameters(call, Some(stack)),
            });
            boto(REGION, "cloudformation", "update_stack", &update);
        }
        let tags = call.input.get("Tags").cloned().unwrap_or_else(|| found.tags.clone());
        let record = self.begin(&name, failed.clone(), found.stack.clone(), tags);
        let live = self.provisioned.get_mut(&name).unwrap();
        live.status = "UNDER_CHANGE".to_owned();
        if failed.is_none() {
            call.text("ProvisioningArtifactId").clone_into(&mut live.version);
        }
        Ok(json!({"RecordDetail": {"RecordId": record, "Status": "CREATED"}}))
    }
}

/// The stack behind a provisioned product.
const TEMPLATE: &str = r#"{
    "Parameters": {"Size": {"Type": "String", "Default": "small"}, "Name": {"Type": "String"}, "Password": {"Type": "String", "Default": "x", "NoEcho": true}},
    "Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::Sub": "${Size}${Name}"}}}}
}"#;

fn parameters(call: &Call<'_>, stack: Option<&String>) -> Vec<Value> {
    let given = call.input["ProvisioningParameters"].as_array().cloned().unwrap_or_default();
    let live =
        stack.map(|stack| boto(REGION, "cloudformation", "describe_stacks", &json!({"StackName": stack})));
    let before = |key: &Value| {
        let all = live.as_ref().and_then(|live| live["Stacks"][0]["Parameters"].as_array());
        let found = all.into_iter().flatten().find(|one| one["ParameterKey"] == *key);
        found.map_or_else(|| json!("x"), |one| one["ParameterValue"].clone())
    };
    let of = |one: &Value| match one.get("Value") {
        Some(value) => json!({"ParameterKey": one["Key"], "ParameterValue": value}),
        None => json!({"ParameterKey": one["Key"], "ParameterValue": before(&one["Key"])}),
    };
    given.iter().map(of).collect()
}

impl Portfolio {
    fn detail(&self, id: &str) -> Value {
        json!({
            "Id": id, "ARN": format!("arn:aws:catalog:{REGION}:123456789012:portfolio/{id}"),
            "DisplayName": self.name, "Description": self.description, "ProviderName": self.provider,
        })
    }

    /// From now on, lists are late.
    fn remember(&mut self) {
        self.before = (self.products.clone(), self.principals.clone());
        self.late = 2;
    }

    fn seen(&mut self, input: &Value) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
        if self.late > 0 && input.get("PageToken").is_none() {
            self.late -= 1;
            return self.before.clone();
        }
        (self.products.clone(), self.principals.clone())
    }
}

fn view((id, product): (&String, &Product)) -> Value {
    json!({"ProductViewSummary": {
        "Id": format!("prodview-{id}"), "ProductId": id, "Name": product.name, "Type": "CLOUD_FORMATION_TEMPLATE",
    }})
}

fn tags(list: &Value) -> BTreeMap<String, String> {
    let text = |tag: &Value, member: &str| tag[member].as_str().unwrap().to_owned();
    list.as_array().into_iter().flatten().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}
