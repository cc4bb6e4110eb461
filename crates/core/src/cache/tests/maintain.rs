//! Commands on the tiers.

use std::sync::Arc;
use std::time::Duration;

use runway_store::{Condition, ObjectKey, ObjectStore, Put};
use serde_json::json;

use super::super::*;
use super::run::{PURE, World, deploying, ingredients, planning, work};
use crate::clock::Clock as _;

impl World {
    pub(super) fn tiers(&self) -> Tiers {
        Tiers {
            local: Some(Arc::clone(&self.local) as Arc<dyn LocalTier>),
            remote: Some(Remote::new(Arc::clone(&self.store) as Arc<dyn ObjectStore>, "prod")),
            pace: self.pace(),
            writer: "cleaner".to_owned(),
            key: self.key.clone(),
        }
    }

    async fn blobs(&self) -> usize {
        self.store.list("cache/prod/v1/blob/", None).await.unwrap().objects.len()
    }
}

fn large(name: &str) -> PlainJson {
    PlainJson::known(json!({"of": name, "text": "x".repeat(LONGEST_INLINE)}))
}

/// Needs a result that is too long for its record.
async fn work_on_much(cache: &Cache, name: &str) -> bool {
    let much = ingredients(PURE, name);
    match cache.fetch::<PlainJson>(&much).await {
        Some(found) => {
            assert_eq!(found, large(name));
            true
        }
        None => {
            cache.keep(&much, &large(name), Duration::ZERO);
            false
        }
    }
}

#[tokio::test(start_paused = true)]
async fn long_outputs_are_objects_of_their_own() {
    let world = World::new();
    let run = async |world: &World, settings: Settings| {
        let cache = world.loaded(settings).await;
        let found = work_on_much(&cache, "a").await;
        cache.publish(true).await;
        assert_eq!(cache.warnings(), []);
        found
    };
    assert!(!run(&world, deploying()).await);
    assert_eq!(world.blobs().await, 1);
    assert!(run(&world, deploying()).await, "from this machine");
    let elsewhere = world.elsewhere();
    assert!(run(&elsewhere, deploying()).await, "from the bucket");
    world.store.reset();
    assert!(run(&elsewhere, deploying()).await, "which the other machine has now");
    assert_eq!(world.store.total(), 1);

    // A text that is missing or wrong is made again, and is there again.
    let key = world.store.list("cache/prod/v1/blob/", None).await.unwrap().objects.remove(0).0;
    world.store.delete(&key, &Condition::None).await.unwrap();
    assert!(!run(&world.elsewhere(), deploying()).await);
    assert!(run(&world.elsewhere(), planning()).await);
    world.store.put(&key, "{\"of\": \"somebody else\"}".into(), &Put::default()).await.unwrap();
    assert!(!run(&world.elsewhere(), planning()).await);
}

#[tokio::test(start_paused = true)]
async fn texts_of_this_machine_are_compared_with_their_names() {
    let world = World::new();
    let cache = world.loaded(planning()).await;
    let digest = cache.keep_blob(b"a template");
    assert_eq!(digest, Digest::of(b"a template"));
    assert_eq!(cache.find_blob(&digest).as_deref(), Some(b"a template".as_slice()));
    world.local.files().insert(LocalFile::Blob(digest), b"another one".to_vec());
    assert_eq!(cache.find_blob(&digest), None);
    cache.keep_blob(b"a template");
    assert!(cache.find_blob(&digest).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_clear_during_a_run_leaves_nothing_of_before() {
    let world = World::new();
    world.run(deploying(), &["old"]).await;
    world.run(planning(), &["own"]).await;
    let running = world.loaded(deploying()).await;
    assert!(work(&running, PURE, "old") && work(&running, PURE, "own"));
    assert!(!work(&running, PURE, "new"));

    let everything = Filter::default();
    let cleared = world.tiers().clear_remote(&everything).await.unwrap();
    assert_eq!((cleared.records, cleared.epoch), (1, 1));
    assert_eq!(world.tiers().clear_local(&everything).unwrap().records, 2);
    running.publish(true).await;
    assert_eq!(running.warnings(), []);

    for machine in [&world, &world.elsewhere()] {
        let cache = machine.loaded(planning()).await;
        for name in ["old", "own", "new"] {
            assert!(!work(&cache, PURE, name), "{name}");
        }
    }
    // Runs that begin after it are as always.
    world.run(deploying(), &["newer"]).await;
    assert_eq!(world.elsewhere().run(planning(), &["newer", "new"]).await.1, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn records_of_another_machine_do_not_survive_a_clear_of_the_bucket() {
    let world = World::new();
    let other = world.elsewhere();
    other.run(planning(), &["own"]).await;
    world.tiers().clear_remote(&Filter::default()).await.unwrap();
    assert_eq!(other.run(deploying(), &["own"]).await.1, [false]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_index_does_not_take_the_epoch_with_it() {
    let world = World::new();
    let stale = world.elsewhere();
    stale.run(planning(), &["own"]).await;
    world.tiers().clear_remote(&Filter::default()).await.unwrap();
    world.run(deploying(), &["a"]).await;
    world.store.delete(&ObjectKey::new("cache/prod/v1/index.jsonl.gz"), &Condition::None).await.unwrap();
    world.run(deploying(), &["a"]).await;
    assert_eq!(stale.run(planning(), &["own", "a"]).await.1, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_index_does_not_take_the_epoch_with_it() {
    let world = World::new();
    for epoch in 1..=2 {
        assert_eq!(world.tiers().clear_remote(&Filter::default()).await.unwrap().epoch, epoch);
    }
    world.run(deploying(), &["a"]).await;
    let index = ObjectKey::new("cache/prod/v1/index.jsonl.gz");
    world.store.put(&index, "garbage".into(), &Put::default()).await.unwrap();
    world.run(deploying(), &["a"]).await;
    assert_eq!(world.tiers().remote_status().await.unwrap().unwrap().epoch, 2);
    world.store.put(&index, "garbage".into(), &Put::default()).await.unwrap();
    assert_eq!(world.tiers().clear_remote(&Filter::default()).await.unwrap().epoch, 3);
}

/// A directory that cannot be used: a file is in its place.
struct Unusable;

impl LocalTier for Unusable {
    fn place(&self) -> String {
        "nowhere".to_owned()
    }

    fn read(&self, _: &LocalFile) -> Result<Option<Vec<u8>>, String> {
        Err("Not a directory".to_owned())
    }

    fn write(&self, _: &LocalFile, _: &[u8]) -> Result<(), String> {
        Err("Not a directory".to_owned())
    }

    fn remove(&self, _: &LocalFile) -> Result<(), String> {
        Err("Not a directory".to_owned())
    }

    fn blobs(&self) -> Vec<LocalBlob> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn the_bucket_is_emptied_also_where_the_files_of_this_machine_cannot_be_read() {
    let world = World::new();
    world.run(deploying(), &["a"]).await;
    let tiers = Tiers { local: Some(Arc::new(Unusable)), ..world.tiers() };
    let removed = tiers.clear_remote(&Filter::default()).await.unwrap();
    assert_eq!((removed.records, removed.epoch), (1, 1));
    assert_eq!(world.tiers().remote_status().await.unwrap().unwrap().records, 0);
    assert!(tiers.clear_local(&Filter::default()).is_err(), "that this part is as it was is told");
}

#[tokio::test(start_paused = true)]
async fn a_part_is_cleared_without_an_epoch() {
    let world = World::new();
    world.run(deploying(), &["a", "b"]).await;
    world.run(planning(), &["own"]).await;
    let filter = |subject: &str| Filter { subjects: [subject.to_owned()].into(), kind: None };
    let cleared = world.tiers().clear_remote(&filter("a")).await.unwrap();
    assert_eq!((cleared.records, cleared.epoch), (1, 0));
    assert_eq!(world.tiers().clear_remote(&filter("nobody")).await.unwrap().records, 0);
    // The copy of the bucket's index stays as long as nothing of it goes.
    let copy = || world.tiers().local_status().unwrap().unwrap().records;
    let before = copy();
    assert_eq!(world.tiers().clear_local(&filter("nobody")).unwrap().records, 0);
    assert_eq!(copy(), before);
    assert_eq!(world.tiers().clear_local(&filter("own")).unwrap().records, 1);
    assert_eq!(world.run(planning(), &["a", "b", "own"]).await.1, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn collecting_takes_what_is_old_and_texts_of_nobody() {
    let world = World::new();
    let cache = world.loaded(deploying()).await;
    work_on_much(&cache, "much").await;
    cache.publish(true).await;
    world.run(deploying(), &["old"]).await;
    world.run(planning(), &["own"]).await;
    world.clock.sleep(Duration::from_secs(20 * 86_400)).await;
    world.run(deploying(), &["young"]).await;
    let limits = Limits { max_age_days: 10, max_entries: 100 };
    let tiers = world.tiers();

    let planned = tiers.collect_remote(&limits, true).await.unwrap();
    assert_eq!((planned.records, planned.texts), (2, 1));
    assert_eq!(tiers.collect_local(&limits, true).unwrap().records, 1);
    assert_eq!((world.blobs().await, tiers.remote_status().await.unwrap().unwrap().records), (1, 3));

    assert_eq!(tiers.collect_remote(&limits, false).await.unwrap(), planned);
    assert_eq!(tiers.collect_local(&limits, false).unwrap().records, 1);
    assert_eq!((world.blobs().await, tiers.remote_status().await.unwrap().unwrap().records), (0, 1));
    assert_eq!(world.run(planning(), &["old", "own", "young"]).await.1, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_bundle_takes_everything_elsewhere() {
    let world = World::new();
    let cache = world.loaded(deploying()).await;
    work_on_much(&cache, "much").await;
    work(&cache, PURE, "a");
    cache.publish(true).await;
    world.run(planning(), &["own"]).await;
    let bundle = world.tiers().export().await.unwrap();

    let other = World::new();
    assert_eq!(other.tiers().import(&bundle).await.unwrap(), (3, 0));
    let cache = other.loaded(planning()).await;
    assert!(work_on_much(&cache, "much").await);
    assert!(work(&cache, PURE, "a") && work(&cache, PURE, "own"));

    // What was cleared does not come back in a bundle.
    other.tiers().clear_remote(&Filter::default()).await.unwrap();
    assert_eq!(other.tiers().import(&bundle).await.unwrap(), (0, 3));
    // One from another bucket knows nothing of what was cleared here, and begins anew.
    let mut foreign = codec::decode_bundle(&bundle).unwrap();
    foreign.place = "s3://another/cache/prod/v1/index.jsonl.gz".to_owned();
    assert_eq!(other.tiers().import(&codec::encode_bundle(&foreign)).await.unwrap(), (3, 0));
    assert_eq!(other.run(planning(), &["a"]).await.1, [true]);
    other.tiers().clear_remote(&Filter::default()).await.unwrap();
    assert_eq!(other.run(planning(), &["a"]).await.1, [false]);
    // Nor does what nobody signed.
    let mut careful = World::new();
    careful.key = TrustKey::new("key");
    assert_eq!(careful.tiers().import(&bundle).await.unwrap(), (0, 3));
    let error = other.tiers().import(b"no bundle").await.unwrap_err();
    assert_eq!(error.to_string(), "the bundle cannot be read: it cannot be unpacked");
}

#[tokio::test(start_paused = true)]
async fn status_says_what_there_is() {
    let world = World::new();
    let tiers = world.tiers();
    assert_eq!(tiers.local_status().unwrap().unwrap().records, 0);
    assert_eq!(tiers.remote_status().await.unwrap().unwrap().records, 0);
    world.run(deploying(), &["a", "b"]).await;
    world.run(planning(), &["own"]).await;
    let local = tiers.local_status().unwrap().unwrap();
    let remote = tiers.remote_status().await.unwrap().unwrap();
    assert_eq!((local.records, remote.records), (3, 2));
    assert_eq!((remote.writer.as_str(), remote.generation, remote.epoch), ("tester", 1, 0));
    assert_eq!(remote.place, "s3://bucket/cache/prod/v1/index.jsonl.gz");
    assert!(remote.index_bytes > 100 && local.index_bytes > remote.index_bytes);
}

#[tokio::test(start_paused = true)]
async fn a_miss_is_explained_by_the_ingredient_that_changed() {
    let world = World::new();
    let of = |vpc: &str, size: &str| {
        Ingredients::new(PURE, &Scope::default(), "app").input("vpc", vpc).input("size", size)
    };
    let cache = world.loaded(deploying()).await;
    cache.keep(&of("vpc-1", "small"), &true, Duration::ZERO);
    cache.keep(&of("vpc-9", "huge"), &true, Duration::ZERO);
    cache.publish(true).await;

    let cache = world.loaded(planning()).await;
    assert_eq!(cache.find::<bool>(&of("vpc-1", "large")), None);
    let explained = cache.explain("app");
    assert_eq!(explained.len(), 1);
    assert!(!explained[0].is_hit);
    let nearest = explained[0].nearest.as_ref().unwrap();
    let names: Vec<_> = nearest.differences.iter().map(|difference| difference.name.as_str()).collect();
    assert_eq!(names, ["size"]);
    assert_ne!(nearest.differences[0].now, nearest.differences[0].then);
    assert_eq!(cache.find::<bool>(&of("vpc-1", "small")), Some(true));
    assert!(cache.explain("app").iter().any(|explained| explained.is_hit));
    assert_eq!(cache.subjects().into_iter().collect::<Vec<_>>(), ["app"]);
    assert_eq!(cache.records(&Filter { kind: Some("example".to_owned()), ..Filter::default() }).len(), 2);
}

/// Sixteen runs end at the same time.
#[tokio::test(start_paused = true)]
async fn no_record_of_many_runs_at_once_is_lost() {
    let world = World::new();
    let mut runs = tokio::task::JoinSet::new();
    for number in 0..16_u64 {
        let machine = world.elsewhere();
        let cache = {
            let mut cache = machine.cache(deploying());
            // Everybody's luck is their own.
            let setup = cache.setup.as_mut().unwrap();
            let luck = std::sync::atomic::AtomicU64::new(number * 7919);
            setup.pace.random =
                Arc::new(move || luck.fetch_add(104_729, std::sync::atomic::Ordering::Relaxed));
            cache
        };
        cache.load(Some(Arc::clone(&world.store) as Arc<dyn ObjectStore>)).await;
        runs.spawn(async move {
            for part in 0..5 {
                work(&cache, PURE, &format!("{number}-{part}"));
            }
            cache.publish(true).await;
            cache.warnings()
        });
    }
    while let Some(warnings) = runs.join_next().await {
        assert_eq!(warnings.unwrap(), []);
    }
    let status = world.tiers().remote_status().await.unwrap().unwrap();
    assert_eq!((status.records, status.generation), (80, 16));
}
