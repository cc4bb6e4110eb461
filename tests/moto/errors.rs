//! Clouds that do not answer as they should.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use crate::support::{Ran, Scene, finished, free_port};

const ONE: &str = "  - {name: a, template_path: templates/t.yml, variables: {Note: x, Up: none}}\n";

fn run_against(scene: &Scene, endpoint: &str) -> Ran {
    let mut command = scene.command("plan");
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_MAX_ATTEMPTS", "2");
    finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Serves every connection with the same bytes.
fn serving(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(answer);
        }
    });
    format!("http://localhost:{port}")
}

#[test]
fn an_endpoint_that_refuses() {
    let scene = Scene::new();
    scene.config(ONE);
    let ran = run_against(&scene, &format!("http://localhost:{}", free_port())).ended(23);
    assert!(ran.stderr.contains("AWS_ENDPOINT_URL"), "{}", ran.stderr);
}

#[test]
fn an_endpoint_that_answers_rubbish() {
    let scene = Scene::new();
    scene.config(ONE);
    for answer in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".as_slice(),
        b"HTTP/1.1 500 Oops\r\nContent-Length: 13\r\n\r\n<html></html>",
        b"not even HTTP\r\n\r\n",
    ] {
        let ran = run_against(&scene, &serving(answer));
        ran.ended(23);
    }
}

#[test]
fn no_credentials() {
    let scene = Scene::new();
    scene.config(ONE);
    let mut command = scene.command("plan");
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finished(child).ended(22).says("AWS_PROFILE");
}

#[test]
fn no_region() {
    let scene = Scene::new();
    scene.config(ONE);
    let mut command = scene.command("plan");
    command.env_remove("AWS_REGION").env_remove("AWS_DEFAULT_REGION");
    let ran = finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_ne!(ran.status.code(), Some(0));
    assert!(ran.stderr.contains("--region") || ran.stderr.contains("AWS_REGION"), "{}", ran.stderr);
}

#[test]
fn a_bucket_that_does_not_exist_is_made_by_the_deploy_only() {
    let scene = Scene::new();
    scene.config(ONE);
    let plan = scene.run("plan").ended(0);
    assert!(plan.stdout.contains("does not exist; a deploy creates it"), "{}", plan.stdout);
    let (_, requests) = scene.counted(|| scene.run("plan").ended(0));
    assert!(
        requests.keys().all(|name| name.starts_with("Get") || name.starts_with("Describe")),
        "{requests:?}"
    );
    scene.run("init").ended(0).says("created bucket").says("example-cfngin-bucket");
    scene.run("init").ended(0).says("exists");
    scene.run("deploy --yes").ended(0);
    assert_eq!(scene.stack_names(), ["example-a"]);
}

fn output(mut command: std::process::Command) -> Ran {
    finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

#[test]
fn a_profile_that_is_named_is_the_one_that_is_used() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config(ONE);
    // Keys of another account in the profile; those in the environment belong to moto's default account.
    scene.file(
        "aws-config",
        "[profile other]\nrole_arn = arn:aws:iam::111122223333:role/deploy\nsource_profile = base\n[profile base]\naws_access_key_id = a\naws_secret_access_key = b\n",
    );
    let with = |arguments: &str| {
        let mut command = scene.command(arguments);
        command.env("AWS_CONFIG_FILE", scene.path().join("aws-config"));
        output(command)
    };
    let ran = with("plan --format json").ended(0);
    assert!(ran.stdout.contains("\"account\": \"123456789012\""), "{}", ran.stdout);
    let ran = with("plan --format json --profile other").ended(0);
    assert!(ran.stdout.contains("\"account\": \"111122223333\""), "{}", ran.stdout);
    with("plan --profile nobody").ended(22).says("has no profile `nobody`");
    let mut command = scene.command("plan");
    command.env("AWS_PROFILE", "nobody");
    output(command).ended(22).says("has no profile `nobody`");
}

#[test]
fn certificates_that_are_none() {
    let scene = Scene::new();
    scene.config(ONE);
    scene.file("empty.pem", "no certificate here\n");
    scene.file("broken.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    for (file, words) in
        [("missing.pem", "cannot be read"), ("empty.pem", "no certificate"), ("broken.pem", "that is none")]
    {
        let mut command = scene.command("plan");
        command.env("AWS_CA_BUNDLE", scene.path().join(file));
        output(command).ended(10).says(words).says("AWS_CA_BUNDLE");
    }
}

#[test]
fn attempts_are_as_many_as_the_variable_says() {
    let scene = Scene::new();
    scene.config(ONE);
    let endpoint = format!("http://localhost:{}", free_port());
    let sent = |attempts: &str| {
        let mut command = scene.command("plan --stats");
        command.env("AWS_ENDPOINT_URL", &endpoint).env("AWS_MAX_ATTEMPTS", attempts);
        let ran = output(command).ended(23);
        let total =
            ran.stderr.lines().find_map(|line| line.trim().strip_suffix(" requests")).unwrap().to_owned();
        total.parse::<usize>().unwrap()
    };
    assert!(sent("1") < sent("3"));
}

#[test]
fn requests_are_told_with_their_ids() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config(ONE);
    assert!(!scene.run("plan").ended(0).stderr.contains("DescribeStacks"));
    let ran = scene.run("plan -v").ended(0);
    let told = ran.stderr.lines().any(|line| line.contains("CloudFormation.DescribeStacks 200 request "));
    assert!(told, "{}", ran.stderr);
}

#[test]
fn an_endpoint_without_a_scheme_shows_no_request() {
    let scene = Scene::new();
    scene.config(ONE);
    scene.file("token", "a-secret-token");
    let mut command = scene.command("plan");
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_ENDPOINT_URL", "localhost:1").env("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/x");
    command.env("AWS_WEB_IDENTITY_TOKEN_FILE", scene.path().join("token"));
    let ran = output(command);
    assert_ne!(ran.status.code(), Some(0));
    assert!(!ran.stderr.contains("a-secret-token"), "{}", ran.stderr);
}
