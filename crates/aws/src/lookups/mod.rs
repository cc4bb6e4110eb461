//! Lookups that ask AWS: `kms`, `ssm`, `ecr`, `dynamodb`, `ami`, and `cfn` in another region.

mod ami;
mod dynamodb;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_smithy_types::base64;
use runway_core::ident::StackFqn;
use runway_core::provider::{CloudFormation as _, ErrorKind, ProviderError, StackRef};
use runway_core::registry::{Fetched, LookupFailure, LookupHandler, LookupRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::AwsProvider;
use crate::cloudformation::AwsCloudFormation;
use crate::service::{Call, Connection, ECR, KMS, SSM, is_region};

/// The lookups of AWS by name. They use the provider's credentials, and its region unless the query or the argument
/// `region` names another. `cfn` answers from any region: whoever knows the provider's own stacks asks it for others
/// only.
pub fn lookups(provider: &AwsProvider) -> BTreeMap<String, Arc<dyn LookupHandler>> {
    let all = [Name::Ami, Name::Cfn, Name::Dynamodb, Name::Ecr, Name::Kms, Name::Ssm];
    let handler = |name: Name| {
        let handler: Arc<dyn LookupHandler> = Arc::new(AwsLookup { name, provider: provider.clone() });
        (name.as_str().to_owned(), handler)
    };
    all.into_iter().map(handler).collect()
}

#[derive(Clone, Copy)]
enum Name {
    Ami,
    Cfn,
    Dynamodb,
    Ecr,
    Kms,
    Ssm,
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ami => "ami",
            Self::Cfn => "cfn",
            Self::Dynamodb => "dynamodb",
            Self::Ecr => "ecr",
            Self::Kms => "kms",
            Self::Ssm => "ssm",
        }
    }
}

struct AwsLookup {
    name: Name,
    provider: AwsProvider,
}

#[async_trait]
impl LookupHandler for AwsLookup {
    async fn fetch(&self, request: &LookupRequest) -> Result<Fetched, LookupFailure> {
        self.ask(request, None).await
    }

    async fn fetch_planned(
        &self,
        request: &LookupRequest,
        planned: &Value,
    ) -> Result<Fetched, LookupFailure> {
        self.ask(request, Some(planned)).await
    }
}

impl AwsLookup {
    async fn ask(&self, request: &LookupRequest, planned: Option<&Value>) -> Result<Fetched, LookupFailure> {
        let name = self.name.as_str();
        if let Some(unknown) = request.arguments.keys().find(|argument| *argument != "region") {
            return Err(LookupFailure::wrong(
                format!("`{name}` has no argument `{unknown}`"),
                "its own argument is `region`; besides it `default`, `load`, `get`, `transform` and `indent`",
            ));
        }
        let region = request.arguments.get("region").map(String::as_str).filter(|region| !region.is_empty());
        if let Some(region) = region.filter(|region| !is_region(region)) {
            let message = format!("`{region}` is not the name of a region");
            return Err(LookupFailure::wrong(message, "write for example `region=us-east-1`"));
        }
        let connection = &self.provider.inner.connection;
        let query = request.query.trim();
        match self.name {
            Name::Ami => ami::fetch(connection, query, region, planned).await,
            Name::Cfn => cfn(&self.provider, query, region).await,
            Name::Dynamodb => dynamodb::fetch(connection, query, region).await,
            Name::Ecr => ecr(connection, query, region).await,
            Name::Kms => kms(connection, query, region).await,
            Name::Ssm => ssm(connection, query, region).await,
        }
    }
}

/// Something that may be shown.
fn open(value: Value) -> Fetched {
    Fetched { value, secret: false }
}

/// Something that must never be shown.
fn secret(text: String) -> Fetched {
    Fetched { value: Value::String(text), secret: true }
}

/// A query that is not of the lookup's form. `query` may be shown.
fn malformed(query: &str, form: &str, example: &str) -> LookupFailure {
    LookupFailure::wrong(
        format!("`{query}` is not of the form `{form}`"),
        format!("write for example `{example}`"),
    )
}

/// An answer without what it should hold.
fn nonsense(operation: &'static str, target: &str) -> LookupFailure {
    ProviderError::new(ErrorKind::Unavailable, operation, target, "an answer that makes no sense").into()
}

/// A parameter of SSM, decrypted. A list of strings is a list.
async fn ssm(connection: &Connection, name: &str, region: Option<&str>) -> Result<Fetched, LookupFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        parameter: Parameter,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Parameter {
        value: Option<String>,
        r#type: Option<String>,
    }
    if name.is_empty() {
        return Err(malformed(name, "name", "${ssm /app/database/host}"));
    }
    let client = connection.client(&SSM, region);
    let body = json!({"Name": name, "WithDecryption": true});
    let answer: Result<Answer, _> = client.json(Call::read("GetParameter"), name, &body).await;
    let parameter = match answer {
        Ok(answer) => answer.parameter,
        Err(refused) if refused.is(&["ParameterNotFound"]) => {
            return Err(LookupFailure {
                help: Some("create it, or add `::default=value`".to_owned()),
                ..LookupFailure::missing(format!("there is no SSM parameter `{name}`"))
            });
        }
        Err(refused) => return Err(refused.into()),
    };
    let Some(value) = parameter.value else { return Ok(open(Value::Null)) };
    Ok(match parameter.r#type.as_deref() {
        Some("StringList") => open(value.split(',').map(|item| Value::String(item.to_owned())).collect()),
        Some("SecureString") => secret(value),
        _ => open(Value::String(value)),
    })
}

/// A text that KMS decrypts: `<base64>`, or in the old form `region@<base64>`.
async fn kms(connection: &Connection, query: &str, region: Option<&str>) -> Result<Fetched, LookupFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        plaintext: String,
    }
    let (region, blob) = match query.split_once('@') {
        Some((region, blob)) => (Some(region.trim()), blob),
        None => (region, query),
    };
    // Python's decoder skips white space: files often end with a line break.
    let blob: String = blob.split_whitespace().collect();
    if blob.is_empty() || base64::decode(&blob).is_err() {
        return Err(LookupFailure::wrong(
            "the query of `kms` is not the base64 text of something encrypted",
            "write `${kms <base64>}`, or `${kms <base64>::region=us-west-2}`; `aws kms encrypt` gives the text",
        ));
    }
    let client = connection.client(&KMS, region);
    let call = Call::read("Decrypt");
    let answer: Answer = client.json(call, "a text", &json!({"CiphertextBlob": blob})).await?;
    let bytes = base64::decode(answer.plaintext).map_err(|_| nonsense("Decrypt", "a text"))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        LookupFailure::wrong("what KMS decrypted is not text in UTF-8", "encrypt text, not other data")
    })?;
    Ok(secret(text))
}

/// The password with which docker logs in to ECR.
async fn ecr(connection: &Connection, query: &str, region: Option<&str>) -> Result<Fetched, LookupFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        authorization_data: Vec<Authorization>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Authorization {
        authorization_token: String,
    }
    if query != "login-password" {
        return Err(LookupFailure::wrong(
            format!("`ecr` does not know `{query}`"),
            "the one thing it looks up is `${ecr login-password}`",
        ));
    }
    let call = Call::read("GetAuthorizationToken");
    let answer: Answer = connection.client(&ECR, region).json(call, "the registry", &json!({})).await?;
    let bad = || nonsense("GetAuthorizationToken", "the registry");
    let token = answer.authorization_data.into_iter().next().ok_or_else(bad)?.authorization_token;
    let text = base64::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
    let (_user, password) = text.split_once(':').ok_or_else(bad)?;
    Ok(secret(password.to_owned()))
}

/// An output of a stack of any region.
async fn cfn(provider: &AwsProvider, query: &str, region: Option<&str>) -> Result<Fetched, LookupFailure> {
    let (stack, output) = match query.split_once('.') {
        Some((stack, output)) if !stack.is_empty() && !output.is_empty() && !output.contains('.') => {
            (stack, output)
        }
        _ => return Err(malformed(query, "full-stack-name.Output", "${cfn prod-vpc.Id::region=us-east-1}")),
    };
    let connection = &provider.inner.connection;
    let region = region.unwrap_or(&connection.region);
    let cloudformation = AwsCloudFormation::connect(connection, region);
    let found = cloudformation.describe_stack(&StackRef::Name(StackFqn::new(stack))).await?;
    let Some(found) = found else {
        return Err(LookupFailure::missing(format!("stack `{stack}` does not exist in {region}")));
    };
    match found.outputs.get(output) {
        Some(value) => Ok(open(Value::String(value.clone()))),
        None => {
            let message = format!("stack `{stack}` in {region} has no output `{output}`");
            let known: Vec<&str> = found.outputs.keys().map(String::as_str).collect();
            let help = (!known.is_empty()).then(|| format!("it has {}", known.join(", ")));
            Err(LookupFailure { help, ..LookupFailure::missing(message) })
        }
    }
}
