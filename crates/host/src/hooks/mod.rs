//! Hooks that run programs: `command.run_command` and the docker hooks.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use runway_core::provider::Provider;
use runway_core::registry::{HandlerFailure, HookCall, HookHandler};

use self::command::RunCommand;
use self::docker::Docker;

mod arguments;
mod command;
mod docker;
mod image;

/// The hooks of this crate by path. `provider` tells the account whose registry `ecr` means where none is named.
pub fn hooks(provider: &Arc<dyn Provider>) -> BTreeMap<String, Arc<dyn HookHandler>> {
    let docker =
        |action| -> Arc<dyn HookHandler> { Arc::new(Docker { action, provider: Arc::clone(provider) }) };
    let hooks: [(&str, Arc<dyn HookHandler>); 5] = [
        ("command.run_command", Arc::new(RunCommand)),
        ("docker.login", docker(docker::Action::Login)),
        ("docker.image.build", docker(docker::Action::Build)),
        ("docker.image.push", docker(docker::Action::Push)),
        ("docker.image.remove", docker(docker::Action::Remove)),
    ];
    hooks.into_iter().map(|(name, hook)| (format!("runway.cfngin.hooks.{name}"), hook)).collect()
}

/// A mistake in the arguments.
fn wrong(message: impl Into<String>, help: impl Into<String>) -> HandlerFailure {
    HandlerFailure { message: message.into(), help: Some(help.into()), ..HandlerFailure::default() }
}

/// A path in the arguments: relative to the directory of the config, which it is if it is not given.
fn in_directory(call: &HookCall, path: Option<&str>) -> Utf8PathBuf {
    path.map_or_else(|| call.directory.clone(), |path| call.directory.join(path))
}
