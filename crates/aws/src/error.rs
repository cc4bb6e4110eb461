//! From the SDK's errors to what callers decide on.

use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use runway_core::provider::{ErrorKind, ProviderError};

/// A failed request, taken apart.
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    /// HTTP status; `None` if there was no answer.
    pub(crate) status: Option<u16>,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    /// Where a bucket is, if it is not where it was asked for.
    pub(crate) bucket_region: Option<String>,
}

/// Takes an SDK error apart.
pub(crate) fn failure<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let response = error.raw_response();
    let status = response.map(|response| response.status().as_u16());
    let request_id = response.and_then(|response| {
        let headers = response.headers();
        headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id")).map(str::to_owned)
    });
    let bucket_region =
        response.and_then(|response| response.headers().get("x-amz-bucket-region").map(str::to_owned));
    let code = error.code().unwrap_or_default().to_owned();
    let said = error.message().unwrap_or_default().to_owned();
    let (kind, message) = match error {
        SdkError::ServiceError(_) => {
            (service_kind(&code, &said, status), said_or_body(&said, &code, response))
        }
        SdkError::TimeoutError(_) => (ErrorKind::Unavailable, "no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (ErrorKind::Unavailable, "no answer in time".to_owned())
        }
        SdkError::ResponseError(_) => {
            (ErrorKind::Unavailable, said_or_body("an answer that makes no sense", "", response))
        }
        other => {
            let causes = causes(other);
            (if is_credentials(&causes) { ErrorKind::Credentials } else { ErrorKind::Unavailable }, causes)
        }
    };
    Failure { kind, status, code, message, request_id, bucket_region }
}

/// An SDK error as the failure of a provider call.
pub(crate) fn provider<E>(
    error: SdkError<E, HttpResponse>,
    operation: &'static str,
    target: &str,
) -> ProviderError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    failure(&error).into_provider(operation, target)
}

impl Failure {
    /// The failure of a provider call.
    pub(crate) fn into_provider(self, operation: &'static str, target: &str) -> ProviderError {
        let message =
            if self.code.is_empty() { self.message } else { format!("{}: {}", self.code, self.message) };
        ProviderError {
            kind: self.kind,
            operation,
            target: target.to_owned(),
            message,
            request_id: self.request_id,
        }
    }
}

fn service_kind(code: &str, message: &str, status: Option<u16>) -> ErrorKind {
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "UnauthorizedAccess" => {
            ErrorKind::Denied
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "RequestTimeTooSkewed"
        | "AuthFailure" => ErrorKind::Credentials,
        "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown"
        | "RequestThrottled"
        | "ProvisionedThroughputExceededException"
        | "PriorRequestNotComplete"
        | "BandwidthLimitExceeded" => ErrorKind::Throttled,
        "AlreadyExistsException"
        | "ParameterAlreadyExists"
        | "EntityAlreadyExists"
        | "InvalidKeyPair.Duplicate" => ErrorKind::AlreadyExists,
        "ValidationError" if message.contains("TerminationProtection") => ErrorKind::Protected,
        "ValidationError" if message.contains("does not exist") => ErrorKind::NotFound,
        "NoSuchBucket"
        | "NoSuchKey"
        | "NotFound"
        | "NoSuchEntity"
        | "NoSuchHostedZone"
        | "ParameterNotFound"
        | "ChangeSetNotFound"
        | "ChangeSetNotFoundException" => ErrorKind::NotFound,
        "ResourceNotFoundException" | "RepositoryNotFoundException" | "NotFoundException" => {
            ErrorKind::NotFound
        }
        _ => match status {
            Some(401 | 403) => ErrorKind::Denied,
            Some(429) => ErrorKind::Throttled,
            Some(status) if status >= 500 => ErrorKind::Unavailable,
            // An answer without a code is no answer of AWS.
            _ if code.is_empty() => ErrorKind::Unavailable,
            _ => ErrorKind::Validation,
        },
    }
}

/// What the service said; else the beginning of what it sent, made harmless.
fn said_or_body(said: &str, code: &str, response: Option<&HttpResponse>) -> String {
    if !said.is_empty() && !code.is_empty() {
        return said.to_owned();
    }
    let Some(response) = response else { return said.to_owned() };
    let bytes = response.body().bytes().unwrap_or_default();
    let text: String = String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = if said.is_empty() { "an answer that is not AWS's" } else { said };
    format!("{start} (status {}): {}", response.status().as_u16(), text.chars().take(120).collect::<String>())
}

/// The chain of causes in one line, without repetitions. The SDK prints whole requests in some of them, tokens and all:
/// those are cut off.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let text = text.split("Request {").next().unwrap_or_default().trim_end().to_owned();
        if !parts.iter().any(|known| known.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

fn is_credentials(causes: &str) -> bool {
    ["credentials", "Credentials", "the SSO", "identity resolver", "failed to construct request"]
        .iter()
        .any(|word| causes.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn causes_hold_no_requests() {
        let inner = Said("failed to apply Request { body: \"WebIdentityToken=secret\" } to it", None);
        let outer = Said("dispatch failure", Some(Box::new(inner)));
        assert_eq!(causes(&outer), "dispatch failure: failed to apply");
    }
}
