//! `ecr.purge_repository`: deletes every image, so that the repository can be deleted.

use std::collections::BTreeSet;

use runway_core::registry::HandlerFailure;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Arguments, Run, failed};
use crate::service::{Call, Client, ECR};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    image_digest: Option<String>,
    image_tag: Option<String>,
}

/// What ECR would not delete.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    image_id: Option<Image>,
    #[serde(default)]
    failure_code: String,
    #[serde(default)]
    failure_reason: String,
}

/// Images that one request may delete.
const BATCH: usize = 100;

pub(super) async fn purge(run: &Run<'_>, mut arguments: Arguments<'_>) -> Result<Value, HandlerFailure> {
    let repository = arguments.required("repository_name")?;
    arguments.finish()?;
    let client = run.connection().client(&ECR, None);
    let Some(mut images) = list(&client, &repository).await? else {
        run.say(format!("repository `{repository}` does not exist: nothing to purge"));
        return Ok(json!({"status": "skipped"}));
    };
    if images.is_empty() {
        run.say(format!("repository `{repository}` has no images"));
        return Ok(json!({"status": "skipped"}));
    }
    let all = images.len();
    // An image that belongs to a list of images goes only after the list.
    loop {
        let kept = delete(&client, &repository, &images).await?;
        let Some(first) = kept.first() else { break };
        let later: BTreeSet<String> =
            kept.iter().filter_map(|kept| kept.image_id.as_ref()?.image_digest.clone()).collect();
        let is_wait = kept.iter().all(|kept| kept.failure_code == "ImageReferencedByManifestList");
        if !is_wait || later.len() >= images.len() {
            let image = first.image_id.as_ref();
            let image = image.and_then(|image| image.image_digest.as_ref().or(image.image_tag.as_ref()));
            return Err(failed(
                format!(
                    "{} images of repository `{repository}` cannot be deleted; the first is {}: {} {}",
                    kept.len(),
                    image.map_or("unknown", String::as_str),
                    first.failure_code,
                    first.failure_reason
                ),
                "what could be deleted is deleted; the command can be run again",
            ));
        }
        images = later;
    }
    run.say(format!("deleted {all} images of repository `{repository}`"));
    Ok(json!({"status": "success"}))
}

/// The digests of all images; `None` if there is no such repository.
async fn list(client: &Client<'_>, repository: &str) -> Result<Option<BTreeSet<String>>, HandlerFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        image_ids: Vec<Image>,
        next_token: Option<String>,
    }
    let mut digests = BTreeSet::new();
    let mut body = json!({"repositoryName": repository, "filter": {"tagStatus": "ANY"}});
    loop {
        let answer: Answer = match client.json(Call::read("ListImages"), repository, &body).await {
            Ok(answer) => answer,
            Err(refused) if refused.is(&["RepositoryNotFoundException"]) => return Ok(None),
            Err(refused) => return Err(refused.into()),
        };
        digests.extend(answer.image_ids.into_iter().filter_map(|image| image.image_digest));
        match answer.next_token {
            Some(token) => body["nextToken"] = Value::String(token),
            None => return Ok(Some(digests)),
        }
    }
}

async fn delete(
    client: &Client<'_>,
    repository: &str,
    digests: &BTreeSet<String>,
) -> Result<Vec<Kept>, HandlerFailure> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        failures: Vec<Kept>,
    }
    let mut kept = Vec::new();
    for batch in digests.iter().collect::<Vec<_>>().chunks(BATCH) {
        let ids: Vec<Value> = batch.iter().map(|digest| json!({"imageDigest": digest})).collect();
        let body = json!({"repositoryName": repository, "imageIds": ids});
        let answer: Answer = client.json(Call::change("BatchDeleteImage"), repository, &body).await?;
        kept.extend(answer.failures);
    }
    Ok(kept)
}
