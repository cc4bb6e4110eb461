//! The ticket's own words as an oracle, and laws that hold for every bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

type Bucket = Vec<ManifestView<u8>>;

fn view(id: u64, refs: &[u8]) -> ManifestView<u8> {
    ManifestView { id: ManifestId(id), refs: refs.iter().copied().collect(), keeps_a_head: false }
}

/// A manifest of somebody who keeps a head.
fn headed(id: u64, refs: &[u8]) -> ManifestView<u8> {
    ManifestView { keeps_a_head: true, ..view(id, refs) }
}

fn policy(threshold: u64, min_keep: usize) -> Policy<u8> {
    Policy {
        now: 1000,
        threshold: Duration::from_secs(threshold),
        min_keep,
        intent_ttl: Duration::from_secs(50),
        protected: BTreeSet::from([0]),
    }
}

fn alone(bucket: &Bucket, policy: &Policy<u8>) -> GcPlan<u8, u8> {
    plan(bucket, &[], &Roots::default(), &BTreeSet::new(), policy).unwrap()
}

/// "Manifests older than the threshold age are collected and the filepaths aggregated for deletion. Manifests newer than
/// the threshold age are collected and filepaths removed." `fed-mods.json` (here 0) is never deleted.
fn ticket(bucket: &Bucket, now: u64, threshold: u64, always_newer: usize) -> BTreeSet<u8> {
    let mut by_age = bucket.clone();
    by_age.sort_by_key(|manifest| std::cmp::Reverse(manifest.id));
    let mut aggregated = BTreeSet::new();
    for (index, manifest) in by_age.iter().enumerate() {
        if index >= always_newer && now > manifest.id.0 && now - manifest.id.0 > threshold {
            aggregated.extend(manifest.refs.iter().copied());
        }
    }
    for (index, manifest) in by_age.iter().enumerate() {
        if !(index >= always_newer && now > manifest.id.0 && now - manifest.id.0 > threshold) {
            for path in &manifest.refs {
                aggregated.remove(path);
            }
        }
    }
    aggregated.remove(&0);
    aggregated
}

fn bucket() -> impl Strategy<Value = Bucket> {
    let refs = proptest::collection::btree_set(0_u8..12, 0..6);
    proptest::collection::btree_map(900_u64..1010, refs, 0..8).prop_map(|manifests| {
        let view = |(id, refs)| ManifestView { id: ManifestId(id), refs, keeps_a_head: false };
        manifests.into_iter().map(view).collect()
    })
}

fn intents() -> impl Strategy<Value = Vec<IntentView<u8, u8>>> {
    let refs = proptest::collection::btree_set(0_u8..12, 0..6);
    proptest::collection::vec((proptest::option::of(0_u64..100), refs), 0..3).prop_map(|intents| {
        let numbered = intents.into_iter().zip(0..);
        let view = |((age, refs), id): ((Option<u64>, BTreeSet<u8>), u8)| IntentView {
            id,
            age: age.map(Duration::from_secs),
            ttl: Duration::from_secs(20),
            refs,
        };
        numbered.map(view).collect()
    })
}

/// Roots among the manifests of a bucket, by chance.
fn roots(bucket: &Bucket, choice: &[u8]) -> Roots {
    let mut chosen = choice.iter().cycle();
    let mut some = |share: u8| -> BTreeSet<ManifestId> {
        let picked = bucket.iter().filter(|_| chosen.next().is_some_and(|byte| *byte < share));
        picked.map(|manifest| manifest.id).collect()
    };
    let (head, previous) = (some(90).first().copied(), some(90).first().copied());
    let (interrupted, history, pins) = (some(30), some(160), some(40));
    Roots { head, previous, interrupted, history, pins, copied: BTreeSet::new() }
}

proptest! {
    #[test]
    fn what_goes_is_what_the_ticket_says(bucket in bucket(), threshold in 0_u64..120, min_keep in 0_usize..5) {
        let found: BTreeSet<u8> = alone(&bucket, &policy(threshold, min_keep)).delete.into_keys().collect();
        // What may be live and what was before stay all the same.
        prop_assert_eq!(found, ticket(&bucket, 1000, threshold, min_keep.max(2)));
    }

    #[test]
    fn laws_hold(
        bucket in bucket(),
        intents in intents(),
        choice in proptest::collection::vec(any::<u8>(), 1..40),
        orphans in proptest::collection::btree_set(0_u8..14, 0..4),
        (threshold, min_keep) in (0_u64..120, 0_usize..5),
    ) {
        let roots = roots(&bucket, &choice);
        let make = |bucket: &Bucket, intents: &[IntentView<u8, u8>], policy: &Policy<u8>| {
            plan(bucket, intents, &roots, &orphans, policy).unwrap()
        };
        let rules = policy(threshold, min_keep);
        let found = make(&bucket, &intents, &rules);

        // Nothing goes that something living names; the roots stay.
        let is_living = |intent: &&IntentView<u8, u8>| intent.age.is_none_or(|age| age.as_secs() <= 50);
        let living = intents.iter().filter(is_living).flat_map(|intent| &intent.refs);
        let kept = bucket.iter().filter(|manifest| found.keep.contains_key(&manifest.id));
        for named in kept.flat_map(|manifest| &manifest.refs).chain(living) {
            prop_assert!(!found.delete.contains_key(named));
        }
        for root in roots.head.iter().chain(&roots.previous).chain(&roots.interrupted).chain(&roots.pins) {
            prop_assert!(found.keep.contains_key(root));
        }
        for manifest in &bucket {
            prop_assert!(found.keep.contains_key(&manifest.id) != found.expire.contains(&manifest.id));
        }

        // Asking for more to be kept deletes no more.
        for more in [policy(threshold + 10, min_keep), policy(threshold, min_keep + 1)] {
            let with_more = make(&bucket, &intents, &more);
            prop_assert!(with_more.delete.keys().all(|gone| found.delete.contains_key(gone)));
        }
        // A young manifest more deletes no more, once it is not the reason for which others are old.
        if roots.head.is_some() {
            let mut larger = bucket.clone();
            larger.push(headed(2000, &[3, 5]));
            let no_rank = policy(threshold, 0);
            let (before, after) = (make(&bucket, &intents, &no_rank), make(&larger, &intents, &no_rank));
            prop_assert!(after.delete.keys().all(|gone| before.delete.contains_key(gone)));
        }

        // The order in which things are found does not matter.
        let (mut turned, mut turned_intents) = (bucket.clone(), intents.clone());
        turned.reverse();
        turned_intents.reverse();
        let again = make(&turned, &turned_intents, &rules);
        prop_assert_eq!((&again.delete, &again.keep, &again.expire), (&found.delete, &found.keep, &found.expire));

        // Afterwards there is nothing left to do.
        let survivors: Bucket =
            bucket.iter().filter(|manifest| found.keep.contains_key(&manifest.id)).cloned().collect();
        let lasting: Vec<_> = intents.iter().filter(is_living).cloned().collect();
        let left: BTreeSet<u8> =
            orphans.iter().filter(|orphan| !found.delete.contains_key(*orphan)).copied().collect();
        let next = plan(&survivors, &lasting, &roots, &left, &rules).unwrap();
        prop_assert!(next.is_empty(), "{:?}", next);
        prop_assert_eq!(found.candidates, found.still_named + found.protected + found.delete.len());
    }
}

#[test]
fn every_manifest_that_stays_has_its_reason() {
    let bucket: Bucket = [2000, 990, 100, 90, 80, 70, 60, 50, 40].map(|id| headed(id, &[1])).into();
    let roots = Roots {
        head: Some(ManifestId(90)),
        previous: Some(ManifestId(80)),
        interrupted: BTreeSet::from([ManifestId(100)]),
        history: BTreeSet::from([60, 70, 80, 90].map(ManifestId)),
        pins: BTreeSet::from([ManifestId(40)]),
        copied: BTreeSet::new(),
    };
    let found = plan::<_, u8>(&bucket, &[], &roots, &BTreeSet::new(), &policy(10, 3)).unwrap();
    let reasons = [
        (40, KeepReason::Pinned),
        (70, KeepReason::MinKeep(3)),
        (80, KeepReason::PreviousHead),
        (90, KeepReason::Head),
        (100, KeepReason::Interrupted),
        (990, KeepReason::WithinThreshold),
        (2000, KeepReason::Future),
    ];
    assert_eq!(found.keep, reasons.map(|(id, reason)| (ManifestId(id), reason)).into());
    assert_eq!(found.expire, [50, 60].map(ManifestId));
}

#[test]
fn a_manifest_that_was_never_live_is_not_among_the_newest() {
    let bucket: Bucket = vec![view(10, &[1]), view(20, &[2]), headed(30, &[3])];
    let roots = Roots {
        head: Some(ManifestId(20)),
        history: BTreeSet::from([10, 20].map(ManifestId)),
        ..Roots::default()
    };
    let found = plan::<_, u8>(&bucket, &[], &roots, &BTreeSet::new(), &policy(0, 2)).unwrap();
    assert_eq!(found.delete, BTreeMap::from([(3, vec![ManifestId(30)])]));
}

/// Whoever goes back to a tool that keeps no head leaves a head behind that is not true any more.
#[test]
fn what_was_pushed_past_the_head_was_live_and_may_be_still() {
    let bucket: Bucket = [10, 20, 30, 40, 50, 60].map(|id| view(id, &[u8::try_from(id).unwrap()])).into();
    let roots = Roots {
        head: Some(ManifestId(30)),
        previous: Some(ManifestId(20)),
        history: BTreeSet::from([10, 20, 30].map(ManifestId)),
        ..Roots::default()
    };
    let decide = |bucket: &Bucket, roots: &Roots, min_keep| {
        let found = plan::<_, u8>(bucket, &[], roots, &BTreeSet::new(), &policy(0, min_keep)).unwrap();
        found.keep.into_iter().map(|(id, reason)| (id.0, reason)).collect::<Vec<_>>()
    };
    let (may, head, previous) = (KeepReason::MayBeLive, KeepReason::Head, KeepReason::PreviousHead);
    assert_eq!(decide(&bucket, &roots, 0), [(20, previous), (30, head), (50, may), (60, may)]);
    let ranked = [(20, previous), (30, head), (40, KeepReason::MinKeep(3)), (50, may), (60, may)];
    assert_eq!(decide(&bucket, &roots, 3), ranked);
    // One that came between, and died, is none of them.
    let mut died = bucket.clone();
    died[5] = headed(60, &[60]);
    assert_eq!(decide(&died, &roots, 0), [(20, previous), (30, head), (40, may), (50, may)]);
    // Without a head the newest is taken for live.
    assert_eq!(decide(&bucket, &Roots::default(), 0), [(50, may), (60, may)]);
}

#[test]
fn the_age_of_the_threshold_itself_is_young() {
    let bucket: Bucket = vec![view(899, &[1]), view(900, &[2]), view(999, &[3])];
    let found = alone(&bucket, &policy(100, 0));
    assert_eq!(found.delete, BTreeMap::from([(1, vec![ManifestId(899)])]));
}

#[test]
fn an_intent_lives_as_long_as_its_writer_counts_on_it() {
    let bucket: Bucket = vec![view(10, &[1, 2, 3]), headed(20, &[9])];
    let roots = Roots { head: Some(ManifestId(20)), ..Roots::default() };
    let intent = |id, ttl| IntentView {
        id,
        age: Some(Duration::from_secs(60)),
        ttl: Duration::from_secs(ttl),
        refs: BTreeSet::from([id]),
    };
    let found =
        plan(&bucket, &[intent(1, 60), intent(2, 59)], &roots, &BTreeSet::new(), &policy(0, 0)).unwrap();
    assert_eq!((found.delete.into_keys().collect(), found.dead, found.living), (vec![2, 3], vec![2], 1));
}

#[test]
fn without_the_live_manifest_nothing_is_deleted() {
    let roots = Roots { head: Some(ManifestId(7)), ..Roots::default() };
    let found = plan::<u8, u8>(&[view(1, &[1])], &[], &roots, &BTreeSet::new(), &policy(0, 0));
    assert_eq!(found, Err(GcRefusal::HeadMissing(ManifestId(7))));
}

#[test]
fn without_a_head_that_there_was_nothing_is_deleted() {
    let valpops: Bucket = vec![view(0, &[1]), view(1, &[4]), view(2, &[2])];
    let found = alone(&valpops, &policy(0, 2));
    assert_eq!(found.delete.into_keys().collect::<Vec<_>>(), [1], "valpop's rule");
    let ours = ManifestView { keeps_a_head: true, ..view(3, &[3]) };
    let with_ours: Bucket = valpops.iter().cloned().chain([ours]).collect();
    let copied =
        |ids: &[u64]| Roots { copied: ids.iter().copied().map(ManifestId).collect(), ..Roots::default() };
    let decide = |bucket: &Bucket, intents: &[IntentView<u8, u8>], roots: &Roots| {
        plan(bucket, intents, roots, &BTreeSet::new(), &policy(0, 1)).map(|_| ())
    };
    let lost = |id| Err(GcRefusal::HeadLost(ManifestId(id)));
    assert_eq!(decide(&with_ours, &[], &copied(&[])), lost(3));
    assert_eq!(decide(&valpops, &[], &copied(&[2])), lost(2));
    assert_eq!(decide(&valpops, &[], &copied(&[7])), lost(7), "its manifest is gone, too");
    let head = Roots { head: Some(ManifestId(2)), ..copied(&[]) };
    assert!(decide(&with_ours, &[], &head).is_ok());
    // The first push of all writes both before the head.
    let intent = |age| IntentView {
        id: 0,
        age: Some(Duration::from_secs(age)),
        ttl: Duration::from_secs(10),
        refs: BTreeSet::from([3, 4]),
    };
    assert!(decide(&with_ours, &[intent(5)], &copied(&[3])).is_ok());
    assert_eq!(decide(&with_ours, &[intent(55)], &copied(&[3])), lost(3), "it died");
}
