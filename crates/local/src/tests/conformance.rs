use std::sync::Arc;

use runway_core::conformance::{ConformanceOptions, cloudformation};
use runway_core::provider::{CloudFormation, ErrorKind, Provider};

use super::{clock, cloud, name, request, two};
use crate::faulty::{Faulty, Verdict};
use crate::{Local, Options};

fn options() -> ConformanceOptions {
    ConformanceOptions { prefix: "suite".to_owned(), strict: true }
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_every_promise() {
    cloudformation(&cloud(), &*clock(), &options()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_directory_keeps_every_promise() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = Local::directory(directory.path().join("cloud"), clock(), Options::default()).unwrap();
    cloudformation(&cloud, &*clock(), &options()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_fault_wrapper_changes_nothing_by_itself() {
    let faulty = Faulty::new(Arc::new(cloud()));
    cloudformation(&faulty, &*clock(), &options()).await.unwrap();
    assert!(faulty.counts()["CreateStack"] > 60);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_has_taken_effect() {
    let cloud = cloud();
    let faulty = Faulty::new(Arc::new(cloud.clone()))
        .with_rule("CreateStack", "before", 1, Verdict::FailBefore(ErrorKind::Throttled))
        .with_rule("CreateStack", "after", 1, Verdict::FailAfter(ErrorKind::Unavailable));
    let api = faulty.cloudformation();
    assert_eq!(api.create_stack(&request("before", &two())).await.unwrap_err().kind, ErrorKind::Throttled);
    assert_eq!(api.create_stack(&request("after", &two())).await.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(cloud.describe_stack(&name("before")).await.unwrap(), None);
    assert!(cloud.describe_stack(&name("after")).await.unwrap().is_some());
    // The token finds the stack again.
    api.create_stack(&request("after", &two())).await.unwrap();
    let log: Vec<_> = faulty.log().iter().map(ToString::to_string).collect();
    assert_eq!(log, ["CreateStack before", "CreateStack after", "CreateStack after"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_can_stop_a_session_at_any_request() {
    let cloud = cloud();
    let faulty = Faulty::new(Arc::new(cloud.clone()))
        .with_hook(|number, _| if number == 1 { Verdict::HangForever } else { Verdict::Proceed });
    let api = faulty.cloudformation();
    api.describe_stacks(None).await.unwrap();
    let second = request("app", &two());
    let created = api.create_stack(&second);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(3600), created).await;
    assert!(ended.is_err(), "the request should never end");
    assert_eq!(cloud.describe_stack(&name("app")).await.unwrap(), None);
}
