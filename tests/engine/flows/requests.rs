//! What runs cost, in requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use runway_core::exit::ExitCode;
use runway_local::faulty::Faulty;

use crate::support::{Project, World, template};

/// `count` stacks in layers of ten, each reading from one of the layer below.
fn layered(count: usize, note: &str) -> Project {
    let mut project = Project::default().file("t.yml", &template(&[]));
    for index in 0..count {
        let note = match index.checked_sub(10) {
            Some(below) => format!("\"${{output s{below:03}.Note}}\""),
            None => note.to_owned(),
        };
        project.stacks.push_str(&format!(
            "  - {{name: s{index:03}, template_path: t.yml, variables: {{Note: {note}}}}}\n"
        ));
    }
    project
}

async fn counted(world: &World, project: &Project) -> (BTreeMap<&'static str, usize>, usize) {
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let run = world.behind(Arc::new(faulty.clone())).deploy(project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    (faulty.counts(), faulty.total())
}

#[tokio::test(start_paused = true)]
async fn a_run_without_changes_asks_once_for_every_template() {
    for count in [1, 10, 60] {
        let world = World::new();
        assert_eq!(world.deploy(&layered(count, "x")).await.exit(), ExitCode::Ok);
        let (counts, total) = counted(&world, &layered(count, "x")).await;
        let pages = world.pages().await;
        assert!(total <= pages + count + 5, "{count} stacks in {pages} pages: {counts:?}");
        let faulty = Faulty::new(Arc::clone(&world.provider));
        world.behind(Arc::new(faulty.clone())).plan(&layered(count, "x")).await;
        assert!(faulty.total() <= pages + count + 5, "plan: {:?}", faulty.counts());
        let writes =
            ["PutObject", "DeleteObject", "PutObjectTagging", "CreateStack", "UpdateStack", "DeleteStack"];
        assert!(writes.iter().all(|operation| !counts.contains_key(operation)), "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_deploy_uploads_and_creates_each_stack_once() {
    let world = World::new();
    let (counts, _) = counted(&world, &layered(60, "x")).await;
    assert_eq!(counts["CreateStack"], 60);
    // One upload for each stack, the state and the graph twice, the lease, and its renewals.
    assert!((65..=75).contains(&counts["PutObject"]), "{counts:?}");
    assert_eq!(counts.get("HeadObject"), None);
    // Six layers: one look at the tag before each, and one at the end.
    assert!(counts["GetObjectTagging"] <= 12, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn changing_one_stack_costs_a_dozen_requests_beside_the_step() {
    let project = |note: &str| {
        Project::new(&format!("  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}}}\n"))
            .file("t.yml", &template(&[]))
    };
    let world = World::new();
    assert_eq!(world.deploy(&project("x")).await.exit(), ExitCode::Ok);
    let (counts, _) = counted(&world, &project("y")).await;
    let locking: usize =
        ["GetObject", "GetObjectTagging", "DeleteObject"].iter().map(|name| counts[name]).sum();
    // Three reads, a lease, two looks at the tag, state and graph twice, one deletion; the template is in the bucket already.
    assert_eq!((locking, counts["PutObject"]), (3 + 3 + 1, 1 + 2 + 2), "{counts:?}");
}
