//! Every lookup that asks AWS: values, lists, secrets, what is missing, other regions, bad queries.

use std::collections::BTreeMap;

use runway_aws::AwsProvider;
use runway_core::provider::ErrorKind;
use runway_core::registry::{Fetched, LookupFailure, LookupRequest};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::support::{alone, alone_with_server, boto, none, provider, server_port};

async fn look(
    provider: &AwsProvider,
    name: &str,
    query: &str,
    arguments: &[(&str, &str)],
) -> Result<Fetched, LookupFailure> {
    let arguments: BTreeMap<String, String> =
        arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = LookupRequest { name: name.to_owned(), query: query.to_owned(), arguments, place: None };
    runway_aws::lookups(provider)[name].fetch(&request).await
}

fn shown(value: impl Into<Value>) -> Fetched {
    Fetched { value: value.into(), secret: false }
}

fn hidden(value: &str) -> Fetched {
    Fetched { value: Value::String(value.to_owned()), secret: true }
}

#[test]
fn ssm_gives_texts_lists_and_secrets() {
    alone("lookups::ssm_gives_texts_lists_and_secrets", &[], async || {
        let put = |region: &str, name: &str, kind: &str, value: &str| {
            let parameter = json!({"Name": name, "Type": kind, "Value": value});
            boto(region, "ssm", "put_parameter", &parameter);
        };
        put("eu-west-1", "/look/text", "String", "a: 1");
        put("eu-west-1", "/look/list", "StringList", "a,b");
        put("eu-west-1", "/look/secret", "SecureString", "hush");
        put("us-west-2", "/look/text", "String", "far");
        let provider = provider().await;
        assert_eq!(look(&provider, "ssm", "/look/text", &[]).await, Ok(shown("a: 1")));
        assert_eq!(look(&provider, "ssm", "/look/list", &[]).await, Ok(shown(vec!["a", "b"])));
        assert_eq!(look(&provider, "ssm", "/look/secret", &[]).await, Ok(hidden("hush")));
        assert_eq!(look(&provider, "ssm", "/look/text", &[("region", "us-west-2")]).await, Ok(shown("far")));
        let failure = look(&provider, "ssm", "/look/none", &[]).await.unwrap_err();
        assert!(
            failure.missing && failure.message == "there is no SSM parameter `/look/none`",
            "{failure:?}"
        );
        let failure = look(&provider, "ssm", "/look/text", &[("regoin", "us-west-2")]).await.unwrap_err();
        assert!(!failure.missing && failure.message == "`ssm` has no argument `regoin`", "{failure:?}");
        assert!(failure.help.unwrap().contains("`region`"));
        let failure = look(&provider, "ssm", "/look/text", &[("region", "us west/2")]).await.unwrap_err();
        assert_eq!(failure.message, "`us west/2` is not the name of a region");
        assert_eq!(provider.requests()["SSM.GetParameter"], 5);
    });
}

#[test]
fn kms_decrypts() {
    alone("lookups::kms_decrypts", &[], async || {
        let blob = |region: &str| {
            let key = boto(region, "kms", "create_key", &none());
            let text = json!({"KeyId": key["KeyMetadata"]["KeyId"], "Plaintext": "open sesame"});
            boto(region, "kms", "encrypt", &text)["CiphertextBlob"].as_str().unwrap().to_owned()
        };
        let (here, there) = (blob("eu-west-1"), blob("us-west-2"));
        let provider = provider().await;
        assert_eq!(look(&provider, "kms", &here, &[]).await, Ok(hidden("open sesame")));
        assert_eq!(look(&provider, "kms", &format!("{here}\n"), &[]).await, Ok(hidden("open sesame")));
        assert_eq!(
            look(&provider, "kms", &there, &[("region", "us-west-2")]).await,
            Ok(hidden("open sesame"))
        );
        assert_eq!(
            look(&provider, "kms", &format!("us-west-2@{there}"), &[]).await,
            Ok(hidden("open sesame"))
        );
        let failure = look(&provider, "kms", "not base64!", &[]).await.unwrap_err();
        assert!(!failure.missing && failure.message.contains("is not the base64 text"), "{failure:?}");
        let failure = look(&provider, "kms", &there, &[]).await.unwrap_err();
        assert!(!failure.missing && failure.kind.is_some(), "{failure:?}");
    });
}

#[test]
fn ecr_gives_a_password() {
    alone("lookups::ecr_gives_a_password", &[], async || {
        let provider = provider().await;
        let found = look(&provider, "ecr", "login-password", &[]).await.unwrap();
        assert!(found.secret && found.value.as_str().is_some_and(|text| !text.is_empty()), "{found:?}");
        look(&provider, "ecr", "login-password", &[("region", "us-west-2")]).await.unwrap();
        let failure = look(&provider, "ecr", "user", &[]).await.unwrap_err();
        assert_eq!(failure.message, "`ecr` does not know `user`");
    });
}

#[test]
fn dynamodb_walks_into_records() {
    alone("lookups::dynamodb_walks_into_records", &[], async || {
        let table = |region: &str, key: &str, kind: &str, item: &Value| {
            let table = json!({
                "TableName": "settings", "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}],
            });
            boto(region, "dynamodb", "create_table", &table);
            boto(region, "dynamodb", "put_item", &json!({"TableName": "settings", "Item": item}));
        };
        table(
            "eu-west-1",
            "id",
            "S",
            &json!({
                "id": {"S": "web"}, "name": {"S": "front"}, "size": {"N": "3"},
                "zones": {"L": [{"S": "a"}, {"S": "b"}]},
                "limits": {"M": {"cpu": {"N": "2"}, "deep": {"M": {"er": {"S": "down"}}}}},
            }),
        );
        table("us-west-2", "id", "N", &json!({"id": {"N": "7"}, "name": {"S": "seven"}}));
        let provider = provider().await;
        let look = async |query: &str| look(&provider, "dynamodb", query, &[]).await;
        // `name` and `size` are words of DynamoDB's own.
        assert_eq!(look("settings@id:web.name").await, Ok(shown("front")));
        assert_eq!(look("settings@id:web[S].size[N]").await, Ok(shown(3)));
        assert_eq!(look("settings@id:web.zones[L]").await, Ok(shown(vec!["a", "b"])));
        assert_eq!(look("settings@id:web.limits[M].cpu[N]").await, Ok(shown(2)));
        assert_eq!(look("settings@id:web.limits[M].deep[M].er").await, Ok(shown("down")));
        assert_eq!(look("us-west-2:settings@id:7[N].name").await, Ok(shown("seven")));
        for (query, missing, words) in [
            ("settings@id:db.name", true, "has no record with `id` = `db`"),
            ("settings@id:web.nothing", true, "has no attribute `nothing`"),
            ("settings@id:web.size", false, "attribute `size` is not of the type `S`"),
            ("nothing@id:web.name", false, "there is no DynamoDB table `nothing`"),
            ("us/west:settings@id:7[N].name", false, "`us/west` is not the name of a region"),
            ("settings", false, "is not of the form"),
            ("settings@id:web.flag[BOOL]", false, "cannot look up the type `BOOL`"),
            ("settings@other:web.name", false, "GetItem of settings failed"),
        ] {
            let failure = look(query).await.unwrap_err();
            assert_eq!(failure.missing, missing, "{failure:?}");
            assert!(failure.message.contains(words), "{failure:?}");
        }
    });
}

#[test]
fn ami_finds_the_newest_that_fits() {
    alone("lookups::ami_finds_the_newest_that_fits", &[], async || {
        let image = |region: &str, name: &str| {
            let images = boto(region, "ec2", "describe_images", &json!({"Owners": ["amazon"]}));
            let base = &images["Images"][0]["ImageId"];
            let instances = json!({"ImageId": base, "MinCount": 1, "MaxCount": 1});
            let instance = boto(region, "ec2", "run_instances", &instances);
            let image = json!({"InstanceId": instance["Instances"][0]["InstanceId"], "Name": name});
            boto(region, "ec2", "create_image", &image)["ImageId"].as_str().unwrap().to_owned()
        };
        let web = image("eu-west-1", "web-12");
        image("eu-west-1", "web-12-old");
        let far = image("us-west-2", "web-7");
        let provider = provider().await;
        let look = async |query: &str| look(&provider, "ami", query, &[]).await;
        assert_eq!(look("owners:self name_regex:web-[0-9]+").await, Ok(shown(web.clone())));
        assert_eq!(
            look("owners:self name_regex:(?i)WEB-\\d\\d state:available,pending").await,
            Ok(shown(web))
        );
        assert_eq!(look("us-west-2@owners:self name_regex:web-.*").await, Ok(shown(far)));
        look("owners:amazon name_regex:.* architecture:x86_64 executable_users:all").await.unwrap();
        let failure = look("owners:self name_regex:db-.*").await.unwrap_err();
        assert!(failure.missing && failure.message.contains("no machine image fits"), "{failure:?}");
        let failure = look("owners:self name_regex:web-[0-9]+ architecture:arm64").await.unwrap_err();
        assert!(failure.missing, "{failure:?}");
        let failure = look("name_regex:x").await.unwrap_err();
        assert!(!failure.missing && failure.message.contains("is not of the form"), "{failure:?}");
    });
}

/// moto gives no creation date that differs, and never an image without a name.
#[test]
fn ami_goes_by_creation_date() {
    alone_with_server("lookups::ami_goes_by_creation_date", &[], async || {
        let image = |id: &str, name: &str, date: &str| {
            let name = if name.is_empty() { String::new() } else { format!("<name>{name}</name>") };
            format!(
                "<item><imageId>{id}</imageId>{name}<creationDate>{date}</creationDate><blockDeviceMapping><item><ebs/></item></blockDeviceMapping></item>"
            )
        };
        let images = [
            image("ami-1", "web-1", "2024-01-01T00:00:00.000Z"),
            image("ami-3", "", "2026-01-01T00:00:00.000Z"),
            image("ami-2", "web-2", "2025-01-01T00:00:00.000Z"),
        ];
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeImagesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId><imagesSet>{}</imagesSet></DescribeImagesResponse>",
            images.concat()
        );
        let server = Fake::listen(server_port(), move |_, _| Some((200, body.clone())));
        let query = "owners:self,amazon name_regex:web-.* tag:a/b:x&y tag:c:1,2";
        assert_eq!(look(&provider().await, "ami", query, &[]).await, Ok(shown("ami-2")));
        // A planned image stands as long as it fits, whatever is newer; what does not fit is never taken.
        let planned = async |image: &str| {
            let request = LookupRequest {
                name: "ami".to_owned(),
                query: query.to_owned(),
                arguments: BTreeMap::new(),
                place: None,
            };
            runway_aws::lookups(&provider().await)["ami"].fetch_planned(&request, &json!(image)).await
        };
        for (image, expected) in
            [("ami-1", "ami-1"), ("ami-2", "ami-2"), ("ami-3", "ami-2"), ("ami-9", "ami-2")]
        {
            assert_eq!(planned(image).await, Ok(shown(expected)), "{image}");
        }
        let request = &server.requests()[0];
        assert_eq!(request.scope(), "eu-west-1 ec2");
        assert_eq!(
            request.body,
            "Action=DescribeImages&Version=2016-11-15&Owner.1=self&Owner.2=amazon&Filter.1.Name=tag%3Aa%2Fb&Filter.1.Value.1=x%26y&Filter.2.Name=tag%3Ac&Filter.2.Value.1=1&Filter.2.Value.2=2"
        );
    });
}

#[test]
fn cfn_looks_into_other_regions() {
    alone("lookups::cfn_looks_into_other_regions", &[], async || {
        let template = json!({
            "Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/look/cfn", "Type": "String", "Value": "v"}}},
            "Outputs": {"Id": {"Value": "far away"}},
        });
        let stack = json!({"StackName": "look-cfn", "TemplateBody": template.to_string()});
        boto("us-west-2", "cloudformation", "create_stack", &stack);
        let provider = provider().await;
        let look =
            async |query: &str, region: &str| look(&provider, "cfn", query, &[("region", region)]).await;
        assert_eq!(look("look-cfn.Id", "us-west-2").await, Ok(shown("far away")));
        let failure = look("look-cfn.Id", "eu-west-1").await.unwrap_err();
        assert!(
            failure.missing && failure.message == "stack `look-cfn` does not exist in eu-west-1",
            "{failure:?}"
        );
        let failure = look("look-cfn.Other", "us-west-2").await.unwrap_err();
        assert!(failure.missing && failure.help.as_deref() == Some("it has Id"), "{failure:?}");
        let failure = look("look-cfn", "us-west-2").await.unwrap_err();
        assert!(!failure.missing && failure.message.contains("is not of the form"), "{failure:?}");
    });
}

/// moto checks no permissions.
#[test]
fn a_refusal_is_told_as_one() {
    alone_with_server("lookups::a_refusal_is_told_as_one", &[], async || {
        let _server = Fake::listen(server_port(), |request, _| {
            Some(match request.headers.get("x-amz-target") {
                Some(_) => (400, r#"{"__type":"AccessDeniedException","Message":"not you"}"#.to_owned()),
                None => (403, "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>not you</Message></Error></Errors><RequestID>r</RequestID></Response>".to_owned()),
            })
        });
        let provider = provider().await;
        for (name, query) in [
            ("ssm", "/a"),
            ("kms", "YQ=="),
            ("ecr", "login-password"),
            ("dynamodb", "table@k:v.a"),
            ("ami", "owners:self name_regex:x"),
        ] {
            let failure = look(&provider, name, query, &[]).await.unwrap_err();
            assert_eq!(failure.kind, Some(ErrorKind::Denied), "{failure:?}");
            assert!(!failure.missing && failure.message.contains("not you"), "{failure:?}");
            assert!(failure.message.contains("(request fake-"), "{failure:?}");
        }
    });
}

#[test]
fn nobody_there_is_told_as_such() {
    let dead = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    alone("lookups::nobody_there_is_told_as_such", &dead, async || {
        let options = runway_aws::ConnectOptions { read_attempts: Some(2), ..Default::default() };
        let provider = runway_aws::connect(options).await.unwrap();
        let failure = look(&provider, "ssm", "/a", &[]).await.unwrap_err();
        assert_eq!((failure.missing, failure.kind), (false, Some(ErrorKind::Unavailable)), "{failure:?}");
        assert_eq!(provider.requests()["SSM.GetParameter"], 2);
    });
}
