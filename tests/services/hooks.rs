//! Hooks on AWS: a first run, a second one that changes nothing, failures, the stages of a destroy.

use runway_core::provider::ErrorKind;
use runway_core::registry::HookStage::{PostDestroy, PreDeploy, PreDestroy};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::hooking::Hook;
use crate::support::{alone, alone_with_server, boto, none, server_port, stored_object};

const PURGE_BUCKET: &str = "runway.cfngin.hooks.cleanup_s3.purge_bucket";
const SECURE_STRING: &str = "runway.cfngin.hooks.ssm.parameter.SecureString";
const DELETE_PARAMETER: &str = "runway.cfngin.hooks.cleanup_ssm.delete_param";
const PURGE_REPOSITORY: &str = "runway.cfngin.hooks.ecr.purge_repository";
const CREATE_DOMAIN: &str = "runway.cfngin.hooks.route53.create_domain";
const CREATE_CLUSTERS: &str = "runway.cfngin.hooks.ecs.create_clusters";
const KEY_PAIR: &str = "runway.cfngin.hooks.keypair.ensure_keypair_exists";
const SERVICE_ROLE: &str = "runway.cfngin.hooks.iam.create_ecs_service_role";
const SERVER_CERTIFICATE: &str = "runway.cfngin.hooks.iam.ensure_server_cert_exists";

#[test]
fn purge_bucket_deletes_every_version_wherever_the_bucket_is() {
    alone("hooks::purge_bucket_deletes_every_version_wherever_the_bucket_is", &[], async || {
        let bucket = |region: &str, name: &str| {
            let place = json!({"Bucket": name, "CreateBucketConfiguration": {"LocationConstraint": region}});
            boto(region, "s3", "create_bucket", &place);
            let versions = json!({"Bucket": name, "VersioningConfiguration": {"Status": "Enabled"}});
            boto(region, "s3", "put_bucket_versioning", &versions);
            for key in ["a", "b", "b", "c/ü &"] {
                boto(region, "s3", "put_object", &json!({"Bucket": name, "Key": key, "Body": key}));
            }
            boto(region, "s3", "delete_object", &json!({"Bucket": name, "Key": "a"}));
        };
        bucket("eu-west-1", "purge-here");
        bucket("us-west-2", "purge-there");
        let hook = Hook::new().await;
        for (name, region) in [("purge-here", "eu-west-1"), ("purge-there", "us-west-2")] {
            let args = json!({"bucket_name": name});
            assert_eq!(hook.run(PreDestroy, PURGE_BUCKET, &args).await, Ok(json!(true)));
            assert_eq!(hook.said(), [format!("deleted 5 object versions of bucket `{name}`")]);
            assert_eq!(
                boto(region, "s3", "list_object_versions", &json!({"Bucket": name}))["Versions"],
                Value::Null
            );
            assert_eq!(hook.run(PreDestroy, PURGE_BUCKET, &args).await, Ok(json!(true)));
            assert_eq!(hook.said(), [format!("deleted 0 object versions of bucket `{name}`")]);
        }
        let args = json!({"bucket_name": "purge-nowhere"});
        assert_eq!(hook.run(PreDestroy, PURGE_BUCKET, &args).await, Ok(json!(true)));
        assert_eq!(hook.said(), ["bucket `purge-nowhere` does not exist: nothing to purge"]);
    });
}

#[test]
fn purge_bucket_deletes_more_than_fits_into_a_request() {
    alone("hooks::purge_bucket_deletes_more_than_fits_into_a_request", &[], async || {
        boto("us-east-1", "s3", "create_bucket", &json!({"Bucket": "purge-many"}));
        boto(
            "us-east-1",
            "s3",
            "put_bucket_versioning",
            &json!({"Bucket": "purge-many", "VersioningConfiguration": {"Status": "Enabled"}}),
        );
        for key in 0..1100 {
            stored_object("purge-many", &format!("k{key}"));
        }
        let hook = Hook::new().await;
        hook.run(PreDestroy, PURGE_BUCKET, &json!({"bucket_name": "purge-many"})).await.unwrap();
        assert_eq!(hook.said(), ["deleted 1100 object versions of bucket `purge-many`"]);
        assert_eq!(hook.provider.requests()["S3.DeleteObjects"], 2);
    });
}

#[test]
fn arguments_are_checked() {
    alone("hooks::arguments_are_checked", &[], async || {
        let hook = Hook::new().await;
        for (path, args, words) in [
            (PURGE_BUCKET, json!({}), "needs the argument `bucket_name`"),
            (PURGE_BUCKET, json!({"bucket_name": "b", "bucket": "b"}), "has no argument `bucket`"),
            (PURGE_BUCKET, json!({"bucket_name": ["b"]}), "the argument `bucket_name` of the hook"),
            (SECURE_STRING, json!({"value": "v"}), "needs the argument `name`"),
            (SECURE_STRING, json!({"name": "n", "overwrite": "perhaps"}), "is not true or false"),
            (SECURE_STRING, json!({"name": "n", "tier": "Gold"}), "is not one of Standard"),
            (SECURE_STRING, json!({"name": "n", "tags": "x"}), "is not a map, or a list"),
            (DELETE_PARAMETER, json!({}), "needs the argument `parameter_name`"),
            (PURGE_REPOSITORY, json!({}), "needs the argument `repository_name`"),
            (CREATE_DOMAIN, json!({}), "needs the argument `domain`"),
            (CREATE_CLUSTERS, json!({}), "needs the argument `clusters`"),
            (KEY_PAIR, json!({}), "needs the argument `keypair`"),
            (KEY_PAIR, json!({"keypair": "k", "public_key_path": "p", "ssm_parameter_name": "q"}), "exclude"),
            (SERVICE_ROLE, json!({"role": "r"}), "has no argument `role`"),
            (SERVER_CERTIFICATE, json!({}), "needs the argument `cert_name`"),
            (
                "runway.cfngin.hooks.acm.Certificate",
                json!({"domain": "d"}),
                "needs the argument `hosted_zone_id`",
            ),
        ] {
            let failure = hook.run(PreDeploy, path, &args).await.unwrap_err();
            assert!(failure.message.contains(words), "{failure:?}");
            assert!(failure.help.is_some());
        }
        assert!(hook.provider.requests().is_empty());
    });
}

#[test]
fn secure_string_puts_what_differs_and_deletes_on_destroy() {
    alone("hooks::secure_string_puts_what_differs_and_deletes_on_destroy", &[], async || {
        let hook = Hook::new().await;
        let get = || {
            boto(
                "eu-west-1",
                "ssm",
                "get_parameter",
                &json!({"Name": "/hook/secret", "WithDecryption": true}),
            )
        };
        let tags = || {
            let tags = json!({"ResourceType": "Parameter", "ResourceId": "/hook/secret"});
            boto("eu-west-1", "ssm", "list_tags_for_resource", &tags)["TagList"].clone()
        };
        let mut args = json!({"name": "/hook/secret", "value": "hush", "description": "d", "tags": {"a": "1", "b": "2"}, "Type": "String"});
        let result = hook.run(PreDeploy, SECURE_STRING, &args).await.unwrap();
        assert_eq!(result, json!({"Tier": "Standard", "Version": 1}));
        assert_eq!(
            (&get()["Parameter"]["Value"], &get()["Parameter"]["Type"]),
            (&json!("hush"), &json!("SecureString"))
        );
        assert_eq!(tags(), json!([{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]));

        assert_eq!(
            hook.run(PreDeploy, SECURE_STRING, &args).await,
            Ok(json!({"Tier": "Standard", "Version": 1}))
        );
        assert_eq!(hook.provider.requests()["SSM.PutParameter"], 1);
        assert_eq!(hook.provider.requests()["SSM.AddTagsToResource"], 1);

        args["value"] = json!("new");
        args["tags"] = json!([{"Key": "b", "Value": "3"}]);
        assert_eq!(
            hook.run(PreDeploy, SECURE_STRING, &args).await,
            Ok(json!({"Tier": "Standard", "Version": 2}))
        );
        assert_eq!(tags(), json!([{"Key": "b", "Value": "3"}]));

        let kept =
            json!({"Name": "/hook/secret", "Value": "other", "Overwrite": "false", "Tags": {"b": "3"}});
        assert_eq!(
            hook.run(PreDeploy, SECURE_STRING, &kept).await,
            Ok(json!({"Tier": "Standard", "Version": 2}))
        );
        assert_eq!(get()["Parameter"]["Value"], "new");

        let forced = json!({"name": "/hook/secret", "value": "new", "force": true});
        assert_eq!(hook.run(PreDeploy, SECURE_STRING, &forced).await.unwrap()["Version"], 3);
        assert_eq!(tags(), json!([]));

        let empty = json!({"name": "/hook/none", "value": "", "tags": {"a": "1"}});
        assert_eq!(
            hook.run(PreDeploy, SECURE_STRING, &empty).await,
            Ok(json!({"Tier": "Standard", "Version": 0}))
        );

        for _ in 0..2 {
            assert_eq!(hook.run(PostDestroy, SECURE_STRING, &args).await, Ok(json!(true)));
        }
        assert_eq!(get(), json!({"refused": "ParameterNotFound"}));
        assert!(hook.said().iter().all(|line| !line.contains("hush")));
    });
}

#[test]
fn secrets_are_not_repeated() {
    alone_with_server("hooks::secrets_are_not_repeated", &[], async || {
        let server = Fake::listen(server_port(), |request, _| {
            Some(match request.operation().as_str() {
                "GetParameter" => (400, r#"{"__type":"ParameterNotFound"}"#.to_owned()),
                _ => (
                    400,
                    r#"{"__type":"ValidationException","message":"Value 'hush' of key-1 fails"}"#.to_owned(),
                ),
            })
        });
        let mut hook = Hook::new().await;
        hook.secrets = vec!["key-1".to_owned()];
        let args =
            json!({"name": "/a", "value": "hush", "policies": [{"Type": "Expiration"}], "KeyId": "key-1"});
        let failure = hook.run(PreDeploy, SECURE_STRING, &args).await.unwrap_err();
        assert!(failure.message.contains("Value '****' of **** fails"), "{failure:?}");
        assert!(!format!("{failure:?}").contains("hush"));
        assert_eq!(server.operations(), ["GetParameter", "PutParameter"]);
        let args = json!({"parameter_name": "/key-1"});
        hook.run(PostDestroy, DELETE_PARAMETER, &args).await.unwrap_err();
        hook.run(PreDeploy, SECURE_STRING, &json!({"name": "/key-1"})).await.unwrap_err();
        assert_eq!(hook.said(), ["SSM parameter `/****` was not put: its value is empty"]);
        let sent: Value = serde_json::from_str(&server.requests()[1].body).unwrap();
        assert_eq!(
            sent,
            json!({
                "Name": "/a", "Type": "SecureString", "Overwrite": true, "Tier": "Standard",
                "KeyId": "key-1", "Policies": "[{\"Type\":\"Expiration\"}]", "Value": "hush",
            })
        );
    });
}

#[test]
fn delete_param_deletes() {
    alone("hooks::delete_param_deletes", &[], async || {
        let parameter = json!({"Name": "/hook/gone", "Type": "String", "Value": "v"});
        boto("eu-west-1", "ssm", "put_parameter", &parameter);
        let hook = Hook::new().await;
        let args = json!({"parameter_name": "/hook/gone"});
        assert_eq!(hook.run(PostDestroy, DELETE_PARAMETER, &args).await, Ok(json!(true)));
        assert_eq!(hook.run(PostDestroy, DELETE_PARAMETER, &args).await, Ok(json!(true)));
        assert_eq!(
            hook.said(),
            [
                "deleted SSM parameter `/hook/gone`",
                "SSM parameter `/hook/gone` does not exist: nothing to delete"
            ]
        );
    });
}

#[test]
fn purge_repository_deletes_every_image() {
    alone("hooks::purge_repository_deletes_every_image", &[], async || {
        boto("eu-west-1", "ecr", "create_repository", &json!({"repositoryName": "app"}));
        for tag in ["v1", "v2"] {
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": {"mediaType": "m", "size": 1, "digest": "sha256:1"},
                "layers": [],
            });
            let image =
                json!({"repositoryName": "app", "imageTag": tag, "imageManifest": manifest.to_string()});
            boto("eu-west-1", "ecr", "put_image", &image);
        }
        let hook = Hook::new().await;
        let args = json!({"repository_name": "app"});
        assert_eq!(hook.run(PreDestroy, PURGE_REPOSITORY, &args).await, Ok(json!({"status": "success"})));
        assert_eq!(
            boto("eu-west-1", "ecr", "list_images", &json!({"repositoryName": "app"}))["imageIds"],
            json!([])
        );
        assert_eq!(hook.run(PreDestroy, PURGE_REPOSITORY, &args).await, Ok(json!({"status": "skipped"})));
        let args = json!({"repository_name": "none"});
        assert_eq!(hook.run(PreDestroy, PURGE_REPOSITORY, &args).await, Ok(json!({"status": "skipped"})));
    });
}

/// moto gives all images one digest, knows no lists of images and no failures.
#[test]
fn purge_repository_deletes_lists_before_their_images() {
    alone_with_server("hooks::purge_repository_deletes_lists_before_their_images", &[], async || {
        let kept = r#"{"failures":[{"imageId":{"imageDigest":"sha256:b"},"failureCode":"ImageReferencedByManifestList","failureReason":"no"}]}"#;
        let digests: Vec<Value> =
            (0..110).map(|number| json!({"imageDigest": format!("sha256:{number}")})).collect();
        let first_page = json!({"imageIds": digests, "nextToken": "t"}).to_string();
        let server = Fake::listen(server_port(), move |request, number| {
            let answer = match (request.operation().as_str(), number) {
                ("ListImages", 0 | 5) => first_page.as_str(),
                ("ListImages", _) => r#"{"imageIds":[{"imageDigest":"sha256:b","imageTag":"x"}]}"#,
                (_, 2 | 4 | 7) => r#"{"failures":[]}"#,
                _ => kept,
            };
            Some((200, answer.to_owned()))
        });
        let hook = Hook::new().await;
        let args = json!({"repository_name": "app"});
        assert_eq!(hook.run(PreDestroy, PURGE_REPOSITORY, &args).await, Ok(json!({"status": "success"})));
        let deletes = server.requests().split_off(2);
        let counts: Vec<usize> =
            deletes.iter().map(|request| request.body.matches("imageDigest").count()).collect();
        assert_eq!(counts, [100, 11, 1]);
        assert!(server.requests()[1].body.contains(r#""nextToken":"t""#));
        let failure = hook.run(PreDestroy, PURGE_REPOSITORY, &args).await.unwrap_err();
        assert!(failure.message.contains("cannot be deleted; the first is sha256:b"), "{failure:?}");
    });
}

/// The SOA record of moto's own zones is not one: the zone gets a proper one first.
#[test]
fn create_domain_shortens_the_negative_ttl_once() {
    alone("hooks::create_domain_shortens_the_negative_ttl_once", &[], async || {
        let zone = json!({"Name": "hook.example.com.", "CallerReference": "1"});
        let zone = boto("us-east-1", "route53", "create_hosted_zone", &zone);
        let zone = zone["HostedZone"]["Id"].as_str().unwrap().trim_start_matches("/hostedzone/").to_owned();
        let soa = "ns-1.example.net. hostmaster.example.com. 1 7200 900 1209600 86400";
        let set = json!({"Name": "hook.example.com.", "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": soa}]});
        let change = json!({"HostedZoneId": zone, "ChangeBatch": {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": set}]}});
        boto("us-east-1", "route53", "change_resource_record_sets", &change);

        let hook = Hook::new().await;
        for domain in ["hook.example.com", "hook.example.com."] {
            let result = hook.run(PreDeploy, CREATE_DOMAIN, &json!({"domain": domain})).await.unwrap();
            assert_eq!(result, json!({"domain": domain, "zone_id": zone}));
        }
        let records =
            json!({"HostedZoneId": zone, "StartRecordName": "hook.example.com.", "StartRecordType": "SOA"});
        let records = boto("us-east-1", "route53", "list_resource_record_sets", &records);
        let set = &records["ResourceRecordSets"][0];
        assert_eq!(set["ResourceRecords"][0]["Value"], soa.replace("86400", "300"));
        assert_eq!(set["TTL"], 900);
        assert_eq!(hook.provider.requests()["Route 53.ChangeResourceRecordSets"], 1);
        assert!(!hook.provider.requests().contains_key("Route 53.CreateHostedZone"));
    });
}

#[test]
fn create_domain_makes_a_zone_that_is_missing() {
    alone_with_server("hooks::create_domain_makes_a_zone_that_is_missing", &[], async || {
        let server = Fake::listen(server_port(), |_, number| {
            let zones = |name: &str, more: &str| {
                format!(
                    "<ListHostedZonesResponse xmlns=\"x\"><HostedZones><HostedZone><Id>/hostedzone/Z0</Id><Name>{name}</Name><CallerReference>c</CallerReference><Config/></HostedZone></HostedZones>{more}</ListHostedZonesResponse>"
                )
            };
            let soa = "<ListResourceRecordSetsResponse xmlns=\"x\"><ResourceRecordSets><ResourceRecordSet><Name>new.example.</Name><Type>SOA</Type><TTL>900</TTL><ResourceRecords><ResourceRecord><Value>ns. host. 1 7200 900 1209600 86400</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></ResourceRecordSets></ListResourceRecordSetsResponse>";
            Some(match number {
                0 => (200, zones("a.example.", "<IsTruncated>true</IsTruncated><NextMarker>m&amp;1</NextMarker>")),
                1 => (200, zones("b.example.", "<IsTruncated>false</IsTruncated>")),
                2 => (201, "<CreateHostedZoneResponse xmlns=\"x\"><HostedZone><Id>/hostedzone/Z1</Id><Name>new.example.</Name></HostedZone></CreateHostedZoneResponse>".to_owned()),
                3 => (200, soa.to_owned()),
                4 => (400, "<ErrorResponse xmlns=\"x\"><Error><Code>PriorRequestNotComplete</Code><Message>wait</Message></Error></ErrorResponse>".to_owned()),
                _ => (200, "<ChangeResourceRecordSetsResponse xmlns=\"x\"><ChangeInfo><Id>/change/C1</Id></ChangeInfo></ChangeResourceRecordSetsResponse>".to_owned()),
            })
        });
        let hook = Hook::new().await;
        let result = hook.run(PreDeploy, CREATE_DOMAIN, &json!({"domain": "new.example"})).await.unwrap();
        assert_eq!(result, json!({"domain": "new.example", "zone_id": "Z1"}));
        assert_eq!(
            server.operations(),
            [
                "GET /2013-04-01/hostedzone",
                "GET /2013-04-01/hostedzone?marker=m%261",
                "POST /2013-04-01/hostedzone",
                "GET /2013-04-01/hostedzone/Z1/rrset?name=new.example.&type=SOA&maxitems=1",
                "POST /2013-04-01/hostedzone/Z1/rrset",
                "POST /2013-04-01/hostedzone/Z1/rrset",
            ]
        );
        let sent = server.requests();
        assert_eq!(sent[0].scope(), "us-east-1 route53");
        assert!(sent[2].body.starts_with("<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>new.example.</Name><CallerReference>"), "{}", sent[2].body);
        assert!(sent[5].body.contains("<Change><Action>UPSERT</Action><ResourceRecordSet><Name>new.example.</Name><Type>SOA</Type><TTL>900</TTL><ResourceRecords><ResourceRecord><Value>ns. host. 1 7200 900 1209600 300</Value>"), "{}", sent[5].body);
    });
}

#[test]
fn create_clusters_takes_one_or_many() {
    alone("hooks::create_clusters_takes_one_or_many", &[], async || {
        let hook = Hook::new().await;
        for _ in 0..2 {
            let result =
                hook.run(PreDeploy, CREATE_CLUSTERS, &json!({"clusters": ["one", "two"]})).await.unwrap();
            assert_eq!(result["clusters"]["two"]["cluster"]["clusterName"], "two");
        }
        let result = hook.run(PreDeploy, CREATE_CLUSTERS, &json!({"clusters": "three"})).await.unwrap();
        assert_eq!(result["clusters"]["three"]["cluster"]["status"], "ACTIVE");
        let clusters = boto("eu-west-1", "ecs", "list_clusters", &none());
        assert_eq!(clusters["clusterArns"].as_array().unwrap().len(), 3);
    });
}

#[test]
fn key_pairs_are_imported_or_created() {
    alone("hooks::key_pairs_are_imported_or_created", &[], async || {
        let hook = Hook::new().await;
        // A key that nobody has the private part of.
        let key = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDusXfgTE4eBP50NglSzCSEGnIL6+cr6m3H6cZANOQ+P1o/W4BdtcAL3sor4iGi7SOeJgo8kweyMQrhrt6HaKGgromRiz37LQx4YIAcBi4Zd023mO/V7Rc2Chh18mWgLSmA6ng+j37ip6452zxtv0jHAz9pJolbKBpJzbZlPN45ZA== test";
        hook.file("keys/id.pub", &format!("{key}\n"));
        hook.file("keys/bad.pub", "-----BEGIN PUBLIC KEY-----");
        let args = json!({"keypair": "imported", "public_key_path": "keys/id.pub"});
        let first = hook.run(PreDeploy, KEY_PAIR, &args).await.unwrap();
        assert_eq!((&first["status"], &first["key_name"]), (&json!("imported"), &json!("imported")));
        let second = hook.run(PreDeploy, KEY_PAIR, &args).await.unwrap();
        assert_eq!((&second["status"], &second["fingerprint"]), (&json!("exists"), &first["fingerprint"]));

        let args = json!({"keypair": "created", "ssm_parameter_name": "/hook/key"});
        assert_eq!(hook.run(PreDeploy, KEY_PAIR, &args).await.unwrap()["status"], "created");
        let kept =
            boto("eu-west-1", "ssm", "get_parameter", &json!({"Name": "/hook/key", "WithDecryption": true}));
        assert_eq!(kept["Parameter"]["Type"], "SecureString");
        let private = kept["Parameter"]["Value"].as_str().unwrap();
        assert!(private.contains("PRIVATE KEY"));
        assert!(!hook.said().concat().contains("PRIVATE KEY"));

        // The parameter is there already, so the private part has no place: the pair goes again.
        let args = json!({"keypair": "again", "ssm_parameter_name": "/hook/key"});
        let failure = hook.run(PreDeploy, KEY_PAIR, &args).await.unwrap_err();
        assert!(failure.message.contains("key pair `again` was deleted again"), "{failure:?}");
        assert_eq!(failure.kind, Some(ErrorKind::AlreadyExists));
        let pairs = boto("eu-west-1", "ec2", "describe_key_pairs", &none());
        assert!(!pairs.to_string().contains("again"));

        for (args, words) in [
            (json!({"keypair": "x"}), "is not told how to make one"),
            (json!({"keypair": "x", "public_key_path": "keys/none.pub"}), "path` names, cannot be read"),
            (json!({"keypair": "x", "public_key_path": "keys/bad.pub"}), "is not a public key"),
        ] {
            let failure = hook.run(PreDeploy, KEY_PAIR, &args).await.unwrap_err();
            assert!(failure.message.contains(words), "{failure:?}");
        }
    });
}

#[test]
fn the_role_of_ecs_is_created_once() {
    alone("hooks::the_role_of_ecs_is_created_once", &[], async || {
        let hook = Hook::new().await;
        for _ in 0..2 {
            assert_eq!(hook.run(PreDeploy, SERVICE_ROLE, &none()).await, Ok(json!(true)));
        }
        assert_eq!(hook.said(), ["created role `ecsServiceRole`", "role `ecsServiceRole` exists"]);
        let role = boto("us-east-1", "iam", "get_role", &json!({"RoleName": "ecsServiceRole"}));
        let trust = &role["Role"]["AssumeRolePolicyDocument"]["Statement"][0];
        assert_eq!(trust["Principal"]["Service"], json!(["ecs.amazonaws.com"]));
        let policy =
            json!({"RoleName": "ecsServiceRole", "PolicyName": "AmazonEC2ContainerServiceRolePolicy"});
        let policy = boto("us-east-1", "iam", "get_role_policy", &policy);
        assert_eq!(policy["PolicyDocument"]["Statement"][0]["Action"][4], "ecs:Submit*");
        assert_eq!(hook.run(PreDeploy, SERVICE_ROLE, &json!({"role_name": "mine"})).await, Ok(json!(true)));
        boto("us-east-1", "iam", "get_role", &json!({"RoleName": "mine"}));
    });
}

#[test]
fn server_certificates_are_uploaded_once() {
    alone("hooks::server_certificates_are_uploaded_once", &[], async || {
        let hook = Hook::new().await;
        hook.file("c.pem", "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n");
        hook.file("k.pem", "-----BEGIN PRIVATE KEY-----\nsecret&key\n-----END PRIVATE KEY-----\n");
        let args = json!({"cert_name": "web", "path_to_certificate": "c.pem", "path_to_private_key": "k.pem", "path_to_chain": "c.pem"});
        // CFNgin would ask.
        let failure = hook.run(PreDeploy, SERVER_CERTIFICATE, &args).await.unwrap_err();
        assert!(failure.help.unwrap().contains("`prompt: false`"));
        let mut args = args;
        args["prompt"] = json!(false);
        let first = hook.run(PreDeploy, SERVER_CERTIFICATE, &args).await.unwrap();
        assert_eq!((&first["status"], &first["cert_name"]), (&json!("uploaded"), &json!("web")));
        let kept =
            boto("us-east-1", "iam", "get_server_certificate", &json!({"ServerCertificateName": "web"}));
        assert_eq!(
            kept["ServerCertificate"]["CertificateBody"].as_str().unwrap().trim(),
            "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----"
        );
        let second = hook.run(PreDeploy, SERVER_CERTIFICATE, &args).await.unwrap();
        assert_eq!((&second["status"], &second["cert_arn"]), (&json!("exists"), &first["cert_arn"]));
        args["cert_name"] = json!("other");
        args["path_to_private_key"] = json!("none.pem");
        let failure = hook.run(PreDeploy, SERVER_CERTIFICATE, &args).await.unwrap_err();
        assert!(
            failure.message.contains("none.pem`, which the argument `path_to_private_key` names"),
            "{failure:?}"
        );
    });
}

/// moto checks no permissions and never breaks down.
#[test]
fn changes_are_repeated_only_when_nothing_was_done() {
    alone_with_server("hooks::changes_are_repeated_only_when_nothing_was_done", &[], async || {
        let server = Fake::listen(server_port(), |_, number| {
            Some(match number {
                0 => (400, r#"{"__type":"ThrottlingException","message":"slow"}"#.to_owned()),
                1 => (429, String::new()),
                2 => (200, r#"{"cluster":{"clusterName":"one"}}"#.to_owned()),
                3 => (500, r#"{"__type":"ServerException","message":"ouch"}"#.to_owned()),
                4 => return None,
                _ => (400, r#"{"__type":"AccessDeniedException","message":"not you"}"#.to_owned()),
            })
        });
        let hook = Hook::new().await;
        let args = json!({"clusters": "one"});
        let result = hook.run(PreDeploy, CREATE_CLUSTERS, &args).await.unwrap();
        assert_eq!(result, json!({"clusters": {"one": {"cluster": {"clusterName": "one"}}}}));
        assert_eq!(server.requests().len(), 3);
        let failure = hook.run(PreDeploy, CREATE_CLUSTERS, &args).await.unwrap_err();
        assert_eq!(failure.kind, Some(ErrorKind::Unavailable), "{failure:?}");
        assert_eq!(server.requests().len(), 4);
        let failure = hook.run(PreDeploy, CREATE_CLUSTERS, &args).await.unwrap_err();
        assert_eq!(failure.kind, Some(ErrorKind::Unavailable), "{failure:?}");
        assert_eq!(server.requests().len(), 5);
        let failure = hook.run(PreDeploy, CREATE_CLUSTERS, &args).await.unwrap_err();
        assert_eq!(failure.kind, Some(ErrorKind::Denied), "{failure:?}");
        assert!(
            failure
                .message
                .contains("CreateCluster of one failed: AccessDeniedException: not you (request fake-5)"),
            "{failure:?}"
        );
    });
}
