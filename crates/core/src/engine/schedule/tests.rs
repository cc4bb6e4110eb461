use proptest::prelude::*;

use super::*;
use crate::ident::StackFqn;
use crate::plan::{Action, Certainty, Changes, Purpose, Reason, Step, StepTask};
use crate::task::TaskKinds;

fn step(name: &str, action: Action, needs: &[&str]) -> Step {
    Step {
        name: name.into(),
        fqn: StackFqn::new(name),
        task: None,
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

/// A frontier that only needs and slots hold back.
fn frontier(plan: Plan) -> Schedule {
    Schedule::new(&plan, Limits::of_run(100))
}

fn names(list: &[NodeName]) -> Vec<&str> {
    list.iter().map(NodeName::as_str).collect()
}

#[test]
fn a_dependant_starts_as_soon_as_its_own_needs_are_done() {
    let mut schedule = frontier(plan(vec![
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
    let mut schedule = frontier(plan(vec![
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
    let mut schedule = frontier(plan(vec![
        step("vpc", Action::Update, &[]),
        step("middle", Action::None, &["vpc"]),
        step("app", Action::Update, &["middle"]),
    ]));
    assert_eq!(names(&schedule.take_ready(9)), ["vpc"]);
    schedule.finish(&"vpc".into(), true);
    assert_eq!(names(&schedule.take_ready(9)), ["app"]);
}

fn key(api: &str) -> LimitKey {
    LimitKey { account: "123456789012".into(), region: "us-east-1".into(), api: api.into() }
}

/// The API of a step is the first letter of its name.
fn by_letter(step: &Step) -> BTreeSet<LimitKey> {
    BTreeSet::from([key(&step.name.as_str()[..1])])
}

#[test]
fn a_full_key_keeps_no_other_step_from_starting() {
    let steps = ["a1", "a2", "a3", "b1"].map(|name| step(name, Action::Create, &[]));
    let behind = step("a4", Action::Create, &["a2"]);
    let plan = plan(steps.into_iter().chain([behind]).collect());
    let mut schedule = Schedule::with_keys(&plan, Limits::new(1), by_letter);
    assert_eq!(
        names(&schedule.take_ready(9)),
        ["a2", "b1"],
        "the longest chain has the key, and b1 passes by"
    );
    assert!(!schedule.has_ready(), "a1 and a3 wait for the key");
    schedule.finish(&"b1".into(), true);
    assert!(!schedule.has_ready());
    assert!(schedule.finish(&"a2".into(), true).is_empty());
    assert_eq!(names(&schedule.take_ready(9)), ["a1"], "one at a time");
    schedule.finish(&"a1".into(), false);
    assert_eq!(names(&schedule.take_ready(9)), ["a3"], "a failure gives the key back");
}

#[test]
fn accounts_and_regions_have_their_own_limits() {
    let steps = ["a", "b", "c", "d"].map(|name| step(name, Action::Create, &[]));
    let places = BTreeMap::from([
        ("a", ("1", "us-east-1")),
        ("b", ("1", "eu-west-1")),
        ("c", ("2", "us-east-1")),
        ("d", ("2", "us-east-1")),
    ]);
    let keys = |step: &Step| {
        let (account, region) = places[step.name.as_str()];
        BTreeSet::from([LimitKey { account: account.into(), region: region.into(), api: "x".into() }])
    };
    let plan = plan(steps.to_vec());
    assert_eq!(names(&Schedule::with_keys(&plan, Limits::new(1), keys).take_ready(9)), ["a", "b", "c"]);
    let two = Limits::new(1).with("x", 2);
    assert_eq!(Schedule::with_keys(&plan, two, keys).take_ready(9).len(), 4);
}

#[test]
fn stacks_are_limited_by_the_concurrency_of_the_run() {
    let steps = ["a", "b", "c"].map(|name| step(name, Action::Create, &[]));
    let plan = plan(steps.to_vec());
    assert_eq!(Schedule::new(&plan, Limits::of_run(2)).take_ready(9).len(), 2);
    // Nobody can ask for a run that never starts anything.
    assert_eq!(Schedule::new(&plan, Limits::of_run(0)).take_ready(9).len(), 1);
}

/// A step of a task of a built-in kind.
fn task(name: &str, kind: &str, region: &str) -> Step {
    let services = TaskKinds::default().get(kind).unwrap().services();
    let task = StepTask {
        kind: kind.into(),
        subject: None,
        account: "123456789012".into(),
        region: region.into(),
        services,
        digest: String::new(),
        record: None,
        settled: true,
        leaves: false,
    };
    Step { task: Some(task), ..step(name, Action::Create, &[]) }
}

#[test]
fn a_task_waits_for_every_service_that_has_work_because_of_it() {
    let first = |one: Step, other: Step, limits: Limits| {
        Schedule::new(&plan(vec![one, other]), limits).take_ready(9).len()
    };
    let here = |name: &str, kind: &str| task(name, kind, "us-east-1");
    let one = Limits::new(1);
    // What makes a stack is work for CloudFormation, as a stack is.
    for kind in ["launch_role_constraint", "provisioned_product", "stack_absent", "bootstrap_spoke"] {
        assert_eq!(first(here("a", kind), step("b", Action::Create, &[]), one.clone()), 1, "{kind}");
    }
    for kind in ["launch_role_constraint", "provisioned_product"] {
        assert_eq!(first(here("a", kind), here("b", "portfolio"), one.clone()), 1, "{kind}");
    }
    assert_eq!(first(here("a", "portfolio"), step("b", Action::Create, &[]), one.clone()), 2);
    // Another region has its own limits, and there is one organization.
    assert_eq!(first(here("a", "portfolio"), task("b", "portfolio", "eu-west-1"), one), 2);
    let units = |region| task("b", "org_policy_attachment", region);
    assert_eq!(first(here("a", "organizational_unit"), units("eu-west-1"), Limits::of_run(9)), 1);
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
        let mut schedule = frontier(plan.clone());
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

    /// Whatever keys steps need, and however long they take: no limit is exceeded, what could start does, and every step
    /// runs.
    #[test]
    fn keys_are_never_overdrawn_and_never_idle(
        edges in proptest::collection::vec((0_usize..12, 0_usize..12), 0..20),
        wanted in proptest::collection::vec(proptest::collection::btree_set(0_usize..4, 0..4), 12),
        durations in proptest::collection::vec(1_usize..5, 12),
        limits in proptest::collection::vec(1_usize..4, 4),
        slots in 1_usize..6,
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
        let index_of = |stack: &NodeName| stack.as_str()[1..].parse::<usize>().unwrap();
        let keys_of = |index: usize| wanted[index].iter().map(|api| key(&api.to_string())).collect::<BTreeSet<_>>();
        let limited = limits
            .iter()
            .enumerate()
            .fold(Limits::new(9), |all, (api, limit)| all.with(&api.to_string(), *limit));
        let mut schedule = Schedule::with_keys(&plan, limited, |step| keys_of(index_of(&step.name)));
        let mut running: BTreeMap<NodeName, usize> = BTreeMap::new();
        let mut done = BTreeSet::new();
        let mut ticks = 0;
        while !schedule.is_finished() {
            ticks += 1;
            prop_assert!(ticks < 100, "no step may wait for ever");
            for stack in schedule.take_ready(slots - running.len()) {
                let left = durations[index_of(&stack)];
                running.insert(stack, left);
            }
            let users = |api: usize| running.keys().filter(|stack| wanted[index_of(stack)].contains(&api)).count();
            for (api, limit) in limits.iter().enumerate() {
                prop_assert!(users(api) <= *limit, "key {api} has {} of {limit} users", users(api));
            }
            // Whoever still waits, waits for a need, for a slot, or for a key that is full.
            for stack in schedule.waiting() {
                let is_ready = plan.step(&stack).unwrap().needs.is_subset(&done);
                let is_full = wanted[index_of(&stack)].iter().any(|api| users(*api) == limits[*api]);
                prop_assert!(!is_ready || is_full || running.len() == slots, "{stack} was held back for nothing");
            }
            prop_assert!(!running.is_empty());
            running.values_mut().for_each(|left| *left -= 1);
            let ended: Vec<NodeName> =
                running.iter().filter(|(_, left)| **left == 0).map(|(stack, _)| stack.clone()).collect();
            for stack in ended {
                running.remove(&stack);
                schedule.finish(&stack, true);
                done.insert(stack);
            }
        }
        prop_assert_eq!(done.len(), 12);
    }
}
