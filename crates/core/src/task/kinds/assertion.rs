//! `assert`: something that has to be so before the run goes on.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    Given, Gives, Keeps, ReadContext, TaskAction, TaskChange, TaskDone, TaskFailure, TaskKind, WriteContext,
};
use super::arguments::Problems;
use super::calls::{Patience, failure};
use super::changes::{Details, Outputs, nothing};
use super::{query, readable};
use crate::ident::StackFqn;
use crate::provider::{ErrorKind, StackRef};

pub(super) struct Assert;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    #[serde(default)]
    call: Option<Call>,
    #[serde(default)]
    stack: Option<String>,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    query: String,
    #[serde(default)]
    equals: Option<Value>,
    #[serde(default)]
    exists: Option<bool>,
    #[serde(default)]
    wait_seconds: u32,
}

/// A read of a service.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    service: String,
    operation: String,
    #[serde(default = "no_input")]
    input: Value,
}

fn no_input() -> Value {
    json!({})
}

/// What was found.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    found: Option<Value>,
}

/// Codes of services for things that do not exist.
fn is_missing(code: &str) -> bool {
    code.contains("NotFound") || code.contains("NotExist") || code.contains("NoSuch")
}

impl Spec {
    fn holds(&self, state: &State) -> bool {
        let exists = self.exists.is_none_or(|wanted| state.found.is_some() == wanted);
        let equals = self.equals.as_ref().is_none_or(|wanted| state.found.as_ref() == Some(wanted));
        exists && equals
    }

    fn source(&self) -> String {
        let mut text = match (&self.call, &self.stack) {
            (Some(call), _) => format!("{} {}", call.service, call.operation),
            (None, Some(stack)) => format!("stack {stack}"),
            (None, None) => "value".to_owned(),
        };
        if !self.query.is_empty() {
            text.push_str(&format!(" {}", self.query));
        }
        text
    }

    fn wanted(&self) -> Option<Value> {
        match (&self.equals, self.exists) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(true)) => Some(json!("anything")),
            _ => None,
        }
    }

    async fn whole(&self, context: &ReadContext<'_>) -> Result<Option<Value>, TaskFailure> {
        if let Some(call) = &self.call {
            let Some(read) = readable::find(&call.service, &call.operation) else {
                return Err(failure(unreadable(call), "see docs/task-kinds.md for what can be asked"));
            };
            return match context.call(read, &call.input).await {
                Ok(answer) => Ok(Some(answer)),
                Err(failed) if is_missing(&failed.code) || failed.error.kind == ErrorKind::NotFound => {
                    Ok(None)
                }
                Err(failed) => Err(failed.into()),
            };
        }
        if let Some(stack) = &self.stack {
            let found = context.stack(&StackRef::Name(StackFqn::new(stack.as_str()))).await?;
            return Ok(found.map(|stack| {
                json!({
                    "id": stack.id.as_str(),
                    "status": stack.status,
                    "parameters": stack.parameters,
                    "outputs": stack.outputs,
                    "tags": stack.tags,
                })
            }));
        }
        Ok(self.value.clone())
    }
}

fn unreadable(call: &Call) -> String {
    format!("`{}` of `{}` is no read that an assertion can make", call.operation, call.service)
}

#[async_trait]
impl TaskKind for Assert {
    const KIND: &'static str = "assert";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const KEEPS: Keeps = Keeps::Nothing;
    const GIVES: Gives = Gives::only(&[Given::free("value")]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        let input = spec.call.as_ref().map(|call| format!(" {}", call.input)).unwrap_or_default();
        format!("{}{input}", spec.source())
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        let sources = [spec.call.is_some(), spec.stack.is_some(), spec.value.is_some()];
        let sources = sources.into_iter().filter(|given| *given).count();
        problems.when(sources != 1, "say what to look at with exactly one of `call`, `stack` and `value`");
        problems.when(
            spec.equals.is_none() && spec.exists.is_none(),
            "say what has to be so with `equals` or `exists`",
        );
        problems.when(
            spec.equals.is_some() && spec.exists == Some(false),
            "what does not exist equals nothing: remove `equals`, or `exists: false`",
        );
        if let Some(problem) = query::problem(&spec.query) {
            problems.when(true, problem);
        }
        if let Some(call) = &spec.call {
            problems.when(readable::find(&call.service, &call.operation).is_none(), unreadable(call));
            problems.when(!call.input.is_object(), "`call.input` must be a map");
            problems.when(
                call.input.get("WithDecryption").is_some_and(|value| *value != json!(false)),
                "an assertion shows what it finds, so it does not decrypt: remove `WithDecryption`",
            );
        }
        if let Some(stack) = &spec.stack {
            problems.length("stack", stack, 128);
        }
        problems.take()
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let whole = spec.whole(context).await?;
        let found = whole.as_ref().and_then(|whole| query::find(whole, &spec.query));
        Ok(State { found: found.filter(|found| !found.is_null()).cloned() })
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        let outputs = match &state.found {
            Some(found) => Outputs::default().with("value", plain_text(found)),
            None => Outputs::default(),
        };
        if spec.holds(state) {
            return Details::default().of(TaskAction::None, outputs);
        }
        let mut details = Details::default();
        let (found, wanted) = (state.found.clone(), spec.wanted());
        // A text and a number that would be shown alike.
        let alike = found.as_ref().map(plain_text) == wanted.as_ref().map(plain_text);
        let shown = |value: Value| if alike && value.is_string() { json!(value.to_string()) } else { value };
        details.compare(spec.source(), found.map(shown), wanted.map(shown));
        details.of(TaskAction::Run, outputs)
    }

    fn diff_removed(&self, _spec: &Spec, _state: &State) -> TaskChange {
        nothing()
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        _planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let mut patience = Patience::of(Duration::from_secs(u64::from(spec.wait_seconds)));
        loop {
            let state = self.read(&context.read, spec).await?;
            if spec.holds(&state) {
                return Ok(TaskDone { outputs: self.diff(spec, &state).outputs });
            }
            if !patience.pause(context).await {
                let found = state.found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
                let wanted = spec.wanted().map_or_else(|| "nothing".to_owned(), |wanted| wanted.to_string());
                return Err(failure(
                    format!("the assertion does not hold: {} is {found}, not {wanted}", spec.source()),
                    "correct what it looks at or what it expects; `wait_seconds` gives it time",
                ));
            }
        }
    }
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
