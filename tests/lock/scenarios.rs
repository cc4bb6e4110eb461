//! The protocol as it is: no violation in any interleaving of these scenarios.

use crate::explore::{Scenario, explore};
use crate::others::Operator;
use crate::variant::Variant;
use crate::world::{Budget, Stacks};

pub(crate) const NOTHING: Stacks = 0;
pub(crate) const C: Stacks = 1;
pub(crate) const D: Stacks = 2;
pub(crate) const CD: Stacks = 3;

/// Times to live, kills, lost answers, renewals.
pub(crate) fn budget(ttl: u8, kills: u8, lost_answers: u8, renewals: u8) -> Budget {
    Budget { ttl, kills, lost_answers, renewals, late_copies: 0 }
}

pub(crate) fn sessions(configs: &[Stacks], budget: Budget) -> Scenario {
    Scenario { configs: configs.to_vec(), first_ever: false, budget, cfngin: None, operator: Operator::Gone }
}

fn holds(name: &str, scenario: &Scenario) {
    match explore(scenario, Variant::Sound) {
        Ok(explored) => println!("{name}: {} states, {} transitions", explored.states, explored.transitions),
        Err(found) => panic!("{name}: {found}"),
    }
}

/// Whether the large bounds were asked for (`cargo xtask ci --full`).
fn large() -> bool {
    std::env::var_os("RUNWAY_RS_LONG_TESTS").is_some()
}

#[test]
fn two_sessions() {
    holds("two sessions", &sessions(&[C, CD], budget(2, 1, 0, 0)));
    holds("same config", &sessions(&[C, C], budget(2, 1, 0, 0)));
    holds("opposite", &sessions(&[C, D], budget(2, 1, 0, 0)));
    holds("to empty", &sessions(&[NOTHING, D], budget(2, 1, 0, 0)));
    holds("both to empty", &sessions(&[NOTHING, NOTHING], budget(2, 1, 0, 0)));
}

#[test]
fn first_sessions_ever() {
    for (name, configs, budget) in
        [("first ever", [C, CD], budget(2, 1, 0, 0)), ("first ever, opposite", [C, D], budget(2, 1, 1, 0))]
    {
        holds(name, &Scenario { first_ever: true, ..sessions(&configs, budget) });
    }
}

#[test]
fn lost_answers_and_renewals() {
    holds("with lost answers and renewals", &sessions(&[C, CD], budget(1, 1, 1, 1)));
    if large() {
        holds("deep", &sessions(&[C, CD], budget(3, 2, 1, 1)));
        holds("deep, opposite", &sessions(&[C, D], budget(3, 2, 1, 1)));
    }
}

#[test]
fn late_copies() {
    let late = |ttl, kills| Budget { late_copies: 1, ..budget(ttl, kills, 0, 0) };
    for configs in [[C, CD], [D, CD], [NOTHING, C], [C, NOTHING]] {
        holds("late copy", &sessions(&configs, late(1, 1)));
    }
    if large() {
        holds("late copy, three sessions", &sessions(&[D, CD, D], late(1, 0)));
    }
}

#[test]
fn three_sessions() {
    holds("three sessions", &sessions(&[C, CD, D], budget(0, 1, 0, 0)));
    if large() {
        holds("three sessions with a dead one", &sessions(&[C, CD, D], budget(1, 1, 0, 0)));
    }
}

#[test]
fn operators() {
    for (name, operator, budget) in [
        ("operator removes the tag", Operator::RemoveTag, budget(1, 1, 0, 0)),
        ("operator forces", Operator::Force, budget(1, 0, 0, 0)),
        ("operator deletes the lease", Operator::DeleteLease, budget(1, 1, 0, 0)),
        ("operator deletes the graph", Operator::DeleteGraph, budget(1, 1, 0, 0)),
    ] {
        holds(name, &Scenario { operator, ..sessions(&[C, CD], budget) });
    }
    if large() {
        let (operator, budget) = (Operator::RemoveTag, budget(1, 0, 1, 1));
        holds("the same, lost answers, renewals", &Scenario { operator, ..sessions(&[C, CD], budget) });
    }
}

#[test]
fn cfngin_runs() {
    for (ours, theirs) in [(C, C), (CD, CD), (C, NOTHING), (CD, D)] {
        let scenario = sessions(&[ours], budget(0, 2, 0, 1));
        holds("CFNgin and one session", &Scenario { cfngin: Some(theirs), ..scenario });
    }
    let scenario = sessions(&[C], budget(0, 0, 0, 0));
    let operator = Operator::RemoveTag;
    holds("CFNgin, operator, one session", &Scenario { cfngin: Some(C), operator, ..scenario });
    if large() {
        let scenario = sessions(&[C, CD], budget(1, 0, 0, 0));
        holds("CFNgin and two sessions", &Scenario { cfngin: Some(C), ..scenario });
    }
}
