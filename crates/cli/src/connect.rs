//! From settings to a provider.

use std::sync::Arc;

use camino::Utf8Path;
use runway_core::clock::Clock;
use runway_core::engine::EngineError;
use runway_core::provider::Provider;
use runway_local::Local;

use crate::settings::{Environment, ProviderChoice, Settings};

/// Region of the embedded provider, unless told otherwise.
const LOCAL_REGION: &str = "us-east-1";

/// A provider, and how to ask it for its request counts.
pub(crate) struct Connected {
    pub(crate) provider: Arc<dyn Provider>,
    #[cfg(feature = "aws")]
    aws: Option<runway_aws::AwsProvider>,
}

impl Connected {
    /// Requests by API so far, if the provider counts them.
    pub(crate) fn requests(&self) -> std::collections::BTreeMap<String, u64> {
        #[cfg(feature = "aws")]
        if let Some(aws) = &self.aws {
            return aws.requests();
        }
        std::collections::BTreeMap::new()
    }
}

/// Connects to the provider that was chosen. `config_directory` is where the embedded provider keeps its state by
/// default.
pub(crate) async fn connect(
    settings: &Settings,
    environment: &Environment,
    config_directory: &Utf8Path,
    clock: Arc<dyn Clock>,
) -> Result<Connected, EngineError> {
    match &settings.provider {
        ProviderChoice::Local(directory) => {
            let directory = directory.clone().unwrap_or_else(|| config_directory.join(".runway/local"));
            let region = settings.region.clone().unwrap_or_else(|| LOCAL_REGION.to_owned());
            let options = runway_local::Options { region, ..runway_local::Options::default() };
            let local = Local::directory(directory.as_std_path(), clock, options)
                .map_err(|error| EngineError::from(runway_core::provider::ProviderError::from(error)))?;
            Ok(Connected {
                provider: Arc::new(local),
                #[cfg(feature = "aws")]
                aws: None,
            })
        }
        ProviderChoice::Aws => aws(settings, environment).await,
    }
}

#[cfg(feature = "aws")]
async fn aws(settings: &Settings, environment: &Environment) -> Result<Connected, EngineError> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    let options = runway_aws::ConnectOptions {
        region: settings.region.clone(),
        profile: settings.profile.clone(),
        ca_bundle: variable("AWS_CA_BUNDLE").map(Into::into),
        read_attempts: variable("AWS_MAX_ATTEMPTS").and_then(|text| text.trim().parse().ok()),
        application: variable("AWS_SDK_UA_APP_ID"),
        ..runway_aws::ConnectOptions::default()
    };
    let provider = runway_aws::connect(options).await?;
    Ok(Connected { provider: Arc::new(provider.clone()), aws: Some(provider) })
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "the form of the other build")]
async fn aws(_settings: &Settings, _environment: &Environment) -> Result<Connected, EngineError> {
    use runway_core::provider::{ErrorKind, ProviderError};
    let message = "this build has no AWS provider; use --provider local, or build with the feature `aws`";
    Err(ProviderError::new(ErrorKind::Unsupported, "connection", "AWS", message).into())
}
