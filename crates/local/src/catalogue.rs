//! What resource types give back: physical ids, attributes, and which changes replace them.

pub(crate) mod types;

use runway_core::provider::Place;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::evaluate::partition;
use crate::state::{BUCKET_TYPE, Resource};

/// How the physical id of a type looks.
#[derive(Debug, Clone, Copy)]
enum Id {
    /// The name itself.
    Name,
    /// The name in lower case (buckets and databases know no other).
    LowerName,
    /// A prefix and 17 hexadecimal digits, as EC2 makes them.
    Prefixed(&'static str),
    /// An ARN: service and what precedes the name.
    Arn(&'static str, &'static str),
    /// An ARN that ends with 16 hexadecimal digits of its own.
    ArnWithDigest(&'static str, &'static str),
    /// The URL of a queue.
    QueueUrl,
    /// An IP address.
    Address,
    /// A hexadecimal UUID.
    Uuid,
    /// The presigned URL of a wait condition handle.
    HandleUrl,
}

/// One type.
struct Entry {
    kind: &'static str,
    /// Property that gives the resource its name, if one may.
    name: &'static str,
    id: Id,
    /// Properties whose change makes a new resource, besides the name.
    replaces: &'static [&'static str],
}

const fn entry(kind: &'static str, name: &'static str, id: Id, replaces: &'static [&'static str]) -> Entry {
    Entry { kind, name, id, replaces }
}

/// The types whose ids or attributes users look at; every other type gets generic ones.
const TYPES: &[Entry] = &[
    entry("AWS::S3::Bucket", "BucketName", Id::LowerName, &[]),
    entry("AWS::SNS::Topic", "TopicName", Id::Arn("sns", ""), &["FifoTopic"]),
    entry("AWS::SQS::Queue", "QueueName", Id::QueueUrl, &["FifoQueue"]),
    entry("AWS::IAM::Role", "RoleName", Id::Name, &["Path"]),
    entry("AWS::IAM::User", "UserName", Id::Name, &[]),
    entry("AWS::IAM::Group", "GroupName", Id::Name, &[]),
    entry("AWS::IAM::InstanceProfile", "InstanceProfileName", Id::Name, &["Path"]),
    entry(
        "AWS::IAM::ManagedPolicy",
        "ManagedPolicyName",
        Id::Arn("iam", "policy/"),
        &["Description", "Path"],
    ),
    entry("AWS::SSM::Parameter", "Name", Id::Name, &[]),
    entry("AWS::Logs::LogGroup", "LogGroupName", Id::Name, &[]),
    entry("AWS::DynamoDB::Table", "TableName", Id::Name, &["KeySchema"]),
    entry("AWS::Lambda::Function", "FunctionName", Id::Name, &["PackageType"]),
    entry("AWS::ECS::Cluster", "ClusterName", Id::Name, &[]),
    entry("AWS::ECS::Service", "ServiceName", Id::Arn("ecs", "service/"), &["Cluster", "LaunchType"]),
    entry(
        "AWS::ECS::TaskDefinition",
        "",
        Id::Arn("ecs", "task-definition/"),
        &["ContainerDefinitions", "Cpu", "Memory", "Family"],
    ),
    entry("AWS::ECR::Repository", "RepositoryName", Id::LowerName, &[]),
    entry(
        "AWS::RDS::DBInstance",
        "DBInstanceIdentifier",
        Id::LowerName,
        &["Engine", "MasterUsername", "StorageEncrypted"],
    ),
    entry("AWS::RDS::DBCluster", "DBClusterIdentifier", Id::LowerName, &["Engine", "MasterUsername"]),
    entry("AWS::RDS::DBSubnetGroup", "DBSubnetGroupName", Id::LowerName, &[]),
    entry("AWS::CloudWatch::Alarm", "AlarmName", Id::Name, &[]),
    entry("AWS::Events::Rule", "Name", Id::Name, &[]),
    entry("AWS::StepFunctions::StateMachine", "StateMachineName", Id::Arn("states", "stateMachine:"), &[]),
    entry("AWS::SecretsManager::Secret", "Name", Id::ArnWithDigest("secretsmanager", "secret:"), &[]),
    entry("AWS::KMS::Key", "", Id::Uuid, &[]),
    entry("AWS::KMS::Alias", "AliasName", Id::Name, &[]),
    entry("AWS::EC2::VPC", "", Id::Prefixed("vpc"), &["CidrBlock"]),
    entry("AWS::EC2::Subnet", "", Id::Prefixed("subnet"), &["AvailabilityZone", "CidrBlock", "VpcId"]),
    entry("AWS::EC2::SecurityGroup", "", Id::Prefixed("sg"), &["GroupDescription", "GroupName", "VpcId"]),
    entry(
        "AWS::EC2::Instance",
        "",
        Id::Prefixed("i"),
        &["ImageId", "KeyName", "SubnetId", "AvailabilityZone"],
    ),
    entry("AWS::EC2::InternetGateway", "", Id::Prefixed("igw"), &[]),
    entry("AWS::EC2::NatGateway", "", Id::Prefixed("nat"), &["AllocationId", "SubnetId"]),
    entry("AWS::EC2::RouteTable", "", Id::Prefixed("rtb"), &["VpcId"]),
    entry("AWS::EC2::SubnetRouteTableAssociation", "", Id::Prefixed("rtbassoc"), &["SubnetId"]),
    entry("AWS::EC2::VPCEndpoint", "", Id::Prefixed("vpce"), &["ServiceName", "VpcId"]),
    entry("AWS::EC2::NetworkAcl", "", Id::Prefixed("acl"), &["VpcId"]),
    entry("AWS::EC2::LaunchTemplate", "", Id::Prefixed("lt"), &["LaunchTemplateName"]),
    entry("AWS::EC2::Volume", "", Id::Prefixed("vol"), &[]),
    entry("AWS::EC2::EIP", "", Id::Address, &["Domain"]),
    entry(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Name",
        Id::ArnWithDigest("elasticloadbalancing", "loadbalancer/app/"),
        &["Scheme", "Type"],
    ),
    entry(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Name",
        Id::ArnWithDigest("elasticloadbalancing", "targetgroup/"),
        &["Port", "Protocol", "VpcId", "TargetType"],
    ),
    entry(
        "AWS::ElasticLoadBalancingV2::Listener",
        "",
        Id::ArnWithDigest("elasticloadbalancing", "listener/app/"),
        &["LoadBalancerArn"],
    ),
    entry("AWS::AutoScaling::AutoScalingGroup", "AutoScalingGroupName", Id::Name, &[]),
    entry("AWS::CloudFormation::WaitConditionHandle", "", Id::HandleUrl, &[]),
];

fn find(kind: &str) -> Option<&'static Entry> {
    TYPES.iter().find(|entry| entry.kind == kind)
}

/// The name a template gives a resource of this type, if it does.
pub(crate) fn custom_name<'a>(kind: &str, properties: &'a Value) -> Option<&'a str> {
    let entry = find(kind).filter(|entry| !entry.name.is_empty())?;
    properties.get(entry.name)?.as_str()
}

/// Whether changing `old` into `new` needs another physical resource.
pub(crate) fn is_replaced(kind: &str, old: &Value, new: &Value) -> bool {
    let Some(entry) = find(kind) else { return false };
    let names = entry.replaces.iter().chain([&entry.name]).filter(|name| !name.is_empty());
    names.into_iter().any(|name| old.get(name) != new.get(name))
}

/// Where a resource is created; makes its physical id unique.
pub(crate) struct Birth<'a> {
    pub stack_name: &'a str,
    pub stack_id: &'a str,
    pub logical_id: &'a str,
    pub generation: u64,
}

/// The physical id of a new resource: deterministic, and unique unless the template names it.
pub(crate) fn physical_id(kind: &str, properties: &Value, birth: &Birth<'_>, place: &Place) -> String {
    let Birth { stack_name, stack_id, logical_id, generation } = birth;
    let digest = digest(&[stack_id, logical_id, &generation.to_string()]);
    let generated = || format!("{stack_name}-{logical_id}-{}", digest[..12].to_uppercase());
    let name = custom_name(kind, properties).map_or_else(generated, str::to_owned);
    match find(kind).map_or(Id::Name, |entry| entry.id) {
        Id::Name => name,
        // No bucket has a longer name; CloudFormation shortens the ones it makes.
        Id::LowerName
            if kind == BUCKET_TYPE && name.len() > 63 && custom_name(kind, properties).is_none() =>
        {
            format!("{}-{}", name[..50].to_lowercase(), &digest[..12])
        }
        Id::LowerName => name.to_lowercase(),
        Id::Prefixed(prefix) => format!("{prefix}-{}", &digest[..17]),
        Id::Arn(service, path) => arn(service, place, &format!("{path}{name}")),
        Id::ArnWithDigest(service, path) => arn(service, place, &format!("{path}{name}/{}", &digest[..16])),
        Id::QueueUrl => format!("https://sqs.{}.amazonaws.com/{}/{name}", place.region, place.account),
        Id::Address => address(&digest, 52),
        Id::Uuid => uuid(&digest),
        Id::HandleUrl => format!(
            "https://cloudformation-waitcondition-{}.s3.{}.amazonaws.com/{}/{}",
            place.region,
            place.region,
            stack_id.replace(':', "%3A").replace('/', "%2F"),
            uuid(&digest)
        ),
    }
}

/// The value of an attribute: what the type is known for, else deterministic text that names what it stands for.
pub(crate) fn attribute(resource: &Resource, attribute: &str, place: &Place) -> Value {
    let Resource { kind, physical_id: id, properties, .. } = resource;
    let text = match (kind.as_str(), attribute) {
        ("AWS::S3::Bucket", "Arn") => format!("arn:{}:s3:::{id}", partition(&place.region)),
        ("AWS::S3::Bucket", "DomainName") => format!("{id}.s3.amazonaws.com"),
        ("AWS::S3::Bucket", "RegionalDomainName" | "DualStackDomainName") => {
            format!("{id}.s3.{}.amazonaws.com", place.region)
        }
        ("AWS::S3::Bucket", "WebsiteURL") => format!("http://{id}.s3-website-{}.amazonaws.com", place.region),
        ("AWS::SQS::Queue", "Arn") => arn("sqs", place, last_part(id)),
        ("AWS::SQS::Queue", "QueueUrl") => id.clone(),
        (_, "QueueName" | "TopicName" | "Name" | "RepositoryName") => last_part(id).to_owned(),
        ("AWS::IAM::Role", "Arn") => arn("iam", place, &format!("role/{id}")),
        ("AWS::IAM::Role", "RoleId") => format!("AROA{}", digest(&[id])[..17].to_uppercase()),
        ("AWS::IAM::User", "Arn") => arn("iam", place, &format!("user/{id}")),
        ("AWS::IAM::InstanceProfile", "Arn") => arn("iam", place, &format!("instance-profile/{id}")),
        ("AWS::Lambda::Function", "Arn") => arn("lambda", place, &format!("function:{id}")),
        ("AWS::DynamoDB::Table", "Arn") => arn("dynamodb", place, &format!("table/{id}")),
        ("AWS::Logs::LogGroup", "Arn") => arn("logs", place, &format!("log-group:{id}:*")),
        ("AWS::ECS::Cluster", "Arn") => arn("ecs", place, &format!("cluster/{id}")),
        ("AWS::ECR::Repository", "Arn") => arn("ecr", place, &format!("repository/{id}")),
        ("AWS::ECR::Repository", "RepositoryUri") => {
            format!("{}.dkr.ecr.{}.amazonaws.com/{id}", place.account, place.region)
        }
        ("AWS::KMS::Key", "Arn") => arn("kms", place, &format!("key/{id}")),
        ("AWS::SSM::Parameter", "Value" | "Type") => {
            return properties.get(attribute).cloned().unwrap_or_default();
        }
        ("AWS::EC2::VPC" | "AWS::EC2::Subnet", "CidrBlock" | "VpcId")
            if properties.get(attribute).is_some() =>
        {
            return properties.get(attribute).cloned().unwrap_or_default();
        }
        ("AWS::EC2::VPC", "VpcId")
        | ("AWS::EC2::Subnet", "SubnetId")
        | (_, "GroupId" | "InternetGatewayId") => id.clone(),
        ("AWS::EC2::VPC", "DefaultSecurityGroup") => format!("sg-{}", &digest(&[id, attribute])[..17]),
        ("AWS::EC2::EIP", "AllocationId") => format!("eipalloc-{}", &digest(&[id])[..17]),
        ("AWS::EC2::EIP" | "AWS::EC2::Instance", "PublicIp") => {
            if kind == "AWS::EC2::EIP" {
                id.clone()
            } else {
                address(&digest(&[id, attribute]), 54)
            }
        }
        ("AWS::EC2::Instance", "PrivateIp") => address(&digest(&[id, attribute]), 10),
        (_, "DNSName") => {
            format!("{}-{}.{}.elb.amazonaws.com", last_name(id), &digest(&[id])[..9], place.region)
        }
        (_, "Endpoint.Address") => {
            format!("{id}.{}.{}.rds.amazonaws.com", &digest(&[id])[..12], place.region)
        }
        (_, "Endpoint.Port") => {
            let port = properties
                .get("Port")
                .map(|port| port.as_str().map_or_else(|| port.to_string(), str::to_owned));
            let by_engine = properties.get("Engine").and_then(Value::as_str).unwrap_or_default();
            port.unwrap_or_else(|| if by_engine.contains("postgres") { "5432" } else { "3306" }.to_owned())
        }
        (_, "Arn" | "TopicArn" | "LoadBalancerArn" | "TargetGroupArn") if id.starts_with("arn:") => {
            id.clone()
        }
        (kind, "Arn") => {
            let mut parts = kind.split("::").skip(1).map(str::to_lowercase);
            let (service, noun) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            arn(&service, place, &format!("{noun}/{id}"))
        }
        _ => format!("{id}.{attribute}"),
    };
    Value::String(text)
}

fn last_part(id: &str) -> &str {
    id.rsplit(['/', ':']).next().unwrap_or(id)
}

/// The name inside a load balancer's ARN.
fn last_name(id: &str) -> &str {
    id.rsplit('/').nth(1).unwrap_or(id)
}

fn arn(service: &str, place: &Place, rest: &str) -> String {
    let region = if service == "iam" { "" } else { place.region.as_str() };
    format!("arn:{}:{service}:{region}:{}:{rest}", partition(&place.region), place.account)
}

fn address(digest: &str, first: u8) -> String {
    let byte = |at: usize| u8::from_str_radix(&digest[at..at + 2], 16).unwrap_or_default();
    format!("{first}.{}.{}.{}", byte(0), byte(2), byte(4).max(1))
}

/// Hexadecimal SHA-256 of texts; what separates them cannot occur in a name.
pub(crate) fn digest(parts: &[&str]) -> String {
    let hash = Sha256::digest(parts.join("\n").as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A digest in the form of a UUID.
pub(crate) fn uuid(digest: &str) -> String {
    [&digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..32]].join("-")
}

#[cfg(test)]
mod tests {
    use runway_core::resources::{self, Replacement};

    use super::*;

    /// Where the simulator replaces and the prediction says that it depends: it does so on AWS, too, and the simulator
    /// does not look at what it depends on.
    const DEPENDS: [(&str, &str); 5] = [
        ("AWS::EC2::EIP", "Domain"),
        ("AWS::ECS::Service", "LaunchType"),
        ("AWS::RDS::DBCluster", "Engine"),
        ("AWS::RDS::DBCluster", "MasterUsername"),
        ("AWS::RDS::DBInstance", "Engine"),
    ];

    #[test]
    fn what_is_replaced_here_is_predicted() {
        let mut depends = Vec::new();
        for entry in TYPES {
            let names = entry.replaces.iter().chain([&entry.name]).filter(|name| !name.is_empty());
            for name in names {
                match resources::replacement(entry.kind, &[name]) {
                    Replacement::Will => {}
                    Replacement::May => depends.push((entry.kind, *name)),
                    Replacement::Never => panic!("{} {name} is updated in place on AWS", entry.kind),
                }
            }
        }
        depends.sort_unstable();
        assert_eq!(depends, DEPENDS);
    }

    /// An attribute that the prediction calls stable must not move here while the resource lives.
    #[test]
    fn attributes_that_follow_properties_are_not_called_stable() {
        let place = Place { account: "123456789012".into(), region: "us-east-1".into() };
        let following = [
            ("AWS::SSM::Parameter", "Value", "Value"),
            ("AWS::SSM::Parameter", "Type", "Type"),
            ("AWS::RDS::DBInstance", "Endpoint.Port", "Port"),
            ("AWS::RDS::DBCluster", "Endpoint.Port", "Port"),
        ];
        for (kind, attribute_name, property) in following {
            let with = |value: &str| {
                let resource = Resource {
                    kind: kind.to_owned(),
                    physical_id: "it".to_owned(),
                    properties: serde_json::json!({ property: value }),
                    metadata: Value::Null,
                    needs: Default::default(),
                    deletion: Default::default(),
                    replacement: Default::default(),
                    behaviour: Default::default(),
                };
                attribute(&resource, attribute_name, &place)
            };
            assert_ne!(with("1"), with("2"), "{kind} {attribute_name}");
            assert!(!resources::attribute_is_stable(kind, attribute_name), "{kind} {attribute_name}");
        }
    }
}
