//! Pruning, and what a prune would do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::error::AssetsError;
use super::probe::{self, StoreConditions};
use super::push::read_head;
use super::session::{Session, age};
use crate::gc::GcRefusal;
use crate::names::AssetPath;
use crate::protocol::{Ask, Machine as _, Prune, PruneEnd, PruneOrder, PruneReport, Reply};

/// How long a large file may take.
const LONGEST_UPLOAD: Duration = Duration::from_secs(24 * 3600);

/// The rules of a prune.
#[derive(Debug, Clone, PartialEq)]
pub struct PruneRequest {
    /// Manifests of this age or younger stay.
    pub threshold: Duration,
    /// So many of the newest that were live stay.
    pub min_keep: usize,
    /// How long an intent counts.
    pub intent_ttl: Duration,
    /// Files that are never deleted.
    pub protected: BTreeSet<AssetPath>,
    /// Largest share of the known files that may go, in millionths.
    pub max_share: Option<u32>,
    /// Also files that nobody names, if they are older than this.
    pub orphans: Option<Duration>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// In a dry run: what would be done after a push of these files, which would be live then.
    pub upcoming: Option<Arc<BTreeSet<AssetPath>>>,
    /// Wait for another prune.
    pub may_wait: bool,
    /// What is known of the store.
    pub conditions: StoreConditions,
}

/// What a prune did, or would do.
#[derive(Debug, Clone, PartialEq)]
pub struct PruneOutcome {
    /// What it found and deleted.
    pub report: PruneReport,
    /// Nothing was deleted, because that was not asked for.
    pub dry_run: bool,
    /// All was done that was decided.
    pub is_complete: bool,
    /// Somebody else took this prune for dead.
    pub is_taken_over: bool,
    /// Large files that were left half sent, long ago: thrown away, or found by a dry run.
    pub unfinished: usize,
}

impl PruneOutcome {
    /// Why not all was done that was decided.
    pub fn problem(&self) -> Option<AssetsError> {
        if self.is_taken_over {
            return Some(AssetsError::TakenOver);
        }
        let first = self.report.failed.first()?.to_string();
        Some(AssetsError::Partial { count: self.report.failed.len(), first })
    }
}

/// Prunes an app. Whether all was done that was decided, the outcome says.
///
/// # Errors
/// [`AssetsError`]. Whatever was deleted was due.
pub async fn prune(session: &Session, request: &PruneRequest) -> Result<PruneOutcome, AssetsError> {
    if !request.dry_run && request.conditions == StoreConditions::Unknown {
        let (head, now) = read_head(session).await?;
        probe::ensure(session, request.conditions, head.as_ref(), now).await?;
    }
    let mut terms = session.terms.clone();
    terms.intent_ttl = request.intent_ttl;
    let order = PruneOrder {
        layout: session.layout.clone(),
        nonce: session.nonce.clone(),
        writer: Arc::clone(&session.writer),
        threshold: request.threshold,
        min_keep: request.min_keep,
        protected: request.protected.clone(),
        max_share: request.max_share,
        orphans: request.orphans,
        dry_run: request.dry_run,
        upcoming: request.upcoming.clone().filter(|_| request.dry_run),
        may_wait: request.may_wait,
        terms,
        now: session.clock.seconds(),
    };
    let mut machine = Prune::new(Arc::new(order));
    let (end, report) = match session.run(&mut machine, None).await {
        Ok(ended) => ended,
        Err(error) => {
            release(session, &mut machine).await;
            return Err(error);
        }
    };
    let is_taken_over = end == PruneEnd::TakenOver;
    match end {
        PruneEnd::Done | PruneEnd::Planned | PruneEnd::Partial | PruneEnd::TakenOver => {}
        PruneEnd::Busy { writer } => {
            return Err(AssetsError::Busy { writer: writer.escape_debug().to_string() });
        }
        PruneEnd::Refused(GcRefusal::HeadMissing(manifest)) => {
            return Err(AssetsError::HeadMissing { manifest });
        }
        PruneEnd::Refused(GcRefusal::HeadLost(manifest)) => {
            let head = session.layout.head().as_str().to_owned();
            return Err(AssetsError::HeadLost { head, manifest });
        }
        PruneEnd::TooMuch => {
            let (delete, known) = report.plan.as_ref().map_or((0, 0), |plan| (plan.delete.len(), plan.known));
            return Err(AssetsError::TooMuch { delete, known });
        }
    }
    let is_complete = !is_taken_over && report.failed.is_empty();
    let unfinished = unfinished(session, request, report.now).await?;
    Ok(PruneOutcome { report, dry_run: request.dry_run, is_complete, is_taken_over, unfinished })
}

/// Gives the marker of a failed prune back, if the store lets us: otherwise the next one waits until it is dead.
async fn release(session: &Session, machine: &mut Prune) {
    let Some(mut ask) = machine.give_up() else { return };
    while let Ask::Put { key, body, stamp, condition } = ask {
        let how = runway_store::Put {
            condition,
            user: runway_store::UserMetadata::from([("nonce".to_owned(), stamp.to_string())]),
            ..runway_store::Put::default()
        };
        let reply = match session.store.put(&key, body, &how).await {
            Ok(written) => Reply::Written { etag: written.etag, date: written.date },
            Err(_) => return,
        };
        match machine.step(reply, session.clock.monotonic()) {
            Ok(next) => ask = next,
            Err(_) => return,
        }
    }
}

/// Throws away what large files left half sent whose pushes are over, one way or the other.
async fn unfinished(session: &Session, request: &PruneRequest, now: u64) -> Result<usize, AssetsError> {
    let now = i64::try_from(now).ok().and_then(|now| jiff::Timestamp::from_second(now).ok());
    let prefix = session.layout.data();
    let uploads = session.again(|| session.store.uploads(&prefix)).await?;
    let mut old = 0;
    for upload in uploads {
        if age(upload.started, now).is_some_and(|age| age > request.intent_ttl.max(LONGEST_UPLOAD)) {
            old += 1;
            if !request.dry_run {
                session.again(|| session.store.abort_upload(&upload)).await?;
            }
        }
    }
    Ok(old)
}
