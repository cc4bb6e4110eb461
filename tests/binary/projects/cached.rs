//! The task cache of a project.

use super::scene::Scene;

const PROJECT: &str = "deployments:\n  - modules: [one.cfn, two.cfn]\n    regions: [us-east-1, eu-west-1]\n    parameters: {note: x}\n";

#[test]
fn modules_of_one_bucket_share_a_cache_and_regions_do_not() {
    let scene = Scene::new(PROJECT);
    scene.module("one.cfn").module("two.cfn");
    scene.run("deploy --yes -e dev").ended(0);
    scene.run("deploy --yes -e dev").ended(0);
    let ran = scene.run("deploy --yes -e dev").ended(0);
    let last = ran.stderr.lines().last().unwrap();
    // Two buckets, one for each region.
    assert!(last.starts_with("cache: 4 hits, 0 misses, 2 requests, saved about "), "{}", ran.stderr);
    let status = scene.run("cache status -e dev --remote").ended(0);
    assert_eq!(status.stdout.matches("bucket: s3://bucket-").count(), 2, "{}", status.stdout);
    assert!(scene.path().join(".runway/cache/runway-rs").is_dir(), "beside the project file");
    scene.run("cache clear --yes -e dev").ended(0);
    let listed = scene.run("cache ls -e dev").ended(0);
    assert!(!listed.stdout.contains("stack-template"), "{}", listed.stdout);
    let whole = scene.run("cache export all.cache -e dev").ended(64);
    assert!(whole.stderr.contains("several_caches"), "{}", whole.stderr);
    assert!(!scene.path().join("all.cache").exists() && whole.stdout.is_empty(), "{}", whole.stdout);
    scene.run("cache export all.cache -e dev --region us-east-1").ended(0);
    let taken = scene.run("cache import all.cache -e dev").ended(64);
    assert!(taken.stdout.is_empty(), "nothing was imported: {}", taken.stdout);
}
