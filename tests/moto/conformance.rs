//! The suites that every provider and every store passes, over HTTP.

use std::process::{Command, Stdio};

use runway_core::clock::TokioClock;
use runway_core::conformance::{ConformanceOptions, cloudformation};
use runway_core::provider::Provider as _;
use runway_store::{BucketName, ObjectKey, Put};

use crate::support::{Scene, finished};

/// Set in the process that runs the suites; its value is the bucket.
const BUCKET: &str = "RUNWAY_RS_CONFORMANCE_BUCKET";

/// The SDK reads its settings from the environment of the process, so the suites run in a process of their own.
#[test]
#[expect(clippy::disallowed_methods, reason = "this test is a process of its own")]
fn provider_and_store_keep_their_promises() {
    if let Ok(bucket) = std::env::var(BUCKET) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(suites(&bucket));
    }
    let scene = Scene::new();
    scene.make_bucket();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env_clear().envs(scene.environment()).env(BUCKET, &scene.bucket);
    command.args(["conformance::provider_and_store_keep_their_promises", "--exact", "--nocapture"]);
    let ran = finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).ended(0);
    assert!(ran.stdout.contains("1 passed"), "{}", ran.stdout);
}

async fn suites(bucket: &str) {
    let provider = runway_aws::connect(runway_aws::ConnectOptions::default()).await.unwrap();
    let store = provider.object_store(&BucketName::new(bucket), None);
    runway_store::conformance::object_store(
        store.as_ref(),
        &runway_store::conformance::ConformanceOptions {
            checks_digests: false,
            ..runway_store::conformance::ConformanceOptions::new("suite")
        },
    )
    .await;
    // Of packages in buckets whose owner lets the caller pay: it is read in the same way.
    let key = ObjectKey::new("packages/paid.zip");
    store.put(&key, "content".into(), &Put::default()).await.unwrap();
    let paid = provider.paid_object_store(&BucketName::new(bucket), None);
    let object = paid.get(&key).await.unwrap().unwrap();
    assert_eq!(object.body, "content");
    assert_eq!(paid.head(&key).await.unwrap().unwrap().etag, object.metadata.etag);
    let clock = TokioClock::starting_at(jiff::Timestamp::now());
    let options = ConformanceOptions { prefix: "suite".to_owned(), strict: false };
    cloudformation(&provider, &clock, &options).await.unwrap();
}
