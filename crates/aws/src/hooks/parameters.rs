//! `ssm.parameter.SecureString` and `cleanup_ssm.delete_param`: parameters of SSM.

use std::collections::BTreeMap;

use runway_core::registry::HandlerFailure;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::{Arguments, Run};
use crate::service::{Call, Client, SSM};

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: Option<String>,
    version: Option<u64>,
}

/// `cleanup_ssm.delete_param`.
pub(super) async fn delete(run: &Run<'_>, mut arguments: Arguments<'_>) -> Result<Value, HandlerFailure> {
    let name = arguments.required("parameter_name")?;
    arguments.finish()?;
    remove(run, &name).await
}

/// Deletes a parameter; one that does not exist is fine.
async fn remove(run: &Run<'_>, name: &str) -> Result<Value, HandlerFailure> {
    let client = run.connection().client(&SSM, None);
    let call = Call::change("DeleteParameter");
    let answer: Result<IgnoredAny, _> = client.json(call, name, &json!({"Name": name})).await;
    match answer {
        Ok(_) => run.say(format!("deleted SSM parameter `{name}`")),
        Err(refused) if refused.is(&["ParameterNotFound"]) => {
            run.say(format!("SSM parameter `{name}` does not exist: nothing to delete"));
        }
        Err(refused) => return Err(refused.into()),
    }
    Ok(Value::Bool(true))
}

/// What the hook was told.
struct Wanted {
    name: String,
    value: Option<String>,
    force: bool,
    tier: String,
    tags: BTreeMap<String, String>,
    /// The other fields of PutParameter.
    request: Map<String, Value>,
}

/// `ssm.parameter.SecureString`: puts a parameter if its value differs, deletes it when things are destroyed.
pub(super) async fn secure_string(run: &Run<'_>, arguments: Arguments<'_>) -> Result<Value, HandlerFailure> {
    let wanted = wanted(arguments)?;
    if run.is_destroy() {
        return remove(run, &wanted.name).await;
    }
    let client = run.connection().client(&SSM, None);
    let result = put(run, &client, &wanted).await?;
    update_tags(run, &client, &wanted).await?;
    Ok(result)
}

fn wanted(mut arguments: Arguments<'_>) -> Result<Wanted, HandlerFailure> {
    let name = arguments.either_text("name", "Name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| arguments.missing("name"))?;
    let value = arguments.either_text("value", "Value")?.filter(|value| !value.is_empty());
    let force = arguments.value("force");
    let force = arguments.flag("force", force, false)?;
    let overwrite = arguments.either("overwrite", "Overwrite");
    let overwrite = arguments.flag("overwrite", overwrite, true)?;
    let tier = arguments.either_text("tier", "Tier")?.unwrap_or_else(|| "Standard".to_owned());
    if !["Standard", "Advanced", "Intelligent-Tiering"].contains(&tier.as_str()) {
        return Err(arguments.wrong("tier", "one of Standard, Advanced and Intelligent-Tiering"));
    }
    let mut request = Map::new();
    request.insert("Name".to_owned(), json!(name));
    request.insert("Type".to_owned(), json!("SecureString"));
    request.insert("Overwrite".to_owned(), json!(overwrite));
    request.insert("Tier".to_owned(), json!(tier));
    for (argument, field) in [
        ("allowed_pattern", "AllowedPattern"),
        ("data_type", "DataType"),
        ("description", "Description"),
        ("key_id", "KeyId"),
    ] {
        if let Some(text) = arguments.either_text(argument, field)? {
            request.insert(field.to_owned(), json!(text));
        }
    }
    match arguments.either("policies", "Policies") {
        None => {}
        Some(Value::String(text)) => drop(request.insert("Policies".to_owned(), json!(text))),
        Some(list @ Value::Array(_)) => {
            request.insert("Policies".to_owned(), json!(list.to_string()));
        }
        Some(_) => return Err(arguments.wrong("policies", "a list or its text in JSON")),
    }
    let tags = tags(&mut arguments)?;
    // CFNgin takes a type, too, and does not heed it.
    arguments.either("type", "Type");
    arguments.finish()?;
    Ok(Wanted { name, value, force, tier, tags, request })
}

/// Tags as a map, or as the list that the API takes.
fn tags(arguments: &mut Arguments<'_>) -> Result<BTreeMap<String, String>, HandlerFailure> {
    let entries = match arguments.either("tags", "Tags") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(entries)) => entries.into_iter().collect(),
        Some(Value::Array(items)) => {
            let mut entries = Vec::new();
            for item in items {
                let field = |name: &str| item.get(name).or_else(|| item.get(name.to_lowercase())).cloned();
                match (field("Key"), field("Value")) {
                    (Some(Value::String(key)), Some(value)) => entries.push((key, value)),
                    _ => return Err(arguments.wrong("tags", "a map, or a list of `Key` and `Value`")),
                }
            }
            entries
        }
        Some(_) => return Err(arguments.wrong("tags", "a map, or a list of `Key` and `Value`")),
    };
    entries.into_iter().map(|(key, value)| Ok((key, arguments.as_text("tags", value)?))).collect()
}

async fn put(run: &Run<'_>, client: &Client<'_>, wanted: &Wanted) -> Result<Value, HandlerFailure> {
    let name = &wanted.name;
    let Some(value) = &wanted.value else {
        run.say(format!("SSM parameter `{name}` was not put: its value is empty"));
        return Ok(json!({"Tier": wanted.tier, "Version": 0}));
    };
    let current = if wanted.force { Parameter::default() } else { current(client, name).await? };
    let unchanged = json!({"Tier": wanted.tier, "Version": current.version.unwrap_or_default()});
    if current.value.as_ref() == Some(value) {
        run.say(format!("SSM parameter `{name}` is as it should be"));
        return Ok(unchanged);
    }
    let mut request = wanted.request.clone();
    request.insert("Value".to_owned(), json!(value));
    let answer = client.json(Call::change("PutParameter"), name, &Value::Object(request)).await;
    let answer: Map<String, Value> = match answer {
        Ok(answer) => answer,
        Err(refused) if refused.is(&["ParameterAlreadyExists"]) => {
            run.say(format!("SSM parameter `{name}` exists and was left as it is: `overwrite` is off"));
            return Ok(unchanged);
        }
        Err(refused) => {
            let mut failure = HandlerFailure::from(refused);
            // SSM repeats a value that it finds wrong.
            failure.message = failure.message.replace(value.as_str(), "****");
            return Err(failure);
        }
    };
    run.say(format!("put SSM parameter `{name}`"));
    let field = |name: &str, otherwise: Value| answer.get(name).cloned().unwrap_or(otherwise);
    Ok(json!({"Tier": field("Tier", json!(wanted.tier)), "Version": field("Version", json!(0))}))
}

async fn current(client: &Client<'_>, name: &str) -> Result<Parameter, HandlerFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        parameter: Parameter,
    }
    let body = json!({"Name": name, "WithDecryption": true});
    match client.json::<Answer>(Call::read("GetParameter"), name, &body).await {
        Ok(answer) => Ok(answer.parameter),
        Err(refused) if refused.is(&["ParameterNotFound"]) => Ok(Parameter::default()),
        Err(refused) => Err(refused.into()),
    }
}

/// Makes the tags those that are wanted, the ones that are not removed.
async fn update_tags(run: &Run<'_>, client: &Client<'_>, wanted: &Wanted) -> Result<(), HandlerFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default)]
        tag_list: Vec<Tag>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tag {
        key: String,
        value: String,
    }
    let name = &wanted.name;
    let resource = |more: &[(&str, Value)]| {
        let mut body = json!({"ResourceType": "Parameter", "ResourceId": name});
        for (field, value) in more {
            body[*field] = value.clone();
        }
        body
    };
    let listed = client.json(Call::read("ListTagsForResource"), name, &resource(&[])).await;
    let current: BTreeMap<String, String> = match listed {
        Ok(Answer { tag_list }) => tag_list.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        // A parameter that is not there, because its value is empty, has no tags.
        Err(refused) if refused.is(&["InvalidResourceId", "ParameterNotFound"]) => return Ok(()),
        Err(refused) => return Err(refused.into()),
    };
    let gone: Vec<&String> = current.keys().filter(|key| !wanted.tags.contains_key(*key)).collect();
    if !gone.is_empty() {
        let body = resource(&[("TagKeys", json!(gone))]);
        client.json::<IgnoredAny>(Call::change("RemoveTagsFromResource"), name, &body).await?;
    }
    let new: Vec<Value> = wanted
        .tags
        .iter()
        .filter(|(key, value)| current.get(*key) != Some(value))
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    if !new.is_empty() {
        client
            .json::<IgnoredAny>(Call::change("AddTagsToResource"), name, &resource(&[("Tags", json!(new))]))
            .await?;
    }
    if !(gone.is_empty() && new.is_empty()) {
        run.say(format!("updated the tags of SSM parameter `{name}`"));
    }
    Ok(())
}
