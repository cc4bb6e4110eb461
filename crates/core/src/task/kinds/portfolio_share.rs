//! `portfolio_share`: with whom a portfolio is shared.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    Change, Given, Gives, Identity, ReadContext, Service, TaskAction, TaskChange, TaskDone, TaskFailure,
    TaskKind, TaskPlace, WriteContext,
};
use super::arguments::{AccountId, Problems, Wanted};
use super::calls::change;
use super::catalog;
use super::changes::{Details, Outputs, nothing};
use super::event_bus::is_organization;
use super::shares::{self, Share, With};

const ACCEPT: Change = Change::new(Service::ServiceCatalog, "AcceptPortfolioShare");
/// Stands for the account in the ARNs of `accept_roles`.
const ACCOUNT: &str = "{account}";

pub(super) struct PortfolioShare;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    portfolio: String,
    #[serde(default)]
    accounts: Vec<AccountId>,
    #[serde(default)]
    ous: Vec<String>,
    #[serde(default)]
    organization: Option<String>,
    #[serde(default)]
    share_tag_options: bool,
    #[serde(default)]
    share_principals: bool,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    accept: bool,
    #[serde(default)]
    accept_roles: Vec<String>,
    #[serde(default)]
    state: Wanted,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State {
    portfolio: Option<String>,
    shares: Vec<Share>,
}

impl Spec {
    /// With whom the portfolio is to be shared, or not to be.
    fn wanted(&self) -> Vec<(With, String)> {
        // Where an id is enough, its ARN is taken, too.
        let id = |text: &String| text.rsplit('/').next().unwrap_or(text).to_owned();
        let accounts = self.accounts.iter().map(|account| (With::Account, account.0.clone()));
        let units = self.ous.iter().map(|unit| (With::OrganizationalUnit, id(unit)));
        let organization = self.organization.iter().map(|whole| (With::Organization, id(whole)));
        accounts.chain(units).chain(organization).collect()
    }

    fn kinds(&self) -> Vec<With> {
        let wanted = self.wanted();
        let kinds = With::ALL.into_iter();
        kinds.filter(|kind| wanted.iter().any(|(with, _)| with == kind)).collect()
    }

    fn share(&self, with: With, whom: &str) -> Share {
        Share {
            with,
            whom: whom.to_owned(),
            accepted: false,
            tag_options: self.share_tag_options,
            principals: self.share_principals,
        }
    }

    /// Shares that are there and not wanted.
    fn extra<'s>(&self, state: &'s State) -> Vec<&'s Share> {
        let wanted = self.wanted();
        let is_wanted = |share: &Share| wanted.iter().any(|(with, whom)| share.is(*with, whom));
        if !self.exclusive {
            return Vec::new();
        }
        state.shares.iter().filter(|share| !is_wanted(share)).collect()
    }
}

impl Share {
    fn is(&self, with: With, whom: &str) -> bool {
        self.with == with && self.whom.rsplit('/').next() == Some(whom)
    }

    fn shown(&self) -> Value {
        json!({"share_tag_options": self.tag_options, "share_principals": self.principals})
    }
}

impl State {
    fn share(&self, with: With, whom: &str) -> Option<&Share> {
        self.shares.iter().find(|share| share.is(with, whom))
    }
}

#[async_trait]
impl TaskKind for PortfolioShare {
    const KIND: &'static str = "portfolio_share";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const SERVICE: &'static str = "servicecatalog";
    const GIVES: Gives = Gives::only(&[Given::staying("portfolio_id", &["portfolio"])]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        spec.portfolio.clone()
    }

    fn parts(spec: &Spec) -> Option<BTreeSet<String>> {
        let wanted = spec.wanted().into_iter();
        (!spec.exclusive).then(|| wanted.map(|(with, whom)| format!("{}.{whom}", with.argument())).collect())
    }

    fn identity(spec: &Spec, state: &State) -> Option<Identity> {
        Some(Identity { subject: state.portfolio.clone()?, parts: Self::parts(spec) })
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("portfolio", &spec.portfolio, 100).accounts(&spec.accounts);
        problems.when(
            spec.wanted().is_empty(),
            "nobody is named to share with: set `accounts`, `ous` or `organization`",
        );
        for unit in &spec.ous {
            let is_unit = unit.rsplit('/').next().is_some_and(|id| id.starts_with("ou-"));
            problems
                .when(!is_unit, format!("`{unit}` is no id of an organizational unit: it begins with `ou-`"));
        }
        if let Some(organization) = &spec.organization {
            let is_id = organization.rsplit('/').next().is_some_and(is_organization);
            problems.when(
                !is_id,
                format!("`{organization}` is no id of an organization: it looks like `o-abc123defg`"),
            );
        }
        problems.when(
            spec.accept && spec.accounts.is_empty(),
            "`accept` is for `accounts`: shares within an organization are not accepted one by one",
        );
        problems.when(
            spec.accept && spec.accept_roles.is_empty(),
            "`accept` needs `accept_roles`: the roles that lead into the accounts, with `{account}` for the account",
        );
        problems.when(
            !spec.accept && !spec.accept_roles.is_empty(),
            "`accept_roles` is of use with `accept: true` only",
        );
        let last = spec.accept_roles.last();
        problems.when(
            last.is_some_and(|role| !role.contains(ACCOUNT)) && spec.accounts.len() > 1,
            "the last of `accept_roles` must have `{account}` in it: it leads into each of the accounts",
        );
        for role in spec.accept_roles.iter().filter(|role| !role.starts_with("arn:")) {
            problems.when(true, format!("`{role}` is no ARN of a role"));
        }
        problems.take()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        spec.state == Wanted::Present
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let Some(portfolio) = catalog::portfolio_by(context, &spec.portfolio).await? else {
            return Ok(State { portfolio: None, shares: Vec::new() });
        };
        let shares = shares::read(context, &portfolio.id, &spec.kinds()).await?;
        Ok(State { portfolio: Some(portfolio.id), shares })
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        if spec.state == Wanted::Absent {
            return self.diff_removed(spec, state);
        }
        let mut details = Details::default();
        let mut is_new = true;
        for (with, whom) in spec.wanted() {
            let (path, wanted) = (format!("{}.{whom}", with.argument()), spec.share(with, &whom));
            let seen = state.share(with, &whom);
            is_new &= seen.is_none();
            match seen {
                None => {
                    details.compare(path.clone(), None, Some(wanted.shown()));
                }
                Some(seen) => {
                    let mut flag = |name: &str, before: bool, after: bool| {
                        details.compare(format!("{path}.{name}"), Some(before.into()), Some(after.into()));
                    };
                    flag("share_tag_options", seen.tag_options, wanted.tag_options);
                    flag("share_principals", seen.principals, wanted.principals);
                }
            }
            if spec.accept && with == With::Account && !seen.is_some_and(|seen| seen.accepted) {
                details.compare(format!("{path}.accepted"), Some(false.into()), Some(true.into()));
            }
        }
        for share in spec.extra(state) {
            let path = format!("{}.{}", share.with.argument(), share.whom);
            details.compare(path, Some(share.shown()), None);
        }
        if is_new { details.of(TaskAction::Create, outputs(state)) } else { details.update(outputs(state)) }
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        let mut details = Details::default();
        for (with, whom) in spec.wanted() {
            if let Some(share) = state.share(with, &whom) {
                details.compare(format!("{}.{whom}", with.argument()), Some(share.shown()), None);
            }
        }
        if details.is_empty() {
            return nothing();
        }
        details.of(TaskAction::Delete, Outputs::default())
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let mut state = self.read(&context.read, spec).await?;
        if planned.action == TaskAction::Delete {
            let Some(portfolio) = &state.portfolio else { return Ok(TaskDone::default()) };
            for (with, whom) in spec.wanted() {
                if state.share(with, &whom).is_some() {
                    shares::remove(context, portfolio, with, &whom).await?;
                }
            }
            return Ok(TaskDone::default());
        }
        let portfolio = match &state.portfolio {
            Some(id) => id.clone(),
            None => catalog::existing_portfolio(&context.read, &spec.portfolio).await?.id,
        };
        state.portfolio = Some(portfolio.clone());
        for (with, whom) in spec.wanted() {
            let wanted = spec.share(with, &whom);
            let seen = state.share(with, &whom);
            if seen.is_none_or(|seen| seen.shown() != wanted.shown()) {
                shares::put(context, &portfolio, &wanted, seen.is_some()).await?;
            }
            if spec.accept && with == With::Account && !seen.is_some_and(|seen| seen.accepted) {
                accept(context, spec, &portfolio, &whom).await?;
            }
        }
        for share in spec.extra(&state) {
            shares::remove(context, &portfolio, share.with, &share.whom).await?;
        }
        Ok(outputs(&state).into())
    }
}

/// Accepts a share in the account that it is for.
async fn accept(
    context: &WriteContext<'_>,
    spec: &Spec,
    portfolio: &str,
    account: &str,
) -> Result<(), TaskFailure> {
    let here = context.read.place;
    let there = spec.accept_roles.iter().map(|role| role.replace(ACCOUNT, account));
    let place = TaskPlace {
        account: Some(account.to_owned()),
        region: here.region.clone(),
        role_chain: here.role_chain.iter().cloned().chain(there).collect(),
    };
    let input = json!({"PortfolioId": portfolio, "PortfolioShareType": "IMPORTED"});
    change(&context.at(&place), ACCEPT, &input).await?;
    Ok(())
}

fn outputs(state: &State) -> Outputs {
    match &state.portfolio {
        Some(id) => Outputs::default().with("portfolio_id", id),
        None => Outputs::default(),
    }
}
