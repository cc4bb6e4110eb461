//! The task cache in workflows.

use crate::support::{CONFIG, Repository};

const DEPLOY: [(&str, &str); 4] =
    [("COMMAND", "deploy"), ("CONFIG", "cfngin.yml"), ("WORKING-DIRECTORY", "infra"), ("PARAMS", "note=x\n")];

/// Whether the bucket has an index of the cache.
fn is_written(repository: &Repository) -> bool {
    let objects = repository.path().join("infra/.runway/local/buckets/my-bucket/objects");
    let names = std::fs::read_dir(objects).unwrap().map(|entry| entry.unwrap().file_name());
    names.into_iter().any(|name| name.to_string_lossy().starts_with("cache%2f"))
}

#[test]
fn a_pull_request_leaves_nothing_in_the_bucket_s_part() {
    let repository = Repository::new(CONFIG);
    let mut proposed = repository.command(&DEPLOY);
    repository.ended(proposed.env("GITHUB_EVENT_NAME", "pull_request").spawn().unwrap(), 0);
    assert!(!is_written(&repository));
    let mut merged = repository.command(&DEPLOY);
    repository.ended(merged.env("GITHUB_EVENT_NAME", "push").spawn().unwrap(), 0);
    assert!(is_written(&repository));
}
