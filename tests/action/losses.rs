//! Data that a plan loses: named in the comment, counted in the outputs, refused in a deploy until it is allowed.

use crate::github::GitHub;
use crate::support::{CONFIG, Repository, Step, TEMPLATE};
use crate::with;

/// The template with a table that `more` adds to.
fn with_table(more: &str) -> String {
    let table = format!(
        "  Data:\n    Type: AWS::DynamoDB::Table\n    Metadata: {{\"runway-rs:local\": {{seconds: 0}}}}\n    Properties: {{BillingMode: PAY_PER_REQUEST, {more}}}\nOutputs:"
    );
    TEMPLATE.replace("Outputs:", &table)
}

fn run(repository: &Repository, github: &GitHub, inputs: &[(&str, &str)], code: i32) -> Step {
    let mut command = repository.command(&with(inputs));
    github.join(&mut command, &repository.path().join("event.json"));
    repository.ended(command.spawn().unwrap(), code)
}

#[test]
fn lost_data_is_named_counted_and_refused_until_it_is_allowed() {
    let repository = Repository::new(&CONFIG.replace("b, template_path: t", "b, template_path: b"));
    let github = GitHub::empty();
    repository.file("t.yml", &with_table("TableName: one"));
    repository.file("b.yml", &with_table("TableName: other"));
    run(&repository, &github, &[("COMMAND", "deploy")], 0);

    // A table that gets another name is a new one; of `b` the table is taken out.
    repository.file("t.yml", &with_table("TableName: two"));
    repository.file("b.yml", TEMPLATE);
    let plan = run(&repository, &github, &[], 0);
    assert_eq!((plan.output("losses"), plan.output("replacements")), ("2", "1"));
    let body = github.comments()[0].body.clone();
    let expected = "> [!CAUTION]\n> **2 destructive changes:** 2 resources LOST with data\n\n\
        - **LOST with data:** `a/Data` (`AWS::DynamoDB::Table`): table, replaced\n\
        - **LOST with data:** `b/Data` (`AWS::DynamoDB::Table`): table, removed from its stack\n\n\
        None of the 2 losses of data is allowed yet, so a deploy is refused (exit code 31).";
    assert!(body.contains(expected), "{body}");
    let start = "::warning title=plan%3A%3Adata_loss::data is, or may be, lost: a/Data, b/Data%0A";
    assert!(plan.commands().iter().any(|line| line.starts_with(start)), "{:?}", plan.commands());

    let one = [("COMMAND", "deploy"), ("ALLOW", "a/Data")];
    let refused = run(&repository, &github, &one, 31);
    assert!(
        refused.commands().iter().any(|line| line.contains("data of b/Data")),
        "{:?}",
        refused.commands()
    );
    assert!(refused.output("summary").starts_with("failed: refused by policy"), "{}", refused.all_outputs);
    let plan = run(&repository, &github, &[("ALLOW", "a/Data\nb")], 0);
    assert!(plan.commands().is_empty(), "{:?}", plan.commands());
    let body = github.comments()[0].body.clone();
    assert!(body.contains("table, replaced, which is allowed\n") && !body.contains("allowed yet"), "{body}");
    let both = run(&repository, &github, &[("COMMAND", "deploy"), ("ALLOW", "a/Data\nb")], 0);
    assert_eq!((both.output("losses"), both.output("update")), ("2", "2"));
}
