//! Calls to services on behalf of tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{Programs, TaskPlace};
use crate::provider::{Provider, ProviderError};

/// Services that tasks speak to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// EventBridge (AWS JSON 1.1, `AWSEvents`).
    Events,
    /// Service Catalog (AWS JSON 1.1, `AWS242ServiceCatalogService`).
    ServiceCatalog,
    /// Organizations (AWS JSON 1.1, `AWSOrganizationsV20161128`).
    Organizations,
    /// CodeBuild (AWS JSON 1.1, `CodeBuild_20161006`).
    CodeBuild,
    /// Systems Manager (AWS JSON 1.1, `AmazonSSM`).
    Ssm,
    /// Lambda (REST JSON); the only operation is `Invoke`.
    Lambda,
}

/// Verbs with which the names of operations begin that change nothing.
const READS: [&str; 7] = ["Describe", "Get", "List", "Search", "BatchGet", "Scan", "Validate"];

const fn starts_with(text: &str, start: &str) -> bool {
    let (text, start) = (text.as_bytes(), start.as_bytes());
    let mut at = 0;
    while at < start.len() {
        if at >= text.len() || text[at] != start[at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn is_read(operation: &str) -> bool {
    let mut at = 0;
    while at < READS.len() {
        if starts_with(operation, READS[at]) {
            return true;
        }
        at += 1;
    }
    false
}

/// An operation that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub(super) service: Service,
    pub(super) operation: &'static str,
}

impl Read {
    /// An operation by its name in the service's API. As a constant it does not compile if the name is not that of a read,
    /// so that no kind of tasks can change anything while planning.
    ///
    /// # Panics
    /// If the name does not begin like that of a read.
    pub const fn new(service: Service, operation: &'static str) -> Self {
        assert!(is_read(operation), "not the name of a read");
        Self { service, operation }
    }
}

/// An operation that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub(super) service: Service,
    pub(super) operation: &'static str,
}

impl Change {
    /// An operation by its name in the service's API.
    pub const fn new(service: Service, operation: &'static str) -> Self {
        Self { service, operation }
    }
}

/// A call that a service refused, or that had no answer.
#[derive(Debug, Clone)]
pub struct ServiceFailure {
    /// The service's error code without what is before `#`; empty if there was no answer.
    pub code: String,
    /// What a caller may decide on, and the service's words.
    pub error: ProviderError,
}

/// What tasks need of a cloud beyond the run's own place.
#[async_trait]
pub trait TaskServices: Send + Sync {
    /// Calls an operation with its input as JSON; the answer is its output as JSON. `changes` tells whether it may be
    /// repeated only if it is known that nothing was done.
    ///
    /// # Errors
    /// [`ServiceFailure`].
    async fn call(
        &self,
        place: &TaskPlace,
        service: Service,
        operation: &'static str,
        changes: bool,
        input: &Value,
    ) -> Result<Value, ServiceFailure>;

    /// The provider in another place: roles assumed, account checked.
    ///
    /// # Errors
    /// [`ProviderError`] if a role cannot be assumed, or leads to another account than the place says.
    async fn provider(&self, place: &TaskPlace) -> Result<Arc<dyn Provider>, ProviderError>;

    /// Credentials and region of a place as the variables that every program reads; none if programs find them by
    /// themselves.
    ///
    /// # Errors
    /// [`ProviderError`] as [`Self::provider`].
    async fn environment(&self, place: &TaskPlace) -> Result<BTreeMap<String, String>, ProviderError> {
        let _ = place;
        Ok(BTreeMap::new())
    }

    /// What runs programs of the user's machine, if anything may.
    fn programs(&self) -> Option<&dyn Programs> {
        None
    }
}
