//! Hooks, lookups and blueprints that do what the config tells them, and remember that they were asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use runway_core::files::{FileError, Files};
use runway_core::provider::ErrorKind;
use runway_core::registry::{
    Blueprint, BlueprintRenderer, BlueprintRequest, Fetched, HandlerFailure, HookCall, HookHandler,
    HookOutput, LookupFailure, LookupHandler, LookupRequest, Registry,
};
use serde_json::{Value, json};

/// A service with named values that lookups read and hooks write, and everything that was asked.
#[derive(Default)]
pub(crate) struct Fakes {
    values: Mutex<BTreeMap<String, Value>>,
    made: Mutex<BTreeMap<Utf8PathBuf, String>>,
    pub(crate) calls: Mutex<Vec<HookCall>>,
    pub(crate) asked: Mutex<Vec<LookupRequest>>,
    pub(crate) rendered: Mutex<Vec<BlueprintRequest>>,
}

impl Fakes {
    /// Handlers for every hook, for blueprints, and for the lookups `ssm` and `random.string`.
    pub(crate) fn registry(self: &Arc<Self>) -> Registry {
        let lookup = || Arc::clone(self) as Arc<dyn LookupHandler>;
        Registry {
            lookups: ["ssm", "random.string"].map(|name| (name.to_owned(), lookup())).into(),
            hooks: BTreeMap::new(),
            python_hooks: Some(Arc::clone(self) as _),
            blueprints: Some(Arc::clone(self) as _),
            kinds: Default::default(),
            services: None,
        }
    }

    /// Files of a project, and those that hooks made.
    pub(crate) fn files(self: &Arc<Self>, own: BTreeMap<Utf8PathBuf, String>) -> Arc<dyn Files> {
        Arc::new(Overlay { own, fakes: Arc::clone(self) })
    }

    /// Sets a value of the service.
    pub(crate) fn set(&self, name: &str, value: impl Into<Value>) {
        self.values.lock().unwrap().insert(name.to_owned(), value.into());
    }

    /// What the hooks were called with, in order: the argument `name` of each.
    pub(crate) fn hooks(&self, name: &str) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|call| call.args.get(name).cloned().unwrap_or_default()).collect()
    }

    /// How often each query was asked.
    pub(crate) fn queries(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.asked.lock().unwrap().iter() {
            *counts.entry(request.query.clone()).or_default() += 1;
        }
        counts
    }
}

struct Overlay {
    own: BTreeMap<Utf8PathBuf, String>,
    fakes: Arc<Fakes>,
}

impl Files for Overlay {
    fn read(&self, path: &Utf8Path) -> Result<String, FileError> {
        match self.fakes.made.lock().unwrap().get(path) {
            Some(text) => Ok(text.clone()),
            None => self.own.read(path),
        }
    }
}

#[async_trait]
impl HookHandler for Fakes {
    /// Does what its arguments say: `print`, `sleep` (seconds), `set` (values of the service), `file`, `keep`, `fail` or
    /// `denied`, and `give`, which is its result (`true` if absent).
    async fn run(&self, call: &HookCall, output: &dyn HookOutput) -> Result<Value, HandlerFailure> {
        self.calls.lock().unwrap().push(call.clone());
        let argument = |name: &str| call.args.get(name);
        let entries = |name: &str| argument(name).and_then(Value::as_object).into_iter().flatten();
        if let Some(text) = argument("print").and_then(Value::as_str) {
            text.lines().for_each(|line| output.line(line));
        }
        if let Some(seconds) = argument("sleep").and_then(Value::as_u64) {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        entries("set").for_each(|(name, value)| self.set(name, value.clone()));
        entries("keep").for_each(|(name, value)| output.keep(name, value.clone()));
        for (path, text) in entries("file") {
            self.made.lock().unwrap().insert(path.into(), text.as_str().unwrap().to_owned());
        }
        let failure = |message: &Value, kind| HandlerFailure {
            message: message.as_str().unwrap().to_owned(),
            help: Some("do it otherwise".to_owned()),
            detail: Some(format!("Traceback: {message}")),
            kind,
        };
        if let Some(message) = argument("fail") {
            return Err(failure(message, None));
        }
        if let Some(message) = argument("denied") {
            return Err(failure(message, Some(ErrorKind::Denied)));
        }
        Ok(argument("give").cloned().unwrap_or(Value::Bool(true)))
    }
}

#[async_trait]
impl LookupHandler for Fakes {
    /// `random.string` gives another value each time; `ssm` what the service has. A value `{"secret": ..}` is one, and
    /// `{"denied": ..}` may not be read.
    async fn fetch(&self, request: &LookupRequest) -> Result<Fetched, LookupFailure> {
        let count = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.clone());
            asked.len()
        };
        // An answer takes its time, so that others ask meanwhile.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if request.name == "random.string" {
            return Ok(Fetched { value: json!(format!("random-{count}")), secret: false });
        }
        let found = self.values.lock().unwrap().get(&request.query).cloned();
        let found = found.ok_or_else(|| {
            LookupFailure::missing(format!("there is no SSM parameter `{}`", request.query))
        })?;
        match (found.get("secret"), found.get("denied")) {
            (Some(secret), _) => Ok(Fetched { value: secret.clone(), secret: true }),
            (_, Some(message)) => Err(LookupFailure {
                missing: false,
                message: message.as_str().unwrap().to_owned(),
                help: None,
                kind: Some(ErrorKind::Denied),
            }),
            _ => Ok(Fetched { value: found, secret: false }),
        }
    }
}

#[async_trait]
impl BlueprintRenderer for Fakes {
    /// A template with a parameter for each variable and one more, `Made`, whose resource has the hooks' results. A
    /// variable `Fail` is the message of an error, a variable `Table` the name of a table in the template.
    async fn render(&self, request: &BlueprintRequest) -> Result<Blueprint, HandlerFailure> {
        self.rendered.lock().unwrap().push(request.clone());
        if let Some(message) = request.variables.get("Fail").and_then(Value::as_str) {
            return Err(HandlerFailure {
                message: format!("ValueError: {message}"),
                help: None,
                detail: Some(format!("File \"blueprints/web.py\", line 7\n    raise ValueError({message})")),
                kind: None,
            });
        }
        let mut parameters: Vec<(String, Value)> =
            request.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        parameters.push(("Made".to_owned(), json!("by the blueprint")));
        let declared: serde_json::Map<String, Value> =
            parameters.iter().map(|(name, _)| (name.clone(), json!({"Type": "String"}))).collect();
        let outputs: serde_json::Map<String, Value> =
            parameters.iter().map(|(name, _)| (name.clone(), json!({"Value": {"Ref": name}}))).collect();
        let hook_data = Value::Object(request.hook_data.clone()).to_string();
        let mut resources = json!({"P": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": hook_data},
        }});
        if let Some(table) = request.variables.get("Table") {
            resources["T"] = json!({"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": table}});
        }
        let body = json!({"Parameters": declared, "Resources": resources, "Outputs": outputs});
        Ok(Blueprint { body: body.to_string(), parameters })
    }
}
