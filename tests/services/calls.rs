//! The calls below lookups and hooks: signatures, repetitions, endpoints of single services.

use runway_aws::{ConnectOptions, connect};
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
