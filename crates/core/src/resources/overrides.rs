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

use Replacement::{May, Never};

/// Sorted by type for the reader; looked through in order, the first entry that fits decides.
const OVERRIDES: &[Override] = &[
    // A custom resource decides itself: its handler may answer an update with another physical id.
    decide("AWS::CloudFormation::CustomResource", "", May),
    // Nested stacks are updated in place; what happens inside them is not visible here.
    decide("AWS::CloudFormation::Stack", "", Never),
    // aws-resource-kms-key.html: a change of KeySpec, KeyUsage, Origin or MultiRegion fails, whatever the policies say;
    // everything else is updated in place.
    decide("AWS::KMS::Key", "", Never),
];

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
