//! Projects over HTTP: credentials and accounts of each target. They live in the region of one scene.

use serde_json::Value;

use crate::support::{Ran, Scene, finished};

const STACK: &str =
    "stacks:\n  - {name: a, template_path: templates/t.yml, variables: {Note: x, Up: none}}\n";

/// A project with one module, whose bucket is named after its deployment, and these fields of two deployments.
fn project(scene: &Scene, first: &str, second: &str) {
    let region = scene.region;
    let deployment = |name: &str, fields: &str| {
        format!(
            "  - name: {name}\n    modules: [infra.cfn]\n    regions: [{region}]\n    parameters: {{namespace: {name}}}\n{fields}"
        )
    };
    let text = format!("deployments:\n{}{}", deployment("first", first), deployment("second", second));
    scene.file("runway.yml", &text);
    scene.file(
        "infra.cfn/cfngin.yml",
        &format!("namespace: ${{namespace}}\ncfngin_bucket: ${{namespace}}-${{region}}\npersistent_graph_key: g\n{STACK}"),
    );
    scene.file("infra.cfn/templates/t.yml", crate::support::TEMPLATE);
}

fn run(scene: &Scene, line: &str) -> Ran {
    let mut command = scene.command(line);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    finished(command.spawn().unwrap())
}

/// Names of live stacks, those that hold buckets aside.
fn stacks(scene: &Scene) -> Vec<String> {
    scene.stack_names().into_iter().filter(|name| !name.ends_with("-cfngin-bucket")).collect()
}

/// Account and namespace of every plan on standard output.
fn planned(ran: &Ran) -> Vec<(String, String)> {
    let documents = serde_json::Deserializer::from_str(&ran.stdout).into_iter::<Value>();
    let plans =
        documents.map(|document| document.unwrap()).filter(|document| document.get("steps").is_some());
    let text = |plan: &Value, field: &str| plan[field].as_str().unwrap().to_owned();
    plans.map(|plan| (text(&plan, "account"), text(&plan, "namespace"))).collect()
}

#[test]
fn every_target_has_the_credentials_of_its_own_role_and_account() {
    let scene = Scene::new();
    let role = "    assume_role: arn:aws:iam::222222222222:role/deploy\n";
    let own = "    account_id: 123456789012\n";
    // The role of the first deployment does not leak into the second one, which Runway's would (D76).
    project(&scene, role, own);
    let ran = run(&scene, "deploy -e dev --yes --format json").ended(0);
    let expected = [("222222222222", "first"), ("123456789012", "second")];
    let expected = expected.map(|(account, namespace)| (account.to_owned(), namespace.to_owned()));
    assert_eq!(planned(&ran), expected);
    // The emulator shows the stacks of its default account.
    assert_eq!(stacks(&scene), ["second-a"]);
    let again = run(&scene, "plan -e dev --detailed-exitcode").ended(0);
    assert_eq!(again.stdout.matches("No changes").count(), 2, "{}", again.stdout);

    // Lookups ask where their deployment is: the role's account has no `second-a`, nor ours a `first-a`.
    let config = std::fs::read_to_string(scene.path().join("infra.cfn/cfngin.yml")).unwrap();
    scene.file("infra.cfn/cfngin.yml", &config.replace("stacks:", "tags: {seen: \"${seen}\"}\nstacks:"));
    let text = std::fs::read_to_string(scene.path().join("runway.yml")).unwrap();
    let seen = text
        .replace("namespace: first", "namespace: first, seen: \"${cfn first-a.Name}\"")
        .replace("namespace: second", "namespace: second, seen: \"${ssm /second-a/p}\"");
    scene.file("runway.yml", &seen);
    let plan = run(&scene, "plan -e dev --format json").ended(0);
    let plans: Vec<Value> =
        serde_json::Deserializer::from_str(&plan.stdout).into_iter().map(|plan| plan.unwrap()).collect();
    let tag = |plan: &Value| plan["steps"][0]["changes"]["tags"]["seen"]["after"].clone();
    assert_eq!((tag(&plans[0]), tag(&plans[1])), ("/first-a/p".into(), "x none".into()), "{}", plan.stdout);
    // A SecureString is used, and not shown.
    let put = serde_json::json!({"Name": "/hidden", "Type": "SecureString", "Value": "correct horse"});
    scene.emulator.put(
        "call",
        &[("region", scene.region), ("service", "ssm"), ("operation", "put_parameter")],
        &put,
    );
    scene.file("runway.yml", &seen.replace("/second-a/p", "/hidden"));
    let plan = run(&scene, "plan -e dev --module second.infra.cfn").ended(0);
    assert!(plan.stdout.contains("seen") && plan.stdout.contains("***"), "{}", plan.stdout);
    assert!(!plan.stdout.contains("horse") && !plan.stderr.contains("horse"));
    scene.file("runway.yml", &seen.replace("/second-a/p", "/first-a/p"));
    run(&scene, "plan -e dev").ended(11).says("in `parameters`");
    scene.file("infra.cfn/cfngin.yml", &config);

    // A wrong account stops everything, also what comes before it.
    scene.file(
        "infra.cfn/templates/t.yml",
        &crate::support::TEMPLATE.replace("Name: !Ref P", "Value: !Ref P"),
    );
    for wrong in ["    account_id: 222222222222\n", "    account_alias: somebody-else\n"] {
        project(&scene, "    env_vars: {A: b}\n", wrong);
        let ran = run(&scene, "deploy -e dev --yes").ended(31);
        assert!(ran.stderr.contains("deployment `second` is meant for the account"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("creating"), "{}", ran.stderr);
    }
    assert_eq!(stacks(&scene), ["second-a"]);
    // One bucket and graph in two accounts is refused before anything runs.
    project(&scene, role, own);
    let text = std::fs::read_to_string(scene.path().join("runway.yml")).unwrap();
    scene.file("runway.yml", &text.replace("namespace: second", "namespace: first"));
    run(&scene, "destroy -e dev --yes").ended(31).says("would share the persistent graph s3://first-");
    project(&scene, role, own);
    run(&scene, "destroy -e dev --yes").ended(0);
    assert!(stacks(&scene).is_empty());
}

/// What a hook and a lookup of Python see of the credentials.
#[test]
fn a_chosen_profile_reaches_what_a_run_starts_and_nothing_else() {
    let scene = Scene::new();
    scene.file("credentials", "[other]\naws_access_key_id = OTHER\naws_secret_access_key = other-secret\n");
    let show = "echo $AWS_ACCESS_KEY_ID/$AWS_SESSION_TOKEN/$AWS_PROFILE/$AWS_REGION/$AWS_DEFAULT_REGION";
    let hook = format!(
        "pre_deploy:\n  - {{path: runway.cfngin.hooks.command.run_command, args: {{command: \"{show} >> seen\", shell: true}}}}\n"
    );
    let region = scene.region;
    let run = |line: &str| {
        let mut command = scene.command(line);
        command.env("AWS_SHARED_CREDENTIALS_FILE", scene.path().join("credentials"));
        command.env("AWS_SESSION_TOKEN", "stale").env_remove("AWS_DEFAULT_REGION");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        finished(command.spawn().unwrap()).ended(0)
    };
    let seen = |path: &str| std::fs::read_to_string(scene.path().join(path)).unwrap();

    let stack = "stacks:\n  - {name: profiled, template_path: infra.cfn/templates/t.yml, variables: {Note: x, Up: none}}\n";
    project(&scene, "", "");
    scene.file("plain.yml", &format!("namespace: \"\"\ncfngin_bucket: \"\"\n{hook}{stack}"));
    run("deploy -c plain.yml --yes --profile other");
    assert_eq!(seen("seen"), format!("OTHER//other/{region}/{region}\n"));
    std::fs::remove_file(scene.path().join("seen")).unwrap();
    run("deploy -c plain.yml --yes");
    assert_eq!(seen("seen"), format!("testing/stale//{region}/{region}\n"));

    // Of two deployments one names a profile.
    project(&scene, "    env_vars: {AWS_PROFILE: other}\n", "");
    let config = seen("infra.cfn/cfngin.yml");
    scene.file("infra.cfn/cfngin.yml", &config.replace("stacks:", &format!("{hook}stacks:")));
    run("deploy -e dev --yes");
    let expected = format!("OTHER//other/{region}/{region}\ntesting/stale//{region}/{region}\n");
    assert_eq!(seen("infra.cfn/seen"), expected);
    run("destroy -e dev --yes");
    run("destroy -c plain.yml --yes");
}
