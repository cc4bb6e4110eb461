//! Deploy environments, parameters, skipped modules, and modules that are not ours.

use super::scene::{Scene, json, planned};

fn one(fields: &str) -> Scene {
    let scene =
        Scene::new(&format!("deployments:\n  - modules: [a.cfn]\n    regions: [us-east-1]\n{fields}"));
    scene.module("a.cfn");
    scene
}

#[test]
fn a_module_without_parameters_is_skipped() {
    let scene = one("");
    let ran = scene.run("plan -e dev").ended(0);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("a.cfn in us-east-1: skipped"), "{}", ran.stderr);
    // A file without lines counts as none; one with a line does not.
    scene.file("a.cfn/dev.env", "# nothing\n");
    assert!(scene.run("plan -e dev").ended(0).stdout.is_empty());
    scene.file("a.cfn/dev-us-east-1.env", "note: x\n");
    assert!(scene.run("plan -e dev").ended(0).stdout.contains("create a (dev-a)"));
    assert!(scene.run("plan -e prod").ended(0).stdout.is_empty());
}

#[test]
fn parameters_win_from_environment_file_to_module_file_to_command_line() {
    let scene = one("    parameters: {note: y}\n");
    let note = |line: &str| {
        let plan = scene.run(&format!("plan -e dev --format json {line}")).ended(0);
        json(&plan.stdout)[0]["steps"][0]["changes"]["parameters"]["Note"].to_string()
    };
    scene.file("a.cfn/dev.env", "note: x\n");
    assert!(note("").contains('y'), "{}", note(""));
    scene.file("a.cfn/runway.module.yml", "parameters: {note: z}\n");
    assert!(note("").contains('z'));
    assert!(note("--param note=x").contains('x'));
}

#[test]
fn environments_enable_and_disable() {
    let scene = one(
        "    parameters: {note: x}\n    environments: {dev: 123456789012/us-east-1, lab: [eu-west-1], off: false}\n",
    );
    assert!(scene.run("plan -e dev").ended(0).stdout.contains("create a"));
    for (environment, reason) in [
        ("lab", "neither account nor region"),
        ("off", "disable it"),
        ("prod", "not among its `environments`"),
    ] {
        let ran = scene.run(&format!("plan -e {environment}")).ended(0);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(reason), "{}", ran.stderr);
    }
    // The module's own file has the last word.
    scene.file("a.cfn/runway.module.yml", "environments: {prod: true}\n");
    assert!(scene.run("plan -e prod").ended(0).stdout.contains("create a"));
}

#[test]
fn the_environment_is_named_after_the_branch_or_the_directory() {
    let scene = one("    parameters: {note: x}\n");
    let named =
        |variables: &[(&str, &str)]| scene.run_with("whichenv", variables).ended(0).stdout.trim().to_owned();
    assert_eq!(named(&[]), "shop");
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@localhost"]).args(arguments);
        assert!(command.current_dir(scene.path()).status().unwrap().success());
    };
    git(&["init", "-q", "-b", "master"]);
    assert_eq!(named(&[]), "common");
    git(&["checkout", "-q", "-b", "ENV-prod"]);
    assert_eq!(named(&[]), "prod");
    assert_eq!(named(&[("DEPLOY_ENVIRONMENT", "lab")]), "lab");
    assert!(scene.run("plan").ended(0).stdout.contains("namespace prod"));
    git(&["checkout", "-q", "-b", "feature/x"]);
    assert_eq!(named(&[]), "feature/x");
    git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    git(&["checkout", "-q", "--detach"]);
    assert!(scene.run("whichenv").ended(10).stderr.contains("detached HEAD"));
    scene.file("runway.yml", "ignore_git_branch: true\ndeployments: []\n");
    assert_eq!(named(&[]), "shop");
}

#[test]
fn variables_come_from_the_file_and_environment_variables_are_printed() {
    let scene = one(
        "    parameters: {note: \"${var notes.${env DEPLOY_ENVIRONMENT}}\"}\n    env_vars:\n      NAME: \"${env DEPLOY_ENVIRONMENT} $x\"\n      KUBECONFIG: [.kube, \"${env DEPLOY_ENVIRONMENT}\", config]\nvariables:\n  notes: {dev: x}\n  other: kept\n",
    );
    assert!(scene.run("plan -e dev").ended(0).stdout.contains("Note: x"));
    // The file wins, and replaces whole entries.
    scene.file("runway.variables.yml", "notes: {prod: z}\n");
    assert!(scene.run("plan -e prod").ended(0).stdout.contains("Note: z"));
    let ran = scene.run("plan -e dev").ended(11);
    assert!(ran.stderr.contains("there is no variable `notes.dev`"), "{}", ran.stderr);
    let printed = scene.run("envvars -e prod").ended(0).stdout;
    let kubeconfig = scene.path().canonicalize().unwrap().join(".kube/prod/config");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "export NAME=\"prod \\$x\"");
    assert_eq!(lines[1], format!("export KUBECONFIG=\"{}\"", kubeconfig.display()));
    one("").run("envvars").ended(1);
}

#[test]
fn modules_of_other_kinds_are_named() {
    let scene = Scene::new(
        "deployments:\n  - modules: [web.tf, {path: a.cfn, tags: [ours]}, {path: k, type: kubernetes}]\n    parameters: {note: x}\n    regions: [us-east-1]\n",
    );
    scene.module("a.cfn").file("web.tf/main.tf", "").file("k/x", "");
    let ran = scene.run("deploy -e dev --yes").ended(10);
    for told in
        ["module `web.tf` is of type terraform", "terraform apply", "module `k` is of type kubernetes"]
    {
        assert!(ran.stderr.contains(told), "no {told} in {}", ran.stderr);
    }
    assert!(scene.stacks().is_empty());
    let chosen = scene.run("deploy -e dev --yes --tag ours --format json").ended(0);
    assert_eq!(planned(&chosen.stdout), ["deployment_1.a.cfn in us-east-1"]);
}

#[test]
fn accounts_are_checked_before_anything_is_changed() {
    // The embedded provider plays the account that is asked for, and the role's own otherwise.
    let role = "    assume_role: arn:aws:iam::210987654321:role/x\n";
    let scene = one(&format!("    parameters: {{note: x}}\n{role}"));
    let plan = scene.run("plan -e dev --format json").ended(0);
    assert_eq!(json(&plan.stdout)[0]["account"], "210987654321");
    let wrong = "    account_id: 12\n";
    let scene = one(&format!("    parameters: {{note: x}}\n{wrong}    assume_role: [a]\n"));
    assert!(scene.run("plan -e dev").ended(10).stderr.contains("assume_role"));
}

#[test]
fn a_module_that_is_not_there() {
    let scene = one("    parameters: {note: x}\n");
    std::fs::remove_dir_all(scene.path().join("a.cfn")).unwrap();
    assert!(scene.run("plan -e dev").ended(10).stderr.contains("there is no directory a.cfn"));
    // A module without a config is nothing to fail for, and is told.
    scene.file("a.cfn/readme.txt", "");
    assert!(scene.run("plan -e dev").ended(0).stderr.contains("there is no CFNgin config in a.cfn"));
}

#[test]
fn a_module_in_a_git_repository_is_the_directory_that_was_named() {
    let home = Scene::new("");
    home.module("a.cfn");
    std::fs::create_dir(home.path().join("infra")).unwrap();
    std::fs::rename(home.path().join("a.cfn"), home.path().join("infra/a.cfn")).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@localhost"]).args(arguments);
        assert!(command.current_dir(home.path()).status().unwrap().success());
    };
    git(&["init", "-q", "-b", "stable"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let project = |location: &str| {
        format!(
            "deployments:\n  - modules: [\"git::file://{}//{location}?branch=stable\"]\n    parameters: {{note: x}}\n    regions: [us-east-1]\n",
            home.path().display()
        )
    };
    let scene = Scene::new(&project("infra/a.cfn"));
    let run = |line: &str| scene.run_with(line, &[("PATH", "/usr/bin:/bin")]);
    run("deploy -e dev --yes").ended(0);
    assert_eq!(
        planned(&run("plan -e dev --format json").ended(0).stdout),
        ["deployment_1.a.cfn in us-east-1"]
    );
    assert_eq!(scene.stacks(), ["us-east-1 dev-a"]);
    scene.file("runway.yml", &project("elsewhere"));
    let ran = run("plan -e dev").ended(10);
    assert!(ran.stderr.contains("there is no directory `elsewhere` in file://"), "{}", ran.stderr);
}

#[test]
fn lookups_that_ask_a_service_are_asked_or_told() {
    let scene = one("    parameters: {note: x, junk: \"${random.string 12::punctuation=false}\"}\n");
    scene.run("deploy -e dev --yes").ended(0);
    scene.file(
        "runway.yml",
        "deployments:\n  - {modules: [a.cfn], regions: [us-east-1], parameters: {note: \"${ssm /note}\"}}\n",
    );
    let ran = scene.run("plan -e dev").ended(11);
    assert!(ran.stderr.contains("the lookup `ssm` is not available with this provider"), "{}", ran.stderr);
    let ran = scene.run("validate -e dev").ended(0);
    assert!(ran.stderr.contains("deployment_1 in us-east-1: not checked"), "{}", ran.stderr);
}

#[test]
fn regions_are_chosen_by_name() {
    let scene = Scene::new(
        "deployments:\n  - modules: [a.cfn]\n    parameters: {note: x}\n    regions: [us-east-1, eu-west-1]\n",
    );
    scene.module("a.cfn");
    let chosen = scene.run("plan -e dev --format json --region eu-west-1").ended(0);
    assert_eq!(planned(&chosen.stdout), ["deployment_1.a.cfn in eu-west-1"]);
    let ran = scene.run("deploy -e dev --yes --region eu-north-1").ended(10);
    assert!(ran.stderr.contains("regions are eu-west-1, us-east-1"), "{}", ran.stderr);
    assert!(scene.stacks().is_empty());
}

#[test]
fn a_module_may_be_carried_out_with_other_credentials_or_is_refused() {
    let keys = "{path: a.cfn, env_vars: {AWS_ACCESS_KEY_ID: AKIAX, AWS_SECRET_ACCESS_KEY: secret}}";
    let project = |more: &str| {
        format!(
            "deployments:\n  - modules: [{keys}]\n    parameters: {{note: x}}\n    regions: [us-east-1]\n{more}"
        )
    };
    let scene = Scene::new(&project(""));
    scene.module("a.cfn").run("deploy -e dev --yes").ended(0);
    scene.file("runway.yml", &project("    assume_role: arn:aws:iam::210987654321:role/x\n"));
    let ran = scene.run("plan -e dev").ended(31);
    assert!(ran.stderr.contains("chooses other credentials"), "{}", ran.stderr);
    scene.file("runway.yml", &project("").replace(", AWS_SECRET_ACCESS_KEY: secret", ""));
    assert!(scene.run("plan -e dev").ended(10).stderr.contains("only a part of an access key"));
    scene.file("runway.yml", &project("    env_vars: {AWS_CONFIG_FILE: other}\n"));
    let ran = scene.run("validate -e dev --provider aws").ended(10);
    assert!(ran.stderr.contains("`AWS_CONFIG_FILE` in `env_vars` would have no effect"), "{}", ran.stderr);
}

#[test]
fn an_output_of_another_module_is_found_on_the_embedded_provider() {
    let scene = Scene::new(
        "deployments:\n  - modules: [a.cfn]\n    parameters: {note: x}\n    regions: [us-east-1]\n  - modules: [b.cfn]\n    parameters: {note: \"${cfn dev-a.Note::default=y}\"}\n    regions: [us-east-1]\n",
    );
    scene.module("a.cfn").module("b.cfn");
    assert!(scene.run("plan -e dev --module b.cfn").ended(0).stdout.contains("Note: y"));
    scene.run("deploy -e dev --yes --module a.cfn").ended(0);
    assert!(scene.run("plan -e dev --module b.cfn").ended(0).stdout.contains("Note: x"));
}
