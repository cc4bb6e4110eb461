//! The kinds of tasks that are built in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{AnyTaskKind, erased};

mod arguments;
mod assertion;
mod bootstrap_spoke;
mod calls;
mod catalog;
mod changes;
mod codebuild_run;
mod command;
mod contents;
mod event_bus;
mod lambda_invoke;
mod launch_role_constraint;
mod org_policy_attachment;
mod organization;
mod organizational_unit;
mod policy;
mod portfolio;
mod portfolio_principal;
mod portfolio_product;
mod portfolio_share;
mod principals;
mod provisioned_product;
mod provisioning;
mod query;
mod readable;
mod shares;
mod ssm_parameter;
mod stack;
mod stack_absent;

/// Every kind that is built in.
fn built_in() -> Vec<Arc<dyn AnyTaskKind>> {
    vec![
        erased(assertion::Assert),
        erased(bootstrap_spoke::BootstrapSpoke),
        erased(codebuild_run::CodebuildRun),
        erased(command::Command),
        erased(event_bus::EventBus),
        erased(lambda_invoke::LambdaInvoke),
        erased(launch_role_constraint::LaunchRoleConstraint),
        erased(org_policy_attachment::OrgPolicyAttachment),
        erased(organizational_unit::OrganizationalUnit),
        erased(portfolio::Portfolio),
        erased(portfolio_principal::PortfolioPrincipal),
        erased(portfolio_product::PortfolioProduct),
        erased(portfolio_share::PortfolioShare),
        erased(provisioned_product::ProvisionedProduct),
        erased(ssm_parameter::SsmParameter),
        erased(stack_absent::StackAbsent),
    ]
}

/// Kinds of tasks by name. The default ones are those that are built in.
#[derive(Clone)]
pub struct TaskKinds(Arc<BTreeMap<&'static str, Arc<dyn AnyTaskKind>>>);

impl TaskKinds {
    /// These kinds and no others.
    pub fn new(kinds: impl IntoIterator<Item = Arc<dyn AnyTaskKind>>) -> Self {
        Self(Arc::new(kinds.into_iter().map(|kind| (kind.name(), kind)).collect()))
    }

    /// These and one more.
    #[must_use]
    pub fn with(&self, kind: Arc<dyn AnyTaskKind>) -> Self {
        let mut kinds = BTreeMap::clone(&self.0);
        kinds.insert(kind.name(), kind);
        Self(Arc::new(kinds))
    }

    /// The kind of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn AnyTaskKind>> {
        self.0.get(name)
    }

    /// Names of all kinds, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

impl Default for TaskKinds {
    fn default() -> Self {
        Self::new(built_in())
    }
}

impl fmt::Debug for TaskKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
