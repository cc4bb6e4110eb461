//! `portfolio`: a portfolio of Service Catalog.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    Change, Given, Gives, Identity, Read, ReadContext, Service, TaskAction, TaskChange, TaskDone,
    TaskFailure, TaskKind, WriteContext,
};
use super::arguments::{Problems, Texts, Wanted, plain, tag_list, tags_of};
use super::calls::{change, failure, refused, text, unless};
use super::catalog::{self, MISSING, Portfolio as Found};
use super::changes::{Details, Outputs, nothing};
use super::contents::{self, Contents};

const DESCRIBE: Read = Read::new(Service::ServiceCatalog, "DescribePortfolio");
const CREATE: Change = Change::new(Service::ServiceCatalog, "CreatePortfolio");
const UPDATE: Change = Change::new(Service::ServiceCatalog, "UpdatePortfolio");
const DELETE: Change = Change::new(Service::ServiceCatalog, "DeletePortfolio");

/// Who provides a portfolio, unless told otherwise.
const PROVIDER: &str = "runway-rs";

pub(super) struct Portfolio;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    tags: Option<Texts>,
    #[serde(default)]
    empty_first: bool,
    #[serde(default)]
    state: Wanted,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State(Option<Seen>);

#[derive(Serialize, Deserialize)]
struct Seen {
    portfolio: Found,
    tags: BTreeMap<String, String>,
    /// What is in it, if it is to be emptied.
    contents: Option<Contents>,
}

#[async_trait]
impl TaskKind for Portfolio {
    const KIND: &'static str = "portfolio";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const SERVICE: &'static str = "servicecatalog";
    const GIVES: Gives = Gives::only(&[
        Given::staying("id", &[]),
        Given::staying("arn", &[]),
        Given::staying("name", &["name"]),
    ]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        spec.name.clone()
    }

    fn identity(_spec: &Spec, state: &State) -> Option<Identity> {
        let id = state.0.as_ref()?.portfolio.id.clone();
        Some(Identity { subject: id, parts: None })
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("name", &spec.name, 100).tags(spec.tags.as_ref());
        if let Some(provider) = &spec.provider {
            problems.length("provider", provider, 50);
        }
        let length = spec.description.iter().map(|text| text.chars().count()).sum::<usize>();
        problems.when(length > 2000, format!("`description` has {length} characters, 2000 are allowed"));
        let empty = spec.tags.iter().flatten().find(|(_, value)| value.0.is_empty());
        if let Some((key, _)) = empty {
            problems.when(true, format!("the tag `{key}` is empty, which Service Catalog does not allow"));
        }
        problems.take()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        spec.state == Wanted::Present
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let Some(portfolio) = catalog::own_portfolio(context, &spec.name).await? else {
            return Ok(State(None));
        };
        let tags = match &spec.tags {
            Some(_) => context.call(DESCRIBE, &json!({"Id": portfolio.id})).await?,
            None => Value::Null,
        };
        let contents =
            if spec.empty_first { Some(contents::read(context, &portfolio.id).await?) } else { None };
        Ok(State(Some(Seen { portfolio, tags: tags.get("Tags").map(tags_of).unwrap_or_default(), contents })))
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        if spec.state == Wanted::Absent {
            return self.diff_removed(spec, state);
        }
        let mut details = Details::default();
        let wanted_tags = plain(spec.tags.as_ref().unwrap_or(&Texts::new()));
        let Some(seen) = &state.0 else {
            details
                .text("name", None, Some(&spec.name))
                .text("description", None, spec.description.as_deref())
                .text("provider", None, Some(spec.provider.as_deref().unwrap_or(PROVIDER)))
                .texts("tags", &BTreeMap::new(), &wanted_tags);
            return details.of(TaskAction::Create, Outputs::default().with("name", &spec.name));
        };
        if let Some(description) = &spec.description {
            let wanted = Some(description.as_str()).filter(|text| !text.is_empty());
            details.text("description", seen.portfolio.description.as_deref(), wanted);
        }
        if let Some(provider) = &spec.provider {
            details.text("provider", Some(&seen.portfolio.provider), Some(provider));
        }
        if spec.tags.is_some() {
            details.texts("tags", &seen.tags, &wanted_tags);
        }
        details.update(outputs(&seen.portfolio))
    }

    fn diff_removed(&self, _spec: &Spec, state: &State) -> TaskChange {
        let Some(seen) = &state.0 else { return nothing() };
        let mut details = Details::default();
        if let Some(contents) = &seen.contents {
            contents.diff(&mut details);
        }
        details.text("name", Some(&seen.portfolio.name), None);
        details.of(TaskAction::Delete, Outputs::default())
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let seen = self.read(&context.read, spec).await?.0;
        if planned.action == TaskAction::Delete {
            if let Some(seen) = seen {
                delete(context, &seen).await?;
            }
            return Ok(TaskDone::default());
        }
        let Some(seen) = seen else { return create(context, spec).await };
        mend(context, spec, &seen).await?;
        Ok(outputs(&seen.portfolio).into())
    }
}

async fn create(context: &WriteContext<'_>, spec: &Spec) -> Result<TaskDone, TaskFailure> {
    let mut input = json!({
        "DisplayName": spec.name,
        "ProviderName": spec.provider.as_deref().unwrap_or(PROVIDER),
        // If the answer is lost, the same portfolio is meant by the next request.
        "IdempotencyToken": context.token,
    });
    if let Some(description) = spec.description.as_ref().filter(|text| !text.is_empty()) {
        input["Description"] = json!(description);
    }
    if let Some(tags) = spec.tags.as_ref().filter(|tags| !tags.is_empty()) {
        input["Tags"] = tag_list(&plain(tags));
    }
    let made = change(context, CREATE, &input).await?;
    let (id, arn) = (text(&made, "/PortfolioDetail/Id"), text(&made, "/PortfolioDetail/ARN"));
    let (Some(id), Some(arn)) = (id, arn) else {
        return Err(failure("CreatePortfolio answered without an id", "run the command again"));
    };
    Ok(Outputs::default().with("id", id).with("arn", arn).with("name", &spec.name).into())
}

async fn mend(context: &WriteContext<'_>, spec: &Spec, seen: &Seen) -> Result<(), TaskFailure> {
    let mut input = json!({});
    if let Some(description) = spec.description.as_deref()
        && description != seen.portfolio.description.as_deref().unwrap_or_default()
    {
        input["Description"] = json!(description);
    }
    if let Some(provider) = spec.provider.as_ref().filter(|provider| **provider != seen.portfolio.provider) {
        input["ProviderName"] = json!(provider);
    }
    if let Some(tags) = &spec.tags {
        let wanted = plain(tags);
        let differ: BTreeMap<String, String> =
            wanted.iter().filter(|(key, value)| seen.tags.get(*key) != Some(value)).map(owned).collect();
        // A tag that has another value is both.
        let gone: Vec<&String> =
            seen.tags.keys().filter(|key| !wanted.contains_key(*key) || differ.contains_key(*key)).collect();
        if !gone.is_empty() {
            input["RemoveTags"] = json!(gone);
        }
        if !differ.is_empty() {
            input["AddTags"] = tag_list(&differ);
        }
    }
    if input.as_object().is_some_and(|input| !input.is_empty()) {
        input["Id"] = json!(seen.portfolio.id);
        change(context, UPDATE, &input).await?;
    }
    Ok(())
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

async fn delete(context: &WriteContext<'_>, seen: &Seen) -> Result<(), TaskFailure> {
    if let Some(contents) = &seen.contents {
        contents.remove(context, &seen.portfolio.id).await?;
    }
    match unless(change(context, DELETE, &json!({"Id": seen.portfolio.id})).await, &MISSING) {
        Ok(_) => Ok(()),
        Err(failed) if failed.is(&["ResourceInUseException"]) => Err(refused(
            failed,
            "products, shares, principals or constraints are still in it: set `empty_first: true` to remove them with it",
        )),
        Err(failed) => Err(failed.into()),
    }
}

fn outputs(portfolio: &Found) -> Outputs {
    Outputs::default().with("id", &portfolio.id).with("arn", &portfolio.arn).with("name", &portfolio.name)
}
