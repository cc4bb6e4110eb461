//! Listings.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::EncodingType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use percent_encoding::percent_decode_str;
use runway_store::{Metadata, ObjectKey, ObjectStore as _, Page, StoreError, UserMetadata};
use tokio::task::JoinSet;

use super::headers::DateOfAnswer;
use super::{S3, etag, timestamp};

/// Requests for single objects at once.
const LOOKS: usize = 16;

impl S3 {
    /// A page of a listing. Some servers list no entity tags: they are asked for every object.
    pub(super) async fn page(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        let date = DateOfAnswer::default();
        let request = self
            .client
            .list_objects_v2()
            .bucket(self.bucket.as_str())
            .prefix(prefix)
            .set_start_after(after.map(|key| key.as_str().to_owned()));
        let mut answer = request.clone().customize().interceptor(date.clone()).send().await;
        // XML cannot tell every key. The encoding is not asked for at once: there are servers that say they encode, and do not.
        if answer.as_ref().is_err_and(is_unreadable) {
            let encoded = request.encoding_type(EncodingType::Url);
            answer = encoded.customize().interceptor(date.clone()).send().await;
        }
        let answer = answer.map_err(|error| self.fail(&error, "list", prefix, false))?;
        let encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let listed = answer.contents().iter().filter_map(|object| {
            let metadata = Metadata {
                etag: etag(object.e_tag()),
                version_id: None,
                last_modified: timestamp(object.last_modified()),
                date: None,
                content_type: None,
                cache_control: None,
                user: UserMetadata::new(),
                length: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
            };
            let key = object.key()?;
            Some((ObjectKey::new(if encoded { decoded(key)? } else { key.to_owned() }), metadata))
        });
        let mut objects: Vec<_> = listed.collect();
        if answer.contents().iter().any(|object| object.e_tag().is_none()) {
            objects = self.looked_at(objects).await?;
        }
        Ok(Page { objects, more: answer.is_truncated().unwrap_or_default(), date: date.get() })
    }

    /// The same objects as each of them tells of itself, without those that are gone by now.
    async fn looked_at(
        &self,
        objects: Vec<(ObjectKey, Metadata)>,
    ) -> Result<Vec<(ObjectKey, Metadata)>, StoreError> {
        let mut found = Vec::with_capacity(objects.len());
        let mut waiting = objects.into_iter();
        let mut running: JoinSet<Result<Option<(ObjectKey, Metadata)>, StoreError>> = JoinSet::new();
        loop {
            for (key, _) in waiting.by_ref().take(LOOKS - running.len().min(LOOKS)) {
                let store = self.clone();
                running.spawn(async move { Ok(store.head(&key).await?.map(|metadata| (key, metadata))) });
            }
            match running.join_next().await {
                None => break,
                Some(Ok(looked)) => found.extend(looked?),
                Some(Err(error)) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }
}

/// A key out of a listing that is encoded as a form is; nothing if it is no text.
fn decoded(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

fn is_unreadable<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|raw| raw.status().is_success())
}
