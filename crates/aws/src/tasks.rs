//! What tasks call: operations of services, in accounts that are reached over roles.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use runway_core::provider::{ErrorKind, Provider, ProviderError};
use runway_core::task::{Programs, Service, ServiceFailure, TaskPlace, TaskServices};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use crate::AwsProvider;
use crate::roles::{Assumed, assume};
use crate::service::{
    CODEBUILD, Call, EVENTS, LAMBDA, ORGANIZATIONS, SERVICE_CATALOG, SSM, Service as Reached, ServiceError,
};

/// Members of an input that name what an operation is applied to, the most telling first. None of them is ever a secret.
const NAMES: [&str; 14] = [
    "Name",
    "ProvisionedProductName",
    "FunctionName",
    "projectName",
    "EventBusName",
    "DisplayName",
    "PortfolioId",
    "ProductId",
    "PolicyId",
    "ParentId",
    "OrganizationalUnitId",
    "ResourceARN",
    "ResourceId",
    "Id",
];

/// The services that tasks call, reached from a provider, and what runs their programs.
pub fn task_services(provider: &AwsProvider, programs: Arc<dyn Programs>) -> Arc<dyn TaskServices> {
    let base = provider.clone();
    Arc::new(AwsTaskServices { base, programs, places: Mutex::default(), roles: Mutex::default() })
}

struct AwsTaskServices {
    base: AwsProvider,
    programs: Arc<dyn Programs>,
    places: Mutex<BTreeMap<TaskPlace, Arc<OnceCell<AwsProvider>>>>,
    /// What was assumed so far, by the chain that leads there.
    roles: Mutex<BTreeMap<Vec<String>, Arc<OnceCell<Assumed>>>>,
}

impl AwsTaskServices {
    /// The provider in a place, found once.
    async fn at(&self, place: &TaskPlace) -> Result<AwsProvider, ProviderError> {
        let cell = Arc::clone(self.places.lock().await.entry(place.clone()).or_default());
        cell.get_or_try_init(|| self.find(place)).await.cloned()
    }

    async fn find(&self, place: &TaskPlace) -> Result<AwsProvider, ProviderError> {
        let mut last = None;
        for length in 1..=place.role_chain.len() {
            let chain = &place.role_chain[..length];
            let cell = Arc::clone(self.roles.lock().await.entry(chain.to_vec()).or_default());
            let before = last.take();
            let assumed = cell.get_or_try_init(|| assume(&self.base, before, chain)).await?;
            last = Some(assumed.clone());
        }
        let provider = last.as_ref().map_or_else(|| self.base.clone(), |assumed| assumed.provider.clone());
        if let Some(wanted) = &place.account {
            let account = match &last {
                Some(assumed) => assumed.account.clone(),
                None => self.base.place().await?.account,
            };
            if account != *wanted {
                return Err(wrong_account(place, wanted, &account));
            }
        }
        Ok(match &place.region {
            Some(region) => provider.within(region),
            None => provider,
        })
    }
}

fn wrong_account(place: &TaskPlace, wanted: &str, account: &str) -> ProviderError {
    let message = match place.role_chain.last() {
        Some(role) => {
            format!("the role {role} is in account {account}, but the task is for account {wanted}")
        }
        None => format!(
            "the credentials are of account {account}, but the task is for account {wanted}, and no role leads there"
        ),
    };
    ProviderError::new(ErrorKind::Misconfigured, "AssumeRole", wanted, message)
}

fn reached(service: Service) -> &'static Reached {
    match service {
        Service::Events => &EVENTS,
        Service::ServiceCatalog => &SERVICE_CATALOG,
        Service::Organizations => &ORGANIZATIONS,
        Service::CodeBuild => &CODEBUILD,
        Service::Ssm => &SSM,
        Service::Lambda => &LAMBDA,
    }
}

/// What an operation is applied to, for messages.
fn target(input: &Value) -> &str {
    NAMES.iter().find_map(|name| input.get(*name)?.as_str()).unwrap_or("-")
}

#[async_trait]
impl TaskServices for AwsTaskServices {
    async fn call(
        &self,
        place: &TaskPlace,
        service: Service,
        operation: &'static str,
        changes: bool,
        input: &Value,
    ) -> Result<Value, ServiceFailure> {
        let provider = self.at(place).await.map_err(|error| ServiceFailure { code: String::new(), error })?;
        let client = provider.inner.connection.client(reached(service), None);
        let answer = if service == Service::Lambda {
            client.invoke(operation, input).await
        } else {
            let call = if changes { Call::change(operation) } else { Call::read(operation) };
            client.json(call, target(input), input).await
        };
        answer.map_err(|ServiceError { code, error }| ServiceFailure { code, error })
    }

    async fn provider(&self, place: &TaskPlace) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(Arc::new(self.at(place).await?))
    }

    async fn environment(&self, place: &TaskPlace) -> Result<BTreeMap<String, String>, ProviderError> {
        self.at(place).await?.credentials_environment().await
    }

    fn programs(&self) -> Option<&dyn Programs> {
        Some(self.programs.as_ref())
    }
}
