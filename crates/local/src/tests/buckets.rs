use runway_core::provider::{CloudFormation, ErrorKind, Provider};
use runway_store::{BucketName, Condition, ObjectKey, Put, StoreErrorKind};
use serde_json::json;

use super::{clock, cloud, request, settled};
use crate::{Local, Options};

#[tokio::test(start_paused = true)]
async fn a_bucket_has_to_be_created_first() {
    let directory = tempfile::tempdir().unwrap();
    let kept = Local::directory(directory.path(), clock(), Options::default()).unwrap();
    for cloud in [cloud(), kept] {
        let (bucket, key) = (BucketName::new("some-bucket"), ObjectKey::new("a/b"));
        let store = cloud.object_store(&bucket, None);
        assert_eq!(store.get(&key).await.unwrap_err().kind, StoreErrorKind::NoBucket);
        assert_eq!(store.list("", None).await.unwrap_err().kind, StoreErrorKind::NoBucket);
        assert_eq!(
            store.put(&key, "x".into(), &Put::default()).await.unwrap_err().kind,
            StoreErrorKind::NoBucket
        );
        cloud.create_bucket(&bucket).await.unwrap();
        let first = store.put(&key, "one".into(), &Put::default()).await.unwrap();
        store.put(&key, "two".into(), &Put::default()).await.unwrap();
        let lost = Put { condition: Condition::IfMatch(first.etag), ..Put::default() };
        assert_eq!(store.put(&key, "x".into(), &lost).await.unwrap_err().kind, StoreErrorKind::Precondition);
        cloud.create_bucket(&bucket).await.unwrap();
        let again = cloud.object_store(&bucket, None);
        assert_eq!(again.get(&key).await.unwrap().unwrap().body, "two");
        assert_eq!(again.versions(&key).await.unwrap().len(), 2);
    }
    let later = Local::directory(directory.path(), clock(), Options::default()).unwrap();
    let store = later.object_store(&BucketName::new("some-bucket"), None);
    assert_eq!(store.get(&ObjectKey::new("a/b")).await.unwrap().unwrap().body, "two");
}

#[tokio::test(start_paused = true)]
async fn names_follow_s3s_rules() {
    let cloud = cloud();
    let create = |name: &str| {
        let (cloud, bucket) = (cloud.clone(), BucketName::new(name));
        async move { cloud.create_bucket(&bucket).await.map_err(|error| error.kind) }
    };
    let long = "a".repeat(64);
    for name in
        ["ab", &long, "Upper", "under_score", "-dash", "dash-", "two..dots", "10.0.0.1", "../escape", "a/b"]
    {
        assert_eq!(create(name).await, Err(ErrorKind::Validation), "{name}");
    }
    for name in ["abc", "a.b-c", "0numbers9", &long[..63]] {
        assert_eq!(create(name).await, Ok(()), "{name}");
    }
    let outside = cloud.object_store(&BucketName::new("../escape"), None);
    assert_eq!(outside.get(&ObjectKey::new("k")).await.unwrap_err().kind, StoreErrorKind::NoBucket);
}

#[tokio::test(start_paused = true)]
async fn a_template_can_make_a_bucket() {
    let cloud = cloud();
    let bucket = json!({"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "from-a-template"}});
    cloud.create_stack(&request("cfngin-bucket", &json!({"Resources": {"Bucket": bucket}}))).await.unwrap();
    settled(&cloud, "cfngin-bucket").await;
    let store = cloud.object_store(&BucketName::new("from-a-template"), None);
    store.put(&ObjectKey::new("k"), "v".into(), &Put::default()).await.unwrap();
}
