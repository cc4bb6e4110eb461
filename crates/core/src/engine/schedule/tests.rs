use proptest::prelude::*;

use super::*;
use crate::ident::StackFqn;
use crate::plan::{Action, Certainty, Changes, Purpose, Reason, Step};

fn step(name: &str, action: Action, needs: &[&str]) -> Step {
    Step {
        name: name.into(),
        fqn: StackFqn::new(name),
        stack_id: None,
        action,
        reasons: vec![Reason::Absent],
        needs: needs.iter().map(|need| NodeName::from(*need)).collect(),
        certainty: Certainty::Will,
        adopted: false,
        changes: Changes::default(),
        notes: Vec::new(),
        change_set: None,
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        losses: Vec::new(),
        purpose: Purpose::Deploy,
        namespace: "ns".into(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        steps,
        hooks: Vec::new(),
        notes: Vec::new(),
    }
}

fn names(list: &[NodeName]) -> Vec<&str> {
    list.iter().map(NodeName::as_str).collect()
}

#[test]
fn a_dependant_starts_as_soon_as_its_own_needs_are_done() {
    let mut schedule = Schedule::new(&plan(vec![
        step("slow", Action::Create, &[]),
        step("vpc", Action::Create, &[]),
        step("app", Action::Create, &["vpc"]),
        step("end", Action::Create, &["slow", "app"]),
    ]));
    assert_eq!(names(&schedule.take_ready(9)), ["vpc", "slow"], "the longer chain comes first");
    schedule.finish(&"vpc".into(), true);
    assert_eq!(names(&schedule.take_ready(9)), ["app"], "no barrier: slow is still running");
    schedule.finish(&"app".into(), true);
    assert!(schedule.take_ready(9).is_empty());
    schedule.finish(&"slow".into(), true);
    assert_eq!(names(&schedule.take_ready(9)), ["end"]);
}

#[test]
fn a_failure_blocks_only_what_stands_behind_it() {
    let mut schedule = Schedule::new(&plan(vec![
        step("a", Action::Create, &[]),
        step("b", Action::Create, &[]),
        step("c", Action::Create, &["a"]),
        step("d", Action::Create, &["c", "b"]),
    ]));
    schedule.take_ready(9);
    let blocked = schedule.finish(&"a".into(), false);
    let by = |name: &str| {
        blocked.iter().find(|blocked| blocked.name.as_str() == name).map(|blocked| blocked.by.clone())
    };
    assert_eq!(by("c"), Some(BTreeSet::from(["a".into()])));
    assert_eq!(by("d"), Some(BTreeSet::from(["c".into()])));
    schedule.finish(&"b".into(), true);
    assert!(schedule.is_finished());
}

#[test]
fn order_goes_through_unchanged_stacks() {
    let mut schedule = Schedule::new(&plan(vec![
        step("vpc", Action::Update, &[]),
        step("middle", Action::None, &["vpc"]),
        step("app", Action::Update, &["middle"]),
    ]));
    assert_eq!(names(&schedule.take_ready(9)), ["vpc"]);
    schedule.finish(&"vpc".into(), true);
    assert_eq!(names(&schedule.take_ready(9)), ["app"]);
}

proptest! {
    /// Whatever fails, in whatever order: nothing starts before its needs, and every step ends or is blocked.
    #[test]
    fn every_step_runs_after_its_needs_or_is_blocked(
        edges in proptest::collection::vec((0_usize..12, 0_usize..12), 0..30),
        failures in proptest::collection::btree_set(0_usize..12, 0..4),
        limit in 1_usize..5,
    ) {
        let name = |index: usize| format!("s{index:02}");
        let steps = (0..12)
            .map(|index| {
                let needs: Vec<String> =
                    edges.iter().filter(|(from, to)| *from == index && to < from).map(|(_, to)| name(*to)).collect();
                step(&name(index), Action::Create, &needs.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .collect();
        let plan = plan(steps);
        let mut schedule = Schedule::new(&plan);
        let (mut done, mut blocked) = (BTreeSet::new(), BTreeSet::new());
        while !schedule.is_finished() {
            let started = schedule.take_ready(limit);
            prop_assert!(!started.is_empty(), "an unfinished schedule with nothing running must offer a step");
            for stack in started {
                let step = plan.step(&stack).unwrap();
                prop_assert!(step.needs.is_subset(&done));
                let fails = failures.iter().any(|index| name(*index) == stack.as_str());
                blocked.extend(schedule.finish(&stack, !fails).into_iter().map(|blocked| blocked.name));
                if !fails {
                    done.insert(stack);
                }
            }
        }
        prop_assert!(done.is_disjoint(&blocked));
    }
}
