//! Reading, writing, deleting, and what comes back besides the body.

use super::Check;
use crate::key::ObjectKey;
use crate::object::{Condition, Put, PutOutcome, Tags};

pub(super) async fn a_write_can_be_read(check: Check<'_>) {
    let key = check.key("object");
    let how = Put { content_type: Some("application/json".to_owned()), ..Put::default() };
    let written = check.put_how(&key, "{\"a\": 1}\n", &how).await;

    let read = check.present(&key).await;
    check.same("body", &read.body.as_ref(), &b"{\"a\": 1}\n".as_slice());
    check.same("ETag", &read.metadata.etag, &written.etag);
    check.same("content type", &read.metadata.content_type, &how.content_type);
    check.same("length", &read.metadata.length, &9);
    check.same("version id", &read.metadata.version_id, &written.version_id);
    check.same("version id is given", &read.metadata.version_id.is_some(), &check.options.keeps_versions);
    check.holds_that(!read.metadata.etag.as_str().contains('"'), "the ETag contains quotes");

    let Some(head) = check.head(&key).await else { check.fail("metadata of the object should exist") };
    check.same("ETag of the metadata", &head.etag, &written.etag);
    check.same("content type of the metadata", &head.content_type, &how.content_type);
    check.same("length of the metadata", &head.length, &9);
}

pub(super) async fn absence_is_a_value(check: Check<'_>) {
    check.is_absent(&check.key("never-written")).await;
    check.same("listing", &check.list(&check.prefix()).await, &Vec::new());
}

pub(super) async fn an_overwrite_replaces_everything(check: Check<'_>) {
    let key = check.key("object");
    let how = Put {
        content_type: Some("text/plain".to_owned()),
        tags: Tags::from([("old".to_owned(), "tag".to_owned())]),
        ..Put::default()
    };
    let first = check.put_how(&key, "a long first body", &how).await;
    let second = check
        .put_how(&key, "second", &Put { content_type: Some("text/csv".to_owned()), ..Put::default() })
        .await;

    check.holds(&key, "second").await;
    let read = check.present(&key).await.metadata;
    check.holds_that(first.etag != second.etag, "different bodies have the same ETag");
    check.same("ETag", &read.etag, &second.etag);
    check.same("content type", &read.content_type, &Some("text/csv".to_owned()));
    check.same("length", &read.length, &6);
}

pub(super) async fn an_empty_body_is_a_body(check: Check<'_>) {
    let key = check.key("object");
    check.put(&key, "").await;
    check.holds(&key, "").await;
    check.same("length", &check.present(&key).await.metadata.length, &0);
}

pub(super) async fn the_entity_tag_tells_bodies_apart(check: Check<'_>) {
    let (key, other) = (check.key("object"), check.key("other"));
    let first = check.put(&key, "first").await.etag;
    let second = check.put(&key, "second").await.etag;
    check.holds_that(first != second, "different bodies have the same ETag");
    if check.options.etag_is_digest {
        check.same("ETag of the same bytes written again", &check.put(&key, "first").await.etag, &first);
        check.same("ETag of the same bytes elsewhere", &check.put(&other, "second").await.etag, &second);
    }
}

pub(super) async fn deleting_is_idempotent(check: Check<'_>) {
    let key = check.key("object");
    check.delete(&key).await;
    check.put(&key, "body").await;
    check.delete(&key).await;
    check.is_absent(&key).await;
    check.same("tags", &check.tags(&key).await, &None);
    check.same("listing", &check.list(&check.prefix()).await, &Vec::new());
    check.delete(&key).await;

    check.done("creating what was deleted", check.put_if(&key, "again", Condition::IfAbsent).await);
    check.holds(&key, "again").await;
}

/// Returns the key of the object, for [`an_overwrite_is_dated`] to come back to when some time has passed.
pub(super) async fn answers_are_dated(check: Check<'_>) -> ObjectKey {
    let key = check.key("object");
    let written = check.put(&key, "body").await;
    is_dated(check, &key, &written).await;
    key
}

/// A lock tells a living session from a dead one by `Last-Modified`: it has to follow every write.
pub(super) async fn an_overwrite_is_dated(check: Check<'_>, key: &ObjectKey) {
    let etag = check.present(key).await.metadata.etag;
    let condition = Condition::IfMatch(etag);
    let written = check.done("writing again", check.put_if(key, "later body", condition).await);
    is_dated(check, key, &written).await;
}

/// Fails unless reading and listing agree on when the object was written.
async fn is_dated(check: Check<'_>, key: &ObjectKey, written: &PutOutcome) {
    // Last-Modified may be rounded the other way than Date.
    let second = jiff::SignedDuration::from_secs(1);
    let read = check.present(key).await.metadata;
    let (Some(put), Some(get)) = (written.date, read.date) else {
        check.fail(format!("a date is missing: {written:?}, {read:?}"))
    };
    check.holds_that(put <= get, format!("Date goes back from {put} to {get}"));
    let listed = check.list(key.as_str()).await.into_iter().map(|(_, metadata)| metadata);
    for metadata in listed.chain([read]).chain(check.head(key).await) {
        let Some(modified) = metadata.last_modified else {
            check.fail(format!("Last-Modified is missing: {metadata:?}"))
        };
        check.holds_that(modified <= get + second, format!("Last-Modified {modified} is after Date {get}"));
        check.holds_that(
            modified >= put - second,
            format!("Last-Modified {modified} is before the write, whose Date is {put}"),
        );
    }
}

pub(super) async fn versions_outlive_the_object(check: Check<'_>) {
    if !check.options.keeps_versions {
        return;
    }
    let key = check.key("object");
    check.put(&check.key("object-beside"), "other").await;
    let first = check.put(&key, "first").await.version_id;
    let second = check.put(&key, "second").await.version_id;
    check.holds_that(first.is_some() && first != second, format!("version ids {first:?} and {second:?}"));

    for deleted in [false, true] {
        if deleted {
            check.delete(&key).await;
        }
        let versions = check.done("listing versions", check.store.versions(&key).await);
        let ids: Vec<_> = versions.into_iter().map(|version| version.version_id).collect();
        check.same("versions, newest first", &ids, &vec![second.clone(), first.clone()]);
        for (id, body) in [(&first, "first"), (&second, "second")] {
            let id = id.as_deref().unwrap_or_default();
            let found = check.done("reading a version", check.store.get_version(&key, id).await);
            let found = found.map(|object| (object.body, object.metadata.version_id));
            check.same("version", &found, &Some((body.into(), Some(id.to_owned()))));
        }
    }
    let none = check.done("listing versions", check.store.versions(&check.key("never-written")).await);
    check.same("versions of an absent object", &none, &Vec::new());
}
