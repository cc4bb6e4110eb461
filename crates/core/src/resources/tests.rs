//! The tables are in order, and say what AWS's documentation says of the types that are used most.

use serde_json::{Value, json};

use super::*;

#[test]
fn the_tables_are_sorted_and_name_known_types() {
    let types: Vec<&str> = types::lines().filter_map(|line| line.split('\t').next()).collect();
    assert!(types.len() > 1_500, "{} types", types.len());
    assert!(types.is_sorted_by(|one, next| one < next));
    assert!(types.iter().all(|resource_type| is_known(resource_type)));
    let holders: Vec<&str> = data::HOLDERS.iter().map(|(resource_type, _)| *resource_type).collect();
    assert!(holders.is_sorted_by(|one, next| one < next));
    let stable: Vec<&str> = attributes::listed().collect();
    assert!(stable.is_sorted_by(|one, next| one < next));
    for resource_type in holders.into_iter().chain(stable) {
        let known = is_known(resource_type) || overrides::serverless(resource_type).is_some();
        assert!(known, "{resource_type} is not a type");
    }
    assert!(source().starts_with("cfn-lint "), "{}", source());
}

/// Types, a property that replaces and one that does not.
const MOST_USED: [(&str, &str, &str); 44] = [
    ("AWS::ApiGateway::Stage", "StageName", "Variables"),
    ("AWS::ApiGatewayV2::Api", "ProtocolType", "Name"),
    ("AWS::AutoScaling::AutoScalingGroup", "AutoScalingGroupName", "MaxSize"),
    ("AWS::AutoScaling::LaunchConfiguration", "ImageId", "None"),
    ("AWS::CertificateManager::Certificate", "DomainName", "Tags"),
    ("AWS::CloudWatch::Alarm", "AlarmName", "Threshold"),
    ("AWS::CodeBuild::Project", "Name", "Environment"),
    ("AWS::Cognito::UserPoolClient", "UserPoolId", "ClientName"),
    ("AWS::DynamoDB::Table", "TableName", "BillingMode"),
    ("AWS::EC2::Instance", "ImageId", "Tags"),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateName", "LaunchTemplateData"),
    ("AWS::EC2::NatGateway", "SubnetId", "Tags"),
    ("AWS::EC2::Route", "DestinationCidrBlock", "GatewayId"),
    ("AWS::EC2::RouteTable", "VpcId", "Tags"),
    ("AWS::EC2::SecurityGroup", "GroupDescription", "SecurityGroupIngress"),
    ("AWS::EC2::Subnet", "CidrBlock", "MapPublicIpOnLaunch"),
    ("AWS::EC2::VPC", "CidrBlock", "EnableDnsSupport"),
    ("AWS::EC2::VPCEndpoint", "ServiceName", "PolicyDocument"),
    ("AWS::ECR::Repository", "RepositoryName", "LifecyclePolicy"),
    ("AWS::ECS::Cluster", "ClusterName", "ClusterSettings"),
    ("AWS::ECS::Service", "ServiceName", "DesiredCount"),
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions", "Tags"),
    ("AWS::EFS::FileSystem", "Encrypted", "ThroughputMode"),
    ("AWS::EKS::Cluster", "Name", "Version"),
    ("AWS::ElastiCache::ReplicationGroup", "Port", "CacheNodeType"),
    ("AWS::ElasticLoadBalancingV2::Listener", "LoadBalancerArn", "Port"),
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "Scheme", "SecurityGroups"),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", "Protocol", "HealthCheckPath"),
    ("AWS::Events::Rule", "Name", "ScheduleExpression"),
    ("AWS::IAM::InstanceProfile", "Path", "Roles"),
    ("AWS::IAM::ManagedPolicy", "Description", "PolicyDocument"),
    ("AWS::IAM::Role", "RoleName", "AssumeRolePolicyDocument"),
    ("AWS::IAM::User", "UserName", "Path"),
    ("AWS::Kinesis::Stream", "Name", "ShardCount"),
    ("AWS::Lambda::Function", "FunctionName", "MemorySize"),
    ("AWS::Logs::LogGroup", "LogGroupName", "RetentionInDays"),
    ("AWS::RDS::DBInstance", "DBInstanceIdentifier", "AllocatedStorage"),
    ("AWS::RDS::DBSubnetGroup", "DBSubnetGroupName", "SubnetIds"),
    ("AWS::Redshift::Cluster", "MasterUsername", "NumberOfNodes"),
    ("AWS::Route53::HostedZone", "Name", "VPCs"),
    ("AWS::S3::Bucket", "BucketName", "VersioningConfiguration"),
    ("AWS::SNS::Topic", "TopicName", "DisplayName"),
    ("AWS::SQS::Queue", "FifoQueue", "VisibilityTimeout"),
    ("AWS::StepFunctions::StateMachine", "StateMachineType", "DefinitionString"),
];

#[test]
fn the_types_used_most_are_replaced_as_documented() {
    for (resource_type, replaces, updates) in MOST_USED {
        assert_eq!(replacement(resource_type, &[replaces]), Replacement::Will, "{resource_type} {replaces}");
        assert_eq!(replacement(resource_type, &[updates]), Replacement::Never, "{resource_type} {updates}");
    }
}

#[test]
fn a_change_counts_at_below_and_above_a_property_of_creation() {
    let cluster = |path: &[&str]| replacement("AWS::EKS::Cluster", path);
    assert_eq!(cluster(&["KubernetesNetworkConfig", "IpFamily"]), Replacement::Will);
    assert_eq!(cluster(&["KubernetesNetworkConfig"]), Replacement::May);
    assert_eq!(cluster(&["KubernetesNetworkConfig", "ElasticLoadBalancing", "Enabled"]), Replacement::Never);
    assert_eq!(cluster(&["OutpostConfig", "OutpostArns"]), Replacement::Will);
}

#[test]
fn what_is_not_known_may_be_replaced() {
    for resource_type in
        ["Custom::Thing", "AWS::CloudFormation::CustomResource", "Acme::Data::Store", "AWS::New::Type"]
    {
        assert_eq!(replacement(resource_type, &["Anything"]), Replacement::May, "{resource_type}");
        assert!(
            !reference_is_stable(resource_type) && !attribute_is_stable(resource_type, "Arn"),
            "{resource_type}"
        );
    }
    assert!(!is_known("Custom::Thing") && is_known("AWS::S3::Bucket"));
    assert_eq!(replacement("AWS::Serverless::Function", &["FunctionName"]), Replacement::Will);
    assert_eq!(replacement("AWS::Serverless::Function", &["Events", "Api"]), Replacement::May);
    assert_eq!(replacement("AWS::CloudFormation::Stack", &["TemplateURL"]), Replacement::Never);
}

#[test]
fn a_policy_of_updates_decides_for_some_properties() {
    let path = ["NumNodeGroups"];
    let found = switch("AWS::ElastiCache::ReplicationGroup", &path).unwrap();
    assert_eq!(
        (found.key, found.on, found.off),
        (&["UseOnlineResharding"][..], Replacement::Never, Replacement::Will)
    );
    assert_eq!(replacement("AWS::ElastiCache::ReplicationGroup", &path), Replacement::May);
    let group = "AWS::AutoScaling::AutoScalingGroup";
    let found = switch(group, &["LaunchTemplate", "Version"]).unwrap();
    assert_eq!((found.on, found.off), (Replacement::Will, Replacement::Never));
    assert_eq!(switch(group, &["MaxSize"]), None);
}

#[test]
fn tags_are_where_the_schema_says() {
    assert_eq!(tags_property("AWS::S3::Bucket"), Some(("Tags", true)));
    assert_eq!(tags_property("AWS::Cognito::UserPool"), Some(("UserPoolTags", true)));
    assert_eq!(tags_property("AWS::AppRunner::Service"), Some(("Tags", false)));
    assert_eq!(tags_property("AWS::IAM::Policy"), None);
}

#[test]
fn attributes_are_stable_only_if_that_is_known() {
    for (resource_type, attribute) in [
        ("AWS::IAM::Role", "Arn"),
        ("AWS::EC2::VPC", "VpcId"),
        ("AWS::EC2::VPC", "CidrBlock"),
        ("AWS::SNS::Topic", "TopicArn"),
        ("AWS::S3::Bucket", "RegionalDomainName"),
    ] {
        assert!(attribute_is_stable(resource_type, attribute), "{resource_type} {attribute}");
    }
    for (resource_type, attribute) in [
        ("AWS::IAM::User", "Arn"),
        ("AWS::EC2::Instance", "PublicIp"),
        ("AWS::DynamoDB::Table", "StreamArn"),
        ("AWS::EC2::LaunchTemplate", "LatestVersionNumber"),
        ("AWS::CloudFormation::Stack", "Outputs.Name"),
        ("AWS::EC2::VPC", ""),
    ] {
        assert!(!attribute_is_stable(resource_type, attribute), "{resource_type} {attribute}");
    }
    assert!(reference_is_stable("AWS::S3::Bucket"));
}

#[test]
fn the_fate_of_data_follows_the_policies() {
    let none = json!({});
    let removed = |kind: &str, policy: Option<&str>, properties: &Value| {
        fate_when_removed(kind, policy, properties).map(|data| data.fate)
    };
    let replaced =
        |kind: &str, policy: Option<&str>| fate_when_replaced(kind, policy, &none).map(|data| data.fate);
    assert_eq!(removed("AWS::S3::Bucket", None, &none), Some(Fate::Lost));
    assert_eq!(removed("AWS::S3::Bucket", Some("Retain"), &none), Some(Fate::Retained));
    assert_eq!(removed("AWS::S3::Bucket", Some("RetainExceptOnCreate"), &none), Some(Fate::Retained));
    assert_eq!(removed("AWS::S3::Bucket", Some("Snapshot"), &none), Some(Fate::Lost));
    assert_eq!(removed("AWS::EC2::Volume", Some("Snapshot"), &none), Some(Fate::Snapshot));
    assert_eq!(removed("AWS::RDS::DBInstance", None, &none), Some(Fate::Snapshot));
    assert_eq!(removed("AWS::RDS::DBInstance", Some("Delete"), &none), Some(Fate::Lost));
    assert_eq!(removed("AWS::RDS::DBInstance", None, &json!({"DBClusterIdentifier": "c"})), None);
    assert_eq!(replaced("AWS::RDS::DBInstance", None), Some(Fate::Lost));
    assert_eq!(replaced("AWS::RDS::DBCluster", Some("Snapshot")), Some(Fate::Snapshot));
    assert_eq!(replaced("AWS::DocDB::DBCluster", Some("Snapshot")), Some(Fate::Lost));
    assert_eq!(removed("AWS::DocDB::DBCluster", Some("Snapshot"), &none), Some(Fate::Snapshot));
    assert_eq!(removed("AWS::ElastiCache::CacheCluster", None, &json!({"Engine": "memcached"})), None);
    assert_eq!(removed("AWS::EC2::Instance", None, &none), None);
    let text = serde_json::to_value(fate_when_removed("AWS::SQS::Queue", None, &none)).unwrap();
    assert_eq!(text, json!({"holds": "queue", "fate": "lost"}));
}
