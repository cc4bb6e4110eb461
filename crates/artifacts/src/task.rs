//! The push of a build as a task: planned, ordered and recorded with the stacks of a config.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runway_core::config::assets::KIND;
use runway_core::task::{
    Given, Gives, ReadContext, TaskAction, TaskChange, TaskDetail, TaskDone, TaskFailure, TaskKind,
    WriteContext,
};
use runway_store::{BucketName, ObjectStore};
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod arguments;
mod told;
mod words;

pub use arguments::AssetArguments;
use told::telling;
use words::failed;

use crate::assets::{
    self, AssetsError, FileAction, Planned, PruneOutcome, PruneRequest, PushStatus, Session, SessionClock,
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
    /// What is due of older builds, if the push prunes.
    due: Option<Due>,
}

/// What a prune would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Due {
    /// It would delete files, and manifests.
    Deletes(usize, usize),
    /// It would delete nothing, and why.
    Nothing(String),
}

impl Due {
    fn of(pruned: Result<PruneOutcome, AssetsError>) -> Result<Self, AssetsError> {
        let outcome = match pruned {
            Ok(outcome) => outcome,
            // The push mends the first two, and the prune tells of the last one.
            Err(
                error @ (AssetsError::HeadLost { .. }
                | AssetsError::HeadMissing { .. }
                | AssetsError::Unreadable { .. }),
            ) => return Ok(Self::Nothing(error.to_string())),
            Err(error) => return Err(error),
        };
        let Some(plan) = outcome.report.plan.as_ref() else { return Ok(Self::Nothing("none".to_owned())) };
        let (files, manifests) = (plan.delete.len(), plan.expire.len());
        Ok(match (files, manifests) {
            _ if outcome.report.too_much => {
                let error = AssetsError::TooMuch { delete: files, known: plan.known };
                Self::Nothing(format!("none, because {error}"))
            }
            (0, 0) => Self::Nothing("none".to_owned()),
            _ => Self::Deletes(files, manifests),
        })
    }

    fn words(&self) -> String {
        match self {
            Self::Deletes(files, manifests) => format!("{} of {manifests} builds", counted(*files)),
            Self::Nothing(why) => why.clone(),
        }
    }
}

fn counted(files: usize) -> String {
    format!("{files} {}", if files == 1 { "file" } else { "files" })
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
                FileAction::Left => {}
            }
        }
        state
    }

    /// Whether the build is live, or gives way to a newer one: then it need not be there.
    fn is_done(&self) -> bool {
        self.superseded_by.is_some() || self.is_live && self.new.0 + self.again.0 == 0
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
        if let Some(refusal) = planned.refusal().filter(|_| planned.superseded_by.is_none()) {
            return Err(failed(refusal));
        }
        let due = match spec.dry_prune().map_err(wrong)? {
            Some(rules) => {
                let rules = PruneRequest { upcoming: planned.upcoming(), ..rules };
                Some(Due::of(assets::prune(&session, &rules).await).map_err(failed)?)
            }
            None => None,
        };
        Ok(AssetState { due, ..AssetState::of(&planned) })
    }

    fn diff(&self, spec: &AssetArguments, state: &AssetState) -> TaskChange {
        let live = state.live.map(|live| ("manifest".to_owned(), live.to_string()));
        let mut details = Vec::new();
        let mut tell = |path: String, before: Option<Value>, after: Value| {
            details.push(TaskDetail { path, before, after: Some(after) });
        };
        // Whatever is due meanwhile, the path is the same: a deploy refuses only what no plan has shown at all.
        let due = state.due.as_ref().map(|due| ("files of older builds that go".to_owned(), due));
        if state.is_done() {
            let outputs = live.into_iter().collect();
            if let Some(newer) = state.superseded_by {
                tell("a newer build stays live".to_owned(), None, newer.into());
            }
            let is_due = |due: &Due| state.superseded_by.is_none() && matches!(due, Due::Deletes(..));
            let due = due.filter(|(_, due)| is_due(due));
            let action = if due.is_some() { TaskAction::Update } else { TaskAction::None };
            if let Some((path, due)) = due {
                tell(path, None, due.words().into());
            }
            return TaskChange { action, details, outputs };
        }
        let files = |(count, bytes): (usize, u64)| Value::from(format!("{}, {bytes} bytes", counted(count)));
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
        let name = spec.build_name().unwrap_or_else(|| "this build".to_owned());
        tell("live build".to_owned(), state.live.map(Value::from), name.into());
        tell("entry points".to_owned(), None, state.entries.join(", ").into());
        if let Some((path, due)) = due {
            tell(path, None, due.words().into());
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
        let mut session = self.session(store, spec)?;
        let conditions = match context.keeps_conditions().await? {
            true => StoreConditions::Kept,
            false => StoreConditions::Unknown,
        };
        let request = spec.request(&self.directory, conditions).map_err(wrong)?;
        let prepared = assets::prepare(&session, &request).await.map_err(failed)?;
        let mut lines = telling(&mut session);
        let pushed = lines.tell_while(context, assets::push(&session, &request, &prepared)).await;
        let pushed = pushed.map_err(failed)?;
        context.tell(&format!("{} of {} files sent, {} bytes", pushed.sent, pushed.files, pushed.sent_bytes));
        if let PushStatus::Superseded { by, .. } = pushed.status {
            context.tell(&format!("the newer build {by} stays live"));
        }
        if let Some(prune) = spec.prune(conditions).map_err(wrong)? {
            let session = session.another((self.nonce)());
            let prune = PruneRequest { may_wait: true, ..prune };
            match lines.tell_while(context, assets::prune(&session, &prune)).await {
                Ok(pruned) => {
                    if let Some(problem) = pruned.problem() {
                        return Err(failed(problem));
                    }
                    context
                        .tell(&format!("{} of older builds deleted", counted(pruned.report.deleted.len())));
                }
                // The build is live, and whatever needs it can go on.
                Err(error @ (AssetsError::Busy { .. } | AssetsError::TooMuch { .. })) => {
                    let TaskFailure { message, help, .. } = failed(error);
                    context.tell(&format!("warning: nothing was pruned: {message}"));
                    if let Some(help) = help {
                        context.tell(&help);
                    }
                }
                Err(error) => return Err(failed(error)),
            }
        }
        let manifest = pushed.manifest.map(|id| ("manifest".to_owned(), id.to_string()));
        Ok(TaskDone { outputs: manifest.into_iter().collect() })
    }
}
