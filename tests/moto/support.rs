//! A moto server of this test process, and scenes: a project in a directory, with region, bucket and request counts
//! of its own.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Regions that moto knows; every scene gets one for itself, so that it sees its own stacks only.
const REGIONS: [&str; 33] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-north-1",
    "eu-south-1",
    "ap-east-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ca-central-1",
    "sa-east-1",
    "me-south-1",
    "af-south-1",
    "eu-central-2",
    "eu-south-2",
    "ap-south-2",
    "ap-southeast-3",
    "me-central-1",
    "ap-southeast-4",
    "il-central-1",
    "ca-west-1",
    "mx-central-1",
    "ap-southeast-5",
    "ap-southeast-7",
    "ap-east-2",
];

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Interpreter of a virtual environment that `cargo xtask test` installs.
pub(crate) fn python(environment: &str) -> PathBuf {
    let place = root().join("target/python").join(environment).join("bin/python");
    assert!(place.exists(), "{} is missing: `cargo xtask test` installs it", place.display());
    place
}

/// moto, served by a child process that ends with this one.
pub(crate) struct Emulator {
    endpoint: String,
    _server: Child,
}

impl Emulator {
    /// The server of a scene, started by whoever asks first: scenes share one as long as it has a region for each.
    fn of(scene: usize) -> &'static Self {
        static SERVERS: [OnceLock<Emulator>; 4] = [const { OnceLock::new() }; 4];
        SERVERS[scene / REGIONS.len()].get_or_init(Self::start)
    }

    fn start() -> Self {
        let port = free_port();
        let server = Command::new(python("moto"))
            .arg(root().join("tests/python/emulator.py"))
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The name, not the address: moto looks for it in template URLs.
        let emulator = Self { endpoint: format!("http://localhost:{port}"), _server: server };
        let deadline = Instant::now() + Duration::from_secs(120);
        while ureq::get(&format!("http://127.0.0.1:{port}/moto-api/")).call().is_err() {
            assert!(Instant::now() < deadline, "moto does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        emulator
    }

    fn control(&self, command: &str, query: &[(&str, &str)]) -> String {
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "{}/__emulator__/{command}?{}",
            self.endpoint.replace("localhost", "127.0.0.1"),
            query.join("&")
        )
    }

    fn get(&self, command: &str, query: &[(&str, &str)]) -> Value {
        checked(ureq::get(&self.control(command, query)).call().unwrap())
    }

    pub(crate) fn put(&self, command: &str, query: &[(&str, &str)], body: &Value) {
        checked(ureq::put(&self.control(command, query)).send_json(body).unwrap());
    }
}

fn checked(mut answer: ureq::http::Response<ureq::Body>) -> Value {
    let answer: Value = answer.body_mut().with_config().limit(1 << 30).read_json().unwrap();
    if let Some(error) = answer["emulator_error"].as_str() {
        panic!("{error}");
    }
    answer
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A project and the part of the cloud that it alone uses.
pub(crate) struct Scene {
    directory: tempfile::TempDir,
    pub(crate) emulator: &'static Emulator,
    pub(crate) region: &'static str,
    pub(crate) bucket: String,
    application: String,
}

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that standard error contains a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in:\n{}", self.stderr);
        self
    }
}

/// A template with one resource; `Note` and `Up` are its parameters and outputs.
pub(crate) const TEMPLATE: &str = r#"Parameters: {Note: {Type: String}, Up: {Type: String}}
Resources:
  P: {Type: AWS::SSM::Parameter, Properties: {Name: !Sub "/${AWS::StackName}/p", Type: String, Value: !Sub "${Note} ${Up}"}}
Outputs: {Name: {Value: !Ref P}, Note: {Value: !Ref Note}}
"#;

impl Scene {
    /// An empty scene with the standard template.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let region = REGIONS[number % REGIONS.len()];
        let directory = tempfile::tempdir().unwrap();
        let scene = Self {
            directory,
            emulator: Emulator::of(number),
            region,
            bucket: format!("bucket-{region}"),
            application: format!("scene-{number}"),
        };
        scene.file("templates/t.yml", TEMPLATE);
        scene
    }

    /// Directory of the project.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of the project.
    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes the config: namespace `example`, the scene's bucket, and these stacks (YAML list items, indented).
    pub(crate) fn config(&self, stacks: &str) {
        let bucket = &self.bucket;
        self.file(
            "cfngin.yml",
            &format!("namespace: example\ncfngin_bucket: {bucket}\npersistent_graph_key: my_graph\nstacks:\n{stacks}"),
        );
    }

    /// The environment of every client: fake credentials, the emulator, nothing of the machine.
    pub(crate) fn environment(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("AWS_ENDPOINT_URL", self.emulator.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
            ("AWS_REGION", self.region.to_owned()),
            ("AWS_DEFAULT_REGION", self.region.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_SDK_UA_APP_ID", self.application.clone()),
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("HOME", self.path().display().to_string()),
        ])
    }

    /// The program with a command line, not yet started.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runway-rs"));
        command.env_clear().envs(self.environment()).current_dir(self.path()).stdin(Stdio::null());
        command.args(line.split_whitespace());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, line: &str) -> Ran {
        finished(self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Starts the program.
    pub(crate) fn start(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs Runway in the project, whose config has to be a module `infra.cfn` of a `runway.yml`.
    pub(crate) fn runway(&self, action: &str) -> Ran {
        let runway = python("runway").with_file_name("runway");
        let mut command = Command::new(runway);
        command.env_clear().envs(self.environment()).current_dir(self.path()).stdin(Stdio::null());
        command.envs([("CI", "1"), ("DEPLOY_ENVIRONMENT", "test"), ("CFNGIN_STACK_POLL_TIME", "0")]);
        command.env("RUNWAY_MAX_CONCURRENT_CFNGIN_STACKS", "1").arg(action);
        finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Live stacks by name.
    pub(crate) fn stacks(&self) -> BTreeMap<String, Value> {
        let stacks = self.emulator.get("stacks", &[("region", self.region)]);
        let mut stacks: BTreeMap<String, Value> = serde_json::from_value(stacks).unwrap();
        // Every scene has a bucket, and that has a stack of its own.
        stacks.retain(|name, _| !name.ends_with("-cfngin-bucket"));
        stacks
    }

    /// Names of live stacks.
    pub(crate) fn stack_names(&self) -> Vec<String> {
        self.stacks().into_keys().collect()
    }

    /// Keys of the bucket.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys = self.emulator.get("objects", &[("bucket", &self.bucket)]);
        serde_json::from_value(keys).unwrap()
    }

    /// Body and tags of an object.
    pub(crate) fn object(&self, key: &str) -> Option<(String, BTreeMap<String, String>)> {
        let object = self.emulator.get("object", &[("bucket", &self.bucket), ("key", key)]);
        let body = object["body"].as_str()?.to_owned();
        Some((body, serde_json::from_value(object["tags"].clone()).unwrap()))
    }

    /// The graph: dependencies by stack; `None` if there is no object.
    pub(crate) fn graph(&self) -> Option<BTreeMap<String, Vec<String>>> {
        Some(serde_json::from_str(self.object(GRAPH)?.0.trim_end()).unwrap())
    }

    /// Checks that the graph is unlocked and at rest.
    #[track_caller]
    pub(crate) fn is_unlocked(&self) {
        assert_eq!(self.object(&format!("{GRAPH}.lock")), None, "lease");
        if let Some((body, tags)) = self.object(GRAPH) {
            assert!(!tags.contains_key("cfngin_lock_code"), "{tags:?}");
            assert_eq!(body, body.trim_end());
        }
    }

    /// Lock codes of the accepted writes of the graph, in order; `None` for writes that carried none.
    pub(crate) fn graph_writes(&self) -> Vec<Option<String>> {
        let writes = self.emulator.get("graph_writes", &[("bucket", &self.bucket), ("key", GRAPH)]);
        serde_json::from_value(writes).unwrap()
    }

    /// Version ids of an object, newest first.
    pub(crate) fn versions(&self, key: &str) -> Vec<String> {
        let versions = self.emulator.get("versions", &[("bucket", &self.bucket), ("key", key)]);
        serde_json::from_value(versions).unwrap()
    }

    /// Requests of this scene so far, by operation.
    pub(crate) fn requests(&self) -> BTreeMap<String, usize> {
        let counts = self.emulator.get("requests", &[("application", &self.application)]);
        serde_json::from_value(counts).unwrap()
    }

    /// Requests of this scene that `work` made.
    pub(crate) fn counted<V>(&self, work: impl FnOnce() -> V) -> (V, BTreeMap<String, usize>) {
        let before = self.requests();
        let value = work();
        let counts = self.requests().into_iter();
        let made = counts
            .map(|(name, count)| {
                let earlier = before.get(&name).copied().unwrap_or_default();
                (name, count - earlier)
            })
            .filter(|(_, count)| *count > 0);
        (value, made.collect())
    }

    /// What boto3 answers to an operation in the scene's region, as any user of the account would call it.
    pub(crate) fn boto(&self, service: &str, operation: &str, arguments: &Value) -> Value {
        let query = [("region", self.region), ("service", service), ("operation", operation)];
        let url = self.emulator.control("call", &query);
        checked(ureq::put(&url).send_json(arguments).unwrap())
    }

    /// Makes the bucket, as if somebody else had.
    pub(crate) fn make_bucket(&self) {
        let query = [("bucket", self.bucket.as_str()), ("region", self.region)];
        self.emulator.put("bucket", &query, &Value::Null);
    }

    /// From now on the bucket is on a server that lists no entity tags and knows fewer requests.
    pub(crate) fn knows_less_than_s3(&self) {
        self.emulator.put("lesser", &[("bucket", self.bucket.as_str())], &Value::Null);
    }

    /// From now on the bucket is on a server that takes the conditions of writes, and does not keep them.
    pub(crate) fn ignores_conditions(&self) {
        self.emulator.put("careless", &[("bucket", self.bucket.as_str())], &Value::Null);
    }

    /// Writes an object, as somebody else would; without `body`, only its tags.
    pub(crate) fn write(&self, key: &str, body: Option<&str>, tags: &[(&str, &str)]) {
        let tags: BTreeMap<_, _> = tags.iter().copied().collect();
        let query = [("bucket", self.bucket.as_str()), ("key", key)];
        self.emulator.put("object", &query, &json!({"body": body, "tags": tags}));
    }

    /// From now on, requests of this scene for `operation` take this much longer.
    pub(crate) fn delay(&self, operation: &str, seconds: f64) {
        self.emulator.put("delays", &[("application", &self.application)], &json!({operation: seconds}));
    }
}

/// Key of the graph object of every scene.
pub(crate) const GRAPH: &str = "persistent_graphs/example/my_graph.json";

/// Waits for a child and takes what it printed.
pub(crate) fn finished(mut child: Child) -> Ran {
    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    Ran { status: child.wait().unwrap(), stdout, stderr: reader.join().unwrap() }
}

/// Waits until `condition` gives a value.
#[track_caller]
pub(crate) fn eventually<V>(what: &str, mut condition: impl FnMut() -> Option<V>) -> V {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
