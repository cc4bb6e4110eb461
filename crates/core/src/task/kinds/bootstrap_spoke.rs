//! `bootstrap_spoke`: what an account needs before a hub may work in it: a stack with a role, made over a chain of
//! roles.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::{
    Given, Gives, Keeps, ReadContext, SecretPart, TaskAction, TaskChange, TaskDone, TaskFailure, TaskKind,
    WriteContext,
};
use super::arguments::{AccountId, Problems, Text, Texts, plain};
use super::stack::{self, Stack};
use crate::template::Template;

pub(super) struct BootstrapSpoke;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    #[serde(default = "default_name")]
    stack_name: String,
    /// A template instead of the built-in one: its text, or its content.
    #[serde(default)]
    template: Option<Value>,
    #[serde(default)]
    parameters: Texts,
    #[serde(default)]
    capabilities: Option<Vec<String>>,
    #[serde(default)]
    tags: Texts,
    #[serde(default)]
    hub_account: Option<AccountId>,
    #[serde(default)]
    hub_principals: Vec<String>,
    #[serde(default)]
    external_id: Option<Text>,
    #[serde(default)]
    role_name: Option<String>,
    #[serde(default)]
    role_path: Option<String>,
    #[serde(default)]
    managed_policies: Option<Vec<String>>,
    #[serde(default)]
    permission_boundary: Option<String>,
}

/// Name of the stack and, in the built-in template, of the role.
const NAME: &str = "runway-rs-spoke";
const ADMINISTRATOR: &str = "policy/AdministratorAccess";

fn default_name() -> String {
    NAME.to_owned()
}

#[derive(Serialize, Deserialize)]
pub(super) struct State(Option<stack::Seen>);

impl Spec {
    fn stack(&self) -> Stack {
        let template = match &self.template {
            Some(Value::String(text)) => text.clone(),
            Some(content) => content.to_string(),
            None => self.built_in().to_string(),
        };
        let named = || vec!["CAPABILITY_NAMED_IAM".to_owned()];
        Stack {
            name: self.stack_name.clone(),
            template,
            parameters: plain(&self.parameters),
            tags: plain(&self.tags),
            capabilities: self.capabilities.clone().unwrap_or_else(named),
        }
    }

    /// A role that the hub may assume.
    fn built_in(&self) -> Value {
        let mut principals: Vec<Value> = Vec::new();
        if let Some(account) = &self.hub_account {
            let arn = format!("arn:${{AWS::Partition}}:iam::{}:root", account.0);
            principals.push(json!({"Fn::Sub": arn}));
        }
        principals.extend(self.hub_principals.iter().map(|arn| json!(arn)));
        let mut trust =
            json!({"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"});
        if let Some(id) = &self.external_id {
            trust["Condition"] = json!({"StringEquals": {"sts:ExternalId": id.0}});
        }
        let policies: Vec<Value> = match &self.managed_policies {
            Some(policies) => policies.iter().map(|arn| json!(arn)).collect(),
            None => vec![json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:iam::aws:{ADMINISTRATOR}")})],
        };
        let mut role = json!({
            "RoleName": self.role_name.as_deref().unwrap_or(NAME),
            "Path": self.role_path.as_deref().unwrap_or("/"),
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "ManagedPolicyArns": policies,
        });
        if let Some(boundary) = &self.permission_boundary {
            role["PermissionsBoundary"] = json!(boundary);
        }
        json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": "The role by which a hub account works in this one (runway-rs)",
            "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": role}},
            "Outputs": {
                "RoleArn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}},
                "RoleName": {"Value": {"Ref": "Role"}},
            },
        })
    }

    /// Arguments of the built-in template that are set.
    fn of_built_in(&self) -> Vec<&'static str> {
        let set = [
            ("hub_account", self.hub_account.is_some()),
            ("hub_principals", !self.hub_principals.is_empty()),
            ("external_id", self.external_id.is_some()),
            ("role_name", self.role_name.is_some()),
            ("role_path", self.role_path.is_some()),
            ("managed_policies", self.managed_policies.is_some()),
            ("permission_boundary", self.permission_boundary.is_some()),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
    }
}

#[async_trait]
impl TaskKind for BootstrapSpoke {
    const KIND: &'static str = "bootstrap_spoke";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const KEEPS: Keeps = Keeps::Stack;
    const SERVICE: &'static str = "cloudformation";
    const GIVES: Gives = Gives::and_others(&[
        Given::staying("stack_id", &["stack_name"]),
        Given::staying("stack_name", &["stack_name"]),
    ]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        spec.stack_name.clone()
    }

    fn undeletable(spec: &Spec, state: &State) -> Option<TaskFailure> {
        state.0.as_ref().and_then(|seen| seen.undeletable(&spec.stack_name))
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems
            .length("stack_name", &spec.stack_name, 128)
            .signs("stack_name", &spec.stack_name, "-")
            .tags(Some(&spec.tags))
            .accounts(&spec.hub_account);
        if spec.template.is_some() {
            for name in spec.of_built_in() {
                problems.when(
                    true,
                    format!("`{name}` is for the built-in template; pass it to yours in `parameters`"),
                );
            }
        } else {
            problems.when(
                spec.hub_account.is_none() && spec.hub_principals.is_empty(),
                "nobody could assume the role: set `hub_account` or `hub_principals`, or give a `template`",
            );
            problems.when(
                !spec.parameters.is_empty(),
                "the built-in template has no parameters; `parameters` are for a `template` of your own",
            );
            if let Some(name) = &spec.role_name {
                problems.length("role_name", name, 64).signs("role_name", name, "+=,.@-_");
            }
            let is_path = |path: &String| path.starts_with('/') && path.ends_with('/');
            problems.when(
                !spec.role_path.iter().all(is_path),
                "`role_path` begins and ends with `/`, for example `/runway/`",
            );
            let arns = spec.hub_principals.iter().chain(spec.managed_policies.iter().flatten());
            for arn in arns.chain(&spec.permission_boundary).filter(|arn| !arn.starts_with("arn:")) {
                problems.when(true, format!("`{arn}` is no ARN"));
            }
        }
        let mut found = problems.take();
        found.extend(stack::problems(&spec.stack().template));
        found
    }

    fn secrets(known: &Map<String, Value>, unknown: &BTreeSet<&str>) -> BTreeSet<SecretPart> {
        let Some(given) = known.get("parameters").and_then(Value::as_object) else { return BTreeSet::new() };
        let template = match known.get("template") {
            Some(Value::String(text)) => Template::parse("template", text).ok(),
            Some(content) => Template::parse("template", &content.to_string()).ok(),
            // The built-in one has no parameters.
            None if !unknown.contains("template") => return BTreeSet::new(),
            None => None,
        };
        // Of a template that cannot be read any parameter may be one that CloudFormation hides.
        let hides = |name: &&String| {
            let parameters = template.as_ref().map(|template| &template.parameters);
            parameters.is_none_or(|parameters| parameters.get(*name).is_some_and(|one| one.no_echo))
        };
        let part = |name: &String| SecretPart { argument: "parameters", entry: Some(name.clone()) };
        given.keys().filter(hides).map(part).collect()
    }

    fn keeps_receipt(_spec: &Spec) -> bool {
        true
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        Ok(State(stack::read(context, &spec.stack_name, true).await?))
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        spec.stack().diff(state.0.as_ref())
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        stack::diff_absent(&spec.stack_name, state.0.as_ref())
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        if planned.action == TaskAction::Delete {
            return stack::remove(context, &spec.stack_name).await;
        }
        spec.stack().ensure(context, planned.action).await
    }
}
