//! Requests of the protocol as requests to the store, each with its time-out and its retries.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use jiff::Timestamp;
use runway_store::{
    Condition, ETag, Object, ObjectKey, ObjectStore, Put, PutOutcome, StoreError, StoreErrorKind, Tags,
};

use super::body::{carried_nonce, encode_locked};
use super::code::{LockCode, TAG_KEY};
use super::error::LockError;
use super::lease::Lease;
use super::premises::{Objects, Stored, split_tags};
use super::terms::{Expect, Found, Nonce, Reply, Request, Target};
use crate::clock::Clock;
use crate::engine::Holder;
use crate::graph::persistent::GraphObject;
use crate::graph::{GraphState, PersistentGraph};

/// How often a request is sent again that the store answered with "busy": two conditional writes met, or too many
/// requests.
const BUSY_RETRIES: u32 = 8;
/// How often a read is sent again that had no answer.
const READ_RETRIES: u32 = 3;
/// Tags that S3 allows on one object.
const TAG_LIMIT: usize = 10;

/// Sends the requests of one session.
pub(super) struct Wire {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) objects: Objects,
    pub(super) code: LockCode,
    pub(super) holder: Holder,
    pub(super) ttl: Duration,
    /// When the session began, for people (RFC 3339).
    pub(super) acquired: String,
}

/// An answer, with the store's time if it said so.
pub(super) struct Answer {
    pub(super) reply: Reply<Stored>,
    pub(super) date: Option<Timestamp>,
}

impl Wire {
    /// Sends one request. A write whose answer is lost is not repeated here: the protocol decides about that.
    pub(super) async fn send(&self, request: &Request<Stored>) -> Result<Answer, LockError> {
        let answer = |reply| Answer { reply, date: None };
        match request {
            Request::GetTags => {
                let tags = self.read(&self.objects.graph, || self.store.tags(&self.objects.graph)).await?;
                Ok(answer(Reply::Tags(tags.map(split_tags))))
            }
            Request::Get(target) => {
                let key = self.key(*target);
                let object = self.read(key, || self.store.get(key)).await?;
                Ok(answer(Reply::Found(object.map(|object| self.found(*target, &object)))))
            }
            Request::PutLease { n, took_over, expect } => {
                let body = self.lease(*n, took_over.clone()).to_json();
                self.put(Target::Lease, body, Tags::new(), expect).await
            }
            Request::PutState { n, state, expect } => {
                let state = GraphState { code: self.code.as_str().to_owned(), n: *n, ..state.clone() };
                self.put(Target::State, state.to_json(), Tags::new(), expect).await
            }
            Request::PutGraph { graph, nonce, locked, tags, expect } => {
                let body = nonce.map_or_else(|| graph.to_json(), |nonce| encode_locked(graph, nonce));
                let mut tags = tags.clone();
                if *locked {
                    if tags.len() >= TAG_LIMIT {
                        return Err(LockError::TooManyTags { location: self.location(), count: tags.len() });
                    }
                    tags.insert(TAG_KEY.to_owned(), self.code.as_str().to_owned());
                }
                self.put(Target::Graph, body, tags, expect).await
            }
            Request::Delete { target, expect } => {
                let (key, condition) = (self.key(*target), condition(expect));
                let deleted = self.write(key, || self.store.delete(key, &condition)).await;
                Ok(answer(outcome(deleted, |()| Reply::Deleted)?))
            }
        }
    }

    /// `s3://bucket/key` of the graph.
    pub(super) fn location(&self) -> String {
        GraphObject::new(self.store.bucket(), &self.objects.graph).location()
    }

    /// The error for a write that was repeated without ever being answered.
    pub(super) fn unanswered(&self, request: &Request<Stored>) -> LockError {
        let target = match request {
            Request::PutLease { .. } => Target::Lease,
            Request::PutState { .. } => Target::State,
            Request::Delete { target, .. } | Request::Get(target) => *target,
            Request::PutGraph { .. } | Request::GetTags => Target::Graph,
        };
        self.no_answer(self.key(target), "write").into()
    }

    fn no_answer(&self, key: &ObjectKey, operation: &'static str) -> StoreError {
        let message =
            format!("no answer within {:?}, an eighth of the lock's time to live (--lock-ttl)", self.ttl / 8);
        StoreError::new(StoreErrorKind::Unavailable, operation, self.store.bucket(), key, message)
    }

    fn key(&self, target: Target) -> &ObjectKey {
        match target {
            Target::Graph => &self.objects.graph,
            Target::Lease => &self.objects.lease,
            Target::State => &self.objects.state,
        }
    }

    fn lease(&self, n: u64, took_over: Option<LockCode>) -> Lease {
        Lease {
            acquired: self.acquired.clone(),
            renewed: self.clock.now().to_string(),
            took_over,
            ..Lease::new(self.code.clone(), n, self.ttl, self.holder.clone())
        }
    }

    fn found(&self, target: Target, object: &Object) -> Found<Stored> {
        let place = GraphObject::new(self.store.bucket(), self.key(target));
        let (nonce, graph) = match target {
            Target::Graph => {
                let read = PersistentGraph::read(&object.body, &place).ok();
                (carried_nonce(&object.body), read.map(|read| read.graph))
            }
            Target::Lease => (Lease::read(&object.body).map(|lease| Nonce::new(&lease.code, lease.n)), None),
            Target::State => {
                let read = GraphState::read(&object.body, &place).ok();
                (read.map(|state| Nonce::new(&LockCode::new(state.code), state.n)), None)
            }
        };
        Found { etag: object.metadata.etag.clone(), nonce, graph }
    }

    async fn put(
        &self,
        target: Target,
        body: String,
        tags: Tags,
        expect: &Expect<ETag>,
    ) -> Result<Answer, LockError> {
        let key = self.key(target);
        let how = Put {
            condition: condition(expect),
            content_type: Some("application/json".to_owned()),
            tags,
            ..Put::default()
        };
        let body = Bytes::from(body);
        let written = self.write(key, || self.store.put(key, body.clone(), &how)).await;
        let date = written.as_ref().ok().and_then(|written| written.date);
        Ok(Answer { reply: outcome(written, |written: PutOutcome| Reply::Written(written.etag))?, date })
    }

    /// One write, sent again while the store is busy: it did not take effect then.
    async fn write<V, F: Future<Output = Result<V, StoreError>>>(
        &self,
        key: &ObjectKey,
        send: impl Fn() -> F,
    ) -> Result<V, StoreError> {
        let mut retries = 0;
        loop {
            match self.in_time(key, "write", send()).await {
                Err(error) if is_busy(&error) && retries < BUSY_RETRIES => {
                    retries += 1;
                    self.clock.sleep(pause(retries)).await;
                }
                answer => return answer,
            }
        }
    }

    /// One read, sent again if the store is busy or does not answer.
    async fn read<V, F: Future<Output = Result<V, StoreError>>>(
        &self,
        key: &ObjectKey,
        send: impl Fn() -> F,
    ) -> Result<V, StoreError> {
        let mut retries = 0;
        loop {
            let answer = self.in_time(key, "read", send()).await;
            let again = |error: &StoreError| is_busy(error) || error.kind == StoreErrorKind::Unavailable;
            match answer {
                Err(error) if again(&error) && retries < READ_RETRIES => {
                    retries += 1;
                    self.clock.sleep(pause(retries)).await;
                }
                answer => return answer,
            }
        }
    }

    /// The answer, or none within an eighth of the time to live.
    async fn in_time<V>(
        &self,
        key: &ObjectKey,
        operation: &'static str,
        request: impl Future<Output = Result<V, StoreError>>,
    ) -> Result<V, StoreError> {
        let time_out = self.clock.sleep(self.ttl / 8);
        match select(pin!(request), time_out).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(self.no_answer(key, operation)),
        }
    }
}

fn is_busy(error: &StoreError) -> bool {
    matches!(error.kind, StoreErrorKind::Conflict | StoreErrorKind::Throttled)
}

/// 100 ms, doubled with every retry up to 1.6 s.
fn pause(retry: u32) -> Duration {
    Duration::from_millis(50) * 2_u32.pow(retry.min(5))
}

fn condition(expect: &Expect<ETag>) -> Condition {
    match expect {
        Expect::Absent => Condition::IfAbsent,
        Expect::Matching(etag) => Condition::IfMatch(etag.clone()),
        Expect::Anything => Condition::None,
    }
}

/// Sorts the answer to a write into what the protocol knows; other errors end the operation.
fn outcome<V>(
    answer: Result<V, StoreError>,
    done: impl FnOnce(V) -> Reply<Stored>,
) -> Result<Reply<Stored>, StoreError> {
    match answer {
        Ok(value) => Ok(done(value)),
        Err(error) => match error.kind {
            StoreErrorKind::Precondition => Ok(Reply::Refused),
            StoreErrorKind::Unavailable => Ok(Reply::Lost),
            _ => Err(error),
        },
    }
}
