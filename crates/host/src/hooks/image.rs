//! What the docker hooks know of registries and images.

use runway_core::provider::Provider;
use runway_core::registry::{HandlerFailure, HookCall};
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::wrong;

/// Key in `hook_data` that the docker hooks share.
pub(super) const HOOK_DATA: &str = "docker";

/// An image, as hooks and lookups see it under `hook_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    /// `sha256:` and its digest.
    pub(super) id: String,
    /// Its names, `repository:tag`.
    pub(super) names: Vec<String>,
}

impl Image {
    /// The repository of its first name.
    pub(super) fn repository(&self) -> Option<&str> {
        self.names.first().and_then(|name| name.rsplit_once(':')).map(|(repository, _)| repository)
    }

    /// The tags in its names.
    pub(super) fn tags(&self) -> Vec<&str> {
        self.names.iter().filter_map(|name| name.rsplit_once(':')).map(|(_, tag)| tag).collect()
    }

    /// `sha256:` and ten digits of the digest.
    pub(super) fn short_id(&self) -> String {
        self.id.chars().take("sha256:".len() + 10).collect()
    }

    /// Its form in `hook_data`.
    pub(super) fn to_value(&self) -> Value {
        let uri: Map<String, Value> = self
            .tags()
            .into_iter()
            .zip(&self.names)
            .map(|(tag, name)| (tag.to_owned(), json!(name)))
            .collect();
        json!({
            "id": self.id,
            "short_id": self.short_id(),
            "repo": self.repository(),
            "tags": self.tags(),
            "uri": uri,
        })
    }

    /// Reads the argument `image`: what `hook_data` has of an image.
    pub(super) fn read(arguments: &mut Arguments) -> Result<Option<Self>, HandlerFailure> {
        let Some(mut image) = arguments.map("image")? else { return Ok(None) };
        let names = image.text_map("uri")?.into_values().collect();
        let id = image.required_text("id")?;
        Ok(Some(Self { id, names }))
    }
}

/// The repository that `repo`, `image` or `ecr_repo` name, in this order (Runway).
pub(super) async fn repository(
    arguments: &mut Arguments,
    image: Option<&Image>,
    call: &HookCall,
    provider: &dyn Provider,
) -> Result<Option<String>, HandlerFailure> {
    let elastic = arguments.map("ecr_repo")?;
    let repo = arguments.text("repo")?.filter(|repo| !repo.is_empty());
    if let Some(repo) = repo.or_else(|| image.and_then(Image::repository).map(str::to_owned)) {
        return Ok(Some(repo));
    }
    let Some(mut elastic) = elastic else { return Ok(None) };
    let name = elastic.required_text("repo_name")?;
    let registry = registry(elastic, "registry_alias", call, provider).await?;
    Ok(Some(format!("{registry}/{name}")))
}

/// The address of an Elastic Container Registry: a public one if it has an alias.
pub(super) async fn registry(
    mut arguments: Arguments,
    alias: &str,
    call: &HookCall,
    provider: &dyn Provider,
) -> Result<String, HandlerFailure> {
    let account = arguments.text("account_id")?;
    let region = arguments.text("aws_region")?;
    let alias = arguments.text(alias)?;
    arguments.end()?;
    if let Some(alias) = alias {
        return Ok(format!("public.ecr.aws/{alias}"));
    }
    let account = match account {
        Some(account) => account,
        None => provider.place().await.map_err(HandlerFailure::from)?.account,
    };
    let variable = |name: &str| call.environment.get(name).cloned();
    let region = region
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .unwrap_or_else(|| provider.region().to_owned());
    Ok(format!("{account}.dkr.ecr.{region}.amazonaws.com"))
}

/// What is wrong if nothing names a repository.
pub(super) fn no_repository() -> HandlerFailure {
    wrong("no repository is named", "give the hook `repo`, `ecr_repo` or `image` in its `args`")
}
