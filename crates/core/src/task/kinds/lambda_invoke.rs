//! `lambda_invoke`: a run of a Lambda function.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    Change, Given, Gives, ReadContext, Service, TaskAction, TaskChange, TaskDone, TaskFailure, TaskKind,
    WriteContext,
};
use super::arguments::Problems;
use super::calls::{failure, refused, text};
use super::changes::{Details, Outputs, nothing};
use super::query;

const INVOKE: Change = Change::new(Service::Lambda, "Invoke");
/// The longest answer that is kept.
const LONGEST: usize = 4096;

pub(super) struct LambdaInvoke;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    function: String,
    #[serde(default)]
    qualifier: Option<String>,
    #[serde(default)]
    payload: Option<Value>,
    #[serde(default)]
    invocation: Invocation,
    #[serde(default)]
    expect: Option<Expected>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Invocation {
    #[default]
    RequestResponse,
    Event,
    DryRun,
}

/// What the function has to answer.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(default)]
    query: String,
    equals: Value,
}

#[async_trait]
impl TaskKind for LambdaInvoke {
    const KIND: &'static str = "lambda_invoke";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const EFFECTS: bool = true;
    const SERVICE: &'static str = "lambda";
    const GIVES: Gives = Gives::only(&[
        Given::changing("status", &[]),
        Given::changing("version", &["function", "qualifier"]),
        Given::free("payload"),
    ]);
    type Spec = Spec;
    type State = ();

    fn subject(spec: &Spec) -> String {
        match &spec.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", spec.function),
            None => spec.function.clone(),
        }
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        problems.length("function", &spec.function, 256).signs("function", &spec.function, ":-_.$");
        if let Some(qualifier) = &spec.qualifier {
            problems.length("qualifier", qualifier, 128).signs("qualifier", qualifier, "-_$.");
        }
        if let Some(expected) = &spec.expect {
            problems.when(
                spec.invocation != Invocation::RequestResponse,
                "`expect` needs `invocation: RequestResponse`: otherwise there is no answer to look at",
            );
            if let Some(problem) = query::problem(&expected.query) {
                problems.when(true, format!("`expect`: {problem}"));
            }
        }
        problems.take()
    }

    async fn read(&self, _context: &ReadContext<'_>, _spec: &Spec) -> Result<(), TaskFailure> {
        Ok(())
    }

    fn diff(&self, spec: &Spec, _state: &()) -> TaskChange {
        let mut details = Details::default();
        details.text("function", None, Some(&Self::subject(spec)));
        details.compare("payload", None, spec.payload.clone());
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
        let mut input = json!({"FunctionName": spec.function, "InvocationType": spec.invocation});
        if let Some(qualifier) = &spec.qualifier {
            input["Qualifier"] = json!(qualifier);
        }
        if let Some(payload) = &spec.payload {
            input["Payload"] = payload.clone();
        }
        // Not repeated here: the function may have run.
        let answer = context.call(INVOKE, &input).await.map_err(|failed| {
            if failed.is(&["ResourceNotFoundException"]) {
                return refused(
                    failed,
                    "correct `function`, or let the task require the stack that makes the function",
                );
            }
            failed.into()
        })?;
        let payload = answer.get("Payload").filter(|payload| !payload.is_null());
        if let Some(error) = text(&answer, "/FunctionError") {
            let said = payload.map(said).unwrap_or_default();
            return Err(failure(
                format!("the function {} failed ({error}): {said}", spec.function),
                "look at the function's logs; it ran, and may have changed something",
            ));
        }
        if let Some(expected) = &spec.expect {
            let found = payload.and_then(|payload| query::find(payload, &expected.query));
            if found != Some(&expected.equals) {
                let found = found.map_or_else(|| "nothing".to_owned(), |found| shortened(&found.to_string()));
                let place = match expected.query.as_str() {
                    "" => "",
                    query => &format!(" at `{query}`"),
                };
                return Err(failure(
                    format!(
                        "the function {} answered {found}{place}, not {}",
                        spec.function, expected.equals
                    ),
                    "correct the function, its `payload` or `expect`",
                ));
            }
        }
        let mut outputs = Outputs::default();
        outputs = outputs.with("status", answer["StatusCode"].to_string());
        if let Some(version) = text(&answer, "/ExecutedVersion") {
            outputs = outputs.with("version", version);
        }
        if let Some(payload) = payload {
            let text = payload.as_str().map_or_else(|| payload.to_string(), str::to_owned);
            if text.len() <= LONGEST {
                outputs = outputs.with("payload", text);
            }
        }
        Ok(outputs.into())
    }
}

/// The words of a function's error.
fn said(payload: &Value) -> String {
    let words = |name: &str| payload.get(name).and_then(Value::as_str);
    match (words("errorType"), words("errorMessage")) {
        (Some(kind), Some(message)) => shortened(&format!("{kind}: {message}")),
        (_, Some(message)) => shortened(message),
        _ => shortened(&payload.to_string()),
    }
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 300;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(SHOWN).collect::<String>())
}
