//! What runs cost in requests, counted by the server.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::support::Scene;

/// Stacks on one page of moto's DescribeStacks.
const PAGE: usize = 50;

fn flat(count: usize, note: &str) -> String {
    let mut stacks = String::new();
    for index in 0..count {
        let _ = writeln!(
            stacks,
            "  - {{name: s{index}, template_path: templates/t.yml, variables: {{Note: {note}, Up: none}}}}"
        );
    }
    stacks
}

fn total(requests: &BTreeMap<String, usize>) -> usize {
    requests.values().sum()
}

fn count(requests: &BTreeMap<String, usize>, operation: &str) -> usize {
    requests.get(operation).copied().unwrap_or_default()
}

#[test]
fn runs_stay_within_their_budgets() {
    let scene = Scene::new();
    scene.make_bucket();
    for stacks in [1, 10, 60] {
        scene.config(&flat(stacks, "x"));
        let (_, first) = scene.counted(|| scene.run("deploy --yes").ended(0));
        assert_eq!(count(&first, "HeadObject") + count(&first, "HeadBucket"), 0, "{first:?}");

        let pages = stacks.div_ceil(PAGE);
        let writes = |requests: &BTreeMap<String, usize>| {
            let reads = |name: &&String| name.starts_with("Get") || *name == "DescribeStacks";
            requests.iter().filter(|(name, _)| !reads(name)).map(|(_, count)| count).sum::<usize>()
        };
        // What is new is read once, and noted for whoever comes next.
        let (_, requests) = scene.counted(|| scene.run("deploy --yes").ended(0));
        assert!(total(&requests) <= pages + stacks + 6, "{stacks} stacks: {requests:?}");
        assert_eq!((writes(&requests), count(&requests, "PutObject")), (1, 1), "{requests:?}");
        for line in ["plan", "deploy --yes", "plan --format json"] {
            let (_, requests) = scene.counted(|| scene.run(line).ended(0));
            assert!(total(&requests) <= pages + 5, "{line} with {stacks} stacks: {requests:?}");
            assert_eq!((writes(&requests), count(&requests, "GetTemplate")), (0, 0), "{line}: {requests:?}");
        }
        // On a machine that has never seen these stacks.
        let own = scene.path().join(".runway/cache");
        std::fs::remove_dir_all(&own).unwrap_or_else(|error| panic!("{}: {error}", own.display()));
        let (_, requests) = scene.counted(|| scene.run("plan").ended(0));
        assert!(total(&requests) <= pages + 5, "{stacks} stacks: {requests:?}");
    }
    assert_eq!(scene.stacks().len(), 60);
}

#[test]
fn a_first_deploy_sends_each_template_and_each_creation_once() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config(&flat(30, "x"));
    let (_, requests) = scene.counted(|| scene.run("deploy --yes").ended(0));
    assert_eq!(count(&requests, "CreateStack"), 30, "{requests:?}");
    // The templates; state and graph twice; the lease, and its renewals if the machine is slow.
    assert!((35..=40).contains(&count(&requests, "PutObject")), "{requests:?}");
    assert_eq!(count(&requests, "GetTemplate"), 0, "{requests:?}");
    // One look at all for the plan, one under the lock, and then one for all stacks under way at a time.
    assert!(count(&requests, "DescribeStacks") < 20, "{requests:?}");

    // One changed stack: three reads, the plan's templates, lease, state, graph, two looks, and the step.
    let changed = flat(30, "x").replacen("Note: x", "Note: y", 1);
    scene.config(&changed);
    let (_, requests) = scene.counted(|| scene.run("deploy --yes").ended(0));
    assert_eq!(count(&requests, "UpdateStack"), 1, "{requests:?}");
    assert!(total(&requests) - count(&requests, "GetTemplate") <= 22, "{requests:?}");
}
