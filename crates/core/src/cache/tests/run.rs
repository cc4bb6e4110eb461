//! Runs one after the other: what they find, what they ask, what they leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use runway_store::{BucketName, Counting, Memory, ObjectStore};
use serde_json::json;

use super::super::*;
use crate::clock::{Clock, TokioClock};

pub(super) const PURE: Kind = Kind { name: "example", revision: 1, class: Class::Pure };

pub(super) struct World {
    pub(super) store: Arc<Counting>,
    pub(super) local: Arc<MemoryTier>,
    pub(super) clock: Arc<TokioClock>,
    pub(super) key: Option<TrustKey>,
}

impl World {
    pub(super) fn new() -> Self {
        let memory = Memory::new(BucketName::new("bucket"), Arc::new(|| Timestamp::UNIX_EPOCH));
        Self::on(Arc::new(memory))
    }

    pub(super) fn on(store: Arc<dyn ObjectStore>) -> Self {
        let store = Arc::new(Counting::new(store));
        let clock = TokioClock::starting_at(Timestamp::from_second(20_000 * 86_400).unwrap());
        Self { store, local: Arc::default(), clock: Arc::new(clock), key: None }
    }

    pub(super) fn pace(&self) -> Pace {
        let random = AtomicU64::new(7);
        let random = move || random.fetch_add(101, Ordering::Relaxed);
        Pace { clock: Arc::clone(&self.clock) as Arc<dyn Clock>, random: Arc::new(random) }
    }

    pub(super) fn cache(&self, settings: Settings) -> Cache {
        let local = Some(Arc::clone(&self.local) as Arc<dyn LocalTier>);
        let setup = Setup {
            namespace: "prod".to_owned(),
            local,
            pace: self.pace(),
            writer: "tester".to_owned(),
            command: "deploy".to_owned(),
            key: self.key.clone(),
        };
        Cache::new(settings, setup)
    }

    pub(super) async fn loaded(&self, settings: Settings) -> Cache {
        let cache = self.cache(settings);
        cache.load(Some(Arc::clone(&self.store) as Arc<dyn ObjectStore>)).await;
        cache
    }

    /// A run that needs the results of `names`. Returns what it found.
    pub(super) async fn run(&self, settings: Settings, names: &[&str]) -> (Cache, Vec<bool>) {
        let changes_stacks = settings.remote.writes();
        let cache = self.loaded(settings).await;
        let found = names.iter().map(|name| work(&cache, PURE, name)).collect();
        cache.publish(changes_stacks).await;
        (cache, found)
    }

    /// Another machine.
    pub(super) fn elsewhere(&self) -> Self {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        Self { store, local: Arc::default(), clock, key: self.key.clone() }
    }

    pub(super) fn requests(&self) -> Vec<String> {
        let asked = self.store.operations().iter().map(ToString::to_string).collect();
        self.store.reset();
        asked
    }
}

pub(super) fn ingredients(kind: Kind, name: &str) -> Ingredients {
    Ingredients::new(kind, &Scope::default(), name).input("name", name)
}

/// Needs a result; whether it was there.
pub(super) fn work(cache: &Cache, kind: Kind, name: &str) -> bool {
    let ingredients = ingredients(kind, name);
    let output = PlainJson::known(json!({"of": name}));
    match cache.find::<PlainJson>(&ingredients) {
        Some(found) => {
            assert_eq!(found, output);
            true
        }
        None => {
            cache.keep(&ingredients, &output, Duration::from_millis(100));
            false
        }
    }
}

pub(super) fn deploying() -> Settings {
    CacheConfig::default().settings(true)
}

pub(super) fn planning() -> Settings {
    CacheConfig::default().settings(false)
}

const GET: &str = "get cache/prod/v1/index.jsonl.gz";
const PUT: &str = "put cache/prod/v1/index.jsonl.gz";

#[tokio::test(start_paused = true)]
async fn a_run_finds_what_an_earlier_one_kept_with_one_request() {
    let world = World::new();
    let (cold, found) = world.run(deploying(), &["a", "b"]).await;
    assert_eq!(found, [false, false]);
    assert_eq!(world.requests(), [GET, PUT]);
    assert_eq!((cold.counters().misses, cold.counters().requests, cold.counters().published), (2, 2, 2));

    let (warm, found) = world.run(deploying(), &["a", "b"]).await;
    assert_eq!(found, [true, true]);
    assert_eq!(world.requests(), [GET], "nothing new, nothing written");
    let counters = warm.counters();
    assert_eq!((counters.hits, counters.misses, counters.saved_ms, counters.requests), (2, 0, 200, 1));

    let (_, found) = world.elsewhere().run(deploying(), &["a", "c"]).await;
    assert_eq!(found, [true, false]);
    assert_eq!(world.requests(), [GET, PUT]);

    let (last, found) = world.run(deploying(), &["a", "b", "c"]).await;
    assert_eq!(found, [true, true, true]);
    assert_eq!(world.requests(), [GET]);
    assert_eq!(last.warnings(), []);
}

#[tokio::test(start_paused = true)]
async fn a_plan_writes_nothing_to_the_bucket_and_a_deployment_publishes_what_it_used_of_it() {
    let world = World::new();
    let (_, found) = world.run(planning(), &["a", "b"]).await;
    assert_eq!(found, [false, false]);
    assert_eq!(world.requests(), [GET]);

    let (_, found) = world.run(planning(), &["a", "b"]).await;
    assert_eq!(found, [true, true], "this machine has them");
    assert_eq!(world.requests(), [GET]);

    let (_, found) = world.run(deploying(), &["a"]).await;
    assert_eq!(found, [true]);
    assert_eq!(world.requests(), [GET, PUT]);
    let (_, found) = world.elsewhere().run(planning(), &["a", "b"]).await;
    assert_eq!(found, [true, false], "what the deployment had no use for stays on the machine");
    world.requests();

    let (_, found) = world.run(deploying(), &["a"]).await;
    assert_eq!(found, [true]);
    assert_eq!(world.requests(), [GET], "published once");
}

#[tokio::test(start_paused = true)]
async fn use_is_noted_once_in_some_days() {
    let world = World::new();
    world.run(deploying(), &["a"]).await;
    world.requests();
    for _ in 0..6 {
        world.clock.sleep(Duration::from_secs(86_400)).await;
        world.run(deploying(), &["a"]).await;
        assert_eq!(world.requests(), [GET]);
    }
    world.clock.sleep(Duration::from_secs(86_400)).await;
    world.run(deploying(), &["a"]).await;
    assert_eq!(world.requests(), [GET, PUT]);
    // So it is still there long after it was made.
    for _ in 0..10 {
        world.clock.sleep(Duration::from_secs(7 * 86_400)).await;
        assert_eq!(world.run(deploying(), &["a"]).await.1, [true]);
    }
    world.clock.sleep(Duration::from_secs(40 * 86_400)).await;
    world.requests();
    world.run(deploying(), &[]).await;
    assert_eq!(world.requests(), [GET, PUT], "what is due is collected");
    assert_eq!(world.run(deploying(), &["a"]).await.1, [false]);
}
