//! `new`.

use super::scene::Scene;

#[test]
fn the_starter_deploys_as_it_is_and_overwrites_nothing() {
    let scene = Scene::new("deployments: []\n");
    assert!(scene.run("new").ended(10).stderr.contains("runway.yml exists already"));
    let ran = scene.run("new inner").ended(0);
    assert!(ran.stderr.contains("wrote inner/runway.yml"), "{}", ran.stderr);
    scene.run_in("inner", "validate -e dev").ended(0);
    scene.run_in("inner", "deploy -e dev --yes").ended(0);
    let plan = scene.run_in("inner", "plan -e dev --detailed-exitcode").ended(0);
    assert!(plan.stdout.contains("No changes"), "{}", plan.stdout);
    let status = scene.run_in("inner", "status -e dev").ended(0).stdout;
    assert!(status.contains("sampleapp-dev-second"), "{status}");
    scene.run_in("inner", "destroy -e dev --yes").ended(0);
    scene.run("new inner").ended(10);
    assert!(scene.run("schema runway").ended(0).stdout.contains("\"parallel_regions\""));
}
