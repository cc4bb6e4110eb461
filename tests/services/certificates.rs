//! `acm.Certificate`: ACM and Route 53 are moto's; CloudFormation is a server of the test's own, because moto's does not
//! know certificates.

use std::sync::{Arc, Mutex};

use runway_core::clock::Clock as _;
use runway_core::registry::HookStage::{PostDestroy, PreDeploy};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Request};
use crate::hooking::Hook;
use crate::support::{alone_with_cloudformation, boto, server_port};

const CERTIFICATE: &str = "runway.cfngin.hooks.acm.Certificate";

/// A stack as far as the hook sees it.
#[derive(Default)]
struct Stack {
    /// Statuses that the next looks see, the last one for good; empty if there is no stack.
    statuses: Vec<&'static str>,
    /// The certificate of the stack, once it is there.
    arn: Option<String>,
    parameters: Vec<(String, String)>,
    template: Value,
    tags: String,
}

#[derive(Clone, Default)]
struct Stacks(Arc<Mutex<Stack>>);

fn refused(message: &str) -> Answer {
    Some((
        400,
        format!(
            "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>ValidationError</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    ))
}

fn accepted(operation: &str, content: &str) -> Answer {
    Some((
        200,
        format!(
            "<{operation}Response xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><{operation}Result>{content}</{operation}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{operation}Response>"
        ),
    ))
}

/// Fields of a form, decoded.
fn form(body: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                }
                b'+' => bytes.push(b' '),
                other => bytes.push(other),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

impl Stacks {
    fn serve(&self) -> Fake {
        let stacks = self.clone();
        Fake::listen(server_port(), move |request, _| stacks.answer(request))
    }

    fn set(&self, change: impl FnOnce(&mut Stack)) {
        change(&mut self.0.lock().unwrap());
    }

    fn answer(&self, request: &Request) -> Answer {
        let mut stack = self.0.lock().unwrap();
        let operation = request.operation();
        let fields = form(&request.body);
        let list = |name: &str| -> Vec<String> {
            fields.iter().filter(|(key, _)| key.starts_with(name)).map(|(_, value)| value.clone()).collect()
        };
        let keep = |stack: &mut Stack| {
            let texts = list("Parameters.member");
            stack.parameters = texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            stack.template = serde_json::from_str(&list("TemplateBody")[0]).unwrap();
            stack.tags = list("Tags.member").join(" ");
        };
        match operation.as_str() {
            "DescribeStacks" if stack.statuses.is_empty() => {
                refused("Stack with id hook-test-x does not exist")
            }
            "DescribeStacks" => {
                let status =
                    if stack.statuses.len() > 1 { stack.statuses.remove(0) } else { stack.statuses[0] };
                let outputs = if status.ends_with("_COMPLETE") && !status.contains("ROLLBACK") {
                    let arn = stack.arn.clone().unwrap_or_default();
                    let outputs =
                        stack.parameters.iter().cloned().chain([("CertificateArn".to_owned(), arn)]);
                    outputs
                        .map(|(key, value)| format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"))
                        .collect()
                } else {
                    String::new()
                };
                accepted(
                    "DescribeStacks",
                    &format!(
                        "<Stacks><member><StackName>hook-test-x</StackName><StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/hook-test-x/1</StackId><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{status}</StackStatus><Outputs>{outputs}</Outputs></member></Stacks>"
                    ),
                )
            }
            "DescribeStackEvents" => {
                let event = stack.arn.as_ref().map(|arn| format!("<member><StackId>s</StackId><StackName>n</StackName><EventId>e</EventId><Timestamp>2026-01-01T00:00:00Z</Timestamp><LogicalResourceId>Certificate</LogicalResourceId><PhysicalResourceId>{arn}</PhysicalResourceId><ResourceType>AWS::CertificateManager::Certificate</ResourceType><ResourceStatus>CREATE_IN_PROGRESS</ResourceStatus></member>"));
                accepted(
                    "DescribeStackEvents",
                    &format!("<StackEvents>{}</StackEvents>", event.unwrap_or_default()),
                )
            }
            "CreateStack" => {
                keep(&mut stack);
                stack.statuses = if stack.tags.contains("fails") {
                    vec!["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
                } else {
                    vec!["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
                };
                accepted(
                    "CreateStack",
                    "<StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/hook-test-x/1</StackId>",
                )
            }
            "UpdateStack" => {
                let before = (stack.parameters.clone(), stack.template.clone(), stack.tags.clone());
                keep(&mut stack);
                if before == (stack.parameters.clone(), stack.template.clone(), stack.tags.clone()) {
                    return refused("No updates are to be performed.");
                }
                stack.statuses = if stack.tags.contains("fails") {
                    vec!["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]
                } else {
                    vec!["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
                };
                accepted("UpdateStack", "<StackId>s</StackId>")
            }
            "DeleteStack" => {
                stack.statuses = vec!["DELETE_IN_PROGRESS", "DELETE_COMPLETE"];
                accepted("DeleteStack", "")
            }
            other => panic!("{other}"),
        }
    }
}

/// A certificate of ACM and a zone of Route 53, as CloudFormation and the user would make them.
fn certificate_and_zone(domain: &str) -> (String, String) {
    let certificate = json!({"DomainName": domain, "SubjectAlternativeNames": [format!("*.{domain}"), format!("www.{domain}")], "ValidationMethod": "DNS"});
    let arn = boto("eu-west-1", "acm", "request_certificate", &certificate);
    let zone = json!({"Name": format!("{domain}."), "CallerReference": domain});
    let zone = boto("us-east-1", "route53", "create_hosted_zone", &zone);
    let zone = zone["HostedZone"]["Id"].as_str().unwrap().trim_start_matches("/hostedzone/").to_owned();
    (arn["CertificateArn"].as_str().unwrap().to_owned(), zone)
}

/// Names and TTLs of the validation records of a zone.
fn records(zone: &str) -> Vec<String> {
    let sets = boto("us-east-1", "route53", "list_resource_record_sets", &json!({"HostedZoneId": zone}));
    let sets = sets["ResourceRecordSets"].as_array().unwrap().clone();
    let cnames = sets.iter().filter(|set| set["Type"] == "CNAME");
    let mut records: Vec<String> = cnames
        .map(|set| format!("{} {}", set["Name"].as_str().unwrap().split_once('.').unwrap().1, set["TTL"]))
        .collect();
    records.sort();
    records
}

#[test]
fn a_certificate_lives_and_dies() {
    alone_with_cloudformation("certificates::a_certificate_lives_and_dies", async || {
        let (arn, zone) = certificate_and_zone("life.example");
        let stacks = Stacks::default();
        let server = stacks.serve();
        stacks.set(|stack| stack.arn = Some(arn.clone()));
        let hook = Hook::new().await;
        let mut args = json!({"domain": "life.example", "hosted_zone_id": zone, "alt_names": ["*.life.example", "www.life.example"], "tags": {"own": "1"}});
        let result = json!({"CertificateArn": arn});

        assert_eq!(hook.run(PreDeploy, CERTIFICATE, &args).await, Ok(result.clone()), "{:?}", hook.said());
        assert_eq!(records(&zone), ["life.example. 300", "www.life.example. 300"]);
        stacks.set(|stack| {
            assert_eq!(stack.tags, "own 1 team a");
            let properties = &stack.template["Resources"]["Certificate"]["Properties"];
            assert_eq!(properties["SubjectAlternativeNames"], json!(["*.life.example", "www.life.example"]));
            assert_eq!(properties["ValidationMethod"], "DNS");
        });
        let create =
            server.requests().into_iter().find(|request| request.operation() == "CreateStack").unwrap();
        assert!(create.body.contains("StackName=hook-test-life-example&"), "{}", create.body);

        assert_eq!(hook.run(PreDeploy, CERTIFICATE, &args).await, Ok(result.clone()));
        assert!(hook.said().last().unwrap().contains("is as it should be"));

        args["ttl"] = json!("60");
        assert_eq!(hook.run(PreDeploy, CERTIFICATE, &args).await, Ok(result.clone()));
        assert_eq!(records(&zone), ["life.example. 60", "www.life.example. 60"]);

        let other = json!({"domain": "other.example", "hosted_zone_id": zone, "stack_name": "life-example"});
        let failure = hook.run(PreDeploy, CERTIFICATE, &other).await.unwrap_err();
        assert!(
            failure.message.contains("is for `life.example`, which cannot be changed to `other.example`"),
            "{failure:?}"
        );

        let failing = json!({"domain": "life.example", "hosted_zone_id": zone, "tags": {"fails": "1"}});
        let failure = hook.run(PreDeploy, CERTIFICATE, &failing).await.unwrap_err();
        assert!(failure.message.contains("ended as UPDATE_ROLLBACK_COMPLETE"), "{failure:?}");
        assert!(!server.operations().contains(&"DeleteStack".to_owned()));

        // The TTL that the records were written with is the stack's, not the argument's.
        stacks.set(|stack| stack.statuses = vec!["UPDATE_COMPLETE"]);
        stacks.set(|stack| stack.parameters = vec![("ValidateRecordTTL".to_owned(), "300".to_owned())]);
        args["ttl"] = json!(1);
        assert_eq!(hook.run(PostDestroy, CERTIFICATE, &args).await, Ok(json!(true)));
        assert_eq!(records(&zone), [""; 0], "{:?}", hook.said());
        assert!(server.operations().contains(&"DeleteStack".to_owned()));
        stacks.set(|stack| stack.statuses.clear());
        assert_eq!(hook.run(PostDestroy, CERTIFICATE, &args).await, Ok(json!(true)));
        assert!(hook.said().last().unwrap().contains("does not exist: nothing to destroy"));
    });
}

#[test]
fn a_certificate_that_is_never_validated_leaves_nothing() {
    alone_with_cloudformation(
        "certificates::a_certificate_that_is_never_validated_leaves_nothing",
        async || {
            let (arn, zone) = certificate_and_zone("fail.example");
            let stacks = Stacks::default();
            let server = stacks.serve();
            stacks.set(|stack| stack.arn = Some(arn.clone()));
            let hook = Hook::new().await;
            let args = json!({"domain": "fail.example", "hosted_zone_id": zone, "tags": {"fails": "1"}});
            let failure = hook.run(PreDeploy, CERTIFICATE, &args).await.unwrap_err();
            assert!(
                failure
                    .message
                    .contains("ended as ROLLBACK_COMPLETE; stack `hook-test-fail-example` was deleted again"),
                "{failure:?}"
            );
            assert_eq!(records(&zone), [""; 0]);
            assert_eq!(server.operations().iter().filter(|operation| *operation == "DeleteStack").count(), 1);

            // A zone that is not there.
            stacks.set(|stack| stack.statuses.clear());
            let args = json!({"domain": "fail.example", "hosted_zone_id": "ZNONE"});
            let failure = hook.run(PreDeploy, CERTIFICATE, &args).await.unwrap_err();
            assert!(
                failure.message.contains("NoSuchHostedZone") && failure.message.contains("was deleted again"),
                "{failure:?}"
            );

            // A stack whose creation failed is created again.
            stacks.set(|stack| stack.statuses = vec!["ROLLBACK_COMPLETE"]);
            let args = json!({"domain": "*.fail.example", "hosted_zone_id": zone});
            let result = hook.run(PreDeploy, CERTIFICATE, &args).await.unwrap();
            assert_eq!(result, json!({"CertificateArn": arn}));
            let create =
                server.requests().into_iter().rfind(|request| request.operation() == "CreateStack").unwrap();
            assert!(create.body.contains("StackName=hook-test-wildcard-fail-example&"), "{}", create.body);
            assert!(hook.clock.monotonic().as_secs() >= 20);
        },
    );
}
