//! What moto does not do of other services: descriptions of event buses, builds that take time or fail, functions.

use runway_core::provider::ErrorKind;
use runway_core::task::TaskAction;
use serde_json::{Value, json};

use super::served::{Outcome, Refusal, Served, missing};
use super::stand::{Stand, problems};
use crate::fake::{Fake, FullAnswer};
use crate::support::{alone_with_server, server_port};

#[test]
fn event_buses_are_described_anew() {
    alone_with_server("tasks::others::event_buses_are_described_anew", &[], async || {
        let arn = "arn:aws:events:eu-west-1:123456789012:event-bus/kinds";
        let served =
            Served::listen(server_port(), &["events"], None::<String>, move |bus, call| -> Outcome {
                match (call.operation, &bus) {
                    ("DescribeEventBus", Some(text)) => {
                        Ok(json!({"Name": "kinds", "Arn": arn, "Description": text}))
                    }
                    ("DescribeEventBus", None) => Err(missing("kinds")),
                    ("CreateEventBus", Some(_)) => {
                        Err(Refusal("ResourceAlreadyExistsException", "kinds exists".to_owned()))
                    }
                    ("CreateEventBus" | "UpdateEventBus", _) => {
                        *bus = Some(call.text("Description").to_owned());
                        let member = if call.operation == "CreateEventBus" { "EventBusArn" } else { "Arn" };
                        let mut answer = json!({});
                        answer[member] = json!(arn);
                        Ok(answer)
                    }
                    ("DeleteEventBus", _) => {
                        *bus = None;
                        Ok(json!({}))
                    }
                    (other, _) => panic!("{other}"),
                }
            });
        let stand = Stand::new().await;
        let mut bus = json!({"name": "kinds", "description": "one"});
        served.loses("CreateEventBus");
        stand.deploy("event_bus", &bus).await.unwrap_err();
        // It is there: nothing is left to do.
        assert_eq!(stand.plan("event_bus", &bus).await.action, TaskAction::None);
        bus["description"] = json!("two");
        // Somebody else changes it at the same time.
        served.refuses("UpdateEventBus", "ConcurrentModificationException");
        served.refuses("UpdateEventBus", "ConcurrentModificationException");
        stand.updates("event_bus", &bus, &["description"]).await;
        assert_eq!(served.count("UpdateEventBus"), 3);
        assert_eq!(stand.waited().as_millis(), 2500);
        stand.removes("event_bus", &bus).await;
        // Somebody else creates it between the plan and the deploy.
        let planned = stand.plan("event_bus", &bus).await;
        *served.world.lock().unwrap() = Some("theirs".to_owned());
        stand.apply("event_bus", &bus, &planned).await.unwrap();
        assert_eq!(stand.plan("event_bus", &bus).await.action, TaskAction::None);
        served.refuses("DescribeEventBus", "AccessDeniedException");
        let failure = stand.try_plan("event_bus", &bus).await.unwrap_err();
        assert_eq!(failure.kind, Some(ErrorKind::Denied));
    });
}

/// Builds by number: how often they are still asked for, and how they end.
type Builds = Vec<(u32, &'static str)>;

#[test]
fn builds_are_waited_for() {
    alone_with_server("tasks::others::builds_are_waited_for", &[], async || {
        let served = Served::listen(server_port(), &["codebuild"], Builds::new(), |builds, call| match call
            .operation
        {
            "StartBuild" => {
                let id = format!("p:{}", builds.len());
                let end = match call.input["environmentVariablesOverride"][0]["value"].as_str() {
                    Some("slow") => (40, "SUCCEEDED"),
                    Some("stuck") => (u32::MAX, "SUCCEEDED"),
                    _ => (2, "FAILED"),
                };
                builds.push(end);
                Ok(json!({"build": {"id": id, "arn": "arn:aws:codebuild:x", "buildStatus": "IN_PROGRESS"}}))
            }
            "BatchGetBuilds" => {
                let id = call.input["ids"][0].as_str().unwrap().to_owned();
                let number: usize = id[2..].parse().unwrap();
                let (left, end) = &mut builds[number];
                *left = left.saturating_sub(1);
                let mut build = json!({"id": id, "buildStatus": "IN_PROGRESS"});
                if *left == 0 {
                    build["buildStatus"] = json!(end);
                    build["logs"] = json!({"deepLink": "https://logs"});
                    build["exportedEnvironmentVariables"] = json!([{"name": "VERSION", "value": "1.2"}]);
                    build["phases"] = json!([
                        {"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED"},
                        {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": "exit status 1"}]},
                    ]);
                }
                Ok(json!({"builds": [build]}))
            }
            other => panic!("{other}"),
        });
        let stand = Stand::new().await;
        let run = |how: &str| json!({"project": "p", "env": {"HOW": how}});
        let (_, done) = stand.deploy("codebuild_run", &run("slow")).await.unwrap();
        assert_eq!(done.outputs["exported.VERSION"], "1.2");
        assert_eq!(served.count("BatchGetBuilds"), 40);
        let token = served.inputs("StartBuild")[0]["idempotencyToken"].clone();
        assert!(token.as_str().unwrap().starts_with("run-"), "{token}");
        let failure = stand.deploy("codebuild_run", &run("fails")).await.unwrap_err();
        assert_eq!(failure.message, "the build p:1 ended with FAILED, in BUILD: exit status 1");
        assert_eq!(failure.help.unwrap(), "look at its logs: https://logs");
        let mut stuck = run("stuck");
        stuck["timeout_minutes"] = json!(5);
        let before = stand.waited();
        let failure = stand.deploy("codebuild_run", &stuck).await.unwrap_err();
        assert_eq!(failure.message, "the build p:2 is not done after 5 minutes");
        assert_eq!((stand.waited() - before).as_secs(), 300);
        let mut alone = run("stuck");
        alone["wait"] = json!(false);
        alone["idempotency"] = json!("own");
        let (_, done) = stand.deploy("codebuild_run", &alone).await.unwrap();
        assert_eq!(done.outputs["status"], "IN_PROGRESS");
        assert_eq!(served.inputs("StartBuild")[3]["idempotencyToken"], "own");
    });
}

fn said(status: u16, body: &str) -> FullAnswer {
    Some((status, vec![("x-amz-executed-version", "7".to_owned())], body.to_owned()))
}

#[test]
fn functions_are_invoked() {
    alone_with_server("tasks::others::functions_are_invoked", &[], async || {
        let server = Fake::listen_in_full(server_port(), |request, _| {
            let asked: Value = serde_json::from_str(&request.body).unwrap_or_default();
            match (request.uri.split('?').next().unwrap(), request.headers["x-amz-invocation-type"].as_str())
            {
                ("/2015-03-31/functions/echo/invocations", "RequestResponse") => {
                    said(200, &json!({"got": asked, "ok": true}).to_string())
                }
                ("/2015-03-31/functions/broken/invocations", _) => Some((
                    200,
                    vec![("x-amz-function-error", "Unhandled".to_owned())],
                    r#"{"errorType":"KeyError","errorMessage":"'x'"}"#.to_owned(),
                )),
                ("/2015-03-31/functions/text/invocations", "RequestResponse") => said(200, "not JSON"),
                ("/2015-03-31/functions/echo/invocations", "Event") => said(202, ""),
                ("/2015-03-31/functions/echo/invocations", "DryRun") => said(204, ""),
                _ => Some((
                    404,
                    vec![("x-amzn-errortype", "ResourceNotFoundException:http://internal/".to_owned())],
                    r#"{"Type":"User","Message":"Function not found"}"#.to_owned(),
                )),
            }
        });
        let stand = Stand::new().await;
        let mut invoke = json!({
            "function": "echo", "qualifier": "live", "payload": {"n": 1},
            "expect": {"query": "/got/n", "equals": 1},
        });
        let (planned, done) = stand.deploy("lambda_invoke", &invoke).await.unwrap();
        assert_eq!(planned.action, TaskAction::Run);
        assert_eq!((done.outputs["status"].as_str(), done.outputs["version"].as_str()), ("200", "7"));
        assert_eq!(done.outputs["payload"], r#"{"got":{"n":1},"ok":true}"#);
        assert_eq!(server.requests()[0].uri, "/2015-03-31/functions/echo/invocations?Qualifier=live");
        assert_eq!(server.requests()[0].scope(), "eu-west-1 lambda");
        invoke["expect"]["equals"] = json!(2);
        let failure = stand.deploy("lambda_invoke", &invoke).await.unwrap_err();
        assert_eq!(failure.message, "the function echo answered 1 at `/got/n`, not 2");
        for (kind, status) in [("Event", "202"), ("DryRun", "204")] {
            let invoke = json!({"function": "echo", "invocation": kind});
            let (_, done) = stand.deploy("lambda_invoke", &invoke).await.unwrap();
            assert_eq!(done.outputs["status"], status);
            assert_eq!(done.outputs.get("payload"), None);
        }
        let text = json!({"function": "text", "expect": {"equals": "not JSON"}});
        stand.deploy("lambda_invoke", &text).await.unwrap();
        let failure = stand.deploy("lambda_invoke", &json!({"function": "broken"})).await.unwrap_err();
        assert_eq!(failure.message, "the function broken failed (Unhandled): KeyError: 'x'");
        let none = json!({"function": "none"});
        let failure = stand.deploy("lambda_invoke", &none).await.unwrap_err();
        assert_eq!(failure.kind, Some(ErrorKind::NotFound));
        assert!(failure.help.unwrap().contains("correct `function`"));
        let wrong = json!({"function": "echo", "invocation": "Event", "expect": {"equals": 1}});
        assert!(problems("lambda_invoke", &wrong)[0].contains("RequestResponse"));
    });
}
