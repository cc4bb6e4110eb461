//! Roles that lead to other accounts, assumed one after the other.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use runway_core::provider::{ErrorKind, Place, ProviderError};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::{AwsProvider, error};

/// Name of the sessions, shown in the accounts' logs.
const SESSION: &str = "runway-rs-task";
/// How long the first credentials may wait for their first use; STS gives them for an hour.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// A role that was assumed.
#[derive(Clone)]
pub(crate) struct Assumed {
    /// What works with its credentials, in the region of the run.
    pub(crate) provider: AwsProvider,
    /// Its account, as STS says.
    pub(crate) account: String,
}

/// Assumes the last role of a chain with the credentials of the one before it, or else of the run.
pub(crate) async fn assume(
    base: &AwsProvider,
    before: Option<Assumed>,
    chain: &[String],
) -> Result<Assumed, ProviderError> {
    let from = before.map_or_else(|| base.clone(), |assumed| assumed.provider);
    let connection = &from.inner.connection;
    let sts = aws_sdk_sts::config::Builder::from(&connection.config).interceptor(connection.counter.clone());
    let role = Role {
        client: aws_sdk_sts::Client::from_conf(sts.build()),
        role: chain.last().cloned().unwrap_or_default(),
        first: Mutex::new(None),
    };
    let session = role.assume().await.map_err(|mut failed| {
        if chain.len() > 1 {
            failed.message = format!("{} (in the chain {})", failed.message, chain.join(" -> "));
        }
        failed
    })?;
    role.keep(session.credentials);
    let config = connection.config.to_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(role)).build();
    let region = connection.region.clone();
    let place = Place { account: session.account.clone(), region: region.clone() };
    let counter = connection.counter.clone();
    let how = (from.inner.headers.clone(), from.inner.path_style);
    let provider = AwsProvider::of(config, region, counter, how, OnceCell::new_with(Some(place)));
    Ok(Assumed { provider, account: session.account })
}

/// A role as a source of credentials. The SDK keeps what it gets from here, and asks again before it ends.
struct Role {
    client: aws_sdk_sts::Client,
    role: String,
    /// The credentials with which it was tried out, until they are asked for.
    first: Mutex<Option<(Instant, Credentials)>>,
}

struct Session {
    account: String,
    credentials: Credentials,
}

impl std::fmt::Debug for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Role").field("role", &self.role).finish_non_exhaustive()
    }
}

impl Role {
    async fn assume(&self) -> Result<Session, ProviderError> {
        let asked = self.client.assume_role().role_arn(&self.role).role_session_name(SESSION).send().await;
        let answer = asked.map_err(|failed| error::provider(failed, "AssumeRole", &self.role))?;
        let strange = || {
            let message = "an answer that makes no sense";
            ProviderError::new(ErrorKind::Unavailable, "AssumeRole", &self.role, message)
        };
        let given = answer.credentials().ok_or_else(strange)?;
        let end = SystemTime::try_from(*given.expiration()).map_err(|_| strange())?;
        let token = Some(given.session_token().to_owned());
        let (id, secret) = (given.access_key_id(), given.secret_access_key());
        // arn:aws:sts::123456789012:assumed-role/name/session
        let user = answer.assumed_role_user().map(|user| user.arn()).unwrap_or_default();
        let account = user.split(':').nth(4).filter(|account| !account.is_empty()).ok_or_else(strange)?;
        Ok(Session {
            account: account.to_owned(),
            credentials: Credentials::new(id, secret, token, Some(end), "task role"),
        })
    }

    fn keep(&self, credentials: Credentials) {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), credentials));
    }

    fn first(&self) -> Option<Credentials> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.filter(|(since, _)| since.elapsed() < FRESH).map(|(_, credentials)| credentials)
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            if let Some(credentials) = self.first() {
                return Ok(credentials);
            }
            self.assume().await.map(|session| session.credentials).map_err(CredentialsError::provider_error)
        })
    }
}
