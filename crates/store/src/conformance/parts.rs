//! What is said about objects, some of their bytes, many deletions in one request, and bodies in parts.

use bytes::Bytes;

use super::Check;
use crate::digest::ContentDigest;
use crate::error::StoreErrorKind;
use crate::key::ObjectKey;
use crate::object::{Condition, Part, Put, Upload, UserMetadata};

/// The smallest part that S3 takes unless it is the last.
const SMALLEST: usize = 5 << 20;

fn described() -> Put {
    Put {
        content_type: Some("text/css; charset=utf-8".to_owned()),
        cache_control: Some("public, max-age=31536000, immutable".to_owned()),
        user: UserMetadata::from([("sha256".to_owned(), "abc 123".to_owned())]),
        ..Put::default()
    }
}

async fn is_described(check: Check<'_>, key: &ObjectKey) {
    let how = described();
    let read = check.present(key).await.metadata;
    for found in [Some(read), check.head(key).await].into_iter().flatten() {
        check.same("content type", &found.content_type, &how.content_type);
        check.same("cache control", &found.cache_control, &how.cache_control);
        check.same("metadata of the user", &found.user, &how.user);
    }
}

pub(super) async fn what_is_said_of_an_object_is_kept(check: Check<'_>) {
    let key = check.key("object");
    let how = Put { sha256: Some(ContentDigest::of(b"body")), ..described() };
    check.put_how(&key, "body", &how).await;
    is_described(check, &key).await;
    check.put(&key, "plain").await;
    let found = check.present(&key).await.metadata;
    check.same("cache control of an overwrite", &found.cache_control, &None);
    check.same("metadata of an overwrite", &found.user, &UserMetadata::new());
}

pub(super) async fn other_bytes_are_refused(check: Check<'_>) {
    if !check.options.checks_digests {
        return;
    }
    let key = check.key("object");
    let how = Put { sha256: Some(ContentDigest::of(b"body")), ..Put::default() };
    match check.try_put(&key, "bodY", &how).await {
        Err(error) if error.kind == StoreErrorKind::Integrity => {}
        other => check.fail(format!("other bytes should be refused as Integrity: {other:?}")),
    }
    check.is_absent(&key).await;
}

pub(super) async fn some_bytes_can_be_read(check: Check<'_>) {
    let key = check.key("object");
    check.put(&key, "0123456789").await;
    for (first, length, expected) in [(0, 4, "0123"), (4, 3, "456"), (8, 100, "89"), (9, 1, "9")] {
        let found = check.done("reading a range", check.store.get_range(&key, first, length).await);
        check.same(&format!("{length} bytes from {first}"), &found, &Some(expected.into()));
    }
    let absent = check.done("reading a range", check.store.get_range(&check.key("absent"), 0, 4).await);
    check.same("bytes of an absent object", &absent, &None);
}

pub(super) async fn many_are_deleted_at_once(check: Check<'_>) {
    let names = ["a", "a b+c%20d", "größe", "x//y", "q?x=1&y#z", "<tag>&amp;"];
    for name in names {
        check.put(&check.key(name), name).await;
    }
    check.put(&check.key("kept"), "kept").await;
    let mut keys: Vec<ObjectKey> = names.iter().map(|name| check.key(name)).collect();
    keys.push(check.key("absent"));
    let failures = check.done("deleting many", check.store.delete_many(&keys).await);
    check.holds_that(failures.is_empty(), format!("deletions that failed: {failures:?}"));
    let left: Vec<ObjectKey> = check.list(&check.prefix()).await.into_iter().map(|(key, _)| key).collect();
    check.same("keys that are left", &left, &vec![check.key("kept")]);
    let none = check.done("deleting none", check.store.delete_many(&[]).await);
    check.holds_that(none.is_empty(), "deleting nothing fails");
}

async fn begin(check: Check<'_>, key: &ObjectKey) -> Upload {
    check.done("beginning an upload", check.store.begin_upload(key, &described()).await)
}

async fn send(check: Check<'_>, upload: &Upload, number: u32, body: Bytes) -> Part {
    let digest = ContentDigest::of(&body);
    let sent = check.store.upload_part(upload, number, body, Some(&digest)).await;
    check.done(&format!("sending part {number}"), sent)
}

/// Whether an unfinished upload is listed.
async fn is_pending(check: Check<'_>, upload: &Upload) -> bool {
    let found = check.done("listing uploads", check.store.uploads(&check.prefix()).await);
    let outside: Vec<_> =
        found.iter().filter(|found| !found.key.as_str().starts_with(&check.prefix())).collect();
    check.holds_that(outside.is_empty(), format!("uploads of other keys: {outside:?}"));
    found.iter().any(|found| found.id == upload.id && found.key == upload.key)
}

pub(super) async fn parts_become_an_object(check: Check<'_>) {
    if !check.options.parts {
        return;
    }
    let key = check.key("object");
    let upload = begin(check, &key).await;
    let (first, last) = (Bytes::from(vec![b'a'; SMALLEST]), Bytes::from_static(b"the end"));
    let second = send(check, &upload, 2, last.clone()).await;
    let replaced = send(check, &upload, 1, Bytes::from_static(b"replaced")).await;
    let parts = [send(check, &upload, 1, first.clone()).await, second];
    check.holds_that(replaced.etag != parts[0].etag, "different parts have the same ETag");
    check.is_absent(&key).await;
    check.holds_that(is_pending(check, &upload).await, "an unfinished upload is not listed");

    let completed = check.store.complete_upload(&upload, &parts, &Condition::IfAbsent).await;
    let written = check.done("putting the parts together", completed);
    let read = check.present(&key).await;
    check.same("length", &read.metadata.length, &((first.len() + last.len()) as u64));
    check.holds_that(read.body[..first.len()] == first && read.body[first.len()..] == last, "wrong bytes");
    check.same("ETag", &read.metadata.etag, &written.etag);
    is_described(check, &key).await;
    check.holds_that(!is_pending(check, &upload).await, "a finished upload is still listed");
    let range = check.store.get_range(&key, first.len() as u64 - 1, 5).await;
    check.same("bytes across parts", &check.done("reading a range", range), &Some("athe ".into()));
}

pub(super) async fn parts_are_put_together_on_condition(check: Check<'_>) {
    if !check.options.parts {
        return;
    }
    let key = check.key("object");
    check.put(&key, "there before").await;
    let upload = begin(check, &key).await;
    let parts = [send(check, &upload, 1, Bytes::from_static(b"in one part")).await];
    let refused = check.store.complete_upload(&upload, &parts, &Condition::IfAbsent).await;
    check.refused("putting parts together for a key that exists", refused);
    check.holds(&key, "there before").await;

    let again = begin(check, &key).await;
    let parts = [send(check, &again, 1, Bytes::from_static(b"in one part")).await];
    let completed = check.store.complete_upload(&again, &parts, &Condition::None).await;
    let written = check.done("putting the parts together", completed);
    check.holds(&key, "in one part").await;
    let plain = check.put(&key, "in one part").await;
    check.holds_that(plain.etag != written.etag, "the ETag does not tell that the body came in parts");
    check.done("aborting", check.store.abort_upload(&upload).await);
}

pub(super) async fn parts_can_be_thrown_away(check: Check<'_>) {
    if !check.options.parts {
        return;
    }
    let key = check.key("object");
    let upload = begin(check, &key).await;
    let part = send(check, &upload, 1, Bytes::from_static(b"body")).await;
    check.done("aborting", check.store.abort_upload(&upload).await);
    check.done("aborting again", check.store.abort_upload(&upload).await);
    check.holds_that(!is_pending(check, &upload).await, "an aborted upload is still listed");
    let late = check.store.complete_upload(&upload, &[part], &Condition::None).await;
    check.holds_that(late.is_err(), "an aborted upload can be completed");
    check.is_absent(&key).await;
}
