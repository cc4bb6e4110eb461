//! S3 as an object store.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types as sdk;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use jiff::Timestamp;
use runway_core::provider::ErrorKind;
use runway_store::{
    BucketName, Condition, ContentDigest, ETag, Metadata, Object, ObjectKey, ObjectStore, Page, Part, Put,
    PutOutcome, Reread, Rules, StoreError, StoreErrorKind, Tags, Upload, UserMetadata,
};

use self::headers::{DateOfAnswer, checksum, metadata, tagging, user};
use crate::bucket_rules;
use crate::error::{Failure, failure};
use crate::object_headers::ObjectHeaders;

mod headers;
mod listing;
mod parts;

/// S3's limit of tags for one object.
const TAG_LIMIT: usize = 10;

/// One bucket.
#[derive(Clone)]
pub(crate) struct S3 {
    client: Client,
    bucket: BucketName,
    /// Who pays for reads, if not the owner of the bucket.
    headers: ObjectHeaders,
    payer: Option<sdk::RequestPayer>,
}

/// A changing request is sent once.
fn once() -> Builder {
    Builder::new().retry_config(RetryConfig::disabled())
}

fn timestamp(time: Option<&aws_smithy_types::DateTime>) -> Option<Timestamp> {
    let time = time?;
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}

fn etag(text: Option<&str>) -> ETag {
    ETag::new(text.unwrap_or_default())
}

impl S3 {
    pub(crate) fn new(client: Client, bucket: BucketName, headers: ObjectHeaders) -> Self {
        Self { client, bucket, headers, payer: None }
    }

    /// The caller pays for what it reads.
    pub(crate) fn paid_by_caller(self) -> Self {
        Self { payer: Some(sdk::RequestPayer::Requester), ..self }
    }

    fn error(&self, found: Failure, operation: &'static str, key: &str, conditional: bool) -> StoreError {
        let kind = match (found.code.as_str(), found.status) {
            ("NoSuchBucket", _) => StoreErrorKind::NoBucket,
            (
                "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException",
                _,
            )
            | (_, Some(301)) => StoreErrorKind::WrongRegion,
            ("PreconditionFailed", _) | (_, Some(412)) => StoreErrorKind::Precondition,
            (
                "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch",
                _,
            ) => StoreErrorKind::Integrity,
            ("ConditionalRequestConflict", _) | (_, Some(409)) => StoreErrorKind::Conflict,
            // A condition on a key that is absent.
            ("NoSuchKey" | "NotFound", _) | (_, Some(404)) if conditional => StoreErrorKind::Precondition,
            ("SlowDown", _) | (_, Some(503)) => StoreErrorKind::Throttled,
            // Asking again does not teach a server what it does not know.
            ("NotImplemented", _) | (_, Some(501)) => StoreErrorKind::Invalid,
            _ => match found.kind {
                ErrorKind::Denied => StoreErrorKind::Denied,
                ErrorKind::Credentials => StoreErrorKind::Credentials,
                ErrorKind::Throttled => StoreErrorKind::Throttled,
                ErrorKind::Unavailable => StoreErrorKind::Unavailable,
                _ => StoreErrorKind::Invalid,
            },
        };
        let remark = match found.code.as_str() {
            "AccessControlListNotSupported" => {
                " (the bucket does not take the header x-amz-acl that CFNgin's objects have: RUNWAY_RS_OBJECT_ACL=none leaves it out)"
            }
            "AccessDenied" if operation == "write" => {
                " (a bucket policy may refuse the headers x-amz-server-side-encryption or x-amz-acl: RUNWAY_RS_OBJECT_ENCRYPTION and RUNWAY_RS_OBJECT_ACL change them)"
            }
            _ => "",
        };
        let message = match (found.code.is_empty(), kind) {
            (_, StoreErrorKind::NoBucket) => "the bucket does not exist".to_owned(),
            (_, StoreErrorKind::WrongRegion) => match found.bucket_region {
                Some(region) => {
                    format!("the bucket is in another region: set `cfngin_bucket_region: {region}`")
                }
                None => "the bucket is in another region: set `cfngin_bucket_region`".to_owned(),
            },
            (true, _) => found.message,
            (false, _) => format!("{}: {}{remark}", found.code, found.message),
        };
        StoreError {
            kind,
            operation,
            bucket: self.bucket.clone(),
            key: key.to_owned(),
            message,
            request_id: found.request_id,
        }
    }

    fn fail<E>(
        &self,
        error: &SdkError<E, HttpResponse>,
        operation: &'static str,
        key: &str,
        conditional: bool,
    ) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.error(failure(error), operation, key, conditional)
    }

    /// A failed read: an absent key is no failure.
    fn read_failed<T, E>(
        &self,
        error: &SdkError<E, HttpResponse>,
        operation: &'static str,
        key: &str,
    ) -> Result<Option<T>, StoreError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let found = failure(error);
        let absent = matches!(found.code.as_str(), "NoSuchKey" | "NoSuchVersion" | "NotFound")
            || (found.code.is_empty() && found.status == Some(404));
        if absent { Ok(None) } else { Err(self.error(found, operation, key, false)) }
    }

    fn refuse_many_tags(&self, tags: &Tags, key: &ObjectKey) -> Result<(), StoreError> {
        if tags.len() <= TAG_LIMIT {
            return Ok(());
        }
        let message = format!("an object can have {TAG_LIMIT} tags, these are {}", tags.len());
        Err(StoreError::new(StoreErrorKind::Invalid, "tag", &self.bucket, key, message))
    }

    async fn read(&self, key: &ObjectKey, version: Option<&str>) -> Result<Option<Object>, StoreError> {
        match self.send_read(key, version, None).await? {
            Reread::Changed(object) => Ok(Some(object)),
            Reread::Absent | Reread::Unchanged => Ok(None),
        }
    }

    async fn send_read(
        &self,
        key: &ObjectKey,
        version: Option<&str>,
        known: Option<&ETag>,
    ) -> Result<Reread, StoreError> {
        let date = DateOfAnswer::default();
        let request = self
            .client
            .get_object()
            .bucket(self.bucket.as_str())
            .key(key.as_str())
            .set_request_payer(self.payer.clone())
            .set_if_none_match(known.map(|tag| format!("\"{tag}\"")))
            .set_version_id(version.map(str::to_owned));
        let answer = match request.customize().interceptor(date.clone()).send().await {
            Ok(answer) => answer,
            // S3's model has no name for this answer.
            Err(error) if known.is_some() && status(&error) == Some(304) => return Ok(Reread::Unchanged),
            Err(error) => {
                return self
                    .read_failed(&error, "read", key.as_str())
                    .map(|absent| absent.unwrap_or(Reread::Absent));
            }
        };
        let (tag, version_id) = (etag(answer.e_tag()), answer.version_id().map(str::to_owned));
        let (last_modified, content_type) =
            (timestamp(answer.last_modified()), answer.content_type().map(str::to_owned));
        let (cache_control, user) = (answer.cache_control().map(str::to_owned), user(answer.metadata()));
        let body = answer.body.collect().await.map_err(|error| {
            StoreError::new(StoreErrorKind::Unavailable, "read", &self.bucket, key, error.to_string())
        })?;
        let body = body.into_bytes();
        let length = body.len() as u64;
        let metadata = Metadata {
            etag: tag,
            version_id,
            last_modified,
            date: date.get(),
            content_type,
            cache_control,
            user,
            length,
        };
        Ok(Reread::Changed(Object { body, metadata }))
    }
}

#[async_trait]
impl ObjectStore for S3 {
    fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.read(key, None).await
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        self.send_read(key, None, Some(known)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        let date = DateOfAnswer::default();
        let request = self
            .client
            .head_object()
            .bucket(self.bucket.as_str())
            .key(key.as_str())
            .set_request_payer(self.payer.clone());
        match request.customize().interceptor(date.clone()).send().await {
            Ok(answer) => Ok(Some(Metadata {
                etag: etag(answer.e_tag()),
                version_id: answer.version_id().map(str::to_owned),
                last_modified: timestamp(answer.last_modified()),
                date: date.get(),
                content_type: answer.content_type().map(str::to_owned),
                cache_control: answer.cache_control().map(str::to_owned),
                user: user(answer.metadata()),
                length: answer
                    .content_length()
                    .and_then(|length| u64::try_from(length).ok())
                    .unwrap_or_default(),
            })),
            Err(error) => self.read_failed(&error, "look at", key.as_str()),
        }
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        self.refuse_many_tags(&how.tags, key)?;
        let mut request = self
            .client
            .put_object()
            .bucket(self.bucket.as_str())
            .key(key.as_str())
            .body(body.into())
            .set_content_type(how.content_type.clone())
            .set_cache_control(how.cache_control.clone())
            .set_metadata(metadata(&how.user))
            .set_checksum_sha256(how.sha256.as_ref().map(checksum))
            .set_tagging(tagging(&how.tags));
        request = self.headers.apply(request);
        request = match &how.condition {
            Condition::None => request,
            Condition::IfAbsent => request.if_none_match("*"),
            Condition::IfMatch(tag) => request.if_match(format!("\"{tag}\"")),
        };
        let date = DateOfAnswer::default();
        let sent = request.customize().config_override(once()).interceptor(date.clone()).send().await;
        let conditional = how.condition != Condition::None;
        let answer = sent.map_err(|error| self.fail(&error, "write", key.as_str(), conditional))?;
        Ok(PutOutcome {
            etag: etag(answer.e_tag()),
            version_id: answer.version_id().map(str::to_owned),
            date: date.get(),
        })
    }

    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        let request = self.client.delete_object().bucket(self.bucket.as_str()).key(key.as_str());
        let request = match condition {
            Condition::None => request,
            Condition::IfMatch(tag) => request.if_match(format!("\"{tag}\"")),
            Condition::IfAbsent => {
                let message = "a deletion cannot be bound to the absence of the key";
                return Err(StoreError::new(StoreErrorKind::Invalid, "delete", &self.bucket, key, message));
            }
        };
        let sent = request.customize().config_override(once()).send().await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => {
                let conditional = *condition != Condition::None;
                let found = failure(&error);
                if !conditional && found.status == Some(404) && found.code != "NoSuchBucket" {
                    return Ok(());
                }
                Err(self.error(found, "delete", key.as_str(), conditional))
            }
        }
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.page(prefix, after).await
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        let request = self.client.get_object_tagging().bucket(self.bucket.as_str()).key(key.as_str());
        match request.send().await {
            Ok(answer) => Ok(Some(
                answer.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect(),
            )),
            Err(error) => self.read_failed(&error, "read the tags of", key.as_str()),
        }
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.refuse_many_tags(tags, key)?;
        if tags.is_empty() {
            let request = self.client.delete_object_tagging().bucket(self.bucket.as_str()).key(key.as_str());
            let sent = request.customize().config_override(once()).send().await;
            return sent.map(drop).map_err(|error| self.fail(&error, "tag", key.as_str(), false));
        }
        let build = |error: aws_sdk_s3::error::BuildError| {
            StoreError::new(StoreErrorKind::Invalid, "tag", &self.bucket, key, error.to_string())
        };
        let mut set = sdk::Tagging::builder();
        for (name, value) in tags {
            set = set.tag_set(sdk::Tag::builder().key(name).value(value).build().map_err(build)?);
        }
        let request = self
            .client
            .put_object_tagging()
            .bucket(self.bucket.as_str())
            .key(key.as_str())
            .tagging(set.build().map_err(build)?);
        let sent = request.customize().config_override(once()).send().await;
        sent.map(drop).map_err(|error| self.fail(&error, "tag", key.as_str(), false))
    }

    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError> {
        self.read(key, Some(version_id)).await
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        let answer = self
            .client
            .list_object_versions()
            .bucket(self.bucket.as_str())
            .prefix(key.as_str())
            .send()
            .await
            .map_err(|error| self.fail(&error, "list the versions of", key.as_str(), false))?;
        Ok(answer
            .versions()
            .iter()
            .filter(|version| version.key() == Some(key.as_str()))
            // A bucket without versioning has one version, called "null".
            .filter(|version| version.version_id().is_some_and(|id| id != "null"))
            .map(|version| Metadata {
                etag: etag(version.e_tag()),
                version_id: version.version_id().map(str::to_owned),
                last_modified: timestamp(version.last_modified()),
                date: None,
                content_type: None,
                cache_control: None,
                user: UserMetadata::new(),
                length: version.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
            })
            .collect())
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        const WHAT: &str = "read the rules of";
        let bucket = self.bucket.as_str();
        let versioning = self.client.get_bucket_versioning().bucket(bucket).send().await;
        let versioning = versioning.map_err(|error| self.fail(&error, WHAT, "", false))?;
        let asked = self.client.get_bucket_lifecycle_configuration().bucket(bucket).send().await;
        let expirations = match asked {
            Ok(answer) => answer.rules().iter().filter_map(bucket_rules::expiration).collect(),
            Err(error) => match failure(&error) {
                found if found.code == "NoSuchLifecycleConfiguration" => Vec::new(),
                found => return Err(self.error(found, WHAT, "", false)),
            },
        };
        // A bucket whose versioning was suspended still has the versions of before.
        Ok(Rules { keeps_versions: versioning.status().is_some(), expirations })
    }

    async fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, StoreError> {
        self.read_range(key, first, length).await
    }

    async fn delete_many(&self, keys: &[ObjectKey]) -> Result<Vec<StoreError>, StoreError> {
        self.delete_all(keys).await
    }

    async fn begin_upload(&self, key: &ObjectKey, how: &Put) -> Result<Upload, StoreError> {
        self.begin(key, how).await
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        self.send_part(upload, number, body, sha256).await
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        self.complete(upload, parts, condition).await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.abort(upload).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.pending(prefix).await
    }
}
