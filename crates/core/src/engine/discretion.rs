//! What leaves the engine leaves it without secrets: events, plans that are shown, findings and outcomes.

use std::sync::Arc;

use async_trait::async_trait;

use crate::engine::{Approval, Engine, EngineError, Forgotten, Gate, InitOutcome, Planned, RunOutcome};
use crate::error::Finding;
use crate::event::{Event, Reporter};
use crate::plan::saved::SavedPlan;
use crate::secrets::{Secrets, Vault};

/// Something that is told, and its way to tell it without secrets.
pub(crate) trait Discreet: Sized {
    /// The same without these secrets.
    fn without(self, secrets: &Arc<Secrets>) -> Self;
}

impl Discreet for Vec<Finding> {
    fn without(self, secrets: &Arc<Secrets>) -> Self {
        self.into_iter().map(|finding| finding.without(secrets)).collect()
    }
}

impl Discreet for EngineError {
    fn without(self, secrets: &Arc<Secrets>) -> Self {
        Self { findings: self.findings.without(secrets), ..self }
    }
}

impl Discreet for Planned {
    fn without(mut self, secrets: &Arc<Secrets>) -> Self {
        self.plan.hide(secrets);
        Self { warnings: self.warnings.without(secrets), ..self }
    }
}

impl Discreet for RunOutcome {
    fn without(mut self, secrets: &Arc<Secrets>) -> Self {
        self.nodes.iter_mut().for_each(|node| node.hide(secrets));
        Self { planned: self.planned.without(secrets), errors: self.errors.without(secrets), ..self }
    }
}

impl Discreet for InitOutcome {
    fn without(self, secrets: &Arc<Secrets>) -> Self {
        Self { errors: self.errors.without(secrets), ..self }
    }
}

/// What is kept of a plan is made without secrets.
impl Discreet for (Planned, SavedPlan) {
    fn without(self, secrets: &Arc<Secrets>) -> Self {
        (self.0.without(secrets), self.1)
    }
}

impl Discreet for () {
    fn without(self, _secrets: &Arc<Secrets>) -> Self {}
}

/// It says nothing.
impl Discreet for Forgotten {
    fn without(self, _secrets: &Arc<Secrets>) -> Self {
        self
    }
}

impl Engine {
    /// A result without what this run has learned to be secret.
    pub(crate) fn discreet<T: Discreet>(&self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        let secrets = self.asked.vault().secrets();
        match result {
            Ok(told) => Ok(told.without(&secrets)),
            Err(error) => Err(error.without(&secrets)),
        }
    }
}

/// Passes events on without secrets.
pub(crate) struct DiscreetReporter<'a> {
    /// Who gets them.
    pub(crate) reporter: &'a mut dyn Reporter,
    /// What is secret.
    pub(crate) vault: &'a Vault,
}

impl Reporter for DiscreetReporter<'_> {
    fn event(&mut self, event: &Event) {
        let secrets = self.vault.secrets();
        if secrets.is_empty() {
            self.reporter.event(event);
        } else {
            self.reporter.event(&event.clone().without(&secrets));
        }
    }
}

/// Shows plans without secrets.
pub(crate) struct DiscreetGate<'a> {
    /// Who is shown them.
    pub(crate) gate: &'a dyn Gate,
    /// What is secret.
    pub(crate) vault: &'a Vault,
}

#[async_trait]
impl Gate for DiscreetGate<'_> {
    async fn approve(&self, planned: &Planned, again: u32) -> Approval {
        let secrets = self.vault.secrets();
        if secrets.is_empty() {
            return self.gate.approve(planned, again).await;
        }
        self.gate.approve(&planned.clone().without(&secrets), again).await
    }
}
