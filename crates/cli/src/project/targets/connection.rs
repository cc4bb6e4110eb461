//! Modules whose own environment variables say who they are carried out as.

use std::sync::Arc;

use runway_core::engine::EngineError;
use runway_core::error::Finding;
use runway_core::project::{Module, ProjectProblem, Setting};

use super::{Depth, Region, Targets};
use crate::connect::Connected;
use crate::settings::{Environment, ProviderChoice};

/// Variables that choose credentials.
const CREDENTIALS: [&str; 4] =
    ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// Variables that this program reads from its own environment alone.
const OWN: [&str; 3] = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL"];

impl Targets<'_> {
    /// The connection of a module: that of its deployment, unless its own variables choose other credentials.
    pub(super) async fn connection(
        &mut self,
        region: &Region<'_>,
        module: &Module,
        environment: &Environment,
    ) -> Result<Option<Arc<Connected>>, EngineError> {
        self.refuse_unread(&region.environment, environment, module.env_vars.as_ref());
        let value = |environment: &Environment, name: &str| {
            environment.get(name).filter(|value| !value.is_empty()).cloned()
        };
        let changed =
            CREDENTIALS.into_iter().find(|name| value(environment, name) != value(&region.environment, name));
        let Some(variable) = changed else { return Ok(region.connected.clone()) };
        if region.settings.assume_role.is_some() {
            let span = module.env_vars.as_ref().map_or(module.span, |setting| setting.span).into();
            let module = module.name.clone();
            let problem = ProjectProblem::RoleAndCredentials { module, variable, span };
            self.findings.push(Finding::at(&self.open.project.document, problem));
            return Ok(None);
        }
        let is_there = |name: &&str| value(environment, name).is_some();
        let [profile, id, secret, _] = CREDENTIALS;
        if variable != profile && ![id, secret].iter().all(is_there) {
            let span = module.env_vars.as_ref().map_or(module.span, |setting| setting.span).into();
            let problem = ProjectProblem::IncompleteKeys { module: module.name.clone(), span };
            self.findings.push(Finding::at(&self.open.project.document, problem));
            return Ok(None);
        }
        let Depth::Connected(connector) = self.depth else { return Ok(None) };
        if self.findings.has_errors() {
            return Ok(None);
        }
        let connected = connector.connect(&region.settings, environment).await?;
        self.verify(region.deployment, &region.identity, &connected).await?;
        Ok(Some(connected))
    }

    /// Refuses new variables that would have to be there before this program starts.
    pub(super) fn refuse_unread(
        &mut self,
        before: &Environment,
        environment: &Environment,
        env_vars: Option<&Setting>,
    ) {
        if self.settings.provider != ProviderChoice::Aws {
            return;
        }
        for variable in OWN {
            if environment.get(variable) != before.get(variable) {
                let span = env_vars.map(|setting| setting.span.into());
                let problem = ProjectProblem::UnreadVariable { variable, span };
                self.findings.push(Finding::at(&self.open.project.document, problem));
            }
        }
    }
}
