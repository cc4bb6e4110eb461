//! The push of a build as a task: planned, ordered and recorded with the stacks of a config.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runway_core::config::assets::KIND;
use runway_core::provider::ErrorKind;
use runway_core::task::{
    Given, Gives, ReadContext, TaskAction, TaskChange, TaskDetail, TaskDone, TaskFailure, TaskKind,
    WriteContext,
};
use runway_store::{BucketName, ObjectStore};
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod arguments;

pub use arguments::AssetArguments;

use crate::assets::{
    self, AssetsError, ErrorClass, FileAction, Planned, PruneRequest, PushStatus, Session, SessionClock,
    StoreConditions,
};
use crate::names::Nonce;

/// Paths that a plan names one by one.
const NAMED: usize = 20;

/// Pushes of builds, for configs whose paths are relative to one directory.
pub struct AssetPush {
    /// Directory of the config.
    pub directory: PathBuf,
    /// For people: host and process.
    pub writer: String,
    /// Time.
    pub clock: Arc<dyn SessionClock>,
    /// Gives a text that no other push has.
    pub nonce: fn() -> Nonce,
}

/// What a push would find.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetState {
    /// Files to send that are not there, and their bytes.
    new: (usize, u64),
    /// Files to send again: with other headers, or without proof of what is there.
    again: (usize, u64),
    /// Files whose bytes changed under their names.
    in_place: Vec<String>,
    /// Files that are there.
    unchanged: usize,
    /// Entry points, which are replaced last.
    entries: Vec<String>,
    /// The very same build is live.
    is_live: bool,
    /// The build that is live.
    live: Option<u64>,
    /// The newer build that this one does not replace.
    superseded_by: Option<u64>,
}

impl AssetState {
    fn of(planned: &Planned) -> Self {
        let mut state = Self {
            is_live: planned.is_live,
            live: planned.live.map(|id| id.0),
            superseded_by: planned.superseded_by.map(|id| id.0),
            ..Self::default()
        };
        for (path, action, size) in &planned.files {
            let count = |counts: &mut (usize, u64)| {
                counts.0 += 1;
                counts.1 += size;
            };
            match action {
                FileAction::Upload => count(&mut state.new),
                FileAction::Overwrite => count(&mut state.again),
                FileAction::InPlace => {
                    count(&mut state.again);
                    state.in_place.push(path.to_string());
                }
                FileAction::Unchanged => state.unchanged += 1,
                FileAction::Entry => state.entries.push(path.to_string()),
            }
        }
        state
    }

    /// Whether nothing is to be sent, and the build is live, or gives way to a newer one.
    fn is_done(&self) -> bool {
        self.new.0 + self.again.0 == 0 && (self.is_live || self.superseded_by.is_some())
    }
}

impl AssetPush {
    fn session(&self, store: Arc<dyn ObjectStore>, spec: &AssetArguments) -> Result<Session, TaskFailure> {
        let layout = spec.layout().map_err(wrong)?;
        let mut session = Session::new(store, layout, (self.nonce)(), &self.writer, Arc::clone(&self.clock));
        session.concurrency = spec.concurrency();
        Ok(session)
    }

    fn bucket(spec: &AssetArguments) -> BucketName {
        BucketName::new(spec.bucket.name())
    }
}

fn wrong(message: String) -> TaskFailure {
    TaskFailure { message, help: Some("correct the entry of `assets`".to_owned()), kind: None }
}

fn failed(error: AssetsError) -> TaskFailure {
    let kind = match error.class() {
        ErrorClass::Denied => Some(ErrorKind::Denied),
        ErrorClass::Unavailable => Some(ErrorKind::Unavailable),
        _ => None,
    };
    let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
    TaskFailure { message: error.to_string(), help, kind }
}

#[async_trait]
impl TaskKind for AssetPush {
    const KIND: &'static str = KIND;
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const SERVICE: &'static str = "s3";
    const GIVES: Gives = Gives::only(&[Given::changing("manifest", &[])]);
    type Spec = AssetArguments;
    type State = AssetState;

    fn subject(spec: &AssetArguments) -> String {
        format!("{}/{}data/{}", spec.bucket.name(), spec.bucket.prefix(), spec.app())
    }

    fn check(spec: &AssetArguments) -> Vec<String> {
        spec.problems()
    }

    async fn read(
        &self,
        context: &ReadContext<'_>,
        spec: &AssetArguments,
    ) -> Result<AssetState, TaskFailure> {
        let store = context.store(&Self::bucket(spec), spec.bucket.region()).await?;
        let session = self.session(store, spec)?;
        let request = spec.request(&self.directory, StoreConditions::Unknown).map_err(wrong)?;
        let prepared = assets::prepare(&session, &request).await.map_err(failed)?;
        let planned = assets::plan(&session, &request, &prepared).await.map_err(failed)?;
        Ok(AssetState::of(&planned))
    }

    fn diff(&self, spec: &AssetArguments, state: &AssetState) -> TaskChange {
        let live = state.live.map(|live| ("manifest".to_owned(), live.to_string()));
        if state.is_done() {
            let outputs = live.into_iter().collect();
            return TaskChange { action: TaskAction::None, details: Vec::new(), outputs };
        }
        let mut details = Vec::new();
        let mut tell = |path: String, before: Option<Value>, after: Value| {
            details.push(TaskDetail { path, before, after: Some(after) });
        };
        let files = |(count, bytes): (usize, u64)| {
            Value::from(format!("{count} {}, {bytes} bytes", if count == 1 { "file" } else { "files" }))
        };
        for (path, counts) in [("new files", state.new), ("files sent again", state.again)] {
            if counts.0 > 0 {
                tell(path.to_owned(), None, files(counts));
            }
        }
        for path in state.in_place.iter().take(NAMED) {
            tell(format!("changed under its name: {path}"), None, "other bytes".into());
        }
        if state.in_place.len() > NAMED {
            tell("changed under their names".to_owned(), None, (state.in_place.len() - NAMED).into());
        }
        match state.superseded_by {
            Some(newer) => tell("a newer build stays live".to_owned(), None, newer.into()),
            None => {
                let name = spec.build_name().unwrap_or_else(|| "this build".to_owned());
                tell("live build".to_owned(), state.live.map(Value::from), name.into());
                tell("entry points".to_owned(), None, state.entries.join(", ").into());
            }
        }
        let action = if state.live.is_some() { TaskAction::Update } else { TaskAction::Create };
        TaskChange { action, details, outputs: BTreeMap::new() }
    }

    /// What was pushed stays: somebody may be reading it.
    fn diff_removed(&self, _: &AssetArguments, _: &AssetState) -> TaskChange {
        TaskChange { action: TaskAction::None, details: Vec::new(), outputs: BTreeMap::new() }
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &AssetArguments,
        _: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let store = context.store(&Self::bucket(spec), spec.bucket.region()).await?;
        let session = self.session(store, spec)?;
        let conditions = match context.keeps_conditions().await? {
            true => StoreConditions::Kept,
            false => StoreConditions::Unknown,
        };
        let request = spec.request(&self.directory, conditions).map_err(wrong)?;
        let prepared = assets::prepare(&session, &request).await.map_err(failed)?;
        let pushed = assets::push(&session, &request, &prepared).await.map_err(failed)?;
        context.tell(&format!("{} of {} files sent, {} bytes", pushed.sent, pushed.files, pushed.sent_bytes));
        if let PushStatus::Superseded { by, .. } = pushed.status {
            context.tell(&format!("the newer build {by} stays live"));
        }
        if let Some(prune) = spec.prune(conditions).map_err(wrong)? {
            let session = session.another((self.nonce)());
            let pruned = assets::prune(&session, &PruneRequest { may_wait: true, ..prune }).await;
            let pruned = pruned.map_err(failed)?;
            if let Some(problem) = pruned.problem() {
                return Err(failed(problem));
            }
            context.tell(&format!("{} files of older builds deleted", pruned.report.deleted.len()));
        }
        let manifest = pushed.manifest.map(|id| ("manifest".to_owned(), id.to_string()));
        Ok(TaskDone { outputs: manifest.into_iter().collect() })
    }
}
