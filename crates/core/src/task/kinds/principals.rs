//! Principals of a portfolio.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Change, Read, ReadContext, Service, TaskFailure, WriteContext};
use super::calls::{Pages, change, text, unless};
use super::catalog::MISSING;

const PRINCIPALS: Pages = Pages {
    read: Read::new(Service::ServiceCatalog, "ListPrincipalsForPortfolio"),
    member: "Principals",
    token: ("PageToken", "NextPageToken"),
};
const ASSOCIATE: Change = Change::new(Service::ServiceCatalog, "AssociatePrincipalWithPortfolio");
const DISASSOCIATE: Change = Change::new(Service::ServiceCatalog, "DisassociatePrincipalFromPortfolio");

/// Who may use a portfolio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Principal {
    pub(super) arn: String,
    pub(super) kind: String,
}

impl Principal {
    fn input(&self, portfolio: &str) -> Value {
        json!({"PortfolioId": portfolio, "PrincipalARN": self.arn, "PrincipalType": self.kind})
    }
}

/// Everyone who may use a portfolio.
pub(super) async fn read(context: &ReadContext<'_>, portfolio: &str) -> Result<Vec<Principal>, TaskFailure> {
    let listed = PRINCIPALS.all(context, json!({"PortfolioId": portfolio})).await?;
    let of = |value: &Value| {
        let kind = text(value, "/PrincipalType").unwrap_or_else(|| "IAM".to_owned());
        Some(Principal { arn: text(value, "/PrincipalARN")?, kind })
    };
    Ok(listed.iter().filter_map(of).collect())
}

/// Lets a principal use a portfolio; nothing changes if it may already.
pub(super) async fn add(
    context: &WriteContext<'_>,
    portfolio: &str,
    principal: &Principal,
) -> Result<(), TaskFailure> {
    change(context, ASSOCIATE, &principal.input(portfolio)).await?;
    Ok(())
}

/// Does not let it any more.
pub(super) async fn remove(
    context: &WriteContext<'_>,
    portfolio: &str,
    principal: &Principal,
) -> Result<(), TaskFailure> {
    unless(change(context, DISASSOCIATE, &principal.input(portfolio)).await, &MISSING)?;
    Ok(())
}
