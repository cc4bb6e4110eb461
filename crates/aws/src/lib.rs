//! AWS as a provider: CloudFormation, S3, credentials; lookups and hooks on AWS. The only crate that names the SDK.
//!
//! The SDK repeats reads by itself. Calls that change something are sent once: whether they may be repeated is decided
//! above, where it is known whether the lock is still held.

mod bucket_rules;
mod cloudformation;
mod count;
mod error;
mod hooks;
mod lookups;
mod object_headers;
mod roles;
mod s3;
mod sdk_config;
mod service;
mod tasks;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use runway_core::provider::{CloudFormation, ErrorKind, Place, Provider, ProviderError};
use runway_store::{BucketName, ObjectStore};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::cloudformation::AwsCloudFormation;
use crate::count::Counter;
pub use crate::hooks::hooks;
pub use crate::lookups::lookups;
pub use crate::object_headers::ObjectHeaders;
use crate::s3::S3;
pub use crate::sdk_config::{AssumeRole, ConnectOptions, Keys};
use crate::service::{Call, Connection, IAM, configured_endpoint};
pub use crate::tasks::task_services;

/// AWS in one account and region.
#[derive(Clone)]
pub struct AwsProvider {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    cloudformation: Arc<AwsCloudFormation>,
    place: OnceCell<Place>,
    s3: Mutex<BTreeMap<String, aws_sdk_s3::Client>>,
    headers: ObjectHeaders,
    path_style: Option<bool>,
}

/// Connects: finds region, credentials sources and endpoints as every AWS tool does. Makes no request unless a
/// profile's region has to be asked for from instance metadata.
///
/// # Errors
/// [`ProviderError`] if no region is configured or the CA bundle cannot be read.
pub async fn connect(options: ConnectOptions) -> Result<AwsProvider, ProviderError> {
    let config = sdk_config::load(&options).await?;
    let Some(region) = config.region().map(|region| region.as_ref().to_owned()) else {
        let message = "no region is configured";
        return Err(ProviderError::new(ErrorKind::NoRegion, "connection", "AWS", message));
    };
    let how = (options.object_headers, options.path_style);
    Ok(AwsProvider::of(config, region, Counter::default(), how, OnceCell::new()))
}

impl AwsProvider {
    fn of(
        config: SdkConfig,
        region: String,
        counter: Counter,
        (headers, path_style): (ObjectHeaders, Option<bool>),
        place: OnceCell<Place>,
    ) -> Self {
        let connection = Connection { config, region, counter };
        let cloudformation = Arc::new(AwsCloudFormation::connect(&connection, &connection.region));
        let inner = Inner { connection, cloudformation, place, s3: Mutex::default(), headers, path_style };
        Self { inner: Arc::new(inner) }
    }

    /// Requests sent so far, every attempt counted, by `Service.Operation`.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.inner.connection.counter.counts()
    }

    /// The credentials and the region as the variables that every AWS tool reads, so that commands which a run starts
    /// work where it works. A session token is among them only if there is one.
    ///
    /// # Errors
    /// [`ProviderError`] if no credentials are found, or a role cannot be assumed.
    pub async fn credentials_environment(&self) -> Result<BTreeMap<String, String>, ProviderError> {
        let refuse =
            |message: String| ProviderError::new(ErrorKind::Credentials, "connection", "AWS", message);
        let source = self.inner.connection.config.credentials_provider();
        let source = source.ok_or_else(|| refuse("no source of credentials is configured".to_owned()))?;
        let found = source.provide_credentials().await.map_err(|error| refuse(error::causes(&error)))?;
        let region = &self.inner.connection.region;
        let mut variables = BTreeMap::from([
            ("AWS_ACCESS_KEY_ID".to_owned(), found.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), found.secret_access_key().to_owned()),
            ("AWS_REGION".to_owned(), region.clone()),
            ("AWS_DEFAULT_REGION".to_owned(), region.clone()),
        ]);
        if let Some(token) = found.session_token() {
            variables.insert("AWS_SESSION_TOKEN".to_owned(), token.to_owned());
        }
        Ok(variables)
    }

    /// Names of the caller's account (AWS: iam ListAccountAliases); an account has one at most.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn account_aliases(&self) -> Result<Vec<String>, ProviderError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            list_account_aliases_result: Found,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Found {
            account_aliases: Aliases,
        }
        #[derive(Deserialize)]
        struct Aliases {
            #[serde(default)]
            member: Vec<String>,
        }
        let call = Call::read("ListAccountAliases");
        let client = self.inner.connection.client(&IAM, None);
        let answer: Answer = client.query(call, "the account", &[]).await?;
        Ok(answer.list_account_aliases_result.account_aliases.member)
    }

    /// The same account in a region.
    fn within(&self, region: &str) -> Self {
        if region == self.inner.connection.region {
            return self.clone();
        }
        let known = self.inner.place.get().map(|place| Place { region: region.to_owned(), ..place.clone() });
        let place = OnceCell::new_with(known);
        let region = aws_config::Region::new(region.to_owned());
        let config = self.inner.connection.config.to_builder().region(region.clone()).build();
        let (counter, headers) = (self.inner.connection.counter.clone(), self.inner.headers.clone());
        Self::of(config, region.as_ref().to_owned(), counter, (headers, self.inner.path_style), place)
    }

    /// The S3 client of a region; path style wherever the endpoint is not AWS's own, because other servers have no names
    /// for buckets.
    fn s3_client(&self, region: Option<&str>) -> aws_sdk_s3::Client {
        let region = region.unwrap_or(&self.inner.connection.region).to_owned();
        let mut clients = self.inner.s3.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let build = || {
            let mut builder = aws_sdk_s3::config::Builder::from(&self.inner.connection.config)
                .region(aws_sdk_s3::config::Region::new(region.clone()))
                .interceptor(self.inner.connection.counter.clone());
            if self.inner.cloudformation.s3_endpoint().is_some() {
                builder = builder.force_path_style(true).request_checksum_calculation(
                    aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired,
                );
            }
            if let Some(path_style) = self.inner.path_style {
                builder = builder.force_path_style(path_style);
            }
            aws_sdk_s3::Client::from_conf(builder.build())
        };
        clients.entry(region.clone()).or_insert_with(build).clone()
    }
}

#[async_trait]
impl Provider for AwsProvider {
    fn identity(&self) -> String {
        match configured_endpoint(&self.inner.connection.config, "CloudFormation") {
            None => "aws".to_owned(),
            Some(endpoint) => format!("aws:{endpoint}"),
        }
    }

    fn region(&self) -> &str {
        &self.inner.connection.region
    }

    async fn place(&self) -> Result<Place, ProviderError> {
        let ask = || async {
            let client = aws_sdk_sts::Client::from_conf(
                aws_sdk_sts::config::Builder::from(&self.inner.connection.config)
                    .interceptor(self.inner.connection.counter.clone())
                    .build(),
            );
            let answer = client
                .get_caller_identity()
                .send()
                .await
                .map_err(|error| error::provider(error, "GetCallerIdentity", "the caller"))?;
            let account = answer.account().unwrap_or_default().to_owned();
            Ok(Place { account, region: self.inner.connection.region.clone() })
        };
        self.inner.place.get_or_try_init(ask).await.cloned()
    }

    fn cloudformation(&self) -> Arc<dyn CloudFormation> {
        Arc::clone(&self.inner.cloudformation) as Arc<dyn CloudFormation>
    }

    fn object_store(&self, bucket: &BucketName, region: Option<&str>) -> Arc<dyn ObjectStore> {
        Arc::new(S3::new(self.s3_client(region), bucket.clone(), self.inner.headers.clone()))
    }

    fn paid_object_store(&self, bucket: &BucketName, region: Option<&str>) -> Arc<dyn ObjectStore> {
        Arc::new(S3::new(self.s3_client(region), bucket.clone(), self.inner.headers.clone()).paid_by_caller())
    }

    fn keeps_conditions(&self) -> bool {
        self.inner.cloudformation.s3_endpoint().is_none()
    }

    fn in_region(&self, region: &str) -> Arc<dyn Provider> {
        Arc::new(self.within(region))
    }
}
