//! The emulator that both programs talk to.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chore::{Failure, root};
use crate::python;

/// The bucket of all projects.
pub(crate) const BUCKET: &str = "bench-bucket";

/// Key of their graph.
const GRAPH: &str = "persistent_graphs/example/bench.json";

/// Marks the requests of the measured programs.
const APPLICATION: &str = "bench";

/// moto in a child process that ends with this one.
pub(crate) struct Server {
    port: u16,
    _process: Child,
}

impl Server {
    /// Starts the server, and lets it load what it loads at the first request.
    pub(crate) fn start() -> Result<Self, Failure> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new(python::interpreter("moto"))
            .arg(root().join("tests/python/emulator.py"))
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { port, _process: process };
        let deadline = Instant::now() + Duration::from_secs(120);
        while ureq::get(&server.address("moto-api/")).call().is_err() {
            if Instant::now() > deadline {
                return Err("moto does not start".into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        server.make_bucket("us-east-1")?;
        server.stacks("us-east-1")?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A URL of it.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn get(&self, command: &str) -> Result<Value, Failure> {
        let mut answer = ureq::get(&self.address(&format!("__emulator__/{command}"))).call()?;
        let answer: Value = answer.body_mut().with_config().limit(1 << 30).read_json()?;
        match answer["emulator_error"].as_str() {
            Some(error) => Err(error.into()),
            None => Ok(answer),
        }
    }

    /// Forgets everything stored.
    pub(crate) fn reset(&self) -> Result<(), Failure> {
        ureq::post(&self.address("moto-api/reset")).send_empty()?;
        Ok(())
    }

    /// Makes the bucket, with versions.
    pub(crate) fn make_bucket(&self, region: &str) -> Result<(), Failure> {
        let query = format!("__emulator__/bucket?bucket={BUCKET}&region={region}");
        ureq::put(&self.address(&query)).send_empty()?;
        Ok(())
    }

    /// Forgets the counts of requests.
    pub(crate) fn forget_requests(&self) -> Result<(), Failure> {
        ureq::delete(&self.address("__emulator__/requests")).call()?;
        Ok(())
    }

    /// Requests of the measured program by operation.
    pub(crate) fn requests(&self) -> Result<BTreeMap<String, usize>, Failure> {
        Ok(serde_json::from_value(self.get(&format!("requests?application={APPLICATION}"))?)?)
    }

    /// Live stacks by name.
    pub(crate) fn stacks(&self, region: &str) -> Result<Value, Failure> {
        self.get(&format!("stacks?region={region}"))
    }

    /// The persistent graph; `None` if there is no object.
    pub(crate) fn graph(&self) -> Result<Option<Value>, Failure> {
        let object = self.get(&format!("object?bucket={BUCKET}&key={GRAPH}"))?;
        object["body"].as_str().map(serde_json::from_str).transpose().map_err(Failure::from)
    }

    /// The environment of a measured program: fake credentials, this server, nothing of the machine.
    pub(crate) fn client_environment(&self, home: &Path, region: &str) -> Vec<(&'static str, String)> {
        vec![
            // The name, not the address: moto looks for it in template URLs.
            ("AWS_ENDPOINT_URL", format!("http://localhost:{}", self.port)),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
            ("AWS_REGION", region.to_owned()),
            ("AWS_DEFAULT_REGION", region.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_SDK_UA_APP_ID", APPLICATION.to_owned()),
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("HOME", home.display().to_string()),
        ]
    }
}
