use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;

use super::layout::folder_name;
use super::*;
use crate::object::{ETag, UserMetadata};

fn bucket() -> BucketName {
    BucketName::new("bucket")
}

fn clock() -> StoreClock {
    Arc::new(|| Timestamp::UNIX_EPOCH)
}

fn create(parent: &Path) -> Directory {
    Directory::create(parent.join("bucket"), bucket(), clock()).unwrap()
}

fn condition(condition: Condition) -> Put {
    Put { condition, ..Put::default() }
}

async fn put(store: &Directory, key: &ObjectKey, body: &str) -> PutOutcome {
    store.put(key, Bytes::from(body.to_owned()), &Put::default()).await.unwrap()
}

async fn body(store: &Directory, key: &ObjectKey) -> Option<String> {
    let object = store.get(key).await.unwrap()?;
    Some(String::from_utf8(object.body.to_vec()).unwrap())
}

#[test]
fn folder_names_are_readable_for_plain_keys() {
    let cases = [
        ("persistent_graphs/ns/graph.json", "persistent_graphs%2fns%2fgraph.json"),
        (".", "%2e"),
        ("..", "%2e%2e"),
        ("...", "%2e.%2e"),
        ("../up", "%2e.%2fup"),
        ("A~%", "%41%7e%25"),
        ("é", "%c3%a9"),
        ("nul\0", "nul%00"),
    ];
    for (key, name) in cases {
        assert_eq!(folder_name(&ObjectKey::new(key)), name);
    }
}

proptest! {
    #[test]
    fn folder_names_are_single_safe_components(key in prop_oneof![any::<String>(), "[./~a-zA-Z%]{0,300}"]) {
        let name = folder_name(&ObjectKey::new(key));
        prop_assert!((1..=255).contains(&name.len()));
        prop_assert!(!name.starts_with('.') && !name.ends_with('.'));
        prop_assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'%' | b'~')));
    }

    #[test]
    fn different_keys_have_different_folders(keys in proptest::collection::btree_set("[.aA/~%2e]{0,5}", 2..20)) {
        let names: BTreeSet<String> = keys.iter().map(|key| folder_name(&ObjectKey::new(key.as_str()))).collect();
        prop_assert_eq!(names.len(), keys.len());
    }
}

#[tokio::test]
async fn any_key_works_and_nothing_leaves_the_directory() {
    let parent = tempfile::tempdir().unwrap();
    let store = create(parent.path());
    let long = "very/long/".repeat(1000);
    let longer = format!("{long}!");
    let mut keys = [
        "",
        ".",
        "..",
        "/",
        "/etc/passwd",
        "../escaped",
        "a/../../../b",
        "a",
        "a/b",
        "a/b/",
        "A",
        "C:\\x",
        "nul\0byte",
        "line\nbreak",
        "\"quoted\"",
        "größe",
        "~",
        "lock",
        "objects",
        "unfinished",
        "1.object",
        &long,
        &longer,
    ];
    for key in keys {
        put(&store, &ObjectKey::new(key), key).await;
    }
    for key in keys {
        assert_eq!(body(&store, &ObjectKey::new(key)).await.as_deref(), Some(key));
    }
    let page = store.list("", None).await.unwrap();
    let listed: Vec<&str> = page.objects.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(listed, keys);

    let beside: Vec<_> =
        std::fs::read_dir(parent.path()).unwrap().map(|child| child.unwrap().file_name()).collect();
    assert_eq!(beside, ["bucket"]);
    let folders = std::fs::read_dir(parent.path().join("bucket/objects")).unwrap().count();
    assert_eq!(folders, keys.len());
}

#[tokio::test]
async fn everything_survives_the_process() {
    let parent = tempfile::tempdir().unwrap();
    let key = ObjectKey::new("key");
    let how = Put {
        content_type: Some("application/json".to_owned()),
        tags: Tags::from([("lock".to_owned(), "code".to_owned())]),
        ..Put::default()
    };
    create(parent.path()).put(&key, Bytes::from("{}"), &how).await.unwrap();

    let later: StoreClock = Arc::new(|| Timestamp::from_second(60).unwrap());
    let store = Directory::open(parent.path().join("bucket"), bucket(), later);
    let object = store.get(&key).await.unwrap().unwrap();
    assert_eq!(object.body, "{}");
    assert_eq!(
        object.metadata,
        Metadata {
            etag: ETag::new("99914b932bd37a50b983c5e7c90ae93b"),
            version_id: Some("1".to_owned()),
            last_modified: Some(Timestamp::UNIX_EPOCH),
            date: Some(Timestamp::from_second(60).unwrap()),
            content_type: how.content_type,
            cache_control: None,
            user: UserMetadata::new(),
            length: 2,
        }
    );
    assert_eq!(store.tags(&key).await.unwrap(), Some(how.tags));
}

#[tokio::test]
async fn the_last_twenty_versions_are_kept() {
    let parent = tempfile::tempdir().unwrap();
    let store = create(parent.path());
    let key = ObjectKey::new("key");
    for number in 1..=15 {
        put(&store, &key, &format!("body {number}")).await;
    }
    store.delete(&key, &Condition::None).await.unwrap();
    for number in 17..=30 {
        put(&store, &key, &format!("body {number}")).await;
    }

    let versions = store.versions(&key).await.unwrap();
    let ids: Vec<String> = versions.into_iter().filter_map(|version| version.version_id).collect();
    let expected: Vec<String> =
        (10..=30).rev().filter(|number| *number != 16).map(|number| number.to_string()).collect();
    assert_eq!(ids, expected);
    for (id, body) in [("9", None), ("10", Some("body 10")), ("16", None), ("30", Some("body 30"))] {
        let found = store.get_version(&key, id).await.unwrap().map(|object| object.body);
        assert_eq!(found, body.map(Bytes::from), "version {id}");
    }
    assert_eq!(std::fs::read_dir(parent.path().join("bucket/objects/key")).unwrap().count(), 21);
}

#[tokio::test]
async fn only_version_ids_as_given_are_found() {
    let parent = tempfile::tempdir().unwrap();
    let store = create(parent.path());
    let key = ObjectKey::new("key");
    put(&store, &key, "body").await;
    for id in ["", "0", "01", "+1", " 1", "1.object", "../key/1", "null", "99999999999999999999"] {
        assert_eq!(store.get_version(&key, id).await.unwrap(), None, "{id}");
    }
}

#[tokio::test]
async fn a_missing_directory_is_a_missing_bucket() {
    let parent = tempfile::tempdir().unwrap();
    let store = Directory::open(parent.path().join("bucket"), bucket(), clock());
    let key = ObjectKey::new("key");
    let answers = [
        store.get(&key).await.map(drop),
        store.head(&key).await.map(drop),
        store.put(&key, Bytes::new(), &Put::default()).await.map(drop),
        store.delete(&key, &Condition::None).await,
        store.list("", None).await.map(drop),
        store.tags(&key).await.map(drop),
        store.set_tags(&key, &Tags::new()).await,
        store.get_version(&key, "1").await.map(drop),
        store.versions(&key).await.map(drop),
    ];
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind, StoreErrorKind::NoBucket);
    }
    assert!(!parent.path().join("bucket").exists());
}

#[tokio::test]
async fn an_empty_directory_is_an_empty_bucket() {
    let parent = tempfile::tempdir().unwrap();
    let store = Directory::open(parent.path(), bucket(), clock());
    assert_eq!(store.list("", None).await.unwrap().objects, []);
    put(&store, &ObjectKey::new("key"), "body").await;
    assert_eq!(body(&store, &ObjectKey::new("key")).await.as_deref(), Some("body"));
}

#[tokio::test]
async fn a_file_in_place_of_the_directory_is_denied() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("file");
    std::fs::write(&path, "").unwrap();
    let errors = [
        Directory::open(&path, bucket(), clock()).get(&ObjectKey::new("key")).await.map(drop).unwrap_err(),
        Directory::open(path.join("below"), bucket(), clock()).list("", None).await.map(drop).unwrap_err(),
        Directory::create(path.join("below"), bucket(), clock()).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, StoreErrorKind::Denied);
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

/// `/sys` refuses new files to everyone, also to root, who is not stopped by permissions.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_unwritable_directory_is_denied() {
    let store = Directory::open("/sys", bucket(), clock());
    let error = store.put(&ObjectKey::new("key"), Bytes::new(), &Put::default()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Denied);
    assert!(error.to_string().contains("/sys/lock"), "{error}");
    assert_eq!(store.get(&ObjectKey::new("key")).await.unwrap(), None);

    let error = Directory::create("/sys/bucket", bucket(), clock()).map(drop).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Denied);
    assert!(error.to_string().contains("/sys/bucket"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_can_be_overwritten() {
    let parent = tempfile::tempdir().unwrap();
    let store = create(parent.path());
    let key = ObjectKey::new("key");
    for damage in ["", "not JSON\nbody", "{}\nbody"] {
        let number = put(&store, &key, "body").await.version_id.unwrap();
        let path = parent.path().join(format!("bucket/objects/key/{number}.object"));
        std::fs::write(&path, damage).unwrap();
        let error = store.get(&key).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(error.to_string().contains(&format!("{} is damaged", path.display())), "{error}");
        store.put(&key, Bytes::new(), &condition(Condition::IfAbsent)).await.unwrap_err();

        put(&store, &key, "repaired").await;
        assert_eq!(body(&store, &key).await.as_deref(), Some("repaired"));
        std::fs::remove_file(path).unwrap();
    }

    let number = put(&store, &key, "cut off").await.version_id.unwrap();
    let path = parent.path().join(format!("bucket/objects/key/{number}.object"));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let error = store.get(&key).await.unwrap_err();
    assert!(error.to_string().contains("6 bytes instead of 7"), "{error}");
    store.delete(&key, &Condition::None).await.unwrap();
    assert_eq!(body(&store, &key).await, None);
}

#[tokio::test]
async fn leftovers_of_a_killed_writer_do_no_harm() {
    let parent = tempfile::tempdir().unwrap();
    let store = create(parent.path());
    let key = ObjectKey::new("key");
    put(&store, &key, "first").await;
    let folder = parent.path().join("bucket/objects/key");
    std::fs::write(folder.join("unfinished"), "half a header").unwrap();
    std::fs::create_dir(parent.path().join("bucket/objects/never-finished")).unwrap();
    std::fs::write(parent.path().join("bucket/objects/stray"), "").unwrap();

    assert_eq!(body(&store, &key).await.as_deref(), Some("first"));
    assert_eq!(store.list("", None).await.unwrap().objects.len(), 1);
    put(&store, &key, "second").await;
    assert_eq!(body(&store, &key).await.as_deref(), Some("second"));
    assert!(!folder.join("unfinished").exists());
}

/// Runs `work` on threads that share nothing but the directory, as processes would.
fn like_processes(count: usize, path: &Path, work: impl Fn(Directory) + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| work(Directory::open(path, bucket(), clock())));
        }
    });
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn two_processes_lose_no_update() {
    const ROUNDS: usize = 50;
    let parent = tempfile::tempdir().unwrap();
    let store = create(parent.path());
    let key = ObjectKey::new("counter");
    block_on(put(&store, &key, "0"));

    like_processes(2, &parent.path().join("bucket"), |store| {
        block_on(async {
            for _ in 0..ROUNDS {
                loop {
                    let object = store.get(&key).await.unwrap().unwrap();
                    let count: usize = std::str::from_utf8(&object.body).unwrap().parse().unwrap();
                    let how = condition(Condition::IfMatch(object.metadata.etag));
                    match store.put(&key, Bytes::from((count + 1).to_string()), &how).await {
                        Ok(_) => break,
                        Err(error) => assert_eq!(error.kind, StoreErrorKind::Precondition, "{error}"),
                    }
                }
            }
        });
    });
    assert_eq!(block_on(body(&store, &key)).as_deref(), Some((2 * ROUNDS).to_string().as_str()));
}

#[test]
fn of_several_processes_one_creates() {
    let parent = tempfile::tempdir().unwrap();
    create(parent.path());
    for round in 0..20 {
        let key = ObjectKey::new(format!("round-{round}"));
        let winners = std::sync::atomic::AtomicUsize::new(0);
        like_processes(4, &parent.path().join("bucket"), |store| {
            let outcome = block_on(store.put(&key, Bytes::from("body"), &condition(Condition::IfAbsent)));
            match outcome {
                Ok(_) => drop(winners.fetch_add(1, std::sync::atomic::Ordering::SeqCst)),
                Err(error) => assert_eq!(error.kind, StoreErrorKind::Precondition, "{error}"),
            }
        });
        assert_eq!(winners.into_inner(), 1);
    }
}

#[test]
fn readers_see_whole_objects_while_others_write() {
    const WRITES: usize = 200;
    let parent = tempfile::tempdir().unwrap();
    let store = create(parent.path());
    let key = ObjectKey::new("key");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let reader = Directory::open(parent.path().join("bucket"), bucket(), clock());
            let mut last = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                let (object, tags) =
                    block_on(async { (reader.get(&key).await.unwrap(), reader.tags(&key).await.unwrap()) });
                let (Some(object), Some(tags)) = (object, tags) else { continue };
                let text = std::str::from_utf8(&object.body).unwrap();
                let (number, padding) = text.split_once(' ').unwrap();
                let number: usize = number.parse().unwrap();
                assert!(number >= last, "{number} is read after {last}");
                assert_eq!(padding.len(), number * 50);
                assert!(tags["number"].parse::<usize>().unwrap() >= number);
                last = number;
            }
        });
        for number in 0..WRITES {
            let tags = Tags::from([("number".to_owned(), number.to_string())]);
            let body = format!("{number} {}", "x".repeat(number * 50));
            block_on(store.put(&key, Bytes::from(body), &Put { tags, ..Put::default() })).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
}

#[tokio::test]
async fn only_an_empty_bucket_is_removed() {
    let parent = tempfile::tempdir().unwrap();
    let store = create(parent.path());
    let key = ObjectKey::new("a");
    assert!(!store.has_objects());
    put(&store, &key, "body").await;
    assert!(store.has_objects());
    assert!(!store.remove_if_empty());
    store.delete(&key, &Condition::None).await.unwrap();
    assert!(!store.has_objects(), "earlier versions do not count");
    assert!(store.remove_if_empty());
    assert_eq!(store.get(&key).await.unwrap_err().kind, StoreErrorKind::NoBucket);
    assert!(!store.remove_if_empty(), "it is gone");
}
