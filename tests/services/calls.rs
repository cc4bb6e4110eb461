//! The calls below lookups and hooks: signatures, repetitions, endpoints of single services.

use std::time::Duration;

use runway_aws::{AssumeRole, ConnectOptions, connect};
use runway_core::provider::ErrorKind;
use runway_core::registry::{LookupFailure, LookupRequest};

use crate::fake::{Answer, Fake, Request};
use crate::support::{alone_with_server, provider, server_port};

fn said(status: u16, body: &str) -> Answer {
    Some((status, body.to_owned()))
}

async fn ssm(provider: &runway_aws::AwsProvider) -> Result<String, LookupFailure> {
    let request = LookupRequest {
        name: "ssm".to_owned(),
        query: "/a".to_owned(),
        arguments: [("region".to_owned(), "us-gov-west-1".to_owned())].into(),
        place: None,
    };
    let found = runway_aws::lookups(provider)["ssm"].fetch(&request).await?;
    Ok(found.value.as_str().unwrap().to_owned())
}

const VALUE: &str = r#"{"Parameter":{"Value":"v","Type":"String"}}"#;
const THROTTLED: &str = r#"{"__type":"ThrottlingException","message":"slow"}"#;

/// The server checks the signature of every request.
#[test]
fn requests_are_signed_and_say_what_they_want() {
    alone_with_server(
        "calls::requests_are_signed_and_say_what_they_want",
        &[("AWS_SESSION_TOKEN", "tok")],
        async || {
            let server = Fake::listen(server_port(), |_, _| said(200, VALUE));
            assert_eq!(ssm(&provider().await).await.unwrap(), "v");
            let request: &Request = &server.requests()[0];
            assert_eq!(request.scope(), "us-gov-west-1 ssm");
            assert_eq!(request.headers["x-amz-target"], "AmazonSSM.GetParameter");
            assert_eq!(request.headers["content-type"], "application/x-amz-json-1.1");
            assert_eq!(request.headers["x-amz-security-token"], "tok");
            assert!(request.headers["user-agent"].contains("app/runway-rs"), "{request:?}");
            assert_eq!(request.body, r#"{"Name":"/a","WithDecryption":true}"#);
        },
    );
}

#[test]
fn reads_are_repeated_until_an_answer_comes() {
    alone_with_server("calls::reads_are_repeated_until_an_answer_comes", &[], async || {
        let _server = Fake::listen(server_port(), |_, number| match number {
            0 => said(400, THROTTLED),
            1 => said(503, "<html>busy</html>"),
            2 => None,
            _ => said(200, VALUE),
        });
        let provider = provider().await;
        assert_eq!(ssm(&provider).await.unwrap(), "v");
        assert_eq!(provider.requests()["SSM.GetParameter"], 4);
    });
}

#[test]
fn reads_are_not_repeated_for_ever() {
    alone_with_server("calls::reads_are_not_repeated_for_ever", &[], async || {
        let _server = Fake::listen(server_port(), |_, _| said(400, THROTTLED));
        let options = ConnectOptions { read_attempts: Some(2), ..ConnectOptions::default() };
        let provider = connect(options).await.unwrap();
        let failure = ssm(&provider).await.unwrap_err();
        assert_eq!(failure.kind, Some(ErrorKind::Throttled), "{failure:?}");
        assert_eq!(provider.requests()["SSM.GetParameter"], 2);
    });
}

#[test]
fn an_answer_that_makes_no_sense_is_not_shown() {
    alone_with_server("calls::an_answer_that_makes_no_sense_is_not_shown", &[], async || {
        let _server = Fake::listen(server_port(), |_, _| said(200, r#"{"Parameter":{"Value":"hush"#));
        let failure = ssm(&provider().await).await.unwrap_err();
        assert_eq!(failure.kind, Some(ErrorKind::Unavailable), "{failure:?}");
        assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
    });
}

#[test]
fn a_service_may_have_an_endpoint_of_its_own() {
    let dead = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    alone_with_server("calls::a_service_may_have_an_endpoint_of_its_own", &dead, async || {
        let _server = Fake::listen(server_port(), |_, _| said(200, VALUE));
        assert_eq!(ssm(&provider().await).await.unwrap(), "v");
    });
}

#[test]
fn an_answer_that_takes_too_long_is_not_waited_for() {
    alone_with_server("calls::an_answer_that_takes_too_long_is_not_waited_for", &[], async || {
        let _server = Fake::listen(server_port(), |_, number| {
            if number == 0 {
                std::thread::sleep(Duration::from_millis(700));
            }
            said(200, VALUE)
        });
        let attempt_timeout = Some(Duration::from_millis(500));
        let provider =
            connect(ConnectOptions { attempt_timeout, ..ConnectOptions::default() }).await.unwrap();
        assert_eq!(ssm(&provider).await.unwrap(), "v");
        assert!(provider.requests()["SSM.GetParameter"] > 1);
    });
}

/// The server takes requests only if they are signed with the secret of the role's session.
#[test]
fn an_assumed_role_signs_what_is_sent() {
    alone_with_server("calls::an_assumed_role_signs_what_is_sent", &[], async || {
        let server = Fake::listen(server_port(), |request, _| match request.operation().as_str() {
            "AssumeRole" => said(
                200,
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::222222222222:assumed-role/deploy/s</Arn></AssumedRoleUser><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>testing</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
            ),
            _ => said(200, VALUE),
        });
        let assume_role = Some(AssumeRole {
            arn: "arn:aws:iam::222222222222:role/deploy".to_owned(),
            session_name: "runway".to_owned(),
            duration: Some(Duration::from_secs(1800)),
            external_id: Some("x-1".to_owned()),
        });
        let provider = connect(ConnectOptions { assume_role, ..ConnectOptions::default() }).await.unwrap();
        for _ in 0..2 {
            assert_eq!(ssm(&provider).await.unwrap(), "v");
        }
        assert_eq!(server.operations(), ["AssumeRole", "GetParameter", "GetParameter"]);
        let sent = server.requests();
        assert!(sent[0].headers["authorization"].contains("Credential=testing/"));
        for field in ["role%2Fdeploy", "RoleSessionName=runway", "DurationSeconds=1800", "ExternalId=x-1"] {
            assert!(sent[0].body.contains(field), "{}", sent[0].body);
        }
        assert!(sent[1].headers["authorization"].contains("Credential=ASIAROLE/"));
        assert_eq!(sent[1].headers["x-amz-security-token"], "session");
    });
}
