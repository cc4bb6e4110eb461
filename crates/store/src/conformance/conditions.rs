//! Writes and deletions that depend on what is stored.

use super::Check;
use crate::object::{Condition, ETag, Reread};

pub(super) async fn what_is_known_is_not_sent_again(check: Check<'_>) {
    let key = check.key("object");
    let reread = async |known: &ETag| check.done("reading again", check.store.get_changed(&key, known).await);
    check.same("absent object", &reread(&check.other_etag()).await, &Reread::Absent);
    let first = check.put(&key, "first").await.etag;
    check.same("unchanged object", &reread(&first).await, &Reread::Unchanged);
    let second = check.put(&key, "second").await.etag;
    match reread(&first).await {
        Reread::Changed(object) => {
            check.same("body of the changed object", &object.body.as_ref(), &b"second".as_slice());
            check.same("ETag of the changed object", &object.metadata.etag, &second);
        }
        other => check.fail(format!("a changed object is answered with {other:?}")),
    }
    check.delete(&key).await;
    check.same("deleted object", &reread(&second).await, &Reread::Absent);
}

pub(super) async fn only_the_first_creates(check: Check<'_>) {
    let key = check.key("object");
    check.done("creating", check.put_if(&key, "first", Condition::IfAbsent).await);
    check.refused("creating again", check.put_if(&key, "second", Condition::IfAbsent).await);
    check.refused("creating with equal bytes", check.put_if(&key, "first", Condition::IfAbsent).await);
    check.holds(&key, "first").await;
}

pub(super) async fn a_stale_write_is_refused(check: Check<'_>) {
    let key = check.key("object");
    let first = check.put(&key, "first").await.etag;
    let second = check.put_if(&key, "second", Condition::IfMatch(first.clone())).await;
    let second = check.done("writing over the ETag just read", second).etag;
    check.refused("writing over an old ETag", check.put_if(&key, "third", Condition::IfMatch(first)).await);
    let unknown = Condition::IfMatch(check.other_etag());
    check.refused("writing over an unknown ETag", check.put_if(&key, "third", unknown).await);
    check.holds(&key, "second").await;

    let third = check.put_if(&key, "third", Condition::IfMatch(second)).await;
    check.done("writing over the current ETag after refusals", third);
    check.holds(&key, "third").await;
}

pub(super) async fn a_matching_write_needs_an_object(check: Check<'_>) {
    let key = check.key("object");
    let unknown = Condition::IfMatch(check.other_etag());
    check.refused("writing over an absent object", check.put_if(&key, "body", unknown).await);
    check.is_absent(&key).await;

    let etag = check.put(&key, "body").await.etag;
    check.delete(&key).await;
    let deleted = check.put_if(&key, "body", Condition::IfMatch(etag)).await;
    check.refused("writing over a deleted object", deleted);
    check.is_absent(&key).await;
}

pub(super) async fn a_stale_deletion_is_refused(check: Check<'_>) {
    let key = check.key("object");
    let first = check.put(&key, "first").await.etag;
    let second = check.put(&key, "second").await.etag;
    let stale = check.store.delete(&key, &Condition::IfMatch(first)).await;
    check.refused("deleting over an old ETag", stale);
    check.holds(&key, "second").await;

    let current = check.store.delete(&key, &Condition::IfMatch(second)).await;
    check.done("deleting over the current ETag", current);
    check.is_absent(&key).await;
}

pub(super) async fn a_matching_deletion_needs_an_object(check: Check<'_>) {
    let key = check.key("object");
    let unknown = check.store.delete(&key, &Condition::IfMatch(check.other_etag())).await;
    check.refused("deleting an absent object over an ETag", unknown);

    let etag = check.put(&key, "body").await.etag;
    check.delete(&key).await;
    let deleted = check.store.delete(&key, &Condition::IfMatch(etag)).await;
    check.refused("deleting a deleted object over its ETag", deleted);
}
