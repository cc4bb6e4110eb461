//! A directory with a build, a bucket, and sessions on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use runway_store::{BucketName, Memory, ObjectStore};

use crate::assets::*;
use crate::format::{Build, Head, HeadState, Manifest, ManifestFormat};
use crate::names::{AppName, AssetPath, Layout, ManifestId, Nonce};
use crate::protocol::PushMode;

/// The time at the beginning, in seconds.
pub(super) const START: i64 = 1_763_652_000;

/// Time that passes only for those who wait.
pub(super) struct Time(AtomicI64);

impl Time {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START * 1000)))
    }

    pub(super) fn pass(&self, duration: Duration) {
        self.0.fetch_add(i64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

impl SessionClock for Time {
    fn seconds(&self) -> u64 {
        u64::try_from(self.now().as_second()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now().as_millisecond()).unwrap())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        // It passes while somebody waits, not when somebody would.
        async move {
            self.pass(duration);
            tokio::task::yield_now().await;
        }
        .boxed()
    }
}

pub(super) fn path(text: &str) -> AssetPath {
    text.parse().unwrap()
}

pub(super) fn layout() -> Layout {
    Layout::new("", "myapp".parse::<AppName>().unwrap()).unwrap()
}

/// A bucket in memory.
pub(super) fn memory(time: &Arc<Time>) -> Arc<Memory> {
    let time = Arc::clone(time);
    Arc::new(Memory::new(BucketName::new("bucket"), Arc::new(move || time.now())))
}

/// A session of its own on a store.
pub(super) fn session(store: Arc<dyn ObjectStore>, time: &Arc<Time>) -> Session {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nonce = Nonce::new(format!("nonce{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    Session::new(store, layout(), nonce, "host/1", Arc::clone(time) as Arc<dyn SessionClock>)
}

/// Hears everything.
#[derive(Default)]
pub(super) struct Heard(pub(super) Mutex<Vec<AssetEvent>>);

impl AssetReporter for Heard {
    fn event(&self, event: &AssetEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// A directory with files.
pub(super) struct Source(tempfile::TempDir);

impl Source {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let source = Self(tempfile::tempdir().unwrap());
        source.write(files);
        source
    }

    pub(super) fn write(&self, files: &[(&str, &str)]) {
        for (name, body) in files {
            let file = self.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, body).unwrap();
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub(super) fn request(&self, build: u64) -> PushRequest {
        PushRequest {
            source: self.path(),
            rules: Rules::usual().unwrap(),
            build: Build { commit: None, timestamp: Some(build) },
            image: None,
            format: ManifestFormat::V2,
            mode: PushMode::default(),
            check: Check::List,
            conditions: StoreConditions::Kept,
        }
    }
}

/// The files of build `number`: two that never change, one of this build alone, and the entry points.
pub(super) fn build(number: u64) -> Source {
    let own = format!("js/app.{number:08x}.js");
    let (html, mods) = (format!("<script src={own}>"), format!("{{\"build\":{number}}}"));
    Source::new(&[
        ("css/main.1f00aa22.css", "body {}"),
        ("img/logo.svg", "<svg/>"),
        (&own, &format!("build {number}")),
        ("index.html", &html),
        ("fed-mods.json", &mods),
    ])
}

/// Pushes in one go.
pub(super) async fn push_request(
    session: &Session,
    request: &PushRequest,
) -> Result<PushOutcome, AssetsError> {
    let prepared = prepare(session, request).await?;
    push(session, request, &prepared).await
}

pub(super) async fn push_build(session: &Session, number: u64) -> Result<PushOutcome, AssetsError> {
    let source = build(number);
    push_request(session, &source.request(number)).await
}

pub(super) fn rules(threshold: Duration, min_keep: usize) -> PruneRequest {
    PruneRequest {
        threshold,
        min_keep,
        intent_ttl: Duration::from_secs(24 * 3600),
        protected: BTreeSet::from([path("fed-mods.json")]),
        max_share: None,
        orphans: None,
        dry_run: false,
        upcoming: None,
        may_wait: true,
        conditions: StoreConditions::Kept,
    }
}

/// Every object of a bucket.
pub(super) async fn objects(store: &dyn ObjectStore) -> BTreeMap<String, Bytes> {
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.list("", after.as_ref()).await.unwrap();
        for (key, _) in &page.objects {
            all.insert(key.as_str().to_owned(), store.get(key).await.unwrap().unwrap().body);
        }
        after = page.objects.last().map(|(key, _)| key.clone());
        if !page.more {
            return all;
        }
    }
}

pub(super) async fn keys(store: &dyn ObjectStore) -> Vec<String> {
    objects(store).await.into_keys().collect()
}

/// What must hold at every time: what is live is whole, and so is what an entry point refers to.
pub(super) fn check(objects: &BTreeMap<String, Bytes>) {
    let served = |path: &str| objects.get(&format!("data/myapp/{path}"));
    let own = |number: u64| served(&format!("js/app.{number:08x}.js"));
    if let Some(index) = served("index.html") {
        let text = std::str::from_utf8(index).unwrap();
        let script = text.trim_start_matches("<script src=").trim_end_matches('>');
        assert!(served(script).is_some(), "index.html names {script}, which is missing");
    }
    if let Some(mods) = served("fed-mods.json") {
        let value: serde_json::Value = serde_json::from_slice(mods).unwrap();
        let number = value["build"].as_u64().unwrap();
        assert!(own(number).is_some(), "fed-mods.json is of build {number}, whose file is missing");
    }
    let Some(head) = objects.get("heads/myapp.json").map(|body| Head::decode(body).unwrap()) else { return };
    if head.state == HeadState::Published {
        let body = &objects[&format!("manifests/myapp/{}", head.manifest)];
        let manifest = Manifest::decode(body).unwrap();
        for (path, facts) in &manifest.objects {
            let body = served(path.as_str()).unwrap_or_else(|| panic!("{path} of the live build is missing"));
            assert_eq!(runway_store::ContentDigest::of(body), facts.sha256, "{path} is another build's");
        }
    }
}

pub(super) fn live(objects: &BTreeMap<String, Bytes>) -> Option<ManifestId> {
    objects.get("heads/myapp.json").map(|body| Head::decode(body).unwrap().manifest)
}
