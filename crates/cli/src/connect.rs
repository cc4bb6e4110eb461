//! From settings to a provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use runway_core::clock::Clock;
use runway_core::engine::EngineError;
use runway_core::provider::Provider;
use runway_core::registry::LookupHandler;
use runway_core::task::{Programs, TaskServices};
use runway_host::random::RandomString;
use runway_local::Local;
use tokio::sync::Mutex;

use crate::settings::{Environment, ProviderChoice, Settings};

/// Region of the embedded provider, unless told otherwise.
const LOCAL_REGION: &str = "us-east-1";

/// A provider, and how to ask it for its request counts.
pub(crate) struct Connected {
    pub(crate) provider: Arc<dyn Provider>,
    /// Its credentials, if they are not those that programs find by themselves.
    chosen: Option<Chosen>,
    #[cfg(feature = "aws")]
    pub(crate) aws: Option<runway_aws::AwsProvider>,
    /// The embedded provider, if it is that one.
    local: Option<Local>,
}

/// Where credentials come from that were chosen for this connection.
enum Chosen {
    Profile(String),
    Role,
}

impl Chosen {
    fn of(settings: &Settings) -> Option<Self> {
        let profile = || settings.profile.clone().map(Self::Profile);
        settings.assume_role.as_ref().map(|_| Self::Role).or_else(profile)
    }
}

impl Connected {
    /// Lets the programs that hooks, blueprints and lookups of a target start work with the same credentials, if a
    /// profile or a role was chosen. Nothing of other credentials stays in the variables.
    pub(crate) async fn lend(&self, environment: &mut Environment) -> Result<(), EngineError> {
        let Some(chosen) = &self.chosen else { return Ok(()) };
        let credentials = self.credentials().await?;
        if credentials.is_empty() {
            return Ok(());
        }
        for name in ["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION"] {
            environment.remove(name);
        }
        if let Chosen::Profile(profile) = chosen {
            environment.remove("AWS_DEFAULT_PROFILE");
            environment.insert("AWS_PROFILE".to_owned(), profile.clone());
        }
        environment.extend(credentials);
        Ok(())
    }

    /// Requests by API so far, if the provider counts them.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        #[cfg(feature = "aws")]
        if let Some(aws) = &self.aws {
            return aws.requests();
        }
        BTreeMap::new()
    }

    /// Lookups that a project file may ask.
    pub(crate) fn lookups(&self) -> BTreeMap<String, Arc<dyn LookupHandler>> {
        let mut lookups: BTreeMap<String, Arc<dyn LookupHandler>> = BTreeMap::new();
        #[cfg(feature = "aws")]
        if let Some(aws) = &self.aws {
            lookups.extend(runway_aws::lookups(aws));
        }
        lookups.insert("random.string".to_owned(), Arc::new(RandomString));
        lookups
    }

    /// What tasks call, and what runs their programs.
    pub(crate) fn task_services(&self, programs: Arc<dyn Programs>) -> Option<Arc<dyn TaskServices>> {
        if let Some(local) = &self.local {
            return Some(local.task_services(programs));
        }
        #[cfg(feature = "aws")]
        if let Some(aws) = &self.aws {
            return Some(runway_aws::task_services(aws, programs));
        }
        None
    }

    /// Its credentials as the variables that other programs read.
    #[cfg_attr(not(feature = "aws"), expect(clippy::unused_async, reason = "the form of the other build"))]
    async fn credentials(&self) -> Result<BTreeMap<String, String>, EngineError> {
        #[cfg(feature = "aws")]
        if let Some(aws) = &self.aws {
            return Ok(aws.credentials_environment().await?);
        }
        Ok(BTreeMap::new())
    }

    /// Aliases of the account; `None` if the provider has none.
    #[cfg_attr(not(feature = "aws"), expect(clippy::unused_async, reason = "the form of the other build"))]
    pub(crate) async fn account_aliases(&self) -> Result<Option<Vec<String>>, EngineError> {
        #[cfg(feature = "aws")]
        if let Some(aws) = &self.aws {
            return Ok(Some(aws.account_aliases().await?));
        }
        Ok(None)
    }
}

/// What tells connections apart: region, account, role, profile and keys.
type Identity = (Option<String>, Option<String>, Option<String>, Option<String>, Option<KeyVariables>);

/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
type KeyVariables = [Option<String>; 3];

/// Connects, once for all targets in the same region with the same credentials.
pub(crate) struct Connector {
    /// Where the embedded provider keeps its state by default.
    directory: Utf8PathBuf,
    clock: Arc<dyn Clock>,
    /// Variables of this process: credentials are looked for there.
    environment: Environment,
    connections: Mutex<BTreeMap<Identity, Arc<Connected>>>,
}

impl Connector {
    /// A connector that has no connection yet. `directory` is where the embedded provider keeps its state by default.
    pub(crate) fn new(directory: Utf8PathBuf, environment: Environment, clock: Arc<dyn Clock>) -> Self {
        Self { directory, clock, environment, connections: Mutex::default() }
    }

    /// The connection that settings and variables of a target ask for.
    pub(crate) async fn connect(
        &self,
        settings: &Settings,
        environment: &Environment,
    ) -> Result<Arc<Connected>, EngineError> {
        let mut settings = settings.clone();
        // A project may choose the profile; what the process itself says is found by the SDK.
        let chosen = environment.get("AWS_PROFILE").filter(|value| !value.is_empty());
        if settings.profile.is_none() && chosen != self.environment.get("AWS_PROFILE") {
            settings.profile = chosen.cloned();
        }
        let keys_of = |environment: &Environment| {
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
                .map(|name| environment.get(name).filter(|value| !value.is_empty()).cloned())
        };
        let keys = Some(keys_of(environment)).filter(|keys| *keys != keys_of(&self.environment));
        let role = settings.assume_role.as_ref().map(|role| format!("{role:?}"));
        let (region, account) = (settings.region.clone(), settings.account.clone());
        let identity = (region, account, role, settings.profile.clone(), keys.clone());
        let mut connections = self.connections.lock().await;
        if let Some(known) = connections.get(&identity) {
            return Ok(Arc::clone(known));
        }
        let connected = Arc::new(self.new_connection(&settings, keys).await?);
        connections.insert(identity, Arc::clone(&connected));
        Ok(connected)
    }

    /// Requests by API so far, of all connections.
    pub(crate) async fn requests(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for connected in self.connections.lock().await.values() {
            for (operation, count) in connected.requests() {
                *all.entry(operation).or_default() += count;
            }
        }
        all
    }

    async fn new_connection(
        &self,
        settings: &Settings,
        keys: Option<KeyVariables>,
    ) -> Result<Connected, EngineError> {
        match &settings.provider {
            ProviderChoice::Local(directory) => {
                let directory = directory.clone().unwrap_or_else(|| self.directory.join(".runway/local"));
                let mut options = runway_local::Options {
                    region: settings.region.clone().unwrap_or_else(|| LOCAL_REGION.to_owned()),
                    ..runway_local::Options::default()
                };
                // It plays the account that is asked for, or that of the role.
                let of_role = settings.assume_role.as_ref().and_then(|role| role.arn.split(':').nth(4));
                if let Some(account) = settings.account.as_deref().or(of_role) {
                    account.clone_into(&mut options.account);
                }
                let local = Local::directory(directory.as_std_path(), Arc::clone(&self.clock), options)
                    .map_err(|error| EngineError::from(runway_core::provider::ProviderError::from(error)))?;
                Ok(Connected {
                    provider: Arc::new(local.clone()),
                    chosen: Chosen::of(settings),
                    #[cfg(feature = "aws")]
                    aws: None,
                    local: Some(local),
                })
            }
            ProviderChoice::Aws => aws(settings, &self.environment, keys).await,
        }
    }
}

#[cfg(feature = "aws")]
async fn aws(
    settings: &Settings,
    environment: &Environment,
    keys: Option<KeyVariables>,
) -> Result<Connected, EngineError> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    let options = runway_aws::ConnectOptions {
        region: settings.region.clone(),
        profile: settings.profile.clone(),
        ca_bundle: variable("AWS_CA_BUNDLE").map(Into::into),
        read_attempts: variable("AWS_MAX_ATTEMPTS").and_then(|text| text.trim().parse().ok()),
        application: variable("AWS_SDK_UA_APP_ID"),
        object_headers: runway_aws::ObjectHeaders::parse(
            variable("RUNWAY_RS_OBJECT_ENCRYPTION").as_deref(),
            variable("RUNWAY_RS_OBJECT_ACL").as_deref(),
        )?,
        keys: match keys {
            Some([Some(access_key_id), Some(secret_access_key), session_token]) => {
                Some(runway_aws::Keys { access_key_id, secret_access_key, session_token })
            }
            _ => None,
        },
        assume_role: settings.assume_role.as_ref().map(|role| runway_aws::AssumeRole {
            arn: role.arn.clone(),
            session_name: role.session_name.clone(),
            duration: Some(std::time::Duration::from_secs(role.duration_seconds.into())),
            external_id: None,
        }),
        ..runway_aws::ConnectOptions::default()
    };
    let provider = runway_aws::connect(options).await?;
    let (chosen, aws) = (Chosen::of(settings), Some(provider.clone()));
    Ok(Connected { provider: Arc::new(provider), chosen, aws, local: None })
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "the form of the other build")]
async fn aws(
    _settings: &Settings,
    _environment: &Environment,
    _keys: Option<KeyVariables>,
) -> Result<Connected, EngineError> {
    use runway_core::provider::{ErrorKind, ProviderError};
    let message = "this build has no AWS provider; use --provider local, or build with the feature `aws`";
    Err(ProviderError::new(ErrorKind::Unsupported, "connection", "AWS", message).into())
}
