//! Laws that hold for any sequence of requests.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use runway_core::provider::{CloudFormation, Provider};
use serde_json::{Value, json};

use super::{cloud, name, request, with};
use crate::Local;
use crate::advance::advance;
use crate::state::State;

const STACKS: [&str; 3] = ["a", "b", "c"];
const KINDS: [&str; 4] =
    ["AWS::S3::Bucket", "AWS::EC2::VPC", "AWS::CloudFormation::WaitConditionHandle", "Company::Own::Thing"];

/// One resource of a random template.
#[derive(Debug, Clone)]
struct Random {
    kind: usize,
    value: u8,
    needs: u8,
    millis: u16,
    fail: Option<(usize, bool)>,
}

/// One request.
#[derive(Debug, Clone)]
enum Act {
    Put { stack: usize, resources: Vec<Random>, export: Option<u8>, import: Option<u8>, minutes: Option<u32> },
    Delete { stack: usize },
    Wait { millis: u64 },
}

fn random() -> impl Strategy<Value = Random> {
    let fail = proptest::option::weighted(0.15, (0..4usize, any::<bool>()));
    (0..KINDS.len(), 0..3u8, any::<u8>(), 0..4_000u16, fail)
        .prop_map(|(kind, value, needs, millis, fail)| Random { kind, value, needs, millis, fail })
}

fn act() -> impl Strategy<Value = Act> {
    let put = (
        0..STACKS.len(),
        proptest::collection::vec(random(), 1..6),
        proptest::option::of(0..2u8),
        proptest::option::weighted(0.3, 0..2u8),
        proptest::option::weighted(0.1, 1..2u32),
    )
        .prop_map(|(stack, resources, export, import, minutes)| Act::Put {
            stack,
            resources,
            export,
            import,
            minutes,
        });
    prop_oneof![
        4 => put,
        1 => (0..STACKS.len()).prop_map(|stack| Act::Delete { stack }),
        3 => (0..20_000u64).prop_map(|millis| Act::Wait { millis }),
    ]
}

fn template(resources: &[Random], export: Option<u8>, import: Option<u8>) -> Value {
    let phases = ["create", "update", "delete", "rollback"];
    let mut body = serde_json::Map::new();
    for (index, random) in resources.iter().enumerate() {
        let needs: Vec<_> = (0..index)
            .filter(|at| random.needs >> at & 1 == 1)
            .map(|at| json!({"Ref": format!("R{at}")}))
            .collect();
        let mut marker = json!({"seconds": f64::from(random.millis) / 1000.0});
        if let Some((phase, _)) = random.fail {
            marker["fail"] = "as scripted".into();
            marker["fail_on"] = phases[phase].into();
        }
        body.insert(
            format!("R{index}"),
            json!({
                "Type": KINDS[random.kind],
                "Properties": {"CidrBlock": random.value, "Needs": needs},
                "Metadata": {"runway-rs:local": marker}
            }),
        );
    }
    let mut outputs = json!({"First": {"Value": {"Ref": "R0"}}});
    if let Some(export) = export {
        outputs["First"]["Export"] = json!({"Name": format!("x{export}")});
    }
    if let Some(import) = import {
        outputs["Import"] = json!({"Value": {"Fn::ImportValue": format!("x{import}")}});
    }
    json!({"Resources": body, "Outputs": outputs})
}

async fn perform(cloud: &Local, number: usize, act: &Act) {
    let token = format!("t{number}");
    match act {
        Act::Put { stack, resources, export, import, minutes } => {
            let mut wanted =
                with(request(STACKS[*stack], &template(resources, *export, *import)), &[], &token);
            wanted.timeout_minutes = *minutes;
            // Refusals (a stack in progress, a failed stack) are fine: the laws speak of what is accepted.
            if cloud.create_stack(&wanted).await.is_err() {
                drop(cloud.update_stack(&wanted).await);
            }
        }
        Act::Delete { stack } => drop(cloud.delete_stack(&name(STACKS[*stack]), None, &token).await),
        Act::Wait { millis } => tokio::time::sleep(Duration::from_millis(*millis)).await,
    }
}

fn snapshot(cloud: &Local) -> State {
    cloud.read(State::clone).unwrap()
}

fn later(now: Timestamp, millis: u32) -> Timestamp {
    now.checked_add(SignedDuration::from_millis(i64::from(millis))).unwrap()
}

fn consistent(state: &State) -> Result<(), TestCaseError> {
    let mut exports = std::collections::BTreeSet::new();
    for stack in state.stacks.iter().filter(|stack| stack.is_live()) {
        for export in stack.content.exports.values() {
            prop_assert!(exports.insert(export.clone()), "{export} is exported twice");
        }
        prop_assert_eq!(stack.status.is_in_progress(), stack.operation.is_some(), "{}", &stack.name);
        if stack.status.as_str().ends_with("_COMPLETE") && !stack.status.is_in_progress() {
            let gone = stack.status.as_str() == "ROLLBACK_COMPLETE";
            prop_assert_eq!(stack.resources.is_empty(), gone, "{} {}", &stack.name, stack.status);
        }
        prop_assert!(stack.events.is_sorted_by_key(|event| event.time), "events of {}", &stack.name);
    }
    let imports = state.stacks.iter().filter(|stack| stack.is_live() && stack.operation.is_none());
    for import in imports.flat_map(|stack| &stack.content.imports) {
        prop_assert!(exports.contains(import), "{import} is imported, but gone");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn time_passes_the_same_in_any_steps_and_everything_ends(
        acts in proptest::collection::vec(act(), 1..12),
        looks in proptest::collection::vec(0..30_000u32, 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (state, now) = runtime.block_on(async {
            let cloud = cloud();
            for (number, act) in acts.iter().enumerate() {
                perform(&cloud, number, act).await;
                consistent(&snapshot(&cloud))?;
            }
            prop_assert_eq!(cloud.region(), "us-east-1");
            Ok((snapshot(&cloud), cloud.inner.clock.now()))
        })?;

        let mut looks = looks;
        looks.sort_unstable();
        let mut stepwise = state.clone();
        for millis in looks {
            advance(&mut stepwise, later(now, millis));
            consistent(&stepwise)?;
        }
        let mut at_once = state;
        for state in [&mut stepwise, &mut at_once] {
            advance(state, later(now, 30_000));
        }
        prop_assert_eq!(&stepwise, &at_once);
        advance(&mut at_once, later(now, 3_600_000));
        prop_assert!(at_once.stacks.iter().all(|stack| stack.operation.is_none()), "something never ends");
        consistent(&at_once)?;
        // What is stored is what was there.
        let stored: State = serde_json::from_str(&serde_json::to_string(&at_once).unwrap()).unwrap();
        prop_assert_eq!(stored, at_once);
    }
}
