//! A moto server of this test process, and tests in processes of their own: the SDK reads its settings from the
//! environment.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use runway_aws::{AwsProvider, ConnectOptions, connect};
use serde_json::{Value, json};

/// Set in the process of one test.
const ALONE: &str = "RUNWAY_RS_SERVICES_TEST";
/// Where moto listens.
const MOTO: &str = "RUNWAY_RS_SERVICES_MOTO";

/// Port for a server of the test's own.
const SERVER: &str = "RUNWAY_RS_SERVICES_PORT";

/// moto, served by a child process that ends with this one.
struct Emulator {
    port: u16,
    _server: Child,
}

impl Emulator {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join("target/python/moto/bin/python");
        assert!(python.exists(), "{} is missing: `cargo xtask test` installs it", python.display());
        let port = free_port();
        let server = Command::new(python)
            .arg(root.join("tests/python/emulator.py"))
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        while ureq::get(&format!("http://127.0.0.1:{port}/moto-api/")).call().is_err() {
            assert!(Instant::now() < deadline, "moto does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { port, _server: server }
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// As [`alone`], with the endpoint at a server that the test starts on [`server_port`].
#[track_caller]
pub(crate) fn alone_with_server<F: Future<Output = ()>>(
    test: &str,
    more: &[(&str, &str)],
    body: impl FnOnce() -> F,
) {
    let port = free_port().to_string();
    let endpoint = format!("http://127.0.0.1:{port}");
    let mut settings =
        vec![("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_ENDPOINT_URL_SSM", &endpoint), (SERVER, &port)];
    settings.extend(more);
    alone(test, &settings, body);
}

/// As [`alone`], with CloudFormation alone at a server that the test starts on [`server_port`].
#[track_caller]
pub(crate) fn alone_with_cloudformation<F: Future<Output = ()>>(test: &str, body: impl FnOnce() -> F) {
    let port = free_port().to_string();
    let endpoint = format!("http://127.0.0.1:{port}");
    alone(test, &[("AWS_ENDPOINT_URL_CLOUDFORMATION", &endpoint), (SERVER, &port)], body);
}

/// Where the test's own server has to listen.
pub(crate) fn server_port() -> u16 {
    variable(SERVER).unwrap().parse().unwrap()
}

/// Runs the body of a test in a process of its own, whose environment holds nothing but moto's address, fake
/// credentials, the region and `more`. `test` is the name of the calling test.
#[track_caller]
pub(crate) fn alone<F: Future<Output = ()>>(test: &str, more: &[(&str, &str)], body: impl FnOnce() -> F) {
    if variable(ALONE).as_deref() == Some(test) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(body());
    }
    let home = tempfile::tempdir().unwrap();
    let endpoint = format!("http://127.0.0.1:{}", Emulator::shared().port);
    let mut environment = BTreeMap::from([
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        (MOTO, &endpoint),
        (ALONE, test),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("HOME", home.path().to_str().unwrap()),
    ]);
    environment.extend(more.iter().copied());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env_clear().envs(environment).args([test, "--exact", "--nocapture"]).stdin(Stdio::null());
    let ran = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
}

#[expect(clippy::disallowed_methods, reason = "tests are processes of their own")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The provider in the process's region.
pub(crate) async fn provider() -> AwsProvider {
    connect(ConnectOptions::default()).await.unwrap()
}

/// What boto3 answers to an operation at moto, as any user of the account would call it; `{"refused": code}` if it
/// refuses.
pub(crate) fn boto(region: &str, service: &str, operation: &str, arguments: &Value) -> Value {
    let moto = variable(MOTO).unwrap();
    let url = format!("{moto}/__emulator__/call?region={region}&service={service}&operation={operation}");
    let mut answer = ureq::put(&url).send_json(arguments).unwrap();
    let answer: Value = answer.body_mut().with_config().limit(1 << 30).read_json().unwrap();
    if let Some(error) = answer.get("emulator_error").and_then(Value::as_str) {
        panic!("{error}");
    }
    answer
}

/// Puts an object into a bucket, faster than [`boto`] does.
pub(crate) fn stored_object(bucket: &str, key: &str) {
    let url = format!("{}/__emulator__/object?bucket={bucket}&key={key}", variable(MOTO).unwrap());
    ureq::put(&url).send_json(json!({"body": "x"})).unwrap();
}

/// No arguments.
pub(crate) fn none() -> Value {
    json!({})
}
