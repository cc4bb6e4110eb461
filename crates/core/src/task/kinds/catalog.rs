//! Service Catalog: finding portfolios and products by name or id.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Read, ReadContext, Service, TaskFailure};
use super::calls::{Pages, failure, text, unless};

/// The service says so of things that do not exist, and of things of other accounts.
pub(super) const MISSING: [&str; 1] = ["ResourceNotFoundException"];

const PORTFOLIOS: Pages = Pages {
    read: Read::new(Service::ServiceCatalog, "ListPortfolios"),
    member: "PortfolioDetails",
    token: ("PageToken", "NextPageToken"),
};
const ACCEPTED: Pages = Pages {
    read: Read::new(Service::ServiceCatalog, "ListAcceptedPortfolioShares"),
    member: "PortfolioDetails",
    token: ("PageToken", "NextPageToken"),
};
const PRODUCTS: Pages = Pages {
    read: Read::new(Service::ServiceCatalog, "SearchProductsAsAdmin"),
    member: "ProductViewDetails",
    token: ("PageToken", "NextPageToken"),
};
const DESCRIBE: Read = Read::new(Service::ServiceCatalog, "DescribePortfolio");

/// A portfolio.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Portfolio {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) provider: String,
}

/// A product of a portfolio or an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Product {
    pub(super) id: String,
    pub(super) name: String,
}

fn portfolio(detail: &Value) -> Portfolio {
    let of = |pointer: &str| text(detail, pointer).unwrap_or_default();
    Portfolio {
        id: of("/Id"),
        arn: of("/ARN"),
        name: of("/DisplayName"),
        description: text(detail, "/Description").filter(|text| !text.is_empty()),
        provider: of("/ProviderName"),
    }
}

/// One of several things by name; two of one name are told apart by their ids only.
fn only<T>(
    found: Vec<T>,
    what: &str,
    name: &str,
    id: impl Fn(&T) -> String,
) -> Result<Option<T>, TaskFailure> {
    if found.len() > 1 {
        let ids: Vec<String> = found.iter().map(id).collect();
        return Err(failure(
            format!("{} {what}s are called `{name}`: {}", ids.len(), ids.join(", ")),
            format!("name the {what} by its id"),
        ));
    }
    Ok(found.into_iter().next())
}

/// A portfolio of the account by its name.
pub(super) async fn own_portfolio(
    context: &ReadContext<'_>,
    name: &str,
) -> Result<Option<Portfolio>, TaskFailure> {
    let listed = PORTFOLIOS.all(context, json!({})).await?;
    let all: Vec<Portfolio> = listed.iter().map(portfolio).collect();
    choose(all, name)
}

fn choose(all: Vec<Portfolio>, name: &str) -> Result<Option<Portfolio>, TaskFailure> {
    if let Some(found) = all.iter().find(|portfolio| portfolio.id == name) {
        return Ok(Some(found.clone()));
    }
    let named = all.into_iter().filter(|portfolio| portfolio.name == name).collect();
    only(named, "portfolio", name, |portfolio: &Portfolio| portfolio.id.clone())
}

/// A portfolio by its name or id: one of the account, or one that was shared with it.
pub(super) async fn portfolio_by(
    context: &ReadContext<'_>,
    wanted: &str,
) -> Result<Option<Portfolio>, TaskFailure> {
    if wanted.starts_with("port-") {
        let found = unless(context.call(DESCRIBE, &json!({"Id": wanted})).await, &MISSING)?;
        return Ok(found.as_ref().and_then(|found| found.get("PortfolioDetail")).map(portfolio));
    }
    if let Some(found) = own_portfolio(context, wanted).await? {
        return Ok(Some(found));
    }
    let mut shared: Vec<Portfolio> = Vec::new();
    for kind in ["IMPORTED", "AWS_ORGANIZATIONS"] {
        let listed = ACCEPTED.all(context, json!({"PortfolioShareType": kind})).await?;
        let fresh = listed.iter().map(portfolio);
        let fresh: Vec<Portfolio> =
            fresh.filter(|new| shared.iter().all(|known| known.id != new.id)).collect();
        shared.extend(fresh);
    }
    choose(shared, wanted)
}

/// A portfolio that has to be there by now.
pub(super) async fn existing_portfolio(
    context: &ReadContext<'_>,
    wanted: &str,
) -> Result<Portfolio, TaskFailure> {
    portfolio_by(context, wanted).await?.ok_or_else(|| {
        failure(
            format!("there is no portfolio `{wanted}` in this account and region"),
            "correct the name, or let the task require the one that creates or shares the portfolio",
        )
    })
}

/// The products of a portfolio, or of the account.
pub(super) async fn products(
    context: &ReadContext<'_>,
    portfolio: Option<&str>,
) -> Result<Vec<Product>, TaskFailure> {
    let input = portfolio.map_or_else(|| json!({}), |id| json!({"PortfolioId": id}));
    let listed = PRODUCTS.all(context, input).await?;
    let of = |view: &Value, pointer: &str| text(view, pointer).unwrap_or_default();
    let products = listed.iter().map(|view| Product {
        id: of(view, "/ProductViewSummary/ProductId"),
        name: of(view, "/ProductViewSummary/Name"),
    });
    Ok(products.collect())
}

/// One of these products, by its name or id.
pub(super) fn product_of(products: &[Product], wanted: &str) -> Result<Option<Product>, TaskFailure> {
    if let Some(found) = products.iter().find(|product| product.id == wanted) {
        return Ok(Some(found.clone()));
    }
    let named = products.iter().filter(|product| product.name == wanted).cloned().collect();
    only(named, "product", wanted, |product: &Product| product.id.clone())
}

/// Whether a text is the id of a product rather than its name.
pub(super) fn is_product_id(text: &str) -> bool {
    text.starts_with("prod-")
}
