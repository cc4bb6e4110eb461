//! Saved plans: kept by a plan, carried out by a deploy, or refused.

use crate::support::{CONFIG, Repository, TEMPLATE};
use crate::with;

#[test]
fn a_saved_plan_is_carried_out_and_nothing_else() {
    let repository = Repository::new(CONFIG);
    let file = ("PLAN-FILE", "../stacks.plan");
    let deploy = [("COMMAND", "deploy"), file];
    let plan = repository.run(&with(&[file]), 0);
    assert_eq!((plan.output("plan-file"), plan.output("create")), ("stacks.plan", "2"));
    assert!(repository.path().join("stacks.plan").is_file());
    assert!(plan.commands().is_empty(), "{}", plan.log);

    let done = repository.run(&with(&deploy), 0);
    assert_eq!((done.output("plan-file"), done.output("create")), ("stacks.plan", "2"));
    assert!(done.summary.contains("### Deploy: done"), "{}", done.summary);

    // It was carried out, so what it says is not so any more.
    let again = repository.run(&with(&deploy), 21);
    assert!(again.commands().iter().any(|line| line.starts_with("::error ")), "{}", again.log);
    assert!(again.summary.contains("A saved plan has to be made and reviewed again"), "{}", again.summary);
    assert!(again.output("summary").starts_with("failed: the world moved since the plan was made"));
}

#[test]
fn a_plan_that_was_not_reviewed_is_not_carried_out() {
    let repository = Repository::new(CONFIG);
    let file = ("PLAN-FILE", "stacks.plan");
    let plan = repository.run(&with(&[file]), 0);
    assert_eq!(plan.output("plan-file"), "infra/stacks.plan");
    // Another merge came between.
    repository.file("t.yml", &TEMPLATE.replace("Type: String, Value", "Type: String, Tier: Standard, Value"));
    let refused = repository.run(&with(&[("COMMAND", "deploy"), file]), 21);
    assert!(refused.summary.contains("template"), "{}", refused.summary);
    let plan = repository.run(&with(&[]), 0);
    assert_eq!((plan.output("create"), plan.output("plan-file")), ("2", ""));

    // A plan that fails leaves none to carry out, whatever file is there.
    repository.file("cfngin.yml", &CONFIG.replace("name: a,", "name: a, enabled: maybe,"));
    let failed = repository.run(&with(&[file]), 10);
    assert_eq!(failed.output("plan-file"), "");
}

#[test]
fn a_plan_of_another_checkout_is_carried_out() {
    let shared = tempfile::tempdir().unwrap();
    let provider = format!("local:{}", shared.path().join("cloud").display());
    let file = shared.path().join("stacks.plan").display().to_string();
    let common = [("PROVIDER", provider.as_str()), ("PLAN-FILE", file.as_str())];
    let pull_request = Repository::new(CONFIG);
    let plan = pull_request.run(&with(&common), 0);
    // Outside of the repository a file has its full name.
    assert_eq!(plan.output("plan-file"), file);
    let main = Repository::new(CONFIG);
    let deploy = main.run(&with(&[&common[..], &[("COMMAND", "deploy")]].concat()), 0);
    assert_eq!((deploy.output("create"), deploy.output("plan-file")), ("2", file.as_str()));
    assert!(deploy.summary.contains(": 2 created\n"), "{}", deploy.summary);
}
