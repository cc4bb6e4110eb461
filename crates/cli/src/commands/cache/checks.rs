//! What is checked before a command about the task cache does anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use runway_core::cache::{Record, kinds};
use runway_core::clock::Clock;
use runway_core::config::Called;
use runway_core::engine::EngineError;
use runway_core::lookup::handlers;

use super::super::Context;
use super::super::session::Session;
use super::is_key_of;
use crate::args::CacheCommand;
use crate::cache::{CacheUsage, tiers};
use crate::load::Loaded;
use crate::settings::SettingsProblem;
use crate::work::Work;

impl Context {
    /// Refuses a command about caches that one of its targets would refuse after others were carried out: a file that is
    /// to hold several caches, a bucket's part where there is none.
    pub(in crate::commands) fn check_caches(
        &self,
        command: &CacheCommand,
        works: &[&Work],
        clock: &Arc<dyn Clock>,
    ) -> Result<(), EngineError> {
        let configs = || works.iter().flat_map(|work| work.configs.iter().map(move |loaded| (*work, loaded)));
        match command {
            CacheCommand::Export { .. } | CacheCommand::Import { .. } => {
                let place =
                    |(work, loaded): (&Work, &Loaded)| Some(tiers(work, loaded, clock).local?.place());
                let places: BTreeSet<String> = configs().filter_map(place).collect();
                if places.len() > 1 {
                    return Err(EngineError::of(SettingsProblem::SeveralCaches));
                }
                Ok(())
            }
            CacheCommand::Clear(arguments) if arguments.remote => {
                let lacks = |(work, loaded): &(&Work, &Loaded)| tiers(work, loaded, clock).remote.is_none();
                let Some((work, _)) = configs().find(lacks) else { return Ok(()) };
                Err(EngineError::of(match work.settings.cache.leaves_bucket_alone() {
                    true => CacheUsage::BucketLeftAlone,
                    false => CacheUsage::NoBucket,
                }))
            }
            _ => Ok(()),
        }
    }
}

impl Session<'_> {
    /// Refuses kinds and names that mean nothing: nothing would be found, which looks like an answer.
    pub(super) async fn check_names(&self, command: &CacheCommand) -> Result<(), EngineError> {
        let (kind, name) = match command {
            CacheCommand::Ls { kind, stack, .. } => (kind.as_ref(), stack.as_ref()),
            CacheCommand::Clear(arguments) => (arguments.kind.as_ref(), arguments.stack.as_ref()),
            CacheCommand::Explain { about, .. } => (None, Some(about)),
            _ => (None, None),
        };
        let is_kind = |kind: &str| match kind.strip_prefix("lookup.") {
            Some(lookup) => {
                let own = |loaded: &Loaded| loaded.config.lookups.contains_key(lookup);
                let is_of = |family: &str| lookup == family || lookup.starts_with(&format!("{family}."));
                let never = kinds::NEVER_LOOKUPS.iter().any(|(never, _)| is_of(never));
                !never && (handlers::is_known(lookup) || self.work.configs.iter().any(own))
            }
            None => kinds::named(kind).is_some(),
        };
        if let Some(kind) = kind.filter(|kind| !is_kind(kind)) {
            let kinds = kinds::ALL.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
            return Err(EngineError::of(CacheUsage::NoSuchKind { kind: kind.clone(), kinds }));
        }
        let Some(name) = name else { return Ok(()) };
        // In a project, another module may have it.
        if self.work.root.is_some() || self.work.configs.iter().any(|loaded| declares(loaded, name)) {
            return Ok(());
        }
        for loaded in &self.work.configs {
            let subjects = self.subjects(loaded, name);
            let by_key = matches!(command, CacheCommand::Explain { .. });
            let is_meant = |record: &Record| {
                subjects.contains(&record.subject) || (by_key && is_key_of(name, &record.key))
            };
            if self.records(loaded).await?.iter().any(is_meant) {
                return Ok(());
            }
        }
        Err(EngineError::of(CacheUsage::NoSuchSubject { name: name.clone() }))
    }
}

/// Whether a config has a stack or a task of this name.
fn declares(loaded: &Loaded, name: &str) -> bool {
    let config = &loaded.config;
    config.stacks.contains_key(name)
        || config.stacks.values().any(|definition| definition.fqn.to_string() == name)
        || !matches!(config.tasks_called(name), Called::Nothing)
}
