//! Shares of a portfolio: listed, made and taken back, and waited for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Change, Read, ReadContext, Service, TaskFailure, WriteContext};
use super::calls::{Pages, Patience, change, failure, text, unless};
use super::catalog::MISSING;

const SHARES: Pages = Pages {
    read: Read::new(Service::ServiceCatalog, "DescribePortfolioShares"),
    member: "PortfolioShareDetails",
    token: ("PageToken", "NextPageToken"),
};
const STATUS: Read = Read::new(Service::ServiceCatalog, "DescribePortfolioShareStatus");
const CREATE: Change = Change::new(Service::ServiceCatalog, "CreatePortfolioShare");
const UPDATE: Change = Change::new(Service::ServiceCatalog, "UpdatePortfolioShare");
const DELETE: Change = Change::new(Service::ServiceCatalog, "DeletePortfolioShare");

/// How long a share with an organization may take.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// With whom a portfolio is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum With {
    Account,
    OrganizationalUnit,
    Organization,
}

impl With {
    pub(super) const ALL: [Self; 3] = [Self::Account, Self::OrganizationalUnit, Self::Organization];

    fn as_str(self) -> &'static str {
        match self {
            Self::Account => "ACCOUNT",
            Self::OrganizationalUnit => "ORGANIZATIONAL_UNIT",
            Self::Organization => "ORGANIZATION",
        }
    }

    /// The argument that names them.
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Account => "accounts",
            Self::OrganizationalUnit => "ous",
            Self::Organization => "organization",
        }
    }
}

/// A share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) with: With,
    pub(super) whom: String,
    pub(super) accepted: bool,
    pub(super) tag_options: bool,
    pub(super) principals: bool,
}

/// The shares of a portfolio with these.
pub(super) async fn read(
    context: &ReadContext<'_>,
    portfolio: &str,
    with: &[With],
) -> Result<Vec<Share>, TaskFailure> {
    let mut shares = Vec::new();
    for with in with {
        let input = json!({"PortfolioId": portfolio, "Type": with.as_str()});
        // A portfolio that goes meanwhile has none.
        let listed = match SHARES.all(context, input).await {
            Err(failed) if failed.is(&MISSING) => Vec::new(),
            listed => listed?,
        };
        shares.extend(listed.iter().filter_map(|share| of(*with, share)));
    }
    Ok(shares)
}

fn of(with: With, share: &Value) -> Option<Share> {
    let flag = |name: &str| share.get(name).and_then(Value::as_bool).unwrap_or_default();
    Some(Share {
        with,
        whom: text(share, "/PrincipalId")?,
        accepted: flag("Accepted"),
        tag_options: flag("ShareTagOptions"),
        principals: flag("SharePrincipals"),
    })
}

fn input(portfolio: &str, with: With, whom: &str) -> Value {
    match with {
        With::Account => json!({"PortfolioId": portfolio, "AccountId": whom}),
        _ => json!({
            "PortfolioId": portfolio,
            "OrganizationNode": {"Type": with.as_str(), "Value": whom},
        }),
    }
}

/// Makes a share, or changes what is shared with it.
pub(super) async fn put(
    context: &WriteContext<'_>,
    portfolio: &str,
    share: &Share,
    exists: bool,
) -> Result<(), TaskFailure> {
    let mut input = input(portfolio, share.with, &share.whom);
    input["ShareTagOptions"] = json!(share.tag_options);
    input["SharePrincipals"] = json!(share.principals);
    let answer = change(context, if exists { UPDATE } else { CREATE }, &input).await?;
    settle(context, &answer, &share.whom).await
}

/// Takes a share back.
pub(super) async fn remove(
    context: &WriteContext<'_>,
    portfolio: &str,
    with: With,
    whom: &str,
) -> Result<(), TaskFailure> {
    match unless(change(context, DELETE, &input(portfolio, with, whom)).await, &MISSING)? {
        Some(answer) => settle(context, &answer, whom).await,
        None => Ok(()),
    }
}

/// Waits for what the service does by itself: with organizations, sharing takes time.
async fn settle(context: &WriteContext<'_>, answer: &Value, whom: &str) -> Result<(), TaskFailure> {
    let Some(token) = text(answer, "/PortfolioShareToken") else { return Ok(()) };
    let mut patience = Patience::of(LIMIT);
    loop {
        let status = context.read.call(STATUS, &json!({"PortfolioShareToken": token})).await?;
        match text(&status, "/Status").as_deref() {
            Some("COMPLETED") => return Ok(()),
            Some(status_text @ ("COMPLETED_WITH_ERRORS" | "ERROR")) => {
                return Err(not_shared(whom, status_text, &status));
            }
            _ => {
                if !patience.pause(context).await {
                    let minutes = LIMIT.as_secs() / 60;
                    return Err(failure(
                        format!("the share with {whom} is not settled after {minutes} minutes"),
                        "nothing is lost; run the command again later",
                    ));
                }
            }
        }
    }
}

fn not_shared(whom: &str, status: &str, answer: &Value) -> TaskFailure {
    let errors = answer.pointer("/ShareDetails/ShareErrors").and_then(Value::as_array);
    let said: Vec<String> = errors
        .into_iter()
        .flatten()
        .map(|error| {
            let accounts = error.get("Accounts").and_then(Value::as_array);
            let accounts: Vec<&str> = accounts.into_iter().flatten().filter_map(Value::as_str).collect();
            let words = text(error, "/Message").or_else(|| text(error, "/Error")).unwrap_or_default();
            format!("{words} ({})", accounts.join(", "))
        })
        .collect();
    failure(
        format!("sharing with {whom} ended in {status}: {}", said.join("; ")),
        "mend what the message names, and run the command again",
    )
}
