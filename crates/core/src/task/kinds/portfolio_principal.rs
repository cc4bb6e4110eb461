//! `portfolio_principal`: who may launch the products of a portfolio.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::super::{
    Given, Gives, Identity, ReadContext, TaskAction, TaskChange, TaskDone, TaskFailure, TaskKind,
    WriteContext,
};
use super::arguments::{Problems, Wanted};
use super::calls::{Patience, failure};
use super::catalog;
use super::changes::{Details, Outputs, nothing};
use super::principals::{self, Principal};

/// How long the service may take until it lists what was associated.
const LIMIT: Duration = Duration::from_secs(120);

pub(super) struct PortfolioPrincipal;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    portfolio: String,
    principal_arn: String,
    #[serde(default)]
    principal_type: Kind,
    #[serde(default)]
    state: Wanted,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    #[default]
    Iam,
    IamPattern,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State {
    portfolio: Option<String>,
    associated: bool,
}

impl Spec {
    fn principal(&self) -> Principal {
        let kind = match self.principal_type {
            Kind::Iam => "IAM",
            Kind::IamPattern => "IAM_PATTERN",
        };
        Principal { arn: self.principal_arn.clone(), kind: kind.to_owned() }
    }
}

#[async_trait]
impl TaskKind for PortfolioPrincipal {
    const KIND: &'static str = "portfolio_principal";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const SERVICE: &'static str = "servicecatalog";
    const GIVES: Gives = Gives::only(&[Given::staying("portfolio_id", &["portfolio"])]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        format!("{} {}", spec.portfolio, spec.principal_arn)
    }

    fn identity(spec: &Spec, state: &State) -> Option<Identity> {
        let portfolio = state.portfolio.as_ref()?;
        Some(Identity { subject: format!("{portfolio} {}", spec.principal_arn), parts: None })
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("portfolio", &spec.portfolio, 100).length("principal_arn", &spec.principal_arn, 1000);
        let parts: Vec<&str> = spec.principal_arn.split(':').collect();
        let is_iam = parts.len() == 6 && parts[0] == "arn" && parts[2] == "iam";
        problems.when(!is_iam, format!("`{}` is no ARN of a user, group or role", spec.principal_arn));
        let account = parts.get(4).copied().unwrap_or_default();
        match spec.principal_type {
            Kind::Iam => problems.when(
                is_iam && (account.is_empty() || spec.principal_arn.contains(['*', '?'])),
                "a principal for any account or with `*` needs `principal_type: IAM_PATTERN`",
            ),
            Kind::IamPattern => problems.when(
                is_iam && !account.is_empty(),
                "with `principal_type: IAM_PATTERN` the ARN names no account: `arn:aws:iam:::role/name`",
            ),
        };
        problems.take()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        spec.state == Wanted::Present
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let Some(portfolio) = catalog::portfolio_by(context, &spec.portfolio).await? else {
            return Ok(State { portfolio: None, associated: false });
        };
        let associated = principals::read(context, &portfolio.id).await?.contains(&spec.principal());
        Ok(State { portfolio: Some(portfolio.id), associated })
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        if spec.state == Wanted::Absent {
            return self.diff_removed(spec, state);
        }
        let mut details = Details::default();
        if state.associated {
            return details.update(outputs(state));
        }
        details.text(format!("principals.{}", spec.principal_arn), None, Some(&spec.principal().kind));
        details.of(TaskAction::Create, outputs(state))
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        if !state.associated {
            return nothing();
        }
        let mut details = Details::default();
        details.text(format!("principals.{}", spec.principal_arn), Some(&spec.principal().kind), None);
        details.of(TaskAction::Delete, Outputs::default())
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let present = planned.action != TaskAction::Delete;
        let id = if present {
            catalog::existing_portfolio(&context.read, &spec.portfolio).await?.id
        } else {
            match catalog::portfolio_by(&context.read, &spec.portfolio).await? {
                Some(portfolio) => portfolio.id,
                None => return Ok(TaskDone::default()),
            }
        };
        let principal = spec.principal();
        if present {
            principals::add(context, &id, &principal).await?;
        } else {
            principals::remove(context, &id, &principal).await?;
        }
        let mut patience = Patience::of(LIMIT);
        while principals::read(&context.read, &id).await?.contains(&principal) != present {
            if !patience.pause(context).await {
                return Err(failure(
                    format!("the portfolio {} does not show the change of {}", spec.portfolio, principal.arn),
                    "run the command again later",
                ));
            }
        }
        let done = State { portfolio: Some(id), associated: present };
        Ok(if present { outputs(&done).into() } else { TaskDone::default() })
    }
}

fn outputs(state: &State) -> Outputs {
    match &state.portfolio {
        Some(id) => Outputs::default().with("portfolio_id", id),
        None => Outputs::default(),
    }
}
