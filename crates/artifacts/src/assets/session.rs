//! A session on the bucket of an app: carries out what the machines of the protocol ask for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use runway_store::{
    Condition, ETag, Metadata, Object, ObjectKey, ObjectStore, Put, Reread, StoreError, StoreErrorKind,
    UserMetadata,
};
use tokio_util::sync::CancellationToken;

use super::error::AssetsError;
use super::event::{AssetEvent, AssetReporter};
use super::looks::Looks;
use super::transfer::Transfer;
use crate::names::{Layout, Nonce};
use crate::protocol::{Ask, Found, Listed, Machine, ProtocolError, Reply, Terms};

/// Attempts of a request, the first one included.
const ATTEMPTS: u32 = 5;

/// Pause before the first repetition, at most; each further one may be twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Time between two looks at what somebody else is expected to change.
const LOOK: Duration = Duration::from_secs(2);

/// Answers of one session that may be lost before it gives up.
const LOST: u32 = 20;

/// Name of what a writer keeps beside a document to know its own.
const STAMP: &str = "nonce";

/// Time, as far as a session needs it.
pub trait SessionClock: Send + Sync {
    /// Seconds since 1970; only for people and where a store tells no time.
    fn seconds(&self) -> u64;
    /// Time since any moment, never going back, also while the machine is suspended.
    fn monotonic(&self) -> Duration;
    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

/// Everything that the commands about an app need.
#[derive(Clone)]
pub struct Session {
    /// The bucket.
    pub store: Arc<dyn ObjectStore>,
    /// Where everything of the app is.
    pub layout: Layout,
    /// A random text, another one for every command.
    pub nonce: Nonce,
    /// For people: host and process.
    pub writer: Arc<str>,
    /// Time.
    pub clock: Arc<dyn SessionClock>,
    /// Hears what happens.
    pub reporter: Arc<dyn AssetReporter>,
    /// Ends the command when it is cancelled; nothing is undone.
    pub stop: CancellationToken,
    /// Requests under way at once, where there are many.
    pub concurrency: usize,
    /// How long things are believed.
    pub terms: Terms,
    /// Pauses before repetitions differ by this.
    pub(crate) jitter: Arc<AtomicU32>,
    /// Files are looked at one by one instead of being listed.
    pub(crate) looks: Option<Arc<Looks>>,
}

impl Session {
    /// A session with the usual terms.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        layout: Layout,
        nonce: Nonce,
        writer: &str,
        clock: Arc<dyn SessionClock>,
    ) -> Self {
        Self {
            store,
            layout,
            nonce,
            writer: writer.into(),
            clock,
            reporter: Arc::new(super::event::Silent),
            stop: CancellationToken::new(),
            concurrency: 16,
            terms: Terms::default(),
            jitter: Arc::default(),
            looks: None,
        }
    }

    /// The same for another command: every one has a nonce of its own.
    #[must_use]
    pub fn another(&self, nonce: Nonce) -> Self {
        Self { nonce, ..self.clone() }
    }

    pub(crate) fn tell(&self, event: &AssetEvent) {
        self.reporter.event(event);
    }

    /// Lets a machine run to its end.
    ///
    /// # Errors
    /// [`AssetsError`]: what was written stays, and is found later.
    pub async fn run<M: Machine>(
        &self,
        machine: &mut M,
        transfer: Option<&Transfer>,
    ) -> Result<M::End, AssetsError> {
        let mut ask = machine.step(Reply::Begin, self.clock.monotonic())?;
        let mut lost = 0;
        loop {
            if let Ask::End(end) = ask {
                return Ok(end);
            }
            // Between the first entry point and the last, two builds are mixed: the few writes that are left are made.
            let must_go_on = machine.must_go_on();
            if self.stop.is_cancelled() && !must_go_on {
                return Err(AssetsError::Interrupted);
            }
            // What sends files stops by itself, and clears up.
            let waits = must_go_on || matches!(ask, Ask::Send(_));
            let stop = if waits { CancellationToken::new() } else { self.stop.clone() };
            let reply = tokio::select! {
                reply = self.perform(ask, transfer) => reply?,
                () = stop.cancelled() => return Err(AssetsError::Interrupted),
            };
            lost += u32::from(reply == Reply::Unknown);
            if lost > LOST {
                let message = "the answers to too many requests were lost";
                return Err(self.unavailable(message).into());
            }
            ask = machine.step(reply, self.clock.monotonic())?;
        }
    }

    fn unavailable(&self, message: &str) -> StoreError {
        let key = ObjectKey::new(self.layout.data());
        StoreError::new(StoreErrorKind::Unavailable, "write", self.store.bucket(), &key, message)
    }

    async fn perform<End>(&self, ask: Ask<End>, transfer: Option<&Transfer>) -> Result<Reply, AssetsError> {
        let transfer = || transfer.ok_or(AssetsError::Protocol(ProtocolError::Defect));
        Ok(match ask {
            Ask::End(_) => return Err(ProtocolError::Defect.into()),
            Ask::Get(key) => Reply::Got(self.read(&key).await?.map(found)),
            Ask::GetMany(keys) => Reply::GotMany(self.read_many(&keys).await?),
            Ask::Head(key) => {
                let seen = self.again(|| self.store.head(&key)).await?;
                Reply::Seen(seen.map(|metadata| metadata.etag))
            }
            Ask::Put { key, body, stamp, condition } => {
                let how = Put {
                    condition,
                    content_type: Some("application/json".to_owned()),
                    cache_control: Some("no-store".to_owned()),
                    user: UserMetadata::from([(STAMP.to_owned(), stamp.to_string())]),
                    ..Put::default()
                };
                self.put(&key, body, &how).await?
            }
            Ask::Delete(key) => {
                self.again(|| self.store.delete(&key, &Condition::None)).await?;
                Reply::Done
            }
            Ask::DeleteMany { keys, until } => self.delete_many(&keys, until).await?,
            Ask::List { prefix, after } => {
                let page = self.page(&prefix, after.as_ref()).await?;
                let listed = |(key, metadata): (ObjectKey, Metadata)| Listed {
                    key,
                    age: age(metadata.last_modified, page.date),
                    etag: metadata.etag,
                    size: metadata.length,
                };
                let (more, date) = (page.more, page.date);
                Reply::Listed { objects: page.objects.into_iter().map(listed).collect(), more, date }
            }
            Ask::Watch { key, etag, patience } => self.watch(&key, &etag, patience).await?,
            Ask::Prove(items) => Reply::Proven(transfer()?.prove(self, items).await?),
            Ask::Send(items) => Reply::Sent(transfer()?.send(self, items).await?),
            Ask::SendCopies { manifest, items } => {
                Reply::Sent(transfer()?.send_copies(self, manifest, items).await?)
            }
            Ask::PutEntry { manifest, path, condition } => {
                let of_copies = Transfer::default();
                let transfer = transfer().unwrap_or(&of_copies);
                transfer.put_entry(self, manifest, &path, condition).await?
            }
        })
    }

    /// Deletes, as long as the marker is believed. What is under way then is dropped, and may still be carried out.
    async fn delete_many(&self, keys: &[ObjectKey], until: Duration) -> Result<Reply, AssetsError> {
        self.tell(&AssetEvent::Deleting { objects: keys.len() });
        let lingers = AtomicBool::new(false);
        let is_over = || self.clock.monotonic() >= until;
        let in_time = |kind| {
            lingers.fetch_or(kind == StoreErrorKind::Unavailable, Ordering::Relaxed);
            is_repeatable(kind) && !is_over()
        };
        let over = async {
            while !is_over() {
                self.clock.sleep(until.saturating_sub(self.clock.monotonic()).min(LOOK)).await;
            }
        };
        tokio::select! {
            biased;
            deleted = self.again_if(|| self.store.delete_many(keys), in_time) => match deleted {
                Ok(failures) => {
                    let failed = failures.into_iter().map(|error| ObjectKey::new(error.key)).collect();
                    Ok(Reply::DeletedMany { failed, lingers: lingers.into_inner() })
                }
                Err(error) if is_repeatable(error.kind) && is_over() => Ok(Reply::Unknown),
                Err(error) => Err(error.into()),
            },
            () = over => Ok(Reply::Unknown),
        }
    }

    /// Writes, and tells what is known of the outcome.
    pub(crate) async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<Reply, AssetsError> {
        let written = self.again_if(|| self.store.put(key, body.clone(), how), is_without_effect).await;
        match written {
            Ok(written) => Ok(Reply::Written { etag: written.etag, date: written.date }),
            Err(error) if error.kind == StoreErrorKind::Precondition => Ok(Reply::Refused),
            Err(error) if error.kind == StoreErrorKind::Unavailable => {
                self.pause(1).await;
                Ok(Reply::Unknown)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads an object.
    pub(crate) async fn read(&self, key: &ObjectKey) -> Result<Option<Object>, AssetsError> {
        Ok(self.again(|| self.store.get(key)).await?)
    }

    pub(crate) async fn read_many(&self, keys: &[ObjectKey]) -> Result<Vec<Option<Found>>, AssetsError> {
        let reads: Vec<_> = keys.iter().map(|key| self.read(key)).collect();
        let mut reads = stream::iter(reads).buffered(self.concurrency.max(1));
        let mut all = Vec::with_capacity(keys.len());
        while let Some(read) = reads.next().await {
            all.push(read?.map(found));
        }
        Ok(all)
    }

    /// Everything below a prefix.
    pub(crate) async fn list_all(
        &self,
        prefix: &str,
    ) -> Result<(Vec<(ObjectKey, Metadata)>, Option<Timestamp>), AssetsError> {
        let mut all: Vec<(ObjectKey, Metadata)> = Vec::new();
        loop {
            let after = all.last().map(|(key, _)| key.clone());
            let page = self.page(prefix, after.as_ref()).await?;
            let is_over = !page.more || page.objects.is_empty();
            all.extend(page.objects);
            if is_over {
                return Ok((all, page.date));
            }
        }
    }

    async fn watch(&self, key: &ObjectKey, etag: &ETag, patience: Duration) -> Result<Reply, AssetsError> {
        self.tell(&AssetEvent::Waiting { object: key.as_str().to_owned(), most: patience });
        let since = self.clock.monotonic();
        loop {
            if self.again(|| self.store.get_changed(key, etag)).await? != Reread::Unchanged {
                return Ok(Reply::Changed);
            }
            let left = patience.saturating_sub(self.clock.monotonic().saturating_sub(since));
            if left.is_zero() {
                return Ok(Reply::Unchanged);
            }
            self.clock.sleep(left.min(LOOK)).await;
        }
    }

    /// Sends a request that may be repeated whatever became of it.
    pub(crate) async fn again<T, F>(&self, request: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.again_if(request, is_repeatable).await
    }

    async fn again_if<T, F>(
        &self,
        request: impl Fn() -> F,
        may_repeat: impl Fn(StoreErrorKind) -> bool,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        for attempt in 1.. {
            // On the heap: what waits here may be large.
            let sent: Pin<Box<F>> = Box::pin(request());
            match sent.await {
                Err(error) if attempt < ATTEMPTS && may_repeat(error.kind) => {
                    self.tell(&AssetEvent::Retry { message: error.to_string() });
                    self.pause(attempt).await;
                }
                answered => return answered,
            }
        }
        Err(self.unavailable("no attempt is left"))
    }

    /// Waits before the next attempt, a time that differs between sessions and attempts.
    async fn pause(&self, attempt: u32) {
        let longest = PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
        let count = self.jitter.fetch_add(1, Ordering::Relaxed);
        let digest = runway_store::ContentDigest::of(format!("{} {count}", self.nonce).as_bytes());
        let share = u32::from(digest.as_bytes()[0]) + 1;
        self.clock.sleep(longest * share / 256).await;
    }
}

/// What may be sent again if its outcome does not depend on how often it is.
fn is_repeatable(kind: StoreErrorKind) -> bool {
    is_without_effect(kind) || kind == StoreErrorKind::Unavailable
}

/// Nothing was written, and the very same request may be sent again.
fn is_without_effect(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Throttled | StoreErrorKind::Conflict)
}

fn found(object: Object) -> Found {
    let Object { body, metadata } = object;
    Found {
        body,
        age: age(metadata.last_modified, metadata.date),
        stamp: metadata.user.get(STAMP).cloned(),
        etag: metadata.etag,
    }
}

/// Time since an object was written, by the store's clock alone. Both times may be rounded to seconds, so it is a second
/// less than it seems.
pub(crate) fn age(written: Option<Timestamp>, now: Option<Timestamp>) -> Option<Duration> {
    let age = now?.duration_since(written?);
    Some(Duration::try_from(age).unwrap_or_default().saturating_sub(Duration::from_secs(1)))
}
