//! Service Catalog as it behaves: names are not unique, lists have pages, what was associated is listed a little later,
//! shares with organizations and launches take time, portfolios that are not empty cannot be deleted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::served::{Call, Outcome, Refusal, Served, missing, page};

pub(super) const REGION: &str = "eu-west-1";

#[derive(Default)]
pub(crate) struct Catalog {
    pub(crate) portfolios: BTreeMap<String, Portfolio>,
    pub(crate) products: BTreeMap<String, Product>,
    pub(crate) provisioned: BTreeMap<String, Provisioned>,
    pub(super) records: BTreeMap<String, Record>,
    /// Settling shares: how often they are still asked for, and whether they end well.
    settling: BTreeMap<String, (u32, bool)>,
    /// Portfolios that an account took over.
    accepted: BTreeSet<(String, String)>,
    /// Tokens of requests that were carried out.
    pub(super) tokens: BTreeMap<String, String>,
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
    pub(super) product: String,
    pub(super) version: String,
    pub(super) stack: Option<String>,
    pub(super) good: Option<String>,
    pub(super) tags: Value,
}

#[derive(Clone)]
pub(super) struct Record {
    pub(super) name: String,
    /// How often it is still asked for before it ends.
    pub(super) left: u32,
    pub(super) failed: Option<String>,
    pub(super) stack: Option<String>,
    pub(super) tags: Value,
}

/// Serves a catalog.
pub(crate) fn listen(port: u16) -> Served<Catalog> {
    Served::listen(port, &["servicecatalog"], Catalog::default(), Catalog::act)
}

impl Catalog {
    pub(super) fn next(&mut self, prefix: &str) -> String {
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

pub(super) fn view((id, product): (&String, &Product)) -> Value {
    json!({"ProductViewSummary": {
        "Id": format!("prodview-{id}"), "ProductId": id, "Name": product.name, "Type": "CLOUD_FORMATION_TEMPLATE",
    }})
}

fn tags(list: &Value) -> BTreeMap<String, String> {
    let text = |tag: &Value, member: &str| tag[member].as_str().unwrap().to_owned();
    list.as_array().into_iter().flatten().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}
