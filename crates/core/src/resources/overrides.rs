//! Where AWS's property documentation ("Update requires") differs from the schemas, and types that have none.
//!
//! Each entry names its reason. Documentation pages are those of the CloudFormation Template Reference Guide,
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/>, by the type's name.

use super::Replacement;
use super::types::relation;

/// One property, or a whole type if the path is empty, that is decided here.
struct Override {
    resource_type: &'static str,
    path: &'static str,
    replacement: Replacement,
}

const fn decide(resource_type: &'static str, path: &'static str, replacement: Replacement) -> Override {
    Override { resource_type, path, replacement }
}

use Replacement::{May, Never, Will};

/// Sorted by type for the reader; looked through in order, the first entry that fits decides.
const OVERRIDES: &[Override] = &[
    // A custom resource decides itself: its handler may answer an update with another physical id.
    decide("AWS::CloudFormation::CustomResource", "", May),
    // Nested stacks are updated in place; what happens inside them is not visible here.
    decide("AWS::CloudFormation::Stack", "", Never),
    // aws-resource-dynamodb-globaltable.html and aws-resource-dynamodb-table.html: "Replacement". The schemas call the
    // keys conditional; DynamoDB has no operation that changes the keys of a table.
    decide("AWS::DynamoDB::GlobalTable", "KeySchema", Will),
    decide("AWS::DynamoDB::Table", "KeySchema", Will),
    // aws-resource-dynamodb-table.html said "Replacement" and says "No interruption", as the schema does; but DynamoDB
    // has no operation that adds a local index to a table.
    decide("AWS::DynamoDB::Table", "LocalSecondaryIndexes", May),
    // aws-resource-ec2-eip.html: "Replacement"; the schema has forgotten it.
    decide("AWS::EC2::EIP", "Domain", May),
    // aws-resource-elasticache-cachecluster.html: in place, unless zones were and are not given: then "an update requires
    // replacement".
    decide("AWS::ElastiCache::CacheCluster", "AZMode", May),
    decide("AWS::ElastiCache::CacheCluster", "NumCacheNodes", May),
    decide("AWS::ElastiCache::CacheCluster", "PreferredAvailabilityZone", May),
    // aws-resource-elasticsearch-domain.html: in place for recent versions only.
    decide("AWS::Elasticsearch::Domain", "AdvancedSecurityOptions", May),
    decide("AWS::Elasticsearch::Domain", "EncryptionAtRestOptions", May),
    decide("AWS::Elasticsearch::Domain", "NodeToNodeEncryptionOptions", May),
    // aws-resource-kms-key.html: a change of KeySpec, KeyUsage, Origin or MultiRegion fails, whatever the policies say;
    // everything else is updated in place.
    decide("AWS::KMS::Key", "", Never),
    // aws-resource-route53-recordset.html: "Replacement"; the schema has it in the identifier only.
    decide("AWS::Route53::RecordSet", "Name", Will),
];

/// A key of `UpdatePolicy` that decides whether a change replaces a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    resource_type: &'static str,
    property: &'static str,
    /// Where it stands in the `UpdatePolicy`, from the outside in.
    pub key: &'static [&'static str],
    /// What happens if it is true.
    pub on: Replacement,
    /// What happens if it is false or not there.
    pub off: Replacement,
}

const fn replacing(property: &'static str) -> Switch {
    let resource_type = "AWS::AutoScaling::AutoScalingGroup";
    Switch {
        resource_type,
        property,
        key: &["AutoScalingReplacingUpdate", "WillReplace"],
        on: Will,
        off: Never,
    }
}

const fn sparing(
    resource_type: &'static str,
    property: &'static str,
    key: &'static [&'static str],
) -> Switch {
    Switch { resource_type, property, key, on: Never, off: Will }
}

/// The switches: aws-attribute-updatepolicy.html, and the pages of the types ("When ... is set to false, or is not
/// specified, updating ... results in replacement").
const SWITCHES: [Switch; 8] = [
    replacing("LaunchConfigurationName"),
    replacing("LaunchTemplate"),
    replacing("MixedInstancesPolicy"),
    replacing("VPCZoneIdentifier"),
    sparing("AWS::ElastiCache::ReplicationGroup", "NodeGroupConfiguration", &["UseOnlineResharding"]),
    sparing("AWS::ElastiCache::ReplicationGroup", "NumNodeGroups", &["UseOnlineResharding"]),
    sparing("AWS::Elasticsearch::Domain", "ElasticsearchVersion", &["EnableVersionUpgrade"]),
    sparing("AWS::OpenSearchService::Domain", "EngineVersion", &["EnableVersionUpgrade"]),
];

/// The key of `UpdatePolicy` that decides what a change of a property does, if one does.
#[must_use]
pub fn switch(resource_type: &str, path: &[impl AsRef<str>]) -> Option<&'static Switch> {
    let property = path.first()?.as_ref();
    SWITCHES.iter().find(|switch| switch.resource_type == resource_type && switch.property == property)
}

/// Types of AWS SAM and the main resource that each becomes.
const SERVERLESS: [(&str, &str); 8] = [
    ("AWS::Serverless::Api", "AWS::ApiGateway::RestApi"),
    ("AWS::Serverless::Application", "AWS::CloudFormation::Stack"),
    ("AWS::Serverless::Function", "AWS::Lambda::Function"),
    ("AWS::Serverless::GraphQLApi", "AWS::AppSync::GraphQLApi"),
    ("AWS::Serverless::HttpApi", "AWS::ApiGatewayV2::Api"),
    ("AWS::Serverless::LayerVersion", "AWS::Lambda::LayerVersion"),
    ("AWS::Serverless::SimpleTable", "AWS::DynamoDB::Table"),
    ("AWS::Serverless::StateMachine", "AWS::StepFunctions::StateMachine"),
];

/// What is decided here about a change, if anything.
pub(super) fn replacement(resource_type: &str, path: &[&str]) -> Option<Replacement> {
    if switch(resource_type, path).is_some() {
        return Some(May);
    }
    let fits = |entry: &&Override| {
        entry.resource_type == resource_type
            && (entry.path.is_empty() || relation(entry.path, path).is_some())
    };
    OVERRIDES.iter().find(fits).map(|entry| entry.replacement)
}

/// The type that a type of SAM becomes.
pub(super) fn serverless(resource_type: &str) -> Option<&'static str> {
    let found = SERVERLESS.iter().find(|(known, _)| *known == resource_type);
    found.map(|(_, base)| *base)
}
