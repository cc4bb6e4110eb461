//! Who a provider is: assumed roles, credentials for other programs, names of the account.

use runway_aws::{AssumeRole, ConnectOptions, connect};
use runway_core::provider::{ErrorKind, Provider as _};
use serde_json::json;

use crate::support::{alone, boto, provider};

const ROLE: &str = "arn:aws:iam::222222222222:role/deploy";

fn role() -> AssumeRole {
    AssumeRole { arn: ROLE.to_owned(), session_name: "runway".to_owned(), duration: None, external_id: None }
}

#[test]
fn an_assumed_role_is_another_account_with_credentials_of_its_own() {
    alone("connections::an_assumed_role_is_another_account_with_credentials_of_its_own", &[], async || {
        let base = provider().await;
        let options = ConnectOptions {
            region: Some("us-east-2".to_owned()),
            assume_role: Some(role()),
            ..ConnectOptions::default()
        };
        let other = connect(options).await.unwrap();
        assert_eq!(base.place().await.unwrap().account, "123456789012");
        let place = other.place().await.unwrap();
        assert_eq!((place.account.as_str(), place.region.as_str()), ("222222222222", "us-east-2"));

        let variables = base.credentials_environment().await.unwrap();
        assert_eq!(variables["AWS_ACCESS_KEY_ID"], "testing");
        assert_eq!(variables["AWS_REGION"], "eu-west-1");
        assert!(!variables.contains_key("AWS_SESSION_TOKEN"));
        let variables = other.credentials_environment().await.unwrap();
        assert_ne!(variables["AWS_ACCESS_KEY_ID"], "testing");
        assert_eq!(variables["AWS_DEFAULT_REGION"], "us-east-2");
        assert!(!variables["AWS_SESSION_TOKEN"].is_empty());
    });
}

#[test]
fn a_role_that_cannot_be_assumed_is_a_matter_of_credentials() {
    let dead = [("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9"), ("AWS_MAX_ATTEMPTS", "1")];
    alone("connections::a_role_that_cannot_be_assumed_is_a_matter_of_credentials", &dead, async || {
        let options =
            ConnectOptions { assume_role: Some(role()), read_attempts: Some(1), ..Default::default() };
        let provider = connect(options).await.unwrap();
        let error = provider.credentials_environment().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Credentials);
        let error = provider.account_aliases().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Credentials, "{error}");
        assert_eq!(error.operation, "ListAccountAliases");
    });
}

#[test]
fn the_account_is_known_by_its_alias() {
    alone("connections::the_account_is_known_by_its_alias", &[], async || {
        let provider = provider().await;
        let before = provider.account_aliases().await.unwrap();
        assert!(before.is_empty(), "{before:?}");
        boto("us-east-1", "iam", "create_account_alias", &json!({"AccountAlias": "example-dev"}));
        assert_eq!(provider.account_aliases().await.unwrap(), ["example-dev"]);
        boto("us-east-1", "iam", "delete_account_alias", &json!({"AccountAlias": "example-dev"}));
        assert!(provider.account_aliases().await.unwrap().is_empty());
        assert_eq!(provider.requests()["IAM.ListAccountAliases"], 3);
    });
}
