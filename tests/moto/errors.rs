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
    scene.run("init").ended(0).says("created bucket");
    scene.run("init").ended(0).says("exists");
    scene.run("deploy --yes").ended(0);
    assert_eq!(scene.stack_names(), ["example-a"]);
}
