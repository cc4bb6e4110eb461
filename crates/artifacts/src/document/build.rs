use serde::Serialize;

use super::About;
use crate::names::ManifestId;

/// What became of one build: `assets resume`, `assets pin` and `assets unpin` with `--format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AssetsBuildDocument {
    /// Version of this form: 1.
    pub version: u32,
    /// The app.
    pub app: String,
    /// The bucket.
    pub bucket: String,
    /// What became of it.
    pub status: BuildStatus,
    /// Its manifest; nothing if no build was broken off.
    pub manifest: Option<u64>,
}

/// What became of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BuildStatus {
    /// Its change to live was broken off, and is finished.
    Resumed,
    /// No change was broken off.
    NothingToResume,
    /// It stays whatever its age.
    Pinned,
    /// It ages.
    Unpinned,
    /// It was not held.
    NothingToUnpin,
}

impl AssetsBuildDocument {
    /// The document of what became of a build.
    pub fn of(about: &About, status: BuildStatus, manifest: Option<ManifestId>) -> Self {
        let (app, bucket) = (about.app.clone(), about.bucket.clone());
        Self { version: 1, app, bucket, status, manifest: manifest.map(|id| id.0) }
    }

    fn words(&self) -> String {
        let build = self.manifest.map(|manifest| format!("build {manifest}")).unwrap_or_default();
        match self.status {
            BuildStatus::Resumed => format!("{build} is live"),
            BuildStatus::NothingToResume => "nothing was broken off".to_owned(),
            BuildStatus::Pinned => format!("{build} stays until `assets unpin`"),
            BuildStatus::Unpinned => format!("{build} may age out"),
            BuildStatus::NothingToUnpin => format!("{build} was not pinned"),
        }
    }

    /// As text.
    pub fn text(&self) -> String {
        format!("{}: {}\n", self.app, self.words())
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let title = super::markdown::title("Assets of", &self.app, &self.bucket);
        format!("{title}{}\n", self.words())
    }
}
