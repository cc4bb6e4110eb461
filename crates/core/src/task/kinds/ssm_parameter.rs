//! `ssm_parameter`: a parameter of Systems Manager.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::{
    Change, Given, Gives, Read, ReadContext, SecretPart, Service, TaskAction, TaskChange, TaskDone,
    TaskFailure, TaskKind, WriteContext,
};
use super::arguments::{Problems, Text, Texts, Wanted, plain, tag_list, tags_of};
use super::calls::{Pages, change, failure, refused, text, unless};
use super::changes::{Details, HIDDEN, Outputs, nothing};

const GET: Read = Read::new(Service::Ssm, "GetParameter");
const DESCRIBE: Pages = Pages {
    read: Read::new(Service::Ssm, "DescribeParameters"),
    member: "Parameters",
    token: ("NextToken", "NextToken"),
};
const LIST_TAGS: Read = Read::new(Service::Ssm, "ListTagsForResource");
const PUT: Change = Change::new(Service::Ssm, "PutParameter");
const DELETE: Change = Change::new(Service::Ssm, "DeleteParameter");
const TAG: Change = Change::new(Service::Ssm, "AddTagsToResource");
const UNTAG: Change = Change::new(Service::Ssm, "RemoveTagsFromResource");

const MISSING: [&str; 1] = ["ParameterNotFound"];

pub(super) struct SsmParameter;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    name: String,
    #[serde(default)]
    value: Option<Content>,
    #[serde(default, rename = "type")]
    kind: Kind,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    key_id: Option<String>,
    #[serde(default)]
    tags: Option<Texts>,
    #[serde(default)]
    state: Wanted,
}

/// A text, or the texts of a `StringList`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "`value` must be a text, or a list of texts")]
enum Content {
    One(Text),
    Many(Vec<Text>),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    #[default]
    String,
    StringList,
    SecureString,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State(Option<Seen>);

#[derive(Serialize, Deserialize)]
struct Seen {
    arn: String,
    kind: String,
    version: String,
    /// Whether the value is the one that is wanted. The value itself is not kept if it is, or is to be, a secret.
    is_wanted: bool,
    shown: Option<String>,
    description: Option<String>,
    key_id: Option<String>,
    tags: BTreeMap<String, String>,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::SecureString => "SecureString",
        }
    }
}

impl Spec {
    fn text(&self) -> String {
        match &self.value {
            Some(Content::One(text)) => text.0.clone(),
            Some(Content::Many(texts)) => {
                texts.iter().map(|text| text.0.as_str()).collect::<Vec<_>>().join(",")
            }
            None => String::new(),
        }
    }

    /// The value as it may be shown.
    fn shown(&self) -> String {
        if self.kind == Kind::SecureString { HIDDEN.to_owned() } else { self.text() }
    }

    /// Whether more has to be read than its value.
    fn asks_metadata(&self) -> bool {
        self.description.is_some() || self.key_id.is_some()
    }
}

#[async_trait]
impl TaskKind for SsmParameter {
    const KIND: &'static str = "ssm_parameter";
    const REVISION: u32 = 1;
    const RETAINS: bool = false;
    const SERVICE: &'static str = "ssm";
    const GIVES: Gives = Gives::only(&[
        Given::staying("arn", &["name"]),
        Given::staying("name", &["name"]),
        Given::changing("version", &[]),
    ]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        spec.name.clone()
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("name", &spec.name, 1011).signs("name", &spec.name, "/.-_").tags(spec.tags.as_ref());
        problems.when(
            spec.name.contains('/') && !spec.name.starts_with('/'),
            "a `name` with `/` in it must begin with `/`",
        );
        let first = spec.name.trim_start_matches('/').to_ascii_lowercase();
        problems.when(
            first.starts_with("aws") || first.starts_with("ssm"),
            "a `name` must not begin with `aws` or `ssm`: Systems Manager keeps those to itself",
        );
        if spec.state == Wanted::Present {
            problems.when(spec.value.is_none(), "`value` is missing");
            problems.when(
                spec.value.is_some() && spec.text().is_empty(),
                "`value` is empty: Systems Manager has no parameters without a value",
            );
        }
        if let Some(Content::Many(texts)) = &spec.value {
            problems.when(
                spec.kind != Kind::StringList,
                format!("`value` is a list, but `type` is {}: set `type: StringList`", spec.kind.as_str()),
            );
            problems.when(
                texts.iter().any(|text| text.0.contains(',')),
                "an item of `value` has a comma, which separates the items of a StringList",
            );
        }
        problems.when(
            spec.key_id.is_some() && spec.kind != Kind::SecureString,
            "`key_id` is for `type: SecureString` only",
        );
        let length = spec.description.iter().map(|text| text.chars().count()).sum::<usize>();
        problems.when(length > 1024, format!("`description` has {length} characters, 1024 are allowed"));
        problems.take()
    }

    fn secrets(known: &Map<String, Value>, unknown: &BTreeSet<&str>) -> BTreeSet<SecretPart> {
        let is_plain = match known.get("type").and_then(Value::as_str) {
            Some(kind) => kind != Kind::SecureString.as_str(),
            None => !unknown.contains("type"),
        };
        // It is one, wherever it comes from.
        let value = known.contains_key("value").then_some(SecretPart { argument: "value", entry: None });
        value.filter(|_| !is_plain).into_iter().collect()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        spec.state == Wanted::Present && spec.kind != Kind::SecureString
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let secure = spec.kind == Kind::SecureString;
        let input = json!({"Name": spec.name, "WithDecryption": secure && spec.state == Wanted::Present});
        let Some(found) = unless(context.call(GET, &input).await, &MISSING)? else { return Ok(State(None)) };
        let kind = text(&found, "/Parameter/Type").unwrap_or_default();
        let value = text(&found, "/Parameter/Value").unwrap_or_default();
        let hidden = secure || kind == Kind::SecureString.as_str();
        let mut seen = Seen {
            arn: text(&found, "/Parameter/ARN").unwrap_or_default(),
            version: found.pointer("/Parameter/Version").map(Value::to_string).unwrap_or_default(),
            is_wanted: value == spec.text(),
            shown: (!hidden).then_some(value),
            kind,
            description: None,
            key_id: None,
            tags: BTreeMap::new(),
        };
        if spec.asks_metadata() {
            let filter = json!({"Key": "Name", "Option": "Equals", "Values": [spec.name]});
            // A page may be empty and not the last.
            let listed = DESCRIBE.all(context, json!({"ParameterFilters": [filter]})).await?;
            let listed = listed.into_iter().next().unwrap_or_default();
            seen.description = text(&listed, "/Description").filter(|text| !text.is_empty());
            seen.key_id = text(&listed, "/KeyId");
        }
        if spec.tags.is_some() {
            let input = json!({"ResourceType": "Parameter", "ResourceId": spec.name});
            let listed = context.call(LIST_TAGS, &input).await?;
            seen.tags = listed.get("TagList").map(tags_of).unwrap_or_default();
        }
        Ok(State(Some(seen)))
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
                .text("type", None, Some(spec.kind.as_str()))
                .text("value", None, Some(&spec.shown()))
                .text("description", None, spec.description.as_deref())
                .text("key_id", None, spec.key_id.as_deref())
                .texts("tags", &BTreeMap::new(), &wanted_tags);
            return details.of(TaskAction::Create, Outputs::default().with("name", &spec.name));
        };
        details.text("type", Some(&seen.kind), Some(spec.kind.as_str()));
        if !seen.is_wanted {
            let before = Value::from(seen.shown.as_deref().unwrap_or(HIDDEN));
            // Two secrets look alike and are not.
            if spec.kind == Kind::SecureString || seen.shown.is_none() {
                details.secret("value");
            } else {
                details.compare("value", Some(before), Some(spec.shown().into()));
            }
        }
        if let Some(description) = &spec.description {
            let wanted = Some(description.as_str()).filter(|text| !text.is_empty());
            details.text("description", seen.description.as_deref(), wanted);
        }
        if let Some(key) = &spec.key_id {
            details.text("key_id", seen.key_id.as_deref(), Some(key));
        }
        if spec.tags.is_some() {
            details.texts("tags", &seen.tags, &wanted_tags);
        }
        if seen.kind != spec.kind.as_str() {
            // Systems Manager changes values, not types.
            return details.of(TaskAction::Recreate, Outputs::default().with("name", &spec.name));
        }
        details.update(outputs(spec, &seen.arn, &seen.version))
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        if state.0.is_none() {
            return nothing();
        }
        let mut details = Details::default();
        details.text("name", Some(&spec.name), None);
        details.of(TaskAction::Delete, Outputs::default())
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        if planned.action == TaskAction::Delete {
            unless(change(context, DELETE, &json!({"Name": spec.name})).await, &MISSING)?;
            return Ok(TaskDone::default());
        }
        let mut seen = self.read(&context.read, spec).await?.0;
        let is_other = seen.as_ref().is_some_and(|seen| seen.kind != spec.kind.as_str());
        if is_other && planned.action != TaskAction::Recreate {
            return Err(failure(
                format!("the parameter {} has got another type since it was planned", spec.name),
                "run the command again: the next plan makes it anew",
            ));
        }
        if is_other {
            unless(change(context, DELETE, &json!({"Name": spec.name})).await, &MISSING)?;
            seen = None;
        }
        if seen.is_none() {
            let help = if is_other { HELP_ANEW } else { HELP };
            match put(context, spec, false).await {
                // An answer may have been lost: then it is there.
                Err(failed) if failed.is(&["ParameterAlreadyExists"]) => {}
                answer => {
                    answer.map_err(|failed| refused(failed, help))?;
                }
            }
            seen = self.read(&context.read, spec).await?.0;
        }
        let Some(mut seen) = seen else {
            return Err(failure(
                format!("the parameter {} was created, but is not there", spec.name),
                "run the command again; something else may be deleting it",
            ));
        };
        let description = spec.description.as_deref().filter(|text| !text.is_empty());
        let other_text = spec.description.is_some() && description != seen.description.as_deref();
        let other_key = spec.key_id.is_some() && spec.key_id != seen.key_id;
        if !seen.is_wanted || other_text || other_key {
            let answer = put(context, spec, true).await.map_err(|failed| refused(failed, HELP))?;
            if let Some(version) = answer.get("Version") {
                seen.version = version.to_string();
            }
        }
        retag(context, spec, &seen).await?;
        Ok(outputs(spec, &seen.arn, &seen.version).into())
    }
}

const HELP: &str =
    "the parameter stays as it was; correct `value`, `type` or `key_id`, and run the command again";

const HELP_ANEW: &str = "the parameter with the former type is deleted, and there is none now; correct `value` or `key_id`, and run the command again";

async fn put(
    context: &WriteContext<'_>,
    spec: &Spec,
    overwrite: bool,
) -> Result<Value, super::super::ServiceFailure> {
    let mut input = json!({
        "Name": spec.name, "Value": spec.text(), "Type": spec.kind.as_str(), "Overwrite": overwrite,
    });
    if let Some(description) = &spec.description {
        input["Description"] = json!(description);
    }
    if let Some(key) = &spec.key_id {
        input["KeyId"] = json!(key);
    }
    // A put that overwrites takes no tags.
    if let Some(tags) = spec.tags.as_ref().filter(|tags| !overwrite && !tags.is_empty()) {
        input["Tags"] = tag_list(&plain(tags));
    }
    change(context, PUT, &input).await
}

async fn retag(context: &WriteContext<'_>, spec: &Spec, seen: &Seen) -> Result<(), TaskFailure> {
    let Some(tags) = &spec.tags else { return Ok(()) };
    let wanted = plain(tags);
    let of = |more: (&str, Value)| {
        let mut input = json!({"ResourceType": "Parameter", "ResourceId": spec.name});
        input[more.0] = more.1;
        input
    };
    let gone: Vec<&String> = seen.tags.keys().filter(|key| !wanted.contains_key(*key)).collect();
    if !gone.is_empty() {
        change(context, UNTAG, &of(("TagKeys", json!(gone)))).await?;
    }
    if wanted.iter().any(|(key, value)| seen.tags.get(key) != Some(value)) {
        change(context, TAG, &of(("Tags", tag_list(&wanted)))).await?;
    }
    Ok(())
}

fn outputs(spec: &Spec, arn: &str, version: &str) -> Outputs {
    Outputs::default().with("arn", arn).with("name", &spec.name).with("version", version)
}
