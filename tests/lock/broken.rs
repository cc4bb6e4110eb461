//! What goes wrong without each of the rules. An explorer that finds nothing here would prove nothing elsewhere.

use runway_core::lock::rules::Rule;

use crate::explore::{Scenario, explore};
use crate::invariants::Violation::{self, P1, P1b, P2, P3, P4, P5, P5b, P7, P8, PD};
use crate::others::Operator;
use crate::scenarios::{C, CD, D, NOTHING, budget, sessions};
use crate::variant::Variant::{self, Without};
use crate::world::Budget;

/// Finds a fault in one of the scenarios, and checks that it is one of those to expect.
fn fails(variant: Variant, expected: &[Violation], scenarios: &[Scenario]) {
    let found = scenarios.iter().find_map(|scenario| explore(scenario, variant).err());
    let Some(found) = found else { panic!("{variant:?}: no fault found") };
    println!("{variant:?}: {found}\n");
    assert!(expected.contains(&found.violation), "{variant:?}: {found}");
}

fn two(ttl: u8, kills: u8, lost: u8, renewals: u8) -> Vec<Scenario> {
    [[C, CD], [C, D], [NOTHING, D]]
        .map(|configs| sessions(&configs, budget(ttl, kills, lost, renewals)))
        .to_vec()
}

fn with_operator(operator: Operator) -> Vec<Scenario> {
    vec![Scenario { operator, ..sessions(&[C, CD], budget(1, 1, 0, 0)) }]
}

fn with_late_copies() -> Vec<Scenario> {
    let late = Budget { late_copies: 1, ..budget(1, 1, 0, 0) };
    [vec![C, CD], vec![D, CD], vec![C, D]].map(|configs| sessions(&configs, late)).to_vec()
}

#[test]
fn writes_without_conditions() {
    fails(Without(Rule::GraphCondition), &[P1b, P2, P3, P5], &two(2, 1, 0, 0));
    fails(Without(Rule::GraphDeletionCondition), &[P1b, P2, P4, P5b], &two(2, 1, 0, 0));
    fails(Without(Rule::LeaseDeletionCondition), &[P5b, P1], &two(2, 1, 0, 0));
    fails(Without(Rule::StateCondition), &[P1b, P3, P4, P5], &two(2, 1, 0, 0));
    fails(Variant::TaggingRequests, &[P1b, P3, P5, P5b], &two(2, 1, 0, 0));
}

#[test]
fn other_locks() {
    fails(Variant::TagIsTheOnlyLock, &[P1, P1b, P2, P3, P5], &two(1, 1, 0, 0));
    // The tag is set before it is known whether the lease can be had: a killed run locks for ever.
    fails(Without(Rule::LeaseDecides), &[P5], &two(1, 1, 0, 0));
    fails(Without(Rule::Mark), &[P5], &two(1, 1, 0, 0));
    fails(Variant::LeaseDeletedFirst, &[P1, P5, P5b], &two(1, 1, 0, 0));
}

#[test]
fn expiry_that_the_owner_does_not_notice() {
    fails(Variant::WallClocks, &[P1], &two(1, 0, 0, 0));
    fails(Without(Rule::LeaseNonce), &[P1], &two(1, 0, 0, 1));
}

#[test]
fn what_was_read_when() {
    fails(Variant::ETagsReadUnderTheLease, &[P1b, P2, P3, P5], &two(1, 0, 0, 0));
    fails(Variant::ReadAgainWithoutRenewing, &[P1b], &two(2, 0, 0, 1));
    fails(Variant::RenewBeforeReadingAgain, &[P1b], &two(2, 0, 0, 2));
    fails(Variant::TagsReadBeforeGraph, &[P5b, P1], &two(0, 0, 0, 0));
}

#[test]
fn records_at_the_wrong_time() {
    fails(Variant::ForgetBeforeDelete, &[P3, P4, P5], &two(1, 1, 0, 0));
    fails(Variant::CreateBeforeRecord, &[P3, P5], &two(1, 1, 0, 0));
    fails(Variant::AbsentStackSettlesIntents, &[P3, P5], &two(2, 0, 0, 0));
    fails(Without(Rule::BodyNonce), &[P1b, P4], &two(2, 1, 0, 0));
    fails(Without(Rule::BodyNonce), &[P1b, P4], &with_late_copies());
}

#[test]
fn answers_misread() {
    fails(Without(Rule::CompareAfterLostAnswer), &[P1, P1b, P5b], &two(1, 0, 1, 0));
    let operator = with_operator(Operator::RemoveTag);
    fails(Without(Rule::MissingTagNeedsCarriedCode), &[P5b, P1], &two(1, 0, 0, 0));
    fails(Without(Rule::RemovedTagReleases), &[P7], &operator);
    fails(Without(Rule::OtherTagsKept), &[P8], &two(0, 0, 0, 0));
}

#[test]
fn looks_left_out() {
    for variant in [Variant::NoLooks, Variant::NoLookAfterRecording, Variant::DescribeAfterLook] {
        fails(variant, &[P7], &with_operator(Operator::RemoveTag));
    }
}

#[test]
fn deletions_by_name() {
    // One session freezes before its deletion, another deletes the stack, and the third creates it again.
    fails(Variant::DeleteByName, &[PD], &[sessions(&[NOTHING, NOTHING, D], budget(1, 0, 0, 0))]);
}

#[test]
fn repairs_left_out() {
    let cfngin = |ours| Scenario { cfngin: Some(NOTHING), ..sessions(&[ours], budget(0, 2, 0, 0)) };
    let mut scenarios = vec![cfngin(C), cfngin(CD)];
    scenarios.extend(with_operator(Operator::DeleteGraph));
    fails(Variant::NoRepair, &[P5], &scenarios);
    fails(Variant::RepairFromFactsOnly, &[P5, P3], &scenarios);
}
