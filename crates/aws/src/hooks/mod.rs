//! Hooks that work on AWS, the arguments, results and failures of CFNgin's own.

mod acm;
mod arguments;
mod buckets;
mod ecr;
mod ecs;
mod iam;
mod key_pair;
mod parameters;
mod route53;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use camino::Utf8Path;
use runway_core::clock::Clock;
use runway_core::registry::{HandlerFailure, HookCall, HookHandler, HookOutput, HookStage};
use runway_core::secrets::Secrets;
use serde_json::Value;

use self::arguments::Arguments;
use crate::AwsProvider;
use crate::service::Connection;

/// The hooks by path. They use the provider's credentials and region.
pub fn hooks(provider: &AwsProvider, clock: Arc<dyn Clock>) -> BTreeMap<String, Arc<dyn HookHandler>> {
    let handler = |name: Name| {
        let (provider, clock) = (provider.clone(), Arc::clone(&clock));
        let handler: Arc<dyn HookHandler> = Arc::new(AwsHook { name, provider, clock });
        (format!("runway.cfngin.hooks.{}", name.as_str()), handler)
    };
    Name::ALL.into_iter().map(handler).collect()
}

#[derive(Clone, Copy)]
enum Name {
    Certificate,
    CreateClusters,
    CreateDomain,
    CreateEcsServiceRole,
    DeleteParameter,
    EnsureKeyPair,
    EnsureServerCertificate,
    PurgeBucket,
    PurgeRepository,
    SecureString,
}

impl Name {
    const ALL: [Self; 10] = [
        Self::Certificate,
        Self::CreateClusters,
        Self::CreateDomain,
        Self::CreateEcsServiceRole,
        Self::DeleteParameter,
        Self::EnsureKeyPair,
        Self::EnsureServerCertificate,
        Self::PurgeBucket,
        Self::PurgeRepository,
        Self::SecureString,
    ];

    /// The path below `runway.cfngin.hooks`.
    fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "acm.Certificate",
            Self::CreateClusters => "ecs.create_clusters",
            Self::CreateDomain => "route53.create_domain",
            Self::CreateEcsServiceRole => "iam.create_ecs_service_role",
            Self::DeleteParameter => "cleanup_ssm.delete_param",
            Self::EnsureKeyPair => "keypair.ensure_keypair_exists",
            Self::EnsureServerCertificate => "iam.ensure_server_cert_exists",
            Self::PurgeBucket => "cleanup_s3.purge_bucket",
            Self::PurgeRepository => "ecr.purge_repository",
            Self::SecureString => "ssm.parameter.SecureString",
        }
    }
}

struct AwsHook {
    name: Name,
    provider: AwsProvider,
    clock: Arc<dyn Clock>,
}

/// One run of a hook.
struct Run<'a> {
    provider: &'a AwsProvider,
    clock: &'a dyn Clock,
    call: &'a HookCall,
    output: &'a dyn HookOutput,
    secrets: Secrets,
}

impl Run<'_> {
    fn connection(&self) -> &Connection {
        &self.provider.inner.connection
    }

    fn say(&self, text: impl AsRef<str>) {
        self.output.line(&self.secrets.hide(text.as_ref()));
    }

    /// Whether this is a destroy: hooks that keep something up then take it away.
    fn is_destroy(&self) -> bool {
        matches!(self.call.stage, HookStage::PreDestroy | HookStage::PostDestroy)
    }

    /// The text of a file; `path` starts in the directory of the config.
    fn read(&self, argument: &str, path: &str) -> Result<String, HandlerFailure> {
        let full = self.call.directory.join(Utf8Path::new(path));
        std::fs::read_to_string(&full).map_err(|error| {
            failed(
                format!("`{full}`, which the argument `{argument}` names, cannot be read: {error}"),
                "paths start in the directory of the config",
            )
        })
    }
}

/// A failure that the user can mend.
fn failed(message: impl Into<String>, help: impl Into<String>) -> HandlerFailure {
    HandlerFailure { message: message.into(), help: Some(help.into()), ..HandlerFailure::default() }
}

#[async_trait]
impl HookHandler for AwsHook {
    async fn run(&self, call: &HookCall, output: &dyn HookOutput) -> Result<Value, HandlerFailure> {
        let secrets = Secrets::new(&call.secrets);
        let run = Run { provider: &self.provider, clock: self.clock.as_ref(), call, output, secrets };
        let arguments = Arguments::new(call);
        let result = match self.name {
            Name::Certificate => acm::certificate(&run, arguments).await,
            Name::CreateClusters => ecs::create_clusters(&run, arguments).await,
            Name::CreateDomain => route53::create_domain(&run, arguments).await,
            Name::CreateEcsServiceRole => iam::create_ecs_service_role(&run, arguments).await,
            Name::DeleteParameter => parameters::delete(&run, arguments).await,
            Name::EnsureKeyPair => key_pair::ensure(&run, arguments).await,
            Name::EnsureServerCertificate => iam::ensure_server_certificate(&run, arguments).await,
            Name::PurgeBucket => buckets::purge(&run, arguments).await,
            Name::PurgeRepository => ecr::purge(&run, arguments).await,
            Name::SecureString => parameters::secure_string(&run, arguments).await,
        };
        result.map_err(|failure| failure.without(&run.secrets))
    }
}
