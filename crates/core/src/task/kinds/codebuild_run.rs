//! `codebuild_run`: a build of a CodeBuild project.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    Change, Given, Gives, Read, ReadContext, Service, TaskAction, TaskChange, TaskDone, TaskFailure,
    TaskKind, WriteContext,
};
use super::arguments::{Problems, Text};
use super::calls::{Patience, change, failure, refused, text};
use super::changes::{Details, HIDDEN, Outputs, nothing};

const BUILDS: Read = Read::new(Service::CodeBuild, "BatchGetBuilds");
const START: Change = Change::new(Service::CodeBuild, "StartBuild");

/// Minutes that a build may take, unless told otherwise.
const MINUTES: u32 = 60;
/// Minutes that CodeBuild lets a build take, time in the queue included.
const MOST_MINUTES: u32 = 2160 + 480;

pub(super) struct CodebuildRun;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    project: String,
    #[serde(default)]
    env: BTreeMap<String, Variable>,
    #[serde(default)]
    source_version: Option<String>,
    #[serde(default = "yes")]
    wait: bool,
    #[serde(default)]
    timeout_minutes: Option<u32>,
    #[serde(default)]
    idempotency: Option<Text>,
}

fn yes() -> bool {
    true
}

/// A variable of a build: its value, or where CodeBuild finds it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "a variable is a text, or a map with `value` and `type`")]
enum Variable {
    Plain(Text),
    Typed(Typed),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    value: Text,
    #[serde(rename = "type")]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    Plaintext,
    ParameterStore,
    SecretsManager,
}

impl Variable {
    fn parts(&self) -> (&str, Kind) {
        match self {
            Self::Plain(text) => (&text.0, Kind::Plaintext),
            Self::Typed(typed) => (&typed.value.0, typed.kind),
        }
    }
}

#[async_trait]
impl TaskKind for CodebuildRun {
    const KIND: &'static str = "codebuild_run";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const EFFECTS: bool = true;
    const SERVICE: &'static str = "codebuild";
    const GIVES: Gives = Gives::and_beginning(
        "exported.",
        &[
            Given::changing("build_id", &["project"]),
            Given::changing("build_arn", &["project"]),
            Given::changing("status", &[]),
        ],
    );
    type Spec = Spec;
    type State = ();

    fn subject(spec: &Spec) -> String {
        spec.project.clone()
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("project", &spec.project, 255);
        for (name, variable) in &spec.env {
            problems.length("env", name, 255).signs("env", name, "_");
            let (value, kind) = variable.parts();
            problems.when(
                kind != Kind::Plaintext && value.is_empty(),
                format!("the variable `{name}` names nothing in `value`"),
            );
        }
        if let Some(minutes) = spec.timeout_minutes {
            problems.when(minutes == 0, "`timeout_minutes` is 0");
            problems.when(
                minutes > MOST_MINUTES,
                format!("`timeout_minutes` is {minutes}, {MOST_MINUTES} are allowed"),
            );
            problems.when(!spec.wait, "`timeout_minutes` is of no use without `wait`");
        }
        if let Some(token) = &spec.idempotency {
            problems.length("idempotency", &token.0, 64);
        }
        problems.take()
    }

    async fn read(&self, _context: &ReadContext<'_>, _spec: &Spec) -> Result<(), TaskFailure> {
        Ok(())
    }

    fn diff(&self, spec: &Spec, _state: &()) -> TaskChange {
        let mut details = Details::default();
        details.text("project", None, Some(&spec.project));
        for (name, variable) in &spec.env {
            let (value, kind) = variable.parts();
            // A place of a secret is none.
            let shown = match kind {
                Kind::Plaintext => value.to_owned(),
                Kind::ParameterStore => format!("{HIDDEN} (parameter {value})"),
                Kind::SecretsManager => format!("{HIDDEN} (secret {value})"),
            };
            details.text(format!("env.{name}"), None, Some(&shown));
        }
        details.of(TaskAction::Run, Outputs::default())
    }

    fn diff_removed(&self, _spec: &Spec, _state: &()) -> TaskChange {
        nothing()
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        _planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let variables = spec.env.iter().map(|(name, variable)| {
            let (value, kind) = variable.parts();
            json!({"name": name, "value": value, "type": kind})
        });
        // CodeBuild gives the same build to the same token, for five minutes.
        let token = spec.idempotency.as_ref().map_or(context.token, |token| token.0.as_str());
        let mut input = json!({
            "projectName": spec.project,
            "environmentVariablesOverride": variables.collect::<Vec<_>>(),
            "idempotencyToken": token,
        });
        if let Some(version) = &spec.source_version {
            input["sourceVersion"] = json!(version);
        }
        let started = change(context, START, &input).await.map_err(|failed| {
            if failed.is(&["ResourceNotFoundException"]) {
                return refused(
                    failed,
                    "correct `project`, or let the task require the stack that makes the project",
                );
            }
            failed.into()
        })?;
        let Some(id) = text(&started, "/build/id") else {
            return Err(failure("StartBuild answered without an id", "look at the project's builds"));
        };
        if !spec.wait {
            return Ok(outputs(&started["build"], &id).into());
        }
        let minutes = spec.timeout_minutes.unwrap_or(MINUTES);
        let mut patience = Patience::of(Duration::from_secs(u64::from(minutes) * 60));
        loop {
            let answer = context.read.call(BUILDS, &json!({"ids": [id]})).await?;
            let build = answer.pointer("/builds/0").cloned().unwrap_or_default();
            match text(&build, "/buildStatus").as_deref() {
                Some("SUCCEEDED") => return Ok(outputs(&build, &id).into()),
                None | Some("IN_PROGRESS") => {
                    if !patience.pause(context).await {
                        return Err(failure(
                            format!("the build {id} is not done after {minutes} minutes"),
                            "it goes on; raise `timeout_minutes`, or set `wait: false`",
                        ));
                    }
                }
                Some(status) => return Err(broken(&build, &id, status)),
            }
        }
    }
}

/// What a build that failed says of itself.
fn broken(build: &Value, id: &str, status: &str) -> TaskFailure {
    let phases = build.get("phases").and_then(Value::as_array);
    let failed = phases.into_iter().flatten().find(|phase| {
        let status = phase.get("phaseStatus").and_then(Value::as_str);
        status.is_some_and(|status| status != "SUCCEEDED")
    });
    let said = failed.map(|phase| {
        let name = text(phase, "/phaseType").unwrap_or_default();
        let message = text(phase, "/contexts/0/message").unwrap_or_default();
        format!(", in {name}: {message}").trim_end_matches([' ', ':']).to_owned()
    });
    let logs = text(build, "/logs/deepLink")
        .map_or_else(|| "look at the build's logs".to_owned(), |link| format!("look at its logs: {link}"));
    failure(format!("the build {id} ended with {status}{}", said.unwrap_or_default()), logs)
}

fn outputs(build: &Value, id: &str) -> Outputs {
    let mut outputs = Outputs::default().with("build_id", id);
    if let Some(arn) = text(build, "/arn") {
        outputs = outputs.with("build_arn", arn);
    }
    if let Some(status) = text(build, "/buildStatus") {
        outputs = outputs.with("status", status);
    }
    // What the build's own commands export.
    let exported = build.get("exportedEnvironmentVariables").and_then(Value::as_array);
    for variable in exported.into_iter().flatten() {
        if let (Some(name), Some(value)) = (text(variable, "/name"), text(variable, "/value")) {
            outputs = outputs.with(&format!("exported.{name}"), value);
        }
    }
    outputs
}
