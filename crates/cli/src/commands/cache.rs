//! Commands about the task cache.

mod checks;

use std::collections::BTreeSet;
use std::sync::Arc;

use runway_core::cache::{
    Cache, CacheWarning, Check, Filter, Key, LastRun, Limits, Mode, Record, Settings, Tiers,
};
use runway_core::config::{BucketSetting, Called};
use runway_core::engine::EngineError;
use runway_core::error::Finding;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_core::render::cache as shown;

use super::saved::replace;
use super::session::Session;
use crate::args::{CacheClear, CacheCollect, CacheCommand, CacheStatus, TextOrJson};
use crate::cache::{CacheUsage, open, remote_tier, tiers};
use crate::load::Loaded;
use crate::output;
use crate::settings::SettingsProblem;

/// The longest bundle that is read, in bytes.
const LONGEST_BUNDLE: u64 = 256 * 1024 * 1024;
/// Fewest digits of a key by which a record is named.
const SHORTEST_KEY: usize = 8;

/// A document as text and as JSON.
type Forms<T> = (fn(&T) -> String, fn(&T) -> String);

impl Session<'_> {
    pub(super) async fn cache(&self, command: &CacheCommand) -> Result<ExitCode, EngineError> {
        self.check_names(command).await?;
        let mut worst = ExitCode::Ok;
        for loaded in self.configs_of_caches(command) {
            let exit = match command {
                CacheCommand::Status(arguments) => self.cache_status(arguments, loaded).await?,
                CacheCommand::Ls { kind, stack, form } => {
                    let filter = self.filter(loaded, kind.as_deref(), stack.as_deref());
                    let mut records = self.records(loaded).await?;
                    self.tell_state(loaded).await;
                    records.retain(|record| filter.takes(record));
                    let document = shown::records(&records);
                    self.print(form.format, &document, (shown::records_text, shown::records_json));
                    ExitCode::Ok
                }
                CacheCommand::Explain { about, form } => {
                    self.cache_explain(about, form.format, loaded).await?
                }
                CacheCommand::Clear(arguments) => self.cache_clear(arguments, loaded).await?,
                CacheCommand::Gc(arguments) => self.cache_collect(arguments, loaded).await?,
                CacheCommand::Verify { sample, form } => {
                    self.cache_verify(sample.0, form.format, loaded).await?
                }
                CacheCommand::Export { file } => self.cache_export(file, loaded).await?,
                CacheCommand::Import { file, form } => self.cache_import(file, form.format, loaded).await?,
                CacheCommand::Warm { form } => self.cache_warm(form.format, loaded).await?,
            };
            worst = if worst == ExitCode::Ok { exit } else { worst };
        }
        Ok(worst)
    }

    /// The configs that a command is about: configs that share a cache count once, except where it is about stacks.
    fn configs_of_caches(&self, command: &CacheCommand) -> Vec<&Loaded> {
        let configs: Vec<&Loaded> = self.work.configs.iter().collect();
        if matches!(
            command,
            CacheCommand::Explain { .. } | CacheCommand::Verify { .. } | CacheCommand::Warm { .. }
        ) {
            return configs;
        }
        let new = |loaded: &&Loaded| {
            let tiers = tiers(self.work, loaded, &self.clock);
            let place = tiers.local.map(|local| local.place()).unwrap_or_default();
            self.context.seen_caches.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(place)
        };
        configs.into_iter().filter(new).collect()
    }

    /// Prints a document as text or as JSON.
    fn print<T>(&self, format: TextOrJson, document: &T, (text, json): Forms<T>) {
        self.output.data(&match format {
            TextOrJson::Text => self.output.headed(&text(document)),
            TextOrJson::Json => self.output.targeted(&json(document)),
        });
    }

    fn tiers(&self, loaded: &Loaded) -> Tiers {
        tiers(self.work, loaded, &self.clock)
    }

    /// What options say about which records; `stack` is a stack's name, its name in CloudFormation, or a task.
    fn filter(&self, loaded: &Loaded, kind: Option<&str>, stack: Option<&str>) -> Filter {
        let subjects = stack.map(|stack| self.subjects(loaded, stack)).unwrap_or_default();
        Filter { kind: kind.map(str::to_owned), subjects }
    }

    /// How records call a stack or task.
    fn subjects(&self, loaded: &Loaded, name: &str) -> BTreeSet<String> {
        let region = self.work.connected.provider.region();
        let fqn = loaded.config.stacks.get(name).map(|definition| definition.fqn.to_string());
        let mut names: BTreeSet<String> = [Some(name.to_owned()), fqn].into_iter().flatten().collect();
        // A stack's name means the stack.
        if let (None, Called::Nodes(nodes)) =
            (loaded.config.stacks.get(name), loaded.config.tasks_called(name))
        {
            names.extend(nodes.into_iter().map(|task| task.node.to_string()));
        }
        names.into_iter().flat_map(|name| [format!("{name}@{region}"), name]).collect()
    }

    /// All records of both tiers.
    async fn records(&self, loaded: &Loaded) -> Result<Vec<Record>, EngineError> {
        let index = self.tiers(loaded).index().await.map_err(EngineError::of)?;
        Ok(index.records.into_values().collect())
    }

    async fn cache_status(&self, arguments: &CacheStatus, loaded: &Loaded) -> Result<ExitCode, EngineError> {
        let tiers = self.tiers(loaded);
        if let Some(access) = arguments.iam_policy {
            let Some(remote) = remote_tier(self.work, loaded) else {
                return Err(EngineError::of(SettingsProblem::NoBucketForCache));
            };
            self.output.data(&shown::policy(&remote, self.work.connected.provider.region(), access.writes()));
            return Ok(ExitCode::Ok);
        }
        let local = tiers.local_status().map_err(EngineError::of)?;
        let (mut remote, mut bucket) = (None, None);
        if arguments.remote || arguments.probe {
            remote = tiers.remote_status().await.map_err(EngineError::of)?;
            bucket = tiers.bucket_status(arguments.probe).await.map_err(EngineError::of)?;
        }
        let last = tiers.local.as_ref().and_then(|local| LastRun::read(local.as_ref()));
        let settings = self.work.settings.cache.settings(&loaded.config.cache, true);
        let namespace = &loaded.config.namespace;
        let document = shown::status(namespace, &settings, local, (remote, bucket.as_ref()), last.as_ref());
        self.print(arguments.form.format, &document, (shown::status_text, shown::status_json));
        let advice = bucket.iter().flat_map(|bucket| bucket.warnings());
        self.output.findings(&advice.map(Finding::general).collect::<Vec<_>>(), ExitCode::Ok);
        Ok(ExitCode::Ok)
    }

    /// How a deploy uses the cache of a config.
    fn settings_of(&self, loaded: &Loaded) -> Settings {
        let choice = &self.work.settings.cache;
        let mut settings = choice.settings(&loaded.config.cache, true);
        if choice.leaves_bucket_alone() {
            settings.remote = Mode::Off;
        }
        settings
    }

    /// A cache that is read, whatever runs do with it, and not written.
    fn cache_to_read(&self, loaded: &Loaded, check: Option<Check>) -> Arc<Cache> {
        let remote = if self.work.settings.cache.leaves_bucket_alone() { Mode::Off } else { Mode::Read };
        let settings = Settings { local: Mode::Read, remote, check, ..self.settings_of(loaded) };
        open(self.work, loaded, settings, &self.clock)
    }

    /// Plans with a cache, so that every question is asked that a plan asks.
    async fn plan_with(&self, loaded: &Loaded, cache: &Arc<Cache>) -> Result<(), EngineError> {
        let engine = self.engine_with(Arc::clone(cache), loaded, |_| ());
        let planned = self.patiently(engine.plan(&loaded.config, Purpose::Deploy), || true).await?;
        self.output.findings(&planned.warnings, ExitCode::Ok);
        Ok(())
    }

    async fn cache_explain(
        &self,
        about: &str,
        format: TextOrJson,
        loaded: &Loaded,
    ) -> Result<ExitCode, EngineError> {
        let records = self.records(loaded).await?;
        let named = |key: &Key| is_key_of(about, key);
        let by_key: Vec<Record> = records.iter().filter(|record| named(&record.key)).cloned().collect();
        let subjects = match by_key.is_empty() {
            true => self.subjects(loaded, about),
            false => by_key.iter().map(|record| record.subject.clone()).collect(),
        };
        self.tell_off(loaded);
        let cache = self.cache_to_read(loaded, None);
        self.plan_with(loaded, &cache).await?;
        let mut asked: Vec<_> = subjects.iter().flat_map(|subject| cache.explain(subject)).collect();
        let mut others: Vec<Record> =
            records.into_iter().filter(|record| subjects.contains(&record.subject)).collect();
        if !by_key.is_empty() {
            let near = |one: &runway_core::cache::Explanation| {
                named(&one.key) || one.nearest.as_ref().is_some_and(|nearest| named(&nearest.record.key))
            };
            asked.retain(near);
            others = by_key;
        }
        let exists = !asked.is_empty() || !others.is_empty();
        if !exists && self.work.configs.len() > 1 {
            return Ok(ExitCode::Ok);
        }
        let document = shown::explained(about, &asked, &others);
        self.print(format, &document, (shown::explained_text, shown::explained_json));
        Ok(ExitCode::Ok)
    }

    async fn cache_clear(&self, arguments: &CacheClear, loaded: &Loaded) -> Result<ExitCode, EngineError> {
        let (local, remote) = match (arguments.local, arguments.remote) {
            (false, false) => (true, true),
            chosen => chosen,
        };
        let tiers = self.tiers(loaded);
        self.tell_left_alone(loaded, &tiers);
        let mut places: Vec<String> = Vec::new();
        places.extend(tiers.local.as_ref().filter(|_| local).map(|local| local.place()));
        places.extend(tiers.remote.as_ref().filter(|_| remote).map(|remote| remote.place()));
        let what = match (&arguments.kind, &arguments.stack) {
            (None, None) => "everything",
            _ => "the named records",
        };
        if !arguments.yes && !self.work.settings.ci {
            self.output
                .message(&format!("this empties the task cache of {what} in {}", places.join(" and ")));
            if !output::can_ask() {
                self.output.essential("error: nothing was changed: there is no terminal to ask\nhelp: --yes empties it without asking; nothing is lost but time");
                return Ok(ExitCode::Refused);
            }
            let asked = self.output.clone();
            let asking = move || asked.ask("Later runs do it all again. Empty it?");
            if !tokio::task::spawn_blocking(asking).await.unwrap_or(false) {
                self.output.message("nothing was changed");
                return Ok(ExitCode::Ok);
            }
        }
        let (mut of_local, mut of_remote) = (None, None);
        let filter = self.filter(loaded, arguments.kind.as_deref(), arguments.stack.as_deref());
        // The bucket first: what this machine has of it is then old.
        if remote && tiers.remote.is_some() {
            match tiers.clear_remote(&filter).await {
                Ok(removed) => of_remote = Some(removed),
                Err(error) if error.is_missing_bucket() => {
                    self.output.message("no bucket yet: nothing to remove there");
                }
                Err(error) => return Err(EngineError::of(error)),
            }
        }
        let mut failed = None;
        if local {
            match tiers.clear_local(&filter) {
                Ok(removed) => of_local = Some(removed),
                Err(error) => failed = Some(error),
            }
        }
        // Also if this machine's part could not be emptied: what went in the bucket is gone.
        if failed.is_none() || of_remote.is_some() {
            let document = shown::ChangeDocument::of("clear", false).removed(of_local, of_remote);
            self.print(arguments.form.format, &document, (shown::change_text, shown::change_json));
        }
        failed.map_or(Ok(ExitCode::Ok), |error| Err(EngineError::of(error)))
    }

    async fn cache_collect(
        &self,
        arguments: &CacheCollect,
        loaded: &Loaded,
    ) -> Result<ExitCode, EngineError> {
        let of_config = loaded.config.cache.limits;
        let limits = Limits {
            max_age_days: arguments.max_age.unwrap_or(of_config.max_age_days),
            max_entries: arguments.max_entries.unwrap_or(of_config.max_entries),
        };
        let (tiers, dry_run) = (self.tiers(loaded), arguments.dry_run);
        self.tell_left_alone(loaded, &tiers);
        self.reach(loaded).await?;
        self.tell_state(loaded).await;
        let local = tiers.collect_local(&limits, dry_run).map_err(EngineError::of)?;
        let remote = match &tiers.remote {
            Some(_) => Some(tiers.collect_remote(&limits, dry_run).await.map_err(EngineError::of)?),
            None => None,
        };
        let document = shown::ChangeDocument::of("gc", dry_run).removed(Some(local), remote);
        self.print(arguments.form.format, &document, (shown::change_text, shown::change_json));
        Ok(ExitCode::Ok)
    }

    async fn cache_verify(
        &self,
        percent: u8,
        format: TextOrJson,
        loaded: &Loaded,
    ) -> Result<ExitCode, EngineError> {
        self.tell_off(loaded);
        let cache = self.cache_to_read(loaded, Some(Check { percent }));
        // Trouble with the bucket is no success here.
        let records = self.records(loaded).await?;
        self.plan_with(loaded, &cache).await?;
        self.tell_trouble(&cache);
        let subjects: BTreeSet<&str> = records.iter().map(|record| record.subject.as_str()).collect();
        let asked: BTreeSet<Key> =
            subjects.into_iter().flat_map(|subject| cache.explain(subject)).map(|one| one.key).collect();
        let unasked = records.iter().filter(|record| !asked.contains(&record.key)).count();
        if unasked > 0 {
            self.output
                .message(&format!("records not checked, because this plan does not ask for them: {unasked}"));
        }
        let mismatches = cache.mismatches();
        let document = shown::verified(cache.counters().checked, unasked, &mismatches);
        self.print(format, &document, (shown::verified_text, shown::verified_json));
        Ok(if mismatches.is_empty() { ExitCode::Ok } else { ExitCode::StepsFailed })
    }

    /// Sees whether the bucket's part can be read: commands that are about it do not go on without.
    async fn reach(&self, loaded: &Loaded) -> Result<(), EngineError> {
        self.tiers(loaded).index().await.map(|_| ()).map_err(EngineError::of)
    }

    async fn cache_export(&self, file: &camino::Utf8Path, loaded: &Loaded) -> Result<ExitCode, EngineError> {
        let bytes = self.tiers(loaded).export().await.map_err(EngineError::of)?;
        self.tell_state(loaded).await;
        let path = self.context.current.join(file);
        replace(&path, &bytes, 0o600).map_err(|error| {
            EngineError::of(SettingsProblem::Unwritable { path: file.to_owned(), message: error.to_string() })
        })?;
        self.output.message(&format!("wrote {file}: `runway-rs cache import {file}` takes it elsewhere"));
        Ok(ExitCode::Ok)
    }

    async fn cache_import(
        &self,
        file: &camino::Utf8Path,
        format: TextOrJson,
        loaded: &Loaded,
    ) -> Result<ExitCode, EngineError> {
        let unreadable = |message| EngineError::of(CacheUsage::NoBundle { path: file.to_owned(), message });
        let path = self.context.current.join(file);
        let bytes = super::saved::bytes(&path, LONGEST_BUNDLE).map_err(unreadable)?;
        let taken = self.tiers(loaded).import(&bytes).await.map_err(EngineError::of)?;
        let document = shown::ChangeDocument::of("import", false).imported(taken);
        self.print(format, &document, (shown::change_text, shown::change_json));
        Ok(ExitCode::Ok)
    }

    async fn cache_warm(&self, format: TextOrJson, loaded: &Loaded) -> Result<ExitCode, EngineError> {
        // As a deploy uses it: what is not said is written, and what is forbidden stays so.
        let mut settings = self.settings_of(loaded);
        let remote = remote_tier(self.work, loaded);
        if remote.is_none() {
            settings.remote = Mode::Off;
        }
        let (local, in_bucket) = (settings.local, settings.remote);
        if !local.writes() && !in_bucket.writes() {
            return Err(EngineError::of(CacheUsage::NothingToWarm { local, remote: in_bucket }));
        }
        let cache = open(self.work, loaded, settings, &self.clock);
        if in_bucket != Mode::Off {
            self.reach(loaded).await?;
        }
        // The plan itself sees a bucket that cannot be written to.
        cache.load(remote.map(|remote| Arc::clone(remote.store()))).await;
        self.plan_with(loaded, &cache).await?;
        cache.publish(true).await;
        let lost = |warning: &CacheWarning| {
            matches!(warning, CacheWarning::RemoteUnavailable { .. } | CacheWarning::GaveUp { .. })
        };
        let is_lost = cache.warnings().iter().any(lost);
        self.tell_trouble(&cache);
        let document = shown::ChangeDocument::of("warm", false).warmed(&cache.counters(), in_bucket);
        self.print(format, &document, (shown::change_text, shown::change_json));
        Ok(if is_lost { ExitCode::Unavailable } else { ExitCode::Ok })
    }

    /// Tells what was wrong with the cache.
    fn tell_trouble(&self, cache: &Cache) {
        let warnings: Vec<Finding> = cache.warnings().into_iter().map(Finding::general).collect();
        self.output.findings(&warnings, ExitCode::Ok);
    }

    /// Tells what is wrong with what the tiers have, for commands that make no plan.
    async fn tell_state(&self, loaded: &Loaded) {
        let cache = self.cache_to_read(loaded, None);
        cache.load(remote_tier(self.work, loaded).map(|remote| Arc::clone(remote.store()))).await;
        cache.note_unsigned();
        self.tell_trouble(&cache);
    }

    /// Says that the bucket's part of the cache is not worked on though there is a bucket.
    fn tell_left_alone(&self, loaded: &Loaded, tiers: &Tiers) {
        let has_bucket = !matches!(loaded.config.bucket, BucketSetting::Off);
        if tiers.remote.is_none() && has_bucket && self.work.settings.cache.leaves_bucket_alone() {
            self.output.message(
                "the bucket's part of the cache is left alone, as an option or a variable says: `--cache-remote read-write` works on it",
            );
        }
    }

    /// Says that runs make no use of what a command is about to look at.
    fn tell_off(&self, loaded: &Loaded) {
        let settings = self.settings_of(loaded);
        if (settings.local, settings.remote) == (Mode::Off, Mode::Off) {
            let namespace = &loaded.config.namespace;
            self.output
                .message(&format!("the task cache of {namespace} is off: runs use none of its records"));
        }
    }
}

/// Whether a text is the beginning of a key, long enough to be meant as one.
fn is_key_of(text: &str, key: &Key) -> bool {
    text.len() >= SHORTEST_KEY && key.to_string().starts_with(text)
}
