//! Plans in files: `plan --out`, and `deploy --plan`, by the whole program.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use runway_core::plan::saved::{SavedPlans, open, seal};

use crate::support::{HEAD, Project, finished};

fn stacks(note: &str) -> String {
    format!(
        "  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}}}\n  - {{name: b, template_path: t.yml, variables: {{Note: \"${{output a.Note}}\"}}}}\n"
    )
}

/// A project that is deployed with `x`, planned with `y`, and the file with the plan.
fn planned() -> Project {
    let project = Project::with_stacks(&stacks("x"));
    project.run("deploy --yes").ended(0);
    project.stacks(&stacks("y"));
    let ran = project.run("plan --out next.plan").ended(0);
    assert!(
        ran.stderr.contains("wrote next.plan: `runway-rs deploy --plan next.plan` carries it out"),
        "{}",
        ran.stderr
    );
    project
}

fn file(project: &Project) -> Vec<u8> {
    std::fs::read(project.path().join("next.plan")).unwrap()
}

/// Changes what is in the file, and gives it the digest that it then has.
fn forge(project: &Project, change: impl FnOnce(&mut SavedPlans)) {
    let mut plans = open("x", &file(project)).unwrap();
    change(&mut plans);
    project.file("next.plan", &seal(&plans));
}

fn note_of(project: &Project, stack: &str) -> String {
    let ran = project.run("outputs --format json").ended(0);
    let outputs: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    outputs["stacks"][stack]["Note"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_plan_is_carried_out_from_its_file_without_asking() {
    let project = planned();
    let path = project.path().join("next.plan");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let document: serde_json::Value = serde_json::from_slice(&file(&project)).unwrap();
    let schema = project.run("schema saved-plan").ended(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new());

    let ran = project.run("deploy --plan next.plan").ended(0);
    assert!(ran.stdout.contains("update"), "{}", ran.stdout);
    assert_eq!((note_of(&project, "a"), note_of(&project, "b")), ("y".to_owned(), "y".to_owned()));
    let ran = project.run("deploy --plan next.plan").ended(21);
    assert!(
        ran.stderr.contains("plan::moved") && ran.stderr.contains("stack `a` is not as it was planned"),
        "{}",
        ran.stderr
    );
    // What has nothing to do ends well.
    project.run("plan --out next.plan --detailed-exitcode").ended(0);
    project.run("deploy --plan next.plan").ended(0);
}

#[test]
fn what_moved_is_told_once_for_each_thing() {
    let project = planned();
    project.stacks(&stacks("z"));
    project.run("deploy --yes").ended(0);
    let ran = project.run("deploy --plan next.plan").ended(21);
    insta::with_settings!({
        omit_expression => true,
        prepend_module_to_snapshot => false,
        filters => [(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME")],
    }, {
        insta::assert_snapshot!("saved_plan_moved", ran.stderr);
    });
    let ran = project.run("deploy --plan next.plan --format json").ended(21);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(document.to_string().contains("plan::moved"), "{document}");
}

#[test]
fn a_changed_byte_and_another_file_are_refused() {
    let project = planned();
    let bytes = file(&project);
    for at in [0, 20, 40, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        std::fs::write(project.path().join("next.plan"), changed).unwrap();
        let ran = project.run("deploy --plan next.plan").ended(21);
        assert!(ran.stderr.contains("plan::file_changed"), "{}", ran.stderr);
    }
    let ran = project.run("deploy --plan cfngin.yml").ended(10);
    assert!(ran.stderr.contains("cfngin.yml is not a saved plan"), "{}", ran.stderr);
    let ran = project.run("deploy --plan nowhere.plan").ended(10);
    assert!(ran.stderr.contains("cannot read nowhere.plan"), "{}", ran.stderr);
    project.run("deploy --plan .").ended(10);
    assert_eq!(note_of(&project, "a"), "x");
}

#[test]
fn a_forged_file_with_the_right_digest_is_refused() {
    let project = planned();
    forge(&project, |plans| {
        let mut step = plans.plans[0].plan.steps[0].clone();
        step.action = runway_core::plan::Action::Delete;
        plans.plans[0].plan.steps[0] = step;
    });
    let ran = project.run("deploy --plan next.plan").ended(21);
    assert!(ran.stderr.contains("its step was delete and is update"), "{}", ran.stderr);
    project.run("plan --out next.plan").ended(0);
    forge(&project, |plans| plans.plans.clear());
    let ran = project.run("deploy --plan next.plan").ended(21);
    assert!(ran.stderr.contains("the saved plan has nothing for cfngin.yml"), "{}", ran.stderr);
    project.run("plan --out next.plan").ended(0);
    forge(&project, |plans| {
        let mut other = plans.plans[0].clone();
        other.target.config = "other.yml".to_owned();
        plans.plans.push(other);
    });
    let ran = project.run("deploy --plan next.plan").ended(21);
    assert!(ran.stderr.contains("this run does not reach other.yml"), "{}", ran.stderr);
    // An empty config stays refused whatever the file says was allowed.
    project.run("plan --out next.plan").ended(0);
    forge(&project, |plans| plans.options.allow_empty = true);
    project.file("cfngin.yml", &format!("{HEAD}stacks: []\n"));
    project.run("deploy --plan next.plan").ended(21);
    project.stacks(&stacks("y"));
    assert_eq!(note_of(&project, "a"), "x");
}

#[test]
fn region_environment_and_purpose_are_those_of_the_plan() {
    let project = planned();
    let ran = project.run("deploy --plan next.plan --region eu-north-1").ended(21);
    assert!(
        ran.stderr.contains("cfngin.yml: planned for region us-east-1, and this is eu-north-1"),
        "{}",
        ran.stderr
    );
    let ran = project.run("deploy --plan next.plan -e prod").ended(21);
    assert!(ran.stderr.contains("planned for deploy environment "), "{}", ran.stderr);
    let ran = project.run("destroy --plan next.plan").ended(64);
    assert!(ran.stderr.contains("is the plan of a deploy, and this is a destroy"), "{}", ran.stderr);
    project.run("deploy --plan next.plan --stack a").ended(64);
    project.run("deploy --plan next.plan --tag a").ended(64);

    let ran = project.run("plan --destroy --out gone.plan").ended(0);
    assert!(ran.stderr.contains("runway-rs destroy --plan gone.plan"), "{}", ran.stderr);
    project.run("deploy --plan gone.plan").ended(64);
    project.run("destroy --plan gone.plan").ended(0);
    let status = project.run("status --format json").ended(0).stdout;
    assert!(status.contains("\"exists\": false") && !status.contains("\"exists\": true"), "{status}");
}

#[test]
fn a_selection_comes_from_the_file() {
    let project = Project::with_stacks(&stacks("x"));
    project.run("deploy --yes").ended(0);
    project.stacks(
        "  - {name: a, template_path: t.yml, variables: {Note: y}}\n  - {name: b, template_path: t.yml, variables: {Note: z}}\n",
    );
    project.run("plan --stack b --out next.plan").ended(0);
    project.run("deploy --plan next.plan").ended(0);
    assert_eq!((note_of(&project, "a"), note_of(&project, "b")), ("x".to_owned(), "z".to_owned()));
}

#[test]
fn all_targets_are_compared_before_the_first_is_carried_out() {
    let project = Project::new(HEAD);
    std::fs::create_dir(project.path().join("configs")).unwrap();
    let config = |name: &str, note: &str| {
        let text = format!(
            "namespace: {name}\ncfngin_bucket: my-bucket\npersistent_graph_key: main\nstacks:\n  - {{name: a, template_path: ../t.yml, variables: {{Note: {note}}}}}\n"
        );
        project.file(&format!("configs/{name}.yml"), &text);
    };
    config("first", "x");
    config("second", "x");
    project.run("deploy --yes -c configs").ended(0);
    config("first", "y");
    config("second", "y");
    project.run("plan -c configs --out next.plan").ended(0);
    config("second", "z");
    let ran = project.run("deploy -c configs --plan next.plan").ended(21);
    assert!(ran.stderr.contains("configs/second.yml: the text of the config"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("first"), "{}", ran.stderr);
    let outputs = project.run("outputs -c configs/first.yml").ended(0).stdout;
    assert!(outputs.contains('x') && !outputs.contains('y'), "{outputs}");
    // One of two does not do either.
    let ran = project.run("deploy -c configs/first.yml --plan next.plan").ended(21);
    assert!(ran.stderr.contains("this run does not reach configs/second.yml"), "{}", ran.stderr);
    config("second", "y");
    project.run("deploy -c configs --plan next.plan").ended(0);
}

#[test]
fn data_is_not_lost_because_a_file_says_so() {
    let template = |with: &str| format!("Resources:\n  P: {{Type: AWS::SNS::Topic}}\n{with}");
    let project = Project::with_stacks("  - {name: a, template_path: data.yml}\n");
    project.file("data.yml", &template("  T: {Type: AWS::SQS::Queue}\n"));
    project.run("deploy --yes").ended(0);
    project.file("data.yml", &template(""));
    let ran = project.run("plan --out next.plan --allow a/T").ended(0);
    assert!(ran.stdout.contains('T'), "{}", ran.stdout);
    let ran = project.run("deploy --plan next.plan").ended(31);
    assert!(ran.stderr.contains("--allow a/T"), "{}", ran.stderr);
    project.run("deploy --plan next.plan --allow a/T").ended(0);
}

#[test]
fn nothing_but_a_whole_file_is_ever_seen() {
    let project = planned();
    let before = file(&project);
    // Killed at any time, it leaves the old file or the new one.
    for delay in [0, 5, 10, 20, 40, 80] {
        let mut child = project
            .command("plan --out next.plan")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let _ = child.kill();
        finished(child);
        open("next.plan", &file(&project)).unwrap();
    }
    assert!(!before.is_empty());
    // A plan that cannot be made leaves the file alone.
    let last = file(&project);
    project.stacks("  - {name: a, template_path: nowhere.yml}\n");
    project.run("plan --out next.plan").ended(10);
    assert_eq!(file(&project), last);
    project.run("plan --out nowhere/next.plan").ended(10);
}
