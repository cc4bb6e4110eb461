//! A push that is a part of a config, to a bucket that a stack of the same config creates.

use crate::support::Scene;

const SITE: &str = r#"Resources:
  B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub "site-${AWS::Region}"}}
Outputs: {Bucket: {Value: !Ref B}}
"#;

#[test]
fn a_build_goes_into_the_bucket_that_a_stack_creates() {
    let scene = Scene::new();
    scene.file("templates/site.yml", SITE);
    for (path, text) in
        [("dist/index.html", "<main>"), ("dist/js/app.12345678.js", "1"), ("dist/fed-mods.json", "{}")]
    {
        scene.file(path, text);
    }
    let stacks = "  - {name: site, template_path: templates/site.yml}\nassets:\n  - {app: web, source: dist, bucket: \"${output site.Bucket}\", prune: {enabled: true}}\n";
    scene.config(stacks);
    let planned = scene.run("plan -c cfngin.yml").ended(0);
    assert!(planned.stdout.contains("may create assets/web"), "{}", planned.stdout);
    scene.run("deploy -c cfngin.yml --yes").ended(0).says("3 of 3 files sent");
    let bucket = format!("site-{}", scene.region);
    let found = scene.boto(
        "s3",
        "get_object_tagging",
        &serde_json::json!({"Bucket": bucket, "Key": "data/web/fed-mods.json"}),
    );
    assert!(found.is_object(), "{found}");
    // CFNgin would take it for a stack that left the config.
    assert_eq!(scene.graph().unwrap().into_keys().collect::<Vec<_>>(), ["site"]);

    let (planned, requests) = scene.counted(|| scene.run("plan -c cfngin.yml").ended(0));
    assert!(planned.stdout.contains("No changes"), "{}", planned.stdout);
    assert!(
        !requests.keys().any(|name| name.starts_with("Put") || name.starts_with("Delete")),
        "{requests:?}"
    );
    scene.file("dist/index.html", "<main 2>");
    let planned = scene.run("plan -c cfngin.yml").ended(0);
    assert!(planned.stdout.contains("update assets/web"), "{}", planned.stdout);
    scene.run("deploy -c cfngin.yml --yes").ended(0);
    scene.run(&format!("assets verify --app web --bucket {bucket} --deep")).ended(0);
}
