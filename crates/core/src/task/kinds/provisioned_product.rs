//! `provisioned_product`: a product of Service Catalog, launched.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    Change, Contents, Given, Gives, ReadContext, Service, TaskAction, TaskChange, TaskDone, TaskFailure,
    TaskKind, WriteContext,
};
use super::arguments::{Problems, Texts, Wanted, plain, tag_list};
use super::calls::{change, failure, text, unless};
use super::catalog::MISSING;
use super::changes::{Details, HIDDEN, Outputs, nothing};
use super::provisioning::{self, Parameter, Provisioned, Version};

const PROVISION: Change = Change::new(Service::ServiceCatalog, "ProvisionProduct");
const UPDATE: Change = Change::new(Service::ServiceCatalog, "UpdateProvisionedProduct");
const TERMINATE: Change = Change::new(Service::ServiceCatalog, "TerminateProvisionedProduct");

pub(super) struct ProvisionedProduct;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    name: String,
    #[serde(default)]
    product: Option<String>,
    #[serde(default)]
    version: Option<super::arguments::Text>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    parameters: Texts,
    #[serde(default)]
    tags: Option<Texts>,
    #[serde(default)]
    retain_resources: bool,
    #[serde(default)]
    state: Wanted,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State {
    seen: Option<Provisioned>,
    /// The version that is wanted, once product and version can be found.
    wanted: Option<Version>,
    /// Why it cannot be launched like this. What leaves the config can still be removed.
    problem: Option<String>,
}

impl Spec {
    fn product(&self) -> &str {
        self.product.as_deref().unwrap_or_default()
    }

    fn version(&self) -> &str {
        self.version.as_ref().map_or("", |version| &version.0)
    }

    async fn wanted(&self, context: &ReadContext<'_>) -> Result<Option<Version>, TaskFailure> {
        let names = (self.product(), self.version(), self.path.as_deref());
        let Some(version) = provisioning::version(context, names).await? else { return Ok(None) };
        self.fits(&version)?;
        Ok(Some(version))
    }

    /// Checks the parameters against those that the version has.
    fn fits(&self, version: &Version) -> Result<(), TaskFailure> {
        let known: Vec<&str> = version.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let what = format!("version {} of the product {}", self.version(), self.product());
        if let Some(name) = self.parameters.keys().find(|name| !known.contains(&name.as_str())) {
            let help = match known.as_slice() {
                [] => "it has none".to_owned(),
                names => format!("it has {}", names.join(", ")),
            };
            return Err(failure(format!("{what} has no parameter `{name}`"), help));
        }
        for parameter in &version.parameters {
            match self.parameters.get(&parameter.name) {
                None if parameter.default.is_none() && !parameter.no_echo => {
                    return Err(failure(
                        format!("{what} needs the parameter `{}`", parameter.name),
                        "set it in `parameters`",
                    ));
                }
                Some(value) if !parameter.allowed.is_empty() && !parameter.allowed.contains(&value.0) => {
                    return Err(failure(
                        format!("{what} does not take this value of the parameter `{}`", parameter.name),
                        format!("it takes {}", parameter.allowed.join(", ")),
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The value that a parameter is to have; `None` if it is left to what is there.
    fn value(&self, parameter: &Parameter) -> Option<String> {
        let own = self.parameters.get(&parameter.name).map(|text| text.0.clone());
        own.or_else(|| parameter.default.clone().filter(|_| !parameter.no_echo))
    }

    /// Parameters as they are shown.
    fn shown(&self, version: &Version) -> BTreeMap<String, String> {
        let shown = version.parameters.iter().filter_map(|parameter| {
            let value = self.value(parameter)?;
            Some((parameter.name.clone(), if parameter.no_echo { HIDDEN.to_owned() } else { value }))
        });
        shown.collect()
    }

    /// Parameters as they are sent.
    fn sent(&self, version: &Version, update: bool) -> Vec<Value> {
        let sent = version.parameters.iter().filter_map(|parameter| match self.value(parameter) {
            Some(value) => Some(json!({"Key": parameter.name, "Value": value})),
            None => update.then(|| json!({"Key": parameter.name, "UsePreviousValue": true})),
        });
        sent.collect()
    }
}

impl Provisioned {
    /// Whether it has to be removed before it can be provisioned: its first launch failed.
    fn is_failed_launch(&self) -> bool {
        !self.ever_succeeded && matches!(self.status.as_str(), "ERROR" | "TAINTED")
    }
}

#[async_trait]
impl TaskKind for ProvisionedProduct {
    const KIND: &'static str = "provisioned_product";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const SERVICE: &'static str = "servicecatalog";
    const ALSO: &'static [&'static str] = &["cloudformation"];
    const GIVES: Gives = Gives::and_others(&[
        Given::staying("id", &["name"]),
        Given::staying("arn", &["name"]),
        Given::changing("product_id", &["product"]),
        Given::changing("version_id", &["version"]),
    ]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        spec.name.clone()
    }

    fn contents(spec: &Spec, state: &State) -> Option<Contents> {
        let seen = state.seen.as_ref()?;
        (!seen.is_failed_launch() && !spec.retain_resources).then_some(Contents::Unknown)
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("name", &spec.name, 128).signs("name", &spec.name, "._-").tags(spec.tags.as_ref());
        let first = spec.name.chars().next();
        problems.when(
            first.is_some_and(|first| !first.is_ascii_alphanumeric()),
            "`name` must begin with a letter or a digit",
        );
        if spec.state == Wanted::Present {
            problems.when(spec.product().is_empty(), "`product` is missing: its name or its id");
            problems.when(spec.version().is_empty(), "`version` is missing: its name or its id");
        }
        let long = spec.parameters.iter().find(|(_, value)| value.0.chars().count() > 4096);
        if let Some((name, _)) = long {
            problems.when(true, format!("the parameter `{name}` has more than 4096 characters"));
        }
        problems.take()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        spec.state == Wanted::Present
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let present = spec.state == Wanted::Present;
        let mut seen = provisioning::provisioned(context, &spec.name, present).await?;
        let wanted = if present { spec.wanted(context).await } else { Ok(None) };
        let (wanted, problem) = match wanted {
            Ok(wanted) => (wanted, None),
            Err(failure) if failure.kind.is_none() => (None, Some(failure.message)),
            Err(failure) => return Err(failure),
        };
        let mut live = seen.as_mut().and_then(|seen| seen.parameters.as_mut());
        for parameter in wanted.iter().flat_map(|wanted| &wanted.parameters).filter(|one| one.no_echo) {
            // CloudFormation hides it already; an emulator may not.
            if let Some(value) = live.as_deref_mut().and_then(|live| live.get_mut(&parameter.name)) {
                HIDDEN.clone_into(value);
            }
        }
        Ok(State { seen, wanted, problem })
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        if spec.state == Wanted::Absent {
            return self.diff_removed(spec, state);
        }
        let mut details = Details::default();
        let shown =
            state.wanted.as_ref().map_or_else(|| plain(&spec.parameters), |wanted| spec.shown(wanted));
        let tags = plain(spec.tags.as_ref().unwrap_or(&Texts::new()));
        details.text("problem", None, state.problem.as_deref());
        let Some(seen) = state.seen.as_ref().filter(|seen| !seen.is_failed_launch()) else {
            if let Some(failed) = &state.seen {
                details.text("status", Some(&failed.status), None);
            }
            details
                .text("product", None, Some(spec.product()))
                .text("version", None, Some(spec.version()))
                .texts("parameters", &BTreeMap::new(), &shown)
                .texts("tags", &BTreeMap::new(), &tags);
            let action = if state.seen.is_some() { TaskAction::Recreate } else { TaskAction::Create };
            return details.of(action, Outputs::default());
        };
        match &state.wanted {
            Some(wanted) => {
                details.text("product", Some(&seen.product), Some(&wanted.product));
                details.text("version", Some(&seen.version), Some(&wanted.version));
            }
            None => {
                details.text("product", Some(&seen.product), Some(spec.product()));
                details.text("version", Some(&seen.version), Some(spec.version()));
            }
        }
        if seen.status == "TAINTED" {
            details.text("status", Some(&seen.status), Some("AVAILABLE"));
        }
        if let Some(live) = &seen.parameters {
            for (name, value) in &shown {
                let before = live.get(name).map(String::as_str);
                // A value that is hidden cannot be compared.
                if before != Some(HIDDEN) && value != HIDDEN {
                    details.text(format!("parameters.{name}"), before, Some(value));
                }
            }
        }
        if spec.tags.is_some() {
            details.texts("tags", &seen.tags, &tags);
        }
        details.update(outputs(seen))
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        let Some(seen) = &state.seen else { return nothing() };
        let mut details = Details::default();
        details.text("name", Some(&spec.name), None).text("status", Some(&seen.status), None);
        details.of(TaskAction::Delete, Outputs::default())
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let seen = provisioning::settled(context, &spec.name).await?;
        if planned.action == TaskAction::Delete {
            if let Some(seen) = &seen {
                terminate(context, spec, seen).await?;
            }
            return Ok(TaskDone::default());
        }
        let Some(wanted) = spec.wanted(&context.read).await? else {
            return Err(failure(
                format!("there is no version `{}` of a product `{}`", spec.version(), spec.product()),
                "correct `product` or `version`; the caller must be a principal of a portfolio that has the product",
            ));
        };
        match seen {
            Some(seen) if !seen.is_failed_launch() => {
                let state = State { seen: Some(seen), wanted: Some(wanted), problem: None };
                if self.diff(spec, &state).action != TaskAction::None
                    && let (Some(seen), Some(wanted)) = (&state.seen, &state.wanted)
                {
                    update(context, spec, seen, wanted).await?;
                }
            }
            Some(_) if planned.action != TaskAction::Recreate => {
                return Err(failure(
                    format!("the launch of {} that was under way has failed", spec.name),
                    "run the command again: the next plan launches it anew",
                ));
            }
            failed => {
                if let Some(failed) = &failed {
                    terminate(context, spec, failed).await?;
                }
                provision(context, spec, &wanted).await?;
            }
        }
        let done = provisioning::provisioned(&context.read, &spec.name, true).await?;
        Ok(done.map(|seen| outputs(&seen).into()).unwrap_or_default())
    }
}

async fn provision(context: &WriteContext<'_>, spec: &Spec, wanted: &Version) -> Result<(), TaskFailure> {
    let mut input = json!({
        "ProductId": wanted.product,
        "ProvisioningArtifactId": wanted.version,
        "ProvisionedProductName": spec.name,
        "ProvisioningParameters": spec.sent(wanted, false),
        // If the answer is lost, the same launch is meant by the next request.
        "ProvisionToken": format!("{}-provision", context.token),
    });
    if let Some(path) = &wanted.path {
        input["PathId"] = json!(path);
    }
    if let Some(tags) = spec.tags.as_ref().filter(|tags| !tags.is_empty()) {
        input["Tags"] = tag_list(&plain(tags));
    }
    let answer = unless(change(context, PROVISION, &input).await, &["DuplicateResourceException"])?;
    match answer.as_ref().and_then(|answer| text(answer, "/RecordDetail/RecordId")) {
        Some(record) => provisioning::recorded(context, &spec.name, &record).await,
        None => {
            provisioning::settled(context, &spec.name).await?;
            Ok(())
        }
    }
}

async fn update(
    context: &WriteContext<'_>,
    spec: &Spec,
    seen: &Provisioned,
    wanted: &Version,
) -> Result<(), TaskFailure> {
    let mut input = json!({
        "ProvisionedProductId": seen.id,
        "ProductId": wanted.product,
        "ProvisioningArtifactId": wanted.version,
        "ProvisioningParameters": spec.sent(wanted, true),
        "UpdateToken": format!("{}-update", context.token),
    });
    if let Some(path) = &wanted.path {
        input["PathId"] = json!(path);
    }
    if let Some(tags) = &spec.tags {
        input["Tags"] = tag_list(&plain(tags));
    }
    let answer = change(context, UPDATE, &input).await?;
    let record = text(&answer, "/RecordDetail/RecordId").unwrap_or_default();
    provisioning::recorded(context, &spec.name, &record).await
}

async fn terminate(context: &WriteContext<'_>, spec: &Spec, seen: &Provisioned) -> Result<(), TaskFailure> {
    let mut input = json!({
        "ProvisionedProductId": seen.id,
        "TerminateToken": format!("{}-terminate", context.token),
    });
    if spec.retain_resources {
        input["RetainPhysicalResources"] = json!(true);
    }
    let answer = unless(change(context, TERMINATE, &input).await, &MISSING)?;
    match answer.as_ref().and_then(|answer| text(answer, "/RecordDetail/RecordId")) {
        Some(record) => provisioning::recorded(context, &spec.name, &record).await,
        None => Ok(()),
    }
}

fn outputs(seen: &Provisioned) -> Outputs {
    Outputs(seen.outputs.clone())
        .with("id", &seen.id)
        .with("arn", &seen.arn)
        .with("product_id", &seen.product)
        .with("version_id", &seen.version)
}
