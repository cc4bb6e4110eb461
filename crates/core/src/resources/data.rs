//! The types that hold data, and what becomes of it when a resource is deleted.
//!
//! A resource holds data if what users or programs put into it is gone with it and no template brings it back. An EC2
//! instance is not among them: what must outlive it belongs on a volume or a file system, and a new image would
//! otherwise look like a loss every time. The same goes for caches without persistence, topics and clusters of compute.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a type of resource holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// In a word or two: `database`, `bucket`, `file system`.
    pub holds: &'static str,
    /// Whether `DeletionPolicy` may be `Snapshot`.
    pub snapshots: bool,
}

/// What becomes of the data of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DataFate {
    /// What the resource holds, in a word or two.
    pub holds: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of data when the resource that holds it leaves the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Fate {
    /// It is deleted with the resource. (CloudFormation cannot delete a bucket or a repository that is not empty; the
    /// operation then fails, or the bucket stays behind. What the plan asks for is deletion all the same.)
    Lost,
    /// The resource stays, outside the stack.
    Retained,
    /// A snapshot is taken before the resource is deleted.
    Snapshot,
}

/// Types whose `DeletionPolicy` may be `Snapshot`
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html>).
const SNAPSHOTS: [&str; 8] = [
    "AWS::DocDB::DBCluster",
    "AWS::EC2::Volume",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::Neptune::DBCluster",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::Redshift::Cluster",
];

/// Every type that holds data, sorted, and what it holds.
pub(super) const HOLDERS: &[(&str, &str)] = &[
    ("AWS::ACMPCA::CertificateAuthority", "certificate authority"),
    ("AWS::APS::Workspace", "metrics workspace"),
    ("AWS::AmazonMQ::Broker", "message broker"),
    ("AWS::Backup::BackupVault", "backup vault"),
    ("AWS::Backup::LogicallyAirGappedBackupVault", "backup vault"),
    ("AWS::Cassandra::Keyspace", "keyspace"),
    ("AWS::Cassandra::Table", "table"),
    ("AWS::CloudFormation::Stack", "nested stack"),
    ("AWS::CloudTrail::EventDataStore", "event data store"),
    ("AWS::CodeArtifact::Domain", "package repository"),
    ("AWS::CodeArtifact::Repository", "package repository"),
    ("AWS::CodeCommit::Repository", "source repository"),
    ("AWS::Cognito::IdentityPool", "identity pool"),
    ("AWS::Cognito::UserPool", "user pool"),
    ("AWS::Cognito::UserPoolUser", "user account"),
    ("AWS::Connect::Instance", "contact center"),
    ("AWS::CustomerProfiles::Domain", "customer profiles"),
    ("AWS::DSQL::Cluster", "database"),
    ("AWS::DirectoryService::MicrosoftAD", "directory"),
    ("AWS::DirectoryService::SimpleAD", "directory"),
    ("AWS::DocDB::DBCluster", "database"),
    ("AWS::DocDBElastic::Cluster", "database"),
    ("AWS::DynamoDB::GlobalTable", "table"),
    ("AWS::DynamoDB::Table", "table"),
    ("AWS::EC2::Volume", "volume"),
    ("AWS::ECR::PublicRepository", "image repository"),
    ("AWS::ECR::Repository", "image repository"),
    ("AWS::EFS::FileSystem", "file system"),
    ("AWS::EKS::Cluster", "Kubernetes cluster"),
    ("AWS::ElastiCache::CacheCluster", "cache"),
    ("AWS::ElastiCache::ReplicationGroup", "cache"),
    ("AWS::ElastiCache::ServerlessCache", "cache"),
    ("AWS::Elasticsearch::Domain", "search domain"),
    ("AWS::FSx::FileSystem", "file system"),
    ("AWS::FSx::StorageVirtualMachine", "storage virtual machine"),
    ("AWS::FSx::Volume", "volume"),
    ("AWS::HealthImaging::Datastore", "data store"),
    ("AWS::HealthLake::FHIRDatastore", "data store"),
    ("AWS::IdentityStore::Group", "group of users"),
    ("AWS::IoTAnalytics::Channel", "data store"),
    ("AWS::IoTAnalytics::Datastore", "data store"),
    ("AWS::KMS::Key", "key"),
    ("AWS::KMS::ReplicaKey", "key"),
    ("AWS::Kendra::Index", "search index"),
    ("AWS::Kinesis::Stream", "stream"),
    ("AWS::KinesisVideo::Stream", "stream"),
    ("AWS::Lightsail::Bucket", "bucket"),
    ("AWS::Lightsail::Database", "database"),
    ("AWS::Lightsail::Disk", "volume"),
    ("AWS::Logs::LogGroup", "log group"),
    ("AWS::Logs::LogStream", "log stream"),
    ("AWS::MSK::Cluster", "message broker"),
    ("AWS::MSK::ServerlessCluster", "message broker"),
    ("AWS::MediaStore::Container", "media container"),
    ("AWS::MemoryDB::Cluster", "database"),
    ("AWS::Neptune::DBCluster", "database"),
    ("AWS::NeptuneGraph::Graph", "database"),
    ("AWS::ODB::CloudVmCluster", "database"),
    ("AWS::Omics::ReferenceStore", "data store"),
    ("AWS::Omics::SequenceStore", "data store"),
    ("AWS::Omics::VariantStore", "data store"),
    ("AWS::OpenSearchServerless::Collection", "search collection"),
    ("AWS::OpenSearchService::Domain", "search domain"),
    ("AWS::Personalize::Dataset", "data set"),
    ("AWS::QBusiness::Index", "search index"),
    ("AWS::QLDB::Ledger", "ledger"),
    ("AWS::RDS::DBCluster", "database"),
    ("AWS::RDS::DBInstance", "database"),
    ("AWS::Redshift::Cluster", "data warehouse"),
    ("AWS::RedshiftServerless::Namespace", "data warehouse"),
    ("AWS::Route53::HostedZone", "hosted zone"),
    ("AWS::S3::Bucket", "bucket"),
    ("AWS::S3Express::DirectoryBucket", "bucket"),
    ("AWS::S3Outposts::Bucket", "bucket"),
    ("AWS::S3Tables::Table", "table"),
    ("AWS::S3Tables::TableBucket", "bucket"),
    ("AWS::S3Vectors::Index", "search index"),
    ("AWS::S3Vectors::VectorBucket", "bucket"),
    ("AWS::SDB::Domain", "database"),
    ("AWS::SQS::Queue", "queue"),
    ("AWS::SageMaker::Domain", "file system"),
    ("AWS::SageMaker::FeatureGroup", "feature store"),
    ("AWS::SageMaker::NotebookInstance", "notebook"),
    ("AWS::SecretsManager::Secret", "secret"),
    ("AWS::Serverless::Application", "nested application"),
    ("AWS::Serverless::SimpleTable", "table"),
    ("AWS::Timestream::Database", "database"),
    ("AWS::Timestream::InfluxDBInstance", "database"),
    ("AWS::Timestream::Table", "table"),
    ("AWS::WorkSpaces::Workspace", "workspace"),
];

/// What resources of a type hold; `None` if nothing that is lost with them.
#[must_use]
pub fn data(resource_type: &str) -> Option<Data> {
    let index = HOLDERS.binary_search_by_key(&resource_type, |(known, _)| known).ok()?;
    let (_, holds) = HOLDERS.get(index)?;
    Some(Data { holds, snapshots: SNAPSHOTS.contains(&resource_type) })
}

/// What becomes of the data of a resource that leaves its stack, or whose stack is deleted.
///
/// `policy` is the `DeletionPolicy` of the template that is **deployed**, and `properties` are those it has there. A
/// policy that is not known (an expression) is passed as `None`, like none. `None` is returned if no data is at stake.
#[must_use]
pub fn fate_when_removed(resource_type: &str, policy: Option<&str>, properties: &Value) -> Option<DataFate> {
    let data = held(resource_type, properties)?;
    let policy = policy.unwrap_or_else(|| default_deletion_policy(resource_type));
    Some(fate(data, policy, data.snapshots))
}

/// What becomes of the data of a resource that is replaced.
///
/// `policy` is the `UpdateReplacePolicy` of the **new** template, without which the old resource is deleted; its
/// `DeletionPolicy` has no say. `properties` are those of the old resource.
#[must_use]
pub fn fate_when_replaced(resource_type: &str, policy: Option<&str>, properties: &Value) -> Option<DataFate> {
    let data = held(resource_type, properties)?;
    // The list of aws-attribute-updatereplacepolicy.html is that of deletions without DocumentDB: there `Snapshot` falls
    // back to `Delete`.
    let snapshots = data.snapshots && resource_type != "AWS::DocDB::DBCluster";
    Some(fate(data, policy.unwrap_or("Delete"), snapshots))
}

fn fate(data: Data, policy: &str, snapshots: bool) -> DataFate {
    let fate = match policy {
        "Retain" | "RetainExceptOnCreate" => Fate::Retained,
        "Snapshot" if snapshots => Fate::Snapshot,
        _ => Fate::Lost,
    };
    DataFate { holds: data.holds.to_owned(), fate }
}

/// What one resource holds, judged by its properties as well.
fn held(resource_type: &str, properties: &Value) -> Option<Data> {
    // What others have made may hold anything.
    let is_foreign = !resource_type.starts_with("AWS::") && !resource_type.starts_with("Custom::");
    let unknown = is_foreign.then_some(Data { holds: "unknown contents", snapshots: false });
    let data = data(resource_type).or(unknown)?;
    let given = |name: &str| properties.get(name).is_some_and(|value| !value.is_null());
    match resource_type {
        // The data of an instance of a cluster lives in the cluster.
        "AWS::RDS::DBInstance" if given("DBClusterIdentifier") => return None,
        // Memcached has neither persistence nor snapshots.
        "AWS::ElastiCache::CacheCluster" | "AWS::ElastiCache::ServerlessCache"
            if properties.get("Engine").and_then(Value::as_str) == Some("memcached") =>
        {
            return None;
        }
        _ => {}
    }
    Some(data)
}

/// What happens to a resource without `DeletionPolicy`; the exceptions are in the attribute's documentation.
fn default_deletion_policy(resource_type: &str) -> &'static str {
    match resource_type {
        // An instance of a cluster has no say here: it holds no data.
        "AWS::RDS::DBCluster" | "AWS::RDS::DBInstance" => "Snapshot",
        _ => "Delete",
    }
}
