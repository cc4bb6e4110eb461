//! `launch_role_constraint`: the role with which products of a portfolio are launched, as a stack.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::{
    Given, Gives, Keeps, ReadContext, TaskAction, TaskChange, TaskDone, TaskFailure, TaskKind, WriteContext,
};
use super::arguments::{Problems, Texts, Wanted, plain};
use super::calls::failure;
use super::catalog::{self, Product};
use super::changes::{Details, Outputs};
use super::stack::{self, Stack};

pub(super) struct LaunchRoleConstraint;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    portfolio: String,
    products: Products,
    role: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    stack_name: Option<String>,
    #[serde(default)]
    tags: Texts,
    #[serde(default)]
    state: Wanted,
}

/// All products of the portfolio, or some of them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "`products` must be `*` or a list of names and ids")]
enum Products {
    All(String),
    Some(Vec<String>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct State {
    /// The portfolio's id and products, once they can be found.
    target: Option<Target>,
    stack: Option<stack::Seen>,
}

#[derive(Serialize, Deserialize)]
struct Target {
    portfolio: String,
    products: Vec<String>,
    /// Names of products that the portfolio does not have.
    missing: Vec<String>,
}

impl Spec {
    fn stack_name(&self) -> String {
        self.stack_name.clone().unwrap_or_else(|| {
            let plain = |sign: char| if sign.is_ascii_alphanumeric() { sign } else { '-' };
            let name: String = self.portfolio.chars().map(plain).collect();
            format!("launch-role-constraints-{}", name.trim_matches('-'))
        })
    }

    fn stack(&self, target: &Target) -> Stack {
        let mut resources = Map::new();
        for product in &target.products {
            let mut properties = json!({"PortfolioId": target.portfolio, "ProductId": product});
            // A role by its name is looked for in the account in which the product is launched.
            let member = if self.role.starts_with("arn:") { "RoleArn" } else { "LocalRoleName" };
            properties[member] = json!(self.role);
            if let Some(text) = &self.description {
                properties["Description"] = json!(text);
            }
            let name: String = product.chars().filter(char::is_ascii_alphanumeric).collect();
            let kind = "AWS::ServiceCatalog::LaunchRoleConstraint";
            resources.insert(format!("Constraint{name}"), json!({"Type": kind, "Properties": properties}));
        }
        let template = json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": format!("Launch role constraints of {} (runway-rs)", self.portfolio),
            "Resources": Value::Object(resources),
        });
        Stack {
            name: self.stack_name(),
            template: template.to_string(),
            parameters: std::collections::BTreeMap::new(),
            tags: plain(&self.tags),
            capabilities: Vec::new(),
        }
    }

    /// The products of a portfolio by their ids.
    async fn target(&self, context: &ReadContext<'_>, portfolio: String) -> Result<Target, TaskFailure> {
        let mut target = Target { portfolio, products: Vec::new(), missing: Vec::new() };
        let wanted = match &self.products {
            Products::Some(wanted) => wanted,
            Products::All(_) => {
                let all = catalog::products(context, Some(&target.portfolio)).await?;
                target.products = all.into_iter().map(|product| product.id).collect();
                target.products.sort();
                return Ok(target);
            }
        };
        // Ids need not be looked up.
        let mut known: Option<Vec<Product>> = None;
        for wanted in wanted {
            if catalog::is_product_id(wanted) {
                target.products.push(wanted.clone());
                continue;
            }
            let listed = match known.take() {
                Some(listed) => listed,
                None => catalog::products(context, Some(&target.portfolio)).await?,
            };
            match catalog::product_of(&listed, wanted)? {
                Some(product) => target.products.push(product.id),
                None => target.missing.push(wanted.clone()),
            }
            known = Some(listed);
        }
        target.products.sort();
        target.products.dedup();
        Ok(target)
    }
}

#[async_trait]
impl TaskKind for LaunchRoleConstraint {
    const KIND: &'static str = "launch_role_constraint";
    const REVISION: u32 = 1;
    const RETAINS: bool = false;
    const KEEPS: Keeps = Keeps::Stack;
    const SERVICE: &'static str = "servicecatalog";
    const ALSO: &'static [&'static str] = &["cloudformation"];
    const GIVES: Gives = Gives::only(&[
        Given::staying("portfolio_id", &["portfolio"]),
        Given::staying("stack_id", &["stack_name", "portfolio"]),
        Given::staying("stack_name", &["stack_name", "portfolio"]),
    ]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        spec.stack_name()
    }

    fn undeletable(spec: &Spec, state: &State) -> Option<TaskFailure> {
        state.stack.as_ref().and_then(|seen| seen.undeletable(&spec.stack_name()))
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("portfolio", &spec.portfolio, 100).length("role", &spec.role, 1224);
        problems.tags(Some(&spec.tags));
        let name = spec.stack_name();
        problems.length("stack_name", &name, 128).signs("stack_name", &name, "-");
        match &spec.products {
            Products::All(all) => {
                problems.when(all != "*", "`products` is `*` for all, or a list of names and ids");
            }
            Products::Some(products) => {
                problems.when(products.is_empty(), "`products` names no product");
                // CloudFormation's limit.
                problems.when(products.len() > 500, "a stack has at most 500 resources: use two tasks");
            }
        }
        problems.take()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        // What all products are changes by itself.
        spec.state == Wanted::Present && matches!(spec.products, Products::Some(_))
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let target = match spec.state {
            Wanted::Present => match catalog::portfolio_by(context, &spec.portfolio).await? {
                Some(portfolio) => Some(spec.target(context, portfolio.id).await?),
                None => None,
            },
            Wanted::Absent => None,
        };
        Ok(State { target, stack: stack::read(context, &spec.stack_name(), true).await? })
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        if spec.state == Wanted::Absent {
            return self.diff_removed(spec, state);
        }
        match &state.target {
            Some(target) if target.missing.is_empty() && !target.products.is_empty() => {
                let stack = spec.stack(target);
                let mut planned = stack.diff(state.stack.as_ref());
                planned.outputs.insert("portfolio_id".to_owned(), target.portfolio.clone());
                planned
            }
            // Known once the portfolio and its products are there.
            target => {
                let action = if state.stack.is_some() { TaskAction::Update } else { TaskAction::Create };
                let mut details = Details::default();
                details.text("portfolio", None, Some(&spec.portfolio)).text("role", None, Some(&spec.role));
                for product in target.iter().flat_map(|target| &target.missing) {
                    details.text("products", None, Some(product));
                }
                details.of(action, Outputs::default().with("stack_name", spec.stack_name()))
            }
        }
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        stack::diff_absent(&spec.stack_name(), state.stack.as_ref())
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        if planned.action == TaskAction::Delete {
            return stack::remove(context, &spec.stack_name()).await;
        }
        let portfolio = catalog::existing_portfolio(&context.read, &spec.portfolio).await?;
        let target = spec.target(&context.read, portfolio.id).await?;
        if !target.missing.is_empty() || target.products.is_empty() {
            let missing = match target.missing.is_empty() {
                true => "products".to_owned(),
                false => format!("product {}", target.missing.join(", ")),
            };
            return Err(failure(
                format!("the portfolio {} has no {missing}", spec.portfolio),
                "correct `products`, or let the task require the one that adds the product",
            ));
        }
        let mut done = spec.stack(&target).ensure(context, planned.action).await?;
        done.outputs.insert("portfolio_id".to_owned(), target.portfolio);
        Ok(done)
    }
}
