//! What Service Catalog says of a product, its versions and their parameters, and of what was provisioned of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Read, ReadContext, Service, TaskFailure, WriteContext};
use super::arguments::tags_of;
use super::calls::{Pages, Patience, failure, text, unless};
use super::catalog::{MISSING, is_product_id};
use crate::ident::StackId;
use crate::provider::StackRef;

const PROVISIONED: Read = Read::new(Service::ServiceCatalog, "DescribeProvisionedProduct");
const PRODUCT: Read = Read::new(Service::ServiceCatalog, "DescribeProduct");
const PARAMETERS: Read = Read::new(Service::ServiceCatalog, "DescribeProvisioningParameters");
const RECORD: Read = Read::new(Service::ServiceCatalog, "DescribeRecord");
const PATHS: Pages = Pages {
    read: Read::new(Service::ServiceCatalog, "ListLaunchPaths"),
    member: "LaunchPathSummaries",
    token: ("PageToken", "NextPageToken"),
};
const OUTPUTS: Pages = Pages { read: RECORD, member: "RecordOutputs", token: ("PageToken", "NextPageToken") };

/// How long an operation on a provisioned product may take.
const LIMIT: Duration = Duration::from_secs(3 * 60 * 60);
/// Output in which Service Catalog names the stack of a provisioned product.
const STACK: &str = "CloudformationStackARN";

/// A provisioned product as it is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Provisioned {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) status: String,
    pub(super) product: String,
    pub(super) version: String,
    /// Whether it was ever provisioned to its end.
    pub(super) ever_succeeded: bool,
    /// Values of its stack, `****` where they are hidden; `None` if it has no stack that can be looked at.
    pub(super) parameters: Option<BTreeMap<String, String>>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) outputs: BTreeMap<String, String>,
}

/// A version of a product, and what it can be given.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) product: String,
    pub(super) version: String,
    pub(super) path: Option<String>,
    pub(super) parameters: Vec<Parameter>,
}

/// A parameter of a version.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) default: Option<String>,
    pub(super) no_echo: bool,
    pub(super) allowed: Vec<String>,
}

/// What was provisioned under a name. `details` asks for its parameters, tags and outputs.
pub(super) async fn provisioned(
    context: &ReadContext<'_>,
    name: &str,
    details: bool,
) -> Result<Option<Provisioned>, TaskFailure> {
    let found = unless(context.call(PROVISIONED, &json!({"Name": name})).await, &MISSING)?;
    let Some(found) = found else { return Ok(None) };
    let of = |member: &str| text(&found, &format!("/ProvisionedProductDetail/{member}"));
    let succeeded = of("LastSuccessfulProvisioningRecordId");
    let mut seen = Provisioned {
        id: of("Id").unwrap_or_default(),
        arn: of("Arn").unwrap_or_default(),
        status: of("Status").unwrap_or_default(),
        product: of("ProductId").unwrap_or_default(),
        version: of("ProvisioningArtifactId").unwrap_or_default(),
        ever_succeeded: succeeded.is_some(),
        parameters: None,
        tags: BTreeMap::new(),
        outputs: BTreeMap::new(),
    };
    if let Some(record) = succeeded.filter(|_| details) {
        look(context, &record, &mut seen).await?;
    }
    Ok(Some(seen))
}

/// Looks at the record of the last success, and at the stack that it names.
async fn look(context: &ReadContext<'_>, record: &str, seen: &mut Provisioned) -> Result<(), TaskFailure> {
    let answer = context.call(RECORD, &json!({"Id": record})).await?;
    seen.tags = answer.pointer("/RecordDetail/RecordTags").map(tags_of).unwrap_or_default();
    let listed = match text(&answer, "/NextPageToken") {
        Some(_) => OUTPUTS.all(context, json!({"Id": record})).await?,
        None => answer.get("RecordOutputs").and_then(Value::as_array).cloned().unwrap_or_default(),
    };
    for output in &listed {
        if let (Some(name), Some(value)) = (text(output, "/OutputKey"), text(output, "/OutputValue")) {
            seen.outputs.insert(name, value);
        }
    }
    if let Some(stack) = seen.outputs.get(STACK) {
        let stack = StackRef::Id(StackId::new(stack.as_str()));
        seen.parameters = context.stack(&stack).await?.map(|stack| stack.parameters);
    }
    Ok(())
}

/// A version of a product by names or ids; `None` if the product or the version is not there.
pub(super) async fn version(
    context: &ReadContext<'_>,
    (product, version, path): (&str, &str, Option<&str>),
) -> Result<Option<Version>, TaskFailure> {
    let input = if is_product_id(product) { json!({"Id": product}) } else { json!({"Name": product}) };
    let Some(found) = unless(context.call(PRODUCT, &input).await, &MISSING)? else { return Ok(None) };
    let Some(product_id) = text(&found, "/ProductViewSummary/ProductId") else { return Ok(None) };
    let artifacts = found.get("ProvisioningArtifacts").and_then(Value::as_array);
    let is_it = |artifact: &&Value| {
        ["Id", "Name"].iter().any(|member| artifact.get(*member).and_then(Value::as_str) == Some(version))
    };
    let artifact = artifacts.into_iter().flatten().find(is_it).and_then(|artifact| text(artifact, "/Id"));
    let Some(version) = artifact else { return Ok(None) };
    let path = launch_path(context, (product, &product_id), path).await?;
    let mut input = json!({"ProductId": product_id, "ProvisioningArtifactId": version});
    if let Some(path) = &path {
        input["PathId"] = json!(path);
    }
    let described = context.call(PARAMETERS, &input).await?;
    let listed = described.get("ProvisioningArtifactParameters").and_then(Value::as_array);
    let parameters = listed.into_iter().flatten().filter_map(parameter).collect();
    Ok(Some(Version { product: product_id, version, path, parameters }))
}

fn parameter(described: &Value) -> Option<Parameter> {
    let allowed = described.pointer("/ParameterConstraints/AllowedValues").and_then(Value::as_array);
    Some(Parameter {
        name: text(described, "/ParameterKey")?,
        default: text(described, "/DefaultValue"),
        no_echo: described.get("IsNoEcho").and_then(Value::as_bool).unwrap_or_default(),
        allowed: allowed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}

/// The path over which a product is launched: the one that is named, or else the only one.
async fn launch_path(
    context: &ReadContext<'_>,
    (product, id): (&str, &str),
    wanted: Option<&str>,
) -> Result<Option<String>, TaskFailure> {
    let paths = PATHS.all(context, json!({"ProductId": id})).await?;
    let of = |path: &Value, pointer: &str| text(path, pointer).unwrap_or_default();
    let names = || paths.iter().map(|path| of(path, "/Name")).collect::<Vec<_>>().join(", ");
    match wanted {
        Some(wanted) => {
            let found = paths.iter().find(|path| of(path, "/Id") == wanted || of(path, "/Name") == wanted);
            let none = || {
                failure(
                    format!("the product {product} cannot be launched over `{wanted}`"),
                    format!("name one of its paths: {}", names()),
                )
            };
            found.map(|path| Some(of(path, "/Id"))).ok_or_else(none)
        }
        None if paths.len() > 1 => Err(failure(
            format!("the product {product} can be launched over {} paths", paths.len()),
            format!("name one of them in `path`: {}", names()),
        )),
        None => Ok(paths.first().map(|path| of(path, "/Id"))),
    }
}

/// Waits until nothing is under way with it.
pub(super) async fn settled(
    context: &WriteContext<'_>,
    name: &str,
) -> Result<Option<Provisioned>, TaskFailure> {
    let mut patience = Patience::of(LIMIT);
    loop {
        let seen = provisioned(&context.read, name, true).await?;
        match seen {
            Some(seen) if matches!(seen.status.as_str(), "UNDER_CHANGE" | "PLAN_IN_PROGRESS") => {
                if !patience.pause(context).await {
                    return Err(too_long(name));
                }
            }
            seen => return Ok(seen),
        }
    }
}

/// Waits for the end of what a record tells of.
pub(super) async fn recorded(
    context: &WriteContext<'_>,
    name: &str,
    record: &str,
) -> Result<(), TaskFailure> {
    let mut patience = Patience::of(LIMIT);
    loop {
        let answer = context.read.call(RECORD, &json!({"Id": record})).await?;
        match text(&answer, "/RecordDetail/Status").as_deref() {
            Some("SUCCEEDED") => return Ok(()),
            Some("FAILED") => {
                let errors = answer.pointer("/RecordDetail/RecordErrors").and_then(Value::as_array);
                let said: Vec<String> = errors
                    .into_iter()
                    .flatten()
                    .filter_map(|error| text(error, "/Description").or_else(|| text(error, "/Code")))
                    .collect();
                return Err(failure(
                    format!("the provisioned product {name} failed: {}", said.join("; ")),
                    "mend what the message names, and run the command again",
                ));
            }
            _ => {
                if !patience.pause(context).await {
                    return Err(too_long(name));
                }
            }
        }
    }
}

fn too_long(name: &str) -> TaskFailure {
    failure(
        format!(
            "the provisioned product {name} is still under change after {} hours",
            LIMIT.as_secs() / 3600
        ),
        "nothing is lost; run the command again once it is done",
    )
}
