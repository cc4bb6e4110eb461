//! Projects in directories of their own, with Python code, and a bridge to the real Runway.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use runway_core::cache::Cache;
use runway_core::config::load::load;
use runway_core::ident::NodeName;
use runway_core::provider::{CloudFormation, Place, Provider, ProviderError};
use runway_core::registry::{BlueprintRequest, HookCall, HookOutput, HookStage};
use runway_core::text::Document;
use runway_host::python::{PythonBridge, PythonSettings};
use runway_store::{BucketName, ObjectStore};
use serde_json::{Map, Value, json};

/// The root of the repository.
pub(crate) fn root() -> Utf8PathBuf {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    Utf8PathBuf::from_path_buf(place).unwrap()
}

/// The interpreter that has Runway.
pub(crate) fn python() -> Utf8PathBuf {
    let place = root().join("target/python/runway/bin/python");
    assert!(place.exists(), "{place} is missing: `cargo xtask test` installs it");
    place
}

/// A project in a directory that lives as long as this.
pub(crate) struct Project {
    directory: tempfile::TempDir,
    pub(crate) settings: PythonSettings,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self::with_config(json!({"namespace": "Test.Ns", "cfngin_bucket": "", "stacks": []}))
    }

    pub(crate) fn with_config(config: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Utf8PathBuf::from_path_buf(directory.path().canonicalize().unwrap()).unwrap();
        for package in ["blueprints", "hooks", "lookups"] {
            let from = root().join("tests/bridge/project").join(package);
            fs_err::create_dir(place.join(package)).unwrap();
            for entry in fs_err::read_dir(from).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() {
                    fs_err::copy(entry.path(), place.join(package).join(entry.file_name().to_str().unwrap()))
                        .unwrap();
                }
            }
        }
        let environment = BTreeMap::from([
            ("PATH", "/usr/bin:/bin"),
            ("ONLY_HERE", "yes"),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("CI", "1"),
        ]);
        let settings = PythonSettings {
            interpreter: Some(python()),
            directory: place.clone(),
            environment: environment
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            config,
            config_path: place.join("cfngin.yml"),
            parameters: BTreeMap::from([("team".to_owned(), json!("blue"))]),
            deploy_environment: "dev".to_owned(),
            region: "eu-west-1".to_owned(),
            root_directory: place.clone(),
            work_directory: place.join(".runway"),
            sys_path: vec![place],
            timeout: Duration::from_secs(120),
        };
        Self { directory, settings }
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).unwrap()
    }

    pub(crate) fn bridge(&self) -> Arc<PythonBridge> {
        Arc::new(PythonBridge::new(self.settings.clone()))
    }

    /// A bridge that finds again what was kept in this cache.
    pub(crate) fn remembering(&self, cache: &Arc<Cache>) -> PythonBridge {
        PythonBridge::new(self.settings.clone()).remembering(Arc::clone(cache))
    }

    /// Counts how often Python is started, by what Python imports before anything else.
    pub(crate) fn count_in_python(&mut self) -> Starts {
        let (place, counter) = (self.path().join("counting"), self.path().join("starts"));
        let text = format!("with open('{counter}', 'a') as starts:\n    starts.write('start\\n')\n");
        fs_err::create_dir(&place).unwrap();
        fs_err::write(place.join("sitecustomize.py"), text).unwrap();
        self.settings.environment.insert("PYTHONPATH".to_owned(), place.to_string());
        Starts(counter)
    }

    /// Puts a script between the bridge and Python that counts how often it is started.
    pub(crate) fn count_starts(&mut self) -> Utf8PathBuf {
        let (script, counter) = (self.path().join("counting-python"), self.path().join("starts"));
        let text = format!("#!/bin/sh\necho start >> '{counter}'\necho noise\nexec '{}' \"$@\"\n", python());
        write_script(&script, &text);
        self.settings.interpreter = Some(script);
        counter
    }
}

/// How often Python was started.
pub(crate) struct Starts(Utf8PathBuf);

impl Starts {
    pub(crate) fn count(&self) -> usize {
        fs_err::read_to_string(&self.0).map_or(0, |text| text.lines().count())
    }
}

/// Writes an executable file.
pub(crate) fn write_script(path: &Utf8Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A call of a hook before a deploy.
pub(crate) fn call(path: &str, args: Value) -> HookCall {
    let document = Document::new("cfngin.yml", "namespace: Test.Ns\ncfngin_bucket: ''\nstacks: []\n");
    let (config, _) = load(&document, &BTreeMap::new());
    let Value::Object(args) = args else { panic!("arguments are a map") };
    HookCall {
        stage: HookStage::PreDeploy,
        path: path.to_owned(),
        args,
        data_key: None,
        config: Arc::new(config.unwrap()),
        directory: Utf8PathBuf::from("/"),
        environment: BTreeMap::new(),
        hook_data: Map::new(),
        secrets: Vec::new(),
    }
}

/// A request for a stack called `queues`.
pub(crate) fn request(class_path: &str, variables: Value) -> BlueprintRequest {
    let Value::Object(variables) = variables else { panic!("variables are a map") };
    BlueprintRequest {
        stack: NodeName::new("queues"),
        class_path: class_path.to_owned(),
        description: None,
        variables,
        hook_data: Map::new(),
        secrets: Vec::new(),
    }
}

/// Collects what hooks print and keep.
#[derive(Default)]
pub(crate) struct Output {
    lines: Mutex<Vec<String>>,
    kept: Mutex<Map<String, Value>>,
}

impl Output {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn kept(&self) -> Map<String, Value> {
        self.kept.lock().unwrap().clone()
    }
}

impl HookOutput for Output {
    fn line(&self, text: &str) {
        self.lines.lock().unwrap().push(text.to_owned());
    }

    fn keep(&self, key: &str, value: Value) {
        self.kept.lock().unwrap().insert(key.to_owned(), value);
    }
}

/// An account that docker hooks may ask for, and nothing else.
pub(crate) struct Here;

impl Here {
    pub(crate) fn provider() -> Arc<dyn Provider> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Provider for Here {
    fn identity(&self) -> String {
        "nowhere".to_owned()
    }

    fn region(&self) -> &str {
        "eu-west-1"
    }

    async fn place(&self) -> Result<Place, ProviderError> {
        Ok(Place { account: "000011112222".to_owned(), region: "eu-west-1".to_owned() })
    }

    fn cloudformation(&self) -> Arc<dyn CloudFormation> {
        panic!("hooks that run programs have no business with stacks")
    }

    fn object_store(&self, _: &BucketName, _: Option<&str>) -> Arc<dyn ObjectStore> {
        panic!("hooks that run programs have no business with buckets")
    }

    fn keeps_conditions(&self) -> bool {
        true
    }

    fn in_region(&self, _: &str) -> Arc<dyn Provider> {
        panic!("hooks that run programs have no business in other regions")
    }
}
