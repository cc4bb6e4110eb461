//! Runs hooks as a deploy would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use jiff::Timestamp;
use runway_aws::AwsProvider;
use runway_core::clock::Clock;
use runway_core::config::load::load;
use runway_core::registry::{HandlerFailure, HookCall, HookStage};
use runway_core::text::Document;
use serde_json::{Map, Value};

use crate::support::provider;

/// A clock on which no time is lost; it counts what was waited.
#[derive(Default)]
pub(crate) struct QuickClock {
    waited: Mutex<Duration>,
}

#[async_trait]
impl Clock for QuickClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        *self.waited.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.waited.lock().unwrap() += duration;
        tokio::task::yield_now().await;
    }
}

/// Hooks of a config in a directory of its own.
pub(crate) struct Hook {
    pub(crate) provider: AwsProvider,
    pub(crate) clock: Arc<QuickClock>,
    pub(crate) secrets: Vec<String>,
    directory: tempfile::TempDir,
    lines: Mutex<Vec<String>>,
}

impl Hook {
    pub(crate) async fn new() -> Self {
        Self {
            provider: provider().await,
            clock: Arc::default(),
            secrets: Vec::new(),
            directory: tempfile::tempdir().unwrap(),
            lines: Mutex::default(),
        }
    }

    /// Writes a file beside the config.
    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What hooks said since the last call.
    pub(crate) fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }

    /// Runs a hook.
    pub(crate) async fn run(
        &self,
        stage: HookStage,
        path: &str,
        args: &Value,
    ) -> Result<Value, HandlerFailure> {
        let text = "namespace: Hook.Test\ncfngin_bucket: ''\ntags: {team: a}\nstacks: []\n";
        let (config, _) = load(&Document::new("cfngin.yml", text), &BTreeMap::new());
        let call = HookCall {
            stage,
            path: path.to_owned(),
            args: args.as_object().unwrap().clone(),
            data_key: None,
            config: Arc::new(config.unwrap()),
            directory: Utf8PathBuf::from_path_buf(self.directory.path().to_owned()).unwrap(),
            environment: BTreeMap::new(),
            hook_data: Map::new(),
            secrets: self.secrets.clone(),
        };
        let clock: Arc<dyn Clock> = Arc::<QuickClock>::clone(&self.clock);
        let hooks = runway_aws::hooks(&self.provider, clock);
        hooks[path].run(&call, &|line: &str| self.lines.lock().unwrap().push(line.to_owned())).await
    }
}
