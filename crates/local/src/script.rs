//! Scripted timings and failures: how long resources take and which ones fail.
//!
//! Three sources, the later ones winning: a resource's own `Metadata` in the template,
//!
//! ```yaml
//! Metadata:
//!   runway-rs:local: {seconds: 2, fail: no capacity, fail_on: create}
//! ```
//!
//! the file `script.json` in the provider's directory,
//!
//! ```json
//! {"version": 1, "stacks": {"ns-app": {"seconds": 1.5, "resources": {"Db": {"fail": "no capacity"}}}}}
//! ```
//!
//! (`*` instead of a stack's name means every stack), and [`crate::Local::script`]. `fail_on` is `create` (the
//! default), `update`, `delete` or `rollback`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::state::Behaviour;

/// Key of the marker in a resource's `Metadata`.
const MARKER: &str = "runway-rs:local";

/// What makes a resource fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Its creation.
    #[default]
    Create,
    /// Its update.
    Update,
    /// Its deletion.
    Delete,
    /// Turning it back after something else failed.
    Rollback,
}

/// What is scripted for one resource.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResourceScript {
    seconds: Option<f64>,
    fail: Option<String>,
    fail_on: Phase,
}

/// What is scripted for one stack.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StackScript {
    seconds: Option<f64>,
    resources: BTreeMap<String, ResourceScript>,
}

/// The whole script.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Script {
    version: u32,
    stacks: BTreeMap<String, StackScript>,
}

impl Script {
    /// Reads `script.json`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let script: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if script.version > 1 {
            return Err(format!("version {} is newer than this program understands (1)", script.version));
        }
        Ok(script)
    }

    fn of(&self, stack: &str) -> impl Iterator<Item = &StackScript> {
        ["*", stack].into_iter().filter_map(|name| self.stacks.get(name))
    }
}

impl ResourceScript {
    /// The marker in a resource's metadata.
    ///
    /// # Errors
    /// What is wrong with it.
    fn in_metadata(metadata: &Value) -> Result<Self, String> {
        match metadata.get(MARKER) {
            Some(marker) => Self::deserialize(marker)
                .map_err(|error| format!("Template error: Metadata {MARKER} is malformed: {error}")),
            None => Ok(Self::default()),
        }
    }

    fn apply(&self, behaviour: &mut Behaviour) {
        if let Some(seconds) = self.seconds {
            behaviour.millis = millis(seconds);
        }
        if let Some(reason) = &self.fail {
            let failure = match self.fail_on {
                Phase::Create => &mut behaviour.fail_create,
                Phase::Update => &mut behaviour.fail_update,
                Phase::Delete => &mut behaviour.fail_delete,
                Phase::Rollback => &mut behaviour.fail_rollback,
            };
            *failure = Some(reason.clone());
        }
    }
}

fn millis(seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds)
        .map_or(0, |duration| duration.as_millis().try_into().unwrap_or(u64::MAX))
}

/// How a resource behaves, all sources considered.
///
/// # Errors
/// What is wrong with the marker in the template.
pub(crate) fn behaviour(
    natural: Behaviour,
    metadata: &Value,
    scripts: &[Script],
    stack: &str,
    logical_id: &str,
) -> Result<Behaviour, String> {
    let mut behaviour = natural;
    ResourceScript::in_metadata(metadata)?.apply(&mut behaviour);
    for script in scripts.iter().flat_map(|script| script.of(stack)) {
        if let Some(seconds) = script.seconds {
            behaviour.millis = millis(seconds);
        }
        if let Some(resource) = script.resources.get(logical_id) {
            resource.apply(&mut behaviour);
        }
    }
    Ok(behaviour)
}

/// Scripts one stack for this process; see [`Local::script`](crate::Local::script).
#[derive(Debug, Clone, Copy)]
pub struct Scripting<'a> {
    pub(crate) script: &'a Mutex<Script>,
    pub(crate) stack: &'a str,
}

impl Scripting<'_> {
    /// Every resource takes this long.
    pub fn takes(self, duration: Duration) -> Self {
        self.change(|script| script.seconds = Some(duration.as_secs_f64()))
    }

    /// One resource takes this long.
    pub fn resource_takes(self, logical_id: &str, duration: Duration) -> Self {
        self.resource(logical_id, |resource| resource.seconds = Some(duration.as_secs_f64()))
    }

    /// One resource fails in a phase, for `reason`. A resource has one scripted failure; a later call replaces it.
    pub fn fails(self, phase: Phase, logical_id: &str, reason: &str) -> Self {
        self.resource(logical_id, |resource| {
            resource.fail = Some(reason.to_owned());
            resource.fail_on = phase;
        })
    }

    /// One resource cannot be created.
    pub fn create_fails(self, logical_id: &str, reason: &str) -> Self {
        self.fails(Phase::Create, logical_id, reason)
    }

    /// One resource cannot be updated.
    pub fn update_fails(self, logical_id: &str, reason: &str) -> Self {
        self.fails(Phase::Update, logical_id, reason)
    }

    /// One resource cannot be deleted.
    pub fn delete_fails(self, logical_id: &str, reason: &str) -> Self {
        self.fails(Phase::Delete, logical_id, reason)
    }

    /// Forgets what this process scripted for the stack.
    pub fn clear(self) -> Self {
        self.change(|script| *script = StackScript::default())
    }

    fn change(self, change: impl FnOnce(&mut StackScript)) -> Self {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        change(script.stacks.entry(self.stack.to_owned()).or_default());
        drop(script);
        self
    }

    fn resource(self, logical_id: &str, change: impl FnOnce(&mut ResourceScript)) -> Self {
        self.change(|script| change(script.resources.entry(logical_id.to_owned()).or_default()))
    }
}
