//! One call to a service: made, signed, sent, repeated where that is safe, counted.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor};
use aws_runtime::user_agent::{ApiMetadata, UserAgentInterceptor};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthSchemeOptionResolver};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, SensitiveOutput};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{FrozenLayer, Layer};
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use runway_core::provider::{ErrorKind, ProviderError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{self, Answer, ServiceError};
use super::endpoint::{Protocol, Service, endpoint, is_region};
use crate::cloudformation::percent_encoded;
use crate::count::Counter;

/// How long a function may run, and a little more.
const FUNCTION: Duration = Duration::from_secs(15 * 60 + 20);

/// What every client needs.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) config: SdkConfig,
    pub(crate) region: String,
    pub(crate) counter: Counter,
}

/// A service in one region.
pub(crate) struct Client<'a> {
    connection: &'a Connection,
    service: &'static Service,
    region: &'a str,
}

/// One operation, and whether it may be repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    operation: &'static str,
    changes: bool,
    /// How long an answer may take, if it may take longer than others.
    patience: Option<Duration>,
}

impl Call {
    /// An operation that changes nothing: repeated when no answer comes, too.
    pub(crate) const fn read(operation: &'static str) -> Self {
        Self { operation, changes: false, patience: None }
    }

    /// An operation that changes something: repeated only when the service said that it did nothing yet.
    pub(crate) const fn change(operation: &'static str) -> Self {
        Self { operation, changes: true, patience: None }
    }

    /// The same call, whose answer may take this long.
    const fn taking(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }
}

/// A request before it is signed. Never shown: it may hold a secret.
#[derive(Clone)]
struct Unsigned {
    method: &'static str,
    /// Path and query, encoded.
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl std::fmt::Debug for Unsigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unsigned")
    }
}

impl Unsigned {
    fn into_request(self) -> Result<HttpRequest, BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(self.body));
        request.set_method(self.method)?;
        request.set_uri(self.uri)?;
        for (name, value) in self.headers {
            request.headers_mut().try_insert(name, value)?;
        }
        Ok(request)
    }
}

impl Connection {
    /// A client of a service, in `region` or in the provider's own.
    pub(crate) fn client<'a>(&'a self, service: &'static Service, region: Option<&'a str>) -> Client<'a> {
        Client { connection: self, service, region: region.unwrap_or(&self.region) }
    }
}

impl Client<'_> {
    /// Calls an operation of a JSON service. `target` names what it is applied to, for messages.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        call: Call,
        target: &str,
        body: &Value,
    ) -> Result<T, ServiceError> {
        let mut headers = Vec::new();
        if let Protocol::Json { version, target } = self.service.protocol {
            headers.push(("content-type", format!("application/x-amz-json-{version}")));
            headers.push(("x-amz-target", format!("{target}.{}", call.operation)));
        }
        let request = Unsigned { method: "POST", uri: "/".to_owned(), headers, body: body.to_string() };
        answer::json(&self.send(call, target, request).await?, call.operation, target)
    }

    /// Calls an operation of a Query service with the fields of a form; the answer is XML.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) async fn query<T: DeserializeOwned>(
        &self,
        call: Call,
        target: &str,
        form: &[(String, String)],
    ) -> Result<T, ServiceError> {
        let mut body = format!("Action={}&Version={}", call.operation, self.service.version);
        for (name, value) in form {
            body.push_str(&format!("&{}={}", encoded(name), encoded(value)));
        }
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let request = Unsigned { method: "POST", uri: "/".to_owned(), headers, body };
        answer::xml(&self.send(call, target, request).await?, call.operation, target)
    }

    /// GET of a path below the service's version (encoded), with a query; the answer is XML.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        call: Call,
        target: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ServiceError> {
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let uri = format!("/{}/{path}{mark}{}", self.service.version, query.join("&"));
        let request = Unsigned { method: "GET", uri, headers: Vec::new(), body: String::new() };
        answer::xml(&self.send(call, target, request).await?, call.operation, target)
    }

    /// POST of a document in XML to a path below the service's version (encoded).
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        call: Call,
        target: &str,
        path: &str,
        body: String,
    ) -> Result<T, ServiceError> {
        let headers = vec![("content-type", "application/xml".to_owned())];
        let uri = format!("/{}/{path}", self.service.version);
        let request = Unsigned { method: "POST", uri, headers, body };
        answer::xml(&self.send(call, target, request).await?, call.operation, target)
    }

    /// Lambda's Invoke, its input and output as its model has them, but for `Payload`, which is JSON instead of bytes.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) async fn invoke(&self, operation: &'static str, input: &Value) -> Result<Value, ServiceError> {
        let text = |name: &str| input.get(name).and_then(Value::as_str);
        let function = text("FunctionName").unwrap_or_default();
        let qualifier = text("Qualifier").map(|name| format!("?Qualifier={}", encoded(name)));
        let uri = format!(
            "/{}/functions/{}/invocations{}",
            self.service.version,
            encoded(function),
            qualifier.unwrap_or_default()
        );
        let mut headers = vec![("content-type", "application/json".to_owned())];
        if let Some(kind) = text("InvocationType") {
            headers.push(("x-amz-invocation-type", kind.to_owned()));
        }
        let body = input.get("Payload").map(Value::to_string).unwrap_or_default();
        let request = Unsigned { method: "POST", uri, headers, body };
        let call = Call::change(operation).taking(FUNCTION);
        let answer = self.send(call, function, request).await?;
        // A function answers with any text; nearly always it is JSON.
        let payload: Option<Value> = (!answer.body.is_empty())
            .then(|| serde_json::from_str(&answer.body).unwrap_or(Value::String(answer.body)));
        Ok(json!({
            "StatusCode": answer.status,
            "FunctionError": answer.function.error,
            "ExecutedVersion": answer.function.version,
            "Payload": payload,
        }))
    }

    async fn send(&self, call: Call, target: &str, request: Unsigned) -> Result<Answer, ServiceError> {
        let config = &self.connection.config;
        let refuse = |kind, message: String| ServiceError {
            code: String::new(),
            error: ProviderError::new(kind, call.operation, target, message),
        };
        if !is_region(self.region) {
            let message = format!("`{}` is not the name of a region", self.region);
            return Err(refuse(ErrorKind::Misconfigured, message));
        }
        let missing = |what: &str| refuse(ErrorKind::Credentials, format!("no {what} is configured"));
        let credentials = config.credentials_provider().ok_or_else(|| missing("source of credentials"))?;
        let http_client = config.http_client().ok_or_else(|| missing("HTTP client"))?;
        let endpoint = endpoint(config, self.service, self.region);
        let protocol = &self.service.protocol;
        let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        let mut timeouts = config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
        if let Some(patience) = call.patience {
            timeouts = timeouts.to_builder().operation_attempt_timeout(patience).build();
        }
        let mut operation = Operation::builder()
            .service_name(self.service.id)
            .operation_name(call.operation)
            .http_client(http_client)
            .endpoint_url(&endpoint.url)
            .standard_retry(&retries)
            .timeout_config(timeouts)
            .interceptor(self.connection.counter.clone())
            .interceptor(UserAgentInterceptor::new())
            .interceptor(ServiceClockSkewInterceptor::new())
            .retry_classifier(ServiceClockSkewClassifier::<ErrorMetadata>::new());
        if let Some(version) = config.behavior_version() {
            operation = operation.behavior_version(version);
        }
        if let Some(sleep) = config.sleep_impl() {
            operation = operation.sleep_impl(sleep);
        }
        if let Some(time) = config.time_source() {
            operation = operation.time_source(time);
        }
        if call.patience.is_some() {
            operation = operation.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        } else if let Some(protection) = config.stalled_stream_protection() {
            operation = operation.stalled_stream_protection(protection);
        }
        operation = if call.changes {
            let throttled =
                AwsErrorCodeClassifier::<ErrorMetadata>::builder().transient_errors(&[][..]).build();
            operation
                .retry_classifier(throttled)
                .retry_classifier(HttpStatusCodeClassifier::new_from_codes(&[429][..]))
        } else {
            operation
                .retry_classifier(AwsErrorCodeClassifier::<ErrorMetadata>::new())
                .retry_classifier(HttpStatusCodeClassifier::new_from_codes(&[429, 500, 502, 503, 504][..]))
                .retry_classifier(TransientErrorClassifier::<ErrorMetadata>::new())
        };
        let operation = operation
            .runtime_plugin(
                StaticRuntimePlugin::new()
                    .with_config(self.settings(&endpoint.signing_region))
                    .with_runtime_components(self.signer(credentials)),
            )
            .serializer(|request: Unsigned| request.into_request())
            .deserializer(move |response: &HttpResponse| answer::take(response, protocol))
            .build();
        operation.invoke(request).await.map_err(|failed| answer::refused(&failed, call.operation, target))
    }

    /// What the parts of a call read: signature, user agent, and that bodies are not to be logged.
    fn settings(&self, signing_region: &str) -> FrozenLayer {
        let mut layer = Layer::new("service");
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        layer.store_put(SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(aws_config::Region::new(signing_region.to_owned()))),
            name: Some(SigningName::from_static(self.service.signing_name)),
            ..SigV4OperationSigningConfig::default()
        });
        layer.store_put(ApiMetadata::new(self.service.signing_name, env!("CARGO_PKG_VERSION")));
        layer.store_put(SensitiveOutput);
        if let Some(name) = self.connection.config.app_name() {
            layer.store_put(name.clone());
        }
        layer.freeze()
    }

    /// Signs with the provider's credentials.
    fn signer(&self, credentials: SharedCredentialsProvider) -> RuntimeComponentsBuilder {
        let schemes = StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]);
        RuntimeComponentsBuilder::new("service")
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(schemes)))
            .with_identity_cache(self.connection.config.identity_cache())
            .with_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials))
    }
}

/// Percent-encoded, slashes too.
pub(crate) fn encoded(text: &str) -> String {
    percent_encoded(text).replace('/', "%2F")
}
