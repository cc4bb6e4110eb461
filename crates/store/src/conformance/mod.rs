//! The suite that every store passes: what callers may rely on, tried from outside.
//!
//! [`object_store`] runs all checks on one store and panics at the first violation, naming the check. It uses only
//! keys below the prefix in its options and removes them when all checks have passed, so it can run on a bucket
//! that other tests share. It asks for nothing that S3 or an emulator of it cannot do.

mod conditions;
mod listing;
mod objects;
mod parts;
mod races;
mod tags;

use std::fmt::Display;

use bytes::Bytes;

use crate::ObjectStore;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;
use crate::object::{Condition, ETag, Metadata, Object, Put, PutOutcome, Tags};

/// What the suite may expect of one store.
#[derive(Debug, Clone)]
pub struct ConformanceOptions {
    /// Starts every key that the suite uses. Nothing else may use keys that start like that at the same time.
    pub prefix: String,
    /// Equal bytes have equal entity tags. Not so on S3 with SSE-KMS.
    pub etag_is_digest: bool,
    /// The bucket keeps versions and gives version ids.
    pub keeps_versions: bool,
    /// Also list more than one full page: writes 1,001 small objects.
    pub pages: bool,
    /// Bodies may come in parts: writes 5 MiB.
    pub parts: bool,
    /// The store compares bodies with the digests they are sent with. moto does not.
    pub checks_digests: bool,
}

impl ConformanceOptions {
    /// Everything a store may offer, on keys that start with `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            etag_is_digest: true,
            keeps_versions: true,
            pages: true,
            parts: true,
            checks_digests: true,
        }
    }
}

/// Runs every check on `store`.
///
/// # Panics
/// If the store breaks the contract of [`ObjectStore`]; the message names the check and what was seen.
pub async fn object_store(store: &dyn ObjectStore, options: &ConformanceOptions) {
    let check = |name| Check { store, options, name };

    objects::a_write_can_be_read(check("a-write-can-be-read")).await;
    objects::absence_is_a_value(check("absence-is-a-value")).await;
    objects::an_overwrite_replaces_everything(check("an-overwrite-replaces-everything")).await;
    objects::an_empty_body_is_a_body(check("an-empty-body-is-a-body")).await;
    objects::the_entity_tag_tells_bodies_apart(check("the-entity-tag-tells-bodies-apart")).await;
    objects::deleting_is_idempotent(check("deleting-is-idempotent")).await;
    let dated = objects::answers_are_dated(check("answers-are-dated")).await;
    objects::versions_outlive_the_object(check("versions-outlive-the-object")).await;

    conditions::what_is_known_is_not_sent_again(check("what-is-known-is-not-sent-again")).await;
    conditions::only_the_first_creates(check("only-the-first-creates")).await;
    conditions::a_stale_write_is_refused(check("a-stale-write-is-refused")).await;
    conditions::a_matching_write_needs_an_object(check("a-matching-write-needs-an-object")).await;
    conditions::a_stale_deletion_is_refused(check("a-stale-deletion-is-refused")).await;
    conditions::a_matching_deletion_needs_an_object(check("a-matching-deletion-needs-an-object")).await;

    tags::a_write_sets_tags(check("a-write-sets-tags")).await;
    tags::a_write_replaces_tags(check("a-write-replaces-tags")).await;
    tags::a_conditional_write_sets_tags(check("a-conditional-write-sets-tags")).await;
    tags::a_refused_write_leaves_tags(check("a-refused-write-leaves-tags")).await;
    tags::tags_are_replaced_alone(check("tags-are-replaced-alone")).await;
    tags::an_absent_object_has_no_tags(check("an-absent-object-has-no-tags")).await;
    tags::eleven_tags_are_refused(check("eleven-tags-are-refused")).await;

    listing::keys_come_in_byte_order(check("keys-come-in-byte-order")).await;
    listing::odd_keys_are_kept_apart(check("odd-keys-are-kept-apart")).await;
    listing::long_listings_come_in_pages(check("long-listings-come-in-pages")).await;

    parts::what_is_said_of_an_object_is_kept(check("what-is-said-of-an-object-is-kept")).await;
    parts::other_bytes_are_refused(check("other-bytes-are-refused")).await;
    parts::some_bytes_can_be_read(check("some-bytes-can-be-read")).await;
    parts::many_are_deleted_at_once(check("many-are-deleted-at-once")).await;
    parts::parts_become_an_object(check("parts-become-an-object")).await;
    parts::parts_are_put_together_on_condition(check("parts-are-put-together-on-condition")).await;
    parts::parts_can_be_thrown_away(check("parts-can-be-thrown-away")).await;

    races::one_of_many_creates(check("one-of-many-creates")).await;
    races::no_update_is_lost(check("no-update-is-lost")).await;
    races::deletions_and_updates_exclude_each_other(check("deletions-and-updates-exclude-each-other")).await;

    objects::an_overwrite_is_dated(check("an-overwrite-is-dated"), &dated).await;

    check("clean-up").clean_up().await;
}

/// One check at work: requests below its own prefix, and words for what goes wrong.
#[derive(Clone, Copy)]
struct Check<'a> {
    store: &'a dyn ObjectStore,
    options: &'a ConformanceOptions,
    name: &'static str,
}

impl Check<'_> {
    /// A key of this check.
    fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::new(format!("{}{name}", self.prefix()))
    }

    /// Starts every key of this check.
    fn prefix(&self) -> String {
        format!("{}{}/", self.options.prefix, self.name)
    }

    async fn put(&self, key: &ObjectKey, body: &str) -> PutOutcome {
        self.put_how(key, body, &Put::default()).await
    }

    async fn put_how(&self, key: &ObjectKey, body: &str, how: &Put) -> PutOutcome {
        self.done(&format!("writing {key}"), self.try_put(key, body, how).await)
    }

    async fn put_if(
        &self,
        key: &ObjectKey,
        body: &str,
        condition: Condition,
    ) -> Result<PutOutcome, StoreError> {
        self.try_put(key, body, &Put { condition, ..Put::default() }).await
    }

    async fn try_put(&self, key: &ObjectKey, body: &str, how: &Put) -> Result<PutOutcome, StoreError> {
        self.store.put(key, Bytes::from(body.to_owned()), how).await
    }

    async fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.done(&format!("reading {key}"), self.store.get(key).await)
    }

    async fn head(&self, key: &ObjectKey) -> Option<Metadata> {
        self.done(&format!("reading the metadata of {key}"), self.store.head(key).await)
    }

    async fn tags(&self, key: &ObjectKey) -> Option<Tags> {
        self.done(&format!("reading the tags of {key}"), self.store.tags(key).await)
    }

    async fn delete(&self, key: &ObjectKey) {
        self.done(&format!("deleting {key}"), self.store.delete(key, &Condition::None).await);
    }

    /// The object, which has to exist.
    async fn present(&self, key: &ObjectKey) -> Object {
        match self.get(key).await {
            Some(object) => object,
            None => self.fail(format!("{key} should exist")),
        }
    }

    /// Fails unless the object has this body.
    async fn holds(&self, key: &ObjectKey, body: &str) {
        let found = self.present(key).await.body;
        self.same(&format!("body of {key}"), &found, &Bytes::from(body.to_owned()));
    }

    /// Fails if the object exists.
    async fn is_absent(&self, key: &ObjectKey) {
        self.same(&format!("{key} as read"), &self.get(key).await, &None);
        self.same(&format!("metadata of {key}"), &self.head(key).await, &None);
    }

    /// An entity tag that no object has.
    fn other_etag(&self) -> ETag {
        ETag::new("00000000000000000000000000000000")
    }

    /// The value of a request that has to succeed.
    fn done<T>(&self, what: &str, result: Result<T, StoreError>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => self.fail(format!("{what}: {error}")),
        }
    }

    /// Fails unless the request was refused because its condition did not hold.
    fn refused<T>(&self, what: &str, result: Result<T, StoreError>) {
        match result {
            Err(error) if error.kind == StoreErrorKind::Precondition => {}
            Err(error) => self
                .fail(format!("{what}: should be refused as Precondition, not as {:?}: {error}", error.kind)),
            Ok(_) => self.fail(format!("{what}: should be refused as Precondition, but succeeded")),
        }
    }

    fn same<T: PartialEq + std::fmt::Debug>(&self, what: &str, found: &T, expected: &T) {
        if found != expected {
            self.fail(format!("{what}: found {found:?}, expected {expected:?}"));
        }
    }

    fn holds_that(&self, condition: bool, what: impl Display) {
        if !condition {
            self.fail(what);
        }
    }

    fn fail(&self, what: impl Display) -> ! {
        panic!("the store {} fails the check `{}`: {what}", self.store.bucket(), self.name)
    }

    /// Every key below `prefix`, page by page.
    async fn list(&self, prefix: &str) -> Vec<(ObjectKey, Metadata)> {
        let mut found: Vec<(ObjectKey, Metadata)> = Vec::new();
        loop {
            let after = found.last().map(|(key, _)| key.clone());
            let page = self.done("listing", self.store.list(prefix, after.as_ref()).await);
            self.holds_that(!(page.more && page.objects.is_empty()), "an empty page promises more");
            found.extend(page.objects);
            if !page.more {
                return found;
            }
        }
    }

    async fn clean_up(&self) {
        for keys in self.list(&self.options.prefix).await.chunks(16) {
            futures_util::future::join_all(keys.iter().map(|(key, _)| self.delete(key))).await;
        }
        self.same("keys after cleaning up", &self.list(&self.options.prefix).await, &Vec::new());
    }
}

#[cfg(test)]
mod tests;
