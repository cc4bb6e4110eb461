use runway_core::render::problems::ErrorBody;
use serde::Serialize;

use super::About;
use crate::assets::Probe;

/// What the store can do: `assets doctor --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AssetsDoctorDocument {
    /// Version of this form: 1.
    pub version: u32,
    /// The app.
    pub app: String,
    /// The bucket.
    pub bucket: String,
    /// A write that must be the first is refused if it is not.
    pub if_absent: bool,
    /// A write over something else than was expected is refused.
    pub if_match: bool,
    /// A deletion of something else than was expected is refused.
    pub delete_if_match: bool,
    /// Many objects are deleted at once.
    pub delete_many: bool,
    /// Pushes and prunes are safe beside each other.
    pub safe: bool,
    /// What went wrong, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

impl AssetsDoctorDocument {
    /// The document of what trying a store out showed.
    pub fn of(about: &About, probe: &Probe) -> Self {
        Self {
            version: 1,
            app: about.app.clone(),
            bucket: about.bucket.clone(),
            if_absent: probe.if_absent,
            if_match: probe.if_match,
            delete_if_match: probe.delete_if_match,
            delete_many: probe.delete_many,
            safe: probe.check().is_ok(),
            error: None,
        }
    }
}
