use std::io::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};

use runway_core::config::package_sources::{ArchiveKind, Contents};
use runway_core::text::Span;
use runway_store::{BucketName, Counting, Memory, Put};

use super::*;

static NOW: AtomicI64 = AtomicI64::new(1_700_000_000);

fn archive(content: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("file", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

fn source(key: &str, use_latest: bool) -> S3Source {
    S3Source {
        bucket: "packages".into(),
        key: key.into(),
        archive: ArchiveKind::of(key).unwrap(),
        requester_pays: false,
        use_latest,
        contents: Contents::default(),
        span: Span::default(),
    }
}

struct World {
    store: Arc<dyn ObjectStore>,
    counting: Arc<Counting>,
    root: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let clock = || Timestamp::from_second(NOW.fetch_add(60, Ordering::Relaxed)).unwrap();
        let counting =
            Arc::new(Counting::new(Arc::new(Memory::new(BucketName::new("packages"), Arc::new(clock)))));
        let store: Arc<dyn ObjectStore> = Arc::<Counting>::clone(&counting);
        Self { store, counting, root: tempfile::tempdir().unwrap() }
    }

    async fn put(&self, key: &str, body: Vec<u8>) {
        self.store.put(&ObjectKey::new(key), body.into(), &Put::default()).await.unwrap();
    }

    fn packages(&self) -> &Utf8Path {
        Utf8Path::from_path(self.root.path()).unwrap()
    }

    async fn package(&self, source: &S3Source) -> Result<Unpacked, SourceFailure> {
        package(source, &self.store, self.packages()).await
    }

    fn requests(&self) -> usize {
        self.counting.total()
    }
}

fn text(unpacked: &Unpacked) -> String {
    fs_err::read_to_string(unpacked.directory.join("file")).unwrap()
}

#[tokio::test]
async fn the_latest_object_is_fetched_once() {
    let world = World::new();
    let source = source("lib/one.zip", true);
    world.put("lib/one.zip", archive("first")).await;
    let first = world.package(&source).await.unwrap();
    assert!(first.fetched);
    let name = first.directory.file_name().unwrap();
    let time = first.object.as_ref().unwrap().last_modified.unwrap().strftime("%Y%m%dT%H%M%SZ");
    assert_eq!(name, format!("s3-packages-lib_one-{time}"));
    let before = world.requests();
    assert!(!world.package(&source).await.unwrap().fetched);
    assert_eq!(world.requests() - before, 1, "one HEAD");
    world.put("lib/one.zip", archive("second")).await;
    let second = world.package(&source).await.unwrap();
    assert_eq!((text(&first).as_str(), text(&second).as_str()), ("first", "second"));
}

#[tokio::test]
async fn without_use_latest_the_cache_is_enough() {
    let world = World::new();
    let source = source("one.zip", false);
    world.put("one.zip", archive("first")).await;
    let first = world.package(&source).await.unwrap();
    assert_eq!(first.directory.file_name(), Some("s3-packages-one"));
    world.put("one.zip", archive("second")).await;
    let before = world.requests();
    let again = world.package(&source).await.unwrap();
    assert_eq!((text(&again).as_str(), world.requests() - before), ("first", 0));
    assert_eq!(again.object, first.object);
    assert_eq!(in_cache(&source, world.packages()).unwrap().directory, first.directory);
}

#[tokio::test]
async fn names_that_become_equal_are_told_apart_and_those_of_runway_are_taken() {
    let world = World::new();
    world.put("a/b.zip", archive("slash")).await;
    world.put("a_b.zip", archive("underscore")).await;
    let slash = world.package(&source("a/b.zip", false)).await.unwrap();
    let underscore = world.package(&source("a_b.zip", false)).await.unwrap();
    assert_eq!((text(&slash).as_str(), text(&underscore).as_str()), ("slash", "underscore"));
    assert!(!world.package(&source("a_b.zip", false)).await.unwrap().fetched);
    fs_err::create_dir(world.packages().join("s3-packages-c")).unwrap();
    let runways = world.package(&source("c.zip", false)).await.unwrap();
    assert_eq!((runways.fetched, runways.object), (false, None));
}

#[tokio::test]
async fn what_is_missing_or_broken_leaves_nothing_behind() {
    let world = World::new();
    let failure = world.package(&source("gone.zip", true)).await.unwrap_err();
    assert_eq!(failure.to_string(), "there is no object s3://packages/gone.zip");
    world.put("bad.tar.gz", b"rubbish".to_vec()).await;
    let failure = world.package(&source("bad.tar.gz", true)).await.unwrap_err();
    assert!(failure.to_string().starts_with("the archive s3://packages/bad.tar.gz is refused"), "{failure}");
    assert_eq!(fs_err::read_dir(world.packages()).unwrap().count(), 0);
}

#[tokio::test]
async fn concurrent_fetches_end_with_one_directory() {
    let world = World::new();
    world.put("one.zip", archive("first")).await;
    let source = source("one.zip", true);
    let (one, other) = tokio::join!(world.package(&source), world.package(&source));
    assert_eq!(one.unwrap().directory, other.unwrap().directory);
}
