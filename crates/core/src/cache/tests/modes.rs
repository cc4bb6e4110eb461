//! What the modes of the tiers mean, and how far records are trusted.

use std::time::Duration;

use runway_store::{Condition, ObjectKey, ObjectStore as _, Put, Verb};
use serde_json::json;

use super::super::*;
use super::run::{PURE, World, deploying, ingredients, planning, work};
use crate::clock::Clock as _;

/// A kind of what was made to be as specified.
const RECEIPT: Kind = Kind { name: "receipt", revision: 1, class: Class::Receipt };

fn modes(local: Mode, remote: Mode) -> Settings {
    Settings { local, remote, ..deploying() }
}

/// Whether a run finds `old`, which both tiers have, and whether a later run finds `new` from the machine alone and from
/// the bucket alone.
async fn behaviour(local: Mode, remote: Mode) -> (bool, bool, bool) {
    let world = World::new();
    world.run(deploying(), &["old"]).await;
    world.run(planning(), &["old"]).await;
    world.store.reset();
    let (_, found) = world.run(modes(local, remote), &["old", "new"]).await;
    if remote == Mode::Off {
        assert_eq!(world.store.total(), 0, "{local} {remote}");
    }
    if remote == Mode::Read {
        assert_eq!(world.store.count(Verb::Put), 0, "{local} {remote}");
    }
    let of_machine = world.run(modes(Mode::Read, Mode::Off), &["new"]).await.1;
    let of_bucket = world.elsewhere().run(modes(Mode::Off, Mode::Read), &["new"]).await.1;
    (found[0], of_machine[0], of_bucket[0])
}

#[tokio::test(start_paused = true)]
async fn every_mode_of_every_tier() {
    use Mode::{Off, Read, ReadWrite, Refresh};
    let expected = [
        ((Off, Off), (false, false, false)),
        ((Off, Read), (true, false, false)),
        ((Off, ReadWrite), (true, false, true)),
        ((Off, Refresh), (false, false, true)),
        // The bucket has the record, not this machine's own part.
        ((Read, Off), (false, false, false)),
        ((Read, Read), (true, false, false)),
        ((Read, ReadWrite), (true, false, true)),
        ((ReadWrite, Off), (false, true, false)),
        ((ReadWrite, Read), (true, true, false)),
        // Published records are not kept twice.
        ((ReadWrite, ReadWrite), (true, false, true)),
        ((Refresh, Off), (false, true, false)),
        ((Refresh, Refresh), (false, false, true)),
    ];
    for ((local, remote), behaves) in expected {
        assert_eq!(behaviour(local, remote).await, behaves, "local {local}, remote {remote}");
    }
}

#[test]
fn commands_that_change_nothing_read_the_bucket_only() {
    let config = CacheConfig::default();
    assert_eq!((config.settings(false).remote, config.settings(true).remote), (Mode::Read, Mode::ReadWrite));
    assert_eq!(config.settings(false).local, Mode::ReadWrite);
    let disabled = CacheConfig { is_enabled: false, ..config };
    assert_eq!(
        disabled.settings(true),
        Settings { local: Mode::Off, remote: Mode::Off, ..disabled.settings(true) }
    );
    assert_eq!("auto".parse(), Ok(RemoteMode::Auto));
    assert_eq!("refresh".parse(), Ok(RemoteMode::Always(Mode::Refresh)));
    assert_eq!("often".parse::<Mode>(), Err("`often` is none of off, read, read-write, refresh".to_owned()));
    assert_eq!(
        "often".parse::<RemoteMode>(),
        Err("`often` is none of auto, off, read, read-write, refresh".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_kind_may_be_disabled() {
    let world = World::new();
    world.run(deploying(), &["a"]).await;
    let mut settings = deploying();
    settings.kinds.insert("example".to_owned(), KindSettings { is_disabled: true, ttl: None });
    world.store.reset();
    assert_eq!(world.run(settings, &["a", "b"]).await.1, [false, false]);
    assert_eq!(world.store.count(Verb::Put), 0);
}

#[tokio::test(start_paused = true)]
async fn an_observation_is_for_this_run_unless_it_has_a_time_to_live() {
    let world = World::new();
    let lookup = || {
        Ingredients::new(kinds::LOOKUP, &Scope::default(), "x")
            .variant("ami")
            .input("arguments", "")
            .input("class", "")
            .input("query", "x")
    };
    let value = PlainJson::known(json!("ami-1"));
    let ask = async |settings: Settings| {
        let cache = world.loaded(settings).await;
        let found = cache.find::<PlainJson>(&lookup()).is_some();
        if !found {
            cache.keep(&lookup(), &value, Duration::ZERO);
        }
        assert_eq!(cache.find::<PlainJson>(&lookup()).as_ref(), Some(&value), "within the run");
        cache.publish(true).await;
        found
    };
    assert!(!ask(deploying()).await);
    assert!(!ask(deploying()).await);

    let ttl = |name: &str, seconds| {
        let mut settings = deploying();
        let ttl = Some(Duration::from_secs(seconds));
        settings.kinds.insert(name.to_owned(), KindSettings { is_disabled: false, ttl });
        settings
    };
    assert!(!ask(ttl("lookup.ami", 900)).await);
    world.clock.sleep(Duration::from_secs(800)).await;
    assert!(ask(ttl("lookup.ami", 900)).await);
    assert!(!ask(ttl("lookup.ssm", 900)).await, "another lookup's");
    assert!(!ask(ttl("lookup.ami", 600)).await, "the config became stricter");
    world.clock.sleep(Duration::from_secs(700)).await;
    assert!(!ask(ttl("lookup.ami", 7200)).await, "it was kept for 600 seconds");
    world.clock.sleep(Duration::from_secs(7100)).await;
    assert!(ask(ttl("lookup.ami", 7200)).await);
    world.clock.sleep(Duration::from_secs(200)).await;
    assert!(!ask(ttl("lookup.ami", 7200)).await);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_is_renewed_once_a_day() {
    let world = World::new();
    let receipt = ingredients(RECEIPT, "task");
    let verify = async || {
        let cache = world.loaded(deploying()).await;
        let found = cache.find_dated::<bool>(&receipt);
        cache.keep(&receipt, &true, Duration::ZERO);
        cache.publish(true).await;
        let puts = world.store.count(Verb::Put);
        world.store.reset();
        (found.and_then(|found| found.at), puts)
    };
    let first = world.clock.now();
    assert_eq!(verify().await, (None, 1));
    world.clock.sleep(Duration::from_secs(3600)).await;
    assert_eq!(verify().await, (Some(first), 0));
    world.clock.sleep(Duration::from_secs(86_400)).await;
    let second = world.clock.now();
    assert_eq!(verify().await, (Some(first), 1));
    assert_eq!(verify().await, (Some(second), 0));
}

#[tokio::test(start_paused = true)]
async fn only_records_signed_with_the_key_are_used() {
    let mut signing = World::new();
    let unsigned = signing.elsewhere();
    unsigned.run(deploying(), &["a"]).await;
    signing.key = TrustKey::new("key");
    let (cache, found) = signing.run(deploying(), &["a", "b"]).await;
    assert_eq!(found, [false, false]);
    assert_eq!(cache.warnings(), [CacheWarning::BadSignature { count: 1 }]);
    let (cache, found) = signing.elsewhere().run(planning(), &["a", "b"]).await;
    assert_eq!((found, cache.warnings()), (vec![true, true], vec![]));
    // Without a key, signatures are of no interest.
    assert_eq!(unsigned.elsewhere().run(planning(), &["a", "b"]).await.1, [true, true]);
    // Another key.
    let mut other = signing.elsewhere();
    other.key = TrustKey::new("another key");
    assert_eq!(other.run(planning(), &["a", "b"]).await.1, [false, false]);
    assert_eq!(TrustKey::new(""), None);
    assert!(!format!("{:?}", TrustKey::new("word")).contains("word"));
}

/// Whoever changes a signed record in the bucket, in whatever way, makes it a miss.
#[tokio::test(start_paused = true)]
async fn a_forged_record_is_a_miss() {
    let key = ObjectKey::new("cache/prod/v1/index.jsonl.gz");
    let forgeries: [fn(&mut Record); 5] = [
        |record| {
            record.inline = Some(json!({"of": "forged"}));
            record.output = Digest::of(b"{\"of\":\"forged\"}");
        },
        |record| record.at += 1,
        |record| record.expires = Some(i64::MAX),
        |record| record.signature = None,
        // The digest in the record is no longer that of the output, key or not.
        |record| record.inline = Some(json!({"of": "forged"})),
    ];
    for forge in forgeries {
        let mut world = World::new();
        world.key = TrustKey::new("key");
        world.run(deploying(), &["a"]).await;
        let object = world.store.get(&key).await.unwrap().unwrap();
        let mut index = codec::decode(&object.body).unwrap();
        index.records.values_mut().for_each(forge);
        let how = Put { condition: Condition::IfMatch(object.metadata.etag), ..Put::default() };
        world.store.put(&key, codec::encode(&index).into(), &how).await.unwrap();
        assert_eq!(world.elsewhere().run(deploying(), &["a"]).await.1, [false]);
        assert_eq!(world.elsewhere().run(deploying(), &["a"]).await.1, [true], "it was replaced");
    }
}

#[tokio::test(start_paused = true)]
async fn hits_are_computed_again_to_be_compared() {
    let world = World::new();
    world.run(deploying(), &["a", "b"]).await;
    let checking = || Settings { check: Some(Check { percent: 100 }), ..deploying() };
    let cache = world.loaded(checking()).await;
    assert!(!work(&cache, PURE, "a"));
    let wrong = ingredients(PURE, "b");
    assert_eq!(cache.find::<PlainJson>(&wrong), None);
    cache.keep(&wrong, &PlainJson::known(json!("something else")), Duration::ZERO);
    assert_eq!(cache.counters().checked, 2);
    let mismatches = cache.mismatches();
    assert_eq!(mismatches.len(), 1);
    assert_eq!((mismatches[0].kind.as_str(), mismatches[0].subject.as_str()), ("example", "b"));
    assert_eq!(
        cache.warnings(),
        [CacheWarning::Nondeterministic { kind: "example".to_owned(), subject: "b".to_owned() }]
    );
}

#[tokio::test(start_paused = true)]
async fn what_turned_out_to_be_wrong_is_forgotten_everywhere() {
    let world = World::new();
    world.run(deploying(), &["a", "b"]).await;
    let cache = world.loaded(deploying()).await;
    let fact = ingredients(PURE, "a");
    assert!(cache.find::<PlainJson>(&fact).is_some());
    cache.forget(&fact);
    assert_eq!(cache.find::<PlainJson>(&fact), None);
    cache.publish(true).await;
    assert_eq!(world.elsewhere().run(planning(), &["a", "b"]).await.1, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn nothing_learned_in_one_place_is_used_in_another() {
    let world = World::new();
    let places = [
        Scope { provider: "aws".into(), account: "1".into(), region: "eu-west-1".into(), role: None },
        Scope { provider: "aws".into(), account: "2".into(), region: "eu-west-1".into(), role: None },
        Scope { provider: "aws".into(), account: "1".into(), region: "eu-west-2".into(), role: None },
        Scope { provider: "local:1".into(), account: "1".into(), region: "eu-west-1".into(), role: None },
    ];
    for place in &places {
        let cache = world.loaded(deploying()).await;
        let fact = Ingredients::new(PURE, place, "stack").input("StackId", "1");
        assert_eq!(cache.find::<bool>(&fact), None);
        cache.keep(&fact, &true, Duration::ZERO);
        cache.publish(true).await;
    }
}
