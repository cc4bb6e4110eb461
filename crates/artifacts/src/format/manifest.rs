use std::collections::BTreeMap;

use bytes::Bytes;
use runway_store::{ContentDigest, ETag};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FormatError, canonical};
use crate::names::{AppName, AssetPath, Nonce};

const SCHEMA: &str = "runway-rs/manifest@2";

/// What is recorded of one push: all files of the build.
///
/// Three forms are read. A bare list of paths is what the ticket asks for. An object with `files`, `image` and
/// `timestamp` is what valpop writes. The second version of ours has the same members and more, so that valpop reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Manifest {
    /// Every file of the build.
    pub files: Vec<AssetPath>,
    /// Name of the build, for example its container image.
    pub image: Option<String>,
    /// When it was pushed, in seconds.
    pub timestamp: Option<u64>,
    /// Who wrote it.
    pub nonce: Option<Nonce>,
    /// Where the build is from.
    pub build: Build,
    /// Files that were sent last, in this order.
    pub entry: Vec<AssetPath>,
    /// What is known of each file; empty in the simpler forms.
    pub objects: BTreeMap<AssetPath, FileFacts>,
}

/// Where a build is from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Build {
    /// Commit of the sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When it was built, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
}

/// What is known of one file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileFacts {
    /// `Cache-Control`.
    #[serde(rename = "cc")]
    pub cache_control: String,
    /// `Content-Type`.
    #[serde(rename = "ct")]
    pub content_type: String,
    /// Entity tag of the object that holds it. Entry points have none: they are replaced by every build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
    /// Digest of its bytes.
    pub sha256: ContentDigest,
    /// Its bytes.
    pub size: u64,
}

/// Form of manifests that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ManifestFormat {
    /// A bare list of paths.
    List,
    /// What valpop writes.
    Valpop,
    /// All that is known; valpop reads it.
    #[default]
    V2,
}

#[derive(Serialize)]
struct Written<'a> {
    build: &'a Build,
    entry: &'a [AssetPath],
    files: &'a [AssetPath],
    image: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a Nonce>,
    objects: &'a BTreeMap<AssetPath, FileFacts>,
    schema: &'a str,
    scope: &'a AppName,
    timestamp: u64,
    tool: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Simple<'a> {
    files: &'a [AssetPath],
    image: &'a str,
    timestamp: u64,
    valpop_image: &'a str,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    schema: Option<Value>,
}

#[derive(Deserialize)]
struct Read {
    files: Vec<AssetPath>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    timestamp: Option<u64>,
    #[serde(default)]
    nonce: Option<Nonce>,
    #[serde(default)]
    build: Option<Build>,
    #[serde(default)]
    entry: Vec<AssetPath>,
    #[serde(default)]
    objects: BTreeMap<AssetPath, FileFacts>,
}

impl Manifest {
    /// Whether it says more than valpop's do: whoever wrote it keeps a head, too. Those of the plain forms do not tell, but
    /// whoever keeps a head stamps its documents.
    pub fn tells_of_a_head(&self) -> bool {
        self.nonce.is_some() || !self.entry.is_empty() || !self.objects.is_empty()
    }

    /// Reads any of the three forms.
    ///
    /// # Errors
    /// [`FormatError`] if it is none of them, or names a file that cannot be.
    pub fn decode(body: &[u8]) -> Result<Self, FormatError> {
        let refuse = |error: serde_json::Error| FormatError::new(error.to_string());
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') {
            let files = serde_json::from_slice(body).map_err(refuse)?;
            return Ok(Self { files, ..Self::default() });
        }
        // What it is decides what its other members mean.
        match serde_json::from_slice(body).map_err(refuse)? {
            // valpop's has none.
            Kind { schema: None } => {}
            Kind { schema: Some(Value::String(schema)) } if schema == SCHEMA => {}
            Kind { schema: Some(found) } => {
                let found = found.to_string().chars().take(80).collect::<String>();
                let found = found.escape_debug();
                return Err(FormatError::new(format!("it is `{found}`, which this version does not know")));
            }
        }
        let read: Read = serde_json::from_slice(body).map_err(refuse)?;
        Ok(Self {
            files: read.files,
            image: read.image.filter(|image| !image.is_empty()),
            timestamp: read.timestamp,
            nonce: read.nonce,
            build: read.build.unwrap_or_default(),
            entry: read.entry,
            objects: read.objects,
        })
    }

    /// Writes it.
    pub fn encode(&self, scope: &AppName, format: ManifestFormat) -> Bytes {
        let (image, timestamp) =
            (self.image.as_deref().unwrap_or_default(), self.timestamp.unwrap_or_default());
        let tool = concat!("runway-rs/", env!("CARGO_PKG_VERSION"));
        match format {
            ManifestFormat::List => canonical(&self.files),
            ManifestFormat::Valpop => {
                canonical(&Simple { files: &self.files, image, valpop_image: tool, timestamp })
            }
            ManifestFormat::V2 => canonical(&Written {
                schema: SCHEMA,
                kind: "assets",
                scope,
                files: &self.files,
                image,
                timestamp,
                nonce: self.nonce.as_ref(),
                build: &self.build,
                tool,
                entry: &self.entry,
                objects: &self.objects,
            }),
        }
    }
}
