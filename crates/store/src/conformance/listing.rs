//! Listings, and keys that are easily mixed up.

use futures_util::future::join_all;

use super::Check;
use crate::key::ObjectKey;

/// Keys that differ only in what a path, a URL or a file system might drop or rewrite.
const ODD_KEYS: [&str; 15] = [
    "a b+c%20d",
    "a b+c d",
    "a%20b",
    "x//y",
    "x/y",
    "x/y/",
    "a/../b",
    "b",
    "A",
    "a",
    "a/b",
    "größe",
    "grösse",
    "日本語/鍵",
    "q?x=1&y#z",
];

async fn keys_below(check: Check<'_>, prefix: &str) -> Vec<ObjectKey> {
    check.list(prefix).await.into_iter().map(|(key, _)| key).collect()
}

pub(super) async fn keys_come_in_byte_order(check: Check<'_>) {
    let mut names = ["b", "a", "a/b", "a-b", "ab", "B", "é", "z", "a/c/d", "c"];
    let mut etags = Vec::new();
    for name in names {
        etags.push((check.key(name), check.put(&check.key(name), name).await.etag));
    }
    etags.sort();
    names.sort_unstable();
    let all = check.list(&check.prefix()).await;
    let found: Vec<_> = all.iter().map(|(key, metadata)| (key.clone(), metadata.etag.clone())).collect();
    check.same("keys and ETags", &found, &etags);
    for (key, metadata) in &all {
        let length = (key.as_str().len() - check.prefix().len()) as u64;
        check.same(&format!("length of {key}"), &metadata.length, &length);
    }

    let below = |prefix: &str| -> Vec<ObjectKey> {
        names.iter().filter(|name| name.starts_with(prefix)).map(|name| check.key(name)).collect()
    };
    for prefix in ["a", "a/", "a/c/d", "nothing"] {
        let found = keys_below(check, &format!("{}{prefix}", check.prefix())).await;
        check.same(&format!("keys below `{prefix}`"), &found, &below(prefix));
    }

    // A listing may start after any text, whether or not it is a key.
    for after in ["a", "a/b", "aa", "z", "é"] {
        let page = check.store.list(&check.prefix(), Some(&check.key(after))).await;
        let found: Vec<_> = check.done("listing", page).objects.into_iter().map(|(key, _)| key).collect();
        let expected: Vec<_> =
            names.iter().filter(|name| **name > after).map(|name| check.key(name)).collect();
        check.same(&format!("keys after `{after}`"), &found, &expected);
    }
}

pub(super) async fn odd_keys_are_kept_apart(check: Check<'_>) {
    let long = "long-".repeat(120);
    let names: Vec<&str> = ODD_KEYS.into_iter().chain([long.as_str()]).collect();
    for name in &names {
        check.put(&check.key(name), name).await;
    }
    let mut keys: Vec<ObjectKey> = names.iter().map(|name| check.key(name)).collect();
    keys.sort();
    check.same("keys", &keys_below(check, &check.prefix()).await, &keys);
    for name in &names {
        check.holds(&check.key(name), name).await;
    }
    for name in &names {
        check.delete(&check.key(name)).await;
        check.is_absent(&check.key(name)).await;
    }
    check.same("keys after deleting all", &keys_below(check, &check.prefix()).await, &Vec::new());
}

pub(super) async fn long_listings_come_in_pages(check: Check<'_>) {
    if !check.options.pages {
        return;
    }
    let keys: Vec<ObjectKey> = (0..1001).map(|number| check.key(&format!("{number:04}"))).collect();
    for keys in keys.chunks(16) {
        join_all(keys.iter().map(|key| check.put(key, "body"))).await;
    }
    let first = check.done("listing", check.store.list(&check.prefix(), None).await);
    check.holds_that(
        first.more,
        format!("a page of {} keys does not say that more follow", first.objects.len()),
    );
    check.same("keys of all pages", &keys_below(check, &check.prefix()).await, &keys);
}
