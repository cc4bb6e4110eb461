//! Which attributes of a resource cannot change while the resource lives: an output that only refers to those is
//! unchanged by an update in place.

use super::types::find;

/// Attributes that stay, besides those that the schemas show to be fixed (parts of the identifier, and properties that
/// can only be set at creation). Sorted. ARNs are named one by one: that of an IAM user changes in place with its path.
const STABLE: &[(&str, &[&str])] = &[
    ("AWS::ApiGateway::RestApi", &["RootResourceId"]),
    ("AWS::ApiGatewayV2::Api", &["ApiEndpoint"]),
    ("AWS::CertificateManager::Certificate", &["CertificateArn"]),
    ("AWS::CloudFront::Distribution", &["DomainName"]),
    ("AWS::CloudWatch::Alarm", &["Arn"]),
    ("AWS::Cognito::UserPool", &["Arn", "ProviderName", "ProviderURL"]),
    ("AWS::DynamoDB::Table", &["Arn"]),
    ("AWS::EC2::Instance", &["PrivateIp", "VpcId"]),
    ("AWS::EC2::SecurityGroup", &["GroupId", "VpcId"]),
    ("AWS::EC2::VPC", &["DefaultNetworkAcl", "DefaultSecurityGroup"]),
    ("AWS::ECR::Repository", &["Arn", "RepositoryUri"]),
    ("AWS::ECS::Cluster", &["Arn"]),
    ("AWS::ECS::Service", &["Name"]),
    ("AWS::EFS::FileSystem", &["Arn"]),
    ("AWS::EKS::Cluster", &["Arn", "ClusterSecurityGroupId", "Endpoint", "OpenIdConnectIssuerUrl"]),
    (
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        &["CanonicalHostedZoneID", "DNSName", "LoadBalancerFullName", "LoadBalancerName"],
    ),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", &["TargetGroupFullName", "TargetGroupName"]),
    ("AWS::IAM::InstanceProfile", &["Arn"]),
    ("AWS::IAM::Role", &["Arn", "RoleId"]),
    ("AWS::KMS::Key", &["Arn"]),
    ("AWS::Kinesis::Stream", &["Arn"]),
    ("AWS::KinesisFirehose::DeliveryStream", &["Arn"]),
    ("AWS::Lambda::Function", &["Arn"]),
    ("AWS::Lambda::Version", &["Version"]),
    ("AWS::Logs::LogGroup", &["Arn"]),
    (
        "AWS::RDS::DBCluster",
        &["DBClusterArn", "DBClusterResourceId", "Endpoint.Address", "ReadEndpoint.Address"],
    ),
    ("AWS::RDS::DBInstance", &["DBInstanceArn", "DbiResourceId", "Endpoint.Address"]),
    ("AWS::Route53::HostedZone", &["NameServers"]),
    ("AWS::S3::Bucket", &["Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"]),
    ("AWS::SNS::Topic", &["TopicName"]),
    ("AWS::SQS::Queue", &["Arn", "QueueName"]),
    ("AWS::StepFunctions::StateMachine", &["Name"]),
];

/// Whether an attribute (the second part of `Fn::GetAtt`, dotted as written there) can only change by replacement.
///
/// Careful: `false` for every type and attribute that is not known to be so.
#[must_use]
pub fn attribute_is_stable(resource_type: &str, attribute: &str) -> bool {
    if decides_itself(resource_type) {
        return false;
    }
    let listed = STABLE.iter().any(|(known, names)| *known == resource_type && names.contains(&attribute));
    listed || find(resource_type).is_some_and(|line| line.is_fixed(attribute))
}

/// Whether what `Ref` gives, the physical id, can only change by replacement.
///
/// That holds for every type with a schema. A custom resource may answer any update with another id, and types that are
/// not known (of third parties, of SAM, modules) are not trusted.
#[must_use]
pub fn reference_is_stable(resource_type: &str) -> bool {
    !decides_itself(resource_type) && find(resource_type).is_some()
}

/// Whether code of the user decides what an update does.
fn decides_itself(resource_type: &str) -> bool {
    resource_type.starts_with("Custom::") || resource_type == "AWS::CloudFormation::CustomResource"
}

#[cfg(test)]
pub(super) fn listed() -> impl Iterator<Item = &'static str> {
    STABLE.iter().map(|(resource_type, _)| *resource_type)
}
