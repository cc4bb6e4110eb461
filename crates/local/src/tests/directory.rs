use std::fs;

use runway_core::provider::{CloudFormation, ErrorKind, StackStatus};

use super::{clock, name, request, settled, two};
use crate::{Local, LocalError, Options};

#[tokio::test(start_paused = true)]
async fn two_processes_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/cloud");
    let clock = clock();
    let open = || Local::directory(&path, clock.clone(), Options::default()).unwrap();
    let (first, second) = (open(), open());
    assert_eq!(first.describe_stack(&name("app")).await.unwrap(), None);
    assert!(!path.exists(), "reading creates nothing");
    first.create_stack(&request("app", &two())).await.unwrap();
    second.create_stack(&request("other", &two())).await.unwrap();
    assert_eq!(settled(&second, "app").await.status, StackStatus::CreateComplete);
    let before = fs::read(path.join("state.json")).unwrap();
    assert_eq!(open().describe_stacks(None).await.unwrap().stacks.len(), 2);
    assert_eq!(fs::read(path.join("state.json")).unwrap(), before, "reading writes nothing");
}

#[tokio::test(start_paused = true)]
async fn racing_creations_have_one_winner_and_unique_ids() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let cloud = Local::directory(directory.path(), clock.clone(), Options::default()).unwrap();
            std::thread::spawn(move || {
                let mut wanted = request("same", &two());
                wanted.token = format!("thread-{thread}");
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let mut own = request(&format!("own-{thread}"), &two());
                own.token = format!("own-{thread}");
                runtime.block_on(async {
                    (cloud.create_stack(&wanted).await, cloud.create_stack(&own).await.unwrap())
                })
            })
        })
        .collect();
    let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(answers.iter().filter(|(same, _)| same.is_ok()).count(), 1);
    let ids: std::collections::BTreeSet<_> = answers.iter().map(|(_, own)| own.clone()).collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_read_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let open = || Local::directory(directory.path(), clock(), Options::default());
    let cloud = open().unwrap();
    for (text, newer) in
        [("{\"version\": 1, \"stac", false), ("[]", false), ("{\"version\": 2, \"piles\": []}", true)]
    {
        fs::write(&path, text).unwrap();
        let error = open().unwrap_err();
        assert_eq!(matches!(error, LocalError::Newer { version: 2, .. }), newer, "{error}");
        assert_eq!(matches!(error, LocalError::Corrupt { .. }), !newer, "{error}");
        assert!(error.to_string().contains("state.json"), "{error}");
        let refused = cloud.create_stack(&request("app", &two())).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Unavailable);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Local::directory(&file, clock(), Options::default()).unwrap_err();
    assert!(matches!(error, LocalError::NotADirectory { .. }), "{error}");
    assert!(error.to_string().contains("file is not a directory"), "{error}");

    let error = LocalError::access(
        std::path::Path::new("/srv/cloud/state.lock"),
        &std::io::Error::from_raw_os_error(read_only_file_system()),
    );
    let error = error.during("CreateStack", "app");
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("/srv/cloud/state.lock"), "{error}");
}

/// `EROFS` on Linux and macOS.
fn read_only_file_system() -> i32 {
    30
}

#[tokio::test(start_paused = true)]
async fn the_script_file_times_and_fails() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script.json");
    let cloud = Local::directory(directory.path(), clock(), Options::default()).unwrap();
    fs::write(
        &script,
        r#"{"version": 1, "stacks": {
            "*": {"seconds": 10},
            "app": {"resources": {"Topic": {"fail": "no capacity", "fail_on": "create"}}}
        }}"#,
    )
    .unwrap();
    cloud.create_stack(&request("app", &two())).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(19)).await;
    let state = cloud.describe_stack(&name("app")).await.unwrap().unwrap();
    assert_eq!(state.status, StackStatus::CreateInProgress);
    assert_eq!(settled(&cloud, "app").await.status, StackStatus::RollbackComplete);
    fs::write(&script, r#"{"stacks": {"app": {"secs": 1}}}"#).unwrap();
    let error = cloud.create_stack(&request("new", &two())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Validation);
    assert!(error.message.contains("script.json is malformed: unknown field `secs`"), "{error}");
}
