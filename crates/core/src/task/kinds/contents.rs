//! What is in a portfolio, to be removed before the portfolio is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Change, Read, ReadContext, Service, TaskFailure, WriteContext};
use super::calls::{Pages, change, text, unless};
use super::catalog::{self, MISSING, Product};
use super::changes::Details;
use super::principals::{self, Principal};
use super::shares::{self, Share, With};

const CONSTRAINTS: Pages = Pages {
    read: Read::new(Service::ServiceCatalog, "ListConstraintsForPortfolio"),
    member: "ConstraintDetails",
    token: ("PageToken", "NextPageToken"),
};
const DELETE_CONSTRAINT: Change = Change::new(Service::ServiceCatalog, "DeleteConstraint");
pub(super) const DISASSOCIATE_PRODUCT: Change =
    Change::new(Service::ServiceCatalog, "DisassociateProductFromPortfolio");

/// What is in a portfolio.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Contents {
    shares: Vec<Share>,
    constraints: Vec<Constraint>,
    products: Vec<Product>,
    principals: Vec<Principal>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Constraint {
    id: String,
    kind: String,
}

/// Lists everything in a portfolio.
pub(super) async fn read(context: &ReadContext<'_>, portfolio: &str) -> Result<Contents, TaskFailure> {
    let listed = CONSTRAINTS.all(context, json!({"PortfolioId": portfolio})).await?;
    let of = |value: &Value, pointer: &str| text(value, pointer).unwrap_or_default();
    let constraint = |value: &Value| Constraint { id: of(value, "/ConstraintId"), kind: of(value, "/Type") };
    Ok(Contents {
        shares: shares::read(context, portfolio, &With::ALL).await?,
        constraints: listed.iter().map(constraint).collect(),
        products: catalog::products(context, Some(portfolio)).await?,
        principals: principals::read(context, portfolio).await?,
    })
}

impl Contents {
    /// Shows what goes.
    pub(super) fn diff(&self, details: &mut Details) {
        for share in &self.shares {
            details.text(format!("{}.{}", share.with.argument(), share.whom), Some("shared"), None);
        }
        for constraint in &self.constraints {
            details.text(format!("constraints.{}", constraint.id), Some(&constraint.kind), None);
        }
        for product in &self.products {
            details.text(format!("products.{}", product.id), Some(&product.name), None);
        }
        for principal in &self.principals {
            details.text(format!("principals.{}", principal.arn), Some(&principal.kind), None);
        }
    }

    /// Removes it, in the order in which Service Catalog allows it.
    pub(super) async fn remove(
        &self,
        context: &WriteContext<'_>,
        portfolio: &str,
    ) -> Result<(), TaskFailure> {
        for share in &self.shares {
            shares::remove(context, portfolio, share.with, &share.whom).await?;
        }
        for constraint in &self.constraints {
            unless(change(context, DELETE_CONSTRAINT, &json!({"Id": constraint.id})).await, &MISSING)?;
        }
        for product in &self.products {
            let input = json!({"PortfolioId": portfolio, "ProductId": product.id});
            unless(change(context, DISASSOCIATE_PRODUCT, &input).await, &MISSING)?;
        }
        for principal in &self.principals {
            principals::remove(context, portfolio, principal).await?;
        }
        Ok(())
    }
}
