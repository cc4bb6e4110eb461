//! boto3 in hooks: the credentials, region and endpoint of the run, against moto.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use runway_core::provider::ErrorKind;
use runway_core::registry::HookHandler as _;
use serde_json::json;

use crate::support::{Output, Project, call, root};

/// moto. It ends when its standard input does, which ends with this.
struct Moto {
    address: String,
    _server: Child,
}

impl Moto {
    fn start() -> Self {
        let python = root().join("target/python/moto/bin/python");
        assert!(python.exists(), "{python} is missing: `cargo xtask test` installs it");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new(python)
            .arg(root().join("tests/python/emulator.py"))
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "moto does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { address: format!("http://127.0.0.1:{port}"), _server: server }
    }
}

#[tokio::test]
async fn boto3_has_the_credentials_and_the_endpoint_of_the_run() {
    let moto = Moto::start();
    let mut project = Project::new();
    project.settings.environment.insert("AWS_ENDPOINT_URL".to_owned(), moto.address.clone());
    let bridge = project.bridge();
    let output = Output::default();
    let seen = bridge.run(&call("hooks.plain.uses_aws", json!({})), &output).await.unwrap();
    assert_eq!(seen["endpoint"], moto.address);
    assert_eq!(seen["account"].as_str().unwrap().len(), 12);
    let failure = bridge.run(&call("hooks.plain.asks_for_a_stack", json!({})), &output).await.unwrap_err();
    assert!(failure.message.starts_with("StackDoesNotExist: "), "Runway's own provider: {failure:?}");
}

#[tokio::test]
async fn a_failed_call_says_of_what_kind_it_is() {
    let mut project = Project::new();
    let hook = call("hooks.plain.uses_aws", json!({}));
    let environment = &mut project.settings.environment;
    environment.insert("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:1".to_owned());
    environment.insert("AWS_MAX_ATTEMPTS".to_owned(), "1".to_owned());
    environment.insert("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned());
    let failure = project.bridge().run(&hook, &Output::default()).await.unwrap_err();
    assert_eq!(failure.kind, Some(ErrorKind::Unavailable), "{failure:?}");
    project
        .settings
        .environment
        .retain(|name, _| !name.starts_with("AWS_ACCESS") && !name.starts_with("AWS_SECRET"));
    let failure = project.bridge().run(&hook, &Output::default()).await.unwrap_err();
    assert_eq!(failure.kind, Some(ErrorKind::Credentials), "{failure:?}");
    assert_eq!(failure.help.as_deref(), Some(ErrorKind::Credentials.remedy()));
}
