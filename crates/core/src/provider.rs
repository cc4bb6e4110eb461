//! What the engine asks of a cloud: one method is one API call. Waiting, ordering and repeating are the engine's.

mod announced;
mod change_set;
mod status;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use runway_store::{BucketName, ObjectKey, ObjectStore, StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};

pub use announced::{
    AnnouncedAction, AnnouncedChange, AnnouncedDetail, AnnouncedReplacement, ChangePage, ChangeSetPage,
    ImportPage, ListedChangeSet,
};
pub use change_set::{
    ChangeSet, ChangeSetIds, ChangeSetKind, ChangeSetRef, ChangeSetRequest, ChangeSetStatus,
};
pub use status::StackStatus;

use crate::exit::ExitCode;
use crate::ident::{StackFqn, StackId};

/// What a caller may decide on when a provider call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The named thing does not exist.
    NotFound,
    /// It exists already (CreateStack of an existing name).
    AlreadyExists,
    /// CloudFormation refuses the request itself (`ValidationError`).
    Validation,
    /// Termination protection is on.
    Protected,
    /// The caller may not do this.
    Denied,
    /// No credentials found, or refused as expired or invalid.
    Credentials,
    /// It is not known in which region.
    NoRegion,
    /// Something that a config, a variable or a file of the user says is wrong.
    Misconfigured,
    /// Asked to slow down.
    Throttled,
    /// No answer, or one that could not be understood; a mutating call may have taken effect.
    Unavailable,
    /// The provider does not offer this operation.
    Unsupported,
    /// The embedded provider may not or cannot use its directory.
    LocalAccess,
    /// What is in the embedded provider's directory cannot be understood.
    LocalState,
}

/// A failed provider call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} of {target} failed: {message}{}", request_words(self.request_id.as_deref()))]
pub struct ProviderError {
    /// What a caller may decide on.
    pub kind: ErrorKind,
    /// The API operation, for example `CreateStack`.
    pub operation: &'static str,
    /// What it was applied to, for example a stack name; `-` if nothing in particular.
    pub target: String,
    /// The provider's error code and words.
    pub message: String,
    /// The provider's request id, if there was an answer.
    pub request_id: Option<String>,
}

fn request_words(request: Option<&str>) -> String {
    request.map(|id| format!(" (request {id})")).unwrap_or_default()
}

impl ProviderError {
    /// Builds an error.
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        target: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, operation, target: target.into(), message: message.into(), request_id: None }
    }
}

impl ErrorKind {
    /// What a user can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Credentials => {
                "check AWS_PROFILE or the AWS_ACCESS_KEY_ID variables; `aws sts get-caller-identity` shows who you are, `aws sso login` renews a session"
            }
            Self::NoRegion => "set --region, AWS_REGION, or `region` in the profile that AWS_PROFILE names",
            Self::Misconfigured => "nothing was changed; correct what the message names",
            Self::Denied => {
                "the credentials are valid but lack a permission that this call needs; with --provider local, its directory must be writable"
            }
            Self::Throttled => "the service asks to slow down; try again, or lower --concurrency",
            Self::Unavailable => {
                "check the network, proxy and AWS_ENDPOINT_URL (with --provider local, its directory); nothing is lost, the command can be run again"
            }
            Self::LocalAccess => {
                "give --provider local:DIR a directory that can be read and written and whose disk has room; nothing was changed, the command can be run again"
            }
            Self::LocalState => {
                "nothing was overwritten: restore the file, or name another directory with --provider local:DIR; docs/embedded-provider.md says what the files are"
            }
            Self::Unsupported => {
                "use a provider that can do this, or leave it out of a rehearsal with `enabled: false`; nothing was changed"
            }
            Self::NotFound | Self::AlreadyExists | Self::Validation | Self::Protected => {
                "nothing is lost; the command can be run again once this is mended"
            }
        }
    }

    /// The exit code of a command that a call of this kind ends.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Denied | Self::Credentials | Self::NoRegion | Self::LocalAccess => ExitCode::Denied,
            Self::Misconfigured | Self::Unsupported => ExitCode::Config,
            Self::Throttled | Self::Unavailable | Self::LocalState => ExitCode::Unavailable,
            Self::NotFound | Self::AlreadyExists | Self::Validation | Self::Protected => ExitCode::Unexpected,
        }
    }
}

impl ErrorKind {
    /// The exit code of a command that a lookup ends whose call failed like this: only what has nothing to do with the
    /// lookup itself has a code of its own.
    pub fn exit_code_of_lookup(self) -> ExitCode {
        match self.exit_code() {
            ExitCode::Unexpected => ExitCode::Lookup,
            exit => exit,
        }
    }
}

impl From<StoreErrorKind> for ErrorKind {
    fn from(kind: StoreErrorKind) -> Self {
        match kind {
            StoreErrorKind::NoBucket => Self::NotFound,
            StoreErrorKind::Precondition | StoreErrorKind::Conflict => Self::AlreadyExists,
            StoreErrorKind::Denied => Self::Denied,
            StoreErrorKind::Credentials => Self::Credentials,
            StoreErrorKind::WrongRegion => Self::Misconfigured,
            StoreErrorKind::Throttled => Self::Throttled,
            StoreErrorKind::Unavailable => Self::Unavailable,
            StoreErrorKind::Invalid | StoreErrorKind::Integrity => Self::Validation,
        }
    }
}

impl From<StoreError> for ProviderError {
    fn from(error: StoreError) -> Self {
        Self {
            kind: error.kind.into(),
            operation: error.operation,
            target: format!("s3://{}/{}", error.bucket, error.key),
            message: error.message,
            request_id: error.request_id,
        }
    }
}

/// A stack as DescribeStacks shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackState {
    /// Its name.
    pub fqn: StackFqn,
    /// Its id.
    pub id: StackId,
    /// Its status.
    pub status: StackStatus,
    /// CloudFormation's reason for the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// Parameter values as shown: `****` for NoEcho.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Output values by name.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    /// Export names by output name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exports: BTreeMap<String, String>,
    /// Stack tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether termination protection is on.
    #[serde(default)]
    pub termination_protection: bool,
    /// Whether the answer left termination protection out: CloudFormation tells it only of a stack that is asked for by
    /// name. It then counts as off.
    #[serde(default)]
    pub protection_unknown: bool,
    /// The service role of the last operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it was last updated; `None` if never (or, on some emulators, always).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
}

/// A name or an id: CloudFormation takes either. An id never hits another incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackRef {
    /// By name: the live stack of that name.
    Name(StackFqn),
    /// By id: exactly this incarnation.
    Id(StackId),
}

impl StackRef {
    /// The text CloudFormation takes as `StackName`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Id(id) => id.as_str(),
        }
    }
}

impl fmt::Display for StackRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One page of an unnamed DescribeStacks.
#[derive(Debug, Clone, Default)]
pub struct StackPage {
    /// The stacks of this page, deleted ones left out.
    pub stacks: Vec<StackState>,
    /// Token of the next page, if there is one.
    pub next: Option<String>,
}

/// Where the template of a create or update comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateLocation {
    /// In the request (at most 51,200 bytes).
    Body(String),
    /// In a bucket (at most 1,000,000 bytes).
    Object {
        /// The bucket.
        bucket: BucketName,
        /// The key.
        key: ObjectKey,
        /// Region of the bucket, if it is not the provider's.
        region: Option<String>,
    },
    /// The one the stack has (`UsePreviousTemplate`); not for a stack that is created.
    Previous,
}

/// A parameter as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// This value.
    Value(String),
    /// `UsePreviousValue`.
    Previous,
}

/// Arguments of CreateStack and UpdateStack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackRequest {
    /// Name (create) or, better, id (update).
    pub stack: StackRef,
    /// The template.
    pub template: TemplateLocation,
    /// Parameters in the order they are sent.
    pub parameters: Vec<(String, ParameterValue)>,
    /// All tags of the stack.
    pub tags: BTreeMap<String, String>,
    /// `RoleARN`.
    pub role_arn: Option<String>,
    /// Text of the stack policy.
    pub stack_policy: Option<String>,
    /// Capabilities, for example `CAPABILITY_NAMED_IAM`.
    pub capabilities: Vec<String>,
    /// Create only: whether termination protection starts on.
    pub termination_protection: bool,
    /// Create only: `TimeoutInMinutes`.
    pub timeout_minutes: Option<u32>,
    /// `ClientRequestToken`: letters, digits and dashes, at most 128.
    pub token: String,
}

/// Answer to UpdateStack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The update has begun.
    Started,
    /// "No updates are to be performed."
    NothingToUpdate,
}

/// One event of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackEvent {
    /// Unique id.
    pub id: String,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// Logical id of the resource; the stack's own events carry the stack's name.
    pub logical_id: String,
    /// Physical id, if there is one yet.
    pub physical_id: Option<String>,
    /// Resource type, `AWS::CloudFormation::Stack` for the stack's own events.
    pub resource_type: String,
    /// Status, for example `CREATE_FAILED`.
    pub status: String,
    /// CloudFormation's reason.
    pub reason: Option<String>,
    /// Token of the operation it belongs to.
    pub token: Option<String>,
}

/// One page of events, newest first.
#[derive(Debug, Clone, Default)]
pub struct EventPage {
    /// The events.
    pub events: Vec<StackEvent>,
    /// Token of the next (older) page.
    pub next: Option<String>,
}

/// CloudFormation in one account and region.
#[async_trait]
pub trait CloudFormation: Send + Sync {
    /// DescribeStacks without a name: every stack that is not deleted, a page at a time.
    async fn describe_stacks(&self, page: Option<&str>) -> Result<StackPage, ProviderError>;
    /// DescribeStacks of one stack; `None` if it does not exist. By id it also finds deleted stacks.
    async fn describe_stack(&self, stack: &StackRef) -> Result<Option<StackState>, ProviderError>;
    /// GetTemplate (stage `Original`): the text as submitted; `None` if the stack does not exist or has no template.
    async fn get_template(&self, stack: &StackRef) -> Result<Option<String>, ProviderError>;
    /// GetStackPolicy; `None` if there is no policy.
    async fn get_stack_policy(&self, stack: &StackRef) -> Result<Option<String>, ProviderError>;
    /// SetStackPolicy.
    async fn set_stack_policy(&self, stack: &StackRef, policy: &str) -> Result<(), ProviderError>;
    /// UpdateTerminationProtection.
    async fn set_termination_protection(&self, stack: &StackRef, enabled: bool) -> Result<(), ProviderError>;
    /// CreateStack; returns the new stack's id. Idempotent by token where the provider is.
    async fn create_stack(&self, request: &StackRequest) -> Result<StackId, ProviderError>;
    /// UpdateStack.
    async fn update_stack(&self, request: &StackRequest) -> Result<UpdateOutcome, ProviderError>;
    /// CreateChangeSet. A set of kind [`ChangeSetKind::Create`] also makes the stack, empty and in review.
    async fn create_change_set(&self, request: &ChangeSetRequest) -> Result<ChangeSetIds, ProviderError>;
    /// DescribeChangeSet, without the changes; `None` if there is no such set.
    async fn describe_change_set(&self, set: &ChangeSetRef) -> Result<Option<ChangeSet>, ProviderError>;
    /// DescribeChangeSet with the changes and their values, a page at a time. Of a set that is not worked out there are
    /// none.
    async fn change_set_changes(
        &self,
        set: &ChangeSetRef,
        page: Option<&str>,
    ) -> Result<ChangePage, ProviderError>;
    /// ListChangeSets, a page at a time. An emulator may list the sets of other stacks, too.
    async fn list_change_sets(
        &self,
        stack: &StackRef,
        page: Option<&str>,
    ) -> Result<ChangeSetPage, ProviderError>;
    /// ExecuteChangeSet.
    async fn execute_change_set(&self, set: &ChangeSetRef, token: &str) -> Result<(), ProviderError>;
    /// DeleteChangeSet. Deleting what does not exist succeeds; the stack of a set that was to create it stays.
    async fn delete_change_set(&self, set: &ChangeSetRef) -> Result<(), ProviderError>;
    /// DeleteStack. Deleting what does not exist succeeds.
    async fn delete_stack(
        &self,
        stack: &StackRef,
        role_arn: Option<&str>,
        token: &str,
    ) -> Result<(), ProviderError>;
    /// DescribeStackEvents, newest first, a page at a time.
    async fn stack_events(&self, stack: &StackRef, page: Option<&str>) -> Result<EventPage, ProviderError>;
    /// ListImports: the stacks that import a value of this name, a page at a time; none if nobody does.
    async fn list_imports(&self, export: &str, page: Option<&str>) -> Result<ImportPage, ProviderError>;
}

/// Who and where a provider is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Account id, 12 digits.
    pub account: String,
    /// Region.
    pub region: String,
}

/// A cloud (or a simulated one), connected to one account and region.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Which cloud this is: what is learned of one is never used for another. `aws`, with the endpoint if that is not AWS's
    /// own, or `local:` and where it is kept.
    fn identity(&self) -> String;
    /// The region, without a request.
    fn region(&self) -> &str;
    /// Account and region of the caller (AWS: sts GetCallerIdentity). Asked at most once per provider.
    async fn place(&self) -> Result<Place, ProviderError>;
    /// CloudFormation.
    fn cloudformation(&self) -> Arc<dyn CloudFormation>;
    /// A bucket, in `region` or in the provider's own. Makes no request.
    fn object_store(&self, bucket: &BucketName, region: Option<&str>) -> Arc<dyn ObjectStore>;
    /// The same, for reading from a bucket whose owner lets the callers pay for their requests.
    fn paid_object_store(&self, bucket: &BucketName, region: Option<&str>) -> Arc<dyn ObjectStore> {
        self.object_store(bucket, region)
    }
    /// Whether its object stores are known to keep the conditions of conditional writes, on which the lock depends.
    /// Otherwise one request tries it out before a lock is taken.
    fn keeps_conditions(&self) -> bool;
    /// The same account in a region; the provider's own is this provider. Makes no request.
    fn in_region(&self, region: &str) -> Arc<dyn Provider>;
}
