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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::task::SecretPart;

    #[test]
    fn arguments_that_are_secrets_by_their_kind() {
        let kinds = TaskKinds::default();
        let secrets = |kind: &str, known: Value, unknown: &[&str]| -> Vec<String> {
            let kind = kinds.get(kind).unwrap();
            let found = kind.secrets(known.as_object().unwrap(), &unknown.iter().copied().collect());
            let words = |part: SecretPart| {
                part.entry.map_or(part.argument.to_owned(), |entry| format!("{}.{entry}", part.argument))
            };
            found.into_iter().map(words).collect()
        };
        let ssm = |known, unknown: &[&str]| secrets("ssm_parameter", known, unknown);
        assert_eq!(ssm(json!({"value": "x"}), &[]), [""; 0]);
        assert_eq!(ssm(json!({"value": "x", "type": "String"}), &[]), [""; 0]);
        assert_eq!(ssm(json!({"value": "x", "type": "SecureString"}), &[]), ["value"]);
        assert_eq!(ssm(json!({"value": "x"}), &["type"]), ["value"]);
        assert_eq!(ssm(json!({"type": "SecureString"}), &["value"]), [""; 0]);

        let template =
            "{Parameters: {A: {Type: String, NoEcho: true}, B: {Type: String}}, Resources: {R: {Type: X}}}";
        let spoke = |known, unknown: &[&str]| secrets("bootstrap_spoke", known, unknown);
        let given = json!({"A": "x", "B": "y"});
        assert_eq!(spoke(json!({"template": template, "parameters": given}), &[]), ["parameters.A"]);
        let content = json!({"Parameters": {"B": {"Type": "String", "NoEcho": true}}, "Resources": {"R": {"Type": "X"}}});
        assert_eq!(spoke(json!({"template": content, "parameters": given}), &[]), ["parameters.B"]);
        let all = ["parameters.A", "parameters.B"];
        assert_eq!(spoke(json!({"parameters": given}), &["template"]), all);
        assert_eq!(spoke(json!({"template": "[", "parameters": given}), &[]), all);
        assert_eq!(spoke(json!({"hub_account": "111111111111"}), &[]), [""; 0]);
    }

    /// What a kind says of its outputs is about arguments that it has.
    #[test]
    fn outputs_are_made_of_arguments_that_there_are() {
        for kind in built_in() {
            let arguments: BTreeSet<&str> = kind.arguments().iter().copied().collect();
            for argument in kind.gives().sources() {
                assert!(arguments.contains(argument), "{}: {argument}", kind.name());
            }
        }
    }
}
