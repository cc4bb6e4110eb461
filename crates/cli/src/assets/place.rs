//! From arguments and variables to a session on a bucket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use miette::Diagnostic;
use runway_artifacts::assets::{Allowed, AssetReporter, Session, SessionClock, StoreConditions, iam_policy};
use runway_artifacts::names::{AppName, Layout, NameError, Nonce};
use runway_core::clock::Clock;
use runway_core::engine::EngineError;
use runway_core::error::Problem;
use runway_core::exit::ExitCode;
use runway_core::render::cache::partition;
use runway_core::render::json::pretty;
use runway_core::render::style::harmless;
use runway_store::{BucketName, Directory, Memory, ObjectStore, ReadOnly, StoreError};
use thiserror::Error;

use super::AssetsContext;
use super::request::missing;
use crate::args::{AssetsPlace, PathStyle, endpoint};
use crate::clock::SystemClock;
use crate::connect::Connector;
use crate::settings::ProviderChoice;

/// Problems with arguments and variables about assets.
#[derive(Debug, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub(crate) enum PlaceProblem {
    #[error("{option} is missing")]
    #[diagnostic(code(assets::missing_option), help("give it, or set the variable {variable}"))]
    Missing { option: &'static str, variable: &'static str },

    #[error("{name}: {reason}")]
    #[diagnostic(code(assets::wrong_option), help("correct it, or leave it out"))]
    Value { name: &'static str, reason: String },

    #[error("{0}")]
    #[diagnostic(code(assets::name), help("choose another name"))]
    Name(NameError),

    #[error("VALPOP_MODE is `{mode}`, and only `s3` is there in this program")]
    #[diagnostic(code(assets::valpop_mode), help("push to a bucket, or unset the variable"))]
    Mode { mode: String },

    #[error("{message}")]
    #[diagnostic(
        code(assets::no_answer),
        help(
            "the store is {endpoint}, from {origin}: is the server running, and can it be reached from here?"
        )
    )]
    NoAnswer { message: String, endpoint: String, origin: &'static str },

    #[error("{0}")]
    #[diagnostic(code(assets::directory), help("name a directory that may be written with --directory"))]
    Directory(Box<StoreError>),
}

impl Problem for PlaceProblem {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Missing { .. } | Self::Value { .. } => ExitCode::Usage,
            Self::NoAnswer { .. } => ExitCode::Unavailable,
            _ => ExitCode::Config,
        }
    }
}

impl SessionClock for SystemClock {
    fn seconds(&self) -> u64 {
        u64::try_from(self.now().as_second()).unwrap_or_default()
    }

    fn monotonic(&self) -> Duration {
        Clock::monotonic(self)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        tokio::time::sleep(duration).boxed()
    }
}

/// A text that no other session has.
pub(super) fn nonce() -> Nonce {
    let text = uuid::Uuid::new_v4().simple().to_string();
    Nonce::new(text.get(..16).unwrap_or_default())
}

/// A session, and what is known of its store.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) conditions: StoreConditions,
    #[cfg(feature = "aws")]
    aws: Option<runway_aws::AwsProvider>,
}

impl Opened {
    pub(super) fn reporter(&mut self, reporter: Arc<dyn AssetReporter>) {
        self.session.reporter = reporter;
    }

    /// Requests sent so far, if the store counts them.
    pub(super) fn requests(&self) -> BTreeMap<String, u64> {
        #[cfg(feature = "aws")]
        if let Some(aws) = &self.aws {
            return aws.requests();
        }
        BTreeMap::new()
    }
}

/// A store with how it keeps conditions.
struct Store {
    store: Arc<dyn ObjectStore>,
    keeps_conditions: bool,
    #[cfg(feature = "aws")]
    aws: Option<runway_aws::AwsProvider>,
}

impl Store {
    fn own(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            keeps_conditions: true,
            #[cfg(feature = "aws")]
            aws: None,
        }
    }
}

impl AssetsContext<'_> {
    /// Where everything of the app is.
    pub(super) fn layout(&self, place: &AssetsPlace) -> Result<Layout, EngineError> {
        if let Some(mode) = self.variable("VALPOP_MODE").filter(|mode| mode != "s3") {
            return Err(EngineError::of(PlaceProblem::Mode { mode }));
        }
        let app = place.app.clone().or_else(|| self.variable("VALPOP_PREFIX"));
        let app = app.ok_or_else(|| missing("--app", "RUNWAY_RS_ASSETS_APP"))?;
        let named = |error| EngineError::of(PlaceProblem::Name(error));
        Layout::new(&place.prefix, app.parse::<AppName>().map_err(named)?).map_err(named)
    }

    /// The bucket that is named.
    pub(super) fn bucket_name(&self, place: &AssetsPlace) -> Result<String, EngineError> {
        let bucket = place.bucket.clone().or_else(|| self.variable("VALPOP_BUCKET"));
        bucket.ok_or_else(|| missing("--bucket", "RUNWAY_RS_ASSETS_BUCKET"))
    }

    /// Prints the permissions that are needed, without asking the store anything.
    pub(super) fn policy(&self, place: &AssetsPlace, allowed: Allowed) -> Result<ExitCode, EngineError> {
        let layout = self.layout(place)?;
        let bucket = match &place.directory {
            Some(directory) => directory.to_string(),
            None => self.bucket_name(place)?,
        };
        let partition = partition(self.settings.region.as_deref().unwrap_or_default());
        let policy = pretty(&iam_policy(partition, &bucket, &layout, allowed));
        self.output.data(&policy);
        self.told.keep(policy);
        Ok(ExitCode::Ok)
    }

    /// Opens the bucket; one that must not be written refuses writes.
    pub(super) async fn open(&self, place: &AssetsPlace, writes: bool) -> Result<Opened, EngineError> {
        let layout = self.layout(place)?;
        let Store {
            store,
            keeps_conditions,
            #[cfg(feature = "aws")]
            aws,
        } = match &place.directory {
            Some(directory) => self.directory(directory, writes)?,
            None => {
                let bucket = self.bucket_name(place)?;
                self.bucket(place, &BucketName::new(bucket)).await?
            }
        };
        let store = if writes { store } else { Arc::new(ReadOnly::new(store)) };
        let conditions = match (place.unsafe_exclusive, keeps_conditions) {
            (true, _) => StoreConditions::Exclusive,
            (false, true) => StoreConditions::Kept,
            (false, false) => StoreConditions::Unknown,
        };
        let holder = &self.settings.holder;
        let writer = format!("{}/{}", holder.host, holder.pid);
        let session = Session::new(store, layout, nonce(), &writer, Arc::new(SystemClock));
        Ok(Opened {
            session,
            conditions,
            #[cfg(feature = "aws")]
            aws,
        })
    }

    fn directory(&self, directory: &Utf8PathBuf, writes: bool) -> Result<Store, EngineError> {
        let path = self.current.join(directory);
        let bucket = BucketName::new(directory.as_str());
        if !writes && !path.exists() {
            // What is not there has no objects, and who only looks does not make it.
            let empty = Memory::new(bucket, Arc::new(jiff::Timestamp::now));
            return Ok(Store::own(Arc::new(empty)));
        }
        let store = Directory::create(path.as_std_path(), bucket, Arc::new(jiff::Timestamp::now));
        let store = store.map_err(|error| EngineError::of(PlaceProblem::Directory(Box::new(error))))?;
        Ok(Store::own(Arc::new(store)))
    }

    async fn bucket(&self, place: &AssetsPlace, bucket: &BucketName) -> Result<Store, EngineError> {
        if matches!(self.settings.provider, ProviderChoice::Local(_)) {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let connector = Connector::new(self.current.to_owned(), self.environment.clone(), clock);
            let connected = connector.connect(self.settings, self.environment).await?;
            return Ok(Store::own(connected.provider.object_store(bucket, None)));
        }
        self.s3(place, bucket).await
    }

    /// Where S3 is, if not at AWS: what is said, or valpop's host and port.
    pub(super) fn endpoint(&self, place: &AssetsPlace) -> Result<Option<String>, EngineError> {
        if let Some(given) = &place.endpoint {
            return Ok(Some(given.clone()));
        }
        let (host, port) = (self.variable("VALPOP_HOSTNAME"), self.variable("VALPOP_PORT"));
        let wrong = |name, reason: String| EngineError::of(PlaceProblem::Value { name, reason });
        if let Some(port) = port.as_ref().filter(|port| port.trim().parse::<u16>().is_err()) {
            let reason = format!("`{}` is no port, for example 9000", port.escape_debug());
            return Err(wrong("VALPOP_PORT", reason));
        }
        let Some(host) = host else {
            // valpop would ask its own machine then.
            return match port {
                Some(_) => {
                    Err(wrong("VALPOP_PORT", "VALPOP_HOSTNAME is not set, so it is no server's".to_owned()))
                }
                None => Ok(None),
            };
        };
        let server = if host.contains("://") { host.clone() } else { format!("http://{host}") };
        let server = match port {
            Some(port) => format!("{server}:{}", port.trim()),
            None => server,
        };
        endpoint(&server).map(Some).map_err(|_| {
            let reason = if host.contains('@') {
                "keys do not belong into it: VALPOP_USERNAME and VALPOP_PASSWORD have them".to_owned()
            } else {
                format!("`{}` is no name of a host, for example minio", host.escape_debug())
            };
            wrong("VALPOP_HOSTNAME", reason)
        })
    }

    /// An error that says no more than that there was no answer, with who was asked.
    pub(super) fn with_endpoint(&self, place: &AssetsPlace, error: EngineError) -> EngineError {
        let is_asked =
            place.directory.is_none() && !matches!(self.settings.provider, ProviderChoice::Local(_));
        if error.exit != ExitCode::Unavailable || !is_asked {
            return error;
        }
        let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
        let of_aws = || variables.into_iter().find_map(|name| Some((self.variable(name)?, name)));
        let ours = self.endpoint(place).ok().flatten().map(|endpoint| {
            let is_option = place.endpoint.is_some();
            (endpoint, if is_option { "--endpoint" } else { "VALPOP_HOSTNAME" })
        });
        let Some((endpoint, origin)) = ours.or_else(of_aws) else { return error };
        let Some(message) = error.findings.first().map(ToString::to_string) else { return error };
        // Keys that somebody wrote into it stay where they are.
        let endpoint = endpoint.rsplit('@').next().unwrap_or_default().to_owned();
        EngineError::of(PlaceProblem::NoAnswer { message, endpoint: harmless(&endpoint), origin })
    }

    #[cfg(feature = "aws")]
    async fn s3(&self, place: &AssetsPlace, bucket: &BucketName) -> Result<Store, EngineError> {
        use runway_core::provider::Provider as _;
        let endpoint = self.endpoint(place)?;
        let keys = self.variable("VALPOP_USERNAME").zip(self.variable("VALPOP_PASSWORD"));
        let none = || Some("none".to_owned());
        // Other servers have no regions, but a request is signed for one.
        let region = self.settings.region.clone();
        let region = region.or_else(|| endpoint.as_ref().map(|_| "us-east-1".to_owned()));
        let options = runway_aws::ConnectOptions {
            region,
            profile: self.settings.profile.clone(),
            ca_bundle: self.variable("AWS_CA_BUNDLE").map(Into::into),
            read_attempts: self.variable("AWS_MAX_ATTEMPTS").and_then(|text| text.trim().parse().ok()),
            application: self.variable("AWS_SDK_UA_APP_ID"),
            // Unlike a config's bucket, these objects are read by others than who wrote them: nothing is said but by request.
            object_headers: runway_aws::ObjectHeaders::parse(
                self.variable("RUNWAY_RS_OBJECT_ENCRYPTION").or_else(none).as_deref(),
                self.variable("RUNWAY_RS_OBJECT_ACL").or_else(none).as_deref(),
            )?,
            keys: keys.map(|(access_key_id, secret_access_key)| runway_aws::Keys {
                access_key_id,
                secret_access_key,
                session_token: None,
            }),
            endpoint,
            path_style: match place.path_style {
                PathStyle::Auto => None,
                PathStyle::Always => Some(true),
                PathStyle::Never => Some(false),
            },
            ..runway_aws::ConnectOptions::default()
        };
        let provider = runway_aws::connect(options).await?;
        Ok(Store {
            store: provider.object_store(bucket, None),
            keeps_conditions: provider.keeps_conditions(),
            aws: Some(provider),
        })
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "the form of the other build")]
    async fn s3(&self, place: &AssetsPlace, _bucket: &BucketName) -> Result<Store, EngineError> {
        use runway_core::provider::{ErrorKind, ProviderError};
        let _ = (self.endpoint(place)?, place.path_style == PathStyle::Auto);
        let message = "this build has no AWS provider; use --directory, or build with the feature `aws`";
        Err(ProviderError::new(ErrorKind::Unsupported, "connection", "S3", message).into())
    }
}
