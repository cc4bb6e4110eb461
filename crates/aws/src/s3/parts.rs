//! Some bytes of an object, many deletions in one request, and bodies in parts.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types as sdk;
use bytes::Bytes;
use runway_store::{
    Condition, ContentDigest, ObjectKey, Part, Put, PutOutcome, StoreError, StoreErrorKind, Upload,
};

use super::headers::{DateOfAnswer, checksum, metadata, tagging};
use super::{S3, etag, once, timestamp};
use crate::error::failure;

/// Deletions under way at once where a server takes one a request.
const DELETIONS: usize = 16;

impl S3 {
    pub(super) async fn read_range(
        &self,
        key: &ObjectKey,
        first: u64,
        length: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        let Some(last) = first.checked_add(length).and_then(|end| end.checked_sub(1)).filter(|_| length > 0)
        else {
            return Ok(Some(Bytes::new()));
        };
        let request = self
            .client
            .get_object()
            .bucket(self.bucket.as_str())
            .key(key.as_str())
            .set_request_payer(self.payer.clone())
            .range(format!("bytes={first}-{last}"));
        let answer = match request.send().await {
            Ok(answer) => answer,
            // Nothing is left behind the end of the object.
            Err(error) if error.code() == Some("InvalidRange") => return Ok(Some(Bytes::new())),
            Err(error) => return self.read_failed(&error, "read", key.as_str()),
        };
        let body = answer.body.collect().await.map_err(|error| {
            StoreError::new(StoreErrorKind::Unavailable, "read", &self.bucket, key, error.to_string())
        })?;
        Ok(Some(body.into_bytes()))
    }

    /// Deletes in one request. Servers that do not know it, or want a digest in it that SDKs no longer send, get a request
    /// for every key.
    pub(super) async fn delete_all(&self, keys: &[ObjectKey]) -> Result<Vec<StoreError>, StoreError> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        let invalid = |message: String| {
            StoreError::new(StoreErrorKind::Invalid, "delete", &self.bucket, first, message)
        };
        let mut delete = sdk::Delete::builder().quiet(true);
        for key in keys {
            let object = sdk::ObjectIdentifier::builder().key(key.as_str()).build();
            delete = delete.objects(object.map_err(|error| invalid(error.to_string()))?);
        }
        let delete = delete.build().map_err(|error| invalid(error.to_string()))?;
        let request = self.client.delete_objects().bucket(self.bucket.as_str()).delete(delete);
        match request.customize().config_override(once()).send().await {
            Ok(answer) => Ok(answer.errors().iter().map(|error| self.not_deleted(error)).collect()),
            Err(error) => {
                let found = failure(&error);
                match found.code.as_str() {
                    "MissingContentMD5" | "NotImplemented" | "MethodNotAllowed" => {
                        self.delete_singly(keys).await
                    }
                    _ => Err(self.error(found, "delete", first.as_str(), false)),
                }
            }
        }
    }

    fn not_deleted(&self, error: &sdk::Error) -> StoreError {
        let kind = match error.code().unwrap_or_default() {
            "AccessDenied" => StoreErrorKind::Denied,
            "SlowDown" => StoreErrorKind::Throttled,
            "InternalError" => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Invalid,
        };
        let words = [error.code(), error.message()].into_iter().flatten().collect::<Vec<_>>().join(": ");
        StoreError::new(kind, "delete", &self.bucket, &ObjectKey::new(error.key().unwrap_or_default()), words)
    }

    async fn delete_singly(&self, keys: &[ObjectKey]) -> Result<Vec<StoreError>, StoreError> {
        let mut failures = Vec::new();
        for some in keys.chunks(DELETIONS) {
            let mut running = tokio::task::JoinSet::new();
            for key in some {
                let request = self.client.delete_object().bucket(self.bucket.as_str()).key(key.as_str());
                let key = key.clone();
                running.spawn(async move { (key, request.customize().config_override(once()).send().await) });
            }
            while let Some(ended) = running.join_next().await {
                if let Ok((key, Err(error))) = ended {
                    failures.push(self.fail(&error, "delete", key.as_str(), false));
                }
            }
        }
        Ok(failures)
    }

    pub(super) async fn begin(&self, key: &ObjectKey, how: &Put) -> Result<Upload, StoreError> {
        self.refuse_many_tags(&how.tags, key)?;
        let request = self
            .client
            .create_multipart_upload()
            .bucket(self.bucket.as_str())
            .key(key.as_str())
            .set_content_type(how.content_type.clone())
            .set_cache_control(how.cache_control.clone())
            .set_metadata(metadata(&how.user))
            .checksum_algorithm(sdk::ChecksumAlgorithm::Sha256)
            .set_tagging(tagging(&how.tags));
        let request = self.headers.apply_to_parts(request);
        let date = DateOfAnswer::default();
        let sent = request.customize().config_override(once()).interceptor(date.clone()).send().await;
        let answer = sent.map_err(|error| self.fail(&error, "begin to write", key.as_str(), false))?;
        Ok(Upload {
            id: answer.upload_id().unwrap_or_default().to_owned(),
            key: key.clone(),
            started: date.get(),
        })
    }

    pub(super) async fn send_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        // The upload was begun with this algorithm: every part has such a digest.
        let sha256 = sha256.copied().unwrap_or_else(|| ContentDigest::of(&body));
        let request = self
            .client
            .upload_part()
            .bucket(self.bucket.as_str())
            .key(upload.key.as_str())
            .upload_id(&upload.id)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .checksum_sha256(checksum(&sha256))
            .body(body.into());
        let sent = request.customize().config_override(once()).send().await;
        let answer =
            sent.map_err(|error| self.fail(&error, "write a part of", upload.key.as_str(), false))?;
        Ok(Part { number, etag: etag(answer.e_tag()), sha256: Some(sha256) })
    }

    pub(super) async fn complete(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        let sent = parts.iter().map(|part| {
            sdk::CompletedPart::builder()
                .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
                .e_tag(format!("\"{}\"", part.etag))
                .set_checksum_sha256(part.sha256.as_ref().map(checksum))
                .build()
        });
        let together = sdk::CompletedMultipartUpload::builder().set_parts(Some(sent.collect())).build();
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(self.bucket.as_str())
            .key(upload.key.as_str())
            .upload_id(&upload.id)
            .multipart_upload(together);
        let request = match condition {
            Condition::None => request,
            Condition::IfAbsent => request.if_none_match("*"),
            Condition::IfMatch(tag) => request.if_match(format!("\"{tag}\"")),
        };
        let date = DateOfAnswer::default();
        let sent = request.customize().config_override(once()).interceptor(date.clone()).send().await;
        let answer = sent.map_err(|error| {
            let found = failure(&error);
            // Also a 404, but not because of a condition.
            let conditional = *condition != Condition::None && found.code != "NoSuchUpload";
            self.error(found, "put together", upload.key.as_str(), conditional)
        })?;
        Ok(PutOutcome {
            etag: etag(answer.e_tag()),
            version_id: answer.version_id().map(str::to_owned),
            date: date.get(),
        })
    }

    pub(super) async fn abort(&self, upload: &Upload) -> Result<(), StoreError> {
        let request = self
            .client
            .abort_multipart_upload()
            .bucket(self.bucket.as_str())
            .key(upload.key.as_str())
            .upload_id(&upload.id);
        match request.customize().config_override(once()).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let found = failure(&error);
                if found.status == Some(404) && found.code != "NoSuchBucket" {
                    return Ok(());
                }
                Err(self.error(found, "throw away the parts of", upload.key.as_str(), false))
            }
        }
    }

    /// Uploads that were begun and not ended. Not every server tells of them: those that do not clear up by themselves.
    pub(super) async fn pending(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        let request = self.client.list_multipart_uploads().bucket(self.bucket.as_str()).prefix(prefix);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let found = failure(&error);
                if matches!(found.code.as_str(), "NotImplemented" | "MethodNotAllowed") {
                    tracing::debug!("the store does not tell of unfinished uploads");
                    return Ok(Vec::new());
                }
                return Err(self.error(found, "list unfinished writes of", prefix, false));
            }
        };
        let found = answer.uploads().iter().filter_map(|upload| {
            let key = upload.key()?;
            // Not every server looks at the prefix.
            key.starts_with(prefix).then(|| Upload {
                id: upload.upload_id().unwrap_or_default().to_owned(),
                key: ObjectKey::new(key),
                started: timestamp(upload.initiated()),
            })
        });
        Ok(found.collect())
    }
}
