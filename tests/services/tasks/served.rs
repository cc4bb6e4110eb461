//! Services of AWS JSON 1.1 that run in the test: every request is checked by the service's published model, and so is
//! every answer.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::model::Model;
use crate::fake::{Answer, Fake, Request};

/// Account of the test's own credentials.
pub(crate) const HERE: &str = "123456789012";

/// An error of a service.
pub(crate) struct Refusal(pub(crate) &'static str, pub(crate) String);

/// A request that the model allows.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) account: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) input: &'a Value,
}

impl Call<'_> {
    /// A text of the input.
    pub(crate) fn text(&self, member: &str) -> &str {
        self.input[member].as_str().unwrap_or_default()
    }
}

/// What an operation does.
pub(crate) type Outcome = Result<Value, Refusal>;

/// What goes wrong on the way, by operation.
#[derive(Default)]
pub(crate) struct Weather {
    /// Operations whose next answer is lost, after they were carried out.
    pub(crate) lose: Vec<&'static str>,
    /// Operations that are refused once with a code, before anything was done.
    pub(crate) refuse: Vec<(&'static str, &'static str)>,
}

/// Several services on one port.
pub(crate) struct Served<W> {
    fake: Fake,
    pub(crate) world: Arc<Mutex<W>>,
    pub(crate) weather: Arc<Mutex<Weather>>,
}

impl<W: Send + 'static> Served<W> {
    /// Serves these models from a world.
    pub(crate) fn listen(
        port: u16,
        models: &[&str],
        world: W,
        mut act: impl FnMut(&mut W, &Call<'_>) -> Outcome + Send + 'static,
    ) -> Self {
        let models: Vec<Model> = models.iter().map(|name| Model::load(name)).collect();
        let world = Arc::new(Mutex::new(world));
        let weather = Arc::new(Mutex::new(Weather::default()));
        let (inside, sky) = (Arc::clone(&world), Arc::clone(&weather));
        let fake = Fake::listen(port, move |request, _| {
            let mut world = inside.lock().unwrap();
            if let Some(role) = asked_role(request) {
                return Some((200, session(&role)));
            }
            answer(&models, request, &mut sky.lock().unwrap(), &mut |call| act(&mut world, call))
        });
        Self { fake, world, weather }
    }

    /// The next answer of an operation does not arrive.
    pub(crate) fn loses(&self, operation: &'static str) {
        self.weather.lock().unwrap().lose.push(operation);
    }

    /// The next request of an operation is refused.
    pub(crate) fn refuses(&self, operation: &'static str, code: &'static str) {
        self.weather.lock().unwrap().refuse.push((operation, code));
    }

    /// How often an operation was asked for.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.fake.operations().iter().filter(|asked| *asked == operation).count()
    }

    /// The requests of an operation so far, as JSON.
    pub(crate) fn inputs(&self, operation: &str) -> Vec<Value> {
        let requests = self.fake.requests();
        let of = requests.iter().filter(|request| request.operation() == operation);
        of.map(|request| serde_json::from_str(&request.body).unwrap()).collect()
    }
}

fn answer(
    models: &[Model],
    request: &Request,
    weather: &mut Weather,
    act: &mut dyn FnMut(&Call<'_>) -> Outcome,
) -> Answer {
    let operation = request.operation();
    let target = request.headers.get("x-amz-target").cloned().unwrap_or_default();
    assert_eq!((request.method.as_str(), request.uri.as_str()), ("POST", "/"), "{request:?}");
    assert_eq!(request.headers["content-type"], "application/x-amz-json-1.1");
    let model = models.iter().find(|model| model.has(&operation) && model.target(&operation) == target);
    let Some(model) = model else { return said("UnknownOperationException", &target) };
    let input: Value = serde_json::from_str(&request.body).unwrap();
    let wrong = model.input(&operation, &input);
    assert!(wrong.is_empty(), "{operation} {input}: {wrong:#?}");
    if let Some(index) = weather.refuse.iter().position(|(refused, _)| *refused == operation) {
        let (_, code) = weather.refuse.remove(index);
        assert!(model.may_fail_with(&operation, code), "{operation} never says {code}");
        return said(code, "not now");
    }
    // Sessions of this server carry their account as their token.
    let account = request.headers.get("x-amz-security-token").map_or(HERE, String::as_str);
    let outcome = act(&Call { account, operation: &operation, input: &input });
    if let Some(index) = weather.lose.iter().position(|lost| *lost == operation) {
        weather.lose.remove(index);
        return None;
    }
    match outcome {
        Ok(output) => {
            let wrong = model.output(&operation, &output);
            assert!(wrong.is_empty(), "{operation} answers {output}: {wrong:#?}");
            Some((200, output.to_string()))
        }
        Err(Refusal(code, message)) => {
            assert!(model.may_fail_with(&operation, code), "{operation} never says {code}");
            said(code, &message)
        }
    }
}

fn said(code: &str, message: &str) -> Answer {
    let body = json!({"__type": format!("com.amazonaws.fake#{code}"), "Message": message});
    Some((400, body.to_string()))
}

/// A page of a list: one item at a time, so that whoever reads it has to turn over.
pub(crate) fn page(input: &Value, member: &str, items: Vec<Value>) -> Value {
    let at: usize = input["PageToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let mut answer = json!({});
    if at + 1 < items.len() {
        answer["NextPageToken"] = json!((at + 1).to_string());
    }
    answer[member] = Value::Array(items.into_iter().skip(at).take(1).collect());
    answer
}

/// There is no such thing.
pub(crate) fn missing(what: &str) -> Refusal {
    Refusal("ResourceNotFoundException", format!("{what} not found"))
}

/// The role of an AssumeRole.
fn asked_role(request: &Request) -> Option<String> {
    let body = request.body.strip_prefix("Action=AssumeRole&")?;
    let role = body.split('&').find_map(|field| field.strip_prefix("RoleArn="))?;
    Some(role.replace("%3A", ":").replace("%2F", "/"))
}

/// A session of a role, whose token is its account.
fn session(role: &str) -> String {
    let account = role.split(':').nth(4).unwrap();
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIA{account}</AccessKeyId><SecretAccessKey>testing</SecretAccessKey>\
         <SessionToken>{account}</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::{account}:assumed-role/hub/x</Arn>\
         </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
    )
}
