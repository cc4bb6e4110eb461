//! The one place where the SDK is configured: TLS, proxies, time-outs, retries, behaviour version.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::profile::{self, ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::os_shim_internal::{Env, Fs};
use runway_core::provider::{ErrorKind, ProviderError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::causes;
use crate::object_headers::ObjectHeaders;

/// How to connect; everything left out is found as by every AWS tool.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// Region, if it is not the environment's or the profile's.
    pub region: Option<String>,
    /// Profile, if it is not AWS_PROFILE's. It wins over keys in the environment.
    pub profile: Option<String>,
    /// File with certificates that are trusted besides the system's (AWS_CA_BUNDLE; the SDK itself does not read it);
    /// the profile's if left out.
    pub ca_bundle: Option<PathBuf>,
    /// How the program names itself in requests (AWS_SDK_UA_APP_ID); `runway-rs` if left out.
    pub application: Option<String>,
    /// Attempts of a read, the first one included (AWS_MAX_ATTEMPTS); the profile's or else 5 if left out.
    pub read_attempts: Option<u32>,
    /// Time an attempt may take to connect; 5 s if left out.
    pub connect_timeout: Option<Duration>,
    /// Time an attempt may take in all; 30 s if left out.
    pub attempt_timeout: Option<Duration>,
    /// Where requests go, if not to AWS or to what the environment says.
    pub endpoint: Option<String>,
    /// Whether S3's buckets are in paths, not in names of hosts; left out, they are unless the endpoint is AWS's own.
    pub path_style: Option<bool>,
    /// Headers of the objects that are written.
    pub object_headers: ObjectHeaders,
    /// Keys that win over everything that would be found otherwise.
    pub keys: Option<Keys>,
    /// Role that is assumed with the credentials found.
    pub assume_role: Option<AssumeRole>,
}

/// Credentials as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// AWS_ACCESS_KEY_ID.
    pub access_key_id: String,
    /// AWS_SECRET_ACCESS_KEY.
    pub secret_access_key: String,
    /// AWS_SESSION_TOKEN.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// A role to work in, assumed with the credentials that are found otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// ARN of the role.
    pub arn: String,
    /// Name of the session, shown in the account's logs.
    pub session_name: String,
    /// How long its credentials are good, 15 minutes to 12 hours; STS's own hour if left out. They are renewed while
    /// the program runs.
    pub duration: Option<Duration>,
    /// External id that the role demands, if it does.
    pub external_id: Option<String>,
}

pub(crate) async fn load(options: &ConnectOptions) -> Result<SdkConfig, ProviderError> {
    let profiles = profiles(options).await?;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect_timeout.unwrap_or(Duration::from_secs(5)))
        .operation_attempt_timeout(options.attempt_timeout.unwrap_or(Duration::from_secs(30)))
        .build();
    let from_profile = profiles.get("max_attempts").and_then(|text| text.parse().ok());
    let attempts = options.read_attempts.or(from_profile).filter(|attempts| *attempts > 0);
    // Never the adaptive mode: its limiter falls to half a request a second after a few throttled answers.
    let retries = RetryConfig::standard().with_max_attempts(attempts.unwrap_or(5));
    let ca_bundle = options.ca_bundle.clone().or_else(|| profiles.get("ca_bundle").map(PathBuf::from));
    let http_client = http_client(ca_bundle.as_deref())?;
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client.clone())
        .retry_config(retries.clone())
        .timeout_config(timeouts.clone());
    let application = options.application.clone().unwrap_or_else(|| "runway-rs".to_owned());
    if let Ok(name) = AppName::new(application) {
        loader = loader.app_name(name);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(profile) = &options.profile {
        // A profile that is named on the command line wins over keys in the environment, as with the AWS CLI.
        let region = options.region.clone().or_else(|| profiles.get("region").map(str::to_owned));
        let how = ProviderConfig::without_region()
            .with_region(region.map(Region::new))
            .with_http_client(http_client)
            .with_retry_config(retries)
            .with_timeout_config(timeouts);
        let credentials =
            ProfileFileCredentialsProvider::builder().configure(&how).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(credentials);
    }
    if let Some(keys) = options.keys.clone() {
        let (id, secret) = (keys.access_key_id, keys.secret_access_key);
        loader =
            loader.credentials_provider(Credentials::new(id, secret, keys.session_token, None, "project"));
    }
    let config = loader.load().await;
    let Some(role) = &options.assume_role else { return Ok(config) };
    let mut assumed =
        AssumeRoleProvider::builder(&role.arn).configure(&config).session_name(&role.session_name);
    if let Some(duration) = role.duration {
        assumed = assumed.session_length(duration);
    }
    if let Some(id) = &role.external_id {
        assumed = assumed.external_id(id);
    }
    let credentials = SharedCredentialsProvider::new(assumed.build().await);
    Ok(config.into_builder().credentials_provider(credentials).build())
}

/// The AWS configuration with the profile that is asked for.
async fn profiles(options: &ConnectOptions) -> Result<ProfileSet, ProviderError> {
    let environment = Env::real();
    let wanted = options.profile.clone().or_else(|| environment.get("AWS_PROFILE").ok());
    let wanted = wanted.filter(|name| !name.is_empty());
    let refuse = |message: String| {
        let target = wanted.as_deref().unwrap_or("the default profile");
        ProviderError::new(ErrorKind::Credentials, "connection", target, message)
    };
    let files = EnvConfigFiles::default();
    let loaded = profile::load(&Fs::real(), &environment, &files, wanted.clone().map(Cow::Owned)).await;
    let profiles = loaded.map_err(|error| refuse(causes(&error)))?;
    match &wanted {
        // Without files there is no default profile either, and nothing is wrong with that.
        Some(name) if name != "default" && profiles.get_profile(name).is_none() => {
            Err(refuse(format!("the AWS configuration has no profile `{name}`")))
        }
        _ => Ok(profiles),
    }
}

/// The certificates of a bundle, checked: the SDK takes them as they are, and would come to grief at its first request.
fn certificates(path: &Path) -> Result<Vec<u8>, ProviderError> {
    let refuse = |message: String| {
        ProviderError::new(ErrorKind::Misconfigured, "connection", path.display().to_string(), message)
    };
    let pem = std::fs::read(path)
        .map_err(|error| refuse(format!("the certificates of AWS_CA_BUNDLE cannot be read: {error}")))?;
    let mut trusted = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate.map_err(|error| error.to_string());
        added
            .and_then(|certificate| trusted.add(certificate).map_err(|error| error.to_string()))
            .map_err(|error| refuse(format!("AWS_CA_BUNDLE has a certificate that is none: {error}")))?;
    }
    if trusted.is_empty() {
        return Err(refuse("AWS_CA_BUNDLE has no certificate in it (PEM)".to_owned()));
    }
    Ok(pem)
}

fn http_client(ca_bundle: Option<&Path>) -> Result<SharedHttpClient, ProviderError> {
    let mut trusted = TrustStore::default();
    if let Some(path) = ca_bundle {
        trusted = trusted.with_pem_certificate(certificates(path)?);
    }
    let tls = TlsContext::builder().with_trust_store(trusted).build().map_err(|error| {
        ProviderError::new(ErrorKind::Misconfigured, "connection", "TLS", error.to_string())
    })?;
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
