//! What services answer, and what they say when they refuse.

use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::ErrorMetadata;
use runway_core::provider::{ErrorKind, ProviderError};
use runway_core::registry::{HandlerFailure, LookupFailure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::endpoint::Protocol;
use crate::error;

/// Key of the request id in what a service said.
const REQUEST_ID: &str = "aws_request_id";

/// What an answer says. Never shown: it may hold a secret.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    /// What Lambda says beside the body of a function.
    pub(super) function: Function,
}

/// What Lambda says of a run in the headers of its answer.
#[derive(Default)]
pub(super) struct Function {
    /// `X-Amz-Function-Error`: how the function failed.
    pub(super) error: Option<String>,
    /// `X-Amz-Executed-Version`.
    pub(super) version: Option<String>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

/// A failed call.
#[derive(Debug)]
pub(crate) struct ServiceError {
    /// The service's error code, for example `ParameterNotFound`; empty if there was none.
    pub(crate) code: String,
    /// The failure as others see it.
    pub(crate) error: ProviderError,
}

impl ServiceError {
    /// Whether the service said one of these codes.
    pub(crate) fn is(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str())
    }
}

impl From<ServiceError> for ProviderError {
    fn from(failed: ServiceError) -> Self {
        failed.error
    }
}

impl From<ServiceError> for LookupFailure {
    fn from(failed: ServiceError) -> Self {
        failed.error.into()
    }
}

impl From<ServiceError> for HandlerFailure {
    fn from(failed: ServiceError) -> Self {
        failed.error.into()
    }
}

/// Takes an answer: its body, or what the service said against it.
pub(super) fn take(
    response: &HttpResponse,
    protocol: &Protocol,
) -> Result<Answer, OrchestratorError<ErrorMetadata>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return match std::str::from_utf8(body) {
            Ok(text) => {
                let header = |name: &str| response.headers().get(name).map(str::to_owned);
                let function = match protocol {
                    Protocol::RestJson => Function {
                        error: header("x-amz-function-error"),
                        version: header("x-amz-executed-version"),
                    },
                    _ => Function::default(),
                };
                Ok(Answer { status: response.status().as_u16(), body: text.to_owned(), function })
            }
            Err(_) => Err(OrchestratorError::response("an answer that is not text".into())),
        };
    }
    let text = String::from_utf8_lossy(body);
    let said = match protocol {
        Protocol::Json { .. } | Protocol::RestJson => {
            said_in_json(&text, response.headers().get("x-amzn-errortype").unwrap_or_default())
        }
        Protocol::Query | Protocol::RestXml => said_in_xml(&text),
    };
    Err(OrchestratorError::operation(said.unwrap_or_else(|| ErrorMetadata::builder().build())))
}

/// `{"__type": "namespace#Code", "message": ...}`; some services name the code in a header instead.
fn said_in_json(text: &str, header: &str) -> Option<ErrorMetadata> {
    let body: serde_json::Value = serde_json::from_str(text).ok()?;
    let named = |names: [&str; 2]| names.iter().find_map(|name| body.get(*name)?.as_str());
    let code = Some(header).filter(|code| !code.is_empty()).or_else(|| named(["__type", "code"]))?;
    // A namespace stands before `#`, a URL behind `:`.
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let message = named(["message", "Message"]).unwrap_or_default();
    Some(ErrorMetadata::builder().code(code).message(message).build())
}

/// An error in XML: `ErrorResponse` (IAM, Route 53), `Response` (EC2), or the list of messages of Route 53's
/// `InvalidChangeBatch`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct XmlFailure {
    error: Option<XmlError>,
    errors: Option<XmlErrors>,
    messages: Option<XmlMessages>,
    #[serde(alias = "RequestID")]
    request_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlErrors {
    error: XmlError,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlError {
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlMessages {
    message: Vec<String>,
}

fn said_in_xml(text: &str) -> Option<ErrorMetadata> {
    let failure: XmlFailure = quick_xml::de::from_str(text).ok()?;
    let (code, message) =
        match (failure.error.or(failure.errors.map(|errors| errors.error)), failure.messages) {
            (Some(error), _) => (error.code, error.message),
            (None, Some(messages)) => ("InvalidChangeBatch".to_owned(), messages.message.join("; ")),
            (None, None) => return None,
        };
    let mut said = ErrorMetadata::builder().code(code).message(message);
    if let Some(id) = failure.request_id {
        said = said.custom(REQUEST_ID, id);
    }
    Some(said.build())
}

/// A failed call as callers decide on it.
pub(super) fn refused(
    failed: &SdkError<ErrorMetadata, HttpResponse>,
    operation: &'static str,
    target: &str,
) -> ServiceError {
    let mut failure = error::failure(failed);
    if let SdkError::ServiceError(service) = failed
        && failure.request_id.is_none()
    {
        failure.request_id = service.err().extra(REQUEST_ID).map(str::to_owned);
    }
    let code = failure.code.clone();
    ServiceError { code, error: failure.into_provider(operation, target) }
}

/// Reads the body of an answer in XML.
pub(super) fn xml<T: DeserializeOwned>(
    answer: &Answer,
    operation: &'static str,
    target: &str,
) -> Result<T, ServiceError> {
    quick_xml::de::from_str(&answer.body).map_err(|_| unreadable(operation, target))
}

/// Reads the body of an answer in JSON.
pub(super) fn json<T: DeserializeOwned>(
    answer: &Answer,
    operation: &'static str,
    target: &str,
) -> Result<T, ServiceError> {
    // Operations without a result answer with nothing.
    let text = if answer.body.is_empty() { "{}" } else { &answer.body };
    serde_json::from_str(text).map_err(|_| unreadable(operation, target))
}

/// An answer that cannot be read; its text is not shown, it may hold a secret.
fn unreadable(operation: &'static str, target: &str) -> ServiceError {
    let message = "an answer that makes no sense";
    let error = ProviderError::new(ErrorKind::Unavailable, operation, target, message);
    ServiceError { code: String::new(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(found: Option<ErrorMetadata>) -> String {
        let found = found.unwrap();
        let part = |text: Option<&str>| text.unwrap_or("-").to_owned();
        format!("{} | {} | {}", part(found.code()), part(found.message()), part(found.extra(REQUEST_ID)))
    }

    #[test]
    fn errors_are_understood_in_every_form() {
        assert_eq!(
            said(said_in_json(r#"{"__type":"com.amazonaws.ssm#ParameterNotFound","message":"none"}"#, "")),
            "ParameterNotFound | none | -"
        );
        assert_eq!(
            said(said_in_json(r#"{"Message":"no"}"#, "AccessDeniedException:http://internal/")),
            "AccessDeniedException | no | -"
        );
        assert_eq!(
            said(said_in_xml(
                "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>a &lt; b</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
            )),
            "NoSuchEntity | a < b | r-1"
        );
        assert_eq!(
            said(said_in_xml(
                "<?xml version=\"1.0\"?><Response><Errors><Error><Code>InvalidAMIID</Code><Message>m</Message></Error></Errors><RequestID>r-2</RequestID></Response>"
            )),
            "InvalidAMIID | m | r-2"
        );
        assert_eq!(
            said(said_in_xml(
                "<InvalidChangeBatch xmlns=\"x\"><Messages><Message>one</Message><Message>two</Message></Messages><RequestId>r-3</RequestId></InvalidChangeBatch>"
            )),
            "InvalidChangeBatch | one; two | r-3"
        );
        assert!(said_in_xml("<html><body>Bad gateway</body></html>").is_none());
        assert!(said_in_json("<html>", "").is_none());
    }
}
