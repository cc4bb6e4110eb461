use std::fs;

use runway_core::provider::{CloudFormation, ErrorKind, StackRef, StackStatus};

use super::{clock, history, name, request, settled, two, with};
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
    for (text, words) in [
        ("{\"version\": 2, \"stac", "; restore it, or move it away to begin anew"),
        ("[]", "; restore it, or move it away to begin anew"),
        ("{\"version\": 3, \"piles\": []}", "has version 3, newer than this program understands"),
        ("{\"version\": 1, \"stacks\": []}", "has version 1, which this program no longer reads"),
    ] {
        fs::write(&path, text).unwrap();
        let error = open().unwrap_err();
        assert!(error.to_string().contains("state.json"), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        let refused = cloud.create_stack(&request("app", &two())).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::LocalState);
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

    let below = Local::directory(file.join("below"), clock(), Options::default()).unwrap_err();
    assert!(matches!(below, LocalError::Denied { .. }), "{below}");

    let error = LocalError::access(
        std::path::Path::new("/srv/cloud/state.lock"),
        &std::io::Error::from_raw_os_error(read_only_file_system()),
    );
    let error = error.during("CreateStack", "app");
    assert_eq!(error.kind, ErrorKind::LocalAccess);
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
    assert_eq!(error.kind, ErrorKind::LocalState);
    assert!(error.message.contains("script.json is malformed: unknown field `secs`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_state_before_the_last_change_is_kept_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Local::directory(directory.path(), clock(), Options::default());
    let (state, backup) = (directory.path().join("state.json"), directory.path().join("state.json.previous"));
    let cloud = open().unwrap();
    cloud.create_stack(&request("first", &two())).await.unwrap();
    let before = fs::read(&state).unwrap();
    cloud.create_stack(&request("second", &two())).await.unwrap();
    assert_eq!(fs::read(&backup).unwrap(), before);
    fs::write(&state, "{").unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("state.json.previous holds what it was before its last change"), "{error}");
    fs::rename(&backup, &state).unwrap();
    assert!(open().unwrap().describe_stack(&name("first")).await.unwrap().is_some());
    assert!(cloud.describe_stack(&name("second")).await.unwrap().is_none(), "a restored state is seen");
}

#[tokio::test(start_paused = true)]
async fn the_state_does_not_grow_with_what_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = Local::directory(directory.path(), clock(), Options::default()).unwrap();
    let length = || fs::metadata(directory.path().join("state.json")).unwrap().len();
    let mut first = None;
    let mut lengths = Vec::new();
    for round in 0..60 {
        let id = cloud.create_stack(&with(request("app", &two()), &[], &format!("c{round}"))).await.unwrap();
        first.get_or_insert(StackRef::Id(id.clone()));
        settled(&cloud, "app").await;
        for update in 0..4 {
            let (size, token) = ((update + 2).to_string(), format!("u{round}-{update}"));
            cloud.update_stack(&with(request("app", &two()), &[("Size", &size)], &token)).await.unwrap();
            settled(&cloud, "app").await;
        }
        cloud.delete_stack(&name("app"), None, &format!("d{round}")).await.unwrap();
        while cloud.describe_stack(&name("app")).await.unwrap().is_some() {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let gone = cloud.describe_stack(&StackRef::Id(id)).await.unwrap().unwrap();
        assert_eq!(gone.status, StackStatus::DeleteComplete);
        lengths.push(length());
    }
    assert!(lengths[59] < lengths[29] + 2_000, "{lengths:?}");
    assert_eq!(cloud.describe_stack(&first.unwrap()).await.unwrap(), None, "long gone");
}

#[tokio::test(start_paused = true)]
async fn regions_are_apart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let open = |region: &str| {
        let options = Options { region: region.to_owned(), ..Options::default() };
        Local::directory(directory.path(), clock.clone(), options).unwrap()
    };
    let (east, west) = (open("us-east-1"), open("eu-west-1"));
    let mut template = two();
    template["Outputs"]["Size"]["Export"] = serde_json::json!({"Name": "size"});
    let id = east.create_stack(&request("app", &template)).await.unwrap();
    settled(&east, "app").await;
    assert_eq!(west.describe_stack(&name("app")).await.unwrap(), None);
    assert_eq!(west.describe_stack(&StackRef::Id(id.clone())).await.unwrap(), None);
    assert_eq!(west.describe_stacks(None).await.unwrap().stacks, []);
    west.delete_stack(&StackRef::Id(id.clone()), None, "d").await.unwrap();
    west.create_stack(&request("app", &template)).await.unwrap();
    assert_eq!(settled(&west, "app").await.status, StackStatus::CreateComplete, "exports are apart, too");
    west.delete_stack(&name("app"), None, "d").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(west.describe_stack(&name("app")).await.unwrap(), None);
    assert_eq!(settled(&east, "app").await.id, id);
}

#[tokio::test(start_paused = true)]
async fn a_script_is_forgotten_with_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script.json");
    let cloud = Local::directory(directory.path(), clock(), Options::default()).unwrap();
    let fails = |phase: &str| {
        format!(
            r#"{{"version": 1, "stacks": {{"app": {{"resources": {{"Topic": {{"fail": "no", "fail_on": "{phase}"}}}}}}}}}}"#
        )
    };
    fs::write(&script, fails("delete")).unwrap();
    cloud.create_stack(&request("app", &two())).await.unwrap();
    settled(&cloud, "app").await;
    fs::remove_file(&script).unwrap();
    cloud.delete_stack(&name("app"), None, "d").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(cloud.describe_stack(&name("app")).await.unwrap(), None);

    // What an update drops is scripted by the script of the update.
    cloud.create_stack(&with(request("app", &two()), &[], "c2")).await.unwrap();
    settled(&cloud, "app").await;
    fs::write(&script, fails("delete")).unwrap();
    let without = serde_json::json!({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}});
    cloud.update_stack(&with(request("app", &without), &[], "u")).await.unwrap();
    settled(&cloud, "app").await;
    let events = history(&cloud, &name("app")).await;
    assert!(events.contains(&"Topic DELETE_FAILED".to_owned()), "{events:?}");
}

#[tokio::test]
async fn a_process_that_holds_the_lock_does_not_stop_timers() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = Local::directory(directory.path(), clock(), Options::default()).unwrap();
    let held = fs::File::create(directory.path().join("state.lock")).unwrap();
    held.lock().unwrap();
    let wanted = request("app", &two());
    let mut creation = Box::pin(cloud.create_stack(&wanted));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), &mut creation).await;
    assert!(waited.is_err(), "the lock is held");
    held.unlock().unwrap();
    creation.await.unwrap();
}
