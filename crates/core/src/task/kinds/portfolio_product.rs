//! `portfolio_product`: a product in a portfolio.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::{
    Change, Given, Gives, Identity, ReadContext, Service, TaskAction, TaskChange, TaskDone, TaskFailure,
    TaskKind, WriteContext,
};
use super::arguments::{Problems, Wanted};
use super::calls::{Patience, change, failure, refused, unless};
use super::catalog::{self, MISSING};
use super::changes::{Details, Outputs, nothing};
use super::contents::DISASSOCIATE_PRODUCT;

const ASSOCIATE: Change = Change::new(Service::ServiceCatalog, "AssociateProductWithPortfolio");
/// How long the service may take until it lists what was associated.
const LIMIT: Duration = Duration::from_secs(120);

pub(super) struct PortfolioProduct;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    portfolio: String,
    product: String,
    #[serde(default)]
    source_portfolio: Option<String>,
    #[serde(default)]
    state: Wanted,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State {
    portfolio: Option<String>,
    product: Option<String>,
    source_portfolio: Option<String>,
    associated: bool,
}

impl State {
    const NOTHING: Self = Self { portfolio: None, product: None, source_portfolio: None, associated: false };
}

#[async_trait]
impl TaskKind for PortfolioProduct {
    const KIND: &'static str = "portfolio_product";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const SERVICE: &'static str = "servicecatalog";
    const GIVES: Gives = Gives::only(&[
        Given::staying("portfolio_id", &["portfolio"]),
        Given::staying("product_id", &["product"]),
    ]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        format!("{} {}", spec.portfolio, spec.product)
    }

    fn identity(_spec: &Spec, state: &State) -> Option<Identity> {
        let (portfolio, product) = state.portfolio.as_ref().zip(state.product.as_ref())?;
        Some(Identity { subject: format!("{portfolio} {product}"), parts: None })
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("portfolio", &spec.portfolio, 100).length("product", &spec.product, 8191);
        if let Some(source) = &spec.source_portfolio {
            problems.length("source_portfolio", source, 100);
            problems.when(*source == spec.portfolio, "`source_portfolio` is the portfolio itself");
        }
        problems.take()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        spec.state == Wanted::Present
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let Some(portfolio) = catalog::portfolio_by(context, &spec.portfolio).await? else {
            return Ok(State::NOTHING);
        };
        let inside = catalog::products(context, Some(&portfolio.id)).await?;
        let mut state = State { portfolio: Some(portfolio.id), ..State::NOTHING };
        if let Some(product) = catalog::product_of(&inside, &spec.product)? {
            return Ok(State { product: Some(product.id), associated: true, ..state });
        }
        if spec.state == Wanted::Absent {
            return Ok(state);
        }
        if let Some(source) = &spec.source_portfolio {
            let found = catalog::portfolio_by(context, source).await?;
            state.source_portfolio = found.map(|portfolio| portfolio.id);
        }
        state.product = if catalog::is_product_id(&spec.product) {
            Some(spec.product.clone())
        } else {
            let all = catalog::products(context, state.source_portfolio.as_deref()).await?;
            catalog::product_of(&all, &spec.product)?.map(|product| product.id)
        };
        Ok(state)
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        if spec.state == Wanted::Absent {
            return self.diff_removed(spec, state);
        }
        let mut details = Details::default();
        if state.associated {
            return details.update(outputs(state));
        }
        details.text("products", None, Some(&spec.product));
        details.of(TaskAction::Create, outputs(state))
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        if !state.associated {
            return nothing();
        }
        let mut details = Details::default();
        details.text("products", Some(&spec.product), None);
        details.of(TaskAction::Delete, Outputs::default())
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let state = self.read(&context.read, spec).await?;
        let present = planned.action != TaskAction::Delete;
        if state.associated == present {
            return Ok(if present { outputs(&state).into() } else { TaskDone::default() });
        }
        let Some(portfolio) = state.portfolio.clone() else {
            // Says what is missing.
            catalog::existing_portfolio(&context.read, &spec.portfolio).await?;
            return Err(no_product(spec));
        };
        let Some(product) = state.product.clone() else { return Err(no_product(spec)) };
        let mut input = json!({"ProductId": product, "PortfolioId": portfolio});
        if present {
            if spec.source_portfolio.is_some() {
                let Some(source) = &state.source_portfolio else { return Err(no_product(spec)) };
                input["SourcePortfolioId"] = json!(source);
            }
            change(context, ASSOCIATE, &input).await?;
        } else {
            match unless(change(context, DISASSOCIATE_PRODUCT, &input).await, &MISSING) {
                Err(failed) if failed.is(&["ResourceInUseException"]) => {
                    return Err(refused(
                        failed,
                        "constraints still name the product: remove them first, for example with `launch_role_constraint` and `state: absent`",
                    ));
                }
                answer => {
                    answer?;
                }
            }
        }
        let mut patience = Patience::of(LIMIT);
        loop {
            let inside = catalog::products(&context.read, Some(&portfolio)).await?;
            if inside.iter().any(|inside| inside.id == product) == present {
                return Ok(if present { outputs(&state).into() } else { TaskDone::default() });
            }
            if !patience.pause(context).await {
                return Err(failure(
                    format!("the portfolio {} does not show the change of {product}", spec.portfolio),
                    "run the command again later",
                ));
            }
        }
    }
}

fn no_product(spec: &Spec) -> TaskFailure {
    let place = spec.source_portfolio.as_ref().map_or_else(
        || "in this account and region".to_owned(),
        |source| format!("in the portfolio {source}"),
    );
    failure(
        format!("there is no product `{}` {place}", spec.product),
        "correct the name, or let the task require the one that makes the product",
    )
}

fn outputs(state: &State) -> Outputs {
    let mut outputs = Outputs::default();
    if let Some(id) = &state.portfolio {
        outputs = outputs.with("portfolio_id", id);
    }
    if let Some(id) = &state.product {
        outputs = outputs.with("product_id", id);
    }
    outputs
}
