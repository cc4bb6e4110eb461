//! The one place where the SDK is configured: TLS, proxies, time-outs, retries, behaviour version.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use runway_core::provider::{ErrorKind, ProviderError};

/// How to connect; everything left out is found as by every AWS tool.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// Region, if it is not the environment's or the profile's.
    pub region: Option<String>,
    /// Profile, if it is not AWS_PROFILE's.
    pub profile: Option<String>,
    /// File with certificates that are trusted besides the system's (AWS_CA_BUNDLE; the SDK itself does not read it).
    pub ca_bundle: Option<PathBuf>,
    /// Endpoint of S3 alone (AWS_ENDPOINT_URL_S3).
    pub s3_endpoint: Option<String>,
    /// How the program names itself in requests (AWS_SDK_UA_APP_ID); `runway-rs` if left out.
    pub application: Option<String>,
    /// Attempts of a read, the first one included; 5 if left out.
    pub read_attempts: Option<u32>,
    /// Time an attempt may take to connect; 5 s if left out.
    pub connect_timeout: Option<Duration>,
    /// Time an attempt may take in all; 30 s if left out.
    pub attempt_timeout: Option<Duration>,
}

pub(crate) async fn load(options: &ConnectOptions) -> Result<SdkConfig, ProviderError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect_timeout.unwrap_or(Duration::from_secs(5)))
        .operation_attempt_timeout(options.attempt_timeout.unwrap_or(Duration::from_secs(30)))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client(options)?)
        // Never the adaptive mode: its limiter falls to half a request a second after a few throttled answers.
        .retry_config(RetryConfig::standard().with_max_attempts(options.read_attempts.unwrap_or(5)))
        .timeout_config(timeouts);
    let application = options.application.clone().unwrap_or_else(|| "runway-rs".to_owned());
    if let Ok(name) = AppName::new(application) {
        loader = loader.app_name(name);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    Ok(loader.load().await)
}

/// The endpoint S3 is reached at, if it is not AWS's own.
pub(crate) fn s3_endpoint(config: &SdkConfig, options: &ConnectOptions) -> Option<String> {
    let endpoint = options.s3_endpoint.as_deref().or(config.endpoint_url())?;
    Some(endpoint.trim_end_matches('/').to_owned())
}

fn http_client(options: &ConnectOptions) -> Result<SharedHttpClient, ProviderError> {
    let mut trusted = TrustStore::default();
    if let Some(path) = &options.ca_bundle {
        let pem = std::fs::read(path).map_err(|error| {
            let message = format!("the certificates of AWS_CA_BUNDLE cannot be read: {error}");
            ProviderError::new(ErrorKind::Validation, "connection", path.display().to_string(), message)
        })?;
        trusted = trusted.with_pem_certificate(pem);
    }
    let tls = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| ProviderError::new(ErrorKind::Validation, "connection", "TLS", error.to_string()))?;
    let proxy = ProxyConfig::from_env();
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder()
            .proxy_config(proxy.clone())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone());
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.build()
    }))
}
