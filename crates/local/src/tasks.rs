//! What tasks call where there is no AWS: stacks, in any account and region, and programs.

use std::sync::Arc;

use async_trait::async_trait;
use runway_core::provider::{ErrorKind, Place, Provider, ProviderError};
use runway_core::task::{Programs, Service, ServiceFailure, TaskPlace, TaskServices};
use serde_json::Value;

use crate::Local;

impl Local {
    /// What tasks may call here, and what runs their programs. Every account can be reached, over any role: its stacks
    /// are kept apart from those of others.
    pub fn task_services(&self, programs: Arc<dyn Programs>) -> Arc<dyn TaskServices> {
        Arc::new(LocalTaskServices { local: self.clone(), programs })
    }
}

struct LocalTaskServices {
    local: Local,
    programs: Arc<dyn Programs>,
}

impl LocalTaskServices {
    fn at(&self, place: &TaskPlace) -> Result<Local, ProviderError> {
        let here = &self.local.place;
        // arn:aws:iam::123456789012:role/name
        let of_role = place.role_chain.last().map(|role| role.split(':').nth(4).unwrap_or_default());
        let account = of_role.unwrap_or(&here.account);
        if let Some(wanted) = place.account.as_deref().filter(|wanted| *wanted != account) {
            let message = match place.role_chain.last() {
                Some(role) => {
                    format!("the role {role} is in account {account}, but the task is for account {wanted}")
                }
                None => format!(
                    "the embedded provider plays account {account}, but the task is for account {wanted}, and no role leads there"
                ),
            };
            return Err(ProviderError::new(ErrorKind::Misconfigured, "AssumeRole", wanted, message));
        }
        let region = place.region.as_ref().unwrap_or(&here.region);
        let place = Place { account: account.to_owned(), region: region.clone() };
        Ok(Local { inner: Arc::clone(&self.local.inner), place })
    }
}

#[async_trait]
impl TaskServices for LocalTaskServices {
    async fn call(
        &self,
        _place: &TaskPlace,
        service: Service,
        operation: &'static str,
        _changes: bool,
        _input: &Value,
    ) -> Result<Value, ServiceFailure> {
        let message = format!("the embedded provider has stacks only, no {service:?}");
        let error = ProviderError::new(ErrorKind::Unsupported, operation, "a task", message);
        Err(ServiceFailure { code: String::new(), error })
    }

    async fn provider(&self, place: &TaskPlace) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(Arc::new(self.at(place)?))
    }

    fn programs(&self) -> Option<&dyn Programs> {
        Some(self.programs.as_ref())
    }
}
