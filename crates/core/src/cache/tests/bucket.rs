//! What the bucket does with the cache.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use miette::Diagnostic as _;
use runway_store::{
    BucketName, Condition, ETag, Expiration, Fault, Faulty, Memory, Metadata, Object, ObjectKey, ObjectStore,
    Page, Put, PutOutcome, Reread, Rules, StoreError, StoreErrorKind, Tags, Verb, When,
};

use super::super::*;
use super::run::World;

fn versioned() -> Memory {
    Memory::versioned(BucketName::new("bucket"), Arc::new(|| Timestamp::UNIX_EPOCH))
}

/// Which conditions a store heeds.
type Keeps = fn(&Condition) -> bool;

/// A bucket with rules of its own, which may ignore what writes depend on.
struct Bucket {
    inner: Memory,
    rules: Rules,
    keeps: Keeps,
}

impl Bucket {
    fn with(expirations: &[Expiration], keeps: Keeps) -> World {
        let rules = Rules { keeps_versions: true, expirations: expirations.to_vec() };
        World::on(Arc::new(Self { inner: versioned(), rules, keeps }))
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    fn bucket(&self) -> &BucketName {
        self.inner.bucket()
    }
    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.inner.get(key).await
    }
    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        self.inner.get_changed(key, known).await
    }
    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        self.inner.head(key).await
    }
    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        let condition = Some(&how.condition).filter(|condition| (self.keeps)(condition)).cloned();
        let how = Put { condition: condition.unwrap_or(Condition::None), ..how.clone() };
        self.inner.put(key, body, &how).await
    }
    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        self.inner.delete(key, condition).await
    }
    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.inner.list(prefix, after).await
    }
    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.inner.tags(key).await
    }
    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.inner.set_tags(key, tags).await
    }
    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError> {
        self.inner.get_version(key, version_id).await
    }
    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        self.inner.versions(key).await
    }
    async fn rules(&self) -> Result<Rules, StoreError> {
        Ok(self.rules.clone())
    }
}

async fn status(world: &World, probes: bool) -> (BucketStatus, Vec<String>) {
    let status = world.tiers().bucket_status(probes).await.unwrap().unwrap();
    let codes = status.warnings().iter().map(|warning| warning.code().unwrap().to_string()).collect();
    (status, codes)
}

#[tokio::test(start_paused = true)]
async fn rules_about_the_cache_are_told() {
    let rule = |prefix: &str, days, earlier_versions| Expiration {
        prefix: prefix.to_owned(),
        days,
        earlier_versions,
    };
    let (found, codes) = status(&Bucket::with(&[], |_| true), false).await;
    let keeping = Keeping { versions: true, days_of_earlier_versions: None, days: None };
    assert_eq!((found.keeping, codes), (Ok(keeping), vec!["cache::no_lifecycle".to_owned()]));
    let rules =
        [rule("cache/", None, Some(3)), rule("cache/prod/", Some(9), None), rule("x/", Some(1), None)];
    let (found, codes) = status(&Bucket::with(&rules, |_| true), false).await;
    let keeping = Keeping { versions: true, days_of_earlier_versions: Some(3), days: Some(9) };
    assert_eq!((found.keeping, codes), (Ok(keeping), vec![]));
    // Without versions there is nothing to remove.
    let (found, codes) = status(&World::new(), false).await;
    let keeping = Keeping { versions: false, days_of_earlier_versions: None, days: None };
    assert_eq!((found.keeping, codes), (Ok(keeping), vec![]));
    assert_eq!(found.keeps_conditions, None);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_read_the_rules_is_told_so() {
    let denied = Faulty::new(Arc::new(versioned()));
    let denied = denied.fault(When::verb(Verb::Rules), Fault::Fail(StoreErrorKind::Denied));
    let (found, codes) = status(&World::on(Arc::new(denied)), true).await;
    assert!(found.keeping.is_err() && found.keeps_conditions == Some(true), "{found:?}");
    assert_eq!(codes, Vec::<String>::new());
    let missing = Memory::missing(BucketName::new("bucket"), Arc::new(|| Timestamp::UNIX_EPOCH));
    assert_eq!(World::on(Arc::new(missing)).tiers().bucket_status(true).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn stores_that_ignore_conditions_are_found_out() {
    let days = [Expiration { earlier_versions: Some(3), ..Expiration::default() }];
    let cases: [(Keeps, bool); 4] = [
        (|_| true, true),
        (|_| false, false),
        (|condition| *condition == Condition::IfAbsent, false),
        (|condition| matches!(condition, Condition::IfMatch(_)), false),
    ];
    for (keeps, works) in cases {
        let world = Bucket::with(&days, keeps);
        let (found, codes) = status(&world, true).await;
        assert_eq!(found.keeps_conditions, Some(works));
        let expected = if works { vec![] } else { vec!["cache::no_conditional_writes".to_owned()] };
        assert_eq!(codes, expected);
        assert_eq!(world.store.list("", None).await.unwrap().objects, [], "nothing stays");
        // Without being asked to, nothing is written.
        let before = world.store.operations().len();
        status(&world, false).await;
        assert_eq!(world.store.operations().len() - before, 1);
    }
}
