//! The task cache in a bucket, over HTTP.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use runway_core::cache::{
    Cache, CacheConfig, Class, Filter, Ingredients, Kind, Pace, PlainJson, Remote, Scope, Setup, Tiers,
};
use runway_core::clock::{Clock, TokioClock};
use runway_core::provider::Provider as _;
use runway_store::{BucketName, Condition, ObjectStore, Put, Reread};
use serde_json::json;

use crate::support::{Scene, finished};

/// Set in the process that uses the bucket; its value is the bucket.
const BUCKET: &str = "RUNWAY_RS_CACHE_TEST_BUCKET";

const KIND: Kind = Kind { name: "example", revision: 1, class: Class::Pure };

/// Runs that end at the same time.
const WRITERS: u64 = 16;
/// What each of them makes.
const RECORDS: usize = 5;

/// The SDK reads its settings from the environment of the process, so this runs in a process of its own.
#[test]
#[expect(clippy::disallowed_methods, reason = "this test is a process of its own")]
fn sixteen_runs_write_one_index_and_lose_nothing() {
    if let Ok(bucket) = std::env::var(BUCKET) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(runs(&bucket));
    }
    let scene = Scene::new();
    scene.make_bucket();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env_clear().envs(scene.environment()).env(BUCKET, &scene.bucket);
    command.args(["cache::sixteen_runs_write_one_index_and_lose_nothing", "--exact", "--nocapture"]);
    let ran = finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).ended(0);
    assert!(ran.stdout.contains("1 passed"), "{}", ran.stdout);
    assert!(scene.keys().contains(&"cache/example/v1/index.jsonl.gz".to_owned()), "{:?}", scene.keys());
}

/// A clock without limits: the machine that runs the test may be slow.
struct Patient(TokioClock);

#[async_trait]
impl Clock for Patient {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, duration: Duration) {
        if duration >= Duration::from_secs(2) {
            std::future::pending::<()>().await;
        }
        self.0.sleep(duration).await;
    }
}

fn pace(luck: u64) -> Pace {
    let luck = AtomicU64::new(luck.wrapping_mul(7919));
    let random = move || luck.fetch_add(104_729, Ordering::Relaxed);
    Pace {
        clock: Arc::new(Patient(TokioClock::starting_at(Timestamp::from_second(1_800_000_000).unwrap()))),
        random: Arc::new(random),
    }
}

async fn begun(store: &Arc<dyn ObjectStore>, number: u64) -> Cache {
    let setup = Setup {
        namespace: "example".to_owned(),
        local: None,
        pace: pace(number),
        writer: format!("run {number}"),
        command: "deploy".to_owned(),
        key: None,
    };
    let cache = Cache::new(CacheConfig::default().settings(true), setup);
    cache.load(Some(Arc::clone(store))).await;
    cache
}

fn made(number: u64, part: usize) -> (Ingredients, PlainJson) {
    let name = format!("{number}-{part}");
    let ingredients = Ingredients::new(KIND, &Scope::default(), &name).input("name", &name);
    (ingredients, PlainJson::known(json!({"of": name})))
}

/// Makes its part.
async fn ended(cache: Cache, number: u64) {
    for part in 0..RECORDS {
        let (ingredients, output) = made(number, part);
        cache.keep(&ingredients, &output, Duration::ZERO);
    }
    cache.publish(true).await;
    assert_eq!(cache.warnings(), []);
}

async fn runs(bucket: &str) {
    let provider = runway_aws::connect(runway_aws::ConnectOptions::default()).await.unwrap();
    let store = provider.object_store(&BucketName::new(bucket), None);

    // All begin before the first ends: nobody knows of anybody.
    let mut begin = Vec::new();
    for number in 0..WRITERS {
        begin.push(begun(&store, number).await);
    }
    let mut running = tokio::task::JoinSet::new();
    for (number, cache) in (0..WRITERS).zip(begin) {
        running.spawn(ended(cache, number));
    }
    running.join_all().await;

    let cache = begun(&store, WRITERS).await;
    for number in 0..WRITERS {
        for part in 0..RECORDS {
            let (ingredients, output) = made(number, part);
            assert_eq!(cache.find::<PlainJson>(&ingredients), Some(output), "{number}-{part}");
        }
    }
    assert_eq!(cache.counters().hits, WRITERS * RECORDS as u64);
    cache.publish(true).await;
    assert_eq!(cache.counters().requests, 1, "nothing new, nothing written");

    // What is known is not sent again (304).
    let remote = Remote::new(Arc::clone(&store), "example");
    let etag = store.head(&remote.index_key()).await.unwrap().unwrap().etag;
    assert_eq!(store.get_changed(&remote.index_key(), &etag).await.unwrap(), Reread::Unchanged);

    // A clear while a run is under way: nothing of before it comes back.
    let running = begun(&store, 100).await;
    let tiers =
        Tiers { local: None, remote: Some(remote), pace: pace(101), writer: "cleaner".to_owned(), key: None };
    let cleared = tiers.clear_remote(&Filter::default()).await.unwrap();
    assert_eq!((cleared.records, cleared.epoch), (WRITERS as usize * RECORDS, 1));
    ended(running, 100).await;
    let status = tiers.remote_status().await.unwrap().unwrap();
    assert_eq!((status.records, status.epoch, status.texts), (0, 1, 0));

    // A text of its own object, and its collection.
    let key = tiers.remote.as_ref().unwrap().blob_key(&runway_core::cache::Digest::of(b"text"));
    let how = Put { condition: Condition::IfAbsent, ..Put::default() };
    store.put(&key, "text".into(), &how).await.unwrap();
    assert_eq!(tiers.remote_status().await.unwrap().unwrap().texts, 1);
    assert_eq!(tiers.clear_remote(&Filter::default()).await.unwrap().texts, 1);
}

/// The whole program on an index that is none, or is gone: one warning, the same plan, the same exit code.
#[test]
fn whatever_lies_in_the_bucket_a_run_does_the_same() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config("  - {name: a, template_path: templates/t.yml, variables: {Note: x, Up: y}}\n");
    scene.run("deploy --yes").ended(0);
    let plan = scene.run("plan").ended(0);
    assert!(!plan.stderr.contains("cache::"), "{}", plan.stderr);
    let index = json!({"Bucket": scene.bucket, "Key": "cache/example/v1/index.jsonl.gz"});
    let put = |body: &str| {
        let mut wanted = index.clone();
        wanted["Body"] = json!(body);
        scene.boto("s3", "put_object", &wanted);
    };
    for body in ["", "garbage", "{\"Resources\": {}}"] {
        put(body);
        let damaged = scene.run("plan").ended(0);
        assert_eq!(damaged.stderr.matches("cache::unreadable").count(), 1, "{}", damaged.stderr);
        assert_eq!(damaged.stdout, plan.stdout, "{body}");
    }
    let deployed = scene.run("deploy --yes").ended(0);
    assert_eq!(deployed.stderr.matches("cache::unreadable").count(), 1, "{}", deployed.stderr);
    let again = scene.run("plan").ended(0);
    assert!(!again.stderr.contains("cache::"), "it was replaced: {}", again.stderr);

    scene.boto("s3", "delete_object", &index);
    let emptied = scene.run("plan").ended(0);
    assert!(!emptied.stderr.contains("cache::"), "{}", emptied.stderr);
    assert_eq!(emptied.stdout, plan.stdout);
}

/// What `cache status` says of the bucket itself.
#[test]
fn what_the_bucket_does_with_the_cache_is_told() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config("  - {name: a, template_path: templates/t.yml, variables: {Note: x, Up: y}}\n");
    let status = |line: &str| {
        let ran = scene.run(&format!("cache status {line} --format json")).ended(0);
        let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        (document["bucket"].clone(), ran.stderr)
    };
    // Nothing is written unless that is asked for.
    let (bucket, told) = status("--remote");
    let expected = json!({
        "keeps_versions": true, "days_of_earlier_versions": null, "days": null, "unreadable": null,
        "keeps_conditions": null,
    });
    assert_eq!(bucket, expected);
    assert!(told.contains("cache::no_lifecycle"), "{told}");
    assert_eq!(scene.keys(), Vec::<String>::new());
    let rules = json!([
        {"ID": "versions", "Status": "Enabled", "Filter": {"Prefix": "cache/"}, "NoncurrentVersionExpiration": {"NoncurrentDays": 3}},
        {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 400}},
        {"ID": "off", "Status": "Disabled", "Filter": {"Prefix": "cache/"}, "Expiration": {"Days": 1}},
        {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 2}},
    ]);
    let configuration = json!({"Bucket": scene.bucket, "LifecycleConfiguration": {"Rules": rules}});
    assert_eq!(scene.boto("s3", "put_bucket_lifecycle_configuration", &configuration), json!({}));
    let (bucket, told) = status("--probe");
    let expected = json!({
        "keeps_versions": true, "days_of_earlier_versions": 3, "days": 400, "unreadable": null,
        "keeps_conditions": true,
    });
    assert_eq!(bucket, expected);
    assert!(!told.contains("cache::"), "{told}");
    assert_eq!(scene.object("cache/example/v1/probe"), None, "what was tried is removed");
}
