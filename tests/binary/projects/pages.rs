//! Plans of several targets as one page or picture.

use super::scene::Scene;

#[test]
fn plans_of_several_targets_share_a_page() {
    let scene = Scene::new(
        "deployments:
  - modules: [{path: app.cfn, parameters: {note: x}}]
    parallel_regions: [us-east-1, eu-west-1]
",
    );
    scene.module("app.cfn");
    let page = scene.run("plan --format html").ended(0).stdout;
    assert_eq!(page.matches("<!DOCTYPE html>").count(), 1, "{page}");
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("<h2")).collect();
    assert!(
        headings.len() == 2 && headings[0].contains("us-east-1") && headings[1].contains("eu-west-1"),
        "{headings:?}"
    );
    assert_eq!(page, scene.run("plan --format html").ended(0).stdout);
    let svg = scene.run("plan --format svg").ended(0).stdout;
    assert_eq!((svg.matches("<svg").count(), svg.matches("class=\"heading\"").count()), (1, 2), "{svg}");
    let flow = scene.run("plan --format mermaid").ended(0).stdout;
    assert_eq!((flow.matches("flowchart").count(), flow.matches("subgraph").count()), (1, 2), "{flow}");
    let dot = scene.run("plan --format dot").ended(0).stdout;
    assert_eq!((dot.matches("digraph").count(), dot.matches("subgraph").count()), (1, 2), "{dot}");
    assert_eq!(scene.run("plan --format html --detailed-exitcode").ended(2).stdout, page);
}

#[test]
fn a_page_of_some_targets_is_none() {
    let scene = Scene::new(
        "deployments:
  - modules: [{path: app.cfn, parameters: {note: x}}, {path: web.cfn, parameters: {note: unheard-of}}]
    regions: [us-east-1]
",
    );
    scene.module("app.cfn").module("web.cfn");
    let ran = scene.run("plan --format html");
    assert_ne!(ran.status.code(), Some(0));
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("unheard-of"), "{}", ran.stderr);
}
