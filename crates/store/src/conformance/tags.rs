//! Tags, which are written with the object or alone.

use super::Check;
use crate::error::StoreErrorKind;
use crate::object::{Condition, Put, Tags};

fn tags<const N: usize>(tags: [(&str, &str); N]) -> Tags {
    tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// As many tags as asked for.
fn many(count: usize) -> Tags {
    (0..count).map(|number| (format!("tag-{number}"), number.to_string())).collect()
}

fn tagged(tags: Tags) -> Put {
    Put { tags, ..Put::default() }
}

pub(super) async fn a_write_sets_tags(check: Check<'_>) {
    let (key, plain) = (check.key("object"), check.key("plain"));
    // Characters that S3 allows and that need escaping in a header.
    let odd = tags([("a b", "c=d+e"), ("path/to", "x+y@z:1"), ("empty", "")]);
    check.put_how(&key, "body", &tagged(odd.clone())).await;
    check.same("tags", &check.tags(&key).await, &Some(odd));

    check.put(&plain, "body").await;
    check.same("tags of an object without tags", &check.tags(&plain).await, &Some(Tags::new()));

    check.put_how(&key, "body", &tagged(many(10))).await;
    check.same("ten tags", &check.tags(&key).await, &Some(many(10)));
}

pub(super) async fn a_write_replaces_tags(check: Check<'_>) {
    let key = check.key("object");
    check.put_how(&key, "first", &tagged(tags([("lock", "1"), ("team", "a")]))).await;
    check.put_how(&key, "second", &tagged(tags([("team", "b")]))).await;
    check.same("tags after a write with tags", &check.tags(&key).await, &Some(tags([("team", "b")])));
    check.put(&key, "third").await;
    check.same("tags after a write without tags", &check.tags(&key).await, &Some(Tags::new()));
}

pub(super) async fn a_conditional_write_sets_tags(check: Check<'_>) {
    let key = check.key("object");
    let how = |condition, value| Put { condition, ..tagged(tags([("lock", value)])) };
    let created = check.put_how(&key, "first", &how(Condition::IfAbsent, "1")).await;
    check.same("tags after a creation", &check.tags(&key).await, &Some(tags([("lock", "1")])));
    check.put_how(&key, "second", &how(Condition::IfMatch(created.etag), "2")).await;
    check.same("tags after a matching write", &check.tags(&key).await, &Some(tags([("lock", "2")])));
}

pub(super) async fn a_refused_write_leaves_tags(check: Check<'_>) {
    let key = check.key("object");
    let kept = tags([("lock", "1")]);
    check.put_how(&key, "body", &tagged(kept.clone())).await;
    for condition in [Condition::IfAbsent, Condition::IfMatch(check.other_etag())] {
        for tags in [tags([("lock", "2")]), Tags::new()] {
            let how = Put { condition: condition.clone(), ..tagged(tags) };
            check.refused("a write whose condition does not hold", check.try_put(&key, "other", &how).await);
            check.same("tags after a refusal", &check.tags(&key).await, &Some(kept.clone()));
        }
    }
    check.holds(&key, "body").await;
}

pub(super) async fn tags_are_replaced_alone(check: Check<'_>) {
    let key = check.key("object");
    let etag = check.put_how(&key, "body", &tagged(tags([("lock", "1"), ("team", "a")]))).await.etag;
    check.done("tagging", check.store.set_tags(&key, &tags([("team", "b")])).await);
    check.same("tags", &check.tags(&key).await, &Some(tags([("team", "b")])));
    check.holds(&key, "body").await;
    check.same("ETag after tagging", &check.present(&key).await.metadata.etag, &etag);

    check.done("removing all tags", check.store.set_tags(&key, &Tags::new()).await);
    check.same("tags", &check.tags(&key).await, &Some(Tags::new()));
}

pub(super) async fn an_absent_object_has_no_tags(check: Check<'_>) {
    let key = check.key("object");
    check.same("tags of an absent object", &check.tags(&key).await, &None);
    let outcome = check.store.set_tags(&key, &tags([("team", "a")])).await;
    check.holds_that(outcome.is_err(), "an absent object can be tagged");
    check.is_absent(&key).await;
}

pub(super) async fn eleven_tags_are_refused(check: Check<'_>) {
    let key = check.key("object");
    check.put_how(&key, "body", &tagged(tags([("team", "a")]))).await;
    let alone = check.store.set_tags(&key, &many(11)).await;
    check.same("tags after a refusal", &check.tags(&key).await, &Some(tags([("team", "a")])));
    check.holds(&key, "body").await;
    // What a refused write leaves is not looked at: moto answers 400 after it has replaced the object.
    let written = check.try_put(&key, "other", &tagged(many(11))).await.map(drop);

    for outcome in [alone, written] {
        match outcome {
            Err(error) if error.kind == StoreErrorKind::Invalid => {}
            outcome => check.fail(format!("eleven tags should be refused as Invalid: {outcome:?}")),
        }
    }
}
