//! Saved plans against moto: floating values stay as they were planned, secrets are read again.

use crate::support::{Scene, python};

/// Runs some lines of Python with a client `ec2` and a client `ssm`, and gives what they print.
fn by_hand(scene: &Scene, lines: &str) -> String {
    let script = format!("import boto3\nec2, ssm = boto3.client('ec2'), boto3.client('ssm')\n{lines}\n");
    let mut command = std::process::Command::new(python("moto"));
    let ran = command.env_clear().envs(scene.environment()).args(["-c", &script]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

fn make_image(scene: &Scene, name: &str) -> String {
    let lines = format!(
        "base = ec2.describe_images(Owners=['amazon'])['Images'][0]['ImageId']\ninstance = ec2.run_instances(ImageId=base, MinCount=1, MaxCount=1)['Instances'][0]['InstanceId']\nprint(ec2.create_image(InstanceId=instance, Name='{name}')['ImageId'])"
    );
    by_hand(scene, &lines)
}

const STACK: &str = "  - {name: a, template_path: templates/t.yml, variables: {Note: \"${ami owners:self name_regex:web-.*}\", Up: \"${ssm /size}\"}}\n";

#[test]
fn an_image_is_the_planned_one_although_there_is_a_newer_one() {
    let scene = Scene::new();
    scene.config(STACK);
    by_hand(&scene, "ssm.put_parameter(Name='/size', Value='small', Type='String')");
    let first = make_image(&scene, "web-1");
    scene.run("plan -c cfngin.yml --out next.plan").ended(0);
    make_image(&scene, "web-2");
    scene.run("deploy -c cfngin.yml --plan next.plan").ended(0);
    assert_eq!(scene.stacks()["example-a"]["parameters"]["Note"], first.as_str());

    // An image that is no longer there cannot be taken, and another one is not.
    scene.run("plan -c cfngin.yml --out next.plan").ended(0);
    let file = std::fs::read_to_string(scene.path().join("next.plan")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&file).unwrap();
    let lookups = document["plans"][0]["lookups"].as_array().unwrap();
    let chosen = lookups.iter().find(|lookup| lookup["name"] == "ami").unwrap()["value"].as_str().unwrap();
    by_hand(&scene, &format!("ec2.deregister_image(ImageId='{chosen}')"));
    // Without the cache, which may keep what this run has learnt.
    let (ran, requests) = scene.counted(|| scene.run("deploy -c cfngin.yml --plan next.plan --no-cache"));
    ran.ended(21)
        .says("stack `a` is not as it was planned")
        .says("`${ami owners:self name_regex:web-.*}` finds something else");
    let wrote =
        |name: &&String| ["Put", "Create", "Update", "Delete"].iter().any(|verb| name.starts_with(verb));
    assert_eq!(requests.keys().find(wrote), None, "{requests:?}");
}

#[test]
fn a_value_that_does_not_float_must_be_the_planned_one_and_a_secret_is_read_again() {
    let scene = Scene::new();
    let put = |name: &str, value: &str, kind: &str| {
        let lines =
            format!("ssm.put_parameter(Name='{name}', Value='{value}', Type='{kind}', Overwrite=True)");
        by_hand(&scene, &lines);
    };
    scene.config("  - {name: a, template_path: templates/t.yml, variables: {Note: \"pass ${ssm /secret}\", Up: \"${ssm /size}\"}}\n");
    put("/size", "small", "String");
    put("/secret", "hunter2-and-more", "SecureString");
    scene.run("plan -c cfngin.yml --out next.plan").ended(0);
    let file = std::fs::read_to_string(scene.path().join("next.plan")).unwrap();
    assert!(file.contains("small") && !file.contains("hunter2"), "{file}");
    put("/size", "large", "String");
    let ran = scene.run("deploy -c cfngin.yml --plan next.plan").ended(21);
    ran.says("`${ssm /size}` finds something else");
    put("/size", "small", "String");
    put("/secret", "another-secret", "SecureString");
    scene.run("deploy -c cfngin.yml --plan next.plan").ended(0);
    assert_eq!(scene.stacks()["example-a"]["parameters"]["Note"], "pass another-secret");
}
