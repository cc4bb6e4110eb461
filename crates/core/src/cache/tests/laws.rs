//! Whoever merges, in whatever order: nothing is lost that should stay, and nothing comes back that went.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::super::record::DAY;
use super::super::*;

pub(super) fn record(key: u8, output: u8, at: i64, used: i64, epoch: u64) -> Record {
    Record {
        key: Key(Digest::of(&[key])),
        kind: format!("kind-{}", key % 2),
        revision: 1,
        subject: format!("subject-{}", key % 3),
        class: Class::Pure,
        output: Digest::of(json!(output).to_string().as_bytes()),
        inline: Some(json!(output)),
        blob: None,
        ingredients: vec![("a".to_owned(), "b".to_owned())],
        at,
        used,
        by: "deploy".to_owned(),
        cost: 1,
        epoch,
        expires: None,
        signature: None,
    }
}

fn records() -> impl Strategy<Value = Record> {
    (0..6_u8, 0..3_u8, 0..4_i64, 0..4_i64, 0..3_u64)
        .prop_map(|(key, output, at, used, epoch)| record(key, output, at, used, epoch))
}

fn by_key(records: Vec<Record>) -> BTreeMap<Key, Record> {
    records.into_iter().map(|record| (record.key, record)).collect()
}

/// An index as runs write them: no record of an earlier epoch.
fn indexes() -> impl Strategy<Value = Index> {
    (0..3_u64, 0..3_u64, "[ab]", proptest::collection::vec(records(), 0..8)).prop_map(
        |(epoch, generation, writer, records)| {
            let records = by_key(records.into_iter().map(|record| Record { epoch, ..record }).collect());
            Index { epoch, generation, writer, records }
        },
    )
}

fn deltas() -> impl Strategy<Value = Delta> {
    let used = proptest::collection::btree_map(0..6_u8, 0..6_i64, 0..4);
    (0..3_u64, proptest::collection::vec(records(), 0..6), used).prop_map(|(epoch, made, used)| Delta {
        epoch,
        made: by_key(made.into_iter().map(|record| Record { epoch, ..record }).collect()),
        used: used.into_iter().map(|(key, day)| (Key(Digest::of(&[key])), day)).collect(),
        dropped: BTreeMap::new(),
    })
}

proptest! {
    #[test]
    fn merging_is_commutative(left in indexes(), right in indexes()) {
        prop_assert_eq!(left.merge(&right), right.merge(&left));
    }

    #[test]
    fn merging_is_associative(first in indexes(), second in indexes(), third in indexes()) {
        prop_assert_eq!(first.merge(&second).merge(&third), first.merge(&second.merge(&third)));
    }

    #[test]
    fn merging_is_idempotent(index in indexes(), other in indexes()) {
        prop_assert_eq!(&index.merge(&index), &index);
        let merged = index.merge(&other);
        prop_assert_eq!(&merged.merge(&other), &merged);
        prop_assert_eq!(&merged.merge(&index), &merged);
    }

    #[test]
    fn only_the_latest_epoch_stays(left in indexes(), right in indexes()) {
        let merged = left.merge(&right);
        prop_assert!(merged.epoch >= left.epoch.max(right.epoch));
        prop_assert!(merged.records.values().all(|record| record.epoch >= merged.epoch));
    }

    #[test]
    fn the_newer_record_stays_with_the_latest_use(left in records(), right in records()) {
        let right = Record { key: left.key, kind: left.kind.clone(), subject: left.subject.clone(), ..right };
        let merged = left.merge(&right);
        prop_assert_eq!(merged.at, left.at.max(right.at));
        prop_assert_eq!(merged.used, left.used.max(right.used));
    }

    /// Every record of the index after a run is one that was in it, or one that the run made.
    #[test]
    fn a_run_brings_nothing_back(base in indexes(), delta in deltas()) {
        let after = base.after(&delta);
        for (key, record) in &after.records {
            let mut sources = base.records.get(key).into_iter().chain(delta.made.get(key));
            prop_assert!(sources.any(|source| source.output == record.output && source.at == record.at));
            prop_assert!(record.epoch >= base.epoch.max(delta.epoch));
        }
        for (key, record) in &base.records {
            prop_assert!(record.epoch < after.epoch || after.records.contains_key(key));
        }
        prop_assert_eq!(after.after(&delta), after.clone());
    }

    /// Runs that end one after the other leave the same, whoever is first.
    #[test]
    fn the_order_of_runs_does_not_matter(base in indexes(), first in deltas(), second in deltas()) {
        // Notes of use of records that only the other run makes depend on the order, and may.
        let (mut first, mut second) = (first, second);
        first.used.clear();
        second.used.clear();
        prop_assert_eq!(base.after(&first).after(&second), base.after(&second).after(&first));
    }

    #[test]
    fn what_was_cleared_stays_cleared(base in indexes(), delta in deltas()) {
        let delta = Delta { epoch: base.epoch, made: delta.made.into_iter().map(|(key, record)| (key, Record { epoch: base.epoch, ..record })).collect(), ..delta };
        let mut cleared = base.clone();
        cleared.clear(&Filter::default());
        prop_assert_eq!(cleared.epoch, base.epoch + 1);
        prop_assert!(cleared.after(&delta).records.is_empty());
        prop_assert!(cleared.merge(&base).records.is_empty());
    }

    #[test]
    fn collecting_keeps_what_was_used_last(index in indexes(), most in 0..5_usize, days in 0..4_i64) {
        let limits = Limits { max_age_days: days, max_entries: most };
        let now = 4 * DAY;
        let mut collected = index.clone();
        collected.collect(&limits, now);
        prop_assert!(collected.records.len() <= most);
        prop_assert!(collected.records.values().all(|record| record.used >= 4 - days));
        let oldest_kept = collected.records.values().map(|record| record.used).min();
        for (key, record) in &index.records {
            if !collected.records.contains_key(key) && record.used >= 4 - days {
                prop_assert_eq!(collected.records.len(), most);
                prop_assert!(oldest_kept.is_none_or(|oldest| record.used <= oldest));
            }
        }
        prop_assert!(collected.due(&limits, now).is_empty());
    }
}

#[test]
fn clearing_takes_a_kind_or_a_subject() {
    let mut index = Index::default();
    for key in 0..6 {
        let record = record(key, 0, 0, 0, 0);
        index.records.insert(record.key, record);
    }
    let filter = Filter { kind: Some("kind-0".to_owned()), subjects: ["subject-2".to_owned()].into() };
    assert_eq!(index.clear(&filter), 1);
    assert_eq!(index.clear(&Filter { kind: Some("kind-0".to_owned()), ..Filter::default() }), 2);
    assert_eq!(index.clear(&Filter { kind: None, subjects: ["subject-1".to_owned()].into() }), 1);
    assert_eq!((index.epoch, index.records.len()), (0, 2));
    assert_eq!(index.clear(&Filter::default()), 2);
    assert_eq!(index.epoch, 1);
}
