//! The handlers of a config's lookups, blueprints and hooks, each in its order: the config's own, those of the cloud,
//! those of this machine, and Python for everything else.

use std::sync::Arc;

use async_trait::async_trait;
use camino::Utf8Path;
use runway_core::cache::Cache;
use runway_core::clock::Clock;
use runway_core::files::Files;
use runway_core::lookup::file::FileLookup;
use runway_core::lookup::handlers::AWSLAMBDA;
use runway_core::registry::{HandlerFailure, HookCall, HookHandler, HookOutput, LookupHandler, Registry};
use runway_host::python::{INTERPRETER_VARIABLE, PythonBridge, PythonSettings};
use runway_host::random::RandomString;
use runway_host::tasks::TaskPrograms;
use serde_json::Value;

use crate::load::Loaded;
use crate::settings::Environment;
use crate::work::Work;

/// Hooks of Runway that speak to AWS, below `runway.cfngin.hooks`: those of the AWS provider.
const OF_AWS: [&str; 10] = [
    "acm.Certificate",
    "cleanup_s3.purge_bucket",
    "cleanup_ssm.delete_param",
    "ecr.purge_repository",
    "ecs.create_clusters",
    "iam.create_ecs_service_role",
    "iam.ensure_server_cert_exists",
    "keypair.ensure_keypair_exists",
    "route53.create_domain",
    "ssm.parameter.SecureString",
];

/// A hook that speaks to AWS where there is no AWS. Python must not run it either: it would speak to the real one.
struct NeedsAws;

#[async_trait]
impl HookHandler for NeedsAws {
    async fn run(&self, _call: &HookCall, _output: &dyn HookOutput) -> Result<Value, HandlerFailure> {
        Err(HandlerFailure {
            message: "this hook speaks to AWS; the embedded provider has none".to_owned(),
            help: Some("set `enabled: false` for rehearsals, or use --provider aws".to_owned()),
            ..HandlerFailure::default()
        })
    }
}

/// Builds the registry of a config. `environment` are the variables of its run; `root` is the directory of the project
/// file, or else of the config; `cache` is what blueprints were rendered to before.
pub(crate) fn registry(
    work: &Work,
    loaded: &Loaded,
    environment: &Environment,
    root: &Utf8Path,
    files: Arc<dyn Files>,
    clock: Arc<dyn Clock>,
    cache: &Arc<Cache>,
) -> Registry {
    let mut registry = Registry::default();
    registry.lookups.insert("file".to_owned(), Arc::new(FileLookup::new(files)));
    registry.lookups.insert("random.string".to_owned(), Arc::new(RandomString));
    registry.hooks = runway_host::hooks::hooks(&work.connected.provider);
    for name in OF_AWS {
        registry.hooks.insert(format!("runway.cfngin.hooks.{name}"), Arc::new(NeedsAws));
    }
    cloud(&mut registry, work, clock);
    let holder = &work.settings.holder;
    registry.kinds = crate::assets::task_kinds(&loaded.directory, format!("{}/{}", holder.host, holder.pid));
    let programs = TaskPrograms { directory: loaded.directory.clone(), environment: environment.clone() };
    registry.services = work.connected.task_services(Arc::new(programs));

    let settings = python(work, loaded, environment, root);
    let python = Arc::new(PythonBridge::new(settings).remembering(Arc::clone(cache)));
    registry.blueprints = Some(Arc::clone(&python) as _);
    registry.python_hooks = Some(Arc::clone(&python) as Arc<dyn HookHandler>);
    for name in AWSLAMBDA {
        registry.lookups.insert(name.to_owned(), python.runway_lookup(name));
    }
    for (name, own) in &loaded.config.lookups {
        let handler: Arc<dyn LookupHandler> = python.lookup(name.clone(), own.path.clone());
        registry.lookups.insert(name.clone(), handler);
    }
    registry
}

#[cfg(feature = "aws")]
fn cloud(registry: &mut Registry, work: &Work, clock: Arc<dyn Clock>) {
    if let Some(aws) = &work.connected.aws {
        registry.lookups.extend(runway_aws::lookups(aws));
        registry.hooks.extend(runway_aws::hooks(aws, clock));
    }
}

#[cfg(not(feature = "aws"))]
fn cloud(_registry: &mut Registry, _work: &Work, _clock: Arc<dyn Clock>) {}

fn python(work: &Work, loaded: &Loaded, environment: &Environment, root: &Utf8Path) -> PythonSettings {
    let own = loaded.config.sys_path.iter().map(|path| loaded.directory.join(path));
    let packages = loaded.config.package_paths.iter().map(|path| loaded.directory.join(path));
    PythonSettings {
        interpreter: environment.get(INTERPRETER_VARIABLE).filter(|path| !path.is_empty()).map(Into::into),
        directory: loaded.directory.clone(),
        environment: environment.clone(),
        config: loaded.config.raw.clone(),
        config_path: loaded.path.clone(),
        parameters: loaded.parameters.clone(),
        deploy_environment: work.settings.deploy_environment.clone(),
        region: work.connected.provider.region().to_owned(),
        root_directory: root.to_owned(),
        work_directory: root.join(".runway"),
        sys_path: packages.chain(own).collect(),
        timeout: work.settings.python_timeout,
    }
}

#[cfg(all(test, feature = "aws"))]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn every_hook_of_the_aws_provider_is_known_without_it() {
        let options = runway_aws::ConnectOptions {
            region: Some("eu-west-1".to_owned()),
            ..runway_aws::ConnectOptions::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let aws = runtime.block_on(runway_aws::connect(options)).unwrap();
        let hooks = runway_aws::hooks(&aws, Arc::new(SystemClock));
        let expected = OF_AWS.map(|name| format!("runway.cfngin.hooks.{name}"));
        assert_eq!(hooks.keys().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    }
}
