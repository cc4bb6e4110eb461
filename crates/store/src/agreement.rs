//! Random sequences of operations: the memory store and the directory store do what a plain map would.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    BucketName, Condition, Directory, ETag, Memory, ObjectKey, ObjectStore, Put, StoreClock, StoreErrorKind,
    Tags,
};

/// One request, in terms of small numbers.
#[derive(Debug, Clone)]
enum Step {
    Put { key: usize, body: usize, condition: When, tags: usize },
    Delete { key: usize, condition: When },
    SetTags { key: usize, tags: usize },
    Read { key: usize },
    List { prefix: usize, after: Option<usize> },
}

/// A condition that holds or does not hold, depending on what was stored.
#[derive(Debug, Clone)]
enum When {
    Always,
    Absent,
    /// The entity tag of one of the bodies; may or may not be stored now.
    Body(usize),
}

const KEYS: [&str; 6] = ["a", "a/b", "a/../b", "b c%20", "größe", ".."];
const BODIES: [&str; 3] = ["", "first", "second\nbody"];
const PREFIXES: [&str; 4] = ["", "a", "a/", "x"];

fn tags(count: usize) -> Tags {
    (0..count).map(|number| (format!("tag {number}"), format!("value {count}"))).collect()
}

fn bytes(body: usize) -> Bytes {
    Bytes::from_static(BODIES[body].as_bytes())
}

fn etag(body: usize) -> ETag {
    let digests = [
        "d41d8cd98f00b204e9800998ecf8427e",
        "8b04d5e3775d298e78455efc5ca404d5",
        "503b53a7b8d46234b6d38a9a3ccdd89d",
    ];
    ETag::new(digests[body])
}

fn condition(when: &When) -> Condition {
    match when {
        When::Always => Condition::None,
        When::Absent => Condition::IfAbsent,
        When::Body(body) => Condition::IfMatch(etag(*body)),
    }
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![2 => Just(When::Always), 1 => Just(When::Absent), 3 => (0..BODIES.len()).prop_map(When::Body)]
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    let tags = prop_oneof![5 => 0..3_usize, 1 => 10..12_usize];
    prop_oneof![
        4 => (key.clone(), 0..BODIES.len(), when(), tags.clone())
            .prop_map(|(key, body, condition, tags)| Step::Put { key, body, condition, tags }),
        2 => (key.clone(), when()).prop_map(|(key, condition)| Step::Delete { key, condition }),
        1 => (key.clone(), tags).prop_map(|(key, tags)| Step::SetTags { key, tags }),
        1 => key.clone().prop_map(|key| Step::Read { key }),
        1 => (0..PREFIXES.len(), proptest::option::of(key))
            .prop_map(|(prefix, after)| Step::List { prefix, after }),
    ]
}

/// What a caller learns from a step, apart from words.
#[derive(Debug, PartialEq)]
enum Answer {
    Written { etag: ETag, version: usize },
    Done,
    Read(Option<(Bytes, ETag, usize, Tags)>, Vec<usize>),
    Listed(Vec<(String, ETag, u64)>),
    Refused(StoreErrorKind),
}

/// The model: what is stored, and all that ever was.
#[derive(Default)]
struct Model {
    current: BTreeMap<&'static str, (usize, Tags)>,
    versions: BTreeMap<&'static str, Vec<usize>>,
}

impl Model {
    fn run(&mut self, step: &Step) -> Answer {
        match *step {
            Step::Put { tags: 11.., .. } | Step::SetTags { tags: 11.., .. } => {
                Answer::Refused(StoreErrorKind::Invalid)
            }
            Step::Put { key, body, ref condition, tags: count } => {
                let key = KEYS[key];
                let stored = self.current.get(key).map(|(body, _)| *body);
                if !holds(condition, stored) {
                    return Answer::Refused(StoreErrorKind::Precondition);
                }
                self.current.insert(key, (body, tags(count)));
                let versions = self.versions.entry(key).or_default();
                versions.push(body);
                Answer::Written { etag: etag(body), version: versions.len() }
            }
            Step::Delete { condition: When::Absent, .. } => Answer::Refused(StoreErrorKind::Invalid),
            Step::Delete { key, ref condition } => {
                let stored = self.current.get(KEYS[key]).map(|(body, _)| *body);
                if !holds(condition, stored) {
                    return Answer::Refused(StoreErrorKind::Precondition);
                }
                self.current.remove(KEYS[key]);
                Answer::Done
            }
            Step::SetTags { key, tags: count } => match self.current.get_mut(KEYS[key]) {
                Some((_, stored)) => {
                    *stored = tags(count);
                    Answer::Done
                }
                None => Answer::Refused(StoreErrorKind::Invalid),
            },
            Step::Read { key } => {
                let current = self.current.get(KEYS[key]);
                let read = current
                    .map(|(body, tags)| (bytes(*body), etag(*body), BODIES[*body].len(), tags.clone()));
                let versions = self.versions.get(KEYS[key]).cloned().unwrap_or_default();
                Answer::Read(read, versions.into_iter().rev().collect())
            }
            Step::List { prefix, after } => {
                let after = after.map_or("", |key| KEYS[key]);
                let listed = self.current.iter();
                let listed = listed.filter(|(key, _)| key.starts_with(PREFIXES[prefix]) && **key > after);
                let listed = listed
                    .map(|(key, (body, _))| ((*key).to_owned(), etag(*body), BODIES[*body].len() as u64));
                Answer::Listed(listed.collect())
            }
        }
    }
}

fn holds(when: &When, stored: Option<usize>) -> bool {
    match when {
        When::Always => true,
        When::Absent => stored.is_none(),
        When::Body(body) => stored == Some(*body),
    }
}

/// Asks a store; version ids are translated to their place in `versions`, the ids given so far.
async fn ask(store: &dyn ObjectStore, step: &Step, versions: &mut BTreeMap<usize, Vec<String>>) -> Answer {
    let outcome = async {
        Ok(match *step {
            Step::Put { key, body, condition: ref when, tags: count } => {
                let how = Put { condition: condition(when), tags: tags(count), ..Put::default() };
                let outcome = store.put(&ObjectKey::new(KEYS[key]), bytes(body), &how).await?;
                let ids = versions.entry(key).or_default();
                ids.extend(outcome.version_id);
                Answer::Written { etag: outcome.etag, version: ids.len() }
            }
            Step::Delete { key, condition: ref when } => {
                store.delete(&ObjectKey::new(KEYS[key]), &condition(when)).await?;
                Answer::Done
            }
            Step::SetTags { key, tags: count } => {
                store.set_tags(&ObjectKey::new(KEYS[key]), &tags(count)).await?;
                Answer::Done
            }
            Step::Read { key } => {
                let ids = versions.get(&key).cloned().unwrap_or_default();
                let key = ObjectKey::new(KEYS[key]);
                let object = store.get(&key).await?;
                assert_eq!(store.head(&key).await?, object.clone().map(|object| object.metadata));
                let tags = store.tags(&key).await?;
                let kept = store.versions(&key).await?;
                let kept_ids: Vec<_> = kept.iter().rev().filter_map(|kept| kept.version_id.clone()).collect();
                assert_eq!(kept_ids, ids);
                let mut bodies = Vec::new();
                for id in kept_ids.iter().rev() {
                    let version = store.get_version(&key, id).await?.expect("a listed version can be read");
                    bodies.push(BODIES.iter().position(|body| version.body == body.as_bytes()).unwrap());
                }
                let read = object.zip(tags).map(|(object, tags)| {
                    (object.body, object.metadata.etag, object.metadata.length as usize, tags)
                });
                Answer::Read(read, bodies)
            }
            Step::List { prefix, after } => {
                let after = after.map(|key| ObjectKey::new(KEYS[key]));
                let page = store.list(PREFIXES[prefix], after.as_ref()).await?;
                assert!(!page.more);
                let listed = page.objects.into_iter();
                Answer::Listed(
                    listed.map(|(key, found)| (key.as_str().to_owned(), found.etag, found.length)).collect(),
                )
            }
        })
    };
    outcome.await.unwrap_or_else(|error: crate::StoreError| Answer::Refused(error.kind))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    // Fewer steps than the directory store keeps versions.
    #[test]
    fn stores_do_what_a_map_would(steps in proptest::collection::vec(step(), 1..20)) {
        let parent = tempfile::tempdir().unwrap();
        let clock: StoreClock = Arc::new(|| Timestamp::UNIX_EPOCH);
        let bucket = BucketName::new("bucket");
        let memory = Memory::versioned(bucket.clone(), Arc::clone(&clock));
        let directory = Directory::create(parent.path(), bucket, clock).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::default();
            let (mut in_memory, mut in_directory) = (BTreeMap::new(), BTreeMap::new());
            for step in &steps {
                let expected = model.run(step);
                prop_assert_eq!(&ask(&memory, step, &mut in_memory).await, &expected, "memory: {:?}", step);
                prop_assert_eq!(&ask(&directory, step, &mut in_directory).await, &expected, "directory: {:?}", step);
            }
            Ok(())
        })?;
    }
}
