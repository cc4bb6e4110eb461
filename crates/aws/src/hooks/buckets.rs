//! `cleanup_s3.purge_bucket`: empties a bucket, so that it can be deleted.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use runway_core::provider::ErrorKind;
use runway_core::registry::HandlerFailure;
use serde_json::Value;

use super::{Arguments, Run, failed};
use crate::error;

/// Objects that one request may delete.
const BATCH: usize = 1000;

/// Deletes every version and every delete marker. A bucket that does not exist is fine.
pub(super) async fn purge(run: &Run<'_>, mut arguments: Arguments<'_>) -> Result<Value, HandlerFailure> {
    let bucket = arguments.required("bucket_name")?;
    arguments.finish()?;
    let Some(region) = region(run, &bucket).await? else {
        run.say(format!("bucket `{bucket}` does not exist: nothing to purge"));
        return Ok(Value::Bool(true));
    };
    let client = run.provider.s3_client(region.as_deref());
    let mut deleted = 0;
    // What a page held is deleted before the next look, so that every page is the first.
    loop {
        let listed = client.list_object_versions().bucket(&bucket).send().await;
        let page = listed.map_err(|error| error::provider(error, "ListObjectVersions", &bucket))?;
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let doomed = versions.chain(markers).filter_map(|(key, version)| {
            ObjectIdentifier::builder().key(key?).set_version_id(version.map(str::to_owned)).build().ok()
        });
        let doomed: Vec<ObjectIdentifier> = doomed.collect();
        for batch in doomed.chunks(BATCH) {
            delete(&client, &bucket, batch).await?;
            deleted += batch.len();
        }
        if doomed.is_empty() || !page.is_truncated().unwrap_or_default() {
            break;
        }
    }
    run.say(format!("deleted {deleted} object versions of bucket `{bucket}`"));
    Ok(Value::Bool(true))
}

/// The region of a bucket, `Some(None)` if it is the provider's own or not told; `None` if there is no such bucket.
async fn region(run: &Run<'_>, bucket: &str) -> Result<Option<Option<String>>, HandlerFailure> {
    match run.provider.s3_client(None).head_bucket().bucket(bucket).send().await {
        Ok(answer) => Ok(Some(answer.bucket_region().map(str::to_owned))),
        Err(error) => {
            let failure = error::failure(&error);
            match failure.bucket_region {
                _ if failure.kind == ErrorKind::NotFound || failure.status == Some(404) => Ok(None),
                Some(region) if matches!(failure.status, Some(301 | 307 | 400)) => Ok(Some(Some(region))),
                _ => Err(error::provider(error, "HeadBucket", bucket).into()),
            }
        }
    }
}

async fn delete(
    client: &aws_sdk_s3::Client,
    bucket: &str,
    batch: &[ObjectIdentifier],
) -> Result<(), HandlerFailure> {
    let refuse =
        || failed(format!("nothing could be deleted from bucket `{bucket}`"), "run the command again");
    let doomed =
        Delete::builder().set_objects(Some(batch.to_vec())).quiet(true).build().map_err(|_| refuse())?;
    let answer = client
        .delete_objects()
        .bucket(bucket)
        .delete(doomed)
        .send()
        .await
        .map_err(|error| error::provider(error, "DeleteObjects", bucket))?;
    let Some(first) = answer.errors().first() else { return Ok(()) };
    Err(failed(
        format!(
            "{} objects of bucket `{bucket}` cannot be deleted; the first is `{}`: {} {}",
            answer.errors().len(),
            first.key().unwrap_or_default(),
            first.code().unwrap_or_default(),
            first.message().unwrap_or_default()
        ),
        "look for object locks and for policies that deny deletion; what could be deleted is deleted",
    ))
}
